//! Restores the entries of the index.

use once_cell::unsync::OnceCell;

use crate::base::change::{Change as _, Content, Entry, File};
use crate::base::debris::{Debris, backup_of};
use crate::base::error::Error;
use crate::base::finding::Step;
use crate::base::path::RepoPath;
use crate::commands::paths::Paths;
use crate::commands::restoring::lockfile::{Manifests, Way, is_lockfile, is_manifest, is_settings};
use crate::commands::restoring::versions::{committed, mark_older_backups, renamed_from};
use crate::engine::LIMIT;
use crate::git::Staged;
use crate::git::staging::{self, StagedContent, blob};
use crate::restore::plan::{Plan, Remaining, Restoration, Side};
use crate::restore::{Origin, Restored, Version, manifest};
use crate::rules::is_rewritten;

/// Plans to restore the selected entries.
pub(in crate::commands) fn plan(
    staged: &Staged,
    debris: &Debris,
    paths: &Paths,
) -> Result<Plan, Error> {
    let mut planning =
        IndexPlanning { staged, debris, sides: OnceCell::new(), plan: Plan::default() };
    let entries = || staged.fresh().iter().filter(|entry| paths.cover(&entry.path));
    for entry in entries() {
        planning.leftover_or_manifest(entry)?;
    }
    for entry in entries() {
        planning.lockfile(entry)?;
    }
    Ok(planning.plan)
}

struct IndexPlanning<'a> {
    staged: &'a Staged<'a>,
    debris: &'a Debris,
    /// Looked up for the first manifest with a trace.
    sides: OnceCell<Vec<String>>,
    plan: Plan,
}

impl IndexPlanning<'_> {
    fn left(&mut self, path: &RepoPath, line: Option<usize>, reason: String, steps: Vec<Step>) {
        let (side, path) = (Side::Index, path.clone());
        self.plan.left.push(Remaining { side, path, line, reason, steps });
    }

    /// The file of an entry, if it is rewritten.
    fn rewritten(
        &mut self,
        entry: &Entry,
        wanted: fn(&RepoPath) -> bool,
    ) -> Result<Option<File>, Error> {
        if !entry.is_regular() || !wanted(&entry.path) {
            return Ok(None);
        }
        let Content::Bytes(text) = self.staged.read(entry, LIMIT)? else {
            self.left(&entry.path, None, "it is too large".to_owned(), Vec::new());
            return Ok(None);
        };
        let path = entry.path.clone();
        let file = File { path, text, fresh: true, replaces: entry.replaces.is_some() };
        Ok(is_rewritten(file.clone(), self.debris).then_some(file))
    }

    fn leftover_or_manifest(&mut self, entry: &Entry) -> Result<(), Error> {
        let path = &entry.path;
        if self.debris.content_of(path, entry.mode).is_some() || self.debris.is_backup(path) {
            self.plan.changes.push((Side::Index, path.clone(), Restoration::Unstaged));
        } else if self.rewritten(entry, is_settings)?.is_some() {
            let reason = "a setting points to a leftover: change it by hand, then stage it";
            self.left(path, None, reason.to_owned(), Vec::new());
        } else if let Some(file) = self.rewritten(entry, is_manifest)? {
            self.manifest(file);
        }
        Ok(())
    }

    fn manifest(&mut self, file: File) {
        if manifest(&file, &[], self.debris).is_none() {
            return;
        }
        let versions = self.versions(&file);
        let restored = manifest(&file, &versions, self.debris);
        let Some(Restored { text, left }) = restored else { return };
        for left in left {
            self.left(&file.path, Some(left.line), left.reason, Vec::new());
        }
        if text != file.text {
            let change = Restoration::Restored { old: file.text, new: text };
            self.plan.changes.push((Side::Index, file.path, change));
        }
    }

    /// The other versions of a manifest.
    fn versions(&self, file: &File) -> Vec<Version> {
        let (staged, path) = (self.staged, &file.path);
        let copies = [(Origin::Backup, backup_of(path)), (Origin::WorkTree, path.clone())];
        let copies = copies.into_iter().filter_map(|(origin, path)| {
            // Git may convert the lines of a file when it is staged.
            let text = staged.on_disk(&path, LIMIT)?;
            Some(Version { verbatim: !text.contains(&b'\r'), origin, text })
        });
        let sides = self.sides.get_or_init(|| staged.other_sides());
        let renamed = (!file.replaces)
            .then(|| renamed_from(file, staged.git(), Side::Index, self.debris))
            .flatten();
        let older = renamed.as_ref().unwrap_or(path);
        let committed = committed(older, sides, self.debris, |name| match name {
            "HEAD" if renamed.is_none() => staged.committed(path, LIMIT),
            name => blob(staged.git(), name, older),
        });
        let mut versions: Vec<Version> = copies.chain(committed).collect();
        mark_older_backups(&mut versions, staged.git(), path);
        versions
    }

    fn lockfile(&mut self, entry: &Entry) -> Result<(), Error> {
        let Some(file) = self.rewritten(entry, is_lockfile)? else { return Ok(()) };
        let plan = &self.plan;
        let text = |path: &RepoPath| match plan.text(Side::Index, path) {
            Some(text) => Some(text.to_vec()),
            None => blob(self.staged.git(), ":0", path),
        };
        let way = Manifests::new(self.staged.git(), Side::Index, &text, &[]);
        match way.way(&file.path, self.debris)? {
            Way::Committed(_) | Way::New => {
                self.plan.changes.push((Side::Index, file.path, Restoration::Unstaged));
            }
            Way::Install { reason, steps, .. } => {
                self.left(&file.path, None, reason.to_owned(), steps);
            }
        }
        Ok(())
    }
}

/// Changes the index, at once.
pub(in crate::commands) fn write(staged: &Staged, plan: &Plan) -> Result<(), Error> {
    let replacement = |(_, path, change): &(Side, RepoPath, Restoration)| {
        let entry = staged.fresh().iter().find(|entry| entry.path == *path)?;
        let replacement = match change {
            Restoration::Restored { new, .. } => StagedContent::Text(new.clone()),
            Restoration::Removed | Restoration::Unstaged => StagedContent::Committed,
        };
        Some((entry.clone(), replacement))
    };
    let changes: Vec<_> = plan.changes.iter().filter_map(replacement).collect();
    if changes.is_empty() { Ok(()) } else { staging::replace(staged.git(), &changes) }
}
