//! JSON, JSON with comments, and JSON5 as [`Node`]s.

use jsonc_parser::ast::{ObjectPropName, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, Syntax, SyntaxError, Value};

/// Parses one of the three dialects, without a byte order mark.
pub(super) fn parse(text: &str, dialect: Syntax) -> Result<Node, SyntaxError> {
    let json5 = dialect == Syntax::Json5;
    let options = ParseOptions {
        allow_comments: dialect != Syntax::Json,
        allow_loose_object_property_names: json5,
        allow_trailing_commas: dialect != Syntax::Json,
        allow_missing_commas: false,
        allow_single_quoted_strings: json5,
        allow_hexadecimal_numbers: json5,
        allow_unary_plus_numbers: json5,
        allow_bare_decimal_point_numbers: json5,
        allow_non_finite_numbers: json5,
        allow_extended_string_escapes: json5,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let mut message = error.kind().to_string();
        // The parser's messages begin with a capital.
        if let Some(initial) = message.get_mut(..1) {
            initial.make_ascii_lowercase();
        }
        SyntaxError { span: span(&error.range()), message }
    })?;
    let ast = parsed.value.ok_or_else(|| SyntaxError {
        span: text.len()..text.len(),
        message: "the file is empty".into(),
    })?;
    Ok(convert(ast))
}

/// Recursion is bounded: the parser refuses more than 512 levels.
fn convert(ast: Ast<'_>) -> Node {
    let place = span(&ast);
    let value = match ast {
        Ast::StringLit(string) => Value::Text(string.value.into_owned()),
        Ast::Object(object) => Value::Map(
            object
                .properties
                .into_iter()
                .map(|property| {
                    let key = Key {
                        span: span(&property.name),
                        text: match property.name {
                            ObjectPropName::String(name) => name.value.into_owned(),
                            ObjectPropName::Word(name) => name.value.to_owned(),
                        },
                    };
                    (key, convert(property.value))
                })
                .collect(),
        ),
        Ast::Array(array) => Value::List(array.elements.into_iter().map(convert).collect()),
        Ast::NumberLit(_) | Ast::BooleanLit(_) | Ast::NullKeyword(_) => Value::Other,
    };
    Node { span: place, value }
}

fn span(range: &impl Ranged) -> Span {
    range.start()..range.end()
}

#[cfg(test)]
mod tests {
    use crate::formats::document::{Node, Value};
    use crate::formats::{Syntax, parse};

    fn only(syntax: Syntax, text: &str) -> Node {
        parse(syntax, text.as_bytes()).unwrap()
    }

    #[test]
    fn spans_cover_the_value_in_the_file() {
        let text = "\u{feff}{ \"ä\": [1, \"x\\u002ey\"] }";
        let root = only(Syntax::Json, text);
        let Value::List(list) = &root.get("ä").next().unwrap().value else { panic!("a list") };
        assert_eq!(list[1].text(), Some("x.y"));
        assert_eq!(text.get(list[1].span.clone()), Some("\"x\\u002ey\""));
    }

    #[test]
    fn duplicate_keys_are_all_kept() {
        let root = only(Syntax::Json, r#"{"a": "1", "a": "2"}"#);
        assert_eq!(root.get("a").filter_map(Node::text).collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn strict_json_refuses_extensions() {
        for wrong in
            ["", "{", "{'a': 1}", "{\"a\": 1,}", "// c\n{}", "{a: 1}", "{} {}", "[01]", "\"\\x41\""]
        {
            assert!(parse(Syntax::Json, wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(parse(Syntax::Json, b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn json5_has_its_own_spellings() {
        let root = only(Syntax::Json5, "// c\n{ dependencies: { '@s/x': 'fil\\x65:y', }, n: +.5 }");
        let dependencies = root.get("dependencies").next().unwrap();
        assert_eq!(dependencies.get("@s/x").next().unwrap().text(), Some("file:y"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(Syntax::Json, deep(500).as_bytes()).is_ok());
        assert!(parse(Syntax::Json, deep(200_000).as_bytes()).is_err());
    }
}
