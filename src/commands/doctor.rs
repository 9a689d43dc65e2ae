//! `bakstop doctor`: judges whether the Docker builds of a repository are correct, closed and
//! cached.

mod bases;

use crate::base::error::Error;
use crate::commands::fixing::{self, FixArgs, FixMode, Fixed};
use crate::commands::judge::{ANOTHER_CONFIG, Options, ReportArgs, Scope, judge};
use crate::commands::preparing::state;
use crate::commands::{Context, Outcome};
use crate::git::worktree::WorkTree;
use crate::report::fixes::{self, FixSummary, Tense};
use crate::report::paint::Paint;
use crate::report::{self, Format, Report};

mod live;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 clean, or warnings only; 1 findings; 2 could not judge.\n\n\
Example: bakstop doctor --fix --dry-run")]
pub(crate) struct Args {
    /// Judge the files of a commit, a tag or a tree instead of those on disk
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    tree: Option<String>,

    #[command(flatten)]
    fix: FixArgs,

    #[command(flatten)]
    report: ReportArgs,

    #[command(flatten)]
    bases: bases::BasesArgs,

    /// Ask the Docker of this machine as well, and report on standard error what builds depend on
    #[arg(long)]
    live: bool,

    /// List the builds, and what was not judged, on standard error
    #[arg(short, long)]
    verbose: bool,
}

impl Args {
    pub(crate) fn is_dry_run(&self) -> bool {
        self.fix.dry_run
    }

    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        self.fix.mode() == Some(FixMode::Write)
    }
}

/// Judges the builds of the work tree or of a tree; with `--fix`, after the safe fixes.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let output = args.report.destination(context)?;
    let options = Options {
        config: args.report.config.as_deref(),
        recovery_hint: ANOTHER_CONFIG,
        explain: args.verbose,
        doctor: true,
        ..Options::default()
    };
    let scope = args.tree.clone().map_or(Scope::WorkTree, Scope::Tree);
    let fix = |mode| fixing::fix(mode, &options, context);
    let fixed = match args.fix.mode().map(fix).transpose()? {
        Some(Fixed::Reported(outcome)) => return Ok(outcome),
        Some(Fixed::Done(summary)) => Some(summary),
        None => None,
    };
    let judged = judge(&scope, &options, context)?;
    let builds = judged.judgement.builds.as_ref();
    if args.bases.is_asked() {
        return args.bases.outcome(builds, args.report.format);
    }
    // Another configuration would be needed for the same result.
    let is_plain = args.tree.is_none() && args.report.config.is_none();
    let render = |format, report: &Report<'_>| match format {
        Format::Json => report::doctor::json(report, builds, fixed.as_ref()),
        Format::Human => with_fixes(report, fixed.as_ref(), is_plain),
        format => report::check(format, report),
    };
    // The other formats have no place for what was fixed.
    let has_no_place =
        output.is_none() && !matches!(args.report.format, Format::Human | Format::Json);
    let mut outcome = args.report.outcome(&judged, &scope, output, context, render);
    for summary in fixed.iter().filter(|_| has_no_place) {
        let lines = fixes::lines(summary, Tense::Past, Paint::PLAIN);
        outcome = lines.lines().fold(outcome, Outcome::note);
    }
    if builds.is_none_or(|builds| builds.list.is_empty()) {
        outcome = outcome.note("bakstop: there is no Dockerfile to judge");
    }
    if args.verbose {
        let lines = builds.into_iter().flat_map(report::doctor::lines);
        outcome = lines.fold(outcome, Outcome::note);
    }
    let tree = (scope == Scope::WorkTree).then(|| WorkTree::open(&context.directory).ok());
    let note = tree.flatten().and_then(|tree| state::note_by_own(&tree, context.now));
    outcome = note.iter().fold(outcome, Outcome::note);
    if args.live {
        outcome = live::lines(builds, &context.env).iter().fold(outcome, Outcome::note);
    }
    if args.verbose {
        outcome = judged.verbose_lines().iter().fold(outcome, Outcome::note);
    }
    Ok(outcome)
}

/// The text report: what was fixed, and what remains; or else how to fix it.
fn with_fixes(report: &Report<'_>, fixed: Option<&FixSummary>, can_fix: bool) -> String {
    let (text, paint) = (report::check(Format::Human, report), report.view.paint);
    match fixed {
        Some(summary) if text.is_empty() => fixes::lines(summary, Tense::Past, paint),
        Some(summary) => fixes::lines(summary, Tense::Past, paint) + "\n" + &text,
        None if can_fix => text + &fixes::advice(report.findings, paint),
        None => text,
    }
}
