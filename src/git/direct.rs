//! The staged content, read from the repository's own files without opening the repository: the
//! fastest layer.
//!
//! `git commit` writes the trees of the index before it runs the hook, and notes the root in the
//! index. So what is staged is mostly the difference of two trees, whose size is that of the
//! change; the index is not loaded. Everything that this layer does not know for certain is handed
//! over: it goes by lists of what is allowed.

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

/// The index, kept for what the rules ask for later.
#[derive(Debug)]
pub(super) struct DirectIndex {
    file: IndexFile<FileSource>,
    /// The tree that it makes, if that is known.
    root: Option<ObjectId>,
}

/// Reads what is staged in the repository that git would use in this directory and environment;
/// with the index and the object store for later questions.
pub(super) fn staged(
    git: &Git,
    env: &Environment,
) -> Result<(LayerAnswer, DirectIndex, Objects), Handover> {
    let repository = Repository::find(git.directory(), env)?;
    let file = FileSource::open(&repository.index)
        .map_err(|error| Handover::failed("the index cannot be opened", error))?;
    let file = IndexFile::of(file, repository.hash)?;
    let objects = Objects::new(Store::of_few(vec![repository.objects()]), git.clone());
    let head = head::commit(&repository)?.map(|commit| tree_of(&commit, &objects)).transpose()?;
    let root = file.root()?;
    let compared = match (root, head) {
        (Some(root), Some(head)) => {
            let unreadable = |_| Handover::from("a tree of the index cannot be read");
            let fresh = TreeWalk::new(&objects).fresh(&root, &[head]).map_err(unreadable)?;
            Compared { fresh, unmerged: Vec::new() }
        }
        // Where everything is new, the entries are read sooner than the trees.
        (_, head) => compare(&file, head, &objects)?,
    };
    let Repository { top, below_top, .. } = repository;
    Ok((LayerAnswer { compared, top: Some(top), below_top }, DirectIndex { file, root }, objects))
}

/// The tree of the commit of HEAD.
fn tree_of(commit: &ObjectId, objects: &Objects) -> Result<ObjectId, Handover> {
    let mut raw = Vec::new();
    objects
        .raw(commit, ObjectKind::Commit, &mut raw)
        .map_err(|_| "the commit of HEAD cannot be read")?;
    tree_line(&raw).ok_or_else(|| "the commit of HEAD names no tree".into())
}

impl DirectIndex {
    /// The wanted entries that would be committed, none of them marked as fresh.
    pub(super) fn entries(
        &self,
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Entry>, Handover> {
        self.file.wanted(wanted)
    }

    /// The entry at one path, if it would be committed.
    pub(super) fn entry(
        &self,
        path: &RepoPath,
        objects: &Objects,
    ) -> Result<Option<Entry>, Handover> {
        match &self.root {
            // A few trees are read sooner than an index.
            Some(root) => trees::at(objects, root, path)
                .map_err(|_| "a tree of the index cannot be read".into()),
            None => self.file.at(path),
        }
    }
}
