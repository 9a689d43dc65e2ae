#![doc = include_str!("../../../docs/rules/unread-dockerignore.md")]

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::builds::{Build, BuildContext, Builds};
use crate::formats::dockerignore::IgnoreFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unread-dockerignore",
    summary: "a .dockerignore that is not at the top of the context of a build",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unread-dockerignore.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for (number, source) in builds.project.files().iter().enumerate() {
        let path = &source.file.path;
        let has_patterns =
            || IgnoreFile::parse(&source.file.text).is_ok_and(|file| !file.patterns.is_empty());
        if is_of_context(path)
            && has_patterns()
            && let Some(build) = elsewhere(builds, number)
        {
            report(builds, path, build, findings);
        }
    }
}

/// Whether it is the ignore file of a context, not that of one Dockerfile.
fn is_of_context(path: &RepoPath) -> bool {
    FileKind::Dockerignore.matches(path) && path.file_name().starts_with(b".")
}

/// A build with another context, if each build of the Dockerfiles next to an ignore file has one.
fn elsewhere(builds: &Builds, ignore: usize) -> Option<(&Build, &BuildContext)> {
    let home = builds.file(ignore).path.parent();
    let is_read = |context: &BuildContext| context.directory.as_bytes() == home;
    let contexts = || builds.list.iter().filter_map(|build| build.context.as_ref());
    if contexts().any(is_read) {
        return None;
    }
    let is_beside = |build: &&Build| {
        build.inline.is_none() && builds.file(build.dockerfile).path.parent() == home
    };
    let mut beside = builds.list.iter().filter(is_beside);
    let first = beside.next()?;
    let context = first.context.as_ref()?;
    let is_known = first.origin.is_some() && beside.all(|build| build.context.is_some());
    is_known.then_some((first, context))
}

fn report(
    builds: &Builds,
    path: &RepoPath,
    (build, context): (&Build, &BuildContext),
    findings: &mut Findings,
) {
    let dockerfile = &builds.file(build.dockerfile).path;
    let directory = match context.directory.as_str() {
        "" => "the top of the repository".to_owned(),
        directory => Escaped(directory.as_bytes()).to_string(),
    };
    let message = format!("no build reads this file: the context of {dockerfile} is {directory}");
    let read = context.path(".dockerignore");
    let read = Escaped(read.as_bytes());
    let help = match &context.ignore {
        Some(ignore) if builds.file(ignore.file).path.to_string() == read.to_string() => {
            format!("move its lines to {read}, with paths from there")
        }
        Some(ignore) => {
            format!("move its lines to {}, or delete it", builds.file(ignore.file).path)
        }
        None => {
            format!("move it to {read}, or to {dockerfile}.dockerignore, with paths from there")
        }
    };
    let mut draft = findings.path(path, message).help(help, &[]);
    if let Some(origin) = &build.origin {
        draft = draft.label(builds.file(origin.file), &origin.span, "this build");
    }
    if let Some(ignore) = &context.ignore {
        let start = ignore.patterns.patterns.first().map_or(0..0, |first| first.span.clone());
        draft.label(builds.file(ignore.file), &start, "read instead");
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(compose: &str) -> Fake {
        Fake::default()
            .file("compose.yaml", compose)
            .file("web/Dockerfile", "FROM node\nCOPY . .")
            .file("web/.dockerignore", "node_modules\n")
    }

    const TOP: &str = "{build: {context: ., dockerfile: web/Dockerfile}}";

    #[test]
    fn a_file_that_no_build_reads() {
        let top = change(&format!("services: {{a: {TOP}}}"));
        let found = judged_by(&RULE, &top);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (finding.path.to_string(), &*finding.message, &*finding.help),
            (
                "web/.dockerignore".to_owned(),
                "no build reads this file: the context of web/Dockerfile is the top of the \
                 repository",
                "move it to .dockerignore, or to web/Dockerfile.dockerignore, with paths from there"
            )
        );
        assert_eq!(finding.labels[0].path, "compose.yaml".into());
        let two = change(&format!("services: {{a: {TOP}}}")).file(".dockerignore", "dist");
        let found = judged_by(&RULE, &two);
        assert_eq!(found[0].help, "move its lines to .dockerignore, with paths from there");
        assert_eq!(found[0].labels[1].path, ".dockerignore".into());
        let own =
            change(&format!("services: {{a: {TOP}}}")).file("web/Dockerfile.dockerignore", "x");
        let found = judged_by(&RULE, &own);
        assert_eq!(found[0].help, "move its lines to web/Dockerfile.dockerignore, or delete it");
    }

    #[test]
    fn a_file_that_a_build_reads_or_may_read() {
        for compose in [
            "services: {a: {build: web}}",
            &format!("services: {{a: {TOP}, b: {{build: web}}}}"),
            "services: {a: {build: {context: $X, dockerfile: web/Dockerfile}}}",
            // Another Dockerfile is built in this context.
            &format!(
                "services: {{a: {TOP}, b: {{build: {{context: web, dockerfile: ../Dockerfile}}}}}}"
            ),
            "services: {}",
        ] {
            let change = change(compose).file("Dockerfile", "FROM node");
            assert_eq!(transcript(&RULE, &change), [""; 0], "{compose}");
        }
        let unknown = change(&format!("services: {{a: {TOP}}}"))
            .file("web/Dockerfile.dev", "FROM node\nCOPY . .");
        assert_eq!(transcript(&RULE, &unknown), [""; 0]);
        // A Dockerfile inside of another file has no file next to it.
        let inside = Fake::default()
            .file(
                "web/compose.yaml",
                "services: {a: {build: {context: .., dockerfile_inline: FROM x}}}",
            )
            .file("web/.dockerignore", "node_modules\n");
        assert_eq!(transcript(&RULE, &inside), [""; 0]);
        let empty = Fake::default()
            .file("compose.yaml", &format!("services: {{a: {TOP}}}"))
            .file("web/Dockerfile", "FROM node")
            .file("web/.dockerignore", "# nothing\n");
        assert_eq!(transcript(&RULE, &empty), [""; 0]);
    }
}
