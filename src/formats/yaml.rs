//! YAML as [`Node`]s, with aliases resolved and merge keys applied. Depth and size are bounded.

use std::collections::HashMap;

use granit_parser::{Event, Parser};

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, SyntaxError, Value};

/// How many bytes anchors and aliases may copy. Aliases of aliases ("billion laughs") and anchors
/// within anchors grow without bound; real manifests copy far less.
const COPIED: usize = 8 * 1024 * 1024;
/// The memory of a value without its text, in bytes.
const VALUE: usize = 80;

/// Parses a text without a byte order mark.
///
/// pnpm and yarn refuse several documents in their settings. The guard judges them all, so their
/// entries are returned as one map.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let (roots, end) = read(text)?;
    let empty = Node { span: end..end, value: Value::Map(Vec::new()) };
    Ok(roots.into_iter().reduce(joined).unwrap_or(empty))
}

/// The documents of a text without a byte order mark, each by itself.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    read(text).map(|(roots, _)| roots)
}

/// The documents, and where the last event ends.
fn read(text: &str) -> Result<(Vec<Node>, usize), SyntaxError> {
    let mut builder = NodeBuilder::default();
    let mut end = 0;
    for event in Parser::new_from_str(text) {
        let (event, mark) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(text.len());
            SyntaxError { span: at..at, message: error.kind().to_string() }
        })?;
        let span = mark.byte_range();
        end = span.as_ref().map_or(end, |span| span.end);
        let span = span.unwrap_or(0..0);
        builder.take(event, span.clone()).map_err(|message| SyntaxError { span, message })?;
    }
    Ok((builder.roots, end))
}

/// Two documents as one: the entries of both if both are maps, or else the one that is a map.
fn joined(first: Node, second: Node) -> Node {
    match (first.value, second.value) {
        (Value::Map(mut all), Value::Map(more)) => {
            all.extend(more);
            Node { span: first.span.start..second.span.end, value: Value::Map(all) }
        }
        (value @ Value::Map(_), _) => Node { span: first.span, value },
        (_, value) => Node { span: second.span, value },
    }
}

#[derive(Default)]
struct NodeBuilder {
    /// The collections that are still open, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    /// The documents that have ended.
    roots: Vec<Node>,
}

struct Open {
    span: Span,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    /// The entries so far, and a key without its value.
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl NodeBuilder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        match event {
            Event::Scalar(text, _, anchor, tag) => {
                let binary = tag
                    .filter(|tag| tag.suffix().ends_with("binary"))
                    .and_then(|_| from_base64(&text));
                self.add(
                    Node { span, value: Value::Text(binary.unwrap_or_else(|| text.into_owned())) },
                    anchor,
                )?;
            }
            Event::Alias(id) => {
                let target = self.anchors.get(&id).ok_or("an alias to a value that contains it")?;
                let node = copy(target, &mut self.copied)?;
                self.add(node, 0)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { span, anchor, kind: Kind::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open { span, anchor, kind: Kind::Map(Vec::new(), None) });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = match open.kind {
                        Kind::List(list) => Value::List(list),
                        Kind::Map(entries, _) => Value::Map(merged(entries)),
                    };
                    self.add(Node { span: open.span.start..span.end, value }, open.anchor)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            let node = copy(&node, &mut self.copied)?;
            self.anchors.insert(anchor, node);
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            Some(Kind::List(list)) => list.push(node),
            Some(Kind::Map(entries, waiting)) => match waiting.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let key = Key { text: name(&node), span: node.span.clone() };
                    // The values in a key that is a collection are judged as well.
                    if node.text().is_none() {
                        entries.push((key.clone(), node));
                    }
                    *waiting = Some(key);
                }
            },
            None => self.roots.push(node),
        }
        Ok(())
    }
}

/// A key as a string. pnpm 10 and yarn convert a list as JavaScript does: `[overrides]` is
/// `overrides`.
fn name(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::List(list) => {
            list.iter().map(|node| node.text().unwrap_or_default()).collect::<Vec<_>>().join(",")
        }
        Value::Map(_) | Value::Other => String::new(),
    }
}

/// Decodes a scalar tagged `!!binary`, which pnpm 12 reads as a string. `None` if it is not Base64
/// of UTF-8.
fn from_base64(text: &str) -> Option<String> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for sign in text.bytes().filter(|sign| !sign.is_ascii_whitespace() && *sign != b'=') {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
        bits &= 0xff;
    }
    String::from_utf8(bytes).ok()
}

/// Puts the entries of merge keys (`<<: *base`, `<<: [*a, *b]`) before those of the map, the first
/// base last: the last of duplicate keys counts.
fn merged(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut bases = Vec::new();
    let mut own = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        match node.value {
            Value::Map(base) if key.text == "<<" => bases.push(base),
            Value::List(list) if key.text == "<<" => {
                bases.extend(list.into_iter().filter_map(|base| match base.value {
                    Value::Map(base) => Some(base),
                    _ => None,
                }));
            }
            _ => own.push((key, node)),
        }
    }
    bases.into_iter().rev().flatten().chain(own).collect()
}

/// Clones a node, within the limit.
fn copy(node: &Node, copied: &mut usize) -> Result<Node, String> {
    *copied += size(node);
    if *copied > COPIED {
        return Err(format!("anchors and aliases expand to more than {} MiB", COPIED >> 20));
    }
    Ok(node.clone())
}

/// The approximate size of a node in memory.
fn size(node: &Node) -> usize {
    VALUE
        + match &node.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| VALUE + key.text.len() + size(node)).sum()
            }
            Value::List(list) => list.iter().map(size).sum(),
            Value::Text(text) => text.len(),
            Value::Other => 0,
        }
}

#[cfg(test)]
mod tests {
    use crate::formats::document::Node;
    use crate::formats::{Syntax, parse};

    fn value<'a>(root: &'a Node, path: &[&str]) -> Vec<&'a str> {
        let mut nodes = vec![root];
        for key in path {
            nodes = nodes
                .into_iter()
                .flat_map(|node| node.entries().filter(|(k, _)| k.text == *key).map(|(_, n)| n))
                .collect();
        }
        nodes.into_iter().filter_map(Node::text).collect()
    }

    #[test]
    fn spans_cover_the_value_in_the_file() {
        let text = "\u{feff}# ü\noverrides:\n  '@s/x': \"a\\x2eb\" # c\n";
        let root = parse(Syntax::Yaml, text.as_bytes()).unwrap();
        let overrides = root.get("overrides").next().unwrap();
        let found = overrides.get("@s/x").next().unwrap();
        assert_eq!(found.text(), Some("a.b"));
        assert_eq!(text.get(found.span.clone()), Some("\"a\\x2eb\""));
    }

    #[test]
    fn aliases_and_merge_keys_lead_to_the_value() {
        let text =
            "spec: &s file:y\nbase: &b {a: *s}\noverrides:\n  <<: *b\n  c: *s\nlist:\n  <<: [*b]\n";
        let root = parse(Syntax::Yaml, text.as_bytes()).unwrap();
        assert_eq!(value(&root, &["overrides", "a"]), ["file:y"]);
        assert_eq!(value(&root, &["overrides", "c"]), ["file:y"]);
        assert_eq!(value(&root, &["list", "a"]), ["file:y"]);
    }

    #[test]
    fn the_last_of_merged_keys_counts() {
        for text in
            ["a: &a {k: base}\nm: {k: own, <<: *a}\n", "a: &a {k: base}\nm: {<<: *a, k: own}\n"]
        {
            assert_eq!(
                value(&parse(Syntax::Yaml, text.as_bytes()).unwrap(), &["m", "k"]),
                ["base", "own"],
                "{text}"
            );
        }
        let text = "a: &a {k: first}\nb: &b {k: second}\nm: {<<: [*a, *b]}\n";
        assert_eq!(
            value(&parse(Syntax::Yaml, text.as_bytes()).unwrap(), &["m", "k"]),
            ["second", "first"]
        );
    }

    #[test]
    fn growth_and_depth_are_bounded() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let before = level - 1;
            laughs += &format!("a{level}: &a{level} [{}]\n", format!("*a{before},").repeat(10));
        }
        let list = format!("[{}]", "x, ".repeat(10_000));
        let nested: String =
            (0..20).map(|depth| format!("{}a{depth}: &a{depth}\n", " ".repeat(depth))).collect();
        let nested = format!("{nested}{}b: {list}\n", " ".repeat(20));
        let long = format!("s: &s {}\nl: [{}]\n", "x".repeat(100_000), "*s, ".repeat(1000));
        for text in [laughs, nested, long] {
            let error = parse(Syntax::Yaml, text.as_bytes()).unwrap_err();
            assert!(error.message.contains("more than 8 MiB"), "{}", error.message);
        }
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let deep = |levels: usize| open.repeat(levels) + &close.repeat(levels);
            assert!(parse(Syntax::Yaml, deep(100).as_bytes()).is_ok());
            assert!(parse(Syntax::Yaml, deep(100_000).as_bytes()).is_err());
        }
        assert!(parse(Syntax::Yaml, "a: &a [*a]".as_bytes()).is_err());
    }

    #[test]
    fn several_documents_and_complex_keys_hide_nothing() {
        let root = parse(Syntax::Yaml, b"a: 1\n---\nb: 2\n").unwrap();
        assert_eq!((value(&root, &["a"]), value(&root, &["b"])), (vec!["1"], vec!["2"]));
        for text in ["---\n---\nb: 2\n", "- x\n---\nb: 2\n", "b: 2\n---\n- x\n"] {
            assert_eq!(
                value(&parse(Syntax::Yaml, text.as_bytes()).unwrap(), &["b"]),
                ["2"],
                "{text}"
            );
        }
        let root = parse(Syntax::Yaml, b"? {a: 1}\n: x\n").unwrap();
        assert_eq!(value(&root, &["", "a"]), ["1"]);
    }

    #[test]
    fn keys_and_values_are_converted_as_package_managers_do() {
        for text in [
            "? [a]\n: {b: c}\n",
            "[a]: {b: c}\n",
            "? - a\n: {b: c}\n",
            "!!binary YQ==: {!!binary Yg: !!binary Y w\n}",
        ] {
            assert_eq!(
                value(&parse(Syntax::Yaml, text.as_bytes()).unwrap(), &["a", "b"]),
                ["c"],
                "{text}"
            );
        }
        for (text, read) in [
            ("!!binary 'ZmlsZTp4'", "file:x"),
            ("!<tag:yaml.org,2002:binary> ZmlsZTp4eQ==", "file:xy"),
            ("!!binary |\n  Zmls\n  ZTp4\n", "file:x"),
            ("!!binary 'no base64!'", "no base64!"),
            ("!!binary /w==", "/w=="),
            ("!!str ZmlsZTp4", "ZmlsZTp4"),
        ] {
            let root = parse(Syntax::Yaml, format!("a: {text}").as_bytes()).unwrap();
            assert_eq!(value(&root, &["a"]), [read], "{text}");
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "# nothing\n", "---\n"] {
            assert_eq!(
                parse(Syntax::Yaml, text.as_bytes()).unwrap().entries().count(),
                0,
                "{text:?}"
            );
        }
        assert!(parse(Syntax::Yaml, b"a: [b\n").is_err());
    }
}
