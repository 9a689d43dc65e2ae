//! Files that a verb writes: never over a tracked file, a file of git or its own input.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};

use super::{Kind, ZERO, bounded, bounded_in, pinned, put};
use crate::hooks::{must, snapshot};
use crate::support::Sandbox;

/// A workspace with other repositories next to it, and with links into git directories and to
/// tracked files.
fn with_git_directories() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    sandbox.git(&["init", "-q", "--bare", "../bare.git"]);
    sandbox.git(&["init", "-q", "--separate-git-dir", "../elsewhere", "../separate"]);
    symlink(".git", sandbox.top.join("link")).unwrap();
    symlink("web/index.js", sandbox.top.join("to-tracked")).unwrap();
    symlink(".git/config", sandbox.top.join("to-config")).unwrap();
    symlink("shop/link/new", sandbox.outside().join("dangling")).unwrap();
    symlink("../dangling", sandbox.top.join("to-dangling")).unwrap();
    sandbox
}

#[test]
fn output_never_replaces_tracked_files_or_files_of_git() {
    let options: [(&[&str], &[&str]); 4] = [
        (&["check", "--format", "json", "--output"], &[]),
        (&["verify", "--format", "json", "--output"], &[]),
        (&["verify", "--save-baseline"], &[]),
        (&["verify", "--record"], &["--", "touch", "built"]),
    ];
    let inside = "it is part of a git directory";
    for (path, words) in [
        (".git/config", inside),
        (".git/new", inside),
        (".git/hooks/pre-commit", inside),
        ("web/../.git/new", inside),
        ("link/new", inside),
        ("to-config", inside),
        ("../dangling", inside),
        ("to-dangling", inside),
        ("/proc/self/cwd/.git/config", inside),
        ("/dev/../proc/self/cwd/.git/new", inside),
        ("../linked/.git", inside),
        (".git/worktrees/linked/new", inside),
        ("../bare.git/new", inside),
        ("../bare.git/hooks/pre-receive", inside),
        ("../elsewhere/new", inside),
        ("web/index.js", "git tracks it"),
        ("to-tracked", "git tracks it"),
        ("../linked/web/index.js", "git tracks it"),
        ("package.json", "git tracks it"),
    ] {
        let sandbox = with_git_directories();
        let before = (snapshot(&sandbox.top), snapshot(&sandbox.outside().join("elsewhere")));
        for (option, command) in options {
            let ran = bounded(&sandbox, "a destination", &[option, &[path], command].concat());
            assert!(ran.code == Some(2) && ran.err.contains(words), "{option:?} {path}: {ran:?}");
            assert!(ran.err.contains("\nhelp: name "), "{option:?} {path}: {ran:?}");
            let after = (snapshot(&sandbox.top), snapshot(&sandbox.outside().join("elsewhere")));
            assert!(before == after, "{option:?} {path}");
        }
    }
    for path in [
        "report",
        "../report",
        "web/report",
        ".github/report",
        "../linked/report",
        "../separate/report",
    ] {
        for (option, command) in options {
            let sandbox = with_git_directories();
            sandbox.write(".github/x", "");
            let ran = bounded(&sandbox, "a destination", &[option, &[path], command].concat());
            assert!(
                ran.code.is_some_and(|code| code < 2) && sandbox.top.join(path).exists(),
                "{option:?}: {ran:?}"
            );
        }
    }
}

#[test]
fn tracked_files_are_recognized_with_git_dir_set() {
    let sandbox = Sandbox::workspace();
    fs::rename(sandbox.top.join(".git"), sandbox.outside().join("hidden")).unwrap();
    let line = "export GIT_DIR=$PWD/../hidden GIT_WORK_TREE=$PWD; exec \"$@\"";
    for (path, code) in [("web/index.js", 2), ("../hidden/new", 2), ("new", 0), ("../new", 0)] {
        let ran = bounded_in(
            &sandbox,
            "GIT_DIR is set",
            line,
            &["check", "--tree", "HEAD", "--output", path],
        );
        assert_eq!(ran.code, Some(code), "{path}: {ran:?}");
    }
}

#[test]
fn tracked_files_are_recognized_in_a_missing_directory() {
    let restore = ["--", "git", "checkout", "-q", "--", "web"];
    for (options, command) in [
        (&["check", "--tree", "HEAD", "--output", "web/index.js"][..], &[][..]),
        (&["verify", "--output", "web/index.js"], &restore),
        (&["verify", "--record", "web/index.js"], &restore),
    ] {
        let sandbox = Sandbox::workspace();
        fs::remove_dir_all(sandbox.top.join("web")).unwrap();
        let ran = bounded(&sandbox, "an absent directory", &[options, command].concat());
        assert!(ran.code == Some(2) && ran.err.contains("git tracks it"), "{options:?}: {ran:?}");
        assert!(!sandbox.top.join("web").exists());
    }
}

#[test]
fn a_file_that_a_build_adds_is_not_overwritten() {
    let add = ["--", "sh", "-c", "echo built >report && git add report"];
    for option in ["--output", "--record"] {
        let sandbox = Sandbox::workspace();
        let ran = bounded(
            &sandbox,
            "added by the build",
            &[&["verify", option, "report"][..], &add].concat(),
        );
        assert!(ran.code != Some(0) && ran.err.contains("git tracks it"), "{option}: {ran:?}");
        assert_eq!(fs::read_to_string(sandbox.top.join("report")).unwrap(), "built\n");
    }
}

#[test]
fn nothing_is_written_if_git_cannot_list_tracked_files() {
    let sandbox = Sandbox::workspace();
    fs::rename(sandbox.top.join(".git"), sandbox.outside().join("hidden")).unwrap();
    sandbox.write("../hidden/index", "no index");
    let line = "export GIT_DIR=$PWD/../hidden GIT_WORK_TREE=$PWD; exec \"$@\"";
    let ran = bounded_in(
        &sandbox,
        "a broken index",
        line,
        &["check", "--tree", "HEAD", "--output", "new"],
    );
    assert!(ran.code == Some(2) && ran.err.contains("could not read the index"), "{ran:?}");
    assert!(!sandbox.top.join("new").exists());
}

#[test]
fn no_command_overwrites_its_own_input() {
    let scene = || {
        let sandbox = Sandbox::workspace();
        must(sandbox.bakstop(&["verify", "--save-baseline", "../baseline"]));
        must(sandbox.bakstop(&["verify", "--record", "../record", "--", "true"]));
        fs::write(sandbox.outside().join("config"), "{}\n").unwrap();
        symlink("config", sandbox.outside().join("link")).unwrap();
        sandbox
    };
    for (options, output, command) in [
        (&["verify", "--record", "../record"][..], "../record", &["--", "touch", "built"][..]),
        (&["verify", "--record", "../absent"], "../absent", &["--", "touch", "built"]),
        (&["verify", "--baseline", "../baseline"], "web/../../baseline", &[]),
        (&["trend", "../record"], "../record", &[]),
        (&["check", "--tree", "HEAD", "--config", "../config"], "../link", &[]),
        (&["check", "--tree", "HEAD", "--config", "../link"], "../config", &[]),
    ] {
        let sandbox = scene();
        let before = snapshot(sandbox.outside());
        let ran =
            bounded(&sandbox, "an input", &[options, &["--output", output], command].concat());
        assert!(
            ran.code == Some(2) && ran.err.contains("this command reads it"),
            "{options:?}: {ran:?}"
        );
        assert!(
            ran.err.contains("\nhelp: name another") && snapshot(sandbox.outside()) == before,
            "{options:?}"
        );
    }
}

#[test]
fn a_report_is_written_to_a_fifo_with_a_reader_only() {
    let sandbox = Sandbox::workspace();
    let fifo = sandbox.outside().join("fifo");
    put(&fifo, Kind::Fifo);
    let ran =
        bounded(&sandbox, "--output: a FIFO without a reader", &["check", "--output", "../fifo"]);
    assert!(ran.code == Some(2) && ran.err.contains("no process reads from this FIFO"), "{ran:?}");
    let line = "cat ../fifo >../read & \"$@\"; code=$?; wait; exit $code";
    let ran = bounded_in(
        &sandbox,
        "--output: a FIFO with a reader",
        line,
        &["check", "--format", "json", "--output", "../fifo"],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        fs::read_to_string(sandbox.outside().join("read")).unwrap().contains("bakstop.check/1")
    );
    assert!(fs::symlink_metadata(fifo).unwrap().file_type().is_fifo());
    for (kind, code) in
        [(Kind::Socket, 2), (Kind::Directory, 2), (ZERO, 0), (Kind::LinkTo("nothing"), 0)]
    {
        let sandbox = Sandbox::workspace();
        put(&sandbox.outside().join("target"), kind);
        let ran =
            bounded(&sandbox, &format!("--output: {kind:?}"), &["check", "--output", "../target"]);
        assert_eq!(ran.code, Some(code), "{kind:?}: {ran:?}");
    }
}

#[test]
fn pins_are_not_moved_through_a_link_that_leaves_the_repository() {
    for (target, words) in
        [("../elsewhere", "outside the work tree"), (".git/inside", "a git directory")]
    {
        let sandbox = pinned();
        let (inside, real) = (sandbox.top.join("images"), sandbox.top.join(target));
        sandbox.write("images/Dockerfile", "RUN npm i -g pnpm@10.6.5\n");
        sandbox.git(&["add", "-A"]);
        fs::rename(&inside, &real).unwrap();
        symlink(&real, &inside).unwrap();
        let before = (snapshot(&sandbox.top), snapshot(&real));
        for arguments in
            [&["pins", "--set", "pnpm@10.8.0"][..], &["pins", "--set", "pnpm@10.8.0", "--check"]]
        {
            let ran = bounded(&sandbox, "a linked directory", arguments);
            let is_check = arguments.contains(&"--check");
            assert_eq!(ran.code, Some(if is_check { 1 } else { 2 }), "{ran:?}");
            assert!(
                is_check || ran.err.contains("change images/Dockerfile") && ran.err.contains(words),
                "{ran:?}"
            );
            assert!(
                before == (snapshot(&sandbox.top), snapshot(&real)),
                "nothing is written, not even elsewhere"
            );
        }
    }
}
