//! Which project a pin is for: the directories of a tree that say something, and how far it reaches.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::File;
use crate::pins::files::{self, parent};
use crate::pins::{Demand, Footing, How, Pin, Reading, Role, workspace};

/// The directories of a tree that say something.
pub(super) struct Tree<'a> {
    /// The manifests by their directories, and whether each decides.
    manifests: BTreeMap<&'a [u8], bool>,
    /// The tops of workspaces, and the patterns of their members.
    workspaces: BTreeMap<&'a [u8], &'a [String]>,
    /// The directories for which something declares an exact version.
    declared: BTreeSet<&'a [u8]>,
}

impl<'a> Tree<'a> {
    /// The tree that these files are, each with what it says.
    pub(super) fn of(files: &'a [File], readings: &'a [Reading]) -> Self {
        let mut tree = Self { manifests: BTreeMap::new(), workspaces: BTreeMap::new(), declared: BTreeSet::new() };
        for (file, reading) in files.iter().zip(readings) {
            let directory = file.path.parent();
            if files::is_manifest(&file.path) {
                tree.manifests.insert(directory, reading.decides);
            }
            if let Some(members) = &reading.members {
                // pnpm looks into its own file, and not into `workspaces`.
                if !files::is_manifest(&file.path) || !tree.workspaces.contains_key(directory) {
                    tree.workspaces.insert(directory, members);
                }
            }
            for pin in &reading.pins {
                if pin.how.role() == Role::Declares && matches!(pin.demand, Demand::Exact(_)) {
                    tree.declared.insert(&pin.directory);
                }
            }
        }
        tree
    }

    /// Whether the manifest of a directory has a `packageManager`: then corepack looks no further up.
    pub(super) fn decides(&self, directory: &[u8]) -> bool {
        self.manifests.get(directory).is_some_and(|decides| *decides)
    }

    /// Whether there is a manifest in a directory.
    pub(super) fn has_manifest(&self, directory: &[u8]) -> bool {
        self.manifests.contains_key(directory)
    }

    /// Whether a pin stands where it says something of this tree.
    pub(super) fn holds(&self, pin: &Pin) -> bool {
        match pin.footing {
            Footing::Upward => true,
            Footing::Manifest => self.has_manifest(&pin.directory),
            Footing::Deciding => self.decides(&pin.directory),
        }
    }

    /// The directory of the project that a pin is for.
    pub(super) fn project(&self, pin: &'a Pin) -> &'a [u8] {
        let directory = pin.directory.as_slice();
        if pin.how == How::PackageManager {
            // A member of a workspace has to agree with its top.
            return self.top_of(directory).filter(|top| self.decides(top)).unwrap_or(directory);
        }
        self.governing(directory)
    }

    /// The directory whose pins hold for what is built in another.
    pub(super) fn governing<'d>(&self, directory: &'d [u8]) -> &'d [u8] {
        let home = upward(directory).find(|directory| self.has_manifest(directory)).unwrap_or(directory);
        let found = upward(home).find(|directory| self.decides(directory));
        let found = found.or_else(|| upward(directory).find(|directory| self.declared.contains(directory)));
        match found {
            Some(found) if self.reaches(found, home) => found,
            _ => home,
        }
    }

    /// Whether what is said in one directory holds for a manifest further down: it does unless there is a workspace that
    /// the manifest is no member of.
    fn reaches(&self, directory: &[u8], home: &[u8]) -> bool {
        home.len() <= directory.len()
            || !self.has_manifest(home)
            || !self.workspaces.contains_key(directory)
            || self.top_of(home) == Some(directory)
    }

    /// The top of the workspace that a directory is a member of.
    fn top_of<'d>(&self, directory: &'d [u8]) -> Option<&'d [u8]> {
        let mut tops = upward(directory).skip(1);
        tops.find(|top| {
            let below = &directory[top.len()..];
            let below = below.strip_prefix(b"/").unwrap_or(below);
            self.workspaces.get(top).is_some_and(|members| workspace::takes_in(members, below))
        })
    }
}

/// A directory and all above it, up to the top.
pub(super) fn upward(directory: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(directory), |directory| (!directory.is_empty()).then(|| parent(directory)))
}

/// Whether a directory is below another one.
pub(super) fn is_below(directory: &[u8], other: &[u8]) -> bool {
    directory.strip_prefix(other).is_some_and(|rest| rest.starts_with(b"/") || other.is_empty() && !rest.is_empty())
}
