//! The index is judged by the staged configuration, the work tree by the one on disk.

use std::fs;
use std::os::unix::fs::symlink;

use crate::config::{allowing, commit, found, read, stage};
use crate::hooks::{install, must};
use crate::support::{Sandbox, finish};

const NONE: [&str; 0] = [];
const BACKUP: [&str; 1] = ["error stray-backup a.bak"];

#[test]
fn the_staged_configuration_counts_not_the_file_on_disk() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    let allowing = allowing("a.bak", None);
    sandbox.write("bakstop.json", &allowing);
    assert_eq!(found(&sandbox, &[]), BACKUP, "not staged");
    assert_eq!(found(&sandbox, &["--worktree"]), NONE);
    stage(&sandbox, "bakstop.json", &allowing);
    assert_eq!(found(&sandbox, &[]), NONE);
    fs::remove_file(sandbox.top.join("bakstop.json")).unwrap();
    assert_eq!(found(&sandbox, &[]), NONE, "still staged");
    assert_eq!(found(&sandbox, &["--worktree"]), BACKUP);
    assert_eq!(found(&sandbox, &["-C", "web"]), NONE, "from below the top too");
    sandbox.git(&["rm", "-q", "--cached", "bakstop.json"]);
    assert_eq!(found(&sandbox, &[]), BACKUP);
}

#[test]
fn a_configuration_in_a_subdirectory_is_ignored() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    stage(&sandbox, "web/bakstop.json", &allowing("**", None));
    stage(&sandbox, "backend/bakstop.json", "no configuration");
    assert_eq!(found(&sandbox, &[]), BACKUP);
    assert_eq!(found(&sandbox, &["-C", "web"]), BACKUP);
}

#[test]
fn a_commit_may_add_an_allowance_with_its_file() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    stage(&sandbox, "a.bak", "");
    let blocked = sandbox.try_git(&["commit", "-q", "-m", "Add"]);
    assert_eq!(blocked.code, Some(1), "{blocked:?}");
    stage(&sandbox, "bakstop.json", &allowing("a.bak", None));
    must(sandbox.try_git(&["commit", "-q", "-m", "Add, and say why"]));
}

#[test]
fn an_invalid_configuration_is_an_error_with_its_place() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    let refused = |words: &[&str]| {
        sandbox.git(&["add", "-A", "-f"]);
        for arguments in [&["check"][..], &["check", "--worktree"], &["verify"]] {
            let ran = sandbox.bakstop(arguments);
            assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
            assert!(words.iter().all(|word| ran.err.contains(word)), "{words:?} {ran:?}");
        }
        let ran = sandbox.try_git(&["commit", "-q", "-m", "x"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(words.iter().all(|word| ran.err.contains(word)), "{words:?} {ran:?}");
        assert!(ran.err.contains("to skip this check: BAKSTOP=0 git commit"), "{ran:?}");
    };
    sandbox.write("bakstop.json", "{\n  \"rules\": {\n    \"stray-bakup\": \"off\"\n  }\n}\n");
    refused(&["bakstop.json:3:5: unknown rule \"stray-bakup\"; did you mean \"stray-backup\"?"]);
    sandbox.write("bakstop.json", "{");
    refused(&["bakstop.json:1:"]);
    sandbox.write("bakstop.json", format!("{{}}{}", " ".repeat(1024 * 1024)));
    refused(&["bakstop.json: it is larger than 1 MiB"]);
    fs::remove_file(sandbox.top.join("bakstop.json")).unwrap();
    sandbox.write("elsewhere.json", "{}");
    symlink("elsewhere.json", sandbox.top.join("bakstop.json")).unwrap();
    refused(&["bakstop.json: it must be a regular file"]);
    // Skipping the rule does not help: there is no valid configuration.
    let ran = finish(
        sandbox
            .command("git")
            .args(["commit", "-qm", "x"])
            .env("BAKSTOP_SKIP", "invalid-configuration"),
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
    must(finish(sandbox.command("git").args(["commit", "-qm", "x"]).env("BAKSTOP", "0")));
    // Without new files, the configuration is not read.
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
    fs::remove_file(sandbox.top.join("bakstop.json")).unwrap();
    sandbox.write("bakstop.json", format!("{{}}{}", " ".repeat(1024 * 1024 - 2)));
    sandbox.git(&["add", "-A"]);
    must(sandbox.try_git(&["commit", "-q", "-m", "As large as it may be"]));
}

#[test]
fn the_configuration_sets_the_severity_of_rules() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    for (weight, expected, denied) in [
        ("error", &["error stray-backup a.bak"][..], 1),
        ("warning", &["warning stray-backup a.bak"], 1),
        ("off", &[], 0),
    ] {
        stage(&sandbox, "bakstop.json", &format!(r#"{{"rules": {{"stray-backup": "{weight}"}}}}"#));
        assert_eq!(found(&sandbox, &[]), expected);
        let ran = sandbox.bakstop(&["check", "--deny-warnings"]);
        assert_eq!(ran.code, Some(denied), "{weight}: {ran:?}");
    }
    // A rule can be raised, but not a finding whose severity is below that of its rule.
    let allowance =
        |end: &str| format!(r#"{{"rule": "registry-token", "path": "gone", "reason": "r"{end}}}"#);
    let ended = allowance(r#", "until": "2001-01-01""#);
    let weights = r#""rules": {"unused-allowance": "error", "expired-allowance": "error",
        "stray-backup": "off"}"#;
    stage(
        &sandbox,
        "bakstop.json",
        &format!("{{{weights}, \"allow\": [{}, {ended}]}}", allowance("")),
    );
    let [unused, expired] =
        ["unused-allowance", "expired-allowance"].map(|rule| format!("error {rule} bakstop.json"));
    assert_eq!(found(&sandbox, &["--worktree"]), [unused, expired]);
    commit(&sandbox, "Configure");
    stage(&sandbox, "new.js", "");
    assert_eq!(found(&sandbox, &[]), ["warning expired-allowance bakstop.json"]);
}

#[test]
fn a_skipped_rule_does_not_run() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    stage(&sandbox, ".docker-deps/x.tgz", "");
    let hook = |skip: &str| {
        finish(
            sandbox
                .command(crate::support::BAKSTOP)
                .args(["hook", "pre-commit"])
                .env("BAKSTOP_SKIP", skip),
        )
    };
    stage(
        &sandbox,
        "bakstop.json",
        r#"{"rules": {"stray-backup": "error", "docker-deps-content": "off"}}"#,
    );
    assert_eq!(hook("").code, Some(1));
    assert_eq!(must(hook("stray-backup")).out, "");
    assert_eq!(hook("docker-deps-content").code, Some(1), "one takes nothing back from the other");
}

#[test]
fn the_configuration_adds_patterns_of_backups() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "bakstop.json", r#"{"backups": ["*.orig", "config/*.save"]}"#);
    for path in [
        "web/A.ORIG",
        "b.orig",
        "config/c.save",
        "CONFIG/d.Save",
        "x/config/e.save",
        "config/x/f.save",
        "g.BAK",
    ] {
        stage(&sandbox, path, "");
    }
    let expected = ["CONFIG/d.Save", "b.orig", "config/c.save", "g.BAK", "web/A.ORIG"];
    assert_eq!(found(&sandbox, &[]), expected.map(|path| format!("error stray-backup {path}")));
}

/// A manifest and two lockfiles that point into a directory.
fn stage_pointing_into(sandbox: &Sandbox, directory: &str) {
    let spec = format!("file:../{directory}/acme-ui-1.4.0.tgz");
    stage(sandbox, "app/package.json", &format!(r#"{{"dependencies": {{"@acme/ui": "{spec}"}}}}"#));
    let entry = format!(r#"{{"version": "1.4.0", "resolved": "{spec}"}}"#);
    let lockfile =
        format!(r#"{{"lockfileVersion": 3, "packages": {{"node_modules/@acme/ui": {entry}}}}}"#);
    stage(sandbox, "app/package-lock.json", &lockfile);
    stage(
        sandbox,
        "app/yarn.lock",
        &format!("\"@acme/ui@{spec}\":\n  version \"1.4.0\"\n  resolved \"{spec}\"\n"),
    );
}

#[test]
fn the_configuration_sets_the_directories_of_leftovers() {
    let sandbox = Sandbox::workspace();
    let rewritten = [
        "error rewritten-lockfile app/package-lock.json",
        "error rewritten-manifest app/package.json",
        "error rewritten-lockfile app/yarn.lock",
    ];
    let files = || {
        let mut files = found(&sandbox, &[]);
        files.dedup();
        files
    };
    for (text, of_default, of_packed) in [
        ("{}", true, false),
        (r#"{"debris": {".packed": {}}}"#, true, true),
        (r#"{"debris": {".docker-deps": false, ".packed": {}}}"#, false, true),
        (r#"{"debris": {".docker-deps": false}}"#, false, false),
        (r#"{"debris": {".docker-deps": {}}}"#, true, false),
    ] {
        stage(&sandbox, "bakstop.json", text);
        for (directory, is_found) in
            [(".docker-deps", of_default), (".packed", of_packed), (".PACKED", of_packed)]
        {
            stage_pointing_into(&sandbox, directory);
            assert_eq!(files(), if is_found { &rewritten[..] } else { &[] }, "{directory} {text}");
        }
    }
}

#[test]
fn kept_files_of_a_directory_are_allowed() {
    let sandbox = Sandbox::workspace();
    for path in [
        ".packed/.gitkeep",
        ".packed/README",
        ".packed/x/README",
        "web/.packed/x.tgz",
        ".docker-deps/y.tgz",
    ] {
        stage(&sandbox, path, "");
    }
    for (text, expected) in [
        ("{}", &[".docker-deps/y.tgz"][..]),
        (
            r#"{"debris": {".packed": {}}}"#,
            &[".docker-deps/y.tgz", ".packed/README", ".packed/x/README", "web/.packed/x.tgz"],
        ),
        (
            r#"{"debris": {".packed": {"keep": ["README"]}, ".docker-deps": false}}"#,
            &[".packed/.gitkeep", ".packed/x/README", "web/.packed/x.tgz"],
        ),
        (r#"{"debris": {".docker-deps": {"keep": ["y.tgz"]}}}"#, &[]),
    ] {
        stage(&sandbox, "bakstop.json", text);
        let expected: Vec<String> =
            expected.iter().map(|path| format!("error docker-deps-content {path}")).collect();
        assert_eq!(found(&sandbox, &[]), expected, "{text}");
    }
}

#[test]
fn an_expired_allowance_is_reported() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    stage(&sandbox, "bakstop.json", &allowing("*.bak", Some("9999-12-31")));
    assert_eq!(found(&sandbox, &[]), NONE);
    stage(&sandbox, "bakstop.json", &allowing("*.bak", Some("2001-01-01")));
    let expired = "error expired-allowance bakstop.json";
    assert_eq!(
        found(&sandbox, &[]),
        ["error stray-backup a.bak", expired],
        "the configuration itself is new"
    );
    for arguments in [&["--worktree"][..], &["--tree", "HEAD"]] {
        sandbox.git(&["commit", "-q", "--no-verify", "--allow-empty", "-m", "x"]);
        assert!(found(&sandbox, arguments).contains(&expired.to_owned()), "{arguments:?}");
    }
    // An expired allowance must not block an unrelated commit.
    stage(&sandbox, "new.js", "");
    assert_eq!(found(&sandbox, &[]), ["warning expired-allowance bakstop.json"]);
    assert_eq!(sandbox.bakstop(&["check", "--deny-warnings"]).code, Some(1));
    // Nor if it is in another file, even with the same text as that of the repository.
    let ended = allowing("b.bak", Some("2001-01-01"));
    stage(&sandbox, "bakstop.json", &ended);
    assert_eq!(found(&sandbox, &[]), ["error expired-allowance bakstop.json"]);
    fs::write(sandbox.outside().join("given.json"), ended).unwrap();
    assert_eq!(
        found(&sandbox, &["--config", "../given.json"]),
        ["warning expired-allowance ../given.json"]
    );
    let ran = sandbox.bakstop(&["check", "--config", "../given.json"]);
    assert!(ran.out.contains("remove it") && !ran.out.contains("git add"), "{}", ran.out);
}

#[test]
fn unused_allowances_are_reported_for_whole_trees_only() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    let row =
        |path: &str| format!(r#"{{"rule": "stray-backup", "path": "{path}", "reason": "r"}}"#);
    stage(
        &sandbox,
        "bakstop.json",
        &format!("{{\"allow\": [{},\n{},\n{}]}}", row("a.bak"), row("**"), row("gone.bak")),
    );
    assert_eq!(found(&sandbox, &[]), NONE);
    commit(&sandbox, "Allow");
    // The first matching allowance hides a finding.
    let unused = ["warning unused-allowance bakstop.json"; 2];
    for arguments in [&["--worktree"][..], &["--tree", "HEAD"], &["--history"]] {
        assert_eq!(found(&sandbox, arguments), unused, "{arguments:?}");
        let ran = sandbox.bakstop(&[&["check"], arguments].concat());
        assert!(
            ran.out.contains("bakstop.json:2:34") && ran.out.contains("\n 3 | "),
            "{}",
            ran.out
        );
    }
    assert_eq!(found(&sandbox, &["--range", "HEAD~1..HEAD", "--config", "bakstop.json"]), NONE);
    assert_eq!(
        found(&sandbox, &["--range", "HEAD~1..HEAD", "--tip", "--config", "bakstop.json"]),
        NONE
    );
}

#[test]
fn verbose_lists_hidden_findings() {
    let sandbox = Sandbox::workspace();
    let text = r#"{
  "rules": {
    "registry-token": "off",
    "docker-deps-content": "off"
  },
  "debris": { ".docker-deps": { "keep": ["kept"] } },
  "allow": [
    { "rule": "stray-backup", "path": "**", "reason": "fixtures" }
  ]
}
"#;
    stage(&sandbox, "bakstop.json", text);
    stage(&sandbox, "a.bak", "");
    stage(&sandbox, ".docker-deps/x.tgz", "");
    stage(&sandbox, ".docker-deps/kept", "");
    for arguments in [&["check"][..], &["check", "--format", "json"], &["hook", "pre-commit"]] {
        let ran = sandbox.bakstop(arguments);
        assert!(ran.code == Some(0) && !ran.err.contains("hidden"), "{ran:?}");
        let ran = sandbox.bakstop(&[arguments, &["--verbose"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for line in [
            "bakstop: hidden by bakstop.json:4:5: docker-deps-content in .docker-deps/x.tgz: the \
             rule is off\n",
            "bakstop: hidden by bakstop.json:6:15: docker-deps-content in .docker-deps/kept: the \
             configuration does not count it as a leftover\n",
            "bakstop: hidden by bakstop.json:8:5: stray-backup in a.bak: fixtures\n",
        ] {
            assert!(ran.err.contains(line), "{line}{ran:?}");
        }
        assert_eq!(ran.err.matches("hidden by").count(), 3, "{ran:?}");
    }
    for number in 0..30 {
        sandbox.write(format!("b{number}.bak"), "");
    }
    sandbox.git(&["add", "-A", "-f"]);
    let ran = sandbox.bakstop(&["check", "--verbose"]);
    assert_eq!(ran.err.matches("hidden by").count(), 20, "{ran:?}");
    assert!(ran.err.ends_with("bakstop: 13 more are hidden\n"), "{ran:?}");
}

#[test]
fn another_configuration_file_can_be_named() {
    let sandbox = Sandbox::workspace();
    stage(&sandbox, "a.bak", "");
    stage(&sandbox, "bakstop.json", &allowing("a.bak", None));
    let given = sandbox.outside().join("given.json");
    fs::write(&given, "{}").unwrap();
    for arguments in [&[][..], &["--worktree"]] {
        assert_eq!(
            found(&sandbox, &[arguments, &["--config", "../given.json"]].concat()),
            BACKUP,
            "it wins"
        );
        assert_eq!(found(&sandbox, arguments), NONE);
    }
    assert_eq!(
        found(&sandbox, &["-C", "web", "--config", "../../given.json"]),
        BACKUP,
        "from where -C leads"
    );
    // The configuration of the repository is judged like any file: it is broken, and the other one
    // is used.
    stage(&sandbox, "bakstop.json", "{\n\"rulez\": 1}");
    fs::write(&given, allowing("a.bak", None)).unwrap();
    assert_eq!(
        found(&sandbox, &["--config", "../given.json"]),
        ["error invalid-configuration bakstop.json"]
    );
    let ran = sandbox.bakstop(&["check", "--config", "../given.json"]);
    assert!(ran.out.contains("bakstop.json:2:1"), "{}", ran.out);
    assert_eq!(read(&sandbox, "{}}").code, Some(2));
    fs::write(&given, format!("{{}}{}", " ".repeat(1024 * 1024))).unwrap();
    for (name, words) in [
        ("../given.json", "it is larger than 1 MiB"),
        ("no-such.json", "name a file that exists and is readable"),
        ("web", "could not read the configuration web"),
        ("no\u{1b}[2J\nsuch", "no\\u{001b}[2J\\nsuch"),
    ] {
        let ran = sandbox.bakstop(&["check", "--config", name]);
        assert!(ran.code == Some(2) && ran.err.contains(words), "{name}: {ran:?}");
    }
}

#[test]
fn text_from_a_configuration_is_escaped() {
    let sandbox = Sandbox::workspace();
    let hostile = "\\u001b[2J\\u202e\\n::error::\\r\\u0007";
    stage(&sandbox, "a.bak", "");
    let row = |rule: &str| {
        format!(r#"{{"rule": "{rule}", "path": "\u001b\u202e\n*", "reason": "{hostile}"}}"#)
    };
    let hides = format!(
        r#"{{"allow": [{{"rule": "stray-backup", "path": "**", "reason": "{hostile}"}}]}}"#
    );
    for (text, code) in [
        (hides, 0),
        (format!(r#"{{"allow": [{}]}}"#, row("stray-backup")), 1),
        (format!(r#"{{"allow": [{}]}}"#, row(hostile)), 2),
        (format!(r#"{{"{hostile}": 1}}"#), 2),
        (format!(r#"{{"debris": {{"{hostile}": {{}}}}}}"#), 2),
        (format!(r#"{{"rules": {{"{hostile}": "off"}}}}"#), 2),
        (format!(r#"{{"backups": ["[z-{hostile}"]}}"#), 2),
        ("{\"\u{1b}[2J\u{202e}\": 1}".to_owned(), 2),
        ("{\u{1b}[2J\u{202e}".to_owned(), 2),
    ] {
        stage(&sandbox, "bakstop.json", &text);
        fs::write(sandbox.outside().join("given.json"), allowing("a.bak", None)).unwrap();
        for format in ["human", "json", "sarif", "github", "gitlab", "junit"] {
            let arguments = ["check", "--verbose", "--format", format];
            let ran = sandbox.bakstop(&arguments);
            assert_eq!(ran.code, Some(code), "{text}: {ran:?}");
            // With another configuration in use, this one is a finding.
            for ran in [
                ran,
                sandbox.bakstop(
                    &[&arguments[..], &["--worktree", "--config", "../given.json"]].concat(),
                ),
            ] {
                let all = ran.out + &ran.err;
                assert!(
                    all.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
                    "{format}: {all:?}"
                );
                assert!(!all.lines().any(|line| line.starts_with("::error::")), "{all}");
            }
        }
    }
}

#[test]
fn ten_thousand_allowances_are_applied() {
    let sandbox = Sandbox::workspace();
    let mut text = String::from("{\"allow\": [\n");
    for number in 0..10_000 {
        text += &format!(
            "{{\"rule\": \"stray-backup\", \"path\": \"f/{number}.bak\", \"reason\": \"r\"}},\n"
        );
    }
    text.truncate(text.len() - 2);
    text += "]}";
    for number in (0..10_000).step_by(10) {
        sandbox.write(format!("f/{number}.bak"), "");
    }
    stage(&sandbox, "bakstop.json", &text);
    assert_eq!(found(&sandbox, &[]), NONE);
    stage(&sandbox, "f/10000.bak", "");
    assert_eq!(found(&sandbox, &[]), ["error stray-backup f/10000.bak"]);
}
