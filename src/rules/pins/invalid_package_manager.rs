#![doc = include_str!("../../../docs/rules/invalid-package-manager.md")]

use crate::base::finding::{Severity, Step};
use crate::pins::{Fault, PinTable};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "invalid-package-manager",
    summary: "a packageManager that corepack refuses",
    manual: include_str!("../../../docs/rules/invalid-package-manager.md"),
    check: Check::Pins(judge),
    ..Rule::base(RuleGroup::Pins)
};

fn judge(table: &PinTable, findings: &mut Findings) {
    for (file, span, fault) in table.new_faults() {
        match fault {
            Fault::Refused(reason) => {
                let message = format!("corepack refuses this packageManager: {reason}");
                let help = "write a name and an exact version, such as pnpm@10.6.5";
                findings.place(file, span, message).help(help, &[Step::Stage]);
            }
            Fault::Foreign(name) => {
                let message = format!("corepack refuses this packageManager: it cannot run {name}");
                findings.place(file, span, message).severity(Severity::Warning);
            }
            Fault::NoCorepack(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn invalid(field: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file("package.json", &format!("{{{field}}}")))
    }

    #[test]
    fn the_reason_is_reported_at_the_value() {
        for (field, reason) in [
            (r#""packageManager": 1"#, "expected a string"),
            (r#""packageManager": {"name": "pnpm"}"#, "expected a string"),
            (r#""packageManager": "pnpm""#, "no version specified"),
            (r#""packageManager": "pnpm@""#, "no version specified"),
            (
                r#""packageManager": "pnpm@npm:pnpm@10.6.5""#,
                "illegal use of a URL for pnpm, which needs a version",
            ),
            (r#""packageManager": "pnpm@^10.6.5""#, "expected an exact version"),
            (r#""packageManager": "PNPM@10.6.5""#, "unsupported package manager"),
            (r#""packageManager": """#, "no version specified"),
            (r#""packageManager": null"#, "expected a string"),
        ] {
            let expected =
                format!("package.json:1:20: corepack refuses this packageManager: {reason}");
            assert_eq!(invalid(field), [expected], "{field}");
        }
        for (field, column) in [
            (
                concat!(
                    r#""packageManager": "pnpm@10", "#,
                    r#""devEngines": {"packageManager": {"name": "pnpm", "version": "^10"}}"#
                ),
                20,
            ),
            (
                concat!(
                    r#""packageManager": "pnpm@10.6.5", "#,
                    r#""devEngines": {"packageManager": {"name": "npm"}}"#
                ),
                20,
            ),
        ] {
            let expected = format!(
                "package.json:1:{column}: corepack refuses this packageManager: it does not \
                 match devEngines.packageManager"
            );
            assert_eq!(invalid(field), [expected], "{field}");
        }
        let marked =
            Fake::default().file("package.json", "\u{feff}{\"packageManager\": \"pnpm@10.6.5\"}");
        assert_eq!(transcript(&RULE, &marked).len(), 1);
        let devengines =
            r#""devEngines": {"packageManager": {"name": "pnpm", "version": "latest"}}"#;
        assert_eq!(invalid(devengines).len(), 1);
        for field in [
            r#""packageManager": "pnpm@v10.6.5+sha1.ab""#,
            r#""packageManager": "foo@https://example.org/x.tgz""#,
            r#""name": "x""#,
            concat!(
                r#""devEngines": {"packageManager": "#,
                r#"{"name": "pnpm", "version": "latest", "onFail": "warn"}}"#
            ),
        ] {
            assert_eq!(invalid(field), [""; 0], "{field}");
        }
    }

    #[test]
    fn corepack_continues_upward_at_an_empty_field() {
        let change = Fake::default()
            .old("package.json", "{}")
            .file("web/package.json", r#"{"packageManager": ""}"#);
        assert_eq!(transcript(&RULE, &change), [""; 0]);
        let change = Fake::default()
            .old("api/package.json", "{}")
            .file("web/package.json", r#"{"packageManager": ""}"#);
        assert_eq!(transcript(&RULE, &change).len(), 1);
    }

    #[test]
    fn a_foreign_package_manager_is_a_warning_where_corepack_is_used() {
        let change = || Fake::default().file("package.json", r#"{"packageManager": "bun@1.2.0"}"#);
        assert_eq!(transcript(&RULE, &change()), [""; 0]);
        let open = Fake::default().file("package.json", r#"{"packageManager": "bun@latest"}"#);
        assert_eq!(transcript(&RULE, &open), [""; 0]);
        let found = crate::engine::tests::judged_by(
            &RULE,
            &change().old("Dockerfile", "FROM node:22\nRUN corepack enable"),
        );
        assert_eq!(
            found.iter().map(|finding| finding.severity.name()).collect::<Vec<_>>(),
            ["warning"]
        );
    }

    #[test]
    fn a_fault_of_an_old_file_does_not_block() {
        let change = Fake::default()
            .old("package.json", r#"{"packageManager": "pnpm"}"#)
            .file("Dockerfile", "RUN npm i -g pnpm");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
