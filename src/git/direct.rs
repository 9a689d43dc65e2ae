//! The staged content, read from the repository's own files without opening the repository: the fastest layer.
//!
//! `git commit` writes the trees of the index before it runs the hook, and notes the root in the index. So what is staged is
//! mostly the difference of two trees, whose size is that of the change; the index is not loaded. Everything that this
//! layer does not know for certain is handed over: it goes by lists of what is allowed.

use std::path::PathBuf;

use crate::base::change::{Entry, ObjectId};
use crate::base::path::RepoPath;
use crate::git::command::Git;
use crate::git::compare::{Compared, compare};
use crate::git::native::{Handover, Kind};
use crate::git::objects::{Objects, tree_line};
use crate::git::source::OnDisk;
use crate::git::store::Store;
use crate::git::trees::{self, Walk};
use crate::os::env::Environment;

pub(super) mod index;
mod place;
mod head;

use place::Place;

/// What is staged, and the index for what is asked later.
#[derive(Debug)]
pub(super) struct Staged {
    /// What is new, and what is in conflict.
    pub compared: Compared,
    /// The index.
    pub index: Index,
    /// The object store.
    pub objects: Objects,
    /// The top of the work tree.
    pub top: PathBuf,
    /// Whether we were started below it.
    pub below_top: bool,
}

/// The index, kept for what the rules ask for later.
#[derive(Debug)]
pub(super) struct Index {
    file: index::Index<OnDisk>,
    /// The tree that it makes, if that is known.
    root: Option<ObjectId>,
}

/// Reads what is staged in the repository that git would use in this directory and environment.
pub(super) fn staged(git: &Git, env: &Environment) -> Result<Staged, Handover> {
    let place = Place::find(git.directory(), env)?;
    let file = OnDisk::open(&place.index).map_err(|error| format!("the index cannot be opened ({error})"))?;
    let file = index::Index::of(file, gix::hash::Kind::Sha1.len_in_bytes())?;
    let store = Store::of_few(place.common.join("objects"));
    let objects = Objects::direct(store, git.clone(), env.clone());
    let head = tree_of(&head::commit(&place)?, &objects)?;
    let root = file.root()?;
    let compared = match root {
        Some(root) => {
            let unreadable = |_| Handover::from("a tree of the index cannot be read");
            let fresh = Walk::new(&objects).fresh(&root, &[head]).map_err(unreadable)?;
            Compared { fresh, unmerged: Vec::new() }
        }
        None => compare(&mut file.entries(), file.cache_tree()?.as_ref(), head, &objects)?,
    };
    let Place { top, below_top, .. } = place;
    Ok(Staged { compared, index: Index { file, root }, objects, top, below_top })
}

/// The tree of the commit of HEAD.
fn tree_of(commit: &ObjectId, objects: &Objects) -> Result<ObjectId, Handover> {
    let mut raw = Vec::new();
    objects.raw(commit, Kind::Commit, &mut raw).map_err(|_| "the commit of HEAD cannot be read")?;
    tree_line(&raw).ok_or_else(|| "the commit of HEAD names no tree".into())
}

impl Index {
    /// The wanted entries that would be committed, none of them marked as fresh.
    pub(super) fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Handover> {
        self.file.wanted(wanted)
    }

    /// The entry at one path, if it would be committed.
    pub(super) fn entry(&self, path: &RepoPath, objects: &Objects) -> Result<Option<Entry>, Handover> {
        match &self.root {
            // A few trees are read sooner than an index.
            Some(root) => trees::at(objects, root, path).map_err(|_| "a tree of the index cannot be read".into()),
            None => self.file.at(path),
        }
    }
}

/// Whatever is read, the entries are as many as the header says, each at a path; and a root that is believed is that of the
/// whole cache-tree.
#[cfg(any(fuzzing, test))]
pub(super) fn fuzz(data: &[u8]) {
    use crate::git::compare::Entries;

    head::find_packed(data, data.get(..16).unwrap_or_default());
    for hash in [20, 32] {
        let Ok(index) = index::Index::of(data, hash) else { continue };
        // Where the root is enough, the names below it are not looked at.
        if let (Ok(Some(root)), Ok(whole)) = (index.root(), index.cache_tree()) {
            assert_eq!(whole.expect("it is there").id, Some(root));
        }
        let mut stream = index.entries();
        let mut count = 0;
        while let Ok(Some(item)) = stream.peek() {
            assert!(!item.path.is_empty() && item.path.len() <= trees::LONGEST_PATH && !item.path.contains(&0));
            count += 1;
            stream.advance();
        }
        if stream.peek().is_ok() {
            assert_eq!(count, index.count());
            let _ = stream.finish();
        }
    }
}
