//! What can be said of a hook.

/// How a hook stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HookState {
    /// git runs it, and it runs the guard.
    InForce,
    /// It cannot be told without running it.
    Doubtful(String),
    /// The guard does not run.
    NotInForce {
        reason: String,
        /// What a person can do about it, if installing is not it.
        cure: Option<Cure>,
    },
}

/// What a person can do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cure {
    /// What stands between the reason and this in a sentence.
    joint: &'static str,
    /// What to do, in words.
    pub text: String,
}

impl HookState {
    /// The guard does not run, and nothing more is known.
    pub(crate) fn not_in_force(reason: impl Into<String>) -> Self {
        Self::NotInForce { reason: reason.into(), cure: None }
    }

    /// The guard does not run; `joint` stands between the reason and the cure.
    pub(crate) fn curable(
        reason: impl Into<String>,
        joint: &'static str,
        cure: impl Into<String>,
    ) -> Self {
        Self::NotInForce { reason: reason.into(), cure: Some(Cure { joint, text: cure.into() }) }
    }

    /// All that there is to say, if it is not simply in force.
    pub(crate) fn explanation(&self) -> Option<String> {
        match self {
            Self::InForce => None,
            Self::Doubtful(reason) | Self::NotInForce { reason, cure: None } => {
                Some(reason.clone())
            }
            Self::NotInForce { reason, cure: Some(Cure { joint, text }) } => {
                Some(format!("{reason}{joint}{text}"))
            }
        }
    }
}
