//! `bakstop check`: judge what is about to be committed.

use std::path::PathBuf;

use crate::change::Change;
use crate::commands::{Context, Outcome, mend_staged, restore_command};
use crate::engine;
use crate::error::Error;
use crate::git::Staged;
use crate::report::{Format, Report, human::View, human::plural};
use crate::rules::RULES;

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

    /// Write the report to a file, and the text for a person to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Let warnings block as well
    #[arg(long)]
    deny_warnings: bool,

    /// Tell how the answer was found, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Judges the staged content, as it stands in the index.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let staged = Staged::read(&context.directory, &context.env)?;
    if !staged.has_work_tree() {
        return Err(Error::new("judge what is staged", "this repository is bare: nothing can be staged in it")
            .help("run this in a clone with a work tree"));
    }
    let mut findings = engine::judge(&RULES, &staged)?;
    let judged = staged.fresh().len();
    mend_staged(&mut findings, &staged);
    let restore = restore_command(&staged, &findings)?;
    let view = View { paint: context.paint, below_top: staged.is_below_top(), restore: &restore };
    let report =
        Report { findings: &findings, rules: &RULES, scope: "staged", judged, deny_warnings: args.deny_warnings, view };
    let mut outcome = Outcome::of_check(&report, args.format, args.output.as_deref());
    if args.verbose {
        let paths = plural(judged, "new path");
        outcome = outcome.note(format!("bakstop: {}; {paths} judged", staged.layer()));
    }
    if judged == 0 {
        outcome = outcome.note("bakstop: nothing new is staged");
    }
    Ok(outcome)
}
