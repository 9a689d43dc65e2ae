//! Whether the importers of a lockfile fit the manifests.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::formats::lockfile::{Field, Importer, LockScalar, Locked, Lockfile};
use crate::locks::checksums::canonical;
use crate::locks::gate::Gate;
use crate::locks::generation::Generation;
use crate::locks::overrides::{Overridden, Overrides};
use crate::locks::remark::Weight;
use crate::locks::settings::catalog_of;
use crate::locks::view::ImageManifest;
use crate::pins::pin::{accepts, exact};
use crate::project::directories::resolved;
use crate::project::kinds::FileKind;

/// A dependency that a manifest asks for.
struct Wanted {
    field: Field,
    /// After the overrides; several if it is not known whether one applies. The last one is that
    /// of the manifest.
    specs: Vec<String>,
    /// Its place in the manifest.
    span: Span,
}

impl Gate<'_> {
    /// Compares the importer of a project with its manifest.
    pub(super) fn project(&mut self, lock: &Lockfile, manifest: &ImageManifest) {
        let path = &manifest.source.file.path;
        let Some(root) = manifest.root() else {
            let message = format!("{path} cannot be parsed");
            return self.add(Weight::Refused, None, message);
        };
        let name = importer_name(&manifest.directory);
        let Some(wanted) = self.wanted(manifest, root) else {
            let message = format!("{path} has dependencies that are no map");
            return self.add(Weight::Refused, None, message);
        };
        let Some(importer) = lock.importers.get(name) else {
            if !wanted.is_empty() {
                let shown = Escaped(name.as_bytes());
                let message = format!("the importer `{shown}` is missing, which is for {path}");
                self.add(Weight::Refused, None, message);
            }
            return;
        };
        self.missing(importer, manifest, &wanted);
        for locked in &importer.dependencies {
            match wanted.get(&locked.name) {
                Some(wanted) => self.same_dependency(locked, wanted, manifest),
                // A runtime that `devEngines` asks for.
                None if locked.specifier.text.starts_with("runtime:") => {}
                None => {
                    let shown = Escaped(locked.name.as_bytes());
                    let message = format!("{shown} is no dependency of {path}");
                    self.add_lock(Weight::Refused, &locked.span, message);
                }
            }
            self.version(lock, locked);
            self.link(locked, manifest);
        }
        self.other_fields(importer, manifest, root);
    }

    /// The dependencies of a manifest as an install sees them; `None` if a field is no map.
    fn wanted(&self, manifest: &ImageManifest, root: &Node) -> Option<BTreeMap<String, Wanted>> {
        let mut found = BTreeMap::new();
        let field_of = |key| match root.last(key).map(|node| (&node.value, node)) {
            None => Some(None),
            Some((Value::Map(_), node)) => Some(Some(node)),
            // pnpm 10 fails at `null`.
            Some(_) if self.generation >= Generation::Eleven => Some(None),
            Some(_) => None,
        };
        let mut fields = Vec::new();
        if self.settings.auto_install_peers {
            fields.extend(field_of("peerDependencies")?.map(|node| (Field::Production, node)));
        }
        for field in Field::ALL.into_iter().rev() {
            fields.extend(field_of(field.name())?.map(|node| (field, node)));
        }
        let owner = (manifest.name(), root.last("version").and_then(Node::text));
        let overrides = Overrides::new(&self.settings);
        for (field, node) in fields {
            for (key, node) in node.entries() {
                let Some(spec) = node.text() else { continue };
                if self.settings.ignored_optional.contains(&key.text) && field == Field::Optional {
                    continue;
                }
                if self.settings.exclude_links && spec.starts_with("link:") {
                    continue;
                }
                let specs = match overrides.apply(owner, &key.text, spec) {
                    Overridden::Same => vec![spec.to_owned()],
                    Overridden::Replaced(spec) => vec![spec],
                    Overridden::OneOf(specs) => specs,
                    Overridden::Removed => {
                        found.remove(&key.text);
                        continue;
                    }
                };
                let span = key.span.start..node.span.end;
                found.insert(key.text.clone(), Wanted { field, specs, span });
            }
        }
        Some(found)
    }

    /// Reports the dependencies that an importer lacks.
    fn missing(
        &mut self,
        importer: &Importer,
        manifest: &ImageManifest,
        wanted: &BTreeMap<String, Wanted>,
    ) {
        let locked: HashSet<&str> =
            importer.dependencies.iter().map(|locked| &*locked.name).collect();
        for (name, wanted) in wanted.iter().filter(|(name, _)| !locked.contains(&***name)) {
            let shown = Escaped(name.as_bytes());
            if wanted.specs.iter().any(|spec| spec == "-") {
                self.doubt(format!("whether an override removes {shown}"));
                continue;
            }
            if self.may_change(manifest, name) {
                self.doubt(format!("what the hooks of pnpm make of {shown}"));
                continue;
            }
            let path = &manifest.source.file.path;
            let is_left_out =
                wanted.field == Field::Optional && self.generation >= Generation::Eleven;
            let (weight, message) = if is_left_out {
                let message = format!("{shown} is missing, which is optional in {path}");
                (Weight::Wrong, message)
            } else {
                (Weight::Refused, format!("{shown} is missing, which {path} asks for"))
            };
            self.add_lock(weight, &importer.span, message);
            self.label(&manifest.source, &wanted.span, "asked for here");
        }
    }

    fn same_dependency(&mut self, locked: &Locked, wanted: &Wanted, manifest: &ImageManifest) {
        let is_same = locked.field == wanted.field && wanted.specs.contains(&locked.specifier.text);
        if is_same {
            return;
        }
        let name = Escaped(locked.name.as_bytes());
        if self.may_change(manifest, &locked.name) {
            return self.doubt(format!("what the hooks of pnpm make of {name}"));
        }
        let path = &manifest.source.file.path;
        let (span, message) = if locked.field == wanted.field {
            let new = wanted.specs.last().map(String::as_str).unwrap_or_default();
            let old = Escaped(locked.specifier.text.as_bytes());
            let new = Escaped(new.as_bytes());
            let message = format!("{name} is locked for `{old}`, but {path} asks for `{new}`");
            (&locked.specifier.span, message)
        } else {
            let (old, new) = (locked.field.name(), wanted.field.name());
            (&locked.span, format!("{name} is in {old} here, but in {new} in {path}"))
        };
        self.add_lock(Weight::Refused, span, message);
        self.label(&manifest.source, &wanted.span, "asked for here");
    }

    /// Whether hooks or `packageExtensions` may change a dependency of a manifest.
    fn may_change(&self, manifest: &ImageManifest, dependency: &str) -> bool {
        let own = manifest.name().unwrap_or_default();
        let is_own = |selector: &String| {
            !own.is_empty()
                && selector
                    .strip_prefix(own)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        };
        if self.settings.extended.iter().any(is_own) {
            return true;
        }
        let hooks = self.view.at_root(FileKind::InstallCode);
        hooks.is_some_and(|source| {
            let names = |text: &str| {
                !text.is_empty()
                    && memchr::memmem::find(&source.file.text, text.as_bytes()).is_some()
            };
            names(dependency) || names(own)
        })
    }

    /// Compares a version with the range that it was locked for.
    fn version(&mut self, lock: &Lockfile, locked: &Locked) {
        let specifier = locked.specifier.text.as_str();
        let entry = catalog_of(specifier).map(|catalog| {
            let key = (catalog.to_owned(), locked.name.clone());
            (self.settings.catalogs.get(&key).cloned(), lock.catalogs.get(&key))
        });
        let spec = match &entry {
            None => specifier,
            Some((Some(spec), _)) => spec.as_str(),
            Some((None, Some(entry))) => entry.specifier.as_str(),
            Some((None, None)) => return,
        };
        // pnpm does not compare the version of an alias with its range.
        let range = if spec.starts_with("npm:") { "*" } else { spec };
        let shown = Escaped(locked.name.as_bytes());
        if let Some(version) = release(&locked.version)
            && accepts(&version, range) == Some(false)
        {
            let weight = match self.generation {
                Generation::Early10 => Weight::Wrong,
                _ => Weight::Refused,
            };
            let range = Escaped(range.as_bytes());
            let message = format!("{shown} is locked to {version}, which is outside of `{range}`");
            self.add_lock(weight, &locked.version.span, message);
        }
        let recorded = entry.as_ref().and_then(|(_, entry)| entry.as_ref()?.version.as_ref());
        let version = bare(&locked.version.text);
        let is_same = |recorded: &str| {
            version
                .strip_suffix(recorded)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('@'))
        };
        let differs = recorded.is_some_and(|recorded| !is_same(bare(&recorded.text)));
        if differs && self.generation == Generation::Eleven {
            let message = format!("{shown} has another version in `catalogs` of the lockfile");
            self.add_lock(Weight::Refused, &locked.version.span, message);
        }
    }

    /// Judges a link to a directory.
    fn link(&mut self, locked: &Locked, manifest: &ImageManifest) {
        let name = Escaped(locked.name.as_bytes());
        let of_workspace = locked.specifier.text.strip_prefix("workspace:");
        let Some(target) = locked.version.text.strip_prefix("link:") else {
            if of_workspace.is_some() && !locked.version.text.contains("file:") {
                let message =
                    format!("{name} is a member of the workspace, but locked to a package");
                self.add_lock(self.refused_since_11(), &locked.version.span, message);
            }
            return;
        };
        let is_of_manifest = locked.specifier.text.starts_with("link:");
        let target = resolved(&manifest.directory, target);
        let found = target.as_ref().and_then(|target| self.view.manifest(target));
        let is_member = |target: &String| {
            self.view.members.as_ref().is_some_and(|members| members.contains(target))
        };
        match (&target, found) {
            (_, Some(found)) => {
                let alias = of_workspace.and_then(|spec| {
                    let at = spec.rfind('@').filter(|at| *at > 0)?;
                    spec.get(..at)
                });
                let wanted = alias.unwrap_or(&locked.name);
                if !is_of_manifest && found.name().is_some_and(|name| name != wanted) {
                    let other = &found.source.file.path;
                    let message = format!("{name} is linked to another package, that of {other}");
                    let weight = match self.generation {
                        Generation::Eleven if !self.has_package(wanted) => Weight::Wrong,
                        _ => self.refused_since_11(),
                    };
                    self.add_lock(weight, &locked.version.span, message);
                }
            }
            (Some(target), None) if is_of_manifest || is_member(target) => {}
            _ => {
                let is_refused =
                    self.generation == Generation::Eleven && self.settings.link_packages;
                let weight = if is_refused { Weight::Refused } else { Weight::Wrong };
                let shown = Escaped(locked.version.text.as_bytes());
                let message = format!("{name} is `{shown}`, which leads to nothing in the image");
                self.add_lock(weight, &locked.version.span, message);
            }
        }
    }

    /// Whether a manifest in the image has this name.
    fn has_package(&self, name: &str) -> bool {
        let directories = self.view.manifest_directories();
        let mut manifests =
            directories.iter().filter_map(|directory| self.view.manifest(directory));
        manifests.any(|manifest| manifest.name() == Some(name))
    }

    fn refused_since_11(&self) -> Weight {
        if self.generation >= Generation::Eleven { Weight::Refused } else { Weight::Wrong }
    }

    /// Compares `dependenciesMeta` and `publishConfig.directory`.
    fn other_fields(&mut self, importer: &Importer, manifest: &ImageManifest, root: &Node) {
        let path = &manifest.source.file.path;
        let empty = || "{}".to_owned();
        let own = root.last("dependenciesMeta");
        let own = own.map_or_else(empty, |node| canonical(node, &manifest.source.file.text));
        let lock = Rc::clone(&self.view.lock);
        let locked = importer.meta.as_ref();
        let locked = locked.map_or_else(empty, |node| canonical(node, &lock.file.text));
        if own != locked {
            let message = format!("`dependenciesMeta` differs from that in {path}");
            self.add_lock(Weight::Refused, &importer.span, message);
        }
        let directory = root.last("publishConfig").and_then(|node| node.last("directory"));
        if directory.and_then(Node::text) != importer.publish_directory.as_deref() {
            let message = format!("`publishDirectory` differs from `publishConfig` in {path}");
            self.add_lock(Weight::Refused, &importer.span, message);
        }
    }

    /// Judges the importers without a manifest in the image.
    pub(super) fn other_importers(&mut self, lock: &Lockfile, projects: &[ImageManifest]) {
        let projects: BTreeSet<&String> =
            projects.iter().map(|project| &project.directory).collect();
        for (name, importer) in &lock.importers {
            let directory = if name == "." { Some(String::new()) } else { resolved("", name) };
            if directory.as_ref().is_some_and(|directory| projects.contains(directory)) {
                continue;
            }
            let is_in = |members: &BTreeSet<String>| {
                directory.as_ref().is_some_and(|directory| members.contains(directory))
            };
            let is_member = self.view.members.as_ref().map(is_in);
            let has_files =
                directory.as_ref().is_some_and(|it| self.view.below(it).next().is_some());
            let has_manifest =
                directory.as_ref().is_some_and(|it| self.view.manifest(it).is_some());
            let shown = Escaped(name.as_bytes());
            let message = format!("the importer `{shown}` is of no member of the workspace");
            let weight = match is_member {
                _ if has_files && !has_manifest && self.generation >= Generation::Eleven => {
                    Weight::Refused
                }
                Some(true) => continue,
                Some(false) => Weight::Wrong,
                None if directory.is_none() => Weight::Wrong,
                None => Weight::Note,
            };
            self.add_lock(weight, &importer.span, message);
        }
    }
}

/// The name of the importer of a directory.
pub(super) fn importer_name(directory: &str) -> &str {
    if directory.is_empty() { "." } else { directory }
}

/// A version without the suffix of its peers.
pub(super) fn bare(version: &str) -> &str {
    version.split('(').next().unwrap_or(version)
}

/// The version of a package from the registry, also of an alias such as `other@1.0.0`.
fn release(version: &LockScalar) -> Option<semver::Version> {
    let bare = bare(&version.text);
    exact(bare).or_else(|| exact(bare.get(bare.rfind('@').filter(|at| *at > 0)? + 1..)?))
}
