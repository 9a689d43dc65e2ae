//! Commands that `check` prints for the index.

use std::fs;

use crate::printed_commands::{Row, Scene, Take, edit, lines, odd_names, run, stage, with_ending};
use crate::support::{Sandbox, rewritten_spec};

/// Backups with odd names, all staged.
fn backups() -> Sandbox {
    let sandbox = Sandbox::workspace();
    for name in odd_names() {
        sandbox.write(with_ending(&name, ".bak"), "");
        sandbox.write(with_ending(&std::path::Path::new("web").join(name), ".bak"), "");
    }
    stage(&sandbox);
    sandbox
}

fn in_linked_work_tree() -> Scene {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["worktree", "add", "-q", "../other tree", "-b", "other"]);
    let sandbox = sandbox.moved_to("other tree");
    sandbox.write("web/a b.bak", "");
    stage(&sandbox);
    Scene::below(sandbox, "web")
}

/// With `-C`, the commands are for another directory than the one where they are printed.
#[test]
fn commands_for_another_directory_follow_a_change_to_it() {
    for spelled in ["shop", "shop/web", "'a b'"] {
        let sandbox = Sandbox::workspace();
        sandbox.write("web/a b.bak", "");
        stage(&sandbox);
        let outside = sandbox.outside().to_owned();
        if spelled == "'a b'" {
            fs::rename(&sandbox.top, outside.join("a b")).unwrap();
        }
        let scene = Scene { directory: outside, ..Scene::at_top(sandbox) };
        let question = format!("bakstop -C {spelled} check");
        let asked = scene.shell(&question);
        let (_, change) = asked.err.split_once("; first: ").unwrap_or_else(|| panic!("{asked:?}"));
        assert_eq!(change, format!("cd {spelled}\n"));
        let commands = [vec![change.to_owned()], lines(&asked.out)].concat();
        scene.paste(spelled, &commands, &asked.out);
        let again = scene.shell(&question);
        assert!(again.code == Some(0) && !again.err.contains("; first: "), "{again:?}");
        // A document is for a program.
        let document = scene.shell(&format!("{question} --tree HEAD --format json"));
        assert!(!document.err.contains("; first: "), "{document:?}");
    }
}

#[test]
fn files_are_unstaged() {
    let says = "error[stray-backup]";
    run(&[
        Row { name: "at the top", scene: || Scene::at_top(backups()), says, ..Row::NEW },
        Row { name: "below", scene: || Scene::below(backups(), "web"), says, ..Row::NEW },
        Row { name: "linked work tree", scene: in_linked_work_tree, says, ..Row::NEW },
        Row {
            name: "first commit",
            scene: || {
                let sandbox = Sandbox::unborn();
                sandbox.write("-x.bak", "");
                stage(&sandbox);
                Scene::at_top(sandbox)
            },
            says,
            ..Row::NEW
        },
        Row {
            name: "packed package",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.write("backend/.docker-deps/a b.tgz", "x");
                stage(&sandbox);
                Scene::below(sandbox, "web")
            },
            says: "error[docker-deps-content]",
            ..Row::NEW
        },
        Row {
            name: "new lockfile",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.write("web/pnpm-lock.yaml", format!("  x: {}\n", rewritten_spec()));
                stage(&sandbox);
                Scene::below(sandbox, "backend")
            },
            says: "error[rewritten-lockfile]",
            ..Row::NEW
        },
    ]);
}

fn with_file(path: &str, text: &str) -> Scene {
    let sandbox = Sandbox::workspace();
    sandbox.write(path, text);
    stage(&sandbox);
    Scene::below(sandbox, "web")
}

#[test]
fn an_edited_file_is_staged() {
    run(&[
        Row {
            name: "allowance",
            scene: || {
                let allow = r#""rule": "stray-backup", "path": "x.bak", "reason": "kept""#;
                let text = format!(r#"{{"allow": [{{{allow}, "until": "2020-01-01"}}]}}"#);
                with_file("bakstop.json", &text)
            },
            by_hand: Some((0, |scene| edit(scene, "bakstop.json", "2020", "2999"))),
            says: "error[expired-allowance]",
            ..Row::NEW
        },
        Row {
            name: "syntax",
            question: "bakstop check --deny-warnings",
            scene: || with_file("my app/package.json", "{ \"name\": }"),
            by_hand: Some((0, |scene| edit(scene, "my app/package.json", "}", "\"x\" }"))),
            says: "fix the syntax",
            ..Row::NEW
        },
        Row {
            name: "token",
            scene: || {
                let token = ["npm", &"aB3".repeat(12)].join("_");
                with_file(".npmrc", &format!("//r.example.org/:_authToken={token}\n"))
            },
            by_hand: Some((0, |scene| {
                scene.sandbox.write(".npmrc", "//r.example.org/:_authToken=${NPM_TOKEN}\n");
            })),
            says: "error[registry-token]",
            ..Row::NEW
        },
        Row {
            name: "clean on disk",
            scene: || {
                let sandbox = Sandbox::workspace();
                let clean = fs::read(sandbox.top.join("web/package.json")).unwrap();
                sandbox.rewrite("web/package.json");
                stage(&sandbox);
                sandbox.write("web/package.json", clean);
                Scene::below(sandbox, "web")
            },
            says: "error[rewritten-manifest]",
            ..Row::NEW
        },
        Row {
            name: "conflict",
            scene: || {
                let scene = Scene::below(conflict(), "backend");
                assert_eq!(scene.sandbox.try_git(&["merge", "-q", "side"]).code, Some(1));
                scene
            },
            by_hand: Some((0, |scene| {
                scene.sandbox.write("web/index.js", "both\n");
            })),
            take: Take::After("resolve the conflicts, then: "),
            says: "web/index.js is unmerged",
            ..Row::NEW
        },
    ]);
}

/// Two branches that change one file.
pub(super) fn conflict() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("web/index.js", "side\n");
    sandbox.git(&["commit", "-q", "-am", "Side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("web/index.js", "main\n");
    sandbox.git(&["commit", "-q", "-am", "Main"]);
    sandbox
}

#[test]
fn a_manifest_is_restored() {
    fn rewritten(below: &str) -> Scene {
        let sandbox = Sandbox::workspace();
        sandbox.rewrite("web/package.json");
        sandbox.rewrite("backend/package.json");
        stage(&sandbox);
        Scene::below(sandbox, below)
    }
    let says = "error[rewritten-manifest]";
    run(&[
        Row { name: "at the top", scene: || rewritten(""), says, ..Row::NEW },
        Row { name: "below", scene: || rewritten("web"), says, ..Row::NEW },
    ]);
}

#[test]
fn pins_are_moved() {
    run(&[
        Row {
            name: "differs",
            scene: || {
                with_file("a b/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.0.0\nCOPY . .\n")
            },
            says: "error[package-manager-mismatch]",
            ..Row::NEW
        },
        Row {
            name: "floats",
            scene: || with_file("Dockerfile", "FROM node:22\nRUN npm i -g pnpm\nCOPY . .\n"),
            says: "error[floating-package-manager]",
            ..Row::NEW
        },
        Row {
            name: "in the work tree",
            scene: || with_file("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.0.0\nCOPY . .\n"),
            question: "bakstop pins",
            says: "error[package-manager-mismatch]",
            ..Row::NEW
        },
    ]);
}

#[test]
fn a_merge_is_aborted() {
    fn merging() -> Scene {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        sandbox.rewrite("web/package.json");
        sandbox.git(&["commit", "-q", "-am", "Ship it"]);
        sandbox.write("web/more.js", "");
        sandbox.commit_all("More");
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.write("backend/index.js", "main\n");
        sandbox.commit_all("Main");
        Scene::below(sandbox, "web")
    }
    run(&[
        Row {
            name: "in a merge",
            scene: || {
                let scene = merging();
                scene.sandbox.git(&["merge", "-q", "--no-commit", "side"]);
                scene
            },
            says: "(Ship it) brings it, and would stay in history: abort the merge",
            ..Row::NEW
        },
        Row {
            name: "in the hook",
            scene: || {
                let scene = merging();
                assert_eq!(scene.sandbox.bakstop(&["install"]).code, Some(0));
                scene
            },
            question: "git merge -q side",
            again: Some("bakstop check"),
            says: "(Ship it) brings it, and would stay in history: abort the merge",
            ..Row::NEW
        },
    ]);
    let scene = merging();
    let sandbox = &scene.sandbox;
    sandbox.git(&["merge", "-q", "--no-commit", "side"]);
    let answer = sandbox.bakstop(&["check"]).out;
    // The range that it names prints how to fix the branch.
    let (_, range) = answer.split_once("fix that branch (`bakstop ").unwrap();
    let range: Vec<&str> = range.split('`').next().unwrap().split(' ').collect();
    sandbox.git(&["merge", "--abort"]);
    let shown = sandbox.bakstop(&range);
    assert_eq!(shown.code, Some(1));
    assert!(shown.out.contains("    git switch side\n"), "{}", shown.out);
    // What is published cannot be rewritten: the merge is repaired.
    sandbox.git(&["update-ref", "refs/remotes/origin/side", "side"]);
    sandbox.git(&["merge", "-q", "--no-commit", "side"]);
    assert!(!sandbox.bakstop(&["check"]).out.contains("abort"));
}
