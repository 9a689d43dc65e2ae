//! The real tools, fetched from the package registries. Run by name, as CONTRIBUTING.md says:
//! `cargo test --locked -- --ignored real_pnpm`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::push::StandIn;
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// Tests run at the same time, and npm makes the directory before the programs.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs npm packages, kept for later runs; returns the directory of their programs.
pub(crate) fn npm_tools(packages: &[&str]) -> PathBuf {
    let name: String = packages
        .join("+")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools").join(name);
    let programs = directory.join("node_modules/.bin");
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if !programs.exists() {
        fs::create_dir_all(&directory).unwrap();
        // Some hook managers would install hooks into the repository around this directory: this
        // one.
        let install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"];
        let ran = finish(Command::new("npm").args(install).arg(&directory).args(packages));
        assert_eq!(ran.code, Some(0), "npm install {packages:?}: {}", ran.err);
    }
    programs
}

/// A command with the network settings of the machine, the git settings of the sandbox, and these
/// programs first in PATH.
fn command(sandbox: &Sandbox, programs: &Path, program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(
        std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path)),
    )
    .unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(&sandbox.top)
        .stdin(std::process::Stdio::null())
        .envs(sandbox.environment())
        .env("PATH", path)
        .env("CI", "1")
        .env("NO_COLOR", "1")
        .env_remove("CARGO_TARGET_DIR");
    command
}

pub(crate) fn run(sandbox: &Sandbox, programs: &Path, line: &[&str]) -> Ran {
    finish(command(sandbox, programs, line[0]).args(&line[1..]))
}

pub(crate) fn must(sandbox: &Sandbox, programs: &Path, line: &[&str]) -> Ran {
    let ran = run(sandbox, programs, line);
    assert_eq!(ran.code, Some(0), "{line:?}: {}{}", ran.out, ran.err);
    ran
}

/// A workspace with a vendored package as a tarball that pnpm packed, installed.
pub(crate) fn pnpm_workspace(programs: &Path) -> Sandbox {
    let sandbox = Sandbox::unborn();
    sandbox.write(".gitignore", "node_modules/\n*.bak\n.docker-deps/*\n!.docker-deps/.gitkeep\n");
    sandbox.write(".docker-deps/.gitkeep", "");
    sandbox.write("package.json", "{\n  \"name\": \"shop\",\n  \"private\": true\n}\n");
    sandbox.write("pnpm-workspace.yaml", "packages:\n  - backend\n  - web\n");
    for name in ["backend", "web"] {
        let manifest = format!(
            r#"{{
  "name": "@shop/{name}",
  "version": "1.0.0",
  "dependencies": {{
    "@acme/ui": "file:../vendor/acme-ui-1.4.0.tgz"
  }}
}}
"#
        );
        sandbox.write(format!("{name}/package.json"), manifest);
    }
    let sibling = sandbox.outside().join("ui");
    fs::create_dir(&sibling).unwrap();
    fs::write(sibling.join("package.json"), "{\"name\": \"@acme/ui\", \"version\": \"1.4.0\"}")
        .unwrap();
    for directory in ["vendor", ".docker-deps"] {
        let target = sandbox.top.join(directory);
        let ran = finish(
            command(&sandbox, programs, "pnpm")
                .args(["pack", "--pack-destination"])
                .arg(target)
                .current_dir(&sibling),
        );
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    }
    must(&sandbox, programs, &["pnpm", "install", "--ignore-scripts"]);
    sandbox.commit_all("Start");
    sandbox
}

/// Rewrites every manifest like docker-prep, and adds an override where this pnpm reads it.
fn prepare(sandbox: &Sandbox, overrides_in: &str) {
    for path in ["package.json", "backend/package.json", "web/package.json"] {
        let text = fs::read_to_string(sandbox.top.join(path)).unwrap();
        sandbox.write(format!("{path}.bak"), &text);
        sandbox.write(path, text.replace("../vendor/", &format!("../{}/", ".docker-deps")));
    }
    let spec = format!("file:{}/acme-ui-1.4.0.tgz", ".docker-deps");
    if overrides_in == "package.json" {
        let text = format!(
            r#"{{
  "name": "shop",
  "private": true,
  "pnpm": {{
    "overrides": {{
      "@acme/ui": "{spec}"
    }}
  }}
}}
"#
        );
        sandbox.write("package.json", text);
    } else {
        let text = fs::read_to_string(sandbox.top.join(overrides_in)).unwrap();
        sandbox.write(overrides_in, format!("{text}overrides:\n  '@acme/ui': {spec}\n"));
    }
}

fn pnpm(version: &str, overrides_in: &str) {
    let programs = npm_tools(&[&format!("pnpm@{version}")]);
    let sandbox = pnpm_workspace(&programs);
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    prepare(&sandbox, overrides_in);
    // An install in the prepared tree.
    must(&sandbox, &programs, &["pnpm", "install", "--ignore-scripts", "--no-frozen-lockfile"]);
    sandbox.write("web/index.js", "export {};\n");
    sandbox.git(&["add", "-A"]);

    // Exactly the files that the preparation and the install wrote are found.
    let staged: BTreeSet<String> =
        sandbox.git(&["diff", "--cached", "--name-only"]).lines().map(str::to_owned).collect();
    let report: serde_json::Value =
        serde_json::from_str(&sandbox.bakstop(&["check", "--format", "json"]).out).unwrap();
    let found: BTreeSet<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["path"].as_str().unwrap().to_owned())
        .collect();
    let mut expected = staged.clone();
    expected.remove("web/index.js");
    assert_eq!(found, expected);
    assert!(
        found.contains("pnpm-lock.yaml")
            && found.contains("web/package.json")
            && found.contains(overrides_in),
        "{found:?}"
    );

    let blocked = sandbox.try_git(&["commit", "-m", "Ship it"]);
    assert_eq!(blocked.code, Some(1), "{}{}", blocked.out, blocked.err);
    println!("{}{}", blocked.out, blocked.err);

    // The steps of the report: restore, install again, stage.
    for path in ["package.json", "backend/package.json", "web/package.json"] {
        fs::rename(sandbox.top.join(format!("{path}.bak")), sandbox.top.join(path)).unwrap();
    }
    if overrides_in != "package.json" {
        sandbox.git(&["checkout", "HEAD", "--", overrides_in]);
    }
    must(&sandbox, &programs, &["pnpm", "install", "--lockfile-only"]);
    sandbox.commit_all("Ship it");
    assert_eq!(
        sandbox.git(&["show", "--format=", "--name-only", "HEAD"]),
        "web/index.js\n",
        "the lockfile is restored exactly"
    );
}

#[test]
#[ignore = "fetches pnpm from the npm registry"]
fn real_pnpm_10() {
    pnpm("10", "package.json");
}

#[test]
#[ignore = "fetches pnpm from the npm registry"]
fn real_pnpm_12() {
    pnpm("12", "pnpm-workspace.yaml");
}

/// husky 9 as its `init` sets it up, with an existing hook that ends early.
#[test]
#[ignore = "fetches husky from the npm registry"]
fn real_husky() {
    let programs = npm_tools(&["husky@9"]);
    let sandbox = Sandbox::workspace();
    must(&sandbox, &programs, &["husky", "init"]);
    sandbox.write(".husky/pre-commit", "echo formatted\nexit 0\n");
    let in_path = Path::new(BAKSTOP).parent().unwrap();
    let installed = run(&sandbox, in_path, &["bakstop", "install"]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    println!("{}", installed.out);
    println!("{}", fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap());
    sandbox.git(&["add", "-A"]);
    let bare = |arguments: &[&str]| {
        let ran = finish(command(&sandbox, in_path, "git").args(arguments));
        println!("$ git {}\n{}{}", arguments.join(" "), ran.out, ran.err);
        ran
    };
    assert_eq!(bare(&["commit", "-q", "-m", "Add husky"]).code, Some(0));

    sandbox.rewrite("web/package.json");
    let blocked = bare(&["commit", "-a", "-m", "Ship it"]);
    assert_eq!(blocked.code, Some(1));
    assert!(
        blocked.err.contains("formatted") && blocked.err.contains("error[rewritten-manifest]"),
        "{}",
        blocked.err
    );
    sandbox.git(&["checkout", "HEAD", "--", "web/package.json"]);
    sandbox.write("web/index.js", "export const x = 1;\n");
    assert_eq!(bare(&["commit", "-a", "-m", "Ship it"]).code, Some(0));

    let merged = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["commit", "-q", "-a", "--no-verify", "-m", "Past the guard"]);
    sandbox.git(&["checkout", "-q", "main"]);
    assert_ne!(bare(&["merge", "--no-ff", "--no-edit", "side"]).code, Some(0));
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), merged);

    let guard = StandIn::at(&sandbox.outside().join("bin"));
    assert_pushes_are_judged(&sandbox, &guard, guard.program.parent().unwrap());
}

/// Pushes a branch that is not checked out, with a guard that passes, then with one that blocks.
fn assert_pushes_are_judged(sandbox: &Sandbox, guard: &StandIn, programs: &Path) {
    let remote = sandbox.outside().join("remote.git");
    sandbox.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let push = |arguments: &[&str]| {
        let ran = run(sandbox, programs, &[&["git", "push", "-q"], arguments].concat());
        println!("$ git push {}\n{}{}", arguments.join(" "), ran.out, ran.err);
        ran
    };
    assert_eq!(push(&["-u", "origin", "main"]).code, Some(0));
    let lines = guard.heard().unwrap().1;
    assert!(lines.starts_with(b"refs/heads/main "), "{lines:?}");
    guard.ends_with(1);
    assert_eq!(push(&["origin", "HEAD:refs/heads/other"]).code, Some(1));
    assert!(guard.heard().unwrap().1.starts_with(b"HEAD "), "also for HEAD");
    assert_eq!(sandbox.git(&["ls-remote", "origin", "refs/heads/other"]), "");
}

/// Writes the lines that `install` prints for a manager to their file.
fn advised(sandbox: &Sandbox) -> String {
    let ran = sandbox.bakstop(&["install"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let (_, lines) = ran.err.split_once(":\n\n").unwrap();
    lines.split("\nand then run:").next().unwrap().to_owned()
}

#[test]
#[ignore = "fetches lefthook from the npm registry"]
fn real_lefthook() {
    let programs = npm_tools(&["lefthook@2"]);
    let sandbox = Sandbox::workspace();
    let theirs = sandbox.outside().join("theirs");
    let push = format!(
        "pre-push:\n  jobs:\n    - run: cat >> '{}'\n      use_stdin: true\n",
        theirs.display()
    );
    sandbox.write("lefthook.yml", &push);
    let ran = sandbox.bakstop(&["install"]);
    let job =
        ran.err.split("`pre-push:`:\n\n").nth(1).unwrap().split("\nand then run:").next().unwrap();
    sandbox.write("lefthook.yml", push + job);
    println!("{}", fs::read_to_string(sandbox.top.join("lefthook.yml")).unwrap());
    must(&sandbox, &programs, &["lefthook", "install"]);
    let guard = StandIn::at(&sandbox.outside().join("bin"));
    let bin = guard.program.parent().unwrap();
    std::os::unix::fs::symlink(programs.join("lefthook"), bin.join("lefthook")).unwrap();
    assert_pushes_are_judged(&sandbox, &guard, bin);
    assert!(
        fs::read(&theirs).unwrap().starts_with(b"refs/heads/main "),
        "theirs is given the lines as well"
    );
}

#[test]
#[ignore = "fetches simple-git-hooks from the npm registry"]
fn real_simple_git_hooks() {
    let programs = npm_tools(&["simple-git-hooks@2"]);
    let sandbox = Sandbox::workspace();
    let theirs = sandbox.outside().join("theirs");
    let now = format!("cat >> '{}'", theirs.display());
    sandbox.write("simple-git-hooks.json", format!("{{\"pre-push\": \"{now}\"}}\n"));
    let lines = advised(&sandbox).replace("<the current command>", &now);
    sandbox.write("simple-git-hooks.json", format!("{{\n{lines}}}\n"));
    must(&sandbox, &programs, &["simple-git-hooks"]);
    let guard = StandIn::at(&sandbox.outside().join("bin"));
    assert_pushes_are_judged(&sandbox, &guard, guard.program.parent().unwrap());
    assert!(
        fs::read(&theirs).unwrap().starts_with(b"refs/heads/main "),
        "theirs is given the lines as well"
    );
}

/// Installs a package from `PyPI`, kept for later runs; returns the directory of its programs.
pub(crate) fn pip_tools(package: &str) -> PathBuf {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools").join(package);
    if !environment.exists() {
        let made = finish(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        assert_eq!(made.code, Some(0), "{}", made.err);
        let installed =
            finish(Command::new(environment.join("bin/pip")).args(["install", "-q", package]));
        assert_eq!(installed.code, Some(0), "{}", installed.err);
    }
    environment.join("bin")
}

/// Whether `prove` finds out that a manager runs the guard for some files only. Each row has a
/// file, its text, the command that installs the hook, and the manifest that passes.
#[test]
#[ignore = "fetches lefthook and lint-staged from the npm registry, pre-commit from PyPI"]
fn real_filters_by_path() {
    let lefthook = |filter: &str| {
        format!("pre-commit:\n  jobs:\n    - run: bakstop hook pre-commit\n      {filter}\n")
    };
    let pre_commit = |filter: &str| {
        format!(
            "repos:\n  - repo: local\n    hooks:\n      - id: bakstop\n        name: guard\n\
             \x20       entry: bakstop hook pre-commit\n        language: system\n\
             \x20       pass_filenames: false\n        {filter}\n"
        )
    };
    let staged = |glob: &str| format!("{{ \"{glob}\": \"sh -c 'bakstop hook pre-commit'\" }}\n");
    let lint_staged = "printf '#!/bin/sh\\nlint-staged --quiet\\n' >.git/hooks/pre-commit; \
                       chmod +x .git/hooks/pre-commit";
    let (first, second) = ("lefthook.yml", ".pre-commit-config.yaml");
    let nested = Some("backend/package.json");
    let rows = [
        (first, lefthook("glob: package.json"), "lefthook install", nested),
        (first, lefthook("root: web/"), "lefthook install", Some("package.json")),
        (first, lefthook(""), "lefthook install", None),
        (second, pre_commit(r"files: ^package\.json$"), "pre-commit install", nested),
        (second, pre_commit("exclude: ^backend/"), "pre-commit install", nested),
        (second, pre_commit("always_run: true"), "pre-commit install", None),
        (".lintstagedrc.json", staged("./package.json"), lint_staged, nested),
        (".lintstagedrc.json", staged("package.json"), lint_staged, None),
    ];
    let (npm, pip) = (npm_tools(&["lefthook@2", "lint-staged@16"]), pip_tools("pre-commit"));
    for (file, text, install, passes) in rows {
        let sandbox = Sandbox::workspace();
        sandbox.write(file, &text);
        sandbox.commit_all("Use a manager");
        let programs = sandbox.outside().join("bin");
        fs::create_dir(&programs).unwrap();
        for program in [
            Path::new(BAKSTOP),
            &npm.join("lefthook"),
            &npm.join("lint-staged"),
            &pip.join("pre-commit"),
        ] {
            let link = programs.join(program.file_name().unwrap());
            std::os::unix::fs::symlink(program, link).unwrap();
        }
        must(&sandbox, &programs, &["sh", "-c", install]);
        let ran = run(&sandbox, &programs, &[BAKSTOP, "prove", "--all"]);
        let expected = i32::from(passes.is_some());
        assert_eq!(ran.code, Some(expected), "{text}: {ran:?}");
        let named = passes.is_none_or(|path| ran.out.contains(&format!(" a rewritten {path}")));
        assert!(named, "{text}: {ran:?}");
    }
}

/// The hook of `.pre-commit-hooks.yaml`, built from the last commit of this repository.
fn framework(package: &str, program: &str) {
    let programs = pip_tools(package);
    let sandbox = Sandbox::workspace();
    let here = env!("CARGO_MANIFEST_DIR");
    let rev = finish(Command::new("git").args(["-C", here, "rev-parse", "HEAD"])).out;
    sandbox.write(
        ".pre-commit-config.yaml",
        format!(
            "repos:\n  - repo: {here}\n    rev: {}\n    hooks:\n      - id: bakstop\n",
            rev.trim()
        ),
    );
    sandbox.git(&["add", "-A"]);
    must(&sandbox, &programs, &[program, "install"]);
    // Building the hook needs the toolchain of the machine, in the real home.
    let commit = |message: &str| {
        let home = std::env::var_os("HOME").unwrap();
        let mut command = command(&sandbox, &programs, "git");
        let toolchain = |name: &str, directory: &str| {
            std::env::var_os(name).unwrap_or_else(|| Path::new(&home).join(directory).into())
        };
        command.env("CARGO_HOME", toolchain("CARGO_HOME", ".cargo"));
        command.env("RUSTUP_HOME", toolchain("RUSTUP_HOME", ".rustup"));
        let ran = finish(command.args(["commit", "-a", "-m", message]));
        println!("{}{}", ran.out, ran.err);
        ran
    };
    assert_eq!(commit("Use the framework").code, Some(0));
    sandbox.rewrite("web/package.json");
    let blocked = commit("Ship it");
    assert_eq!(blocked.code, Some(1));
    let output = blocked.out + &blocked.err;
    assert!(
        output.contains("error[rewritten-manifest]") && output.contains("web/package.json:4:17"),
        "{output}"
    );
}

#[test]
#[ignore = "fetches pre-commit from PyPI, and builds the hook"]
fn real_pre_commit() {
    framework("pre-commit", "pre-commit");
}

#[test]
#[ignore = "fetches prek from PyPI, and builds the hook"]
fn real_prek() {
    framework("prek", "prek");
}

/// `run --all-files` and `--from-ref` of pre-commit and prek, and `run` of lefthook, as in CI; and
/// an empty commit, which must pass.
#[test]
#[ignore = "fetches pre-commit and prek from PyPI, and lefthook from the npm registry"]
fn real_managers_in_ci() {
    for tool in ["pre-commit", "prek"] {
        let programs = pip_tools(tool);
        let sandbox = Sandbox::workspace();
        sandbox.write(
            ".pre-commit-config.yaml",
            format!(
                "repos:
  - repo: local
    hooks:
      - id: bakstop
        name: bakstop
        entry: {BAKSTOP} hook pre-commit
        language: system
        pass_filenames: false
        always_run: true
"
            ),
        );
        sandbox.commit_all("Configure");
        let judges = |arguments: &[&str], code: i32| {
            let ran = run(&sandbox, &programs, &[&[tool, "run"], arguments].concat());
            assert_eq!(ran.code, Some(code), "{tool} {arguments:?}: {}{}", ran.out, ran.err);
        };
        judges(&["--all-files"], 0);
        sandbox.rewrite("web/package.json");
        sandbox.commit_all("Rewrite");
        judges(&["--all-files"], 1);
        judges(&["--from-ref", "HEAD~1", "--to-ref", "HEAD"], 1);
        sandbox.write("web/index.js", "export {}; // 2\n");
        sandbox.commit_all("More");
        judges(&["--from-ref", "HEAD~1", "--to-ref", "HEAD"], 0);
        must(&sandbox, &programs, &[tool, "install"]);
        must(&sandbox, &programs, &["git", "commit", "-q", "--allow-empty", "-m", "x"]);
    }
    let programs = npm_tools(&["lefthook@2"]);
    let sandbox = Sandbox::workspace();
    let job = format!("pre-commit:\n  jobs:\n    - run: {BAKSTOP} hook pre-commit\n");
    sandbox.write("lefthook.yml", job);
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Rewrite");
    let ran = run(&sandbox, &programs, &["lefthook", "run", "pre-commit", "--all-files"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
}
