//! A lock against other runs that change the same files.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

/// How long to wait for another run: attempts, and the pause between two.
const RETRIES: (u32, Duration) = (100, Duration::from_millis(100));

/// Another run did not release the lock in time.
#[derive(Debug)]
pub(crate) struct Busy;

/// A lock on a directory, released when it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    directory: Option<File>,
}

impl DirectoryLock {
    /// Waits for the lock. Without locks on the file system, or for an unreadable directory,
    /// nothing is locked; each write still checks the old text.
    pub(crate) fn wait(path: &Path) -> Result<Self, Busy> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).ok().map(File::from);
        if let Some(directory) = &directory {
            wait(directory)?;
        }
        Ok(Self { directory })
    }

    /// Whether a path still leads to the locked directory; also without a lock.
    pub(crate) fn is_on(&self, path: &Path) -> bool {
        let Some(directory) = &self.directory else { return true };
        let identity = |about: Metadata| (about.dev(), about.ino());
        directory.metadata().map(identity).ok() == path.metadata().map(identity).ok()
    }
}

/// Whether another process holds the lock on a directory.
pub(crate) fn is_held(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty());
    directory.is_ok_and(|directory| {
        flock(directory, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    })
}

/// Waits for the lock on an open file, which holds it until it is closed.
pub(crate) fn wait(file: &File) -> Result<(), Busy> {
    for _ in 0..RETRIES.0 {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(RETRIES.1),
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(Busy)
}
