//! A check that is limited to some paths.

use std::borrow::Cow;

use crate::base::change::{Change, Commit, Content, Entry, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::paths::Paths;

/// What fails if a path cannot be judged, after "could not".
pub(super) const DOING: &str = "judge the named paths";

/// Limits the new files of a change to these paths.
pub(super) fn narrow<'a>(paths: &'a Paths, change: &'a dyn Change) -> Narrowed<'a> {
    let kept = || change.fresh().iter().filter(|entry| paths.cover(&entry.path)).cloned();
    let fresh = (!paths.is_empty()).then(|| kept().collect());
    Narrowed { change, fresh, paths }
}

/// An error if one of these paths has no file, neither a new one nor another of `change`.
pub(super) fn must_exist_in(paths: &Paths, change: &dyn Change) -> Result<(), Error> {
    let missing = || paths.missing(|_| false);
    if missing().is_some() {
        change.entries(&|path| paths.cover(path))?;
    }
    missing().map_or(Ok(()), |shown| {
        Err(Error::new(DOING, format!("no file that is judged here matches {shown}")).help(
            "paths are relative to the current directory, and ignored files are not judged; \
             `bakstop check --help` lists the scopes",
        ))
    })
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
        if self.paths.is_empty() {
            return Ok(entries);
        }
        Ok(entries.into_iter().map(|entry| self.marked(entry)).collect())
    }

    fn all(&self) -> Result<Cow<'_, [Entry]>, Error> {
        if self.paths.is_empty() {
            return self.change.all();
        }
        self.entries(&|_| true).map(Cow::Owned)
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        Ok(self.change.at(path)?.map(|entry| self.marked(entry)))
    }

    fn has(&self, start: &[u8], wanted: &dyn Fn(&RepoPath) -> bool) -> Result<bool, Error> {
        self.change.has(start, wanted)
    }

    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        self.change.before(wanted)
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.change.read(entry, limit)
    }
}
