#![doc = include_str!("../../../docs/rules/excluded-copy-source.md")]

use std::cell::OnceCell;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::builds::context::{cleaned, directory_of_pattern, inclusion, is_pattern};
use crate::builds::{Build, Builds, ContextSource, CopySource};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};
use crate::rules::doctor::ignored_lockfile::{Ignored, ignored};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "excluded-copy-source",
    summary: "COPY of files that the ignore file keeps out of the build",
    manual: include_str!("../../../docs/rules/excluded-copy-source.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        // One fault is one finding: a lockfile that an install wants has a rule of its own.
        let lockfiles = OnceCell::new();
        for source in build.sources() {
            judge_source(builds, build, &source, &lockfiles, findings);
        }
    }
}

fn judge_source<'b>(
    builds: &'b Builds,
    build: &'b Build,
    source: &ContextSource<'_>,
    lockfiles: &OnceCell<Vec<Ignored<'b>>>,
    findings: &mut Findings,
) {
    let (Some(context), Some(path)) = (&build.context, source.path) else { return };
    let Some(ignore) = &context.ignore else { return };
    let is_lost = |directory| !context.has_directory(&builds.tree, directory);
    let (pattern, effect) = match context.source(&builds.tree, path) {
        CopySource::Excluded(pattern) if !is_pattern(path) => (pattern, "fails"),
        CopySource::Excluded(pattern) if directory_of_pattern(path).is_some_and(is_lost) => {
            (pattern, "fails")
        }
        CopySource::Excluded(pattern) => (pattern, "copies nothing"),
        CopySource::Emptied(pattern) => (pattern, "gives an empty directory"),
        CopySource::Present | CopySource::Absent => return,
    };
    let mut named = context.named(&builds.tree, path).peekable();
    let lockfiles = || lockfiles.get_or_init(|| ignored(builds, build));
    let is_lockfile = |path: &str| lockfiles().iter().any(|known| known.path == path);
    if named.peek().is_some() && named.all(is_lockfile) {
        return;
    }
    let (dockerfile, excluding) = (builds.file(build.dockerfile), builds.file(ignore.file));
    let (shown, how) = (Escaped(path.as_bytes()), source.how);
    let message = format!("{how} {shown} {effect}: {} excludes it", excluding.path);
    let path = cleaned(path);
    let help = format!(
        "remove the line from {}, or add `!{}` after it",
        excluding.path,
        Escaped(path.as_bytes())
    );
    let draft = findings.place(dockerfile, source.span, message);
    let draft = draft.label(excluding, &pattern.span, "excluded here").help(help, &[]);
    if let Some(inclusion) = inclusion(excluding, pattern, &path) {
        draft.fix(Safety::Shown, vec![inclusion.edit], &[excluding]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(dockerfile: &str, ignore: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", dockerfile)
            .file(".dockerignore", ignore)
            .file("package.json", "{}")
            .file("package-lock.json", "{}")
            .file("src/a.ts", "")
            .file("docs/a.md", "");
        transcript(&RULE, &change)
    }

    #[test]
    fn a_source_that_is_excluded() {
        let dockerfile =
            "FROM node:22\nCOPY package.json src ./\nCOPY docs/*.md /d/\nCOPY .deps /x";
        assert_eq!(
            judged(dockerfile, "src\n**/*.md\n.deps\n"),
            [
                "Dockerfile:2:19: COPY src fails: .dockerignore excludes it",
                "Dockerfile:3:6: COPY docs/*.md copies nothing: .dockerignore excludes it",
                "Dockerfile:4:6: COPY .deps fails: .dockerignore excludes it",
            ]
        );
    }

    #[test]
    fn a_mount_an_added_file_and_an_emptied_directory() {
        let dockerfile = "FROM node:22\nADD src/*.ts ./\nCOPY docs d\n\
                          RUN --mount=type=bind,source=src,target=/s --mount=from=x,source=src a";
        assert_eq!(
            judged(dockerfile, "src\ndocs/**\n"),
            [
                "Dockerfile:2:5: ADD src/*.ts fails: .dockerignore excludes it",
                "Dockerfile:3:6: COPY docs gives an empty directory: .dockerignore excludes it",
                "Dockerfile:4:5: the mount of src fails: .dockerignore excludes it",
            ]
        );
    }

    #[test]
    fn sources_that_are_not_excluded_or_not_known() {
        for (dockerfile, ignore) in [
            ("COPY src .", "src\n!src/a.ts\n"),
            ("COPY . .", "src\n"),
            ("COPY --from=a src .", "src\n"),
            ("ARG D\nCOPY $D .", "src\n"),
            ("ADD https://example.org/src .", "**/src\n"),
            ("COPY dist .", "src\n"),
            ("COPY *.tgz* .", "*.tgz\n"),
            ("COPY <<EOF src\nEOF", "src\n"),
            ("COPY dist .", "dist\n!dist/server\n"),
            ("COPY src .", "src\n!**/*.js\n"),
            // It is reported by another rule.
            ("COPY package.json package-lock.json .\nRUN npm ci", "package-lock.json\n"),
            ("RUN --mount=type=cache,target=src a", "src\n"),
        ] {
            let found = judged(&format!("FROM node:22\n{dockerfile}"), ignore);
            assert_eq!(found, [""; 0], "{dockerfile} with {ignore:?}");
        }
    }
}
