//! Times of builds, what BuildKit recorded of them, and whether they grew. It does no I/O.

pub(crate) mod units;
pub(crate) mod builds;
pub(crate) mod progress;
pub(crate) mod protocol;
pub(crate) mod comment;
pub(crate) mod cold;
pub(crate) mod runs;
pub(crate) mod trend;
