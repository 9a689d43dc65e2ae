//! Commits and pushes: new commits do not choose the configuration that they are judged by.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::config::{allowing, commit, found};
use crate::hooks::must;
use crate::support::{BAKSTOP, Ran, Sandbox, clone_and_server, finish};

const NONE: [&str; 0] = [];
const BACKUP: [&str; 1] = ["error stray-backup a.bak"];
const OFF: &str = r#"{"rules": {"stray-backup": "off"}}"#;

/// A workspace with a branch `topic` that adds a backup and a configuration.
fn topic(text: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    sandbox.write("bakstop.json", text);
    commit(&sandbox, "Configure");
    sandbox.write("a.bak", "");
    commit(&sandbox, "Back up");
    sandbox
}

/// Commits a configuration to main, and switches back to topic.
fn configure_main(sandbox: &Sandbox, text: &str) {
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("bakstop.json", text);
    commit(sandbox, "Configure");
    sandbox.git(&["checkout", "-q", "topic"]);
}

#[test]
fn a_range_is_judged_by_its_base() {
    for text in [&*allowing("a.bak", None), OFF] {
        let sandbox = topic(text);
        for range in ["main..topic", "main...topic", "topic", "HEAD"] {
            assert_eq!(
                found(&sandbox, &["--range", range]),
                BACKUP,
                "{range}: it does not profit from what it brings"
            );
            assert_eq!(found(&sandbox, &["--range", range, "--tip"]), BACKUP, "{range}");
        }
        assert_eq!(
            found(&sandbox, &["--range", "topic~1..topic"]),
            NONE,
            "there it is in the base"
        );
        assert_eq!(found(&sandbox, &["--tree", "topic"]), NONE, "a tree is judged by its own");
        assert_eq!(found(&sandbox, &["--history"]), NONE, "history by HEAD");
        sandbox.git(&["checkout", "-q", "main"]);
        assert_eq!(found(&sandbox, &["--history"]), BACKUP, "history by HEAD");
        assert_eq!(found(&sandbox, &["--tree", "topic"]), NONE, "for any current branch");
        sandbox.write("bakstop.json", OFF);
        assert_eq!(found(&sandbox, &["--range", "main..topic"]), BACKUP, "for any file on disk");
        sandbox.git(&["add", "bakstop.json"]);
        assert_eq!(found(&sandbox, &["--range", "main..topic"]), BACKUP, "or is staged");
        // The allowance is on main first.
        configure_main(&sandbox, text);
        assert_eq!(found(&sandbox, &["--range", "main..topic"]), NONE);
    }
}

#[test]
fn verbose_names_the_origin_of_the_configuration() {
    let sandbox = topic("{}");
    fs::write(sandbox.outside().join("given.json"), "{}").unwrap();
    for (arguments, name) in [
        (&["--range", "main..topic"][..], "main"),
        (&["--tree", "topic"], "topic"),
        (&["--history"], "HEAD"),
        (&["--range", "main..topic", "--config", "../given.json"], "--config"),
    ] {
        let ran = sandbox.bakstop(&[&["check", "--verbose"], arguments].concat());
        assert!(
            ran.err.contains(&format!("configuration in {name}\n"))
                || ran.err.contains(&format!("is from {name}\n")),
            "{ran:?}"
        );
    }
}

#[test]
fn a_range_that_adds_a_broken_configuration_is_an_error() {
    let sandbox = topic("{\n  \"rulez\": {},\n  \"rules\": 1\n}");
    let broken = "error invalid-configuration bakstop.json";
    let expected = ["error stray-backup a.bak", broken, broken];
    for arguments in [&["--range", "main..topic"][..], &["--range", "main..topic", "--tip"]] {
        assert_eq!(found(&sandbox, arguments), expected);
    }
    let ran = sandbox.bakstop(&["check", "--range", "main..topic"]);
    assert!(
        ran.out.contains("bakstop.json:2:3 in ") && ran.out.contains("did you mean \"rules\"?"),
        "{}",
        ran.out
    );
    // An error that a later commit of the range fixes is still in history.
    sandbox.write("bakstop.json", "{}");
    commit(&sandbox, "Mend");
    assert_eq!(found(&sandbox, &["--range", "main..topic"]), expected);
    assert_eq!(found(&sandbox, &["--range", "main..topic", "--tip"]), BACKUP);
    // A link instead of a file.
    fs::remove_file(sandbox.top.join("bakstop.json")).unwrap();
    symlink("package.json", sandbox.top.join("bakstop.json")).unwrap();
    commit(&sandbox, "Link");
    assert_eq!(found(&sandbox, &["--range", "main..topic", "--tip"]), [BACKUP[0], broken]);
}

#[test]
fn with_a_broken_base_another_configuration_can_be_named() {
    let sandbox = topic("{}");
    configure_main(&sandbox, "{\n  \"rulez\": 1\n}");
    fs::write(sandbox.outside().join("given.json"), OFF).unwrap();
    for (arguments, origin) in [
        (&["--range", "main..topic"][..], "main"),
        (&["--range", "main...topic", "--tip"], "main"),
        (&["--tree", "main"], "main"),
    ] {
        let ran = sandbox.bakstop(&[&["check"], arguments].concat());
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("bakstop.json:2:3: unknown key \"rulez\""), "{ran:?}");
        assert!(
            ran.err.contains(&format!("it is from {origin}; to use another: --config FILE")),
            "{ran:?}"
        );
        // In a tree, the broken configuration is a finding.
        let expected = if arguments[0] == "--tree" {
            &["error invalid-configuration bakstop.json"][..]
        } else {
            &NONE
        };
        assert_eq!(
            found(&sandbox, &[arguments, &["--config", "../given.json"]].concat()),
            expected
        );
    }
    sandbox.git(&["checkout", "-q", "main"]);
    let ran = sandbox.bakstop(&["check", "--history"]);
    assert!(ran.code == Some(2) && ran.err.contains("it is from HEAD"), "{ran:?}");
}

#[test]
fn an_expired_allowance_blocks_only_where_it_can_be_fixed() {
    let sandbox = topic("{}");
    let ended = allowing("gone.bak", Some("2001-01-01"));
    configure_main(&sandbox, &ended);
    let finding = "expired-allowance bakstop.json";
    let warned = [BACKUP[0].to_owned(), format!("warning {finding}")];
    assert_eq!(
        found(&sandbox, &["--range", "main..topic"]),
        warned,
        "the range brings another configuration"
    );
    assert_eq!(found(&sandbox, &["--range", "main~1..main"]), NONE, "another is obeyed");
    assert_eq!(found(&sandbox, &["--tree", "main"]), [format!("error {finding}")]);
    sandbox.write("bakstop.json", &ended);
    commit(&sandbox, "The same");
    assert_eq!(
        found(&sandbox, &["--range", "main..topic"]),
        [BACKUP[0].to_owned(), format!("error {finding}")]
    );
}

/// A clone and the bare repository that it pushes to. Its main has a commit without a
/// configuration.
struct Pair {
    clone: Sandbox,
    server: PathBuf,
}

impl Pair {
    fn empty() -> Self {
        let (clone, server) = clone_and_server(&["-b", "main"], "file://");
        Self { clone, server }
    }

    fn new() -> Self {
        let pair = Self::empty();
        must(pair.push(&["main"]));
        pair
    }

    /// The server judges what it receives.
    fn guarded(self) -> Self {
        must(finish(
            self.clone.command(BAKSTOP).args(["install", "--server"]).current_dir(&self.server),
        ));
        self
    }

    /// Commits on the current branch.
    fn commit(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.clone.write(path, text);
        }
        commit(&self.clone, "Change");
    }

    fn branch(&self, name: &str) {
        self.clone.git(&["checkout", "-q", "-B", name, "main"]);
    }

    fn push(&self, arguments: &[&str]) -> Ran {
        self.clone.try_git(&[&["push", "-q", "origin"], arguments].concat())
    }

    fn refs(&self) -> String {
        self.clone.git(&["ls-remote", "origin"])
    }

    /// Asserts that a push is refused with these words and changes no ref.
    fn assert_refused(&self, arguments: &[&str], words: &str) {
        let before = self.refs();
        let ran = self.push(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(ran.out.contains(words) || ran.err.contains(words), "{words}: {ran:?}");
        assert_eq!(self.refs(), before);
    }
}

const FOUND: &str = "error[stray-backup]: a backup file";

#[test]
fn a_push_is_judged_by_the_default_branch_of_the_remote() {
    let pair = Pair::new();
    must(pair.clone.bakstop(&["install"]));
    pair.clone.git(&["remote", "set-head", "origin", "main"]);
    pair.branch("topic");
    pair.commit(&[("bakstop.json", &allowing("a.bak", None)), ("a.bak", "")]);
    pair.assert_refused(&["topic"], FOUND);
    // An existing branch of the remote is not a way around it.
    pair.branch("configure");
    pair.commit(&[("bakstop.json", &allowing("a.bak", None))]);
    must(pair.push(&["configure:topic"]));
    pair.assert_refused(&["--force", "topic"], FOUND);
    must(pair.push(&["configure:main"]));
    must(pair.push(&["--force", "topic"]));
}

#[test]
fn without_a_default_branch_a_push_is_judged_by_the_remote_or_itself() {
    let pair = Pair::new();
    must(pair.clone.bakstop(&["install"]));
    let _ = pair.clone.try_git(&["remote", "set-head", "origin", "--delete"]);
    pair.commit(&[("bakstop.json", &allowing("a.bak", None)), ("a.bak", "")]);
    pair.assert_refused(&["main"], FOUND);
    // An empty remote: the pushed configuration is used.
    let pair = Pair::empty();
    must(pair.clone.bakstop(&["install"]));
    pair.commit(&[("bakstop.json", &allowing("a.bak", None)), ("a.bak", "")]);
    must(pair.push(&["main"]));
    let pair = Pair::empty();
    must(pair.clone.bakstop(&["install"]));
    pair.commit(&[("bakstop.json", "{"), ("b.js", "")]);
    pair.assert_refused(&["main"], "bakstop.json:1:");
    pair.assert_refused(
        &["main"],
        "it is from the pushed commit; to skip this check: BAKSTOP=0 git push",
    );
    must(finish(
        pair.clone.command("git").args(["push", "-q", "origin", "main"]).env("BAKSTOP", "0"),
    ));
}

#[test]
fn a_received_push_cannot_switch_the_rules_off() {
    let pair = Pair::new().guarded();
    for text in [
        OFF,
        &allowing("**", None),
        r#"{"debris": {".docker-deps": false}, "rules": {"stray-backup": "warning"}}"#,
    ] {
        for name in ["topic", "main"] {
            // In the same commit, and in one before it; to the default branch, and to another.
            pair.branch("one");
            pair.commit(&[("bakstop.json", text), ("a.bak", "")]);
            pair.assert_refused(&[&format!("one:{name}")], FOUND);
            pair.branch("two");
            pair.commit(&[("bakstop.json", text)]);
            pair.commit(&[("a.bak", "")]);
            pair.assert_refused(&[&format!("two:{name}")], FOUND);
            pair.assert_refused(
                &["--atomic", &format!("two~1:refs/heads/{name}"), "two:other"],
                FOUND,
            );
        }
    }
    // Nor if the configuration was pushed to another branch before.
    pair.branch("two");
    pair.commit(&[("bakstop.json", OFF)]);
    must(pair.push(&["two:topic"]));
    pair.commit(&[("a.bak", "")]);
    pair.assert_refused(&["two:topic"], FOUND);
}

#[test]
fn a_received_push_is_judged_by_the_default_branch_before_it() {
    let pair = Pair::new().guarded();
    pair.commit(&[("bakstop.json", &allowing("a.bak", None))]);
    must(pair.push(&["main"]));
    pair.branch("topic");
    pair.commit(&[("a.bak", ""), ("b.bak", "")]);
    pair.assert_refused(&["topic"], "b.bak in ");
    pair.branch("topic");
    pair.commit(&[("a.bak", "")]);
    must(pair.push(&["topic"]));
    // Removing the allowance has no effect on this push, but on the next.
    pair.branch("other");
    pair.clone.git(&["rm", "-q", "bakstop.json"]);
    pair.commit(&[("a.bak", "more")]);
    must(pair.push(&["other:main"]));
    pair.commit(&[("a.bak", "even more")]);
    pair.assert_refused(&["other:main"], FOUND);
}

#[test]
fn a_received_push_with_a_broken_configuration_is_refused() {
    let pair = Pair::new().guarded();
    for (name, text) in [("main", "{"), ("topic", r#"{"rulez": 1}"#), ("main", "")] {
        pair.branch("one");
        pair.commit(&[("bakstop.json", text)]);
        pair.assert_refused(&[&format!("one:{name}")], "error[invalid-configuration]");
    }
    pair.branch("one");
    symlink("package.json", pair.clone.top.join("bakstop.json")).unwrap();
    commit(&pair.clone, "Link");
    pair.assert_refused(&["one:main"], "it must be a regular file");
}

#[test]
fn the_configuration_on_the_server_takes_precedence() {
    let pair = Pair::new().guarded();
    let own = pair.server.join("bakstop.json");
    pair.commit(&[("bakstop.json", OFF)]);
    must(pair.push(&["main"]));
    pair.branch("topic");
    pair.commit(&[("a.bak", "")]);
    fs::write(&own, "{}").unwrap();
    pair.assert_refused(&["topic"], FOUND);
    fs::write(&own, "{\"rulez\": 1}").unwrap();
    pair.assert_refused(&["topic"], "unknown key \"rulez\"");
    fs::remove_file(&own).unwrap();
    symlink("nowhere", &own).unwrap();
    pair.assert_refused(&["topic"], "could not read the configuration");
    fs::remove_file(&own).unwrap();
    fs::write(&own, allowing("a.bak", None)).unwrap();
    must(pair.push(&["topic"]));
    fs::remove_file(&own).unwrap();
    // A default branch that was broken before the installation is fixed with a configuration on the
    // server.
    let pair = Pair::new();
    pair.commit(&[("bakstop.json", "{")]);
    must(pair.push(&["main"]));
    let pair = pair.guarded();
    pair.commit(&[("bakstop.json", "{}")]);
    pair.assert_refused(&["main"], "bakstop.json:1:");
    pair.assert_refused(
        &["main"],
        "it is from the default branch; \
         a bakstop.json in the repository's directory on the server",
    );
    fs::write(pair.server.join("bakstop.json"), "{}").unwrap();
    must(pair.push(&["main"]));
    fs::remove_file(pair.server.join("bakstop.json")).unwrap();
    pair.commit(&[("b.js", "")]);
    must(pair.push(&["main"]));
}

#[test]
fn an_expired_allowance_blocks_no_push_that_cannot_fix_it() {
    let pair = Pair::new().guarded();
    let ended = allowing("gone.bak", Some("2001-01-01"));
    fs::write(pair.server.join("bakstop.json"), &ended).unwrap();
    pair.commit(&[("b.js", "")]);
    must(pair.push(&["main"]));
    // The repository has the same text, but a push cannot change the server's file.
    pair.commit(&[("bakstop.json", &ended)]);
    must(pair.push(&["main"]));
    // In the repository, a push can fix it.
    fs::remove_file(pair.server.join("bakstop.json")).unwrap();
    pair.commit(&[("c.js", "")]);
    must(pair.push(&["main"]));
    pair.commit(&[("bakstop.json", "{}")]);
    must(pair.push(&["main"]));
}

#[test]
fn the_first_push_is_judged_by_the_defaults() {
    let pair = Pair::empty().guarded();
    pair.commit(&[("bakstop.json", OFF), ("a.bak", "")]);
    pair.assert_refused(&["main"], FOUND);
    pair.assert_refused(&["main:topic"], FOUND);
    must(pair.push(&["main~1:refs/heads/topic"]));
    pair.assert_refused(&["main"], FOUND);
    pair.assert_refused(&["main:refs/heads/topic"], FOUND);
}
