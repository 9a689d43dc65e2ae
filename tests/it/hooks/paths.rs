//! The paths of programs and hooks, and the shells that run them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use super::{
    assert_guarded, assert_refused, commit, copy_of_program, install, must, program_at_home,
    script, stage_bad, with_husky,
};
use crate::support::{BAKSTOP, Sandbox, finish};

#[test]
fn a_client_with_a_bare_path_finds_the_program() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    stage_bad(&sandbox);
    let bare = finish(
        sandbox.command("git").args(["commit", "-q", "-m", "x"]).env("PATH", "/usr/bin:/bin"),
    );
    assert!(bare.err.contains("error[rewritten-manifest]"), "{bare:?}");
    let homeless = finish(
        sandbox
            .command("git")
            .args(["commit", "-q", "-m", "x"])
            .env("PATH", "/usr/bin:/bin")
            .env_remove("HOME"),
    );
    assert!(homeless.err.contains("error[rewritten-manifest]"), "{homeless:?}");
}

#[test]
fn a_missing_program_blocks_and_the_switch_still_works() {
    let sandbox = Sandbox::workspace();
    let copy = sandbox.outside().join("it's \"here\"/bakstop");
    copy_of_program(&copy);
    must(finish(sandbox.command(&copy).arg("install")));
    assert_guarded(&sandbox);
    fs::remove_file(&copy).unwrap();
    sandbox.write("web/index.js", "y\n");
    sandbox.git(&["add", "-A"]);
    let bare = |name: &str, value: &str| {
        let mut command = sandbox.command("git");
        finish(
            command.args(["commit", "-q", "-m", "x"]).env("PATH", "/usr/bin:/bin").env(name, value),
        )
    };
    let ran = bare("UNRELATED", "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["was not found", "to install it: ", "to skip this check: BAKSTOP=0 git commit"] {
        assert!(ran.err.contains(part), "{ran:?}");
    }
    let status = finish(sandbox.command(BAKSTOP).arg("status").env("PATH", "/usr/bin:/bin"));
    assert_eq!(status.code, Some(1));
    assert!(
        status.out.contains("which no longer exists") && status.out.contains("cannot find bakstop"),
        "{status:?}"
    );
    let ran = bare("BAKSTOP", "0");
    assert_eq!((ran.code, &*ran.err), (Some(0), "bakstop: not checked, because BAKSTOP=0\n"));
    program_at_home(&sandbox);
    assert_guarded(&sandbox);
}

#[test]
fn paths_with_special_characters_work() {
    for name in [
        &b"two words"[..],
        b"it's \"quoted\"",
        b"a\nb",
        b"$(touch pwned)`id`",
        b"-dash",
        b"\xff\x81\x88",
    ] {
        let sandbox = Sandbox::workspace();
        let directory = sandbox.outside().join(OsString::from_vec(name.to_vec()));
        fs::create_dir(&directory).unwrap();
        let moved = directory.join("shop");
        fs::rename(&sandbox.top, &moved).unwrap();
        let run = |command: &mut Command| finish(command.current_dir(&moved));
        let copy = directory.join("bin/bakstop");
        copy_of_program(&copy);
        let ran = must(run(sandbox.command(&copy).arg("install")));
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
        let status = must(run(sandbox.command(&copy).arg("status")));
        assert_eq!(status.out.lines().count(), 8, "no name breaks a line: {status:?}");
        fs::write(moved.join("x.bak"), "").unwrap();
        run(sandbox.command("git").args(["add", "-f", "x.bak"]));
        let ran =
            run(sandbox.command("git").args(["commit", "-m", "x"]).env("PATH", "/usr/bin:/bin"));
        assert!(ran.err.contains("error[stray-backup]"), "{name:?} {ran:?}");
        must(run(sandbox.command(&copy).arg("uninstall")));
        assert!(!moved.join(".git/hooks/pre-commit").exists());
        assert!(!moved.join("pwned").exists());
    }
}

#[test]
fn the_hooks_call_the_link_that_was_used_to_install() {
    let sandbox = Sandbox::workspace();
    let hook = || fs::read_to_string(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
    program_at_home(&sandbox);
    let link = sandbox.home().join(".local/bin/bakstop");
    must(finish(sandbox.command(&link).arg("install")));
    assert!(hook().contains(&format!("installed='{}'\n", link.display())), "{}", hook());
    must(finish(
        sandbox
            .command("bakstop")
            .arg("install")
            .env("PATH", format!("{}:/usr/bin:/bin", link.parent().unwrap().display())),
    ));
    assert!(hook().contains(&format!("installed='{}'\n", link.display())), "{}", hook());
}

#[test]
fn linked_worktrees_share_the_hooks_and_submodules_have_their_own() {
    let sandbox = Sandbox::workspace();
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    must(finish(sandbox.command(BAKSTOP).arg("install").current_dir(&linked)));
    assert_guarded(&sandbox);
    fs::write(linked.join("x.bak"), "").unwrap();
    finish(sandbox.command("git").args(["add", "-f", "x.bak"]).current_dir(&linked));
    let ran = finish(sandbox.command("git").args(["commit", "-m", "x"]).current_dir(&linked));
    assert!(ran.err.contains("error[stray-backup]"), "{ran:?}");
    must(finish(sandbox.command(BAKSTOP).arg("status").current_dir(&linked)));

    let other = Sandbox::workspace();
    let url = sandbox.top.to_str().unwrap();
    other.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "shared"]);
    let inside = other.top.join("shared");
    let run = |program: &str, arguments: &[&str]| {
        finish(other.command(program).args(arguments).current_dir(&inside))
    };
    must(run(BAKSTOP, &["install"]));
    assert!(other.top.join(".git/modules/shared/hooks/pre-commit").exists());
    assert!(!other.top.join(".git/hooks/pre-commit").exists());
    fs::write(inside.join("x.bak"), "").unwrap();
    run("git", &["add", "-f", "x.bak"]);
    let ran = run("git", &["commit", "-m", "x"]);
    assert!(ran.err.contains("error[stray-backup]"), "{ran:?}");
    must(run(BAKSTOP, &["uninstall"]));
}

#[test]
fn shared_hook_files_have_no_local_paths_and_should_be_committed() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".githooks/pre-commit", "#!/bin/sh\nexit 0\n");
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    sandbox.git(&["add", "-A"]);
    must(commit(&sandbox));
    program_at_home(&sandbox);
    let ran =
        must(finish(sandbox.command(BAKSTOP).arg("install").current_dir(sandbox.top.join("web"))));
    assert!(
        ran.out.contains(
            "commit them: git add :/.githooks/pre-commit.before-bakstop :/.githooks/pre-commit"
        ),
        "{ran:?}"
    );
    assert!(
        ran.out.contains("everyone who commits here needs bakstop in ~/.local/bin or in PATH"),
        "{ran:?}"
    );
    let hook = fs::read_to_string(sandbox.top.join(".githooks/pre-commit")).unwrap();
    assert!(!hook.contains("installed=") && !hook.contains("$installed"), "{hook}");
    assert!(!sandbox.top.join(".git/hooks/pre-commit").exists());
    assert_guarded(&sandbox);
    must(sandbox.bakstop(&["uninstall"]));
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.git(&["diff", "--cached", "--stat", "HEAD~1", "--", ".githooks"]), "");

    // Generated hooks are ignored by git and belong to this clone only.
    sandbox.write(".gitignore", ".githooks/\n");
    sandbox.git(&["rm", "-rq", "--cached", ".githooks"]);
    let ran = sandbox.bakstop(&["install"]);
    assert!(ran.code == Some(1) && ran.out.contains("in this work tree only"), "{ran:?}");
    assert!(!ran.out.contains("commit them"), "{ran:?}");
    let hook = fs::read_to_string(sandbox.top.join(".githooks/pre-commit")).unwrap();
    assert!(hook.contains(&format!("\ninstalled='{BAKSTOP}'\n")), "{hook}");
}

#[test]
fn the_shims_run_under_every_common_shell() {
    let sandbox = with_husky(Some("test $# = 0\nexit 0\n"));
    install(&sandbox);
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    must(sandbox.bakstop(&["install", "--native"]));
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-f", "x.bak"]);
    for shell in [
        &["dash"][..],
        &["bash", "--posix"],
        &["bash"],
        &["busybox", "ash"],
        &["zsh", "--emulate", "sh"],
    ] {
        if Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_err() {
            println!("not tested: there is no {} here", shell[0]);
            continue;
        }
        for file in [".git/hooks/pre-commit", ".husky/pre-commit"] {
            let run = |name: &str, value: &str| {
                let mut command = sandbox.command(shell[0]);
                finish(
                    command
                        .args(&shell[1..])
                        .args(["-e", file])
                        .env("PATH", "/usr/bin:/bin")
                        .env(name, value),
                )
            };
            let ran = run("UNRELATED", "");
            assert!(
                ran.code == Some(1) && ran.out.contains("error[stray-backup]"),
                "{shell:?} {file}: {ran:?}"
            );
            assert_eq!(run("BAKSTOP", "0").code, Some(0), "{shell:?} {file}");
            if file == ".husky/pre-commit" {
                let ran = run("HOME", "/nowhere");
                assert!(
                    ran.code == Some(2) && ran.err.contains("was not found"),
                    "{shell:?} {file}: {ran:?}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_installed_without_a_work_tree() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q", "--bare"]);
    let ran = sandbox.bakstop(&["install"]);
    assert!(
        ran.code == Some(2)
            && ran.err.contains("bare")
            && ran.err.contains("bakstop install --server"),
        "{ran:?}"
    );
    let outside = Sandbox::empty();
    for verb in ["install", "uninstall", "status"] {
        let ran = outside.bakstop(&[verb]);
        assert!(
            ran.code == Some(2) && ran.err.contains("help: run this inside a git repository"),
            "{ran:?}"
        );
    }
    let sandbox = Sandbox::workspace();
    let ran = finish(sandbox.command(BAKSTOP).arg("install").current_dir(sandbox.top.join(".git")));
    assert!(ran.code == Some(2) && ran.err.contains("not inside a work tree"), "{ran:?}");
}

#[test]
fn invalid_hook_paths_are_errors() {
    let sandbox = Sandbox::workspace();
    fs::create_dir(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
    assert_refused(&sandbox, &["install"], &["is not a file"]);
    let sandbox = Sandbox::workspace();
    sandbox.git(&["config", "core.hooksPath", "~nobody-of-this-name/x"]);
    for verb in ["install", "status", "uninstall"] {
        assert_eq!(sandbox.bakstop(&[verb]).code, Some(2), "{verb}");
    }
}

#[test]
fn a_relative_hooks_path_that_linked_worktrees_lack_is_reported() {
    for (value, ignored) in [(".git/hooks", ""), (".git/own", ""), (".hooks", ".hooks/\n")] {
        let sandbox = Sandbox::workspace();
        sandbox.write(".gitignore", ignored);
        sandbox.commit_all("Ignore");
        sandbox.git(&["config", "core.hooksPath", value]);
        let ran = sandbox.bakstop(&["install"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let reason = format!("core.hooksPath is the relative path {value}: in a linked worktree");
        assert!(ran.out.contains(&reason), "{ran:?}");
        let status = sandbox.bakstop(&["status"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        assert!(status.out.contains(&reason), "{status:?}");
        // Here, the hooks run.
        assert_guarded(&sandbox);

        let linked = sandbox.outside().join("linked");
        sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
        let there = |program: &str, arguments: &[&str]| {
            finish(sandbox.command(program).args(arguments).current_dir(&linked))
        };
        let status = there(BAKSTOP, &["status"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        if value.starts_with(".git/") {
            assert!(status.out.contains("that path leads through a file"), "{status:?}");
            let ran = there(BAKSTOP, &["install"]);
            assert!(
                ran.code == Some(2) && ran.err.contains("enable them, then install"),
                "{ran:?}"
            );
        }

        // The printed command makes the hooks run everywhere.
        let command = status_command(&sandbox);
        must(finish(sandbox.command("sh").args(["-c", &command])));
        must(sandbox.bakstop(&["status"]));
        fs::write(linked.join("x.bak"), "").unwrap();
        must(there("git", &["add", "-f", "x.bak"]));
        let ran = there("git", &["commit", "-m", "x"]);
        assert!(ran.err.contains("error[stray-backup]"), "{ran:?}");
    }
}

/// The command that `status` prints to change a setting.
fn status_command(sandbox: &Sandbox) -> String {
    let out = sandbox.bakstop(&["status"]).out;
    let (_, rest) = out.split_once("; run `").unwrap_or_else(|| panic!("{out}"));
    rest.split_once('`').unwrap().0.to_owned()
}

#[test]
fn a_hooks_path_that_every_worktree_has_is_not_reported() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    program_at_home(&sandbox);
    install(&sandbox);
    let sandbox = Sandbox::workspace();
    let absolute = sandbox.top.join(".git/hooks");
    sandbox.git(&["config", "core.hooksPath", absolute.to_str().unwrap()]);
    install(&sandbox);
    must(sandbox.bakstop(&["status"]));
}
