//! Every command that writes is interrupted at every system call that writes, by a kill or an
//! error. Afterwards each file has its old or its new content, and running the command again
//! completes the work.
//!
//! A run under strace numbers the calls. Then each call fails once, in a new copy of the same
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::hooks::{Snapshot, must, prepare_husky, program_at_home, script, snapshot};
use crate::lockfile::with_pnpm;
use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop};

mod in_place;

/// The system calls that change a file or directory, or sync one.
const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,\
    rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,\
    chmod,fchmod,fchmodat,chown,fchown,fchownat,ftruncate,truncate,symlink,symlinkat,utimensat,\
    fsync,fdatasync,fallocate,copy_file_range,sendfile";

/// The prefix of temporary files, which a killed run may leave.
const SCRAP: &str = ".bakstop-";

/// The ways in which a call fails.
const FAULTS: [&str; 4] = ["signal=KILL", "error=ENOSPC", "error=EIO", "error=EACCES"];

/// A command that writes, and the state it starts from.
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Case<'a> {
    sandbox: Sandbox,
    arguments: &'a [&'a str],
    /// Whether a second run removes temporary files.
    clears: bool,
    /// Whether each run adds a line: then a successful run is not repeated.
    appends: bool,
    /// Whether git writes: without room, SIGXFSZ ends git, and its lock stays.
    by_git: bool,
    /// Whether it starts the stand-in for pnpm.
    by_pnpm: bool,
    /// Whether it removes what it makes if it cannot make all of it.
    empties: bool,
    umask: &'a str,
    /// Only calls on this file fail, if the others differ between runs.
    only: Option<&'a str>,
    /// Removes the parts of a file that differ between two runs.
    normalize: fn(&Path, &[u8]) -> Vec<u8>,
}

/// The result of an undisturbed run.
struct Goal {
    old: Snapshot,
    new: Snapshot,
    done: Ran,
}

impl<'a> Case<'a> {
    fn new(sandbox: Sandbox, arguments: &'a [&'a str]) -> Self {
        fs::create_dir(sandbox.outside().join("tmp")).unwrap();
        Self {
            sandbox,
            arguments,
            clears: true,
            appends: false,
            by_git: false,
            by_pnpm: false,
            empties: false,
            umask: "022",
            only: None,
            normalize: as_it_is,
        }
    }

    /// Runs the program, or a tracer with it, at the top of the work tree.
    fn run(&self, tracer: &[&str]) -> Ran {
        let start = ["-c", "umask \"$0\"; exec \"$@\"", self.umask];
        let mut command = self.sandbox.command("sh");
        command.args(start).args(tracer).arg(BAKSTOP).args(self.arguments);
        if self.by_pnpm {
            let programs = self.sandbox.outside().join("programs");
            let path = path_without_bakstop();
            let path = std::iter::once(programs).chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(path).unwrap());
        }
        // Temporary directories are outside the repository.
        finish(command.env("TMPDIR", self.sandbox.outside().join("tmp")))
    }

    fn log(&self) -> PathBuf {
        self.sandbox.outside().join("log")
    }

    /// Runs the program under strace with these options.
    fn traced(&self, options: &[&str]) -> Ran {
        let log = self.log();
        let mut tracer = vec!["strace", "-o", log.to_str().unwrap(), "-e", "signal=none"];
        tracer.extend(self.only.iter().flat_map(|path| ["-P", path]));
        tracer.extend(options);
        self.run(&tracer)
    }

    /// The calls that write, each with its name and its number among the calls of that name.
    fn calls(&self) -> Vec<(String, usize)> {
        must_have_passed(&self.traced(&["-e", &format!("trace={CALLS}")]));
        let mut seen = BTreeMap::<String, usize>::new();
        let mut calls = Vec::new();
        for line in fs::read_to_string(self.log()).unwrap().lines() {
            let Some((name, rest)) = line.split_once('(') else { continue };
            let number = seen.entry(name.to_owned()).and_modify(|number| *number += 1).or_insert(1);
            let only_reads =
                name == "openat" && !["O_WRONLY", "O_RDWR"].iter().any(|flag| rest.contains(flag));
            // The Rust runtime opens this if a standard stream is closed.
            if !only_reads && !rest.contains("\"/dev/") {
                calls.push((name.to_owned(), *number));
            }
        }
        calls
    }

    /// All files of the work tree, without the parts that differ between runs.
    fn state(&self) -> Snapshot {
        let normalized = |(path, (mode, bytes)): (PathBuf, (u32, Vec<u8>))| {
            let bytes = (self.normalize)(&path, &bytes);
            (path, (mode, bytes))
        };
        snapshot(&self.sandbox.top).into_iter().map(normalized).collect()
    }

    /// Lets every call fail in every way. Returns the number of failures.
    fn fail_every_call(&self) -> usize {
        let first = snapshot(&self.sandbox.top);
        let again = || restore(&first, &snapshot(&self.sandbox.top));
        let old = self.state();
        let done = self.run(&[]);
        must_have_passed(&done);
        let goal = Goal { new: self.state(), old, done };
        assert_ne!(goal.old, goal.new, "{:?} writes nothing", self.arguments);
        again();
        let calls = self.calls();
        again();
        let mut hits = 0;
        for (call, number) in &calls {
            for fault in FAULTS {
                let at = format!("{:?}: {fault} at {call} number {number}", self.arguments);
                let inject = format!("inject={call}:{fault}:when={number}");
                let ran = self.traced(&["-e", &format!("trace={call}"), "-e", &inject]);
                assert_eq!(ran.code.is_none(), fault == "signal=KILL", "{at}: {ran:?}");
                self.assert_nothing_lost(&at, &ran, &goal, call.starts_with("unlink"));
                again();
                hits += 1;
            }
        }
        if !self.by_git {
            // No file may grow: SIGXFSZ ends a program that does not handle it.
            let ran = self.run(&["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"]);
            self.assert_nothing_lost(&format!("{:?}: no room", self.arguments), &ran, &goal, false);
            again();
        }
        println!("{:?}: {} calls, {hits} faults", self.arguments, calls.len());
        hits
    }

    /// Asserts that each file has its old or its new content, that the exit code matches, and that
    /// a second run completes the work.
    fn assert_nothing_lost(
        &self,
        at: &str,
        ran: &Ran,
        Goal { old, new, done }: &Goal,
        leaves_scraps: bool,
    ) {
        let now = self.state();
        let scraps = Self::scraps(old, new, &now);
        for path in
            old.keys().chain(new.keys()).chain(now.keys()).filter(|path| !scraps.contains(*path))
        {
            let content = now.get(path);
            let is_whole = content == old.get(path)
                || content == new.get(path)
                || self.empties && ran.code == Some(2) && content.is_none();
            assert!(is_whole, "{at}: {} is neither old nor new: {content:?}", path.display());
        }
        if ran.code.is_some() {
            // After an error, only files that could not be removed may be left.
            assert!(scraps.is_empty() || leaves_scraps, "{at}: {scraps:?}");
            let is_reported = ran.err.contains("error: could not ");
            assert!(
                is_reported || ran.code == done.code && now == *new,
                "{at}: says that it is done: {ran:?}"
            );
            assert!(ran.code == Some(2) || ran.code == done.code, "{at}: {ran:?}");
            assert!(ran.code != Some(0) || now == *new, "{at}: {ran:?}");
        }
        if now == *old || self.appends && now == *new {
            return;
        }
        self.assert_git_works(at, &scraps);
        let ran = self.run(&[]);
        assert_eq!(ran.code, done.code, "{at}, then again: {ran:?}");
        let mut last = self.state();
        // Git does not distinguish an empty directory from a missing one.
        let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut all| all.next().is_none());
        last.retain(|path, _| new.contains_key(path) || !is_empty(path));
        if !self.clears {
            last.retain(|path, _| !scraps.contains(path));
        }
        for path in last.keys().chain(new.keys()) {
            assert_eq!(last.get(path), new.get(path), "{at}, then again: {}", path.display());
        }
    }

    /// The temporary files that a killed run left.
    fn scraps(old: &Snapshot, new: &Snapshot, now: &Snapshot) -> BTreeSet<PathBuf> {
        let is_scrap =
            |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(SCRAP);
        let strange =
            now.keys().filter(|path| !old.contains_key(*path) && !new.contains_key(*path));
        strange.filter(is_scrap).cloned().collect()
    }

    /// Asserts that git works and sees only the expected files and the temporary ones.
    fn assert_git_works(&self, at: &str, scraps: &BTreeSet<PathBuf>) {
        if self.sandbox.top.join(".git").exists() {
            // Without optional locks, so that git itself writes nothing.
            let shown =
                self.sandbox.git(&["--no-optional-locks", "status", "--porcelain", "-uall"]);
            let shown = shown.lines().filter(|line| line.contains(SCRAP)).count();
            assert!(shown <= scraps.len(), "{at}");
        }
    }
}

fn must_have_passed(ran: &Ran) {
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
}

/// Restores the old files.
fn restore(old: &Snapshot, now: &Snapshot) {
    let (is_directory, is_link) = (|mode: u32| mode >> 12 == 0o04, |mode: u32| mode >> 12 == 0o12);
    for (path, (mode, _)) in now.iter().rev().filter(|(path, is)| old.get(*path) != Some(is)) {
        let removed =
            if is_directory(*mode) { fs::remove_dir(path) } else { fs::remove_file(path) };
        removed.unwrap();
    }
    for (path, (mode, bytes)) in old.iter().filter(|(path, was)| now.get(*path) != Some(was)) {
        if is_link(*mode) {
            symlink(OsStr::from_bytes(bytes), path).unwrap();
            continue;
        }
        let made = if is_directory(*mode) { fs::create_dir(path) } else { fs::write(path, bytes) };
        made.unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777)).unwrap();
    }
}

fn as_it_is(_path: &Path, bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Whether strace can inject faults here. Prints once if it cannot.
fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let sandbox = Sandbox::empty();
        let arguments = ["-c", "exec strace -o /dev/null -e inject=getppid:error=EIO:when=1 true"];
        let can = finish(sandbox.command("sh").args(arguments)).code == Some(0);
        if !can {
            println!("not tested: strace is not in PATH, or may not trace here; see .ci/run");
        }
        can
    })
}

/// Tests the cases, if strace can inject faults.
fn nothing_is_lost(cases: impl FnOnce() -> Vec<Case<'static>>) {
    if can_trace() {
        for case in cases() {
            assert!(case.fail_every_call() > 0);
        }
    }
}

fn with_hook() -> Sandbox {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    fs::set_permissions(
        sandbox.top.join(".git/hooks/pre-commit"),
        fs::Permissions::from_mode(0o751),
    )
    .unwrap();
    sandbox
}

/// A repository with tracked, shared hooks.
fn with_path() -> Sandbox {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".githooks/pre-push", "#!/bin/sh\nexit 0\n");
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    program_at_home(&sandbox);
    sandbox
}

fn with_husky() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", "{ \"devDependencies\": { \"husky\": \"^9.1.7\" } }\n");
    sandbox.write(".husky/pre-commit", "true\n");
    prepare_husky(&sandbox);
    program_at_home(&sandbox);
    sandbox
}

/// A bare repository; if it delegates, its `pre-receive` runs the files of a directory.
fn server(delegates: bool) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["init", "-q", "--bare", "../shop.git"]);
    let sandbox = sandbox.moved_to("shop.git");
    let text = if delegates {
        "#!/bin/sh\nlines=$(cat)\nfor hook in \"${GIT_DIR:-.}\"/hooks/pre-receive.d/*; do\n\
         echo \"$lines\" | \"$hook\" || exit 1\ndone\n"
    } else {
        "#!/bin/sh\ncat >/dev/null\n"
    };
    script(&sandbox, "hooks/pre-receive", text);
    sandbox
}

fn older() -> Sandbox {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", include_str!("../older/pre-commit"));
    sandbox
}

fn installed(sandbox: Sandbox, arguments: &[&str]) -> Sandbox {
    must(sandbox.bakstop(arguments));
    sandbox
}

#[test]
fn installing() {
    let cases = || {
        vec![
            Case::new(Sandbox::workspace(), &["install", "--strict"]),
            Case::new(with_hook(), &["install"]),
            Case::new(older(), &["install"]),
        ]
    };
    nothing_is_lost(cases);
}

#[test]
fn installing_shared_hooks() {
    let cases =
        || vec![Case::new(with_path(), &["install"]), Case::new(with_husky(), &["install"])];
    nothing_is_lost(cases);
}

#[test]
fn installing_on_a_server() {
    let cases = || {
        // Another user runs the hook, so the umask of the installing user does not matter.
        let strict =
            |sandbox| Case { umask: "077", ..Case::new(sandbox, &["install", "--server"]) };
        vec![strict(server(false)), strict(server(true))]
    };
    nothing_is_lost(cases);
}

#[test]
fn uninstalling() {
    let cases = || {
        vec![
            Case::new(installed(with_hook(), &["install", "--strict"]), &["uninstall"]),
            Case::new(installed(with_path(), &["install"]), &["uninstall"]),
            Case::new(installed(with_husky(), &["install"]), &["uninstall"]),
            Case::new(installed(server(false), &["install", "--server"]), &["uninstall"]),
            Case::new(installed(server(true), &["install", "--server"]), &["uninstall"]),
        ]
    };
    nothing_is_lost(cases);
}

#[test]
fn moving_pins() {
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        sandbox.write("web/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.0.0\n");
        sandbox.write("backend/Dockerfile", "FROM node:22\r\nRUN npm i -g pnpm@9.1.0");
        fs::set_permissions(sandbox.top.join("web/Dockerfile"), fs::Permissions::from_mode(0o606))
            .unwrap();
        sandbox.git(&["add", "-A"]);
        sandbox
    };
    let case = || Case { clears: false, ..Case::new(sandbox(), &["pins", "--set", "pnpm@10.8.0"]) };
    nothing_is_lost(|| vec![case()]);
}

#[test]
fn making_a_lockfile() {
    let path = "api/pnpm-lock.docker.yaml";
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        let manifest = r#"{"name": "api", "packageManager": "pnpm@10.6.5"}"#;
        sandbox.write("api/package.json", manifest);
        let lock = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n";
        sandbox.write(path, format!("{lock}\n"));
        sandbox.git(&["add", "-A"]);
        let script = format!("cat >pnpm-lock.yaml <<'END'\n{lock}END");
        with_pnpm(&sandbox, &script);
        sandbox
    };
    let case = || Case { clears: false, by_pnpm: true, ..Case::new(sandbox(), &["lockfile"]) };
    nothing_is_lost(|| vec![case()]);
}

#[test]
fn fixing_builds() {
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        let dockerfile = "FROM node:22-alpine\r\nCOPY . .\r\nRUN npm ci";
        sandbox.write("Dockerfile", dockerfile);
        sandbox.write("web/Dockerfile", "FROM node:22-alpine\nRUN npm ci\n");
        sandbox.write(".dockerignore", "a");
        fs::set_permissions(sandbox.top.join("web/Dockerfile"), fs::Permissions::from_mode(0o606))
            .unwrap();
        sandbox.git(&["add", "-A"]);
        sandbox
    };
    let case = || Case { clears: false, ..Case::new(sandbox(), &["doctor", "--fix"]) };
    nothing_is_lost(|| vec![case()]);
}

#[test]
fn restoring() {
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        for path in ["backend/package.json", "web/package.json"] {
            fs::copy(sandbox.top.join(path), sandbox.top.join(format!("{path}.bak"))).unwrap();
            sandbox.rewrite(path);
        }
        fs::set_permissions(
            sandbox.top.join("web/package.json"),
            fs::Permissions::from_mode(0o606),
        )
        .unwrap();
        sandbox.write(".docker-deps/a/x.tgz", "packed");
        sandbox.git(&["add", "-A"]);
        sandbox
    };
    let case = |arguments| Case { clears: false, ..Case::new(sandbox(), arguments) };
    let staged = || Case { by_git: true, ..case(&["restore", "--staged"]) };
    nothing_is_lost(|| vec![case(&["restore"]), staged()]);
}

/// A touched file has its comment or not, and `restore` takes it out: no call is in between.
#[test]
fn touching_a_file() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::workspace();
    sandbox.write("web/a.ts", "let a = 1;\n");
    sandbox.commit_all("Source");
    let case = Case::new(sandbox, &["measure", "--touch", "web/a.ts", "--runs", "1", "--", "true"]);
    let (sandbox, path) = (&case.sandbox, case.sandbox.top.join("web/a.ts"));
    let state = || (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
    let before = state();
    let (mut hits, mut left) = (0, 0);
    for (call, number) in case.calls() {
        for fault in ["signal=KILL", "error=ENOSPC", "error=EIO"] {
            let at = format!("{fault} at {call} number {number}");
            let inject = format!("inject={call}:{fault}:when={number}");
            let ran = case.traced(&["-e", &format!("trace={call}"), "-e", &inject]);
            let now = fs::read(&path).unwrap();
            let added = now.strip_prefix(&before.0[..]);
            let is_comment =
                |added: &[u8]| added.is_empty() || added.starts_with(b"// bakstop measure ");
            assert!(added.is_some_and(is_comment), "{at}: {now:?}");
            if now != before.0 {
                left += 1;
                let is_told = ran.code.is_none() || ran.code == Some(2);
                assert!(is_told, "{at}: says that it is done: {ran:?}");
                let warned = sandbox.bakstop(&["status"]).err;
                assert!(warned.starts_with("bakstop: web/a.ts has a comment of"), "{at}: {warned}");
            }
            let restored = sandbox.bakstop(&["restore"]);
            assert_eq!(restored.code, Some(0), "{at}: {restored:?}");
            assert_eq!(state(), before, "{at}");
            assert!(!sandbox.top.join(".git/bakstop/journal").exists(), "{at}");
            hits += 1;
        }
    }
    println!("{hits} faults, {left} left the comment");
    assert!(left > 0, "no fault was injected while the file was touched");
}

#[test]
fn preparing() {
    let case = || Case { empties: true, ..Case::new(crate::prep::outdated(), &["prep"]) };
    nothing_is_lost(|| vec![case()]);
}

#[test]
fn writing_a_report() {
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        sandbox.rewrite("web/package.json");
        sandbox.git(&["add", "-A"]);
        sandbox.write("reports/old.json", "old\n");
        fs::set_permissions(
            sandbox.top.join("reports/old.json"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        // This report lists files that a killed run left in the work tree.
        sandbox.write(".git/info/exclude", "/reports/\n");
        symlink("reports/old.json", sandbox.top.join("link.json")).unwrap();
        sandbox
    };
    let case = |arguments| Case { clears: false, ..Case::new(sandbox(), arguments) };
    let cases = || {
        vec![
            case(&["check", "--format", "sarif", "--output", "link.json"]),
            case(&["check", "--format", "junit", "--output", "reports/new.xml"]),
            case(&["verify", "--save-baseline", "reports/old.json"]),
        ]
    };
    nothing_is_lost(cases);
}

/// Removes times from the lines of runs. Other lines are unchanged.
fn without_times(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let run = |line: &str| -> Option<String> {
        let mut run: Value = serde_json::from_str(line).ok()?;
        for key in ["started", "seconds"] {
            run.as_object_mut()?.insert(key.to_owned(), Value::Null);
        }
        Some(run.to_string())
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if path.ends_with("runs") => text
            .split_inclusive('\n')
            .map(|line| {
                run(line).map_or(line.to_owned(), |run| {
                    run + line.strip_prefix(line.trim_end()).unwrap()
                })
            })
            .collect::<String>()
            .into_bytes(),
        _ => bytes.to_vec(),
    }
}

#[test]
fn recording_a_run() {
    let sandbox = || {
        let sandbox = Sandbox::workspace();
        must(sandbox.bakstop(&["verify", "--record", "../runs", "--", "true"]));
        fs::rename(sandbox.outside().join("runs"), sandbox.top.join("runs")).unwrap();
        sandbox.write(".git/info/exclude", "runs\n");
        sandbox
    };
    let record: &[&str] = &["verify", "--record", "runs", "--", "true"];
    // The number of processes after a build differs between runs.
    let case = || Case {
        only: Some("runs"),
        appends: true,
        normalize: without_times,
        ..Case::new(sandbox(), record)
    };
    nothing_is_lost(|| vec![case()]);
}

#[test]
fn a_partial_line_of_a_record_does_not_matter() {
    let sandbox = Sandbox::workspace();
    let label = "long".repeat(150);
    let record = |label| ["verify", "--record", "../runs", "--label", label, "--", "true"];
    must(sandbox.bakstop(&record("short")));
    let file = sandbox.outside().join("runs");
    let before = fs::read(&file).unwrap();
    // Files are limited to 512 bytes, which cuts the line.
    let limited = |tracer: &[&str]| {
        let limit = ["-c", "ulimit -f 1; exec \"$@\"", "sh"];
        sandbox.run("dash", &[&limit, tracer, &[BAKSTOP], &record(&label)].concat())
    };
    let ran = limited(&[]);
    assert!(
        ran.code == Some(2)
            && ran.err.contains("could not write the record ../runs: File too large"),
        "{ran:?}"
    );
    assert_eq!(fs::read(&file).unwrap(), before, "half a line is taken back");
    if !can_trace() {
        return;
    }
    let ran = limited(&["strace", "-o", "/dev/null", "-e", "inject=ftruncate:signal=KILL:when=1"]);
    assert_eq!((ran.code, fs::read(&file).unwrap().len()), (None, 512), "{ran:?}");
    let history = must(sandbox.bakstop(&["trend", "../runs", "--format", "json"]));
    let history: Value = serde_json::from_str(&history.out).unwrap();
    assert_eq!(history["runs"].as_array().unwrap().len(), 1, "{history}");
    must(sandbox.bakstop(&record(&label)));
    let after = fs::read_to_string(&file).unwrap();
    let labels: Vec<Value> = after
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["label"].clone())
        .collect();
    assert_eq!(labels, ["short", &label]);
    // A line that is not a run is not ours, and is kept.
    for text in ["{\"name\": \"shop\"", "x", "{\"label\":\"x\"}"] {
        fs::write(&file, text).unwrap();
        assert_eq!(sandbox.bakstop(&record("short")).code, Some(2), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn every_new_directory_is_synced() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::workspace();
    sandbox.git(&["config", "core.hooksPath", "a/b/c"]);
    program_at_home(&sandbox);
    must(
        sandbox
            .run("strace", &["-f", "-y", "-o", "../log", "-e", "trace=fsync", BAKSTOP, "install"]),
    );
    let log = fs::read_to_string(sandbox.outside().join("log")).unwrap();
    let top = sandbox.top.canonicalize().unwrap();
    for directory in ["", "/a", "/a/b", "/a/b/c"] {
        assert!(log.contains(&format!("<{}{directory}>)", top.display())), "{directory}: {log}");
    }
}

#[test]
fn another_group_gets_no_more_rights_than_others() {
    let sandbox = Sandbox::workspace();
    let report = sandbox.outside().join("report");
    fs::write(&report, "").unwrap();
    if std::os::unix::fs::chown(&report, None, Some(12345)).is_err() {
        println!("not tested: only root can make this");
        return;
    }
    fs::set_permissions(&report, fs::Permissions::from_mode(0o2674)).unwrap();
    let limited =
        ["--bounding-set=-chown", "--inh-caps=-all", BAKSTOP, "check", "--output", "../report"];
    let mut command = sandbox.command("setpriv");
    must(finish(command.args(limited)));
    let about = fs::metadata(&report).unwrap();
    assert_eq!(
        (std::os::unix::fs::MetadataExt::gid(&about), about.permissions().mode() & 0o7777),
        (0, 0o644)
    );
}
