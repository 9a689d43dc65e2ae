//! Changes of a build beyond the files: HEAD, refs, stashes, the index and git's settings.

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::verify::{around, changed, report};

fn json(sandbox: &Sandbox, script: &str) -> Value {
    report(&sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", script]))
}

#[test]
fn refs_that_are_created_moved_and_deleted() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["branch", "side"]);
    sandbox.git(&["branch", "old"]);
    let start = sandbox.id("HEAD");
    let script = "git tag v1 && git branch -q -D old && \
                  git update-ref refs/heads/side $(git commit-tree -m x HEAD^{tree})";
    let report = json(&sandbox, script);
    let side = sandbox.id("side");
    let expected = json!([
        { "name": "refs/heads/old", "before": start, "after": null },
        { "name": "refs/heads/side", "before": start, "after": side },
        { "name": "refs/tags/v1", "before": null, "after": start },
    ]);
    assert_eq!(report["refs"], expected);
    let ran = around(&sandbox, "git tag v2");
    let expected = "ref added  refs/tags/v2\n\nbakstop: the command changed 1 ref\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(1), expected, ""));
}

#[test]
fn remote_tracking_refs_are_ignored() {
    let sandbox = Sandbox::workspace();
    let script = "git update-ref refs/remotes/origin/main HEAD && \
                  git update-ref refs/prefetch/remotes/origin/main HEAD";
    assert_eq!(around(&sandbox, script).code, Some(0));
}

#[test]
fn a_commit_is_reported_once_and_its_content_is_not() {
    let sandbox = Sandbox::workspace();
    let report = json(&sandbox, "echo 1 >web/index.js && git commit -q -a -m Build");
    assert_eq!((&report["refs"], &report["paths"]), (&json!([]), &json!([])));
    assert_eq!(report["head"]["after"]["commit"], sandbox.id("HEAD"));
    assert_eq!(report["summary"]["clean"], false);
}

#[test]
fn a_stash_that_is_created_and_one_that_is_dropped() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "mine\n");
    sandbox.git(&["stash", "-q"]);
    sandbox.write("web/index.js", "mine again\n");
    let ran = around(&sandbox, "git stash -q");
    let stash = sandbox.id("stash@{0}").get(..12).unwrap().to_owned();
    let expected = format!(
        "stash added   {stash}\nchanged back  web/index.js (was modified)\n\n\
         bakstop: the command changed 1 path and added 1 stash\n"
    );
    assert_eq!((ran.code, ran.out), (Some(1), expected));
    let older = sandbox.id("stash@{1}");
    let report = json(&sandbox, "git stash drop -q 'stash@{1}'");
    assert_eq!(report["stashes"], json!({ "added": [], "dropped": [older] }));
}

#[test]
fn an_operation_that_is_started_or_finished() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["switch", "-q", "-c", "side"]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", "Side"]);
    sandbox.git(&["switch", "-q", "main"]);
    let ran = around(&sandbox, "git merge -q --no-ff --no-commit side");
    let expected = "unfinished  merge: finish it, or run `git merge --abort`\n\n\
                bakstop: the command left 1 unfinished operation\n";
    assert_eq!((ran.code, &*ran.out), (Some(1), expected));
    let ran = around(&sandbox, "git merge --abort");
    assert_eq!(
        (ran.code, &*ran.out),
        (Some(1), "ended  merge\n\nbakstop: the command ended 1 operation\n")
    );
}

#[test]
fn a_short_lived_lock_is_ignored() {
    let sandbox = Sandbox::workspace();
    let script = "touch .git/index.lock; (sleep 0.3; rm .git/index.lock) >/dev/null 2>&1 &";
    let ran = around(&sandbox, script);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    let ran = around(&sandbox, "touch .git/index.lock");
    assert!(
        ran.out
            .starts_with("unfinished  index.lock: if no git process is running here, remove it\n"),
        "{ran:?}"
    );
    // As a hook of `git commit -a`, the index is a lock of git.
    fs::remove_file(sandbox.top.join(".git/index.lock")).unwrap();
    let hook = format!("#!/bin/sh\nexec {} verify --no-diff\n", crate::support::BAKSTOP);
    sandbox.write(".git/hooks/pre-commit", hook);
    sandbox.run("chmod", &["+x", ".git/hooks/pre-commit"]);
    sandbox.write("web/index.js", "1\n");
    let ran = sandbox.try_git(&["commit", "-q", "-a", "-m", "Change"]);
    let expected = "staged  web/index.js\n\nbakstop: 1 path is not clean\n";
    assert_eq!((ran.code, &*(ran.out + &ran.err)), (Some(1), expected));
}

#[test]
fn a_build_that_hides_its_changes() {
    let sandbox = Sandbox::workspace();
    assert_eq!(
        changed(
            &sandbox,
            "git update-index --assume-unchanged web/index.js && echo 1 >web/index.js"
        ),
        ["web/index.js: modified, hidden from git (assume-unchanged)"]
    );
    sandbox.git(&["update-index", "--no-assume-unchanged", "web/index.js"]);
    sandbox.git(&["restore", "web"]);
    let ran = around(&sandbox, "git update-index --skip-worktree web/index.js backend/index.js");
    let expected = "hidden from git  backend/index.js (skip-worktree)\n\
                hidden from git  web/index.js (skip-worktree)\n\n\
                bakstop: the command changed 2 paths\n";
    assert_eq!((ran.code, &*ran.out), (Some(1), expected));
    let ran = around(&sandbox, "git update-index --no-skip-worktree web/index.js");
    assert_eq!(ran.out, "no longer hidden  web/index.js\n\nbakstop: the command changed 1 path\n");
    let script = "git update-index --no-skip-worktree backend/index.js && \
                  git update-index --assume-unchanged backend/index.js";
    let ran = around(&sandbox, script);
    assert!(
        ran.out
            .starts_with("hidden from git  backend/index.js (assume-unchanged, changed again)\n"),
        "{ran:?}"
    );
    sandbox.git(&["update-index", "--no-assume-unchanged", "backend/index.js"]);
    sandbox.git(&["update-index", "--skip-worktree", "backend/index.js"]);
    // A hidden change from before the build is reported only if the build changes it again.
    sandbox.write("backend/index.js", "mine\n");
    assert_eq!(changed(&sandbox, "touch backend/index.js"), [""; 0]);
    assert_eq!(
        changed(&sandbox, "echo theirs >backend/index.js"),
        ["backend/index.js: modified, hidden from git (skip-worktree, changed again)"]
    );
}

#[test]
fn a_build_that_deletes_or_breaks_the_index() {
    let sandbox = Sandbox::workspace();
    let lost = changed(&sandbox, "rm .git/index");
    // Without an index nothing is tracked: every file is deleted there and untracked on disk.
    assert!(
        lost.contains(&"web/index.js: staged, untracked (deleted in the index)".to_owned()),
        "{lost:?}"
    );
    sandbox.git(&["reset", "-q"]);
    let index = sandbox.top.join(".git/index");
    let good = fs::read(&index).unwrap();
    let ran = around(&sandbox, "printf x | dd of=.git/index bs=1 conv=notrunc 2>/dev/null");
    assert!(
        ran.code == Some(2)
            && ran.err.contains("index")
            && ran.err.contains("ended with exit code 0"),
        "{ran:?}"
    );
    fs::write(&index, good).unwrap();
    let ran = around(&sandbox, "rm -rf .git");
    assert!(
        ran.code == Some(2) && ran.err.contains("the command ended with exit code 0"),
        "{ran:?}"
    );
}

#[test]
fn earlier_refs_and_stashes_are_not_reported() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "mine\n");
    sandbox.git(&["stash", "-q"]);
    sandbox.git(&["tag", "v1"]);
    let ran = sandbox.bakstop(&["verify"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
}

#[test]
fn a_build_that_changes_settings_and_ignore_rules() {
    let sandbox = Sandbox::workspace();
    let settings = |script: &str| json(&sandbox, script)["settings"].clone();
    let script = "echo junk >>.git/info/exclude && touch junk && git config core.autocrlf input && \
                  git config core.hooksPath x";
    assert_eq!(settings(script), json!([".git/info/exclude", "core.autocrlf", "core.hookspath"]));
    let script =
        "echo '*.tmp' >../ignore && git config core.excludesFile \"$PWD/../ignore\" && touch a.tmp";
    assert_eq!(settings(script), json!(["core.excludesfile", "the file of core.excludesFile"]));
    assert_eq!(settings("echo '*.log' >>../ignore"), json!(["the file of core.excludesFile"]));
    let ran = around(
        &sandbox,
        "cp -r . ../copy; git config core.worktree \"$PWD/../copy\"; echo 1 >web/index.js",
    );
    assert!(
        ran.code == Some(1) && ran.out.starts_with("setting changed  core.worktree\n"),
        "{ran:?}"
    );
    assert_eq!(settings("true"), json!([]));
}

#[test]
fn the_users_own_ignore_rules_apply() {
    let sandbox = Sandbox::workspace();
    let report =
        json(&sandbox, "mkdir -p ~/.config/git && echo zz >~/.config/git/ignore && touch zz");
    assert_eq!(report["settings"], json!(["the file of core.excludesFile"]));
    let mut command = sandbox.command(crate::support::BAKSTOP);
    command.env("XDG_CONFIG_HOME", sandbox.outside().join("xdg"));
    let script = "mkdir -p ../xdg/git && echo '* text' >../xdg/git/attributes";
    let ran = crate::support::finish(
        command.args(["verify", "--format", "json", "--", "sh", "-c", script]),
    );
    assert_eq!(report_of(&ran), json!(["the file of core.attributesFile"]));
}

fn report_of(ran: &crate::support::Ran) -> Value {
    report(ran)["settings"].clone()
}

#[test]
fn the_target_of_a_link_is_not_part_of_the_tree() {
    let sandbox = Sandbox::workspace();
    sandbox.run("sh", &["-c", "mv web moved && ln -s moved web"]);
    let paths = changed(&sandbox, "echo 1 >moved/index.js");
    assert_eq!(paths, ["moved/index.js: untracked (changed again)"]);
}

#[test]
fn a_build_that_hides_files_by_a_sparse_checkout() {
    let sandbox = Sandbox::workspace();
    assert_eq!(
        changed(&sandbox, "git update-index --skip-worktree web/index.js && rm web/index.js"),
        ["web/index.js: deleted, hidden from git (skip-worktree)"]
    );
    let sandbox = Sandbox::workspace();
    for arguments in ["--cone backend", "--cone --sparse-index backend"] {
        let paths = changed(&sandbox, &format!("git sparse-checkout set {arguments}"));
        let left_out = [
            "web/index.js: hidden from git (skip-worktree)",
            "web/package.json: hidden from git (skip-worktree)",
        ];
        assert!(left_out.iter().all(|line| paths.contains(&(*line).to_owned())), "{paths:?}");
        assert_eq!(changed(&sandbox, "true"), [""; 0]);
        sandbox.git(&["sparse-checkout", "disable"]);
    }
}

#[test]
fn an_index_with_a_future_time_is_not_trusted() {
    // Git compares whole seconds, and trusts an index that is newer than a file.
    let sandbox = Sandbox::workspace();
    let script = "touch -d '+1 hour' .git/index && printf 'import {};\\n' >web/index.js";
    assert_eq!(changed(&sandbox, script), ["web/index.js: modified"]);
}
