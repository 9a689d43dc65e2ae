//! The workflow that moves all pins of the package manager once a week.

use std::fs;

use super::yaml::yaml;
use super::{Runner, bad, commit, origin, program, text};
use crate::support::{BAKSTOP, Sandbox, finish};

/// The script of a step.
fn script(step: &str) -> String {
    let steps = yaml(&text("pins.yml"))["jobs"]["pins"]["steps"].take();
    let found = steps.as_array().unwrap().iter().find(|about| about["name"] == step);
    found.unwrap()["run"].as_str().unwrap().to_owned()
}

/// A checkout on a runner whose npm knows these versions.
fn runner<'a>(origin: &'a Sandbox, answer: &str) -> Runner<'a> {
    let runner = Runner::new(origin);
    runner.check_out("refs/heads/main", &origin.id("main"), None);
    let npm = format!("test \"$*\" = 'view pnpm@^10.6.5 version' && printf '%s\\n' \"{answer}\"");
    program(&runner.tools().join("npm"), &npm);
    std::os::unix::fs::symlink(BAKSTOP, runner.tools().join("bakstop")).unwrap();
    let gh = "test \"$*\" = 'pr create --fill' && git log -1 --format=%s >../request";
    program(&runner.tools().join("gh"), gh);
    runner
}

/// Moves the pins; returns the output of the step.
fn move_pins(runner: &Runner<'_>) -> Option<String> {
    let output = runner.room.path().join("output");
    let script = script("Move the pins to the newest version of the same major");
    let mut command = runner.shell(&script, &["bash", "-e"], "");
    let ran = finish(command.env("GITHUB_OUTPUT", &output));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::read_to_string(output).ok()
}

/// Opens a pull request; returns the subject of its commit.
fn open(runner: &Runner<'_>, branch: &str) -> Option<String> {
    let mut command = runner.shell(&script("Open a pull request"), &["bash", "-e"], "");
    let ran = finish(command.env("BRANCH", branch));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::read_to_string(runner.room.path().join("request")).ok()
}

fn shop() -> Sandbox {
    let origin = origin();
    origin.write("Dockerfile", "FROM node:22\nRUN npm install -g pnpm@10.6.5\n");
    commit(&origin, "Add an image");
    origin
}

#[test]
fn all_pins_are_moved_to_the_newest_version_of_their_major() {
    let origin = shop();
    let many = "pnpm@10.9.0 '10.9.0'\npnpm@10.12.1 '10.12.1'\npnpm@10.8.0 '10.8.0'";
    for (answer, version) in [(many, "10.12.1"), ("10.7.0", "10.7.0")] {
        let runner = runner(&origin, answer);
        assert_eq!(move_pins(&runner), Some(format!("version=pnpm-{version}\n")));
        let branch = format!("pins/pnpm-{version}");
        let subject = format!("Move the package manager to pnpm-{version}\n");
        assert_eq!(open(&runner, &branch), Some(subject));
        let show = |path: &str| origin.git(&["show", &format!("{branch}:{path}")]);
        assert!(show("Dockerfile").contains(&format!("pnpm@{version}\n")));
        assert!(show("package.json").contains(&format!("\"pnpm@{version}\"")));
    }
}

#[test]
fn without_a_newer_version_there_is_no_request() {
    let origin = shop();
    assert_eq!(move_pins(&runner(&origin, "10.6.5")), None);
}

#[test]
fn a_branch_of_last_week_is_left_alone() {
    let origin = shop();
    origin.git(&["branch", "pins/pnpm-10.7.0", &bad(&origin, "older")]);
    origin.git(&["checkout", "-q", "main"]);
    let before = origin.id("pins/pnpm-10.7.0");
    let runner = runner(&origin, "10.7.0");
    assert_eq!(move_pins(&runner), Some("version=pnpm-10.7.0\n".to_owned()));
    assert_eq!(open(&runner, "pins/pnpm-10.7.0"), None);
    assert_eq!(origin.id("pins/pnpm-10.7.0"), before);
}

#[test]
fn a_registry_without_an_answer_fails_the_job() {
    let origin = shop();
    let runner = runner(&origin, "10.7.0");
    program(&runner.tools().join("npm"), "exit 1");
    let script = script("Move the pins to the newest version of the same major");
    let ran = finish(&mut runner.shell(&script, &["bash", "-e"], ""));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        fs::read_to_string(runner.checkout().join("Dockerfile")).unwrap().matches("10.6.5").count(),
        1
    );
}
