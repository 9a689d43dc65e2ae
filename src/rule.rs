//! What a rule is, and the sink that it reports into.

use crate::base::change::{Entry, File};
use crate::base::debris::Debris;
use crate::base::finding::{Finding, Place, Severity, Span, Step};
use crate::base::path::RepoPath;
use crate::pins::Board;

/// A row of the rule table.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The pattern that it catches, in kebab-case; the names of its file and of its manual page say the same.
    pub id: &'static str,
    /// One line: what it catches.
    pub summary: &'static str,
    /// How much its findings weigh, unless one says otherwise.
    pub severity: Severity,
    /// The manual page, in Markdown.
    pub manual: &'static str,
    /// What it looks at.
    pub check: Check,
}

/// What a rule looks at. The less it asks for, the less a commit costs. No rule can fail or open a file.
#[derive(Debug)]
pub(crate) enum Check {
    /// Each new entry by its path and mode; no content is read.
    Entry(fn(&Entry, &Debris, &mut Findings)),
    /// Each new regular file that `wants` names, by its content.
    File {
        /// Which paths are worth reading.
        wants: fn(&RepoPath) -> bool,
        /// Judges one file.
        judge: fn(&File, &Debris, &mut Findings),
    },
    /// When a new file pins a package manager: every pin of the tree, in new files and in others.
    Pins(fn(&Board, &mut Findings)),
    /// The configuration of bakstop itself, as far as it was read.
    Configuration(fn(&Reading, &mut Findings)),
}

/// What is known of a configuration: of one that is to come, or of the one that is obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The file. Of one that cannot be read at all, the text is empty.
    pub file: File,
    /// Why it cannot be obeyed.
    pub problems: Vec<Remark>,
    /// The dates of the allowances that have ended.
    pub expired: Vec<Span>,
    /// The paths of the allowances that hid nothing in the whole tree.
    pub unused: Vec<Span>,
}

/// Something to say of a place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// The place; `None` if it is the file as such.
    pub span: Option<Span>,
    /// What there is to say, as a short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
}

/// The most findings of one rule in one file. A machine or an enemy can write any number; the rest are counted.
const MOST: usize = 100;

/// Where a rule puts what it finds. Everything but the place and the message is filled in from the rule.
#[derive(Debug)]
pub(crate) struct Findings {
    rule: &'static str,
    severity: Severity,
    found: Vec<Finding>,
    /// How many of the last findings are about the same file.
    same_file: usize,
    /// How many findings about a file were not kept.
    beyond: Vec<(RepoPath, usize)>,
}

impl Findings {
    /// An empty sink for one rule.
    pub(crate) fn of(rule: &Rule) -> Self {
        Self { rule: rule.id, severity: rule.severity, found: Vec::new(), same_file: 0, beyond: Vec::new() }
    }

    /// Reports a file as such.
    pub(crate) fn path(&mut self, path: &RepoPath, message: impl Into<String>) -> Draft<'_> {
        self.push(path, || None, message)
    }

    /// Reports a place in a file.
    pub(crate) fn place(&mut self, file: &File, span: &Span, message: impl Into<String>) -> Draft<'_> {
        self.push(&file.path, || Some(Place::locate(&file.text, span)), message)
    }

    /// Reports a place in a file that is not understood: its line is not shown, for it may hold anything.
    pub(crate) fn position(&mut self, file: &File, span: &Span, message: impl Into<String>) -> Draft<'_> {
        self.push(&file.path, || Some(Place::position(&file.text, span)), message)
    }

    /// Reports a place whose content is a secret: it is not kept.
    pub(crate) fn secret(&mut self, file: &File, span: &Span, message: impl Into<String>) -> Draft<'_> {
        self.push(&file.path, || Some(Place::masked(&file.text, span)), message)
    }

    /// What was found.
    pub(crate) fn into_vec(mut self) -> Vec<Finding> {
        for (path, count) in std::mem::take(&mut self.beyond) {
            let message = format!("{count} more places in this file say the same");
            self.found.push(self.finding(&path, None, message));
        }
        self.found
    }

    fn push(
        &mut self,
        path: &RepoPath,
        place: impl FnOnce() -> Option<Place>,
        message: impl Into<String>,
    ) -> Draft<'_> {
        let same = self.found.last().is_some_and(|last| &last.path == path);
        self.same_file = if same { self.same_file + 1 } else { 1 };
        if self.same_file > MOST {
            match self.beyond.last_mut().filter(|(last, _)| last == path) {
                Some((_, count)) => *count += 1,
                None => self.beyond.push((path.clone(), 1)),
            }
            return Draft(None);
        }
        let finding = self.finding(path, place(), message.into());
        self.found.push(finding);
        Draft(self.found.last_mut())
    }

    fn finding(&self, path: &RepoPath, place: Option<Place>, message: String) -> Finding {
        let path = path.clone();
        let (rule, severity) = (self.rule, self.severity);
        Finding { rule, severity, commit: None, path, place, message, help: "", steps: &[] }
    }
}

/// The finding that was just reported, to add its cure to.
#[derive(Debug)]
pub(crate) struct Draft<'a>(Option<&'a mut Finding>);

impl Draft<'_> {
    /// Says how to mend it: a sentence, then commands to paste.
    pub(crate) fn cure(mut self, help: &'static str, steps: &'static [Step]) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.help = help;
            finding.steps = steps;
        }
        self
    }

    /// Weighs it otherwise than the rule does.
    pub(crate) fn weigh(mut self, severity: Severity) {
        if let Some(finding) = &mut self.0 {
            finding.severity = severity;
        }
    }
}
