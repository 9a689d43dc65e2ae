//! The repository whose packages are packed: its packages, and the keys of their inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use semver::Version;

use crate::base::credentials::holds_secret;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::commands::preparing::product::parsed;
use crate::commands::preparing::request::Request;
use crate::disk::read::{self, FinalLink};
use crate::formats::document::Node;
use crate::formats::{self, Syntax};
use crate::git::worktree::files::files_below;
use crate::models::manifest::PackageJson;
use crate::models::workspace::PnpmWorkspace;
use crate::pins::{Manager, NewVersion};
use crate::prepare::PackedManifest;
use crate::prepare::closure::{is_in, scope};
use crate::prepare::key::{self, DigestParts, Inputs};
use crate::prepare::settings::SiblingBuild;
use crate::project::directories::join;
use crate::project::kinds::FileKind;
use crate::project::workspaces::includes;

/// The largest file that is read, in bytes.
const LIMIT: u64 = 512 * 1024 * 1024;

/// Directories that are never packed: installed packages, and what git keeps.
const SKIPPED: [&[u8]; 2] = [b"node_modules", b".git"];

/// The starts of names of files in the root that decide about no tarball.
const PROSE: [&[u8]; 2] = [b"README", b"CHANGELOG"];

/// A package of the sibling.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Package {
    /// From the root of the sibling.
    pub directory: RepoPath,
    /// Empty if the manifest has none.
    pub version: String,
    pub manifest: PackedManifest,
    /// The packages of the sibling that it names in any field.
    needs: BTreeSet<String>,
    /// Whether it has a script `build`.
    pub has_build: bool,
}

/// The sibling.
#[derive(Debug)]
pub(in crate::commands) struct Sibling {
    pub root: PathBuf,
    /// As it was named.
    pub shown: String,
    /// The pinned version of pnpm.
    pub pnpm: Version,
    /// The packages with a scope, by their names.
    pub packages: BTreeMap<String, Package>,
    pub scopes: BTreeSet<String>,
    build: SiblingBuild,
    files: Vec<RepoPath>,
}

impl Sibling {
    /// Lists the packages; starts git alone. Without a build, it need not be in a repository.
    pub(in crate::commands) fn read(request: &Request) -> Result<Self, Error> {
        let builds = request.settings.build != SiblingBuild::None;
        // Another directory may be the whole disk.
        let may_lack_git = !builds && request.from.join(FileKind::MANIFEST).is_file();
        let files = files_below(&request.from, may_lack_git)?;
        let shown = request.shown_from.clone();
        let reading = Reading { root: &request.from, shown: &shown, files: &files };
        let pnpm = reading.pinned()?;
        let patterns = match &request.settings.packages {
            Some(patterns) => patterns.clone(),
            None => reading.patterns()?,
        };
        let all = reading.packages(&patterns)?;
        let scopes: BTreeSet<String> = match &request.settings.scope {
            Some(scopes) => scopes.iter().cloned().collect(),
            None => all.keys().filter_map(|name| scope(name)).map(str::to_owned).collect(),
        };
        let packages: BTreeMap<String, Package> =
            all.into_iter().filter(|(name, _)| is_in(name, &scopes)).collect();
        if packages.is_empty() {
            return Err(Error::new(
                format!("list the packages of {shown}"),
                "no package there has a name with a scope, such as @acme/log",
            )
            .help(
                "`prep.packages` and `prep.scope` of bakstop.json say which packages are packed",
            ));
        }
        let (root, build) = (request.from.clone(), request.settings.build.clone());
        Ok(Self { root, shown, pnpm, packages, scopes, build, files })
    }

    /// The directories of the packages that are in the work tree of a product.
    pub(in crate::commands) fn directories_in(&self, top: &Path) -> BTreeSet<RepoPath> {
        let Ok(top) = top.canonicalize() else { return BTreeSet::new() };
        let Ok(base) = self.root.strip_prefix(top) else { return BTreeSet::new() };
        let base = RepoPath::from(base);
        let inner = |package: &Package| join(base.as_bytes(), package.directory.as_bytes());
        self.packages.values().map(|package| RepoPath::new(inner(package))).collect()
    }

    pub(in crate::commands) fn manifest(&self, name: &str) -> Option<&PackedManifest> {
        self.packages.get(name).map(|package| &package.manifest)
    }

    /// The key of each package.
    pub(in crate::commands) fn keys(&self) -> Result<BTreeMap<String, String>, Error> {
        let common = self.common()?;
        let packages: Vec<(&String, &Package)> = self.packages.iter().collect();
        let inputs = packages.par_iter().map(|(name, package)| {
            let files = self.digest(&self.files_of(package)?)?;
            Ok(((*name).clone(), Inputs { files, needs: package.needs.clone() }))
        });
        let inputs = inputs.collect::<Result<BTreeMap<String, Inputs>, Error>>()?;
        Ok(key::keys(&inputs, &common))
    }

    /// The files of a package. Without a build, what lies there is packed, ignored or not.
    fn files_of(&self, package: &Package) -> Result<Vec<RepoPath>, Error> {
        let directory = &package.directory;
        if self.build == SiblingBuild::None {
            let mut found = Vec::new();
            self.walk(directory, &mut found)?;
            found.sort_unstable();
            return Ok(found);
        }
        let start = [directory.as_bytes(), b"/"].concat();
        let start = RepoPath::new(start);
        let from = self.files.partition_point(|path| *path < start);
        let inside = self.files.get(from..).unwrap_or_default().iter();
        let inside = inside.take_while(|path| path.as_bytes().starts_with(start.as_bytes()));
        let is_packed = |path: &&RepoPath| !path.components().any(|part| SKIPPED.contains(&part));
        Ok(inside.filter(is_packed).cloned().collect())
    }

    fn walk(&self, directory: &RepoPath, found: &mut Vec<RepoPath>) -> Result<(), Error> {
        let place = self.place(directory);
        for path in read::list(&place).map_err(|error| self.unreadable(directory, error))? {
            let name = path.file_name().unwrap_or_default().as_bytes();
            let inner = directory.join(&RepoPath::new(name));
            let about = path.symlink_metadata().map_err(|error| self.unreadable(&inner, error))?;
            if !about.is_dir() {
                found.push(inner);
            } else if !SKIPPED.contains(&name) {
                self.walk(&inner, found)?;
            }
        }
        Ok(())
    }

    /// The digest of what decides about all packages: files in the root, pnpm, and the build.
    fn common(&self) -> Result<String, Error> {
        let in_root = |path: &&RepoPath| {
            let name = path.as_bytes();
            !name.contains(&b'/') && !PROSE.iter().any(|start| name.starts_with(start))
        };
        let files: Vec<RepoPath> = self.files.iter().filter(in_root).cloned().collect();
        let mut parts = DigestParts::default().with(self.digest(&files)?.as_bytes());
        parts.add(format!("{}@{}", Manager::Pnpm.name(), self.pnpm).as_bytes());
        parts.add(self.build.identity().as_bytes());
        Ok(parts.finish())
    }

    /// The digest of files: their paths, modes and contents. One that was deleted is left out.
    fn digest(&self, files: &[RepoPath]) -> Result<String, Error> {
        let mut parts = DigestParts::default();
        for path in files {
            let place = self.place(path);
            let about = read::if_exists(place.symlink_metadata());
            let Some(about) = about.map_err(|error| self.unreadable(path, error))? else {
                continue;
            };
            let content = self.content(path, &place, &about)?;
            parts.add(path.as_bytes());
            parts.add(mode(&about));
            parts.add(&content);
        }
        Ok(parts.finish())
    }

    /// The content of a file, without the lines of settings that hold a secret; the target of a
    /// link; nothing of a nested repository.
    fn content(&self, path: &RepoPath, place: &Path, about: &Metadata) -> Result<Vec<u8>, Error> {
        if about.is_dir() {
            return Ok(Vec::new());
        }
        if about.is_symlink() {
            let target = place.read_link().map_err(|error| self.unreadable(path, error))?;
            return Ok(target.as_os_str().as_bytes().to_vec());
        }
        let content = read::file(place, FinalLink::Refuse, LIMIT)
            .map_err(|error| self.unreadable(path, error))?;
        if FileKind::Npmrc.matches(path) {
            let lines = content.split_inclusive(|&byte| byte == b'\n');
            return Ok(lines.filter(|line| !holds_secret(line)).collect::<Vec<_>>().concat());
        }
        Ok(content)
    }

    fn place(&self, path: &RepoPath) -> PathBuf {
        place(&self.root, path)
    }

    fn unreadable(&self, path: &RepoPath, error: impl std::fmt::Display) -> Error {
        unreadable(&self.shown, path, error)
    }
}

fn place(root: &Path, path: &RepoPath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

fn unreadable(shown: &str, path: &RepoPath, error: impl std::fmt::Display) -> Error {
    Error::new(format!("read {path} of {shown}"), error)
        .help("make it a regular file that this user can read")
}

fn mode(about: &Metadata) -> &'static [u8] {
    match about.file_type() {
        kind if kind.is_symlink() => b"l",
        kind if kind.is_dir() => b"d",
        _ if about.permissions().mode() & 0o111 != 0 => b"x",
        _ => b"-",
    }
}

/// Reads the manifests of the sibling.
struct Reading<'a> {
    root: &'a Path,
    shown: &'a str,
    files: &'a [RepoPath],
}

impl Reading<'_> {
    fn text(&self, path: &RepoPath) -> Result<Vec<u8>, Error> {
        read::file(&place(self.root, path), FinalLink::Refuse, LIMIT)
            .map_err(|error| unreadable(self.shown, path, error))
    }

    /// The file of a kind in the root.
    fn in_root(&self, kind: FileKind) -> Result<Option<(RepoPath, Vec<u8>)>, Error> {
        let is_it = |path: &&RepoPath| path.parent().is_empty() && kind.matches(path);
        let found = self.files.iter().find(is_it);
        found.map(|path| Ok((path.clone(), self.text(path)?))).transpose()
    }

    /// The version of pnpm that the root declares.
    fn pinned(&self) -> Result<Version, Error> {
        let doing = format!("find the package manager of {}", self.shown);
        let help = "packages are packed by the pnpm that is pinned there: add \"packageManager\": \
                    \"pnpm@VERSION\" to its package.json";
        let Some((path, text)) = self.in_root(FileKind::Manifest)? else {
            return Err(Error::new(doing, "it has no package.json").help(help));
        };
        let manifest = PackageJson::parse(&parsed(&path, &text)?);
        let named = manifest.package_manager.as_ref().and_then(|field| field.text());
        let engine = || {
            let engine = manifest.dev_engine.as_ref()?;
            Some(format!("{}@{}", engine.name.as_ref()?.text()?, engine.version.as_ref()?.text()?))
        };
        let Some(named) = named.map(str::to_owned).or_else(engine) else {
            return Err(Error::new(doing, "its package.json pins none").help(help));
        };
        match NewVersion::parse(&named) {
            Ok(NewVersion { manager: Manager::Pnpm, version, .. }) => Ok(version),
            Ok(_) => {
                let cause = format!("it is {}", Escaped(named.as_bytes()));
                Err(Error::new(doing, cause)
                    .help("only pnpm is known to replace workspace: and catalog: in what it packs"))
            }
            Err(reason) => {
                let cause = format!("{}: {reason}", Escaped(named.as_bytes()));
                Err(Error::new(doing, cause).help(help))
            }
        }
    }

    /// The patterns of its workspace.
    fn patterns(&self) -> Result<Vec<String>, Error> {
        let doing = format!("list the packages of {}", self.shown);
        let help = "name their directories in bakstop.json: {\"prep\": {\"packages\": \
                    [\"packages/*\"]}}";
        let Some((path, text)) = self.in_root(FileKind::PnpmWorkspace)? else {
            return Err(Error::new(doing, "it has no pnpm-workspace.yaml").help(help));
        };
        let root = formats::parse(Syntax::Yaml, &text)
            .map_err(|error| Error::new(format!("read {path} of {}", self.shown), error.message))?;
        Ok(PnpmWorkspace::parse(&root).packages.unwrap_or_default())
    }

    /// The packages in the directories of some patterns, by their names.
    fn packages(&self, patterns: &[String]) -> Result<BTreeMap<String, Package>, Error> {
        let is_manifest = |path: &&RepoPath| {
            let is_skipped = |part: &[u8]| SKIPPED.contains(&part);
            FileKind::Manifest.matches(path)
                && includes(patterns, path.parent())
                && !path.components().any(is_skipped)
        };
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        let mut found: Vec<(String, Package, Node)> = Vec::new();
        for path in self.files.iter().filter(is_manifest) {
            // A tracked file may be deleted.
            let about = read::if_exists(place(self.root, path).symlink_metadata());
            if about.map_err(|error| unreadable(self.shown, path, error))?.is_none() {
                continue;
            }
            self.must_be_inside(path)?;
            let text = self.text(path)?;
            let root = parsed(path, &text)?;
            let Some(name) = root.last("name").and_then(Node::text).map(str::to_owned) else {
                continue;
            };
            let package = Package {
                directory: RepoPath::new(path.parent()),
                version: root.last("version").and_then(Node::text).unwrap_or_default().to_owned(),
                manifest: PackedManifest::parse(&root, &text),
                needs: BTreeSet::new(),
                has_build: root
                    .last("scripts")
                    .is_some_and(|scripts| scripts.last("build").is_some()),
            };
            found.push((name, package, root));
        }
        let names: BTreeSet<String> = found.iter().map(|(name, ..)| name.clone()).collect();
        for (name, package, root) in found {
            let needs = needs(&root, &names);
            let package = Package { needs, ..package };
            let directory = package.directory.clone();
            if let Some(other) = packages.insert(name.clone(), package) {
                return Err(self.clash(&name, &other.directory, &directory));
            }
        }
        Ok(packages)
    }

    /// Fails for a directory that a symbolic link leads to: git does not list what is in it.
    fn must_be_inside(&self, manifest: &RepoPath) -> Result<(), Error> {
        let directory = RepoPath::new(manifest.parent());
        let place = place(self.root, &directory);
        match place.canonicalize() {
            Ok(real) if real == place => Ok(()),
            Ok(_) => Err(unreadable(self.shown, manifest, "its directory is a symbolic link")
                .help("replace the link with the directory")),
            Err(error) => Err(unreadable(self.shown, manifest, error)),
        }
    }

    fn clash(&self, name: &str, one: &RepoPath, other: &RepoPath) -> Error {
        let name = Escaped(name.as_bytes());
        Error::new(
            format!("list the packages of {}", self.shown),
            format!("{one} and {other} are both named {name}"),
        )
        .help("rename one of them, or leave it out: `prep.packages` in bakstop.json")
    }
}

/// The packages of a workspace that a manifest names, in any field.
fn needs(root: &Node, names: &BTreeSet<String>) -> BTreeSet<String> {
    let fields = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
    let entries = fields.iter().filter_map(|field| root.last(field)).flat_map(Node::entries);
    entries.map(|(key, _)| key.text.clone()).filter(|name| names.contains(name)).collect()
}
