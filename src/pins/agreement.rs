//! Which pins govern the same build, and whether they agree.
//!
//! What a project uses is what its manifest says, found upward as corepack finds it; else what its version manager is
//! told; else what its workflows install. Everything else is held against that.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::change::File;
use crate::finding::Span;
use crate::pins::files::{is_installed_package, parent};
use crate::pins::{
    Bond, Demand, Fault, How, Manager, Pin, Reading, Role, accepts, dockerfile, files, satisfies, workspace,
};

/// Every pin of a tree, and what there is to say of each.
#[derive(Debug, Default)]
pub struct Board {
    /// The files that were read, in the order of their paths.
    pub files: Vec<File>,
    /// What each of them says.
    pub readings: Vec<Reading>,
    /// The projects, in the order of their directories.
    pub projects: Vec<Project>,
    /// The pins, by project, and in the order of files and places in it.
    pub rows: Vec<Row>,
}

/// What is built with one package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its directory; empty at the top.
    pub directory: Vec<u8>,
    /// The pin that the others are held against; `None` if no exact version is pinned.
    pub reference: Option<Id>,
}

/// A pin, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// The number of its file.
    pub file: usize,
    /// The number of the pin among those of the file.
    pub pin: usize,
}

/// A pin in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The pin.
    pub id: Id,
    /// The number of its project.
    pub project: usize,
    /// What there is to say of it.
    pub relation: Relation,
}

/// How a pin stands to the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
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
    pub fn of(mut files: Vec<File>) -> Self {
        files.retain(|file| !is_installed_package(file.path.parent()));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut readings: Vec<Reading> = files.iter().map(crate::pins::read).collect();
        add_blanks(&files, &mut readings);
        add_builds(&files, &mut readings);
        let tree = Tree::of(&files, &readings);
        let mut groups: BTreeMap<&[u8], Vec<Id>> = BTreeMap::new();
        for (file, reading) in readings.iter().enumerate() {
            for (pin, about) in reading.pins.iter().enumerate() {
                groups.entry(tree.project(about)).or_default().push(Id { file, pin });
            }
        }
        let pin = |id: Id| &readings[id.file].pins[id.pin];
        let mut references: BTreeMap<&[u8], Id> = BTreeMap::new();
        for (directory, ids) in &groups {
            let reference = reference(ids.iter().map(|id| (*id, pin(*id))), directory, tree.decides(directory));
            references.extend(reference.map(|id| (*directory, id)));
        }
        move_to_subprojects(&mut groups, &references, pin);
        let (mut projects, mut rows) = (Vec::new(), Vec::new());
        for (directory, mut ids) in groups {
            ids.sort_unstable();
            let reference = references.get(directory).copied();
            for id in ids {
                let relation = match reference {
                    Some(reference) if reference == id => Relation::Reference,
                    Some(reference) => relation(pin(id), pin(reference), &readings[id.file]),
                    None if matches!(pin(id).demand, Demand::Empty(_)) => Relation::Floats,
                    None => Relation::Unjudged,
                };
                rows.push(Row { id, project: projects.len(), relation });
            }
            projects.push(Project { directory: directory.to_vec(), reference });
        }
        Self { files, readings, projects, rows }
    }

    /// A pin.
    pub fn pin(&self, id: Id) -> &Pin {
        &self.readings[id.file].pins[id.pin]
    }

    /// The file that a pin stands in.
    pub fn file(&self, id: Id) -> &File {
        &self.files[id.file]
    }

    /// The pin that a row is held against.
    pub fn reference(&self, row: &Row) -> Option<Id> {
        self.projects[row.project].reference
    }
}

impl Board {
    /// What is wrong by itself in the new files.
    pub fn faults(&self) -> impl Iterator<Item = (&File, &Span, &Fault)> {
        let new = self.files.iter().zip(&self.readings).filter(|(file, _)| file.fresh);
        new.flat_map(|(file, reading)| reading.faults.iter().map(move |(span, fault)| (file, span, fault)))
    }

    /// Whether a row, or what it is held against, stands in a new file: drift that was there before, and that this change
    /// does not touch, does not block it.
    pub fn is_touched(&self, row: &Row) -> bool {
        self.file(row.id).fresh || self.reference(row).is_some_and(|reference| self.file(reference).fresh)
    }

    /// Whether a file for the same project lets corepack decide.
    pub fn uses_corepack(&self, row: &Row) -> bool {
        let mut others = self.rows.iter().filter(|other| other.project == row.project);
        others.any(|other| self.readings[other.id.file].uses_corepack)
    }
}

/// What installs a version in a directory may be for a project below it: it is, if it installs just what that one pins.
fn move_to_subprojects<'a>(
    groups: &mut BTreeMap<&'a [u8], Vec<Id>>,
    references: &BTreeMap<&'a [u8], Id>,
    pin: impl Fn(Id) -> &'a Pin,
) {
    let is_same = |a: &Pin, b: &Pin| a.manager == b.manager && a.demand == b.demand;
    let mut moved: Vec<(&[u8], Id)> = Vec::new();
    for (directory, ids) in groups.iter_mut() {
        let own = references.get(directory).map(|reference| pin(*reference));
        ids.retain(|id| {
            let about = pin(*id);
            let is_for_others = about.how.role() == Role::Installs && own.is_none_or(|own| !is_same(own, about));
            let exact = is_for_others && matches!(about.demand, Demand::Exact(_));
            let below = |other: &[u8]| other.len() > directory.len() && is_in(other, &about.directory);
            let target = references.iter().find(|(other, id)| exact && below(other) && is_same(pin(**id), about));
            moved.extend(target.map(|(other, _)| (*other, *id)));
            target.is_none()
        });
    }
    for (directory, id) in moved {
        groups.entry(directory).or_default().push(id);
    }
    groups.retain(|_, ids| !ids.is_empty());
}

/// Whether a directory is another one, or below it.
fn is_in(directory: &[u8], other: &[u8]) -> bool {
    directory.strip_prefix(other).is_some_and(|rest| rest.is_empty() || other.is_empty() || rest.starts_with(b"/"))
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

/// Adds what the arguments of builds pin to the files that give them.
fn add_builds(files: &[File], readings: &mut [Reading]) {
    for (file, reading) in files.iter().zip(readings.iter_mut()) {
        for build in std::mem::take(&mut reading.builds) {
            let found = files.binary_search_by(|file| file.path.as_bytes().cmp(&build.dockerfile));
            if let Ok(found) = found {
                let mut pins = dockerfile::given(&files[found].text, &build.arguments);
                for pin in &mut pins {
                    pin.directory = parent(&build.dockerfile).to_vec();
                    pin.version = argument(&file.text, pin);
                }
                // Two stages that install the same are given it once.
                pins.retain(|pin| !reading.pins.contains(pin));
                pins.dedup();
                reading.pins.append(&mut pins);
            }
        }
    }
}

/// Where the value of an argument stands as it is, behind its name where that stands there too.
fn argument(text: &[u8], pin: &Pin) -> Option<Span> {
    let Demand::Exact(version) = &pin.demand else { return None };
    let (version, written) = (version.to_string(), &text[pin.place.clone()]);
    let at = written.windows(version.len()).rposition(|window| window == version.as_bytes())?;
    let start = pin.place.start + at;
    Some(start..start + version.len())
}

/// The directories of a tree that say something.
struct Tree<'a> {
    /// The manifests by their directories, and whether each decides.
    manifests: BTreeMap<&'a [u8], bool>,
    /// The tops of workspaces, and the patterns of their members.
    workspaces: BTreeMap<&'a [u8], &'a [String]>,
    /// The directories for which something declares an exact version.
    declared: BTreeSet<&'a [u8]>,
}

impl<'a> Tree<'a> {
    fn of(files: &'a [File], readings: &'a [Reading]) -> Self {
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

    fn decides(&self, directory: &[u8]) -> bool {
        self.manifests.get(directory).is_some_and(|decides| *decides)
    }

    /// The directory of the project that a pin is for.
    fn project(&self, pin: &'a Pin) -> &'a [u8] {
        let directory = pin.directory.as_slice();
        let home = upward(directory).find(|directory| self.manifests.contains_key(directory)).unwrap_or(directory);
        if pin.how == How::PackageManager {
            // A member of a workspace has to agree with its top.
            let top = self.top_of(home).filter(|top| self.decides(top));
            return top.unwrap_or(directory);
        }
        let found = upward(home).find(|directory| self.decides(directory));
        let found = found.or_else(|| upward(directory).find(|directory| self.declared.contains(directory)));
        match found {
            Some(found) if self.holds_for(found, home) => found,
            _ => home,
        }
    }

    /// Whether what is said in one directory holds for a manifest further down: it does unless there is a workspace that
    /// the manifest is no member of.
    fn holds_for(&self, directory: &[u8], home: &[u8]) -> bool {
        home.len() <= directory.len()
            || !self.manifests.contains_key(home)
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
fn upward(directory: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(directory), |directory| (!directory.is_empty()).then(|| parent(directory)))
}

/// The pin that the others of a project are held against. `decided` is whether its manifest has a `packageManager`: then
/// nothing else counts, even if corepack refuses it.
fn reference<'a>(pins: impl Iterator<Item = (Id, &'a Pin)>, directory: &[u8], decided: bool) -> Option<Id> {
    let counts = |pin: &Pin| match pin.how.role() {
        Role::Declares if decided => pin.how == How::PackageManager && pin.directory == directory,
        Role::Declares => pin.directory == directory,
        Role::Installs => !decided && !pin.is_elsewhere && matches!(pin.how, How::Action(_)),
        Role::Accepts => false,
    };
    pins.filter(|(_, pin)| matches!(pin.demand, Demand::Exact(_)) && counts(pin))
        // npm is there in any case: another manager beside it is the one that is meant.
        .min_by_key(|(_, pin)| (pin.how.role() == Role::Installs, pin.manager == Manager::Npm, pin.how))
        .map(|(id, _)| id)
}

/// How a pin stands to the one that counts; `file` is what else the file of the pin says.
fn relation(pin: &Pin, reference: &Pin, file: &Reading) -> Relation {
    let Demand::Exact(wanted) = &reference.demand else { return Relation::Unjudged };
    if pin.is_elsewhere {
        return Relation::Unjudged;
    }
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

/// Another manager than the one that counts.
fn other_manager(pin: &Pin, reference: &Pin, file: &Reading) -> Relation {
    let label = pin.how.label();
    let by_corepack = label.starts_with("corepack");
    let is_for_once = ["npm exec", "npx", "pnpx", "bunx", "pnpm dlx", "yarn dlx"].contains(&label);
    // npm comes with Node.js, and is upgraded for its own sake.
    let for_its_own_sake = pin.manager == Manager::Npm && !by_corepack && pin.how != How::DevEngines;
    // What declares one declares it by itself; what installs one may do so beside the one that is meant.
    let is_beside = |other: &Pin| pin.how.role() != Role::Declares || other.how == pin.how;
    let has_the_one_that_counts = file.pins.iter().any(|other| other.manager == reference.manager && is_beside(other))
        || file.uses_corepack && !by_corepack && pin.how.role() == Role::Installs;
    // Without a version it is no pin: nothing tells that it is for this project.
    let is_pin = matches!(pin.demand, Demand::Exact(_) | Demand::Range(_));
    let nothing_to_say = !is_pin || pin.how.role() == Role::Accepts;
    if is_for_once || for_its_own_sake || has_the_one_that_counts || nothing_to_say {
        Relation::Unjudged
    } else {
        Relation::Differs
    }
}
