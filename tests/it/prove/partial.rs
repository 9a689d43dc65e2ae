//! Hooks that run the guard for some files only.

use std::path::Path;

use serde_json::json;

use super::{assert_not_proven, assert_proven, prove, prove_as, report};
use crate::hooks::script;
use crate::support::{BAKSTOP, Sandbox, rewritten_spec};

const GUARD_EVERY_FILE: &str = "run the guard for every commit: remove the filter by path \
                                (`files`, `glob`, `root` or a test in a script)";

/// A workspace with manifests at three depths, and a hook with these lines before the guard.
fn guarded_after(lines: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("tools/lint/package.json", "{}\n");
    sandbox.commit_all("Add a tool");
    let hook = format!("#!/bin/sh\n{lines}\n{BAKSTOP} hook pre-commit || exit\n");
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    sandbox
}

#[test]
fn a_hook_that_guards_only_the_topmost_manifest_is_not_proven() {
    for lines in [
        "git diff --cached --quiet -- package.json && exit 0",
        "git diff --cached --name-only | grep -q '^package\\.json$' || exit 0",
        "[ -n \"$(git diff --cached --name-only -- ':(glob)*.json')\" ] || exit 0",
    ] {
        let sandbox = guarded_after(lines);
        let reason = "pre-commit blocks a rewritten package.json, but lets a rewritten \
                      tools/lint/package.json through";
        assert_not_proven(&prove(&sandbox), reason, GUARD_EVERY_FILE);
        let ran = prove_as(&sandbox, |command| _ = command.args(["--format", "json"]));
        let report = report(&ran);
        let tried = json!([
            { "path": "package.json", "path_hex": null, "blocked": true },
            { "path": "tools/lint/package.json", "path_hex": null, "blocked": false },
        ]);
        assert_eq!((&report["proven"], &report["tried"]), (&false.into(), &tried));
        assert_eq!(report["manifest"], "tools/lint/package.json");
        // Indeed a commit passes.
        let rewritten = format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec());
        sandbox.write("tools/lint/package.json", rewritten);
        sandbox.git(&["commit", "-qam", "x"]);
    }
}

#[test]
fn a_hook_that_guards_only_nested_manifests_is_not_proven() {
    let sandbox = guarded_after("git diff --cached --quiet -- ':(glob)*/**' && exit 0");
    let ran = prove(&sandbox);
    assert!(ran.code == Some(1) && ran.out.contains("a rewritten package.json"), "{ran:?}");
}

#[test]
fn each_manifest_is_tried_if_all_are_asked_for() {
    let sandbox = guarded_after("git diff --cached --quiet -- package.json tools && exit 0");
    let ran = prove(&sandbox);
    assert_proven(&ran, "package.json, then tools/lint/package.json");
    let untried = "bakstop: not tried: 2 more manifests; `bakstop prove --all` tries each\n";
    assert_eq!(ran.err, untried);
    let all = |sandbox: &Sandbox| prove_as(sandbox, |command| _ = command.arg("--all"));
    let reason = "pre-commit blocks a rewritten package.json, but lets a rewritten \
                  backend/package.json through";
    assert_not_proven(&all(&sandbox), reason, GUARD_EVERY_FILE);

    let sandbox = guarded_after("");
    let ran = all(&sandbox);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
    let start = "bakstop: proven: pre-commit blocked 4 rewritten manifests, \
                 each in a commit of its own (";
    assert!(ran.out.starts_with(start), "{ran:?}");
}

#[test]
fn a_failure_on_nested_manifests_for_another_reason_proves_nothing() {
    // The guard is ignored there, and another check fails.
    let lines = format!(
        "git diff --cached --quiet -- package.json && {{ {BAKSTOP} hook pre-commit; exit 3; }}"
    );
    let ran = prove(&guarded_after(&lines));
    let part = "but also fails on a harmless tools/lint/package.json";
    assert!(ran.code == Some(1) && ran.out.contains(part), "{ran:?}");
}

#[test]
fn manifests_that_the_work_tree_lacks_are_not_tried() {
    let sandbox = guarded_after("");
    for directory in ["tools", "web"] {
        std::fs::remove_dir_all(sandbox.top.join(Path::new(directory))).unwrap();
    }
    let ran = prove(&sandbox);
    assert_proven(&ran, "package.json, then backend/package.json");
    let untried = "bakstop: not tried: 2 manifests of HEAD that the work tree lacks\n";
    assert_eq!(ran.err, untried);
}
