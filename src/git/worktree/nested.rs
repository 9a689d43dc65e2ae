//! Repositories inside the work tree, and errors for unreadable paths.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::git::process::{self, Git};

/// Whether git treats a directory as the top of another repository (setup.c).
pub(super) fn is_repository(directory: &Path) -> bool {
    let git = directory.join(".git");
    match fs::symlink_metadata(&git) {
        Ok(about) if about.is_file() => {
            let text = read::file(&git, FinalLink::Refuse, LIMIT).unwrap_or_default();
            let target = text.strip_prefix(b"gitdir: ").map(<[u8]>::trim_ascii_end);
            target
                .is_some_and(|target| is_git_directory(&directory.join(OsStr::from_bytes(target))))
        }
        Ok(_) => is_git_directory(&git),
        Err(_) => false,
    }
}

/// Whether git refuses a repository inside the work tree, because it belongs to another user. Its
/// settings may name programs to run. Named by `GIT_DIR`, git would not refuse it.
pub(super) fn is_refused(top: &Path, doing: &str) -> Result<bool, Error> {
    let above = top.parent().unwrap_or(top).as_os_str().to_owned();
    let git = Git::nested(top).with(&[("GIT_CEILING_DIRECTORIES".to_owned(), above)]);
    Ok(process::is_refused(&git.run(doing, &["rev-parse", "--git-dir"])?))
}

/// The largest `.git` file or HEAD, in bytes.
const LIMIT: u64 = 64 * 1024;

/// Whether a directory has a valid HEAD, objects and refs; a linked work tree shares the last two.
fn is_git_directory(git: &Path) -> bool {
    let read = |name: &str| read::file(&git.join(name), FinalLink::Follow, LIMIT).ok();
    let is_head = |text: Vec<u8>| {
        text.starts_with(b"ref:") || ObjectId::from_hex(text.trim_ascii_end()).is_some()
    };
    let common = read("commondir").map(|text| git.join(OsStr::from_bytes(text.trim_ascii_end())));
    let common = common.as_deref().unwrap_or(git);
    let head = read("HEAD").is_some_and(is_head)
        || fs::read_link(git.join("HEAD")).is_ok_and(|to| to.starts_with("refs"));
    head && common.join("objects").is_dir() && common.join("refs").is_dir()
}

/// The error of a path that cannot be read.
pub(super) fn unreadable(place: &[u8], error: &std::io::Error) -> Error {
    let shown = if place.is_empty() {
        "the top of the work tree".into()
    } else {
        RepoPath::new(place).to_string()
    };
    let help = match error.kind() {
        ErrorKind::PermissionDenied => "make it readable by this user, or run as its owner",
        _ => "check the file system, or remove it",
    };
    Error::new(format!("read {shown}"), error).help(help)
}
