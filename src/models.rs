//! Typed views of the files that tools obey, without opinion: each value has its place.
//!
//! What cannot be parsed or understood is absent; nothing fails. Only what has a reader is here.

pub(crate) mod image;
pub(crate) mod dockerfile;
