//! Child processes: the build of `verify`, which inherits our streams, and programs that answer a
//! question.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::shell_quote;
use crate::os::child::family::{Existing, Process};
use crate::os::signals::{NotedSignals, SignalGuard, termination_signals};

mod family;

/// How a command exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code.
    Code(u8),
    /// By a signal of this number.
    Signal(u8),
}

impl Ended {
    /// The exit code that a shell would return.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }

    /// Completes "the command …".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Code(code) => format!("ended with exit code {code}"),
            Self::Signal(number) => format!("was ended by signal {number}"),
        }
    }
}

/// A command could not be started or waited for.
#[derive(Debug)]
pub(crate) struct NotRun {
    /// As in a shell: 127 if the program is missing, 126 if it cannot be executed.
    pub code: u8,
    pub error: Error,
}

/// Where the command's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Inherited,
    /// Our standard output is for the report.
    ToStandardError,
}

/// A command that has exited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub ended: Ended,
    pub took: Duration,
    /// The names of the processes that it left running; empty on systems without /proc and ps(1).
    pub left_running: Vec<String>,
}

/// The processes that our signals are forwarded to.
#[derive(Debug, Clone, Copy)]
enum SignalReach {
    /// The process group of the command.
    Group,
    /// The command and its descendants. With a controlling terminal, the command stays in our
    /// process group: it could not use the terminal from another one. The terminal itself sends
    /// Ctrl-C to it.
    Family,
}

/// Runs a command without a shell. Signals are forwarded to it and do not terminate us: we report
/// how it exited.
pub(crate) fn run(
    program: &OsString,
    arguments: &[OsString],
    output: Output,
) -> Result<Ran, NotRun> {
    let mut command = Command::new(program);
    command.args(arguments);
    supervise(command, output, None)
}

/// [`run`], unless a signal came before the command can get it: that is an error, with the exit
/// code of the signal.
pub(crate) fn run_unless_noted(
    program: &OsString,
    arguments: &[OsString],
    output: Output,
    noted: &NotedSignals,
) -> Result<Ran, NotRun> {
    let mut command = Command::new(program);
    command.args(arguments);
    supervise(command, output, Some(noted))
}

/// [`run`] for a tool: in its directory, without input, and with its output on standard error.
pub(crate) fn run_tool(call: &ToolCall<'_>) -> Result<Ran, NotRun> {
    let mut command = call.command();
    command.stdin(Stdio::null());
    supervise(command, Output::ToStandardError, None)
}

fn supervise(
    mut command: Command,
    output: Output,
    noted: Option<&NotedSignals>,
) -> Result<Ran, NotRun> {
    let shown = shell_quote(command.get_program().as_encoded_bytes()).into_owned();
    let not_run = |error: io::Error| {
        let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
        NotRun { code, error: Error::new(format!("start {shown}"), error) }
    };
    if output == Output::ToStandardError {
        command.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned().map_err(not_run)?));
    }
    // Fails without a controlling terminal (tty(4)).
    let reach =
        if File::open("/dev/tty").is_ok() { SignalReach::Family } else { SignalReach::Group };
    if matches!(reach, SignalReach::Group) {
        command.process_group(0);
    }
    let adopts = family::adopt_orphans();
    let existing = Existing::of(&processes(), adopts);
    // Before the command starts, so that no signal is lost.
    let mut signals =
        Signals::new(termination_signals().into_iter().chain([SIGCHLD])).map_err(not_run)?;
    if let Some(signal) = noted.and_then(NotedSignals::noted) {
        let error = Error::new(format!("start {shown}"), format!("signal {signal} came before"));
        return Err(NotRun { code: Ended::Signal(signal).code(), error });
    }
    let (signal_guard, handle) = (SignalGuard::new(), signals.handle());
    let start = Instant::now();
    let mut child = command.spawn().map_err(not_run)?;
    let pid = Pid::from_child(&child);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            signals.forever().for_each(|signal| forward(signal, pid, reach, &existing));
        });
        let ended = wait_for_end(pid);
        handle.close();
        ended
    });
    let took = start.elapsed();
    // From here on, signals terminate us.
    drop(signal_guard);
    drop(signals);
    let lost = |error| NotRun {
        code: Verdict::Failed.code(),
        error: Error::new("wait for the command", error),
    };
    let ended = ended.and_then(|()| child.wait()).map(how_ended).map_err(lost)?;
    Ok(Ran { ended, took, left_running: left_running(pid, &existing) })
}

/// How many times to look for running processes, some of which may be exiting.
const ATTEMPTS: u32 = 5;

/// The names of the processes that the command left running.
fn left_running(command: Pid, existing: &Existing) -> Vec<String> {
    let mut attempts = 0;
    loop {
        family::reap_orphans(None);
        let processes = processes();
        let running = existing.newer(command, &processes).into_iter();
        let running = running.filter(|process| !process.ended);
        let names: Vec<String> = running.map(|process| process.name.clone()).collect();
        attempts += 1;
        if names.is_empty() || attempts == ATTEMPTS {
            return names;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Every process, as far as this system lists them.
fn processes() -> Vec<Process> {
    let found = family::from_proc();
    if !found.is_empty() {
        return found;
    }
    let (program, arguments) = family::PS;
    let printed = printed(Path::new(program), &arguments, GRACE);
    printed.map(|printed| family::parse_ps(&printed.out)).unwrap_or_default()
}

/// A call of a tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolCall<'a> {
    pub program: &'a OsStr,
    pub arguments: &'a [String],
    /// The directory that it runs in.
    pub directory: &'a Path,
    /// Variables of the environment in addition to ours.
    pub variables: &'a [(&'a str, &'a str)],
    /// Variables of our environment that it does not get.
    pub removed: &'a [&'a str],
}

impl ToolCall<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.arguments).current_dir(self.directory);
        command.envs(self.variables.iter().copied());
        for name in self.removed {
            command.env_remove(name);
        }
        command
    }
}

/// What a tool printed until it exited: the first bytes of each stream up to a limit, or little
/// more.
#[derive(Debug)]
pub(crate) struct Captured {
    pub ended: Ended,
    pub out: Vec<u8>,
    pub errors: Vec<u8>,
}

/// Reads a stream in a thread, which may outlive us, and passes its first bytes on. The rest is
/// read as well: a tool could not write it otherwise.
fn start_of(pipe: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let (mut part, mut sent) = ([0; 8192], 0);
        loop {
            match pipe.read(&mut part) {
                Ok(0) => return,
                Ok(count) if sent < limit => {
                    sent += count as u64;
                    let _ = sender.send(part.get(..count).unwrap_or_default().to_vec());
                }
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(_) | Err(_) => {}
            }
        }
    });
    receiver
}

/// What a stream has until it ends or until a time.
fn rest(stream: &Receiver<Vec<u8>>, deadline: Instant) -> Vec<u8> {
    let mut bytes = Vec::new();
    let left = || deadline.saturating_duration_since(Instant::now());
    while let Ok(part) = stream.recv_timeout(left()) {
        bytes.extend(part);
    }
    bytes
}

/// Runs a tool without input and in a process group of its own, and keeps its output. If it takes
/// longer than its time, or once `stop` returns true, the group is ended: that is an error.
pub(crate) fn answered(
    call: &ToolCall<'_>,
    limits: AnswerLimits,
    stop: impl Fn() -> bool,
) -> io::Result<Captured> {
    let mut command = call.command();
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (out, errors) =
        (start_of(child.stdout.take(), limits.bytes), start_of(child.stderr.take(), limits.bytes));
    let deadline = Instant::now() + limits.time;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Ok(status);
        }
        if stop() {
            break Err(io::Error::new(ErrorKind::Interrupted, "it was interrupted"));
        }
        if Instant::now() > deadline {
            let time = match limits.time.as_secs() {
                seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
                _ => format!("{} seconds", limits.time.as_secs_f64()),
            };
            break Err(io::Error::new(ErrorKind::TimedOut, format!("it did not exit in {time}")));
        }
        std::thread::sleep(PAUSE);
    };
    if status.is_err() {
        // It may remove its temporary files first.
        let _ = kill_process_group(Pid::from_child(&child), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && child.try_wait()?.is_none() {
            std::thread::sleep(PAUSE);
        }
    }
    // What it left may still write. It fails if nobody is left in the group.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    if status.is_err() {
        child.wait()?;
    }
    let (ended, deadline) = (how_ended(status?), Instant::now() + OPEN);
    Ok(Captured { ended, out: rest(&out, deadline), errors: rest(&errors, deadline) })
}

/// The timeout for a line of a program, and the maximum size of the line in bytes.
const LINE: (Duration, u64) = (Duration::from_secs(3), 1024);
/// How long a process may take to exit after SIGTERM, and how often to check.
const GRACE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// The first line that a program prints, without its line feed; `None` after a timeout. Terminates
/// the program.
pub(crate) fn first_line(program: &Path, argument: &str) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let line = child.stdout.take().and_then(|pipe| {
        let (sender, receiver) = sync_channel(1);
        // The thread may outlive us here: a child of the program may hold the pipe open.
        std::thread::spawn(move || {
            let mut line = Vec::new();
            let read = BufReader::new(pipe.take(LINE.1)).read_until(b'\n', &mut line);
            let _ = sender.send(read.is_ok().then_some(line));
        });
        receiver.recv_timeout(LINE.0).ok().flatten()
    });
    let _ = end(&mut child);
    line.map(|mut line| {
        line.pop_if(|byte| *byte == b'\n');
        line
    })
}

/// What a program printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub succeeded: bool,
    pub out: Vec<u8>,
    pub errors: Vec<u8>,
}

/// Why a program did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    NotStarted,
    /// Not in time; or a process that it left holds a stream open.
    NotInTime,
    /// It prints more than the limit.
    TooLong,
}

/// The limits of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    pub time: Duration,
    /// For each stream.
    pub bytes: u64,
}

/// The maximum size of what a program prints, for each stream, in bytes.
pub(crate) const PRINTED: u64 = 1 << 20;
/// How long the streams may stay open when the program has exited.
const OPEN: Duration = Duration::from_secs(1);

/// [`answer`] of at most 1 MiB.
pub(crate) fn printed(program: &Path, arguments: &[&str], limit: Duration) -> Option<Printed> {
    answer(program, arguments, AnswerLimits { time: limit, bytes: PRINTED }).ok()
}

/// Runs a program in `/` and in a process group of its own. If it does not answer within the
/// limits, or if a signal comes, the group is killed. The signal ends us as well, unless another
/// [`SignalGuard`] exists.
pub(crate) fn answer(
    program: &Path,
    arguments: &[&str],
    limits: AnswerLimits,
) -> Result<Printed, NoAnswer> {
    let mut signals = Signals::new(termination_signals()).map_err(|_| NoAnswer::NotStarted)?;
    let signal_guard = SignalGuard::new();
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").process_group(0).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|_| NoAnswer::NotStarted)?;
    let out = stream(child.stdout.take(), limits.bytes);
    let errors = stream(child.stderr.take(), limits.bytes);
    let deadline = Instant::now() + limits.time;
    let (mut status, mut signal) = (None, None);
    while status.is_none() && signal.is_none() && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
        status = child.try_wait().ok().flatten();
        signal = signals.pending().next();
    }
    let deadline = deadline.min(Instant::now() + OPEN);
    let rest = |stream: Receiver<Option<Vec<u8>>>| {
        let left = deadline.saturating_duration_since(Instant::now());
        let bytes = stream.recv_timeout(left).map_err(|_| NoAnswer::NotInTime)?;
        bytes.ok_or(NoAnswer::TooLong)
    };
    let answer = status.filter(|_| signal.is_none()).ok_or(NoAnswer::NotInTime);
    let answer = answer.and_then(|status| {
        Ok(Printed { succeeded: status.success(), out: rest(out)?, errors: rest(errors)? })
    });
    if answer.is_err() {
        // It fails if nobody is left in the group.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
    // Else the owner of an earlier guard handles it.
    let ends_us = signal_guard.is_first();
    drop(signal_guard);
    if let Some(signal) = signal.filter(|_| ends_us) {
        let _ = emulate_default_handler(signal);
    }
    answer
}

/// Reads a stream in a thread, which may outlive us; `None` if it is longer than the limit.
fn stream(pipe: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Option<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if pipe.is_some_and(|pipe| pipe.take(limit + 1).read_to_end(&mut bytes).is_ok()) {
            let _ = sender.send((bytes.len() as u64 <= limit).then_some(bytes));
        }
    });
    receiver
}

/// Terminates a process with SIGTERM, or with SIGKILL if it does not exit in time.
pub(crate) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // The id is not reused until we wait for the process.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait()
}

/// Forwards a signal. The command may have exited, but its id is not reused until we wait for it.
fn forward(number: i32, command: Pid, reach: SignalReach, existing: &Existing) {
    let signal = match number {
        // An orphan may have exited.
        SIGCHLD => return family::reap_orphans(Some(command)),
        SIGINT => Signal::INT,
        SIGQUIT => Signal::QUIT,
        SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    };
    let processes = processes();
    let mut outside: Vec<Pid> = existing
        .newer(command, &processes)
        .into_iter()
        .filter(|process| matches!(reach, SignalReach::Family) || process.group != Some(command))
        .map(|process| process.id)
        .collect();
    match reach {
        SignalReach::Group => {
            let _ = kill_process_group(command, signal);
            // Stopped processes must continue to receive it.
            let _ = kill_process_group(command, Signal::CONT);
        }
        // The terminal has sent these to the whole group.
        SignalReach::Family if matches!(number, SIGINT | SIGQUIT) => return,
        // It gets the signal even if no process is listed.
        SignalReach::Family if !outside.contains(&command) => outside.push(command),
        SignalReach::Family => {}
    }
    for id in outside {
        let _ = kill_process(id, signal);
    }
}

/// Makes it possible to wait for our children if our parent ignored SIGCHLD (waitpid(2)).
pub(crate) fn catch_sigchld() {
    // Any handler will do.
    let _ = signal_hook::flag::register(SIGCHLD, Arc::default());
}

/// Waits for a process to exit without reaping it, so that signals cannot reach another process
/// with its id.
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
        // Cannot happen on Unix; if it does, it must not count as success.
        (None, None) => Ended::Code(u8::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_a_tool_leaves_is_ended_and_a_slow_one_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let answered = |script: &str, time| {
            let call = ToolCall {
                program: OsStr::new("sh"),
                arguments: &["-c".to_owned(), script.to_owned()],
                directory: directory.path(),
                variables: &[],
                removed: &[],
            };
            let start = Instant::now();
            let answered = answered(&call, AnswerLimits { time, bytes: PRINTED }, || false);
            assert!(start.elapsed() < Duration::from_secs(30));
            answered
        };
        let script = "head -c 2000000 /dev/zero; sleep 60 &";
        let captured = answered(script, Duration::from_secs(20)).unwrap();
        assert_eq!(captured.ended, Ended::Code(0));
        assert!((PRINTED..PRINTED + 8192).contains(&(captured.out.len() as u64)));
        let slow = answered("sleep 60", Duration::from_millis(200)).unwrap_err();
        assert_eq!(slow.to_string(), "it did not exit in 0.2 seconds");
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Ended::Code(3).code(), 3);
        assert_eq!(Ended::Signal(15).code(), 143);
    }

    #[test]
    fn a_program_prints_in_time_or_is_killed() {
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

    fn answer_of(program: &str, script: &str, limits: AnswerLimits) -> Result<Printed, NoAnswer> {
        answer(Path::new(program), &["-c", script], limits)
    }

    /// Set for the process of the test below that gets the signal.
    const GETS_SIGNAL: &str = "BAKSTOP_TEST_GETS_SIGNAL";

    #[test]
    fn a_signal_during_an_answer_is_left_to_an_earlier_guard() {
        if crate::os::env::Environment::current().get(GETS_SIGNAL).is_none() {
            let name = "os::child::tests::a_signal_during_an_answer_is_left_to_an_earlier_guard";
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", name]).env(GETS_SIGNAL, "1").stdout(Stdio::null());
            assert!(command.status().unwrap().success());
            return;
        }
        let signals = crate::os::signals::NotedSignals::new().unwrap();
        let limits = AnswerLimits { time: Duration::from_secs(60), bytes: 9 };
        let script = format!("kill {}; sleep 60", std::process::id());
        assert_eq!(answer_of("/bin/sh", &script, limits).unwrap_err(), NoAnswer::NotInTime);
        assert_eq!(signals.noted(), Some(15));
    }

    #[test]
    fn a_program_answers_in_time_or_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("left");
        let answer = |script: &str, seconds: u64| {
            let left = left.to_str().unwrap();
            let arguments = ["-c", script, "sh", "one", left];
            let answer = printed(Path::new("/bin/sh"), &arguments, Duration::from_secs(seconds))?;
            let text = |bytes| String::from_utf8(bytes).unwrap();
            Some((answer.succeeded, text(answer.out), text(answer.errors)))
        };
        let some = |succeeded, out: &str, errors: &str| {
            Some((succeeded, out.to_owned(), errors.to_owned()))
        };
        assert_eq!(answer("echo \"$1\"; pwd; echo no >&2", 30), some(true, "one\n/\n", "no\n"));
        assert_eq!(answer("exit 3", 30), some(false, "", ""));
        for hanging in ["sleep 60 & echo $! >\"$2\"; exit", "sh -c 'echo $$ >\"$2\"; sleep 60'"] {
            assert_eq!(answer(hanging, 1), None, "{hanging}");
            let id = std::fs::read_to_string(&left).unwrap();
            let command_line = Path::new("/proc").join(id.trim()).join("cmdline");
            // A process that has exited, but is not reaped, has no command line.
            let is_running =
                || std::fs::read(&command_line).is_ok_and(|command_line| !command_line.is_empty());
            let deadline = Instant::now() + Duration::from_secs(20);
            while is_running() && Instant::now() < deadline {
                std::thread::sleep(PAUSE);
            }
            assert!(!is_running(), "{hanging}");
        }
        let limits = |bytes| AnswerLimits { time: Duration::from_secs(30), bytes };
        let silent = |program: &str, script: &str, bytes| {
            answer_of(program, script, limits(bytes)).unwrap_err()
        };
        assert_eq!(silent("/nowhere", "", 9), NoAnswer::NotStarted);
        assert_eq!(silent("/bin/sh", "echo 123456789", 9), NoAnswer::TooLong);
        // It does not wait for one who holds the stream.
        let start = Instant::now();
        assert_eq!(silent("/bin/sh", "sleep 60 & exit", 9), NoAnswer::NotInTime);
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
