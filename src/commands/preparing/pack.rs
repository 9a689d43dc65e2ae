//! Packs the packages that changed, by the package manager of the sibling.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use semver::Version;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::commands::pnpm::{Downloads, IGNORE_PIN, Pnpm};
use crate::commands::preparing::cache::{self, Cache};
use crate::commands::preparing::directory::LeftoverDirectory;
use crate::commands::preparing::product::parsed;
use crate::commands::preparing::request::Request;
use crate::commands::preparing::sibling::{Package, Sibling};
use crate::disk::lock::{Busy, DirectoryLock};
use crate::disk::read::{self, FinalLink};
use crate::disk::scratch::Scratch;
use crate::disk::tarball;
use crate::formats::document::Node;
use crate::os::env::Environment;
use crate::os::progress::Progress;
use crate::prepare::key::sha256;
use crate::prepare::plan::{Reason, TarballSource, clash, stem};
use crate::prepare::record::Record;
use crate::prepare::settings::SiblingBuild;
use crate::prepare::{PackedManifest, built};
use crate::project::kinds::FileKind;

/// The first version of pnpm whose `pack` has `--recursive`: one process packs all.
const PACKS_ALL: Version = Version::new(10, 11, 0);

/// The next step if what pnpm packed cannot be used.
const UNUSABLE: &str = "do scripts of the sibling that run before packing change what is packed? \
                        Nothing was written";

/// A package with its tarball.
#[derive(Debug)]
pub(in crate::commands) struct Tarball {
    pub name: String,
    pub version: Version,
    /// The name of its file.
    pub file: String,
    pub bytes: Vec<u8>,
    pub manifest: PackedManifest,
    pub source: TarballSource,
}

/// A tarball of an earlier run, or why the package is packed.
type KnownTarball = Result<Tarball, Reason>;

/// Packs packages, or finds the tarballs of earlier runs.
pub(in crate::commands) struct Packing<'a> {
    pub request: &'a Request,
    pub sibling: &'a Sibling,
    /// The keys of all packages.
    pub keys: &'a BTreeMap<String, String>,
    pub cache: &'a Cache,
    pub env: &'a Environment,
    pub directory: &'a LeftoverDirectory,
    /// The last preparation.
    pub record: Option<&'a Record>,
    /// Whether every package is packed again.
    pub force: bool,
    /// Whether to show progress.
    pub terminal: bool,
}

impl Packing<'_> {
    /// The tarball of an earlier run for each package, or why it is packed.
    pub(in crate::commands) fn known(
        &self,
        names: &BTreeSet<String>,
    ) -> Vec<(String, KnownTarball)> {
        let names: Vec<&String> = names.iter().collect();
        names.par_iter().map(|name| ((*name).clone(), self.known_one(name))).collect()
    }

    /// A tarball that is not one of this package counts as absent, like a damaged one.
    fn known_one(&self, name: &str) -> KnownTarball {
        if self.force {
            return Err(Reason::Forced);
        }
        let key = &self.keys[name];
        let recorded = self.record.and_then(|record| {
            let package = record.packages.iter().find(|package| package.name == name)?;
            let file = record.files.iter().find(|file| file.path == package.file)?;
            Some((package, file))
        });
        let kept = recorded.filter(|(package, _)| package.key == *key).and_then(|(_, file)| {
            let bytes = self.directory.read(&file.path)?;
            let bytes = (sha256(&bytes) == file.sha256).then_some(bytes)?;
            self.tarball(name, bytes, TarballSource::Kept).ok()
        });
        let cached = || self.tarball(name, self.cache.get(key)?, TarballSource::Cached).ok();
        let is_other = recorded.is_some_and(|(package, _)| package.key != *key);
        let reason = if is_other { Reason::Changed } else { Reason::New };
        kept.or_else(cached).ok_or(reason)
    }

    /// Every package, packed where it must be.
    pub(in crate::commands) fn all(&self, names: &BTreeSet<String>) -> Result<Vec<Tarball>, Error> {
        let (mut found, mut missing) = (Vec::new(), BTreeMap::new());
        for (name, known) in self.known(names) {
            match known {
                Ok(tarball) => found.push(tarball),
                Err(reason) => _ = missing.insert(name, reason),
            }
        }
        if !missing.is_empty() {
            found.extend(self.pack(&missing)?);
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Fails for a package that cannot be packed, and for two with the same name of a tarball.
    pub(in crate::commands) fn must_have_names(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let mut stems = BTreeMap::new();
        for name in names {
            let Some(package) = self.sibling.packages.get(name) else { continue };
            let stem = Version::parse(&package.version).ok().and_then(|it| stem(name, &it));
            let stem = stem.ok_or_else(|| {
                let directory = &package.directory;
                let path = format!("{directory}/package.json of {}", self.sibling.shown);
                Error::new(
                    format!("pack {}", shown(name)),
                    format!("{path} has no valid name and version"),
                )
                .help("give it a name such as @acme/log, and a version such as 1.0.0")
            })?;
            stems.insert(name.clone(), stem);
        }
        let Some((one, other)) = clash(&stems) else { return Ok(()) };
        Err(Error::new(
            "name the tarballs",
            format!("{} and {} would have the same name", shown(one), shown(other)),
        )
        .help("rename one of these packages"))
    }

    /// Builds and packs, in a directory of its own: nothing is written before all is packed.
    fn pack(&self, missing: &BTreeMap<String, Reason>) -> Result<Vec<Tarball>, Error> {
        let root = &self.sibling.root;
        // The lock of the product is held already, and one sibling may be the product itself.
        let is_other = self.directory.top().canonicalize().ok().as_ref() != Some(root);
        let lock = is_other.then(|| DirectoryLock::wait(root)).transpose().map_err(|Busy| {
            Error::new(format!("pack {}", self.sibling.shown), "another bakstop is packing there")
                .help("run this again when it has ended")
        })?;
        let scratch = Scratch::new().map_err(|error| {
            Error::new("create a temporary directory", error).help("set TMPDIR to a directory")
        })?;
        let finding = format!("run the pnpm that {} pins", self.sibling.shown);
        let version = &self.sibling.pnpm;
        let pnpm = Pnpm::find(version, Downloads::IfMissing, &finding, &scratch, self.env)?;
        self.build(&pnpm, missing)?;
        let paths = self.run(&pnpm, missing, scratch.path())?;
        let mut tarballs = Vec::new();
        let sorted = self.sorted(&paths, missing).map_err(|error| error.or_help(UNUSABLE))?;
        for (name, bytes) in sorted {
            let tarball = self.tarball(&name, bytes, TarballSource::Packed(missing[&name]));
            tarballs.push(tarball.map_err(|error| error.or_help(UNUSABLE))?);
        }
        // What was edited or generated meanwhile is in the tarballs or not: do not cache them.
        let after = Sibling::read(self.request)?.keys()?;
        drop(lock);
        for tarball in &tarballs {
            let (name, key) = (&tarball.name, &self.keys[&tarball.name]);
            if after.get(name) == Some(key) {
                // Without a cache, the next run packs again.
                let _ = self.cache.put(key, &tarball.bytes);
            }
        }
        self.cache.prune();
        Ok(tarballs)
    }

    fn build(&self, pnpm: &Pnpm<'_>, missing: &BTreeMap<String, Reason>) -> Result<(), Error> {
        let build = &self.request.settings.build;
        let has_scripts = || self.sibling.packages.values().any(|package| package.has_build);
        if *build == SiblingBuild::Scripts && !has_scripts() {
            return Ok(());
        }
        match build.words(missing.keys().map(String::as_str)) {
            Some(words) => pnpm.build(&words, &self.sibling.root),
            None => Ok(()),
        }
    }

    /// Runs pnpm, which writes into directories below `scratch`; returns the tarballs.
    fn run(
        &self,
        pnpm: &Pnpm<'_>,
        missing: &BTreeMap<String, Reason>,
        scratch: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let help = &*format!(
            "repair what it reports, for instance by `pnpm install` in {}; nothing was prepared",
            self.sibling.shown
        );
        if pnpm.version >= PACKS_ALL {
            let mut arguments = vec!["--recursive".to_owned()];
            arguments.extend(missing.keys().map(|name| format!("--filter={name}")));
            arguments.extend(pack_arguments(scratch));
            let doing = format!("pack {}", self.sibling.shown);
            pnpm.run(&doing, &arguments, &self.sibling.root, &[IGNORE_PIN])
                .map_err(|error| error.or_help(help))?;
            return listed(scratch);
        }
        let progress = Progress::new("packages packed:", missing.len(), self.terminal);
        let progress = Mutex::new(progress);
        let packages: Vec<(usize, &String)> = missing.keys().enumerate().collect();
        let each = packages.par_iter().map(|(number, name)| {
            let target = scratch.join(number.to_string());
            let place = self.place(&self.sibling.packages[*name]);
            let doing = format!("pack {}", shown(name));
            pnpm.run(&doing, &pack_arguments(&target), &place, &[IGNORE_PIN])
                .map_err(|error| error.or_help(help))?;
            progress.lock().unwrap_or_else(PoisonError::into_inner).step();
            listed(&target)
        });
        Ok(each.collect::<Result<Vec<Vec<PathBuf>>, Error>>()?.concat())
    }

    fn place(&self, package: &Package) -> PathBuf {
        self.sibling.root.join(OsStr::from_bytes(package.directory.as_bytes()))
    }

    /// The tarballs by the names in them; every package must have one.
    fn sorted(
        &self,
        paths: &[PathBuf],
        missing: &BTreeMap<String, Reason>,
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        for path in paths {
            let bytes = read::file(path, FinalLink::Refuse, cache::LIMIT)
                .map_err(|error| Error::new("read what pnpm packed", error))?;
            let (manifest, _) = unpacked("read what pnpm packed", &bytes, false)?;
            let name = manifest.root.last("name").and_then(Node::text).unwrap_or_default();
            if !missing.contains_key(name) {
                return Err(Error::new(
                    format!("pack {}", self.sibling.shown),
                    format!("pnpm packed \"{}\", which nobody asked for", shown(name)),
                )
                .help("a script that runs before packing must not change the name of a package"));
            }
            found.insert(name.to_owned(), bytes);
        }
        match missing.keys().find(|name| !found.contains_key(*name)) {
            None => Ok(found),
            Some(name) => {
                Err(Error::new(format!("pack {}", shown(name)), "pnpm made no tarball of it")
                    .help("is its directory in pnpm-workspace.yaml? Nothing was written"))
            }
        }
    }

    /// A tarball that has what its manifest names.
    fn tarball(&self, name: &str, bytes: Vec<u8>, source: TarballSource) -> Result<Tarball, Error> {
        let doing = format!("pack {}", shown(name));
        let is_new = matches!(source, TarballSource::Packed(_));
        let (manifest, files) = unpacked(&doing, &bytes, is_new)?;
        let text = |field| manifest.root.last(field).and_then(Node::text).unwrap_or_default();
        if text("name") != name {
            let cause = format!("its tarball is one of {:?}", shown(text("name")));
            return Err(Error::new(doing, cause));
        }
        let version = text("version");
        let version = Version::parse(version).map_err(|error| Error::new(&*doing, error))?;
        let stem = stem(name, &version)
            .ok_or_else(|| Error::new(&*doing, "its name is not one of a package"))?;
        if is_new && let Some((field, path)) = built::missing(&manifest.root, &files) {
            let path = shown(&path);
            let help = match self.request.settings.build {
                SiblingBuild::None => "build it first, or leave --no-build out",
                _ => "`prep.build` of bakstop.json must build it; nothing was prepared",
            };
            let cause = format!("it is not built: `{field}` names {path}, which is not packed");
            return Err(Error::new(doing, cause).help(help));
        }
        let digest = sha256(&bytes);
        let file = format!("{stem}-{}.tgz", digest.get(..8).unwrap_or(&digest));
        let manifest = PackedManifest::parse(&manifest.root, &manifest.text);
        Ok(Tarball { name: name.to_owned(), version, file, bytes, manifest, source })
    }
}

fn pack_arguments(target: &Path) -> [String; 2] {
    ["pack".to_owned(), format!("--pack-destination={}", target.display())]
}

fn shown(text: &str) -> Escaped<'_> {
    Escaped(text.as_bytes())
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    read::list(directory).map_err(|error| {
        Error::new("read what pnpm packed", error)
            .help("pnpm made no tarball: nothing was prepared")
    })
}

struct Unpacked {
    root: Node,
    text: Vec<u8>,
}

/// The manifest of a tarball, and, if asked for, its files.
fn unpacked(doing: &str, bytes: &[u8], all: bool) -> Result<(Unpacked, BTreeSet<String>), Error> {
    let name = FileKind::MANIFEST;
    let packed = tarball::read(bytes, name, all)
        .map_err(|error| Error::new(doing, format!("its tarball cannot be read: {error}")))?;
    let text =
        packed.manifest.ok_or_else(|| Error::new(doing, format!("its tarball has no {name}")))?;
    let root = parsed(&RepoPath::from(name), &text)?;
    Ok((Unpacked { root, text }, packed.files))
}
