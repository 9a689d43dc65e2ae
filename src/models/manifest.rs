//! `package.json`. If a key occurs twice, its last value counts.

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::models::workspace::patterns;
use crate::models::{Scalar, StringMap, nested, scalar, string_map};

#[derive(Debug, Default)]
pub(crate) struct PackageJson {
    pub shape: Shape,
    pub package_manager: Option<Scalar>,
    /// `devEngines.packageManager`, if it is an object.
    pub dev_engine: Option<DevEngine>,
    /// The items of `devEngines.packageManager`, if it is a list.
    pub alternatives: Vec<DevEngine>,
    pub engines: StringMap,
    pub volta: StringMap,
    /// The patterns of `workspaces` or `workspaces.packages`.
    pub workspaces: Option<Vec<String>>,
}

/// The type of the root of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The file is not valid JSON.
    #[default]
    Invalid,
    /// A string, number, boolean or null, at this place.
    Scalar(Span),
    /// An object, or an array, which has no fields.
    Object,
}

/// A package manager of `devEngines`.
#[derive(Debug)]
pub(crate) struct DevEngine {
    pub span: Span,
    pub name: Option<Scalar>,
    /// The accepted versions.
    pub version: Option<Scalar>,
    /// The reaction to another package manager.
    pub on_fail: Option<Scalar>,
}

impl PackageJson {
    pub(crate) fn parse(root: &Node) -> Self {
        let engine = root.last("devEngines").and_then(|engines| engines.last("packageManager"));
        let alternatives = engine.map(Node::items).unwrap_or_default();
        Self {
            package_manager: scalar(root, "packageManager"),
            dev_engine: engine
                .filter(|node| matches!(node.value, Value::Map(_)))
                .map(DevEngine::parse),
            alternatives: alternatives.iter().map(DevEngine::parse).collect(),
            engines: string_map(root, "engines"),
            volta: string_map(root, "volta"),
            workspaces: nested(root, "workspaces", "packages").and_then(patterns),
            shape: match &root.value {
                Value::Text(_) | Value::Other => Shape::Scalar(root.span.clone()),
                Value::Map(_) | Value::List(_) => Shape::Object,
            },
        }
    }
}

impl DevEngine {
    fn parse(node: &Node) -> Self {
        Self {
            span: node.span.clone(),
            name: scalar(node, "name"),
            version: scalar(node, "version"),
            on_fail: scalar(node, "onFail"),
        }
    }
}

/// Whether a manifest may have a key. This is faster than parsing it: in a large workspace most
/// manifests lack the keys that are asked for.
pub(crate) fn may_have(text: &[u8], key: &str) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    // An escape may spell a letter of the key.
    has(key.as_bytes()) || has(b"\\u")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{self, Syntax};

    fn parse(text: &str) -> PackageJson {
        let root = formats::parse(Syntax::Json, text.as_bytes());
        root.map_or_else(|_| PackageJson::default(), |root| PackageJson::parse(&root))
    }

    #[test]
    fn the_last_value_of_a_field_counts() {
        let text = r#"{"packageManager": "a", "engines": {"pnpm": "1", "pnpm": "2"},
            "workspaces": ["x"],
            "packageManager": "b", "volta": {"node": 1}, "workspaces": {"packages": ["y", 1]}}"#;
        let manifest = parse(text);
        let field = manifest.package_manager.unwrap();
        assert_eq!((field.text(), text.get(field.span.clone())), (Some("b"), Some("\"b\"")));
        assert_eq!(
            (manifest.engines.text("pnpm"), manifest.engines.iter().count()),
            (Some("2"), 2)
        );
        assert_eq!(manifest.volta.last("node").unwrap().text(), None);
        let patterns = manifest.workspaces.unwrap();
        assert_eq!(patterns, ["y"]);
    }

    #[test]
    fn development_engines_are_an_object_or_a_list() {
        let engine = r#"{"name": "pnpm", "version": "^9", "onFail": "warn"}"#;
        for (value, one, several) in
            [(engine, 1, 0), (&format!("[{engine}, 1]"), 0, 2), ("\"pnpm\"", 0, 0)]
        {
            let text = format!(r#"{{"devEngines": {{"packageManager": {value}}}}}"#);
            let manifest = parse(&text);
            let found = (manifest.dev_engine.iter().count(), manifest.alternatives.len());
            assert_eq!(found, (one, several), "{value}");
            for engine in manifest.dev_engine.iter().chain(manifest.alternatives.first()) {
                let text = |value: &Option<Scalar>| {
                    value.as_ref().and_then(Scalar::text).unwrap_or_default().to_owned()
                };
                let fields = [&engine.name, &engine.version, &engine.on_fail].map(text);
                assert_eq!(fields, ["pnpm", "^9", "warn"]);
            }
        }
    }

    #[test]
    fn the_shape_is_that_of_the_root() {
        for (text, shape) in [
            ("{}", Shape::Object),
            ("[]", Shape::Object),
            (" \"x\"", Shape::Scalar(1..4)),
            ("null", Shape::Scalar(0..4)),
            ("{", Shape::Invalid),
        ] {
            assert_eq!(parse(text).shape, shape, "{text}");
        }
    }
}
