//! FIFOs, sockets, devices, directories, links and unreadable files under every name that a verb
//! reads or writes. No verb may wait or use memory without limit, and unreadable files must be
//! reported.
//!
//! With `--nocapture`, each case prints its exit code and its time.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::hooks::{install, must, prepare_husky, program_at_home, script, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

mod signals;
mod writing;

/// Stops the command after 20 seconds with exit code 124, and limits it to 4 GiB of memory.
const BOUNDED: &str = "ulimit -v 4194304; exec timeout -k 1 20 \"$@\"";

/// Runs the program within these limits.
fn bounded(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Ran {
    bounded_in(sandbox, name, "exec \"$@\"", arguments)
}

/// [`bounded`] in an environment: a shell line that ends in the command.
fn bounded_in(sandbox: &Sandbox, name: &str, line: &str, arguments: &[&str]) -> Ran {
    let start = Instant::now();
    let mut command = sandbox.command("sh");
    command.args(["-c", BOUNDED, "sh", "sh", "-c", line, "sh", BAKSTOP]).args(arguments);
    let ran = finish(&mut command);
    let seconds = start.elapsed().as_secs_f64();
    let code = ran.code.unwrap_or(-1);
    println!("| {name} | `{}` | {code} | {seconds:.2} s |", arguments.join(" "));
    assert!(ran.code.is_some_and(|code| code < 124), "{name}: {arguments:?}: {ran:?}");
    ran
}

/// A type of file to create at a path.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Fifo,
    Socket,
    Directory,
    LinkTo(&'static str),
}

const ZERO: Kind = Kind::LinkTo("/dev/zero");

/// Creates such a file, and replaces an existing one.
fn put(path: &Path, kind: Kind) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    match kind {
        Kind::Fifo => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        // A path may be too long for a socket, but a name is not.
        Kind::Socket => {
            let short = tempfile::tempdir().unwrap();
            drop(UnixListener::bind(short.path().join("s")).unwrap());
            assert!(
                Command::new("mv")
                    .arg(short.path().join("s"))
                    .arg(path)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        Kind::Directory => fs::create_dir(path).unwrap(),
        Kind::LinkTo(target) => symlink(target, path).unwrap(),
    }
}

/// Runs verbs in a new repository with such a file at a path. Each verb has its exit code and a
/// part of its output.
fn check_verbs(scene: fn() -> Sandbox, path: &str, kind: Kind, verbs: &[(&[&str], i32, &str)]) {
    for (arguments, code, words) in verbs {
        let sandbox = scene();
        put(&sandbox.top.join(path), kind);
        let kind_of = || fs::symlink_metadata(sandbox.top.join(path)).unwrap().file_type();
        let before = kind_of();
        let ran = bounded(&sandbox, &format!("{path}: {kind:?}"), arguments);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(
            ran.code == Some(*code) && all.contains(words),
            "{path}: {kind:?}: {arguments:?}: {ran:?}"
        );
        assert!(
            *code != 2 || ran.err.contains("\nhelp: "),
            "{path}: {kind:?}: {arguments:?}: {ran:?}"
        );
        assert!(
            *code != 2 || kind_of() == before,
            "{path}: {kind:?}: {arguments:?}: it is left alone"
        );
    }
}

fn hooked() -> Sandbox {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    sandbox
}

fn pinned() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "RUN npm i -g pnpm@10.6.5\n");
    sandbox.commit_all("Pin");
    sandbox
}

const FIFO: &str = "it is a FIFO, not a regular file";
const SOCKET: &str = "it is a socket, not a regular file";
const DEVICE: &str = "it is a device, not a regular file";

#[test]
fn every_verb_with_a_manifest_that_is_a_fifo() {
    let verbs: [(&[&str], i32, &str); 29] = [
        (&["check"], 0, ""),
        (&["check", "--worktree"], 2, FIFO),
        (&["check", "--tree", "HEAD"], 0, ""),
        (&["check", "--range", "HEAD~1..HEAD"], 0, ""),
        (&["check", "--history"], 0, ""),
        (&["check", "--show-files", "--worktree"], 2, FIFO),
        (&["verify"], 1, "package.json"),
        (&["verify", "--", "true"], 0, ""),
        (&["verify", "--save-baseline", "../b.json"], 0, ""),
        (&["measure", "--runs", "1", "--", "true"], 0, ""),
        (&["prove"], 2, FIFO),
        (&["pins"], 2, FIFO),
        (&["lockfile", "--check"], 2, FIFO),
        (&["lockfile"], 2, FIFO),
        (&["doctor"], 2, FIFO),
        (&["doctor", "--tree", "HEAD"], 0, ""),
        (&["doctor", "--fix"], 2, FIFO),
        (&["pins", "--set", "pnpm@10.8.0"], 2, FIFO),
        (&["pins", "--set", "pnpm@10.8.0", "--dry-run"], 2, FIFO),
        (&["prep"], 2, FIFO),
        (&["restore"], 2, FIFO),
        (&["restore", "--staged"], 0, ""),
        (&["install"], 2, FIFO),
        (&["install", "--native"], 0, ""),
        (&["uninstall"], 0, ""),
        (&["status"], 2, FIFO),
        (&["hook", "pre-commit"], 0, ""),
        (&["explain", "rewritten-manifest"], 0, ""),
        (&["rules"], 0, ""),
    ];
    check_verbs(pinned, "package.json", Kind::Fifo, &verbs);
}

#[test]
fn manifests_that_are_not_regular_files() {
    let refused = |words| {
        [(&["pins"][..], 2, words), (&["check", "--worktree"], 2, words), (&["status"], 2, words)]
    };
    check_verbs(pinned, "package.json", Kind::Socket, &refused(SOCKET));
    // For git, a link is not a manifest; for a hook manager, it is.
    let linked = |words| {
        [(&["pins"][..], 0, ""), (&["check", "--worktree"], 0, ""), (&["status"], 2, words)]
    };
    check_verbs(pinned, "package.json", ZERO, &linked(DEVICE));
    check_verbs(pinned, "package.json", Kind::LinkTo("package.json"), &linked("Too many levels"));
    let absent = [
        (&["pins"][..], 0, ""),
        (&["check", "--worktree"], 0, ""),
        (&["status"], 1, "not installed"),
    ];
    check_verbs(pinned, "package.json", Kind::LinkTo("nothing"), &absent);
    check_verbs(pinned, "package.json", Kind::Directory, &absent);
    check_verbs(
        pinned,
        "web/package.json",
        Kind::Fifo,
        &[(&["pins"], 2, FIFO), (&["prove"], 1, "not proven")],
    );
    check_verbs(
        pinned,
        "web/package.json",
        Kind::Fifo,
        &[(&["verify"], 1, "web/package.json"), (&["status"], 1, "")],
    );
}

fn built() -> Sandbox {
    let sandbox = pinned();
    for path in [".dockerignore", ".npmrc", ".gitlab-ci.yml"] {
        sandbox.write(path, "");
    }
    sandbox.write("compose.yaml", "services: {a: {build: {dockerfile: image}}}\n");
    sandbox.write("image", "FROM node:22\n");
    sandbox.commit_all("Build");
    sandbox
}

#[test]
fn files_of_builds_that_are_not_regular_files() {
    let paths =
        ["Dockerfile", ".dockerignore", "compose.yaml", ".npmrc", ".gitlab-ci.yml", "image"];
    for path in paths {
        check_verbs(built, path, Kind::Fifo, &[(&["doctor", "--fix"], 2, FIFO)]);
        check_verbs(built, path, Kind::Fifo, &[(&["doctor"], 2, FIFO)]);
        // A link is not read.
        check_verbs(built, path, ZERO, &[(&["doctor"], 0, "")]);
    }
}

/// The verbs that let git read the whole work tree.
const WAITS: [&[&str]; 6] = [
    &["check", "--worktree"],
    &["pins"],
    &["prep"],
    &["restore"],
    &["verify"],
    &["verify", "--", "true"],
];

#[test]
fn files_of_git_that_are_not_regular_files() {
    for path in [".gitignore", ".gitattributes", ".gitmodules"] {
        check_verbs(pinned, path, Kind::Fifo, &WAITS.map(|verb| (verb, 2, FIFO)));
        check_verbs(
            pinned,
            path,
            Kind::Fifo,
            &[(&["check"], 0, ""), (&["status"], 1, ""), (&["install"], 0, "installed")],
        );
    }
}

#[test]
fn ignore_and_attribute_files_that_are_not_regular_files() {
    for path in ["web/.gitignore", "new/.gitignore", "web/.gitattributes"] {
        check_verbs(pinned, path, Kind::Fifo, &WAITS.map(|verb| (verb, 2, FIFO)));
        check_verbs(pinned, path, Kind::Fifo, &[(&["check"], 0, ""), (&["status"], 1, "")]);
    }
}

#[test]
fn repository_files_that_are_not_regular_files() {
    let by_git: [&[&str]; 7] = [
        &["check", "--worktree"],
        &["check", "--tree", "HEAD"],
        &["check", "--history"],
        &["pins"],
        &["verify"],
        &["status"],
        &["prove"],
    ];
    // The index is read without git and without unneeded files.
    for (path, code) in [
        ("commondir", 2),
        ("config", 2),
        ("index", 2),
        ("info/exclude", 0),
        ("objects/info/alternates", 0),
        ("packed-refs", 0),
        ("refs/heads/main", 2),
        ("refs/heads/other", 0),
    ] {
        let path = format!(".git/{path}");
        let words = if code == 2 { FIFO } else { "" };
        check_verbs(pinned, &path, Kind::Fifo, &by_git.map(|verb| (verb, 2, FIFO)));
        check_verbs(pinned, &path, Kind::Fifo, &[(&["check"], code, words)]);
    }
}

#[test]
fn hooks_that_are_not_regular_files() {
    let hook = ".git/hooks/pre-commit";
    for (kind, words) in [(Kind::Fifo, FIFO), (Kind::Socket, SOCKET)] {
        let verbs: [(&[&str], i32, &str); 6] = [
            (&["status"], 2, words),
            (&["install"], 2, words),
            (&["install", "--native"], 2, "is not a file"),
            (&["uninstall"], 0, "not installed"),
            (&["prove"], 2, words),
            (&["hook", "pre-commit"], 0, ""),
        ];
        check_verbs(Sandbox::workspace, hook, kind, &verbs);
        // The other hooks are ours, so no manager is looked for.
        let verbs: [(&[&str], i32, &str); 4] = [
            (&["status"], 1, "not in force: not installed"),
            (&["install"], 2, "is not a file"),
            (&["uninstall"], 0, "uninstalled"),
            (&["prove"], 2, words),
        ];
        check_verbs(hooked, hook, kind, &verbs);
    }
    let verbs: [(&[&str], i32, &str); 4] = [
        (&["status"], 2, DEVICE),
        (&["install"], 2, DEVICE),
        (&["uninstall"], 0, "not installed"),
        (&["prove"], 2, DEVICE),
    ];
    check_verbs(Sandbox::workspace, hook, ZERO, &verbs);
    check_verbs(
        hooked,
        hook,
        Kind::LinkTo("pre-commit"),
        &[(&["uninstall"], 0, ""), (&["status"], 1, "not in force")],
    );
    check_verbs(
        hooked,
        hook,
        Kind::LinkTo("nothing"),
        &[(&["status"], 1, "not in force"), (&["prove"], 1, "not proven")],
    );
    check_verbs(
        hooked,
        hook,
        Kind::Directory,
        &[(&["status"], 1, "not in force"), (&["install"], 2, "is not a file")],
    );
    check_verbs(
        hooked,
        ".git/hooks/pre-commit.before-bakstop",
        Kind::Fifo,
        &[(&["uninstall"], 0, ""), (&["status"], 0, "")],
    );
    check_verbs(
        hooked,
        ".git/hooks/pre-commit.before-bakstop",
        ZERO,
        &[(&["status"], 0, "does not point to a file")],
    );
}

#[test]
fn hook_manager_configurations_that_are_not_regular_files() {
    for path in ["lefthook.yml", ".pre-commit-config.yaml", ".config/lefthook.toml", "prek.toml"] {
        let refused =
            |words| [(&["status"][..], 2, words), (&["install"], 2, words), (&["prove"], 2, words)];
        check_verbs(Sandbox::workspace, path, Kind::Fifo, &refused(FIFO));
        check_verbs(Sandbox::workspace, path, ZERO, &refused(DEVICE));
    }
    check_verbs(
        Sandbox::workspace,
        "lefthook.yml",
        Kind::Socket,
        &[(&["install"], 2, SOCKET), (&["uninstall"], 0, "")],
    );
    check_verbs(
        Sandbox::workspace,
        "lefthook.yml",
        Kind::Directory,
        &[(&["install"], 0, "installed"), (&["prove"], 1, "")],
    );
}

#[test]
fn husky_files_that_are_not_regular_files() {
    let husky = || with_husky(Some("true\n"));
    let file = ".husky/pre-commit";
    let refused = |words| {
        [(&["install"][..], 2, "is not a file"), (&["prove"], 2, words), (&["uninstall"], 0, "")]
    };
    check_verbs(husky, file, Kind::Fifo, &refused(FIFO));
    check_verbs(husky, file, Kind::Fifo, &[(&["status"], 1, "not in force")]);
    check_verbs(husky, file, Kind::LinkTo("nothing"), &[(&["install"], 2, "is not a file")]);
    // Husky is not prepared, so this file decides whether it is used.
    let unprepared = || {
        let sandbox = with_husky(Some("true\n"));
        sandbox.git(&["config", "--unset", "core.hooksPath"]);
        sandbox.write("package.json", "{}\n");
        sandbox
    };
    check_verbs(
        unprepared,
        file,
        Kind::Fifo,
        &[(&["status"], 2, FIFO), (&["install"], 2, FIFO), (&["prove"], 2, FIFO)],
    );
    let outside = || with_husky(Some("true\n"));
    check_verbs(
        outside,
        file,
        ZERO,
        &[(&["install"], 2, "outside the work tree"), (&["status"], 2, "outside")],
    );
    let start = || {
        let sandbox = Sandbox::workspace();
        sandbox.write("package.json", "{ \"devDependencies\": { \"husky\": \"9\" } }\n");
        sandbox.write(".husky/pre-commit", "true\n");
        prepare_husky(&sandbox);
        program_at_home(&sandbox);
        put(&sandbox.home().join(".config/husky/init.sh"), Kind::Fifo);
        sandbox
    };
    let sandbox = start();
    assert_eq!(bounded(&sandbox, "husky/init.sh: FIFO", &["status"]).code, Some(2));
}

#[test]
fn user_wide_hooks_that_are_not_regular_files() {
    for (kind, words) in [(Kind::Fifo, FIFO), (ZERO, DEVICE)] {
        let sandbox = Sandbox::workspace();
        let hooks = sandbox.home().join("hooks");
        sandbox.git(&["config", "--global", "core.hooksPath", hooks.to_str().unwrap()]);
        put(&hooks.join("pre-commit"), kind);
        for verb in ["status", "install", "prove"] {
            let ran = bounded(&sandbox, &format!("a global hook: {kind:?}"), &[verb]);
            assert!(ran.code == Some(2) && ran.err.contains(words), "{ran:?}");
        }
    }
}

#[test]
fn files_named_by_options_that_are_not_regular_files() {
    let options: [&[&str]; 8] = [
        &["check", "--worktree", "--config"],
        &["check", "--config"],
        &["check", "--tree", "HEAD", "--config"],
        &["pins", "--config"],
        &["verify", "--baseline"],
        &["trend"],
        &["verify", "--budget", "1h", "--record"],
        &["check", "--history", "--config"],
    ];
    for option in options {
        for (kind, words) in [
            (Kind::Fifo, FIFO),
            (Kind::Socket, SOCKET),
            (ZERO, DEVICE),
            (Kind::Directory, "directory"),
        ] {
            let sandbox = Sandbox::workspace();
            put(&sandbox.outside().join("file"), kind);
            let command: &[&str] =
                if option.contains(&"--record") { &["--", "touch", "built"] } else { &[] };
            let ran =
                bounded(&sandbox, &format!("{kind:?}"), &[option, &["../file"], command].concat());
            assert!(
                ran.code == Some(2) && ran.err.contains(words),
                "{option:?}: {kind:?}: {ran:?}"
            );
            assert!(ran.err.contains("\nhelp: ") && !sandbox.top.join("built").exists(), "{ran:?}");
        }
    }
    let sandbox = Sandbox::workspace();
    sandbox.write(".git/large", vec![b' '; 2 << 20]);
    let ran = bounded(
        &sandbox,
        "a large configuration",
        &["check", "--tree", "HEAD", "--config", ".git/large"],
    );
    assert!(
        ran.code == Some(2) && ran.err.contains("it is larger than 1 MiB\nhelp: make it smaller"),
        "{ran:?}"
    );
}

#[test]
fn endless_lines_on_standard_input() {
    let sandbox = Sandbox::workspace();
    for arguments in [
        &["check", "--push=origin"][..],
        &["check", "--receive"],
        &["hook", "pre-push", "origin", "x"],
    ] {
        let ran =
            bounded_in(&sandbox, "standard input: /dev/zero", "exec \"$@\" </dev/zero", arguments);
        assert!(ran.code == Some(2) && ran.err.contains("the input is too long"), "{ran:?}");
    }
}

/// Runs as a user without the right to read everything, which is taken from root.
const UNPRIVILEGED: &str = "if [ \"$(id -u)\" != 0 ]; then exec \"$@\"; fi; \
    exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all \"$@\"";

#[test]
fn unreadable_files() {
    let all: [(&str, &[&str]); 10] = [
        ("package.json", &["pins"]),
        ("package.json", &["check", "--worktree"]),
        ("package.json", &["status"]),
        ("package.json", &["install"]),
        (".git/hooks/pre-commit", &["status"]),
        (".git/hooks/pre-commit", &["install"]),
        (".git/hooks/pre-commit", &["uninstall"]),
        ("lefthook.yml", &["install"]),
        ("bakstop.json", &["check", "--worktree", "--config", "bakstop.json"]),
        ("bakstop.json", &["verify", "--", "true"]),
    ];
    for (path, arguments) in all {
        let sandbox = pinned();
        script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\n");
        for name in ["lefthook.yml", "bakstop.json"] {
            sandbox.write(name, "{}\n");
        }
        if path != "lefthook.yml" {
            fs::remove_file(sandbox.top.join("lefthook.yml")).unwrap();
        }
        fs::set_permissions(sandbox.top.join(path), fs::Permissions::from_mode(0o000)).unwrap();
        if bounded_in(&sandbox, "readable all the same", UNPRIVILEGED, &["status"]).code
            == Some(125)
        {
            println!("not tested: there is no setpriv here");
            return;
        }
        let ran = bounded_in(&sandbox, &format!("{path}: unreadable"), UNPRIVILEGED, arguments);
        assert!(
            ran.code == Some(2) && ran.err.contains("Permission denied"),
            "{path}: {arguments:?}: {ran:?}"
        );
        assert!(ran.err.contains("\nhelp: "), "{ran:?}");
    }
}

/// A git that runs a command after it has answered, like another process at that moment.
fn meddling_git(sandbox: &Sandbox, command: &str, act: &str) -> String {
    let real = finish(sandbox.command("sh").args(["-c", "command -v git"])).out;
    let bin = sandbox.outside().join("bin");
    let text = format!(
        "#!/bin/sh\n{} \"$@\"\ncode=$?\nfor word do if [ \"$word\" = {command} ]; then {act}; fi; \
         done\nexit $code\n",
        real.trim()
    );
    fs::create_dir_all(&bin).unwrap();
    script(sandbox, "../bin/git", &text);
    format!("PATH={}:$PATH exec \"$@\"", bin.display())
}

#[test]
fn files_that_vanish_or_are_replaced_between_listing_and_reading() {
    let manifest = "web/package.json";
    let (gone, fifo) =
        (format!("rm -f {manifest}"), format!("rm -f {manifest}; mkfifo {manifest}"));
    let zero = format!("rm -f {manifest}; ln -s /dev/zero {manifest}");
    let all: [(&str, &str, &[&str], i32); 9] = [
        ("ls-files", &gone, &["check", "--worktree"], 0),
        ("ls-files", &fifo, &["check", "--worktree"], 2),
        ("ls-files", &zero, &["check", "--worktree"], 0),
        ("ls-files", &fifo, &["pins"], 2),
        ("ls-files", &gone, &["pins", "--set", "pnpm@10.8.0"], 0),
        ("diff-files", &fifo, &["verify"], 1),
        ("diff-files", &gone, &["verify", "--", "true"], 1),
        // The first snapshot already has the FIFO.
        ("diff-files", &fifo, &["verify", "--", "true"], 0),
        ("diff-files", &zero, &["verify", "--save-baseline", "../b.json"], 0),
    ];
    for (command, act, arguments, code) in all {
        let sandbox = pinned();
        sandbox.write(manifest, "{ \"name\": \"changed\" }\n");
        let line = meddling_git(&sandbox, command, &format!("[ ! -f {manifest} ] || {{ {act}; }}"));
        let ran = bounded_in(&sandbox, &format!("after git {command}: {act}"), &line, arguments);
        assert!(
            !sandbox.top.join(manifest).is_file(),
            "{command}: {act}: {arguments:?}: nothing happened"
        );
        assert_eq!(ran.code, Some(code), "{command}: {act}: {arguments:?}: {ran:?}");
    }
}

#[test]
fn another_bakstop_that_does_not_answer_to_version() {
    for text in [
        "exec sleep 60",
        "trap '' TERM; while :; do sleep 1; done",
        "exec cat /dev/zero",
        "sleep 60 & exit 0",
    ] {
        let sandbox = Sandbox::workspace();
        script(&sandbox, "../other/bakstop", &format!("#!/bin/sh\n{text}\n"));
        // A shared hook has no path of this machine: the first bakstop in PATH is used.
        sandbox.git(&["config", "core.hooksPath", ".githooks"]);
        program_at_home(&sandbox);
        must(sandbox.bakstop(&["install"]));
        let line = format!("PATH={}:$PATH exec \"$@\"", sandbox.outside().join("other").display());
        let ran = bounded_in(&sandbox, &format!("bakstop --version: {text}"), &line, &["status"]);
        assert!(ran.code == Some(2) && ran.out.contains("version unknown"), "{text}: {ran:?}");
    }
}
