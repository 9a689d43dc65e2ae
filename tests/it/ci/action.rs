//! The action of this repository, run step by step as on a runner.

use std::fs;

use serde_json::{Value, json};

use crate::ci::yaml::{evaluate, yaml};
use crate::ci::{Runner, assert_found, assert_passed, bad, good, origin, push, root};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

fn action() -> Value {
    yaml(&fs::read_to_string(root().join("action.yml")).unwrap())
}

/// Runs the scripts until one fails; returns the last output, and the outputs of the steps.
fn run(runner: &Runner<'_>, inputs: &[(&str, &str)], github: &Value) -> (Ran, Value) {
    let action = action();
    let mut values = json!({});
    for (name, input) in action["inputs"].as_object().unwrap() {
        values[name] = input["default"].clone();
    }
    for (name, value) in inputs {
        assert!(values.get(name).is_some(), "{name} is not an input");
        values[*name] = json!(value);
    }
    let mut context = json!({"github": github, "inputs": values, "steps": {}});
    let written = runner.room.path().join("github-output");
    let mut last = None;
    for step in action["runs"]["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else { continue };
        fs::write(&written, "").unwrap();
        let mut command = runner.shell(script, &["bash", "-eo", "pipefail"], "");
        command.env("GITHUB_OUTPUT", &written).env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64");
        for (name, value) in step["env"].as_object().unwrap() {
            command.env(name, evaluate(value.as_str().unwrap(), &context));
        }
        let ran = finish(&mut command);
        let id = step["id"].as_str().unwrap();
        for line in fs::read_to_string(&written).unwrap().lines() {
            let (name, value) = line.split_once('=').unwrap();
            context["steps"][id]["outputs"][name] = json!(value);
        }
        let code = ran.code;
        last = Some(ran);
        if code != Some(0) {
            break;
        }
    }
    assert!(!runner.checkout().join("pwned").exists(), "a name of a branch was run");
    (last.unwrap(), context["steps"].clone())
}

/// A checkout of a push to a branch.
fn pushed<'a>(origin: &'a Sandbox, branch: &str, tip: &str) -> (Runner<'a>, Value) {
    let event = push(branch, &origin.id("main"), tip);
    let runner = Runner::new(origin);
    runner.check_out(event["ref"].as_str().unwrap(), tip, None);
    (runner, event)
}

fn link_program(runner: &Runner<'_>) {
    let programs = runner.checkout().join("node_modules/.bin");
    fs::create_dir_all(&programs).unwrap();
    std::os::unix::fs::symlink(BAKSTOP, programs.join("bakstop")).unwrap();
}

#[test]
fn a_push_is_judged_by_the_program_in_node_modules() {
    let origin = origin();
    let (good, bad) = (good(&origin, "good"), bad(&origin, "bad"));
    let (runner, event) = pushed(&origin, "good", &good);
    let (missing, _) = run(&runner, &[], &event);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.out.contains("::error::bakstop: ./node_modules/.bin/bakstop is missing"));
    link_program(&runner);
    let (ran, steps) = run(&runner, &[], &event);
    assert_passed(&ran, "1 commit");
    assert_eq!(steps["check"]["outputs"]["sarif"], Value::Null);

    let (runner, event) = pushed(&origin, "bad", &bad);
    link_program(&runner);
    let (ran, _) = run(&runner, &[], &event);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("::error file=web/package.json"), "{ran:?}");
    let (ran, steps) = run(&runner, &[("sarif", "true")], &event);
    assert_found(&ran, "web/package.json");
    let sarif = fs::read_to_string(steps["check"]["outputs"]["sarif"].as_str().unwrap()).unwrap();
    assert!(sarif.contains("rewritten-manifest"), "{sarif}");
    // A range of its own, and none that exists: then there is nothing to upload.
    let (ran, _) = run(&runner, &[("range", "HEAD~1..HEAD")], &event);
    assert!(ran.code.is_some_and(|code| code < 2), "{ran:?}");
    let (ran, steps) = run(&runner, &[("range", "no..where"), ("sarif", "true")], &event);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(steps["check"]["outputs"]["sarif"], Value::Null);
}

#[test]
fn a_version_is_fetched_only_with_its_sum() {
    let origin = origin();
    let good = good(&origin, "good");
    let (runner, event) = pushed(&origin, "good", &good);
    let version = env!("CARGO_PKG_VERSION");
    let release = origin.outside().join(format!("release/v{version}"));
    fs::create_dir_all(&release).unwrap();
    let archive = format!("bakstop-{version}-linux-x86_64.tar.gz");
    let program = release.join("bakstop");
    std::os::unix::fs::symlink(BAKSTOP, &program).unwrap();
    let run_in = |line: &str| {
        let ran = finish(origin.command("sh").args(["-c", line]).current_dir(&release));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    run_in(&format!("tar -chzf {archive} bakstop"));
    let sum = run_in(&format!("sha256sum {archive}"));
    let sum = sum.split(' ').next().unwrap();
    let base = format!("file://{}/", origin.outside().join("release").display());
    let inputs = [("version", version), ("base-url", &*base), ("sha256", sum)];
    let (ran, _) = run(&runner, &inputs, &event);
    assert_passed(&ran, "1 commit");

    let wrong = sum.chars().rev().collect::<String>();
    for (name, value, reason) in [
        ("sha256", &*wrong, "is not the file that sha256 names"),
        ("sha256", "", "sha256 must be the SHA-256"),
        ("base-url", "", "base-url must say"),
        ("version", "1.0.0$(touch pwned)", "version is not X.Y.Z"),
    ] {
        let inputs = inputs.map(|(key, old)| (key, if key == name { value } else { old }));
        let (ran, _) = run(&runner, &inputs, &event);
        assert_eq!(ran.code, Some(2), "{name}: {ran:?}");
        assert!(ran.out.contains(reason), "{name}: {ran:?}");
    }
}

#[test]
fn every_input_is_documented() {
    let page = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    for (name, input) in action()["inputs"].as_object().unwrap() {
        assert!(page.contains(&format!("| `{name}` |")), "docs/ci.md: {name}");
        assert!(!input["description"].as_str().unwrap().is_empty());
    }
    // It chooses the range as the workflows do.
    let choice = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines
            .skip_while(|line| !line.starts_with("elif [ -n \"$DEFAULT_BRANCH\" ]"))
            .take(4)
            .collect()
    };
    let script = fs::read_to_string(root().join("action.yml")).unwrap();
    assert_eq!(choice(&script), choice(&super::text("check.sh")));
}
