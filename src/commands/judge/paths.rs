//! The paths that a check is limited to.

use std::cell::Cell;
use std::path::{Component, Path, PathBuf};

use crate::base::change::{Change, Commit, Content, Entry, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::git::Git;

const DOING: &str = "judge the named paths";

/// Files and directories, without patterns; none of them means every path.
#[derive(Debug)]
pub(super) struct Paths(Vec<Named>);

#[derive(Debug)]
struct Named {
    /// As the user wrote it.
    shown: RepoPath,
    /// From the top of the work tree; empty for the top itself.
    path: RepoPath,
    /// Whether a file is there.
    found: Cell<bool>,
}

impl Paths {
    /// Paths relative to the current directory. Without a work tree, they begin at the top of a
    /// tree.
    pub(super) fn of(named: &[PathBuf], context: &Context) -> Result<Self, Error> {
        if named.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let here = &context.directory;
        let top = Git::new(here).path(DOING, &["rev-parse", "--show-toplevel"]);
        let top = top.unwrap_or_else(|_| here.clone());
        let named = named.iter().map(|path| {
            let shown = RepoPath::from(path.as_path());
            let path = below(&top, &here.join(path)).ok_or_else(|| {
                Error::new(DOING, format!("{shown} is outside of the work tree"))
                    .help("name files and directories of this repository")
            })?;
            Ok(Named { shown, path, found: Cell::new(false) })
        });
        named.collect::<Result<_, Error>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path is judged.
    pub(super) fn cover(&self, path: &RepoPath) -> bool {
        let mut covered = self.is_empty();
        for named in &self.0 {
            let is_below = match path.as_bytes().strip_prefix(named.path.as_bytes()) {
                Some([] | [b'/', ..]) => true,
                rest => rest.is_some() && named.path.as_bytes().is_empty(),
            };
            named.found.set(named.found.get() || is_below);
            covered |= is_below;
        }
        covered
    }

    /// A change of which only these paths are new.
    pub(super) fn narrow<'a>(&'a self, change: &'a dyn Change) -> Narrowed<'a> {
        let kept = || change.fresh().iter().filter(|entry| self.cover(&entry.path)).cloned();
        let fresh = (!self.is_empty()).then(|| kept().collect());
        Narrowed { change, fresh, paths: self }
    }

    /// An error if there is no file at one of these paths, neither a new one nor another of
    /// `change`.
    pub(super) fn must_exist_in(&self, change: &dyn Change) -> Result<(), Error> {
        let missing = || self.0.iter().find(|named| !named.found.get());
        if missing().is_some() {
            change.entries(&|path| self.cover(path))?;
        }
        missing().map_or(Ok(()), |Named { shown, .. }| {
            Err(Error::new(DOING, format!("no file that is judged here matches {shown}")).help(
                "paths are relative to the current directory, and ignored files are not judged; \
                 `bakstop check --help` lists the scopes",
            ))
        })
    }
}

/// The path of `file` below `top`; `None` for one outside.
fn below(top: &Path, file: &Path) -> Option<RepoPath> {
    let mut plain = PathBuf::new();
    for part in file.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    // A link may lead to the top in another way.
    let resolved = || {
        let parent = plain.parent()?.canonicalize().ok()?;
        let place = parent.join(plain.file_name()?);
        Some(place.strip_prefix(top.canonicalize().ok()?).ok()?.to_owned())
    };
    let path = plain.strip_prefix(top).ok().map(Path::to_owned).or_else(resolved)?;
    Some(RepoPath::from(path.as_path()))
}

/// A change of which only some paths are new.
pub(super) struct Narrowed<'a> {
    change: &'a dyn Change,
    /// The new entries that are judged; `None` for all of them.
    fresh: Option<Vec<Entry>>,
    paths: &'a Paths,
}

impl Narrowed<'_> {
    fn marked(&self, entry: Entry) -> Entry {
        Entry { fresh: entry.fresh && self.paths.cover(&entry.path), ..entry }
    }
}

impl Change for Narrowed<'_> {
    fn commit(&self) -> Option<Commit> {
        self.change.commit()
    }

    fn fresh(&self) -> &[Entry] {
        self.fresh.as_deref().unwrap_or_else(|| self.change.fresh())
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let entries = self.change.entries(wanted)?;
        Ok(entries.into_iter().map(|entry| self.marked(entry)).collect())
    }

    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        self.change.before(wanted)
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        Ok(self.change.at(path)?.map(|entry| self.marked(entry)))
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.change.read(entry, limit)
    }
}
