#![doc = include_str!("../../../docs/rules/rewritten-lockfile.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::Step;
use crate::base::path::RepoPath;
use crate::formats::trace::{Mention, could_hold_debris, find_debris, mention};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

pub(crate) const RULE: Rule = Rule {
    id: "rewritten-lockfile",
    summary: "a lockfile that resolves a package from .docker-deps",
    subject: Subject::Lockfile,
    manual: include_str!("../../../docs/rules/rewritten-lockfile.md"),
    check: Check::File { wants: |path| lockfile(path).is_some(), judge },
    ..Rule::base(RuleGroup::Guard)
};

/// How a package manager writes its lockfile anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockfileInstall {
    pub command: &'static str,
    /// Whether it keeps a trace, so that the committed lockfile is needed first: observed with npm
    /// 11, yarn 1 and 4, and not with pnpm 10 to 12 and bun 1.
    pub keeps_trace: bool,
}

/// How a lockfile is written; `None` for another file.
pub(crate) fn install(path: &RepoPath) -> Option<LockfileInstall> {
    let (command, keeps_trace) = match lockfile(path)? {
        FileKind::NpmLock => ("npm install --package-lock-only", true),
        FileKind::YarnLock | FileKind::YarnPnp => ("yarn install", true),
        FileKind::BunLock | FileKind::BunBinaryLock => ("bun install --lockfile-only", false),
        _ => ("pnpm install --lockfile-only", false),
    };
    Some(LockfileInstall { command, keeps_trace })
}

fn lockfile(path: &RepoPath) -> Option<FileKind> {
    FileKind::of(path, FileKind::is_lockfile)
}

/// A machine writes lockfiles, so every path component `.docker-deps` is a source, in a key or in
/// any part of a value. Reading by line works for every format, and for broken files.
fn judge(known: &SourceFile, debris: &Debris, findings: &mut Findings) {
    let file = &known.file;
    let Some(lockfile) = lockfile(&file.path) else { return };
    let traces = traces(file, lockfile, debris);
    let hidden = || Some((hidden(file, lockfile, debris)?, 1));
    let Some((Mention { directory, span }, lines)) = traces.or_else(hidden) else { return };
    let more = match lines {
        1 => String::new(),
        2 => ", and 1 more line does".into(),
        _ => format!(", and {} more lines do", lines - 1),
    };
    let (help, steps) = if file.replaces {
        (
            "restoring package.json does not undo this: restore the lockfile as well",
            &[Step::Restore { staged: true }][..],
        )
    } else {
        (
            "this lockfile is new: unstage it; if it belongs here, restore the manifests and \
             install again",
            &[Step::Unstage][..],
        )
    };
    let message = format!("the lockfile resolves a package from {}{more}", directory.name);
    findings.place(file, &span, message).help(help, steps);
}

/// The first trace, and the number of lines with one.
fn traces<'a>(file: &File, lockfile: FileKind, debris: &'a Debris) -> Option<(Mention<'a>, usize)> {
    if !could_hold_debris(&file.text, debris) {
        return None;
    }
    // The strings of Bun's binary lockfile follow each other without a separator.
    let packed = lockfile == FileKind::BunBinaryLock;
    let mut first = None;
    let mut lines = 0_usize;
    let mut start = 0;
    // The indentation of the current block of prose.
    let mut prose = None;
    // In YAML, a lone carriage return ends a line, and so a comment.
    for line in file.text.split_inclusive(|byte| b"\r\n".contains(byte)) {
        let indent = line.len() - line.trim_ascii_start().len();
        if prose.is_some_and(|block| indent <= block && indent < line.len()) {
            prose = None;
        }
        if prose.is_none()
            && let Some(Mention { directory, span }) = trace(line, debris, packed)
        {
            let span = start + span.start..start + span.end;
            first.get_or_insert(Mention { directory, span });
            lines += 1;
        }
        if [&b"deprecated: |"[..], b"deprecated: >"]
            .iter()
            .any(|block| line[indent..].starts_with(block))
        {
            prose = Some(indent);
        }
        start += line.len();
    }
    Some((first?, lines))
}

/// A trace that is not in a single line: in UTF-16, or in a YAML string over two lines. No tool
/// writes these.
fn hidden<'a>(file: &File, lockfile: FileKind, debris: &'a Debris) -> Option<Mention<'a>> {
    use FileKind::{BunBinaryLock, BunLock, PnpmBranchLock, PnpmLock, YarnLock};
    let wide = lockfile != BunBinaryLock && file.text.contains(&0);
    let joined = |_: &usize| matches!(lockfile, PnpmLock | PnpmBranchLock | YarnLock | BunLock);
    let mut ends = memchr::memchr2_iter(b'\n', b'\r', &file.text).filter(joined);
    let joined = ends.any(|at| at > 0 && file.text[at - 1] == b'\\');
    if wide || joined { mention(&file.text, debris) } else { None }
}

/// The first trace in a line, after its prose.
fn trace<'a>(line: &[u8], debris: &'a Debris, packed: bool) -> Option<Mention<'a>> {
    let from = prose_end(line);
    let Mention { directory, span } = find_debris(&line[from..], debris, packed)?;
    Some(Mention { directory, span: from + span.start..from + span.end })
}

/// The end of the prose at the start of a line: a comment, or the message of a deprecated package.
/// A lockfile has no other.
fn prose_end(line: &[u8]) -> usize {
    let text = line.trim_ascii_start();
    if let Some(message) = text.strip_prefix(b"\"deprecated\":") {
        // Other properties may follow the message on its line.
        let from = line.len() - message.len();
        let mut quotes = (from..line.len()).filter(|&at| line[at] == b'"' && line[at - 1] != b'\\');
        let end = quotes.nth(1).unwrap_or(line.len());
        return if is_prose(&line[from..end]) { end } else { 0 };
    }
    let whole = text.starts_with(b"#") || text.strip_prefix(b"deprecated:").is_some_and(is_prose);
    if whole { line.len() } else { 0 }
}

/// Whether this is a message, and not the version of a package named `deprecated`.
fn is_prose(text: &[u8]) -> bool {
    text.trim_ascii().contains(&b' ')
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn the_trace_is_found_in_every_lockfile() {
        let dir = ".docker-deps";
        let change = Fake::default()
            .file("bun.lock", &format!("{{\n  \"@s/x\": [\"@s/x@{dir}/x.tgz\", {{}}],\n}}\n"))
            .file("npm-shrinkwrap.json", &format!("{{\"resolved\": \"file:..\\/{dir}/x.tgz\"}}"))
            .file("package-lock.json", &format!("{{\n\t\"resolved\": \"file:../{dir}/x.tgz\"\n}}"))
            .file(
                "pnpm-lock.yaml",
                &format!(
                    "packages:\r\n  '@s/x@file:{dir}/x.tgz':\r\n\
                     \x20   resolution: {{tarball: file:{dir}/x.tgz}}\r\n"
                ),
            )
            .file(
                "web/yarn.lock",
                &format!(
                    "\"@s/x@file:../{dir}/x.tgz\":\n  version \"1.0.0\"\n\
                     \x20 resolved \"file:../{dir}/x.tgz#1\"\n  a {dir}\n"
                ),
            );
        let text = "the lockfile resolves a package from .docker-deps";
        assert_eq!(
            transcript(&RULE, &change),
            [
                format!("bun.lock:2:18: {text}"),
                format!("npm-shrinkwrap.json:1:24: {text}"),
                format!("package-lock.json:2:23: {text}"),
                format!("pnpm-lock.yaml:2:14: {text}, and 1 more line does"),
                format!("web/yarn.lock:1:15: {text}, and 2 more lines do"),
            ]
        );
    }

    #[test]
    fn lockfiles_of_yarn_bun_and_branches_are_judged() {
        let text = format!("x {}/x.tgz\0", ".docker-deps");
        let glued = format!("1.0.0{}/x.tgz", ".docker-deps");
        assert_eq!(transcript(&RULE, &Fake::default().file("bun.lockb", &glued)).len(), 1);
        let flat = format!("  \"deprecated\": \"a \\\" b\", \"resolved\": \"{text}\"");
        assert_eq!(transcript(&RULE, &Fake::default().file("package-lock.json", &flat)).len(), 1);
        let second = format!("  \"deprecated\": \"see {text}\", \"resolved\": \"{text}\"");
        assert_eq!(transcript(&RULE, &Fake::default().file("package-lock.json", &second)).len(), 1);
        for name in [".pnp.cjs", ".pnp.data.json", "bun.lockb", "pnpm-lock.feat!a.yaml"] {
            assert_eq!(transcript(&RULE, &Fake::default().file(name, &text)).len(), 1, "{name}");
        }
        for name in ["pnpm-lock-notes.yaml", "yarn.lock.md", "my-yarn.lock", "bun.lockbox"] {
            assert_eq!(transcript(&RULE, &Fake::default().file(name, &text)).len(), 0, "{name}");
        }
    }

    #[test]
    fn ordinary_lockfiles_and_their_prose_pass() {
        let change = Fake::default()
            .file(
                "pnpm-lock.yaml",
                "# .docker-deps/\npackages:\n  x@1:\n    deprecated: not for .docker-deps/\n\
                 \x20 y: link:../ui\n",
            )
            .file(
                "web/pnpm-lock.yaml",
                "packages:\n  x@1:\n    deprecated: |-\n      not for .docker-deps/\n\n\
                 \x20     at all\n    y: 1\n",
            )
            .file("package-lock.json", "{\"resolved\": \"../my.docker-deps/x\"}")
            .file("docs/pnpm-lock.md", ".docker-deps/x.tgz");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }

    #[test]
    fn prose_is_skipped_after_any_line_end_and_name() {
        let dir = ".docker-deps";
        let link = format!("specifiers:\n  deprecated: link:../{dir}/x\n");
        let root =
            format!("{{\n  \"dependencies\": {{\n    \"deprecated\": \"file:../{dir}/x.tgz\"\n");
        let comment = format!("# x\r'@s/x@file:{dir}/x.tgz':\r");
        let message = format!("deprecated: a b\r'@s/x@file:{dir}/x.tgz':\r");
        let joined = "x: \"file:.docker-\\\n  deps/x.tgz\"\n";
        let wide = |text: &str| {
            text.bytes().flat_map(|byte| [byte, 0]).map(char::from).collect::<String>()
        };
        for (path, text, place) in [
            ("pnpm-lock.yaml", link, "2:23"),
            ("package-lock.json", root, "3:28"),
            ("pnpm-lock.yaml", comment, "1:16"),
            ("pnpm-lock.yaml", message, "1:28"),
            ("pnpm-lock.yaml", joined.to_owned(), "1:1"),
            ("yarn.lock", joined.replace('\n', "\r\n"), "1:1"),
            (
                "package-lock.json",
                wide(&format!("{{\"resolved\": \"file:../{dir}/x.tgz\"}}")),
                "1:1",
            ),
            ("package-lock.json", "\"file:../\\u002eDoc\\u212aer-deps/x\"".to_owned(), "1:10"),
            ("pnpm-lock.yaml", "é: file:.doc\u{212a}er-dep\u{17f}/x".to_owned(), "1:9"),
        ] {
            let found = transcript(&RULE, &Fake::default().file(path, &text));
            assert_eq!(
                found,
                [format!("{path}:{place}: the lockfile resolves a package from {dir}")],
                "{text:?}"
            );
        }
    }

    mod spellings {
        use proptest::prelude::*;

        use super::*;

        /// A line of a lockfile of each kind, with `DIR` for the directory.
        const LINES: [(&str, &str); 12] = [
            ("pnpm-lock.yaml", "  /@s/x/1.0.0: file:../DIR/x.tgz"),
            ("pnpm-lock.yaml", "  file:DIR/x.tgz_react@18.2.0:"),
            ("pnpm-lock.yaml", "  '@s/x@file:DIR/x.tgz(react@18.2.0)':"),
            ("pnpm-lock.yaml", "    resolution: {directory: DIR/x, type: directory}"),
            ("pnpm-lock.feature.yaml", "        specifier: link:../DIR"),
            ("package-lock.json", "  \"resolved\": \"file:../DIR/x.tgz\","),
            ("npm-shrinkwrap.json", "  \"DIR/x\": {"),
            ("yarn.lock", "\"@s/x@file:../DIR/x.tgz\":"),
            (
                "yarn.lock",
                "  resolution: \"x@file:../DIR/x.tgz#../DIR/x.tgz::hash=1&\
                 locator=a%40workspace%3A.\"",
            ),
            ("yarn.lock", "\"x@patch:x@file%3A..%2FDIR%2Fx.tgz#./x.patch\":"),
            ("bun.lock", "  \"@s/x\": [\"@s/x@../DIR/x.tgz\", {}],"),
            (".pnp.cjs", "  [\"file:../DIR/x.tgz::locator=a\", {\\"),
        ];

        const HARMLESS: [&str; 8] = [
            "",
            "    # .docker-deps/x",
            "  integrity: sha512-a+b/c==",
            "  \"resolved\": \"file:../my.docker-deps/x.tgz\",",
            "  x: file:.docker-deps-2/x.tgz",
            "  \"deprecated\": \"see .docker-deps/ \\u00fc\",",
            "    deprecated: not for .docker-deps/",
            "  ünicode \\n %zz: \u{2028}",
        ];

        proptest! {
            #[test]
            fn a_trace_is_found_in_its_line(
                (path, line) in proptest::sample::select(&LINES[..]),
                letters in proptest::collection::vec(0..6_u8, ".docker-deps".len()),
                before in proptest::collection::vec(proptest::sample::select(&HARMLESS[..]), 0..20),
                after in proptest::collection::vec(proptest::sample::select(&HARMLESS[..]), 0..20),
                end in prop_oneof![Just("\n"), Just("\r\n")],
            ) {
                let spell = |(c, choice): (char, u8)| match choice {
                    0 => format!("\\u{:04x}", u32::from(c)),
                    1 => format!("\\u{:04X}", u32::from(c)),
                    2 => format!("%{:02x}", u32::from(c)),
                    3 => c.to_ascii_uppercase().to_string(),
                    4 if c == 'k' => "\u{212a}".to_owned(),
                    4 => format!("{c}\u{200d}"),
                    _ => c.to_string(),
                };
                let spelled: String = ".docker-deps".chars().zip(letters).map(spell).collect();
                let line = line.replace("DIR", &spelled);
                let text = [&before[..], &[&*line], &after[..]].concat().join(end);
                let change = Fake::default().file(path, &text);
                let found = transcript(&RULE, &change);
                let place = format!("{path}:{}:", before.len() + 1);
                prop_assert_eq!(found.len(), 1, "{:?}\n{}", found, text);
                prop_assert!(found[0].starts_with(&place), "{:?}\n{}", found, text);
                prop_assert!(!found[0].contains("more line"), "{:?}", found);
            }

            #[test]
            fn a_harmless_lockfile_passes(
                (path, _) in proptest::sample::select(&LINES[..]),
                lines in proptest::collection::vec(proptest::sample::select(&HARMLESS[..]), 0..40),
                end in prop_oneof![Just("\n"), Just("\r\n")],
            ) {
                let text = lines.join(end);
                let found = transcript(&RULE, &Fake::default().file(path, &text));
                prop_assert_eq!(found, [""; 0], "{}", text);
            }
        }
    }
}
