//! `bakstop explain`: the manual pages of rules.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::base::finding::Verdict;
use crate::commands::Outcome;
use crate::config::FILE;
use crate::report::{HumanOrJson, json};
use crate::rule::Rule;
use crate::rules::{self, RULES};

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ids of rules, as `bakstop rules` lists them
    #[arg(
        value_name = "RULE",
        required = true,
        value_parser = rule(),
        hide_possible_values = true
    )]
    rules: Vec<&'static Rule>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

fn rule() -> impl TypedValueParser<Value = &'static Rule> {
    PossibleValuesParser::new(RULES.map(|rule| rule.id))
        .try_map(|id| rules::find(&id).ok_or("unknown rule"))
}

/// Prints the pages.
pub(crate) fn run(args: &Args) -> Outcome {
    let out = match (args.format, &args.rules[..]) {
        (HumanOrJson::Human, rules) => {
            rules.iter().map(|rule| page(rule)).collect::<Vec<_>>().join("\n")
        }
        (HumanOrJson::Json, [rule]) => json::explain(rule),
        (HumanOrJson::Json, rules) => json::manuals(rules),
    };
    Outcome::new(Verdict::Clean, out)
}

fn page(rule: &Rule) -> String {
    let Rule { id, manual, .. } = rule;
    if rule.on_by_default {
        return (*manual).to_owned();
    }
    format!(
        "{manual}\nThis rule is off by default. To turn it on, add to {FILE}: \
         `\"rules\": {{\"{id}\": \"warning\"}}`\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::probe;

    #[test]
    fn the_page_of_a_rule_that_is_off_shows_how_to_turn_it_on() {
        let off = Rule { on_by_default: false, ..probe("probe") };
        assert_eq!(
            page(&off),
            "# probe\n\nThis rule is off by default. To turn it on, add to bakstop.json: \
             `\"rules\": {\"probe\": \"warning\"}`\n"
        );
        assert_eq!(page(&probe("probe")), "# probe\n");
        let json = |rule| serde_json::from_str::<serde_json::Value>(&json::explain(rule)).unwrap();
        assert_eq!(json(&off)["rule"]["on_by_default"], false);
        assert_eq!(json(&probe("probe"))["rule"]["on_by_default"], true);
    }
}
