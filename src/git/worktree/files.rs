//! Files of the work tree as a change to judge.

use std::borrow::Cow;
use std::path::Path;

use crate::base::change::{Change, Content, Entry, Mode, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::endless;
use crate::git::process::{Git, records, without_slash};
use crate::git::worktree::{WorkTree, plain};

/// Files of the work tree, with their content on disk.
#[derive(Debug)]
pub(crate) struct OnDisk<'a> {
    tree: &'a WorkTree,
    entries: Vec<Entry>,
    /// Whether the type of each entry was checked.
    listed: bool,
}

impl<'a> OnDisk<'a> {
    /// All files that are tracked, or neither tracked nor ignored.
    pub(crate) fn all(tree: &'a WorkTree) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for path in Self::paths(tree)? {
            // A tracked file may be deleted.
            if let Some(mode) = tree.mode(&path)? {
                entries.extend(entry(path, mode, true));
            }
        }
        Ok(Self { tree, entries, listed: true })
    }

    /// The paths of all files.
    fn paths(tree: &WorkTree) -> Result<Vec<RepoPath>, Error> {
        if !tree.has_git {
            return plain::files(&tree.top, plain::is_leftover);
        }
        endless::refuse_in_work_tree(&tree.top)?;
        let which = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--full-name",
            "--",
            ":/",
        ];
        let listing = tree.git.output("list the files of the work tree", &which)?;
        // Git prints a nested repository with a trailing slash.
        let mut paths: Vec<RepoPath> =
            records(&listing).map(|path| RepoPath::new(without_slash(path))).collect();
        // A path in conflict is listed once for each stage.
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }

    /// The work tree that the files are in.
    pub(crate) fn tree(&self) -> &'a WorkTree {
        self.tree
    }

    /// The file at a path, if it exists.
    pub(crate) fn file(tree: &'a WorkTree, path: RepoPath) -> Result<Self, Error> {
        let mode = tree.mode(&path)?;
        let entries = mode.and_then(|mode| entry(path, mode, false)).into_iter().collect();
        Ok(Self { tree, entries, listed: true })
    }

    /// The files at these paths, each with whether it is new.
    pub(crate) fn of(tree: &'a WorkTree, paths: impl Iterator<Item = (RepoPath, bool)>) -> Self {
        let entries = paths.filter_map(|(path, is_new)| entry(path, Mode::File, is_new)).collect();
        Self { tree, entries, listed: false }
    }
}

/// The files below a directory of another repository, relative to it: tracked, or neither tracked
/// nor ignored. A nested repository is one path. With `may_lack_git`, it need not be a repository:
/// then all of its files.
pub(crate) fn files_below(directory: &Path, may_lack_git: bool) -> Result<Vec<RepoPath>, Error> {
    if may_lack_git && plain::has_no_repository(directory) {
        plain::must_be_own(directory)?;
        return plain::files(directory, |_| false);
    }
    let doing = format!("list the files of {}", RepoPath::from(directory));
    // First: another directory may be the root of all file systems.
    Git::nested(directory)
        .output(&doing, &["rev-parse", "--show-toplevel"])
        .map_err(|error| error.help(SIBLING))?;
    endless::refuse_in_work_tree(directory)?;
    let which = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listing = Git::nested(directory).output(&doing, &which)?;
    let mut paths: Vec<RepoPath> =
        records(&listing).map(|path| RepoPath::new(without_slash(path))).collect();
    // A path in conflict is listed once for each stage.
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// Without git, what a build wrote cannot be told from its sources.
const SIBLING: &str = "it must be a work tree of git: clone it there; or build it, and pack what \
                       lies there: bakstop prep --no-build";

fn entry(path: RepoPath, mode: Mode, is_new: bool) -> Option<Entry> {
    // Content is read by path; the id is not used.
    let id = ObjectId::from_bytes(&[0; 20])?;
    Some(Entry { path, mode, id, fresh: true, replaces: (!is_new).then_some(id) })
}

impl Change for OnDisk<'_> {
    fn fresh(&self) -> &[Entry] {
        &self.entries
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        Ok(self.entries.iter().filter(|entry| wanted(&entry.path)).cloned().collect())
    }

    fn all(&self) -> Result<Cow<'_, [Entry]>, Error> {
        Ok(Cow::Borrowed(&self.entries))
    }

    fn before(&self, _: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        Ok(Vec::new())
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        match self.tree.read(&entry.path, limit)? {
            Some(content) => Ok(content),
            None if self.listed && entry.is_regular() => {
                let cause = "it was replaced or removed while this ran";
                Err(Error::new(format!("read {}", entry.path), cause).help("run this again"))
            }
            // A path that is not a regular file, or does not exist, has no content to judge.
            None => Ok(Content::Bytes(Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn a_file_that_changed_after_the_listing_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert!(
            Command::new("git")
                .args(["init", "-q"])
                .arg(directory.path())
                .status()
                .unwrap()
                .success()
        );
        for name in ["gone", "fifo", "link", "stays"] {
            fs::write(at(name), "text").unwrap();
        }
        let tree = WorkTree::open(directory.path()).unwrap();
        let files = OnDisk::all(&tree).unwrap();
        assert!(matches!(Change::all(&files), Ok(Cow::Borrowed(all)) if all.len() == 4));
        for name in ["gone", "fifo", "link"] {
            fs::remove_file(at(name)).unwrap();
        }
        mkfifoat(CWD, at("fifo"), Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("link")).unwrap();
        for entry in files.fresh() {
            let read = files.read(entry, 100).ok();
            let expected =
                (entry.path.as_bytes() == b"stays").then(|| Content::Bytes(b"text".to_vec()));
            assert_eq!(read, expected, "{}", entry.path);
        }
        // Paths that were not listed need not exist.
        let known = OnDisk::of(&tree, [(RepoPath::from("gone"), true)].into_iter());
        assert_eq!(known.read(&known.fresh()[0], 100).unwrap(), Content::Bytes(Vec::new()));
    }
}
