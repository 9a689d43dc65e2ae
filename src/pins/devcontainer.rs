//! Pins of `devcontainer.json`: features that install a package manager, and commands.

use crate::models::devcontainer::Devcontainer;
use crate::pins::manifest::string;
use crate::pins::{How, Manager, Reading, commands};

/// The options of features that name a version: the feature, its option, and whose version it is.
const FEATURES: [(&str, &str, Manager); 4] = [
    ("ghcr.io/devcontainers/features/node", "pnpmVersion", Manager::Pnpm),
    ("ghcr.io/devcontainers/features/node", "npmVersion", Manager::Npm),
    ("ghcr.io/devcontainers-extra/features/pnpm", "version", Manager::Pnpm),
    ("ghcr.io/devcontainers-contrib/features/pnpm", "version", Manager::Pnpm),
];

/// The pins of a description; `text` is the file.
pub(super) fn view(container: &Devcontainer, text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    for feature in &container.features {
        for (_, option, manager) in FEATURES.iter().filter(|(name, ..)| *name == feature.name) {
            let version =
                feature.options.last(option).and_then(|value| Some((value.text()?, &value.span)));
            if let Some((wanted, span)) = version.filter(|(wanted, _)| *wanted != "none") {
                reading.pins.push(string(How::Feature, *manager, wanted, span, text));
            }
        }
    }
    for command in &container.commands {
        reading.add(commands::of_invocation(command, text));
    }
    reading
}
