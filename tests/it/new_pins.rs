//! Only new statements about pins are reported, in every scope: an old mismatch blocks no commit.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{BAKSTOP, Sandbox, finish, finish_with_input};

const MANIFEST: &str = r#"{
  "name": "shop",
  "author": "A",
  "packageManager": "pnpm@10.6.5",
  "pnpm": { "overrides": { "x": "1.0.0" } }
}
"#;

/// A repository from before the guard, with a finding of each rule about pins in its own file, and
/// an image that agrees.
fn with_drift() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", MANIFEST);
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.15.0\n");
    sandbox.write("api/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@10.6.5\n");
    sandbox.write("float/Dockerfile", "FROM node:22\nRUN npm i -g pnpm\n");
    sandbox.write("missing/Dockerfile", "FROM node:25\nRUN corepack enable\n");
    sandbox.write("invalid/package.json", "{ \"packageManager\": \"pnpm@10\" }\n");
    sandbox.commit_all("Drift");
    sandbox
}

/// The findings, as `path:line (subject of the commit)`.
fn parsed(out: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(out).unwrap_or_else(|_| panic!("{out}"));
    let line = |finding: &Value| {
        let subject = finding["commit"]["subject"].as_str().unwrap_or("-");
        format!("{}:{} ({subject})", finding["path"].as_str().unwrap(), finding["place"]["line"])
    };
    report["findings"].as_array().unwrap().iter().map(line).collect()
}

fn found(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    parsed(&sandbox.bakstop(&[&["check", "--format", "json"], arguments].concat()).out)
}

/// The findings in lines of a hook.
fn found_in_lines(directory: &Path, sandbox: &Sandbox, scope: &str, lines: &str) -> Vec<String> {
    let mut command = sandbox.command(BAKSTOP);
    command.args(["check", "--format", "json", scope]).current_dir(directory);
    parsed(&finish_with_input(&mut command, lines.as_bytes()).out)
}

/// The same findings without the commits.
fn without_commits(found: &[String]) -> Vec<String> {
    found.iter().map(|line| format!("{} (-)", line.split(" (").next().unwrap())).collect()
}

/// Judges the staged change by every way to read the index.
fn assert_staged(sandbox: &Sandbox, expected: &[&str], what: &str) {
    let expected =
        without_commits(&expected.iter().map(|&line| line.to_owned()).collect::<Vec<_>>());
    assert_eq!(found(sandbox, &[]), expected, "{what}: staged");
    let mut by_git = sandbox.command(BAKSTOP);
    by_git.args(["check", "--format", "json"]).env("GIT_CONFIG_PARAMETERS", "'a.b=c'");
    assert_eq!(parsed(&finish(&mut by_git).out), expected, "{what}: staged, by git");
    // As in a commit: the trees are written.
    sandbox.git(&["write-tree"]);
    assert_eq!(found(sandbox, &[]), expected, "{what}: staged, with trees");
}

/// Judges the commits since `base` in every scope of commits.
fn assert_past(sandbox: &Sandbox, base: &str, expected: &[&str], what: &str) {
    let expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
    let range = format!("{base}..HEAD");
    assert_eq!(found(sandbox, &["--range", &range]), expected, "{what}: range");
    let tip = found(sandbox, &["--range", &range, "--tip"]);
    assert_eq!(tip, without_commits(&expected), "{what}: tip");
    let (old, new) = (sandbox.id(base), sandbox.id("HEAD"));
    sandbox.git(&["update-ref", "refs/remotes/origin/main", &old]);
    let zeros = "0".repeat(40);
    for old_or_none in [&old, &zeros] {
        let line = format!("refs/heads/x {new} refs/heads/x {old_or_none}\n");
        let found = found_in_lines(&sandbox.top, sandbox, "--push", &line);
        assert_eq!(found, expected, "{what}: push from {old_or_none}");
    }
    sandbox.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    // A server that has the base; the objects of a push are there, but no ref.
    let server = sandbox.outside().join("server.git");
    let _ = fs::remove_dir_all(&server);
    let (top, server_path) = (sandbox.top.to_str().unwrap(), server.to_str().unwrap());
    sandbox.git(&["clone", "-q", "--bare", "--shared", top, server_path]);
    let refs = sandbox.git(&["-C", server_path, "for-each-ref", "--format=%(refname)"]);
    for name in refs.lines().filter(|name| *name != "refs/heads/main") {
        sandbox.git(&["-C", server_path, "update-ref", "-d", name]);
    }
    sandbox.git(&["-C", server_path, "update-ref", "refs/heads/main", &old]);
    sandbox.git(&["-C", server_path, "symbolic-ref", "HEAD", "refs/heads/main"]);
    let line = format!("{old} {new} refs/heads/main\n");
    assert_eq!(found_in_lines(&server, sandbox, "--receive", &line), expected, "{what}: receive");
}

/// Commits a change of a repository with drift, and judges it in every scope.
fn assert_commit(what: &str, change: impl Fn(&Sandbox), expected: &[&str]) {
    let sandbox = with_drift();
    change(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, expected, what);
    sandbox.git(&["commit", "-q", "-m", "Change"]);
    assert_past(&sandbox, "HEAD~1", expected, what);
    // A commit on top that touches no pin adds nothing, and takes nothing away.
    sandbox.write("web/index.js", "export const x = 1;\n");
    sandbox.commit_all("More");
    assert_past(&sandbox, "HEAD~2", expected, what);
    assert_past(&sandbox, "HEAD~1", &[], what);
}

fn edit(path: &'static str, from: &'static str, to: &'static str) -> impl Fn(&Sandbox) {
    move |sandbox| {
        let text = fs::read_to_string(sandbox.top.join(path)).unwrap();
        assert!(text.contains(from), "{path}: {from}");
        sandbox.write(path, text.replace(from, to));
    }
}

#[test]
fn a_commit_that_changes_no_pin_is_not_blocked() {
    for (path, from, to) in [
        ("package.json", "\"author\": \"A\"", "\"author\": \"B\""),
        ("package.json", "\"x\": \"1.0.0\"", "\"x\": \"1.0.1\""),
        ("package.json", "pnpm@10.6.5", "pnpm@10.6.5+sha512.abc"),
        ("package.json", "  \"author\"", "\n\n  \"author\""),
        ("Dockerfile", "FROM node:22\n", "# The image\nFROM node:22\nWORKDIR /app\n"),
        ("Dockerfile", "npm i -g pnpm@9.15.0", "npm   i   -g   'pnpm@9.15.0'"),
        ("float/Dockerfile", "FROM", "# Floats\nFROM"),
        ("missing/Dockerfile", "FROM", "# No corepack\nFROM"),
        ("invalid/package.json", "{", "{ \"author\": \"A\","),
    ] {
        assert_commit(&format!("{path}: {to}"), edit(path, from, to), &[]);
    }
    let remove = |sandbox: &Sandbox| {
        sandbox.git(&["rm", "-q", "api/Dockerfile"]);
        sandbox.write("Dockerfile", "FROM node:20\nRUN npm i -g pnpm@9.15.0\n");
    };
    assert_commit("removed", remove, &[]);
}

#[test]
fn a_pin_that_moves_away_from_others_is_reported_for_them() {
    assert_commit(
        "moved in the manifest",
        edit("package.json", "pnpm@10.6.5", "pnpm@10.8.0"),
        &["Dockerfile:2 (Change)", "api/Dockerfile:2 (Change)"],
    );
    assert_commit(
        "moved in an image",
        edit("api/Dockerfile", "10.6.5", "10.8.0"),
        &["api/Dockerfile:2 (Change)"],
    );
    assert_commit("agrees now", edit("Dockerfile", "9.15.0", "10.6.5"), &[]);
    assert_commit(
        "still wrong",
        edit("Dockerfile", "9.15.0", "9.15.1"),
        &["Dockerfile:2 (Change)"],
    );
    assert_commit(
        "floats now",
        edit("api/Dockerfile", "@10.6.5", ""),
        &["api/Dockerfile:2 (Change)"],
    );
    assert_commit(
        "another image without corepack",
        edit("missing/Dockerfile", "node:25", "node:26"),
        &["missing/Dockerfile:2 (Change)"],
    );
    assert_commit(
        "another invalid value",
        edit("invalid/package.json", "pnpm@10", "pnpm@11"),
        &["invalid/package.json:1 (Change)"],
    );
}

#[test]
fn of_two_equal_lines_the_added_one_is_new() {
    let line = "RUN npm i -g pnpm@9.15.0\n";
    for (what, text, place) in [
        ("below", format!("FROM node:22\n{line}FROM node:22\n{line}"), 4),
        ("above", format!("FROM node:20\n{line}FROM node:22\n{line}"), 2),
    ] {
        let write = |sandbox: &Sandbox| sandbox.write("Dockerfile", &text);
        assert_commit(what, write, &[&format!("Dockerfile:{place} (Change)")]);
    }
}

#[test]
fn a_renamed_file_is_not_new_and_a_copy_is() {
    let rename = |from: &'static str, to: &'static str| {
        move |sandbox: &Sandbox| {
            fs::create_dir_all(sandbox.top.join(to).parent().unwrap()).unwrap();
            sandbox.git(&["mv", from, to]);
        }
    };
    assert_commit("renamed", rename("Dockerfile", "Dockerfile.prod"), &[]);
    assert_commit("moved", rename("Dockerfile", "docker/web/Dockerfile"), &[]);
    assert_commit("a directory", rename("missing", "absent"), &[]);
    let edited = |sandbox: &Sandbox| {
        sandbox.git(&["mv", "Dockerfile", "Dockerfile.prod"]);
        sandbox.write("Dockerfile.prod", "FROM node:20\n# Now\nRUN npm i -g pnpm@9.15.0\n");
    };
    assert_commit("renamed and edited", edited, &[]);
    let copy = |sandbox: &Sandbox| {
        let text = fs::read(sandbox.top.join("Dockerfile")).unwrap();
        sandbox.write("Dockerfile.copy", text);
    };
    assert_commit("copied", copy, &["Dockerfile.copy:2 (Change)"]);
    // Out of the reach of the manifest that it agreed with.
    let sandbox = with_drift();
    sandbox.write("old/package.json", "{ \"packageManager\": \"pnpm@8.0.0\" }\n");
    sandbox.write("old/image/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@8.0.0\n");
    sandbox.commit_all("Old");
    sandbox.git(&["mv", "old/image/Dockerfile", "web/Dockerfile"]);
    assert_staged(&sandbox, &["web/Dockerfile:2"], "moved away");
    sandbox.git(&["commit", "-q", "-m", "Move"]);
    assert_past(&sandbox, "HEAD~1", &["web/Dockerfile:2 (Move)"], "moved away");
}

#[test]
fn the_first_commit_and_whole_trees_are_all_new() {
    let sandbox = with_drift();
    let all = [
        "Dockerfile:2 (-)",
        "float/Dockerfile:2 (-)",
        "invalid/package.json:1 (-)",
        "missing/Dockerfile:2 (-)",
    ];
    assert_eq!(found(&sandbox, &["--tree", "HEAD"]), all);
    assert_eq!(found(&sandbox, &["--worktree"]), all);
    sandbox.git(&["checkout", "-q", "--orphan", "first"]);
    assert_eq!(found(&sandbox, &[]), all);
    let pins = sandbox.bakstop(&["pins"]);
    assert!(pins.code == Some(1) && pins.out.contains("bakstop: 4 errors"), "{pins:?}");
}

#[test]
fn an_amended_commit_is_compared_with_itself() {
    let sandbox = with_drift();
    edit("package.json", "pnpm@10.6.5", "pnpm@10.8.0")(&sandbox);
    sandbox.commit_all("Bump");
    edit("package.json", "\"A\"", "\"B\"")(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, &[], "amended");
    sandbox.git(&["commit", "-q", "--amend", "-m", "Bump more"]);
    let both = ["Dockerfile:2 (Bump more)", "api/Dockerfile:2 (Bump more)"];
    assert_past(&sandbox, "HEAD~1", &both, "amended");
}

#[test]
fn a_revert_is_judged_by_what_it_makes() {
    let sandbox = with_drift();
    edit("Dockerfile", "9.15.0", "10.6.5")(&sandbox);
    sandbox.commit_all("Agree");
    edit("package.json", "pnpm@10.6.5", "pnpm@10.8.0")(&sandbox);
    edit("Dockerfile", "10.6.5", "10.8.0")(&sandbox);
    edit("api/Dockerfile", "10.6.5", "10.8.0")(&sandbox);
    sandbox.commit_all("Move all");
    sandbox.git(&["revert", "--no-commit", "HEAD"]);
    assert_staged(&sandbox, &[], "reverts a move of all");
    sandbox.commit_all("Move back");
    assert_past(&sandbox, "HEAD~1", &[], "reverts a move of all");
    sandbox.git(&["revert", "--no-commit", "HEAD~2"]);
    assert_staged(&sandbox, &["Dockerfile:2"], "reverts a fix");
    sandbox.commit_all("Disagree");
    assert_past(&sandbox, "HEAD~1", &["Dockerfile:2 (Disagree)"], "reverts a fix");
    // Made, undone and made again: the last commit that made it counts.
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert_past(&sandbox, "HEAD~2", &[], "undone");
    edit("Dockerfile", "10.6.5", "9.15.0")(&sandbox);
    sandbox.commit_all("Again");
    assert_past(&sandbox, "HEAD~3", &["Dockerfile:2 (Again)"], "made again");
}

/// A repository in which `side` adds an image for 10.6.5, and `main` moves the manifest with its
/// image; the two do not conflict.
fn forked() -> Sandbox {
    let sandbox = with_drift();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("side/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@8.0.0\n");
    sandbox.commit_all("Wrong");
    sandbox.write("side/other/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@10.6.5\n");
    sandbox.commit_all("Right");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("web/index.js", "export const y = 1;\n");
    sandbox.commit_all("Main");
    sandbox
}

/// Runs `git merge` with the hook of a commit, and returns its findings.
fn merged_with_hook(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let hook = sandbox.top.join(".git/hooks/pre-merge-commit");
    let out = sandbox.outside().join("out");
    sandbox.write(
        ".git/hooks/pre-merge-commit",
        format!("#!/bin/sh\n'{BAKSTOP}' check --format json >'{}'\nexit 0\n", out.display()),
    );
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.git(&[&["merge", "-q", "--no-ff", "-m", "Merge"], arguments].concat());
    fs::remove_file(hook).unwrap();
    parsed(&fs::read_to_string(out).unwrap())
}

#[test]
fn a_merge_brings_what_its_branch_was_judged_for() {
    let sandbox = forked();
    let base = sandbox.id("main");
    assert_eq!(merged_with_hook(&sandbox, &["side"]), [""; 0], "while git merges");
    // For the pusher the branch is in range; the commit of the branch made it so.
    assert_past(&sandbox, &base, &["side/Dockerfile:2 (Wrong)"], "merge");
    // A range that starts after the branch.
    sandbox.write("web/index.js", "");
    sandbox.commit_all("After");
    assert_past(&sandbox, "HEAD~1", &[], "after the merge");

    // A merge that is finished by `git commit`.
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    assert_staged(&sandbox, &[], "a merge to be finished");
    // With a mismatch that neither side has.
    edit("api/Dockerfile", "10.6.5", "10.0.0")(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, &["api/Dockerfile:2"], "an evil merge");
    sandbox.git(&["commit", "-q", "-m", "Evil"]);
    let both = ["api/Dockerfile:2 (Evil)", "side/Dockerfile:2 (Wrong)"];
    assert_past(&sandbox, &base, &both, "an evil merge");
}

#[test]
fn a_merge_of_two_right_sides_can_be_wrong() {
    let sandbox = forked();
    edit("package.json", "pnpm@10.6.5", "pnpm@10.8.0")(&sandbox);
    edit("api/Dockerfile", "10.6.5", "10.8.0")(&sandbox);
    edit("Dockerfile", "9.15.0", "10.8.0")(&sandbox);
    sandbox.commit_all("Move all");
    let base = sandbox.id("main");
    let expected = ["side/Dockerfile:2 (-)", "side/other/Dockerfile:2 (-)"];
    assert_eq!(merged_with_hook(&sandbox, &["side"]), expected);
    let expected = ["side/Dockerfile:2 (Merge)", "side/other/Dockerfile:2 (Merge)"];
    assert_past(&sandbox, &base, &expected, "merge");
}

#[test]
fn a_branch_is_not_blocked_for_drift_from_before_its_fork() {
    let sandbox = with_drift();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.write("web/index.js", "");
    sandbox.commit_all("Topic");
    sandbox.git(&["checkout", "-q", "main"]);
    edit("Dockerfile", "9.15.0", "10.6.5")(&sandbox);
    sandbox.commit_all("Fix");
    sandbox.git(&["checkout", "-q", "topic"]);
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), [""; 0]);
    assert_eq!(found(&sandbox, &["--range", "main...topic"]), [""; 0]);
}

#[test]
fn an_octopus_merge_is_compared_with_all_its_parents() {
    let sandbox = forked();
    let base = sandbox.id("main");
    sandbox.git(&["checkout", "-q", "-b", "other", "main"]);
    sandbox.write("other/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@8.0.0\n");
    sandbox.commit_all("Other");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side", "other"]);
    assert_staged(&sandbox, &[], "an octopus merge to be finished");
    edit("api/Dockerfile", "10.6.5", "10.0.0")(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, &["api/Dockerfile:2"], "an evil octopus");
    sandbox.git(&["commit", "-q", "-m", "Octopus"]);
    let all =
        ["api/Dockerfile:2 (Octopus)", "other/Dockerfile:2 (Other)", "side/Dockerfile:2 (Wrong)"];
    assert_past(&sandbox, &base, &all, "an evil octopus");
}

#[test]
fn an_image_is_reported_if_its_project_moves_away() {
    let sandbox = with_drift();
    sandbox.write("site/package.json", "{ \"packageManager\": \"pnpm@10.8.0\" }\n");
    sandbox.write("site.Dockerfile", "FROM node:22\nRUN npm i -g pnpm@10.8.0\n");
    sandbox.commit_all("For the site");
    assert_eq!(found(&sandbox, &["--range", "HEAD~1..HEAD"]), [""; 0]);
    // Neither the image nor the manifest at the top changes, and other drift is not reported again.
    edit("site/package.json", "10.8.0", "10.9.0")(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, &["site.Dockerfile:2"], "moved away");
    sandbox.git(&["commit", "-q", "-m", "Move"]);
    assert_past(&sandbox, "HEAD~1", &["site.Dockerfile:2 (Move)"], "moved away");
    edit("site/package.json", "{ ", "{  ")(&sandbox);
    sandbox.commit_all("Blank");
    assert_past(&sandbox, "HEAD~1", &[], "moved before");
}

#[test]
fn what_is_removed_is_not_judged() {
    // Without its manifest, the image is one of the project above, which pins another version.
    let with_site = || {
        let sandbox = with_drift();
        sandbox.write("site/package.json", "{ \"packageManager\": \"pnpm@10.8.0\" }\n");
        sandbox.write("site/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@10.8.0\n");
        sandbox.commit_all("Site");
        sandbox
    };
    let remove = |sandbox: &Sandbox| _ = sandbox.git(&["rm", "-q", "site/package.json"]);
    let unpin = |sandbox: &Sandbox| {
        sandbox.write("site/package.json", "{}\n");
        sandbox.git(&["add", "-A"]);
    };
    for (what, change) in [("removed", remove as fn(&Sandbox)), ("not pinned", unpin)] {
        let sandbox = with_site();
        change(&sandbox);
        assert_staged(&sandbox, &[], what);
        sandbox.git(&["commit", "-q", "-m", "Change"]);
        assert_past(&sandbox, "HEAD~1", &[], what);
    }
    // It is reported where all is asked for, and with the next change of one of its ends.
    let sandbox = with_site();
    remove(&sandbox);
    sandbox.git(&["commit", "-q", "-m", "Remove"]);
    let all = found(&sandbox, &["--tree", "HEAD"]);
    assert!(all.contains(&"site/Dockerfile:2 (-)".to_owned()), "{all:?}");
    edit("site/Dockerfile", "10.8.0", "10.8.1")(&sandbox);
    sandbox.git(&["add", "-A"]);
    assert_staged(&sandbox, &["site/Dockerfile:2"], "changed later");
    // Without a manifest that pins, nothing is to agree with.
    let without = |sandbox: &Sandbox| {
        sandbox.git(&["rm", "-q", "package.json"]);
        edit("api/Dockerfile", "10.6.5", "10.8.0")(sandbox);
    };
    assert_commit("the only reference", without, &[]);

    // A merge of a removal with a change of the image, from either side.
    let sandbox = with_site();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    remove(&sandbox);
    sandbox.git(&["commit", "-q", "-m", "Remove"]);
    sandbox.git(&["checkout", "-q", "main"]);
    edit("site/package.json", "10.8.0", "10.9.0")(&sandbox);
    edit("site/Dockerfile", "10.8.0", "10.9.0")(&sandbox);
    sandbox.commit_all("Move");
    sandbox.git(&["checkout", "-q", "HEAD~1", "--", "site/package.json"]);
    sandbox.commit_all("Move the image alone");
    let base = sandbox.id("main");
    assert_eq!(merged_with_hook(&sandbox, &["side"]), [""; 0], "what a branch removes");
    assert_past(&sandbox, &base, &[], "what a branch removes");
    sandbox.git(&["checkout", "-q", "side"]);
    let base = sandbox.id("side");
    assert_eq!(merged_with_hook(&sandbox, &[&format!("{}~1", "main")]), ["site/Dockerfile:2 (-)"]);
    assert_past(&sandbox, &base, &["site/Dockerfile:2 (Merge)"], "what a branch changes");
}

#[test]
fn what_the_remote_has_is_judged_again_only_where_a_ref_ends() {
    let sandbox = with_drift();
    let base = sandbox.id("main");
    edit("api/Dockerfile", "10.6.5", "10.8.0")(&sandbox);
    sandbox.commit_all("Wrong");
    let wrong = sandbox.id("HEAD");
    edit("api/Dockerfile", "10.8.0", "10.6.5")(&sandbox);
    sandbox.commit_all("Right");
    let right = sandbox.id("HEAD");
    let push = |new: &str, name: &str| {
        let line = format!("{new} {new} refs/heads/{name} {base}\n");
        found_in_lines(&sandbox.top, &sandbox, "--push", &line)
    };
    for name in ["main", "topic"] {
        sandbox.git(&["update-ref", &format!("refs/remotes/origin/{name}"), &base]);
    }
    assert_eq!(push(&right, "topic"), [""; 0], "its end agrees");
    sandbox.git(&["update-ref", "refs/remotes/origin/topic", &right]);
    assert_eq!(push(&wrong, "main"), ["api/Dockerfile:2 (Wrong)"]);
    sandbox.git(&["checkout", "-q", &wrong]);
    sandbox.write("web/index.js", "");
    sandbox.commit_all("Child");
    let child = sandbox.id("HEAD");
    assert_eq!(push(&child, "main"), [""; 0], "it may be older than this branch");
    assert_eq!(
        found(&sandbox, &["--range", &format!("{base}..HEAD")]),
        ["api/Dockerfile:2 (Wrong)"]
    );
}
