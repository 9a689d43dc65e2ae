//! `bakstop restore`, in each situation that prints it.

use std::fs;

use crate::printed_commands::{Row, Scene, Take, edit, program, run, stage};
use crate::support::{Sandbox, rewritten_spec};

/// What docker-prep does: backups, rewritten manifests, packed packages.
fn prepare(sandbox: &Sandbox) {
    for name in ["backend", "web"] {
        let manifest = format!("{name}/package.json");
        let original = fs::read(sandbox.top.join(&manifest)).unwrap();
        sandbox.write(format!("{manifest}.bak"), original);
        sandbox.rewrite(&manifest);
    }
    sandbox.write(".docker-deps/acme-ui-1.4.0.tgz", "packed");
}

/// Tracked files that are edited before a preparation.
fn edited() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "edited\n");
    let manifest = fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();
    sandbox.write("web/package.json", manifest.replace("@shop/web", "@shop/shown"));
    prepare(&sandbox);
    sandbox
}

/// The question, and whether the edits are still there.
macro_rules! and_kept {
    ($question:literal) => {
        Some(concat!(
            $question,
            " && cd \"$(git rev-parse --show-toplevel)\" && grep -q shown web/package.json",
            " && grep -q edited web/index.js"
        ))
    };
}

#[test]
fn a_preparation_is_taken_out() {
    let row = Row { says: "bakstop restore", ..Row::NEW };
    run(&[
        Row {
            name: "staged",
            scene: || {
                let sandbox = edited();
                sandbox.git(&["add", "-u"]);
                Scene::below(sandbox, "web")
            },
            again: and_kept!("bakstop check && bakstop check --worktree"),
            says: "bakstop restore --staged --worktree\n",
            ..row
        },
        Row {
            name: "everything is staged",
            scene: || {
                let sandbox = edited();
                stage(&sandbox);
                Scene::at_top(sandbox)
            },
            again: and_kept!("bakstop check && bakstop check --worktree"),
            says: "bakstop restore --staged --worktree\n",
            ..row
        },
        Row {
            name: "commit -a",
            scene: || {
                let sandbox = edited();
                assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
                Scene::below(sandbox, "backend")
            },
            question: "git commit -q -a -m x",
            again: and_kept!("git commit -q -a -m x && bakstop verify"),
            says: "bakstop restore --staged --worktree\n",
            ..row
        },
        Row {
            name: "partially staged",
            scene: || {
                let sandbox = edited();
                sandbox.git(&["add", "-u"]);
                let scene = Scene::at_top(sandbox);
                edit(&scene, "backend/package.json", "@shop/backend", "@shop/later");
                scene
            },
            again: and_kept!("bakstop check && ! git grep -q --cached later && git grep -q later"),
            says: "bakstop restore --staged --worktree\n",
            ..row
        },
        Row {
            name: "work tree",
            scene: || Scene::below(edited(), "web"),
            question: "bakstop check --worktree",
            again: and_kept!("bakstop check --worktree"),
            ..row
        },
        Row {
            name: "linked work tree",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["worktree", "add", "-q", "../other tree", "-b", "other"]);
                let sandbox = sandbox.moved_to("other tree");
                prepare(&sandbox);
                sandbox.git(&["add", "-u"]);
                Scene::below(sandbox, "web")
            },
            ..row
        },
    ]);
}

#[test]
fn what_a_build_or_a_merge_left_is_taken_out() {
    let row = Row { says: "bakstop restore", ..Row::NEW };
    run(&[
        Row {
            name: "verify",
            scene: || {
                let sandbox = Sandbox::workspace();
                prepare(&sandbox);
                Scene::below(sandbox, "web")
            },
            question: "bakstop verify",
            says: "the preparation has not been undone",
            ..row
        },
        Row {
            name: "a build",
            scene: || {
                let sandbox = Sandbox::workspace();
                let spec = rewritten_spec();
                let script = format!(
                    "cd \"$(git rev-parse --show-toplevel)\" && cp web/package.json web/p.bak\n\
                     mv web/p.bak web/package.json.bak\n\
                     sed 's|^1.4.0|{spec}|' web/package.json.bak >web/package.json\n\
                     echo packed >.docker-deps/a.tgz\n"
                );
                fs::write(sandbox.outside().join("prep"), script.replace("|^", "|\\^")).unwrap();
                Scene::below(sandbox, "web")
            },
            question: "bakstop verify -- sh ../../prep",
            again: Some("bakstop verify"),
            says: "the preparation has not been undone",
            ..row
        },
        Row {
            name: "only leftovers",
            scene: || {
                let sandbox = Sandbox::workspace();
                prepare(&sandbox);
                sandbox.git(&["checkout", "-q", "."]);
                Scene::below(sandbox, "web")
            },
            question: "bakstop verify",
            ..row
        },
        Row {
            name: "a backup that differs",
            scene: || {
                let sandbox = edited();
                sandbox.git(&["add", "-u"]);
                sandbox.write("backend/package.json.bak", "{ \"name\": \"mine\" }\n");
                Scene::at_top(sandbox)
            },
            again: and_kept!("bakstop check && grep -q mine backend/package.json.bak"),
            ..row
        },
        Row {
            name: "in a merge",
            scene: || {
                let sandbox = Sandbox::workspace();
                sandbox.git(&["checkout", "-q", "-b", "side"]);
                sandbox.write("web/more.js", "");
                sandbox.commit_all("More");
                sandbox.git(&["checkout", "-q", "main"]);
                sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
                prepare(&sandbox);
                sandbox.git(&["add", "-u"]);
                Scene::at_top(sandbox)
            },
            again: Some("bakstop check && git merge --continue && bakstop verify"),
            ..row
        },
    ]);
}

#[test]
fn a_committed_preparation_is_taken_out() {
    /// The person pastes what the help names in a sentence.
    fn restore(scene: &Scene) {
        let ran = scene.shell("bakstop restore && git add -u");
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    /// Two commits with a preparation, and other edits in them.
    fn committed() -> Sandbox {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["checkout", "-q", "-b", "topic"]);
        sandbox.write("web/index.js", "edited\n");
        let manifest = fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();
        sandbox.write("web/package.json", manifest.replace("@shop/web", "@shop/shown"));
        sandbox.rewrite("web/package.json");
        sandbox.commit_all("Ship it");
        sandbox
    }
    let row = Row {
        question: "bakstop check --range main..topic",
        again: and_kept!("bakstop check --range main..topic && bakstop verify"),
        says: "(`bakstop restore` takes a preparation out)",
        ..Row::NEW
    };
    run(&[
        Row {
            name: "the last commit",
            scene: || Scene::below(committed(), "web"),
            by_hand: Some((0, restore)),
            ..row
        },
        Row {
            name: "an earlier commit",
            scene: || {
                let sandbox = committed();
                sandbox.write("web/later.js", "");
                sandbox.commit_all("Later");
                Scene::at_top(sandbox)
            },
            by_hand: Some((1, restore)),
            ..row
        },
    ]);
}

/// A pnpm that writes a lockfile without traces, in the directory where it is started.
fn with_pnpm(sandbox: &Sandbox) {
    let script = "#!/bin/sh\n[ \"$*\" = 'install --lockfile-only' ] && [ -f pnpm-lock.yaml ] && \
                  echo new >pnpm-lock.yaml\n";
    program(sandbox, "pnpm", script);
}

/// A workspace in a directory, with a lockfile that a preparation changed too.
fn with_lockfile() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("a b/package.json", "{ \"name\": \"inner\" }\n");
    for lockfile in ["pnpm-lock.yaml", "a b/pnpm-lock.yaml"] {
        sandbox.write(lockfile, "lockfileVersion: '9.0'\n");
    }
    sandbox.commit_all("Lock");
    with_pnpm(&sandbox);
    prepare(&sandbox);
    for lockfile in ["pnpm-lock.yaml", "a b/pnpm-lock.yaml"] {
        sandbox.write(lockfile, format!("lockfileVersion: '9.0'\nx: {}\n", rewritten_spec()));
    }
    sandbox
}

#[test]
fn a_lockfile_is_restored_or_written_again() {
    let row = Row { says: "error[rewritten-lockfile]", ..Row::NEW };
    run(&[
        Row {
            name: "that of HEAD",
            scene: || {
                let sandbox = with_lockfile();
                sandbox.git(&["add", "-u"]);
                Scene::below(sandbox, "web")
            },
            again: Some("bakstop check && bakstop verify"),
            ..row
        },
        Row {
            name: "in the work tree",
            scene: || Scene::at_top(with_lockfile()),
            question: "bakstop check --worktree",
            again: Some("bakstop verify"),
            ..row
        },
        Row {
            name: "an install",
            scene: || {
                let sandbox = with_lockfile();
                let scene = Scene::at_top(sandbox);
                edit(&scene, "a b/package.json", "inner", "shown");
                stage(&scene.sandbox);
                scene
            },
            again: Some("bakstop check && git grep -q --cached new 'a b/pnpm-lock.yaml'"),
            says: "    (cd 'a b' && pnpm install --lockfile-only)\n",
            ..row
        },
        Row {
            name: "what restore leaves",
            scene: || {
                let sandbox = with_lockfile();
                let scene = Scene::at_top(sandbox);
                edit(&scene, "a b/package.json", "inner", "shown");
                stage(&scene.sandbox);
                scene
            },
            question: "bakstop restore --staged --worktree",
            again: Some("bakstop check && git grep -q --cached new 'a b/pnpm-lock.yaml'"),
            take: Take::Lines,
            says: "pnpm install --lockfile-only",
            ..row
        },
    ]);
}
