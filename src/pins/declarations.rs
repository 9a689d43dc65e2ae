//! Which directories declare a package manager, and for which directories it counts.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::pins::pin::{AppliesIf, Demand, FilePins, Pin, PinKind, Role};
use crate::project::Project;
use crate::project::directories::ancestors;
use crate::project::kinds::FileKind;
use crate::project::workspaces::Workspaces;

pub(super) struct Declarations<'a> {
    workspaces: Workspaces<'a>,
    /// The directories at whose manifest corepack stops searching upward.
    deciding: BTreeSet<&'a [u8]>,
    /// The directories for which an exact version is declared.
    declared: BTreeSet<&'a [u8]>,
}

impl<'a> Declarations<'a> {
    /// `file_pins` are those of the files of the project.
    pub(super) fn new(project: &'a Project, file_pins: &'a [Rc<FilePins>]) -> Self {
        let workspaces =
            Workspaces::new(project, file_pins.iter().map(|found| found.members.as_deref()));
        let paths = project.files().iter().map(|source| &source.file.path);
        let manifests = paths.zip(file_pins).filter(|(path, _)| FileKind::Manifest.matches(path));
        let deciding =
            manifests.filter(|(_, found)| found.decides).map(|(path, _)| path.parent()).collect();
        let is_exact = |pin: &&Pin| {
            pin.kind.role() == Role::Declares && matches!(pin.demand, Demand::Exact(_))
        };
        let pins = file_pins.iter().flat_map(|found| &found.pins).filter(is_exact);
        Self { workspaces, deciding, declared: pins.map(|pin| pin.directory.as_slice()).collect() }
    }

    /// Whether corepack stops searching at a directory, because its manifest has a
    /// `packageManager`.
    pub(super) fn decides(&self, directory: &[u8]) -> bool {
        self.deciding.contains(directory)
    }

    /// Whether a pin applies in its directory.
    pub(super) fn applies(&self, pin: &Pin) -> bool {
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
            // A member of a workspace must agree with its root.
            let root = self.workspaces.root_of(directory);
            return root.filter(|root| self.decides(root)).unwrap_or(directory);
        }
        self.governing_directory(directory)
    }

    /// The directory whose pins apply to builds in a directory.
    pub(super) fn governing_directory<'d>(&self, directory: &'d [u8]) -> &'d [u8] {
        let home = self.workspaces.nearest_package(directory).unwrap_or(directory);
        let found = ancestors(home).find(|directory| self.decides(directory));
        let found = found
            .or_else(|| ancestors(directory).find(|directory| self.declared.contains(directory)));
        found.filter(|found| self.workspaces.reaches(found, home)).unwrap_or(home)
    }
}
