//! The formats of a report: the same verdict in each, and no effect of repository text on its
//! reader.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

use roxmltree::Document;
use serde_json::{Value, json};

use crate::support::{BAKSTOP, Ran, Sandbox, finish, formats};

/// A name that would issue workflow commands, break XML and reverse the text direction.
const HOSTILE: &str = "a\n::error::forged%0A##[add-mask]x\u{1b}[2J\u{202e}<&\"'>]]>.bak";

/// Findings of many kinds: with and without a place, masked, in hostile paths, errors and a
/// warning.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.write(".npmrc", format!("//r.example.org/:_authToken={}\n", token()));
    sandbox.write("backend/Dockerfile", "FROM node\nRUN npm i -g pnpm@9.15.0\n");
    sandbox.write("broken/package.json", "{\"a\": }");
    sandbox.write("x.bak", "");
    sandbox.write(HOSTILE, "");
    sandbox.write(OsStr::from_bytes(b"b\xff\n%::.bak"), "");
    sandbox.git(&["add", "-A", "-f"]);
    sandbox
}

fn token() -> String {
    ["npm", "kT7vQ2mXzR9dLw4H"].join("_")
}

fn check(sandbox: &Sandbox, format: &str) -> Ran {
    sandbox.bakstop(&["check", "--format", format])
}

fn parsed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn the_documentation_shows_the_actual_output() {
    let sandbox = Sandbox::workspace();
    sandbox.write("backend/Dockerfile", "FROM node\nRUN npm i -g pnpm@9.15.0\n");
    sandbox.git(&["add", "-A"]);
    let page = include_str!("../../docs/formats.md");
    let (_, block) = page.split_once("```text\n").unwrap();
    assert_eq!(block.split("```").next(), Some(&*check(&sandbox, "human").out));
    let related =
        &parsed(&check(&sandbox, "sarif"))["runs"][0]["results"][0]["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "pinned here");
}

#[test]
fn every_format_is_documented() {
    let page = include_str!("../../docs/formats.md");
    assert!(formats().len() > 1);
    for format in formats() {
        let row = |line: &str| line.starts_with("| ") && line.contains(&format!("`{format}`"));
        assert!(page.lines().any(row), "docs/formats.md has no row for {format}");
    }
}

#[test]
fn the_exit_code_is_the_same_in_every_format() {
    let clean = Sandbox::workspace();
    let warning = Sandbox::workspace();
    warning.write("web/package.json", "{\"a\": }");
    warning.git(&["add", "-A"]);
    let not_a_repository = Sandbox::empty();
    for (sandbox, arguments, code) in [
        (&clean, &[][..], 0),
        (&prepared(), &[][..], 1),
        (&prepared(), &["--deny-warnings"][..], 1),
        (&warning, &[][..], 0),
        (&warning, &["--deny-warnings"][..], 1),
        (&not_a_repository, &[][..], 2),
    ] {
        for format in formats() {
            let arguments = [&["check", "--format", format][..], arguments].concat();
            assert_eq!(sandbox.bakstop(&arguments).code, Some(code), "{arguments:?}");
            let in_file = [&arguments[..], &["--output", "../report"]].concat();
            assert_eq!(sandbox.bakstop(&in_file).code, Some(code), "{in_file:?}");
        }
    }
}

#[test]
fn every_format_escapes_text_and_hides_secrets() {
    let sandbox = prepared();
    for format in formats() {
        let out = check(&sandbox, format).out;
        assert!(out.len() > 100 && !out.contains(&token()), "{format}: {out}");
        assert!(
            out.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
            "{format}: {out}"
        );
    }
}

#[test]
fn json_matches_its_schema() {
    let mut schema: Value =
        serde_json::from_str(include_str!("../../docs/schema/check.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    // The schema allows new fields for its readers, but the program must not print fields that it
    // does not describe.
    close(&mut schema);
    let schema = jsonschema::validator_for(&schema).unwrap();
    for sandbox in [Sandbox::workspace(), prepared()] {
        let report = parsed(&check(&sandbox, "json"));
        let errors: Vec<String> =
            schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{report}");
        assert_eq!(report["scope"], "staged");
    }
    for wrong in [
        json!({}),
        json!({ "schema": "bakstop.check/2", "scope": "x", "findings": [], "summary": {} }),
    ] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
}

/// Forbids additional fields in every object of the schema.
pub(crate) fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.contains_key("properties") {
            object.insert("additionalProperties".into(), false.into());
        }
        object.values_mut().for_each(close);
    }
}

#[test]
fn sarif_has_a_valid_uri_for_every_file() {
    let sandbox = prepared();
    let run = parsed(&check(&sandbox, "sarif"))["runs"][0].take();
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    assert_eq!(run["properties"]["scope"], "staged");
    let results = run["results"].as_array().unwrap();
    let mut found = BTreeSet::new();
    for result in results {
        let location = &result["locations"][0]["physicalLocation"];
        let path = decoded(location["artifactLocation"]["uri"].as_str().unwrap());
        assert!(sandbox.top.join(OsStr::from_bytes(&path)).exists(), "{result}");
        let rule = &run["tool"]["driver"]["rules"]
            [usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        // The marked range is the text in the file, unless it is a secret.
        if path == b"web/package.json" {
            let text = fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();
            let at = |name: &str| {
                usize::try_from(location["region"][name].as_u64().unwrap()).unwrap() - 1
            };
            let line = text.lines().nth(at("startLine")).unwrap();
            let marked = line.get(at("startColumn")..at("endColumn")).unwrap();
            assert_eq!(location["region"]["snippet"]["text"], marked);
        }
        found.insert(path);
    }
    assert_eq!(found.len(), 7, "{found:?}");
}

fn decoded(uri: &str) -> Vec<u8> {
    let mut parts = uri.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend_from_slice(plain.as_bytes());
    }
    bytes
}

#[test]
fn fingerprints_do_not_depend_on_lines() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let names = || -> Vec<Value> {
        let sarif = parsed(&check(&sandbox, "sarif"));
        let gitlab = parsed(&check(&sandbox, "gitlab"));
        let line = &gitlab[0]["location"]["lines"]["begin"];
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(line, &place["region"]["startLine"]);
        vec![
            line.clone(),
            sarif["runs"][0]["results"][0]["partialFingerprints"]["markedContent/v1"].clone(),
            gitlab[0]["fingerprint"].clone(),
        ]
    };
    let before = names();
    let text = fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();
    sandbox.write("web/package.json", text.replacen('{', "{\n\n", 1));
    sandbox.git(&["add", "-A"]);
    let after = names();
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1..], after[1..]);
}

#[test]
fn only_our_own_lines_are_commands_for_github() {
    let sandbox = prepared();
    let out = check(&sandbox, "github").out;
    let (commands, rest) = out.split_once("::stop-commands::").unwrap();
    let (end, text) = rest.split_once('\n').unwrap();
    assert_eq!(text.strip_suffix(&format!("::{end}::\n")), Some(&*check(&sandbox, "human").out));
    assert_eq!(text.matches(end).count(), 1);
    let findings = parsed(&check(&sandbox, "json"))["findings"].as_array().unwrap().len();
    let kinds: Vec<&str> = commands.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds.len(), findings, "{commands}");
    assert!(
        kinds.is_sorted() && kinds[0] == "::error" && kinds[findings - 1] == "::warning",
        "{kinds:?}"
    );
    assert!(
        commands.contains("::error file=web/package.json,line=4,col=17,endColumn="),
        "{commands}"
    );
    assert_eq!(check(&Sandbox::workspace(), "github").out, "");
}

#[test]
fn gitlab_and_junit_contain_every_finding() {
    let sandbox = prepared();
    let findings = parsed(&check(&sandbox, "json"))["findings"].as_array().unwrap().clone();

    let gitlab = parsed(&check(&sandbox, "gitlab"));
    let paths = |list: &[Value], at: &str| -> Vec<Value> {
        list.iter().map(|one| one.pointer(at).unwrap().clone()).collect()
    };
    assert_eq!(paths(gitlab.as_array().unwrap(), "/location/path"), paths(&findings, "/path"));
    let names: BTreeSet<String> =
        paths(gitlab.as_array().unwrap(), "/fingerprint").iter().map(Value::to_string).collect();
    assert_eq!(names.len(), findings.len());
    assert_eq!(parsed(&check(&Sandbox::workspace(), "gitlab")), json!([]));

    let junit = check(&sandbox, "junit").out;
    let junit = Document::parse(&junit).unwrap();
    let failures = junit.descendants().filter(|node| node.has_tag_name("failure")).count();
    let blocking = findings.iter().filter(|finding| finding["severity"] == "error").count();
    assert_eq!(failures, blocking);
    assert!(blocking < findings.len());
    let passed = check(&Sandbox::workspace(), "junit").out;
    let passed = Document::parse(&passed).unwrap();
    assert!(!passed.descendants().any(|node| node.has_tag_name("failure")));
    let table = parsed(&sandbox.bakstop(&["rules", "--format", "json"]));
    let rules = table["rules"].as_array().unwrap().iter();
    let ran =
        rules.filter(|rule| rule["on_by_default"] == true && rule["group"] != "doctor").count();
    assert_eq!(passed.descendants().filter(|node| node.has_tag_name("testcase")).count(), ran);
}

#[test]
fn a_report_in_a_file_is_also_printed_for_people() {
    let sandbox = prepared();
    let human = check(&sandbox, "human");
    for format in formats() {
        let file = sandbox.outside().join("report");
        fs::write(&file, "an older one").unwrap();
        let ran = sandbox.bakstop(&[
            "--color",
            "always",
            "check",
            "--format",
            format,
            "--output",
            "../report",
        ]);
        assert!(ran.code == Some(1) && ran.out.contains("\x1b["), "{ran:?}");
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(written, check(&sandbox, format).out, "{format}: without colour");
        assert_eq!(sandbox.bakstop(&["check", "--format", format, "--output", "../report"]), human);
    }
    let command = format!("umask 027; exec {BAKSTOP} check --format sarif --output ../sarif.json");
    sandbox.run("sh", &["-c", &command]);
    let mode = fs::metadata(sandbox.outside().join("sarif.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "as the umask says");
    let names: Vec<_> =
        fs::read_dir(sandbox.outside()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "no temporary files: {names:?}");
}

#[test]
fn an_output_file_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::workspace();
    fs::write(sandbox.outside().join("file"), "").unwrap();
    let targets = ["../nowhere/report", "../home", "../file/report", "/dev/full"];
    for target in targets {
        let ran = sandbox.bakstop(&["check", "--format", "json", "--output", target]);
        assert_eq!(ran.code, Some(2), "{target}: {ran:?}");
        assert!(ran.err.contains(&format!("error: could not write {target}: ")), "{}", ran.err);
        assert!(ran.err.contains("\nhelp: "), "{}", ran.err);
    }
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    for target in targets {
        let ran = sandbox.bakstop(&["check", "--format", "json", "--output", target]);
        assert!(
            ran.code == Some(1) && ran.out.contains("x.bak") && ran.err.contains("could not write"),
            "{ran:?}"
        );
    }
    assert!(!sandbox.outside().join("nowhere").exists());
}

#[test]
fn output_follows_links_and_keeps_devices() {
    let sandbox = Sandbox::workspace();
    let (link, file) = (sandbox.outside().join("link"), sandbox.outside().join("file"));
    fs::write(&file, "").unwrap();
    symlink("file", &link).unwrap();
    let (null, error) = (sandbox.outside().join("null"), sandbox.outside().join("error"));
    symlink("/dev/null", &null).unwrap();
    symlink("/dev/stderr", &error).unwrap();
    for path in [&link, &null, &error] {
        let ran =
            sandbox.bakstop(&["check", "--format", "json", "--output", path.to_str().unwrap()]);
        assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
        assert_eq!(ran.err.contains("bakstop.check/1"), path == &error);
        assert!(fs::symlink_metadata(path).unwrap().is_symlink());
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(fs::read_to_string(file).unwrap().contains("bakstop.check/1"));
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let sandbox = prepared();
    for format in formats() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(BAKSTOP);
        let mut child = command.args(["check", "--format", format]).stdout(writer).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{format}");
    }
}

#[test]
fn rules_and_their_pages_are_available_as_json() {
    let sandbox = Sandbox::empty();
    let table = parsed(&sandbox.bakstop(&["rules", "--format", "json"]));
    assert_eq!(table["schema"], "bakstop.rules/1");
    let rules = table["rules"].as_array().unwrap();
    let human = sandbox.bakstop(&["rules", "--format", "human"]).out;
    assert_eq!(human.lines().count(), rules.len());
    for (rule, line) in rules.iter().zip(human.lines()) {
        let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
        let id = text(rule, "id");
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_on = rule["on_by_default"] == true;
        let severity = if is_on { text(rule, "severity") } else { "off".to_owned() };
        assert_eq!(words[..2], [&id, &severity]);
        assert!(line.ends_with(&text(rule, "summary")));
        let page = parsed(&sandbox.bakstop(&["explain", &id, "--format", "json"]));
        assert_eq!(page["schema"], "bakstop.explain/1");
        // Then follows how to turn on a rule that is off.
        let shown = sandbox.bakstop(&["explain", &id]).out;
        let rest = shown.strip_prefix(&text(&page["rule"], "manual")).unwrap();
        assert_eq!((rest.is_empty(), rest.contains("off by default")), (is_on, !is_on), "{rest}");
        assert_eq!(page["rule"]["id"], id);
    }
}

#[test]
fn completions_offer_verbs_and_values() {
    let sandbox = Sandbox::empty();
    for shell in ["bash", "fish", "zsh"] {
        let ran = sandbox.bakstop(&["completions", shell]);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{shell}");
        for word in ["verify", "deny-warnings", "explain"] {
            assert!(ran.out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(sandbox.bakstop(&["completions", "csh"]).code, Some(2));
    // bash completes the word after `--format `.
    let script = sandbox.bakstop(&["completions", "bash"]).out
        + "\nCOMP_WORDS=(bakstop check --format sa) COMP_CWORD=3\n\
           _bakstop bakstop sa --format\necho \"${COMPREPLY[@]}\"\n";
    let ran = finish(sandbox.command("bash").args(["-c", &script]));
    assert_eq!((ran.code, &*ran.out), (Some(0), "sarif\n"), "{}", ran.err);
}

#[test]
fn the_manual_page_has_every_verb_and_option() {
    let sandbox = Sandbox::empty();
    let page = sandbox.bakstop(&["man"]).out;
    assert!(page.contains(".TH bakstop 1"), "{page}");
    let help = sandbox.bakstop(&["--help"]).out;
    let verbs = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 8, "{help}");
    for verb in verbs {
        let section = page
            .split(&format!("\n.SS bakstop {verb}\n"))
            .nth(1)
            .unwrap_or_else(|| panic!("{verb}: {page}"));
        let section = section.split("\n.S").next().unwrap().replace("\\-", "-");
        let help = sandbox.bakstop(&[verb, "--help"]).out;
        // The help names commands in backticks.
        let words = help.split_whitespace().map(|word| word.trim_end_matches('`'));
        let options = words.filter(|word| word.starts_with("--") && word.len() > 2);
        for option in
            options.filter(|option| !["--directory", "--color", "--help"].contains(option))
        {
            assert!(section.contains(option), "{verb} {option}: {section}");
        }
        assert!(!section.contains("--color"), "only once, at the top: {section}");
    }
}
