//! Preparations in place, interrupted at every system call that writes.

use std::fs;
use std::path::PathBuf;

use super::{Case, FAULTS, SCRAP, can_trace, must_have_passed};
use crate::hooks::{must, snapshot};
use crate::support::Sandbox;

/// While manifests are rewritten and put back, each is as before or as prepared, and `restore` puts
/// all back, whatever came in between: also another failure.
#[test]
fn preparing_in_place() {
    in_place_is_never_half(crate::prep::outdated());
}

/// The same where the journal is among the leftovers.
#[test]
fn preparing_in_place_without_git() {
    let sandbox = crate::prep::outdated();
    fs::remove_dir_all(sandbox.top.join(".git")).unwrap();
    in_place_is_never_half(sandbox);
}

fn in_place_is_never_half(sandbox: Sandbox) {
    if !can_trace() {
        return;
    }
    let has_git = sandbox.top.join(".git").exists();
    sandbox.write("web/package.json", "{\r\n\"dependencies\": {\"@acme/log\": \"*\"}}");
    sandbox.bakstop(&["restore"]);
    let arguments: &[&[&str]] =
        &[&["prep", "--in-place", "--", "true"], &["prep", "--in-place"], &["restore"]];
    let files = ["backend/package.json", "web/package.json"];
    let state = |case: &Case<'_>| files.map(|path| fs::read(case.sandbox.top.join(path)).unwrap());
    let first = Case::new(sandbox, arguments[1]);
    let before = state(&first);
    must_have_passed(&first.run(&[]));
    let prepared = state(&first);
    assert_ne!(before[0], prepared[0]);
    let mut sandbox = first.sandbox;
    let (mut hits, mut left) = (0, 0);
    for arguments in arguments {
        fs::remove_dir_all(sandbox.outside().join("tmp")).unwrap();
        let case = Case::new(sandbox, arguments);
        let is_restore = arguments[0] == "restore";
        // Every run starts from the same state.
        let start = || {
            must(case.sandbox.bakstop(&["restore"]));
            assert_eq!(state(&case), before, "{arguments:?}");
            if is_restore {
                must(case.sandbox.bakstop(&["prep", "--in-place"]));
                assert_eq!(state(&case), prepared);
            }
        };
        start();
        let calls = case.calls();
        for (call, number) in calls {
            for fault in FAULTS {
                start();
                let at = format!("{arguments:?}: {fault} at {call} number {number}");
                let inject = format!("inject={call}:{fault}:when={number}");
                let ran = case.traced(&["-e", &format!("trace={call}"), "-e", &inject]);
                let now = state(&case);
                for (at_all, path) in files.iter().enumerate() {
                    let is_whole = now[at_all] == before[at_all] || now[at_all] == prepared[at_all];
                    assert!(is_whole, "{at}: {path} is neither: {:?}", now[at_all]);
                }
                let succeeded = ran.code == Some(0);
                let wanted = if arguments.len() == 2 { &prepared } else { &before };
                assert!(!succeeded || now == *wanted, "{at}: says that it is done: {ran:?}");
                if now != before && !succeeded {
                    left += 1;
                    let reading: &[&str] =
                        if has_git { &["status"] } else { &["restore", "--dry-run"] };
                    let warned = case.sandbox.bakstop(reading).err;
                    assert!(
                        warned.contains("of `bakstop prep --in-place`; to take"),
                        "{at}: {warned}"
                    );
                }
                must(case.sandbox.bakstop(&["restore"]));
                assert_eq!(state(&case), before, "{at}");
                assert_nothing_is_left(&case, &at);
                hits += 1;
            }
        }
        sandbox = case.sandbox;
    }
    println!("{hits} faults, {left} left prepared manifests");
    assert!(left > 0, "no fault was injected while manifests were rewritten");
}

/// Asserts that no file of a preparation and no temporary file is left.
fn assert_nothing_is_left(case: &Case<'_>, at: &str) {
    let top = &case.sandbox.top;
    let files = snapshot(top).into_keys().filter(|path| path.is_file());
    let is_ours = |path: &PathBuf| {
        let path = path.strip_prefix(top).unwrap().to_str().unwrap();
        let is_of_git = path.starts_with(".git/");
        !is_of_git && (path.contains(SCRAP) || path.starts_with(".docker-deps/"))
    };
    let ours: Vec<PathBuf> = files.filter(is_ours).collect();
    assert_eq!(
        ours.len(),
        usize::from(top.join(".docker-deps/.gitkeep").exists()),
        "{at}: {ours:?}"
    );
}
