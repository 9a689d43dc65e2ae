//! A temporary directory that is gone when the program ends, even by a signal.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use tempfile::TempDir;

use crate::os::ending::{SignalGuard, termination_signals};

/// How the directory is called, before the word that is its own.
const PREFIX: &str = "bakstop-";
/// How often to try to remove the directory: a process that we started may still write into it.
const ATTEMPTS: usize = 100;

/// A private temporary directory.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Goes away first: a signal that comes meanwhile has a handler.
    directory: TempDir,
    shared: Arc<Shared>,
    _signal_guard: SignalGuard,
    _thread: Watcher,
}

/// The thread that waits for signals. It ends with this.
#[derive(Debug)]
struct Watcher(Handle);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the thread that waits for signals has to know.
#[derive(Debug, Default)]
struct Shared {
    /// The directory, once it is made. Locked for good by the thread that removes it.
    directory: Mutex<Option<PathBuf>>,
    /// Set by the first signal.
    stop: AtomicBool,
    /// Whether some work ends by itself once `stop` is set.
    deferred: AtomicBool,
}

/// A signal has come, and the work was ended.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl Scratch {
    /// Makes the directory. From here on, a signal that asks the program to end removes it first.
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut signals = Signals::new(termination_signals())?;
        let (signal_guard, thread) = (SignalGuard::new(), Watcher(signals.handle()));
        let waiting = Arc::clone(&shared);
        std::thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                waiting.stop.store(true, Ordering::SeqCst);
                if !waiting.deferred.load(Ordering::SeqCst) {
                    waiting.end(signal);
                }
            }
            // It came in time, and nobody has seen it.
            if let Some(signal) = signals.pending().next() {
                waiting.end(signal);
            }
        })?;
        // Held until the directory is known: no signal comes between.
        let mut known = shared.lock();
        // The umask does not count: no other user may put anything there.
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

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The word in its name that no other directory has.
    pub(crate) fn nonce(&self) -> String {
        let name = self.path().file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()
    }

    /// Makes a directory in it.
    pub(crate) fn make_directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path).map(|()| path)
    }

    /// Makes a file in it.
    pub(crate) fn make_file(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let path = self.path().join(name);
        File::create_new(&path).map(|file| (path, file))
    }

    /// Does some work that a signal does not end: it gets a flag that the signal sets, and ends by
    /// itself soon after.
    pub(crate) fn defer_signals<T>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T,
    ) -> Result<T, Interrupted> {
        let shared = &self.shared;
        shared.deferred.store(true, Ordering::SeqCst);
        let done = work(&shared.stop);
        shared.deferred.store(false, Ordering::SeqCst);
        if shared.stop.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(done) }
    }
}

impl Drop for Scratch {
    /// Where a signal removes the directory, the program ends by that signal, and not by an error
    /// of the work that misses the directory.
    fn drop(&mut self) {
        drop(self.shared.lock());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the program as the signal would have.
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

/// Whether the file system that this directory is on keeps executable bits: tried, as `git init`
/// does. The file has no name, so nothing is left of it.
pub(crate) fn keeps_modes(directory: &Path) -> bool {
    let Ok(file) = tempfile::tempfile_in(directory) else { return false };
    let is_executable =
        || file.metadata().is_ok_and(|about| about.permissions().mode() & 0o100 != 0);
    let set = |mode| file.set_permissions(Permissions::from_mode(mode)).is_ok();
    set(0o600) && !is_executable() && set(0o700) && is_executable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private_and_goes() {
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
