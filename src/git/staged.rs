//! The staged content, from the first layer that is certain.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::change::{Change, Content, Entry, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::git::direct::{self, DirectIndex};
use crate::git::layer::{Handover, LayerAnswer};
use crate::git::listing;
use crate::git::merge;
use crate::git::objects::Objects;
use crate::git::process::{Git, text};
use crate::git::store::Store;
use crate::git::trees;
use crate::os::env::Environment;

/// `git merge` names what it merges to its hooks in variables: this, and the id of a commit.
const MERGED_NAME: &[u8] = b"GITHEAD_";

/// The staged changes, which are about to be committed.
#[derive(Debug)]
pub(crate) struct Staged<'e> {
    answer: LayerAnswer,
    source: IndexSource,
    objects: Objects,
    git: Git,
    env: &'e Environment,
}

/// The layer that read the index, and answers later queries about it.
#[derive(Debug)]
enum IndexSource {
    Direct(DirectIndex),
    /// The reason why it was not read directly.
    Git(Handover),
}

impl<'e> Staged<'e> {
    /// Reads them by the cheapest layer that is certain.
    ///
    /// Unmerged paths are an error: they have no single content to judge, and git does not commit
    /// them.
    pub(crate) fn read(directory: &Path, env: &'e Environment) -> Result<Self, Error> {
        let git = Git::new(directory);
        let (mut answer, source, objects) = match direct::staged(&git, env) {
            Ok((answer, index, objects)) => (answer, IndexSource::Direct(index), objects),
            Err(reason) => (
                listing::staged(&git)?,
                IndexSource::Git(reason),
                Objects::new(Store::for_staged(Vec::new()), git.clone()),
            ),
        };
        // Git runs hooks at the top, and sets this to the directory of the user.
        answer.below_top |= env.get("GIT_PREFIX").is_some();
        match answer.compared.unmerged.split_first() {
            None => Ok(Self { answer, source, objects, git, env }),
            Some((first, others)) => Err(unmerged_paths(first, others.len())),
        }
    }

    /// Git in the directory of the user.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// Whether the user is below the top of the work tree.
    pub(crate) fn is_below_top(&self) -> bool {
        self.answer.below_top
    }

    /// Whether there is a work tree: without one, nothing can be committed by hand.
    pub(crate) fn has_work_tree(&self) -> bool {
        self.answer.top.is_some()
    }

    /// The content that HEAD has at the path of a new entry; `None` if it has none, or it cannot be
    /// read.
    pub(crate) fn committed(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        let entry = self.fresh_at(path)?;
        let before = Entry { id: entry.replaces?, ..entry.clone() };
        match self.read(&before, limit) {
            Ok(Content::Bytes(text)) => Some(text),
            _ => None,
        }
    }

    /// The content of the file at this path in the work tree; `None` if it cannot be read.
    pub(crate) fn on_disk(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        let file = self.answer.top.as_ref()?.join(OsStr::from_bytes(path.as_bytes()));
        read::file(&file, FinalLink::Refuse, limit).ok()
    }

    /// Whether git may be merging, and a question to it is worth its time.
    pub(crate) fn may_be_merge(&self) -> bool {
        let is_merged = |name: &OsStr| name.as_bytes().starts_with(MERGED_NAME);
        self.env.names().any(is_merged) || !self.has_none_of(&["MERGE_HEAD"])
    }

    /// Whether git's directory of this work tree has none of these files; `false` if this is not
    /// known without git.
    fn has_none_of(&self, names: &[&str]) -> bool {
        match &self.source {
            IndexSource::Direct(index) => index.has_none_of(names),
            IndexSource::Git(_) => false,
        }
    }

    /// The names of the commits that are merged, picked or reverted now.
    pub(crate) fn other_sides(&self) -> Vec<String> {
        if self.has_none_of(&["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"]) {
            return Vec::new();
        }
        merge::other_sides(&self.git)
    }

    /// The trees of the parents that the commit will have; none before the first commit.
    fn parents(&self) -> Result<Vec<ObjectId>, Error> {
        if let IndexSource::Direct(index) = &self.source
            && !self.may_be_merge()
        {
            return Ok(index.head().into_iter().copied().collect());
        }
        let tree = |commit: &str| {
            let name = format!("{commit}^{{tree}}");
            let how = ["rev-parse", "--verify", "--quiet", &name];
            let answer = self.git.query("find the parents of the commit", &how)?;
            Ok(answer.and_then(|answer| ObjectId::from_hex(text(&answer).as_bytes())))
        };
        let Some(head) = tree("HEAD")? else { return Ok(Vec::new()) };
        // `git merge` names what it merges while it runs its hook; it writes MERGE_HEAD later.
        let merged = self.env.names().filter_map(|name| name.as_bytes().strip_prefix(MERGED_NAME));
        let merged = merged.filter_map(ObjectId::from_hex).chain(listing::merge_heads(&self.git));
        // With fewer parents, more counts as new, never less.
        let others = merged.filter_map(|id| tree(&id.to_string()).ok()?);
        Ok([head].into_iter().chain(others).collect())
    }

    /// The wanted paths in which a tree differs.
    fn differences(
        &self,
        older: &ObjectId,
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Older>, Error> {
        if let IndexSource::Direct(index) = &self.source
            && let Some(root) = index.root()
        {
            return trees::differences(&self.objects, root, older, wanted);
        }
        let mut new = self.entries(wanted)?;
        let mut old = trees::entries(&self.objects, older, wanted)?;
        let state = |entry: &Entry| (entry.path.clone(), entry.mode.bits(), entry.id);
        let (of_new, of_old): (HashSet<_>, HashSet<_>) =
            (new.iter().map(state).collect(), old.iter().map(state).collect());
        new.retain(|entry| !of_old.contains(&state(entry)));
        old.retain(|entry| !of_new.contains(&state(entry)));
        Ok(trees::changed(new, old))
    }

    fn fresh_at(&self, path: &RepoPath) -> Option<&Entry> {
        // Git's order is that of the bytes.
        let fresh = self.fresh();
        fresh.get(fresh.binary_search_by(|entry| entry.path.cmp(path)).ok()?)
    }

    /// Which layer answered, for `--verbose`: the end of a sentence.
    pub(crate) fn layer(&self) -> String {
        match &self.source {
            IndexSource::Direct(_) => "read directly".into(),
            IndexSource::Git(reason) => format!("read by git, because {reason}"),
        }
    }
}

fn unmerged_paths(first: &RepoPath, others: usize) -> Error {
    let cause = match others {
        0 => format!("{first} is unmerged"),
        1 => format!("{first} and 1 other path are unmerged"),
        _ => format!("{first} and {others} other paths are unmerged"),
    };
    let all = if others == 0 { "" } else { ", and the other paths" };
    let path = first.as_pathspec(true);
    Error::new("judge the staged files", cause)
        .help(format!("resolve the conflicts, then: git add {path}{all}"))
}

impl Change for Staged<'_> {
    fn fresh(&self) -> &[Entry] {
        &self.answer.compared.fresh
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let by_git = || listing::index_entries(&self.git, wanted);
        let mut whole = match &self.source {
            IndexSource::Direct(index) => index.entries(wanted).or_else(|_| by_git())?,
            IndexSource::Git(_) => by_git()?,
        };
        let fresh: HashSet<&RepoPath> = self.fresh().iter().map(|entry| &entry.path).collect();
        for entry in &mut whole {
            entry.fresh = fresh.contains(&entry.path);
        }
        Ok(whole)
    }

    fn has(&self, start: &[u8], wanted: &dyn Fn(&RepoPath) -> bool) -> Result<bool, Error> {
        if let IndexSource::Direct(index) = &self.source
            && !index.may_have(start, wanted)
        {
            return Ok(false);
        }
        self.entries(wanted).map(|entries| !entries.is_empty())
    }

    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        self.parents()?.iter().map(|parent| self.differences(parent, wanted)).collect()
    }

    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        let by_git = || listing::index_entry(&self.git, path);
        let entry = match &self.source {
            IndexSource::Direct(index) => index.entry(path, &self.objects).or_else(|_| by_git())?,
            IndexSource::Git(_) => by_git()?,
        };
        Ok(entry.map(|entry| Entry { fresh: self.fresh_at(path).is_some(), ..entry }))
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.objects.blob(entry, limit)
    }
}
