//! Traces of leftovers in texts: where a text of any structure names a directory of leftovers.

use crate::base::debris::{Debris, Directory};
use crate::base::finding::{Span, line_around};
use crate::base::path::{FOLDED_BY, Folded, fold};

/// A directory of leftovers that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention<'a> {
    pub directory: &'a Directory,
    /// Its name in the text.
    pub span: Span,
}

/// The first mention of a directory of leftovers in a text of unknown structure, in UTF-8, UTF-16
/// or UTF-32, and under up to three layers of escapes, as in a URL in a URL in a string. The span
/// is empty, at the start, if the encoding or a second layer hides the place.
pub(crate) fn mention<'a>(text: &[u8], debris: &'a Debris) -> Option<Mention<'a>> {
    let hidden =
        |text: &[u8]| find_debris(text, debris, false).map(|trace| Mention { span: 0..0, ..trace });
    let deeper = |text: &[u8]| {
        let once = unescaped(text);
        hidden(&once).or_else(|| hidden(&unescaped(&once)))
    };
    // UTF-16 and UTF-32 put zeros between the letters.
    let narrow = || {
        text.contains(&0)
            .then(|| text.iter().copied().filter(|&byte| byte != 0).collect::<Vec<_>>())
    };
    find_debris(text, debris, false)
        .or_else(|| deeper(text))
        .or_else(|| hidden(&unquoted(text)))
        .or_else(|| narrow().and_then(|text| hidden(&text).or_else(|| deeper(&text))))
}

/// The text without the `\` that strings of JSON5 and YAML ignore: at the end of a line, which it
/// joins to the next, and before a character that needs no escape.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        at += match &text[at..] {
            [b'\\', b'\r', b'\n', rest @ ..] | [b'\\', b'\r' | b'\n', rest @ ..] => {
                let indent = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
                text.len() - at - rest.len() + indent
            }
            [b'\\', b'u' | b'U' | b'x' | b'\\', ..] => {
                plain.extend_from_slice(&text[at..at + 2]);
                2
            }
            [b'\\', _, ..] => 1,
            [byte, ..] => {
                plain.push(*byte);
                1
            }
            [] => break,
        };
    }
    plain
}

/// The first path component of a text that is a directory of leftovers: for a line of a lockfile,
/// or a manifest that does not parse. Escapes of JSON, YAML and URLs are decoded for the
/// comparison.
///
/// A name that only starts or ends like it (`my.docker-deps`, `.docker-deps-old`) is another name,
/// unless the text is `packed`: its strings follow each other without a separator. A name without a
/// leading dot may be that of a package, so it counts only before a slash.
pub(crate) fn find_debris<'a>(
    text: &[u8],
    debris: &'a Debris,
    packed: bool,
) -> Option<Mention<'a>> {
    if memchr::memchr2(b'\\', b'%', text).is_none() && text.is_ascii() {
        return find_first(text, debris, packed);
    }
    let Mention { directory, span } = find_first(&unescaped(text), debris, packed)?;
    let mut offsets = characters(text).map(|(at, _)| at).skip(span.start);
    let start = offsets.next().unwrap_or(text.len());
    let end = offsets.nth(span.len().saturating_sub(1)).unwrap_or(text.len());
    Some(Mention { directory, span: start..end })
}

fn find_first<'a>(text: &[u8], debris: &'a Debris, packed: bool) -> Option<Mention<'a>> {
    let traces = debris.directories().iter().filter_map(|directory| {
        find_component(text, directory.name.as_bytes(), packed)
            .map(|span| Mention { directory, span })
    });
    traces.min_by_key(|trace| trace.span.start)
}

/// Whether a text may contain a trace. Fast, for large texts without one.
pub(crate) fn could_hold_debris(text: &[u8], debris: &Debris) -> bool {
    // Only lines with escapes, or with characters that file systems fold, are decoded: few are.
    let [a, b, c] = FOLDED_BY;
    find_first(text, debris, true).is_some()
        || any_line(text, |text| memchr::memchr2(b'\\', b'%', text), debris)
        || (!text.is_ascii() && any_line(text, |text| memchr::memchr3(a, b, c, text), debris))
}

/// Whether a line contains a trace, among the lines with a byte that `next` finds.
fn any_line(text: &[u8], next: impl Fn(&[u8]) -> Option<usize>, debris: &Debris) -> bool {
    let mut from = 0;
    while let Some(at) = next(&text[from..]).map(|at| from + at) {
        let line = line_around(text, at);
        from = line.end;
        if find_debris(&text[line], debris, true).is_some() {
            return true;
        }
    }
    false
}

fn find_component(text: &[u8], name: &[u8], packed: bool) -> Option<Span> {
    let part_of_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte) || !byte.is_ascii();
    let dotted = name.starts_with(b".");
    let is_name = |start: usize| {
        let end = start + name.len();
        let same = text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(name));
        let begins = packed || start == 0 || !part_of_name(&text[start - 1]);
        let ends = |next: Option<&u8>| {
            if dotted { packed || !next.is_some_and(part_of_name) } else { next == Some(&b'/') }
        };
        (same && begins && ends(text.get(end))).then_some(start..end)
    };
    let (mark, pair) = mark(name, dotted)?;
    // A search for each letter case is faster than one that ignores it.
    let found = [pair.to_ascii_lowercase(), pair.to_ascii_uppercase()].map(|pair| {
        let starts = memchr::memmem::find_iter(text, &pair).filter_map(|at| at.checked_sub(mark));
        starts.into_iter().find_map(is_name)
    });
    found.into_iter().flatten().min_by_key(|span| span.start)
}

/// The place in a name, and the two bytes there, by which it is searched for: a letter and
/// something that has no case. The last such place is taken: many names begin with a dot, which is
/// frequent in texts.
fn mark(name: &[u8], dotted: bool) -> Option<(usize, [u8; 2])> {
    // A name without a dot only counts before a slash.
    let end = if dotted { &b""[..] } else { b"/" };
    let bytes: Vec<u8> = name.iter().chain(end).copied().collect();
    let has_case = |at: usize| bytes[at].is_ascii_alphabetic();
    let places = || (0..bytes.len().saturating_sub(1)).rev();
    // Two equal bytes may overlap with themselves.
    let differ = || places().find(|&at| bytes[at] != bytes[at + 1]);
    let at = places().find(|&at| has_case(at) != has_case(at + 1)).or_else(differ)?;
    Some((at, [bytes[at], bytes[at + 1]]))
}

/// The text with its escapes decoded: see [`characters`].
pub(crate) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    plain.extend(characters(text).map(|(_, byte)| byte));
    plain
}

/// The bytes of a text and their offsets in it. `\uXXXX`, `\UXXXXXXXX`, `\xXX` and `%XX` of ASCII
/// characters are decoded, `\` is read as `/`, and characters that file systems fold into ASCII are
/// folded.
fn characters(text: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let at = next;
            let escaped = |start: usize, digits: usize| {
                Some((escape(&text[at + start..], digits)?, start + digits))
            };
            let (read, length) = match &text[at..] {
                [] => return None,
                [b'\\', b'u', ..] => escaped(2, 4).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', b'U', ..] => escaped(2, 8).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', b'x', ..] => escaped(2, 2).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', ..] => (Folded::To(b'/'), 1),
                [b'%', ..] => escaped(1, 2).unwrap_or((Folded::To(b'%'), 1)),
                [byte, ..] if FOLDED_BY.contains(byte) => {
                    folded_at(&text[at..]).unwrap_or((Folded::To(*byte), 1))
                }
                [byte, ..] => (Folded::To(*byte), 1),
            };
            next += length;
            if let Folded::To(byte) = read {
                return Some((at, byte));
            }
        }
    })
}

/// The character of so many hexadecimal digits, if it is ASCII or folds into ASCII.
fn escape(text: &[u8], digits: usize) -> Option<Folded> {
    let digits =
        std::str::from_utf8(text.get(..digits)?).ok().filter(|digits| !digits.starts_with('+'))?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    let ascii = u8::try_from(character).ok().filter(u8::is_ascii);
    ascii.map(Folded::To).or_else(|| fold(character))
}

/// The first character of a text, if file systems fold it into ASCII, and its length.
fn folded_at(text: &[u8]) -> Option<(Folded, usize)> {
    // None of these characters has more than three bytes.
    let character = text[..text.len().min(3)].utf8_chunks().next()?.valid().chars().next()?;
    Some((fold(character)?, character.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(text: &[u8]) -> Option<Span> {
        find_debris(text, &Debris::default(), false).map(|trace| trace.span)
    }

    #[test]
    fn a_trace_is_found_through_escapes() {
        for (text, found) in [
            ("  version: file:.docker-deps/x.tgz", ".docker-deps"),
            ("  '@s/x@file:.docker-deps/x.tgz':", ".docker-deps"),
            (r#""resolved": "file:..\/.docker-deps/x""#, ".docker-deps"),
            (r#""file:../\u002edocker-deps/x""#, r"\u002edocker-deps"),
            (r#""file:..\\.docker-deps\\x""#, ".docker-deps"),
            ("patch:x@file%3A..%2F%2Edocker-deps%2fx", "%2Edocker-deps"),
            ("a .docker-deps-old/.DOCKER-DEPS/x", ".DOCKER-DEPS"),
        ] {
            let span = traced(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(text.get(span), Some(found));
        }
    }

    #[test]
    fn other_names_are_not_a_trace() {
        for text in [
            "",
            ".",
            ".docker-dep",
            "my.docker-deps/x",
            ".docker-deps-old/x",
            "..docker-deps",
            ".docker-depsé",
            r"\u002",
            "%",
        ] {
            assert_eq!(traced(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_found_wherever_it_is(
            name in "[.]?[ab1_-]{1,4}",
            text in "[aAbB1_./-]{0,40}",
            packed in proptest::bool::ANY,
        ) {
            let text = text.as_bytes();
            let part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let is_name = |start: &usize| {
                let rest = &text[*start..];
                let after = rest.get(name.len()).copied();
                let ends = if name.starts_with('.') {
                    packed || !after.is_some_and(part)
                } else {
                    after == Some(b'/')
                };
                rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
                    && (packed || *start == 0 || !part(text[start - 1]))
                    && ends
            };
            let found = find_component(text, name.as_bytes(), packed).map(|span| span.start);
            proptest::prop_assert_eq!(found, (0..text.len()).find(is_name));
        }
    }
}
