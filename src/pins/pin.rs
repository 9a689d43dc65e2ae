//! The vocabulary of pins: package managers, versions, kinds of pins, and the pins of a file.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::finding::Span;
use crate::formats::shell::{Resolved, Use, Variable};
use crate::models::Scalar;
use crate::project::directories::relative_to;
use nodejs_semver::Range;
use semver::{BuildMetadata, Version};

/// A package manager that corepack knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Manager {
    Npm,
    Pnpm,
    /// Yarn of any major version.
    Yarn,
}

impl Manager {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
        }
    }

    /// The package manager of this name, case-sensitive.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Npm, Self::Pnpm, Self::Yarn].into_iter().find(|manager| manager.name() == name)
    }

    /// The package manager that an npm package contains.
    pub(crate) fn from_package(name: &str) -> Option<Self> {
        match name {
            "@pnpm/exe" => Some(Self::Pnpm),
            "@yarnpkg/cli-dist" => Some(Self::Yarn),
            _ => Self::from_name(name),
        }
    }
}

/// The version that a pin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Demand {
    /// A version without build metadata: a hash is not compared.
    Exact(Version),
    /// A range, as written.
    Range(String),
    /// A dist-tag such as `latest`.
    Tag(String),
    /// No version: the newest, or the one that is installed.
    Newest,
    /// A variable of this name that is not set where it is used, so in effect the newest.
    Empty(String),
    /// A version that is known only at run time.
    Unknown,
}

impl Demand {
    /// Parses a version as npm and corepack accept it: `10.6.5`, `v10.6.5`, `^10`, `latest` or the
    /// empty string.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            Self::Newest
        } else if let Some(version) = exact(text) {
            Self::Exact(version)
        } else if text.contains([':', '/']) {
            Self::Unknown
        } else if Range::parse(text).is_ok() {
            Self::Range(text.to_owned())
        } else {
            Self::Tag(text.to_owned())
        }
    }
}

/// Parses an exact version, and drops a hash after `+`.
pub(crate) fn exact(text: &str) -> Option<Version> {
    let text = text.strip_prefix('=').unwrap_or(text);
    let mut version = Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
    version.build = BuildMetadata::EMPTY;
    Some(version)
}

/// The part after the `+` of a version; empty if there is none.
pub(super) fn hash(version: &str) -> String {
    version.split_once('+').map_or("", |(_, hash)| hash).to_owned()
}

/// The last occurrence of a text in a part of a file.
pub(super) fn last_occurrence(file: &[u8], part: &Span, text: &str) -> Option<Span> {
    let start = part.start + memchr::memmem::rfind(file.get(part.clone())?, text.as_bytes())?;
    Some(start..start + text.len())
}

/// Whether a version satisfies an npm range, by the rules of node-semver: a prerelease does only if
/// the range names one. `None` if the range is not valid.
pub(crate) fn satisfies(version: &Version, range: &str) -> Option<bool> {
    let version = nodejs_semver::Version::parse(version.to_string()).ok()?;
    Some(Range::parse(range).ok()?.satisfies(&version))
}

/// Like [`satisfies`], but a prerelease also counts as its release, as in pnpm's check of
/// `engines`.
pub(crate) fn accepts(version: &Version, range: &str) -> Option<bool> {
    let release = Version::new(version.major, version.minor, version.patch);
    Some(satisfies(&release, range)? || satisfies(version, range)?)
}

/// The kind of place that pins a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PinKind {
    /// `packageManager` of a manifest.
    PackageManager,
    DevEngines,
    /// `volta` of a manifest.
    Volta,
    /// `.tool-versions`, of asdf and mise.
    ToolVersions,
    Mise,
    Prototools,
    /// `yarnPath` of `.yarnrc.yml`, `yarn-path` of `.yarnrc`.
    YarnPath,
    /// `packageManagerDependencies` of `pnpm-lock.yaml`.
    Lockfile,
    /// `engines` of a manifest.
    Engines,
    /// An input of an action in a workflow, with its label.
    Action(&'static str),
    /// A feature of a development container.
    Feature,
    /// The tag of a base image.
    Image,
    /// A command, with its source of package managers and its label.
    Command(Channel, &'static str),
}

/// The role of a pin in its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Declares the version that the project uses.
    Declares,
    /// Restricts the versions that the project accepts.
    Accepts,
    /// Installs or runs a version.
    Installs,
}

impl PinKind {
    /// The name in reports.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::PackageManager => "packageManager",
            Self::DevEngines => "devEngines",
            Self::Volta => "volta",
            Self::ToolVersions => ".tool-versions",
            Self::Mise => "mise",
            Self::Prototools => ".prototools",
            Self::YarnPath => "yarnPath",
            Self::Lockfile => "pnpm-lock.yaml",
            Self::Engines => "engines",
            Self::Feature => "devcontainer feature",
            Self::Image => "base image",
            Self::Action(label) | Self::Command(_, label) => label,
        }
    }

    /// Whether it runs a package without leaving it installed.
    pub(crate) fn runs_once(self) -> bool {
        matches!(self, Self::Command(Channel::Once, _))
    }

    /// Whether it installs an npm package.
    pub(crate) fn is_from_npm(self) -> bool {
        matches!(self, Self::Command(Channel::Once | Channel::Npm | Channel::Registry, _))
    }

    /// Whether it is a corepack command.
    pub(crate) fn is_corepack(self) -> bool {
        matches!(self, Self::Command(Channel::Corepack, _))
    }

    /// Whether it configures a version manager, for every directory below its file.
    pub(crate) fn is_version_manager(self) -> bool {
        matches!(self, Self::ToolVersions | Self::Mise | Self::Prototools)
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Engines => Role::Accepts,
            Self::Action(_) | Self::Feature | Self::Image | Self::Command(..) => Role::Installs,
            _ => Role::Declares,
        }
    }
}

/// When a pin is compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliesIf {
    Always,
    /// If its directory has a manifest; any other directory may exist only at run time.
    ManifestHere,
    /// If its directory has a manifest with a `packageManager`: a container may not see the
    /// directories above.
    PackageManagerHere,
}

/// Which parts of a pin must equal its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The version; a range or a tag floats.
    Version,
    /// The version; a range or a tag differs.
    ExactVersion,
    /// The version and the hash.
    Text,
}

/// A place where a version of a package manager is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    pub kind: PinKind,
    pub manager: Manager,
    pub demand: Demand,
    /// The word or value that takes effect.
    pub at: Span,
    /// The text that decides the version: in `at`, or in the value of a variable.
    pub place: Span,
    /// The version with its hash, if it can be replaced; an empty span if one can be inserted.
    pub version: Option<Span>,
    /// Written before an inserted version, e.g. `@`.
    pub insert_prefix: &'static str,
    /// The variables that the version comes from.
    pub used: Vec<Use>,
    /// The directory from which a manifest is looked up.
    pub directory: Vec<u8>,
    pub applies_if: AppliesIf,
    /// The part after the `+` of an exact version; may be empty.
    pub hash: String,
    pub strictness: Strictness,
    /// Whether npm installs the package manager where corepack is known to be installed.
    pub bypasses_corepack: bool,
    /// Whether it is excluded from comparison: it applies to another repository, or to one of
    /// several variants.
    pub is_exempt: bool,
    /// The paths that the same build or job uses, relative to a directory above.
    pub used_for: Rc<BTreeSet<Vec<u8>>>,
}

impl Pin {
    /// A pin whose version is a whole string, which can be moved if it is written without escapes;
    /// `None` if the value is not a string.
    pub(super) fn from_string(
        kind: PinKind,
        manager: Manager,
        value: &Scalar,
        file: &[u8],
    ) -> Option<Self> {
        let (text, at) = (value.text()?, &value.span);
        let inner = at.start + 1..at.end.saturating_sub(1);
        let is_text = |span: &Span| file.get(span.clone()) == Some(text.as_bytes());
        let version = [at.clone(), inner].into_iter().find(is_text);
        let place = version.clone().unwrap_or_else(|| at.clone());
        let hash = version.as_ref().map(|_| hash(text)).unwrap_or_default();
        Some(Self { version, hash, ..Self::fixed(kind, manager, Demand::parse(text), place) })
    }

    /// A pin that cannot be moved by an edit.
    pub(super) fn fixed(kind: PinKind, manager: Manager, demand: Demand, place: Span) -> Self {
        Self {
            kind,
            manager,
            demand,
            at: place.clone(),
            place,
            version: None,
            insert_prefix: "",
            used: Vec::new(),
            directory: Vec::new(),
            applies_if: AppliesIf::Always,
            hash: String::new(),
            strictness: Strictness::Version,
            bypasses_corepack: false,
            is_exempt: false,
            used_for: Rc::default(),
        }
    }

    /// Which parts must equal a reference. An action reads no manifest but that of its directory.
    pub(crate) fn strictness_to(&self, reference: &Self) -> Strictness {
        if relative_to(&reference.directory, &self.directory).is_some() {
            self.strictness
        } else {
            Strictness::Version
        }
    }

    /// A pin whose version is a part of a word, which may contain variables.
    pub(super) fn from_word(
        kind: PinKind,
        manager: Manager,
        version: &str,
        word: &Resolved,
        file: &[u8],
    ) -> Self {
        let demand = match word.unset.first() {
            _ if word.is_open => Demand::Unknown,
            Some(name) if version.is_empty() => Demand::Empty(name.clone()),
            _ => Demand::parse(version),
        };
        let shown = version.split('+').next().unwrap_or_default();
        let place = if shown.is_empty() { word.span.clone() } else { word.place(shown, file) };
        let changeable = !version.is_empty() && !word.is_open;
        let hash = hash(version);
        let version = changeable.then(|| word.find(version, file)).flatten();
        Self {
            hash,
            version,
            used: word.used.clone(),
            at: word.span.clone(),
            ..Self::fixed(kind, manager, demand, place)
        }
    }
}

/// A defect that does not depend on other pins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Corepack refuses this `packageManager`, for this reason.
    Refused(String),
    /// The package manager of this name cannot be run by corepack.
    Foreign(String),
    /// A corepack command in this image, which does not contain corepack.
    NoCorepack(String),
}

/// The pins of one file, and its other statements about package managers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FilePins {
    pub pins: Vec<Pin>,
    pub faults: Vec<(Span, Fault)>,
    /// The fault of an empty `packageManager`, which counts if no directory above has a manifest.
    pub blank: Option<(Span, Fault)>,
    /// Whether it runs corepack.
    pub uses_corepack: bool,
    /// Whether it is a manifest at which corepack stops searching upward.
    pub decides: bool,
    /// The patterns of the members, if it is the root of a workspace.
    pub members: Option<Vec<String>>,
    /// The directory that it configures.
    pub home: Vec<u8>,
    pub calls: Vec<Call>,
    /// The directories in which its scripts run a package manager, so far.
    pub visited: BTreeSet<Vec<u8>>,
}

/// A use of another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The possible paths of that file, from the top of the work tree; the first that exists
    /// counts.
    pub paths: Vec<Vec<u8>>,
    /// The values of its variables; `None` if unknown.
    pub arguments: Vec<(String, Option<Variable>)>,
}

impl From<Vec<Pin>> for FilePins {
    fn from(pins: Vec<Pin>) -> Self {
        Self { pins, ..Self::default() }
    }
}

impl FromIterator<Self> for FilePins {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        let mut found = Self::default();
        parts.into_iter().for_each(|part| found.add(part));
        found
    }
}

impl FilePins {
    pub(super) fn add(&mut self, part: Self) {
        self.pins.extend(part.pins);
        self.faults.extend(part.faults);
        self.calls.extend(part.calls);
        self.uses_corepack |= part.uses_corepack;
        self.visited.extend(part.visited);
    }

    /// Ends a build or a job: each of its pins is for the directories that it visited.
    pub(super) fn end_of_build(&mut self) {
        let used = std::mem::take(&mut self.visited);
        mark_used(&mut self.pins, used);
    }

    /// Whether it cannot cause a finding.
    pub(crate) fn is_irrelevant(&self) -> bool {
        self.pins.is_empty()
            && self.faults.is_empty()
            && self.calls.is_empty()
            && self.blank.is_none()
            && !self.uses_corepack
    }

    /// A copy that is equal to another one if both mean the same, regardless of the places.
    pub(super) fn without_places(&self) -> Self {
        let mut found = self.clone();
        for pin in &mut found.pins {
            (pin.at, pin.place, pin.version) = (0..0, 0..0, None);
            pin.used.iter_mut().for_each(|used| used.span = 0..0);
        }
        let faults = found.faults.iter_mut().chain(&mut found.blank);
        faults.for_each(|(span, _)| *span = 0..0);
        let arguments = found.calls.iter_mut().flat_map(|call| &mut call.arguments);
        for variable in arguments.filter_map(|(_, variable)| variable.as_mut()) {
            variable.span = 0..0;
        }
        found
    }

    /// Sorts the pins by place, and removes the copies that an alias or a second use makes.
    pub(super) fn sort(&mut self) {
        self.pins.sort_unstable_by_key(|pin| (pin.at.start, pin.place.start));
        self.pins.dedup_by(|pin, before| {
            let used = (std::mem::take(&mut pin.used_for), std::mem::take(&mut before.used_for));
            let is_copy = pin == before;
            let both = used.0.iter().chain(&*used.1).cloned();
            before.used_for = if is_copy { Rc::new(both.collect()) } else { used.1 };
            pin.used_for = used.0;
            is_copy
        });
    }
}

/// Sets the paths that the build of these pins uses. Too many are none: they are of no use.
pub(super) fn mark_used(pins: &mut [Pin], paths: BTreeSet<Vec<u8>>) {
    let paths = Rc::new(if paths.len() > MAX_PATHS { BTreeSet::new() } else { paths });
    for pin in pins {
        pin.used_for = Rc::clone(&paths);
    }
}

/// The maximum number of paths of a build that are searched for projects.
const MAX_PATHS: usize = 200;

/// The source from which a command gets a package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Channel {
    /// The npm registry, to run it without installing it.
    Once,
    /// The npm registry, by npm.
    Npm,
    /// The npm registry, by another package manager.
    Registry,
    Corepack,
    Mise,
    Other,
}
