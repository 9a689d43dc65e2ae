//! Makes the edits of a plan. A hook is never missing or partly written in between.

use std::path::Path;

use crate::base::error::Error;
use crate::disk::atomic::{self, Old, WriteError};
use crate::disk::lock::{Busy, DirectoryLock};
use crate::git::Git;
use crate::hooks::configured::{ConfigEdit, Sections};
use crate::hooks::display_path;
use crate::hooks::plan::{HookEdit, Overwrite};
use crate::hooks::slot::{HookDirectory, HookFile, Slot};

/// Locks the hooks of a repository: several packages of a workspace may install at once.
pub(crate) fn lock(common: &Path) -> Result<DirectoryLock, Error> {
    DirectoryLock::wait(common).map_err(|Busy| {
        Error::new("change the hooks", "another run of bakstop is changing them")
            .help("wait for it to end, then try again")
    })
}

/// Makes the edits in order. `places` is the state that they were planned for: a file that has
/// changed since is an error.
pub(crate) fn apply(edits: &[HookEdit], places: &[HookDirectory], top: &Path) -> Result<(), Error> {
    let slots = || places.iter().flat_map(|place| &place.slots);
    for edit in edits {
        let planned_on = match edit {
            HookEdit::Write { path, how, .. } if *how != Overwrite::Create => {
                slots().find(|slot| &slot.path == path)
            }
            HookEdit::Remove(path) | HookEdit::PutBack { hook: path, .. } => {
                slots().find(|slot| &slot.path == path)
            }
            _ => None,
        };
        if let Some(slot) = planned_on
            && !is_as_planned(&HookFile::read(&slot.path, top)?, &slot.file)
        {
            return Err(Error::new(format!("change {}", slot.name), WriteError::Changed).help(LOOK));
        }
        make(edit, planned_on).map_err(|error| {
            let help = match error {
                WriteError::Changed => LOOK,
                WriteError::Io(_) => AGAIN,
            };
            Error::new(format!("change {}", display_path(edit.path(), top)), error).help(help)
        })?;
    }
    Ok(())
}

/// Makes changes of git's configuration, by git itself, in order. A section that has changed since
/// they were planned is an error.
pub(crate) fn configure(git: &Git, edits: &[ConfigEdit]) -> Result<(), Error> {
    for edit in edits {
        if Sections::read(git, edit.reach)?.of(edit.hook) != edit.old {
            return Err(Error::new(edit.doing(), WriteError::Changed).help(LOOK));
        }
        for call in edit.calls() {
            git.output(&edit.doing(), &call).map_err(|error| error.or_help(AGAIN))?;
        }
    }
    Ok(())
}

const AGAIN: &str = "fix the cause, then run the command again: it continues where it stopped";
const LOOK: &str = "inspect it, then run the command again";

/// Whether the file is unchanged since the plan was made. A link may point to a hook that an
/// earlier edit has changed.
fn is_as_planned(now: &HookFile, then: &HookFile) -> bool {
    now == then || matches!((now, then), (HookFile::Link(_), HookFile::Link(_)))
}

fn make(edit: &HookEdit, planned_on: Option<&Slot>) -> Result<(), WriteError> {
    match edit {
        HookEdit::MakeDirectory { path, bits } => atomic::make_directory(path, *bits),
        HookEdit::Write { path, text, bits, how } => {
            let old = match planned_on.map(|slot| &slot.file) {
                _ if *how == Overwrite::Create => Old::Absent,
                Some(HookFile::Regular { text, .. }) => Old::Text(text),
                _ => Old::Any,
            };
            atomic::write(path, text, *bits, old)
        }
        HookEdit::Keep { hook, kept, .. } => atomic::link(hook, kept),
        HookEdit::PutBack { kept, hook } => atomic::rename(kept, hook),
        HookEdit::Remove(path) | HookEdit::RemoveDirectory(path) => atomic::remove(path),
    }
}
