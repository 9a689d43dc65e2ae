#![doc = include_str!("../../../docs/rules/cache-overwritten.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::builds::caches::{CacheEntry, templates};
use crate::builds::{Build, Builds, CacheUser, shown_name};
use crate::formats::Syntax;
use crate::models::workflow::Workflow;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "cache-overwritten",
    summary: "two different builds that export their cache to the same place",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/cache-overwritten.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The starts of the variables and expressions that have one value in all jobs of a workflow or
/// pipeline.
const CONSTANT: [&str; 9] = [
    "${{ github.repository",
    "${{ github.ref",
    "${{ github.sha",
    "${{ vars.",
    "${{ secrets.",
    "$CI_REGISTRY",
    "${CI_REGISTRY",
    "$CI_COMMIT_REF_SLUG",
    "$GITHUB_REPOSITORY",
];

/// The maximum number of builds that each is compared with: those of other files take long.
const MAX_COMPARED: usize = 50;

/// The maximum number of branches of a workflow that are compared.
const MAX_BRANCHES: usize = 50;

/// A build whose Dockerfile is known, and a cache that it exports.
type Export<'b> = (&'b Build, CacheUser<'b>, &'b CacheEntry);

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut known: BTreeMap<(String, String), Vec<Export<'_>>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (user, entry) in builds.exports().filter(|(user, _)| !user.may_be_replaced()) {
        let Some((kind, name)) = identity(user, entry) else { continue };
        if let (Some(input), true) = (user.given.caches.varies, is_new(&mut seen, user, entry)) {
            report_matrix(builds, user, entry, input, findings);
        }
        let export = user.build.map(|build| (build, user, entry));
        known.entry((kind, name)).or_default().extend(export);
    }
    for ((kind, name), mut exports) in known {
        exports.sort_unstable_by_key(|(_, user, _)| (user.origin.file, user.origin.span.start));
        let (mut different, mut dockerfiles) = (Vec::<Export<'_>>::new(), BTreeSet::new());
        for export in exports {
            if !dockerfiles.insert(export.0.dockerfile_id()) {
                continue;
            }
            let meets = |other: &&Export<'_>| meet(builds, &kind, other.1, export.1);
            if let Some(other) = different.iter().rev().take(MAX_COMPARED).find(meets) {
                report(builds, &name, other, &export, findings);
            }
            different.push(export);
        }
    }
}

/// Whether the caches of two builds with one name are one cache: those of a file are, and so are
/// those of two workflows, but GitHub keeps a cache for each branch.
fn meet(builds: &Builds, kind: &str, first: CacheUser<'_>, second: CacheUser<'_>) -> bool {
    if first.origin.file == second.origin.file {
        return true;
    }
    let is_called = [first, second].iter().any(|user| user.origin.name.is_some());
    let pushed = |user: CacheUser<'_>| {
        let source = &builds.project.files()[user.origin.file];
        let text = source.file.text.as_slice();
        source.model(Syntax::Yaml, |root| Workflow::parse(root, text))
    };
    match kind {
        _ if is_called => false,
        "registry" => true,
        _ => {
            let (first, second) = (pushed(first), pushed(second));
            let both = first.pushed.as_ref().zip(second.pushed.as_ref());
            both.is_some_and(|(first, second)| {
                let first = first.iter().take(MAX_BRANCHES);
                let is_there =
                    |name: &String| second.iter().take(MAX_BRANCHES).any(|it| it == name);
                first.len() == 0 || second.is_empty() || first.clone().any(is_there)
            })
        }
    }
}

fn is_new(seen: &mut BTreeSet<(usize, usize)>, user: CacheUser<'_>, entry: &CacheEntry) -> bool {
    seen.insert((user.origin.file, user.place(entry).start))
}

/// The type and the name of a cache, if every build of its file means the same by them.
fn identity(user: CacheUser<'_>, entry: &CacheEntry) -> Option<(String, String)> {
    let (kind, name) = (entry.kind.clone()?, entry.name()?);
    // Compose and bake give every build the same variables. Jobs of CI have disks of their own.
    let is_one_call = user.origin.name.is_some();
    let is_known = |template: &str| {
        if is_one_call {
            template != "${}"
        } else {
            CONSTANT.iter().any(|start| template.starts_with(start))
        }
    };
    let is_shared = is_one_call || kind != "local";
    (is_shared && templates(&name).all(is_known)).then_some((kind, name))
}

fn report(
    builds: &Builds,
    name: &str,
    (other, first, written): &Export<'_>,
    (build, second, entry): &Export<'_>,
    findings: &mut Findings,
) {
    let file = builds.file(second.origin.file);
    let (mut here, mut there) = (second.shown(builds, entry), first.shown(builds, written));
    if here == there && first.origin.file == second.origin.file {
        // An anchor gives one entry to both.
        (here, there) = (second.origin.span.clone(), first.origin.span.clone());
    }
    let [dockerfile, overwritten] =
        [build, other].map(|build| builds.file(build.dockerfile).path.to_string());
    let shown = shown_name(name);
    let message = if dockerfile == overwritten {
        format!("the cache {shown} of another build is overwritten here")
    } else {
        format!("the cache {shown} of {overwritten} is overwritten by that of {dockerfile}")
    };
    let severity = if second.origin.name.is_some() { Severity::Error } else { Severity::Warning };
    findings
        .place(file, &here, message)
        .label(builds.file(first.origin.file), &there, "it is written here as well")
        .help("export each image to a cache of its own", &[])
        .severity(severity);
}

fn report_matrix(
    builds: &Builds,
    user: CacheUser<'_>,
    entry: &CacheEntry,
    input: &str,
    findings: &mut Findings,
) {
    let file = builds.file(user.origin.file);
    let message = "every variant of the matrix exports to this cache: the last one overwrites it";
    let label = format!("`{input}` of this step depends on the matrix");
    findings
        .place(file, &user.shown(builds, entry), message)
        .label(file, &user.origin.span, label)
        .help("put the value of the matrix into the name of the cache", &[]);
}

#[cfg(test)]
mod tests {
    use super::{RULE, Severity};
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn with(path: &str, text: &str) -> Fake {
        Fake::default()
            .file("a/Dockerfile", "FROM x")
            .file("b/Dockerfile", "FROM y")
            .file(path, text)
    }

    #[test]
    fn a_credential_is_not_shown() {
        let entry =
            "type=s3,bucket=b,endpoint_url=https://u:hunter2@h,secret_access_key=hunter2hunter2";
        let service = |name: &str| {
            format!("  {name}:\n    build:\n      context: {name}\n      cache_to: ['{entry}']\n")
        };
        let compose = format!("services:\n{}{}", service("a"), service("b"));
        let found = judged_by(&RULE, &with("compose.yaml", &compose));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("the cache ******** of a/Dockerfile is"), "{found:?}");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }

    #[test]
    fn many_workflows_are_compared_in_time() {
        let mut change = Fake::default();
        for number in 0..120 {
            let branches: String = (0..1000).map(|other| format!("b{number}-{other}, ")).collect();
            let text = format!(
                "on: {{push: {{branches: [{branches}]}}}}\njobs: {{a: {{steps: [{{uses: \
                 actions/checkout@v4}}, {{uses: docker/build-push-action@v6, with: {{context: \
                 d{number}, cache-to: type=gha}}}}]}}}}\n"
            );
            change = change
                .file(&format!("d{number}/Dockerfile"), "FROM x")
                .file(&format!(".github/workflows/{number}.yml"), &text);
        }
        let started = std::time::Instant::now();
        assert_eq!(transcript(&RULE, &change), [""; 0]);
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    /// A workflow with two steps that build these Dockerfiles, each with the other inputs.
    fn steps(first: &str, second: &str) -> String {
        let step = |inputs: &str| {
            format!(
                "      - uses: docker/build-push-action@v6\n        \
                 with: {{context: ., {inputs}}}\n"
            )
        };
        let steps = [step(first), step(second)].concat();
        format!(
            "jobs:\n  a:\n    strategy:\n      matrix: {{file: [x, y], platform: [x, y], one: [x], \
             open: '${{{{ fromJson(x) }}}}'}}\n    steps:\n      - uses: actions/checkout@v4\n\
             {steps}"
        )
    }

    fn found(change: &Fake) -> Vec<(String, Severity)> {
        let found = judged_by(&RULE, change);
        found.iter().map(|finding| (finding.message.clone(), finding.severity)).collect()
    }

    #[test]
    fn two_builds_of_a_file_export_to_one_cache() {
        let by = |name: &str| {
            format!("the cache {name} of a/Dockerfile is overwritten by that of b/Dockerfile")
        };
        let compose = |a: &str, b: &str| {
            format!(
                "services:\n  a: {{build: {{context: a, cache_to: ['{a}']}}}}\n  b: {{build: \
                 {{context: b, cache_to: ['{b}']}}}}\n"
            )
        };
        let registry = "type=registry,ref=$R/x:cache,mode=max";
        let change = with("compose.yaml", &compose(registry, registry));
        assert_eq!(found(&change), [(by("$R/x:cache"), Severity::Error)]);
        let change = with("compose.yaml", &compose("type=local,dest=/c", "type=local,dest=/c"));
        assert_eq!(found(&change), [(by("/c latest"), Severity::Error)]);
        let bake = "target \"a\" {\n  context = \"a\"\n  cache-to = [\"type=gha\"]\n}\n\
                    target \"b\" {\n  context = \"b\"\n  cache-to = [{ type = \"gha\" }]\n}\n\
                    group \"default\" { targets = [\"a\", \"b\"] }\n";
        let change = with("docker-bake.hcl", bake);
        assert_eq!(found(&change), [(by("buildkit"), Severity::Error)]);
        let workflow = steps(
            "file: a/Dockerfile, cache-to: 'type=gha,mode=max'",
            "file: b/Dockerfile, cache-to: 'type=gha'",
        );
        let change = with(".github/workflows/a.yml", &workflow);
        assert_eq!(found(&change), [(by("buildkit"), Severity::Warning)]);
        assert_eq!(
            transcript(&RULE, &change),
            [format!(".github/workflows/a.yml:10:59: {}", by("buildkit"))]
        );
    }

    #[test]
    fn the_services_of_an_anchor_are_named() {
        let compose = "x-c: &c {cache_to: ['type=registry,ref=a/x:c']}\nservices:\n  \
                       a: {build: {<<: *c, context: a}}\n  b: {build: {<<: *c, context: b}}\n";
        let found = judged_by(&RULE, &with("compose.yaml", compose));
        let lines = (
            found[0].place.as_ref().map(|place| place.line),
            found[0].labels[0].place.as_ref().map(|place| place.line),
        );
        assert_eq!((found.len(), lines), (1, (Some(4), Some(3))));
    }

    #[test]
    fn a_matrix_exports_all_its_variants_to_one_cache() {
        for (inputs, is_found) in [
            ("file: '${{ matrix.file }}', cache-to: 'type=gha'", true),
            ("platforms: '${{ matrix.platform }}', cache-to: 'type=gha,mode=max'", true),
            (
                "file: '${{ matrix.file }}', cache-to: 'type=registry,ref=registry.example/${{ \
                 github.repository }}:cache'",
                true,
            ),
            ("file: '${{ matrix.file }}', cache-to: 'type=gha,scope=${{ matrix.file }}'", false),
            ("file: '${{ matrix.file }}', cache-to: 'type=gha,scope=${{ env.SCOPE }}'", false),
            ("file: '${{ matrix.file }}', cache-to: 'type=local,dest=/tmp/c'", false),
            ("file: '${{ matrix.file }}', cache-to: '${{ env.CACHE }}'", false),
            ("target: '${{ matrix.file }}', cache-to: 'type=gha'", false),
            ("file: '${{ matrix.one }}', cache-to: 'type=gha'", false),
            ("file: '${{ matrix.open }}', cache-to: 'type=gha'", false),
            ("file: '${{ matrix.file-x }}', cache-to: 'type=gha'", false),
            ("platforms: linux/amd64, cache-to: 'type=gha'", false),
        ] {
            let workflow = steps(inputs, "file: b/Dockerfile");
            let change = with(".github/workflows/a.yml", &workflow).file("Dockerfile", "FROM z");
            assert_eq!(transcript(&RULE, &change).len(), usize::from(is_found), "{inputs}");
        }
    }

    #[test]
    fn builds_that_share_a_cache_or_have_their_own() {
        let gha = "cache-to: 'type=gha";
        for (first, second) in [
            // Stages of one Dockerfile.
            (
                format!("file: a/Dockerfile, target: x, {gha}'"),
                format!("file: a/Dockerfile, {gha}'"),
            ),
            (format!("file: a/Dockerfile, {gha},scope=a'"), format!("file: b/Dockerfile, {gha}'")),
            (
                format!("file: a/Dockerfile, {gha},scope=${{{{ env.S }}}}'"),
                format!("file: b/Dockerfile, {gha},scope=${{{{ env.S }}}}'"),
            ),
            (
                format!("file: a/Dockerfile, {gha}'"),
                "file: b/Dockerfile, cache-from: type=gha".into(),
            ),
            (
                "file: a/Dockerfile, cache-to: type=inline".into(),
                "file: b/Dockerfile, cache-to: type=inline".into(),
            ),
        ] {
            let change = with(".github/workflows/a.yml", &steps(&first, &second));
            assert_eq!(transcript(&RULE, &change), [""; 0], "{first} {second}");
        }
    }

    #[test]
    fn workflows_of_one_branch_share_a_cache() {
        let one = |on: &str, file: &str, cache: &str| {
            let steps = steps(&format!("file: {file}, cache-to: '{cache}'"), "file: a/Dockerfile");
            format!("on: {on}\n{steps}")
        };
        let main = "{push: {branches: [main]}}";
        let registry = "type=registry,ref=a/b:cache";
        for (first, second, cache, is_found) in [
            (main, "{push: {branches: [x, main], paths: [b]}}", "type=gha", true),
            (main, "push", "type=gha", true),
            (main, "{push: {branches: [x]}}", "type=gha", false),
            (main, "{push: {tags: ['v*']}}", "type=gha", false),
            (main, "pull_request", "type=gha", false),
            (main, "pull_request", registry, true),
        ] {
            let change = with(".github/workflows/a.yml", &one(first, "a/Dockerfile", cache))
                .file(".github/workflows/b.yml", &one(second, "b/Dockerfile", cache));
            assert_eq!(transcript(&RULE, &change).len(), usize::from(is_found), "{first} {second}");
        }
    }
}
