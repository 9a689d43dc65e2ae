//! `bakstop prove`: prove that a commit of a rewritten manifest is blocked here, by this guard.
//!
//! The hook is run as `git commit` runs it, with a temporary index in which one manifest is
//! rewritten: first the topmost one, then a nested one. It is a proof if the hook fails each time
//! and its output has an error of the rule that shows the dependency of this attempt: a hook that
//! fails for another reason proves nothing. Otherwise `obstacle` finds out why.

use std::time::Instant;

use serde_json::{Value, json};

use crate::base::error::Error;
use crate::base::escape::{Escaped, no_command};
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome, listed};
use crate::config::Config;
use crate::git::Git;
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::{HookRun, Rehearsal};
use crate::hooks::setup;
use crate::report::json::{document, path, path_hex};
use crate::report::paint::Paint;
use crate::report::{HumanOrJson, plural};

mod probe;
mod obstacle;

use obstacle::{Attempt, Obstacle};
use probe::{HOOK, MANIFEST, Probe, Probes, RULE};

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the hook blocks; 1 it does not; 2 could not try it.")]
pub(crate) struct Args {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Try every manifest, not only the topmost and the deepest one
    #[arg(long)]
    all: bool,

    /// Print the output of the hook on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// The variable that marks an attempt for the hook. Its value is unique.
const PROVE: &str = "BAKSTOP_PROVE";
/// How many lines of the hook's output are shown.
const LINES: usize = 12;

/// The circumstances of every attempt.
struct Scene<'a> {
    context: &'a Context,
    git: &'a Git,
    layout: &'a Layout,
    config: &'a Result<Option<Config>, Error>,
    rehearsal: &'a Rehearsal,
    nonce: &'a str,
}

/// An attempt that was made.
struct ProofAttempt<'a> {
    manifest: &'a RepoPath,
    hook_run: HookRun,
    /// Why it is not a proof.
    obstacle: Option<Obstacle>,
    /// Whether the hook runs the guard for every file.
    is_ours: bool,
}

/// The result of all attempts.
struct ProofReport<'a> {
    /// In their order; the last one may have an obstacle.
    trials: &'a [ProofAttempt<'a>],
    /// The one that is reported: the failed one, or that of the topmost manifest.
    shown: &'a ProofAttempt<'a>,
    manifests: &'a Probes,
    seconds: f64,
}

/// Makes the attempts and reports their result.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let start = Instant::now();
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    if layout.bare {
        return Err(Error::new(
            "prove that a commit is blocked",
            "this repository is bare: nothing is committed here",
        )
        .help("run this in a clone that has a work tree"));
    }
    setup::refuse_endless(&layout)?;
    let rehearsal = &Rehearsal::prepare(&git, &context.env)?;
    let config = &obstacle::configuration(context, &git);
    let exempts = config.as_ref().ok().and_then(Option::as_ref);
    let manifests = &Probes::find(rehearsal, &layout, exempts, args.all)?;
    let nonce = &rehearsal.nonce();
    let scene = Scene { context, git: &git, layout: &layout, config, rehearsal, nonce };
    let mut trials: Vec<ProofAttempt<'_>> = Vec::new();
    for probe in &manifests.tried {
        let trial = scene.attempt(probe, trials.first().map(|first| first.manifest))?;
        trials.push(trial);
        if trials.last().is_some_and(|last| last.obstacle.is_some()) {
            break;
        }
    }
    let failed = trials.iter().find(|trial| trial.obstacle.is_some());
    let Some(shown) = failed.or(trials.first()) else {
        return Err(Error::new("prove that a commit is blocked", "no manifest was tried"));
    };
    let seconds = start.elapsed().as_secs_f64();
    let report = ProofReport { trials: &trials, shown, manifests, seconds };

    let verdict = if failed.is_none() { Verdict::Clean } else { Verdict::Found };
    let out = match args.format {
        HumanOrJson::Human => report.human(context.paint),
        HumanOrJson::Json => report.machine(),
    };
    let mut outcome = Outcome::new(verdict, out);
    if failed.is_none() {
        outcome = scene.not_proven(&report)?.into_iter().fold(outcome, Outcome::note);
    }
    let output = trials.iter().filter(|_| args.verbose).flat_map(|trial| lines(&trial.hook_run));
    Ok(output.fold(outcome, Outcome::note))
}

/// Why it is not proven; `None` if it is.
pub(super) fn obstacle(context: &Context) -> Result<Option<String>, Error> {
    let args = Args { format: HumanOrJson::Json, all: false, verbose: false };
    let outcome = run(&args, context)?;
    let about: Value = serde_json::from_str(&outcome.out).unwrap_or_default();
    let is_proven = outcome.code == Verdict::Clean.code() && about["proven"] == true;
    Ok((!is_proven).then(|| about["reason"].as_str().unwrap_or_default().to_owned()))
}

impl Scene<'_> {
    /// Runs the hook on a commit of one rewritten manifest. `blocked` is one that it blocked
    /// before.
    fn attempt<'p>(
        &self,
        probe: &'p Probe,
        blocked: Option<&RepoPath>,
    ) -> Result<ProofAttempt<'p>, Error> {
        let Self { context, git, layout, config, rehearsal, nonce } = *self;
        let manifest = &probe.manifest;
        let file = layout.hooks.join(HOOK.name());
        let run_hook = |listen: &mut dyn FnMut(&[u8])| {
            rehearsal.run_hook(HOOK.name(), &file, (PROVE, nonce), listen)
        };
        let mut matcher = probe.matcher();
        probe.stage_rewritten(rehearsal)?;
        let hook_run = run_hook(&mut |line| matcher.read(line))?;

        let reported = matcher.matched;
        let attempt = Attempt {
            context,
            git,
            layout,
            config,
            manifest,
            blocked,
            hook_run: &hook_run,
            reported,
        };
        // A hook that a signal killed proves nothing.
        let is_blocked = reported && hook_run.code.is_some_and(|code| code != 0);
        let is_ours = is_blocked && attempt.is_ours()?;
        let obstacle = if is_ours {
            None
        } else if is_blocked {
            attempt.counterproof(|| {
                probe.stage_harmless(rehearsal)?;
                run_hook(&mut |_| ())
            })?
        } else {
            Some(attempt.obstacle())
        };
        Ok(ProofAttempt { manifest, hook_run, obstacle, is_ours })
    }

    /// The lines about manifests for which nothing is proven: those that the configuration allows,
    /// and those that were not tried although the hook may not run the guard for them.
    fn not_proven(&self, report: &ProofReport<'_>) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        if let Some(config) = self.config.as_ref().map_err(Error::clone)? {
            let manifests = self.rehearsal.files_named(MANIFEST)?;
            let allowed: Vec<_> =
                manifests.iter().filter_map(|entry| config.exempts(RULE, &entry.path)).collect();
            lines = listed(&allowed, |(origin, how)| {
                format!("bakstop: not proven for every manifest: {origin} {how}")
            });
        }
        let Probes { left, absent, .. } = *report.manifests;
        if !report.shown.is_ours && left > 0 {
            let more = plural(left, "more manifest");
            lines.push(format!("bakstop: not tried: {more}; `bakstop prove --all` tries each"));
        }
        if !report.shown.is_ours && absent > 0 {
            let more = plural(absent, "manifest");
            lines.push(format!("bakstop: not tried: {more} of HEAD that the work tree lacks"));
        }
        Ok(lines)
    }
}

/// The last lines of the hook's output, safe to print.
fn lines(hook_run: &HookRun) -> impl Iterator<Item = String> {
    let output = hook_run.output.strip_suffix(b"\n").unwrap_or(&hook_run.output);
    let lines =
        output.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .filter(|_| !output.is_empty())
        .map(|line| no_command(Escaped(&without_colours(line)).to_string()))
}

/// A line without the sequences that set colours (`ESC [ 1 ; 31 m`).
fn without_colours(line: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::with_capacity(line.len()), line);
    while let Some((&byte, after)) = rest.split_first() {
        let sequence = rest.strip_prefix(b"\x1b[").and_then(|sequence| {
            let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
            let end = sequence.iter().position(|byte| !is_number(byte))?;
            sequence.get(end..)?.strip_prefix(b"m")
        });
        rest = sequence.unwrap_or(after);
        if sequence.is_none() {
            text.push(byte);
        }
    }
    text
}

impl ProofReport<'_> {
    /// "a rewritten package.json", or what was blocked of several.
    fn blocked(&self) -> String {
        match self.trials {
            [one] => format!("a rewritten {}", one.manifest),
            [one, two] => format!("a rewritten {}, then {}", one.manifest, two.manifest),
            many => format!("{} rewritten manifests, each in a commit of its own", many.len()),
        }
    }

    fn human(&self, paint: Paint) -> String {
        let (hook, ProofAttempt { hook_run, obstacle, .. }) = (HOOK.name(), self.shown);
        let Some(Obstacle { reason, help }) = obstacle else {
            return format!(
                "{} {} {hook} blocked {} ({:.2} s)\n",
                paint.strong("bakstop:"),
                paint.good("proven:"),
                self.blocked(),
                self.seconds
            );
        };
        let mut text =
            format!("{} {} {reason}\n", paint.strong("bakstop:"), paint.bad("not proven:"));
        if let Some(help) = help {
            text += &format!("{} {help}\n", paint.strong("help:"));
        }
        let output: Vec<String> = lines(hook_run).collect();
        if !output.is_empty() {
            text += &format!("\noutput of {hook}:\n");
            text += &output[output.len().saturating_sub(LINES)..]
                .iter()
                .map(|line| format!("  | {line}\n"))
                .collect::<String>();
        }
        text
    }

    /// `bakstop.prove/1`: a field may be added within a version; none is renamed, removed or given
    /// another meaning.
    fn machine(&self) -> String {
        let ProofAttempt { manifest, hook_run, obstacle, .. } = self.shown;
        let tried = self.trials.iter().map(|trial| {
            json!({
                "path": path(trial.manifest),
                "path_hex": path_hex(trial.manifest),
                "blocked": trial.obstacle.is_none(),
            })
        });
        document(&json!({
            "schema": "bakstop.prove/1",
            "proven": obstacle.is_none(),
            "hook": HOOK.name(),
            "manifest": path(manifest),
            "manifest_hex": path_hex(manifest),
            "tried": tried.collect::<Vec<_>>(),
            "untried": self.manifests.tried.len() - self.trials.len()
                + self.manifests.left
                + self.manifests.absent,
            "reason": obstacle.as_ref().map(|obstacle| &obstacle.reason),
            "help": obstacle.as_ref().and_then(|obstacle| obstacle.help.as_ref()),
            "output": lines(hook_run).collect::<Vec<_>>(),
            "seconds": (self.seconds * 1000.0).round() / 1000.0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_removed_and_other_sequences_stay() {
        for (line, shown) in [
            ("\u{1b}[38;2;56;56;56m─\u{1b}[m a", "─ a"),
            ("\u{1b}[1mb\u{1b}[2J", "b\u{1b}[2J"),
            ("\u{1b}\u{1b}[m[1m", "\u{1b}[1m"),
            ("a\u{1b}[12", "a\u{1b}[12"),
        ] {
            assert_eq!(without_colours(line.as_bytes()), shown.as_bytes(), "{line:?}");
        }
    }
}
