//! The JSON schema for editors must agree with the program.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::read;
use crate::support::Sandbox;

/// The answer of the program, compared with that of the schema.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Good,
    /// Both refuse it; the program with this message.
    Bad(&'static str),
    /// Only the program refuses it, with this message: JSON Schema cannot express it.
    BeyondSchema(&'static str),
}

use Answer::{Bad, BeyondSchema, Good};

/// Whole configurations.
const WHOLE: [(&str, Answer); 58] = [
    ("{}", Good),
    (r#"{"$schema": "https://example.org/bakstop.json"}"#, Good),
    (r#"{"$schema": 1}"#, Bad("given.json:1:13: expected a string")),
    ("[]", Bad("expected an object")),
    ("null", Bad("expected an object")),
    (r#"{"rulez": {}}"#, Bad(r#"unknown key "rulez"; did you mean "rules"?"#)),
    (r#"{"rules": {}, "rules": {}}"#, BeyondSchema(r#"duplicate key "rules""#)),
    (r#"{"rules": []}"#, Bad("expected an object that names rules")),
    (
        r#"{"rules": {"stray-backup": "off", "registry-token": "warning",
            "unused-allowance": "error"}}"#,
        Good,
    ),
    (
        r#"{"rules": {"stray-backups": "off"}}"#,
        Bad(r#"unknown rule "stray-backups"; did you mean "stray-backup"?"#),
    ),
    (r#"{"rules": {"stray-backup": "Off"}}"#, Bad(r#"expected "error", "warning" or "off""#)),
    (r#"{"rules": {"stray-backup": false}}"#, Bad(r#"expected "error", "warning" or "off""#)),
    (r#"{"prep": {}}"#, Good),
    (
        r#"{"prep": {"from": "../plat", "packages": ["packages/*"], "scope": ["@acme"],
            "into": ".docker-deps", "manifests": ["", "web"], "build": ["pnpm", "-r", "build"]}}"#,
        Good,
    ),
    (r#"{"debris": {".packed": {}}, "prep": {"into": ".packed"}}"#, Good),
    (r#"{"prep": {"build": false, "manifests": []}}"#, Good),
    (r#"{"prep": {"way": "in-place"}}"#, Good),
    (r#"{"prep": {"way": "overlay"}}"#, Good),
    (r#"{"prep": {"way": "inplace"}}"#, Bad(r#"expected "overlay" or "in-place""#)),
    (r#"{"prep": {"way": true}}"#, Bad(r#"expected "overlay" or "in-place""#)),
    (r#"{"prep": []}"#, Bad("expected an object")),
    (r#"{"prep": {"form": "x"}}"#, Bad(r#"unknown key "form"; did you mean "from"?"#)),
    (r#"{"prep": {"from": 1}}"#, Bad("expected the path of a directory")),
    (r#"{"prep": {"from": ""}}"#, Bad("expected the path of a directory")),
    (r#"{"prep": {"packages": "a"}}"#, Bad("expected a list of patterns")),
    (r#"{"prep": {"packages": []}}"#, Bad("the list is empty: leave the key out")),
    (r#"{"prep": {"scope": ["acme"]}}"#, Bad(r#"expected a scope, such as "@acme""#)),
    (r#"{"prep": {"scope": [1]}}"#, Bad("expected a string")),
    (r#"{"prep": {"into": ["x"]}}"#, Bad("expected the name of a directory")),
    (
        r#"{"prep": {"into": ".packed"}}"#,
        BeyondSchema(r#"".packed" is not a directory of `debris`"#),
    ),
    (r#"{"prep": {"manifests": ["/web"]}}"#, Bad("the path is not in the repository")),
    (r#"{"prep": {"build": true}}"#, Bad("expected a list of words, the first one a program")),
    (r#"{"prep": {"build": []}}"#, Bad("the list is empty")),
    (r#"{"prep": {"build": [1]}}"#, Bad("expected a string")),
    (r#"{"backups": []}"#, Good),
    (r#"{"backups": "*.orig"}"#, Bad("expected a list of patterns")),
    (r#"{"backups": [1]}"#, Bad("expected a pattern")),
    (r#"{"debris": {".docker-deps": false, ".packed": {"keep": []}, "x_1": {}}}"#, Good),
    (r#"{"debris": {".docker-deps": {"keep": ["README.md"]}}}"#, Good),
    (r#"{"debris": {".docker-deps": true}}"#, Bad("expected an object; or `false`")),
    (r#"{"debris": {".packed": false}}"#, Bad(r#"only ".docker-deps" can be removed"#)),
    (
        r#"{"debris": {".packed": {"kept": []}}}"#,
        Bad(r#"unknown key "kept"; did you mean "keep"?"#),
    ),
    (
        r#"{"debris": {".packed": {}, ".Packed": {}}}"#,
        BeyondSchema("is listed twice (case is ignored)"),
    ),
    (r#"{"debris": [".packed"]}"#, Bad("expected an object that names directories")),
    (r#"{"allow": {}}"#, Bad("expected a list of allowances")),
    (r#"{"verify": {}}"#, Good),
    (r#"{"verify": {"rules": {}}}"#, Bad(r#"unknown key "rules""#)),
    (r#"{"verify": []}"#, Bad("expected an object")),
    (r#"{"doctor": {}}"#, Good),
    (r#"{"doctor": {"check": true, "builds": []}}"#, Good),
    (
        r#"{"doctor": {"builds": [{"dockerfile": "a/Dockerfile"},
            {"dockerfile": "b/Dockerfile.dev", "context": "./b/"}]}}"#,
        Good,
    ),
    (r#"{"doctor": {"check": "yes"}}"#, Bad("expected `true` or `false`")),
    (r#"{"doctor": {"checks": true}}"#, Bad(r#"unknown key "checks"; did you mean "check"?"#)),
    (r#"{"doctor": {"builds": {}}}"#, Bad("expected a list of builds")),
    (r#"{"doctor": {"builds": [{"context": "."}]}}"#, Bad(r#"this build lacks "dockerfile""#)),
    (r#"{"doctor": {"builds": [{"dockerfile": 1}]}}"#, Bad("expected the path of a Dockerfile")),
    (
        r#"{"doctor": {"builds": [{"dockerfile": "/Dockerfile"}]}}"#,
        Bad("the path is not in the repository"),
    ),
    (
        r#"{"doctor": {"builds": [{"dockerfile": "a", "context": "../b"}]}}"#,
        BeyondSchema("the path is not in the repository"),
    ),
];

/// Patterns, used wherever the schema allows one.
const PATTERNS: [(&str, Answer); 22] = [
    ("*.orig", Good),
    ("a/**/b?.{x,y}", Good),
    ("[*].bak", Good),
    ("...", Good),
    (".gitkeep", Good),
    ("a/.b/..c", Good),
    ("line\nfeed", Good),
    ("", Bad("a pattern cannot be empty")),
    ("/a", Bad("paths start at the top of the work tree, without a slash")),
    ("a/", Bad("files are matched, not directories: write `**` after the slash")),
    ("a//b", Bad("a path has no empty, `.` or `..` components")),
    (".", Bad("a path has no empty")),
    ("..", Bad("a path has no empty")),
    ("./a", Bad("a path has no empty")),
    ("a/../b", Bad("a path has no empty")),
    ("a/.", Bad("a path has no empty")),
    ("a\\*b", Bad("write `/`, and `[*]` for a literal star")),
    ("a\n\\b", Bad("write `/`, and `[*]` for a literal star")),
    ("a\n/../b", Bad("a path has no empty")),
    // A regular expression cannot check that brackets and braces are closed.
    ("[a", BeyondSchema("a `[` is not closed")),
    ("{a", BeyondSchema("a `{` is not closed")),
    ("a}", BeyondSchema("a `}` has no `{`")),
];

const DATES: [(&str, Answer); 9] = [
    ("2027-01-31", Good),
    ("2028-02-29", Good),
    ("0001-01-01", Good),
    // A regular expression cannot check the calendar.
    ("2027-02-29", BeyondSchema("expected a date")),
    ("2027-13-01", Bad("expected a date, such as \"2027-01-31\"")),
    ("2027-1-31", Bad("expected a date")),
    ("31.01.2027", Bad("expected a date")),
    ("2027-01-31T00:00:00Z", Bad("expected a date")),
    ("", Bad("expected a date")),
];

const DIRECTORIES: [(&str, Answer); 11] = [
    (".packed", Good),
    ("a", Good),
    ("..a_-b", Good),
    ("", Bad("a directory name consists of")),
    (".", Bad("a directory name consists of")),
    ("..", Bad("a directory name consists of")),
    ("a.", Bad("does not end in a dot")),
    ("a/b", Bad("a directory name consists of")),
    ("a b", Bad("a directory name consists of")),
    ("ä", Bad("a directory name consists of")),
    (".Docker-Deps", Bad(r#"the built-in directory is spelled ".docker-deps""#)),
];

const FILE_NAMES: [(&str, Answer); 7] = [
    ("README.md", Good),
    ("...", Good),
    ("", Bad("a file name is not empty")),
    (".", Bad("a file name is not empty")),
    ("..", Bad("a file name is not empty")),
    ("a/b", Bad("has no slash")),
    ("a\0", Bad("has no slash")),
];

const REASONS: [(&str, Answer); 4] = [
    ("a fixture", Good),
    ("\u{1b}[2J \u{202e}", Good),
    ("", Bad("the reason is blank")),
    (" \t\n ", Bad("the reason is blank")),
];

/// Every row of the tables, as a whole configuration.
fn rows() -> Vec<(String, Answer)> {
    let mut rows: Vec<(String, Answer)> =
        WHOLE.iter().map(|(text, answer)| ((*text).to_owned(), *answer)).collect();
    let mut add = |value: Value, answer: Answer| rows.push((value.to_string(), answer));
    let allowance = |path: &str, reason: &str| {
        let rule = "stray-backup";
        json!({ "rule": rule, "path": path, "reason": reason })
    };
    let (longest, longer) = ("a".repeat(1000), "ä".repeat(1001));
    let long = [(&*longest, Good), (&*longer, Bad("at most 1000 characters"))];
    for (pattern, answer) in PATTERNS.into_iter().chain(long) {
        add(json!({ "backups": ["ok", pattern] }), answer);
        add(json!({ "allow": [allowance(pattern, "r")] }), answer);
        add(json!({ "verify": { "allow": [{ "path": pattern, "reason": "r" }] } }), answer);
    }
    let long = [(&*longest, Good), (&*longer, Bad("the reason is longer than 1000 characters"))];
    for (reason, answer) in REASONS.into_iter().chain(long) {
        add(json!({ "allow": [allowance("a", reason)] }), answer);
        add(json!({ "verify": { "allow": [{ "path": "a", "reason": reason }] } }), answer);
    }
    for (date, answer) in DATES {
        let mut of_rules = allowance("a", "r");
        of_rules["until"] = date.into();
        // Some of these days have passed: that is a finding, not an error.
        add(json!({ "allow": [of_rules], "rules": { "expired-allowance": "off" } }), answer);
        let of_verify = json!({ "path": "a", "reason": "r", "until": date });
        add(
            json!({ "verify": { "allow": [of_verify] }, "rules": { "expired-allowance": "off" } }),
            answer,
        );
    }
    let (longest, longer) = ("a".repeat(255), "a".repeat(256));
    let long = [(&*longest, Good), (&*longer, Bad("a directory name consists of"))];
    for (name, answer) in DIRECTORIES.into_iter().chain(long) {
        add(json!({ "debris": { name: {} } }), answer);
    }
    for (name, answer) in FILE_NAMES {
        add(json!({ "debris": { ".packed": { "keep": [name] } } }), answer);
    }
    for key in ["rule", "path", "reason"] {
        let mut lacking = allowance("a", "r");
        lacking.as_object_mut().unwrap().remove(key);
        add(json!({ "allow": [lacking.clone()] }), Bad("this allowance lacks"));
        let mut wrong = lacking;
        wrong[key] = 1.into();
        add(json!({ "allow": [wrong] }), Bad("expected"));
    }
    let mut more = allowance("a", "r");
    more["untill"] = "2027-01-31".into();
    add(json!({ "allow": [more] }), Bad(r#"unknown key "untill"; did you mean "until"?"#));
    add(json!({ "verify": { "allow": [allowance("a", "r")] } }), Bad(r#"unknown key "rule""#));
    for rule in ["invalid-configuration", "expired-allowance", "unused-allowance"] {
        let of_itself = json!({ "rule": rule, "path": "bakstop.json", "reason": "r" });
        add(json!({ "allow": [of_itself] }), Bad("cannot be hidden"));
    }
    rows
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/schema/bakstop.json")).unwrap()
}

#[test]
fn the_schema_and_the_program_agree() {
    jsonschema::draft202012::meta::validate(&schema()).unwrap();
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let sandbox = Sandbox::workspace();
    for (text, answer) in rows() {
        let by_schema = schema.is_valid(&serde_json::from_str(&text).unwrap());
        let ran = read(&sandbox, &text);
        let (schema_accepts, words) = match answer {
            Good => (true, None),
            Bad(words) => (false, Some(words)),
            BeyondSchema(words) => (true, Some(words)),
        };
        assert_eq!(by_schema, schema_accepts, "the schema, of {text}");
        assert_eq!(ran.code, Some(if words.is_some() { 2 } else { 0 }), "{text}: {}", ran.err);
        assert!(words.is_none_or(|words| ran.err.contains(words)), "{text}: {}", ran.err);
    }
}

#[test]
fn invalid_json_is_refused_with_its_place() {
    let sandbox = Sandbox::workspace();
    for text in [
        "",
        "{",
        "{}}",
        "{\"rules\": {},}",
        "// why\n{}",
        "{'rules': {}}",
        "{\"rules\" {}}",
        "\u{0}",
        "{\"a\"",
    ] {
        let ran = read(&sandbox, text);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(
            ran.err.contains("given.json:") && ran.err.contains("read the configuration"),
            "{text}: {}",
            ran.err
        );
    }
    assert_eq!(
        read(&sandbox, "\u{feff}{}").code,
        Some(0),
        "a byte order mark is none of its words"
    );
}

#[test]
fn the_schema_knows_every_rule_and_describes_every_key() {
    let schema = schema();
    let rules = Sandbox::empty().bakstop(&["rules", "--format", "json"]);
    let rules: Value = serde_json::from_str(&rules.out).unwrap();
    let ids: Vec<&Value> =
        rules["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(schema["$defs"]["rule"]["enum"].as_array().unwrap().iter().collect::<Vec<_>>(), ids);
    check_described(&schema, &schema);
}

/// Every property must have a description, directly or by reference, and every object must be
/// closed.
fn check_described(schema: &Value, root: &Value) {
    let Some(object) = schema.as_object() else { return };
    if object.get("type").is_some_and(|kind| kind == "object") {
        assert!(object.contains_key("additionalProperties"), "{schema}");
    }
    for (name, property) in
        object.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let referred = property["$ref"]
            .as_str()
            .and_then(|reference| root.pointer(reference.strip_prefix('#')?));
        let described =
            |of: &Value| of["description"].as_str().is_some_and(|text| text.ends_with('.'));
        assert!(described(property) || referred.is_some_and(described), "{name}");
    }
    object.values().for_each(|value| check_described(value, root));
}

/// The code blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn the_examples_in_the_documentation_are_correct() {
    let sandbox = Sandbox::workspace();
    let schema = jsonschema::validator_for(&schema()).unwrap();
    // The number of the block that is refused.
    for (page, refused) in [
        ("configuration.md", Some(4)),
        ("rules/expired-allowance.md", None),
        ("rules/unused-allowance.md", None),
        ("rules/invalid-configuration.md", Some(0)),
    ] {
        let blocks = blocks(page, "json");
        assert!(!blocks.is_empty(), "{page}");
        for (number, text) in blocks.iter().enumerate() {
            let ran = read(&sandbox, text);
            assert_eq!(ran.code == Some(2), refused == Some(number), "{page}: {text}{}", ran.err);
            assert_eq!(
                schema.is_valid(&serde_json::from_str(text).unwrap()),
                ran.code == Some(0),
                "{page}: {text}"
            );
        }
    }
}

#[test]
fn messages_quoted_in_the_documentation_are_printed() {
    let page = "configuration.md";
    let (examples, quoted) = (blocks(page, "json"), blocks(page, "text"));
    let sandbox = Sandbox::workspace();
    sandbox.write("fixtures/a.bak", "");
    sandbox.write("bakstop.json", &examples[4]);
    sandbox.git(&["add", "-A", "-f"]);
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!((ran.code, &ran.err), (Some(2), &quoted[0]));
    sandbox.write("bakstop.json", &examples[5]);
    sandbox.git(&["add", "-A", "-f"]);
    let ran = sandbox.bakstop(&["check", "--verbose"]);
    assert!(ran.code == Some(0) && ran.err.ends_with(&quoted[1]), "{ran:?}");
    assert_eq!((examples.len(), quoted.len()), (6, 2));
}
