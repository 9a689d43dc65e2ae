//! `bakstop rules`: the rule table.

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::{Context, Outcome};
use crate::report::paint::Paint;
use crate::report::{HumanOrJson, json, rows};
use crate::rule::{Rule, RuleGroup};
use crate::rules::RULES;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

/// Lists the rules.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    Ok(Outcome::new(Verdict::Clean, list(args.format, context.paint)))
}

/// The table of all rules.
fn list(format: HumanOrJson, paint: Paint) -> String {
    match format {
        HumanOrJson::Human => table(&RULES, paint),
        HumanOrJson::Json => json::rules(&RULES),
    }
}

fn table(rules: &[&Rule], paint: Paint) -> String {
    let row = |rule: &&Rule| {
        let weight = if rule.on_by_default { rule.severity.name() } else { "off" };
        let verb = if rule.group == RuleGroup::Doctor { "doctor" } else { "check" };
        (rule.id, format!("{weight:7}  {verb:6}  {}", rule.summary))
    };
    rows(&rules.iter().map(row).collect::<Vec<_>>(), |id| paint.strong(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::probe;

    #[test]
    fn the_verb_that_runs_a_rule_is_shown() {
        let of_builds = Rule { group: RuleGroup::Doctor, ..probe("a") };
        assert_eq!(table(&[&of_builds], Paint::PLAIN), "a  error    doctor  nothing at all\n");
    }

    #[test]
    fn a_rule_that_is_off_by_default_is_shown_as_such() {
        let off = Rule { on_by_default: false, ..probe("a") };
        assert_eq!(
            table(&[&off, &probe("longer")], Paint::PLAIN),
            "a       off      check   nothing at all\nlonger  error    check   nothing at all\n"
        );
    }
}
