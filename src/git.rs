//! The interface to git: a few queries, each answered by the cheapest layer that is certain. No
//! type of gix is in its interface.
//!
//! `direct` reads the staged entries from the files of the repository; otherwise the `git` program
//! lists them. Objects come from the files of a store, then from `git cat-file`. A layer hands
//! over, with a reason, what it does not know for certain; if git fails too, so does the run.
//! Nothing above this module depends on which layer answered.
//!
//! The modules are listed in the order of their layers: each uses only those above it.

// The vocabulary, and the two sources of bytes: a file and a process.
mod layer;
mod source;
mod endless;
pub(crate) mod process;
pub(crate) mod listing;
// Where the repository is, its objects, and trees of them.
mod repository;
pub(crate) mod private;
mod store;
pub(crate) mod objects;
mod trees;
// The index and the staged entries.
mod cache_tree;
mod index;
mod compare;
mod direct;
pub(crate) mod merge;
mod staged;
pub(crate) mod staging;
// Commits.
pub(crate) mod versions;
pub(crate) mod history;
mod change;
// Files.
pub(crate) mod worktree;

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;

pub(crate) use change::TreeChanges;
pub(crate) use process::Git;
pub(crate) use staged::Staged;
