//! The process and the machine: environment variables, child processes, the terminal, the stack.

pub(crate) mod crash;
pub(crate) mod env;
pub(crate) mod ending;
pub(crate) mod child;
pub(crate) mod progress;
pub(crate) mod stack;
