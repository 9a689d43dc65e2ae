//! Signals that terminate the program, unless a [`SignalGuard`] exists.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Once};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::{register_conditional_default, register_usize};
use signal_hook::low_level::unregister;

/// Whether such a signal terminates the program immediately.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

static REGISTERED: Once = Once::new();

/// While it exists, a signal does not terminate the program: the owner handles the signals.
#[derive(Debug)]
pub(crate) struct SignalGuard {
    before: bool,
}

impl SignalGuard {
    /// The signals must already have another handler.
    pub(crate) fn new() -> Self {
        // A handler replaces the default action permanently: this one restores it on demand.
        REGISTERED.call_once(|| {
            for signal in termination_signals() {
                let _ = register_conditional_default(signal, Arc::clone(&AT_ONCE));
            }
        });
        Self { before: AT_ONCE.swap(false, Ordering::SeqCst) }
    }

    /// Whether a signal terminated the program before it was made.
    pub(crate) fn is_first(&self) -> bool {
        self.before
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        AT_ONCE.store(self.before, Ordering::SeqCst);
    }
}

/// While it exists, a signal does not terminate the program, but is noted: the owner cleans up
/// first. Other handlers get it as well.
#[derive(Debug)]
pub(crate) struct NotedSignals {
    /// The number of the last signal, or 0.
    noted: Arc<AtomicUsize>,
    handlers: Vec<SigId>,
    _guard: SignalGuard,
}

impl NotedSignals {
    pub(crate) fn new() -> io::Result<Self> {
        let noted = Arc::new(AtomicUsize::new(0));
        let mut noting = Self { noted, handlers: Vec::new(), _guard: SignalGuard::new() };
        for signal in termination_signals() {
            let number = usize::try_from(signal).unwrap_or_default();
            noting.handlers.push(register_usize(signal, Arc::clone(&noting.noted), number)?);
        }
        Ok(noting)
    }

    /// The number of a signal that came.
    pub(crate) fn noted(&self) -> Option<u8> {
        let number = u8::try_from(self.noted.load(Ordering::SeqCst)).ok()?;
        (number > 0).then_some(number)
    }
}

impl Drop for NotedSignals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            unregister(handler);
        }
    }
}

/// The signals that terminate the program, except those that our parent ignores for us, as `nohup`
/// does.
pub(crate) fn termination_signals() -> Vec<i32> {
    let ignored =
        std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_signals(&status));
    [SIGINT, SIGQUIT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored >> (signal - 1) & 1 == 0)
        .collect()
}

/// The `SigIgn` mask of `proc_pid_status(5)`; other systems have no such file.
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals() {
        assert_eq!(ignored_signals("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), 0x1001);
        assert_eq!(ignored_signals("Name:\tx\n"), 0);
    }
}
