//! Whether the hooks are in force, and if not, why.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::error::Error;
use crate::git::layout::Layout;
use crate::hooks::block::{self, Condition, Found};
use crate::hooks::setup::{Husky, Setup, names_us};
use crate::hooks::shim::Author;
use crate::hooks::slot::{Place, Slot, Stand};
use crate::hooks::{Hook, SKIP, SWITCH, binary, find, read_if_there, shown};
use crate::path::RepoPath;

/// How a hook stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// git runs it, and it runs the guard.
    InForce,
    /// It cannot be told without running it.
    Doubtful(String),
    /// The guard does not run.
    NotInForce(String),
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which.
    pub hook: Hook,
    /// How it stands.
    pub state: State,
    /// What else is good to know.
    pub notes: Vec<String>,
    /// The program that it runs.
    pub binary: Option<PathBuf>,
}

const NO_BINARY: &str =
    "it finds no bakstop, and blocks everything: put the program into ~/.local/bin or a directory of PATH";
const OLDER: &str = "its text is of another version; `bakstop install` renews it";

/// Judges every hook of a repository.
pub fn of(setup: &Setup, layout: &Layout, env: &Environment) -> Result<Vec<Health>, Error> {
    let top = &layout.top;
    match setup {
        Setup::Native { directory, .. } => {
            let place = Place::native(directory, top)?;
            Ok(place.slots.iter().map(|slot| of_file(slot, layout, env).finish()).collect())
        }
        Setup::Husky(husky) => {
            let place = Place::husky(&husky.directory, top)?;
            let of = |slot: &Slot| {
                // A file of its own was made for an older husky, and serves a newer one as well.
                let ours = slot.author() != Author::Others;
                let health = if ours { of_file(slot, layout, env) } else { of_block(slot, layout, env) };
                health.reached(unreached(slot, husky, layout)).finish()
            };
            Ok(place.slots.iter().map(of).collect())
        }
        Setup::Foreign(foreign) => {
            let state = if foreign.names_us {
                State::Doubtful("bakstop is named there; whether it runs is not ours to see".into())
            } else {
                State::NotInForce("bakstop is not named there".into())
            };
            Ok(Hook::ALL.into_iter().map(|hook| Health::new(hook, state.clone())).collect())
        }
    }
}

impl Health {
    fn new(hook: Hook, state: State) -> Self {
        Self { hook, state, notes: Vec::new(), binary: None }
    }

    /// A hook that git does not get to is not in force.
    fn reached(mut self, obstacle: Option<String>) -> Self {
        if let (State::InForce, Some(reason)) = (&self.state, obstacle) {
            self.state = State::NotInForce(reason);
        }
        self
    }

    /// A hook that finds no program guards nothing, although nothing gets past it.
    fn finish(mut self) -> Self {
        if self.state == State::InForce && self.binary.is_none() {
            self.state = State::NotInForce(NO_BINARY.to_owned());
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
            let state = if names_us(slot.text()) {
                State::Doubtful(format!("{name} is not ours, and names bakstop"))
            } else if slot.stand == Stand::Nothing {
                State::NotInForce("not installed".into())
            } else {
                State::NotInForce(format!("not installed ({name} is not ours)"))
            };
            return Health::new(slot.hook, state);
        }
    };
    let state = if slot.is_executable() {
        State::InForce
    } else {
        State::NotInForce(format!("{name} is not executable: git ignores it"))
    };
    let mut health = Health::new(slot.hook, state);
    health.notes.extend((!shim.current).then(|| OLDER.to_owned()));
    health.notes.extend(slot.has_kept.then(|| format!("{} runs first", slot.kept_name)));
    health.notes.extend(slot.is_chained().then(|| format!("another hook manager runs it as {name}")));
    if let Some(missing) = shim.binary.as_ref().filter(|path| !path.is_file()) {
        health.notes.push(format!("it was installed from {}, which is gone", shown(missing, &layout.top)));
    }
    health.binary = binary::found_by_hook(shim.binary.as_deref(), &layout.top, env);
    health
}

fn of_block(slot: &Slot, layout: &Layout, env: &Environment) -> Health {
    let name = &slot.name;
    let condition = match block::look(slot.text(), slot.hook) {
        Found::Block(found) => found.condition,
        Found::Pieces => return Health::new(slot.hook, State::Doubtful(format!("{name} holds pieces of a block"))),
        Found::Nothing if names_us(slot.text()) => {
            return Health::new(slot.hook, State::Doubtful(format!("{name} names bakstop, outside a block")));
        }
        Found::Nothing => return Health::new(slot.hook, State::NotInForce("not installed".into())),
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
    health.notes.extend((condition == Condition::Older).then(|| OLDER.to_owned()));
    health.binary = binary::found_by_husky(&layout.top, env);
    health
}

/// Why git does not get to a tracked file of husky.
fn unreached(slot: &Slot, husky: &Husky, layout: &Layout) -> Option<String> {
    if !husky.prepared {
        return Some("husky is not prepared in this clone: run it (`npx husky`, or install the dependencies)".into());
    }
    if husky.direct {
        return (!slot.is_executable()).then(|| format!("{} is not executable: git ignores it", slot.name));
    }
    let stub = layout.hooks.join(slot.hook.name());
    let is_there = binary::is_program(&stub) && layout.hooks.join("h").is_file();
    (!is_there).then(|| {
        let stub = shown(&stub, &layout.top);
        format!("{stub} is missing in this work tree: run husky (`npx husky`, or install the dependencies)")
    })
}

/// What in the environment switches the guard off, or a part of it.
pub fn disarmed(setup: &Setup, env: &Environment) -> Result<Vec<String>, Error> {
    let mut reasons = Vec::new();
    let is_zero = |name: &str| env.get(name).is_some_and(|value| value == "0");
    if is_zero(SWITCH) {
        reasons.push(format!("{SWITCH}=0 is set in this environment"));
    }
    if let Some(rules) = env.get(SKIP) {
        let rules = RepoPath::new(rules.as_encoded_bytes());
        reasons.push(format!("{SKIP}={rules} is set in this environment"));
    }
    if matches!(setup, Setup::Husky(_)) {
        if is_zero("HUSKY") {
            reasons.push("HUSKY=0 is set in this environment".to_owned());
        }
        let start = env
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| env.get("HOME").map(|home| PathBuf::from(home).join(".config")))
            .map(|directory| directory.join("husky/init.sh"));
        if let Some(path) = start
            && read_if_there(&path, Path::new(""))?.is_some_and(|text| switches_husky_off(&text))
        {
            reasons.push(format!("{} sets HUSKY=0", RepoPath::new(path.into_os_string().into_encoded_bytes())));
        }
    }
    Ok(reasons)
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
    fn what_is_worst_sorts_last() {
        assert!(State::InForce < State::Doubtful(String::new()));
        assert!(State::Doubtful("z".into()) < State::NotInForce(String::new()));
    }
}
