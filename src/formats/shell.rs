//! What a shell runs: a script as commands and their words, each with its place in the file that
//! holds it.
//!
//! Split as a POSIX shell would split it. What is only known when the script runs is kept opaque,
//! never guessed.

use std::collections::HashSet;
use std::ops::Range;

use crate::base::finding::Span;
use crate::formats::joined::Joined;

mod expand;
mod split;

pub(crate) use expand::{Lookup, Use, Variable, expand};
use split::Splitter;

/// The commands of a script, in their order, whatever decides whether each of them runs.
#[derive(Debug, Default)]
pub(crate) struct Script<'a> {
    pub commands: Vec<Command<'a>>,
    /// The shell variables that the script itself sets.
    assigned: HashSet<&'a [u8]>,
    /// How many scripts this part is within.
    nesting: usize,
    /// How many subshells are open, and how many were begun.
    depth: usize,
    begun: usize,
}

/// How a command follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// After it: `;`, a line feed, or there is none before.
    Then,
    /// Only if it succeeded: `&&`.
    And,
    /// Only if it failed: `||`.
    Or,
    /// With what it prints: `|`.
    Pipe,
}

/// A command and its words, without assignments, redirections, and words like `then` or `sudo`
/// before it.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    text: &'a Joined,
    words: Vec<Range<usize>>,
    /// `NAME=value` before it, and behind `env`.
    assignments: Vec<Range<usize>>,
    /// How it follows the one before it.
    pub link: Link,
    /// Whether it stands behind `if`, `while` or `!`.
    pub is_tested: bool,
    /// How many subshells it is within.
    pub depth: usize,
    /// How many subshells were begun before it.
    pub begun: usize,
    /// Whether the words are JSON strings, which no shell expands.
    exec: bool,
}

/// A word of a command.
#[derive(Debug, Clone)]
pub(crate) struct Word<'a> {
    text: &'a Joined,
    range: Range<usize>,
    exec: bool,
}

/// What a word stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// The word without quotes, its variables replaced, up to what is not known before it runs.
    pub text: String,
    /// Whether something follows that is not known.
    pub is_open: bool,
    /// Where the word is.
    pub span: Span,
    /// The variables in it, and where their values are.
    pub used: Vec<Use>,
    /// The variables in it that nothing sets.
    pub unset: Vec<String>,
}

impl Resolved {
    /// The whole word, if it is known.
    pub(crate) fn known(&self) -> Option<&str> {
        (!self.is_open).then_some(self.text.as_str())
    }

    /// Where this part of the text stands in the file as it is: in the value of a variable, or in
    /// the word itself.
    pub(crate) fn find(&self, part: &str, file: &[u8]) -> Option<Span> {
        let sources = self.used.iter().map(|used| &used.span).chain(std::iter::once(&self.span));
        let mut found = sources.filter_map(|source| {
            let text = file.get(source.clone())?;
            let at = memchr::memmem::rfind(text, part.as_bytes())?;
            Some(source.start + at..source.start + at + part.len())
        });
        found.next()
    }

    /// Where this part of the text is in the file; the whole word where that cannot be told.
    pub(crate) fn place(&self, part: &str, file: &[u8]) -> Span {
        self.find(part, file).unwrap_or_else(|| self.span.clone())
    }
}

impl<'a> Command<'a> {
    fn shell(text: &'a Joined, words: Vec<Range<usize>>, link: Link) -> Self {
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

    /// A command whose words are JSON strings.
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

    /// The value that is assigned to a variable for this command alone.
    pub(crate) fn assignment(&self, name: &str) -> Option<Word<'a>> {
        let range =
            self.assignments.iter().rev().find(|range| {
                assigned(&self.text.bytes[(*range).clone()]) == Some(name.as_bytes())
            })?;
        let value = range.start + name.len() + 1..range.end;
        let sets = self.text.bytes[range.clone()].get(name.len()) == Some(&b'=');
        sets.then_some(Word { text: self.text, range: value, exec: false })
    }

    /// Whether this is a shell that runs what it reads.
    pub(crate) fn reads_script(&self) -> bool {
        self.is_shell()
            && self.words.iter().skip(1).all(|word| {
                self.text.bytes[word.clone()].starts_with(b"-") && !self.is_command_flag(word)
            })
    }

    fn is_shell(&self) -> bool {
        let program = self
            .words
            .first()
            .and_then(|word| self.unquoted(word).rsplit(|&byte| byte == b'/').next());
        program.is_some_and(|program| SHELLS.contains(&program))
    }

    /// `-c`, alone or among other letters.
    fn is_command_flag(&self, word: &Range<usize>) -> bool {
        matches!(self.unquoted(word), [b'-', letters @ .., b'c'] if letters.iter().all(u8::is_ascii_alphabetic))
    }

    /// A word without the quotes around it.
    fn unquoted(&self, word: &Range<usize>) -> &'a [u8] {
        let bytes = &self.text.bytes[word.clone()];
        bytes.strip_prefix(b"\"").and_then(|bytes| bytes.strip_suffix(b"\"")).unwrap_or(bytes)
    }

    /// What `sh -c '…'` runs, where it stands there as it is.
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

impl<'a> Script<'a> {
    /// What is known of a variable in this script. Those that the script sets are not known,
    /// whatever `lookup` says.
    pub(crate) fn variable<'v>(
        &self,
        name: &str,
        lookup: &dyn Fn(&str) -> Lookup<'v>,
    ) -> Lookup<'v> {
        if self.assigned.contains(name.as_bytes()) { Lookup::Unknown } else { lookup(name) }
    }

    /// What a word of this script stands for.
    pub(crate) fn resolve<'v>(
        &self,
        word: &Word<'a>,
        lookup: &dyn Fn(&str) -> Lookup<'v>,
    ) -> Resolved {
        let bytes = &word.text.bytes[word.range.clone()];
        let span = word.text.span(&word.range);
        if word.exec {
            let text = serde_json::from_slice(bytes).ok();
            let is_open = text.is_none();
            Resolved { text: text.unwrap_or_default(), is_open, span, ..Resolved::default() }
        } else {
            expand(bytes, b'\\', span, &|name| self.variable(name, lookup))
        }
    }

    /// Adds the commands of a part of a text.
    pub(crate) fn split(&mut self, text: &'a Joined, range: Range<usize>) {
        Splitter::new(self, text, range).run();
    }

    /// Adds the commands of a script within this one, which a shell of its own runs.
    pub(crate) fn nested(&mut self, text: &'a Joined, range: Range<usize>) {
        let outer = self.depth;
        (self.nesting, self.depth, self.begun) = (self.nesting + 1, outer + 1, self.begun + 1);
        self.split(text, range);
        (self.nesting, self.depth) = (self.nesting - 1, outer);
    }
}

const SHELLS: [&[u8]; 5] = [b"sh", b"bash", b"ash", b"dash", b"zsh"];

/// Whether a program is a shell that understands POSIX scripts.
pub(crate) fn is_shell_name(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    SHELLS.contains(&name.as_bytes())
}

/// Whether a here-document that is a script of its own is one for a shell: it is, unless its first
/// line says otherwise.
pub(crate) fn is_shell_script(script: &[u8]) -> bool {
    let first = script.split(|&byte| byte == b'\n').next().unwrap_or_default();
    !first.starts_with(b"#!")
        || first.split(|byte| b"/! \t\r".contains(byte)).any(|word| SHELLS.contains(&word))
}

/// The name of a here-document without its quotes and backslashes.
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
fn assigned(word: &[u8]) -> Option<&[u8]> {
    let word = word.strip_prefix(b"\"").or(word.strip_prefix(b"'")).unwrap_or(word);
    let (name, rest) = word.split_at(name_length(word));
    let sets = rest.starts_with(b"=") || rest.starts_with(b"+=");
    (!name.is_empty() && sets).then_some(name)
}

/// How many bytes of the start of this are a variable's name.
fn name_length(bytes: &[u8]) -> usize {
    if bytes.first().is_none_or(u8::is_ascii_digit) {
        return 0;
    }
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}
