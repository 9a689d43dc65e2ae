//! The arguments of `verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::commands::recording::command_label;
use crate::commands::recording::limits::{Limits, TIME};
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

    #[command(flatten)]
    pub(super) limits: Limits,

    /// The label of the run in the record (default: the command)
    #[arg(long, help_heading = TIME, value_name = "LABEL", requires = "record")]
    pub(super) label: Option<String>,

    /// The build to run; if it fails, bakstop returns its exit code. Without a build, report
    /// everything that is not clean
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

const STEPS: &str = "A build in a separate step";

impl Args {
    /// The label of the run.
    pub(super) fn run_label(&self) -> String {
        self.label.clone().unwrap_or_else(|| command_label(&self.command))
    }
}
