//! The vocabulary of the layers: why one hands over, the kinds of objects, and what an index holds.

use std::fmt::{self, Display};
use std::path::PathBuf;

use crate::base::change::{Entry, Mode, ObjectId};
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;

/// Why a layer does not answer, so that the next one is asked. Displayed, it completes "because …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handover {
    /// A variable that the layer does not follow is set.
    Variable(String),
    /// The repository uses an extension of its format that the layer does not know.
    RepositoryExtension(String),
    /// The index has an extension that the layer does not know.
    IndexExtension([u8; 4]),
    /// The index has an entry of a mode that git does not commit, such as a whole directory.
    EntryMode(u32),
    /// Something failed; the system or gix says why.
    Failed {
        /// What failed, as a sentence.
        what: &'static str,
        /// The message of the error.
        cause: String,
    },
    /// Anything else that is not certain, as a sentence.
    Doubt(&'static str),
}

impl Handover {
    /// Something failed. `what` is a sentence.
    pub(super) fn failed(what: &'static str, cause: impl Display) -> Self {
        Self::Failed { what, cause: cause.to_string() }
    }
}

impl From<&'static str> for Handover {
    fn from(doubt: &'static str) -> Self {
        Self::Doubt(doubt)
    }
}

impl Display for Handover {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(out, "{} is set", Escaped(name.as_bytes())),
            Self::RepositoryExtension(name) => {
                write!(out, "the repository uses the extension {}", Escaped(name.as_bytes()))
            }
            Self::IndexExtension(signature) => {
                write!(out, "the index has the extension {}", Escaped(signature))
            }
            Self::EntryMode(mode) => write!(out, "the index has an entry of mode {mode:o}"),
            Self::Failed { what, cause } => write!(out, "{what} ({})", Escaped(cause.as_bytes())),
            Self::Doubt(doubt) => out.write_str(doubt),
        }
    }
}

/// The kinds of object that paths and refs lead to; tags are peeled by git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// The content of a file.
    Blob,
}

impl ObjectKind {
    /// The word that git uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }

    /// The kind that git has this word for.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
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
    /// The content.
    pub id: ObjectId,
    /// Whether it is one side of a conflict.
    pub unmerged: bool,
    /// Whether it is only announced, by `git add -N`: git commits nothing of it.
    pub announced: bool,
}

impl IndexItem<'_> {
    /// Whether git would commit it.
    pub(super) fn is_committed(&self) -> bool {
        !self.unmerged && !self.announced
    }

    /// Hands over at the entry of a whole directory, which a sparse index has: gitformat-index(5).
    pub(super) fn must_not_be_tree(&self) -> Result<(), Handover> {
        if self.mode & 0o170_000 == 0o040_000 {
            Err(Handover::EntryMode(self.mode))
        } else {
            Ok(())
        }
    }

    /// The entry, as rules see it.
    pub(super) fn entry(&self, fresh: bool, replaces: Option<ObjectId>) -> Result<Entry, Handover> {
        let mode = Mode::from_bits(self.mode).ok_or(Handover::EntryMode(self.mode))?;
        Ok(Entry { path: RepoPath::new(self.path), mode, id: self.id, fresh, replaces })
    }
}

/// What an index has that the tree of HEAD has not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// The new entries, in git's order.
    pub fresh: Vec<Entry>,
    /// Paths with unresolved conflicts.
    pub unmerged: Vec<RepoPath>,
}

/// The answer of a layer to the question what is staged.
#[derive(Debug)]
pub(super) struct LayerAnswer {
    /// What is new, and what is in conflict.
    pub compared: Compared,
    /// The top of the work tree, if there is one.
    pub top: Option<PathBuf>,
    /// Whether the program was started below it.
    pub below_top: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_completes_because() {
        let cause = "no such\nfile \x1b[2J";
        for (handover, reason) in [
            (Handover::Variable("GIT_X".into()), "GIT_X is set"),
            (
                Handover::RepositoryExtension("noop".into()),
                "the repository uses the extension noop",
            ),
            (Handover::IndexExtension(*b"ab\0d"), "the index has the extension ab\\u{0000}d"),
            (Handover::EntryMode(0o40_000), "the index has an entry of mode 40000"),
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
    fn kinds_are_called_as_git_calls_them() {
        for kind in [ObjectKind::Commit, ObjectKind::Tree, ObjectKind::Blob] {
            assert_eq!(ObjectKind::of_name(kind.name().as_bytes()), Some(kind));
        }
        assert_eq!(ObjectKind::of_name(b"tag"), None);
    }
}
