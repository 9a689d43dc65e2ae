//! A change to a file, as data.

use crate::base::finding::Span;
use crate::base::path::RepoPath;

/// Bytes of a file, and what replaces them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The file.
    pub path: RepoPath,
    /// The bytes that are replaced; empty for an insertion.
    pub span: Span,
    /// The replacement.
    pub text: String,
}
