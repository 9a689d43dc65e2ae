//! `bakstop status`: say which hooks are in force, what they run, and what disarms them.

use std::path::PathBuf;

use crate::commands::{Context, Outcome};
use crate::error::Error;
use crate::finding::Verdict;
use crate::git::Git;
use crate::git::layout::Layout;
use crate::hooks::health::{self, Health, State};
use crate::hooks::setup::{Choice, Setup};
use crate::hooks::{binary, shown};

/// The arguments: none.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Looks, and changes nothing.
pub fn run(_args: &Args, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    let setup = Setup::find(&layout, &git, Choice::Detect)?;
    let health = health::of(&setup, &layout, &context.env)?;
    let disarmed = health::disarmed(&setup, &context.env)?;

    let mut text = format!("{}\n\n", arrangement(&setup, &layout));
    let width = health.iter().map(|health| health.hook.name().len()).max().unwrap_or_default();
    for health in &health {
        text += &line(health, width, context);
    }
    let mut mute = false;
    for program in programs(&health) {
        let version = binary::version(&program);
        mute |= version.is_none();
        let version = version.map_or("which does not tell its version".into(), |version| format!("version {version}"));
        text += &format!("{:width$}  {}, {version}\n", "program", shown(&program, &layout.top));
    }
    for reason in &disarmed {
        text += &format!("{:width$}  {} {reason}\n", "", context.paint.bad("disarmed:"));
    }
    let worst = health.iter().map(|health| &health.state).max();
    let (verdict, summary) = match worst {
        Some(State::InForce) if mute => (Verdict::Failed, "it cannot be told whether the guard is in force"),
        Some(State::InForce) if disarmed.is_empty() => (Verdict::Clean, "in force"),
        Some(State::InForce) => (Verdict::Found, "disarmed in this environment"),
        Some(State::NotInForce(_)) => (Verdict::Found, "not in force"),
        Some(State::Doubtful(_)) | None => (Verdict::Failed, "it cannot be told whether the guard is in force"),
    };
    if let Setup::Foreign(foreign) = setup
        && !foreign.names_us
    {
        text += &format!("\n{} {}\n", context.paint.strong("help:"), foreign.by_hand);
    }
    text += &format!("\n{} {summary}\n", context.paint.strong("bakstop:"));
    Ok(Outcome::new(verdict, text))
}

/// Who runs the hooks.
fn arrangement(setup: &Setup, layout: &Layout) -> String {
    match setup {
        Setup::Native { directory, tracked: false } => {
            format!("git runs the hooks in {}", shown(directory, &layout.top))
        }
        Setup::Native { directory, tracked: true } => {
            format!("git runs the hooks in {}, which are shared", shown(directory, &layout.top))
        }
        Setup::Husky(husky) => format!("husky runs the hooks in {}", shown(&husky.directory, &layout.top)),
        Setup::Foreign(foreign) => foreign.cause.clone(),
    }
}

fn line(health: &Health, width: usize, context: &Context) -> String {
    let paint = context.paint;
    let state = match &health.state {
        State::InForce => paint.good("in force"),
        State::Doubtful(reason) => format!("{} {reason}", paint.doubtful("cannot be told:")),
        State::NotInForce(reason) => format!("{} {reason}", paint.bad("not in force:")),
    };
    let mut text = format!("{:width$}  {state}\n", health.hook.name());
    for note in &health.notes {
        text += &format!("{:width$}  {note}\n", "");
    }
    text
}

/// The programs that the hooks run, each once.
fn programs(health: &[Health]) -> Vec<PathBuf> {
    let mut programs: Vec<PathBuf> = health.iter().filter_map(|health| health.binary.clone()).collect();
    programs.dedup();
    programs
}
