//! Which directories declare a package manager, and how far that reaches.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::pins::{AppliesIf, Demand, FilePins, Pin, PinKind, Role};
use crate::project::Project;
use crate::project::directories::ancestors;
use crate::project::kinds::FileKind;
use crate::project::workspaces::Workspaces;

/// The directories of a project that declare something.
pub(super) struct Declarations<'a> {
    workspaces: Workspaces<'a>,
    /// Those whose manifest decides: corepack looks no further up.
    deciding: BTreeSet<&'a [u8]>,
    /// Those for which something declares an exact version.
    declared: BTreeSet<&'a [u8]>,
}

impl<'a> Declarations<'a> {
    /// The declarations of a project; `file_pins` are those of its files.
    pub(super) fn new(project: &'a Project, file_pins: &'a [Rc<FilePins>]) -> Self {
        let workspaces =
            Workspaces::new(project, file_pins.iter().map(|found| found.members.as_deref()));
        let paths = project.files().iter().map(|known| &known.file.path);
        let manifests = paths.zip(file_pins).filter(|(path, _)| FileKind::Manifest.matches(path));
        let deciding =
            manifests.filter(|(_, found)| found.decides).map(|(path, _)| path.parent()).collect();
        let is_exact = |pin: &&Pin| {
            pin.kind.role() == Role::Declares && matches!(pin.demand, Demand::Exact(_))
        };
        let pins = file_pins.iter().flat_map(|found| &found.pins).filter(is_exact);
        Self { workspaces, deciding, declared: pins.map(|pin| pin.directory.as_slice()).collect() }
    }

    /// Whether the manifest of a directory has a `packageManager`: then corepack looks no further
    /// up.
    pub(super) fn decides(&self, directory: &[u8]) -> bool {
        self.deciding.contains(directory)
    }

    /// Whether a pin is in a place where it applies to this project.
    pub(super) fn holds(&self, pin: &Pin) -> bool {
        match pin.applies_if {
            AppliesIf::Always => true,
            AppliesIf::ManifestHere => self.workspaces.has_manifest(&pin.directory),
            AppliesIf::PackageManagerHere => self.decides(&pin.directory),
        }
    }

    /// The directory of the group that a pin belongs to.
    pub(super) fn group_of(&self, pin: &'a Pin) -> &'a [u8] {
        let directory = pin.directory.as_slice();
        if pin.kind == PinKind::PackageManager {
            // A member of a workspace has to agree with its top.
            return self
                .workspaces
                .root_of(directory)
                .filter(|top| self.decides(top))
                .unwrap_or(directory);
        }
        self.governing(directory)
    }

    /// The directory whose pins are in force for what is built in another.
    pub(super) fn governing<'d>(&self, directory: &'d [u8]) -> &'d [u8] {
        let home = self.workspaces.nearest_package(directory).unwrap_or(directory);
        let found = ancestors(home).find(|directory| self.decides(directory));
        let found = found
            .or_else(|| ancestors(directory).find(|directory| self.declared.contains(directory)));
        found.filter(|found| self.workspaces.reaches(found, home)).unwrap_or(home)
    }
}
