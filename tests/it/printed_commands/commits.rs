//! Commands that rewrite commits, and those that fetch what is missing.

use crate::printed_commands::{Row, Scene, Take, odd_names, run, stage, with_ending};
use crate::support::Sandbox;

const RANGE: &str = "bakstop check --range main..topic";

fn commit(sandbox: &Sandbox, path: &str, message: &str) {
    sandbox.write(path, message);
    stage(sandbox);
    sandbox.git(&["commit", "-q", "-m", message]);
}

/// Backups in two commits of a branch, with other commits around them, and an edited file.
fn two_backups() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    commit(&sandbox, "web/one.js", "One");
    for name in odd_names().iter().filter(|name| name.to_str().is_some_and(is_printable)) {
        sandbox.write(with_ending(name, ".bak"), "");
    }
    commit(&sandbox, "web/it's.bak", "Two");
    commit(&sandbox, "web/three.js", "Three");
    commit(&sandbox, "four.bak", "Four");
    sandbox.write("web/index.js", "edited\n");
    sandbox
}

fn is_printable(name: &str) -> bool {
    !name.contains('\n')
}

#[test]
fn files_are_removed_from_commits() {
    let removed = Row { question: RANGE, says: "remove it from every commit", ..Row::NEW };
    run(&[
        Row { name: "at the top", scene: || Scene::at_top(two_backups()), ..removed },
        Row { name: "below", scene: || Scene::below(two_backups(), "web"), ..removed },
        Row {
            name: "another branch",
            scene: || {
                let sandbox = two_backups();
                sandbox.git(&["stash", "-q"]);
                sandbox.git(&["checkout", "-q", "main"]);
                Scene::at_top(sandbox)
            },
            says: "    git switch topic\n",
            ..removed
        },
        Row {
            name: "another work tree",
            scene: || {
                let sandbox = two_backups();
                sandbox.git(&["stash", "-q"]);
                sandbox.git(&["checkout", "-q", "main"]);
                sandbox.git(&["worktree", "add", "-q", "../it's other", "topic"]);
                Scene::at_top(sandbox)
            },
            ..removed
        },
        Row {
            name: "with a merge",
            scene: || {
                let sandbox = two_backups();
                sandbox.git(&["stash", "-q"]);
                sandbox.git(&["checkout", "-q", "-b", "side", "main"]);
                commit(&sandbox, "side.js", "Side");
                sandbox.git(&["checkout", "-q", "topic"]);
                sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"]);
                Scene::at_top(sandbox)
            },
            ..removed
        },
        Row {
            name: "the last commit",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["checkout", "-q", "-b", "topic"]);
                commit(&sandbox, "a b.bak", "Ship it");
                Scene::below(sandbox, "web")
            },
            says: "remove it from the commit; the file stays",
            ..removed
        },
        Row {
            name: "with hooks",
            scene: || {
                let sandbox = two_backups();
                assert_eq!(sandbox.bakstop(&["install", "--strict"]).code, Some(0));
                Scene::at_top(sandbox)
            },
            ..removed
        },
    ]);
}

fn restore_both(scene: &Scene) {
    let from_main = ["checkout", "main", "--", "web/package.json"];
    assert_eq!(scene.sandbox.try_git(&from_main).code, Some(0));
    scene.sandbox.write("fixed.js", "");
    scene.sandbox.git(&["add", "fixed.js"]);
}

/// A rewritten manifest in one commit, before another one.
fn rewritten() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Ship it");
    sandbox
}

#[test]
fn a_rebase_stops_where_files_must_be_fixed() {
    let stops = Row {
        question: RANGE,
        by_hand: Some((1, restore_both)),
        says: "git stops at each of them",
        ..Row::NEW
    };
    run(&[
        Row {
            name: "a commit",
            scene: || {
                let sandbox = rewritten();
                commit(&sandbox, "later.js", "Later");
                sandbox.write("web/index.js", "edited\n");
                Scene::below(sandbox, "web")
            },
            ..stops
        },
        Row {
            name: "other abbreviations",
            scene: || {
                let sandbox = rewritten();
                commit(&sandbox, "later.js", "Later");
                sandbox.git(&["config", "core.abbrev", "4"]);
                sandbox.git(&["config", "rebase.abbreviateCommands", "true"]);
                Scene::at_top(sandbox)
            },
            ..stops
        },
        Row {
            name: "a merge",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["checkout", "-q", "-b", "side"]);
                commit(&sandbox, "side.js", "Side");
                sandbox.git(&["checkout", "-q", "-b", "topic", "main"]);
                commit(&sandbox, "topic.js", "Topic");
                sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
                sandbox.rewrite("web/package.json");
                sandbox.git(&["commit", "-q", "-am", "Merge"]);
                commit(&sandbox, "later.js", "Later");
                Scene::at_top(sandbox)
            },
            ..stops
        },
        Row {
            name: "the last commit",
            scene: || Scene::at_top(rewritten()),
            by_hand: Some((0, restore_both)),
            says: "    git commit --amend\n",
            ..stops
        },
    ]);
}

/// A clone of one commit.
fn clone(options: &[&str]) -> Scene {
    let sandbox = Sandbox::workspace();
    for number in 1..4 {
        commit(&sandbox, "web/index.js", &format!("Main {number}"));
    }
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    commit(&sandbox, "web/index.js", "Topic");
    let from = format!("file://{}", sandbox.top.display());
    sandbox.git(&[&["clone", "-q"], options, &[&from, "../clone"]].concat());
    Scene::below(sandbox.moved_to("clone"), "web")
}

#[test]
fn missing_history_is_fetched() {
    run(&[
        Row {
            name: "shallow, one branch",
            scene: || clone(&["--depth", "1"]),
            question: "bakstop check --range origin/main..HEAD",
            take: Take::After("fetch it: "),
            ..Row::NEW
        },
        Row {
            name: "one branch",
            scene: || clone(&["--single-branch"]),
            question: "bakstop check --range origin/main..HEAD",
            take: Take::After("fetch it: "),
            ..Row::NEW
        },
        Row {
            name: "shallow",
            scene: || clone(&["--depth", "1", "--no-single-branch"]),
            question: "bakstop check --range origin/main..HEAD",
            take: Take::After("fetch more: `"),
            ..Row::NEW
        },
        Row {
            name: "all history",
            scene: || clone(&["--depth", "1"]),
            question: "bakstop check --history",
            take: Take::After("fetch more: `"),
            ..Row::NEW
        },
    ]);
}

/// A clone without the contents of earlier files.
fn partial() -> Scene {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["config", "uploadpack.allowFilter", "true"]);
    for name in ["one", "two"] {
        let manifest = format!("{{ \"name\": \"{name}\" }}\n");
        sandbox.write("web/package.json", manifest);
        sandbox.commit_all("Change");
    }
    let from = format!("file://{}", sandbox.top.display());
    sandbox.git(&["clone", "-q", "--filter=blob:none", &from, "../clone"]);
    Scene::below(sandbox.moved_to("clone"), "web")
}

#[test]
fn missing_objects_are_fetched() {
    run(&[
        Row {
            name: "all history of a partial clone",
            scene: partial,
            question: "bakstop check --history",
            take: Take::After("to fetch everything: `"),
            ..Row::NEW
        },
        Row {
            name: "a range of a partial clone",
            scene: partial,
            question: "bakstop check --range HEAD~2..HEAD",
            take: Take::After("to fetch everything: `"),
            ..Row::NEW
        },
    ]);
}

#[test]
fn a_directory_of_another_user_is_trusted() {
    fn of_another_user() -> Scene {
        let sandbox = Sandbox::workspace();
        let top = sandbox.top.to_str().unwrap();
        assert_eq!(sandbox.run("chown", &["-R", "12345", top]).code, Some(0));
        Scene::below(sandbox, "web")
    }
    // Only root can give files away.
    if Sandbox::empty().run("id", &["-u"]).out != "0\n" {
        return;
    }
    let row = Row { scene: of_another_user, says: "dubious ownership", ..Row::NEW };
    run(&[
        Row { name: "check", ..row },
        Row { name: "verify", question: "bakstop verify", ..row },
        Row { name: "install", question: "bakstop install", ..row },
    ]);
}

#[test]
fn history_is_not_asked_to_stage_anything() {
    let sandbox = Sandbox::workspace();
    sandbox.write("bakstop.json", "{ \"rules\": { \"stray-backup\": \"warning\" } }\n");
    commit(&sandbox, "old.bak", "Old");
    sandbox.git(&["rm", "-q", "old.bak"]);
    sandbox.git(&["commit", "-q", "-m", "Remove"]);
    let ran = sandbox.bakstop(&["check", "--history"]);
    assert!(ran.out.contains("= help: fix it in a new commit, if it is still there\n"), "{ran:?}");
    assert!(!ran.out.contains("stage"), "{ran:?}");
}
