//! Restores the files of the work tree.

use std::collections::BTreeMap;

use once_cell::unsync::OnceCell;

use crate::base::change::{Change as _, Content, Entry, File, Mode};
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::finding::Step;
use crate::base::path::RepoPath;
use crate::commands::paths::Paths;
use crate::commands::restoring::lockfile::{Manifests, Way, is_lockfile, is_manifest, is_settings};
use crate::commands::restoring::versions::{committed, mark_older_backups, renamed_from};
use crate::engine::LIMIT;
use crate::git::merge::other_sides;
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::report::plural;
use crate::restore::plan::{Plan, Remaining, Restoration, Side};
use crate::restore::{Origin, Restored, Version, manifest};
use crate::rules::{install, is_rewritten};

/// Plans to restore the selected files after the index, which a dry run leaves as it is.
pub(in crate::commands) fn plan(
    files: &OnDisk<'_>,
    debris: &Debris,
    paths: &Paths,
    terminal: bool,
) -> Result<Plan, Error> {
    plan_after(&Plan::default(), files, debris, paths, terminal)
}

/// [`plan`] for the index, and for the texts of files, that these changes will make.
pub(in crate::commands) fn plan_after(
    of_index: &Plan,
    files: &OnDisk<'_>,
    debris: &Debris,
    paths: &Paths,
    terminal: bool,
) -> Result<Plan, Error> {
    let tree = files.tree();
    let mut leftovers = tree.leftovers(debris, terminal)?;
    // An unstaged file is untracked then, unless HEAD has it.
    leftovers.extend(of_index.changes.iter().filter_map(|(_, path, change)| {
        let is_left = *change == Restoration::Unstaged && tree.exists(path);
        (is_left && tree.committed("HEAD", path).is_none()).then(|| path.clone())
    }));
    leftovers.sort_unstable();
    let (sides, plan) = (OnceCell::new(), Plan::default());
    let mut planning = TreePlanning { files, debris, of_index, sides, paths, plan };
    planning.manifests(&leftovers)?;
    planning.settings()?;
    let is_restored = planning.plan.left.is_empty();
    planning.lockfiles()?;
    planning.leftovers(leftovers, is_restored);
    Ok(planning.plan)
}

struct TreePlanning<'a> {
    files: &'a OnDisk<'a>,
    debris: &'a Debris,
    /// The changes that are not made yet, of the index and of files.
    of_index: &'a Plan,
    /// Looked up for the first manifest with a trace.
    sides: OnceCell<Vec<String>>,
    paths: &'a Paths,
    plan: Plan,
}

impl TreePlanning<'_> {
    /// The selected files of a kind that are rewritten, with their texts.
    fn rewritten(&mut self, wanted: fn(&RepoPath) -> bool) -> Result<Vec<File>, Error> {
        let paths = self.paths;
        let mut found = Vec::new();
        for entry in self.files.entries(&|path| wanted(path) && paths.cover(path))? {
            let Some(text) = self.text(&entry)? else { continue };
            let file = File { path: entry.path, text, fresh: true, replaces: true };
            if is_rewritten(file.clone(), self.debris) {
                if entry.mode == Mode::File {
                    found.push(file);
                } else {
                    self.left(&file.path, None, "a link to a file elsewhere: restore it there");
                }
            }
        }
        Ok(found)
    }

    fn text(&mut self, entry: &Entry) -> Result<Option<Vec<u8>>, Error> {
        if let Some(text) = self.of_index.text(Side::WorkTree, &entry.path) {
            return Ok(Some(text.to_vec()));
        }
        match entry.mode {
            Mode::Submodule => Ok(None),
            Mode::Symlink => Ok(self.files.tree().behind_link(&entry.path, LIMIT)),
            Mode::File => match self.files.read(entry, LIMIT)? {
                Content::Bytes(text) => Ok(Some(text)),
                Content::TooLarge(_) => {
                    self.left(&entry.path, None, "it is too large");
                    Ok(None)
                }
            },
        }
    }

    fn left(&mut self, path: &RepoPath, line: Option<usize>, reason: impl Into<String>) {
        let (side, path, steps) = (Side::WorkTree, path.clone(), Vec::new());
        self.plan.left.push(Remaining { side, path, line, reason: reason.into(), steps });
    }

    fn change(&mut self, path: RepoPath, change: Restoration) {
        self.plan.changes.push((Side::WorkTree, path, change));
    }

    fn manifests(&mut self, leftovers: &[RepoPath]) -> Result<(), Error> {
        for file in self.rewritten(is_manifest)? {
            // A file that does not parse, and names no leftover, is not known to be rewritten.
            if manifest(&file, &[], self.debris).is_none() {
                continue;
            }
            let versions = self.versions(&file, leftovers);
            let Some(Restored { text, left }) = manifest(&file, &versions, self.debris) else {
                continue;
            };
            for left in left {
                self.left(&file.path, Some(left.line), left.reason);
            }
            if text != file.text {
                self.change(file.path, Restoration::Restored { old: file.text, new: text });
            }
        }
        Ok(())
    }

    /// The other versions of a manifest.
    fn versions(&self, file: &File, leftovers: &[RepoPath]) -> Vec<Version> {
        let (tree, path) = (self.files.tree(), &file.path);
        let backup =
            leftovers.iter().find(|known| self.debris.backed_up(known).as_ref() == Some(path));
        let backup = backup.and_then(|backup| tree.text(backup, LIMIT));
        if !tree.has_git() {
            let version = |text| Version { origin: Origin::Backup, text, verbatim: true };
            return backup.map(version).into_iter().collect();
        }
        let sides = self.sides.get_or_init(|| other_sides(tree.git()));
        let staged = self.of_index.text(Side::Index, path).map(<[u8]>::to_vec);
        let staged = staged.or_else(|| tree.committed(":0", path));
        let copies = [(Origin::Backup, backup), (Origin::Index, staged)].into_iter();
        let copies = copies.filter_map(|(origin, text)| Some((origin, text?)));
        let is_new = tree.committed("HEAD", path).is_none();
        let renamed =
            is_new.then(|| renamed_from(file, tree.git(), Side::WorkTree, self.debris)).flatten();
        let older = renamed.as_ref().unwrap_or(path);
        let mut versions: Vec<Version> = copies
            .map(|(origin, text)| Version { origin, text, verbatim: true })
            .chain(committed(older, sides, self.debris, |name| tree.committed(name, older)))
            .collect();
        mark_older_backups(&mut versions, tree.git(), path);
        versions
    }

    fn settings(&mut self) -> Result<(), Error> {
        for file in self.rewritten(is_settings)? {
            self.left(&file.path, None, "a setting points to a leftover: change it by hand");
        }
        Ok(())
    }

    fn lockfiles(&mut self) -> Result<(), Error> {
        let found = self.rewritten(is_lockfile)?;
        if found.is_empty() {
            return Ok(());
        }
        if !self.files.tree().has_git() {
            for file in found {
                let (side, line, path) = (Side::WorkTree, None, file.path);
                let reason = "no original of it is known: install with the restored manifests";
                let install = install(&path).map(|install| Step::Install(install.command));
                let (reason, steps) = (reason.to_owned(), install.into_iter().collect());
                self.plan.left.push(Remaining { side, path, line, reason, steps });
            }
            return Ok(());
        }
        let (tree, plan) = (self.files.tree(), &self.plan);
        let text = |path: &RepoPath| match plan.text(Side::WorkTree, path) {
            Some(text) => Some(text.to_vec()),
            None => tree.text(path, LIMIT),
        };
        let all: Vec<RepoPath> =
            self.files.entries(&is_manifest)?.into_iter().map(|entry| entry.path).collect();
        let manifests = Manifests::new(tree.git(), Side::WorkTree, &text, &all);
        let mut ways = Vec::new();
        for file in found {
            ways.push((manifests.way(&file.path, self.debris)?, file));
        }
        for (way, file) in ways {
            self.lockfile(way, file);
        }
        Ok(())
    }

    fn lockfile(&mut self, way: Way, file: File) {
        let (side, line, path) = (Side::WorkTree, None, file.path.clone());
        let (first, reason, steps) = match way {
            Way::Committed(text) => {
                let old = file.text;
                return self.change(file.path, Restoration::Restored { old, new: text });
            }
            Way::New => {
                let reason = "HEAD has no such lockfile: remove it";
                (None, reason, vec![Step::Remove])
            }
            Way::Install { first, reason, steps } => (first, reason, steps),
        };
        if let Some(text) = first.filter(|text| *text != file.text) {
            self.change(file.path, Restoration::Restored { old: file.text, new: text });
        }
        self.plan.left.push(Remaining { side, path, line, reason: reason.to_owned(), steps });
    }

    /// Removes packed packages, and backups that equal their restored manifests.
    fn leftovers(&mut self, leftovers: Vec<RepoPath>, is_restored: bool) {
        let paths = self.paths;
        let mut waiting: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for path in leftovers.into_iter().filter(|path| paths.cover(path)) {
            let directory = directory_of(&path, self.debris);
            if let (None, Some(original)) = (&directory, self.debris.backed_up(&path)) {
                self.backup(path, &original);
            } else if let Some(directory) = directory {
                if path.as_bytes().ends_with(b"/") {
                    self.left(&path, None, "a repository of its own: remove it by hand");
                } else if is_restored || !paths.is_empty() {
                    self.change(path, Restoration::Removed);
                } else {
                    *waiting.entry(directory).or_default() += 1;
                }
            }
        }
        for (directory, files) in waiting {
            let stay = if files == 1 { "stays" } else { "stay" };
            let files = plural(files, "file");
            let reason = format!("{files} {stay} while a manifest points into it");
            self.plan.kept.push((RepoPath::new(directory), reason));
        }
    }

    fn backup(&mut self, path: RepoPath, original: &RepoPath) {
        // Only a preparation makes backups of these; others are not looked at.
        if !is_manifest(original) && !is_lockfile(original) {
            return;
        }
        let tree = self.files.tree();
        let now = match self.plan.text(Side::WorkTree, original) {
            Some(text) => Some(text.to_vec()),
            None => tree.text(original, LIMIT),
        };
        if now.is_some() && now == tree.text(&path, LIMIT) {
            self.change(path, Restoration::Removed);
        } else {
            self.plan.kept.push((path, format!("it differs from {original}")));
        }
    }
}

/// The leftover directory that a path is in, as a path; `None` for a path that is not in one.
fn directory_of(path: &RepoPath, debris: &Debris) -> Option<Vec<u8>> {
    let mut length = 0;
    for part in path.components() {
        length += part.len();
        let inner = path.as_bytes().get(length + 1..).unwrap_or_default();
        if debris.directory(part).is_some() && !inner.is_empty() {
            return path.as_bytes().get(..length).map(<[u8]>::to_vec);
        }
        length += 1;
    }
    None
}

/// Makes the changes. If one file must not be changed, none is.
pub(in crate::commands) fn write(
    tree: &WorkTree,
    plan: &Plan,
    debris: &Debris,
) -> Result<(), Error> {
    for (_, path, _) in &plan.changes {
        tree.place_to_change(path)?;
    }
    for (done, (_, path, change)) in plan.changes.iter().enumerate() {
        let made = match change {
            Restoration::Restored { old, new } => tree.replace(path, old, new),
            Restoration::Removed | Restoration::Unstaged => {
                let directory = directory_of(path, debris);
                let directory = directory.unwrap_or_else(|| path.parent().to_vec());
                tree.remove(path, &directory)
            }
        };
        made.map_err(|error| match done {
            0 => error,
            _ => error.help(format!(
                "the first {} restored already: fix this, and run it again",
                if done == 1 { "file is".to_owned() } else { format!("{done} files are") }
            )),
        })?;
    }
    Ok(())
}
