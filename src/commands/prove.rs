//! `bakstop prove`: prove that a commit of a rewritten manifest is blocked here, by this guard.
//!
//! The hook is run as `git commit` runs it, with a temporary index in which a manifest is
//! rewritten. It is a proof if the hook fails and its output has an error of the rule that shows
//! the dependency of this run: a hook that fails for another reason proves nothing. Otherwise
//! `obstacle` finds out why.

use std::time::Instant;

use serde_json::json;

use crate::base::error::Error;
use crate::base::escape::{Escaped, no_command};
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome};
use crate::git::Git;
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::{HookRun, Rehearsal};
use crate::hooks::setup;
use crate::report::HumanOrJson;
use crate::report::json::{document, path, path_hex};

mod probe;
mod obstacle;

use obstacle::{Attempt, Obstacle};
use probe::{HOOK, Probe};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Print the output of the hook on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// The variable that marks an attempt for the hook. Its value is unique.
const PROVE: &str = "BAKSTOP_PROVE";
/// How many lines of the hook's output are shown.
const LINES: usize = 12;

/// Makes the attempt and reports its result.
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
    let rehearsal = Rehearsal::prepare(&git, &context.env)?;
    let nonce = rehearsal.nonce();
    let probe = Probe::find(&rehearsal, &nonce)?;
    let manifest = &probe.manifest;
    let mut matcher = probe.matcher();
    let file = layout.hooks.join(HOOK.name());
    let run_hook = |listen: &mut dyn FnMut(&[u8])| {
        rehearsal.run_hook(HOOK.name(), &file, (PROVE, &nonce), listen)
    };
    probe.stage_rewritten(&rehearsal)?;
    let hook_run = run_hook(&mut |line| matcher.read(line))?;

    let reported = matcher.matched;
    let attempt =
        Attempt { context, git: &git, layout: &layout, manifest, hook_run: &hook_run, reported };
    // A hook that a signal killed proves nothing.
    let obstacle = if reported && hook_run.code.is_some_and(|code| code != 0) {
        attempt.counterproof(|| {
            probe.stage_harmless(&rehearsal)?;
            run_hook(&mut |_| ())
        })?
    } else {
        Some(attempt.obstacle())
    };
    let seconds = start.elapsed().as_secs_f64();

    let verdict = if obstacle.is_none() { Verdict::Clean } else { Verdict::Found };
    let out = match args.format {
        HumanOrJson::Human => human(obstacle.as_ref(), &hook_run, manifest, seconds, context),
        HumanOrJson::Json => machine(obstacle.as_ref(), &hook_run, manifest, seconds),
    };
    let mut outcome = Outcome::new(verdict, out);
    if obstacle.is_none() {
        // The proof is about one manifest; the configuration may allow others.
        for line in attempt.allowed_elsewhere(&rehearsal)? {
            outcome = outcome.note(line);
        }
    }
    Ok(if args.verbose { lines(&hook_run).fold(outcome, Outcome::note) } else { outcome })
}

/// The last lines of the hook's output, safe to print.
fn lines(hook_run: &HookRun) -> impl Iterator<Item = String> {
    let output = hook_run.output.strip_suffix(b"\n").unwrap_or(&hook_run.output);
    let lines =
        output.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|_| !output.is_empty()).map(|line| no_command(Escaped(line).to_string()))
}

fn human(
    obstacle: Option<&Obstacle>,
    hook_run: &HookRun,
    manifest: &RepoPath,
    seconds: f64,
    context: &Context,
) -> String {
    let (paint, hook) = (context.paint, HOOK.name());
    let Some(Obstacle { reason, help }) = obstacle else {
        let proven = paint.good("proven:");
        return format!(
            "{} {proven} {hook} blocked a rewritten {manifest} ({seconds:.2} s)\n",
            paint.strong("bakstop:")
        );
    };
    let mut text = format!("{} {} {reason}\n", paint.strong("bakstop:"), paint.bad("not proven:"));
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
fn machine(
    obstacle: Option<&Obstacle>,
    hook_run: &HookRun,
    manifest: &RepoPath,
    seconds: f64,
) -> String {
    document(&json!({
        "schema": "bakstop.prove/1",
        "proven": obstacle.is_none(),
        "hook": HOOK.name(),
        "manifest": path(manifest),
        "manifest_hex": path_hex(manifest),
        "reason": obstacle.map(|obstacle| &obstacle.reason),
        "help": obstacle.and_then(|obstacle| obstacle.help.as_ref()),
        "output": lines(hook_run).collect::<Vec<_>>(),
        "seconds": (seconds * 1000.0).round() / 1000.0,
    }))
}
