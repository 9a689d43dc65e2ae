//! A script as commands and words.

use std::collections::HashSet;
use std::ops::Range;

use crate::formats::joined::Joined;

/// The commands of a script in their order, including those that run conditionally.
#[derive(Debug, Default)]
pub(crate) struct Script<'a> {
    pub commands: Vec<Command<'a>>,
    /// The variables that the script sets.
    pub(super) assigned: HashSet<&'a [u8]>,
    /// The number of scripts around the current one.
    pub(super) nesting: usize,
    /// The number of open subshells.
    pub(super) depth: usize,
    /// The number of subshells so far, open or closed.
    pub(super) begun: usize,
}

/// The operator before a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// `;`, a line feed, or the start of the script.
    Then,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
}

/// A command without redirections, and without assignments and words like `then` or `sudo` before
/// it.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    text: &'a Joined,
    pub(super) words: Vec<Range<usize>>,
    /// `NAME=value` before the command, or after `env`.
    pub(super) assignments: Vec<Range<usize>>,
    pub link: Link,
    /// Whether it follows `if`, `while`, `!` or a similar word.
    pub is_tested: bool,
    /// The number of subshells around it.
    pub depth: usize,
    /// The number of subshells opened before it.
    pub begun: usize,
    /// Whether the words are JSON strings, which are not expanded.
    exec: bool,
}

/// A word of a command.
#[derive(Debug, Clone)]
pub(crate) struct Word<'a> {
    pub(super) text: &'a Joined,
    pub(super) range: Range<usize>,
    pub(super) exec: bool,
}

impl<'a> Command<'a> {
    pub(super) fn shell(text: &'a Joined, words: Vec<Range<usize>>, link: Link) -> Self {
        Self {
            text,
            words,
            assignments: Vec::new(),
            link,
            is_tested: false,
            depth: 0,
            begun: 0,
            exec: false,
        }
    }

    /// A command in exec form: its words are JSON strings.
    pub(crate) fn exec(text: &'a Joined, words: Vec<Range<usize>>) -> Self {
        Self { exec: true, ..Self::shell(text, words, Link::Then) }
    }

    /// The words, the program's name first.
    pub(crate) fn words(&self) -> impl Iterator<Item = Word<'a>> {
        self.words.iter().map(|range| Word {
            text: self.text,
            range: range.clone(),
            exec: self.exec,
        })
    }

    /// The value that this command's environment assigns to a variable.
    pub(crate) fn assignment(&self, name: &str) -> Option<Word<'a>> {
        let range =
            self.assignments.iter().rev().find(|range| {
                assigned(&self.text.bytes[(*range).clone()]) == Some(name.as_bytes())
            })?;
        let value = range.start + name.len() + 1..range.end;
        let sets = self.text.bytes[range.clone()].get(name.len()) == Some(&b'=');
        sets.then_some(Word { text: self.text, range: value, exec: false })
    }

    /// Whether this is a shell that reads its script from the standard input.
    pub(crate) fn reads_script(&self) -> bool {
        self.is_shell()
            && self.words.iter().skip(1).all(|word| {
                self.text.bytes[word.clone()].starts_with(b"-") && !self.is_command_flag(word)
            })
    }

    fn is_shell(&self) -> bool {
        self.words.first().is_some_and(|word| is_shell_name(self.unquoted(word)))
    }

    /// Whether a word is `-c`, alone or after other letters.
    fn is_command_flag(&self, word: &Range<usize>) -> bool {
        let [b'-', letters @ .., b'c'] = self.unquoted(word) else { return false };
        letters.iter().all(u8::is_ascii_alphabetic)
    }

    /// A word without double quotes around it.
    fn unquoted(&self, word: &Range<usize>) -> &'a [u8] {
        let bytes = &self.text.bytes[word.clone()];
        bytes.strip_prefix(b"\"").and_then(|bytes| bytes.strip_suffix(b"\"")).unwrap_or(bytes)
    }

    /// The script of `sh -c '…'`, if it is spelled literally.
    pub(crate) fn inner_script(&self) -> Option<Range<usize>> {
        if !self.is_shell() {
            return None;
        }
        let mut words = self.words.iter().skip(1);
        while let Some(word) = words.next() {
            if self.is_command_flag(word) {
                let script = words.next()?;
                let (first, rest) = self.text.bytes[script.clone()].split_first()?;
                let (last, inner) = rest.split_last()?;
                let special: &[u8] = match first {
                    b'\'' if !self.exec => b"'",
                    b'"' => b"\"\\`",
                    _ => return None,
                };
                let plain = first == last && !inner.iter().any(|byte| special.contains(byte));
                return plain.then_some(script.start + 1..script.end - 1);
            }
            match &self.text.bytes[word.clone()] {
                b"-o" | b"+o" => {
                    words.next();
                }
                [b'-' | b'+', ..] => {}
                _ => return None,
            }
        }
        None
    }
}

const SHELLS: [&[u8]; 5] = [b"sh", b"bash", b"ash", b"dash", b"zsh"];

/// Whether the path of a program is that of a POSIX shell.
pub(crate) fn is_shell_name(program: impl AsRef<[u8]>) -> bool {
    let name = program.as_ref().rsplit(|&byte| byte == b'/').next();
    name.is_some_and(|name| SHELLS.contains(&name))
}

/// Whether a here-document that is run as a script is a shell script: it has no `#!` line, or one
/// that names a shell.
pub(crate) fn is_shell_script(script: &[u8]) -> bool {
    let first = script.split(|&byte| byte == b'\n').next().unwrap_or_default();
    !first.starts_with(b"#!")
        || first.split(|byte| b"/! \t\r".contains(byte)).any(|word| SHELLS.contains(&word))
}

/// The delimiter of a here-document without quotes and backslashes.
pub(crate) fn unquoted(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut quote = None;
    let mut bytes = name.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            _ if quote == Some(byte) => quote = None,
            b'\'' | b'"' if quote.is_none() => quote = Some(byte),
            b'\\' if quote != Some(b'\'') => text.extend(bytes.next()),
            _ => text.push(byte),
        }
    }
    text
}

/// The name in `NAME=value`.
pub(super) fn assigned(word: &[u8]) -> Option<&[u8]> {
    let word = word.strip_prefix(b"\"").or(word.strip_prefix(b"'")).unwrap_or(word);
    let (name, rest) = word.split_at(name_length(word));
    let sets = rest.starts_with(b"=") || rest.starts_with(b"+=");
    (!name.is_empty() && sets).then_some(name)
}

/// The length of the variable name at the start of a text.
pub(super) fn name_length(bytes: &[u8]) -> usize {
    if bytes.first().is_none_or(u8::is_ascii_digit) {
        return 0;
    }
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}
