//! What an index has that a tree has not.
//!
//! The index is compared directory by directory, and every directory whose tree the index already
//! knows to be that of HEAD is passed over: `git commit` writes that cache-tree before it runs the
//! hook, so little is left to compare.

use crate::base::change::{Entry, ObjectId};
use crate::base::path::{LONGEST_PATH, RepoPath};
use crate::git::cache_tree::CacheTree;
use crate::git::index::{IndexFile, IndexStream};
use crate::git::layer::{Compared, Handover};
use crate::git::objects::Objects;
use crate::git::source::Source;
use crate::git::trees::{self, Cursor, TreeItem};

/// Compares an index with the tree of HEAD; with nothing, before the first commit.
pub(super) fn compare<S: Source>(
    index: &IndexFile<S>,
    head: Option<ObjectId>,
    objects: &Objects,
) -> Result<Compared, Handover> {
    let (entries, found) = (index.entries(), Compared::default());
    let mut walk = IndexWalk { entries, objects, path: Vec::new(), found };
    let cache_tree = if head.is_some() { index.cache_tree()? } else { None };
    walk.enter(head, cache_tree.as_ref())?;
    if walk.entries.peek()?.is_some() {
        return Err("the cache-tree counts otherwise than the index".into());
    }
    walk.entries.finish()?;
    let mut found = walk.found;
    // An unmerged path is in the index once for each of its stages.
    found.unmerged.dedup();
    Ok(found)
}

struct IndexWalk<'a, S> {
    entries: IndexStream<'a, S>,
    objects: &'a Objects,
    /// The directory that it is in, with its slash.
    path: Vec<u8>,
    found: Compared,
}

/// What the next entry is, seen from a directory.
enum Next {
    File(Option<Entry>),
    Unmerged(RepoPath),
    /// The name of the directory that it is in.
    Directory(Vec<u8>),
}

impl<S: Source> IndexWalk<'_, S> {
    /// Goes through a directory, or past it where nothing in it is new.
    fn enter(&mut self, tree: Option<ObjectId>, cache: Option<&CacheTree>) -> Result<(), Handover> {
        match cache.and_then(|node| node.count.zip(node.id)) {
            Some((count, id)) if tree == Some(id) && count > 0 => self.pass(count),
            _ => self.directory(tree, cache),
        }
    }

    /// Passes the entries of this directory. The cache-tree knows the number; it is believed where
    /// both ends bear it out.
    fn pass(&mut self, count: u32) -> Result<(), Handover> {
        let wrong = || Handover::from("the cache-tree counts otherwise than the index");
        self.entries.skip(count - 1)?;
        if !self.entries.peek()?.is_some_and(|last| last.path.starts_with(&self.path)) {
            return Err(wrong());
        }
        self.entries.advance();
        match self.entries.peek()? {
            Some(item) if item.path.starts_with(&self.path) => Err(wrong()),
            _ => Ok(()),
        }
    }

    fn directory(
        &mut self,
        tree: Option<ObjectId>,
        cache: Option<&CacheTree>,
    ) -> Result<(), Handover> {
        // The recursion is as deep as the path. Git sets it no bound, and no work tree could hold
        // such a path.
        if self.path.len() > LONGEST_PATH {
            return Err("a path is longer than a file system takes".into());
        }
        let mut raw = Vec::new();
        let old = tree.map(|tree| self.old_entries(&tree, &mut raw)).transpose()?;
        let mut old = Cursor::new(old.as_deref().unwrap_or_default());
        while let Some(next) = self.next(&mut old)? {
            match next {
                Next::File(entry) => {
                    self.found.fresh.extend(entry);
                    self.entries.advance();
                }
                Next::Unmerged(path) => {
                    self.found.unmerged.push(path);
                    self.entries.advance();
                }
                Next::Directory(name) => {
                    let tree = old.find(&name, true).map(|old| old.id);
                    let length = self.path.len();
                    self.path.extend_from_slice(&name);
                    self.path.push(b'/');
                    self.enter(tree, cache.and_then(|node| node.child(&name)))?;
                    self.path.truncate(length);
                }
            }
        }
        Ok(())
    }

    fn old_entries<'b>(
        &self,
        tree: &ObjectId,
        raw: &'b mut Vec<u8>,
    ) -> Result<Vec<TreeItem<'b>>, Handover> {
        let unreadable = |_| Handover::from("a tree of HEAD cannot be read");
        self.objects.tree(tree, raw).map_err(unreadable)?;
        let entries = trees::parse(tree, raw).map_err(unreadable)?;
        if trees::is_in_order(&entries) {
            Ok(entries)
        } else {
            Err("a tree of HEAD is not in order".into())
        }
    }

    /// The next entry, if it is in this directory.
    fn next(&mut self, old: &mut Cursor<'_>) -> Result<Option<Next>, Handover> {
        let Some(item) = self.entries.peek()? else { return Ok(None) };
        let Some(name) = item.path.strip_prefix(&self.path[..]) else { return Ok(None) };
        if let Some(slash) = memchr::memchr(b'/', name) {
            return Ok(Some(Next::Directory(name[..slash].to_vec())));
        }
        if item.unmerged {
            return Ok(Some(Next::Unmerged(RepoPath::new(item.path))));
        }
        let before = old.find(name, false);
        let known = before.is_some_and(|old| old.id == item.id && old.mode == item.mode);
        if known || item.announced {
            return Ok(Some(Next::File(None)));
        }
        item.entry(true, before.map(|old| old.id)).map(|entry| Some(Next::File(Some(entry))))
    }
}
