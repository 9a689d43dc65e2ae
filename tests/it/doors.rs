//! Real pushes to real servers, and ways to commit that run no pre-commit hook: refused commits
//! must not arrive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::hooks::must;
use crate::support::{BAKSTOP, Ran, Sandbox, clone_and_server, finish};

/// A clone without hooks, and the guarded bare repository that it pushes to.
struct Pair {
    clone: Sandbox,
    server: PathBuf,
}

impl Pair {
    /// A server with the guard as the hook that git runs.
    fn plain() -> Self {
        let (clone, server) = clone_and_server(&["-b", "main"], "file://");
        let pair = Self { clone, server };
        pair.guard();
        pair
    }

    /// A server whose hook runs every program in a directory, like hosting programs.
    fn delegating() -> Self {
        let pair = Self::plain();
        fs::remove_file(pair.server.join("hooks/pre-receive")).unwrap();
        let text = r#"#!/usr/bin/env bash
data=$(cat)
codes=""
for hook in ${GIT_DIR}/hooks/pre-receive.d/*; do
test -x "$hook" && test -f "$hook" || continue
echo "$data" | "$hook"
codes="$codes $?"
done
for code in $codes; do [ "$code" = 0 ] || exit "$code"; done
"#;
        fs::write(pair.server.join("hooks/pre-receive"), text).unwrap();
        fs::set_permissions(
            pair.server.join("hooks/pre-receive"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        fs::create_dir(pair.server.join("hooks/pre-receive.d")).unwrap();
        pair.guard();
        pair
    }

    fn guard(&self) {
        must(finish(
            self.clone.command(BAKSTOP).args(["install", "--server"]).current_dir(&self.server),
        ));
    }

    fn push(&self, arguments: &[&str]) -> Ran {
        self.clone.try_git(&[&["push", "-q", "origin"], arguments].concat())
    }

    /// Every ref of the server with its object.
    fn refs(&self) -> String {
        let arguments = ["for-each-ref", "--format=%(objectname) %(refname)"];
        must(finish(self.clone.command("git").args(arguments).current_dir(&self.server))).out
    }

    /// Whether the server has an object.
    fn has(&self, object: &str) -> bool {
        finish(self.clone.command("git").args(["cat-file", "-e", object]).current_dir(&self.server))
            .code
            == Some(0)
    }

    fn commit(&self, path: &str, message: &str) -> String {
        self.clone.write(path, message);
        self.clone.git(&["add", "-A", "-f"]);
        self.clone.git(&["commit", "-q", "-m", message]);
        self.clone.id("HEAD")
    }

    /// Asserts that a push is refused: no ref moves, and none of its objects stays.
    fn assert_refused(&self, arguments: &[&str], commit: &str) -> Ran {
        let before = self.refs();
        let ran = self.push(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("the push is refused"), "{ran:?}");
        assert!(!ran.err.contains("BAKSTOP"), "a server has no switch: {ran:?}");
        assert_eq!(self.refs(), before, "{arguments:?}");
        assert!(!self.has(commit), "{arguments:?}");
        ran
    }

    fn assert_accepted(&self, arguments: &[&str]) {
        let ran = must(self.push(arguments));
        assert_eq!(ran.err, "", "what passes is quiet");
    }
}

fn every_kind_of_push(pair: &Pair) {
    pair.assert_accepted(&["main"]);
    // An update, a new branch that is not checked out, an annotated tag, and several refs at once.
    pair.clone.write("web/index.js", "export const x = 1;\n");
    pair.commit("web/more.js", "Clean");
    pair.assert_accepted(&["main"]);
    pair.clone.git(&["checkout", "-q", "-b", "bad"]);
    let bad = pair.commit("kept.bak", "Back up");
    pair.clone.git(&["tag", "-a", "-m", "x", "v1"]);
    pair.clone.git(&["checkout", "-q", "main"]);
    let ran = pair.assert_refused(&["bad"], &bad);
    let expected = format!("kept.bak in {} (Back up)", bad.get(..12).unwrap());
    assert!(ran.err.contains(&expected), "{ran:?}");
    pair.assert_refused(&["bad:refs/heads/main"], &bad);
    pair.assert_refused(&["v1"], &bad);
    pair.assert_refused(&["bad^{tree}:refs/tags/only-a-tree"], &bad);
    pair.assert_refused(&["main:refs/heads/good", "bad", "v1"], &bad);
    pair.assert_accepted(&["main:refs/heads/good"]);

    // Added and reverted: the tip is clean, but history is not.
    pair.clone.git(&["checkout", "-q", "-b", "reverted", "bad"]);
    pair.clone.git(&["rm", "-q", "kept.bak"]);
    let reverted = pair.commit("web/x.js", "Undo");
    pair.assert_refused(&["reverted"], &reverted);

    // Forced and deleted; existing commits are not judged again.
    pair.clone.git(&["checkout", "-q", "--orphan", "other"]);
    pair.clone.git(&["rm", "-q", "-r", "-f", "--cached", "."]);
    pair.clone.git(&["add", "web/index.js"]);
    pair.clone.git(&["commit", "-q", "-m", "Another history"]);
    pair.assert_accepted(&["+other:refs/heads/good"]);
    pair.assert_refused(&["+bad:refs/heads/good"], &bad);
    pair.assert_accepted(&[":refs/heads/good"]);
    pair.assert_accepted(&["main:refs/heads/again"]);
    let blob = pair.clone.git(&["rev-parse", "main:web/index.js"]);
    pair.assert_accepted(&[&format!("{}:refs/tags/only-a-blob", blob.trim())]);
}

#[test]
fn every_kind_of_push_is_judged_by_the_server() {
    every_kind_of_push(&Pair::plain());
}

#[test]
fn every_kind_of_push_is_judged_with_a_delegating_hook() {
    every_kind_of_push(&Pair::delegating());
}

#[test]
fn the_environment_of_the_client_does_not_reach_the_server() {
    let pair = Pair::plain();
    pair.assert_accepted(&["main"]);
    let bad = pair.commit("kept.bak", "Back up");
    let mut push = pair.clone.command("git");
    push.args(["push", "-q", "-o", "BAKSTOP=0", "origin", "main"]);
    push.env("BAKSTOP", "0").env("BAKSTOP_SKIP", "stray-backup").env("BAKSTOP_PROVE", "x");
    let option = ["config", "receive.advertisePushOptions", "true"];
    must(finish(pair.clone.command("git").args(option).current_dir(&pair.server)));
    let ran = finish(&mut push);
    assert!(
        ran.code == Some(1) && ran.err.contains("the push is refused") && !pair.has(&bad),
        "{ran:?}"
    );
}

#[test]
fn a_ref_called_head_is_not_the_default_branch() {
    let pair = Pair::plain();
    // The server's HEAD names a branch that is never pushed.
    let head = ["symbolic-ref", "HEAD", "refs/heads/trunk"];
    must(finish(pair.clone.command("git").args(head).current_dir(&pair.server)));
    pair.assert_accepted(&["main"]);
    pair.clone.git(&["checkout", "-q", "-b", "off"]);
    let text = r#"{ "rules": { "stray-backup": "off" } }"#;
    pair.clone.write("bakstop.json", text);
    pair.commit("web/x.js", "Switch off");
    for name in ["refs/tags/HEAD", "refs/heads/HEAD", "refs/HEAD"] {
        pair.push(&[&format!("off:{name}")]);
    }
    pair.clone.git(&["checkout", "-q", "main"]);
    let bad = pair.commit("kept.bak", "Back up");
    pair.assert_refused(&["main"], &bad);
}

#[test]
fn a_mismatch_is_refused_however_it_gets_into_a_branch() {
    let pair = Pair::plain();
    let pins = |manifest: &str, image: &str| {
        pair.clone
            .write("package.json", format!("{{ \"packageManager\": \"pnpm@{manifest}\" }}\n"));
        pair.commit("Dockerfile", &format!("FROM node:22\nRUN npm i -g pnpm@{image}\n"))
    };
    let eight = pins("8.0.0", "8.0.0");
    let nine = pins("9.0.0", "9.0.0");
    pair.assert_accepted(&["main"]);
    // First in the middle of a push, which is allowed; then as the tip, where it is no longer new.
    let wrong = pins("9.0.0", "7.7.7");
    let right = pins("9.0.0", "9.0.0");
    pair.assert_accepted(&[&format!("{right}:refs/heads/x")]);
    let before = pair.refs();
    let ran = pair.push(&[&format!("{wrong}:refs/heads/main")]);
    assert!(ran.code == Some(1) && ran.err.contains("error[package-manager-mismatch]"), "{ran:?}");
    assert_eq!(pair.refs(), before);
    // With an old branch that once had each file as it is now.
    pair.clone.git(&["checkout", "-q", "-b", "old", &eight]);
    pair.commit("old.js", "Old");
    pair.clone.git(&["checkout", "-q", "-b", "back", &nine]);
    let back = pins("9.0.0", "8.0.0");
    pair.assert_refused(&["back:main", "old"], &back);
    pair.assert_refused(&["back", "old"], &back);
    // A new ref to an existing commit adds nothing.
    pair.assert_accepted(&[&format!("{wrong}:refs/heads/y")]);
}

#[test]
fn one_bad_commit_in_a_thousand_is_found() {
    let pair = Pair::delegating();
    pair.assert_accepted(&["main"]);
    // Each commit adds a file; the five hundredth also adds a backup.
    let start = pair.clone.git(&["rev-parse", "main"]);
    let mut stream = format!("reset refs/heads/long\nfrom {}\n\n", start.trim());
    for number in 0..1000 {
        let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
        let subject = format!("Commit {number}");
        stream += &format!(
            "commit refs/heads/long\ncommitter {who}\ndata {}\n{subject}\n",
            subject.len()
        );
        let text = format!("export const x = {number};\n");
        stream +=
            &format!("M 100644 inline web/f{}.js\ndata {}\n{text}\n", number % 50, text.len());
        match number {
            500 => stream += "M 100644 inline deep/in/the/kept.bak\ndata 1\nx\n",
            501 => stream += "D deep/in/the/kept.bak\n",
            _ => {}
        }
    }
    let file = pair.clone.outside().join("stream");
    fs::write(&file, stream).unwrap();
    must(finish(
        pair.clone
            .command("git")
            .args(["fast-import", "--quiet"])
            .stdin(fs::File::open(&file).unwrap()),
    ));
    let tip = pair.clone.id("long");
    let ran = pair.assert_refused(&["long"], &tip);
    assert!(ran.err.contains("(Commit 500)") && ran.err.contains("1 error in 1 file"), "{ran:?}");
    pair.assert_accepted(&[&format!(
        "{}:refs/heads/long",
        pair.clone.git(&["rev-parse", "long~500"]).trim()
    )]);
}

/// A clone with hooks, and a bare repository without hooks.
fn hooked() -> Pair {
    let (clone, server) = clone_and_server(&["-b", "main"], "");
    clone.git(&["push", "-q", "origin", "main"]);
    must(clone.bakstop(&["install"]));
    Pair { clone, server }
}

#[test]
fn a_push_is_stopped_before_it_is_sent() {
    let pair = hooked();
    let sandbox = &pair.clone;
    // Cherry-picks, and commits that bypass the guard, get it into the clone.
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.write("kept.bak", "");
    sandbox.git(&["add", "-f", "kept.bak"]);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Back up"]);
    sandbox.git(&["rm", "-q", "kept.bak"]);
    sandbox.git(&["commit", "-q", "-m", "Undo"]);
    sandbox.git(&["checkout", "-q", "main"]);
    let before = pair.refs();
    for arguments in [
        &["topic"][..],
        &["--all"],
        &["main", "topic:refs/heads/x"],
        &["topic:refs/tags/t"],
        &["-f", "topic:main"],
    ] {
        let ran = pair.push(arguments);
        let expected = "bakstop: 1 error in 1 file; \
                        the push is blocked (to skip this check: BAKSTOP=0 git push)\n";
        assert!(ran.code == Some(1) && ran.out.ends_with(expected), "{arguments:?}: {ran:?}");
        assert_eq!(pair.refs(), before);
    }
    // The URL of the remote, and another remote: nothing is known about its refs.
    let url = pair.server.to_str().unwrap();
    assert_eq!(sandbox.try_git(&["push", "-q", url, "topic"]).code, Some(1));
    assert_eq!(sandbox.try_git(&["push", "-q", url, "main:refs/heads/fine"]).code, Some(0));
    assert_eq!(pair.push(&[":refs/heads/fine"]).code, Some(0));
    // With BAKSTOP=0 it is pushed, and from then on the remote has it.
    let ran =
        finish(sandbox.command("git").args(["push", "-q", "origin", "topic"]).env("BAKSTOP", "0"));
    assert!(ran.code == Some(0) && ran.err.contains("not checked, because BAKSTOP=0"), "{ran:?}");
    assert_eq!(pair.push(&["topic:refs/heads/copy"]).code, Some(0), "the remote has these commits");
    let ran = finish(
        sandbox
            .command("git")
            .args(["push", "-q", "origin", "main:refs/heads/y"])
            .env("BAKSTOP_SKIP", "nothing"),
    );
    assert!(ran.code == Some(1) && ran.err.contains("unknown rule nothing"), "{ran:?}");
}

#[test]
fn a_push_onto_commits_that_are_missing_here_is_judged() {
    let pair = hooked();
    // Someone else moved the branch meanwhile.
    let other = pair.clone.outside().join("other");
    must(finish(
        pair.clone.command("git").args(["clone", "-q", pair.server.to_str().unwrap()]).arg(&other),
    ));
    for arguments in [&["commit", "-q", "--allow-empty", "-m", "Elsewhere"][..], &["push", "-q"]] {
        must(finish(pair.clone.command("git").args(arguments).current_dir(&other)));
    }
    let sandbox = &pair.clone;
    sandbox.write("web/new.js", "");
    sandbox.commit_all("Here");
    assert_eq!(pair.push(&["-f", "main"]).code, Some(0));
}

#[test]
fn a_remote_with_an_odd_name_hides_nothing() {
    let sandbox = Sandbox::workspace();
    sandbox.write("kept.bak", "");
    sandbox.git(&["add", "-f", "kept.bak"]);
    sandbox.git(&["commit", "-q", "-m", "Back up"]);
    let id = sandbox.id("HEAD");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", &id]);
    let zeros = "0".repeat(40);
    let lines = format!("refs/heads/main {id} refs/heads/main {zeros}\n");
    let file = sandbox.outside().join("lines");
    fs::write(&file, &lines).unwrap();
    let judged = |remote: &[&str]| {
        let arguments = [&["check", "--push"], remote].concat();
        finish(sandbox.command(BAKSTOP).args(arguments).stdin(fs::File::open(&file).unwrap())).code
    };
    assert_eq!(judged(&[]), Some(0), "some remote has it, and none was named");
    for remote in
        [&["*"][..], &["o*"], &["https://example.org/*"], &["origin"], &["../shop"], &["--all"]]
    {
        assert_ne!(judged(remote), Some(0), "{remote:?}: nothing of that name is a remote");
    }
    sandbox.git(&["remote", "add", "origin", "https://example.org/"]);
    assert_eq!(judged(&["origin"]), Some(0), "what was seen there is there");
    assert_eq!(judged(&["https://example.org/"]), Some(0), "by its URL as well");
    assert_eq!(judged(&["https://example.org/other"]), Some(1));
}

#[test]
fn invalid_lines_on_standard_input_are_an_error() {
    let sandbox = Sandbox::workspace();
    let file = sandbox.outside().join("lines");
    let id = sandbox.id("HEAD");
    for (scope, text) in [
        ("--push", "nonsense\n".to_owned()),
        ("--receive", format!("{id} {id}\n")),
        ("--receive", format!("{id} {} refs/heads/main\n", "1".repeat(40))),
        ("--push", format!("refs/heads/main {} refs/heads/main {id}\n", "1".repeat(40))),
    ] {
        fs::write(&file, &text).unwrap();
        let ran = finish(
            sandbox.command(BAKSTOP).args(["check", scope]).stdin(fs::File::open(&file).unwrap()),
        );
        assert!(ran.code == Some(2) && ran.err.contains("help: "), "{text}: {ran:?}");
    }
    fs::write(&file, "").unwrap();
    let ran = finish(
        sandbox.command(BAKSTOP).args(["check", "--push"]).stdin(fs::File::open(&file).unwrap()),
    );
    assert_eq!(
        (ran.code, &*ran.err),
        (Some(0), "bakstop: nothing that is pushed is new to the remote\n")
    );
}

/// A workspace with `--strict`, and a rewritten manifest in the commit `bad` of another branch.
fn strict() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["commit", "-q", "-a", "-m", "Bad"]);
    sandbox.git(&["tag", "bad"]);
    sandbox.write("web/after.js", "");
    sandbox.commit_all("After");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("web/main.js", "");
    sandbox.commit_all("Main");
    must(sandbox.bakstop(&["install", "--strict"]));
    sandbox
}

/// Asserts that the operation stops and that the two printed commands, to abort and to continue,
/// work.
fn assert_stops(sandbox: &Sandbox, operation: &[&str], give_up: &str, go_on: &[&str]) {
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    let verb = operation[0];
    let shell = |command: &str| {
        let editor = "sed -i '/Bad$/d'";
        must(finish(
            sandbox
                .command("sh")
                .args(["-c", command])
                .env("GIT_SEQUENCE_EDITOR", editor)
                .env("GIT_EDITOR", "true"),
        ))
    };
    for fixed in [false, true] {
        let ran = sandbox.try_git(operation);
        assert_ne!(ran.code, Some(0), "{verb}: {ran:?}");
        let then = match go_on {
            [commit, edit, last] => format!("{commit}, drop the pick by {edit}, then {last}"),
            _ => go_on.join(", then "),
        };
        // Git keeps only the message of a single revert.
        let operation_name = if give_up == "git reset --merge" { "commit" } else { verb };
        let expected =
            format!("the {operation_name} stops here (to abort: {give_up}; once fixed: {then})\n");
        assert!(ran.err.contains(&expected), "{verb}: {}", ran.err);
        if !fixed {
            shell(give_up);
            assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), head, "{verb}");
            assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{verb}");
            continue;
        }
        sandbox.git(&["checkout", "-q", "main", "--", "web/package.json"]);
        sandbox.write("web/fixed.js", "");
        sandbox.git(&["add", "-A"]);
        for command in go_on {
            shell(command);
        }
        assert_ne!(sandbox.git(&["rev-parse", "HEAD"]), head, "{verb}");
        let status = sandbox.git(&["status"]);
        assert!(
            status.contains("nothing to commit") && !status.contains("in progress"),
            "{verb}: {status}"
        );
        assert_eq!(sandbox.bakstop(&["check", "--tree", "HEAD"]).code, Some(0));
    }
}

#[test]
fn strict_stops_a_cherry_pick() {
    assert_stops(
        &strict(),
        &["cherry-pick", "bad"],
        "git cherry-pick --abort",
        &["git cherry-pick --continue"],
    );
    let (abort, go_on) = ("git cherry-pick --abort", "git cherry-pick --continue");
    assert_stops(&strict(), &["cherry-pick", "bad", "side"], abort, &[go_on]);
}

#[test]
fn strict_stops_a_revert() {
    let sandbox = strict();
    // This reverts the commit that removed the rewritten manifest.
    sandbox.git(&["checkout", "-q", "side"]);
    sandbox.git(&["checkout", "-q", "main", "--", "web/package.json"]);
    sandbox.git(&["commit", "-q", "-m", "Restore"]);
    assert_stops(&sandbox, &["revert", "--no-edit", "HEAD"], "git reset --merge", &["git commit"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let go_on = ["git commit", "git revert --continue"];
    assert_stops(
        &sandbox,
        &["revert", "--no-edit", "HEAD", "HEAD~1"],
        "git revert --abort",
        &go_on,
    );
}

#[test]
fn strict_stops_a_rebase() {
    let sandbox = strict();
    sandbox.git(&["checkout", "-q", "side"]);
    let go_on = ["git commit", "git rebase --edit-todo", "git rebase --continue"];
    assert_stops(&sandbox, &["rebase", "main"], "git rebase --abort", &go_on);
}

#[test]
fn strict_reports_the_same_as_pre_commit_for_a_plain_commit() {
    let sandbox = strict();
    sandbox.rewrite("web/package.json");
    let ran = sandbox.try_git(&["commit", "-a", "--no-verify", "-m", "x"]);
    assert!(ran.code == Some(1), "--no-verify does not skip it: {ran:?}");
    assert!(
        ran.err.contains("the commit is blocked (to skip this check: BAKSTOP=0 git commit)"),
        "{ran:?}"
    );
    let ran = finish(sandbox.command("git").args(["commit", "-a", "-m", "x"]).env("BAKSTOP", "0"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_deletion_passes_even_with_a_broken_configuration() {
    let pair = Pair::plain();
    pair.assert_accepted(&["main", "main:refs/heads/other"]);
    // A configuration from before the installation, which is invalid.
    fs::rename(pair.server.join("hooks/pre-receive"), pair.server.join("aside")).unwrap();
    pair.clone.write("bakstop.json", "{ \"rulez\": {} }");
    let broken = pair.commit("web/x.js", "Break");
    pair.assert_accepted(&["main"]);
    fs::rename(pair.server.join("aside"), pair.server.join("hooks/pre-receive")).unwrap();
    pair.assert_accepted(&[":refs/heads/other"]);
    let next = pair.commit("web/y.js", "Next");
    let ran = pair.push(&["main"]);
    assert!(ran.code == Some(1) && ran.err.contains("takes precedence"), "{ran:?}");
    assert!(pair.has(&broken) && !pair.has(&next));
    // The printed steps.
    fs::write(pair.server.join("bakstop.json"), "{}").unwrap();
    pair.clone.write("bakstop.json", "{}");
    pair.commit("web/z.js", "Mend");
    let ran = pair.push(&["main"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
