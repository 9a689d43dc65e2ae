//! `bakstop check` of the index: it judges exactly what git would commit.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::{
    BAKSTOP, Ran, Sandbox, finish, finish_with, finish_with_input, rewritten_spec,
};

mod paths;
mod repositories;

/// The paths of the findings in the JSON report.
fn found(sandbox: &Sandbox) -> Vec<String> {
    paths(&sandbox.bakstop(&["check", "--format", "json"]))
}

fn paths(ran: &Ran) -> Vec<String> {
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(ran.code, Some(i32::from(!findings.is_empty())), "{ran:?}");
    findings.iter().map(|finding| finding["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_clean_change_is_quiet() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "export const x = 1;\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(
        sandbox.bakstop(&["check"]),
        Ran { code: Some(0), out: String::new(), err: String::new() }
    );
}

#[test]
fn nothing_staged_is_reported_as_such() {
    let ran = Sandbox::workspace().bakstop(&["check"]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", "bakstop: nothing new is staged\n"));
}

#[test]
fn the_index_is_judged_not_the_work_tree() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    assert_eq!(found(&sandbox), [""; 0], "rewritten on disk, not staged");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["restore", "--source", "HEAD", "--worktree", "web/package.json"]);
    assert_eq!(found(&sandbox), ["web/package.json"], "staged, restored on disk");
    fs::remove_file(sandbox.top.join("web/package.json")).unwrap();
    assert_eq!(found(&sandbox), ["web/package.json"], "staged, gone from disk");
}

#[test]
fn only_what_the_commit_changes_is_judged() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.write("old.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    sandbox.git(&["commit", "-q", "-m", "Bad, from before the guard"]);
    sandbox.write("web/index.js", "export const x = 1;\n");
    sandbox.git(&["add", "-A"]);
    assert_eq!(found(&sandbox), [""; 0]);
    sandbox.git(&["rm", "-q", "old.bak", "web/package.json"]);
    assert_eq!(found(&sandbox), [""; 0], "a deletion fixes it");
}

#[test]
fn renames_copies_modes_and_types_are_changes() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Bad, from before the guard");

    sandbox.git(&["mv", "web", "site"]);
    assert_eq!(found(&sandbox), ["site/package.json"], "renamed");
    sandbox.git(&["reset", "-q", "--hard"]);

    sandbox.write("copy/package.json", fs::read(sandbox.top.join("web/package.json")).unwrap());
    sandbox.git(&["add", "-A"]);
    assert_eq!(found(&sandbox), ["copy/package.json"], "copied");
    sandbox.git(&["reset", "-q", "--hard"]);

    sandbox.git(&["update-index", "--chmod=+x", "web/package.json"]);
    assert_eq!(found(&sandbox), ["web/package.json"], "made executable");
    sandbox.git(&["reset", "-q", "--hard"]);

    fs::remove_file(sandbox.top.join("backend/index.js")).unwrap();
    symlink("elsewhere", sandbox.top.join("backend/x.bak")).unwrap();
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(found(&sandbox), ["backend/x.bak"], "a link");
}

#[test]
fn an_unborn_branch_and_a_detached_head() {
    let sandbox = Sandbox::unborn();
    sandbox.write(
        "package.json",
        format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec()),
    );
    sandbox.git(&["add", "-A"]);
    assert_eq!(found(&sandbox), ["package.json"]);

    let sandbox = Sandbox::workspace();
    sandbox.git(&["checkout", "-q", "--detach"]);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    assert_eq!(found(&sandbox), ["web/package.json"]);
}

#[test]
fn from_a_subdirectory_the_whole_index_is_judged() {
    let sandbox = Sandbox::workspace();
    fs::copy(sandbox.top.join("web/package.json"), sandbox.top.join("web/package.json.bak"))
        .unwrap();
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let ran =
        finish(sandbox.command(BAKSTOP).arg("check").current_dir(sandbox.top.join("backend")));
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("--> web/package.json:4:17\n"), "{}", ran.out);
    let step = "every other edit stays\n       bakstop restore --staged --worktree\n\n";
    assert!(ran.out.contains(step), "{}", ran.out);
    let ran = sandbox.bakstop(&["-C", "backend", "check", "--format", "json"]);
    assert_eq!(paths(&ran), ["web/package.json"]);
}

/// The steps that `check` prints for its first finding.
fn steps(sandbox: &Sandbox) -> Vec<String> {
    let lines = sandbox.bakstop(&["check"]).out;
    let help = lines.lines().skip_while(|line| !line.contains("= help")).skip(1);
    help.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

const RESTORE: &str = "bakstop restore --staged --worktree";

/// Runs the steps that `check` prints, which must be these.
fn follow(sandbox: &Sandbox, expected: &[&str]) {
    assert_eq!(steps(sandbox), expected);
    for step in expected {
        let step = step.replace("bakstop", BAKSTOP);
        let ran = finish(sandbox.command("sh").args(["-c", &step]));
        assert_eq!(ran.code, Some(0), "{step}: {ran:?}");
    }
    assert_eq!(found(sandbox), [""; 0]);
}

#[test]
fn the_printed_steps_work() {
    let read =
        |sandbox: &Sandbox| fs::read_to_string(sandbox.top.join("web/package.json")).unwrap();

    let sandbox = Sandbox::workspace();
    let original = read(&sandbox);
    sandbox.write("web/package.json.bak", &original);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    follow(&sandbox, &[RESTORE]);
    assert_eq!(sandbox.git(&["status", "--porcelain", "--ignored"]), "");

    // Preparing twice leaves a backup of the rewritten file; the leftovers are staged as well.
    sandbox.rewrite("web/package.json");
    sandbox.write("web/package.json.bak", read(&sandbox));
    sandbox.write(".docker-deps/x.tgz", "packed");
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(found(&sandbox).len(), 3);
    follow(&sandbox, &[RESTORE]);
    assert_eq!(read(&sandbox), original);

    // Partly staged: both edits stay where they are.
    sandbox.rewrite("web/package.json");
    sandbox.write("web/package.json", read(&sandbox).replace("@shop/web", "@shop/a"));
    sandbox.git(&["add", "web/package.json"]);
    sandbox.write("web/package.json", read(&sandbox).replace("@shop/a", "@shop/b"));
    follow(&sandbox, &[RESTORE]);
    assert_eq!(read(&sandbox), original.replace("@shop/web", "@shop/b"));
    let staged = sandbox.git(&["show", ":web/package.json"]);
    assert_eq!(staged, original.replace("@shop/web", "@shop/a"));

    // A manifest that is already correct in the work tree must not be overwritten.
    sandbox.git(&["reset", "-q", "--hard"]);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let edited = original.replace("^1.4.0", "^1.5.0");
    sandbox.write("web/package.json", &edited);
    follow(&sandbox, &[RESTORE]);
    assert_eq!(read(&sandbox), edited);
}

#[test]
fn the_printed_steps_work_for_a_commit_of_all_files() {
    let sandbox = Sandbox::workspace();
    crate::hooks::install(&sandbox);
    sandbox.rewrite("web/package.json");
    sandbox.write("web/index.js", "edited\n");
    for arguments in [&["commit", "-a", "-m", "x"][..], &["commit", "-m", "y", "web/package.json"]]
    {
        let ran = sandbox.try_git(arguments);
        assert!(
            ran.code != Some(0) && ran.err.contains(&format!("\n       {RESTORE}\n")),
            "{ran:?}"
        );
    }
    assert_eq!(sandbox.bakstop(&["restore", "--staged", "--worktree"]).code, Some(0));
    sandbox.git(&["commit", "-q", "-a", "-m", "x"]);
    assert_eq!(sandbox.git(&["diff", "--name-only", "HEAD~1"]), "web/index.js\n");
}

#[test]
fn the_printed_steps_do_not_restore_a_bad_or_missing_file_of_head() {
    let sandbox = Sandbox::workspace();
    // The version in HEAD is rewritten itself, and the one before it.
    sandbox.rewrite("backend/package.json");
    sandbox.git(&["commit", "-q", "-a", "-m", "Bad, from before the guard"]);
    let text = fs::read_to_string(sandbox.top.join("backend/package.json")).unwrap();
    sandbox.write("backend/package.json", format!("{text}\n"));
    sandbox.git(&["commit", "-q", "-a", "-m", "Still bad"]);
    sandbox.write("backend/package.json", text.replace("@shop/", "@store/"));
    sandbox.git(&["add", "-A"]);
    assert_eq!(steps(&sandbox), [""; 0]);
    let by_hand = "help: dependencies > @acme/ui: no original is known: write it by hand\n";
    assert!(sandbox.bakstop(&["check"]).out.contains(by_hand));
    sandbox.git(&["reset", "-q", "--hard"]);

    // It is missing in HEAD.
    sandbox.write(
        "new/package.json",
        format!("{{\"dependencies\": {{\"a\": \"{}\"}}}}", rewritten_spec()),
    );
    sandbox.git(&["add", "-A"]);
    assert_eq!(steps(&sandbox), [""; 0]);
    sandbox.git(&["reset", "-q"]);
    sandbox.write("new/pnpm-lock.yaml", format!("  x: {}\n", rewritten_spec()));
    sandbox.git(&["add", "new/pnpm-lock.yaml"]);
    assert_eq!(steps(&sandbox), ["git rm --cached -f new/pnpm-lock.yaml"]);
    sandbox.git(&["commit", "-q", "-m", "Bad, from before the guard"]);
    sandbox.write("new/pnpm-lock.yaml", format!("  y: {}\n", rewritten_spec()));
    sandbox.git(&["add", "new/pnpm-lock.yaml"]);
    assert_eq!(steps(&sandbox)[1], "(cd new && pnpm install --lockfile-only)");
}

#[test]
fn the_printed_steps_work_in_the_work_tree() {
    let sandbox = Sandbox::workspace();
    sandbox.write(".gitignore", "");
    sandbox.commit_all("Ignore nothing");
    fs::copy(sandbox.top.join("web/package.json"), sandbox.top.join("web/package.json.bak"))
        .unwrap();
    sandbox.rewrite("web/package.json");
    sandbox.write(".docker-deps/x.tgz", "packed");
    sandbox.write("own.bak", "own");
    let ran = sandbox.bakstop(&["check", "--worktree"]);
    assert_eq!(ran.out.matches("\n       bakstop restore\n").count(), 3, "{}", ran.out);
    assert!(!ran.out.contains("git rm"), "{}", ran.out);
    assert!(ran.out.contains("= help: compare it with its original, then remove it\n"), "{ran:?}");
    assert_eq!(sandbox.bakstop(&["restore"]).code, Some(0));
    fs::remove_file(sandbox.top.join("own.bak")).unwrap();
    assert_eq!(sandbox.bakstop(&["check", "--worktree"]).code, Some(0));
}

#[test]
fn no_excerpt_of_another_rule_shows_a_token() {
    let token = ["npm", "s3cr3ts3cr3t"].join("_");
    let spec = rewritten_spec();
    for (path, text) in [
        (".yarnrc.yml", format!("npmRegistries:\n\tnpmAuthToken: {token}\n")),
        (".yarnrc.yml", format!("npmAuthToken: {token}: x\n")),
        (".yarnrc.yml", format!("npmAuthToken: @{token}\n")),
        (".yarnrc.yml", format!("{{overrides: {{x: '{spec}'}}, npmAuthToken: {token}}}\n")),
        (
            "package.json",
            format!(
                "{{\"a\": \"https://u:{token}@h/x.tgz\", \"dependencies\": {{\"b\": \"{spec}\"}}}}"
            ),
        ),
        ("package.json", format!("{{\"x\": \"https://u:{token}@h/\" \"y\": 1}}")),
        (
            "package-lock.json",
            format!("{{\"a\": \"https://u:{token}@h/x.tgz\", \"b\": \"{spec}\"}}"),
        ),
    ] {
        let sandbox = Sandbox::workspace();
        sandbox.write(path, &text);
        sandbox.git(&["add", "-A"]);
        for format in ["human", "json"] {
            let ran = sandbox.bakstop(&["check", "--format", format]);
            assert!(
                !ran.out.is_empty() && !(ran.out + &ran.err).contains(&token),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn hostile_names_are_judged_and_escaped() {
    let sandbox = Sandbox::workspace();
    let names = [
        "a b.bak",
        "a\nb.bak",
        "\u{1b}[2J.bak",
        "ü.bak",
        "-rf.bak",
        "$(id).bak",
        "'\".bak",
        "\u{202e}x.bak",
        ":(top).bak",
    ];
    for name in names {
        sandbox.write(name, "");
    }
    sandbox.git(&["add", "-A", "-f"]);
    let mut expected: Vec<String> = names.map(str::to_owned).into();
    expected.sort();
    assert_eq!(found(&sandbox), expected);
    let ran = sandbox.bakstop(&["check"]);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{}", ran.out);
    assert!(ran.out.contains("--> a\\nb.bak\n"), "{}", ran.out);

    // The printed commands work when pasted.
    let commands: Vec<&str> =
        ran.out.lines().filter(|line| line.trim().starts_with("git rm --cached ")).collect();
    let done = finish(sandbox.command("bash").arg("-ec").arg(commands.join("\n")));
    assert_eq!(done.code, Some(0), "{commands:?}: {}", done.err);
    assert_eq!(found(&sandbox), [""; 0]);
}

#[test]
fn names_that_are_not_utf8_are_judged() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::workspace();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.bak");
    fs::write(sandbox.top.join(name), "").unwrap();
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(found(&sandbox), ["\\xff\\xfe.bak"]);
}

#[test]
fn intent_to_add_is_no_change_and_unmerged_paths_cannot_be_judged() {
    let sandbox = Sandbox::workspace();
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-f", "-N", "x.bak"]);
    assert_eq!(found(&sandbox), [""; 0], "git commits nothing of an intent to add");
    sandbox.git(&["reset", "-q"]);

    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("web/index.js", "side\n");
    sandbox.git(&["commit", "-q", "-am", "Side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("web/index.js", "main\n");
    sandbox.git(&["commit", "-q", "-am", "Main"]);
    assert_eq!(sandbox.try_git(&["merge", "-q", "side"]).code, Some(1));
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        ran.err,
        "error: could not judge the staged files: web/index.js is unmerged\n\
         help: resolve the conflicts, then: git add :/web/index.js\n"
    );
}

#[test]
fn thousands_of_files_in_one_commit() {
    let sandbox = Sandbox::workspace();
    for number in 0..3000 {
        sandbox.write(format!("packages/p{}/f{number}.js", number % 100), number.to_string());
    }
    sandbox.rewrite("web/package.json");
    sandbox.write("packages/p57/x.BAK", "");
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(found(&sandbox), ["packages/p57/x.BAK", "web/package.json"]);
    // The index now has its trees, as inside `git commit`.
    sandbox.git(&["write-tree"]);
    assert_eq!(found(&sandbox), ["packages/p57/x.BAK", "web/package.json"]);
}

#[test]
fn a_path_too_long_for_any_work_tree_never_passes() {
    let sandbox = Sandbox::workspace();
    let blob = sandbox.git(&["hash-object", "-w", "web/index.js"]);
    let line = format!("100644 {}\t{}x.bak\n", blob.trim(), "a/".repeat(20_000));
    let mut git = sandbox.command("git");
    let ran = finish_with_input(git.args(["update-index", "--index-info"]), line.as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = sandbox.bakstop(&["check", "--format", "json"]);
    // The git program may refuse the path as well; it must only never pass.
    assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::workspace();
    let run = || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        finish_with(sandbox.command(BAKSTOP).args(["check", "--format", "json"]), full)
    };
    let clean = run();
    assert_eq!(clean.code, Some(2), "{clean:?}");
    assert!(
        clean.err.contains("could not write the report: No space left on device"),
        "{}",
        clean.err
    );
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    assert_eq!(run().code, Some(1), "a finding stays one");
}

#[test]
fn submodules_are_judged_by_their_path() {
    let sandbox = Sandbox::workspace();
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    for path in ["web/.docker-deps", "module.bak"] {
        sandbox.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{},{path}", head.trim()),
        ]);
    }
    assert_eq!(found(&sandbox), ["web/.docker-deps"]);
}

#[test]
fn unreadable_repositories_and_objects_are_errors() {
    let outside = Sandbox::empty();
    let ran = outside.bakstop(&["check"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("not a git repository") && ran.err.contains("help: run this inside"),
        "{}",
        ran.err
    );

    let broken_index = Sandbox::workspace();
    fs::write(broken_index.top.join(".git/index"), "DIRC nonsense").unwrap();
    assert_eq!(broken_index.bakstop(&["check"]).code, Some(2));

    let missing_blob = Sandbox::workspace();
    missing_blob.rewrite("web/package.json");
    missing_blob.git(&["add", "-A"]);
    let id = missing_blob.git(&["rev-parse", ":web/package.json"]);
    let (directory, file) = id.trim().split_at(2);
    fs::remove_file(missing_blob.top.join(".git/objects").join(directory).join(file)).unwrap();
    let ran = missing_blob.bakstop(&["check"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err
            .starts_with("error: could not read web/package.json: it is not in the object store"),
        "{}",
        ran.err
    );

    let broken_head = Sandbox::workspace();
    fs::write(broken_head.top.join(".git/refs/heads/main"), "0123456789\n").unwrap();
    broken_head.write("x.bak", "");
    broken_head.try_git(&["add", "-f", "x.bak"]);
    assert_ne!(broken_head.bakstop(&["check"]).code, Some(0));

    let unknown = Sandbox::workspace();
    unknown.git(&["config", "core.repositoryFormatVersion", "1"]);
    unknown.git(&["config", "extensions.fromTheFuture", "true"]);
    assert_eq!(unknown.bakstop(&["check"]).code, Some(2));
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let sandbox = Sandbox::workspace();
    for number in 0..2000 {
        sandbox.write(format!("{number}.bak"), "");
    }
    sandbox.git(&["add", "-A", "-f"]);
    let mut child =
        sandbox.command(BAKSTOP).arg("check").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn the_machine_readable_report_is_versioned() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let report: Value =
        serde_json::from_str(&sandbox.bakstop(&["check", "--format", "json"]).out).unwrap();
    let expected = json!({
        "schema": "bakstop.check/1",
        "scope": "staged",
        "findings": [{
            "rule": "rewritten-manifest",
            "severity": "error",
            "commit": null,
            "path": "web/package.json",
            "path_hex": null,
            "place": {
                "line": 4,
                "column": 17,
                "end_column": 17 + rewritten_spec().len() + 2,
                "excerpt": format!("    \"@acme/ui\": \"{}\"", rewritten_spec()),
            },
            "labels": [],
            "message": "this dependency points into .docker-deps",
            "help": "take the preparation out; every other edit stays",
            "steps": ["bakstop restore --staged --worktree"],
            "fix": null,
        }],
        "summary": { "errors": 1, "warnings": 0, "judged": 1 },
    });
    assert_eq!(report, expected);
}

#[test]
fn warnings_block_only_on_demand() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/package.json", "{ broken");
    sandbox.git(&["add", "-A"]);
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("warning[rewritten-manifest]"), "{}", ran.out);
    assert!(ran.out.ends_with("bakstop: 1 warning in 1 file\n"), "{}", ran.out);
    assert_eq!(sandbox.bakstop(&["check", "--deny-warnings"]).code, Some(1));
}

#[test]
fn the_hook_obeys_its_variables_and_reports_them() {
    let sandbox = Sandbox::workspace();
    sandbox.rewrite("web/package.json");
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    let hook = |name: &str, value: &str| {
        finish(sandbox.command(BAKSTOP).args(["hook", "pre-commit"]).env(name, value))
    };
    let ran = hook("UNRELATED", "1");
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.ends_with(
            "bakstop: 2 errors in 2 files; \
             the commit is blocked (to skip this check: BAKSTOP=0 git commit)\n"
        ),
        "{}",
        ran.out
    );
    assert_eq!(
        hook("BAKSTOP", "0"),
        Ran {
            code: Some(0),
            out: String::new(),
            err: "bakstop: not checked, because BAKSTOP=0\n".into()
        }
    );
    let ran = hook("BAKSTOP_SKIP", "stray-backup, rewritten-manifest");
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.err,
        "bakstop: not checked, because of BAKSTOP_SKIP: stray-backup, rewritten-manifest\n"
    );
    let ran = hook("BAKSTOP_SKIP", "stray-backups");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("unknown rule stray-backups"), "{}", ran.err);
}

#[test]
fn explain_prints_the_manual_page_anywhere() {
    let ran = Sandbox::empty().bakstop(&["explain", "stray-backup"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    assert_eq!(ran.out, include_str!("../../docs/rules/stray-backup.md"));
}

#[test]
fn colour_depends_on_the_terminal_and_the_environment() {
    let sandbox = Sandbox::workspace();
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    assert!(!sandbox.bakstop(&["check"]).out.contains('\u{1b}'));
    assert!(sandbox.bakstop(&["check", "--color", "always"]).out.contains('\u{1b}'));
    let forced = finish(sandbox.command(BAKSTOP).arg("check").env("CLICOLOR_FORCE", "1"));
    assert!(forced.out.contains('\u{1b}'));
    let refused = finish(
        sandbox.command(BAKSTOP).arg("check").env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1"),
    );
    assert!(!refused.out.contains('\u{1b}'));
}

#[test]
fn a_directory_named_like_the_configuration_is_ignored() {
    let sandbox = Sandbox::workspace();
    sandbox.write("bakstop.json/x", r#"{ "rules": { "stray-backup": "off" } }"#);
    sandbox.write("a.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    // Read directly, and by git.
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(1));
    let ran = finish(
        sandbox.command(BAKSTOP).arg("check").arg("-v").env("GIT_CONFIG_PARAMETERS", "'a.b=c'"),
    );
    assert!(ran.code == Some(1) && ran.err.contains("read by git"), "{ran:?}");
}
