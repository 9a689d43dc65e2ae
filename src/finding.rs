//! Findings: what a rule says about a place. Values until the last line is printed.

use std::ops::Range;

use crate::escape::write_escaped;
use crate::path::RepoPath;

/// A range of bytes in a file.
pub type Span = Range<usize>;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Printed, and does not block.
    Warning,
    /// Blocks: exit code 1.
    Error,
}

impl Severity {
    /// The word that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place inside a file, with the line it stands in. It keeps no secret: a masked place holds asterisks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Column of the first character, counted in characters from 1.
    pub column: usize,
    /// Column after the last character, on the same line.
    pub end_column: usize,
    /// The source line, escaped for printing, shortened around the place when it is long.
    pub excerpt: String,
    /// The bytes of `excerpt` that the place covers.
    pub marked: Span,
}

/// The most characters of a source line that are kept on each side of the marked place.
const CONTEXT: usize = 60;
/// The most characters of the marked place itself that are kept.
const MARKED: usize = 160;

impl Place {
    /// Finds line, column and excerpt of `span` in the text of a file. A span over several lines is cut at the end of
    /// its first; a span outside the text is moved to its end.
    pub fn locate(text: &[u8], span: &Span) -> Self {
        Self::build(text, span, false)
    }

    /// Like [`Place::locate`], with the marked bytes replaced by asterisks, as many for a short secret as for a long one.
    pub fn masked(text: &[u8], span: &Span) -> Self {
        Self::build(text, span, true)
    }

    fn build(text: &[u8], span: &Span, mask: bool) -> Self {
        let start = span.start.min(text.len());
        let line_start = text[..start].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        // A byte order mark is no character of the line: editors do not count it.
        let line_start = if line_start == 0 && text.starts_with(b"\xef\xbb\xbf") { 3.min(start) } else { line_start };
        let line_end = text[start..].iter().position(|&b| b == b'\n').map_or(text.len(), |n| start + n);
        let end = span.end.clamp(start, line_end);

        let before = String::from_utf8_lossy(&text[line_start..start]);
        let inside = String::from_utf8_lossy(&text[start..end]);
        let after = String::from_utf8_lossy(&text[end..line_end]);
        let after = after.strip_suffix('\r').unwrap_or(&after);
        let (column, width) = (before.chars().count() + 1, inside.chars().count());

        let mut excerpt = String::new();
        // The last characters before the place: found from its end, because the line may be megabytes long.
        let shown = before.char_indices().rev().nth(CONTEXT - 1).map_or(0, |(at, _)| at);
        if shown > 0 {
            excerpt.push('…');
        }
        push_escaped(&before[shown..], usize::MAX, &mut excerpt);
        let marked_start = excerpt.len();
        if mask {
            excerpt.push_str("********");
        } else {
            push_escaped(&inside, MARKED, &mut excerpt);
        }
        let marked = marked_start..excerpt.len();
        push_escaped(after, CONTEXT, &mut excerpt);

        // A masked place does not tell the length of what it hides.
        let end_column = if mask { column } else { column + width };
        Self { line: 1 + text[..start].iter().filter(|&&b| b == b'\n').count(), column, end_column, excerpt, marked }
    }
}

/// Appends at most so many characters, safe to print, and a dot-dot-dot where there are more; a tab becomes a space, so
/// that the mark stays under what it marks.
fn push_escaped(text: &str, most: usize, out: &mut String) {
    let mut characters = text.chars();
    for character in characters.by_ref().take(most) {
        if character == '\t' {
            out.push(' ');
        } else {
            // Writing to a string cannot fail.
            let _ = write_escaped(character, out);
        }
    }
    if characters.next().is_some() {
        out.push('…');
    }
}

/// A step of the cure, as a command to paste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The preparation script's own way back: `docker-prep.sh --restore`, wherever this repository keeps it.
    Restore,
    /// A command that stands for itself, run at the top of the work tree.
    Run(&'static str),
    /// A git command on the path of the finding: the words before the path.
    Git(&'static str),
}

/// What a rule says about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The file.
    pub path: RepoPath,
    /// Where in the file; `None` when the file itself is the finding.
    pub place: Option<Place>,
    /// What is wrong, as a short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
    /// What to do about it, in the same form; empty when the steps say it all.
    pub help: &'static str,
    /// The commands that mend it, in order.
    pub steps: &'static [Step],
}

/// The outcome of a run, computed from what was found before anything is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that blocks: exit code 0.
    Clean,
    /// At least one finding that blocks: exit code 1.
    Found,
    /// It could not be judged or done: exit code 2.
    Failed,
}

impl Verdict {
    /// The verdict over these findings; with `deny_warnings` a warning weighs as much as an error.
    pub fn of(findings: &[Finding], deny_warnings: bool) -> Self {
        let blocking = if deny_warnings { Severity::Warning } else { Severity::Error };
        if findings.iter().any(|finding| finding.severity >= blocking) { Self::Found } else { Self::Clean }
    }

    /// The process's exit code.
    pub fn code(self) -> u8 {
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

    fn place(text: &str, marked: &str) -> Place {
        let start = text.find(marked).unwrap();
        Place::locate(text.as_bytes(), &(start..start + marked.len()))
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let found = place("{\n  \"näme\": \"x\",\n  \"ü\": \"file:y\"\n}", "\"file:y\"");
        assert_eq!((found.line, found.column, found.end_column), (3, 8, 16));
        assert_eq!(found.excerpt, "  \"ü\": \"file:y\"");
        assert_eq!(&found.excerpt[found.marked], "\"file:y\"");
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
        assert_eq!(&found.excerpt[found.marked], "HERE");
    }

    #[test]
    fn the_excerpt_is_safe_to_print() {
        let found = place("\x1b[2J\t\u{202e}HERE\0", "HERE");
        assert_eq!(found.excerpt, "\\u{001b}[2J \\u{202e}HERE\\u{0000}");
        assert_eq!(&found.excerpt[found.marked], "HERE");
    }

    #[test]
    fn a_mask_hides_the_secret_and_its_length() {
        let text = b"//host/:_authToken=s3cr3t\nnext";
        let found = Place::masked(text, &(19..25));
        assert_eq!(found.excerpt, "//host/:_authToken=********");
        assert_eq!((found.column, found.end_column), (20, 20));
    }

    #[test]
    fn spans_outside_the_text_are_kept_inside() {
        assert_eq!(Place::locate(b"ab", &(7..9)).column, 3);
        assert_eq!(Place::locate(b"", &(0..0)).line, 1);
        let over_lines = Place::locate(b"one\ntwo", &(1..6));
        assert_eq!((over_lines.column, over_lines.end_column), (2, 4));
    }
}
