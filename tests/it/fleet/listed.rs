//! The list of a fleet, and its schema for editors.

use std::fs;

use serde_json::{Value, json};

use crate::fleet::{document, fleet, of, run, texts};

/// The answer of the program about a list, and that of the schema.
#[test]
fn the_schema_and_the_program_agree() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/schema/fleet-list.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sandbox = fleet();
    let one = r#""repositories": [{"path": "shop"}]"#;
    let template = r#"{"canonical": "shop/package.json", "path": "package.json"}"#;
    // The text, whether the program takes it, and whether the schema does.
    let cases = [
        (format!("{{{one}}}"), true, true),
        (
            format!(r#"{{"$schema": "x", {one}, "record": "none.jsonl", "decision": "x"}}"#),
            true,
            true,
        ),
        (format!(r#"{{{one}, "record": "", "decision": ""}}"#), true, true),
        (format!(r#"{{{one}, "templates": [{template}]}}"#), true, true),
        (
            format!(
                r#"{{"repositories": [{{"path": "shop", "surfaces": {{"web": "n/a"}},
                    "templates": {{"package.json": "n/a"}}}}], "templates": [{template}]}}"#
            ),
            true,
            true,
        ),
        ("{}".into(), false, false),
        ("[]".into(), false, false),
        (r#"{"repositories": []}"#.into(), false, false),
        (r#"{"repositories": [{}]}"#.into(), false, false),
        (r#"{"repositories": [{"path": ""}]}"#.into(), false, false),
        (r#"{"repositories": [{"path": 1}]}"#.into(), false, false),
        (r#"{"repositories": [{"path": "shop", "name": "x"}]}"#.into(), false, false),
        (format!(r#"{{{one}, "templates": [{{"path": "a"}}]}}"#), false, false),
        (format!(r#"{{{one}, "record": null}}"#), false, false),
        (format!(r#"{{{one}, "more": 1}}"#), false, false),
        (r#"{"repositories": [{"path": "shop", "surfaces": {"web": "no"}}]}"#.into(), false, false),
        // Beyond what a schema can say.
        (r#"{"repositories": [{"path": "shop", "templates": {"x": "n/a"}}]}"#.into(), false, true),
        (format!(r#"{{{one}, "templates": [{{"canonical": "a", "path": "../b"}}]}}"#), false, true),
    ];
    for (text, is_taken, is_valid) in cases {
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(validator.is_valid(&document), is_valid, "{text}");
        fs::write(sandbox.outside().join("f.json"), &text).unwrap();
        let ran = run(&sandbox, &["--list", "f.json"]);
        assert_eq!(ran.code, Some(if is_taken { 0 } else { 2 }), "{text}: {ran:?}");
        assert_eq!(ran.err.starts_with("error: could not read the list f.json: "), !is_taken);
    }
    let both = run(&sandbox, &["--list", "f.json", "shop"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    let missing = run(&sandbox, &["--list", "no.json"]);
    assert!(missing.code == Some(2) && missing.err.contains("\nhelp: "), "{missing:?}");
}

#[test]
fn paths_are_relative_to_the_list_and_times_are_from_the_record() {
    let sandbox = fleet();
    let lists = sandbox.outside().join("lists");
    fs::create_dir(&lists).unwrap();
    sandbox.write("web/Dockerfile", "FROM node:22\n");
    sandbox.write("docs/Dockerfile", "FROM node:22\n");
    sandbox.commit_all("Build");
    let build = |cached: usize| {
        json!([{ "target": "web", "dockerfile": "web/Dockerfile", "status": "completed",
            "seconds": 1.0, "steps": 3, "cached": cached, "run": 2, "run_cached": cached,
            "run_steps": [], "sent_bytes": 0, "export_seconds": 0.0, "slowest": [] }])
    };
    let line = |label: &str, seconds: f64, builds: Value| {
        json!({ "label": label, "started": "2026-05-02T10:11:12Z", "seconds": seconds,
            "exit_code": 0, "tree": "unchanged", "commit": null, "builds": builds })
        .to_string()
    };
    let record = [line("shop/web cold", 55.0, Value::Null), line("shop/web warm", 12.0, build(1))];
    fs::write(lists.join("builds.jsonl"), record.join("\n") + "\n").unwrap();
    fs::write(lists.join("adr.md"), "").unwrap();
    let list = r#"{"repositories": [{"path": "../shop", "surfaces": {"docs": "n/a"}},
        {"path": "../nowhere"}], "record": "builds.jsonl", "decision": "adr.md"}"#;
    fs::write(lists.join("f.json"), list).unwrap();
    let (document, code) = document(&sandbox, &["--list", "lists/f.json"]);
    assert_eq!(code, 2);
    let shop = of(&document, "shop");
    assert_eq!(shop["path"], "lists/../shop");
    assert_eq!(texts(shop, "gates", &["C2", "C3", "C6", "C7"]), ["yes"; 4], "{shop}");
    let [cold, warm] = [&texts(shop, "times", &["cold"])[0], &texts(shop, "times", &["warm"])[0]];
    assert!(cold.starts_with("web 55.00 s, "), "{cold}");
    assert!(warm.starts_with("web 12.00 s, 1/2, "), "{warm}");
    assert_eq!(
        of(&document, "nowhere")["error"]["cause"],
        "No such file or directory (os error 2)"
    );
    // No report takes the place of an input.
    let record = fs::read(lists.join("builds.jsonl")).unwrap();
    for input in ["lists/builds.jsonl", "lists/adr.md", "lists/f.json"] {
        let ran = run(&sandbox, &["--list", "lists/f.json", "--output", input]);
        assert!(ran.code == Some(2) && ran.err.contains("this command reads it"), "{ran:?}");
    }
    assert_eq!(fs::read(lists.join("builds.jsonl")).unwrap(), record);
    // A record that is not there yet is not bad; one that cannot be read is.
    fs::remove_file(lists.join("builds.jsonl")).unwrap();
    let (document, _) = self::document(&sandbox, &["--list", "lists/f.json"]);
    assert_eq!(texts(of(&document, "shop"), "gates", &["C2", "C6"]), ["—", "—"]);
    fs::write(lists.join("builds.jsonl"), "x\n").unwrap();
    let ran = run(&sandbox, &["--list", "lists/f.json"]);
    assert!(ran.code == Some(2) && ran.err.contains("line 1 is not a recorded run"), "{ran:?}");
}
