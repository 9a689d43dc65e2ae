//! The lockfiles that installs read. Lockfiles are large, so no other is read.

use std::collections::BTreeSet;

use crate::base::path::RepoPath;
use crate::builds::build_files::ImageFile;
use crate::builds::installs::LockfileUse;
use crate::builds::model::Builds;
use crate::builds::visits::{Visit, visits};
use crate::project::kinds::FileKind;

impl Visit<'_> {
    /// The lockfiles that it reads: those of its package manager, in its directory or above.
    pub(crate) fn lockfiles<'v>(
        &'v self,
        builds: &'v Builds,
    ) -> impl Iterator<Item = &'v ImageFile> {
        let uses = matches!(self.install.lockfile, LockfileUse::Frozen | LockfileUse::Wanted);
        let directory = self.directory.as_deref().filter(|_| uses);
        let is_above = |path: &str, directory: &str| {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            directory
                .strip_prefix(above)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_read = move |(path, image): &(&str, &ImageFile)| {
            let locks = |kind| self.install.installer.locks(kind);
            FileKind::of(&builds.file(image.file).path, locks).is_some()
                && directory.is_some_and(|directory| is_above(path, directory))
        };
        self.image.files().filter(is_read).map(|(_, image)| image)
    }
}

impl Builds {
    /// The numbers of the lockfiles whose text the rules ask for: those that an install reads, and
    /// those next to a workspace that may have members outside of the repository.
    pub(crate) fn lockfiles(&self) -> BTreeSet<usize> {
        let paths = || self.project.files().iter().map(|source| &source.file.path);
        let is_lock = |path: &RepoPath| FileKind::of(path, FileKind::is_lockfile).is_some();
        if !paths().any(is_lock) {
            return BTreeSet::new();
        }
        let mut found = BTreeSet::new();
        for build in &self.list {
            for visit in visits(self, build) {
                found.extend(visit.lockfiles(self).map(|lockfile| lockfile.file));
            }
        }
        let leaving = self.project.files().iter().filter(|source| {
            FileKind::PnpmWorkspace.matches(&source.file.path)
                && memchr::memmem::find(&source.file.text, b"..").is_some()
        });
        let leaving: BTreeSet<&[u8]> = leaving.map(|source| source.file.path.parent()).collect();
        let is_next = |(_, path): &(usize, &RepoPath)| {
            leaving.contains(path.parent()) && FileKind::PnpmLock.matches(path)
        };
        found.extend(paths().enumerate().filter(is_next).map(|(number, _)| number));
        found
    }
}
