//! Commands that `verify` and `check --worktree` print.

use crate::printed_commands::staged::conflict;
use crate::printed_commands::{Row, Scene, Take, odd_names, run, with_ending};
use crate::support::Sandbox;

#[test]
fn a_work_tree_is_cleaned() {
    run(&[
        Row {
            name: "leftovers",
            scene: || {
                let sandbox = Sandbox::workspace();
                for name in odd_names() {
                    let name = std::path::Path::new("web").join(name);
                    sandbox.write(with_ending(&name, ".js"), "same");
                    sandbox.write(with_ending(&name, ".js.bak"), "same");
                }
                sandbox.commit_all("Files");
                sandbox.write(".docker-deps/a b.tgz", "");
                Scene::below(sandbox, "web")
            },
            question: "bakstop verify",
            says: "the preparation left this behind; remove it",
            ..Row::NEW
        },
        Row {
            name: "a merge",
            scene: || {
                let sandbox = conflict();
                assert_eq!(sandbox.try_git(&["merge", "-q", "side"]).code, Some(1));
                Scene::below(sandbox, "web")
            },
            question: "bakstop verify",
            take: Take::After("finish it, or run `"),
            says: "merge is unfinished",
            ..Row::NEW
        },
        Row {
            name: "a rebase",
            scene: || {
                let sandbox = conflict();
                assert_eq!(sandbox.try_git(&["rebase", "-q", "side"]).code, Some(1));
                Scene::at_top(sandbox)
            },
            question: "bakstop verify",
            take: Take::After("finish it, or run `"),
            ..Row::NEW
        },
        Row {
            name: "a pick",
            scene: || {
                let sandbox = conflict();
                assert_eq!(sandbox.try_git(&["cherry-pick", "side"]).code, Some(1));
                Scene::at_top(sandbox)
            },
            question: "bakstop verify",
            take: Take::After("finish it, or run `"),
            ..Row::NEW
        },
        Row {
            name: "a bisection",
            scene: || {
                let sandbox = conflict();
                sandbox.git(&["bisect", "start"]);
                Scene::at_top(sandbox)
            },
            question: "bakstop verify",
            take: Take::After("finish it, or run `"),
            ..Row::NEW
        },
    ]);
}

#[test]
fn more_is_read_about_a_rule() {
    run(&[Row {
        name: "explain",
        scene: || {
            let sandbox = Sandbox::workspace();
            sandbox.rewrite("web/package.json");
            sandbox.write("x.bak", "");
            crate::printed_commands::stage(&sandbox);
            Scene::at_top(sandbox)
        },
        take: Take::After("more: "),
        again: Some("bakstop rules"),
        says: "more: bakstop explain rewritten-manifest stray-backup\n",
        ..Row::NEW
    }]);
}
