//! Diffs that are safe to print: escaped, bounded, with secrets masked.

use crate::base::credentials::{holds_secret, holds_token};
use crate::base::edit::Edit;
use crate::base::escape::{Escaped, no_command};
use crate::base::finding::{Span, line_around};
use crate::base::path::RepoPath;
use crate::edit::diff;
use crate::project::kinds::FileKind;

/// The first lines of the diff of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The lines. The first two name the file.
    pub lines: Vec<String>,
    /// The number of lines that are left out.
    pub more: usize,
}

/// The lines at the start of a diff that name the file.
const HEADER: usize = 2;
/// The maximum number of lines of one file.
const LINES: usize = 14;
/// The maximum number of lines of all files together.
const ALL_LINES: usize = 100;
/// The lines of context around a change.
const RADIUS: usize = 1;
/// The maximum number of characters of a line.
const WIDTH: usize = 160;
/// The same limits for a fix, which a user may paste.
const FIX_LINES: usize = 200;
const FIX_WIDTH: usize = 1000;
const FIX_RADIUS: usize = 3;
/// A file with NUL in its first bytes is binary, as for git (`buffer_is_binary` in
/// xdiff-interface.c).
const BINARY: usize = 8000;
/// The start of a pointer of git-lfs, which replaces the content.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The lines of a unified diff, safe to print, without line feeds. Empty if the texts are equal.
pub(crate) fn unified(path: &RepoPath, old: &[u8], new: &[u8], radius: usize) -> Vec<String> {
    let Near { first, old, new } = near(old, new, radius);
    let mut lines = diff::unified(first, &printable(old), &printable(new), radius);
    if !lines.is_empty() {
        lines.splice(0..0, [format!("--- a/{path}"), format!("+++ b/{path}")]);
    }
    // A line that did not change has only a space before it.
    lines.into_iter().map(no_command).collect()
}

/// The parts of two texts that differ, with some equal lines around them.
struct Near<'t> {
    /// The number of lines before both.
    first: usize,
    old: &'t [u8],
    new: &'t [u8],
}

/// How many bytes are compared at once.
const PIECE: usize = 4096;

/// The number of equal bytes in pieces of two texts, up to the first difference.
fn common<'t>(
    mut pieces: impl Iterator<Item = (&'t [u8], &'t [u8])>,
    within: impl Fn((&[u8], &[u8])) -> usize,
) -> usize {
    let mut equal = 0;
    let last = pieces.find(|(one, other)| {
        let is_equal = one == other;
        equal += if is_equal { one.len() } else { 0 };
        !is_equal
    });
    equal + last.map_or(0, within)
}

/// What a diff needs of two texts. Most of a long file is equal, and a rule may have a fix for each
/// of many places.
fn near<'t>(old: &'t [u8], new: &'t [u8], radius: usize) -> Near<'t> {
    let before = common(old.chunks(PIECE).zip(new.chunks(PIECE)), |(one, other)| {
        one.iter().zip(other).take_while(|(one, other)| one == other).count()
    });
    // The ends of equal lengths, without what is equal at the start.
    let most = old.len().min(new.len()) - before;
    let ends = [old, new].map(|text| &text[text.len() - most..]);
    let after = common(ends[0].rchunks(PIECE).zip(ends[1].rchunks(PIECE)), |(one, other)| {
        let pairs = one.iter().rev().zip(other.iter().rev());
        pairs.take_while(|(one, other)| one == other).count()
    });
    // One line more than is shown: a change may be moved over an equal one.
    let lines = radius + 2;
    let starts = memchr::memrchr_iter(b'\n', &old[..before]);
    let start = starts.map(|at| at + 1).nth(lines).unwrap_or_default();
    let tail = &old[old.len() - after..];
    let end = memchr::memchr_iter(b'\n', tail).nth(lines).map_or(after, |at| at + 1);
    Near {
        first: memchr::memchr_iter(b'\n', &old[..start]).count(),
        old: &old[start..old.len() - after + end],
        new: &new[start..new.len() - after + end],
    }
}

/// The diffs of several files, bounded and masked. Binary files, files of secrets and pointers of
/// git-lfs are left out.
pub(crate) fn excerpts<'a>(
    files: impl Iterator<Item = (&'a RepoPath, Vec<u8>, Vec<u8>)>,
) -> Vec<(&'a RepoPath, Excerpt)> {
    let mut left = ALL_LINES;
    let mut excerpts = Vec::new();
    for (path, old, new) in files {
        if FileKind::Secret.matches(path)
            || [&old, &new].into_iter().any(|text| is_binary(text))
            || old.starts_with(POINTER)
        {
            continue;
        }
        // With `core.autocrlf`, the committed file has other line endings than the one on disk.
        let turned = memchr::memchr(b'\r', &old).is_none() && memchr::memchr(b'\r', &new).is_some();
        let new = if turned { without_returns(&new) } else { new };
        let mut lines = unified(path, &old, &new, RADIUS);
        if turned && lines.is_empty() {
            lines.push(format!("only the line endings of {path} differ"));
        }
        if lines.is_empty() {
            continue;
        }
        let excerpt = shorten(path, lines, LINES.min(left), WIDTH);
        left -= excerpt.lines.len();
        excerpts.push((path, excerpt));
    }
    excerpts
}

/// The diff of a fix.
#[derive(Debug)]
pub(crate) struct FixExcerpt {
    pub excerpt: Excerpt,
    /// Whether to hide the edits: an edited line may contain a secret, or the file must not be
    /// printed.
    pub is_secret: bool,
    /// Whether the lines are those of the files, and all of them.
    pub is_exact: bool,
}

/// The diff of a fix of a file.
pub(crate) fn fix_excerpt(path: &RepoPath, old: &[u8], new: &[u8], edits: &[Edit]) -> FixExcerpt {
    if FileKind::Secret.matches(path) || [old, new].into_iter().any(is_binary) {
        let excerpt = Excerpt { lines: Vec::new(), more: 0 };
        return FixExcerpt { excerpt, is_secret: true, is_exact: false };
    }
    let is_secret = secret_test(path);
    let lines = unified(path, old, new, FIX_RADIUS);
    let mut changed = lines.iter().skip(HEADER).filter(|line| line.starts_with(['+', '-']));
    // An edit may write a line as it was: the diff does not show that line as changed.
    let masked = changed.any(|line| is_secret(line))
        || edits.iter().any(|edit| edited_lines(edit, old).lines().any(is_secret));
    let excerpt = shorten(path, lines.clone(), FIX_LINES, FIX_WIDTH);
    let is_exact = excerpt.lines == lines && is_printed_exactly(path, old, new, FIX_RADIUS);
    FixExcerpt { excerpt, is_secret: masked, is_exact }
}

/// The whole diff of a file, masked, and whether its lines are those of the files.
pub(crate) fn whole(path: &RepoPath, old: &[u8], new: &[u8]) -> (Vec<String>, bool) {
    let lines = unified(path, old, new, FIX_RADIUS);
    let excerpt = shorten(path, lines.clone(), usize::MAX, usize::MAX);
    let is_exact = excerpt.lines == lines && is_printed_exactly(path, old, new, FIX_RADIUS);
    (excerpt.lines, is_exact)
}

/// Whether the lines of a diff are those of the files, without an escape.
fn is_printed_exactly(path: &RepoPath, old: &[u8], new: &[u8], radius: usize) -> bool {
    let Near { first, old: before, new: after } = near(old, new, radius);
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        return false;
    };
    let plain = diff::unified(first, before, after, radius);
    let printed = unified(path, old, new, radius);
    path.to_string().as_bytes() == path.as_bytes() && printed.get(HEADER..) == Some(&*plain)
}

/// The first lines of a diff, shortened and masked.
fn shorten(path: &RepoPath, lines: Vec<String>, max: usize, width: usize) -> Excerpt {
    let is_secret = secret_test(path);
    let more = lines.len().saturating_sub(max);
    let shown = lines.into_iter().take(max).enumerate();
    let shown = shown.map(|(at, line)| match at {
        0..HEADER => line,
        // Keep the sign: it shows whether the line was added or removed.
        _ if !line.starts_with("@@ ") && is_secret(&line) => {
            line.chars().take(1).chain("********".chars()).collect()
        }
        _ => shortened(line, width),
    });
    Excerpt { lines: shown.collect(), more }
}

/// Decides which lines of a file are masked. Names of packages often look like secrets.
fn secret_test(path: &RepoPath) -> fn(&str) -> bool {
    match FileKind::of(path, FileKind::is_made_of_names) {
        Some(_) => |line| holds_token(line.as_bytes()),
        None => |line| holds_secret(line.as_bytes()),
    }
}

/// The lines that an edit writes, including the rest of the first and the last line.
fn edited_lines(edit: &Edit, old: &[u8]) -> String {
    let Span { start, end } = edit.span;
    let (before, after) = (line_around(old, start).start..start, end..line_around(old, end).end);
    let written = [&old[before], edit.text.as_bytes(), &old[after]].concat();
    String::from_utf8_lossy(&written).into_owned()
}

fn is_binary(text: &[u8]) -> bool {
    text[..text.len().min(BINARY)].contains(&0)
}

/// The text with each CRLF as a line feed.
fn without_returns(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    for &byte in text {
        if byte == b'\n' && kept.last() == Some(&b'\r') {
            kept.pop();
        }
        kept.push(byte);
    }
    kept
}

fn shortened(line: String, width: usize) -> String {
    let end = line.char_indices().nth(width).map(|(end, _)| end);
    match end.and_then(|end| line.get(..end)) {
        Some(start) => format!("{start}…"),
        None => line,
    }
}

/// A text whose lines are safe to print. Tabs stay.
fn printable(text: &[u8]) -> String {
    let line = |line: &[u8]| {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let parts: Vec<String> =
            content.split(|byte| *byte == b'\t').map(|part| Escaped(part).to_string()).collect();
        parts.join("\t") + if line.len() > content.len() { "\n" } else { "" }
    };
    let text: String = text.split_inclusive(|byte| *byte == b'\n').map(line).collect();
    // Runners obey `##[command]` and `##vso[command]` anywhere in a line; `##` alone is a heading
    // in Markdown.
    let text = text.replace(r"#\u{0023}", "##");
    ['[', 'v', 'V']
        .iter()
        .fold(text, |text, next| text.replace(&format!("##{next}"), &format!(r"#\u{{0023}}{next}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff_lines(old: &[u8], new: &[u8]) -> Vec<String> {
        file_diff_lines("a b", old, new)
    }

    fn file_diff_lines(path: &str, old: &[u8], new: &[u8]) -> Vec<String> {
        let path = RepoPath::from(path);
        let mut excerpts = excerpts([(&path, old.to_vec(), new.to_vec())].into_iter());
        excerpts.pop().map(|(_, excerpt)| excerpt.lines).unwrap_or_default()
    }

    #[test]
    fn changed_lines_are_shown_with_context() {
        assert_eq!(
            diff_lines(b"1\n2\n3\n4\n5\n", b"1\n2\nthree\x1b[2J\n4\n5"),
            [
                "--- a/a b",
                "+++ b/a b",
                "@@ -2,4 +2,4 @@",
                " 2",
                "-3",
                "+three\\u{001b}[2J",
                " 4",
                "-5",
                "+5",
                "\\ No newline at end of file",
            ]
        );
        assert!(diff_lines(b"same\n", b"same\n").is_empty());
    }

    #[test]
    fn the_diff_of_a_part_is_that_of_the_whole() {
        let lines: Vec<String> = (0..60).map(|number| format!("{number}\n")).collect();
        let old = lines.concat();
        let path = RepoPath::from("a");
        for at in 0..60 {
            for text in ["", "x\n", "x", "\n\n", "10\n11\n", "9\n10\n"] {
                let mut changed = lines.clone();
                changed[at] = text.to_owned();
                changed[59 - at].insert(0, 'y');
                for new in [changed.concat(), changed.concat() + "z", lines[..at].concat()] {
                    let (whole, part) = (diff::unified(0, &old, &new, 2), near_lines(&old, &new));
                    assert_eq!(part, whole, "{at} {text:?}");
                    let shown = unified(&path, old.as_bytes(), new.as_bytes(), 2);
                    assert_eq!(shown[2..], whole, "{at} {text:?}");
                }
            }
        }
        assert!(unified(&path, old.as_bytes(), old.as_bytes(), 2).is_empty());
        let long = old.repeat(1000);
        let part =
            near(long.as_bytes(), long.replacen("59\n0", "59\nx", 1).as_bytes(), 3).old.len();
        assert!(part < 100, "{part}");
    }

    fn near_lines(old: &str, new: &str) -> Vec<String> {
        let Near { first, old, new } = near(old.as_bytes(), new.as_bytes(), 2);
        let text = |part| std::str::from_utf8(part).unwrap();
        diff::unified(first, text(old), text(new), 2)
    }

    #[test]
    fn a_heading_is_not_a_command_of_a_runner() {
        let lines = diff_lines(b"# a\n## b\n", b"# a\n### c\n##[error]x ###[group]\n##vso[x]\n");
        let hostile = [r"+#\u{0023}[error]x ##\u{0023}[group]", r"+#\u{0023}vso[x]"];
        assert_eq!(lines[3..], [" # a", "-## b", "+### c", hostile[0], hostile[1]]);
        // An unchanged line has a space before it.
        assert_eq!(diff_lines(b"::a::\nb\n", b"::a::\nc\n")[3..], [r" \u{003a}:a::", "-b", "+c"]);
    }

    #[test]
    fn binary_files_and_line_endings_are_not_shown() {
        assert!(diff_lines(b"a\n", b"a\0\n").is_empty());
        assert!(
            diff_lines(b"version https://git-lfs.github.com/spec/v1\noid x\n", b"content\n")
                .is_empty()
        );
        assert_eq!(diff_lines(b"a\nb\n", b"a\r\nb\r\n"), ["only the line endings of a b differ"]);
        assert_eq!(diff_lines(b"a\r\n", b"a\n").len(), 5);
        assert_eq!(diff_lines(b"a\nb\n", b"a\r\nc\r\r\n")[5], "+c\\r");
    }

    #[test]
    fn long_diffs_are_cut_and_counted() {
        let paths: Vec<RepoPath> =
            (0..20).map(|number| RepoPath::from(&*format!("{number}"))).collect();
        let new: String = (0..50).map(|number| format!("{number}{}\n", " x".repeat(250))).collect();
        let excerpts =
            excerpts(paths.iter().map(|path| (path, Vec::new(), new.clone().into_bytes())));
        assert_eq!(excerpts.len(), 20);
        assert_eq!(
            excerpts.iter().map(|(_, excerpt)| excerpt.lines.len()).sum::<usize>(),
            ALL_LINES
        );
        assert_eq!((excerpts[0].1.lines.len(), excerpts[0].1.more), (LINES, 53 - LINES));
        assert_eq!(excerpts[0].1.lines[4].chars().count(), WIDTH + 1);
        assert_eq!((excerpts[19].1.lines.len(), excerpts[19].1.more), (0, 53));
    }

    #[test]
    fn names_of_secrets_are_shown() {
        for line in [
            "//npm.example/:_authToken=${NPM_TOKEN}",
            "npmAuthToken: \"${NPM_TOKEN}\"",
            "RUN --mount=type=secret,id=npm_token,env=NPM_TOKEN npm ci",
            "RUN --mount=type=secret,required,target=/root/.npmrc npm ci",
            "ENV NPM_CONFIG_STRICT_SSL=false",
            "      secrets:",
            "      secrets: [npm_token, other]",
            "secrets: ",
            "    environment: NPM_TOKEN",
        ] {
            let text = format!("a\n{line}\n");
            assert_eq!(diff_lines(b"a\n", text.as_bytes())[4], format!("+{line}"));
        }
        let token = ["s3cr", "3t"].concat().repeat(4);
        for line in [
            format!("_authToken={token} a=${{T}}"),
            format!("_authToken=${{T}}{token}"),
            format!("RUN --mount=type=secret,id=t TOKEN={token} npm ci"),
            format!("secrets: token={token}"),
            format!("https://${{T}}:{token}@host"),
        ] {
            let text = format!("a\n{line}\n");
            assert_eq!(diff_lines(b"a\n", text.as_bytes())[4], "+********", "{line}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        let token = ["s3cr", "3t"].concat().repeat(4);
        for line in [
            format!("//npm.example.org/:_authToken={token}"),
            format!("npmAuthToken: {token}"),
            format!("  \"api_key\": \"{token}\","),
            format!("export DEPLOY_TOKEN={token}"),
            format!("password: {token}"),
            format!("x = ghp_{token}"),
            format!("registry=https://me:{token}@npm.example.org"),
            "A1b2C3d4".repeat(8),
            "-- password: hunter2hunter2".into(),
            "token: YWJjZGVmZ2hpamts==".into(),
            "DB_PASS: hunter2".into(),
            format!("ENV NPM_TOKEN {token}"),
            format!("  env DEPLOY_KEY {token}"),
            format!("RUN curl -fsS -u me:{token} http://npm.example.org"),
            format!("RUN npm-cli-login --password '{token}'"),
            format!("RUN docker login -u me -p {token} npm.example.org"),
        ] {
            assert_eq!(
                diff_lines(b"a\n", format!("a\n{line}\n").as_bytes())[4],
                "+********",
                "{line}"
            );
        }
        for line in [
            "\"jsonwebtoken\": \"^9.0.2\"",
            "\"@acme/tokens\": \"file:../packed/tokens.tgz\"",
            "\"token\": \"~1\"",
            "const token = f();",
            "sha512-abc",
            "token: ${{ inputs.npm }}",
            "ENV NPM_TOKEN $T",
            "ENV KEYBOARD=us TOKENS=2",
            "RUN docker login --password-stdin -u me",
            "RUN curl -fsS -u \"me:$T\" http://npm.example.org",
            "RUN echo \"the token is --token\"",
        ] {
            assert_eq!(
                diff_lines(b"a\n", format!("a\n{line}\n").as_bytes())[4],
                format!("+{line}")
            );
        }
        let line = "\"@aws-sdk/client-secrets-manager\": \"3.1.0-beta\"";
        assert_eq!(
            file_diff_lines("web/package.json", b"a\n", format!("a\n{line}\n").as_bytes())[4],
            format!("+{line}")
        );
        for path in [".env.local", "a/server.pem", "id_rsa"] {
            assert!(file_diff_lines(path, b"a\n", b"b\n").is_empty(), "{path}");
        }
    }
}
