//! `.dockerignore` files, as BuildKit reads them: patterns from the top of the context, the last
//! one that matches decides, and a pattern that matches a directory matches everything below it.
//!
//! `tests/facts/dockerignore.json` has BuildKit's decisions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::swap;

use crate::base::finding::Span;

/// The patterns of an ignore file, in their order.
#[derive(Debug, Default)]
pub(crate) struct IgnoreFile {
    pub patterns: Vec<IgnorePattern>,
    /// The number of the pattern that decides about a path: several rules ask for the same ones.
    decided: RefCell<HashMap<String, Option<usize>>>,
}

/// The maximum number of paths whose decisions are kept.
const MAX_DECIDED: usize = 50_000;

#[derive(Debug)]
pub(crate) struct IgnorePattern {
    /// The place of the line without blanks around it.
    pub span: Span,
    /// Whether it includes again what an earlier pattern excludes: `!pattern`.
    pub is_exception: bool,
    tokens: Vec<Token>,
    /// The same without tokens, if there are no wildcards but `**/` at its start.
    literal: Option<Literal>,
    /// The longest text without wildcards: a path that it matches has it.
    needed: String,
}

/// A path or the end of a path. Most patterns are one, and comparing texts is fast.
#[derive(Debug)]
struct Literal {
    text: String,
    /// Whether it may start in any directory.
    is_anywhere: bool,
}

/// A line that ends the build: BuildKit refuses the whole file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidPattern {
    pub span: Span,
    pub message: &'static str,
}

#[derive(Debug, PartialEq)]
enum Token {
    Char(char),
    /// `?`: one character, but no slash.
    One,
    /// `*`: characters, but no slash.
    Several,
    /// `**`: any characters.
    All,
    /// `**/`: nothing, or any characters up to a slash.
    Directories,
    /// `[a-z]`, `[^a-z]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    /// The character, if it is one without a wildcard.
    const fn character(&self) -> Option<char> {
        match self {
            Self::Char(character) => Some(*character),
            _ => None,
        }
    }
}

impl IgnoreFile {
    /// Reads a file. Bytes that are not UTF-8 match nothing.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, InvalidPattern> {
        let mut patterns = Vec::new();
        let mut start = if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        for line in file.get(start..).unwrap_or_default().split_inclusive(|&byte| byte == b'\n') {
            let at = start;
            start += line.len();
            let Ok(text) = std::str::from_utf8(line) else { continue };
            let trimmed = text.trim();
            // A comment starts in the first column.
            if trimmed.is_empty() || text.starts_with('#') {
                continue;
            }
            let lead = text.len() - text.trim_start().len();
            let span = at + lead..at + lead + trimmed.len();
            let (is_exception, glob) = match trimmed.strip_prefix('!') {
                Some(glob) => (true, glob.trim()),
                None => (false, trimmed),
            };
            match tokens(glob) {
                Ok(tokens) => patterns.push(IgnorePattern::new(span, is_exception, tokens)),
                Err(message) => return Err(InvalidPattern { span, message }),
            }
        }
        Ok(Self { patterns, decided: RefCell::default() })
    }

    /// A pattern by itself: the source of a `COPY`. `None` if it is invalid.
    pub(crate) fn glob(glob: &str) -> Option<IgnorePattern> {
        let tokens = tokens(glob).ok()?;
        Some(IgnorePattern::new(0..0, false, tokens))
    }

    /// An upper bound for the work of a decision, compared with that of comparing two paths.
    pub(crate) fn cost(&self) -> usize {
        self.patterns.iter().map(IgnorePattern::cost).sum()
    }

    /// The pattern that decides about a file or a directory of the context.
    pub(crate) fn decisive(&self, path: &str) -> Option<&IgnorePattern> {
        let known = self.decided.borrow().get(path).copied();
        let decisive = known.unwrap_or_else(|| {
            let number = self.patterns.iter().rposition(|pattern| pattern.matches(path));
            let mut decided = self.decided.borrow_mut();
            if decided.len() < MAX_DECIDED {
                decided.insert(path.to_owned(), number);
            }
            number
        });
        self.patterns.get(decisive?)
    }

    /// Whether BuildKit leaves a file out of the context. A directory that is excluded exists as
    /// soon as a file below it is not.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.decisive(path).is_some_and(|pattern| !pattern.is_exception)
    }
}

impl IgnorePattern {
    fn new(span: Span, is_exception: bool, tokens: Vec<Token>) -> Self {
        let literal = Literal::of(&tokens);
        let texts = tokens.split(|token| !matches!(token, Token::Char(_)));
        let needed = texts.max_by_key(|text| text.len()).unwrap_or_default();
        let needed = needed.iter().filter_map(Token::character).collect();
        Self { span, is_exception, tokens, literal, needed }
    }

    /// See [`IgnoreFile::cost`].
    pub(crate) fn cost(&self) -> usize {
        if self.literal.is_some() {
            return 1;
        }
        let is_wildcard =
            |token: &&Token| matches!(token, Token::Several | Token::All | Token::Directories);
        // Each wildcard may keep a state, and states are compared with each other.
        20 * (1 + self.tokens.iter().filter(is_wildcard).count()).pow(2)
    }

    /// Whether it matches a path or one of the directories above it.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.literal {
            Some(literal) => literal.matches(path),
            // Searching a text is faster than following the tokens.
            None => path.contains(&self.needed) && self.passes(path),
        }
    }

    /// [`IgnorePattern::matches`] by its tokens.
    fn passes(&self, path: &str) -> bool {
        let (mut states, mut next) = (States::default(), States::default());
        self.enter(0, &mut states);
        for character in path.chars() {
            if character == '/' && states.0.contains(&self.tokens.len()) {
                return true;
            }
            next.0.clear();
            for &state in &states.0 {
                self.step(state, character, &mut next);
            }
            swap(&mut states, &mut next);
            if states.0.is_empty() {
                return false;
            }
        }
        states.0.contains(&self.tokens.len())
    }

    /// Whether it may match something below a directory, whose path has no wildcards.
    pub(crate) fn may_match_below(&self, directory: &str) -> bool {
        let literal: String = self.literal().collect();
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        literal.starts_with(&start) || self.path().is_none() && start.starts_with(&literal)
    }

    /// The path that it names; `None` if it has wildcards.
    pub(crate) fn path(&self) -> Option<String> {
        let path: String = self.literal().collect();
        (path.chars().count() == self.tokens.len()).then_some(path)
    }

    /// Whether it names this path alone, perhaps in any directory.
    pub(crate) fn is_about(&self, path: &str) -> bool {
        let (tokens, path) = match self.tokens.split_first() {
            Some((Token::Directories, rest)) => {
                (rest, path.rsplit_once('/').map_or(path, |(_, name)| name))
            }
            _ => (self.tokens.as_slice(), path),
        };
        tokens.len() == path.chars().count()
            && tokens.iter().zip(path.chars()).all(|(token, own)| *token == Token::Char(own))
    }

    /// The characters before the first wildcard.
    fn literal(&self) -> impl Iterator<Item = char> {
        self.tokens.iter().map_while(Token::character)
    }

    /// Adds a state, and those that are reached from it without a character.
    fn enter(&self, mut state: usize, states: &mut States) {
        loop {
            states.add(state);
            match self.tokens.get(state) {
                Some(Token::Several | Token::All | Token::Directories) => state += 1,
                _ => return,
            }
        }
    }

    /// Adds the states after a character.
    fn step(&self, state: usize, character: char, next: &mut States) {
        let is_slash = character == '/';
        match self.tokens.get(state) {
            Some(Token::Char(own)) if *own == character => self.enter(state + 1, next),
            Some(Token::One) if !is_slash => self.enter(state + 1, next),
            Some(Token::Several) if !is_slash => self.enter(state, next),
            Some(Token::All) => self.enter(state, next),
            Some(Token::Directories) => {
                // Inside of a directory's name, only its slash leads on.
                next.add(state);
                if is_slash {
                    self.enter(state + 1, next);
                }
            }
            Some(Token::Class { negated, ranges }) => {
                let mut ranges = ranges.iter();
                if ranges.any(|(low, high)| (*low..=*high).contains(&character)) != *negated {
                    self.enter(state + 1, next);
                }
            }
            _ => {}
        }
    }
}

impl Literal {
    fn of(tokens: &[Token]) -> Option<Self> {
        let (is_anywhere, rest) = match tokens {
            [Token::Directories, rest @ ..] => (true, rest),
            tokens => (false, tokens),
        };
        let text: Option<String> = rest.iter().map(Token::character).collect();
        Some(Self { text: text.filter(|text| !text.is_empty())?, is_anywhere })
    }

    fn matches(&self, path: &str) -> bool {
        let starts = |path: &str| {
            let rest = path.strip_prefix(self.text.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut inner = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..));
        starts(path) || self.is_anywhere && inner.any(starts)
    }
}

/// The positions in a pattern that a path may have reached.
#[derive(Debug, Default)]
struct States(Vec<usize>);

impl States {
    fn add(&mut self, state: usize) {
        if !self.0.contains(&state) {
            self.0.push(state);
        }
    }
}

/// The tokens of a glob; the error is the reason why BuildKit refuses it.
fn tokens(glob: &str) -> Result<Vec<Token>, &'static str> {
    if glob.is_empty() {
        return Err("`!` needs a pattern");
    }
    let glob = cleaned(glob);
    // `**log` is a suffix of the whole path, although `**` means directories elsewhere.
    if let Some(suffix) = glob.strip_prefix("**")
        && !suffix.starts_with('/')
        && !suffix.contains(['*', '?', '[', '\\'])
    {
        return Ok([Token::All].into_iter().chain(suffix.chars().map(Token::Char)).collect());
    }
    let mut tokens = Vec::new();
    let mut rest = glob.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                _ = rest.next_if_eq(&'/');
                if rest.peek().is_none() { Token::All } else { Token::Directories }
            }
            '*' => Token::Several,
            '?' => Token::One,
            '[' => class(&mut rest)?,
            '\\' => Token::Char(rest.next().ok_or("nothing follows the last `\\`")?),
            _ => Token::Char(character),
        });
    }
    Ok(tokens)
}

/// A class after its `[`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "`[` has no valid end";
    let negated = rest.next_if_eq(&'^').is_some();
    let member = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        None | Some('-' | ']') => Err(OPEN),
        Some('\\') => rest.next().ok_or(OPEN),
        Some(character) => Ok(character),
    };
    let mut ranges = Vec::new();
    loop {
        let low = member(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { member(rest)? } else { low };
        if low > high {
            return Err("a range in `[` ends before it starts");
        }
        ranges.push((low, high));
        if rest.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges });
        }
    }
}

/// A pattern as Go's `filepath.Clean` writes it, without a leading slash.
fn cleaned(glob: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let is_rooted = glob.starts_with('/');
    for part in glob.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if is_rooted => {}
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { if is_rooted { "/" } else { "." }.to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildkit_decides_alike() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/facts/dockerignore.json")).unwrap();
        let mut decisions = 0;
        for case in facts["cases"].as_array().unwrap() {
            let file = case["file"].as_str().unwrap();
            let parsed = IgnoreFile::parse(file.as_bytes());
            if case["refused"] == true {
                decisions += 1;
                assert!(parsed.is_err(), "{file:?} is refused");
                continue;
            }
            let parsed = parsed.unwrap();
            for (key, excluded) in [("excluded", true), ("included", false)] {
                for path in case[key].as_array().unwrap() {
                    let path = path.as_str().unwrap();
                    decisions += 1;
                    assert_eq!(parsed.excludes(path), excluded, "{path} by {file:?}");
                }
            }
        }
        assert_eq!(decisions, facts["decisions"].as_u64().unwrap());
    }

    #[test]
    fn a_pattern_has_its_place() {
        let file = "\u{feff}# c\r\n  node_modules/ \r\n! a*\n #b\n";
        let parsed = IgnoreFile::parse(file.as_bytes()).unwrap();
        let shown: Vec<(&str, bool)> = parsed
            .patterns
            .iter()
            .map(|pattern| (file.get(pattern.span.clone()).unwrap(), pattern.is_exception))
            .collect();
        assert_eq!(shown, [("node_modules/", false), ("! a*", true), ("#b", false)]);
        let decisive = parsed.decisive("abc/d").unwrap();
        assert!(decisive.is_exception);
        let error = IgnoreFile::parse(b"x\n![a-\n").unwrap_err();
        assert_eq!((error.span, error.message), (2..6, "`[` has no valid end"));
    }

    #[test]
    fn a_literal_pattern_decides_like_its_tokens() {
        let paths = ["a", "a/b", "b/a", "ab", "b/a/b", "a.b/a", "b/ab", "b/ba", "", "/a", "a/"];
        for glob in ["a", "a/b", "**/a", "**/a/b", "**/**/a", "*/a", "/a/", "a?", "**", "[a]"] {
            let pattern = IgnoreFile::glob(glob).unwrap();
            let is_literal = !glob.trim_start_matches("**/").contains(['*', '?', '[']);
            assert_eq!(pattern.literal.is_some(), is_literal && glob != "**/**/a", "{glob}");
            for path in paths {
                assert_eq!(pattern.matches(path), pattern.passes(path), "{path} by {glob}");
            }
        }
    }

    #[test]
    fn a_pattern_that_backtracks_elsewhere_is_matched_in_one_pass() {
        let glob = "**/a*".repeat(200);
        let parsed = IgnoreFile::parse(glob.as_bytes()).unwrap();
        assert!(!parsed.excludes(&"a/b".repeat(2000)));
    }
}
