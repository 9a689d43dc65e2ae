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
    let addition = Addition { file, build, key, item };
    if let Some(first) = first {
        return Some(vec![addition.to_list(first)?]);
    }
    if file.text.get(build.span.clone())?.starts_with(b"{") {
        return Some(vec![addition.to_flow_map()]);
    }
    // In the short form, the value is the path of the context.
    if build.context.as_ref().is_some_and(|context| context.span == build.span) {
        return addition.to_short_form();
    }
    Some(vec![addition.to_block_map()?])
}

/// An item to add to a list of a `build`.
struct Addition<'a> {
    file: &'a File,
    build: &'a ServiceBuild,
    key: &'a str,
    item: &'a str,
}

impl Addition<'_> {
    fn edit(&self, span: Span, text: String) -> Edit {
        Edit { path: self.file.path.clone(), span, text }
    }

    fn insertion(&self, at: usize, text: String) -> Edit {
        self.edit(at..at, text)
    }

    /// The start of a line, and its text before a place.
    fn before(&self, at: usize) -> Option<(usize, &str)> {
        let start = line_around(&self.file.text, at).start;
        Some((start, std::str::from_utf8(self.file.text.get(start..at)?).ok()?))
    }

    /// The new list, after the line before it.
    fn list(&self, indent: &str) -> String {
        let Self { key, item, .. } = self;
        format!("\n{indent}{key}:\n{indent}  - {item}")
    }

    fn to_list(&self, first: &Span) -> Option<Edit> {
        let (build, item) = (&self.build.span, self.item);
        // An alias has its items elsewhere, for others as well.
        let is_own = build.start <= first.start && first.end <= build.end;
        let (start, before) = self.before(first.start).filter(|_| is_own)?;
        match before.trim() {
            "-" => Some(self.insertion(start, format!("{before}{item}\n"))),
            list if list.ends_with('[') => Some(self.insertion(first.start, format!("{item}, "))),
            _ => None,
        }
    }

    fn to_flow_map(&self) -> Edit {
        let Self { key, item, .. } = self;
        let at = self.build.span.start + 1;
        let has_gap = self.file.text.get(at).is_some_and(u8::is_ascii_whitespace);
        let text =
            if has_gap { format!(" {key}: [{item}],") } else { format!("{key}: [{item}], ") };
        self.insertion(at, text)
    }

    fn to_short_form(&self) -> Option<Vec<Edit>> {
        let Span { start, end } = self.build.span;
        let (line, before) = self.before(start)?;
        let written = self.file.text.get(start..end)?;
        let is_plain = !written.starts_with(b"*") && !written.contains(&b'\n');
        let key = before.trim_end();
        let indent = key.strip_suffix("build:").filter(|indent| indent.trim().is_empty())?;
        let indent = format!("{indent}  ");
        is_plain.then(|| {
            vec![
                self.edit(line + key.len()..start, format!("\n{indent}context: ")),
                self.insertion(end, self.list(&indent)),
            ]
        })
    }

    fn to_block_map(&self) -> Option<Edit> {
        let at = self.build.span.start;
        let (_, indent) = self.before(at)?;
        if indent.is_empty() || !indent.bytes().all(|byte| byte == b' ') {
            return None;
        }
        if let Some(end) = self.end_of_paths(indent) {
            return Some(self.insertion(end, self.list(indent)));
        }
        // Before the first entry, which a merge key may be.
        let Self { key, item, .. } = self;
        Some(self.insertion(at, format!("{key}:\n{indent}  - {item}\n{indent}")))
    }

    /// The end of the line with the Dockerfile, or else of that with the context.
    fn end_of_paths(&self, indent: &str) -> Option<usize> {
        let (build, text) = (self.build, &self.file.text);
        let entries = [("dockerfile:", &build.dockerfile), ("context:", &build.context)];
        entries.iter().find_map(|(name, scalar)| {
            let span = &scalar.as_ref()?.span;
            let line = line_around(text, span.start);
            let entry = text.get(line.clone())?.strip_prefix(indent.as_bytes())?;
            // The value may be an alias, or continue in the next line.
            let is_here = entry.starts_with(name.as_bytes())
                && build.span.start <= span.start
                && span.end <= line.end;
            let is_plain = !entry.get(name.len()..)?.trim_ascii_start().starts_with(b"*");
            (is_here && is_plain).then_some(line.end)
        })
    }
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
