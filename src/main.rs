//! bakstop keeps the debris of Docker build preparation out of git history.
//!
//! The modules stand in the order of their layers: each uses only those above it. See docs/architecture.md.

// Vocabulary: inert data.
mod escape;
mod path;
mod error;
mod change;
mod finding;
mod refs;
mod pattern;
mod debris;
mod snapshot;
mod runs;
mod baseline;
// Parsers, rules, configuration, and the engine that brings them together.
mod formats;
mod pins;
mod rule;
mod rules;
mod config;
mod engine;
// The outside world.
mod env;
mod child;
mod progress;
mod git;
mod hooks;
// What is said, and how.
mod paint;
mod report;
mod commands;
mod cli;

// What all of it is tried with; see fuzz/.
#[cfg(any(fuzzing, test))]
pub mod fuzz;
#[cfg(test)]
mod tidy;

use std::fs::{File, Permissions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::builder::StyledStr;
use clap::error::ContextValue;
use clap::{CommandFactory, Parser};
use signal_hook::consts::SIGXFSZ;

use cli::{Cli, Verb};
use commands::{Context, Outcome};
use env::Environment;
use error::Error;
use escape::Escaped;
use finding::Verdict;
use paint::{Paint, When};

fn main() -> ExitCode {
    // Where a file may grow no further, a write fails as any other does, and what was begun is put away.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let env = Environment::of_process();
    let paint_for = |when, terminal| Paint::decide(when, &env, terminal);
    let (outcome, paint_errors) = match Cli::try_parse() {
        Ok(cli) => {
            let paint_errors = paint_for(cli.color, std::io::stderr().is_terminal());
            let outcome = context(&cli, env).and_then(|context| with_room(|| run(&cli.verb, &context)));
            let outcome = outcome.unwrap_or_else(|error| Outcome {
                code: Verdict::Failed.code(),
                out: String::new(),
                file: None,
                notes: report::error(&error, paint_errors),
            });
            (outcome, paint_errors)
        }
        Err(error) => {
            let terminal =
                if error.use_stderr() { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
            (usage(error, paint_for(When::Auto, terminal)), paint_for(When::Auto, std::io::stderr().is_terminal()))
        }
    };
    // Where notes cannot be written, there is nobody to tell.
    let _ = print(&mut std::io::stderr(), &outcome.notes);
    let mut code = outcome.code;
    if let Some((path, text)) = &outcome.file
        && let Err(error) = write_file(path, text.as_bytes())
    {
        let shown = path::RepoPath::new(path.as_os_str().as_encoded_bytes());
        let error = Error::new(format!("write {shown}"), error)
            .help("give a file in a directory that exists and can be written to");
        code = untold(&error, code, paint_errors);
    }
    match print(&mut std::io::stdout(), &outcome.out) {
        Ok(()) => {}
        // A reader that went away has chosen not to know, and the verdict stands.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(error) => code = untold(&Error::new("write the report", error), code, paint_errors),
    }
    ExitCode::from(code)
}

/// The help that was asked for, or what is wrong with the arguments.
fn usage(error: clap::Error, paint: Paint) -> Outcome {
    let code = u8::try_from(error.exit_code()).unwrap_or(Verdict::Failed.code());
    let to_errors = error.use_stderr();
    let text = harmless(error).render();
    let text = if paint == Paint::PLAIN { text.to_string() } else { text.ansi().to_string() };
    let (out, notes) = if to_errors { (String::new(), text) } else { (text, String::new()) };
    Outcome { code, out, file: None, notes }
}

/// The same, with what it quotes of the arguments escaped: a script may have been given them by a repository.
fn harmless(mut error: clap::Error) -> clap::Error {
    let shown = |text: &str| Escaped(text.as_bytes()).to_string();
    let plain = |text: &StyledStr| StyledStr::from(shown(&text.to_string()));
    let quoted: Vec<_> = error
        .context()
        .map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(shown(text)),
                ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| shown(text)).collect()),
                ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(plain).collect()),
                // A usage is ours, and has several lines.
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

/// The verdict was not told, and a pass that was not told is none.
fn untold(error: &Error, code: u8, paint: Paint) -> u8 {
    let _ = print(&mut std::io::stderr(), &report::error(error, paint));
    if code == Verdict::Clean.code() { Verdict::Failed.code() } else { code }
}

/// Writes a file whole or not at all: beside the old one, then in its place. What is no file, such as a pipe or
/// `/dev/null`, is written to; what a link leads to is replaced, and the link stays.
fn write_file(path: &Path, text: &[u8]) -> std::io::Result<()> {
    // A stream that is ours already, such as /dev/stdout, whatever it leads to.
    if path.starts_with("/dev") || path.starts_with("/proc") {
        return File::options().append(true).open(path)?.write_all(text);
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let about = target.metadata();
    if about.as_ref().is_ok_and(|about| !about.is_file()) {
        return File::options().write(true).open(target)?.write_all(text);
    }
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the umask leaves of this, as for any file that a program writes.
    let permissions = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(directory)?;
    if let Ok(about) = about {
        file.as_file().set_permissions(about.permissions())?;
    }
    file.write_all(text)?;
    file.persist(target)?;
    Ok(())
}

fn context(cli: &Cli, env: Environment) -> Result<Context, Error> {
    let paint = Paint::decide(cli.color, &env, std::io::stdout().is_terminal());
    if let Some(directory) = &cli.directory {
        std::env::set_current_dir(directory).map_err(|error| {
            Error::new(format!("change to {}", path::RepoPath::new(directory.as_os_str().as_encoded_bytes())), error)
                .help("give a directory that exists")
        })?;
    }
    let directory = std::env::current_dir()
        .map_err(|error| Error::new("find the current directory", error).help("change to a directory that exists"))?;
    Ok(Context { directory, env, paint, terminal: std::io::stderr().is_terminal(), now: jiff::Timestamp::now() })
}

/// Room for documents that nest as deep as the parsers follow them, whatever `ulimit -s` leaves to the first thread.
const STACK: usize = 8 * 1024 * 1024;

/// Runs in a thread of its own where the first one has less room than it mostly has.
fn with_room<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    if limit.is_none_or(|limit| limit >= STACK as u64) {
        return work();
    }
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(_) => work(),
    })
}

fn run(verb: &Verb, context: &Context) -> Result<Outcome, Error> {
    match verb {
        Verb::Check(args) => commands::check::run(args, context),
        Verb::Verify(args) => commands::verify::run(args, context),
        Verb::Prove(args) => commands::prove::run(args, context),
        Verb::Pins(args) => commands::pins::run(args, context),
        Verb::Install(args) => commands::install::run(args, context),
        Verb::Uninstall(args) => commands::uninstall::run(args, context),
        Verb::Status(args) => commands::status::run(args, context),
        Verb::Rules(args) => commands::rules::run(args, context),
        Verb::Explain(args) => commands::explain::run(args, context),
        Verb::Hook(args) => commands::hook::run(args, context),
        Verb::Completions(args) => commands::completions::run(args, Cli::command()),
        Verb::Man(args) => commands::man::run(args, Cli::command()),
    }
}

fn print(stream: &mut impl Write, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}
