//! Edits of the `build` of a service in a compose file.

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::finding::{Span, line_around};
use crate::models::compose::ServiceBuild;

/// The edits that add an item to a list in the `build` of a service: to the list with this first
/// item, or as a new list of this key. `None` if the layout leaves the place uncertain.
pub(crate) fn with_item(
    file: &File,
    build: &ServiceBuild,
    key: &str,
    first: Option<&Span>,
    item: &str,
) -> Option<Vec<Edit>> {
    let text = file.text.as_slice();
    let edit = |span: Span, text: String| Edit { path: file.path.clone(), span, text };
    if let Some(first) = first {
        // An alias has its items elsewhere, for others as well.
        let is_own = build.span.start <= first.start && first.end <= build.span.end;
        let line = line_around(text, first.start);
        let before = std::str::from_utf8(text.get(line.start..first.start)?).ok()?;
        let added = match before.trim() {
            "-" => edit(line.start..line.start, format!("{before}{item}\n")),
            list if list.ends_with('[') => edit(first.start..first.start, format!("{item}, ")),
            _ => return None,
        };
        return is_own.then(|| vec![added]);
    }
    let line = line_around(text, build.span.start);
    let before = std::str::from_utf8(text.get(line.start..build.span.start)?).ok()?;
    let written = text.get(build.span.clone())?;
    if written.starts_with(b"{") {
        let at = build.span.start + 1;
        let has_gap = written.get(1).is_some_and(u8::is_ascii_whitespace);
        let added = format!("{key}: [{item}],");
        return Some(vec![edit(
            at..at,
            if has_gap { format!(" {added}") } else { format!("{added} ") },
        )]);
    }
    let indent: String = before.chars().take_while(|&character| character == ' ').collect();
    // The short form: the path of the context.
    let short = build.context.as_ref().filter(|context| context.span == build.span);
    if let Some(context) = short {
        let start = line.start + before.trim_end().len();
        let below = format!("{indent}  ");
        let is_plain =
            before.trim() == "build:" && !written.starts_with(b"*") && !written.contains(&b'\n');
        return context.text().filter(|_| is_plain).map(|_| {
            vec![
                edit(start..build.span.start, format!("\n{below}context: ")),
                edit(build.span.end..build.span.end, list(&below, key, item)),
            ]
        });
    }
    // A map in block style.
    if indent.is_empty() || before != indent {
        return None;
    }
    let entries = [("context:", &build.context), ("dockerfile:", &build.dockerfile)];
    let after = entries.iter().rev().find_map(|(name, scalar)| {
        let span = &scalar.as_ref()?.span;
        let line = line_around(text, span.start);
        let entry = text.get(line.clone())?.strip_prefix(indent.as_bytes())?;
        // The value may be an alias, or continue in the next line.
        let is_here = entry.starts_with(name.as_bytes())
            && build.span.start <= span.start
            && span.end <= line.end;
        let is_plain = !entry.get(name.len()..)?.trim_ascii_start().starts_with(b"*");
        (is_here && is_plain).then_some(line.end)
    });
    match after {
        Some(at) => Some(vec![edit(at..at, list(&indent, key, item))]),
        // Before the first entry, which a merge key may be.
        None => {
            let at = build.span.start;
            let added = format!("{key}:\n{indent}  - {item}\n{indent}");
            Some(vec![edit(at..at, added)])
        }
    }
}

/// A list with one item, after the line before it.
fn list(indent: &str, key: &str, item: &str) -> String {
    format!("\n{indent}{key}:\n{indent}  - {item}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::fix::{Fix, Safety};
    use crate::edit::reading::{Grammar, keeps_the_rest};
    use crate::edit::{apply, by_place};
    use crate::formats::{Syntax, parse};
    use crate::models::compose::Compose;

    /// A compose file with a secret more in the build of its first service.
    fn with_secret(text: &str) -> Option<String> {
        let file = File { path: "a".into(), text: text.into(), fresh: true, replaces: false };
        let compose = Compose::parse(&parse(Syntax::Yaml, text.as_bytes()).unwrap());
        let build = compose.services[0].build.as_ref().unwrap();
        let first = build.secrets.first().map(|used| &used.span);
        let edits = with_item(&file, build, "secrets", first, "t")?;
        let fix = Fix::of(Safety::Safe, edits, &[&file]).unwrap();
        let mut edits: Vec<&Edit> = fix.edits.iter().map(|(edit, _)| edit).collect();
        edits.sort_by(|a, b| by_place(a, b));
        let new = apply(text.as_bytes(), edits.clone()).unwrap();
        assert!(keeps_the_rest(Grammar::Yaml, text.as_bytes(), &new, &edits), "{text}");
        let after = Compose::parse(&parse(Syntax::Yaml, &new).unwrap());
        let build = after.services[0].build.as_ref().unwrap();
        assert!(build.secrets.iter().any(|used| used.id == "t"), "{text}");
        Some(String::from_utf8(new).unwrap())
    }

    #[test]
    fn an_item_is_added_in_every_layout() {
        for (build, expected) in [
            (
                "build:\n      context: . # c\n      target: a\n",
                "build:\n      context: . # c\n      secrets:\n        - t\n      target: a\n",
            ),
            (
                "build:\r\n      context: .\r\n      dockerfile: \"a\"\r\n    image: b",
                "build:\r\n      context: .\r\n      dockerfile: \"a\"\r\n      \
                 secrets:\r\n        - t\r\n    image: b",
            ),
            ("build: {context: .}\n", "build: {secrets: [t], context: .}\n"),
            ("build: { context: . }\n", "build: { secrets: [t], context: . }\n"),
            ("build: ./web # c", "build:\n      context: ./web\n      secrets:\n        - t # c"),
            (
                "build:\n      target: a\n      secrets: [ b ]\n",
                "build:\n      target: a\n      secrets: [ t, b ]\n",
            ),
            (
                "build:\n      secrets:\n      # c\n      -   b\n",
                "build:\n      secrets:\n      # c\n      -   t\n      -   b\n",
            ),
            (
                "build:\n      # c\n      args: {}\n",
                "build:\n      # c\n      secrets:\n        - t\n      args: {}\n",
            ),
        ] {
            let text = |build: &str| format!("services:\n  a:\n    {build}");
            assert_eq!(with_secret(&text(build)), Some(text(expected)), "{build:?}");
        }
    }

    #[test]
    fn an_uncertain_layout_is_left_alone() {
        for text in [
            "x: &s [b]\nservices:\n  a:\n    build:\n      context: .\n      secrets: *s\n",
            "services: {a: {build: .}}\n",
            "services:\n  a:\n    build: >-\n      .\n",
            "services:\n  a:\n    ? build\n    : .\n",
        ] {
            assert_eq!(with_secret(text), None, "{text:?}");
        }
    }
}
