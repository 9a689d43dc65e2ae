//! `bakstop hook`: what the installed hooks run.
//!
//! It is `check` for a hook: it prints nothing without findings, obeys the variables that disable
//! it for one commit or push, and prints what was blocked and how to proceed. On a server, these
//! variables have no effect.

use std::ffi::OsString;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::judge::{Options, Scope, judge};
use crate::commands::{Context, Outcome};
use crate::cure::setup;
use crate::git::Git;
use crate::hooks::{Hook, SKIP, SWITCH, operation, skipped};
use crate::report::{View, human};
use crate::rules::RULES;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The hook that runs this
    #[arg(value_enum, value_name = "HOOK")]
    hook: Hook,

    /// The arguments that git passes to the hook
    #[arg(value_name = "ARGUMENT", allow_hyphen_values = true)]
    arguments: Vec<OsString>,

    /// Report on standard error how files were read, and what the configuration hides
    #[arg(short, long)]
    verbose: bool,
}

impl Args {
    /// How to proceed if the guard crashes.
    pub(crate) fn recovery_hint(&self) -> String {
        setup::after_crash(self.hook)
    }
}

/// Judges the content of a commit or push that the hook can stop.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let hook = args.hook;
    let server = hook == Hook::PreReceive;
    if !server && context.env.get(SWITCH).is_some_and(|value| value == "0") {
        return Ok(Outcome::new(Verdict::Clean, "")
            .note(format!("bakstop: not checked, because {SWITCH}=0")));
    }
    let skipped = if server {
        Vec::new()
    } else {
        skipped(&context.env).map_err(|unknown| no_such_rule(&unknown))?
    };
    let recovery_hint = setup::invalid_configuration_hint(hook);
    let options = Options {
        paths: &[],
        without: &skipped,
        config: None,
        recovery_hint: &recovery_hint,
        explain: args.verbose,
        list: false,
    };
    let judged = judge(&scope(args), &options, context)
        .map_err(|error| if server { error } else { error.or_help(&*recovery_hint) })?;
    let verdict = Verdict::of(&judged.judgement.findings, false);
    // Who pushes to a server may not have bakstop.
    let view = View { can_explain: !server, ..judged.view(context.paint) };
    let mut out = human::check(&judged.judgement.findings, view);
    if verdict == Verdict::Found {
        // The summary is the last line, and ends with what happens now.
        out.truncate(out.trim_end().len());
        out += &format!("; {}\n", stopped(hook, context));
    }
    let mut outcome = Outcome::new(verdict, out);
    if !skipped.is_empty() {
        let skipped: Vec<&str> = skipped.iter().map(|rule| rule.id).collect();
        outcome = outcome
            .note(format!("bakstop: not checked, because of {SKIP}: {}", skipped.join(", ")));
    }
    if args.verbose {
        outcome = judged.verbose_lines().iter().fold(outcome, Outcome::note);
    }
    Ok(outcome)
}

fn scope(args: &Args) -> Scope {
    match args.hook {
        Hook::PreCommit | Hook::PreMergeCommit | Hook::PrepareCommitMsg => Scope::Staged,
        // Some hook managers do not pass the remote on; then commits of any remote count as pushed.
        Hook::PrePush => {
            Scope::Push(args.arguments.first().map(|name| name.to_string_lossy().into_owned()))
        }
        Hook::PreReceive => Scope::Receive,
    }
}

/// What happens now, and how to proceed.
fn stopped(hook: Hook, context: &Context) -> String {
    let operation = match hook {
        // The findings are printed even if the query to git fails.
        Hook::PrepareCommitMsg => {
            operation::in_progress(&Git::new(&context.directory)).unwrap_or_default()
        }
        _ => None,
    };
    setup::after_block(hook, operation)
}

fn no_such_rule(unknown: &str) -> Error {
    Error::new(format!("read {SKIP}"), format!("unknown rule {unknown}"))
        .help(format!("the rules are: {}", RULES.map(|rule| rule.id).join(", ")))
}
