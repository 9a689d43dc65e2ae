//! Lockfiles: that of HEAD, where it fits the restored manifests; else an install writes it.

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::finding::Step;
use crate::base::path::RepoPath;
use crate::git::Git;
use crate::git::staging::{blob, since_head};
use crate::project::kinds::FileKind;
use crate::restore::plan::Side;
use crate::rules::{self, is_rewritten};

/// How a rewritten lockfile is restored.
pub(super) enum Way {
    /// From HEAD.
    Committed(Vec<u8>),
    /// HEAD has none.
    New,
    /// By these steps; before them, the lockfile of HEAD, if the install keeps traces.
    Install { first: Option<Vec<u8>>, reason: &'static str, steps: Vec<Step> },
}

/// The manifests on one side that differ from HEAD.
pub(super) struct Manifests<'a> {
    git: &'a Git,
    side: Side,
    /// The text of a manifest after it is restored.
    text: &'a dyn Fn(&RepoPath) -> Option<Vec<u8>>,
    /// Manifests that git does not track.
    untracked: &'a [RepoPath],
}

impl<'a> Manifests<'a> {
    pub(super) fn new(
        git: &'a Git,
        side: Side,
        text: &'a dyn Fn(&RepoPath) -> Option<Vec<u8>>,
        untracked: &'a [RepoPath],
    ) -> Self {
        Self { git, side, text, untracked }
    }

    /// Whether all manifests in the directory of a lockfile and below are as in HEAD.
    fn are_committed(&self, lockfile: &RepoPath) -> Result<bool, Error> {
        let is_manifest = |path: &RepoPath| is_manifest(path) && path.is_in(lockfile.parent());
        let changed = since_head(self.git, self.side == Side::Index, is_manifest)?;
        let differs = |path: &RepoPath| (self.text)(path) != blob(self.git, "HEAD", path);
        Ok(!changed.iter().any(|(path, is_missing)| *is_missing || differs(path))
            && !self.untracked.iter().any(|path| is_manifest(path) && differs(path)))
    }

    /// How a lockfile with traces is restored.
    pub(super) fn way(&self, path: &RepoPath, debris: &Debris) -> Result<Way, Error> {
        let Some(committed) = blob(self.git, "HEAD", path) else { return Ok(Way::New) };
        let file = File { path: path.clone(), text: committed, fresh: true, replaces: true };
        let is_clean = !is_rewritten(file.clone(), debris);
        if is_clean && self.are_committed(path)? {
            return Ok(Way::Committed(file.text));
        }
        let install = rules::install(path);
        let keeps_trace = install.is_some_and(|install| install.keeps_trace);
        let steps = [
            (keeps_trace && !is_clean).then_some(Step::Remove),
            (keeps_trace && is_clean && self.side == Side::Index).then_some(Step::TakeBack),
            install.map(|install| Step::Install(install.command)),
            (self.side == Side::Index).then_some(Step::Stage),
        ];
        let steps = steps.into_iter().flatten().collect();
        let reason = if is_clean {
            "the manifests differ from HEAD: install with them"
        } else {
            "that of HEAD is rewritten too: install with the restored manifests"
        };
        let first = (keeps_trace && is_clean && self.side == Side::WorkTree).then_some(file.text);
        Ok(Way::Install { first, reason, steps })
    }
}

/// Whether a file has dependencies of a package or workspace.
pub(super) fn is_manifest(path: &RepoPath) -> bool {
    FileKind::of(path, |kind| kind.dependencies().is_some()).is_some()
}

/// Whether a file is a lockfile.
pub(super) fn is_lockfile(path: &RepoPath) -> bool {
    FileKind::of(path, FileKind::is_lockfile).is_some()
}

/// Whether a file has settings that a package manager reads when it installs.
pub(super) fn is_settings(path: &RepoPath) -> bool {
    FileKind::of(path, |kind| kind.settings().is_some()).is_some()
}
