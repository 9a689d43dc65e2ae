//! Child processes: the build that `verify` watches, which is given our own streams, and a program
//! that is asked one question.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT};
use signal_hook::iterator::Signals;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::shell_quote;
use crate::os::ending::{SignalGuard, termination_signals};

mod family;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Code(u8),
    /// By a signal of this number.
    Signal(u8),
}

impl Ended {
    /// The exit code that a shell would give.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }

    /// As the end of "the command …".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Code(code) => format!("ended with exit code {code}"),
            Self::Signal(number) => format!("was ended by signal {number}"),
        }
    }
}

/// Why there is no end of the command to tell: the exit code for it, and the words.
#[derive(Debug)]
pub(crate) struct NotRun {
    /// As a shell has it: 127 where there is no such program, 126 where it cannot be executed.
    pub code: u8,
    /// What to tell.
    pub error: Error,
}

/// Where the command's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To our own.
    Inherited,
    /// To standard error, because ours is a document.
    ToStandardError,
}

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// How.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
    /// The names of the processes that it left running. Known on Linux only.
    pub left: Vec<String>,
}

/// Whom a signal that was sent to us is passed on to.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// The command has a process group of its own: whatever asks us to end asks all of it.
    Group,
    /// There is a controlling terminal, and a process outside its foreground group could not use
    /// it. So the command is in our own group, and what a person types there reaches it without us.
    /// The rest is passed on to the command and its descendants.
    Family,
}

/// Runs a command to its end, without a shell. Signals that would end us do not: the command's end
/// is ours to report.
pub(crate) fn run(
    program: &OsString,
    arguments: &[OsString],
    output: Output,
) -> Result<Ran, NotRun> {
    let not_run = |error: io::Error| {
        let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
        let shown = shell_quote(program.as_encoded_bytes());
        NotRun { code, error: Error::new(format!("start {shown}"), error) }
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if output == Output::ToStandardError {
        command.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned().map_err(not_run)?));
    }
    // It cannot be opened by a process that has none (tty(4)).
    let reach = if File::open("/dev/tty").is_ok() { Reach::Family } else { Reach::Group };
    if matches!(reach, Reach::Group) {
        command.process_group(0);
    }
    family::adopt_orphans();
    // A shell that replaced itself by us may have left us children of its own.
    let existing_children = family::children();
    // Before the command is started, so that no signal finds us unprepared once it runs.
    let mut signals =
        Signals::new(termination_signals().into_iter().chain([SIGCHLD])).map_err(not_run)?;
    let (signal_guard, handle) = (SignalGuard::new(), signals.handle());
    let start = Instant::now();
    let mut child = command.spawn().map_err(not_run)?;
    let pid = Pid::from_child(&child);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            signals.forever().for_each(|signal| pass_on(signal, pid, reach, &existing_children))
        });
        let ended = wait_for_end(pid);
        handle.close();
        ended
    });
    let took = start.elapsed();
    // From here on, who wants us to end means us.
    drop(signal_guard);
    drop(signals);
    // Nothing is known of a command that cannot be waited for.
    let lost = |error| NotRun {
        code: Verdict::Failed.code(),
        error: Error::new("wait for the command", error),
    };
    let ended = ended.and_then(|()| child.wait()).map(how_ended).map_err(lost)?;
    Ok(Ran { ended, took, left: family::left_running(&existing_children) })
}

/// How long a program may take to answer, and how long its answer may be, in bytes.
const ANSWER: (Duration, u64) = (Duration::from_secs(3), 1024);
/// How long a process may take to end after SIGTERM, and how often to look.
const END: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(20);

/// The first line that a program prints, without its line feed; `None` if none comes in time. The
/// program is ended then.
pub(crate) fn first_line(program: &Path, argument: &str) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let line = child.stdout.take().and_then(|pipe| {
        let (sender, receiver) = sync_channel(1);
        // It ends with the pipe, which a process that the program started may hold open.
        std::thread::spawn(move || {
            let mut line = Vec::new();
            let read = BufReader::new(pipe.take(ANSWER.1)).read_until(b'\n', &mut line);
            let _ = sender.send(read.is_ok().then_some(line));
        });
        receiver.recv_timeout(ANSWER.0).ok().flatten()
    });
    let _ = end(&mut child);
    line.map(|mut line| {
        line.pop_if(|byte| *byte == b'\n');
        line
    })
}

/// Ends a process: with SIGTERM, and with SIGKILL if it does not obey.
pub(crate) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // Until it is waited for, its id is no other process's.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + END;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(BEAT);
    }
    child.kill()?;
    child.wait()
}

/// Passes a signal on. Who it is for may have ended just now; until the command is waited for, its
/// id is nobody else's.
fn pass_on(number: i32, command: Pid, reach: Reach, existing_children: &[Pid]) {
    let signal = match number {
        // It may be an orphan.
        SIGCHLD => return family::reap_orphans(Some(command)),
        SIGINT => Signal::INT,
        SIGQUIT => Signal::QUIT,
        SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    };
    let family = family::descendants(existing_children);
    let outside = match reach {
        Reach::Group => {
            let _ = kill_process_group(command, signal);
            // What is stopped would not notice.
            let _ = kill_process_group(command, Signal::CONT);
            family.into_iter().filter(|process| process.group != Some(command)).collect()
        }
        // The terminal has sent these to everybody.
        Reach::Family if matches!(number, SIGINT | SIGQUIT) => Vec::new(),
        Reach::Family => family,
    };
    for process in outside {
        let _ = kill_process(process.id, signal);
    }
}

/// Makes sure that the end of our children can be waited for, which a parent that ignores SIGCHLD
/// takes from us (waitpid(2)).
pub(crate) fn catch_sigchld() {
    // A handler of any kind will do.
    let _ = signal_hook::flag::register(SIGCHLD, Arc::default());
}

/// Waits until the process has ended, and leaves its id taken: a signal that is passed on cannot
/// reach a stranger.
fn wait_for_end(pid: Pid) -> io::Result<()> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            result => return result.map(drop).map_err(io::Error::from),
        }
    }
}

fn how_ended(status: ExitStatus) -> Ended {
    let number = |value: Option<i32>| value.and_then(|value| u8::try_from(value).ok());
    match (number(status.code()), number(status.signal())) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        // Unix knows no third way; if it did, it would not be success.
        (None, None) => Ended::Code(u8::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Ended::Code(3).code(), 3);
        assert_eq!(Ended::Signal(15).code(), 143);
    }

    #[test]
    fn a_program_answers_in_time_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let answer = |script: &str| {
            let program = directory.path().join("program");
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .unwrap();
            let start = Instant::now();
            let line =
                first_line(&program, "--version").map(|line| String::from_utf8(line).unwrap());
            assert!(start.elapsed() < Duration::from_secs(20), "{script}");
            line
        };
        assert_eq!(answer("echo \"got $1\"; echo more").as_deref(), Some("got --version"));
        assert_eq!(answer("echo left; sleep 60 &").as_deref(), Some("left"));
        assert_eq!(answer("exit 3").as_deref(), Some(""));
        assert_eq!(answer("trap '' TERM; exec sleep 60"), None);
        assert!(answer("cat /dev/zero").is_some_and(|line| line.len() == 1024));
        assert_eq!(first_line(Path::new("/nowhere"), "--version"), None);
    }
}
