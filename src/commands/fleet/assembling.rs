//! Puts the answers of the repositories together: the columns and rows of the table.

use jiff::Timestamp;

use crate::base::path::{RepoPath, shell_quote};
use crate::commands::fleet::asked::{FleetClone, FleetQuestion, KnownTemplate};
use crate::commands::fleet::judged::{COLUMNS, FleetAnswer};
use crate::fleet::drift::{Committed, compare};
use crate::fleet::times::{self, Times};
use crate::fleet::{Cell, CellState};
use crate::report::fleet::{Column, ColumnGroup, FleetRow, FleetTable, GATES, RowFailure};

/// The table.
pub(super) fn table(
    asked: &FleetQuestion,
    answers: Vec<Result<FleetAnswer, RowFailure>>,
    deny_warnings: bool,
    now: Timestamp,
) -> FleetTable {
    let names: Vec<&str> = asked.places.iter().map(|place| &*place.name).collect();
    let row = |(place, answer): (&FleetClone, Result<FleetAnswer, RowFailure>)| {
        // Two clones with one name are told apart by their paths.
        let is_unique = names.iter().filter(|name| **name == place.name).count() == 1;
        let path = RepoPath::from(place.path.as_path());
        let name = if is_unique { RepoPath::from(&*place.name) } else { path.clone() };
        let cells = answer.map(|judged| cells(asked, place, judged, now));
        FleetRow { name, path, cells }
    };
    let rows = asked.places.iter().zip(answers).map(row).collect();
    FleetTable { columns: columns(&asked.templates), rows, deny_warnings }
}

fn columns(templates: &[KnownTemplate]) -> Vec<Column> {
    let column = |group: ColumnGroup| {
        move |id: &str| Column { id: id.to_owned(), title: id.to_owned(), group }
    };
    let title = |template: &KnownTemplate| {
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let name = last(&template.path);
        let same = templates.iter().filter(|one| last(&one.path) == name).count();
        if same == 1 { name } else { template.path.clone() }
    };
    let of_templates = templates.iter().map(|template| Column {
        id: template.path.clone(),
        title: RepoPath::from(&*title(template)).to_string(),
        group: ColumnGroup::Template,
    });
    let state = COLUMNS.iter().copied().map(column(ColumnGroup::State));
    let times = ["cold", "warm"].into_iter().map(column(ColumnGroup::Time));
    let gates = GATES.into_iter().map(|(id, _)| id).map(column(ColumnGroup::Gate));
    state.chain(of_templates).chain(times).chain(gates).collect()
}

/// The cells of a repository, in the order of [`columns`].
fn cells(
    asked: &FleetQuestion,
    place: &FleetClone,
    judged: FleetAnswer,
    now: Timestamp,
) -> Vec<Cell> {
    let directory = place.argument();
    let complete = |cell: Cell| Cell {
        command: cell.command.map(|arguments| format!("bakstop -C {directory} {arguments}")),
        ..cell
    };
    let drift = drift(asked, place, judged.files.as_deref());
    let Times { cold, warm, fast, unchanged, filled } = match &asked.runs {
        Some(runs) => {
            let surfaces = judged.surfaces.iter().cloned().collect();
            let without = |surface: &str| place.without.contains(surface);
            times::of(&place.name, runs, &surfaces, without, now)
        }
        None => {
            let open = Cell::open;
            Times { cold: open(), warm: open(), fast: open(), unchanged: open(), filled: open() }
        }
    };
    // A clean tree proves nothing if no build ran.
    let clean = match judged.cells[2].state {
        CellState::Good => unchanged,
        CellState::Bad => Cell::new(CellState::Bad, "no"),
        CellState::Warning | CellState::Unknown | CellState::Open => Cell::open(),
    };
    let decided = match asked.is_decided {
        Some(true) => Cell::good("yes"),
        Some(false) => Cell::open().detail("the document of the decision is missing"),
        None => Cell::open(),
    };
    let blocks = judged.blocks.unwrap_or_else(Cell::open);
    let gates = [Cell::open(), fast, clean, complete(blocks), Cell::open(), filled, decided];
    let state = judged.cells.into_iter().map(complete);
    state.chain(drift).chain([cold, warm]).chain(gates).collect()
}

/// The cells about templates.
fn drift(asked: &FleetQuestion, place: &FleetClone, files: Option<&[Committed]>) -> Vec<Cell> {
    let cell = |(number, template): (usize, &KnownTemplate)| {
        if place.without_templates.contains(&template.path) {
            return Cell::new(CellState::Open, "n/a");
        }
        let Some(found) = files.and_then(|files| files.get(number)) else { return Cell::open() };
        let drift = compare(&template.history, &template.may_differ, found);
        let cell = drift.cell(&template.history, found);
        match (cell.state, found) {
            (CellState::Bad, Committed::File { .. }) => {
                let quoted = |path: &std::path::Path| {
                    shell_quote(path.as_os_str().as_encoded_bytes()).into_owned()
                };
                let (canonical, copy) = (&template.canonical, place.path.join(&template.path));
                let command =
                    format!("git diff --no-index -- {} {}", quoted(canonical), quoted(&copy));
                cell.command(command)
            }
            _ => cell,
        }
    };
    asked.templates.iter().enumerate().map(cell).collect()
}
