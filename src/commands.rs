//! The verbs: each gathers what it needs, asks the rooms below, and returns what is to be said. None of them prints.

use std::path::PathBuf;

use crate::change::Change;
use crate::env::Environment;
use crate::error::Error;
use crate::finding::{Finding, Verdict};
use crate::paint::Paint;
use crate::report::cure;

pub mod check;
pub mod explain;
pub mod hook;
pub mod install;
pub mod rules;
pub mod status;
pub mod uninstall;
pub mod verify;

/// What every verb is given.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where the program was started.
    pub directory: PathBuf,
    /// The environment variables.
    pub env: Environment,
    /// Colour for what goes to standard output.
    pub paint: Paint,
}

/// What a verb has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code of the process.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For standard error: notes that are no part of the answer.
    pub notes: String,
}

impl Outcome {
    /// A verdict and its report.
    pub fn new(verdict: Verdict, out: impl Into<String>) -> Self {
        Self { code: verdict.code(), out: out.into(), notes: String::new() }
    }

    /// Adds a line for standard error.
    #[must_use]
    pub fn note(mut self, line: impl AsRef<str>) -> Self {
        self.notes.push_str(line.as_ref());
        self.notes.push('\n');
        self
    }
}

/// The command that undoes a preparation in the repository that holds this change. Looked for only if it is needed.
fn restore_command(change: &dyn Change, findings: &[Finding]) -> Result<String, Error> {
    let mut scripts = Vec::new();
    if cure::wants_script(findings) {
        scripts = change.whole(&|path| path.is_named(cure::SCRIPT))?;
    }
    Ok(cure::restore(scripts.first().map(|entry| &entry.path)))
}
