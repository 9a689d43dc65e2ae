//! Reads the files that builds need, and chooses the findings that a change made.

use std::collections::{BTreeSet, HashSet};

use crate::base::change::{Change, Content, Mode};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::builds::arguments::{names, open_variables};
use crate::builds::{Builds, ConfiguredBuild};
use crate::engine::gathering::Gathering;
use crate::project::Project;
use crate::project::kinds::FileKind;
use crate::rule::{Finding, Findings};

/// Whether a new file is of a kind that a build may depend on.
pub(super) fn may_concern(change: &dyn Change) -> bool {
    change
        .fresh()
        .iter()
        .any(|entry| entry.is_regular() && FileKind::of(&entry.path, FileKind::may_build).is_some())
}

/// The builds of a state, with those of the configuration. `searches` says whether all files are
/// searched for the variables that a step may read.
pub(super) fn read(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    configured: &[ConfiguredBuild],
    searches: bool,
    findings: &mut Findings,
) -> Result<Builds, Error> {
    let project = files.project(FileKind::may_build, |_| {}, findings)?;
    let project = with_named(project, configured, files, findings)?;
    let tree = change.entries(&|_| true)?.into_iter().map(|entry| entry.path).collect();
    let mut builds = Builds::new(project, tree, configured);
    if searches {
        match named_variables(open_variables(&builds), change) {
            Ok(named) => builds.named_variables = Some(named),
            Err((path, reason)) => builds.leave_out(path, reason),
        }
    }
    Ok(builds)
}

/// The maximum size in bytes of a file that is searched for variables, and of all together.
const MAX_SEARCHED: u64 = 1024 * 1024;
const MAX_SEARCHED_TOGETHER: usize = 256 * 1024 * 1024;

/// The number of bytes at the start of a file that say whether it is a text, as in git.
const TELLING: usize = 8000;

/// Those variables that a file of a state names: code, or settings. Files that describe builds,
/// and documents, do not read variables. The error is what cannot be searched, and why.
fn named_variables(
    mut variables: BTreeSet<String>,
    change: &dyn Change,
) -> Result<BTreeSet<String>, (RepoPath, &'static str)> {
    let mut named = BTreeSet::new();
    if variables.is_empty() {
        return Ok(named);
    }
    let is_searched = |path: &RepoPath| {
        FileKind::of(path, FileKind::names_no_variable).is_none() && !FileKind::is_binary(path)
    };
    let top = || RepoPath::new(Vec::new());
    let unread = "it cannot be read, and it may use arguments of a build";
    let entries = change.entries(&is_searched).map_err(|_| (top(), unread))?;
    let mut room = MAX_SEARCHED_TOGETHER;
    for entry in entries.iter().filter(|entry| entry.mode != Mode::Symlink) {
        let path = || entry.path.clone();
        if entry.mode == Mode::Submodule {
            return Err((path(), "its files may use arguments of a build"));
        }
        let content = change.read(entry, MAX_SEARCHED).map_err(|_| (path(), unread))?;
        let Content::Bytes(text) = content else { continue };
        let Some(left) = room.checked_sub(text.len()) else {
            return Err((path(), "too many files before it may use arguments of a build"));
        };
        room = left;
        if memchr::memchr(0, text.get(..TELLING).unwrap_or(&text)).is_some() {
            continue;
        }
        let found: Vec<String> =
            variables.iter().filter(|name| names(&text, name)).cloned().collect();
        for name in found {
            variables.remove(&name);
            named.insert(name);
        }
        if variables.is_empty() {
            break;
        }
    }
    Ok(named)
}

/// Those findings that have a place in a new file.
pub(super) fn with_new_end(found: Vec<Finding>, change: &dyn Change) -> Vec<Finding> {
    let fresh: HashSet<_> = change.fresh().iter().map(|entry| &entry.path).collect();
    let is_new = |finding: &Finding| {
        let labels = finding.labels.iter().map(|label| &label.path);
        labels.chain([&finding.path]).any(|path| fresh.contains(path))
    };
    found.into_iter().filter(is_new).collect()
}

/// The maximum number of times that files name further files.
const ROUNDS: usize = 4;

/// A project with the files that its builds name, such as a Dockerfile of another name.
fn with_named(
    mut project: Project,
    configured: &[ConfiguredBuild],
    files: &mut Gathering<'_>,
    findings: &mut Findings,
) -> Result<Project, Error> {
    let mut asked = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut named = Builds::missing(&project, configured);
        named.retain(|path| asked.insert(path.clone()));
        if named.is_empty() {
            break;
        }
        let found = files.named(&named, findings)?;
        project = project.files().iter().cloned().chain(found).collect();
    }
    Ok(project)
}

#[cfg(test)]
mod tests {
    use crate::base::finding::Severity;
    use crate::engine::Engine;
    use crate::engine::tests::{Fake, configured, messages};
    use crate::rule::tests::probe;
    use crate::rule::{Check, Rule};

    const ABOUT_BUILDS: Rule = Rule {
        check: Check::Builds(|builds, _, findings| {
            for build in &builds.list {
                let file = builds.file(build.dockerfile);
                let draft = findings.place(file, &(0..1), "an error");
                let ignore = build.context.as_ref().and_then(|context| context.ignore.as_ref());
                match ignore {
                    Some(ignore) => _ = draft.label(builds.file(ignore.file), &(0..1), "by this"),
                    None => draft.severity(Severity::Warning),
                }
            }
        }),
        ..probe("about-builds")
    };

    #[test]
    fn a_check_reports_errors_of_builds_in_which_a_new_file_takes_part() {
        let compose = "services: {a: {build: a}, b: {build: b}}";
        let old = |fake: Fake| {
            fake.old("compose.yaml", compose)
                .old("a/Dockerfile", "FROM x")
                .old("b/Dockerfile", "FROM x")
        };
        let judged = |change: &Fake, config: &str| {
            let config = configured(config);
            let engine = Engine::of(&[&ABOUT_BUILDS], &config).only_new_in_builds(true);
            messages(&engine.judge(change).unwrap().findings)
        };
        let ignored = old(Fake::default().file("a/.dockerignore", "x"));
        assert_eq!(judged(&ignored, "{}"), ["a/Dockerfile:1:1: an error"]);
        let warned = old(Fake::default().file("package.json", "{}"));
        assert_eq!(judged(&warned, "{}"), [""; 0]);
        let edited = old(Fake::default().old("a/.dockerignore", "x").file("README.md", ""));
        assert_eq!(judged(&edited, "{}"), [""; 0]);
        assert!(edited.read.borrow().is_empty());
    }

    #[test]
    fn a_dockerfile_of_any_name_is_read_if_a_build_names_it() {
        let change = Fake::default()
            .file("compose.yaml", "services: {a: {build: {dockerfile: images/web}}}")
            .file("images/web", "FROM x")
            .file("images/other", "FROM x")
            .file("infra/api", "FROM x");
        let config = configured(r#"{"doctor": {"builds": [{"dockerfile": "infra/api"}]}}"#);
        let judged = Engine::of(&[&ABOUT_BUILDS], &config).judge(&change).unwrap();
        assert_eq!(
            messages(&judged.findings),
            ["images/web:1:1: an error", "infra/api:1:1: an error"]
        );
        assert_eq!(*change.read.borrow(), ["compose.yaml", "images/web", "infra/api"]);
    }
}
