//! Every way in which a work tree can be unclean, made by real commands and compared with git.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};
use crate::verify::{report, reported_paths};

pub(super) mod table;

use table::{FORK, LIBRARY, STATES};

/// A workspace in this state.
fn workspace_in(script: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    let script = script.replace("{FORK}", FORK).replace("{LIBRARY}", LIBRARY);
    // `true`: a background process must not change the exit code.
    let ran = sandbox.run("sh", &["-e", "-c", &format!("{script}\ntrue")]);
    assert_eq!(ran.code, Some(0), "{script}: {ran:?}");
    sandbox
}

/// The reported paths and unfinished operations.
fn reported_states(ran: &Ran) -> Vec<String> {
    let report = report(ran);
    let unfinished = report["unfinished"]["begun"].as_array().unwrap();
    let unfinished =
        unfinished.iter().map(|what| format!("{}: unfinished", what.as_str().unwrap()));
    reported_paths(ran).into_iter().chain(unfinished).collect()
}

/// Runs a test in every state; panics with the names of those that fail.
fn in_each_state(test: impl Fn(&Sandbox, &[&str])) {
    assert!(STATES.len() >= 40);
    let failed = STATES.iter().filter(|(_, script, expected)| {
        let sandbox = workspace_in(script);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&sandbox, expected))).is_err()
    });
    let failed: Vec<&str> = failed.map(|(name, ..)| *name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn exactly_the_states_of_paths_are_reported() {
    in_each_state(|sandbox, expected| {
        let ran = sandbox.bakstop(&["verify", "--format", "json"]);
        assert_eq!(reported_states(&ran), expected);
        assert_eq!(ran.code, Some(i32::from(!expected.is_empty())));
    });
}

/// A PATH with a git that lacks an option of newer versions, so that everything is read by git.
fn older_git(sandbox: &Sandbox) -> std::ffi::OsString {
    let directory = sandbox.outside().join("older");
    fs::create_dir(&directory).unwrap();
    let real = sandbox.run("sh", &["-c", "command -v git"]).out;
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--show-object-format*) echo fatal >&2; exit 128 ;; esac\n\
         exec {} \"$@\"\n",
        real.trim()
    );
    fs::write(directory.join("git"), script).unwrap();
    fs::set_permissions(directory.join("git"), Permissions::from_mode(0o755)).unwrap();
    let path = crate::support::path_without_bakstop();
    std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path))).unwrap()
}

#[test]
fn git_alone_gives_the_same_answer_as_our_own_walk() {
    in_each_state(|sandbox, expected| {
        let mut command = sandbox.command(BAKSTOP);
        let ran =
            finish(command.args(["verify", "--format", "json"]).env("PATH", older_git(sandbox)));
        assert_eq!(reported_states(&ran), expected);
    });
}

/// The states of each path by `git status --porcelain=v2 -z`.
fn status(sandbox: &Sandbox, arguments: &[&str]) -> BTreeMap<String, BTreeSet<&'static str>> {
    let arguments =
        [arguments, &["status", "--porcelain=v2", "-z", "-uall", "--no-renames"]].concat();
    let mut command = sandbox.command("git");
    let output = command.args(arguments).env("GIT_OPTIONAL_LOCKS", "0").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut paths: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for record in output.stdout.split(|&byte| byte == 0).filter(|record| !record.is_empty()) {
        let words = match record[0] {
            b'1' => 8,
            b'u' => 10,
            b'?' => 1,
            _ => continue,
        };
        let path = record.splitn(words + 1, |&byte| byte == b' ').last().unwrap();
        // The spelling of the report for names that are not UTF-8.
        let path = String::from_utf8(path.to_vec()).unwrap_or_else(|_| "b\\xff/c".into());
        let states = paths.entry(path).or_default();
        match record[0] {
            b'?' => _ = states.insert("untracked"),
            b'u' => _ = states.insert("conflicted"),
            _ => {
                states.extend((record[2] != b'.').then_some("staged"));
                states.extend(match record[3] {
                    b'.' => None,
                    b'D' => Some("deleted"),
                    _ => Some("modified"),
                });
            }
        }
    }
    paths
}

/// The reported states of each path.
fn states_by_path(report: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let states = |path: &Value| path["after"].as_array().unwrap().iter().map(text).collect();
    let paths = report["paths"].as_array().unwrap();
    paths.iter().map(|path| (text(&path["path"]), states(path))).collect()
}

/// Settings of git that hide no change.
const HIDING_NOTHING: [&str; 12] = [
    "-c",
    "core.fileMode=true",
    "-c",
    "core.checkStat=default",
    "-c",
    "core.fsmonitor=",
    "-c",
    "core.untrackedCache=false",
    "-c",
    "diff.ignoreSubmodules=none",
    "-c",
    "submodule.lib.ignore=none",
];

/// Every path of `git status` is reported. Other reported paths are hidden from git: by a setting,
/// by a mark in the index, or by ignore rules.
#[test]
fn paths_match_git_status_and_the_rest_is_hidden_by_git() {
    in_each_state(|sandbox, _| {
        let ours = states_by_path(&report(&sandbox.bakstop(&["verify", "--format", "json"])));
        let plain = status(sandbox, &[]);
        for (path, states) in &plain {
            let reported = ours.get(path).unwrap_or_else(|| panic!("{path} is not reported"));
            assert!(
                states.iter().all(|state| reported.contains(*state)),
                "{path}: {states:?} {reported:?}"
            );
        }
        let unhidden = status(sandbox, &HIDING_NOTHING);
        let marked = sandbox.git(&["ls-files", "-v"]);
        let marked: BTreeSet<&str> = marked
            .lines()
            .filter(|line| !line.starts_with(['H', 'M']))
            .map(|line| line.get(2..).unwrap())
            .collect();
        let ignored =
            sandbox.git(&["ls-files", "-z", "--others", "--ignored", "--exclude-standard"]);
        let ignored: BTreeSet<&str> = ignored.split_terminator('\0').collect();
        for (path, states) in &ours {
            let explained = plain.contains_key(path)
                || unhidden.contains_key(path)
                || (states.contains("hidden from git") && marked.contains(&**path))
                || (states.contains("ignored leftover") && ignored.contains(&**path))
                // Git never lists a pipe.
                || path == "new/pipe"
                // Changes inside a submodule are reported by its git, those of `.git` by none.
                || path == "lib"
                || path.contains("/.git/");
            assert!(explained, "{path}: {states:?}");
        }
        // `git diff` against the last commit, if there is one.
        let diff = sandbox.try_git(&["diff", "--name-only", "-z", "HEAD"]);
        if diff.code == Some(0) {
            for path in diff.out.split_terminator('\0') {
                assert!(ours.contains_key(path), "{path} differs by git diff");
            }
        }
    });
}
