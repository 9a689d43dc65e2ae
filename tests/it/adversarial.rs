//! Manifests and lockfiles made to deceive or crash the guard: no nesting, encoding, size or number
//! of findings may let a rewritten spec through or block a commit for long.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish, rewritten_spec};

const MIB: usize = 1024 * 1024;

/// A repository with these files staged.
fn staged<T: AsRef<[u8]>>(files: &[(String, T)]) -> Sandbox {
    let sandbox = Sandbox::unborn();
    sandbox.git(&["config", "core.compression", "0"]);
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox.git(&["add", "-A", "-f"]);
    sandbox
}

/// The findings within limits of `ulimit` and a minute of CPU time: anything worse than linear
/// takes many times as long, even in a debug build.
fn findings(sandbox: &Sandbox, limits: &str, code: i32) -> Vec<Value> {
    let line = format!("ulimit -c 0; ulimit -t 60; {limits}; exec \"$0\" check --format json");
    let ran = finish(sandbox.command("sh").args(["-c", &line, BAKSTOP]));
    let Ran { out, err, .. } = &ran;
    assert_eq!(ran.code, Some(code), "{err}");
    assert!(out.len() < 100_000, "{} bytes", out.len());
    let report: Value = serde_json::from_str(out).unwrap();
    report["findings"].as_array().unwrap().clone()
}

/// The paths of the errors, or of the warnings.
fn paths(findings: &[Value], severity: &str) -> BTreeSet<String> {
    let those = findings.iter().filter(|finding| finding["severity"] == severity);
    those.map(|finding| finding["path"].as_str().unwrap().to_owned()).collect()
}

/// The text with a fixed number of bytes for each character.
fn wide(text: &str, bytes: usize, big_endian: bool) -> Vec<u8> {
    let wide = |c: char| {
        let mut code = u32::from(c).to_le_bytes()[..bytes].to_vec();
        if big_endian {
            code.reverse();
        }
        code
    };
    text.chars().flat_map(wide).collect()
}

fn nested(levels: usize, open: &str, inner: &str, close: &str) -> String {
    open.repeat(levels) + inner + &close.repeat(levels)
}

/// Each text in a separate directory.
fn numbered<T>(name: &str, texts: impl IntoIterator<Item = T>) -> Vec<(String, T)> {
    texts
        .into_iter()
        .enumerate()
        .map(|(number, text)| (format!("{name}-{number}/{name}"), text))
        .collect()
}

/// Manifests with the spec in nested, invalid or oddly encoded JSON.
fn hostile_json() -> Vec<Vec<u8>> {
    let spec = rewritten_spec();
    let field = format!("\"dependencies\": {{\"x\": \"{spec}\"}}");
    let json = format!("{{{field}}}");
    let escaped: String = spec.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let mut manifests = vec![
        // At the depth limit, and deeper.
        format!("{{\"a\": {}, {field}}}", nested(505, "[", "", "]")),
        format!("{{{field}, \"a\": {}}}", nested(100_000, "[", "", "]")),
        format!(
            "{{\"a\": {}, \"dependencies\": {{\"x\": \"{escaped}\"}}}}",
            nested(100_000, "{\"a\":", "1", "}")
        ),
        nested(500, "{\"dependencies\":", &format!("\"{spec}\""), "}"),
        nested(100_000, "{\"dependencies\":", &format!("\"{spec}\""), "}"),
        nested(100_000, "[", &json, ""),
        format!("{{{field}"),
        format!("{json}\0"),
        format!("\u{feff}\u{feff}{json}"),
        format!("\u{2028}{json}"),
        format!("{{\"n\": 1e99999, \"m\": {}, {field}}}", "9".repeat(10_000)),
        format!("{{\"a\": \"\\ud800\", {field}}}"),
        format!("// c\n{{'a': +1, {field},}}"),
        format!("{{\r{field}\r}}"),
        format!("<<<<<<< ours\n{json}\n=======\n{{}}\n>>>>>>> theirs\n"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect::<Vec<_>>();
    manifests.push([&b"{\"a\": \"\xff\", "[..], field.as_bytes(), b"}"].concat());
    for text in [format!("\u{feff}{json}"), json.clone(), json.replace(&spec, &escaped)] {
        manifests.extend([
            wide(&text, 2, false),
            wide(&text, 2, true),
            wide(&text, 4, false),
            wide(&text, 4, true),
        ]);
    }
    manifests
}

/// Workspaces with the spec in nested, aliased or invalid YAML.
fn hostile_yaml() -> Vec<Vec<u8>> {
    let spec = rewritten_spec();
    let laughs: String = (1..30)
        .map(|level| format!("a{level}: &a{level} [{}]\n", format!("*a{},", level - 1).repeat(9)))
        .collect();
    let yaml = [
        format!("a0: &a0 x\n{laughs}overrides:\n  x: '{spec}'\n"),
        format!("a: {}\noverrides:\n  x: '{spec}'\n", nested(100_000, "[", "", "]")),
        format!("overrides:\n  x: {}\n", nested(200, "{a: ", &format!("'{spec}'"), "}")),
        format!("overrides:\n  x: {}\n", nested(100_000, "[", &format!("'{spec}'"), "")),
        format!("{}- '{spec}'\n", "- ".repeat(100_000)),
        format!("{}'{spec}'\n", "? ".repeat(100_000)),
        format!("&a overrides: &b\n  x: &c '{spec}'\n  y: *b\n"),
        format!("%TAG ! tag:example.org,2000:\n---\noverrides: !x\n  x: !y '{spec}'\n"),
        format!("overrides:\n\tx: '{spec}'\n"),
        format!("overrides: {{x: 1}}\n...\n---\noverrides: {{x: '{spec}'}}\n"),
    ];
    yaml.map(String::into_bytes).into()
}

#[test]
fn nothing_hides_a_spec_from_a_small_stack() {
    let spec = rewritten_spec();
    let nested = nested(9999, "[", "", "");
    let json5 = [
        format!("{{dependencies: {{x: '{spec}',}},}}"),
        format!("{{'a': {nested}, \"dependencies\": {{\"x\": \"{spec}\"}}}}"),
    ];
    let files = [
        numbered("package.json", hostile_json()),
        numbered("pnpm-workspace.yaml", hostile_yaml()),
        numbered("package.json5", json5.map(String::into_bytes)),
    ]
    .concat();
    let found = findings(&staged(&files), "ulimit -s 256", 1);
    let expected: BTreeSet<String> = files.iter().map(|(path, _)| path.clone()).collect();
    let blocked = paths(&found, "error");
    assert_eq!(blocked, expected, "{:?}", expected.difference(&blocked).collect::<Vec<_>>());
}

#[test]
fn unreadable_manifests_are_warnings_and_texts_without_dependencies_pass() {
    let unreadable =
        ["", " \n", "{", "nul", "\u{feff}", "{\"a\": 01}", "{} {}", "\0"].map(str::to_owned);
    let unreadable = [&unreadable[..], &[nested(100_000, "[", "", "]")]].concat();
    let warned =
        [numbered("package.json", unreadable), numbered("package.yaml", ["- [a".to_owned()])]
            .concat();
    let passed = numbered(
        "package.json5",
        ["[]", "'x'", "null", "{__proto__: null}", "{dependencies: null}", "{a: [[[[]]]]}"]
            .map(str::to_owned),
    );
    let found = findings(&staged(&[warned.clone(), passed].concat()), "ulimit -s 256", 0);
    assert_eq!(paths(&found, "warning"), warned.iter().map(|(path, _)| path.clone()).collect());
}

#[test]
fn manifests_over_the_size_limit_are_not_judged() {
    let field = format!("\"dependencies\": {{\n\"x\": \"{}\"}}", rewritten_spec());
    let manifest = |size: usize| format!("{{\"a\": \"{}\",\n{field}}}", "a".repeat(size));
    let found = findings(&staged(&[("package.json".to_owned(), manifest(31 * MIB))]), "true", 1);
    assert_eq!((found.len(), &found[0]["place"]["line"]), (1, &Value::from(3)));
    // A file that is too large is not read into memory.
    let found = findings(
        &staged(&[("package.json".to_owned(), manifest(50 * MIB))]),
        "ulimit -v 200000",
        1,
    );
    let message = found[0]["message"].as_str().unwrap();
    assert!(message.contains("larger than this rule can judge (51 MiB"), "{message}");
}

/// The parts of a lockfile of a kind: its name, its start, an entry, and a rewritten one.
fn lockfile_parts(kind: usize) -> (&'static str, &'static str, String, String) {
    let spec = rewritten_spec();
    let hash = "aB3/".repeat(20);
    match kind {
        0 => (
            "pnpm-lock.yaml",
            "lockfileVersion: 5.4\n",
            format!("  /p/1.0.0:\n    resolution: {{integrity: sha512-{hash}}}\n"),
            format!("  {spec}:\n"),
        ),
        1 => (
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\n",
            format!("  /p@1.0.0(q@2.0.0):\n    resolution: {{integrity: sha512-{hash}}}\n"),
            format!("    version: {spec}\n"),
        ),
        2 => (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n",
            format!("  'p@1.0.0':\n    resolution: {{integrity: sha512-{hash}}}\n"),
            format!("  '@s/x@{spec}': \n"),
        ),
        3 => (
            "package-lock.json",
            "{\"lockfileVersion\": 1,\n",
            format!("    \"p\": {{\n      \"integrity\": \"sha512-{hash}\",\n"),
            format!("      \"version\": \"{}\",\n", spec.replace(".docker", "\\u002eDOCKER")),
        ),
        4 => (
            "npm-shrinkwrap.json",
            "{\"lockfileVersion\": 3,\n",
            format!("    \"node_modules/p\": {{\n      \"integrity\": \"sha512-{hash}\",\n"),
            format!("      \"resolved\": \"{}\",\n", spec.replace('/', "\\/")),
        ),
        5 => (
            "yarn.lock",
            "# yarn lockfile v1\n",
            format!("p@^1.0.0:\n  resolved \"https://r.example.org/p.tgz#{hash}\"\n"),
            format!("\"x@{spec}\":\n"),
        ),
        6 => (
            "yarn.lock",
            "__metadata:\n",
            format!("\"p@npm:^1.0.0\":\n  checksum: 10c0/{hash}\n"),
            format!(
                "  resolution: \"x@{}::locator=a%40workspace%3A.\"\n",
                spec.replace(':', "%3A").replace('/', "%2F")
            ),
        ),
        _ => (
            "bun.lock",
            "{ \"lockfileVersion\": 1,\n",
            format!("    \"p\": [\"p@1.0.0\", \"\", {{}},\n      \"sha512-{hash}\"],\n"),
            format!("    \"x\": [\"x@{}\", {{}}],\n", spec.replace("file:", "")),
        ),
    }
}

/// A lockfile of a kind with one rewritten entry, and the line of that entry.
fn lockfile(kind: usize, lines: usize) -> (&'static str, String, usize) {
    let (name, head, entry, trace) = lockfile_parts(kind);
    let end = if matches!(kind, 1 | 4) { "\r\n" } else { "\n" };
    let before = entry.repeat(lines / 2 - lines / 20);
    let line = head.matches('\n').count() + before.matches('\n').count() + 1;
    let text = [head, &before, &trace, &entry.repeat(lines / 20)].concat();
    (name, text.replace('\n', end), line)
}

#[test]
fn findings_in_large_lockfiles_have_the_right_line() {
    let mut files = Vec::new();
    let mut expected = BTreeSet::new();
    for kind in 0..8 {
        let (name, text, line) = lockfile(kind, if kind == 2 { 400_000 } else { 100_000 });
        let path = format!("{kind}/{name}");
        expected.insert((path.clone(), u64::try_from(line).unwrap()));
        files.push((path, text));
    }
    let found = findings(&staged(&files), "true", 1);
    let places = found.iter().map(|finding| {
        assert!(!finding["message"].as_str().unwrap().contains("more line"), "{finding}");
        (finding["path"].as_str().unwrap().to_owned(), finding["place"]["line"].as_u64().unwrap())
    });
    assert_eq!(places.collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.len(), 8);
}

#[test]
fn lockfiles_of_one_line_and_of_arbitrary_bytes() {
    let spec = rewritten_spec();
    let line = format!("{{\"a\": \"{}\", \"b\": \"%2e{spec}\"}}", "\\\\é%20".repeat(MIB / 7));
    let plain = format!("{{\"a\": \"{}\", \"b\": \"{spec}\"}}", "pack".repeat(5 * MIB));
    let column = line.chars().count() - spec.chars().count() + "file:../".len() - 1;
    let packed = [
        &b"bun\0\xff\xfe"[..],
        &b"\0k\x7f".repeat(MIB),
        b"1.0.0",
        spec.strip_prefix("file:../").unwrap().as_bytes(),
    ]
    .concat();
    let files = [
        ("a/package-lock.json".to_owned(), line.into_bytes()),
        ("b/package-lock.json".to_owned(), plain.into_bytes()),
        ("c/bun.lockb".to_owned(), packed),
    ];
    let found = findings(&staged(&files), "true", 1);
    assert_eq!(paths(&found, "error"), files.iter().map(|(path, _)| path.clone()).collect());
    assert_eq!(found[0]["place"]["column"], column);
}

#[test]
fn a_report_of_ten_thousand_findings_is_a_page() {
    let spec = rewritten_spec();
    let entries: Vec<String> =
        (0..10_000).map(|number| format!("\"x{number}\": \"{spec}\"")).collect();
    let manifest = format!("{{\"dependencies\": {{\n{}\n}}}}", entries.join(",\n"));
    let files = [
        ("package.json".to_owned(), manifest),
        ("yarn.lock".to_owned(), format!("  {spec}\n").repeat(10_000)),
    ];
    let sandbox = staged(&files);
    let found = findings(&sandbox, "true", 1);
    assert_eq!(found.len(), 102);
    let messages: Vec<&str> =
        found.iter().map(|finding| finding["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"9900 more places in this file say the same"), "{messages:?}");
    assert!(
        messages
            .contains(&"the lockfile resolves a package from .docker-deps, and 9999 more lines do"),
        "{messages:?}"
    );
    for format in ["human", "sarif", "github", "gitlab", "junit"] {
        let ran = sandbox.bakstop(&["check", "--format", format]);
        assert!(
            ran.code == Some(1) && ran.out.len() < 200_000,
            "{format}: {:?}, {} bytes",
            ran.code,
            ran.out.len()
        );
    }
}
