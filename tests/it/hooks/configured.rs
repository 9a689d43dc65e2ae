//! Hooks that the configuration of git names. Git runs them from 2.54 on: the tests named
//! `real_configured` need such a git, in the directory that `BAKSTOP_TEST_GIT` names. The others
//! run with any git, and a stand-in that claims to be 2.54 and leaves the configuration to it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hooks::{must, script, snapshot, stage_bad};
use crate::real::npm_tools;
use crate::support::{BAKSTOP, Ran, Sandbox, clone_and_server, finish, rewritten_spec};

/// A sandbox with a program of this user, outside of every repository, and a git first in PATH.
struct Modern {
    sandbox: Sandbox,
    path: OsString,
    program: PathBuf,
}

/// Claims to be git 2.54, and lists what the configuration names. Ends the program before the
/// change of a configuration that `KILL_AT` numbers.
const STAND_IN: &str = r#"#!/bin/sh
PATH=${PATH#*:}
case " $* " in
*' version ') echo 'git version 2.54.0'; exit ;;
*' hook list '*)
  for event; do :; done
  git config --get "hook.bakstop-$event.event" >/dev/null || exit 1
  [ "$(git config "hook.bakstop-$event.enabled")" != false ] || printf 'disabled\t'
  echo "bakstop-$event"
  exit ;;
esac
case "${KILL_AT-} $* " in
[0-9]*' --replace-all '* | [0-9]*' --remove-section '*)
  echo >>"$HOME/changes"
  if [ "$(wc -l <"$HOME/changes")" -ge "$KILL_AT" ]; then kill -9 "$PPID"; exit 1; fi ;;
esac
exec git "$@"
"#;

impl Modern {
    fn new(sandbox: Sandbox, git: &Path) -> Self {
        let program = sandbox.home().join(".local/bin/bakstop");
        copy_program(&program);
        let rest = crate::support::path_without_bakstop();
        let all = std::iter::once(git.to_owned()).chain(std::env::split_paths(&rest));
        let path = std::env::join_paths(all).unwrap();
        Self { sandbox, path, program }
    }

    /// With the git that `BAKSTOP_TEST_GIT` names.
    fn real(sandbox: Sandbox) -> Self {
        let git = std::env::var_os("BAKSTOP_TEST_GIT").map_or_else(PathBuf::new, PathBuf::from);
        let modern = Self::new(sandbox, &git);
        let version = modern.git(&["version"]).out;
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        assert!(
            minor >= Some(54),
            "{version}: set BAKSTOP_TEST_GIT to the directory of git 2.54 or newer"
        );
        modern
    }

    /// With the stand-in.
    fn stand_in(sandbox: Sandbox) -> Self {
        let directory = sandbox.outside().join("git");
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("git");
        fs::write(&file, STAND_IN).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        Self::new(sandbox, &directory)
    }

    fn run_in(&self, directory: &Path, program: &Path, arguments: &[&str]) -> Ran {
        let mut command = self.sandbox.command(program);
        finish(command.args(arguments).current_dir(directory).env("PATH", &self.path))
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Ran {
        self.run_in(&self.sandbox.top, program, arguments)
    }

    fn git(&self, arguments: &[&str]) -> Ran {
        self.run(Path::new("git"), arguments)
    }

    fn bakstop(&self, arguments: &[&str]) -> Ran {
        self.run(&self.program, arguments)
    }

    fn global(&self) -> PathBuf {
        self.sandbox.home().join(".gitconfig")
    }

    /// Asserts that `directory`, a work tree, is guarded and that this is proven there.
    fn assert_guarded_in(&self, directory: &Path) {
        let git = |arguments: &[&str]| self.run_in(directory, Path::new("git"), arguments);
        let status = self.run_in(directory, &self.program, &["status"]);
        assert_eq!(status.code, Some(0), "{status:?}");
        let proof = self.run_in(directory, &self.program, &["prove"]);
        assert_eq!(proof.code, Some(0), "{proof:?}");
        let manifest = directory.join("web/package.json");
        let good = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, good.replace("^1.4.0", &rewritten_spec())).unwrap();
        let blocked = git(&["commit", "-q", "-a", "-m", "x"]);
        assert_eq!(blocked.code, Some(1), "{blocked:?}");
        assert_eq!(blocked.err.matches("error[rewritten-manifest]").count(), 1, "{blocked:?}");
        fs::write(&manifest, good + "\n").unwrap();
        must(git(&["commit", "-q", "-a", "-m", "x"]));
    }
}

/// Copies the program by another process: a file that this one has open for writing cannot be
/// started by the commands of other tests.
fn copy_program(to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    must(finish(Command::new("cp").arg(BAKSTOP).arg(to)));
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn an_older_git_is_refused_with_the_reason() {
    let sandbox = Sandbox::workspace();
    let modern = Modern::new(sandbox, Path::new("/nonexistent"));
    let before = snapshot(&modern.sandbox.top.join(".git"));
    for flag in ["--local", "--global"] {
        let ran = modern.bakstop(&["install", flag]);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("ignores them: it takes git 2.54"), "{ran:?}");
    }
    assert_eq!(snapshot(&modern.sandbox.top.join(".git")), before);
    assert!(!modern.global().exists());
}

#[test]
fn a_configuration_is_restored_byte_for_byte() {
    let modern = Modern::stand_in(Sandbox::workspace());
    let file = modern.sandbox.top.join(".git/config");
    fs::write(modern.global(), "# mine\n[user]\n\tname = A # B\n").unwrap();
    for (file, install, uninstall) in [
        (&file, &["install", "--local"][..], &["uninstall"][..]),
        (&modern.global(), &["install", "--global"], &["uninstall", "--global"]),
    ] {
        let before = text(file);
        let dry: Vec<&str> = install.iter().copied().chain(["-n"]).collect();
        let planned = must(modern.bakstop(&dry)).out;
        assert_eq!(text(file), before);
        let done = must(modern.bakstop(install)).out;
        for event in ["pre-commit", "pre-merge-commit", "commit-msg", "pre-push"] {
            assert!(planned.contains(&format!("would add hook.bakstop-{event} to ")), "{planned}");
            assert!(done.contains(&format!("added hook.bakstop-{event} to ")), "{done}");
        }
        let written = text(file);
        assert!(must(modern.bakstop(install)).out.contains("already installed"));
        assert_eq!(text(file), written);
        let strict: Vec<&str> = install.iter().copied().chain(["--strict"]).collect();
        let out = must(modern.bakstop(&strict)).out;
        assert!(out.contains("removed hook.bakstop-commit-msg"), "{out}");
        // A later installation keeps it.
        assert!(must(modern.bakstop(install)).out.contains("already installed"));
        let status = must(modern.bakstop(&["status"]));
        assert!(status.out.contains("prepare-commit-msg  in force"), "{status:?}");
        must(modern.bakstop(uninstall));
        assert_eq!(text(file), before);
        assert!(must(modern.bakstop(uninstall)).out.ends_with("bakstop: not installed\n"));
    }
}

#[test]
fn a_killed_run_leaves_a_configuration_that_git_accepts() {
    let modern = Modern::stand_in(Sandbox::workspace());
    let file = modern.sandbox.top.join(".git/config");
    let before = text(&file);
    must(modern.bakstop(&["install", "--local"]));
    let installed = text(&file);
    for (verb, from, to) in
        [(&["install", "--local"][..], &before, &installed), (&["uninstall"], &installed, &before)]
    {
        let mut kills = 0;
        loop {
            fs::write(&file, from).unwrap();
            fs::write(modern.sandbox.home().join("changes"), "").unwrap();
            let mut command = modern.sandbox.command(&modern.program);
            command.args(verb).env("PATH", &modern.path);
            let ran = finish(command.env("KILL_AT", (kills + 1).to_string()));
            if ran.code.is_some() {
                break;
            }
            kills += 1;
            // Git fails at each commit if an event has no command.
            let names = must(modern.git(&["config", "--local", "--list", "--name-only"])).out;
            for name in names.lines().filter_map(|key| key.strip_suffix(".event")) {
                assert!(names.contains(&format!("{name}.command")), "{names}");
            }
            must(modern.bakstop(verb));
            assert_eq!(&text(&file), to);
        }
        assert!(kills >= 4, "{verb:?}: {kills}");
    }
}

#[test]
fn what_is_not_in_force_is_reported_with_its_next_step() {
    let modern = Modern::stand_in(Sandbox::workspace());
    must(modern.bakstop(&["install", "--local"]));
    // An older git, perhaps that of a graphical client.
    let old = finish(modern.sandbox.command(&modern.program).arg("status"));
    assert_eq!(old.code, Some(1), "{old:?}");
    assert!(old.out.contains("ignores it; `bakstop uninstall && bakstop install`"), "{old:?}");
    modern.git(&["config", "hook.bakstop-pre-commit.enabled", "false"]);
    let off = modern.bakstop(&["status"]);
    assert_eq!(off.code, Some(1), "{off:?}");
    let help = "`git config hook.bakstop-pre-commit.enabled true`";
    assert!(off.out.contains(help), "{off:?}");
    assert_eq!(modern.bakstop(&["install", "--local"]).code, Some(1));
    must(modern.git(&["config", "hook.bakstop-pre-commit.enabled", "true"]));
    must(modern.bakstop(&["status"]));
    fs::rename(&modern.program, modern.sandbox.home().join("away")).unwrap();
    let away = modern.run(&modern.sandbox.home().join("away"), &["status"]);
    assert_eq!(away.code, Some(1), "{away:?}");
    assert!(away.out.contains("which is missing, so it blocks"), "{away:?}");
    fs::rename(modern.sandbox.home().join("away"), &modern.program).unwrap();
    // With the older git, hook files take over.
    let mut change = modern.sandbox.command("sh");
    change.args(["-c", "PATH=$HOME/.local/bin:$PATH; bakstop uninstall && bakstop install"]);
    must(finish(&mut change));
    must(finish(modern.sandbox.command(&modern.program).arg("status")));
}

#[test]
fn every_hook_that_judges_a_commit_is_off_after_the_printed_command() {
    for (flags, second) in [(&[][..], "commit-msg"), (&["--strict"], "prepare-commit-msg")] {
        let modern = Modern::stand_in(Sandbox::workspace());
        let out = must(modern.bakstop(&[&["install", "--global"], flags].concat())).out;
        let off = out.lines().find_map(|line| line.strip_prefix("  git config ")).unwrap();
        must(modern.run(Path::new("sh"), &["-ec", &format!("git config {off}")]));
        let status = modern.bakstop(&["status"]).out;
        for event in ["pre-commit", second] {
            let reason = format!("hook.bakstop-{event}.enabled is false");
            assert!(status.contains(&reason), "{event}: {out}{status}");
        }
        // Pushes and merges are still judged.
        assert_eq!(status.matches("enabled is false").count(), 2, "{status}");
    }
}

#[test]
fn the_guard_is_installed_once_in_a_clone() {
    let modern = Modern::stand_in(Sandbox::workspace());
    must(modern.bakstop(&["install"]));
    let refused = modern.bakstop(&["install", "--local"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("pre-commit runs the guard already"), "{refused:?}");
    must(modern.bakstop(&["uninstall"]));
    must(modern.bakstop(&["install", "--local"]));
    let refused = modern.bakstop(&["install"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    // A script of package.json must not fail because of it.
    let mut scripted = modern.sandbox.command(&modern.program);
    scripted.arg("install").env("PATH", &modern.path).env("npm_lifecycle_event", "prepare");
    let ran = must(finish(&mut scripted));
    assert!(ran.err.contains("runs the guard already"), "{ran:?}");
    must(modern.bakstop(&["uninstall"]));
    // Those of the user are for every clone, also for one with files.
    must(modern.bakstop(&["install"]));
    must(modern.bakstop(&["install", "--global"]));
    let status = must(modern.bakstop(&["status"])).out;
    assert!(status.contains("runs it too, first: findings are printed twice"), "{status}");
    let out = must(modern.bakstop(&["uninstall"])).out;
    assert!(out.contains("`bakstop uninstall --global` removes them"), "{out}");
}

#[test]
fn a_program_that_a_repository_brings_is_not_named() {
    let modern = Modern::stand_in(Sandbox::workspace());
    let inside = modern.sandbox.top.join("node_modules/bakstop/native/linux-x64/bakstop");
    copy_program(&inside);
    // Also by a link that looks like a program of the user.
    let link = modern.sandbox.home().join("bakstop");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    for program in [&inside, &link] {
        for flag in ["--local", "--global"] {
            let ran = modern.run(program, &["install", flag]);
            assert_eq!(ran.code, Some(2), "{ran:?}");
            assert!(ran.err.contains("which may replace it"), "{ran:?}");
        }
    }
    assert!(!modern.global().exists());
}

#[test]
fn what_somebody_edited_stays() {
    let modern = Modern::stand_in(Sandbox::workspace());
    must(modern.bakstop(&["install", "--local"]));
    must(modern.git(&["config", "hook.bakstop-pre-push.command", "make test"]));
    let file = modern.sandbox.top.join(".git/config");
    let before = text(&file);
    for verb in [&["install", "--local"][..], &["uninstall"]] {
        let ran = modern.bakstop(verb);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("--local --remove-section hook.bakstop-pre-push"), "{ran:?}");
        assert_eq!(text(&file), before);
    }
    // The printed command works.
    must(modern.git(&["config", "--local", "--remove-section", "hook.bakstop-pre-push"]));
    must(modern.bakstop(&["uninstall"]));
}

#[test]
fn a_device_is_not_taken_for_a_configuration() {
    let modern = Modern::stand_in(Sandbox::workspace());
    let mut command = modern.sandbox.command(&modern.program);
    command.args(["install", "--global"]).env("PATH", &modern.path);
    let pipe = modern.sandbox.outside().join("pipe");
    must(modern.run(Path::new("mkfifo"), &[pipe.to_str().unwrap()]));
    let ran = finish(command.env("GIT_CONFIG_GLOBAL", &pipe));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(!pipe.is_file());
    assert!(ran.err.contains("help: unset GIT_CONFIG_GLOBAL"), "{ran:?}");
    must(modern.bakstop(&["install", "--global"]));
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT)"]
fn real_configured_hooks_guard_every_kind_of_work_tree() {
    let modern = Modern::real(Sandbox::workspace());
    let sandbox = &modern.sandbox;
    must(modern.bakstop(&["install", "--local"]));
    modern.assert_guarded_in(&sandbox.top);
    // A linked work tree.
    let linked = sandbox.outside().join("linked");
    must(modern.git(&["worktree", "add", "-q", linked.to_str().unwrap()]));
    modern.assert_guarded_in(&linked);
    // Hooks switched off by their directory.
    must(modern.git(&["config", "core.hooksPath", "/dev/null"]));
    modern.assert_guarded_in(&sandbox.top);
    must(modern.git(&["config", "--unset", "core.hooksPath"]));
    // A bare repository with a work tree.
    let bare = sandbox.outside().join("bare.git");
    let tree = sandbox.outside().join("tree");
    let (bare_name, tree_name) = (bare.to_str().unwrap(), tree.to_str().unwrap());
    must(modern.git(&["clone", "-q", "--bare", ".", bare_name]));
    must(modern.git(&["-C", bare_name, "worktree", "add", "-q", "-b", "tree", tree_name]));
    let refused = modern.run_in(&bare, &modern.program, &["install", "--local"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    must(modern.run_in(&tree, &modern.program, &["install", "--local"]));
    modern.assert_guarded_in(&tree);
    // A submodule has a configuration of its own.
    let outer = sandbox.outside().join("outer");
    must(modern.git(&["init", "-q", outer.to_str().unwrap()]));
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", bare_name, "sub"];
    must(modern.run_in(&outer, Path::new("git"), &add));
    let sub = outer.join("sub");
    assert_eq!(modern.run_in(&sub, &modern.program, &["status"]).code, Some(1));
    must(modern.run_in(&sub, &modern.program, &["install", "--local"]));
    modern.assert_guarded_in(&sub);
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT)"]
fn real_configured_hooks_judge_merges_and_pushes() {
    let (sandbox, _server) = clone_and_server(&[], "");
    let modern = Modern::real(sandbox);
    must(modern.git(&["checkout", "-q", "-b", "side"]));
    stage_bad(&modern.sandbox);
    must(modern.git(&["commit", "-q", "-m", "x"]));
    must(modern.git(&["checkout", "-q", "main"]));
    modern.sandbox.write("web/index.js", "export default 1;\n");
    must(modern.git(&["commit", "-q", "-a", "-m", "x"]));
    must(modern.bakstop(&["install", "--local"]));
    let merge = modern.git(&["merge", "--no-ff", "-m", "x", "side"]);
    assert!(merge.code != Some(0) && merge.err.contains("error[rewritten-manifest]"), "{merge:?}");
    must(modern.git(&["merge", "--abort"]));
    let push = modern.git(&["push", "-q", "origin", "side"]);
    assert!(push.code != Some(0) && push.out.contains("error[rewritten-manifest]"), "{push:?}");
    must(modern.git(&["push", "-q", "origin", "main"]));
    // `--no-verify` is what it is for hook files.
    stage_bad(&modern.sandbox);
    must(modern.git(&["commit", "-q", "--no-verify", "-m", "x"]));
    // A merge commit that is not bad passes, and so does a changed message.
    must(modern.git(&["reset", "-q", "--hard", "origin/main"]));
    must(modern.git(&["commit", "-q", "--amend", "-m", "y"]));
}

/// Stages a rewritten manifest, as a formatter stages what it has written.
fn formatter() -> String {
    format!(
        "sed -i 's#\\^1.4.0#{}#' backend/package.json\ngit add backend/package.json\n",
        rewritten_spec()
    )
}

/// What a formatter in a hook file stages comes after a configured `pre-commit`.
fn assert_judged_after_a_formatter(modern: &Modern) {
    modern.sandbox.write("web/index.js", "export default 2;\n");
    must(modern.git(&["add", "web/index.js"]));
    let head = modern.git(&["rev-parse", "HEAD"]).out;
    let ran = modern.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.err.matches("error[rewritten-manifest]").count(), 1, "{ran:?}");
    assert!(ran.err.contains("backend/package.json"), "{ran:?}");
    assert_eq!(modern.git(&["rev-parse", "HEAD"]).out, head);
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT)"]
fn real_configured_hooks_judge_what_a_hook_file_stages() {
    let modern = Modern::real(Sandbox::workspace());
    script(&modern.sandbox, ".git/hooks/pre-commit", &format!("#!/bin/sh\n{}", formatter()));
    must(modern.bakstop(&["install", "--local"]));
    assert_judged_after_a_formatter(&modern);
    must(modern.git(&["reset", "-q", "--hard"]));
    must(modern.bakstop(&["uninstall"]));
    must(modern.bakstop(&["install", "--local", "--strict"]));
    assert_judged_after_a_formatter(&modern);
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT), and npm"]
fn real_configured_hooks_and_husky() {
    let tools = npm_tools(&["husky@9"]);
    let modern = Modern::real(Sandbox::workspace());
    must(modern.run(&tools.join("husky"), &[]));
    modern.sandbox.write(".husky/pre-commit", "echo from husky\n");
    must(modern.git(&["add", "-A"]));
    must(modern.git(&["commit", "-q", "-m", "husky"]));
    must(modern.bakstop(&["install", "--local"]));
    modern.assert_guarded_in(&modern.sandbox.top);
    // Husky's own switch does not reach a hook that it does not run.
    let mut status = modern.sandbox.command(&modern.program);
    status.arg("status").env("PATH", &modern.path).env("HUSKY", "0");
    must(finish(&mut status));
    // Where husky has not run, git runs no file.
    fs::remove_dir_all(modern.sandbox.top.join(".husky/_")).unwrap();
    modern.assert_guarded_in(&modern.sandbox.top);
    must(modern.run(&tools.join("husky"), &[]));
    modern.sandbox.write(".husky/pre-commit", formatter());
    assert_judged_after_a_formatter(&modern);
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT), and npm"]
fn real_configured_hooks_and_lefthook() {
    let tools = npm_tools(&["lefthook@2"]);
    let modern = Modern::real(Sandbox::workspace());
    let configuration = "pre-commit:\n  jobs:\n    - run: echo from lefthook\n";
    modern.sandbox.write("lefthook.yml", configuration);
    must(modern.git(&["add", "-A"]));
    must(modern.git(&["commit", "-q", "-m", "lefthook"]));
    must(modern.run(&tools.join("lefthook"), &["install"]));
    assert_eq!(modern.bakstop(&["install"]).code, Some(2));
    must(modern.bakstop(&["install", "--local"]));
    modern.assert_guarded_in(&modern.sandbox.top);
    let job = modern.sandbox.outside().join("format.sh");
    fs::write(&job, formatter()).unwrap();
    let configuration = format!("pre-commit:\n  jobs:\n    - run: sh {}\n", job.display());
    modern.sandbox.write("lefthook.yml", configuration);
    assert_judged_after_a_formatter(&modern);
}

#[test]
#[ignore = "needs git 2.54 (BAKSTOP_TEST_GIT)"]
fn real_configured_hooks_of_a_user_run_their_own_program() {
    let modern = Modern::real(Sandbox::workspace());
    must(modern.bakstop(&["install", "--global"]));
    // A clone that brings a program of this name, and directories of it in PATH.
    let marker = modern.sandbox.outside().join("was-run");
    for place in ["node_modules/.bin/bakstop", "bakstop", "node_modules/bakstop/bin/bakstop"] {
        script(&modern.sandbox, place, &format!("#!/bin/sh\ntouch {}\n", marker.display()));
    }
    must(modern.git(&["add", "-f", "bakstop", "node_modules"]));
    must(modern.git(&["commit", "-q", "-m", "programs"]));
    modern.assert_guarded_in(&modern.sandbox.top);
    let bad = modern.sandbox.top.join("node_modules/.bin");
    let path: Vec<PathBuf> =
        [bad, PathBuf::from(".")].into_iter().chain(std::env::split_paths(&modern.path)).collect();
    stage_bad(&modern.sandbox);
    let mut commit = modern.sandbox.command("git");
    commit.args(["commit", "-q", "-m", "x"]).env("PATH", std::env::join_paths(path).unwrap());
    let ran = finish(&mut commit);
    assert!(ran.code == Some(1) && ran.err.contains("error[rewritten-manifest]"), "{ran:?}");
    assert!(!marker.exists());
    // Another clone of this user switches one hook off, and is not guarded.
    must(modern.git(&["config", "hook.bakstop-pre-commit.enabled", "false"]));
    must(modern.git(&["config", "hook.bakstop-commit-msg.enabled", "false"]));
    assert_eq!(modern.bakstop(&["status"]).code, Some(1));
    let proof = modern.bakstop(&["prove"]);
    assert_eq!(proof.code, Some(1), "{proof:?}");
    assert!(proof.out.contains("enabled true"), "{proof:?}");
    must(modern.git(&["commit", "-q", "-m", "x"]));
    // A program that is gone blocks.
    must(modern.git(&["config", "--unset", "hook.bakstop-pre-commit.enabled"]));
    fs::remove_file(&modern.program).unwrap();
    let gone = modern.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    assert!(gone.code == Some(1) && gone.err.contains("is missing"), "{gone:?}");
    let remove = ["config", "--global", "--remove-section", "hook.bakstop-pre-commit"];
    assert!(gone.err.contains(&format!("git {}", remove.join(" "))), "{gone:?}");
    must(modern.git(&remove));
    must(modern.git(&["commit", "-q", "--allow-empty", "-m", "x"]));
}
