//! Docker builds of a run, with a `docker` that gives recorded answers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{BAKSTOP, Ran, Sandbox, finish};
use crate::verify::report;

const RECORD: &str = "../runs.jsonl";

/// A repository, and a `docker` that gives the answers in files.
pub(crate) struct Lab {
    pub sandbox: Sandbox,
    /// `docker` and git.
    programs: PathBuf,
    /// The configuration of docker.
    config: PathBuf,
}

/// A build of tests/facts/builds.json.
pub(crate) fn fact(case: &str) -> Value {
    let facts: Value = serde_json::from_str(include_str!("../../facts/builds.json")).unwrap();
    let found = facts["builds"].as_array().unwrap().iter().find(|fact| fact["case"] == case);
    found.unwrap().clone()
}

pub(crate) const TOUCHED: &str = "04-compose-touched-backend backend";
const FAILED: &str = "08-compose-failing-web web";

impl Lab {
    fn new() -> Self {
        let sandbox = Sandbox::workspace();
        let (programs, config) =
            (sandbox.outside().join("programs"), sandbox.outside().join("config"));
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(config.join("buildx/refs/default/default")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let mut places = std::env::split_paths(&path).map(|directory| directory.join("git"));
        symlink(places.find(|path| path.is_file()).unwrap(), programs.join("git")).unwrap();
        Self { sandbox, programs, config }
    }

    /// A lab whose docker knows these builds, by their ids.
    pub(crate) fn with(builds: &[(&str, &Value)]) -> Self {
        let lab = Self::new();
        let mut list = String::new();
        for (id, fact) in builds {
            let mut listed = fact["listed"].clone();
            listed["ref"] = format!("default/default/{id}").into();
            list += &format!("{listed}\n");
            fs::write(lab.answer(id), format!("{}\n", fact["progress"])).unwrap();
        }
        fs::write(lab.answer("list"), list).unwrap();
        let answers = lab.sandbox.outside().display().to_string();
        lab.docker(&format!(
            "case \"$*\" in\n\
             'buildx --builder default history ls --format json') cat {answers}/list ;;\n\
             'buildx --builder default history logs --progress rawjson '*)\n\
             \tshift 7; cat {answers}/$1 >&2 ;;\n\
             *) exit 64 ;;\nesac"
        ));
        lab
    }

    fn answer(&self, name: &str) -> PathBuf {
        self.sandbox.outside().join(name)
    }

    pub(crate) fn docker(&self, script: &str) {
        let path = self.programs.join("docker");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The command of a build: buildx notes it.
    fn note(&self, id: &str, context: &str) -> String {
        let state = json!({
            "Target": "backend",
            "LocalPath": context,
            "DockerfilePath": format!("{context}/backend/Dockerfile"),
        });
        let path = self.config.join("buildx/refs/default/default").join(id);
        format!("echo '{state}' >{}; ", path.display())
    }

    /// The same for a build of this work tree.
    pub(crate) fn own(&self, id: &str) -> String {
        self.note(id, self.sandbox.top.to_str().unwrap())
    }

    fn verify(&self, options: &[&str], script: &str) -> Ran {
        self.call("verify", options, &["sh", "-c", script])
    }

    /// Runs a verb around a command.
    pub(crate) fn call(&self, verb: &str, options: &[&str], words: &[&str]) -> Ran {
        let mut command = self.sandbox.command(BAKSTOP);
        command.arg(verb).args(options).arg("--").args(words);
        let path = format!("{}:/usr/bin:/bin", self.programs.display());
        finish(command.env("PATH", path).env("DOCKER_CONFIG", &self.config))
    }

    pub(crate) fn last(&self) -> Value {
        let text = fs::read_to_string(self.sandbox.outside().join("runs.jsonl")).unwrap();
        serde_json::from_str(text.lines().next_back().unwrap()).unwrap()
    }

    /// Records a run of this script; returns its line.
    fn line(&self, script: &str) -> Value {
        let ran = self.verify(&["--record", RECORD], &format!("{script}echo built; echo no >&2"));
        assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "built\n", "no\n"));
        self.last()
    }
}

#[test]
fn the_builds_of_a_run_are_in_its_line() {
    let lab = Lab::with(&[("old", &fact(FAILED)), ("a1", &fact(TOUCHED)), ("b1", &fact(FAILED))]);
    assert!(lab.sandbox.run("sh", &["-c", &lab.own("old")]).code == Some(0));
    let line = lab.line(&lab.own("a1"));
    let build = &line["builds"][0];
    for (key, expected) in [
        ("target", json!("backend")),
        ("dockerfile", json!("backend/Dockerfile")),
        ("status", json!("completed")),
        ("steps", json!(18)),
        ("run", json!(5)),
        ("run_cached", json!(3)),
        ("sent_bytes", json!(406)),
    ] {
        assert_eq!(build[key], expected, "{key}: {line}");
    }
    assert_eq!(build["slowest"][0]["step"], "[builder 4/4] RUN pnpm run build");
    assert_eq!((&line["no_builds"], &line["overlapping"]), (&Value::Null, &json!(false)));
    assert!(line["machine"].as_str().unwrap().ends_with("cpu"), "{line}");
    let line = lab.line(&(lab.own("a1") + &lab.own("b1")));
    assert_eq!(line["builds"].as_array().unwrap().len(), 1, "only what is new: {line}");
    assert_eq!(line["builds"][0]["status"], "failed");

    let trend = lab.sandbox.bakstop(&["trend", RECORD]);
    assert!(trend.code == Some(0) && trend.out.contains("  RUN 3/5 cached\n"), "{trend:?}");
    let json = lab.sandbox.bakstop(&["trend", RECORD, "--format", "json"]);
    let schema = serde_json::from_str(include_str!("../../../docs/schema/runs.json")).unwrap();
    jsonschema::validate(&schema, &serde_json::from_str(&json.out).unwrap()).unwrap();
}

#[test]
fn unknown_builds_have_a_reason() {
    let lab = Lab::with(&[("a1", &fact(TOUCHED))]);
    let elsewhere = lab.note("a1", "/nowhere") + &lab.note("a2", "https://example.org/shop.git");
    let reason = |script: &str| {
        let line = lab.line(script);
        assert_eq!(line["builds"], Value::Null, "{line}");
        let _ = fs::remove_file(lab.config.join("buildx/refs/default/default/a1"));
        line["no_builds"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason(&elsewhere), "buildx noted no build of this work tree");
    assert_eq!(reason(&lab.own("zz")), "the history of the builder lacks a build of this run");
    for (docker, expected) in [
        ("echo 'unknown flag: --format' >&2; exit 125", "it needs buildx 0.20"),
        ("echo 'Usage:  docker buildx'", "it needs buildx 0.20"),
        ("echo no >&2; exit 1", "`docker buildx history ls` fails: no"),
        ("echo garbled", "the answer of `docker buildx history ls` cannot be read"),
        ("sleep 60 & exit", "`docker buildx history ls` does not answer in time"),
        ("yes", "`docker buildx history ls` prints too much"),
    ] {
        lab.docker(docker);
        let start = Instant::now();
        let reason = reason(&lab.own("a1"));
        assert!(reason.ends_with(expected), "{docker}: {reason}");
        assert!(start.elapsed() < Duration::from_secs(30), "{docker}");
    }
    let answers = lab.answer("list");
    lab.docker(&format!(
        "case \"$*\" in *ls*) cat {} ;; *) echo '{{' >&2 ;; esac",
        answers.display()
    ));
    assert_eq!(reason(&lab.own("a1")), "the answer of `docker buildx history logs` cannot be read");
    fs::remove_file(lab.programs.join("docker")).unwrap();
    let ran = lab.verify(&["--record", RECORD, "--verbose"], &lab.own("a1"));
    assert_eq!(ran.code, Some(0));
    // This machine may have one in /usr/bin.
    if !std::path::Path::new("/usr/bin/docker").exists() {
        assert_eq!(lab.last()["no_builds"], "there is no docker in PATH");
        assert!(ran.err.contains("the Docker builds are unknown: there is no docker"), "{ran:?}");
    }
}

#[test]
fn two_builds_of_one_target_at_once_are_marked() {
    let lab = Lab::with(&[("a1", &fact(TOUCHED)), ("a2", &fact(TOUCHED))]);
    let line = lab.line(&(lab.own("a1") + &lab.own("a2")));
    assert_eq!((&line["overlapping"], line["builds"].as_array().unwrap().len()), (&json!(true), 2));
}

#[test]
fn too_few_cached_steps_fail() {
    let lab = Lab::with(&[("a1", &fact(TOUCHED)), ("b1", &fact(FAILED))]);
    let build = |share: &str, id: &str, more: &str| {
        let _ = fs::remove_file(lab.config.join("buildx/refs/default/default").join(id));
        lab.verify(&["--min-cached", share], &(lab.own(id) + more))
    };
    for share in ["3/5", "60%", "0%"] {
        let ran = build(share, "a1", "");
        assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", ""), "{share}");
    }
    let ran = build("4/5", "a1", "");
    assert_eq!((ran.code, &*ran.err), (Some(1), ""));
    assert_eq!(
        ran.out,
        "bakstop: backend: 3 of 5 RUN steps cached; at least 4/5 must be; these ran: \
         [lint 2/2] RUN sleep 1; echo linted > /lint.txt, [builder 4/4] RUN pnpm run build\n"
    );
    assert_eq!(build("4/5", "a1", "exit 9").code, Some(9));
    // Nothing was built.
    let ran = lab.verify(&["--min-cached", "0%"], "true");
    assert_eq!((ran.code, &*ran.out), (Some(2), ""));
    assert!(ran.err.starts_with("error: could not judge the cached RUN steps: "), "{ran:?}");
    assert!(ran.err.contains("\nhelp: "), "{ran:?}");
    let id = lab.config.join("buildx/refs/default/default/a1");
    fs::remove_file(id).unwrap();
    let options = ["--format", "json", "--min-cached", "100%"];
    let report = report(&lab.verify(&options, &lab.own("a1")));
    assert_eq!(report["cache"]["builds"][0]["reached"], false, "{report}");
    assert_eq!(report["summary"]["passed"], false);
    for share in ["6/5", "x", "3"] {
        assert_eq!(lab.verify(&["--min-cached", share], "true").code, Some(2));
    }
}

#[test]
fn a_record_is_shown_in_every_format_or_not_at_all() {
    let lab = Lab::with(&[("a1", &fact(TOUCHED))]);
    lab.line(&lab.own("a1"));
    let trend = |words: &[&str]| lab.sandbox.bakstop(&[&["trend"], words].concat());
    for (format, start) in [
        ("human", "\"sh -c "),
        ("json", "{"),
        ("markdown", "- sh -c"),
        ("csv", "label,started,"),
        ("prometheus", "# HELP bakstop_build_seconds"),
        ("svg", "<svg "),
    ] {
        let ran = trend(&[RECORD, "--format", format]);
        assert!(ran.code == Some(0) && ran.out.starts_with(start), "{format}: {ran:?}");
        let ran = trend(&[RECORD, "--format", format, "--output", "../report"]);
        let written = fs::read_to_string(lab.answer("report")).unwrap();
        assert!(ran.code == Some(0) && written.starts_with(start), "{format}: {ran:?}");
    }
    let ran = trend(&[RECORD, "--label", "x"]);
    assert!(
        ran.code == Some(2) && ran.err.contains("no recorded run has the label \"x\""),
        "{ran:?}"
    );
    assert!(ran.err.contains("\nhelp: the record has: \"sh -c "), "{ran:?}");
    assert!(trend(&[RECORD, "--since", "2000-01-01"]).out.contains(": 1 run, "));
    assert!(trend(&[RECORD, "--since", "2999-01-01"]).out.contains("no run to show"));
    let ran = trend(&[RECORD, "--format", "markdown", "--before", RECORD]);
    assert!(ran.code == Some(0) && ran.out.contains("; before: "), "{ran:?}");
    // Errors print nothing else.
    let text = fs::read_to_string(lab.answer("runs.jsonl")).unwrap();
    fs::write(lab.answer("broken"), format!("{text}{{}}\n")).unwrap();
    for words in [
        &["../broken"][..],
        &["../nothing"],
        &["."],
        &[RECORD, "--before", RECORD],
        &[RECORD, "--format", "markdown", "--before", "../broken"],
        &[RECORD, "--since", "soon"],
        &[RECORD, "--output", RECORD],
    ] {
        let ran = trend(words);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{words:?}: {ran:?}");
    }
}
