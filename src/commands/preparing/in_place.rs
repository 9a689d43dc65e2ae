//! Rewrites manifests for `prep --in-place`, and takes that back: also what a killed run left, and
//! what came back out of a stash.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::base::change::{Change as _, Content, File, Mode};
use crate::base::debris::Debris;
use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::journaling::{EditRoom, room_of_journal};
use crate::commands::preparing::request::DOING;
use crate::disk::atomic::{self, Bits, Old, WriteError};
use crate::disk::journal::{JournaledEdit, LIMIT};
use crate::engine;
use crate::formats::Syntax;
use crate::git::private::Journal;
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::project::kinds::FileKind;
use crate::restore::Restored;
use crate::restore::plan::{Plan, Remaining, Restoration, Side};
use crate::restore::undo::undo;
use crate::rules::is_rewritten;

/// The temporary file that becomes a manifest: one run writes it at a time.
const TEMPORARY: &str = ".bakstop-prep";

/// A work tree whose manifests this process may rewrite.
#[derive(Debug)]
pub(in crate::commands) struct InPlace<'a> {
    tree: &'a WorkTree,
    room: EditRoom,
}

impl<'a> InPlace<'a> {
    /// Waits some time for another process.
    pub(in crate::commands) fn enter(tree: &'a WorkTree) -> Result<Self, Error> {
        Ok(Self { tree, room: EditRoom::enter(tree, Journal::Prepared)? })
    }

    /// Notes the originals durably, then rewrites the files: each whole, and only if it is as it
    /// was read.
    pub(in crate::commands) fn rewrite(&self, files: &[Replacement]) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let edits: Vec<JournaledEdit> = files.iter().map(JournaledEdit::of).collect();
        self.room.note(&edits)?;
        files.iter().try_for_each(|file| self.write(&file.path, &file.old, &file.new))
    }

    fn write(&self, path: &RepoPath, old: &[u8], new: &[u8]) -> Result<(), Error> {
        let place = self.tree.place_to_change(path)?;
        let written = atomic::write_by(TEMPORARY, &place, new, (Bits::Kept, Old::Text(old)));
        written.map_err(|error| {
            let help = match error {
                WriteError::Changed => "run this again",
                WriteError::Io(_) => {
                    "make its directory writable by this user, and free some space there; then: \
                     bakstop restore"
                }
            };
            Error::new(format!("change {path}"), error).help(help)
        })
    }

    /// The rewritten files that are not as they were written.
    pub(in crate::commands) fn changed(&self) -> Result<Vec<RepoPath>, Error> {
        let edits = self.room.noted()?.unwrap_or_default();
        let is_changed =
            |edit: &JournaledEdit| self.tree.text(&edit.path, LIMIT).as_ref() != Some(&edit.new);
        Ok(edits.into_iter().filter(is_changed).map(|edit| edit.path).collect())
    }

    /// The work tree.
    pub(in crate::commands) fn tree(&self) -> &WorkTree {
        self.tree
    }

    /// Puts every rewritten file back as it was, or takes what was written out of it if it was
    /// edited since. If one cannot be written, the originals stay noted.
    pub(in crate::commands) fn take_back(&self) -> Result<Plan, Error> {
        let Some(edits) = self.room.noted()? else {
            self.room.retire(false)?;
            return Ok(Plan::default());
        };
        let plan = self.plan(&edits, true)?;
        self.carry_out(&plan, &edits)?;
        self.room.retire(plan.left.is_empty())?;
        Ok(plan)
    }

    fn carry_out(&self, plan: &Plan, edits: &[JournaledEdit]) -> Result<(), Error> {
        for (_, path, change) in &plan.changes {
            if let Restoration::Restored { old, new } = change {
                self.write(path, old, new)?;
            }
        }
        for JournaledEdit { path, .. } in edits {
            // Its directory may be gone, or lead elsewhere now.
            let place = self.tree.place_to_change(path).ok();
            if let Some(directory) = place.as_deref().and_then(|place| place.parent()) {
                atomic::remove_temporary(TEMPORARY, directory).map_err(|error| {
                    Error::new(format!("remove {TEMPORARY} next to {path}"), error)
                        .help("remove it by hand, then: bakstop restore")
                })?;
            }
        }
        Ok(())
    }

    /// What puts files back. Unless `is_prepared`, they were put back before, and what differs is
    /// not worth a word: only a file that has the packages again is one of ours.
    fn plan(&self, edits: &[JournaledEdit], is_prepared: bool) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        for edit in edits.iter().rev() {
            let path = &edit.path;
            let left = |line, reason: String| {
                let (side, path, steps) = (Side::WorkTree, path.clone(), Vec::new());
                Remaining { side, path, line, reason, steps }
            };
            let now = match self.tree.read(path, LIMIT)? {
                Some(Content::Bytes(now)) => now,
                _ if !is_prepared => continue,
                Some(Content::TooLarge(_)) => {
                    plan.left.push(left(None, format!("it is too large now: {BY_HAND}")));
                    continue;
                }
                None => {
                    let reason = if self.tree.exists(path) { "no file" } else { "gone" };
                    let reason = format!("it is {reason} now: it is not created again");
                    plan.left.push(left(None, reason));
                    continue;
                }
            };
            if now == edit.old || !is_prepared && now != edit.new && !has_packages(edit, &now) {
                continue;
            }
            let restored = undone(edit, &now);
            let Some(Restored { text, left: stays }) = restored else {
                plan.left.push(left(None, format!("it cannot be undone in what it is: {BY_HAND}")));
                continue;
            };
            plan.left.extend(stays.into_iter().map(|one| left(Some(one.line), one.reason)));
            if text != now {
                let change = Restoration::Restored { old: now, new: text };
                plan.changes.push((Side::WorkTree, path.clone(), change));
            }
        }
        Ok(plan)
    }
}

const BY_HAND: &str = "see `git diff`, and take what `bakstop prep` wrote out by hand";

/// A file as it was, or without what was written.
fn undone(edit: &JournaledEdit, now: &[u8]) -> Option<Restored> {
    let JournaledEdit { path, old, new, .. } = edit;
    if now == new {
        return Some(Restored { text: old.clone(), left: Vec::new() });
    }
    let is_yaml = FileKind::PnpmWorkspace.matches(path);
    undo(if is_yaml { Syntax::Yaml } else { Syntax::Json }, (old, new), now)
}

/// Whether a text names a tarball that only the rewriting named.
fn has_packages(edit: &JournaledEdit, now: &[u8]) -> bool {
    let has = |text: &[u8], word: &[u8]| memmem::find(text, word).is_some();
    let mut words = edit.new.split(|&byte| byte == b'"').filter(|word| word.ends_with(b".tgz"));
    words.any(|word| !has(&edit.old, word) && has(now, word))
}

/// Fails if a preparation in place was not taken back; with `force`, takes it back, and returns
/// lines about what stays.
pub(in crate::commands) fn must_be_unprepared(
    tree: &WorkTree,
    force: bool,
) -> Result<Vec<String>, Error> {
    let Some(room) = room_of_journal(tree, Journal::Prepared)? else { return Ok(Vec::new()) };
    let edits = room.noted()?.unwrap_or_default();
    let Some(first) = edits.first() else { return Ok(Vec::new()) };
    if force {
        return Ok(lines(&InPlace { tree, room }.take_back()?));
    }
    let (more, verb) = match edits.len() {
        1 => (String::new(), "is"),
        number => (format!(" and {} more", number - 1), "are"),
    };
    let cause = format!("{}{more} {verb} still prepared in place", first.path);
    Err(Error::new(DOING, cause)
        .help("take that back: bakstop restore; or do both: bakstop prep --in-place --force"))
}

/// Lines about what stays.
pub(in crate::commands) fn lines(plan: &Plan) -> Vec<String> {
    let line = |left: &Remaining| {
        let line = left.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("bakstop: left {}{line}: {}", left.path, left.reason)
    };
    plan.left.iter().map(line).collect()
}

/// Takes a preparation in place back for `bakstop restore`, or, without one, what came back of the
/// last one; with `dry_run`, only plans it.
pub(in crate::commands) fn restored(tree: &WorkTree, dry_run: bool) -> Result<Plan, Error> {
    let Some(room) = room_of_journal(tree, Journal::Prepared)? else { return Ok(Plan::default()) };
    let in_place = InPlace { tree, room };
    let noted = in_place.room.noted()?;
    match &noted {
        Some(edits) if dry_run => in_place.plan(edits, true),
        Some(_) => in_place.take_back(),
        None => {
            let last = in_place.room.last()?.unwrap_or_default();
            let plan = in_place.plan(&last, false)?;
            if !dry_run {
                in_place.carry_out(&plan, &last)?;
                in_place.room.retire(plan.left.is_empty())?;
            }
            Ok(plan)
        }
    }
}

/// The lockfiles with paths of packed packages: a package manager that runs while manifests are
/// rewritten writes them.
pub(in crate::commands) fn rewritten_lockfiles(
    tree: &WorkTree,
    debris: &Debris,
) -> Result<BTreeSet<RepoPath>, Error> {
    let files = OnDisk::all(tree)?;
    let is_lockfile = |path: &RepoPath| FileKind::of(path, FileKind::is_lockfile).is_some();
    let mut found = BTreeSet::new();
    for entry in files.entries(&is_lockfile)?.into_iter().filter(|entry| entry.mode == Mode::File) {
        if let Content::Bytes(text) = files.read(&entry, engine::LIMIT)? {
            let path = entry.path.clone();
            if is_rewritten(File { path, text, fresh: true, replaces: true }, debris) {
                found.insert(entry.path);
            }
        }
    }
    Ok(found)
}

/// Fails for a file that must not be rewritten: git would not show it, or is merging it, or its
/// directory leads elsewhere; and, where nothing else has its original, for one that is rewritten.
pub(in crate::commands) fn must_be_rewritable(
    tree: &WorkTree,
    files: Vec<(RepoPath, &[u8])>,
    debris: &Debris,
) -> Result<(), Error> {
    let mut paths = Vec::new();
    for (path, text) in files {
        tree.place_to_change(&path)?;
        let file = File { path, text: text.to_vec(), fresh: true, replaces: true };
        let path = file.path.clone();
        if !tree.has_git() && is_rewritten(file, debris) {
            return Err(Error::new(format!("change {path}"), "it names packed packages already")
                .help("run `bakstop restore`, and put back by hand what it names"));
        }
        paths.push(path);
    }
    let Some((path, cause, help)) = tree.obstacle_to_change(&paths)? else { return Ok(()) };
    Err(Error::new(format!("change {path}"), cause).help(help))
}
