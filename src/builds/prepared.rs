//! What a preparation writes for the builds of a project.

use std::collections::BTreeSet;

use crate::builds::build::Build;
use crate::project::kinds::FileKind;

/// A preparation, and the builds that it is judged for in addition.
#[derive(Debug)]
pub(crate) struct PreparedBuilds {
    pub overlays: Overlays,
    /// The builds that nothing names, as if their context were the top.
    pub implied: Vec<Build>,
}

/// What a preparation writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overlays {
    /// The leftover directory at the top of the repository, such as `.docker-deps`.
    pub into: String,
    /// The directories of the manifests; empty for the top.
    pub directories: BTreeSet<String>,
    /// Whether the manifests themselves are rewritten: only the tarballs are to be copied.
    pub in_place: bool,
}

/// The name of a tarball like those of a preparation.
pub(super) const TARBALL: &str = "acme-log-1.0.0-00000000.tgz";

impl Overlays {
    /// The source that brings an overlay, and may be missing: `.docker-dep[s]/tree/backend`.
    pub(crate) fn source(&self, directory: &str) -> String {
        let slash = if directory.is_empty() { "" } else { "/" };
        format!("{}/tree{slash}{directory}", self.packages())
    }

    /// The source that brings the tarballs, and may be missing: `.docker-dep[s]`. The pattern is in
    /// the first name that may be missing, as BuildKit needs it.
    pub(crate) fn packages(&self) -> String {
        let last = self.into.rfind(|letter: char| letter.is_ascii_alphanumeric());
        let (start, rest) = self.into.split_at(last.unwrap_or_default());
        let (letter, end) = rest.split_at(rest.len().min(1));
        format!("{start}[{letter}]{end}")
    }

    pub(super) fn overlaid(&self, directory: &str) -> String {
        let slash = if directory.is_empty() { "" } else { "/" };
        format!("{}/tree{slash}{directory}/{}", self.into, FileKind::MANIFEST)
    }

    pub(super) fn tarball(&self) -> String {
        format!("{}/{TARBALL}", self.into)
    }
}
