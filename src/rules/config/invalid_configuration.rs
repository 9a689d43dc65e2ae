#![doc = include_str!("../../../docs/rules/invalid-configuration.md")]

use crate::base::finding::Step;
use crate::rule::{Check, ConfigReading, Findings, Rule, RuleGroup, Subject};

pub(crate) const RULE: Rule = Rule {
    id: "invalid-configuration",
    summary: "a new bakstop.json that is not valid",
    subject: Subject::InvalidConfiguration,
    manual: include_str!("../../../docs/rules/invalid-configuration.md"),
    check: Check::Configuration(judge),
    ..Rule::base(RuleGroup::Config)
};

fn judge(reading: &ConfigReading, findings: &mut Findings) {
    for problem in &reading.problems {
        let draft = match &problem.span {
            Some(span) => findings.position(&reading.file, span, &problem.message),
            None => findings.path(&reading.file.path, &problem.message),
        };
        draft.help("fix it, then stage it", &[Step::Stage]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::change::{Content, Mode};
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn every_problem_of_a_new_configuration_is_reported() {
        let text = "{\n  \"rulez\": {},\n  \"backups\": \"*.orig\"\n}";
        assert_eq!(
            transcript(&RULE, &Fake::default().file("bakstop.json", text)),
            [
                "bakstop.json:2:3: unknown key \"rulez\"; did you mean \"rules\"?",
                "bakstop.json:3:14: expected a list of patterns",
            ]
        );
    }

    #[test]
    fn links_and_large_files_are_reported() {
        let bytes = || Content::Bytes(b"elsewhere.json".to_vec());
        let link = Fake::default().with("bakstop.json", Mode::Symlink, bytes(), true);
        assert_eq!(
            transcript(&RULE, &link),
            ["bakstop.json: it must be a regular file, and is a symbolic link or a submodule"]
        );
        let large =
            Fake::default().with("bakstop.json", Mode::File, Content::TooLarge(2_000_000), true);
        assert_eq!(transcript(&RULE, &large), ["bakstop.json: it is larger than 1 MiB"]);
    }

    #[test]
    fn only_a_new_one_at_the_top_is_judged() {
        let change =
            Fake::default().old("bakstop.json", "{").file("web/bakstop.json", "{").file("x", "");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
        assert_eq!(transcript(&RULE, &Fake::default().file("bakstop.json", "{}")), [""; 0]);
    }
}
