//! The pins of package managers: a table for a person, `bakstop.pins/1` for a program.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::escape::Escaped;
use crate::finding::{Finding, Place};
use crate::path::RepoPath;
use crate::pins::{Board, Demand, Pin, Project, Relation, Role, Row};
use crate::report::human::{View, plural};
use crate::report::{Report, human, json};
use crate::rules::OF_PINS;

/// The table, project by project, and what was found.
pub fn human(board: &Board, findings: &[Finding], view: View<'_>) -> String {
    if board.rows.is_empty() && findings.is_empty() {
        return "nothing here pins a package manager\n".to_owned();
    }
    let mut text = String::new();
    let lines: Vec<[String; 4]> = board.rows.iter().map(|row| line(board, row)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    for (number, project) in board.projects.iter().enumerate() {
        if board.projects.len() > 1 || !project.directory.is_empty() {
            text += &format!("{}\n", view.paint.strong(&heading(board, project)));
        }
        for (row, cells) in board.rows.iter().zip(&lines).filter(|(row, _)| row.project == number) {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                line += &format!("{cell}{}  ", " ".repeat(width - cell.width()));
            }
            let state = match row.relation {
                Relation::Reference | Relation::Agrees => view.paint.good(&cells[3]),
                Relation::Differs | Relation::Floats => view.paint.bad(&cells[3]),
                Relation::Unjudged => view.paint.faint(&cells[3]),
            };
            text += &format!("{}\n", format!("{line}{state}").trim_end());
        }
        text.push('\n');
    }
    if findings.is_empty() {
        text.truncate(text.trim_end().len());
        text += &format!("\n\n{} {}\n", view.paint.strong("bakstop:"), summary(board));
    }
    text + &human::check(findings, view)
}

/// "12 pins in 5 files agree; 2 are not judged".
fn summary(board: &Board) -> String {
    let judged = |row: &&Row| row.relation != Relation::Unjudged;
    let files: BTreeSet<usize> = board.rows.iter().filter(judged).map(|row| row.id.file).collect();
    let agreeing = board.rows.iter().filter(judged).count();
    let others = board.rows.len() - agreeing;
    let verb = |count: usize, one: &'static str, many: &'static str| if count == 1 { one } else { many };
    match (agreeing, others) {
        (0, _) => format!("{}, and no exact version to hold them against", plural(others, "pin")),
        (_, 0) => format!("{} in {} {}", plural(agreeing, "pin"), plural(files.len(), "file"), verb(agreeing, "agrees", "agree")),
        _ => format!(
            "{} in {} {}; {others} {} not judged",
            plural(agreeing, "pin"),
            plural(files.len(), "file"),
            verb(agreeing, "agrees", "agree"),
            verb(others, "is", "are")
        ),
    }
}

fn heading(board: &Board, project: &Project) -> String {
    let directory = if project.directory.is_empty() { ".".into() } else { RepoPath::new(&*project.directory).to_string() };
    match project.reference {
        Some(_) => directory,
        None if board.projects.len() > 1 => format!("{directory} (no exact version to hold the others against)"),
        None => directory,
    }
}

fn line(board: &Board, row: &Row) -> [String; 4] {
    let (file, pin) = (board.file(row.id), board.pin(row.id));
    let place = Place::locate(&file.text, &pin.at);
    let place = format!("{}:{}", file.path, place.line);
    [place, pin.how.label().to_owned(), resolved(board, row), state(row.relation, pin).to_owned()]
}

/// "pnpm 10.6.5", and where that is written if it is elsewhere: "pnpm 10.6.5 ($PNPM_VERSION, line 2)".
fn resolved(board: &Board, row: &Row) -> String {
    let (file, pin) = (board.file(row.id), board.pin(row.id));
    let name = pin.manager.name();
    let version = match &pin.demand {
        Demand::Exact(version) => version.to_string(),
        Demand::Range(text) | Demand::Tag(text) => Escaped(text.as_bytes()).to_string(),
        Demand::Newest => "(newest)".to_owned(),
        Demand::Empty(variable) => format!("(newest: ${} is empty)", Escaped(variable.as_bytes())),
        Demand::Unknown => "(known only when it runs)".to_owned(),
    };
    let origin = pin.used.first().map(|used| {
        let line = Place::locate(&file.text, &used.span).line;
        format!(" (${}, line {line})", Escaped(used.name.as_bytes()))
    });
    format!("{name} {version}{}", origin.unwrap_or_default())
}

fn state(relation: Relation, pin: &Pin) -> &'static str {
    match relation {
        Relation::Reference => "pins",
        Relation::Agrees if pin.how.role() == Role::Accepts => "accepts it",
        Relation::Agrees => "agrees",
        Relation::Differs => "differs",
        Relation::Floats => "floats",
        Relation::Unjudged => "",
    }
}

/// Every pin and every finding as one document.
pub fn json(board: &Board, findings: &[Finding], view: View<'_>) -> String {
    let report = Report { findings, rules: &OF_PINS, scope: "worktree", judged: board.files.len(), deny_warnings: false, view };
    json::document(&json!({
        "schema": "bakstop.pins/1",
        "pins": board.rows.iter().map(|row| pin(board, row)).collect::<Vec<_>>(),
        "findings": json::findings(&report),
        "summary": json::summary(&report),
    }))
}

fn pin(board: &Board, row: &Row) -> Value {
    let (file, pin) = (board.file(row.id), board.pin(row.id));
    let (path, path_hex) = json::path(&file.path);
    let (project, _) = json::path(&RepoPath::new(&*board.projects[row.project].directory));
    let place = Place::locate(&file.text, &pin.at);
    let (kind, version) = match &pin.demand {
        Demand::Exact(version) => ("exact", Some(version.to_string())),
        Demand::Range(text) => ("range", Some(text.clone())),
        Demand::Tag(text) => ("tag", Some(text.clone())),
        Demand::Newest => ("newest", None),
        Demand::Empty(_) => ("empty", None),
        Demand::Unknown => ("unknown", None),
    };
    let relation = match row.relation {
        Relation::Reference => "reference",
        Relation::Agrees => "agrees",
        Relation::Differs => "differs",
        Relation::Floats => "floats",
        Relation::Unjudged => "unjudged",
    };
    let variables = pin.used.iter().map(|used| {
        let place = Place::locate(&file.text, &used.span);
        json!({ "name": used.name, "line": place.line, "column": place.column })
    });
    json!({
        "path": path,
        "path_hex": path_hex,
        "line": place.line,
        "column": place.column,
        "how": pin.how.label(),
        "manager": pin.manager.name(),
        "demand": kind,
        "version": version,
        "variables": variables.collect::<Vec<_>>(),
        "project": project,
        "relation": relation,
    })
}
