//! Where an answer goes that was asked for in a file.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::disk::destination::{Destination, is_in_git_directory};
use crate::git::Git;
use crate::git::process::{GitOutput, failed};

/// Follows the links of the path that a person gave. An answer never goes into a git directory, nor
/// over a file that git tracks.
pub(super) fn destination(name: &Path, context: &Context) -> Result<Destination, Error> {
    let refuse = |cause: &str| {
        Error::new(format!("write {}", RepoPath::new(name.as_os_str().as_encoded_bytes())), cause)
            .help("give another file, outside of .git and not tracked")
    };
    if name.as_os_str() == "-" {
        return Err(refuse("`-` is not a file").help("give it a name, such as ./-"));
    }
    let destination = Destination::new(name);
    if destination.changes().is_some_and(is_in_git_directory) {
        return Err(refuse("it is part of a git directory"));
    }
    match destination.file() {
        Some(path) if is_tracked(path, context)? => Err(refuse("git tracks it")),
        _ => Ok(destination),
    }
}

/// Whether git tracks a file, in the repository that it lies in or in that of the environment.
fn is_tracked(path: &Path, context: &Context) -> Result<bool, Error> {
    let (Some(directory), Some(name)) = (path.parent().filter(|directory| directory.is_dir()), path.file_name()) else {
        return Ok(false);
    };
    let list = |git: Git, path: &OsStr| {
        let mut pathspec = OsString::from(":(literal)");
        pathspec.push(path);
        git.run("look into the index", &[OsStr::new("ls-files"), OsStr::new("--"), &pathspec])
    };
    if directory.ancestors().any(|above| above.join(".git").symlink_metadata().is_ok()) {
        let output = list(Git::nested(directory), name)?;
        let is_outside = String::from_utf8_lossy(&output.stderr).contains("not a git repository");
        match output.code {
            Some(0) if !output.stdout.is_empty() => return Ok(true),
            // Not every `.git` is one to git.
            code if code != Some(0) && !is_outside => return Err(failed("look into the index", &output)),
            _ => {}
        }
    }
    // Where a work tree is named by a variable, git fails for a path outside of it.
    let is_named = ["GIT_DIR", "GIT_WORK_TREE"].iter().any(|name| context.env.get(name).is_some());
    let tracked = |output: GitOutput| output.code == Some(0) && !output.stdout.is_empty();
    Ok(is_named && list(Git::new(&context.directory), path.as_os_str()).is_ok_and(tracked))
}
