#![doc = include_str!("../../docs/rules/rewritten-manifest.md")]

use crate::change::File;
use crate::debris::Debris;
use crate::finding::{Severity, Step};
use crate::formats::document::{Node, SyntaxError, Value};
use crate::formats::spec::{installs_from, mention};
use crate::formats::{Syntax, parse};
use crate::path::RepoPath;
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "rewritten-manifest",
    summary: "a manifest whose dependency points into .docker-deps",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/rewritten-manifest.md"),
    check: Check::File { wants, judge },
};

/// A file that names dependencies, and how.
struct Manifest {
    name: &'static str,
    syntax: Syntax,
    /// Where specs stand: a path of keys (`*` is any key), below which every string is a spec, however deep.
    specs: &'static [&'static [&'static str]],
}

const PACKAGE: &[&[&str]] = &[
    &["dependencies"],
    &["devDependencies"],
    &["optionalDependencies"],
    &["peerDependencies"],
    // npm; values may be objects that nest.
    &["overrides"],
    // yarn; pnpm reads it too.
    &["resolutions"],
    &["pnpm", "overrides"],
    &["pnpm", "packageExtensions"],
    &["pnpm", "patchedDependencies"],
    // bun keeps its catalogs in the manifest, at the top or under `workspaces`.
    &["catalog"],
    &["catalogs"],
    &["workspaces", "catalog"],
    &["workspaces", "catalogs"],
    &["patchedDependencies"],
];

/// Of pnpm's workspace file and yarn's settings.
const SETTINGS: &[&[&str]] =
    &[&["overrides"], &["catalog"], &["catalogs"], &["packageExtensions"], &["patchedDependencies"]];

const MANIFESTS: [Manifest; 5] = [
    Manifest { name: "package.json", syntax: Syntax::Json, specs: PACKAGE },
    Manifest { name: "package.json5", syntax: Syntax::Json5, specs: PACKAGE },
    Manifest { name: "package.yaml", syntax: Syntax::Yaml, specs: PACKAGE },
    Manifest { name: "pnpm-workspace.yaml", syntax: Syntax::Yaml, specs: SETTINGS },
    Manifest { name: ".yarnrc.yml", syntax: Syntax::Yaml, specs: SETTINGS },
];

fn manifest(path: &RepoPath) -> Option<&'static Manifest> {
    MANIFESTS.iter().find(|manifest| path.is_named(manifest.name))
}

fn wants(path: &RepoPath) -> bool {
    manifest(path).is_some()
}

const RESTORE: &[Step] = &[Step::Restore, Step::Stage];
const PUT_BACK: &str = "put the original manifest back (edits since the preparation are lost), then stage it";

fn judge(file: &File, debris: &Debris, findings: &mut Findings) {
    let Some(manifest) = manifest(&file.path) else { return };
    match parse(manifest.syntax, &file.text) {
        Ok(root) => {
            // pnpm 10 and 11 read a manifest through JavaScript's prototype chain.
            let roots = || std::iter::once(&root).chain(root.get("__proto__"));
            for (path, root) in manifest.specs.iter().flat_map(|path| roots().map(move |root| (path, root))) {
                for_each_below(root, path, &mut |node| {
                    let from = node.text().and_then(|spec| installs_from(spec, &file.directory(), debris));
                    if let Some(directory) = from {
                        let message = format!("this dependency points into {}", directory.name);
                        findings.place(file, &node.span, message).cure(PUT_BACK, RESTORE);
                    }
                });
            }
        }
        Err(error) => unparsable(file, &error, debris, findings),
    }
}

/// A manifest that does not parse cannot be judged on its meaning, so a mention is enough to block it.
fn unparsable(file: &File, error: &SyntaxError, debris: &Debris, findings: &mut Findings) {
    if let Some(trace) = mention(&file.text, debris) {
        let message = format!("this manifest cannot be parsed, and it mentions {}", trace.directory.name);
        findings.position(file, &trace.span, message).cure(PUT_BACK, RESTORE);
    } else {
        findings
            .position(file, &error.span, "this manifest cannot be parsed, so its dependencies were not judged")
            .cure("mend the syntax, then stage it", &[Step::Stage])
            .weigh(Severity::Warning);
    }
}

/// Calls `visit` with every string below these keys, in the file's order.
fn for_each_below<'a>(node: &'a Node, keys: &[&'a str], visit: &mut impl FnMut(&'a Node)) {
    match (keys, &node.value) {
        ([key, rest @ ..], _) => node.get(key).for_each(|node| for_each_below(node, rest, visit)),
        ([], Value::Map(entries)) => entries.iter().for_each(|(_, node)| for_each_below(node, &[], visit)),
        ([], Value::List(list)) => list.iter().for_each(|node| for_each_below(node, &[], visit)),
        ([], Value::Text(_)) => visit(node),
        ([], Value::Other) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    /// The spec that docker-prep writes, spelled so that this file passes its own guard wherever it is copied to.
    fn spec() -> String {
        format!("file:../{}/scope-x-1.0.0.tgz", ".docker-deps")
    }

    fn judged(path: &str, text: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file(path, &text.replace("SPEC", &spec())))
    }

    const POINTS: &str = "this dependency points into .docker-deps";

    #[test]
    fn every_field_of_a_manifest_that_installs() {
        for fields in [
            r#"{"dependencies": {"@s/x": "SPEC"}}"#,
            r#"{"devDependencies": {"@s/x": "SPEC"}}"#,
            r#"{"optionalDependencies": {"@s/x": "SPEC"}}"#,
            r#"{"peerDependencies": {"@s/x": "SPEC"}}"#,
            r#"{"overrides": {"@s/x": "SPEC"}}"#,
            r#"{"overrides": {"a": {"b": {".": "SPEC"}}}}"#,
            r#"{"resolutions": {"**/@s/x": "SPEC"}}"#,
            r#"{"pnpm": {"overrides": {"a>@s/x": "SPEC"}}}"#,
            r#"{"pnpm": {"packageExtensions": {"a": {"dependencies": {"@s/x": "SPEC"}}}}}"#,
            r#"{"workspaces": {"catalog": {"@s/x": "SPEC"}}}"#,
            r#"{"dependencies": {"@s/x": "SPEC", "@s/x": "1.0.0"}}"#,
            r#"{"dependencies": {}, "dependencies": {"@s/x": "SPEC"}}"#,
            r#"{"patchedDependencies": {"@s/x@1.0.0": "SPEC"}}"#,
            r#"{"__proto__": {"dependencies": {"@s/x": "SPEC"}}}"#,
        ] {
            let column = fields.find("\"SPEC\"").unwrap() + 1;
            assert_eq!(
                judged("backend/package.json", fields),
                [format!("backend/package.json:1:{column}: {POINTS}")],
                "{fields}"
            );
        }
    }

    #[test]
    fn every_manifest_language() {
        for (path, text, place) in [
            ("package.json5", "{\n  // prep\n  dependencies: { x: 'SPEC', },\n}", "3:22"),
            ("package.yaml", "dependencies:\n  x: SPEC\n", "2:6"),
            ("pnpm-workspace.yaml", "packages: ['*']\noverrides:\n  x: 'SPEC'\n", "3:6"),
            ("pnpm-workspace.yaml", "catalog:\n  x: SPEC\n", "2:6"),
            ("pnpm-workspace.yaml", "catalogs: {next: {x: SPEC}}\n", "1:22"),
            (".yarnrc.yml", "packageExtensions:\n  a@*:\n    dependencies:\n      x: SPEC\n", "4:10"),
        ] {
            assert_eq!(judged(path, text), [format!("{path}:{place}: {POINTS}")]);
        }
    }

    #[test]
    fn the_place_is_that_of_the_value() {
        let text =
            "\u{feff}{\r\n\t\"dependencies\": {\r\n\t\t\"@s/x\": \"file:..\\/\\u002edocker-deps/x.tgz\"\r\n\t}\r\n}";
        assert_eq!(judged("backend/package.json", text), [format!("backend/package.json:3:11: {POINTS}")]);
    }

    #[test]
    fn what_only_quotes_a_spec_passes() {
        for text in [
            r#"{"scripts": {"prep": "echo SPEC"}, "description": "SPEC", "files": [".docker-deps"]}"#,
            r#"{"dependencies": {"x": "workspace:*", "y": "file:./vendor/y.tgz", "z": "link:../z"}}"#,
            r#"{"dependenciesMeta": {"x": {"injected": true}}, "name": ".docker-deps"}"#,
        ] {
            assert_eq!(judged("package.json", text), [""; 0], "{text}");
        }
        assert_eq!(judged("docs/example.json", r#"{"dependencies": {"x": "SPEC"}}"#), [""; 0]);
        assert_eq!(judged("pnpm-workspace.yaml", "packages:\n  - '!**/.docker-deps/**'\n"), [""; 0]);
    }

    #[test]
    fn a_manifest_that_does_not_parse_blocks_if_it_mentions_the_directory() {
        let blocked = "this manifest cannot be parsed, and it mentions .docker-deps";
        assert_eq!(
            judged("package.json", "{\n<<<<<<< ours\n  \"x\": \"SPEC\"\n"),
            [format!("package.json:3:17: {blocked}")]
        );
        let twice = "{ \"x\": \"\\ud800 file:../\\u00252edocker-deps\"";
        assert_eq!(judged("package.json", twice).len(), 1);
        assert!(judged("package.json", twice)[0].ends_with(blocked), "{:?}", judged("package.json", twice));
        assert_eq!(
            judged("package.json", "{ \"x\": \"file:../\\u002Edocker-deps\""),
            [format!("package.json:1:17: {blocked}")]
        );
        assert_eq!(
            judged("package.json", "{\n  \"x\": 1,\n}"),
            ["package.json:2:9: this manifest cannot be parsed, so its dependencies were not judged"]
        );
    }
}
