//! Finds the commits that made pins disagree.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use crate::base::change::{Commit, ObjectId};
use crate::base::error::Error;
use crate::engine::{may_pin, older_files};
use crate::git::TreeChanges;
use crate::git::history::{Commits, Tip};
use crate::git::objects::Objects;
use crate::pins::{self, PinTable, Statement};
use crate::project::Project;

/// The pins of a commit.
#[derive(Clone)]
struct PinState {
    project: Project,
    /// The pins of these files. The places may be those of a newer version.
    table: Rc<PinTable>,
    /// The statements of the tip that hold here, by their numbers.
    held: BTreeMap<usize, Statement>,
}

/// A commit that made statements, its state, and those statements.
type MadePins = (ObjectId, PinState, BTreeMap<usize, Statement>);

/// Splits the new statements of a tip by the commits that made them: each holds there and in no
/// parent, and from there to the tip. One that came from a commit that is not judged is left out;
/// one of a tip that is not judged itself is new to its ref, and is reported for the tip.
pub(super) fn of_new_pins(
    table: PinTable,
    tip: &Tip,
    commits: &Commits,
    objects: &Objects,
) -> Result<Vec<(PinTable, Commit)>, Error> {
    // Of equal statements, those that are not new are found first in older states.
    let new = table.new.clone();
    let known = table.about_new_files();
    let known: Vec<Statement> = known.difference(&new).copied().collect();
    let open = known.len()..known.len() + new.len();
    let held = known.into_iter().chain(new).enumerate().collect();
    let state = PinState { project: table.project.clone(), table: Rc::new(table), held };
    if !commits.nodes.iter().any(|node| node.id == tip.commit) {
        let mut new = state.held.clone();
        new.retain(|number, _| open.contains(number));
        return Ok(vec![state.part(tip.commit, &new, objects)]);
    }
    let (made, mut came) = walk((tip.commit, state), &open, commits, objects)?;
    let mut parts = Vec::new();
    for (id, state, mut left) in made {
        // What several commits made is reported for the newest.
        left.retain(|number, _| came.insert(*number));
        if !left.is_empty() {
            parts.push(state.part(id, &left, objects));
        }
    }
    Ok(parts)
}

/// The commits that made statements, newest first, each with its state and those statements; and
/// the numbers of the statements that came from commits that are not judged. `open` are the
/// numbers of the new statements.
fn walk(
    (tip, state): (ObjectId, PinState),
    open: &Range<usize>,
    commits: &Commits,
    objects: &Objects,
) -> Result<(Vec<MadePins>, BTreeSet<usize>), Error> {
    let judged: HashSet<&ObjectId> = commits.nodes.iter().map(|node| &node.id).collect();
    let mut reached = HashMap::from([(tip, state)]);
    let (mut made, mut came) = (Vec::new(), BTreeSet::new());
    // Children come first.
    for node in commits.nodes.iter().rev() {
        let Some(here) = reached.remove(&node.id) else { continue };
        let mut left = here.held.clone();
        for (id, tree) in node.parent_ids.iter().zip(&node.parents) {
            let before = here.before(&node.tree, tree, objects)?;
            left.retain(|number, _| !before.held.contains_key(number));
            if !judged.contains(id) {
                came.extend(before.held.into_keys());
            } else if before.held.range(open.clone()).next().is_some() {
                match reached.get_mut(id) {
                    Some(known) => known.held.extend(before.held),
                    None => _ = reached.insert(*id, before),
                }
            }
        }
        left.retain(|number, _| open.contains(number));
        if !left.is_empty() {
            made.push((node.id, here, left));
        }
        if reached.is_empty() {
            break;
        }
    }
    Ok((made, came))
}

impl PinState {
    /// The state of a parent.
    fn before(&self, tree: &ObjectId, parent: &ObjectId, objects: &Objects) -> Result<Self, Error> {
        let changes = TreeChanges::new(objects);
        let differences = changes.differences(tree, parent, &may_pin)?;
        if differences.is_empty() {
            return Ok(self.clone());
        }
        let project = older_files(&self.project, &differences, &changes.unchanged(*parent));
        let file = |project: &Project, path: &[u8]| {
            project.number(path).map(|number| Rc::clone(&project.files()[number]))
        };
        let is_same = |path: &[u8]| match (file(&self.project, path), file(&project, path)) {
            (Some(new), Some(old)) => pins::is_same(&new, &old),
            (new, old) => new.is_none() && old.is_none(),
        };
        if differences.iter().all(|older| is_same(older.path.as_bytes())) {
            return Ok(Self { project, ..self.clone() });
        }
        let table = PinTable::new(project.clone());
        let wanted: Vec<Statement> = self.held.values().copied().collect();
        let found = self.table.find_in(&table, &wanted);
        let held =
            self.held.iter().filter_map(|(number, known)| Some((*number, *found.get(known)?)));
        Ok(Self { project, held: held.collect(), table: Rc::new(table) })
    }

    /// The table of this commit, in which these statements are new.
    fn part(
        &self,
        id: ObjectId,
        statements: &BTreeMap<usize, Statement>,
        objects: &Objects,
    ) -> (PinTable, Commit) {
        let mut table = PinTable::new(self.project.clone());
        let all: Vec<Statement> = self.table.statements().collect();
        let here = self.table.find_in(&table, &all);
        table.new = statements.values().filter_map(|known| here.get(known).copied()).collect();
        (table, Commit { id, subject: objects.subject(&id) })
    }
}
