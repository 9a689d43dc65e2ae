//! Which pins govern the same build, and whether they agree.
//!
//! What a project uses is what its manifest says, found upward as corepack finds it; else what its
//! version manager is told; else what its workflows install. Everything else is held against that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::change::File;
use crate::base::finding::Span;
use crate::pins::declarations::Declarations;
use crate::pins::{
    Demand, Fault, FilePins, Manager, Pin, PinKind, Role, Strictness, accepts, calls, satisfies,
};
use crate::project::Project;
use crate::project::directories::{ancestors, is_below};

/// Every pin of a project, and how each relates to the one that counts.
#[derive(Debug, Default)]
pub(crate) struct PinTable {
    /// The files that were read.
    pub project: Project,
    /// What each of them pins, in the same order.
    pub file_pins: Vec<Rc<FilePins>>,
    /// The groups, in the order of their directories.
    pub groups: Vec<PinGroup>,
    /// The pins, by group, and in the order of files and places in it.
    pub rows: Vec<Row>,
    /// The directories of the groups that let corepack decide in some file.
    with_corepack: BTreeSet<Vec<u8>>,
}

/// The pins of what is built with one package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PinGroup {
    /// Its directory; empty at the top.
    pub directory: Vec<u8>,
    /// The pin that the others are compared with; `None` if no exact version is pinned.
    pub reference: Option<PinId>,
}

/// A pin, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PinId {
    /// The number of its file.
    pub file: usize,
    /// The number of the pin among those of the file.
    pub pin: usize,
}

/// A pin in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: PinId,
    /// The number of its group.
    pub group: usize,
    /// How it relates to the reference of the group.
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

impl PinTable {
    /// Compares the pins of a project.
    pub(crate) fn new(project: Project) -> Self {
        let file_pins = linked(&project);
        let comparison = Comparison {
            file_pins: &file_pins,
            declarations: Declarations::new(&project, &file_pins),
        };
        let mut grouped = comparison.grouped();
        let references = comparison.references(&grouped);
        comparison.move_down(&mut grouped, &references);
        let (groups, rows) = comparison.related(grouped, &references);
        let with_corepack = comparison.with_corepack();
        Self { project, file_pins, groups, rows, with_corepack }
    }

    pub(crate) fn pin(&self, id: PinId) -> &Pin {
        &self.file_pins[id.file].pins[id.pin]
    }

    /// The file that a pin stands in.
    pub(crate) fn file(&self, id: PinId) -> &File {
        self.project.file(id.file)
    }

    /// The pin that a row is compared with.
    pub(crate) fn reference(&self, row: &Row) -> Option<PinId> {
        self.groups[row.group].reference
    }

    /// What is wrong by itself in the new files.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&File, &Span, &Fault)> {
        let files = self.project.files().iter().map(|known| &known.file);
        let new = files.zip(&self.file_pins).filter(|(file, _)| file.fresh);
        new.flat_map(|(file, found)| {
            found.faults.iter().map(move |(span, fault)| (file, span, fault))
        })
    }

    /// Whether a row, or what it is held against, stands in a new file: drift that was there
    /// before, and that this change does not touch, does not block it.
    pub(crate) fn is_touched(&self, row: &Row) -> bool {
        self.file(row.id).fresh
            || self.reference(row).is_some_and(|reference| self.file(reference).fresh)
    }

    /// Whether a file for the same project lets corepack decide.
    pub(crate) fn uses_corepack(&self, row: &Row) -> bool {
        self.with_corepack.contains(&self.groups[row.group].directory)
    }

    /// Whether any file lets corepack decide.
    pub(crate) fn has_corepack(&self) -> bool {
        !self.with_corepack.is_empty()
    }
}

/// What each file pins, with what its callers pin in it.
fn linked(project: &Project) -> Vec<Rc<FilePins>> {
    let mut file_pins: Vec<_> =
        project.files().iter().map(|known| crate::pins::pins_of_file(known)).collect();
    add_blanks(project, &mut file_pins);
    calls::add(project, &mut file_pins);
    file_pins
}

/// A `packageManager` that is empty sends corepack further up; where there is no manifest, it is
/// refused.
fn add_blanks(project: &Project, file_pins: &mut [Rc<FilePins>]) {
    let manifests = project.manifest_directories();
    for (source, found) in project.files().iter().zip(file_pins) {
        let mut above = ancestors(source.file.path.parent()).skip(1);
        let blank = found.blank.clone();
        if let Some(fault) = blank.filter(|_| !above.any(|above| manifests.contains(above))) {
            Rc::make_mut(found).faults.push(fault);
        }
    }
}

/// The pins of each group, by its directory.
type Grouped<'r> = BTreeMap<&'r [u8], Vec<PinId>>;
/// The pin that counts in each group that has one.
type References<'r> = BTreeMap<&'r [u8], PinId>;

/// The kinds of the pins of a file, each with its package manager.
type Managers = BTreeSet<(PinKind, Manager)>;

/// The pins that are compared, and what is declared where.
struct Comparison<'r> {
    file_pins: &'r [Rc<FilePins>],
    declarations: Declarations<'r>,
}

impl<'r> Comparison<'r> {
    fn pin(&self, id: PinId) -> &'r Pin {
        &self.file_pins[id.file].pins[id.pin]
    }

    /// Every pin, in the order of files and places.
    fn pins(&self) -> impl Iterator<Item = (PinId, &'r Pin)> {
        let files = self.file_pins.iter().enumerate();
        files.flat_map(|(file, found)| {
            found.pins.iter().enumerate().map(move |(at, pin)| (PinId { file, pin: at }, pin))
        })
    }

    fn grouped(&self) -> Grouped<'r> {
        let mut grouped = Grouped::new();
        for (id, pin) in self.pins() {
            grouped.entry(self.declarations.group_of(pin)).or_default().push(id);
        }
        grouped
    }

    fn references(&self, grouped: &Grouped<'r>) -> References<'r> {
        let fields = self.pins().filter(|(_, pin)| pin.kind == PinKind::PackageManager);
        let fields: References<'r> =
            fields.map(|(id, pin)| (pin.directory.as_slice(), id)).collect();
        let reference = |(directory, ids): (&&'r [u8], &Vec<PinId>)| {
            let reference = if self.declarations.decides(directory) {
                // Nothing else counts, even if corepack refuses it.
                fields.get(directory).copied()
            } else {
                next_best(ids.iter().map(|id| (*id, self.pin(*id))), directory)
            };
            Some((*directory, reference?))
        };
        grouped.iter().filter_map(reference).collect()
    }

    /// A pin that installs a version in a directory may be for a group below it: it is, if it
    /// installs exactly the version that counts there.
    fn move_down(&self, grouped: &mut Grouped<'r>, references: &References<'r>) {
        let is_same = |a: &Pin, b: &Pin| a.manager == b.manager && a.demand == b.demand;
        let mut moved: Vec<(&[u8], PinId)> = Vec::new();
        for (directory, ids) in &mut *grouped {
            let own = references.get(directory).map(|reference| self.pin(*reference));
            let below: Vec<(&[u8], PinId)> = references
                .iter()
                .filter(|(other, _)| is_below(other, directory))
                .map(|(other, id)| (*other, *id))
                .collect();
            ids.retain(|id| {
                let about = self.pin(*id);
                let is_for_others =
                    about.kind.role() == Role::Installs || about.kind.is_version_manager();
                let is_open = is_for_others && own.is_none_or(|own| !is_same(own, about));
                let same = |(other, id): &&(&[u8], PinId)| {
                    is_below(other, &about.directory) && is_same(self.pin(*id), about)
                };
                let target = below.iter().find(|candidate| is_open && same(candidate));
                moved.extend(target.map(|(other, _)| (*other, *id)));
                target.is_none()
            });
        }
        for (directory, id) in moved {
            grouped.entry(directory).or_default().push(id);
        }
        grouped.retain(|_, ids| !ids.is_empty());
    }

    /// Compares the pins of each group with its reference.
    fn related(
        &self,
        grouped: Grouped<'r>,
        references: &References<'r>,
    ) -> (Vec<PinGroup>, Vec<Row>) {
        let managers_of =
            |file: &Rc<FilePins>| file.pins.iter().map(|pin| (pin.kind, pin.manager)).collect();
        let managers: Vec<Managers> = self.file_pins.iter().map(managers_of).collect();
        let (mut groups, mut rows) = (Vec::new(), Vec::new());
        for (directory, mut ids) in grouped {
            ids.sort_unstable();
            let reference = references.get(directory).copied();
            let has_yarn_path = ids.iter().any(|id| self.pin(*id).kind == PinKind::YarnPath);
            rows.extend(ids.into_iter().map(|id| {
                let pin = self.pin(id);
                let relation = match reference {
                    _ if pin.is_exempt || !self.declarations.holds(pin) => Relation::Unjudged,
                    _ if has_yarn_path && launches_yarn(pin) => Relation::Unjudged,
                    Some(reference) if reference == id => Relation::Reference,
                    Some(reference) => {
                        let file = &self.file_pins[id.file];
                        relation(pin, self.pin(reference), file, &managers[id.file])
                    }
                    None if matches!(pin.demand, Demand::Empty(_)) => Relation::Floats,
                    None => Relation::Unjudged,
                };
                Row { id, group: groups.len(), relation }
            }));
            groups.push(PinGroup { directory: directory.to_vec(), reference });
        }
        (groups, rows)
    }

    fn with_corepack(&self) -> BTreeSet<Vec<u8>> {
        let files = self.file_pins.iter().filter(|file| file.uses_corepack);
        files.map(|file| self.declarations.governing(&file.home).to_vec()).collect()
    }
}

/// The pin that the others of a group are compared with where no manifest has a `packageManager`.
fn next_best<'a>(pins: impl Iterator<Item = (PinId, &'a Pin)>, directory: &[u8]) -> Option<PinId> {
    let counts = |pin: &Pin| match pin.kind.role() {
        Role::Declares => pin.directory == directory,
        Role::Installs => !pin.is_exempt && matches!(pin.kind, PinKind::Action(_)),
        Role::Accepts => false,
    };
    pins.filter(|(_, pin)| matches!(pin.demand, Demand::Exact(_)) && counts(pin))
        // npm is there in any case: another manager beside it is the one that is meant.
        .min_by_key(|(_, pin)| {
            (pin.kind.role() == Role::Installs, pin.manager == Manager::Npm, pin.kind)
        })
        .map(|(id, _)| id)
}

/// How a pin relates to the reference; `file` has the pins of its file, and `managers` their kinds
/// and package managers.
fn relation(pin: &Pin, reference: &Pin, file: &FilePins, managers: &Managers) -> Relation {
    let Demand::Exact(wanted) = &reference.demand else { return Relation::Unjudged };
    if pin.manager != reference.manager {
        return other_manager(pin, reference, file, managers);
    }
    let excludes = |range: &str| match pin.kind {
        PinKind::DevEngines => satisfies(wanted, range) == Some(false),
        _ => accepts(wanted, range) == Some(false),
    };
    match &pin.demand {
        Demand::Unknown => Relation::Unjudged,
        Demand::Exact(_) if pin.strictness == Strictness::Text && pin.hash != reference.hash => {
            Relation::Differs
        }
        Demand::Exact(version) if pin.kind.role() == Role::Accepts => {
            if excludes(&version.to_string()) { Relation::Differs } else { Relation::Agrees }
        }
        Demand::Exact(version) if version.cmp_precedence(wanted).is_eq() => Relation::Agrees,
        Demand::Exact(_) => Relation::Differs,
        Demand::Range(range) if excludes(range) => Relation::Differs,
        _ if matches!(pin.kind, PinKind::Engines | PinKind::DevEngines) => Relation::Agrees,
        _ if pin.strictness != Strictness::Version => Relation::Differs,
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
    pin.manager == Manager::Yarn && pin.kind.is_from_npm() && is_first
}

/// The relation of a pin whose package manager is not that of the reference.
fn other_manager(pin: &Pin, reference: &Pin, file: &FilePins, managers: &Managers) -> Relation {
    let (kind, role) = (pin.kind, pin.kind.role());
    // npm comes with Node.js, and is upgraded without regard to the project.
    let upgrades_npm =
        pin.manager == Manager::Npm && !kind.is_corepack() && kind != PinKind::DevEngines;
    // A declaration is compared on its own; an installation may add a second package manager.
    let is_second = managers.iter().any(|(other, manager)| {
        *manager == reference.manager && (other.role() != Role::Declares || *other == kind)
    }) || file.uses_corepack && !kind.is_corepack() && role == Role::Installs;
    // Nothing shows that a package manager without a version is meant for this project.
    let has_version = matches!(pin.demand, Demand::Exact(_) | Demand::Range(_));
    if kind.runs_once() || upgrades_npm || is_second || !has_version || role == Role::Accepts {
        Relation::Unjudged
    } else {
        Relation::Differs
    }
}
