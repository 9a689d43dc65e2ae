//! The files that Docker Compose and bake look for if no command names one.

use crate::base::path::RepoPath;

/// The compose files that Docker Compose looks for in a directory: the first that is there counts.
const COMPOSE_DEFAULTS: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Those that it merges with the default one: the first that is there.
const COMPOSE_OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files that bake looks for after the compose files, in the order in which it merges them.
pub(crate) const BAKE_DEFAULTS: [&str; 4] = [
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// The use of a compose file if no command names it. A lower number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ComposeRole {
    Default(usize),
    Override(usize),
    /// Used only by a command that names it.
    Other,
}

impl ComposeRole {
    pub(crate) fn of(path: &RepoPath) -> Self {
        let position =
            |names: &[&str]| names.iter().position(|name| name.as_bytes() == path.file_name());
        position(&COMPOSE_DEFAULTS)
            .map(Self::Default)
            .or_else(|| position(&COMPOSE_OVERRIDES).map(Self::Override))
            .unwrap_or(Self::Other)
    }
}
