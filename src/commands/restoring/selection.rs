//! What is restored: the named paths, or everything.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::Git;
use crate::git::listing::merge_heads;
use crate::git::staging;
use crate::git::worktree::WorkTree;
use crate::restore::{Origin, Version};

/// The names of the commits that are merged, picked or reverted now.
pub(super) fn other_sides(git: &Git) -> Vec<String> {
    let is_there = |name: &&str| {
        let command = ["rev-parse", "--quiet", "--verify", name];
        git.query("find the merged commit", &command).is_ok_and(|id| id.is_some())
    };
    let merged = merge_heads(git).into_iter().map(|id| id.to_string());
    let picked = ["CHERRY_PICK_HEAD", "REVERT_HEAD"].into_iter().filter(is_there);
    merged.chain(picked.map(str::to_owned)).collect()
}

/// Marks the backups that are older than what git has: a preparation may keep those of an earlier
/// one.
pub(super) fn mark_older_backups(versions: &mut [Version], git: &Git, path: &RepoPath) {
    let known = |text: &[u8], versions: &[Version]| {
        versions.iter().any(|one| !one.origin.is_copy() && one.text == text)
    };
    for at in 0..versions.len() {
        let Version { origin, text, .. } = &versions[at];
        if *origin == Origin::Backup
            && !known(text, versions)
            && staging::is_committed(git, text, path)
        {
            versions[at].origin = Origin::OlderBackup;
        }
    }
}

/// Files and directories; everything if there are none.
#[derive(Debug, Default)]
pub(in crate::commands) struct Selection(Vec<RepoPath>);

impl Selection {
    /// Resolves paths in the current directory. `staged`: they need not exist on disk.
    pub(in crate::commands) fn of(
        paths: &[PathBuf],
        tree: &WorkTree,
        staged: bool,
    ) -> Result<Self, Error> {
        let resolve = |path: &PathBuf| {
            let doing = format!("restore {}", RepoPath::from(path.as_path()));
            let found = below_top(path, tree).ok_or_else(|| {
                Error::new(&*doing, "it is outside of the work tree")
                    .help("name files of this repository")
            })?;
            if !staged && !tree.exists(&found) {
                return Err(Error::new(doing, "it does not exist").help("name an existing path"));
            }
            Ok(found)
        };
        paths.iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path is selected.
    pub(super) fn has(&self, path: &RepoPath) -> bool {
        let is_in = |known: &RepoPath| {
            let rest = path.as_bytes().strip_prefix(known.as_bytes());
            rest.is_some_and(|rest| {
                known.as_bytes().is_empty() || rest.is_empty() || rest.starts_with(b"/")
            })
        };
        self.is_all() || self.0.iter().any(is_in)
    }

    /// Whether no path was named.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}

/// A path from the top of the work tree; `None` for one outside.
fn below_top(path: &Path, tree: &WorkTree) -> Option<RepoPath> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let prefix = Path::new(tree.prefix());
    let path = match path.strip_prefix(tree.top()) {
        Ok(path) => path,
        Err(_) if path.is_absolute() => return None,
        Err(_) => {
            parts.extend(prefix.components().map(|part| part.as_os_str().as_bytes()));
            path
        }
    };
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.as_bytes()),
            Component::ParentDir => _ = parts.pop()?,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(RepoPath::new(parts.join(&b'/')))
}
