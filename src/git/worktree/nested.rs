//! Repositories inside the work tree, and places that cannot be read.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};

/// Whether a directory is the top of a repository of its own, as git decides it (setup.c): what
/// only looks like one hides nothing.
pub(super) fn is_repository(directory: &Path) -> bool {
    let git = directory.join(".git");
    match fs::symlink_metadata(&git) {
        Ok(about) if about.is_file() => {
            let text = read::file(&git, FinalLink::Refuse, LONGEST).unwrap_or_default();
            let target = text.strip_prefix(b"gitdir: ").map(<[u8]>::trim_ascii_end);
            target
                .is_some_and(|target| is_git_directory(&directory.join(OsStr::from_bytes(target))))
        }
        Ok(_) => is_git_directory(&git),
        Err(_) => false,
    }
}

/// The longest file that says where a repository is, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A HEAD that can be one, objects and refs; the last two may be shared with another work tree.
fn is_git_directory(git: &Path) -> bool {
    let read = |name: &str| read::file(&git.join(name), FinalLink::Follow, LONGEST).ok();
    let is_head = |text: Vec<u8>| {
        text.starts_with(b"ref:") || ObjectId::from_hex(text.trim_ascii_end()).is_some()
    };
    let shared = read("commondir").map(|text| git.join(OsStr::from_bytes(text.trim_ascii_end())));
    let shared = shared.as_deref().unwrap_or(git);
    let head = read("HEAD").is_some_and(is_head)
        || fs::read_link(git.join("HEAD")).is_ok_and(|to| to.starts_with("refs"));
    head && shared.join("objects").is_dir() && shared.join("refs").is_dir()
}

/// What is told of a place that cannot be looked at.
pub(super) fn unreadable(place: &[u8], error: &std::io::Error) -> Error {
    let shown = if place.is_empty() {
        "the top of the work tree".into()
    } else {
        RepoPath::new(place).to_string()
    };
    let help = match error.kind() {
        ErrorKind::PermissionDenied => {
            "make it readable for this user, or run as its owner: what it holds is unknown"
        }
        _ => "what it holds is unknown; mend it or remove it",
    };
    Error::new(format!("look into {shown}"), error).help(help)
}
