#![doc = include_str!("../../../docs/rules/bypassed-corepack.md")]

use crate::base::finding::{Severity, Step};
use crate::pins::PinTable;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "bypassed-corepack",
    summary: "a package manager installed by npm in a project with corepack",
    severity: Severity::Warning,
    // Whether to use corepack everywhere is a policy.
    on_by_default: false,
    manual: include_str!("../../../docs/rules/bypassed-corepack.md"),
    check: Check::Pins(judge),
    ..Rule::base(RuleGroup::Pins)
};

fn judge(table: &PinTable, findings: &mut Findings) {
    for row in table.new_rows().filter(|row| table.is_bypass(row)) {
        let pin = table.pin(row.id);
        let name = pin.manager.name();
        let message = format!("npm installs {name} here, but this project uses corepack");
        let help = "let corepack read the version from package.json: `corepack enable`";
        findings.place(table.file(row.id), &pin.place, message).help(help, &[Step::Stage]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    #[test]
    fn npm_where_corepack_is_installed_and_used() {
        let manifest = r#"{"packageManager": "pnpm@10.6.5"}"#;
        let corepack = "FROM node:22\nRUN corepack enable";
        for (dockerfile, other, count) in [
            ("FROM node:22\nRUN npm i -g pnpm@10.6.5", corepack, 1),
            ("FROM node:20 AS a\nFROM a\nRUN npm i -g pnpm@10.6.5", corepack, 1),
            ("FROM node:25\nRUN npm i -g pnpm@10.6.5", corepack, 0),
            ("FROM me/node:22\nRUN npm i -g pnpm@10.6.5", corepack, 0),
            ("FROM node:22\nRUN npm i -g pnpm@10.6.5", "FROM node:22", 0),
            ("FROM node:22\nRUN npm i -g pnpm@9.15.0", corepack, 0),
            ("FROM node:22\nRUN corepack prepare pnpm@10.6.5 --activate", corepack, 0),
        ] {
            let change = Fake::default()
                .old("package.json", manifest)
                .old("a/Dockerfile", other)
                .file("Dockerfile", dockerfile);
            assert_eq!(transcript(&RULE, &change).len(), count, "{dockerfile}");
        }
        let change = Fake::default()
            .file("package.json", manifest)
            .file("Dockerfile", "FROM node:22\nRUN corepack enable && npm i -g pnpm@10.6.5");
        let found = judged_by(&RULE, &change);
        assert_eq!(
            found.iter().map(|finding| finding.severity.name()).collect::<Vec<_>>(),
            ["warning"]
        );
        let devengines =
            r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "10.6.5"}}}"#;
        let change = Fake::default()
            .file("package.json", devengines)
            .file("Dockerfile", "FROM node:22\nRUN corepack enable && npm i -g pnpm@10.6.5");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
