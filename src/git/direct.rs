//! The staged content, read directly from the files of the repository: the fastest layer.
//!
//! `git commit` writes the trees of the index before it runs the hook, and records the root in the
//! index. So the staged changes are mostly the difference of two trees, which takes time in
//! proportion to the change; the index is not loaded. This layer uses allowlists, and hands over
//! everything else.

use std::path::PathBuf;

use crate::base::change::{Entry, ObjectId};
use crate::base::path::RepoPath;
use crate::git::compare::compare;
use crate::git::index::IndexFile;
use crate::git::layer::{Compared, Handover, LayerAnswer, ObjectKind};
use crate::git::objects::{Objects, tree_line};
use crate::git::process::Git;
use crate::git::repository::Repository;
use crate::git::source::FileSource;
use crate::git::store::Store;
use crate::git::trees::{self, TreeWalk};
use crate::os::env::Environment;

pub(super) mod head;

/// The index, kept for later queries by rules.
#[derive(Debug)]
pub(super) struct DirectIndex {
    file: IndexFile<FileSource>,
    /// The tree of its entries, if it is known.
    root: Option<ObjectId>,
    /// The tree of HEAD; `None` before the first commit.
    head: Option<ObjectId>,
    /// The directory of this work tree: HEAD and the index.
    directory: PathBuf,
}

/// Reads the staged changes of the repository that git would use. Returns the index and the objects
/// for later queries.
pub(super) fn staged(
    git: &Git,
    env: &Environment,
) -> Result<(LayerAnswer, DirectIndex, Objects), Handover> {
    let repository = Repository::find(git.directory(), env)?;
    let file = FileSource::open(&repository.index)
        .map_err(|error| Handover::failed("the index cannot be opened", error))?;
    let file = IndexFile::of(file, repository.hash)?;
    let objects = Objects::new(Store::for_staged(vec![repository.objects()]), git.clone());
    let head = head::commit(&repository)?.map(|commit| tree_of(&commit, &objects)).transpose()?;
    let root = file.root()?;
    let compared = match (root, head) {
        (Some(root), Some(head)) => {
            let unreadable = |_| Handover::from("a tree of the index cannot be read");
            let fresh = TreeWalk::default().fresh(&objects, &root, &[head]).map_err(unreadable)?;
            Compared { fresh, unmerged: Vec::new() }
        }
        // If everything is new, reading the entries is faster than reading the trees.
        (_, head) => compare(&file, head, &objects)?,
    };
    let Repository { top, below_top, git: directory, .. } = repository;
    let index = DirectIndex { file, root, head, directory };
    Ok((LayerAnswer { compared, top: Some(top), below_top }, index, objects))
}

fn tree_of(commit: &ObjectId, objects: &Objects) -> Result<ObjectId, Handover> {
    let mut raw = Vec::new();
    objects
        .raw(commit, ObjectKind::Commit, &mut raw)
        .map_err(|_| "the commit of HEAD cannot be read")?;
    tree_line(&raw).ok_or_else(|| "the commit of HEAD has no tree".into())
}

impl DirectIndex {
    /// The tree of its entries, if it is known.
    pub(super) fn root(&self) -> Option<&ObjectId> {
        self.root.as_ref()
    }

    /// The tree of HEAD; `None` before the first commit.
    pub(super) fn head(&self) -> Option<&ObjectId> {
        self.head.as_ref()
    }

    /// Whether the directory of this work tree has none of these files, for certain.
    pub(super) fn has_none_of(&self, names: &[&str]) -> bool {
        names.iter().all(|name| matches!(self.directory.join(name).try_exists(), Ok(false)))
    }

    /// The wanted entries that would be committed, not marked as fresh.
    pub(super) fn entries(
        &self,
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Entry>, Handover> {
        self.file.wanted(wanted)
    }

    /// Whether an entry may be wanted whose name begins with `start`, with case folded.
    pub(super) fn may_have(&self, start: &[u8], wanted: &dyn Fn(&RepoPath) -> bool) -> bool {
        self.file.may_have(start, wanted).unwrap_or(true)
    }

    /// The entry at a path, if it would be committed.
    pub(super) fn entry(
        &self,
        path: &RepoPath,
        objects: &Objects,
    ) -> Result<Option<Entry>, Handover> {
        match &self.root {
            // Reading a few trees is faster than reading the index.
            Some(root) => trees::at(objects, root, path)
                .map_err(|_| "a tree of the index cannot be read".into()),
            None => self.file.at(path),
        }
    }
}
