//! The settings of pnpm that a lockfile records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::formats::Syntax;
use crate::formats::document::{Node, Value};
use crate::formats::npmrc::{SettingsDialect, named};
use crate::locks::checksums;
use crate::locks::generation::Generation;
use crate::locks::view::{ImageManifest, ImageView};
use crate::project::kinds::FileKind;

/// The settings in force for one version of pnpm.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are settings of pnpm")]
pub(super) struct LockSettings {
    /// By selector.
    pub overrides: BTreeMap<String, String>,
    /// By the names of the catalog and of the package.
    pub catalogs: BTreeMap<(String, String), String>,
    /// The path of each patch, by package.
    pub patches: BTreeMap<String, String>,
    pub ignored_optional: BTreeSet<String>,
    pub extensions: Checksum,
    /// The names of the packages that `packageExtensions` extends.
    pub extended: Vec<String>,
    pub auto_install_peers: bool,
    pub exclude_links: bool,
    pub inject_packages: bool,
    pub dedupe_peers: bool,
    pub link_packages: bool,
    /// `peersSuffixMaxLength`, as it is written.
    pub suffix_length: String,
    /// The patterns of the members; `None` without `packages`.
    pub members: Option<Vec<String>>,
    /// Whether the age of packages is set, or excluded for some.
    pub limits_age: bool,
    /// Whether pnpm ignores the version that a manifest pins.
    pub ignores_pin: bool,
    /// Whether pnpm merges lockfiles of branches, and deletes them.
    pub merges_branches: bool,
    /// Whether `pnpm-workspace.yaml` cannot be parsed.
    pub is_broken: bool,
    /// Why the lockfile cannot be judged.
    pub obstacle: Option<&'static str>,
}

/// A checksum that pnpm computes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Checksum {
    /// There is nothing to compute one of.
    #[default]
    Absent,
    Known(String),
    Unknown,
}

/// The settings with the value `true` or `false`: the key in `pnpm-workspace.yaml`, that in
/// `.npmrc`, and the default.
const SWITCHES: [(&str, &str, bool); 5] = [
    ("autoInstallPeers", "auto-install-peers", true),
    ("excludeLinksFromLockfile", "exclude-links-from-lockfile", false),
    ("injectWorkspacePackages", "inject-workspace-packages", false),
    ("dedupePeers", "dedupe-peers", false),
    ("linkWorkspacePackages", "link-workspace-packages", false),
];

impl LockSettings {
    pub(super) fn of(
        view: &ImageView,
        root: Option<&ImageManifest>,
        generation: Generation,
    ) -> Self {
        let mut found = Self { suffix_length: "1000".to_owned(), ..Self::default() };
        let workspace = view.at_root(FileKind::PnpmWorkspace);
        let document = workspace.map(|source| source.document(Syntax::Yaml));
        let node = document.as_ref().and_then(|document| document.as_ref().as_ref().ok());
        let workspace =
            workspace.zip(node).map(|(source, node)| (node, source.file.text.as_slice()));
        if document.is_some() && workspace.is_none() {
            found.is_broken = true;
        }
        let manifest = root
            .filter(|_| generation.reads_manifest_settings())
            .and_then(|manifest| Some((manifest.root()?, manifest.source.file.text.as_slice())));
        if let Some((root, text)) = manifest {
            found.take_overrides(root.last("resolutions"));
            found.take(root.last("pnpm"), text);
        }
        found.switch(view, workspace.map(|(node, _)| node), generation);
        if let Some((node, text)) = workspace {
            found.take(Some(node), text);
            found.take_workspace(node);
        }
        found.resolve(root);
        found
    }

    /// Takes the settings of packages, of `pnpm-workspace.yaml` or of `pnpm` in a manifest.
    fn take(&mut self, node: Option<&Node>, text: &[u8]) {
        let Some(node) = node else { return };
        self.take_overrides(node.last("overrides"));
        if let Some(patches) = node.last("patchedDependencies") {
            self.patches = texts(patches);
        }
        if let Some(ignored) = node.last("ignoredOptionalDependencies") {
            let names = ignored.items().iter().filter_map(Node::text);
            self.ignored_optional = names.map(str::to_owned).collect();
        }
        if let Some(extensions) = node.last("packageExtensions") {
            let is_empty = extensions.entries().next().is_none();
            let known = checksums::extensions(extensions, text);
            self.extensions = match known {
                _ if is_empty => Checksum::Absent,
                Some(checksum) => Checksum::Known(checksum),
                None => Checksum::Unknown,
            };
            let selectors = extensions.entries().map(|(key, _)| key.text.clone());
            self.extended = selectors.collect();
        }
    }

    fn take_overrides(&mut self, node: Option<&Node>) {
        self.overrides.extend(node.map(texts).unwrap_or_default());
    }

    fn take_workspace(&mut self, node: &Node) {
        let packages = node.last("packages").filter(|node| matches!(node.value, Value::List(_)));
        self.members = packages
            .map(|node| node.items().iter().filter_map(Node::text).map(str::to_owned).collect());
        let entries = |name: &str, node: &Node| -> Vec<((String, String), String)> {
            let entry = |(package, spec)| ((name.to_owned(), package), spec);
            texts(node).into_iter().map(entry).collect()
        };
        if let Some(catalog) = node.last("catalog") {
            self.catalogs.extend(entries("default", catalog));
        }
        for (name, catalog) in node.last("catalogs").iter().flat_map(|node| node.entries()) {
            self.catalogs.extend(entries(&name.text, catalog));
        }
        if let Some(length) = node.last("peersSuffixMaxLength").and_then(Node::text) {
            length.clone_into(&mut self.suffix_length);
        }
        self.ignores_pin = node.last("pmOnFail").and_then(Node::text) == Some("ignore");
        let is_set = |key| node.last(key).is_some();
        self.limits_age = is_set("minimumReleaseAge") || is_set("minimumReleaseAgeExclude");
        self.merges_branches = is_set("mergeGitBranchLockfilesBranchPattern");
        let has = |key, value| node.last(key).and_then(Node::text) == Some(value);
        for (key, value, obstacle) in [
            ("lockfile", "false", "with `lockfile: false`, pnpm reads no lockfile"),
            (
                "sharedWorkspaceLockfile",
                "false",
                "with `sharedWorkspaceLockfile: false`, each member has a lockfile of its own",
            ),
            (
                "gitBranchLockfile",
                "true",
                "with `gitBranchLockfile: true`, pnpm reads and writes lockfiles by the names of \
                 branches, and may overwrite or merge this one",
            ),
        ] {
            if has(key, value) {
                self.obstacle = Some(obstacle);
            }
        }
    }

    fn switch(&mut self, view: &ImageView, workspace: Option<&Node>, generation: Generation) {
        let npmrc = view.at_root(FileKind::Npmrc).filter(|_| generation.reads_manifest_settings());
        let names = SWITCHES.map(|(_, name, _)| name);
        let npmrc = npmrc
            .map(|source| named(SettingsDialect::Npmrc, &source.file.text, &names))
            .unwrap_or_default();
        let [peers, links, inject, dedupe, link] = SWITCHES.map(|(key, name, default)| {
            let own = workspace.and_then(|node| node.last(key)).and_then(Node::text);
            let of_npmrc = npmrc.iter().rfind(|setting| setting.name == name);
            match own.or(of_npmrc.map(|setting| setting.text.trim())) {
                Some(value) => value != "false",
                None => default,
            }
        });
        self.auto_install_peers = peers;
        self.exclude_links = links;
        self.inject_packages = inject;
        self.dedupe_peers = dedupe;
        self.link_packages = link;
    }

    /// Replaces the references in overrides: `$name` is the spec of a dependency of the root,
    /// `catalog:` that of a catalog.
    fn resolve(&mut self, root: Option<&ImageManifest>) {
        let fields = ["devDependencies", "dependencies", "optionalDependencies"];
        let root = root.and_then(ImageManifest::root);
        // The last field with a name counts.
        let entries = fields.iter().filter_map(|field| root?.last(field)).flat_map(Node::entries);
        let of_root: HashMap<&str, &str> =
            entries.filter_map(|(key, node)| Some((&*key.text, node.text()?))).collect();
        let catalogs = &self.catalogs;
        for (selector, value) in &mut self.overrides {
            let resolved = match value.strip_prefix('$') {
                Some(name) => of_root.get(name).map(|spec| (*spec).to_owned()),
                None => catalog_of(value).and_then(|catalog| {
                    let name = selector.rsplit('>').next().unwrap_or(selector);
                    let at = name.rfind('@').filter(|at| *at > 0).unwrap_or(name.len());
                    let name = name.get(..at).unwrap_or(name);
                    catalogs.get(&(catalog.to_owned(), name.to_owned())).cloned()
                }),
            };
            if let Some(resolved) = resolved {
                *value = resolved;
            }
        }
    }
}

/// The catalog that a spec refers to.
pub(super) fn catalog_of(spec: &str) -> Option<&str> {
    let name = spec.strip_prefix("catalog:")?.trim();
    Some(if name.is_empty() { "default" } else { name })
}

/// The strings of a map.
fn texts(node: &Node) -> BTreeMap<String, String> {
    let entries = node.entries();
    entries.filter_map(|(key, node)| Some((key.text.clone(), node.text()?.to_owned()))).collect()
}
