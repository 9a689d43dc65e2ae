//! Reports: findings become text, at the last moment. One file a format.

pub(crate) mod paint;
pub(crate) mod cure;
pub(crate) mod diff;
pub(crate) mod fingerprint;
pub(crate) mod human;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod gitlab;
pub(crate) mod junit;
pub(crate) mod pins;
pub(crate) mod runs;
pub(crate) mod sarif;
pub(crate) mod verify;

use clap::ValueEnum;

use crate::base::error::Error;
use crate::base::finding::{Finding, Severity};
use crate::report::paint::Paint;
use crate::rule::Rule;

/// How the report of a check is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For a person
    #[default]
    Human,
    /// For a program: one JSON document, its schema versioned
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations of GitHub Actions, then the text for a person
    Github,
    /// A code quality report of GitLab
    Gitlab,
    /// JUnit XML, for CI that shows tests
    Junit,
}

/// How any other answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum HumanOrJson {
    /// For a person
    #[default]
    Human,
    /// For a program: one JSON document, its schema versioned
    Json,
}

/// What a check has to tell, in whatever format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    /// What was found, sorted by path, place and rule.
    pub findings: &'a [Finding],
    /// The rules that judged.
    pub rules: &'a [&'static Rule],
    /// What was judged, as one word: `staged`, `range`.
    pub scope: &'a str,
    /// How many new entries were judged.
    pub judged: usize,
    /// Whether warnings block as well.
    pub deny_warnings: bool,
    /// How a person sees it; `restore` goes into every format.
    pub view: human::View<'a>,
}

impl Report<'_> {
    /// Whether a finding blocks.
    fn blocks(&self, finding: &Finding) -> bool {
        self.deny_warnings || finding.severity == Severity::Error
    }

    /// A finding in a few lines of plain text: what is wrong, since which commit, and how to mend it.
    fn told(&self, finding: &Finding) -> String {
        let commit = finding.commit.as_ref().map(human::in_commit).unwrap_or_default();
        let mut text = format!("{}{commit}", finding.message);
        if !finding.help.is_empty() {
            text += &format!("\nhelp: {}", finding.help);
        }
        for command in self.steps(finding) {
            text += &format!("\n    {command}");
        }
        text
    }

    /// The commands that mend a finding, for a shell at the top of the work tree.
    fn steps(&self, finding: &Finding) -> Vec<String> {
        let commands = |&step| cure::commands(step, self.view.restore, &[&finding.path], false);
        finding.steps.iter().flat_map(commands).collect()
    }
}

/// Writes the report of a check in a format.
pub(crate) fn check(format: Format, report: &Report<'_>) -> String {
    match format {
        Format::Human => human::check(report.findings, report.view),
        Format::Json => json::check(report),
        Format::Sarif => sarif::check(report),
        Format::Github => github::check(report),
        Format::Gitlab => gitlab::check(report),
        Format::Junit => junit::check(report),
    }
}

/// An error, in the same words everywhere.
pub(crate) fn error(error: &Error, paint: Paint) -> String {
    let mut lines = error.cause().lines();
    let mut text =
        format!("{} could not {}: {}\n", paint.bad("error:"), error.doing(), lines.next().unwrap_or_default());
    for line in lines {
        text += &format!("  {line}\n");
    }
    if let Some(help) = error.next_step() {
        text += &format!("{} {help}\n", paint.strong("help:"));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::change::{Commit, ObjectId};
    use crate::base::finding::{Place, Step};
    use crate::base::path::RepoPath;
    use crate::rules::RULES;

    /// What a hostile repository would like to have printed.
    pub(crate) const HOSTILE: &str =
        "a\n::error::forged%0A\r##[add-mask]x\u{1b}[2J\u{202e}\u{fffe}<&\"'>]]>,:{0}[x](http://h)";

    /// The report of these findings.
    pub(crate) fn report(findings: &[Finding]) -> Report<'_> {
        let view = human::View { paint: Paint::PLAIN, below_top: false, restore: "restore", advice: None };
        Report { findings, rules: &RULES, scope: "staged", judged: 7, deny_warnings: false, view }
    }

    /// A finding without a place.
    pub(crate) fn finding(path: impl Into<Vec<u8>>) -> Finding {
        Finding {
            rule: "stray-backup",
            severity: Severity::Error,
            commit: None,
            path: RepoPath::new(path),
            place: None,
            message: "a backup file is staged".into(),
            help: "unstage it",
            steps: &[Step::Unstage],
        }
    }

    /// A finding at `marked` in `text`.
    pub(crate) fn placed(path: impl Into<Vec<u8>>, text: &str, marked: &str) -> Finding {
        let start = text.find(marked).unwrap();
        let place = Place::locate(text.as_bytes(), &(start..start + marked.len()));
        let message = "this points astray".into();
        Finding { rule: "rewritten-manifest", place: Some(place), message, ..finding(path) }
    }

    /// A commit of this subject.
    pub(crate) fn commit(subject: &str) -> Commit {
        let subject = crate::base::escape::Escaped(subject.as_bytes()).to_string();
        Commit { id: ObjectId::from_bytes(&[0x1a; 20]).unwrap(), subject }
    }

    /// Findings of every kind: hostile in path, message, excerpt and commit, masked, without a place, not UTF-8.
    pub(crate) fn every_kind() -> Vec<Finding> {
        let escaped = |text: &str| crate::base::escape::Escaped(text.as_bytes()).to_string();
        let text = "//h/:_authToken=s3cr3t";
        let masked = Place::masked(text.as_bytes(), &(16..22));
        let line = HOSTILE.replace(['\n', '\r'], " ");
        vec![
            Finding { severity: Severity::Warning, ..finding("a.bak") },
            Finding { rule: "registry-token", place: Some(masked), ..finding(".npmrc") },
            placed("web/package.json", "\n{\"日本\": \"x\"}", "\"x\""),
            placed(HOSTILE, &line, "forged"),
            Finding { message: escaped(HOSTILE), commit: Some(commit(HOSTILE)), ..finding(*b"b\xff\n%::") },
            Finding { rule: "unknown-rule", help: "", steps: &[], ..finding("") },
        ]
    }

    #[test]
    fn a_finding_is_told_with_its_commit_and_its_cure() {
        let about = Finding { commit: Some(commit("Ship it")), ..finding("a b.bak") };
        assert_eq!(
            report(&[]).told(&about),
            "a backup file is staged in 1a1a1a1a1a1a (Ship it)\nhelp: unstage it\n    \
             git rm --cached -f ':(top,literal)a b.bak'"
        );
    }
}
