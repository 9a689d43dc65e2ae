//! The panic hook: exit code 2 and three lines, for a panic in any thread.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::escape::Escaped;
use crate::base::finding::Verdict;

/// The last of the three lines; unset until the arguments are parsed.
static RECOVERY_HINT: OnceLock<String> = OnceLock::new();

/// Makes every panic exit the process with exit code 2 and three lines on standard error, and in a
/// debug build with a backtrace if `RUST_BACKTRACE` is set.
///
/// No thread unwinds, so that no code prints a report or changes a file after a panic. Temporary
/// files stay, as after `kill -9`.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| end(panic)));
}

/// Sets the last line: a sentence without an initial capital. The first call counts.
pub(crate) fn set_recovery_hint(sentence: String) {
    let _ = RECOVERY_HINT.set(sentence);
}

fn end(panic: &PanicHookInfo<'_>) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    // If two threads panic at the same time, the first one exits the process.
    while ENDING.swap(true, Ordering::SeqCst) {
        std::thread::park();
    }
    // A panic with a formatted message has a `String` for payload.
    let literal = panic.payload().downcast_ref::<&'static str>().copied();
    let place = panic.location().map_or("an unknown place".to_owned(), ToString::to_string);
    let hint =
        RECOVERY_HINT.get().map_or("nothing was judged and nothing was changed", String::as_str);
    let mut message = text(&place, literal, hint);
    // A release has neither names nor unwind tables: to walk its stack would abort.
    let backtrace = cfg!(debug_assertions).then(Backtrace::capture);
    let backtrace = backtrace.filter(|found| found.status() == BacktraceStatus::Captured);
    message.extend(backtrace.map(|found| found.to_string()));
    // Without standard error, there is only the exit code. A panic here would abort.
    let mut stream = std::io::stderr();
    let _ = stream.write_all(message.as_bytes()).and_then(|()| stream.flush());
    std::process::exit(Verdict::Failed.code().into())
}

/// The three lines. A message that is not a literal is left out: it may contain secrets of a
/// repository.
fn text(place: &str, literal: Option<&str>, hint: &str) -> String {
    let place = Escaped(place.as_bytes());
    let message =
        literal.map(|literal| format!(": {}", Escaped(literal.as_bytes()))).unwrap_or_default();
    format!(
        "error: bakstop {} crashed at {place}{message}\n\
         help: send the maintainers this message, the output of `bakstop --version`, and the \
         command\n\
         note: {hint}\n",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_crash_is_three_lines() {
        let message = text("src/a.rs:1:2", Some("no such thing"), "x");
        let lines: Vec<&str> = message.lines().collect();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            lines[0],
            format!("error: bakstop {version} crashed at src/a.rs:1:2: no such thing")
        );
        assert!(lines[1].starts_with("help: ") && lines[1].contains("bakstop --version"));
        assert_eq!(lines[2..], ["note: x"]);
        let message = text("src/a.rs:1:2", None, "to go on: x");
        assert!(
            message.starts_with(&format!("error: bakstop {version} crashed at src/a.rs:1:2\n")),
            "{message}"
        );
    }

    #[test]
    fn quoted_text_is_escaped() {
        let message = text("a\n::error::b", Some("\u{1b}[2J\n##[x]\r\n"), "to go on: x");
        assert_eq!(message.lines().count(), 3, "{message}");
        assert!(
            message.contains("a\\n::error::b: \\u{001b}[2J\\n#\\u{0023}[x]\\r\\n\n"),
            "{message}"
        );
    }
}
