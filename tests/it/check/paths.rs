//! `check PATH…`: a check that is limited to the named files and directories.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

fn check(sandbox: &Sandbox, directory: &str, arguments: &[&str]) -> Ran {
    let directory = sandbox.top.join(directory);
    finish(sandbox.command(BAKSTOP).arg("check").args(arguments).current_dir(directory))
}

/// The paths of the findings.
fn found(sandbox: &Sandbox, directory: &str, arguments: &[&str]) -> Vec<String> {
    let ran = check(sandbox, directory, &[arguments, &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(ran.code, Some(i32::from(!findings.is_empty())), "{ran:?}");
    findings.iter().map(|finding| finding["path"].as_str().unwrap().to_owned()).collect()
}

const WEB: &str = "web/package.json";
const BACKEND: &str = "backend/package.json";

/// Two rewritten manifests on disk, of which `web` is staged.
fn rewritten() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite(WEB);
    sandbox.git(&["add", "-A"]);
    sandbox.rewrite(BACKEND);
    sandbox
}

#[test]
fn named_paths_are_judged_as_they_are_on_disk() {
    let sandbox = rewritten();
    let absolute = sandbox.top.join(WEB);
    symlink(&sandbox.top, sandbox.outside().join("link")).unwrap();
    let by_link = sandbox.outside().join("link").join(BACKEND);
    for (directory, path, expected) in [
        ("", WEB, &[WEB][..]),
        ("", "./web//", &[WEB]),
        ("", ".", &[BACKEND, WEB]),
        ("web", "package.json", &[WEB]),
        ("web", "../backend", &[BACKEND]),
        ("web", "..", &[BACKEND, WEB]),
        ("", "web/index.js", &[]),
        ("", "package.json", &[]),
        ("backend", absolute.to_str().unwrap(), &[WEB]),
        ("", by_link.to_str().unwrap(), &[BACKEND]),
    ] {
        assert_eq!(found(&sandbox, directory, &[path]), expected, "{directory} {path}");
    }
    assert_eq!(found(&sandbox, "", &["web", BACKEND]), [BACKEND, WEB]);
    // It is clean on disk, and only there.
    sandbox.git(&["restore", "--source", "HEAD", "--worktree", WEB]);
    assert_eq!(found(&sandbox, "", &[WEB]), [""; 0]);
    assert_eq!(found(&sandbox, "", &["--staged", WEB]), [WEB]);
}

#[test]
fn a_scope_is_limited_to_paths() {
    let sandbox = rewritten();
    assert_eq!(found(&sandbox, "", &["--staged"]), [WEB]);
    assert_eq!(found(&sandbox, "web", &["--staged", "."]), [WEB]);
    assert_eq!(found(&sandbox, "", &["--staged", "backend"]), [""; 0]);
    assert_eq!(found(&sandbox, "", &["--worktree", "backend"]), [BACKEND]);
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.commit_all("Ship it");
    sandbox.git(&["checkout", "-q", "main", "--", "."]);
    sandbox.commit_all("Restore");
    for scope in [&["--range", "main..topic"][..], &["--tree", "topic~1"], &["--history"]] {
        assert_eq!(found(&sandbox, "", scope), [BACKEND, WEB], "{scope:?}");
        assert_eq!(found(&sandbox, "", &[scope, &["web"]].concat()), [WEB], "{scope:?}");
        assert_eq!(found(&sandbox, "", &[scope, &["package.json"]].concat()), [""; 0]);
    }
    assert_eq!(found(&sandbox, "", &["--range", "main..topic", "--tip", "web"]), [""; 0]);
    let listed = check(&sandbox, "", &["--tree", "HEAD", "--show-files", "web"]).out;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    // A bare repository has no work tree, and its paths begin at the top of a tree.
    let bare = sandbox.outside().join("shop.git");
    sandbox.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let bare = bare.to_str().unwrap();
    assert_eq!(found(&sandbox, bare, &["--tree", "topic~1", WEB]), [WEB]);
}

#[test]
fn pins_are_compared_with_files_that_are_not_named() {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.0.0\nCOPY . .\n");
    assert_eq!(found(&sandbox, "", &["Dockerfile"]), ["Dockerfile"]);
    assert_eq!(found(&sandbox, "", &["web"]), [""; 0]);
}

#[test]
fn a_path_that_matches_nothing_is_not_a_pass() {
    let sandbox = rewritten();
    for (arguments, cause) in [
        (&["wbe"][..], "no file that is judged here matches wbe"),
        (&["web", "package.jso"], "no file that is judged here matches package.jso"),
        (&["--staged", "we"], "no file that is judged here matches we"),
        (&["--tree", "HEAD", "nowhere"], "no file that is judged here matches nowhere"),
        (&["--range", "HEAD~0..HEAD", "--tip", "x"], "no file that is judged here matches x"),
        (&["--history", "x\ny"], "no file that is judged here matches x\\ny"),
        (&["../home"], "../home is outside of the work tree"),
        (&["/"], "/ is outside of the work tree"),
    ] {
        let ran = check(&sandbox, "", arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        let line = format!("error: could not judge the named paths: {cause}\nhelp: ");
        assert!(ran.err.starts_with(&line), "{}", ran.err);
    }
    // Git passes lines to a hook, and names no paths.
    assert_eq!(check(&sandbox, "", &["--push", "origin", "--", "web"]).code, Some(2));
}

#[test]
fn quiet_leaves_the_exit_code_and_errors() {
    let sandbox = rewritten();
    let quiet = |code| Ran { code: Some(code), out: String::new(), err: String::new() };
    assert_eq!(check(&sandbox, "", &["-q"]), quiet(1));
    assert_eq!(check(&sandbox, "", &["--quiet", "--format", "json", "web"]), quiet(1));
    let file = sandbox.outside().join("report.json");
    let output = ["-q", "--format", "json", "--output", file.to_str().unwrap()];
    assert_eq!(check(&sandbox, "", &output), quiet(1));
    assert!(std::fs::read_to_string(file).unwrap().contains("rewritten-manifest"));
    sandbox.git(&["reset", "-q", "--hard"]);
    assert_eq!(check(&sandbox, "", &["-q"]), quiet(0));
    let failed = check(&sandbox, "", &["-q", "--tree", "nowhere"]);
    assert_eq!((failed.code, failed.err.is_empty()), (Some(2), false));
}
