//! `bakstop verify`: prove that a build left the work tree as it was.

mod args;
mod watch;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::{RepoPath, shell_quote};
use crate::commands::destination::destination;
use crate::commands::recording::builds::Before;
use crate::commands::recording::limits::Limits;
use crate::commands::recording::record::Record;
use crate::commands::recording::{self, Finished};
use crate::commands::{Context, Outcome, preparing};
use crate::config::{self, Config};
use crate::disk::destination::Destination;
use crate::disk::read::{self, FinalLink};
use crate::git::worktree::files::OnDisk;
use crate::git::worktree::{Detail, WorkTree};
use crate::measure::builds::CacheGate;
use crate::measure::runs::Run;
use crate::measure::trend::Timing;
use crate::os::child::{self, NotRun, Output, Ran};
use crate::report::paint::Paint;
use crate::report::verify::Since;
use crate::report::{self, HumanOrJson, timing};
use crate::snapshot::baseline::Baseline;
use crate::snapshot::{Changes, Snapshot, State, Tree};
pub(crate) use args::Args;
use watch::{Watch, not_examined};

/// Compares the work tree with a clean one, with its state before the command, or with a baseline.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let inputs = [&args.baseline, &args.limits.record];
    let to_file = |file: &Option<PathBuf>| {
        file.as_deref().map(|file| destination(file, &inputs, context)).transpose()
    };
    let output = to_file(&args.output)?;
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
            watch.report(&changes, Since::Clean, None, &notes)
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
    watch.report(&changes, Since::Baseline, None, &notes)
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
    let mut record = args.limits.record.as_ref().map(open).transpose()?;
    let mut before = watch.look(Detail::Contents)?;
    watch.keep_texts(&mut before);
    let wants_builds = record.is_some() || args.limits.min_cached.is_some();
    let builds_before = wants_builds.then(|| Before::look(&context.env));
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
    let after = watch.look(Detail::Contents);
    let found = builds_before.map(|before| before.builds_since(watch.tree.top(), &context.env));
    let commit = before.head.commit;
    let changes = after.map(|after| watch.allow(after.changes_since(before)));
    let tree = changes.as_ref().map_or(Tree::Unknown, |(changes, _)| recording::tree_of(changes));
    let run = Finished { label: args.run_label(), started: context.now, ran: &ran, tree, commit }
        .run(found);
    judged(watch, &ran, &run, changes, record.as_mut())
}

/// Judges a finished command, and records it.
fn judged(
    watch: &Watch<'_>,
    ran: &Ran,
    run: &Run,
    changes: Result<(Changes, Vec<String>), Error>,
    record: Option<&mut Record>,
) -> Result<Outcome, Error> {
    let Watch { args, context, .. } = *watch;
    let timing = args.limits.timing(record.as_deref(), run);
    let cache = args.limits.cache_gate(run);
    let notes = notes(args, record.as_deref(), run, &timing);
    let outcome = compared(watch, changes, ran, timing, cache.as_ref());
    // What fails from here on is an error in addition to the report.
    let unknown = cache.as_ref().and_then(CacheGate::unknown).map(timing::unknown_cache);
    let unwritten = record.and_then(|record| record.append(context, run, ran.ended).err());
    let mut outcome = outcome?;
    for error in unknown.into_iter().chain(unwritten) {
        outcome.notes += &report::error(&error, Paint::PLAIN);
        if ran.ended.code() == 0 {
            outcome.code = Verdict::Failed.code();
        }
    }
    Ok(notes.iter().fold(outcome, Outcome::note))
}

/// The notes on the time of a run and on its builds.
fn notes(args: &Args, record: Option<&Record>, run: &Run, timing: &Timing) -> Vec<String> {
    let mut notes: Vec<String> = Limits::note(record, run, timing).into_iter().collect();
    let lost = args.limits.lost_caches(record, run);
    let line = |lost| format!("bakstop: {}", timing::lost_cache(lost, args.limits.in_a_row));
    notes.extend(lost.iter().map(line));
    if let (true, Some(Err(reason))) = (args.verbose, &run.builds) {
        notes.push(format!("bakstop: the Docker builds are unknown: {reason}"));
    }
    notes
}

/// The report on a finished command.
fn compared(
    watch: &Watch<'_>,
    changes: Result<(Changes, Vec<String>), Error>,
    ran: &Ran,
    timing: Timing,
    cache: Option<&CacheGate>,
) -> Result<Outcome, Error> {
    match changes {
        Ok((changes, notes)) => watch.report(&changes, Since::Command(ran, timing), cache, &notes),
        Err(error) => {
            let outcome = Outcome {
                notes: report::error(&error, Paint::PLAIN),
                ..Outcome::new(Verdict::Failed, "")
            };
            Ok(outcome.note(format!("bakstop: the command {}", ran.ended.describe())))
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
    let named = shell_quote(file.as_os_str().as_encoded_bytes());
    let help = format!("write it before the build: bakstop verify --save-baseline {named}");
    let text = read::file(file, FinalLink::Follow, BASELINE)
        .map_err(|error| Error::new(&*doing, error).help(&*help))?;
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
