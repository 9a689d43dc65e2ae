//! The answer of the process that judges one repository.

use serde_json::{Value, json};

use crate::base::escape::{from_hex, to_hex};
use crate::fleet::Cell;
use crate::fleet::drift::Committed;

/// What is known about a repository that could be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FleetAnswer {
    /// The cells of [`COLUMNS`], in their order.
    pub cells: Vec<Cell>,
    /// Gate C4, if it was asked for.
    pub blocks: Option<Cell>,
    /// The directories of its Dockerfiles, `.` for the top.
    pub surfaces: Vec<String>,
    /// What HEAD has at each path that was asked for; `None` without a commit.
    pub files: Option<Vec<Committed>>,
}

/// The columns about a repository alone. Gate C3 needs the third.
pub(super) const COLUMNS: [&str; 8] =
    ["branch", "rules", "tree", "hook", "pins", "prep", "lockfile", "docker"];

impl FleetAnswer {
    pub(super) fn json(&self) -> Value {
        json!({
            "cells": self.cells.iter().map(Cell::json).collect::<Vec<_>>(),
            "blocks": self.blocks.as_ref().map(Cell::json),
            "surfaces": self.surfaces,
            "files": self.files.as_ref().map(|files| files.iter().map(file).collect::<Vec<_>>()),
        })
    }

    /// An answer to a question about this number of files; `None` for anything else.
    pub(super) fn parse(value: &Value, files: usize) -> Option<Self> {
        let cells: Option<Vec<Cell>> = value["cells"].as_array()?.iter().map(Cell::parse).collect();
        let surfaces = value["surfaces"].as_array()?.iter();
        let surfaces: Option<_> = surfaces.map(|name| Some(name.as_str()?.to_owned())).collect();
        let blocks = match &value["blocks"] {
            Value::Null => None,
            cell => Some(Cell::parse(cell)?),
        };
        let listed: Option<Vec<Committed>> = match &value["files"] {
            Value::Null => None,
            list => Some(list.as_array()?.iter().map(parse_file).collect::<Option<_>>()?),
        };
        let is_whole = listed.as_ref().is_none_or(|listed| listed.len() == files);
        Some(Self { cells: cells?, blocks, surfaces: surfaces?, files: listed })
            .filter(|judged| is_whole && judged.cells.len() == COLUMNS.len())
    }
}

/// The names of what is no file.
const NO_FILES: [(&str, Committed); 3] = [
    ("missing", Committed::Missing),
    ("irregular", Committed::Irregular),
    ("too large", Committed::TooLarge),
];

fn file(file: &Committed) -> Value {
    match file {
        Committed::File { mode, text } => json!({ "mode": mode, "text": to_hex(text) }),
        other => NO_FILES.iter().find(|(_, known)| known == other).map_or("", |one| one.0).into(),
    }
}

fn parse_file(value: &Value) -> Option<Committed> {
    if let Some(name) = value.as_str() {
        return NO_FILES.into_iter().find(|(known, _)| *known == name).map(|(_, file)| file);
    }
    let mode = value["mode"].as_u64()?.try_into().ok()?;
    Some(Committed::File { mode, text: from_hex(value["text"].as_str()?.as_bytes())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let text = b"a\xff\n".to_vec();
        let files = vec![
            Committed::File { mode: 0o100_755, text },
            Committed::Missing,
            Committed::Irregular,
            Committed::TooLarge,
        ];
        let judged = FleetAnswer {
            cells: vec![Cell::open(); COLUMNS.len()],
            blocks: Some(Cell::good("yes")),
            surfaces: vec![".".into(), "web".into()],
            files: Some(files),
        };
        let text = judged.json().to_string();
        let value = serde_json::from_str(&text).unwrap();
        assert_eq!(FleetAnswer::parse(&value, 4), Some(judged.clone()));
        assert_eq!(FleetAnswer::parse(&value, 3), None, "another number of files");
        let unborn = FleetAnswer { blocks: None, files: None, ..judged };
        assert_eq!(FleetAnswer::parse(&unborn.json(), 4), Some(unborn.clone()));
        let short = FleetAnswer { cells: Vec::new(), ..unborn };
        assert_eq!(FleetAnswer::parse(&short.json(), 4), None);
        assert_eq!(FleetAnswer::parse(&json!({}), 0), None);
    }
}
