//! Records of runs of a build: what `verify` and `measure` write and `trend` reads.

pub(super) mod builds;
pub(super) mod record;
pub(super) mod limits;

use std::ffi::OsString;

use jiff::Timestamp;

use crate::base::change::ObjectId;
use crate::base::path::shell_quote;
use crate::commands::recording::builds::Found;
use crate::measure::runs::Run;
use crate::os::child::Ran;
use crate::snapshot::{Changes, Tree};

/// The label of a run without one: its command line.
pub(super) fn command_label(command: &[OsString]) -> String {
    let word = |word: &OsString| shell_quote(word.as_encoded_bytes()).into_owned();
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The host and its number of processors: times of two machines are not compared.
fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{name} {processors}cpu")
}

/// The state of a work tree after a command that made these changes.
pub(super) fn tree_of(changes: &Changes) -> Tree {
    if changes.is_empty() { Tree::Unchanged } else { Tree::Changed }
}

/// A command that has ended.
pub(super) struct Finished<'a> {
    pub label: String,
    pub started: Timestamp,
    pub ran: &'a Ran,
    /// Afterwards.
    pub tree: Tree,
    /// HEAD before it.
    pub commit: Option<ObjectId>,
}

impl Finished<'_> {
    /// The line of the record. `found`: the builds, if Docker was asked.
    pub(super) fn run(self, found: Option<Found>) -> Run {
        Run {
            label: self.label,
            started: self.started,
            seconds: self.ran.took.as_secs_f64(),
            exit_code: self.ran.ended.code(),
            tree: self.tree,
            commit: self.commit,
            protocol: None,
            machine: Some(machine()),
            overlapping: found.as_ref().is_some_and(|found| found.overlapping),
            builds: found.map(|found| found.builds),
        }
    }
}
