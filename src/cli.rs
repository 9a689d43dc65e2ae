//! The command line: what was said, as types.

use clap::{Parser, Subcommand};

use crate::commands::{
    check, completions, explain, hook, install, man, pins, prove, rules, status, uninstall, verify,
};
use crate::report::paint::When;

/// Keeps the debris of Docker build preparation out of git history.
///
/// Exit codes: 0 clean, 1 findings, 2 could not judge.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,

    /// Run as if started in this directory
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<std::path::PathBuf>,

    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: When,
}

/// The verbs. The arguments of those that are not meant are never made, since a hook runs at every
/// commit; so a doc comment on arguments would take the place of what is said here.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Verb {
    /// Judge what is about to enter history: what is staged, a range, a push, a tree
    Check(check::Args),
    /// Prove that a build left the work tree as it was
    Verify(verify::Args),
    /// Prove that the pre-commit hook blocks a rewritten manifest, and leave nothing behind
    Prove(prove::Args),
    /// Show every place that pins a package manager, and whether they agree
    Pins(pins::Args),
    /// Put the hooks into this repository
    Install(install::Args),
    /// Take the hooks out again, byte for byte
    Uninstall(uninstall::Args),
    /// Say which hooks are in force, what they run, and what disarms them
    Status(status::Args),
    /// List the rules
    Rules(rules::Args),
    /// Print the manual page of a rule
    Explain(explain::Args),
    /// What the installed hooks run: check, with the switches that hooks obey
    Hook(hook::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
    /// Print the manual page, in the format of man
    Man(man::Args),
}
