//! Pins of `devcontainer.json`: features that install a package manager, and commands.

use crate::formats::shell::Lookup;
use crate::models::devcontainer::Devcontainer;
use crate::pins::images::{self, Container};
use crate::pins::pin::{FilePins, Manager, Pin, PinKind};
use crate::pins::scope::{self, VariableScope};
use crate::pins::scripts;

/// The options that are versions: the feature, its option, and the package manager.
const FEATURES: [(&str, &str, Manager); 4] = [
    ("ghcr.io/devcontainers/features/node", "pnpmVersion", Manager::Pnpm),
    ("ghcr.io/devcontainers/features/node", "npmVersion", Manager::Npm),
    ("ghcr.io/devcontainers-extra/features/pnpm", "version", Manager::Pnpm),
    ("ghcr.io/devcontainers-contrib/features/pnpm", "version", Manager::Pnpm),
];

pub(super) fn devcontainer_pins(container: &Devcontainer, text: &[u8]) -> FilePins {
    let scope = VariableScope::default();
    // A feature may install Node.js.
    let image = container.image.as_ref().filter(|_| container.features.is_empty());
    let mut there = Container::new(images::image_of(image, &scope).as_ref());
    let variables = &|name: &str| match name {
        "containerWorkspaceFolder" => scope::top(),
        _ => Lookup::Unknown,
    };
    let commands = container.commands.iter();
    let mut found: FilePins = commands
        .map(|command| scripts::invocation_pins(command, &mut there, variables, text))
        .collect();
    found.end_of_build();
    for feature in &container.features {
        let options = FEATURES.iter().filter(|(name, ..)| *name == feature.name);
        found.pins.extend(options.filter_map(|(_, option, manager)| {
            let value =
                feature.options.last(option).filter(|value| value.text() != Some("none"))?;
            Pin::from_string(PinKind::Feature, *manager, value, text)
        }));
    }
    found
}
