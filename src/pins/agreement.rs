//! Groups the pins that apply to the same build, and compares them within each group.
//!
//! The reference of a group is the pin of its manifest, searched upward as corepack does; else that
//! of its version manager; else that of an action in a workflow.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::change::File;
use crate::pins::calls;
use crate::pins::declarations::Declarations;
use crate::pins::files::pins_of_file;
use crate::pins::pin::{
    Demand, FilePins, Manager, Pin, PinKind, Role, Strictness, accepts, satisfies,
};
use crate::project::Project;
use crate::project::directories::{ancestors, is_below};

/// Every pin of a project, and its relation to the reference of its group.
#[derive(Debug, Default)]
pub(crate) struct PinTable {
    pub project: Project,
    /// The pins of each file of the project, in the same order.
    pub file_pins: Vec<Rc<FilePins>>,
    /// Sorted by directory.
    pub groups: Vec<PinGroup>,
    /// Sorted by group, then by file and place.
    pub rows: Vec<Row>,
    /// The statements that the rules judge: those about new files, unless an older table has them.
    pub new: BTreeSet<Statement>,
}

/// A statement of a table that a rule may report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Statement {
    /// The relation of a pin, by the number of its row.
    Row(usize),
    /// A fault, by the numbers of its file in the table and of itself in that file.
    Fault(usize, usize),
}

/// The pins of the code that one package manager builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PinGroup {
    /// Its directory; empty at the top.
    pub directory: Vec<u8>,
    /// The pin that the others are compared with; `None` if no exact version is pinned.
    pub reference: Option<PinId>,
    /// Whether a file runs corepack.
    pub uses_corepack: bool,
}

/// The numbers of a file in a table, and of a pin in that file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PinId {
    pub file: usize,
    pub pin: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: PinId,
    /// The number of its group.
    pub group: usize,
    pub relation: Relation,
}

/// The result of comparing a pin with the reference of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Relation {
    /// It is the reference.
    Reference,
    Agrees,
    Differs,
    /// It has no exact version, but the reference has one.
    Floats,
    Unjudged(Doubt),
}

/// Why a pin is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Doubt {
    /// The group has no reference.
    NoReference,
    /// See [`Pin::is_exempt`].
    Elsewhere,
    /// Its directory is not that of a project.
    NoProject,
    /// The Yarn that it installs runs the release of `yarnPath`.
    Launcher,
    /// Its version is known only at run time.
    RunTime,
    /// Its package manager may be there in addition to that of the reference.
    Second,
}

impl Doubt {
    /// The end of "not compared: …".
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoReference => "no exact version is declared",
            Self::Elsewhere => "for another repository, or one of several variants",
            Self::NoProject => "no such project here",
            Self::Launcher => "starts the Yarn of yarnPath",
            Self::RunTime => "known only at run time",
            Self::Second => "in addition to the one that is pinned",
        }
    }
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
        let (groups, rows) = comparison.compare_groups(grouped, &references);
        let mut table = Self { project, file_pins, groups, rows, new: BTreeSet::new() };
        table.new = table.about_new_files();
        table
    }

    pub(crate) fn pin(&self, id: PinId) -> &Pin {
        &self.file_pins[id.file].pins[id.pin]
    }

    pub(crate) fn file(&self, id: PinId) -> &File {
        self.project.file(id.file)
    }

    /// The pin that a row is compared with.
    pub(crate) fn reference(&self, row: &Row) -> Option<PinId> {
        self.groups[row.group].reference
    }

    /// Whether npm installs the pinned package manager, although the project uses corepack.
    pub(crate) fn is_bypass(&self, row: &Row) -> bool {
        let reference = self.reference(row).map(|reference| self.pin(reference).kind);
        row.relation == Relation::Agrees
            && self.pin(row.id).bypasses_corepack
            && reference == Some(PinKind::PackageManager)
            && self.groups[row.group].uses_corepack
    }
}

/// The pins of each file, including those that its callers decide.
fn linked(project: &Project) -> Vec<Rc<FilePins>> {
    let mut file_pins: Vec<_> = project.files().iter().map(|source| pins_of_file(source)).collect();
    add_blank_faults(project, &mut file_pins);
    calls::add(project, &mut file_pins);
    file_pins
}

/// At an empty `packageManager`, corepack continues the search upward, and fails if no directory
/// above has a manifest.
fn add_blank_faults(project: &Project, file_pins: &mut [Rc<FilePins>]) {
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
/// The references, by the directories of their groups.
type References<'r> = BTreeMap<&'r [u8], PinId>;

/// The kinds of the pins of a file, each with its package manager.
type Managers = BTreeSet<(PinKind, Manager)>;

struct Comparison<'r> {
    file_pins: &'r [Rc<FilePins>],
    declarations: Declarations<'r>,
}

impl<'r> Comparison<'r> {
    fn pin(&self, id: PinId) -> &'r Pin {
        &self.file_pins[id.file].pins[id.pin]
    }

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
                // No other pin counts, even if corepack refuses this one.
                fields.get(directory).copied()
            } else {
                fallback_reference(ids.iter().map(|id| (*id, self.pin(*id))), directory)
            };
            Some((*directory, reference?))
        };
        grouped.iter().filter_map(reference).collect()
    }

    /// Moves each pin that installs exactly the reference of a group further down to that group: a
    /// Dockerfile at the top may build any project.
    fn move_down(&self, grouped: &mut Grouped<'r>, references: &References<'r>) {
        let is_same = |a: &Pin, b: &Pin| a.manager == b.manager && a.demand == b.demand;
        let mut moved: Vec<(&[u8], PinId)> = Vec::new();
        for (directory, ids) in &mut *grouped {
            // There may be as many references as directories.
            if !ids.iter().any(|id| is_for_others(self.pin(*id))) {
                continue;
            }
            let own = references.get(directory).map(|reference| self.pin(*reference));
            let below: Vec<(&[u8], PinId)> = references
                .iter()
                .filter(|(other, _)| is_below(other, directory))
                .map(|(other, id)| (*other, *id))
                .collect();
            ids.retain(|id| {
                let about = self.pin(*id);
                let is_open = is_for_others(about) && own.is_none_or(|own| !is_same(own, about));
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
    fn compare_groups(
        &self,
        grouped: Grouped<'r>,
        references: &References<'r>,
    ) -> (Vec<PinGroup>, Vec<Row>) {
        let managers_of =
            |file: &Rc<FilePins>| file.pins.iter().map(|pin| (pin.kind, pin.manager)).collect();
        let managers: Vec<Managers> = self.file_pins.iter().map(managers_of).collect();
        let with_corepack = self.file_pins.iter().filter(|file| file.uses_corepack);
        let with_corepack: BTreeSet<&[u8]> =
            with_corepack.map(|file| self.declarations.governing_directory(&file.home)).collect();
        let (mut groups, mut rows) = (Vec::new(), Vec::new());
        for (directory, mut ids) in grouped {
            ids.sort_unstable();
            let reference = references.get(directory).copied();
            let has_yarn_path = ids.iter().any(|id| self.pin(*id).kind == PinKind::YarnPath);
            rows.extend(ids.into_iter().map(|id| {
                let pin = self.pin(id);
                let relation = match reference {
                    _ if pin.is_exempt => Relation::Unjudged(Doubt::Elsewhere),
                    _ if !self.declarations.applies(pin) => Relation::Unjudged(Doubt::NoProject),
                    _ if has_yarn_path && launches_yarn(pin) => Relation::Unjudged(Doubt::Launcher),
                    Some(reference) if reference == id => Relation::Reference,
                    Some(reference) => {
                        let file = &self.file_pins[id.file];
                        relation(pin, self.pin(reference), file, &managers[id.file])
                    }
                    None if matches!(pin.demand, Demand::Empty(_)) => Relation::Floats,
                    None => Relation::Unjudged(Doubt::NoReference),
                };
                Row { id, group: groups.len(), relation }
            }));
            let uses_corepack = with_corepack.contains(directory);
            groups.push(PinGroup { directory: directory.to_vec(), reference, uses_corepack });
        }
        (groups, rows)
    }
}

/// Whether a pin may be for any project below its directory.
pub(super) fn is_for_others(pin: &Pin) -> bool {
    pin.kind.role() == Role::Installs || pin.kind.is_version_manager()
}

/// The reference of a group whose manifest has no `packageManager`.
fn fallback_reference<'a>(
    pins: impl Iterator<Item = (PinId, &'a Pin)>,
    directory: &[u8],
) -> Option<PinId> {
    let counts = |pin: &Pin| match pin.kind.role() {
        Role::Declares => pin.directory == directory,
        Role::Installs => !pin.is_exempt && matches!(pin.kind, PinKind::Action(_)),
        Role::Accepts => false,
    };
    pins.filter(|(_, pin)| matches!(pin.demand, Demand::Exact(_)) && counts(pin))
        // npm comes with Node.js, so any other package manager is preferred to it.
        .min_by_key(|(_, pin)| {
            (pin.kind.role() == Role::Installs, pin.manager == Manager::Npm, pin.kind)
        })
        .map(|(id, _)| id)
}

/// How a pin relates to the reference; `file` has the pins of its file, and `managers` their kinds
/// and package managers.
fn relation(pin: &Pin, reference: &Pin, file: &FilePins, managers: &Managers) -> Relation {
    let Demand::Exact(wanted) = &reference.demand else {
        return Relation::Unjudged(Doubt::NoReference);
    };
    if pin.manager != reference.manager {
        return other_manager(pin, reference, file, managers);
    }
    let strictness = pin.strictness_to(reference);
    let excludes = |range: &str| match pin.kind {
        PinKind::DevEngines => satisfies(wanted, range) == Some(false),
        _ => accepts(wanted, range) == Some(false),
    };
    match &pin.demand {
        Demand::Unknown => Relation::Unjudged(Doubt::RunTime),
        Demand::Exact(_) if strictness == Strictness::Text && pin.hash != reference.hash => {
            Relation::Differs
        }
        Demand::Exact(version) if pin.kind.role() == Role::Accepts => {
            if excludes(&version.to_string()) { Relation::Differs } else { Relation::Agrees }
        }
        Demand::Exact(version) if version.cmp_precedence(wanted).is_eq() => Relation::Agrees,
        Demand::Exact(_) => Relation::Differs,
        Demand::Range(range) if excludes(range) => Relation::Differs,
        _ if matches!(pin.kind, PinKind::Engines | PinKind::DevEngines) => Relation::Agrees,
        _ if strictness != Strictness::Version => Relation::Differs,
        _ => Relation::Floats,
    }
}

/// Whether it installs Yarn 1, which runs the release that `yarnPath` names.
fn launches_yarn(pin: &Pin) -> bool {
    let is_yarn_1 = match &pin.demand {
        Demand::Exact(version) => version.major == 1,
        Demand::Range(range) => range.trim_start_matches(['^', '~']).starts_with('1'),
        // The package `yarn` on npm ends with Yarn 1.
        Demand::Tag(_) | Demand::Newest => true,
        Demand::Empty(_) | Demand::Unknown => false,
    };
    pin.manager == Manager::Yarn && pin.kind.is_from_npm() && is_yarn_1
}

/// The relation of a pin whose package manager is not that of the reference.
fn other_manager(pin: &Pin, reference: &Pin, file: &FilePins, managers: &Managers) -> Relation {
    let (kind, role) = (pin.kind, pin.kind.role());
    // npm comes with Node.js, and is upgraded without regard to the project.
    let upgrades_npm =
        pin.manager == Manager::Npm && !kind.is_corepack() && kind != PinKind::DevEngines;
    // A declaration always differs; an installation may only add a second package manager.
    let is_second = managers.iter().any(|(other, manager)| {
        *manager == reference.manager && (other.role() != Role::Declares || *other == kind)
    }) || file.uses_corepack && !kind.is_corepack() && role == Role::Installs;
    // A package manager without a version may be unrelated to this project.
    let has_version = matches!(pin.demand, Demand::Exact(_) | Demand::Range(_));
    if kind.runs_once() || upgrades_npm || is_second || !has_version || role == Role::Accepts {
        Relation::Unjudged(Doubt::Second)
    } else {
        Relation::Differs
    }
}
