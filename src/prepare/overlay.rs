//! The overlay of a manifest: what is copied over its directory in the image.

use semver::Version;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::pins::pin::Manager;
use crate::prepare::Packed;
use crate::project::directories::{ancestors, join};

/// A manifest, and what decides about its overlay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    /// The directory of the manifest, empty for the top.
    pub directory: &'a RepoPath,
    pub manifest: &'a [u8],
    /// The `pnpm-workspace.yaml` of the directory.
    pub workspace: Option<&'a [u8]>,
    pub top: Top<'a>,
    /// The packages that the manifest needs. If the image installs at the top: that all manifests
    /// need, for all of them share its files.
    pub packed: &'a [Packed],
    /// The package manager of the image.
    pub manager: Manager,
    pub version: &'a Version,
    /// The leftover directory at the top of the context, such as `.docker-deps`.
    pub into: &'a str,
}

/// The top of the repository.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Top<'a> {
    /// Its `package.json`.
    pub manifest: Option<&'a [u8]>,
    /// Its `pnpm-workspace.yaml`.
    pub workspace: Option<&'a [u8]>,
    /// Whether the image has these files and installs there.
    pub is_installed: bool,
}

/// The files to write, and what a person should know of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overlay {
    /// Paths in the leftover directory, such as `tree/backend/pnpm-workspace.yaml`, with their
    /// bytes. Overlays of manifests that are installed at the top have files in common, which are
    /// equal.
    pub files: Vec<(RepoPath, Vec<u8>)>,
    /// Sentences without an initial capital, safe to print.
    pub warnings: Vec<String>,
}

/// The overlay of a manifest.
///
/// # Errors
///
/// If a file cannot be edited: it does not parse, or its layout leaves the place of an edit
/// uncertain.
pub(crate) fn files(input: &Input<'_>) -> Result<Overlay, Error> {
    let directory = input.directory.as_bytes();
    let to_top = "../".repeat(ancestors(directory).count() - 1);
    let mut text = "overrides:\n".to_owned();
    for Packed { name, file, .. } in input.packed {
        text += &format!("  \"{name}\": \"file:{to_top}{}/{file}\"\n", input.into);
    }
    let path = RepoPath::new(join(&join(b"tree", directory), b"pnpm-workspace.yaml"));
    Ok(Overlay { files: vec![(path, text.into_bytes())], warnings: Vec::new() })
}
