//! The command line as types.

use clap::{Parser, Subcommand};

use crate::commands::{
    check, completions, doctor, explain, fleet, hook, install, lockfile, man, measure, pins, prep,
    prove, restore, rules, status, trend, uninstall, verify,
};
use crate::report::paint::When;

pub(crate) mod tips;

/// Keeps leftovers of Docker build preparation out of git history.
// Without a longer text, all verbs and options fit on one screen.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Checks what is committed and pushed in pnpm, npm and Yarn repositories for \
                  rewritten manifests and lockfiles, backup files, registry tokens and versions of \
                  package managers that differ; prepares, judges and measures their Docker builds.\
                  \n\nExit codes: 0 clean, 1 findings, 2 could not judge."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub verb: Verb,

    /// Run as if bakstop was started in DIR
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<std::path::PathBuf>,

    /// When to use colour: auto (on a terminal), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    pub color: When,
}

/// The verbs. The arguments of a verb are built only if it runs: a hook runs at every commit. A doc
/// comment on arguments would replace the one here.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Verb {
    /// Check what enters history: staged files, a range of commits, a push, a tree
    Check(check::Args),
    /// Run a build, and report what it changed in the work tree
    Verify(verify::Args),
    /// Prepare Docker builds with packages of a sibling repository, beside the tree
    Prep(prep::Args),
    /// Take the traces of a preparation out again, and remove its leftovers
    Restore(restore::Args),
    /// Test that the installed pre-commit hook blocks a rewritten manifest
    Prove(prove::Args),
    /// List the places that pin a package manager, and whether their versions agree
    Pins(pins::Args),
    /// Make the lockfiles for images with the pinned pnpm, or judge whether they fit
    Lockfile(lockfile::Args),
    /// Judge whether the Docker builds of the repository are correct, closed and cached
    Doctor(doctor::Args),
    /// Run a build several times, cold or after an edit, and show what it takes
    Measure(measure::Args),
    /// Show what recorded builds took, and whether that grew: text, tables, charts
    Trend(trend::Args),
    /// Show many repositories as one table, and how their copies of a file differ
    Fleet(fleet::Args),
    /// Install the git hooks
    Install(install::Args),
    /// Remove the git hooks, and restore the previous ones
    Uninstall(uninstall::Args),
    /// Show which hooks are active, what they run, and what disables them
    Status(status::Args),
    /// List the rules
    Rules(rules::Args),
    /// Print the manual pages of rules
    Explain(explain::Args),
    /// Run the check of a git hook (called by the installed hooks)
    Hook(hook::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page in roff format
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Verbs without a verdict of their own.
    const WITHOUT: [&str; 5] = ["rules", "explain", "hook", "completions", "man"];

    #[test]
    fn the_help_of_a_verb_fits_on_a_screen_and_has_the_exit_codes() {
        for verb in Cli::command().get_subcommands() {
            let name = verb.get_name();
            let help = |option| Cli::try_parse_from(["bakstop", name, option]).unwrap_err();
            let [short, long] = ["-h", "--help"].map(|option| help(option).to_string());
            assert_eq!(short, long, "-h has less than --help");
            let lines = long.lines().count();
            assert!(lines <= 50, "{name}: {lines} lines");
            let has_codes = long.contains("\nExit codes: 0 ");
            assert_eq!(has_codes, !WITHOUT.contains(&name), "{name}: {long}");
        }
    }
}
