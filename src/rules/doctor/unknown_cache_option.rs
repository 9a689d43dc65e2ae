#![doc = include_str!("../../../docs/rules/unknown-cache-option.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::caches::CacheEntry;
use crate::builds::{Builds, CacheUser, shown_name};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unknown-cache-option",
    summary: "an option of a build cache that BuildKit does not know and ignores",
    manual: include_str!("../../../docs/rules/unknown-cache-option.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The options of caches of any type.
const OF_ALL: [&str; 2] = ["mode", "ignore-error"];

/// The further options of each type, for the import and the export together: the names that
/// `cache/remotecache/TYPE`, `client/solve.go` and `util/compression/attrs.go` of moby/buildkit
/// read (v0.26 and the commits up to August 2026).
const OF_TYPES: [(&str, &[&str]); 6] = [
    ("inline", &[]),
    (
        "registry",
        &[
            "ref",
            "image-manifest",
            "oci-mediatypes",
            "registry.insecure",
            "compression",
            "compression-level",
            "force-compression",
        ],
    ),
    (
        "local",
        &[
            "src",
            "dest",
            "tag",
            "digest",
            "reset",
            "image-manifest",
            "oci-mediatypes",
            "compression",
            "compression-level",
            "force-compression",
        ],
    ),
    ("gha", &["scope", "timeout", "token", "url", "url_v2", "version", "repository", "ghtoken"]),
    (
        "s3",
        &[
            "bucket",
            "region",
            "name",
            "prefix",
            "blobs_prefix",
            "manifests_prefix",
            "endpoint_url",
            "use_path_style",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "touch_refresh",
            "upload_parallelism",
            "disable_accept_encoding",
            "retry_mode",
            "retry_max_attempts",
        ],
    ),
    (
        "azblob",
        &[
            "account_url",
            "account_name",
            "container",
            "name",
            "prefix",
            "blobs_prefix",
            "manifests_prefix",
            "secret_access_key",
        ],
    ),
];

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for user in builds.cache_users() {
        let caches = &user.given.caches;
        let imports = caches.imports.iter().map(|entry| (entry, false));
        for (entry, is_export) in imports.chain(caches.exports.iter().map(|entry| (entry, true))) {
            // An anchor may give one entry to several builds.
            if seen.insert((user.origin.file, user.place(entry).start, is_export)) {
                judge_entry(builds, user, entry, is_export, findings);
            }
        }
    }
}

fn judge_entry(
    builds: &Builds,
    user: CacheUser<'_>,
    entry: &CacheEntry,
    is_export: bool,
    findings: &mut Findings,
) {
    let (file, span) = (builds.file(user.origin.file), &user.shown(builds, entry));
    let kind = entry.kind.as_deref().unwrap_or_default();
    let Some((kind, known)) = OF_TYPES.iter().find(|(known, _)| *known == kind) else { return };
    for (key, _) in &entry.options {
        if !OF_ALL.contains(&key.as_str()) && !known.contains(&key.as_str()) {
            let shown = Escaped(key.as_bytes());
            let message =
                format!("BuildKit ignores `{shown}`: a cache of type {kind} has no such option");
            let help = if key.trim().len() < key.len() {
                "remove the blanks: they are a part of the name".to_owned()
            } else {
                let all: Vec<&str> = OF_ALL.iter().chain(*known).copied().collect();
                format!("its options are {}", all.join(", "))
            };
            findings.place(file, span, message).help(help, &[]);
        }
    }
    let mode = entry.option("mode").filter(|mode| is_export && !mode.contains(['$', '`']));
    let less = "only the layers of the last stage are exported";
    match mode {
        Some("max") if *kind == "inline" => {
            let message = format!("an inline cache has no mode=max: {less}");
            let help = "export to a cache of type registry or gha to keep the other stages";
            findings.place(file, span, message).help(help, &[]).severity(Severity::Warning);
        }
        None | Some("min" | "max") => {}
        Some(mode) => {
            let shown = shown_name(mode);
            let message = format!("mode={shown} is neither min nor max: {less}");
            findings.place(file, span, message).help("write mode=max", &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    /// The messages about a build with this cache, in a compose file.
    fn judged(key: &str, entry: &str) -> Vec<String> {
        let compose = format!("services: {{a: {{build: {{context: ., {key}: [\"{entry}\"]}}}}}}");
        let change = Fake::default().file("Dockerfile", "FROM x").file("compose.yaml", &compose);
        let found = transcript(&RULE, &change);
        found.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn an_option_or_a_mode_that_is_ignored() {
        let unknown = |key: &str, kind: &str| {
            format!("BuildKit ignores `{key}`: a cache of type {kind} has no such option")
        };
        let mode = |mode: &str| {
            format!(
                "mode={mode} is neither min nor max: only the layers of the last stage are \
                 exported"
            )
        };
        let inline =
            "an inline cache has no mode=max: only the layers of the last stage are exported";
        for (entry, expected) in [
            ("type=registry,ref=a/b,mode=maximum", mode("maximum")),
            ("type=gha,mode=MAX", mode("MAX")),
            ("type=gha,mode=", mode("")),
            ("type=registry,ref=a/b,moed=max", unknown("moed", "registry")),
            ("type=registry,ref=a/b, mode=max", unknown(" mode", "registry")),
            ("type=gha,key=x", unknown("key", "gha")),
            ("type=gha,ref=$X,mode=max", unknown("ref", "gha")),
            ("type=inline,ref=a/b", unknown("ref", "inline")),
            ("type=inline,mode=max", inline.to_owned()),
        ] {
            assert_eq!(judged("cache_to", entry), [expected], "{entry}");
        }
        assert_eq!(judged("cache_from", "type=gha,scop=x"), [unknown("scop", "gha")]);
    }

    #[test]
    fn a_credential_is_not_shown() {
        for entry in [
            "type=s3,bucket=b,secret_access_key=hunter2hunter2,x=y",
            "secret_access_key=hunter2hunter2,type=s3,x=y",
            "type=gha,token=hunter2hunter2,moed=max",
            "type=gha,mode=https://u:hunter2hunter2@h",
        ] {
            let compose =
                format!("services: {{a: {{build: {{context: ., cache_to: [\"{entry}\"]}}}}}}");
            let change =
                Fake::default().file("Dockerfile", "FROM x").file("compose.yaml", &compose);
            let found = judged_by(&RULE, &change);
            assert_eq!(found.len(), 1, "{entry}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn options_that_buildkit_knows_and_what_is_unknown() {
        for (key, entry) in [
            ("cache_to", "type=registry,ref=a/b,mode=max,compression=zstd,oci-mediatypes=true"),
            ("cache_to", "type=registry,ref=a/b,Mode=max,image-manifest=true,ignore-error=true"),
            ("cache_to", "type=local,dest=/c,mode=min,reset=true"),
            ("cache_to", "type=gha,mode=$MODE"),
            ("cache_to", "type=gha,mode=${MODE:-max}"),
            ("cache_to", "type=$TYPE,x=y"),
            ("cache_to", "type=own,x=y"),
            ("cache_to", "$CACHE"),
            ("cache_to", "type=s3,bucket=b,region=r,name=n,mode=max"),
            ("cache_from", "a/b:c"),
            // It has no effect, and does no harm.
            ("cache_from", "type=gha,mode=max"),
            ("cache_from", "type=gha,scope=x,mode=maximum"),
        ] {
            assert_eq!(judged(key, entry), [""; 0], "{entry}");
        }
    }

    #[test]
    fn every_description_of_a_build_is_read() {
        let bake = "target \"default\" {\n  cache-to = [{ type = \"gha\", moed = \"max\" }]\n}";
        let workflow = |step: &str| {
            format!("jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{{step}}}]}}}}")
        };
        let action = "uses: docker/build-push-action@v6, with: {file: '${{ matrix.x }}', \
                      cache-to: 'type=gha,moed=max'}";
        let baked = "uses: docker/bake-action@v6, with: {set: '*.cache-to=type=gha,moed=max'}";
        let own = "uses: me/docker@v1, with: {cache-to: 'type=gha,moed=max'}";
        for step in [
            "run: 'docker buildx build --cache-to type=gha,moed=max .'",
            "run: 'docker buildx build --cache-to=type=gha,moed=max,scope=$X .'",
            "run: 'docker buildx bake --set \"*.cache-to=type=gha,moed=max\"'",
            action,
            baked,
            own,
        ] {
            let file = (".github/workflows/a.yml", workflow(step));
            let change = Fake::default().file("Dockerfile", "FROM x").file(file.0, &file.1);
            assert_eq!(transcript(&RULE, &change).len(), 1, "{step}");
        }
        let change = Fake::default().file("Dockerfile", "FROM x").file("docker-bake.hcl", bake);
        let found = judged_by(&RULE, &change);
        let place = found[0].place.as_ref().unwrap();
        assert_eq!((place.line, place.column), (2, 15));
        // Podman has other caches.
        let podman = workflow("run: 'podman build --cache-to type=gha,moed=max .'");
        let change =
            Fake::default().file("Dockerfile", "FROM x").file(".github/workflows/a.yml", &podman);
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
