#![doc = include_str!("../../../docs/rules/cache-never-written.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::builds::caches::{CacheEntry, image_name, may_be};
use crate::builds::{Builds, CacheUser, shown_name};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "cache-never-written",
    summary: "a build cache that is imported, and that nothing in the repository exports",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/cache-never-written.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The maximum number of bytes of the names that imported names are compared with.
const MAX_COMPARED: usize = 20_000_000;

/// A cache that a build exports, with its name.
struct ExportedCache<'b> {
    user: CacheUser<'b>,
    entry: &'b CacheEntry,
    name: Option<String>,
}

/// What the builds of a repository write: exported caches, and names of images.
struct WrittenCaches<'b> {
    caches: Vec<ExportedCache<'b>>,
    images: Vec<String>,
}

impl<'b> WrittenCaches<'b> {
    /// `None` if anything may be written.
    fn by(builds: &'b Builds) -> Option<Self> {
        let is_unknown = |entry: &CacheEntry| entry.kind.is_none() || entry.is_open;
        if builds.has_remote_steps || builds.exports().any(|(_, entry)| is_unknown(entry)) {
            return None;
        }
        let caches = builds
            .exports()
            .map(|(user, entry)| ExportedCache { user, entry, name: entry.name() })
            .collect();
        let images = builds.cache_users().flat_map(|user| &user.given.caches.images);
        Some(Self { caches, images: images.map(|image| image_name(image)).collect() })
    }

    /// With how many imported names all of it is compared.
    fn room(&self) -> usize {
        let names = self.caches.iter().filter_map(|export| export.name.as_deref());
        let names = names.chain(self.images.iter().map(String::as_str));
        let size: usize = names.map(|name| name.len() + 1).sum();
        MAX_COMPARED.checked_div(size).unwrap_or(usize::MAX)
    }
}

/// The imports that may be reported, each once.
fn imports(builds: &Builds) -> impl Iterator<Item = (CacheUser<'_>, &CacheEntry)> {
    let mut seen = BTreeSet::new();
    let users = builds.cache_users().filter(|user| !user.may_be_replaced());
    let all = users.flat_map(|user| user.given.caches.imports.iter().map(move |it| (user, it)));
    all.filter(move |(user, entry)| seen.insert((user.origin.file, user.place(entry).start)))
}

/// The file of the first import that is one too many to be compared with all exports.
pub(crate) fn unjudged(builds: &Builds) -> Option<RepoPath> {
    let (user, _) = imports(builds).nth(WrittenCaches::by(builds)?.room())?;
    Some(builds.file(user.origin.file).path.clone())
}

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let Some(written) = WrittenCaches::by(builds) else { return };
    for (user, entry) in imports(builds).take(written.room()) {
        let name = entry.name().filter(|name| !name.contains(['$', '`']));
        let Some(name) = name else { continue };
        if let Some(other) = other(&written.images, &written.caches, entry, &name) {
            report(builds, user, entry, &name, other, findings);
        }
    }
}

/// Another cache of the type that a build exports, if none exports this one.
fn other<'w, 'b>(
    images: &[String],
    written: &'w [ExportedCache<'b>],
    entry: &CacheEntry,
    name: &str,
) -> Option<&'w ExportedCache<'b>> {
    let of_type = || written.iter().filter(|export| export.entry.kind == entry.kind);
    let is_this = |written: &String| may_be(written, name);
    if of_type().any(|export| export.name.as_ref().is_none_or(is_this)) {
        return None;
    }
    match entry.kind.as_deref() {
        // Only this repository can write it.
        Some("gha") => of_type().next(),
        // Anything may push an image. A cache is known by its name.
        Some("registry") => {
            let repository = |name: &str| name.rsplit_once(':').map(|(name, _)| name.to_owned());
            let own = repository(name).filter(|_| name.contains("cache"))?;
            let has_image = |export: &&ExportedCache<'_>| {
                export.name.as_deref().and_then(repository).as_ref() == Some(&own)
            };
            of_type().find(has_image).filter(|_| !images.iter().any(|image| may_be(image, name)))
        }
        _ => None,
    }
}

fn report(
    builds: &Builds,
    user: CacheUser<'_>,
    entry: &CacheEntry,
    name: &str,
    other: &ExportedCache<'_>,
    findings: &mut Findings,
) {
    let what = if entry.kind.as_deref() == Some("gha") { "the cache scope" } else { "the cache" };
    let shown = shown_name(name);
    let message = format!("nothing in this repository writes {what} {shown}");
    let own = other.name.as_deref().unwrap_or_default();
    let label = format!("{what} {} is written", shown_name(own));
    findings
        .place(builds.file(user.origin.file), &user.shown(builds, entry), message)
        .label(builds.file(other.user.origin.file), &other.user.shown(builds, other.entry), label)
        .help("import the cache that is written, or remove the import", &[]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::config::Config;
    use crate::engine::Engine;
    use crate::engine::tests::{Fake, judged_by, transcript};

    /// A workflow with a step for each pair of imports and exports.
    fn workflow(steps: &[(&str, &str)]) -> String {
        let step = |(import, export): &(&str, &str)| {
            format!(
                "      - uses: docker/build-push-action@v6\n        with:\n          \
                 context: .\n          cache-from: {import}\n          cache-to: {export}\n"
            )
        };
        let steps: String = steps.iter().map(step).collect();
        format!("jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n{steps}")
    }

    fn judged(steps: &[(&str, &str)]) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", "FROM x")
            .file(".github/workflows/a.yml", &workflow(steps));
        transcript(&RULE, &change)
    }

    #[test]
    fn a_cache_that_nothing_writes() {
        let place = ".github/workflows/a.yml:8:23: nothing in this repository writes the cache";
        for (import, export, expected) in [
            ("type=gha", "type=gha,scope=build-${{ matrix.arch }}", "scope buildkit"),
            ("type=gha,scope=a", "type=gha,scope=b", "scope a"),
            ("a/b:cache", "type=registry,ref=a/b:buildcache", "a/b:cache"),
            (
                "type=registry,ref=docker.io/a/cache",
                "type=registry,ref=a/cache:x",
                "a/cache:latest",
            ),
        ] {
            let found = judged(&[(import, "''"), ("''", export)]);
            assert_eq!(found, [format!("{place} {expected}")], "{import} {export}");
        }
        let change = Fake::default()
            .file("Dockerfile", "FROM x")
            .file(".github/workflows/a.yml", &workflow(&[("type=gha,scope=a", "type=gha")]));
        let found = judged_by(&RULE, &change);
        assert_eq!(found[0].labels[0].text, "the cache scope buildkit is written");
    }

    #[test]
    fn a_cache_that_something_may_write() {
        for steps in [
            &[("type=gha", "type=gha,mode=max")][..],
            &[("type=gha,scope=buildkit", "type=gha")],
            &[("type=gha,scope=x-a", "type=gha,scope=x-${{ matrix.a }}")],
            &[("type=gha,scope=${{ matrix.a }}", "type=gha,scope=b")],
            // Nothing of that type is written.
            &[("type=gha", "type=registry,ref=a/b")],
            &[("type=gha", "''")],
            &[
                ("type=gha,scope=a", "${{ github.ref == 'x' && 'type=gha,scope=a' || '' }}"),
                ("''", "type=gha"),
            ],
            &[("type=gha,scope=a", "type=gha,scope=b"), ("''", "type=${{ inputs.type }},scope=a")],
            // An image that something else may push, and one of another repository.
            &[("a/b:latest", "type=registry,ref=a/b:buildcache")],
            &[("a/c:cache", "type=registry,ref=a/b:buildcache")],
            &[("a/b:cache", "type=registry,ref=${{ env.IMAGE }}")],
            // A step may move the directory.
            &[("type=local,src=/tmp/cache", "type=local,dest=/tmp/cache-new")],
            &[("type=s3,bucket=b,name=a", "type=s3,bucket=b,name=b")],
        ] {
            assert_eq!(judged(steps), [""; 0], "{steps:?}");
        }
    }

    #[test]
    fn many_names_are_compared_in_time() {
        let tags: String = (0..2000).map(|number| format!("a/b:t{number},")).collect();
        let imports: String =
            (0..50).map(|number| format!("\n            a/b:cache{number}")).collect();
        let imports = format!("|{imports}");
        let export = format!("type=registry,ref=a/b:buildcache\n          tags: {tags:?}");
        let steps = vec![(imports.as_str(), export.as_str()); 40];
        let started = std::time::Instant::now();
        let change = Fake::default()
            .file("Dockerfile", "FROM x")
            .file(".github/workflows/a.yml", &workflow(&steps));
        let judgement = Engine::of(&[&RULE], &Config::default()).judge(&change).unwrap();
        assert!(judgement.findings.len() > 10);
        let doubts = judgement.builds.unwrap().doubts;
        assert!(doubts.iter().any(|doubt| doubt.reason.contains("too many caches")), "{doubts:?}");
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn writers_elsewhere_count() {
        let reader = workflow(&[("type=gha,scope=a", "type=gha,scope=b")]);
        for (path, text, expected) in [
            ("x", "", 1),
            (".github/workflows/b.yml", &*workflow(&[("''", "type=gha,scope=a")]), 0),
            (
                ".github/workflows/b.yml",
                "jobs:\n  a:\n    uses: me/ci/.github/workflows/build.yml@v1\n",
                0,
            ),
            (".github/workflows/b.yml", "jobs:\n  a:\n    uses: ./.github/workflows/a.yml\n", 1),
            (
                ".github/workflows/b.yml",
                "jobs: {a: {steps: [{uses: docker/bake-action@v6, with: {set: \
                 '*.cache-to=type=gha,scope=a'}}]}}",
                0,
            ),
            ("docker-bake.json", r#"{"target": {"a": {"cache-to": ["type=gha,scope=a"]}}}"#, 0),
            ("compose.yaml", "services: {a: {build: {cache_to: ['type=gha,scope=a']}}}", 0),
        ] {
            let change = Fake::default()
                .file("Dockerfile", "FROM x")
                .file(".github/workflows/a.yml", &reader)
                .file(path, text);
            assert_eq!(transcript(&RULE, &change).len(), expected, "{path} {text}");
        }
        // An image with an inline cache.
        let pushed = "services: {a: {image: 'a/b:cache', build: {cache_from: ['a/b:cache'], \
                      cache_to: ['type=registry,ref=a/b:x']}}}";
        let change = Fake::default().file("Dockerfile", "FROM x").file("compose.yaml", pushed);
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }

    #[test]
    fn a_call_of_bake_may_give_its_targets_other_caches() {
        let bake = "target \"default\" {\n  cache-from = [\"type=gha,scope=a\"]\n  \
                    cache-to = [\"type=gha,scope=b\"]\n}";
        for (set, expected) in [("", 1), (", with: {set: '*.cache-from=type=gha,scope=b'}", 0)] {
            let workflow = format!(
                "jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{uses: \
                 docker/bake-action@v5{set}}}]}}}}"
            );
            let change = Fake::default()
                .file("Dockerfile", "FROM x")
                .file("docker-bake.hcl", bake)
                .file(".github/workflows/a.yml", &workflow);
            assert_eq!(transcript(&RULE, &change).len(), expected, "{set}");
        }
    }
}
