//! Targets: ignore files, and the builds of a project.

use crate::base::change::File;
use crate::base::finding::Place;
use crate::base::path::RepoPath;
use crate::builds::{Action, Bases, Builds, DescribedBuilds};
use crate::formats::dockerignore::IgnoreFile;
use crate::fuzz::asserts::{safe, split_input, within};
use crate::measure::builds::RecordedBuild;
use crate::measure::progress::{BuildProgress, Listed, LocalState};
use crate::report;

/// An ignore file; the first line is a path.
pub(super) fn dockerignore(data: &[u8]) {
    let (path, text) = split_input(data);
    let path = String::from_utf8_lossy(path);
    match IgnoreFile::parse(text) {
        Ok(file) => {
            for pattern in &file.patterns {
                within(&pattern.span, text.len());
                // What matches a directory matches all files below it.
                let below = format!("{path}/x");
                assert!(!pattern.matches(&path) || pattern.matches(&below), "{below}");
            }
            let decisive = file.decisive(&path);
            assert_eq!(file.excludes(&path), decisive.is_some_and(|last| !last.is_exception));
        }
        Err(invalid) => within(&invalid.span, text.len()),
    }
}

/// Answers of docker about a build: a line of the list of the history, and its progress.
pub(super) fn progress(data: &[u8]) {
    let (line, stream) = split_input(data);
    LocalState::parse(line);
    let listed = Listed::parse(line).and_then(|mut list| list.pop()).unwrap_or_default();
    if let Some((start, end)) = listed.interval() {
        assert!(start.is_finite() && end.is_finite());
    }
    let Some(progress) = BuildProgress::parse(stream) else { return };
    let build = progress.build(&listed, "web", "web/Dockerfile");
    assert!(build.run_cached <= build.run && build.run <= build.steps, "{build:?}");
    assert_eq!(RecordedBuild::parse(&build.json()), Some(build));
}

/// The paths of the files of [`builds`], in their order.
const PATHS: [&str; 11] = [
    "Dockerfile",
    ".dockerignore",
    "compose.yaml",
    "compose.override.yaml",
    "x/other.yaml",
    ".github/workflows/a.yml",
    ".gitlab-ci.yml",
    "docker-bake.hcl",
    "docker-bake.json",
    "Containerfile",
    ".containerignore",
];

/// A project: the texts of its files, with a record separator between them.
pub(super) fn builds(data: &[u8]) {
    let file = |(path, text): (&&str, &[u8])| File {
        path: RepoPath::from(*path),
        text: text.to_vec(),
        fresh: true,
        replaces: false,
    };
    let files = PATHS.iter().zip(data.split(|&byte| byte == 0x1e)).map(file);
    let tree = PATHS.iter().map(|path| RepoPath::from(*path)).collect();
    let builds = Builds::new(DescribedBuilds::new(files.collect()), tree, &[]);
    for build in &builds.list {
        let dockerfile = builds.file(build.dockerfile).text.len();
        for (_, step) in build.steps() {
            within(&step.span, dockerfile);
            if let Action::Run(run) = &step.action {
                run.commands.iter().for_each(|command| within(&command.span(), dockerfile));
            }
        }
        for (_, copy) in build.copies() {
            for source in &copy.sources {
                within(&source.span, dockerfile);
                if let Some((context, path)) = build.context.as_ref().zip(source.known()) {
                    context.source(&builds.tree, path);
                }
            }
        }
        let Some(origin) = &build.origin else { continue };
        let text = &builds.file(origin.file).text;
        let given = &build.given;
        let values = given.arguments.iter().filter_map(|(_, value)| Some(&value.as_ref()?.span));
        let named = given.secrets.iter().chain(&given.hosts).map(|(_, span)| span);
        for span in values.chain(named).chain([&origin.span]) {
            within(span, text.len());
            safe(&Place::locate(text, span).excerpt);
        }
    }
    let bases = Bases::new(&builds);
    let uses: Vec<_> = bases.uses.iter().collect();
    for base in &uses {
        assert!(bases.of(&base.image).is_none_or(|same| same.contains(base)), "{base:?}");
    }
    for line in report::doctor::lines(&builds) {
        safe(&line);
    }
    report::bases::human(&builds, &uses).lines().for_each(safe);
    for line in report::bases::unknown(&builds, &bases) {
        safe(&line);
    }
}
