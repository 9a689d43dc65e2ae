//! The files that an overlay is made of, and where it is written.

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::formats::document::Node;
use crate::project::directories::join;

/// The directory of overlays in the leftover directory.
pub(super) const TREE: &[u8] = b"tree";

/// Where the files of an overlay are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// In the leftover directory.
    Beside,
    /// Over the files of the repository.
    InPlace,
}

/// A file of the repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct RepoFile<'a> {
    pub directory: &'a [u8],
    pub name: &'static str,
    pub text: &'a [u8],
}

impl<'a> RepoFile<'a> {
    pub(super) fn new(directory: &'a [u8], name: &'static str, text: &'a [u8]) -> Self {
        Self { directory, name, text }
    }

    pub(super) fn path(&self) -> RepoPath {
        RepoPath::new(join(self.directory, self.name.as_bytes()))
    }

    pub(super) fn target(&self, placement: Placement) -> RepoPath {
        match placement {
            Placement::Beside => self.in_overlay(),
            Placement::InPlace => self.path(),
        }
    }

    fn in_overlay(&self) -> RepoPath {
        RepoPath::new(join(&join(TREE, self.directory), self.name.as_bytes()))
    }

    pub(super) fn refused(&self, cause: String) -> Error {
        let path = self.path();
        Error::new(format!("prepare {path}"), cause)
            .help(format!("correct {path}, then run this again"))
    }

    pub(super) fn parse(&self, parse: fn(&[u8]) -> Result<Node, String>) -> Result<Node, Error> {
        parse(self.text).map_err(|cause| self.refused(cause))
    }
}
