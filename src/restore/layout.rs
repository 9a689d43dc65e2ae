//! The bytes of entries of a map, with their separators, in JSON and YAML.

use crate::base::edit::Edit;
use crate::base::finding::{LineIndex, Span, line_around};
use crate::formats::document::{Node, Value};

/// Whether a map is written in braces. The other kind is a block of YAML.
fn is_in_braces(text: &[u8], map: &Node) -> bool {
    text.get(map.span.start) == Some(&b'{')
}

/// The end of a value. The span of a block of YAML may include lines after it.
fn end(text: &[u8], node: &Node) -> usize {
    match &node.value {
        Value::Map(entries) if !is_in_braces(text, node) => {
            entries.iter().map(|(_, node)| end(text, node)).max().unwrap_or(node.span.end)
        }
        Value::List(items) if text.get(node.span.start) != Some(&b'[') => {
            items.iter().map(|node| end(text, node)).max().unwrap_or(node.span.end)
        }
        _ => match text.get(node.span.start) {
            Some(b'"' | b'\'' | b'{' | b'[') | None => node.span.end,
            Some(_) => end_of_lines(text, &node.span),
        },
    }
}

/// The end of a value without quotes: the span of a block includes the comments after it.
fn end_of_lines(text: &[u8], span: &Span) -> usize {
    let mut start = line_around(text, span.start).start;
    if matches!(text.get(span.start), Some(b'|' | b'>')) {
        start = (line_around(text, span.start).end + 1).min(span.end);
    }
    let indent = |line: &[u8]| line.len() - line.trim_ascii_start().len();
    let (mut at, mut end, mut width) = (start, span.start, None);
    for line in text.get(start..span.end).unwrap_or_default().split_inclusive(|&b| b == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            continue;
        }
        if indent(line) < *width.get_or_insert(indent(line)) {
            break;
        }
        end = at;
    }
    end
}

/// The spans that remove these entries of a map, by their numbers. At least one entry stays.
pub(super) fn removals(text: &[u8], map: &Node, removed: &[usize]) -> Vec<Span> {
    let entries: Vec<_> = map.entries().collect();
    if !is_in_braces(text, map) {
        let lines = |at: &usize| {
            let (key, node) = entries[*at];
            lines_of(text, &(key.span.start..end(text, node)))
        };
        return removed.iter().map(lines).collect();
    }
    let first_kept =
        (0..entries.len()).find(|at| removed.binary_search(at).is_err()).unwrap_or_default();
    let span = |&at: &usize| {
        let (key, node) = entries[at];
        if at < first_kept {
            // Up to the next key.
            return key.span.start..entries[at + 1].0.span.start;
        }
        let before = entries[at - 1].1.span.end;
        let is_plain = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        if text[before..key.span.start].iter().all(is_plain) {
            return before..node.span.end;
        }
        // A comment before the key is not part of the entry.
        let blank = text[before..key.span.start].trim_ascii_end().len();
        let after = &text[node.span.end..];
        let gap = after.len() - after.trim_ascii_start().len();
        let comma = if after.get(gap) == Some(&b',') { gap + 1 } else { 0 };
        before + blank..node.span.end + comma
    };
    removed.iter().map(span).collect()
}

/// The lines of a span, with the last line feed, without a byte order mark.
fn lines_of(text: &[u8], span: &Span) -> Span {
    let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let start = line_around(text, span.start).start.max(mark);
    // A block scalar includes its last line feed.
    let last = span.end.saturating_sub(1).max(span.start);
    start..(line_around(text, last).end + 1).min(text.len())
}

/// The edit that removes all entries of a map. `literal`: how an empty map is written here.
pub(super) fn emptied(
    text: &[u8],
    map: &Node,
    literal: Option<&str>,
    is_top: bool,
) -> (Span, String) {
    let (span, braces) = (map.span.start..end(text, map), literal.unwrap_or("{}").to_owned());
    if is_in_braces(text, map) {
        return (span, braces);
    }
    if is_top {
        return (lines_of(text, &span), String::new());
    }
    // After the colon of the key.
    let before = text[..span.start].trim_ascii_end().len();
    (before..span.end, format!(" {braces}"))
}

/// What stays, by its lines in a text after these edits of it: edits before a place move it.
pub(super) fn located(
    mut edits: Vec<Edit>,
    mut left: Vec<(Span, String)>,
    text: &[u8],
) -> Vec<(usize, String)> {
    let lines = LineIndex::new(text);
    edits.sort_unstable_by_key(|edit| edit.span.start);
    left.sort_unstable_by_key(|(span, _)| span.start);
    let (mut edits, mut cut, mut added) = (edits.iter().peekable(), 0, 0);
    let mut found = Vec::new();
    for (span, reason) in left {
        while let Some(edit) = edits.next_if(|edit| edit.span.end <= span.start) {
            (cut, added) = (cut + edit.span.len(), added + edit.text.len());
        }
        let (line, _) = lines.locate((span.start + added).saturating_sub(cut));
        found.push((line, reason));
    }
    found
}
