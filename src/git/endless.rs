//! FIFOs, sockets and devices in the place of files that git opens: git would wait for them, or
//! read them without end. They are found before git is started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink, ReadError};

/// Files of a repository that git opens for most questions: gitrepository-layout(5).
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

/// The longest file that leads to a directory, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Fails if git could wait for a file of the repository that it would use in this directory.
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
    let git = led_to(&place, b"gitdir: ").unwrap_or(place);
    let common = led_to(&git.join("commondir"), b"").unwrap_or_else(|| git.clone());
    let directories = if git == common { vec![&git] } else { vec![&git, &common] };
    for directory in directories {
        for path in OPENED.map(|name| directory.join(name)) {
            read::endless(&path).map_or(Ok(()), |noun| Err(refused(&path, noun)))?;
        }
        read::find_endless(&directory.join("refs"), |_| true, |_| true)
            .map_or(Ok(()), |(path, noun)| Err(refused(&path, noun)))?;
    }
    Ok(())
}

/// Fails if git could wait for a file that it opens in each directory of a work tree. Those of
/// packages are not looked at.
pub(super) fn refuse_in_work_tree(top: &Path) -> Result<(), Error> {
    let is_entered = |name: &OsStr| name != ".git" && name != "node_modules";
    let is_read = |name: &OsStr| IN_EACH_DIRECTORY.iter().any(|read| name == *read);
    match read::find_endless(top, is_entered, is_read) {
        Some((path, noun)) => Err(refused(path.strip_prefix(top).unwrap_or(&path), noun)),
        None => Ok(()),
    }
}

/// The error for a file that git would wait for.
pub(super) fn refused(path: &Path, noun: &'static str) -> Error {
    let error = ReadError::NotRegular(noun);
    Error::new(format!("read {}", RepoPath::new(path.as_os_str().as_bytes())), &error)
        .help(error.next_step())
}

/// The directory that a file of one line leads to.
fn led_to(file: &Path, prefix: &[u8]) -> Option<PathBuf> {
    let line = read::file(file, FinalLink::Follow, LONGEST).ok()?;
    let path = line.strip_prefix(prefix)?.trim_ascii_end();
    Some(file.parent()?.join(OsStr::from_bytes(path)))
}
