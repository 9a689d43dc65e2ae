//! Reads the files that builds need, and chooses the findings that a change made.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use crate::base::change::{Change, Entry, File, Mode};
use crate::base::debris::{DOCKER_DEPS, Debris};
use crate::base::edit::Edit;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::builds::Overlays;
use crate::builds::{Builds, ConfiguredBuild, DescribedBuilds};
use crate::engine::gathering::Gathering;
use crate::engine::searching::named_variables;
use crate::prepare::settings::PrepSettings;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Finding, Findings};

/// Whether a new file is of a kind that a build may depend on.
pub(super) fn may_concern(change: &dyn Change) -> bool {
    change
        .fresh()
        .iter()
        .any(|entry| entry.is_regular() && FileKind::of(&entry.path, FileKind::may_build).is_some())
}

/// The variables that a rule asks for.
pub(super) type AskedVariables = fn(&Builds) -> BTreeSet<String>;

/// The question about the builds of a state.
pub(super) struct BuildQuestion<'a> {
    /// Builds that the configuration describes.
    pub configured: &'a [ConfiguredBuild],
    /// What a preparation writes.
    pub overlays: &'a dyn Fn(&Builds) -> Option<Overlays>,
    /// All files are searched for these variables, if there are any.
    pub variables: &'a [AskedVariables],
    /// Whether every file on which a build may depend is read, even without a build.
    pub every_file: bool,
}

/// The builds of a state, with those of the configuration.
pub(super) fn read(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    asked: &BuildQuestion<'_>,
    findings: &mut Findings,
) -> Result<Builds, Error> {
    // A walk over the whole state is expensive.
    let all = change.all()?;
    let mut entries: Vec<&Entry> = all.iter().collect();
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let described = describe(files, &entries, asked, findings)?;
    let tree = entries.iter().map(|entry| &entry.path).collect();
    let mut builds = Builds::new(described, tree, asked.configured);
    if let Some(overlays) = (asked.overlays)(&builds) {
        builds.prepare(overlays);
    }
    // Lockfiles are large.
    let lockfiles: Vec<RepoPath> =
        builds.lockfiles().into_iter().map(|file| builds.file(file).path.clone()).collect();
    let lockfiles = lockfiles.iter().filter_map(|path| find(&entries, path.as_bytes()));
    for lockfile in files.of_entries(lockfiles, findings)? {
        builds.fill(lockfile);
    }
    if !asked.variables.is_empty() {
        let variables = asked.variables.iter().flat_map(|variables| variables(&builds)).collect();
        match named_variables(variables, change, &entries) {
            Ok(named) => builds.named_variables = Some(named),
            Err((path, reason)) => builds.leave_out(path, reason),
        }
    }
    Ok(builds)
}

/// What the files say about builds. The project has all files of which a build may depend; if there
/// is a build, they are read, but for the lockfiles.
fn describe(
    files: &mut Gathering<'_>,
    entries: &[&Entry],
    BuildQuestion { configured, every_file, .. }: &BuildQuestion<'_>,
    findings: &mut Findings,
) -> Result<DescribedBuilds, Error> {
    let is = |kinds: fn(FileKind) -> bool| {
        move |entry: &&Entry| FileKind::of(&entry.path, kinds).is_some()
    };
    let regular = entries.iter().copied().filter(|entry| entry.is_regular());
    let (describing, others): (Vec<&Entry>, Vec<&Entry>) =
        regular.filter(is(FileKind::may_build)).partition(is(FileKind::describes_builds));
    let unread = others.iter().map(|entry| unread(entry));
    let mut found: BTreeMap<RepoPath, Rc<SourceFile>> =
        unread.map(|source| (source.file.path.clone(), source)).collect();
    let mut add = |read: Vec<Rc<SourceFile>>| {
        found.extend(read.into_iter().map(|source| (source.file.path.clone(), source)));
        DescribedBuilds::new(found.values().cloned().collect())
    };
    let mut described = add(files.of_entries(describing.into_iter(), findings)?);
    let mut tried = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut named = described.missing(configured);
        named.retain(|path| tried.insert(path.clone()));
        let named = named.iter().filter_map(|path| find(entries, path.as_bytes()));
        let named = files.of_entries(named, findings)?;
        if named.is_empty() {
            break;
        }
        described = add(named);
    }
    if *every_file || described.has_builds(configured) {
        let is_lockfile = is(FileKind::is_lockfile);
        let others = others.into_iter().filter(|entry| *every_file || !is_lockfile(entry));
        for source in files.of_entries(others, findings)? {
            described.fill(source);
        }
    }
    Ok(described)
}

/// The entry at a path.
fn find<'e>(entries: &[&'e Entry], path: &[u8]) -> Option<&'e Entry> {
    let number = entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path)).ok()?;
    entries.get(number).copied()
}

/// A file whose text is read only if something asks for it.
fn unread(entry: &Entry) -> Rc<SourceFile> {
    let (path, replaces) = (entry.path.clone(), entry.replaces.is_some());
    Rc::new(SourceFile::unread(File { path, text: Vec::new(), fresh: entry.fresh, replaces }))
}

/// The maximum number of times that files name further files, such as a Dockerfile of another name.
const ROUNDS: usize = 4;

/// The findings to report: of a change, if one is given, those that have a place in a new file.
/// Dockerfiles inside of other files have no fixes: their text would have to be indented and
/// escaped as that file requires.
pub(super) fn reported(
    mut found: Vec<Finding>,
    builds: &Builds,
    change: Option<&dyn Change>,
) -> Vec<Finding> {
    for finding in &mut found {
        let is_inline = |(edit, _): &(Edit, _)| builds.is_inline(&edit.path, &edit.span);
        if finding.fix.as_ref().is_some_and(|fix| fix.edits.iter().any(is_inline)) {
            finding.fix = None;
        }
    }
    if let Some(change) = change {
        let fresh: HashSet<_> = change.fresh().iter().map(|entry| &entry.path).collect();
        found.retain(|finding| {
            let labels = finding.labels.iter().map(|label| &label.path);
            labels.chain([&finding.path]).any(|path| fresh.contains(path))
        });
    }
    found
}

/// What a preparation writes by these settings: for the configured manifests, or for those that
/// name a package of a configured scope. `None` if only the sibling knows its scopes.
pub(super) fn configured_overlays(
    settings: &PrepSettings,
    debris: &Debris,
    builds: &Builds,
) -> Option<Overlays> {
    let names_scope = |text: &[u8], scopes: &[String]| {
        let mut names = scopes.iter().map(|scope| format!("\"{scope}/"));
        names.any(|name| memchr::memmem::find(text, name.as_bytes()).is_some())
    };
    let directories: BTreeSet<String> = match (&settings.manifests, &settings.scope) {
        (Some(manifests), _) => manifests.iter().cloned().collect(),
        (None, Some(scopes)) => {
            let files = builds.project.files().iter().map(|source| &source.file);
            let asks = files.filter(|file| {
                FileKind::Manifest.matches(&file.path)
                    && debris.content_of(&file.path, Mode::File).is_none()
                    && names_scope(&file.text, scopes)
            });
            let directory = |file: &File| String::from_utf8(file.path.parent().to_vec()).ok();
            asks.filter_map(directory).collect()
        }
        (None, None) => return None,
    };
    let into = settings.into.clone().unwrap_or_else(|| DOCKER_DEPS.to_owned());
    Some(Overlays { into, directories, in_place: settings.in_place })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::base::change::{Content, Mode};
    use crate::base::finding::Severity;
    use crate::config::Config;
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
    fn a_file_is_read_only_if_a_build_may_depend_on_it() {
        let installs = "FROM node\nWORKDIR /app\nCOPY package.json yarn.lock ./\n\
                        RUN yarn install --frozen-lockfile";
        for (dockerfile, expected) in [
            (None, &[".dockerignore"][..]),
            (Some("FROM node"), &[".dockerignore", "Dockerfile", "package.json"]),
            (Some(installs), &[".dockerignore", "Dockerfile", "package.json", "yarn.lock"]),
        ] {
            let change = ["package.json", "yarn.lock", ".dockerignore", "tools/yarn.lock"]
                .into_iter()
                .fold(Fake::default(), |fake, path| fake.file(path, "{}"));
            let change =
                dockerfile.into_iter().fold(change, |fake, text| fake.file("Dockerfile", text));
            Engine::of(&[&ABOUT_BUILDS], &Config::default()).judge(&change).unwrap();
            assert_eq!(*change.read.borrow(), expected, "{dockerfile:?}");
        }
    }

    #[test]
    fn files_are_searched_only_for_a_rule_that_is_on() {
        const ASKING: Rule = Rule {
            asks_for_variables: Some(|_| BTreeSet::from(["NAMED".to_owned()])),
            ..ABOUT_BUILDS
        };
        let change = || {
            ["src/main.js", "src/lang/de.json", "README.md", "logo.png"]
                .into_iter()
                .fold(Fake::default().file("Dockerfile", "FROM node"), |fake, path| {
                    fake.file(path, "NAMED")
                })
        };
        let off = Config::with_severity(&ASKING, None);
        for (config, explains, expected) in [
            (&Config::default(), false, &["Dockerfile", "src/main.js"][..]),
            (&off, false, &["Dockerfile"]),
            (&off, true, &["Dockerfile", "src/main.js"]),
        ] {
            let change = change();
            let engine = Engine::of(&[&ASKING], config).explain_hidden(explains);
            engine.judge(&change).unwrap();
            assert_eq!(*change.read.borrow(), expected);
        }
    }

    #[test]
    fn links_are_named_and_not_judged() {
        let link = |fake: Fake, path: &str| {
            fake.with(path, Mode::Symlink, Content::Bytes(b"x".to_vec()), true)
        };
        let compose = "services: {a: {build: {dockerfile: images/web}}}";
        let change = Fake::default().file("compose.yaml", compose).file("x/Dockerfile", "FROM x");
        let change =
            ["Dockerfile", "images/web", ".dockerignore", "x/Dockerfile.dockerignore", "y/README"]
                .into_iter()
                .fold(change.file("Containerfile", "FROM x"), link);
        let config = configured(r#"{"doctor": {"builds": [{"dockerfile": "x/Dockerfile"}]}}"#);
        let builds = Engine::of(&[&ABOUT_BUILDS], &config).judge(&change).unwrap().builds.unwrap();
        let doubts = builds.doubts.iter().map(|doubt| format!("{}: {}", doubt.path, doubt.reason));
        assert_eq!(
            doubts.collect::<Vec<_>>(),
            [
                ".dockerignore: it is a link, which is not read",
                "Dockerfile: it is a link, which is not read",
                "compose.yaml: images/web is a link, which is not read",
                "x/Dockerfile.dockerignore: it is a link, which is not read",
            ]
        );
        assert!(builds.list.iter().all(|build| build.context.is_none()));
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
