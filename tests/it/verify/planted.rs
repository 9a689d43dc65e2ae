//! What a build plants for later commands of git: hooks, rules that hide themselves, pipes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop};
use crate::verify::{add_submodule, around, changed, report};

fn json(sandbox: &Sandbox, script: &str) -> Value {
    report(&sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", script]))
}

/// The changed hooks as `change name`.
fn hooks(sandbox: &Sandbox, script: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let report = json(sandbox, script);
    let hooks = report["hooks"].as_array().unwrap();
    assert_eq!(report["summary"]["passed"], hooks.is_empty());
    hooks.iter().map(|hook| format!("{} {}", text(&hook["change"]), text(&hook["name"]))).collect()
}

#[test]
fn a_hook_that_is_added_changed_switched_off_or_removed() {
    let sandbox = Sandbox::workspace();
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    let added = ["added .git/hooks/post-checkout"];
    assert_eq!(hooks(&sandbox, "echo >.git/hooks/post-checkout"), added);
    let changed = ["changed .git/hooks/pre-commit"];
    assert_eq!(hooks(&sandbox, "chmod -x .git/hooks/pre-commit"), changed);
    assert_eq!(hooks(&sandbox, "echo exit >>.git/hooks/pre-commit"), changed);
    sandbox.write(".git/hooks/pre-commit.d/a", "");
    let part = ["changed .git/hooks/pre-commit.d/a"];
    assert_eq!(hooks(&sandbox, "echo exit >>.git/hooks/pre-commit.d/a"), part);
    let ran = around(&sandbox, "rm .git/hooks/pre-commit");
    let expected = "hook gone  .git/hooks/pre-commit\n\n\
                    help: git runs other hooks than before; the guard may be gone\n    \
                    bakstop status\n\nbakstop: the command changed 1 hook\n";
    assert_eq!((ran.code, &*ran.out), (Some(1), expected));
    // Example files and the same content again are no change.
    let same = "touch .git/hooks/x.sample; cp -p .git/hooks/pre-push x; mv x .git/hooks/pre-push";
    assert_eq!(hooks(&sandbox, same), [""; 0]);
}

#[test]
fn another_directory_of_hooks_is_named() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".git/hooks/pre-commit", "");
    let script = "mkdir ../hooks && echo >../hooks/pre-push && git config core.hooksPath ../hooks";
    let report = json(&sandbox, script);
    assert_eq!(report["settings"], json!(["core.hookspath"]));
    assert_eq!(report["hooks"][0]["name"].as_str().unwrap().rsplit('/').next(), Some("pre-push"));
    assert_eq!(report["hooks"][1], json!({ "name": ".git/hooks/pre-commit", "change": "gone" }));
    assert_eq!(report["steps"], json!(["bakstop status"]));
    // An install of husky leaves these as they are.
    let husky = "mkdir -p .husky/_ && echo '*' >.husky/_/.gitignore && \
                 echo . >.husky/_/pre-commit && git config core.hooksPath .husky/_";
    sandbox.run("sh", &["-c", husky]);
    let ran = around(&sandbox, &format!("rm -r .husky/_ && {husky}"));
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    assert_eq!(hooks(&sandbox, "echo x >>.husky/_/pre-commit"), ["changed .husky/_/pre-commit"]);
}

#[test]
fn the_hooks_of_a_submodule_are_compared_if_it_was_there_before() {
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    let plant = "echo >.git/modules/lib/hooks/pre-commit";
    assert_eq!(hooks(&sandbox, plant), ["added lib: .git/hooks/pre-commit"]);
    sandbox.git(&["submodule", "--quiet", "deinit", "-f", "lib"]);
    let init = "git -c protocol.file.allow=always submodule --quiet update --init";
    let report = json(&sandbox, init);
    assert_eq!((&report["hooks"], &report["settings"]), (&json!([]), &json!([])));
}

#[test]
fn rules_that_are_ignored_themselves_are_found_where_git_reads_them() {
    let rules = "hidden from git (ignore rules that are ignored themselves)";
    let attributes = "hidden from git (attributes that are ignored themselves)";
    for (script, expected) in [
        (
            "mkdir p && echo '*' >p/.gitignore && echo 1 >p/x",
            vec![format!("p/.gitignore: {rules}")],
        ),
        ("echo '*' >web/.gitignore && touch web/new", vec![format!("web/.gitignore: {rules}")]),
        (
            "mkdir -p p/q/r && echo '/*' >p/q/r/.gitignore",
            vec![format!("p/q/r/.gitignore: {rules}")],
        ),
        (
            ": >.gitignore && mkdir node_modules && echo '*' >node_modules/.gitignore",
            vec![".gitignore: modified".to_owned(), format!("node_modules/.gitignore: {rules}")],
        ),
        // Git does not read these: the directory is ignored already, or it is a link.
        ("mkdir -p node_modules/p && echo '*' >node_modules/p/.gitignore", vec![]),
        ("mkdir logs && echo '*' >logs/.gitignore", vec![]),
        ("mkdir p && ln -s ../x p/.gitignore", vec!["p/.gitignore: untracked".to_owned()]),
        // Tracked files in an ignored directory have attributes.
        (
            "echo '*.js text' >kept/.gitattributes",
            vec![format!("kept/.gitattributes: {attributes}")],
        ),
    ] {
        let sandbox = Sandbox::workspace();
        sandbox.write("kept/a.js", "");
        sandbox.git(&["add", "kept"]);
        sandbox.git(&["commit", "-q", "-m", "Keep"]);
        sandbox.write(".git/info/exclude", "logs/\nkept/\n");
        assert_eq!(changed(&sandbox, script), expected, "{script}");
        // It was there before: no finding, until its content changes.
        assert_eq!(changed(&sandbox, "true"), [""; 0], "{script}");
    }
    let sandbox = Sandbox::workspace();
    sandbox.run("sh", &["-c", "mkdir p && echo '*' >p/.gitignore"]);
    assert_eq!(sandbox.bakstop(&["verify"]).code, Some(0));
    let again = format!("p/.gitignore: {}", rules.replace(')', ", changed again)"));
    assert_eq!(changed(&sandbox, "echo x >>p/.gitignore"), [again]);
    add_submodule(&sandbox);
    let inside = format!("lib/p/.gitignore: {rules}");
    assert_eq!(changed(&sandbox, "mkdir lib/p && echo '*' >lib/p/.gitignore"), [inside]);
}

#[test]
fn pipes_and_sockets_are_named() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".gitignore", "node_modules/\n*.pipe\n");
    sandbox.commit_all("Ignore pipes");
    let script = "mkdir new node_modules && mkfifo web/p new/p a.pipe node_modules/p";
    let expected = ["new/p: untracked (a FIFO)", "web/p: untracked (a FIFO)"];
    assert_eq!(changed(&sandbox, script), expected);
    assert_eq!(changed(&sandbox, "true"), [""; 0]);
    let socket = std::os::unix::net::UnixListener::bind(sandbox.top.join("s")).unwrap();
    let ran = sandbox.bakstop(&["verify"]);
    drop(socket);
    let expected =
        "untracked  new/p (a FIFO)\nuntracked  s (a socket)\nuntracked  web/p (a FIFO)\n";
    assert!(ran.code == Some(1) && ran.out.starts_with(expected), "{ran:?}");
}

/// Baselines of older versions have neither hooks nor nested repositories.
#[test]
fn an_older_baseline_is_compared_as_far_as_it_goes() {
    let sandbox = Sandbox::workspace();
    let file = sandbox.outside().join("b.json");
    let since = || sandbox.bakstop(&["verify", "--baseline", "../b.json"]);
    let script = "mkfifo pipe && mkdir p && echo '*' >p/.gitignore && echo >.git/hooks/pre-push && \
                  git config core.hooksPath x";
    let ran = sandbox.bakstop(&["verify", "--save-baseline", "../b.json"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    sandbox.run("sh", &["-c", script]);
    let ran = since();
    for finding in ["core.hookspath", "pipe (a FIFO)", "p/.gitignore (ignore rules"] {
        assert!(ran.code == Some(1) && ran.out.contains(finding), "{finding}: {ran:?}");
    }
    let mut older: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for key in ["hooks", "nested"] {
        assert!(older.as_object_mut().unwrap().remove(key).is_some());
    }
    fs::write(&file, older.to_string()).unwrap();
    let note = "bakstop: the baseline is of an older version: hooks, core.hooksPath, ignored \
                rules, FIFOs and sockets are not compared\n";
    let ran = since();
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", note));
    sandbox.write("web/index.js", "1\n");
    assert_eq!(since().code, Some(1));
}

/// A PATH with a git to which the repositories in directories of this name belong to another user.
fn refusing_git(sandbox: &Sandbox, name: &str) -> std::ffi::OsString {
    let directory = sandbox.outside().join("refusing");
    fs::create_dir(&directory).unwrap();
    let real = sandbox.run("sh", &["-c", "command -v git"]).out;
    let script = format!(
        "#!/bin/sh\ncase \"$PWD\" in */{name}) GIT_TEST_ASSUME_DIFFERENT_OWNER=1 ;; esac\n\
         export GIT_TEST_ASSUME_DIFFERENT_OWNER\nexec {} \"$@\"\n",
        real.trim()
    );
    fs::write(directory.join("git"), script).unwrap();
    fs::set_permissions(directory.join("git"), Permissions::from_mode(0o755)).unwrap();
    let path = path_without_bakstop();
    std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path))).unwrap()
}

/// Settings that run a program, in a submodule `lib` and a nested clone `inner/lib`.
fn with_programs(sandbox: &Sandbox) {
    add_submodule(sandbox);
    let script = "git clone -q ../lib inner/lib && for r in lib inner/lib; do \
                  git -C $r config filter.f.clean 'touch ../../ran; cat' && \
                  git -C $r config core.fsmonitor 'touch ../../ran' && \
                  echo '* filter=f' >$(git -C $r rev-parse --absolute-git-dir)/info/attributes && \
                  echo 2 >$r/a.c; done";
    let ran = sandbox.run("sh", &["-e", "-c", script]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// Whether a program of the nested repositories ran in any use of `verify`.
fn runs_programs(sandbox: &Sandbox, refused: bool, run: impl Fn(&[&str]) -> Ran) -> bool {
    let ran = || ["ran", "inner/ran", "../ran"].iter().any(|ran| sandbox.top.join(ran).exists());
    let mut any = false;
    for arguments in [
        &["verify", "--no-diff"][..],
        &["verify", "--", "true"],
        &["verify", "--save-baseline", "../b.json"],
        &["verify", "--baseline", "../b.json"],
    ] {
        let result = run(arguments);
        assert!(matches!(result.code, Some(0 | 1)), "{arguments:?}: {result:?}");
        let note = "bakstop: lib: not examined, since it belongs to another user\n";
        assert_eq!(result.err.contains(note), refused, "{arguments:?}: {result:?}");
        any |= ran();
    }
    any
}

#[test]
fn nothing_of_a_repository_of_another_user_runs() {
    let sandbox = Sandbox::workspace();
    with_programs(&sandbox);
    let path = refusing_git(&sandbox, "lib");
    let run =
        |arguments: &[&str]| finish(sandbox.command(BAKSTOP).args(arguments).env("PATH", &path));
    assert!(!runs_programs(&sandbox, true, run));
    let all = report(&run(&["verify", "--format", "json", "--", "true"]));
    assert_eq!(all["not_examined"], json!(["inner/lib", "lib"]));
    // Its own repositories are examined, as git does it.
    assert!(runs_programs(&sandbox, false, |arguments| sandbox.bakstop(arguments)));
}

#[test]
fn a_build_that_gives_a_repository_away_is_found() {
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    let ran = around(&sandbox, "chown -R 12345 lib .git/modules 2>/dev/null");
    if ran.code != Some(0) && ran.out.is_empty() || !ran.out.contains("lib") {
        println!("not tested: only root can give files away");
        return;
    }
    let expected = "not examined  lib: it belongs to another user now\n\n\
                    bakstop: the command closed 1 repository\n";
    let note = "bakstop: lib: not examined, since it belongs to another user\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(1), expected, note));
    with_chowned(&sandbox);
}

/// The same with real owners as with a git that pretends them.
fn with_chowned(sandbox: &Sandbox) {
    let script = "chown -R 0 lib .git/modules && git -C lib config filter.f.clean 'touch ../ran' \
                  && echo '* filter=f' >.git/modules/lib/info/attributes && echo 2 >lib/a.c && \
                  chown -R 12345 lib .git/modules";
    assert_eq!(sandbox.run("sh", &["-e", "-c", script]).code, Some(0));
    assert!(!runs_programs(sandbox, true, |arguments| sandbox.bakstop(arguments)));
}
