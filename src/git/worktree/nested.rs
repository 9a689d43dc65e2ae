//! Repositories inside the work tree, and places that cannot be read.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::Error;
use crate::path::RepoPath;

/// Whether a directory is the top of a repository of its own, as git decides it: an empty `.git` makes none, and so
/// hides nothing.
pub fn is_repository(directory: &Path) -> bool {
    let git = directory.join(".git");
    match fs::symlink_metadata(&git) {
        Ok(about) if about.is_file() => {
            let mut start = [0; 8];
            File::open(&git).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"gitdir: "
        }
        Ok(_) => fs::symlink_metadata(git.join("HEAD")).is_ok() && git.join("objects").is_dir(),
        Err(_) => false,
    }
}

/// What is told of a place that cannot be looked at.
pub fn unreadable(place: &[u8], error: &std::io::Error) -> Error {
    let shown = if place.is_empty() { "the top of the work tree".into() } else { RepoPath::new(place).to_string() };
    let help = match error.kind() {
        ErrorKind::PermissionDenied => "make it readable for this user, or run as its owner: what it holds is unknown",
        _ => "what it holds is unknown; mend it or remove it",
    };
    Error::new(format!("look into {shown}"), error).help(help)
}
