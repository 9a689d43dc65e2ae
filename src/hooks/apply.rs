//! Makes the edits of a plan. At no moment is there half a hook, or none where there was one.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::base::error::Error;
use crate::hooks::plan::{Edit, How, Mode, SCRAP};
use crate::hooks::shown;
use crate::hooks::slot::{self, Place, Stand};

/// How long to wait for another run: so many steps, each so long.
const PATIENCE: (u32, Duration) = (100, Duration::from_millis(100));

/// Keeps other runs away from the hooks of a repository until it is dropped: several packages of a workspace may install
/// at once. Where the file system has no locks, the look before each change has to do.
pub(crate) fn lock(common: &Path) -> Result<Option<File>, Error> {
    let Ok(directory) = File::open(common) else { return Ok(None) };
    for _ in 0..PATIENCE.0 {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(directory)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PATIENCE.1),
            Err(_) => return Ok(None),
        }
    }
    Err(Error::new("change the hooks", "another run of bakstop is changing them")
        .help("wait for it or end it, then try again"))
}

/// Makes the edits, in their order. `places` is what they were planned on: what has changed since is left alone.
pub(crate) fn apply(edits: &[Edit], places: &[&Place], top: &Path) -> Result<(), Error> {
    let slots = || places.iter().flat_map(|place| &place.slots);
    for edit in edits {
        let planned_on = match edit {
            Edit::Write { path, how, .. } if *how != How::Create => slots().find(|slot| &slot.path == path),
            Edit::Remove(path) | Edit::PutBack { hook: path, .. } => slots().find(|slot| &slot.path == path),
            _ => None,
        };
        if let Some(slot) = planned_on
            && !is_as_planned(&slot::stand(&slot.path, top)?, &slot.stand)
        {
            return Err(Error::new(format!("change {}", slot.name), "somebody else has changed it in this moment")
                .help("look at it, then run the command again"));
        }
        make(edit).map_err(|error| {
            Error::new(format!("change {}", shown(edit.path(), top)), error)
                .help("see what stands in the way, then run the command again: it goes on where it stopped")
        })?;
    }
    Ok(())
}

/// Whether what stands there now is what stood there. What is behind a link may be a hook that we have just changed.
fn is_as_planned(now: &Stand, then: &Stand) -> bool {
    now == then || matches!((now, then), (Stand::Link(_), Stand::Link(_)))
}

fn make(edit: &Edit) -> std::io::Result<()> {
    match edit {
        Edit::MakeDirectory { path, mode: Mode::New(_) } => std::fs::create_dir_all(path),
        Edit::MakeDirectory { path, mode: Mode::Exact(bits) } => make_directory(path, *bits),
        Edit::Write { path, text, mode, how } => write(path, text, *mode, *how == How::Create),
        Edit::Keep { hook, kept, .. } => keep(hook, kept),
        Edit::PutBack { kept, hook } => std::fs::rename(kept, hook),
        Edit::Remove(path) => remove(path),
        Edit::RemoveDirectory(path) => std::fs::remove_dir(path),
    }
}

/// Makes a directory that has its bits from the first moment, whatever the umask: a run that goes on where this one was
/// killed does not ask for them again.
fn make_directory(path: &Path, bits: u32) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let directory = tempfile::Builder::new().prefix(SCRAP).tempdir_in(parent)?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(bits))?;
    std::fs::rename(directory.path(), path)?;
    // It is not temporary any more.
    let _ = directory.keep();
    Ok(())
}

/// Removes a file, or a directory that a run was killed over before it was in its place.
fn remove(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) }
}

/// Writes beside the file and moves the result into place.
fn write(path: &Path, text: &[u8], mode: Mode, create: bool) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let (Mode::New(bits) | Mode::Exact(bits)) = mode;
    let permissions = std::fs::Permissions::from_mode(bits);
    let mut file = tempfile::Builder::new().prefix(SCRAP).permissions(permissions.clone()).tempfile_in(directory)?;
    file.write_all(text)?;
    // A crash of the machine after the rename must not leave an empty hook: git would run it, and it would pass.
    file.as_file().sync_all()?;
    if matches!(mode, Mode::Exact(_)) {
        // What was there before need not obey the umask, nor what another user is to run.
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
                write(kept, &std::fs::read(hook)?, Mode::Exact(bits), true)
            }
        },
        done => done,
    }
}
