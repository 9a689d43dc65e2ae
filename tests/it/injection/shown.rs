//! The output of every verb, scope and format.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::hooks::{install, prepare_husky, script};
use crate::injection::{HOSTILE, assert_harmless, between, harmless, hostile, os};
use crate::support::{BAKSTOP, Sandbox, formats};

const COLOURS: [&str; 2] = ["always", "never"];

fn words<'a>(arguments: &[&'a str]) -> Vec<&'a OsStr> {
    arguments.iter().map(|argument| OsStr::new(*argument)).collect()
}

fn nothing(_: &mut Command) {}

/// Lines for standard input, as git gives them to a hook.
fn fed<'a>(sandbox: &Sandbox, lines: &[u8]) -> impl Fn(&mut Command) + 'a {
    let file = sandbox.outside().join("lines");
    fs::write(&file, lines).unwrap();
    move |command| {
        command.stdin(fs::File::open(&file).unwrap());
    }
}

#[test]
fn output_of_check() {
    let sandbox = hostile();
    let (old, new) = (sandbox.id("main"), sandbox.id("topic"));
    let lines = |start: String, end: String| -> Vec<u8> {
        // A ref name cannot have a space.
        let name = |text: &&[u8]| -> Vec<u8> {
            text.iter().copied().filter(|byte| *byte > b' ').collect()
        };
        HOSTILE.iter().flat_map(|text| between(&start, &name(text), &end)).collect()
    };
    let push = lines(format!("refs/heads/topic {new} refs/heads/"), format!(" {old}\n"));
    let receive = lines(format!("{old} {new} refs/heads/"), "\n".to_owned());
    for extension in [false, true] {
        if extension {
            // Read by the git program.
            sandbox.git(&["config", "core.repositoryFormatVersion", "1"]);
            sandbox.git(&["config", "extensions.noop-v1", "true"]);
        }
        for (at, scope) in [
            &[][..],
            &["--range", "main..topic"],
            &["--range", "main..topic", "--tip"],
            &["--tree", "topic"],
            &["--worktree"],
            &["--history"],
            &["--push"],
            &["--push", "origin"],
            &["--receive"],
        ]
        .into_iter()
        .enumerate()
        {
            let input = if scope.first() == Some(&"--receive") { &receive } else { &push };
            let format = formats()[at % formats().len()].as_str();
            let base =
                [&["--color", "always", "check", "--verbose", "--format", format], scope].concat();
            let output = harmless(&sandbox, &words(&base), &fed(&sandbox, input));
            assert_eq!(output.status.code(), Some(1), "{base:?}: {output:?}");
            // The report goes to a file, and standard output is for people.
            for format in formats().iter().map(String::as_str).filter(|_| !extension) {
                let report = sandbox.outside().join("report");
                let base = [&["--color", "never", "check", "--verbose", "--format", format], scope]
                    .concat();
                let mut with_file = words(&base);
                with_file.extend([OsStr::new("--output"), report.as_os_str()]);
                harmless(&sandbox, &with_file, &fed(&sandbox, input));
                assert_harmless(&fs::read(&report).unwrap(), format, &with_file);
            }
        }
    }
}

#[test]
fn output_of_doctor() {
    let sandbox = hostile();
    for text in HOSTILE {
        let name = os(text);
        let below = std::path::Path::new("services").join(&name);
        sandbox.write(
            below.join("Dockerfile"),
            between("FROM node:22-alpine\nRUN npm ci\nCOPY ", text, " .\n"),
        );
        sandbox.write(below.join(".dockerignore"), between("*\n[", text, "\n"));
        let bake = between("target \"x\" { context = \"", text, "/${Y}\" }\n");
        sandbox.write(below.join("docker-bake.hcl"), bake);
        sandbox.write(below.join("base.Dockerfile"), between("FROM ", text, ":1\n"));
        let service = between("services:\n  \"", text, "\": {build: .}\n  b: {build: $X}\n");
        sandbox.write(below.join("compose.yaml"), service);
        let cache = "services: {a: {build: {context: ., cache_to: [\"type=gha,mode=x,";
        sandbox.write(below.join("compose.caches.yaml"), between(cache, text, "=y\"]}}}\n"));
    }
    for (number, format) in formats().iter().enumerate() {
        for colour in COLOURS {
            let base = ["--color", colour, "doctor", "--verbose", "--format", format.as_str()];
            harmless(&sandbox, &words(&base), &nothing);
            if number == 0 {
                let tree = ["--color", colour, "doctor", "-v", "--tree", "topic"];
                harmless(&sandbox, &words(&tree), &nothing);
                let bases = ["--color", colour, "doctor", "--bases"];
                harmless(&sandbox, &words(&bases), &nothing);
                for mode in ["--dry-run", "--check"] {
                    let planned = ["--color", colour, "doctor", "--fix", mode];
                    harmless(&sandbox, &words(&planned), &nothing);
                }
            }
        }
    }
}

#[test]
fn output_of_hooks() {
    let sandbox = hostile();
    let names = ["pre-commit", "pre-merge-commit", "pre-push", "prepare-commit-msg", "pre-receive"];
    for (number, text) in HOSTILE.iter().enumerate() {
        let name = names[number % names.len()];
        let (argument, colour) = (os(text), COLOURS[number % 2]);
        let mut arguments = words(&["--color", colour, "hook", name, "-v"]);
        arguments.push(&argument);
        let lines = between("refs/heads/main ", text, "\n");
        for variable in
            ["BAKSTOP", "BAKSTOP_SKIP", "BAKSTOP_PROVE", "GIT_DIR", "GIT_INDEX_FILE", "HOME"]
        {
            let set = |command: &mut Command| {
                fed(&sandbox, &lines)(command);
                command.env(variable, os(text));
            };
            harmless(&sandbox, &arguments, &set);
        }
        // Through git, whose own output is not checked.
        let output = sandbox
            .command(BAKSTOP)
            .args(["hook", "pre-commit"])
            .env("BAKSTOP_SKIP", os(text))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn output_of_verify_and_pins() {
    let sandbox = hostile();
    sandbox.git(&["reset", "-q"]);
    // A modified tracked file, so that the diff has one of its lines.
    let all: Vec<u8> = HOSTILE.iter().flat_map(|text| between("\n", text, "\n")).collect();
    sandbox.write("web/index.js", &all);
    sandbox.git(&["add", "web/index.js"]);
    sandbox.git(&["commit", "-q", "-m", "Hostile", "web/index.js"]);
    for text in HOSTILE {
        sandbox.write("web/index.js", [&all[..], text, &all].concat());
    }
    for colour in COLOURS {
        for format in ["human", "json"] {
            for verb in [
                &["verify", "--verbose"][..],
                &["pins"],
                &["lockfile", "--check"],
                &["lockfile"],
                &["restore", "--dry-run"],
                &["restore", "--dry-run", "--staged"],
                &["prep", "--dry-run", "--from", "."],
                &["fleet", "."],
            ] {
                harmless(
                    &sandbox,
                    &words(&[&["--color", colour], verb, &["--format", format]].concat()),
                    &nothing,
                );
            }
            // A build that creates all of these files.
            harmless(
                &sandbox,
                &words(&[
                    "--color", colour, "verify", "--format", format, "--", "git", "clean", "-fdxq",
                ]),
                &nothing,
            );
            let label = String::from_utf8_lossy(HOSTILE[0]).into_owned();
            let measure = ["measure", "--format", format, "--label", &label, "--", "true"];
            let mut arguments = words(&["--color", colour]);
            arguments.extend(words(&measure));
            harmless(&sandbox, &arguments, &nothing);
            let build =
                ["verify", "--format", format, "--", "git", "checkout", "-q", "topic", "--", "."];
            let mut arguments = words(&["--color", colour]);
            arguments.extend(words(&build));
            harmless(&sandbox, &arguments, &nothing);
        }
        for set in [&["--dry-run"][..], &["--check"]] {
            harmless(
                &sandbox,
                &words(&[&["--color", colour, "pins", "--set", "pnpm@10.8.0"], set].concat()),
                &nothing,
            );
        }
    }
    harmless(&sandbox, &words(&["pins", "--set", "pnpm@10.8.0"]), &nothing);
    let report = sandbox.outside().join("report");
    let arguments = words(&["verify", "--format", "json", "--output", report.to_str().unwrap()]);
    harmless(&sandbox, &arguments, &nothing);
    assert_harmless(&fs::read(&report).unwrap(), "json", &"verify --output");
    harmless(&sandbox, &words(&["verify", "--save-baseline", report.to_str().unwrap()]), &nothing);
    sandbox.git(&["stash", "-q", "-u"]);
    harmless(&sandbox, &words(&["verify", "--baseline", report.to_str().unwrap()]), &nothing);
}

/// Arguments that hostile text follows.
const BEFORE_TEXT: [&[&str]; 37] = [
    &["explain"],
    &["completions"],
    &["hook"],
    &[],
    &["check"],
    &["rules", "--format"],
    &["explain", "--format"],
    &["check", "--format"],
    &["check", "--range"],
    &["check", "--tree"],
    &["check", "--push"],
    &["check", "--config"],
    &["check", "--verbose", "--output", "."],
    &["verify", "--budget"],
    &["verify", "--baseline"],
    &["verify", "--label"],
    &["verify", "--record", "../runs", "--max-regression"],
    &["verify", "--"],
    &["verify", "--record", "../runs", "--max-regression", "20%", "--label"],
    &["verify", "--min-cached"],
    &["measure", "--touch"],
    &["measure", "--runs"],
    &["measure", "--"],
    &["measure", "--cold", "--"],
    &["trend"],
    &["trend", "--since"],
    &["trend", "--format"],
    &["pins", "--set"],
    &["pins", "--config"],
    &["doctor", "--tree"],
    &["doctor", "--format"],
    &["doctor", "--same"],
    &["prove", "--format"],
    &["-C"],
    &["--color"],
    &["help"],
    &["verify", "--output", ".", "--", "true"],
];

#[test]
fn text_from_arguments() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    for (number, text) in HOSTILE.iter().enumerate() {
        let argument = os(text);
        for (at, before) in BEFORE_TEXT.iter().enumerate() {
            let mut arguments = words(before);
            arguments.push(&argument);
            match *before {
                ["-C"] => arguments.push(OsStr::new("status")),
                ["verify", .., "--label"] => arguments.extend(words(&["--", "true"])),
                _ => {}
            }
            // Each text with every argument, and each start of a text with many of them.
            let forced = |command: &mut Command| {
                if (number + at) % 2 == 0 {
                    command.env("CLICOLOR_FORCE", "1");
                }
            };
            harmless(&sandbox, &arguments, &forced);
            let start = ["-", "--", "--format=", "pnpm@1.2.3+"][(number + at) % 4];
            let argument = os(&between(start, text, ""));
            if before.last() != Some(&"--label") && *before != ["-C"] {
                let last = arguments.len() - 1;
                arguments[last] = &argument;
                harmless(&sandbox, &arguments, &forced);
            }
        }
        let label = between("label", text, "");
        let label = os(&label);
        let mut arguments = words(&["trend", "../runs", "--label"]);
        arguments.push(&label);
        harmless(&sandbox, &arguments, &nothing);
    }
    for format in ["human", "json"] {
        harmless(
            &sandbox,
            &words(&["--color", "always", "trend", "../runs", "--format", format]),
            &nothing,
        );
    }
}

#[test]
fn text_from_configurations() {
    let sandbox = Sandbox::workspace();
    sandbox.write("a.bak", "");
    sandbox.git(&["add", "-A", "-f"]);
    let given = sandbox.outside().join("given.json");
    for (number, text) in HOSTILE.iter().enumerate() {
        // In JSON, and the raw bytes.
        let spelled = serde_json::Value::from(String::from_utf8_lossy(text)).to_string();
        let raw = between("\"", text, "\"");
        for (at, form) in [
            r#"{"allow": [{"rule": "stray-backup", "path": "**", "reason": @}]}"#,
            r#"{"allow": [{"rule": "stray-backup", "path": @, "reason": @}]}"#,
            r#"{"allow": [{"rule": @, "path": "**", "reason": "x"}]}"#,
            r#"{"allow": [{"rule": "stray-backup", "path": "a", "reason": @, "until": @}]}"#,
            r#"{"allow": [{"rule": "stray-backup", "path": "a", "reason": @,
                "until": "2020-01-01"}]}"#,
            r#"{"allow": [{"rule": "stray-backup", "path": ["[", @], "reason": "x", @: 1}]}"#,
            r#"{"rules": {@: "off"}}"#,
            r#"{"rules": {"stray-backup": @}}"#,
            r#"{"backups": [@, "[z-a"]}"#,
            r#"{"debris": {@: {}}}"#,
            r#"{"debris": {"x": {"keep": [@], @: 1}}}"#,
            r#"{"verify": {"allow": [{"path": @, "reason": @}, {"path": "**", "reason": @}]}}"#,
            r#"{"$schema": @, @: 1}"#,
            "{@",
        ]
        .into_iter()
        .enumerate()
        {
            for word in [spelled.as_bytes(), &raw].into_iter().skip((number + at) % 2).step_by(2) {
                let parts: Vec<&[u8]> = form.split('@').map(str::as_bytes).collect();
                let configuration = parts.join(word);
                fs::write(&given, &configuration).unwrap();
                let format = formats()[(number + at) % formats().len()].as_str();
                let base = ["--color", COLOURS[at % 2], "check", "--verbose", "--format", format];
                let scope = ["--worktree", "--config", given.to_str().unwrap()];
                harmless(&sandbox, &words(&[&base[..], &scope].concat()), &nothing);
                // As the configuration of the repository, and for a build.
                if (number + at) % 4 == 0 || form.contains("verify") {
                    sandbox.write("bakstop.json", &configuration);
                    sandbox.git(&["add", "bakstop.json"]);
                    harmless(&sandbox, &words(&base), &nothing);
                    let build = ["verify", "--verbose", "--", "touch", "made"];
                    harmless(&sandbox, &words(&build), &nothing);
                    fs::remove_file(sandbox.top.join("made")).unwrap_or_default();
                }
            }
        }
    }
}

#[test]
fn text_from_the_environment() {
    let sandbox = Sandbox::workspace();
    install(&sandbox);
    sandbox.rewrite("web/package.json");
    sandbox.git(&["add", "-A"]);
    let variables = [
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_WORK_TREE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_CEILING_DIRECTORIES",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "HOME",
        "XDG_CONFIG_HOME",
        "TMPDIR",
        "PATH",
        "TERM",
        "LC_ALL",
        "TZ",
        "COLUMNS",
        "BAKSTOP",
        "BAKSTOP_SKIP",
        "HUSKY",
        "NO_COLOR",
    ];
    for (number, text) in HOSTILE.iter().enumerate() {
        for (at, variable) in variables.iter().enumerate() {
            let verbs = ["check", "verify", "pins", "status", "prove", "install", "uninstall"];
            // Each pair of a verb and a variable several times, with different texts.
            let verb = verbs[(number + at) % verbs.len()];
            let arguments: &[&str] = if verb.ends_with("install") {
                &[verb, "--dry-run"]
            } else {
                &["--color", "always", verb]
            };
            harmless(&sandbox, &words(arguments), &|command| _ = command.env(variable, os(text)));
        }
    }
}

/// Runs every verb about hooks in this repository.
fn everything_about_hooks(sandbox: &Sandbox, colour: &str) {
    for verb in [
        &["status"][..],
        &["install", "--dry-run"],
        &["install"],
        &["install", "--native", "--strict"],
        &["install", "--husky"],
        &["install", "--server"],
        &["prove"],
        &["prove", "-v", "--format", "json"],
        &["status"],
        &["uninstall", "--dry-run"],
        &["uninstall"],
    ] {
        harmless(sandbox, &words(&[&["--color", colour], verb].concat()), &nothing);
    }
}

#[test]
fn text_from_hooks_and_managers() {
    let all: Vec<u8> = HOSTILE.iter().flat_map(|text| between("# ", text, "\n")).collect();
    for colour in COLOURS {
        // A foreign hook that prints all of it and fails, and one with hostile text in its name.
        let sandbox = Sandbox::workspace();
        let write = |path: &str, start: &str, end: &str| {
            script(&sandbox, path, "");
            fs::write(sandbox.top.join(path), between(start, &all, end)).unwrap();
        };
        let (start, end) = (
            "#!/bin/sh\nsed 's/^# //' \"$0\"; sed 's/^# //' \"$0\" >&2; exit 1\n",
            "basename \"$0\"\n",
        );
        write(".git/hooks/pre-commit", start, "");
        everything_about_hooks(&sandbox, colour);
        write(".git/hooks/pre-commit", start, end);
        everything_about_hooks(&sandbox, colour);
        fs::remove_file(sandbox.top.join(".git/hooks/pre-commit")).unwrap();
        // Managers and their configurations.
        for (path, start) in [
            ("lefthook.yml", "pre-commit:\n  jobs:\n    - run: "),
            (".pre-commit-config.yaml", "repos:\n- repo: "),
            ("package.json", "{ \"simple-git-hooks\": { \"pre-commit\": \""),
        ] {
            sandbox.write(path, between(start, &all, "\n"));
            everything_about_hooks(&sandbox, colour);
            fs::remove_file(sandbox.top.join(path)).unwrap();
        }
        sandbox.write("package.json", "{ \"devDependencies\": { \"husky\": \"^9.1.7\" } }\n");
        sandbox.write(".husky/pre-commit", &all);
        prepare_husky(&sandbox);
        everything_about_hooks(&sandbox, colour);
    }
}

#[test]
fn names_of_hooks_and_programs() {
    for (number, text) in HOSTILE.iter().enumerate() {
        let sandbox = Sandbox::workspace();
        let about = |verbs: &[&str]| {
            for verb in verbs {
                harmless(&sandbox, &words(&["--color", COLOURS[number % 2], verb]), &nothing);
            }
        };
        let hook = sandbox.top.join(".git/hooks/pre-commit");
        symlink(os(text), &hook).unwrap();
        about(&["status", "install", "uninstall"]);
        fs::remove_file(&hook).unwrap();
        for scope in ["--local", "--global"] {
            let _ = sandbox
                .command("git")
                .args(["config", scope, "core.hooksPath"])
                .arg(os(text))
                .output()
                .unwrap();
            about(&["status", "install", "prove", "uninstall"]);
            sandbox.git(&["config", scope, "--unset", "core.hooksPath"]);
        }
        // A program with hostile text in its version and path.
        sandbox.git(&["config", "core.hooksPath", ".githooks"]);
        let home = sandbox.outside().join(os(text));
        let program = home.join(".local/bin/bakstop");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        let version = sandbox.outside().join("version");
        fs::write(&version, between("bakstop ", text, "\n")).unwrap();
        script(&sandbox, "program", &format!("#!/bin/sh\ncat '{}'\n", version.display()));
        fs::rename(sandbox.top.join("program"), &program).unwrap();
        for verb in ["install", "status", "uninstall"] {
            harmless(&sandbox, &words(&[verb]), &|command| _ = command.env("HOME", &home));
        }
    }
}

#[test]
fn paths_of_the_repository() {
    for text in HOSTILE {
        let sandbox = Sandbox::workspace();
        let place = sandbox.outside().join(os(text));
        fs::rename(&sandbox.top, &place).unwrap();
        let stand = |command: &mut Command| _ = command.current_dir(&place).stdin(Stdio::null());
        for verb in [
            &["install"][..],
            &["status"],
            &["check", "--verbose"],
            &["check", "--worktree", "--format", "sarif"],
            &["verify", "--verbose"],
            &["verify", "--", "rm", "-r", "web"],
            &["pins"],
            &["prove", "-v"],
            &["uninstall"],
        ] {
            harmless(&sandbox, &words(verb), &stand);
        }
        fs::write(place.join(".git/index"), "broken").unwrap();
        fs::write(
            place.join(".git/config"),
            between("[core]\n\trepositoryFormatVersion = \"", text, "\"\n[x\n"),
        )
        .unwrap();
        for verb in [
            &["check"][..],
            &["verify"],
            &["pins"],
            &["status"],
            &["install"],
            &["check", "--history"],
        ] {
            let output = harmless(&sandbox, &words(verb), &stand);
            assert_eq!(output.status.code(), Some(2), "{verb:?}: {output:?}");
        }
    }
}
