//! Edits of a `package.json`: specs and overrides, span by span. Everything else is kept to the
//! byte.

use crate::formats::Syntax;
use crate::formats::document::{Node, Value};
use crate::prepare::members::{Added, ObjectEdits};
use crate::prepare::parse_map;
use crate::restore::is_same;

/// The fields with specs that are installed, also in an image.
pub(super) const SECTIONS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// Names with specs.
pub(super) type Entries = Vec<(String, String)>;

/// The keys that lead to an object.
pub(super) type Keys = &'static [&'static str];

/// The changes of a manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ManifestChanges {
    /// The new specs, by the names of the dependencies.
    pub specs: Entries,
    /// Dependencies to add, by the fields with specs.
    pub added: Vec<(&'static str, Entries)>,
    /// Overrides to set, in the object with these keys.
    pub overrides: Option<(Keys, Entries)>,
}

/// Parses a manifest, as strictly as package managers do. The error is the cause, which may quote
/// the file.
pub(super) fn parse(text: &[u8]) -> Result<Node, String> {
    parse_map(Syntax::Json, text, "an object")
}

/// The manifest with these changes; the error is the cause.
pub(super) fn changed(
    text: &[u8],
    root: &Node,
    changes: &ManifestChanges,
) -> Result<Vec<u8>, String> {
    let mut expected = root.clone();
    let mut edits = ObjectEdits::new(text, root);
    for section in SECTIONS {
        for object in all_mut(&mut expected, section) {
            set(&mut edits, object, &changes.specs);
        }
    }
    let mut missing = Vec::new();
    for (section, added) in &changes.added {
        missing.extend(append(&mut edits, &mut expected, &[section], added)?);
    }
    if let Some((keys, overrides)) = &changes.overrides {
        missing.extend(append(&mut edits, &mut expected, keys, overrides)?);
    }
    edits.append(&mut expected, &missing);
    let new = edits.apply().ok_or("its layout leaves the place of an edit uncertain")?;
    let read = parse(&new)?;
    if is_same((&expected, text), (&read, &new)) {
        Ok(new)
    } else {
        Err("more than the specs would change".to_owned())
    }
}

/// Sets the values of an object that are strings, each occurrence of a key.
fn set(edits: &mut ObjectEdits<'_>, object: &mut Node, values: &[(String, String)]) {
    for (name, value) in values {
        for node in all_mut(object, name).filter(|node| node.text().is_some()) {
            edits.set(node, value);
        }
    }
}

/// Sets the members of the object with these keys, and adds those that it lacks. Returns what is to
/// be added to the root, for want of an object.
fn append(
    edits: &mut ObjectEdits<'_>,
    root: &mut Node,
    keys: &[&str],
    entries: &[(String, String)],
) -> Result<Option<(String, Added)>, String> {
    let Some((key, inner)) = keys.split_first() else { return Ok(None) };
    if entries.is_empty() {
        return Ok(None);
    }
    let nested = |keys: &[&str]| {
        let wrap = |added, key: &&str| Added::Object(vec![((*key).to_owned(), added)]);
        keys.iter().rev().fold(Added::object(entries), wrap)
    };
    let Some(object) = last_mut(root, key) else {
        return Ok(Some(((*key).to_owned(), nested(inner))));
    };
    if !matches!(object.value, Value::Map(_)) {
        return Err(format!("its {key} is not an object"));
    }
    if !inner.is_empty() {
        if let Some(added) = append(edits, object, inner, entries)? {
            edits.append(object, &[added]);
        }
        return Ok(None);
    }
    let mut missing = Vec::new();
    for (name, value) in entries {
        match last_mut(object, name) {
            Some(node) => edits.set(node, value),
            None => missing.push((name.clone(), Added::Text(value.clone()))),
        }
    }
    edits.append(object, &missing);
    Ok(None)
}

fn all_mut<'n>(node: &'n mut Node, key: &str) -> impl Iterator<Item = &'n mut Node> {
    let entries = match &mut node.value {
        Value::Map(entries) => entries.as_mut_slice(),
        _ => &mut [],
    };
    entries.iter_mut().filter(move |(found, _)| found.text == key).map(|(_, node)| node)
}

fn last_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    all_mut(node, key).last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::change::File;
    use crate::base::debris::Debris;
    use crate::restore::undo::undo;
    use crate::restore::{self, Origin, Version};

    const DIR: &str = ".docker-deps";

    /// An object with a member on each line, indented by tabs.
    fn object(members: &[String], depth: usize) -> String {
        let line = |member: &String| format!("\n{}{member}", "\t".repeat(depth));
        let lines: Vec<String> = members.iter().map(line).collect();
        let end = if lines.is_empty() { "" } else { &format!("\n{}", "\t".repeat(depth - 1)) };
        format!("{{{}{end}}}", lines.join(","))
    }

    /// A field of a manifest, with entries whose values are of any kind if it has specs.
    fn field((key, entries): (&str, Vec<(&str, &str)>)) -> String {
        let is_of_overrides = ["pnpm", "overrides", "resolutions"].contains(&key);
        let depth = if key == "pnpm" { 3 } else { 2 };
        let entry = |(name, value): (&str, &str)| {
            let value = if is_of_overrides { "\"1\"" } else { value };
            format!("\"{name}\":~{value}")
        };
        let inner = object(&entries.into_iter().map(entry).collect::<Vec<_>>(), depth);
        match key {
            "version" => "\"version\":~1.0".to_owned(),
            "pnpm" => format!("\"pnpm\":~{}", object(&[format!("\"overrides\":~{inner}")], 2)),
            _ => format!("\"{key}\":~{inner}"),
        }
    }

    /// A manifest in one of its spellings.
    fn spelled() -> impl Strategy<Value = String> {
        let name = ["@acme/log", r"\u0040acme\/http", "@acme/cli", "@acme/other", "ms", "l"];
        let spec = [
            r#""^1.0.0""#,
            r#""workspace:*""#,
            r#""npm:@acme/log@*""#,
            r#""link:../x""#,
            r#""\u005e1""#,
            r#"{"x": "1"}"#,
            "1",
            "null",
        ];
        let key = [
            "dependencies",
            "devDependencies",
            "optionalDependencies",
            "peerDependencies",
            "pnpm",
            "overrides",
            "resolutions",
            "version",
        ];
        // The indentation, the end of a line, and the gap after a colon.
        let layout = [
            ("  ", "\n", " "),
            ("\t", "\r\n", " "),
            ("    ", "\n", ""),
            ("", "", ""),
            ("", " ", " "),
        ];
        let entry = (prop::sample::select(name.to_vec()), prop::sample::select(spec.to_vec()));
        let entries = prop::collection::vec(entry, 0..4);
        let fields = prop::collection::vec((prop::sample::select(key.to_vec()), entries), 0..5);
        let layout = prop::sample::select(layout.to_vec());
        let ends = (
            prop::sample::select(vec!["", "\u{feff}"]),
            prop::sample::select(vec!["", "\n", "\n\n"]),
        );
        (fields, layout, ends).prop_map(|(fields, (indent, line_end, gap), (mark, last))| {
            let text = object(&fields.into_iter().map(field).collect::<Vec<_>>(), 1);
            let text = text.replace('\n', "\u{1}").replace('\t', indent).replace('\u{1}', line_end);
            format!("{mark}{}{last}", text.replace('~', gap))
        })
    }

    /// What a person made of a prepared manifest.
    #[test]
    fn edits_of_a_prepared_manifest_are_kept() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/facts/prepared.json")).unwrap();
        let cases = facts["edited"].as_array().unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let text = |key: &str| case[key].as_str().unwrap().replace("DIR", DIR);
            let (before, edited) = (text("before"), text("edited"));
            let packed = ["@acme/cli", "@acme/config", "@acme/http", "@acme/log"];
            let spec = |name: &str| {
                let file = name.trim_start_matches('@').replace('/', "-");
                (name.to_owned(), format!("file:../{DIR}/{file}-1.0.0.tgz"))
            };
            let specs: Vec<_> = packed.into_iter().map(spec).collect();
            let overrides = Some((&["pnpm", "overrides"][..], specs.clone()));
            let changes = ManifestChanges { specs, overrides, ..ManifestChanges::default() };
            let root = parse(before.as_bytes()).unwrap();
            let new = changed(before.as_bytes(), &root, &changes).unwrap();
            let undone = undo(Syntax::Json, (before.as_bytes(), &new), edited.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(undone.text).unwrap(), text("restored"), "{case}");
            // Of these, only a spec of the person's own is named.
            let left: Vec<&str> = undone.left.iter().map(|left| &*left.reason).collect();
            let is_named = case["name"] == "spec-restored-by-hand";
            assert_eq!(left.len(), usize::from(is_named), "{left:?}");
            assert!(left.iter().all(|reason| reason.starts_with("dependencies > @acme/http: ")));
        }
    }

    proptest! {
        #[test]
        fn restoring_an_edit_gives_the_manifest(before in spelled()) {
            let packed = ["@acme/cli", "@acme/config", "@acme/http", "@acme/log"];
            let spec = |name: &str| (name.to_owned(), format!("file:../{DIR}/{name}.tgz"));
            let root = parse(before.as_bytes()).unwrap();
            let all: [&[&str]; 3] = [&["pnpm", "overrides"], &["overrides"], &["resolutions"]];
            for keys in all {
                let specs: Vec<_> = packed.into_iter().map(spec).collect();
                let overrides = Some((keys, specs.clone()));
                let changes = ManifestChanges { specs, overrides, ..ManifestChanges::default() };
                let Ok(text) = changed(before.as_bytes(), &root, &changes) else { continue };
                let shown = String::from_utf8_lossy(&text).into_owned();
                // By the journal of a preparation in place, which has both texts.
                let both = (before.as_bytes(), &*text);
                let undone = undo(Syntax::Json, both, &text).unwrap();
                let found = String::from_utf8(undone.text).unwrap();
                prop_assert_eq!((&found, undone.left.len()), (&before, 0), "{}", &shown);
                // In another layout: numbers are kept, and so are keys that occur twice.
                let spaced = |text: &str| text.replace(',', " ,\n\n ").replace('}', "\t}");
                let undone = undo(Syntax::Json, both, spaced(&shown).as_bytes()).unwrap();
                let (found, old) = (parse(&undone.text).unwrap(), spaced(&before));
                let wanted = parse(old.as_bytes()).unwrap();
                let is_same = is_same((&wanted, old.as_bytes()), (&found, &undone.text));
                prop_assert!(is_same, "{}", shown);
                let path = "backend/package.json".into();
                let file = File { path, text, fresh: true, replaces: true };
                let text = before.clone().into_bytes();
                let head = Version { origin: Origin::Head, text, verbatim: true };
                let restored = restore::manifest(&file, &[head], &Debris::default()).unwrap();
                let found = String::from_utf8(restored.text).unwrap();
                prop_assert_eq!((found, restored.left), (before.clone(), Vec::new()), "{}", shown);
            }
        }
    }
}
