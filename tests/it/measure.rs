//! `bakstop measure` leaves every file as it was, however it ends; what a kill leaves is reported,
//! and taken back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};
use crate::verify::builds::{Lab, TOUCHED, fact};

const SOURCE: &str = "web/src/server.ts";
const TEXT: &str = "export const port = 1;\nexport const end = 2;";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::workspace();
    add_source(&sandbox);
    sandbox
}

fn add_source(sandbox: &Sandbox) {
    sandbox.write(SOURCE, TEXT);
    sandbox.write("tools/run.sh", "#!/bin/sh\n");
    fs::set_permissions(sandbox.top.join(SOURCE), fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.commit_all("Source");
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::new(9, 7));
    fs::File::options().write(true).open(sandbox.top.join(SOURCE)).unwrap().set_times(old).unwrap();
}

/// Content, inode, mode and time.
fn state(path: &Path) -> (Vec<u8>, u64, u32, (i64, i64)) {
    let about = path.metadata().unwrap();
    (fs::read(path).unwrap(), about.ino(), about.mode(), (about.mtime(), about.mtime_nsec()))
}

fn measure(sandbox: &Sandbox, options: &[&str], script: &str) -> Ran {
    sandbox.bakstop(&[&["measure"], options, &["--", "sh", "-c", script]].concat())
}

/// The JSON report, checked against its schema.
fn report(ran: &Ran) -> Value {
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let schema = serde_json::from_str(include_str!("../../docs/schema/measure.json")).unwrap();
    jsonschema::validate(&schema, &report).unwrap_or_else(|error| panic!("{error}: {report}"));
    report
}

fn journal(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.top.join(".git/bakstop/journal")
}

fn assert_as_before(sandbox: &Sandbox, before: &(Vec<u8>, u64, u32, (i64, i64)), at: &str) {
    assert_eq!(&state(&sandbox.top.join(SOURCE)), before, "{at}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{at}");
    assert!(!journal(sandbox).exists(), "{at}");
}

#[test]
fn each_run_sees_another_comment_and_the_file_is_as_before() {
    let sandbox = sandbox();
    let before = state(&sandbox.top.join(SOURCE));
    let seen = sandbox.outside().join("seen");
    let script =
        format!("tail -n 1 {SOURCE} >>{0}; stat -c %i {SOURCE} >>{0}.inode", seen.display());
    let options = ["--touch", SOURCE, "--touch", "tools/run.sh", "--touch", SOURCE];
    let ran = measure(&sandbox, &options, &script);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains(&format!(", touched {SOURCE}, tools/run.sh\n  run 1 ")), "{ran:?}");
    assert!(ran.out.contains("\nbakstop: median "), "{ran:?}");
    let comments = fs::read_to_string(&seen).unwrap();
    let mut comments: Vec<&str> = comments.lines().collect();
    assert!(comments.iter().all(|line| line.starts_with("// bakstop measure ")), "{comments:?}");
    comments.dedup();
    assert_eq!(comments.len(), 3);
    let inodes = fs::read_to_string(seen.with_extension("inode")).unwrap();
    assert!(inodes.lines().all(|inode| inode == before.1.to_string()), "in place: {inodes}");
    assert_as_before(&sandbox, &before, "success");

    let ran = measure(&sandbox, &["--touch", SOURCE, "--format", "json"], "echo built; exit 9");
    assert_eq!((ran.code, report(&ran)["runs"].as_array().unwrap().len()), (Some(9), 1));
    assert_eq!(report(&ran)["failures"][0]["kind"], "command");
    assert!(ran.err.contains("built\n"), "{ran:?}");
    assert_as_before(&sandbox, &before, "failure");
    let ran = sandbox.bakstop(&["measure", "--touch", SOURCE, "--", "no-such-program"]);
    assert_eq!((ran.code, &*ran.out), (Some(127), ""));
    assert_as_before(&sandbox, &before, "not started");
    let ran = measure(&sandbox, &["--touch", SOURCE], "echo x >new");
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("the command changed 1 path; to see what: bakstop verify"), "{ran:?}");
    assert!(!ran.out.contains("run 2"), "{ran:?}");
}

#[test]
fn a_signal_ends_the_build_and_puts_the_file_back() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let sandbox = sandbox();
        let before = state(&sandbox.top.join(SOURCE));
        let started = sandbox.outside().join("started");
        let script = format!("touch {}; exec sleep 60", started.display());
        let mut command = sandbox.command(BAKSTOP);
        command.args(["measure", "--touch", SOURCE, "--", "sh", "-c", &script]);
        let start = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !started.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "the build does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_ne!(state(&sandbox.top.join(SOURCE)), before);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait_with_output().unwrap().status;
        assert_eq!(ended.code(), Some(code), "{signal:?}: {ended:?}");
        assert!(start.elapsed() < Duration::from_secs(50), "{signal:?}");
        assert_as_before(&sandbox, &before, &format!("{signal:?}"));
    }
}

#[test]
fn what_git_could_not_give_back_is_not_touched() {
    let sandbox = sandbox();
    symlink("src/server.ts", sandbox.top.join("web/link.ts")).unwrap();
    sandbox.write(".gitignore", "ignored.ts\n");
    sandbox.write("hidden.ts", "1\n");
    sandbox.write("dirty.ts", "1\n");
    sandbox.commit_all("More");
    sandbox.git(&["update-index", "--assume-unchanged", "hidden.ts"]);
    for path in ["ignored.ts", "new.ts", "dirty.ts", "hidden.ts", "../outside.ts"] {
        sandbox.write(path, "2\n");
    }
    fs::create_dir(sandbox.top.join("directory.ts")).unwrap();
    for (path, cause) in [
        ("package.json", "files of this kind have no known comment"),
        ("web/link.ts", "it is a symbolic link, not a regular file"),
        ("ignored.ts", "git does not track it"),
        ("new.ts", "it is not as it is committed"),
        ("dirty.ts", "it is not as it is committed"),
        ("hidden.ts", "it is not as it is committed"),
        ("directory.ts", "git does not track it"),
        ("missing.ts", "git does not track it"),
        ("../outside.ts", "it is outside of the work tree"),
    ] {
        let ran = measure(&sandbox, &["--touch", SOURCE, "--touch", path], "echo ran");
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{path}: {ran:?}");
        assert!(ran.err.contains(&format!("error: could not touch {path}: {cause}")), "{ran:?}");
        assert!(ran.err.contains("\nhelp: "), "{ran:?}");
        assert_eq!(fs::read_to_string(sandbox.top.join(SOURCE)).unwrap(), TEXT, "{path}");
    }
    sandbox.write(".git/index.lock", "");
    let ran = measure(&sandbox, &["--touch", SOURCE], "echo ran");
    assert!(ran.code == Some(2) && ran.err.contains("has not ended: index.lock"), "{ran:?}");
}

/// Leaves the comment of a killed run in the file.
fn kill(sandbox: &Sandbox) {
    let ran = measure(sandbox, &["--touch", SOURCE], "kill -9 $PPID");
    assert_eq!(ran.code, None, "{ran:?}");
    assert!(fs::read_to_string(sandbox.top.join(SOURCE)).unwrap().contains("// bakstop measure "));
}

#[test]
fn every_verb_says_that_a_killed_run_left_its_comment() {
    let sandbox = sandbox();
    let before = state(&sandbox.top.join(SOURCE));
    kill(&sandbox);
    let line = format!(
        "bakstop: {SOURCE} has a comment of `bakstop measure`, which was killed; to take it out: \
         bakstop restore"
    );
    for verb in [
        &["check"][..],
        &["verify"],
        &["verify", "--", "true"],
        &["pins"],
        &["status"],
        &["doctor"],
        &["prove"],
        &["install", "--dry-run"],
        &["uninstall", "--dry-run"],
        &["restore", "--dry-run"],
        &["restore", "--staged"],
        &["check", "--config", "missing"],
        &["hook", "pre-commit"],
    ] {
        let ran = sandbox.bakstop(verb);
        assert_eq!(ran.err.lines().next(), Some(&*line), "{verb:?}: {ran:?}");
    }
    let below = sandbox.run("sh", &["-c", &format!("cd web && exec {BAKSTOP} check")]);
    assert!(below.err.starts_with(&line), "{below:?}");
    for verb in [&["rules"][..], &["man"], &["completions", "bash"]] {
        assert_eq!(sandbox.bakstop(verb).err, "", "{verb:?}");
    }
    // Each work tree has its own journal.
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    let linked = |words: &[&str]| {
        let words = [&["-C", "../linked"], words].concat();
        sandbox.bakstop(&words)
    };
    assert_eq!(linked(&["check"]).err, "bakstop: nothing new is staged\n");
    let script = ["measure", "--touch", SOURCE, "--", "sh", "-c", "kill -9 $PPID"];
    assert_eq!(linked(&script).code, None);
    assert!(linked(&["pins"]).err.starts_with(&line));
    let ran = linked(&["restore"]);
    assert!(ran.code == Some(0) && ran.out.contains(&format!("restored {SOURCE}\n")), "{ran:?}");
    assert_eq!(linked(&["pins"]).err, "");

    let ran = sandbox.bakstop(&["restore"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    assert_eq!(ran.out, format!("restored {SOURCE}\nbakstop: 1 file restored\n"));
    assert_as_before(&sandbox, &before, "restored");
    assert_eq!(sandbox.bakstop(&["pins"]).err, "");
}

#[test]
fn a_restore_keeps_later_edits() {
    let later = |edit: &dyn Fn(&str) -> Option<String>| {
        let sandbox = sandbox();
        kill(&sandbox);
        let path = sandbox.top.join(SOURCE);
        match edit(&fs::read_to_string(&path).unwrap()) {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let ran = sandbox.bakstop(&["restore"]);
        // It is said once.
        assert_eq!(sandbox.bakstop(&["restore"]).out, "bakstop: nothing to restore\n");
        (ran, fs::read_to_string(&path).ok())
    };
    let (ran, text) = later(&|text| Some(text.replace("port = 1", "port = 8080")));
    assert_eq!((ran.code, text), (Some(0), Some(TEXT.replace("port = 1", "port = 8080"))));
    let (ran, text) = later(&|text| Some(format!("{text}export const more = 3;\n")));
    assert_eq!((ran.code, text), (Some(0), Some(format!("{TEXT}\nexport const more = 3;\n"))));
    let (ran, text) = later(&|_| Some(TEXT.to_owned()));
    assert_eq!((ran.code, text), (Some(0), Some(TEXT.to_owned())));
    let changed = |text: &str| Some(text.replace("// bakstop", "//  bakstop"));
    for edit in [&changed as &dyn Fn(&str) -> Option<String>, &|_| None] {
        let (ran, text) = later(edit);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.contains(&format!("left {SOURCE}: it was changed since")), "{ran:?}");
        assert!(text.is_none_or(|text| text.contains("//  bakstop measure")));
    }
}

#[test]
fn the_next_measurement_takes_the_comment_out_first() {
    let sandbox = sandbox();
    let before = state(&sandbox.top.join(SOURCE));
    kill(&sandbox);
    let ran = measure(&sandbox, &["--runs", "1"], &format!("cat {SOURCE}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with(TEXT), "{ran:?}");
    let line = format!("bakstop: took the comment of a killed run out of {SOURCE}\n");
    assert!(ran.err.contains(&line), "{ran:?}");
    assert_as_before(&sandbox, &before, "measured");
    // A damaged journal is not obeyed.
    kill(&sandbox);
    let text = fs::read(journal(&sandbox)).unwrap();
    fs::write(journal(&sandbox), &text[1..]).unwrap();
    for words in [&["restore"][..], &["measure", "--", "true"]] {
        let ran = sandbox.bakstop(words);
        assert!(ran.code == Some(2) && ran.err.contains("it is damaged"), "{ran:?}");
    }
    assert!(sandbox.bakstop(&["pins"]).err.starts_with("bakstop: a file has a comment of"));
    fs::write(journal(&sandbox), &text).unwrap();
    assert_eq!(sandbox.bakstop(&["restore"]).code, Some(0));
    assert_as_before(&sandbox, &before, "restored");
    // What the build changes in the file stays.
    let script = format!("sed -i s/const/let/ {SOURCE}");
    let ran = measure(&sandbox, &["--touch", SOURCE], &script);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(fs::read_to_string(sandbox.top.join(SOURCE)).unwrap(), TEXT.replace("const", "let"));
    sandbox.git(&["restore", "."]);
    let ran = measure(&sandbox, &["--touch", SOURCE], &format!(": >{SOURCE}"));
    assert!(ran.code == Some(1) && ran.out.contains("it was changed since"), "{ran:?}");
    assert_eq!(fs::read_to_string(sandbox.top.join(SOURCE)).unwrap(), "");
}

#[test]
fn while_it_runs_no_other_run_takes_the_comment_out() {
    let sandbox = sandbox();
    let script = format!("{BAKSTOP} pins; {BAKSTOP} restore; tail -n 1 {SOURCE}");
    let ran = measure(&sandbox, &["--touch", SOURCE, "--runs", "1"], &script);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line = format!("bakstop: {SOURCE} has a comment of `bakstop measure`, which is running\n");
    assert!(ran.err.starts_with(&line), "{ran:?}");
    assert!(ran.err.contains("`bakstop measure` is running in this work tree"), "{ran:?}");
    assert!(ran.out.contains("// bakstop measure "), "{ran:?}");
}

#[test]
fn a_known_command_becomes_cold() {
    let lab = Lab::with(&[]);
    lab.docker("case $1 in buildx) exit 1 ;; esac; echo \"$*\"");
    let cold = "--no-cache --build-arg BUILDKIT_CACHE_MOUNT_NS=bakstop-cold";
    let ran = lab.call("measure", &["--cold", "--runs", "1"], &["docker", "build", "-t", "x", "."]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = format!("build {cold} -t x .\n\"docker build -t x .\", cold\n  run 1 ");
    assert!(ran.out.starts_with(&expected), "{ran:?}");
    let words = ["docker", "compose", "-f", "a.yaml", "build", "web"];
    let ran = lab.call("measure", &["--cold", "--runs", "1", "--format", "json"], &words);
    assert!(ran.err.starts_with(&format!("compose -f a.yaml build {cold} web\n")), "{ran:?}");
    assert_eq!(report(&ran)["protocol"]["cold"], true);
    for words in [&["make", "image"][..], &["docker", "compose", "up", "--build"], &["docker"]] {
        let ran = lab.call("measure", &["--cold"], words);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("help: pass the cold command itself"), "{ran:?}");
    }
    for words in [&["measure", "--cold", "--touch", "a.ts", "--", "true"][..], &["measure"]] {
        assert_eq!(lab.sandbox.bakstop(words).code, Some(2), "{words:?}");
    }
}

#[test]
fn an_edit_that_no_step_sees_fails() {
    let noop = fact("02-compose-warm-noop backend");
    let lab = Lab::with(&[("a1", &noop), ("b1", &fact(TOUCHED)), ("b2", &fact(TOUCHED))]);
    add_source(&lab.sandbox);
    let before = state(&lab.sandbox.top.join(SOURCE));
    let touch = |options: &[&str], id: &str| {
        let options = [&["--touch", SOURCE, "--runs", "1", "--record", "../runs.jsonl"], options];
        lab.call("measure", &options.concat(), &["sh", "-c", &lab.own(id)])
    };
    let ran = touch(&[], "a1");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("\nbakstop: no RUN step ran after the edit: "), "{ran:?}");
    let ran = touch(&["--min-cached", "60%"], "b1");
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
    assert!(ran.out.contains("  RUN 3/5 cached\n"), "{ran:?}");
    let line = lab.last();
    assert_eq!(line["protocol"]["touched"][0], SOURCE, "{line}");
    assert_eq!((&line["tree"], &line["builds"][0]["run_cached"]), (&"unchanged".into(), &3.into()));
    let ran = touch(&["--min-cached", "4/5"], "b2");
    assert!(ran.code == Some(1) && ran.out.contains("at least 4/5 must be"), "{ran:?}");
    assert_as_before(&lab.sandbox, &before, "recorded");
    let trend = lab.sandbox.bakstop(&["trend", "../runs.jsonl", "--format", "json"]);
    let schema = serde_json::from_str(include_str!("../../docs/schema/runs.json")).unwrap();
    jsonschema::validate(&schema, &serde_json::from_str(&trend.out).unwrap()).unwrap();
}

/// Changes the recorded lines, as if they were of earlier builds.
fn rewritten(lab: &Lab, count: usize, change: impl Fn(&mut Value)) {
    let mut line = lab.last();
    change(&mut line);
    let file = lab.sandbox.outside().join("runs.jsonl");
    fs::write(file, format!("{line}\n").repeat(count)).unwrap();
}

#[test]
fn runs_are_compared_within_their_protocol() {
    let ids: Vec<String> = (0..9).map(|number| format!("a{number}")).collect();
    let touched = fact(TOUCHED);
    let builds: Vec<(&str, &Value)> = ids.iter().map(|id| (&**id, &touched)).collect();
    let lab = Lab::with(&builds);
    add_source(&lab.sandbox);
    let options = ["--touch", SOURCE, "--record", "../runs.jsonl", "--label", "x"];
    let mut unused = ids.iter();
    let mut touch = |more: &[&str]| {
        let script = lab.own(unused.next().unwrap());
        lab.call(
            "measure",
            &[&options[..], &["--runs", "1"], more].concat(),
            &["sh", "-c", &script],
        )
    };
    let gate = ["--max-regression", "10%", "--in-a-row", "1"];
    assert_eq!(touch(&[]).code, Some(0));
    // Those without a protocol are of another kind.
    rewritten(&lab, 9, |line| line["protocol"] = Value::Null);
    let ran = touch(&gate);
    assert!(ran.code == Some(0) && ran.err.contains("has 0 comparable runs"), "{ran:?}");
    // A step that was cached before is a failure, whatever the time.
    rewritten(&lab, 9, |line| {
        line["seconds"] = 100.into();
        line["builds"][0]["run_cached"] = 5.into();
        line["builds"][0]["cached"] = 18.into();
        for step in line["builds"][0]["run_steps"].as_array_mut().unwrap() {
            step["cached"] = true.into();
        }
    });
    let ran = touch(&gate);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lost = "backend: [builder 4/4] RUN pnpm run build ran in this run; in the 9 runs before, \
                it was cached\n";
    assert!(ran.out.contains(lost), "{ran:?}");
    rewritten(&lab, 9, |line| line["seconds"] = 0.01.into());
    let ran = touch(&["--budget", "1ms"]);
    assert!(ran.code == Some(1) && ran.out.contains("; the budget is 0.001 s\n"), "{ran:?}");
    // A slow build.
    let script = format!("{}sleep 1.3", lab.own(&ids[8]));
    let options = [&options[..], &["--runs", "1"], &gate].concat();
    let ran = lab.call("measure", &options, &["sh", "-c", &script]);
    assert!(ran.code == Some(1) && ran.out.contains("longer than the median of"), "{ran:?}");
}

#[test]
fn a_record_that_cannot_be_written_is_an_error() {
    let sandbox = sandbox();
    let ran = measure(&sandbox, &["--record", "/nonexistent/runs"], "echo ran");
    assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
    let mut command = sandbox.command(BAKSTOP);
    command.args(["measure", "--record", "/dev/full", "--", "true"]);
    assert_eq!(finish(&mut command).code, Some(2));
}
