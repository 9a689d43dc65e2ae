//! `bakstop explain`: a rule's manual page, offline.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::commands::{Context, Outcome};
use crate::error::Error;
use crate::finding::Verdict;
use crate::rule::Rule;
use crate::rules::{self, RULES};

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rule's id
    #[arg(value_name = "RULE", value_parser = rule())]
    rule: &'static Rule,
}

fn rule() -> impl TypedValueParser<Value = &'static Rule> {
    PossibleValuesParser::new(RULES.map(|rule| rule.id)).try_map(|id| rules::find(&id).ok_or("there is no such rule"))
}

/// Prints the page as it stands in docs/rules.
pub fn run(args: &Args, _context: &Context) -> Result<Outcome, Error> {
    Ok(Outcome::new(Verdict::Clean, args.rule.manual))
}
