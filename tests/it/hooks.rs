//! `bakstop install`, `uninstall` and `status` on real repositories, with real commits and merges.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{BAKSTOP, Ran, Sandbox, finish, rewritten_spec};

mod configured;
mod fallback;
mod husky;
mod managers;
mod modules;
mod occasions;
mod paths;
pub(crate) mod prepare;
mod status;

/// Every file below a directory: its type and permission bits, and its bytes or target.
pub(crate) type Snapshot = BTreeMap<PathBuf, (u32, Vec<u8>)>;

pub(crate) fn snapshot(directory: &Path) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let bytes = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_vec()
        } else if metadata.is_dir() {
            snapshot.extend(self::snapshot(&path));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        snapshot.insert(path, (metadata.mode(), bytes));
    }
    snapshot
}

/// The hooks, husky's files and the configuration: everything that an installation may touch.
pub(crate) fn state(sandbox: &Sandbox) -> Snapshot {
    let mut snapshot = snapshot(&sandbox.top.join(".git/hooks"));
    for name in [".husky", ".githooks"] {
        snapshot.extend(self::snapshot(&sandbox.top.join(name)));
    }
    snapshot.insert(".git/config".into(), (0, fs::read(sandbox.top.join(".git/config")).unwrap()));
    snapshot
}

pub(crate) fn script(sandbox: &Sandbox, path: &str, text: &str) {
    sandbox.write(path, text);
    fs::set_permissions(sandbox.top.join(path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stages a rewritten manifest.
pub(crate) fn stage_bad(sandbox: &Sandbox) {
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
}

pub(crate) fn commit(sandbox: &Sandbox) -> Ran {
    sandbox.try_git(&["commit", "-q", "-m", "x"])
}

pub(crate) fn must(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

pub(crate) fn install(sandbox: &Sandbox) {
    must(sandbox.bakstop(&["install"]));
}

/// Asserts that commits are judged: the bad one is blocked, the fixed one passes.
fn assert_guarded(sandbox: &Sandbox) {
    stage_bad(sandbox);
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    let ran = commit(sandbox);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("error[rewritten-manifest]"), "{ran:?}");
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
    sandbox.git(&["checkout", "-q", "HEAD", "--", "web/package.json"]);
    let count = sandbox.git(&["rev-list", "--count", "HEAD"]);
    sandbox.write("web/index.js", format!("export const commits = {count};"));
    sandbox.git(&["add", "-A"]);
    must(commit(sandbox));
}

/// A repository with husky 9, as `husky` sets it up: stubs that source a runner, which starts the
/// tracked file with `sh -e`. An imitation, written here.
pub(crate) fn with_husky(hook: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write(
        "package.json",
        "{\n  \"name\": \"shop\",\n  \"devDependencies\": { \"husky\": \"^9.1.7\" }\n}\n",
    );
    if let Some(text) = hook {
        sandbox.write(".husky/pre-commit", text);
    } else {
        sandbox.write(".husky/README", "hooks\n");
    }
    sandbox.commit_all("Use husky");
    prepare_husky(&sandbox);
    program_at_home(&sandbox);
    sandbox
}

pub(crate) fn prepare_husky(sandbox: &Sandbox) {
    sandbox.git(&["config", "core.hooksPath", ".husky/_"]);
    sandbox.write(".husky/_/.gitignore", "*");
    let runner = r#"name=${0##*/}
file=.husky/$name
[ -f "$file" ] || exit 0
start=${XDG_CONFIG_HOME:-$HOME/.config}/husky/init.sh
if [ -f "$start" ]; then . "$start"; fi
[ "${HUSKY-}" = 0 ] && exit 0
PATH=node_modules/.bin:$PATH
export PATH
sh -e "$file" "$@"
exit $?
"#;
    sandbox.write(".husky/_/h", runner);
    for name in ["pre-commit", "pre-merge-commit", "pre-push", "prepare-commit-msg", "commit-msg"] {
        script(sandbox, &format!(".husky/_/{name}"), "#!/usr/bin/env sh\n. \"${0%/*}/h\"\n");
    }
}

/// Installs the program where shared hooks look for it.
pub(crate) fn program_at_home(sandbox: &Sandbox) {
    let directory = sandbox.home().join(".local/bin");
    fs::create_dir_all(&directory).unwrap();
    symlink(BAKSTOP, directory.join("bakstop")).unwrap();
}

#[test]
fn a_commit_is_blocked_until_it_is_fixed() {
    let sandbox = Sandbox::workspace();
    let before = state(&sandbox);
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));
    install(&sandbox);
    assert_eq!(must(sandbox.bakstop(&["status"])).out.matches("in force").count(), 4);
    assert_guarded(&sandbox);
    assert_ne!(state(&sandbox), before);
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
    stage_bad(&sandbox);
    must(commit(&sandbox));
}

#[test]
fn every_way_to_commit_is_judged() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    sandbox.rewrite("web/package.json");
    let message = ["commit", "-q", "-m", "x"];
    for arguments in [&["-a"][..], &["web/package.json"], &["--amend", "-a"]] {
        let ran = sandbox.try_git(&[&message[..], arguments].concat());
        assert_eq!(ran.code, Some(1), "{arguments:?} {ran:?}");
        assert!(ran.err.contains("error[rewritten-manifest]"), "{arguments:?} {ran:?}");
    }
    let below = finish(
        sandbox.command("git").args(message).arg("-a").current_dir(sandbox.top.join("backend")),
    );
    assert!(below.err.contains("error[rewritten-manifest]"), "{below:?}");
}

#[test]
fn a_merge_is_judged() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    stage_bad(&sandbox);
    must(commit(&sandbox));
    sandbox.git(&["checkout", "-q", "main"]);
    install(&sandbox);
    let ran = sandbox.try_git(&["merge", "-q", "--no-ff", "--no-edit", "side"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("the merge is blocked"), "{ran:?}");
    sandbox.git(&["checkout", "-q", "HEAD", "--", "web/package.json"]);
    must(sandbox.try_git(&["-c", "core.editor=true", "merge", "--continue"]));
}

#[test]
fn installing_twice_changes_nothing() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    install(&sandbox);
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    let (before, written) = (state(&sandbox), hook.metadata().unwrap().ino());
    assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");
    assert_eq!(state(&sandbox), before);
    assert_eq!(hook.metadata().unwrap().ino(), written, "the file is not written anew");
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(must(sandbox.bakstop(&["uninstall"])).out, "bakstop: not installed\n");
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let before = state(&sandbox);
    let ran = must(sandbox.bakstop(&["install", "--dry-run"]));
    assert_eq!(ran.err, "bakstop: nothing is changed (--dry-run)\n");
    assert_eq!(
        ran.out,
        "would keep .git/hooks/pre-commit as .git/hooks/pre-commit.before-bakstop; it runs first\n\
         would write .git/hooks/pre-commit\n\
         would create .git/hooks/pre-merge-commit\n\
         would create .git/hooks/pre-push\n"
    );
    assert_eq!(state(&sandbox), before);
    install(&sandbox);
    let before = state(&sandbox);
    assert_eq!(
        must(sandbox.bakstop(&["uninstall", "--dry-run"])).out,
        "would put .git/hooks/pre-commit.before-bakstop back as .git/hooks/pre-commit\n\
         would remove .git/hooks/pre-merge-commit\n\
         would remove .git/hooks/pre-push\n"
    );
    assert_eq!(state(&sandbox), before);
}

#[test]
fn an_existing_hook_keeps_running_and_cannot_disable_the_guard() {
    let sandbox = Sandbox::workspace();
    let log = sandbox.outside().join("log");
    let hook = format!("#!/bin/sh\necho \"$0 $# $PWD\" >> '{}'\nexit 0\n", log.display());
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    install(&sandbox);
    assert_guarded(&sandbox);
    let line = format!(
        ".git/hooks/pre-commit.before-bakstop 0 {}\n",
        sandbox.top.canonicalize().unwrap().display()
    );
    assert_eq!(fs::read_to_string(&log).unwrap(), line.repeat(2));
}

#[test]
fn a_hook_that_fails_ends_the_commit_and_one_that_stages_is_judged() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\necho no >&2\nexit 3\n");
    install(&sandbox);
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["add", "-A"]);
    let ran = commit(&sandbox);
    assert_eq!((ran.code, &*ran.err), (Some(1), "no\n"));

    let bad = format!(
        "#!/bin/sh\nsed -i.orig 's|^1.4.0|{}|' web/package.json\ngit add web/package.json\n",
        rewritten_spec()
    )
    .replace("s|^1", "s|\\^1");
    script(&sandbox, ".git/hooks/pre-commit.before-bakstop", &bad);
    let ran = commit(&sandbox);
    assert!(
        ran.err.contains("error[rewritten-manifest]"),
        "what the hook stages is judged: {ran:?}"
    );
}

#[test]
fn uninstalling_restores_the_previous_hooks() {
    type Setup = fn(&Path);
    let cases: [(&str, Setup); 9] = [
        ("nothing, not even a directory", |hooks| fs::remove_dir_all(hooks).unwrap()),
        ("a script", |hooks| write(hooks, "#!/bin/sh\nexit 0\n", 0o755)),
        ("odd mode bits", |hooks| write(hooks, "#!/bin/sh\nexit 0\n", 0o4751)),
        ("not executable", |hooks| write(hooks, "#!/bin/sh\nexit 1\n", 0o640)),
        ("CRLF, no last line end", |hooks| write(hooks, "#!/bin/sh\r\nexit 0", 0o644)),
        ("no shebang, not UTF-8", |hooks| {
            fs::write(hooks.join("pre-commit"), b"echo \xff\n").unwrap();
        }),
        ("empty", |hooks| write(hooks, "", 0o755)),
        ("a link", |hooks| {
            write(hooks, "#!/bin/sh\nexit 0\n", 0o755);
            fs::rename(hooks.join("pre-commit"), hooks.join("shared")).unwrap();
            symlink("shared", hooks.join("pre-commit")).unwrap();
            symlink("pre-commit", hooks.join("pre-merge-commit")).unwrap();
        }),
        ("a link that leads nowhere", |hooks| {
            symlink("../nowhere", hooks.join("pre-commit")).unwrap();
        }),
    ];
    for (what, setup) in cases {
        let sandbox = Sandbox::workspace();
        let hooks = sandbox.top.join(".git/hooks");
        setup(&hooks);
        let before = state(&sandbox);
        install(&sandbox);
        assert_guarded(&sandbox);
        must(sandbox.bakstop(&["uninstall"]));
        assert_eq!(state(&sandbox), before, "{what}");
    }
}

fn write(hooks: &Path, text: &str, mode: u32) {
    let path = hooks.join("pre-commit");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn later_changes_by_others_are_kept() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    install(&sandbox);
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    let ours = fs::read_to_string(&hook).unwrap();

    let refused = |what: &str, cause: &str| {
        let before = state(&sandbox);
        for verb in ["uninstall", "install"] {
            let ran = sandbox.bakstop(&[verb]);
            assert_eq!(ran.code, Some(2), "{what}: {ran:?}");
            assert!(ran.err.contains(cause) && ran.err.contains("\nhelp: "), "{what}: {ran:?}");
            assert_eq!(state(&sandbox), before, "{what}");
        }
    };
    fs::write(&hook, format!("{ours}npm test\n")).unwrap();
    refused("edited", "was edited after bakstop wrote it");
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(2));
    fs::write(&hook, "#!/bin/sh\nnpm test\n").unwrap();
    refused("replaced", "is not a hook of bakstop");
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));

    // An older hook of ours, and one that is not executable, are renewed.
    fs::write(&hook, &ours).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = sandbox.bakstop(&["status"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("not executable"), "{}", ran.out);
    assert_eq!(
        must(sandbox.bakstop(&["install"])).out.lines().next(),
        Some("wrote .git/hooks/pre-commit")
    );
    must(sandbox.bakstop(&["status"]));
}

/// Copies the program. Another process writes the copy: a file that this one has open for writing
/// may be inherited by children of other tests, and cannot be run meanwhile (ETXTBSY).
pub(crate) fn copy_of_program(copy: &Path) {
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    must(finish(Command::new("cp").arg(BAKSTOP).arg(copy)));
}

pub(crate) fn assert_refused(sandbox: &Sandbox, arguments: &[&str], lines: &[&str]) {
    let before = state(sandbox);
    let ran = sandbox.bakstop(arguments);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for part in lines {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(state(sandbox), before, "a refusal changes nothing");
}

/// Parts of the error in a repository with lefthook.
const LEFTHOOK: [&str; 3] = [
    "lefthook manages the hooks",
    "nothing was changed",
    "    - name: bakstop\n      run: bakstop hook pre-commit\n",
];

#[test]
fn lefthook_is_refused_with_the_lines_that_are_missing() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".lefthook.yaml", "pre-commit:\n  jobs:\n    - run: npm test\n");
    assert_refused(&sandbox, &["install"], &LEFTHOOK);
    let error = sandbox.bakstop(&["install", "--dry-run"]).err;
    assert!(
        error.contains("add this to .lefthook.yaml by hand, as the last job under `pre-commit:`"),
        "{error}"
    );
    assert!(!error.contains("\npre-commit:\n"), "a key that comes twice breaks the file: {error}");
    let ran = sandbox.bakstop(&["status"]);
    assert_eq!(
        (ran.code, ran.out.matches("bakstop is not configured there").count()),
        (Some(1), 1),
        "{ran:?}"
    );
    let job = |name: &str| format!("{name}:\n  jobs:\n    - run: bakstop hook {name}\n");
    sandbox.write(".lefthook.yaml", job("pre-commit") + &job("pre-merge-commit"));
    let ran = sandbox.bakstop(&["status"]);
    assert!(
        ran.code == Some(1)
            && ran.out.contains("\npre-push          not in force: bakstop is not configured"),
        "{ran:?}"
    );
    // Existing lines are not printed again.
    let error = sandbox.bakstop(&["install"]).err;
    let line = "at its end:\n\npre-push:\n  jobs:\n    - name: bakstop\n      run: \"bakstop hook \
                pre-push # {files}\"\n";
    assert!(error.contains(line) && !error.contains("hook pre-commit"), "{error}");
    sandbox
        .write(".lefthook.yaml", job("pre-commit") + &job("pre-merge-commit") + &job("pre-push"));
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(2), "named, but it cannot be seen");
    must(sandbox.bakstop(&["install", "--native"]));
    must(sandbox.bakstop(&["status"]));
    assert_guarded(&sandbox);
}

#[test]
fn hooks_of_other_managers_are_refused_with_the_lines_to_add() {
    for (hook, lines) in [
        ("call_lefthook run \"pre-commit\" \"$@\"\n", &LEFTHOOK[..]),
        (
            "# File generated by pre-commit: https://pre-commit.com\n",
            &[
                "pre-commit manages",
                "a new file .pre-commit-config.yaml:\n\nrepos:\n",
                "      - id: bakstop\n",
            ],
        ),
        (
            "# File generated by prek: https://github.com/j178/prek\n",
            &["prek manages", "        pass_filenames: false\n"],
        ),
        (
            "if [ \"$SKIP_SIMPLE_GIT_HOOKS\" = \"1\" ]; then exit; fi\n",
            &[
                "simple-git-hooks manages",
                "package.json by hand, and add this:\n\
                 \n  \"simple-git-hooks\": {\n    \"pre-commit\": \"bakstop",
            ],
        ),
        ("# husky\n. \"$(dirname \"$0\")/husky.sh\"\n", &["husky 4 manages", "\"hooks\": {"]),
        (
            "name=$(basename \"$0\")\n",
            &["depends on its own name", "bakstop hook pre-commit || exit"],
        ),
    ] {
        let sandbox = Sandbox::workspace();
        script(&sandbox, ".git/hooks/pre-commit", &format!("#!/bin/sh\n{hook}"));
        assert_refused(&sandbox, &["install"], lines);
    }
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", "{ \"simple-git-hooks\": { \"pre-commit\": \"npm test\" } }\n");
    assert_refused(
        &sandbox,
        &["install"],
        &[
            "simple-git-hooks manages the hooks of this repository (package.json)",
            "<the current command> && bakstop hook",
        ],
    );
}

#[test]
fn the_lines_for_pre_commit_extend_an_existing_list() {
    let sandbox = Sandbox::workspace();
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        "#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n",
    );
    sandbox.write(
        ".pre-commit-config.yaml",
        "repos:\n-   repo: https://example.com/x\n    rev: v1\n    hooks: []\n",
    );
    let error = sandbox.bakstop(&["install"]).err;
    let place = "add this to .pre-commit-config.yaml by hand, as the last entry under `repos:`:\n\n\
                 - repo: local\n";
    assert!(error.contains(place) && !error.contains("\nrepos:"), "{error}");
}

#[test]
fn user_wide_hooks_are_refused_with_the_lines_to_add() {
    let sandbox = Sandbox::workspace();
    let shared = sandbox.outside().join("shared hooks");
    sandbox.git(&["config", "--global", "core.hooksPath", shared.to_str().unwrap()]);
    let lines = [
        "set for every repository of this user",
        "shared hooks/pre-commit:\n    bakstop hook pre-commit || exit\n",
        "  bakstop install\n",
    ];
    assert_refused(&sandbox, &["install"], &lines);
    for flag in ["--native", "--husky"] {
        assert_refused(&sandbox, &["install", flag], &lines);
        let why = format!(
            "{flag} does not help here, because git looks for hooks nowhere else; \
             add a line by hand"
        );
        assert_refused(&sandbox, &["install", flag], &[&why]);
    }
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));
    assert!(!shared.exists());
    // The second printed way works.
    let error = sandbox.bakstop(&["install"]).err;
    let line = error.lines().find(|line| line.contains("git config core.hooksPath")).unwrap();
    must(finish(sandbox.command("sh").args(["-c", line])));
    install(&sandbox);
    assert_guarded(&sandbox);

    let sandbox = Sandbox::workspace();
    sandbox.git(&["config", "core.hooksPath", "/srv/hooks"]);
    assert_refused(&sandbox, &["install"], &["outside this repository"]);
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));
    let sandbox = Sandbox::workspace();
    let ran = finish(
        sandbox
            .command("git")
            .args(["-c", "core.hooksPath=.x", "-c"])
            .arg(format!("alias.b=!{BAKSTOP} install"))
            .arg("b"),
    );
    assert!(ran.code == Some(2) && ran.err.contains("for this run only"), "{ran:?}");
}

#[test]
fn disabled_hooks_are_enabled_without_a_path() {
    let sandbox = Sandbox::workspace();
    for (value, reason) in
        [("", "core.hooksPath is empty"), ("/dev/null", "core.hooksPath is /dev/null")]
    {
        sandbox.git(&["config", "core.hooksPath", value]);
        let cause = format!("hooks are disabled: {reason} (file:.git/config)");
        assert_refused(
            &sandbox,
            &["install"],
            &[&cause, "\n  git config --unset core.hooksPath\n  bakstop install\n"],
        );
        assert_refused(
            &sandbox,
            &["install", "--native"],
            &["--native does not help here, because git runs no hook"],
        );
        let ran = sandbox.bakstop(&["status"]);
        assert!(
            ran.code == Some(1) && ran.out.starts_with(&cause) && !ran.out.contains("named there"),
            "{ran:?}"
        );
    }
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    install(&sandbox);
    sandbox.git(&["config", "extensions.worktreeConfig", "true"]);
    sandbox.git(&["config", "--worktree", "core.hooksPath", "/dev/null"]);
    assert_refused(&sandbox, &["install"], &["  git config --worktree --unset core.hooksPath\n"]);
    sandbox.git(&["config", "--worktree", "--unset", "core.hooksPath"]);
    // A user-wide setting cannot be unset for one repository.
    sandbox.git(&["config", "--global", "core.hooksPath", "/dev/null"]);
    assert_refused(&sandbox, &["install"], &["  git config core.hooksPath /"]);
}

#[test]
fn a_kept_hook_that_is_not_executable_is_not_reported_as_running() {
    let sandbox = Sandbox::workspace();
    let hooks = sandbox.top.join(".git/hooks");
    write(&hooks, "#!/bin/sh\nexit 1\n", 0o644);
    symlink("../nowhere", hooks.join("pre-merge-commit")).unwrap();
    let ran = must(sandbox.bakstop(&["install"]));
    let line = |name: &str, why: &str| {
        format!("{name}.before-bakstop; it is {why}, so it did not run and still does not\n")
    };
    assert!(ran.out.contains(&line("pre-commit", "not executable")), "{ran:?}");
    assert!(
        ran.out.contains(&line("pre-merge-commit", "a link that does not point to a file")),
        "{ran:?}"
    );
    let ran = must(sandbox.bakstop(&["status"]));
    assert!(
        ran.out.contains(
            "before-bakstop is kept; it is not executable, so it did not run and still does not"
        ),
        "{ran:?}"
    );
    assert!(!ran.out.contains("runs first"), "{ran:?}");
    assert_guarded(&sandbox);

    // A hook behind a link runs, and so does the kept one, but not if git ignores our hook.
    let sandbox = Sandbox::workspace();
    script(&sandbox, "tools/hook", "#!/bin/sh\nexit 0\n");
    symlink("../../tools/hook", sandbox.top.join(".git/hooks/pre-commit")).unwrap();
    assert!(must(sandbox.bakstop(&["install"])).out.contains("before-bakstop; it runs first\n"));
    assert!(must(sandbox.bakstop(&["status"])).out.contains("before-bakstop runs first\n"));
    fs::set_permissions(
        sandbox.top.join(".git/hooks/pre-commit"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let ran = sandbox.bakstop(&["status"]);
    assert!(ran.code == Some(1) && !ran.out.contains("runs first"), "{ran:?}");
    assert!(ran.out.contains("is kept, but does not run either"), "{ran:?}");
    assert_eq!(ran.out.matches("help: bakstop install\n").count(), 1, "{ran:?}");
}

#[test]
fn status_reports_skipped_checks() {
    let sandbox = Sandbox::workspace();
    let status =
        |value: &str| finish(sandbox.command(BAKSTOP).arg("status").env("BAKSTOP_SKIP", value));
    let ran = status("foo");
    assert!(
        ran.out.contains("\nhelp: bakstop install\n") && !ran.out.contains("blocked"),
        "{ran:?}"
    );
    install(&sandbox);
    for (value, reason, summary) in [
        (
            "stray-backup",
            "not checked: stray-backup (BAKSTOP_SKIP)\n",
            "in force, but rules are skipped in this environment",
        ),
        (
            "foo",
            "every commit is blocked: BAKSTOP_SKIP names the unknown rule foo\n",
            "in force, but it cannot work in this environment",
        ),
    ] {
        let ran = status(value);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.out.contains(reason) && ran.out.ends_with(&format!("bakstop: {summary}\n")),
            "{ran:?}"
        );
    }
    must(status(","));
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["add", "-A"]);
    let commit = |skip: &str| {
        finish(sandbox.command("git").args(["commit", "-qm", "x"]).env("BAKSTOP_SKIP", skip))
    };
    assert_ne!(commit("foo").code, Some(0));
    must(commit(","));
}

#[test]
fn a_manager_that_is_installed_later_and_runs_our_hook_keeps_the_guard() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let first = state(&sandbox);
    install(&sandbox);
    // Like pre-commit and prek.
    let hooks = sandbox.top.join(".git/hooks");
    fs::rename(hooks.join("pre-commit"), hooks.join("pre-commit.legacy")).unwrap();
    let theirs = "#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n\
                  exec \"${0%/*}/pre-commit.legacy\"\n";
    script(&sandbox, ".git/hooks/pre-commit", theirs);
    let ran = must(sandbox.bakstop(&["status"]));
    assert!(
        ran.out.contains("another hook manager runs it as .git/hooks/pre-commit.legacy"),
        "{ran:?}"
    );
    assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");
    assert_guarded(&sandbox);
    must(sandbox.bakstop(&["uninstall"]));
    let legacy = &first[&hooks.join("pre-commit")];
    assert_eq!(
        &state(&sandbox)[&hooks.join("pre-commit.legacy")],
        legacy,
        "the first hook, in the manager's hands"
    );
    assert_eq!(fs::read_to_string(hooks.join("pre-commit")).unwrap(), theirs);
}

#[test]
fn concurrent_installations_lose_nothing() {
    for _ in 0..5 {
        let sandbox = Sandbox::workspace();
        script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\necho mine\n");
        let before = state(&sandbox);
        let at_once = |verb: &str| {
            let runs: Vec<_> = (0..6)
                .map(|_| sandbox.command(BAKSTOP).arg(verb).stdout(Stdio::null()).spawn().unwrap())
                .collect();
            for mut run in runs {
                assert!(run.wait().unwrap().success());
            }
        };
        at_once("install");
        assert_guarded(&sandbox);
        at_once("uninstall");
        assert_eq!(state(&sandbox), before);
    }
}
