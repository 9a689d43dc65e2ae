//! Escapes bytes from a repository for printing.
//!
//! Paths, values and source lines are hostile: they may contain terminal escapes, newlines or
//! bidirectional controls. Everything printed passes through [`Escaped`].

use std::fmt::{self, Display, Write};

/// Displays bytes as text with escapes for control characters, bidirectional controls, invisible
/// characters, and bytes that are not UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Escaped<'a>(pub &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = &mut Defused { out, hashes: 0 };
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                write_escaped(character, out)?;
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Escapes the second `#` of `##[command]` and `##vso[command]`, which the runners of GitHub and
/// Azure obey anywhere in a line.
struct Defused<'a, W> {
    out: &'a mut W,
    hashes: usize,
}

impl<W: Write> Write for Defused<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.hashes = if character == '#' { self.hashes + 1 } else { 0 };
        if self.hashes == 2 {
            self.hashes = 0;
            return self.out.write_str("\\u{0023}");
        }
        self.out.write_char(character)
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal digits; `None` if any is not one, or one is left over.
pub(crate) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_chunks::<2>();
    pairs
        .iter()
        .map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect::<Option<_>>()
        .filter(|_| rest.is_empty())
}

/// Characters as [`Escaped`] writes them.
pub(crate) fn escaped(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    let mut out = Defused { out: &mut text, hashes: 0 };
    for character in characters {
        // Writing to a string cannot fail.
        let _ = write_escaped(character, &mut out);
    }
    text
}

/// Escapes `::command`, which the runner of GitHub obeys at the start of a line, indented or not.
/// For text from a repository that begins a line of output.
pub(crate) fn no_command(line: String) -> String {
    let Some(rest) = line.trim_start().strip_prefix("::") else { return line };
    let indent: String = line.chars().take_while(|character| character.is_whitespace()).collect();
    format!("{indent}\\u{{003a}}:{rest}")
}

fn write_escaped(character: char, out: &mut impl Write) -> fmt::Result {
    match character {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        _ if is_unsafe(character) => write!(out, "\\u{{{:04x}}}", u32::from(character)),
        _ => out.write_char(character),
    }
}

/// Whether printing this character can move the cursor, hide text or change its order.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{feff}'
            // Invisible joiners and fillers of scripts.
            | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Zero width, left-to-right and right-to-left marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Invisible operators and isolates.
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{fffb}'
            // Tag characters (invisible ASCII), variation selectors, and the rest of the ignorable
            // plane.
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{Escaped, escaped, no_command};

    #[test]
    fn no_line_is_a_command() {
        for (line, shown) in [
            ("::error::x", "\\u{003a}:error::x"),
            (" \t\u{a0}::set-output name=c::d", " \t\u{a0}\\u{003a}:set-output name=c::d"),
            ("\u{2003}é::error::x", "\u{2003}é::error::x"),
            ("\u{2003}::é", "\u{2003}\\u{003a}:é"),
            ("a::b", "a::b"),
            (":", ":"),
            ("", ""),
        ] {
            assert_eq!(no_command(line.to_owned()), shown);
        }
    }

    #[test]
    fn no_runner_obeys_escaped_text() {
        for text in ["##[add-mask]x", "a ##vso[task.setvariable]", "####[x", "###[x"] {
            let shown = Escaped(text.as_bytes()).to_string();
            assert!(!shown.contains("##"), "{shown}");
            assert_eq!(escaped(text.chars()), shown);
        }
        assert_eq!(Escaped(b"# a #[b]").to_string(), "# a #[b]");
    }

    #[test]
    fn plain_text_is_untouched() {
        assert_eq!(
            Escaped("päckages/日本/ui.json".as_bytes()).to_string(),
            "päckages/日本/ui.json"
        );
    }

    #[test]
    fn characters_that_act_on_a_terminal_are_escaped() {
        for (hostile, shown) in [
            (&b"a\nb\tc\r"[..], "a\\nb\\tc\\r"),
            (b"\x1b[2Jgone", "\\u{001b}[2Jgone"),
            (b"\x9b31m", "\\x9b31m"),
            ("\u{9b}31m".as_bytes(), "\\u{009b}31m"),
            ("\u{202e}nosj.egakcap".as_bytes(), "\\u{202e}nosj.egakcap"),
            ("a\u{200b}b".as_bytes(), "a\\u{200b}b"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("\u{e0041}\u{e01ef}".as_bytes(), "\\u{e0041}\\u{e01ef}"),
            ("a\u{3164}\u{34f}b".as_bytes(), "a\\u{3164}\\u{034f}b"),
        ] {
            assert_eq!(Escaped(hostile).to_string(), shown);
        }
    }
}
