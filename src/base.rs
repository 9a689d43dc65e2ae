//! The vocabulary of all rooms: data without I/O. Nothing here refers to another room.

pub(crate) mod escape;
pub(crate) mod path;
pub(crate) mod error;
pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod placeholders;
pub(crate) mod finding;
pub(crate) mod edit;
pub(crate) mod refs;
pub(crate) mod pattern;
pub(crate) mod debris;
