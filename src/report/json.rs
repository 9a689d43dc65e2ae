//! The machine-readable report: `bakstop.check/1`.
//!
//! A field may be added within a version; none is renamed, removed or given another meaning.

use serde_json::{Value, json};

use crate::base::change::Commit;
use crate::base::escape::is_unsafe;
use crate::base::finding::{Finding, Severity};
use crate::base::path::RepoPath;
use crate::report::Report;
use crate::rule::Rule;

/// Every finding, and the counts.
pub(crate) fn check(report: &Report<'_>) -> String {
    document(&json!({
        "schema": "bakstop.check/1",
        "scope": report.scope,
        "findings": findings(report),
        "summary": summary(report),
    }))
}

/// Every finding.
pub(crate) fn findings(report: &Report<'_>) -> Vec<Value> {
    report.findings.iter().map(|about| finding(about, report)).collect()
}

/// The counts.
pub(crate) fn summary(report: &Report<'_>) -> Value {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    json!({ "errors": count(Severity::Error), "warnings": count(Severity::Warning), "judged": report.judged })
}

/// The rule table: `bakstop.rules/1`.
pub(crate) fn rules(rules: &[&Rule]) -> String {
    document(
        &json!({ "schema": "bakstop.rules/1", "rules": rules.iter().map(|about| rule(about)).collect::<Vec<_>>() }),
    )
}

/// A rule with its manual page: `bakstop.explain/1`.
pub(crate) fn explain(about: &Rule) -> String {
    let mut value = json!({ "schema": "bakstop.explain/1", "rule": rule(about) });
    value["rule"]["manual"] = about.manual.into();
    document(&value)
}

fn rule(rule: &Rule) -> Value {
    json!({ "id": rule.id, "severity": rule.severity.name(), "summary": rule.summary })
}

/// A commit by its full name.
pub(crate) fn commit(commit: &Commit) -> Value {
    json!({ "id": commit.id.to_string(), "subject": commit.subject })
}

/// A document as text: one line feed at its end, and every character that a terminal could act on as `\uXXXX`, so that
/// a log that shows the report cannot be forged by a path.
pub(crate) fn document(value: &Value) -> String {
    // A `Value` holds no key that is not a string and nothing that fails to serialize.
    let text = format!("{value:#}");
    let mut safe = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // Line feeds and spaces between the tokens are the only unescaped control characters of a JSON text.
        if is_unsafe(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                safe += &format!("\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe.push('\n');
    // Outside of strings there is no such sign; runners obey `##[command]` wherever it stands.
    safe.replace("##", "#\\u0023")
}

/// A path: as text where it is UTF-8; else escaped for reading, beside its bytes in hexadecimal.
pub(crate) fn path(path: &RepoPath) -> (Value, Value) {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => (text.into(), Value::Null),
        Err(_) => {
            let hex: String = path.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            (path.to_string().into(), hex.into())
        }
    }
}

fn finding(finding: &Finding, report: &Report<'_>) -> Value {
    let (path, path_hex) = path(&finding.path);
    let place = finding.place.as_ref().map(|place| {
        json!({
            "line": place.line,
            "column": place.column,
            "end_column": place.end_column,
            "excerpt": place.excerpt,
        })
    });
    json!({
        "rule": finding.rule,
        "severity": finding.severity.name(),
        "commit": finding.commit.as_ref().map(commit),
        "path": path,
        "path_hex": path_hex,
        "place": place,
        "message": finding.message,
        "help": finding.help,
        "steps": report.steps(finding),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{every_kind, report};

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left_raw_and_nothing_is_lost() {
        let hostile = "a\u{1b}[2J\n\u{202e}\u{e0041}é";
        let text = document(&json!({ "path": hostile }));
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["path"], hostile);
    }

    #[test]
    fn every_finding_is_told_with_its_commit() {
        let findings = every_kind();
        let text = check(&report(&findings));
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["scope"], "staged");
        assert_eq!(value["summary"], json!({ "errors": 5, "warnings": 1, "judged": 7 }));
        assert_eq!(value["findings"][0]["commit"], Value::Null);
        assert_eq!(value["findings"][0]["steps"], json!(["git rm --cached -f a.bak"]));
        assert_eq!(value["findings"][4]["commit"]["id"], "1a".repeat(20));
        assert_eq!(value["findings"][4]["commit"]["subject"], findings[4].message);
    }

    #[test]
    fn the_schema_describes_commits_and_masked_places_too() {
        let schema: Value = serde_json::from_str(include_str!("../../docs/schema/check.json")).unwrap();
        let mut findings = every_kind();
        findings.pop();
        let value: Value = serde_json::from_str(&check(&report(&findings))).unwrap();
        jsonschema::validate(&schema, &value).unwrap();
        let mut wrong = value.clone();
        wrong["findings"][4]["commit"]["id"] = "1a1a1a1a1a1a".into();
        assert!(jsonschema::validate(&schema, &wrong).is_err());
    }

    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let (shown, hex) = path(&RepoPath::new(*b"a\xff"));
        assert_eq!((shown, hex), (json!("a\\xff"), json!("61ff")));
    }
}
