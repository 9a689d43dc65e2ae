//! Repositories in special places, states and formats.

use std::fs;

use super::{found, paths};
use crate::support::{BAKSTOP, Sandbox, finish, rewritten_spec};

#[test]
fn git_dir_alone_makes_the_current_directory_the_work_tree() {
    let sandbox = Sandbox::workspace();
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    let backend = sandbox.top.join("backend");
    fs::write(
        backend.join("package.json"),
        format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec()),
    )
    .unwrap();
    let git = |arguments: &[&str]| {
        finish(
            sandbox.command("git").arg("--git-dir=../.git").args(arguments).current_dir(&backend),
        )
    };
    assert_eq!(git(&["add", "package.json"]).code, Some(0));
    let ran = git(&["commit", "-m", "x"]);
    assert!(ran.code == Some(1) && ran.err.contains("error[rewritten-manifest]"), "{ran:?}");
}

#[test]
fn replaced_objects_are_ignored() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let bad = sandbox.git(&["rev-parse", ":web/package.json"]);
    let good = sandbox.git(&["rev-parse", "HEAD:web/package.json"]);
    sandbox.git(&["replace", bad.trim(), good.trim()]);
    assert_eq!(found(&sandbox), ["web/package.json"]);
    let by_git = finish(
        sandbox
            .command(BAKSTOP)
            .args(["check", "--format", "json"])
            .env("GIT_CONFIG_PARAMETERS", "'a.b=c'"),
    );
    assert_eq!(paths(&by_git), ["web/package.json"]);
}

#[test]
fn repositories_that_git_refuses_are_refused() {
    let sandbox = Sandbox::workspace();
    let refused = |name: &str, value: &str| {
        let ran = finish(sandbox.command(BAKSTOP).arg("check").env(name, value));
        assert_eq!(ran.code, Some(2), "{name}={value}: {ran:?}");
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    };
    refused("GIT_CONFIG_PARAMETERS", "bogus");
    refused("GIT_DIR", "/nowhere/\u{1b}[31m");
    let bare = sandbox.outside().join("bare.git");
    sandbox.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    let ran = finish(sandbox.command(BAKSTOP).arg("check").current_dir(&bare));
    assert!(ran.code == Some(2) && ran.err.contains("bare"), "{ran:?}");
    let ran = sandbox.bakstop(&["-C", ".git", "check"]);
    assert!(ran.code == Some(2) && ran.err.contains("or a .git directory"), "{ran:?}");
    sandbox.git(&["config", "core.bare", "foo"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(2));
}

#[test]
fn a_linked_worktree_has_its_own_index() {
    let sandbox = Sandbox::workspace();
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    fs::write(linked.join("x.bak"), "").unwrap();
    finish(sandbox.command("git").args(["add", "-f", "x.bak"]).current_dir(&linked));
    assert_eq!(
        paths(&finish(
            sandbox.command(BAKSTOP).args(["check", "--format", "json"]).current_dir(&linked)
        )),
        ["x.bak"]
    );
    assert_eq!(found(&sandbox), [""; 0]);
}

#[test]
fn the_index_of_git_index_file_is_judged() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    fs::copy(sandbox.top.join(".git/index"), sandbox.top.join(".git/other")).unwrap();
    finish(sandbox.command("git").args(["add", "-A"]).env("GIT_INDEX_FILE", ".git/other"));
    let judge = |index: &str, directory: &str| {
        let mut command = sandbox.command(BAKSTOP);
        command
            .args(["check", "--format", "json"])
            .env("GIT_INDEX_FILE", index)
            .current_dir(sandbox.top.join(directory));
        paths(&finish(&mut command))
    };
    assert_eq!(found(&sandbox), [""; 0]);
    assert_eq!(judge(".git/other", "."), ["web/package.json"]);
    assert_eq!(
        judge(".git/other", "backend"),
        ["web/package.json"],
        "relative to the top, as git takes it"
    );
    assert_eq!(
        judge(sandbox.top.join(".git/other").to_str().unwrap(), "backend"),
        ["web/package.json"]
    );
    assert_eq!(judge(".git/none", "."), [""; 0], "an index that does not exist is empty");
}

#[test]
fn directories_folded_in_a_sparse_index_are_judged() {
    let sandbox = Sandbox::workspace();
    sandbox.write("apps/b/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.0.0\n");
    sandbox.write("tools/x", "");
    sandbox.commit_all("Pin");
    sandbox.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "tools"]);
    let manifest = std::fs::read_to_string(sandbox.top.join("package.json")).unwrap();
    sandbox.write("package.json", manifest.replace("10.6.5", "10.7.0"));
    // With and without the trees of the index, which `git commit` writes.
    for trees in [&["status"][..], &["write-tree"]] {
        sandbox.git(&["add", "package.json"]);
        sandbox.git(trees);
        assert!(sandbox.git(&["ls-files", "--sparse"]).lines().any(|path| path == "apps/"));
        let ran = sandbox.bakstop(&["check"]);
        assert!(ran.code == Some(1) && ran.out.contains("apps/b/Dockerfile"), "{trees:?}: {ran:?}");
    }
}

#[test]
fn repositories_that_are_not_read_directly_are_read_by_git() {
    // The reason in --verbose, a variable to set, and the setup.
    for (what, variable, setup) in [
        (
            "GIT_OTHER is set",
            "GIT_OTHER",
            &[&["sparse-checkout", "set", "--cone", "--sparse-index", "web"][..]][..],
        ),
        ("GIT_OTHER is set", "GIT_OTHER", &[&["update-index", "--split-index"]]),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES is set", "GIT_ALTERNATE_OBJECT_DIRECTORIES", &[]),
        (
            "the repository uses the extension noop-v1",
            "OTHER",
            &[
                &["config", "core.repositoryFormatVersion", "1"],
                &["config", "extensions.noop-v1", "true"],
            ],
        ),
    ] {
        let sandbox = Sandbox::workspace();
        for arguments in setup {
            sandbox.git(arguments);
        }
        sandbox.rewrite("web/package.json");
        sandbox.git(&["add", "web/package.json"]);
        let mut command = sandbox.command(BAKSTOP);
        command.args(["check", "--format", "json", "--verbose"]).env(variable, sandbox.outside());
        let ran = finish(&mut command);
        assert!(ran.err.contains(&format!("read by git, because {what}")), "{ran:?}");
        assert_eq!(paths(&ran), ["web/package.json"], "{what}");
    }
}

#[test]
fn other_formats_of_a_repository() {
    for format in ["--object-format=sha256", "--ref-format=reftable"] {
        let sandbox = Sandbox::empty();
        if sandbox.try_git(&["init", "-q", "-b", "main", format]).code != Some(0) {
            println!("not tested: this git cannot make a repository with {format}");
            continue;
        }
        sandbox.write("x.bak", "");
        sandbox.git(&["add", "-A"]);
        assert_eq!(found(&sandbox), ["x.bak"], "{format}, unborn");
        sandbox.git(&["commit", "-q", "-m", "Bad, from before the guard"]);
        assert_eq!(found(&sandbox), [""; 0], "{format}");
        sandbox.write(
            "package.json",
            format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec()),
        );
        sandbox.git(&["add", "-A"]);
        assert_eq!(found(&sandbox), ["package.json"], "{format}");
    }
}

#[test]
fn pins_whose_old_file_cannot_be_read_count_as_changed() {
    let pin = |sandbox: &Sandbox, path: &str, version: &str| {
        sandbox.write(path, format!("{{ \"packageManager\": \"pnpm@{version}\" }}\n"));
    };
    let origin = Sandbox::workspace();
    pin(&origin, "web/package.json", "10.6.5");
    origin.commit_all("Agree");
    pin(&origin, "package.json", "10.7.0");
    let reports = |sandbox: &Sandbox, arguments: &[&str]| {
        let ran = sandbox.bakstop(&[&["check"], arguments].concat());
        let mismatch = "error[package-manager-mismatch]";
        assert!(ran.code == Some(1) && ran.out.contains(mismatch), "{arguments:?}: {ran:?}");
    };
    origin.git(&["add", "-A"]);
    reports(&origin, &[]);

    // A clone of one branch without the blobs of its history, as CI makes it.
    origin.git(&["commit", "-qm", "Disagree"]);
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = Sandbox::empty();
    let url = format!("file://{}", origin.top.display());
    clone.git(&["clone", "-q", "--filter=blob:none", &url, "."]);
    clone.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    reports(&clone, &["--range", "HEAD^..HEAD"]);

    // A damaged repository.
    let old = origin.id("HEAD^:package.json");
    let (directory, name) = old.split_at(2);
    fs::remove_file(origin.top.join(format!(".git/objects/{directory}/{name}"))).unwrap();
    reports(&origin, &["--range", "HEAD^..HEAD"]);
}
