#![doc = include_str!("../../../docs/rules/rewritten-manifest.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::{Severity, Step};
use crate::base::path::RepoPath;
use crate::formats::document::{Node, SyntaxError};
use crate::formats::npmrc;
use crate::formats::spec::{includes, installs_from, mention, points_into};
use crate::models::sources::{Names, for_each_source};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

pub(crate) const RULE: Rule = Rule {
    id: "rewritten-manifest",
    summary: "a manifest whose dependency points into .docker-deps",
    subject: Subject::Manifest,
    manual: include_str!("../../../docs/rules/rewritten-manifest.md"),
    check: Check::File { wants: |path| kind(path).is_some(), judge },
    ..Rule::base(RuleGroup::Guard)
};

/// The settings in `.npmrc` and `.yarnrc` that name a place.
const SETTINGS: [&str; 3] = ["yarn-offline-mirror", "pnpmfile", "global-pnpmfile"];

fn kind(path: &RepoPath) -> Option<FileKind> {
    FileKind::of(path, |kind| kind.dependencies().is_some() || kind.settings().is_some())
}

/// Whether the dependencies are among the settings of a workspace.
fn is_settings(kind: FileKind) -> bool {
    matches!(kind, FileKind::PnpmWorkspace | FileKind::YarnrcYml)
}

const RESTORE: &[Step] = &[Step::Restore { staged: true }];
const PUT_BACK: &str = "take the preparation out; every other edit stays";

fn judge(known: &SourceFile, debris: &Debris, findings: &mut Findings) {
    let file = &known.file;
    let Some(kind) = kind(&file.path) else { return };
    if let Some(dialect) = kind.settings() {
        for setting in npmrc::named(dialect, &file.text, &SETTINGS) {
            let path = setting.text.trim_matches(['"', '\'', ' ']);
            if let Some((message, help, steps)) = judged(path, Names::Place, file, debris) {
                findings.position(file, &setting.value, &message).help(help, steps);
            }
        }
        return;
    }
    let Some(syntax) = kind.dependencies() else { return };
    match &*known.document(syntax) {
        Ok(root) => for_each_source(root, is_settings(kind), &mut |node, names| {
            let found = node.text().and_then(|text| judged(text, names, file, debris));
            if let Some((message, help, steps)) = found {
                findings.place(file, &node.span, message).help(help, steps);
            }
        }),
        Err(error) => report_unparsable(file, error, debris, findings),
    }
}

/// A string of a manifest that names leftovers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace<'n> {
    pub node: &'n Node,
    /// Whether a preparation may have added the key, and not only changed its value.
    pub may_be_added: bool,
}

/// The strings of a parsed manifest that name leftovers, in the order of the fields.
pub(crate) fn traces<'n>(root: &'n Node, path: &RepoPath, debris: &Debris) -> Vec<Trace<'n>> {
    let Some(kind) = kind(path) else { return Vec::new() };
    let file = File { path: path.clone(), text: Vec::new(), fresh: true, replaces: true };
    let mut found = Vec::new();
    for_each_source(root, is_settings(kind), &mut |node, names| {
        if node.text().is_some_and(|text| judged(text, names, &file, debris).is_some()) {
            found.push(Trace { node, may_be_added: names == Names::Override });
        }
    });
    found
}

/// The message, the help and its steps, if a string names leftovers.
fn judged(
    text: &str,
    names: Names,
    file: &File,
    debris: &Debris,
) -> Option<(String, &'static str, &'static [Step])> {
    let directory = file.directory();
    Some(match names {
        Names::Package | Names::Override => {
            let from = installs_from(text, &directory, debris)?;
            (format!("this dependency points into {}", from.name), PUT_BACK, RESTORE)
        }
        Names::Place => {
            let from = points_into(text, &directory, debris)?;
            let help = "point the setting to another place or remove it, then stage the file";
            (format!("this setting points into {}", from.name), help, &[Step::Stage])
        }
        Names::Members => {
            let from = includes(text, &directory, debris)?;
            let help = "remove the pattern, then stage the file";
            (format!("this workspace pattern includes {}", from.name), help, &[Step::Stage])
        }
    })
}

/// The dependencies of a manifest that does not parse are unknown, so a mention blocks it.
fn report_unparsable(file: &File, error: &SyntaxError, debris: &Debris, findings: &mut Findings) {
    if let Some(trace) = mention(&file.text, debris) {
        let message =
            format!("this manifest cannot be parsed, and it mentions {}", trace.directory.name);
        findings.position(file, &trace.span, &message).help(PUT_BACK, RESTORE);
    } else {
        let message = "this manifest cannot be parsed, so its dependencies were not judged";
        findings
            .position(file, &error.span, message)
            .help("fix the syntax, then stage it", &[Step::Stage])
            .severity(Severity::Warning);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::RULE;
    use crate::base::change::{Content, Mode};
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, transcript};

    /// The spec that docker-prep writes, assembled so that this file passes the guard.
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
            r#"{"__proto__": {"__proto__": {"dependencies": {"@s/x": "SPEC"}}}}"#,
            r#"{"pnpm": {"__proto__": {"overrides": {"@s/x": "SPEC"}}}}"#,
            r#"{"${A-over}rides": {"@s/x": "SPEC"}}"#,
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
            (
                ".yarnrc.yml",
                "packageExtensions:\n  a@*:\n    dependencies:\n      x: SPEC\n",
                "4:10",
            ),
        ] {
            assert_eq!(judged(path, text), [format!("{path}:{place}: {POINTS}")]);
        }
    }

    #[test]
    fn a_place_or_a_pattern_in_a_setting() {
        const SETTING: &str = "this setting points into .docker-deps";
        const PATTERN: &str = "this workspace pattern includes .docker-deps";
        for (path, text, place, message) in [
            ("package.json", r#"{"publishConfig": {"directory": "DIR/x"}}"#, "1:33", SETTING),
            ("package.json", r#"{"workspaces": ["a", "DIR/*"]}"#, "1:22", PATTERN),
            ("package.json", r#"{"workspaces": {"packages": ["DIR/*"]}}"#, "1:30", PATTERN),
            ("package.yaml", "workspaces: [DIR/*]", "1:14", PATTERN),
            ("pnpm-workspace.yaml", "packages:\n- '../DIR/*'\n", "2:3", PATTERN),
            ("pnpm-workspace.yaml", "pnpmfile: DIR/x.cjs", "1:11", SETTING),
            ("pnpm-workspace.yaml", "globalPnpmfile: [DIR/x.cjs]", "1:18", SETTING),
            (".npmrc", "a=b\npnpmfile = 'DIR/x.cjs' ; c", "2:12", SETTING),
            (".npmrc", "yarn-offline-mirror=./${A-DIR}", "1:21", SETTING),
            (".yarnrc", "# c\n\"yarn-offline-mirror\" \"../DIR\" # c", "2:1", SETTING),
        ] {
            let text = text.replace("DIR", ".docker-deps");
            assert_eq!(judged(path, &text), [format!("{path}:{place}: {message}")], "{text}");
        }
        for (path, text) in [
            ("package.json", r#"{"workspaces": ["packages/*", "!DIR/*"], "main": "DIR/x"}"#),
            ("package.json", r#"{"workspaces": {"nohoist": ["DIR"], "packages": []}}"#),
            ("package.json", r#"{"publishConfig": {"registry": "DIR", "directory": "dist"}}"#),
            ("pnpm-workspace.yaml", "packages: ['**', '.config/*']\nstoreDir: DIR"),
            (".npmrc", "; pnpmfile=DIR\ncache=DIR\npnpmfile=.pnpmfile.cjs"),
            (".npmrc.docker", "pnpmfile=DIR/x.cjs"),
            (".yarnrc", "yarn-offline-mirror-pruning DIR\nyarn-offline-mirror \"DIR/../v\""),
        ] {
            let text = text.replace("DIR", ".docker-deps");
            assert_eq!(judged(path, &text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn the_place_is_that_of_the_value() {
        let text = "\u{feff}{\r\n\t\"dependencies\": {\r\n\t\t\
                    \"@s/x\": \"file:..\\/\\u002edocker-deps/x.tgz\"\r\n\t}\r\n}";
        assert_eq!(
            judged("backend/package.json", text),
            [format!("backend/package.json:3:11: {POINTS}")]
        );
    }

    #[test]
    fn a_spec_outside_dependencies_passes() {
        for text in [
            r#"{"scripts": {"prep": "echo SPEC"}, "description": "SPEC"}"#,
            r#"{"files": [".docker-deps"]}"#,
            r#"{"dependencies": {"x": "workspace:*", "y": "file:./vendor/y.tgz"}}"#,
            r#"{"dependencies": {"z": "link:../z"}}"#,
            r#"{"dependenciesMeta": {"x": {"injected": true}}, "name": ".docker-deps"}"#,
        ] {
            assert_eq!(judged("package.json", text), [""; 0], "{text}");
        }
        assert_eq!(judged("docs/example.json", r#"{"dependencies": {"x": "SPEC"}}"#), [""; 0]);
        assert_eq!(
            judged("pnpm-workspace.yaml", "packages:\n  - '!**/.docker-deps/**'\n"),
            [""; 0]
        );
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
        assert!(
            judged("package.json", twice)[0].ends_with(blocked),
            "{:?}",
            judged("package.json", twice)
        );
        assert_eq!(
            judged("package.json", "{ \"x\": \"file:../\\u002Edocker-deps\""),
            [format!("package.json:1:17: {blocked}")]
        );
        assert_eq!(
            judged("package.json", "{\n  \"x\": 1,\n}"),
            ["package.json:2:9: this manifest cannot be parsed, so its dependencies were not \
                 judged"]
        );
    }

    #[test]
    fn a_mention_is_found_in_syntax_that_only_a_tool_understands() {
        let word = "{depend\\u0065ncies: {x: 'VALUE'}}";
        for (path, text) in [
            ("package.json5", word.replace("VALUE", "file:../\\.docker-\\deps/x.tgz")),
            ("package.json5", word.replace("VALUE", "file:../.docker-\\\r\n  deps/x.tgz")),
            (
                "pnpm-workspace.yaml",
                "a: [\noverrides:\n  x: \"../\\U0000002edocker-deps/x\"\n".to_owned(),
            ),
            ("package.json", "{ \"x\": \"\\u0025252edocker-deps/x\"".to_owned()),
            ("package.json", "{ \"x\": \"../.doc\\u212aer-deps/x\"".to_owned()),
        ] {
            assert_eq!(judged(path, &text).len(), 1, "{text}");
            assert!(
                judged(path, &text)[0].ends_with("it mentions .docker-deps"),
                "{:?}",
                judged(path, &text)
            );
        }
    }

    /// `from` lists which of npm, pnpm, yarn and bun installed from the directory. If one does, we
    /// block. If none does, `blocked` says whether we block a spelling that has no other use.
    #[test]
    fn no_spelling_that_a_package_manager_follows_passes() {
        let facts: Json =
            serde_json::from_str(include_str!("../../../tests/facts/spellings.json")).unwrap();
        let cases = facts["cases"].as_array().unwrap();
        let mut followed = 0;
        for case in cases {
            let mut change = Fake::default();
            for (name, text) in case["files"].as_object().unwrap() {
                let bytes = match text {
                    Json::String(text) => text.replace("{top}", "/srv/shop").into_bytes(),
                    hex => (hex["hex"].as_str().unwrap().as_bytes().chunks(2))
                        .map(|digits| {
                            u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
                        })
                        .collect(),
                };
                let path = match name.strip_prefix("../") {
                    Some(path) => path.to_owned(),
                    None => format!("backend/{name}"),
                };
                change = change.with(&path, Mode::File, Content::Bytes(bytes), true);
            }
            let found = judged_by(&RULE, &change);
            let blocked = found.iter().any(|finding| finding.severity == Severity::Error);
            let from = case["from"].as_array().unwrap();
            assert!(blocked || from.is_empty(), "{case}");
            assert_eq!(case["blocked"], blocked, "{case}");
            followed += usize::from(!from.is_empty());
        }
        assert!(cases.len() >= 700 && followed >= 250, "{followed} of {}", cases.len());
    }

    mod spellings {
        use proptest::prelude::*;

        use super::*;

        /// Writes a manifest with random layout, quotes and escapes.
        struct Writer {
            dice: Vec<u8>,
            rolled: usize,
            loose: bool,
            text: String,
        }

        impl Writer {
            fn roll(&mut self, sides: u8) -> u8 {
                self.rolled += 1;
                self.dice[self.rolled % self.dice.len()] % sides
            }

            fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
                choices[usize::from(self.roll(u8::try_from(choices.len()).unwrap()))]
            }

            fn blank(&mut self) {
                let any = ["", " ", "\n", "\r\n", "\t", "\r", "\n\n  ", "// ü\n", "/* * */"];
                let strict = if self.loose { any.len() } else { 7 };
                let blank = self.one_of(&any[..strict]);
                self.text += blank;
            }

            fn string(&mut self, text: &str) {
                let quote = if self.loose { self.one_of(&["\"", "'"]) } else { "\"" };
                self.text += quote;
                for c in text.chars() {
                    let code = u32::from(c);
                    match self.roll(8) {
                        0 if c.is_ascii() => self.text += &format!("\\u{code:04x}"),
                        1 if c.is_ascii() => self.text += &format!("\\u{code:04X}"),
                        2 if c.is_ascii() && self.loose => self.text += &format!("\\x{code:02x}"),
                        3 if c == '/' => self.text += "\\/",
                        _ if c == '\\' => self.text += "\\\\",
                        _ => self.text.push(c),
                    }
                }
                self.text += quote;
            }

            fn entry(&mut self, key: &str, value: &str) {
                self.key(key);
                self.string(value);
                self.end();
            }

            fn key(&mut self, key: &str) {
                self.blank();
                let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
                if self.loose && bare && self.roll(2) == 0 {
                    self.text += key;
                    self.text.push(' ');
                } else {
                    self.string(key);
                }
                self.blank();
                self.text.push(':');
                self.blank();
            }

            fn end(&mut self) {
                self.blank();
                self.text.push(',');
            }

            /// Closes a map, without a trailing comma unless the dialect allows it.
            fn close(&mut self) {
                if !(self.loose && self.roll(2) == 0) && self.text.ends_with(',') {
                    self.text.pop();
                }
                self.blank();
                self.text.push('}');
            }

            /// Writes entries that only look like dependencies.
            fn harmless(&mut self, spec: &str) {
                for choice in 0..5 {
                    match (choice, self.roll(3)) {
                        (0, 0) => self.entry("description", spec),
                        (1, 0) => self.entry(spec, "1.0.0"),
                        (2, 0) => {
                            self.key("scripts");
                            self.text.push('{');
                            self.entry("dependencies", spec);
                            self.entry("\u{1f600} \u{e000}é", "\u{1f600}\u{2028}");
                            self.close();
                            self.end();
                        }
                        (3, 0) => {
                            self.key("files");
                            self.text.push('[');
                            self.string(spec);
                            self.text.push(']');
                            self.end();
                        }
                        (4, 0) => {
                            self.key("dependencies");
                            self.text.push('{');
                            self.plain(spec);
                            self.close();
                            self.end();
                        }
                        _ => {}
                    }
                }
            }

            /// Writes dependencies that are not rewritten.
            fn plain(&mut self, spec: &str) {
                let dir = ".docker-deps";
                for other in [
                    "^1.0.0",
                    "workspace:*",
                    "file:../my.docker-deps/x.tgz",
                    "../.docker-deps-2/x.tgz",
                ] {
                    if self.roll(3) == 0 {
                        let name = if self.roll(2) == 0 { spec } else { "y" };
                        self.entry(name, other);
                    }
                }
                if self.roll(4) == 0 {
                    self.entry("z", &format!("file:../{dir}/../vendor/z.tgz"));
                }
            }

            /// Writes a map with the value at this path. Returns the offset of the value.
            fn map(&mut self, path: &[&str], spec: &str, top: bool) -> usize {
                self.text.push('{');
                let fill = |writer: &mut Self| {
                    if top { writer.harmless(spec) } else { writer.plain(spec) }
                };
                fill(self);
                if self.roll(3) == 0 {
                    self.entry(path[0], "");
                }
                self.key(path[0]);
                let place = match &path[1..] {
                    [] => {
                        let place = self.text.len();
                        self.string(spec);
                        place
                    }
                    rest => self.map(rest, spec, false),
                };
                self.end();
                if self.roll(3) == 0 {
                    self.entry(path[0], "1.0.0");
                }
                fill(self);
                self.close();
                place
            }
        }

        const FIELDS: [&[&str]; 20] = [
            &["dependencies", "@s/x"],
            &["devDependencies", "x"],
            &["optionalDependencies", "x"],
            &["peerDependencies", "x"],
            &["overrides", "x"],
            &["overrides", "a@1", "b", "."],
            &["resolutions", "**/x"],
            &["resolutions", "x@npm:1.0.0"],
            &["pnpm", "overrides", "a>x"],
            &["pnpm", "packageExtensions", "a", "peerDependencies", "x"],
            &["pnpm", "patchedDependencies", "x@1"],
            &["patchedDependencies", "x@1"],
            &["catalog", "x"],
            &["catalogs", "next", "x"],
            &["workspaces", "catalog", "x"],
            &["workspaces", "catalogs", "", "x"],
            &["__proto__", "dependencies", "x"],
            &["__proto__", "__proto__", "pnpm", "overrides", "x"],
            &["dependencies", "__proto__", "x"],
            &["dependencies", "dependencies", "version"],
        ];

        const PATHS: [&str; 5] =
            ["package.json", "package.json5", "package.yaml", "pnpm-workspace.yaml", ".yarnrc.yml"];

        fn specs() -> Vec<String> {
            let dir = ".docker-deps";
            vec![
                format!("file:../{dir}/x.tgz"),
                format!("link:../{dir}"),
                format!("..\\{dir}\\x.tgz"),
                format!("{dir}/x.tgz"),
                format!("portal:/srv//./a/../{dir}/x"),
                format!("file:~/{}/x.tar.gz", dir.to_uppercase()),
                format!("a b/{dir}"),
                format!("a@b/{dir}"),
                format!("file:../{dir}/a#../../vendor/x.tgz"),
                format!("file:../{dir}/a?../../vendor/x.tgz"),
                format!("../{dir}/x\\..\\..\\vendor\\x.tgz"),
                format!("file:../${{NAME:-{dir}}}/x.tgz"),
                format!("file:../${{NAME}}{dir}/x.tgz"),
                "file:../.doc${a-}ker%2Ddeps/x.tgz".to_owned(),
                "patch:x@file%253A..%252F%252edocker-deps%252Fx.tgz#~/x.patch".to_owned(),
                "file:../.doc\u{212a}er-dep\u{17f}/x.tgz".to_owned(),
                "file:../.docker\u{200d}-deps/x.tgz".to_owned(),
            ]
        }

        fn dice() -> impl Strategy<Value = Vec<u8>> {
            proptest::collection::vec(any::<u8>(), 1..400)
        }

        fn writer(dice: Vec<u8>, loose: bool) -> Writer {
            let mut writer = Writer { dice, rolled: 0, loose, text: String::new() };
            let mark = writer.one_of(&["", "\u{feff}"]);
            writer.text += mark;
            writer
        }

        proptest! {
            #[test]
            fn a_rewritten_spec_is_found_at_its_place_in_any_json(
                field in 0..FIELDS.len(), spec in 0..specs().len(), dice in dice(), loose: bool
            ) {
                let mut writer = writer(dice, loose);
                let place = writer.map(FIELDS[field], &specs()[spec], true);
                let before = writer.text.split_at(place).0.trim_start_matches('\u{feff}');
                let line = 1 + before.matches('\n').count();
                let column = 1 + before.chars().rev().take_while(|&c| c != '\n').count();
                let path = if loose { "web/package.json5" } else { "web/package.json" };
                let expected = format!("{path}:{line}:{column}: {POINTS}");
                prop_assert_eq!(judged(path, &writer.text), [expected], "{}", writer.text);
            }

            #[test]
            fn a_harmless_manifest_passes_in_any_json(
                spec in 0..specs().len(), dice in dice(), loose: bool
            ) {
                let mut writer = writer(dice, loose);
                writer.text.push('{');
                writer.harmless(&specs()[spec]);
                writer.close();
                let path = if loose { "web/package.json5" } else { "web/package.json" };
                prop_assert_eq!(judged(path, &writer.text), [""; 0], "{}", writer.text);
            }

            #[test]
            fn every_text_is_judged(
                text in any::<Vec<u8>>(), path in proptest::sample::select(&PATHS[..])
            ) {
                let text = Content::Bytes(text);
                let _ = transcript(&RULE, &Fake::default().with(path, Mode::File, text, true));
            }

            #[test]
            fn a_rewritten_spec_is_found_in_any_yaml(
                key in prop_oneof![
                    Just("overrides:"), Just("'overrides':"), Just("\"over\\x72ides\" :"),
                    Just("? overrides\n:"), Just("[overrides]:"), Just("!!str overrides: !!map"),
                    Just("&k overrides:"), Just("%YAML 1.2\n---\noverrides: # c"),
                    Just("{}\n---\noverrides:"), Just("a: &a\n  b: c\noverrides:\n  <<: *a"),
                    Just("x: 1\n__proto__:\n overrides:"),
                ],
                name in prop_oneof![
                    Just("x"), Just("'@s/x'"), Just("\"a\\u0062\""), Just("a>b@1"),
                    Just("y: {x: 1}\n  z"),
                ],
                style in 0..9_usize,
                spec in 0..8_usize,
                ends in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
            ) {
                let spec = &specs()[spec];
                let escaped = |escape: fn(u32) -> String| {
                    spec.chars().map(|c| escape(u32::from(c))).collect::<String>()
                };
                let (head, tail) = spec.split_at(spec.len() / 2);
                let doubled = |text: &str| text.replace('\\', "\\\\");
                let written = match style {
                    0 => spec.clone(),
                    1 => format!("'{spec}'"),
                    2 => format!("\"{}\"", escaped(|code| format!("\\x{code:02x}"))),
                    3 => format!("\"{}\"", escaped(|code| format!("\\u{code:04X}"))),
                    4 => format!("\"{}\"", escaped(|code| format!("\\U{code:08x}"))),
                    5 => format!("\"{}\\\n      {}\"", doubled(head), doubled(tail)),
                    6 => format!(">-\n    {spec}"),
                    7 => format!("!!str &s |\n    {spec}"),
                    _ => format!("{spec} # c"),
                };
                let text = format!("{key}\n  {name}: {written}\n").replace('\n', ends);
                let found = judged("pnpm-workspace.yaml", &text);
                prop_assert_eq!(found.len(), 1, "{}", text);
                prop_assert!(found[0].ends_with(POINTS), "{}\n{}", found[0], text);
            }
        }
    }
}
