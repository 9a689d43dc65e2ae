//! `bakstop install`: put the hooks into this repository.

use std::path::Path;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::git::Git;
use crate::hooks::health::{self, HookState};
use crate::hooks::layout::Layout;
use crate::hooks::plan::{self, HookEdit};
use crate::hooks::setup::{Choice, Setup};
use crate::hooks::slot::HookDirectory;
use crate::hooks::{Hook, apply, binary, shown};

// The arguments.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Args {
    /// Print what would be changed, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Write hook files, although a hook manager is configured here
    #[arg(long)]
    native: bool,

    /// Put the block into .husky, although nothing else says that husky is used here
    #[arg(long, conflicts_with = "native")]
    husky: bool,

    /// Install prepare-commit-msg as well, which judges cherry-picks, reverts and rebases
    #[arg(long)]
    strict: bool,

    /// In a bare repository: guard what is pushed to it
    #[arg(long, conflicts_with_all = ["native", "husky", "strict"])]
    server: bool,
}

impl Args {
    fn choice(&self) -> Choice {
        match (self.native, self.husky) {
            (true, _) => Choice::Native,
            (_, true) => Choice::Husky,
            _ => Choice::Detect,
        }
    }

    /// The hooks to install.
    fn hooks(&self) -> &'static [Hook] {
        match (self.server, self.strict) {
            (true, _) => &[Hook::PreReceive],
            (_, true) => &Hook::STRICT,
            _ => &Hook::USUAL,
        }
    }
}

/// A server and a clone are told apart by the person: what is installed blocks others.
fn refuse_the_wrong_place(args: &Args, layout: &Layout) -> Result<(), Error> {
    match (args.server, layout.bare) {
        (false, true) => Err(Error::new(
            "install the hooks",
            "this repository is bare: nothing is committed here",
        )
        .help("to guard what is pushed to it: bakstop install --server")),
        (true, false) => {
            Err(Error::new("install the hook of a server", "this repository has a work tree").help(
                "run this in the bare repository that is pushed to; in a clone: bakstop install",
            ))
        }
        _ => Ok(()),
    }
}

/// Plans, changes, and looks whether git will run what was written.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    refuse_the_wrong_place(args, &layout)?;
    let _lock = if args.dry_run { None } else { Some(apply::lock(&layout.common)?) };
    let setup = Setup::find(&layout, &git, args.choice(), args.hooks())?;
    let place = match &setup {
        Setup::Husky(husky) => HookDirectory::husky(&husky.directory, &layout.top)?,
        Setup::Native { directory, .. } => HookDirectory::native(directory, &layout.top)?,
        Setup::Server(server) => server.place(&layout)?,
        Setup::Foreign(foreign) => return Err(plan::refuse(foreign)),
    };
    let program = binary::this(&context.directory, &context.env);
    let edits = plan::install(&setup, &place, args.hooks(), program.as_deref())?;

    let last_line = |summary: &str| format!("{} {summary}\n", context.paint.strong("bakstop:"));
    let mut text = plan::describe(&edits, &layout.top, !args.dry_run);
    if args.dry_run {
        let summary =
            if edits.is_empty() { "already installed" } else { "nothing was changed (--dry-run)" };
        return Ok(Outcome::new(Verdict::Clean, text + &last_line(summary)));
    }
    apply::apply(&edits, &[&place], &layout.top)?;

    let health = health::of(&setup, &layout, &context.env)?;
    let broken: Vec<_> =
        health.iter().filter(|health| health.state != HookState::InForce).collect();
    for hooks in broken.chunk_by(|one, other| one.state == other.state) {
        if let Some(reason) = hooks[0].state.explanation() {
            let names: Vec<&str> = hooks.iter().map(|health| health.hook.name()).collect();
            let label = match hooks[0].state {
                HookState::Doubtful { .. } => context.paint.doubtful("cannot be told:"),
                _ => context.paint.bad("not in force:"),
            };
            text += &format!("{label} {}: {reason}\n", names.join(", "));
        }
    }
    let (verdict, summary) =
        match (edits.is_empty(), broken.iter().map(|health| &health.state).max()) {
            (true, None | Some(HookState::InForce)) => (Verdict::Clean, "already installed"),
            (false, None | Some(HookState::InForce)) => {
                (Verdict::Clean, "installed; `bakstop uninstall` puts back what was there")
            }
            (_, Some(HookState::Doubtful { .. })) => {
                (Verdict::Failed, "installed, but it cannot be told whether it is in force")
            }
            (true, Some(HookState::NotInForce { .. })) => {
                (Verdict::Found, "already installed, but not in force")
            }
            (false, Some(HookState::NotInForce { .. })) => {
                (Verdict::Found, "installed, but not in force yet")
            }
        };
    for note in notes(&setup, &edits, program.as_deref(), &layout) {
        text += &format!("{note}\n");
    }
    Ok(Outcome::new(verdict, text + &last_line(summary)))
}

/// What the person should do or know besides.
fn notes(
    setup: &Setup,
    edits: &[HookEdit],
    program: Option<&Path>,
    layout: &Layout,
) -> Vec<String> {
    let mut notes = Vec::new();
    if edits.is_empty() {
        return notes;
    }
    let shared = matches!(setup, Setup::Husky(_) | Setup::Native { tracked: true, .. });
    if shared {
        let files: Vec<String> = edits
            .iter()
            .filter(|edit| !matches!(edit, HookEdit::MakeDirectory { .. }))
            .map(|edit| shown(edit.path(), &layout.top).as_pathspec(layout.below_top))
            .collect();
        notes.push(format!("these files are shared, so commit them: git add {}", files.join(" ")));
        notes.push("everyone who commits here needs bakstop in ~/.local/bin or in PATH".to_owned());
    } else if let Some(program) = program.filter(|program| binary::is_build_output(program)) {
        notes.push(format!(
            "the hooks run {}, which `cargo clean` takes away; install from a copy in ~/.local/bin instead",
            shown(program, &layout.top)
        ));
    } else if let Some(program) =
        program.filter(|program| layout.bare && !binary::is_for_everyone(program))
    {
        notes.push(format!(
            "not every user can run {}; if the server runs as another user, install from a copy in /usr/local/bin",
            shown(program, &layout.top)
        ));
    }
    notes
}
