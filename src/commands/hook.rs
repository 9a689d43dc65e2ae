//! `bakstop hook`: what the installed hooks run.
//!
//! It is `check` with the manners of a hook: silent when there is nothing to say, obedient to the switches that a person
//! may set for one commit, and clear about what was blocked and how to go on.

use crate::commands::{Context, Outcome, mend_staged, restore_command};
use crate::engine;
use crate::error::Error;
use crate::finding::Verdict;
use crate::git::Staged;
use crate::hooks::{Hook, SKIP, SWITCH, skipped};
use crate::report::human::{self, View};
use crate::rule::Rule;
use crate::rules::RULES;

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which hook this is
    #[arg(value_enum, value_name = "HOOK")]
    hook: Hook,

    /// What git gives the hook
    #[arg(value_name = "ARGUMENT", allow_hyphen_values = true)]
    arguments: Vec<std::ffi::OsString>,

    /// Tell how the answer was found, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Judges the staged content as a hook.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let command = args.hook.command();
    if context.env.get(SWITCH).is_some_and(|value| value == "0") {
        return Ok(Outcome::new(Verdict::Clean, "").note(format!("bakstop: not checked, because {SWITCH}=0")));
    }
    if args.hook.reads_lines() {
        let read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        read.map_err(|error| {
            Error::new("read what is pushed", error)
                .help(format!("run {command} again; it is told {:?}", args.arguments))
        })?;
        return Ok(Outcome::new(Verdict::Clean, ""));
    }
    let skipped = skipped(&context.env).map_err(|unknown| {
        Error::new(format!("read {SKIP}"), format!("there is no rule {unknown}"))
            .help(format!("the rules are: {}", RULES.map(|rule| rule.id).join(", ")))
    })?;
    let skipped: Vec<&str> = skipped.iter().map(|rule| rule.id).collect();
    let rules: Vec<&Rule> = RULES.into_iter().filter(|rule| !skipped.contains(&rule.id)).collect();
    let help = |error: Error| error.or_help(format!("to go on without this check: {SWITCH}=0 {command}"));
    let staged = Staged::read(&context.directory, &context.env).map_err(help)?;
    let mut findings = engine::judge(&rules, &staged).map_err(help)?;
    let verdict = Verdict::of(&findings, false);

    mend_staged(&mut findings, &staged);
    let restore = restore_command(&staged, &findings).map_err(help)?;
    let view = View { paint: context.paint, below_top: staged.is_below_top(), restore: &restore, advice: None };
    let mut out = human::check(&findings, view);
    if verdict == Verdict::Found {
        // The summary is the last line: it also says what happens now.
        out.truncate(out.trim_end().len());
        let act = args.hook.act();
        out += &format!("; the {act} is blocked (to go on without this check: {SWITCH}=0 {command})\n");
    }
    let mut outcome = Outcome::new(verdict, out);
    if !skipped.is_empty() {
        outcome = outcome.note(format!("bakstop: not checked, because of {SKIP}: {}", skipped.join(", ")));
    }
    if args.verbose {
        outcome = outcome.note(format!("bakstop: {}", staged.layer()));
    }
    Ok(outcome)
}
