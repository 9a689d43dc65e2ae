//! Commands that the hooks, `status`, `install` and `uninstall` print.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::hooks::{program_at_home, script, with_husky};
use crate::printed_commands::staged::conflict;
use crate::printed_commands::{Row, Scene, Take, program, run, stage};
use crate::support::{BAKSTOP, Sandbox, clone_and_server};

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

#[test]
fn husky_is_repaired() {
    fn installed() -> Sandbox {
        let sandbox = with_husky(Some("true\n"));
        assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
        sandbox
    }
    /// A husky that does in this repository what the real one does.
    fn with_npx(sandbox: Sandbox) -> Sandbox {
        let kept = sandbox.outside().join("stubs");
        fs::rename(sandbox.top.join(".husky/_"), &kept).unwrap();
        sandbox.git(&["config", "--unset", "core.hooksPath"]);
        let husky = "#!/bin/sh\n[ \"$*\" = husky ] && [ -d .git ] && cp -r ../stubs .husky/_ && \
                     git config core.hooksPath .husky/_\n";
        program(&sandbox, "npx", husky);
        sandbox
    }
    /// Git runs the tracked files themselves, as with husky 8.
    fn not_executable() -> Sandbox {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["config", "core.hooksPath", ".husky"]);
        sandbox.write(".husky/_/husky.sh", "");
        script(&sandbox, ".husky/pre-commit", "#!/bin/sh\ntrue\n");
        program_at_home(&sandbox);
        assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
        let hook = sandbox.top.join(".husky/pre-commit");
        fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
        sandbox
    }
    let status = Row { question: "bakstop status", ..Row::NEW };
    let npx = Row { take: Take::After("run husky (`"), ..status };
    let chmod = Row { take: Take::After("make it executable (`"), ..status };
    run(&[
        Row { name: "npx", scene: || Scene::at_top(with_npx(installed())), ..npx },
        Row { name: "npx below", scene: || Scene::below(with_npx(installed()), "web"), ..npx },
        Row { name: "chmod", scene: || Scene::at_top(not_executable()), ..chmod },
        Row { name: "chmod below", scene: || Scene::below(not_executable(), "web"), ..chmod },
        Row {
            name: "prove",
            scene: || Scene::below(with_npx(installed()), "web"),
            question: "git add -A && git commit -q --no-verify -m x; bakstop prove",
            again: Some("bakstop prove"),
            ..npx
        },
    ]);
}

#[test]
fn a_relative_hooks_path_is_repaired() {
    fn linked(path: &str) -> Scene {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["config", "core.hooksPath", path]);
        sandbox.git(&["worktree", "add", "-q", "../other tree", "-b", "other"]);
        sandbox.bakstop(&["install"]);
        let mut scene = Scene::below(sandbox, "web");
        scene.directory = scene.sandbox.top.join("web");
        scene
    }
    run(&[Row {
        name: "the hooks of git",
        scene: || linked(".git/hooks"),
        question: "bakstop status",
        take: Take::After("run `"),
        ..Row::NEW
    }]);
}

#[test]
fn a_hook_without_its_program_is_passed_once() {
    fn without_program() -> Scene {
        let sandbox = guarded(&[]);
        let program = sandbox.outside().join("gone");
        fs::copy(BAKSTOP, &program).unwrap();
        assert_eq!(sandbox.run(&program, &["install"]).code, Some(0));
        fs::remove_file(program).unwrap();
        sandbox.write("web/index.js", "edited\n");
        stage(&sandbox);
        let scene = Scene::below(sandbox, "web");
        Scene { without_bakstop: true, ..scene }
    }
    run(&[Row {
        name: "commit",
        scene: without_program,
        question: "git commit -q -m x",
        take: Take::After("to skip this check: "),
        again: Some("git diff --quiet HEAD"),
        says: "was not found",
        ..Row::NEW
    }]);
}

/// The hooks find bakstop in a `node_modules` that a package manager makes again.
fn without_modules(directory: &str, manager: &str, husky: bool) -> Sandbox {
    let sandbox = if husky { with_husky(Some("true\n")) } else { Sandbox::workspace() };
    let manifest = "{\"devDependencies\": {\"husky\": \"9\", \"bakstop\": \"1\"}}\n";
    let lock = if manager == "npm" { "package-lock.json" } else { "pnpm-lock.yaml" };
    for (name, text) in [("package.json", manifest), (lock, "")] {
        sandbox.write(format!("{directory}/{name}"), text);
    }
    sandbox.commit_all("Depend on bakstop");
    let bin = sandbox.top.join(directory).join("node_modules/.bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy(BAKSTOP, bin.join("bakstop")).unwrap();
    assert_eq!(sandbox.run(bin.join("bakstop"), &["install"]).code, Some(0));
    let home = sandbox.home().join(".local/bin/bakstop");
    if home.exists() {
        fs::remove_file(home).unwrap();
    }
    if husky {
        sandbox.git(&["commit", "-q", "-a", "--no-verify", "-m", "Guard"]);
    }
    fs::rename(sandbox.top.join(directory).join("node_modules"), sandbox.outside().join("kept"))
        .unwrap();
    let install = format!(
        "#!/bin/sh\n[ \"$*\" = install ] && [ -f {lock} ] && cp -r {} node_modules\n",
        sandbox.outside().join("kept").display()
    );
    program(&sandbox, manager, &install);
    sandbox
}

#[test]
fn the_package_manager_brings_the_program_back() {
    fn edited(sandbox: Sandbox, directory: &str) -> Scene {
        sandbox.write("web/index.js", "edited\n");
        stage(&sandbox);
        Scene { without_bakstop: true, ..Scene::below(sandbox, directory) }
    }
    fn beside(sandbox: Sandbox, directory: &str) -> Scene {
        // Hooks do not find it there.
        fs::copy(BAKSTOP, sandbox.outside().join("asked")).unwrap();
        Scene { without_bakstop: true, ..Scene::below(sandbox, directory) }
    }
    let hook = Row {
        question: "git commit -q -m x",
        take: Take::After("to install it: "),
        again: Some("git commit -q -m x"),
        says: "was not found",
        ..Row::NEW
    };
    let status = Row {
        question: "../asked status",
        take: Take::After("install the dependencies (`"),
        says: "so it blocks everything",
        ..Row::NEW
    };
    run(&[
        Row { name: "npm", scene: || edited(without_modules(".", "npm", false), "."), ..hook },
        Row { name: "pnpm", scene: || edited(without_modules(".", "pnpm", true), "."), ..hook },
        Row {
            name: "a package below, from the top",
            scene: || edited(without_modules("web", "npm", false), "."),
            ..hook
        },
        Row {
            name: "status",
            scene: || beside(without_modules(".", "pnpm", false), "."),
            ..status
        },
        Row {
            name: "status below",
            scene: || beside(without_modules("web", "npm", false), "backend"),
            question: "../../asked status",
            ..status
        },
    ]);
}

#[test]
fn the_hooks_of_a_team_are_completed() {
    fn dependent(more: &str) -> Scene {
        let sandbox = Sandbox::workspace();
        sandbox.write(
            "package.json",
            format!("{{{more}\"devDependencies\": {{\"bakstop\": \"1\"}}}}\n"),
        );
        sandbox.commit_all("Depend on bakstop");
        Scene::below(sandbox, "web")
    }
    run(&[
        Row {
            name: "the script",
            scene: || dependent(""),
            question: "bakstop install; grep -q '\"prepare\"' ../package.json",
            take: Take::After("add this script to package.json (`"),
            ..Row::NEW
        },
        Row {
            name: "no script of Yarn",
            scene: || dependent("\"packageManager\": \"yarn@4.1.0\", "),
            question: "bakstop install --prepare",
            take: Take::After("or run `"),
            again: Some("bakstop status"),
            ..Row::NEW
        },
        Row {
            name: "uninstalled from shared files",
            scene: || {
                let sandbox = with_husky(Some("true\n"));
                assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
                sandbox.git(&["add", "-A"]);
                sandbox.git(&["commit", "-q", "--no-verify", "-m", "Guard"]);
                Scene::below(sandbox, "web")
            },
            question: "bakstop uninstall; git diff --quiet",
            take: Take::After("commit the change: "),
            again: Some("git diff --quiet"),
            ..Row::NEW
        },
    ]);
}

#[test]
fn what_disables_the_guard_is_unset() {
    // The shell is that of the person: it asks again after the printed command.
    let again = "bakstop status >../out || eval \"$(sed -n 's/^help: //p' ../out)\" && ";
    for variable in ["BAKSTOP=0", "BAKSTOP_SKIP=rewritten-manifest", "BAKSTOP_SKIP=unknown"] {
        let scene = Scene::at_top(guarded(&[]));
        let ran = scene.shell(&format!("export {variable}; {again} bakstop status"));
        assert_eq!(ran.code, Some(0), "{variable}: {ran:?}");
        assert!(!ran.out.contains(variable), "{ran:?}");
    }
}
