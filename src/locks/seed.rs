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

    fn copied(&self, node: &Node) -> SeedValue {
        copied(node, self.text)
    }
}

/// The value of a key, which may be short-lived.
fn last<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.entries().filter(|(found, _)| found.text == key).map(|(_, node)| node).last()
}

/// The version of a dependency of an importer; empty if it is missing.
fn version_of(locked: &Node) -> &str {
    locked.last("version").and_then(Node::text).unwrap_or_default()
}

/// A value to write.
enum SeedValue {
    Line(String),
    Map(Vec<(String, SeedValue)>),
}

type SeedFields = Vec<(String, SeedValue)>;

/// The entries of a part of the lockfile, by their keys.
type Part = BTreeMap<String, SeedValue>;

/// The fields of an importer, and the ids of the snapshots that it needs.
type Taken = (SeedFields, Vec<String>);

struct Seed<'v> {
    view: &'v ImageView,
    workspace: Option<Lock<'v>>,
    old: Lock<'v>,
    /// By their names in the image.
    importers: Part,
    /// The snapshots that are needed.
    open: VecDeque<String>,
}

impl Seed<'_> {
    /// Takes the importer of a manifest: from the workspace, without links out of the layout, or
    /// else from the old lockfile.
    fn importer(&mut self, manifest: &ImageManifest, in_house: InHouse) {
        let name = importer_name(&manifest.directory);
        let taken = self.of_workspace(manifest, in_house).or_else(|| self.of_old(name));
        let Some((fields, open)) = taken else { return };
        self.open.extend(open);
        let is_empty = fields.is_empty();
        let written =
            if is_empty { SeedValue::Line("{}".to_owned()) } else { SeedValue::Map(fields) };
        self.importers.insert(name.to_owned(), written);
    }

    /// The fields of an importer of the workspace, and the snapshots that it needs.
    fn of_workspace(&self, manifest: &ImageManifest, in_house: InHouse) -> Option<Taken> {
        let workspace = self.workspace.as_ref()?;
        let below = relative_to(workspace.home.as_bytes(), manifest.source.file.path.parent())?;
        let name = importer_name(str::from_utf8(below).ok()?);
        let (mut fields, mut open) = Taken::default();
        for (key, node) in workspace.part("importers", name)?.entries() {
            if !Field::ALL.iter().any(|field| field.name() == key.text) {
                fields.push((key.text.clone(), workspace.copied(node)));
                continue;
            }
            let mut kept = SeedFields::new();
            for (dependency, locked) in node.entries() {
                let version = version_of(locked);
                let taken = match version.strip_prefix("link:") {
                    Some(to) if !self.has(manifest, to) => {
                        let old = self.old_entry(&manifest.directory, &dependency.text);
                        let old = old.filter(|_| in_house == InHouse::Kept);
                        if old.is_none() {
                            open.extend(behind(workspace, name, to));
                        }
                        old.map(|node| (version_of(node), self.old.copied(node)))
                    }
                    _ => Some((version, workspace.copied(locked))),
                };
                if let Some((version, locked)) = taken {
                    open.extend(package_id(&dependency.text, version));
                    kept.push((written_key(&dependency.text), locked));
                }
            }
            if !kept.is_empty() {
                fields.push((key.text.clone(), SeedValue::Map(kept)));
            }
        }
        Some((fields, open))
    }

    /// The fields of an importer of the old lockfile, and the snapshots that it needs.
    fn of_old(&self, name: &str) -> Option<Taken> {
        let (mut fields, mut open) = Taken::default();
        for (key, node) in self.old.part("importers", name)?.entries() {
            fields.push((key.text.clone(), self.old.copied(node)));
            let locked = node.entries();
            open.extend(locked.filter_map(|(key, node)| package_id(&key.text, version_of(node))));
        }
        Some((fields, open))
    }

    /// Whether a link of a manifest leads to the same package in the image.
    fn has(&self, manifest: &ImageManifest, link: &str) -> bool {
        let there = resolved(&manifest.source.file.directory(), link);
        let here = resolved(&manifest.directory, link);
        let found = here.and_then(|directory| self.view.manifest(&directory));
        found.zip(there).is_some_and(|(found, there)| found.source.file.directory() == *there)
    }

    /// What the old lockfile has for a dependency of a directory, from a registry.
    fn old_entry(&self, directory: &str, name: &str) -> Option<&Node> {
        let importer = self.old.part("importers", importer_name(directory))?;
        let mut fields = Field::ALL.iter();
        let locked = fields.find_map(|field| last(importer.last(field.name())?, name))?;
        (!version_of(locked).starts_with("link:")).then_some(locked)
    }

    /// The packages and snapshots that the importers need. What the workspace locks is preferred.
    fn needed(&mut self) -> (Part, Part) {
        let (mut packages, mut snapshots) = (Part::new(), Part::new());
        while let Some(id) = self.open.pop_front() {
            let locks = || self.workspace.iter().chain([&self.old]);
            let found = locks().find_map(|lock| Some((lock, lock.part("snapshots", &id)?)));
            let Some((lock, node)) = found.filter(|_| !snapshots.contains_key(&id)) else {
                continue;
            };
            let package = |lock: &Lock<'_>| Some(lock.copied(lock.part("packages", bare(&id))?));
            packages.extend(locks().find_map(package).map(|it| (bare(&id).to_owned(), it)));
            let fields = ["dependencies", "optionalDependencies"].into_iter();
            for (key, node) in fields.filter_map(|field| node.last(field)).flat_map(Node::entries) {
                self.open.extend(node.text().and_then(|version| package_id(&key.text, version)));
            }
            let snapshot = lock.copied(node);
            snapshots.insert(id, snapshot);
        }
        (packages, snapshots)
    }

    /// The text.
    fn written(mut self) -> String {
        let (packages, snapshots) = self.needed();
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
        let importers = std::mem::take(&mut self.importers);
        for (name, part) in
            [("importers", importers), ("packages", packages), ("snapshots", snapshots)]
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
        let text =
            self.old.text.get(..offset).filter(|_| is_read && start == LockStart::Environment);
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
fn copied(node: &Node, text: &[u8]) -> SeedValue {
    let source = text.get(node.span.clone()).map(String::from_utf8_lossy).unwrap_or_default();
    let source = source.trim_end();
    let is_flow = source.starts_with(['{', '[']);
    match &node.value {
        Value::Map(entries) if !is_flow && !entries.is_empty() => {
            let entry = |(key, node): &(Key, Node)| (written_key(&key.text), copied(node, text));
            SeedValue::Map(entries.iter().map(entry).collect())
        }
        Value::Text(value) if source.contains('\n') => SeedValue::Line(quoted(value)),
        Value::List(_) | Value::Map(_) if !is_flow || source.contains('\n') => {
            SeedValue::Line(in_flow(node))
        }
        _ => SeedValue::Line(source.to_owned()),
    }
}

/// A value on one line.
fn in_flow(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) => {
            let entry = |(key, node): &(Key, Node)| {
                format!("{}: {}", written_key(&key.text), in_flow(node))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(in_flow).collect();
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

fn write(out: &mut String, depth: usize, key: &str, value: &SeedValue) {
    let indent = "  ".repeat(depth);
    match value {
        SeedValue::Line(line) => *out += &format!("{indent}{key}: {line}\n"),
        SeedValue::Map(entries) => {
            *out += &format!("{indent}{key}:\n");
            for (key, value) in entries {
                write(out, depth + 1, key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use semver::Version;

    use super::*;
    use crate::base::change::File;
    use crate::formats::lockfile::Lockfile;

    /// A workspace that links packages of a sibling, as pnpm 10.6.5 wrote its lockfile, and the
    /// lockfile that it made for the image of `backend` from the seed.
    const WORKSPACE: &str = include_str!("../../tests/facts/lockfile_workspace.yaml");
    const IMAGE: &str = include_str!("../../tests/facts/lockfile_image.yaml");

    /// The lockfile of an image of which nothing is locked.
    const NEW: &str = "lockfileVersion: '9.0'\nimporters: {.: {}}\n";

    fn source(path: &str, text: &str) -> Rc<SourceFile> {
        let (path, text) = (path.into(), text.as_bytes().to_vec());
        Rc::new(SourceFile::new(File { path, text, fresh: true, replaces: false }))
    }

    /// The image of members, each with its directory in the image.
    fn view(members: &[(&str, &str)], lock: &str, workspace: &str) -> ImageView {
        let manifest = |(from, to): &(&str, &str)| {
            let to = if to.is_empty() { String::new() } else { format!("{to}/") };
            (format!("{to}{}", FileKind::MANIFEST), source(&format!("{from}/package.json"), "{}"))
        };
        ImageView {
            lock: source("backend/pnpm-lock.docker.yaml", lock),
            files: members.iter().map(manifest).collect(),
            members: None,
            has_settings: true,
            registries: None,
            version: Some(Version::new(10, 34, 9)),
            workspace: (!workspace.is_empty()).then(|| source("pnpm-lock.yaml", workspace)),
            user_npmrc: None,
            ignores_pin: false,
            doubts: BTreeSet::new(),
            origin: None,
        }
    }

    fn seeded(view: &ImageView, in_house: InHouse) -> String {
        let text = seed(view, in_house).unwrap().unwrap();
        Lockfile::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}\n{text}"));
        text
    }

    const BACKEND: [(&str, &str); 1] = [("backend", "")];

    #[test]
    fn what_the_image_locked_before_is_the_seed_of_the_same() {
        let same = seeded(&view(&BACKEND, IMAGE, WORKSPACE), InHouse::Kept);
        assert_eq!(same, IMAGE);
        // Without a workspace as well.
        assert_eq!(seeded(&view(&BACKEND, IMAGE, ""), InHouse::Kept), IMAGE);
        assert!(
            seed(&view(&BACKEND, "lockfileVersion: '9.0'\n", ""), InHouse::Kept).unwrap().is_none()
        );
    }

    #[test]
    fn the_workspace_decides_about_packages_of_others() {
        let older = IMAGE.replace("lk-third-a@1.0.0", "lk-third-a@0.9.0").replacen(
            "version: 1.0.0\n      lk-third-a",
            "version: 0.9.0\n      lk-third-a",
            1,
        );
        assert_eq!(seeded(&view(&BACKEND, &older, WORKSPACE), InHouse::Kept), IMAGE);
    }

    #[test]
    fn packages_of_the_sibling_are_left_to_pnpm() {
        let all = [
            seeded(&view(&BACKEND, IMAGE, WORKSPACE), InHouse::Moved),
            seeded(&view(&BACKEND, NEW, WORKSPACE), InHouse::Kept),
        ];
        assert_eq!(all[0], all[1]);
        let lock = Lockfile::parse(all[0].as_bytes()).unwrap();
        let names: Vec<_> =
            lock.importers["."].dependencies.iter().map(|locked| locked.name.as_str()).collect();
        assert_eq!(names, ["debug", "lk-third-a", "picocolors"]);
        assert!(!all[0].contains("@acme/"), "{}", all[0]);
        // What they need is preferred in the versions of the workspace, though nothing else needs
        // it.
        let other = WORKSPACE
            .replace(
                "      ms:\n        specifier: ^2.1.0",
                "      nanoid:\n        specifier: ^3.0.0",
            )
            .replacen("        version: 2.1.3", "        version: 3.3.20", 1);
        let text = seeded(&view(&BACKEND, NEW, &other), InHouse::Kept);
        assert!(text.contains("nanoid@3.3.20:"), "{text}");
    }

    #[test]
    fn links_stay_where_the_image_has_the_same_layout() {
        let members = [("web", "web"), ("shared", "shared")];
        let text = seeded(&view(&members, NEW, WORKSPACE), InHouse::Kept);
        assert!(text.contains("version: link:../shared"), "{text}");
        assert!(text.contains("lk-third-c@1.0.0(lk-third-b@1.1.0):"), "{text}");
        assert!(text.contains("\n  web:\n") && text.contains("\n  shared:\n"), "{text}");
        let elsewhere = [("web", "web"), ("shared", "lib/shared")];
        let text = seeded(&view(&elsewhere, NEW, WORKSPACE), InHouse::Kept);
        assert!(!text.contains("link:"), "{text}");
    }

    #[test]
    fn settings_come_along_if_the_image_has_them() {
        let overridden =
            WORKSPACE.replace("importers:\n", "overrides:\n  ms: 2.1.3\n\nimporters:\n");
        let mut view = view(&BACKEND, NEW, &overridden);
        assert!(!seeded(&view, InHouse::Kept).contains("overrides:"));
        let settings = source("pnpm-workspace.yaml", "overrides: {ms: 2.1.3}\n");
        view.files.insert(FileKind::WORKSPACE_OF_PNPM.to_owned(), settings);
        assert!(seeded(&view, InHouse::Kept).contains("overrides:\n  ms: 2.1.3\n"));
    }

    #[test]
    fn an_environment_document_stays_where_it_is_read() {
        let environment = "---\nlockfileVersion: '9.0'\nimporters: {.: {}}\n\n---\n";
        let two = format!("{environment}{IMAGE}");
        let mut view = view(&BACKEND, &two, WORKSPACE);
        assert_eq!(seeded(&view, InHouse::Kept), two);
        view.version = Some(Version::new(10, 6, 5));
        assert_eq!(seeded(&view, InHouse::Kept), IMAGE);
    }

    #[test]
    fn odd_values_are_written_so_that_they_mean_the_same() {
        let odd = IMAGE.replace(
            "    engines: {node: '>=6.0'}\n",
            "    engines:\n      node: \"a\\tb\"\n    deprecated: |-\n      two\n      lines: 1\n\
             \x20   cpu:\n      - x64\n      - 'a: b'\n    libc: [\n      a, true]\n\
             \x20   '0': \"\\u001b\"\n",
        );
        let text = seeded(&view(&BACKEND, &odd, ""), InHouse::Kept);
        let meaning = |text: &str| {
            fn plain(node: &Node) -> String {
                match &node.value {
                    Value::Map(entries) => {
                        let entries = entries.iter();
                        let entries =
                            entries.map(|(key, node)| format!("{:?}: {}", key.text, plain(node)));
                        entries.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
                    }
                    Value::List(items) => {
                        format!("{:?}", items.iter().map(plain).collect::<Vec<_>>())
                    }
                    Value::Text(text) => format!("{text:?}"),
                    Value::Other => "null".to_owned(),
                }
            }
            plain(&LockText::parse(text.as_bytes()).unwrap().root)
        };
        assert_eq!(meaning(&text), meaning(&odd), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_no_seed() {
        for (lock, workspace) in [("<<<<<<< a\n=======\n>>>>>>> b\n", WORKSPACE), (IMAGE, "a: [")] {
            let view = view(&BACKEND, lock, workspace);
            assert!(seed(&view, InHouse::Kept).is_err(), "{lock}");
        }
    }
}
