//! Whether the hooks are in force, and if not, why.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::error::Error;
use crate::git::layout::Layout;
use crate::hooks::block::{self, Condition, Found};
use crate::hooks::plan::stays_idle;
use crate::hooks::setup::{Guard, Husky, Setup, names_us};
use crate::hooks::shim::Author;
use crate::hooks::slot::{Place, Slot, Stand};
pub use crate::hooks::state::State;
use crate::hooks::{Hook, SKIP, SWITCH, binary, find, read_if_there, shown, skipped};
use crate::path::RepoPath;
use crate::rules::RULES;

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which.
    pub hook: Hook,
    /// How it stands.
    pub state: State,
    /// Whether `bakstop install` is the next step.
    pub install_helps: bool,
    /// What else is good to know.
    pub notes: Vec<String>,
    /// The program that it runs.
    pub binary: Option<PathBuf>,
}

const NO_BINARY: &str =
    "it finds no bakstop, and blocks everything: put the program into ~/.local/bin or a directory of PATH";
const NO_BINARY_ON_SERVER: &str = "it finds no bakstop, and blocks every push";

/// What is said of a text that another version wrote.
fn older(hook: Hook) -> String {
    format!("its text is of another version; `{}` renews it", hook.install())
}

/// Judges every hook of a repository.
pub fn of(setup: &Setup, layout: &Layout, env: &Environment) -> Result<Vec<Health>, Error> {
    let top = &layout.top;
    match setup {
        Setup::Native { directory, .. } => {
            let place = Place::native(directory, top)?;
            Ok(shown_slots(&place).map(|slot| of_file(slot, layout, env).finish()).collect())
        }
        Setup::Server(server) => {
            let (place, obstacle) = (server.place(layout)?, server.obstacle(layout)?);
            let of = |slot: &Slot| of_file(slot, layout, env).reached(obstacle.clone()).finish();
            Ok(place.slots.iter().map(of).collect())
        }
        Setup::Husky(husky) => {
            let place = Place::husky(&husky.directory, top)?;
            let of = |slot: &Slot| {
                // A file of its own was made for an older husky, and serves a newer one as well.
                let ours = slot.author() != Author::Others;
                let health = if ours { of_file(slot, layout, env) } else { of_block(slot, layout, env) };
                health.reached(unreached(slot, husky, layout)).finish()
            };
            Ok(shown_slots(&place).map(of).collect())
        }
        Setup::Foreign(foreign) => {
            let state = |guard: &Guard| match guard {
                Guard::Named => {
                    State::Doubtful("bakstop is named there, but bakstop cannot see whether it runs".into())
                }
                Guard::NotNamed => State::NotInForce("bakstop is not named there".into()),
                Guard::SwitchedOff => State::NotInForce("git runs no hook".into()),
            };
            Ok(foreign.guards.iter().map(|(hook, guard)| Health::new(*hook, state(guard))).collect())
        }
    }
}

/// The hooks of a clone that count: the usual ones, and what was installed besides.
fn shown_slots(place: &Place) -> impl Iterator<Item = &Slot> {
    place.slots.iter().filter(|slot| Hook::USUAL.contains(&slot.hook) || slot.is_ours())
}

impl Health {
    fn new(hook: Hook, state: State) -> Self {
        Self { hook, state, install_helps: false, notes: Vec::new(), binary: None }
    }

    /// A hook that is in force once it is installed.
    fn to_install(hook: Hook, reason: String) -> Self {
        Self { install_helps: true, ..Self::new(hook, State::NotInForce(reason)) }
    }

    /// A hook that git does not get to is not in force.
    fn reached(mut self, obstacle: Option<State>) -> Self {
        if let (State::InForce, Some(state)) = (&self.state, obstacle) {
            self.state = state;
        }
        self
    }

    /// A hook that finds no program guards nothing, although nothing gets past it.
    fn finish(mut self) -> Self {
        if self.state == State::InForce && self.binary.is_none() {
            let server = self.hook == Hook::PreReceive;
            self.state = State::NotInForce(if server { NO_BINARY_ON_SERVER } else { NO_BINARY }.to_owned());
            self.install_helps |= server;
        }
        self
    }
}

fn of_file(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let shim = match slot.author() {
        Author::Bakstop(shim) => shim,
        Author::BakstopAndOthers => {
            return Health::new(slot.hook, State::Doubtful(format!("{name} was edited after bakstop wrote it")));
        }
        Author::Others => {
            return if names_us(slot.text()) {
                Health::new(slot.hook, State::Doubtful(format!("{name} is not ours, and names bakstop")))
            } else if slot.stand == Stand::Nothing {
                Health::to_install(slot.hook, "not installed".into())
            } else {
                Health::to_install(slot.hook, format!("not installed ({name} is not ours)"))
            };
        }
    };
    let mut health = if slot.is_executable() {
        Health::new(slot.hook, State::InForce)
    } else {
        Health::to_install(slot.hook, format!("{name} is not executable: git ignores it"))
    };
    if slot.hook == Hook::PreReceive && slot.is_executable() && !slot.is_for_everyone() {
        let then = format!("`{}` changes that", slot.hook.install());
        health.notes.push(format!("not every user can run {name}, so the server may pass it over; {then}"));
    }
    health.notes.extend((!shim.current).then(|| older(slot.hook)));
    health.notes.extend(slot.has_kept().then(|| about_kept(slot)));
    health.notes.extend(slot.is_chained().then(|| format!("another hook manager runs it as {name}")));
    if let Some(missing) = shim.binary.as_ref().filter(|path| !path.is_file()) {
        health.notes.push(format!("it was installed from {}, which is gone", shown(missing, &layout.top)));
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
    match slot.kept_stand.idle() {
        Some(why) => format!("{kept} is kept; {}", stays_idle(why)),
        None if slot.is_executable() => format!("{kept} runs first"),
        None => format!("{kept} is kept, and does not run either"),
    }
}

fn of_block(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let condition = match block::look(slot.text(), slot.hook) {
        Found::Block(found) => found.condition,
        Found::Pieces => return Health::new(slot.hook, State::Doubtful(format!("{name} holds pieces of a block"))),
        Found::Nothing if names_us(slot.text()) => {
            return Health::new(slot.hook, State::Doubtful(format!("{name} names bakstop, outside a block")));
        }
        Found::Nothing => return Health::to_install(slot.hook, "not installed".into()),
    };
    let state = match condition {
        Condition::Current | Condition::Older => State::InForce,
        Condition::Edited => State::Doubtful(format!("the block in {name} was edited")),
        Condition::Crlf => State::NotInForce(format!(
            "the lines of {name} end in CRLF, which no shell can run: add `.husky/* text eol=lf` to .gitattributes"
        )),
        Condition::Misplaced => State::NotInForce(format!(
            "lines of {name} stand before the block, and can end the hook; `bakstop install` moves it up"
        )),
    };
    let mut health = Health::new(slot.hook, state);
    health.notes.extend((condition == Condition::Older).then(|| older(slot.hook)));
    health.binary = binary::found_by_husky(&layout.top, env);
    health
}

/// Why git does not get to a tracked file of husky.
fn unreached(slot: &Slot, husky: &Husky, layout: &Layout) -> Option<State> {
    obstacle(slot, husky, layout).map(State::NotInForce)
}

fn obstacle(slot: &Slot, husky: &Husky, layout: &Layout) -> Option<String> {
    if !husky.prepared {
        return Some("husky is not prepared in this clone: run it (`npx husky`, or install the dependencies)".into());
    }
    if husky.direct {
        return (!slot.is_executable()).then(|| {
            let file = slot.name.as_pathspec(false);
            format!("{} is not executable: git ignores it; make it so (`chmod +x {file}`)", slot.name)
        });
    }
    let stub = layout.hooks.join(slot.hook.name());
    let is_there = binary::is_program(&stub) && layout.hooks.join("h").is_file();
    (!is_there).then(|| {
        let stub = shown(&stub, &layout.top);
        format!("{stub} is missing in this work tree: run husky (`npx husky`, or install the dependencies)")
    })
}

/// What the environment does to the guard; what is worst sorts last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interference {
    /// Some rules are passed over.
    Weakens(String),
    /// The guard cannot start, so nothing gets past it.
    Blocks(String),
    /// The guard is switched off.
    Disarms(String),
}

/// What in the environment switches the guard off, or a part of it.
pub fn interference(setup: &Setup, env: &Environment) -> Result<Vec<Interference>, Error> {
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
    let zero = |name: &str| {
        let is_zero = env.get(name).is_some_and(|value| value == "0");
        is_zero.then(|| Interference::Disarms(format!("{name}=0 is set in this environment")))
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
            off.push(Interference::Disarms(format!("{path} sets HUSKY=0")));
        }
    }
    Ok(off)
}

/// What `BAKSTOP_SKIP` does.
fn skips(env: &Environment) -> Option<Interference> {
    let skipped = match skipped(env) {
        Err(unknown) => {
            return Some(Interference::Blocks(format!("{SKIP} names no rule {}", RepoPath::from(&*unknown))));
        }
        Ok(skipped) => skipped,
    };
    match skipped.len() {
        0 => None,
        some if some < RULES.len() => {
            let names: Vec<&str> = skipped.iter().map(|rule| rule.id).collect();
            Some(Interference::Weakens(format!("{} ({SKIP})", names.join(", "))))
        }
        _ => Some(Interference::Disarms(format!("{SKIP} names every rule"))),
    }
}

/// Whether a line of husky's start file sets `HUSKY=0`.
fn switches_husky_off(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#")).any(|line| {
        ["HUSKY=0", "HUSKY='0'", "HUSKY=\"0\""].iter().any(|needle| find(line, needle.as_bytes()).is_some())
    })
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
            ("stray-backup", Some(Interference::Weakens("stray-backup (BAKSTOP_SKIP)".into()))),
            ("stray-backup, \u{1b}x", Some(Interference::Blocks("BAKSTOP_SKIP names no rule \\u{001b}x".into()))),
            (&every, Some(Interference::Disarms("BAKSTOP_SKIP names every rule".into()))),
        ] {
            assert_eq!(skips(value), expected, "{value}");
        }
        assert!(Interference::Weakens("z".into()) < Interference::Blocks("y".into()));
        assert!(Interference::Blocks("z".into()) < Interference::Disarms("y".into()));
    }

    #[test]
    fn what_is_worst_sorts_last() {
        assert!(State::InForce < State::Doubtful(String::new()));
        assert!(State::Doubtful("z".into()) < State::NotInForce(String::new()));
    }
}
