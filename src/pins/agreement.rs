//! Which pins govern the same build, and whether they agree.
//!
//! What a project uses is what its manifest says, found upward as corepack finds it; else what its version manager is
//! told; else what its workflows install. Everything else is held against that.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::File;
use crate::base::finding::Span;
use crate::pins::files::is_installed_package;
use crate::pins::projects::{Tree, is_below, upward};
use crate::pins::{Bond, Demand, Fault, How, Manager, Pin, Reading, Role, accepts, calls, files, satisfies};

/// Every pin of a tree, and what there is to say of each.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The files that were read, in the order of their paths.
    pub files: Vec<File>,
    /// What each of them says.
    pub readings: Vec<Reading>,
    /// The projects, in the order of their directories.
    pub projects: Vec<Project>,
    /// The pins, by project, and in the order of files and places in it.
    pub rows: Vec<Row>,
    /// The directories of the projects that let corepack decide in some file.
    with_corepack: BTreeSet<Vec<u8>>,
}

/// What is built with one package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// Its directory; empty at the top.
    pub directory: Vec<u8>,
    /// The pin that the others are held against; `None` if no exact version is pinned.
    pub reference: Option<Id>,
}

/// A pin, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// The number of its file.
    pub file: usize,
    /// The number of the pin among those of the file.
    pub pin: usize,
}

/// A pin in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The pin.
    pub id: Id,
    /// The number of its project.
    pub project: usize,
    /// What there is to say of it.
    pub relation: Relation,
}

/// How a pin stands to the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is the one that counts.
    Reference,
    /// It says the same.
    Agrees,
    /// It says something else.
    Differs,
    /// It has no exact version, although there is one.
    Floats,
    /// There is nothing to hold it against, or it is for something else.
    Unjudged,
}

impl Board {
    /// Reads files, and compares what they say.
    pub(crate) fn of(mut files: Vec<File>) -> Self {
        files.retain(|file| !is_installed_package(file.path.parent()));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut readings: Vec<Reading> = files.iter().map(crate::pins::read).collect();
        add_blanks(&files, &mut readings);
        calls::add(&files, &mut readings);
        let tree = Tree::of(&files, &readings);
        let pin = |id: Id| &readings[id.file].pins[id.pin];
        let mut groups: BTreeMap<&[u8], Vec<Id>> = BTreeMap::new();
        let mut fields: BTreeMap<&[u8], Id> = BTreeMap::new();
        for (file, reading) in readings.iter().enumerate() {
            for (number, about) in reading.pins.iter().enumerate() {
                let id = Id { file, pin: number };
                groups.entry(tree.project(about)).or_default().push(id);
                fields.extend((about.how == How::PackageManager).then_some((about.directory.as_slice(), id)));
            }
        }
        let mut references: BTreeMap<&[u8], Id> = BTreeMap::new();
        for (directory, ids) in &groups {
            let reference = if tree.decides(directory) {
                // Nothing else counts, even if corepack refuses it.
                fields.get(directory).copied()
            } else {
                next_best(ids.iter().map(|id| (*id, pin(*id))), directory)
            };
            references.extend(reference.map(|id| (*directory, id)));
        }
        move_down(&mut groups, &references, pin);
        let present: Vec<Present> = readings.iter().map(Present::of).collect();
        let with_corepack = readings.iter().filter(|reading| reading.uses_corepack);
        let with_corepack = with_corepack.map(|reading| tree.governing(&reading.home).to_vec()).collect();
        let (mut projects, mut rows) = (Vec::new(), Vec::new());
        for (directory, mut ids) in groups {
            ids.sort_unstable();
            let reference = references.get(directory).copied();
            let has_yarn_path = ids.iter().any(|id| pin(*id).how == How::YarnPath);
            for id in ids {
                let relation = match reference {
                    _ if pin(id).is_elsewhere || !tree.holds(pin(id)) => Relation::Unjudged,
                    _ if has_yarn_path && launches_yarn(pin(id)) => Relation::Unjudged,
                    Some(reference) if reference == id => Relation::Reference,
                    Some(reference) => relation(pin(id), pin(reference), &present[id.file]),
                    None if matches!(pin(id).demand, Demand::Empty(_)) => Relation::Floats,
                    None => Relation::Unjudged,
                };
                rows.push(Row { id, project: projects.len(), relation });
            }
            projects.push(Project { directory: directory.to_vec(), reference });
        }
        Self { files, readings, projects, rows, with_corepack }
    }

    /// A pin.
    pub(crate) fn pin(&self, id: Id) -> &Pin {
        &self.readings[id.file].pins[id.pin]
    }

    /// The file that a pin stands in.
    pub(crate) fn file(&self, id: Id) -> &File {
        &self.files[id.file]
    }

    /// The pin that a row is held against.
    pub(crate) fn reference(&self, row: &Row) -> Option<Id> {
        self.projects[row.project].reference
    }
}

impl Board {
    /// What is wrong by itself in the new files.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&File, &Span, &Fault)> {
        let new = self.files.iter().zip(&self.readings).filter(|(file, _)| file.fresh);
        new.flat_map(|(file, reading)| reading.faults.iter().map(move |(span, fault)| (file, span, fault)))
    }

    /// Whether a row, or what it is held against, stands in a new file: drift that was there before, and that this change
    /// does not touch, does not block it.
    pub(crate) fn is_touched(&self, row: &Row) -> bool {
        self.file(row.id).fresh || self.reference(row).is_some_and(|reference| self.file(reference).fresh)
    }

    /// Whether a file for the same project lets corepack decide.
    pub(crate) fn uses_corepack(&self, row: &Row) -> bool {
        self.with_corepack.contains(&self.projects[row.project].directory)
    }

    /// Whether any file lets corepack decide.
    pub(crate) fn has_corepack(&self) -> bool {
        !self.with_corepack.is_empty()
    }
}

/// What installs a version in a directory may be for a project below it: it is, if it installs just what that one pins.
fn move_down<'a>(
    groups: &mut BTreeMap<&'a [u8], Vec<Id>>,
    references: &BTreeMap<&'a [u8], Id>,
    pin: impl Fn(Id) -> &'a Pin,
) {
    let is_same = |a: &Pin, b: &Pin| a.manager == b.manager && a.demand == b.demand;
    let mut moved: Vec<(&[u8], Id)> = Vec::new();
    for (directory, ids) in groups.iter_mut() {
        let own = references.get(directory).map(|reference| pin(*reference));
        let below: Vec<(&[u8], Id)> = references
            .iter()
            .filter(|(other, _)| is_below(other, directory))
            .map(|(other, id)| (*other, *id))
            .collect();
        ids.retain(|id| {
            let about = pin(*id);
            let is_for_others = about.how.role() == Role::Installs || about.how.is_of_a_tool();
            let is_open = is_for_others && own.is_none_or(|own| !is_same(own, about));
            let same = |(other, id): &&(&[u8], Id)| is_below(other, &about.directory) && is_same(pin(*id), about);
            let target = below.iter().find(|candidate| is_open && same(candidate));
            moved.extend(target.map(|(other, _)| (*other, *id)));
            target.is_none()
        });
    }
    for (directory, id) in moved {
        groups.entry(directory).or_default().push(id);
    }
    groups.retain(|_, ids| !ids.is_empty());
}

/// A `packageManager` that says nothing sends corepack further up; where there is no manifest, it is refused.
fn add_blanks(files: &[File], readings: &mut [Reading]) {
    let manifests = files.iter().filter(|file| files::is_manifest(&file.path));
    let directories: BTreeSet<&[u8]> = manifests.map(|file| file.path.parent()).collect();
    for (file, reading) in files.iter().zip(readings) {
        let is_above = || upward(file.path.parent()).skip(1).any(|above| directories.contains(above));
        reading.faults.extend(reading.blank.take().filter(|_| !is_above()));
    }
}

/// What the others of a project are held against where no manifest has a `packageManager`.
fn next_best<'a>(pins: impl Iterator<Item = (Id, &'a Pin)>, directory: &[u8]) -> Option<Id> {
    let counts = |pin: &Pin| match pin.how.role() {
        Role::Declares => pin.directory == directory,
        Role::Installs => !pin.is_elsewhere && matches!(pin.how, How::Action(_)),
        Role::Accepts => false,
    };
    pins.filter(|(_, pin)| matches!(pin.demand, Demand::Exact(_)) && counts(pin))
        // npm is there in any case: another manager beside it is the one that is meant.
        .min_by_key(|(_, pin)| (pin.how.role() == Role::Installs, pin.manager == Manager::Npm, pin.how))
        .map(|(id, _)| id)
}

/// What there is in a file beside a pin.
struct Present {
    managers: BTreeSet<(How, Manager)>,
    /// Whether it lets corepack decide.
    corepack: bool,
}

impl Present {
    fn of(reading: &Reading) -> Self {
        let managers = reading.pins.iter().map(|pin| (pin.how, pin.manager)).collect();
        Self { managers, corepack: reading.uses_corepack }
    }
}

/// How a pin stands to the one that counts; `file` is what else the file of the pin says.
fn relation(pin: &Pin, reference: &Pin, file: &Present) -> Relation {
    let Demand::Exact(wanted) = &reference.demand else { return Relation::Unjudged };
    if pin.manager != reference.manager {
        return other_manager(pin, reference, file);
    }
    let accepts = |range: &str| match pin.how {
        How::DevEngines => satisfies(wanted, range),
        _ => accepts(wanted, range),
    };
    match (&pin.demand, pin.how) {
        (Demand::Unknown, _) => Relation::Unjudged,
        (Demand::Exact(_), _) if pin.bond == Bond::Text && pin.hash != reference.hash => Relation::Differs,
        (Demand::Exact(version), how) if how.role() != Role::Accepts => {
            if version.cmp_precedence(wanted) == Ordering::Equal { Relation::Agrees } else { Relation::Differs }
        }
        (Demand::Exact(version), _) => {
            if accepts(&version.to_string()) == Some(false) {
                Relation::Differs
            } else {
                Relation::Agrees
            }
        }
        (Demand::Range(range), how) => match (accepts(range), how) {
            (Some(false), _) => Relation::Differs,
            (_, How::Engines | How::DevEngines) => Relation::Agrees,
            _ if pin.bond != Bond::Version => Relation::Differs,
            _ => Relation::Floats,
        },
        (_, How::DevEngines | How::Engines) => Relation::Agrees,
        _ if pin.bond != Bond::Version => Relation::Differs,
        _ => Relation::Floats,
    }
}

/// Whether this installs the first Yarn, which runs the one that `yarnPath` names.
fn launches_yarn(pin: &Pin) -> bool {
    let is_first = match &pin.demand {
        Demand::Exact(version) => version.major == 1,
        Demand::Range(range) => range.trim_start_matches(['^', '~']).starts_with('1'),
        // On npm, the newest of this name is one of the first.
        Demand::Tag(_) | Demand::Newest => true,
        Demand::Empty(_) | Demand::Unknown => false,
    };
    pin.manager == Manager::Yarn && pin.how.is_from_npm() && is_first
}

/// Another manager than the one that counts.
fn other_manager(pin: &Pin, reference: &Pin, file: &Present) -> Relation {
    let by_corepack = pin.how.is_by_corepack();
    let is_for_once = pin.how.is_for_once();
    // npm comes with Node.js, and is upgraded for its own sake.
    let for_its_own_sake = pin.manager == Manager::Npm && !by_corepack && pin.how != How::DevEngines;
    // What declares one declares it by itself; what installs one may do so beside the one that is meant.
    let is_beside = |how: How| pin.how.role() != Role::Declares || how == pin.how;
    let has_the_one_that_counts =
        file.managers.iter().any(|(how, manager)| *manager == reference.manager && is_beside(*how))
            || file.corepack && !by_corepack && pin.how.role() == Role::Installs;
    // Without a version it is no pin: nothing tells that it is for this project.
    let is_pin = matches!(pin.demand, Demand::Exact(_) | Demand::Range(_));
    let nothing_to_say = !is_pin || pin.how.role() == Role::Accepts;
    if is_for_once || for_its_own_sake || has_the_one_that_counts || nothing_to_say {
        Relation::Unjudged
    } else {
        Relation::Differs
    }
}
