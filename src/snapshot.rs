//! The state of a work tree at one moment, and the changes between two. It does no I/O.

pub(crate) mod baseline;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::ObjectId;
use crate::base::path::RepoPath;

/// The ways in which a path can be unclean. A path can have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It has merge conflicts.
    Conflicted,
    /// The index differs from HEAD.
    Staged,
    /// The work tree differs from the index.
    Modified,
    /// The index has it, the work tree does not.
    Deleted,
    /// Neither tracked nor ignored.
    Untracked,
    /// An ignored leftover of a preparation, which git never shows.
    Leftover,
    /// Marked so that git ignores changes to it. The mark alone is not unclean, but it counts as a
    /// change by a build.
    Hidden,
}

impl State {
    /// The name of each state in reports, in their order.
    pub(crate) const NAMES: [(Self, &str); 7] = [
        (Self::Conflicted, "conflicted"),
        (Self::Staged, "staged"),
        (Self::Modified, "modified"),
        (Self::Deleted, "deleted"),
        (Self::Untracked, "untracked"),
        (Self::Leftover, "ignored leftover"),
        (Self::Hidden, "hidden from git"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A mark that hides a path from git (git-update-index(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hiding {
    AssumeUnchanged,
    /// Also set by a sparse checkout.
    SkipWorktree,
}

impl Hiding {
    /// Git's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AssumeUnchanged => "assume-unchanged",
            Self::SkipWorktree => "skip-worktree",
        }
    }
}

/// Whether a command changed the work tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    Unchanged,
    Changed,
    /// It could not be read afterwards.
    Unknown,
}

impl Tree {
    /// The name of each in reports and records, in their order.
    pub(crate) const NAMES: [(Self, &str); 3] =
        [(Self::Unchanged, "unchanged"), (Self::Changed, "changed"), (Self::Unknown, "unknown")];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A hash over the state of a path: type, executable bit, content, and the blobs in the index and
/// in HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub [u8; 32]);

/// The hashes of settings or files, by name.
pub(crate) type Hashes = BTreeMap<Vec<u8>, Fingerprint>;

/// The state of an unclean path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PathStatus {
    /// Never empty.
    pub states: BTreeSet<State>,
    /// Details: "new file", "mode changed".
    pub notes: BTreeSet<&'static str>,
    /// The blobs in HEAD and the index, if they differ.
    pub staged: Option<StagedBlobs>,
    /// Taken only to compare two snapshots.
    pub fingerprint: Option<Fingerprint>,
    /// The content, if it is kept for a diff.
    pub text: Option<Vec<u8>>,
}

/// The blobs of a path in HEAD and in the index, if they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StagedBlobs {
    pub old: Option<ObjectId>,
    pub new: Option<ObjectId>,
}

impl PathStatus {
    /// Whether nothing changed. The fingerprint covers the notes and staged blobs.
    fn is_same(&self, before: &Self) -> bool {
        self.states == before.states && self.fingerprint == before.fingerprint
    }

    /// Whether it has this state and no other.
    pub(crate) fn is_only(&self, state: State) -> bool {
        self.states.iter().eq([&state])
    }
}

/// The position of HEAD.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// `None` before the first commit.
    pub commit: Option<ObjectId>,
    /// The branch, without `refs/heads/`; `None` if detached.
    pub branch: Option<Vec<u8>>,
}

/// An operation that git has not finished, or a lock that it has not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unfinished {
    Merge,
    Rebase,
    /// `git am`.
    Mailbox,
    CherryPick,
    Revert,
    /// A series of picks or reverts, between two of them.
    Sequence,
    Bisect,
    IndexLock,
    HeadLock,
    RefsLock,
    ConfigLock,
}

impl Unfinished {
    /// The name of each in reports, in their order; of a lock, its file.
    pub(crate) const NAMES: [(Self, &str); 11] = [
        (Self::Merge, "merge"),
        (Self::Rebase, "rebase"),
        (Self::Mailbox, "am"),
        (Self::CherryPick, "cherry-pick"),
        (Self::Revert, "revert"),
        (Self::Sequence, "sequence of picks or reverts"),
        (Self::Bisect, "bisect"),
        (Self::IndexLock, "index.lock"),
        (Self::HeadLock, "HEAD.lock"),
        (Self::RefsLock, "packed-refs.lock"),
        (Self::ConfigLock, "config.lock"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The files and directories of a git directory that mark an operation (wt-status.c, git 2.47).
    pub(crate) const MARKS: [(&str, Self); 8] = [
        ("MERGE_HEAD", Self::Merge),
        ("rebase-merge", Self::Rebase),
        ("rebase-apply", Self::Rebase),
        ("rebase-apply/applying", Self::Mailbox),
        ("CHERRY_PICK_HEAD", Self::CherryPick),
        ("REVERT_HEAD", Self::Revert),
        ("sequencer", Self::Sequence),
        ("BISECT_LOG", Self::Bisect),
    ];

    /// The commands that continue and abort an operation; `None` for a lock.
    pub(crate) fn commands(self) -> Option<[&'static str; 2]> {
        Some(match self {
            Self::Merge => ["git merge --continue", "git merge --abort"],
            // Git puts a pick that a hook stopped back into its list.
            Self::Rebase => [
                "git commit, drop the pick by git rebase --edit-todo, then git rebase --continue",
                "git rebase --abort",
            ],
            Self::Mailbox => ["git am --continue", "git am --abort"],
            Self::CherryPick => ["git cherry-pick --continue", "git cherry-pick --abort"],
            Self::Revert => ["git revert --continue", "git revert --abort"],
            // This aborts a sequence of picks as well.
            Self::Sequence => ["git commit, then git revert --continue", "git revert --abort"],
            Self::Bisect => ["git bisect good, or git bisect bad", "git bisect reset"],
            Self::IndexLock | Self::HeadLock | Self::RefsLock | Self::ConfigLock => return None,
        })
    }
}

/// A work tree and its repository at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    pub head: Head,
    /// All refs but stashes and remote-tracking refs, which editors and `git maintenance` update in
    /// the background.
    pub refs: BTreeMap<Vec<u8>, ObjectId>,
    /// The latest first.
    pub stashes: Vec<ObjectId>,
    pub unfinished: BTreeSet<Unfinished>,
    /// Settings and files outside of the tree that change what git reports. Taken only to compare
    /// two snapshots.
    pub settings: Hashes,
    /// The files of the directory that git runs hooks from. Taken only to compare two snapshots;
    /// `None` in a baseline of an older version.
    pub hooks: Option<Hashes>,
    /// Submodules and nested repositories that were examined.
    pub nested: BTreeSet<RepoPath>,
    /// Those that git refuses, since they belong to another user.
    pub unexamined: BTreeSet<RepoPath>,
    /// The unclean paths.
    pub paths: BTreeMap<RepoPath, PathStatus>,
}

/// The note of a path that HEAD does not have, although the index does.
pub(crate) const NEW_FILE: &str = "new file";

/// The note of a path that the index does not have, although HEAD does.
pub(crate) const DELETED_IN_INDEX: &str = "deleted in the index";

/// A path that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub path: RepoPath,
    /// `None` if it was clean.
    pub before: Option<PathStatus>,
    /// `None` if it is clean now.
    pub after: Option<PathStatus>,
}

impl Difference {
    /// Whether neither HEAD nor the index had the path.
    pub(crate) fn is_new(&self) -> bool {
        self.is(State::Untracked)
            || self.after.as_ref().is_some_and(|status| status.notes.contains(NEW_FILE))
    }

    /// Whether it is in this state now.
    pub(crate) fn is(&self, state: State) -> bool {
        self.after.as_ref().is_some_and(|status| status.states.contains(&state))
    }
}

/// A ref that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedRef {
    /// Its full name.
    pub name: Vec<u8>,
    /// `None` if it is new.
    pub before: Option<ObjectId>,
    /// `None` if it was deleted.
    pub after: Option<ObjectId>,
}

/// The files that git runs as hooks that are new, changed, and gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChangedHooks {
    pub added: BTreeSet<Vec<u8>>,
    pub changed: BTreeSet<Vec<u8>>,
    pub gone: BTreeSet<Vec<u8>>,
}

impl ChangedHooks {
    /// The names with what happened to them.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Vec<u8>)> {
        let lists = [("added", &self.added), ("changed", &self.changed), ("gone", &self.gone)];
        lists.into_iter().flat_map(|(what, names)| names.iter().map(move |name| (what, name)))
    }
}

/// The changes between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    /// Sorted.
    pub paths: Vec<Difference>,
    /// HEAD before and after, where it moved.
    pub head: Option<(Head, Head)>,
    /// Sorted, without the branch of HEAD.
    pub refs: Vec<MovedRef>,
    /// New stashes.
    pub stashed: Vec<ObjectId>,
    /// Removed stashes.
    pub unstashed: Vec<ObjectId>,
    /// The names of changed settings.
    pub settings: BTreeSet<Vec<u8>>,
    pub hooks: ChangedHooks,
    /// Repositories that git refuses now, and that were examined before.
    pub refused: BTreeSet<RepoPath>,
    /// All repositories that were not examined: not a change.
    pub unexamined: BTreeSet<RepoPath>,
    /// Operations and locks that are new.
    pub begun: BTreeSet<Unfinished>,
    /// Operations and locks that ended.
    pub ended: BTreeSet<Unfinished>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { unexamined: self.unexamined.clone(), ..Self::default() }
    }
}

impl Snapshot {
    /// The changes since an earlier snapshot.
    pub(crate) fn changes_since(mut self, mut before: Self) -> Changes {
        let mut paths = Vec::new();
        for (path, after) in std::mem::take(&mut self.paths) {
            let before = before.paths.remove(&path);
            if !before.as_ref().is_some_and(|before| after.is_same(before)) {
                paths.push(Difference { path, before, after: Some(after) });
            }
        }
        let clean_again = std::mem::take(&mut before.paths).into_iter();
        paths.extend(clean_again.map(|(path, before)| Difference {
            path,
            before: Some(before),
            after: None,
        }));
        paths.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let moved = before.head != self.head;
        Changes {
            paths,
            refs: self.moved_refs(&before),
            stashed: without(&self.stashes, &before.stashes),
            unstashed: without(&before.stashes, &self.stashes),
            settings: self.changed_names(&before, (&self.settings, &before.settings)),
            hooks: self.changed_hooks(&before),
            refused: &self.unexamined & &before.nested,
            unexamined: self.unexamined,
            begun: &self.unfinished - &before.unfinished,
            ended: &before.unfinished - &self.unfinished,
            head: moved.then_some((before.head, self.head)),
        }
    }

    /// The differences from a clean tree.
    pub(crate) fn changes_since_clean(mut self) -> Changes {
        self.paths.retain(|_, status| !status.is_only(State::Hidden));
        let clean = Self {
            head: self.head.clone(),
            refs: self.refs.clone(),
            stashes: self.stashes.clone(),
            settings: self.settings.clone(),
            ..Self::default()
        };
        self.changes_since(clean)
    }

    /// Adds what surrounds a repository inside this one, unless it is the same here.
    pub(crate) fn absorb(&mut self, path: &RepoPath, inside: &Self) {
        let below =
            |inner: &[u8], between: &str| [path.as_bytes(), between.as_bytes(), inner].concat();
        let inner = |inner: &RepoPath| path.join(inner);
        self.unexamined.extend(inside.unexamined.iter().map(inner));
        self.nested.insert(path.clone());
        self.nested.extend(inside.nested.iter().map(inner));
        let named = |(name, hash): (&Vec<u8>, &Fingerprint)| {
            let is_deeper = inside.nested.iter().any(|path| is_of(name, path));
            (below(name, if is_deeper { "/" } else { ": " }), *hash)
        };
        if let (Some(hooks), Some(inner)) = (&mut self.hooks, &inside.hooks) {
            hooks.extend(inner.iter().map(named));
            let (own, mut settings) = (&self.settings, inside.settings.clone());
            settings.retain(|name, hash| own.get(name) != Some(hash));
            self.settings.extend(settings.iter().map(named));
        }
    }

    /// The names of hooks or settings that differ. Those of a repository that is new or gone do
    /// not count.
    fn changed_names(&self, before: &Self, (now, then): (&Hashes, &Hashes)) -> BTreeSet<Vec<u8>> {
        let mut names = changed_keys(now, then);
        for path in &self.nested ^ &before.nested {
            names.retain(|name| !is_of(name, &path));
        }
        names
    }

    fn changed_hooks(&self, earlier: &Self) -> ChangedHooks {
        let mut hooks = ChangedHooks::default();
        let (Some(now), Some(before)) = (&self.hooks, &earlier.hooks) else { return hooks };
        for name in self.changed_names(earlier, (now, before)) {
            let list = match (before.get(&name), now.get(&name)) {
                (None, _) => &mut hooks.added,
                (_, None) => &mut hooks.gone,
                _ => &mut hooks.changed,
            };
            list.insert(name);
        }
        hooks
    }

    fn moved_refs(&self, before: &Self) -> Vec<MovedRef> {
        // A commit moves HEAD and its branch: report it once.
        let is_branch_of_head = |name: &[u8]| {
            let branch = self.head.branch.as_deref();
            branch == before.head.branch.as_deref()
                && branch.is_some()
                && name.strip_prefix(b"refs/heads/") == branch
        };
        let names = changed_keys(&self.refs, &before.refs);
        let moved = names.into_iter().filter(|name| !is_branch_of_head(name)).map(|name| {
            let (before, after) = (before.refs.get(&name).copied(), self.refs.get(&name).copied());
            MovedRef { name, before, after }
        });
        moved.collect()
    }
}

/// Whether a hook or a setting is one of this nested repository.
fn is_of(name: &[u8], path: &RepoPath) -> bool {
    name.strip_prefix(path.as_bytes()).is_some_and(|rest| rest.starts_with(b": "))
}

/// The keys whose values differ, or that only one of the maps has.
fn changed_keys<V: PartialEq>(
    one: &BTreeMap<Vec<u8>, V>,
    other: &BTreeMap<Vec<u8>, V>,
) -> BTreeSet<Vec<u8>> {
    let keys = one.keys().chain(other.keys());
    keys.filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

/// The ids of `list` that `other` lacks, counting duplicates.
fn without(list: &[ObjectId], other: &[ObjectId]) -> Vec<ObjectId> {
    let mut rest = other.to_vec();
    let is_extra = |id: &&ObjectId| match rest.iter().position(|known| known == *id) {
        Some(at) => {
            rest.swap_remove(at);
            false
        }
        None => true,
    };
    list.iter().filter(is_extra).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(paths: &[(&str, State, u8)]) -> Snapshot {
        let status = |&(path, state, content): &(&str, State, u8)| {
            let fingerprint = Some(Fingerprint([content; 32]));
            (
                path.into(),
                PathStatus { states: [state].into(), fingerprint, ..PathStatus::default() },
            )
        };
        Snapshot { paths: paths.iter().map(status).collect(), ..Snapshot::default() }
    }

    fn id(digit: u8) -> ObjectId {
        ObjectId::from_bytes(&[digit; 20]).unwrap()
    }

    #[test]
    fn names_are_in_the_order_of_their_variants() {
        assert!(State::NAMES.iter().enumerate().all(|(at, (state, _))| *state as usize == at));
        assert!(Tree::NAMES.iter().enumerate().all(|(at, (tree, _))| *tree as usize == at));
        assert!(Unfinished::NAMES.iter().enumerate().all(|(at, (what, _))| *what as usize == at));
    }

    #[test]
    fn only_changed_paths_are_reported() {
        let before = snapshot(&[
            ("again", State::Modified, 1),
            ("back", State::Untracked, 1),
            ("same", State::Modified, 1),
            ("staged", State::Modified, 1),
        ]);
        let after = snapshot(&[
            ("again", State::Modified, 2),
            ("new", State::Leftover, 1),
            ("same", State::Modified, 1),
            ("staged", State::Staged, 1),
        ]);
        let changes = after.changes_since(before);
        let found: Vec<_> = changes
            .paths
            .iter()
            .map(|d| (d.path.to_string(), d.before.is_some(), d.after.is_some()))
            .collect();
        let expected = [
            ("again", true, true),
            ("back", true, false),
            ("new", false, true),
            ("staged", true, true),
        ];
        assert_eq!(found, expected.map(|(path, before, after)| (path.to_owned(), before, after)));
        assert_eq!(changes.head, None);
    }

    #[test]
    fn a_moved_head_is_a_change() {
        let before = snapshot(&[]);
        let mut after = before.clone();
        assert!(after.clone().changes_since(before.clone()).is_empty());
        after.head.branch = Some(b"side".to_vec());
        assert!(!after.clone().changes_since(before).is_empty());
        assert!(after.changes_since_clean().is_empty());
    }

    #[test]
    fn a_hidden_path_is_clean_but_a_change() {
        let before = snapshot(&[]);
        let after = snapshot(&[("a", State::Hidden, 1)]);
        assert!(after.clone().changes_since_clean().is_empty());
        assert_eq!(after.changes_since(before).paths.len(), 1);
    }

    #[test]
    fn refs_stashes_and_operations_are_new_or_gone() {
        let mut before = Snapshot { stashes: vec![id(1), id(2), id(2)], ..Snapshot::default() };
        before.head.branch = Some(b"main".to_vec());
        before.refs = [(&b"refs/heads/main"[..], 1), (b"refs/tags/a", 1), (b"refs/tags/b", 1)]
            .map(|(name, digit)| (name.to_vec(), id(digit)))
            .into();
        before.unfinished = [Unfinished::Merge].into();
        let mut after = before.clone();
        after.refs = [(&b"refs/heads/main"[..], 2), (b"refs/tags/a", 2), (b"refs/tags/c", 1)]
            .map(|(name, digit)| (name.to_vec(), id(digit)))
            .into();
        after.stashes = vec![id(3), id(2)];
        after.unfinished = [Unfinished::IndexLock].into();

        let clean = before.clone().changes_since_clean();
        assert_eq!(
            (clean.begun, clean.refs.len(), clean.stashed.len()),
            ([Unfinished::Merge].into(), 0, 0)
        );
        let changes = after.changes_since(before);
        let refs: Vec<_> =
            changes.refs.iter().map(|moved| (&*moved.name, moved.before, moved.after)).collect();
        assert_eq!(
            refs,
            [
                (&b"refs/tags/a"[..], Some(id(1)), Some(id(2))),
                (b"refs/tags/b", Some(id(1)), None),
                (b"refs/tags/c", None, Some(id(1))),
            ]
        );
        assert_eq!((changes.stashed, changes.unstashed), (vec![id(3)], vec![id(1), id(2)]));
        assert_eq!(
            (changes.begun, changes.ended),
            ([Unfinished::IndexLock].into(), [Unfinished::Merge].into())
        );
    }
}
