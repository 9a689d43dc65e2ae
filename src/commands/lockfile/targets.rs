//! The lockfiles that are made: those that are there, and new ones.

use crate::base::change::Change;
use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::lockfile::setting::{LockfileSetting, MAKING, judge};
use crate::commands::paths::Paths;
use crate::commands::planned::{Planned, Texts};
use crate::engine::Judgement;
use crate::git::worktree::WorkTree;
use crate::locks::ImageView;
use crate::project::kinds::FileKind;

/// The layout of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ImageLayout {
    // One member, whose manifest is at the top of the image
    #[default]
    Alone,
    // The members as in the repository: one lockfile for all
    Flat,
}

/// A lockfile to make.
pub(super) struct LockfileTarget {
    pub path: RepoPath,
    /// What its image sees.
    pub view: ImageView,
    /// Its text; `None` for a new one.
    pub old: Option<Vec<u8>>,
}

impl LockfileTarget {
    /// What an error message completes.
    pub(super) fn doing(&self) -> String {
        format!("make {}", self.path)
    }

    /// Writes it atomically, if nobody else did in the meantime.
    pub(super) fn write(&self, tree: &WorkTree, file: &Replacement) -> Result<(), Error> {
        match &self.old {
            Some(old) => tree.replace(&self.path, old, &file.new),
            None => tree.create(&self.path, &file.new),
        }
    }
}

/// A lockfile of an image with one member, before it is made.
const ALONE: &str = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n";
/// One of an image with several members: another importer tells that.
const FLAT: &str = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  '*': {}\n";

/// The lockfiles that the named members have, and a new one for each member without.
pub(super) fn targets(
    judged: &Judgement,
    members: &Paths,
    layout: ImageLayout,
    setting: &LockfileSetting<'_>,
) -> Result<Vec<LockfileTarget>, Error> {
    let mut found: Vec<LockfileTarget> = Vec::new();
    for lock in &judged.locks {
        let file = &lock.view.lock.file;
        if !found.iter().any(|target| target.path == file.path) {
            let (view, old) = (lock.view.clone(), Some(file.text.clone()));
            found.push(LockfileTarget { path: file.path.clone(), view, old });
        }
    }
    let mut new = Texts::new();
    for member in members.uncovered() {
        new.insert(new_path(member, layout, setting)?, placeholder(layout));
    }
    if members.is_empty() && layout == ImageLayout::Flat && found.is_empty() {
        new.insert(new_path(&RepoPath::from(""), layout, setting)?, placeholder(layout));
    }
    if new.is_empty() {
        return Ok(found);
    }
    let planned = Planned::new(setting.files, &new);
    for lock in judge(setting.config, &planned)?.locks {
        let path = lock.view.lock.file.path.clone();
        if new.remove(&path).is_some() {
            found.push(LockfileTarget { path, view: lock.view, old: None });
        }
    }
    Ok(found)
}

fn placeholder(layout: ImageLayout) -> Vec<u8> {
    match layout {
        ImageLayout::Alone => ALONE.into(),
        ImageLayout::Flat => FLAT.into(),
    }
}

/// The path of a new lockfile.
fn new_path(
    directory: &RepoPath,
    layout: ImageLayout,
    setting: &LockfileSetting<'_>,
) -> Result<RepoPath, Error> {
    let has = |kind: FileKind| {
        let mut entries = setting.files.fresh().iter().map(|entry| &entry.path);
        entries.any(|path| path.parent() == directory.as_bytes() && kind.matches(path))
    };
    let (kind, name) = match layout {
        ImageLayout::Alone => (FileKind::Manifest, FileKind::MANIFEST),
        ImageLayout::Flat => (FileKind::PnpmWorkspace, FileKind::WORKSPACE_OF_PNPM),
    };
    if !has(kind) {
        let place = if directory.as_bytes().is_empty() {
            "the top".to_owned()
        } else {
            directory.to_string()
        };
        return Err(Error::new(MAKING, format!("there is no {name} in {place}"))
            .help("name the directory of a member, or a lockfile that is there"));
    }
    let path = directory.join(&RepoPath::from(FileKind::NEW_DOCKER_LOCKFILE));
    if setting.tree.exists(&path) {
        let cause = format!("{path} is there, but git ignores it, or it is no regular file");
        return Err(Error::new(MAKING, cause).help("move it away, or let git track it"));
    }
    Ok(path)
}
