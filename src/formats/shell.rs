//! What a shell runs: a script as commands and their words, each with its place in the file that holds it.
//!
//! Split as a POSIX shell would split it. What is only known when the script runs is kept opaque, never guessed.

use std::collections::HashSet;
use std::ops::Range;

use crate::finding::Span;

/// The commands of a script, in their order, whatever decides whether each of them runs.
#[derive(Debug, Default)]
pub struct Script<'a> {
    /// The simple commands.
    pub commands: Vec<Command<'a>>,
    /// The shell variables that the script itself sets.
    assigned: HashSet<&'a [u8]>,
}

/// A command and its words, without assignments, redirections, and words like `then` or `sudo` before it.
#[derive(Debug)]
pub struct Command<'a> {
    text: &'a Joined,
    words: Vec<Range<usize>>,
    /// Whether the words are JSON strings, which no shell expands.
    exec: bool,
}

/// A word of a command.
#[derive(Debug)]
pub struct Word<'a> {
    text: &'a Joined,
    range: Range<usize>,
    exec: bool,
}

/// What a word stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The word without quotes, its variables replaced.
    pub text: String,
    /// The places that the text is from: the word itself, then the values of its variables.
    pub sources: Vec<Span>,
}

impl Resolved {
    /// Where this part of the text is in the file; the whole word where that cannot be told.
    pub fn place(&self, part: &str, file: &[u8]) -> Span {
        let find = |source: &Span| {
            let found = file[source.clone()].windows(part.len().max(1)).position(|window| window == part.as_bytes())?;
            Some(source.start + found..source.start + found + part.len())
        };
        self.sources.iter().find_map(find).unwrap_or_else(|| self.sources.first().cloned().unwrap_or_default())
    }
}

impl<'a> Command<'a> {
    /// The words, the program's name first.
    pub fn words(&self) -> impl Iterator<Item = Word<'a>> {
        self.words.iter().map(|range| Word { text: self.text, range: range.clone(), exec: self.exec })
    }

    /// A command whose words are JSON strings.
    pub fn exec(text: &'a Joined, words: Vec<Range<usize>>) -> Self {
        Self { text, words, exec: true }
    }

    /// Whether this is a shell that runs what it reads.
    pub fn reads_a_script(&self) -> bool {
        let mut words = self.words.iter().map(|range| &self.text.bytes[range.clone()]);
        let program = words.next().and_then(|word| word.rsplit(|&byte| byte == b'/').next());
        program.is_some_and(|program| SHELLS.contains(&program))
            && words.all(|word| word.starts_with(b"-") && word != b"-c")
    }
}

impl<'a> Script<'a> {
    /// What a word of this script stands for; `None` if that is not known before it runs.
    pub fn resolve<'v>(&self, word: &Word<'a>, variable: impl Fn(&str) -> Option<&'v Variable>) -> Option<Resolved> {
        let bytes = &word.text.bytes[word.range.clone()];
        let (text, used) = if word.exec {
            (serde_json::from_slice(bytes).ok()?, Vec::new())
        } else {
            expand(bytes, b'\\', |name| variable(name).filter(|_| !self.assigned.contains(name.as_bytes())))?
        };
        let own = word.text.span(&word.range);
        Some(Resolved { text, sources: [own].into_iter().chain(used.iter().map(|used| used.span.clone())).collect() })
    }

    /// Adds the commands of a part of a text.
    pub fn split(&mut self, text: &'a Joined, range: Range<usize>) {
        let bytes = &text.bytes[..range.end];
        Splitter { script: self, text, bytes, at: range.start, words: Vec::new(), drop: false, heredocs: Vec::new() }
            .run();
    }
}

/// Pieces of the file put together, and where each came from.
#[derive(Debug, Default)]
pub struct Joined {
    /// The text.
    pub bytes: Vec<u8>,
    /// Offsets here and in the file, both ascending: one pair where a piece begins.
    pieces: Vec<(usize, usize)>,
}

impl Joined {
    /// Adds a piece of the file.
    pub fn push(&mut self, file: &[u8], piece: Range<usize>) {
        self.pieces.push((self.bytes.len(), piece.start));
        self.bytes.extend_from_slice(&file[piece]);
    }

    fn place(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|&(start, _)| start <= at);
        self.pieces[..after].last().map_or(at, |&(start, place)| place + at - start)
    }

    /// The place in the file, from the first byte to the last.
    pub fn span(&self, range: &Range<usize>) -> Span {
        let start = self.place(range.start);
        start..if range.is_empty() { start } else { self.place(range.end - 1) + 1 }
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value, its own variables replaced.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

const SHELLS: [&[u8]; 5] = [b"sh", b"bash", b"ash", b"dash", b"zsh"];

/// Whether a here-document that is a script of its own is one for a shell: it is, unless its first line says otherwise.
pub fn is_for_a_shell(script: &[u8]) -> bool {
    let first = script.split(|&byte| byte == b'\n').next().unwrap_or_default();
    !first.starts_with(b"#!") || first.split(|byte| b"/! \t\r".contains(byte)).any(|word| SHELLS.contains(&word))
}

/// A name without its quotes and backslashes.
pub fn unquoted(name: &[u8]) -> Vec<u8> {
    name.iter().copied().filter(|byte| !matches!(byte, b'\'' | b'"' | b'\\')).collect()
}

/// Words that may stand before a command without changing what it is.
const RESERVED: [&[u8]; 11] =
    [b"{", b"!", b"if", b"then", b"else", b"elif", b"do", b"while", b"until", b"time", b"exec"];
/// The same for programs, with their flags.
const WRAPPERS: [&[u8]; 4] = [b"sudo", b"env", b"command", b"nohup"];
/// Commands whose words name variables that they set.
const SETTERS: [&[u8]; 5] = [b"for", b"read", b"unset", b"getopts", b"select"];

/// Splits a script into commands, as far as a shell's grammar decides where a word begins and ends.
struct Splitter<'s, 'a> {
    script: &'s mut Script<'a>,
    text: &'a Joined,
    bytes: &'a [u8],
    at: usize,
    words: Vec<Range<usize>>,
    /// Whether the next word is the target of a redirection.
    drop: bool,
    /// The here-documents that begin after this line: their names, and whether tabs are stripped.
    heredocs: Vec<(Vec<u8>, bool)>,
}

impl Splitter<'_, '_> {
    fn run(mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.finish();
                    self.at += 1;
                    self.skip_heredocs();
                }
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                _ if byte.is_ascii_whitespace() => self.at += 1,
                b'#' => self.at = self.find(b'\n'),
                b'&' if self.bytes.get(self.at + 1) == Some(&b'>') => self.at += 1,
                b';' | b'|' | b'&' | b'(' | b')' => {
                    self.finish();
                    self.at += 1;
                }
                b'<' | b'>' => self.redirect(),
                _ => self.word(),
            }
        }
        self.finish();
    }

    /// The next place of this byte, or the end.
    fn find(&self, wanted: u8) -> usize {
        self.bytes[self.at..].iter().position(|&byte| byte == wanted).map_or(self.bytes.len(), |found| self.at + found)
    }

    fn word(&mut self) {
        let word = self.at..shell_word_end(self.bytes, self.at);
        self.at = word.end;
        let descriptor = matches!(self.bytes.get(self.at), Some(b'<' | b'>'))
            && self.bytes[word.clone()].iter().all(u8::is_ascii_digit);
        if !std::mem::take(&mut self.drop) && !descriptor {
            self.words.push(word);
        }
    }

    fn redirect(&mut self) {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"<<<") {
            self.at += 3;
            self.drop = true;
        } else if rest.starts_with(b"<<") {
            let strip_tabs = rest.get(2) == Some(&b'-');
            self.at += 2 + usize::from(strip_tabs);
            self.at += self.bytes[self.at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let end = shell_word_end(self.bytes, self.at);
            self.heredocs.push((unquoted(&self.bytes[self.at..end]), strip_tabs));
            self.at = end;
        } else {
            self.at += 1 + rest[1..].iter().take_while(|byte| matches!(byte, b'>' | b'|' | b'&')).count();
            // `<(command)` is no file.
            self.drop = self.bytes.get(self.at) != Some(&b'(');
        }
    }

    fn skip_heredocs(&mut self) {
        for (name, strip_tabs) in std::mem::take(&mut self.heredocs) {
            while self.at < self.bytes.len() {
                let end = self.find(b'\n');
                let mut line = &self.bytes[self.at..end];
                self.at = (end + 1).min(self.bytes.len());
                while let [b'\t', rest @ ..] = line
                    && strip_tabs
                {
                    line = rest;
                }
                if line.strip_suffix(b"\r").unwrap_or(line) == name {
                    break;
                }
            }
        }
    }

    /// Ends the command that was being read.
    fn finish(&mut self) {
        self.drop = false;
        let mut words = std::mem::take(&mut self.words);
        let raw = |word: &Range<usize>| &self.bytes[word.clone()];
        let sets = words.first().is_some_and(|first| SETTERS.contains(&raw(first)));
        self.script.assigned.extend(words.iter().filter_map(|word| assigned(raw(word)).or(sets.then(|| raw(word)))));
        let mut before = 0;
        let mut flags = false;
        while let Some(word) = words.get(before).map(raw) {
            match word {
                _ if WRAPPERS.contains(&word) => flags = true,
                [b'-', ..] if flags => {}
                _ if RESERVED.contains(&word) || assigned(word).is_some() => {}
                _ => break,
            }
            before += 1;
        }
        words.drain(..before);
        if !words.is_empty() {
            self.script.commands.push(Command { text: self.text, words, exec: false });
        }
    }
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

/// The end of the shell word that starts here: a blank or an operator outside of quotes and substitutions.
fn shell_word_end(bytes: &[u8], start: usize) -> usize {
    // What closes the quotes and substitutions that are open, outermost first.
    let mut open: Vec<u8> = Vec::new();
    let mut at = start;
    while at < bytes.len() {
        let byte = bytes[at];
        let bare = matches!(open.last(), None | Some(b')' | b'}'));
        match (open.last(), byte) {
            (_, b'\\') => at += 1,
            (Some(&close), _) if byte == close => {
                open.pop();
            }
            (_, b'\'') if bare => {
                let rest = &bytes[at + 1..];
                at += 1 + rest.iter().position(|&byte| byte == b'\'').unwrap_or(rest.len());
            }
            (_, b'"') if bare => open.push(b'"'),
            (Some(b'`'), _) => {}
            (_, b'`') => open.push(b'`'),
            (_, b'$') if bytes.get(at + 1) == Some(&b'(') => {
                open.push(b')');
                at += 1;
            }
            (_, b'$') if bytes.get(at + 1) == Some(&b'{') => {
                open.push(b'}');
                at += 1;
            }
            (Some(b')'), b'(') => open.push(b')'),
            (None, b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>') => return at,
            (None, _) if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The longest word that is expanded; the longest value of a variable that is kept, so that values made of values
/// cannot grow without bound.
const LONGEST: usize = 1024;

/// Takes the quotes from a word and puts in its variables, which it names; `None` if the word holds anything that is
/// only known later.
pub fn expand<'v>(
    word: &[u8],
    escape: u8,
    variable: impl Fn(&str) -> Option<&'v Variable>,
) -> Option<(String, Vec<&'v Variable>)> {
    let mut text = Vec::new();
    let mut used = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = word.get(at) {
        at += 1;
        match byte {
            _ if quote == Some(byte) => quote = None,
            _ if quote == Some(b'\'') => text.push(byte),
            b'\'' | b'"' if quote.is_none() => quote = Some(byte),
            _ if byte == escape => {
                let next = word.get(at).copied();
                match next {
                    Some(b'\n') | None => {}
                    Some(next) if quote.is_none() || matches!(next, b'"' | b'$' | b'`' | b'\\') => text.push(next),
                    Some(next) => text.extend([escape, next]),
                }
                at += 1;
            }
            b'$' => {
                let braces = word.get(at) == Some(&b'{');
                let start = at + usize::from(braces);
                let end = start + name_length(word.get(start..)?);
                let found = variable(std::str::from_utf8(&word[start..end]).ok()?)?;
                if braces && word.get(end) != Some(&b'}') {
                    return None;
                }
                text.extend_from_slice(found.text.as_bytes());
                used.push(found);
                at = end + usize::from(braces);
            }
            b'`' => return None,
            _ => text.push(byte),
        }
        if text.len() > LONGEST {
            return None;
        }
    }
    Some((String::from_utf8(text).ok()?, used))
}
