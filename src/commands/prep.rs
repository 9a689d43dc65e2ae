//! `bakstop prep`: prepares a build beside the tree, in the ignored leftover directory alone.

use std::path::PathBuf;

use crate::report::HumanOrJson;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 prepared; 1 a Dockerfile does not take what would be prepared; 2 could not prepare, \
and nothing was written.")]
pub(crate) struct Args {
    /// Print what would be packed, and why, and each file that would be written; change nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

    /// Pack every package again, even if nothing changed
    #[arg(short, long)]
    pub(super) force: bool,

    /// Do not build the sibling: pack what lies there
    #[arg(long)]
    pub(super) no_build: bool,

    /// Pack only this package and those that it needs (repeatable); others are installed from the
    /// registry
    #[arg(long, value_name = "NAME")]
    pub(super) package: Vec<String>,

    /// The directory of the sibling (default: `prep.from` of bakstop.json)
    #[arg(long, value_name = "DIR")]
    pub(super) from: Option<PathBuf>,

    /// The package manager of the images, such as pnpm@10.6.5, where nothing pins one
    #[arg(long, value_name = "NAME@VERSION")]
    pub(super) package_manager: Option<String>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: HumanOrJson,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl Args {
    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        !self.dry_run
    }
}
