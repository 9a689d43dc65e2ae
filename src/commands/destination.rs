//! The file that a report is written to.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::disk::destination::{Destination, is_in_git_directory};
use crate::git::Git;
use crate::git::process::failed;

/// Resolves the path. Refuses a file in a git directory, a file that git tracks, and an input of
/// the same command.
pub(super) fn destination(
    name: &Path,
    inputs: &[&Option<PathBuf>],
    context: &Context,
) -> Result<Destination, Error> {
    if name.as_os_str() == "-" {
        return Err(refused(name, "`-` is not a file").help("name a file, such as ./-"));
    }
    let destination = Destination::new(name);
    if destination.target_path().is_some_and(is_in_git_directory) {
        return Err(refused(name, "it is part of a git directory"));
    }
    let file = destination.file();
    let is_input = |input: &PathBuf| file.is_some() && Destination::new(input).file() == file;
    if inputs.iter().copied().flatten().any(is_input) {
        return Err(refused(name, "this command reads it, or appends to it"));
    }
    must_be_untracked(&destination, context).map(|()| destination)
}

/// Refuses a file that git tracks. Called again before each write: a build may have added the file.
pub(crate) fn must_be_untracked(destination: &Destination, context: &Context) -> Result<(), Error> {
    match destination.file() {
        Some(path) if is_tracked(path, context)? => {
            Err(refused(destination.name(), "git tracks it"))
        }
        _ => Ok(()),
    }
}

fn refused(name: &Path, cause: &str) -> Error {
    Error::new(format!("write {}", RepoPath::from(name)), cause)
        .help("name another file: outside of .git, not tracked, and not an input")
}

/// Whether git tracks a file, in its repository or in that of the environment. The directory of the
/// file may be absent.
fn is_tracked(path: &Path, context: &Context) -> Result<bool, Error> {
    let directory = path.ancestors().skip(1).find(|above| above.is_dir());
    let Some((directory, name)) =
        directory.and_then(|above| Some((above, path.strip_prefix(above).ok()?)))
    else {
        return Ok(false);
    };
    let is_in_repository =
        directory.ancestors().any(|above| above.join(".git").symlink_metadata().is_ok());
    if is_in_repository && tracks(&Git::nested(directory), name)? {
        return Ok(true);
    }
    let is_named = ["GIT_DIR", "GIT_WORK_TREE"].iter().any(|name| context.env.get(name).is_some());
    Ok(is_named && tracks(&Git::new(&context.directory), path)?)
}

/// Whether this git tracks a path. It tracks none outside of its work tree, or if `.git` is not a
/// repository.
fn tracks(git: &Git, path: &Path) -> Result<bool, Error> {
    let doing = "read the index";
    let mut pathspec = OsString::from(":(literal)");
    pathspec.push(path);
    let output = git.run(doing, &[OsStr::new("ls-files"), OsStr::new("--"), &pathspec])?;
    let message = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(!output.stdout.is_empty()),
        _ if ["not a git repository", "outside repository"]
            .iter()
            .any(|words| message.contains(words)) =>
        {
            Ok(false)
        }
        _ => Err(failed(doing, &output)),
    }
}
