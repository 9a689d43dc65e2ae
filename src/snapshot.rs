//! The state of a work tree at one moment, and what changed between two.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::ObjectId;
use crate::path::RepoPath;

/// In what way a path is not clean. A path can be so in several ways at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A merge left it undecided.
    Conflicted,
    /// The index differs from HEAD.
    Staged,
    /// The work tree differs from the index.
    Modified,
    /// The index has it, the work tree has not.
    Deleted,
    /// Neither tracked nor ignored.
    Untracked,
    /// Ignored, and yet debris of a preparation: git never shows it.
    Leftover,
}

impl State {
    /// The words that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conflicted => "conflicted",
            Self::Staged => "staged",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Untracked => "untracked",
            Self::Leftover => "ignored leftover",
        }
    }
}

/// A hash over all that can be known of a path: type, executable bit, content, and what the index and HEAD hold. Two
/// that are equal mean that nothing about the path has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// What is known of a path that is not clean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dirt {
    /// In what ways it is not clean; never empty.
    pub states: BTreeSet<State>,
    /// What else there is to say: "new file", "mode changed".
    pub notes: BTreeSet<&'static str>,
    /// Tells one content from another; taken only where two moments are compared.
    pub fingerprint: Option<Fingerprint>,
}

/// What HEAD stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit; `None` before the first one.
    pub commit: Option<ObjectId>,
    /// The branch, as git's bytes; `None` when detached.
    pub branch: Option<Vec<u8>>,
}

/// A work tree at one moment: HEAD, and every path that is not clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where HEAD is.
    pub head: Head,
    /// The paths that are not clean.
    pub paths: BTreeMap<RepoPath, Dirt>,
}

/// The note of a path that HEAD does not have, although the index does.
pub const NEW_FILE: &str = "new file";

/// A path that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: RepoPath,
    /// What it was; `None` if it was clean.
    pub before: Option<Dirt>,
    /// What it is; `None` if it is clean now.
    pub after: Option<Dirt>,
}

impl Difference {
    /// Whether the path is one that neither HEAD nor the index had.
    pub fn is_new(&self) -> bool {
        self.after.as_ref().is_some_and(|dirt| dirt.states.contains(&State::Untracked) || dirt.notes.contains(NEW_FILE))
    }
}

/// What changed between two moments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The paths, sorted.
    pub paths: Vec<Difference>,
    /// HEAD before and after, where it moved.
    pub head: Option<(Head, Head)>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.head.is_none()
    }
}

impl Snapshot {
    /// What changed since an earlier moment.
    pub fn changes_since(mut self, mut before: Self) -> Changes {
        let mut paths = Vec::new();
        for (path, after) in std::mem::take(&mut self.paths) {
            let before = before.paths.remove(&path);
            if before.as_ref() != Some(&after) {
                paths.push(Difference { path, before, after: Some(after) });
            }
        }
        let clean_again = std::mem::take(&mut before.paths).into_iter();
        paths.extend(clean_again.map(|(path, before)| Difference { path, before: Some(before), after: None }));
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        let moved = before.head != self.head;
        Changes { paths, head: moved.then_some((before.head, self.head)) }
    }

    /// What distinguishes this moment from a clean tree.
    pub fn changes_since_clean(self) -> Changes {
        let clean = Self { head: self.head.clone(), paths: BTreeMap::new() };
        self.changes_since(clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(paths: &[(&str, State, u8)]) -> Snapshot {
        let dirt = |&(path, state, content): &(&str, State, u8)| {
            let fingerprint = Some(Fingerprint([content; 32]));
            (path.into(), Dirt { states: [state].into(), fingerprint, ..Dirt::default() })
        };
        Snapshot { head: Head { commit: None, branch: None }, paths: paths.iter().map(dirt).collect() }
    }

    #[test]
    fn only_what_changed_is_told() {
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
        let told: Vec<_> =
            changes.paths.iter().map(|d| (d.path.to_string(), d.before.is_some(), d.after.is_some())).collect();
        let expected = [("again", true, true), ("back", true, false), ("new", false, true), ("staged", true, true)];
        assert_eq!(told, expected.map(|(path, before, after)| (path.to_owned(), before, after)));
        assert_eq!(changes.head, None);
    }

    #[test]
    fn a_moved_head_is_a_change_of_its_own() {
        let before = snapshot(&[]);
        let mut after = before.clone();
        assert!(after.clone().changes_since(before.clone()).is_empty());
        after.head.branch = Some(b"side".to_vec());
        assert!(!after.clone().changes_since(before).is_empty());
        assert!(after.changes_since_clean().is_empty());
    }
}
