//! A document as a tree whose every value knows its place, whatever syntax it was written in.

use crate::base::finding::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The bytes of the value in the file, quotes included.
    pub span: Span,
    pub value: Value,
}

/// The kinds of value that a manifest is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A string, its escapes undone. A YAML scalar is one, whatever a schema would make of it.
    Text(String),
    /// An object or mapping in the file's order. A key that occurs twice is here twice: the package
    /// managers take the last, a guard looks at all.
    Map(Vec<(Key, Node)>),
    /// An array or sequence.
    List(Vec<Node>),
    /// A JSON number, boolean or null.
    Other,
}

/// The key of an entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// The bytes of the key in the file, quotes included.
    pub span: Span,
    /// The key, its escapes undone.
    pub text: String,
}

impl Node {
    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Key, &Node)> {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key, node))
    }

    /// The values of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// Every value of this key: more than one where the key is duplicated.
    pub(crate) fn get<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Node> {
        self.entries().filter(move |(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// The last value of this key: the one that the tools take.
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

    /// The string, if it is one.
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

/// Why a text is not a document of its syntax, and where that showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Where parsing stopped.
    pub span: Span,
    /// What was wrong there. It may quote the file.
    pub message: String,
}
