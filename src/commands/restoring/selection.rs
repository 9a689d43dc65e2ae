//! What is restored: the named paths, or everything.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::Git;
use crate::git::worktree::WorkTree;
use crate::restore::{Origin, Version};
use crate::rules::is_rewritten;

/// The names of the commits that are merged, picked or reverted now.
pub(super) fn other_sides(git: &Git) -> Vec<&'static str> {
    let is_there = |name: &&str| {
        let command = ["rev-parse", "--quiet", "--verify", name];
        git.query("find the merged commit", &command).is_ok_and(|id| id.is_some())
    };
    ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"].into_iter().filter(is_there).collect()
}

/// The committed versions of a manifest. If the preparation was committed, HEAD has no original,
/// but the commit before it may have one. `read` returns the text that a commit has.
pub(super) fn committed(
    path: &RepoPath,
    sides: &[&'static str],
    debris: &Debris,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Vec<Version> {
    let is_clean = |text: &Vec<u8>| {
        let file = File { path: path.clone(), text: text.clone(), fresh: true, replaces: true };
        !is_rewritten(file, debris)
    };
    let head = read("HEAD");
    let before = match &head {
        Some(text) if !is_clean(text) => read("HEAD^").filter(is_clean),
        _ => None,
    };
    let others = sides.iter().filter_map(|name| Some((Origin::OtherSide, read(name)?)));
    let all = [(Origin::Head, head), (Origin::BeforeHead, before)].into_iter();
    let all = all.filter_map(|(origin, text)| Some((origin, text?)));
    all.chain(others).map(|(origin, text)| Version { origin, text, verbatim: true }).collect()
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
