//! What the hooks do without the program, and the text that they print then.

use std::fs;
use std::process::Command;

use super::{assert_guarded, copy_of_program, install, must, script, state, with_husky};
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// Texts that a shell would interpret if they were not quoted.
const HOSTILE: [&str; 6] = [
    "it's \"here\": $(touch ../owned) `touch ../owned` ${HOME} %s \\n",
    "'; touch ../owned; '",
    "@HOOK@ @BINARY@ \"$installed\" @HOW@ @DIGEST@ to skip this",
    "echo 'bakstop: warning: x",
    "--help",
    "brew install acme/tap/bakstop # ü",
];

/// Installs with a copy of the program, and removes that.
fn install_and_lose(sandbox: &Sandbox, arguments: &[&str]) {
    let copy = sandbox.outside().join("copy/bakstop");
    copy_of_program(&copy);
    must(finish(sandbox.command(&copy).arg("install").args(arguments)));
    fs::remove_file(&copy).unwrap();
}

fn run(sandbox: &Sandbox, shell: &[&str], file: &str) -> Ran {
    let mut command = sandbox.command(shell[0]);
    finish(command.args(&shell[1..]).arg(file).env("PATH", "/usr/bin:/bin").env("HOME", "/nowhere"))
}

#[test]
fn a_text_on_how_to_install_is_printed_as_it_is() {
    for how in HOSTILE {
        let how = format!("--how={how}");
        let native = Sandbox::workspace();
        install_and_lose(&native, &[&how]);
        let husky = with_husky(Some("true\n"));
        must(husky.bakstop(&["install", &how]));
        for (sandbox, file) in [
            (&native, ".git/hooks/pre-commit"),
            (&native, ".git/hooks/pre-push"),
            (&husky, ".husky/pre-commit"),
        ] {
            for shell in [&["sh"][..], &["dash"], &["bash", "--posix"], &["busybox", "ash"]] {
                if Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_err() {
                    println!("not tested: there is no {} here", shell[0]);
                    continue;
                }
                let ran = run(sandbox, shell, file);
                assert_eq!(ran.code, Some(2), "{shell:?} {ran:?}");
                let line = format!("\n  to install it: {}\n", how.strip_prefix("--how=").unwrap());
                assert!(ran.err.contains(&line), "{shell:?} {ran:?}");
                assert!(!sandbox.outside().join("owned").exists(), "{shell:?} {how}");
            }
        }
        // Another installation keeps it, and status prints it.
        assert_eq!(must(husky.bakstop(&["install"])).out, "bakstop: already installed\n");
        must(native.bakstop(&["install"]));
        let shown = format!("how to install it: {}", how.strip_prefix("--how=").unwrap());
        for sandbox in [&native, &husky] {
            assert!(must(sandbox.bakstop(&["status"])).out.contains(&shown), "{shown}");
        }
    }
    let ran = Sandbox::workspace().bakstop(&["install", "--how", "a\nb"]);
    assert!(ran.code == Some(2) && ran.err.contains("without control characters"), "{ran:?}");
}

#[test]
fn a_team_chooses_whether_a_missing_program_blocks() {
    let sandbox = Sandbox::workspace();
    script(&sandbox, ".git/hooks/pre-commit", "#!/bin/sh\necho mine\n");
    let before = state(&sandbox);
    install_and_lose(&sandbox, &["--missing", "warn"]);
    sandbox.write("x.bak", "");
    sandbox.git(&["add", "-f", "x.bak"]);
    let commit = || {
        let mut command = sandbox.command("git");
        finish(command.args(["commit", "-qm", "x"]).env("PATH", "/usr/bin:/bin"))
    };
    let ran = must(commit());
    assert!(ran.err.starts_with("mine\nbakstop: warning: the program \"bakstop\""), "{ran:?}");
    assert!(!ran.err.contains("to skip this"), "{ran:?}");
    let status = finish(sandbox.command(BAKSTOP).arg("status").env("PATH", "/usr/bin:/bin"));
    assert_eq!(status.code, Some(1));
    assert!(status.out.contains("it cannot find bakstop, so it checks nothing"), "{status:?}");

    // The choice is kept, until another is made.
    install(&sandbox);
    let status = must(sandbox.bakstop(&["status"]));
    let note = "without the program, it warns and lets everything pass";
    assert!(status.out.contains(note), "{status:?}");
    assert_guarded(&sandbox);
    must(sandbox.bakstop(&["install", "--missing", "block"]));
    assert!(!must(sandbox.bakstop(&["status"])).out.contains(note));
    must(sandbox.bakstop(&["uninstall"]));
    assert_eq!(state(&sandbox), before);
}

#[test]
fn a_dependency_is_installed_by_the_package_manager_of_the_repository() {
    let sandbox = with_husky(None);
    let manifest = |dependency: &str| {
        format!(
            "{{\"packageManager\": \"pnpm@10.6.5\", \
             \"devDependencies\": {{\"husky\": \"9\", \"{dependency}\": \"1\"}}}}\n"
        )
    };
    let how = || {
        let text = fs::read_to_string(sandbox.top.join(".husky/pre-commit")).unwrap();
        let (_, how) = text.split_once("to install it: %s\\n' '").unwrap();
        how.split_once('\'').unwrap().0.to_owned()
    };
    sandbox.write("package.json", manifest("other"));
    install(&sandbox);
    assert!(how().starts_with("put it into ~/.local/bin"), "{}", how());
    sandbox.write("package.json", manifest("@acme/bakstop"));
    install(&sandbox);
    assert_eq!(how(), "pnpm install");
    let status = must(sandbox.bakstop(&["status"]));
    assert!(!status.out.contains("how to install"), "{status:?}");
    must(sandbox.bakstop(&["install", "--how", "make tools"]));
    install(&sandbox);
    assert_eq!(how(), "make tools");
    must(sandbox.bakstop(&["install", "--how="]));
    assert_eq!(how(), "pnpm install");

    // A native hook runs the program of node_modules.
    let sandbox = Sandbox::workspace();
    let program = sandbox.top.join("node_modules/.bin/bakstop");
    copy_of_program(&program);
    must(finish(sandbox.command(&program).arg("install")));
    fs::remove_dir_all(sandbox.top.join("node_modules")).unwrap();
    let ran = run(&sandbox, &["sh"], ".git/hooks/pre-commit");
    assert!(ran.err.contains("\n  to install it: pnpm install\n"), "{ran:?}");
}
