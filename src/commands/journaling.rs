//! Edits of the work tree that are taken back: by the run that made them; or by a later one, if
//! that was killed.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::disk::atomic::{self, Bits, WriteError};
use crate::disk::journal::{self, JournaledEdit, PutBack};
use crate::disk::lock::{self, Busy, DirectoryLock};
use crate::git::private;
use crate::git::worktree::WorkTree;

const DOING: &str = "take edits of the work tree back";

/// The right to edit files of a work tree and to take that back. One process has it at a time.
#[derive(Debug)]
pub(super) struct EditRoom {
    journal: PathBuf,
    _lock: DirectoryLock,
}

/// What became of each file.
pub(super) type Taken = Vec<(JournaledEdit, PutBack)>;

impl EditRoom {
    /// Waits some time for another process.
    pub(super) fn enter(tree: &WorkTree) -> Result<Self, Error> {
        let journal = private::journal(tree.git(), DOING)?;
        let directory = directory_of(&journal);
        if !directory.is_dir() {
            atomic::make_directory(directory, Bits::New(0o777))
                .map_err(|error| unwritten(directory, &error))?;
        }
        let lock = DirectoryLock::wait(directory).map_err(|Busy| {
            Error::new(DOING, "`bakstop measure` is running in this work tree")
                .help("wait until it has ended")
        })?;
        Ok(Self { journal, _lock: lock })
    }

    /// Notes edits before they are made.
    pub(super) fn note(&self, edits: &[JournaledEdit]) -> Result<(), Error> {
        journal::write(&self.journal, edits).map_err(|error| unwritten(&self.journal, &error))
    }

    /// Takes all noted edits back. If one file cannot be written, the journal stays.
    pub(super) fn take_back(&self, tree: &WorkTree) -> Result<Taken, Error> {
        let edits = journal::read(&self.journal).map_err(|error| {
            let journal = RepoPath::from(self.journal.as_path());
            Error::new(format!("read {journal}"), error).help(
                "see `git diff` for a comment of `bakstop measure`, take it out, and remove this \
                 file",
            )
        })?;
        let Some(edits) = edits else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        for edit in edits.into_iter().rev() {
            let put_back = put_back(tree, &edit)?;
            taken.push((edit, put_back));
        }
        journal::remove(&self.journal).map_err(|error| unwritten(&self.journal, &error))?;
        Ok(taken)
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

fn directory_of(journal: &Path) -> &Path {
    journal.parent().unwrap_or(journal)
}

fn unwritten(path: &Path, error: &WriteError) -> Error {
    Error::new(format!("write {}", RepoPath::from(path)), error)
        .help("make the git directory writable by this user")
}

/// Takes the edits of a killed run back, if there is one.
pub(super) fn take_back_left(tree: &WorkTree) -> Result<Taken, Error> {
    let journal = private::journal(tree.git(), DOING)?;
    if journal.symlink_metadata().is_err() {
        return Ok(Vec::new());
    }
    EditRoom::enter(tree)?.take_back(tree)
}

/// The sentence about a file that is not as it was left.
pub(super) const FOREIGN: &str = "it was changed since, and no longer holds the comment of \
                                  `bakstop measure` as it was written: see `git diff`";

/// The line about edits that are not taken back. `hook`: Git has started us.
pub(crate) fn warning(context: &Context, hook: bool) -> Option<String> {
    let journal = private::existing_journal(&context.directory, &context.env, hook)?;
    let named = match journal::read(&journal) {
        Ok(Some(edits)) => match &edits[..] {
            [] => return None,
            [edit] => edit.path.to_string(),
            [edit, rest @ ..] => format!("{} and {} more", edit.path, rest.len()),
        },
        Ok(None) => return None,
        Err(_) => "a file".to_owned(),
    };
    Some(if lock::is_held(directory_of(&journal)) {
        format!("bakstop: {named} has a comment of `bakstop measure`, which is running")
    } else {
        format!(
            "bakstop: {named} has a comment of `bakstop measure`, which was killed; to take it \
             out: bakstop restore"
        )
    })
}
