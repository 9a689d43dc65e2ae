//! How a repository runs its hooks, and where the guard is installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::{RepoPath, shell_quote};
use crate::disk::read::{self, ReadError};
use crate::git::Git;
use crate::hooks::by_hand::{self, Style};
use crate::hooks::fallback::{depends_on, depends_on_program, husky_major, install_command};
use crate::hooks::layout::{self, HooksPath, Layout, SettingScope};
use crate::hooks::lookup::Recorded;
use crate::hooks::manager::{HookManager, MANAGERS};
use crate::hooks::server::{self, Server};
use crate::hooks::shim::Author;
use crate::hooks::slot::{self, HookDirectory, Slot};
use crate::hooks::{Hook, display_path, find, read_if_exists, unreadable};

/// The setup that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The one that the repository uses.
    Detect,
    /// Hook files, even if a hook manager is configured.
    Native,
    /// Husky, even if it is not detected.
    Husky,
}

/// How the repository runs its hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Hook files that git runs directly.
    Native {
        directory: PathBuf,
        /// Whether the files are tracked, and so shared with other people and machines.
        tracked: bool,
    },
    /// Tracked files that husky runs.
    Husky(Husky),
    /// A bare repository.
    Server(Server),
    /// Foreign hooks, which are not changed.
    Foreign(Foreign),
}

/// A repository that uses husky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Husky {
    /// The directory of the tracked hooks: mostly `.husky`.
    pub directory: PathBuf,
    /// Whether git runs the tracked files directly (husky 5 to 8), or by stubs (husky 9).
    pub direct: bool,
    /// Whether husky has been run in this clone: `core.hooksPath` points to it.
    pub prepared: bool,
}

/// Foreign hooks, which are not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Why the hooks are foreign.
    pub cause: String,
    pub owner: Owner,
    /// Whether bakstop is named there, for each hook that can be there.
    pub named: Vec<(Hook, bool)>,
}

/// Who owns the hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A program that manages hooks, with its configuration file and the content of that.
    Manager { manager: &'static HookManager, configuration: Option<(&'static str, Vec<u8>)> },
    /// The scripts are outside of the repository.
    Scripts,
    /// The same, by a setting that is not this repository's.
    Setting(HooksPath),
    /// git runs no hook, by this setting.
    SwitchedOff(HooksPath),
}

impl Foreign {
    /// Whether bakstop is named for every hook, so that there is nothing to add.
    pub(crate) fn is_named(&self) -> bool {
        self.missing().is_empty()
    }

    /// How a configured manager takes the hooks over from us.
    pub(crate) fn takeover(&self) -> String {
        let Owner::Manager { manager, configuration } = &self.owner else { return String::new() };
        let file = configuration.as_ref().map_or("", |(file, _)| file);
        let by = manager
            .apply_command
            .map_or("its installation".to_owned(), |command| format!("`{command}`"));
        format!("{} is configured ({file}), and {by} replaces hooks of bakstop", manager.name)
    }

    /// Whether git runs no hook.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.owner, Owner::SwitchedOff(_))
    }

    /// The hooks for which bakstop is not named.
    pub(crate) fn missing(&self) -> Vec<Hook> {
        self.named.iter().filter(|(_, named)| !named).map(|(hook, _)| *hook).collect()
    }
}

impl Setup {
    /// Detects how the repository runs its hooks. `hooks` are those to install.
    pub(crate) fn find(
        layout: &Layout,
        git: &Git,
        choice: Choice,
        hooks: &[Hook],
    ) -> Result<Self, Error> {
        if layout.bare {
            return bare(layout);
        }
        if let Some(foreign) = foreign_hooks_path(layout, hooks)? {
            return Ok(Self::Foreign(foreign));
        }
        let husky = match &layout.hooks_path {
            Some(_) => configured_husky(layout),
            None if choice == Choice::Native || (choice == Choice::Detect && is_ours(layout)?) => {
                None
            }
            None => unprepared_husky(layout, git, choice)?,
        };
        match (husky, choice) {
            (Some(husky), Choice::Native) => Err(Error::new(
                "write hook files",
                format!(
                    "git takes its hooks from {}, which husky owns",
                    display_path(&layout.hooks, &layout.top)
                ),
            )
            .help(format!(
                "leave out --native: the guard then goes into {}/pre-commit",
                display_path(&husky.directory, &layout.top)
            ))),
            (Some(husky), _) => Ok(Self::Husky(husky)),
            (None, Choice::Husky) => Err(no_husky(layout)),
            (None, choice) => native(layout, choice, hooks),
        }
    }
}

fn no_husky(layout: &Layout) -> Error {
    match &layout.hooks_path {
        Some(setting) => {
            Error::new("use husky", format!("core.hooksPath is \"{}\", not husky's", setting.value))
                .help("let husky set it first: `npx husky`")
        }
        None => Error::new("use husky", "there is no .husky directory")
            .help("set husky up first: `npx husky init`"),
    }
}

/// The command that installs the program where a dependency of the repository brings it, and the
/// hooks find it there.
pub(crate) fn dependency_command(
    setup: &Setup,
    layout: &Layout,
    recorded: Option<&Recorded>,
) -> Result<Option<String>, Error> {
    let Some((package, manifest)) = package(setup, layout, recorded)? else { return Ok(None) };
    let Some(command) = install_command(&package, &manifest) else { return Ok(None) };
    // Plug'n'Play makes no node_modules, and shared hooks name no other place of it.
    let is_shared = matches!(setup, Setup::Husky(_) | Setup::Native { tracked: true, .. });
    if is_shared && [&package, &layout.top].iter().any(|path| path.join(".pnp.cjs").exists()) {
        return Ok(None);
    }
    Ok(Some(match display_path(&package, &layout.top).as_bytes() {
        _ if package == layout.top => command.to_owned(),
        directory => format!("cd {} && {command}", shell_quote(directory)),
    }))
}

/// How a command at the top of the work tree calls the program that a dependency brings there.
pub(crate) fn program_of_dependency(layout: &Layout) -> Option<&'static str> {
    let manifest = read_if_exists(&layout.top.join("package.json"), &layout.top).ok()??;
    let is_plug_and_play =
        [".pnp.cjs", ".pnp.js"].iter().any(|name| layout.top.join(name).exists());
    depends_on_program(&manifest).then_some(if is_plug_and_play {
        "yarn bakstop"
    } else {
        "node_modules/.bin/bakstop"
    })
}

/// Whether a package of this name is a dependency of the one at the top.
pub(crate) fn is_dependency(layout: &Layout, name: &str) -> bool {
    let manifest = read_if_exists(&layout.top.join("package.json"), &layout.top).ok().flatten();
    manifest.is_some_and(|manifest| depends_on(&manifest, name))
}

/// The package that brings the program, and its manifest: the one whose `node_modules` was used to
/// install, the one around the directory of shared hooks, or the one at the top. `None` if none of
/// them depends on the program.
pub(crate) fn package(
    setup: &Setup,
    layout: &Layout,
    recorded: Option<&Recorded>,
) -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
    let top = &layout.top;
    let used = match recorded {
        Some(Recorded::Package(package)) => Some(&**package),
        _ => None,
    };
    let hooks = match setup {
        Setup::Husky(husky) => husky.directory.parent(),
        Setup::Native { directory, tracked: true } => directory.parent(),
        Setup::Native { .. } => None,
        Setup::Server(_) | Setup::Foreign(_) => return Ok(None),
    };
    for package in
        [used, hooks, Some(top)].into_iter().flatten().filter(|path| path.starts_with(top))
    {
        let manifest = match read_if_exists(&package.join("package.json"), top) {
            // Hooks of one clone are installed without it.
            Err(_) if matches!(setup, Setup::Native { tracked: false, .. }) => None,
            read => read?,
        };
        let brings = |manifest: &Vec<u8>| used == Some(package) || depends_on_program(manifest);
        if let Some(manifest) = manifest.filter(brings) {
            return Ok(Some((package.to_owned(), manifest)));
        }
    }
    Ok(None)
}

/// Why the `package.json` at the top is not JSON; `None` if it is, or is missing.
pub(crate) fn manifest_error(layout: &Layout) -> Result<Option<String>, Error> {
    let manifest = read_if_exists(&layout.top.join("package.json"), &layout.top)?;
    let parsed = manifest.map(|text| serde_json::from_slice::<serde_json::Value>(&text));
    Ok(parsed.and_then(Result::err).map(|error| error.to_string()))
}

/// Every directory that an earlier installation may have written into: the repository may have
/// changed how it runs its hooks.
pub(crate) fn installed_directories(
    layout: &Layout,
    git: &Git,
) -> Result<Vec<HookDirectory>, Error> {
    if layout.bare {
        return server::installed_directories(layout);
    }
    let top = &layout.top;
    let mut husky = layout.tracked_husky(git)?;
    husky.push(top.join(".husky"));
    // bakstop never writes into a directory outside of the repository.
    husky.retain(|directory| read::canonicalize_existing(directory).starts_with(top));
    let mut native = vec![layout.default_hooks()];
    let hooks = &layout.hooks;
    if let Some(configured) = configured_husky(layout) {
        husky.push(configured.directory);
    } else if hooks.starts_with(top) || hooks.starts_with(&layout.common) {
        native.push(hooks.clone());
    }
    for directories in [&mut husky, &mut native] {
        directories.sort_unstable();
        directories.dedup();
    }
    let husky = husky.iter().map(|directory| HookDirectory::husky(directory, top));
    let native = native.iter().map(|directory| HookDirectory::native(directory, top));
    husky.chain(native).collect()
}

fn bare(layout: &Layout) -> Result<Setup, Error> {
    let hooks = [Hook::PreReceive];
    Ok(match foreign_hooks_path(layout, &hooks)? {
        Some(foreign) => Setup::Foreign(foreign),
        None if layout.hooks.starts_with(&layout.common) => Setup::Server(Server::find(layout)?),
        None => Setup::Foreign(outside(layout, &hooks)?),
    })
}

fn native(layout: &Layout, choice: Choice, hooks: &[Hook]) -> Result<Setup, Error> {
    if choice == Choice::Detect {
        let installed = is_ours(layout)?;
        let scripts = foreign_scripts(layout, hooks, installed)?;
        // Our hooks decide against a configuration, but not against hooks that a manager wrote.
        if let Some(foreign) = managed(layout, hooks, &scripts, !installed)? {
            return Ok(Setup::Foreign(foreign));
        }
    }
    let directory = layout.hooks.clone();
    if directory.starts_with(&layout.common) {
        return Ok(Setup::Native { directory, tracked: false });
    }
    if directory.starts_with(&layout.top) {
        let tracked = !layout::is_ignored(&directory)?;
        return Ok(Setup::Native { directory, tracked });
    }
    outside(layout, hooks).map(Setup::Foreign)
}

fn outside(layout: &Layout, hooks: &[Hook]) -> Result<Foreign, Error> {
    let place = display_path(&layout.hooks, &layout.top);
    let cause =
        format!("git takes the hooks from {place}, outside this repository: others may share them");
    scripts(layout, hooks, cause, Owner::Scripts)
}

/// Foreign scripts in the directory that git runs hooks from.
fn scripts(layout: &Layout, hooks: &[Hook], cause: String, owner: Owner) -> Result<Foreign, Error> {
    let named = |&hook: &Hook| {
        let text = read_script(layout, hook)?;
        Ok((hook, text.is_some_and(|text| mentions_bakstop(&text))))
    };
    let named: Result<Vec<_>, Error> = hooks.iter().map(named).collect();
    Ok(Foreign { cause, owner, named: named? })
}

/// Whether git already runs a hook file of ours: that decides, even if a manager is configured.
fn is_ours(layout: &Layout) -> Result<bool, Error> {
    let place = HookDirectory::native(&layout.hooks, &layout.top)?;
    Ok(place.slots.iter().any(|slot| slot.author() != Author::Others))
}

/// Detects a `core.hooksPath` that is set outside this repository or switches hooks off.
fn foreign_hooks_path(layout: &Layout, hooks: &[Hook]) -> Result<Option<Foreign>, Error> {
    let Some(setting) = &layout.hooks_path else { return Ok(None) };
    let (value, origin) = (&setting.value, &setting.origin);
    // In a linked worktree, `.git` is a file, and no directory is below it.
    let below_file = layout
        .hooks
        .metadata()
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotADirectory);
    let off = value.as_bytes().is_empty()
        || below_file
        || (layout.hooks.exists() && !layout.hooks.is_dir());
    if off {
        let value =
            if value.as_bytes().is_empty() { "empty".to_owned() } else { value.to_string() };
        let mut cause = format!("hooks are disabled: core.hooksPath is {value} ({origin})");
        if below_file {
            cause += ", and that path leads through a file in this work tree";
        }
        let named = hooks.iter().map(|hook| (*hook, false)).collect();
        return Ok(Some(Foreign { cause, owner: Owner::SwitchedOff(setting.clone()), named }));
    }
    let reach = match setting.scope {
        SettingScope::Repository => return Ok(None),
        SettingScope::User => "for every repository of this user",
        SettingScope::Machine => "for every repository of this machine",
        SettingScope::Run => "for this run only",
    };
    let cause = format!("core.hooksPath is \"{value}\", set {reach} ({origin})");
    scripts(layout, hooks, cause, Owner::Setting(setting.clone())).map(Some)
}

/// Whether a text mentions the guard.
pub(crate) fn mentions_bakstop(text: &[u8]) -> bool {
    find(text, b"bakstop hook ").is_some() || find(text, b"id: bakstop").is_some()
}

/// Whether the configuration of a manager calls the guard for this hook.
fn runs_guard(text: &[u8], hook: Hook, style: Style) -> bool {
    if style == Style::Repos {
        // One entry runs every hook.
        return mentions_bakstop(text);
    }
    let call = format!("bakstop hook {}", hook.name());
    memchr::memmem::find_iter(text, &call)
        .any(|at| !text.get(at + call.len()).is_some_and(|byte| b"-_".contains(byte)))
}

/// Fails if a hook, or a file that a hook may read, is a FIFO, a socket or a device: git, a shell
/// or a manager could read it forever.
pub(crate) fn refuse_endless(layout: &Layout) -> Result<(), Error> {
    let hooks = Hook::STRICT.iter().map(|hook| hook.name());
    let husky =
        configured_husky(layout).map_or_else(|| layout.top.join(".husky"), |husky| husky.directory);
    let scripts = hooks.flat_map(|name| [layout.hooks.join(name), husky.join(name)]);
    let configuration =
        MANAGERS.iter().flat_map(|manager| manager.configuration).map(|name| layout.top.join(name));
    for path in scripts.chain(configuration) {
        if let Some(noun) = read::endless(&path) {
            return Err(unreadable(&path, &layout.top, &ReadError::NotRegular(noun)));
        }
    }
    Ok(())
}

/// The manager that is configured although our hooks are in place. When it is installed, it
/// replaces them; `None` if bakstop is named in its configuration, or that cannot be read.
pub(crate) fn successor(layout: &Layout, wanted: &[Hook]) -> Option<Foreign> {
    managed(layout, wanted, &[], true).ok()?.filter(|foreign| !foreign.is_named())
}

/// The hooks that somebody else wrote, unless they run ours. With some of ours `installed`, only
/// files in the place of those that are `wanted`.
fn foreign_scripts(
    layout: &Layout,
    wanted: &[Hook],
    installed: bool,
) -> Result<Vec<(Hook, Vec<u8>)>, Error> {
    let place = HookDirectory::native(&layout.hooks, &layout.top)?;
    let counts = |slot: &&Slot| {
        let is_in_place = wanted.contains(&slot.hook) && !slot.text().is_empty();
        slot.author() == Author::Others && (is_in_place || !installed)
    };
    let foreign = place.slots.iter().filter(counts);
    let mut scripts = Vec::new();
    for hook in foreign.map(|slot| slot.hook) {
        scripts.extend(read_script(layout, hook)?.map(|text| (hook, text)));
    }
    Ok(scripts)
}

/// Detects a hook manager: by the hooks that it wrote, or by its configuration.
fn managed(
    layout: &Layout,
    wanted: &[Hook],
    hooks: &[(Hook, Vec<u8>)],
    by_configuration: bool,
) -> Result<Option<Foreign>, Error> {
    let mut files = BTreeMap::new();
    for name in MANAGERS.iter().flat_map(|manager| manager.configuration) {
        files
            .extend(read_if_exists(&layout.top.join(name), &layout.top)?.map(|text| (*name, text)));
    }
    let read = |name: &str| files.get(name).cloned();
    Ok(MANAGERS.iter().find_map(|manager| {
        let written = hooks.iter().find(|(_, text)| manager.wrote(text));
        let written =
            written.map(|(hook, _)| display_path(&layout.hooks.join(hook.name()), &layout.top));
        let claimed = || manager.claims(read).filter(|_| by_configuration).map(RepoPath::from);
        let evidence = written.or_else(claimed)?;
        Some(foreign(manager, &evidence, wanted, read))
    }))
}

/// The script that git runs as this hook.
fn read_script(layout: &Layout, hook: Hook) -> Result<Option<Vec<u8>>, Error> {
    read_if_exists(&layout.hooks.join(hook.name()), &layout.top)
}

fn foreign(
    manager: &'static HookManager,
    evidence: &RepoPath,
    wanted: &[Hook],
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Foreign {
    let configuration = manager.configuration.iter().find_map(|name| Some((*name, read(name)?)));
    let is_named = |hook: Hook| {
        configuration.as_ref().is_some_and(|(_, text)| runs_guard(text, hook, manager.style))
    };
    let served = wanted.iter().copied().filter(|hook| by_hand::can_serve(manager.style, *hook));
    let named = served.map(|hook| (hook, is_named(hook))).collect();
    let cause = format!("{} manages the hooks of this repository ({evidence})", manager.name);
    Foreign { cause, owner: Owner::Manager { manager, configuration }, named }
}

/// Detects husky by `core.hooksPath`.
fn configured_husky(layout: &Layout) -> Option<Husky> {
    let hooks = &layout.hooks;
    let parent = hooks.parent()?;
    // Husky 9 sets the directory `_`, which is generated and may be missing; its runner is `h`.
    let stubs = hooks.ends_with("_") && (hooks.join("h").exists() || !hooks.exists());
    // Husky 5 to 8 sets the tracked directory itself.
    let direct = hooks.ends_with(".husky")
        || (hooks.join("_/husky.sh").exists() && !hooks.join("_/h").exists());
    let directory = if stubs { parent } else { hooks };
    let ours = directory.starts_with(&layout.top) && !directory.starts_with(&layout.common);
    (ours && (stubs || direct)).then(|| Husky {
        directory: directory.to_owned(),
        direct: !stubs,
        prepared: true,
    })
}

/// Whether a directory of husky contains the guard: then the repository uses husky.
fn holds_ours(directory: &Path, layout: &Layout) -> Result<bool, Error> {
    for hook in Hook::STRICT {
        let text = read_if_exists(&directory.join(hook.name()), &layout.top)?;
        if text.is_some_and(|text| slot::is_ours(&text, hook)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the package around this directory, or else the one at the top, asks for husky 5 to 8.
fn depends_on_old_husky(directory: &Path, top: &Path) -> Result<bool, Error> {
    for package in directory.parent().into_iter().chain([top]) {
        let manifest = read_if_exists(&package.join("package.json"), top)?;
        if let Some(major) = manifest.and_then(|manifest| husky_major(&manifest)) {
            return Ok((5..9).contains(&major));
        }
    }
    Ok(false)
}

/// Detects husky in a clone in which it has not been run yet.
fn unprepared_husky(layout: &Layout, git: &Git, choice: Choice) -> Result<Option<Husky>, Error> {
    let depends = |directory: &Path| -> Result<bool, Error> {
        let manifest = read_if_exists(&directory.join("package.json"), &layout.top)?;
        Ok(manifest.is_some_and(|manifest| find(&manifest, b"husky").is_some()))
    };
    let wanted = choice == Choice::Husky || depends(&layout.top)?;
    let mut directories = Vec::new();
    for path in layout.tracked_husky(git)? {
        if wanted || path.parent().map_or(Ok(false), depends)? || holds_ours(&path, layout)? {
            directories.push(path);
        }
    }
    let usual = layout.top.join(".husky");
    if directories.is_empty() && usual.is_dir() && (wanted || holds_ours(&usual, layout)?) {
        directories.push(usual);
    }
    match directories.as_slice() {
        [] => Ok(None),
        [directory] => Ok(Some(Husky {
            directory: read::canonicalize_existing(directory),
            direct: depends_on_old_husky(directory, &layout.top)?,
            prepared: false,
        })),
        several => {
            let names: Vec<String> =
                several.iter().map(|path| display_path(path, &layout.top).to_string()).collect();
            Err(Error::new(
                "decide which husky runs the hooks",
                format!("there are several: {}", names.join(", ")),
            )
            .help(
                "prepare the one that this clone uses (husky sets core.hooksPath), then try again",
            ))
        }
    }
}
