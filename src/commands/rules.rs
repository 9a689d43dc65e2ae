//! `bakstop rules`: the rule table.

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::report::{HumanOrJson, json};
use crate::rules::RULES;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the table is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

/// Lists every rule with its weight and what it catches.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let out = match args.format {
        HumanOrJson::Human => table(context),
        HumanOrJson::Json => json::rules(&RULES),
    };
    Ok(Outcome::new(Verdict::Clean, out))
}

fn table(context: &Context) -> String {
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for rule in RULES {
        let padding = " ".repeat(width - rule.id.len());
        out += &format!("{}{padding}  {:7}  {}\n", context.paint.strong(rule.id), rule.severity.name(), rule.summary);
    }
    out
}
