//! The entries of an index that a tree does not have.
//!
//! The index is compared directory by directory. A directory is skipped if the cache-tree has the
//! same tree for it as HEAD. `git commit` writes the cache-tree before it runs the hook, so little
//! is left to compare.

use crate::base::change::{Entry, ObjectId};
use crate::base::path::{LONGEST_PATH, RepoPath};
use crate::git::cache_tree::CacheTree;
use crate::git::index::{IndexFile, IndexStream};
use crate::git::layer::{Compared, Handover};
use crate::git::objects::Objects;
use crate::git::source::Source;
use crate::git::trees::{self, Cursor, TreeItem};

/// Compares an index with the tree of HEAD, which is absent before the first commit.
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
        return Err("the cache-tree and the index differ in their counts".into());
    }
    walk.entries.finish()?;
    let mut found = walk.found;
    // The index has an unmerged path once for each of its stages.
    found.unmerged.dedup();
    Ok(found)
}

struct IndexWalk<'a, S> {
    entries: IndexStream<'a, S>,
    objects: &'a Objects,
    /// The directory that the walk is in, with a slash at its end.
    path: Vec<u8>,
    found: Compared,
}

/// The next entry, seen from a directory.
enum Next {
    /// In this directory; with the entry if it is new.
    File(Option<Entry>),
    Unmerged(RepoPath),
    /// In the subdirectory of this name.
    Directory(Vec<u8>),
}

impl<S: Source> IndexWalk<'_, S> {
    /// Walks over a directory, or skips it if nothing in it is new.
    fn enter(&mut self, tree: Option<ObjectId>, cache: Option<&CacheTree>) -> Result<(), Handover> {
        match cache.and_then(|node| node.count.zip(node.id)) {
            Some((count, id)) if tree == Some(id) && count > 0 => self.skip(count),
            _ => self.directory(tree, cache),
        }
    }

    /// Skips the entries of this directory. The cache-tree has their number: the last of them must
    /// be in the directory, and the one after it must not.
    fn skip(&mut self, count: u32) -> Result<(), Handover> {
        let wrong = || Handover::from("the cache-tree and the index differ in their counts");
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
        // This limits the recursion. No file system supports a longer path.
        if self.path.len() > LONGEST_PATH {
            return Err("a path is too long for a file system".into());
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

    /// Reads the entries that HEAD has in this directory. `raw` is the buffer that they borrow.
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
            Err("a tree of HEAD is not sorted".into())
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
        if known || item.intent_to_add {
            return Ok(Some(Next::File(None)));
        }
        item.entry(true, before.map(|old| old.id)).map(|entry| Some(Next::File(Some(entry))))
    }
}
