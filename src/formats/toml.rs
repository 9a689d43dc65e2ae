//! TOML as [`Node`]s.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::formats::document::{Key, Node, SyntaxError, Value};

/// Parses a text without a byte order mark.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let root = DeTable::parse(text).map_err(|error| SyntaxError {
        span: error.span().unwrap_or(text.len()..text.len()),
        message: error.message().to_owned(),
    })?;
    Ok(Node { span: root.span(), value: table(root.into_inner()) })
}

/// Recursion is bounded: the parser refuses more than 80 levels.
fn table(table: DeTable<'_>) -> Value {
    let entry = |(key, value): (Spanned<DeString<'_>>, Spanned<DeValue<'_>>)| {
        (Key { span: key.span(), text: key.into_inner().into_owned() }, node(value))
    };
    let mut entries: Vec<(Key, Node)> = table.into_iter().map(entry).collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    Value::Map(entries)
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Table(inner) => table(inner),
        DeValue::Array(list) => Value::List(list.into_iter().map(node).collect()),
        _ => Value::Other,
    };
    Node { span, value }
}

#[cfg(test)]
mod tests {
    use crate::formats::document::Node;
    use crate::formats::{Syntax, parse};

    #[test]
    fn spans_cover_the_value_in_the_file() {
        let text = "\u{feff}# ü\n[tools]\nnode = 22\npnpm = '10.6.5'\n\
                    \"npm:yarn\" = { version = \"1\\u002e2\" }\n[tools.x]\ny = [\"a\"]\n";
        let root = parse(Syntax::Toml, text.as_bytes()).unwrap();
        let tools = root.get("tools").next().unwrap();
        let pnpm = tools.get("pnpm").next().unwrap();
        assert_eq!((pnpm.text(), text.get(pnpm.span.clone())), (Some("10.6.5"), Some("'10.6.5'")));
        let version = tools.get("npm:yarn").next().unwrap().get("version").next().unwrap();
        assert_eq!(
            (version.text(), text.get(version.span.clone())),
            (Some("1.2"), Some("\"1\\u002e2\""))
        );
        assert_eq!(
            tools.entries().map(|(key, _)| key.text.as_str()).collect::<Vec<_>>(),
            ["node", "pnpm", "npm:yarn", "x"]
        );
        assert_eq!(tools.get("node").filter_map(Node::text).count(), 0);
    }

    #[test]
    fn invalid_toml_is_an_error_with_a_place() {
        let error = parse(Syntax::Toml, b"a = 1\nb = \n").unwrap_err();
        assert!((10..=11).contains(&error.span.start), "{error:?}");
        assert!(parse(Syntax::Toml, b"a = 1\na = 2\n").is_err());
        assert!(parse(Syntax::Toml, format!("a = {}", "[".repeat(100_000)).as_bytes()).is_err());
    }
}
