#![doc = include_str!("../../../docs/rules/stale-docker-lockfile.md")]

use crate::base::finding::{Severity, Step};
use crate::builds::Builds;
use crate::locks::{JudgedLock, Weight};
use crate::rule::{Check, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "stale-docker-lockfile",
    summary: "a lockfile for an image that does not fit what the image installs",
    manual: include_str!("../../../docs/rules/stale-docker-lockfile.md"),
    check: Check::Locks(judge),
    ..Rule::base(RuleGroup::Lockfile)
};

fn judge(locks: &[JudgedLock], builds: &Builds, findings: &mut Findings) {
    for JudgedLock { view, judged } in locks {
        let manager = view.manager();
        for remark in &judged.remarks {
            let refused = remark.weight == Weight::Refused;
            let end =
                if refused { format!("; {manager} refuses the lockfile") } else { String::new() };
            let message = format!("{}{end}", remark.message);
            let lock = &view.lock.file;
            let mut draft = match &remark.place {
                Some(span) => findings.place(lock, span, message),
                None => findings.path(&lock.path, message),
            };
            if let Some((source, span, text)) = &remark.label {
                draft = draft.label(&source.file, span, *text);
            }
            if let Some((file, span)) = &view.origin {
                draft = draft.label(builds.file(*file), span, "the image installs with it");
            }
            let draft = draft.help(
                "make the lockfile again with the pinned pnpm, and stage it",
                &[Step::MakeLockfile, Step::Stage],
            );
            if remark.weight == Weight::Note {
                draft.severity(Severity::Warning);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages, transcript};

    const MANIFEST: &str =
        r#"{"packageManager": "pnpm@10.6.5", "dependencies": {"ms": "^2.1.0"}, "name": "api"}"#;

    /// A lockfile for `MANIFEST`.
    fn lock(specifier: &str) -> String {
        let hash = "A".repeat(88);
        format!(
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      ms:\n        \
             specifier: {specifier}\n        version: 2.1.3\n\npackages:\n\n  ms@2.1.3:\n    \
             resolution: {{integrity: sha512-{hash}}}\n\nsnapshots:\n\n  ms@2.1.3: {{}}\n"
        )
    }

    fn stale(place: &str) -> String {
        format!(
            "{place}: ms is locked for `^2.0.0`, but api/package.json asks for `^2.1.0`; \
             pnpm 10.6.5 refuses the lockfile"
        )
    }

    #[test]
    fn a_lockfile_that_the_place_of_its_file_assigns() {
        let found = |specifier: &str| {
            let change = Fake::default()
                .file("api/package.json", MANIFEST)
                .file("api/pnpm-lock.docker.yaml", &lock(specifier));
            transcript(&RULE, &change)
        };
        assert_eq!(found("^2.1.0"), [""; 0]);
        assert_eq!(found("^2.0.0"), [stale("api/pnpm-lock.docker.yaml:8:20")]);
    }

    #[test]
    fn a_lockfile_that_a_dockerfile_copies() {
        let dockerfile = "FROM node:22\nWORKDIR /app\nCOPY api/package.json ./package.json\n\
                          COPY locks/pnpm-lock.api.yaml ./pnpm-lock.yaml\n\
                          RUN pnpm install --frozen-lockfile\n";
        let change = Fake::default()
            .old("Dockerfile", dockerfile)
            .file("api/package.json", MANIFEST)
            .old("locks/pnpm-lock.api.yaml", &lock("^2.0.0"));
        let found = judged_by(&RULE, &change);
        assert_eq!(messages(&found), [stale("locks/pnpm-lock.api.yaml:8:20")]);
        let labels: Vec<String> = found[0].labels.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(labels, ["api/package.json", "Dockerfile"]);
        // A lockfile of a branch is for no image.
        let change = Fake::default()
            .file("api/package.json", MANIFEST)
            .old("api/pnpm-lock.feature.yaml", &lock("^2.0.0"));
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }

    #[test]
    fn what_did_not_fit_before_is_not_new() {
        let before = MANIFEST.replace("\"api\"", "\"old\"");
        let path = "api/pnpm-lock.docker.yaml";
        let change = |lock: &str| {
            Fake::default().edited("api/package.json", &before, MANIFEST).old(path, lock)
        };
        assert_eq!(transcript(&RULE, &change(&lock("^2.0.0"))), [""; 0]);
        let before = MANIFEST.replace("^2.1.0", "^2.0.0");
        let change = Fake::default()
            .edited("api/package.json", &before, MANIFEST)
            .old(path, &lock("^2.0.0"));
        assert_eq!(transcript(&RULE, &change), [stale("api/pnpm-lock.docker.yaml:8:20")]);
    }

    #[test]
    fn other_changes_read_nothing() {
        let change = Fake::default()
            .old("api/package.json", MANIFEST)
            .old("api/pnpm-lock.docker.yaml", &lock("^2.0.0"))
            .file("src/a.ts", "");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
        let without = Fake::default().file("api/package.json", MANIFEST);
        assert_eq!(transcript(&RULE, &without), [""; 0]);
        assert!(change.read.borrow().is_empty() && without.read.borrow().is_empty());
    }

    #[test]
    fn a_hash_that_the_workspace_does_not_know() {
        let other = lock("^2.1.0").replace("AAAA", "BBBB");
        let change = Fake::default()
            .file("api/package.json", MANIFEST)
            .file("pnpm-lock.yaml", &other)
            .file("api/pnpm-lock.docker.yaml", &lock("^2.1.0"));
        assert_eq!(
            transcript(&RULE, &change),
            ["api/pnpm-lock.docker.yaml:14:29: the integrity of ms@2.1.3 is another one in \
              pnpm-lock.yaml"]
        );
    }
}
