//! The type of a rule, its findings, and the sink that it reports into.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Debug};

use crate::base::change::{Commit, Entry, File};
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::finding::{Label, Place, Severity, Span, Step, Verdict};
use crate::base::path::RepoPath;
use crate::builds::Builds;
use crate::edit::fix::{Fix, Safety};
use crate::locks::JudgedLock;
use crate::pins::PinTable;
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};

/// A row of the rule table.
pub(crate) struct Rule {
    /// The pattern that it catches, in kebab-case, like its file and its manual page.
    pub id: &'static str,
    pub group: RuleGroup,
    /// A description in one line.
    pub summary: &'static str,
    /// The severity of its findings, unless one has another.
    pub severity: Severity,
    /// Whether it is on without a configuration.
    pub on_by_default: bool,
    pub subject: Subject,
    /// The manual page, in Markdown.
    pub manual: &'static str,
    pub check: Check,
    /// Which variables a rule about builds asks for: the files of the repository are searched for
    /// them, and [`Builds::named_variables`] has those that are found.
    pub asks_for_variables: Option<fn(&Builds) -> BTreeSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleGroup {
    /// Leftovers of a preparation, and secrets.
    Guard,
    /// Package managers and where they are pinned.
    Pins,
    /// Lockfiles for images.
    Lockfile,
    /// Docker builds. Only `doctor` runs these rules.
    Doctor,
    /// The configuration of bakstop itself.
    Config,
}

/// The kind of a finding, if other code depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A manifest that a preparation rewrote: `prove` stages one.
    Manifest,
    /// A lockfile with a trace of a preparation. Restoring the manifest does not undo it.
    Lockfile,
    /// A secret. Removing it is not enough: it must be revoked.
    Secret,
    /// An invalid configuration. No configuration may make it less than an error.
    InvalidConfiguration,
    Other,
}

impl Subject {
    /// Whether it shows that a preparation was not restored.
    pub(crate) fn shows_preparation(self) -> bool {
        matches!(self, Self::Manifest | Self::Lockfile)
    }
}

impl RuleGroup {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Pins => "pins",
            Self::Lockfile => "lockfile",
            Self::Doctor => "doctor",
            Self::Config => "configuration",
        }
    }
}

impl Rule {
    /// The defaults of a rule.
    pub(crate) const fn base(group: RuleGroup) -> Self {
        Self {
            id: "",
            group,
            summary: "",
            severity: Severity::Error,
            on_by_default: true,
            subject: Subject::Other,
            manual: "",
            check: Check::Entry(|_, _, _| ()),
            asks_for_variables: None,
        }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

impl Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Rule({})", self.id)
    }
}

/// The input of a rule. The less a rule asks for, the faster a commit is judged. No rule can fail
/// or open a file.
#[derive(Debug)]
pub(crate) enum Check {
    /// Each new entry by its path and mode; no content is read.
    Entry(fn(&Entry, &Debris, &mut Findings)),
    /// Each new regular file that `wants` names, by its content.
    File {
        /// Which paths are worth reading.
        wants: fn(&RepoPath) -> bool,
        judge: fn(&SourceFile, &Debris, &mut Findings),
    },
    /// When a new file pins a package manager: every pin of the tree, in new files and in others.
    Pins(fn(&PinTable, &mut Findings)),
    /// When a new file is of a kind that `wants` names: the files of these kinds, new or not. The
    /// project is built once for all such rules, and may have files that only another one wants.
    #[cfg_attr(not(test), allow(dead_code, reason = "no rule is about a whole project yet"))]
    Project {
        /// Which kinds of files are worth reading.
        wants: fn(FileKind) -> bool,
        judge: fn(&Project, &mut Findings),
    },
    /// When a new file may decide what an image installs: the lockfiles for images.
    Locks(fn(&[JudgedLock], &Builds, &mut Findings)),
    /// The builds of a whole state, and the files that they depend on.
    Builds(fn(&Builds, &Debris, &mut Findings)),
    /// The configuration of bakstop itself, as far as it was read.
    Configuration(fn(&ConfigReading, &mut Findings)),
}

impl Check {
    /// For a check that compares files: which kinds of new files it asks for.
    pub(crate) fn compares(&self) -> Option<fn(FileKind) -> bool> {
        match self {
            Self::Pins(_) => Some(FileKind::may_move_a_pin),
            Self::Project { wants, .. } => Some(*wants),
            Self::Locks(_) => Some(FileKind::may_lock),
            Self::Builds(_) => Some(FileKind::may_build),
            Self::Entry(_) | Self::File { .. } | Self::Configuration(_) => None,
        }
    }

    /// Whether it is about one entry or its file.
    pub(crate) fn is_about_one_entry(&self) -> bool {
        matches!(self, Self::Entry(_) | Self::File { .. })
    }
}

/// What the configuration rules judge: the problems of a new configuration, or the allowances of
/// the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigReading {
    /// The text is empty if the file cannot be read.
    pub file: File,
    /// Why it is invalid.
    pub problems: Vec<Problem>,
    /// The dates of the expired allowances.
    pub expired: Vec<Span>,
    /// The paths of the allowances that hide nothing in the whole tree.
    pub unused: Vec<Span>,
}

/// A problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `None` for the whole file.
    pub span: Option<Span>,
    /// A short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
}

/// What a rule reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub rule: &'static Rule,
    pub severity: Severity,
    /// The commit that adds it, if commits are judged.
    pub commit: Option<Commit>,
    pub path: RepoPath,
    /// `None` for the whole file.
    pub place: Option<Place>,
    pub labels: Vec<Label>,
    /// A short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
    /// What to do, in the same form; may be empty. Safe to print.
    pub help: Cow<'static, str>,
    /// The steps of `help`, in order.
    pub steps: Cow<'static, [Step]>,
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding without help or a fix.
    pub(crate) fn new(
        rule: &'static Rule,
        path: RepoPath,
        place: Option<Place>,
        message: String,
    ) -> Self {
        Self {
            rule,
            severity: rule.severity,
            commit: None,
            path,
            place,
            labels: Vec::new(),
            message,
            help: Cow::Borrowed(""),
            steps: Cow::Borrowed(&[]),
            fix: None,
        }
    }
}

impl Verdict {
    /// The verdict on these findings. With `deny_warnings`, a warning blocks like an error.
    pub(crate) fn of(findings: &[Finding], deny_warnings: bool) -> Self {
        let blocking = if deny_warnings { Severity::Warning } else { Severity::Error };
        if findings.iter().any(|finding| finding.severity >= blocking) {
            Self::Found
        } else {
            Self::Clean
        }
    }
}

/// The maximum number of findings of one rule in one file. A hostile file could have any number;
/// the rest are counted.
const MAX_PER_FILE: usize = 100;

/// The sink that a rule reports into. It copies the severity from the rule.
#[derive(Debug)]
pub(crate) struct Findings {
    rule: &'static Rule,
    found: Vec<Finding>,
    /// The number of findings in the last file.
    same_file: usize,
    /// The number of findings that were left out in each file.
    beyond: Vec<(RepoPath, usize)>,
}

impl Findings {
    /// An empty sink for one rule.
    pub(crate) fn new(rule: &'static Rule) -> Self {
        Self { rule, found: Vec::new(), same_file: 0, beyond: Vec::new() }
    }

    /// Reports a whole file.
    pub(crate) fn path(&mut self, path: &RepoPath, message: impl Into<String>) -> Draft<'_> {
        self.push(path, || None, message)
    }

    /// Reports a place in a file.
    pub(crate) fn place(
        &mut self,
        file: &File,
        span: &Span,
        message: impl Into<String>,
    ) -> Draft<'_> {
        self.push(&file.path, || Some(Place::locate(&file.text, span)), message)
    }

    /// Reports a place in a file that does not parse. The line is not shown: it may contain a
    /// secret.
    pub(crate) fn position(&mut self, file: &File, span: &Span, message: &str) -> Draft<'_> {
        self.push(&file.path, || Some(Place::position(&file.text, span)), message)
    }

    /// Reports a secret. Its text is not kept.
    pub(crate) fn secret(&mut self, file: &File, span: &Span, message: &str) -> Draft<'_> {
        self.push(&file.path, || Some(Place::masked(&file.text, span)), message)
    }

    pub(crate) fn into_vec(mut self) -> Vec<Finding> {
        if self.beyond.is_empty() {
            return self.found;
        }
        for (path, count) in self.beyond {
            let message = format!("{count} more places in this file say the same");
            self.found.push(Finding::new(self.rule, path, None, message));
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
        if self.same_file > MAX_PER_FILE {
            match self.beyond.last_mut().filter(|(last, _)| last == path) {
                Some((_, count)) => *count += 1,
                None => self.beyond.push((path.clone(), 1)),
            }
            return Draft(None);
        }
        let finding = Finding::new(self.rule, path.clone(), place(), message.into());
        self.found.push(finding);
        Draft(self.found.last_mut())
    }
}

/// The finding that was just reported; `None` if it was left out.
#[derive(Debug)]
pub(crate) struct Draft<'a>(Option<&'a mut Finding>);

impl Draft<'_> {
    /// Sets the help and its steps.
    pub(crate) fn help(
        mut self,
        help: impl Into<Cow<'static, str>>,
        steps: &'static [Step],
    ) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.help = help.into();
            finding.steps = steps.into();
        }
        self
    }

    /// Adds a further place, in this file or in another.
    pub(crate) fn label(mut self, file: &File, span: &Span, text: impl Into<String>) -> Self {
        if let Some(finding) = &mut self.0 {
            let place = Some(Place::locate(&file.text, span));
            finding.labels.push(Label { path: file.path.clone(), place, text: text.into() });
        }
        self
    }

    /// Proposes a fix; see [`Fix::of`].
    pub(crate) fn fix(mut self, safety: Safety, edits: Vec<Edit>, files: &[&File]) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.fix = Fix::of(safety, edits, files);
        }
        self
    }

    /// Sets a severity other than that of the rule.
    pub(crate) fn severity(mut self, severity: Severity) {
        if let Some(finding) = &mut self.0 {
            finding.severity = severity;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Config;
    use crate::engine::tests::{Fake, judged_by, transcript};
    use crate::engine::{Engine, Judgement};

    /// Finds every file named `a`.
    const SEEN: Rule = Rule {
        check: Check::File {
            wants: |path| path.file_name() == b"a",
            judge: |known, _, findings| {
                let file = &known.file;
                findings.place(file, &(0..1), "seen");
            },
        },
        ..probe("seen")
    };

    /// A rule outside the table that finds nothing.
    pub(crate) const fn probe(id: &'static str) -> Rule {
        Rule { id, summary: "nothing at all", manual: "# probe\n", ..Rule::base(RuleGroup::Guard) }
    }

    #[test]
    fn a_rule_that_is_off_by_default_judges_only_if_the_configuration_turns_it_on() {
        const OFF: Rule = Rule { on_by_default: false, ..SEEN };
        let change = Fake::default().file("a", "x");
        for (config, expected) in [
            (Config::default(), None),
            (Config::with_severity(&OFF, None), None),
            (Config::with_severity(&OFF, Some(Severity::Warning)), Some(Severity::Warning)),
            (Config::with_severity(&OFF, Some(Severity::Error)), Some(Severity::Error)),
        ] {
            let change = Fake::default().file("a", "x");
            let Judgement { findings, hidden, rules, .. } =
                Engine::of(&[&OFF], &config).judge(&change).unwrap();
            assert_eq!(findings.first().map(|finding| finding.severity), expected);
            // The rule does not run, and has no hidden findings.
            assert_eq!((hidden.len(), rules.len()), (0, usize::from(expected.is_some())));
            assert_eq!(change.read.borrow().len(), rules.len());
        }
        // A rule that the configuration turns off still judges: its findings are counted as hidden.
        let judgement =
            Engine::of(&[&SEEN], &Config::with_severity(&SEEN, None)).judge(&change).unwrap();
        assert_eq!((judgement.findings.len(), judgement.hidden.len()), (0, 1));
    }

    #[test]
    fn a_label_and_a_fix_come_with_the_finding() {
        const FIXING: Rule = Rule {
            check: Check::File {
                wants: |_| true,
                judge: |known, _, findings| {
                    let file = &known.file;
                    let edit = Edit { path: file.path.clone(), span: 0..1, text: "y".into() };
                    findings
                        .place(file, &(0..1), "seen")
                        .label(file, &(2..3), "because of this")
                        .help(format!("say y in {}", file.path), &[])
                        .fix(Safety::Safe, vec![edit], &[file]);
                },
            },
            ..SEEN
        };
        let found = judged_by(&FIXING, &Fake::default().file("a", "x\nz\n"));
        let [Finding { labels, help, fix: Some(fix), .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((&**help, labels[0].place.as_ref().unwrap().line), ("say y in a", 2));
        assert_eq!(fix.diffs[0].1.lines[3..], ["-x", "+y", " z"]);
    }

    #[test]
    fn a_file_full_of_findings_is_counted_not_listed() {
        const EVERY_LINE: Rule = Rule {
            check: Check::File {
                wants: |_| true,
                judge: |known, _, findings| {
                    let file = &known.file;
                    for at in 0..file.text.len() {
                        findings.place(file, &(at..at), "seen");
                    }
                },
            },
            ..SEEN
        };
        let lines =
            transcript(&EVERY_LINE, &Fake::default().file("a", &"\n".repeat(1000)).file("b", "\n"));
        assert_eq!(lines.len(), 102);
        assert!(
            lines.contains(&"a: 900 more places in this file say the same".to_owned()),
            "{lines:?}"
        );
    }
}
