//! The hooks of pushes and of `--strict`, with real pushes and cherry-picks: every program in them
//! gets the standard input that git gives.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::hooks::{
    commit, copy_of_program, install, must, program_at_home, script, snapshot, stage_bad, state,
    with_husky,
};
use crate::support::{BAKSTOP, Sandbox, finish, finish_with_input};

/// A program in place of bakstop: it records its arguments and input, and exits as set.
pub(crate) struct StandIn {
    directory: PathBuf,
    pub program: PathBuf,
}

impl StandIn {
    /// Writes `directory/bakstop`; a file that exists is replaced.
    pub(crate) fn at(directory: &Path) -> Self {
        let (notes, program) = (directory.join("notes"), directory.join("bakstop"));
        fs::create_dir_all(&notes).unwrap();
        let text = format!(
            "#!/bin/sh
[ \"$1\" != --version ] || {{ echo bakstop 0.1.0; exit; }}
cd \"{}\" || exit 9
[ -f arguments ] || printf '<%s>' \"$@\" > arguments
cat >> lines
[ -f code ] || exit 0
read -r code < code
exit \"$code\"
",
            notes.display()
        );
        // Another process writes it, as in `copy_of_program`.
        let text_file = notes.join("text");
        fs::write(&text_file, text).unwrap();
        let mut command = Command::new("install");
        must(finish(command.args(["-m", "755"]).arg(&text_file).arg(&program)));
        Self { directory: notes, program }
    }

    /// Sets its exit code.
    pub(crate) fn ends_with(&self, code: u8) {
        fs::write(self.directory.join("code"), format!("{code}\n")).unwrap();
    }

    /// The arguments of the first run and the input of all runs since the last call; `None` if it
    /// did not run.
    pub(crate) fn heard(&self) -> Option<(String, Vec<u8>)> {
        let take = |name: &str| {
            let text = fs::read(self.directory.join(name)).ok();
            let _ = fs::remove_file(self.directory.join(name));
            text
        };
        let (arguments, lines) = (take("arguments")?, take("lines")?);
        Some((String::from_utf8_lossy(&arguments).into_owned(), lines))
    }
}

/// An installation whose program is a stand-in, and a remote to push to.
fn with_stand_in() -> (Sandbox, StandIn) {
    let sandbox = Sandbox::workspace();
    let directory = sandbox.outside().join("bin");
    copy_of_program(&directory.join("bakstop"));
    with_remote(&sandbox);
    (sandbox, StandIn::at(&directory))
}

fn with_remote(sandbox: &Sandbox) {
    let remote = sandbox.outside().join("it's \"the\" $(remote).git");
    finish(sandbox.command("git").args(["init", "-q", "--bare"]).arg(&remote));
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
}

/// Installs from a copy of the program, and replaces that copy by the stand-in.
fn install_with(sandbox: &Sandbox, arguments: &[&str]) -> StandIn {
    let directory = sandbox.outside().join("bin");
    let _ = fs::remove_file(directory.join("bakstop"));
    copy_of_program(&directory.join("bakstop"));
    must(finish(sandbox.command(directory.join("bakstop")).arg("install").args(arguments)));
    StandIn::at(&directory)
}

/// A hook that appends its input to a file.
fn reader(file: &Path) -> String {
    format!("#!/bin/sh\ncat >> '{}'\n", file.display())
}

const ZERO: &str = "0000000000000000000000000000000000000000";

#[test]
fn the_guard_gets_the_lines_of_a_push() {
    let (sandbox, _) = with_stand_in();
    let guard = install_with(&sandbox, &[]);
    sandbox.git(&["branch", "side"]);
    let head = sandbox.id("HEAD");
    guard.ends_with(1);
    let ran = sandbox.try_git(&["push", "-q", "origin", "main", "side"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(sandbox.git(&["ls-remote", "origin"]), "", "nothing was pushed");
    let (arguments, lines) = guard.heard().unwrap();
    let url = sandbox.git(&["remote", "get-url", "origin"]);
    assert_eq!(arguments, format!("<hook><pre-push><origin><{}>", url.trim()));
    let line = |name: &str| format!("refs/heads/{name} {head} refs/heads/{name} {ZERO}\n");
    assert_eq!(String::from_utf8(lines).unwrap(), line("main") + &line("side"));

    guard.ends_with(0);
    must(sandbox.try_git(&["push", "-q", "origin", "main", "side"]));
    guard.heard().unwrap();
    // Nothing to push: git gives no lines.
    must(sandbox.try_git(&["push", "-q", "origin", "main"]));
    assert_eq!(guard.heard().unwrap().1, b"");
    must(sandbox.try_git(&["push", "-q", "--no-verify", "origin", "main"]));
    assert_eq!(guard.heard(), None);
    must(sandbox.bakstop(&["status"]));
}

#[test]
fn a_kept_pre_push_hook_gets_the_same_lines() {
    let (sandbox, _) = with_stand_in();
    let theirs = sandbox.outside().join("theirs");
    let hook = sandbox.top.join(".git/hooks/pre-push.before-bakstop");
    script(&sandbox, ".git/hooks/pre-push", &reader(&theirs));
    let before = state(&sandbox);
    let guard = install_with(&sandbox, &[]);
    let push = |name: &str| sandbox.try_git(&["push", "-q", "origin", name]);
    must(push("main"));
    let lines = guard.heard().unwrap().1;
    assert!(!lines.is_empty());
    assert_eq!(fs::read(&theirs).unwrap(), lines);

    // A kept hook that does not read, and one that fails: then the guard does not run.
    sandbox.git(&["branch", "side"]);
    for (text, code) in
        [("#!/bin/sh\nexit 0\n", Some(0)), ("#!/bin/sh\necho no >&2\nexit 3\n", Some(1))]
    {
        fs::write(&hook, text).unwrap();
        let ran = push("main:other");
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(guard.heard().is_some(), code == Some(0));
        assert_eq!(ran.err.contains("no\n"), code != Some(0), "{ran:?}");
        sandbox.try_git(&["push", "-q", "--no-verify", "origin", ":other"]);
    }
    // `prove` does not run the kept hook.
    let prove = finish(
        sandbox.command("git").args(["push", "-q", "origin", "side"]).env("BAKSTOP_PROVE", "1"),
    );
    must(prove);
    assert!(guard.heard().is_some());
    let empty = finish(
        sandbox.command("git").args(["push", "-q", "origin", "side"]).env("BAKSTOP_PROVE", ""),
    );
    assert_eq!(empty.code, Some(1), "an empty variable counts as unset");

    fs::write(&hook, reader(&theirs)).unwrap();
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
}

#[test]
fn a_missing_program_blocks_a_push_and_prints_how_to_skip_the_check() {
    let (sandbox, _) = with_stand_in();
    let guard = install_with(&sandbox, &["--strict"]);
    fs::remove_file(&guard.program).unwrap();
    let bare = |arguments: &[&str], name: &str| {
        finish(sandbox.command("git").args(arguments).env("PATH", "/usr/bin:/bin").env(name, "0"))
    };
    let push = ["push", "-q", "origin", "main"];
    let ran = bare(&push, "UNRELATED");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["what is pushed here, was not found", "to skip this check: BAKSTOP=0 git push\n"] {
        assert!(ran.err.contains(part), "{ran:?}");
    }
    let ran = bare(&push, "BAKSTOP");
    assert_eq!((ran.code, &*ran.err), (Some(0), "bakstop: not checked, because BAKSTOP=0\n"));
    let ran = bare(&["commit", "-q", "--no-verify", "--allow-empty", "-m", "x"], "UNRELATED");
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.err.contains("BAKSTOP=0 git commit\n"),
        "prepare-commit-msg blocks as well: {ran:?}"
    );
    must(bare(&["commit", "-q", "--no-verify", "--allow-empty", "-m", "x"], "BAKSTOP"));
}

#[test]
fn husky_passes_the_lines_of_a_push_on() {
    let sandbox = with_husky(None);
    let theirs = sandbox.outside().join("theirs");
    sandbox.write(
        ".husky/pre-push",
        format!("[ $# = 2 ] || exit 4\ncat >> '{}'\nexit 0\n", theirs.display()),
    );
    let before = state(&sandbox);
    install(&sandbox);
    must(sandbox.bakstop(&["status"]));
    with_remote(&sandbox);
    let bin = sandbox.home().join(".local/bin");
    fs::remove_file(bin.join("bakstop")).unwrap();
    let guard = StandIn::at(&bin);
    guard.ends_with(1);
    let push = |value: &str| {
        finish(
            sandbox
                .command("git")
                .args(["push", "-q", "origin", "main"])
                .env("BAKSTOP_PROVE", value),
        )
    };
    assert_eq!(push("").code, Some(1));
    let (arguments, lines) = guard.heard().unwrap();
    assert!(arguments.starts_with("<hook><pre-push><origin><"), "{arguments}");
    assert!(lines.starts_with(b"refs/heads/main "));
    assert_eq!(fs::read(&theirs).unwrap(), lines);
    assert_eq!(push("1").code, Some(1));
    assert_eq!(fs::read(&theirs).unwrap(), lines, "the rest does not run for a proof");
    guard.ends_with(0);
    must(push(""));
    sandbox.git(&["remote", "remove", "origin"]);
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
}

/// For every shell of this machine that may be `sh`, a directory that has it under that name.
fn shells(sandbox: &Sandbox) -> Vec<PathBuf> {
    let usual =
        [("dash", "/usr/bin/dash"), ("bash", "/usr/bin/bash"), ("busybox", "/usr/bin/busybox")];
    let others = [("zsh", "/usr/bin/zsh"), ("ksh", "/usr/bin/ksh")];
    let mut found = Vec::new();
    for (name, program) in usual.into_iter().chain(others) {
        if !Path::new(program).exists() {
            println!("not tested: {program} is not installed");
            continue;
        }
        let directory = sandbox.outside().join("shells").join(name);
        fs::create_dir_all(&directory).unwrap();
        symlink(program, directory.join("sh")).unwrap();
        found.push(directory);
    }
    found
}

/// An installed hook file, run directly by each shell.
struct HookFile {
    path: PathBuf,
    /// The name of the hook: the argument of `bakstop hook`.
    name: &'static str,
    /// What the hook calls in place of bakstop.
    guard: StandIn,
    /// The block of bakstop, if other commands of the hook belong into the same file. Otherwise
    /// they are in the hook that was kept.
    block: Option<String>,
}

impl HookFile {
    /// The hook of husky, the native one and that of a server.
    fn all(sandbox: &Sandbox) -> [Self; 3] {
        let husky = sandbox.top.join(".husky/pre-push");
        let bin = sandbox.home().join(".local/bin");
        sandbox.write(".husky/pre-push", "exit 0\n");
        install(sandbox);
        let block = fs::read_to_string(&husky).unwrap();
        let block = block.strip_suffix("exit 0\n").unwrap().to_owned();
        fs::remove_file(bin.join("bakstop")).unwrap();

        // Both of these find the stand-in at home: the program that the native one names is gone.
        sandbox.git(&["config", "--unset", "core.hooksPath"]);
        let copy = sandbox.outside().join("bin/bakstop");
        copy_of_program(&copy);
        must(finish(sandbox.command(&copy).args(["install", "--native"])));
        fs::remove_file(copy).unwrap();
        let native = sandbox.top.join(".git/hooks/pre-push");

        let server = sandbox.outside().join("server.git");
        finish(sandbox.command("git").args(["init", "-q", "--bare"]).arg(&server));
        let on_server = sandbox.outside().join("on server");
        let copy = on_server.join("bakstop");
        copy_of_program(&copy);
        must(finish(sandbox.command(&copy).args(["install", "--server"]).current_dir(&server)));
        fs::remove_file(copy).unwrap();
        let received = server.join("hooks/pre-receive");

        let hook = |path, name, directory: &Path, block| Self {
            path,
            name,
            guard: StandIn::at(directory),
            block,
        };
        [
            hook(native, "pre-push", &bin, None),
            hook(received, "pre-receive", &on_server, None),
            hook(husky, "pre-push", &bin, Some(block)),
        ]
    }

    /// Sets the other commands of the hook.
    fn set_rest(&self, text: &str) {
        if let Some(block) = &self.block {
            fs::write(&self.path, format!("{block}{text}\n")).unwrap();
        } else {
            let kept = self.path.with_file_name(format!("{}.before-bakstop", self.name));
            fs::write(&kept, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// The standard input of a hook, the other commands in it, and the exit code of those.
type HookCase<'a> = (&'a [u8], &'a str, i32);

/// Runs a hook in a shell, with a guard that ends with `code`. Both the other commands and the
/// guard must get all lines, and the exit code must be that of the first that fails.
fn check_hook(sandbox: &Sandbox, shell: &Path, hook: &HookFile, case: HookCase<'_>, code: u8) {
    let (lines, rest, rest_code) = case;
    hook.set_rest(rest);
    hook.guard.ends_with(code);
    let sh = |arguments: &[&OsStr]| {
        let mut command = sandbox.command(shell.join("sh"));
        command.args(arguments).env("PATH", format!("{}:/usr/bin:/bin", shell.display()));
        command
    };
    let arguments = ["-e".as_ref(), hook.path.as_ref(), "origin".as_ref(), "a 'b' $(c)".as_ref()];
    let ran = finish_with_input(&mut sh(&arguments), lines);
    let heard = hook.guard.heard();
    let start = String::from_utf8_lossy(&lines[..lines.len().min(200)]);
    let about = format!("{} {} {rest} {start:?}: {ran:?}", shell.display(), hook.path.display());
    let has_printf =
        || finish(&mut sh(&["-c".as_ref(), "command -v printf".as_ref()])).out == "printf\n";
    if lines.len() > 100_000 && !has_printf() {
        // Without a built-in printf, such a shell cannot pass the lines on: it must fail.
        assert!(ran.code == Some(2) && heard.is_none(), "{about}");
        return;
    }
    let expected = if rest_code == 0 { i32::from(code) } else { rest_code };
    assert_eq!(ran.code, Some(expected), "{about}");
    assert_eq!(ran.out, "", "{about}");
    let guard_lines = heard.as_ref().map(|(_, lines)| &lines[..]);
    assert!(guard_lines == (rest_code == 0).then_some(lines), "{about}");
    let call = format!("<hook><{}><origin><a 'b' $(c)>", hook.name);
    assert!(heard.is_none_or(|(arguments, _)| arguments == call), "{about}");
    if rest.starts_with("cat > ") {
        assert!(fs::read(sandbox.outside().join("theirs")).unwrap() == lines, "{about}");
    }
}

#[test]
fn every_shell_passes_every_byte_on() {
    let sandbox = with_husky(None);
    let theirs = sandbox.outside().join("theirs");
    let line = format!("refs/heads/x {ZERO} refs/heads/x {ZERO}\n");
    let many = line.repeat(3000);
    let inputs: [&[u8]; 8] = [
        b"",
        line.as_bytes(),
        many.as_bytes(),
        b"no end",
        b"\n\n",
        b"a\\n\\c %s $x `id` '\"\n",
        b"\xff\x81\x81\n\xe2\x82",
        b"-n\n",
    ];
    let reads = format!("cat > '{}'", theirs.display());
    let mut cases: Vec<HookCase<'_>> = inputs.map(|lines| (lines, &*reads, 0)).into();
    for lines in [line.as_bytes(), many.as_bytes()] {
        let rests =
            [("exit 0", 0), ("head -c 1 > /dev/null", 0), ("exit 3", 3), ("kill -9 $$", 137)];
        cases.extend(rests.map(|(rest, code)| (lines, rest, code)));
    }
    let hooks = HookFile::all(&sandbox);
    for shell in shells(&sandbox) {
        for hook in &hooks {
            for (&case, code) in cases.iter().zip([0, 1, 2].into_iter().cycle()) {
                check_hook(&sandbox, &shell, hook, case, code);
            }
        }
    }
}

#[test]
fn hooks_without_input_do_not_wait_for_it() {
    let sandbox = Sandbox::workspace();
    must(sandbox.bakstop(&["install", "--strict"]));
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["add", "-A"]);
    // Standard input stays open, as a terminal does.
    let mut command = sandbox.command("git");
    let mut child =
        command.args(["commit", "-q", "-m", "x"]).stdin(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take().unwrap();
    assert!(child.wait().unwrap().success());
    drop(open);
}

#[test]
fn strict_judges_commits_that_run_no_other_hook() {
    let sandbox = Sandbox::workspace();
    let before = state(&sandbox);
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    stage_bad(&sandbox);
    must(commit(&sandbox));
    sandbox.git(&["checkout", "-q", "main"]);
    let hook = sandbox.top.join(".git/hooks/prepare-commit-msg");
    install(&sandbox);
    assert!(!hook.exists());
    let ran = must(sandbox.bakstop(&["install", "--strict"]));
    assert!(ran.out.starts_with("created .git/hooks/prepare-commit-msg\n"), "{ran:?}");
    let ran = must(sandbox.bakstop(&["status"]));
    assert!(
        ran.out.contains("\npre-push            in force\nprepare-commit-msg  in force\n"),
        "{ran:?}"
    );
    let blocked = |arguments: &[&str], abort: &[&str]| {
        let before = sandbox.git(&["rev-parse", "HEAD"]);
        let ran = sandbox.try_git(arguments);
        let output = format!("{}{}", ran.out, ran.err);
        assert!(
            ran.code != Some(0) && output.contains("error[rewritten-manifest]"),
            "{arguments:?} {ran:?}"
        );
        sandbox.git(abort);
        assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before, "{arguments:?}");
    };
    blocked(&["cherry-pick", "side"], &["cherry-pick", "--abort"]);
    sandbox.write("web/index.js", "x\n");
    sandbox.git(&["commit", "-qam", "Go on"]);
    sandbox.git(&["checkout", "-q", "side"]);
    blocked(&["rebase", "-q", "main"], &["rebase", "--abort"]);
    sandbox.git(&["checkout", "-q", "HEAD~1", "--", "web/package.json"]);
    must(commit(&sandbox));
    blocked(&["revert", "--no-edit", "HEAD"], &["reset", "-q", "--hard"]);
    sandbox.git(&["checkout", "-q", "main"]);

    // `install` keeps it until everything is uninstalled.
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(sandbox.bakstop(&["status"]).code, Some(1));
    assert!(
        must(sandbox.bakstop(&["install"]))
            .out
            .starts_with("wrote .git/hooks/prepare-commit-msg\n")
    );
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);

    let sandbox = with_husky(None);
    let before = state(&sandbox);
    must(sandbox.bakstop(&["install", "--strict"]));
    assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");
    assert!(must(sandbox.bakstop(&["status"])).out.contains("prepare-commit-msg  in force"));
    sandbox.git(&["add", "-A"]);
    must(commit(&sandbox));
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
}

#[test]
fn hooks_of_an_older_version_are_renewed_and_uninstalled() {
    let native = include_str!("../older/pre-commit");
    let husky = include_str!("../older/husky-pre-commit");

    let sandbox = Sandbox::workspace();
    let before = snapshot(&sandbox.top.join(".git/hooks"));
    for verb in ["install", "uninstall"] {
        script(&sandbox, ".git/hooks/pre-commit", native);
        program_at_home_once(&sandbox);
        let ran = sandbox.bakstop(&["status"]);
        assert!(
            ran.out.contains(
                "it was written by another version of bakstop; `bakstop install` \
                              rewrites it"
            ),
            "{ran:?}"
        );
        assert!(
            ran.code == Some(1)
                && ran.out.contains("pre-push          not in force: not installed"),
            "{ran:?}"
        );
        let ran = must(sandbox.bakstop(&[verb]));
        if verb == "install" {
            assert!(
                ran.out.starts_with(
                    "wrote .git/hooks/pre-commit\ncreated .git/hooks/pre-merge-commit\n"
                ),
                "{ran:?}"
            );
            must(sandbox.bakstop(&["status"]));
            must(sandbox.bakstop(&["uninstall"]));
        }
        assert_eq!(snapshot(&sandbox.top.join(".git/hooks")), before);
    }

    for verb in ["install", "uninstall"] {
        let sandbox = with_husky(Some(husky));
        let ran = must(sandbox.bakstop(&[verb]));
        if verb == "install" {
            assert!(
                ran.out.starts_with("updated the bakstop block in .husky/pre-commit\n"),
                "{ran:?}"
            );
            must(sandbox.bakstop(&["status"]));
            must(sandbox.bakstop(&["uninstall"]));
        }
        assert_eq!(fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap(), "exit 0\n");
    }
}

/// The older text names a program that is missing.
fn program_at_home_once(sandbox: &Sandbox) {
    if !sandbox.home().join(".local/bin/bakstop").exists() {
        program_at_home(sandbox);
    }
}

#[test]
fn a_pre_push_hook_that_reads_its_own_name_is_left_to_the_user() {
    let sandbox = Sandbox::workspace();
    let hook = "#!/bin/sh\nname=$(basename \"$0\")\n";
    script(&sandbox, ".git/hooks/pre-push", hook);
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let line = "bakstop hook pre-push \"$@\" || exit\n";
    assert!(
        ran.err.contains("by hand, with its standard input") && ran.err.contains(line),
        "{ran:?}"
    );
    // With that line in place, the others are installed, and a warning names this hook.
    script(&sandbox, ".git/hooks/pre-push", &format!("{hook}{line}"));
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.out.contains("created .git/hooks/pre-commit\n"), "{ran:?}");
    assert!(
        ran.out.contains("pre-push: .git/hooks/pre-push is not a hook of bakstop, but calls it"),
        "{ran:?}"
    );
    assert!(sandbox.command(BAKSTOP).arg("status").output().unwrap().status.code() == Some(2));
}

#[test]
fn a_partial_clone_gets_the_command_that_fetches_what_is_missing() {
    let origin = Sandbox::workspace();
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.write("web/package.json", "{ \"name\": \"web\" }\n");
    origin.commit_all("Change");
    let url = format!("file://{}", origin.top.display());
    for filter in ["blob:none", "tree:0", "blob:limit=3"] {
        let mut clone = Sandbox::empty();
        clone.git(&["clone", "-q", "--origin=up", &format!("--filter={filter}"), &url, "part"]);
        clone.top.push("part");
        install(&clone);
        clone.git(&["init", "-q", "--bare", "../fork"]);
        clone.git(&["remote", "add", "fork", "../fork"]);
        // Without a name, git would fetch from here.
        clone.git(&["config", "branch.main.remote", "fork"]);
        let ran = clone.try_git(&["push", "-q", "fork", "main"]);
        let help = "help: this clone is partial; to fetch everything: `";
        let (_, command) = ran.err.split_once(help).unwrap_or_else(|| panic!("{ran:?}"));
        let command = command.split_once('`').unwrap().0;
        assert_eq!(command, "git fetch --refetch --no-filter up");
        must(clone.run("sh", &["-c", command]));
        must(clone.try_git(&["push", "-q", "fork", "main"]));
    }
}
