//! Adds a dependency to a `package.json` like a preparation: parsed, and written in the layout of
//! `JSON.stringify`.

use serde_json::{Map, Value, json};

/// The manifest with this dependency as the first of its `dependencies`. A text that does not parse
/// as an object counts as `{}`.
pub(crate) fn with_dependency(manifest: &[u8], name: &str, spec: &str) -> String {
    let manifest = manifest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(manifest);
    let mut root = serde_json::from_slice::<Map<String, Value>>(manifest).unwrap_or_default();
    if let Some(Value::Object(dependencies)) = root.get_mut("dependencies") {
        dependencies.shift_insert(0, name.to_owned(), spec.into());
    } else {
        root.shift_remove("dependencies");
        // After the name, before other kinds of dependencies.
        let at = usize::from(root.keys().next().is_some_and(|first| first == "name"));
        root.shift_insert(at, "dependencies".to_owned(), json!({ name: spec }));
    }
    format!("{:#}\n", Value::Object(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_added_and_the_rest_stays() {
        for (manifest, expected) in [
            (
                r#"{"name": "a", "dependencies": {"b": "1"}, "type": "module"}"#,
                r#"{"name":"a","dependencies":{"x":"y","b":"1"},"type":"module"}"#,
            ),
            (
                "\u{feff}{\"name\": \"a\", \"devDependencies\": {}}",
                r#"{"name":"a","dependencies":{"x":"y"},"devDependencies":{}}"#,
            ),
            (r#"{"devDependencies": {}}"#, r#"{"dependencies":{"x":"y"},"devDependencies":{}}"#),
            (r#"{"dependencies": [1]}"#, r#"{"dependencies":{"x":"y"}}"#),
            ("[]", r#"{"dependencies":{"x":"y"}}"#),
            ("{ broken", r#"{"dependencies":{"x":"y"}}"#),
            ("", r#"{"dependencies":{"x":"y"}}"#),
        ] {
            let root: Value =
                serde_json::from_str(&with_dependency(manifest.as_bytes(), "x", "y")).unwrap();
            assert_eq!(root.to_string(), expected, "{manifest}");
        }
        assert_eq!(
            with_dependency(b"{}", "x", "y"),
            "{\n  \"dependencies\": {\n    \"x\": \"y\"\n  }\n}\n"
        );
    }
}
