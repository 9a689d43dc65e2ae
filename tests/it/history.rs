//! `bakstop check` of commits, trees and the work tree.

use std::fs;

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

mod new_paths;

/// The findings: the path, and the subject of the commit, or `-` without one.
pub(crate) fn found(sandbox: &Sandbox, arguments: &[&str]) -> Vec<(String, String)> {
    let ran = sandbox.bakstop(&[&["check", "--format", "json"], arguments].concat());
    let report: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{arguments:?}: {ran:?}"));
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(ran.code, Some(i32::from(!findings.is_empty())), "{ran:?}");
    let subject = |finding: &Value| finding["commit"]["subject"].as_str().unwrap_or("-").to_owned();
    findings
        .iter()
        .map(|finding| (finding["path"].as_str().unwrap().to_owned(), subject(finding)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, subject)| ((*path).to_owned(), (*subject).to_owned())).collect()
}

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A", "-f"]);
    sandbox.git(&["commit", "-q", "-m", message]);
}

/// A workspace with a branch `topic` that rewrites a manifest, adds a backup, and reverts both.
fn added_and_reverted() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.rewrite("web/package.json");
    commit(&sandbox, "Prepare");
    sandbox.write("old.bak", "");
    commit(&sandbox, "Back up");
    sandbox.git(&["checkout", "-q", "main", "--", "web/package.json"]);
    sandbox.git(&["rm", "-q", "old.bak"]);
    commit(&sandbox, "Undo");
    sandbox
}

#[test]
fn additions_that_a_range_reverts_are_found_with_their_commit() {
    let sandbox = added_and_reverted();
    let both = pairs(&[("old.bak", "Back up"), ("web/package.json", "Prepare")]);
    for range in [
        "main..topic",
        "main...topic",
        "main..HEAD",
        "topic",
        "HEAD",
        &format!("{}..topic", "0".repeat(40)),
    ] {
        assert_eq!(found(&sandbox, &["--range", range]), both, "{range}");
    }
    assert_eq!(found(&sandbox, &["--range", "main..topic", "--tip"]), []);
    assert_eq!(found(&sandbox, &["--range", "main..topic~1", "--tip"]).len(), 2);
    assert_eq!(found(&sandbox, &["--range", "topic~1..topic"]), [], "a deletion fixes it");
    assert_eq!(found(&sandbox, &["--history"]), both);
    assert_eq!(found(&sandbox, &["--tree", "topic"]), []);
    assert_eq!(
        found(&sandbox, &["--tree", "topic~1"]),
        pairs(&[("old.bak", "-"), ("web/package.json", "-")])
    );
    assert_eq!(found(&sandbox, &["--tree", "topic~1^{tree}"]).len(), 2);
}

#[test]
fn the_report_names_the_commit_and_the_steps() {
    let sandbox = added_and_reverted();
    let id = sandbox.git(&["rev-parse", "--short=12", "topic~2"]);
    let id = id.trim();
    let ran = sandbox.bakstop(&["check", "--range", "main..topic"]);
    assert!(
        ran.out.contains(&format!(" --> web/package.json:4:17 in {id} (Prepare)")),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("fix the commit itself: a later one leaves it in history"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("rebase -i --autostash {id}~1\n")), "{}", ran.out);
    assert!(!ran.out.contains("git add web"), "commands for the index would not help: {}", ran.out);
    // The commit of HEAD is to be amended.
    sandbox.git(&["checkout", "-q", "-b", "one", "topic~2"]);
    let ran = sandbox.bakstop(&["check", "--range", "main..one"]);
    assert!(ran.out.contains("git commit --amend"), "{}", ran.out);
}

#[test]
fn an_empty_range_is_reported_as_such() {
    let sandbox = Sandbox::workspace();
    let ran = sandbox.bakstop(&["check", "--range", "main..main"]);
    assert_eq!(
        (ran.code, &*ran.out, &*ran.err),
        (Some(0), "", "bakstop: there is no commit in main..main\n")
    );
    for (range, words) in [
        ("HEAD", "has no upstream, and the default branch is unknown"),
        ("", "one of its ends is empty"),
        ("..HEAD", "is a variable empty?"),
        ("main..", "is a variable empty?"),
        ("...HEAD", "is a variable empty?"),
    ] {
        let ran = sandbox.bakstop(&["check", "--range", range]);
        assert!(ran.code == Some(2) && ran.err.contains(words), "{range:?}: {ran:?}");
    }
}

#[test]
fn the_upstream_is_the_base_of_a_revision() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["clone", "-q", ".", "../fork"]);
    let fork = sandbox.moved_to("fork");
    fork.git(&["checkout", "-q", "-b", "topic", "origin/main"]);
    fork.write("a.bak", "");
    commit(&fork, "Back up");
    assert_eq!(found(&fork, &["--range", "topic"]), pairs(&[("a.bak", "Back up")]));
    assert_eq!(found(&fork, &["--range", "HEAD"]), pairs(&[("a.bak", "Back up")]));
    // A pushed branch is compared with its upstream, a new one with the default branch.
    fork.git(&["push", "-q", "--set-upstream", "origin", "topic"]);
    assert_eq!(found(&fork, &["--range", "topic"]), []);
    let zeros = "0".repeat(40);
    for range in [format!("{zeros}..topic"), format!("{zeros}..HEAD"), "origin/main..HEAD".into()] {
        assert_eq!(found(&fork, &["--range", &range]), pairs(&[("a.bak", "Back up")]), "{range}");
    }
    fork.git(&["checkout", "-q", "--detach"]);
    let ran = fork.bakstop(&["check", "--range", "HEAD", "--verbose"]);
    assert_eq!(ran.code, Some(1), "the default branch of origin: {ran:?}");
}

#[test]
fn a_merge_is_judged_for_its_own_changes() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("side.bak", "");
    commit(&sandbox, "Side");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("main.js", "");
    commit(&sandbox, "Main");
    let start = sandbox.id("HEAD");
    sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    sandbox.write("evil.bak", "");
    sandbox.git(&["add", "-f", "evil.bak"]);
    sandbox.git(&["commit", "-q", "-m", "Merge"]);
    let range = format!("{start}..HEAD");
    assert_eq!(
        found(&sandbox, &["--range", &range]),
        pairs(&[("evil.bak", "Merge"), ("side.bak", "Side")])
    );
    assert_eq!(
        found(&sandbox, &["--range", "side..HEAD"]),
        pairs(&[("evil.bak", "Merge")]),
        "side has the other"
    );
    assert_eq!(found(&sandbox, &["--range", &range, "--tip"]).len(), 2);
}

#[test]
fn old_content_is_new_again_if_a_commit_restores_it() {
    let sandbox = Sandbox::workspace();
    sandbox.write("d/old.bak", "bad");
    commit(&sandbox, "Bad, from before the guard");
    sandbox.git(&["branch", "stale"]);
    sandbox.git(&["rm", "-q", "d/old.bak"]);
    commit(&sandbox, "Undo");
    sandbox.git(&["branch", "good"]);
    // One commit on the old branch adds to the directory; another restores the same directory on
    // main.
    sandbox.git(&["checkout", "-q", "stale"]);
    sandbox.write("d/new.js", "");
    commit(&sandbox, "Add");
    sandbox.git(&["checkout", "-q", "good"]);
    sandbox.git(&["checkout", "stale", "--", "d"]);
    commit(&sandbox, "Back again");
    sandbox.git(&["merge", "-q", "-s", "ours", "-m", "Merge", "stale"]);
    assert_eq!(found(&sandbox, &["--range", "main..HEAD"]), pairs(&[("d/old.bak", "Back again")]));
}

#[test]
fn errors_of_ranges_have_a_help_line() {
    let sandbox = added_and_reverted();
    let fails = |sandbox: &Sandbox, arguments: &[&str], words: &[&str]| {
        let ran = sandbox.bakstop(&[&["check"], arguments].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(words.iter().all(|word| ran.err.contains(word)), "{arguments:?}: {}", ran.err);
    };
    fails(
        &sandbox,
        &["--range", "nowhere..topic"],
        &["there is no commit \"nowhere\"", "git branch --all"],
    );
    fails(&sandbox, &["--range", "main..-x"], &["there is no commit \"-x\""]);
    fails(&sandbox, &["--range", "main..a\nb"], &["there is no commit \"a\\nb\""]);
    fails(&sandbox, &["--tree", "nowhere"], &["there is no commit \"nowhere\""]);
    fails(&sandbox, &["--tree", "--all"], &["there is no commit \"--all\""]);
    fails(&Sandbox::empty(), &["--range", "a..b"], &["not a git repository"]);
    fails(&Sandbox::empty(), &["--history"], &["not a git repository"]);
    fails(&Sandbox::empty(), &["--worktree"], &["not a git repository"]);
    fails(&Sandbox::unborn(), &["--range", "HEAD"], &["there is no commit \"HEAD\""]);
    sandbox.git(&["checkout", "-q", "--orphan", "stranger"]);
    commit(&sandbox, "Stranger");
    fails(&sandbox, &["--range", "main...stranger"], &["no common ancestor"]);

    let id = sandbox.id("topic~1:old.bak");
    let tree = sandbox.id("topic~1^{tree}");
    for id in [id, tree] {
        let (directory, name) = id.split_at(2);
        fs::remove_file(sandbox.top.join(format!(".git/objects/{directory}/{name}"))).unwrap();
    }
    fails(&sandbox, &["--range", "main..topic"], &["read the tree", "not in the object store"]);
}

#[test]
fn a_shallow_clone_reports_the_missing_history() {
    let sandbox = added_and_reverted();
    let url = format!("file://{}", sandbox.top.display());
    sandbox.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        "--no-single-branch",
        "--branch",
        "topic",
        &url,
        "../shallow",
    ]);
    let shallow = sandbox.moved_to("shallow");
    for arguments in [
        &["--range", "origin/main..HEAD"][..],
        &["--range", "origin/main...HEAD"],
        &["--range", "HEAD~1..HEAD"],
        &["--history"],
    ] {
        let ran = shallow.bakstop(&[&["check"], arguments].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("git fetch --unshallow"), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(
        shallow.bakstop(&["check", "--tree", "HEAD"]).code,
        Some(0),
        "a tree is there whole"
    );
    shallow.write("a.bak", "");
    commit(&shallow, "Back up");
    assert_eq!(
        found(&shallow, &["--range", "HEAD~1..HEAD"]),
        pairs(&[("a.bak", "Back up")]),
        "this range is there"
    );
}

#[test]
fn grafts_and_replaced_objects_hide_nothing() {
    let sandbox = added_and_reverted();
    let [main, topic, one, two] =
        ["main", "topic", "topic~1", "topic~2"].map(|revision| sandbox.id(revision));
    // Here, the last commit is a graft without parents and replaces the one with the backup.
    fs::create_dir_all(sandbox.top.join(".git/info")).unwrap();
    fs::write(sandbox.top.join(".git/info/grafts"), format!("{topic} {main}\n")).unwrap();
    assert_eq!(found(&sandbox, &["--range", "main..topic"]).len(), 2);
    fs::remove_file(sandbox.top.join(".git/info/grafts")).unwrap();
    sandbox.git(&["replace", &one, &main]);
    sandbox.git(&["replace", "--force", &two, &main]);
    assert_eq!(found(&sandbox, &["--range", "main..topic"]).len(), 2);
}

#[test]
fn every_kind_of_repository_gives_the_same_answer() {
    let sandbox = added_and_reverted();
    let both = pairs(&[("old.bak", "Back up"), ("web/package.json", "Prepare")]);
    let export = sandbox.outside().join("export");
    fs::write(&export, sandbox.git(&["fast-export", "--all"])).unwrap();
    let mut tried = 0;
    for kind in ["--object-format=sha256", "--ref-format=reftable", "--bare"] {
        let other = Sandbox::empty();
        if other.try_git(&["init", "-q", "-b", "main", kind]).code != Some(0) {
            // Git before 2.45 has no reftable.
            continue;
        }
        tried += 1;
        finish(
            other
                .command("git")
                .args(["fast-import", "--quiet"])
                .stdin(fs::File::open(&export).unwrap()),
        );
        for arguments in [&["--range", "main..topic"][..], &["--history"]] {
            assert_eq!(found(&other, arguments), both, "{kind} {arguments:?}");
        }
        assert_eq!(found(&other, &["--tree", "topic~1"]).len(), 2, "{kind}");
    }
    assert!(tried >= 2);
    // Where git has to name the object store.
    let mut by_git = sandbox.command(BAKSTOP);
    by_git.args(["check", "--range", "main..topic"]).env("GIT_CONFIG_PARAMETERS", "'a.b=c'");
    assert_eq!(finish(&mut by_git).out, sandbox.bakstop(&["check", "--range", "main..topic"]).out);
    // Over borrowed objects, packed; and over a path in quotes, which only git reads.
    sandbox.git(&["gc", "-q"]);
    sandbox.git(&["clone", "-q", "--shared", ".", "../shared"]);
    let shared = sandbox.moved_to("shared");
    assert_eq!(found(&shared, &["--range", "origin/main..origin/topic"]), both);
    let alternates = shared.top.join(".git/objects/info/alternates");
    let path = fs::read_to_string(&alternates).unwrap();
    fs::write(&alternates, format!("\"{}\"\n", path.trim_end())).unwrap();
    assert_eq!(found(&shared, &["--range", "origin/main..origin/topic"]), both);
}

#[test]
fn a_mismatch_counts_only_if_it_remains_at_the_end_of_a_range() {
    let sandbox = Sandbox::workspace();
    let pin =
        |version: &str| format!("FROM node:22\nRUN corepack prepare pnpm@{version} --activate\n");
    sandbox.write("Dockerfile", pin("10.6.5"));
    commit(&sandbox, "Image");
    let manifest = fs::read_to_string(sandbox.top.join("package.json")).unwrap();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.write("package.json", manifest.replace("10.6.5", "10.7.0"));
    commit(&sandbox, "Bump");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), pairs(&[("Dockerfile", "Bump")]));
    sandbox.write("Dockerfile", pin("10.7.0"));
    commit(&sandbox, "Bump the image too");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), []);
}

#[test]
fn the_work_tree_is_judged_as_it_is_on_disk() {
    let sandbox = Sandbox::workspace();
    assert_eq!(found(&sandbox, &["--worktree"]), []);
    sandbox.rewrite("web/package.json");
    sandbox.write("ignored.bak", "");
    sandbox.write("node_modules/x/a.bak", "");
    sandbox.write("new/package.json", fs::read(sandbox.top.join("web/package.json")).unwrap());
    fs::remove_file(sandbox.top.join("backend/package.json")).unwrap();
    let both = pairs(&[("new/package.json", "-"), ("web/package.json", "-")]);
    assert_eq!(found(&sandbox, &["--worktree"]), both);
    assert_eq!(found(&sandbox, &["-C", "web", "--worktree"]), both, "from below the top too");
    sandbox.git(&["add", "-f", "ignored.bak"]);
    assert_eq!(found(&sandbox, &["--worktree"]).len(), 3, "tracked, also if ignored");
}

#[test]
fn history_is_every_commit_that_a_ref_reaches() {
    let sandbox = added_and_reverted();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["branch", "-q", "-D", "topic"]);
    assert_eq!(found(&sandbox, &["--history"]), []);
    sandbox.write("stashed.bak", "");
    sandbox.git(&["add", "-f", "stashed.bak"]);
    sandbox.git(&["stash", "-q"]);
    assert_eq!(found(&sandbox, &["--history"]).len(), 1, "a stash is a ref");
    sandbox.git(&["stash", "drop", "-q"]);
    let tree = sandbox.git(&["write-tree"]);
    assert_eq!(found(&sandbox, &["--history"]), []);
    sandbox.write("in-a-tree.bak", "");
    sandbox.git(&["add", "-f", "in-a-tree.bak"]);
    let with = sandbox.git(&["write-tree"]);
    assert_ne!(tree, with);
    sandbox.git(&["tag", "-a", "-m", "x", "a-tree", with.trim()]);
    sandbox.git(&["reset", "-q", "--hard"]);
    assert_eq!(found(&sandbox, &["--history"]), pairs(&[("in-a-tree.bak", "-")]));
    let bare = Sandbox::empty();
    bare.git(&["init", "-q", "--bare"]);
    let Ran { code, err, .. } = bare.bakstop(&["check", "--history"]);
    assert_eq!((code, &*err), (Some(0), "bakstop: there is no commit\n"));
}

#[test]
fn scopes_exclude_each_other() {
    let sandbox = Sandbox::workspace();
    for arguments in [
        &["--range", "a..b", "--history"][..],
        &["--worktree", "--tree", "HEAD"],
        &["--tip"],
        &["--receive", "--push"],
    ] {
        assert_eq!(
            sandbox.bakstop(&[&["check"], arguments].concat()).code,
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn refs_with_confusing_names_are_resolved_or_refused() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["clone", "-q", ".", "../fork"]);
    let fork = sandbox.moved_to("fork");
    fork.git(&["checkout", "-q", "-b", "feat/x", "origin/main"]);
    fork.write("a.bak", "");
    commit(&fork, "Back up");
    // A tag next to branches with the same prefix, one of which follows a branch of that name.
    fork.git(&["tag", "feat"]);
    fork.git(&["update-ref", "refs/remotes/origin/work", "HEAD"]);
    fork.git(&["branch", "-q", "--set-upstream-to", "origin/work", "feat/x"]);
    assert_eq!(found(&fork, &["--range", "feat"]), pairs(&[("a.bak", "Back up")]));
    // A branch with the name of the default branch of a remote.
    fork.git(&["symbolic-ref", "--delete", "refs/remotes/origin/HEAD"]);
    fork.git(&["update-ref", "refs/remotes/origin/HEAD", "HEAD"]);
    fork.git(&["update-ref", "refs/heads/refs/remotes/origin/main", "HEAD"]);
    let zeros = "0".repeat(40);
    assert_eq!(
        found(&fork, &["--range", &format!("{zeros}..HEAD")]),
        pairs(&[("a.bak", "Back up")])
    );
    // A tag with the name of the base.
    fork.git(&["tag", "origin/main"]);
    let ran = fork.bakstop(&["check", "--range", "origin/main..HEAD"]);
    assert!(ran.code == Some(2) && ran.err.contains("'origin/main' is ambiguous"), "{ran:?}");
    fork.git(&["update-ref", "-d", "refs/heads/refs/remotes/origin/main"]);
    assert_eq!(found(&fork, &["--range", "refs/remotes/origin/main..HEAD"]).len(), 1);
}

#[test]
fn a_null_base_without_new_commits_is_an_error() {
    let sandbox = added_and_reverted();
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "topic"]);
    let range = format!("{}..topic", "0".repeat(40));
    let ran = sandbox.bakstop(&["check", "--range", &range]);
    assert!(
        ran.code == Some(2) && ran.err.contains("topic is the same commit as origin/main"),
        "{ran:?}"
    );
}

#[test]
fn a_tag_called_head_does_not_matter() {
    let sandbox = added_and_reverted();
    sandbox.git(&["tag", "HEAD", "main"]);
    sandbox.git(&["checkout", "-q", "--detach"]);
    assert_eq!(found(&sandbox, &["--range", "main..HEAD"]).len(), 2);
    assert_eq!(found(&sandbox, &["--history"]).len(), 2);
}

/// Commits these pins of the manifest and the image.
fn pins(sandbox: &Sandbox, manifest: &str, image: &str, message: &str) -> String {
    sandbox.write("package.json", format!("{{ \"packageManager\": \"pnpm@{manifest}\" }}\n"));
    sandbox.write("Dockerfile", format!("FROM node:22\nRUN npm i -g pnpm@{image}\n"));
    commit(sandbox, message);
    sandbox.id("HEAD")
}

#[test]
fn a_merged_old_branch_hides_no_mismatch() {
    let sandbox = Sandbox::workspace();
    let eight = pins(&sandbox, "8.0.0", "8.0.0", "Eight");
    let nine = pins(&sandbox, "9.0.0", "9.0.0", "Nine");
    sandbox.git(&["checkout", "-q", "-b", "old", &eight]);
    sandbox.write("old.js", "");
    commit(&sandbox, "Old");
    sandbox.git(&["checkout", "-q", "-b", "topic", &nine]);
    sandbox.git(&["merge", "-q", "-s", "ours", "-m", "Merge old", "old"]);
    pins(&sandbox, "9.0.0", "8.0.0", "Back to eight");
    let expected = pairs(&[("Dockerfile", "Back to eight")]);
    assert_eq!(found(&sandbox, &["--range", &format!("{nine}..topic")]), expected);
    assert_eq!(
        found(&sandbox, &["--range", &format!("{nine}..topic"), "--tip"]),
        pairs(&[("Dockerfile", "-")])
    );
}

#[test]
fn the_mode_of_an_entry_must_match_the_type_of_its_object() {
    let sandbox = Sandbox::workspace();
    let tree = sandbox.id("HEAD^{tree}");
    let bytes: Vec<u8> = (0..20)
        .map(|at| u8::from_str_radix(tree.get(2 * at..2 * at + 2).unwrap(), 16).unwrap())
        .collect();
    // A file by its mode, a directory by its object.
    let raw = sandbox.outside().join("raw");
    fs::write(&raw, [b"100644 package.json\0", &bytes[..]].concat()).unwrap();
    let ran = finish(
        sandbox.command("git").args(["hash-object", "-w", "-t", "tree", "--literally"]).arg(&raw),
    );
    for by_git in [false, true] {
        let mut check = sandbox.command(BAKSTOP);
        check.args(["check", "--tree", ran.out.trim()]);
        if by_git {
            check.env("GIT_CONFIG_PARAMETERS", "'a.b=c'");
        }
        let ran = finish(&mut check);
        assert!(ran.code == Some(2) && ran.err.contains("it is a tree, not a blob"), "{ran:?}");
    }
}

#[test]
fn criss_cross_merges_have_several_merge_bases() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["branch", "-q", "topic"]);
    sandbox.write("old.bak", "");
    commit(&sandbox, "Bad, from before the guard");
    let main = sandbox.id("main");
    sandbox.git(&["checkout", "-q", "topic"]);
    sandbox.write("topic.js", "");
    commit(&sandbox, "Topic");
    let topic = sandbox.id("topic");
    sandbox.git(&["merge", "-q", "-m", "Merge main", &main]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "-m", "Merge topic", &topic]);
    assert_eq!(sandbox.git(&["merge-base", "--all", "main", "topic"]).lines().count(), 2);
    for arguments in [
        &["--range", "main...topic", "--tip"][..],
        &["--range", "main...topic"],
        &["--range", "main..topic"],
    ] {
        assert_eq!(found(&sandbox, arguments), [], "{arguments:?}");
    }
}

#[test]
fn an_old_mismatch_that_a_range_does_not_touch_is_not_reported() {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "FROM node:22\nRUN corepack prepare pnpm@9.0.0 --activate\n");
    commit(&sandbox, "Drift, from before the guard");
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    let text = fs::read_to_string(sandbox.top.join("Dockerfile")).unwrap();
    sandbox.write("Dockerfile", format!("{text}# more\n"));
    commit(&sandbox, "Touch");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), []);
    sandbox.write("Dockerfile", text.replace("9.0.0", "9.0.1"));
    commit(&sandbox, "Move");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), pairs(&[("Dockerfile", "Move")]));
    sandbox.write("Dockerfile", &text);
    commit(&sandbox, "Restore");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), []);
}

/// Runs each printed command.
#[test]
fn the_printed_steps_work() {
    let sandbox = added_and_reverted();
    sandbox.git(&["checkout", "-q", "main"]);
    let advice = |sandbox: &Sandbox| sandbox.bakstop(&["check", "--range", "main..topic"]).out;
    let help = advice(&sandbox);
    assert!(help.contains("    git switch topic\n"), "{help}");
    sandbox.git(&["checkout", "-q", "topic"]);
    let help = advice(&sandbox);
    let stops = "help: rewrite the commits named above; git stops at each of them:\n";
    assert!(help.contains(stops) && !help.contains("git switch"), "{help}");
    let (_, rebase) = help.split_once(stops).unwrap();
    let rebase = rebase.lines().next().unwrap().trim();
    let git = |command: &str| {
        let arguments: Vec<&str> = command.trim_start_matches("git ").split(' ').collect();
        finish(sandbox.command("git").args(arguments).env("GIT_EDITOR", "true")).code
    };
    assert_eq!(sandbox.run("sh", &["-c", rebase]).code, Some(0), "{rebase}");
    sandbox.git(&["checkout", "-q", "main", "--", "web/package.json"]);
    sandbox.write("web/more.js", "");
    sandbox.git(&["add", "-A"]);
    assert!(help.contains("    git commit --amend && git rebase --continue\n"), "{help}");
    assert_eq!((git("git commit --amend"), git("git rebase --continue")), (Some(0), Some(0)));
    sandbox.git(&["rm", "-q", "old.bak"]);
    sandbox.write("web/other.js", "");
    sandbox.git(&["add", "-A"]);
    git("git commit --amend");
    // The commit that reverted it is empty now.
    while sandbox.top.join(".git/rebase-merge").exists() {
        if git("git rebase --continue") != Some(0) {
            git("git rebase --skip");
        }
    }
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), []);

    // A rebase does not pick merges.
    sandbox.git(&["checkout", "-q", "-b", "merged", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "topic"]);
    sandbox.write("evil.bak", "");
    sandbox.git(&["add", "-f", "evil.bak"]);
    sandbox.git(&["commit", "-q", "-m", "Merge"]);
    sandbox.write("after.js", "");
    commit(&sandbox, "After");
    let out = sandbox.bakstop(&["check", "--range", "main..merged"]).out;
    assert!(out.contains("    git rebase --autostash --rebase-merges --exec '"), "{out}");
}

#[test]
fn an_allowance_in_the_range_must_be_sent_first() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.write("a.bak", "");
    sandbox.write(
        "bakstop.json",
        r#"{ "allow": [{ "rule": "stray-backup", "path": "*.bak", "reason": "x" }] }"#,
    );
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
    sandbox.git(&["commit", "-q", "-m", "Allow"]);
    let out = sandbox.bakstop(&["check", "--range", "main..topic"]).out;
    let expected = "help: bakstop.json:1:13 allows stray-backup in a.bak, but applies only once \
                    it is in main: push that file first\n";
    assert!(out.contains(expected), "{out}");
}
