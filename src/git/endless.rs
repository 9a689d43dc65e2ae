//! Finds FIFOs, sockets and devices at the paths of files that git opens, before git is started: it
//! would block on them or read them endlessly.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink, ReadError};

/// Files of a repository that most git commands open (gitrepository-layout(5)).
const OPENED: [&str; 10] = [
    "HEAD",
    "commondir",
    "config",
    "config.worktree",
    "index",
    "info/attributes",
    "info/exclude",
    "objects/info/alternates",
    "packed-refs",
    "shallow",
];

/// Files that git opens in each directory of a work tree.
pub(super) const IN_EACH_DIRECTORY: [&str; 2] = [".gitignore", ".gitattributes"];

/// The largest file that names a directory, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Fails if git could block on a file of the repository that it would use in this directory.
/// `named` is the value of `GIT_DIR`.
pub(super) fn refuse_in_repository(directory: &Path, named: Option<&OsStr>) -> Result<(), Error> {
    let place = match named {
        Some(git) => Some(directory.join(git)),
        None => directory
            .ancestors()
            .map(|above| above.join(".git"))
            .find(|git| git.symlink_metadata().is_ok()),
    };
    // A bare repository is its own directory.
    let place = place.unwrap_or_else(|| directory.to_owned());
    let git = named_by(&place, b"gitdir: ").unwrap_or(place);
    let common = named_by(&git.join("commondir"), b"").unwrap_or_else(|| git.clone());
    let directories = if git == common { vec![&git] } else { vec![&git, &common] };
    for directory in directories {
        for path in OPENED.map(|name| directory.join(name)) {
            if let Some(noun) = read::endless(&path) {
                return Err(refused(&path, noun));
            }
        }
        if let Some((path, noun)) = read::find_endless(&directory.join("refs"), |_| true, |_| true)
        {
            return Err(refused(&path, noun));
        }
    }
    Ok(())
}

/// Fails if git could block on a file that it opens in each directory of a work tree. Directories
/// of installed packages are not searched.
pub(super) fn refuse_in_work_tree(top: &Path) -> Result<(), Error> {
    let is_entered = |name: &OsStr| name != ".git" && name != "node_modules";
    let is_read = |name: &OsStr| IN_EACH_DIRECTORY.iter().any(|read| name == *read);
    match read::find_endless(top, is_entered, is_read) {
        Some((path, noun)) => Err(refused(path.strip_prefix(top).unwrap_or(&path), noun)),
        None => Ok(()),
    }
}

/// The error for a file that git would block on.
pub(super) fn refused(path: &Path, noun: &'static str) -> Error {
    let error = ReadError::NotRegular(noun);
    Error::new(format!("read {}", RepoPath::new(path.as_os_str().as_bytes())), &error)
        .help(error.next_step())
}

/// The directory that a file of one line names after this prefix.
fn named_by(file: &Path, prefix: &[u8]) -> Option<PathBuf> {
    let line = read::file(file, FinalLink::Follow, LARGEST).ok()?;
    let path = line.strip_prefix(prefix)?.trim_ascii_end();
    Some(file.parent()?.join(OsStr::from_bytes(path)))
}
