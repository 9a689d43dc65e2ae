//! Our own files in the git directory of a work tree. Each linked work tree has its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::disk::read::{self, FinalLink};
use crate::git::process::Git;
use crate::os::env::Environment;

/// The journal of edits that are taken back, in the git directory.
const JOURNAL: &str = "bakstop/journal";
/// The maximum size in bytes of a `.git` file.
const LINK: u64 = 4096;

/// Where the journal of a work tree is, if there is one.
pub(crate) fn journal(git: &Git, doing: &str) -> Result<PathBuf, Error> {
    let path = git.path(doing, &["rev-parse", "--git-path", JOURNAL])?;
    Ok(git.directory().join(path))
}

/// The journal of the work tree of a directory, if it exists. `hook`: Git has started us at the top
/// of the work tree, so one look is enough.
pub(crate) fn existing_journal(directory: &Path, env: &Environment, hook: bool) -> Option<PathBuf> {
    let exists =
        |git: PathBuf| Some(git.join(JOURNAL)).filter(|file| file.symlink_metadata().is_ok());
    if let Some(git) = env.get("GIT_DIR").filter(|git| !git.is_empty()) {
        return exists(directory.join(git));
    }
    if hook {
        return exists(directory.join(".git"));
    }
    let top = directory.ancestors().find(|top| top.join(".git").symlink_metadata().is_ok())?;
    let git = top.join(".git");
    if fs::symlink_metadata(&git).is_ok_and(|about| about.is_file()) {
        // A linked work tree, or a submodule: gitrepository-layout(5).
        let link = read::file(&git, FinalLink::Refuse, LINK).ok()?;
        let target = link.trim_ascii_end().strip_prefix(b"gitdir: ")?;
        return exists(top.join(OsStr::from_bytes(target)));
    }
    exists(git)
}
