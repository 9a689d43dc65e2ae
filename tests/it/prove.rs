//! `bakstop prove` in real repositories: its verdicts, and that it leaves no files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hooks::{must, script, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop};

mod partial;
mod repositories;
mod unproven;

/// The type of a file, its change time, and its bytes or target.
type Listed = (u32, (i64, i64), Vec<u8>);

/// The temporary directory of `prove`.
const TEMPORARY: &str = "tmp of prove";

/// Adds every file below a directory.
fn listing(directory: &Path, listed: &mut BTreeMap<PathBuf, Listed>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        let about = path.symlink_metadata().unwrap();
        let bytes = if about.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_vec()
        } else if about.is_dir() {
            listing(&path, listed);
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        // Reading a split index, also by `git status`, updates the time of its shared part.
        let timeless = name == TEMPORARY || name.starts_with("sharedindex.");
        let changed = if timeless { (0, 0) } else { (about.mtime(), about.mtime_nsec()) };
        listed.insert(path, (about.mode(), changed, bytes));
    }
}

/// Runs a changed `bakstop prove`, and asserts that no file changed in or around the repository.
fn prove_as(sandbox: &Sandbox, change: impl FnOnce(&mut Command)) -> Ran {
    let temporary = sandbox.outside().join(TEMPORARY);
    fs::create_dir_all(&temporary).unwrap();
    let list = || {
        let mut listed = BTreeMap::new();
        listing(sandbox.outside(), &mut listed);
        listed
    };
    let status = || {
        let mut status = sandbox.command("git");
        finish(
            status
                .args(["status", "--porcelain=v2", "--branch", "--ignored"])
                .env("GIT_OPTIONAL_LOCKS", "0"),
        )
    };
    // Changes by these git commands do not count.
    let (status_before, listed) = (status(), list());
    let mut command = sandbox.command(BAKSTOP);
    command.arg("prove").env("TMPDIR", &temporary);
    change(&mut command);
    let ran = finish(&mut command);
    let (listed_now, status_now) = (list(), status());
    assert_eq!(status_now, status_before);
    for path in listed.keys().chain(listed_now.keys()) {
        assert!(
            listed.get(path) == listed_now.get(path),
            "{} was changed: {ran:?}",
            path.display()
        );
    }
    ran
}

/// The JSON report, checked against its schema.
fn report(ran: &Ran) -> Value {
    let schema = serde_json::from_str(include_str!("../../docs/schema/prove.json")).unwrap();
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    report
}

fn prove(sandbox: &Sandbox) -> Ran {
    prove_as(sandbox, |_| {})
}

/// Asserts that it is proven for this topmost manifest, and for a nested one if there is one.
fn assert_proven(ran: &Ran, manifest: &str) {
    let only_untried = ran.err.lines().all(|line| line.starts_with("bakstop: not tried: "));
    assert!(ran.code == Some(0) && only_untried, "{ran:?}");
    let start = format!("bakstop: proven: pre-commit blocked a rewritten {manifest}");
    let rest = ran.out.strip_prefix(&start).unwrap_or_else(|| panic!("{ran:?}"));
    let is_followed = rest.starts_with(" (") || rest.starts_with(", then ");
    assert!(is_followed && ran.out.ends_with(" s)\n"), "{ran:?}");
}

/// Asserts that it is not proven: the first line has this reason, the second this help.
fn assert_not_proven(ran: &Ran, reason: &str, help: &str) {
    assert_eq!((ran.code, &*ran.err), (Some(1), ""), "{ran:?}");
    let mut lines = ran.out.lines();
    assert_eq!(
        lines.next().unwrap().strip_prefix("bakstop: not proven: ").unwrap(),
        reason,
        "{ran:?}"
    );
    assert_eq!(lines.next().unwrap().strip_prefix("help: ").unwrap(), help, "{ran:?}");
}

fn installed() -> Sandbox {
    let sandbox = Sandbox::workspace();
    must(sandbox.bakstop(&["install"]));
    sandbox
}

/// Runs the commands of the help: its one line, or the indented ones.
fn run_help(sandbox: &Sandbox, ran: &Ran) {
    let help = ran.out.split_once("\nhelp: ").unwrap().1;
    let help = help.split_once("\n\n").map_or(help, |(help, _)| help).trim_end();
    let indented: Vec<&str> = help.lines().filter(|line| line.starts_with("  ")).collect();
    let commands = if indented.is_empty() { help.to_owned() } else { indented.join("\n") };
    let path = std::env::join_paths(
        std::iter::once(Path::new(BAKSTOP).parent().unwrap().to_owned())
            .chain(std::env::split_paths(&path_without_bakstop())),
    );
    must(finish(sandbox.command("sh").args(["-e", "-c", &commands]).env("PATH", path.unwrap())));
}

const SEE: &str = "fix the cause; `bakstop prove -v` shows all of its output";

#[test]
fn a_guard_in_force_is_proven() {
    let sandbox = installed();
    assert_proven(&prove(&sandbox), "package.json");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.current_dir(sandbox.top.join("web"))),
        "package.json",
    );
    assert_proven(&prove_as(&sandbox, |command| _ = command.args(["-C", "web"])), "package.json");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.env("CLICOLOR_FORCE", "1").arg("--color=never")),
        "package.json",
    );

    let ran = prove_as(&sandbox, |command| _ = command.arg("-v"));
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    assert!(
        ran.err.starts_with("error[rewritten-manifest]: ") && ran.err.contains("/bakstop-proof-"),
        "{ran:?}"
    );

    let ran = prove_as(&sandbox, |command| _ = command.args(["--format", "json"]));
    let report = report(&ran);
    assert_eq!(report["schema"], "bakstop.prove/1");
    assert_eq!(report["proven"], true);
    let tried = |path: &str| json!({ "path": path, "path_hex": null, "blocked": true });
    assert_eq!(report["tried"], json!([tried("package.json"), tried("web/package.json")]));
    assert_eq!(report["untried"], 1);
    assert_eq!(
        (&report["hook"], &report["manifest"]),
        (&"pre-commit".into(), &"package.json".into())
    );
    assert!(
        report["reason"].is_null() && report["help"].is_null() && report["manifest_hex"].is_null()
    );
    assert!(report["output"][0].as_str().unwrap().starts_with("error[rewritten-manifest]"));
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    // It left no objects.
    assert_eq!(sandbox.git(&["fsck", "--unreachable"]), "");
}

#[test]
fn background_processes_of_a_hook_are_not_awaited_and_a_signal_is_no_proof() {
    let sandbox = Sandbox::workspace();
    for left in ["yes", "while echo x; do sleep 0.02; done", "sleep 60"] {
        let hook = format!(
            "#!/bin/sh\n{BAKSTOP} hook pre-commit\ncode=$?\n\
             timeout 60 sh -c '{left}' &\nexit $code\n"
        );
        script(&sandbox, ".git/hooks/pre-commit", &hook);
        let start = Instant::now();
        assert_proven(&prove(&sandbox), "package.json");
        assert!(start.elapsed() < Duration::from_secs(30), "{left}: {:?}", start.elapsed());
    }
    // The guard reports it, but the exit code of the hook is lost.
    let hook = format!("#!/bin/sh\n{BAKSTOP} hook pre-commit\nkill -9 $PPID\n");
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let ran = prove(&sandbox);
    let reason = "git was ended by a signal while it ran pre-commit";
    assert_not_proven(&ran, reason, "`bakstop prove -v` shows its output");
    assert!(ran.out.contains("  | error[rewritten-manifest]"), "{ran:?}");
}

/// A repository with husky that runs the guard.
fn husky(hook: Option<&str>) -> Sandbox {
    let sandbox = with_husky(hook);
    must(sandbox.bakstop(&["install"]));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Guard"]);
    sandbox
}

/// Another program called bakstop.
fn stand_in(path: &Path, version: &str, act: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; exit; fi\n{act}\n");
    // Written by another process, see `copy_of_program`.
    must(finish(
        Command::new("sh")
            .args(["-c", "printf %s \"$1\" >\"$2\"; chmod +x \"$2\"", "sh", &text])
            .arg(path),
    ));
}

#[test]
fn a_hook_can_see_that_this_is_not_a_commit() {
    let sandbox = Sandbox::workspace();
    let kept = "#!/bin/sh\n[ -n \"${BAKSTOP_PROVE-}\" ] && exit 0\nexit 1\n";
    script(&sandbox, ".git/hooks/pre-commit", kept);
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn the_hook_runs_as_in_a_commit() {
    let sandbox = Sandbox::workspace();
    let log = sandbox.outside().join("log");
    let hook = format!(
        "#!/bin/sh
{{
pwd; echo \"$#\"; readlink /proc/self/fd/0
env | sort | grep -E '^(GIT_|LC_|HOME|USER)' |
    grep -vE '^GIT_(INDEX_FILE|OBJECT|ALTERNATE|CONFIG_|AUTHOR)'
git diff --cached --name-only
}} > '{}' 2>&1
exit 1
",
        log.display()
    );
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    for directory in
        [sandbox.top.clone(), sandbox.top.join("web"), linked.clone(), linked.join("web")]
    {
        finish(sandbox.command(BAKSTOP).arg("prove").current_dir(&directory));
        let seen = fs::read_to_string(&log).unwrap();
        let top = if directory.starts_with(&linked) { &linked } else { &sandbox.top };
        fs::write(top.join("package.json"), "{ }\n").unwrap();
        finish(sandbox.command("git").args(["add", ":/package.json"]).current_dir(&directory));
        finish(sandbox.command("git").args(["commit", "-qm", "x"]).current_dir(&directory));
        assert_eq!(seen, fs::read_to_string(&log).unwrap(), "{}", directory.display());
        assert!(seen.contains("\npackage.json\n") || seen.ends_with("\npackage.json\n"), "{seen}");
    }
}

#[test]
fn a_git_without_hook_run_is_supported() {
    let old_git = |sandbox: &Sandbox| {
        let directory = sandbox.outside().join("old");
        let git = finish(sandbox.command("sh").args(["-c", "command -v git"])).out;
        stand_in(
            &directory.join("git"),
            "git version 2.34.1",
            &format!(
                "case \" $* \" in
  *' version '*) echo 'git version 2.34.1'; exit;;
  *' hook run '*) echo \"git: 'hook' is not a git command\" >&2; exit 1;;
esac
exec {} \"$@\"",
                git.trim_end()
            ),
        );
        std::env::join_paths(
            std::iter::once(directory).chain(std::env::split_paths(&path_without_bakstop())),
        )
        .unwrap()
    };
    let sandbox = installed();
    let path = old_git(&sandbox);
    assert_proven(&prove_as(&sandbox, |command| _ = command.env("PATH", &path)), "package.json");
    let linked = sandbox.outside().join("it's linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "linked", linked.to_str().unwrap()]);
    let below = linked.join("web");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.env("PATH", &path).current_dir(&below)),
        "package.json",
    );
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("PATH", &path));
    assert_not_proven(
        &ran,
        ".git/hooks/pre-commit is not executable: git ignores it",
        "bakstop install",
    );
    fs::remove_file(&hook).unwrap();
    assert_not_proven(
        &prove_as(&sandbox, |command| _ = command.env("PATH", &path)),
        "not installed",
        "bakstop install",
    );

    let sandbox = husky(None);
    let path = old_git(&sandbox);
    assert_proven(&prove_as(&sandbox, |command| _ = command.env("PATH", &path)), "package.json");
}

#[test]
fn a_hook_that_cannot_be_run_is_an_error() {
    let failed = |ran: &Ran, cause: &str| {
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(cause) && ran.err.contains("\nhelp: "), "{ran:?}");
    };
    let sandbox = Sandbox::empty();
    failed(&prove(&sandbox), "not a git repository");
    sandbox.git(&["init", "-q", "--bare"]);
    failed(&prove(&sandbox), "bare");
    let sandbox = installed();
    failed(
        &prove_as(&sandbox, |command| _ = command.env("PATH", "/nowhere")),
        "git could not be started",
    );
    failed(
        &prove_as(&sandbox, |command| _ = command.env("TMPDIR", "/nowhere")),
        "create a temporary directory",
    );
    failed(
        &prove_as(&sandbox, |command| _ = command.current_dir(sandbox.top.join(".git"))),
        "not inside a work tree",
    );
    sandbox.write(".git/refs/heads/main", "garbage\n");
    failed(&prove(&sandbox), "could not read HEAD");
    sandbox.write(".git/refs/heads/main", "1".repeat(40) + "\n");
    failed(&prove(&sandbox), "could not rehearse a commit");
    sandbox.write(".git/HEAD", "garbage\n");
    failed(&prove(&sandbox), "not a git repository");
}

#[test]
fn an_interrupted_attempt_leaves_nothing_behind() {
    let sandbox = Sandbox::workspace();
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        "#!/bin/sh\ntouch \"${0%/*}/started\"\n\
         while [ -e \"$GIT_INDEX_FILE\" ]; do sleep 0.1; done\n",
    );
    let temporary = sandbox.outside().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let child = sandbox
        .command(BAKSTOP)
        .arg("prove")
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = sandbox.top.join(".git/hooks/started");
    for _ in 0..200 {
        if started.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
    must(finish(Command::new("kill").arg(child.id().to_string())));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it was interrupted"), "{output:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_configuration_that_disables_the_rule_is_reported_with_its_line() {
    for (text, reason) in [
        (
            r#"{ "rules": { "rewritten-manifest": "off" } }"#,
            "bakstop.json:1:14 turns rewritten-manifest off",
        ),
        (
            r#"{ "rules": { "rewritten-manifest": "warning" } }"#,
            "bakstop.json:1:14 makes rewritten-manifest a warning",
        ),
        (
            r#"{ "allow": [{ "rule": "rewritten-manifest", "path": "*.json", "reason": "x" }] }"#,
            "bakstop.json:1:13 allows rewritten-manifest in package.json",
        ),
        (r#"{ "debris": { ".docker-deps": false } }"#, "bakstop.json:1:15 removes .docker-deps"),
    ] {
        let sandbox = Sandbox::workspace();
        must(sandbox.bakstop(&["install"]));
        sandbox.write("bakstop.json", text);
        assert_proven(&prove(&sandbox), "package.json");
        sandbox.commit_all("Configure");
        assert_not_proven(&prove(&sandbox), reason, "remove that from bakstop.json, and commit it");
    }
}

#[test]
fn an_ignored_guard_and_a_failing_hook_are_no_proof() {
    let sandbox = Sandbox::workspace();
    let hook = |guard: &str| {
        format!(
            "#!/bin/sh\n{BAKSTOP} hook pre-commit || {guard}\n\
             git diff --cached --name-only | grep -q CHANGELOG\n"
        )
    };
    script(&sandbox, ".git/hooks/pre-commit", &hook("true"));
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("but also fails on a harmless package.json"),
        "{ran:?}"
    );
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        &format!("#!/bin/sh\n{BAKSTOP} hook pre-commit || exit\n"),
    );
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn manifests_that_the_configuration_allows_are_named_with_the_proof() {
    let sandbox = Sandbox::workspace();
    let text =
        r#"{ "allow": [{ "rule": "rewritten-manifest", "path": "web/**", "reason": "x" }] }"#;
    sandbox.write("bakstop.json", text);
    sandbox.commit_all("Configure");
    must(sandbox.bakstop(&["install"]));
    let ran = prove(&sandbox);
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    let expected = "bakstop: not proven for every manifest: bakstop.json:1:13 allows \
                    rewritten-manifest in \
                    web/package.json\n";
    assert_eq!(ran.err, expected);
}

#[test]
fn objects_that_a_hook_stashes_are_kept() {
    let sandbox = Sandbox::workspace();
    let hook = format!(
        "#!/bin/sh\n\
         kept=$(git stash create) && git stash store -m lint \"$kept\"\n\
         {BAKSTOP} hook pre-commit || exit\n"
    );
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    sandbox.write("web/index.js", "export const mine = 1;\n");
    let ran = sandbox.bakstop(&["prove"]);
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    sandbox.git(&["fsck", "--strict"]);
    assert!(sandbox.git(&["stash", "show", "-p", "stash@{0}"]).contains("mine"));
}
