//! The commit hook outside of a commit: as pre-commit, prek and lefthook run it in CI, by the
//! variables that they set.

use crate::hooks::commit;
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// Runs the hook as a program other than git does.
fn hook(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Ran {
    let variables = variables.iter().copied();
    finish(sandbox.command(BAKSTOP).args(["hook", "pre-commit"]).envs(variables))
}

/// A clean commit, one with a rewritten manifest, and another clean one.
fn rewritten() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Rewrite");
    sandbox.write("web/index.js", "export {}; // 2\n");
    sandbox.commit_all("More");
    sandbox
}

const BY_MANAGER: (&str, &str) = ("PRE_COMMIT", "1");

#[test]
fn a_range_of_a_hook_manager_is_judged() {
    let sandbox = rewritten();
    for (from, to, code) in [
        ("HEAD~2", "HEAD", 1),
        ("HEAD~2", "HEAD~1", 1),
        ("HEAD~1", "HEAD", 0),
        ("HEAD~9", "HEAD", 2),
        ("--all", "HEAD", 2),
    ] {
        let variables = [BY_MANAGER, ("PRE_COMMIT_FROM_REF", from), ("PRE_COMMIT_TO_REF", to)];
        let ran = hook(&sandbox, &variables);
        assert_eq!(ran.code, Some(code), "{from} {to}: {ran:?}");
        // No commit is being made that could be blocked.
        assert!(!ran.out.contains("blocked"), "{ran:?}");
    }
}

#[test]
fn all_files_of_head_are_judged_where_no_commit_is_made() {
    let sandbox = rewritten();
    for variables in [&[BY_MANAGER][..], &[("CI", "true")]] {
        let ran = hook(&sandbox, variables);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.ends_with("bakstop: 1 error in 1 file\n"), "{ran:?}");
        assert!(ran.err.contains("so every file of HEAD is judged"), "{ran:?}");
    }
    // It may be a program that commits without git: nothing is blocked, but it is said.
    let ran = hook(&sandbox, &[]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    assert!(ran.err.ends_with("for every file: bakstop check --tree HEAD\n"), "{ran:?}");
    assert_eq!(sandbox.bakstop(&["check", "--tree", "HEAD"]).code, Some(1));
    // Staged files are judged as ever.
    sandbox.write("web/index.js", "export {}; // 3\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(
        hook(&sandbox, &[BY_MANAGER]),
        Ran { code: Some(0), out: String::new(), err: String::new() }
    );
    assert_eq!(hook(&Sandbox::unborn(), &[BY_MANAGER]).code, Some(0));
}

#[test]
fn an_empty_commit_passes_below_a_hook_manager() {
    let sandbox = rewritten();
    // As pre-commit and prek do it.
    let script = format!("#!/bin/sh\nPRE_COMMIT=1 CI=1 exec '{BAKSTOP}' hook pre-commit\n");
    super::script(&sandbox, ".git/hooks/pre-commit", &script);
    let empty = sandbox.try_git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_eq!((empty.code, &*empty.out, &*empty.err), (Some(0), "", ""));
    let amended = sandbox.try_git(&["commit", "-q", "--amend", "--allow-empty", "-m", "y"]);
    assert_eq!(amended.code, Some(0), "{amended:?}");
    sandbox.write("web/index.js", "export {}; // 4\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(commit(&sandbox).code, Some(0));
    sandbox.rewrite("backend/package.json");
    sandbox.git(&["add", "-A"]);
    assert_eq!(commit(&sandbox).code, Some(1));
}

#[test]
fn a_push_below_a_hook_manager_is_judged() {
    let sandbox = rewritten();
    sandbox.git(&["init", "-q", "--bare", "../shop.git"]);
    sandbox.git(&["remote", "add", "origin", "../shop.git"]);
    let push = |variables: &[(&str, &str)]| {
        let remote = [BY_MANAGER, ("PRE_COMMIT_REMOTE_NAME", "origin")];
        hook(&sandbox, &[&remote, variables].concat())
    };
    // Everything is new: the manager names the branch alone.
    let branch = ("PRE_COMMIT_LOCAL_BRANCH", "refs/heads/main");
    let ran = push(&[branch]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.ends_with("the push is blocked (to skip this check: BAKSTOP=0 git push)\n"),
        "{ran:?}"
    );
    sandbox.git(&["push", "-q", "origin", "HEAD~1:refs/heads/main"]);
    assert_eq!(push(&[branch]).code, Some(0));
    let tip = |tip| push(&[("PRE_COMMIT_FROM_REF", "HEAD~2"), ("PRE_COMMIT_TO_REF", tip)]).code;
    assert_eq!(tip("HEAD"), Some(0), "the remote has the rewritten manifest");
    assert_eq!(tip("HEAD~99"), Some(2));
}

#[test]
fn no_bypass_is_offered_for_a_secret() {
    let sandbox = Sandbox::workspace();
    sandbox
        .write("web/.npmrc", format!("//npm.example.org/:_authToken=npm_{}\n", "aB3".repeat(12)));
    sandbox.git(&["add", "-A", "-f"]);
    let ran = hook(&sandbox, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.ends_with("bakstop: 1 error in 1 file; the commit is blocked\n"), "{ran:?}");
    // Also if other findings come with it.
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let ran = hook(&sandbox, &[]);
    assert!(ran.out.ends_with("bakstop: 2 errors in 2 files; the commit is blocked\n"), "{ran:?}");
}
