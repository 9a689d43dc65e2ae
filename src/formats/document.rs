//! A document as a tree of values with spans, independent of its syntax.

use crate::base::finding::Span;

/// The syntax of a manifest or of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// RFC 8259, as `JSON.parse` accepts it.
    Json,
    /// JSON5: comments, trailing commas, bare keys, single quotes.
    Json5,
    /// JSON with comments and trailing commas, as editors accept it.
    Jsonc,
    /// YAML 1.2, with the merge keys of 1.1.
    Yaml,
    /// TOML 1.1.
    Toml,
    /// The literal subset of HCL: every other expression is [`Value::Other`].
    Hcl,
    ToolVersions,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Includes quotes.
    pub span: Span,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A string without its escapes. Every YAML scalar is one, also `true` and `1`.
    Text(String),
    /// An object or mapping in the order of the file. Duplicate keys are kept: package managers
    /// take the last, the guard judges all.
    Map(Vec<(Key, Node)>),
    /// An array or sequence.
    List(Vec<Node>),
    /// A JSON number, boolean or null.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// Includes quotes.
    pub span: Span,
    /// The key without its escapes.
    pub text: String,
}

impl Node {
    /// The entries of a map; empty for other values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Key, &Node)> {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key, node))
    }

    /// The values of a list; empty for other values.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// Every value of this key: a key may be duplicated.
    pub(crate) fn get<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Node> {
        self.entries().filter(move |(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// The last value of this key: the one that package managers take.
    pub(crate) fn last<'a>(&'a self, key: &'a str) -> Option<&'a Node> {
        self.get(key).last()
    }

    /// Moves every span of the document.
    pub(super) fn shift(&mut self, by: usize) {
        self.span = shifted(&self.span, by);
        match &mut self.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    key.span = shifted(&key.span, by);
                    node.shift(by);
                }
            }
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.shift(by)),
            Value::Text(_) | Value::Other => {}
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A span moved by so many bytes.
pub(super) fn shifted(span: &Span, by: usize) -> Span {
    span.start + by..span.end + by
}

/// Why a text does not parse, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub span: Span,
    /// May quote the file.
    pub message: String,
}
