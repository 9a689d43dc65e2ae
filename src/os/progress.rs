//! A progress line for long runs, shown only on a terminal.

use std::io::Write;
use std::time::{Duration, Instant};

/// The delay before the line is shown, and between updates.
const DELAY: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);

/// A line on standard error that is overwritten, and removed at the end.
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
    /// A run of `total` steps. `terminal`: whether standard error is one.
    pub(crate) fn new(label: &'static str, total: usize, terminal: bool) -> Self {
        Self { label, total, done: 0, next: Instant::now() + DELAY, shown: false, terminal }
    }

    pub(crate) fn step(&mut self) {
        self.advance(1);
    }

    pub(crate) fn advance(&mut self, steps: usize) {
        self.done += steps;
        if self.terminal && Instant::now() >= self.next {
            self.next = Instant::now() + INTERVAL;
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

/// Errors are ignored: progress is not essential.
fn write(text: &str) {
    let mut stream = std::io::stderr();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn the_line_shows_progress() {
        let mut progress = Progress::new("commits judged:", 3, false);
        progress.step();
        assert_eq!(progress.line(), "\rcommits judged: 1 of 3 (33 %)");
        assert!(!progress.shown);
        assert_eq!(Progress::new("", 0, false).line(), "\r 0 of 0 (0 %)");
    }
}
