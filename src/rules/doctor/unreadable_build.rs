#![doc = include_str!("../../../docs/rules/unreadable-build.md")]

use crate::base::debris::Debris;
use crate::builds::Builds;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unreadable-build",
    summary: "files of a Docker build that cannot be parsed, or are too long to be judged",
    manual: include_str!("../../../docs/rules/unreadable-build.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for unreadable in &builds.unreadable {
        let file = builds.file(unreadable.file);
        let message = unreadable.message.as_str();
        match &unreadable.span {
            Some(span) => findings.position(file, span, message),
            None => findings.path(&file.path, message),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn a_file_that_docker_refuses() {
        let change = Fake::default()
            .file("Dockerfile", "FROM node:22\nCOPY . .\n")
            .file(".dockerignore", "node_modules\n[\n")
            .file("compose.yaml", "services: [\n");
        assert_eq!(
            transcript(&RULE, &change),
            [
                ".dockerignore:2:1: the pattern is invalid: `[` has no valid end",
                "compose.yaml:1:11: the file is not valid YAML",
            ]
        );
    }

    #[test]
    fn a_dockerfile_that_is_too_long() {
        let judged = |text: &str| transcript(&RULE, &Fake::default().file("Dockerfile", text));
        let message = ["Dockerfile: it has more than 5000 instructions or commands"];
        assert_eq!(judged(&format!("FROM node:22\n{}", "RUN a\n".repeat(5000))), message);
        let commands = |count: usize| format!("FROM node:22\nRUN a{}\n", " && a".repeat(count));
        assert_eq!(judged(&commands(5000)), message);
        assert_eq!(judged(&commands(4999)), [""; 0]);
    }
}
