//! The code quality report of GitLab: a JSON array.

use serde_json::{Value, json};

use crate::base::finding::Severity;
use crate::report::common::{Report, full_description, in_commit, note};
use crate::report::fingerprint;
use crate::report::json::{LIST, document_with, path};
use crate::rule::Finding;

/// An array of the findings.
pub(crate) fn check(report: &Report<'_>) -> String {
    let names = fingerprint::of(report.findings);
    let findings = report.findings.iter().zip(names).map(|(about, name)| finding(about, &name));
    document_with(&LIST.into(), findings)
}

fn finding(finding: &Finding, fingerprint: &str) -> Value {
    let commit = in_commit(finding.commit.as_ref());
    let help = if finding.help.is_empty() { String::new() } else { format!("; {}", finding.help) };
    let labels: String = finding.labels.iter().map(|label| format!("; {}", note(label))).collect();
    let mut value = json!({
        "description": format!("{}{commit}{help}{labels}", finding.message),
        "check_name": finding.rule.id,
        "fingerprint": fingerprint,
        "severity": match finding.severity {
            Severity::Error => "major",
            Severity::Warning => "minor",
        },
        "location": {
            "path": path(&finding.path),
            // GitLab requires a line.
            "lines": { "begin": finding.place.as_ref().map_or(1, |place| place.line.max(1)) },
        },
    });
    if finding.fix.is_some() {
        // A field of Code Climate: Markdown, where four spaces make a code block.
        let body: String =
            full_description(finding).lines().map(|line| format!("    {line}\n")).collect();
        value["content"] = json!({ "body": body });
    }
    value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::escape::is_unsafe;
    use crate::edit::fix::Safety;
    use crate::report::tests::{HOSTILE, commit, every_kind, fix, label, placed, report};

    #[test]
    fn no_finding_is_an_empty_array() {
        assert_eq!(check(&report(&[])), "[]\n");
    }

    #[test]
    fn a_finding_has_the_fields_of_gitlab() {
        let about = Finding { commit: Some(commit("Ship it")), ..placed("a.json", "1\n2", "2") };
        let value: Value = serde_json::from_str(&check(&report(&[about]))).unwrap();
        let fingerprint = value[0]["fingerprint"].clone();
        let expected = json!([{
            "description": "this points astray in 1a1a1a1a1a1a (Ship it); unstage it",
            "check_name": "rewritten-manifest",
            "fingerprint": fingerprint,
            "severity": "major",
            "location": { "path": "a.json", "lines": { "begin": 2 } },
        }]);
        assert_eq!(value, expected);
    }

    #[test]
    fn hostile_findings_are_escaped_and_distinct() {
        let mut findings = every_kind();
        findings.append(&mut every_kind());
        let text = check(&report(&findings));
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let value = value.as_array().unwrap();
        let names: BTreeSet<&str> =
            value.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
        assert_eq!((value.len(), names.len()), (findings.len(), findings.len()));
        assert!(value.iter().all(|one| one["location"]["lines"]["begin"].as_u64() >= Some(1)));
        assert_eq!(value[3]["location"]["path"], HOSTILE);
        assert_eq!(value[4]["location"]["path"], "b\\xff\\n%::");
        assert_eq!(value[0]["severity"], "minor");
    }

    #[test]
    fn labels_are_in_the_description_and_a_fix_is_content() {
        let about = Finding {
            labels: vec![label("b.json", "1\n2", "2", "pinned here")],
            fix: Some(fix(Safety::Shown, "a.json", "1\n2\n", "2", "3")),
            ..placed("a.json", "1\n2\n", "2")
        };
        let value: Value = serde_json::from_str(&check(&report(&[about]))).unwrap();
        assert_eq!(
            value[0]["description"],
            "this points astray; unstage it; b.json:2:1: pinned here"
        );
        let body = value[0]["content"]["body"].as_str().unwrap();
        assert!(
            body.ends_with(
                "    fix (shown):\n    --- a/a.json\n    +++ b/a.json\n    \
                 @@ -1,2 +1,2 @@\n     1\n    -2\n    +3\n"
            ),
            "{body}"
        );
    }
}
