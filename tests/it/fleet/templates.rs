//! Copies of a canonical file, compared with it and its history.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use crate::fleet::{clone, document, of, run};
use crate::support::Sandbox;

const FIRST: &str = "#!/bin/sh\nSERVICES=all\necho one\n";
const SECOND: &str = "#!/bin/sh\nSERVICES=all\necho one\necho two\n";
const THIRD: &str = "#!/bin/sh\nSERVICES=all\necho one\necho two\necho three\n";

/// A canonical file `plat/prep.sh` with three versions, and a list.
fn canonical() -> Sandbox {
    let plat = Sandbox::empty().moved_to("plat");
    fs::create_dir(&plat.top).unwrap();
    plat.git(&["init", "-q", "-b", "main"]);
    for text in [FIRST, SECOND, THIRD] {
        plat.write("prep.sh", text);
        executable(&plat, "prep.sh");
        plat.commit_all("Write the script");
        // Other commits do not count.
        plat.write("other", text);
        plat.commit_all("Something else");
    }
    plat
}

fn executable(sandbox: &Sandbox, path: &str) {
    fs::set_permissions(sandbox.top.join(path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Writes the list of these repositories.
fn list(sandbox: &Sandbox, names: &[&str]) {
    let repositories: Vec<String> =
        names.iter().map(|name| format!(r#"{{"path": "{name}"}}"#)).collect();
    let text = format!(
        r#"{{"repositories": [{}], "templates": [{{"canonical": "plat/prep.sh",
            "path": "scripts/prep.sh", "may_differ": ["^SERVICES="]}}]}}"#,
        repositories.join(",")
    );
    fs::write(sandbox.outside().join("fleet.json"), text).unwrap();
}

/// A repository with this copy.
fn copy(sandbox: Sandbox, name: &str, write: impl FnOnce(&Sandbox)) -> Sandbox {
    let product = sandbox.moved_to(name);
    fs::create_dir(&product.top).unwrap();
    product.git(&["init", "-q", "-b", "main"]);
    product.write("scripts/README", "");
    write(&product);
    product.commit_all("Start");
    product
}

fn with_text(text: &str) -> impl FnOnce(&Sandbox) {
    move |sandbox: &Sandbox| {
        sandbox.write("scripts/prep.sh", text);
        executable(sandbox, "scripts/prep.sh");
    }
}

fn cell<'d>(document: &'d Value, name: &str) -> &'d Value {
    &of(document, name)["templates"]["scripts/prep.sh"]
}

#[test]
fn each_answer_about_a_copy() {
    let mine = |text: &str| text.replace("SERVICES=all", "SERVICES='web backend'");
    let mut sandbox = canonical();
    sandbox = copy(sandbox, "same", with_text(THIRD));
    sandbox = copy(sandbox, "own", with_text(&mine(THIRD)));
    sandbox = copy(sandbox, "one", with_text(&mine(SECOND)));
    sandbox = copy(sandbox, "two", with_text(FIRST));
    sandbox = copy(sandbox, "edited", with_text(&THIRD.replace("three", "3")));
    sandbox = copy(sandbox, "old", with_text(&(FIRST.to_owned() + "echo fixed\n")));
    sandbox = copy(sandbox, "crlf", with_text(&THIRD.replace('\n', "\r\n")));
    sandbox = copy(sandbox, "plain", |plain| plain.write("scripts/prep.sh", THIRD));
    sandbox = copy(sandbox, "both", |both| both.write("scripts/prep.sh", SECOND));
    sandbox = copy(sandbox, "link", |link| {
        symlink("README", link.top.join("scripts/prep.sh")).unwrap();
    });
    sandbox = copy(sandbox, "directory", |other| other.write("scripts/prep.sh/x", ""));
    sandbox = copy(sandbox, "none", |_| {});
    // What is committed counts, not what lies there.
    sandbox = copy(sandbox, "uncommitted", with_text(FIRST));
    sandbox.write("scripts/prep.sh", THIRD);
    let names = [
        "same",
        "own",
        "one",
        "two",
        "edited",
        "old",
        "crlf",
        "plain",
        "both",
        "link",
        "directory",
        "none",
        "uncommitted",
    ];
    list(&sandbox, &names);
    let (document, code) = document(&sandbox, &["--list", "fleet.json"]);
    assert_eq!(code, 1);
    let mode = "mode 100644 instead of 100755";
    for (name, state, text, detail) in [
        ("same", "ok", "as the template", ""),
        ("own", "ok", "as the template", ""),
        ("one", "bad", "1 behind", "safe to overwrite"),
        ("two", "bad", "2 behind", "safe to overwrite"),
        ("edited", "bad", "edited", "1 line differs from the newest version"),
        ("old", "bad", "edited", "1 line differs from the version 1 behind"),
        ("crlf", "bad", "line ends", "CRLF instead of LF"),
        ("plain", "bad", "mode 100644", "instead of 100755"),
        ("both", "bad", "1 behind", mode),
        ("link", "bad", "no file", "something else"),
        ("directory", "bad", "no file", "something else"),
        ("none", "bad", "missing", "HEAD lacks it"),
        ("uncommitted", "bad", "2 behind", "safe to overwrite"),
    ] {
        let cell = cell(&document, name);
        assert_eq!((&cell["state"], &cell["text"]), (&state.into(), &text.into()), "{name}");
        let found = cell["detail"].as_str().unwrap_or_default();
        assert!(found.contains(detail), "{name}: {found}");
    }
    // The command that shows the difference works in that directory.
    let command = cell(&document, "edited")["command"].as_str().unwrap();
    let mut shell = sandbox.command("sh");
    let ran = crate::support::finish(shell.args(["-c", command]).current_dir(sandbox.outside()));
    assert!(ran.code == Some(1) && ran.out.contains("+echo 3\n"), "{command}: {ran:?}");
    let human = run(&sandbox, &["--list", "fleet.json"]);
    assert!(human.out.lines().next().unwrap().contains("  prep.sh"), "{human:?}");
}

#[test]
fn a_reverted_version_and_a_merged_one() {
    let plat = canonical();
    // The newest version is an old one again.
    plat.write("prep.sh", SECOND);
    plat.commit_all("Take the third line out");
    // A version of a branch that was merged.
    plat.git(&["switch", "-q", "-c", "topic", "HEAD~1"]);
    plat.write("prep.sh", format!("{THIRD}echo four\n"));
    plat.commit_all("Try a fourth line");
    plat.write("prep.sh", format!("{THIRD}echo four\necho five\n"));
    plat.commit_all("And a fifth");
    plat.git(&["switch", "-q", "main"]);
    plat.git(&["merge", "-q", "--no-ff", "-X", "theirs", "-m", "Merge", "topic"]);
    let merged = plat.git(&["show", "HEAD:prep.sh"]);
    assert!(merged.ends_with("five\n"), "{merged}");
    let mut sandbox = copy(plat, "new", with_text(&merged));
    sandbox = copy(sandbox, "third", with_text(THIRD));
    sandbox = copy(sandbox, "topic", with_text(&format!("{THIRD}echo four\n")));
    list(&sandbox, &["new", "third", "topic"]);
    let (document, _) = document(&sandbox, &["--list", "fleet.json"]);
    assert_eq!(cell(&document, "new")["text"], "as the template");
    for name in ["third", "topic"] {
        let text = cell(&document, name)["text"].as_str().unwrap();
        assert!(text.ends_with(" behind"), "{name}: {text}");
    }
}

#[test]
fn a_canonical_file_that_cannot_be_compared() {
    let mut sandbox = canonical();
    sandbox = copy(sandbox, "edited", with_text("echo mine\n"));
    list(&sandbox, &["edited"]);
    let canonical = sandbox.outside().join("plat/prep.sh");
    let refused = |help: &str| {
        let ran = run(&sandbox, &["--list", "fleet.json"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(
            ran.err.starts_with("error: could not read the history of plat/prep.sh: ")
                && ran.err.contains(help),
            "{ran:?}"
        );
    };
    sandbox.git(&["-C", "../plat", "rm", "-q", "--cached", "prep.sh"]);
    sandbox.git(&["-C", "../plat", "commit", "-q", "-m", "Remove"]);
    refused("commit it: committed versions are compared");
    fs::remove_file(&canonical).unwrap();
    refused("name a file that exists");
}

#[test]
fn a_shallow_history_proves_no_edit() {
    let mut sandbox = canonical();
    let from = format!("file://{}", sandbox.top.display());
    sandbox.git(&["clone", "-q", "--depth", "1", &from, "../shallow"]);
    sandbox = copy(sandbox, "two", with_text(FIRST));
    sandbox = copy(sandbox, "same", with_text(THIRD));
    list(&sandbox, &["two", "same"]);
    let file = sandbox.outside().join("fleet.json");
    let text = fs::read_to_string(&file).unwrap().replace("plat/prep.sh", "shallow/prep.sh");
    fs::write(&file, text).unwrap();
    let (document, code) = document(&sandbox, &["--list", "fleet.json"]);
    assert_eq!(code, 2);
    assert_eq!(cell(&document, "same")["text"], "as the template");
    assert_eq!(cell(&document, "two")["state"], "unknown");
    clone(&sandbox.moved_to("unused"), "../plat");
}

/// A directory is one, although a file in it is a template as well.
#[test]
fn a_directory_at_the_path_of_a_template_is_no_file() {
    let sandbox = copy(canonical(), "-same", with_text(THIRD));
    let text = r#"{"repositories": [{"path": "-same"}, {"path": "fleet.json"}], "templates": [
        {"canonical": "plat/prep.sh", "path": "scripts"},
        {"canonical": "plat/prep.sh", "path": "scripts/prep.sh"}]}"#;
    fs::write(sandbox.outside().join("fleet.json"), text).unwrap();
    let (document, code) = document(&sandbox, &["--list", "fleet.json"]);
    assert_eq!(code, 2);
    let templates = &of(&document, "-same")["templates"];
    assert_eq!(templates["scripts"]["text"], "no file");
    assert_eq!(templates["scripts/prep.sh"]["text"], "as the template");
    assert_eq!(of(&document, "fleet.json")["error"]["cause"], "it is not a directory");
    // A name that begins like an option.
    let command = of(&document, "-same")["state"]["hook"]["command"].as_str().unwrap();
    assert_eq!(command, "bakstop -C ./-same install");
}
