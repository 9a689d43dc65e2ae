//! `package.json`. Of a key that occurs twice, the last value counts.

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::models::workspace::patterns;
use crate::models::{Scalar, StringMap};

#[derive(Debug)]
pub(crate) struct PackageJson {
    /// What the file is as a whole.
    pub shape: Shape,
    pub package_manager: Option<Scalar>,
    /// `devEngines.packageManager`, where it is an object.
    pub dev_engine: Option<DevEngine>,
    /// The alternatives of `devEngines.packageManager`, where it is a list.
    pub alternatives: Vec<DevEngine>,
    pub engines: StringMap,
    pub volta: StringMap,
    /// The patterns of `workspaces`, a list or an object that holds one.
    pub workspaces: Option<Vec<Scalar>>,
}

/// What a file is as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It is no JSON.
    Invalid,
    /// A string, number, boolean or null, and where it is.
    Scalar(Span),
    /// An object; or a list, which has no fields.
    Object,
}

/// A package manager of `devEngines`.
#[derive(Debug)]
pub(crate) struct DevEngine {
    /// The place of the object.
    pub span: Span,
    pub name: Option<Scalar>,
    /// The versions that are accepted.
    pub version: Option<Scalar>,
    /// What happens where another one runs.
    pub on_fail: Option<Scalar>,
}

impl PackageJson {
    /// The view of a document; of one that cannot be parsed, if there is none.
    pub(crate) fn from_document(root: Option<&Node>) -> Self {
        let field = |key| root.and_then(|root| root.last(key));
        let engine = field("devEngines").and_then(|engines| engines.last("packageManager"));
        let workspaces =
            field("workspaces").map(|workspaces| workspaces.last("packages").unwrap_or(workspaces));
        Self {
            package_manager: field("packageManager").map(Scalar::parse),
            dev_engine: engine
                .filter(|node| matches!(node.value, Value::Map(_)))
                .map(DevEngine::parse),
            alternatives: engine
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .map(DevEngine::parse)
                .collect(),
            engines: StringMap::parse(field("engines")),
            volta: StringMap::parse(field("volta")),
            workspaces: workspaces.and_then(patterns),
            shape: match root {
                None => Shape::Invalid,
                Some(Node { span, value: Value::Text(_) | Value::Other }) => {
                    Shape::Scalar(span.clone())
                }
                Some(_) => Shape::Object,
            },
        }
    }
}

impl DevEngine {
    fn parse(node: &Node) -> Self {
        let field = |key| node.last(key).map(Scalar::parse);
        Self {
            span: node.span.clone(),
            name: field("name"),
            version: field("version"),
            on_fail: field("onFail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{self, Syntax};

    fn parse(text: &str) -> PackageJson {
        PackageJson::from_document(formats::parse(Syntax::Json, text.as_bytes()).ok().as_ref())
    }

    #[test]
    fn of_a_field_that_occurs_twice_the_last_counts() {
        let text = r#"{"packageManager": "a", "engines": {"pnpm": "1", "pnpm": "2"}, "workspaces": ["x"],
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
        assert_eq!(patterns.iter().map(Scalar::text).collect::<Vec<_>>(), [Some("y")]);
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
    fn a_file_that_is_no_object_is_told_apart() {
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
