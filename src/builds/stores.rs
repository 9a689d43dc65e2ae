//! The directory in which an install keeps the packages that it downloads, as far as it is certain:
//! for root, in images that set none of the variables that decide it.

use crate::builds::build::Build;
use crate::builds::installs::{Install, Installer};
use crate::builds::model::Builds;
use crate::builds::steps::{Action, BuildStep, RunCommand, absolute};
use crate::formats::Syntax;
use crate::formats::npmrc::named;
use crate::formats::shell::{Lookup, Resolved};
use crate::models::image::ImageReference;
use crate::pins::{Demand, Manager, Pin, Role};
use crate::project::directories::relative_to;
use crate::project::kinds::FileKind;

/// The store of an install.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PackageStore {
    /// The absolute path. A cache that is mounted there keeps the packages.
    pub directory: String,
    /// The directory in it that has the packages; `None` if its name is unknown.
    inner: Option<&'static str>,
    /// Whether a cache that is mounted above it keeps the packages; `None` if it is unknown.
    above: Option<bool>,
}

impl PackageStore {
    /// Whether a cache that is mounted at an absolute path keeps the packages; `None` if it is
    /// unknown.
    pub(crate) fn is_kept_at(&self, target: &str) -> Option<bool> {
        let (own, target) = (self.directory.as_bytes(), target.as_bytes());
        if own == target {
            return Some(true);
        }
        if relative_to(target, own).is_some() || target == b"/" {
            return self.above;
        }
        let Some(below) = relative_to(own, target) else { return Some(false) };
        let inner = self.inner?.as_bytes();
        if relative_to(inner, below).is_some_and(|rest| !rest.is_empty()) {
            return None;
        }
        Some(below == inner)
    }
}

/// The store of an install in a stage; `None` if it is not certain.
pub(crate) fn store(
    builds: &Builds,
    build: &Build,
    stage: usize,
    install: &Install<'_>,
) -> Option<PackageStore> {
    let setting = StoreSetting { builds, build, stage, install };
    let image = install.step.stage.image.as_ref()?;
    if !is_plain(image, install.installer) || !is_root(install.step) {
        return None;
    }
    let store = match install.installer {
        Installer::Npm => setting.npm(),
        Installer::Pnpm => setting.pnpm(),
        Installer::Yarn => setting.yarn(),
        Installer::Bun => setting.bun(),
    }?;
    let directory = store.directory.trim_end_matches('/').to_owned();
    directory.starts_with('/').then_some(PackageStore { directory, ..store })
}

/// The command that prints the store of a package manager.
pub(crate) fn question(installer: Installer) -> &'static str {
    match installer {
        Installer::Npm => "npm config get cache",
        Installer::Pnpm => "pnpm store path",
        Installer::Yarn => "yarn cache dir",
        Installer::Bun => "bun pm cache",
    }
}

/// Whether an image sets no variable and no user that decide the store.
fn is_plain(image: &ImageReference, installer: Installer) -> bool {
    let system = ["node", "debian", "alpine", "ubuntu"].contains(&&*image.repository);
    let of_bun = installer == Installer::Bun && image.repository == "oven/bun";
    image.host.is_none() && (system || of_bun)
}

/// Whether root runs a step, in an image whose user is root.
fn is_root(step: &BuildStep) -> bool {
    step.user.as_deref().is_none_or(|user| {
        let name = user.known().and_then(|user| user.split(':').next());
        matches!(name, Some("root" | "0"))
    })
}

/// A value: the inner `Option` is `None` if nothing sets one, the outer one if it is unknown.
#[allow(clippy::option_option, reason = "a value that is unknown may be set")]
type StoreAnswer = Option<Option<String>>;

/// What decides the store of an install.
struct StoreSetting<'b> {
    builds: &'b Builds,
    build: &'b Build,
    stage: usize,
    install: &'b Install<'b>,
}

impl StoreSetting<'_> {
    fn npm(&self) -> Option<PackageStore> {
        let keys = ["cache"];
        self.in_no_file(&keys)?;
        let explicit = match self.option("--cache")? {
            Some(directory) => Some(directory),
            None => match self.first(&["npm_config_cache", "NPM_CONFIG_CACHE"])? {
                Some(directory) => Some(directory),
                None => self.configured(&keys)?,
            },
        };
        let directory = explicit.map_or_else(|| self.in_home(".npm"), Some)?;
        Some(PackageStore { directory, inner: Some("_cacache"), above: Some(true) })
    }

    fn pnpm(&self) -> Option<PackageStore> {
        let keys = ["store-dir", "storeDir", "store_dir"];
        self.in_no_file(&keys)?;
        let major = self.major(Manager::Pnpm);
        let inner = match major {
            // Its store is elsewhere.
            Some(..7) => return None,
            Some(7..=9) => Some("v3"),
            Some(10) => Some("v10"),
            Some(11 | 12) => Some("v11"),
            _ => None,
        };
        let explicit = match self.option("--store-dir")? {
            Some(directory) => Some(directory),
            None => match self.pnpm_variable(major)? {
                Some(directory) => Some(directory),
                None => self.configured(&keys)?,
            },
        };
        if let Some(directory) = explicit {
            return Some(PackageStore { directory, inner, above: Some(true) });
        }
        let home = match self.variable("PNPM_HOME")? {
            Some(home) => home,
            None => match self.variable("XDG_DATA_HOME")? {
                Some(data) => format!("{data}/pnpm"),
                None => self.in_home(".local/share/pnpm")?,
            },
        };
        let project = self.install.step.directory.as_deref();
        let is_mounted = |target: &str| {
            let target = absolute(project, target);
            target.zip(project).is_none_or(|(target, project)| {
                relative_to(target.as_bytes(), project.as_bytes()).is_some()
            })
        };
        // pnpm links a file of the project into the directory above the store. If it cannot, it
        // moves the store to the root of the project's file system, unless that is the project.
        let mut targets = self.install.run.mounts.iter().map(|mount| mount.target());
        if targets.any(|target| target.is_none_or(is_mounted)) {
            return None;
        }
        let above = project.map(|project| project == "/");
        Some(PackageStore { directory: format!("{home}/store"), inner, above })
    }

    /// The variable with the store of pnpm, whose name depends on the version.
    fn pnpm_variable(&self, major: Option<u64>) -> StoreAnswer {
        let old = ["npm_config_store_dir", "NPM_CONFIG_STORE_DIR"];
        let new = ["pnpm_config_store_dir", "PNPM_CONFIG_STORE_DIR"];
        match (self.first(&old), self.first(&new), major) {
            (Some(None), Some(None), _) => Some(None),
            (value, _, Some(..=10)) | (_, value, Some(11..)) => value,
            (_, _, None) => None,
        }
    }

    fn yarn(&self) -> Option<PackageStore> {
        let keys = ["cache-folder", "cacheFolder", "globalFolder", "enableGlobalCache"];
        let is_berry = |file: &usize| FileKind::YarnrcYml.matches(&self.builds.file(*file).path);
        let has_berry = || self.builds.settings_files().iter().any(is_berry);
        let major = self
            .major(Manager::Yarn)
            .or_else(|| (!has_berry() && !self.has_pins(Manager::Yarn)).then_some(1));
        self.in_no_file(&keys)?;
        let by_option = self.option("--cache-folder")?;
        let by_variable = self.variable("YARN_CACHE_FOLDER")?;
        let configured = self.configured(&keys)?;
        match major? {
            1 => {
                let root = || match self.variable("XDG_CACHE_HOME")? {
                    Some(cache) => Some(format!("{cache}/yarn")),
                    None => Some("/usr/local/share/.cache/yarn".to_owned()),
                };
                let explicit = by_option.or(by_variable).or(configured);
                let directory = explicit.map_or_else(root, Some)?;
                Some(PackageStore { directory, inner: Some("v6"), above: Some(true) })
            }
            // Before Yarn 4, the cache is in the project.
            4 if by_option.or(by_variable).or(configured).is_none() => {
                let unset = ["YARN_GLOBAL_FOLDER", "YARN_ENABLE_GLOBAL_CACHE"];
                self.first(&unset)?.is_none().then_some(())?;
                let directory = match self.variable("XDG_DATA_HOME")? {
                    Some(data) => format!("{data}/yarn/berry/cache"),
                    None => self.in_home(".yarn/berry/cache")?,
                };
                Some(PackageStore { directory, inner: None, above: Some(true) })
            }
            _ => None,
        }
    }

    fn bun(&self) -> Option<PackageStore> {
        let mut files = self.builds.project.files().iter();
        if files.any(|source| FileKind::Bunfig.matches(&source.file.path)) {
            return None;
        }
        let by_option = self.option("--cache-dir")?.is_none();
        by_option.then_some(())?;
        let directory = match self.variable("BUN_INSTALL_CACHE_DIR")? {
            Some(directory) => directory,
            None => match self.variable("BUN_INSTALL")? {
                Some(install) => format!("{install}/install/cache"),
                None => match self.variable("XDG_CACHE_HOME")? {
                    Some(cache) => format!("{cache}/.bun/install/cache"),
                    None => self.in_home(".bun/install/cache")?,
                },
            },
        };
        Some(PackageStore { directory, inner: None, above: Some(true) })
    }

    /// A path in the home directory of root.
    fn in_home(&self, path: &str) -> Option<String> {
        let home = self.variable("HOME")?.unwrap_or_else(|| "/root".to_owned());
        Some(format!("{home}/{path}"))
    }

    /// The value of a variable of the install.
    fn variable(&self, name: &str) -> StoreAnswer {
        let stage = &self.install.step.stage;
        if self.install.run.assigned.contains(name) {
            return None;
        }
        if !stage.declares(name) {
            return Some(None);
        }
        match stage.lookup(name) {
            Lookup::Set(value) => Some(Some(value.text.clone()).filter(|text| !text.is_empty())),
            Lookup::Offered | Lookup::Unset | Lookup::Unknown => None,
        }
    }

    /// The first of these variables that has a value.
    fn first(&self, names: &[&str]) -> StoreAnswer {
        let mut value = None;
        for name in names {
            value = value.or(self.variable(name)?);
        }
        Some(value)
    }

    /// The value of an option of the install.
    fn option(&self, name: &str) -> StoreAnswer {
        let words: Option<Vec<&str>> =
            self.install.command.words.iter().map(Resolved::known).collect();
        let words = words?;
        let at = words.iter().position(|word| word.split('=').next() == Some(name));
        let Some(at) = at else { return Some(None) };
        let value = words.get(at)?.split_once('=').map(|(_, value)| value);
        Some(Some(value.or_else(|| words.get(at + 1).copied())?.to_owned()))
    }

    /// The last value that an earlier `config set` of root gives to one of these keys; unknown if a
    /// command mentions one otherwise.
    fn configured(&self, keys: &[&str]) -> StoreAnswer {
        let mut found = None;
        for (number, stage) in self.build.lineage(self.stage) {
            let is_last = number == self.stage;
            let length = if is_last { self.install.position + 1 } else { stage.steps.len() };
            let mut of_stage = None;
            for step in stage.steps.iter().take(length) {
                let Action::Run(run) = &step.action else { continue };
                for command in &run.commands {
                    if let Some(value) = assignment(command, keys) {
                        of_stage = Some(value.filter(|_| is_root(step))?);
                    }
                }
            }
            found = found.or(of_stage);
        }
        Some(found)
    }

    /// `None` if a file of settings sets one of these keys: whether the image has it is unknown.
    fn in_no_file(&self, keys: &[&str]) -> Option<()> {
        let is_dialect = |kind: FileKind| kind.credentials().is_some();
        let files = self.builds.project.files();
        let is_set =
            self.builds.settings_files().iter().map(|&number| &files[number]).any(|source| {
                let kind = FileKind::of(&source.file.path, is_dialect);
                match kind.and_then(FileKind::credentials) {
                    Some(dialect) => !named(dialect, &source.file.text, keys).is_empty(),
                    None => match &*source.document(Syntax::Yaml) {
                        Ok(root) => keys.iter().any(|key| root.last(key).is_some()),
                        Err(_) => true,
                    },
                }
            });
        (!is_set).then_some(())
    }

    /// Whether a file of the project names a version of a package manager. What a workflow installs
    /// says nothing about an image.
    fn has_pins(&self, manager: Manager) -> bool {
        self.of_project().any(|pin| pin.manager == manager)
    }

    /// The pins of the files that may declare a version.
    fn of_project(&self) -> impl Iterator<Item = &Pin> {
        let declaring = self.builds.declaring_files().iter();
        declaring.flat_map(|&file| &self.builds.pins_of_file(file).pins)
    }

    /// The major version of a package manager: the one that the Dockerfile installs, else the one
    /// that every manifest declares.
    fn major(&self, manager: Manager) -> Option<u64> {
        let own = self.builds.pins_of(self.build).pins.iter();
        let mut installed = own.filter(|pin| pin.manager == manager).peekable();
        if installed.peek().is_some() {
            return only(installed.map(|pin| major(&pin.demand)));
        }
        let declares = |pin: &&Pin| pin.manager == manager && pin.kind.role() == Role::Declares;
        only(self.of_project().filter(declares).map(|pin| major(&pin.demand)))
    }
}

/// The value that `pnpm config set KEY VALUE` or `npm config set KEY=VALUE` gives to one of these
/// keys. The inner `Option` is `None` if the command has the key, but its effect is unknown.
fn assignment(command: &RunCommand, keys: &[&str]) -> StoreAnswer {
    let words: Vec<Option<&str>> = command.words.iter().map(Resolved::known).collect();
    let has = |names: &[&str]| words.iter().flatten().any(|word| names.contains(word));
    let sets = has(&["set"]);
    let (at, value) = words.iter().enumerate().find_map(|(at, word)| {
        let (key, value) = match word.as_ref()?.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => ((*word)?, None),
        };
        let is_key = keys.contains(&key) && (sets || value.is_some());
        is_key.then_some((at, value))
    })?;
    let manages = matches!(command.program(), Some("npm" | "pnpm" | "yarn" | "corepack"));
    let is_known = manages && sets && has(&["config", "c"]);
    let next = || words.get(at + 1).copied().flatten();
    Some(value.or_else(next).filter(|_| is_known).map(str::to_owned))
}

/// The only value; `None` if there are none or several, or if one is unknown.
fn only(mut values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let first = values.next()??;
    values.all(|value| value == Some(first)).then_some(first)
}

/// The major version that a pin asks for: 10 for `10.6.5`, `10`, `^10.6` and `10.x`.
fn major(demand: &Demand) -> Option<u64> {
    match demand {
        Demand::Exact(version) => Some(version.major),
        Demand::Range(range) => {
            let range = range.trim_start_matches(['^', '~', '=', 'v']);
            let (major, rest) = range.split_once('.').unwrap_or((range, ""));
            let is_simple = rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'x'));
            major.parse().ok().filter(|_| is_simple)
        }
        _ => None,
    }
}
