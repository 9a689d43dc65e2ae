//! What enters history: entries of git trees, as inert data, and the questions asked of whoever
//! holds them.

use crate::base::error::Error;
use crate::base::escape::{from_hex, to_hex};
use crate::base::path::RepoPath;
use std::fmt::{self, Display};

/// The name of an object in git's store: 20 bytes (SHA-1) or 32 (SHA-256). Shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    bytes: [u8; 32],
    length: u8,
}

impl ObjectId {
    /// From the raw bytes of a hash; `None` unless there are 20 or 32 of them.
    pub(crate) fn from_bytes(raw: &[u8]) -> Option<Self> {
        let length = u8::try_from(raw.len()).ok().filter(|n| matches!(n, 20 | 32))?;
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self { bytes, length })
    }

    /// From 40 or 64 hexadecimal digits, as git prints them.
    pub(crate) fn from_hex(hex: &[u8]) -> Option<Self> {
        Self::from_bytes(&from_hex(hex)?)
    }

    /// Whether it is all zeros, by which git says "none".
    pub(crate) fn is_null(&self) -> bool {
        self.bytes == [0; 32]
    }

    /// The first twelve digits, as reports show it.
    pub(crate) fn short(&self) -> String {
        to_hex(&self.bytes[..6])
    }

    /// The raw bytes of the hash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ObjectId({self})")
    }
}

/// The kind of a tree entry: the file modes that git knows (gitformat-index(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A regular file, executable or not: `100644`, `100755`.
    File,
    /// A symbolic link, whose blob is the target: `120000`.
    Symlink,
    /// A submodule's commit, which has no blob here: `160000`.
    Submodule,
}

impl Mode {
    /// From git's octal mode; `None` for directories and for modes that git does not write.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Symlink),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }

    /// The bits of git's octal mode that say so, without permissions.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Submodule => 0o160_000,
        }
    }

    /// The word for it in listings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Symlink => "link",
            Self::Submodule => "submodule",
        }
    }
}

/// One path of the tree that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub path: RepoPath,
    pub mode: Mode,
    /// Its content: a blob, or for a submodule the commit.
    pub id: ObjectId,
    /// Whether it is new here: its path did not exist before, or with another mode or content. Only
    /// such entries are judged; the others are context for the rules that compare files.
    pub fresh: bool,
    /// Of a fresh entry: what stood at this path before, if anything did.
    pub replaces: Option<ObjectId>,
}

impl Entry {
    /// Whether it is a file whose content a rule can read.
    pub(crate) fn is_regular(&self) -> bool {
        self.mode == Mode::File
    }
}

/// The content of a blob, unless it is too large to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Larger than the limit that was asked for; its size in bytes.
    TooLarge(u64),
}

/// A regular file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub path: RepoPath,
    /// The whole content, as it will be committed.
    pub text: Vec<u8>,
    /// Whether it is new; see [`Entry::fresh`].
    pub fresh: bool,
    /// Of a fresh file: whether something stood at its path before; see [`Entry::replaces`].
    pub replaces: bool,
}

impl File {
    /// The directory that holds it, as text: specs are resolved against it.
    pub(crate) fn directory(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.path.parent())
    }
}

/// The commit that brings what is judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    /// Its name.
    pub id: ObjectId,
    /// The start of the first line of its message, safe to print; empty where it cannot be had.
    pub subject: String,
}

/// What is to be judged, whoever holds it: the index, a commit, a tree, the work tree.
pub(crate) trait Change {
    /// The commit that brings it, if one does. Asked for only when there is something to say of it.
    fn commit(&self) -> Option<Commit> {
        None
    }

    /// The entries that are new; a deletion is not an entry.
    fn fresh(&self) -> &[Entry];

    /// Every entry that is wanted, new or not. Costs a walk over the whole tree, so it is asked for
    /// only when a rule compares files.
    fn whole(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error>;

    /// The entry at one path, new or not.
    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        self.whole(&|known| known == path).map(|entries| entries.into_iter().next())
    }

    /// The content of an entry, at most `limit` bytes of it.
    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_read_and_show_both_hash_kinds() {
        for hex in ["ab".repeat(20), "0f".repeat(32)] {
            assert_eq!(ObjectId::from_hex(hex.as_bytes()).unwrap().to_string(), hex);
        }
        for wrong in ["", "abc", "zz", &"ab".repeat(21), &"+f".repeat(20)] {
            assert_eq!(ObjectId::from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn modes_are_those_of_git() {
        assert_eq!(Mode::from_bits(0o100_755), Some(Mode::File));
        assert_eq!(Mode::from_bits(0o120_000), Some(Mode::Symlink));
        assert_eq!(Mode::from_bits(0o160_000), Some(Mode::Submodule));
        assert_eq!(Mode::from_bits(0o040_000), None);
    }
}
