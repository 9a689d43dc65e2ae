//! `bakstop explain`: a rule's manual page, offline.

use clap::builder::PossibleValuesParser;

use crate::commands::{Context, Outcome};
use crate::error::Error;
use crate::finding::Verdict;
use crate::rules::{self, RULES};

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rule's id
    #[arg(value_name = "RULE", value_parser = PossibleValuesParser::new(RULES.map(|rule| rule.id)))]
    rule: String,
}

/// Prints the page as it stands in docs/rules.
pub fn run(args: &Args, _context: &Context) -> Result<Outcome, Error> {
    let manual = rules::find(&args.rule).map(|rule| rule.manual).unwrap_or_default();
    Ok(Outcome::new(Verdict::Clean, manual))
}
