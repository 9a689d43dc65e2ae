//! Workflows as JSON, and their expressions.

use granit_parser::{Event, Parser};
use serde_json::{Value, json};

/// YAML as JSON; every scalar is a string.
pub(super) fn yaml(text: &str) -> Value {
    let mut open: Vec<(Value, Option<String>)> = Vec::new();
    let mut done = Value::Null;
    for event in Parser::new_from_str(text) {
        let value = match event.unwrap().0 {
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => {
                open.push((json!([]), None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((json!({}), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().unwrap().0,
            _ => continue,
        };
        match open.last_mut() {
            None => done = value,
            Some((Value::Array(list), _)) => list.push(value),
            Some((Value::Object(map), key)) => match key.take() {
                Some(key) => assert!(map.insert(key, value).is_none(), "a key twice"),
                None => *key = value.as_str().map(str::to_owned),
            },
            Some(_) => unreachable!(),
        }
    }
    done
}

/// The value of `${{ a.b || c.d }}`; no other expression is used in `env`.
pub(super) fn evaluate(text: &str, context: &Value) -> String {
    let Some(expression) = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) else {
        return text.to_owned();
    };
    let look_up = |path: &str| {
        let pointer = format!("/{}", path.trim().replace('.', "/"));
        context.pointer(&pointer).and_then(Value::as_str).filter(|value| !value.is_empty())
    };
    expression.split("||").find_map(look_up).unwrap_or_default().to_owned()
}
