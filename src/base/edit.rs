//! A change to a user's file, as data.

use crate::base::finding::Span;
use crate::base::path::RepoPath;

/// A replacement of bytes in a file. An empty span inserts, an empty text deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub path: RepoPath,
    /// The bytes to replace, as offsets into the file before any edit.
    pub span: Span,
    /// The replacement.
    pub text: String,
}

/// A file with its text, and the text to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub path: RepoPath,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}
