//! Pins of version managers, of Yarn's settings, and of the lockfile of pnpm.

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, Value};
use crate::formats::{self, Syntax};
use crate::models::Scalar;
use crate::pins::pin::{Demand, Manager, Pin, PinKind};

/// `.tool-versions`: of several versions of a tool, the first is used.
pub(super) fn tool_versions_pins(root: &Node, text: &[u8]) -> Vec<Pin> {
    let pin = |(tool, versions): (&Key, &Node)| {
        let manager = Manager::from_name(&tool.text)?;
        tool_pin(PinKind::ToolVersions, manager, versions.items().first()?, text)
    };
    root.entries().filter_map(pin).collect()
}

/// `mise.toml`: a tool is a version, a list of which the first is used, or a table that has one.
pub(super) fn mise_pins(root: &Node, text: &[u8]) -> Vec<Pin> {
    let pin = |(tool, value): (&Key, &Node)| {
        // `npm:pnpm`, `aqua:pnpm/pnpm`: a backend, and the name of the tool there.
        let package = tool.text.split_once(':').map_or(tool.text.as_str(), |(_, package)| package);
        let manager = Manager::from_package(package)
            .or_else(|| Manager::from_name(package.rsplit('/').next()?))?;
        let first = match &value.value {
            Value::List(versions) => versions.first()?,
            _ => value,
        };
        tool_pin(PinKind::Mise, manager, first.get("version").next().unwrap_or(first), text)
    };
    root.get("tools").flat_map(Node::entries).filter_map(pin).collect()
}

/// `.prototools`: a tool a line, at the top of the file.
pub(super) fn prototools_pins(root: &Node, text: &[u8]) -> Vec<Pin> {
    let pin = |(tool, version): (&Key, &Node)| {
        tool_pin(PinKind::Prototools, Manager::from_name(&tool.text)?, version, text)
    };
    root.entries().filter_map(pin).collect()
}

/// The pin of a tool. The version of Node.js or of the system, a path and a template are not
/// versions.
fn tool_pin(kind: PinKind, manager: Manager, version: &Node, text: &[u8]) -> Option<Pin> {
    let is_version =
        |text: &str| !matches!(text, "bundled" | "system") && !text.contains([':', '{']);
    version.text().filter(|text| is_version(text))?;
    Pin::from_string(kind, manager, &Scalar::parse(version), text)
}

/// `yarnPath` of `.yarnrc.yml`: the file that Yarn runs instead of itself. Its name has the
/// version.
pub(super) fn yarnrc_yml_pins(root: &Node, _text: &[u8]) -> Vec<Pin> {
    let pin = |node: &Node| yarn_file_pin(node.text()?, node.span.clone());
    root.last("yarnPath").and_then(pin).into_iter().collect()
}

/// `yarn-path` of the `.yarnrc` of Yarn 1; the last one counts.
pub(super) fn yarnrc_pins(text: &[u8]) -> Vec<Pin> {
    let (mut start, mut pin) = (0, None);
    for line in std::str::from_utf8(text).unwrap_or_default().split_inclusive('\n') {
        let place = start..start + line.trim_end().len();
        start += line.len();
        if let Some(value) = line.trim().strip_prefix("yarn-path") {
            pin = yarn_file_pin(value.trim().trim_matches('"'), place);
        }
    }
    pin.into_iter().collect()
}

/// The pin of a path such as `.yarn/releases/yarn-4.1.0.cjs`. It cannot be moved: the file of
/// another version is missing.
fn yarn_file_pin(path: &str, place: Span) -> Option<Pin> {
    let name = path.rsplit(['/', '\\']).next()?;
    let version = name.strip_prefix("yarn-")?.trim_end_matches(".cjs").trim_end_matches(".js");
    match Demand::parse(version) {
        demand @ Demand::Exact(_) => {
            Some(Pin::fixed(PinKind::YarnPath, Manager::Yarn, demand, place))
        }
        _ => None,
    }
}

/// The first document of `pnpm-lock.yaml`, where pnpm 11 and later keep which pnpm the project
/// uses. The hashes next to a version depend on it, so it cannot be moved by an edit.
pub(super) fn pnpm_lock_pins(text: &[u8]) -> Vec<Pin> {
    // A single document is the lockfile itself.
    let start = &text[..text.len().min(LONGEST_DOCUMENT)];
    let end = memchr::memmem::find(start, b"\n---\n")
        .filter(|_| memchr::memmem::find(start, FIELD).is_some());
    let Some(root) = end.and_then(|end| formats::parse(Syntax::Yaml, &text[..=end]).ok()) else {
        return Vec::new();
    };
    let pin = |(name, locked): (&Key, &Node)| {
        let (manager, version) = (Manager::from_name(&name.text)?, locked.last("version")?);
        let demand = Demand::parse(version.text()?);
        Some(Pin::fixed(PinKind::Lockfile, manager, demand, version.span.clone()))
    };
    let importers = root.get("importers").flat_map(|importers| importers.get("."));
    let locked = importers.flat_map(|importer| importer.get("packageManagerDependencies"));
    locked.flat_map(Node::entries).filter_map(pin).collect()
}

/// A key of the first document of a lockfile.
const FIELD: &[u8] = b"packageManagerDependencies";

/// The longest first document that is searched for, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1024;
