//! The files and directories that a user names on the command line.

use std::cell::Cell;
use std::path::{Component, Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::git::Git;

/// Files and directories, without patterns; none of them means every path.
#[derive(Debug, Default)]
pub(super) struct Paths(Vec<Named>);

#[derive(Debug)]
struct Named {
    /// As the user wrote it.
    shown: RepoPath,
    /// From the top of the work tree; empty for the top itself.
    path: RepoPath,
    /// Whether a covered path is there.
    found: Cell<bool>,
}

impl Paths {
    /// Paths relative to the current directory. Without a work tree, they begin at the top of a
    /// tree. `doing` completes "could not …".
    pub(super) fn of(named: &[PathBuf], doing: &str, context: &Context) -> Result<Self, Error> {
        if named.is_empty() {
            return Ok(Self::default());
        }
        let here = &context.directory;
        let top = Git::new(here).path(doing, &["rev-parse", "--show-toplevel"]);
        let top = top.unwrap_or_else(|_| here.clone());
        let named = named.iter().map(|path| {
            let shown = RepoPath::from(path.as_path());
            let path = below(&top, &here.join(path)).ok_or_else(|| {
                Error::new(doing, format!("{shown} is outside of the work tree"))
                    .help("name files and directories of this repository")
            })?;
            Ok(Named { shown, path, found: Cell::new(false) })
        });
        named.collect::<Result<_, Error>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path is one of these, or in one of these directories.
    pub(super) fn cover(&self, path: &RepoPath) -> bool {
        let mut covered = self.is_empty();
        for named in self.0.iter().filter(|named| path.is_in(named.path.as_bytes())) {
            named.found.set(true);
            covered = true;
        }
        covered
    }

    /// Those that cover no path so far, from the top of the work tree.
    pub(super) fn uncovered(&self) -> impl Iterator<Item = &RepoPath> {
        self.0.iter().filter(|named| !named.found.get()).map(|named| &named.path)
    }

    /// The first one, as the user wrote it, that covers no path so far and does not exist.
    pub(super) fn missing(&self, exists: impl Fn(&RepoPath) -> bool) -> Option<&RepoPath> {
        let missing = self.0.iter().find(|named| !named.found.get() && !exists(&named.path));
        missing.map(|named| &named.shown)
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
