//! JSON documents: `bakstop.check/1`, the rule table, and the parts that others share.
//!
//! Within a version, fields may be added, but not renamed, removed or given another meaning.

use serde_json::{Value, json};

use crate::base::change::Commit;
use crate::base::escape::{is_unsafe, to_hex};
use crate::base::finding::{Label, Place, Severity};
use crate::base::path::RepoPath;
use crate::edit::fix::Fix;
use crate::report::common::{Report, count, steps};
use crate::rule::{Finding, Rule};

/// The report of a check: `bakstop.check/1`.
pub(crate) fn check(report: &Report<'_>) -> String {
    check_with(report, &[])
}

/// [`check`] with more fields.
pub(crate) fn check_with(report: &Report<'_>, more: &[(&str, Value)]) -> String {
    let mut about = json!({
        "schema": "bakstop.check/1",
        "scope": report.scope,
        "findings": LIST,
        "summary": summary(report),
    });
    for (name, value) in more {
        about[name] = value.clone();
    }
    document_with(&about, report.findings.iter().map(finding))
}

pub(crate) fn findings(report: &Report<'_>) -> Vec<Value> {
    report.findings.iter().map(finding).collect()
}

pub(crate) fn summary(report: &Report<'_>) -> Value {
    let count = |severity| count(report.findings, severity);
    json!({
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "judged": report.judged,
    })
}

/// The rule table: `bakstop.rules/1`.
pub(crate) fn rules(rules: &[&Rule]) -> String {
    let rules: Vec<Value> = rules.iter().map(|about| rule(about)).collect();
    document(&json!({ "schema": "bakstop.rules/1", "rules": rules }))
}

/// A rule with its manual page: `bakstop.explain/1`.
pub(crate) fn explain(about: &Rule) -> String {
    document(&json!({ "schema": "bakstop.explain/1", "rule": with_manual(about) }))
}

/// Several rules with their manual pages: `bakstop.rules/1`.
pub(crate) fn manuals(rules: &[&Rule]) -> String {
    let rules: Vec<Value> = rules.iter().map(|about| with_manual(about)).collect();
    document(&json!({ "schema": "bakstop.rules/1", "rules": rules }))
}

fn with_manual(about: &Rule) -> Value {
    let mut value = rule(about);
    value["manual"] = about.manual.into();
    value
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "group": rule.group.name(),
        "severity": rule.severity.name(),
        "on_by_default": rule.on_by_default,
        "summary": rule.summary,
    })
}

pub(crate) fn commit(commit: &Commit) -> Value {
    json!({ "id": commit.id.to_string(), "subject": commit.subject })
}

/// A document as text that ends in a line feed, with unsafe characters as `\uXXXX`.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    push(&mut text, value, "");
    text + "\n"
}

/// The place of the list of [`document_with`]. No string of the program is like it.
pub(crate) const LIST: &str = "\0";

/// [`document`] with these items as a list at [`LIST`]. Only one item is in memory at a time: a
/// tree of values takes ten times the memory of its text.
pub(crate) fn document_with(about: &Value, items: impl Iterator<Item = Value>) -> String {
    let about = document(about);
    let Some((before, after)) = about.split_once("\"\\u0000\"") else { return about };
    let mut text = before.to_owned();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let margin = " ".repeat(line.len() - line.trim_start_matches(' ').len());
    let mut separator = "[";
    for item in items {
        text += &format!("{separator}\n{margin}  ");
        push(&mut text, &item, &format!("{margin}  "));
        separator = ",";
    }
    text += &if separator == "[" { "[]".to_owned() } else { format!("\n{margin}]") };
    text + after
}

/// Appends a value, with a margin before each line but the first.
fn push(text: &mut String, value: &Value, margin: &str) {
    let mut after_hash = false;
    for character in format!("{value:#}").chars() {
        // `#` occurs only in strings. Runners obey `##[command]` anywhere in a line.
        let is_second = character == '#' && after_hash;
        after_hash = character == '#' && !is_second;
        match character {
            // A line feed between tokens is the only unescaped control character of JSON.
            '\n' => {
                text.push('\n');
                text.push_str(margin);
            }
            '#' if is_second => text.push_str("\\u0023"),
            ' '..='~' => text.push(character),
            _ if is_unsafe(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    *text += &format!("\\u{unit:04x}");
                }
            }
            _ => text.push(character),
        }
    }
}

/// A path as text, escaped where it is not UTF-8; see [`path_hex`].
pub(crate) fn path(path: &RepoPath) -> String {
    std::str::from_utf8(path.as_bytes()).map_or_else(|_| path.to_string(), str::to_owned)
}

/// The bytes of a path that is not UTF-8, in hexadecimal.
pub(crate) fn path_hex(path: &RepoPath) -> Option<String> {
    std::str::from_utf8(path.as_bytes()).is_err().then(|| to_hex(path.as_bytes()))
}

pub(super) fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule.id,
        "severity": finding.severity.name(),
        "commit": finding.commit.as_ref().map(commit),
        "path": path(&finding.path),
        "path_hex": path_hex(&finding.path),
        "place": finding.place.as_ref().map(place),
        "labels": finding.labels.iter().map(label).collect::<Vec<_>>(),
        "message": finding.message,
        "help": finding.help,
        "steps": steps(finding),
        "fix": finding.fix.as_ref().map(fix),
    })
}

pub(crate) fn place(place: &Place) -> Value {
    json!({
        "line": place.line,
        "column": place.column,
        "end_column": place.end_column,
        "excerpt": place.excerpt,
    })
}

fn label(label: &Label) -> Value {
    json!({
        "path": path(&label.path),
        "path_hex": path_hex(&label.path),
        "place": label.place.as_ref().map(place),
        "text": label.text,
    })
}

fn fix(fix: &Fix) -> Value {
    let edits = fix.edits.iter().filter(|_| !fix.is_secret).map(|(edit, region)| {
        json!({
            "path": path(&edit.path),
            "path_hex": path_hex(&edit.path),
            "line": region.line,
            "column": region.column,
            "end_line": region.end_line,
            "end_column": region.end_column,
            "text": edit.text,
        })
    });
    let diffs = fix.diffs.iter().map(|(about, excerpt)| {
        json!({
            "path": path(about),
            "path_hex": path_hex(about),
            "lines": excerpt.lines,
            "more": excerpt.more,
        })
    });
    json!({
        "safety": fix.safety.name(),
        "exact": fix.can_paste,
        "edits": edits.collect::<Vec<_>>(),
        "diffs": diffs.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{HOSTILE, every_kind, report};

    #[test]
    fn unsafe_characters_are_escaped_without_loss() {
        let hostile = "a\u{1b}[2J\n\u{202e}\u{e0041}é";
        let text = document(&json!({ "path": hostile }));
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["path"], hostile);
    }

    #[test]
    fn every_finding_has_its_commit() {
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
        let schema: Value =
            serde_json::from_str(include_str!("../../docs/schema/check.json")).unwrap();
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
        let about = RepoPath::new(*b"a\xff");
        assert_eq!((&*path(&about), path_hex(&about).as_deref()), ("a\\xff", Some("61ff")));
    }

    #[test]
    fn labels_and_fixes_contain_no_secret() {
        let findings = every_kind();
        let value: Value = serde_json::from_str(&check(&report(&findings))).unwrap();
        let findings = value["findings"].as_array().unwrap();
        assert_eq!((&findings[0]["labels"], &findings[0]["fix"]), (&json!([]), &Value::Null));
        assert_eq!(findings[2]["labels"][0]["place"]["column"], 3);
        let labels = &findings[3]["labels"];
        assert_eq!(
            (&labels[2]["path_hex"], &labels[2]["text"]),
            (&json!("62ff0a253a3a"), &json!("there"))
        );
        assert_eq!(labels[3]["place"], Value::Null);
        let fix = &findings[3]["fix"];
        assert_eq!((&fix["safety"], &fix["edits"][0]["text"]), (&json!("safe"), &json!(HOSTILE)));
        assert_eq!(
            (&fix["edits"][0]["line"], &fix["edits"][0]["end_line"]),
            (&json!(2), &json!(2))
        );
        assert!(
            fix["diffs"][0]["lines"][0].as_str().unwrap().starts_with("--- a/a\\n::error"),
            "{fix}"
        );
        let secret = &findings[1]["fix"];
        assert_eq!(secret["edits"], json!([]));
        assert_eq!(secret["diffs"][0]["lines"][3], "-********");
        assert!(!value.to_string().contains("s3cr3t"));
    }
}
