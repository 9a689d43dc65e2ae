//! Entries of git trees, and the trait of their sources.

use crate::base::error::Error;
use crate::base::escape::{from_hex, to_hex};
use crate::base::path::RepoPath;
use std::borrow::Cow;
use std::fmt::{self, Display};

/// The id of a git object: 20 bytes (SHA-1) or 32 (SHA-256). Its `Display` is hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    bytes: [u8; 32],
    length: u8,
}

impl ObjectId {
    /// From raw bytes; `None` unless there are 20 or 32.
    pub(crate) fn from_bytes(raw: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        // An index has thousands of ids: arrays of a known length are copied fastest.
        if let Ok(sha256) = <&[u8; 32]>::try_from(raw) {
            bytes = *sha256;
        } else {
            *bytes.first_chunk_mut::<20>()? = *<&[u8; 20]>::try_from(raw).ok()?;
        }
        let length = u8::try_from(raw.len()).ok()?;
        Some(Self { bytes, length })
    }

    /// From 40 or 64 hexadecimal digits.
    pub(crate) fn from_hex(hex: &[u8]) -> Option<Self> {
        Self::from_bytes(&from_hex(hex)?)
    }

    /// Whether all bytes are zero: git's placeholder for a missing object.
    pub(crate) fn is_null(&self) -> bool {
        self.bytes == [0; 32]
    }

    /// The first twelve digits.
    pub(crate) fn short(&self) -> String {
        to_hex(&self.bytes[..6])
    }

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

/// The kind of a tree entry: the file modes of gitformat-index(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A regular file, executable or not: `100644`, `100755`.
    File,
    /// A symbolic link; its blob is the target: `120000`.
    Symlink,
    /// The commit of a submodule, which is not an object here: `160000`.
    Submodule,
}

impl Mode {
    /// From git's mode; `None` for a directory or an unknown mode.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Symlink),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }

    /// The type bits of git's mode, without permissions.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Submodule => 0o160_000,
        }
    }

    /// The word of `--show-files`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Symlink => "link",
            Self::Submodule => "submodule",
        }
    }
}

/// An entry of the tree that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub path: RepoPath,
    pub mode: Mode,
    /// The blob; the commit of a submodule.
    pub id: ObjectId,
    /// Whether it is new: its path was absent before, or had another mode or content. Only new
    /// entries are judged; the others are context for rules that compare files.
    pub fresh: bool,
    /// The object at this path before, for a new entry.
    pub replaces: Option<ObjectId>,
}

impl Entry {
    /// Whether it is a regular file: only their content is read.
    pub(crate) fn is_regular(&self) -> bool {
        self.mode == Mode::File
    }
}

/// A path that has another entry in an older state, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Older {
    pub path: RepoPath,
    /// The entry in the older state.
    pub entry: Option<Entry>,
}

/// The content of a blob, unless it is larger than a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Its size in bytes.
    TooLarge(u64),
}

/// A regular file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub path: RepoPath,
    pub text: Vec<u8>,
    /// See [`Entry::fresh`].
    pub fresh: bool,
    /// See [`Entry::replaces`].
    pub replaces: bool,
}

impl File {
    /// The directory that specs in it are resolved against.
    pub(crate) fn directory(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.path.parent())
    }
}

/// A commit that adds judged entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub id: ObjectId,
    /// The start of the first line of its message, safe to print; empty if unknown.
    pub subject: String,
}

/// A source of entries: the index, a commit, a tree, the work tree.
pub(crate) trait Change {
    /// The commit that adds the new entries, if one does. Called only if there is a finding.
    fn commit(&self) -> Option<Commit> {
        None
    }

    /// The new entries; a deletion is not an entry.
    fn fresh(&self) -> &[Entry];

    /// The wanted entries, new or not. This walks the whole tree.
    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error>;

    /// Whether there is a wanted entry, new or not. The name of each begins with `start`, with case
    /// folded, and is enough to tell that it is wanted.
    fn has(&self, start: &[u8], wanted: &dyn Fn(&RepoPath) -> bool) -> Result<bool, Error> {
        let _ = start;
        self.entries(wanted).map(|entries| !entries.is_empty())
    }

    /// All entries, new or not. A large tree is not copied if it is known already.
    fn all(&self) -> Result<Cow<'_, [Entry]>, Error> {
        self.entries(&|_| true).map(Cow::Owned)
    }

    /// The entry at one path, new or not.
    fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        self.entries(&|known| known == path).map(|entries| entries.into_iter().next())
    }

    /// The states that it is compared with: for each, the wanted paths in which it differs. Empty
    /// if everything is new.
    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error>;

    /// The content of an entry, of this state or of one before it, if it has at most `limit` bytes.
    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_of_both_hash_kinds_round_trip() {
        for hex in ["ab".repeat(20), "0f".repeat(32)] {
            assert_eq!(ObjectId::from_hex(hex.as_bytes()).unwrap().to_string(), hex);
        }
        for wrong in ["", "abc", "zz", &"ab".repeat(21), &"+f".repeat(20)] {
            assert_eq!(ObjectId::from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn modes_are_parsed_as_git_writes_them() {
        assert_eq!(Mode::from_bits(0o100_755), Some(Mode::File));
        assert_eq!(Mode::from_bits(0o120_000), Some(Mode::Symlink));
        assert_eq!(Mode::from_bits(0o160_000), Some(Mode::Submodule));
        assert_eq!(Mode::from_bits(0o040_000), None);
    }
}
