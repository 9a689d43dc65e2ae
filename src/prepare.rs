//! Prepares Docker builds without a change of the tree: the files that lie over a manifest in the
//! image, so that its packages are installed from packed ones. Nothing is packed or written here.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::base::finding::LineIndex;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};

pub(crate) mod settings;
pub(crate) mod key;
pub(crate) mod closure;
pub(crate) mod built;
pub(crate) mod plan;
pub(crate) mod record;
mod members;
mod manifest;
mod product;
mod workspace;
mod means;
pub(crate) mod file;
pub(crate) mod overlay;
pub(crate) mod inner;
#[cfg(test)]
mod matrix;

/// A package that is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub name: String,
    pub version: Version,
    /// The name of its tarball in the leftover directory.
    pub file: String,
    pub manifest: PackedManifest,
}

/// What the manifest in a tarball asks for: names of packages, and the specs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PackedManifest {
    pub dependencies: BTreeMap<String, String>,
    pub optional: BTreeMap<String, String>,
    pub peers: BTreeMap<String, String>,
    /// The peers that `peerDependenciesMeta` makes optional.
    pub optional_peers: BTreeSet<String>,
}

/// Parses a file whose root is a map, which messages call `noun`. The error is the cause, which may
/// quote the file.
fn parse_map(syntax: Syntax, text: &[u8], noun: &str) -> Result<Node, String> {
    let root = formats::parse(syntax, text).map_err(|error| {
        let (line, _) = LineIndex::new(text).locate(error.span.start.min(text.len()));
        format!("{}, in line {line}", error.message)
    })?;
    match root.value {
        Value::Map(_) => Ok(root),
        _ => Err(format!("it is not {noun}")),
    }
}
