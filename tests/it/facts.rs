//! Checks `tests/facts/` against corepack and BuildKit's Dockerfile parser. Run by name: `cargo
//! test --locked -- --ignored real_facts`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::pins::pinned_everywhere;
use crate::real::{must, npm_tools, run};
use crate::support::finish;

fn cases(text: &str) -> Vec<Value> {
    let facts: Value = serde_json::from_str(text).unwrap();
    facts["cases"].as_array().unwrap().clone()
}

/// The answer of corepack to a manifest. It runs for two managers: a project for another one
/// refuses, and a project without one accepts both.
fn verdict(programs: &Path, manifest: &str) -> &'static str {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("package.json"), manifest).unwrap();
    let answers = ["pnpm", "yarn"].map(|manager| {
        let ran = finish(
            Command::new(programs.join("corepack"))
                .args([manager, "--version"])
                .current_dir(directory.path())
                .env("COREPACK_HOME", directory.path().join("home"))
                .env("COREPACK_ENABLE_NETWORK", "0")
                .env("COREPACK_DEFAULT_TO_LATEST", "0"),
        );
        format!("{}{}", ran.out, ran.err)
    });
    if answers.iter().any(|answer| answer.contains("This project is configured to use")) {
        "valid"
    } else if answers.iter().all(|answer| answer.contains("Network access disabled")) {
        "absent"
    } else {
        "invalid"
    }
}

#[test]
#[ignore = "fetches corepack from the npm registry"]
fn real_facts_of_corepack() {
    let programs = npm_tools(&["corepack@0.36.0"]);
    let cases = cases(include_str!("../facts/corepack.json"));
    let next = AtomicUsize::new(0);
    let wrong = std::thread::scope(|scope| {
        let ask = || {
            let mut wrong = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let manifest = case["manifest"].as_str().unwrap();
                let answer = verdict(&programs, manifest);
                // A `devEngines` with a manager but no version refuses the others and pins nothing;
                // one that only warns refuses nothing.
                let names_one = answer == "valid" && manifest.contains("devEngines");
                if case["verdict"] != answer && !names_one && !manifest.contains("onFail") {
                    wrong.push(format!("{manifest}: {answer}, and not {}", case["verdict"]));
                }
            }
            wrong
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(cases.len() > 400 && wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} manifests, as recorded", cases.len());
}

/// Prints how BuildKit's parser (`dockerfile` on `PyPI`) parses each text.
const ASK_BUILDKIT: &str = r#"
import json, os, string, sys, tempfile, dockerfile

def upper(text):
    return "".join(c.upper() if c in string.ascii_letters else c for c in text)

answers = []
path = os.path.join(tempfile.mkdtemp(), "Dockerfile")
for text in json.load(sys.stdin):
    with open(path, "wb") as file:
        file.write(text.encode())
    try:
        answers.append([
            [upper(c.cmd or ""), c.start_line, c.end_line, list(c.flags), list(c.value)]
            for c in dockerfile.parse_file(path)
        ])
    except (dockerfile.GoParseError, UnicodeDecodeError):
        answers.append(None)
json.dump(answers, sys.stdout)
"#;

#[test]
#[ignore = "fetches BuildKit's parser from PyPI"]
fn real_facts_of_buildkit() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools/dockerfile-3.4.0");
    if !target.exists() {
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            target.to_str().unwrap(),
            "dockerfile==3.4.0",
        ];
        let ran = finish(Command::new("python3").args(install));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    let cases = cases(include_str!("../facts/dockerfile.json"));
    let files: Vec<&Value> = cases.iter().map(|case| &case["file"]).collect();
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("cases.json");
    fs::write(&input, serde_json::to_string(&files).unwrap()).unwrap();
    let ran = finish(
        Command::new("python3")
            .args(["-c", ASK_BUILDKIT])
            .env("PYTHONPATH", &target)
            .stdin(fs::File::open(&input).unwrap()),
    );
    let answers: Vec<Value> =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.err));
    let mut counts = BTreeMap::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let recorded = case["instructions"].as_array().map(|instructions| {
            let flags = |fact: &Value| {
                fact.get("flags").cloned().unwrap_or_else(|| Value::Array(Vec::new()))
            };
            let row = |fact: &Value| {
                serde_json::json!([
                    fact["name"],
                    fact["line"],
                    fact["end"],
                    flags(fact),
                    fact["value"]
                ])
            };
            Value::Array(instructions.iter().map(row).collect())
        });
        // BuildKit has changed since the version in the package.
        let lags = case["lags"] == true;
        let same = *answer == recorded.unwrap_or(Value::Null);
        assert!(same || lags, "{}\n{answer}\n{case}", case["file"]);
        *counts.entry((same, lags)).or_insert(0) += 1;
    }
    assert!(counts[&(true, false)] > 500, "{counts:?}");
    println!("{counts:?}");
}

#[test]
#[ignore = "fetches corepack and pnpm from the npm registry"]
fn real_facts_of_a_moved_pin() {
    let sandbox = pinned_everywhere();
    sandbox.write("web/package.json", "{\"name\": \"@shop/web\"}\n");
    sandbox.git(&["commit", "-q", "-a", "-m", "Depend on nothing"]);
    let (corepack, pnpm) = (npm_tools(&["corepack@0.36.0"]), npm_tools(&["pnpm@10"]));
    // The latest version in the registry.
    let about: Value =
        serde_json::from_slice(&fs::read(pnpm.join("../pnpm/package.json")).unwrap()).unwrap();
    let version = about["version"].as_str().unwrap();
    assert_eq!(sandbox.bakstop(&["pins", "--set", &format!("pnpm@{version}")]).code, Some(0));
    assert_eq!(sandbox.bakstop(&["pins"]).code, Some(0));
    // pnpm accepts the project: any other `packageManager` or `engines` stops it.
    let install = [
        "pnpm",
        "install",
        "--lockfile-only",
        "--config.package-manager-strict-version=true",
        "--config.manage-package-manager-versions=false",
    ];
    must(&sandbox, &pnpm, &install);
    // And corepack runs this version.
    let ran = run(
        &sandbox,
        &corepack,
        &["env", "COREPACK_ENABLE_NETWORK=0", "corepack", "pnpm", "--version"],
    );
    assert!(format!("{}{}", ran.out, ran.err).contains(&format!("pnpm-{version}.tgz")), "{ran:?}");
    sandbox.git(&["checkout", "-q", "."]);
    let ran = run(&sandbox, &pnpm, &install);
    assert!(
        ran.code == Some(1)
            && format!("{}{}", ran.out, ran.err).contains("configured to use v10.6.5 of pnpm"),
        "{ran:?}"
    );
}
