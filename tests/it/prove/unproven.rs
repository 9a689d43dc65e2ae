//! Hooks that are not proven, each with its reason and its help.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{
    SEE, assert_not_proven, assert_proven, husky, installed, prove, prove_as, report, run_help,
    stand_in,
};
use crate::hooks::{copy_of_program, must, prepare_husky, program_at_home, script, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

#[test]
fn a_missing_or_inactive_hook_is_reported_and_installing_fixes_it() {
    type Setup = fn(&Sandbox);
    let cases: [(&str, Setup, &str); 7] = [
        ("no hook", |_| {}, "not installed"),
        (
            "no hooks",
            |sandbox| fs::remove_dir_all(sandbox.top.join(".git/hooks")).unwrap(),
            "not installed",
        ),
        (
            "not executable",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                let hook = sandbox.top.join(".git/hooks/pre-commit");
                fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
            },
            ".git/hooks/pre-commit is not executable: git ignores it",
        ),
        (
            "emptied",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                fs::write(sandbox.top.join(".git/hooks/pre-commit"), "").unwrap();
            },
            "not installed (.git/hooks/pre-commit is not a hook of bakstop)",
        ),
        (
            "somebody else's",
            |sandbox| script(sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n"),
            "not installed (.git/hooks/pre-commit is not a hook of bakstop)",
        ),
        (
            "core.hooksPath elsewhere",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                program_at_home(sandbox);
                sandbox.git(&["config", "core.hooksPath", ".other"]);
            },
            "not installed",
        ),
        (
            "one of an earlier place",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                fs::remove_file(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
            },
            "not installed",
        ),
    ];
    for (what, setup, reason) in cases {
        let sandbox = Sandbox::workspace();
        setup(&sandbox);
        let ran = prove(&sandbox);
        assert_not_proven(&ran, reason, "bakstop install");
        run_help(&sandbox, &ran);
        assert!(prove(&sandbox).code == Some(0), "{what}");
    }
}

#[test]
fn an_edited_hook_and_an_ignored_exit_code_are_reported() {
    // Edited: our text, but the hook passes.
    let sandbox = installed();
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    let text = fs::read_to_string(&hook).unwrap();
    fs::write(&hook, text.replacen('\n', "\nexit 0\n", 1)).unwrap();
    let reason = ".git/hooks/pre-commit was edited after bakstop wrote it, and it let a rewritten \
                  package.json through";
    assert_not_proven(&prove(&sandbox), reason, "`bakstop install` reports the reason");
    // It runs the guard and ignores its exit code.
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        &format!("#!/bin/sh\n{BAKSTOP} hook pre-commit || true\n"),
    );
    let ran = prove(&sandbox);
    let reason = "the guard reports the rewritten package.json, but pre-commit succeeds";
    assert_not_proven(
        &ran,
        reason,
        "let the hook fail if the guard fails: `bakstop hook pre-commit || exit`",
    );
    assert!(ran.out.contains("\noutput of pre-commit:\n  | error[rewritten-manifest]"), "{ran:?}");
}

#[test]
fn hooks_of_core_hookspath_and_of_a_manager() {
    let sandbox = installed();
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    let ran = prove(&sandbox);
    let reason = "hooks are disabled: core.hooksPath is /dev/null (file:.git/config)";
    assert_not_proven(&ran, reason, "enable them, then install:");
    run_help(&sandbox, &ran);
    assert_proven(&prove(&sandbox), "package.json");

    let shared = sandbox.outside().join("shared");
    sandbox.git(&["config", "--global", "core.hooksPath", shared.to_str().unwrap()]);
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("set for every repository of this user"),
        "{ran:?}"
    );
    let way = ran.out.split_once("then install:\n").unwrap().1;
    run_help(&sandbox, &Ran { out: format!("\nhelp: x\n{way}"), ..ran.clone() });
    assert_proven(&prove(&sandbox), "package.json");

    // A manager without the guard, then one with it, and one that does not run it.
    let sandbox = Sandbox::workspace();
    sandbox.write("lefthook.yml", "pre-commit:\n  jobs:\n    - run: npm test\n");
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        "#!/bin/sh\n# call_lefthook run\necho \"can't find lefthook\"\n",
    );
    let ran = prove(&sandbox);
    let reason = "lefthook manages the hooks of this repository (.git/hooks/pre-commit), and \
                  bakstop is not configured there";
    assert!(
        ran.out
            .starts_with(&format!("bakstop: not proven: {reason}\nhelp: add this to lefthook.yml")),
        "{ran:?}"
    );
    assert!(ran.out.ends_with("\noutput of pre-commit:\n  | can't find lefthook\n"), "{ran:?}");
    sandbox.write("lefthook.yml", "pre-commit:\n  jobs:\n    - run: bakstop hook pre-commit\n");
    let ran = prove(&sandbox);
    let reason = "lefthook manages the hooks of this repository (.git/hooks/pre-commit); \
                  bakstop is configured there, but the hook did not block a rewritten \
                  package.json (it let it through)";
    let help = "lefthook install; if that changes nothing, a filter in its configuration (such as \
                `only`, `skip`, `files`) skips the guard";
    assert_not_proven(&ran, reason, help);
    let run = format!("#!/bin/sh\n# call_lefthook run\n{BAKSTOP} hook pre-commit || exit\n");
    script(&sandbox, ".git/hooks/pre-commit", &run);
    assert_proven(&prove(&sandbox), "package.json");
    // A guard that a manager runs is disabled like an installed one.
    let ran = prove_as(&sandbox, |command| _ = command.env("BAKSTOP", "0"));
    assert_not_proven(&ran, "BAKSTOP=0 is set in this environment", "unset BAKSTOP");
}

/// `npx bakstop prove` finds the program where the `PATH` of `git commit` has none.
#[test]
fn a_path_of_a_package_manager_proves_nothing() {
    let sandbox = Sandbox::workspace();
    let call = "#!/bin/sh\n# call_lefthook run\nbakstop hook pre-commit || exit\n";
    script(&sandbox, ".git/hooks/pre-commit", call);
    sandbox.write("lefthook.yml", "pre-commit:\n  jobs:\n    - run: bakstop hook pre-commit\n");
    for directory in ["node_modules/.bin", "xfs-1"] {
        let bin = sandbox.outside().join(directory);
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(BAKSTOP, bin.join("bakstop")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let by_hand = prove_as(&sandbox, |command| _ = command.env("PATH", &path));
        assert_proven(&by_hand, "package.json");
        let ran = prove_as(&sandbox, |command| {
            command.env("PATH", &path).env("npm_config_user_agent", "npm/11");
            command.env("BERRY_BIN_FOLDER", sandbox.outside().join("xfs-1"));
        });
        assert!(ran.out.contains("it failed with exit code 127"), "{ran:?}");
        assert!(ran.out.contains("\nhelp: put the program into ~/.local/bin"), "{ran:?}");
    }
}

#[test]
fn everything_that_disables_the_guard_is_reported() {
    let sandbox = installed();
    for (name, value, reason) in [
        ("BAKSTOP", "0", "BAKSTOP=0 is set in this environment"),
        ("BAKSTOP_SKIP", "rewritten-manifest", "not checked: rewritten-manifest (BAKSTOP_SKIP)"),
        ("BAKSTOP_SKIP", "foo", "every commit is blocked: BAKSTOP_SKIP names the unknown rule foo"),
    ] {
        let ran = prove_as(&sandbox, |command| _ = command.env(name, value));
        assert_not_proven(&ran, reason, &format!("unset {name}"));
    }
    let every = String::from_utf8(finish_rules(&sandbox)).unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("BAKSTOP_SKIP", &every));
    assert_not_proven(&ran, "not checked: BAKSTOP_SKIP names every rule", "unset BAKSTOP_SKIP");
    for (name, value) in [("BAKSTOP_SKIP", "stray-backup"), ("BAKSTOP", "1"), ("HUSKY", "0")] {
        assert!(
            prove_as(&sandbox, |command| _ = command.env(name, value)).code == Some(0),
            "{name}={value}"
        );
    }

    let sandbox = husky(Some("true\n"));
    assert_proven(&prove(&sandbox), "package.json");
    let ran = prove_as(&sandbox, |command| _ = command.env("HUSKY", "0"));
    assert_not_proven(&ran, "HUSKY=0 is set in this environment", "unset HUSKY");
    let start = sandbox.home().join(".config/husky/init.sh");
    fs::create_dir_all(start.parent().unwrap()).unwrap();
    fs::write(&start, "export HUSKY=0\n").unwrap();
    let reason = format!("{} sets HUSKY=0", start.display());
    assert_not_proven(&prove(&sandbox), &reason, "remove that line from the file");
    fs::write(&start, "").unwrap();
    assert_proven(&prove(&sandbox), "package.json");
    // A path may contain the words of a reason.
    let configuration = sandbox.home().join("HUSKY=0 is set: here");
    fs::create_dir_all(configuration.join("husky")).unwrap();
    fs::write(configuration.join("husky/init.sh"), "export HUSKY=0\n").unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("XDG_CONFIG_HOME", &configuration));
    let reason = format!("{}/husky/init.sh sets HUSKY=0", configuration.display());
    assert_not_proven(&ran, &reason, "remove that line from the file");
}

/// A workspace with a hook that runs the guard, and then fails.
fn with_failing_hook(configuration: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("bakstop.json", configuration);
    sandbox.commit_all("Configure");
    let hook = "hook pre-commit || exit 1\necho lint failed >&2\nexit 1\n";
    script(&sandbox, ".git/hooks/pre-commit", &format!("#!/bin/sh\n'{BAKSTOP}' {hook}"));
    sandbox
}

#[test]
fn another_error_does_not_prove_a_rule_that_is_a_warning() {
    let besides = "; pre-commit failed with exit code 1 for another reason";
    for (level, how) in
        [("warning", "makes rewritten-manifest a warning"), ("off", "turns rewritten-manifest off")]
    {
        let sandbox =
            with_failing_hook(&format!(r#"{{ "rules": {{ "rewritten-manifest": "{level}" }} }}"#));
        let ran = prove(&sandbox);
        let reason = format!("bakstop.json:1:14 {how}{besides}");
        assert_not_proven(&ran, &reason, "remove that from bakstop.json, and commit it");
        assert!(ran.out.contains("lint failed"), "{ran:?}");
        let all = prove_as(&sandbox, |command| _ = command.arg("-v")).err;
        assert_eq!(all.contains("warning[rewritten-manifest]"), level == "warning", "{all}");
    }
}

/// The ids of all rules, separated by commas.
fn finish_rules(sandbox: &Sandbox) -> Vec<u8> {
    let rules = must(sandbox.bakstop(&["rules"])).out;
    let ids: Vec<&str> = rules.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ids.join(",").into_bytes()
}

#[test]
fn husky_that_does_not_run_is_reported() {
    let sandbox = husky(Some("true\n"));
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let run_husky = "run husky (`npx husky`, or install the dependencies)";
    let ran = prove_as(&sandbox, |command| _ = command.current_dir(&linked));
    assert_not_proven(&ran, ".husky/_/pre-commit is missing in this work tree", run_husky);
    must(finish(sandbox.command("cp").args(["-r", ".husky/_"]).arg(linked.join(".husky/_"))));
    assert_proven(&prove_as(&sandbox, |command| _ = command.current_dir(&linked)), "package.json");

    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    let run_it = "run husky (`npx husky`, or install the dependencies)";
    assert_not_proven(&prove(&sandbox), "husky is not prepared in this clone", run_it);
    prepare_husky(&sandbox);
    assert_proven(&prove(&sandbox), "package.json");

    // Lines above the block that end the hook; then the block with line endings that no shell
    // accepts.
    let hook = fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap();
    sandbox.write(".husky/pre-commit", format!("exit 0\n{hook}"));
    let reason = "lines before the bakstop block in .husky/pre-commit can end the hook early";
    assert_not_proven(&prove(&sandbox), reason, "`bakstop install` moves it up");
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
    sandbox.write(".husky/pre-commit", "exit 0\n");
    assert_not_proven(&prove(&sandbox), "not installed", "bakstop install");

    // An older husky, in a path with the separators of the output.
    let sandbox = Sandbox::workspace();
    program_at_home(&sandbox);
    sandbox.git(&["config", "core.hooksPath", "a: b; c/.husky"]);
    script(&sandbox, "a: b; c/.husky/pre-commit", "#!/bin/sh\ntrue\n");
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
    let hook = sandbox.top.join("a: b; c/.husky/pre-commit");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let reason = "a: b; c/.husky/pre-commit is not executable: git ignores it";
    assert_not_proven(
        &prove(&sandbox),
        reason,
        "make it executable (`chmod +x 'a: b; c/.husky/pre-commit'`)",
    );

    // A foreign hook fails, not a guard without its program.
    let sandbox = with_husky(Some("true\n"));
    must(sandbox.bakstop(&["install"]));
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    fs::remove_file(sandbox.home().join(".local/bin/bakstop")).unwrap();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    let reason = "husky is not prepared in this clone; \
                  pre-commit failed with exit code 1 for another reason";
    assert_not_proven(&prove(&sandbox), reason, run_it);
}

#[test]
fn a_program_that_is_missing_or_does_not_know_the_rule() {
    let sandbox = Sandbox::workspace();
    let copy = sandbox.outside().join("it's here/bakstop");
    copy_of_program(&copy);
    must(finish(sandbox.command(&copy).arg("install")));
    assert_proven(&prove(&sandbox), "package.json");
    fs::remove_file(&copy).unwrap();
    let ran = prove(&sandbox);
    assert_not_proven(
        &ran,
        "the hook cannot find bakstop, so it blocks every commit",
        "bakstop \
                                                                                        install",
    );
    assert!(ran.out.contains("  | bakstop: blocked: the program \"bakstop\""), "{ran:?}");
    run_help(&sandbox, &ran);
    assert_proven(&prove(&sandbox), "package.json");

    let older = "bakstop 0.0.9";
    let other_rule = "echo 'error[stray-backup]: a backup'; exit 1";
    for (version, act, reason) in [
        (older, "exit 0", "(version 0.0.9), which let a rewritten package.json through"),
        (
            "bakstop of another kind",
            "exit 0",
            "(no version of bakstop), which let a rewritten package.json through",
        ),
        (
            older,
            other_rule,
            "(version 0.0.9); it failed with exit code 1, but not because of rewritten-manifest",
        ),
    ] {
        let sandbox = Sandbox::workspace();
        let program = sandbox.outside().join("bin/bakstop");
        copy_of_program(&program);
        must(finish(sandbox.command(&program).arg("install")));
        stand_in(&program, version, act);
        let ran = prove(&sandbox);
        let reason = format!("pre-commit runs {} {reason}", program.display());
        assert_not_proven(&ran, &reason, "bakstop install");
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");

        // The hooks of husky have no path of a program, so the one that they find must be replaced.
        let sandbox = husky(Some("true\n"));
        let program = sandbox.home().join(".local/bin/bakstop");
        stand_in(&program, version, act);
        let ran = prove(&sandbox);
        assert_eq!(
            ran.out.lines().nth(1).unwrap(),
            format!("help: install {BAKSTOP} {}", program.display()),
            "{ran:?}"
        );
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");
        fs::remove_file(&program).unwrap();
        let ran = prove(&sandbox);
        let help = format!("mkdir -p ~/.local/bin && install {BAKSTOP} ~/.local/bin/bakstop");
        assert_not_proven(&ran, "the hook cannot find bakstop, so it blocks every commit", &help);
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");
    }
}

#[test]
fn a_failure_for_another_reason_proves_nothing() {
    let sandbox = Sandbox::workspace();
    // It prints the staged diff, and fails for another reason.
    let hook = "#!/bin/sh\nprintf '\\033[2Jno\\n'\ngit diff --cached\nenv\necho last >&2\nexit 3\n";
    script(&sandbox, ".git/hooks/pre-commit", hook);
    let ran = prove(&sandbox);
    let reason = "not installed (.git/hooks/pre-commit is not a hook of bakstop); \
                  pre-commit failed with exit code 3 for another reason";
    assert_not_proven(&ran, reason, "bakstop install");
    assert!(ran.out.ends_with("\n  | last\n"), "{ran:?}");
    let ran = prove_as(&sandbox, |command| _ = command.arg("-v"));
    assert!(
        ran.err.starts_with("\\u{001b}[2Jno\n") && ran.err.contains("BAKSTOP_PROVE="),
        "{ran:?}"
    );
    let ran = prove_as(&sandbox, |command| _ = command.args(["--format", "json"]));
    let report = report(&ran);
    assert_eq!(
        (ran.code, &report["proven"], &report["help"]),
        (Some(1), &false.into(), &"bakstop install".into())
    );
    assert_eq!(report["reason"], reason);

    // Our hook after another file that runs the guard and fails first.
    let hook = format!("#!/bin/sh\nfalse || exit 4\n{BAKSTOP} hook pre-commit || exit\n");
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let reason =
        "pre-commit failed with exit code 4, but not because of the rewritten package.json";
    assert_not_proven(&prove(&sandbox), reason, SEE);

    // A kept hook, which runs first: `prove` skips it, so that no tests run.
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\necho tests fail >&2\nexit 5\n");
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.ends_with("\noutput of pre-commit:\n  | tests fail\n"),
        "{ran:?}"
    );
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");

    // The guard fails although it is this version, so the help is not about the program.
    let sandbox = Sandbox::workspace();
    let program = sandbox.outside().join("bin/bakstop");
    copy_of_program(&program);
    must(finish(sandbox.command(&program).arg("install")));
    let version = must(finish(sandbox.command(&program).arg("--version"))).out;
    let act = "echo 'error: could not read web: \x1b no\nhelp: do this' >&2; exit 2";
    stand_in(&program, version.trim_end(), act);
    let ran = prove(&sandbox);
    assert_not_proven(&ran, "the guard itself failed: could not read web: \\u{001b} no", "do this");
    stand_in(&program, version.trim_end(), "kill -9 $$");
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("pre-commit failed with exit code 137, but"),
        "{ran:?}"
    );
}
