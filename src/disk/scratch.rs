//! A temporary directory that is removed when the program exits, even by a signal.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use tempfile::TempDir;

use crate::os::signals::{SignalGuard, termination_signals};

/// The start of the directory's name.
const PREFIX: &str = "bakstop-";
/// How many times to try to remove the directory: a child process may still write into it.
const ATTEMPTS: usize = 100;

/// A private temporary directory.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Dropped first, while signals still have a handler.
    directory: TempDir,
    shared: Arc<Shared>,
    _signal_guard: SignalGuard,
    _thread: Watcher,
}

/// Stops the thread that waits for signals.
#[derive(Debug)]
struct Watcher(Handle);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The state shared with the thread that waits for signals.
#[derive(Debug, Default)]
struct Shared {
    /// `None` before it is created. The thread that removes it never releases the lock.
    directory: Mutex<Option<PathBuf>>,
    /// Set by the first signal.
    stop: AtomicBool,
    /// The last signal.
    signal: AtomicI32,
    /// How many threads do work that returns soon after `stop` is set.
    deferred: AtomicUsize,
}

/// A signal interrupted the work.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl Scratch {
    /// Creates the directory. From now on, a signal that terminates the program removes it first.
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut signals = Signals::new(termination_signals())?;
        let (signal_guard, thread) = (SignalGuard::new(), Watcher(signals.handle()));
        let waiting = Arc::clone(&shared);
        std::thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                waiting.signal.store(signal, Ordering::SeqCst);
                waiting.stop.store(true, Ordering::SeqCst);
                if waiting.deferred.load(Ordering::SeqCst) == 0 {
                    waiting.end(signal);
                }
            }
            // The signal arrived just before the handler was closed.
            if let Some(signal) = signals.pending().next() {
                waiting.end(signal);
            }
        })?;
        // Locked until the directory is known, so that a signal cannot miss it.
        let mut known = shared.lock();
        // Regardless of the umask, no other user may write there.
        let private = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(12)
            .permissions(private)
            .tempdir()?;
        *known = Some(directory.path().to_owned());
        drop(known);
        Ok(Self { directory, shared, _signal_guard: signal_guard, _thread: thread })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The random part of its name.
    pub(crate) fn nonce(&self) -> String {
        let name = self.path().file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()
    }

    /// Creates a directory in it.
    pub(crate) fn make_directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path).map(|()| path)
    }

    /// Creates a file in it.
    pub(crate) fn make_file(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let path = self.path().join(name);
        File::create_new(&path).map(|file| (path, file))
    }

    /// Creates a file in it, with the directories of its path.
    pub(crate) fn put(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let place = self.path().join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        File::create_new(&place)?.write_all(text)
    }

    /// The paths of all files and links below a directory in it, relative to that; without those in
    /// directories of a name.
    pub(crate) fn files_below(
        &self,
        directory: &Path,
        without: &OsStr,
    ) -> io::Result<BTreeSet<PathBuf>> {
        let mut found = BTreeSet::new();
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            for entry in fs::read_dir(self.path().join(directory).join(&below))? {
                let entry = entry?;
                let path = below.join(entry.file_name());
                if !entry.file_type()?.is_dir() {
                    found.insert(path);
                } else if entry.file_name() != without {
                    open.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Runs work that a signal does not interrupt: it must return soon after the signal has set its
    /// flag.
    pub(crate) fn defer_signals<T>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T,
    ) -> Result<T, Interrupted> {
        let shared = &self.shared;
        shared.deferred.fetch_add(1, Ordering::SeqCst);
        let done = work(&shared.stop);
        shared.deferred.fetch_sub(1, Ordering::SeqCst);
        if shared.stop.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(done) }
    }

    /// [`Self::defer_signals`], after which a signal terminates the program, once no thread does
    /// such work.
    pub(crate) fn delay_signals<T>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T,
    ) -> Result<T, Interrupted> {
        let done = self.defer_signals(work);
        if done.is_err() && self.shared.deferred.load(Ordering::SeqCst) == 0 {
            self.shared.end(self.shared.signal.load(Ordering::SeqCst));
        }
        done
    }
}

impl Drop for Scratch {
    /// If a signal is removing the directory, waits for it to terminate the program: the missing
    /// directory would make the work fail.
    fn drop(&mut self) {
        drop(self.shared.lock());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Terminates the program like the signal itself.
    fn end(&self, signal: i32) {
        let directory = self.lock();
        if let Some(directory) = &*directory {
            for _ in 0..ATTEMPTS {
                match fs::remove_dir_all(directory) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {}
                    _ => break,
                }
            }
        }
        let _ = emulate_default_handler(signal);
    }
}

/// Whether the file system of a directory keeps executable bits: tries it with an unnamed file, as
/// `git init` does.
pub(crate) fn keeps_modes(directory: &Path) -> bool {
    let Ok(file) = tempfile::tempfile_in(directory) else { return false };
    let is_executable =
        || file.metadata().is_ok_and(|about| about.permissions().mode() & 0o100 != 0);
    let set = |mode| file.set_permissions(Permissions::from_mode(mode)).is_ok();
    set(0o600) && !is_executable() && set(0o700) && is_executable()
}

/// Whether the file system of a directory keeps symbolic links: tries it, as `git init` does.
pub(crate) fn keeps_links(directory: &Path) -> bool {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .make_in(directory, |link| std::os::unix::fs::symlink(".", link))
        .is_ok_and(|link| link.path().is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private_and_removed() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(
            path.ends_with(format!("{PREFIX}{}", scratch.nonce())) && scratch.nonce().len() == 12
        );
        scratch.make_directory("objects").unwrap();
        assert!(!scratch.defer_signals(|stop| stop.load(Ordering::SeqCst)).unwrap());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn work_that_was_interrupted_has_no_result() {
        let scratch = Scratch::new().unwrap();
        assert!(scratch.defer_signals(|stop| stop.store(true, Ordering::SeqCst)).is_err());
    }
}
