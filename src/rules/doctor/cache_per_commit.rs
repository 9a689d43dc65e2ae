#![doc = include_str!("../../../docs/rules/cache-per-commit.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::builds::caches::{BuildCaches, CacheEntry, templates};
use crate::builds::{Builds, CacheUser};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "cache-per-commit",
    summary: "a build cache whose name no later commit has",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/cache-per-commit.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// Variables and expressions with another value for each commit or each run.
const PER_COMMIT: [&str; 12] = [
    "github.sha",
    "gitea.sha",
    "head.sha",
    "github.run_id",
    "github.run_number",
    "GITHUB_SHA",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_NUMBER",
    "CI_COMMIT_SHA",
    "CI_COMMIT_SHORT_SHA",
    "CI_PIPELINE_ID",
    "CI_PIPELINE_IID",
];

/// The type and the name of a cache.
type Name = (Option<String>, String);

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut users: BTreeMap<Name, BTreeSet<(usize, usize)>> = BTreeMap::new();
    for user in builds.cache_users() {
        let place = (user.origin.file, user.origin.span.start);
        let names = entries(&user.given.caches).filter_map(name);
        names.for_each(|name| _ = users.entry(name).or_default().insert(place));
    }
    // A later job of the same run may build with what an earlier one exports.
    let is_per_commit = |entry: &CacheEntry| {
        name(entry).is_some_and(|name| {
            let marks = |template: &str| PER_COMMIT.iter().any(|mark| template.contains(mark));
            templates(&name.1).any(marks) && users.get(&name).is_some_and(|users| users.len() == 1)
        })
    };
    for user in builds.cache_users() {
        let BuildCaches { imports, exports, .. } = &user.given.caches;
        if imports.is_empty() || !entries(&user.given.caches).all(is_per_commit) {
            continue;
        }
        if let Some(export) = exports.first() {
            report(builds, user, export, &imports[0], findings);
        }
    }
}

fn entries(caches: &BuildCaches) -> impl Iterator<Item = &CacheEntry> {
    caches.imports.iter().chain(&caches.exports)
}

fn name(entry: &CacheEntry) -> Option<Name> {
    // A directory may come from a cache of CI, under any name.
    let kind = entry.kind.clone().filter(|kind| kind != "local");
    Some((Some(kind?), entry.name()?))
}

fn report(
    builds: &Builds,
    user: CacheUser<'_>,
    export: &CacheEntry,
    import: &CacheEntry,
    findings: &mut Findings,
) {
    let file = builds.file(user.origin.file);
    findings
        .place(file, &user.shown(builds, import), "no earlier commit wrote a cache of this name")
        .label(file, &user.shown(builds, export), "each commit writes another one")
        .help("name the cache after the branch or the image", &[]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(steps: &[(&str, &str)]) -> Vec<String> {
        let step = |(import, export): &(&str, &str)| {
            format!(
                "      - uses: docker/build-push-action@v6\n        with:\n          \
                 context: .\n          cache-from: {import}\n          cache-to: {export}\n"
            )
        };
        let steps: String = steps.iter().map(step).collect();
        let workflow =
            format!("jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n{steps}");
        let change =
            Fake::default().file("Dockerfile", "FROM x").file(".github/workflows/a.yml", &workflow);
        transcript(&RULE, &change)
    }

    #[test]
    fn a_cache_with_a_name_of_one_commit() {
        let expected = ".github/workflows/a.yml:8:23: no earlier commit wrote a cache of this name";
        for (import, export) in [
            ("type=gha,scope=${{ github.sha }}", "type=gha,scope=${{ github.sha }},mode=max"),
            ("a/b:c-${{ github.run_id }}", "type=registry,ref=a/b:c-${{ github.run_id }}"),
            (
                "type=gha,scope=${{ github.event.pull_request.head.sha }}",
                "type=gha,scope=${{ github.event.pull_request.head.sha }}",
            ),
        ] {
            assert_eq!(judged(&[(import, export)]), [expected], "{import}");
        }
        let pipeline = "build:\n  script:\n    - docker buildx build --cache-from \
                        $R:$CI_COMMIT_SHA --cache-to type=registry,ref=$R:$CI_COMMIT_SHA .\n";
        let change = Fake::default().file("Dockerfile", "FROM x").file(".gitlab-ci.yml", pipeline);
        assert_eq!(transcript(&RULE, &change).len(), 1);
    }

    #[test]
    fn caches_that_a_later_commit_or_job_may_read() {
        let sha = "type=gha,scope=${{ github.sha }}";
        let branch = "type=gha,scope=${{ github.ref_name }}";
        for steps in [
            &[(branch, branch)][..],
            &[("|\n            type=gha,scope=${{ github.sha }}\n            type=gha", sha)],
            &[(sha, "|\n            type=gha,scope=${{ github.sha }}\n            type=gha")],
            &[("''", sha)],
            &[(sha, "''")],
            &[(sha, "type=inline")],
            // The second job builds on the cache of the first.
            &[(sha, sha), (sha, "''")],
            &[("type=local,src=/tmp/${{ github.sha }}", "type=local,dest=/tmp/${{ github.sha }}")],
            &[("type=gha,scope=sha", "type=gha,scope=github.sha")],
        ] {
            assert_eq!(judged(steps), [""; 0], "{steps:?}");
        }
    }
}
