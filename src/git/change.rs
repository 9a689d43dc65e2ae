//! Changes between trees: the new entries of a commit, a push or a range.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::base::change::{Change, Commit, Content, Entry, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::history::{CommitNode, Tip};
use crate::git::objects::Objects;
use crate::git::trees::{self, TreeWalk};
use crate::os::parallel;

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

/// Reads the changes of commits, and reports each entry once.
#[derive(Debug)]
pub(crate) struct TreeChanges<'a> {
    objects: &'a Objects,
    walk: TreeWalk,
}

/// The maximum number of commits that a thread reads before it takes others. Neighbouring versions
/// of a file are in one chain of deltas, so few are read twice.
const PART: usize = 128;

impl<'a> TreeChanges<'a> {
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self { objects, walk: TreeWalk::default() }
    }

    /// Calls `judge` on several threads, for each commit with its entries that none of its parents
    /// has, and that were not reported before. Parents come before children. The answers are in the
    /// order of the commits.
    pub(crate) fn each_commit<R: Send>(
        &mut self,
        nodes: &[CommitNode],
        judge: impl Fn(&TreeChange<'_>) -> R + Sync,
    ) -> Result<Vec<R>, Error> {
        let threads = parallel::threads();
        // A thread that has a harder part leaves others to the rest.
        let part = nodes.len().div_ceil(4 * threads).clamp(1, PART);
        let parts: Vec<&[CommitNode]> = nodes.chunks(part).collect();
        // Opened each time: the mapped part of a pack counts as memory until it is closed.
        let mut readers = self.objects.reopened(threads.min(parts.len()));
        let walk = &self.walk;
        let ahead = parallel::each(&mut readers, parts.clone(), |objects, part| {
            walk.read_ahead(objects, part.iter().map(|node| (node.tree, node.parents.clone())))
        });
        let mut fresh_of_parts = Vec::new();
        for (part, ahead) in parts.into_iter().zip(ahead) {
            let fresh = match ahead? {
                Some(ahead) => self.walk.report(ahead),
                None => {
                    let fresh = |node: &CommitNode| {
                        self.walk.fresh(self.objects, &node.tree, &node.parents)
                    };
                    part.iter().map(fresh).collect::<Result<_, _>>()?
                }
            };
            fresh_of_parts.push((part, fresh));
        }
        let answers = parallel::each(&mut readers, fresh_of_parts, |objects, (part, fresh)| {
            let change = |(node, fresh): (&CommitNode, Vec<Entry>)| TreeChange {
                objects,
                tree: node.tree,
                commit: Some(node.id),
                bases: node.parents.clone(),
                fresh,
                is_whole: false,
            };
            // The last change is judged first: a pack stores older versions of a file as
            // differences from newer ones.
            let changes = part.iter().zip(fresh).map(change).rev();
            let mut answers: Vec<R> = changes.map(|change| judge(&change)).collect();
            answers.reverse();
            answers
        });
        Ok(answers.into_iter().flatten().collect())
    }

    /// The entries of `tree` that none of `others` has; every entry if `others` is empty.
    pub(crate) fn tree(
        &mut self,
        tree: ObjectId,
        others: &[ObjectId],
    ) -> Result<TreeChange<'a>, Error> {
        let fresh = self.walk.fresh(self.objects, &tree, others)?;
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

    fn all(&self) -> Result<Cow<'_, [Entry]>, Error> {
        if self.is_whole {
            return Ok(Cow::Borrowed(&self.fresh));
        }
        self.entries(&|_| true).map(Cow::Owned)
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
