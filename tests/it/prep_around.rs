//! `bakstop prep` around a build: the Dockerfiles before it, the command, and what is left.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::prep::Pair;
use crate::support::{BAKSTOP, Ran};

/// The exit code and what is left in the leftover directory.
fn around(pair: &Pair, options: &[&str], script: &str) -> (Ran, Vec<String>) {
    let arguments = [options, &["--", "sh", "-c", script]].concat();
    let ran = pair.prep(&arguments);
    (ran, pair.prepared())
}

const LOOK: &str = "cat .docker-deps/tree/backend/pnpm-workspace.yaml";

#[test]
fn a_command_runs_while_it_is_prepared_and_nothing_is_left() {
    let pair = Pair::new("10.14.0");
    for (script, code) in [("", 0), ("; exit 3", 3), ("; kill -TERM $$", 143), ("; exit 1", 1)] {
        let (ran, left) = around(&pair, &[], &format!("{LOOK}{script}"));
        assert_eq!(ran.code, Some(code), "{script}: {ran:?}");
        assert!(ran.out.starts_with("overrides:\n") && ran.out.contains("acme-http-1.0.0-"));
        assert!(ran.err.contains("packages of ../plat in .docker-deps"), "{ran:?}");
        assert_eq!(left, [".gitkeep"], "{script}");
        assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
    }
    let ran = pair.prep(&["--", "./missing"]);
    assert_eq!((ran.code, pair.prepared()), (Some(127), vec![".gitkeep".to_owned()]));
    let ran = pair.prep(&["--", "./package.json"]);
    assert_eq!((ran.code, pair.prepared()), (Some(126), vec![".gitkeep".to_owned()]));
    // A document is all of standard output.
    let (ran, _) = around(&pair, &["--format", "json"], "echo said");
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&document["schema"], ran.code), (&"bakstop.prep/1".into(), Some(0)));
    assert!(ran.err.contains("said\n"));
    let (ran, left) = around(&pair, &["--keep"], LOOK);
    assert!(ran.code == Some(0) && left.contains(&".prep.json".to_owned()), "{ran:?} {left:?}");
}

#[test]
fn a_preparation_that_the_command_changes_is_reported() {
    let pair = Pair::new("10.14.0");
    for (script, code, named) in [
        ("echo x >> .docker-deps/tree/web/pnpm-workspace.yaml", 1, "tree/web/pnpm-workspace.yaml"),
        ("rm -r .docker-deps/tree/web", 1, "tree/web/pnpm-workspace.yaml"),
        ("rm .docker-deps/acme-log*", 1, "acme-log-1.0.0-"),
        ("git clean -fdXq", 1, ".prep.json"),
        ("echo '{}' > .docker-deps/tree/web/package.json", 1, "tree/web/package.json"),
        ("rm -r .docker-deps/tree; exit 4", 4, "tree/backend/pnpm-workspace.yaml"),
    ] {
        let (ran, left) = around(&pair, &[], script);
        assert_eq!(ran.code, Some(code), "{script}: {ran:?}");
        let words = "was not as prepared when the command ended";
        assert!(ran.err.contains(&format!(".docker-deps/{named}")), "{script}: {ran:?}");
        assert!(ran.err.contains(words), "{script}: {ran:?}");
        assert_eq!(left, [".gitkeep"], "{script}");
    }
}

#[test]
fn a_signal_at_any_moment_leaves_nothing() {
    let pair = Pair::new("10.14.0");
    for round in 0..18_u32 {
        let (name, number) = [("INT", 2), ("TERM", 15), ("HUP", 1)][round as usize % 3];
        // Some of the moments are before anything is packed, some after the command started.
        let mut command = pair.command(&["--force", "--", "sh", "-c", "exec sleep 5"]);
        let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        sleep(Duration::from_millis(u64::from(round) * 40));
        let mut kill = Command::new("kill");
        assert!(kill.args(["-s", name, &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait().unwrap();
        let by_default = std::os::unix::process::ExitStatusExt::signal(&ended) == Some(number);
        assert!(by_default || ended.code() == Some(128 + number), "{name} in {round}: {ended:?}");
        assert_eq!(pair.prepared(), [".gitkeep"], "{name} in round {round}");
        assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn nothing_is_to_be_undone_after_a_kill() {
    let pair = Pair::new("10.14.0");
    let mut command = pair.command(&["--", "sh", "-c", "touch ../started; exec sleep 30"]);
    let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while !pair.at("started").exists() {
        sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(pair.prepared().contains(&".prep.json".to_owned()));
    // An edit, a stash, a commit and a checkout do not see it.
    assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
    let edited = "{\"name\": \"backend\", \"dependencies\": {\"@acme/http\": \"^1\"}}\n";
    pair.product.write("backend/package.json", edited);
    pair.product.git(&["stash", "-q"]);
    pair.product.git(&["stash", "pop", "-q"]);
    pair.product.git(&["checkout", "-q", "-b", "other"]);
    pair.product.git(&["commit", "-qam", "Edit"]);
    assert_eq!(fs::read_to_string(pair.product.top.join("backend/package.json")).unwrap(), edited);
    let committed = pair.product.git(&["show", "--name-only", "--format="]);
    assert_eq!(committed.trim(), "backend/package.json");
    let status = pair.product.bakstop(&["status"]);
    assert!(status.err.contains(".docker-deps is prepared since "), "{status:?}");
    assert!(status.err.contains("its sibling is as it was"), "{status:?}");
    pair.plat("packages/log/src.js", "exports.x = 2;\n");
    let verify = pair.product.bakstop(&["verify"]);
    let moved = "its sibling has moved on: @acme/http, @acme/log";
    assert!(verify.code == Some(1) && verify.err.contains(moved), "{verify:?}");
    let doctor = pair.product.bakstop(&["doctor"]);
    assert!(doctor.err.contains(moved), "{doctor:?}");
    // The users' name for it.
    let restored = pair.prep(&["--restore"]);
    assert_eq!((restored.code, pair.prepared()), (Some(0), vec![".gitkeep".to_owned()]));
    assert!(!pair.product.bakstop(&["status"]).err.contains("prepared"));
}

#[test]
fn dockerfiles_are_judged_before_anything_is_packed() {
    let pair = Pair::new("10.14.0");
    let text = "# Builds the backend\r\nFROM node:22\r\nWORKDIR /app/backend\r\n\
                COPY .docker-deps* /app/.docker-deps/\r\n\
                COPY --chown=1:1 backend/package.json \\\r\n  ./ \r\nRUN pnpm install\r\n";
    pair.product.write("images/api.Dockerfile", text);
    pair.product.write(".dockerignore", "node_modules\n");
    let ran = pair.prep(&[]);
    assert_eq!((ran.code, pair.prepared()), (Some(1), vec![".gitkeep".to_owned()]), "{ran:?}");
    assert!(ran.out.contains("images/api.Dockerfile:5:1"), "{ran:?}");
    assert!(ran.out.contains(".docker-dep[s]/tree/backend"), "{ran:?}");
    assert!(ran.err.contains("help: bakstop prep --fix-dockerfiles"), "{ran:?}");
    assert!(pair.calls().is_empty());
    // A Dockerfile that was written is named, even if preparing fails then.
    pair.plat("packages/log/fail", "");
    let ran = pair.prep(&["--fix-dockerfiles"]);
    assert!(ran.code == Some(2) && ran.err.contains("\nfixed images/api.Dockerfile:5"), "{ran:?}");
    assert!(ran.err.contains("\nerror: could not build the sibling: "), "{ran:?}");
    pair.product.write("images/api.Dockerfile", text);
    fs::remove_file(pair.at("plat/packages/log/fail")).unwrap();
    let ran = pair.prep(&["--fix-dockerfiles"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let fixed = text.replace("package.json \\", "package.json .docker-dep[s]/tree/backend \\");
    let read = || fs::read_to_string(pair.product.top.join("images/api.Dockerfile")).unwrap();
    assert_eq!(read(), fixed);
    assert!(pair.prepared().contains(&"tree/backend/pnpm-workspace.yaml".to_owned()));
    pair.product.write(".dockerignore", "node_modules\n.docker-deps\n");
    let ran = pair.prep(&["--", "touch", "ran"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(".dockerignore:2:1"), "{ran:?}");
    assert!(!pair.product.top.join("ran").exists());
}

#[test]
fn two_in_one_tree_do_not_build_each_others_packages() {
    let pair = Pair::new("10.14.0");
    let script = format!("'{BAKSTOP}' prep; code=$?; [ $code = 2 ] && {LOOK}");
    let (ran, left) = around(&pair, &[], &script);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("another bakstop is preparing one here"), "{ran:?}");
    assert_eq!(left, [".gitkeep"]);
}
