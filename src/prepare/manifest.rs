//! Edits of a `package.json`: specs and overrides, span by span. Everything else is kept to the
//! byte.

use crate::base::finding::LineIndex;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::prepare::members::{Added, Edits};
use crate::restore::is_same;

/// The fields with specs that are installed, also in an image.
pub(super) const SECTIONS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// The changes of a manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// The new specs, by the names of the dependencies.
    pub specs: Vec<(String, String)>,
    /// Dependencies to add, by the fields with specs.
    pub added: Vec<(&'static str, Vec<(String, String)>)>,
    /// Overrides to set, in the object with these keys.
    pub overrides: Option<(&'static [&'static str], Vec<(String, String)>)>,
    /// Overrides to change where the object with these keys has them.
    pub replaced: Vec<(&'static [&'static str], Vec<(String, String)>)>,
}

/// Parses a manifest, as strictly as package managers do. The error is the cause, which may quote
/// the file.
pub(super) fn parse(text: &[u8]) -> Result<Node, String> {
    let root = formats::parse(Syntax::Json, text).map_err(|error| {
        let (line, _) = LineIndex::new(text).locate(error.span.start.min(text.len()));
        format!("{}, in line {line}", error.message)
    })?;
    match root.value {
        Value::Map(_) => Ok(root),
        _ => Err("it is not an object".to_owned()),
    }
}

/// The manifest with these changes; the error is the cause.
pub(super) fn changed(text: &[u8], root: &Node, changes: &Changes) -> Result<Vec<u8>, String> {
    let mut expected = root.clone();
    let mut edits = Edits::new(text, root);
    for section in SECTIONS {
        for object in all_mut(&mut expected, section) {
            set(&mut edits, object, &changes.specs);
        }
    }
    for (keys, overrides) in &changes.replaced {
        if let Some(object) = keys.iter().try_fold(&mut expected, |node, key| last_mut(node, key)) {
            set(&mut edits, object, overrides);
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
fn set(edits: &mut Edits<'_>, object: &mut Node, values: &[(String, String)]) {
    for (name, value) in values {
        for node in all_mut(object, name).filter(|node| node.text().is_some()) {
            edits.set(node, value);
        }
    }
}

/// Sets the members of the object with these keys, and adds those that it lacks. Returns what is to
/// be added to the root, for want of an object.
fn append(
    edits: &mut Edits<'_>,
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
