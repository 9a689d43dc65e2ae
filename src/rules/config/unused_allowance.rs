#![doc = include_str!("../../../docs/rules/unused-allowance.md")]

use crate::base::finding::{Severity, Step};
use crate::rule::{Check, ConfigReading, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "unused-allowance",
    summary: "an allowance in bakstop.json that hides nothing in the whole tree",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unused-allowance.md"),
    check: Check::Configuration(judge),
    ..Rule::base(RuleGroup::Config)
};

fn judge(reading: &ConfigReading, findings: &mut Findings) {
    for path in &reading.unused {
        findings
            .place(&reading.file, path, "this allowance hides nothing in the whole tree")
            .help("remove it, then stage the change", &[Step::Stage]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::engine::Engine;
    use crate::engine::tests::{Fake, configured, messages};
    use crate::rule::Finding;

    const TEXT: &str = r#"{"allow": [
  {"rule": "stray-backup", "path": "a.bak", "reason": "r"},
  {"rule": "stray-backup", "path": "b.bak", "reason": "r"},
  {"rule": "stray-backup", "path": "c.bak", "reason": "r", "until": "2025-01-01"},
  {"rule": "registry-token", "path": "d.bak", "reason": "r"}
]}"#;

    fn unused(engine: &dyn Fn(Engine<'_>) -> Vec<Finding>) -> Vec<String> {
        let config = configured(TEXT);
        let mut found = engine(Engine::new(&config));
        found.retain(|finding| *finding.rule == RULE);
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
        messages(&found)
    }

    fn judged(mut engine: Engine<'_>) -> Vec<Finding> {
        engine.entries(&Fake::default().file("a.bak", "")).unwrap();
        engine.finish().findings
    }

    #[test]
    fn only_a_whole_tree_shows_that_an_allowance_is_unused() {
        let hides = "this allowance hides nothing in the whole tree";
        let expected =
            [format!("bakstop.json:3:36: {hides}"), format!("bakstop.json:5:38: {hides}")];
        assert_eq!(unused(&|engine| judged(engine.whole_tree(true))), expected);
        assert_eq!(unused(&judged), [""; 0]);
    }

    #[test]
    fn allowances_of_rules_that_did_not_run_are_ignored() {
        let skip = crate::rules::find("registry-token").unwrap();
        assert_eq!(unused(&|engine| judged(engine.whole_tree(true).without(&[skip]))).len(), 1);
    }
}
