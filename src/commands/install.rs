//! `bakstop install`: install the hooks into this repository.

use std::slice;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome, configuring};
use crate::cure::setup as cure;
use crate::git::Git;
use crate::hooks::configured::Reach;
use crate::hooks::fallback::{Fallback, WhenMissing};
use crate::hooks::health::{self, Health};
use crate::hooks::layout::{self, Layout};
use crate::hooks::lookup::Recorded;
use crate::hooks::plan::Guard;
use crate::hooks::prepare::Unprepared;
use crate::hooks::setup::{self, Choice, Setup, dependency_command, successor};
use crate::hooks::slot::{HookDirectory, Slot};
use crate::hooks::state::HookState;
use crate::hooks::{Hook, apply, binary, lookup, plan};
use crate::report::paint::Paint;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 in force; 1 not in force; 2 could not install, or it is unknown whether it is in \
force.\n\n\
Example: bakstop install && bakstop prove")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Args {
    /// Print what would change, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Write hook files even if a hook manager is configured
    #[arg(long)]
    native: bool,

    /// Write into .husky even if husky is not detected
    #[arg(long, conflicts_with = "native")]
    husky: bool,

    /// Install prepare-commit-msg as well, which judges cherry-picks, reverts and rebases
    #[arg(long)]
    strict: bool,

    /// How to install bakstop, for a hook that does not find it to print (empty: the default)
    #[arg(long, value_name = "TEXT")]
    how: Option<String>,

    /// What a hook does if it does not find bakstop: block, or warn and let the commit or push pass
    #[arg(long, value_enum, value_name = "ACTION")]
    missing: Option<WhenMissing>,

    /// Add a script to package.json that installs the hooks whenever dependencies are installed
    #[arg(long)]
    prepare: bool,

    /// Install pre-receive into a bare repository, to guard pushes to it
    #[arg(long, conflicts_with_all = ["native", "husky", "strict", "how", "missing", "prepare"])]
    server: bool,

    /// Name the hooks in git's configuration of this clone, not in files (git 2.54)
    #[arg(long, conflicts_with_all = CONFIGURING)]
    local: bool,

    /// Name the hooks in git's configuration of this user, for every clone (git 2.54)
    #[arg(long, conflicts_with = "local", conflicts_with_all = CONFIGURING)]
    global: bool,
}

/// What hooks in the configuration of git have no use for.
const CONFIGURING: [&str; 6] = ["native", "husky", "server", "how", "missing", "prepare"];

impl Args {
    fn choice(&self) -> Choice {
        match (self.native, self.husky) {
            (true, _) => Choice::Native,
            (_, true) => Choice::Husky,
            _ => Choice::Detect,
        }
    }

    /// The flag that asks for another setup than the detected one.
    fn flag(&self) -> Option<&'static str> {
        match self.choice() {
            Choice::Detect => None,
            Choice::Native => Some("--native"),
            Choice::Husky => Some("--husky"),
        }
    }

    /// The configuration of git to name the hooks in.
    fn reach(&self) -> Option<Reach> {
        match (self.local, self.global) {
            (true, _) => Some(Reach::Clone),
            (_, true) => Some(Reach::User),
            _ => None,
        }
    }

    fn hooks(&self) -> &'static [Hook] {
        match (self.server, self.strict) {
            (true, _) => &[Hook::PreReceive],
            (_, true) => &Hook::STRICT,
            _ => &Hook::USUAL,
        }
    }
}

/// Fails unless `--server` fits the repository. It must be asked for: the hook blocks other people.
fn check_server_flag(args: &Args, layout: &Layout) -> Result<(), Error> {
    let (doing, cause) = match (args.server, layout.bare) {
        (false, true) => {
            ("install the hooks", "this repository is bare: nothing is committed here")
        }
        (true, false) => ("install the server hook", "this repository has a work tree"),
        _ => return Ok(()),
    };
    Err(Error::new(doing, cause).help(cure::server_flag_help(layout.bare)))
}

/// Plans and makes the edits, and checks that git will run the hooks.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    if let Some(reach) = args.reach() {
        return configuring::install(reach, args.strict, args.dry_run, context);
    }
    let git = Git::new(&context.directory);
    let script = context.env.get(SCRIPT);
    let layout = match Layout::of(&git) {
        Err(error) if script.is_some() => return Ok(passed_over(error.cause())),
        layout => layout?,
    };
    if script.is_some() && layout.below_top && layout::is_ignored(&context.directory)? {
        return Ok(passed_over("git ignores this directory"));
    }
    check_server_flag(args, &layout)?;
    let _lock = if args.dry_run { None } else { Some(apply::lock(&layout.common)?) };
    match configuring::refuse_beside(&git) {
        // The dependencies are installed again and again; the choice of this clone stays.
        Err(error) if script.is_some() => return Ok(passed_over(error.cause())),
        refused => refused?,
    }
    let setup = Setup::find(&layout, &git, args.choice(), args.hooks())?;
    let place = place(&setup, &layout, args)?;
    let program = binary::this(&context.directory, &context.env);
    let recorded = program.as_deref().and_then(|program| {
        lookup::recorded(program, &context.directory, &layout.top, &context.env)
    });
    let fallback = Fallback::choose(
        args.how.as_deref(),
        args.missing,
        place.slots.iter().find_map(Slot::fallback),
        dependency_command(&setup, &layout, recorded.as_ref())?,
    )?;
    let guard = Guard { recorded: recorded.as_ref(), fallback: &fallback };
    let edits = plan::install(&setup, &place, args.hooks(), guard)?;
    let unprepared = unprepared(args, &setup, &layout, recorded.as_ref())?;
    let with_script = match &unprepared {
        Some(unprepared) if args.prepare => Some(unprepared.with_script()?),
        _ => None,
    };
    let is_unchanged = edits.is_empty() && with_script.is_none();

    let last_line = |summary: &str| format!("{} {summary}\n", context.paint.strong("bakstop:"));
    let mut text = plan::describe(&edits, &layout.top, !args.dry_run);
    if let Some(unprepared) = unprepared.as_ref().filter(|_| with_script.is_some()) {
        text += &unprepared.describe(&layout.top, !args.dry_run);
    }
    if args.dry_run {
        text += &if is_unchanged { last_line("already installed") } else { String::new() };
        return Ok(Outcome::new(Verdict::Clean, text));
    }
    apply::apply(&edits, slice::from_ref(&place), &layout.top)?;
    if let (Some(unprepared), Some(with_script)) = (&unprepared, &with_script) {
        unprepared.write(with_script, &layout.top)?;
    }

    let health = health::in_clone(&setup, &layout, &git, &context.env)?;
    text += &broken(&health, layout.below_top, context.paint);
    let program =
        program.as_ref().map(|program| (program.as_path(), binary::is_for_everyone(program)));
    for line in cure::after_install(&setup, &edits, program, &layout, fallback.manager_command()) {
        text += &format!("{line}\n");
    }
    text += &further_steps(unprepared.filter(|_| with_script.is_none()), &setup, &layout, args);
    let (verdict, summary) = verdict(&health, !is_unchanged);
    Ok(Outcome::new(verdict, text + &last_line(summary)))
}

/// The directory that the hooks go into.
fn place(setup: &Setup, layout: &Layout, args: &Args) -> Result<HookDirectory, Error> {
    match setup {
        Setup::Husky(husky) => HookDirectory::husky(&husky.directory, &layout.top),
        Setup::Native { directory, .. } => HookDirectory::native(directory, &layout.top),
        Setup::Server(server) => server.place(layout),
        Setup::Foreign(foreign) => Err(Error::new("install the hooks", &foreign.cause)
            .help(cure::after_refusal(foreign, args.flag(), layout))),
    }
}

/// The steps left for others, and those before another hook manager is installed.
fn further_steps(
    unprepared: Option<Unprepared>,
    setup: &Setup,
    layout: &Layout,
    args: &Args,
) -> String {
    let mut text = String::new();
    if let Some(unprepared) = unprepared {
        text += &cure::script_to_add(unprepared.script.key, unprepared.script.command);
    }
    if matches!(setup, Setup::Native { .. })
        && let Some(successor) = successor(layout, args.hooks())
    {
        text += &format!("{}\n", cure::before_takeover(&successor, layout));
    }
    text
}

/// The variable that names the running script of `package.json`.
const SCRIPT: &str = "npm_lifecycle_event";

/// What a script of `package.json` gets where hooks cannot be installed: the dependencies are also
/// installed without git and outside of a repository, as in the build of an image, and that must
/// not fail.
fn passed_over(reason: &str) -> Outcome {
    let reason = reason.lines().next().unwrap_or_default();
    Outcome::new(Verdict::Clean, String::new())
        .note(format!("bakstop: the hooks are not installed here: {reason}"))
}

/// The manifest that lacks a script which installs the hooks. Shared hooks need none, unless it is
/// asked for: they are in each clone.
fn unprepared(
    args: &Args,
    setup: &Setup,
    layout: &Layout,
    recorded: Option<&Recorded>,
) -> Result<Option<Unprepared>, Error> {
    let Some((package, manifest)) = setup::package(setup, layout, recorded)? else {
        return if args.prepare { Err(no_dependency(layout)?) } else { Ok(None) };
    };
    let found = Unprepared::find(&package, manifest);
    let is_wanted = |found: &Unprepared| {
        matches!(setup, Setup::Native { tracked: false, .. }) && found.obstacle().is_none()
    };
    Ok(found.filter(|found| args.prepare || is_wanted(found)))
}

/// Why a manifest for the script is missing.
fn no_dependency(layout: &Layout) -> Result<Error, Error> {
    let doing = "add the script";
    Ok(match setup::manifest_error(layout)? {
        Some(error) => Error::new(doing, format!("package.json is not valid JSON: {error}"))
            .help("correct it, then run the command again"),
        None => Error::new(
            doing,
            "no package.json here depends on bakstop, so the script would do nothing for others",
        )
        .help("add bakstop to its devDependencies first"),
    })
}

/// A line for each reason why hooks are not in force, or may not be.
fn broken(health: &[Health], below_top: bool, paint: Paint) -> String {
    let mut text = String::new();
    let broken: Vec<&Health> =
        health.iter().filter(|health| health.state != HookState::InForce).collect();
    for hooks in broken.chunk_by(|one, other| one.state == other.state) {
        let state = &hooks[0].state;
        let label = match state {
            HookState::Doubtful(_) => paint.doubtful("unknown:"),
            _ => paint.bad("not in force:"),
        };
        let names: Vec<&str> = hooks.iter().map(|health| health.hook.name()).collect();
        let reason = cure::explain(state, below_top).unwrap_or_default();
        text += &format!("{label} {}: {reason}\n", names.join(", "));
    }
    text
}

fn verdict(health: &[Health], changed: bool) -> (Verdict, &'static str) {
    match (changed, health.iter().map(|health| &health.state).max()) {
        (false, None | Some(HookState::InForce)) => (Verdict::Clean, "already installed"),
        (true, None | Some(HookState::InForce)) => {
            (Verdict::Clean, "installed; `bakstop uninstall` undoes it")
        }
        (_, Some(HookState::Doubtful(_))) => {
            (Verdict::Failed, "installed, but it is unknown whether it is in force")
        }
        (false, Some(HookState::NotInForce(_))) => {
            (Verdict::Found, "already installed, but not in force")
        }
        (true, Some(HookState::NotInForce(_))) => {
            (Verdict::Found, "installed, but not in force yet")
        }
    }
}
