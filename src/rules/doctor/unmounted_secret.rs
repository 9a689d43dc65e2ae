#![doc = include_str!("../../../docs/rules/unmounted-secret.md")]

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::steps::{Action, Mount};
use crate::builds::{Build, Builds};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unmounted-secret",
    summary: "a secret that a build gives and its Dockerfile does not mount",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unmounted-secret.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The starts of the ids that BuildKit reads itself, for `ADD` of a URL and remote contexts.
const READ_BY_BUILDKIT: [&str; 2] = ["GIT_AUTH_", "HTTP_AUTH_"];

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let Some(origin) = &build.origin else { continue };
        let mounted: Vec<Option<&str>> = mounts(build).map(Mount::secret_id).collect();
        if mounted.contains(&None) {
            continue;
        }
        for (id, span) in &build.given.secrets {
            let is_own = READ_BY_BUILDKIT.iter().any(|start| id.starts_with(start));
            if is_own || id.contains('$') || mounted.contains(&Some(id)) {
                continue;
            }
            let (dockerfile, shown) = (builds.file(build.dockerfile), Escaped(id.as_bytes()));
            let message = format!("no RUN of {} mounts the secret {shown}", dockerfile.path);
            let help = format!(
                "add `--mount=type=secret,id={shown}` to the RUN that needs it, or remove it here"
            );
            let mut draft = findings.place(builds.file(origin.file), span, message);
            if let Some(stage) = build.stages.first() {
                draft = draft.label(dockerfile, &stage.span, "no stage mounts it");
            }
            draft.help(help, &[]);
        }
    }
}

/// The mounts of secrets in any stage.
fn mounts(build: &Build) -> impl Iterator<Item = &Mount> {
    let mounts = build.steps().flat_map(|(_, step)| match &step.action {
        Action::Run(run) => run.mounts.as_slice(),
        _ => &[],
    });
    // A mount of an unknown type may be one.
    mounts.filter(|mount| mount.kind == "secret" || mount.kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(lines: &str, secrets: &str) -> Vec<String> {
        let change = Fake::default().file("Dockerfile", &format!("FROM node:22\n{lines}")).file(
            "compose.yaml",
            &format!("services:\n  a: {{build: {{context: ., secrets: [{secrets}]}}}}\n"),
        );
        transcript(&RULE, &change)
    }

    #[test]
    fn a_secret_that_no_run_mounts() {
        let expected = "compose.yaml:2:37: no RUN of Dockerfile mounts the secret t";
        for lines in [
            "RUN npm ci",
            "RUN --mount=type=secret,id=u npm ci",
            "RUN --mount=type=cache,id=t,target=/x a",
        ] {
            assert_eq!(judged(lines, "t"), [expected], "{lines}");
        }
        assert_eq!(
            judged("RUN --mount=type=secret,id=s npm ci", "{source: s, target: t}"),
            [expected]
        );
    }

    #[test]
    fn secrets_that_are_mounted_or_read_by_buildkit() {
        for (lines, secrets) in [
            ("RUN --mount=type=secret,id=t npm ci", "t"),
            ("RUN --mount=type=secret,target=/run/t npm ci", "t"),
            ("RUN --mount=type=secret,id=t npm ci\nFROM node:22", "t"),
            ("RUN --mount=type=secret,id=$ID npm ci", "t"),
            ("RUN --mount=type=$TYPE,id=t npm ci", "t"),
            ("ADD https://example.org/a.git /a", "GIT_AUTH_TOKEN"),
            ("RUN a", "'${S}'"),
        ] {
            assert_eq!(judged(lines, secrets), [""; 0], "{lines}");
        }
    }
}
