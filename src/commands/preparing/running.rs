//! `prep -- CMD`: what comes before the command and after it.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::Outcome;
use crate::commands::preparing::directory::LeftoverDirectory;
use crate::commands::preparing::in_place::{self, InPlace};
use crate::os::child::{self, NotRun, Output};
use crate::os::signals::NotedSignals;
use crate::prepare::key::sha256;
use crate::report;
use crate::report::paint::Paint;

/// A command that runs while its build is prepared.
pub(in crate::commands) struct PreparedRun<'a> {
    pub directory: &'a LeftoverDirectory,
    /// If manifests are rewritten.
    pub in_place: Option<&'a InPlace<'a>>,
    pub debris: &'a Debris,
    /// Empty if nothing is run.
    pub command: &'a [OsString],
    /// Whether standard output is for a document.
    pub is_document: bool,
    /// Whether the preparation stays.
    pub keep: bool,
}

impl PreparedRun<'_> {
    /// Prepares, runs the command, and takes the preparation out again, however that ends: also by
    /// a signal, which is noted until then.
    pub(in crate::commands) fn run(
        &self,
        prepare: impl FnOnce() -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let signals = NotedSignals::new().map_err(|error| Error::new("wait for signals", error))?;
        let lockfiles = self.lockfiles()?;
        let prepared = prepare();
        let signal = signals.noted();
        // Half a preparation in place is none.
        let is_whole = prepared.is_ok() && signal.is_none() || self.in_place.is_none();
        let outcome = match (prepared, signal) {
            (Err(error), _) => Err(error),
            (Ok(outcome), Some(signal)) => {
                let what = match self.command {
                    [] => "the preparation was complete",
                    _ => "the command started",
                };
                let note = format!("bakstop: signal {signal} came before {what}");
                Ok(Outcome { code: 128 + signal, ..outcome.note(note) })
            }
            (Ok(outcome), None) => Ok(self.run_command(outcome, &signals)),
        };
        if self.keep && is_whole {
            return outcome;
        }
        match (outcome, self.take_out(&lockfiles)) {
            (Ok(mut outcome), Err(error)) => {
                outcome.notes += &report::error(&error, Paint::PLAIN);
                if outcome.code == 0 {
                    outcome.code = Verdict::Failed.code();
                }
                Ok(outcome)
            }
            (Err(first), Err(error)) => {
                let notes = [&first, &error].map(|error| report::error(error, Paint::PLAIN));
                Ok(Outcome { notes: notes.concat(), ..Outcome::new(Verdict::Failed, "") })
            }
            (Ok(outcome), Ok(left)) => {
                let found = if left.is_empty() { 0 } else { Verdict::Found.code() };
                let code = if outcome.code == 0 { found } else { outcome.code };
                Ok(left.iter().fold(Outcome { code, ..outcome }, Outcome::note))
            }
            (Err(error), Ok(_)) => Err(error),
        }
    }

    /// Puts the manifests back, and empties the leftover directory: lines about what stays, also of
    /// lockfiles with paths of packages that were not among these.
    fn take_out(&self, lockfiles: &BTreeSet<RepoPath>) -> Result<Vec<String>, Error> {
        let taken = self.in_place.map(InPlace::take_back).transpose()?;
        self.directory.empty()?;
        let mut left = taken.as_ref().map(in_place::lines).unwrap_or_default();
        left.extend(self.lockfiles()?.difference(lockfiles).map(|path| {
            format!(
                "bakstop: left {path}: it was written while manifests were rewritten: see \
                 `bakstop restore --dry-run`"
            )
        }));
        Ok(left)
    }

    fn lockfiles(&self) -> Result<BTreeSet<RepoPath>, Error> {
        let Some(in_place) = self.in_place else { return Ok(BTreeSet::new()) };
        in_place::rewritten_lockfiles(in_place.tree(), self.debris)
    }

    fn run_command(&self, mut outcome: Outcome, signals: &NotedSignals) -> Outcome {
        let Some((program, arguments)) = self.command.split_first() else { return outcome };
        let output = if self.is_document { Output::ToStandardError } else { Output::Inherited };
        let code = match child::run_unless_noted(program, arguments, output, signals) {
            Ok(ran) => ran.ended.code(),
            Err(NotRun { code, error }) => {
                outcome.notes += &report::error(&error, Paint::PLAIN);
                code
            }
        };
        let changed = self.changed();
        for path in changed.iter().take(SHOWN) {
            outcome = outcome.note(format!(
                "bakstop: {path} was not as prepared when the command ended: its build may have \
                 used other packages"
            ));
        }
        let found = if changed.is_empty() { 0 } else { Verdict::Found.code() };
        outcome.code = if code == 0 { found } else { code };
        outcome
    }

    /// The files that are not as they were written, or were added: a manifest in an overlay is
    /// taken. Without a record, it is one itself.
    fn changed(&self) -> Vec<RepoPath> {
        // The journal is read again when they are put back.
        let manifests = self.in_place.and_then(|in_place| in_place.changed().ok());
        let mut changed = manifests.unwrap_or_default();
        changed.extend(self.changed_beside());
        changed
    }

    fn changed_beside(&self) -> Vec<RepoPath> {
        let Some(record) = self.directory.record() else {
            return vec![self.directory.record_path()];
        };
        let digest = |path: &str| self.directory.read(path).map(|bytes| sha256(&bytes));
        let mut changed: Vec<RepoPath> =
            record.changed(digest).iter().map(|path| self.directory.path_of(path)).collect();
        let known =
            record.files.iter().map(|file| self.directory.path_of(&file.path.as_str().into()));
        let known: BTreeSet<RepoPath> = known.chain([self.directory.record_path()]).collect();
        // A link is an error as well when the directory is emptied.
        let found = self.directory.files().unwrap_or_default();
        changed.extend(found.difference(&known).cloned());
        changed
    }
}

/// The maximum number of changed files that are named.
const SHOWN: usize = 5;
