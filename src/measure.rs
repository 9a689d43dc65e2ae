//! Times of builds.

pub(crate) mod runs;
