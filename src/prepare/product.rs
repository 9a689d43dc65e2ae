//! What a manifest asks of packed packages, and what overrides do not reach.

use std::collections::BTreeSet;

use crate::base::escape::Escaped;
use crate::formats::document::Node;
use crate::pins::pin::satisfies;
use crate::prepare::Packed;
use crate::prepare::manifest::SECTIONS;

/// Takes a version from a catalog of `pnpm-workspace.yaml`.
const CATALOG: &str = "catalog:";

/// A manifest, as an installation reads it.
pub(super) struct Product<'a> {
    root: &'a Node,
    /// A `pnpm-workspace.yaml` with the versions that `catalog:` names.
    catalogs: Option<&'a Node>,
    packed: &'a [Packed],
}

/// A dependency that is one of the packed packages.
pub(super) struct Asked<'a> {
    /// The name in the manifest; that of an alias is not the package's.
    pub name: &'a str,
    pub range: &'a str,
    pub package: &'a Packed,
}

impl Asked<'_> {
    pub(super) fn is_alias(&self) -> bool {
        self.name != self.package.name
    }
}

impl<'a> Product<'a> {
    pub(super) fn new(root: &'a Node, catalogs: Option<&'a Node>, packed: &'a [Packed]) -> Self {
        Self { root, catalogs, packed }
    }

    fn package(&self, name: &str) -> Option<&'a Packed> {
        self.packed.iter().find(|one| one.name == name)
    }

    /// The entries of a field whose values are strings.
    fn specs(&self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let objects = self.root.get(section).flat_map(Node::entries);
        objects.filter_map(|(key, node)| Some((&*key.text, node.text()?)))
    }

    /// The dependencies that are packed, by name or by an alias.
    pub(super) fn asked(&self) -> Vec<Asked<'a>> {
        let specs = SECTIONS.into_iter().flat_map(|section| self.specs(section));
        specs.filter_map(|(name, spec)| self.find(name, spec)).collect()
    }

    /// The package that a spec is for.
    fn find(&self, name: &'a str, spec: &'a str) -> Option<Asked<'a>> {
        let spec = self.catalog_spec(name, spec).unwrap_or(spec);
        let protocol = ["npm:", "workspace:"].iter().find_map(|prefix| spec.strip_prefix(prefix));
        if let Some((other, range)) = protocol.and_then(aliased) {
            return Some(Asked { name, range, package: self.package(other)? });
        }
        Some(Asked { name, range: protocol.unwrap_or(spec), package: self.package(name)? })
    }

    /// The spec that a catalog has for a name.
    fn catalog_spec(&self, name: &'a str, spec: &'a str) -> Option<&'a str> {
        let catalog = spec.strip_prefix(CATALOG)?.trim();
        let root = self.catalogs?;
        let named =
            || root.last("catalogs")?.last(if catalog.is_empty() { "default" } else { catalog });
        let default = || root.last("catalog").filter(|_| ["", "default"].contains(&catalog));
        default().into_iter().chain(named()).find_map(|catalog| catalog.last(name)?.text())
    }

    /// The dependencies that are not packed and take their specs from a catalog, with those specs.
    pub(super) fn catalog_specs(&self) -> Vec<(String, String)> {
        let specs = SECTIONS.into_iter().flat_map(|section| self.specs(section));
        let others = specs.filter(|(name, spec)| self.find(name, spec).is_none());
        others
            .filter_map(|(name, spec)| Some((name, self.catalog_spec(name, spec)?)))
            .filter(|(_, spec)| !spec.starts_with(CATALOG))
            .map(|(name, spec)| (name.to_owned(), spec.to_owned()))
            .collect()
    }

    /// Whether a spec takes its version from a catalog.
    pub(super) fn uses_catalogs(&self) -> bool {
        let sections = SECTIONS.into_iter().chain(["peerDependencies"]);
        sections.flat_map(|section| self.specs(section)).any(|(_, spec)| spec.starts_with(CATALOG))
    }

    pub(super) fn lists(&self, name: &str) -> bool {
        SECTIONS.into_iter().flat_map(|section| self.specs(section)).any(|(key, _)| key == name)
    }

    /// The packed packages among its own peers that nothing else in it lists.
    pub(super) fn own_peers(&self) -> Vec<&'a Packed> {
        let mut found: Vec<&Packed> = self
            .specs("peerDependencies")
            .filter(|(name, _)| !self.lists(name))
            .filter_map(|(name, _)| self.package(name))
            .collect();
        found.dedup_by_key(|package| &package.name);
        found
    }

    /// The packed packages that others need as a peer, and that nothing gives them.
    pub(super) fn missing_peers(&self) -> Vec<&'a Packed> {
        let asked: BTreeSet<&str> = self.asked().iter().map(|asked| &*asked.package.name).collect();
        let is_given = |package: &Packed, peer: &str| {
            !asked.contains(&*package.name)
                && self
                    .packed
                    .iter()
                    .filter(|outer| outer.needs(&package.name))
                    .all(|outer| outer.needs(peer))
        };
        let mut found = BTreeSet::new();
        for package in self.packed {
            let peers = package.manifest.peers.keys();
            let required = peers.filter(|peer| !package.manifest.optional_peers.contains(*peer));
            found.extend(required.filter(|peer| !self.lists(peer) && !is_given(package, peer)));
        }
        found.into_iter().filter_map(|name| self.package(name)).collect()
    }

    /// What the image would have other than with the registry, as sentences about the manifest of
    /// this name.
    pub(super) fn warnings(&self, manifest: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        for Asked { name, range, package } in self.asked() {
            if let Some(version) = outside(range, package) {
                let (name, range) = (Escaped(name.as_bytes()), Escaped(range.as_bytes()));
                warnings.push(format!("{manifest} asks for {name} {range}, but {version}"));
            }
        }
        for alias in self.asked().iter().filter(|asked| asked.is_alias()) {
            if self.package(alias.name).is_some() {
                let name = Escaped(alias.name.as_bytes());
                warnings.push(format!(
                    "{manifest} has {name} as an alias of another package, and a package of this \
                     name is packed as well: rename the alias"
                ));
            }
        }
        for outer in self.packed {
            for (name, spec) in outer.manifest.dependencies.iter().chain(&outer.manifest.optional) {
                let asked = self.find(name, spec);
                let version = asked.and_then(|asked| outside(asked.range, asked.package));
                if let Some(version) = version {
                    let outer = Escaped(outer.name.as_bytes());
                    let (name, spec) = (Escaped(name.as_bytes()), Escaped(spec.as_bytes()));
                    warnings.push(format!("{outer} asks for {name} {spec}, but {version}"));
                }
            }
        }
        warnings
    }
}

impl Packed {
    /// Whether it installs a package for itself.
    fn needs(&self, name: &str) -> bool {
        self.manifest.dependencies.contains_key(name) || self.manifest.optional.contains_key(name)
    }
}

/// The package and the range of an alias, without its protocol: `@acme/log@^1`.
fn aliased(spec: &str) -> Option<(&str, &str)> {
    let scoped = spec.strip_prefix('@')?;
    match scoped.split_once('@') {
        Some((name, range)) => Some((spec.get(..=name.len())?, range)),
        None => Some((spec, "*")),
    }
}

/// The end of a sentence, if a packed version is outside of a range.
fn outside(range: &str, package: &Packed) -> Option<String> {
    // Any version, of which the registry would give the newest.
    let is_any = ["", "*", "x", "X", "^", "~"].contains(&range.trim());
    let is_outside = !is_any && satisfies(&package.version, range) == Some(false);
    is_outside.then(|| {
        let version = Escaped(package.version.to_string().as_bytes()).to_string();
        format!("the packed version is {version}: the registry would give another one")
    })
}
