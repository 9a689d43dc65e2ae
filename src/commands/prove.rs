//! `bakstop prove`: prove that a commit of a rewritten manifest is blocked here, by this guard.
//!
//! The proof is an attempt: the hook is run as `git commit` runs it, over an index of its own in
//! which a manifest is rewritten. It counts only if the hook ends with a failure and one finding in
//! its output is an error of the rule that shows that manifest's dependency; a hook that fails for
//! another reason proves nothing. If it is no proof, what is known of the hooks says why.

use std::time::Instant;

use serde_json::json;

use crate::base::error::Error;
use crate::base::escape::{Escaped, no_command};
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome};
use crate::git::Git;
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::{Performance, Rehearsal};
use crate::hooks::{Hook, setup};
use crate::report::HumanOrJson;
use crate::report::json::{document, path};
use crate::rule::{Rule, Subject};
use crate::rules;

mod probe;
mod obstacle;

use obstacle::{Attempt, Obstacle};
use probe::{Listener, Probe};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Show what the hook said, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// The hook that is tried.
const HOOK: Hook = Hook::PreCommit;
/// The rule that must block.
const RULE: &Rule = rules::about(Subject::Manifest);
/// Set for the hook, to a word that no other attempt has.
const PROVE: &str = "BAKSTOP_PROVE";
/// A version that a person could ask for: nothing is found in it.
const HARMLESS: &str = "1.0.0";
/// How many lines of the hook's output are shown.
const LINES: usize = 12;

/// Makes the attempt, and explains how it ended.
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
    let probe = Probe::find(&rehearsal)?;
    let manifest = &probe.manifest;
    let mut listener = Listener::new(&nonce);
    let file = layout.hooks.join(HOOK.name());
    let perform = |listen: &mut dyn FnMut(&[u8])| {
        rehearsal.perform(HOOK.name(), &file, (PROVE, &nonce), listen)
    };
    probe.stage_rewritten(&rehearsal, &nonce)?;
    let done = perform(&mut |line| listener.hear(line))?;

    let heard = listener.heard;
    let attempt = Attempt { context, git: &git, layout: &layout, manifest, done: &done, heard };
    // An end by a signal proves nothing.
    let obstacle = if heard && done.code.is_some_and(|code| code != 0) {
        attempt.counterproof(|| {
            probe.stage(&rehearsal, &nonce, HARMLESS)?;
            perform(&mut |_| ())
        })?
    } else {
        Some(attempt.obstacle())
    };
    let seconds = start.elapsed().as_secs_f64();

    let verdict = if obstacle.is_none() { Verdict::Clean } else { Verdict::Found };
    let out = match args.format {
        HumanOrJson::Human => human(obstacle.as_ref(), &done, manifest, seconds, context),
        HumanOrJson::Json => machine(obstacle.as_ref(), &done, manifest, seconds),
    };
    let mut outcome = Outcome::new(verdict, out);
    if obstacle.is_none() {
        // The proof is about one manifest; the configuration may allow others.
        for line in attempt.allowed_elsewhere(&rehearsal)? {
            outcome = outcome.note(line);
        }
    }
    Ok(if args.verbose { lines(&done).fold(outcome, Outcome::note) } else { outcome })
}

/// The lines that are left of what the hook said, safe to print.
fn lines(done: &Performance) -> impl Iterator<Item = String> {
    let said = done.said.strip_suffix(b"\n").unwrap_or(&done.said);
    let lines =
        said.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|_| !said.is_empty()).map(|line| no_command(Escaped(line).to_string()))
}

fn human(
    obstacle: Option<&Obstacle>,
    done: &Performance,
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
    let said: Vec<String> = lines(done).collect();
    if !said.is_empty() {
        text += &format!("\n{hook} said:\n");
        text += &said[said.len().saturating_sub(LINES)..]
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
    done: &Performance,
    manifest: &RepoPath,
    seconds: f64,
) -> String {
    let (manifest, manifest_hex) = path(manifest);
    document(&json!({
        "schema": "bakstop.prove/1",
        "proven": obstacle.is_none(),
        "hook": HOOK.name(),
        "manifest": manifest,
        "manifest_hex": manifest_hex,
        "reason": obstacle.map(|obstacle| &obstacle.reason),
        "help": obstacle.and_then(|obstacle| obstacle.help.as_ref()),
        "output": lines(done).collect::<Vec<_>>(),
        "seconds": (seconds * 1000.0).round() / 1000.0,
    }))
}
