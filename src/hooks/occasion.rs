//! What a commit hook is run for, by its environment: git, or a hook manager.

use crate::os::env::Environment;

/// What a commit hook is run for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A commit: git runs the hook, directly or through a manager.
    Commit,
    /// A range of commits (`pre-commit run --from-ref A --to-ref B`).
    Range(String),
    /// A push for which pre-commit or prek runs the hook. It keeps the input of git for itself, and
    /// names one of the pushed revisions.
    Push { remote: String, tip: String },
    /// No git command. If nothing is staged, all files are meant
    /// (`pre-commit run --all-files`, `lefthook run pre-commit --all-files`).
    Run {
        /// Whether it is certain that no commit is being made: pre-commit or prek runs the hook, or
        /// a CI. Some programs commit without git, and run hooks without its variables.
        certain: bool,
    },
}

impl Occasion {
    /// Git sets `GIT_INDEX_FILE` for the hooks of a commit. The other variables are those of
    /// pre-commit 4 and prek 0.5. A commit may inherit them from a push.
    pub(crate) fn of(env: &Environment) -> Self {
        if env.get("GIT_INDEX_FILE").is_some() {
            return Self::Commit;
        }
        let by_manager = env.get("PRE_COMMIT").is_some();
        let get = |name: &str| env.text(name).filter(|_| by_manager);
        let to = get("PRE_COMMIT_TO_REF");
        match (get("PRE_COMMIT_REMOTE_NAME"), get("PRE_COMMIT_FROM_REF"), to) {
            (Some(remote), _, Some(tip)) => Self::Push { remote, tip },
            (None, Some(from), Some(to)) => Self::Range(format!("{from}...{to}")),
            // Everything that is pushed is new: then pre-commit names the ref alone.
            (Some(remote), _, None) => {
                let tip = get("PRE_COMMIT_LOCAL_BRANCH").unwrap_or_else(|| "HEAD".to_owned());
                Self::Push { remote, tip }
            }
            _ => Self::Run {
                certain: by_manager || env.get("CI").is_some_and(|value| value != "false"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_git_and_of_managers_decide() {
        let (from, to) = (("PRE_COMMIT_FROM_REF", "a"), ("PRE_COMMIT_TO_REF", "b"));
        let (remote, branch) = (("PRE_COMMIT_REMOTE_NAME", "o"), ("PRE_COMMIT_LOCAL_BRANCH", "c"));
        let manager = ("PRE_COMMIT", "1");
        let push = |tip: &str| Occasion::Push { remote: "o".into(), tip: tip.into() };
        let run = |certain| Occasion::Run { certain };
        for (variables, expected) in [
            (&[][..], run(false)),
            (&[("CI", "false")], run(false)),
            (&[("CI", "true")], run(true)),
            (&[manager], run(true)),
            (&[manager, to], run(true)),
            (&[from, to], run(false)),
            (&[manager, from, to], Occasion::Range("a...b".into())),
            (&[manager, from, to, remote, branch], push("b")),
            (&[manager, remote, branch], push("c")),
            (&[manager, from, to, ("GIT_INDEX_FILE", ".git/index")], Occasion::Commit),
        ] {
            let env: Environment = variables.iter().copied().collect();
            assert_eq!(Occasion::of(&env), expected, "{variables:?}");
        }
    }
}
