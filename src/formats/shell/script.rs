//! A script as commands and words.

use std::borrow::Cow;
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
    /// Whether the commands of the script in it follow it.
    pub has_script: bool,
    /// The script in an option of a wrapper, such as `su -c`; may have quotes.
    pub(super) script: Option<Range<usize>>,
    /// Whether it is a wrapper that runs a shell on its input.
    pub(super) reads_input: bool,
    form: Form,
}

/// How words are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Shell,
    /// JSON strings, which are not expanded.
    Json,
    /// Without quotes. Some programs expand variables in them, so what follows a `$` is unknown.
    Literal,
}

/// A word of a command.
#[derive(Debug, Clone)]
pub(crate) struct Word<'a> {
    pub(super) text: &'a Joined,
    pub(super) range: Range<usize>,
    pub(super) form: Form,
}

impl Script<'_> {
    /// The names of the variables that the script sets.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.assigned.iter().map(|name| String::from_utf8_lossy(name))
    }
}

impl<'a> Command<'a> {
    pub(crate) fn of_words(text: &'a Joined, words: Vec<Range<usize>>, form: Form) -> Self {
        Self {
            text,
            words,
            assignments: Vec::new(),
            link: Link::Then,
            is_tested: false,
            depth: 0,
            begun: 0,
            has_script: false,
            script: None,
            reads_input: false,
            form,
        }
    }

    /// The words, the program's name first.
    pub(crate) fn words(&self) -> impl Iterator<Item = Word<'a>> {
        self.words.iter().map(|range| Word {
            text: self.text,
            range: range.clone(),
            form: self.form,
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
        sets.then_some(Word { text: self.text, range: value, form: Form::Shell })
    }

    /// Whether this is a shell that reads its script from the standard input.
    pub(crate) fn reads_script(&self) -> bool {
        self.reads_input && self.script.is_none()
            || matches!(self.shell_script(), Some((false, None)))
    }

    /// Whether the options of a shell have `-c`, and the first word after them; `None` for another
    /// program.
    fn shell_script(&self) -> Option<(bool, Option<Range<usize>>)> {
        let mut words = self.words.iter();
        if !is_shell_name(self.unquoted(words.next()?)) {
            return None;
        }
        let mut is_command = false;
        while let Some(word) = words.next() {
            match self.unquoted(word) {
                b"--" | b"-" => return Some((is_command, words.next().cloned())),
                b"--rcfile" | b"--init-file" => _ = words.next(),
                [b'-', b'-', ..] => {}
                [sign @ (b'-' | b'+'), letters @ ..] => {
                    let has = |letter| *sign == b'-' && letters.contains(&letter);
                    if has(b's') && !has(b'c') {
                        // The other words are its arguments.
                        return Some((false, None));
                    }
                    is_command |= has(b'c');
                    // `-euo pipefail`
                    let values = letters.iter().filter(|letter| b"oO".contains(letter)).count();
                    words.by_ref().take(values).for_each(drop);
                }
                _ => return Some((is_command, Some(word.clone()))),
            }
        }
        Some((is_command, None))
    }

    pub(super) fn bytes(&self, range: &Range<usize>) -> &'a [u8] {
        &self.text.bytes[range.clone()]
    }

    /// The part of a word from a byte on; quotes around the word do not count.
    pub(super) fn value(&self, word: &Range<usize>, from: usize) -> Range<usize> {
        let inside = self.inside(word).filter(|_| from > 0);
        let word = inside.unwrap_or_else(|| word.clone());
        word.start + from..word.end
    }

    /// Whether it is `eval` of one word, which runs in the same shell.
    pub(super) fn is_eval(&self) -> bool {
        matches!(self.words.as_slice(), [eval, _] if self.bytes(eval) == b"eval")
    }

    /// A word without quotes around it.
    pub(super) fn unquoted(&self, word: &Range<usize>) -> &'a [u8] {
        &self.text.bytes[self.inside(word).unwrap_or_else(|| word.clone())]
    }

    /// The inside of a quoted word.
    fn inside(&self, word: &Range<usize>) -> Option<Range<usize>> {
        let (first, rest) = self.text.bytes[word.clone()].split_first()?;
        let quote = match self.form {
            Form::Shell => matches!(first, b'\'' | b'"'),
            Form::Json => *first == b'"',
            Form::Literal => false,
        };
        (quote && rest.last() == Some(first)).then(|| word.start + 1..word.end - 1)
    }

    /// The script of `sh -c '…'` or `su -c '…'`, if it is spelled literally.
    pub(super) fn inner_script(&self) -> Option<Range<usize>> {
        let word = match (&self.script, self.shell_script()) {
            (Some(script), _) => script.clone(),
            (None, Some((true, Some(script)))) => script,
            (None, None) if self.is_eval() => self.words[1].clone(),
            _ => return None,
        };
        let bytes = &self.text.bytes;
        let Some(inside) = self.inside(&word) else {
            // An option and its value in one word may have quotes around both.
            let is_quoted = word.end < bytes.len() && matches!(bytes[word.end], b'\'' | b'"');
            return (self.form == Form::Literal || is_quoted && self.is_plain(&word, b'"'))
                .then_some(word);
        };
        self.is_plain(&inside, bytes[word.start]).then_some(inside)
    }

    /// Whether a text in quotes is a script without escapes. An escaped line feed may stay.
    fn is_plain(&self, inside: &Range<usize>, quote: u8) -> bool {
        let bytes = self.bytes(inside);
        let mut pairs = bytes.iter().zip(bytes.iter().skip(1).chain(&[0]));
        pairs.all(|(byte, next)| match byte {
            _ if *byte == quote => false,
            b'`' => quote != b'"',
            b'\\' => quote != b'"' || self.form == Form::Shell && *next == b'\n',
            _ => true,
        })
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
