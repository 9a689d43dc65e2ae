//! The arguments of `verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::path::shell_quote;
use crate::measure::runs::{Budget, Percent};
use crate::report::HumanOrJson;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 clean, or as it was; 1 not, or the build took too long; 2 could not tell; 126, 127 could not start the build; \
else that of a build that failed.\n\nExample: bakstop verify --budget 30s -- docker compose build")]
pub(crate) struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: HumanOrJson,

    /// Write the report, in the format, to a file, and the text for a person to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "save_baseline")]
    pub(super) output: Option<PathBuf>,

    /// Do not show what differs in the files that changed
    #[arg(long)]
    pub(super) no_diff: bool,

    /// Say so when nothing changed, and what the configuration hides, on standard error
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Save how the work tree is to this file, before a build that is another step
    #[arg(long, help_heading = STEPS, value_name = "FILE", conflicts_with_all = ["command", "baseline"])]
    pub(super) save_baseline: Option<PathBuf>,

    /// Report what changed since the baseline in this file was saved
    #[arg(long, help_heading = STEPS, value_name = "FILE", conflicts_with = "command")]
    pub(super) baseline: Option<PathBuf>,

    /// Fail if the build takes longer than this, such as 30s or 1m30s
    #[arg(long, help_heading = TIME, value_name = "TIME", requires = "command")]
    pub(super) budget: Option<Budget>,

    /// Append a line about the run to a file: label, time, exit code, tree, commit
    #[arg(long, help_heading = TIME, value_name = "FILE", requires = "command")]
    pub(super) record: Option<PathBuf>,

    /// What the run is called in the record (default: the command); with --history, the runs to
    /// print
    #[arg(long, help_heading = TIME, value_name = "LABEL")]
    pub(super) label: Option<String>,

    /// Fail if the build takes more than this, such as 20%, longer than the median of the recorded
    /// runs with its label
    #[arg(long, help_heading = TIME, value_name = "PERCENT", requires = "record")]
    pub(super) max_regression: Option<Percent>,

    /// Print the runs of a record, without looking at the work tree
    #[arg(
        long,
        help_heading = TIME,
        value_name = "FILE",
        conflicts_with_all = ["command", "baseline", "save_baseline", "no_diff", "budget", "record", "max_regression"]
    )]
    pub(super) history: Option<PathBuf>,

    /// The build to run: report what it changes, and end with its exit code if it fails. Without
    /// one, report everything that is not clean
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

const STEPS: &str = "Around a build that is a step of its own";
const TIME: &str = "How long the build takes";

impl Args {
    /// The label of the run: what was given, or the command.
    pub(super) fn run_label(&self) -> String {
        let word = |word: &OsString| shell_quote(word.as_encoded_bytes()).into_owned();
        let command = || self.command.iter().map(word).collect::<Vec<_>>().join(" ");
        self.label.clone().unwrap_or_else(command)
    }
}
