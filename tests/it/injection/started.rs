//! The processes that are started: git without options from data, and no shell on data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hooks::{install, must, script};
use crate::support::{BAKSTOP, Sandbox, finish, path_without_bakstop};

/// Text that git would parse as an option if it were an argument. Each is used as a revision, a
/// remote, a branch or part of a path.
const OPTIONS: [&str; 14] = [
    "--output=forged",
    "-cforged.key=x",
    "-C.forged",
    "--upload-pack=forged",
    "--exec=forged",
    "--not",
    "-p",
    "--all",
    "--stdin",
    "--help",
    "--git-dir=forged",
    "--batch",
    "-h",
    "-",
];

/// A repository in which every name looks like an option.
fn with_options() -> Sandbox {
    let sandbox = Sandbox::workspace();
    let id = sandbox.id("HEAD");
    for option in OPTIONS {
        // Git does not create such names from the command line, but accepts them from elsewhere.
        sandbox.git(&["update-ref", &format!("refs/heads/{option}"), &id]);
        sandbox.git(&["update-ref", &format!("refs/tags/{option}"), &id]);
        sandbox.git(&["update-ref", &format!("refs/remotes/{option}/{option}"), &id]);
        sandbox.git(&["config", &format!("remote.{option}.url"), option]);
        sandbox.git(&[
            "config",
            &format!("remote.{option}.fetch"),
            &format!("+refs/heads/*:refs/remotes/{option}/*"),
        ]);
        sandbox.git(&["config", &format!("branch.{option}.remote"), option]);
        sandbox.git(&[
            "config",
            &format!("branch.{option}.merge"),
            &format!("refs/heads/{option}"),
        ]);
        sandbox.write(format!("{option}.bak"), "");
        sandbox.write(format!("{option}/Dockerfile"), "FROM node:22\nRUN npm i -g pnpm@9.0.0\n");
        let manifest =
            format!("{{\"dependencies\": {{\"a\": \"file:../{}/a.tgz\"}}}}", ".docker-deps");
        sandbox.write(format!("{option}/package.json"), manifest);
        sandbox.write(format!("{option}/docker-prep.sh"), "");
    }
    sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/--output=forged"]);
    sandbox.git(&["add", "-A", "-f"]);
    sandbox
}

/// Every verb and every scope of `check`, with a name where one is possible.
fn verbs(name: &str) -> Vec<Vec<String>> {
    let path = format!("{name}/report");
    let all: [&[&str]; 42] = [
        &["check"],
        &["check", "--verbose", "--config", name],
        &["check", "--range", name],
        &["check", "--range", &format!("{name}..HEAD")],
        &["check", "--range", &format!("HEAD...{name}")],
        &["check", "--range", &format!("{name}@{{upstream}}..{name}"), "--tip"],
        &["check", "--tree", name],
        &["check", "--tree", &format!("{name}^{{tree}}")],
        &["check", "--worktree"],
        &["check", "--history"],
        &["check", &format!("--push={name}")],
        &["check", "--receive"],
        &["check", "--output", &path],
        &["verify"],
        &["verify", "--save-baseline", &path],
        &["verify", "--baseline", &path],
        &["verify", "--", "git", "status", "-s"],
        &["pins"],
        &["lockfile", "--check"],
        &["lockfile"],
        &["doctor", "--verbose"],
        &["doctor", "--bases"],
        &["doctor", "--tree", name],
        &["doctor", "--fix"],
        &["pins", "--set", "pnpm@10.8.0", "--dry-run"],
        &["restore", "--dry-run", "--", name],
        &["restore", "--staged", "--dry-run"],
        &["restore"],
        &["prep", "--dry-run", "--from", "."],
        &["measure", "--touch", name, "--label", name, "--", "true"],
        &["install", "--dry-run"],
        &["install"],
        &["status"],
        &["fleet"],
        &["fleet", "--", name],
        &["fleet", "--list", name],
        &["prove"],
        &["hook", "pre-commit"],
        &["hook", "pre-push", name, name],
        &["hook", "prepare-commit-msg", name, name],
        &["hook", "pre-receive"],
        &["uninstall"],
    ];
    all.iter()
        .map(|arguments| arguments.iter().map(|argument| (*argument).to_owned()).collect())
        .collect()
}

/// Lines as git gives them to `pre-push` and `pre-receive`.
fn lines(sandbox: &Sandbox, name: &str, receive: bool) -> PathBuf {
    let id = sandbox.id("refs/heads/main");
    let old = "0".repeat(40);
    let text = if receive {
        format!("{old} {id} refs/heads/{name}\n")
    } else {
        format!("{name} {id} refs/heads/{name} {old}\n")
    };
    let file = sandbox.outside().join("lines");
    fs::write(&file, text).unwrap();
    file
}

/// Puts programs first in PATH that log their arguments and then run the real ones.
fn listen(sandbox: &Sandbox, programs: &[&str]) -> (PathBuf, std::ffi::OsString) {
    let (directory, log) = (sandbox.outside().join("listening"), sandbox.outside().join("calls"));
    let path = path_without_bakstop();
    for program in programs {
        let real = std::env::split_paths(&path)
            .map(|place| place.join(program))
            .find(|file| file.exists());
        let Some(real) = real else { continue };
        let text = format!(
            "#!/bin/sh\nprintf '%s\\0' {program} \"$@\" '\n' >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            real.display()
        );
        script(sandbox, "listener", &text);
        fs::create_dir_all(&directory).unwrap();
        fs::rename(sandbox.top.join("listener"), directory.join(program)).unwrap();
    }
    let all = std::iter::once(directory).chain(std::env::split_paths(&path));
    (log, std::env::join_paths(all).unwrap())
}

/// The logged calls with their arguments.
fn calls(log: &Path) -> Vec<Vec<String>> {
    let text = String::from_utf8(fs::read(log).unwrap_or_default()).unwrap();
    let call =
        |call: &str| call.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    text.split("\n\0").filter(|part| !part.is_empty()).map(call).collect()
}

#[test]
fn no_input_becomes_an_option_of_git() {
    let sandbox = with_options();
    let (log, path) = listen(&sandbox, &["git", "sh", "bash", "dash"]);
    let mut seen = 0;
    for (number, name) in OPTIONS.into_iter().enumerate() {
        // With gix and git, then with git alone.
        if number == OPTIONS.len() / 2 {
            sandbox.git(&["config", "core.repositoryFormatVersion", "1"]);
            sandbox.git(&["config", "extensions.noop-v1", "true"]);
        }
        sandbox.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{name}")]);
        for arguments in verbs(name) {
            let lines = lines(
                &sandbox,
                name,
                arguments.iter().any(|argument| argument.contains("receive")),
            );
            let _ = fs::remove_file(&log);
            let input = fs::File::open(lines).unwrap();
            let ran =
                finish(sandbox.command(BAKSTOP).args(&arguments).env("PATH", &path).stdin(input));
            assert!(matches!(ran.code, Some(0..=2)), "{arguments:?}: {ran:?}");
            assert!(
                !ran.err.contains("usage: git") && !ran.out.contains("usage: git"),
                "{arguments:?}: {ran:?}"
            );
            for call in calls(&log) {
                seen += 1;
                // No shell is started by name, except by the shebang of the hook that `prove` runs.
                assert_eq!(call[0], "git", "{arguments:?}");
                if arguments.last().is_some_and(|last| last == "-s")
                    && call[1] == "status"
                    && call[2..] == ["-s"]
                {
                    continue;
                }
                let ours = call[1..]
                    .iter()
                    .take_while(|word| *word != "--" && *word != "--end-of-options");
                for word in ours.filter(|word| word.starts_with('-')) {
                    let is_given = OPTIONS.iter().any(|option| {
                        word == option
                            || option.len() > 3
                                && !KNOWN.contains(option)
                                && word.starts_with(option)
                    });
                    let is_ours = KNOWN.contains(&word.as_str());
                    assert!(!is_given || is_ours, "{arguments:?}: {call:?}");
                }
            }
            let forged = sandbox.top.join("forged");
            assert!(
                !forged.exists() && !sandbox.outside().join("forged").exists(),
                "{arguments:?}"
            );
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// Options that the program itself passes to git and that are in the list above.
const KNOWN: [&str; 4] = ["--all", "--stdin", "--batch", "--not"];

#[test]
fn no_input_reaches_a_shell() {
    let traced =
        finish(Command::new("sh").args(["-c", "strace -f -o /dev/null -e trace=execve true"]));
    if traced.code != Some(0) {
        println!("not tested: strace is not in PATH, or may not trace here; see .ci/run");
        return;
    }
    let sandbox = with_options();
    let marks = ["; touch forged", "$(touch forged)", "`touch forged`", "| sh", "&& sh"];
    for mark in marks {
        sandbox.write(format!("{mark}.bak"), "");
        sandbox.write(format!("{mark}/package.json"), format!("{{\"a\": \"{mark}\"}}"));
    }
    sandbox.git(&["add", "-A", "-f"]);
    install(&sandbox);
    let log = sandbox.outside().join("log");
    for mark in marks {
        for arguments in verbs(mark) {
            let lines =
                lines(&sandbox, "x", arguments.iter().any(|argument| argument.contains("receive")));
            let mut command = sandbox.command("strace");
            command
                .args(["-f", "-qq", "-s", "4096", "-e", "trace=execve", "-e", "signal=none", "-o"])
                .arg(&log);
            command.arg(BAKSTOP).args(&arguments).stdin(fs::File::open(lines).unwrap());
            let ran =
                finish(command.env("BAKSTOP_SKIP", "").env("EDITOR", mark).env("GIT_PAGER", mark));
            assert!(matches!(ran.code, Some(0..=2)), "{arguments:?}: {ran:?}");
            let text = fs::read_to_string(&log).unwrap();
            // The program, the parts of git, and the hook that `prove` runs with its interpreter.
            for line in text
                .lines()
                .filter(|line| line.contains("execve(") && !line.contains("ENOENT"))
                .skip(1)
            {
                let program = line.split('"').nth(1).unwrap();
                let is_git = Path::new(program)
                    .file_name()
                    .is_some_and(|name| name.to_str().unwrap().starts_with("git"));
                let is_hook = program.ends_with("/.git/hooks/pre-commit")
                    || program == ".git/hooks/pre-commit";
                let of_hook = arguments == ["prove"];
                // It asks itself about each repository.
                let is_own = arguments[0] == "fleet" && program == BAKSTOP && !line.contains(mark);
                assert!(is_git || of_hook || is_own, "{arguments:?}: {line}");
                assert!(
                    !of_hook || is_git || is_hook || !line.contains(mark),
                    "{arguments:?}: {line}"
                );
            }
            assert!(!sandbox.top.join("forged").exists(), "{arguments:?}");
            if arguments == ["uninstall"] {
                must(sandbox.bakstop(&["install"]));
            }
        }
    }
}

/// Settings of a repository that name a program for git, and hooks that git runs by itself.
fn with_programs(sandbox: &Sandbox) {
    let log = sandbox.outside().join("ran");
    let program = |name: &str| {
        let text =
            format!("#!/bin/sh\necho {name} >>'{}'\n[ {name} != clean ] || cat\n", log.display());
        script(sandbox, "program", &text);
        let file = sandbox.outside().join(name);
        fs::rename(sandbox.top.join("program"), &file).unwrap();
        file.display().to_string()
    };
    sandbox.write(".git/info/attributes", "* filter=f diff=d\n");
    for (setting, name) in [
        ("core.fsmonitor", "fsmonitor"),
        ("filter.f.clean", "clean"),
        ("filter.f.smudge", "smudge"),
        ("diff.external", "external"),
        ("diff.d.command", "command"),
        ("diff.d.textconv", "textconv"),
        ("core.pager", "pager"),
        ("core.editor", "editor"),
        ("core.sshCommand", "ssh"),
        ("core.askPass", "askpass"),
        ("core.alternateRefsCommand", "alternates"),
        ("credential.helper", "credential"),
        ("gpg.program", "gpg"),
    ] {
        sandbox.git(&["config", setting, &program(name)]);
    }
    for hook in ["post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc"] {
        fs::copy(program(hook), sandbox.top.join(".git/hooks").join(hook)).unwrap();
    }
    // Git compares a file of another size without its filter.
    sandbox.write("web/index.js", "import {};\n");
}

/// docs/verify.md has this table.
#[test]
fn only_verify_and_prove_run_what_a_repository_names() {
    let sandbox = Sandbox::workspace();
    with_programs(&sandbox);
    let (calls_of_git, path) = listen(&sandbox, &["git"]);
    let log = sandbox.outside().join("ran");
    let mut without_git = Vec::new();
    for number in 0..2 {
        // With gix and git, then with git alone.
        if number == 1 {
            sandbox.git(&["config", "core.repositoryFormatVersion", "1"]);
            sandbox.git(&["config", "extensions.noop-v1", "true"]);
        }
        // A command of the user may start anything.
        for arguments in verbs("HEAD").into_iter().filter(|words| !words.contains(&"git".into())) {
            for file in [&calls_of_git, &log] {
                let _ = fs::remove_file(file);
            }
            let receive = arguments.iter().any(|argument| argument.contains("receive"));
            let input = fs::File::open(lines(&sandbox, "x", receive)).unwrap();
            let ran =
                finish(sandbox.command(BAKSTOP).args(&arguments).env("PATH", &path).stdin(input));
            assert!(matches!(ran.code, Some(0..=2)), "{arguments:?}: {ran:?}");
            let started = fs::read_to_string(&log).unwrap_or_default();
            let allowed = match &*arguments[0] {
                "verify" | "fleet" => "clean",
                "prove" => "post-index-change",
                _ => "",
            };
            assert!(started.lines().all(|name| name == allowed), "{arguments:?}: {started}");
            let is_plain = arguments == ["verify"];
            assert!(!is_plain || !started.is_empty(), "the filters are not tried");
            if number == 0 && calls(&calls_of_git).is_empty() {
                without_git.push(arguments.join(" "));
            }
        }
    }
    for verb in ["check", "check --verbose --config HEAD", "hook pre-commit"] {
        assert!(without_git.iter().any(|known| known == verb), "{verb}: {without_git:?}");
    }
}
