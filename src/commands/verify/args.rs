//! The arguments of `verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::path::shell_quote;
use crate::measure::runs::{Budget, Percent};
use crate::report::HumanOrJson;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 clean or unchanged; 1 not clean, changed, or too slow; 2 could not judge; \
126 or 127 could not start the build; otherwise the exit code of a build that failed.\n\n\
Example: bakstop verify --budget 30s -- docker compose build")]
pub(crate) struct Args {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: HumanOrJson,

    /// Write the report to a file, and the text report to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "save_baseline")]
    pub(super) output: Option<PathBuf>,

    /// Do not show the differences in changed files
    #[arg(long)]
    pub(super) no_diff: bool,

    /// Report on standard error when nothing changed, and what the configuration hides
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Save the state of the work tree to a file, before the build
    #[arg(
        long,
        help_heading = STEPS,
        value_name = "FILE",
        conflicts_with_all = ["command", "baseline"]
    )]
    pub(super) save_baseline: Option<PathBuf>,

    /// Report what changed since this baseline was saved
    #[arg(long, help_heading = STEPS, value_name = "FILE", conflicts_with = "command")]
    pub(super) baseline: Option<PathBuf>,

    /// Fail if the build takes longer, such as 30s or 1m30s
    #[arg(long, help_heading = TIME, value_name = "TIME", requires = "command")]
    pub(super) budget: Option<Budget>,

    /// Append the run to a file: label, time, exit code, state of the tree, commit
    #[arg(long, help_heading = TIME, value_name = "FILE", requires = "command")]
    pub(super) record: Option<PathBuf>,

    /// The label of the run in the record (default: the command); with --history, print only the
    /// runs with this label
    #[arg(long, help_heading = TIME, value_name = "LABEL")]
    pub(super) label: Option<String>,

    /// Fail if the build takes this much longer than the median of the recorded runs with its
    /// label, such as 20%
    #[arg(long, help_heading = TIME, value_name = "PERCENT", requires = "record")]
    pub(super) max_regression: Option<Percent>,

    /// Print the runs of a record
    #[arg(
        long,
        help_heading = TIME,
        value_name = "FILE",
        conflicts_with_all = [
            "command", "baseline", "save_baseline", "no_diff", "budget", "record", "max_regression",
        ]
    )]
    pub(super) history: Option<PathBuf>,

    /// The build to run; if it fails, bakstop returns its exit code. Without a build, report
    /// everything that is not clean
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

const STEPS: &str = "A build in a separate step";
const TIME: &str = "Build times";

impl Args {
    /// The label of the run.
    pub(super) fn run_label(&self) -> String {
        let word = |word: &OsString| shell_quote(word.as_encoded_bytes()).into_owned();
        let command = || self.command.iter().map(word).collect::<Vec<_>>().join(" ");
        self.label.clone().unwrap_or_else(command)
    }
}
