//! The verbs: each gathers what it needs, asks the rooms below, and returns what is to be said. None of them prints.

use std::path::PathBuf;

use crate::change::Change;
use crate::debris::backup_of;
use crate::engine::LIMIT;
use crate::env::Environment;
use crate::error::Error;
use crate::escape::Escaped;
use crate::finding::{Finding, Step, Verdict};
use crate::git::Staged;
use crate::paint::Paint;
use crate::path::RepoPath;
use crate::report::cure;
use crate::rule::File;
use crate::rules::is_rewritten;

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
        // It may quote what git or gix said of a repository.
        self.notes.push_str(&Escaped(line.as_ref().as_bytes()).to_string());
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

/// Where no clean backup of a rewritten manifest is left, the preparation cannot be undone by its script: then the cure
/// is another. `read` gives a file of the work tree, `known` says whether HEAD has a file.
fn mend(findings: &mut [Finding], read: &dyn Fn(&RepoPath) -> Option<Vec<u8>>, known: &dyn Fn(&RepoPath) -> bool) {
    let of_manifest = |finding: &&mut Finding| matches!(finding.steps, [Step::Restore, Step::Stage]);
    for finding in findings.iter_mut().filter(of_manifest) {
        let path = finding.path.clone();
        let backup = read(&backup_of(&path)).map(|text| File { path, text, fresh: false, replaces: true });
        if backup.is_some_and(|backup| !is_rewritten(&backup)) {
            continue;
        }
        (finding.help, finding.steps) = if known(&finding.path) {
            ("there is no clean backup; take the committed file back (edits since are lost)", &[Step::TakeBack][..])
        } else {
            ("there is no clean backup, nor a committed file; mend the spec by hand, then stage it", &[Step::Stage][..])
        };
    }
}

/// The same for what is staged.
fn mend_staged(findings: &mut [Finding], staged: &Staged) {
    let known = |path: &RepoPath| staged.fresh().iter().any(|entry| &entry.path == path && entry.replaces);
    mend(findings, &|path| staged.on_disk(path, LIMIT), &known);
}
