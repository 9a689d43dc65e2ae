//! The boundary to git: the few questions that the program has, each answered by the cheapest layer that is certain.
//!
//! Three layers stand behind it, each handing over, with a reason, whatever it does not know for certain. `direct` reads what
//! is staged from the files of the repository, without opening it. `native` opens it with gix, without starting a process.
//! `command` asks the `git` program, which knows everything; if that fails too, so does the run. Nothing above this module
//! knows which layer answered.

mod cache_tree;
mod change;
pub(crate) mod command;
mod compare;
mod direct;
pub(crate) mod history;
mod native;
pub(crate) mod objects;
mod source;
mod staged;
mod store;
mod trees;
pub(crate) mod worktree;

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;

pub(crate) use change::TreeChanges;
pub(crate) use command::Git;
pub(crate) use staged::Staged;
