//! Injection: text from a repository, an argument or the environment must not control a terminal, a
//! CI log, git or a shell. `shown` tests the output, `started` the processes that are started.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Output, Stdio};

use crate::support::{BAKSTOP, Sandbox, formats};

mod shown;
mod started;

/// Text that must never be printed unescaped. None has a slash or a NUL, so each can be part of a
/// path.
pub(crate) const HOSTILE: [&[u8]; 26] = [
    b"\x1b[2J\x1b[35mx",
    b"\x1b]8;;file:x\x07link\x1b]8;;\x07",
    b"\x1b]52;c;YQ==\x1b\\",
    b"\x1bPq\x1b\\\x1bc",
    "\u{9b}35m\u{9d}52;c;YQ==\u{9c}".as_bytes(),
    b"\x9b35m\x9d52;c;YQ==\x9c",
    b"\xff\xfe\xc3(\xe2\x82",
    b"x\n::error::forged",
    b"x\n \t ::set-output name=a::b",
    b"x\r::add-mask::e",
    b"x\r\n::stop-commands::y",
    b"::error file=a.js,line=1::forged",
    b"##[error]forged ##[add-mask]e",
    b"###[x]##vso[task.setvariable variable=a]b",
    b"x\x0b\x0c\x08\x07\x7fy",
    "x\u{85}::error::forged".as_bytes(),
    "x\u{2028}::error::forged\u{2029}::warning::y".as_bytes(),
    "\u{202a}\u{202b}\u{202d}\u{202e}x\u{202c}".as_bytes(),
    "\u{2066}\u{2067}\u{2068}x\u{2069}".as_bytes(),
    "\u{200e}\u{200f}\u{61c}x".as_bytes(),
    "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}x".as_bytes(),
    "\u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{e01ef}x".as_bytes(),
    "\u{34f}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{17b4}\u{180b}x".as_bytes(),
    b"x%0A::error::y%1B[2J",
    b"'\"`$(touch forged);|&<>\\",
    b"]]><x y=\"&#27;\">&amp;{{x}}${x}",
];

/// The escape sequences of our own colours and those of clap.
const COLOURS: [&str; 9] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[4m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
    "\u{1b}[31;1m",
    "\u{1b}[33;1m",
];

/// Whether a character moves the cursor, reorders others or is invisible. The list is independent
/// of that of the program: the classes of the Unicode Character Database without a visible mark.
fn is_harmful(character: char) -> bool {
    let invisible = [
        '\u{ad}', '\u{34f}', '\u{61c}', '\u{115f}', '\u{1160}', '\u{3164}', '\u{feff}', '\u{ffa0}',
    ];
    let invisible_ranges = [
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{fff0}'..='\u{fffb}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    character.is_control() && !matches!(character, '\n' | '\t')
        || invisible.contains(&character)
        || invisible_ranges.iter().any(|range| range.contains(&character))
}

/// Asserts that the output has no effect on a terminal or a CI runner.
#[track_caller]
pub(crate) fn assert_harmless(bytes: &[u8], format: &str, at: &dyn std::fmt::Debug) {
    let text = std::str::from_utf8(bytes)
        .unwrap_or_else(|error| panic!("{at:?}: {error}: {}", bytes.escape_ascii()));
    let text = COLOURS.iter().fold(text.to_owned(), |text, colour| text.replace(colour, ""));
    if let Some(harmful) = text.chars().find(|&character| is_harmful(character)) {
        let line = text.lines().find(|line| line.contains(harmful));
        panic!("{at:?}: {harmful:?} in {line:?}");
    }
    // Commands of the runners of GitHub and Azure: `::` at the start of a line, even if indented,
    // and `##` anywhere. Our own lines start with `::`, and the text between them is protected by
    // `::stop-commands::` up to the last line.
    let ours = ["::error file=", "::warning file=", "::stop-commands::bakstop-", "::bakstop-"];
    let mut stopped = false;
    for line in text.lines() {
        let is_ours = format == "github" && ours.iter().any(|start| line.starts_with(start));
        stopped |= is_ours && line.starts_with("::stop-commands::");
        let is_command = line.trim_start().starts_with("::") && !(stopped && format == "github");
        assert!(is_ours || !is_command, "{at:?}: {line:?}");
        // Only one command in a line.
        let folded = line.to_ascii_lowercase();
        assert!(
            is_ours || !folded.contains("##[") && !folded.contains("##vso["),
            "{at:?}: {line:?}"
        );
        stopped &= !(is_ours && line.starts_with("::bakstop-"));
    }
    assert!(!stopped, "{at:?}: commands do not work again");
    match format {
        "human" | "github" => {}
        "json" | "sarif" | "gitlab" | "junit" if text.is_empty() => {}
        "json" | "sarif" | "gitlab" => {
            serde_json::from_str::<serde_json::Value>(&text)
                .unwrap_or_else(|error| panic!("{at:?}: {error}"));
        }
        "junit" => {
            roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        }
        // A new format must be added here.
        _ => panic!("{at:?}: nothing is known of the format {format}"),
    }
}

/// Bytes as an argument, a variable or a part of a path.
pub(crate) fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// Hostile text between two others.
pub(crate) fn between(start: &str, hostile: &[u8], end: &str) -> Vec<u8> {
    [start.as_bytes(), hostile, end.as_bytes()].concat()
}

/// Runs the program and checks both of its streams.
#[track_caller]
pub(crate) fn harmless(
    sandbox: &Sandbox,
    arguments: &[&OsStr],
    change: &dyn Fn(&mut Command),
) -> Output {
    let mut command = sandbox.command(BAKSTOP);
    command.args(arguments).stdin(Stdio::null());
    change(&mut command);
    let output = command.output().unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    assert!(matches!(output.status.code(), Some(0..=2 | 126 | 127)), "{arguments:?}: {output:?}");
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| *argument == name)?;
        arguments.get(at + 1)?.to_str()
    };
    // A report in a file is checked by the caller. An unknown format is refused with text for
    // people.
    let named = after("--format").filter(|named| {
        after("--output").is_none() && formats().iter().any(|known| known == named)
    });
    let format = named.unwrap_or("human");
    assert_harmless(&output.stdout, format, &arguments);
    assert_harmless(&output.stderr, "human", &arguments);
    output
}

/// A repository with hostile text in every file that is read: in its history, in its index and on
/// disk.
pub(crate) fn hostile() -> Sandbox {
    let sandbox = Sandbox::workspace();
    // A name cannot have a NUL, but file content can.
    for path in [
        "nul/package.json",
        "nul/.npmrc",
        "nul/Dockerfile",
        "nul/.yarnrc.yml",
        "nul/pnpm-lock.yaml",
    ] {
        sandbox.write(
            path,
            format!(
                "{{\"a\": \"file:../{}/\0\n::error::x\"\0, _authToken=\0\x1b[2J\n",
                ".docker-deps"
            ),
        );
    }
    for (number, text) in HOSTILE.iter().enumerate() {
        plant(&sandbox, number, text);
        sandbox.git(&["add", "-A", "-f"]);
        // In the subject and the author.
        let message = sandbox.outside().join("message");
        std::fs::write(&message, between("S", text, "\n")).unwrap();
        let mut command = sandbox.command("git");
        command.args(["commit", "-q", "--cleanup=verbatim", "-F"]).arg(&message);
        let done = command.env("GIT_AUTHOR_NAME", os(&between("A", text, ""))).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        // Git refuses many of these names.
        let name = os(&between("refs/heads/b", text, ""));
        let _ = sandbox.command("git").arg("update-ref").arg(name).arg("HEAD").output().unwrap();
        // A remote, as if edited into the file by hand.
        let url = os(&between("https://example.org/", text, ""));
        let key = os(&between("remote.r", text, ".url"));
        let _ = sandbox.command("git").arg("config").arg(key).arg(url).output().unwrap();
    }
    sandbox.git(&["branch", "topic"]);
    sandbox.git(&["reset", "-q", "--soft", &format!("HEAD~{}", HOSTILE.len())]);
    sandbox
}

/// Files of every kind with this text in their content and their name.
fn plant(sandbox: &Sandbox, number: usize, text: &[u8]) {
    let debris = ".docker-deps";
    let lossy = String::from_utf8_lossy(text);
    let json = |word: &str| serde_json::Value::from(word).to_string();
    let path = |start: &str, end: &str| os(&between(start, text, end));
    sandbox.write(path("", ".bak"), "");
    sandbox.write(path("d", &format!("/{debris}/x.tgz")), "");
    // Escaped as JSON, and raw.
    let manifest = format!(
        "{{\"packageManager\": {}, \"dependencies\": {{{}: {}}}}}",
        json(&format!("pnpm@1.2.3{lossy}")),
        json(&lossy),
        json(&format!("file:../{debris}/{lossy}.tgz")),
    );
    sandbox.write(path("p", "/package.json"), manifest);
    let raw = between(
        "{\"packageManager\": \"pnpm@1.2.3",
        text,
        "\", \"dependencies\": {\"a\": \"file:../",
    );
    sandbox.write(
        path("r", "/package.json"),
        [&raw, debris.as_bytes(), b"/", text, b".tgz\"}}"].concat(),
    );
    sandbox.write(
        path("w", "/pnpm-workspace.yaml"),
        between(&format!("overrides:\n  a: \"file:../{debris}/"), text, "\"\n"),
    );
    sandbox.write(
        path("l", "/pnpm-lock.yaml"),
        between(&format!("  tarball: file:../{debris}/"), text, "\n"),
    );
    sandbox.write(
        path("n", "/.npmrc"),
        between("//r.example.org/:_authToken=s3cr3ts3cr3t", text, "\n"),
    );
    sandbox.write(path("y", "/.yarnrc.yml"), between("npmAuthToken: \"s3cr3t", text, "\"\nx: [\n"));
    sandbox.write(path("t", "/.tool-versions"), between("pnpm 9", text, "\n"));
    sandbox.write(path("m", "/mise.toml"), between("[tools]\npnpm = \"9", text, "\"\n"));
    let image = [
        &between("FROM node:22 AS a", text, "\nRUN npm i -g pnpm@9"),
        text,
        b"\nRUN corepack prepare pnpm@8.1.0",
    ];
    sandbox
        .write(path("", "/Dockerfile"), [image.concat(), between("", text, "\nARG X=")].concat());
    let step = format!(
        "on: push\njobs:\n  a:\n    steps:\n      - uses: pnpm/action-setup@v4\n        \
         with:\n          version: {}\n",
        json(&lossy)
    );
    sandbox.write(
        format!(".github/workflows/w{number}.yml"),
        step + &format!("      - run: {}\n", json(&format!("npm i -g pnpm@9{lossy}"))),
    );
    sandbox.write(path("c", "/text.js"), between("a\n", text, "\nb\n"));
}
