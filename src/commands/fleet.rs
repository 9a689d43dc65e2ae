//! `bakstop fleet`: one table over many repositories.
//!
//! Each repository is judged by a process of its own, which is this program: what crashes, hangs or
//! is refused there is a row, and hides no other.

mod asked;
mod judged;
mod committed;
mod judging;
mod asking;
mod assembling;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use crate::base::error::Error;
use crate::commands::destination::destination;
use crate::commands::fleet::asked::FleetQuestion;
use crate::commands::fleet::asking::Asker;
use crate::commands::{Context, Outcome};
use crate::hooks::binary;
use crate::measure::units::Budget;
use crate::os::child;
use crate::os::parallel;
use crate::os::signals::NotedSignals;
use crate::report::fleet::{self as report, FleetFormat};

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 nothing is bad; 1 something is; 2 a repository could not be judged.\n\n\
Example: bakstop fleet --format markdown --output table.md ~/products")]
pub(crate) struct Args {
    /// A clone, or a directory with clones directly in it (default: the current directory)
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,

    /// The list of the repositories, templates and the record: such as bakstop.fleet.json
    #[arg(long, value_name = "FILE", conflicts_with = "directories")]
    list: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: FleetFormat,

    /// Write the report to a file, and the text report to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Run the pre-commit hook of each repository as well, to prove that it blocks (gate C4)
    #[arg(long)]
    prove: bool,

    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,

    /// How many repositories to judge at once (default: the number of processors, at most 8)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=MOST_JOBS))]
    jobs: Option<u8>,

    /// How long a repository may take, such as 60s or 5m
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Budget,

    /// Judge the repository of the current directory, for another bakstop
    #[arg(long, hide = true)]
    row: bool,

    /// With --row: a path in HEAD to return
    #[arg(long, hide = true, requires = "row")]
    file: Vec<String>,
}

/// The number of repositories that are judged at once, unless the user chooses: each needs a core,
/// and memory for its largest tree.
const JOBS: usize = 8;
/// The maximum that a user may choose.
const MOST_JOBS: i64 = 64;

/// Judges the repositories, and prints the table.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    if args.row {
        return Ok(judging::answer(args.prove, &args.file, context));
    }
    let question = match &args.list {
        Some(file) => FleetQuestion::of_list(file, context)?,
        None => FleetQuestion::of_directories(&args.directories),
    };
    let inputs: Vec<&Option<PathBuf>> = question.inputs.iter().chain([&args.list]).collect();
    let output =
        args.output.as_deref().map(|file| destination(file, &inputs, context)).transpose()?;
    let program = binary::this(&context.directory, &context.env).ok_or_else(|| {
        Error::new("judge the repositories", "the program was moved while it ran")
            .help("run this again")
    })?;
    child::catch_sigchld();
    let failed = |error| Error::new("judge the repositories", error);
    let noted = NotedSignals::new().map_err(failed)?;
    let asker = Asker {
        program: OsString::from(program),
        arguments: asking::arguments(args.prove, &question.templates),
        files: question.templates.len(),
        time: args.timeout.0,
        stop: &|| noted.noted().is_some(),
    };
    let available = || std::thread::available_parallelism().map_or(1, NonZero::get).min(JOBS);
    let jobs = args.jobs.map_or_else(available, usize::from);
    let places = question.places.iter().collect();
    let answers = parallel::each(&mut vec![(); jobs], places, |(), place| asker.ask(place));
    noted.obey();
    let table = assembling::table(&question, answers, args.deny_warnings, context.now);
    Ok(Outcome::in_format(table.verdict(), args.format, output, context.paint, |format, paint| {
        report::report(format, &table, paint)
    }))
}
