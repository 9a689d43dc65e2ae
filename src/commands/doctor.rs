//! `bakstop doctor`: judges whether the Docker builds of a repository are correct, closed and
//! cached.

use crate::base::error::Error;
use crate::commands::judge::{ANOTHER_CONFIG, Options, ReportArgs, Scope, judge};
use crate::commands::{Context, Outcome};
use crate::report::{self, Format, Report};

mod live;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Judge the files of a commit, a tag or a tree instead of those on disk
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    tree: Option<String>,

    #[command(flatten)]
    report: ReportArgs,

    /// Also ask the Docker of this machine, and say on standard error what builds depend on
    #[arg(long)]
    live: bool,

    /// List the builds, and what was not judged, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Judges the builds of the work tree or of a tree.
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
    let judged = judge(&scope, &options, context)?;
    let builds = judged.judgement.builds.as_ref();
    let render = |format, report: &Report<'_>| match format {
        Format::Json => report::doctor::json(report, builds),
        format => report::check(format, report),
    };
    let mut outcome = args.report.outcome(&judged, &scope, output, context, render);
    if builds.is_none_or(|builds| builds.list.is_empty()) {
        outcome = outcome.note("bakstop: there is no Dockerfile to judge");
    } else if args.verbose {
        let lines = builds.into_iter().flat_map(report::doctor::lines);
        outcome = lines.fold(outcome, Outcome::note);
    }
    if args.live {
        outcome = live::lines(builds, &context.env).iter().fold(outcome, Outcome::note);
    }
    if args.verbose {
        outcome = judged.verbose_lines().iter().fold(outcome, Outcome::note);
    }
    Ok(outcome)
}
