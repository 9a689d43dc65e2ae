//! `bakstop verify`: prove that a build left the work tree as it was.

mod args;
mod record;
mod watch;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::destination::destination;
use crate::commands::{Context, Outcome, preparing};
use crate::config::{self, Config};
use crate::disk::destination::Destination;
use crate::disk::read::{self, FinalLink};
use crate::git::worktree::files::OnDisk;
use crate::git::worktree::{Detail, WorkTree};
use crate::measure::runs::{Budget, Percent, Run, Timing};
use crate::os::child::{self, NotRun, Output, Ran};
use crate::report::paint::Paint;
use crate::report::verify::Since;
use crate::report::{self, HumanOrJson, runs};
use crate::snapshot::baseline::Baseline;
use crate::snapshot::{Snapshot, State, Tree};
pub(crate) use args::Args;
use record::Record;
use watch::{Watch, not_examined};

/// Compares the work tree with a clean one, with its state before the command, or with a baseline.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let inputs = [&args.baseline, &args.record, &args.history];
    let to_file = |file: &Option<PathBuf>| {
        file.as_deref().map(|file| destination(file, &inputs, context)).transpose()
    };
    let output = to_file(&args.output)?;
    if let Some(file) = &args.history {
        return history(args, context, output, file);
    }
    if args.label.is_some() && args.record.is_none() {
        return Err(Error::new("use --label", "there is no record to label")
            .help("add --record FILE, or --history FILE"));
    }
    child::catch_sigchld();
    let tree =
        WorkTree::open(&context.directory)?.with_config_home(context.env.get("XDG_CONFIG_HOME"));
    if let Some(file) = &args.baseline {
        return since_baseline(args, context, output, &tree, file);
    }
    // The build may change the configuration.
    let files = OnDisk::file(&tree, config::FILE.into())?;
    let config = Config::from_change(&files, || context.today())?;
    let watch = Watch { args, context, output, tree: &tree, config: &config };
    if let Some(saved) = to_file(&args.save_baseline)? {
        return save_baseline(&watch, saved);
    }
    match args.command.split_first() {
        None => {
            let (changes, mut notes) =
                watch.allow(watch.look(Detail::Paths)?.changes_since_clean());
            notes.extend(preparing::state::note(&tree, &config));
            watch.report(&changes, Since::Clean, &notes)
        }
        Some((program, arguments)) => run_build(&watch, program, arguments),
    }
}

/// Reports what changed since a baseline was saved, with its configuration.
fn since_baseline(
    args: &Args,
    context: &Context,
    output: Option<Destination>,
    tree: &WorkTree,
    file: &Path,
) -> Result<Outcome, Error> {
    let Baseline { mut snapshot, configuration } = read_baseline(file)?;
    let config = match &configuration[..] {
        [] => Config::default(),
        text => Config::parse(config::FILE, text, context.today())?,
    };
    let watch = Watch { args, context, output, tree, config: &config };
    let is_older = snapshot.hooks.is_none();
    let mut now = watch.look(if is_older { Detail::Older } else { Detail::Contents })?;
    remove_baseline(file, tree, [&mut snapshot, &mut now]);
    let (changes, mut notes) = watch.allow(now.changes_since(snapshot));
    notes.extend(is_older.then(|| OLDER.to_owned()));
    watch.report(&changes, Since::Baseline, &notes)
}

/// Saves the state of the work tree, and the configuration.
fn save_baseline(watch: &Watch<'_>, saved: Destination) -> Result<Outcome, Error> {
    let mut snapshot = watch.look(Detail::Contents)?;
    remove_baseline(saved.name(), watch.tree, [&mut snapshot]);
    let notes: Vec<String> = not_examined(&snapshot.unexamined).collect();
    let text = Baseline { snapshot, configuration: watch.config.text().to_vec() }.write();
    let saved = Outcome { file: Some((saved, text)), ..Outcome::new(Verdict::Clean, "") };
    Ok(notes.into_iter().fold(saved, Outcome::note))
}

/// Runs the command between two snapshots.
fn run_build(
    watch: &Watch<'_>,
    program: &OsString,
    arguments: &[OsString],
) -> Result<Outcome, Error> {
    let Watch { args, context, .. } = *watch;
    // Report a broken record before a long build, not after it.
    let open = |file: &PathBuf| {
        destination(file, &[], context).and_then(|file| Record::open(file, args.run_label()))
    };
    let record = args.record.as_ref().map(open).transpose()?;
    let mut before = watch.look(Detail::Contents)?;
    watch.keep_texts(&mut before);
    // The JSON document needs standard output.
    let is_document = args.format == HumanOrJson::Json && args.output.is_none();
    let output = if is_document { Output::ToStandardError } else { Output::Inherited };
    let ran = match child::run(program, arguments, output) {
        Ok(ran) => ran,
        Err(NotRun { code, error }) => {
            let notes = report::error(&error, Paint::PLAIN);
            return Ok(Outcome { code, out: String::new(), file: None, notes });
        }
    };
    let timing = Timing {
        seconds: ran.took.as_secs_f64(),
        budget: args.budget.map(|Budget(time)| time.as_secs_f64()),
        usual: record.as_ref().and_then(Record::usual),
        allowed: args.max_regression.map(|Percent(percent)| percent),
    };
    let commit = before.head.commit;
    let (outcome, state) = compared(watch, before, &ran, timing);
    // A record that cannot be written is an error in addition to the report.
    let written =
        record.as_ref().map_or(Ok(()), |record| record.append(context, &ran, state, commit));
    let mut outcome = outcome?;
    if let Err(error) = written {
        outcome.notes += &report::error(&error, Paint::PLAIN);
        if ran.ended.code() == 0 {
            outcome.code = Verdict::Failed.code();
        }
    }
    Ok(match record.filter(|_| timing.allowed.is_some() && timing.usual.is_none()) {
        Some(record) => {
            outcome.note(format!("bakstop: no successful run of {record} to compare with"))
        }
        None => outcome,
    })
}

/// The report on a finished command, and the state of the work tree.
fn compared(
    watch: &Watch<'_>,
    before: Snapshot,
    ran: &Ran,
    timing: Timing,
) -> (Result<Outcome, Error>, Tree) {
    match watch.look(Detail::Contents) {
        Ok(after) => {
            let (changes, notes) = watch.allow(after.changes_since(before));
            let state = if changes.is_empty() { Tree::Unchanged } else { Tree::Changed };
            (watch.report(&changes, Since::Command(ran, timing), &notes), state)
        }
        Err(error) => {
            let outcome = Outcome {
                notes: report::error(&error, Paint::PLAIN),
                ..Outcome::new(Verdict::Failed, "")
            };
            (
                Ok(outcome.note(format!("bakstop: the command {}", ran.ended.describe()))),
                Tree::Unknown,
            )
        }
    }
}

/// The note on a baseline of an older version.
const OLDER: &str = "bakstop: the baseline is of an older version: hooks, core.hooksPath, ignored \
                     rules, FIFOs and sockets are not compared";

/// The maximum size in bytes of a baseline.
const BASELINE: u64 = 256 * 1024 * 1024;

fn read_baseline(file: &Path) -> Result<Baseline, Error> {
    let doing = format!("read the baseline {}", RepoPath::from(file));
    let help = "write it before the build: bakstop verify --save-baseline FILE";
    let text = read::file(file, FinalLink::Follow, BASELINE)
        .map_err(|error| Error::new(&*doing, error).help(help))?;
    Baseline::read(&text).map_err(|why| Error::new(doing, why).help(help))
}

/// Removes the baseline file from snapshots: no build made it.
fn remove_baseline<'a>(
    file: &Path,
    tree: &WorkTree,
    snapshots: impl IntoIterator<Item = &'a mut Snapshot>,
) {
    if let Some(path) = tree.path_of(file) {
        let is_ours = |states: &BTreeSet<State>| {
            states.iter().all(|state| [State::Untracked, State::Leftover].contains(state))
        };
        for snapshot in snapshots {
            if snapshot.paths.get(&path).is_some_and(|dirt| is_ours(&dirt.states)) {
                snapshot.paths.remove(&path);
            }
        }
    }
}

/// Prints the runs of a record.
fn history(
    args: &Args,
    context: &Context,
    output: Option<Destination>,
    file: &Path,
) -> Result<Outcome, Error> {
    let runs = record::read(file)?.ok_or_else(|| {
        Error::new(format!("read the record {}", RepoPath::from(file)), "the file does not exist")
            .help("create it: bakstop verify --record FILE -- CMD")
    })?;
    let wanted = |run: &Run| args.label.as_ref().is_none_or(|label| *label == run.label);
    let runs: Vec<Run> = runs.into_iter().filter(wanted).collect();
    Ok(Outcome::in_format(Verdict::Clean, args.format, output, context.paint, |format, paint| {
        match format {
            HumanOrJson::Human => runs::human(&runs, paint),
            HumanOrJson::Json => runs::json(&runs),
        }
    }))
}
