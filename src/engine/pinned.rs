//! Reads the files that the rules about pins need, and no others.

use crate::base::change::{Change, Content, Entry, File};
use crate::base::error::Error;
use crate::engine::gathering::{Gathering, LIMIT};
use crate::pins::{self, PinTable};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::Findings;

/// The pins of a change, and those that they are compared with; `None` if no new file has pins.
/// Then only new files are read.
pub(super) fn pin_table(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    findings: &mut Findings,
) -> Result<Option<PinTable>, Error> {
    let new = files.fresh(FileKind::may_move_a_pin, findings)?;
    if new.iter().all(|(_, known)| pins::pins_of_file(known).is_irrelevant()) {
        return Ok(None);
    }
    // A manifest whose pins changed may affect every other manifest.
    let mut manifests = new.iter().filter(|(entry, _)| FileKind::Manifest.matches(&entry.path));
    let moves = manifests.any(|(entry, known)| has_changed(known, entry, change));
    all_pins(files, moves, findings).map(Some)
}

/// Whether the pins of a file changed. They count as changed if the old file cannot be read: it may
/// be missing from a partial clone whose new files are all there.
fn has_changed(known: &SourceFile, entry: &Entry, change: &dyn Change) -> bool {
    let Some(id) = entry.replaces else { return true };
    let before = Entry { id, fresh: false, replaces: None, ..entry.clone() };
    match change.read(&before, LIMIT) {
        Ok(Content::Bytes(text)) => {
            let before =
                SourceFile::new(File { path: before.path, text, fresh: false, replaces: false });
            !pins::pins_of_file(known).is_equivalent(&pins::pins_of_file(&before))
        }
        Ok(Content::TooLarge(_)) | Err(_) => true,
    }
}

/// All pins of a change, with every manifest or only with those that apply to other pins.
pub(super) fn all_pins(
    files: &mut Gathering<'_>,
    every_manifest: bool,
    findings: &mut Findings,
) -> Result<PinTable, Error> {
    let select = |entries: &mut Vec<Entry>| pins::select(entries, every_manifest);
    files.project(FileKind::may_pin, select, findings).map(PinTable::new)
}
