//! `bakstop status`: report which hooks are in force, what they run, and what switches them off.

use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::cure::setup as cure;
use crate::git::Git;
use crate::hooks::health::{self, Health, Interference};
use crate::hooks::layout::Layout;
use crate::hooks::setup::{Choice, Setup};
use crate::hooks::state::HookState;
use crate::hooks::{Hook, binary, display_path};
use crate::report;
use crate::report::paint::Paint;

// The arguments: none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Reports the state of the hooks.
pub(crate) fn run(_args: &Args, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    let setup = Setup::find(&layout, &git, Choice::Detect, &Hook::USUAL)?;
    let health = health::of(&setup, &layout, &context.env)?;
    let mut interference = health::interference(&setup, &context.env)?;
    if health.iter().all(|health| matches!(health.state, HookState::NotInForce(_))) {
        // A guard that does not run blocks no commits.
        interference.retain(|one| !matches!(one, Interference::Blocks(_)));
    }
    let programs: Vec<_> =
        programs(&health).into_iter().map(|path| (binary::version(&path), path)).collect();

    let mut rows = hooks(&health, context.paint);
    rows.extend(programs.iter().map(|(version, program)| {
        let version = version.as_deref().unwrap_or("unknown");
        ("program", format!("{}, version {version}", display_path(program, &layout.top)))
    }));
    rows.extend(interference.iter().map(|one| ("", describe(one, context.paint))));
    let mut text =
        format!("{}\n\n{}", describe_setup(&setup, &layout), report::rows(&rows, str::to_owned));
    if let Some(help) = cure::hooks_help(&setup, &health, &layout) {
        text += &format!("\n{} {help}\n", context.paint.strong("help:"));
    }
    let all_versions_known = programs.iter().all(|(version, _)| version.is_some());
    let (verdict, summary) = verdict(&health, interference.first(), all_versions_known);
    text += &format!("\n{} {summary}\n", context.paint.strong("bakstop:"));
    Ok(Outcome::new(verdict, text))
}

fn verdict(
    health: &[Health],
    interference: Option<&Interference>,
    all_versions_known: bool,
) -> (Verdict, &'static str) {
    match (health.iter().map(|health| &health.state).max(), interference) {
        (Some(HookState::NotInForce(_)), _) => (Verdict::Found, "not in force"),
        (Some(HookState::InForce), interference) if all_versions_known => match interference {
            None => (Verdict::Clean, "in force"),
            Some(Interference::Weakens(_)) => {
                (Verdict::Found, "in force, but rules are skipped in this environment")
            }
            Some(Interference::Blocks(_)) => {
                (Verdict::Found, "in force, but it cannot work in this environment")
            }
            Some(Interference::Disarms(_)) => (Verdict::Found, "disabled in this environment"),
        },
        _ => (Verdict::Failed, "it is unknown whether the guard is in force"),
    }
}

fn describe(interference: &Interference, paint: Paint) -> String {
    let label = match interference {
        Interference::Weakens(_) => paint.doubtful("not checked:"),
        Interference::Blocks(_) => paint.bad("every commit is blocked:"),
        Interference::Disarms(_) => paint.bad("disabled:"),
    };
    format!("{label} {interference}")
}

/// Who runs the hooks.
fn describe_setup(setup: &Setup, layout: &Layout) -> String {
    match setup {
        Setup::Native { directory, tracked: false } => {
            format!("git runs the hooks in {}", display_path(directory, &layout.top))
        }
        Setup::Native { directory, tracked: true } => {
            format!(
                "git runs the hooks in {}, which are shared",
                display_path(directory, &layout.top)
            )
        }
        Setup::Husky(husky) => {
            format!("husky runs the hooks in {}", display_path(&husky.directory, &layout.top))
        }
        Setup::Server(server) => {
            let file = display_path(&server.hooks.join(Hook::PreReceive.name()), &layout.top);
            let then =
                if server.delegates { ", and that runs the programs in a directory" } else { "" };
            format!("git runs {file} for each push{then}")
        }
        Setup::Foreign(foreign) => foreign.cause.clone(),
    }
}

/// A row for each hook. A reason or note that all of them share is in one row at the end.
fn hooks(health: &[Health], paint: Paint) -> Vec<(&'static str, String)> {
    let shared = |what: &dyn Fn(&Health) -> bool| health.len() > 1 && health.iter().all(what);
    let (mut rows, mut common) = (Vec::new(), Vec::new());
    for one in health {
        let state = match &one.state {
            HookState::InForce => paint.good("in force"),
            HookState::Doubtful(_) => paint.doubtful("unknown"),
            HookState::NotInForce(_) => paint.bad("not in force"),
        };
        let reason = cure::explain(&one.state);
        let is_shared =
            !cure::install_helps(&one.state) && shared(&|other| other.state == one.state);
        let own = reason
            .as_ref()
            .filter(|_| !is_shared)
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        rows.push((one.hook.name(), state + &own));
        common.extend(reason.filter(|_| is_shared));
        for note in &one.notes {
            let text = cure::note(one.hook, note);
            if shared(&|other| other.notes.contains(note)) {
                common.push(text);
            } else {
                rows.push(("", text));
            }
        }
    }
    let once = common.iter().enumerate().filter(|(at, line)| !common[..*at].contains(line));
    let all = if health.len() == 2 { "both" } else { "all" };
    rows.extend(once.map(|(at, line)| (if at == 0 { all } else { "" }, line.clone())));
    rows
}

/// The programs that the hooks run, without duplicates.
fn programs(health: &[Health]) -> Vec<PathBuf> {
    let mut programs: Vec<PathBuf> =
        health.iter().filter_map(|health| health.binary.clone()).collect();
    programs.dedup();
    programs
}
