//! A text joined from pieces of a file, which maps each byte back to its place.

use std::ops::Range;

use crate::base::finding::{Span, line_around};

/// Joined pieces of a file.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub bytes: Vec<u8>,
    /// Where each piece starts here and in the file, both ascending.
    pieces: Vec<(usize, usize)>,
    /// The place of the whole, if no more is known.
    whole: Option<Span>,
}

/// The longest text without a place for each byte.
const LONGEST: usize = 16 * 1024;

impl Joined {
    pub(crate) fn push(&mut self, file: &[u8], piece: Range<usize>) {
        self.pieces.push((self.bytes.len(), piece.start));
        self.bytes.extend_from_slice(&file[piece]);
    }

    /// All of a file.
    pub(crate) fn of_file(file: &[u8]) -> Self {
        let mut joined = Self::default();
        joined.push(file, 0..file.len());
        joined
    }

    /// Adds a part of another joined text, with its places in the file.
    pub(crate) fn push_part(&mut self, other: &Self, part: Range<usize>) {
        let (offset, start) = (self.bytes.len(), part.start);
        self.bytes.extend_from_slice(&other.bytes[part.clone()]);
        if other.whole.is_some() {
            self.whole.clone_from(&other.whole);
            return;
        }
        self.pieces.push((offset, other.place(start)));
        let first = other.pieces.partition_point(|&(at, _)| at <= start);
        let inside = other.pieces[first..].iter().take_while(|&&(at, _)| at < part.end);
        self.pieces.extend(inside.map(|&(at, place)| (offset + at - start, place)));
    }

    /// The text of a string that the file spells literally: in quotes, plain, or as the lines of a
    /// YAML block. `None` if it has escapes or folded lines.
    pub(crate) fn verbatim(file: &[u8], text: &str, at: &Span) -> Option<Self> {
        let mut joined = Self::default();
        joined.push_string(file, text, at)?;
        Some(joined)
    }

    /// Strings one after the other, and the range of each. `None` if there is none, or if they are
    /// too long.
    pub(crate) fn words(file: &[u8], words: &[(&str, &Span)]) -> Option<(Self, Vec<Range<usize>>)> {
        let whole = words.first()?.1.start..words.last()?.1.end;
        let mut joined = Self::default();
        let is_literal =
            words.iter().all(|(text, at)| joined.push_string(file, text, at).is_some());
        if !is_literal {
            let text: String = words.iter().map(|(text, _)| *text).collect();
            joined = Self::respelled(&text, &whole)?;
        }
        let mut end = 0;
        let ranges = words.iter().map(|(text, _)| {
            let start = end;
            end += text.len();
            start..end
        });
        Some((joined, ranges.collect()))
    }

    fn push_string(&mut self, file: &[u8], text: &str, at: &Span) -> Option<()> {
        let (start, text) = (self.bytes.len(), text.as_bytes());
        let raw = file.get(at.clone())?;
        if raw == text {
            self.push(file, at.clone());
        } else if raw.len() == text.len() + 2 && matches!(raw.first(), Some(b'"' | b'\'')) {
            self.push(file, at.start + 1..at.end - 1);
        } else {
            self.push_block(file, at.start, text)?;
        }
        (self.bytes[start..] == *text).then_some(())
    }

    /// The text of a string that the file spells differently: every byte has the place of the
    /// whole. `None` for a long text: searching the whole for each part takes quadratic time.
    pub(crate) fn respelled(text: &str, at: &Span) -> Option<Self> {
        let bytes = text.as_bytes().to_vec();
        (bytes.len() <= LONGEST).then(|| Self {
            bytes,
            pieces: Vec::new(),
            whole: Some(at.clone()),
        })
    }

    /// Whether each byte has a place of its own in the file, which has the same text there.
    pub(crate) fn has_places(&self) -> bool {
        self.whole.is_none()
    }

    /// Adds the lines of a literal block without their indentation; `None` if `text` is not one.
    fn push_block(&mut self, file: &[u8], start: usize, text: &[u8]) -> Option<()> {
        // The span starts after the indentation of the first line.
        let mut at = line_around(file, start).start;
        let mut indentation = None;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let end = (line_around(file, at).end + 1).min(file.len());
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            let raw = file[at..end].strip_suffix(b"\n").unwrap_or(&file[at..end]);
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            let skip = if content.is_empty() {
                raw.len()
            } else {
                let offset = raw.len().checked_sub(content.len())?;
                let indentation = *indentation.get_or_insert(offset);
                (indentation == offset && raw[..offset].iter().all(|&byte| byte == b' '))
                    .then_some(offset)?
            };
            // YAML drops a carriage return before the line feed.
            self.push(file, at + skip..at + raw.len());
            if line.len() > content.len() {
                let feed = if file[..end].ends_with(b"\n") { end - 1..end } else { return None };
                self.push(file, feed);
            }
            if lines.peek().is_some() && end == file.len() {
                return None;
            }
            at = end;
        }
        Some(())
    }

    /// The place of these bytes in the file, from the first to the last.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let start = self.place(range.start);
        start..if range.is_empty() { start } else { self.place(range.end - 1) + 1 }
    }

    fn place(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|&(start, _)| start <= at);
        self.pieces[..after].last().map_or(at, |&(start, place)| place + at - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    #[test]
    fn a_literal_string_keeps_its_places() {
        for (text, expected) in [
            ("run: a b # c\n", Some("a b")),
            ("run: 'a b'\n", Some("a b")),
            ("run: |\n    a\n      b\n\n    ü\nx: y\n", Some("a\n  b\n\nü\n")),
            ("run: |\r\n  a\r\n  b\r\n", Some("a\nb\n")),
            ("run: |-\n  a\n  b", Some("a\nb")),
            ("run: |2 # c\n  a\n  b\n", Some("a\nb\n")),
            ("run: |+\n  a\n\n\nx: y\n", Some("a\n\n\n")),
            ("run: >\n  a\n  b\n", None),
            ("run: a\n  b\n", None),
            ("run: 'it''s'\n", None),
            ("run: \"a\\nb\"\n", None),
        ] {
            let root = parse(Syntax::Yaml, text.as_bytes()).unwrap();
            let node = root.get("run").next().unwrap();
            let joined = Joined::verbatim(text.as_bytes(), node.text().unwrap(), &node.span);
            assert_eq!(
                joined.as_ref().map(|joined| String::from_utf8_lossy(&joined.bytes)),
                expected.map(Into::into),
                "{text:?}"
            );
            let Some(joined) = joined else { continue };
            for (at, byte) in joined.bytes.iter().enumerate() {
                assert_eq!(text.as_bytes()[joined.place(at)], *byte, "{text:?} at {at}");
            }
        }
        let file = br#"{"a": "b c", "d": "\u0065"}"#;
        let root = parse(Syntax::Json, file).unwrap();
        let of = |key: &str| {
            let node = root.get(key).next().unwrap();
            Joined::verbatim(file, node.text().unwrap(), &node.span)
        };
        assert_eq!(of("a").unwrap().span(&(2..3)), 9..10);
        assert!(of("d").is_none());
    }
}
