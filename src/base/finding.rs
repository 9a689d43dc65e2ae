//! The parts of a finding: severities, places, labels, steps.

use std::ops::Range;

use crate::base::credentials::holds_credentials;
use crate::base::escape::escaped;
use crate::base::path::RepoPath;

/// A range of bytes in a file.
pub(crate) type Span = Range<usize>;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Severity {
    /// Reported, and does not block.
    Warning,
    /// Blocks: exit code 1.
    Error,
}

impl Severity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place in a file, with its source line. A masked place contains asterisks instead of the
/// secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Of the first character, counted in characters from 1.
    pub column: usize,
    /// After the last character, on the same line.
    pub end_column: usize,
    /// The source line, escaped, and shortened if it is long; empty if it must not be shown.
    pub excerpt: String,
    /// The bytes of `excerpt` that the place covers.
    pub marked: Span,
}

/// Finds lines and columns in a text, as [`Place`] counts them, in logarithmic time.
#[derive(Debug, Clone)]
pub(crate) struct LineIndex<'a> {
    text: &'a [u8],
    /// The start of each line.
    starts: Vec<usize>,
    /// The number of characters before each stride.
    counts: Vec<usize>,
}

/// In bytes.
const STRIDE: usize = 1024;

impl<'a> LineIndex<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        // A byte order mark is not a character of the line.
        let first = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let starts = std::iter::once(first)
            .chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1))
            .collect();
        let counts = text.chunks(STRIDE).scan(0, |total, chunk| {
            let before = *total;
            *total += characters(chunk);
            Some(before)
        });
        let counts = counts.collect();
        Self { text, starts, counts }
    }

    /// The line and the column of a byte, both counted from 1.
    pub(crate) fn locate(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        (line, 1 + self.before(at) - self.before(self.starts[line - 1].min(at)))
    }

    /// The number of characters before a byte.
    fn before(&self, at: usize) -> usize {
        // At the end of a text of whole strides, use the count of the last stride.
        let stride = (at / STRIDE).min(self.counts.len().saturating_sub(1));
        self.counts.get(stride).copied().unwrap_or_default()
            + characters(&self.text[stride * STRIDE..at])
    }
}

/// The line that contains this byte, without its line feed.
pub(crate) fn line_around(text: &[u8], at: usize) -> Span {
    let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |feed| feed + 1);
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
    start..end
}

/// The maximum number of characters of a source line on each side of the marked place.
const CONTEXT: usize = 60;
/// How many bytes around the place are searched for credentials: part of one is a leak as well.
const AROUND: usize = 16 * 1024;
/// The maximum number of characters of the marked place.
const MARKED: usize = 160;

impl Place {
    /// The place of `span`. A span over several lines is cut at the end of the first; a span after
    /// the text is moved to its end.
    pub(crate) fn locate(text: &[u8], span: &Span) -> Self {
        Self::build(text, span, false)
    }

    /// Like [`Place::locate`], without the line: a file that cannot be parsed may contain anything.
    pub(crate) fn position(text: &[u8], span: &Span) -> Self {
        Self { excerpt: String::new(), marked: 0..0, ..Self::locate(text, span) }
    }

    /// Like [`Place::locate`], with asterisks for the marked bytes: as many for any length.
    pub(crate) fn masked(text: &[u8], span: &Span) -> Self {
        Self::build(text, span, true)
    }

    fn build(text: &[u8], span: &Span, mask: bool) -> Self {
        let start = span.start.min(text.len());
        let Span { start: mut line_start, end: line_end } = line_around(text, start);
        // Editors do not count a byte order mark.
        if line_start == 0 && text.starts_with(b"\xef\xbb\xbf") {
            line_start = 3.min(start);
        }
        let end = span.end.clamp(start, line_end);

        let line =
            line_start..line_end - usize::from(text[..line_end].ends_with(b"\r") && line_end > end);
        let (column, width) =
            (characters(&text[line.start..start]) + 1, characters(&text[start..end]));

        let (excerpt, marked) = excerpt(text, &line, &(start..end), mask);

        // A masked place does not reveal the length of the secret.
        let end_column = if mask { column } else { column + width };
        Self {
            line: 1 + text[..start].iter().filter(|&&b| b == b'\n').count(),
            column,
            end_column,
            excerpt,
            marked,
        }
    }
}

/// A line, shortened around a place, and the place in the result. Only the shown part is decoded:
/// the line may be megabytes long. A character has at most four bytes.
fn excerpt(text: &[u8], line: &Span, place: &Span, mask: bool) -> (String, Span) {
    let around = |bytes: usize| {
        let start = line.start.max(place.start.saturating_sub(bytes));
        start..place.end.max(line.end.min(place.end.saturating_add(bytes)))
    };
    let marked = if mask {
        "********".to_owned()
    } else {
        let shown = place.start..place.end.min(place.start + 4 * MARKED);
        head(&String::from_utf8_lossy(&text[shown]), MARKED)
    };
    // A masked place covers the whole secret, so the rest may be shown.
    let (before, after) = if !mask && holds_credentials(&text[around(AROUND)]) {
        ("…".to_owned(), "…".to_owned())
    } else {
        let near = around(4 * CONTEXT);
        let cut = near.start > line.start;
        let before = String::from_utf8_lossy(&text[near.start..place.start]);
        (
            tail(&before, CONTEXT, cut),
            head(&String::from_utf8_lossy(&text[place.end..near.end]), CONTEXT),
        )
    };
    let marked = escape_seam(&before, marked);
    let place = before.len()..before.len() + marked.len();
    // If the place is empty, the text after it meets the text before it.
    let shown = before + &marked;
    let after = escape_seam(&shown, after);
    (shown + &after, place)
}

/// The number of characters; invalid bytes count as one at most.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

/// The first characters of a text, escaped, and an ellipsis if there are more.
fn head(text: &str, max: usize) -> String {
    let start: String = text.chars().take(max).collect();
    let dots = if start.len() < text.len() { "…" } else { "" };
    safe(&start) + dots
}

/// The last characters of a text, escaped, and an ellipsis if there are more or it is already
/// `cut`.
fn tail(text: &str, max: usize, cut: bool) -> String {
    let before = text.chars().count().saturating_sub(max);
    let end: String = text.chars().skip(before).collect();
    let dots = if cut || before > 0 { "…" } else { "" };
    dots.to_owned() + &safe(&end)
}

/// Escapes a text; a tab becomes a space, so that the marks are aligned.
fn safe(text: &str) -> String {
    escaped(text.chars().map(|character| if character == '\t' { ' ' } else { character }))
}

/// Escapes a `#` at the start of `piece` if `before` ends in one: a runner would obey `##[`.
fn escape_seam(before: &str, piece: String) -> String {
    match piece.strip_prefix('#') {
        Some(rest) if before.ends_with('#') => format!("\\u{{0023}}{rest}"),
        _ => piece,
    }
}

/// A step that resolves a finding. `cure` renders it as a command to paste.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// `bakstop restore`: the work tree, or the index as well.
    Restore { staged: bool },
    /// `git checkout HEAD --`.
    TakeBack,
    /// This command of the package manager, in the directory of the lockfile.
    Install(&'static str),
    /// `git add`.
    Stage,
    /// `git rm --cached`; the file stays.
    Unstage,
    /// `rm`, for an untracked file.
    Remove,
    /// `git merge --abort`.
    AbortMerge,
    /// `bakstop pins --set`.
    MovePins,
    /// `bakstop lockfile`.
    MakeLockfile,
}

/// A further place that explains a finding, in its file or in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub path: RepoPath,
    /// `None` for the whole file.
    pub place: Option<Place>,
    /// A few words, safe to print.
    pub text: String,
}

/// The result of a run, computed before anything is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing that blocks: exit code 0.
    Clean,
    /// At least one finding that blocks: exit code 1.
    Found,
    /// It could not be judged or done: exit code 2.
    Failed,
}

impl Verdict {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Found => 1,
            Self::Failed => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_and_a_place_agree() {
        let lines = ["a", "", "ü\r", "\u{feff}x", &"日本".repeat(700), "b"].join("\n");
        for text in [lines.clone(), format!("\u{feff}{lines}\n"), "x".repeat(STRIDE), String::new()]
        {
            let index = LineIndex::new(text.as_bytes());
            for (at, _) in text.char_indices().chain([(text.len(), ' ')]).filter(|(at, _)| *at != 0)
            {
                let place = Place::locate(text.as_bytes(), &(at..at));
                assert_eq!(index.locate(at), (place.line, place.column), "{at}");
            }
        }
    }

    fn marked(place: &Place) -> &str {
        place.excerpt.get(place.marked.clone()).unwrap()
    }

    fn place(text: &str, marked: &str) -> Place {
        let start = text.find(marked).unwrap();
        Place::locate(text.as_bytes(), &(start..start + marked.len()))
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let found = place("{\n  \"näme\": \"x\",\n  \"ü\": \"file:y\"\n}", "\"file:y\"");
        assert_eq!((found.line, found.column, found.end_column), (3, 8, 16));
        assert_eq!(found.excerpt, "  \"ü\": \"file:y\"");
        assert_eq!(marked(&found), "\"file:y\"");
    }

    #[test]
    fn a_byte_order_mark_and_crlf_do_not_move_the_place() {
        let found = place("\u{feff}{\"a\": \"x\"}\r\n", "\"x\"");
        assert_eq!((found.line, found.column), (1, 7));
        assert_eq!(found.excerpt, "{\"a\": \"x\"}");
    }

    #[test]
    fn long_lines_are_shortened_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let found = place(&text, "HERE");
        assert_eq!(found.column, 5001);
        assert_eq!(found.excerpt, format!("…{}HERE{}…", "a".repeat(60), "b".repeat(60)));
        assert_eq!(marked(&found), "HERE");
    }

    #[test]
    fn the_excerpt_is_safe_to_print() {
        let found = place("\x1b[2J\t\u{202e}HERE\0", "HERE");
        assert_eq!(found.excerpt, "\\u{001b}[2J \\u{202e}HERE\\u{0000}");
        assert_eq!(marked(&found), "HERE");
    }

    #[test]
    fn no_runner_obeys_an_excerpt() {
        for (text, marked) in
            [("a ##[x] HERE", "HERE"), ("a ##[x]", "#[x]"), ("a # #HERE##[x]", "#HERE#")]
        {
            let found = place(text, marked);
            assert!(!found.excerpt.contains("##"), "{found:?}");
        }
        assert_eq!(place("# a #1 HERE", "HERE").excerpt, "# a #1 HERE");
        let empty = Place::locate(b"a ##[x]", &(3..3));
        assert_eq!((&*empty.excerpt, empty.marked), (r"a #\u{0023}[x]", 3..3));
    }

    #[test]
    fn a_mask_hides_the_secret_and_its_length() {
        let text = b"//host/:_authToken=s3cr3t\nnext";
        let found = Place::masked(text, &(19..25));
        assert_eq!(found.excerpt, "//host/:_authToken=********");
        assert_eq!((found.column, found.end_column), (20, 20));
    }

    #[test]
    fn credentials_near_the_place_are_not_shown() {
        for line in [
            "RUN npm config set //r/:_authToken=abc && npm i -g HERE",
            "RUN NPM_TOKEN=abc npm i -g HERE --_password=abc",
            "RUN npm i -g HERE --registry https://me:abc@npm.example.org/",
            "RUN GH_PAT=abc npm i -g HERE",
            "RUN SECRET_KEY=\"abc\" npm i -g HERE",
            &format!("RUN npm config set //r/:_authToken={} && npm i -g HERE", "abc".repeat(300)),
        ] {
            let found = place(line, "HERE");
            assert_eq!(found.excerpt, "…HERE…", "{line}");
            assert_eq!(marked(&found), "HERE");
        }
        assert_eq!(
            place("\"design-tokens\": \"HERE\"", "HERE").excerpt,
            "\"design-tokens\": \"HERE\""
        );
    }

    #[test]
    fn spans_outside_the_text_are_kept_inside() {
        assert_eq!(Place::locate(b"ab", &(7..9)).column, 3);
        assert_eq!(Place::locate(b"", &(0..0)).line, 1);
        let over_lines = Place::locate(b"one\ntwo", &(1..6));
        assert_eq!((over_lines.column, over_lines.end_column), (2, 4));
    }
}
