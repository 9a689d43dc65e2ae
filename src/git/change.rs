//! Changes between trees: the new entries of a commit, a push or a range.

use std::collections::HashSet;

use crate::base::change::{Change, Commit, Content, Entry, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::history::{CommitNode, Tip};
use crate::git::objects::Objects;
use crate::git::trees::{self, TreeWalk};

/// A tree with its new entries.
#[derive(Debug)]
pub(crate) struct TreeChange<'a> {
    objects: &'a Objects,
    tree: ObjectId,
    commit: Option<ObjectId>,
    /// The trees that the rules about several files compare it with.
    bases: Vec<ObjectId>,
    fresh: Vec<Entry>,
    /// Whether every entry of the tree is new.
    is_whole: bool,
}

/// Reads the changes of commits one by one, and reports each entry once.
#[derive(Debug)]
pub(crate) struct TreeChanges<'a> {
    objects: &'a Objects,
    walk: TreeWalk<'a>,
}

impl<'a> TreeChanges<'a> {
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self { objects, walk: TreeWalk::new(objects) }
    }

    /// The entries of each commit that none of its parents has. Parents come before children.
    pub(crate) fn commits(&mut self, nodes: &[CommitNode]) -> Result<Vec<TreeChange<'a>>, Error> {
        let trees: Vec<_> = nodes.iter().map(|node| (&node.tree, &node.parents[..])).collect();
        let fresh = self.walk.fresh_of_each(&trees)?;
        let change = |(node, fresh): (&CommitNode, Vec<Entry>)| TreeChange {
            objects: self.objects,
            tree: node.tree,
            commit: Some(node.id),
            bases: node.parents.clone(),
            fresh,
            is_whole: false,
        };
        Ok(nodes.iter().zip(fresh).map(change).collect())
    }

    /// The entries of `tree` that none of `others` has; every entry if `others` is empty.
    pub(crate) fn tree(
        &mut self,
        tree: ObjectId,
        others: &[ObjectId],
    ) -> Result<TreeChange<'a>, Error> {
        let fresh = self.walk.fresh(&tree, others)?;
        let (bases, is_whole) = (others.to_vec(), false);
        Ok(TreeChange { objects: self.objects, tree, commit: None, bases, fresh, is_whole })
    }

    /// A tree with all its entries, which are new. No other tree follows it, so what it reports
    /// need not be kept.
    pub(crate) fn whole(self, tree: ObjectId) -> Result<TreeChange<'a>, Error> {
        let mut fresh = trees::entries(self.objects, &tree, &|_| true)?;
        for entry in &mut fresh {
            entry.fresh = true;
        }
        let (bases, is_whole) = (Vec::new(), true);
        Ok(TreeChange { objects: self.objects, tree, commit: None, bases, fresh, is_whole })
    }

    /// A tree without new entries.
    pub(crate) fn unchanged(&self, tree: ObjectId) -> TreeChange<'a> {
        let (bases, fresh) = (Vec::new(), Vec::new());
        TreeChange { objects: self.objects, tree, commit: None, bases, fresh, is_whole: false }
    }

    /// The tip of a ref with its new entries.
    pub(crate) fn at_tip(&self, tip: &Tip, fresh: Vec<Entry>) -> TreeChange<'a> {
        let (tree, commit, bases) = (tip.tree, Some(tip.commit), tip.bases.clone());
        TreeChange { objects: self.objects, tree, commit, bases, fresh, is_whole: false }
    }

    /// The wanted paths in which an older tree differs.
    pub(crate) fn differences(
        &self,
        tree: &ObjectId,
        older: &ObjectId,
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Older>, Error> {
        trees::differences(self.objects, tree, older, wanted)
    }
}

impl TreeChange<'_> {
    /// The new entries.
    pub(crate) fn into_fresh(self) -> Vec<Entry> {
        self.fresh
    }
}

impl Change for TreeChange<'_> {
    fn commit(&self) -> Option<Commit> {
        self.commit.map(|id| Commit { id, subject: self.objects.subject(&id) })
    }

    fn fresh(&self) -> &[Entry] {
        &self.fresh
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        if self.is_whole {
            let wanted = self.fresh.iter().filter(|entry| wanted(&entry.path));
            return Ok(wanted.cloned().collect());
        }
        let mut whole = trees::entries(self.objects, &self.tree, wanted)?;
        let fresh: HashSet<(&RepoPath, &ObjectId)> =
            self.fresh.iter().map(|entry| (&entry.path, &entry.id)).collect();
        for entry in &mut whole {
            entry.fresh = fresh.contains(&(&entry.path, &entry.id));
        }
        Ok(whole)
    }

    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        let differences = |base| trees::differences(self.objects, &self.tree, base, wanted);
        self.bases.iter().map(differences).collect()
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        trees::at(self.objects, &self.tree, path)
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.objects.blob(entry, limit)
    }
}
