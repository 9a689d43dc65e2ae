//! The lock that keeps other runs away from what is changed.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

/// How long to wait for another run: the number of attempts, and the pause between two.
const PATIENCE: (u32, Duration) = (100, Duration::from_millis(100));

/// Another run holds the lock, and has not released it in time.
#[derive(Debug)]
pub(crate) struct Busy;

/// A lock on a directory, released when it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _directory: Option<File>,
}

impl DirectoryLock {
    /// Waits for the lock. A file system may have no locks, and a directory may not be readable:
    /// then nothing is locked, and the check of the old text before each write has to do.
    pub(crate) fn wait(path: &Path) -> Result<Self, Busy> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).ok().map(File::from);
        if let Some(directory) = &directory {
            wait(directory)?;
        }
        Ok(Self { _directory: directory })
    }
}

/// Waits for the lock on an open file, which holds it until it is closed.
pub(crate) fn wait(file: &File) -> Result<(), Busy> {
    for _ in 0..PATIENCE.0 {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PATIENCE.1),
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(Busy)
}
