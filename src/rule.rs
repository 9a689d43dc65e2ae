//! What a rule is, and the sink that it reports into.

use crate::change::{Entry, Mode};
use crate::finding::{Finding, Place, Severity, Span, Step};
use crate::path::RepoPath;

/// A row of the rule table.
#[derive(Debug)]
pub struct Rule {
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
pub enum Check {
    /// Each new entry by its path and mode; no content is read.
    Entry(fn(&Entry, &mut Findings)),
    /// Each new regular file that `wants` names, by its content.
    File {
        /// Which paths are worth reading.
        wants: fn(&RepoPath) -> bool,
        /// Judges one file.
        judge: fn(&File, &mut Findings),
    },
    /// When a regular file that `wants` names is new: every such file, new or not, together.
    Files {
        /// Which paths are worth reading.
        wants: fn(&RepoPath) -> bool,
        /// Judges them against each other.
        judge: fn(&[File], &mut Findings),
    },
}

/// A regular file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: RepoPath,
    /// The whole content, as it will be committed.
    pub text: Vec<u8>,
    /// Whether it is new; see [`Entry::fresh`].
    pub fresh: bool,
}

impl File {
    /// The directory that holds it, as text: specs are resolved against it.
    pub fn directory(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.path.parent())
    }
}

/// Where a rule puts what it finds. Everything but the place and the message is filled in from the rule.
#[derive(Debug)]
pub struct Findings {
    rule: &'static str,
    severity: Severity,
    found: Vec<Finding>,
}

impl Findings {
    /// An empty sink for one rule.
    pub fn of(rule: &Rule) -> Self {
        Self { rule: rule.id, severity: rule.severity, found: Vec::new() }
    }

    /// Reports a file as such.
    pub fn path(&mut self, path: &RepoPath, message: impl Into<String>) -> Draft<'_> {
        self.push(path, None, message)
    }

    /// Reports a place in a file.
    pub fn place(&mut self, file: &File, span: &Span, message: impl Into<String>) -> Draft<'_> {
        self.push(&file.path, Some(Place::locate(&file.text, span)), message)
    }

    /// Reports a place whose content is a secret: it is not kept.
    pub fn secret(&mut self, file: &File, span: &Span, message: impl Into<String>) -> Draft<'_> {
        self.push(&file.path, Some(Place::masked(&file.text, span)), message)
    }

    /// What was found.
    pub fn into_vec(self) -> Vec<Finding> {
        self.found
    }

    fn push(&mut self, path: &RepoPath, place: Option<Place>, message: impl Into<String>) -> Draft<'_> {
        self.found.push(Finding {
            rule: self.rule,
            severity: self.severity,
            path: path.clone(),
            place,
            message: message.into(),
            help: "",
            steps: &[],
        });
        Draft(self.found.last_mut())
    }
}

/// The finding that was just reported, to add its cure to.
#[derive(Debug)]
pub struct Draft<'a>(Option<&'a mut Finding>);

impl Draft<'_> {
    /// Says how to mend it: a sentence, then commands to paste.
    pub fn cure(mut self, help: &'static str, steps: &'static [Step]) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.help = help;
            finding.steps = steps;
        }
        self
    }

    /// Weighs it otherwise than the rule does.
    pub fn weigh(mut self, severity: Severity) {
        if let Some(finding) = &mut self.0 {
            finding.severity = severity;
        }
    }
}

/// Whether an entry has content that a rule can read.
pub fn is_regular(entry: &Entry) -> bool {
    entry.mode == Mode::File
}
