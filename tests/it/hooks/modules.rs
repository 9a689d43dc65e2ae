//! The program in `node_modules`: where package managers put it, and what must never run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{
    assert_guarded, commit, copy_of_program, install, must, program_at_home, stage_bad, with_husky,
};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// The name that package managers give to this system.
fn system() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "aarch64") => "darwin-arm64",
        _ => "darwin-x64",
    }
}

/// A program that lets every commit pass, as an attacker would write it. It is no script.
fn place_passing(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let passing = ["/bin/true", "/usr/bin/true"].iter().find(|path| Path::new(path).exists());
    let _ = fs::remove_file(path);
    fs::copy(passing.unwrap(), path).unwrap();
}

fn launcher(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a package manager makes in a directory. The launcher passes everything, so that a hook
/// which runs it is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    /// npm, Yarn 1 and Bun.
    Hoisted,
    /// npm, if another version is at the top.
    Nested,
    /// pnpm.
    Isolated,
    /// The package that contains every program.
    All,
    /// The program itself, without a package.
    Bin,
    /// A link to a program of another package.
    Linked,
}

const MANAGERS: [Manager; 6] = [
    Manager::Hoisted,
    Manager::Nested,
    Manager::Isolated,
    Manager::All,
    Manager::Bin,
    Manager::Linked,
];

impl Manager {
    /// Installs the package `bakstop` below a directory, and returns the program.
    fn install(self, directory: &Path) -> PathBuf {
        let modules = directory.join("node_modules");
        let bin = modules.join(".bin/bakstop");
        fs::create_dir_all(bin.parent().unwrap()).unwrap();
        let package = match self {
            Self::Isolated => modules.join(".pnpm/bakstop@1.0.0/node_modules/bakstop"),
            _ => modules.join("bakstop"),
        };
        let (name, system) = (format!("bakstop-{}", system()), system());
        let program = match self {
            Self::Hoisted => modules.join(&name).join("bin/bakstop"),
            Self::Nested => package.join("node_modules").join(&name).join("bin/bakstop"),
            Self::Isolated => {
                modules.join(format!(".pnpm/{name}@1.0.0/node_modules/{name}/bin/bakstop"))
            }
            Self::All => package.join(format!("native/{system}/bakstop")),
            Self::Bin => bin.clone(),
            Self::Linked => modules.join("@acme/bakstop/bin/program"),
        };
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        if fs::hard_link(BAKSTOP, &program).is_err() {
            copy_of_program(&program);
        }
        match self {
            Self::Bin => return program,
            Self::Linked => {
                symlink("../@acme/bakstop/bin/program", &bin).unwrap();
                return program;
            }
            Self::All => {
                for other in ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"] {
                    if other != system {
                        place_passing(&package.join(format!("native/{other}/bakstop")));
                    }
                }
            }
            _ => {}
        }
        launcher(&package.join("bin/bakstop"));
        if self == Self::Isolated {
            symlink(".pnpm/bakstop@1.0.0/node_modules/bakstop", modules.join("bakstop")).unwrap();
            let sibling = package.parent().unwrap().join(&name);
            symlink(format!("../../{name}@1.0.0/node_modules/{name}"), sibling).unwrap();
            launcher(&bin);
        } else {
            symlink("../bakstop/bin/bakstop", &bin).unwrap();
        }
        program
    }
}

/// The program that `status` names, from the top of the work tree.
fn program(sandbox: &Sandbox) -> Option<String> {
    let report = sandbox.bakstop(&["status", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    report["hooks"][0]["program"].as_str().map(str::to_owned)
}

/// A repository whose shared hooks, of husky or of git, name no path of this machine.
fn shared(husky: bool) -> Sandbox {
    let sandbox = if husky {
        with_husky(Some("true\n"))
    } else {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["config", "core.hooksPath", ".githooks"]);
        program_at_home(&sandbox);
        sandbox
    };
    install(&sandbox);
    sandbox.commit_all("Install");
    fs::remove_file(sandbox.home().join(".local/bin/bakstop")).unwrap();
    sandbox
}

#[test]
fn hooks_find_the_program_of_every_package_manager() {
    for (manager, husky) in MANAGERS.into_iter().flat_map(|one| [(one, true), (one, false)]) {
        let sandbox = shared(husky);
        assert_eq!(program(&sandbox), None, "{manager:?}");
        let path = manager.install(&sandbox.top);
        let shown = path.strip_prefix(&sandbox.top).unwrap().to_str().unwrap();
        assert_eq!(program(&sandbox).as_deref(), Some(shown), "{manager:?}");
        assert_guarded(&sandbox);
        // It comes before the one of PATH.
        place_passing(&sandbox.home().join(".local/bin/bakstop"));
        assert_eq!(program(&sandbox).as_deref(), Some(shown), "{manager:?}");
        assert_guarded(&sandbox);
    }
}

#[test]
fn a_hook_installed_from_node_modules_survives_its_removal() {
    for manager in MANAGERS {
        let sandbox = Sandbox::workspace();
        let path = manager.install(&sandbox.top);
        must(finish(sandbox.command(&path).arg("install")));
        let text = fs::read_to_string(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
        let line = format!("\npackage='{}'\n", sandbox.top.canonicalize().unwrap().display());
        assert!(text.contains(&line), "{manager:?}: {text}");
        assert_guarded(&sandbox);
        fs::remove_dir_all(sandbox.top.join("node_modules")).unwrap();
        stage_bad(&sandbox);
        let ran = commit(&sandbox);
        assert_eq!(ran.code, Some(1), "{manager:?}: {ran:?}");
        assert!(ran.err.contains("\n  to install it: pnpm install\n"), "{ran:?}");
        let status = sandbox.bakstop(&["status"]);
        let help = "it cannot find bakstop, so it blocks everything; \
                    install the dependencies (`pnpm install`)";
        assert!(status.code == Some(1) && status.out.contains(help), "{status:?}");
        manager.install(&sandbox.top);
        sandbox.git(&["reset", "-q", "--hard"]);
        assert_guarded(&sandbox);
        fs::remove_dir_all(sandbox.top.join("node_modules")).unwrap();
        must(sandbox.bakstop(&["install", "--missing", "warn"]));
        // That program is not the one of node_modules, so the hook names it.
        let hook = fs::read_to_string(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
        assert!(hook.contains(&format!("\ninstalled='{BAKSTOP}'\n")), "{hook}");
    }
}

#[test]
fn a_linked_worktree_uses_its_own_node_modules_or_that_of_the_installation() {
    let sandbox = Sandbox::workspace();
    let path = Manager::Isolated.install(&sandbox.top);
    must(finish(sandbox.command(&path).arg("install")));
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let linked = sandbox.moved_to("linked");
    assert_guarded(&linked);
    let own = Manager::Hoisted.install(&linked.top);
    let shown = own.strip_prefix(&linked.top).unwrap().to_str();
    assert_eq!(program(&linked).as_deref(), shown);
    assert_guarded(&linked);
    // A link to the node_modules of the other worktree is this person's own.
    fs::remove_dir_all(linked.top.join("node_modules")).unwrap();
    symlink("../shop/node_modules", linked.top.join("node_modules")).unwrap();
    fs::write(linked.outside().join("shop/.git/info/exclude"), "node_modules\n").unwrap();
    assert_guarded(&linked);
}

#[test]
fn the_package_around_husky_is_searched() {
    let sandbox = Sandbox::workspace();
    sandbox.write(
        "web/package.json",
        "{\"devDependencies\": {\"husky\": \"9\", \"bakstop\": \"1\", \"@acme/ui\": \"^1.4.0\"}}\n",
    );
    sandbox.write("web/package-lock.json", "{}\n");
    sandbox.write("web/.husky/pre-commit", "true\n");
    sandbox.commit_all("Use husky");
    super::prepare_husky(&sandbox);
    let made = sandbox.top.join(".husky/_");
    let runner = fs::read_to_string(made.join("h")).unwrap();
    fs::write(made.join("h"), runner.replace("file=.husky/", "file=web/.husky/")).unwrap();
    fs::rename(&made, sandbox.top.join("web/.husky/_")).unwrap();
    sandbox.git(&["config", "core.hooksPath", "web/.husky/_"]);
    let path = Manager::Isolated.install(&sandbox.top.join("web"));
    let ran = must(finish(sandbox.command(&path).arg("install")));
    assert!(ran.out.contains("gets bakstop with `cd web && npm install`"), "{ran:?}");
    assert_guarded(&sandbox);
    // pnpm keeps the packages of a workspace at its top.
    fs::remove_dir_all(sandbox.top.join("web/node_modules")).unwrap();
    Manager::Isolated.install(&sandbox.top);
    fs::create_dir(sandbox.top.join("web/node_modules")).unwrap();
    fs::rename(
        sandbox.top.join("node_modules/bakstop"),
        sandbox.top.join("web/node_modules/unused"),
    )
    .unwrap();
    let store = "../../node_modules/.pnpm/bakstop@1.0.0/node_modules/bakstop";
    symlink(store, sandbox.top.join("web/node_modules/bakstop")).unwrap();
    assert_guarded(&sandbox);
    fs::remove_dir_all(sandbox.top.join("web/node_modules")).unwrap();
    stage_bad(&sandbox);
    let ran = commit(&sandbox);
    assert!(ran.err.contains("\n  to install it: cd web && npm install\n"), "{ran:?}");
}

/// An attack: what a commit brings, with what was in `node_modules` before.
struct Attack {
    name: &'static str,
    /// Whether the package manager has installed bakstop; a guard is then still to be found.
    make: fn(&Sandbox),
}

fn native(sandbox: &Sandbox) -> PathBuf {
    sandbox.top.join(format!("node_modules/bakstop-{}/bin/bakstop", system()))
}

fn track(sandbox: &Sandbox, paths: &[&str]) {
    sandbox.git(&[&["add", "-f", "--"], paths].concat());
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Evil"]);
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a tracked .bin/bakstop",
        make: |sandbox| {
            place_passing(&sandbox.top.join("node_modules/.bin/bakstop"));
            track(sandbox, &["node_modules"]);
        },
    },
    Attack {
        name: "a tracked native program",
        make: |sandbox| {
            Manager::Hoisted.install(&sandbox.top);
            place_passing(&native(sandbox));
            track(sandbox, &[native(sandbox).to_str().unwrap()]);
        },
    },
    Attack {
        name: "staged only",
        make: |sandbox| {
            Manager::Hoisted.install(&sandbox.top);
            place_passing(&native(sandbox));
            sandbox.git(&["add", "-f", native(sandbox).to_str().unwrap()]);
        },
    },
    Attack {
        name: "a link that leads to a tracked file",
        make: |sandbox| {
            place_passing(&sandbox.top.join("tools/bakstop"));
            track(sandbox, &["tools"]);
            fs::create_dir_all(sandbox.top.join("node_modules/.bin")).unwrap();
            symlink("../../tools/bakstop", sandbox.top.join("node_modules/.bin/bakstop")).unwrap();
        },
    },
    Attack {
        name: "a member of the workspace with the name of the package",
        make: |sandbox| {
            let member = sandbox.top.join(format!("tools/bakstop/native/{}/bakstop", system()));
            place_passing(&member);
            track(sandbox, &["tools"]);
            fs::create_dir_all(sandbox.top.join("node_modules")).unwrap();
            symlink("../tools/bakstop", sandbox.top.join("node_modules/bakstop")).unwrap();
        },
    },
    Attack {
        name: "a tracked link that leads to a program of the system",
        make: |sandbox| {
            fs::create_dir_all(sandbox.top.join("node_modules/.bin")).unwrap();
            symlink("/bin/true", sandbox.top.join("node_modules/.bin/bakstop")).unwrap();
            track(sandbox, &["node_modules"]);
        },
    },
    Attack {
        name: "a tracked directory above",
        make: |sandbox| {
            place_passing(&sandbox.top.join("evil/.bin/bakstop"));
            symlink("evil", sandbox.top.join("node_modules")).unwrap();
            track(sandbox, &["evil", "node_modules"]);
        },
    },
    Attack {
        name: "a tracked link to a directory outside",
        make: |sandbox| {
            place_passing(&sandbox.outside().join("evil/.bin/bakstop"));
            symlink("../evil", sandbox.top.join("node_modules")).unwrap();
            track(sandbox, &["node_modules"]);
        },
    },
    Attack {
        name: "a submodule",
        make: |sandbox| {
            let evil = sandbox.top.join("node_modules");
            place_passing(&evil.join(".bin/bakstop"));
            let inside = |arguments: &[&str]| {
                let mut git = sandbox.command("git");
                must(finish(git.args(arguments).current_dir(&evil)));
            };
            inside(&["init", "-q"]);
            inside(&["add", "-f", "."]);
            inside(&["commit", "-q", "-m", "Evil"]);
            track(sandbox, &["node_modules"]);
        },
    },
    Attack {
        name: "a submodule that a later commit removes",
        make: |sandbox| {
            let evil = sandbox.top.join("node_modules");
            place_passing(&evil.join(".bin/bakstop"));
            let inside = |arguments: &[&str]| {
                let mut git = sandbox.command("git");
                must(finish(git.args(arguments).current_dir(&evil)));
            };
            inside(&["init", "-q"]);
            inside(&["add", "-f", "."]);
            inside(&["commit", "-q", "-m", "Evil"]);
            track(sandbox, &["node_modules"]);
            sandbox.git(&["rm", "-q", "--cached", "node_modules"]);
            sandbox.git(&["commit", "-q", "--no-verify", "-m", "Remove it"]);
        },
    },
    Attack {
        name: "a submodule for the package of the system",
        make: |sandbox| {
            Manager::Hoisted.install(&sandbox.top);
            place_passing(&native(sandbox));
            let package = native(sandbox).parent().unwrap().parent().unwrap().to_owned();
            let inside = |arguments: &[&str]| {
                let mut git = sandbox.command("git");
                must(finish(git.args(arguments).current_dir(&package)));
            };
            inside(&["init", "-q"]);
            inside(&["add", "-f", "."]);
            inside(&["commit", "-q", "-m", "Evil"]);
            track(sandbox, &[package.to_str().unwrap()]);
        },
    },
    Attack {
        name: "a tracked file outside of a sparse checkout",
        make: |sandbox| {
            place_passing(&sandbox.top.join("node_modules/.bin/bakstop"));
            track(sandbox, &["node_modules"]);
            sandbox.git(&[
                "sparse-checkout",
                "set",
                "--cone",
                "--sparse-index",
                "web",
                ".husky",
                ".githooks",
            ]);
            place_passing(&sandbox.top.join("node_modules/.bin/bakstop"));
        },
    },
    Attack {
        name: "a script that starts a tracked file",
        make: |sandbox| {
            place_passing(&sandbox.top.join("tools/bakstop"));
            track(sandbox, &["tools"]);
            launcher(&sandbox.top.join("node_modules/.bin/bakstop"));
        },
    },
];

#[test]
fn with_plug_n_play_shared_hooks_ask_for_a_program_in_the_path() {
    for husky in [true, false] {
        let sandbox = if husky { with_husky(Some("true\n")) } else { Sandbox::workspace() };
        if !husky {
            sandbox.git(&["config", "core.hooksPath", ".githooks"]);
            program_at_home(&sandbox);
        }
        sandbox.write("package.json", "{\"devDependencies\": {\"bakstop\": \"1\"}}\n");
        sandbox.write("yarn.lock", "");
        let ran = must(sandbox.bakstop(&["install"]));
        assert!(ran.out.contains("everyone who commits here gets bakstop with `yarn install`"));
        sandbox.write(".pnp.cjs", "");
        let ran = must(sandbox.bakstop(&["install"]));
        let out = "everyone who commits here needs bakstop in ~/.local/bin or in PATH";
        assert!(ran.out.contains(out), "{ran:?}");
        // What Yarn adds to PATH for one command is neither found by hooks nor by `status`.
        fs::remove_file(sandbox.home().join(".local/bin/bakstop")).unwrap();
        let folder = sandbox.outside().join("xfs-1");
        launcher(&folder.join("bakstop"));
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let hook = if husky { ".husky/pre-commit" } else { ".githooks/pre-commit" };
        for (folder, code) in [(&*folder, 2), (Path::new(""), 0)] {
            let mut command = sandbox.command("sh");
            command.arg(hook).env("PATH", &path).env("BERRY_BIN_FOLDER", folder);
            let ran = finish(&mut command);
            assert_eq!(ran.code, Some(code), "{ran:?}");
            let how = "\n  to install it: put it into ~/.local/bin ";
            assert_eq!(ran.err.contains(how), code == 2, "{ran:?}");
        }
    }
}

#[test]
fn no_commit_replaces_the_guard() {
    for (attack, husky) in ATTACKS.iter().flat_map(|one| [(one, true), (one, false)]) {
        let sandbox = shared(husky);
        (attack.make)(&sandbox);
        let name = format!("{} (husky: {husky})", attack.name);
        // Without another guard, everything is blocked.
        sandbox.write("web/index.js", "more\n");
        sandbox.git(&["add", "web/index.js"]);
        let top = sandbox.top.to_str().unwrap();
        let hook = if husky { ".husky/pre-commit" } else { ".githooks/pre-commit" };
        let environments = [
            ("UNRELATED", ""),
            ("GIT_INDEX_FILE", "/nonexistent/index"),
            ("GIT_LITERAL_PATHSPECS", "1"),
            ("CDPATH", top),
            ("PATH", &format!("node_modules/.bin:{top}/node_modules/.bin:/usr/bin:/bin")),
            ("PATH", &format!(":.:{top}/node_modules/.bin/:/usr/bin:/bin")),
        ];
        for (variable, value) in environments {
            let ran = finish(sandbox.command("sh").arg(hook).env(variable, value));
            assert_eq!(ran.code, Some(2), "{name}: {variable}={value}: {ran:?}");
            assert!(ran.err.contains("was not found"), "{name}: {variable}={value}: {ran:?}");
        }
        let ran = commit(&sandbox);
        assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{name}: {ran:?}");
        assert_eq!(program(&sandbox), None, "{name}");
        let status = sandbox.bakstop(&["status"]);
        assert!(
            status.out.contains("node_modules/.bin/bakstop is not run: "),
            "{name}: {status:?}"
        );
        // With another one, that is run.
        program_at_home(&sandbox);
        stage_bad_only(&sandbox);
        let ran = commit(&sandbox);
        assert!(ran.err.contains("error[rewritten-manifest]"), "{name}: {ran:?}");
    }
}

#[test]
fn an_empty_program_is_a_missing_one() {
    let empty = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // It may be another name of a program that runs.
        let _ = fs::remove_file(path);
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let home = |sandbox: &Sandbox| sandbox.home().join(".local/bin/bakstop");
    let bin = |sandbox: &Sandbox| sandbox.top.join("node_modules/.bin/bakstop");
    let places: [fn(&Sandbox) -> PathBuf; 3] = [native, bin, home];
    for (place, husky) in places.iter().flat_map(|one| [(one, true), (one, false)]) {
        let sandbox = shared(husky);
        if place(&sandbox) == native(&sandbox) {
            Manager::Hoisted.install(&sandbox.top);
        }
        empty(&place(&sandbox));
        stage_bad(&sandbox);
        let ran = commit(&sandbox);
        assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{ran:?}");
        assert_eq!(program(&sandbox), None);
    }
    // The program that a hook file names.
    let sandbox = Sandbox::workspace();
    let copy = sandbox.outside().join("bin/bakstop");
    copy_of_program(&copy);
    must(finish(sandbox.command(copy.to_str().unwrap()).arg("install")));
    empty(&copy);
    stage_bad(&sandbox);
    let ran = commit(&sandbox);
    assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{ran:?}");
}

/// Stages a rewritten manifest, and nothing else.
fn stage_bad_only(sandbox: &Sandbox) {
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "web/package.json"]);
}

#[test]
fn an_installation_from_a_tracked_node_modules_names_no_program() {
    let sandbox = Sandbox::workspace();
    let path = Manager::Hoisted.install(&sandbox.top);
    track(&sandbox, &["node_modules"]);
    let ran = finish(sandbox.command(&path).arg("install"));
    assert!(ran.code == Some(1) && ran.out.contains("cannot find bakstop"), "{ran:?}");
    let hook = fs::read_to_string(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
    assert!(!hook.contains("installed=") && !hook.contains("package="), "{hook}");
}

#[test]
fn the_repository_of_the_hook_decides_what_is_tracked() {
    // Its directory is elsewhere, and another repository is around the work tree.
    let sandbox = shared(false);
    sandbox.git(&["init", "-q", ".."]);
    place_passing(&sandbox.top.join("node_modules/.bin/bakstop"));
    track(&sandbox, &["node_modules"]);
    let elsewhere = sandbox.outside().join("elsewhere");
    fs::rename(sandbox.top.join(".git"), &elsewhere).unwrap();
    let run = |directory: &Path| {
        let mut command = sandbox.command("sh");
        command.args([".githooks/pre-commit"]).env("GIT_DIR", directory);
        finish(command.env("GIT_WORK_TREE", &sandbox.top))
    };
    let ran = run(&elsewhere);
    assert!(ran.code == Some(2) && ran.err.contains("was not found"), "{ran:?}");
    let ran = run(Path::new("../elsewhere"));
    assert!(ran.code == Some(2) && ran.err.contains("was not found"), "{ran:?}");
    fs::remove_dir_all(sandbox.top.join("node_modules")).unwrap();
    Manager::Hoisted.install(&sandbox.top);
    let untrack = |mut command: Command| {
        command.args(["rm", "-rq", "--cached", "node_modules"]).env("GIT_DIR", &elsewhere);
        must(finish(command.env("GIT_WORK_TREE", &sandbox.top)));
    };
    untrack(sandbox.command("git"));
    assert!(!run(Path::new("../elsewhere")).err.contains("was not found"));
}

#[test]
fn a_program_that_becomes_tracked_later_is_not_run() {
    let sandbox = Sandbox::workspace();
    let path = Manager::Hoisted.install(&sandbox.top);
    must(finish(sandbox.command(&path).arg("install")));
    sandbox.git(&["checkout", "-q", "-b", "evil"]);
    place_passing(&path);
    track(&sandbox, &[path.to_str().unwrap()]);
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    stage_bad_only(&sandbox);
    let ran = commit(&sandbox);
    assert!(ran.err.contains("was not found"), "{ran:?}");
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
    // A commit with a temporary index, as of `git commit -a` and `git commit FILE`.
    for arguments in [&["commit", "-qam", "x"][..], &["commit", "-qm", "x", "web/package.json"]] {
        let ran = sandbox.try_git(arguments);
        assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{ran:?}");
    }
}

#[test]
fn the_search_is_the_same_in_every_shell() {
    let sandbox = shared(false);
    let husky = shared(true);
    Manager::Isolated.install(&sandbox.top);
    Manager::Isolated.install(&husky.top);
    for shell in [
        &["dash"][..],
        &["bash", "--posix"],
        &["bash"],
        &["busybox", "ash"],
        &["zsh", "--emulate", "sh"],
        &["mksh"],
    ] {
        if Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_err() {
            println!("not tested: there is no {} here", shell[0]);
            continue;
        }
        for (sandbox, file) in [(&sandbox, ".githooks/pre-commit"), (&husky, ".husky/pre-commit")] {
            let run = || {
                let mut command = sandbox.command(shell[0]);
                command.args(&shell[1..]).args(["-e", file]).env("GIT_INDEX_FILE", ".git/index");
                finish(&mut command)
            };
            stage_bad_only(sandbox);
            let ran: Ran = run();
            assert!(ran.code == Some(1) && ran.out.contains("error["), "{shell:?} {file}: {ran:?}");
            place_passing(&sandbox.top.join("node_modules/tracked"));
            sandbox.git(&["add", "-f", "node_modules/tracked"]);
            let ran = run();
            assert!(ran.err.contains("was not found"), "{shell:?} {file}: {ran:?}");
            sandbox.git(&["reset", "-q", "--hard"]);
        }
    }
}

/// Makes an executable file without content, in the place of another one.
fn empty(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_empty_program_is_none() {
    for husky in [true, false] {
        let sandbox = shared(husky);
        empty(&Manager::Hoisted.install(&sandbox.top));
        empty(&sandbox.home().join(".local/bin/bakstop"));
        stage_bad_only(&sandbox);
        let ran = commit(&sandbox);
        assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{husky}: {ran:?}");
        assert_eq!(program(&sandbox), None, "{husky}");
        // A later place is searched.
        copy_of_program(&sandbox.home().join(".cargo/bin/bakstop"));
        let ran = commit(&sandbox);
        assert!(ran.err.contains("error[rewritten-manifest]"), "{husky}: {ran:?}");
    }
    let sandbox = Sandbox::workspace();
    let installed = sandbox.home().join("own/bakstop");
    copy_of_program(&installed);
    must(finish(sandbox.command(installed.to_str().unwrap()).arg("install")));
    empty(&installed);
    stage_bad_only(&sandbox);
    let ran = commit(&sandbox);
    assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{ran:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_for_another_processor_is_not_run() {
    let other = if system() == "linux-x64" { "linux-arm64" } else { "linux-x64" };
    for husky in [true, false] {
        let sandbox = shared(husky);
        let package = sandbox.top.join("node_modules/bakstop");
        launcher(&package.join("bin/bakstop"));
        place_passing(&package.join(format!("native/{other}/bakstop")));
        stage_bad_only(&sandbox);
        let ran = commit(&sandbox);
        assert!(ran.code != Some(0) && ran.err.contains("was not found"), "{husky}: {ran:?}");
    }
}

#[test]
fn git_for_windows_gets_a_clear_word() {
    for (system, shown) in
        [("MINGW64_NT-10.0-22631", true), ("MSYS_NT-10.0", true), ("Linux", false)]
    {
        for (options, code) in [(&[][..], 2), (&["--missing", "warn"][..], 0)] {
            let sandbox = Sandbox::workspace();
            let copy = sandbox.outside().join("copy/bakstop");
            copy_of_program(&copy);
            must(finish(sandbox.command(&copy).arg("install").args(options)));
            fs::remove_file(&copy).unwrap();
            let bin = sandbox.outside().join("bin");
            launcher(&bin.join("uname"));
            fs::write(bin.join("uname"), format!("#!/bin/sh\necho {system}\n")).unwrap();
            let mut command = sandbox.command("sh");
            command
                .arg(".git/hooks/pre-commit")
                .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            let ran = finish(&mut command);
            assert_eq!(ran.code, Some(code), "{ran:?}");
            let word = "does not run in Git for Windows\n  to check it: use git in WSL\n";
            assert_eq!(ran.err.contains(word), shown, "{ran:?}");
            assert_eq!(ran.err.contains("was not found"), !shown, "{ran:?}");
            let start = if code == 2 { "bakstop: blocked: " } else { "bakstop: warning: " };
            assert!(ran.err.starts_with(start), "{ran:?}");
        }
    }
}

#[test]
fn status_names_the_source_and_other_versions() {
    let sandbox = Sandbox::workspace();
    let path = Manager::Hoisted.install(&sandbox.top);
    must(finish(sandbox.command(&path).arg("install")));
    let other = sandbox.home().join(".local/bin/bakstop");
    let write = |text: &str| {
        launcher(&other);
        fs::write(&other, format!("#!/bin/sh\necho bakstop {text}\n")).unwrap();
    };
    let version = env!("CARGO_PKG_VERSION");
    for (text, differs) in [("0.0.7", true), (version, false), ("of somebody", true)] {
        write(text);
        let out = must(sandbox.bakstop(&["status"])).out;
        let system = system();
        let line = format!(
            "program           node_modules/bakstop-{system}/bin/bakstop, version {version}, \
             from node_modules\n"
        );
        assert!(out.contains(&line), "{out}");
        let text = if text == "of somebody" { "unknown" } else { text };
        let line = format!(
            "not run           {}, version {text}, from PATH or a usual directory\n",
            other.display()
        );
        assert_eq!(out.contains(&line), differs, "{out}");
        let report = must(sandbox.bakstop(&["status", "--format", "json"])).out;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["programs"][0]["source"], "node_modules");
        assert_eq!(report["other_programs"][0]["source"], "path");
        assert_eq!(report["other_programs"][0]["path"], other.to_str().unwrap());
    }
}
