//! `bakstop lockfile`, and the rule about lockfiles for images, on real repositories.

use serde_json::Value;

use crate::support::Sandbox;

const PATH: &str = "api/pnpm-lock.docker.yaml";

fn manifest(range: &str) -> String {
    format!(
        r#"{{"name": "api", "packageManager": "pnpm@10.6.5", "dependencies": {{"ms": "{range}"}}}}"#
    )
}

fn lock(specifier: &str) -> String {
    let hash = "A".repeat(88);
    format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      ms:\n        \
         specifier: {specifier}\n        version: 2.1.3\n\npackages:\n\n  ms@2.1.3:\n    \
         resolution: {{integrity: sha512-{hash}}}\n\nsnapshots:\n\n  ms@2.1.3: {{}}\n"
    )
}

/// A repository with a lockfile for an image that fits.
fn in_step() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write(PATH, lock("^2.1.0"));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "A lockfile for the image"]);
    sandbox
}

#[test]
fn the_exit_code_says_whether_the_lockfile_fits() {
    let sandbox = in_step();
    let ran = sandbox.bakstop(&["lockfile"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("pnpm 10.6.5: fits"), "{}", ran.out);
    sandbox.write("api/package.json", manifest("^2.2.0"));
    let ran = sandbox.bakstop(&["lockfile"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("api/package.json asks for `^2.2.0`"), "{}", ran.out);
    assert_eq!(sandbox.bakstop(&["lockfile", "api"]).code, Some(1));
    sandbox.write("web/a", "");
    assert_eq!(sandbox.bakstop(&["lockfile", "web"]).code, Some(0));
    assert_eq!(sandbox.bakstop(&["lockfile", "nowhere"]).code, Some(2));
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write("api/pnpm-workspace.yaml", "sharedWorkspaceLockfile: false\n");
    let ran = sandbox.bakstop(&["lockfile", "--format", "json"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["lockfiles"][0]["state"], "not judged");
}

#[test]
fn the_index_is_compared_with_the_index() {
    let sandbox = in_step();
    sandbox.write("api/package.json", manifest("^2.1.2"));
    sandbox.git(&["add", "api/package.json"]);
    // The lockfile in the work tree would fit.
    sandbox.write(PATH, lock("^2.1.2"));
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("stale-docker-lockfile"), "{}", ran.out);
    sandbox.git(&["add", PATH]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
    sandbox.git(&["reset", "-q", PATH]);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Drift"]);
    for scope in [&["--range", "HEAD~1..HEAD"][..], &["--tree", "HEAD"]] {
        let ran = sandbox.bakstop(&[&["check"], scope].concat());
        assert_eq!(ran.code, Some(1), "{scope:?} {}{}", ran.out, ran.err);
    }
    // Another change does not bring it up again.
    sandbox.write("api/index.js", "1\n");
    sandbox.git(&["add", "api/index.js"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
}

#[test]
fn json_matches_its_schema() {
    let schema = include_str!("../../docs/schema/lockfile.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sandbox = in_step();
    let hostile = "a\u{1b}[2J\u{202e}/pnpm-lock.docker.yaml";
    sandbox.write("a\u{1b}[2J\u{202e}/package.json", manifest("\\u001b[2J\u{202e}"));
    sandbox.write(hostile, lock("\"\\x1b[2J\u{202e}x\"").replace("ms@2.1.3", "\"m\\x1b[2J@1\""));
    for format in ["json", "human"] {
        let ran = sandbox.bakstop(&["lockfile", "--format", format]);
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
        if format == "json" {
            let document: Value = serde_json::from_str(&ran.out).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}

#[test]
fn a_lockfile_that_links_nothing_outside_needs_no_other() {
    let sandbox = in_step();
    let text = lock("^2.1.0").replace("  .:\n", "  .: {}\n\n  api:\n");
    sandbox.write("pnpm-lock.yaml", text.as_str());
    let ran = sandbox.bakstop(&["lockfile"]);
    assert!(ran.out.contains("COPY api/package.json api/"), "{}", ran.out);
    sandbox.write("pnpm-lock.yaml", text.replace("version: 2.1.3", "version: link:../../plat/ms"));
    let ran = sandbox.bakstop(&["lockfile"]);
    assert!(!ran.out.contains("COPY"), "{}", ran.out);
}
