//! Making bytes from a repository safe to print.
//!
//! Paths, values and source lines are hostile: they may hold terminal escapes, newlines, or characters that turn the
//! reading direction. Everything printed passes through [`Escaped`].

use std::fmt::{self, Display, Write};

/// Bytes shown as text, with everything that could act on a terminal or mislead a reader written as an escape:
/// control characters, bidirectional controls, invisible characters, and bytes that are not UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// Writes one character, or its escape where the character itself is not safe to print.
pub fn write_escaped(character: char, out: &mut impl Write) -> fmt::Result {
    match character {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        _ if is_unsafe(character) => write!(out, "\\u{{{:04x}}}", u32::from(character)),
        _ => out.write_char(character),
    }
}

/// Whether printing this character can move the cursor, hide text or change its order.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            // Zero width, left-to-right and right-to-left marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Invisible operators and isolates.
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            // Tag characters: invisible ASCII.
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn plain_text_is_untouched() {
        assert_eq!(Escaped("päckages/日本/ui.json".as_bytes()).to_string(), "päckages/日本/ui.json");
    }

    #[test]
    fn what_could_act_on_a_terminal_is_spelled_out() {
        for (hostile, shown) in [
            (&b"a\nb\tc\r"[..], "a\\nb\\tc\\r"),
            (b"\x1b[2Jgone", "\\u{001b}[2Jgone"),
            (b"\x9b31m", "\\x9b31m"),
            ("\u{9b}31m".as_bytes(), "\\u{009b}31m"),
            ("\u{202e}nosj.egakcap".as_bytes(), "\\u{202e}nosj.egakcap"),
            ("a\u{200b}b".as_bytes(), "a\\u{200b}b"),
            (b"\xff\xfe", "\\xff\\xfe"),
        ] {
            assert_eq!(Escaped(hostile).to_string(), shown);
        }
    }
}
