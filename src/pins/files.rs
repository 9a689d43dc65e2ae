//! Which files pin a package manager, and which model each is read by.

use std::rc::Rc;

use std::collections::HashSet;

use crate::base::change::Entry;
use crate::formats::document::Node;
use crate::formats::shell::Variable;
use crate::formats::{self, Syntax};
use crate::models::compose::Compose;
use crate::models::devcontainer::Devcontainer;
use crate::models::gitlab::Pipeline;
use crate::models::manifest::{PackageJson, may_have};
use crate::models::workflow::Workflow;
use crate::models::workspace::PnpmWorkspace;
use crate::pins::pin::{FilePins, Pin};
use crate::pins::{ci, compose, devcontainer, dockerfile, gitlab, manifest, tools};
use crate::project::SourceFile;
use crate::project::directories::{ancestors, is_installed_package, join};
use crate::project::kinds::FileKind;

/// The pins of a file, read as the tool that obeys it reads it; `arguments` are those that the user
/// of the file gives to it. The file is parsed only once.
pub(super) fn pins_with(source: &SourceFile, arguments: Vec<(String, Variable)>) -> FilePins {
    let (path, text) = (&source.file.path, source.file.text.as_slice());
    let Some(kind) = FileKind::of(path, FileKind::may_pin) else { return FilePins::default() };
    let yaml = Syntax::Yaml;
    let mut found = match kind {
        FileKind::Manifest => {
            manifest::manifest_pins(&source.model(Syntax::Json, PackageJson::parse), text)
        }
        FileKind::PnpmLock => tools::pnpm_lock_pins(text).into(),
        FileKind::PnpmWorkspace => {
            let members = source.model(yaml, PnpmWorkspace::parse).packages.clone();
            FilePins { members, ..FilePins::default() }
        }
        FileKind::Dockerfile => {
            let instructions = source.view(|file| formats::dockerfile::parse(&file.text));
            dockerfile::dockerfile_pins(&instructions, text, arguments)
        }
        FileKind::Workflow => {
            let workflow = source.model(yaml, |root| Workflow::parse(root, text));
            ci::workflow_pins(&workflow, text, arguments)
        }
        FileKind::GitlabPipeline => {
            gitlab::pipeline_pins(&source.model(yaml, Pipeline::parse), text)
        }
        FileKind::Compose => {
            compose::compose_pins(&source.model(yaml, Compose::parse), text, path.parent())
        }
        FileKind::Devcontainer => {
            devcontainer::devcontainer_pins(&source.model(Syntax::Jsonc, Devcontainer::parse), text)
        }
        FileKind::ToolVersions => {
            document_pins(source, Syntax::ToolVersions, tools::tool_versions_pins)
        }
        FileKind::Mise => document_pins(source, Syntax::Toml, tools::mise_pins),
        FileKind::Prototools => document_pins(source, Syntax::Toml, tools::prototools_pins),
        FileKind::YarnrcYml => document_pins(source, yaml, tools::yarnrc_yml_pins),
        FileKind::Yarnrc => tools::yarnrc_pins(text).into(),
        _ => return FilePins::default(),
    };
    kind.home(path).clone_into(&mut found.home);
    for pin in &mut found.pins {
        // A step of a workflow, or a command after `cd`, has a directory relative to that.
        pin.directory = join(&found.home, &pin.directory);
    }
    found.sort();
    found
}

/// Whether a file may declare the versions that its project uses, by its name and by words in it.
/// Only of the kinds that a build depends on, see [`FileKind::may_build`].
pub(crate) fn may_declare(source: &SourceFile) -> bool {
    let is_asked = |kind| {
        use FileKind::{Manifest, PnpmLock, Yarnrc, YarnrcYml};
        matches!(kind, Manifest | PnpmLock | Yarnrc | YarnrcYml)
    };
    match FileKind::of(&source.file.path, is_asked) {
        Some(FileKind::Manifest) => {
            let keys = ["packageManager", "volta", "engines"];
            keys.iter().any(|key| may_have(&source.file.text, key))
        }
        Some(_) => true,
        None => false,
    }
}

/// The pins of a document; none if it cannot be parsed.
fn document_pins(
    source: &SourceFile,
    syntax: Syntax,
    pins: fn(&Node, &[u8]) -> Vec<Pin>,
) -> FilePins {
    let root = source.document(syntax);
    root.as_ref().as_ref().map(|root| pins(root, &source.file.text)).unwrap_or_default().into()
}

/// Retains the entries that may change the result. In a large workspace most manifests pin nothing,
/// and a manifest only governs its directory and those below. Where none governs the top, a build
/// there may be of any project, so all manifests stay. With `every_manifest`, lockfiles stay too.
pub(crate) fn select(entries: &mut Vec<Entry>, every_manifest: bool) {
    let is_manifest = |entry: &Entry| FileKind::Manifest.matches(&entry.path);
    let may_move_a_pin =
        |entry: &Entry| FileKind::of(&entry.path, FileKind::may_move_a_pin).is_some();
    let top = entries.iter().any(|entry| is_manifest(entry) && entry.path.parent().is_empty());
    let mut above = HashSet::new();
    above.insert(Vec::new());
    for entry in entries.iter().filter(|entry| entry.fresh || !is_manifest(entry)) {
        for directory in ancestors(entry.path.parent()) {
            if !above.insert(directory.to_owned()) {
                break;
            }
        }
    }
    entries.retain(|entry| {
        !is_installed_package(entry.path.parent())
            && (every_manifest
                || may_move_a_pin(entry)
                    && (!top || !is_manifest(entry) || above.contains(entry.path.parent())))
    });
}

/// The pins of a file, without those that its callers decide; none if it cannot be parsed.
pub(crate) fn pins_of_file(source: &SourceFile) -> Rc<FilePins> {
    source.view(|_| pins_with(source, Vec::new()))
}

/// Whether two versions of a file mean the same, regardless of the places in them.
pub(crate) fn is_same(one: &SourceFile, other: &SourceFile) -> bool {
    fn texts<'f>(source: &'f SourceFile, pins: &FilePins) -> Vec<Option<&'f [u8]>> {
        let faults = pins.faults.iter().chain(&pins.blank);
        faults.map(|(span, _)| source.file.text.get(span.clone())).collect()
    }
    let (pins, others) = (pins_of_file(one), pins_of_file(other));
    pins.without_places() == others.without_places() && texts(one, &pins) == texts(other, &others)
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, mismatches};

    #[test]
    fn every_file_that_pins_is_compared_with_the_manifest() {
        for (path, text, place) in [
            (".tool-versions", "nodejs 22.1.0\npnpm 9.15.0 10.6.5\n", "2:6"),
            ("mise.toml", "[tools]\npnpm = \"9.15.0\"", "2:9"),
            (".config/mise/config.toml", "[tools]\n\"npm:pnpm\" = [\"9.15.0\", \"10\"]", "2:16"),
            (".mise.toml", "[tools.\"aqua:pnpm/pnpm\"]\nversion = '9.15.0'", "2:12"),
            (".prototools", "pnpm = \"9.15.0\"", "1:9"),
            (
                ".devcontainer/devcontainer.json",
                "{\"features\": {\"ghcr.io/devcontainers/features/node:1\": {\"pnpmVersion\": \
                 \"9.15.0\",},},}",
                "1:73",
            ),
            (
                ".devcontainer.json",
                r#"{"postCreateCommand": ["bash", "-lc", "npm i -g pnpm@9.15.0"]}"#,
                "1:54",
            ),
            ("compose.yml", "services: {a: {command: [sh, -c, npm i -g pnpm@9.15.0]}}", "1:48"),
            ("compose.yml", "services: {a: {command: [npm, i, -g, pnpm@9.15.0]}}", "1:43"),
            (
                "compose.yml",
                "services: {a: {entrypoint: ['tini', '--', 'npm', 'i', '-g', 'pnpm@9.15.0']}}",
                "1:67",
            ),
            (
                ".devcontainer.json",
                r#"{"postCreateCommand": ["npm", "i", "-g", "pnpm@9.15.0"]}"#,
                "1:48",
            ),
            (
                ".devcontainer.json",
                r#"{"postStartCommand": {"a": ["sudo", "npm", "i", "-g", "pnpm@9.15.0"]}}"#,
                "1:61",
            ),
            (
                ".devcontainer.json",
                r#"{"onCreateCommand": ["su", "node", "-c", "npm i -g pnpm@9.15.0"]}"#,
                "1:57",
            ),
            (
                ".devcontainer.json",
                r#"{"onCreateCommand": ["npm", "i", "-g", "p\u006epm@9.15.0"]}"#,
                "1:51",
            ),
            (
                ".devcontainer.json",
                "{ // c\n\"postCreateCommand\": {\"a\": \"npm i -g pnpm@9.15.0\"}}",
                "2:43",
            ),
            (".gitlab-ci.yml", "a:\n  script:\n    - - npm i -g pnpm@9.15.0", "3:23"),
            (
                ".gitlab-ci.yml",
                "variables: {V: 9.15.0}\nbefore_script:\n  - npm i -g pnpm@$V",
                "1:16",
            ),
            (".gitlab-ci.yml", "a:\n  image: {name: 'ghcr.io/pnpm/pnpm:9.15.0-slim'}", "2:36"),
            ("Dockerfile", "ARG V=9.15.0\nFROM ghcr.io/pnpm/pnpm:$V", "1:7"),
            ("compose.yml", "services: {a: {image: 'ghcr.io/pnpm/pnpm:9.15.0'}}", "1:42"),
            ("compose.yml", "services: {a: {command: sh -c \"npm i -g pnpm@9.15.0\"}}", "1:46"),
            (
                "action.yml",
                "inputs: {v: {default: 9.15.0}}\nruns: {steps: [{uses: pnpm/action-setup@v2, with: \
                 {version: '${{ inputs.v }}'}}]}",
                "1:23",
            ),
            (
                "pnpm-lock.yaml",
                "---\nimporters:\n  .:\n    packageManagerDependencies:\n      pnpm: {specifier: \
                 9.15.0, version: 9.15.0}\n---\nlockfileVersion: '9.0'\n",
                "5:42",
            ),
        ] {
            let found = mismatches(&[("package.json", MANIFEST), (path, text)]);
            let found: Vec<_> =
                found.iter().map(|line| line.split(": pnpm").next().unwrap()).collect();
            assert_eq!(found, [format!("{path}:{place}")], "{text}");
        }
    }

    #[test]
    fn names_of_files_are_compared_as_file_systems_fold_case() {
        let old = r#"{"packageManager": "pnpm@9.15.0"}"#;
        for (manifest, other, text) in [
            ("pac\u{212a}age.json", "Dockerfile", "RUN npm i -g pnpm@9.15.0"),
            ("Package.j\u{17f}on", "Doc\u{212a}erfile.prod", "RUN npm i -g pnpm@9.15.0"),
            ("package.json", "web/pac\u{212a}age.json", old),
            ("package.json", ".tool-ver\u{17f}ions", "pnpm 9.15.0"),
        ] {
            let workspace = ("pnpm-wor\u{212a}space.yaml", "packages: [web]");
            let found = mismatches(&[(manifest, MANIFEST), (other, text), workspace]);
            assert_eq!(found.len(), 1, "{other}: {found:?}");
            assert!(found[0].contains(&format!("{manifest} pins pnpm 10.6.5")), "{found:?}");
        }
    }
}
