//! `bakstop install --server` in bare repositories, with real pushes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::hooks::{Snapshot, copy_of_program, must, snapshot};
use crate::push::StandIn;
use crate::support::{BAKSTOP, Ran, Sandbox, clone_and_server, finish};

/// A clone and the bare repository that it pushes to.
struct Pair {
    clone: Sandbox,
    server: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let (clone, server) = clone_and_server(&[], "");
        Self { clone, server }
    }

    /// One whose `pre-receive` runs every program in a directory, like common hosting programs.
    fn delegating() -> Self {
        let pair = Self::new();
        let loop_over_directory = r#"#!/usr/bin/env bash
lines=$(cat)
name=$(basename "$0")
failed=0
for program in "${GIT_DIR:-.}/hooks/$name.d"/*; do
if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
echo "$lines" | "$program"; code=$?
[ "$failed" -ne 0 ] || failed=$code
done
exit "$failed"
"#;
        pair.write("hooks/pre-receive", loop_over_directory, 0o755);
        fs::create_dir(pair.server.join("hooks/pre-receive.d")).unwrap();
        pair.write("hooks/pre-receive.d/hosting", &pair.reader("hosting"), 0o755);
        pair
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.server.join(path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A hook that appends its input to a file.
    fn reader(&self, name: &str) -> String {
        format!("#!/bin/sh\ncat >> '{}'\n", self.clone.outside().join(name).display())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.clone.outside().join(name)).unwrap_or_default()
    }

    fn bakstop(&self, arguments: &[&str]) -> Ran {
        finish(self.clone.command(BAKSTOP).args(arguments).current_dir(&self.server))
    }

    fn git(&self, arguments: &[&str]) {
        must(finish(self.clone.command("git").args(arguments).current_dir(&self.server)));
    }

    /// Installs, and replaces the program by a stand-in.
    fn guarded(&self) -> StandIn {
        let directory = self.clone.outside().join("on the server's");
        let program = directory.join("bakstop");
        copy_of_program(&program);
        must(finish(
            self.clone.command(&program).args(["install", "--server"]).current_dir(&self.server),
        ));
        fs::remove_file(&program).unwrap();
        StandIn::at(&directory)
    }

    fn push(&self, name: &str) -> Ran {
        self.clone.try_git(&["push", "-q", "origin", &format!("HEAD:refs/heads/{name}")])
    }

    fn hooks(&self) -> Snapshot {
        snapshot(&self.server.join("hooks"))
    }

    fn mode(&self, path: &str) -> u32 {
        self.server.join(path).metadata().unwrap().permissions().mode() & 0o777
    }
}

#[test]
fn a_push_to_a_server_is_judged() {
    let pair = Pair::new();
    pair.write("hooks/pre-receive", &pair.reader("theirs"), 0o755);
    let before = pair.hooks();
    let guard = pair.guarded();
    guard.ends_with(1);
    let ran = pair.push("main");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("pre-receive hook declined"), "{ran:?}");
    let (arguments, lines) = guard.heard().unwrap();
    assert_eq!(arguments, "<hook><pre-receive>");
    assert_eq!(pair.read("theirs").as_bytes(), lines, "the kept hook reads the same");
    assert!(lines.ends_with(b" refs/heads/main\n"));
    assert_eq!(pair.clone.git(&["ls-remote", "origin"]), "");
    // The environment of the client has no effect; over a local path, the server inherits it.
    let clone = &pair.clone;
    for name in ["BAKSTOP_PROVE", "BAKSTOP"] {
        let mut command = clone.command("git");
        let ran =
            finish(command.args(["push", "-q", "origin", "HEAD:refs/heads/main"]).env(name, "0"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(pair.read("theirs").lines().count(), if name == "BAKSTOP" { 3 } else { 2 });
    }
    guard.ends_with(0);
    must(pair.push("main"));
    assert_ne!(pair.clone.git(&["ls-remote", "origin"]), "");
    // The kept hook fails.
    pair.write("hooks/pre-receive.before-bakstop", "#!/bin/sh\necho mine >&2\nexit 3\n", 0o755);
    guard.heard();
    assert_eq!(pair.push("other").code, Some(1));
    assert_eq!(guard.heard(), None);
    pair.write("hooks/pre-receive.before-bakstop", &pair.reader("theirs"), 0o755);
    must(pair.bakstop(&["uninstall"]));
    assert_eq!(pair.hooks(), before);
}

#[test]
fn a_directory_of_hooks_gets_one_more() {
    let pair = Pair::delegating();
    let before = pair.hooks();
    let ran = pair.bakstop(&["install", "--server", "--dry-run"]);
    assert_eq!(must(ran).out.lines().next(), Some("would create hooks/pre-receive.d/bakstop"));
    assert_eq!(pair.hooks(), before);
    let guard = pair.guarded();
    assert_eq!(pair.hooks().len(), before.len() + 1, "only one file came");
    let ran = must(pair.bakstop(&["status"]));
    assert!(
        ran.out.contains(
            "git runs hooks/pre-receive for each push, and that runs the programs in a directory\n"
        ),
        "{ran:?}"
    );
    let link = guard.program.clone();
    let again = finish(pair.clone.command(&link).arg("--version"));
    assert_eq!(again.code, Some(0), "the stand-in is in its place: {again:?}");
    guard.heard();

    guard.ends_with(1);
    assert_eq!(pair.push("main").code, Some(1));
    assert_eq!(
        pair.read("hosting").as_bytes(),
        guard.heard().unwrap().1,
        "each is given the lines"
    );
    guard.ends_with(0);
    must(pair.push("main"));
    assert!(guard.heard().is_some());
    // The other programs still count.
    pair.write("hooks/pre-receive.d/hosting", "#!/bin/sh\nexit 1\n", 0o755);
    assert_eq!(pair.push("other").code, Some(1));
    assert!(guard.heard().is_some());
    pair.write("hooks/pre-receive.d/hosting", &pair.reader("hosting"), 0o755);

    must(pair.bakstop(&["uninstall"]));
    assert_eq!(pair.hooks(), before);
    assert_eq!(must(pair.bakstop(&["uninstall"])).out, "bakstop: not installed\n");
}

#[test]
fn a_missing_directory_is_created() {
    let pair = Pair::delegating();
    fs::remove_dir_all(pair.server.join("hooks/pre-receive.d")).unwrap();
    let before = pair.hooks();
    let guard = pair.guarded();
    must(pair.push("main"));
    assert!(guard.heard().is_some());
    must(pair.bakstop(&["uninstall"]));
    assert_eq!(pair.hooks(), before);
}

#[test]
fn another_user_can_run_the_hook_with_any_umask() {
    for pair in [Pair::new(), Pair::delegating()] {
        let delegates = pair.server.join("hooks/pre-receive").exists();
        let hook = if delegates { "hooks/pre-receive.d/bakstop" } else { "hooks/pre-receive" };
        fs::remove_dir_all(pair.server.join(if delegates {
            "hooks/pre-receive.d"
        } else {
            "hooks"
        }))
        .unwrap();
        let install = format!("umask 077; '{BAKSTOP}' install --server");
        let private = pair.clone.outside().join("bin/bakstop");
        copy_of_program(&private);
        fs::set_permissions(private.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut elsewhere = pair.clone.command(&private);
        let ran = must(finish(elsewhere.args(["install", "--server"]).current_dir(&pair.server)));
        assert!(
            ran.out.contains("not every user can run") && ran.out.contains("/usr/local/bin\n"),
            "{ran:?}"
        );
        must(pair.bakstop(&["uninstall"]));
        let run =
            || finish(pair.clone.command("sh").args(["-c", &install]).current_dir(&pair.server));
        must(run());
        assert_eq!(pair.mode(hook), 0o755);
        assert_eq!(pair.mode(Path::new(hook).parent().unwrap().to_str().unwrap()), 0o755);
        let before = pair.hooks();
        assert!(must(run()).out.ends_with("bakstop: already installed\n"));
        assert_eq!(pair.hooks(), before);

        let hook_path = pair.server.join(hook);
        fs::set_permissions(&hook_path, fs::Permissions::from_mode(0o700)).unwrap();
        let ran = must(pair.bakstop(&["status"]));
        assert!(
            ran.out.contains("not every user can run")
                && ran.out.contains("install --server` rewrites it"),
            "{ran:?}"
        );
        must(run());
        assert_eq!(pair.mode(hook), 0o755);
    }
}

#[test]
fn status_reports_why_a_server_is_not_guarded() {
    for pair in [Pair::new(), Pair::delegating()] {
        let name = if pair.server.join("hooks/pre-receive").exists() {
            "pre-receive.d/bakstop"
        } else {
            "pre-receive"
        };
        let hook = pair.server.join("hooks").join(name);
        let status = |code: i32, reason: &str| {
            let ran = pair.bakstop(&["status"]);
            assert_eq!(ran.code, Some(code), "{ran:?}");
            assert!(ran.out.contains(reason), "{reason}: {ran:?}");
        };
        status(1, "not in force: not installed\n\nhelp: bakstop install --server\n");
        let guard = pair.guarded();
        status(0, "bakstop: in force\n");
        let text = fs::read_to_string(&hook).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
        status(1, "is not executable");
        must(pair.bakstop(&["install", "--server"]));
        status(0, "bakstop: in force\n");
        fs::write(&hook, format!("{text}exit 0\n")).unwrap();
        status(2, "was edited after bakstop wrote it");
        let ran = pair.bakstop(&["uninstall"]);
        assert!(ran.code == Some(2) && ran.err.contains("was edited"), "{ran:?}");
        fs::write(&hook, &text).unwrap();
        fs::remove_file(&guard.program).unwrap();
        status(1, "it cannot find bakstop, so it blocks every push");
        status(1, "which no longer exists");
        let ran = pair.push("main");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for line in [
            "the program \"bakstop\" on the server, is missing",
            "ask the person who runs the server",
        ] {
            assert!(ran.err.contains(line), "{ran:?}");
        }
        assert!(!ran.err.contains("BAKSTOP"), "{ran:?}");
        let ran = finish(
            pair.clone.command("git").args(["push", "-q", "origin", "main"]).env("BAKSTOP", "0"),
        );
        assert_eq!(ran.code, Some(1), "no switch: {ran:?}");
        fs::remove_file(&hook).unwrap();
        status(1, "not installed");
    }
}

#[test]
fn an_unused_directory_of_hooks_is_reported() {
    // The hook of the hosting program is missing: git does not run the directory, so the guard
    // becomes the hook itself.
    let pair = Pair::delegating();
    fs::remove_file(pair.server.join("hooks/pre-receive")).unwrap();
    let ran = must(pair.bakstop(&["install", "--server"]));
    assert!(ran.out.starts_with("created hooks/pre-receive\n"), "{ran:?}");
    // The hosting program restores its hook over ours: the guard moves.
    let fresh = Pair::delegating();
    fs::copy(fresh.server.join("hooks/pre-receive"), pair.server.join("hooks/pre-receive"))
        .unwrap();
    assert_eq!(pair.bakstop(&["status"]).code, Some(1));
    must(pair.bakstop(&["install", "--server"]));
    must(pair.bakstop(&["status"]));
    // Git ignores a hook that is not executable.
    fs::set_permissions(pair.server.join("hooks/pre-receive"), fs::Permissions::from_mode(0o644))
        .unwrap();
    let ran = pair.bakstop(&["status"]);
    assert!(
        ran.code == Some(1)
            && ran.out.contains("hooks/pre-receive, which would run it, is not exec"),
        "{ran:?}"
    );
    // It is unclear whether the hook runs the directory.
    pair.write("hooks/pre-receive", "#!/bin/sh\nexec /opt/hosting/hook\n", 0o755);
    let ran = pair.bakstop(&["status"]);
    assert!(
        ran.code == Some(2)
            && ran.out.contains("it is unknown whether hooks/pre-receive runs the programs in"),
        "{ran:?}"
    );
    must(pair.bakstop(&["uninstall"]));
    assert!(!pair.server.join("hooks/pre-receive.d/bakstop").exists());
}

#[test]
fn hooks_of_others_are_kept() {
    let pair = Pair::delegating();
    pair.write("hooks/pre-receive.d/bakstop", "#!/bin/sh\nexit 0\n", 0o755);
    let before = pair.hooks();
    let ran = pair.bakstop(&["install", "--server"]);
    assert!(
        ran.code == Some(2)
            && ran.err.contains("hooks/pre-receive.d/bakstop is not a hook of bakstop"),
        "{ran:?}"
    );
    must(pair.bakstop(&["uninstall"]));
    assert_eq!(pair.hooks(), before);
}

#[test]
fn servers_and_clones_are_distinguished() {
    let pair = Pair::new();
    let ran = pair.bakstop(&["install"]);
    assert!(
        ran.code == Some(2)
            && ran.err.contains("is bare")
            && ran.err.contains("install --server\n"),
        "{ran:?}"
    );
    let ran = pair.clone.bakstop(&["install", "--server"]);
    assert!(ran.code == Some(2) && ran.err.contains("has a work tree"), "{ran:?}");
    for other in ["--strict", "--husky", "--native"] {
        let ran = pair.bakstop(&["install", "--server", other]);
        assert!(ran.code == Some(2) && ran.err.contains("cannot be used with"), "{ran:?}");
    }
    // From a subdirectory and by its name, it is the same repository.
    let below = finish(
        pair.clone
            .command(BAKSTOP)
            .args(["install", "--server"])
            .current_dir(pair.server.join("refs")),
    );
    assert!(must(below).out.starts_with("created hooks/pre-receive\n"));
    must(pair.clone.bakstop(&["-C", pair.server.to_str().unwrap(), "status"]));
}

#[test]
fn a_configured_directory_is_used_or_refused() {
    let pair = Pair::new();
    pair.git(&["config", "core.hooksPath", "own"]);
    let below = finish(
        pair.clone
            .command(BAKSTOP)
            .args(["install", "--server"])
            .current_dir(pair.server.join("refs")),
    );
    assert!(must(below).out.contains("created own/pre-receive\n"));
    let guard = pair.guarded();
    must(pair.push("main"));
    assert!(guard.heard().is_some(), "git looks there too");
    must(pair.bakstop(&["uninstall"]));
    assert!(!pair.server.join("own").exists());

    for (value, reason) in [
        ("/dev/null", "\n  git config --unset core.hooksPath\n  bakstop install --server\n"),
        ("/srv/hooks", "/srv/hooks/pre-receive:\n    bakstop hook pre-receive \"$@\" || exit\n"),
    ] {
        pair.git(&["config", "core.hooksPath", value]);
        let ran = pair.bakstop(&["install", "--server"]);
        assert!(ran.code == Some(2) && ran.err.contains(reason), "{ran:?}");
        assert_eq!(pair.bakstop(&["status"]).code, Some(1));
        must(pair.bakstop(&["uninstall"]));
    }
    pair.git(&["config", "--unset", "core.hooksPath"]);
    pair.clone.git(&["config", "--global", "core.hooksPath", "/srv/all"]);
    let ran = pair.bakstop(&["install", "--server"]);
    assert!(
        ran.code == Some(2) && ran.err.contains("for every repository of this user"),
        "{ran:?}"
    );
}
