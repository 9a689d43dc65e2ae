//! `bakstop restore`: take the traces of a preparation out of the work tree and the index.

mod call;
mod lockfile;
mod work_tree;
mod index;

use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::git::worktree::WorkTree;
use crate::report::{HumanOrJson, View, restore as report};
use crate::restore::plan::Plan;
use call::{Call, Selection};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Restore only these files, and those in these directories
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Restore the index instead of the work tree
    #[arg(long)]
    staged: bool,

    /// With --staged: restore the work tree as well
    #[arg(long)]
    worktree: bool,

    /// Print the changes as a diff, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Args {
    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        !self.dry_run
    }
}

/// Restores each side: first the work tree, whose files show the originals of the index.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let selection = Selection::of(&args.paths, &tree, args.staged)?;
    let (config, dry_run) = (args.config.as_deref(), args.dry_run);
    let call = Call { config, dry_run, context, tree: &tree, selection: &selection };
    let mut plan = Plan::default();
    if args.worktree || !args.staged {
        plan.add(work_tree::restore(call)?);
    }
    if args.staged {
        plan.add(index::restore(call)?);
    }
    let verdict = if plan.left.is_empty() { Verdict::Clean } else { Verdict::Found };
    let view = View { paint: context.paint, below_top: !tree.prefix().is_empty(), advice: None };
    let out = match args.format {
        HumanOrJson::Human => report::human(&plan, args.dry_run, view),
        HumanOrJson::Json => report::json(&plan, args.dry_run),
    };
    Ok(Outcome::new(verdict, out))
}
