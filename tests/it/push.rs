//! The hooks that came later, with real pushes and cherry-picks: what git says on standard input
//! reaches everybody.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::hooks::{
    commit, copy_of_program, installed, must, picture, program_at_home, script, stage_bad, state,
    with_husky,
};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// A program in the place of bakstop: it notes what it is given, and ends as it is told.
pub(crate) struct StandIn {
    directory: PathBuf,
    /// Its path.
    pub program: PathBuf,
}

impl StandIn {
    /// `directory/bakstop`, in the place of whatever is there.
    pub(crate) fn at(directory: &Path) -> Self {
        let (notes, program) = (directory.join("notes"), directory.join("bakstop"));
        fs::create_dir_all(&notes).unwrap();
        let text = format!(
            "#!/bin/sh\n[ \"$1\" != --version ] || {{ echo bakstop 0.1.0; exit; }}\ncd \"{}\" || exit 9\n[ -f arguments ] || printf '<%s>' \"$@\" > arguments\ncat >> lines\n\
             [ -f code ] || exit 0\nread -r code < code\nexit \"$code\"\n",
            notes.display()
        );
        // Another process writes it, as in `copy_of_program`.
        let text_file = notes.join("text");
        fs::write(&text_file, text).unwrap();
        let mut command = Command::new("install");
        must(finish(command.args(["-m", "755"]).arg(&text_file).arg(&program)));
        Self { directory: notes, program }
    }

    /// What it will end with.
    pub(crate) fn ends_with(&self, code: u8) {
        fs::write(self.directory.join("code"), format!("{code}\n")).unwrap();
    }

    /// The arguments of its first run and the lines of all, once; `None` if it did not run.
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

/// Installs from a copy of the program, and puts the stand-in into its place.
fn install_with(sandbox: &Sandbox, arguments: &[&str]) -> StandIn {
    let directory = sandbox.outside().join("bin");
    let _ = fs::remove_file(directory.join("bakstop"));
    copy_of_program(&directory.join("bakstop"));
    must(finish(sandbox.command(directory.join("bakstop")).arg("install").args(arguments)));
    StandIn::at(&directory)
}

/// A hook that writes what it reads into a file.
fn reader(file: &Path) -> String {
    format!("#!/bin/sh\ncat >> '{}'\n", file.display())
}

const ZERO: &str = "0000000000000000000000000000000000000000";

#[test]
fn a_push_is_judged_with_the_lines_that_git_gives() {
    let (sandbox, _) = with_stand_in();
    let guard = install_with(&sandbox, &[]);
    sandbox.git(&["branch", "side"]);
    let head = sandbox.git(&["rev-parse", "HEAD"]).trim().to_owned();
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
    // Nothing to push: git says nothing, and so do we.
    must(sandbox.try_git(&["push", "-q", "origin", "main"]));
    assert_eq!(guard.heard().unwrap().1, b"");
    must(sandbox.try_git(&["push", "-q", "--no-verify", "origin", "main"]));
    assert_eq!(guard.heard(), None);
    must(sandbox.bakstop(&["status"]));
}

#[test]
fn a_kept_push_hook_gets_the_same_lines() {
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

    // One that does not read, and one that fails: then the guard is not asked.
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
    // To prove the guard, nobody else's hook needs to run.
    let prove = finish(
        sandbox.command("git").args(["push", "-q", "origin", "side"]).env("BAKSTOP_PROVE", "1"),
    );
    must(prove);
    assert!(guard.heard().is_some());
    let empty = finish(
        sandbox.command("git").args(["push", "-q", "origin", "side"]).env("BAKSTOP_PROVE", ""),
    );
    assert_eq!(empty.code, Some(1), "set to nothing is not set");

    fs::write(&hook, reader(&theirs)).unwrap();
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
}

#[test]
fn a_missing_program_blocks_a_push_and_says_how_to_go_on() {
    let (sandbox, _) = with_stand_in();
    let guard = install_with(&sandbox, &["--strict"]);
    fs::remove_file(&guard.program).unwrap();
    let bare = |arguments: &[&str], name: &str| {
        finish(sandbox.command("git").args(arguments).env("PATH", "/usr/bin:/bin").env(name, "0"))
    };
    let push = ["push", "-q", "origin", "main"];
    let ran = bare(&push, "UNRELATED");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in
        ["what is pushed here, was not found", "to go on without this check: BAKSTOP=0 git push\n"]
    {
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
    installed(&sandbox);
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

/// Runs a hook file with these bytes on its standard input.
fn feed(command: &mut Command, lines: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read may be gone before everything is written.
    let _ = stdin.write_all(lines);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Every shell of this machine that may be `sh`, as a directory that has it under that name.
fn shells(sandbox: &Sandbox) -> Vec<PathBuf> {
    let usual =
        [("dash", "/usr/bin/dash"), ("bash", "/usr/bin/bash"), ("busybox", "/usr/bin/busybox")];
    let others = [("zsh", "/usr/bin/zsh"), ("ksh", "/usr/bin/ksh")];
    let mut found = Vec::new();
    for (name, program) in usual.into_iter().chain(others) {
        if !Path::new(program).exists() {
            println!("not tested: there is no {program} here");
            continue;
        }
        let directory = sandbox.outside().join("shells").join(name);
        fs::create_dir_all(&directory).unwrap();
        symlink(program, directory.join("sh")).unwrap();
        found.push(directory);
    }
    found
}

#[test]
fn every_shell_passes_every_byte_on() {
    let sandbox = with_husky(None);
    let theirs = sandbox.outside().join("theirs");
    let bin = sandbox.home().join(".local/bin");
    sandbox.write(".husky/pre-push", "exit 0\n");
    installed(&sandbox);
    let block = fs::read_to_string(sandbox.top.join(".husky/pre-push")).unwrap();
    let block = block.strip_suffix("exit 0\n").unwrap();
    fs::remove_file(bin.join("bakstop")).unwrap();
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    let guard = {
        let copy = sandbox.outside().join("bin/bakstop");
        copy_of_program(&copy);
        must(finish(sandbox.command(&copy).args(["install", "--native"])));
        fs::remove_file(copy).unwrap();
        // The stand-in is found at home by both files: the native one has lost the program that it
        // names.
        StandIn::at(&bin)
    };
    let server = sandbox.outside().join("server.git");
    finish(sandbox.command("git").args(["init", "-q", "--bare"]).arg(&server));
    let on_server = {
        let directory = sandbox.outside().join("on server");
        copy_of_program(&directory.join("bakstop"));
        must(finish(
            sandbox
                .command(directory.join("bakstop"))
                .args(["install", "--server"])
                .current_dir(&server),
        ));
        fs::remove_file(directory.join("bakstop")).unwrap();
        StandIn::at(&directory)
    };
    let native = sandbox.top.join(".git/hooks/pre-push");
    let received = server.join("hooks/pre-receive");
    let husky = sandbox.top.join(".husky/pre-push");

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
    let mut cases: Vec<(&[u8], &str, i32)> =
        inputs.iter().map(|lines| (*lines, &*reads, 0)).collect();
    for lines in [line.as_bytes(), many.as_bytes()] {
        let kept =
            [("exit 0", 0), ("head -c 1 > /dev/null", 0), ("exit 3", 3), ("kill -9 $$", 137)];
        cases.extend(kept.map(|(text, code)| (lines, text, code)));
    }
    for shell in shells(&sandbox) {
        let path = format!("{}:/usr/bin:/bin", shell.display());
        let sh = |arguments: &[&std::ffi::OsStr]| {
            let mut command = sandbox.command(shell.join("sh"));
            command.args(arguments).env("PATH", &path);
            command
        };
        let builtin =
            finish(&mut sh(&["-c".as_ref(), "command -v printf".as_ref()])).out == "printf\n";
        for (file, guard, name) in [
            (&native, &guard, "pre-push"),
            (&received, &on_server, "pre-receive"),
            (&husky, &guard, "pre-push"),
        ] {
            for (&(lines, text, ends), code) in cases.iter().zip([0, 1, 2].into_iter().cycle()) {
                if file == &husky {
                    fs::write(&husky, format!("{block}{text}\n")).unwrap();
                } else {
                    let kept = file.with_file_name(format!("{name}.before-bakstop"));
                    fs::write(&kept, format!("#!/bin/sh\n{text}\n")).unwrap();
                    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
                }
                guard.ends_with(code);
                let mut command =
                    sh(&["-e".as_ref(), file.as_ref(), "origin".as_ref(), "a 'b' $(c)".as_ref()]);
                let ran = feed(&mut command, lines);
                let heard = guard.heard();
                let said = String::from_utf8_lossy(&lines[..lines.len().min(200)]);
                let what =
                    format!("{} {} {text} {said:?}: {ran:?}", shell.display(), file.display());
                if lines.len() > 100_000 && !builtin {
                    // What such a shell cannot pass on whole, it does not pass on at all.
                    assert!(ran.code == Some(2) && heard.is_none(), "{what}");
                    continue;
                }
                assert_eq!(
                    ran.code,
                    Some(if ends == 0 { i32::from(code) } else { ends }),
                    "{what}"
                );
                assert_eq!(ran.out, "", "{what}");
                assert!(
                    heard.as_ref().map(|(_, heard)| &heard[..]) == (ends == 0).then_some(lines),
                    "{what}"
                );
                assert!(
                    heard.is_none_or(
                        |(heard, _)| heard == format!("<hook><{name}><origin><a 'b' $(c)>")
                    ),
                    "{what}"
                );
                assert!(text != reads || fs::read(&theirs).unwrap() == lines, "{what}");
            }
        }
    }
}

#[test]
fn hooks_without_lines_do_not_wait_for_any() {
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
fn strict_judges_what_runs_no_other_hook() {
    let sandbox = Sandbox::workspace();
    let before = state(&sandbox);
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    stage_bad(&sandbox);
    must(commit(&sandbox));
    sandbox.git(&["checkout", "-q", "main"]);
    let hook = sandbox.top.join(".git/hooks/prepare-commit-msg");
    installed(&sandbox);
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
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            ran.code != Some(0) && said.contains("error[rewritten-manifest]"),
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

    // It stays in until all go out.
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
fn what_an_older_version_installed_is_renewed_and_taken_out() {
    let native = include_str!("../older/pre-commit");
    let husky = include_str!("../older/husky-pre-commit");

    let sandbox = Sandbox::workspace();
    let before = picture(&sandbox.top.join(".git/hooks"));
    for verb in ["install", "uninstall"] {
        script(&sandbox, ".git/hooks/pre-commit", native);
        program_at_home_once(&sandbox);
        let ran = sandbox.bakstop(&["status"]);
        assert!(
            ran.out.contains("its text is of another version; `bakstop install` rewrites it"),
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
        assert_eq!(picture(&sandbox.top.join(".git/hooks")), before);
    }

    for verb in ["install", "uninstall"] {
        let sandbox = with_husky(Some(husky));
        let ran = must(sandbox.bakstop(&[verb]));
        if verb == "install" {
            assert!(
                ran.out.starts_with("renewed the block of bakstop in .husky/pre-commit\n"),
                "{ran:?}"
            );
            must(sandbox.bakstop(&["status"]));
            must(sandbox.bakstop(&["uninstall"]));
        }
        assert_eq!(fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap(), "exit 0\n");
    }
}

/// The older text names a program that is gone.
fn program_at_home_once(sandbox: &Sandbox) {
    if !sandbox.home().join(".local/bin/bakstop").exists() {
        program_at_home(sandbox);
    }
}

#[test]
fn a_push_hook_that_goes_by_its_name_is_done_by_hand() {
    let sandbox = Sandbox::workspace();
    let hook = "#!/bin/sh\nname=$(basename \"$0\")\n";
    script(&sandbox, ".git/hooks/pre-push", hook);
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let line = "bakstop hook pre-push \"$@\" || exit\n";
    assert!(
        ran.err.contains("with all lines that git gives it") && ran.err.contains(line),
        "{ran:?}"
    );
    // Once a person has done that, the others are installed, and what cannot be seen is said.
    script(&sandbox, ".git/hooks/pre-push", &format!("{hook}{line}"));
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.out.contains("created .git/hooks/pre-commit\n"), "{ran:?}");
    assert!(
        ran.out.contains("pre-push: .git/hooks/pre-push is not ours, and names bakstop"),
        "{ran:?}"
    );
    assert!(sandbox.command(BAKSTOP).arg("status").output().unwrap().status.code() == Some(2));
}
