//! The files that an install in an image finds.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use semver::Version;

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::formats::Syntax;
use crate::formats::document::{Node, SyntaxError};
use crate::formats::lockfile::{LockFault, Lockfile};
use crate::models::Scalar;
use crate::models::manifest::PackageJson;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;

/// What `pnpm install` in an image sees. Paths are relative to the directory of the install.
#[derive(Debug, Clone)]
pub(crate) struct ImageView {
    /// The lockfile, under whatever name it has in the repository.
    pub lock: Rc<SourceFile>,
    /// The other files, by their paths in the image.
    pub files: BTreeMap<String, Rc<SourceFile>>,
    /// The directories that have a manifest in the repository, in the same layout; `None` if that
    /// is unknown.
    pub members: Option<BTreeSet<String>>,
    /// Whether the files of settings are known: all of them are in `files`.
    pub has_settings: bool,
    /// The hosts of the registries by scope, with an empty one for all others; `None` if they are
    /// unknown.
    pub registries: Option<BTreeMap<String, String>>,
    /// The version of pnpm in the image, if it is pinned.
    pub version: Option<Version>,
    /// The lockfile of the workspace that this one must agree with.
    pub workspace: Option<Rc<SourceFile>>,
    /// The `.npmrc` of the user in the image.
    pub user_npmrc: Option<Rc<SourceFile>>,
    /// Whether the Dockerfile mentions the setting by which pnpm ignores the version that a
    /// manifest pins: `PNPM_CONFIG_PM_ON_FAIL` or `--pm-on-fail`.
    pub ignores_pin: bool,
    /// What is unknown of it.
    pub doubts: BTreeSet<String>,
    /// The number of the Dockerfile in the project, and the place of the copy of the lockfile.
    pub origin: Option<(usize, Span)>,
}

/// A manifest of the image.
#[derive(Debug, Clone)]
pub(super) struct ImageManifest {
    /// Its directory; empty for that of the install.
    pub directory: String,
    pub source: Rc<SourceFile>,
    pub document: Rc<Result<Node, SyntaxError>>,
}

impl ImageManifest {
    pub(super) fn root(&self) -> Option<&Node> {
        self.document.as_ref().as_ref().ok()
    }

    /// The name of the package.
    pub(super) fn name(&self) -> Option<&str> {
        self.root()?.last("name")?.text()
    }
}

impl ImageView {
    pub(crate) fn lockfile(&self) -> Rc<Result<Lockfile, LockFault>> {
        self.lock.view(|file| Lockfile::parse(&file.text))
    }

    /// The version of pnpm that the manifest at the directory of the install pins, as it is written
    /// but without a hash.
    pub(crate) fn pinned_by_manifest(&self) -> Option<String> {
        let manifest = self.manifest("")?;
        let manifest = PackageJson::parse(manifest.root()?);
        let of_manager = manifest.package_manager.as_ref().and_then(Scalar::text);
        let of_manager = of_manager.and_then(|text| text.strip_prefix("pnpm@"));
        let of_engine = manifest.dev_engine.as_ref().filter(|engine| {
            engine.on_fail.is_none() && engine.name.as_ref().and_then(Scalar::text) == Some("pnpm")
        });
        let of_engine = of_engine.and_then(|engine| engine.version.as_ref()?.text());
        let version = of_engine.or(of_manager)?;
        Some(version.split('+').next().unwrap_or(version).to_owned())
    }

    /// The name of its pnpm, such as "pnpm 10.6.5".
    pub(crate) fn manager(&self) -> String {
        self.version.as_ref().map_or_else(|| "pnpm".to_owned(), |version| format!("pnpm {version}"))
    }

    /// The file of a kind at the directory of the install.
    pub(super) fn at_root(&self, kind: FileKind) -> Option<&Rc<SourceFile>> {
        let mut files = self.files.iter().filter(|(path, _)| !path.contains('/'));
        files.find(|(path, _)| kind.matches(&RepoPath::from(path.as_str()))).map(|(_, file)| file)
    }

    /// The files in a directory, at any depth.
    pub(super) fn below(
        &self,
        directory: &str,
    ) -> impl Iterator<Item = (&String, &Rc<SourceFile>)> {
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let from = self.files.range(start.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&start))
    }

    /// The manifest in a directory. pnpm prefers JSON, then JSON5, then YAML.
    pub(super) fn manifest(&self, directory: &str) -> Option<ImageManifest> {
        let kinds = [FileKind::Manifest, FileKind::ManifestJson5, FileKind::ManifestYaml];
        kinds.into_iter().find_map(|kind| {
            let is_it =
                |path: &RepoPath| path.parent() == directory.as_bytes() && kind.matches(path);
            let mut files = self.below(directory);
            let (_, source) = files.find(|(path, _)| is_it(&RepoPath::from(path.as_str())))?;
            let document = source.document(kind.dependencies().unwrap_or(Syntax::Json));
            let source = Rc::clone(source);
            Some(ImageManifest { directory: directory.to_owned(), source, document })
        })
    }

    /// The directories with a manifest.
    pub(super) fn manifest_directories(&self) -> BTreeSet<String> {
        let is_manifest = |kind| {
            matches!(kind, FileKind::Manifest | FileKind::ManifestJson5 | FileKind::ManifestYaml)
        };
        let paths = self.files.keys().map(|path| RepoPath::from(path.as_str()));
        let manifests = paths.filter(|path| FileKind::of(path, is_manifest).is_some());
        manifests.map(|path| String::from_utf8_lossy(path.parent()).into_owned()).collect()
    }

    /// The files of the repository that it consists of.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Rc<SourceFile>> {
        self.files.values().chain([&self.lock])
    }
}
