//! `devcontainer.json`: features that install a package manager, and the commands of its life cycle.

use crate::formats::document::{Node, Value};
use crate::formats::shell::Lookup;
use crate::formats::{self, Syntax};
use crate::pins::manifest::string;
use crate::pins::{How, Manager, Reading, commands};

/// The options of features that name a version: the feature, its option, and whose version it is.
const FEATURES: [(&str, &str, Manager); 4] = [
    ("ghcr.io/devcontainers/features/node", "pnpmVersion", Manager::Pnpm),
    ("ghcr.io/devcontainers/features/node", "npmVersion", Manager::Npm),
    ("ghcr.io/devcontainers-extra/features/pnpm", "version", Manager::Pnpm),
    ("ghcr.io/devcontainers-contrib/features/pnpm", "version", Manager::Pnpm),
];

/// The commands that are run in the container.
const COMMANDS: [&str; 5] =
    ["onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand", "postAttachCommand"];

/// Reads the description of a development container.
pub(super) fn read(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Jsonc, text) else { return reading };
    for (feature, options) in root.get("features").flat_map(Node::entries) {
        let name = feature.text.split([':', '@']).next().unwrap_or_default();
        for (_, option, manager) in FEATURES.iter().filter(|(feature, ..)| *feature == name) {
            let version = options.get(option).last().and_then(|node| Some((node, node.text()?)));
            if let Some((node, wanted)) = version.filter(|(_, wanted)| *wanted != "none") {
                reading.pins.push(string(How::Feature, *manager, wanted, node, text));
            }
        }
    }
    for command in COMMANDS.iter().flat_map(|key| root.get(key)) {
        run(command, text, &mut reading);
    }
    reading
}

/// A command, or several by their names.
fn run(command: &Node, text: &[u8], reading: &mut Reading) {
    match &command.value {
        Value::Map(entries) => entries.iter().for_each(|(_, command)| run(command, text, reading)),
        _ => reading.add(commands::of_command(command, &|_| Lookup::Unknown, text)),
    }
}
