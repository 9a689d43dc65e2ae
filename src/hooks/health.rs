//! Whether the hooks of a repository run the guard, and if not, why.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::git::Git;
use crate::hooks::block::{self, Condition, Found};
use crate::hooks::configured::{self, EffectiveHook, Inactive};
use crate::hooks::fallback::Fallback;
use crate::hooks::layout::Layout;
use crate::hooks::lookup::{ProgramSearch, ProgramSource, Recorded};
use crate::hooks::plan::still_ignored;
use crate::hooks::setup::{self, Foreign, Husky, Owner, Setup, mentions_bakstop};
use crate::hooks::shim::Author;
use crate::hooks::slot::{HookDirectory, HookFile, Slot};
use crate::hooks::state::{Defect, HookState};
use crate::hooks::{Hook, SKIP, SWITCH, binary, display_path, find, read_if_exists, skipped};
use crate::os::env::Environment;
use crate::rule::Rule;
use crate::rules::RULES;

/// A hook, and whether it runs the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub hook: Hook,
    pub state: HookState,
    pub notes: Vec<Note>,
    /// Where it finds the program.
    pub lookup: ProgramSearch,
    /// Whether the configuration of git names it, and so git runs it without a hook file.
    pub configured: bool,
    /// Whether it lets everything pass without the program.
    warns: bool,
    /// The command of a package manager that installs the program, as the hook prints it.
    manager_command: Option<String>,
}

/// A fact about a hook that does not decide whether it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub text: String,
    /// Whether installing again changes it.
    pub install_helps: bool,
}

/// Judges every hook file of a repository.
pub(crate) fn of(setup: &Setup, layout: &Layout, env: &Environment) -> Result<Vec<Health>, Error> {
    let top = &layout.top;
    match setup {
        Setup::Native { directory, tracked } => {
            let place = HookDirectory::native(directory, top)?;
            let only_here = layout.relative_hooks().filter(|_| !tracked);
            let of = |slot: &Slot| {
                let defect = only_here.clone().map(|(value, there)| Defect::OnlyHere(value, there));
                of_file(slot, layout, env).reached(defect.map(HookState::NotInForce)).finish()
            };
            let mut all: Vec<Health> = shown_slots(&place).map(of).collect();
            let in_force = all.iter_mut().filter(|health| health.state == HookState::InForce);
            if let Some(successor) = setup::successor(layout, &Hook::USUAL) {
                in_force.for_each(|health| health.note(replaced_note(&successor)));
            }
            Ok(all)
        }
        Setup::Server(server) => {
            let (place, obstacle) = (server.place(layout)?, server.obstacle(layout)?);
            let of = |slot: &Slot| of_file(slot, layout, env).reached(obstacle.clone()).finish();
            Ok(place.slots.iter().map(of).collect())
        }
        Setup::Husky(husky) => {
            let place = HookDirectory::husky(&husky.directory, top)?;
            let of = |slot: &Slot| {
                // A file that was written for an older husky also works with a newer one.
                let ours = slot.author() != Author::Others;
                let health =
                    if ours { of_file(slot, layout, env) } else { of_block(slot, layout, env) };
                let defect = unreached_reason(slot, husky, layout);
                health.reached(defect.map(HookState::NotInForce)).finish()
            };
            Ok(shown_slots(&place).map(of).collect())
        }
        Setup::Foreign(foreign) => of_foreign(foreign, layout, env),
    }
}

/// Judges hooks that someone else runs.
fn of_foreign(foreign: &Foreign, layout: &Layout, env: &Environment) -> Result<Vec<Health>, Error> {
    let state = |named: bool| match named {
        true => HookState::Doubtful(
            "bakstop is configured there, but cannot check whether it runs".into(),
        ),
        false if foreign.is_off() => HookState::NotInForce(Defect::SwitchedOff),
        false => HookState::NotInForce(Defect::NotNamed),
    };
    let ours = match foreign.owner {
        // It may have left some hooks of ours alone so far.
        Owner::Manager { .. } => HookDirectory::native(&layout.hooks, &layout.top)?.slots,
        _ => Vec::new(),
    };
    let of = |&(hook, named): &(Hook, bool)| {
        let file = ours.iter().find(|slot| slot.hook == hook && slot.is_file_of_ours());
        match file {
            Some(slot) => of_file(slot, layout, env).finish(),
            None => Health::new(hook, state(named)),
        }
    };
    Ok(foreign.named.iter().map(of).collect())
}

/// A note that a configured manager will replace a hook of ours.
fn replaced_note(successor: &Foreign) -> String {
    format!("{}; `bakstop install` prints the lines to add there", successor.takeover())
}

/// The hooks that are reported: the usual ones, and others that were installed.
fn shown_slots(place: &HookDirectory) -> impl Iterator<Item = &Slot> {
    place.slots.iter().filter(|slot| Hook::USUAL.contains(&slot.hook) || slot.is_ours())
}

impl Health {
    fn new(hook: Hook, state: HookState) -> Self {
        Self {
            hook,
            state,
            notes: Vec::new(),
            lookup: ProgramSearch::default(),
            configured: false,
            warns: false,
            manager_command: None,
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(Note { text: text.into(), install_helps: false });
    }

    fn note_for_install(&mut self, text: impl Into<String>) {
        self.notes.push(Note { text: text.into(), install_helps: true });
    }

    /// What the hook does without the program, if that is not the default.
    fn without_program(&mut self, fallback: &Fallback) {
        self.warns = fallback.warns();
        self.manager_command = fallback.manager_command().map(str::to_owned);
        if self.warns {
            self.note("without the program, it warns and lets everything pass");
        }
        if let Some(text) = fallback.own_text() {
            self.note(format!("how to install it: {}", Escaped(text.as_bytes())));
        }
    }

    /// What it does not run although it is in a `node_modules`.
    fn refusals(&mut self, layout: &Layout) {
        for (package, reason) in self.lookup.refused.clone() {
            let entry = display_path(&package.join("node_modules/.bin/bakstop"), &layout.top);
            self.note(format!("{entry} is not run: {reason}"));
        }
    }

    /// A hook that git does not run is not in force.
    fn reached(mut self, obstacle: Option<HookState>) -> Self {
        if let (HookState::InForce, Some(state)) = (&self.state, obstacle) {
            self.state = state;
        }
        self
    }

    /// A hook that finds no program is not in force, although it blocks every commit.
    fn finish(mut self) -> Self {
        if self.state == HookState::InForce && self.lookup.program.is_none() {
            let command = self.manager_command.take();
            self.state = HookState::NotInForce(match self.hook {
                Hook::PreReceive => Defect::NoServerProgram,
                _ if self.warns => Defect::NoProgramButPasses(command),
                _ => Defect::NoProgram(command),
            });
        }
        self
    }
}

/// Judges every hook of a repository, also those that the configuration of git names.
pub(crate) fn in_clone(
    setup: &Setup,
    layout: &Layout,
    git: &Git,
    env: &Environment,
) -> Result<Vec<Health>, Error> {
    let all = of(setup, layout, env)?;
    if layout.bare {
        return Ok(all);
    }
    Ok(with_configured(all, &configured::effective(git)?, layout))
}

/// Adds the configured hooks to those of a clone.
fn with_configured(
    mut all: Vec<Health>,
    configured: &[EffectiveHook],
    layout: &Layout,
) -> Vec<Health> {
    for one in configured {
        let hook = one.hook.guard;
        let at = all.iter().position(|health| health.hook == hook);
        let at = at.unwrap_or_else(|| {
            all.push(Health::new(hook, HookState::NotInForce(Defect::NotInstalled(None))));
            all.len() - 1
        });
        all[at].configure(one, layout);
    }
    all
}

impl Health {
    /// Takes a configured hook into account, which runs before the hook file.
    fn configure(&mut self, one: &EffectiveHook, layout: &Layout) {
        let (place, name) = (one.reach.place(), one.hook.name());
        if let Some(Inactive { reason, help }) = &one.off {
            let reason = format!("git does not run hook.{name} of {place}: {reason}");
            if self.is_absent() && !one.is_after() {
                self.state = HookState::NotInForce(Defect::NotRun(reason, help.clone()));
            } else {
                self.note(format!("{reason} (`{help}`)"));
            }
            return;
        }
        let Some(program) = &one.program else {
            let state = HookState::Doubtful(format!("hook.{name} in {place} was edited"));
            if self.state != HookState::InForce {
                self.state = state;
            }
            return;
        };
        if !one.has_program() {
            let program = display_path(program, &layout.top);
            self.state =
                HookState::NotInForce(Defect::NoConfiguredProgram(program, one.reach.install()));
            return;
        }
        if one.is_after() {
            // A second look, not a hook of its own.
            return;
        }
        if self.state == HookState::InForce {
            self.note(format!("{place} runs it too, first: findings are printed twice"));
        } else {
            if let Some(reason) = self.state.reason().filter(|_| !self.is_absent()) {
                self.note(format!("the hook file is not in force: {reason}"));
            }
            self.state = HookState::InForce;
            self.note(format!("{place} names it, so git runs it before any hook file"));
        }
        self.configured = true;
        let first = (program.clone(), ProgramSource::Recorded);
        let old = (self.lookup.program.replace(first.0), self.lookup.source.replace(first.1));
        if let (Some(program), Some(source)) = old {
            self.lookup.others.insert(0, (program, source));
        }
    }

    /// Whether it is not installed as a file.
    fn is_absent(&self) -> bool {
        matches!(self.state, HookState::NotInForce(Defect::NotInstalled(None)))
    }
}

/// Judges a hook file.
fn of_file(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let shim = match slot.author() {
        Author::Bakstop(shim) => shim,
        author => return Health::new(slot.hook, foreign_state(slot, &author)),
    };
    let mut health = Health::new(slot.hook, HookState::InForce);
    if !slot.is_executable() {
        health.state = HookState::NotInForce(Defect::NotExecutable(name.clone()));
    } else if slot.hook == Hook::PreReceive && !slot.is_for_everyone() {
        health
            .note_for_install(format!("not every user can run {name}, so the server may skip it"));
    }
    if !shim.current {
        health.note_for_install(OTHER_VERSION);
    }
    health.without_program(&shim.fallback);
    if slot.has_kept() {
        health.note(kept_hook_note(slot));
    }
    if slot.is_chained() {
        health.note(format!("another hook manager runs it as {name}"));
    }
    if let Some(Recorded::Program(missing)) = &shim.recorded
        && !missing.is_file()
    {
        let missing = display_path(missing, &layout.top);
        health.note(format!("it was installed from {missing}, which no longer exists"));
    }
    health.lookup = match slot.hook {
        Hook::PreReceive => ProgramSearch::server(shim.recorded.as_ref()),
        _ => ProgramSearch::of(shim.recorded.as_ref(), slot.directory(), &layout.top, env),
    };
    health.refusals(layout);
    health
}

const OTHER_VERSION: &str = "it was written by another version of bakstop";

/// The state of a hook file that is not, or not only, ours.
fn foreign_state(slot: &Slot, author: &Author) -> HookState {
    let name = &slot.name;
    if *author == Author::BakstopAndOthers {
        HookState::Doubtful(format!("{name} was edited after bakstop wrote it"))
    } else if mentions_bakstop(slot.text()) {
        HookState::Doubtful(format!("{name} is not a hook of bakstop, but calls it"))
    } else {
        let other = (slot.file != HookFile::Missing).then(|| name.clone());
        HookState::NotInForce(Defect::NotInstalled(other))
    }
}

/// A note on whether the previous hook runs: our file runs it, if both are executable.
fn kept_hook_note(slot: &Slot) -> String {
    let kept = &slot.kept_name;
    match slot.kept_file.why_ignored() {
        Some(why) => format!("{kept} is kept; {}", still_ignored(why)),
        None if slot.is_executable() => format!("{kept} runs first"),
        None => format!("{kept} is kept, but does not run either"),
    }
}

/// Judges the block in a file of husky.
fn of_block(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let doubt = |reason: String| Health::new(slot.hook, HookState::Doubtful(reason));
    let defect = |defect: Defect| Health::new(slot.hook, HookState::NotInForce(defect));
    let (condition, fallback) = match block::look(slot.text(), slot.hook) {
        Found::Block(found) => (found.condition, found.fallback),
        Found::Pieces => return doubt(format!("{name} contains an incomplete bakstop block")),
        Found::Nothing if mentions_bakstop(slot.text()) => {
            return doubt(format!("{name} calls bakstop outside the bakstop block"));
        }
        Found::Nothing => return defect(Defect::NotInstalled(None)),
    };
    let mut health = match condition {
        Condition::Current | Condition::Older => Health::new(slot.hook, HookState::InForce),
        Condition::Edited => doubt(format!("the block in {name} was edited")),
        Condition::Crlf => defect(Defect::Crlf(name.clone())),
        Condition::Misplaced => defect(Defect::Misplaced(name.clone())),
    };
    if condition == Condition::Older {
        health.note_for_install(OTHER_VERSION);
    }
    health.without_program(&fallback);
    health.lookup = ProgramSearch::of(None, slot.directory(), &layout.top, env);
    health.refusals(layout);
    health
}

/// Why git does not run a tracked file of husky.
fn unreached_reason(slot: &Slot, husky: &Husky, layout: &Layout) -> Option<Defect> {
    if !husky.prepared {
        return Some(Defect::HuskyNotPrepared { old: husky.direct });
    }
    if husky.direct {
        return (!slot.is_executable()).then(|| Defect::HuskyNotExecutable(slot.name.clone()));
    }
    let stub = layout.hooks.join(slot.hook.name());
    let exists = binary::is_program(&stub) && layout.hooks.join("h").is_file();
    (!exists).then(|| Defect::NoStub(display_path(&stub, &layout.top)))
}

/// A part of the environment that disables the guard or its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interference {
    /// [`SKIP`] names these rules.
    Weakens(Vec<&'static Rule>),
    /// [`SKIP`] names an unknown rule: the guard cannot start, so every commit is blocked.
    Blocks(RepoPath),
    /// The guard is switched off.
    Disarms(Off),
}

/// How the guard is switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Off {
    /// A variable is 0.
    Variable(&'static str),
    /// The start file of husky sets a variable.
    StartFile(RepoPath),
    /// [`SKIP`] names every rule.
    EveryRule,
}

impl fmt::Display for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weakens(rules) => {
                let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
                write!(f, "{} ({SKIP})", ids.join(", "))
            }
            Self::Blocks(unknown) => write!(f, "{SKIP} names the unknown rule {unknown}"),
            Self::Disarms(Off::Variable(name)) => write!(f, "{name}=0 is set in this environment"),
            Self::Disarms(Off::StartFile(path)) => write!(f, "{path} sets HUSKY=0"),
            Self::Disarms(Off::EveryRule) => write!(f, "{SKIP} names every rule"),
        }
    }
}

/// The parts of the environment that disable the guard: either everything that switches it off, or
/// the effect of [`SKIP`].
pub(crate) fn interference(
    setup: &Setup,
    health: &[Health],
    env: &Environment,
) -> Result<Vec<Interference>, Error> {
    if matches!(setup, Setup::Server(_)) {
        // The hook runs in the environment of the server: no push can disable it.
        return Ok(Vec::new());
    }
    // Git runs a configured hook without husky.
    let husky = matches!(setup, Setup::Husky(_)) && !health.iter().all(|one| one.configured);
    let mut off = switched_off(husky, env)?;
    if off.is_empty() {
        // A guard that is switched off skips no rule.
        off.extend(skips(env));
    }
    Ok(off)
}

fn switched_off(husky: bool, env: &Environment) -> Result<Vec<Interference>, Error> {
    let zero = |name: &'static str| {
        let is_zero = env.get(name).is_some_and(|value| value == "0");
        is_zero.then_some(Interference::Disarms(Off::Variable(name)))
    };
    let mut off: Vec<Interference> = zero(SWITCH).into_iter().collect();
    if husky {
        off.extend(zero("HUSKY"));
        let start = env
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| env.get("HOME").map(|home| PathBuf::from(home).join(".config")))
            .map(|directory| directory.join("husky/init.sh"));
        if let Some(path) = start
            && read_if_exists(&path, Path::new(""))?.is_some_and(|text| switches_husky_off(&text))
        {
            let path = RepoPath::new(path.into_os_string().into_encoded_bytes());
            off.push(Interference::Disarms(Off::StartFile(path)));
        }
    }
    Ok(off)
}

/// The effect of [`SKIP`].
fn skips(env: &Environment) -> Option<Interference> {
    match skipped(env) {
        Err(unknown) => Some(Interference::Blocks(RepoPath::from(&*unknown))),
        Ok(none) if none.is_empty() => None,
        Ok(some) if some.len() < RULES.len() => Some(Interference::Weakens(some)),
        Ok(_) => Some(Interference::Disarms(Off::EveryRule)),
    }
}

/// Whether a line of husky's start file sets `HUSKY=0`.
fn switches_husky_off(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#")).any(
        |line| {
            ["HUSKY=0", "HUSKY='0'", "HUSKY=\"0\""]
                .iter()
                .any(|needle| find(line, needle.as_bytes()).is_some())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_file_of_husky_is_read_line_by_line() {
        for (text, off) in [
            ("export HUSKY=0\n", true),
            ("  HUSKY=\"0\"; export HUSKY", true),
            ("# export HUSKY=0\n", false),
            ("export PATH=/x:$PATH\nHUSKY=1\n", false),
            ("", false),
        ] {
            assert_eq!(switches_husky_off(text.as_bytes()), off, "{text}");
        }
    }

    #[test]
    fn skipped_rules_are_reported_as_interference() {
        let skips = |value: &str| skips(&[(SKIP, value)].into_iter().collect());
        let every = RULES.map(|rule| rule.id).join(",");
        for (value, expected) in [
            (" , ", None),
            ("stray-backup", Some("stray-backup (BAKSTOP_SKIP)")),
            ("stray-backup, \u{1b}x", Some("BAKSTOP_SKIP names the unknown rule \\u{001b}x")),
            (&every, Some("BAKSTOP_SKIP names every rule")),
        ] {
            assert_eq!(skips(value).map(|one| one.to_string()).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn the_worst_state_is_the_greatest() {
        assert!(HookState::InForce < HookState::Doubtful(String::new()));
        assert!(HookState::Doubtful("z".into()) < HookState::NotInForce(Defect::NotNamed));
    }
}
