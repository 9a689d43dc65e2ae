//! Workspaces and their members.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use fast_glob::glob_match;

use crate::project::Project;
use crate::project::directories::{ancestors, is_below, relative_to};
use crate::project::kinds::FileKind;

/// The manifests and workspaces of a project.
#[derive(Debug, Default)]
pub(crate) struct Workspaces<'p> {
    manifests: BTreeSet<&'p [u8]>,
    /// The patterns of the members, by the root of their workspace.
    roots: BTreeMap<&'p [u8], &'p [String]>,
}

impl<'p> Workspaces<'p> {
    /// `members` has for each file of the project the patterns of members that it declares.
    pub(crate) fn new(
        project: &'p Project,
        members: impl Iterator<Item = Option<&'p [String]>>,
    ) -> Self {
        let mut roots = BTreeMap::new();
        for (source, members) in project.files().iter().zip(members) {
            let Some(members) = members else { continue };
            let directory = source.file.path.parent();
            // pnpm reads `pnpm-workspace.yaml` and ignores `workspaces`.
            if !FileKind::Manifest.matches(&source.file.path) || !roots.contains_key(directory) {
                roots.insert(directory, members);
            }
        }
        Self { manifests: project.manifest_directories(), roots }
    }

    pub(crate) fn has_manifest(&self, directory: &[u8]) -> bool {
        self.manifests.contains(directory)
    }

    /// The nearest directory with a manifest, from a directory upward.
    pub(crate) fn nearest_package<'d>(&self, directory: &'d [u8]) -> Option<&'d [u8]> {
        ancestors(directory).find(|directory| self.has_manifest(directory))
    }

    /// The directories with a manifest below a directory.
    pub(crate) fn packages_below(&self, directory: &[u8]) -> impl Iterator<Item = &'p [u8]> {
        let from = (Bound::Included(directory), Bound::Unbounded);
        let from = self.manifests.range::<[u8], _>(from).copied();
        from.take_while(move |manifest| manifest.starts_with(directory))
            .filter(move |manifest| is_below(manifest, directory))
    }

    /// The root of the workspace that a directory is a member of.
    pub(crate) fn root_of<'d>(&self, directory: &'d [u8]) -> Option<&'d [u8]> {
        let is_member = |root: &&[u8]| {
            let below = relative_to(root, directory);
            below.zip(self.roots.get(root)).is_some_and(|(below, members)| includes(members, below))
        };
        ancestors(directory).skip(1).find(is_member)
    }

    /// Whether declarations in a directory apply to a package below it: unless the directory is the
    /// root of a workspace that the package is not a member of.
    pub(crate) fn reaches(&self, directory: &[u8], package: &[u8]) -> bool {
        package.len() <= directory.len()
            || !self.has_manifest(package)
            || !self.roots.contains_key(directory)
            || self.root_of(package) == Some(directory)
    }
}

/// Whether the patterns of a workspace include a directory, relative to its root. As in pnpm, npm
/// and Yarn, a later `!pattern` excludes, and a pattern names directories.
pub(crate) fn includes(patterns: &[String], directory: &[u8]) -> bool {
    let Ok(directory) = std::str::from_utf8(directory) else { return false };
    let mut member = false;
    for pattern in patterns {
        let (adds, glob) = match pattern.strip_prefix('!') {
            Some(glob) => (false, glob),
            None => (true, pattern.as_str()),
        };
        let glob = glob
            .strip_prefix("./")
            .or(glob.strip_prefix('/'))
            .unwrap_or(glob)
            .trim_end_matches('/');
        if glob_match(glob, directory) {
            member = adds;
        }
    }
    member
}

#[cfg(test)]
mod tests {
    use super::includes;

    #[test]
    fn patterns_name_directories() {
        let patterns =
            ["packages/*", "./apps/web/", "tools/**", "!**/test/**", "{a,b}/*"].map(str::to_owned);
        for (directory, member) in [
            ("packages/ui", true),
            ("packages/ui/deep", false),
            ("apps/web", true),
            ("apps/api", false),
            ("tools/a/b", true),
            ("tools/test/b", false),
            ("a/x", true),
            ("examples/x", false),
        ] {
            assert_eq!(includes(&patterns, directory.as_bytes()), member, "{directory}");
        }
        assert!(!includes(&patterns, b"packages/\xff"));
    }
}
