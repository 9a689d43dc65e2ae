//! `bakstop rules`: the rule table.

use crate::commands::{Context, Outcome};
use crate::error::Error;
use crate::finding::Verdict;
use crate::rules::RULES;

/// The arguments: none.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Lists every rule with its weight and what it catches.
pub fn run(_args: &Args, context: &Context) -> Result<Outcome, Error> {
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for rule in RULES {
        let padding = " ".repeat(width - rule.id.len());
        out += &format!("{}{padding}  {:7}  {}\n", context.paint.strong(rule.id), rule.severity.name(), rule.summary);
    }
    Ok(Outcome::new(Verdict::Clean, out))
}
