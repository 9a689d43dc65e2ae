//! `bakstop verify` reports every path of a work tree that is not clean, and is quiet otherwise.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish, rewritten_spec};

mod around;
mod baseline;
pub(crate) mod builds;
mod command;
mod explained;
mod hiding;
mod planted;
mod states;
mod time;

const QUIET: (Option<i32>, &str, &str) = (Some(0), "", "");

fn code_and_output(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.code, &ran.out, &ran.err)
}

/// The JSON report, checked against its schema.
fn report(ran: &Ran) -> Value {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
        let schema: Value =
            serde_json::from_str(include_str!("../../docs/schema/verify.json")).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let errors: Vec<String> = SCHEMA.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    report
}

/// `path: states (notes)` for each path of the report.
fn reported_paths(ran: &Ran) -> Vec<String> {
    let list = |value: &Value| -> String {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_str().unwrap())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let line = |path: &Value| {
        let notes = list(&path["notes"]);
        let notes = if notes.is_empty() { notes } else { format!(" ({notes})") };
        format!("{}: {}{notes}", path["path"].as_str().unwrap(), list(&path["after"]))
    };
    report(ran)["paths"].as_array().unwrap().iter().map(line).collect()
}

fn verify(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.bakstop(&["verify", "--format", "json"]);
    let paths = reported_paths(&ran);
    assert_eq!(ran.code, Some(i32::from(!paths.is_empty())), "{ran:?}");
    paths
}

/// Runs `verify` with a shell script as its command.
fn around(sandbox: &Sandbox, script: &str) -> Ran {
    sandbox.bakstop(&["verify", "--no-diff", "--", "sh", "-c", script])
}

fn changed(sandbox: &Sandbox, script: &str) -> Vec<String> {
    reported_paths(&sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", script]))
}

/// Makes a repository outside the work tree, to be used as a submodule.
fn library(sandbox: &Sandbox) {
    let script = "git init -q -b main ../lib && cd ../lib && echo 1 > a.c && git add a.c && \
                  git commit -q -m Start";
    assert_eq!(sandbox.run("sh", &["-c", script]).code, Some(0));
}

fn add_submodule(sandbox: &Sandbox) {
    library(sandbox);
    sandbox.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "../lib",
        "lib",
    ]);
    sandbox.git(&["commit", "-q", "-m", "Add a submodule"]);
}

#[test]
fn a_clean_tree_is_quiet_without_verbose() {
    let sandbox = Sandbox::workspace();
    assert_eq!(code_and_output(&sandbox.bakstop(&["verify"])), QUIET);
    assert_eq!(code_and_output(&sandbox.bakstop(&["verify", "--", "true"])), QUIET);
    let ran = sandbox.bakstop(&["verify", "--verbose"]);
    assert_eq!(code_and_output(&ran), (Some(0), "", "bakstop: the work tree is clean\n"));
}

#[test]
fn a_tree_without_a_commit_is_judged() {
    let sandbox = Sandbox::unborn();
    assert_eq!(verify(&sandbox), [""; 0]);
    sandbox.write("a", "");
    assert_eq!(verify(&sandbox), ["a: untracked"]);
}

#[test]
fn the_whole_tree_is_judged_from_every_directory() {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json.bak", "");
    sandbox.write("backend/new.js", "");
    let ran = finish(sandbox.command(BAKSTOP).arg("verify").current_dir(sandbox.top.join("web")));
    assert_eq!(
        code_and_output(&ran),
        (
            Some(1),
            "untracked         backend/new.js\nignored leftover  package.json.bak\n\n\
             help: a backup may hold the only copy of an edit: compare it with its original, then \
             remove it\n\nbakstop: 2 paths are not clean\n",
            ""
        )
    );
}

#[test]
fn a_linked_worktree_is_a_separate_tree() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    sandbox.write("here.bak", "");
    let linked = sandbox.outside().join("linked");
    let run = || {
        finish(sandbox.command(BAKSTOP).args(["verify", "--format", "json"]).current_dir(&linked))
    };
    assert_eq!(reported_paths(&run()), [""; 0]);
    fs::write(linked.join("web/there.bak"), "").unwrap();
    assert_eq!(reported_paths(&run()), ["web/there.bak: ignored leftover"]);
}

#[test]
fn an_unfinished_restore_is_reported_with_its_steps() {
    let sandbox = Sandbox::workspace();
    let script =
        "cp web/package.json web/package.json.bak && printf x > .docker-deps/acme-ui-1.4.0.tgz";
    sandbox.run("sh", &["-c", script]);
    sandbox.rewrite("web/package.json");
    let ran = sandbox.bakstop(&["verify"]);
    assert_eq!(
        (ran.code, &*ran.out.replace(&rewritten_spec(), "SPEC"), &*ran.err),
        (
            Some(1),
            "modified          web/package.json: this dependency points into .docker-deps \
             [rewritten-manifest]\n\
             ignored leftover  .docker-deps/acme-ui-1.4.0.tgz\n\
             ignored leftover  web/package.json.bak\n\
             \n\
             --- a/web/package.json\n\
             +++ b/web/package.json\n\
             @@ -3,3 +3,3 @@\n\
             \x20  \"dependencies\": {\n\
             -    \"@acme/ui\": \"^1.4.0\"\n\
             +    \"@acme/ui\": \"SPEC\"\n\
             \x20  }\n\
             \n\
             help: the preparation has not been undone; restore the originals\n\
             \x20   bakstop restore\n\
             \n\
             more: bakstop explain rewritten-manifest\n\
             bakstop: 3 paths are not clean\n",
            ""
        )
    );
}

#[test]
fn paths_that_were_dirty_before_are_reported_only_if_they_changed() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "mine\n");
    sandbox.write("notes.txt", "mine\n");
    sandbox.write("old.bak", "mine\n");
    sandbox.write("run.sh", "mine\n");
    symlink("a", sandbox.top.join("link")).unwrap();
    assert_eq!(code_and_output(&around(&sandbox, "true")), QUIET);
    assert_eq!(
        code_and_output(&around(
            &sandbox,
            "cp notes.txt t && mv t notes.txt && touch web/index.js"
        )),
        QUIET
    );
    for (script, expected) in [
        ("echo more >> web/index.js", &["web/index.js: modified (changed again)"][..]),
        ("printf 'ours\\n' > notes.txt", &["notes.txt: untracked (changed again)"]),
        ("echo more >> old.bak", &["old.bak: ignored leftover (changed again)"]),
        ("chmod +x run.sh", &["run.sh: untracked (changed again)"]),
        ("ln -sf b link", &["link: untracked (changed again)"]),
        ("rm link && echo b > link", &["link: untracked (changed again)"]),
        ("git add notes.txt", &["notes.txt: staged (new file, was untracked)"]),
        ("echo theirs > notes.txt && git add notes.txt", &["notes.txt: staged (changed again)"]),
        ("rm notes.txt", &["notes.txt: staged, deleted (new file, was staged)"]),
        (
            "git rm -q --cached notes.txt && rm old.bak",
            &["notes.txt:  (was staged, deleted)", "old.bak: "],
        ),
        ("git restore web", &["web/index.js:  (was modified)"]),
    ] {
        // `new file` applies before and after, so it is not reported.
        let changed = changed(&sandbox, script);
        let changed: Vec<_> =
            changed.iter().map(|line| line.replace("(new file, changed", "(changed")).collect();
        assert_eq!(changed, expected, "{script}");
    }
}

#[test]
fn local_git_variables_do_not_reach_a_submodule() {
    // Git sets GIT_INDEX_FILE for its hooks.
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    sandbox.write("lib/a.c", "2\n");
    let mut command = sandbox.command(BAKSTOP);
    command.env("GIT_INDEX_FILE", sandbox.top.join(".git/index"));
    let stage = "unset GIT_INDEX_FILE; git -C lib add a.c";
    let ran = finish(command.args(["verify", "--format", "json", "--", "sh", "-c", stage]));
    assert_eq!(reported_paths(&ran), ["lib: modified (modified content, changed again)"]);
}

#[test]
fn a_dirty_submodule_whose_content_changes_again_is_seen() {
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    sandbox.git(&["init", "-q", "inner"]);
    sandbox.write("lib/a.c", "2\n");
    sandbox.write("inner/b.c", "2\n");
    assert_eq!(changed(&sandbox, "true"), [""; 0]);
    assert_eq!(
        changed(&sandbox, "echo 3 > lib/a.c"),
        ["lib: modified (modified content, changed again)"]
    );
    assert_eq!(changed(&sandbox, "echo 3 > inner/b.c"), ["inner/: untracked (changed again)"]);
    assert_eq!(changed(&sandbox, "git -C lib restore a.c"), ["lib:  (was modified)"]);
}

#[test]
fn a_build_that_commits_or_switches_moves_head() {
    let sandbox = Sandbox::workspace();
    let head = || sandbox.git(&["rev-parse", "--short=12", "HEAD"]).trim().to_owned();
    let before = head();
    let ran = around(&sandbox, "git commit -q --allow-empty -m Release");
    let after = head();
    let expected = format!(
        "HEAD moved  {before} (main) -> {after} (main)\n\nbakstop: the command moved HEAD\n"
    );
    assert_eq!(code_and_output(&ran), (Some(1), &*expected, ""));
    let ran = around(&sandbox, "git switch -q --detach && echo 1 > web/index.js");
    let expected = format!(
        "HEAD moved  {after} (main) -> {after} (detached)\nmodified    web/index.js\n\n\
         bakstop: the command changed 1 path and moved HEAD\n"
    );
    assert_eq!(code_and_output(&ran), (Some(1), &*expected, ""));
}

#[test]
fn uncertainty_is_exit_code_2() {
    let code_and_help = |ran: Ran, words: &str| {
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(words) && ran.err.contains("\nhelp: "), "{ran:?}");
    };
    let empty = Sandbox::empty();
    code_and_help(empty.bakstop(&["verify"]), "not a git repository");
    empty.git(&["init", "-q", "--bare", "."]);
    code_and_help(empty.bakstop(&["verify"]), "must be run in a work tree");

    let sandbox = Sandbox::workspace();
    let inside =
        finish(sandbox.command(BAKSTOP).arg("verify").current_dir(sandbox.top.join(".git")));
    code_and_help(inside, "must be run in a work tree");
    let foreign =
        finish(sandbox.command(BAKSTOP).arg("verify").env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"));
    code_and_help(foreign, "dubious ownership");
    let without_git = finish(sandbox.command(BAKSTOP).arg("verify").env("PATH", sandbox.home()));
    code_and_help(without_git, "install git");

    let ran = around(&sandbox, "printf broken > .git/index; exit 3");
    code_and_help(ran, "the command ended with exit code 3");
    code_and_help(sandbox.bakstop(&["verify"]), "index file");
    code_and_help(sandbox.bakstop(&["verify", "--", "true"]), "index file");
}

#[test]
fn an_unreadable_directory_is_exit_code_2() {
    let sandbox = Sandbox::workspace();
    sandbox.write("dist/x", "");
    let shut =
        |mode| fs::set_permissions(sandbox.top.join("dist"), Permissions::from_mode(mode)).unwrap();
    shut(0o000);
    // Root can read it.
    if fs::read_dir(sandbox.top.join("dist")).is_err() {
        let ran = sandbox.bakstop(&["verify"]);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("could not read dist/: Permission denied"), "{ran:?}");
    }
    shut(0o755);
}

#[test]
fn removal_of_an_unknown_backup_is_not_proposed() {
    let sandbox = Sandbox::workspace();
    sandbox.write("bakstop.json", r#"{ "backups": ["copy-of-*", "*.orig"] }"#);
    sandbox.write(".gitignore", "copy-of-*\n*.orig\n");
    sandbox.commit_all("Configure");
    sandbox.write("copy-of-notes", "mine");
    sandbox.write(
        "web/package.json.orig",
        std::fs::read(sandbox.top.join("web/package.json")).unwrap(),
    );
    let ran = sandbox.bakstop(&["verify"]);
    assert!(ran.code == Some(1) && ran.out.contains("copy-of-notes"), "{ran:?}");
    assert!(
        ran.out.contains("\n    bakstop restore\n") && !ran.out.contains("rm copy-of-notes"),
        "{ran:?}"
    );
}
