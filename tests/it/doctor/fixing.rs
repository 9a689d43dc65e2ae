//! `bakstop doctor --fix` on real repositories.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::pilots::{EXPECTED, findings, pilots, place, repository};
use crate::hooks::must;
use crate::support::{BAKSTOP, Ran, Sandbox, finish_with_input};

/// The rules whose findings stay after `--fix`: their fixes are shown, or they have none.
const STAYING: [&str; 12] = [
    "disabled-tls",
    "escaping-dependency",
    "escaping-workspace",
    "excluded-copy-source",
    "install-after-source",
    "loopback-registry",
    "missing-scope-registry",
    "undeclared-build-arg",
    "unlocked-install",
    "unsupplied-npmrc-variable",
    "unprovided-secret",
    "unused-build-arg",
];

fn fix(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.bakstop(&[&["doctor", "--fix"], more].concat())
}

/// The rule, path and severity of each finding, sorted.
fn summary(findings: &[Value]) -> Vec<(String, String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let mut all: Vec<_> = findings
        .iter()
        .map(|one| (text(one, "rule"), text(one, "path"), text(one, "severity")))
        .collect();
    all.sort();
    all
}

#[test]
fn the_findings_that_no_safe_fix_resolves_stay() {
    for (pilot, files) in pilots() {
        let sandbox = repository(&files);
        let before = findings(&sandbox);
        let has_safe = before.iter().any(|one| one["fix"]["safety"] == "safe");
        assert_eq!(fix(&sandbox, &["--check"]).code, Some(i32::from(has_safe)), "{pilot}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{pilot}");
        let ran = fix(&sandbox, &[]);
        let after = findings(&sandbox);
        let rows = EXPECTED.iter().filter(|(rule, of, ..)| *of == pilot && STAYING.contains(rule));
        let mut expected: Vec<_> = rows
            .map(|(rule, _, place, severity)| {
                let path = place.split(':').next().unwrap();
                (rule.to_string(), path.to_owned(), severity.to_string())
            })
            .collect();
        expected.sort();
        assert_eq!(summary(&after), expected, "{pilot}");
        assert!(after.iter().all(|one| one["fix"]["safety"] != "safe"), "{pilot}");
        // The exit code is of what remains.
        let has_errors = expected.iter().any(|(_, _, severity)| severity == "error");
        assert_eq!(ran.code, Some(i32::from(has_errors)), "{pilot}: {ran:?}");
        let fixed = ran.out.lines().filter(|line| line.starts_with("fixed ")).count();
        assert_eq!(fixed, before.len() - after.len(), "{pilot}: {}", ran.out);
        let is_changed = !sandbox.git(&["status", "--porcelain"]).is_empty();
        assert_eq!(is_changed, has_safe, "{pilot}");
        assert!(!pilot.starts_with("fixed/") || !is_changed, "{pilot}");
        let text = sandbox.git(&["diff"]);
        let again = fix(&sandbox, &[]);
        assert!(
            again.out.starts_with("bakstop: no finding has a safe fix\n"),
            "{pilot}: {again:?}"
        );
        assert_eq!(sandbox.git(&["diff"]), text, "{pilot}");
        assert_eq!(fix(&sandbox, &["--check"]).code, Some(0), "{pilot}");
        sandbox.git(&["checkout", "-q", "."]);
        assert_eq!(summary(&findings(&sandbox)), summary(&before), "{pilot}");
    }
}

/// The diffs of the fixes in a text report, each as it is printed.
fn printed_diffs(report: &str) -> Vec<(bool, String)> {
    let mut diffs: Vec<(bool, String)> = Vec::new();
    let mut open = false;
    for line in report.lines() {
        if let Some((_, heading)) = line.split_once("= fix (") {
            let is_exact = ["safe):", "shown):"].contains(&heading);
            diffs.push((is_exact, String::new()));
            open = true;
        } else if open && line.starts_with(['-', '+', '@', ' ', '\\']) && !line.contains(" = fix") {
            let is_command = line.trim_start().starts_with("cd ");
            if !is_command {
                diffs.last_mut().unwrap().1 += &format!("{line}\n");
            }
        } else {
            open = false;
        }
    }
    diffs
}

#[test]
fn printed_diffs_apply_where_they_are_printed() {
    let mut applied = 0;
    for (pilot, files) in pilots() {
        let sandbox = repository(&files);
        let below = sandbox.bakstop(&["-C", "backend", "doctor"]);
        for (report, directory) in [(sandbox.bakstop(&["doctor"]), "."), (below, "backend")] {
            for (is_exact, diff) in printed_diffs(&report.out) {
                assert!(is_exact, "{pilot}: nothing is masked: {diff}");
                if directory == "backend" {
                    // The report prints the command that leads to the top.
                    assert!(report.out.contains("cd \"$(git rev-parse --show-toplevel)\""));
                }
                let mut apply = sandbox.command("git");
                let ran = finish_with_input(apply.args(["apply", "--verbose"]), diff.as_bytes());
                assert_eq!(ran.code, Some(0), "{pilot}: {ran:?}\n{diff}");
                assert_ne!(sandbox.git(&["status", "--porcelain"]), "", "{pilot}\n{diff}");
                sandbox.git(&["checkout", "-q", "."]);
                applied += 1;
            }
        }
    }
    assert!(applied > 20, "{applied}");
}

#[test]
fn a_dry_run_prints_what_a_run_writes() {
    for (pilot, files) in pilots() {
        let sandbox = repository(&files);
        let dry = fix(&sandbox, &["--dry-run"]);
        assert_eq!(dry.code, Some(0), "{pilot}: {dry:?}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{pilot}");
        fix(&sandbox, &[]);
        let written = sandbox.git(&["diff"]);
        sandbox.git(&["checkout", "-q", "."]);
        if written.is_empty() {
            let told = (&*dry.out, &*dry.err);
            let nothing = "bakstop: no finding has a safe fix\n\
                           bakstop: nothing is changed (--dry-run)\n";
            assert_eq!(told, ("", nothing), "{pilot}");
            continue;
        }
        let mut apply = sandbox.command("git");
        let ran = finish_with_input(apply.args(["apply"]), dry.out.as_bytes());
        assert_eq!(ran.code, Some(0), "{pilot}: {ran:?}");
        assert_eq!(sandbox.git(&["diff"]), written, "{pilot}");
    }
}

#[test]
fn the_layout_is_kept() {
    let sandbox = Sandbox::unborn();
    let dockerfile = "\u{feff}# syntax=docker/dockerfile:1\r\nFROM node:22-alpine\r\n\
                      RUN  npm ci \\\r\n  # comment\r\n\t--omit=dev\r\nCOPY . .";
    sandbox.write("Dockerfile", dockerfile);
    sandbox.write(".dockerignore", "a\r\n# b");
    sandbox.write("package.json", "{}");
    sandbox.commit_all("Start");
    let ran = fix(&sandbox, &[]);
    let read = |path: &str| fs::read_to_string(sandbox.top.join(path)).unwrap();
    let expected = dockerfile.replace("RUN  npm", "RUN --mount=type=cache,target=/root/.npm  npm");
    assert_eq!(read("Dockerfile"), expected, "{ran:?}");
    assert_eq!(read(".dockerignore"), "a\r\n# b\r\n.git", "{ran:?}");
    // The diff of such a file cannot be pasted, and says so.
    sandbox.git(&["checkout", "-q", "."]);
    let shown = sandbox.bakstop(&["doctor"]).out;
    assert!(shown.contains("= fix (safe, with escaped or masked lines):"), "{shown}");
    let dry = fix(&sandbox, &["--dry-run"]);
    assert!(dry.err.contains("git cannot apply it"), "{dry:?}");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let sandbox = repository(&pilots()["seed7/clock"]);
    for arguments in [
        &["--fix", "--tree", "HEAD"][..],
        &["--dry-run"],
        &["--check"],
        &["--fix", "--check", "--dry-run"],
        &["--fix", "--check", "--format", "json"],
        &["--fix", "--dry-run", "--output", "x"],
        &["--fix", "--check", "--deny-warnings"],
    ] {
        let ran = sandbox.bakstop(&[&["doctor"], arguments].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{arguments:?}");
    }
}

#[test]
fn programs_get_what_was_fixed() {
    let sandbox = repository(&pilots()["broken/clock"]);
    let ran = fix(&sandbox, &["--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/schema/check.json")).unwrap();
    jsonschema::validate(&schema, &report).unwrap();
    let fixed = report["fixed"].as_array().unwrap();
    assert_eq!(fixed.len(), 8, "{fixed:?}");
    assert!(fixed.iter().any(|one| place(one) == "web/Dockerfile:12"), "{fixed:?}");
    assert!(fixed.iter().all(|one| one["fix"]["safety"] == "safe"));
    let sandbox = repository(&pilots()["broken/clock"]);
    let ran = fix(&sandbox, &["--format", "sarif"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["version"], "2.1.0");
    assert!(ran.err.contains("bakstop: 8 findings fixed in 3 files"), "{ran:?}");
}

#[test]
fn a_file_that_must_not_be_changed_is_refused_with_all_others() {
    // A directory that leads out of the repository.
    let sandbox = repository(&pilots()["broken/clock"]);
    let outside = sandbox.outside().join("web");
    fs::rename(sandbox.top.join("web"), &outside).unwrap();
    symlink(&outside, sandbox.top.join("web")).unwrap();
    let before = fs::read(outside.join("Dockerfile")).unwrap();
    fix(&sandbox, &[]);
    assert_eq!(fs::read(outside.join("Dockerfile")).unwrap(), before);
    // An ignored file is no part of the repository.
    let sandbox = Sandbox::unborn();
    sandbox.write("Dockerfile", "FROM node:22-alpine\nRUN npm ci\n");
    sandbox.write(".gitignore", "/Dockerfile\n");
    sandbox.commit_all("Start");
    assert_eq!(fix(&sandbox, &["--check"]).code, Some(0));
    // The configuration hides a finding, so that its fix is not wanted.
    let sandbox = Sandbox::unborn();
    sandbox.write("Dockerfile", "FROM node:22-alpine\nRUN npm ci\n");
    sandbox.commit_all("Start");
    assert_eq!(fix(&sandbox, &["--check"]).code, Some(1));
    sandbox.write("bakstop.json", r#"{"rules": {"missing-cache-mount": "off"}}"#);
    assert_eq!(fix(&sandbox, &["--check"]).code, Some(0));
}

#[test]
fn a_repository_that_cannot_be_judged_is_not_changed() {
    let sandbox = repository(&pilots()["broken/clock"]);
    sandbox.write("bakstop.json", "{");
    let ran = fix(&sandbox, &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? bakstop.json\n");
    let files: BTreeMap<String, String> = BTreeMap::new();
    let ran = must(repository_without(&files).run(BAKSTOP, &["doctor", "--fix"]));
    assert_eq!(ran.out, "bakstop: no finding has a safe fix\n");
}

/// A repository without a Dockerfile.
fn repository_without(files: &BTreeMap<String, String>) -> Sandbox {
    let sandbox = Sandbox::unborn();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox.write("README.md", "\n");
    sandbox.commit_all("Start");
    sandbox
}
