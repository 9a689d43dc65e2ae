//! `bakstop pins`: every place that pins a package manager, and whether they agree.

use std::path::PathBuf;

use crate::commands::judge::{Options, configuration};
use crate::commands::{Context, Outcome};
use crate::engine::Engine;
use crate::error::Error;
use crate::finding::Verdict;
use crate::git::worktree::{OnDisk, WorkTree};
use crate::report::{HumanOrJson, pins as report};
use crate::report::human::View;
use crate::rules::OF_PINS;

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the answer is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Judge by the configuration in this file, whatever the repository says
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Shows every pin of the work tree, and what the rules about pins find.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let options = Options { without: &[], config: args.config.as_deref(), way_on: "", explain: false };
    let config = configuration(&files, &options, context)?;
    let mut engine = Engine::new(&config).only(&OF_PINS);
    let board = engine.all_pins(&files)?;
    let findings = engine.finish().findings;
    let verdict = Verdict::of(&findings, false);
    let view = View { paint: context.paint, below_top: !tree.prefix().is_empty(), restore: "", advice: None };
    let out = match args.format {
        HumanOrJson::Human => report::human(&board, &findings, view),
        HumanOrJson::Json => report::json(&board, &findings, view),
    };
    Ok(Outcome::new(verdict, out))
}
