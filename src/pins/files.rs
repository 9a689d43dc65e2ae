//! Which files pin a package manager, known by their names, and who reads each.

use std::collections::HashSet;

use crate::base::change::Entry;
use crate::base::path::RepoPath;
use crate::formats::shell::Variable;
use crate::pins::{Reading, ci, compose, devcontainer, dockerfile, gitlab, manifest, tools};

/// A kind of file that may pin a package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    PnpmWorkspace,
    PnpmLock,
    Dockerfile,
    Workflow,
    Gitlab,
    Compose,
    Devcontainer,
    ToolVersions,
    Mise,
    Prototools,
    YarnrcYml,
    Yarnrc,
}

/// Whether a file may pin a package manager.
pub(crate) fn is_pinning(path: &RepoPath) -> bool {
    kind(path).is_some()
}

/// Whether a change of a file may be one of a pin. A lockfile follows the manifest, and is large.
pub(crate) fn is_telling(path: &RepoPath) -> bool {
    !matches!(kind(path), None | Some(Kind::PnpmLock))
}

/// Whether a file is a manifest.
pub(crate) fn is_manifest(path: &RepoPath) -> bool {
    path.is_named("package.json")
}

fn kind(path: &RepoPath) -> Option<Kind> {
    let name = path.file_name();
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    let ends = |ending: &str| {
        name.len() > ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
    };
    let is_yaml = ends(".yml") || ends(".yaml");
    let kind = match name.first()?.to_ascii_lowercase() {
        b'p' if is("package.json") => Kind::Manifest,
        b'p' if is("pnpm-workspace.yaml") => Kind::PnpmWorkspace,
        b'p' if is("pnpm-lock.yaml") => Kind::PnpmLock,
        b'.' if is(".tool-versions") => Kind::ToolVersions,
        b'.' if is(".prototools") => Kind::Prototools,
        b'.' if is(".yarnrc.yml") => Kind::YarnrcYml,
        b'.' if is(".yarnrc") => Kind::Yarnrc,
        b'.' if is(".mise.toml") => Kind::Mise,
        b'.' if is(".gitlab-ci.yml") => Kind::Gitlab,
        b'.' if is(".devcontainer.json") => Kind::Devcontainer,
        b'd' if is("devcontainer.json") => Kind::Devcontainer,
        b'm' if is("mise.toml") => Kind::Mise,
        b'c' if is("config.toml") && is_of_mise(path.parent()) => Kind::Mise,
        b'd' if is_yaml && starts(name, b"docker-compose") => Kind::Compose,
        b'c' if is_yaml && starts(name, b"compose") => Kind::Compose,
        b'a' if is_yaml && (is("action.yml") || is("action.yaml")) => Kind::Workflow,
        _ if is_yaml && is_workflows(path.parent()) => Kind::Workflow,
        _ if is_dockerfile(name) => Kind::Dockerfile,
        _ => return None,
    };
    Some(kind)
}

/// The directories of GitHub, Gitea and Forgejo.
fn is_workflows(directory: &[u8]) -> bool {
    [&b".github/workflows"[..], b".gitea/workflows", b".forgejo/workflows"].contains(&directory)
}

/// `mise`, `.mise`, `.config/mise`.
fn is_of_mise(directory: &[u8]) -> bool {
    let last = directory.rsplit(|&byte| byte == b'/').next();
    matches!(last, Some(b"mise" | b".mise"))
}

fn starts(name: &[u8], start: &[u8]) -> bool {
    name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// `Dockerfile`, `Containerfile`, and names made from them: `Dockerfile.prod`, `prod.Dockerfile`.
fn is_dockerfile(name: &[u8]) -> bool {
    let ends =
        |ending: &[u8]| name.len() >= ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending);
    let made_from = |base: &[u8]| {
        starts(name, base) && matches!(name.get(base.len()), None | Some(b'.'))
            || ends(base) && name.len().checked_sub(base.len() + 1).is_some_and(|dot| name[dot] == b'.')
    };
    !ends(b".dockerignore") && !ends(b".md") && (made_from(b"dockerfile") || made_from(b"containerfile"))
}

/// Reads a file as the tool reads it that obeys it.
pub(super) fn read(path: &RepoPath, text: &[u8]) -> Reading {
    read_given(path, text, Vec::new())
}

/// The same, with arguments that whoever uses the file gives to it.
pub(super) fn read_given(path: &RepoPath, text: &[u8], arguments: Vec<(String, Variable)>) -> Reading {
    let Some(kind) = kind(path) else { return Reading::default() };
    let mut reading = match kind {
        Kind::Manifest => manifest::read(text),
        Kind::PnpmLock => tools::pnpm_lock(text),
        Kind::PnpmWorkspace => tools::pnpm_workspace(text),
        Kind::Dockerfile => dockerfile::read(text, arguments),
        Kind::Workflow => ci::read(text, arguments),
        Kind::Gitlab => gitlab::read(text),
        Kind::Compose => compose::read(text, path.parent()),
        Kind::Devcontainer => devcontainer::read(text),
        Kind::ToolVersions => tools::tool_versions(text),
        Kind::Mise => tools::mise(text),
        Kind::Prototools => tools::prototools(text),
        Kind::YarnrcYml => tools::yarnrc_yml(text),
        Kind::Yarnrc => tools::yarnrc(text),
    };
    home(kind, path).clone_into(&mut reading.home);
    for pin in &mut reading.pins {
        // A step of a workflow, or a command behind `cd`, has said where it stands, from there.
        let below = std::mem::take(&mut pin.directory);
        let parts = [reading.home.as_slice(), &below];
        pin.directory = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/');
    }
    reading.tidy();
    reading
}

/// The directory that a file speaks for.
fn home(kind: Kind, path: &RepoPath) -> &[u8] {
    let directory = path.parent();
    match kind {
        // Steps start at the top, wherever the workflow is.
        Kind::Workflow => b"",
        Kind::Mise => [&b".config/mise"[..], b".mise", b"mise", b".config"]
            .iter()
            .find_map(|inner| directory.strip_suffix(*inner).filter(|rest| rest.is_empty() || rest.ends_with(b"/")))
            .map_or(directory, |outer| outer.strip_suffix(b"/").unwrap_or(outer)),
        Kind::Devcontainer => {
            let parts = directory.split(|&byte| byte == b'/').take_while(|part| *part != b".devcontainer");
            let length: usize = parts.map(|part| part.len() + 1).sum();
            &directory[..length.saturating_sub(1)]
        }
        _ => directory,
    }
}

/// Leaves of all files that may pin one those that are worth reading. In a large workspace most manifests pin nothing, and
/// one counts only for what stands in or below its directory; all are read if asked for, and so are lockfiles.
pub(crate) fn select(entries: &mut Vec<Entry>, every_manifest: bool) {
    let is_manifest = |entry: &Entry| is_manifest(&entry.path);
    let mut above = HashSet::from([Vec::new()]);
    for entry in entries.iter().filter(|entry| entry.fresh || !is_manifest(entry)) {
        let mut directory = entry.path.parent();
        while above.insert(directory.to_owned()) && !directory.is_empty() {
            directory = parent(directory);
        }
    }
    entries.retain(|entry| {
        !is_installed_package(entry.path.parent())
            && (every_manifest
                || is_telling(&entry.path) && (!is_manifest(entry) || above.contains(entry.path.parent())))
    });
}

/// The directory that holds a directory; the top holds itself.
pub(super) fn parent(directory: &[u8]) -> &[u8] {
    &directory[..directory.iter().rposition(|&byte| byte == b'/').unwrap_or(0)]
}

/// Whether a directory is a package in `node_modules`, where corepack does not look.
pub(super) fn is_installed_package(directory: &[u8]) -> bool {
    let mut parts = directory.rsplit(|&byte| byte == b'/');
    parts.next();
    matches!(parts.find(|part| !part.starts_with(b"@")), Some(b"node_modules"))
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, told};

    #[test]
    fn every_file_that_pins_is_held_against_the_manifest() {
        for (path, text, place) in [
            (".tool-versions", "nodejs 22.1.0\npnpm 9.15.0 10.6.5\n", "2:6"),
            ("mise.toml", "[tools]\npnpm = \"9.15.0\"", "2:9"),
            (".config/mise/config.toml", "[tools]\n\"npm:pnpm\" = [\"9.15.0\", \"10\"]", "2:16"),
            (".mise.toml", "[tools.\"aqua:pnpm/pnpm\"]\nversion = '9.15.0'", "2:12"),
            (".prototools", "pnpm = \"9.15.0\"", "1:9"),
            (
                ".devcontainer/devcontainer.json",
                "{\"features\": {\"ghcr.io/devcontainers/features/node:1\": {\"pnpmVersion\": \"9.15.0\",},},}",
                "1:73",
            ),
            (".devcontainer.json", r#"{"postCreateCommand": ["bash", "-lc", "npm i -g pnpm@9.15.0"]}"#, "1:54"),
            ("compose.yml", "services: {a: {command: [sh, -c, npm i -g pnpm@9.15.0]}}", "1:48"),
            (".devcontainer.json", "{ // c\n\"postCreateCommand\": {\"a\": \"npm i -g pnpm@9.15.0\"}}", "2:43"),
            (".gitlab-ci.yml", "a:\n  script:\n    - - npm i -g pnpm@9.15.0", "3:23"),
            (".gitlab-ci.yml", "variables: {V: 9.15.0}\nbefore_script:\n  - npm i -g pnpm@$V", "1:16"),
            (".gitlab-ci.yml", "a:\n  image: {name: 'ghcr.io/pnpm/pnpm:9.15.0-slim'}", "2:36"),
            ("Dockerfile", "ARG V=9.15.0\nFROM ghcr.io/pnpm/pnpm:$V", "1:7"),
            ("compose.yml", "services: {a: {image: 'ghcr.io/pnpm/pnpm:9.15.0'}}", "1:42"),
            ("compose.yml", "services: {a: {command: sh -c \"npm i -g pnpm@9.15.0\"}}", "1:46"),
            (
                "action.yml",
                "inputs: {v: {default: 9.15.0}}\nruns: {steps: [{uses: pnpm/action-setup@v2, with: {version: '${{ inputs.v }}'}}]}",
                "1:23",
            ),
            (
                "pnpm-lock.yaml",
                "---\nimporters:\n  .:\n    packageManagerDependencies:\n      pnpm: {specifier: 9.15.0, version: 9.15.0}\n---\nlockfileVersion: '9.0'\n",
                "5:42",
            ),
        ] {
            let found = told(&[("package.json", MANIFEST), (path, text)]);
            let found: Vec<_> = found.iter().map(|line| line.split(": pnpm").next().unwrap()).collect();
            assert_eq!(found, [format!("{path}:{place}")], "{text}");
        }
    }
}
