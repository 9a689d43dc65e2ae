//! Undoes the rewriting of a file that was edited since: value by value, by the keys that lead to
//! it. Texts are never merged, so a formatter or a package manager may have written it anew.

use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::edit;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::restore::Restored;
use crate::restore::layout::{emptied, located, removals};

/// `now` with every value that still is as in `new` as it is in `old`, and without the keys that
/// only `new` has. A value that is neither stays, and is named. `None` if one of the texts is not a
/// map, or more would change.
pub(crate) fn undo(syntax: Syntax, (old, new): (&[u8], &[u8]), now: &[u8]) -> Option<Restored> {
    let parse = |text| {
        let root = formats::parse(syntax, text).ok();
        root.filter(|root| matches!(root.value, Value::Map(_)))
    };
    let roots = (parse(old)?, parse(new)?, parse(now)?);
    let mut undoing = Undoing {
        syntax,
        texts: (old, new, now),
        keys: Vec::new(),
        edits: Vec::new(),
        left: Vec::new(),
    };
    let expected = undoing.value(Some(&roots.0), &roots.1, &roots.2)?;
    let text = edit::apply(now, undoing.edits.iter().collect())?;
    if plain(&parse(&text)?, &text) != expected {
        return None;
    }
    let left = located(undoing.edits, undoing.left, &text);
    Some(Restored::new(text, left))
}

/// A value without its place. A number is as it is written.
#[derive(Debug, Clone, PartialEq)]
enum Plain<'a> {
    Text(&'a str),
    Map(Vec<(&'a str, Plain<'a>)>),
    List(Vec<Plain<'a>>),
    Other(&'a [u8]),
}

fn plain<'a>(node: &'a Node, text: &'a [u8]) -> Plain<'a> {
    match &node.value {
        Value::Text(text) => Plain::Text(text),
        Value::Map(entries) => {
            Plain::Map(entries.iter().map(|(key, node)| (&*key.text, plain(node, text))).collect())
        }
        Value::List(nodes) => Plain::List(nodes.iter().map(|node| plain(node, text)).collect()),
        Value::Other => Plain::Other(text.get(node.span.clone()).unwrap_or_default()),
    }
}

/// A walk over three versions of a file at once.
struct Undoing<'a> {
    syntax: Syntax,
    /// The old text, the one that replaced it, and the present one.
    texts: (&'a [u8], &'a [u8], &'a [u8]),
    keys: Vec<&'a str>,
    edits: Vec<Edit>,
    left: Vec<(Span, String)>,
}

impl<'a> Undoing<'a> {
    /// The value as it is to be; `None` if its key is to be removed.
    fn value(&mut self, old: Option<&'a Node>, new: &'a Node, now: &'a Node) -> Option<Plain<'a>> {
        let is_map = |node: &Node| matches!(node.value, Value::Map(_));
        let before = old.map(|old| plain(old, self.texts.0));
        let (written, present) = (plain(new, self.texts.1), plain(now, self.texts.2));
        if before.as_ref() == Some(&written) || before.as_ref() == Some(&present) {
            return Some(present);
        }
        if is_map(new) && is_map(now) && old.is_none_or(is_map) {
            return self.map(old, new, now);
        }
        match (written == present, old.zip(before)) {
            (true, None) => None,
            (true, Some((old, before))) if self.put_back(old, now) => Some(before),
            _ => {
                let keys = Escaped(self.keys.join(" > ").as_bytes()).to_string();
                let reason = "it was changed since the preparation, and stays as it is";
                self.left.push((now.span.clone(), format!("{keys}: {reason}")));
                Some(present)
            }
        }
    }

    /// Writes an old value in place of a present one; returns whether that is possible: the lines
    /// of a block of YAML depend on its indentation.
    fn put_back(&mut self, old: &Node, now: &Node) -> bool {
        let literal = self.texts.0.get(old.span.clone()).unwrap_or_default();
        let Ok(literal) = std::str::from_utf8(literal) else { return false };
        let literal = match old.text() {
            _ if self.syntax == Syntax::Json => literal.to_owned(),
            Some(text) if literal.contains('\n') => serde_json::json!(text).to_string(),
            _ if literal.contains('\n') => return false,
            _ => literal.to_owned(),
        };
        self.replace(now.span.clone(), literal);
        true
    }

    fn map(&mut self, old: Option<&'a Node>, new: &'a Node, now: &'a Node) -> Option<Plain<'a>> {
        let entries: Vec<_> = now.entries().collect();
        let (mut kept, mut removed) = (Vec::new(), Vec::new());
        for (at, (key, node)) in entries.iter().enumerate() {
            // Of a key that occurs several times, the last one counts, and a formatter keeps it.
            let later = entries.iter().skip(at + 1).filter(|(other, _)| other.text == key.text);
            let later = later.count();
            let same = |map: &'a Node| {
                let nodes: Vec<&'a Node> = map.get(&key.text).collect();
                nodes.into_iter().rev().nth(later)
            };
            self.keys.push(&key.text);
            let value = match same(new) {
                Some(written) => self.value(old.and_then(same), written, node),
                None => Some(plain(node, self.texts.2)),
            };
            self.keys.pop();
            match value {
                Some(value) => kept.push((&*key.text, value)),
                None => removed.push(at),
            }
        }
        if kept.is_empty() && old.is_none() {
            return None;
        }
        if kept.is_empty() && !removed.is_empty() {
            let literal = old.filter(|old| old.entries().next().is_none());
            let literal = literal.and_then(|old| self.texts.0.get(old.span.clone()));
            let literal = literal.and_then(|literal| std::str::from_utf8(literal).ok());
            let (span, text) = emptied(self.texts.2, now, literal, self.keys.is_empty());
            self.replace(span, text);
        } else {
            for span in removals(self.texts.2, now, &removed) {
                self.replace(span, String::new());
            }
        }
        Some(Plain::Map(kept))
    }

    fn replace(&mut self, span: Span, text: String) {
        self.edits.push(Edit { path: RepoPath::default(), span, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, and why values stay. `A` in texts stands for what a preparation writes.
    fn undone(syntax: Syntax, old: &str, new: &str, now: &str) -> Option<(String, Vec<String>)> {
        let Restored { text, left } =
            undo(syntax, (old.as_bytes(), new.as_bytes()), now.as_bytes())?;
        let left = left.into_iter().map(|left| format!("{}: {}", left.line, left.reason));
        Some((String::from_utf8(text).unwrap(), left.collect()))
    }

    #[test]
    fn only_what_is_still_written_is_undone() {
        let stays = |line: u32, keys: &str| {
            format!("{line}: {keys}: it was changed since the preparation, and stays as it is")
        };
        let old = r#"{"d": {"a": "\u0031", "b": "2"}, "e": {}, "n": 1.0}"#;
        let new = r#"{"d": {"a": "A", "b": "A"}, "e": {"x":"A"}, "n": 1.0,"o":{"i":{"a":"A"}}}"#;
        for (now, expected, left) in [
            (new, old, vec![]),
            (old, old, vec![]),
            ("{}", "{}", vec![]),
            // In another order and layout, with more of a person's own.
            ("{\n  \"o\": {\n    \"i\": { \"a\": \"A\" }\n  },\n  \"z\": 01e1\n}", "", vec![]),
            (
                "{\n  \"o\": {\n    \"i\": { \"a\": \"A\" }\n  },\n  \"d\": { \"b\": \"A\" }\n}",
                "{\n  \"d\": { \"b\": \"2\" }\n}",
                vec![],
            ),
            (
                r#"{"d": {"a": "3", "b": "A", "c": "A"}, "o": {"i": {"a": "A", "c": "A"}}}"#,
                r#"{"d": {"a": "3", "b": "2", "c": "A"}, "o": {"i": {"c": "A"}}}"#,
                vec![stays(1, "d > a")],
            ),
            (
                "{\"o\": {\"i\": {\"a\": \"A\"}},\n\"d\": {\n\"a\": {\"x\": 1}}}",
                "{\"d\": {\n\"a\": {\"x\": 1}}}",
                vec![stays(2, "d > a")],
            ),
            (r#"{"o": {"i": {}, "k": 1}}"#, r#"{"o": {"k": 1}}"#, vec![]),
            (r#"{"o": "A"}"#, r#"{"o": "A"}"#, vec![stays(1, "o")]),
            ("[]", "", vec![]),
        ] {
            let found = undone(Syntax::Json, old, new, now);
            let expected = (!expected.is_empty()).then(|| (expected.to_owned(), left));
            assert_eq!(found, expected, "{now}");
        }
    }

    #[test]
    fn a_value_of_another_kind_gets_its_literal_back() {
        let old = r#"{"o": {"a": {"b": [1.0, null]}}, "p": 12345678901234567890}"#;
        let new = r#"{"o": {"a": "A"}, "p": "A"}"#;
        let now = r#"{"p":"A","o":{"a":"A"}}"#;
        let expected = r#"{"p":12345678901234567890,"o":{"a":{"b": [1.0, null]}}}"#;
        assert_eq!(undone(Syntax::Json, old, new, now), Some((expected.to_owned(), Vec::new())));
    }

    #[test]
    fn of_duplicate_keys_each_is_undone() {
        let old = r#"{"d": {"a": "1"}, "d": {"a": "2", "a": "3"}}"#;
        let new = r#"{"d": {"a": "A"}, "d": {"a": "A", "a": "A"}}"#;
        assert_eq!(undone(Syntax::Json, old, new, new), Some((old.to_owned(), Vec::new())));
        let (now, expected) = (r#"{"d": {"a": "A"}}"#, r#"{"d": {"a": "3"}}"#);
        assert_eq!(undone(Syntax::Json, old, new, now), Some((expected.to_owned(), Vec::new())));
    }

    #[test]
    fn lines_of_yaml_are_undone() {
        let none = Vec::new();
        for (old, new, now, expected) in [
            (
                "packages: [a]\n",
                "overrides:\n  \"a\": \"A\"\npackages: [a]\n",
                "# c\noverrides:\n  a: A\npackages: [a, b]\n",
                Some(("# c\npackages: [a, b]\n", none.clone())),
            ),
            (
                "overrides:\n  # why\n  b: '1' # c\n",
                "overrides:\n  # why\n  \"a\": \"A\"\n  b: \"A\" # c\n",
                "overrides:\n  # why\n  \"a\": \"A\"\n  b: \"A\" # c\nx: y\n",
                Some(("overrides:\n  # why\n  b: '1' # c\nx: y\n", none.clone())),
            ),
            // An alias has its text elsewhere.
            ("o: {a: 1}\n", "o: {a: A}\n", "x: &x {a: A}\no: *x\n", None),
            ("o: {a: 1}\n", "o: {a: A}\n", "o: [\n", None),
        ] {
            let found = undone(Syntax::Yaml, old, new, now);
            let expected = expected.map(|(text, left)| (text.to_owned(), left));
            assert_eq!(found, expected, "{now}");
        }
    }
}
