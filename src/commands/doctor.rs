//! `bakstop doctor`: judges whether the Docker builds of a repository are correct, closed and
//! cached.

use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::destination::destination;
use crate::commands::judge::{Options, Scope, judge};
use crate::commands::{Context, Outcome};
use crate::report::{self, Format, Report};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Judge the files of a commit, a tag or a tree instead of those on disk
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    tree: Option<String>,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

    /// Write the report to a file, and the text report to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,

    /// List the builds, and what was not judged, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Judges the builds of the work tree or of a tree.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let output = args
        .output
        .as_deref()
        .map(|file| destination(file, &[&args.config], context))
        .transpose()?;
    let options = Options {
        paths: &[],
        without: &[],
        config: args.config.as_deref(),
        recovery_hint: "to use another: --config FILE",
        explain: args.verbose,
        list: false,
        doctor: true,
    };
    let scope = args.tree.clone().map_or(Scope::WorkTree, Scope::Tree);
    let judged = judge(&scope, &options, context)?;
    let report = Report {
        findings: &judged.judgement.findings,
        rules: &judged.judgement.rules,
        scope: scope.name(),
        judged: judged.entries,
        deny_warnings: args.deny_warnings,
        view: judged.view(context.paint),
    };
    let verdict = Verdict::of(report.findings, report.deny_warnings);
    let builds = judged.judgement.builds.as_ref();
    let mut outcome =
        Outcome::in_format(verdict, args.format, output, context.paint, |format, paint| {
            let report = Report { view: judged.view(paint), ..report };
            match format {
                Format::Json => report::doctor::json(&report, builds),
                format => report::check(format, &report),
            }
        });
    if builds.is_none_or(|builds| builds.list.is_empty()) {
        outcome = outcome.note("bakstop: there is no Dockerfile to judge");
    } else if args.verbose {
        let lines = builds.into_iter().flat_map(report::doctor::lines);
        outcome = lines.fold(outcome, Outcome::note);
    }
    if args.verbose {
        outcome = judged.verbose_lines().iter().fold(outcome, Outcome::note);
    }
    Ok(outcome)
}
