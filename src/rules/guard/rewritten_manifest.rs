#![doc = include_str!("../../../docs/rules/rewritten-manifest.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::{Severity, Step};
use crate::base::path::RepoPath;
use crate::formats::document::{Node, SyntaxError};
use crate::formats::npmrc;
use crate::formats::spec::{includes, installs_from, points_into};
use crate::formats::trace::{could_hold_debris, mention};
use crate::models::sources::{Names, SourceFields, for_each_source};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

#[cfg(test)]
mod spellings;

pub(crate) const RULE: Rule = Rule {
    id: "rewritten-manifest",
    summary: "a manifest with a dependency that points into .docker-deps",
    subject: Subject::Manifest,
    manual: include_str!("../../../docs/rules/rewritten-manifest.md"),
    check: Check::File { wants: |path| kind(path).is_some(), judge },
    ..Rule::base(RuleGroup::Guard)
};

/// The settings that name a place, in `.npmrc`, `.yarnrc` and the environment of bun.
const SETTINGS: [&str; 11] = [
    "yarn-offline-mirror",
    "pnpmfile",
    "global-pnpmfile",
    "store-dir",
    // npm and bun; the next two are Yarn's.
    "cache",
    "cache-folder",
    "preferred-cache-folder",
    "yarn-path",
    "yarnPath",
    "BUN_INSTALL",
    "BUN_INSTALL_CACHE_DIR",
];

fn kind(path: &RepoPath) -> Option<FileKind> {
    FileKind::of(path, |kind| kind.dependencies().is_some() || kind.settings().is_some())
}

fn fields(kind: FileKind) -> SourceFields {
    match kind {
        FileKind::PnpmWorkspace | FileKind::YarnrcYml => SourceFields::Workspace,
        FileKind::Bunfig => SourceFields::Bunfig,
        _ => SourceFields::Manifest,
    }
}

const RESTORE: &[Step] = &[Step::Restore { staged: true }];
const PUT_BACK: &str = "take the preparation out; every other edit stays";

fn judge(known: &SourceFile, debris: &Debris, findings: &mut Findings) {
    let file = &known.file;
    let Some(kind) = kind(&file.path) else { return };
    if let Some(dialect) = kind.settings() {
        let settings = match kind {
            // Any variable may be in a setting of Yarn.
            FileKind::YarnEnvironment => npmrc::settings(dialect, &file.text),
            _ => npmrc::named(dialect, &file.text, &SETTINGS),
        };
        for setting in settings {
            let path = npmrc::unquoted(&setting.text);
            if let Some((message, help, steps)) = judged(&path, Names::Place, file, debris) {
                findings.position(file, &setting.value, &message).help(help, steps);
            }
        }
        return;
    }
    let Some(syntax) = kind.dependencies() else { return };
    if kind == FileKind::YarnrcYml && begins_as_lockfile(&file.text) {
        if let Some(trace) = mention(&file.text, debris) {
            let name = &trace.directory.name;
            let message = format!("Yarn reads this as a file of Yarn 1, and it mentions {name}");
            findings.position(file, &trace.span, &message).help(PUT_BACK, RESTORE);
        }
        return;
    }
    match &*known.document(syntax) {
        Ok(root) => {
            let names_none = kind == FileKind::Manifest && names_no_debris(file, debris);
            let is_wanted = |names| !names_none || names == Names::Members;
            for_each_source(root, fields(kind), &is_wanted, &mut |node, names| {
                let found = node.text().and_then(|text| judged(text, names, file, debris));
                if let Some((message, help, steps)) = found {
                    findings.place(file, &node.span, message).help(help, steps);
                }
            });
        }
        Err(error) => report_unparsable(file, error, debris, findings),
    }
}

/// Whether no string of a manifest in JSON can name leftovers, but for a pattern. Fast: this is so
/// for most. In other syntaxes, a string may go on in the next line.
fn names_no_debris(file: &File, debris: &Debris) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(&file.text, part).is_some();
    // A second layer of escapes, or variables, which JSON may escape itself.
    let may_hide = has(b"%") || has(b"${") || has(b"\\u");
    // A name without a dot is found in a text only before a slash; a spec may end with it.
    let are_dotted = debris.directories().iter().all(|directory| directory.name.starts_with('.'));
    !may_hide
        && are_dotted
        && !could_hold_debris(&file.text, debris)
        && !file.path.components().any(|part| debris.directory(part).is_some())
}

/// Whether the comments at the start have that of a `yarn.lock` of Yarn 1. Yarn 2 and later read
/// such settings in its syntax, where a string may have other escapes than in YAML.
fn begins_as_lockfile(text: &[u8]) -> bool {
    let mut comments = text.split(|&byte| byte == b'\n').take_while(|line| line.starts_with(b"#"));
    comments.any(|line| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.map(<[u8]>::to_ascii_lowercase).eq([&b"#"[..], b"yarn", b"lockfile", b"v1"])
    })
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
    for_each_source(root, fields(kind), &|_| true, &mut |node, names| {
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
    use crate::engine::Engine;
    use crate::engine::tests::{Fake, configured, judged_by, messages, transcript};

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
    fn a_name_that_a_search_of_the_text_misses() {
        for name in [
            r"..\u002f\u00252edocker-deps/x.tgz",
            r"../\u0024{A-.docker}-deps/x.tgz",
            "../%252edocker-deps/x.tgz",
            "../${A-.docker}-deps/x.tgz",
            r"..\\.docker-deps\\x.tgz",
        ] {
            let text = format!(r#"{{"dependencies": {{"@s/x": "file:{name}"}}}}"#);
            assert_eq!(judged("package.json", &text).len(), 1, "{text}");
        }
        // Without a slash after it.
        let config = configured(r#"{"debris": {"packed": {}}}"#);
        let text = r#"{"dependencies": {"@s/x": "file:../packed"}}"#;
        let change = Fake::default().file("package.json", text);
        let found = Engine::of(&[&RULE], &config).judge(&change).unwrap().findings;
        assert_eq!(messages(&found), ["package.json:1:27: this dependency points into packed"]);
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
            (".yarnrc", "--install.cache-folder ../DIR/c", "1:1", SETTING),
            (".yarnrc", "a b cache-folder ../DIR/c", "1:1", SETTING),
            (".yarnrc", "cache-folder:\n  ../DIR/c", "2:3", SETTING),
            (".npmrc", "${A:-pnpmfile}=DIR/x.cjs", "1:16", SETTING),
            (".npmrc", "cache=DIR", "1:7", SETTING),
            ("pnpm-workspace.yaml", "storeDir: DIR", "1:11", SETTING),
            (".yarnrc.yml", "plugins:\n- path: DIR/p.cjs\n  spec: x", "2:9", SETTING),
            (".yarnrc.yml", "yarnPath: DIR/yarn.cjs", "1:11", SETTING),
            ("bunfig.toml", "[install.cache]\ndir = 'DIR/c'", "2:7", SETTING),
            ("bunfig.toml", "install = {cache = 'DIR/c'}", "1:20", SETTING),
            (".env.yarn", "# c\nexport A = \"../DIR\" # c", "2:12", SETTING),
            (".env.yarn", "A=file:DIR/x.tgz#c", "1:3", SETTING),
            (".env.yarn", "A: ${B:-DIR}", "1:4", SETTING),
            (".env.yarn", "A=\n'x\n/../DIR/c'", "2:1", SETTING),
            (".yarnrc.yml", "defaultProtocol: 'file:DIR/'", "1:18", SETTING),
            (".env", "A=DIR\nexport BUN_INSTALL='DIR/c'", "2:20", SETTING),
            (".env.test.local", "BUN_INSTALL=DIR", "1:13", SETTING),
        ] {
            let text = text.replace("DIR", ".docker-deps");
            assert_eq!(judged(path, &text), [format!("{path}:{place}: {message}")], "{text}");
        }
        for (path, text) in [
            ("package.json", r#"{"workspaces": ["packages/*", "!DIR/*"], "main": "DIR/x"}"#),
            ("package.json", r#"{"workspaces": {"nohoist": ["DIR"], "packages": []}}"#),
            ("package.json", r#"{"publishConfig": {"registry": "DIR", "directory": "dist"}}"#),
            ("pnpm-workspace.yaml", "packages: ['**', '.config/*']\nstateDir: DIR"),
            (".npmrc", "; pnpmfile=DIR\ncache-max=DIR\npnpmfile=.pnpmfile.cjs"),
            (".yarnrc.yml", "patchFolder: DIR\nplugins: [.yarn/plugins/plugin-x.cjs]"),
            ("bunfig.toml", "cache = 'DIR'\n[install]\nglobalDir = 'DIR'"),
            (".env.yarn", "# A=DIR\nB=DIR-old # DIR\nC=https://example.org/DIR/x\nDIR"),
            (".env", "A=DIR\nBUN_INSTALL_BIN=DIR"),
            (".env.example", "BUN_INSTALL=DIR"),
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
    /// block, unless the case is `unjudged`: the page says that we cannot know it. If none does,
    /// `blocked` says whether we block a spelling that has no other use.
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
            assert!(blocked || from.is_empty() || case["unjudged"] == true, "{case}");
            assert_eq!(case["blocked"], blocked, "{case}");
            followed += usize::from(!from.is_empty());
        }
        assert!(cases.len() >= 700 && followed >= 250, "{followed} of {}", cases.len());
    }
}
