//! Records of runs of a build: what `verify` writes and `trend` reads.

pub(super) mod builds;
pub(super) mod record;

use std::ffi::OsString;

use crate::base::path::shell_quote;

/// The label of a run without one: its command line.
pub(super) fn command_label(command: &[OsString]) -> String {
    let word = |word: &OsString| shell_quote(word.as_encoded_bytes()).into_owned();
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The host and its number of processors: times of two machines are not compared.
pub(super) fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{name} {processors}cpu")
}
