//! The checksums that pnpm writes into a lockfile.

use sha2::{Digest, Sha256};

use crate::base::escape::to_hex;
use crate::formats::document::{Node, Value};
use crate::formats::lockfile::is_plain;

/// The hash of a patch, in hexadecimal.
pub(super) fn patch(text: &[u8]) -> String {
    to_hex(&Sha256::digest(with_line_feeds(text)))
}

/// The checksum of a file of hooks.
pub(super) fn hooks(text: &[u8]) -> String {
    checksum(&with_line_feeds(text))
}

/// The checksum of `packageExtensions`; `None` if it is not known how pnpm computes it. pnpm
/// serializes the value as the `object-hash` package does.
pub(super) fn extensions(node: &Node, text: &[u8]) -> Option<String> {
    let mut serialized = String::new();
    serialize(node, text, &mut serialized)?;
    Some(checksum(serialized.as_bytes()))
}

fn checksum(bytes: &[u8]) -> String {
    format!("sha256-{}", base64(&Sha256::digest(bytes)))
}

/// pnpm hashes files as if they had Unix line ends.
fn with_line_feeds(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        if !(*byte == b'\r' && text.get(at + 1) == Some(&b'\n')) {
            found.push(*byte);
        }
    }
    found
}

fn serialize(node: &Node, text: &[u8], out: &mut String) -> Option<()> {
    match &node.value {
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.text.encode_utf16().cmp(b.text.encode_utf16()));
            *out += &format!("object:{}:", entries.len());
            for (key, node) in entries {
                string(&key.text, out);
                out.push(':');
                serialize(node, text, out)?;
                out.push(',');
            }
            Some(())
        }
        Value::Text(value) => match literal(node, text) {
            Some("true" | "false") => {
                *out += &format!("bool:{value}");
                Some(())
            }
            // Numbers are written as JavaScript prints them.
            Some(_) => None,
            None => {
                string(value, out);
                Some(())
            }
        },
        Value::Other => match literal(node, text)? {
            value @ ("true" | "false") => {
                *out += &format!("bool:{value}");
                Some(())
            }
            _ => None,
        },
        // Lists are sorted by the hashes of their items.
        Value::List(_) => None,
    }
}

/// The length is in UTF-16, as in JavaScript.
fn string(value: &str, out: &mut String) {
    *out += &format!("string:{}:{value}", value.encode_utf16().count());
}

/// The source of a scalar that is no string: a boolean, a number or null.
pub(super) fn literal<'t>(node: &Node, text: &'t [u8]) -> Option<&'t str> {
    let source = std::str::from_utf8(text.get(node.span.clone())?).ok()?;
    let is_literal =
        || matches!(source, "true" | "false" | "null" | "~" | "") || source.parse::<f64>().is_ok();
    match node.value {
        Value::Text(_) => (is_plain(text, &node.span) && is_literal()).then_some(source),
        Value::Other => Some(source),
        Value::Map(_) | Value::List(_) => None,
    }
}

/// A value in a form in which equal values are equal texts, in any syntax and order.
pub(super) fn canonical(node: &Node, text: &[u8]) -> String {
    match &node.value {
        Value::Map(entries) => {
            let mut parts: Vec<String> = entries
                .iter()
                .map(|(key, node)| format!("{:?}:{}", key.text, canonical(node, text)))
                .collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| canonical(item, text)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Text(value) => {
            literal(node, text).map_or_else(|| format!("{value:?}"), str::to_owned)
        }
        Value::Other => literal(node, text).unwrap_or_default().to_owned(),
    }
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sign = SIGNS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    #[test]
    fn checksums_are_those_of_pnpm() {
        // Of the base state `rich` in tests/facts/lockfile.json.
        let text = b"lk-third-d@1: {dependencies: {lk-third-b: ^1.0.0}}";
        let node = parse(Syntax::Yaml, text).unwrap();
        let expected = "sha256-euuOMnC2Wt+y7dki2JUwtQB8+lKsReGoNd6t6BNB+tM=";
        assert_eq!(extensions(&node, text).as_deref(), Some(expected));
        let list = parse(Syntax::Yaml, b"a: {b: [c]}").unwrap();
        assert_eq!(extensions(&list, b"a: {b: [c]}"), None);
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fooba"), "Zm9vYmE=");
        assert_eq!(patch(b"a\r\n"), patch(b"a\n"));
        assert_ne!(patch(b"a\r"), patch(b"a"));
    }

    #[test]
    fn equal_values_have_equal_forms() {
        let form = |syntax, text: &str| {
            canonical(&parse(syntax, text.as_bytes()).unwrap(), text.as_bytes())
        };
        let json = form(Syntax::Json, r#"{"a": {"injected": true}, "b": "true"}"#);
        assert_eq!(json, form(Syntax::Yaml, "b: 'true'\na: {injected: true}\n"));
        assert_ne!(json, form(Syntax::Yaml, "b: true\na: {injected: true}\n"));
    }
}
