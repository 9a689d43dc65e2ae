//! The process: environment variables, child processes, signals, terminal and stack. Nothing here
//! knows why a process runs.

pub(crate) mod crash;
pub(crate) mod env;
pub(crate) mod signals;
pub(crate) mod child;
pub(crate) mod progress;
pub(crate) mod stack;
pub(crate) mod parallel;
