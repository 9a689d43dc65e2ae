//! Assertions of the targets, and how they split their input.

use std::ops::Range;

use crate::base::escape::is_unsafe;

/// Panics unless a span is in a text of this length.
pub(super) fn within(span: &Range<usize>, length: usize) {
    assert!(span.start <= span.end && span.end <= length, "{span:?} in a text of {length} bytes");
}

/// Panics if a text has characters that a terminal acts on, except line feeds, or commands of a
/// runner.
pub(super) fn safe(text: &str) {
    for sign in ["##[", "##vso["] {
        assert!(!text.contains(sign), "{text:?}");
    }
    if let Some(found) = text.chars().find(|character| is_unsafe(*character) && *character != '\n')
    {
        panic!("{found:?} in {text:?}");
    }
}

/// Parses JSON that must be safe to print.
pub(super) fn json(text: &str) -> serde_json::Value {
    safe(text);
    serde_json::from_str(text).expect("valid JSON")
}

/// The first line of an input and the rest, for targets with two inputs.
pub(super) fn split_input(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, b""),
    }
}
