//! Which statements of a table are new: an older table does not have them in the same way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::base::change::File;
use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::pins::agreement::{PinId, PinTable, Relation, Row, Statement, is_for_others};
use crate::pins::pin::{Demand, Fault, Manager, PinKind, Strictness};
use crate::project::directories::is_below;
use crate::project::kinds::FileKind;

impl PinTable {
    /// The new rows.
    pub(crate) fn new_rows(&self) -> impl Iterator<Item = &Row> {
        self.new.iter().filter_map(|statement| match statement {
            Statement::Row(row) => Some(&self.rows[*row]),
            Statement::Fault(..) => None,
        })
    }

    /// The new faults.
    pub(crate) fn new_faults(&self) -> impl Iterator<Item = (&File, &Span, &Fault)> {
        self.new.iter().filter_map(|statement| match *statement {
            Statement::Fault(file, fault) => {
                let (span, fault) = &self.file_pins[file].faults[fault];
                Some((self.project.file(file), span, fault))
            }
            Statement::Row(_) => None,
        })
    }

    /// The statements about new files: the pin of a row, or its reference, is in one, or a manifest
    /// that the pin may have been for. Older drift does not block a change that leaves all alone.
    pub(crate) fn about_new_files(&self) -> BTreeSet<Statement> {
        let is_fresh = |id: PinId| self.file(id).fresh;
        let files = self.project.files().iter().map(|source| &source.file);
        let manifests: Vec<&[u8]> = files
            .filter(|file| file.fresh && FileKind::Manifest.matches(&file.path))
            .map(|file| file.path.parent())
            .collect();
        let may_be_for_new = |id: PinId| {
            let pin = self.pin(id);
            is_for_others(pin) && manifests.iter().any(|new| is_below(new, &pin.directory))
        };
        let is_new = |statement: &Statement| match *statement {
            Statement::Row(row) => {
                let row = &self.rows[row];
                is_fresh(row.id)
                    || self.reference(row).is_some_and(is_fresh)
                    || may_be_for_new(row.id)
            }
            Statement::Fault(file, _) => self.project.file(file).fresh,
        };
        self.statements().filter(is_new).collect()
    }

    /// Leaves only those statements new that an older table does not have.
    pub(crate) fn retain_new_since(&mut self, older: &Self) {
        let edits = Edits { new: self, older, known: HashMap::new() };
        let found = self.find_in(older, &edits.last(&self.new));
        self.new.retain(|statement| !found.contains_key(statement));
    }

    /// The same statements of an older table. Of equal ones, the first in the list are found first.
    pub(crate) fn find_in(
        &self,
        older: &Self,
        wanted: &[Statement],
    ) -> BTreeMap<Statement, Statement> {
        let mut known: HashMap<StatementKey<'_>, Vec<Statement>> = HashMap::new();
        // The last of a list is found first.
        for statement in older.statements().collect::<Vec<_>>().into_iter().rev() {
            known.entry(older.key(statement, self)).or_default().push(statement);
        }
        let mut found = BTreeMap::new();
        for statement in wanted {
            if !found.contains_key(statement)
                && let Some(same) = known.get_mut(&self.key(*statement, older))
                && let Some(same) = same.pop()
            {
                found.insert(*statement, same);
            }
        }
        found
    }

    /// The statements that a rule may report, new or not.
    pub(crate) fn statements(&self) -> impl Iterator<Item = Statement> {
        let is_reported = |row: &Row| {
            matches!(row.relation, Relation::Differs | Relation::Floats) || self.is_bypass(row)
        };
        let rows = (0..self.rows.len()).filter(move |row| is_reported(&self.rows[*row]));
        // Without a corepack command, such a project does not use corepack.
        let has_corepack = self.file_pins.iter().any(|file| file.uses_corepack);
        let is_fault = move |fault: &Fault| has_corepack || !matches!(fault, Fault::Foreign(_));
        let faults = self.file_pins.iter().enumerate().flat_map(move |(file, found)| {
            let numbers = found.faults.iter().enumerate().filter(move |(_, (_, it))| is_fault(it));
            numbers.map(move |(fault, _)| Statement::Fault(file, fault))
        });
        rows.map(Statement::Row).chain(faults)
    }

    /// The statement without its place. A path that the other table does not have is left out: the
    /// file may be renamed.
    fn key(&self, statement: Statement, other: &Self) -> StatementKey<'_> {
        let path = |file: usize| {
            let path = &self.project.file(file).path;
            other.project.number(path.as_bytes()).map(|_| path)
        };
        let side = |id: PinId, has_version: bool| {
            let pin = self.pin(id);
            let hash = (pin.strictness == Strictness::Text).then_some(&*pin.hash);
            let version = has_version.then_some((&pin.demand, hash));
            PinKey { path: path(id.file), kind: pin.kind, manager: pin.manager, version }
        };
        match statement {
            Statement::Row(row) => {
                let row = &self.rows[row];
                let (reference, differs) = (self.reference(row), row.relation == Relation::Differs);
                // What floats, or is another package manager, does not depend on the version.
                let is_about_version = differs
                    && reference.is_some_and(|reference| {
                        self.pin(reference).manager == self.pin(row.id).manager
                    });
                let pin = side(row.id, row.relation != Relation::Agrees);
                StatementKey::Row(row.relation, pin, reference.map(|id| side(id, is_about_version)))
            }
            Statement::Fault(file, fault) => {
                let (span, fault) = &self.file_pins[file].faults[fault];
                StatementKey::Fault(
                    path(file),
                    fault,
                    self.project.file(file).text.get(span.clone()),
                )
            }
        }
    }
}

/// What must be equal in two equal statements.
#[derive(Debug, PartialEq, Eq, Hash)]
enum StatementKey<'t> {
    Row(Relation, PinKey<'t>, Option<PinKey<'t>>),
    Fault(Option<&'t RepoPath>, &'t Fault, Option<&'t [u8]>),
}

/// A pin of a relation.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PinKey<'t> {
    path: Option<&'t RepoPath>,
    kind: PinKind,
    manager: Manager,
    /// With the hash, if that is compared.
    version: Option<(&'t Demand, Option<&'t str>)>,
}

/// The edits between two tables: of each file, the part between the first and the last difference.
struct Edits<'t> {
    new: &'t PinTable,
    older: &'t PinTable,
    known: HashMap<usize, Span>,
}

impl Edits<'_> {
    /// The statements, those at an edited place last: of two equal ones, the added one is new.
    fn last(mut self, statements: &BTreeSet<Statement>) -> Vec<Statement> {
        let mut sorted: Vec<Statement> = statements.iter().copied().collect();
        sorted.sort_by_cached_key(|statement| self.is_edited(*statement));
        sorted
    }

    fn is_edited(&mut self, statement: Statement) -> bool {
        let (file, place) = match statement {
            Statement::Row(row) => {
                let id = self.new.rows[row].id;
                (id.file, &self.new.pin(id).at)
            }
            Statement::Fault(file, fault) => (file, &self.new.file_pins[file].faults[fault].0),
        };
        let edit = self.known.entry(file).or_insert_with(|| {
            let new = self.new.project.file(file);
            let older = self.older.project.number(new.path.as_bytes());
            edit(older.map_or(&[], |older| &self.older.project.file(older).text), &new.text)
        });
        place.start < edit.end && edit.start < place.end
    }
}

/// The part of a new text that an edit of the old one replaced.
fn edit(old: &[u8], new: &[u8]) -> Span {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, rest) = (&old[start..], &new[start..]);
    let same = old.iter().rev().zip(rest.iter().rev()).take_while(|(old, new)| old == new);
    start..new.len() - same.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_the_part_between_the_first_and_the_last_difference() {
        for (old, new, expected) in [
            ("abc", "abc", 3..3),
            ("abc", "aXc", 1..2),
            ("abc", "abXc", 2..3),
            ("abc", "ac", 1..1),
            ("", "abc", 0..3),
            ("aa", "aaa", 2..3),
            ("abab", "ab", 2..2),
        ] {
            assert_eq!(edit(old.as_bytes(), new.as_bytes()), expected, "{old} {new}");
        }
    }

    fn table(files: &[(&str, &str)]) -> PinTable {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).into(),
            text: (*text).into(),
            fresh: true,
            replaces: false,
        };
        PinTable::new(files.iter().map(file).collect())
    }

    /// The numbers of statements about new files, and of those that are new since another table.
    fn counts(new: &[(&str, &str)], older: &[(&str, &str)]) -> (usize, usize) {
        let mut new = table(new);
        let all = new.new.len();
        new.retain_new_since(&table(older));
        (all, new.new.len())
    }

    #[test]
    fn a_relation_is_new_if_its_way_to_differ_is() {
        let manifest = |version| format!(r#"{{"packageManager": "pnpm@{version}"}}"#);
        let (six, eight) = (manifest("10.6.5"), manifest("10.8.0"));
        for (image, expected) in [
            // A version that is left, and others that do not depend on it.
            ("RUN npm i -g pnpm@9.15.0", 1),
            ("RUN npm i -g pnpm", 0),
            ("RUN npm i -g yarn@1.22.22", 0),
        ] {
            let files = |manifest| [("package.json", manifest), ("Dockerfile", image)];
            assert_eq!(counts(&files(&eight), &files(&six)), (1, expected), "{image}");
            let renamed = [("package.json", &*six), ("web.Dockerfile", image)];
            assert_eq!(counts(&renamed, &files(&six)), (1, 0), "{image}");
        }
        // Corepack does not run another package manager, but is not used at first.
        let bun = [("package.json", r#"{"packageManager": "bun@1.2.0"}"#)];
        let used = [bun[0], ("Dockerfile", "FROM node:22\nRUN corepack enable")];
        assert_eq!((counts(&used, &bun), counts(&used, &used)), ((1, 1), (1, 0)));
    }
}
