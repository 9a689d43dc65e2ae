//! The guard in unusual environments: real commits through the hook, and `bakstop check` itself.
//! Nothing unjudged may pass, and no file may be left half written.
//!
//! An environment is a shell line that ends in the command: `"$@"`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::hooks::{copy_of_program, must};
use crate::support::{Ran, Sandbox, finish};

mod twice;

/// An environment with its exit codes: of `check` for a rewritten manifest and for a clean one, and
/// of `git commit` for both.
struct Odd {
    name: &'static str,
    line: &'static str,
    /// The expected codes. `None` if they depend on the needs of git and the program on this
    /// machine; then only the general rules are checked.
    codes: Option<[i32; 4]>,
    /// Whether some machines do not have it: without root, or in a container.
    may_lack: bool,
}

const fn odd(name: &'static str, line: &'static str, codes: [i32; 4]) -> Odd {
    Odd { name, line, codes: Some(codes), may_lack: false }
}

/// An environment that needs root or special tools.
const fn rare(name: &'static str, line: &'static str, codes: [i32; 4]) -> Odd {
    Odd { name, line, codes: Some(codes), may_lack: true }
}

/// An environment in which the guard may fail, but never give a wrong answer.
const fn tight(name: &'static str, line: &'static str) -> Odd {
    Odd { name, line, codes: None, may_lack: false }
}

/// The codes in a usual environment.
const USUAL: [i32; 4] = [1, 0, 1, 0];

/// A copy of the program that every user can run.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy_of_program(&directory.path().join("bakstop"));
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), all).unwrap();
        Self { directory }
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("bakstop")
    }

    /// A guarded repository with an identity that every user can read.
    fn guarded(&self) -> Sandbox {
        let sandbox = Sandbox::workspace();
        sandbox.git(&["config", "user.name", "A"]);
        sandbox.git(&["config", "user.email", "a@example.org"]);
        fs::set_permissions(sandbox.outside(), fs::Permissions::from_mode(0o755)).unwrap();
        must(finish(sandbox.command(self.program()).arg("install")));
        sandbox
    }

    /// Tests each environment that this machine has.
    fn check_all(&self, environments: &[Odd]) {
        for environment in environments {
            self.check_one(environment);
        }
    }

    fn check_one(&self, environment: &Odd) {
        let Odd { name, codes, may_lack, .. } = environment;
        let sandbox = self.guarded();
        let possible = run_in(&sandbox, environment, &[Path::new("true")]);
        if possible.code != Some(0) {
            assert!(may_lack, "{name}: {possible:?}");
            println!("not tested: {name}: this machine cannot make it: {}", possible.err.trim());
            return;
        }
        // A rewritten manifest, then a clean change.
        let bad = self.exit_codes(environment, |sandbox| sandbox.rewrite("web/package.json"));
        let clean = self.exit_codes(environment, |sandbox| {
            sandbox.write("web/index.js", "export const x = 1;\n");
        });
        println!("{name}: check {:?} {:?}, commit {:?} {:?}", bad.0, clean.0, bad.1, clean.1);
        assert!(bad.0 != Some(0) && bad.1 != Some(0), "{name}: {bad:?}");
        if let Some(codes) = codes {
            assert_eq!([bad.0, clean.0, bad.1, clean.1], codes.map(Some), "{name}");
        }
    }

    /// The exit codes of `check` and of `git commit` for one change.
    fn exit_codes(
        &self,
        environment: &Odd,
        change: impl Fn(&Sandbox),
    ) -> (Option<i32>, Option<i32>) {
        let name = environment.name;
        let sandbox = self.guarded();
        change(&sandbox);
        sandbox.git(&["add", "-A"]);
        let program = self.program();
        let check = run_in(&sandbox, environment, &[&program, Path::new("check")]);
        if check.code == Some(2) && !environment.line.contains("2>") {
            assert!(check.err.contains("error: could not "), "{name}: {check:?}");
        }
        self.assert_report_is_whole(&sandbox, environment, &check);
        let before = sandbox.git(&["rev-parse", "HEAD"]);
        let commit =
            run_in(&sandbox, environment, &["git", "commit", "-q", "-m", "x"].map(Path::new));
        let made = sandbox.git(&["rev-parse", "HEAD"]) != before;
        assert_eq!(made, commit.code == Some(0), "{name}: {commit:?}");
        // The file is still staged, or committed, and no temporary files are left.
        let staged = sandbox.git(&["diff", "--cached", "--name-only"]).lines().count();
        assert_eq!(staged, usize::from(!made), "{name}");
        assert_eq!(sandbox.git(&["ls-files", "--others"]), "", "{name}");
        (check.code, commit.code)
    }

    /// A report file is unchanged or complete, and a missing report is never exit code 0.
    fn assert_report_is_whole(&self, sandbox: &Sandbox, environment: &Odd, check: &Ran) {
        let name = environment.name;
        let report = sandbox.outside().join("report");
        fs::write(&report, "old").unwrap();
        fs::set_permissions(&report, fs::Permissions::from_mode(0o666)).unwrap();
        let words = ["check", "--format", "json", "--output"].map(Path::new);
        let ran = run_in(
            sandbox,
            environment,
            &[&[self.program().as_path()], &words[..], &[report.as_path()]].concat(),
        );
        let text = fs::read_to_string(&report).unwrap();
        let whole = serde_json::from_str::<serde_json::Value>(&text)
            .is_ok_and(|report| report["schema"].is_string());
        assert!(whole || text == "old", "{name}: {text}");
        assert!(ran.code != Some(0) || whole && check.code == Some(0), "{name}: {ran:?}");
        let names =
            fs::read_dir(sandbox.outside()).unwrap().map(|entry| entry.unwrap().file_name());
        let scraps: Vec<_> =
            names.filter(|name| name.to_string_lossy().starts_with(".tmp")).collect();
        assert!(
            scraps.is_empty() || ran.code.is_none_or(|code| code > 2),
            "{name}: {scraps:?} {ran:?}"
        );
    }
}

/// Runs a command in an environment.
fn run_in(sandbox: &Sandbox, environment: &Odd, words: &[&Path]) -> Ran {
    let mut command = sandbox.command("sh");
    command.args(["-c", environment.line, "sh"]).args(words);
    finish(&mut command)
}

#[test]
fn minimal_environments() {
    Place::new().check_all(&[
        odd("the usual environment", r#"exec "$@""#, USUAL),
        odd("only PATH", r#"exec env -i PATH=/usr/bin:/bin "$@""#, USUAL),
        odd("the PATH of a desktop", r#"PATH=/usr/bin:/bin HOME=/nonexistent exec "$@""#, USUAL),
        odd("no HOME", r#"unset HOME; exec "$@""#, USUAL),
        odd("a missing HOME", r#"HOME=/nonexistent/x exec "$@""#, USUAL),
        odd("a HOME that is not a directory", r#"HOME=/dev/null exec "$@""#, USUAL),
        odd("an empty HOME", r#"HOME= exec "$@""#, USUAL),
        odd("LC_ALL=C", r#"LC_ALL=C exec "$@""#, USUAL),
        odd("an unknown locale", r#"LC_ALL=xx_XX.nonsense LANGUAGE=xx exec "$@""#, USUAL),
        odd("TERM=dumb", r#"TERM=dumb exec "$@""#, USUAL),
        odd("no TERM", r#"unset TERM; exec "$@""#, USUAL),
        odd("the easternmost time zone", r#"TZ=Pacific/Kiritimati exec "$@""#, USUAL),
        odd("the westernmost time zone", r#"TZ=Etc/GMT+12 exec "$@""#, USUAL),
        odd("a missing time zone", r#"TZ=:/nonexistent exec "$@""#, USUAL),
        odd(
            "a commit of long ago",
            r#"GIT_COMMITTER_DATE='@1 +0000' GIT_AUTHOR_DATE='@1 +0000' exec "$@""#,
            USUAL,
        ),
        odd("a commit in the future", r#"GIT_COMMITTER_DATE='@4102444800 +0000' exec "$@""#, USUAL),
        odd("a missing TMPDIR", r#"TMPDIR=/nonexistent exec "$@""#, USUAL),
        odd("umask 077", r#"umask 077; exec "$@""#, USUAL),
        odd("umask 000", r#"umask 000; exec "$@""#, USUAL),
        odd("nice 19", r#"exec nice -n 19 "$@""#, USUAL),
    ]);
}

/// The exit code of the command before a pipe.
const TO_HEAD: &str =
    r#"f=../home/code; { "$@"; echo $? >"$f"; } 2>&1 | head -c 1 >/dev/null; exit "$(cat "$f")""#;
const TO_HEAD_IGNORED: &str = r#"trap '' PIPE
f=../home/code; { "$@"; echo $? >"$f"; } 2>&1 | head -c 1 >/dev/null; exit "$(cat "$f")""#;
/// A pipe without a reader.
const TO_NOBODY: &str =
    r#"p=../home/p; [ -p $p ] || mkfifo $p; exec 3<>$p 4>$p 3<&-; exec "$@" >&4 2>&4 4>&-"#;

#[test]
fn streams_are_closed_full_or_unread() {
    Place::new().check_all(&[
        odd("no standard input", r#"exec "$@" <&-"#, USUAL),
        odd("no standard output", r#"exec "$@" >&-"#, USUAL),
        odd("no standard error", r#"exec "$@" 2>&-"#, USUAL),
        odd("no stream", r#"exec "$@" <&- >&- 2>&-"#, USUAL),
        odd("a full standard output", r#"exec "$@" >/dev/full"#, USUAL),
        odd("a full standard error", r#"exec "$@" 2>/dev/full"#, USUAL),
        odd("both streams full", r#"exec "$@" >/dev/full 2>&1"#, USUAL),
        odd("standard input is a directory", r#"exec "$@" <."#, USUAL),
        odd("a read-only standard output", r#"exec "$@" 1</dev/null"#, USUAL),
        odd("a reader that takes one byte", TO_HEAD, USUAL),
        odd("a reader that takes one byte, SIGPIPE ignored", TO_HEAD_IGNORED, USUAL),
        odd("a reader that takes nothing", TO_NOBODY, USUAL),
        odd("signals are ignored", r#"trap '' HUP INT QUIT TERM PIPE; exec "$@""#, USUAL),
        // Git cannot wait for a hook here, and treats that as a failure.
        rare("SIGCHLD is ignored", r#"exec env --ignore-signal=CHLD "$@""#, [1, 0, 1, 1]),
        rare("SIGPIPE is blocked", r#"exec env --block-signal=PIPE "$@""#, USUAL),
    ]);
}

#[test]
fn limits_and_rights_are_low() {
    Place::new().check_all(&[
        odd("64 open files", r#"ulimit -n 64; exec "$@""#, USUAL),
        odd("16 open files", r#"ulimit -n 16; exec "$@""#, USUAL),
        tight("8 open files", r#"ulimit -n 8; exec "$@""#),
        tight("4 open files", r#"ulimit -n 4; exec "$@""#),
        odd("a stack of 256 KiB", r#"ulimit -s 256; exec "$@""#, USUAL),
        tight("a stack of 64 KiB", r#"ulimit -s 64; exec "$@""#),
        tight("500 MB of address space", r#"ulimit -v 500000; exec "$@""#),
        tight("200 MB of address space", r#"ulimit -v 200000; exec "$@""#),
        tight("100 MB of address space", r#"ulimit -v 100000; exec "$@""#),
        tight("50 MB of address space", r#"ulimit -v 50000; exec "$@""#),
        tight("20 MB of address space", r#"ulimit -v 20000; exec "$@""#),
        tight("1 MB of data", r#"ulimit -d 1000; exec "$@""#),
        tight("a file size limit of 0", r#"ulimit -f 0; exec "$@""#),
        tight("files of one block", r#"ulimit -f 1; exec "$@""#),
        odd("no core files", r#"ulimit -c 0; exec "$@""#, USUAL),
    ]);
}

/// Another user, without a home.
const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent";

/// Environments that need root: another user, and special mounts. `{nobody}` runs a command as that
/// user, `{theirs}` makes that user the owner of the repository during a command.
fn as_root(lines: &[(&'static str, &str, Option<[i32; 4]>)]) -> Vec<Odd> {
    let theirs =
        "own() { chown -R \"$1\" .; }; own 65534:65534; trap 'chmod -R u+rwX .; own 0:0' EXIT;";
    let line = |line: &str| line.replace("{nobody}", NOBODY).replace("{theirs}", theirs);
    lines
        .iter()
        .map(|(name, text, codes)| Odd {
            name,
            line: line(text).leak(),
            codes: *codes,
            may_lack: true,
        })
        .collect()
}

/// Git refuses or cannot write, but `check` may still judge.
const GIT_REFUSES: [i32; 4] = [2, 2, 128, 128];
const GIT_CANNOT_WRITE: [i32; 4] = [1, 0, 128, 128];

#[test]
fn another_user_owns_the_repository() {
    let trusting =
        "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'; ";
    Place::new().check_all(&as_root(&[
        ("a user who is not the owner", r#"exec {nobody} "$@""#, Some(GIT_REFUSES)),
        (
            "a user who is not the owner, trusted",
            &format!(r#"{trusting}exec {{nobody}} "$@""#),
            Some(GIT_CANNOT_WRITE),
        ),
        ("root, another owner", r#"{theirs} "$@""#, Some(GIT_REFUSES)),
        ("root, another owner, trusted", &format!(r#"{trusting}{{theirs}} "$@""#), Some(USUAL)),
        ("the owner, not root", r#"{theirs} {nobody} "$@""#, Some(USUAL)),
        (
            "a .git without write permission",
            r#"{theirs} chmod -R a-w .git; {nobody} "$@""#,
            Some(GIT_CANNOT_WRITE),
        ),
        ("an unreadable index", r#"{theirs} chmod 0 .git/index; {nobody} "$@""#, Some(GIT_REFUSES)),
        ("an unreadable HEAD", r#"{theirs} chmod 0 .git/HEAD; {nobody} "$@""#, Some(GIT_REFUSES)),
        ("unreadable refs", r#"{theirs} chmod -R 0 .git/refs; {nobody} "$@""#, None),
        (
            "unreadable objects",
            r#"{theirs} chmod -R 0 .git/objects; {nobody} "$@""#,
            Some(GIT_REFUSES),
        ),
        (
            "an unreadable configuration",
            r#"{theirs} chmod 0 .git/config; {nobody} "$@""#,
            Some(GIT_REFUSES),
        ),
        (
            "parents that cannot be listed",
            r#"chmod 711 ..; {theirs} {nobody} "$@"; code=$?; chmod 755 ..; exit $code"#,
            Some(USUAL),
        ),
        (
            "parents that cannot be entered",
            r#"chmod 700 ..; {theirs} {nobody} "$@"; code=$?; chmod 755 ..; exit $code"#,
            None,
        ),
        ("no further processes", r#"{theirs} {nobody} prlimit --nproc=1 "$@""#, None),
    ]));
}

#[test]
fn directories_are_missing_or_read_only() {
    let mounted = |line: &str| format!(r#"exec unshare -m sh -c '{line} && exec "$@"' sh "$@""#);
    Place::new().check_all(&as_root(&[
        (
            "a removed directory",
            r#"mkdir -p web/gone && cd web/gone && rmdir ../gone && exec "$@""#,
            Some(GIT_REFUSES),
        ),
        ("no /proc", &mounted("umount -l /proc"), Some(USUAL)),
        ("an empty /proc", &mounted("mount -t tmpfs none /proc"), Some(USUAL)),
        ("an empty /dev", &mounted("mount -t tmpfs none /dev"), None),
        ("a /dev without /dev/null", &mounted("mount --bind /dev/full /dev/null"), Some(USUAL)),
        (
            "a read-only .git",
            &mounted("mount --bind .git .git && mount -o remount,bind,ro .git"),
            Some(GIT_CANNOT_WRITE),
        ),
        (
            "a read-only disk",
            &mounted("mount --bind . . && mount -o remount,bind,ro . && cd \"$PWD\""),
            Some(GIT_CANNOT_WRITE),
        ),
        (
            "a read-only TMPDIR",
            &mounted("mount -t tmpfs -o ro none ../home && export TMPDIR=\"${PWD%/*}/home\""),
            Some(USUAL),
        ),
        (
            "a full disk",
            &mounted(
                "mount -t tmpfs -o size=2m none ../home && cp -a . ../home/x && cd ../home/x && \
                 { cat /dev/zero >.git/fill 2>/dev/null || true; }",
            ),
            Some(GIT_CANNOT_WRITE),
        ),
    ]));
}

/// A lost report is never exit code 0, for any verb.
#[test]
fn a_guard_that_cannot_answer_never_passes() {
    let place = Place::new();
    let sandbox = place.guarded();
    fs::write(sandbox.outside().join("runs"), "").unwrap();
    crate::prep::add_sibling(&sandbox);
    for words in [
        &["--help"][..],
        &["--version"],
        &["help", "check"],
        &["check", "--help"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["check", "--format", "junit"],
        &["verify", "--format", "json"],
        &["verify", "--format", "json", "--", "true"],
        &["pins"],
        &["lockfile", "--check"],
        &["lockfile"],
        &["prep", "--dry-run", "--from", "../plat"],
        &["restore"],
        &["restore", "--staged", "--format", "json"],
        &["doctor", "--format", "json"],
        &["prove"],
        &["status"],
        &["measure", "--", "true"],
        &["trend", "../runs"],
        &["fleet", "."],
        &["install", "--dry-run"],
        &["rules"],
        &["explain", "stray-backup"],
        &["completions", "bash"],
        &["man"],
        &["uninstall", "--dry-run"],
    ] {
        let mut command = sandbox.command(place.program());
        let printed = finish(command.args(words));
        assert!(printed.code == Some(0) && !printed.out.is_empty(), "{words:?}: {printed:?}");
        let ran = finish(
            sandbox
                .command("sh")
                .args(["-c", r#"exec "$@" >/dev/full"#, "sh"])
                .arg(place.program())
                .args(words),
        );
        assert_eq!(ran.code, Some(2), "{words:?}: {ran:?}");
        assert!(
            ran.err.contains("could not write the report: No space left on device"),
            "{words:?}: {ran:?}"
        );
    }
    // Verbs that need a temporary directory print how to set one.
    for words in [&["verify"][..], &["prove"], &["verify", "--", "true"]] {
        sandbox.write("web/index.js", "changed\n");
        let ran =
            finish(sandbox.command(place.program()).args(words).env("TMPDIR", "/nonexistent"));
        assert!(
            ran.code == Some(2) && ran.err.contains("set TMPDIR to another directory"),
            "{words:?}: {ran:?}"
        );
    }
}
