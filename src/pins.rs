//! Pins: the places where a file says which package manager is used, and which version of it. Each
//! file is read as the tool reads that obeys it; what cannot be understood is left alone.

use std::rc::Rc;

use nodejs_semver::Range;
use semver::{BuildMetadata, Version};

use crate::base::finding::Span;
use crate::formats::shell::{Resolved, Use, Variable};
use crate::models::Scalar;
use crate::project::SourceFile;

mod commands;
mod corepack;
mod scope;
mod images;
mod compose;
mod dockerfile;
mod manifest;
mod devcontainer;
mod ci;
mod gitlab;
mod tools;
mod files;
mod calls;
mod declarations;
mod agreement;
mod moving;

pub(crate) use agreement::{PinGroup, PinId, PinTable, Relation, Row};
use commands::Channel;
pub(crate) use files::select;
pub(crate) use moving::{NewVersion, Plan, plan};

/// A package manager that corepack knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Manager {
    /// npm, which comes with Node.js.
    Npm,
    Pnpm,
    /// Yarn, of any generation.
    Yarn,
}

impl Manager {
    /// Its name, as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
        }
    }

    /// The manager of this name. Case counts.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Npm, Self::Pnpm, Self::Yarn].into_iter().find(|manager| manager.name() == name)
    }

    /// The manager that a package of the npm registry is, or brings.
    pub(crate) fn from_package(name: &str) -> Option<Self> {
        match name {
            "@pnpm/exe" => Some(Self::Pnpm),
            "@yarnpkg/cli-dist" => Some(Self::Yarn),
            _ => Self::from_name(name),
        }
    }
}

/// Which version is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    /// This one. It has no build metadata: a hash is not compared.
    Exact(Version),
    /// Whatever a range takes in, as it is written.
    Range(String),
    /// Whatever a name such as `latest` stands for.
    Tag(String),
    /// No version: the newest, or whatever is there.
    Newest,
    /// A variable of this name, which nothing sets where it is used: in effect the newest.
    Empty(String),
    /// Something that is not known before it runs.
    Unknown,
}

impl Demand {
    /// What a version says where npm or corepack take it: `10.6.5`, `v10.6.5`, `^10`, `latest`, or
    /// nothing.
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

/// An exact version; a hash behind `+` is left out.
pub(crate) fn exact(text: &str) -> Option<Version> {
    let text = text.strip_prefix('=').unwrap_or(text);
    let mut version = Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
    version.build = BuildMetadata::EMPTY;
    Some(version)
}

/// What stands behind the `+` of a version.
fn hash(version: &str) -> String {
    version.split_once('+').map_or("", |(_, hash)| hash).to_owned()
}

/// Whether a range of npm's takes in a version; `None` if it is no range. Prereleases are taken in
/// only where the range names one, as node-semver has it.
pub(crate) fn satisfies(version: &Version, range: &str) -> Option<bool> {
    let version = nodejs_semver::Version::parse(version.to_string()).ok()?;
    Some(Range::parse(range).ok()?.satisfies(&version))
}

/// The same, with prereleases taken for what they precede, as pnpm does for `engines`.
pub(crate) fn accepts(version: &Version, range: &str) -> Option<bool> {
    let release = Version::new(version.major, version.minor, version.patch);
    Some(satisfies(&release, range)? || satisfies(version, range)?)
}

/// By what means a version is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// An input of an action of a workflow; its name.
    Action(&'static str),
    /// A feature of a development container.
    Feature,
    /// The tag of a base image.
    Image,
    /// A command; from where it gets the manager, and how it is typed.
    Command(Channel, &'static str),
}

/// What a pin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It says what the project uses.
    Declares,
    /// It says what the project accepts.
    Accepts,
    /// It puts a package manager in place.
    Installs,
}

impl PinKind {
    /// The words that reports use.
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

    /// Whether it takes the manager from the npm registry, by the name that it has there.
    pub(crate) fn is_from_npm(self) -> bool {
        matches!(self, Self::Command(Channel::Once | Channel::Npm | Channel::Registry, _))
    }

    /// Whether corepack gets the manager.
    pub(crate) fn is_corepack(self) -> bool {
        matches!(self, Self::Command(Channel::Corepack, _))
    }

    /// Whether it tells a version manager what to put in place, wherever below its file.
    pub(crate) fn is_version_manager(self) -> bool {
        matches!(self, Self::ToolVersions | Self::Mise | Self::Prototools)
    }

    /// What it is for.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Engines => Role::Accepts,
            Self::Action(_) | Self::Feature | Self::Image | Self::Command(..) => Role::Installs,
            _ => Role::Declares,
        }
    }
}

/// Where a pin must stand to say something of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliesIf {
    /// Anywhere: manifests are looked for upward from its directory.
    Always,
    /// In a directory that has a manifest; elsewhere it is for something that only exists when it
    /// runs.
    ManifestHere,
    /// In a directory whose manifest has a `packageManager`: nothing above is seen from there.
    PackageManagerHere,
}

/// What a pin has to have in common with the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The version; a range or a tag only floats.
    Version,
    /// The version, as an exact one: nothing else is accepted.
    ExactVersion,
    /// The text, hash included.
    Text,
}

/// A place where a version of a package manager is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    pub kind: PinKind,
    pub manager: Manager,
    pub demand: Demand,
    /// Where it takes effect.
    pub at: Span,
    /// Where the version is decided: there, or where a variable has its value.
    pub place: Span,
    /// Where the version stands as it is, a hash included, so that it can be replaced; empty where
    /// one can be put in.
    pub version: Option<Span>,
    /// What must be written before a version that is put in.
    pub insert_prefix: &'static str,
    /// The variables that the version comes from.
    pub used: Vec<Use>,
    /// The directory from which the tool that obeys it looks for a manifest.
    pub directory: Vec<u8>,
    /// Where that must be for the pin to count.
    pub applies_if: AppliesIf,
    /// What stands behind the `+` of an exact version; empty where nothing does.
    pub hash: String,
    /// What it has to have in common with the manifest.
    pub strictness: Strictness,
    /// Whether corepack is known to be there, where npm installs the manager instead.
    pub bypasses_corepack: bool,
    /// Whether it is for something else than what is in this repository, or one variant of several.
    pub is_exempt: bool,
}

impl Pin {
    /// A pin whose version is a whole string; `None` if it is not a string. It can be moved if it is
    /// written without escapes.
    fn from_string(kind: PinKind, manager: Manager, value: &Scalar, file: &[u8]) -> Option<Self> {
        let (text, at) = (value.text()?, &value.span);
        let inner = at.start + 1..at.end.saturating_sub(1);
        let is_text = |span: &Span| file.get(span.clone()) == Some(text.as_bytes());
        let version = [at.clone(), inner].into_iter().find(is_text);
        let place = version.clone().unwrap_or_else(|| at.clone());
        let hash = version.as_ref().map(|_| hash(text)).unwrap_or_default();
        Some(Self { version, hash, ..Self::fixed(kind, manager, Demand::parse(text), place) })
    }

    /// A pin that nobody can change by replacing a version.
    fn fixed(kind: PinKind, manager: Manager, demand: Demand, place: Span) -> Self {
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
        }
    }

    /// A pin whose version is a part of a word of a command, or of a value with variables.
    fn from_word(
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

/// What is wrong with a place by itself, whatever is pinned elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Corepack refuses this `packageManager`; its reason.
    Refused(String),
    /// It names a package manager that is not corepack's to run; its name.
    Foreign(String),
    /// Corepack is used, and the image that this names has none.
    NoCorepack(String),
}

/// What a file says of package managers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FilePins {
    /// The places that pin one.
    pub pins: Vec<Pin>,
    /// What is wrong by itself.
    pub faults: Vec<(Span, Fault)>,
    /// What is wrong if there is no manifest further up.
    pub blank: Option<(Span, Fault)>,
    /// Whether it lets corepack decide.
    pub uses_corepack: bool,
    /// Of a manifest: whether corepack looks no further up. It does where the manifest says
    /// nothing.
    pub decides: bool,
    /// The patterns of the directories that are members of the workspace that has its top here.
    pub members: Option<Vec<String>>,
    /// The directory that it speaks for.
    pub home: Vec<u8>,
    /// What it gives to other files.
    pub calls: Vec<Call>,
}

/// A use of another file, with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Where the other file may be, from the top of the work tree; the first one that is there
    /// counts.
    pub paths: Vec<Vec<u8>>,
    /// What is given, by the names of variables there, and where; `None` for what is not known.
    pub arguments: Vec<(String, Option<Variable>)>,
}

impl From<Vec<Pin>> for FilePins {
    fn from(pins: Vec<Pin>) -> Self {
        Self { pins, ..Self::default() }
    }
}

/// The pins of several parts of one file.
impl FromIterator<Self> for FilePins {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        let mut found = Self::default();
        parts.into_iter().for_each(|part| found.add(part));
        found
    }
}

impl FilePins {
    fn add(&mut self, part: Self) {
        self.pins.extend(part.pins);
        self.faults.extend(part.faults);
        self.calls.extend(part.calls);
        self.uses_corepack |= part.uses_corepack;
    }

    /// Whether there is nothing to compare or to find fault with.
    pub(crate) fn is_irrelevant(&self) -> bool {
        self.pins.is_empty()
            && self.faults.is_empty()
            && self.calls.is_empty()
            && self.blank.is_none()
            && !self.uses_corepack
    }

    /// Whether it says what another one says, wherever in the file.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        fn essence(found: &FilePins) -> Vec<(PinKind, Manager, &Demand)> {
            found.pins.iter().map(|pin| (pin.kind, pin.manager, &pin.demand)).collect()
        }
        essence(self) == essence(other)
            && self.members == other.members
            && self.decides == other.decides
    }

    /// Puts the pins in the order of the text. What an alias or a second use repeats is there once.
    fn tidy(&mut self) {
        self.pins.sort_by_key(|pin| (pin.at.start, pin.place.start));
        self.pins.dedup();
    }
}

/// What a file pins by itself, read as the tool reads it that obeys it. A file that cannot be
/// parsed pins nothing.
pub(crate) fn pins_of_file(known: &SourceFile) -> Rc<FilePins> {
    known.view(|_| files::pins_with(known, Vec::new()))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::engine::tests::{Fake, transcript};
    use crate::rules;

    /// A manifest that pins pnpm 10.6.5.
    pub(crate) const MANIFEST: &str = r#"{"packageManager": "pnpm@10.6.5+sha512.abc"}"#;

    #[test]
    fn ranges_take_in_prereleases_as_pnpm_has_it() {
        for (version, range, accepted) in [
            ("11.0.0-rc.1", "^11", true),
            ("11.0.0-rc.1", "11.x", true),
            ("11.0.0-rc.1", "<11", false),
            ("11.0.0-rc.1", ">=10 <11", false),
            ("11.0.0-rc.1", "^10", false),
            ("10.6.5", ">=9 <11 || 12.x", true),
        ] {
            let version = super::exact(version).unwrap();
            assert_eq!(super::accepts(&version, range), Some(accepted), "{version} {range}");
        }
        assert_eq!(super::satisfies(&super::exact("11.0.0-rc.1").unwrap(), "^11"), Some(false));
        assert_eq!(super::accepts(&super::exact("1.0.0").unwrap(), "please-use-pnpm"), None);
    }

    /// What `package-manager-mismatch` says of files.
    pub(crate) fn told(files: &[(&str, &str)]) -> Vec<String> {
        let change =
            files.iter().fold(Fake::default(), |change, (path, text)| change.file(path, text));
        transcript(rules::find("package-manager-mismatch").unwrap(), &change)
    }
}
