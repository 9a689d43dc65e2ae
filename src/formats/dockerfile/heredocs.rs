//! The here-documents that a line of a Dockerfile opens.

use std::ops::Range;

use crate::formats::dockerfile::blanks::{blank, leading};
use crate::formats::shell::unquoted;

/// A here-document whose body follows.
pub(super) struct Expected {
    /// `<<NAME` in the text of the instruction.
    pub word: Range<usize>,
    /// The delimiter: the line that ends the body.
    pub name: Vec<u8>,
    /// Whether leading tabs are ignored when a line is compared with `name`.
    pub strip_tabs: bool,
}

/// The here-documents that a line opens: words such as `<<EOF`, `0<<-"EOF"`, `<< EOF`. `None` if a
/// quote is not closed or an expansion is invalid: then BuildKit finds none.
pub(super) fn heredocs(bytes: &[u8], range: Range<usize>) -> Option<Vec<Expected>> {
    let mut expected = Vec::new();
    let mut at = range.start;
    // `<< NAME` is one word.
    let mut apart: Option<usize> = None;
    loop {
        at += leading(&bytes[at..range.end]);
        if at == range.end {
            return Some(expected);
        }
        let word = at..heredoc_word_end(bytes, at..range.end)?;
        at = word.end;
        let start = apart.take();
        let digits = bytes[word.clone()].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let name = match start {
            Some(_) => &bytes[word.clone()],
            None => match bytes[word.start + digits..word.end].strip_prefix(b"<<") {
                Some(b"") => {
                    apart = Some(word.start);
                    continue;
                }
                Some(b"-") | None => continue,
                Some(name) => name,
            },
        };
        let strip_tabs = start.is_none() && name.starts_with(b"-");
        let name = &name[usize::from(strip_tabs)..];
        let unquoted = unquoted(name);
        if !unquoted.is_empty() && !name.contains(&b'<') {
            expected.push(Expected {
                word: start.unwrap_or(word.start)..word.end,
                name: unquoted,
                strip_tabs,
            });
        }
    }
}

/// The end of a word; `None` if a quote is not closed or an expansion is invalid.
fn heredoc_word_end(bytes: &[u8], range: Range<usize>) -> Option<usize> {
    let mut at = range.start;
    let find =
        |from: usize, wanted: u8| bytes[from..range.end].iter().position(|byte| *byte == wanted);
    while at < range.end {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' => at += 1 + find(at + 1, b'\'')?,
            b'"' => {
                at += 1;
                while *bytes[..range.end].get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'$' if bytes[..range.end].get(at + 1) == Some(&b'{') => {
                let name = bytes[at + 2..range.end]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
                let name = at + 2 + name.count();
                let ends = bytes[..range.end].get(name)?;
                if name == at + 2 || !b"}:-+?#%/".contains(ends) {
                    return None;
                }
                at = name + find(name, b'}')?;
            }
            _ if blank(&bytes[at..range.end]).is_some() => return Some(at),
            _ => {}
        }
        at += 1;
    }
    Some(range.end)
}
