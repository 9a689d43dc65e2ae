#![doc = include_str!("../../../docs/rules/unlocked-install.md")]

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::Builds;
use crate::builds::installs::{IGNORING, UNFREEZING, installs};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unlocked-install",
    summary: "an install in an image that may differ from the lockfile",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unlocked-install.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let file = builds.file(build.dockerfile);
        for install in build.stages.iter().flat_map(installs) {
            let name = install.installer.name();
            for word in &install.command.words {
                let Some(flag) = word.known() else { continue };
                let effect = if IGNORING.contains(&flag) {
                    "reads no lockfile: each build may install other versions"
                } else if UNFREEZING.contains(&flag) {
                    "resolves again what does not fit the lockfile, without a failure"
                } else {
                    continue;
                };
                let flag = Escaped(flag.as_bytes());
                let message = format!("with {flag}, {name} {effect}");
                findings.place(file, &word.span, message).help(
                    format!("copy the lockfile, and run {}", install.installer.frozen()),
                    &[],
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn an_install_that_gives_up_its_lockfile() {
        let dockerfile = "FROM node:22\nRUN a && pnpm install --lockfile=false\n\
                          RUN pnpm i --no-frozen-lockfile\nRUN npm i --no-package-lock\n\
                          RUN yarn --no-immutable";
        let other = "reads no lockfile: each build may install other versions";
        let again = "resolves again what does not fit the lockfile, without a failure";
        assert_eq!(
            transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile)),
            [
                format!("Dockerfile:2:23: with --lockfile=false, pnpm {other}"),
                format!("Dockerfile:3:12: with --no-frozen-lockfile, pnpm {again}"),
                format!("Dockerfile:4:11: with --no-package-lock, npm {other}"),
                format!("Dockerfile:5:10: with --no-immutable, yarn {again}"),
            ]
        );
    }

    #[test]
    fn an_install_that_reads_its_lockfile() {
        for command in [
            "pnpm install --frozen-lockfile",
            "pnpm install",
            "npm ci",
            "npm install -g pnpm --no-package-lock",
            "pnpm add x --no-lockfile",
            "echo --no-lockfile",
        ] {
            let file = format!("FROM node:22\nRUN {command}");
            let found = transcript(&RULE, &Fake::default().file("Dockerfile", &file));
            assert_eq!(found, [""; 0], "{command}");
        }
    }
}
