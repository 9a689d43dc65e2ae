#![doc = include_str!("../../../docs/rules/floating-package-manager.md")]

use crate::base::escape::Escaped;
use crate::base::finding::Step;
use crate::pins::{Demand, PinTable, Relation, Role};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "floating-package-manager",
    summary: "a package manager installed without the exact pinned version",
    manual: include_str!("../../../docs/rules/floating-package-manager.md"),
    check: Check::Pins(judge),
    ..Rule::base(RuleGroup::Pins)
};

fn judge(table: &PinTable, findings: &mut Findings) {
    for row in table.new_rows().filter(|row| row.relation == Relation::Floats) {
        let pin = table.pin(row.id);
        let name = pin.manager.name();
        let mut message = match &pin.demand {
            Demand::Empty(variable) => {
                let variable = Escaped(variable.as_bytes());
                format!("the newest {name} is installed here, because {variable} is empty")
            }
            Demand::Range(text) | Demand::Tag(text) => {
                let text = Escaped(text.as_bytes());
                format!("{name} {text} is installed here, which is not an exact version")
            }
            Demand::Exact(_) | Demand::Newest | Demand::Unknown => {
                format!("{name} is installed here without a version")
            }
        };
        let mut is_declared = false;
        if let Some(reference) = table.reference(row)
            && let Demand::Exact(version) = &table.pin(reference).demand
        {
            let path = &table.file(reference).path;
            message += &format!(", but {path} pins {name} {version}");
            is_declared = table.pin(reference).kind.role() == Role::Declares;
        }
        let (help, steps): (_, &'static [Step]) = match pin.demand {
            Demand::Empty(_) => (
                "declare the ARG again in this stage: one before the first FROM is not visible \
                 here",
                &[Step::Stage],
            ),
            _ if pin.version.is_some() && is_declared => (
                "install the exact version that is pinned; `bakstop pins --set` writes it",
                &[Step::MovePins, Step::Stage],
            ),
            _ => ("install the exact version that is pinned", &[Step::Stage]),
        };
        findings.place(table.file(row.id), &pin.place, message).help(help, steps);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn floating(path: &str, text: &str) -> Vec<String> {
        let change = Fake::default()
            .old("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#)
            .file(path, text);
        transcript(&RULE, &change)
    }

    #[test]
    fn every_way_to_install_without_an_exact_version() {
        for (run, says) in [
            ("npm i -g pnpm", "10: pnpm is installed here without a version"),
            ("npm i -g pnpm@", "10: pnpm is installed here without a version"),
            ("npm i -g pnpm@10", "15: pnpm 10 is installed here, which is not an exact version"),
            (
                "npm i -g 'pnpm@^10.6.5'",
                "16: pnpm ^10.6.5 is installed here, which is not an exact version",
            ),
            (
                "corepack prepare pnpm@latest --activate",
                "23: pnpm latest is installed here, which is not an exact version",
            ),
            ("npx pnpm install", "5: pnpm is installed here without a version"),
            ("pnpm self-update", "6: pnpm is installed here without a version"),
            (
                "curl -fsSL https://get.pnpm.io/install.sh | sh -",
                "12: pnpm is installed here without a version",
            ),
            (
                "wget -O p https://github.com/pnpm/pnpm/releases/latest/download/pnpm-linux-x64",
                "11: pnpm is installed here without a version",
            ),
        ] {
            let expected = format!("Dockerfile:2:{says}, but package.json pins pnpm 10.6.5");
            let column = |line: &String| {
                let (place, rest) = line.split_once(": ").unwrap();
                let (start, column) = place.rsplit_once(':').unwrap();
                format!("{start}:{}: {rest}", column.parse::<usize>().unwrap() - 4)
            };
            let found = floating("Dockerfile", &format!("FROM node:22\nRUN {run}"));
            assert_eq!(found.iter().map(column).collect::<Vec<_>>(), [expected], "{run}");
        }
        for run in [
            "corepack enable",
            "corepack install",
            "pnpm install",
            "npm i -g pnpm@$(cat v)",
            "npm i -g pnpm@$V",
            "npm i -g yarn",
            "npm i -g npm",
        ] {
            assert_eq!(
                floating("Dockerfile", &format!("FROM node:22\nARG V\nRUN {run}")),
                [""; 0],
                "{run}"
            );
        }
        assert_eq!(floating(".tool-versions", "pnpm latest\n").len(), 1);
        assert_eq!(floating("mise.toml", "[tools]\npnpm = '10'\nyarn = '1'\n").len(), 1);
        assert_eq!(floating(".prototools", "npm = 'bundled'\npnpm = '~10'\n").len(), 1);
    }

    #[test]
    fn a_variable_that_is_empty_where_it_is_used() {
        let says = "the newest pnpm is installed here, because V is empty";
        for (dockerfile, place) in [
            ("ARG V=10.6.5\nFROM node:22\nRUN npm i -g pnpm@$V", Some("3:14")),
            ("ARG V=10.6.5\nFROM node:22\nRUN npm i -g pnpm@${V}", Some("3:14")),
            (
                "ARG V=10.6.5\nFROM node:22 AS a\nARG V\nFROM node:22\nRUN npm i -g pnpm@$V",
                Some("5:14"),
            ),
            ("FROM node:22\nRUN npm i -g pnpm@$V", Some("2:14")),
            ("ARG V=10.6.5\nFROM node:22\nARG V\nRUN npm i -g pnpm@$V", None),
            ("ARG V=10.6.5\nFROM me/base\nRUN npm i -g pnpm@$V", None),
            ("ARG V=10.6.5\nFROM node:22\nRUN V=10.6.5 && npm i -g pnpm@$V", None),
            ("ARG V=10.6.5\nFROM node:22\nRUN npm i -g pnpm@${V:-10.6.5}", None),
        ] {
            let expected = place.map(|place| format!("Dockerfile:{place}: {says}"));
            let found = transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{dockerfile}");
        }
    }

    #[test]
    fn nothing_floats_where_nothing_is_pinned() {
        let change = Fake::default()
            .file("package.json", "{}")
            .file("Dockerfile", "FROM node:22\nRUN npm i -g pnpm");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
