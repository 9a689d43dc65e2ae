//! What a panic becomes: exit code 2 and three lines, in every thread, with and without unwinding.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::escape::Escaped;
use crate::base::finding::Verdict;

/// The last of the three lines; unset until the arguments are parsed.
static GO_ON: OnceLock<String> = OnceLock::new();

/// Makes every panic end the process with exit code 2 and three lines on standard error. Set
/// `RUST_BACKTRACE` to have a backtrace after them.
///
/// No thread unwinds from then on: nothing runs after the panic that could print a report or change
/// a file. Temporary files stay where they are, as after `kill -9`.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| end(panic)));
}

/// Sets how a person can go on after a panic: a sentence without an initial capital. The first one
/// counts.
pub(crate) fn set_recovery_hint(sentence: String) {
    let _ = GO_ON.set(sentence);
}

fn end(panic: &PanicHookInfo<'_>) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    // Two threads may panic at once. The first one ends the process; the other waits for that.
    while ENDING.swap(true, Ordering::SeqCst) {
        std::thread::park();
    }
    // A panic with a formatted message has a `String` for payload.
    let literal = panic.payload().downcast_ref::<&'static str>().copied();
    let place = panic.location().map_or("an unknown place".to_owned(), ToString::to_string);
    let go_on =
        GO_ON.get().map_or("to go on: nothing was judged and nothing was changed", String::as_str);
    let mut message = text(&place, literal, go_on);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        message += &backtrace.to_string();
    }
    // If standard error is closed or full, the exit code is all that can be given. A panic here
    // would be an abort.
    let mut stream = std::io::stderr();
    let _ = stream.write_all(message.as_bytes()).and_then(|()| stream.flush());
    std::process::exit(Verdict::Failed.code().into())
}

/// The three lines. A message that is no literal may quote a repository, and its secrets: it is
/// left out.
fn text(place: &str, literal: Option<&str>, go_on: &str) -> String {
    let place = Escaped(place.as_bytes());
    let message =
        literal.map(|literal| format!(": {}", Escaped(literal.as_bytes()))).unwrap_or_default();
    format!(
        "error: bakstop {} crashed at {place}{message}\n  \
         to report it: send the maintainers of bakstop this message, \
         the output of `bakstop --version`, and the command that was run\n  \
         {go_on}\n",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_crash_is_three_lines() {
        let message = text("src/a.rs:1:2", Some("no such thing"), "to go on: x");
        let lines: Vec<&str> = message.lines().collect();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            lines[0],
            format!("error: bakstop {version} crashed at src/a.rs:1:2: no such thing")
        );
        assert!(lines[1].contains("to report it: ") && lines[1].contains("bakstop --version"));
        assert_eq!(lines[2..], ["  to go on: x"]);
        let message = text("src/a.rs:1:2", None, "to go on: x");
        assert!(
            message.starts_with(&format!("error: bakstop {version} crashed at src/a.rs:1:2\n")),
            "{message}"
        );
    }

    #[test]
    fn what_a_crash_quotes_stays_on_its_line() {
        let message = text("a\n::error::b", Some("\u{1b}[2J\n##[x]\r\n"), "to go on: x");
        assert_eq!(message.lines().count(), 3, "{message}");
        assert!(
            message.contains("a\\n::error::b: \\u{001b}[2J\\n#\\u{0023}[x]\\r\\n\n"),
            "{message}"
        );
    }
}
