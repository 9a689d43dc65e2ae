//! The boundary to git: the few questions that the program has, each answered by the cheapest layer that is certain.
//!
//! Two layers stand behind it. `native` reads the repository with gix, without starting a process; it hands over, with a
//! reason, whatever it does not know for certain. `command` asks the `git` program, which knows everything; if that
//! fails too, so does the run. Nothing above this module knows which layer answered.

use std::path::Path;

use crate::env::Environment;
use crate::error::Error;

pub mod command;
pub mod layout;
mod native;
mod staged;
pub mod worktree;

pub use command::Git;
pub use staged::Staged;

/// What is about to be committed: the index against HEAD.
///
/// `directory` is where the program was started; git's environment variables say the rest.
pub fn staged(directory: &Path, env: &Environment) -> Result<Staged, Error> {
    match native::Repository::open(directory, env).and_then(|repository| repository.staged(env)) {
        Ok(staged) => staged.require_merged(),
        Err(handover) => command::staged(&Git::new(directory), env, &handover).and_then(Staged::require_merged),
    }
}
