//! The options of a report of findings, and the report.

use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::destination::destination;
use crate::commands::judge::judged::{Judged, Scope};
use crate::commands::{Context, Outcome};
use crate::disk::destination::Destination;
use crate::report::{Format, Report};

/// Shown when the configuration to judge by is invalid.
pub(in crate::commands) const ANOTHER_CONFIG: &str = "to use another: --config FILE";

// The options.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct ReportArgs {
    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,

    /// Write the report to a file, and the text report to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,
}

impl ReportArgs {
    /// The file of the report. One that must not be written is an error before anything is judged.
    pub(in crate::commands) fn destination(
        &self,
        context: &Context,
    ) -> Result<Option<Destination>, Error> {
        let file = self.output.as_deref();
        file.map(|file| destination(file, &[&self.config], context)).transpose()
    }

    /// The report, as `render` writes it, and its exit code.
    pub(in crate::commands) fn outcome(
        &self,
        judged: &Judged,
        scope: &Scope,
        destination: Option<Destination>,
        context: &Context,
        render: impl Fn(Format, &Report<'_>) -> String,
    ) -> Outcome {
        let (findings, deny_warnings) = (&judged.judgement.findings, self.deny_warnings);
        let verdict = Verdict::of(findings, deny_warnings);
        let rendered = |format, paint| {
            let report = Report {
                findings,
                rules: &judged.judgement.rules,
                scope: scope.name(),
                judged: judged.entries,
                deny_warnings,
                view: judged.view(paint),
            };
            render(format, &report)
        };
        Outcome::in_format(verdict, self.format, destination, context.paint, rendered)
    }
}
