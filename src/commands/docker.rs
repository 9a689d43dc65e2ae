//! The programs of this machine that a verb starts.

use std::path::PathBuf;

use crate::hooks::binary::is_program;
use crate::os::env::Environment;

/// Why there is none.
pub(super) const NO_DOCKER: &str = "there is no docker in PATH";

/// The first `docker` in `PATH`.
pub(super) fn docker(env: &Environment) -> Option<PathBuf> {
    on_path(env, "docker")
}

/// The first program of a name in `PATH`. A relative directory may be part of a repository.
pub(super) fn on_path(env: &Environment, name: &str) -> Option<PathBuf> {
    let directories = std::env::split_paths(env.get("PATH")?).filter(|path| path.is_absolute());
    directories.map(|directory| directory.join(name)).find(|path| is_program(path))
}
