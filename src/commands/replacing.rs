//! Replaces files of the work tree: all, or none if one must not be changed.

use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::git::worktree::WorkTree;

/// Replaces each file atomically, if all are where they may be changed. A file that another process
/// changed in the meantime is an error, which says how many files are changed already.
pub(super) fn replace_all(tree: &WorkTree, files: &[Replacement]) -> Result<(), Error> {
    for file in files {
        tree.place_to_change(&file.path)?;
    }
    for (done, Replacement { path, old, new }) in files.iter().enumerate() {
        tree.replace(path, old, new).map_err(|error| match done {
            0 => error,
            1 => error.help("1 file is changed already: fix this, and run it again"),
            _ => {
                error.help(format!("{done} files are changed already: fix this, and run it again"))
            }
        })?;
    }
    Ok(())
}
