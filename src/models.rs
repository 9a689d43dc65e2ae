//! Typed views of configuration files, each value with its place. Nothing is judged here.
//!
//! A value that cannot be parsed or understood is absent; nothing fails. There are only the fields
//! that a caller reads.

pub(crate) mod image;
pub(crate) mod dockerfile;
pub(crate) mod workspace;
pub(crate) mod manifest;
pub(crate) mod sources;
pub(crate) mod workflow;
pub(crate) mod compose;
pub(crate) mod bake;
pub(crate) mod gitlab;
pub(crate) mod devcontainer;

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};

/// A value that should be a string.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// The bytes of the value in the file, quotes included.
    pub span: Span,
    text: Option<String>,
}

impl Scalar {
    pub(crate) fn parse(node: &Node) -> Self {
        Self { span: node.span.clone(), text: node.text().map(str::to_owned) }
    }

    /// The string without escapes; `None` for any other type.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

/// The entries of a map of strings in the order of the file, duplicate keys included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StringMap(Vec<(String, Scalar)>);

impl StringMap {
    /// The entries of a map; none for any other type.
    fn parse(map: &Node) -> Self {
        Self(map.entries().map(|(key, node)| (key.text.clone(), Scalar::parse(node))).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The last value of this key, which is the one that tools use.
    pub(crate) fn last(&self, key: &str) -> Option<&Scalar> {
        self.0.iter().rfind(|(found, _)| found == key).map(|(_, value)| value)
    }

    /// The last value of this key, if it is a string.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.last(key).and_then(Scalar::text)
    }
}

/// The last string of this key.
fn scalar(node: &Node, key: &str) -> Option<Scalar> {
    node.last(key).map(Scalar::parse)
}

/// The last map of this key; empty if it is missing.
fn string_map(node: &Node, key: &str) -> StringMap {
    node.last(key).map(StringMap::parse).unwrap_or_default()
}

/// The last value of this key; of a map that has `inner`, the value of that.
fn nested<'n>(node: &'n Node, key: &'n str, inner: &'n str) -> Option<&'n Node> {
    node.last(key).map(|value| value.last(inner).unwrap_or(value))
}

/// A command of a container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Invocation {
    /// A string for a shell.
    Shell(Scalar),
    /// A program and its arguments.
    Exec(Vec<Scalar>),
}

impl Invocation {
    fn parse(node: &Node) -> Self {
        match &node.value {
            Value::List(words) => Self::Exec(words.iter().map(Scalar::parse).collect()),
            _ => Self::Shell(Scalar::parse(node)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    /// The root of a YAML document.
    pub(super) fn yaml(text: &str) -> Node {
        parse(Syntax::Yaml, text.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_keeps_its_place_and_duplicates_are_kept() {
        let text = r#"{"a": "x", "b": 1, "a": "\u00e9"}"#;
        let strings = StringMap::parse(&parse(Syntax::Json, text.as_bytes()).unwrap());
        let shown: Vec<_> = strings
            .iter()
            .map(|(key, value)| (key, value.text(), text.get(value.span.clone()).unwrap()))
            .collect();
        assert_eq!(
            shown,
            [("a", Some("x"), "\"x\""), ("b", None, "1"), ("a", Some("é"), "\"\\u00e9\"")]
        );
        assert_eq!(
            (strings.text("a"), strings.text("b"), strings.last("c")),
            (Some("é"), None, None)
        );
        assert_eq!(StringMap::parse(&parse(Syntax::Json, b"[1]").unwrap()), StringMap::default());
    }
}
