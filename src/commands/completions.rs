//! `bakstop completions`: what a shell offers after Tab, from the definitions of the command line.

use clap_complete::Shell;

use crate::commands::Outcome;
use crate::error::Error;
use crate::finding::Verdict;

// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script of one shell.
pub fn run(args: &Args, mut command: clap::Command) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "bakstop", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::new("write the completions", error))?;
    Ok(Outcome::new(Verdict::Clean, script))
}
