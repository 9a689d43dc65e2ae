//! `bakstop restore` on real repositories.

use std::fs;

use serde_json::Value;

use crate::hooks::must;
use crate::support::{Ran, Sandbox, rewritten_spec};

/// A prepared workspace: rewritten manifests, backups, and a packed package.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::workspace();
    prepare(&sandbox);
    sandbox
}

fn prepare(sandbox: &Sandbox) {
    for name in ["backend", "web"] {
        let path = format!("{name}/package.json");
        fs::copy(sandbox.top.join(&path), sandbox.top.join(format!("{path}.bak"))).unwrap();
        sandbox.rewrite(&path);
    }
    sandbox.write(".docker-deps/acme-ui-1.4.0.tgz", "packed");
    sandbox.write(".docker-deps/a/b/c.tgz", "packed");
}

fn read(sandbox: &Sandbox, path: &str) -> String {
    fs::read_to_string(sandbox.top.join(path)).unwrap()
}

fn restore(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.bakstop(&[&["restore"], arguments].concat())
}

/// The changes of a report, and the traces that stay.
fn report(ran: &Ran) -> (Vec<String>, Vec<String>) {
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let lines = |key: &str, of: &[&str]| {
        let line = |item: &Value| {
            of.iter().map(|key| item[key].as_str().unwrap_or("-")).collect::<Vec<_>>().join(" ")
        };
        report[key].as_array().unwrap().iter().map(line).collect()
    };
    (lines("changes", &["in", "change", "path"]), lines("left", &["in", "path", "reason"]))
}

#[test]
fn a_preparation_is_undone_and_a_second_run_does_nothing() {
    let sandbox = prepared();
    let ran = must(restore(&sandbox, &["--format", "json"]));
    let (changes, left) = report(&ran);
    assert_eq!(
        changes,
        [
            "worktree restored backend/package.json",
            "worktree restored web/package.json",
            "worktree removed .docker-deps/a/b/c.tgz",
            "worktree removed .docker-deps/acme-ui-1.4.0.tgz",
            "worktree removed backend/package.json.bak",
            "worktree removed web/package.json.bak",
        ]
    );
    assert_eq!((ran.code, left.len()), (Some(0), 0), "{ran:?}");
    must(sandbox.bakstop(&["verify"]));
    assert!(sandbox.top.join(".docker-deps/.gitkeep").exists());
    assert!(!sandbox.top.join(".docker-deps/a").exists());
    let again = restore(&sandbox, &[]);
    assert_eq!((again.code, &*again.out), (Some(0), "bakstop: nothing to restore\n"));
}

#[test]
fn every_other_edit_stays() {
    let sandbox = prepared();
    let path = "web/package.json";
    let edited =
        read(&sandbox, path).replace("{\n  \"name\"", "{\n  \"private\": true,\n  \"name\"");
    sandbox.write(path, &edited);
    sandbox.write("web/index.js", "edited\n");
    let ran = restore(&sandbox, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(read(&sandbox, path), edited.replace(&rewritten_spec(), "^1.4.0"));
    assert_eq!(read(&sandbox, "web/index.js"), "edited\n");
    // The backup is older than the edit: it may be somebody's own.
    assert!(ran.out.contains("kept web/package.json.bak: it differs from web/package.json\n"));
    assert!(sandbox.top.join("web/package.json.bak").exists());
    assert!(!sandbox.top.join("backend/package.json.bak").exists());
}

#[test]
fn an_edit_before_the_preparation_comes_from_the_backup() {
    let sandbox = Sandbox::workspace();
    let path = "web/package.json";
    let edited = read(&sandbox, path).replace("^1.4.0", "^1.5.0");
    sandbox.write(format!("{path}.bak"), &edited);
    sandbox.write(path, edited.replace("^1.5.0", &rewritten_spec()));
    assert_eq!(restore(&sandbox, &[]).code, Some(0));
    assert_eq!(read(&sandbox, path), edited);
}

#[test]
fn only_the_named_paths_are_restored() {
    let sandbox = prepared();
    sandbox.write("web/src/x.js", "");
    let mut command = sandbox.command(crate::support::BAKSTOP);
    command.args(["restore", "--format", "json", "../package.json", "."]);
    let ran = crate::support::finish(command.current_dir(sandbox.top.join("web/src/..")));
    let (changes, _) = report(&ran);
    assert_eq!(
        changes,
        ["worktree restored web/package.json", "worktree removed web/package.json.bak"]
    );
    let absolute = sandbox.top.join("backend");
    let ran = restore(&sandbox, &[absolute.to_str().unwrap(), "--format", "json"]);
    assert_eq!(report(&ran).0.len(), 2, "{ran:?}");
    for (path, reason) in
        [("missing", "missing does not exist"), ("../x", "outside of the work tree")]
    {
        let ran = restore(&sandbox, &[path]);
        assert!(ran.code == Some(2) && ran.err.contains(reason), "{ran:?}");
    }
}

#[test]
fn the_index_is_restored_and_nothing_else() {
    let sandbox = prepared();
    sandbox.git(&["add", "-A", "-f"]);
    sandbox.git(&["update-index", "--chmod=+x", "web/package.json"]);
    // Partly staged: this edit is only in the work tree.
    let later = read(&sandbox, "web/package.json").replace("@shop/web", "@shop/web2");
    sandbox.write("web/package.json", &later);
    let ran = restore(&sandbox, &["--staged", "--format", "json"]);
    let (changes, left) = report(&ran);
    assert_eq!((ran.code, left.len()), (Some(0), 0), "{ran:?}");
    assert_eq!(
        changes,
        [
            "index unstaged .docker-deps/a/b/c.tgz",
            "index unstaged .docker-deps/acme-ui-1.4.0.tgz",
            "index restored backend/package.json",
            "index unstaged backend/package.json.bak",
            "index restored web/package.json",
            "index unstaged web/package.json.bak",
        ]
    );
    assert_eq!(read(&sandbox, "web/package.json"), later);
    assert!(sandbox.top.join("web/package.json.bak").exists());
    let staged = sandbox.git(&["diff", "--cached", "--raw", "--no-abbrev"]);
    assert_eq!(staged.lines().count(), 1, "{staged}");
    assert!(staged.contains(":100644 100755") && staged.contains("web/package.json"), "{staged}");
    must(sandbox.bakstop(&["check"]));
    // Both sides at once.
    sandbox.git(&["add", "-A"]);
    let ran = restore(&sandbox, &["--staged", "--worktree"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    must(sandbox.bakstop(&["check"]));
    assert!(!read(&sandbox, "web/package.json").contains(".docker-deps"));
    assert!(!sandbox.git(&["show", ":web/package.json"]).contains(".docker-deps"));
}

#[test]
fn a_dependency_without_an_original_is_named() {
    let sandbox = Sandbox::workspace();
    let spec = rewritten_spec();
    let text = format!("{{\n  \"dependencies\": {{\n    \"@acme/new\": \"{spec}\"\n  }}\n}}\n");
    sandbox.write("new/package.json", &text);
    sandbox.rewrite("web/package.json");
    sandbox.write(".docker-deps/x.tgz", "packed");
    sandbox.git(&["add", "-A"]);
    for side in ["--worktree", "--staged"] {
        let arguments = if side == "--staged" { vec!["--staged"] } else { vec![] };
        let ran = restore(&sandbox, &arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let place = if side == "--staged" { " in the index" } else { "" };
        let line = format!(
            "left new/package.json:3{place}: dependencies > @acme/new: no original is known: write \
             it by hand\n"
        );
        assert!(ran.out.contains(&line), "{}", ran.out);
        assert!(ran.out.ends_with("1 file restored; 1 left\n"), "{}", ran.out);
    }
    assert_eq!(read(&sandbox, "new/package.json"), text);
    assert!(!read(&sandbox, "web/package.json").contains(".docker-deps"));
    assert!(sandbox.top.join(".docker-deps/x.tgz").exists(), "a manifest points to it");
}

#[test]
fn the_other_side_of_a_merge_has_the_original() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["switch", "-q", "-c", "clean"]);
    sandbox.write("web/index.js", "clean\n");
    sandbox.commit_all("Clean");
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.rewrite("web/package.json");
    sandbox.commit_all("Prepared");
    sandbox.git(&["merge", "-q", "--no-commit", "clean"]);
    let ran = restore(&sandbox, &["--staged", "--worktree"]);
    // The rewritten file is not new in this merge.
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        read(&sandbox, "web/package.json"),
        sandbox.git(&["show", "clean:web/package.json"])
    );
}

#[test]
fn a_lockfile_comes_from_head_if_it_fits_the_manifests() {
    let sandbox = Sandbox::workspace();
    let clean = "lockfileVersion: '9.0'\n";
    for name in ["pnpm-lock.yaml", "web/yarn.lock"] {
        sandbox.write(name, clean);
    }
    sandbox.commit_all("Lock");
    prepare(&sandbox);
    let traced = format!("{clean}x: file:{}/x.tgz\n", ".docker-deps");
    for name in ["pnpm-lock.yaml", "web/yarn.lock", "backend/pnpm-lock.yaml"] {
        sandbox.write(name, &traced);
    }
    sandbox.git(&["add", "-A"]);
    let ran = restore(&sandbox, &["--staged"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sandbox.git(&["diff", "--cached", "--name-only"]), "");
    let ran = restore(&sandbox, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(
        "left backend/pnpm-lock.yaml: HEAD has no such lockfile: remove it\n    \
         rm backend/pnpm-lock.yaml\n"
    ));
    assert_eq!(read(&sandbox, "pnpm-lock.yaml"), clean);
    assert_eq!(read(&sandbox, "web/yarn.lock"), clean);
    // A changed manifest needs an install; yarn keeps a trace unless the file is restored first.
    fs::remove_file(sandbox.top.join("backend/pnpm-lock.yaml")).unwrap();
    let edited = read(&sandbox, "web/package.json").replace("^1.4.0", "^2.0.0");
    sandbox.write("web/package.json", edited);
    for name in ["pnpm-lock.yaml", "web/yarn.lock"] {
        sandbox.write(name, &traced);
    }
    let ran = restore(&sandbox, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for line in
        ["\n    pnpm install --lockfile-only\n", "\n    (cd web && yarn install)\n", "; 2 left\n"]
    {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    assert_eq!(
        (read(&sandbox, "pnpm-lock.yaml"), read(&sandbox, "web/yarn.lock")),
        (traced, clean.into())
    );
}

#[test]
fn what_is_not_of_a_preparation_stays() {
    let sandbox = prepared();
    // A developer's own files, a nested repository, and a link.
    sandbox.write("notes.txt", "notes");
    sandbox.write("notes.txt.bak", "notes");
    sandbox.write("package.json.bak", "{}");
    sandbox.git(&["init", "-q", ".docker-deps/nested"]);
    sandbox.write(".docker-deps/tracked", "tracked");
    sandbox.git(&["add", "-f", ".docker-deps/tracked"]);
    std::os::unix::fs::symlink("../home", sandbox.top.join("web/.docker-deps")).unwrap();
    let ran = restore(&sandbox, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("left .docker-deps/nested/: a repository of its own"), "{ran:?}");
    for path in
        ["notes.txt.bak", "package.json.bak", ".docker-deps/nested/.git", ".docker-deps/tracked"]
    {
        assert!(sandbox.top.join(path).exists(), "{path}");
    }
    assert!(sandbox.top.join("web/.docker-deps").is_symlink());
    assert!(!sandbox.top.join(".docker-deps/acme-ui-1.4.0.tgz").exists());
}

#[test]
fn files_that_cannot_be_restored_are_named() {
    let sandbox = prepared();
    let mark = format!("<<<<<<< ours\n\"{}\"\n", rewritten_spec());
    sandbox.write("web/package.json", &mark);
    let outside = sandbox.outside().join("package.json");
    fs::rename(sandbox.top.join("backend/package.json"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, sandbox.top.join("backend/package.json")).unwrap();
    let before = fs::read(&outside).unwrap();
    let ran = restore(&sandbox, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("left backend/package.json: a link"), "{}", ran.out);
    assert!(ran.out.contains("left web/package.json:1: the file cannot be parsed"), "{}", ran.out);
    assert_eq!((fs::read(&outside).unwrap(), read(&sandbox, "web/package.json")), (before, mark));
}

#[test]
fn a_dry_run_prints_a_diff_and_changes_nothing() {
    let sandbox = prepared();
    sandbox.git(&["add", "-A"]);
    let before = crate::hooks::snapshot(&sandbox.top);
    for arguments in [&["--dry-run"][..], &["--dry-run", "--staged"]] {
        let ran = restore(&sandbox, arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("+    \"@acme/ui\": \"^1.4.0\"\n"), "{}", ran.out);
        assert_eq!(ran.out.contains("would remove web/package.json.bak\n"), arguments.len() == 1);
        assert_eq!(crate::hooks::snapshot(&sandbox.top), before);
    }
}

#[test]
fn a_dry_run_announces_what_the_run_does() {
    let sandbox = prepared();
    let manifest = |spec: &str| format!("{{\"dependencies\": {{\"x\": \"{spec}\"}}}}");
    // Only the backup has the original, and it is untracked after the index is restored.
    sandbox.write("new/package.json", manifest(&rewritten_spec()));
    sandbox.write("new/package.json.bak", manifest("^1.0.0"));
    sandbox.git(&["add", "-A", "-f"]);
    let arguments = ["--staged", "--worktree", "--format", "json"];
    let announced = restore(&sandbox, &[&arguments[..], &["--dry-run"]].concat());
    let done = restore(&sandbox, &arguments);
    assert_eq!((announced.code, report(&announced)), (Some(0), report(&done)));
    assert_eq!(report(&restore(&sandbox, &arguments)), (Vec::new(), Vec::new()));
}

#[test]
fn the_json_report_fits_its_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/schema/restore.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sandbox = prepared();
    sandbox.write(
        "new/package.json",
        format!("{{\"dependencies\": {{\"x\": \"{}\"}}}}", rewritten_spec()),
    );
    sandbox.write("package.json.bak", "{}");
    sandbox.git(&["add", "-A"]);
    for arguments in [&["--staged"][..], &["--dry-run"], &["--staged", "--worktree"], &[]] {
        let ran = restore(&sandbox, &[arguments, &["--format", "json"]].concat());
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        let errors: Vec<String> =
            validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{report:#}");
    }
}

#[test]
fn a_comment_from_after_the_preparation_stays() {
    let sandbox = Sandbox::workspace();
    let workspace = "packages: [web] # all\noverrides: { x: '1' }\n";
    let manifest = "{\n  // ours\n  dependencies: { x: '1' }\n}\n";
    let files = [
        ("pnpm-workspace.yaml", workspace, "{ x", "{x", "# all", "# all of them"),
        ("new/package.json5", manifest, "{ x", "{x", "// ours", "// ours, and more"),
    ];
    for (path, text, ..) in files {
        sandbox.write(path, text);
    }
    sandbox.commit_all("Comments");
    for (path, text, _, _, comment, edited) in files {
        sandbox.write(format!("{path}.bak"), text);
        let spec = format!("'{}'", rewritten_spec());
        sandbox.write(path, text.replace("'1'", &spec).replace(comment, edited));
    }
    assert_eq!(restore(&sandbox, &[]).code, Some(0));
    for (path, text, _, _, comment, edited) in files {
        assert_eq!(read(&sandbox, path), text.replace(comment, edited));
        assert_eq!(read(&sandbox, &format!("{path}.bak")), text, "it differs");
    }
    // A tool may format the file: then the layout is that of the backup.
    for (path, text, spaced, dense, ..) in files {
        let spec = format!("'{}'", rewritten_spec());
        sandbox.write(path, text.replace("'1'", &spec).replace(spaced, dense));
    }
    assert_eq!(restore(&sandbox, &[]).code, Some(0));
    assert_eq!(read(&sandbox, files[0].0), workspace);
}

#[test]
fn the_backup_of_an_earlier_preparation_is_not_the_original() {
    let sandbox = Sandbox::workspace();
    let path = "web/package.json";
    let old = read(&sandbox, path);
    sandbox.write(path, old.replace("^1.4.0", "^1.5.0"));
    sandbox.commit_all("Raise");
    // As by `cp -n`: the backup of the first preparation is still there.
    sandbox.write(format!("{path}.bak"), &old);
    sandbox.rewrite(path);
    let prepared = read(&sandbox, path).replace("^1.5.0", &rewritten_spec());
    sandbox.write(path, &prepared);
    let ran = restore(&sandbox, &[]);
    let line = "dependencies > @acme/ui: the backup has ^1.4.0, the index has ^1.5.0: write one of";
    assert!(ran.code == Some(1) && ran.out.contains(line), "{ran:?}");
    assert_eq!(read(&sandbox, path), prepared);
    assert_eq!(read(&sandbox, &format!("{path}.bak")), old);
}

#[test]
fn a_dry_run_of_both_sides_foresees_what_the_index_becomes() {
    let sandbox = Sandbox::workspace();
    let text = "{ \"dependencies\": { \"x\": \"1\" } }\n";
    sandbox.write("new/package.json.bak", text);
    sandbox.write("new/package.json", text.replace('1', &rewritten_spec()));
    sandbox.git(&["add", "-A"]);
    let both = ["--staged", "--worktree", "--format", "json"];
    let dry = restore(&sandbox, &[&both[..], &["--dry-run"]].concat());
    let ran = restore(&sandbox, &both);
    assert_eq!((dry.code, report(&dry)), (ran.code, report(&ran)));
    assert_eq!((ran.code, &*read(&sandbox, "new/package.json")), (Some(0), text));
}

#[test]
fn a_renamed_manifest_is_restored_from_its_old_path() {
    let sandbox = prepared();
    let original = sandbox.git(&["show", "HEAD:web/package.json"]);
    fs::create_dir(sandbox.top.join("apps")).unwrap();
    fs::remove_file(sandbox.top.join("web/package.json.bak")).unwrap();
    fs::rename(sandbox.top.join("web"), sandbox.top.join("apps/site")).unwrap();
    let path = "apps/site/package.json";
    // Another edit stays.
    let edited = |text: &str| text.replace("{\n  \"name\"", "{\n  \"private\": true,\n  \"name\"");
    sandbox.write(path, edited(&read(&sandbox, path)));
    let ran = restore(&sandbox, &["--dry-run", "apps"]);
    assert!(ran.code == Some(0) && ran.out.contains("+    \"@acme/ui\": \"^1.4.0\""), "{ran:?}");
    sandbox.git(&["add", "-A"]);
    let checked = sandbox.bakstop(&["check"]);
    assert!(checked.out.contains("    bakstop restore --staged --worktree\n"), "{checked:?}");
    let ran = restore(&sandbox, &["--staged"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sandbox.git(&["show", &format!(":{path}")]), edited(&original));
    assert_eq!(restore(&sandbox, &[]).code, Some(0));
    assert_eq!(read(&sandbox, path), edited(&original));
    must(sandbox.bakstop(&["check"]));
}

#[test]
fn a_manifest_without_a_name_is_renamed_if_only_its_traces_differ() {
    let sandbox = Sandbox::workspace();
    let text = "{ \"dependencies\": { \"x\": \"1\" }, \"v\": 1 }\n";
    sandbox.write("old/package.json", text);
    sandbox.commit_all("Old");
    for (v, code) in [("2", 1), ("1", 0)] {
        fs::create_dir_all(sandbox.top.join("new")).unwrap();
        let prepared = text.replace("\"1\"", &format!("\"{}\"", rewritten_spec()));
        sandbox.write("new/package.json", prepared.replace("\"v\": 1", &format!("\"v\": {v}")));
        let _ = fs::remove_file(sandbox.top.join("old/package.json"));
        sandbox.git(&["add", "-A"]);
        let ran = restore(&sandbox, &["--staged"]);
        assert_eq!(ran.code, Some(code), "{v}: {ran:?}");
    }
    assert_eq!(sandbox.git(&["show", ":new/package.json"]), text);
}

#[test]
fn where_a_renamed_manifest_was_must_be_certain() {
    let spec = |spec: &str, name: &str| {
        format!("{{ \"name\": \"{name}\", \"dependencies\": {{ \"x\": \"{spec}\" }} }}\n")
    };
    let path = "apps/new/package.json";
    for (what, committed, staged_name, deleted, code) in [
        ("renamed", &[("old/package.json", "1", "a")][..], "a", &["old"][..], 0),
        ("a copy", &[("old/package.json", "1", "a")], "a", &[], 1),
        ("another name", &[("old/package.json", "1", "a")], "b", &["old"], 1),
        (
            "two of one name",
            &[("old/package.json", "1", "a"), ("older/package.json", "2", "a")],
            "a",
            &["old", "older"],
            1,
        ),
        ("a path from elsewhere", &[("old/package.json", "file:../v", "a")], "a", &["old"], 1),
        ("a sibling", &[("apps/old/package.json", "file:../v", "a")], "a", &["apps/old"], 0),
    ] {
        let sandbox = Sandbox::workspace();
        for (path, version, name) in committed {
            sandbox.write(path, spec(version, name));
        }
        sandbox.commit_all("Start");
        for directory in deleted {
            fs::remove_dir_all(sandbox.top.join(directory)).unwrap();
        }
        sandbox.write(path, spec(&rewritten_spec(), staged_name));
        sandbox.git(&["add", "-A"]);
        for side in [&[][..], &["--staged"]] {
            let ran = restore(&sandbox, side);
            assert_eq!(ran.code, Some(code), "{what} {side:?}: {ran:?}");
        }
        let restored = spec(committed[0].1, "a");
        assert_eq!(read(&sandbox, path) == restored, code == 0, "{what}");
        assert_eq!(sandbox.git(&["show", &format!(":{path}")]) == restored, code == 0, "{what}");
    }
}
