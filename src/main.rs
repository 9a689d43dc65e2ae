//! bakstop keeps the debris of Docker build preparation out of git history.
//!
//! The modules stand in the order of their layers: each uses only those above it. See docs/architecture.md.

// Vocabulary: inert data.
mod escape;
mod path;
mod error;
mod change;
mod finding;
mod debris;
mod snapshot;
// Parsers, rules, and the engine that brings them together.
mod formats;
mod rule;
mod rules;
mod engine;
// The outside world.
mod env;
mod child;
mod git;
mod hooks;
// What is said, and how.
mod paint;
mod report;
mod commands;
mod cli;

#[cfg(test)]
mod tidy;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Verb};
use commands::{Context, Outcome};
use env::Environment;
use error::Error;
use finding::Verdict;
use paint::Paint;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let env = Environment::of_process();
    let paint_errors = Paint::decide(cli.color, &env, std::io::stderr().is_terminal());
    let outcome = context(&cli, env).and_then(|context| run(&cli.verb, &context));
    let outcome = outcome.unwrap_or_else(|error| Outcome {
        code: Verdict::Failed.code(),
        out: String::new(),
        notes: report::error(&error, paint_errors),
    });
    // Where notes cannot be written, there is nobody to tell.
    let _ = print(&mut std::io::stderr(), &outcome.notes);
    let told = print(&mut std::io::stdout(), &outcome.out);
    ExitCode::from(told.map_or_else(|error| untold(&error, outcome.code, paint_errors), |()| outcome.code))
}

/// A reader that went away has chosen not to know, and the verdict stands. Any other failure to write means that the
/// verdict was not told; a pass that was not told is none.
fn untold(error: &std::io::Error, code: u8, paint: Paint) -> u8 {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return code;
    }
    let _ = print(&mut std::io::stderr(), &report::error(&Error::new("write the report", error), paint));
    if code == Verdict::Clean.code() { Verdict::Failed.code() } else { code }
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
    Ok(Context { directory, env, paint })
}

fn run(verb: &Verb, context: &Context) -> Result<Outcome, Error> {
    match verb {
        Verb::Check(args) => commands::check::run(args, context),
        Verb::Verify(args) => commands::verify::run(args, context),
        Verb::Prove(args) => commands::prove::run(args, context),
        Verb::Install(args) => commands::install::run(args, context),
        Verb::Uninstall(args) => commands::uninstall::run(args, context),
        Verb::Status(args) => commands::status::run(args, context),
        Verb::Rules(args) => commands::rules::run(args, context),
        Verb::Explain(args) => commands::explain::run(args, context),
        Verb::Hook(args) => commands::hook::run(args, context),
    }
}

fn print(stream: &mut impl Write, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}
