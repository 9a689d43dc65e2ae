//! `bakstop verify` tells everything about a work tree that is not as it should be, and stays quiet otherwise.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

const QUIET: (Option<i32>, &str, &str) = (Some(0), "", "");

fn said(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.code, &ran.out, &ran.err)
}

/// `path: states (notes)` of each path in the machine-readable report.
fn told(ran: &Ran) -> Vec<String> {
    let list = |value: &Value| -> String {
        value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(report["schema"], "bakstop.verify/1");
    let line = |path: &Value| {
        let notes = list(&path["notes"]);
        let notes = if notes.is_empty() { notes } else { format!(" ({notes})") };
        format!("{}: {}{notes}", path["path"].as_str().unwrap(), list(&path["after"]))
    };
    report["paths"].as_array().unwrap().iter().map(line).collect()
}

fn verify(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.bakstop(&["verify", "--format", "json"]);
    let told = told(&ran);
    assert_eq!(ran.code, Some(i32::from(!told.is_empty())), "{ran:?}");
    told
}

/// Runs a shell script between a before and an after.
fn around(sandbox: &Sandbox, script: &str) -> Ran {
    sandbox.bakstop(&["verify", "--", "sh", "-c", script])
}

fn changed(sandbox: &Sandbox, script: &str) -> Vec<String> {
    told(&sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", script]))
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A repository outside the work tree, to be used as a submodule.
fn library(sandbox: &Sandbox) {
    let script = "git init -q -b main ../lib && cd ../lib && echo 1 > a.c && git add a.c && git commit -q -m Start";
    assert_eq!(sandbox.run("sh", &["-c", script]).code, Some(0));
}

fn add_submodule(sandbox: &Sandbox) {
    library(sandbox);
    sandbox.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../lib", "lib"]);
    sandbox.git(&["commit", "-q", "-m", "Add a submodule"]);
}

/// A way of being not clean: how it comes about, and how it is told.
type Scene = (&'static str, fn(&Sandbox), &'static [&'static str]);

const SCENES: &[Scene] = &[
    ("clean", |_| {}, &[]),
    ("modified", |s| s.write("web/index.js", "1\n"), &["web/index.js: modified"]),
    ("touched, but the same", |s| s.write("web/index.js", fs::read(s.top.join("web/index.js")).unwrap()), &[]),
    (
        "staged",
        |s| {
            s.write("web/index.js", "1\n");
            s.git(&["add", "-A"]);
        },
        &["web/index.js: staged"],
    ),
    (
        "staged, then modified",
        |s| {
            s.write("new.js", "1\n");
            s.git(&["add", "-A"]);
            s.write("new.js", "2\n");
        },
        &["new.js: staged, modified (new file)"],
    ),
    ("deleted", |s| fs::remove_file(s.top.join("web/index.js")).unwrap(), &["web/index.js: deleted"]),
    (
        "deleted in the index",
        |s| _ = s.git(&["rm", "-q", "web/index.js"]),
        &["web/index.js: staged (deleted in the index)"],
    ),
    (
        "removed from the index, kept on disk",
        |s| _ = s.git(&["rm", "-q", "--cached", "web/index.js"]),
        &["web/index.js: staged, untracked (deleted in the index)"],
    ),
    (
        "renamed in the index",
        |s| _ = s.git(&["mv", "web/index.js", "web/main.js"]),
        &["web/index.js: staged (deleted in the index)", "web/main.js: staged (new file)"],
    ),
    (
        "renamed on disk",
        |s| fs::rename(s.top.join("web/index.js"), s.top.join("web/main.js")).unwrap(),
        &["web/index.js: deleted", "web/main.js: untracked"],
    ),
    (
        "intent to add",
        |s| {
            s.write("new.js", "1\n");
            s.git(&["add", "-N", "new.js"]);
        },
        &["new.js: modified (new file)"],
    ),
    (
        "made executable",
        |s| fs::set_permissions(s.top.join("web/index.js"), Permissions::from_mode(0o755)).unwrap(),
        &["web/index.js: modified (mode changed)"],
    ),
    (
        "turned into a link",
        |s| {
            fs::remove_file(s.top.join("web/index.js")).unwrap();
            symlink("package.json", s.top.join("web/index.js")).unwrap();
        },
        &["web/index.js: modified (type changed)"],
    ),
    (
        "untracked, one by one",
        |s| {
            s.write("new/a/b.js", "");
            s.write("new/c.js", "");
        },
        &["new/a/b.js: untracked", "new/c.js: untracked"],
    ),
    (
        "untracked, hidden by configuration",
        |s| {
            s.git(&["config", "status.showUntrackedFiles", "no"]);
            s.write("new.js", "");
        },
        &["new.js: untracked"],
    ),
    (
        "hostile names",
        |s| {
            s.write(path(b"a\nb \"q\"\t\x1b[2J"), "");
            s.write(path(b"b\xff/c"), "");
        },
        &["a\nb \"q\"\t\u{1b}[2J: untracked", "b\\xff/c: untracked"],
    ),
    (
        "leftovers that git ignores",
        |s| {
            s.write("package.json.bak", "");
            s.write("web/PACKAGE.JSON.BAK", "");
            s.write(".docker-deps/acme-ui-1.4.0.tgz", "");
            symlink("/nowhere", s.top.join("web/link.bak")).unwrap();
        },
        &[
            ".docker-deps/acme-ui-1.4.0.tgz: ignored leftover",
            "package.json.bak: ignored leftover",
            "web/PACKAGE.JSON.BAK: untracked",
            "web/link.bak: ignored leftover",
        ],
    ),
    (
        "leftovers in an ignored directory, which git shows as one",
        |s| {
            s.write(".git/info/exclude", "dist/\n");
            s.write("dist/a/x.bak", "");
            s.write("dist/.docker-deps/y/.gitkeep", "");
            s.write("dist/main.js", "");
        },
        &["dist/.docker-deps/y/.gitkeep: ignored leftover", "dist/a/x.bak: ignored leftover"],
    ),
    (
        "backups that are not ignored, or tracked",
        |s| {
            s.write(".gitignore", "");
            s.write("kept.bak", "");
            s.git(&["add", "-A"]);
            s.git(&["commit", "-q", "-m", "Keep a backup"]);
            s.write("new.bak", "");
        },
        &["new.bak: untracked"],
    ),
    (
        "node_modules is another's",
        |s| {
            s.write("node_modules/a/x.bak", "");
            s.write("web/node_modules/.docker-deps/x.tgz", "");
        },
        &[],
    ),
    (
        "a nested repository is another's, and is itself untracked",
        |s| {
            s.git(&["init", "-q", "inner"]);
            s.write("inner/x.bak", "");
        },
        &["inner/: untracked"],
    ),
    (
        "a directory that only looks like a repository hides nothing",
        |s| {
            fs::create_dir_all(s.top.join("web/fake/.git")).unwrap();
            s.write("web/fake/x.bak", "");
        },
        &["web/fake/x.bak: ignored leftover"],
    ),
    (
        "a repository inside .docker-deps",
        |s| _ = s.git(&["init", "-q", ".docker-deps/inner"]),
        &[".docker-deps/inner/: ignored leftover"],
    ),
    (
        "a link to a directory is not followed",
        |s| {
            fs::create_dir(s.outside().join("else")).unwrap();
            fs::write(s.outside().join("else/x.bak"), "").unwrap();
            symlink("../else", s.top.join("else")).unwrap();
        },
        &["else: untracked"],
    ),
    (
        "conflicted",
        |s| {
            s.git(&["switch", "-q", "-c", "side"]);
            s.write("web/index.js", "side\n");
            s.git(&["commit", "-q", "-a", "-m", "Side"]);
            s.git(&["switch", "-q", "main"]);
            s.write("web/index.js", "main\n");
            s.git(&["commit", "-q", "-a", "-m", "Main"]);
            assert_eq!(s.try_git(&["merge", "-q", "side"]).code, Some(1));
        },
        &["web/index.js: conflicted (both modified)"],
    ),
    (
        "a submodule whose dirt is hidden by configuration",
        |s| {
            add_submodule(s);
            s.git(&["config", "submodule.lib.ignore", "all"]);
            s.git(&["config", "diff.ignoreSubmodules", "all"]);
            s.write("lib/a.c", "2\n");
            s.write("lib/x.bak", "");
        },
        &["lib: modified (modified content, untracked content)"],
    ),
    (
        "a submodule at another commit",
        |s| {
            add_submodule(s);
            s.git(&["-C", "lib", "commit", "-q", "--allow-empty", "-m", "More"]);
        },
        &["lib: modified (new commits)"],
    ),
    (
        "replaced by a file of the same size and time, where git is told to trust those",
        |s| {
            s.git(&["config", "core.checkStat", "minimal"]);
            // The index is written later than the file, so that git has no reason to look again.
            s.run("sh", &["-c", "touch -d 2020-01-01 web/index.js && git update-index --refresh -q"]);
            let script = "printf 'import {};\\n' > ../t && touch -r web/index.js ../t && mv ../t web/index.js";
            assert_eq!(s.run("sh", &["-c", script]).code, Some(0));
            assert_eq!(s.git(&["status", "--porcelain"]), "");
        },
        &["web/index.js: modified"],
    ),
];

#[test]
fn every_state_is_told_and_nothing_else() {
    for (name, set, expected) in SCENES {
        let sandbox = Sandbox::workspace();
        set(&sandbox);
        let told = verify(&sandbox);
        assert_eq!(told, *expected, "{name}");
    }
}

#[test]
fn what_git_status_knows_is_all_there_with_the_leftovers() {
    // One scene is about what git is kept from telling.
    for (name, set, _) in SCENES.iter().filter(|(name, ..)| !name.contains("told to trust")) {
        let sandbox = Sandbox::workspace();
        set(&sandbox);
        let arguments = ["status", "--porcelain", "-z", "-uall", "--no-renames", "--ignore-submodules=none"];
        let git: BTreeSet<String> =
            sandbox.git(&arguments).split_terminator('\0').map(|line| line[3..].replace('\u{fffd}', "\\xff")).collect();
        let ours: BTreeSet<String> = verify(&sandbox)
            .into_iter()
            .filter(|line| !line.ends_with(": ignored leftover"))
            .map(|line| line.rsplit_once(": ").unwrap().0.to_owned())
            .collect();
        assert_eq!(ours, git, "{name}");
    }
}

#[test]
fn clean_is_quiet_unless_asked() {
    let sandbox = Sandbox::workspace();
    assert_eq!(said(&sandbox.bakstop(&["verify"])), QUIET);
    assert_eq!(said(&sandbox.bakstop(&["verify", "--", "true"])), QUIET);
    let ran = sandbox.bakstop(&["verify", "--verbose"]);
    assert_eq!(said(&ran), (Some(0), "", "bakstop: the work tree is clean\n"));
}

#[test]
fn before_the_first_commit_there_is_a_tree_as_well() {
    let sandbox = Sandbox::unborn();
    assert_eq!(verify(&sandbox), [""; 0]);
    sandbox.write("a", "");
    assert_eq!(verify(&sandbox), ["a: untracked"]);
}

#[test]
fn the_whole_tree_is_judged_from_anywhere_in_it() {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json.bak", "");
    sandbox.write("backend/new.js", "");
    let ran = finish(sandbox.command(BAKSTOP).arg("verify").current_dir(sandbox.top.join("web")));
    assert_eq!(
        said(&ran),
        (
            Some(1),
            "untracked         backend/new.js\n\
             ignored leftover  package.json.bak\n\
             \n\
             help: a backup may hold the only copy of an edit: compare it with its original, then remove it\n\
             \n\
             bakstop: 2 paths are not clean\n",
            ""
        )
    );
}

#[test]
fn a_linked_worktree_is_a_tree_of_its_own() {
    let sandbox = Sandbox::workspace();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    sandbox.write("here.bak", "");
    let linked = sandbox.outside().join("linked");
    let run = || finish(sandbox.command(BAKSTOP).args(["verify", "--format", "json"]).current_dir(&linked));
    assert_eq!(told(&run()), [""; 0]);
    fs::write(linked.join("web/there.bak"), "").unwrap();
    assert_eq!(told(&run()), ["web/there.bak: ignored leftover"]);
}

#[test]
fn what_was_not_undone_is_told_with_its_cure() {
    let sandbox = Sandbox::workspace();
    let script = "cp web/package.json web/package.json.bak && printf x > .docker-deps/acme-ui-1.4.0.tgz";
    sandbox.run("sh", &["-c", script]);
    sandbox.rewrite("web/package.json");
    assert_eq!(
        said(&sandbox.bakstop(&["verify"])),
        (
            Some(1),
            "modified          web/package.json: this dependency points into .docker-deps\n\
             ignored leftover  .docker-deps/acme-ui-1.4.0.tgz\n\
             ignored leftover  web/package.json.bak\n\
             \n\
             help: the preparation has not been undone; put the originals back\n\
             \x20   docker-prep.sh --restore  # wherever it is kept\n\
             \n\
             bakstop: 3 paths are not clean\n",
            ""
        )
    );
}

#[test]
fn what_was_dirty_before_is_told_only_if_it_changed() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "mine\n");
    sandbox.write("notes.txt", "mine\n");
    sandbox.write("old.bak", "mine\n");
    sandbox.write("run.sh", "mine\n");
    symlink("a", sandbox.top.join("link")).unwrap();
    assert_eq!(said(&around(&sandbox, "true")), QUIET);
    assert_eq!(said(&around(&sandbox, "cp notes.txt t && mv t notes.txt && touch web/index.js")), QUIET);
    for (script, told) in [
        ("echo more >> web/index.js", &["web/index.js: modified (changed again)"][..]),
        ("printf 'ours\\n' > notes.txt", &["notes.txt: untracked (changed again)"]),
        ("echo more >> old.bak", &["old.bak: ignored leftover (changed again)"]),
        ("chmod +x run.sh", &["run.sh: untracked (changed again)"]),
        ("ln -sf b link", &["link: untracked (changed again)"]),
        ("rm link && echo b > link", &["link: untracked (changed again)"]),
        ("git add notes.txt", &["notes.txt: staged (new file, was untracked)"]),
        ("echo theirs > notes.txt && git add notes.txt", &["notes.txt: staged (changed again)"]),
        ("rm notes.txt", &["notes.txt: staged, deleted (new file, was staged)"]),
        ("git rm -q --cached notes.txt && rm old.bak", &["notes.txt:  (was staged, deleted)", "old.bak: "]),
        ("git restore web", &["web/index.js:  (was modified)"]),
    ] {
        // `new file` is said of both moments, and so no news.
        let changed = changed(&sandbox, script);
        let changed: Vec<_> = changed.iter().map(|line| line.replace("(new file, changed", "(changed")).collect();
        assert_eq!(changed, told, "{script}");
    }
}

#[test]
fn variables_that_speak_of_this_repository_do_not_reach_a_submodule() {
    // Git sets GIT_INDEX_FILE for the hooks that it runs.
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    sandbox.write("lib/a.c", "2\n");
    let mut command = sandbox.command(BAKSTOP);
    command.env("GIT_INDEX_FILE", sandbox.top.join(".git/index"));
    let stage = "unset GIT_INDEX_FILE; git -C lib add a.c";
    let ran = finish(command.args(["verify", "--format", "json", "--", "sh", "-c", stage]));
    assert_eq!(told(&ran), ["lib: modified (modified content, changed again)"]);
}

#[test]
fn a_dirty_submodule_whose_content_changes_again_is_seen() {
    let sandbox = Sandbox::workspace();
    add_submodule(&sandbox);
    sandbox.git(&["init", "-q", "inner"]);
    sandbox.write("lib/a.c", "2\n");
    sandbox.write("inner/b.c", "2\n");
    assert_eq!(changed(&sandbox, "true"), [""; 0]);
    assert_eq!(changed(&sandbox, "echo 3 > lib/a.c"), ["lib: modified (modified content, changed again)"]);
    assert_eq!(changed(&sandbox, "echo 3 > inner/b.c"), ["inner/: untracked (changed again)"]);
    assert_eq!(changed(&sandbox, "git -C lib restore a.c"), ["lib:  (was modified)"]);
}

#[test]
fn a_build_that_commits_or_switches_moves_head() {
    let sandbox = Sandbox::workspace();
    let before = sandbox.git(&["rev-parse", "HEAD"])[..12].to_owned();
    let ran = around(&sandbox, "git commit -q --allow-empty -m Release");
    let after = sandbox.git(&["rev-parse", "HEAD"])[..12].to_owned();
    let expected = format!("HEAD moved  {before} (main) -> {after} (main)\n\nbakstop: the command moved HEAD\n");
    assert_eq!(said(&ran), (Some(1), &*expected, ""));
    let ran = around(&sandbox, "git switch -q --detach && echo 1 > web/index.js");
    let expected = format!(
        "HEAD moved  {after} (main) -> {after} (detached)\nmodified    web/index.js\n\n\
         bakstop: the command changed 1 path and moved HEAD\n"
    );
    assert_eq!(said(&ran), (Some(1), &*expected, ""));
}

#[test]
fn a_failing_command_gives_its_own_code_and_the_tree_is_told_all_the_same() {
    let sandbox = Sandbox::workspace();
    let ran = around(&sandbox, "echo building; echo 1 > web/index.js; exit 3");
    let expected = "building\nmodified  web/index.js\n\n\
                    bakstop: the command changed 1 path; it ended with exit code 3\n";
    assert_eq!(said(&ran), (Some(3), expected, ""));
    let ran = around(&sandbox, "exit 3");
    assert_eq!(said(&ran), (Some(3), "", "bakstop: the command ended with exit code 3; the work tree is as it was\n"));
    let ran = around(&sandbox, "kill -KILL $$");
    assert_eq!((ran.code, &*ran.out), (Some(137), ""));
}

#[test]
fn a_command_that_cannot_be_started_gives_the_codes_of_a_shell() {
    let sandbox = Sandbox::workspace();
    for (program, code, words) in [
        ("./nowhere", 127, "error: could not start ./nowhere: No such file or directory"),
        ("no-such-program", 127, "error: could not start no-such-program: No such file or directory"),
        ("./web/index.js", 126, "error: could not start ./web/index.js: Permission denied"),
        ("./web", 126, "error: could not start ./web: Permission denied"),
    ] {
        let ran = sandbox.bakstop(&["verify", "--", program]);
        assert_eq!((ran.code, &*ran.out), (Some(code), ""), "{program}");
        assert!(ran.err.starts_with(words), "{ran:?}");
    }
}

#[test]
fn the_command_runs_where_we_stand_with_our_streams_and_its_own_arguments() {
    let sandbox = Sandbox::workspace();
    let mut command = sandbox.command(BAKSTOP);
    command.args(["-C", "web", "verify", "--", "sh", "-c", "pwd; cat; printf '%s|' \"$@\"", "sh", "a b", "--format"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let top = sandbox.top.canonicalize().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}/web\ninput\na b|--format|", top.display()));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_document_stands_alone_on_standard_output() {
    let sandbox = Sandbox::workspace();
    let ran = sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", "echo building; exit 4"]);
    assert_eq!((ran.code, ran.err.lines().next().unwrap()), (Some(4), "building"));
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["command"]["exit_code"], 4);
    assert_eq!(report["summary"]["clean"], true);
}

#[test]
fn doubt_is_no_proof() {
    let code_and_help = |ran: Ran, words: &str| {
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(words) && ran.err.contains("\nhelp: "), "{ran:?}");
    };
    let empty = Sandbox::empty();
    code_and_help(empty.bakstop(&["verify"]), "not a git repository");
    empty.git(&["init", "-q", "--bare", "."]);
    code_and_help(empty.bakstop(&["verify"]), "must be run in a work tree");

    let sandbox = Sandbox::workspace();
    let inside = finish(sandbox.command(BAKSTOP).arg("verify").current_dir(sandbox.top.join(".git")));
    code_and_help(inside, "must be run in a work tree");
    let foreign = finish(sandbox.command(BAKSTOP).arg("verify").env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"));
    code_and_help(foreign, "dubious ownership");
    let without_git = finish(sandbox.command(BAKSTOP).arg("verify").env("PATH", sandbox.home()));
    code_and_help(without_git, "install git");

    let ran = around(&sandbox, "printf broken > .git/index; exit 3");
    code_and_help(ran, "the command ended with exit code 3");
    code_and_help(sandbox.bakstop(&["verify"]), "index file");
    code_and_help(sandbox.bakstop(&["verify", "--", "true"]), "index file");
}

#[test]
fn a_directory_that_cannot_be_read_is_doubt() {
    let sandbox = Sandbox::workspace();
    sandbox.write("dist/x", "");
    let shut = |mode| fs::set_permissions(sandbox.top.join("dist"), Permissions::from_mode(mode)).unwrap();
    shut(0o000);
    // Root reads everything.
    if fs::read_dir(sandbox.top.join("dist")).is_err() {
        let ran = sandbox.bakstop(&["verify"]);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("could not look for leftovers in dist/: Permission denied"), "{ran:?}");
    }
    shut(0o755);
}

/// A command that bakstop runs and that waits, without a clock, until the test lets it go.
struct Waiting {
    bakstop: Child,
    release: PathBuf,
}

impl Waiting {
    /// Returns once the command runs: it changes the tree, says so through one pipe and waits for a word in another.
    fn start(sandbox: &Sandbox, wrap: &str) -> Self {
        let [up, release] = ["up", "release"].map(|name| sandbox.outside().join(name));
        assert_eq!(finish(Command::new("mkfifo").args([&up, &release])).code, Some(0));
        let script = "echo 1 > web/index.js; echo up > ../up; read word < ../release; exit 0";
        let bakstop = sandbox
            .command("sh")
            .args(["-c", &format!("{wrap} exec \"$0\" \"$@\""), BAKSTOP, "verify", "--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(fs::read_to_string(up).unwrap(), "up\n");
        Self { bakstop, release }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.bakstop), signal).unwrap();
    }

    fn release(&self) {
        fs::write(&self.release, "go\n").unwrap();
    }

    fn end(self) -> (Option<i32>, String) {
        let output = self.bakstop.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn a_wish_to_end_is_passed_on_and_the_report_comes() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
        let sandbox = Sandbox::workspace();
        let waiting = Waiting::start(&sandbox, "");
        waiting.send(signal);
        let report =
            format!("modified  web/index.js\n\nbakstop: the command changed 1 path; it was ended by signal {number}\n");
        assert_eq!(waiting.end(), (Some(128 + number), report));
    }
}

#[test]
fn an_interruption_is_the_commands_to_answer() {
    let sandbox = Sandbox::workspace();
    let waiting = Waiting::start(&sandbox, "");
    waiting.send(Signal::INT);
    waiting.send(Signal::QUIT);
    waiting.release();
    let report = "modified  web/index.js\n\nbakstop: the command changed 1 path\n";
    assert_eq!(waiting.end(), (Some(1), report.into()));
}

#[test]
fn a_signal_that_was_to_be_ignored_stays_ignored() {
    let sandbox = Sandbox::workspace();
    let waiting = Waiting::start(&sandbox, "trap '' HUP TERM;");
    waiting.send(Signal::HUP);
    waiting.send(Signal::TERM);
    waiting.release();
    assert_eq!(waiting.end().0, Some(1));
}

#[test]
fn a_backup_of_nobody_knows_what_is_not_proposed_for_removal() {
    let sandbox = Sandbox::workspace();
    sandbox.write("bakstop.json", r#"{ "backups": ["copy-of-*", "*.orig"] }"#);
    sandbox.write(".gitignore", "copy-of-*\n*.orig\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "Configure"]);
    sandbox.write("copy-of-notes", "mine");
    sandbox.write("web/package.json.orig", std::fs::read(sandbox.top.join("web/package.json")).unwrap());
    let ran = sandbox.bakstop(&["verify"]);
    assert!(ran.code == Some(1) && ran.out.contains("copy-of-notes"), "{ran:?}");
    assert!(ran.out.contains("rm web/package.json.orig") && !ran.out.contains("rm copy-of-notes"), "{ran:?}");
}
