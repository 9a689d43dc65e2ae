//! Every kind of repository in which a hook can be proven.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Command;

use super::{assert_not_proven, assert_proven, installed, prove, prove_as};
use crate::hooks::{must, script};
use crate::support::{BAKSTOP, Sandbox, finish, rewritten_spec};

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
