//! Explanations of paths that are not clean.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, rewritten_spec};
use crate::verify::{around, report};

/// A workspace with a lockfile.
fn with_lockfile() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
    sandbox.commit_all("Lock");
    sandbox
}

fn lock() -> String {
    format!("lockfileVersion: '9.0'\nspecifier: {}\n", rewritten_spec())
}

#[test]
fn the_help_for_a_rewritten_lockfile_needs_no_packages() {
    let sandbox = with_lockfile();
    sandbox.write("pnpm-lock.yaml", lock());
    let ran = sandbox.bakstop(&["verify", "--no-diff"]);
    let template = "modified  pnpm-lock.yaml: SAYS\n\n\
                help: the lockfile kept a trace of the preparation\n\
                \x20   bakstop restore\n\n\
                more: bakstop explain rewritten-lockfile\nbakstop: 1 path is not clean\n";
    let places = ran.out.split_once(": ").unwrap().1.split_once('\n').unwrap().0.to_owned();
    assert_eq!(ran.out, template.replace("SAYS", &places));
    // The printed commands fix it.
    assert_eq!(sandbox.bakstop(&["restore"]).code, Some(0));
    assert_eq!(sandbox.bakstop(&["verify"]).code, Some(0));

    sandbox.write("pnpm-lock.yaml", lock());
    sandbox.rewrite("web/package.json");
    fs::write(sandbox.top.join("web/package.json.bak"), "{}").unwrap();
    let ran = sandbox.bakstop(&["verify", "--no-diff"]);
    let help = "help: the preparation has not been undone; restore the originals\n    bakstop \
                restore\n\nmore: ";
    assert!(ran.out.contains(help), "{ran:?}");
}

#[test]
fn the_help_for_an_untracked_lockfile_is_to_remove_it() {
    let sandbox = Sandbox::workspace();
    sandbox.write("backend/pnpm-lock.yaml", lock());
    let ran = sandbox.bakstop(&["verify"]);
    let help =
        "help: the lockfile kept a trace of the preparation\n    rm backend/pnpm-lock.yaml\n";
    assert!(ran.out.contains(help), "{ran:?}");
}

#[test]
fn a_rewritten_backup_is_a_separate_warning() {
    // Prepared twice, by force, and restored.
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    fs::copy(sandbox.top.join("web/package.json"), sandbox.top.join("web/package.json.bak"))
        .unwrap();
    let ran = sandbox.bakstop(&["verify", "--no-diff"]);
    let warning = "warning: web/package.json.bak is rewritten as well: restoring it overwrites \
                   web/package.json with a rewritten file\n";
    assert!(ran.out.contains(warning), "{ran:?}");
    assert!(ran.out.contains("\n    bakstop restore\n"), "{ran:?}");
    let report = report(&sandbox.bakstop(&["verify", "--format", "json"]));
    assert_eq!(report["warnings"][0]["path"], "web/package.json.bak");
    sandbox.git(&["restore", "web"]);
    let ran = sandbox.bakstop(&["verify", "--no-diff"]);
    assert!(ran.out.contains(warning) && !ran.out.contains("    rm "), "{ran:?}");
}

#[test]
fn the_diff_is_against_the_content_before_the_build() {
    let sandbox = Sandbox::workspace();
    sandbox.write("notes.txt", "mine\nshared\n");
    sandbox.write("web/index.js", "mine\n");
    let script = "printf 'theirs\\nshared\\n' >notes.txt; echo theirs >web/index.js; \
                  echo theirs >backend/index.js; echo new >new";
    let ran = sandbox.bakstop(&["verify", "--", "sh", "-c", script]);
    let diff = "--- a/backend/index.js\n+++ b/backend/index.js\n@@ -1 +1 @@\n-export {};\n+theirs\n\
                --- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n-mine\n+theirs\n shared\n\
                --- a/web/index.js\n+++ b/web/index.js\n@@ -1 +1 @@\n-mine\n+theirs\n\nbakstop: ";
    assert!(ran.out.contains(diff), "{ran:?}");
    assert!(!around(&sandbox, "echo more >notes.txt").out.contains("+++"));
    // A build that commits its changes: the paths are reported, and the diff is against the content
    // before the build.
    let ran = sandbox.bakstop(&[
        "verify",
        "--",
        "sh",
        "-c",
        "git add backend && git commit -q -m Build && echo 2 >backend/index.js",
    ]);
    assert!(ran.out.contains("@@ -1 +1 @@\n-theirs\n+2\n"), "{ran:?}");
}

#[test]
fn a_secret_that_a_build_writes_is_not_shown() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".npmrc", "registry=https://npm.example.org/\n");
    sandbox.commit_all("Registry");
    let token = ["npm", &"s3cr3t".repeat(4)].join("_");
    let script = format!("echo //npm.example.org/:_authToken={token} >>.npmrc");
    for format in ["human", "json"] {
        let ran = sandbox.bakstop(&["verify", "--format", format, "--", "sh", "-c", &script]);
        assert!(
            ran.code == Some(1) && ran.out.contains("+********") && !ran.out.contains("s3cr3t"),
            "{ran:?}"
        );
    }
}

#[test]
fn binary_and_large_files_are_only_named() {
    let sandbox = Sandbox::workspace();
    sandbox.write("a.bin", b"\0\x01");
    sandbox.write("large.txt", "x\n".repeat(600_000));
    sandbox.write("long.txt", "1\n");
    sandbox.commit_all("Binary");
    let script = "echo >>a.bin; echo >>large.txt; seq 5000 >long.txt";
    let ran = sandbox.bakstop(&["verify", "--", "sh", "-c", script]);
    assert!(!ran.out.contains("a/a.bin") && !ran.out.contains("a/large.txt"), "{ran:?}");
    assert!(ran.out.contains("\n… 4989 more lines of "), "{ran:?}");
    assert!(ran.out.lines().count() < 30, "{ran:?}");
}

#[test]
fn json_goes_to_a_file_and_text_to_standard_output() {
    let sandbox = Sandbox::workspace();
    let arguments = ["verify", "--format", "json", "--output", "../report.json", "--no-diff", "--"];
    let ran = sandbox
        .bakstop(&[&arguments[..], &["sh", "-c", "echo building; echo 1 >web/index.js"]].concat());
    let expected = "building\nmodified  web/index.js\n\nbakstop: the command changed 1 path\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(1), expected, ""));
    let report = fs::read_to_string(sandbox.outside().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["paths"][0]["path"], "web/index.js");
}
