#![doc = include_str!("../../../docs/rules/cache-of-last-stage-only.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::caches::CacheEntry;
use crate::builds::steps::{BuildStage, BuildStep};
use crate::builds::{Action, Build, Builds, CacheUser};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "cache-of-last-stage-only",
    summary: "an exported build cache without the stages that do the work",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/cache-of-last-stage-only.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The types of caches that keep the layers of all stages with `mode=max`.
const WITH_MODES: [&str; 5] = ["registry", "local", "gha", "s3", "azblob"];

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for user in builds.cache_users().filter(|user| !user.may_be_replaced()) {
        let Some(build) = user.build.filter(|build| !build.given.is_open) else { continue };
        let exports = &build.given.caches.exports;
        // Another cache may have all of it; an unknown option may be a mode.
        let is_whole = |entry: &CacheEntry| entry.is_open || entry.option("mode").is_some();
        if exports.is_empty() || exports.iter().any(is_whole) {
            continue;
        }
        let Some((stage, run)) = lost(build).filter(|_| !is_exported_alone(builds, build)) else {
            continue;
        };
        let has_modes = |entry: &&CacheEntry| {
            entry.kind.as_deref().is_some_and(|kind| WITH_MODES.contains(&kind))
        };
        for entry in exports.iter().filter(has_modes) {
            if seen.insert((user.origin.file, user.place(entry).start)) {
                report(builds, user, entry, (build, stage, run), findings);
            }
        }
    }
}

/// The first stage with a `RUN` that the last one needs, and does not build on, with that `RUN`.
fn lost(build: &Build) -> Option<(&BuildStage, &BuildStep)> {
    let last = build.last_stage()?;
    let kept = build.chain(last);
    let is_run = |step: &&BuildStep| matches!(step.action, Action::Run(_));
    build
        .needed()
        .filter(|(number, _)| !kept.contains(number))
        .find_map(|(_, stage)| Some((stage, stage.steps.iter().find(is_run)?)))
}

/// Whether another build exports one of the stages before the last one.
fn is_exported_alone(builds: &Builds, build: &Build) -> bool {
    builds.list.iter().any(|other| {
        other.dockerfile_id() == build.dockerfile_id()
            && other.given.target != build.given.target
            && !other.given.caches.exports.is_empty()
    })
}

fn report(
    builds: &Builds,
    user: CacheUser<'_>,
    entry: &CacheEntry,
    (build, stage, run): (&Build, &BuildStage, &BuildStep),
    findings: &mut Findings,
) {
    let (file, dockerfile) = (builds.file(user.origin.file), builds.file(build.dockerfile));
    let name = stage.name.as_deref().map(|name| format!(" {}", Escaped(name.as_bytes())));
    let message = format!(
        "this cache has no layer of the stage{}: after a change, all of its steps run again",
        name.unwrap_or_default()
    );
    let span = user.place(entry);
    let text = file.text.get(span.clone()).unwrap_or_default();
    let is_entry = memchr::memmem::find(text, b"type=").is_some() && !text.ends_with(b"}");
    let is_quoted = text.ends_with(b"\"") || text.ends_with(b"'");
    let at = span.end.saturating_sub(usize::from(is_quoted));
    let edit = Edit { path: file.path.clone(), span: at..at, text: ",mode=max".to_owned() };
    findings
        .place(file, &user.shown(builds, entry), message)
        .label(dockerfile, &run.span, "the first of them")
        .help("add mode=max, or write mode=min if that is meant", &[])
        .fix(Safety::Shown, is_entry.then_some(edit).into_iter().collect(), &[file]);
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::engine::tests::{Fake, judged_by, transcript};

    const TWO: &str = "FROM x AS build\nRUN make\nFROM y\nCOPY --from=build /a /b\n";

    fn with(dockerfile: &str, inputs: &str) -> Fake {
        let workflow = format!(
            "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      \
             - uses: docker/build-push-action@v6\n        with:\n          \
             context: .\n          {inputs}\n"
        );
        Fake::default().file("Dockerfile", dockerfile).file(".github/workflows/a.yml", &workflow)
    }

    #[test]
    fn a_stage_with_a_run_is_not_exported() {
        let message = "this cache has no layer of the stage build: after a change, all of its \
                       steps run again";
        let change = with(TWO, "cache-to: type=gha");
        assert_eq!(
            transcript(&RULE, &change),
            [format!(".github/workflows/a.yml:8:21: {message}")]
        );
        for dockerfile in [
            "FROM x AS build\nRUN make\nFROM y\nRUN --mount=from=build,target=/b cp /b /c",
            "FROM x AS a\nRUN make\nFROM a AS build\nCOPY . .\nFROM y\nCOPY --from=build /a /b",
        ] {
            let found = judged_by(&RULE, &with(dockerfile, "cache-to: type=registry,ref=a/b:c"));
            assert_eq!(found.len(), 1, "{dockerfile}");
            assert_eq!(found[0].labels[0].place.as_ref().unwrap().line, 2, "{dockerfile}");
        }
    }

    #[test]
    fn the_mode_is_shown() {
        for (inputs, expected) in [
            ("cache-to: type=gha", Some("+          cache-to: type=gha,mode=max")),
            (
                "cache-to: \"type=gha,scope=a\"",
                Some("+          cache-to: \"type=gha,scope=a,mode=max\""),
            ),
            (
                "cache-to: |\n            type=gha\n            type=inline",
                Some("+            type=gha,mode=max"),
            ),
            ("cache-to: a/b:c", None),
        ] {
            let found = judged_by(&RULE, &with(TWO, inputs));
            let fix = found[0].fix.as_ref();
            let added = fix.map(|fix| {
                assert_eq!(fix.safety, Safety::Shown);
                fix.diffs[0]
                    .1
                    .lines
                    .iter()
                    .find(|line| line.starts_with('+') && !line.starts_with("+++"))
                    .unwrap()
                    .as_str()
            });
            assert_eq!(added, expected, "{inputs}");
        }
    }

    #[test]
    fn caches_that_have_all_stages_or_are_small_on_purpose() {
        for (dockerfile, inputs) in [
            (TWO, "cache-to: type=gha,mode=max"),
            (TWO, "cache-to: type=gha,mode=min"),
            (TWO, "cache-to: type=gha,mode=${{ env.MODE }}"),
            (TWO, "cache-to: type=gha${{ x && ',mode=max' }}"),
            (TWO, "cache-to: type=inline"),
            (TWO, "cache-to: type=own"),
            (
                TWO,
                "cache-to: |\n            type=gha\n            type=registry,ref=a/b:c,mode=max",
            ),
            (TWO, "target: build\n          cache-to: type=gha"),
            (TWO, "target: ${{ inputs.target }}\n          cache-to: type=gha"),
            ("FROM x\nRUN make", "cache-to: type=gha"),
            ("FROM x AS build\nRUN make\nFROM build\nRUN b", "cache-to: type=gha"),
            ("FROM x AS build\nCOPY . .\nFROM y\nCOPY --from=build /a /b", "cache-to: type=gha"),
            ("FROM x AS test\nRUN make\nFROM y\nRUN b", "cache-to: type=gha"),
        ] {
            assert_eq!(transcript(&RULE, &with(dockerfile, inputs)), [""; 0], "{inputs}");
        }
        // The stage has a cache of its own.
        let change = with(TWO, "cache-to: type=gha").file(
            ".github/workflows/b.yml",
            "jobs: {a: {steps: [{uses: actions/checkout@v4}, {run: 'docker buildx build --target \
             build --cache-to type=gha,scope=b .'}]}}",
        );
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
