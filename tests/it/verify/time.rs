//! Limits of the build time.

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::verify::report;

const RECORD: &str = "../runs.jsonl";

/// Writes a record of successful runs of these durations.
fn record(sandbox: &Sandbox, label: &str, seconds: &[f64]) {
    let line = |seconds: &f64| {
        json!({
            "label": label,
            "started": "2026-05-02T10:11:12Z",
            "seconds": seconds,
            "exit_code": 0,
            "tree": "unchanged",
            "commit": null,
        })
        .to_string()
    };
    let text: Vec<String> = seconds.iter().map(line).collect();
    fs::write(sandbox.outside().join("runs.jsonl"), text.join("\n")).unwrap();
}

fn lines(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.outside().join("runs.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_build_that_takes_longer_than_its_budget_fails() {
    let sandbox = Sandbox::workspace();
    let ran = sandbox.bakstop(&["verify", "--budget", "1h", "--", "true"]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", ""));
    let ran = sandbox.bakstop(&["verify", "--budget", "1ms", "--", "sleep", "0.05"]);
    assert_eq!((ran.code, &*ran.err), (Some(1), ""));
    assert!(
        ran.out.starts_with("bakstop: the command took 0.")
            && ran.out.ends_with("; the budget is 0.001 s\n"),
        "{ran:?}"
    );
    // It is reported with the changes, and does not replace the exit code of a failure.
    let ran = sandbox.bakstop(&[
        "verify",
        "--no-diff",
        "--budget",
        "1ms",
        "--",
        "sh",
        "-c",
        "echo 1 >a; sleep 0.05; exit 3",
    ]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.out.contains("untracked  a\n\nbakstop: the command changed 1 path; it ended"),
        "{ran:?}"
    );
    assert!(ran.out.contains("; the budget is "), "{ran:?}");
    let ran =
        sandbox.bakstop(&["verify", "--format", "json", "--budget", "1ms", "--", "sleep", "0.05"]);
    let report = report(&ran);
    assert_eq!(
        (&report["time"]["budget"], &report["time"]["exceeded"]),
        (&json!(0.001), &json!(["budget"]))
    );
    for budget in ["30", "soon", "0s", "-1s"] {
        let ran = sandbox.bakstop(&["verify", &format!("--budget={budget}"), "--", "true"]);
        assert!(ran.code == Some(2) && ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn each_run_is_a_line() {
    let sandbox = Sandbox::workspace();
    let run = |arguments: &[&str]| {
        sandbox.bakstop(&[&["verify", "--no-diff", "--record", RECORD], arguments].concat())
    };
    assert_eq!(run(&["--", "sh", "-c", "exit 0"]).code, Some(0));
    assert_eq!(
        run(&["--label", "web \u{1b}[1m", "--", "sh", "-c", "echo 1 >a; exit 4"]).code,
        Some(4)
    );
    assert_eq!(run(&["--label", "broken", "--", "sh", "-c", "echo >.git/index"]).code, Some(2));
    let lines = lines(&sandbox);
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    let about =
        |line: &Value| (line["label"].clone(), line["exit_code"].clone(), line["tree"].clone());
    assert_eq!(about(&lines[0]), ("sh -c 'exit 0'".into(), 0.into(), "unchanged".into()));
    assert_eq!(about(&lines[1]), ("web \u{1b}[1m".into(), 4.into(), "changed".into()));
    assert_eq!(about(&lines[2]), ("broken".into(), 0.into(), "unknown".into()));
    assert_eq!(lines[0]["commit"], head.trim());
    assert!(lines[0]["seconds"].as_f64().unwrap() < 60.0);
    assert!(lines[0]["started"].as_str().unwrap().starts_with("20"));
    // Escaped in the file, and escaped on the terminal.
    let ran = sandbox.bakstop(&["trend", RECORD]);
    assert!(
        ran.code == Some(0) && ran.out.contains("\"web \\u{001b}[1m\": 1 run, none succeeded\n"),
        "{ran:?}"
    );
    let ran = sandbox.bakstop(&["trend", RECORD, "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let schema = serde_json::from_str(include_str!("../../../docs/schema/runs.json")).unwrap();
    jsonschema::validate(&schema, &report).unwrap();
    assert_eq!(
        (report["runs"].as_array().unwrap().len(), &report["schema"]),
        (3, &"bakstop.runs/1".into())
    );
}

#[test]
fn builds_that_take_much_longer_than_usual_fail() {
    let sandbox = Sandbox::workspace();
    let run = |limit: &[&str], script: &str| {
        let record = ["--record", RECORD, "--label", "web", "--max-regression"];
        sandbox.bakstop(&[&["verify"], &record[..], limit, &["--", "sh", "-c", script]].concat())
    };
    let ran = run(&["20%"], "true");
    let expected = "bakstop: the time is not compared yet: \"web\" in ../runs.jsonl has 0 \
                    comparable runs, and a comparison needs 7\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", expected));

    // The third in a row fails.
    let usual = [0.01; 5];
    record(&sandbox, "web", &[&usual[..], &[900.0]].concat());
    let ran = run(&["20%"], "sleep 1.2");
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    record(&sandbox, "web", &[&usual[..], &[0.01, 900.0]].concat());
    let ran = run(&["20%"], "sleep 1.2");
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    assert!(ran.err.starts_with("bakstop: slower than usual: 1.2"), "{ran:?}");
    assert!(ran.err.ends_with("usually 0.010 s; it fails if the next run is as well\n"), "{ran:?}");
    let ran = run(&["20%"], "sleep 1.2");
    assert_eq!((ran.code, &*ran.err), (Some(1), ""));
    assert!(
        ran.out.contains(
            " % longer than the median of 6 runs (0.010 s); 20 % is allowed; it is the third slow \
             run in a row\n"
        ),
        "{ran:?}"
    );
    // The run itself is recorded in any case.
    assert_eq!(lines(&sandbox).len(), 9);
    record(&sandbox, "web", &usual);
    let ran = run(&["20%", "--in-a-row", "1"], "sleep 1.2");
    assert!(ran.code == Some(1) && ran.out.ends_with("20 % is allowed\n"), "{ran:?}");
    // A failed run is not compared, and a faster one is none.
    assert_eq!(run(&["20%", "--in-a-row", "1"], "sleep 1.2; exit 7").code, Some(7));
    record(&sandbox, "web", &[900.0; 9]);
    assert_eq!(run(&["0"], "true").code, Some(0));
    record(&sandbox, "other", &[0.0001; 9]);
    assert_eq!(run(&["0"], "true").code, Some(0));
    for number in ["0", "11", "many"] {
        assert_eq!(run(&["0", "--in-a-row", number], "true").code, Some(2));
    }
}

#[test]
fn an_unusable_record_is_an_error_before_the_build() {
    let sandbox = Sandbox::workspace();
    fs::write(sandbox.outside().join("runs.jsonl"), "{}\n").unwrap();
    for (file, words) in [
        (RECORD, "line 1 is not a recorded run"),
        ("nowhere/runs.jsonl", "No such file or directory"),
        ("web", "not a regular file"),
    ] {
        let ran = sandbox.bakstop(&["verify", "--record", file, "--", "touch", "built"]);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(words) && ran.err.contains("\nhelp: "), "{ran:?}");
        assert!(!sandbox.top.join("built").exists());
    }
    let ran = sandbox.bakstop(&["trend", "nothing"]);
    assert!(
        ran.code == Some(2) && ran.err.contains("the file does not exist\nhelp: create it"),
        "{ran:?}"
    );
    for arguments in [&["--budget", "1s"][..], &["--record", "x"]] {
        let ran = sandbox.bakstop(&[&["verify"], arguments].concat());
        assert!(ran.code == Some(2) && ran.err.contains("required"), "{ran:?}");
    }
    let ran = sandbox.bakstop(&["verify", "--label", "x", "--", "true"]);
    assert!(ran.code == Some(2) && ran.err.contains("--record <FILE>"), "{ran:?}");
}

#[test]
fn concurrent_runs_each_record_a_line() {
    let sandbox = Sandbox::workspace();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ran = sandbox
                    .bakstop(&["verify", "--record", RECORD, "--label", "same", "--", "true"]);
                assert_eq!(ran.code, Some(0), "{ran:?}");
            });
        }
    });
    assert_eq!(lines(&sandbox).len(), 8);
}

#[test]
fn a_record_that_cannot_be_written_does_not_hide_the_report() {
    let sandbox = Sandbox::workspace();
    let run = |code: u8| {
        let script = format!("echo 1 >a; rm -rf ../gone; exit {code}");
        fs::create_dir_all(sandbox.outside().join("gone")).unwrap();
        sandbox.bakstop(&[
            "verify",
            "--no-diff",
            "--record",
            "../gone/r",
            "--",
            "sh",
            "-c",
            &script,
        ])
    };
    for (code, ours) in [(0, 2), (7, 7)] {
        let _ = fs::remove_file(sandbox.top.join("a"));
        let ran = run(code);
        assert!(ran.code == Some(ours) && ran.out.contains("untracked  a\n"), "{ran:?}");
        assert!(ran.err.contains("could not write the record ../gone/r"), "{ran:?}");
    }
}

#[test]
fn the_runs_of_one_label() {
    let sandbox = Sandbox::workspace();
    record(&sandbox, "web", &[1.0, 2.0]);
    let ran = sandbox.bakstop(&["trend", RECORD, "--label", "web"]);
    assert!(
        ran.code == Some(0) && ran.out.starts_with("\"web\": 2 runs, median 1.50 s\n"),
        "{ran:?}"
    );
    let ran = sandbox.bakstop(&["trend", RECORD, "--label", "other"]);
    assert!(
        ran.code == Some(2) && ran.err.contains("\nhelp: the record has: \"web\"\n"),
        "{ran:?}"
    );
}
