//! Preparations of sources that are in no repository: the journal is among the leftovers.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use super::{MANIFESTS, Manifests, killed, manifests, pair, prepare};
use crate::hooks::snapshot;
use crate::prep::Pair;
use crate::support::{BAKSTOP, Ran, finish};

const NOTE: &str = "bakstop: there is no git repository here: what .gitignore names is read as \
                    well, node_modules is not\n";

/// The same as [`pair`], as an archive has it.
fn plain() -> Pair {
    let pair = pair();
    fs::remove_dir_all(pair.product.top.join(".git")).unwrap();
    fs::remove_dir_all(pair.product.top.join(".docker-deps")).unwrap();
    pair
}

fn journal(pair: &Pair) -> std::path::PathBuf {
    pair.product.top.join(".docker-deps/bakstop/prep/journal")
}

/// Runs a verb without git in the PATH; the shell has what else is needed.
fn without_git(pair: &Pair, words: &[&str]) -> Ran {
    let programs = pair.at("few");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        for name in ["sh", "cat", "sed", "mkdir", "cp", "ls", "tar", "gzip", "tr", "touch"] {
            let found =
                finish(pair.product.command("sh").args(["-c", &format!("command -v {name}")]));
            symlink(found.out.trim(), programs.join(name)).unwrap();
        }
    }
    let path = std::env::join_paths([pair.at("programs"), programs]).unwrap();
    finish(pair.product.command(BAKSTOP).env("PATH", path).args(words))
}

fn assert_as_before(pair: &Pair, before: &Manifests, at: &str) {
    assert_eq!(&manifests(pair), before, "{at}");
    assert!(pair.prepared().is_empty(), "{at}: {:?}", pair.prepared());
}

#[test]
fn sources_without_git_are_prepared_and_put_back() {
    let pair = plain();
    let (before, all) = (manifests(&pair), snapshot(&pair.product.top));
    let look = "cat backend/package.json; ls .docker-deps .docker-deps/bakstop/prep";
    for (end, code) in [("", 0), ("; exit 3", 3), ("; kill -TERM $$", 143)] {
        let ran = prepare(&pair, &["--", "sh", "-c", &format!("{look}{end}")]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(NOTE), "{ran:?}");
        assert!(ran.out.contains("acme-http-1.0.0-") && ran.out.contains("\njournal\n"), "{ran:?}");
        assert_eq!(snapshot(&pair.product.top), all, "{end}");
        assert!(!pair.product.top.join(".docker-deps").exists(), "{end}");
    }
    // Without a command it stays; the other kind of preparation needs no journal.
    let ran = prepare(&pair, &[]);
    assert!(ran.code == Some(0) && ran.out.contains("2 rewritten in place"), "{ran:?}");
    let prepared = manifests(&pair);
    let again = prepare(&pair, &[]);
    assert!(again.code == Some(2) && again.err.contains("still prepared in place"), "{again:?}");
    let ran = prepare(&pair, &["--force"]);
    assert_eq!((ran.code, manifests(&pair)), (Some(0), prepared), "{ran:?}");
    // From a directory below, with the path of a file.
    let mut below = pair.product.command(BAKSTOP);
    below.current_dir(pair.product.top.join("backend"));
    let dry = finish(below.args(["restore", "--dry-run"]));
    assert!(
        dry.code == Some(0) && dry.err.contains("to take them out: bakstop restore"),
        "{dry:?}"
    );
    let mut below = pair.product.command(BAKSTOP);
    let ran = finish(below.current_dir(pair.product.top.join("backend")).args(["restore"]));
    assert!(ran.code == Some(0) && ran.err == NOTE, "{ran:?}");
    assert_as_before(&pair, &before, "restored");
    fs::remove_dir(pair.product.top.join(".docker-deps")).unwrap();
    assert_eq!(snapshot(&pair.product.top), all);
    let ran = pair.prep(&["--", "ls", ".docker-deps/tree/backend"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "pnpm-workspace.yaml\n"), "{ran:?}");
    assert_eq!(snapshot(&pair.product.top), all);
}

#[test]
fn git_need_not_be_installed() {
    let pair = plain();
    fs::remove_dir_all(pair.at("plat/.git")).unwrap();
    let (before, all) = (manifests(&pair), snapshot(&pair.product.top));
    // What a build writes in the sibling cannot be told from its sources.
    let ran = without_git(&pair, &["prep", "--in-place"]);
    assert!(ran.code == Some(2) && ran.err.contains("bakstop prep --no-build"), "{ran:?}");
    assert!(pair.calls().is_empty());
    // It is not built.
    let ran = without_git(&pair, &["prep", "--in-place", "--no-build"]);
    assert!(ran.code == Some(2) && ran.err.contains("it is not built"), "{ran:?}");
    assert_eq!(snapshot(&pair.product.top), all);
    for name in ["log", "http"] {
        pair.plat(&format!("packages/{name}/dist/index.js"), "exports.x = 1;\n");
    }
    let ran = without_git(&pair, &["prep", "--in-place", "--no-build", "--", "sh", "-c", "exit 3"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(snapshot(&pair.product.top), all);
    let ran = without_git(&pair, &["prep", "--in-place", "--no-build"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_ne!(manifests(&pair), before);
    let ran = without_git(&pair, &["restore", "web/package.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(manifests(&pair), before);
    let ran = without_git(&pair, &["restore", "--staged"]);
    assert!(ran.code == Some(2) && ran.err.contains("git could not be started"), "{ran:?}");
}

#[test]
fn what_marks_the_top_of_sources() {
    let pair = plain();
    let top = &pair.product.top;
    let run = |below: &str, words: &[&str]| {
        let mut command = pair.product.command(BAKSTOP);
        finish(command.env("PATH", pair.path()).current_dir(top.join(below)).args(words))
    };
    let dry = ["prep", "--in-place", "--dry-run", "--from"];
    let plat = pair.at("plat");
    let dry = [&dry[..], &[plat.to_str().unwrap()]].concat();
    // The configuration, before the workspace of a directory between.
    pair.product.write("backend/pnpm-workspace.yaml", "packages: []\n");
    let ran = run("backend", &dry);
    assert!(ran.code == Some(0) && ran.out.contains("b/web/package.json"), "{ran:?}");
    fs::remove_file(top.join("bakstop.json")).unwrap();
    let pinned = [&dry[..], &["--package-manager", "pnpm@10.6.5"]].concat();
    let ran = run("backend", &pinned);
    assert!(ran.code == Some(0) && ran.out.contains("b/package.json"), "{ran:?}");
    fs::remove_file(top.join("backend/pnpm-workspace.yaml")).unwrap();
    let ran = run("backend", &dry);
    assert!(ran.code == Some(0) && ran.out.contains("b/web/package.json"), "{ran:?}");
    fs::remove_file(top.join("pnpm-workspace.yaml")).unwrap();
    for (manifest, below) in [
        (r#"{"workspaces": ["*"], "packageManager": "pnpm@10.6.5"}"#, "b/web/package.json"),
        (r#"{"packageManager": "pnpm@10.6.5"}"#, "b/package.json"),
    ] {
        pair.product.write("package.json", manifest);
        let ran = run("backend", &pinned);
        assert!(ran.code == Some(0) && ran.out.contains(below), "{manifest}: {ran:?}");
    }
    // Another directory may be the whole disk.
    fs::create_dir_all(top.join("empty")).unwrap();
    for words in [&dry[..], &["restore"]] {
        let ran = run("empty", words);
        let help = "help: run this inside a git repository, or where a bakstop.json";
        assert!(ran.code == Some(2) && ran.err.contains("not a git repository"), "{ran:?}");
        assert!(ran.err.contains(help), "{ran:?}");
    }
}

#[test]
fn a_broken_repository_is_not_none() {
    let pair = plain();
    let before = manifests(&pair);
    let dot_git = pair.product.top.join(".git");
    for state in ["file", "empty", "link", "variable"] {
        match state {
            "file" => fs::write(&dot_git, "gitdir: /nonexistent\n").unwrap(),
            "empty" => fs::create_dir(&dot_git).unwrap(),
            "link" => symlink("/nonexistent", &dot_git).unwrap(),
            _ => {}
        }
        for words in [&["prep", "--in-place"][..], &["restore"]] {
            let mut command = pair.product.command(BAKSTOP);
            if state == "variable" {
                command.env("GIT_DIR", "/nonexistent");
            }
            let ran = finish(command.env("PATH", pair.path()).args(words));
            assert!(ran.code == Some(2) && ran.err.contains("not a git repository"), "{ran:?}");
        }
        let _ = fs::remove_dir(&dot_git);
        let _ = fs::remove_file(&dot_git);
        assert_as_before(&pair, &before, state);
    }
    // What another user wrote would name programs to start.
    if rustix::process::geteuid().is_root() {
        for path in ["bakstop.json", "."] {
            let place = pair.product.top.join(path);
            std::os::unix::fs::chown(&place, Some(65534), None).unwrap();
            for words in [&["prep", "--in-place"][..], &["restore"]] {
                let ran = without_git(&pair, words);
                assert!(ran.code == Some(2) && ran.err.contains("another user"), "{ran:?}");
            }
            std::os::unix::fs::chown(&place, Some(0), None).unwrap();
        }
    }
    // A journal is not written to where a link leads.
    fs::create_dir(pair.at("elsewhere")).unwrap();
    symlink(pair.at("elsewhere"), pair.product.top.join(".docker-deps")).unwrap();
    let ran = prepare(&pair, &[]);
    assert!(ran.code == Some(2) && ran.err.contains(".docker-deps is a link"), "{ran:?}");
    assert_eq!(fs::read_dir(pair.at("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_killed_run_is_undone_also_after_git_init() {
    for inits in [false, true] {
        let pair = plain();
        let before = manifests(&pair);
        let mut child = killed(&pair);
        let running = pair.product.bakstop(&["restore"]);
        assert!(running.code == Some(2) && running.err.contains("is running"), "{running:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_ne!(manifests(&pair), before);
        if inits {
            pair.product.git(&["init", "-q"]);
            // The rewritten manifests are not taken for originals.
            let ran = prepare(&pair, &[]);
            assert!(ran.code == Some(2) && ran.err.contains("still prepared"), "{ran:?}");
        }
        let line = "bakstop: backend/package.json and 1 more have the packages of \
                    `bakstop prep --in-place`; to take them out: bakstop restore\n";
        let ran = pair.product.bakstop(&["restore", "--dry-run"]);
        assert!(ran.code == Some(0) && (inits || ran.err.starts_with(line)), "{ran:?}");
        let ran = pair.product.bakstop(&["restore"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_as_before(&pair, &before, "restored");
    }
}

#[test]
fn edits_meanwhile_are_kept_and_originals_stay_while_something_is_left() {
    let pair = plain();
    let before = manifests(&pair);
    prepare(&pair, &[]);
    let text = fs::read_to_string(pair.product.top.join(MANIFESTS[1])).unwrap();
    pair.product.write(MANIFESTS[1], text.replace("\"web\"", "\"site\""));
    assert_eq!(pair.product.bakstop(&["restore"]).code, Some(0));
    assert_eq!(manifests(&pair)[1].0, before[1].0.replace("\"web\"", "\"site\""));
    pair.product.write(MANIFESTS[1], &before[1].0);
    prepare(&pair, &[]);
    let text = fs::read_to_string(pair.product.top.join(MANIFESTS[1])).unwrap();
    pair.product.write(MANIFESTS[1], text.replacen('{', "{,", 1));
    for _ in 0..2 {
        let ran = pair.product.bakstop(&["restore"]);
        let words = "left web/package.json: it cannot be undone in what it is";
        assert!(ran.code == Some(1) && ran.out.contains(words), "{ran:?}");
    }
    assert!(journal(&pair).with_file_name("last").exists());
    pair.product.write(MANIFESTS[1], text);
    let ran = pair.product.bakstop(&["restore"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_as_before(&pair, &before, "restored");
    // Without the journal, nothing knows the originals.
    prepare(&pair, &[]);
    fs::remove_dir_all(pair.product.top.join(".docker-deps")).unwrap();
    let prepared = manifests(&pair);
    let ran = prepare(&pair, &[]);
    let words = "could not change backend/package.json: it names packed packages already";
    assert!(ran.code == Some(2) && ran.err.contains(words), "{ran:?}");
    assert_eq!(manifests(&pair), prepared);
    let ran = pair.product.bakstop(&["restore"]);
    assert!(ran.code == Some(1) && ran.out.contains("left web/package.json:1"), "{ran:?}");
    let now = manifests(&pair);
    for at in 0..2 {
        let (specs, before) = (now[at].0.matches("file:"), prepared[at].0.matches("file:"));
        assert!(
            specs.count() == 1 && before.count() > 1,
            "only overrides are ours for sure: {now:?}"
        );
    }
}

#[test]
fn two_at_once_have_one_original() {
    let pair = plain();
    let before = manifests(&pair);
    let script = format!("'{BAKSTOP}' prep --in-place; echo $?; '{BAKSTOP}' restore; echo $?");
    let ran = prepare(&pair, &["--", "sh", "-c", &script]);
    assert!(ran.code == Some(0) && ran.out == "2\n2\n", "{ran:?}");
    for round in 0..3 {
        let start = |words: &[&str]| {
            let mut command = pair.product.command(BAKSTOP);
            let command = command.env("PATH", pair.path()).args(words);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs = [
            start(&["prep", "--in-place", "--", "cat", MANIFESTS[1]]),
            start(&["restore"]),
            start(&["prep", "--in-place", "--", "cat", MANIFESTS[1]]),
            start(&["restore"]),
        ];
        for run in runs {
            let ran = Ran::from(run.wait_with_output().unwrap());
            // Whoever builds has the packages until the end.
            let is_busy = ran.code == Some(2) && ran.err.contains("running");
            let is_whole =
                ran.out.is_empty() || ran.out.contains("restore") || ran.out.contains("file:");
            assert!(is_busy || ran.code == Some(0) && is_whole, "{round}: {ran:?}");
        }
        assert_eq!(pair.product.bakstop(&["restore"]).code, Some(0));
        assert_as_before(&pair, &before, "at once");
    }
}
