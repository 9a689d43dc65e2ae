//! The fixes of `doctor --fix`: lines, diffs, and a field of the JSON document.

use serde_json::Value;

use crate::base::edit::Replacement;
use crate::edit::excerpt::whole;
use crate::edit::fix::Safety;
use crate::report::common::{plural, position};
use crate::report::json;
use crate::report::paint::Paint;
use crate::rule::Finding;

/// What the safe fixes of a work tree resolve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FixSummary {
    pub fixed: Vec<Finding>,
    /// The number of changed files.
    pub files: usize,
    /// Findings whose safe fixes are not applied, with the reasons.
    pub refused: Vec<(Finding, &'static str)>,
}

/// Whether the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tense {
    Past,
    Future,
}

/// A line for each finding, then one that counts them.
pub(crate) fn lines(summary: &FixSummary, tense: Tense, paint: Paint) -> String {
    let FixSummary { fixed, files, refused } = summary;
    let verb = if tense == Tense::Past { "fixed" } else { "to fix" };
    let line = |finding: &Finding| {
        let Finding { rule, path, message, .. } = finding;
        format!("{path}{}: {message} [{}]", position(finding.place.as_ref()), rule.id)
    };
    let mut text = String::new();
    for finding in fixed {
        text += &format!("{} {}\n", paint.good(verb), line(finding));
    }
    for (finding, reason) in refused {
        text += &format!("{} {}: {reason}\n", paint.doubtful("not fixed"), line(finding));
    }
    let counted = match (fixed.len(), tense) {
        (0, _) => "no finding has a safe fix".to_owned(),
        (number, Tense::Past) => {
            format!("{} fixed in {}", plural(number, "finding"), plural(*files, "file"))
        }
        (number, Tense::Future) => {
            format!("{} to fix in {}", plural(number, "finding"), plural(*files, "file"))
        }
    };
    text + &format!("{} {counted}\n", paint.strong("bakstop:"))
}

/// The field `fixed` of the JSON document.
pub(crate) fn json(summary: &FixSummary) -> Value {
    summary.fixed.iter().map(json::finding).collect::<Vec<_>>().into()
}

/// The diffs of files, for `git apply`.
pub(crate) fn diffs(files: &[Replacement], paint: Paint) -> String {
    let lines = files.iter().flat_map(|Replacement { path, old, new }| whole(path, old, new).0);
    lines.map(|line| format!("{}\n", paint.diff(&line))).collect()
}

/// A note for each file whose diff is not printed as it is.
pub(crate) fn hints(files: &[Replacement]) -> Vec<String> {
    let inexact = files.iter().filter(|Replacement { path, old, new }| !whole(path, old, new).1);
    let hint = |file: &Replacement| {
        format!(
            "bakstop: the diff of {} has escaped or masked lines, so git cannot apply it",
            file.path
        )
    };
    inexact.map(hint).collect()
}

/// How to apply the safe fixes of these findings; nothing without one.
pub(crate) fn advice(findings: &[Finding], paint: Paint) -> String {
    let is_safe =
        |finding: &&Finding| finding.fix.as_ref().is_some_and(|fix| fix.safety == Safety::Safe);
    match findings.iter().filter(is_safe).count() {
        0 => String::new(),
        number => format!(
            "{} bakstop doctor --fix applies the safe fixes of {}\n",
            paint.strong("fix:"),
            plural(number, "finding")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{finding, fix, placed};

    #[test]
    fn fixes_are_listed_and_counted() {
        let text = "FROM a\nRUN b\n";
        let fixed = vec![placed("Dockerfile", text, "RUN"), placed("Dockerfile", text, "FROM")];
        let refused = vec![(finding("b"), "it would not be enough")];
        let summary = FixSummary { fixed, files: 1, refused };
        let shown = lines(&summary, Tense::Past, Paint::PLAIN);
        let lines_of: Vec<&str> = shown.lines().collect();
        assert_eq!(lines_of.len(), 4);
        assert!(lines_of[0].starts_with("fixed Dockerfile:2:1: "), "{shown}");
        assert!(lines_of[2].starts_with("not fixed b: "), "{shown}");
        assert!(lines_of[2].ends_with("]: it would not be enough"), "{shown}");
        assert_eq!(lines_of[3], "bakstop: 2 findings fixed in 1 file");
        let planned = lines(&summary, Tense::Future, Paint::PLAIN);
        assert!(planned.ends_with("bakstop: 2 findings to fix in 1 file\n"), "{planned}");
        let nothing = lines(&FixSummary::default(), Tense::Past, Paint::PLAIN);
        assert_eq!(nothing, "bakstop: no finding has a safe fix\n");
    }

    #[test]
    fn a_diff_that_git_cannot_apply_has_a_note() {
        let of = |old: &str, new: &str| {
            let path = "a".into();
            vec![Replacement { path, old: old.into(), new: new.into() }]
        };
        let plain = of("b\n", "c\n");
        assert_eq!(diffs(&plain, Paint::PLAIN), "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-b\n+c\n");
        assert_eq!(hints(&plain), [""; 0]);
        assert_eq!(hints(&of("b\r\n", "c\r\n")).len(), 1);
    }

    #[test]
    fn only_safe_fixes_are_advertised() {
        let with = |safety| Finding { fix: Some(fix(safety, "a", "b", "b", "c")), ..finding("a") };
        let advice = |safety| advice(&[with(safety)], Paint::PLAIN);
        assert_eq!(advice(Safety::Shown), "");
        let expected = "fix: bakstop doctor --fix applies the safe fixes of 1 finding\n";
        assert_eq!(advice(Safety::Safe), expected);
    }
}
