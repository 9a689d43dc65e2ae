//! Reading an edited file back: nothing but the edited parts may have another meaning.

use std::collections::BTreeSet;

use crate::base::edit::Edit;
use crate::base::finding::Span;
use crate::formats::dockerignore::IgnoreFile;
use crate::formats::document::{Node, Value};
use crate::formats::{Syntax, dockerfile, parse};

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    Dockerfile,
    Dockerignore,
    /// Each line has a meaning of its own, as in a `.gitignore`.
    Lines,
    Yaml,
}

/// A part of a file with a meaning of its own: an instruction, a pattern, a line, a scalar.
#[derive(Debug)]
struct Unit {
    span: Span,
    /// The name of an instruction, or the keys that lead to a scalar.
    name: String,
    text: Vec<u8>,
}

/// Where a unit is after the edits.
enum Moved {
    /// An edit removes it.
    Removed,
    To {
        span: Span,
        /// Whether an edit is inside of it.
        is_edited: bool,
    },
}

/// Whether the edits of a file, sorted and without overlaps, change only the units that they are
/// in, and add only units of their own text, each once. False if a text does not parse.
pub(crate) fn keeps_the_rest(grammar: Grammar, old: &[u8], new: &[u8], edits: &[&Edit]) -> bool {
    let written = written(edits);
    let (Some(before), Some(after)) = (units(grammar, old, &[]), units(grammar, new, &written))
    else {
        return false;
    };
    let moved: Option<Vec<(&Unit, Moved)>> =
        before.iter().map(|unit| Some((unit, moved(&unit.span, edits)?))).collect();
    let Some(moved) = moved else { return false };
    let kept = moved.iter().filter_map(|(unit, moved)| match moved {
        Moved::Removed => None,
        Moved::To { span, is_edited } => Some((*unit, span, *is_edited)),
    });
    let mut kept = kept.peekable();
    let mut added = BTreeSet::new();
    for unit in &after {
        let is_next = kept.peek().is_some_and(|(old, span, is_edited)| {
            **span == unit.span && old.name == unit.name && (*is_edited || old.text == unit.text)
        });
        if is_next {
            kept.next();
        } else if !written.iter().any(|span| is_inside(&unit.span, span))
            // An alias or a merge key repeats it elsewhere.
            || !added.insert((unit.span.start, unit.span.end))
        {
            return false;
        }
    }
    kept.next().is_none()
}

fn is_inside(span: &Span, outer: &Span) -> bool {
    outer.start <= span.start && span.end <= outer.end
}

/// The places of the texts of edits in the new file.
fn written(edits: &[&Edit]) -> Vec<Span> {
    let mut place = 0;
    let mut at = 0;
    edits
        .iter()
        .map(|edit| {
            place += edit.span.start.saturating_sub(at);
            at = edit.span.end;
            let span = place..place + edit.text.len();
            place = span.end;
            span
        })
        .collect()
}

/// Where a unit is after the edits; `None` if one crosses its start or its end.
fn moved(unit: &Span, edits: &[&Edit]) -> Option<Moved> {
    let mut span = unit.clone();
    let mut is_edited = false;
    for Edit { span: edited, text, .. } in edits {
        let resized = |at: usize| (at + text.len()).checked_sub(edited.len());
        if edited.end <= unit.start {
            span = resized(span.start)?..resized(span.end)?;
        } else if edited.start < unit.end {
            if text.is_empty() && is_inside(unit, edited) {
                return Some(Moved::Removed);
            }
            if !is_inside(edited, unit) {
                return None;
            }
            is_edited = true;
            span.end = resized(span.end)?;
        }
    }
    Some(Moved::To { span, is_edited })
}

/// The units of a text in their order. Keys at these places do not count in the names.
fn units(grammar: Grammar, text: &[u8], without: &[Span]) -> Option<Vec<Unit>> {
    let unit = |span: &Span, name: &str| {
        let own = text.get(span.clone()).unwrap_or_default().to_vec();
        Unit { span: span.clone(), name: name.to_owned(), text: own }
    };
    Some(match grammar {
        Grammar::Dockerfile => {
            let instructions = dockerfile::parse(text);
            instructions.iter().map(|found| unit(&found.span, &found.name)).collect()
        }
        Grammar::Dockerignore => {
            let file = IgnoreFile::parse(text).ok()?;
            file.patterns.iter().map(|pattern| unit(&pattern.span, "")).collect()
        }
        Grammar::Lines => {
            let mut end = 0;
            let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
                let start = end;
                end += line.len();
                unit(&(start..start + line.trim_ascii_end().len()), "")
            });
            lines.filter(|line| !line.span.is_empty()).collect()
        }
        Grammar::Yaml => {
            let mut units = Vec::new();
            push_scalars(&parse(Syntax::Yaml, text).ok()?, "", without, &mut units);
            units
        }
    })
}

/// Appends the scalars of a document, and the empty maps and lists.
fn push_scalars(node: &Node, name: &str, without: &[Span], units: &mut Vec<Unit>) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let is_new = without.iter().any(|span| is_inside(&key.span, span));
                let below = if is_new { name.to_owned() } else { format!("{name}\0{}", key.text) };
                push_scalars(value, &below, without, units);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                push_scalars(item, &format!("{name}\0-"), without, units);
            }
        }
        value => {
            let text = match value {
                Value::Text(text) => text.clone().into_bytes(),
                value => format!("{value:?}").into_bytes(),
            };
            units.push(Unit { span: node.span.clone(), name: name.to_owned(), text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::apply;

    /// Whether an edit of the marked part `[…]` to a text keeps the rest.
    fn keeps(grammar: Grammar, marked: &str, text: &str) -> bool {
        let (start, end) = (marked.find('[').unwrap(), marked.find(']').unwrap() - 1);
        let old = marked.replacen('[', "", 1).replacen(']', "", 1);
        let edit = Edit { path: "a".into(), span: start..end, text: text.into() };
        let new = apply(old.as_bytes(), vec![&edit]).unwrap();
        keeps_the_rest(grammar, old.as_bytes(), &new, &[&edit])
    }

    #[test]
    fn an_edit_of_one_part_keeps_the_rest() {
        use Grammar::{Dockerfile, Dockerignore, Lines, Yaml};
        for (grammar, marked, text) in [
            (Dockerfile, "FROM a\nRUN []b\nRUN c", "--mount=type=cache,target=/x "),
            (Dockerfile, "FROM a[]\n# c\nRUN b", "\nARG V"),
            (Dockerfile, "FROM a\r\n[]RUN b \\\r\n # c\r\n  d\r\n", "ARG V\r\n"),
            (Dockerfile, "FROM a\nRUN []cat <<E\nRUN x\nE\nRUN c", "--network=none "),
            (Dockerfile, "FROM a\n[ARG V\n]RUN c", ""),
            (Dockerignore, "a\n[pnpm-lock.yaml\n]# c\nb", ""),
            (Dockerignore, "a[]", "\n.git"),
            (Lines, "a\n\n# b[]", "\n*.bak"),
            (Yaml, "a:\n  b: x\n  []c: y\n", "n:\n    - z\n  "),
            (Yaml, "a: {[]b: x}", "n: y, "),
            (Yaml, "a: &a\n  b: x[] # c\nd:\n  <<: *a\n", ""),
            (Yaml, "a: http://[localhost]/x\nb: y", "127.0.0.1"),
            (Yaml, "a: [] x\nb: y", "\n  context:"),
        ] {
            assert!(keeps(grammar, marked, text), "{marked}");
        }
    }

    #[test]
    fn an_edit_that_changes_more_does_not() {
        use Grammar::{Dockerfile, Dockerignore, Lines, Yaml};
        for (grammar, marked, text) in [
            // The next line becomes a part of this one.
            (Dockerfile, "FROM a\nRUN b[]\nRUN c", " \\"),
            (Dockerfile, "FROM a\nRUN b[]\nRUN c", " <<E"),
            (Dockerfile, "FROM a\nRUN [b\nRUN] c", "d"),
            (Dockerfile, "FROM a\n[RUN] b", "ARG"),
            (Dockerfile, "[]# escape=`\nFROM a\nRUN b \\\n c", "# x\n"),
            (Dockerignore, "a[]", "\n["),
            (Lines, "a[\n]b", ""),
            (Yaml, "a:\n  b: x\n[]  c: y\n", "n:\n"),
            (Yaml, "a: x[]\nb: y", ": z"),
            (Yaml, "a: &a\n  []b: x\nd: *a\n", "n: y\n  "),
            (Yaml, "a:\n  b: x[]\n  c: y", " #"),
        ] {
            let is_comment = marked.ends_with("c: y") && text == " #";
            assert_eq!(keeps(grammar, marked, text), is_comment, "{marked}");
        }
    }
}
