#![doc = include_str!("../../../docs/rules/expired-allowance.md")]

use crate::base::finding::{Severity, Step};
use crate::rule::{Check, ConfigReading, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "expired-allowance",
    summary: "an expired allowance in bakstop.json",
    manual: include_str!("../../../docs/rules/expired-allowance.md"),
    check: Check::Configuration(judge),
    ..Rule::base(RuleGroup::Config)
};

fn judge(reading: &ConfigReading, findings: &mut Findings) {
    for date in &reading.expired {
        let draft = findings
            .place(&reading.file, date, "this allowance has expired and no longer hides anything")
            .help("remove it, or set a later date and a reason that still applies", &[Step::Stage]);
        // An old allowance must not block a change that has nothing to do with it.
        if !reading.file.fresh {
            draft.severity(Severity::Warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, configured, judged_with, messages};

    const TEXT: &str = r#"{"allow": [
  {"rule": "stray-backup", "path": "a", "reason": "r", "until": "2026-05-01"},
  {"rule": "stray-backup", "path": "b", "reason": "r", "until": "2026-05-02"}
], "verify": {"allow": [{"path": "c", "reason": "r", "until": "2025-01-01"}]}}"#;

    #[test]
    fn it_blocks_only_where_the_configuration_itself_is_new() {
        let config = configured(TEXT);
        for (change, severity) in [
            (Fake::default().old("bakstop.json", TEXT).file("x", ""), Severity::Warning),
            (Fake::default().file("bakstop.json", TEXT), Severity::Error),
        ] {
            let found = judged_with(&config, &change).findings;
            let expired = "this allowance has expired and no longer hides anything";
            assert_eq!(
                messages(&found),
                [format!("bakstop.json:2:65: {expired}"), format!("bakstop.json:4:63: {expired}")]
            );
            assert!(found.iter().all(|finding| finding.severity == severity), "{severity:?}");
        }
    }
}
