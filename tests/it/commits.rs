//! Every way in which `git commit` builds its content: the hook judges exactly that content.

use crate::support::{Ran, Sandbox, finish, finish_with_input};

/// A guarded workspace with a clean edit in `web/index.js` and a rewritten manifest in
/// `web/package.json`, neither of them staged.
fn guarded() -> Sandbox {
    let sandbox = Sandbox::workspace();
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    sandbox.write("web/index.js", "export const x = 1;\n");
    sandbox.rewrite("web/package.json");
    sandbox
}

/// Whether the guard blocks this `git commit`. Any other failure of the commit fails the test.
fn is_blocked(sandbox: &Sandbox, arguments: &[&str]) -> bool {
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    let ran = finish(sandbox.command("git").arg("commit").args(["-m", "Next"]).args(arguments));
    judged(sandbox, &before, &ran)
}

fn judged(sandbox: &Sandbox, before: &str, ran: &Ran) -> bool {
    let moved = sandbox.git(&["rev-parse", "HEAD"]) != before;
    let blocked = ran.err.contains("error[rewritten-manifest]");
    assert_eq!((ran.code == Some(0), moved), (!blocked, !blocked), "{ran:?}");
    blocked
}

#[test]
fn commit_without_options() {
    let sandbox = guarded();
    sandbox.git(&["add", "web/index.js"]);
    assert!(!is_blocked(&sandbox, &[]), "the rewritten manifest is not staged");
    sandbox.git(&["add", "web/package.json"]);
    assert!(is_blocked(&sandbox, &[]));
}

#[test]
fn commit_with_all() {
    assert!(is_blocked(&guarded(), &["-a"]));
    let sandbox = guarded();
    sandbox.git(&["checkout", "web/package.json"]);
    assert!(!is_blocked(&sandbox, &["-a"]));
}

#[test]
fn commit_of_paths_ignores_other_staged_paths() {
    let sandbox = guarded();
    sandbox.git(&["add", "web/package.json"]);
    assert!(
        !is_blocked(&sandbox, &["web/index.js"]),
        "`commit PATH` takes nothing else from the index"
    );
    assert!(is_blocked(&sandbox, &["web/package.json"]));
    let sandbox = guarded();
    assert!(is_blocked(&sandbox, &["web"]), "a directory is a path as well");
    let sandbox = guarded();
    sandbox.git(&["add", "web/package.json"]);
    assert!(is_blocked(&sandbox, &["-i", "web/index.js"]), "`-i` adds to the index");
}

#[test]
fn commit_of_selected_hunks() {
    let commit = |answers: &str| {
        let sandbox = guarded();
        let before = sandbox.git(&["rev-parse", "HEAD"]);
        let mut command = sandbox.command("git");
        command.args(["commit", "-p", "-m", "Next"]);
        judged(&sandbox, &before, &finish_with_input(&mut command, answers.as_bytes()))
    };
    // Git asks about web/index.js first, then about web/package.json.
    assert!(!commit("y\nn\n"));
    assert!(commit("n\ny\n"));
}

#[test]
fn amending_judges_additions_and_allows_removals() {
    let sandbox = guarded();
    assert!(is_blocked(&sandbox, &["-a", "--amend"]));
    sandbox.git(&["commit", "-q", "-a", "--no-verify", "-m", "Past the guard"]);
    sandbox.git(&["checkout", "HEAD~1", "--", "web/package.json"]);
    assert!(!is_blocked(&sandbox, &["--amend"]), "amending to the original fixes it");
}

#[test]
fn the_empty_commit_and_the_first_commit() {
    assert!(!is_blocked(&guarded(), &["--allow-empty"]));

    let sandbox = Sandbox::unborn();
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    sandbox.write("web/package.json", "{\"dependencies\": {\"a\": \"^1.4.0\"}}");
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let first = sandbox.try_git(&["commit", "-m", "First"]);
    assert!(first.code == Some(1) && first.err.contains("error[rewritten-manifest]"), "{first:?}");
    sandbox.git(&["rm", "-q", "--cached", "web/package.json"]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", "First"]);
}

#[test]
fn a_detached_head_and_another_work_tree() {
    let sandbox = guarded();
    sandbox.git(&["checkout", "-q", "--detach"]);
    assert!(is_blocked(&sandbox, &["-a"]));

    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let text = std::fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();
    std::fs::write(linked.join("web/package.json"), text).unwrap();
    let ran =
        finish(sandbox.command("git").args(["commit", "-a", "-m", "Next"]).current_dir(&linked));
    assert!(ran.code == Some(1) && ran.err.contains("error[rewritten-manifest]"), "{ran:?}");
}

#[test]
fn settings_of_a_single_git_command() {
    let sandbox = guarded();
    for settings in [
        &["-c", "core.quotePath=false"][..],
        &["-c", "diff.ignoreSubmodules=all", "-c", "diff.renames=copies"],
        &["-c", "index.version=4"],
        &["-c", "core.splitIndex=true"],
        &["-c", "core.untrackedCache=true", "-c", "index.skipHash=true"],
        &["-C", "backend"],
    ] {
        let ran =
            finish(sandbox.command("git").args(settings).args(["commit", "-a", "-m", "Next"]));
        assert!(
            ran.code == Some(1) && ran.err.contains("error[rewritten-manifest]"),
            "{settings:?}: {ran:?}"
        );
    }
}
