//! `bakstop check`: judge what is about to be committed.

use crate::change::Change;
use crate::commands::{Context, Outcome, mend_staged, restore_command};
use crate::engine;
use crate::error::Error;
use crate::finding::Verdict;
use crate::git::Staged;
use crate::report::{self, Format, human::View};
use crate::rules::RULES;

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

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
    let verdict = Verdict::of(&findings, args.deny_warnings);
    let judged = staged.fresh().len();
    mend_staged(&mut findings, &staged);
    let restore = restore_command(&staged, &findings)?;
    let view = View { paint: context.paint, below_top: staged.is_below_top(), restore: &restore };
    let mut outcome = Outcome::new(verdict, report::check(args.format, &findings, judged, view));
    if args.verbose {
        let paths = report::human::plural(judged, "new path");
        outcome = outcome.note(format!("bakstop: {}; {paths} judged", staged.layer()));
    }
    if judged == 0 {
        outcome = outcome.note("bakstop: nothing new is staged");
    }
    Ok(outcome)
}
