//! `bakstop completions`: a completion script, from the definitions of the command line.

use clap_complete::{generate, shells};

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::Outcome;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: CompletedShell,
}

/// The shells of the platforms that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CompletedShell {
    Bash,
    Fish,
    Zsh,
}

/// Returns the script.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    let name = "bakstop";
    match args.shell {
        CompletedShell::Bash => generate(shells::Bash, &mut command, name, &mut script),
        CompletedShell::Fish => generate(shells::Fish, &mut command, name, &mut script),
        CompletedShell::Zsh => generate(shells::Zsh, &mut command, name, &mut script),
    }
    let script =
        String::from_utf8(script).map_err(|error| Error::new("write the completions", error))?;
    Ok(Outcome::new(Verdict::Clean, script))
}
