//! `bakstop completions`: a completion script, from the definitions of the command line.

use clap_complete::Shell;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::Outcome;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Returns the script.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "bakstop", &mut script);
    let script =
        String::from_utf8(script).map_err(|error| Error::new("write the completions", error))?;
    Ok(Outcome::new(Verdict::Clean, script))
}
