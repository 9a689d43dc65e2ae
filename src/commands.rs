//! The verbs. Each returns an [`Outcome`]; none of them prints.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::disk::destination::Destination;
use crate::os::env::Environment;
use crate::report::paint::Paint;

pub(crate) mod completions;
pub(crate) mod destination;
pub(crate) mod rules;
pub(crate) mod explain;
mod configuring;
pub(crate) mod install;
mod sources;
mod paths;
mod restoring;
mod docker;
mod pnpm;
mod recording;
pub(crate) mod journaling;
mod replacing;
mod planned;
mod judge;
mod fixing;
mod preparing;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod hook;
pub(crate) mod lockfile;
pub(crate) mod man;
pub(crate) mod measure;
pub(crate) mod pins;
pub(crate) mod prove;
pub(crate) mod restore;
pub(crate) mod prep;
pub(crate) mod status;
pub(crate) mod trend;
pub(crate) mod uninstall;
pub(crate) mod verify;
pub(crate) mod fleet;

/// The environment of a verb.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The current directory.
    pub directory: PathBuf,
    pub env: Environment,
    /// Colour for standard output.
    pub paint: Paint,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    pub now: Timestamp,
}

impl Context {
    /// The date in UTC.
    pub(crate) fn today(&self) -> Date {
        self.now.to_zoned(TimeZone::UTC).date()
    }
}

/// The result of a verb: the output and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The exit code.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// The report for `--output`.
    pub file: Option<(Destination, String)>,
    /// For standard error.
    pub notes: String,
}

impl Outcome {
    pub(crate) fn new(verdict: Verdict, out: impl Into<String>) -> Self {
        Self { code: verdict.code(), out: out.into(), file: None, notes: String::new() }
    }

    /// A report in a format, for standard output; or for a file, and then in the default format for
    /// standard output.
    fn in_format<Format: Default>(
        verdict: Verdict,
        format: Format,
        output: Option<Destination>,
        paint: Paint,
        write: impl Fn(Format, Paint) -> String,
    ) -> Self {
        let Some(destination) = output else { return Self::new(verdict, write(format, paint)) };
        let file = Some((destination, write(format, Paint::PLAIN)));
        Self { file, ..Self::new(verdict, write(Format::default(), paint)) }
    }

    /// Adds a line for standard error.
    #[must_use]
    pub(crate) fn note(mut self, line: impl AsRef<str>) -> Self {
        // It may quote a message of git or gix.
        self.notes.push_str(&Escaped(line.as_ref().as_bytes()).to_string());
        self.notes.push('\n');
        self
    }
}

/// The maximum number of lines about hidden findings.
const LISTED: usize = 20;

/// A line for each, up to [`LISTED`], and the number of the rest.
fn listed<T>(hidden: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = hidden.iter().take(LISTED).map(line).collect();
    if hidden.len() > LISTED {
        lines.push(format!("bakstop: {} more are hidden", hidden.len() - LISTED));
    }
    lines
}
