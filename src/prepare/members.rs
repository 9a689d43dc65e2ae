//! Adds members to JSON objects, in the layout of the file.

use crate::base::edit::Edit;
use crate::base::finding::line_around;
use crate::base::path::RepoPath;
use crate::edit;
use crate::formats::document::{Key, Node, Value};

/// The members to add to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Added {
    Text(String),
    Object(Vec<(String, Added)>),
}

impl Added {
    pub(super) fn object(entries: &[(String, String)]) -> Self {
        let text = |(key, text): &(String, String)| (key.clone(), Self::Text(text.clone()));
        Self::Object(entries.iter().map(text).collect())
    }
}

/// Edits of a text. Each is made in the tree of the text as well, so that the tree is what the
/// result must be read as.
pub(super) struct ObjectEdits<'t> {
    text: &'t [u8],
    line_end: &'static str,
    /// The indentation of a level; `None` if the members of the root follow on its own line.
    unit: Option<String>,
    made: Vec<Edit>,
}

impl<'t> ObjectEdits<'t> {
    pub(super) fn new(text: &'t [u8], root: &Node) -> Self {
        let line_end = edit::line_end(text);
        let mut new = Self { text, line_end, unit: None, made: Vec::new() };
        let is_empty = root.entries().next().is_none();
        let has_lines = text.get(root.span.clone()).is_some_and(|root| root.contains(&b'\n'));
        new.unit = match new.indent(root) {
            None if is_empty && has_lines => Some("  ".to_owned()),
            unit => unit,
        };
        new
    }

    /// The text with all edits; `None` if two overlap.
    pub(super) fn apply(&self) -> Option<Vec<u8>> {
        edit::apply(self.text, self.made.iter().collect())
    }

    /// Makes a value this string.
    pub(super) fn set(&mut self, node: &mut Node, text: &str) {
        if node.text() != Some(text) {
            self.replace(node.span.start, node.span.end, literal(text));
            node.value = Value::Text(text.to_owned());
        }
    }

    /// Adds members at the end of an object. At most once for each object, before it is changed.
    pub(super) fn append(&mut self, object: &mut Node, entries: &[(String, Added)]) {
        if entries.is_empty() {
            return;
        }
        let last = object.entries().last().map(|(_, node)| node.span.end);
        let indent = match last {
            Some(_) => self.indent(object),
            None => self.unit.as_ref().map(|unit| self.line_indent(object.span.start) + unit),
        };
        let members = self.members(entries, indent.as_deref());
        match last {
            Some(end) => self.replace(end, end, format!(",{members}")),
            None => {
                let close = self.close(indent.map(|_| self.line_indent(object.span.start)));
                self.replace(object.span.start, object.span.end, format!("{{{members}{close}"));
            }
        }
        if let Value::Map(members) = &mut object.value {
            members.extend(entries.iter().map(node));
        }
    }

    fn replace(&mut self, start: usize, end: usize, text: String) {
        self.made.push(Edit { path: RepoPath::default(), span: start..end, text });
    }

    /// The indentation of the members of an object; `None` if the first is on the brace's line.
    fn indent(&self, object: &Node) -> Option<String> {
        let (first, _) = object.entries().next()?;
        let (last, _) = object.entries().last()?;
        let before = self.text.get(object.span.start..first.span.start)?;
        before.contains(&b'\n').then_some(())?;
        // Of the last member, unless something else is before it on its line.
        let own = |at: usize| {
            let line = self.text.get(line_around(self.text, at).start..at)?;
            line.iter().all(u8::is_ascii_whitespace).then(|| self.line_indent(at))
        };
        own(last.span.start).or_else(|| own(first.span.start))
    }

    /// The white space at the start of a line.
    fn line_indent(&self, at: usize) -> String {
        let line = self.text.get(line_around(self.text, at)).unwrap_or_default();
        let blank = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        blank.map(|byte| char::from(*byte)).collect()
    }

    fn close(&self, indent: Option<String>) -> String {
        indent.map_or("}".to_owned(), |indent| format!("{}{indent}}}", self.line_end))
    }

    /// Members with commas between them: each on a line with this indentation, or all on one line.
    fn members(&self, entries: &[(String, Added)], indent: Option<&str>) -> String {
        let member = |(key, added): &(String, Added)| {
            let value = match added {
                Added::Text(text) => literal(text),
                Added::Object(entries) => {
                    let inner = indent
                        .zip(self.unit.as_ref())
                        .map(|(outer, unit)| format!("{outer}{unit}"));
                    let close = self.close(inner.as_ref().and(indent).map(str::to_owned));
                    format!("{{{}{close}", self.members(entries, inner.as_deref()))
                }
            };
            match indent {
                Some(indent) => format!("{}{indent}{}: {value}", self.line_end, literal(key)),
                None => format!("{}:{value}", literal(key)),
            }
        };
        entries.iter().map(member).collect::<Vec<_>>().join(",")
    }
}

/// A string of JSON, which is one of YAML as well.
pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The member as a part of a tree. It has no place in the text.
fn node((key, added): &(String, Added)) -> (Key, Node) {
    let value = match added {
        Added::Text(text) => Value::Text(text.clone()),
        Added::Object(entries) => Value::Map(entries.iter().map(node).collect()),
    };
    (Key { span: 0..0, text: key.clone() }, Node { span: 0..0, value })
}
