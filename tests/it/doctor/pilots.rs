//! `bakstop doctor` on the pilots: two small repositories, each broken as its users found it,
//! repaired as their documents say (`seed7`), and right (`fixed`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{BAKSTOP, Sandbox};

/// Every finding of a pilot: rule, form/pilot, place, severity. There is no other.
#[rustfmt::skip]
pub(super) const EXPECTED: [(&str, &str, &str, &str); 39] = [
    ("escaping-workspace", "broken/clock", "pnpm-workspace.yaml:4", "warning"),
    ("escaping-workspace", "broken/peak", "pnpm-workspace.yaml:3", "warning"),
    ("unconditional-debris-copy", "broken/clock", "backend/Dockerfile:6", "error"),
    ("unconditional-debris-copy", "broken/clock", "web/Dockerfile:6", "error"),
    ("excluded-copy-source", "broken/peak", "backend/Dockerfile:6", "error"),
    ("uncopied-build-config", "broken/clock", "web/Dockerfile:12", "error"),
    ("escaping-dependency", "broken/clock", "web/package.json:9", "error"),
    ("unignored-debris", "broken/clock", ".gitignore", "warning"),
    ("loopback-registry", "broken/clock", ".npmrc.docker:1", "error"),
    ("missing-scope-registry", "broken/peak", ".npmrc.docker", "error"),
    ("undeclared-build-arg", "broken/clock", "docker-compose.yml:7", "warning"),
    ("unsupplied-npmrc-variable", "broken/clock", "backend/Dockerfile:11", "error"),
    ("unsupplied-npmrc-variable", "broken/clock", "web/Dockerfile:11", "error"),
    ("unmapped-build-host", "seed7/clock", "docker-compose.yml:2", "error"),
    ("unmapped-build-host", "seed7/peak", "docker-compose.yml:2", "error"),
    ("localhost-healthcheck", "broken/clock", "backend/Dockerfile:22", "warning"),
    ("localhost-healthcheck", "broken/clock", "web/Dockerfile:21", "warning"),
    ("localhost-healthcheck", "broken/peak", "backend/Dockerfile:22", "warning"),
    ("missing-cache-mount", "broken/clock", "backend/Dockerfile:11", "warning"),
    ("missing-cache-mount", "broken/clock", "web/Dockerfile:11", "warning"),
    ("missing-cache-mount", "broken/peak", "backend/Dockerfile:11", "warning"),
    ("install-after-source", "broken/clock", "backend/Dockerfile:9", "warning"),
    ("install-after-source", "broken/clock", "web/Dockerfile:9", "warning"),
    ("install-after-source", "broken/peak", "backend/Dockerfile:9", "warning"),
    ("disabled-tls", "broken/clock", "backend/Dockerfile:3", "warning"),
    ("disabled-tls", "broken/peak", "backend/Dockerfile:3", "warning"),
    ("disabled-tls", "seed7/clock", "backend/Dockerfile:6", "warning"),
    ("disabled-tls", "seed7/peak", "backend/Dockerfile:6", "warning"),
    ("unused-build-arg", "broken/clock", "web/Dockerfile:2", "warning"),
    ("unused-build-arg", "seed7/clock", "backend/Dockerfile:5", "warning"),
    ("unused-build-arg", "seed7/peak", "backend/Dockerfile:5", "warning"),
    // The policy of the users, which stays in what is right.
    ("unlocked-install", "broken/clock", "backend/Dockerfile:11", "warning"),
    ("unlocked-install", "broken/clock", "web/Dockerfile:11", "warning"),
    ("unlocked-install", "broken/peak", "backend/Dockerfile:11", "warning"),
    ("unlocked-install", "fixed/clock", "backend/Dockerfile:14", "warning"),
    ("unlocked-install", "fixed/clock", "web/Dockerfile:13", "warning"),
    ("unlocked-install", "fixed/peak", "backend/Dockerfile:14", "warning"),
    ("unlocked-install", "seed7/clock", "backend/Dockerfile:17", "warning"),
    ("unlocked-install", "seed7/peak", "backend/Dockerfile:17", "warning"),
];

/// The places of other files that a finding must name: rule, form/pilot, place.
const LABELS: [(&str, &str, &str); 13] = [
    ("escaping-workspace", "broken/clock", "pnpm-lock.yaml:15"),
    ("escaping-workspace", "broken/peak", "pnpm-lock.yaml:17"),
    ("excluded-copy-source", "broken/peak", ".dockerignore:6"),
    ("escaping-dependency", "broken/clock", "web/Dockerfile:8"),
    ("unignored-debris", "broken/clock", "backend/Dockerfile:6"),
    ("loopback-registry", "broken/clock", "web/Dockerfile:7"),
    ("missing-scope-registry", "broken/peak", ".npmrc:1"),
    ("undeclared-build-arg", "broken/clock", "backend/Dockerfile:1"),
    ("unsupplied-npmrc-variable", "broken/clock", ".npmrc.docker:2"),
    ("unmapped-build-host", "seed7/clock", ".npmrc.docker:1"),
    ("localhost-healthcheck", "broken/peak", "backend/Dockerfile:14"),
    ("install-after-source", "broken/peak", "backend/Dockerfile:11"),
    ("disabled-tls", "broken/clock", ".npmrc.docker:3"),
];

pub(super) type Pilots = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn pilots() -> Pilots {
    serde_json::from_str(include_str!("../../facts/pilots.json")).unwrap()
}

/// A repository with these files in a commit, also those that it ignores.
pub(super) fn repository(files: &BTreeMap<String, String>) -> Sandbox {
    let sandbox = Sandbox::unborn();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox.git(&["add", "--all", "--force"]);
    sandbox.git(&["commit", "-q", "-m", "Start"]);
    sandbox
}

pub(super) fn findings(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.run(BAKSTOP, &["doctor", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    report["findings"].as_array().unwrap().clone()
}

/// "web/Dockerfile:12", or the path of the whole file.
pub(super) fn place(value: &Value) -> String {
    let path = value["path"].as_str().unwrap();
    value["place"]["line"].as_u64().map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"))
}

#[test]
fn the_pilots_have_the_faults_of_their_users() {
    for (pilot, files) in pilots() {
        let all = findings(&repository(&files));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let mut found: Vec<_> = all
            .iter()
            .map(|finding| (text(finding, "rule"), place(finding), text(finding, "severity")))
            .collect();
        let rows = EXPECTED.iter().filter(|row| row.1 == pilot);
        let mut expected: Vec<_> = rows
            .map(|(rule, _, place, severity)| {
                (rule.to_string(), place.to_string(), severity.to_string())
            })
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{pilot}");
        for (rule, _, label) in LABELS.iter().filter(|row| row.1 == pilot) {
            let mut labels = all
                .iter()
                .filter(|finding| finding["rule"] == *rule)
                .flat_map(|finding| finding["labels"].as_array().unwrap());
            assert!(labels.any(|found| place(found) == *label), "{pilot}: {rule} names {label}");
        }
    }
}

/// A newer pnpm does not expand what the documents of the users write.
#[test]
fn a_pilot_with_a_newer_pnpm() {
    for (version, places) in [("10.34.1", &[][..]), ("10.34.2", &[".npmrc.docker:1"])] {
        let mut files = pilots()["seed7/clock"].clone();
        for text in files.values_mut() {
            *text = text.replace("pnpm@10.6.5", &format!("pnpm@{version}"));
        }
        let all = findings(&repository(&files));
        let of_rule = all.iter().filter(|one| one["rule"] == "unexpanded-npmrc-variable");
        assert_eq!(of_rule.map(place).collect::<Vec<_>>(), places, "{version}");
    }
}

/// The broken pilots, as soon as their installs want the lockfile that they ignore.
#[test]
fn a_pilot_that_wants_its_ignored_lockfile() {
    let pilots = pilots();
    for (pilot, place_of_ignore, flag, severity) in [
        ("broken/clock", ".dockerignore:6", "", "warning"),
        ("broken/peak", ".dockerignore:5", "", "warning"),
        ("broken/clock", ".dockerignore:6", "--frozen-lockfile", "error"),
        ("broken/peak", ".dockerignore:5", "--frozen-lockfile", "error"),
    ] {
        let mut files = pilots[pilot].clone();
        for text in files.values_mut() {
            *text = text.replace("--lockfile=false", flag);
        }
        let all = findings(&repository(&files));
        let mut found = all.iter().filter(|finding| finding["rule"] == "ignored-lockfile");
        let finding = found.next().unwrap();
        assert_eq!(
            (place(finding).as_str(), &finding["severity"]),
            (place_of_ignore, &severity.into())
        );
        let labels = finding["labels"].as_array().unwrap();
        assert_eq!(place(&labels[0]), "backend/Dockerfile:11");
        assert!(found.next().is_none());
        // Then the workspace matters more as well.
        let workspace = all.iter().find(|finding| finding["rule"] == "escaping-workspace").unwrap();
        assert_eq!(workspace["severity"], severity);
    }
}

#[test]
fn what_an_ignored_preparation_left_is_not_in_a_fresh_clone() {
    let sandbox = Sandbox::unborn();
    sandbox.write("Dockerfile", "FROM node:22\nCOPY .docker-deps/ /app/.docker-deps/\n");
    sandbox.write(".gitignore", "*.bak\n.docker-deps/*\n!.docker-deps/.gitkeep\n");
    sandbox.commit_all("Start");
    sandbox.write(".docker-deps/acme-ui-1.0.0.tgz", "packed");
    let rules = |sandbox: &Sandbox| {
        let all = findings(sandbox);
        all.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&sandbox), ["unconditional-debris-copy"]);
    sandbox.write(".docker-deps/.gitkeep", "");
    assert_eq!(rules(&sandbox), [""; 0]);
}
