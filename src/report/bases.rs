//! The base images of `doctor --bases`: a table as text, and `bakstop.bases/1` as JSON.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::base::escape::Escaped;
use crate::base::finding::LineIndex;
use crate::builds::{BaseUse, Bases, Builds};
use crate::report::json;

/// The characters of a digest in the table: the algorithm and twelve digits.
const DIGEST: usize = "sha256:".len() + 12;

/// The table: a line for each use, with the image, the tag, the digest and the place.
pub(crate) fn human(builds: &Builds, uses: &[&BaseUse]) -> String {
    let lines: Vec<[String; 4]> = uses.iter().map(|base| cells(builds, base)).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].width()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for cells in &lines {
        for (cell, width) in cells.iter().zip(widths) {
            text += cell;
            text += &" ".repeat(width - cell.width() + 2);
        }
        text += &format!("{}\n", cells[3]);
    }
    text
}

fn cells(builds: &Builds, base: &BaseUse) -> [String; 4] {
    let shown = |text: &str| Escaped(text.as_bytes()).to_string();
    let (tag, digest) = match &base.version {
        Some(version) => (shown(&version.tag), version.digest.as_deref().unwrap_or("-")),
        None => ("?".to_owned(), "?"),
    };
    let digest: String = shown(digest).chars().take(DIGEST).collect();
    let (path, line) = place(builds, base.file, base.start);
    let variables = match base.variables.as_slice() {
        [] => String::new(),
        names => format!(" ({})", shown(&names.join(", "))),
    };
    [shown(&base.image), tag, digest, format!("{path}:{line}{variables}")]
}

/// The lines about images that are unknown.
pub(crate) fn unknown(builds: &Builds, bases: &Bases) -> Vec<String> {
    let line = |(file, start, word): &(usize, usize, String)| {
        let (path, line) = place(builds, *file, *start);
        format!("bakstop: not judged: {path}:{line}: {} is unknown", Escaped(word.as_bytes()))
    };
    bases.unknown.iter().map(line).collect()
}

/// The JSON document.
pub(crate) fn json(builds: Option<&Builds>, bases: &Bases, uses: &[&BaseUse]) -> String {
    let place = |file: usize, start: usize| {
        let builds = builds?;
        let (line, _) = LineIndex::new(&builds.file(file).text).locate(start);
        Some((json::path(&builds.file(file).path), line))
    };
    let base = |base: &&BaseUse| {
        let (path, line) = place(base.file, base.start)?;
        Some(json!({
            "image": base.image,
            "tag": base.version.as_ref().map(|version| &version.tag),
            "digest": base.version.as_ref().and_then(|version| version.digest.as_ref()),
            "path": path,
            "line": line,
            "variables": base.variables,
        }))
    };
    let unknown = |(file, start, word): &(usize, usize, String)| {
        let (path, line) = place(*file, *start)?;
        Some(json!({ "path": path, "line": line, "text": word }))
    };
    json::document(&json!({
        "schema": "bakstop.bases/1",
        "bases": uses.iter().filter_map(base).collect::<Vec<Value>>(),
        "not_judged": bases.unknown.iter().filter_map(unknown).collect::<Vec<Value>>(),
    }))
}

fn place(builds: &Builds, file: usize, start: usize) -> (String, usize) {
    let file = builds.file(file);
    let (line, _) = LineIndex::new(&file.text).locate(start);
    (file.path.to_string(), line)
}
