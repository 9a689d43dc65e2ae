//! Files of a directory that is in no repository: of an unpacked archive, or in an image.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::base::debris::DOCKER_DEPS;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read;
use crate::git::worktree::nested::{is_repository, unreadable};

/// Directories that are not entered: installed packages, and what is no repository of git.
const SKIPPED: [&[u8]; 2] = [b"node_modules", b".git"];

/// Whether git could find no repository in a directory or above, so that it need not be asked. What
/// cannot be examined counts as one, and so does a broken or foreign one: git says what is wrong.
pub(crate) fn has_no_repository(directory: &Path) -> bool {
    let is_absent = |path: &Path| {
        let absent = [ErrorKind::NotFound, ErrorKind::NotADirectory];
        path.symlink_metadata().is_err_and(|error| absent.contains(&error.kind()))
    };
    directory.ancestors().all(|top| {
        // A bare repository is its own directory.
        is_absent(&top.join(".git"))
            && (is_absent(&top.join("HEAD")) || is_absent(&top.join("refs")))
    })
}

/// Fails if a path belongs to another user, as git does for a repository: its files name programs
/// to start.
pub(crate) fn must_be_own(path: &Path) -> Result<(), Error> {
    let (doing, shown) = ("trust the files here", RepoPath::from(path));
    let about = fs::metadata(path).map_err(|error| Error::new(doing, error))?;
    if about.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Error::new(doing, format!("{shown} belongs to another user, and is in no git repository"))
        .help("run this as that user, or make it one of this user"))
}

/// The files and links below a directory, relative to it, without those in the directories that
/// `is_skipped` names. A repository there is one path. FIFOs, sockets and devices are left out, as
/// git leaves them out.
pub(super) fn files(top: &Path, is_skipped: fn(&RepoPath) -> bool) -> Result<Vec<RepoPath>, Error> {
    let (mut found, mut rest) = (Vec::new(), vec![RepoPath::default()]);
    while let Some(directory) = rest.pop() {
        let failed = |error| unreadable(directory.as_bytes(), &error);
        let place = top.join(std::ffi::OsStr::from_bytes(directory.as_bytes()));
        for place in read::list(&place).map_err(failed)? {
            let name = place.file_name().unwrap_or_default().as_bytes();
            let path = directory.join(&RepoPath::new(name));
            let Some(about) = read::if_exists(place.symlink_metadata()).map_err(failed)? else {
                continue;
            };
            let kind = about.file_type();
            if SKIPPED.contains(&name) || kind.is_dir() && is_skipped(&path) {
                continue;
            }
            if kind.is_dir() && !is_repository(&place) {
                rest.push(path);
            } else if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether a directory has what a preparation writes.
pub(super) fn is_leftover(path: &RepoPath) -> bool {
    path.file_name() == DOCKER_DEPS.as_bytes()
}
