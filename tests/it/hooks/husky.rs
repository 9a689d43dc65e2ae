//! Repositories with husky.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::{
    assert_guarded, assert_refused, commit, install, must, prepare_husky, program_at_home, script,
    snapshot, stage_bad, state, with_husky,
};
use crate::support::{BAKSTOP, Sandbox, finish, rewritten_spec};

#[test]
fn husky_gets_a_block_in_its_tracked_file() {
    for hook in [
        "echo mine >&2\nexit 0\n",
        "echo mine >&2; exit 0",
        "#!/usr/bin/env sh\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n\necho mine >&2\nexit 0\n",
    ] {
        let sandbox = with_husky(Some(hook));
        sandbox.write(".husky/_/husky.sh", "");
        let (before, stubs) = (state(&sandbox), snapshot(&sandbox.top.join(".husky/_")));
        install(&sandbox);
        assert_eq!(snapshot(&sandbox.top.join(".husky/_")), stubs, "never there");
        assert!(!sandbox.top.join(".git/hooks/pre-commit").exists());
        must(sandbox.bakstop(&["status"]));
        assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");
        stage_bad(&sandbox);
        let ran = commit(&sandbox);
        assert_eq!(ran.err.matches("mine\n").count(), 1, "the rest runs once: {ran:?}");
        assert_guarded(&sandbox);
        must(sandbox.bakstop(&["uninstall"]));
        assert_eq!(state(&sandbox), before, "{hook:?}");
    }
}

#[test]
fn husky_a_failing_rest_ends_the_commit_and_a_staging_rest_is_judged() {
    let sandbox = with_husky(Some("echo one >&2\nfalse\necho two >&2\n"));
    install(&sandbox);
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["add", "-A"]);
    let ran = commit(&sandbox);
    assert_eq!((ran.code, &*ran.err), (Some(1), "one\n"), "it runs with -e, as under husky");

    let sandbox = with_husky(Some(
        "[ $# = 0 ]\ncp bad.json web/package.json\ngit add web/package.json\nexit 0\n",
    ));
    sandbox.write("bad.json", format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec()));
    install(&sandbox);
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["add", "web/index.js"]);
    let ran = commit(&sandbox);
    assert!(ran.err.contains("error[rewritten-manifest]"), "{ran:?}");
}

#[test]
fn husky_merges_subdirectories_bare_paths_and_missing_programs() {
    let sandbox = with_husky(None);
    let before = state(&sandbox);
    install(&sandbox);
    sandbox.git(&["add", "-A"]);
    must(commit(&sandbox));
    assert_guarded(&sandbox);

    sandbox.git(&["checkout", "-q", "-b", "side"]);
    stage_bad(&sandbox);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "x"]);
    sandbox.git(&["checkout", "-q", "main"]);
    let merge = ["merge", "-q", "--no-ff", "--no-edit", "side"];
    assert!(sandbox.try_git(&merge).err.contains("the merge is blocked"));
    sandbox.git(&["merge", "--abort"]);

    sandbox.rewrite("web/package.json");
    let from_below = finish(
        sandbox
            .command("git")
            .args(["commit", "-q", "-a", "-m", "x"])
            .env("PATH", "/usr/bin:/bin")
            .current_dir(sandbox.top.join("backend")),
    );
    assert!(from_below.err.contains("error[rewritten-manifest]"), "{from_below:?}");

    fs::remove_file(sandbox.home().join(".local/bin/bakstop")).unwrap();
    let ran = commit(&sandbox);
    assert!(ran.err.contains("was not found") && ran.code == Some(1), "{ran:?}");
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));
    let ran = finish(sandbox.command("git").args(["commit", "-q", "-am", "x"]).env("BAKSTOP", "0"));
    assert_eq!((ran.code, &*ran.err), (Some(0), "bakstop: not checked, because BAKSTOP=0\n"));

    must(sandbox.bakstop(&["uninstall"]));
    let after = state(&sandbox);
    assert_eq!(after, before, "files that we made are gone");
}

#[test]
fn husky_keeps_every_byte_outside_the_block() {
    for (text, mode) in [
        ("", 0o644),
        ("npm test\r\nexit 0\r\n", 0o600),
        ("#!/bin/sh", 0o755),
        ("\n\n", 0o664),
        ("\u{feff}x", 0o644),
    ] {
        let sandbox = with_husky(Some("true\n"));
        let hook = sandbox.top.join(".husky/pre-commit");
        fs::write(&hook, text).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(mode)).unwrap();
        let before = state(&sandbox);
        install(&sandbox);
        assert_eq!(hook.metadata().unwrap().mode() & 0o777, mode);
        must(sandbox.bakstop(&["uninstall"]));
        assert_eq!(state(&sandbox), before, "{text:?}");
    }
    // A link is followed: the block is written to its target, and the link stays.
    let sandbox = with_husky(None);
    sandbox.write("tools/pre-commit", "true\n");
    symlink("../tools/pre-commit", sandbox.top.join(".husky/pre-commit")).unwrap();
    let before = state(&sandbox);
    install(&sandbox);
    assert!(sandbox.top.join(".husky/pre-commit").is_symlink());
    assert_guarded(&sandbox);
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
    assert_eq!(fs::read_to_string(sandbox.top.join("tools/pre-commit")).unwrap(), "true\n");
}

#[test]
fn husky_everything_that_disables_it_is_reported() {
    let sandbox = with_husky(Some("true\n"));
    install(&sandbox);
    let status =
        |name: &str, value: &str| finish(sandbox.command(BAKSTOP).arg("status").env(name, value));
    assert_eq!(status("UNRELATED", "0").code, Some(0));
    for name in ["BAKSTOP", "HUSKY"] {
        let ran = status(name, "0");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.contains(&format!("disabled: {name}=0 is set")), "{ran:?}");
        assert!(ran.out.ends_with("bakstop: disabled in this environment\n"), "{ran:?}");
    }
    let start = sandbox.home().join(".config/husky/init.sh");
    fs::create_dir_all(start.parent().unwrap()).unwrap();
    fs::write(&start, "export HUSKY=0\n").unwrap();
    let ran = sandbox.bakstop(&["status"]);
    assert!(ran.code == Some(1) && ran.out.contains("init.sh sets HUSKY=0"), "{ran:?}");
    fs::remove_file(&start).unwrap();

    // Lines above the block can end the hook, so installing moves the block up.
    let hook = fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap();
    sandbox.write(".husky/pre-commit", format!("exit 0\n{hook}"));
    assert!(sandbox.bakstop(&["status"]).out.contains("can end the hook early"));
    install(&sandbox);
    must(sandbox.bakstop(&["status"]));
    assert_guarded(&sandbox);
    // The block with CRLF line endings.
    sandbox.write(".husky/pre-commit", hook.replace('\n', "\r\n"));
    let ran = sandbox.bakstop(&["status"]);
    assert!(ran.code == Some(1) && ran.out.contains("has CRLF line endings"), "{ran:?}");
    // An edited block, and parts of one.
    for broken in [hook.replace("exit 2", "exit 0"), hook.replace("# <<< bakstop\n", "")] {
        sandbox.write(".husky/pre-commit", &broken);
        for verb in ["status", "install", "uninstall"] {
            assert_eq!(sandbox.bakstop(&[verb]).code, Some(2), "{verb}");
        }
        assert_eq!(fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap(), broken);
    }
}

#[test]
fn husky_that_is_not_prepared_is_supported_and_reported() {
    let sandbox = with_husky(Some("true\n"));
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains(
            "pre-commit, pre-merge-commit, pre-push: husky is not prepared in this clone"
        ),
        "{ran:?}"
    );
    let ran = sandbox.bakstop(&["status"]);
    assert_eq!(ran.out.matches("husky is not prepared in this clone").count(), 1, "{ran:?}");
    prepare_husky(&sandbox);
    assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");

    // A worktree has the tracked file and the setting, but not the stubs.
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["add", "-A"]);
    must(commit(&sandbox));
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let ran = finish(sandbox.command(BAKSTOP).arg("status").current_dir(&linked));
    assert!(ran.code == Some(1) && ran.out.contains("missing in this work tree"), "{ran:?}");

    // With --native, hook files are written; once core.hooksPath is set, it belongs to husky.
    let ran = sandbox.bakstop(&["install", "--native"]);
    assert!(ran.code == Some(2) && ran.err.contains("which husky owns"), "{ran:?}");
    must(sandbox.bakstop(&["uninstall"]));
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    must(sandbox.bakstop(&["install", "--native"]));
    must(sandbox.bakstop(&["status"]));
    assert_guarded(&sandbox);
}

#[test]
fn husky_8_runs_the_tracked_file_itself() {
    let husky_8 = |hook: Option<&str>| {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["config", "core.hooksPath", ".husky"]);
        let again = r#"if [ -z "$husky_skip_init" ]; then
[ "$HUSKY" = 0 ] && exit 0
husky_skip_init=1
export husky_skip_init
sh -e "$0" "$@"
exit $?
fi
"#;
        sandbox.write(".husky/_/husky.sh", again);
        sandbox.write(".husky/_/.gitignore", "*");
        if let Some(text) = hook {
            script(&sandbox, ".husky/pre-commit", text);
        }
        program_at_home(&sandbox);
        sandbox
    };
    let script_of_husky =
        "#!/usr/bin/env sh\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n\necho mine >&2\nexit 0\n";
    for hook in [None, Some(script_of_husky), Some("#!/bin/sh\nexit 0\n")] {
        let sandbox = husky_8(hook);
        let before = state(&sandbox);
        install(&sandbox);
        must(sandbox.bakstop(&["status"]));
        stage_bad(&sandbox);
        let ran = commit(&sandbox);
        assert_eq!(
            ran.err.matches("error[rewritten-manifest]").count(),
            1,
            "the guard runs once: {ran:?}"
        );
        assert_guarded(&sandbox);
        must(sandbox.bakstop(&["uninstall"]));
        assert_eq!(state(&sandbox), before);
    }
    let sandbox = husky_8(Some("#!/usr/bin/env node\n"));
    assert_refused(
        &sandbox,
        &["install"],
        &["is not a script for sh", "bakstop hook pre-commit || exit"],
    );
}

/// Git ignores a file of husky 8 that is not executable, and one of husky 9 need not be.
#[test]
fn husky_8_that_is_not_prepared_gets_files_that_git_runs() {
    for (husky, command) in [("^8.0.3", "npx husky install"), ("^9.1.7", "npx husky")] {
        let sandbox = Sandbox::workspace();
        program_at_home(&sandbox);
        sandbox.write("package.json", format!(r#"{{"devDependencies": {{"husky": "{husky}"}}}}"#));
        script(&sandbox, ".husky/pre-commit", "#!/bin/sh\ntrue\n");
        let ran = sandbox.bakstop(&["install"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.contains(&format!("run husky (`{command}`, or install")), "{ran:?}");
        sandbox.git(&["config", "core.hooksPath", ".husky"]);
        sandbox.write(".husky/_/husky.sh", "");
        sandbox.write(".husky/_/.gitignore", "*");
        // Files for husky 9 are written again.
        let expected =
            if husky.starts_with("^8") { "bakstop: already installed\n" } else { "installed; " };
        let ran = must(sandbox.bakstop(&["install"]));
        assert!(ran.out.contains(expected), "{ran:?}");
        must(sandbox.bakstop(&["status"]));
        assert_guarded(&sandbox);
        let before = sandbox.git(&["status", "--porcelain"]);
        must(sandbox.bakstop(&["uninstall"]));
        assert!(!sandbox.top.join(".husky/pre-push").exists(), "{before}");
    }
}

#[test]
fn husky_installed_by_flag_is_found_again() {
    let sandbox = Sandbox::workspace();
    program_at_home(&sandbox);
    assert_refused(&sandbox, &["install", "--husky"], &["there is no .husky directory"]);
    sandbox.write(".husky/pre-commit", "true\n");
    let before = state(&sandbox);
    assert!(sandbox.bakstop(&["status"]).out.contains("git runs the hooks in .git/hooks"));
    assert_eq!(sandbox.bakstop(&["install", "--husky"]).code, Some(1));
    // The block shows that husky is used, and status reports that nothing runs it yet.
    let ran = sandbox.bakstop(&["status"]);
    assert!(
        ran.code == Some(1) && ran.out.starts_with("husky runs the hooks in .husky\n"),
        "{ran:?}"
    );
    assert_eq!(ran.out.matches("husky is not prepared in this clone").count(), 1, "{ran:?}");
    assert!(!ran.out.contains("help: bakstop install"), "{ran:?}");
    let ran = sandbox.bakstop(&["install"]);
    assert!(
        ran.code == Some(1) && ran.out.ends_with("already installed, but not in force\n"),
        "{ran:?}"
    );
    prepare_husky(&sandbox);
    must(sandbox.bakstop(&["status"]));
    assert_guarded(&sandbox);
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    // Without husky, hook files are used in this clone.
    must(sandbox.bakstop(&["install", "--native"]));
    assert!(
        must(sandbox.bakstop(&["status"])).out.starts_with("git runs the hooks in .git/hooks\n")
    );
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(
        state(&sandbox).get(&sandbox.top.join(".husky/pre-commit")),
        before.get(&sandbox.top.join(".husky/pre-commit"))
    );
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    assert_refused(
        &sandbox,
        &["install", "--husky"],
        &["core.hooksPath is \".githooks\", not husky's"],
    );
}

#[test]
fn a_husky_directory_that_is_a_link_does_not_stop_uninstall() {
    let sandbox = Sandbox::workspace();
    let elsewhere = sandbox.outside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    install(&sandbox);
    symlink(&elsewhere, sandbox.top.join(".husky")).unwrap();
    let ran = must(sandbox.bakstop(&["uninstall"]));
    assert!(ran.out.ends_with("bakstop: uninstalled\n"), "{ran:?}");
}
