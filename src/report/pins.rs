//! The pins of package managers: a table for a person, `bakstop.pins/1` for a program.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use similar::TextDiff;
use unicode_width::UnicodeWidthStr;

use crate::escape::Escaped;
use crate::finding::{Finding, Place, Span};
use crate::path::RepoPath;
use crate::pins::{Board, Demand, Id, Pin, Plan, Project, Relation, Role, Row};
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
        (_, 0) => format!(
            "{} in {} {}",
            plural(agreeing, "pin"),
            plural(files.len(), "file"),
            verb(agreeing, "agrees", "agree")
        ),
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
    let directory =
        if project.directory.is_empty() { ".".into() } else { RepoPath::new(&*project.directory).to_string() };
    match project.reference {
        None if board.projects.len() > 1 => format!("{directory} (no exact version to hold the others against)"),
        Some(_) | None => directory,
    }
}

/// Where a pin takes effect: "package.json:4".
fn location(board: &Board, id: Id) -> String {
    let (file, pin) = (board.file(id), board.pin(id));
    format!("{}:{}", file.path, Place::locate(&file.text, shown(pin)).line)
}

/// The place of a pin that a reader is led to: of a word that stands in many lines, the one with the version.
fn shown(pin: &Pin) -> &Span {
    if pin.at.start <= pin.place.start && pin.place.end <= pin.at.end { &pin.place } else { &pin.at }
}

/// What a pin says of the version.
fn version(pin: &Pin) -> String {
    match &pin.demand {
        Demand::Exact(version) => version.to_string(),
        Demand::Range(text) | Demand::Tag(text) => Escaped(text.as_bytes()).to_string(),
        Demand::Newest => "(newest)".to_owned(),
        Demand::Empty(variable) => format!("(newest: ${} is empty)", Escaped(variable.as_bytes())),
        Demand::Unknown => "(known only when it runs)".to_owned(),
    }
}

fn line(board: &Board, row: &Row) -> [String; 4] {
    let pin = board.pin(row.id);
    let place = location(board, row.id);
    [place, pin.how.label().to_owned(), resolved(board, row), state(row.relation, pin).to_owned()]
}

/// `pnpm 10.6.5`, and where that is written if it is elsewhere: `pnpm 10.6.5 ($PNPM_VERSION, line 2)`.
fn resolved(board: &Board, row: &Row) -> String {
    let (file, pin) = (board.file(row.id), board.pin(row.id));
    let name = pin.manager.name();
    let version = version(pin);
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

/// What was moved, or is to be; what was left, and why; and what is found in the end.
pub fn moved(board: &Board, plan: &Plan, findings: &[Finding], verb: &str, view: View<'_>) -> String {
    let mut text = String::new();
    for id in &plan.moved {
        let (before, after) = (version(board.pin(*id)), version(plan.after.pin(*id)));
        let label = board.pin(*id).how.label();
        text += &format!("{}: {label}: {before} -> {}\n", location(board, *id), view.paint.good(&after));
    }
    for (id, reason) in &plan.left {
        let label = view.paint.doubtful("left");
        text += &format!("{label} {}: {}: {reason}\n", location(board, *id), board.pin(*id).how.label());
    }
    let summary = match plan.moved.len() {
        0 => format!("nothing {verb}"),
        pins => format!("{} in {} {verb}", plural(pins, "pin"), plural(plan.files.len(), "file")),
    };
    text += &format!("{} {summary}\n", view.paint.strong("bakstop:"));
    if findings.is_empty() { text } else { text + "\n" + &human::check(findings, view) }
}

/// What would change, as a diff; and what would be left.
pub fn diff(board: &Board, plan: &Plan, view: View<'_>) -> String {
    let mut text = String::new();
    for file in &plan.files {
        let Some(old) = board.files.iter().find(|old| old.path == file.path) else { continue };
        let (old, new) = (printable(&old.text), printable(&file.text));
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        let names = (format!("a/{}", file.path), format!("b/{}", file.path));
        let diff = diff.unified_diff().context_radius(3).header(&names.0, &names.1).to_string();
        for line in diff.lines() {
            let painted = match line.as_bytes().first() {
                Some(b'+') => view.paint.good(line),
                Some(b'-') => view.paint.bad(line),
                _ => line.to_owned(),
            };
            text += &format!("{painted}\n");
        }
    }
    let left = Plan { left: plan.left.clone(), ..Plan::default() };
    if left.left.is_empty() { text } else { text + &moved(board, &left, &[], "else to move", view) }
}

/// A text of which every line is safe to print. A tab stays: it only moves to the right.
fn printable(text: &[u8]) -> String {
    let line = |line: &[u8]| {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let parts: Vec<String> = content.split(|byte| *byte == b'\t').map(|part| Escaped(part).to_string()).collect();
        parts.join("\t") + if line.len() > content.len() { "\n" } else { "" }
    };
    text.split_inclusive(|byte| *byte == b'\n').map(line).collect()
}

/// Every pin and every finding as one document.
pub fn json(board: &Board, findings: &[Finding], view: View<'_>) -> String {
    let report =
        Report { findings, rules: &OF_PINS, scope: "worktree", judged: board.files.len(), deny_warnings: false, view };
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
    let place = Place::locate(&file.text, shown(pin));
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
