//! `--save-baseline` and `--baseline`: before and after as two runs.

use std::fs;

use crate::config::stage;
use crate::support::{Ran, Sandbox};
use crate::verify::{report, reported_paths};

fn save(sandbox: &Sandbox, file: &str) {
    let ran = sandbox.bakstop(&["verify", "--save-baseline", file]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", ""));
}

fn since(sandbox: &Sandbox, file: &str) -> Ran {
    sandbox.bakstop(&["verify", "--format", "json", "--baseline", file])
}

#[test]
fn only_changes_since_the_baseline_are_reported() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "mine\n");
    sandbox.write("notes.txt", "mine\n");
    sandbox.write("old.bak", "mine\n");
    save(&sandbox, "../baseline.json");
    let ran = since(&sandbox, "../baseline.json");
    assert_eq!((ran.code, reported_paths(&ran)), (Some(0), vec![]));
    sandbox.write("notes.txt", "theirs\n");
    sandbox.write("old.bak", "mine\n");
    sandbox.write("backend/index.js", "theirs\n");
    sandbox.git(&["tag", "v1"]);
    let ran = since(&sandbox, "../baseline.json");
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        reported_paths(&ran),
        ["backend/index.js: modified", "notes.txt: untracked (changed again)"]
    );
    let report = report(&ran);
    assert_eq!(
        (&report["since"], &report["refs"][0]["name"]),
        (&"baseline".into(), &"refs/tags/v1".into())
    );
    let ran = sandbox.bakstop(&["verify", "--no-diff", "--baseline", "../baseline.json"]);
    assert_eq!(
        ran.out,
        "ref added  refs/tags/v1\nmodified   backend/index.js\n\
         untracked  notes.txt (changed again)\n\n\
         bakstop: since the baseline: changed 2 paths and changed 1 ref\n"
    );
}

#[test]
fn the_baseline_may_be_in_the_tree_and_be_overwritten() {
    let sandbox = Sandbox::workspace();
    for file in ["baseline.json", "./web/../baseline.json", "baseline.json"] {
        save(&sandbox, file);
        let ran = since(&sandbox, file);
        assert_eq!((ran.code, reported_paths(&ran)), (Some(0), vec![]), "{file}");
    }
    // From a subdirectory.
    let ran = sandbox.bakstop(&["-C", "web", "verify", "--baseline", "../baseline.json"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
}

#[test]
fn a_tracked_file_is_neither_overwritten_nor_skipped() {
    let sandbox = Sandbox::workspace();
    for (file, help) in [("web/index.js", "name another file"), ("-", "name a file, such as ./-")] {
        let ran = sandbox.bakstop(&["verify", "--save-baseline", file]);
        assert!(ran.code == Some(2) && ran.err.contains(&format!("\nhelp: {help}")), "{ran:?}");
    }
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    save(&sandbox, "b.json");
    sandbox.git(&["add", "b.json"]);
    let ran = since(&sandbox, "b.json");
    assert_eq!(
        (ran.code, reported_paths(&ran)),
        (Some(1), vec!["b.json: staged (new file)".to_owned()])
    );
}

#[test]
fn a_build_cannot_change_the_settings_of_its_comparison() {
    let sandbox = Sandbox::workspace();
    stage(
        &sandbox,
        "bakstop.json",
        r#"{"verify": {"allow": [{"path": "dist/**", "reason": "built"}]}}"#,
    );
    sandbox.git(&["commit", "-q", "-m", "Configure"]);
    save(&sandbox, "../baseline.json");
    sandbox.write("bakstop.json", r#"{"verify": {"allow": [{"path": "**", "reason": "built"}]}}"#);
    sandbox.write("dist/a", "");
    let ran = since(&sandbox, "../baseline.json");
    assert_eq!(
        (ran.code, reported_paths(&ran)),
        (Some(1), vec!["bakstop.json: modified".to_owned()])
    );
}

#[test]
fn the_baseline_has_no_file_content() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".env", "SECRET=hunter2\n");
    save(&sandbox, "../baseline.json");
    let text = fs::read_to_string(sandbox.outside().join("baseline.json")).unwrap();
    assert!(text.contains(".env") && !text.contains("hunter2"), "{text}");
}

#[test]
fn an_invalid_baseline_is_exit_code_2() {
    let sandbox = Sandbox::workspace();
    for (text, words) in [
        (None, "No such file"),
        (Some("{}"), "was not written by"),
        (Some("{\"schema\": \"bakstop.baseline/1\"}"), "has been changed"),
        (Some("x"), "not valid JSON"),
    ] {
        if let Some(text) = text {
            fs::write(sandbox.outside().join("b.json"), text).unwrap();
        }
        let ran = sandbox.bakstop(&["verify", "--baseline", "../b.json"]);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(
            ran.err.contains("read the baseline ../b.json") && ran.err.contains(words),
            "{ran:?}"
        );
        assert!(ran.err.contains("help: write it before the build"), "{ran:?}");
    }
    let ran = sandbox.bakstop(&["verify", "--save-baseline", "nowhere/b.json"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for arguments in
        [&["--baseline", "b", "--save-baseline", "c"][..], &["--baseline", "b", "--", "true"]]
    {
        let ran = sandbox.bakstop(&[&["verify"], arguments].concat());
        assert!(ran.code == Some(2) && ran.err.contains("cannot be used with"), "{ran:?}");
    }
}
