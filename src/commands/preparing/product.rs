//! The repository whose images are built: its manifests, and what they need.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::base::change::{Change as _, Content, Entry, Mode};
use crate::base::debris::Debris;
use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::finding::Place;
use crate::base::path::RepoPath;
use crate::commands::preparing::request::{DOING, Request};
use crate::config::Config;
use crate::engine::{Engine, LIMIT};
use crate::formats::dockerfile::{self, Instruction};
use crate::formats::document::Node;
use crate::formats::{self, Syntax};
use crate::git::worktree::files::OnDisk;
use crate::pins::{Demand, Manager, NewVersion, PinTable, Role};
use crate::prepare::closure::asked;
use crate::project::directories::{ancestors, is_installed_package};
use crate::project::kinds::FileKind;
use crate::rule::RuleGroup;

/// A manifest that asks for packages of the sibling.
#[derive(Debug)]
pub(in crate::commands) struct ProductManifest {
    /// Empty for the top.
    pub directory: RepoPath,
    pub path: RepoPath,
    pub text: Vec<u8>,
    /// The packages of the sibling that it names.
    pub asks: BTreeSet<String>,
    /// The package manager of its image.
    pub manager: Manager,
    pub version: Version,
    /// The `pnpm-workspace.yaml` next to it.
    pub workspace: Option<Vec<u8>>,
}

/// The manifests of a product that ask for packages of the sibling.
#[derive(Debug)]
pub(in crate::commands) struct Product {
    /// Sorted by directory.
    pub manifests: Vec<ProductManifest>,
    /// The manifest and the `pnpm-workspace.yaml` of the top.
    pub top: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// Whether an image has the `pnpm-workspace.yaml` of the top, and so installs there.
    pub installs_at_top: bool,
}

impl Product {
    /// The files that may be rewritten, with their texts.
    pub(in crate::commands) fn files(&self) -> Vec<(RepoPath, &[u8])> {
        let manifests = self.manifests.iter();
        let mut files: Vec<(RepoPath, &[u8])> =
            manifests.map(|manifest| (manifest.path.clone(), &*manifest.text)).collect();
        if self.installs_at_top {
            let names = [FileKind::MANIFEST, FileKind::WORKSPACE_OF_PNPM];
            let texts = [&self.top.0, &self.top.1];
            let top = names.into_iter().zip(texts);
            files.extend(top.filter_map(|(name, text)| Some((name.into(), text.as_deref()?))));
        }
        files
    }

    /// The replacement of one of these files.
    pub(in crate::commands) fn replacement(
        &self,
        path: RepoPath,
        new: Vec<u8>,
    ) -> Result<Replacement, Error> {
        let old = self.files().into_iter().find(|(known, _)| *known == path);
        match old.map(|(_, text)| text.to_vec()) {
            Some(old) => Ok(Replacement { path, old, new }),
            None => Err(Error::new(format!("change {path}"), "its file has another name")
                .help("rename it as package managers expect it")),
        }
    }
}

/// Reads the manifests of a product.
pub(in crate::commands) struct Reader<'a> {
    pub files: &'a OnDisk<'a>,
    pub config: &'a Config,
    pub request: &'a Request,
    /// The scopes of the sibling's packages.
    pub scopes: &'a BTreeSet<String>,
    /// The package manager where nothing pins one.
    pub fallback: Option<&'a NewVersion>,
    /// The directories of the sibling's packages that are in this repository.
    pub packages: BTreeSet<RepoPath>,
}

impl Reader<'_> {
    pub(in crate::commands) fn read(&self) -> Result<Product, Error> {
        let mut found = Vec::new();
        for entry in self.entries()? {
            let text = self.text(&entry)?;
            let is_chosen = self.request.settings.manifests.is_some();
            if !is_chosen && !self.names_a_scope(&text) {
                continue;
            }
            let root = parsed(&entry.path, &text)?;
            let asks = asked(&root, self.scopes);
            if !asks.is_empty() {
                found.push((entry, text, asks));
            }
        }
        let pins = if found.is_empty() { None } else { Some(self.pins()?) };
        let workspaces = self.files.entries(&|path| FileKind::PnpmWorkspace.matches(path))?;
        let workspaces: BTreeMap<&[u8], &Entry> =
            workspaces.iter().map(|entry| (entry.path.parent(), entry)).collect();
        let mut manifests = Vec::new();
        for (entry, text, asks) in found {
            let directory = RepoPath::new(entry.path.parent());
            let (manager, version) = self.manager(&directory, pins.as_ref())?;
            let workspace = workspaces.get(directory.as_bytes());
            let workspace = workspace.map(|entry| self.text(entry)).transpose()?;
            let path = entry.path;
            manifests.push(ProductManifest {
                directory,
                path,
                text,
                asks,
                manager,
                version,
                workspace,
            });
        }
        manifests.sort_unstable_by(|a, b| a.directory.cmp(&b.directory));
        let top = RepoPath::from("");
        let of_top =
            (self.beside(&top, FileKind::Manifest)?, self.beside(&top, FileKind::PnpmWorkspace)?);
        let installs_at_top = of_top.1.is_some() && self.workspace_is_copied()?;
        Ok(Product { manifests, top: of_top, installs_at_top })
    }

    /// Whether a Dockerfile copies the `pnpm-workspace.yaml` of the top.
    fn workspace_is_copied(&self) -> Result<bool, Error> {
        let is_it = |word: &[u8]| {
            let path = RepoPath::new(word.strip_prefix(b"./").unwrap_or(word));
            path.parent().is_empty() && FileKind::PnpmWorkspace.matches(&path)
        };
        let copies = |instruction: &Instruction| {
            ["COPY", "ADD"].contains(&&*instruction.name)
                && instruction.flag("from").is_none()
                && instruction.arguments().any(is_it)
        };
        for entry in self.files.entries(&|path| FileKind::Dockerfile.matches(path))? {
            if let Content::Bytes(text) = self.files.read(&entry, LIMIT)?
                && dockerfile::parse(&text).iter().any(copies)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The manifests that may ask: those of the configured directories, or all.
    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let debris: &Debris = self.config.debris();
        let is_manifest = |path: &RepoPath| {
            let directory = path.parent();
            (FileKind::Manifest.matches(path)
                || FileKind::ManifestYaml.matches(path)
                || FileKind::ManifestJson5.matches(path))
                && debris.content_of(path, Mode::File).is_none()
                && !is_installed_package(directory)
                && !self.packages.contains(&RepoPath::new(directory))
        };
        let all = self.files.entries(&is_manifest)?;
        let Some(chosen) = &self.request.settings.manifests else { return Ok(all) };
        let mut entries = Vec::new();
        for directory in chosen {
            let in_it = all.iter().filter(|entry| entry.path.parent() == directory.as_bytes());
            let known = entries.len();
            entries.extend(in_it.cloned());
            if entries.len() == known {
                let shown = if directory.is_empty() { "the top" } else { directory };
                return Err(Error::new(DOING, format!("{shown} has no manifest"))
                    .help("`prep.manifests` names directories with a package.json"));
            }
        }
        Ok(entries)
    }

    /// Whether a text may name a package of the sibling, also in UTF-16, which is refused then. A
    /// text with other escapes than that of the slash must parse for that.
    fn names_a_scope(&self, text: &[u8]) -> bool {
        let narrow = memchr::memchr(0, text)
            .map(|_| text.iter().copied().filter(|&byte| byte != 0).collect::<Vec<u8>>());
        let text = narrow.as_deref().unwrap_or(text);
        let mut names =
            self.scopes.iter().flat_map(|scope| [format!("{scope}/"), format!("{scope}\\/")]);
        let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
        let asks = || {
            let root = formats::parse(Syntax::Json, text);
            root.is_ok_and(|root| !asked(&root, self.scopes).is_empty())
        };
        names.any(|name| has(name.as_bytes())) || has(br"\u") && asks()
    }

    fn text(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let path = &entry.path;
        let refused = |cause: &str, help: &str| {
            Err(Error::new(format!("read {path}"), cause.to_owned()).help(help.to_owned()))
        };
        if entry.mode != Mode::File {
            return refused(
                "it is a symbolic link",
                "replace it with a regular file, or name the directories to prepare: \
                 `prep.manifests` of bakstop.json",
            );
        }
        let text = match self.files.read(entry, LIMIT)? {
            Content::Bytes(text) => text,
            Content::TooLarge(_) => {
                return refused(
                    "it is too large",
                    "make it smaller, or name the directories to prepare: `prep.manifests` of \
                     bakstop.json",
                );
            }
        };
        let is_other =
            FileKind::ManifestYaml.matches(path) || FileKind::ManifestJson5.matches(path);
        if is_other && self.names_a_scope(&text) {
            return refused(
                "a manifest in this format is not prepared",
                "convert it to JSON, as package.json",
            );
        }
        Ok(text)
    }

    /// The text of a file of a kind in a directory.
    fn beside(&self, directory: &RepoPath, kind: FileKind) -> Result<Option<Vec<u8>>, Error> {
        let is_it = |path: &RepoPath| path.parent() == directory.as_bytes() && kind.matches(path);
        let found = self.files.entries(&is_it)?;
        found.first().map(|entry| self.text(entry)).transpose()
    }

    fn pins(&self) -> Result<PinTable, Error> {
        Engine::new(self.config).only(|rule| rule.group == RuleGroup::Pins).all_pins(self.files)
    }

    /// The package manager that is pinned for a directory.
    fn manager(
        &self,
        directory: &RepoPath,
        pins: Option<&PinTable>,
    ) -> Result<(Manager, Version), Error> {
        let pinned = pins.and_then(|table| {
            ancestors(directory.as_bytes()).find_map(|above| {
                let groups = table.groups.iter().filter(|group| group.directory == above);
                groups.filter_map(|group| group.reference).find_map(|id| {
                    let pin = table.pin(id);
                    match &pin.demand {
                        Demand::Exact(version) if pin.kind.role() == Role::Declares => {
                            Some((pin.manager, version.clone()))
                        }
                        _ => None,
                    }
                })
            })
        });
        let fallback = || self.fallback.map(|named| (named.manager, named.version.clone()));
        pinned.or_else(fallback).ok_or_else(|| {
            let shown = if directory.as_bytes().is_empty() {
                "the top".to_owned()
            } else {
                directory.to_string()
            };
            Error::new(
                format!("prepare {shown}"),
                "nothing pins the npm, pnpm or Yarn of its image: bun and others are not prepared, \
                 because their overrides are not known to reach a package in a package",
            )
            .help(
                "add \"packageManager\" to its package.json; or: bakstop prep --package-manager \
                 pnpm@VERSION",
            )
        })
    }
}

/// A manifest that must be strict JSON.
pub(in crate::commands) fn parsed(path: &RepoPath, text: &[u8]) -> Result<Node, Error> {
    formats::parse(Syntax::Json, text).map_err(|error| {
        let Place { line, column, .. } = Place::position(text, &error.span);
        Error::new(format!("read {path}:{line}:{column}"), error.message)
            .help("package managers read strict JSON: repair the file")
    })
}
