//! Concurrent commits in two work trees, and in one repository. The bad ones must fail.

use std::ffi::OsString;
use std::path::Path;

use crate::hooks::{install, must};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// The number of repetitions.
const ROUNDS: usize = 8;

/// Runs commands at the same time.
fn together<T: Send>(jobs: Vec<Box<dyn FnOnce() -> T + Send + '_>>) -> Vec<T> {
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs.into_iter().map(|job| scope.spawn(job)).collect();
        running.into_iter().map(|job| job.join().unwrap()).collect()
    })
}

/// Asserts that no reachable commit has the rewritten spec.
fn assert_history_is_clean(sandbox: &Sandbox) {
    let commits = sandbox.git(&["rev-list", "--all"]);
    let arguments =
        [&["grep", "-l", "-F", "file:../"][..], &commits.lines().collect::<Vec<_>>()].concat();
    assert_eq!(sandbox.try_git(&arguments).out, "");
    must(sandbox.try_git(&["fsck", "--strict"]));
}

#[test]
fn two_work_trees_at_once() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    let other = sandbox.outside().join("other");
    sandbox.git(&["worktree", "add", "-q", "-b", "other", other.to_str().unwrap()]);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let commit = |directory: &Path, message: &str| -> Ran {
        finish(sandbox.command("git").args(["commit", "-q", "-m", message]).current_dir(directory))
    };
    for round in 0..ROUNDS {
        std::fs::write(other.join("web/index.js"), format!("export const x = {round};\n")).unwrap();
        must(finish(sandbox.command("git").args(["add", "-A"]).current_dir(&other)));
        let ran = together(vec![
            Box::new(|| commit(&sandbox.top, "bad")),
            Box::new(|| commit(&other, "clean")),
            Box::new(|| sandbox.bakstop(&["check"])),
            Box::new(|| sandbox.bakstop(&["status"])),
        ]);
        let codes: Vec<_> = ran.iter().map(|ran| ran.code.unwrap()).collect();
        assert_eq!(codes, [1, 0, 1, 0], "{ran:?}");
    }
    assert_eq!(sandbox.git(&["rev-list", "--count", "main..other"]).trim(), ROUNDS.to_string());
    assert_history_is_clean(&sandbox);
}

#[test]
fn one_repository_with_two_indexes_at_once() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    let index = |name: &str| -> OsString { sandbox.outside().join(name).into() };
    let git = |name: &str, arguments: &[&str]| {
        finish(sandbox.command("git").args(arguments).env("GIT_INDEX_FILE", index(name)))
    };
    let mut made = 0;
    for round in 0..ROUNDS {
        for name in ["bad", "worse", "clean", "cleaner"] {
            must(git(name, &["read-tree", "HEAD"]));
            let id = if name.ends_with(['d', 'e']) {
                sandbox.rewrite("web/package.json");
                must(git(name, &["add", "web/package.json"]));
                sandbox.git(&["checkout", "-q", "HEAD", "--", "web/package.json"]);
                continue;
            } else {
                sandbox.write("text", format!("{name} {round}\n"));
                sandbox.git(&["hash-object", "-w", "text"])
            };
            let entry = format!("100644,{},{name}.js", id.trim());
            must(git(name, &["update-index", "--add", "--cacheinfo", &entry]));
        }
        // Git keeps the message of every commit in the same file, .git/COMMIT_EDITMSG, and may read
        // it just after another commit has emptied it, with or without a hook. The message does not
        // matter here.
        let commit = |name: &'static str| {
            move || git(name, &["commit", "-q", "--allow-empty-message", "-m", name])
        };
        let ran = together(vec![
            Box::new(commit("bad")),
            Box::new(commit("clean")),
            Box::new(commit("worse")),
            Box::new(commit("cleaner")),
        ]);
        for bad in [&ran[0], &ran[2]] {
            assert!(
                bad.code == Some(1) && bad.err.contains("error[rewritten-manifest]"),
                "{ran:?}"
            );
        }
        // Git may refuse one of two commits to the same branch.
        for clean in [&ran[1], &ran[3]] {
            made += usize::from(clean.code == Some(0));
            assert!(clean.code == Some(0) || clean.err.contains("lock"), "{ran:?}");
        }
    }
    assert!(made >= ROUNDS, "{made}");
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]).trim(), (made + 1).to_string());
    assert_history_is_clean(&sandbox);
}

#[test]
fn one_index_at_once() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    sandbox.rewrite("web/package.json");
    for round in 0..ROUNDS {
        sandbox.write("web/index.js", format!("export const x = {round};\n"));
        // Git locks the index for a commit of paths, and the second one fails.
        let commit = |path: &'static str| {
            Box::new(|| sandbox.try_git(&["commit", "-q", "-m", "x", "--", path])) as Box<_>
        };
        let ran: Vec<Ran> = together(vec![
            commit("web/package.json"),
            commit("web/index.js"),
            commit("web/package.json"),
            Box::new(|| finish(sandbox.command(BAKSTOP).args(["check", "--worktree"]))),
        ]);
        let is_refused = |ran: &Ran| ran.code == Some(128) && ran.err.contains("index.lock");
        for bad in [&ran[0], &ran[2]] {
            assert!(bad.code == Some(1) || is_refused(bad), "{bad:?}");
        }
        assert!(ran[1].code == Some(0) || is_refused(&ran[1]), "{ran:?}");
        assert_eq!(ran[3].code, Some(1), "{ran:?}");
    }
    assert_history_is_clean(&sandbox);
}
