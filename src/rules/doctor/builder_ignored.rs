#![doc = include_str!("../../../docs/rules/builder-ignored.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::finding::Span;
use crate::builds::{Action, Build, BuildOrigin, Builds, CacheUser};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "builder-ignored",
    summary: "`DOCKER_BUILDKIT=0` for a build that needs BuildKit",
    manual: include_str!("../../../docs/rules/builder-ignored.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for build in &builds.list {
        let off = build.given.caches.without_buildkit.as_ref();
        let Some((off, origin)) = off.zip(build.origin.as_ref()) else { continue };
        let Some((number, span, what)) = needing(builds, build, origin) else { continue };
        if seen.insert((origin.file, off.start)) {
            let message = format!("the builder without BuildKit has no {what}: the build fails");
            findings
                .place(builds.file(origin.file), off, message)
                .label(builds.file(number), &span, "this needs BuildKit")
                .help("remove DOCKER_BUILDKIT, or what needs BuildKit", &[]);
        }
    }
}

/// What needs BuildKit: the number of its file, its place, and its name.
fn needing(
    builds: &Builds,
    build: &Build,
    origin: &BuildOrigin,
) -> Option<(usize, Span, &'static str)> {
    let caller = origin.file;
    let user = CacheUser { origin, given: &build.given, build: Some(build) };
    let mounts = build.needed().flat_map(|(_, stage)| &stage.steps).filter_map(|step| {
        let Action::Run(run) = &step.action else { return None };
        run.mounts.first()
    });
    let mount = mounts.map(|mount| (build.dockerfile, mount.span.clone(), "mounts of RUN"));
    let secret = build.given.secrets.iter().map(|(_, span)| (caller, span.clone(), "secrets"));
    let exports = build.given.caches.exports.iter();
    let export = exports.map(|entry| (caller, user.shown(builds, entry), "export of a cache"));
    mount.chain(secret).chain(export).next()
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    const MOUNT: &str = "FROM x\nRUN --mount=type=cache,target=/c a";

    fn with(dockerfile: &str, step: &str) -> Fake {
        let workflow =
            format!("jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{{step}}}]}}}}");
        Fake::default().file("Dockerfile", dockerfile).file(".github/workflows/a.yml", &workflow)
    }

    #[test]
    fn a_build_that_fails_without_buildkit() {
        for (dockerfile, step, what) in [
            (MOUNT, "run: DOCKER_BUILDKIT=0 docker build .", "mounts of RUN"),
            (MOUNT, "run: docker build ., env: {DOCKER_BUILDKIT: 0}", "mounts of RUN"),
            (MOUNT, "run: export DOCKER_BUILDKIT=0; docker image build .", "mounts of RUN"),
            ("FROM x", "run: DOCKER_BUILDKIT=0 docker build --secret id=a .", "secrets"),
            (
                "FROM x",
                "run: DOCKER_BUILDKIT=false docker build --cache-to type=gha .",
                "export of a cache",
            ),
        ] {
            let found = judged_by(&RULE, &with(dockerfile, step));
            let message = format!("the builder without BuildKit has no {what}: the build fails");
            assert_eq!(found.len(), 1, "{step}");
            assert_eq!(found[0].message, message, "{step}");
            assert_eq!(found[0].labels.len(), 1, "{step}");
        }
    }

    #[test]
    fn builds_with_buildkit_or_that_do_not_need_it() {
        for (dockerfile, step) in [
            ("FROM x\nRUN a", "run: DOCKER_BUILDKIT=0 docker build ."),
            (MOUNT, "run: docker build ."),
            (MOUNT, "run: DOCKER_BUILDKIT=1 docker build ."),
            (MOUNT, "run: DOCKER_BUILDKIT=0 docker buildx build ."),
            (MOUNT, "run: DOCKER_BUILDKIT=0 podman build ."),
            (MOUNT, "run: DOCKER_BUILDKIT=1 docker build ., env: {DOCKER_BUILDKIT: 0}"),
            (MOUNT, "run: DOCKER_BUILDKIT=$X docker build ., env: {DOCKER_BUILDKIT: 0}"),
            (MOUNT, "run: export DOCKER_BUILDKIT=$X; docker build ., env: {DOCKER_BUILDKIT: 0}"),
            (MOUNT, "run: DOCKER_BUILDKIT=0 docker build -t a -f b/Dockerfile ."),
            (
                "FROM x AS a\nRUN --mount=type=cache,target=/c a\nFROM y AS b",
                "run: DOCKER_BUILDKIT=0 docker build --target b .",
            ),
        ] {
            assert_eq!(transcript(&RULE, &with(dockerfile, step)), [""; 0], "{step}");
        }
    }
}
