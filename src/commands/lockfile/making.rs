//! Makes the lockfile of an image by the pinned pnpm, in a private directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::{RepoPath, shell_quote};
use crate::commands::Context;
use crate::commands::pnpm::{Downloads, IGNORE_PIN, Pnpm};
use crate::disk::read::{self, FinalLink};
use crate::disk::scratch::Scratch;
use crate::engine::LIMIT;
use crate::formats::lockfile::LockFault;
use crate::locks::{ImageView, InHouse, LockLayout, Unlockable, Unseeded, seed};
use crate::project::kinds::FileKind;

/// Where pnpm works, below the private directory: deep enough that no pattern of members leads out
/// of it.
const PLACE: &str = "a/b/c/d/e/f/g/h/image";
/// The settings of the user, if the image has some.
const NPMRC: &str = "settings-of-user";
/// What pnpm keeps of the registry, if it must ask it.
const CACHE: &str = "cache";
/// A directory that pnpm may make, and nobody needs.
const INSTALLED: &str = "node_modules";

/// What pnpm made.
#[derive(Debug)]
pub(super) enum Made {
    Lockfile(Vec<u8>),
    /// It also wrote these files, which the image does not have like that. Safe to print.
    Wants(Vec<String>),
}

/// What pnpm knows of the packages in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegistryKnowledge {
    /// What it has kept, which it asks the registry to confirm, and uses if there is no answer.
    Kept,
    /// Nothing: what it does not ask, it does not know.
    Nothing,
}

/// What pnpm gets.
pub(super) struct Order {
    layout: LockLayout,
    seed: Option<String>,
}

impl Order {
    /// Everything that can be said without pnpm is said first.
    pub(super) fn of(view: &ImageView, in_house: InHouse, doing: &str) -> Result<Self, Error> {
        let layout = LockLayout::of(view).map_err(|why| refusal(why, view, doing))?;
        if in_house == InHouse::Moved && view.workspace.is_none() {
            let cause = "there is no lockfile of the workspace, which tells the packages to move";
            return Err(Error::new(doing, cause).help("run it without --update"));
        }
        let seed = seed(view, in_house).map_err(|unread| unseeded(&unread, doing))?;
        Ok(Self { layout, seed })
    }

    /// Whether pnpm gets the same as with another order for the same image.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.seed == other.seed
    }

    /// The code that pnpm runs.
    pub(super) fn code(&self) -> Option<&RepoPath> {
        self.layout.code.as_ref()
    }

    /// Lets pnpm make the lockfile, and reads it.
    pub(super) fn made(
        &self,
        view: &ImageView,
        known: RegistryKnowledge,
        doing: &str,
        context: &Context,
    ) -> Result<Made, Error> {
        let Some(version) = &view.version else {
            let cause = "no version of pnpm is pinned for this image";
            return Err(Error::new(doing, cause).help(
                "pin one: `\"packageManager\": \"pnpm@…\"` in the package.json of the image",
            ));
        };
        let failed = |error| Error::new(doing, error).help("it needs a temporary directory");
        let scratch = Scratch::new().map_err(failed)?;
        let pnpm = Pnpm::find(version, Downloads::Never, doing, &scratch, &context.env)?;
        let place = Path::new(PLACE);
        for (path, text) in &self.layout.files {
            scratch.put(&place.join(path), text).map_err(failed)?;
        }
        let lockfile = Path::new(FileKind::LOCKFILE_OF_PNPM);
        if let Some(seed) = &self.seed {
            scratch.put(&place.join(lockfile), seed.as_bytes()).map_err(failed)?;
        }
        if let Some(source) = &self.layout.user_npmrc {
            scratch.put(Path::new(NPMRC), &source.file.text).map_err(failed)?;
        }
        // pnpm may record its version in the lockfile if the manifest pins it.
        let is_pinned = version.major >= 12
            && !view.ignores_pin
            && view.pinned_by_manifest().as_deref() == Some(&*version.to_string());
        let directory = scratch.path().join(place);
        let variables = self.variables(scratch.path(), known, is_pinned);
        let variables: Vec<_> = variables.iter().map(|(name, it)| (*name, it.as_str())).collect();
        pnpm.run(doing, &self.arguments(), &directory, &variables).map_err(|error| {
            error.help(
                "nothing was written; pnpm had the files of the image alone, and the registries \
                 and tokens of this user or of the image's .npmrc",
            )
        })?;
        let others = self.changed(&scratch).map_err(failed)?;
        if !others.is_empty() {
            return Ok(Made::Wants(others));
        }
        read::file(&directory.join(lockfile), FinalLink::Refuse, LIMIT).map(Made::Lockfile).map_err(
            |error| {
                Error::new(doing, format!("pnpm wrote no lockfile that can be read: {error}"))
                    .help("nothing was written; does a manifest of the image have dependencies?")
            },
        )
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments =
            vec!["install", "--lockfile-only", "--ignore-scripts", "--no-frozen-lockfile"];
        if !self.layout.files.contains_key(FileKind::WORKSPACE_OF_PNPM) {
            // Not even one in a directory above.
            arguments.push("--ignore-workspace");
        }
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// What pnpm reads beside the files of its directory: the `.npmrc` instead of that of the user,
    /// and what it keeps of registries.
    fn variables(
        &self,
        scratch: &Path,
        known: RegistryKnowledge,
        is_pinned: bool,
    ) -> Vec<(&'static str, String)> {
        let path = |name| scratch.join(name).to_string_lossy().into_owned();
        let mut variables = Vec::new();
        if self.layout.user_npmrc.is_some() {
            variables.push(("NPM_CONFIG_USERCONFIG", path(NPMRC)));
        }
        if known == RegistryKnowledge::Nothing {
            // pnpm 10 reads the first, pnpm 11 the second name.
            variables.push(("npm_config_cache_dir", path(CACHE)));
            variables.push(("pnpm_config_cache_dir", path(CACHE)));
        }
        if !is_pinned {
            variables.push((IGNORE_PIN.0, IGNORE_PIN.1.to_owned()));
        }
        variables
    }

    /// The files but the lockfile that pnpm wrote or changed.
    fn changed(&self, scratch: &Scratch) -> std::io::Result<Vec<String>> {
        let place = Path::new(PLACE);
        let found = scratch.files_below(place, OsStr::new(INSTALLED))?;
        let known: BTreeSet<PathBuf> = self.layout.files.keys().map(PathBuf::from).collect();
        let is_other = |path: &&PathBuf| {
            path.as_path() != Path::new(FileKind::LOCKFILE_OF_PNPM) && {
                let text = path.to_str().and_then(|path| self.layout.files.get(path));
                let place = scratch.path().join(place).join(path);
                let now = read::file(&place, FinalLink::Refuse, LIMIT).ok();
                text.is_none() || text != now.as_ref()
            }
        };
        let others = found.union(&known).filter(is_other);
        Ok(others.map(|path| Escaped(path.as_os_str().as_bytes()).to_string()).collect())
    }
}

fn refusal(why: Unlockable, view: &ImageView, doing: &str) -> Error {
    match why {
        Unlockable::NoMember(cause) => Error::new(doing, cause).help(if view.origin.is_some() {
            "let the Dockerfile copy the manifest of that member, or write a range"
        } else {
            "an image with the layout of the workspace has it: bakstop lockfile --layout flat"
        }),
        Unlockable::Program(path) => {
            let cause = format!("{path} names a program with `tokenHelper`, and would start it");
            Error::new(doing, cause).help("write the token as a variable: `${TOKEN}`")
        }
    }
}

fn unseeded(unread: &Unseeded<'_>, doing: &str) -> Error {
    let path = &unread.source.file.path;
    let cause = match &unread.fault {
        LockFault::Conflict(_) => format!("{path} has markers of a merge conflict"),
        LockFault::Empty => format!("{path} is empty, or no lockfile"),
        LockFault::Syntax(error) => format!("{path} cannot be parsed: {}", error.message),
        LockFault::DuplicateKey(_) => format!("{path} has a key twice"),
    };
    let path = shell_quote(path.as_bytes()).into_owned();
    let path = Escaped(path.as_bytes());
    Error::new(doing, cause).help(format!(
        "take a version of it that is whole, for example: git checkout HEAD -- {path}"
    ))
}
