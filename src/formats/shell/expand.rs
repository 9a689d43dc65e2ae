//! Removes the quotes from a word and expands its variables.

use crate::base::finding::Span;
use crate::formats::shell::script::{Form, Script, Word, name_length};

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The expanded value.
    pub text: String,
    /// Where the value is written.
    pub span: Span,
}

/// The result of looking up a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<'v> {
    Set(&'v Variable),
    /// Declared without a value: it has one only if the caller of the build gives it.
    Offered,
    Unset,
    /// Something outside the file may set it.
    Unknown,
}

/// A variable that was expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub name: String,
    /// Where the value is written.
    pub span: Span,
}

/// A word after expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// The expanded word, without quotes, up to the first unknown part.
    pub text: String,
    /// Whether an unknown part follows.
    pub is_open: bool,
    pub span: Span,
    /// The variables in it that have a value.
    pub used: Vec<Use>,
    /// The variables in it that are not set.
    pub unset: Vec<String>,
}

impl Resolved {
    /// The whole word, if all of it is known.
    pub(crate) fn known(&self) -> Option<&str> {
        (!self.is_open).then_some(self.text.as_str())
    }

    /// Where the file has this part of the text literally: in the value of a variable, or in the
    /// word.
    pub(crate) fn find(&self, part: &str, file: &[u8]) -> Option<Span> {
        let sources = self.used.iter().map(|used| &used.span).chain(std::iter::once(&self.span));
        let mut found = sources.filter_map(|source| {
            let text = file.get(source.clone())?;
            let at = memchr::memmem::rfind(text, part.as_bytes())?;
            Some(source.start + at..source.start + at + part.len())
        });
        found.next()
    }

    /// Like [`Resolved::find`]; the whole word if nothing is found.
    pub(crate) fn place(&self, part: &str, file: &[u8]) -> Span {
        self.find(part, file).unwrap_or_else(|| self.span.clone())
    }
}

/// The longest result of an expansion. Values made of values could grow without bound.
const LONGEST: usize = 1024;

/// The maximum depth of nested defaults that are expanded.
const DEEPEST: usize = 8;

/// Expands a word as a POSIX shell does: `$V`, `${V}`, and `:-`, `-`, `:+`, `+`, `:?`, `?` in
/// braces. `${{ name }}`, which a workflow expands, is looked up like a variable.
pub(crate) fn expand<'v>(
    word: &[u8],
    escape: u8,
    span: Span,
    lookup: &dyn Fn(&str) -> Lookup<'v>,
) -> Resolved {
    let mut expander =
        Expander { escape, lookup, text: Vec::new(), used: Vec::new(), unset: Vec::new() };
    let mut is_open = expander.expand(word, 0).is_none();
    let text = String::from_utf8(expander.text).unwrap_or_else(|_| {
        is_open = true;
        String::new()
    });
    Resolved { text, is_open, span, used: expander.used, unset: expander.unset }
}

impl<'a> Script<'a> {
    /// Looks up a variable. Variables that the script sets are unknown.
    pub(crate) fn variable<'v>(
        &self,
        name: &str,
        lookup: &dyn Fn(&str) -> Lookup<'v>,
    ) -> Lookup<'v> {
        if self.assigned.contains(name.as_bytes()) { Lookup::Unknown } else { lookup(name) }
    }

    /// Expands a word of this script.
    pub(crate) fn resolve<'v>(
        &self,
        word: &Word<'a>,
        lookup: &dyn Fn(&str) -> Lookup<'v>,
    ) -> Resolved {
        let bytes = &word.text.bytes[word.range.clone()];
        let span = word.text.span(&word.range);
        let text = match word.form {
            Form::Shell => {
                return expand(bytes, b'\\', span, &|name| self.variable(name, lookup));
            }
            Form::Json => serde_json::from_slice(bytes).ok(),
            Form::Literal => {
                let known = memchr::memchr(b'$', bytes).unwrap_or(bytes.len());
                let text = String::from_utf8_lossy(&bytes[..known]).into_owned();
                return Resolved {
                    text,
                    is_open: known < bytes.len(),
                    span,
                    ..Resolved::default()
                };
            }
        };
        let is_open = text.is_none();
        Resolved { text: text.unwrap_or_default(), is_open, span, ..Resolved::default() }
    }
}

struct Expander<'e, 'v> {
    escape: u8,
    lookup: &'e dyn Fn(&str) -> Lookup<'v>,
    text: Vec<u8>,
    used: Vec<Use>,
    unset: Vec<String>,
}

impl Expander<'_, '_> {
    /// Appends the expanded word; `None` at the first unknown part.
    fn expand(&mut self, word: &[u8], depth: usize) -> Option<()> {
        let mut quote = None;
        let mut at = 0;
        while let Some(&byte) = word.get(at) {
            at += 1;
            match byte {
                _ if quote == Some(byte) => quote = None,
                _ if quote == Some(b'\'') => self.text.push(byte),
                b'\'' | b'"' if quote.is_none() => quote = Some(byte),
                _ if byte == self.escape => {
                    let next = word.get(at).copied();
                    match next {
                        Some(b'\n') | None => {}
                        Some(next)
                            if quote.is_none() || matches!(next, b'"' | b'$' | b'`' | b'\\') =>
                        {
                            self.text.push(next);
                        }
                        Some(next) => self.text.extend([self.escape, next]),
                    }
                    at += 1;
                }
                b'$' => at += self.variable(&word[at..], depth)?,
                b'`' => return None,
                _ => self.text.push(byte),
            }
            if self.text.len() > LONGEST {
                return None;
            }
        }
        Some(())
    }

    /// Appends the value of the variable after a dollar sign. Returns the length of its name and
    /// braces.
    fn variable(&mut self, rest: &[u8], depth: usize) -> Option<usize> {
        if let Some(expression) = rest.strip_prefix(b"{{") {
            let length = expression.windows(2).position(|window| window == b"}}")?;
            self.plain(std::str::from_utf8(&expression[..length]).ok()?.trim())?;
            return Some(length + 4);
        }
        let Some(inner) = rest.strip_prefix(b"{") else {
            let length = name_length(rest);
            self.plain(std::str::from_utf8(&rest[..length]).ok()?)?;
            return Some(length);
        };
        let (name, tail) = inner.split_at(name_length(inner));
        let name = std::str::from_utf8(name).ok()?;
        let end = closing_brace(tail)?;
        self.modified(name, &tail[..end], depth)?;
        Some(1 + name.len() + end + 1)
    }

    fn plain(&mut self, name: &str) -> Option<()> {
        if name.is_empty() {
            return None;
        }
        match (self.lookup)(name) {
            Lookup::Set(variable) => self.put(name, variable),
            Lookup::Unset => self.unset.push(name.to_owned()),
            Lookup::Offered | Lookup::Unknown => return None,
        }
        Some(())
    }

    fn put(&mut self, name: &str, variable: &Variable) {
        self.text.extend_from_slice(variable.text.as_bytes());
        self.used.push(Use { name: name.to_owned(), span: variable.span.clone() });
    }

    fn modified(&mut self, name: &str, modifier: &[u8], depth: usize) -> Option<()> {
        let (colon, sign) = match modifier.strip_prefix(b":") {
            Some(sign) => (true, sign),
            None => (false, modifier),
        };
        let Some((sign, word)) = sign.split_first().filter(|(sign, _)| b"-+?".contains(sign))
        else {
            return if modifier.is_empty() { self.plain(name) } else { None };
        };
        if name.is_empty() || depth == DEEPEST {
            return None;
        }
        let value = match (self.lookup)(name) {
            Lookup::Set(variable) => {
                Some(variable).filter(|variable| !(colon && variable.text.is_empty()))
            }
            // The default counts unless the caller gives a value.
            Lookup::Offered | Lookup::Unset => None,
            Lookup::Unknown => return None,
        };
        match (sign, value) {
            (b'-' | b'?', Some(variable)) => self.put(name, variable),
            (b'-', None) | (b'+', Some(_)) => self.expand(word, depth + 1)?,
            (b'+', None) => {}
            _ => return None,
        }
        Some(())
    }
}

/// The brace that closes an expansion, outside quotes and inner expansions.
fn closing_brace(text: &[u8]) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if quote != Some(b'\'') => at += 1,
            _ if quote == Some(byte) => quote = None,
            b'\'' | b'"' if quote.is_none() => quote = Some(byte),
            b'{' if at > 0 && text[at - 1] == b'$' => depth += 1,
            b'}' if quote.is_none() && depth == 0 => return Some(at),
            b'}' if quote.is_none() => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(word: &str) -> String {
        let set = Variable { text: "1.2".into(), span: 3..6 };
        let empty = Variable { text: String::new(), span: 0..0 };
        let expanded = expand(word.as_bytes(), b'\\', 0..0, &|name| match name {
            "SET" | "env.SET" => Lookup::Set(&set),
            "EMPTY" => Lookup::Set(&empty),
            "OFFERED" => Lookup::Offered,
            "UNSET" => Lookup::Unset,
            _ => Lookup::Unknown,
        });
        let open = if expanded.is_open { "…" } else { "" };
        let unset: String = expanded.unset.iter().map(|name| format!(" !{name}")).collect();
        format!("{}{open}{unset}", expanded.text)
    }

    #[test]
    fn variables_and_their_modifiers() {
        for (word, expected) in [
            ("a$SET", "a1.2"),
            ("a${SET}b", "a1.2b"),
            ("'$SET'\"$SET\"\\$SET", "$SET1.2$SET"),
            ("${{ env.SET }}x", "1.2x"),
            ("a${{ matrix.v }}", "a…"),
            ("a$UNKNOWN", "a…"),
            ("a$OFFERED", "a…"),
            ("a$UNSET.b", "a.b !UNSET"),
            ("${SET:-d}${EMPTY:-d}${EMPTY-d}${UNSET:-d}${OFFERED:-d}", "1.2ddd"),
            ("${UNKNOWN:-d}", "…"),
            ("${SET:+d}${EMPTY:+d}${EMPTY+e}${UNSET+f}", "de"),
            ("${SET:?no}${SET?no}", "1.21.2"),
            ("a${UNSET:?no}", "a…"),
            ("${UNSET:-${SET}-\"}\"}", "1.2-}"),
            ("${UNSET:-$UNSET}", " !UNSET"),
            ("${SET%.*}", "…"),
            ("${#SET}", "…"),
            ("a$(b)", "a…"),
            ("a`b`", "a…"),
            ("a$", "a…"),
            ("${", "…"),
            ("${SET", "…"),
            ("${{", "…"),
        ] {
            assert_eq!(display(word), expected, "{word}");
        }
        assert_eq!(display(&"${UNSET:-".repeat(100_000)), "…");
        assert_eq!(display(&format!("{}d{}", "${UNSET:-".repeat(20), "}".repeat(20))), "…");
    }
}
