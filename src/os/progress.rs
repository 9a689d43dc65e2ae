//! How far a long run has come, for a person who waits at a terminal.

use std::io::Write;
use std::time::{Duration, Instant};

/// How long a run may take before it says anything, and how often it says more.
const PATIENCE: Duration = Duration::from_millis(500);
const PACE: Duration = Duration::from_millis(100);

/// A line on standard error that is written over again and again, and is gone at the end.
#[derive(Debug)]
pub(crate) struct Progress {
    label: &'static str,
    total: usize,
    done: usize,
    next: Instant,
    shown: bool,
    terminal: bool,
}

impl Progress {
    /// A run of so many steps. Nothing is shown unless standard error is a terminal.
    pub(crate) fn new(label: &'static str, total: usize, terminal: bool) -> Self {
        Self { label, total, done: 0, next: Instant::now() + PATIENCE, shown: false, terminal }
    }

    /// One step is done.
    pub(crate) fn step(&mut self) {
        self.advance(1);
    }

    /// So many steps are done.
    pub(crate) fn advance(&mut self, steps: usize) {
        self.done += steps;
        if self.terminal && Instant::now() >= self.next {
            self.next = Instant::now() + PACE;
            self.shown = true;
            write(&self.line());
        }
    }

    fn line(&self) -> String {
        let percent = 100 * self.done / self.total.max(1);
        format!("\r{} {} of {} ({percent} %)", self.label, self.done, self.total)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            write(&format!("\r{}\r", " ".repeat(self.line().len())));
        }
    }
}

/// A progress that cannot be shown is no reason to fail.
fn write(text: &str) {
    let mut stream = std::io::stderr();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn the_line_counts_up() {
        let mut progress = Progress::new("commits judged:", 3, false);
        progress.step();
        assert_eq!(progress.line(), "\rcommits judged: 1 of 3 (33 %)");
        assert!(!progress.shown);
        assert_eq!(Progress::new("", 0, false).line(), "\r 0 of 0 (0 %)");
    }
}
