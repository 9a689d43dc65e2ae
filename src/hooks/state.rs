//! What can be said of a hook.

/// How a hook stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// git runs it, and it runs the guard.
    InForce,
    /// It cannot be told without running it.
    Doubtful(String),
    /// The guard does not run.
    NotInForce(String),
}
