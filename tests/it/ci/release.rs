//! The workflows that make a release, and the scripts that they run.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::ci::root;
use crate::ci::yaml::yaml;
use crate::support::{Ran, finish, finish_with_input};

const WORKFLOWS: [&str; 3] =
    [".github/workflows/release.yml", ".gitea/workflows/release.yml", "action.yml"];

/// The steps of a workflow or an action.
fn steps(file: &str) -> Vec<Value> {
    let document = yaml(&fs::read_to_string(root().join(file)).unwrap());
    let of = |place: &Value| place["steps"].as_array().cloned().unwrap_or_default();
    let jobs = document["jobs"].as_object().into_iter().flatten();
    jobs.flat_map(|(_, job)| of(job)).chain(of(&document["runs"])).collect()
}

#[test]
fn scripts_of_workflows_are_clean_and_take_no_foreign_text() {
    for file in WORKFLOWS {
        let steps = steps(file);
        assert!(steps.len() > 2, "{file}");
        for script in steps.iter().filter_map(|step| step["run"].as_str()) {
            assert!(!script.contains("${{"), "{file}: {script}");
            let mut check = Command::new("shellcheck");
            check.args(["--shell=bash", "--severity=style", "-"]);
            // As the runner starts it.
            let whole = format!("set -e\n{script}");
            let ran = finish_with_input(&mut check, whole.as_bytes());
            assert_eq!(ran.code, Some(0), "{file}: {script}\n{}{}", ran.out, ran.err);
        }
    }
}

/// A tag can be moved to another commit; the version is for people.
#[test]
fn actions_are_named_by_their_commit() {
    for file in WORKFLOWS {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once("uses: "));
        let mut used = 0;
        for (_, action) in lines {
            used += 1;
            let (name, version) = action.split_once(" # v").unwrap_or_else(|| panic!("{action}"));
            let (_, commit) = name.split_once('@').unwrap();
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && version.starts_with(|c: char| c.is_ascii_digit()), "{action}");
        }
        assert!(used > 0, "{file}");
    }
}

#[test]
fn a_release_holds_no_secret_and_few_rights() {
    for file in &WORKFLOWS[..2] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(!text.contains("secrets."), "{file}");
        let workflow = yaml(&text);
        assert_eq!(workflow["on"].as_object().unwrap().len(), 1, "{file}");
        assert!(workflow["on"]["push"]["tags"].is_array(), "{file}");
    }
    let workflow = yaml(&fs::read_to_string(root().join(WORKFLOWS[0])).unwrap());
    let writers: Vec<&String> = workflow["jobs"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, job)| job["permissions"]["contents"] == "write")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(writers, ["release"]);
    // Nobody has chosen where this project is published.
    let has_home = fs::read_to_string(root().join("Cargo.toml")).unwrap().contains("\nhomepage");
    assert_eq!(workflow["env"]["REGISTRIES"] == "", !has_home);
}

/// The files that `.ci/tag` compares, in a directory of their own.
fn checkout(version: &str, locked: &str, changelog: &str) -> tempfile::TempDir {
    let room = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(room.path().join(name), text).unwrap();
    fs::create_dir(room.path().join(".ci")).unwrap();
    fs::copy(root().join(".ci/tag"), room.path().join(".ci/tag")).unwrap();
    write("Cargo.toml", &format!("[package]\nname = \"bakstop\"\nversion = \"{version}\"\n"));
    write("Cargo.lock", &format!("[[package]]\nname = \"bakstop\"\nversion = \"{locked}\"\n"));
    write("CHANGELOG.md", changelog);
    room
}

fn tag(room: &Path, arguments: &[&str]) -> Ran {
    finish(Command::new("sh").arg(room.join(".ci/tag")).args(arguments))
}

#[test]
fn a_tag_agrees_with_cargo_and_the_changelog() {
    let released = "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-01-02\n\n- New.\n\n\
                    ## 1.1.0 - 2026-01-01\n\n- Old.\n";
    let room = checkout("1.2.0", "1.2.0", released);
    let ran = tag(room.path(), &["v1.2.0"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), "1.2.0\n"), "{ran:?}");
    let ran = tag(room.path(), &["--notes", "v1.2.0"]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "- New."), "{ran:?}");
    for (version, locked, changelog, tag_name, reason) in [
        ("1.2.0", "1.2.0", released, "v1.1.0", "the tag must be v1.2.0"),
        ("1.2.0", "1.2.0", released, "1.2.0", "the tag must be v1.2.0"),
        ("1.2.0", "1.1.0", released, "v1.2.0", "Cargo.lock has 1.1.0"),
        ("1.3.0", "1.3.0", released, "v1.3.0", "no section for 1.3.0"),
        ("1.2.0", "1.2.0", &released.replace(" - 2026-01-02", ""), "v1.2.0", "must date"),
        ("1.2.0", "1.2.0", &released.replace("- New.", ""), "v1.2.0", "is empty"),
        (
            "1.2.0",
            "1.2.0",
            &released.replace("ed\n\n## 1.2", "ed\n\n- More.\n\n## 1.2"),
            "v1.2.0",
            "unreleased changes",
        ),
    ] {
        let room = checkout(version, locked, changelog);
        let ran = tag(room.path(), &[tag_name]);
        assert_eq!((ran.code, &*ran.out), (Some(1), ""), "{reason}: {ran:?}");
        assert!(ran.err.contains(reason), "{reason}: {ran:?}");
    }
    // Between two releases.
    let room = checkout("1.2.0", "1.2.0", "# Changelog\n\n## Unreleased\n\n- More.\n");
    assert_eq!(tag(room.path(), &[]).code, Some(0));
}

#[test]
fn this_checkout_may_be_tagged_or_says_what_is_missing() {
    let ran = tag(root(), &[]);
    assert_eq!(
        (ran.code, &*ran.out),
        (Some(0), concat!(env!("CARGO_PKG_VERSION"), "\n")),
        "{ran:?}"
    );
}

/// A harness with a test of each kind. What one leaves running holds its output.
const HARNESS: &str = "\
case $* in
'--list --format terse --skip far near') printf '%s: test\\n' a::good a::bad a::endless a::off ;;
'--exact a::good') echo 'test result: ok. 1 passed; 0 failed; 0 ignored' ;;
'--exact a::bad') echo why; kill -SEGV $$ ;;
'--exact a::endless') sleep 60 & exec sleep 60 ;;
'--exact a::off') echo 'test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured' ;;
*) exit 1 ;;
esac
";

#[test]
fn a_test_that_does_not_end_is_killed_and_counted() {
    let room = tempfile::tempdir().unwrap();
    let harness = room.path().join("harness");
    crate::ci::program(&harness, HARNESS);
    let each = |arguments: &[&str]| {
        let mut command = Command::new(root().join(".ci/each"));
        finish(command.args(arguments).arg(&harness).arg("near"))
    };
    let ran = each(&["--limit", "1", "--skip", "far"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let has = |line: &str| ran.out.lines().any(|printed| printed.starts_with(line));
    for line in ["a::good: passed (", "why", "a::bad: failed with code 139 (", "a::off: ignored"] {
        assert!(has(line), "{line}: {ran:?}");
    }
    assert!(has("a::endless: had not ended after "), "{ran:?}");
    assert!(ran.out.ends_with("1 passed, 2 did not, 1 ignored\n"), "{ran:?}");
    // A harness that cannot list its tests has passed none.
    assert_eq!(each(&[]).code, Some(1));
}
