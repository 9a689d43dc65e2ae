//! The literal subset of HCL, the language of bake files, as [`Node`]s. Depth is bounded.
//!
//! A block `target "web" { … }` is a map of a map, as in the JSON form of HCL. The name of a
//! variable is the text `${NAME}`, as in a string with only that in it. Every other expression,
//! such as the call of a function, is [`Value::Other`].

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, SyntaxError, Value};

/// The maximum depth of blocks, lists and maps.
const DEEPEST: usize = 64;

/// Parses a text without a byte order mark.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut reader = HclReader { text, at: 0 };
    let entries = reader.body(0)?;
    match reader.peek() {
        None => Ok(Node { span: 0..text.len(), value: Value::Map(entries) }),
        Some(_) => Err(reader.error("a brace that opens nothing")),
    }
}

struct HclReader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> HclReader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, message: &str) -> SyntaxError {
        SyntaxError { span: self.at..self.at, message: message.to_owned() }
    }

    fn take(&mut self, sign: u8) -> bool {
        let is_there = self.peek() == Some(sign);
        self.at += usize::from(is_there);
        is_there
    }

    /// Skips blanks and comments, and ends of lines if `lines` is set.
    fn skip(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            let is_blank = |sign: char| matches!(sign, ' ' | '\t' | '\r') || lines && sign == '\n';
            let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
            let rest = rest.get(blanks..).unwrap_or_default();
            let comment = if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            self.at += blanks + comment;
            if blanks + comment == 0 {
                return;
            }
        }
    }

    /// The attributes and blocks up to a closing brace or the end of the text.
    fn body(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, SyntaxError> {
        let mut entries = Vec::new();
        loop {
            self.skip(true);
            let Some(key) = self.identifier() else { return Ok(entries) };
            self.skip(false);
            if self.take(b'=') {
                let value = self.expression(depth)?;
                entries.push((key, value));
            } else {
                entries.push(self.block(key, depth)?);
            }
        }
    }

    /// A block after its type: labels, and a body in braces.
    fn block(&mut self, key: Key, depth: usize) -> Result<(Key, Node), SyntaxError> {
        if depth >= DEEPEST {
            return Err(self.error("blocks are nested too deep"));
        }
        self.skip(false);
        if self.take(b'{') {
            let start = self.at - 1;
            let entries = self.body(depth + 1)?;
            if !self.take(b'}') {
                return Err(self.error("a block that is not closed"));
            }
            return Ok((key, Node { span: start..self.at, value: Value::Map(entries) }));
        }
        let label = match self.peek() {
            Some(b'"') => {
                let node = self.string()?;
                let text = node.text().unwrap_or_default().to_owned();
                Some(Key { span: node.span, text })
            }
            _ => self.identifier(),
        };
        let Some(label) = label else { return Err(self.error("neither an attribute nor a block")) };
        let (label, inner) = self.block(label, depth + 1)?;
        let span = label.span.start..inner.span.end;
        Ok((key, Node { span, value: Value::Map(vec![(label, inner)]) }))
    }

    fn identifier(&mut self) -> Option<Key> {
        let is_part = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '-');
        let rest = self.rest();
        let end = rest.find(|sign| !is_part(sign)).unwrap_or(rest.len());
        let text = rest.get(..end).filter(|name| !name.is_empty() && !name.starts_with('-'))?;
        let span = self.at..self.at + end;
        self.at = span.end;
        Some(Key { span, text: text.to_owned() })
    }

    /// A value up to the end of the line, a comma, or a closing sign.
    fn expression(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.skip(false);
        let start = self.at;
        let node = match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'[') if depth < DEEPEST => self.list(depth + 1)?,
            Some(b'{') if depth < DEEPEST => self.map(depth + 1)?,
            Some(b'<') => self.heredoc()?,
            _ => self.word(),
        };
        let end = self.at;
        self.skip(false);
        if matches!(self.peek(), None | Some(b'\n' | b',' | b']' | b'}')) {
            return Ok(node);
        }
        self.at = end;
        self.skip_expression()?;
        Ok(Node { span: start..self.at, value: Value::Other })
    }

    /// Skips the rest of an expression, with everything in brackets.
    fn skip_expression(&mut self) -> Result<(), SyntaxError> {
        let mut open = 0_usize;
        while let Some(sign) = self.peek() {
            match sign {
                b'"' => _ = self.string()?,
                b'<' if self.rest().starts_with("<<") => _ = self.heredoc()?,
                b'#' => self.skip(false),
                b'/' if self.rest().starts_with("//") || self.rest().starts_with("/*") => {
                    self.skip(false);
                }
                b'(' | b'[' | b'{' => (open, self.at) = (open + 1, self.at + 1),
                b')' | b']' | b'}' if open > 0 => (open, self.at) = (open - 1, self.at + 1),
                b'\n' | b',' | b')' | b']' | b'}' if open == 0 => return Ok(()),
                _ => self.at += self.rest().chars().next().map_or(1, char::len_utf8),
            }
        }
        if open == 0 { Ok(()) } else { Err(self.error("a bracket that is not closed")) }
    }

    /// A number, `true`, `null`, or the name of a variable.
    fn word(&mut self) -> Node {
        let start = self.at;
        let number = self.rest().trim_start_matches(|sign: char| sign.is_ascii_digit());
        self.at += self.rest().len() - number.len();
        let value = if self.at > start {
            Value::Text(self.text.get(start..self.at).unwrap_or_default().to_owned())
        } else {
            match self.identifier().map(|key| key.text) {
                None => Value::Other,
                Some(text) if text == "null" => Value::Other,
                Some(text) if text == "true" || text == "false" => Value::Text(text),
                Some(name) => Value::Text(format!("${{{name}}}")),
            }
        };
        Node { span: start..self.at, value }
    }

    /// A string in quotes. The text in `${…}` stays as it is written, strings included.
    fn string(&mut self) -> Result<Node, SyntaxError> {
        let start = self.at;
        self.at += 1;
        // In an expression, braces may be in strings again.
        let (mut text, mut nested, mut is_inner) = (String::new(), 0_usize, false);
        let mut signs = self.rest().char_indices();
        while let Some((offset, sign)) = signs.next() {
            match sign {
                '"' if nested == 0 => {
                    self.at += offset + 1;
                    return Ok(Node { span: start..self.at, value: Value::Text(text) });
                }
                '\n' if nested == 0 => break,
                '\\' if nested == 0 => match signs.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    // Others are rare; a dollar sign keeps the value unknown.
                    _ => text.push_str("${"),
                },
                '"' => {
                    is_inner = !is_inner;
                    text.push(sign);
                }
                '{' | '}' if is_inner => text.push(sign),
                '{' if nested > 0 || text.ends_with(['$', '%']) => {
                    nested += 1;
                    text.push(sign);
                }
                '}' if nested > 0 => {
                    nested -= 1;
                    text.push(sign);
                }
                sign => text.push(sign),
            }
        }
        Err(self.error("a string that is not closed"))
    }

    /// `<<NAME` or `<<-NAME`, and the lines before that name. The second form removes the
    /// indentation that the lines have in common.
    fn heredoc(&mut self) -> Result<Node, SyntaxError> {
        let Some(head) = self.rest().strip_prefix("<<") else {
            self.at += 1;
            return Ok(Node { span: self.at - 1..self.at, value: Value::Other });
        };
        let is_flush = head.starts_with('-');
        let (name, body) = head.split_once('\n').unwrap_or((head, ""));
        let name = name.trim_start_matches('-').trim();
        let start = self.text.len() - body.len();
        let mut end = start;
        for line in body.split_inclusive('\n') {
            if line.trim() == name {
                let lines = self.text.get(start..end).unwrap_or_default();
                self.at = end + line.trim_end_matches(['\r', '\n']).len();
                let text = if is_flush { flush(lines) } else { lines.to_owned() };
                let span: Span = start..end;
                return Ok(Node { span, value: Value::Text(text) });
            }
            end += line.len();
        }
        Err(self.error("a here-document that is not closed"))
    }

    fn list(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip(true);
            if self.take(b']') {
                return Ok(Node { span: start..self.at, value: Value::List(items) });
            }
            let before = self.at;
            items.push(self.expression(depth)?);
            self.skip(true);
            // `[for x in y: z]` and the like.
            if !self.take(b',') && self.peek() != Some(b']') || self.at == before {
                return Err(self.error("a list that is not closed"));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.skip(true);
            if self.take(b'}') {
                return Ok(Node { span: start..self.at, value: Value::Map(entries) });
            }
            let key = match self.peek() {
                Some(b'"') => {
                    let node = self.string()?;
                    Some(Key { text: node.text().unwrap_or_default().into(), span: node.span })
                }
                _ => self.identifier(),
            };
            let Some(key) = key else { return self.unread(start) };
            self.skip(false);
            if !self.take(b'=') && !self.take(b':') {
                return self.unread(start);
            }
            entries.push((key, self.expression(depth)?));
            self.skip(false);
            self.take(b',');
        }
    }

    /// A map that is an expression, or has one for a key.
    fn unread(&mut self, start: usize) -> Result<Node, SyntaxError> {
        self.at = start;
        self.skip_expression()?;
        Ok(Node { span: start..self.at, value: Value::Other })
    }
}

/// Lines without the indentation that they have in common.
fn flush(lines: &str) -> String {
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| !line.trim().is_empty();
    let common = lines.lines().filter(is_blank).map(indentation).min().unwrap_or(0);
    lines.split_inclusive('\n').map(|line| line.get(common..).unwrap_or("\n")).collect()
}

#[cfg(test)]
mod tests {
    use crate::formats::document::{Node, Value};
    use crate::formats::{Syntax, parse};

    /// A value in a short form.
    fn short(node: &Node) -> String {
        match &node.value {
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => format!("{:?}", items.iter().map(short).collect::<Vec<_>>()),
            Value::Map(entries) => {
                let entry = |(key, node): &(_, Node)| {
                    let key: &crate::formats::document::Key = key;
                    format!("{}: {}", key.text, short(node))
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Value::Other => "?".to_owned(),
        }
        .replace('\\', "")
    }

    #[test]
    fn literals_are_read_and_expressions_are_unknown() {
        for (text, expected) in [
            ("a = \"x\"", r#"{a: "x"}"#),
            ("a = \"x${y(\"}\")}z\"\nb = 1", r#"{a: "x${y("}")}z", b: "1"}"#),
            ("a = [\"x\", y,\n z(1, [2]),\n]", r#"{a: [""x"", ""${y}"", "?"]}"#),
            ("a = { x = 1, \"y\" : null\n z = true }", r#"{a: {x: "1", y: ?, z: "true"}}"#),
            ("a = {for x in y : x => x}\nb = 1", r#"{a: ?, b: "1"}"#),
            ("a = x ? \"b\" : \"c\" // d\ne = 1", r#"{a: ?, e: "1"}"#),
            ("a = x.y[0]\nb = -1\nc = 1.5", "{a: ?, b: ?, c: ?}"),
            ("a \"b\" c { d = 1 }", r#"{a: {b: {c: {d: "1"}}}}"#),
            ("a { b {} }", "{a: {b: {}}}"),
            ("a = <<X\n  b\n c\nX\nd = 1", r#"{a: "  bn cn", d: "1"}"#),
            ("a = <<-X\n  b\n\n   c\n  X\n", r#"{a: "bnn cn"}"#),
            ("# a = 1\n/* b\n = 2 */ c = 3", r#"{c: "3"}"#),
        ] {
            assert_eq!(short(&parse(Syntax::Hcl, text.as_bytes()).unwrap()), expected, "{text}");
        }
        let text = "a = \"x\"\nb = <<-X\n  c\n  X";
        let root = parse(Syntax::Hcl, text.as_bytes()).unwrap();
        let spans: Vec<_> = root.entries().map(|(_, node)| text.get(node.span.clone())).collect();
        assert_eq!(spans, [Some("\"x\""), Some("  c\n")]);
    }

    #[test]
    fn what_is_no_hcl_is_an_error() {
        for text in ["a", "a = \"x", "a {", "a = [", "a = {", "}", "a = <<X\n", "= 1"] {
            assert!(parse(Syntax::Hcl, text.as_bytes()).is_err(), "{text}");
        }
        for open in ["a = [", "a = {a = ", "a {", "a "] {
            let deep = open.repeat(100_000);
            assert!(parse(Syntax::Hcl, deep.as_bytes()).is_err(), "{open}");
        }
    }
}
