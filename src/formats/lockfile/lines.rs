//! Reads the YAML that pnpm writes, line by line, in a small part of the time that a parser of all
//! YAML needs.
//!
//! pnpm writes one form: block maps with an entry a line, block lists of scalars, plain and
//! single-quoted scalars, flow collections of scalars, and literals. The parser of `formats::yaml`
//! reads everything else, and is the measure: of every text that this reader accepts, both give the
//! same tree with the same places. Tests and a fuzz target compare them.

use crate::formats::document::{Key, Node, Value};

/// How deep collections may be nested. Those of pnpm are four deep.
const DEPTH: usize = 16;
/// The longest key, in bytes. To YAML, a longer one than 1024 characters is none without `?`.
const LONGEST_KEY: usize = 1024;

/// The document that a text consists of; `None` if this reader is not sure what it is.
pub(super) fn document(text: &str) -> Option<Node> {
    // Nearly every lockfile is ASCII, and its bytes are read faster than characters.
    let is_plain = |byte| matches!(byte, b'\n' | b' '..=b'~' | 0x80..);
    if !text.ends_with('\n')
        || !text.bytes().all(is_plain)
        || !(text.is_ascii() || text.chars().all(is_expected))
    {
        return None;
    }
    let mut lines = LockfileLines { text, at: 0, indent: 0, end: 0 };
    lines.go(0)?;
    if lines.is_over() {
        return None;
    }
    let root = lines.map(0)?;
    lines.is_over().then_some(root)
}

/// Whether a character is an ordinary one for every version of YAML.
fn is_expected(sign: char) -> bool {
    match sign {
        '\n' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' => false,
        _ => sign > '\u{a0}',
    }
}

/// Where a scalar is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScalarStyle {
    /// In a line of its own, or after the key of a line.
    Block,
    /// In `{…}` or `[…]`.
    Flow,
}

/// The lines from one on. Places are bytes from the start of the text.
struct LockfileLines<'t> {
    text: &'t str,
    /// Where this line begins, after its indentation. After the last line, the end of the text.
    at: usize,
    /// The spaces before that.
    indent: usize,
    /// Its line feed.
    end: usize,
}

impl LockfileLines<'_> {
    /// Goes to the first line from a place on that is not empty. pnpm writes none of spaces.
    fn go(&mut self, mut start: usize) -> Option<()> {
        let bytes = self.text.as_bytes();
        while bytes.get(start) == Some(&b'\n') {
            start += 1;
        }
        let rest = bytes.get(start..)?;
        self.indent = rest.iter().take_while(|byte| **byte == b' ').count();
        self.at = start + self.indent;
        self.end = start + memchr::memchr(b'\n', rest).unwrap_or_default();
        (self.at < self.end || rest.is_empty()).then_some(())
    }

    fn is_over(&self) -> bool {
        self.at == self.text.len()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The map that begins in this line.
    fn map(&mut self, depth: usize) -> Option<Node> {
        let (start, indent) = (self.at, self.indent);
        // Most have one or two, for which a vector that grows takes the memory of four.
        let mut entries = Vec::with_capacity(2);
        while !self.is_over() && self.indent == indent {
            let (key, colon) = self.key(self.at)?;
            let value = match self.text.get(colon + 1..self.end)? {
                "" => {
                    self.go(self.end)?;
                    let is_deeper = self.indent > indent && depth < DEPTH;
                    if !is_deeper || self.is_over() {
                        return None;
                    }
                    let is_list = self.text.get(self.at..)?.starts_with("- ");
                    if is_list { self.list(depth + 1)? } else { self.map(depth + 1)? }
                }
                " |-" => self.literal(indent)?,
                _ => self.last(colon + 2)?,
            };
            entries.push((key, value));
        }
        self.closed(start, indent, Value::Map(entries))
    }

    /// The list that begins in this line, of scalars or maps.
    fn list(&mut self, depth: usize) -> Option<Node> {
        let (start, indent) = (self.at, self.indent);
        let mut items = Vec::new();
        while !self.is_over() && self.indent == indent {
            self.text.get(self.at..)?.strip_prefix("- ")?;
            self.at += 2;
            items.push(if depth < DEPTH && self.key(self.at).is_some() {
                self.indent += 2;
                self.map(depth + 1)?
            } else {
                self.last(self.at)?
            });
        }
        self.closed(start, indent, Value::List(items))
    }

    /// A block collection. It ends where the next line begins, which is indented less: a deeper one
    /// would continue a scalar.
    fn closed(&self, start: usize, indent: usize, value: Value) -> Option<Node> {
        (self.is_over() || self.indent < indent).then_some(Node { span: start..self.at, value })
    }

    /// The value that ends this line.
    fn last(&mut self, at: usize) -> Option<Node> {
        let value = match self.byte(at)? {
            b'{' | b'[' => self.flow(at)?,
            _ => self.scalar(at, ScalarStyle::Block)?,
        };
        let is_last = value.span.end == self.end;
        self.go(self.end)?;
        is_last.then_some(value)
    }

    /// The lines below a key with `|-`. Empty ones at the end do not count.
    fn literal(&mut self, indent: usize) -> Option<Node> {
        let mut before = self.end + 1;
        self.go(before)?;
        let (start, own) = (self.at, self.indent);
        if own <= indent || before != start - own {
            return None;
        }
        let mut text = String::new();
        while !self.is_over() && self.indent >= own {
            let begins = self.at - self.indent;
            text.push_str(self.text.get(before..begins)?);
            text.push_str(self.text.get(begins + own..self.end)?);
            before = self.end;
            self.go(before)?;
        }
        Some(Node { span: start..self.at, value: Value::Text(text) })
    }

    /// A key, and the place of its colon.
    fn key(&self, at: usize) -> Option<(Key, usize)> {
        let (text, end) = if self.byte(at)? == b'\'' {
            self.quoted(at)?
        } else {
            let is_colon = |colon: &usize| matches!(self.byte(colon + 1), Some(b' ' | b'\n'));
            let line = self.text.as_bytes().get(at..self.end)?;
            let end = memchr::memchr_iter(b':', line).map(|colon| at + colon).find(is_colon)?;
            let text = self.text.get(at..end)?;
            let is_plain = text.starts_with(|sign: char| {
                sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '/')
            }) && !text.starts_with("...")
                && text.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || b" _./()@+-=~^<>*|&$%:".contains(&byte)
                });
            (is_plain && !text.ends_with(' ')).then_some((text.to_owned(), end))?
        };
        let has_colon = matches!(self.text.as_bytes().get(end..end + 2)?, b": " | b":\n");
        // `<<` merges another map.
        let is_key = has_colon && end - at <= LONGEST_KEY && text != "<<";
        is_key.then_some((Key { span: at..end, text }, end))
    }

    /// A scalar in single quotes, and where it ends.
    fn quoted(&self, at: usize) -> Option<(String, usize)> {
        let line = self.text.as_bytes().get(..self.end)?;
        let mut end = at + 1;
        let mut has_quotes = false;
        loop {
            end += memchr::memchr(b'\'', line.get(end..)?)? + 1;
            if line.get(end) != Some(&b'\'') {
                break;
            }
            has_quotes = true;
            end += 1;
        }
        let text = self.text.get(at + 1..end - 1)?;
        Some((if has_quotes { text.replace("''", "'") } else { text.to_owned() }, end))
    }

    fn scalar(&self, at: usize, style: ScalarStyle) -> Option<Node> {
        if self.byte(at)? == b'\'' {
            let (text, end) = self.quoted(at)?;
            return Some(Node { span: at..end, value: Value::Text(text) });
        }
        let mut text = self.text.get(at..self.end)?;
        if style == ScalarStyle::Flow {
            let ends = |byte| matches!(byte, b',' | b'[' | b']' | b'{' | b'}');
            text = text.get(..text.bytes().position(ends)?)?;
        }
        let is_plain = text.starts_with(|sign: char| {
            sign.is_ascii_alphanumeric() || "_./^~($<=+".contains(sign) || !sign.is_ascii()
        }) && !text.ends_with([' ', ':']);
        let bytes = text.as_bytes();
        let mut signs = memchr::memchr2_iter(b':', b'#', bytes);
        let ends_it = |sign| match bytes[sign] {
            b':' => bytes.get(sign + 1) == Some(&b' '),
            _ => bytes[sign - 1] == b' ',
        };
        let is_plain = is_plain && !signs.any(ends_it);
        let value = Value::Text(text.to_owned());
        is_plain.then_some(Node { span: at..at + text.len(), value })
    }

    /// A flow collection of scalars.
    fn flow(&self, start: usize) -> Option<Node> {
        let is_map = self.byte(start)? == b'{';
        let close = if is_map { b'}' } else { b']' };
        let has_entries = is_map && self.byte(start + 1)? != close;
        let (mut entries, mut items) = (Vec::with_capacity(has_entries.into()), Vec::new());
        let mut at = start + 1;
        while self.byte(at)? != close {
            if at > start + 1 {
                self.text.get(at..)?.strip_prefix(", ")?;
                at += 2;
            }
            if is_map {
                let (key, colon) = self.key(at)?;
                let value = self.scalar(colon + 2, ScalarStyle::Flow)?;
                at = value.span.end;
                entries.push((key, value));
            } else {
                let value = self.scalar(at, ScalarStyle::Flow)?;
                at = value.span.end;
                items.push(value);
            }
        }
        let value = if is_map { Value::Map(entries) } else { Value::List(items) };
        Some(Node { span: start..at + 1, value })
    }
}

/// Whether this reader accepts a text. Panics if both readers do not give the same tree of it.
#[cfg(any(fuzzing, test))]
pub(super) fn is_certain(text: &str) -> bool {
    let Some(root) = document(text) else { return false };
    let documents = crate::formats::yaml::documents(text);
    assert_eq!(documents.as_deref(), Ok(std::slice::from_ref(&root)), "{text}");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// Every form that pnpm writes.
    const ALL: &str = "\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

overrides:
  a@>=1 <2: '>=2'

ignoredOptionalDependencies:
  - b
  - '@s/c'

importers:

  .: {}

  ../x/y:
    dependencies:
      '@s/c':
        specifier: ^1.0.0 || ~2
        version: 1.0.1(b@2.0.0)

packages:

  '@s/c@1.0.1':
    resolution: {integrity: sha512-a/b+c==, tarball: https://h.example/c.tgz}
    engines: {node: '>=12', npm: ^1 || ^2}
    cpu: [x64, '!arm']
    hasBin: true
    deprecated: |-
      It''s \u{1f6a8} # old

        : deeper
      end

  b@2.0.0:
    deprecated: 'don''t: use'
    resolution:
      type: variations
      variants:
        - resolution:
            type: binary
          targets:
            - os: linux
              cpu: x64

snapshots:

  '@s/c@1.0.1(b@2.0.0)':
    dependencies:
      b: 2.0.0
    transitivePeerDependencies:
      - supports-color

  b@2.0.0: {}
";

    #[test]
    fn what_pnpm_writes_is_read() {
        let workspace = include_str!("../../../tests/facts/lockfile_workspace.yaml");
        let image = include_str!("../../../tests/facts/lockfile_image.yaml");
        for text in [ALL, workspace, image, "a: b\n", "  a:\n\n    - b\n"] {
            assert!(is_certain(text), "{text}");
        }
        for length in [1020, 1021, 1022, 1023, 1024, 1025] {
            let key = "k".repeat(length);
            assert_eq!(is_certain(&format!("{key}: {{{key}: 1}}\n")), length <= 1024, "{length}");
            assert_eq!(is_certain(&format!("'{key}': 1\n")), length <= 1022, "{length}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_parser() {
        for text in [
            "",
            "\n",
            "a",
            "a\n",
            "a: b",
            "- a\n",
            "a:\n",
            "a:\nb: c\n",
            "a: \n",
            "a:  b\n",
            "a: b \n",
            "a: b\r\n",
            "a:\tb\n",
            "# c\na: b\n",
            "a: b # c\n",
            "a: b: c\n",
            "a: b:\n",
            "a : b\n",
            "a: &x b\n",
            "a: *x\n",
            "a: !x b\n",
            "a: \"b\"\n",
            "a: |\n  b\n",
            "a: >-\n  b\n",
            "a: |-\nb: c\n",
            "a: |-\n\n  b\n",
            "a: |-\n  b\n \n  c\n",
            "a: |-\n   b\n  c\n",
            "a: b\n  c\n",
            "a:\n  - b\n    c\n",
            "a:\n- b\n",
            "a:\n  b: c\n d: e\n",
            "a:\n  - b\n  c: d\n",
            "a: 'b\n  c'\n",
            "a: 'b'c\n",
            "a: 'b\n",
            "'a' : b\n",
            "'a':b\n",
            "a: {b: c}d\n",
            "a: {b: {}}\n",
            "a: [b\n",
            "a: {b: c, }\n",
            "a: [b,c]\n",
            "a: {b: c:}\n",
            "a: {b}\n",
            "a: [b: c]\n",
            "? a\n: b\n",
            "<<: {a: b}\n",
            "'<<': {a: b}\n",
            "---\na: b\n",
            "a: b\n---\n",
            "a: b\n...\n",
            "...: b\n",
            "%YAML 1.2\n---\na: b\n",
            "a: \u{85}b\n",
            "a: b\u{2028}\n",
            "\u{feff}a: b\n",
        ] {
            assert!(!is_certain(text), "{text:?}");
        }
        let deep = |levels: usize| -> String {
            (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect()
        };
        let with_end = |levels| format!("{}{}b: c\n", deep(levels), " ".repeat(levels));
        assert!(is_certain(&with_end(DEPTH)) && !is_certain(&with_end(DEPTH + 1)));
        assert!(!is_certain(&with_end(5000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn parts_of_lines_are_read_alike(parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b", "a: ", "b:", ": ", ":", "\n", "\n", "\n", "\n  ", "\n  ", "\n    ", " ",
                "- ", "'", "''", "\"", "{", "}", "{}", "[", "]", ", ", ",", "|-", "|-\n", "#", " #",
                "<<", "..", "---", "&a", "*a", "!", "~", "?", "%", "\u{e9}", "1.0.0(b@2)", "@s/c",
                "'@s/c':",
            ]),
            1..24,
        )) {
            is_certain(&format!("{}\n", parts.concat()));
        }

        #[test]
        fn a_lockfile_with_edits_is_read_alike(edits in prop::collection::vec(
            (0..ALL.len(), 0..6_usize, prop::sample::select(vec![
                "", " ", "  ", "\n", "\n\n", ":", ": ", "'", "-", "- ", "#", "{", "}", "[", "]",
                ",", "a", "|", "&", "*", "!", "\"", "<<", "...", "---", "\t",
            ])),
            0..4,
        )) {
            let mut text = ALL.to_owned();
            for (at, removed, inserted) in edits {
                let end = at + removed;
                if text.is_char_boundary(at) && text.is_char_boundary(end) && end <= text.len() {
                    text.replace_range(at..end, inserted);
                }
            }
            is_certain(&text);
        }
    }
}
