//! Overrides in a `pnpm-workspace.yaml`: a new one, or an existing one with an edit that keeps the
//! rest to the byte.

use crate::base::edit::Edit;
use crate::base::finding::{LineIndex, line_around};
use crate::base::path::RepoPath;
use crate::edit;
use crate::formats::Syntax;
use crate::formats::document::{Key, Node, Value};
use crate::prepare::members::literal;
use crate::prepare::parse_map;
use crate::restore::is_same;

const OVERRIDES: &str = "overrides";
/// The fields with the versions that `catalog:` names.
const CATALOGS: [&str; 2] = ["catalog", "catalogs"];

/// A new file with overrides, and with the catalogs of another file.
pub(super) fn new(overrides: &[(String, String)], catalogs: Option<&Node>) -> String {
    let mut text = String::new();
    if !overrides.is_empty() {
        text += &block(overrides, "", "\n");
    }
    for key in CATALOGS {
        if let Some(node) = catalogs.and_then(|root| root.last(key)) {
            write(&mut text, key, node, "");
        }
    }
    text
}

/// Writes a map of strings, or of maps.
fn write(text: &mut String, key: &str, node: &Node, indent: &str) {
    match &node.value {
        Value::Text(value) => *text += &format!("{indent}{key}: {}\n", literal(value)),
        _ if node.entries().next().is_none() => {}
        _ => {
            *text += &format!("{indent}{key}:\n");
            for (at, (inner, value)) in node.entries().enumerate() {
                // The last of duplicate keys counts, and pnpm refuses both.
                if !node.entries().skip(at + 1).any(|(later, _)| later.text == inner.text) {
                    write(text, &literal(&inner.text), value, &format!("{indent}  "));
                }
            }
        }
    }
}

/// The overrides as a block of lines.
fn block(overrides: &[(String, String)], indent: &str, line_end: &str) -> String {
    let line = |(name, value): &(String, String)| {
        format!("{indent}  {}: {}{line_end}", literal(name), literal(value))
    };
    format!("{OVERRIDES}:{line_end}{}", overrides.iter().map(line).collect::<String>())
}

/// The overrides on one line, without braces.
fn flow(overrides: &[(String, String)]) -> String {
    let entry = |(name, value): &(String, String)| format!("{}: {}", literal(name), literal(value));
    overrides.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// Parses a file; the error is the cause, which may quote the file.
pub(super) fn parse(text: &[u8]) -> Result<Node, String> {
    parse_map(Syntax::Yaml, text, "a mapping")
}

/// The file with these overrides in place of its own of the same names; the error is the cause.
pub(super) fn with(
    text: &[u8],
    root: &Node,
    overrides: &[(String, String)],
) -> Result<Vec<u8>, String> {
    let mut editing = Editing { text, edits: Vec::new() };
    editing.set(root, overrides)?;
    let uncertain = "its layout leaves the place of an edit uncertain";
    let new = edit::apply(text, editing.edits.iter().collect()).ok_or(uncertain)?;
    let read = parse(&new)?;
    if is_intended((root, text), (&read, &new), overrides) {
        Ok(new)
    } else {
        Err("more than its overrides would change".to_owned())
    }
}

/// Whether the new tree is the old one with these overrides.
fn is_intended(old: (&Node, &[u8]), new: (&Node, &[u8]), overrides: &[(String, String)]) -> bool {
    let is_same = |(a, b): ((&Key, &Node), (&Key, &Node))| {
        a.0.text == b.0.text && is_same((a.1, old.1), (b.1, new.1))
    };
    let is_ours = |name: &str| overrides.iter().any(|(ours, _)| ours == name);
    let rest = |root: &'_ Node| -> Vec<(Key, Node)> {
        let others = root.entries().filter(|(key, _)| key.text != OVERRIDES);
        let kept = root.last(OVERRIDES).into_iter().flat_map(Node::entries);
        let kept = kept.filter(|(key, _)| !is_ours(&key.text));
        others.chain(kept).map(|(key, node)| (key.clone(), node.clone())).collect()
    };
    let (before, after) = (rest(old.0), rest(new.0));
    let pairs = before.iter().zip(&after).map(|(a, b)| ((&a.0, &a.1), (&b.0, &b.1)));
    let set = |(name, value): &(String, String)| {
        new.0.last(OVERRIDES).and_then(|map| map.last(name)).and_then(Node::text) == Some(value)
    };
    before.len() == after.len() && pairs.into_iter().all(is_same) && overrides.iter().all(set)
}

struct Editing<'t> {
    text: &'t [u8],
    edits: Vec<Edit>,
}

impl Editing<'_> {
    fn replace(&mut self, start: usize, end: usize, text: String) {
        self.edits.push(Edit { path: RepoPath::default(), span: start..end, text });
    }

    fn set(&mut self, root: &Node, overrides: &[(String, String)]) -> Result<(), String> {
        let Some((key, node)) = root.entries().filter(|(key, _)| key.text == OVERRIDES).last()
        else {
            return self.add_block(root, overrides);
        };
        let is_alias = node.span.start < key.span.end;
        match &node.value {
            _ if is_alias => Err("its overrides are an alias or a merge key".to_owned()),
            Value::Map(_) => self.set_in(node, overrides),
            Value::Text(text) if ["", "~", "null"].contains(&&**text) => {
                self.fill(key, node, overrides)
            }
            _ => Err("its overrides are not a mapping".to_owned()),
        }
    }

    /// Adds the key `overrides`, before the others.
    fn add_block(&mut self, root: &Node, overrides: &[(String, String)]) -> Result<(), String> {
        let line_end = edit::line_end(self.text);
        let Some((first, _)) = root.entries().next() else {
            let is_marker = |line: &[u8]| line.starts_with(b"---") || line.starts_with(b"...");
            if self.text.split(|&byte| byte == b'\n').any(is_marker) || self.is_braced(root) {
                return Err("it has no key to add overrides to".to_owned());
            }
            let end = self.text.len();
            let gap =
                if self.text.last().is_some_and(|last| *last != b'\n') { line_end } else { "" };
            self.replace(end, end, format!("{gap}{}", block(overrides, "", line_end)));
            return Ok(());
        };
        let at = first.span.start;
        if self.is_braced(root) {
            let text = format!("{OVERRIDES}: {{{}}}, ", flow(overrides));
            self.replace(at, at, text);
            return Ok(());
        }
        let indent = self.indent(at)?;
        let text = format!("{}{indent}", block(overrides, &indent, line_end));
        self.replace(at, at, text);
        Ok(())
    }

    fn is_braced(&self, map: &Node) -> bool {
        self.text.get(map.span.start) == Some(&b'{')
    }

    /// The text before a key, which must be blank.
    fn indent(&self, at: usize) -> Result<String, String> {
        let start = line_around(self.text, at).start;
        let before = self.text.get(start..at).and_then(|line| std::str::from_utf8(line).ok());
        let before = before.map(|line| line.strip_prefix('\u{feff}').unwrap_or(line));
        let blank = before.filter(|line| line.bytes().all(|byte| byte == b' '));
        blank.map(str::to_owned).ok_or_else(|| {
            let (line, _) = LineIndex::new(self.text).locate(at);
            format!("the first key of a mapping is not at the start of its line, in line {line}")
        })
    }

    /// Sets these overrides in the mapping of all.
    fn set_in(&mut self, map: &Node, overrides: &[(String, String)]) -> Result<(), String> {
        let mut missing = Vec::new();
        for (name, value) in overrides {
            let inside = |at: usize| map.span.contains(&at);
            // Merged keys are elsewhere, and an own key replaces them.
            let own = map.entries().filter(|(key, _)| key.text == *name && inside(key.span.start));
            let own: Vec<(&Key, &Node)> = own.collect();
            for (key, node) in &own {
                self.set_value(key, node, value)?;
            }
            if own.is_empty() {
                missing.push((name.clone(), value.clone()));
            }
        }
        let first = map.entries().map(|(key, _)| key.span.start).filter(|at| map.span.contains(at));
        match first.min() {
            _ if missing.is_empty() => {}
            None if self.is_braced(map) => {
                self.replace(map.span.start, map.span.end, format!("{{{}}}", flow(&missing)));
            }
            None => return Err("its overrides are only merge keys".to_owned()),
            Some(at) if self.is_braced(map) => {
                self.replace(at, at, format!("{}, ", flow(&missing)));
            }
            Some(at) => {
                let (indent, line_end) = (self.indent(at)?, edit::line_end(self.text));
                let line = |(name, value): &(String, String)| {
                    format!("{}: {}{line_end}{indent}", literal(name), literal(value))
                };
                self.replace(at, at, missing.iter().map(line).collect());
            }
        }
        Ok(())
    }

    fn set_value(&mut self, key: &Key, node: &Node, value: &str) -> Result<(), String> {
        if node.text() == Some(value) {
            return Ok(());
        }
        let old = self.text.get(node.span.clone()).unwrap_or_default().trim_ascii_end();
        let is_here = node.span.start >= key.span.end;
        if !is_here || old.is_empty() || old.contains(&b'\n') {
            let (line, _) = LineIndex::new(self.text).locate(key.span.start);
            return Err(format!("an override is not a value on its own line, in line {line}"));
        }
        self.replace(node.span.start, node.span.start + old.len(), literal(value));
        Ok(())
    }

    /// Replaces an empty value.
    fn fill(
        &mut self,
        key: &Key,
        node: &Node,
        overrides: &[(String, String)],
    ) -> Result<(), String> {
        let map = format!("{{{}}}", flow(overrides));
        if node.span.is_empty() {
            let after = self.text.get(key.span.end..).unwrap_or_default();
            if !after.starts_with(b":") {
                return Err("its overrides are not a mapping".to_owned());
            }
            self.replace(key.span.end + 1, key.span.end + 1, format!(" {map}"));
        } else {
            self.replace(node.span.start, node.span.end, map);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<(String, String)> {
        [("@s/a", "file:a.tgz"), ("@s/b", "file:b.tgz")]
            .map(|(name, spec)| (name.to_owned(), spec.to_owned()))
            .to_vec()
    }

    fn edited(text: &str) -> Result<String, String> {
        let root = parse(text.as_bytes())?;
        with(text.as_bytes(), &root, &ours()).map(|new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn everything_else_in_the_file_is_kept() {
        let both = "overrides:\n  \"@s/a\": \"file:a.tgz\"\n  \"@s/b\": \"file:b.tgz\"\n";
        let line = "{\"@s/a\": \"file:a.tgz\", \"@s/b\": \"file:b.tgz\"}";
        let windows = both.replace('\n', "\r\n");
        for (before, after) in [
            ("", both.to_owned()),
            ("# only this", format!("# only this\n{both}")),
            ("# top\npackages:\n  - a # a\n", format!("# top\n{both}packages:\n  - a # a\n")),
            ("\u{feff}packages: [a]\r\n", format!("\u{feff}{windows}packages: [a]\r\n")),
            ("---\npackages: [a]\n...\n", format!("---\n{both}packages: [a]\n...\n")),
            ("'packages': [a]", format!("{both}'packages': [a]")),
            ("{packages: [a]}", "{overrides: ".to_owned() + line + ", packages: [a]}"),
            ("overrides: {} # none\nx: 1", format!("overrides: {line} # none\nx: 1")),
            ("overrides:\nx: 1\n", format!("overrides: {line}\nx: 1\n")),
            ("overrides: ~ # x\n", format!("overrides: {line} # x\n")),
            (
                "overrides: { c: 1 }\n",
                format!("overrides: {{ {}, c: 1 }}\n", line.trim_matches(['{', '}'])),
            ),
            (
                "overrides:\n    # why\n    '@s/b': ^1.0.0   # b\n    c: 1\n",
                "overrides:\n    # why\n    \"@s/a\": \"file:a.tgz\"\n    \
                 '@s/b': \"file:b.tgz\"   # b\n    c: 1\n"
                    .to_owned(),
            ),
            (
                "base: &base {'@s/a': '1'}\noverrides:\n  <<: *base\n  x: 1\n",
                "base: &base {'@s/a': '1'}\noverrides:\n  <<: *base\n  \"@s/a\": \"file:a.tgz\"\n  \
                 \"@s/b\": \"file:b.tgz\"\n  x: 1\n"
                    .to_owned(),
            ),
        ] {
            let found = edited(before);
            assert_eq!(found, Ok(after.clone()), "{before:?}");
            // Once prepared, nothing changes.
            assert_eq!(edited(&after), Ok(after.clone()), "{before:?}");
        }
    }

    #[test]
    fn an_uncertain_place_is_refused() {
        for (text, cause) in [
            ("- a\n", "it is not a mapping"),
            ("packages: [\n", "in line"),
            ("---\n", "it is not a mapping"),
            ("# a\n...\n# b\n", "it has no key"),
            ("overrides: [a]\n", "not a mapping"),
            ("overrides: 1\n", "not a mapping"),
            ("a: &a {x: 1}\noverrides: *a\n", "an alias"),
            ("a: &a '1'\noverrides: {'@s/a': *a}\n", "not a value on its own line, in line 2"),
            ("overrides:\n  '@s/a': >-\n    1\n", "more than its overrides would change"),
            ("? packages\n: [a]\n", "not at the start of its line, in line 1"),
            ("a: &a {x: 1}\noverrides:\n  <<: *a\n", "only merge keys"),
        ] {
            let error = edited(text).unwrap_err();
            assert!(error.contains(cause), "{text:?}: {error}");
        }
    }

    #[test]
    fn catalogs_are_copied() {
        let root = parse(
            b"packages: [a]\ncatalog:\n  ms: ^2 # c\n  'q\"': 1\n  ms: ^3\ncatalogs:\n  std: \
              {semver: ^7}\n  none: {}\n",
        );
        assert_eq!(
            new(&ours()[..1], Some(&root.unwrap())),
            "overrides:\n  \"@s/a\": \"file:a.tgz\"\ncatalog:\n  \"q\\\"\": \"1\"\n  \
             \"ms\": \"^3\"\ncatalogs:\n  \"std\":\n    \"semver\": \"^7\"\n"
        );
    }
}
