//! Commands that the hooks, `status`, `install` and `uninstall` print.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::printed_commands::staged::conflict;
use crate::printed_commands::{Row, Scene, Take, run, stage};
use crate::support::{Sandbox, clone_and_server};

fn guarded(options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::workspace();
    assert_eq!(sandbox.bakstop(&[&["install"], options].concat()).code, Some(0));
    sandbox
}

#[test]
fn a_guard_is_put_in_force() {
    let status = Row { question: "bakstop status", take: Take::After("help: "), ..Row::NEW };
    run(&[
        Row { name: "no hook", ..status },
        Row {
            name: "not executable",
            scene: || {
                let sandbox = guarded(&[]);
                let hook = sandbox.top.join(".git/hooks/pre-push");
                fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
                Scene::below(sandbox, "web")
            },
            ..status
        },
        Row {
            name: "linked work tree",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["worktree", "add", "-q", "../other", "-b", "other"]);
                Scene::at_top(sandbox.moved_to("other"))
            },
            ..status
        },
        Row {
            name: "hooks are off",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
                Scene::at_top(sandbox)
            },
            take: Take::Lines,
            ..status
        },
        Row {
            name: "global hooks are off",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["config", "--global", "core.hooksPath", "/dev/null"]);
                Scene::at_top(sandbox)
            },
            take: Take::Lines,
            ..status
        },
        Row {
            name: "a server",
            scene: || {
                let (clone, server) = clone_and_server(&[], "");
                let name = server.file_name().unwrap().to_str().unwrap().to_owned();
                Scene::at_top(clone.moved_to(&name))
            },
            ..status
        },
        Row {
            name: "install on a server",
            scene: || {
                let (clone, server) = clone_and_server(&[], "");
                let name = server.file_name().unwrap().to_str().unwrap().to_owned();
                Scene::at_top(clone.moved_to(&name))
            },
            question: "bakstop install",
            take: Take::After("to guard pushes to it: "),
            again: Some("bakstop status"),
            ..status
        },
        Row {
            name: "prove without a hook",
            question: "bakstop prove",
            again: Some("bakstop prove"),
            ..status
        },
    ]);
}

fn bad(sandbox: &Sandbox) {
    sandbox.rewrite("web/package.json");
    stage(sandbox);
}

#[test]
fn a_hook_is_passed_once() {
    run(&[
        Row {
            name: "commit",
            scene: || {
                let sandbox = guarded(&[]);
                bad(&sandbox);
                Scene::below(sandbox, "web")
            },
            question: "git commit -q -m x",
            take: Take::After("to skip this check: "),
            again: Some("bakstop check"),
            says: "the commit is blocked",
            ..Row::NEW
        },
        Row {
            name: "push",
            scene: || {
                let (sandbox, _) = clone_and_server(&[], "");
                sandbox.git(&["push", "-q", "-u", "origin", "main"]);
                bad(&sandbox);
                sandbox.git(&["commit", "-q", "-m", "x"]);
                assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
                Scene::at_top(sandbox)
            },
            question: "git push -q",
            take: Take::After("to skip this check: "),
            says: "the push is blocked",
            ..Row::NEW
        },
    ]);
}

/// A branch `side` with a rewritten manifest, and a hook that stops what git does on its own.
fn picking() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("web/more.js", "");
    sandbox.commit_all("More");
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Ship it");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("web/index.js", "main\n");
    sandbox.commit_all("Main");
    assert_eq!(sandbox.bakstop(&["install", "--strict"]).code, Some(0));
    sandbox
}

fn fix(scene: &Scene) {
    scene.sandbox.git(&["checkout", "HEAD", "--", "web/package.json"]);
    scene.sandbox.write("fixed.js", "");
    scene.sandbox.git(&["add", "fixed.js"]);
}

#[test]
fn a_stopped_operation_is_aborted_or_continued() {
    let clean = Some("bakstop check && test -z \"$(git status --porcelain)\"");
    let aborted = Row {
        scene: || Scene::below(picking(), "web"),
        take: Take::After("to abort: "),
        again: clean,
        ..Row::NEW
    };
    let continued = Row { take: Take::After("once fixed: "), by_hand: Some((0, fix)), ..aborted };
    run(&[
        Row { name: "pick", question: "git cherry-pick side", ..aborted },
        Row { name: "pick on", question: "git cherry-pick side", ..continued },
        Row { name: "picks", question: "git cherry-pick main..side", ..aborted },
        Row { name: "rebase", question: "git rebase -q main side", ..aborted },
        Row { name: "revert", question: "git revert --no-edit HEAD", scene: reverting, ..aborted },
        Row {
            name: "revert on",
            question: "git revert --no-edit HEAD",
            scene: reverting,
            ..continued
        },
    ]);
}

/// A commit that undoes a rewritten manifest.
fn reverting() -> Scene {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Ship it");
    sandbox.git(&["checkout", "-q", "HEAD~1", "--", "web/package.json"]);
    sandbox.commit_all("Restore");
    assert_eq!(sandbox.bakstop(&["install", "--strict"]).code, Some(0));
    Scene::at_top(sandbox)
}

#[test]
fn a_patch_that_stops_is_applied_on() {
    run(&[Row {
        name: "am",
        scene: || {
            let sandbox = conflict();
            sandbox.git(&["format-patch", "-q", "-1", "-o", "../patches", "side"]);
            assert_eq!(sandbox.bakstop(&["install", "--strict"]).code, Some(0));
            let scene = Scene::at_top(sandbox);
            assert_ne!(scene.shell("git am -q -3 ../patches/*").code, Some(0));
            scene.sandbox.write("web/index.js", "both\n");
            bad(&scene.sandbox);
            scene
        },
        // The pre-commit hook is skipped, and prepare-commit-msg asks what git is doing.
        question: "git commit -q --no-verify -m x",
        take: Take::After("once fixed: "),
        by_hand: Some((0, |scene| {
            scene.sandbox.git(&["checkout", "HEAD", "--", "web/package.json"]);
        })),
        again: Some("bakstop check && test ! -d .git/rebase-apply"),
        says: "the am stops here (to abort: git am --abort; once fixed: git am --continue)",
    }]);
}
