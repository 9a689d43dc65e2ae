//! Reads the files that the rules about pins need, and no others.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::change::{Change, Content, Entry, File, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::engine::gathering::{Gathering, LIMIT};
use crate::pins::{self, PinTable};
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};
use crate::rule::{Check, Findings, Rule};

/// The pins of a change, and those that they are compared with; `None` if no new file changes a
/// pin. Then only new files are read, and the old versions of those that pin. The flag says that
/// the table has the pins of every manifest.
pub(super) fn pin_table(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    findings: &mut Findings,
) -> Result<Option<(PinTable, bool)>, Error> {
    let mut new = files.fresh(FileKind::may_move_a_pin, findings)?;
    let is_relevant = |known: &SourceFile| !pins::pins_of_file(known).is_irrelevant();
    let is_manifest = |entry: &Entry| FileKind::Manifest.matches(&entry.path);
    if !new.iter().any(|(_, known)| is_relevant(known)) {
        return Ok(None);
    }
    new.retain(|(entry, known)| {
        (is_relevant(known) || is_manifest(entry)) && has_changed(known, entry, change)
    });
    if !new.iter().any(|(_, known)| is_relevant(known)) {
        return Ok(None);
    }
    // A manifest whose pins changed may affect every other manifest.
    let moves = new.iter().any(|(entry, _)| is_manifest(entry));
    all_pins(files, moves, findings).map(|table| Some((table, moves)))
}

/// Whether the pins of a file changed. They count as changed if the old file cannot be read: it may
/// be missing from a partial clone whose new files are all there.
fn has_changed(known: &SourceFile, entry: &Entry, change: &dyn Change) -> bool {
    let Some(id) = entry.replaces else { return true };
    let before = Entry { id, fresh: false, replaces: None, ..entry.clone() };
    old_file(&before, change).is_none_or(|before| !pins::is_same(known, &before))
}

/// The file of an older state; `None` if it cannot be read.
pub(super) fn old_file(entry: &Entry, change: &dyn Change) -> Option<SourceFile> {
    let Ok(Content::Bytes(text)) = change.read(entry, LIMIT) else { return None };
    let path = entry.path.clone();
    Some(SourceFile::new(File { path, text, fresh: false, replaces: false }))
}

/// The files of an older state, from those of a newer one and the differences. A file that cannot
/// be read is left out: then its pins count as new.
pub(crate) fn older_files(
    project: &Project,
    differences: &[Older],
    change: &dyn Change,
) -> Project {
    let paths: BTreeSet<&[u8]> = differences.iter().map(|older| older.path.as_bytes()).collect();
    let is_kept = |known: &&Rc<SourceFile>| !paths.contains(known.file.path.as_bytes());
    let mut entries: Vec<Entry> =
        differences.iter().filter_map(|older| older.entry.clone()).collect();
    entries.retain(Entry::is_regular);
    pins::select(&mut entries, true);
    let old = entries.iter().filter_map(|entry| old_file(entry, change)).map(Rc::new);
    project.files().iter().filter(is_kept).cloned().chain(old).collect()
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

/// Leaves only those statements of a table of all pins new that no state before the change has.
pub(super) fn retain_new(table: &mut PinTable, change: &dyn Change) -> Result<(), Error> {
    for differences in change.before(&may_pin)? {
        let older = older_files(&table.project, &differences, change);
        table.retain_new_since(&PinTable::new(older));
    }
    Ok(())
}

/// Whether a file of this path may pin.
pub(crate) fn may_pin(path: &RepoPath) -> bool {
    FileKind::of(path, FileKind::may_pin).is_some()
}

pub(super) fn compares_pins(rule: &Rule) -> bool {
    matches!(rule.check, Check::Pins(_))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::engine::tests::{Fake, judged_with, messages};

    const OLD: &str = r#"{"packageManager": "pnpm@10.6.5"}"#;

    fn change(new: &str) -> Fake {
        Fake::default()
            .old("Dockerfile", "RUN npm i -g pnpm@9.15.0")
            .old("web/package.json", "{}")
            .edited("package.json", OLD, new)
    }

    #[test]
    fn no_other_file_is_read_if_the_pins_of_the_new_ones_are_as_before() {
        let author = change(r#"{"author": "A", "packageManager": "pnpm@10.6.5"}"#);
        assert_eq!(messages(&judged_with(&Config::default(), &author).findings), [""; 0]);
        assert_eq!(*author.read.borrow(), ["package.json", "package.json"]);
        let moved = change(r#"{"packageManager": "pnpm@10.8.0"}"#);
        assert_eq!(
            messages(&judged_with(&Config::default(), &moved).findings),
            ["Dockerfile:1:19: pnpm 9.15.0 is installed here, but package.json pins pnpm 10.8.0"]
        );
    }

    #[test]
    fn the_old_side_costs_the_old_versions_of_new_files() {
        let other = change(r#"{"packageManager": "pnpm@10.6.5", "engines": {"pnpm": ">=10"}}"#);
        assert_eq!(messages(&judged_with(&Config::default(), &other).findings), [""; 0]);
        let read = ["package.json", "package.json", "Dockerfile", "web/package.json"];
        assert_eq!(*other.read.borrow(), [&read[..], &["package.json"]].concat());
    }
}
