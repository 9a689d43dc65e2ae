//! The door to users' files: bounded reads, atomic writes, one lock, and a temporary directory that
//! a signal does not leave.
//!
//! No other room reads or writes users' files by itself; only `git` has a reader of its own, for
//! the files of a repository.

pub(crate) mod read;
pub(crate) mod lock;
pub(crate) mod atomic;
pub(crate) mod destination;
pub(crate) mod scratch;
