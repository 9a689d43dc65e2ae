//! A fix that a rule proposes. Reports print it without further computation.

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::finding::LineIndex;
use crate::base::path::RepoPath;
use crate::edit::excerpt::{Excerpt, FixExcerpt, fix_excerpt};
use crate::edit::{apply, by_place};

/// Whether a fix may be applied without review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// It cannot change the result of a working build.
    Safe,
    /// A diff to consider.
    Shown,
}

impl Safety {
    /// The word that reports use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Shown => "shown",
        }
    }
}

/// Where an edit starts and ends, counted as in [`Place`](crate::base::finding::Place).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// The line of the first replaced character.
    pub line: usize,
    pub column: usize,
    /// The line of the first character after the edit.
    pub end_line: usize,
    pub end_column: usize,
}

/// Edits that resolve a finding, and their diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fix {
    pub safety: Safety,
    /// The edits with their regions, sorted by path and place, without duplicates or overlaps.
    pub edits: Vec<(Edit, Region)>,
    /// The diff of each file: escaped, bounded, with secrets masked.
    pub diffs: Vec<(RepoPath, Excerpt)>,
    /// Whether a line that an edit writes or removes seems to contain a secret: then reports print
    /// only the diffs, not the edits.
    pub is_secret: bool,
    /// Whether `git apply` accepts the diffs as they are printed: nothing in them is escaped,
    /// masked or left out.
    pub can_paste: bool,
}

impl Fix {
    /// A fix of these edits of these files. A line feed in a text becomes the line end of the file
    /// at that place. `None` if there are no edits, or if one is outside its file, overlaps
    /// another, or its file is missing.
    pub(crate) fn of(safety: Safety, edits: Vec<Edit>, files: &[&File]) -> Option<Self> {
        let file = |path: &RepoPath| files.iter().find(|file| file.path == *path);
        let with_ends = |edit: Edit| Some(with_line_ends(&file(&edit.path)?.text, edit));
        let mut edits = edits.into_iter().map(with_ends).collect::<Option<Vec<Edit>>>()?;
        edits.sort_by(by_place);
        edits.dedup();
        let (edited, diffs) = (Vec::new(), Vec::new());
        let mut fix = Self { safety, edits: edited, diffs, is_secret: false, can_paste: true };
        for edits in edits.chunk_by(|a, b| a.path == b.path) {
            let path = &edits.first()?.path;
            let old = &file(path)?.text;
            let FixExcerpt { excerpt, is_secret, is_exact } =
                fix_excerpt(path, old, &apply(old, edits.iter().collect())?, edits);
            fix.is_secret |= is_secret;
            fix.can_paste &= is_exact;
            fix.diffs.push((path.clone(), excerpt));
            let lines = LineIndex::new(old);
            fix.edits.extend(edits.iter().map(|edit| {
                let (line, column) = lines.locate(edit.span.start);
                let (end_line, end_column) = lines.locate(edit.span.end);
                (edit.clone(), Region { line, column, end_line, end_column })
            }));
        }
        (!fix.edits.is_empty()).then_some(fix)
    }
}

/// An edit with the line ends of its file: after a line that ends in CRLF, or in one, the text of
/// the edit has CRLF as well.
fn with_line_ends(file: &[u8], edit: Edit) -> Edit {
    let Edit { path, mut span, text } = edit;
    let (Some(before), Some(after)) = (file.get(..span.start), file.get(span.start..)) else {
        return Edit { path, span, text };
    };
    let next = memchr::memchr(b'\n', after).map(|at| span.start + at);
    let end = next.or_else(|| memchr::memrchr(b'\n', before));
    let is_crlf = end.is_some_and(|end| file.get(..end).is_some_and(|line| line.ends_with(b"\r")));
    if !is_crlf || !text.contains('\n') {
        return Edit { path, span, text };
    }
    if span.is_empty() && next == Some(span.start) {
        // Not between the two bytes of a line end.
        span = span.start - 1..span.end - 1;
    }
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    Edit { path, span, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), fresh: true, replaces: false }
    }

    fn edit(path: &str, span: std::ops::Range<usize>, text: &str) -> Edit {
        Edit { path: path.into(), span, text: text.into() }
    }

    #[test]
    fn a_fix_has_regions_and_a_diff_for_each_file() {
        let files = [file("b", "x = 1\n"), file("a", "ä\nold\nc\n")];
        let edits = vec![edit("b", 4..5, "2"), edit("a", 3..6, "new"), edit("a", 0..0, "first\n")];
        let fix = Fix::of(Safety::Safe, edits, &files.each_ref()).unwrap();
        let regions: Vec<_> = fix
            .edits
            .iter()
            .map(|(edit, region)| {
                (
                    edit.path.to_string(),
                    region.line,
                    region.column,
                    region.end_line,
                    region.end_column,
                )
            })
            .collect();
        assert_eq!(
            regions,
            [("a".into(), 1, 1, 1, 1), ("a".into(), 2, 1, 2, 4), ("b".into(), 1, 5, 1, 6)]
        );
        let lines: Vec<&str> =
            fix.diffs.iter().flat_map(|(_, diff)| &diff.lines).map(String::as_str).collect();
        assert_eq!(
            lines,
            [
                "--- a/a",
                "+++ b/a",
                "@@ -1,3 +1,4 @@",
                "+first",
                " ä",
                "-old",
                "+new",
                " c",
                "--- a/b",
                "+++ b/b",
                "@@ -1 +1 @@",
                "-x = 1",
                "+x = 2"
            ]
        );
        assert!(!fix.is_secret);
    }

    #[test]
    fn the_line_ends_of_the_file_are_kept() {
        for (old, at, text, new) in [
            ("a\r\nb\r\n", 2, "\nx", "a\r\nx\r\nb\r\n"),
            ("a\r\nb\r\n", 1, "\nx", "a\r\nx\r\nb\r\n"),
            ("a\r\nb", 4, "\nx", "a\r\nb\r\nx"),
            ("a\r\nb\r\n", 6, "x\n", "a\r\nb\r\nx\r\n"),
            ("a\nb\r\n", 1, "\nx", "a\nx\nb\r\n"),
            ("a\nb", 3, "\nx", "a\nb\nx"),
            ("a", 1, "\nx", "a\nx"),
            ("a\r\nb\r\n", 3, "x", "a\r\nxb\r\n"),
        ] {
            let files = [file("a", old)];
            let edits = vec![edit("a", at..at, text)];
            let fix = Fix::of(Safety::Safe, edits, &files.each_ref()).unwrap();
            let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
            let found = apply(&files[0].text, edits).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), new, "{old:?}");
            // A carriage return is printed as an escape.
            assert_eq!(fix.can_paste, !new.contains('\r'), "{old:?}");
        }
    }

    #[test]
    fn equal_edits_are_one() {
        let files = [file("a", "abc")];
        let edits = vec![edit("a", 1..2, "x"), edit("a", 0..1, ""), edit("a", 1..2, "x")];
        let fix = Fix::of(Safety::Safe, edits, &files.each_ref()).unwrap();
        let texts: Vec<&str> = fix.edits.iter().map(|(edit, _)| edit.text.as_str()).collect();
        assert_eq!(texts, ["", "x"]);
    }

    #[test]
    fn edits_that_do_not_fit_are_refused() {
        let files = [file("a", "abc")];
        for edits in [
            vec![],
            vec![edit("b", 0..1, "x")],
            vec![edit("a", 2..4, "x")],
            vec![edit("a", 0..2, "x"), edit("a", 1..3, "y")],
            vec![edit("a", std::ops::Range { start: 2, end: 1 }, "x")],
        ] {
            assert_eq!(Fix::of(Safety::Shown, edits.clone(), &files.each_ref()), None, "{edits:?}");
        }
    }

    #[test]
    fn diffs_show_no_secret() {
        let secret = ["s3cr", "3t", "s3cr", "3t"].concat();
        let files = [
            file("a", &format!("one\n_authToken={secret}\ntwo\n")),
            file(".env", "x"),
            file("b", "a\0"),
        ];
        let file_end = files[0].text.len() - 1;
        let of = |edits: Vec<Edit>| Fix::of(Safety::Shown, edits, &files.each_ref()).unwrap();
        let shown = |fix: &Fix| {
            fix.diffs.iter().flat_map(|(_, diff)| diff.lines.clone()).collect::<Vec<_>>().join("\n")
        };
        let with_secret = of(vec![edit("a", 0..3, "1")]);
        assert!(
            !with_secret.is_secret
                && !with_secret.can_paste
                && shown(&with_secret).contains(" ********"),
            "{}",
            shown(&with_secret)
        );
        // The secret does not change, but the text of the edit includes it or a part of its line.
        let kept = edit("a", 0..file_end, &format!("1\n_authToken={secret}\n2"));
        let kept_part = edit("a", 15..file_end, &format!("{secret}\n2"));
        for fix in [
            of(vec![kept]),
            of(vec![kept_part]),
            of(vec![edit("a", 15..15 + secret.len(), "${NPM_TOKEN}")]),
            of(vec![edit("a", 0..3, &format!("password: {secret}"))]),
            of(vec![edit(".env", 0..1, "y")]),
            of(vec![edit("b", 0..1, "b")]),
        ] {
            assert!(fix.is_secret && !shown(&fix).contains(&secret), "{}", shown(&fix));
        }
    }
}
