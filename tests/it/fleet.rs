//! `bakstop fleet`: one table over many repositories.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hooks::install;
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

mod templates;
mod listed;

/// A directory of clones: a good one, one with a rewritten manifest and a changed tree, one without
/// a commit.
fn fleet() -> Sandbox {
    let good = Sandbox::workspace();
    install(&good);
    let bad = good.moved_to("bad");
    clone(&bad, "../shop");
    bad.write(".gitignore", "node_modules/\n");
    bad.rewrite("web/package.json");
    bad.commit_all("Rewrite");
    bad.write("new.txt", "");
    bad.write("web/index.js", "changed\n");
    let unborn = bad.moved_to("unborn");
    fs::create_dir(&unborn.top).unwrap();
    unborn.git(&["init", "-q", "-b", "main"]);
    unborn.moved_to("shop")
}

/// Clones a repository to the directory of the sandbox.
fn clone(sandbox: &Sandbox, from: &str) {
    fs::create_dir_all(&sandbox.top).unwrap();
    sandbox.git(&["clone", "-q", from, "."]);
}

/// Runs `fleet` in the directory that holds the clones.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(BAKSTOP);
    finish(command.arg("fleet").args(arguments).current_dir(sandbox.outside()))
}

/// The document about the clones, and its exit code.
fn document(sandbox: &Sandbox, arguments: &[&str]) -> (Value, i32) {
    let ran = run(sandbox, &[&["--format", "json"], arguments].concat());
    let document = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let schema = serde_json::from_str(include_str!("../../docs/schema/fleet.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    (document, ran.code.unwrap())
}

/// The repository of this name.
fn of<'d>(document: &'d Value, name: &str) -> &'d Value {
    let all = document["repositories"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {document}"))
}

fn texts(repository: &Value, part: &str, ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| repository[part][id]["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_cell_of_three_repositories() {
    let sandbox = fleet();
    let (document, code) = document(&sandbox, &["."]);
    assert_eq!(code, 1);
    let ids = ["rules", "tree", "hook", "pins", "prep", "lockfile", "docker"];
    let shop = of(&document, "shop");
    assert_eq!(
        texts(shop, "state", &ids),
        ["ok", "clean", "in force", "pnpm 10.6.5", "—", "—", "—"]
    );
    let bad = of(&document, "bad");
    assert_eq!(
        texts(bad, "state", &ids),
        ["1 error", "2 paths", "no", "pnpm 10.6.5", "—", "—", "—"]
    );
    assert_eq!(bad["state"]["rules"]["detail"], "rewritten-manifest");
    assert_eq!(bad["state"]["tree"]["detail"], "new.txt, web/index.js");
    let commit = sandbox.id("HEAD");
    let branch = bad["state"]["branch"]["text"].as_str().unwrap();
    assert!(branch.starts_with("main ") && branch.ends_with(", ahead 1"), "{branch}");
    assert_eq!(shop["state"]["branch"]["text"], format!("main {}", commit.get(..7).unwrap()));
    let unborn = of(&document, "unborn");
    assert_eq!(unborn["state"]["branch"]["text"], "main no commit");
    assert_eq!(unborn["state"]["rules"]["state"], "open");
    let gates = ["C1", "C2", "C3", "C4", "C5", "C6", "C7"];
    assert_eq!(texts(shop, "gates", &gates), ["—"; 7]);
    assert_eq!(texts(bad, "gates", &["C3"]), ["no"]);
    assert_eq!(document["summary"], json!({ "good": 1, "bad": 2, "not_judged": 0 }));
}

#[test]
fn one_clone_stands_for_itself_and_is_judged_as_below_a_list() {
    let sandbox = fleet();
    for (arguments, code, names) in [
        (&["shop"][..], 0, &["shop"][..]),
        (&["shop", "bad", "."], 1, &["shop", "bad", "unborn"]),
        (&[], 1, &["bad", "shop", "unborn"]),
    ] {
        let (document, found) = document(&sandbox, arguments);
        let all = document["repositories"].as_array().unwrap();
        let found_names: Vec<&str> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!((found, &found_names[..]), (code, names), "{arguments:?}");
    }
    // The environment of a hook names another repository.
    let mut command = sandbox.command(BAKSTOP);
    command.args(["fleet", "../bad"]).env("GIT_DIR", sandbox.top.join(".git"));
    let ran = finish(&mut command);
    assert!(ran.out.contains("1 error"), "{ran:?}");
}

#[test]
fn a_clone_that_is_behind_is_marked_by_local_refs() {
    let sandbox = Sandbox::workspace();
    let clone = sandbox.moved_to("copy");
    self::clone(&clone, "../shop");
    let shop = clone.moved_to("shop");
    shop.write("x", "");
    shop.commit_all("Go on");
    let behind = |sandbox: &Sandbox| {
        let (document, _) = document(sandbox, &["copy"]);
        let cell = of(&document, "copy")["state"]["branch"].clone();
        (cell["text"].as_str().unwrap().ends_with(", behind 1"), cell["state"].clone())
    };
    assert_eq!(behind(&shop), (false, json!("ok")), "nothing is fetched");
    shop.git(&["-C", "../copy", "fetch", "-q"]);
    assert_eq!(behind(&shop), (true, json!("warning")));
    install(&shop.moved_to("copy"));
}

#[test]
fn warnings_count_only_if_asked() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    sandbox.write("backend/Dockerfile", "FROM node:22\nCOPY . .\nRUN npm ci\n");
    sandbox.write("backend/package-lock.json", "{\"lockfileVersion\": 3, \"packages\": {}}\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "Build", "--no-verify"]);
    let (document, _) = document(&sandbox, &["shop"]);
    let docker = &of(&document, "shop")["state"]["docker"];
    println!("{docker}");
    assert!(docker["command"].as_str().unwrap().ends_with("doctor --tree HEAD"), "{docker}");
    sandbox.write("backend/Dockerfile", "FROM node:22\n");
    sandbox.write("package.json", "{\"name\": \"shop\"}\n");
    sandbox.write("backend/.tool-versions", "pnpm latest\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "Build", "--no-verify"]);
    let codes = [&["shop"][..], &["--deny-warnings", "shop"]].map(|arguments| {
        let ran = run(&sandbox, arguments);
        println!("{}", ran.out);
        ran.code.unwrap()
    });
    assert_eq!(codes, [0, 1]);
}

/// A broken, a missing, a nested and a foreign repository, and one that does not answer: each is a
/// row, hides no other, and makes the exit code 2.
#[test]
fn one_that_cannot_be_judged_is_a_row() {
    let sandbox = fleet();
    let place = |name: &str| sandbox.outside().join(name);
    for name in ["index", "head", "refs", "objects", "fifo", "hanging", "inner", "configured"] {
        let other = sandbox.outside().join(name);
        sandbox.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    }
    fs::write(place("index/.git/index"), "no index").unwrap();
    fs::write(place("head/.git/HEAD"), "no head\n").unwrap();
    fs::remove_dir_all(place("refs/.git/refs")).unwrap();
    fs::remove_dir_all(place("objects/.git/objects")).unwrap();
    fs::create_dir(place("objects/.git/objects")).unwrap();
    fs::remove_file(place("fifo/.git/config")).unwrap();
    assert!(Command::new("mkfifo").arg(place("fifo/.git/config")).status().unwrap().success());
    // A filter that never ends, and a file that git must compare.
    let stuck = ["-C", "../hanging", "config", "filter.stuck.clean", "sleep 1000; cat"];
    sandbox.git(&stuck);
    fs::write(place("hanging/.gitattributes"), "*.js filter=stuck\n").unwrap();
    fs::write(place("hanging/web/index.js"), "export [];\n").unwrap();
    fs::write(place("configured/bakstop.json"), "{\"rulez\": {}}\n").unwrap();
    sandbox.git(&["-C", "../configured", "add", "-A"]);
    sandbox.git(&["-C", "../configured", "commit", "-q", "-m", "Configure"]);
    // A clone in a clone whose own `.git` is broken: git would find the outer one.
    sandbox.git(&["init", "-q", "../inner/nested"]);
    fs::remove_file(place("inner/nested/.git/HEAD")).unwrap();

    let start = Instant::now();
    let directories = [
        "index",
        "head",
        "refs",
        "objects",
        "fifo",
        "hanging",
        "inner/nested",
        "missing",
        "configured",
    ];
    let arguments = [&["--timeout", "3s", "shop"], &directories[..], &["home"]].concat();
    let (document, code) = document(&sandbox, &arguments);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(code, 2);
    assert_eq!(of(&document, "shop")["state"]["rules"]["text"], "ok");
    for (name, cause) in [
        ("index", "index file"),
        ("head", "not a git repository"),
        ("refs", "not a git repository: .git has no refs"),
        ("fifo", "it is a FIFO, not a regular file"),
        ("hanging", "it did not exit in 3 seconds"),
        ("nested", "git finds that of"),
        ("missing", "No such file or directory"),
        ("home", "it is no clone, and there is none directly in it"),
    ] {
        let error = &of(&document, name)["error"];
        let found = error["cause"].as_str().unwrap_or_else(|| panic!("{name}: {document}"));
        assert!(found.contains(cause), "{name}: {found}");
        assert_eq!(of(&document, name)["state"], json!({}), "{name}: nothing is ticked");
    }
    // An invalid configuration hides only what is judged by it.
    let configured = &of(&document, "configured")["state"];
    assert_eq!(texts(configured, "rules", &[]), [""; 0]);
    assert_eq!(configured["rules"]["state"], "unknown");
    assert_eq!(configured["hook"]["text"], "no");
    let human = run(&sandbox, &arguments);
    assert_eq!(human.code, Some(2));
    for name in directories.iter().filter(|name| **name != "configured" && **name != "objects") {
        assert!(human.out.contains(&format!("\ncould not judge {name}: ")), "{name}: {human:?}");
    }
    // Nothing that was started is left.
    assert!(!is_running("sleep 1000; cat"));
}

/// Whether a process with these words runs.
fn is_running(words: &str) -> bool {
    let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    String::from_utf8_lossy(&processes.stdout).contains(words)
}

#[test]
fn an_interrupt_ends_every_process() {
    let sandbox = fleet();
    sandbox.git(&["config", "filter.stuck.clean", "sleep 1234; cat"]);
    sandbox.write(".gitattributes", "*.js filter=stuck\n");
    sandbox.write("web/index.js", "export [];\n");
    let mut command = sandbox.command(BAKSTOP);
    let mut run = command.args(["fleet", "."]).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_running("sleep 1234; cat") {
        assert!(Instant::now() < deadline, "the filter runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = run.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().signal(), Some(15));
    assert!(!is_running("sleep 1234; cat"));
}

#[test]
fn a_repository_of_another_owner_is_a_row() {
    let sandbox = fleet();
    let theirs = sandbox.outside().join("bad");
    if chown(&theirs, Some(65534), None).is_err() {
        eprintln!("skipped: this needs root");
        return;
    }
    chown(theirs.join(".git"), Some(65534), None).unwrap();
    let (document, code) = document(&sandbox, &["bad", "shop"]);
    assert_eq!(code, 2);
    let error = &of(&document, "bad")["error"];
    assert!(error["cause"].as_str().unwrap().contains("dubious ownership"), "{error}");
    assert!(error["help"].as_str().unwrap().contains("if you trust this directory"), "{error}");
    assert_eq!(of(&document, "shop")["state"]["rules"]["text"], "ok");
}

/// The times, the mode and the content of a file or directory.
type About = ([i64; 4], u32, Vec<u8>);

/// Every file and directory.
fn state(directory: &Path) -> BTreeMap<String, About> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
        found.insert(path.display().to_string(), (times, about.mode(), content));
        if about.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

#[test]
fn nothing_is_changed() {
    let sandbox = fleet();
    sandbox.write("Dockerfile", "FROM node:22\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "Build", "--no-verify"]);
    // The index is out of date: git would write it.
    for file in ["shop/web/index.js", "bad/backend/index.js"] {
        let path = sandbox.outside().join(file);
        let text = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
    }
    sandbox.git(&["config", "gc.auto", "1"]);
    let directories = ["shop", "bad", "unborn"].map(|name| sandbox.outside().join(name));
    let all = || directories.iter().map(|path| state(path)).collect::<Vec<_>>();
    let before = all();
    for arguments in [&["."][..], &["--prove", "."], &["--format", "markdown", "--jobs", "3"]] {
        let ran = run(&sandbox, arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for (old, new) in before.iter().zip(all()) {
            for (path, about) in old {
                assert_eq!(new.get(path), Some(about), "{path} after {arguments:?}");
            }
            assert_eq!(old.len(), new.len(), "{arguments:?}");
        }
    }
}

#[test]
fn the_order_is_that_of_the_names_whatever_ends_first() {
    let sandbox = fleet();
    for name in ["a", "b", "c", "d", "e"] {
        sandbox.git(&["clone", "-q", ".", sandbox.outside().join(name).to_str().unwrap()]);
    }
    let one = run(&sandbox, &["--jobs", "1"]);
    for jobs in ["2", "4", "64"] {
        assert_eq!(run(&sandbox, &["--jobs", jobs]), one, "{jobs}");
    }
    let rows = one.out.lines().take(9).skip(1).map(|line| line.split(' ').next().unwrap());
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows, ["a", "b", "bad", "c", "d", "e", "shop", "unborn"]);
    assert_eq!(run(&sandbox, &["--jobs", "0"]).code, Some(2));
}

#[test]
fn hooks_run_only_if_asked() {
    let sandbox = fleet();
    let marker = sandbox.outside().join("ran");
    let hook = sandbox.outside().join("bad/.git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    run(&sandbox, &["."]);
    assert!(!marker.exists());
    let (document, code) = document(&sandbox, &["--prove", "."]);
    assert!(marker.exists());
    assert_eq!(code, 1);
    assert_eq!(of(&document, "unborn")["gates"]["C4"]["text"], "no", "it proves nothing");
    assert_eq!(of(&document, "shop")["gates"]["C4"]["text"], "yes");
    assert_eq!(of(&document, "bad")["gates"]["C4"]["text"], "no");
    fs::write(&hook, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    let (document, code) = self::document(&sandbox, &["--prove", "--timeout", "3s", "."]);
    assert_eq!(code, 2);
    assert_eq!(of(&document, "bad")["error"]["cause"], "it did not exit in 3 seconds");
    assert_eq!(of(&document, "shop")["gates"]["C4"]["text"], "yes");
}

#[test]
fn every_printed_command_shows_what_the_table_says() {
    let sandbox = fleet();
    let odd = sandbox.moved_to("it's -odd");
    clone(&odd, "../bad");
    odd.write("x y", "");
    let (document, _) = document(&odd, &["it's -odd"]);
    let cells = of(&document, "it's -odd")["state"].as_object().unwrap();
    let commands: Vec<&str> = cells.values().filter_map(|cell| cell["command"].as_str()).collect();
    assert_eq!(commands.len(), 3, "{document}");
    for command in commands {
        let path = format!("{}:/usr/bin:/bin", Path::new(BAKSTOP).parent().unwrap().display());
        let mut shell = odd.command("sh");
        let ran = finish(shell.args(["-c", command]).current_dir(odd.outside()).env("PATH", path));
        // What is not installed is installed; the others show the reason.
        let installs = command.ends_with(" install");
        assert_eq!(ran.code, Some(i32::from(!installs)), "{command}: {ran:?}");
    }
}

#[test]
fn reports_go_to_a_file_and_to_standard_output() {
    let sandbox = fleet();
    let markdown = run(&sandbox, &["--format", "markdown", "."]);
    let to_file = run(&sandbox, &["--format", "markdown", "--output", "table.md", "."]);
    let text = fs::read_to_string(sandbox.outside().join("table.md")).unwrap();
    assert_eq!((text, to_file.code), (markdown.out.clone(), Some(1)));
    assert_eq!(to_file.out, run(&sandbox, &["."]).out);
    let lines: Vec<&str> = markdown.out.lines().collect();
    assert_eq!(
        lines[0],
        "| repository | branch | rules | tree | hook | pins | prep | lockfile | docker | cold | \
         warm | C1 | C2 | C3 | C4 | C5 | C6 | C7 |"
    );
    assert!(lines[2].starts_with("| bad | main "), "{}", lines[2]);
    assert!(markdown.out.contains("- bad: rules: 1 error: rewritten-manifest\n"), "{lines:#?}");
    let tracked = run(&sandbox, &["--output", "shop/package.json", "shop"]);
    assert_eq!(tracked.code, Some(2), "{tracked:?}");
}
