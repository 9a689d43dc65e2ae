//! Tests of panics in separate processes: this program runs itself, installs the handler as `main`
//! does, and panics.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop")]
#![allow(clippy::disallowed_methods, reason = "the scene is named by a variable")]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

/// The variable that names the scene to run.
const SCENE: &str = "BAKSTOP_TEST_SCENE";
/// Must not appear in a message.
const SECRET: &str = "npm_s3cr3t";
/// A scene that takes longer hangs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The function of each scene, by name, and whether its message is the literal of [`broken`].
const SCENES: [(&str, fn(), bool); 10] = [
    ("main thread", broken, true),
    ("formatted message", || panic!("in {}", secret()), false),
    ("slice of a string", || _ = secret().split_at(99), false),
    ("index", || _ = secret().into_bytes()[99], false),
    ("scoped thread", || std::thread::scope(|scope| _ = scope.spawn(broken).join()), true),
    ("thread with its own stack", with_its_own_stack, true),
    ("worker of a pool", || rayon::scope(|scope| scope.spawn(|_| broken())), true),
    ("two threads at once", two_at_once, true),
    ("standard output in use", output_in_use, true),
    ("caught", || _ = std::panic::catch_unwind(broken), true),
];

fn broken() {
    panic!("it broke");
}

/// A text that is not a literal.
fn secret() -> String {
    std::env::var(SCENE).unwrap() + SECRET
}

fn with_its_own_stack() {
    let _ = std::thread::Builder::new().stack_size(8 << 20).spawn(broken).unwrap().join();
}

fn two_at_once() {
    let barrier = Barrier::new(2);
    let meet_and_break = || {
        barrier.wait();
        broken();
    };
    std::thread::scope(|scope| {
        scope.spawn(meet_and_break);
        scope.spawn(meet_and_break);
    });
}

/// Half a report is written, and another thread holds the lock forever.
fn output_in_use() {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut out = std::io::stdout().lock();
        out.write_all(b"{\"findings\": [").unwrap();
        sender.send(()).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap();
    broken();
}

/// Runs a scene in another process, through a shell line that ends in `"$0"`.
fn play(scene: &str, line: &str, backtrace: Option<&str>) -> Output {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .arg(std::env::current_exe().unwrap())
        .env(SCENE, scene)
        .stdin(Stdio::null());
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command.envs(backtrace.map(|value| ("RUST_BACKTRACE", value)));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(command.output().unwrap()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{scene} hangs"))
}

fn every_thread_ends_in_three_lines() {
    for (scene, _, is_literal) in SCENES {
        let output = play(scene, r#"exec "$0""#, None);
        let message = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!((output.status.code(), lines.len()), (Some(2), 3), "{scene}: {message}");
        assert!(
            lines[0].starts_with("error: bakstop ") && lines[0].contains(" crashed at "),
            "{scene}: {message}"
        );
        assert!(!message.contains(SECRET), "{scene}: {message}");
        assert_eq!(lines[0].ends_with(": it broke"), is_literal, "{scene}: {message}");
        assert!(
            lines[1].contains("`bakstop --version`") && lines[2].starts_with("note: "),
            "{scene}: {message}"
        );
    }
}

fn a_backtrace_follows_on_request() {
    for (value, is_shown) in [("0", false), ("1", true), ("full", true)] {
        let message =
            String::from_utf8(play("main thread", r#"exec "$0""#, Some(value)).stderr).unwrap();
        assert_eq!(message.lines().count() > 3, is_shown, "{message}");
        assert!(message.lines().nth(2).unwrap().starts_with("note: "), "{message}");
    }
}

fn the_exit_code_needs_no_standard_error() {
    for streams in ["2>&-", "2>/dev/full", "<&- >&- 2>&-", "2</dev/null"] {
        let line = &format!(r#"exec "$0" {streams}"#);
        let output = play("main thread", line, Some("1"));
        assert_eq!((output.status.code(), output.stderr.len()), (Some(2), 0), "{line}: {output:?}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(std::env::current_exe().unwrap());
    assert_eq!(command.env(SCENE, "main thread").stderr(writer).status().unwrap().code(), Some(2));
}

fn main() {
    if let Ok(name) = std::env::var(SCENE) {
        bakstop::report_panics();
        let (_, scene, _) = SCENES.into_iter().find(|(known, ..)| *known == name).unwrap();
        return scene();
    }
    every_thread_ends_in_three_lines();
    a_backtrace_follows_on_request();
    the_exit_code_needs_no_standard_error();
}
