//! `.tool-versions` as a [`Node`]: one tool and its versions on each line, as asdf reads it.

use crate::formats::document::{Key, Node, Value};

/// Parses a text without a byte order mark. Every text is valid: a comment starts at `#`, and a
/// line without a version is an empty list.
pub(super) fn parse(text: &str) -> Node {
    let place = |part: &str| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(tool) = words.next() else { continue };
        let version = |word: &str| Node { span: place(word), value: Value::Text(word.to_owned()) };
        let versions = Node { span: place(line), value: Value::List(words.map(version).collect()) };
        entries.push((Key { span: place(tool), text: tool.to_owned() }, versions));
    }
    Node { span: 0..text.len(), value: Value::Map(entries) }
}

#[cfg(test)]
mod tests {
    use crate::base::finding::Span;
    use crate::formats::document::Value;
    use crate::formats::{Syntax, parse};

    #[test]
    fn a_line_is_a_tool_and_its_versions() {
        let text = "\u{feff}# tools\r\nnodejs 22.1.0\r\n  pnpm\t10.6.5 9.15.0 # newest first\n\
                    python\nnodé ü#é\n";
        let root = parse(Syntax::ToolVersions, text.as_bytes()).unwrap();
        let part = |span: &Span| text.get(span.clone()).unwrap();
        let shown: Vec<String> = root
            .entries()
            .map(|(key, node)| {
                let Value::List(versions) = &node.value else { panic!("a list") };
                let versions: Vec<&str> =
                    versions.iter().map(|version| part(&version.span)).collect();
                format!("{}={}", part(&key.span), versions.join(","))
            })
            .collect();
        assert_eq!(shown, ["nodejs=22.1.0", "pnpm=10.6.5,9.15.0", "python=", "nodé=ü"]);
    }
}
