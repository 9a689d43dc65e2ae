//! The walk that finds debris which git ignores.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::change::Mode;
use crate::debris::Debris;
use crate::error::Error;
use crate::path::RepoPath;

/// Everything below `top` that looks like debris, tracked or not: backups, and what stands in `.docker-deps` and its kin.
///
/// Symbolic links are not followed. `.git`, `node_modules` and nested repositories are not entered: the first two hold
/// what others put there, the last are another repository's matter. A nested repository inside `.docker-deps` counts
/// itself, with a slash at its end as git writes it. A directory that cannot be read is an error: what it holds is
/// unknown.
pub fn find(top: &Path, debris: &Debris) -> Result<Vec<RepoPath>, Error> {
    let mut found = Vec::new();
    // Directories still to be read, each with the slash at its end; no more than one directory is open at a time.
    let mut pending: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(directory) = pending.pop() {
        for entry in list(top, &directory)? {
            let mut path = directory.clone();
            path.extend(entry.file_name().into_vec());
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if !kind.is_dir() {
                let path = RepoPath::new(path);
                // Pipes and sockets keep no directory in the tree either.
                let mode = if kind.is_file() { Mode::File } else { Mode::Symlink };
                if entry.file_name() != ".git" && (debris.is_backup(&path) || debris.content_of(&path, mode).is_some())
                {
                    found.push(path);
                }
                continue;
            }
            path.push(b'/');
            match entry.file_name().as_bytes() {
                b".git" => {}
                // Not entered, but git has to be able to, unless it is ignored.
                b"node_modules" => drop(list(top, &path)?),
                _ if is_repository(&entry.path()) => {
                    let path = RepoPath::new(path);
                    if debris.content_of(&path, Mode::Submodule).is_some() {
                        found.push(path);
                    }
                }
                _ => pending.push(path),
            }
        }
    }
    Ok(found)
}

/// The entries of a directory; none if it has just gone.
fn list(top: &Path, directory: &[u8]) -> Result<Vec<DirEntry>, Error> {
    let entries = match fs::read_dir(top.join(OsStr::from_bytes(directory))) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| unreadable(directory, &error))?,
    };
    entries.collect::<Result<_, _>>().map_err(|error| unreadable(directory, &error))
}

/// Whether a directory is the top of a repository of its own, as git decides it: an empty `.git` makes none, and so
/// hides nothing.
pub fn is_repository(directory: &Path) -> bool {
    let git = directory.join(".git");
    match fs::symlink_metadata(&git) {
        Ok(about) if about.is_file() => {
            let mut start = [0; 8];
            fs::File::open(&git).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"gitdir: "
        }
        Ok(_) => fs::symlink_metadata(git.join("HEAD")).is_ok() && git.join("objects").is_dir(),
        Err(_) => false,
    }
}

fn unreadable(directory: &[u8], error: &std::io::Error) -> Error {
    let shown =
        if directory.is_empty() { "the top of the work tree".into() } else { RepoPath::new(directory).to_string() };
    let help = match error.kind() {
        ErrorKind::PermissionDenied => "make it readable for this user, or run as its owner: what it holds is unknown",
        _ => "what it holds is unknown; mend it or remove it",
    };
    Error::new(format!("look for leftovers in {shown}"), error).help(help)
}

/// Takes from the found what others account for: paths that git has told of, and paths that it tracks.
pub fn without_known<T>(
    found: Vec<RepoPath>,
    told: &BTreeMap<RepoPath, T>,
    tracked: impl FnOnce() -> Result<Vec<RepoPath>, Error>,
) -> Result<Vec<RepoPath>, Error> {
    let mut rest: Vec<RepoPath> = found.into_iter().filter(|path| !told.contains_key(path)).collect();
    if !rest.is_empty() {
        let tracked: std::collections::HashSet<RepoPath> = tracked()?.into_iter().collect();
        // A nested repository that is tracked is a submodule, and those have no slash.
        let plain = |path: &RepoPath| RepoPath::new(path.as_bytes().strip_suffix(b"/").unwrap_or(path.as_bytes()));
        rest.retain(|path| !tracked.contains(&plain(path)));
    }
    Ok(rest)
}
