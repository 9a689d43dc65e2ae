//! Which files of a change are read for the rules that compare pins: the fewest that decide.

use crate::base::change::{Change, Content, Entry, File};
use crate::base::error::Error;
use crate::engine::gathering::{Gathering, LIMIT};
use crate::pins::{self, PinTable};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::Findings;

/// The pins of a change, and those that they are compared with; `None` if no new file has any. In
/// that case, only new files are read.
pub(super) fn pin_table(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    findings: &mut Findings,
) -> Result<Option<PinTable>, Error> {
    let new = files.fresh(FileKind::may_move_a_pin, findings)?;
    if new.iter().all(|(_, known)| pins::pins_of_file(known).is_irrelevant()) {
        return Ok(None);
    }
    // A manifest that pins something else than before may change what applies to the others.
    let mut manifests = new.iter().filter(|(entry, _)| FileKind::Manifest.matches(&entry.path));
    let moves = manifests.any(|(entry, known)| says_something_else(known, entry, change));
    all_pins(files, moves, findings).map(Some)
}

/// Whether a file pins something else than the file that was at its path before. A clone that lacks
/// objects may not have that one: then it is taken to pin the same, so that no further objects are
/// asked for that it lacks as well.
fn says_something_else(known: &SourceFile, entry: &Entry, change: &dyn Change) -> bool {
    let Some(id) = entry.replaces else { return true };
    let before = Entry { id, fresh: false, replaces: None, ..entry.clone() };
    match change.read(&before, LIMIT) {
        Ok(Content::Bytes(text)) => {
            let before =
                SourceFile::new(File { path: before.path, text, fresh: false, replaces: false });
            !pins::pins_of_file(known).is_equivalent(&pins::pins_of_file(&before))
        }
        Ok(Content::TooLarge(_)) => true,
        Err(_) => false,
    }
}

/// The pins of a change: of every manifest, or of those that apply to the rest.
pub(super) fn all_pins(
    files: &mut Gathering<'_>,
    every_manifest: bool,
    findings: &mut Findings,
) -> Result<PinTable, Error> {
    let select = |entries: &mut Vec<Entry>| pins::select(entries, every_manifest);
    files.project(FileKind::may_pin, select, findings).map(PinTable::new)
}
