//! Files of version managers: `.tool-versions`, `mise.toml`, `.prototools`; and the Yarn that a
//! repository carries.

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::models::workspace::PnpmWorkspace;
use crate::pins::manifest::{patterns, string};
use crate::pins::{Demand, How, Manager, Pin, Reading};

/// `.tool-versions`: of several versions of a tool, the first is used.
pub(super) fn tool_versions(text: &[u8]) -> Reading {
    let Ok(root) = formats::parse(Syntax::ToolVersions, text) else { return Reading::default() };
    let mut reading = Reading::default();
    for (tool, versions) in root.entries() {
        let Value::List(versions) = &versions.value else { continue };
        if let (Some(manager), Some(version)) = (Manager::named(&tool.text), versions.first()) {
            reading.pins.extend(tool_pin(How::ToolVersions, manager, version, text));
        }
    }
    reading
}

/// `mise.toml`: a tool is a version, a list of which the first is used, or a table that has one.
pub(super) fn mise(text: &[u8]) -> Reading {
    let Ok(root) = formats::parse(Syntax::Toml, text) else { return Reading::default() };
    let mut reading = Reading::default();
    for (tool, value) in root.get("tools").flat_map(Node::entries) {
        // `npm:pnpm`, `aqua:pnpm/pnpm`: where it is taken from, and its name there.
        let package = tool.text.split_once(':').map_or(tool.text.as_str(), |(_, package)| package);
        let Some(manager) =
            Manager::of_package(package).or_else(|| Manager::named(package.rsplit('/').next()?))
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
            .extend(version.and_then(|version| tool_pin(How::Mise, manager, version, text)));
    }
    reading
}

/// `.prototools`: a tool a line, at the top of the file.
pub(super) fn prototools(text: &[u8]) -> Reading {
    let Ok(root) = formats::parse(Syntax::Toml, text) else { return Reading::default() };
    let pin = |(tool, version): (&formats::document::Key, &Node)| {
        tool_pin(How::Prototools, Manager::named(&tool.text)?, version, text)
    };
    Reading { pins: root.entries().filter_map(pin).collect(), ..Reading::default() }
}

/// A version as these files write it. What Node.js brings, what stands on the machine or in a
/// directory, and what a template puts in is none.
fn tool_pin(how: How, manager: Manager, version: &Node, text: &[u8]) -> Option<Pin> {
    let wanted = version.text()?;
    let is_none = matches!(wanted, "bundled" | "system") || wanted.contains([':', '{']);
    (!is_none).then(|| string(how, manager, wanted, &version.span, text))
}

/// `yarnPath` of `.yarnrc.yml`: the file that Yarn hands over to, whose name has the version.
pub(super) fn yarnrc_yml(root: Option<&Node>) -> Reading {
    let Some(root) = root else { return Reading::default() };
    let Some(node) = root.get("yarnPath").last() else { return Reading::default() };
    let pin = node.text().and_then(|path| yarn_file(path, node.span.clone()));
    Reading { pins: pin.into_iter().collect(), ..Reading::default() }
}

/// `yarn-path` of the `.yarnrc` of Yarn 1.
pub(super) fn yarnrc(text: &[u8]) -> Reading {
    let Ok(text) = std::str::from_utf8(text) else { return Reading::default() };
    let mut start = 0;
    let mut reading = Reading::default();
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
    match Demand::of(version) {
        demand @ Demand::Exact(_) => {
            Some(Pin::unchangeable(How::YarnPath, Manager::Yarn, demand, place))
        }
        _ => None,
    }
}

/// The members of a workspace, by its `pnpm-workspace.yaml`.
pub(super) fn pnpm_workspace(workspace: &PnpmWorkspace) -> Reading {
    Reading { members: workspace.packages.as_deref().map(patterns), ..Reading::default() }
}

/// The first document of `pnpm-lock.yaml`, where pnpm 11 and later keep which pnpm the project
/// uses. With it stand hashes, so a version cannot be moved by editing it.
pub(super) fn pnpm_lock(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
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
            (Manager::named(&name.text), locked.get("version").last())
            && let Some(wanted) = version.text()
        {
            let place = version.span.clone();
            reading.pins.push(Pin::unchangeable(How::Lockfile, manager, Demand::of(wanted), place));
        }
    }
    reading
}

/// What the first document of a lockfile holds besides the packages of pnpm itself.
const FIELD: &[u8] = b"packageManagerDependencies";

/// How much of a lockfile is searched for the end of that document, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1024;
