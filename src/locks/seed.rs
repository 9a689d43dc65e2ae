//! What pnpm starts from when it makes the lockfile of an image: what the workspace locks, and what
//! the image locked before.
//!
//! pnpm keeps the versions that a lockfile has and resolves only the rest. Without a seed, it would
//! lock other versions of packages than the workspace was tested with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::formats::document::{Key, Node, Value};
use crate::formats::lockfile::{Field, LockFault, LockStart, LockText};
use crate::locks::generation::Generation;
use crate::locks::graph::package_id;
use crate::locks::projects::{bare, importer_name};
use crate::locks::view::{ImageManifest, ImageView};
use crate::project::SourceFile;
use crate::project::directories::{relative_to, resolved};
use crate::project::kinds::FileKind;

/// The parts that record settings, which an image has only with the files of the settings.
const OF_SETTINGS: [&str; 6] = [
    "catalogs",
    "overrides",
    "packageExtensionsChecksum",
    "pnpmfileChecksum",
    "patchedDependencies",
    "ignoredOptionalDependencies",
];

/// What becomes of the packages that the workspace links, and the image has from a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InHouse {
    /// They stay as the image has them.
    Kept,
    /// pnpm resolves them again.
    Moved,
}

/// A lockfile that cannot be read, and why.
#[derive(Debug)]
pub(crate) struct Unseeded<'v> {
    pub source: &'v SourceFile,
    pub fault: LockFault,
}

/// The seed for the lockfile of an image; `None` if neither the workspace nor the image has locked
/// anything.
pub(crate) fn seed(view: &ImageView, in_house: InHouse) -> Result<Option<String>, Unseeded<'_>> {
    let read = |source| Lock::read(source);
    let (old, workspace) = (read(&view.lock)?, view.workspace.as_deref().map(read).transpose()?);
    let mut seed = Seed { view, workspace, old, importers: BTreeMap::new(), open: VecDeque::new() };
    for directory in view.manifest_directories() {
        if let Some(manifest) = view.manifest(&directory) {
            seed.importer(&manifest, in_house);
        }
    }
    if seed.importers.is_empty() {
        return Ok(None);
    }
    Ok(Some(seed.written()))
}

/// A lockfile with its text.
struct Lock<'v> {
    text: &'v [u8],
    /// The directory that its importers are relative to.
    home: String,
    document: LockText,
}

impl<'v> Lock<'v> {
    fn read(source: &'v SourceFile) -> Result<Self, Unseeded<'v>> {
        let text = &source.file.text;
        match LockText::parse(text) {
            Ok(document) => Ok(Self { text, home: source.file.directory().into_owned(), document }),
            Err(fault) => Err(Unseeded { source, fault }),
        }
    }

    fn part(&self, part: &str, key: &str) -> Option<&Node> {
        last(last(&self.document.root, part)?, key)
    }

    fn copied(&self, node: &Node) -> Written {
        copied(node, self.text)
    }
}

/// The value of a key, which may be short-lived.
fn last<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.entries().filter(|(found, _)| found.text == key).map(|(_, node)| node).last()
}

/// A value to write.
enum Written {
    Line(String),
    Map(Vec<(String, Written)>),
}

type Entries = Vec<(String, Written)>;

struct Seed<'v> {
    view: &'v ImageView,
    workspace: Option<Lock<'v>>,
    old: Lock<'v>,
    /// By their names in the image.
    importers: BTreeMap<String, Written>,
    /// The snapshots that are needed.
    open: VecDeque<String>,
}

impl Seed<'_> {
    /// Takes the importer of a manifest: from the workspace, without links out of the layout, or
    /// else from the old lockfile.
    fn importer(&mut self, manifest: &ImageManifest, in_house: InHouse) {
        let name = importer_name(&manifest.directory);
        let of_workspace = self.workspace.as_ref().and_then(|workspace| {
            let home = manifest.source.file.path.parent();
            let below = relative_to(workspace.home.as_bytes(), home)?;
            let known_as = importer_name(str::from_utf8(below).ok()?);
            Some((workspace, known_as, workspace.part("importers", known_as)?))
        });
        let (mut open, mut fields): (Vec<String>, Entries) = (Vec::new(), Vec::new());
        match of_workspace {
            Some((workspace, known_as, importer)) => {
                for (key, node) in importer.entries() {
                    if !Field::ALL.iter().any(|field| field.name() == key.text) {
                        fields.push((key.text.clone(), workspace.copied(node)));
                        continue;
                    }
                    let mut kept: Entries = Vec::new();
                    for (dependency, locked) in node.entries() {
                        let version = locked.last("version").and_then(Node::text);
                        let version = version.unwrap_or_default();
                        let taken = match version.strip_prefix("link:") {
                            Some(to) if !self.has(manifest, to) => {
                                let old = self.old_entry(name, &dependency.text);
                                let old = old.filter(|_| in_house == InHouse::Kept);
                                if old.is_none() {
                                    open.extend(behind(workspace, known_as, to));
                                }
                                old.map(|(version, node)| (version, self.old.copied(node)))
                            }
                            _ => Some((version, workspace.copied(locked))),
                        };
                        let Some((version, locked)) = taken else { continue };
                        open.extend(package_id(&dependency.text, version));
                        kept.push((written_key(&dependency.text), locked));
                    }
                    if !kept.is_empty() {
                        fields.push((key.text.clone(), Written::Map(kept)));
                    }
                }
            }
            None => {
                let Some(importer) = self.old.part("importers", name) else { return };
                for (key, node) in importer.entries() {
                    fields.push((key.text.clone(), self.old.copied(node)));
                    for (dependency, locked) in node.entries() {
                        let version = locked.last("version").and_then(Node::text);
                        open.extend(version.and_then(|it| package_id(&dependency.text, it)));
                    }
                }
            }
        }
        self.open.extend(open);
        let written =
            if fields.is_empty() { Written::Line("{}".to_owned()) } else { Written::Map(fields) };
        self.importers.insert(name.to_owned(), written);
    }

    /// Whether a link of a manifest leads to the same package in the image.
    fn has(&self, manifest: &ImageManifest, link: &str) -> bool {
        let there = resolved(&manifest.source.file.directory(), link);
        let here = resolved(&manifest.directory, link);
        let found = here.and_then(|directory| self.view.manifest(&directory));
        found.zip(there).is_some_and(|(found, there)| found.source.file.directory() == *there)
    }

    /// What the old lockfile has for a dependency, with its version, from a registry.
    fn old_entry(&self, importer: &str, name: &str) -> Option<(&str, &Node)> {
        let importer = self.old.part("importers", importer)?;
        let mut fields = Field::ALL.iter();
        let locked = fields.find_map(|field| last(importer.last(field.name())?, name))?;
        let version = locked.last("version")?.text()?;
        (!version.starts_with("link:")).then_some((version, locked))
    }

    /// The text, with what the importers need.
    fn written(mut self) -> String {
        let (mut packages, mut snapshots) = (BTreeMap::new(), BTreeMap::new());
        while let Some(id) = self.open.pop_front() {
            if snapshots.contains_key(&id) {
                continue;
            }
            // What the workspace locks is preferred.
            let locks = || self.workspace.iter().chain([&self.old]);
            let Some((lock, node)) =
                locks().find_map(|lock| Some((lock, lock.part("snapshots", &id)?)))
            else {
                continue;
            };
            let package =
                locks().find_map(|lock| Some(lock.copied(lock.part("packages", bare(&id))?)));
            packages.extend(package.map(|package| (bare(&id).to_owned(), package)));
            let fields = ["dependencies", "optionalDependencies"].into_iter();
            for (key, node) in fields.filter_map(|field| node.last(field)).flat_map(Node::entries) {
                self.open.extend(node.text().and_then(|version| package_id(&key.text, version)));
            }
            snapshots.insert(id.clone(), lock.copied(node));
        }
        let mut text = self.environment();
        let base = self.workspace.as_ref().unwrap_or(&self.old);
        let has_settings = self.workspace.is_none() || self.has_settings(&base.home);
        for (key, node) in base.document.root.entries() {
            let is_kept = matches!(key.text.as_str(), "lockfileVersion" | "settings")
                || has_settings && OF_SETTINGS.contains(&key.text.as_str());
            if is_kept {
                write(&mut text, 0, &key.text, &base.copied(node));
                text += "\n";
            }
        }
        for (name, part) in
            [("importers", self.importers), ("packages", packages), ("snapshots", snapshots)]
        {
            if part.is_empty() {
                continue;
            }
            text += &format!("{name}:\n");
            for (key, value) in part {
                text += "\n";
                write(&mut text, 1, &written_key(&key), &value);
            }
            text += "\n";
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    }

    /// Whether the image has the settings of the workspace.
    fn has_settings(&self, home: &str) -> bool {
        let of_root = self.view.manifest("").is_some_and(|it| it.source.file.directory() == home);
        of_root || self.view.at_root(FileKind::PnpmWorkspace).is_some()
    }

    /// The environment document of the old lockfile, if every pnpm that may be pinned reads it.
    fn environment(&self) -> String {
        let LockText { start, offset, .. } = self.old.document;
        let candidates = Generation::candidates(self.view.version.as_ref());
        let is_read = !candidates.contains(&Generation::Early10);
        let text = self.old.text.get(..offset).filter(|_| is_read && start == LockStart::Environment);
        text.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    }
}

/// The packages of registries behind a link of a workspace: the versions to prefer when pnpm
/// resolves the linked package anew.
fn behind(workspace: &Lock<'_>, importer: &str, link: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![joined(importer, link)];
    while let Some(name) = open.pop() {
        let Some(importer) = workspace.part("importers", &name) else { continue };
        let fields = ["dependencies", "optionalDependencies"].into_iter();
        for (key, locked) in fields.filter_map(|field| importer.last(field)).flat_map(Node::entries)
        {
            let version = locked.last("version").and_then(Node::text).unwrap_or_default();
            match version.strip_prefix("link:") {
                Some(to) => open.push(joined(&name, to)),
                None => found.extend(package_id(&key.text, version)),
            }
        }
        seen.insert(name);
        open.retain(|name| !seen.contains(name));
    }
    found
}

/// The name of the importer that a link of another one leads to; it may begin with `..`.
fn joined(importer: &str, link: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in importer.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// A value as it is written: in the words of the file, where they are on one line.
fn copied(node: &Node, text: &[u8]) -> Written {
    let source = text.get(node.span.clone()).map(String::from_utf8_lossy).unwrap_or_default();
    let source = source.trim_end();
    let is_flow = source.starts_with(['{', '[']);
    match &node.value {
        Value::Map(entries) if !is_flow && !entries.is_empty() => {
            let entry = |(key, node): &(Key, Node)| {
                (written_key(&key.text), copied(node, text))
            };
            Written::Map(entries.iter().map(entry).collect())
        }
        Value::Text(value) if source.contains('\n') => Written::Line(quoted(value)),
        Value::List(_) | Value::Map(_) if !is_flow || source.contains('\n') => {
            Written::Line(in_flow(node, text))
        }
        _ => Written::Line(source.to_owned()),
    }
}

/// A value on one line.
fn in_flow(node: &Node, text: &[u8]) -> String {
    match &node.value {
        Value::Map(entries) => {
            let entry = |(key, node): &(Key, Node)| {
                format!("{}: {}", written_key(&key.text), in_flow(node, text))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| in_flow(item, text)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Text(value) => {
            let plain = ["true", "false"].contains(&value.as_str());
            if plain { value.clone() } else { quoted(value) }
        }
        Value::Other => "null".to_owned(),
    }
}

/// A key as pnpm writes it: without quotes where YAML needs none.
fn written_key(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@()+~^".contains(&byte);
    let starts_plain = key.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '.');
    let is_number = key.parse::<f64>().is_ok() || ["true", "false", "null"].contains(&key);
    if starts_plain && key.bytes().all(is_plain) && !is_number {
        key.to_owned()
    } else if key.chars().any(|each| each.is_control() || each == '\'') {
        quoted(key)
    } else {
        format!("'{key}'")
    }
}

/// A string in double quotes, as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(out: &mut String, depth: usize, key: &str, value: &Written) {
    let indent = "  ".repeat(depth);
    match value {
        Written::Line(line) => *out += &format!("{indent}{key}: {line}\n"),
        Written::Map(entries) => {
            *out += &format!("{indent}{key}:\n");
            for (key, value) in entries {
                write(out, depth + 1, key, value);
            }
        }
    }
}
