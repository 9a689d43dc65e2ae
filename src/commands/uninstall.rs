//! `bakstop uninstall`: remove the hooks, and restore every byte that was there before.

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::git::Git;
use crate::hooks::layout::Layout;
use crate::hooks::{apply, plan, setup};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print what would change, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Plans and makes the edits.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    let _lock = if args.dry_run { None } else { Some(apply::lock(&layout.common)?) };
    let places = setup::installed_directories(&layout, &git)?;
    let mut edits = Vec::new();
    for place in &places {
        edits.extend(plan::uninstall(place)?);
    }
    let text = plan::describe(&edits, &layout.top, !args.dry_run);
    let summary = match (edits.is_empty(), args.dry_run) {
        (true, _) => "not installed",
        (false, true) => "nothing was changed (--dry-run)",
        (false, false) => "uninstalled",
    };
    if !args.dry_run {
        apply::apply(&edits, &places, &layout.top)?;
    }
    Ok(Outcome::new(
        Verdict::Clean,
        format!("{text}{} {summary}\n", context.paint.strong("bakstop:")),
    ))
}
