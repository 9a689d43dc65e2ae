//! Makes the edits of a plan. At no moment is there half a hook, or none where there was one.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::error::Error;
use crate::hooks::plan::{Edit, How, Mode};
use crate::hooks::shown;

/// Makes the edits, in their order.
pub fn apply(edits: &[Edit], top: &Path) -> Result<(), Error> {
    for edit in edits {
        make(edit).map_err(|error| {
            Error::new(format!("change {}", shown(edit.path(), top)), error)
                .help("see what stands in the way, then run the command again: it goes on where it stopped")
        })?;
    }
    Ok(())
}

fn make(edit: &Edit) -> std::io::Result<()> {
    match edit {
        Edit::MakeDirectory(path) => std::fs::create_dir_all(path),
        Edit::Write { path, text, mode, how } => write(path, text, *mode, *how == How::Create),
        Edit::Keep { hook, kept, .. } => keep(hook, kept),
        Edit::PutBack { kept, hook } => std::fs::rename(kept, hook),
        Edit::Remove(path) => std::fs::remove_file(path),
        Edit::RemoveDirectory(path) => std::fs::remove_dir(path),
    }
}

/// Writes beside the file and moves the result into place.
fn write(path: &Path, text: &[u8], mode: Mode, create: bool) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let (Mode::New(bits) | Mode::Same(bits)) = mode;
    let permissions = std::fs::Permissions::from_mode(bits);
    let mut file =
        tempfile::Builder::new().prefix(".bakstop-").permissions(permissions.clone()).tempfile_in(directory)?;
    file.write_all(text)?;
    // A crash of the machine after the rename must not leave an empty hook: git would run it, and it would pass.
    file.as_file().sync_all()?;
    if matches!(mode, Mode::Same(_)) {
        // What was there before need not obey the umask.
        file.as_file().set_permissions(permissions)?;
    }
    // Nothing was there when the plan was made; if something is now, it is not ours to overwrite.
    let persisted = if create { file.persist_noclobber(path) } else { file.persist(path) };
    persisted.map(|_| ()).map_err(|error| error.error)
}

/// Gives the hook a second name: the same file, with every bit it has.
fn keep(hook: &Path, kept: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(hook, kept) {
        // Some file systems have no hard links. What is there already is another's, and stays.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => match std::fs::read_link(hook) {
            Ok(target) => symlink(target, kept),
            Err(_) => {
                let bits = std::fs::metadata(hook)?.permissions().mode() & 0o7777;
                write(kept, &std::fs::read(hook)?, Mode::Same(bits), true)
            }
        },
        done => done,
    }
}
