//! The changes that restore a work tree and an index, and the traces that stay.

use crate::base::finding::Step;
use crate::base::path::RepoPath;

/// Where a file is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    WorkTree,
    Index,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WorkTree => "worktree",
            Self::Index => "index",
        }
    }
}

/// A change that restores a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Restoration {
    /// The text becomes another.
    Restored { old: Vec<u8>, new: Vec<u8> },
    /// The file is deleted.
    Removed,
    /// The entry of the index becomes that of HEAD again.
    Unstaged,
}

impl Restoration {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Restored { .. } => "restored",
            Self::Removed => "removed",
            Self::Unstaged => "unstaged",
        }
    }
}

/// A trace or a file that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remaining {
    pub side: Side,
    pub path: RepoPath,
    /// Counted from 1; `None` for the file as such.
    pub line: Option<usize>,
    /// Safe to print.
    pub reason: String,
    pub steps: Vec<Step>,
}

/// The changes, and the traces and files that stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order in which they are made.
    pub changes: Vec<(Side, RepoPath, Restoration)>,
    /// The traces that stay.
    pub left: Vec<Remaining>,
    /// The files that stay because they may not belong to a preparation, each with the reason.
    pub kept: Vec<(RepoPath, String)>,
}

impl Plan {
    /// The text that a path has after the changes on a side, if one restores it.
    pub(crate) fn text(&self, side: Side, path: &RepoPath) -> Option<&[u8]> {
        self.changes.iter().find_map(|(on, known, change)| match change {
            Restoration::Restored { new, .. } if *on == side && known == path => Some(&**new),
            _ => None,
        })
    }

    /// Whether this changes a path.
    pub(crate) fn changes(&self, path: &RepoPath) -> bool {
        self.changes.iter().any(|(_, known, _)| known == path)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.left.extend(other.left);
        self.kept.extend(other.kept);
    }
}
