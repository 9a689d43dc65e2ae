//! `bakstop explain`: a rule's manual page, offline.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::report::{HumanOrJson, json};
use crate::rule::Rule;
use crate::rules::{self, RULES};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rule's id
    #[arg(value_name = "RULE", value_parser = rule())]
    rule: &'static Rule,

    /// How the page is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

fn rule() -> impl TypedValueParser<Value = &'static Rule> {
    PossibleValuesParser::new(RULES.map(|rule| rule.id)).try_map(|id| rules::find(&id).ok_or("there is no such rule"))
}

/// Prints the page as it stands in docs/rules.
pub(crate) fn run(args: &Args, _context: &Context) -> Result<Outcome, Error> {
    let out = match args.format {
        HumanOrJson::Human => args.rule.manual.to_owned(),
        HumanOrJson::Json => json::explain(args.rule),
    };
    Ok(Outcome::new(Verdict::Clean, out))
}
