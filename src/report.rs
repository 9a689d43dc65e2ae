//! The reports: one file for each format of `check`, and for each other verb. None of them decides
//! about the exit code.

pub(crate) mod paint;
mod common;
mod fingerprint;
pub(crate) mod human;
mod github;
pub(crate) mod json;
mod gitlab;
mod junit;
pub(crate) mod lockfile;
pub(crate) mod pins;
pub(crate) mod restore;
pub(crate) mod prep;
pub(crate) mod runs;
pub(crate) mod timing;
pub(crate) mod measure;
mod sarif;
pub(crate) mod verify;
pub(crate) mod fixes;
pub(crate) mod doctor;
pub(crate) mod bases;
pub(crate) mod fleet;

use clap::ValueEnum;

use crate::base::error::Error;
pub(crate) use common::{Report, View, plural, rows};
use paint::Paint;

/// The formats of the report of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    // Text
    #[default]
    Human,
    // One JSON document, with a versioned schema
    Json,
    // SARIF 2.1.0, for code scanning and editors
    Sarif,
    // Annotations of GitHub Actions, then text
    Github,
    // Code quality report of GitLab
    Gitlab,
    // JUnit XML, for CI that shows test results
    Junit,
}

/// The formats of every other report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum HumanOrJson {
    // Text
    #[default]
    Human,
    // One JSON document, with a versioned schema
    Json,
}

/// The report of a check.
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

/// An error, for standard error.
pub(crate) fn error(error: &Error, paint: Paint) -> String {
    let mut lines = error.cause().lines();
    let mut text = format!(
        "{} could not {}: {}\n",
        paint.bad("error:"),
        error.doing(),
        lines.next().unwrap_or_default()
    );
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
    use crate::base::change::{Commit, File, ObjectId};
    use crate::base::edit::Edit;
    use crate::base::finding::{Label, Place, Severity, Step};
    use crate::base::path::RepoPath;
    use crate::edit::fix::{Fix, Safety};
    use crate::rule::tests::probe;
    use crate::rule::{Finding, Rule};
    use crate::rules::{self, RULES};

    /// Text that acts on terminals, runners, XML and SARIF.
    pub(crate) const HOSTILE: &str =
        "a\n::error::forged%0A\r##[add-mask]x\u{1b}[2J\u{202e}\u{fffe}<&\"'>]]>,:{0}[x](http://h)";

    pub(crate) fn report(findings: &[Finding]) -> Report<'_> {
        let view = View { paint: Paint::PLAIN, below_top: false, advice: None, can_explain: false };
        Report { findings, rules: &RULES, scope: "staged", judged: 7, deny_warnings: false, view }
    }

    /// A finding without a place.
    pub(crate) fn finding(path: impl Into<Vec<u8>>) -> Finding {
        let rule = rules::find("stray-backup").unwrap();
        Finding {
            help: "unstage it".into(),
            steps: (&[Step::Unstage]).into(),
            ..Finding::new(rule, RepoPath::new(path), None, "a backup file is staged".into())
        }
    }

    /// A finding at `marked` in `text`.
    pub(crate) fn placed(path: impl Into<Vec<u8>>, text: &str, marked: &str) -> Finding {
        let place = Some(place(text, marked));
        let message = "this points astray".into();
        Finding {
            rule: rules::find("rewritten-manifest").unwrap(),
            place,
            message,
            ..finding(path)
        }
    }

    pub(crate) fn place(text: &str, marked: &str) -> Place {
        let start = text.find(marked).unwrap();
        Place::locate(text.as_bytes(), &(start..start + marked.len()))
    }

    pub(crate) fn label(path: impl Into<Vec<u8>>, text: &str, marked: &str, words: &str) -> Label {
        Label { path: RepoPath::new(path), place: Some(place(text, marked)), text: words.into() }
    }

    /// A fix that replaces `marked` in `text` by `new`.
    pub(crate) fn fix(
        safety: Safety,
        path: impl Into<Vec<u8>>,
        text: &str,
        marked: &str,
        new: &str,
    ) -> Fix {
        let start = text.find(marked).unwrap();
        let path = RepoPath::new(path);
        let edit = Edit { path: path.clone(), span: start..start + marked.len(), text: new.into() };
        Fix::of(
            safety,
            vec![edit],
            &[&File { path, text: text.into(), fresh: true, replaces: true }],
        )
        .unwrap()
    }

    pub(crate) fn commit(subject: &str) -> Commit {
        let subject = crate::base::escape::Escaped(subject.as_bytes()).to_string();
        Commit { id: ObjectId::from_bytes(&[0x1a; 20]).unwrap(), subject }
    }

    /// Findings of every kind: hostile in path, message, excerpt, commit, label and fix, masked,
    /// without a place, not UTF-8.
    pub(crate) fn every_kind() -> Vec<Finding> {
        const UNKNOWN: Rule = probe("unknown-rule");
        let escaped = |text: &str| crate::base::escape::Escaped(text.as_bytes()).to_string();
        let text = "//h/:_authToken=s3cr3t";
        let masked = Place::masked(text.as_bytes(), &(16..22));
        let line = HOSTILE.replace(['\n', '\r'], " ");
        let around = format!("{HOSTILE}\n::error::x\n##[group]y\n{line}\n");
        vec![
            Finding { severity: Severity::Warning, ..finding("a.bak") },
            Finding {
                rule: rules::find("registry-token").unwrap(),
                place: Some(masked),
                labels: vec![label(".npmrc", text, "h/", "this registry")],
                fix: Some(fix(Safety::Shown, ".npmrc", text, "s3cr3t", "${NPM_TOKEN}")),
                ..finding(".npmrc")
            },
            Finding {
                labels: vec![label("web/package.json", "\n{\"日本\": \"x\"}", "日本", "this one")],
                ..placed("web/package.json", "\n{\"日本\": \"x\"}", "\"x\"")
            },
            Finding {
                labels: vec![
                    label(HOSTILE, &line, "mask", &escaped(HOSTILE)),
                    label(HOSTILE, &around, "group", &escaped(HOSTILE)),
                    label(*b"b\xff\n%::", &around, "error", "there"),
                    Label { path: HOSTILE.into(), place: None, text: escaped(HOSTILE) },
                ],
                fix: Some(fix(Safety::Safe, HOSTILE, &around, "error", HOSTILE)),
                ..placed(HOSTILE, &line, "forged")
            },
            Finding {
                message: escaped(HOSTILE),
                commit: Some(commit(HOSTILE)),
                ..finding(*b"b\xff\n%::")
            },
            Finding { rule: &UNKNOWN, help: "".into(), steps: (&[]).into(), ..finding("") },
        ]
    }

    #[test]
    fn every_format_has_labels_and_fixes_and_no_secret() {
        let findings = every_kind();
        for format in Format::value_variants() {
            let text = check(*format, &report(&findings));
            for part in ["this registry", "this one", "there", "safe"] {
                assert!(text.contains(part), "{format:?} lacks {part:?}: {text}");
            }
            assert!(!text.contains("s3cr3t"), "{format:?}: {text}");
        }
    }

    #[test]
    fn a_description_has_the_commit_and_the_steps() {
        let about = Finding { commit: Some(commit("Ship it")), ..finding("a b.bak") };
        assert_eq!(
            common::description(&about),
            "a backup file is staged in 1a1a1a1a1a1a (Ship it)\nhelp: unstage it\n    \
             git rm --cached -f ':(top,literal)a b.bak'"
        );
    }
}
