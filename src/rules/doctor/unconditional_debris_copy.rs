#![doc = include_str!("../../../docs/rules/unconditional-debris-copy.md")]

use crate::base::change::Mode;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::builds::context::{cleaned, is_pattern};
use crate::builds::{Build, BuildContext, Builds, ContextSource};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unconditional-debris-copy",
    summary: "COPY of a directory of leftovers, which a fresh clone does not have",
    manual: include_str!("../../../docs/rules/unconditional-debris-copy.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, debris: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        for source in build.sources() {
            judge_source(builds, build, &source, debris, findings);
        }
    }
}

fn judge_source(
    builds: &Builds,
    build: &Build,
    source: &ContextSource<'_>,
    debris: &Debris,
    findings: &mut Findings,
) {
    let (Some(context), Some(path)) = (&build.context, source.path) else { return };
    let path = cleaned(path);
    let is_literal = !is_pattern(&path);
    let Some(directory) = directory(&path, debris).filter(|_| is_literal) else { return };
    // What the ignore file excludes is another fault.
    if context.excluding(&path).is_some() || is_kept(builds, context, &path, debris) {
        return;
    }
    let dockerfile = builds.file(build.dockerfile);
    let (shown, how) = (Escaped(directory.as_bytes()), source.how);
    let message = format!("{how} {shown} fails in a fresh clone: git has no such directory");
    let draft = findings.place(dockerfile, source.span, message);
    let keeper = Escaped(context.path(directory).as_bytes()).to_string();
    if source.copy.is_some() {
        let help =
            format!("write `{shown}*`, which may be missing, or add {keeper}/.gitkeep to git");
        let draft = draft.help(help, &[]);
        if let Some(edit) = with_wildcard(builds, build, source, directory, &path) {
            draft.fix(Safety::Safe, vec![edit], &[dockerfile]);
        }
    } else {
        draft.help(format!("add {keeper}/.gitkeep to git"), &[]);
    }
}

/// The path up to its first component that is a directory of leftovers.
fn directory<'p>(path: &'p str, debris: &Debris) -> Option<&'p str> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        if debris.directory(part.as_bytes()).is_some() {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

/// Whether git has, or may get, a file of the source. A leftover never gets there.
fn is_kept(builds: &Builds, context: &BuildContext, source: &str, debris: &Debris) -> bool {
    context.named(&builds.tree, source).any(|path| {
        let path = RepoPath::from(&*context.path(path));
        debris.content_of(&path, Mode::File).is_none()
    })
}

/// The edit from `.docker-deps/` to `.docker-deps*`, if nothing else is copied by that, and the
/// destination is a directory in any case.
fn with_wildcard(
    builds: &Builds,
    build: &Build,
    source: &ContextSource<'_>,
    directory: &str,
    path: &str,
) -> Option<Edit> {
    let (copy, context) = (source.copy?, build.context.as_ref()?);
    let dockerfile = builds.file(build.dockerfile);
    let written = dockerfile.text.get(source.span.clone())?;
    let plain = written.trim_ascii_end().strip_suffix(b"/").unwrap_or(written);
    let is_plain = plain.strip_prefix(b"./").unwrap_or(plain) == path.as_bytes();
    let others = format!("{directory}*");
    let is_alone = context
        .named(&builds.tree, &others)
        .all(|other| other.strip_prefix(directory).is_some_and(|below| below.starts_with('/')));
    let to_directory = copy.destination.known().is_some_and(|to| to.ends_with(['/', '.']));
    (directory == path && is_plain && is_alone && to_directory).then(|| Edit {
        path: dockerfile.path.clone(),
        span: source.span.clone(),
        text: format!("{path}*"),
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages, transcript};

    fn project(dockerfile: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", &format!("FROM node:22\n{dockerfile}\n"))
            .file(".docker-deps/acme-ui-1.0.0.tgz", "")
            .file("kept/.docker-deps/.gitkeep", "")
    }

    #[test]
    fn a_directory_that_only_a_preparation_makes() {
        let dockerfile = "COPY ./.docker-deps/ /app/.docker-deps/\n\
                          COPY .docker-deps/acme-ui-1.0.0.tgz a/.docker-deps /d/\n\
                          RUN --mount=type=bind,source=.docker-deps,target=/d a";
        let found = judged_by(&RULE, &project(dockerfile));
        let missing = "fails in a fresh clone: git has no such directory";
        assert_eq!(
            messages(&found),
            [
                format!("Dockerfile:2:6: COPY .docker-deps {missing}"),
                format!("Dockerfile:3:6: COPY .docker-deps {missing}"),
                format!("Dockerfile:3:37: COPY a/.docker-deps {missing}"),
                format!("Dockerfile:4:5: the mount of .docker-deps {missing}"),
            ]
        );
        let fixed =
            |number: usize| found[number].fix.as_ref().map(|fix| fix.diffs[0].1.lines[5].clone());
        assert_eq!(fixed(0).unwrap(), "+COPY .docker-deps* /app/.docker-deps/");
        assert_eq!((fixed(1), fixed(3)), (None, None));
    }

    #[test]
    fn a_directory_that_is_kept_or_may_be_missing() {
        for dockerfile in [
            "COPY kept/.docker-deps/ /app/",
            "COPY .docker-deps* /app/",
            "COPY .docker-dep[s]/ /app/",
            "COPY --from=a .docker-deps /app/",
            "COPY docker-deps /app/",
            "ARG D\nCOPY $D/.docker-deps /app/",
        ] {
            assert_eq!(transcript(&RULE, &project(dockerfile)), [""; 0], "{dockerfile}");
        }
        // The ignore file is another fault.
        let change = project("COPY .docker-deps /app/").file(".dockerignore", ".docker-deps");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
        let other = Fake::default().file("b/Dockerfile", "FROM node:22\nCOPY .docker-deps /a/");
        assert_eq!(transcript(&RULE, &other), [""; 0]);
    }
}
