//! Preparations in place, and what a person does with git meanwhile.

use std::fs;
use std::path::PathBuf;

use super::{MANIFESTS, Manifests, manifests, pair, prepare};
use crate::support::{BAKSTOP, finish};

#[test]
fn packages_that_come_back_out_of_a_stash_are_taken_out() {
    let pair = pair();
    let before = manifests(&pair);
    prepare(&pair, &[]);
    let prepared = manifests(&pair);
    pair.product.git(&["stash", "-q"]);
    let ran = pair.product.bakstop(&["restore"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(manifests(&pair)[0], before[0]);
    pair.product.git(&["stash", "pop", "-q"]);
    assert_eq!(manifests(&pair)[0].0, prepared[0].0);
    assert_eq!(pair.product.bakstop(&["status"]).err, "", "it is not prepared");
    let ran = pair.product.bakstop(&["restore", "--dry-run"]);
    assert!(ran.code == Some(0) && ran.out.contains("2 files to restore\n"), "{ran:?}");
    let ran = pair.product.bakstop(&["restore"]);
    assert!(ran.code == Some(0) && ran.out.contains("2 files restored"), "{ran:?}");
    // The edit that was not committed is back as well: HEAD does not have it.
    let texts = |all: &Manifests| all.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&manifests(&pair)), texts(&before));
    assert_eq!(pair.product.bakstop(&["restore"]).out, "bakstop: nothing to restore\n");
}

#[test]
fn another_branch_keeps_its_manifests() {
    let pair = pair();
    let product = &pair.product;
    product.git(&["checkout", "-q", "--", "."]);
    product.git(&["checkout", "-q", "-b", "other"]);
    let theirs = "{\"name\": \"theirs\", \"dependencies\": {\"@acme/http\": \"^3\"}}\n";
    product.write(MANIFESTS[0], theirs);
    product.commit_all("Theirs");
    product.git(&["checkout", "-q", "main"]);
    prepare(&pair, &[]);
    let switched = product.try_git(&["checkout", "-q", "other"]);
    assert_eq!(switched.code, Some(1), "git refuses: {switched:?}");
    assert_eq!(product.try_git(&["merge", "-q", "--ff-only", "other"]).code, Some(1));
    product.git(&["checkout", "-q", "-f", "other"]);
    let ran = product.bakstop(&["restore"]);
    assert_eq!(fs::read_to_string(product.top.join(MANIFESTS[0])).unwrap(), theirs, "{ran:?}");
    let words = "left backend/package.json:1: dependencies > @acme/http: it was changed since";
    assert!(ran.code == Some(1) && ran.out.contains(words), "{ran:?}");
    assert_eq!(product.git(&["status", "--porcelain"]), "");
    assert_eq!(product.bakstop(&["restore"]).code, Some(0), "it is said once");
}

#[test]
fn a_commit_while_prepared_is_blocked() {
    let pair = pair();
    pair.product.bakstop(&["install"]);
    pair.product.commit_all("Before");
    let before = manifests(&pair);
    prepare(&pair, &[]);
    let mut command = pair.product.command("git");
    let path = std::env::split_paths(&pair.path()).collect::<Vec<_>>();
    let program = PathBuf::from(BAKSTOP).parent().unwrap().to_owned();
    let path = std::env::join_paths(std::iter::once(program).chain(path)).unwrap();
    let ran = finish(command.env("PATH", path).args(["commit", "-qam", "All"]));
    assert!(ran.code == Some(1) && ran.err.contains("rewritten-manifest"), "{ran:?}");
    assert!(ran.err.contains("bakstop restore --staged --worktree"), "{ran:?}");
    pair.product.git(&["add", "-A"]);
    let ran = pair.product.bakstop(&["restore", "--staged", "--worktree"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(manifests(&pair), before);
    assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
}

#[test]
fn linked_work_trees_and_submodules_have_their_own_journals() {
    let pair = pair();
    pair.product.commit_all("All");
    pair.product.git(&["worktree", "add", "-q", "../linked"]);
    pair.product.git(&["init", "-q", "../above"]);
    let shop = pair.product.top.to_str().unwrap();
    let allowed = ["-c", "protocol.file.allow=always", "-C", "../above"];
    pair.product.git(&[&allowed[..], &["submodule", "--quiet", "add", shop, "shop"]].concat());
    for place in ["linked", "above/shop"] {
        let place = pair.at(place);
        let before = fs::read(place.join(MANIFESTS[0])).unwrap();
        let run = |words: &[&str]| {
            let mut command = pair.product.command(BAKSTOP);
            command.env("PATH", pair.path()).args(words).current_dir(&place);
            finish(&mut command)
        };
        let from = pair.at("plat");
        let ran = run(&["prep", "--in-place", "--from", from.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_ne!(fs::read(place.join(MANIFESTS[0])).unwrap(), before);
        assert_eq!(pair.product.bakstop(&["status"]).err, "");
        assert_eq!(pair.product.bakstop(&["restore"]).out, "bakstop: nothing to restore\n");
        assert!(run(&["check"]).err.contains("1 more have the packages of `bakstop prep"));
        let ran = run(&["-C", "backend", "restore"]);
        assert!(
            ran.code == Some(0) && ran.out.contains("restored backend/package.json"),
            "{ran:?}"
        );
        assert_eq!(fs::read(place.join(MANIFESTS[0])).unwrap(), before);
    }
}

#[test]
fn the_variables_of_git_choose_the_journal() {
    let pair = pair();
    let before = manifests(&pair);
    fs::rename(pair.product.top.join(".git"), pair.at("elsewhere.git")).unwrap();
    let run = |words: &[&str]| {
        let mut command = pair.product.command(BAKSTOP);
        command.env("PATH", pair.path()).args(words);
        command.env("GIT_DIR", pair.at("elsewhere.git")).env("GIT_WORK_TREE", &pair.product.top);
        finish(&mut command)
    };
    let ran = run(&["prep", "--in-place"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(pair.at("elsewhere.git/bakstop/prep/journal").exists());
    assert!(run(&["status"]).err.starts_with("bakstop: backend/package.json and 1 more have"));
    assert_eq!(run(&["restore"]).code, Some(0));
    assert_eq!(manifests(&pair), before);
    // Without them there is no repository, and no original of what is prepared with one.
    assert_eq!(run(&["prep", "--in-place"]).code, Some(0));
    let prepared = manifests(&pair);
    let ran = prepare(&pair, &["--", "true"]);
    let words = "could not change backend/package.json: it names packed packages already";
    assert!(ran.code == Some(2) && ran.err.contains(words), "{ran:?}");
    assert_eq!(manifests(&pair), prepared);
    assert_eq!(run(&["restore"]).code, Some(0));
    assert_eq!(manifests(&pair), before);
}
