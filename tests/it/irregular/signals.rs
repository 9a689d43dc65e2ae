//! Signals at any moment of a run.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{hooked, meddling_git};
use crate::hooks::{must, script};
use crate::support::{BAKSTOP, Sandbox, finish};

/// Starts `prove` in an environment, with its own temporary directory.
fn proving(sandbox: &Sandbox, line: &str) -> Child {
    started(sandbox, line, &["prove"])
}

fn started(sandbox: &Sandbox, line: &str, arguments: &[&str]) -> Child {
    let temporary = sandbox.outside().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = sandbox.command("timeout");
    command
        .args(["-k", "1", "20", "sh", "-c", line, "sh", BAKSTOP])
        .args(arguments)
        .env("TMPDIR", &temporary);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a file with the id of the process to end, and returns that id.
fn wait_for(path: &Path) -> String {
    let start = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_interrupts_a_proof_at_any_time() {
    let blocked = "while [ -e ../running ]; do sleep 0.05; done";
    // While git runs, and our program does not watch for signals.
    for command in
        ["read-tree", "for-each-ref", "ls-files", "hash-object", "update-index", "version"]
    {
        for signal in ["TERM", "INT", "HUP"] {
            let sandbox = hooked();
            let act = format!("if [ ! -e ../started ]; then echo $PPID >../started; {blocked}; fi");
            let line = meddling_git(&sandbox, command, &act);
            fs::write(sandbox.outside().join("running"), "").unwrap();
            let child = proving(&sandbox, &line);
            let pid = wait_for(&sandbox.outside().join("started"));
            let start = Instant::now();
            must(finish(Command::new("kill").args(["-s", signal, &pid])));
            let code = ended(child).0;
            println!(
                "| SIG{signal} during git {command} | `prove` | {code:?} | {:?} |",
                start.elapsed()
            );
            fs::remove_file(sandbox.outside().join("running")).unwrap();
            assert!(start.elapsed() < Duration::from_secs(10));
            assert!(
                ![Some(0), Some(1), Some(2), Some(124)].contains(&code),
                "{command} {signal}: {code:?}"
            );
            assert_eq!(temporary_files(&sandbox), 0, "{command} {signal}");
        }
    }
}

#[test]
fn a_signal_during_verify_leaves_no_temporary_files() {
    // Before and after a build, and while git checks files with hidden changes.
    for (command, arguments, hide, runs) in [
        ("update-index", &["verify"][..], "", "true"),
        ("diff-files", &["verify", "--", "touch", "../built"], "", "[ -e ../built ]"),
        ("update-index", &["verify"], "--assume-unchanged", "true"),
    ] {
        for signal in ["TERM", "INT", "HUP"] {
            let sandbox = Sandbox::workspace();
            if !hide.is_empty() {
                sandbox.git(&["update-index", hide, "web/index.js"]);
            }
            sandbox.write("web/index.js", "changed");
            let blocked = "while [ -e ../running ]; do sleep 0.05; done";
            let act = format!(
                "if {runs} && [ ! -e ../started ]; then echo $PPID >../started; {blocked}; fi"
            );
            let line = meddling_git(&sandbox, command, &act);
            fs::write(sandbox.outside().join("running"), "").unwrap();
            let child = started(&sandbox, &line, arguments);
            let pid = wait_for(&sandbox.outside().join("started"));
            assert_eq!(temporary_files(&sandbox), 1, "{arguments:?}");
            must(finish(Command::new("kill").args(["-s", signal, &pid])));
            let code = ended(child).0;
            fs::remove_file(sandbox.outside().join("running")).unwrap();
            assert!(
                ![Some(0), Some(1), Some(2), Some(124)].contains(&code),
                "{arguments:?} {signal}: {code:?}"
            );
            assert_eq!(temporary_files(&sandbox), 0, "{arguments:?} {signal}");
        }
    }
}

#[test]
fn a_signal_interrupts_a_proof_even_if_the_hook_ignores_it() {
    for act in
        ["trap '' TERM INT", "exec >&- 2>&-", "trap '' TERM; exec >&- 2>&-", "cat /dev/zero & :"]
    {
        let sandbox = Sandbox::workspace();
        let blocked =
            "i=0; while [ $i -lt 400 ] && [ -e running ]; do sleep 0.05; i=$((i+1)); done";
        script(
            &sandbox,
            ".git/hooks/pre-commit",
            &format!("#!/bin/sh\n{act}\necho \"$PROVING\" >../started\n{blocked}\n"),
        );
        sandbox.write("running", "");
        let child = proving(&sandbox, "PROVING=$$; export PROVING; exec \"$@\"");
        let pid = wait_for(&sandbox.outside().join("started"));
        let start = Instant::now();
        must(finish(Command::new("kill").arg(&pid)));
        let (code, errors) = ended(child);
        println!("| SIGTERM, hook: {act} | `prove` | {code:?} | {:?} |", start.elapsed());
        fs::remove_file(sandbox.top.join("running")).unwrap();
        assert!(
            code == Some(2) && errors.contains("it was interrupted"),
            "{act}: {code:?} {errors}"
        );
        assert!(start.elapsed() < Duration::from_secs(10), "{act}");
        assert_eq!(temporary_files(&sandbox), 0, "{act}");
    }
}

/// The number of files in the temporary directory of a program that `started` started.
fn temporary_files(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.outside().join("tmp")).unwrap().count()
}

/// The exit code and the start of standard error.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut errors = String::new();
    // Background processes of the hook may keep the stream open; `timeout` and the program do not.
    let status = child.wait().unwrap();
    let mut stream = child.stderr.take().unwrap();
    let mut buffer = [0; 4096];
    if let Ok(length) = stream.read(&mut buffer) {
        errors.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    (status.code(), errors)
}
