//! Changes held by trees: what a commit brings, and where a range leads.

use std::collections::HashSet;

use crate::base::change::{Change, Commit, Content, Entry, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::history::{CommitNode, Tip};
use crate::git::objects::Objects;
use crate::git::trees::{self, TreeWalk};

/// A tree, with what is new in it.
#[derive(Debug)]
pub(crate) struct TreeChange<'a> {
    objects: &'a Objects,
    tree: ObjectId,
    commit: Option<ObjectId>,
    fresh: Vec<Entry>,
}

/// Reads the changes of commits one after another, and tells nothing twice.
#[derive(Debug)]
pub(crate) struct TreeChanges<'a> {
    objects: &'a Objects,
    walk: TreeWalk<'a>,
}

impl<'a> TreeChanges<'a> {
    /// Nothing is told yet.
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self { objects, walk: TreeWalk::new(objects) }
    }

    /// What each commit has that none of its parents has. Parents come before children.
    pub(crate) fn commits(&mut self, nodes: &[CommitNode]) -> Result<Vec<TreeChange<'a>>, Error> {
        let trees: Vec<_> = nodes.iter().map(|node| (&node.tree, &node.parents[..])).collect();
        let fresh = self.walk.fresh_of_each(&trees)?;
        let change = |(node, fresh): (&CommitNode, Vec<Entry>)| TreeChange {
            objects: self.objects,
            tree: node.tree,
            commit: Some(node.id),
            fresh,
        };
        Ok(nodes.iter().zip(fresh).map(change).collect())
    }

    /// What a tree has that none of the others has; all of it, if there are none.
    pub(crate) fn tree(
        &mut self,
        tree: ObjectId,
        others: &[ObjectId],
    ) -> Result<TreeChange<'a>, Error> {
        let fresh = self.walk.fresh(&tree, others)?;
        Ok(TreeChange { objects: self.objects, tree, commit: None, fresh })
    }

    /// A tree that stands as it is: nothing in it is new.
    pub(crate) fn unchanged(&self, tree: ObjectId) -> TreeChange<'a> {
        TreeChange { objects: self.objects, tree, commit: None, fresh: Vec::new() }
    }

    /// Where a ref ends, with what is new there.
    pub(crate) fn end(&self, tip: &Tip, fresh: Vec<Entry>) -> TreeChange<'a> {
        TreeChange { objects: self.objects, tree: tip.tree, commit: Some(tip.commit), fresh }
    }
}

impl TreeChange<'_> {
    /// The new entries, which are no longer needed here.
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

    fn whole(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let mut whole = trees::entries(self.objects, &self.tree, wanted)?;
        let fresh: HashSet<(&RepoPath, &ObjectId)> =
            self.fresh.iter().map(|entry| (&entry.path, &entry.id)).collect();
        for entry in &mut whole {
            entry.fresh = fresh.contains(&(&entry.path, &entry.id));
        }
        Ok(whole)
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        trees::at(self.objects, &self.tree, path)
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.objects.blob(entry, limit)
    }
}
