//! Pins of `devcontainer.json`: features that install a package manager, and commands.

use crate::models::devcontainer::Devcontainer;
use crate::pins::manifest::string_pin;
use crate::pins::{FilePins, Manager, PinKind, commands};

/// The options of features that name a version: the feature, its option, and whose version it is.
const FEATURES: [(&str, &str, Manager); 4] = [
    ("ghcr.io/devcontainers/features/node", "pnpmVersion", Manager::Pnpm),
    ("ghcr.io/devcontainers/features/node", "npmVersion", Manager::Npm),
    ("ghcr.io/devcontainers-extra/features/pnpm", "version", Manager::Pnpm),
    ("ghcr.io/devcontainers-contrib/features/pnpm", "version", Manager::Pnpm),
];

/// The pins of a description; `text` is the file.
pub(super) fn devcontainer_pins(container: &Devcontainer, text: &[u8]) -> FilePins {
    let mut found = FilePins::default();
    for feature in &container.features {
        for (_, option, manager) in FEATURES.iter().filter(|(name, ..)| *name == feature.name) {
            let version =
                feature.options.last(option).and_then(|value| Some((value.text()?, &value.span)));
            if let Some((wanted, span)) = version.filter(|(wanted, _)| *wanted != "none") {
                found.pins.push(string_pin(PinKind::Feature, *manager, wanted, span, text));
            }
        }
    }
    for command in &container.commands {
        found.add(commands::invocation_pins(command, text));
    }
    found
}
