//! The staged content, whichever layer found it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::change::{Change, Content, Entry};
use crate::env::Environment;
use crate::error::Error;
use crate::git::command::Git;
use crate::git::native;
use crate::git::objects::Objects;
use crate::path::RepoPath;

/// What is about to be committed.
#[derive(Debug)]
pub struct Staged {
    fresh: Vec<Entry>,
    /// The index, if gix has it open.
    index: Option<native::Index>,
    objects: Objects,
    git: Git,
    below_top: bool,
    /// The top of the work tree, if there is one.
    top: Option<PathBuf>,
}

impl Staged {
    /// Reads it: with gix, or where gix is not certain, with git.
    ///
    /// Unmerged paths are an error: they have no one content that could be judged, and git commits none of them.
    pub fn read(directory: &Path, env: &Environment) -> Result<Self, Error> {
        let git = Git::new(directory);
        // Git runs hooks at the top, and says here where the user was.
        let elsewhere = env.get("GIT_PREFIX").is_some();
        let native = native::Repository::open(directory, env).and_then(|repository| repository.staged(env));
        let (staged, unmerged) = match native {
            Ok(native::Staged { fresh, unmerged, index, objects, top, below_top }) => {
                let (index, objects) = (Some(index), Objects::of(Ok(objects), git.clone()));
                (Self { fresh, index, objects, git, below_top: below_top || elsewhere, top }, unmerged)
            }
            Err(handover) => {
                let (fresh, unmerged) = git.staged()?;
                let top = git.top()?;
                let below_top = elsewhere || !git.prefix("find the top of the work tree")?.is_empty();
                let objects = Objects::of(Err(handover), git.clone());
                (Self { fresh, index: None, objects, git, below_top, top }, unmerged)
            }
        };
        match unmerged.split_first() {
            None => Ok(staged),
            Some((first, others)) => Err(unmerged_paths(first, others.len())),
        }
    }

    /// Whether the user stands below the top of the work tree.
    pub fn is_below_top(&self) -> bool {
        self.below_top
    }

    /// Whether there is a work tree: without one, nothing can be committed by hand.
    pub fn has_work_tree(&self) -> bool {
        self.top.is_some()
    }

    /// What HEAD has at the path of a new entry; `None` if it has nothing, or that cannot be read.
    pub fn committed(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        let entry = self.fresh.iter().find(|entry| &entry.path == path)?;
        let before = Entry { id: entry.replaces?, ..entry.clone() };
        match self.read(&before, limit) {
            Ok(Content::Bytes(text)) => Some(text),
            _ => None,
        }
    }

    /// What stands in the work tree at this path, beside what is staged; `None` if it cannot be read.
    pub fn on_disk(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        let file = self.top.as_ref()?.join(OsStr::from_bytes(path.as_bytes()));
        let about = std::fs::symlink_metadata(&file).ok()?;
        if about.is_file() && about.len() <= limit { std::fs::read(file).ok() } else { None }
    }

    /// Which layer answered, for `--verbose`: the end of a sentence.
    pub fn layer(&self) -> String {
        self.objects.layer()
    }
}

fn unmerged_paths(first: &RepoPath, others: usize) -> Error {
    let cause = match others {
        0 => format!("{first} is unmerged"),
        1 => format!("{first} and 1 other path are unmerged"),
        _ => format!("{first} and {others} other paths are unmerged"),
    };
    Error::new("judge the staged content", cause).help("resolve the conflicts and `git add` the result")
}

impl Change for Staged {
    fn fresh(&self) -> &[Entry] {
        &self.fresh
    }

    fn whole(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let mut whole = match &self.index {
            Some(index) => index.entries(wanted),
            None => self.git.index_entries(wanted)?,
        };
        let fresh: std::collections::HashSet<&RepoPath> = self.fresh.iter().map(|entry| &entry.path).collect();
        for entry in &mut whole {
            entry.fresh = fresh.contains(&entry.path);
        }
        Ok(whole)
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        let entry = match &self.index {
            Some(index) => index.entry(path),
            None => self.git.index_entry(path)?,
        };
        let fresh = |entry: &Entry| self.fresh.iter().any(|fresh| fresh.path == entry.path);
        Ok(entry.map(|entry| Entry { fresh: fresh(&entry), ..entry }))
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.objects.blob(entry, limit)
    }
}
