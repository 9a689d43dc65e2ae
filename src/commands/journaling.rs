//! Edits of the work tree that are taken back: by the run that made them; or by a later one, if
//! that was killed.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::disk::atomic::{self, Bits, WriteError};
use crate::disk::journal::{self, JournaledEdit, PutBack};
use crate::disk::lock::{self, Busy, DirectoryLock};
use crate::git::private::{self, Journal};
use crate::git::worktree::WorkTree;

const DOING: &str = "take edits of the work tree back";

/// The right to edit files of a work tree and to take that back. One process at a time has it for
/// each kind of edits.
#[derive(Debug)]
pub(super) struct EditRoom {
    kind: Journal,
    journal: PathBuf,
    /// Whether it is among the leftovers, for sources without git.
    is_beside: bool,
    _lock: DirectoryLock,
}

/// What became of each file.
pub(super) type TakenBack = Vec<(JournaledEdit, PutBack)>;

impl EditRoom {
    /// Waits some time for another process.
    pub(super) fn enter(tree: &WorkTree, kind: Journal) -> Result<Self, Error> {
        let (journal, is_beside) = place(tree, kind)?;
        let directory = directory_of(&journal);
        let lock = loop {
            if !directory.is_dir() {
                atomic::make_directory(directory, Bits::New(0o777))
                    .map_err(|error| unwritten(directory, &error))?;
            }
            let lock = DirectoryLock::wait(directory).map_err(|Busy| {
                Error::new(DOING, format!("{} is running in this work tree", verb(kind)))
                    .help("wait until it has ended")
            })?;
            // Whoever had it may have removed the directory.
            if lock.is_on(directory) {
                break lock;
            }
        };
        Ok(Self { kind, journal, is_beside, _lock: lock })
    }

    /// Notes edits before they are made.
    pub(super) fn note(&self, edits: &[JournaledEdit]) -> Result<(), Error> {
        journal::write(&self.journal, edits).map_err(|error| unwritten(&self.journal, &error))
    }

    /// The noted edits; `None` without any.
    pub(super) fn noted(&self) -> Result<Option<Vec<JournaledEdit>>, Error> {
        self.read(&self.journal)
    }

    /// The edits that were taken back last, if they were kept.
    pub(super) fn last(&self) -> Result<Option<Vec<JournaledEdit>>, Error> {
        self.read(&self.place_of_last())
    }

    fn read(&self, journal: &Path) -> Result<Option<Vec<JournaledEdit>>, Error> {
        journal::read(journal).map_err(|error| {
            let help = match self.kind {
                Journal::Touched => {
                    "see `git diff` for a comment of `bakstop measure`, take it out, and remove \
                     this file"
                }
                Journal::Prepared if self.is_beside => {
                    "it has the only originals: put them back by hand from what is in it, and \
                     remove it"
                }
                Journal::Prepared => {
                    "it may have originals that are not committed: look into it; then remove it, \
                     and run `bakstop restore`, which takes originals from HEAD"
                }
            };
            Error::new(format!("read {}", RepoPath::from(journal)), error).help(help)
        })
    }

    /// Keeps the noted edits, which are taken back, as the last ones. Without git, nothing comes
    /// back later: they are removed if `is_done`, and nothing of ours is left.
    pub(super) fn retire(&self, is_done: bool) -> Result<(), Error> {
        let (journal, last) = (&self.journal, self.place_of_last());
        let retire = || {
            if exists(journal) {
                journal::retire(journal, &last)?;
            }
            if !self.is_beside || exists(&last) && !is_done {
                return Ok(());
            }
            let directory = directory_of(journal);
            journal::tidy(directory)?;
            let mut ours = [&*last, directory, directory_of(directory)].into_iter();
            ours.try_for_each(|path| if exists(path) { atomic::remove(path) } else { Ok(()) })
        };
        retire().map_err(|error| unwritten(journal, &error))
    }

    fn place_of_last(&self) -> PathBuf {
        self.journal.with_file_name("last")
    }

    /// Takes all noted edits back. If one file cannot be written, the journal stays.
    pub(super) fn take_back(&self, tree: &WorkTree) -> Result<TakenBack, Error> {
        let Some(edits) = self.noted()? else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        for edit in edits.into_iter().rev() {
            let put_back = put_back(tree, &edit)?;
            taken.push((edit, put_back));
        }
        journal::remove(&self.journal).map_err(|error| unwritten(&self.journal, &error))?;
        Ok(taken)
    }
}

fn verb(kind: Journal) -> &'static str {
    match kind {
        Journal::Touched => "`bakstop measure`",
        Journal::Prepared => "`bakstop prep`",
    }
}

fn put_back(tree: &WorkTree, edit: &JournaledEdit) -> Result<PutBack, Error> {
    let path = &edit.path;
    if !tree.exists(path) {
        return Ok(PutBack::Foreign);
    }
    journal::put_back(&tree.place_to_change(path)?, edit).map_err(|error| {
        Error::new(format!("put {path} back as it was"), error)
            .help("make it writable by this user, then: bakstop restore")
    })
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn directory_of(journal: &Path) -> &Path {
    journal.parent().unwrap_or(journal)
}

fn unwritten(path: &Path, error: &WriteError) -> Error {
    Error::new(format!("write {}", RepoPath::from(path)), error)
        .help("make its directory writable by this user")
}

/// Where a journal is, and whether that is among the leftovers: without git, and as long as it is
/// there after `git init`.
fn place(tree: &WorkTree, kind: Journal) -> Result<(PathBuf, bool), Error> {
    let beside = private::beside(tree.top(), kind);
    if !tree.has_git() || exists(&beside) {
        // As deep as the leftover directory: what a link leads to is not ours.
        if let Some(link) = beside.ancestors().take(4).find(|path| path.is_symlink()) {
            return Err(
                Error::new(DOING, format!("{} is a link", RepoPath::from(link))).help("remove it")
            );
        }
        return Ok((beside, true));
    }
    Ok((private::journal(tree.git(), kind, DOING)?, false))
}

/// Takes the comments of a killed run out, if there is one.
pub(super) fn take_back_left(tree: &WorkTree) -> Result<TakenBack, Error> {
    match room_of_journal(tree, Journal::Touched)? {
        Some(room) => room.take_back(tree),
        None => Ok(Vec::new()),
    }
}

/// The room of a work tree in which edits of a kind are noted, or were taken back; `None` if there
/// never were any.
pub(super) fn room_of_journal(tree: &WorkTree, kind: Journal) -> Result<Option<EditRoom>, Error> {
    let (journal, is_beside) = place(tree, kind)?;
    let is_known = exists(&journal)
        || exists(&journal.with_file_name("last"))
        // A killed run may have left the directory.
        || is_beside && exists(directory_of(&journal));
    is_known.then(|| EditRoom::enter(tree, kind)).transpose()
}

/// The sentence about a file that is not as it was left.
pub(super) const FOREIGN: &str = "it was changed since, and no longer holds the comment of \
                                  `bakstop measure` as it was written: see `git diff`";

/// A line for each kind of edits that are not taken back. `hook`: Git has started us.
pub(crate) fn warnings(
    context: &Context,
    hook: bool,
    is_wanted: impl Fn(Journal) -> bool,
) -> Vec<String> {
    let journals = private::existing_journals(&context.directory, &context.env, hook);
    let wanted = journals.iter().filter(|(kind, _)| is_wanted(*kind));
    wanted.filter_map(|(kind, journal)| warning(*kind, journal)).collect()
}

fn warning(kind: Journal, journal: &Path) -> Option<String> {
    let (named, has) = match journal::read(journal) {
        Ok(Some(edits)) => match &edits[..] {
            [] => return None,
            [edit] => (edit.path.to_string(), "has"),
            [edit, rest @ ..] => (format!("{} and {} more", edit.path, rest.len()), "have"),
        },
        Ok(None) => return None,
        Err(_) => ("a file".to_owned(), "has"),
    };
    let is_running = lock::is_held(directory_of(journal));
    Some(match kind {
        Journal::Touched if is_running => {
            format!("bakstop: {named} has a comment of `bakstop measure`, which is running")
        }
        Journal::Touched => format!(
            "bakstop: {named} has a comment of `bakstop measure`, which was killed; to take it \
             out: bakstop restore"
        ),
        Journal::Prepared if is_running => {
            format!("bakstop: {named} {has} the packages of `bakstop prep`, which is running")
        }
        Journal::Prepared => format!(
            "bakstop: {named} {has} the packages of `bakstop prep --in-place`; to take them out: \
             bakstop restore"
        ),
    })
}
