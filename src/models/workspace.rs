//! Which directories are members of a workspace, as its top says.

use crate::formats::document::{Node, Value};
use crate::models::Scalar;

#[derive(Debug, Default)]
pub(crate) struct PnpmWorkspace {
    /// The patterns of `packages`, empty if absent; `None` if the file cannot be parsed.
    pub packages: Option<Vec<Scalar>>,
}

impl PnpmWorkspace {
    /// The view of a document, if it could be parsed.
    pub(crate) fn from_document(root: Option<&Node>) -> Self {
        let Some(root) = root else { return Self::default() };
        Self { packages: Some(root.last("packages").and_then(patterns).unwrap_or_default()) }
    }
}

/// The strings of a list; `None` for anything else.
pub(super) fn patterns(node: &Node) -> Option<Vec<Scalar>> {
    match &node.value {
        Value::List(nodes) => {
            Some(nodes.iter().filter(|node| node.text().is_some()).map(Scalar::parse).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{self, Syntax};

    #[test]
    fn a_workspace_without_packages_has_its_top_alone() {
        for (text, expected) in [
            ("packages: [a/*, '!b', [c]]", Some(vec!["a/*", "!b"])),
            ("packages: a", Some(vec![])),
            ("packages: [a]\npackages: [b]", Some(vec!["b"])),
            ("catalog: {a: 1}", Some(vec![])),
            ("packages: [", None),
        ] {
            let workspace = PnpmWorkspace::from_document(
                formats::parse(Syntax::Yaml, text.as_bytes()).ok().as_ref(),
            );
            let patterns = workspace
                .packages
                .as_ref()
                .map(|list| list.iter().filter_map(Scalar::text).collect());
            assert_eq!(patterns, expected, "{text}");
        }
    }
}
