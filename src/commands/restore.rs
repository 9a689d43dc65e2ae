//! `bakstop restore`: take the traces of a preparation out of the work tree and the index.

use std::path::PathBuf;

use crate::base::change::Change;
use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::journaling::{FOREIGN, take_back_left};
use crate::commands::judge::{Options, configuration};
use crate::commands::paths::Paths;
use crate::commands::preparing::in_place;
use crate::commands::restoring::{index, work_tree};
use crate::commands::sources::{self, open};
use crate::commands::{Context, Outcome};
use crate::config::Config;
use crate::disk::journal::{JournaledEdit, PutBack};
use crate::git::Staged;
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::report::{HumanOrJson, View, restore as report};
use crate::restore::plan::{Plan, Remaining, Restoration, Side};

const DOING: &str = "restore the named paths";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 restored, or nothing to restore; 1 some of it stays, as reported; 2 could not \
restore.\n\n\
Example: bakstop restore --staged --worktree")]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Args {
    /// Restore only these files, and those in these directories
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The same as without it
    #[arg(long, hide = true)]
    strip_overrides: bool,

    /// Restore the index instead of the work tree
    #[arg(long)]
    staged: bool,

    /// With --staged: restore the work tree as well
    #[arg(long)]
    worktree: bool,

    /// Print the changes as a diff, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

impl Args {
    /// The arguments of `prep --restore`: the whole work tree.
    pub(super) fn of_prep(dry_run: bool, format: HumanOrJson, config: Option<PathBuf>) -> Self {
        let (paths, strip_overrides, staged, worktree) = (Vec::new(), false, false, false);
        Self { paths, strip_overrides, staged, worktree, dry_run, config, format }
    }

    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        !self.dry_run
    }

    /// Whether edits that a killed run left in the work tree are taken back first.
    pub(crate) fn takes_edits_back(&self) -> bool {
        self.writes() && (self.worktree || !self.staged)
    }

    /// The configuration that applies to one side.
    fn configuration(&self, change: &dyn Change, context: &Context) -> Result<Config, Error> {
        let options = Options { config: self.config.as_deref(), ..Options::default() };
        configuration(change, &options, context)
    }
}

/// Restores each side. First the index: an unstaged file is an untracked leftover then, and the
/// backups, which may have the originals, still exist.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    // Without git, there is no index.
    let tree = if args.staged { WorkTree::open(&context.directory)? } else { open(context)? };
    let paths = Paths::of(&args.paths, DOING, context)?;
    // A staged file need not exist in the work tree.
    if let Some(missing) = paths.missing(|path| args.staged || tree.exists(path)) {
        return Err(Error::new(DOING, format!("{missing} does not exist"))
            .help("name existing files and directories"));
    }
    let mut plan = Plan::default();
    if args.takes_edits_back() {
        plan.add(without_edits(&tree)?);
    }
    if args.worktree || !args.staged {
        plan.add(in_place::restored(&tree, args.dry_run)?);
    }
    if args.staged {
        let staged = Staged::read(&context.directory, &context.env)?;
        let config = args.configuration(&staged, context)?;
        let of_index = index::plan(&staged, config.debris(), &paths)?;
        if args.writes() {
            index::write(&staged, &of_index)?;
        }
        plan.add(of_index);
    }
    if args.worktree || !args.staged {
        let files = OnDisk::all(&tree)?;
        let config = args.configuration(&files, context)?;
        let (debris, terminal) = (config.debris(), context.terminal);
        // In a dry run, the index is not changed.
        let of_index = if args.writes() { Plan::default() } else { plan.clone() };
        let of_tree = work_tree::plan_after(&of_index, &files, debris, &paths, terminal)?;
        if args.writes() {
            work_tree::write(&tree, &of_tree, debris)?;
        }
        plan.add(of_tree);
    }
    let verdict = if plan.left.is_empty() { Verdict::Clean } else { Verdict::Found };
    let below_top = !tree.prefix().is_empty();
    let view = View { paint: context.paint, below_top, advice: None, can_explain: false };
    let out = match args.format {
        HumanOrJson::Human => report::human(&plan, args.dry_run, view),
        HumanOrJson::Json => report::json(&plan, args.dry_run),
    };
    let outcome = Outcome::new(verdict, out);
    Ok(if tree.has_git() { outcome } else { outcome.note(sources::NOTE) })
}

/// Takes the edits of a killed run back; returns what that changed.
fn without_edits(tree: &WorkTree) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    for (JournaledEdit { path, old, new, .. }, put_back) in take_back_left(tree)? {
        let side = Side::WorkTree;
        match put_back {
            PutBack::AsBefore => {}
            PutBack::Restored | PutBack::LaterKept => {
                // Without what was changed later, which stays.
                let change = Restoration::Restored { old: new, new: old };
                plan.changes.push((side, path, change));
            }
            PutBack::Foreign => {
                let (reason, steps) = (FOREIGN.to_owned(), Vec::new());
                plan.left.push(Remaining { side, path, line: None, reason, steps });
            }
        }
    }
    Ok(plan)
}
