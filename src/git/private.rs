//! Our own files in the git directory of a work tree: each linked work tree has its own. Without
//! git, they are in the leftover directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::debris::DOCKER_DEPS;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::git::process::Git;
use crate::os::env::Environment;

/// A journal of edits that are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// The comments of `bakstop measure`.
    Touched,
    /// The manifests that `bakstop prep --in-place` rewrote.
    Prepared,
}

impl Journal {
    /// Its path in the git directory. Each is in a directory of its own, which is locked.
    fn path(self) -> &'static str {
        match self {
            Self::Touched => "bakstop/journal",
            Self::Prepared => "bakstop/prep/journal",
        }
    }
}

/// The maximum size in bytes of a `.git` file.
const LINK: u64 = 4096;

/// Where a journal of a work tree is, if there is one.
pub(crate) fn journal(git: &Git, journal: Journal, doing: &str) -> Result<PathBuf, Error> {
    let path = git.path(doing, &["rev-parse", "--git-path", journal.path()])?;
    Ok(git.directory().join(path))
}

/// Where a journal of sources without git is, if there is one.
pub(crate) fn beside(top: &Path, journal: Journal) -> PathBuf {
    top.join(DOCKER_DEPS).join(journal.path())
}

/// Whether a path is the directory of such journals, or in it.
pub(crate) fn is_beside(path: &RepoPath) -> bool {
    path.as_bytes().strip_prefix(DOCKER_DEPS.as_bytes()).is_some_and(|path| {
        let path = path.strip_prefix(b"/bakstop");
        path.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// The journals of the work tree of a directory that exist, or of sources without git. `hook`: Git
/// has started us at the top of the work tree, so one look for each is enough.
pub(crate) fn existing_journals(
    directory: &Path,
    env: &Environment,
    hook: bool,
) -> Vec<(Journal, PathBuf)> {
    let exists = |file: &Path| file.symlink_metadata().is_ok();
    let Some(git) = git_directory(directory, env, hook) else {
        let mut places = directory.ancestors().map(|top| beside(top, Journal::Prepared));
        let found = places.find(|file| exists(file));
        return found.map(|file| (Journal::Prepared, file)).into_iter().collect();
    };
    let all = [Journal::Touched, Journal::Prepared].map(|one| (one, git.join(one.path())));
    all.into_iter().filter(|(_, file)| exists(file)).collect()
}

fn git_directory(directory: &Path, env: &Environment, hook: bool) -> Option<PathBuf> {
    if let Some(git) = env.get("GIT_DIR").filter(|git| !git.is_empty()) {
        return Some(directory.join(git));
    }
    if hook {
        return Some(directory.join(".git"));
    }
    let top = directory.ancestors().find(|top| top.join(".git").symlink_metadata().is_ok())?;
    let git = top.join(".git");
    if fs::symlink_metadata(&git).is_ok_and(|about| about.is_file()) {
        // A linked work tree, or a submodule: gitrepository-layout(5).
        let link = read::file(&git, FinalLink::Refuse, LINK).ok()?;
        let target = link.trim_ascii_end().strip_prefix(b"gitdir: ")?;
        return Some(top.join(OsStr::from_bytes(target)));
    }
    Some(git)
}
