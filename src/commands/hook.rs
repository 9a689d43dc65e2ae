//! `bakstop hook`: what the installed hooks run.
//!
//! It is `check` for a hook: it prints nothing without findings, obeys the variables that disable
//! it for one commit or push, and prints what was blocked and how to proceed. On a server, these
//! variables have no effect.

use std::ffi::OsString;

use clap::ValueEnum;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::judge::{Judged, Options, Scope, judge};
use crate::commands::{Context, Outcome};
use crate::cure::setup;
use crate::git::Git;
use crate::hooks::occasion::Occasion;
use crate::hooks::{Hook, SKIP, SWITCH, operation, skipped};
use crate::os::env::Environment;
use crate::report::{View, human};
use crate::rule::{Finding, Subject};
use crate::rules::RULES;

// The arguments.
#[derive(Debug, PartialEq, Eq, clap::Args)]
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
    /// The arguments of a call as the installed hooks make it; `None` for any other call.
    ///
    /// A hook runs at every commit, and building the parser of all verbs is a fifth of the
    /// instructions of a run.
    pub(crate) fn of_installed(call: &[OsString]) -> Option<Self> {
        let [_, verb, name, arguments @ ..] = call else { return None };
        let hook = Hook::value_variants().iter().find(|hook| *name == *hook.name())?;
        let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
        let is_plain = *verb == *"hook" && !arguments.iter().any(is_option);
        is_plain.then(|| Self { hook: *hook, arguments: arguments.to_vec(), verbose: false })
    }

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
    let mut task = Task::of(args, &context.env);
    let recovery_hint =
        task.stops.map_or_else(|| setup::SWITCH_OFF.to_owned(), setup::invalid_configuration_hint);
    let options = Options {
        without: &skipped,
        recovery_hint: &recovery_hint,
        explain: args.verbose,
        ..Options::default()
    };
    let failed = |error: Error| if server { error } else { error.or_help(&*recovery_hint) };
    let mut judged = judge(&task.scope, &options, context).map_err(failed)?;
    let mut notes = Vec::new();
    if let Some(certain) = task.certain.filter(|_| judged.entries == 0) {
        notes.push(format!("bakstop: {}", setup::nothing_staged(certain)));
        if certain {
            task.stops = None;
            judged = judge(&Scope::Head, &options, context).map_err(failed)?;
        }
    }
    if !skipped.is_empty() {
        let skipped: Vec<&str> = skipped.iter().map(|rule| rule.id).collect();
        notes.push(format!("bakstop: not checked, because of {SKIP}: {}", skipped.join(", ")));
    }
    if args.verbose {
        notes.extend(judged.verbose_lines());
    }
    Ok(notes.into_iter().fold(report(&judged, task.stops, context), Outcome::note))
}

/// What a hook judges.
struct Task {
    scope: Scope,
    /// The hook whose action fails with it. Without one, existing commits are judged.
    stops: Option<Hook>,
    /// For a hook that git did not start: whether to judge HEAD if nothing is staged.
    certain: Option<bool>,
}

impl Task {
    fn of(args: &Args, env: &Environment) -> Self {
        let hook = args.hook;
        let of = |scope, stops| Self { scope, stops, certain: None };
        match (hook, Occasion::of(env)) {
            // Some hook managers do not pass the remote on; then commits of any remote count as
            // pushed.
            (Hook::PrePush, _) => {
                let remote = args.arguments.first().map(|name| name.to_string_lossy().into_owned());
                of(Scope::Push(remote), Some(hook))
            }
            (Hook::PreReceive, _) => of(Scope::Receive, Some(hook)),
            (Hook::PrepareCommitMsg, _) | (_, Occasion::Commit) => of(Scope::Staged, Some(hook)),
            (_, Occasion::Range(spec)) => of(Scope::Range { spec, tip: false }, None),
            (_, Occasion::Push { remote, tip }) => {
                of(Scope::PushOf { remote, tip }, Some(Hook::PrePush))
            }
            (_, Occasion::Run { certain }) => {
                Self { certain: Some(certain), ..of(Scope::Staged, Some(hook)) }
            }
        }
    }
}

/// The findings, and what happens now to the action of the hook `stops`.
fn report(judged: &Judged, stops: Option<Hook>, context: &Context) -> Outcome {
    let findings = &judged.judgement.findings;
    let verdict = Verdict::of(findings, false);
    // Who pushes to a server may not have bakstop.
    let can_explain = stops != Some(Hook::PreReceive);
    let mut out = human::check(findings, View { can_explain, ..judged.view(context.paint) });
    if let Some(hook) = stops.filter(|_| verdict == Verdict::Found) {
        // The summary is the last line, and ends with what happens now.
        out.truncate(out.trim_end().len());
        out += &format!("; {}\n", stopped(hook, findings, context));
    }
    Outcome::new(verdict, out)
}

/// What happens now, and how to proceed.
fn stopped(hook: Hook, findings: &[Finding], context: &Context) -> String {
    let operation = match hook {
        // The findings are printed even if the query to git fails.
        Hook::PrepareCommitMsg => {
            operation::in_progress(&Git::new(&context.directory)).unwrap_or_default()
        }
        _ => None,
    };
    let is_secret = |finding: &Finding| finding.rule.subject == Subject::Secret;
    setup::after_block(hook, operation, findings.iter().any(is_secret))
}

fn no_such_rule(unknown: &str) -> Error {
    Error::new(format!("read {SKIP}"), format!("unknown rule {unknown}"))
        .help(format!("the rules are: {}", RULES.map(|rule| rule.id).join(", ")))
}
