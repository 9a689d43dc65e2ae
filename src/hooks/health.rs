//! Whether the hooks are in force, and if not, why.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::{RepoPath, shell_quote};
use crate::hooks::block::{self, Condition, Found};
use crate::hooks::layout::Layout;
use crate::hooks::plan::still_ignored;
use crate::hooks::setup::{Guard, Husky, Setup, names_us};
use crate::hooks::shim::Author;
use crate::hooks::slot::{HookDirectory, HookFile, Slot};
pub(crate) use crate::hooks::state::HookState;
use crate::hooks::{Hook, SKIP, SWITCH, binary, find, read_if_there, shown, skipped};
use crate::os::env::Environment;
use crate::rules::RULES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub hook: Hook,
    pub state: HookState,
    /// Whether `bakstop install` is the next step.
    pub install_helps: bool,
    /// What else is good to know.
    pub notes: Vec<String>,
    /// The program that it runs.
    pub binary: Option<PathBuf>,
    /// Whether nothing but the program is missing, so that it blocks everything.
    pub lacks_program: bool,
}

/// What is said of a text that another version wrote.
fn older(hook: Hook) -> String {
    format!("its text is of another version; `{}` renews it", hook.install())
}

/// Judges every hook of a repository.
pub(crate) fn of(setup: &Setup, layout: &Layout, env: &Environment) -> Result<Vec<Health>, Error> {
    let top = &layout.top;
    match setup {
        Setup::Native { directory, .. } => {
            let place = HookDirectory::native(directory, top)?;
            Ok(shown_slots(&place).map(|slot| of_file(slot, layout, env).finish()).collect())
        }
        Setup::Server(server) => {
            let (place, obstacle) = (server.place(layout)?, server.obstacle(layout)?);
            let of = |slot: &Slot| of_file(slot, layout, env).reached(obstacle.clone()).finish();
            Ok(place.slots.iter().map(of).collect())
        }
        Setup::Husky(husky) => {
            let place = HookDirectory::husky(&husky.directory, top)?;
            let of = |slot: &Slot| {
                // A file of its own was made for an older husky, and serves a newer one as well.
                let ours = slot.author() != Author::Others;
                let health =
                    if ours { of_file(slot, layout, env) } else { of_block(slot, layout, env) };
                health.reached(unreached(slot, husky, layout)).finish()
            };
            Ok(shown_slots(&place).map(of).collect())
        }
        Setup::Foreign(foreign) => {
            let state = |guard: &Guard| match guard {
                Guard::Named => HookState::Doubtful(
                    "bakstop is named there, but bakstop cannot see whether it runs".into(),
                ),
                Guard::NotNamed => HookState::not_in_force("bakstop is not named there"),
                Guard::SwitchedOff => HookState::not_in_force("git runs no hook"),
            };
            Ok(foreign
                .guards
                .iter()
                .map(|(hook, guard)| Health::new(*hook, state(guard)))
                .collect())
        }
    }
}

/// The hooks of a clone that count: the usual ones, and what was installed besides.
fn shown_slots(place: &HookDirectory) -> impl Iterator<Item = &Slot> {
    place.slots.iter().filter(|slot| Hook::USUAL.contains(&slot.hook) || slot.is_ours())
}

impl Health {
    fn new(hook: Hook, state: HookState) -> Self {
        Self {
            hook,
            state,
            install_helps: false,
            notes: Vec::new(),
            binary: None,
            lacks_program: false,
        }
    }

    /// A hook that is in force once it is installed.
    fn to_install(hook: Hook, reason: String) -> Self {
        Self { install_helps: true, ..Self::new(hook, HookState::not_in_force(reason)) }
    }

    /// A hook that git does not get to is not in force.
    fn reached(mut self, obstacle: Option<HookState>) -> Self {
        if let (HookState::InForce, Some(state)) = (&self.state, obstacle) {
            self.state = state;
        }
        self
    }

    /// A hook that finds no program guards nothing, although nothing gets past it.
    fn finish(mut self) -> Self {
        if self.state == HookState::InForce && self.binary.is_none() {
            self.lacks_program = true;
            if self.hook == Hook::PreReceive {
                self.state = HookState::not_in_force("it finds no bakstop, and blocks every push");
                self.install_helps = true;
            } else {
                let cure = "put the program into ~/.local/bin or a directory of PATH";
                self.state =
                    HookState::curable("it finds no bakstop, and blocks everything", ": ", cure);
            }
        }
        self
    }
}

fn of_file(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let shim = match slot.author() {
        Author::Bakstop(shim) => shim,
        Author::BakstopAndOthers => {
            return Health::new(
                slot.hook,
                HookState::Doubtful(format!("{name} was edited after bakstop wrote it")),
            );
        }
        Author::Others => {
            return if names_us(slot.text()) {
                Health::new(
                    slot.hook,
                    HookState::Doubtful(format!("{name} is not ours, and names bakstop")),
                )
            } else if slot.file == HookFile::Missing {
                Health::to_install(slot.hook, "not installed".into())
            } else {
                Health::to_install(slot.hook, format!("not installed ({name} is not ours)"))
            };
        }
    };
    let mut health = if slot.is_executable() {
        Health::new(slot.hook, HookState::InForce)
    } else {
        Health::to_install(slot.hook, format!("{name} is not executable: git ignores it"))
    };
    if slot.hook == Hook::PreReceive && slot.is_executable() && !slot.is_for_everyone() {
        let then = format!("`{}` changes that", slot.hook.install());
        health
            .notes
            .push(format!("not every user can run {name}, so the server may pass it over; {then}"));
    }
    health.notes.extend((!shim.current).then(|| older(slot.hook)));
    health.notes.extend(slot.has_kept().then(|| about_kept(slot)));
    health
        .notes
        .extend(slot.is_chained().then(|| format!("another hook manager runs it as {name}")));
    if let Some(missing) = shim.binary.as_ref().filter(|path| !path.is_file()) {
        health
            .notes
            .push(format!("it was installed from {}, which is gone", shown(missing, &layout.top)));
    }
    health.binary = match slot.hook {
        Hook::PreReceive => shim.binary.filter(|path| binary::is_program(path)),
        _ => binary::found_by_hook(shim.binary.as_deref(), &layout.top, env),
    };
    health
}

/// What becomes of the hook that was here before: our file runs it, if both can be run.
fn about_kept(slot: &Slot) -> String {
    let kept = &slot.kept_name;
    match slot.kept_file.why_ignored() {
        Some(why) => format!("{kept} is kept; {}", still_ignored(why)),
        None if slot.is_executable() => format!("{kept} runs first"),
        None => format!("{kept} is kept, and does not run either"),
    }
}

fn of_block(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let condition = match block::look(slot.text(), slot.hook) {
        Found::Block(found) => found.condition,
        Found::Pieces => {
            return Health::new(
                slot.hook,
                HookState::Doubtful(format!("{name} holds pieces of a block")),
            );
        }
        Found::Nothing if names_us(slot.text()) => {
            return Health::new(
                slot.hook,
                HookState::Doubtful(format!("{name} names bakstop, outside a block")),
            );
        }
        Found::Nothing => return Health::to_install(slot.hook, "not installed".into()),
    };
    let state = match condition {
        Condition::Current | Condition::Older => HookState::InForce,
        Condition::Edited => HookState::Doubtful(format!("the block in {name} was edited")),
        Condition::Crlf => HookState::curable(
            format!("the lines of {name} end in CRLF, which no shell can run"),
            ": ",
            "add `.husky/* text eol=lf` to .gitattributes",
        ),
        Condition::Misplaced => HookState::curable(
            format!("lines of {name} stand before the block, and can end the hook"),
            "; ",
            "`bakstop install` moves it up",
        ),
    };
    let mut health = Health::new(slot.hook, state);
    health.notes.extend((condition == Condition::Older).then(|| older(slot.hook)));
    health.binary = binary::found_by_husky(&layout.top, env);
    health
}

/// Why git does not get to a tracked file of husky.
fn unreached(slot: &Slot, husky: &Husky, layout: &Layout) -> Option<HookState> {
    if !husky.prepared {
        let cure = "run it (`npx husky`, or install the dependencies)";
        return Some(HookState::curable("husky is not prepared in this clone", ": ", cure));
    }
    if husky.direct {
        return (!slot.is_executable()).then(|| {
            let here: &[u8] = if slot.name.as_bytes().starts_with(b"-") { b"./" } else { b"" };
            let file = [here, slot.name.as_bytes()].concat();
            let cure = format!("make it so (`chmod +x {}`)", shell_quote(&file));
            HookState::curable(
                format!("{} is not executable: git ignores it", slot.name),
                "; ",
                cure,
            )
        });
    }
    let stub = layout.hooks.join(slot.hook.name());
    let is_there = binary::is_program(&stub) && layout.hooks.join("h").is_file();
    (!is_there).then(|| {
        let reason = format!("{} is missing in this work tree", shown(&stub, &layout.top));
        HookState::curable(reason, ": ", "run husky (`npx husky`, or install the dependencies)")
    })
}

/// What the environment does to the guard; what is worst sorts last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interference {
    /// [`SKIP`] names these rules, which are passed over.
    Weakens(Vec<&'static str>),
    /// [`SKIP`] names what is no rule; the guard cannot start, so nothing gets past it.
    Blocks(RepoPath),
    /// The guard is switched off.
    Disarms(Off),
}

/// What switches the guard off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Off {
    /// A variable, which is 0.
    Variable(&'static str),
    /// The start file of husky, which sets a variable.
    StartFile(RepoPath),
    /// [`SKIP`] names every rule.
    EveryRule,
}

impl fmt::Display for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weakens(rules) => write!(f, "{} ({SKIP})", rules.join(", ")),
            Self::Blocks(unknown) => write!(f, "{SKIP} names no rule {unknown}"),
            Self::Disarms(Off::Variable(name)) => write!(f, "{name}=0 is set in this environment"),
            Self::Disarms(Off::StartFile(path)) => write!(f, "{path} sets HUSKY=0"),
            Self::Disarms(Off::EveryRule) => write!(f, "{SKIP} names every rule"),
        }
    }
}

/// What in the environment switches the guard off, or a part of it.
pub(crate) fn interference(setup: &Setup, env: &Environment) -> Result<Vec<Interference>, Error> {
    if matches!(setup, Setup::Server(_)) {
        // It runs in the environment of the server, and nobody who pushes can switch it off.
        return Ok(Vec::new());
    }
    let mut off = switched_off(setup, env)?;
    if off.is_empty() {
        // A guard that does not start reads no rules.
        off.extend(skips(env));
    }
    Ok(off)
}

fn switched_off(setup: &Setup, env: &Environment) -> Result<Vec<Interference>, Error> {
    let zero = |name: &'static str| {
        let is_zero = env.get(name).is_some_and(|value| value == "0");
        is_zero.then_some(Interference::Disarms(Off::Variable(name)))
    };
    let mut off: Vec<Interference> = zero(SWITCH).into_iter().collect();
    if matches!(setup, Setup::Husky(_)) {
        off.extend(zero("HUSKY"));
        let start = env
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| env.get("HOME").map(|home| PathBuf::from(home).join(".config")))
            .map(|directory| directory.join("husky/init.sh"));
        if let Some(path) = start
            && read_if_there(&path, Path::new(""))?.is_some_and(|text| switches_husky_off(&text))
        {
            let path = RepoPath::new(path.into_os_string().into_encoded_bytes());
            off.push(Interference::Disarms(Off::StartFile(path)));
        }
    }
    Ok(off)
}

/// What `BAKSTOP_SKIP` does.
fn skips(env: &Environment) -> Option<Interference> {
    match skipped(env) {
        Err(unknown) => Some(Interference::Blocks(RepoPath::from(&*unknown))),
        Ok(none) if none.is_empty() => None,
        Ok(some) if some.len() < RULES.len() => {
            Some(Interference::Weakens(some.iter().map(|rule| rule.id).collect()))
        }
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
    fn what_is_skipped_weakens_blocks_or_disarms() {
        let skips = |value: &str| skips(&[(SKIP, value)].into_iter().collect());
        let every = RULES.map(|rule| rule.id).join(",");
        for (value, expected) in [
            (" , ", None),
            ("stray-backup", Some("stray-backup (BAKSTOP_SKIP)")),
            ("stray-backup, \u{1b}x", Some("BAKSTOP_SKIP names no rule \\u{001b}x")),
            (&every, Some("BAKSTOP_SKIP names every rule")),
        ] {
            assert_eq!(skips(value).map(|one| one.to_string()).as_deref(), expected, "{value}");
        }
        assert!(Interference::Weakens(vec!["z"]) < Interference::Blocks("y".into()));
        assert!(Interference::Blocks("z".into()) < Interference::Disarms(Off::Variable("y")));
    }

    #[test]
    fn what_is_worst_sorts_last() {
        assert!(HookState::InForce < HookState::Doubtful(String::new()));
        assert!(HookState::Doubtful("z".into()) < HookState::not_in_force(""));
    }
}
