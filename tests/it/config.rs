//! `bakstop.json`: its effect on every check, and its limits.

use serde_json::Value;

use crate::support::{Ran, Sandbox};

mod past;
mod schema;
mod staged;
mod verify;

/// The output about a configuration, where nothing is to be judged.
fn read(sandbox: &Sandbox, text: &str) -> Ran {
    let path = sandbox.outside().join("given.json");
    std::fs::write(&path, text).unwrap();
    let ran = sandbox.bakstop(&["check", "--config", "../given.json"]);
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    ran
}

/// Writes a file, and stages everything.
pub(crate) fn stage(sandbox: &Sandbox, path: &str, text: &str) {
    sandbox.write(path, text);
    sandbox.git(&["add", "-A", "-f"]);
}

/// Commits everything without hooks.
fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A", "-f"]);
    sandbox.git(&["commit", "-q", "--no-verify", "--allow-empty", "-m", message]);
}

/// The findings as `severity rule path`.
fn found(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let ran = sandbox.bakstop(&[&["check", "--format", "json"], arguments].concat());
    let report: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{arguments:?}: {ran:?}"));
    let findings = report["findings"].as_array().unwrap();
    let blocks = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(ran.code, Some(i32::from(blocks)), "{ran:?}");
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let line =
        |finding: &Value| ["severity", "rule", "path"].map(|key| word(finding, key)).join(" ");
    findings.iter().map(line).collect()
}

/// A configuration with one allowance for backups.
fn allowing(path: &str, until: Option<&str>) -> String {
    let until = until.map(|day| format!(r#", "until": "{day}""#)).unwrap_or_default();
    let rule = r#""rule": "stray-backup""#;
    format!(r#"{{"allow": [{{{rule}, "path": "{path}", "reason": "a fixture"{until}}}]}}"#)
}
