//! The build that `verify` runs: its streams, its end, and its signals.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::{BAKSTOP, Ran, Sandbox, finish, finish_with_input};
use crate::verify::{around, code_and_output, report};

#[test]
fn a_failing_command_sets_the_exit_code_and_the_tree_is_reported() {
    let sandbox = Sandbox::workspace();
    let ran = around(&sandbox, "echo building; echo 1 > web/index.js; exit 3");
    let expected = "building\nmodified  web/index.js\n\n\
                    bakstop: the command changed 1 path; it ended with exit code 3\n";
    assert_eq!(code_and_output(&ran), (Some(3), expected, ""));
    let ran = around(&sandbox, "exit 3");
    assert_eq!(
        code_and_output(&ran),
        (Some(3), "", "bakstop: the command ended with exit code 3; the work tree is as it was\n")
    );
    let ran = around(&sandbox, "kill -KILL $$");
    assert_eq!((ran.code, &*ran.out), (Some(137), ""));
}

#[test]
fn a_command_that_cannot_be_started_gives_the_exit_codes_of_a_shell() {
    let sandbox = Sandbox::workspace();
    for (program, code, words) in [
        ("./nowhere", 127, "error: could not start ./nowhere: No such file or directory"),
        (
            "no-such-program",
            127,
            "error: could not start no-such-program: No such file or directory",
        ),
        ("./web/index.js", 126, "error: could not start ./web/index.js: Permission denied"),
        ("./web", 126, "error: could not start ./web: Permission denied"),
    ] {
        let ran = sandbox.bakstop(&["verify", "--", program]);
        assert_eq!((ran.code, &*ran.out), (Some(code), ""), "{program}");
        assert!(ran.err.starts_with(words), "{ran:?}");
    }
}

#[test]
fn the_command_gets_our_directory_and_streams_and_its_own_arguments() {
    let sandbox = Sandbox::workspace();
    let mut command = sandbox.command(BAKSTOP);
    command.args([
        "-C",
        "web",
        "verify",
        "--",
        "sh",
        "-c",
        "pwd; cat; printf '%s|' \"$@\"",
        "sh",
        "a b",
        "--format",
    ]);
    let ran = finish_with_input(&mut command, b"input\n");
    let top = sandbox.top.canonicalize().unwrap();
    assert_eq!(ran.out, format!("{}/web\ninput\na b|--format|", top.display()));
    assert_eq!(ran.code, Some(0));
}

#[test]
fn json_is_alone_on_standard_output() {
    let sandbox = Sandbox::workspace();
    let ran =
        sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", "echo building; exit 4"]);
    assert_eq!((ran.code, ran.err.lines().next().unwrap()), (Some(4), "building"));
    let report = report(&ran);
    assert_eq!(report["command"]["exit_code"], 4);
    assert_eq!(report["summary"]["clean"], true);
}

/// How long a test waits before it fails. A slow machine needs seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// The result of a function that waits for a process. At the deadline the process is killed with
/// its group, and the test fails.
fn before_deadline<T: Send + 'static>(
    process: Pid,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(wait()));
    receiver.recv_timeout(DEADLINE).unwrap_or_else(|error| {
        let _ = kill_process_group(process, Signal::KILL);
        panic!("after at most {DEADLINE:?}: {error}")
    })
}

/// A run of `verify` whose command waits, without a clock, until the test releases it.
struct Waiting {
    bakstop: Child,
    release: PathBuf,
}

impl Waiting {
    /// Returns once the command runs: it changes the tree, reports that in the pipe `up` and waits
    /// for a line in the pipe `release`.
    fn start(sandbox: &Sandbox, wrap: &str, script: &str) -> Self {
        let [up, release] = ["up", "release"].map(|name| sandbox.outside().join(name));
        assert_eq!(finish(Command::new("mkfifo").args([&up, &release])).code, Some(0));
        let script = format!("echo 1 > web/index.js; {script}");
        // Without a terminal, as in CI. The signals get their default actions: under nohup, or in
        // the background of a shell, the tests inherit ignored ones. `setsid` makes a group.
        let bakstop = sandbox
            .command("env")
            .args(["--default-signal=HUP,INT,QUIT,TERM", "setsid", "sh", "-c"])
            .args([&format!("{wrap} exec \"$0\" \"$@\""), BAKSTOP, "verify", "--no-diff"])
            .args(["--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Pid::from_child(&bakstop);
        assert_eq!(before_deadline(process, || fs::read_to_string(up).unwrap()), "up\n");
        Self { bakstop, release }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.bakstop), signal).unwrap();
    }

    fn release(&self) {
        fs::write(&self.release, "go\n").unwrap();
    }

    fn end(self) -> Ran {
        let process = Pid::from_child(&self.bakstop);
        before_deadline(process, || self.bakstop.wait_with_output().unwrap().into())
    }
}

// The pipe is opened for both reading and writing: then `read` waits, which a trap interrupts, and
// not the opening.
const WAITS: &str = "exec 8<>../release; echo up > ../up; read word <&8; exit 0";

/// The run of a command that a signal ended.
fn ended_by(number: i32) -> Ran {
    let out = format!(
        "modified  web/index.js\n\n\
         bakstop: the command changed 1 path; it was ended by signal {number}\n"
    );
    Ran { code: Some(128 + number), out, err: String::new() }
}

#[test]
fn termination_signals_are_forwarded_and_the_report_is_printed() {
    for (signal, number) in
        [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2), (Signal::QUIT, 3)]
    {
        let sandbox = Sandbox::workspace();
        let waiting = Waiting::start(&sandbox, "ulimit -c 0;", WAITS);
        waiting.send(signal);
        assert_eq!(waiting.end(), ended_by(number));
    }
}

#[test]
fn signals_reach_the_children_of_the_command() {
    let sandbox = Sandbox::workspace();
    // The child keeps the pipe open while it lives; the shell waits for it.
    let script = "sh -c 'echo up > ../up; exec sleep 300' 9>../alive & wait";
    assert_eq!(finish(Command::new("mkfifo").arg(sandbox.outside().join("alive"))).code, Some(0));
    let alive = sandbox.outside().join("alive");
    let reader = std::thread::spawn(move || fs::read(alive).unwrap());
    let waiting = Waiting::start(&sandbox, "", script);
    waiting.send(Signal::TERM);
    assert_eq!(waiting.end(), ended_by(15));
    assert_eq!(reader.join().unwrap(), b"", "the pipe has been closed by the end of the child");
}

#[test]
fn a_command_may_undo_its_work_after_a_signal() {
    let sandbox = Sandbox::workspace();
    let script = format!("trap 'git restore web; exit 143' TERM; {WAITS}");
    let waiting = Waiting::start(&sandbox, "", &script);
    waiting.send(Signal::TERM);
    let err = "bakstop: the command ended with exit code 143; the work tree is as it was\n";
    assert_eq!(code_and_output(&waiting.end()), (Some(143), "", err));
}

#[test]
fn ignored_signals_stay_ignored() {
    let sandbox = Sandbox::workspace();
    let waiting = Waiting::start(&sandbox, "trap '' HUP TERM;", WAITS);
    waiting.send(Signal::HUP);
    waiting.send(Signal::TERM);
    waiting.release();
    assert_eq!(waiting.end().code, Some(1));
}

#[test]
fn a_process_that_outlives_the_command_is_reported_and_not_awaited() {
    let sandbox = Sandbox::workspace();
    let ran = around(&sandbox, "sleep 300 >/dev/null 2>&1 & echo $! >../left");
    let err = "bakstop: the command left 1 process running (sleep): \
               later changes by them are not reported\n";
    assert_eq!(code_and_output(&ran), (Some(0), "", err));
    let ran = sandbox.bakstop(&[
        "verify",
        "--format",
        "json",
        "--",
        "sh",
        "-c",
        "sleep 300 >/dev/null 2>&1 & echo $! >>../left",
    ]);
    let report = report(&ran);
    assert_eq!(report["command"]["left_running"], serde_json::json!(["sleep"]));
    for id in fs::read_to_string(sandbox.outside().join("left")).unwrap().lines() {
        kill_process(Pid::from_raw(id.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    }
}

#[test]
fn no_zombie_remains_while_the_command_runs() {
    let sandbox = Sandbox::workspace();
    // Bakstop adopts an orphan and must reap it. That takes a while on a busy machine: ten seconds
    // are enough.
    let script = "(sh -c 'echo $$ >../orphan; exec sleep 0.1' &)
        for i in $(seq 200); do
            id=$(cat ../orphan 2>/dev/null)
            if [ -n \"$id\" ] && [ ! -e \"/proc/$id\" ]; then break; fi
            sleep 0.05
        done
        cat /proc/[0-9]*/stat 2>/dev/null | grep \") Z $PPID \" >../zombies
        exit 0";
    let ran = around(&sandbox, script);
    assert_eq!(code_and_output(&ran), (Some(0), "", ""));
    assert_eq!(fs::read_to_string(sandbox.outside().join("zombies")).unwrap(), "");
}

#[test]
fn ten_thousand_lines_pass_through_unchanged() {
    let sandbox = Sandbox::workspace();
    let script = "i=0
        while [ $i -lt 10000 ]; do echo \"out $i\"; echo \"err $i\" >&2; i=$((i + 1)); done
        echo 1 >new";
    let ran = around(&sandbox, script);
    let lines = |word: &str| -> String { (0..10000).map(|i| format!("{word} {i}\n")).collect() };
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out == lines("out") + "untracked  new\n\nbakstop: the command changed 1 path\n",
        "{}",
        ran.out.len()
    );
    assert!(ran.err == lines("err"), "{}", ran.err.len());
}

#[test]
fn a_terminal_stays_a_terminal() {
    let sandbox = Sandbox::workspace();
    let up = sandbox.outside().join("up");
    assert_eq!(finish(Command::new("mkfifo").arg(&up)).code, Some(0));
    // script(1) provides a terminal; typed text reaches the command, and so does Ctrl-C.
    let run = |inner: &str, typed: &[u8]| {
        let line = format!("{BAKSTOP} verify --no-diff -- sh -c '{inner}'; echo code $?");
        let mut child = sandbox
            .command("timeout")
            .env("NO_COLOR", "1")
            .args(["60", "script", "-q", "-e", "-c", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (process, pipe) = (Pid::from_child(&child), up.clone());
        assert_eq!(before_deadline(process, || fs::read_to_string(pipe).unwrap()), "up\n");
        let mut keyboard = child.stdin.take().unwrap();
        keyboard.write_all(typed).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(keyboard);
        String::from_utf8(output.stdout).unwrap()
    };
    let out = run(
        "test -t 0 && test -t 1 && test -t 2 && echo up >../up && \
         read word && echo got $word >>web/index.js",
        b"hello\n",
    );
    assert!(out.contains("modified  web/index.js") && out.ends_with("code 1\r\n"), "{out}");
    assert!(fs::read_to_string(sandbox.top.join("web/index.js")).unwrap().ends_with("got hello\n"));
    let out = run("trap \"exit 7\" INT; echo up >../up; read word", b"\x03");
    assert!(out.contains("bakstop: the command ended with exit code 7;"), "{out}");
}

#[test]
fn signals_reach_a_child_in_another_process_group() {
    let sandbox = Sandbox::workspace();
    let waiting = Waiting::start(
        &sandbox,
        "",
        "setsid sh -c 'echo $$ >../inner; echo up >../up; exec sleep 300'; exit 0",
    );
    waiting.send(Signal::TERM);
    assert_eq!(waiting.end(), ended_by(15));
}

#[test]
fn children_inherited_from_a_shell_are_not_counted() {
    let sandbox = Sandbox::workspace();
    let line =
        format!("sleep 300 >/dev/null 2>&1 & echo $! >../left; exec {BAKSTOP} verify -- true");
    let ran = sandbox.run("sh", &["-c", &line]);
    assert_eq!(code_and_output(&ran), (Some(0), "", ""));
    let id = fs::read_to_string(sandbox.outside().join("left")).unwrap();
    kill_process(Pid::from_raw(id.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn exit_codes_are_known_if_sigchld_is_ignored() {
    let sandbox = Sandbox::workspace();
    let ran = sandbox
        .run("env", &["--ignore-signal=CHLD", BAKSTOP, "verify", "--", "sh", "-c", "exit 3"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
}
