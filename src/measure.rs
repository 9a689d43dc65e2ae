//! What builds took: runs, and the record that keeps them.

pub(crate) mod runs;
