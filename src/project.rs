//! What the files of a repository are, and what they say together.

pub(crate) mod kinds;
