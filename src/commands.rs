//! The verbs: each gathers what it needs, asks the rooms below, and returns what is to be said.
//! None of them prints.

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
pub(crate) mod explain;
pub(crate) mod install;
mod judge;
pub(crate) mod check;
pub(crate) mod hook;
pub(crate) mod man;
pub(crate) mod pins;
pub(crate) mod prove;
pub(crate) mod rules;
pub(crate) mod status;
pub(crate) mod uninstall;
pub(crate) mod verify;

/// What every verb is given.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Where the program was started.
    pub directory: PathBuf,
    pub env: Environment,
    /// Colour for what goes to standard output.
    pub paint: Paint,
    /// Whether somebody sees standard error at a terminal.
    pub terminal: bool,
    /// When the program was started.
    pub now: Timestamp,
}

impl Context {
    /// The day that it is, by the calendar of UTC.
    pub(crate) fn today(&self) -> Date {
        self.now.to_zoned(TimeZone::UTC).date()
    }
}

/// What a verb has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The exit code of the process.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For a file: where the answer was asked for in one.
    pub file: Option<(Destination, String)>,
    /// For standard error: notes that are no part of the answer.
    pub notes: String,
}

impl Outcome {
    /// A verdict and its report.
    pub(crate) fn new(verdict: Verdict, out: impl Into<String>) -> Self {
        Self { code: verdict.code(), out: out.into(), file: None, notes: String::new() }
    }

    /// A report in a format: on standard output, or in a file, and then with the text for a person,
    /// which is the default format, on standard output.
    fn in_format<Format: Default>(
        verdict: Verdict,
        format: Format,
        output: Option<Destination>,
        paint: Paint,
        write: impl Fn(Format, Paint) -> String,
    ) -> Self {
        let Some(destination) = output else { return Self::new(verdict, write(format, paint)) };
        // Colour is for a terminal, and not for a file.
        let file = Some((destination, write(format, Paint::PLAIN)));
        Self { file, ..Self::new(verdict, write(Format::default(), paint)) }
    }

    /// Adds a line for standard error.
    #[must_use]
    pub(crate) fn note(mut self, line: impl AsRef<str>) -> Self {
        // It may quote what git or gix said of a repository.
        self.notes.push_str(&Escaped(line.as_ref().as_bytes()).to_string());
        self.notes.push('\n');
        self
    }
}

/// The most lines that tell what is hidden.
const LISTED: usize = 20;

/// A line for each, up to a number; the rest are counted.
fn listed<T>(hidden: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = hidden.iter().take(LISTED).map(line).collect();
    if hidden.len() > LISTED {
        lines.push(format!("bakstop: {} more are hidden", hidden.len() - LISTED));
    }
    lines
}
