//! The types that the layers share: handovers, kinds of objects and index entries.

use std::fmt::{self, Display};
use std::path::PathBuf;

use crate::base::change::{Entry, Mode, ObjectId};
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;

/// Why a layer leaves the answer to the next one; completes "because …", escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handover(String);

impl Handover {
    /// A variable is set that the layer does not support.
    pub(super) fn variable(name: &str) -> Self {
        Self(format!("{} is set", Escaped(name.as_bytes())))
    }

    /// The repository uses an extension of its format that the layer does not support.
    pub(super) fn repository_extension(name: &str) -> Self {
        Self(format!("the repository uses the extension {}", Escaped(name.as_bytes())))
    }

    /// The index has an extension that the layer does not support.
    pub(super) fn index_extension(signature: [u8; 4]) -> Self {
        Self(format!("the index has the extension {}", Escaped(&signature)))
    }

    /// The index has an entry of a mode that git does not commit, such as a whole directory.
    pub(super) fn entry_mode(mode: u32) -> Self {
        Self(format!("the index has an entry of mode {mode:o}"))
    }

    /// An operation failed. `what` is a sentence; the message of the error follows it.
    pub(super) fn failed(what: &str, cause: impl Display) -> Self {
        Self(format!("{what} ({})", Escaped(cause.to_string().as_bytes())))
    }
}

impl From<&'static str> for Handover {
    fn from(reason: &'static str) -> Self {
        Self(reason.to_owned())
    }
}

impl Display for Handover {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The kinds of object that paths and refs name, after git has peeled tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Commit,
    Tree,
    Blob,
}

impl ObjectKind {
    /// Git's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }

    /// The kind that has this name in git.
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Commit, Self::Tree, Self::Blob]
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }
}

/// One entry of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexItem<'a> {
    /// From the top of the work tree.
    pub path: &'a [u8],
    /// Git's octal mode.
    pub mode: u32,
    pub id: ObjectId,
    /// Whether it is one side of a conflict.
    pub unmerged: bool,
    /// Whether it was added with `git add -N`: git does not commit it.
    pub intent_to_add: bool,
}

impl IndexItem<'_> {
    /// Whether git commits it.
    pub(super) fn is_committed(&self) -> bool {
        !self.unmerged && !self.intent_to_add
    }

    /// Fails for the entry of a directory, which a sparse index has (gitformat-index(5)).
    pub(super) fn must_not_be_tree(&self) -> Result<(), Handover> {
        if self.mode & 0o170_000 == 0o040_000 {
            Err(Handover::entry_mode(self.mode))
        } else {
            Ok(())
        }
    }

    /// The entry for the rules.
    pub(super) fn entry(&self, fresh: bool, replaces: Option<ObjectId>) -> Result<Entry, Handover> {
        let mode = Mode::from_bits(self.mode).ok_or_else(|| Handover::entry_mode(self.mode))?;
        Ok(Entry { path: RepoPath::new(self.path), mode, id: self.id, fresh, replaces })
    }
}

/// The differences between the index and HEAD.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Entries that HEAD does not have, in git's order.
    pub fresh: Vec<Entry>,
    /// Paths with unresolved conflicts.
    pub unmerged: Vec<RepoPath>,
}

/// A layer's answer: the staged changes.
#[derive(Debug)]
pub(super) struct LayerAnswer {
    pub compared: Compared,
    /// The top of the work tree; `None` without one.
    pub top: Option<PathBuf>,
    /// Whether the working directory is below it.
    pub below_top: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handovers_are_displayed_escaped() {
        let cause = "no such\nfile \x1b[2J";
        for (handover, reason) in [
            (Handover::variable("GIT_X"), "GIT_X is set"),
            (Handover::repository_extension("noop"), "the repository uses the extension noop"),
            (Handover::index_extension(*b"ab\0d"), "the index has the extension ab\\u{0000}d"),
            (Handover::entry_mode(0o40_000), "the index has an entry of mode 40000"),
            (
                Handover::failed("HEAD cannot be read", cause),
                "HEAD cannot be read (no such\\nfile \\u{001b}[2J)",
            ),
            (Handover::from("the index is sparse"), "the index is sparse"),
        ] {
            assert_eq!(handover.to_string(), reason);
        }
    }

    #[test]
    fn kinds_have_the_names_of_git() {
        for kind in [ObjectKind::Commit, ObjectKind::Tree, ObjectKind::Blob] {
            assert_eq!(ObjectKind::from_name(kind.name().as_bytes()), Some(kind));
        }
        assert_eq!(ObjectKind::from_name(b"tag"), None);
    }
}
