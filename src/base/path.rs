//! Paths inside a repository.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::path::Path;

use crate::base::escape::{Escaped, no_command};

/// The longest path that is followed, in bytes: `PATH_MAX` of Linux.
pub(crate) const LONGEST_PATH: usize = 4096;

/// Changes to the top of the work tree, where commands with paths from there work.
pub(crate) const TO_TOP: &str = "cd \"$(git rev-parse --show-toplevel)\"";

/// A path relative to the top of the work tree, separated by `/`: bytes, as git stores them.
///
/// Its `Display` is escaped; use [`RepoPath::as_bytes`] for the file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RepoPath(Vec<u8>);

impl RepoPath {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Sets the path without a new allocation.
    pub(crate) fn replace(&mut self, bytes: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(bytes);
    }

    /// The raw bytes. Never print them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last component.
    pub(crate) fn file_name(&self) -> &[u8] {
        memchr::memrchr(b'/', &self.0).map_or(&*self.0, |slash| &self.0[slash + 1..])
    }

    /// The directory, without a trailing slash; empty at the top.
    pub(crate) fn parent(&self) -> &[u8] {
        memchr::memrchr(b'/', &self.0).map_or(&[], |slash| &self.0[..slash])
    }

    /// Whether this is the path of `directory`, or of something in it; everything is in the top,
    /// which is empty.
    pub(crate) fn is_in(&self, directory: &[u8]) -> bool {
        match self.0.strip_prefix(directory) {
            Some([] | [b'/', ..]) => true,
            rest => rest.is_some() && directory.is_empty(),
        }
    }

    /// A path below this directory; an empty one is the top.
    pub(crate) fn join(&self, below: &Self) -> Self {
        if self.0.is_empty() {
            return below.clone();
        }
        Self([&self.0[..], b"/", &below.0].concat())
    }

    pub(crate) fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// A pathspec as one word of a shell command: the bare path if it is plain, else quoted and
    /// literal, so that git does not interpret `*` or a leading `:`. With `from_top`, git resolves
    /// it at the top of the work tree, from any directory.
    pub(crate) fn as_pathspec(&self, from_top: bool) -> String {
        let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"._/@+-,=".contains(&byte);
        let simple = self.0.iter().all(plain) && !self.0.starts_with(b"-");
        // After `:/`, git reads punctuation as pathspec magic.
        let no_magic =
            self.0.first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'.');
        match (simple, from_top) {
            (true, false) => self.to_string(),
            (true, true) if no_magic => format!(":/{self}"),
            _ => shell_quote(&[b":(top,literal)", self.as_bytes()].concat()).into_owned(),
        }
    }
}

/// Whether a file system that folds case treats two names as one.
pub(crate) fn is_same_name(name: &[u8], known: &str) -> bool {
    let is_same = |name: &[u8]| name.eq_ignore_ascii_case(known.as_bytes());
    is_same(name) || !name.is_ascii() && is_same(&folded(name))
}

/// A name as file systems that fold case compare it: in lower case, and with [`fold`] applied.
pub(crate) fn folded(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        return Cow::Borrowed(name);
    }
    let mut plain = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match fold(character) {
                Some(Folded::To(byte)) => plain.push(byte),
                Some(Folded::Away) => {}
                None => plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        plain.extend_from_slice(chunk.invalid());
    }
    plain.make_ascii_lowercase();
    Cow::Owned(plain)
}

/// Whether text contains a part, both with case folded.
pub(crate) fn fold_contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(&folded(text), &folded(part)).is_some()
}

/// The result of folding a character beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folded {
    /// A character of ASCII.
    To(u8),
    /// Nothing: HFS+, and ext4 with `casefold`, ignore invisible characters.
    Away,
}

/// Folds a character into ASCII: the Kelvin sign is a `k`, the long s an `s`. `None` if it stays.
pub(crate) fn fold(character: char) -> Option<Folded> {
    match character {
        '\u{212a}' => Some(Folded::To(b'k')),
        '\u{17f}' => Some(Folded::To(b's')),
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => Some(Folded::Away),
        _ => None,
    }
}

/// The first UTF-8 bytes of the characters that [`fold`] replaces.
pub(crate) const FOLDED_BY: [u8; 3] = [0xc5, 0xe2, 0xef];

impl Display for RepoPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may begin a line.
        out.write_str(&no_command(Escaped(&self.0).to_string()))
    }
}

impl From<&str> for RepoPath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

/// A path of this machine, for display.
impl From<&Path> for RepoPath {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_encoded_bytes().into())
    }
}

/// Quotes a path as an argument of a command: one that begins like an option has `./` before it.
pub(crate) fn shell_argument(path: &[u8]) -> String {
    let mark: &[u8] = if path.starts_with(b"-") { b"./" } else { b"" };
    shell_quote(&[mark, path].concat()).into_owned()
}

/// Quotes bytes as one word of a POSIX shell: bare, in single quotes, or, for bytes that must not
/// be printed, in `$'…'` (POSIX 2024; bash, zsh and busybox support it).
pub(crate) fn shell_quote(word: &[u8]) -> Cow<'_, str> {
    let printable = std::str::from_utf8(word)
        .ok()
        .filter(|text| !text.chars().any(crate::base::escape::is_unsafe) && !text.contains("##"));
    match printable {
        Some(text)
            if !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._/@+-,=:%".contains(&b)) =>
        {
            Cow::Borrowed(text)
        }
        Some(text) => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
        None => {
            let escaped: String = word
                .iter()
                .enumerate()
                .map(|(at, &byte)| match byte {
                    b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                    // Runners obey `##[command]` anywhere in a line.
                    b'#' if at > 0 && word[at - 1] == b'#' => "\\043".to_owned(),
                    0x20..0x7f => char::from(byte).to_string(),
                    _ => format!("\\{byte:03o}"),
                })
                .collect();
            Cow::Owned(format!("$'{escaped}'"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path() {
        let path = RepoPath::from("backend/.docker-deps/x.tgz");
        assert_eq!(path.file_name(), b"x.tgz");
        assert_eq!(path.parent(), b"backend/.docker-deps");
        assert_eq!(RepoPath::from("package.json").parent(), b"");
        for (directory, is_in) in [
            ("", true),
            ("backend", true),
            ("backend/.docker-deps/x.tgz", true),
            ("back", false),
            ("backend/.docker-deps/x.tgz/y", false),
        ] {
            assert_eq!(path.is_in(directory.as_bytes()), is_in, "{directory}");
        }
    }

    #[test]
    fn names_are_folded_as_file_systems_do() {
        for (name, is_same) in [
            (&b"Package.json"[..], true),
            (b"my-package.json", false),
            ("pac\u{212a}age.j\u{17f}on\u{200c}".as_bytes(), true),
            ("package.js\u{f6}n".as_bytes(), false),
            (b"\xe2package.json", false),
        ] {
            assert_eq!(is_same_name(name, "package.json"), is_same, "{name:?}");
            assert_eq!(*folded(name) == *b"package.json", is_same, "{name:?}");
        }
        assert_eq!(*folded(b"\xffA\xe2"), *b"\xffa\xe2");
        assert!(matches!(folded(b"package.json"), Cow::Borrowed(_)));
    }

    #[test]
    fn folded_characters_begin_with_the_listed_bytes() {
        for character in ('\0'..=char::MAX).filter(|&character| fold(character).is_some()) {
            assert!(FOLDED_BY.contains(&character.to_string().as_bytes()[0]), "{character:?}");
        }
    }

    #[test]
    fn a_path_at_the_start_of_a_line_is_not_a_command() {
        assert_eq!(RepoPath::from(" ::error::x/a.bak").to_string(), " \\u{003a}:error::x/a.bak");
        assert_eq!(RepoPath::from("::error::x").as_pathspec(false), "':(top,literal)::error::x'");
    }

    #[test]
    fn pathspecs_can_be_pasted() {
        for (path, from_top, shown) in [
            (&b"backend/package.json"[..], false, "backend/package.json"),
            (b"backend/package.json", true, ":/backend/package.json"),
            (b"@acme/ui/package.json", true, "':(top,literal)@acme/ui/package.json'"),
            (b"a b/package.json", false, "':(top,literal)a b/package.json'"),
            (b"it's.bak", false, r"':(top,literal)it'\''s.bak'"),
            (b"-rf", false, "':(top,literal)-rf'"),
            (b"*.bak", false, "':(top,literal)*.bak'"),
            (b"$(id).bak", true, "':(top,literal)$(id).bak'"),
            (b"##[x].bak", false, r"$':(top,literal)#\043[x].bak'"),
            (b"a\nb\xff.bak", false, r"$':(top,literal)a\012b\377.bak'"),
        ] {
            assert_eq!(RepoPath::new(path).as_pathspec(from_top), shown);
        }
    }
}
