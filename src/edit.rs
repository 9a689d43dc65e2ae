//! Edits of users' files: applied together, read back, and refused for each file whose result is
//! not as intended. Nothing is written here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::path::RepoPath;
use crate::project::Project;

pub(crate) mod diff;
pub(crate) mod excerpt;
pub(crate) mod fix;
pub(crate) mod reading;
pub(crate) mod compose;
pub(crate) mod dockerfile;

/// Applies edits to the files of a project. Returns the new texts by the numbers of their files,
/// and what `read` makes of the whole project after that. All edits of a file are refused if they
/// cannot be applied together, or if `is_as_intended` is false for its number and the result of
/// `read`. Edits of paths that are not in the project are refused as well.
pub(crate) fn apply_checked<M>(
    project: &Project,
    edits: &[Edit],
    read: impl Fn(Project) -> M,
    is_as_intended: impl Fn(usize, &M) -> bool,
) -> (BTreeMap<usize, Vec<u8>>, M) {
    let mut by_path: BTreeMap<&RepoPath, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        by_path.entry(&edit.path).or_default().push(edit);
    }
    let text = |(path, edits): (&RepoPath, Vec<&Edit>)| {
        let number = project.number(path.as_bytes())?;
        Some((number, apply(&project.file(number).text, edits)?))
    };
    let mut texts: BTreeMap<usize, Vec<u8>> = by_path.into_iter().filter_map(text).collect();
    loop {
        let after = read(project.with(&texts));
        let wrong: BTreeSet<usize> =
            texts.keys().copied().filter(|number| !is_as_intended(*number, &after)).collect();
        if wrong.is_empty() {
            return (texts, after);
        }
        // Without these edits, the other files may be read differently.
        texts.retain(|number, _| !wrong.contains(number));
    }
}

/// The edit that adds lines at the end of a file. A last line without a line feed stays one.
pub(crate) fn appended(file: &File, lines: &[&str]) -> Edit {
    let (end, lines) = (file.text.len(), lines.join("\n"));
    // A byte order mark is not a line.
    let lines_before = file.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.text);
    let is_cut = lines_before.last().is_some_and(|byte| *byte != b'\n');
    let text = if is_cut { format!("\n{lines}") } else { format!("{lines}\n") };
    Edit { path: file.path.clone(), span: end..end, text }
}

/// The line end that most lines of a text have.
pub(crate) fn line_end(text: &[u8]) -> &'static str {
    let lines = memchr::memchr_iter(b'\n', text).count();
    let windows = memchr::memmem::find_iter(text, b"\r\n").count();
    if windows * 2 > lines { "\r\n" } else { "\n" }
}

/// Orders edits so that equal ones are adjacent.
fn by_place(a: &Edit, b: &Edit) -> Ordering {
    let key = |edit: &Edit| (edit.span.start, edit.span.end);
    a.path.cmp(&b.path).then(key(a).cmp(&key(b))).then_with(|| a.text.cmp(&b.text))
}

/// Applies edits to a text; equal edits count once. `None` if two overlap, or one is outside the
/// text.
pub(crate) fn apply(text: &[u8], mut edits: Vec<&Edit>) -> Option<Vec<u8>> {
    edits.sort_by(|a, b| by_place(a, b));
    edits.dedup();
    let mut result = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut last_start = None;
    for edit in edits {
        // The order of two insertions at one place is unknown.
        if last_start.replace(edit.span.start) == Some(edit.span.start) {
            return None;
        }
        result.extend_from_slice(text.get(at..edit.span.start)?);
        text.get(edit.span.clone())?;
        result.extend_from_slice(edit.text.as_bytes());
        at = edit.span.end;
    }
    result.extend_from_slice(text.get(at..)?);
    Some(result)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::base::finding::Span;
    use crate::formats::dockerfile;
    use crate::formats::document::Node;
    use crate::formats::npmrc::{SettingsDialect, settings};
    use crate::formats::{Syntax, parse};

    fn edit(path: &str, span: Span, text: &str) -> Edit {
        Edit { path: path.into(), span, text: text.into() }
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), fresh: true, replaces: false }
    }

    #[test]
    fn appended_lines_keep_the_end_of_the_file() {
        for (old, new) in
            [("", "b\nc\n"), ("a\n", "a\nb\nc\n"), ("a", "a\nb\nc"), ("\u{feff}", "\u{feff}b\nc\n")]
        {
            let edit = appended(&file("a", old), &["b", "c"]);
            assert_eq!(
                apply(old.as_bytes(), vec![&edit]),
                Some(new.as_bytes().to_vec()),
                "{old:?}"
            );
        }
    }

    #[test]
    fn edits_are_applied_together_or_not_at_all() {
        for (edits, text) in [
            (&[(1..2, "x"), (3..3, "yz"), (4..6, "")][..], Some("axcyzd")),
            (&[(3..3, "yz"), (1..2, "x")], Some("axcyzdef")),
            (&[(0..6, "")], Some("")),
            (&[(6..6, "g")], Some("abcdefg")),
            (&[(1..2, "x"), (1..2, "x")], Some("axcdef")),
            (&[(1..2, "x"), (2..3, "y")], Some("axydef")),
            (&[(1..2, "x"), (1..2, "y")], None),
            (&[(1..3, "x"), (2..4, "y")], None),
            (&[(2..2, "x"), (2..2, "y")], None),
            (&[(6..7, "x")], None),
            (&[(usize::MAX..usize::MAX, "x")], None),
        ] {
            let edits: Vec<Edit> =
                edits.iter().map(|(span, text)| edit("a", span.clone(), text)).collect();
            let found = apply(b"abcdef", edits.iter().collect());
            assert_eq!(found.as_deref(), text.map(str::as_bytes), "{edits:?}");
        }
        let backward =
            Edit { path: "a".into(), span: Span { start: 3, end: 2 }, text: String::new() };
        assert_eq!(apply(b"abcdef", vec![&backward]), None);
    }

    /// Applies edits and accepts only these texts. Also returns how often the project was read.
    fn accepting(
        project: &Project,
        edits: &[Edit],
        texts: &[&str],
    ) -> (BTreeMap<usize, Vec<u8>>, Project, usize) {
        let read = Cell::new(0);
        let count = |project| {
            read.set(read.get() + 1);
            project
        };
        let is_named = |number, after: &Project| {
            texts.iter().any(|text| text.as_bytes() == after.file(number).text)
        };
        let (texts, after) = apply_checked(project, edits, count, is_named);
        (texts, after, read.get())
    }

    #[test]
    fn a_file_that_does_not_read_back_as_intended_is_not_edited() {
        let project: Project = ["a", "b", "c"].map(|path| file(path, "12")).into_iter().collect();
        let edits = [
            edit("a", 0..1, "x"),
            edit("b", 0..1, "x"),
            edit("b", 1..2, "y"),
            edit("c", 0..9, "z"),
            edit("missing", 0..0, "z"),
        ];
        let (texts, after, read) = accepting(&project, &edits, &["xy"]);
        assert_eq!(texts, BTreeMap::from([(1, b"xy".to_vec())]));
        let files: Vec<&[u8]> = after.files().iter().map(|known| &*known.file.text).collect();
        assert_eq!((files, read), (vec![&b"12"[..], b"xy", b"12"], 2));
    }

    /// The value at a path of keys.
    fn at<'n>(root: &'n Node, keys: &[&'n str]) -> &'n Node {
        keys.iter().fold(root, |node, key| node.get(key).next().unwrap())
    }

    /// The place of the value `10.6.5` by the parser of the file.
    fn place(path: &str, text: &str) -> Span {
        let bytes = text.as_bytes();
        let of = |syntax, keys: &[&str]| {
            let span = at(&parse(syntax, bytes).unwrap(), keys).span.clone();
            let inner = memchr::memmem::find(&bytes[span.clone()], b"10.6.5").unwrap();
            span.start + inner..span.start + inner + 6
        };
        match path {
            "package.json" => of(Syntax::Json, &["engines", "pnpm"]),
            "devcontainer.json" => of(Syntax::Jsonc, &["engines", "pnpm"]),
            "package.json5" => of(Syntax::Json5, &["engines", "pnpm"]),
            "pnpm-workspace.yaml" => of(Syntax::Yaml, &["engines", "pnpm"]),
            "mise.toml" => of(Syntax::Toml, &["tools", "pnpm"]),
            ".npmrc" => {
                settings(SettingsDialect::Npmrc, bytes)
                    .into_iter()
                    .find(|s| s.name == "use")
                    .unwrap()
                    .value
            }
            "Dockerfile" => {
                let instruction = dockerfile::parse(bytes)
                    .into_iter()
                    .find(|found| found.name == "FROM")
                    .unwrap();
                let word = instruction.arguments().next().unwrap();
                let at = memchr::memmem::find(bytes, word).unwrap() + word.len() - 6;
                at..at + 6
            }
            _ => {
                let at = memchr::memmem::find(bytes, b"10.6.5").unwrap();
                at..at + 6
            }
        }
    }

    #[test]
    fn everything_but_the_value_is_kept_in_every_format() {
        for (path, text) in [
            (
                "package.json",
                "\u{feff}{\r\n\t\"engines\" : { \"pnpm\":\"^10.6.5\" } , \"x\": \"10.6.5\"}",
            ),
            ("package.json", "{\"engines\": {\"pnpm\": \"10.6.5\"}}\n\n"),
            (
                "devcontainer.json",
                "{ // 10.6.5\n  \"engines\": {\"pnpm\": /* x */ \"10.6.5\",},\n}",
            ),
            ("package.json5", "{engines: {pnpm: '10.6.5', /* 10.6.5 */},}"),
            (
                "pnpm-workspace.yaml",
                "# 10.6.5\r\nengines:   # pnpm\r\n    pnpm:  '10.6.5'   # kept\r\n",
            ),
            ("pnpm-workspace.yaml", "\u{feff}engines: {pnpm: 10.6.5} # kept"),
            ("pnpm-workspace.yaml", "engines:\n  pnpm: >-\n    10.6.5\nx: 10.6.5\n"),
            ("mise.toml", "# 10.6.5\n[tools]   # all\npnpm   = '10.6.5' # kept\r\nx = 1"),
            ("mise.toml", "tools = { pnpm = \"10.6.5\" }"),
            (".npmrc", "; 10.6.5\r\nregistry=https://x\r\nuse = 10.6.5\r\n#use=10.6.5"),
            (
                "Dockerfile",
                "# syntax=docker/dockerfile:1\r\nFROM  pnpm:10.6.5   AS  a\r\n\
                 # FROM x\r\nRUN a \\\r\n  b",
            ),
            (".tool-versions", "nodejs 22.1.0\r\npnpm\t10.6.5  # kept\r\n\r\n"),
        ] {
            let span = place(path, text);
            let (before, after) = (text.get(..span.start).unwrap(), text.get(span.end..).unwrap());
            let expected = format!("{before}11.0.0-rc.1{after}");
            let project: Project = [file(path, text)].into_iter().collect();
            let (texts, ..) = accepting(&project, &[edit(path, span, "11.0.0-rc.1")], &[&expected]);
            assert_eq!(
                texts.into_values().collect::<Vec<_>>(),
                [expected.clone().into_bytes()],
                "{text:?}"
            );
            let again =
                place(path, &expected.replace("10.6.5", "[kept]").replace("11.0.0-rc.1", "10.6.5"));
            assert_eq!(again.start, place(path, text).start, "{expected:?}");
        }
    }
}
