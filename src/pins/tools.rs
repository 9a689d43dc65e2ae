//! Files of version managers: `.tool-versions`, `mise.toml`, `.prototools`; and the Yarn that a
//! repository carries.

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::models::workspace::PnpmWorkspace;
use crate::pins::manifest::{patterns, string_pin};
use crate::pins::{Demand, FilePins, Manager, Pin, PinKind};

/// `.tool-versions`: of several versions of a tool, the first is used.
pub(super) fn tool_versions_pins(text: &[u8]) -> FilePins {
    let Ok(root) = formats::parse(Syntax::ToolVersions, text) else { return FilePins::default() };
    let mut reading = FilePins::default();
    for (tool, versions) in root.entries() {
        let Value::List(versions) = &versions.value else { continue };
        if let (Some(manager), Some(version)) = (Manager::from_name(&tool.text), versions.first()) {
            reading.pins.extend(tool_pin(PinKind::ToolVersions, manager, version, text));
        }
    }
    reading
}

/// `mise.toml`: a tool is a version, a list of which the first is used, or a table that has one.
pub(super) fn mise_pins(text: &[u8]) -> FilePins {
    let Ok(root) = formats::parse(Syntax::Toml, text) else { return FilePins::default() };
    let mut reading = FilePins::default();
    for (tool, value) in root.get("tools").flat_map(Node::entries) {
        // `npm:pnpm`, `aqua:pnpm/pnpm`: where it is taken from, and its name there.
        let package = tool.text.split_once(':').map_or(tool.text.as_str(), |(_, package)| package);
        let Some(manager) = Manager::from_package(package)
            .or_else(|| Manager::from_name(package.rsplit('/').next()?))
        else {
            continue;
        };
        let first = match &value.value {
            Value::List(versions) => versions.first(),
            _ => Some(value),
        };
        let version = first.and_then(|first| first.get("version").next().or(Some(first)));
        reading
            .pins
            .extend(version.and_then(|version| tool_pin(PinKind::Mise, manager, version, text)));
    }
    reading
}

/// `.prototools`: a tool a line, at the top of the file.
pub(super) fn prototools_pins(text: &[u8]) -> FilePins {
    let Ok(root) = formats::parse(Syntax::Toml, text) else { return FilePins::default() };
    let pin = |(tool, version): (&formats::document::Key, &Node)| {
        tool_pin(PinKind::Prototools, Manager::from_name(&tool.text)?, version, text)
    };
    FilePins { pins: root.entries().filter_map(pin).collect(), ..FilePins::default() }
}

/// A version as these files write it. What Node.js brings, what stands on the machine or in a
/// directory, and what a template puts in is none.
fn tool_pin(kind: PinKind, manager: Manager, version: &Node, text: &[u8]) -> Option<Pin> {
    let wanted = version.text()?;
    let is_none = matches!(wanted, "bundled" | "system") || wanted.contains([':', '{']);
    (!is_none).then(|| string_pin(kind, manager, wanted, &version.span, text))
}

/// `yarnPath` of `.yarnrc.yml`: the file that Yarn hands over to, whose name has the version.
pub(super) fn yarnrc_yml_pins(root: Option<&Node>) -> FilePins {
    let Some(root) = root else { return FilePins::default() };
    let Some(node) = root.get("yarnPath").last() else { return FilePins::default() };
    let pin = node.text().and_then(|path| yarn_file(path, node.span.clone()));
    FilePins { pins: pin.into_iter().collect(), ..FilePins::default() }
}

/// `yarn-path` of the `.yarnrc` of Yarn 1.
pub(super) fn yarnrc_pins(text: &[u8]) -> FilePins {
    let Ok(text) = std::str::from_utf8(text) else { return FilePins::default() };
    let mut start = 0;
    let mut reading = FilePins::default();
    for line in text.split_inclusive('\n') {
        let place = start..start + line.trim_end().len();
        start += line.len();
        if let Some(value) = line.trim().strip_prefix("yarn-path") {
            let path = value.trim().trim_matches('"');
            reading.pins = yarn_file(path, place).into_iter().collect();
        }
    }
    reading
}

/// `.yarn/releases/yarn-4.1.0.cjs`. The file is there, so a version cannot be moved by naming
/// another.
fn yarn_file(path: &str, place: Span) -> Option<Pin> {
    let name = path.rsplit(['/', '\\']).next()?;
    let version = name.strip_prefix("yarn-")?.trim_end_matches(".cjs").trim_end_matches(".js");
    match Demand::parse(version) {
        demand @ Demand::Exact(_) => {
            Some(Pin::fixed(PinKind::YarnPath, Manager::Yarn, demand, place))
        }
        _ => None,
    }
}

/// The members of a workspace, by its `pnpm-workspace.yaml`.
pub(super) fn pnpm_workspace_pins(workspace: &PnpmWorkspace) -> FilePins {
    FilePins { members: workspace.packages.as_deref().map(patterns), ..FilePins::default() }
}

/// The first document of `pnpm-lock.yaml`, where pnpm 11 and later keep which pnpm the project
/// uses. With it stand hashes, so a version cannot be moved by editing it.
pub(super) fn pnpm_lock_pins(text: &[u8]) -> FilePins {
    let mut reading = FilePins::default();
    // With only one document, it is the lockfile itself.
    let start = &text[..text.len().min(LONGEST_DOCUMENT)];
    let end = memchr::memmem::find(start, b"\n---\n")
        .filter(|_| memchr::memmem::find(start, FIELD).is_some());
    let Some(root) = end.and_then(|end| formats::parse(Syntax::Yaml, &text[..=end]).ok()) else {
        return reading;
    };
    let importers = root.get("importers").flat_map(|importers| importers.get("."));
    for (name, locked) in
        importers.flat_map(|top| top.get("packageManagerDependencies")).flat_map(Node::entries)
    {
        if let (Some(manager), Some(version)) =
            (Manager::from_name(&name.text), locked.get("version").last())
            && let Some(wanted) = version.text()
        {
            let place = version.span.clone();
            reading.pins.push(Pin::fixed(PinKind::Lockfile, manager, Demand::parse(wanted), place));
        }
    }
    reading
}

/// What the first document of a lockfile holds besides the packages of pnpm itself.
const FIELD: &[u8] = b"packageManagerDependencies";

/// How much of a lockfile is searched for the end of that document, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1024;
