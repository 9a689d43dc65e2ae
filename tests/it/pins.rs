//! `bakstop pins` on real repositories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::support::{BAKSTOP, Sandbox};

/// Every kind of file that pins pnpm, in different styles: comments, line endings, tabs, quotes.
/// `@HASH@` stands for a hash.
const PINNING: [(&str, &str); 11] = [
    (
        "package.json",
        r#"{
	"name": "shop",
	"packageManager": "pnpm@10.6.5+sha512.@HASH@",
	"devEngines": { "packageManager": { "name": "pnpm", "version": "10.6.5" } },
	"engines": { "pnpm": "^10.0.0" },
	"volta": { "pnpm": "10.6.5" }
}
"#,
    ),
    (
        "backend/package.json",
        "{\r\n  \"name\": \"b\",\r\n  \"engines\": { \"pnpm\": \"~10.6.0\" }\r\n}",
    ),
    (".tool-versions", "nodejs 22.1.0\r\npnpm 10.6.5 # the pin\r\n"),
    ("mise.toml", "[tools]\n\"npm:pnpm\" = { version = '10.6.5' } # here\n"),
    (".prototools", "pnpm = \"10.6.5\""),
    (
        "backend/Dockerfile",
        r#"ARG PNPM_VERSION="10.6.5"
FROM node:22-alpine
ARG PNPM_VERSION
RUN corepack enable \
    # the pin
    && corepack prepare pnpm@$PNPM_VERSION --activate
"#,
    ),
    (
        "web/web.Dockerfile",
        r#"FROM ghcr.io/pnpm/pnpm:10.6.5 AS pnpm
FROM me/node
RUN ["npm", "install", "-g", "pnpm@10.6.5"]
RUN <<EOF
curl -fsSL https://get.pnpm.io/install.sh | env PNPM_VERSION=10.6.5 sh -
npm i -g pnpm@latest
EOF
"#,
    ),
    (
        "compose.yaml",
        r#"services:
  api:
    build: { context: backend, args: [ "PNPM_VERSION=10.6.5" ] }
"#,
    ),
    (
        ".github/workflows/ci.yml",
        "env: { PNPM: 10.6.5 }
jobs:
  a:
    steps:
      - uses: actions/checkout@v4
      - uses: pnpm/action-setup@v6
        with: { version: 10.6.5 }
      - run: |
          npm install --global pnpm@${{ env.PNPM }}
",
    ),
    (".gitlab-ci.yml", "a:\n  script:\n    - 'corepack prepare pnpm@10.6.5 --activate'\n"),
    (
        ".devcontainer/devcontainer.json",
        r#"{ // why
  "features": { "ghcr.io/devcontainers/features/node:1": { "pnpmVersion": "10.6.5", }, },
}
"#,
    ),
];

/// A workspace with all of these files, committed.
pub(crate) fn pinned_everywhere() -> Sandbox {
    let sandbox = Sandbox::workspace();
    for (path, text) in PINNING {
        sandbox.write(path, text.replace("@HASH@", &"0".repeat(128)));
    }
    sandbox.commit_all("Pin");
    sandbox
}

#[test]
fn every_pin_is_listed_and_moved() {
    let sandbox = pinned_everywhere();
    let before = sandbox.bakstop(&["pins"]);
    // `pnpm@latest` is not an exact version.
    assert_eq!((before.code, before.err.as_str()), (Some(1), ""), "{before:?}");
    assert_eq!(
        before
            .out
            .lines()
            .filter(|line| line.ends_with("agrees") || line.ends_with("pins"))
            .count(),
        15,
        "{before:?}"
    );

    let moved = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0"]);
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert!(moved.out.ends_with("bakstop: 17 pins in 11 files moved\n"), "{}", moved.out);
    let after = sandbox.bakstop(&["pins"]);
    assert_eq!(after.code, Some(0), "{after:?}");
    assert!(after.out.ends_with("bakstop: 18 pins in 11 files agree\n"), "{}", after.out);

    // Only versions changed: with the old version and hash, the text is the old one.
    let hash = format!("+sha512.{}", "0".repeat(128));
    for line in sandbox.git(&["diff", "--name-only"]).lines() {
        let old = sandbox.git(&["show", &format!("HEAD:{line}")]);
        let new = fs::read_to_string(sandbox.top.join(line)).unwrap();
        let expected = old
            .replace(&hash, "")
            .replace("10.6.5", "10.8.0")
            .replace("~10.6.0", "~10.8.0")
            .replace("@latest", "@10.8.0");
        assert_eq!(new, expected, "{line}");
    }
    assert_eq!(
        sandbox
            .git(&["status", "--porcelain"])
            .lines()
            .filter(|line| !line.starts_with(" M "))
            .count(),
        0
    );

    let again = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "bakstop: nothing moved\n"));
}

#[test]
fn a_diff_and_a_check_change_nothing() {
    let sandbox = pinned_everywhere();
    let diff = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0", "--dry-run"]);
    assert_eq!(diff.code, Some(0), "{diff:?}");
    let check = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0", "--check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.out.contains("bakstop: 17 pins in 11 files to move\n"), "{}", check.out);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    // An escaped file cannot be applied; git accepts the rest of the diff.
    sandbox.git(&["rm", "-q", ".tool-versions", "backend/package.json"]);
    let diff = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0", "--dry-run"]);
    sandbox.write("../the.diff", &diff.out);
    sandbox.git(&["apply", "../the.diff"]);
    let after = sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0", "--check"]);
    assert_eq!((after.code, after.out.as_str()), (Some(0), "bakstop: nothing to move\n"));
}

#[test]
fn without_a_version_all_pins_follow_the_manifest() {
    let sandbox = pinned_everywhere();
    let manifest = fs::read_to_string(sandbox.top.join("package.json")).unwrap();
    let raised = manifest.replace("pnpm@10.6.5+sha512.0", "pnpm@10.8.0+sha512.1");
    sandbox.write("package.json", &raised);
    assert_eq!(sandbox.bakstop(&["pins", "--set", "--check"]).code, Some(1));
    assert_eq!(sandbox.bakstop(&["pins", "--set"]).code, Some(0));
    let after = fs::read_to_string(sandbox.top.join("package.json")).unwrap();
    // The hash is that of the manifest.
    assert!(after.contains(&format!("pnpm@10.8.0+sha512.1{}", "0".repeat(127))), "{after}");
    assert_eq!(sandbox.bakstop(&["pins", "--set", "--check"]).code, Some(0));
    assert_eq!(sandbox.bakstop(&["pins"]).code, Some(0));
}

#[test]
fn a_hash_is_written_only_where_one_was() {
    let sandbox = pinned_everywhere();
    let spec = "pnpm@10.8.0+sha512.abc";
    assert_eq!(sandbox.bakstop(&["pins", "--set", spec]).code, Some(0));
    let diff = sandbox.git(&["diff", "-U0"]);
    assert_eq!(diff.matches("+sha512.abc").count(), 1, "{diff}");
    assert_eq!(sandbox.bakstop(&["pins", "--set", spec, "--check"]).code, Some(0));
}

#[test]
fn pins_that_cannot_be_moved_are_listed_and_invalid_versions_are_errors() {
    let sandbox = Sandbox::workspace();
    sandbox.write(
        "package.json",
        r#"{"packageManager": "yarn@4.0.0", "engines": {"yarn": ">=4 <4.1"}, "#.to_owned()
            + r#""volta": {"yarn": "4.\u0030.0"}}"#,
    );
    sandbox.write(".yarnrc.yml", "yarnPath: .yarn/releases/yarn-4.0.0.cjs\n");
    sandbox.write(
        "Dockerfile",
        "ARG V=4.0.0\nFROM node:22\nRUN npm i -g @yarnpkg/cli-dist@$V && npx yarn@1.22.22 x\n",
    );
    let moved = sandbox.bakstop(&["pins", "--set", "yarn@4.1.0"]);
    assert_eq!(moved.code, Some(1), "{moved:?}");
    let left: Vec<&str> = moved.out.lines().filter(|line| line.starts_with("left ")).collect();
    assert_eq!(
        left,
        [
            "left .yarnrc.yml:1: yarnPath: the file that it names must exist: run `yarn set \
             version`",
            "left Dockerfile:3: npm install -g: the variable is empty where it is used: declare \
             the ARG again in that stage",
            "left Dockerfile:3: npx: npm has no such version of yarn: use corepack, or \
             `yarn set version`",
            "left package.json:1: engines: its range is not supported",
            "left package.json:1: volta: its version is written in a way that cannot be changed \
             safely",
        ]
    );
    for (spec, says) in [
        ("pnpm@10.8.0", "error: could not move the pins: nothing here pins pnpm\n"),
        (
            "yarn@4",
            "error: could not move the pins: invalid version yarn@4: an exact version must \
             follow, such as 10.8.0\n",
        ),
        (
            "bun@1.0.0",
            "error: could not move the pins: invalid version bun@1.0.0: it must begin with npm@, \
             pnpm@ or yarn@\n",
        ),
        (
            "yarn",
            "error: could not move the pins: invalid version yarn: an exact version must follow, \
             such as 10.8.0\n",
        ),
        (
            "4.1.0",
            "error: could not move the pins: invalid version 4.1.0: the package manager is \
             missing\nhelp: for example: bakstop pins --set yarn@4.1.0\n",
        ),
    ] {
        let ran = sandbox.bakstop(&["pins", "--set", spec]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{spec}");
        assert!(ran.err.starts_with(says) && ran.err.contains("\nhelp: "), "{}", ran.err);
    }
}

#[test]
fn permissions_stay_and_links_are_left_alone() {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "RUN npm i -g pnpm@10.6.5\n");
    let executable = fs::Permissions::from_mode(0o775);
    fs::set_permissions(sandbox.top.join("Dockerfile"), executable).unwrap();
    sandbox.write("outside/Dockerfile.target", "RUN npm i -g pnpm@10.6.5\n");
    std::os::unix::fs::symlink("outside/Dockerfile.target", sandbox.top.join("linked.Dockerfile"))
        .unwrap();
    assert_eq!(sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0"]).code, Some(0));
    assert_eq!(
        fs::metadata(sandbox.top.join("Dockerfile")).unwrap().permissions().mode() & 0o7777,
        0o775
    );
    assert!(fs::symlink_metadata(sandbox.top.join("linked.Dockerfile")).unwrap().is_symlink());
    let left: Vec<_> =
        fs::read_dir(&sandbox.top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with(".bakstop-")), "{left:?}");
}

#[test]
fn a_killed_run_leaves_every_file_complete() {
    let sandbox = pinned_everywhere();
    let files = sandbox.git(&["ls-files"]);
    let read = |path: &str| fs::read(sandbox.top.join(path)).unwrap();
    let old: Vec<Vec<u8>> = files.lines().map(read).collect();
    assert_eq!(sandbox.bakstop(&["pins", "--set", "pnpm@10.8.0"]).code, Some(0));
    let new: Vec<Vec<u8>> = files.lines().map(read).collect();
    for delay in 0..40 {
        sandbox.git(&["checkout", "-q", "."]);
        let mut run = sandbox
            .command(BAKSTOP)
            .args(["pins", "--set", "pnpm@10.8.0"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(500 * delay));
        run.kill().unwrap();
        run.wait().unwrap();
        for (at, path) in files.lines().enumerate() {
            let now = read(path);
            assert!(now == old[at] || now == new[at], "{path} after {delay}");
        }
    }
}

#[test]
fn json_matches_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/pins.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sandbox = pinned_everywhere();
    sandbox.write(
        "a\u{1b}[2J\u{202e}/Dockerfile",
        "FROM node:25\nRUN corepack enable && npm i -g 'pnpm@1\u{1b}[2J' pnpm@$V pnpm@$(x)\n",
    );
    let ran = sandbox.bakstop(&["pins", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(ran.code, Some(1));
    let demands: Vec<&str> = document["pins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pin| pin["demand"].as_str().unwrap())
        .collect();
    for demand in ["exact", "range", "tag", "empty", "unknown"] {
        assert!(demands.contains(&demand), "{demand} {demands:?}");
    }
    let human = sandbox.bakstop(&["pins"]);
    for text in [&ran.out, &human.out, &human.err] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}

#[test]
fn the_configuration_is_applied_and_reported() {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "RUN npm i -g pnpm@9.15.0\n");
    assert_eq!(sandbox.bakstop(&["pins"]).code, Some(1));
    sandbox.write(
        "bakstop.json",
        r#"{"allow": [{
            "rule": "package-manager-mismatch",
            "path": "Dockerfile",
            "reason": "it builds an old image"
        }]}"#,
    );
    let ran = sandbox.bakstop(&["pins"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.ends_with(
            "bakstop: 1 pin in 1 file agrees; 1 more differs, which the configuration allows\n"
        ),
        "{}",
        ran.out
    );
    // An allowed difference is kept.
    let moved = sandbox.bakstop(&["pins", "--set"]);
    let left = "left Dockerfile:1: npm install -g: the configuration allows another version\n\
                bakstop: nothing moved\n";
    assert_eq!((moved.code, moved.out.as_str()), (Some(0), left), "{moved:?}");
    sandbox.write("bakstop.json", "{");
    assert_eq!(sandbox.bakstop(&["pins"]).code, Some(2));
}

#[test]
fn a_missing_pin_or_repository_is_reported() {
    let sandbox = Sandbox::unborn();
    assert_eq!(sandbox.bakstop(&["pins"]).out, "bakstop: nothing here pins a package manager\n");
    sandbox.write("package.json", "{}");
    assert_eq!(
        sandbox.bakstop(&["pins"]).out,
        "bakstop: nothing here pins a package manager\nhelp: to declare one, add to package.json: \
         \"packageManager\": \"NAME@VERSION\" of what installs here\n"
    );
    let outside = Sandbox::empty();
    let ran = outside.bakstop(&["pins"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("help: "), "{}", ran.err);
}

#[test]
fn a_commit_is_judged_by_the_files_it_touches() {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.15.0\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(1));
    sandbox.git(&["commit", "-q", "-m", "Drift"]);
    // A change without pins need not fix it.
    sandbox.write("web/package.json", "{\"name\": \"@shop/web\", \"version\": \"1.0.0\"}\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
    // A change of the pin in the manifest must.
    sandbox.write(
        "package.json",
        "{\n  \"name\": \"shop\",\n  \"packageManager\": \"pnpm@10.8.0\"\n}\n",
    );
    sandbox.git(&["add", "-A"]);
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("Dockerfile:2:19"), "{}", ran.out);
    // So must one that moves it away from a member.
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@10.8.0\n");
    sandbox.write("backend/package.json", "{\"packageManager\": \"pnpm@10.6.5\"}\n");
    sandbox.git(&["add", "backend"]);
    sandbox.git(&["commit", "-q", "-m", "Pin a member", "--", "backend"]);
    sandbox.git(&["add", "-A"]);
    let ran = sandbox.bakstop(&["check"]);
    assert!(ran.out.contains("backend/package.json:1:20") && ran.code == Some(1), "{ran:?}");
}

#[test]
fn an_installer_above_the_only_project_is_compared_with_it_and_moved() {
    let sandbox = Sandbox::unborn();
    sandbox.write("web/package.json", "{ \"packageManager\": \"pnpm@10.6.5\" }\n");
    sandbox.commit_all("Pin below");
    // The manifest is not of this change, and no other file is next to it.
    let dockerfile = "FROM node:22\nRUN su node -c 'npm i -g pnpm@9.15.0'\nCOPY web/ ./\n";
    sandbox.write("Dockerfile", dockerfile);
    sandbox.git(&["add", "-A"]);
    for arguments in [&["check"][..], &["pins"], &["hook", "pre-commit"]] {
        let ran = sandbox.bakstop(arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains("Dockerfile:2:31"), "{ran:?}");
    }
    assert_eq!(sandbox.bakstop(&["pins", "--set"]).code, Some(0));
    let moved = fs::read_to_string(sandbox.top.join("Dockerfile")).unwrap();
    assert_eq!(moved, dockerfile.replace("9.15.0", "10.6.5"));
    sandbox.commit_all("Move");
    // A new version below is one above too.
    sandbox.write("web/package.json", "{ \"packageManager\": \"pnpm@10.8.0\" }\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(1));
}

#[test]
fn a_pin_that_is_not_compared_has_a_reason_and_a_missing_declaration_has_a_help() {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", r#"{ "name": "shop", "engines": { "pnpm": ">=9" } }"#);
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.15.0 pnpm@$(cat v)\n");
    sandbox.write("web/Dockerfile", "FROM node:22\nRUN npm i -g pnpm@9.14.0\n");
    let ran = sandbox.bakstop(&["pins"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    let reason = "no exact version is declared";
    let is_open = |line: &&&str| line.contains("pnpm 9.15.0 ") && line.ends_with(reason);
    assert_eq!(lines.iter().filter(is_open).count(), 1, "{ran:?}");
    let help = "help: to declare an exact version, add to package.json: \"packageManager\": \
                \"pnpm@9.15.0\"";
    assert_eq!((ran.code, lines.last()), (Some(0), Some(&help)), "{ran:?}");
    // With it, everything is compared; the rest has another reason.
    sandbox.write("package.json", r#"{ "packageManager": "pnpm@9.15.0" }"#);
    sandbox.write(".github/workflows/ci.yml", "jobs: {a: {steps: [{run: npm i -g pnpm@8.0.0}]}}\n");
    sandbox.write("compose.yaml", "services: {a: {command: npx pnpm@9.1.0 x}}\n");
    sandbox.write("web/Dockerfile", "RUN npm i -g yarn@1.22.22 && npm i -g pnpm@9.15.0\n");
    let ran = sandbox.bakstop(&["pins", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let reasons: Vec<(&str, &str)> = report["pins"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pin| Some((pin["path"].as_str().unwrap(), pin["reason"].as_str()?)))
        .collect();
    assert_eq!(
        reasons,
        [
            (".github/workflows/ci.yml", "for another repository, or one of several variants"),
            ("Dockerfile", "known only at run time"),
            ("web/Dockerfile", "in addition to the one that is pinned"),
        ]
    );
}
