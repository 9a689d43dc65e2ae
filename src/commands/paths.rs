//! The files and directories that a user names on the command line.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::{Context, sources};
use crate::disk::read;
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
    /// Whether a covered path is there. Several threads may see one.
    found: AtomicBool,
}

impl Paths {
    /// Paths relative to the current directory. Without a work tree, they begin at the top of a
    /// tree. `doing` completes "could not …".
    pub(super) fn of(named: &[PathBuf], doing: &str, context: &Context) -> Result<Self, Error> {
        if named.is_empty() {
            return Ok(Self::default());
        }
        let here = &context.directory;
        let top = match sources::top(context)? {
            Some(top) => top,
            None => {
                let top = Git::new(here).path(doing, &["rev-parse", "--show-toplevel"]);
                top.unwrap_or_else(|_| here.clone())
            }
        };
        let named = named.iter().map(|path| {
            let shown = RepoPath::from(path.as_path());
            let path = below(&top, &here.join(path)).ok_or_else(|| {
                Error::new(doing, format!("{shown} is outside of the work tree"))
                    .help("name files and directories of this repository")
            })?;
            let path = RepoPath::from(as_listed(&top, &path).as_path());
            Ok(Named { shown, path, found: AtomicBool::new(false) })
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
            named.found.store(true, Ordering::Relaxed);
            covered = true;
        }
        covered
    }

    /// Those that cover no path so far, from the top of the work tree.
    pub(super) fn uncovered(&self) -> impl Iterator<Item = &RepoPath> {
        self.0.iter().filter(|named| !named.found.load(Ordering::Relaxed)).map(|named| &named.path)
    }

    /// The first one, as the user wrote it, that covers no path so far and does not exist.
    pub(super) fn missing(&self, exists: impl Fn(&RepoPath) -> bool) -> Option<&RepoPath> {
        let missing = self
            .0
            .iter()
            .find(|named| !named.found.load(Ordering::Relaxed) && !exists(&named.path));
        missing.map(|named| &named.shown)
    }
}

/// The path of `file` below `top`; `None` for one outside.
fn below(top: &Path, file: &Path) -> Option<PathBuf> {
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
    plain.strip_prefix(top).ok().map(Path::to_owned).or_else(resolved)
}

/// The path in the letter case in which directories list it. A file system that folds case, as on
/// macOS, finds a file by other names too; git knows it by one.
fn as_listed(top: &Path, path: &Path) -> PathBuf {
    let mut listed = PathBuf::new();
    for name in path {
        let place = top.join(&listed);
        let exists = place.join(name).symlink_metadata().is_ok();
        let names = exists.then(|| read::list(&place).ok()).flatten().unwrap_or_default();
        let names: Vec<&OsStr> = names.iter().filter_map(|path| path.file_name()).collect();
        listed.push(listed_name(name, &names));
    }
    listed
}

/// The one of the names that differs from this one in nothing or, if no such name is listed, in
/// letter case; or else the name itself.
fn listed_name<'a>(name: &'a OsStr, names: &[&'a OsStr]) -> &'a OsStr {
    let is_same = |other: &&&OsStr| other.eq_ignore_ascii_case(name);
    if names.contains(&name) { name } else { names.iter().find(is_same).copied().unwrap_or(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_one_that_is_listed() {
        let names = ["Web", "backend", "BACKEND", "Café"].map(OsStr::new);
        for (name, listed) in [
            ("web", "Web"),
            ("Web", "Web"),
            ("BACKEND", "BACKEND"),
            ("backend", "backend"),
            ("cafe\u{301}", "cafe\u{301}"),
            ("other", "other"),
        ] {
            assert_eq!(listed_name(OsStr::new(name), &names), listed);
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("Web/src")).unwrap();
        for path in ["Web/src", "Web/new/file", "", "Web"] {
            assert_eq!(as_listed(directory.path(), Path::new(path)), Path::new(path));
        }
    }
}
