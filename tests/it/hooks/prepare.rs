//! The script of `package.json` that installs the hooks, and `install` as that script.

use std::fs;
use std::path::Path;

use super::{install, must, snapshot, state, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

const LINE: &str = "\"prepare\": \"if command -v bakstop >/dev/null; then bakstop install; fi\"";

/// A repository whose manifest depends on bakstop.
pub(crate) fn dependent(manifest: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", manifest);
    sandbox.commit_all("Depend");
    sandbox
}

const DEPENDENT: &str = "{\n    \"packageManager\": \"pnpm@10.6.5\",\n    \"scripts\": {\n        \
                         \"test\": \"true\"\n    },\n    \"devDependencies\": {\n        \
                         \"bakstop\": \"1\"\n    }\n}\n";

fn manifest(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.top.join("package.json")).unwrap()
}

#[test]
fn the_line_is_printed_until_a_script_installs_the_hooks() {
    let sandbox = dependent(DEPENDENT);
    for expected in ["installed; `bakstop uninstall` undoes it", "already installed"] {
        let ran = must(sandbox.bakstop(&["install"]));
        let end = format!("(`bakstop install --prepare` does):\n  {LINE}\nbakstop: {expected}\n");
        assert!(ran.out.ends_with(&end), "{ran:?}");
    }
    assert_eq!(manifest(&sandbox), DEPENDENT);
    // In whatever form a person writes it.
    sandbox.write(
        "package.json",
        DEPENDENT.replace("\"test\"", "\"prepare\": \"x; bakstop install --how 'y'\", \"test\""),
    );
    assert_eq!(must(sandbox.bakstop(&["install"])).out, "bakstop: already installed\n");
    // Nobody else would have the program.
    let sandbox = Sandbox::workspace();
    assert!(!must(sandbox.bakstop(&["install"])).out.contains("package.json"));
    // Husky's own script installs its hooks, which contain the guard.
    let sandbox = with_husky(None);
    sandbox.write(
        "package.json",
        "{\"scripts\": {\"prepare\": \"husky\"}, \"devDependencies\": {\"bakstop\": \"1\"}}\n",
    );
    assert!(!must(sandbox.bakstop(&["install"])).out.contains("--prepare"));
    must(sandbox.bakstop(&["install", "--prepare"]));
    assert!(manifest(&sandbox).contains("\"husky && if command -v bakstop >/dev/null; then"));
}

#[test]
fn the_line_is_written_where_it_belongs_and_nothing_else_changes() {
    let sandbox = dependent(DEPENDENT);
    let before = (state(&sandbox), manifest(&sandbox));
    let dry = must(sandbox.bakstop(&["install", "--prepare", "--dry-run"]));
    let line = "would add `bakstop install` to the script prepare in package.json\n";
    assert!(dry.out.contains(line), "{dry:?}");
    assert_eq!((state(&sandbox), manifest(&sandbox)), before);

    let ran = must(sandbox.bakstop(&["install", "--prepare"]));
    let line = "\nadded `bakstop install` to the script prepare in package.json\n";
    assert!(ran.out.contains(line), "{ran:?}");
    let expected = DEPENDENT
        .replace("\"test\": \"true\"\n", &format!("\"test\": \"true\",\n        {LINE}\n"));
    assert_eq!(manifest(&sandbox), expected);
    let again = must(sandbox.bakstop(&["install", "--prepare"]));
    assert_eq!(again.out, "bakstop: already installed\n");
    let dry = must(sandbox.bakstop(&["install", "--prepare", "--dry-run"]));
    assert_eq!(dry.out, "bakstop: already installed\n");
    assert_eq!(manifest(&sandbox), expected);

    for (text, cause) in [
        (format!("// a comment\n{DEPENDENT}"), "package.json is not valid JSON: "),
        (DEPENDENT.replace("bakstop", "other"), "no package.json here depends on bakstop"),
        (DEPENDENT.replace("\"test\"", "\"prepare\": 1, \"test\""), "is not a text"),
        (DEPENDENT.replace("pnpm@10.6.5", "yarn@4.1.0"), "the package is not private"),
    ] {
        let sandbox = dependent(&text);
        let before = state(&sandbox);
        let ran = sandbox.bakstop(&["install", "--prepare"]);
        assert!(ran.code == Some(2) && ran.err.contains(cause), "{ran:?}");
        assert_eq!((state(&sandbox), manifest(&sandbox)), (before, text), "nothing is half done");
    }
}

#[test]
fn a_script_of_package_json_does_not_fail_where_there_is_no_repository() {
    let script = |sandbox: &Sandbox, directory: &Path, path: Option<&str>| -> Ran {
        let mut command = sandbox.command(BAKSTOP);
        command.arg("install").current_dir(directory).env("npm_lifecycle_event", "prepare");
        finish(command.envs(path.map(|path| ("PATH", path))))
    };
    let note = "bakstop: the hooks are not installed here: ";
    let outside = Sandbox::empty();
    let ran = must(script(&outside, &outside.top, None));
    assert!(ran.err.starts_with(&format!("{note}fatal: not a git repository")), "{ran:?}");
    let sandbox = Sandbox::workspace();
    let ran = must(script(&sandbox, &sandbox.top, Some("/nowhere")));
    assert!(ran.err.starts_with(&format!("{note}git could not be started")), "{ran:?}");
    // An archive that was unpacked in a directory that another repository ignores.
    let unpacked = sandbox.top.join("node_modules/unpacked");
    fs::create_dir_all(&unpacked).unwrap();
    let before = snapshot(&sandbox.top.join(".git/hooks"));
    let ran = must(script(&sandbox, &unpacked, None));
    assert_eq!(ran.err, format!("{note}git ignores this directory\n"));
    assert_eq!(snapshot(&sandbox.top.join(".git/hooks")), before);
    // By hand, it is an error.
    assert_eq!(outside.bakstop(&["install"]).code, Some(2));
    // Below the top of a repository, it installs as ever.
    must(script(&sandbox, &sandbox.top.join("web"), None));
    must(sandbox.bakstop(&["status"]));
    // What fails for another reason still fails.
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    assert_eq!(script(&sandbox, &sandbox.top, None).code, Some(2));
}

#[test]
fn the_line_works_with_and_without_the_program() {
    let sandbox = dependent(DEPENDENT);
    must(sandbox.bakstop(&["install", "--prepare"]));
    must(sandbox.bakstop(&["uninstall"]));
    let text: serde_json::Value = serde_json::from_str(&manifest(&sandbox)).unwrap();
    let line = text["scripts"]["prepare"].as_str().unwrap().to_owned();
    let run = |path: &Path| {
        let path = format!("{}:/usr/bin:/bin", path.display());
        let mut command = sandbox.command("sh");
        command.args(["-c", &line]).env("PATH", path).env("npm_lifecycle_event", "prepare");
        finish(&mut command)
    };
    assert_eq!(
        run(Path::new("/nowhere")),
        Ran { code: Some(0), out: String::new(), err: String::new() }
    );
    must(run(Path::new(BAKSTOP).parent().unwrap()));
    must(sandbox.bakstop(&["status"]));
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    let ran = run(Path::new(BAKSTOP).parent().unwrap());
    assert_eq!(ran.code, Some(2), "an installation that fails is not hidden: {ran:?}");
}

#[test]
fn who_takes_the_block_out_of_shared_files_commits_that() {
    let sandbox = with_husky(Some("true\n"));
    install(&sandbox);
    // Nothing was committed, so nothing is left to commit.
    let ran = must(sandbox.bakstop(&["uninstall"]));
    assert!(!ran.out.contains("git add"), "{ran:?}");
    install(&sandbox);
    sandbox.git(&["add", ".husky"]);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Guard"]);
    let dry = must(sandbox.bakstop(&["uninstall", "--dry-run"]));
    assert!(!dry.out.contains("git add"), "{dry:?}");
    let ran = must(finish(
        sandbox.command(BAKSTOP).arg("uninstall").current_dir(sandbox.top.join("web")),
    ));
    let (_, command) =
        ran.out.split_once("these files are shared, so commit the change: ").unwrap();
    let command = command.lines().next().unwrap();
    assert!(command.starts_with("git add :/.husky/pre-commit "), "{command}");
    must(finish(sandbox.command("sh").args(["-c", command])));
    must(sandbox.try_git(&["commit", "-q", "-m", "Without"]));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    // Hooks of this clone alone are not shared.
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    assert!(!must(sandbox.bakstop(&["uninstall"])).out.contains("git add"));
}
