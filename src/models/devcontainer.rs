//! `devcontainer.json`.

use crate::formats::document::{Node, Value};
use crate::models::{Invocation, Scalar, StringMap, scalar};

/// The lifecycle commands that run in the container.
const COMMANDS: [&str; 5] = [
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
];

#[derive(Debug, Default)]
pub(crate) struct Devcontainer {
    /// Its image, if it is not built or composed.
    pub image: Option<Scalar>,
    pub features: Vec<Feature>,
    pub commands: Vec<Invocation>,
}

#[derive(Debug)]
pub(crate) struct Feature {
    /// Its reference without version and digest.
    pub name: String,
    pub options: StringMap,
}

impl Devcontainer {
    pub(crate) fn parse(root: &Node) -> Self {
        let features = root.get("features").flat_map(Node::entries);
        let mut commands = Vec::new();
        COMMANDS
            .iter()
            .flat_map(|key| root.get(key))
            .for_each(|node| add_commands(node, &mut commands));
        Self {
            image: scalar(root, "image"),
            features: features
                .map(|(key, options)| Feature {
                    name: key.text.split([':', '@']).next().unwrap_or_default().to_owned(),
                    options: StringMap::parse(options),
                })
                .collect(),
            commands,
        }
    }
}

/// Adds a command, or each command of a map.
fn add_commands(node: &Node, commands: &mut Vec<Invocation>) {
    match &node.value {
        Value::Map(entries) => entries.iter().for_each(|(_, node)| add_commands(node, commands)),
        _ => commands.push(Invocation::parse(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    #[test]
    fn a_container_has_features_and_commands() {
        let text = r#"{ // c
            "features": {"ghcr.io/a/b:1": {"v": "1"}, "ghcr.io/a/c@sha256:ab": "latest"},
            "postCreateCommand": {"x": "one", "y": ["two", "three"]},
            "onCreateCommand": "four", "initializeCommand": "five",
        }"#;
        let container = Devcontainer::parse(&parse(Syntax::Jsonc, text.as_bytes()).unwrap());
        let features = container
            .features
            .iter()
            .map(|feature| (feature.name.as_str(), feature.options.text("v")));
        assert_eq!(
            features.collect::<Vec<_>>(),
            [("ghcr.io/a/b", Some("1")), ("ghcr.io/a/c", None)]
        );
        let commands = container.commands.iter().map(|command| match command {
            Invocation::Shell(line) => line.text().unwrap().to_owned(),
            Invocation::Exec(words) => {
                words.iter().filter_map(Scalar::text).collect::<Vec<_>>().join("|")
            }
        });
        assert_eq!(commands.collect::<Vec<_>>(), ["four", "one", "two|three"]);
    }
}
