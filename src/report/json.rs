//! The machine-readable report: `bakstop.check/1`.
//!
//! A field may be added within a version; none is renamed, removed or given another meaning.

use serde_json::{Value, json};

use crate::escape::is_unsafe;
use crate::finding::{Finding, Severity};
use crate::path::RepoPath;
use crate::report::cure::commands;

/// Every finding, and the counts.
pub fn check(findings: &[Finding], judged: usize, restore: &str) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    document(&json!({
        "schema": "bakstop.check/1",
        "findings": findings.iter().map(|about| finding(about, restore)).collect::<Vec<_>>(),
        "summary": {
            "errors": count(Severity::Error),
            "warnings": count(Severity::Warning),
            "judged": judged,
        },
    }))
}

/// A document as text: one line feed at its end, and every character that a terminal could act on as `\uXXXX`, so that
/// a log that shows the report cannot be forged by a path.
pub fn document(value: &Value) -> String {
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
    safe
}

/// A path: as text where it is UTF-8; else escaped for reading, beside its bytes in hexadecimal.
pub fn path(path: &RepoPath) -> (Value, Value) {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => (text.into(), Value::Null),
        Err(_) => {
            let hex: String = path.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            (path.to_string().into(), hex.into())
        }
    }
}

fn finding(finding: &Finding, restore: &str) -> Value {
    let (path, path_hex) = path(&finding.path);
    let place = finding.place.as_ref().map(|place| {
        json!({
            "line": place.line,
            "column": place.column,
            "end_column": place.end_column,
            "excerpt": place.excerpt,
        })
    });
    let steps = finding.steps.iter().flat_map(|&step| commands(step, restore, &[&finding.path], false));
    json!({
        "rule": finding.rule,
        "severity": finding.severity.name(),
        "commit": finding.commit.as_ref().map(|commit| json!({ "id": commit.id.to_string(), "subject": commit.subject })),
        "path": path,
        "path_hex": path_hex,
        "place": place,
        "message": finding.message,
        "help": finding.help,
        "steps": steps.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left_raw_and_nothing_is_lost() {
        let hostile = "a\u{1b}[2J\n\u{202e}\u{e0041}é";
        let text = document(&json!({ "path": hostile }));
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["path"], hostile);
    }

    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let (shown, hex) = path(&RepoPath::new(*b"a\xff"));
        assert_eq!((shown, hex), (json!("a\\xff"), json!("61ff")));
    }
}
