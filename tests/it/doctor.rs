//! `bakstop doctor` on real repositories, and the judgement of builds in `check`.

use serde_json::Value;

use crate::support::Sandbox;

mod bases;
mod fixing;
mod live;
mod pilots;
mod real_builds;

/// A build that copies a lockfile.
fn built() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/Dockerfile", "FROM node:22\nCOPY pnpm-lock.yaml package.json ./\n");
    sandbox.write(
        "compose.yaml",
        "services: {web: {build: {context: ., dockerfile: web/Dockerfile}}}",
    );
    sandbox.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
    sandbox.commit_all("Build");
    sandbox
}

const IGNORED: &str = "COPY pnpm-lock.yaml fails: .dockerignore excludes it";

#[test]
fn the_exit_code_is_the_verdict() {
    let sandbox = Sandbox::workspace();
    let ran = sandbox.bakstop(&["doctor"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), "bakstop: there is no Dockerfile to judge\n"));
    let sandbox = built();
    let ran = sandbox.bakstop(&["doctor"]);
    assert_eq!((ran.code, &*ran.err, &*ran.out), (Some(0), "", ""));
    sandbox.write(".dockerignore", "pnpm-lock.yaml\n");
    let ran = sandbox.bakstop(&["doctor"]);
    assert!(ran.code == Some(1) && ran.out.contains(IGNORED), "{ran:?}");
    assert_eq!(sandbox.bakstop(&["doctor", "--tree", "HEAD"]).code, Some(0));
    for (path, text) in [("compose.yaml", "services: ["), (".dockerignore", "[")] {
        let sandbox = built();
        sandbox.write(path, text);
        let ran = sandbox.bakstop(&["doctor"]);
        assert!(ran.code == Some(1) && ran.out.contains("error[unreadable-build]"), "{ran:?}");
    }
    for arguments in [
        &["doctor", "--tree", "nothing"][..],
        &["doctor", "web"],
        &["doctor", "--config", "nothing"],
    ] {
        assert_eq!(sandbox.bakstop(arguments).code, Some(2), "{arguments:?}");
    }
    sandbox.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let bare = ["-C", "../bare.git", "doctor"];
    let ran = sandbox.bakstop(&bare);
    assert!(ran.code == Some(2) && ran.err.contains("\nhelp: "), "{ran:?}");
    assert_eq!(sandbox.bakstop(&[&bare[..], &["--tree", "main"]].concat()).code, Some(0));
    let ran = sandbox.bakstop(&["-C", "..", "doctor"]);
    assert!(ran.code == Some(2) && ran.err.contains("\nhelp: "), "{ran:?}");
}

#[test]
fn builds_and_doubts_are_listed() {
    let sandbox = built();
    sandbox.write("api/Dockerfile", "FROM node:22\nCOPY . .\n");
    sandbox.write("docker-bake.hcl", "target \"x\" { dockerfile = \"web/Dockerfile\" }\n");
    let ran = sandbox.bakstop(&["doctor", "--verbose"]);
    for line in [
        "bakstop: build of web/Dockerfile, context ., by docker-bake.hcl (target x)",
        "bakstop: build of web/Dockerfile, context ., by compose.yaml (service web)",
        "bakstop: build of api/Dockerfile, context unknown",
        "bakstop: not judged: api/Dockerfile: what needs its context, since nothing says how it \
         is built",
    ] {
        assert!(ran.err.lines().any(|known| known == line), "{line}: {ran:?}");
    }
    let text = sandbox.bakstop(&["doctor", "--format", "json"]).out;
    let report: Value = serde_json::from_str(&text).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/check.json")).unwrap();
    jsonschema::validate(&schema, &report).unwrap();
    let builds = report["builds"].as_array().unwrap();
    let shown: Vec<String> = builds.iter().map(Value::to_string).collect();
    assert_eq!(builds.len(), 3, "{shown:?}");
    assert_eq!(builds[0]["context"], ".");
    assert_eq!(builds[0]["origin"]["service"], "web");
    assert_eq!(builds[1]["origin"]["target"], "x");
    assert_eq!((&builds[2]["context"], &builds[2]["origin"]), (&Value::Null, &Value::Null));
    assert_eq!(report["not_judged"][0]["path"], "api/Dockerfile");
    let config = r#"{"doctor": {"builds": [{"dockerfile": "api/Dockerfile", "context": "api"}]}}"#;
    sandbox.write("bakstop.json", config);
    let ran = sandbox.bakstop(&["doctor", "--verbose"]);
    assert!(ran.err.contains("build of api/Dockerfile, context api\n"), "{ran:?}");
    assert!(!ran.err.contains("not judged"), "{ran:?}");
}

#[test]
fn a_check_judges_new_errors_of_builds_if_it_is_asked_to() {
    for (config, code) in [("{}", 0), (r#"{"doctor": {"check": true}}"#, 1)] {
        let sandbox = built();
        sandbox.write("bakstop.json", config);
        sandbox.commit_all("Configure");
        sandbox.write(".dockerignore", "pnpm-lock.yaml\n");
        sandbox.git(&["add", "-A"]);
        for arguments in [&["check"][..], &["hook", "pre-commit"], &["check", "--worktree"]] {
            let ran = sandbox.bakstop(arguments);
            assert!(ran.code == Some(code), "{config}: {arguments:?}: {ran:?}");
            assert_eq!(ran.out.contains(IGNORED), code == 1, "{config}: {arguments:?}: {ran:?}");
        }
        sandbox.git(&["commit", "-q", "--no-verify", "-m", "Ignore"]);
        for arguments in [&["--tip"][..], &[]] {
            let range = [&["check", "--range", "HEAD~1..HEAD"], arguments].concat();
            assert_eq!(sandbox.bakstop(&range).code, Some(code), "{config}: {arguments:?}");
        }
        // The error was there before.
        sandbox.write("README.md", "changed\n");
        sandbox.write("web/package.json", "{\"name\": \"changed\"}\n");
        sandbox.git(&["add", "-A"]);
        assert_eq!(sandbox.bakstop(&["check"]).code, Some(0), "{config}");
        assert_eq!(sandbox.bakstop(&["doctor"]).code, Some(1), "{config}");
    }
}

#[test]
fn a_finding_in_a_dockerfile_inside_of_a_compose_file_has_its_line_and_no_fix() {
    let sandbox = Sandbox::workspace();
    let compose = "services:\n  a:\n    build:\n      context: .\n      \
                   dockerfile_inline: |\n        FROM node:22\n        COPY gone.txt ./\n        \
                   COPY package.json pnpm-lock.yaml ./\n        RUN pnpm install\n";
    sandbox.write("compose.yaml", compose);
    sandbox.write("gone.txt", "");
    sandbox.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
    sandbox.write(".dockerignore", "gone.txt\n");
    let ran = sandbox.bakstop(&["doctor", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let shown: Vec<String> = findings
        .iter()
        .map(|one| format!("{} {}:{}", one["rule"], one["path"], one["place"]["line"]))
        .collect();
    assert_eq!(
        shown,
        [
            "\"excluded-copy-source\" \"compose.yaml\":7",
            "\"missing-cache-mount\" \"compose.yaml\":9",
        ],
        "{ran:?}"
    );
    assert!(findings[1]["fix"].is_null(), "{ran:?}");
}

#[test]
fn what_is_not_judged_is_listed_without_a_build_too() {
    let sandbox = Sandbox::workspace();
    sandbox.write("images/web", "FROM node:22\n");
    std::os::unix::fs::symlink("images/web", sandbox.top.join("Dockerfile")).unwrap();
    let ran = sandbox.bakstop(&["doctor", "--verbose"]);
    let expected = "bakstop: there is no Dockerfile to judge\n\
                    bakstop: not judged: Dockerfile: it is a link, which is not read\n";
    assert!(ran.code == Some(0) && ran.err.starts_with(expected), "{ran:?}");
}
