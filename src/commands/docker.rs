//! The docker of this machine.

use std::path::PathBuf;

use crate::hooks::binary::is_program;
use crate::os::env::Environment;

/// Why there is none.
pub(super) const NO_DOCKER: &str = "there is no docker in PATH";

/// The first `docker` in `PATH`. A relative directory may be part of a repository.
pub(super) fn docker(env: &Environment) -> Option<PathBuf> {
    let directories = std::env::split_paths(env.get("PATH")?).filter(|path| path.is_absolute());
    directories.map(|directory| directory.join("docker")).find(|path| is_program(path))
}
