//! The files that a build may copy: those of its context that the ignore file does not exclude.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::finding::{Span, line_around};
use crate::base::path::RepoPath;
use crate::edit::apply;
use crate::formats::dockerignore::{IgnoreFile, IgnorePattern};
use crate::project::directories::relative_to;

/// The paths of a state of the repository: tracked files, and untracked ones that git does not
/// ignore.
#[derive(Debug, Default)]
pub(crate) struct RepoTree {
    /// All paths, each with a zero byte at its end. A path that is not UTF-8 is left out: no
    /// pattern of a build names it.
    text: String,
    /// Where each path is in the text. They are sorted by path.
    places: Vec<Span>,
    /// The work that was done so far to find the sources of copies.
    work: Cell<usize>,
}

/// The maximum work for all sources, or for all files of a context; see [`IgnoreFile::cost`].
pub(super) const MAX_WORK: usize = 1_000_000_000;

impl<'p> FromIterator<&'p RepoPath> for RepoTree {
    fn from_iter<I: IntoIterator<Item = &'p RepoPath>>(paths: I) -> Self {
        let text = |path: &'p RepoPath| std::str::from_utf8(path.as_bytes()).ok();
        let mut paths: Vec<&str> = paths.into_iter().filter_map(text).collect();
        paths.sort_unstable();
        let mut tree = Self { places: Vec::with_capacity(paths.len()), ..Self::default() };
        for path in paths {
            let start = tree.text.len();
            tree.text.push_str(path);
            tree.places.push(start..tree.text.len());
            tree.text.push('\0');
        }
        tree
    }
}

impl FromIterator<RepoPath> for RepoTree {
    fn from_iter<I: IntoIterator<Item = RepoPath>>(paths: I) -> Self {
        paths.into_iter().collect::<Vec<_>>().iter().collect()
    }
}

impl RepoTree {
    /// The paths below a directory, relative to it; all if it is empty.
    pub(crate) fn below<'t>(&'t self, directory: &str) -> impl Iterator<Item = &'t str> + use<'t> {
        let length = if directory.is_empty() { 0 } else { directory.len() + 1 };
        self.whole_below(directory).iter().filter_map(move |at| self.path(at).get(length..))
    }

    /// The number of paths below a directory.
    pub(crate) fn count(&self, directory: &str) -> usize {
        self.whole_below(directory).len()
    }

    /// Whether a path below a directory has such a part.
    pub(crate) fn mentions(&self, directory: &str, part: &str) -> bool {
        let places = self.whole_below(directory);
        let whole = places.first().zip(places.last());
        let text = whole.and_then(|(first, last)| self.text.get(first.start..last.end));
        text.is_some_and(|text| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some())
    }

    fn path(&self, place: &Span) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    /// The places of the paths below a directory.
    fn whole_below(&self, directory: &str) -> &[Span] {
        if directory.is_empty() {
            return &self.places;
        }
        let start = format!("{directory}/");
        let first = self.places.partition_point(|at| self.path(at) < start.as_str());
        let places = self.places.get(first..).unwrap_or_default();
        let length = places.partition_point(|at| self.path(at).starts_with(&start));
        places.get(..length).unwrap_or_default()
    }

    /// Whether this much more work may be done; see [`IgnoreFile::cost`].
    fn allows(&self, cost: usize) -> bool {
        let done = self.work.get().saturating_add(cost);
        self.work.set(done);
        done <= MAX_WORK
    }

    /// Whether there is a file at this path.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        self.file(path).is_some()
    }

    fn file(&self, path: &str) -> Option<&Span> {
        let number = self.places.binary_search_by(|at| self.path(at).cmp(path)).ok()?;
        self.places.get(number)
    }

    /// Whether there is a file below this directory.
    pub(crate) fn has_directory(&self, directory: &str) -> bool {
        self.below(directory).next().is_some()
    }
}

/// The context of a build: a directory of the repository.
#[derive(Debug, Clone)]
pub(crate) struct BuildContext {
    /// From the top of the repository; empty for the top.
    pub directory: String,
    /// The file that decides which files it has.
    pub ignore: Option<Governing>,
}

/// The ignore file in force.
#[derive(Debug, Clone)]
pub(crate) struct Governing {
    /// Its number in the project.
    pub file: usize,
    pub patterns: Rc<IgnoreFile>,
}

/// The files that a source of a `COPY` names.
#[derive(Debug)]
pub(crate) enum CopySource<'c> {
    /// At least one file is in the context.
    Present,
    /// The repository has such files, or may have them before a build, but every one is excluded;
    /// the pattern excludes the first.
    Excluded(&'c IgnorePattern),
    /// A directory without a file: the pattern excludes the first, but not the directory.
    Emptied(&'c IgnorePattern),
    /// The repository has no such file.
    Absent,
}

impl BuildContext {
    /// Whether a path of the context is left out.
    pub(crate) fn excluding(&self, path: &str) -> Option<&IgnorePattern> {
        let decisive = self.ignore.as_ref()?.patterns.decisive(path)?;
        (!decisive.is_exception).then_some(decisive)
    }

    /// The path of a file of the context, from the top of the repository.
    pub(crate) fn path(&self, inside: &str) -> String {
        match (self.directory.as_str(), inside) {
            ("", inside) => inside.to_owned(),
            (directory, "") => directory.to_owned(),
            (directory, inside) => format!("{directory}/{inside}"),
        }
    }

    /// A path of the repository, relative to the context; `None` if it is outside of it.
    pub(crate) fn inside(&self, path: &str) -> Option<String> {
        let below = relative_to(self.directory.as_bytes(), path.as_bytes())?;
        std::str::from_utf8(below).ok().map(str::to_owned)
    }

    /// The files that a source names: a path, a directory, or a pattern. They count as present if
    /// finding out takes too long.
    pub(crate) fn source(&self, tree: &RepoTree, source: &str) -> CopySource<'_> {
        let source = cleaned(source);
        let cost = 1 + self.ignore.as_ref().map_or(0, |ignore| ignore.patterns.cost());
        let mut excluding = None;
        for path in self.named(tree, &source) {
            match self.excluding(path) {
                Some(pattern) if tree.allows(cost) => excluding = excluding.or(Some(pattern)),
                _ => return CopySource::Present,
            }
        }
        let is_file = tree.has_file(&self.path(&source));
        if !is_file && self.may_include(&source) {
            // Files that git does not have may be there before a build.
            return if excluding.is_some() { CopySource::Present } else { CopySource::Absent };
        }
        let own = self.excluding(&source).filter(|_| !source.is_empty());
        match excluding {
            _ if is_pattern(&source) => excluding.map_or(CopySource::Absent, CopySource::Excluded),
            Some(first) if !is_file && own.is_none() => CopySource::Emptied(first),
            first => own.or(first).map_or(CopySource::Absent, CopySource::Excluded),
        }
    }

    /// Whether an exception may include something that a source names, apart from known files.
    fn may_include(&self, source: &str) -> bool {
        let glob = is_pattern(source).then(|| IgnoreFile::glob(source)).flatten();
        let patterns = self.ignore.iter().flat_map(|ignore| &ignore.patterns.patterns);
        let mut exceptions = patterns.filter(|pattern| pattern.is_exception);
        exceptions.any(|pattern| match glob.as_ref().zip(pattern.path()) {
            Some((glob, path)) => glob.matches(&path),
            None => pattern.may_match_below(fixed_part(source)),
        })
    }

    /// Whether the context has a directory of the repository: it is not excluded, or a file below
    /// it is not.
    pub(crate) fn has_directory(&self, tree: &RepoTree, path: &str) -> bool {
        let directory = self.path(path);
        let is_included = |below: &str| self.excluding(&format!("{path}/{below}")).is_none();
        path.is_empty() || self.excluding(path).is_none() || tree.below(&directory).any(is_included)
    }

    /// The files of the repository that a source names, relative to the context, excluded or not.
    pub(crate) fn named<'c>(
        &self,
        tree: &'c RepoTree,
        source: &str,
    ) -> impl Iterator<Item = &'c str> + use<'c> {
        let source = cleaned(source);
        let glob = is_pattern(&source).then(|| IgnoreFile::glob(&source));
        // The directory before the first wildcard.
        let wildcard = source.find(['*', '?', '[', '\\']).filter(|_| glob.is_some());
        let fixed = wildcard.map_or(source.as_str(), |at| {
            let start = source.get(..at).unwrap_or_default();
            start.rsplit_once('/').map_or("", |(directory, _)| directory)
        });
        let start = match (self.directory.is_empty(), fixed.is_empty()) {
            (true, _) => fixed.to_owned(),
            (false, true) => self.directory.clone(),
            (false, false) => self.path(fixed),
        };
        let length = if self.directory.is_empty() { 0 } else { self.directory.len() + 1 };
        let paths = tree.file(&start).into_iter().chain(tree.whole_below(&start));
        let inside = paths.filter_map(move |at| tree.path(at).get(length..));
        inside.filter(move |path| match &glob {
            Some(glob) => glob.as_ref().is_some_and(|glob| glob.matches(path)),
            None => true,
        })
    }
}

/// The edit that includes a path or a pattern again that a pattern of the file excludes:
/// without that line if it is about nothing else, or else with an exception after it. `None`
/// if no pattern says it exactly.
pub(crate) fn inclusion(file: &File, excluding: &IgnorePattern, path: &str) -> Option<Inclusion> {
    let line = line_around(&file.text, excluding.span.start);
    if excluding.is_about(path) {
        let edit = without_line(file, &line)?;
        let rest = apply(&file.text, vec![&edit])?;
        if IgnoreFile::parse(&rest).is_ok_and(|rest| !rest.excludes(path)) {
            return Some(Inclusion { edit, removes: true });
        }
    }
    if path.trim() != path || path.is_empty() || path.contains(['\\', '\n']) {
        return None;
    }
    let text = format!("\n!{path}");
    let edit = Edit { path: file.path.clone(), span: line.end..line.end, text };
    Some(Inclusion { edit, removes: false })
}

/// The edit that removes a line. A byte order mark before it stays, and the file ends as before:
/// without a line feed if it had none.
fn without_line(file: &File, line: &Span) -> Option<Edit> {
    let (text, path) = (&file.text, file.path.clone());
    let end = text.len().min(line.end + 1);
    let before = text.get(..line.start)?.strip_suffix(b"\n").filter(|_| line.end == text.len());
    let start = match before {
        Some(before) => before.strip_suffix(b"\r").unwrap_or(before).len(),
        None if line.start == 0 && text.starts_with(b"\xef\xbb\xbf") => 3,
        None => line.start,
    };
    Some(Edit { path, span: start..end, text: String::new() })
}

/// How an ignore file includes a path again.
#[derive(Debug)]
pub(crate) struct Inclusion {
    pub edit: Edit,
    /// Whether a line is removed; else one is added.
    pub removes: bool,
}

/// The directories of a source before its first component with a wildcard; all of it without one.
fn fixed_part(source: &str) -> &str {
    let Some(wildcard) = source.find(['*', '?', '[']) else { return source };
    source.get(..wildcard).and_then(|before| before.rsplit_once('/')).map_or("", |(fixed, _)| fixed)
}

/// The directory that must be in the context for a pattern; `None` for other sources.
pub(crate) fn directory_of_pattern(source: &str) -> Option<&str> {
    is_pattern(source).then(|| fixed_part(source))
}

/// Whether a source of a `COPY` is a pattern. One that matches nothing copies nothing; a path that
/// is missing ends the build.
pub(crate) fn is_pattern(source: &str) -> bool {
    source.contains(['*', '?', '['])
}

/// A source as BuildKit reads it: from the root of the context, which nothing leaves.
pub(crate) fn cleaned(source: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> RepoTree {
        paths.iter().map(|path| RepoPath::from(*path)).collect()
    }

    #[test]
    fn a_tree_knows_files_and_directories() {
        let tree = tree(&["a.b", "a/b/c", "a/b-d", "b"]);
        assert_eq!(tree.below("a").collect::<Vec<_>>(), ["b-d", "b/c"]);
        assert_eq!(tree.below("").count(), 4);
        assert_eq!(tree.below("a.b").count(), 0);
        assert!(tree.has_file("a/b/c") && !tree.has_file("a/b"));
        assert!(tree.has_directory("a/b") && !tree.has_directory("b"));
        let odd: RepoTree = [RepoPath::new(*b"a\xff"), RepoPath::from("é")].into_iter().collect();
        assert_eq!(odd.below("").collect::<Vec<_>>(), ["é"]);
    }

    #[test]
    fn a_source_is_present_excluded_or_absent() {
        let tree = tree(&["web/package.json", "web/src/a.ts", "web/pnpm-lock.yaml", "x/web/y"]);
        let patterns = IgnoreFile::parse(b"**/pnpm-lock.yaml\nsrc\nx\n!x/web/z\n").unwrap();
        let ignore = Some(Governing { file: 0, patterns: Rc::new(patterns) });
        let context = BuildContext { directory: "web".into(), ignore: ignore.clone() };
        let at = |context: &BuildContext, source: &str| match context.source(&tree, source) {
            CopySource::Present => "present".to_owned(),
            CopySource::Absent => "absent".to_owned(),
            CopySource::Excluded(pattern) => format!("excluded {:?}", pattern.span),
            CopySource::Emptied(pattern) => format!("emptied {:?}", pattern.span),
        };
        for (source, expected) in [
            (".", "present"),
            ("./package.json", "present"),
            ("/../package.json", "present"),
            ("package*.json", "present"),
            ("src/", "excluded 18..21"),
            ("src/*.ts", "excluded 18..21"),
            ("*.yaml", "excluded 0..17"),
            ("pnpm-lock.yaml", "excluded 0..17"),
            ("dist", "absent"),
            ("*.md", "absent"),
            ("pack", "absent"),
            ("s*/*.ts", "excluded 18..21"),
            ("sr[c]/a.ts", "excluded 18..21"),
            ("src/a.ts/", "excluded 18..21"),
        ] {
            assert_eq!(at(&context, source), expected, "{source}");
        }
        let top = BuildContext { directory: String::new(), ignore };
        // `x/web/z` may be there before a build.
        assert_eq!(at(&top, "x/web"), "present");
        assert_eq!(at(&top, "x/web/y"), "excluded 22..23");
        assert_eq!(at(&top, "web/src"), "present");
        assert_eq!(at(&top, "we[b]/src"), "present");
        assert_eq!(at(&top, "x/w*"), "present");
        tree.work.set(MAX_WORK);
        assert_eq!(at(&top, "x/web"), "present");
        assert_eq!(top.path("a"), "a");
        assert_eq!((context.path("a"), context.path("")), ("web/a".into(), "web".into()));
    }
    fn context(ignore: &str) -> BuildContext {
        let patterns = Rc::new(IgnoreFile::parse(ignore.as_bytes()).unwrap());
        BuildContext { directory: String::new(), ignore: Some(Governing { file: 0, patterns }) }
    }

    #[test]
    fn a_directory_is_emptied_or_gone_or_may_have_files_that_git_lacks() {
        let tree = tree(&["docs/a", "dist/b"]);
        for (ignore, source, expected) in [
            ("docs/**", "docs", "emptied"),
            ("docs/*", "docs/", "emptied"),
            ("docs", "docs", "excluded"),
            ("docs", "docs/*.md", "absent"),
            ("docs", "docs/*", "excluded"),
            ("**", ".", "emptied"),
            ("docs\n!docs/x", "docs", "present"),
            ("docs\n!**/x", "docs", "present"),
            ("docs\n!doc*", "docs", "present"),
            ("docs\n!dist/x", "docs", "excluded"),
            ("docs\n!docs/x", "docs/a", "excluded"),
            ("*\n!src", "out", "excluded"),
            ("out\n!out/x", "out", "absent"),
            ("*.tgz", "*.tgz*", "absent"),
        ] {
            let context = context(ignore);
            let found = match context.source(&tree, source) {
                CopySource::Present => "present",
                CopySource::Excluded(_) => "excluded",
                CopySource::Emptied(_) => "emptied",
                CopySource::Absent => "absent",
            };
            assert_eq!(found, expected, "{source} with {ignore:?}");
        }
    }

    #[test]
    fn buildkit_creates_the_same_directories() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/facts/dockerignore.json")).unwrap();
        let mut decisions = 0;
        for case in facts["cases"].as_array().unwrap() {
            let Some(directories) = case["directories"].as_object() else { continue };
            let file = case["file"].as_str().unwrap();
            let paths = ["excluded", "included"].map(|key| case[key].as_array().unwrap());
            let paths = paths.into_iter().flatten().map(|path| path.as_str().unwrap());
            let (tree, context) = (tree(&paths.collect::<Vec<_>>()), context(file));
            for (directory, is_absent) in directories {
                decisions += 1;
                let found = context.has_directory(&tree, directory);
                assert_eq!(found, !is_absent.as_bool().unwrap(), "{directory} by {file:?}");
            }
        }
        assert_eq!(decisions, 315);
    }

    #[test]
    fn an_ignore_file_includes_a_path_again() {
        for (text, path, expected) in [
            ("a\npnpm-lock.yaml\nb\n", "pnpm-lock.yaml", "a\nb\n"),
            ("a\n**/pnpm-lock.yaml", "web/pnpm-lock.yaml", "a"),
            ("a\r\npnpm-lock.yaml", "pnpm-lock.yaml", "a"),
            ("\u{feff}pnpm-lock.yaml\na\n", "pnpm-lock.yaml", "\u{feff}a\n"),
            ("/docs/\n", "docs", ""),
            ("*.yaml\nb\n", "pnpm-lock.yaml", "*.yaml\n!pnpm-lock.yaml\nb\n"),
            ("*\n!src", "docs/*.md", "*\n!docs/*.md\n!src"),
            ("x.yaml\n*.yaml\nx.yaml", "x.yaml", "x.yaml\n*.yaml\nx.yaml\n!x.yaml"),
            ("docs\n", "docs/a", "docs\n!docs/a\n"),
        ] {
            let context = context(text);
            let ignore = context.ignore.unwrap();
            let file = File {
                path: ".dockerignore".into(),
                text: text.into(),
                fresh: true,
                replaces: false,
            };
            let pattern = ignore.patterns.patterns.iter().rev().find(|one| one.matches(path));
            let pattern = pattern.unwrap_or(&ignore.patterns.patterns[0]);
            let inclusion = inclusion(&file, pattern, path).unwrap();
            let applied = crate::edit::apply(text.as_bytes(), vec![&inclusion.edit]).unwrap();
            assert_eq!(String::from_utf8(applied).unwrap(), expected);
        }
    }
}
