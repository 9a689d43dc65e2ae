//! `bakstop prove` in real repositories: its verdicts, and that it leaves no files behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::hooks::{copy_of_program, must, prepare_husky, program_at_home, script, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop, rewritten_spec};

/// The type of a file, its change time, and its bytes or target.
type Listed = (u32, (i64, i64), Vec<u8>);

/// The temporary directory of `prove`.
const TEMPORARY: &str = "tmp of prove";

/// Adds every file below a directory.
fn listing(directory: &Path, listed: &mut BTreeMap<PathBuf, Listed>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        let about = path.symlink_metadata().unwrap();
        let bytes = if about.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_vec()
        } else if about.is_dir() {
            listing(&path, listed);
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        // Reading a split index, also by `git status`, updates the time of its shared part.
        let timeless = name == TEMPORARY || name.starts_with("sharedindex.");
        let changed = if timeless { (0, 0) } else { (about.mtime(), about.mtime_nsec()) };
        listed.insert(path, (about.mode(), changed, bytes));
    }
}

/// Runs a changed `bakstop prove`, and asserts that no file changed in or around the repository.
fn prove_as(sandbox: &Sandbox, change: impl FnOnce(&mut Command)) -> Ran {
    let temporary = sandbox.outside().join(TEMPORARY);
    fs::create_dir_all(&temporary).unwrap();
    let list = || {
        let mut listed = BTreeMap::new();
        listing(sandbox.outside(), &mut listed);
        listed
    };
    let status = || {
        let mut status = sandbox.command("git");
        finish(
            status
                .args(["status", "--porcelain=v2", "--branch", "--ignored"])
                .env("GIT_OPTIONAL_LOCKS", "0"),
        )
    };
    // Changes by these git commands do not count.
    let (status_before, listed) = (status(), list());
    let mut command = sandbox.command(BAKSTOP);
    command.arg("prove").env("TMPDIR", &temporary);
    change(&mut command);
    let ran = finish(&mut command);
    let (listed_now, status_now) = (list(), status());
    assert_eq!(status_now, status_before);
    for path in listed.keys().chain(listed_now.keys()) {
        assert!(
            listed.get(path) == listed_now.get(path),
            "{} was changed: {ran:?}",
            path.display()
        );
    }
    ran
}

fn prove(sandbox: &Sandbox) -> Ran {
    prove_as(sandbox, |_| {})
}

fn assert_proven(ran: &Ran, manifest: &str) {
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
    let start = format!("bakstop: proven: pre-commit blocked a rewritten {manifest} (");
    assert!(ran.out.starts_with(&start) && ran.out.ends_with(" s)\n"), "{ran:?}");
}

/// Asserts that it is not proven: the first line has this reason, the second this help.
fn assert_not_proven(ran: &Ran, reason: &str, help: &str) {
    assert_eq!((ran.code, &*ran.err), (Some(1), ""), "{ran:?}");
    let mut lines = ran.out.lines();
    assert_eq!(
        lines.next().unwrap().strip_prefix("bakstop: not proven: ").unwrap(),
        reason,
        "{ran:?}"
    );
    assert_eq!(lines.next().unwrap().strip_prefix("help: ").unwrap(), help, "{ran:?}");
}

fn installed() -> Sandbox {
    let sandbox = Sandbox::workspace();
    must(sandbox.bakstop(&["install"]));
    sandbox
}

/// Runs the commands of the help: its one line, or the indented ones.
fn run_help(sandbox: &Sandbox, ran: &Ran) {
    let help = ran.out.split_once("\nhelp: ").unwrap().1;
    let help = help.split_once("\n\n").map_or(help, |(help, _)| help).trim_end();
    let indented: Vec<&str> = help.lines().filter(|line| line.starts_with("  ")).collect();
    let commands = if indented.is_empty() { help.to_owned() } else { indented.join("\n") };
    let path = std::env::join_paths(
        std::iter::once(Path::new(BAKSTOP).parent().unwrap().to_owned())
            .chain(std::env::split_paths(&path_without_bakstop())),
    );
    must(finish(sandbox.command("sh").args(["-e", "-c", &commands]).env("PATH", path.unwrap())));
}

const SEE: &str = "fix what makes it fail; `bakstop prove -v` shows all of its output";

#[test]
fn a_guard_in_force_is_proven() {
    let sandbox = installed();
    assert_proven(&prove(&sandbox), "package.json");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.current_dir(sandbox.top.join("web"))),
        "package.json",
    );
    assert_proven(&prove_as(&sandbox, |command| _ = command.args(["-C", "web"])), "package.json");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.env("CLICOLOR_FORCE", "1").arg("--color=never")),
        "package.json",
    );

    let ran = prove_as(&sandbox, |command| _ = command.arg("-v"));
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    assert!(
        ran.err.starts_with("error[rewritten-manifest]: ") && ran.err.contains("/bakstop-proof-"),
        "{ran:?}"
    );

    let ran = prove_as(&sandbox, |command| _ = command.args(["--format", "json"]));
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["schema"], "bakstop.prove/1");
    assert_eq!(report["proven"], true);
    assert_eq!(
        (&report["hook"], &report["manifest"]),
        (&"pre-commit".into(), &"package.json".into())
    );
    assert!(
        report["reason"].is_null() && report["help"].is_null() && report["manifest_hex"].is_null()
    );
    assert!(report["output"][0].as_str().unwrap().starts_with("error[rewritten-manifest]"));
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    // It left no objects.
    assert_eq!(sandbox.git(&["fsck", "--unreachable"]), "");
}

#[test]
fn staged_modified_and_unmerged_files_do_not_matter() {
    let sandbox = installed();
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-f", "x.bak"]);
    sandbox.git(&["rm", "-q", "--cached", "package.json"]);
    sandbox.rewrite("web/package.json");
    fs::remove_file(sandbox.top.join("package.json")).unwrap();
    assert_proven(&prove(&sandbox), "package.json");

    let sandbox = installed();
    sandbox.git(&["branch", "side"]);
    for branch in ["main", "side"] {
        sandbox.git(&["checkout", "-q", branch]);
        sandbox.write("package.json", format!("{{ \"name\": \"{branch}\" }}\n"));
        sandbox.git(&["commit", "-qam", branch]);
    }
    sandbox.git(&["checkout", "-q", "main"]);
    assert_ne!(sandbox.try_git(&["merge", "-q", "side"]).code, Some(0));
    assert!(sandbox.top.join(".git/MERGE_HEAD").exists());
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn the_topmost_manifest_is_used_or_a_new_one() {
    let sandbox = installed();
    sandbox.git(&["rm", "-q", "package.json", "backend/package.json"]);
    std::os::unix::fs::symlink("web/package.json", sandbox.top.join("package.json")).unwrap();
    sandbox.write("a/b/package.json", "{}\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "x"]);
    let ran = prove_as(&sandbox, |command| _ = command.arg("-v"));
    assert!(ran.err.contains("\"file:../.docker-deps/bakstop-proof-"), "{ran:?}");
    assert!(ran.out.contains("a rewritten web/package.json"), "{ran:?}");

    // Broken, or with many other findings.
    let spec = rewritten_spec();
    let lines: String = (0..40).map(|n| format!("    \"x{n}\": \"{spec}\",\n")).collect();
    for text in [
        "{ broken".to_owned(),
        format!("{{\n  \"devDependencies\": {{\n{lines}    \"y\": \"1\"\n  }}\n}}\n"),
    ] {
        sandbox.write("web/package.json", text);
        sandbox.git(&["commit", "-q", "--no-verify", "-am", "x"]);
        assert_proven(&prove(&sandbox), "web/package.json");
    }

    sandbox.git(&["rm", "-q", "-r", "web", "a", "package.json"]);
    sandbox.write("package.json/x", "");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "x"]);
    assert_proven(&prove(&sandbox), "package.json");

    let unborn = Sandbox::unborn();
    must(unborn.bakstop(&["install"]));
    unborn.write("package.json", "{}");
    unborn.git(&["add", "-A"]);
    assert_proven(&prove(&unborn), "package.json");
}

#[test]
fn every_kind_of_repository() {
    type Setup = fn(&Sandbox);
    let cases: [(&str, Setup); 9] = [
        ("detached", |sandbox| _ = sandbox.git(&["checkout", "-q", "--detach"])),
        ("split index", |sandbox| _ = sandbox.git(&["update-index", "--split-index"])),
        ("split and watched from now on", |sandbox| {
            sandbox.git(&["config", "core.splitIndex", "true"]);
            sandbox.git(&["config", "core.untrackedCache", "true"]);
            script(
                sandbox,
                "../watch",
                "#!/bin/sh\necho >>\"${0%/*}/watched\"\nprintf 'x\\0/\\0'\n",
            );
            let watch = sandbox.outside().join("watch");
            sandbox.git(&["config", "core.fsmonitor", watch.to_str().unwrap()]);
            sandbox.git(&["status"]);
        }),
        ("sparse", |sandbox| {
            _ = sandbox.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "backend"]);
        }),
        ("sparse, not as a cone", |sandbox| {
            _ = sandbox.git(&["sparse-checkout", "set", "--no-cone", "web/*"]);
        }),
        ("index of many files", |sandbox| {
            _ = sandbox.git(&["config", "feature.manyFiles", "true"]);
        }),
        ("packed", |sandbox| _ = sandbox.git(&["gc", "-q"])),
        ("replaced", |sandbox| {
            sandbox.git(&["replace", "HEAD:package.json", "HEAD:pnpm-workspace.yaml"]);
        }),
        ("settings of a worktree", |sandbox| {
            _ = sandbox.git(&["config", "extensions.worktreeConfig", "true"]);
        }),
    ];
    for (what, setup) in cases {
        let sandbox = installed();
        setup(&sandbox);
        // Another hook runs git as well, and changes the index.
        let hook = sandbox.top.join(".git/hooks/pre-commit");
        let text = fs::read_to_string(&hook).unwrap();
        let first = "\ngit status >/dev/null; git update-index --force-remove web/index.js\n";
        for text in [text.clone(), text.replacen('\n', first, 1)] {
            fs::write(&hook, text).unwrap();
            let ran = prove(&sandbox);
            assert!(ran.code == Some(0), "{what}: {ran:?}");
            assert_proven(&ran, "package.json");
        }
    }
    for format in [["--object-format=sha256"], ["--ref-format=reftable"]] {
        let sandbox = Sandbox::empty();
        if sandbox.try_git(&["init", "-q", format[0]]).code != Some(0) {
            continue; // This git is older.
        }
        must(sandbox.bakstop(&["install"]));
        assert_proven(&prove(&sandbox), "package.json");
        sandbox.write("web/package.json", "{}\n");
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-qm", "x"]);
        assert_proven(&prove(&sandbox), "web/package.json");
    }
}

#[test]
fn clones_of_every_kind() {
    let origin = Sandbox::workspace();
    origin.write("web/index.js", "x\n");
    origin.git(&["commit", "-qam", "x"]);
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", origin.top.display());
    for arguments in [
        &["--depth=1"][..],
        &["--filter=blob:none"],
        &["--filter=blob:none", "--sparse"],
        &["--shared"],
        &["--separate-git-dir", "../shop: \"elsewhere\""],
    ] {
        let sandbox = Sandbox::empty();
        let url = if arguments == ["--shared"] { origin.top.to_str().unwrap() } else { &url };
        sandbox.git(&[&["clone", "-q"], arguments, &[url, "."]].concat());
        must(sandbox.bakstop(&["install"]));
        if arguments.contains(&"--filter=blob:none") {
            // Missing objects cannot be fetched.
            sandbox.git(&["remote", "set-url", "origin", "file:///nowhere"]);
        }
        assert_proven(&prove(&sandbox), "package.json");
    }
    // The content of the manifest is missing.
    let sandbox = Sandbox::empty();
    sandbox.git(&["clone", "-q", "--filter=blob:none", "--no-checkout", &url, "."]);
    must(sandbox.bakstop(&["install"]));
    sandbox.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn linked_worktrees_and_variables_of_git() {
    let sandbox = installed();
    let linked = sandbox.outside().join("linked: 'tree'");
    sandbox.git(&["worktree", "add", "-q", "-b", "linked", linked.to_str().unwrap()]);
    assert_proven(&prove_as(&sandbox, |command| _ = command.current_dir(&linked)), "package.json");
    let below = linked.join("web");
    assert_proven(&prove_as(&sandbox, |command| _ = command.current_dir(&below)), "package.json");

    let git_dir = sandbox.top.join(".git");
    let named = |command: &mut Command| {
        command
            .env("GIT_DIR", &git_dir)
            .env("GIT_WORK_TREE", &sandbox.top)
            .current_dir(sandbox.top.join("web"));
    };
    assert_proven(&prove_as(&sandbox, named), "package.json");
    let relative = |command: &mut Command| {
        command
            .env("GIT_DIR", "../.git")
            .env("GIT_WORK_TREE", "..")
            .current_dir(sandbox.top.join("web"));
    };
    assert_proven(&prove_as(&sandbox, relative), "package.json");
    // Run by a git alias, with another index.
    let alias = |command: &mut Command| {
        _ = command.env("GIT_INDEX_FILE", ".git/other").env("GIT_PREFIX", "web/");
    };
    assert_proven(&prove_as(&sandbox, alias), "package.json");

    // Objects in a directory that only the environment names.
    let objects = sandbox.outside().join("objects: \"more\"");
    fs::rename(sandbox.top.join(".git/objects"), &objects).unwrap();
    fs::create_dir(sandbox.top.join(".git/objects")).unwrap();
    for name in ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
        let quoted = format!("\"{}\"", objects.display().to_string().replace('"', "\\\""));
        let value =
            if name == "GIT_OBJECT_DIRECTORY" { objects.display().to_string() } else { quoted };
        let ran = finish(sandbox.command(BAKSTOP).arg("prove").env(name, value));
        assert_proven(&ran, "package.json");
    }
    fs::remove_dir(sandbox.top.join(".git/objects")).unwrap();
    fs::rename(&objects, sandbox.top.join(".git/objects")).unwrap();
}

#[test]
fn separate_git_directories_and_submodules() {
    let moved = Sandbox::workspace();
    fs::rename(moved.top.join(".git"), moved.outside().join("data")).unwrap();
    fs::create_dir(moved.outside().join("start")).unwrap();
    let git_dir = moved.outside().join("data");
    must(finish(
        moved
            .command("git")
            .arg("--git-dir")
            .arg(&git_dir)
            .args(["config", "core.worktree"])
            .arg(&moved.top)
            .current_dir(moved.outside()),
    ));
    must(finish(moved.command(BAKSTOP).arg("install").env("GIT_DIR", &git_dir)));
    assert_proven(
        &prove_as(&moved, |command| _ = command.env("GIT_DIR", &git_dir)),
        "package.json",
    );

    let sandbox = installed();
    let outer = Sandbox::workspace();
    let url = sandbox.top.to_str().unwrap();
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "shared"]);
    let inside = outer.top.join("shared");
    must(finish(outer.command(BAKSTOP).arg("install").current_dir(&inside)));
    assert_proven(&prove_as(&outer, |command| _ = command.current_dir(&inside)), "package.json");
    assert_not_proven(&prove(&outer), "not installed", "bakstop install");
}

#[test]
fn paths_with_special_characters_work() {
    for name in ["two words", "a:b", "\"quoted\":x", "it's", "back\\slash:", "a\nb", "ü:ü", "-dash"]
    {
        let sandbox = installed();
        let moved = sandbox.outside().join(name);
        fs::rename(&sandbox.top, &moved).unwrap();
        let inside = Sandbox::empty();
        let temporary = inside.outside().join(name);
        fs::create_dir(&temporary).unwrap();
        let ran = finish(
            sandbox.command(BAKSTOP).arg("prove").current_dir(&moved).env("TMPDIR", &temporary),
        );
        assert_proven(&ran, "package.json");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    }
    let sandbox = Sandbox::workspace();
    sandbox.git(&["rm", "-qr", "."]);
    let name = std::ffi::OsString::from_vec(b"\xff\x1b[2J\n".to_vec());
    sandbox.write(Path::new(&name).join("package.json"), "{}\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "x"]);
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "\\xff\\u{001b}[2J\\n/package.json");
}

#[test]
fn a_missing_or_inactive_hook_is_reported_and_installing_fixes_it() {
    type Setup = fn(&Sandbox);
    let cases: [(&str, Setup, &str); 7] = [
        ("no hook", |_| {}, "not installed"),
        (
            "no hooks",
            |sandbox| fs::remove_dir_all(sandbox.top.join(".git/hooks")).unwrap(),
            "not installed",
        ),
        (
            "not executable",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                let hook = sandbox.top.join(".git/hooks/pre-commit");
                fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
            },
            ".git/hooks/pre-commit is not executable: git ignores it",
        ),
        (
            "emptied",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                fs::write(sandbox.top.join(".git/hooks/pre-commit"), "").unwrap();
            },
            "not installed (.git/hooks/pre-commit is not ours)",
        ),
        (
            "somebody else's",
            |sandbox| script(sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n"),
            "not installed (.git/hooks/pre-commit is not ours)",
        ),
        (
            "core.hooksPath elsewhere",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                program_at_home(sandbox);
                sandbox.git(&["config", "core.hooksPath", ".other"]);
            },
            "not installed",
        ),
        (
            "one of an earlier place",
            |sandbox| {
                must(sandbox.bakstop(&["install"]));
                fs::remove_file(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
            },
            "not installed",
        ),
    ];
    for (what, setup, reason) in cases {
        let sandbox = Sandbox::workspace();
        setup(&sandbox);
        let ran = prove(&sandbox);
        assert_not_proven(&ran, reason, "bakstop install");
        run_help(&sandbox, &ran);
        assert!(prove(&sandbox).code == Some(0), "{what}");
    }
}

#[test]
fn an_edited_hook_and_an_ignored_exit_code_are_reported() {
    // Edited: our text, but the hook passes.
    let sandbox = installed();
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    let text = fs::read_to_string(&hook).unwrap();
    fs::write(&hook, text.replacen('\n', "\nexit 0\n", 1)).unwrap();
    let reason = ".git/hooks/pre-commit was edited after bakstop wrote it, and it let a rewritten \
                  package.json through";
    assert_not_proven(&prove(&sandbox), reason, "see what `bakstop install` reports about it");
    // It runs the guard and ignores its exit code.
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        &format!("#!/bin/sh\n{BAKSTOP} hook pre-commit || true\n"),
    );
    let ran = prove(&sandbox);
    let reason = "the guard reports the rewritten package.json, and pre-commit passes all the same";
    assert_not_proven(
        &ran,
        reason,
        "let the hook fail where the guard fails: `bakstop hook pre-commit || exit`",
    );
    assert!(ran.out.contains("\noutput of pre-commit:\n  | error[rewritten-manifest]"), "{ran:?}");
}

#[test]
fn hooks_of_core_hookspath_and_of_a_manager() {
    let sandbox = installed();
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    let ran = prove(&sandbox);
    let reason = "hooks are switched off: core.hooksPath is /dev/null (file:.git/config)";
    assert_not_proven(&ran, reason, "switch them on, then install:");
    run_help(&sandbox, &ran);
    assert_proven(&prove(&sandbox), "package.json");

    let shared = sandbox.outside().join("shared");
    sandbox.git(&["config", "--global", "core.hooksPath", shared.to_str().unwrap()]);
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("set for every repository of this user"),
        "{ran:?}"
    );
    let way = ran.out.split_once("then install:\n").unwrap().1;
    run_help(&sandbox, &Ran { out: format!("\nhelp: x\n{way}"), ..ran.clone() });
    assert_proven(&prove(&sandbox), "package.json");

    // A manager without the guard, then one with it, and one that does not run it.
    let sandbox = Sandbox::workspace();
    sandbox.write("lefthook.yml", "pre-commit:\n  jobs:\n    - run: npm test\n");
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        "#!/bin/sh\n# call_lefthook run\necho \"can't find lefthook\"\n",
    );
    let ran = prove(&sandbox);
    let reason = "lefthook manages the hooks of this repository (.git/hooks/pre-commit), and \
                  bakstop is not named there";
    assert!(
        ran.out
            .starts_with(&format!("bakstop: not proven: {reason}\nhelp: add this to lefthook.yml")),
        "{ran:?}"
    );
    assert!(ran.out.ends_with("\noutput of pre-commit:\n  | can't find lefthook\n"), "{ran:?}");
    sandbox.write("lefthook.yml", "pre-commit:\n  jobs:\n    - run: bakstop hook pre-commit\n");
    let ran = prove(&sandbox);
    let reason = "lefthook manages the hooks of this repository (.git/hooks/pre-commit); \
                  bakstop is named there, but the hook did not block a rewritten package.json (it \
                  let it through)";
    assert_not_proven(&ran, reason, "lefthook install");
    let run = format!("#!/bin/sh\n# call_lefthook run\n{BAKSTOP} hook pre-commit || exit\n");
    script(&sandbox, ".git/hooks/pre-commit", &run);
    assert_proven(&prove(&sandbox), "package.json");
    // A guard that a manager runs is disabled like an installed one.
    let ran = prove_as(&sandbox, |command| _ = command.env("BAKSTOP", "0"));
    assert_not_proven(&ran, "BAKSTOP=0 is set in this environment", "unset BAKSTOP");
}

#[test]
fn everything_that_disables_the_guard_is_reported() {
    let sandbox = installed();
    for (name, value, reason) in [
        ("BAKSTOP", "0", "BAKSTOP=0 is set in this environment"),
        ("BAKSTOP_SKIP", "rewritten-manifest", "not checked: rewritten-manifest (BAKSTOP_SKIP)"),
        ("BAKSTOP_SKIP", "foo", "every commit is blocked: BAKSTOP_SKIP names no rule foo"),
    ] {
        let ran = prove_as(&sandbox, |command| _ = command.env(name, value));
        assert_not_proven(&ran, reason, &format!("unset {name}"));
    }
    let every = String::from_utf8(finish_rules(&sandbox)).unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("BAKSTOP_SKIP", &every));
    assert_not_proven(&ran, "not checked: BAKSTOP_SKIP names every rule", "unset BAKSTOP_SKIP");
    for (name, value) in [("BAKSTOP_SKIP", "stray-backup"), ("BAKSTOP", "1"), ("HUSKY", "0")] {
        assert!(
            prove_as(&sandbox, |command| _ = command.env(name, value)).code == Some(0),
            "{name}={value}"
        );
    }

    let sandbox = husky(Some("true\n"));
    assert_proven(&prove(&sandbox), "package.json");
    let ran = prove_as(&sandbox, |command| _ = command.env("HUSKY", "0"));
    assert_not_proven(&ran, "HUSKY=0 is set in this environment", "unset HUSKY");
    let start = sandbox.home().join(".config/husky/init.sh");
    fs::create_dir_all(start.parent().unwrap()).unwrap();
    fs::write(&start, "export HUSKY=0\n").unwrap();
    let reason = format!("{} sets HUSKY=0", start.display());
    assert_not_proven(&prove(&sandbox), &reason, "remove that line from the file");
    fs::write(&start, "").unwrap();
    assert_proven(&prove(&sandbox), "package.json");
    // A path may contain the words of a reason.
    let configuration = sandbox.home().join("HUSKY=0 is set: here");
    fs::create_dir_all(configuration.join("husky")).unwrap();
    fs::write(configuration.join("husky/init.sh"), "export HUSKY=0\n").unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("XDG_CONFIG_HOME", &configuration));
    let reason = format!("{}/husky/init.sh sets HUSKY=0", configuration.display());
    assert_not_proven(&ran, &reason, "remove that line from the file");
}

/// A workspace with two versions of pnpm: any change to the root manifest is an error, even if it
/// is not rewritten.
fn with_drift(configuration: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("Dockerfile", "FROM node:22\nRUN npm install -g pnpm@9.0.0\n");
    sandbox.write("bakstop.json", configuration);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Drift"]);
    must(sandbox.bakstop(&["install"]));
    sandbox
}

#[test]
fn another_error_does_not_prove_a_rule_that_is_a_warning() {
    let besides = "; pre-commit failed with exit code 1 for another reason";
    for (level, how) in
        [("warning", "makes rewritten-manifest a warning"), ("off", "turns rewritten-manifest off")]
    {
        let sandbox =
            with_drift(&format!(r#"{{ "rules": {{ "rewritten-manifest": "{level}" }} }}"#));
        let ran = prove(&sandbox);
        let reason = format!("bakstop.json:1:14 {how}{besides}");
        assert_not_proven(&ran, &reason, "remove that from bakstop.json, and commit it");
        assert!(ran.out.contains("error[package-manager-mismatch]"), "{ran:?}");
        let all = prove_as(&sandbox, |command| _ = command.arg("-v")).err;
        assert_eq!(all.contains("warning[rewritten-manifest]"), level == "warning", "{all}");
        // Indeed a commit passes.
        sandbox.rewrite("web/package.json");
        sandbox.git(&["commit", "-qam", "x"]);
    }
    // Without this configuration, both block.
    let sandbox = with_drift("{}");
    let ran = prove(&sandbox);
    assert_proven(&ran, "package.json");
    let ran = prove_as(&sandbox, |command| _ = command.env("BAKSTOP_SKIP", "rewritten-manifest"));
    let reason = format!("not checked: rewritten-manifest (BAKSTOP_SKIP){besides}");
    assert_not_proven(&ran, &reason, "unset BAKSTOP_SKIP");
}

#[test]
fn background_processes_of_a_hook_are_not_awaited_and_a_signal_is_no_proof() {
    let sandbox = Sandbox::workspace();
    for left in ["yes", "while echo x; do sleep 0.02; done", "sleep 60"] {
        let hook = format!(
            "#!/bin/sh\n{BAKSTOP} hook pre-commit\ncode=$?\n\
             timeout 60 sh -c '{left}' &\nexit $code\n"
        );
        script(&sandbox, ".git/hooks/pre-commit", &hook);
        let start = Instant::now();
        assert_proven(&prove(&sandbox), "package.json");
        assert!(start.elapsed() < Duration::from_secs(30), "{left}: {:?}", start.elapsed());
    }
    // The guard reports it, but the exit code of the hook is lost.
    let hook = format!("#!/bin/sh\n{BAKSTOP} hook pre-commit\nkill -9 $PPID\n");
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let ran = prove(&sandbox);
    let reason = "git was ended by a signal while it ran pre-commit";
    assert_not_proven(&ran, reason, "`bakstop prove -v` shows its output");
    assert!(ran.out.contains("  | error[rewritten-manifest]"), "{ran:?}");
}

/// The ids of all rules, separated by commas.
fn finish_rules(sandbox: &Sandbox) -> Vec<u8> {
    let rules = must(sandbox.bakstop(&["rules"])).out;
    let ids: Vec<&str> = rules.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ids.join(",").into_bytes()
}

/// A repository with husky that runs the guard.
fn husky(hook: Option<&str>) -> Sandbox {
    let sandbox = with_husky(hook);
    must(sandbox.bakstop(&["install"]));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Guard"]);
    sandbox
}

#[test]
fn husky_that_does_not_run_is_reported() {
    let sandbox = husky(Some("true\n"));
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let run_husky = "run husky (`npx husky`, or install the dependencies)";
    let ran = prove_as(&sandbox, |command| _ = command.current_dir(&linked));
    assert_not_proven(&ran, ".husky/_/pre-commit is missing in this work tree", run_husky);
    must(finish(sandbox.command("cp").args(["-r", ".husky/_"]).arg(linked.join(".husky/_"))));
    assert_proven(&prove_as(&sandbox, |command| _ = command.current_dir(&linked)), "package.json");

    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    let run_it = "run husky (`npx husky`, or install the dependencies)";
    assert_not_proven(&prove(&sandbox), "husky is not prepared in this clone", run_it);
    prepare_husky(&sandbox);
    assert_proven(&prove(&sandbox), "package.json");

    // Lines above the block that end the hook; then the block with line endings that no shell
    // accepts.
    let hook = fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap();
    sandbox.write(".husky/pre-commit", format!("exit 0\n{hook}"));
    let reason = "lines of .husky/pre-commit come before the block, and can end the hook";
    assert_not_proven(&prove(&sandbox), reason, "`bakstop install` moves it up");
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
    sandbox.write(".husky/pre-commit", "exit 0\n");
    assert_not_proven(&prove(&sandbox), "not installed", "bakstop install");

    // An older husky, in a path with the separators of the output.
    let sandbox = Sandbox::workspace();
    program_at_home(&sandbox);
    sandbox.git(&["config", "core.hooksPath", "a: b; c/.husky"]);
    script(&sandbox, "a: b; c/.husky/pre-commit", "#!/bin/sh\ntrue\n");
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
    let hook = sandbox.top.join("a: b; c/.husky/pre-commit");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let reason = "a: b; c/.husky/pre-commit is not executable: git ignores it";
    assert_not_proven(
        &prove(&sandbox),
        reason,
        "make it executable (`chmod +x 'a: b; c/.husky/pre-commit'`)",
    );

    // A foreign hook fails, not a guard without its program.
    let sandbox = with_husky(Some("true\n"));
    must(sandbox.bakstop(&["install"]));
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    fs::remove_file(sandbox.home().join(".local/bin/bakstop")).unwrap();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    let reason = "husky is not prepared in this clone; \
                  pre-commit failed with exit code 1 for another reason";
    assert_not_proven(&prove(&sandbox), reason, run_it);
}

/// Another program called bakstop.
fn stand_in(path: &Path, version: &str, act: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; exit; fi\n{act}\n");
    // Written by another process, see `copy_of_program`.
    must(finish(
        Command::new("sh")
            .args(["-c", "printf %s \"$1\" >\"$2\"; chmod +x \"$2\"", "sh", &text])
            .arg(path),
    ));
}

#[test]
fn a_program_that_is_missing_or_does_not_know_the_rule() {
    let sandbox = Sandbox::workspace();
    let copy = sandbox.outside().join("it's here/bakstop");
    copy_of_program(&copy);
    must(finish(sandbox.command(&copy).arg("install")));
    assert_proven(&prove(&sandbox), "package.json");
    fs::remove_file(&copy).unwrap();
    let ran = prove(&sandbox);
    assert_not_proven(&ran, "the guard finds no bakstop, and blocks everything", "bakstop install");
    assert!(ran.out.contains("  | bakstop: blocked: the program \"bakstop\""), "{ran:?}");
    run_help(&sandbox, &ran);
    assert_proven(&prove(&sandbox), "package.json");

    let older = "bakstop 0.0.9";
    let other_rule = "echo 'error[stray-backup]: a backup'; exit 1";
    for (version, act, reason) in [
        (older, "exit 0", "(version 0.0.9), which let a rewritten package.json through"),
        (
            "bakstop of another kind",
            "exit 0",
            "(no version of bakstop), which let a rewritten package.json through",
        ),
        (
            older,
            other_rule,
            "(version 0.0.9); it failed with exit code 1, but not for rewritten-manifest",
        ),
    ] {
        let sandbox = Sandbox::workspace();
        let program = sandbox.outside().join("bin/bakstop");
        copy_of_program(&program);
        must(finish(sandbox.command(&program).arg("install")));
        stand_in(&program, version, act);
        let ran = prove(&sandbox);
        let reason = format!("pre-commit runs {} {reason}", program.display());
        assert_not_proven(&ran, &reason, "bakstop install");
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");

        // The hooks of husky have no path of a program, so the one that they find must be replaced.
        let sandbox = husky(Some("true\n"));
        let program = sandbox.home().join(".local/bin/bakstop");
        stand_in(&program, version, act);
        let ran = prove(&sandbox);
        assert_eq!(
            ran.out.lines().nth(1).unwrap(),
            format!("help: install {BAKSTOP} {}", program.display()),
            "{ran:?}"
        );
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");
        fs::remove_file(&program).unwrap();
        let ran = prove(&sandbox);
        let help = format!("mkdir -p ~/.local/bin && install {BAKSTOP} ~/.local/bin/bakstop");
        assert_not_proven(&ran, "the guard finds no bakstop, and blocks everything", &help);
        run_help(&sandbox, &ran);
        assert_proven(&prove(&sandbox), "package.json");
    }
}

#[test]
fn a_failure_for_another_reason_proves_nothing() {
    let sandbox = Sandbox::workspace();
    // It prints the staged diff, and fails for another reason.
    let hook = "#!/bin/sh\nprintf '\\033[2Jno\\n'\ngit diff --cached\nenv\necho last >&2\nexit 3\n";
    script(&sandbox, ".git/hooks/pre-commit", hook);
    let ran = prove(&sandbox);
    let reason = "not installed (.git/hooks/pre-commit is not ours); \
                  pre-commit failed with exit code 3 for another reason";
    assert_not_proven(&ran, reason, "bakstop install");
    assert!(ran.out.ends_with("\n  | last\n"), "{ran:?}");
    let ran = prove_as(&sandbox, |command| _ = command.arg("-v"));
    assert!(
        ran.err.starts_with("\\u{001b}[2Jno\n") && ran.err.contains("BAKSTOP_PROVE="),
        "{ran:?}"
    );
    let ran = prove_as(&sandbox, |command| _ = command.args(["--format", "json"]));
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &report["proven"], &report["help"]),
        (Some(1), &false.into(), &"bakstop install".into())
    );
    assert_eq!(report["reason"], reason);

    // Our hook after another file that runs the guard and fails first.
    let hook = format!("#!/bin/sh\nfalse || exit 4\n{BAKSTOP} hook pre-commit || exit\n");
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let reason =
        "pre-commit failed with exit code 4, but not because of the rewritten package.json";
    assert_not_proven(&prove(&sandbox), reason, SEE);

    // A kept hook, which runs first: `prove` skips it, so that no tests run.
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\necho tests fail >&2\nexit 5\n");
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.ends_with("\noutput of pre-commit:\n  | tests fail\n"),
        "{ran:?}"
    );
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");

    // The guard fails although it is this version, so the help is not about the program.
    let sandbox = Sandbox::workspace();
    let program = sandbox.outside().join("bin/bakstop");
    copy_of_program(&program);
    must(finish(sandbox.command(&program).arg("install")));
    let version = must(finish(sandbox.command(&program).arg("--version"))).out;
    let act = "echo 'error: could not read web: \x1b no\nhelp: do this' >&2; exit 2";
    stand_in(&program, version.trim_end(), act);
    let ran = prove(&sandbox);
    assert_not_proven(&ran, "the guard itself failed: could not read web: \\u{001b} no", "do this");
    stand_in(&program, version.trim_end(), "kill -9 $$");
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("pre-commit failed with exit code 137, but"),
        "{ran:?}"
    );
}

#[test]
fn a_hook_can_see_that_this_is_not_a_commit() {
    let sandbox = Sandbox::workspace();
    let kept = "#!/bin/sh\n[ -n \"${BAKSTOP_PROVE-}\" ] && exit 0\nexit 1\n";
    script(&sandbox, ".git/hooks/pre-commit", kept);
    must(sandbox.bakstop(&["install"]));
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn the_hook_runs_as_in_a_commit() {
    let sandbox = Sandbox::workspace();
    let log = sandbox.outside().join("log");
    let hook = format!(
        "#!/bin/sh
{{
pwd; echo \"$#\"; readlink /proc/self/fd/0
env | sort | grep -E '^(GIT_|LC_|HOME|USER)' |
    grep -vE '^GIT_(INDEX_FILE|OBJECT|ALTERNATE|CONFIG_|AUTHOR)'
git diff --cached --name-only
}} > '{}' 2>&1
exit 1
",
        log.display()
    );
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    let linked = sandbox.outside().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    for directory in
        [sandbox.top.clone(), sandbox.top.join("web"), linked.clone(), linked.join("web")]
    {
        finish(sandbox.command(BAKSTOP).arg("prove").current_dir(&directory));
        let seen = fs::read_to_string(&log).unwrap();
        let top = if directory.starts_with(&linked) { &linked } else { &sandbox.top };
        fs::write(top.join("package.json"), "{ }\n").unwrap();
        finish(sandbox.command("git").args(["add", ":/package.json"]).current_dir(&directory));
        finish(sandbox.command("git").args(["commit", "-qm", "x"]).current_dir(&directory));
        assert_eq!(seen, fs::read_to_string(&log).unwrap(), "{}", directory.display());
        assert!(seen.contains("\npackage.json\n") || seen.ends_with("\npackage.json\n"), "{seen}");
    }
}

#[test]
fn a_git_without_hook_run_is_supported() {
    let old_git = |sandbox: &Sandbox| {
        let directory = sandbox.outside().join("old");
        let git = finish(sandbox.command("sh").args(["-c", "command -v git"])).out;
        stand_in(
            &directory.join("git"),
            "git version 2.34.1",
            &format!(
                "case $1 in
  version) echo 'git version 2.34.1'; exit;;
  hook) echo \"git: 'hook' is not a git command\" >&2; exit 1;;
esac
exec {} \"$@\"",
                git.trim_end()
            ),
        );
        std::env::join_paths(
            std::iter::once(directory).chain(std::env::split_paths(&path_without_bakstop())),
        )
        .unwrap()
    };
    let sandbox = installed();
    let path = old_git(&sandbox);
    assert_proven(&prove_as(&sandbox, |command| _ = command.env("PATH", &path)), "package.json");
    let linked = sandbox.outside().join("it's linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "linked", linked.to_str().unwrap()]);
    let below = linked.join("web");
    assert_proven(
        &prove_as(&sandbox, |command| _ = command.env("PATH", &path).current_dir(&below)),
        "package.json",
    );
    let hook = sandbox.top.join(".git/hooks/pre-commit");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = prove_as(&sandbox, |command| _ = command.env("PATH", &path));
    assert_not_proven(
        &ran,
        ".git/hooks/pre-commit is not executable: git ignores it",
        "bakstop install",
    );
    fs::remove_file(&hook).unwrap();
    assert_not_proven(
        &prove_as(&sandbox, |command| _ = command.env("PATH", &path)),
        "not installed",
        "bakstop install",
    );

    let sandbox = husky(None);
    let path = old_git(&sandbox);
    assert_proven(&prove_as(&sandbox, |command| _ = command.env("PATH", &path)), "package.json");
}

#[test]
fn a_hook_that_cannot_be_run_is_an_error() {
    let failed = |ran: &Ran, cause: &str| {
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(cause) && ran.err.contains("\nhelp: "), "{ran:?}");
    };
    let sandbox = Sandbox::empty();
    failed(&prove(&sandbox), "not a git repository");
    sandbox.git(&["init", "-q", "--bare"]);
    failed(&prove(&sandbox), "bare");
    let sandbox = installed();
    failed(
        &prove_as(&sandbox, |command| _ = command.env("PATH", "/nowhere")),
        "git could not be started",
    );
    failed(
        &prove_as(&sandbox, |command| _ = command.env("TMPDIR", "/nowhere")),
        "make a temporary directory",
    );
    failed(
        &prove_as(&sandbox, |command| _ = command.current_dir(sandbox.top.join(".git"))),
        "not inside a work tree",
    );
    sandbox.write(".git/refs/heads/main", "garbage\n");
    failed(&prove(&sandbox), "could not read HEAD");
    sandbox.write(".git/refs/heads/main", "1".repeat(40) + "\n");
    failed(&prove(&sandbox), "could not rehearse a commit");
    sandbox.write(".git/HEAD", "garbage\n");
    failed(&prove(&sandbox), "not a git repository");
}

#[test]
fn an_interrupted_attempt_leaves_nothing_behind() {
    let sandbox = Sandbox::workspace();
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        "#!/bin/sh\ntouch \"${0%/*}/started\"\n\
         while [ -e \"$GIT_INDEX_FILE\" ]; do sleep 0.1; done\n",
    );
    let temporary = sandbox.outside().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let child = sandbox
        .command(BAKSTOP)
        .arg("prove")
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = sandbox.top.join(".git/hooks/started");
    for _ in 0..200 {
        if started.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
    must(finish(Command::new("kill").arg(child.id().to_string())));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it was interrupted"), "{output:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_configuration_that_disables_the_rule_is_reported_with_its_line() {
    for (text, reason) in [
        (
            r#"{ "rules": { "rewritten-manifest": "off" } }"#,
            "bakstop.json:1:14 turns rewritten-manifest off",
        ),
        (
            r#"{ "rules": { "rewritten-manifest": "warning" } }"#,
            "bakstop.json:1:14 makes rewritten-manifest a warning",
        ),
        (
            r#"{ "allow": [{ "rule": "rewritten-manifest", "path": "*.json", "reason": "x" }] }"#,
            "bakstop.json:1:13 allows rewritten-manifest in package.json",
        ),
        (r#"{ "debris": { ".docker-deps": false } }"#, "bakstop.json:1:15 removes .docker-deps"),
    ] {
        let sandbox = Sandbox::workspace();
        must(sandbox.bakstop(&["install"]));
        sandbox.write("bakstop.json", text);
        assert_proven(&prove(&sandbox), "package.json");
        sandbox.commit_all("Configure");
        assert_not_proven(&prove(&sandbox), reason, "remove that from bakstop.json, and commit it");
    }
}

#[test]
fn an_ignored_guard_and_a_failing_hook_are_no_proof() {
    let sandbox = Sandbox::workspace();
    let hook = |guard: &str| {
        format!(
            "#!/bin/sh\n{BAKSTOP} hook pre-commit || {guard}\n\
             git diff --cached --name-only | grep -q CHANGELOG\n"
        )
    };
    script(&sandbox, ".git/hooks/pre-commit", &hook("true"));
    let ran = prove(&sandbox);
    assert!(
        ran.code == Some(1) && ran.out.contains("but fails on a harmless package.json as well"),
        "{ran:?}"
    );
    script(
        &sandbox,
        ".git/hooks/pre-commit",
        &format!("#!/bin/sh\n{BAKSTOP} hook pre-commit || exit\n"),
    );
    assert_proven(&prove(&sandbox), "package.json");
}

#[test]
fn manifests_that_the_configuration_allows_are_named_with_the_proof() {
    let sandbox = Sandbox::workspace();
    let text =
        r#"{ "allow": [{ "rule": "rewritten-manifest", "path": "web/**", "reason": "x" }] }"#;
    sandbox.write("bakstop.json", text);
    sandbox.commit_all("Configure");
    must(sandbox.bakstop(&["install"]));
    let ran = prove(&sandbox);
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    let expected = "bakstop: not proven elsewhere: bakstop.json:1:13 allows rewritten-manifest in \
                    web/package.json\n";
    assert_eq!(ran.err, expected);
}

#[test]
fn objects_that_a_hook_stashes_are_kept() {
    let sandbox = Sandbox::workspace();
    let hook = format!(
        "#!/bin/sh\n\
         kept=$(git stash create) && git stash store -m lint \"$kept\"\n\
         {BAKSTOP} hook pre-commit || exit\n"
    );
    script(&sandbox, ".git/hooks/pre-commit", &hook);
    sandbox.write("web/index.js", "export const mine = 1;\n");
    let ran = sandbox.bakstop(&["prove"]);
    assert!(ran.code == Some(0) && ran.out.starts_with("bakstop: proven: "), "{ran:?}");
    sandbox.git(&["fsck", "--strict"]);
    assert!(sandbox.git(&["stash", "show", "-p", "stash@{0}"]).contains("mine"));
}
