//! `bakstop measure`: run a build several times in a known state of its caches.

mod touching;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use jiff::SignedDuration;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::destination::destination;
use crate::commands::journaling::{EditRoom, take_back_left};
use crate::commands::recording::builds::Before;
use crate::commands::recording::limits::{Limits, TIME};
use crate::commands::recording::record::Record;
use crate::commands::recording::{self, Finished, command_label};
use crate::commands::{Context, Outcome};
use crate::config::{self, Config};
use crate::git::private::Journal;
use crate::git::worktree::files::OnDisk;
use crate::git::worktree::{Detail, WorkTree};
use crate::measure::cold::cold_options;
use crate::measure::protocol::Protocol;
use crate::measure::runs::Run;
use crate::measure::trend::{LostCache, Timing, Usual};
use crate::measure::units::{Budget, Seconds};
use crate::os::child::{self, NotRun, Output, Ran};
use crate::os::signals::NotedSignals;
use crate::report::measure::{MeasureFailure, Measurement};
use crate::report::paint::Paint;
use crate::report::{self, HumanOrJson, plural, timing};
use crate::snapshot::{Changes, Snapshot, Tree};
use touching::TouchedFiles;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 measured; 1 too slow, or the builds did nothing or changed the work tree; 2 could \
not measure; 126 or 127 could not start the build; otherwise the exit code of a build that \
failed.\n\n\
Example: bakstop measure --touch src/server.ts --budget 30s -- docker compose build")]
pub(crate) struct Args {
    /// Before each run, add a new comment to this source file (repeatable); afterwards, put it back
    /// as it was
    #[arg(long, value_name = "FILE", conflicts_with = "cold")]
    touch: Vec<PathBuf>,

    /// Build without layers of earlier builds, and with empty cache mounts of its own: docker
    /// build, docker buildx build, docker compose build, podman build, buildah build
    #[arg(long)]
    cold: bool,

    /// How many times to build
    #[arg(long, value_name = "N", default_value_t = RUNS, value_parser = runs)]
    runs: usize,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// The label of the runs in the record (default: the command)
    #[arg(long, help_heading = TIME, value_name = "LABEL")]
    label: Option<String>,

    #[command(flatten)]
    limits: Limits,

    /// The build to run; if it fails, bakstop returns its exit code
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The number of runs unless the user chooses, and the maximum.
const RUNS: usize = 3;
const MOST_RUNS: usize = 100;

fn runs(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_RUNS).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {MOST_RUNS}"))
}

impl Args {
    /// The command as it is run.
    fn words(&self) -> Result<Vec<OsString>, Error> {
        let mut words = self.command.clone();
        if self.cold {
            let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            let text: Vec<&str> = text.iter().map(|word| &**word).collect();
            let (at, options) = cold_options(&text).ok_or_else(|| {
                Error::new("make this command cold", "it is none whose options are known")
                    .help("pass the cold command itself, without --cold")
            })?;
            words.splice(at..at, options.iter().map(OsString::from));
        }
        Ok(words)
    }

    fn run_label(&self) -> String {
        self.label.clone().unwrap_or_else(|| command_label(&self.command))
    }
}

/// Runs the build several times, and judges the runs.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let words = args.words()?;
    child::catch_sigchld();
    let tree =
        WorkTree::open(&context.directory)?.with_config_home(context.env.get("XDG_CONFIG_HOME"));
    let left = take_back_left(&tree)?;
    let mut notes: Vec<String> = left
        .iter()
        .map(|(edit, _)| format!("bakstop: took the comment of a killed run out of {}", edit.path))
        .collect();
    let foreign = touching::lines(&left);
    if !foreign.is_empty() {
        let notes = foreign.iter().map(|line| format!("bakstop: {line}"));
        return Ok(notes.fold(Outcome::new(Verdict::Found, ""), Outcome::note));
    }
    let config =
        Config::from_change(&OnDisk::file(&tree, config::FILE.into())?, || context.today())?;
    let open = |file: &PathBuf| {
        destination(file, &[], context).and_then(|file| Record::open(file, args.run_label()))
    };
    let record = args.limits.record.as_ref().map(open).transpose()?;
    let touched = match &args.touch[..] {
        [] => None,
        named => Some(TouchedFiles::new(
            named,
            &tree,
            EditRoom::enter(&tree, Journal::Touched)?,
            context,
        )?),
    };
    let paths = touched.iter().flat_map(TouchedFiles::paths).map(ToString::to_string);
    let protocol = Protocol::new(paths, args.cold);
    let protocol = Some(protocol).filter(|_| args.cold || touched.is_some());
    let mut series = Series {
        args,
        context,
        begun: Instant::now(),
        tree: &tree,
        config: &config,
        words,
        touched,
        protocol,
        record,
        runs: Vec::new(),
        failures: Vec::new(),
        errors: Vec::new(),
        code: None,
        last: None,
    };
    while series.runs.len() < args.runs && series.next(&mut notes)? {}
    Ok(series.outcome(notes))
}

/// The runs of one call.
struct Series<'a> {
    args: &'a Args,
    context: &'a Context,
    begun: Instant,
    tree: &'a WorkTree,
    config: &'a Config,
    /// The command as it is run.
    words: Vec<OsString>,
    touched: Option<TouchedFiles<'a>>,
    protocol: Option<Protocol>,
    record: Option<Record>,
    runs: Vec<Run>,
    failures: Vec<MeasureFailure>,
    /// What could not be done; the report is printed all the same.
    errors: Vec<Error>,
    /// The exit code of a command that failed or could not be started.
    code: Option<u8>,
    /// The time of the last run, compared with those before it, and the steps that lost their
    /// cache.
    last: Option<(Timing, Vec<LostCache>)>,
}

impl Series<'_> {
    fn look(&self) -> Result<Snapshot, Error> {
        let debris = self.config.debris();
        let snapshot = self.tree.snapshot(Detail::Contents, debris, self.context.terminal);
        snapshot.map_err(|error| error.or_help("see the output of `git status`"))
    }

    fn fail(&mut self, kind: &'static str, message: impl Into<String>) {
        self.failures.push(MeasureFailure { kind, message: message.into() });
    }

    /// Builds once; returns whether another run makes sense.
    fn next(&mut self, notes: &mut Vec<String>) -> Result<bool, Error> {
        let before = self.look()?;
        if let Some(touched) = &self.touched {
            touched.check(&before)?;
        }
        let builds = Before::look(&self.context.env);
        let elapsed = SignedDuration::try_from(self.begun.elapsed()).unwrap_or_default();
        let started = self.context.now.checked_add(elapsed).unwrap_or(self.context.now);
        let (ran, foreign) = self.build(&format!("{:x}", started.as_nanosecond()))?;
        let ran = match ran {
            Ok(ran) => ran,
            Err(NotRun { code, error }) => {
                self.code = Some(code);
                self.errors.push(error);
                return Ok(false);
            }
        };
        let found = builds.builds_since(self.tree.top(), &self.context.env);
        let (commit, after) = (before.head.commit, self.look());
        let changes = after.map(|after| self.disallowed(after.changes_since(before)));
        let tree = changes.as_ref().map_or(Tree::Unknown, recording::tree_of);
        let label = self.args.run_label();
        let run = Finished { label, started, ran: &ran, tree, commit }.run(Some(found));
        let run = Run { protocol: self.protocol.clone(), ..run };
        for line in foreign {
            self.fail("touched_file", line);
        }
        self.judge(&ran, &run, changes, notes);
        self.runs.push(run);
        Ok(self.failures.is_empty() && self.errors.is_empty())
    }

    /// Runs the command on files touched with a word, which are put back however it ends. Returns
    /// how it ended, and a line for each file that was changed meanwhile.
    fn build(&self, word: &str) -> Result<(Result<Ran, NotRun>, Vec<String>), Error> {
        // The JSON document needs standard output.
        let is_document = self.args.format == HumanOrJson::Json;
        let output = if is_document { Output::ToStandardError } else { Output::Inherited };
        let (program, arguments) = self.words.split_first().ok_or_else(no_command)?;
        let run = || child::run(program, arguments, output);
        let Some(touched) = &self.touched else { return Ok((run(), Vec::new())) };
        let held = NotedSignals::new()
            .map_err(|error| Error::new("hold signals back", error).help("run it again"))?;
        let touching = touched.touch(word);
        let ran = touching.as_ref().ok().filter(|()| held.noted().is_none()).map(|()| run());
        let put_back = touching.and_then(|()| touched.put_back());
        match ran {
            // How it ended says enough.
            Some(Ok(ran)) if ran.ended.code() != 0 => Ok((Ok(ran), put_back?)),
            Some(ran) => {
                held.obey();
                Ok((ran, put_back?))
            }
            None => {
                held.obey();
                put_back?;
                Err(Error::new("run the command", "a signal came first").help("run it again"))
            }
        }
    }

    /// The changes that the configuration does not allow.
    fn disallowed(&self, mut changes: Changes) -> Changes {
        changes.paths.retain(|change| self.config.verify_allowance(&change.path).is_none());
        changes
    }

    /// Judges a run by itself, and records it.
    fn judge(
        &mut self,
        ran: &Ran,
        run: &Run,
        changes: Result<Changes, Error>,
        notes: &mut Vec<String>,
    ) {
        if ran.ended.code() != 0 {
            self.code = Some(ran.ended.code());
            self.fail("command", format!("the command {}", ran.ended.describe()));
        }
        match changes {
            Ok(changes) if !changes.is_empty() => self.fail("tree", changed(&changes)),
            Ok(_) => {}
            Err(error) => self.errors.push(error),
        }
        if ran.ended.code() == 0 {
            self.judge_builds(run, notes);
        }
        let (limits, record) = (&self.args.limits, self.record.as_ref());
        self.last = Some((limits.timing(record, run), limits.lost_caches(record, run)));
        if let Some(record) = &mut self.record {
            let done = record.append(self.context, run, ran.ended);
            self.errors.extend(done.err());
        }
    }

    /// Judges what was built, and what was cached.
    fn judge_builds(&mut self, run: &Run, notes: &mut Vec<String>) {
        if self.touched.is_some() {
            if run.built_nothing() {
                let text = "no RUN step ran after the edit: the image does not contain the touched \
                            file, or no step depends on it";
                self.fail("nothing_built", text);
            }
            if let (Some(Err(reason)), true) = (&run.builds, self.runs.is_empty()) {
                notes.push(format!(
                    "bakstop: whether the edit reached the image is unknown: {reason}"
                ));
            }
        }
        let Some(gate) = self.args.limits.cache_gate(run) else { return };
        for line in timing::below(&gate) {
            self.fail("cached", line);
        }
        self.errors.extend(gate.unknown().map(timing::unknown_cache));
    }

    /// Judges all runs.
    fn judge_all(&mut self, notes: &mut Vec<String>) {
        let label = self.args.run_label();
        let median = Usual::of(self.runs.iter(), &label).map(|usual| usual.median);
        if let (Some(Budget(budget)), Some(median)) = (self.args.limits.budget, median)
            && median > budget.as_secs_f64()
        {
            let (took, budget) = (Seconds(median), Seconds(budget.as_secs_f64()));
            self.fail("budget", format!("the median is {took}; the budget is {budget}"));
        }
        let (Some(run), Some((timing, lost))) = (self.runs.last().cloned(), self.last.take())
        else {
            return;
        };
        if let Some((trend, usual)) = timing.regression() {
            self.fail("regression", timing::regression(&trend, &usual, timing.seconds));
        }
        notes.extend(Limits::note(self.record.as_ref(), &run, &timing));
        for lost in lost {
            let line = timing::lost_cache(&lost, self.args.limits.in_a_row);
            // In a known state of the caches, it is no accident.
            if run.protocol.is_some() {
                self.fail("lost_cache", line);
            } else {
                notes.push(format!("bakstop: {line}"));
            }
        }
    }

    /// The report on the runs.
    fn outcome(mut self, mut notes: Vec<String>) -> Outcome {
        if self.failures.is_empty() && self.errors.is_empty() {
            self.judge_all(&mut notes);
        }
        let verdict = if self.failures.is_empty() { Verdict::Clean } else { Verdict::Found };
        let measurement = Measurement {
            label: &self.args.run_label(),
            protocol: self.protocol.as_ref(),
            runs: &self.runs,
            failures: &self.failures,
        };
        let out = match self.args.format {
            HumanOrJson::Human if self.runs.is_empty() => String::new(),
            HumanOrJson::Human => measurement.human(self.context.paint),
            HumanOrJson::Json => measurement.json(),
        };
        let mut outcome = notes.into_iter().fold(Outcome::new(verdict, out), Outcome::note);
        for error in &self.errors {
            outcome.notes += &report::error(error, Paint::PLAIN);
            outcome.code = Verdict::Failed.code();
        }
        outcome.code = self.code.unwrap_or(outcome.code);
        outcome
    }
}

/// The sentence about a build that changed the work tree: the next run would build something else.
fn changed(changes: &Changes) -> String {
    let what = match changes.paths.len() {
        0 => "the repository".to_owned(),
        paths => plural(paths, "path"),
    };
    format!("the command changed {what}; to see what: bakstop verify -- CMD")
}

fn no_command() -> Error {
    Error::new("run the command", "it is missing").help("name it after --")
}
