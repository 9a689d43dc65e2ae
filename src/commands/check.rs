//! `bakstop check`: check the files that enter history, or the existing history.

use std::path::PathBuf;

use crate::base::change::Entry;
use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::judge::{ANOTHER_CONFIG, Options, ReportArgs, Scope, judge};
use crate::commands::{Context, Outcome};
use crate::report;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 clean, or warnings only; 1 findings; 2 could not judge.\n\n\
Example: bakstop check --range origin/main..HEAD")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Args {
    /// Judge only these files and directories; without a scope, as they are on disk
    #[arg(value_name = "PATH", conflicts_with_all = ["push", "receive"])]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    scope: ScopeArgs,

    /// With --range: check only the end of the range, not every commit
    #[arg(long, help_heading = JUDGED, requires = "range")]
    tip: bool,

    #[command(flatten)]
    report: ReportArgs,

    /// List the new files instead of checking them: kind, blob id, path
    #[arg(long, conflicts_with_all = ["format", "output", "deny_warnings"])]
    show_files: bool,

    /// Explain the verdict on standard error
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing but errors: the exit code has the verdict
    #[arg(short, long, conflicts_with_all = ["verbose", "show_files"])]
    quiet: bool,
}

const JUDGED: &str = "Scope (default: staged files; with a PATH: the work tree)";

// What to judge.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
struct ScopeArgs {
    /// Staged files: what `git commit` would add to history
    #[arg(long, help_heading = JUDGED)]
    staged: bool,

    /// Every commit of A..B or A...B; for a single REV, those that its upstream, or else the
    /// default branch, does not have
    #[arg(long, help_heading = JUDGED, value_name = "RANGE", allow_hyphen_values = true)]
    range: Option<String>,

    /// Commits of a push that the remote does not have; reads the input of git's pre-push hook
    #[arg(long, help_heading = JUDGED, value_name = "REMOTE", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "absent, without a remote, with one")]
    push: Option<Option<String>>,

    /// Commits of a push that no ref reaches yet; reads the input of git's pre-receive hook
    #[arg(long, help_heading = JUDGED)]
    receive: bool,

    /// Every file of a commit, a tag or a tree
    #[arg(long, help_heading = JUDGED, value_name = "REV", allow_hyphen_values = true)]
    tree: Option<String>,

    /// Every file of the work tree that is not ignored
    #[arg(long, help_heading = JUDGED)]
    worktree: bool,

    /// Every commit that a ref reaches
    #[arg(long, help_heading = JUDGED)]
    history: bool,
}

impl Args {
    fn scope(&self) -> Scope {
        let ScopeArgs { staged, range, push, receive, tree, worktree, history } = &self.scope;
        match (range, push, tree) {
            (Some(spec), _, _) => Scope::Range { spec: spec.clone(), tip: self.tip },
            (_, Some(remote), _) => Scope::Push(remote.clone()),
            (_, _, Some(name)) => Scope::Tree(name.clone()),
            _ if *receive => Scope::Receive,
            _ if *worktree => Scope::WorkTree,
            _ if *history => Scope::History,
            _ if *staged || self.paths.is_empty() => Scope::Staged,
            _ => Scope::WorkTree,
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let output = args.report.destination(context)?;
    let scope = args.scope();
    let options = Options {
        paths: &args.paths,
        config: args.report.config.as_deref(),
        recovery_hint: ANOTHER_CONFIG,
        explain: args.verbose,
        list: args.show_files,
        ..Options::default()
    };
    let judged = judge(&scope, &options, context)?;
    let mut outcome = if args.show_files {
        Outcome::new(Verdict::Clean, listing(&judged.judgement.listed))
    } else {
        args.report.outcome(&judged, &scope, output, context, report::check)
    };
    if args.verbose {
        outcome = judged.verbose_lines().iter().fold(outcome, Outcome::note);
    }
    if let Some(nothing) = judged.skip_reason {
        outcome = outcome.note(format!("bakstop: {nothing}"));
    }
    if args.quiet {
        outcome.out.clear();
        outcome.notes.clear();
    }
    Ok(outcome)
}

/// A line for each entry. A file on disk has no blob: its id is all zeros, as in git's raw diffs.
fn listing(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|Entry { mode, id, path, .. }| format!("{} {id} {path}\n", mode.name()))
        .collect()
}
