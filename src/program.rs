//! Runs a verb, and turns every failure into text and an exit code. `main` only prints.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::builder::StyledStr;
use clap::error::ContextValue;
use clap::{CommandFactory, Parser};
use signal_hook::consts::SIGXFSZ;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::base::path::{RepoPath, shell_argument};
use crate::cli::{Cli, Verb, tips};
use crate::commands::destination::must_be_untracked;
use crate::commands::{self, Context, Outcome};
use crate::cure::{self, Crashed};
use crate::git::private::Journal;
use crate::os::crash;
use crate::os::env::Environment;
use crate::os::stack::with_large_stack;
use crate::report;
use crate::report::paint::{Paint, When};

/// Lets a write beyond `ulimit -f` fail instead of ending the process, so that temporary files are
/// removed.
pub fn ignore_file_size_signal() {
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// What `main` prints, and the exit code.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub notes: String,
    /// Colour for standard error.
    paint: Paint,
}

impl Answer {
    /// Adds an error. A pass without its report is not a pass: its exit code becomes 2.
    fn failed(mut self, error: &Error) -> Self {
        self.notes += &report::error(error, self.paint);
        if self.code == Verdict::Clean.code() {
            self.code = Verdict::Failed.code();
        }
        self
    }

    /// The answer if the report could not be printed. The notes have been printed.
    #[must_use]
    pub fn unprinted(mut self, error: &std::io::Error) -> Self {
        self.notes.clear();
        self.failed(&Error::new("write the report", error))
    }
}

/// Runs the program. The first argument is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Answer {
    let env = Environment::current();
    let paint_for = |when, terminal| Paint::decide(when, &env, terminal);
    let paint_errors = |when| paint_for(when, std::io::stderr().is_terminal());
    match parse(&arguments.into_iter().collect::<Vec<_>>()) {
        Ok(cli) => {
            let paint = paint_errors(cli.color);
            crash::set_recovery_hint(recovery_hint(&cli.verb));
            let failed = |notes: String, error: &Error| {
                Answer { code: 0, out: String::new(), notes, paint }.failed(error)
            };
            let answer = |context: Context| {
                let warning = warning(&cli.verb, &context);
                match with_large_stack(|| dispatch(&cli.verb, &context)) {
                    Ok(outcome) => {
                        let place = place_of_commands(&cli, &[&outcome.notes, &outcome.out]);
                        let dry = if outcome.code != Verdict::Failed.code() && is_dry_run(&cli.verb)
                        {
                            "bakstop: nothing is changed (--dry-run)\n"
                        } else {
                            ""
                        };
                        let notes = place + &warning + &outcome.notes + dry;
                        saved(Outcome { notes, ..outcome }, paint, &context)
                    }
                    Err(error) => {
                        let help = report::error(&error, Paint::PLAIN);
                        failed(place_of_commands(&cli, &[&help]) + &warning, &error)
                    }
                }
            };
            context(&cli, env).map_or_else(|error| failed(String::new(), &error), answer)
        }
        Err(error) => {
            let paint = if error.use_stderr() {
                paint_errors(When::Auto)
            } else {
                paint_for(When::Auto, std::io::stdout().is_terminal())
            };
            usage(error, paint)
        }
    }
}

/// Parses the command line. A call by an installed hook has no global options.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    match commands::hook::Args::of_installed(arguments) {
        Some(args) => Ok(Cli { verb: Verb::Hook(args), directory: None, color: When::default() }),
        None => Cli::try_parse_from(arguments),
    }
}

/// Writes the file of `--output`.
fn saved(outcome: Outcome, paint: Paint, context: &Context) -> Answer {
    let answer = Answer { code: outcome.code, out: outcome.out, notes: outcome.notes, paint };
    let Some((destination, text)) = outcome.file else { return answer };
    let write = || {
        destination.write(text.as_bytes()).map_err(|error| {
            let shown = RepoPath::from(destination.name());
            Error::new(format!("write {shown}"), error)
                .help("name a file in a directory that exists and can be written to")
        })
    };
    match must_be_untracked(&destination, context).and_then(|()| write()) {
        Ok(()) => answer,
        Err(error) => answer.failed(&error),
    }
}

/// Help, or an error about the arguments.
fn usage(error: clap::Error, paint: Paint) -> Answer {
    let code = u8::try_from(error.exit_code()).unwrap_or(Verdict::Failed.code());
    let to_errors = error.use_stderr();
    let text = with_escapes(tips::helpful(error)).render();
    let text = if paint == Paint::PLAIN { text.to_string() } else { text.ansi().to_string() };
    let (out, notes) = if to_errors { (String::new(), text) } else { (text, String::new()) };
    Answer { code, out, notes, paint }
}

/// Escapes quoted arguments: a script may have them from a repository.
fn with_escapes(mut error: clap::Error) -> clap::Error {
    let shown = |text: &str| Escaped(text.as_bytes()).to_string();
    let plain = |text: &StyledStr| StyledStr::from(shown(&text.to_string()));
    let quoted: Vec<_> = error
        .context()
        .map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(shown(text)),
                ContextValue::Strings(texts) => {
                    ContextValue::Strings(texts.iter().map(|text| shown(text)).collect())
                }
                ContextValue::StyledStrs(texts) => {
                    ContextValue::StyledStrs(texts.iter().map(plain).collect())
                }
                // The usage has several lines of our own.
                other => other.clone(),
            };
            (kind, value)
        })
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}

fn context(cli: &Cli, env: Environment) -> Result<Context, Error> {
    let paint = Paint::decide(cli.color, &env, std::io::stdout().is_terminal());
    if let Some(directory) = &cli.directory {
        std::env::set_current_dir(directory).map_err(|error| {
            Error::new(format!("change to {}", RepoPath::from(directory.as_path())), error)
                .help("name a directory that exists")
        })?;
    }
    let directory = std::env::current_dir().map_err(|error| {
        Error::new("find the current directory", error).help("change to a directory that exists")
    })?;
    Ok(Context {
        directory,
        env,
        paint,
        terminal: std::io::stderr().is_terminal(),
        now: jiff::Timestamp::now(),
    })
}

/// The lines about edits that a killed run left in the work tree; empty without any, and for verbs
/// that read no repository or take these edits back.
fn warning(verb: &Verb, context: &Context) -> String {
    let is_wanted = |kind: Journal| match verb {
        Verb::Restore(args) => !args.takes_edits_back(),
        Verb::Measure(_) => kind != Journal::Touched,
        // It refuses to prepare again, or takes them back.
        Verb::Prep(_) => kind != Journal::Prepared,
        Verb::Trend(_)
        | Verb::Fleet(_)
        | Verb::Rules(_)
        | Verb::Explain(_)
        | Verb::Completions(_)
        | Verb::Man(_) => false,
        _ => true,
    };
    let is_hook = matches!(verb, Verb::Hook(_));
    let lines = commands::journaling::warnings(context, is_hook, is_wanted);
    lines.iter().fold(Outcome::new(Verdict::Clean, ""), Outcome::note).notes
}

/// The programs of printed commands, and the marks before a command in a text: the last ends
/// a colour.
const PROGRAMS: [&str; 5] = ["bakstop ", "git ", "cd ", "(cd ", "rm "];
const BEFORE_COMMAND: [&str; 4] = ["`", "    ", ": ", "m"];

/// Where to run the printed commands: with `-C`, they are for that directory. Empty without any.
fn place_of_commands(cli: &Cli, texts: &[&str]) -> String {
    let Some(directory) = &cli.directory else { return String::new() };
    // A document is for a program.
    let mut texts = texts.iter().filter(|text| !text.starts_with(['{', '<', '[']));
    let has_command = |text: &&&str| {
        let mut programs = PROGRAMS.iter();
        programs.any(|program| {
            BEFORE_COMMAND.iter().any(|before| text.contains(&[*before, *program].concat()))
        })
    };
    if !texts.any(|text| has_command(&text)) {
        return String::new();
    }
    let directory = shell_argument(directory.as_os_str().as_encoded_bytes());
    format!("bakstop: the commands below are for another directory; first: cd {directory}\n")
}

fn is_dry_run(verb: &Verb) -> bool {
    match verb {
        Verb::Pins(args) => args.dry_run,
        Verb::Doctor(args) => args.is_dry_run(),
        Verb::Lockfile(args) => args.dry_run,
        Verb::Prep(args) => args.dry_run,
        Verb::Restore(args) => args.dry_run,
        Verb::Install(args) => args.dry_run,
        Verb::Uninstall(args) => args.dry_run,
        _ => false,
    }
}

/// How to proceed if this verb crashes.
fn recovery_hint(verb: &Verb) -> String {
    let crashed = match verb {
        Verb::Hook(args) => return args.recovery_hint(),
        Verb::Check(_) => Crashed::Judgement,
        Verb::Verify(_) => Crashed::Build,
        Verb::Measure(_) => Crashed::Measurement,
        Verb::Prove(_) => Crashed::Proof,
        Verb::Pins(args) if args.writes() => Crashed::Files,
        Verb::Lockfile(args) if args.writes() => Crashed::Files,
        Verb::Restore(args) if args.writes() => Crashed::Files,
        Verb::Prep(args) if args.writes() => Crashed::Preparation,
        Verb::Doctor(args) if args.writes() => Crashed::Files,
        Verb::Install(_) | Verb::Uninstall(_) => Crashed::Hooks,
        _ => Crashed::Nothing,
    };
    cure::after_crash(crashed).to_owned()
}

/// Runs one verb.
fn dispatch(verb: &Verb, context: &Context) -> Result<Outcome, Error> {
    match verb {
        Verb::Check(args) => commands::check::run(args, context),
        Verb::Verify(args) => commands::verify::run(args, context),
        Verb::Prep(args) => commands::prep::run(args, context),
        Verb::Restore(args) => commands::restore::run(args, context),
        Verb::Prove(args) => commands::prove::run(args, context),
        Verb::Pins(args) => commands::pins::run(args, context),
        Verb::Lockfile(args) => commands::lockfile::run(args, context),
        Verb::Doctor(args) => commands::doctor::run(args, context),
        Verb::Measure(args) => commands::measure::run(args, context),
        Verb::Trend(args) => commands::trend::run(args, context),
        Verb::Fleet(args) => commands::fleet::run(args, context),
        Verb::Install(args) => commands::install::run(args, context),
        Verb::Uninstall(args) => commands::uninstall::run(args, context),
        Verb::Status(args) => commands::status::run(args, context),
        Verb::Rules(args) => commands::rules::run(args, context),
        Verb::Explain(args) => Ok(commands::explain::run(args)),
        Verb::Hook(args) => commands::hook::run(args, context),
        Verb::Completions(args) => commands::completions::run(args, Cli::command()),
        Verb::Man(args) => commands::man::run(args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn after_crash(arguments: &str) -> String {
        let words = ["bakstop"].into_iter().chain(arguments.split(' '));
        recovery_hint(&Cli::try_parse_from(words).unwrap().verb)
    }

    #[test]
    fn a_call_by_an_installed_hook_is_parsed_as_any_other() {
        use proptest::prelude::*;

        let word = proptest::sample::select(
            &["hook", "help", "pre-commit", "pre-push", "prepare-commit-msg", "Pre-Commit"][..],
        );
        let other =
            proptest::sample::select(&["", "x", "-v", "--", "-", "-C", "check", "=", "é"][..]);
        let words = proptest::collection::vec(prop_oneof![word.clone(), other], 0..4);
        proptest!(|(first in word, rest in words)| {
            let call: Vec<OsString> =
                ["bakstop", first].into_iter().chain(rest).map(OsString::from).collect();
            let Some(args) = commands::hook::Args::of_installed(&call) else { return Ok(()) };
            let Cli { verb, directory, color } = Cli::try_parse_from(&call).unwrap();
            let Verb::Hook(expected) = verb else { panic!("{call:?}") };
            prop_assert_eq!((args, directory, color), (expected, None, When::default()));
        });
        // Bytes that are no text, and the words that git passes.
        let not_text = OsString::from_vec(b"\xff".to_vec());
        for (call, is_known) in [
            (&["hook", "pre-commit"][..], true),
            (&["hook", "pre-push", "origin", "url"], true),
            (&["hook", "prepare-commit-msg", ".git/COMMIT_EDITMSG", "message"], true),
            (&["hook", "pre-commit", "--verbose"], false),
            (&["-C", "hook", "pre-commit"], false),
            (&["hook", "post-commit"], false),
            (&["hook"], false),
            (&[], false),
        ] {
            let mut call: Vec<OsString> =
                ["bakstop"].iter().chain(call).map(OsString::from).collect();
            assert_eq!(commands::hook::Args::of_installed(&call).is_some(), is_known, "{call:?}");
            call.push(not_text.clone());
            if let Some(args) = commands::hook::Args::of_installed(&call) {
                let verb = Cli::try_parse_from(&call).unwrap().verb;
                assert!(matches!(verb, Verb::Hook(expected) if expected == args), "{call:?}");
            }
        }
    }

    #[test]
    fn every_verb_has_advice_after_a_crash() {
        for (arguments, expected) in [
            ("hook pre-commit", "to skip this check: BAKSTOP=0 git commit"),
            ("hook pre-merge-commit", "to skip this check: BAKSTOP=0 git merge --continue"),
            ("hook prepare-commit-msg x message", "to skip this check: BAKSTOP=0 git commit"),
            ("hook pre-push origin url", "to skip this check: BAKSTOP=0 git push"),
        ] {
            assert_eq!(after_crash(arguments), expected, "{arguments}");
        }
        // A server obeys no variable.
        let server = after_crash("hook pre-receive");
        assert!(
            server.contains("`bakstop uninstall` in the repository on the server")
                && !server.contains("BAKSTOP")
        );
        for (arguments, expected) in [
            ("check", "this is not a pass"),
            ("verify -- true", "the work tree was not judged"),
            ("measure -- true", "`bakstop restore`"),
            ("prove", "`bakstop status`"),
            ("pins", "nothing was changed"),
            ("pins --set --dry-run", "nothing was changed"),
            ("rules", "nothing was changed"),
            ("fleet", "nothing was changed"),
            ("pins --set", "`git diff`"),
            ("restore", "`git diff`"),
            ("prep", "`bakstop prep`"),
            ("prep --in-place", "`bakstop restore`"),
            ("prep --dry-run", "nothing was changed"),
            ("prep --in-place --dry-run", "nothing was changed"),
            ("restore --dry-run", "nothing was changed"),
            ("doctor", "nothing was changed"),
            ("doctor --fix --check", "nothing was changed"),
            ("doctor --fix", "`git diff`"),
            ("install", "`bakstop status`"),
            ("uninstall", "`bakstop status`"),
        ] {
            let sentence = after_crash(arguments);
            assert!(sentence.contains(expected), "{sentence}");
            assert_eq!(sentence.lines().count(), 1);
        }
    }
}
