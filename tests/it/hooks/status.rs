//! `status --format json` says what `status` says, and matches its schema.

use serde_json::{Value, json};

use crate::formats::close;
use crate::hooks::script;
use crate::support::{BAKSTOP, Sandbox, clone_and_server, finish};

/// The JSON report of a repository, and its exit code, which must be that of the text.
fn status(sandbox: &Sandbox, variables: &[(&str, &str)]) -> (Value, i32) {
    let mut schema =
        serde_json::from_str(include_str!("../../../docs/schema/status.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    close(&mut schema);
    let schema = jsonschema::validator_for(&schema).unwrap();
    let run = |arguments: &[&str]| {
        finish(sandbox.command(BAKSTOP).args(arguments).envs(variables.iter().copied()))
    };
    let (text, ran) = (run(&["status"]), run(&["status", "--format", "json"]));
    assert_eq!((ran.code, &*ran.err), (text.code, ""));
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let errors: Vec<String> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0], "{report}");
    for part in ["message", "summary"] {
        assert!(text.out.contains(report[part].as_str().unwrap()), "{part}: {report}");
    }
    (report, ran.code.unwrap())
}

#[test]
fn the_state_of_hooks_is_also_a_document() {
    let sandbox = Sandbox::workspace();
    let (report, code) = status(&sandbox, &[]);
    assert_eq!((code, &report["hooks"][0]["state"]), (1, &json!("not-in-force")));
    assert_eq!(report["help"], "bakstop install");
    assert_eq!(sandbox.bakstop(&["install"]).code, Some(0));
    let (report, code) = status(&sandbox, &[]);
    assert_eq!(code, 0, "{report}");
    assert_eq!((&report["setup"], &report["interference"]), (&json!("native"), &json!([])));
    let hook = json!({
        "hook": "pre-commit", "state": "in-force", "reason": null, "notes": [],
        "program": BAKSTOP, "program_hex": null,
    });
    assert_eq!(report["hooks"][0], hook);
    assert_eq!(report["programs"][0]["version"], env!("CARGO_PKG_VERSION"));
    for (name, value, kind) in [
        ("BAKSTOP", "0", "disarms"),
        ("BAKSTOP_SKIP", "stray-backup", "weakens"),
        ("BAKSTOP_SKIP", "no-such-rule", "blocks"),
    ] {
        let (report, code) = status(&sandbox, &[(name, value)]);
        assert_eq!((code, &report["interference"][0]["kind"]), (1, &json!(kind)), "{report}");
    }
}

#[test]
fn every_setup_has_a_name() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".husky/pre-commit", "true\n");
    sandbox.git(&["config", "core.hooksPath", ".husky/_"]);
    assert_eq!(status(&sandbox, &[]).0["setup"], "husky");
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    assert_eq!(status(&sandbox, &[]).0["setup"], "foreign");
    let (clone, server) = clone_and_server(&[], "");
    let server = clone.moved_to(server.file_name().unwrap().to_str().unwrap());
    assert_eq!(status(&server, &[]).0["setup"], "server");
}
