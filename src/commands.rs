//! The verbs: each gathers what it needs, asks the rooms below, and returns what is to be said. None of them prints.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::change::{Change, File};
use crate::base::debris::{Debris, backup_of};
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::{Finding, Step, Verdict};
use crate::base::path::RepoPath;
use crate::disk::destination::Destination;
use crate::engine::LIMIT;
use crate::git::Staged;
use crate::os::env::Environment;
use crate::report::paint::Paint;
use crate::report::{self, Format, Report, cure, human::View};
use crate::rules::is_rewritten;

pub(crate) mod completions;
mod destination;
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
    /// The environment variables.
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

    /// The report of a check in a format: on standard output, or in a file beside the text for a person.
    pub(crate) fn of_check(report: &Report<'_>, format: Format, output: Option<Destination>) -> Self {
        let verdict = Verdict::of(report.findings, report.deny_warnings);
        let Some(destination) = output else { return Self::new(verdict, report::check(format, report)) };
        // Whoever reads a file may not be a terminal.
        let plain = Report { view: View { paint: Paint::PLAIN, ..report.view }, ..*report };
        let file = Some((destination, report::check(format, &plain)));
        Self { file, ..Self::new(verdict, report::check(Format::Human, report)) }
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

/// The command that undoes a preparation in the repository that holds this change. Looked for only if it is needed.
fn restore_command(change: &dyn Change, findings: &[Finding]) -> Result<String, Error> {
    let mut scripts = Vec::new();
    if cure::wants_script(findings) {
        scripts = change.whole(&|path| path.is_named(cure::SCRIPT))?;
    }
    Ok(cure::restore(scripts.first().map(|entry| &entry.path)))
}

/// What a finding says to do, and the steps of it.
type Cure = (&'static str, &'static [Step]);

/// Finds a cure that works as things stand here. The script undoes a preparation only where a clean backup is left, the
/// committed file is a cure only where it is clean, and an original that is back already only has to be staged.
///
/// `on_disk` gives a file of the work tree, `committed` what HEAD has at a path.
fn mend(
    findings: &mut [Finding],
    debris: &Debris,
    on_disk: &dyn Fn(&RepoPath) -> Option<Vec<u8>>,
    committed: &dyn Fn(&RepoPath) -> Option<Vec<u8>>,
) {
    // A file with many findings is looked at once: to judge it costs as much as it did the first time.
    let mut last: Option<(RepoPath, Cure, Option<Cure>)> = None;
    for finding in findings.iter_mut().filter(|finding| finding.steps.contains(&Step::Restore)) {
        let path = finding.path.clone();
        let own = (finding.help, finding.steps);
        if let Some((_, _, cure)) = last.as_ref().filter(|(known, of, _)| *known == path && *of == own) {
            (finding.help, finding.steps) = cure.unwrap_or(own);
            continue;
        }
        // Whether there is a text, and the rules would let it pass at this path.
        let clean = |text: Option<Vec<u8>>| {
            let file = |text| File { path: path.clone(), text, fresh: false, replaces: true };
            text.is_some_and(|text| !is_rewritten(&file(text), debris))
        };
        let manifest = !finding.steps.iter().any(|step| matches!(step, Step::Install(_)));
        let cure: Option<Cure> = if clean(on_disk(&path)) {
            Some(("the work tree has it right already: stage that", &[Step::Stage]))
        } else if manifest && !clean(on_disk(&backup_of(&path))) {
            Some(if clean(committed(&path)) {
                ("there is no clean backup; take the committed file back (edits since are lost)", &[Step::TakeBack])
            } else {
                ("there is no clean backup or committed file: mend the spec by hand, then stage it", &[Step::Stage])
            })
        } else if finding.steps.contains(&Step::TakeBack) && !clean(committed(&path)) {
            Some((
                "the committed lockfile says so too: delete it, install over the originals, then stage it",
                &[Step::Stage],
            ))
        } else {
            None
        };
        (finding.help, finding.steps) = cure.unwrap_or(own);
        last = Some((path, own, cure));
    }
}

/// The same for what is staged.
fn mend_staged(findings: &mut [Finding], debris: &Debris, staged: &Staged) {
    mend(findings, debris, &|path| staged.on_disk(path, LIMIT), &|path| staged.committed(path, LIMIT));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::config::Config;
    use crate::engine::tests::{Fake, judged_with};

    #[test]
    fn a_cure_is_looked_for_once_a_file() {
        let spec = format!("file:../{}/x.tgz", ".docker-deps");
        let field = format!("\"x\": \"{spec}\", ").repeat(200);
        let manifest = format!("{{\"dependencies\": {{{field}\"y\": \"1\"}}}}");
        let change = Fake::default().file("a/package.json", &manifest).file("b/package.json", &manifest);
        let mut findings = judged_with(&Config::default(), &change).findings;
        let looks = Cell::new(0);
        let look = |_: &RepoPath| {
            looks.set(looks.get() + 1);
            Some(manifest.clone().into_bytes())
        };
        mend(&mut findings, &Debris::default(), &look, &look);
        // On disk, in the backup, in HEAD.
        assert_eq!((looks.get(), findings.len()), (6, 202));
        let cured = findings.iter().filter(|finding| finding.help.contains("mend the spec by hand")).count();
        assert_eq!(cured, 200);
    }
}
