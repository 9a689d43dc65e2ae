//! The lockfile of pnpm, `lockfileVersion: '9.0'`, as a typed value with the place of every part.
//!
//! pnpm 11 and 12 may write a document before it, the environment document, with the versions of
//! pnpm itself and of configuration dependencies. A file has one if it begins with `---` and a
//! later line is `---`: see <https://pnpm.io/git#lockfiles>.

mod lines;

use std::collections::{BTreeMap, HashSet};

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, SyntaxError, Value};
use crate::formats::yaml;

/// A lockfile.
#[derive(Debug, Default)]
pub(crate) struct Lockfile {
    pub start: LockStart,
    /// The version of pnpm that the environment document records for the project, as it was asked
    /// for: `specifier` in `packageManagerDependencies`.
    pub manager: Option<String>,
    pub version: Option<LockScalar>,
    pub settings: BTreeMap<String, LockScalar>,
    pub overrides: BTreeMap<String, LockScalar>,
    /// By the names of the catalog and of the package.
    pub catalogs: BTreeMap<(String, String), CatalogEntry>,
    /// The value of `patchedDependencies`, by package: a hash, or a map of hash and path.
    pub patches: BTreeMap<String, LockedPatch>,
    pub ignored_optional: Vec<LockScalar>,
    pub extensions_checksum: Option<LockScalar>,
    pub hooks_checksum: Option<LockScalar>,
    pub importers: BTreeMap<String, Importer>,
    pub packages: BTreeMap<String, LockedPackage>,
    pub snapshots: BTreeMap<String, LockSnapshot>,
}

/// How a file begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LockStart {
    /// With the lockfile.
    #[default]
    Plain,
    /// With `---`, and without a second document.
    Marked,
    /// With an environment document.
    Environment,
}

/// A scalar of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockScalar {
    pub text: String,
    pub span: Span,
    /// Whether it has no quotes: `true` is a boolean, `'true'` a string.
    pub is_plain: bool,
}

/// An entry of a catalog that the lockfile records.
#[derive(Debug)]
pub(crate) struct CatalogEntry {
    pub span: Span,
    pub specifier: String,
    pub version: Option<LockScalar>,
}

/// A patch that the lockfile records.
#[derive(Debug)]
pub(crate) struct LockedPatch {
    pub span: Span,
    pub hash: String,
    /// pnpm 10 records it, later versions do not.
    pub path: Option<String>,
}

/// A project that the lockfile is for.
#[derive(Debug)]
pub(crate) struct Importer {
    /// The place of its name.
    pub span: Span,
    pub dependencies: Vec<Locked>,
    /// `dependenciesMeta`.
    pub meta: Option<Node>,
    pub publish_directory: Option<String>,
}

/// A dependency of an importer.
#[derive(Debug)]
pub(crate) struct Locked {
    pub field: Field,
    pub name: String,
    /// The place of its name.
    pub span: Span,
    /// As in the manifest.
    pub specifier: LockScalar,
    /// With the suffix of its peers, or `link:` and a directory.
    pub version: LockScalar,
}

/// A field of a manifest with dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Optional,
    Production,
    Development,
}

impl Field {
    /// The order in which pnpm prefers them.
    pub(crate) const ALL: [Self; 3] = [Self::Optional, Self::Production, Self::Development];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Optional => "optionalDependencies",
            Self::Production => "dependencies",
            Self::Development => "devDependencies",
        }
    }
}

/// An entry of `packages`.
#[derive(Debug)]
pub(crate) struct LockedPackage {
    pub span: Span,
    pub resolution: Option<Resolution>,
}

/// Where a package comes from.
#[derive(Debug)]
pub(crate) struct Resolution {
    pub span: Span,
    pub integrity: Option<LockScalar>,
    pub tarball: Option<LockScalar>,
    /// Whether it is a directory, a repository or another source without a tarball.
    pub is_other: bool,
}

/// An entry of `snapshots`: a package with its peers, and what it depends on.
#[derive(Debug)]
pub(crate) struct LockSnapshot {
    pub span: Span,
    /// The names of the dependencies with their versions.
    pub dependencies: Vec<(String, LockScalar)>,
}

/// Why no version of pnpm reads a lockfile as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockFault {
    /// Markers of a merge conflict. pnpm may merge both sides by itself, without a word.
    Conflict(Span),
    Empty,
    Syntax(SyntaxError),
    DuplicateKey(Span),
}

impl Lockfile {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LockFault> {
        let LockText { start, offset, root } = LockText::parse(bytes)?;
        let environment = bytes.get(..offset).filter(|_| start == LockStart::Environment);
        let manager = environment.and_then(recorded_manager);
        Ok(Self { start, manager, ..LockReader { text: bytes }.lockfile(root) })
    }
}

/// A lockfile as a tree of values.
#[derive(Debug)]
pub(crate) struct LockText {
    pub start: LockStart,
    /// Where the document of the project begins.
    pub offset: usize,
    pub root: Node,
}

impl LockText {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LockFault> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            LockFault::Syntax(SyntaxError { span: at..at + 1, message: "it is not UTF-8".into() })
        })?;
        if let Some(span) = conflict(text) {
            return Err(LockFault::Conflict(span));
        }
        let (start, offset) = project_document(text);
        let project = text.get(offset..).unwrap_or_default();
        let mut nodes = match lines::document(project) {
            Some(root) => vec![root],
            None => yaml::documents(project).map_err(|mut error| {
                error.span = error.span.start + offset..error.span.end + offset;
                LockFault::Syntax(error)
            })?,
        };
        if offset > 0 {
            for node in &mut nodes {
                node.shift(offset);
            }
        }
        if let Some(second) = nodes.get(1) {
            let message = "there is a second document".into();
            return Err(LockFault::Syntax(SyntaxError { span: second.span.clone(), message }));
        }
        let root = nodes.pop().filter(|root| matches!(root.value, Value::Map(_)));
        let root = root.ok_or(LockFault::Empty)?;
        if let Some(span) = duplicate(&root) {
            return Err(LockFault::DuplicateKey(span));
        }
        Ok(Self { start, offset, root })
    }
}

/// Whether a text is read line by line. Panics if the parser of all YAML reads it in another way.
#[cfg(any(fuzzing, test))]
pub(crate) fn is_read_by_lines(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(lines::is_certain)
}

/// The version of pnpm that an environment document records.
fn recorded_manager(text: &[u8]) -> Option<String> {
    let documents = yaml::documents(str::from_utf8(text).ok()?).ok()?;
    let importer = documents.first()?.last("importers")?.last(".")?;
    let recorded = importer.last("packageManagerDependencies")?.last("pnpm")?;
    recorded.last("specifier").and_then(Node::text).map(str::to_owned)
}

/// How a file begins, and where the document of the project starts.
fn project_document(text: &str) -> (LockStart, usize) {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let body = text.get(mark..).unwrap_or_default();
    let Some(rest) = body.strip_prefix("---\n").or(body.strip_prefix("---\r\n")) else {
        return (LockStart::Plain, mark);
    };
    let lines = rest.split_inclusive('\n').scan(text.len() - rest.len(), |at, line| {
        *at += line.len();
        Some((line.trim_end_matches(['\n', '\r']), *at))
    });
    let second = lines.skip(1).find(|(line, _)| *line == "---");
    second.map_or((LockStart::Marked, mark), |(_, after)| (LockStart::Environment, after))
}

/// The first marker of a merge conflict, if the others follow.
fn conflict(text: &str) -> Option<Span> {
    memchr::memmem::find(text.as_bytes(), b"<<<<<<<")?;
    let mut at = 0;
    let mut first = None;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<<") {
            first = first.or(Some(at..at + line.trim_end().len()));
        } else if line.starts_with(">>>>>>>") && first.is_some() {
            return first;
        }
        at += line.len();
    }
    None
}

/// The number of keys of which each is compared with each, which is faster than hashing them.
const FEW: usize = 8;

/// The second place of a key that a map has twice.
fn duplicate(node: &Node) -> Option<Span> {
    match &node.value {
        Value::Map(entries) => {
            let twice = if entries.len() <= FEW {
                let is_before = |(at, (key, _)): &(usize, &(Key, Node))| {
                    entries.iter().take(*at).any(|(other, _)| other.text == key.text)
                };
                entries.iter().enumerate().find(is_before).map(|(_, entry)| entry)
            } else if entries.windows(2).all(|pair| pair[0].0.text < pair[1].0.text) {
                // Sorted, as pnpm writes them.
                None
            } else {
                let mut seen = HashSet::with_capacity(entries.len());
                entries.iter().find(|(key, _)| !seen.insert(key.text.as_str()))
            };
            twice
                .map(|(key, _)| key.span.clone())
                .or_else(|| entries.iter().find_map(|(_, node)| duplicate(node)))
        }
        Value::List(items) => items.iter().find_map(duplicate),
        Value::Text(_) | Value::Other => None,
    }
}

/// Whether the source of a scalar has no quotes.
pub(crate) fn is_plain(text: &[u8], span: &Span) -> bool {
    !matches!(text.get(span.start), Some(b'\'' | b'"'))
}

struct LockReader<'t> {
    text: &'t [u8],
}

impl LockReader<'_> {
    fn lockfile(&self, root: Node) -> Lockfile {
        let mut lock = Lockfile::default();
        for (key, node) in into_entries(root) {
            match key.0.as_str() {
                "lockfileVersion" => lock.version = self.scalar(&node),
                "settings" => lock.settings = self.scalars(node),
                "overrides" => lock.overrides = self.scalars(node),
                "catalogs" => lock.catalogs = self.catalogs(node),
                "patchedDependencies" => lock.patches = Self::patches(node),
                "ignoredOptionalDependencies" => {
                    lock.ignored_optional =
                        node.items().iter().filter_map(|item| self.scalar(item)).collect();
                }
                "packageExtensionsChecksum" => lock.extensions_checksum = self.scalar(&node),
                "pnpmfileChecksum" => lock.hooks_checksum = self.scalar(&node),
                "importers" => {
                    let importers = into_entries(node);
                    let importer = |((path, span), node)| (path, self.importer(span, node));
                    lock.importers = map_of(importers.map(importer));
                }
                "packages" => {
                    let packages = into_entries(node);
                    let package = |((id, span), node)| (id, self.package(span, &node));
                    lock.packages = map_of(packages.map(package));
                }
                "snapshots" => {
                    let snapshots = into_entries(node);
                    let snapshot = |((id, span), node)| (id, self.snapshot(span, node));
                    lock.snapshots = map_of(snapshots.map(snapshot));
                }
                _ => {}
            }
        }
        lock
    }

    fn scalar(&self, node: &Node) -> Option<LockScalar> {
        self.owned(Node { span: node.span.clone(), value: Value::Text(node.text()?.to_owned()) })
    }

    fn owned(&self, Node { span, value }: Node) -> Option<LockScalar> {
        let is_plain = is_plain(self.text, &span);
        match value {
            Value::Text(text) => Some(LockScalar { text, span, is_plain }),
            _ => None,
        }
    }

    fn scalars(&self, node: Node) -> BTreeMap<String, LockScalar> {
        let entries = into_entries(node);
        map_of(entries.filter_map(|((key, _), node)| Some((key, self.owned(node)?))))
    }

    fn catalogs(&self, node: Node) -> BTreeMap<(String, String), CatalogEntry> {
        let mut found = BTreeMap::new();
        for ((catalog, _), entries) in into_entries(node) {
            for ((name, span), entry) in into_entries(entries) {
                let text = |key| entry.last(key).and_then(|node| self.scalar(node));
                let specifier = text("specifier").map(|scalar| scalar.text).unwrap_or_default();
                let version = text("version");
                let entry = CatalogEntry { span, specifier, version };
                found.insert((catalog.clone(), name), entry);
            }
        }
        found
    }

    fn patches(node: Node) -> BTreeMap<String, LockedPatch> {
        let patch = |((package, span), node): ((String, Span), Node)| {
            let field = |key| node.last(key).and_then(Node::text).map(str::to_owned);
            let (hash, path) = match node.text() {
                Some(hash) => (hash.to_owned(), None),
                None => (field("hash").unwrap_or_default(), field("path")),
            };
            (package, LockedPatch { span, hash, path })
        };
        map_of(into_entries(node).map(patch))
    }

    fn importer(&self, span: Span, node: Node) -> Importer {
        let mut importer =
            Importer { span, dependencies: Vec::new(), meta: None, publish_directory: None };
        for ((key, _), node) in into_entries(node) {
            let field = Field::ALL.into_iter().find(|field| field.name() == key);
            match (field, key.as_str()) {
                (Some(field), _) => {
                    for ((name, span), node) in into_entries(node) {
                        let text = |key| node.last(key).and_then(|node| self.scalar(node));
                        let missing = || LockScalar {
                            text: String::new(),
                            span: span.clone(),
                            is_plain: true,
                        };
                        let specifier = text("specifier").unwrap_or_else(missing);
                        let version = text("version").unwrap_or_else(missing);
                        importer.dependencies.push(Locked {
                            field,
                            name,
                            span,
                            specifier,
                            version,
                        });
                    }
                }
                (None, "dependenciesMeta") => importer.meta = Some(node),
                (None, "publishDirectory") => {
                    importer.publish_directory = node.text().map(str::to_owned);
                }
                _ => {}
            }
        }
        importer
    }

    fn package(&self, span: Span, node: &Node) -> LockedPackage {
        let resolution = node.last("resolution").map(|node| Resolution {
            span: node.span.clone(),
            integrity: node.last("integrity").and_then(|node| self.scalar(node)),
            tarball: node.last("tarball").and_then(|node| self.scalar(node)),
            is_other: node.entries().any(|(key, _)| {
                matches!(key.text.as_str(), "type" | "directory" | "repo" | "commit" | "variants")
            }),
        });
        LockedPackage { span, resolution }
    }

    fn snapshot(&self, span: Span, node: Node) -> LockSnapshot {
        let mut dependencies = Vec::new();
        for ((key, _), node) in into_entries(node) {
            if matches!(key.as_str(), "dependencies" | "optionalDependencies") {
                dependencies.reserve_exact(node.entries().count());
                let of_field = into_entries(node);
                dependencies.extend(
                    of_field.filter_map(|((name, _), node)| Some((name, self.owned(node)?))),
                );
            }
        }
        LockSnapshot { span, dependencies }
    }
}

/// The entries of a map with the places of their keys; none for any other value.
/// A map of entries. `collect` would bring the code of a sort for each type.
fn map_of<V>(entries: impl Iterator<Item = (String, V)>) -> BTreeMap<String, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

fn into_entries(node: Node) -> impl Iterator<Item = ((String, Span), Node)> {
    let entries = match node.value {
        Value::Map(entries) => entries,
        _ => Vec::new(),
    };
    entries.into_iter().map(|(key, node)| ((key.text, key.span), node))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "lockfileVersion: '9.0'\nsettings: {autoInstallPeers: true}\nimporters:\n  \
                        .:\n    dependencies:\n      a: {specifier: ^1.0.0, \
                        version: 1.0.1(b@2.0.0)}\n\
                        packages:\n  a@1.0.1: {resolution: {integrity: sha512-x}}\n\
                        snapshots:\n  a@1.0.1(b@2.0.0):\n    dependencies: {b: 2.0.0}\n";

    #[test]
    fn parts_have_their_places() {
        let text = format!("\u{feff}{LOCK}");
        let lock = Lockfile::parse(text.as_bytes()).unwrap();
        let version = lock.version.unwrap();
        assert_eq!((version.text.as_str(), version.is_plain), ("9.0", false));
        assert!(lock.settings["autoInstallPeers"].is_plain);
        let locked = &lock.importers["."].dependencies[0];
        assert_eq!(text.get(locked.version.span.clone()), Some("1.0.1(b@2.0.0)"));
        assert_eq!(lock.snapshots["a@1.0.1(b@2.0.0)"].dependencies[0].0, "b");
        assert!(lock.packages["a@1.0.1"].resolution.as_ref().unwrap().integrity.is_some());
    }

    #[test]
    fn an_environment_document_is_not_the_lockfile() {
        let environment = "---\nlockfileVersion: '9.0'\nimporters: {x: {}}\n\n---\n";
        for (text, start, importer) in [
            (LOCK.to_owned(), LockStart::Plain, "."),
            (format!("---\n{LOCK}"), LockStart::Marked, "."),
            (format!("{environment}{LOCK}"), LockStart::Environment, "."),
            (format!("{LOCK}...\n"), LockStart::Plain, "."),
        ] {
            let lock = Lockfile::parse(text.as_bytes()).unwrap();
            assert_eq!(lock.start, start, "{text}");
            assert_eq!(lock.importers.keys().collect::<Vec<_>>(), [importer], "{text}");
            let span = lock.importers[importer].span.clone();
            assert_eq!(text.get(span), Some("."));
            assert_eq!(lock.manager, None);
        }
        let manager = "{packageManagerDependencies: {pnpm: {specifier: 12.21.0, version: 1}}}";
        let text = format!("{}{LOCK}", environment.replace("x: {}", &format!(".: {manager}")));
        assert_eq!(Lockfile::parse(text.as_bytes()).unwrap().manager.unwrap(), "12.21.0");
    }

    #[test]
    fn what_no_version_reads_is_a_fault() {
        let conflict = LOCK.replace("packages:", "<<<<<<< a\npackages:\n=======\n>>>>>>> b");
        let twice = format!("{LOCK}packages: {{}}\n");
        for (text, expected) in [
            (conflict.as_str(), "Conflict"),
            ("", "Empty"),
            ("x", "Empty"),
            ("a: [", "Syntax"),
            ("a: 1\n---\nb: 1\n", "Syntax"),
            (&twice, "DuplicateKey"),
        ] {
            let fault = format!("{:?}", Lockfile::parse(text.as_bytes()).unwrap_err());
            assert!(fault.starts_with(expected), "{text}: {fault}");
        }
        assert!(matches!(Lockfile::parse(b"\xff"), Err(LockFault::Syntax(_))));
    }
}
