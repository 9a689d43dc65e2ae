//! Splits a script into commands and words.

use std::ops::Range;

use crate::formats::joined::Joined;
use crate::formats::shell::script::{Command, Form, Link, Script, assigned, unquoted};
use crate::formats::shell::wrappers::{Wrapped, wrapped};

/// Reserved words and builtins that may precede a command.
const RESERVED: [&[u8]; 4] = [b"{", b"then", b"else", b"do"];
/// Reserved words that test the exit code of the command after them.
const TESTS: [&[u8]; 5] = [b"!", b"if", b"elif", b"while", b"until"];
/// Commands that set the variables named by their words.
const SETTERS: [&[u8]; 5] = [b"for", b"read", b"unset", b"getopts", b"select"];

impl<'a> Script<'a> {
    /// Adds the commands of a part of `text`.
    pub(crate) fn split(&mut self, text: &'a Joined, range: Range<usize>) {
        let splitter = Splitter {
            script: self,
            text,
            bytes: &text.bytes[..range.end],
            at: range.start,
            words: Vec::new(),
            link: Link::Then,
            drop: false,
            heredocs: Vec::new(),
        };
        splitter.run();
    }

    /// Adds a command without the wrappers before it, and the commands of the script in it.
    pub(crate) fn push(&mut self, text: &'a Joined, command: Command<'a>) {
        let mut command = without_wrappers(command);
        if command.words.is_empty() {
            return;
        }
        (command.depth, command.begun) = (self.depth.min(DEEPEST), self.begun);
        let inner = command.inner_script().filter(|_| self.nesting < MAX_NESTED);
        let (is_tested, is_eval) = (command.is_tested, command.is_eval());
        command.has_script = inner.is_some();
        self.commands.push(command);
        let first = self.commands.len();
        if let Some(inner) = inner {
            self.nested(text, inner, is_eval);
            let commands = self.commands.iter_mut().skip(first);
            commands.for_each(|command| command.is_tested |= is_tested);
        }
    }

    /// Adds the commands of a script in this script, which another shell runs unless it is the same
    /// one.
    fn nested(&mut self, text: &'a Joined, range: Range<usize>, is_same_shell: bool) {
        let outer = self.depth;
        if !is_same_shell {
            (self.depth, self.begun) = (outer + 1, self.begun + 1);
        }
        self.nesting += 1;
        self.split(text, range);
        (self.nesting, self.depth) = (self.nesting - 1, outer);
    }
}

struct Splitter<'s, 'a> {
    script: &'s mut Script<'a>,
    text: &'a Joined,
    bytes: &'a [u8],
    at: usize,
    words: Vec<Range<usize>>,
    /// The operator before the current command.
    link: Link,
    /// Whether the next word is the target of a redirection.
    drop: bool,
    /// The here-documents that start after this line.
    heredocs: Vec<PendingHeredoc>,
}

struct PendingHeredoc {
    name: Vec<u8>,
    strip_tabs: bool,
    /// Whether the command that reads it is a shell.
    is_script: bool,
}

impl<'a> Splitter<'_, 'a> {
    fn run(mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.finish(Link::Then);
                    self.at += 1;
                    self.skip_heredocs();
                }
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                _ if byte.is_ascii_whitespace() => self.at += 1,
                b'#' => self.at = self.line_end(),
                b'&' if self.bytes.get(self.at + 1) == Some(&b'>') => self.at += 1,
                b';' | b'|' | b'&' | b'(' | b')' => self.operator(),
                b'<' | b'>' => self.redirect(),
                _ => self.word(),
            }
        }
        self.finish(Link::Then);
    }

    fn operator(&mut self) {
        let rest = &self.bytes[self.at..];
        let (link, length) = match rest {
            [b'&', b'&', ..] => (Link::And, 2),
            [b'|', b'|', ..] => (Link::Or, 2),
            [b'|', b'&', ..] => (Link::Pipe, 2),
            [b'|', ..] => (Link::Pipe, 1),
            _ => (Link::Then, 1),
        };
        let byte = rest[0];
        self.finish(link);
        self.at += length;
        match byte {
            b'(' => {
                self.script.depth += 1;
                self.script.begun += 1;
            }
            // A `)` that ends a pattern of `case` closes nothing.
            b')' => self.script.depth = self.script.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn line_end(&self) -> usize {
        let rest = &self.bytes[self.at..];
        memchr::memchr(b'\n', rest).map_or(self.bytes.len(), |length| self.at + length)
    }

    fn word(&mut self) {
        let word = self.at..word_end(self.bytes, self.at);
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
            self.at += self.bytes[self.at..]
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count();
            let end = word_end(self.bytes, self.at);
            let name = unquoted(&self.bytes[self.at..end]);
            let is_script = !self.words.is_empty() && self.command().reads_script();
            self.heredocs.push(PendingHeredoc { name, strip_tabs, is_script });
            self.at = end;
        } else {
            self.at +=
                1 + rest[1..].iter().take_while(|byte| matches!(byte, b'>' | b'|' | b'&')).count();
            // `<(command)` is not a file.
            self.drop = self.bytes.get(self.at) != Some(&b'(');
        }
    }

    fn skip_heredocs(&mut self) {
        for PendingHeredoc { name, strip_tabs, is_script } in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut body_end = self.at;
            while self.at < self.bytes.len() {
                let end = self.line_end();
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
                body_end = self.at;
            }
            if is_script && self.script.nesting < MAX_NESTED {
                self.script.nested(self.text, start..body_end, false);
            }
        }
    }

    fn command(&self) -> Command<'a> {
        without_wrappers(Command::of_words(self.text, self.words.clone(), Form::Shell))
    }

    /// Ends the current command.
    fn finish(&mut self, next: Link) {
        self.drop = false;
        let link = std::mem::replace(&mut self.link, next);
        let words = std::mem::take(&mut self.words);
        if words.is_empty() {
            // `a || (b)`, or `a |` at the end of a line: the operator belongs to the next command.
            if next == Link::Then {
                self.link = link;
            }
            return;
        }
        let raw = |word: &Range<usize>| &self.bytes[word.clone()];
        let sets = SETTERS.contains(&raw(&words[0]));
        self.script.assigned.extend(
            words.iter().filter_map(|word| assigned(raw(word)).or(sets.then(|| raw(word)))),
        );
        let mut command = Command::of_words(self.text, words, Form::Shell);
        command.link = link;
        self.script.push(self.text, command);
    }
}

/// The maximum depth of subshells that are counted.
const DEEPEST: usize = 64;

/// The maximum depth of nested scripts that are parsed.
const MAX_NESTED: usize = 4;

/// Whether the first of these words only precedes a command.
fn precedes(words: &[Range<usize>], first: &[u8]) -> bool {
    // `eval` of one word is a script.
    RESERVED.contains(&first) || first == b"eval" && words.len() > 2
}

/// Removes assignments, reserved words and wrappers such as `sudo -E` from the start of a command.
/// `command -v`, which only looks a program up, leaves nothing.
fn without_wrappers(mut command: Command<'_>) -> Command<'_> {
    let mut before = 0;
    while let Some(range) = command.words.get(before) {
        let words = &command.words[before..];
        let (raw, mut skipped) = (command.bytes(range), 1);
        if TESTS.contains(&raw) {
            command.is_tested = true;
        } else if assigned(raw).is_none() && !precedes(words, raw) {
            match wrapped(&|at| words.get(at).map(|word| command.unquoted(word))) {
                None => break,
                Some(Wrapped::Command(at)) => skipped = at,
                Some(Wrapped::Script(at, from)) => {
                    command.script = words.get(at).map(|word| command.value(word, from));
                    break;
                }
                Some(Wrapped::Input) => {
                    command.reads_input = true;
                    break;
                }
                Some(Wrapped::Nothing) => skipped = words.len(),
            }
        }
        let skipped = &words[..skipped];
        let assignments = skipped.iter().filter(|word| assigned(command.bytes(word)).is_some());
        let assignments: Vec<_> = assignments.cloned().collect();
        before += skipped.len();
        command.assignments.extend(assignments);
    }
    command.words.drain(..before);
    command
}

/// The end of the word that starts here: a blank or an operator outside quotes and substitutions.
fn word_end(bytes: &[u8], start: usize) -> usize {
    // The closing bytes of the open quotes and substitutions, outermost first.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn command_lines(text: &str) -> Vec<String> {
        let mut joined = Joined::default();
        joined.push(text.as_bytes(), 0..text.len());
        let mut script = Script::default();
        script.split(&joined, 0..text.len());
        let part = |word: &Range<usize>| text.get(word.clone()).unwrap();
        let command = |command: &Command<'_>| {
            let words: Vec<_> = command.words.iter().map(part).collect();
            let link = match command.link {
                Link::Then => "",
                Link::And => "&& ",
                Link::Or => "|| ",
                Link::Pipe => "| ",
            };
            let tested = if command.is_tested { "? " } else { "" };
            let before: String =
                command.assignments.iter().map(|word| format!("[{}] ", part(word))).collect();
            format!("{link}{tested}{before}{}", words.join(" "))
        };
        script.commands.iter().map(command).collect()
    }

    #[test]
    fn commands_know_how_they_follow_each_other() {
        for (text, expected) in [
            ("a && b || c | d; e & f", &["a", "&& b", "|| c", "| d", "e", "f"][..]),
            ("a ||\n  b\nc |\\\n d", &["a", "|| b", "c", "| d"]),
            ("a || (b; c) | d", &["a", "|| b", "c", "| d"]),
            ("if ! a; then b; fi", &["? a", "b", "fi"]),
            ("A=1 B='2 3' env C=4 sudo -E d e=f", &["[A=1] [B='2 3'] [C=4] d e=f"]),
            ("command -v a || b", &["|| b"]),
            ("command a; command -p b", &["a", "b"]),
            ("sudo -E -u node a; env -u A b; sudo -u", &["a", "b"]),
            ("a |& b", &["a", "| b"]),
            ("exec a; builtin b; time -p c; eval a b; eval", &["a", "b", "c", "a b", "eval"]),
            ("sudo -u n timeout -s KILL 60 nice -n 5 a b", &["a b"]),
            ("if timeout 5 a; then b; fi", &["? a", "b", "fi"]),
            ("A=1 gosu n env B=2 a", &["[A=1] [B=2] a"]),
            ("a | xargs -n1 b", &["a", "| b"]),
        ] {
            assert_eq!(command_lines(text), expected, "{text}");
        }
    }

    #[test]
    fn a_script_in_a_word_is_one() {
        for (text, expected) in [
            ("sh -c 'a b; c' d", &["sh -c 'a b; c' d", "a b", "c"][..]),
            ("bash -exc \"a && b\" && c", &["bash -exc \"a && b\"", "a", "&& b", "&& c"]),
            ("bash -o pipefail -c 'a'", &["bash -o pipefail -c 'a'", "a"]),
            ("sh -c \"a \\\"b\\\"\"", &["sh -c \"a \\\"b\\\"\""]),
            ("sh -c $A", &["sh -c $A"]),
            ("sh 'a' -c 'b'", &["sh 'a' -c 'b'"]),
            ("echo -c 'a'", &["echo -c 'a'"]),
            ("sudo sh -e <<E\na\nb\nE\nc", &["sh -e", "a", "b", "c"]),
            ("cat <<E\na\nE\nc", &["cat", "c"]),
            ("bash -euo pipefail -c 'a'", &["bash -euo pipefail -c 'a'", "a"]),
            ("sh -ce 'a'", &["sh -ce 'a'", "a"]),
            ("sh -c -e 'a' 'b'", &["sh -c -e 'a' 'b'", "a"]),
            ("bash --login -O extglob -c \"a\"", &["bash --login -O extglob -c \"a\"", "a"]),
            ("bash -euo pipefail <<E\na\nE", &["bash -euo pipefail", "a"]),
            ("bash -s b <<E\na\nE", &["bash -s b", "a"]),
            ("bash b <<E\na\nE", &["bash b"]),
            ("sh -c \"a \\\n b\"", &["sh -c \"a \\\n b\"", "a b"]),
            ("su n -c \"a b\" && c", &["su n -c \"a b\"", "a b", "&& c"]),
            ("su - n -c 'a; b'", &["su - n -c 'a; b'", "a", "b"]),
            ("su -c'a' n", &["su -c'a' n", "a"]),
            ("su n --command='a b'", &["su n --command='a b'", "a b"]),
            ("su n \"--command=a b\"", &["su n \"--command=a b\"", "a b"]),
            ("su n -c $A; su n -c \"a \\\"b\\\"\"", &["su n -c $A", "su n -c \"a \\\"b\\\"\""]),
            ("su n -c", &["su n -c"]),
            ("su - n <<'E'\na\nE", &["su - n", "a"]),
            ("runuser -l n -c 'a'", &["runuser -l n -c 'a'", "a"]),
            ("runuser -u n -- sh -c 'a'", &["sh -c 'a'", "a"]),
            (
                "su n -c 'timeout 5 bash -c \"a\"'",
                &["su n -c 'timeout 5 bash -c \"a\"'", "bash -c \"a\"", "a"],
            ),
            ("flock /l -c 'a' || b", &["flock /l -c 'a'", "a", "|| b"]),
            ("env -S 'a b'", &["env -S 'a b'", "a b"]),
            ("eval 'a b'", &["eval 'a b'", "a b"]),
            ("if sh -c 'a'; then b; fi", &["? sh -c 'a'", "? a", "b", "fi"]),
            ("sh <<'A' && cat <<-B\na\nA\n\tb\n\tB\nc", &["sh", "&& cat", "a", "c"]),
        ] {
            assert_eq!(command_lines(text), expected, "{text}");
        }
        let deep = "sh <<A\n".repeat(10_000);
        assert!(command_lines(&deep).len() < 10);
    }
}
