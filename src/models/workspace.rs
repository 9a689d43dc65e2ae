//! `pnpm-workspace.yaml`.

use crate::formats::document::{Node, Value};

#[derive(Debug, Default)]
pub(crate) struct PnpmWorkspace {
    /// The patterns of `packages`; empty if absent, `None` if the file cannot be parsed.
    pub packages: Option<Vec<String>>,
}

impl PnpmWorkspace {
    pub(crate) fn parse(root: &Node) -> Self {
        Self { packages: Some(root.last("packages").and_then(patterns).unwrap_or_default()) }
    }
}

/// The strings of a list; `None` for any other type.
pub(super) fn patterns(node: &Node) -> Option<Vec<String>> {
    let Value::List(nodes) = &node.value else { return None };
    Some(nodes.iter().filter_map(Node::text).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{self, Syntax};

    #[test]
    fn a_workspace_without_packages_has_no_patterns() {
        for (text, expected) in [
            ("packages: [a/*, '!b', [c]]", Some(vec!["a/*", "!b"])),
            ("packages: a", Some(vec![])),
            ("packages: [a]\npackages: [b]", Some(vec!["b"])),
            ("catalog: {a: 1}", Some(vec![])),
            ("packages: [", None),
        ] {
            let root = formats::parse(Syntax::Yaml, text.as_bytes());
            let patterns = root.ok().and_then(|root| PnpmWorkspace::parse(&root).packages);
            let expected: Option<Vec<String>> =
                expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(patterns, expected, "{text}");
        }
    }
}
