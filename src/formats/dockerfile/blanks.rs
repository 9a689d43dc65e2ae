//! Blanks, as BuildKit finds them.

/// The length of the blanks at the start of a line.
pub(super) fn leading(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = blank(&line[at..]) {
        at += length;
    }
    at
}

/// The length of the blank character at the start of a text. Unicode blanks count.
pub(super) fn blank(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    if first.is_ascii() {
        return (first.is_ascii_whitespace() || first == 0x0b).then_some(1);
    }
    let character = text[..text.len().min(4)].utf8_chunks().next()?.valid().chars().next()?;
    character.is_whitespace().then(|| character.len_utf8())
}
