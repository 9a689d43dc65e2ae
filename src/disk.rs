//! Access to users' files: bounded reads, tarballs, atomic writes, a lock, and a temporary
//! directory that is removed even by a signal. Nothing here knows git.
//!
//! No other module reads or writes users' files, except `git`, which reads the files of
//! repositories.

pub(crate) mod read;
pub(crate) mod tarball;
pub(crate) mod lock;
pub(crate) mod atomic;
pub(crate) mod journal;
pub(crate) mod destination;
pub(crate) mod scratch;
