#![doc = include_str!("../../../docs/rules/unignored-debris.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::{Debris, backup_of};
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::builds::context::cleaned;
use crate::builds::{Build, Builds, ContextSource};
use crate::edit::appended;
use crate::edit::fix::Safety;
use crate::formats::gitignore::ignores;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unignored-debris",
    summary: "leftovers of a preparation that no .gitignore names",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unignored-debris.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// One finding: what the preparation of this repository leaves, and git does not ignore.
fn judge(builds: &Builds, debris: &Debris, findings: &mut Findings) {
    if builds.list.is_empty() {
        return;
    }
    let copies: Vec<_> = builds.list.iter().flat_map(|build| copies(build, debris)).collect();
    let mut path = RepoPath::default();
    let script = builds.tree.below("").find(|known| {
        path.replace(known.as_bytes());
        FileKind::PrepScript.matches(&path)
    });
    let script = script.map(RepoPath::from);
    if copies.is_empty() && script.is_none() {
        return;
    }
    let files = ignore_files(builds);
    let texts: Vec<(&str, &[u8])> =
        files.iter().map(|(home, file)| (home.as_str(), file.text.as_slice())).collect();
    let mut missing: Vec<String> = Vec::new();
    let mut directories: BTreeSet<&str> =
        copies.iter().map(|copy| copy.directory.as_str()).collect();
    if directories.is_empty() {
        // The script may pack into a deeper directory; then its name is in an ignore file.
        let names = debris.directories().iter().map(|directory| directory.name.as_str());
        let is_named = |name: &&str| {
            texts.iter().any(|(_, text)| memchr::memmem::find(text, name.as_bytes()).is_some())
        };
        directories.extend(names.filter(|name| !is_named(name)));
    }
    for directory in directories {
        if !ignores(&texts, &format!("{directory}/package-1.0.0.tgz")) {
            missing.extend([format!("{directory}/*"), format!("!{directory}/.gitkeep")]);
        }
    }
    let is_backup_ignored = |path: &str| ignores(&texts, &backup_of(&path.into()).to_string());
    let mut manifests = builds.manifests.below("").peekable();
    if manifests.peek().is_some() && !manifests.any(is_backup_ignored) {
        missing.push("*.bak".to_owned());
    }
    if !missing.is_empty() {
        report(builds, &files, copies.first(), script.as_ref(), &missing, findings);
    }
}

/// A copy of a directory of leftovers, from the top of the repository.
struct DebrisCopy<'b> {
    build: &'b Build,
    source: ContextSource<'b>,
    directory: String,
}

fn copies<'b>(build: &'b Build, debris: &Debris) -> Vec<DebrisCopy<'b>> {
    let Some(context) = &build.context else { return Vec::new() };
    let copy = |source: ContextSource<'b>| {
        let path = context.path(&cleaned(source.path?));
        let mut end = 0;
        for part in path.split('/') {
            let directory = debris.directory_like(part);
            if let Some(directory) = directory {
                let directory = format!("{}{}", path.get(..end)?, directory.name);
                return Some(DebrisCopy { build, source, directory });
            }
            end += part.len() + 1;
        }
        None
    };
    build.sources().into_iter().filter_map(copy).collect()
}

/// The ignore files of the repository with their directories, from the top downward.
fn ignore_files(builds: &Builds) -> Vec<(String, &File)> {
    let files = builds.project.files().iter().map(|source| &source.file);
    let mut files: Vec<_> = files
        .filter(|file| FileKind::Gitignore.matches(&file.path))
        .map(|file| (file.directory().into_owned(), file))
        .collect();
    files.sort_by_key(|(home, _)| home.len());
    files
}

fn report(
    builds: &Builds,
    files: &[(String, &File)],
    copy: Option<&DebrisCopy<'_>>,
    script: Option<&RepoPath>,
    missing: &[String],
    findings: &mut Findings,
) {
    let names = missing.iter().filter(|line| !line.starts_with('!'));
    let names: Vec<String> = names.map(|line| Escaped(line.as_bytes()).to_string()).collect();
    let message = format!(
        "git does not ignore what the preparation of a build leaves: {}",
        names.join(" and ")
    );
    let lines: Vec<String> =
        missing.iter().map(|line| format!("`{}`", Escaped(line.as_bytes()))).collect();
    let lines = lines.join(", ");
    let top = files.iter().find(|(home, _)| home.is_empty()).map(|(_, file)| *file);
    let help = match top {
        Some(_) => format!("add to .gitignore the lines {lines}"),
        None => format!("create a .gitignore with the lines {lines}; what is shown here can stay"),
    };
    // Where the lines go, or else what shows that there is a preparation.
    let Some(file) = top else {
        match (copy, script) {
            (Some(copy), _) => {
                let dockerfile = builds.file(copy.build.dockerfile);
                findings.place(dockerfile, copy.source.span, message).help(help, &[]);
            }
            (None, Some(script)) => _ = findings.path(script, message).help(help, &[]),
            (None, None) => {}
        }
        return;
    };
    let mut draft = findings.path(&file.path, message).help(help, &[]);
    if let Some(copy) = copy {
        let dockerfile = builds.file(copy.build.dockerfile);
        draft = draft.label(dockerfile, copy.source.span, "the build takes leftovers here");
    }
    let lines: Vec<&str> = missing.iter().map(String::as_str).collect();
    draft.fix(Safety::Safe, vec![appended(file, &lines)], &[file]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages};

    fn judged(dockerfile: &str, ignore: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", &format!("FROM node:22\n{dockerfile}\n"))
            .file(".gitignore", ignore)
            .file("web/package.json", "{}");
        let found = judged_by(&RULE, &change);
        let diffs = found.iter().flat_map(|finding| &finding.fix).flat_map(|fix| &fix.diffs);
        let added = diffs
            .flat_map(|(_, diff)| &diff.lines)
            .filter(|line| line.starts_with('+') && !line.starts_with("++"));
        messages(&found).into_iter().chain(added.cloned()).collect()
    }

    #[test]
    fn leftovers_that_git_would_show() {
        let leaves = ".gitignore: git does not ignore what the preparation of a build leaves:";
        assert_eq!(
            judged("COPY .docker-deps* /a/", "dist\n"),
            [
                &format!("{leaves} .docker-deps/* and *.bak"),
                "+.docker-deps/*",
                "+!.docker-deps/.gitkeep",
                "+*.bak"
            ]
        );
        assert_eq!(
            judged("COPY web/.docker-deps/ /a/", "/.docker-deps\n*.bak\n")[0],
            format!("{leaves} web/.docker-deps/*")
        );
        let script = || {
            let fake = Fake::default().file("docker-prep.sh", "").file("package.json", "{}");
            fake.file("Dockerfile", "FROM a\n")
        };
        let leaves = "git does not ignore what the preparation of a build leaves:";
        assert_eq!(
            messages(&judged_by(&RULE, &script())),
            [format!("docker-prep.sh: {leaves} .docker-deps/* and *.bak")]
        );
        let deeper = script().file(".gitignore", "web/.docker-deps");
        let found = messages(&judged_by(&RULE, &deeper));
        assert_eq!(found, [format!(".gitignore: {leaves} *.bak")]);
        let copying = Fake::default()
            .file("a/.gitignore", "*.bak\n")
            .file("package.json", "{}")
            .file("Dockerfile", "FROM a\nCOPY .docker-deps /\n");
        let found = messages(&judged_by(&RULE, &copying));
        assert_eq!(found, [format!("Dockerfile:2:6: {leaves} .docker-deps/* and *.bak")]);
    }

    #[test]
    fn leftovers_that_git_ignores_and_builds_without() {
        for (dockerfile, ignore) in [
            ("COPY .docker-deps /a/", ".docker-deps/\n*.bak\n"),
            ("COPY .docker-deps /a/", ".docker-deps/*.tgz\n/web/package.json.bak\n"),
            ("COPY . /a/", ""),
            ("COPY --from=a .docker-deps /a/", ""),
        ] {
            assert_eq!(judged(dockerfile, ignore), [""; 0], "{dockerfile} with {ignore:?}");
        }
        let without = Fake::default().file("docker-prep.sh", "").file("package.json", "{}");
        assert_eq!(messages(&judged_by(&RULE, &without)), [""; 0]);
    }
}
