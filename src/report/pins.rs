//! The pins of package managers: a table as text, and `bakstop.pins/1` as JSON; and the result of
//! moving them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::base::escape::Escaped;
use crate::base::finding::{LineIndex, Span};
use crate::base::path::RepoPath;
use crate::edit::excerpt;
use crate::pins::{
    Demand, Doubt, Manager, MovePlan, Pin, PinGroup, PinId, PinTable, Relation, Role, Row,
};
use crate::project::kinds::FileKind;
use crate::report::common::{Report, View, plural};
use crate::report::{human, json};
use crate::rule::{Finding, RuleGroup};
use crate::rules;

/// The table, project by project, and the findings.
pub(crate) fn human(table: &PinTable, findings: &[Finding], view: View<'_>) -> String {
    if table.rows.is_empty() && findings.is_empty() {
        let strong = view.paint.strong("bakstop:");
        return format!("{strong} nothing here pins a package manager\n{}", declaring(table, view));
    }
    let mut places = Places::default();
    let lines: Vec<(&Row, [String; 4])> =
        table.rows.iter().map(|row| (row, line(table, row, &mut places))).collect();
    let width = |column: usize| {
        lines.iter().map(|(_, cells)| cells[column].width()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for lines in lines.chunk_by(|(a, _), (b, _)| a.group == b.group) {
        let group = &table.groups[lines[0].0.group];
        if table.groups.len() > 1 || !group.directory.is_empty() {
            text += &format!("{}\n", view.paint.strong(&heading(table, group)));
        }
        for (row, cells) in lines {
            text += &format!("{}\n", painted(row, cells, widths, view));
        }
        text.push('\n');
    }
    if findings.is_empty() {
        text += &format!("{} {}\n", view.paint.strong("bakstop:"), summary(table));
    }
    text += &human::check(findings, view);
    let is_open = |row: &&Row| row.relation == Relation::Unjudged(Doubt::NoReference);
    if let Some(row) = table.rows.iter().find(is_open) {
        text += &format!("{}\n", advice(table, row.group, view));
    }
    text
}

/// How to declare a version where nothing pins one; nothing without a manifest.
fn declaring(table: &PinTable, view: View<'_>) -> String {
    let Some(path) = manifest(table, &[]) else { return String::new() };
    format!(
        "{} to declare one, add to {path}: \"packageManager\": \"NAME@VERSION\" of what installs \
         here\n",
        view.paint.strong("help:")
    )
}

/// The path of the manifest in a directory.
fn manifest<'t>(table: &'t PinTable, directory: &[u8]) -> Option<&'t RepoPath> {
    let mut paths = table.project.files().iter().map(|known| &known.file.path);
    paths.find(|path| path.parent() == directory && FileKind::Manifest.matches(path))
}

/// How to declare a version where a project has none: the newest that its pins name.
fn advice(table: &PinTable, group: usize, view: View<'_>) -> String {
    let rows = table.rows.iter().filter(|row| row.group == group);
    let pins: Vec<&Pin> = rows.map(|row| table.pin(row.id)).collect();
    let versions = pins.iter().filter_map(|pin| match &pin.demand {
        Demand::Exact(version) if !pin.is_exempt => Some((pin.manager, version)),
        _ => None,
    });
    let (name, version) = match versions.max() {
        Some((manager, version)) => (manager.name(), version.to_string()),
        None => {
            let manager = pins.iter().map(|pin| pin.manager).max();
            (manager.unwrap_or(Manager::Pnpm).name(), "VERSION".to_owned())
        }
    };
    let origin = if version == "VERSION" {
        format!(" (`{name} --version` prints it)")
    } else {
        String::new()
    };
    let own = manifest(table, &table.groups[group].directory);
    let path = own.map_or_else(|| "a package.json".to_owned(), ToString::to_string);
    let help = view.paint.strong("help:");
    format!(
        "{help} to declare an exact version, add to {path}: \
         \"packageManager\": \"{name}@{version}\"{origin}"
    )
}

fn painted(row: &Row, cells: &[String; 4], widths: [usize; 3], view: View<'_>) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line += &format!("{cell}{}  ", " ".repeat(width - cell.width()));
    }
    let state = &cells[3];
    match row.relation {
        Relation::Reference | Relation::Agrees => line + &view.paint.good(state),
        Relation::Differs | Relation::Floats => line + &view.paint.bad(state),
        Relation::Unjudged(_) => line + &view.paint.faint(state),
    }
}

/// A summary such as "12 pins in 5 files agree; 2 are not judged".
fn summary(table: &PinTable) -> String {
    let rows = |wanted: &[Relation]| -> Vec<&Row> {
        table.rows.iter().filter(|row| wanted.contains(&row.relation)).collect()
    };
    let agreed = rows(&[Relation::Reference, Relation::Agrees]);
    let differing = rows(&[Relation::Differs, Relation::Floats]).len();
    let agreeing = agreed.len();
    let unjudged = table.rows.len() - agreeing - differing;
    if agreeing + differing == 0 {
        return format!("{}, and no exact version to compare with", plural(unjudged, "pin"));
    }
    let files: BTreeSet<usize> = agreed.iter().map(|row| row.id.file).collect();
    let projects: BTreeSet<usize> = agreed.iter().map(|row| row.group).collect();
    let verb = if agreeing == 1 { "agrees" } else { "agree" };
    let mut text = format!("{} in {} {verb}", plural(agreeing, "pin"), plural(files.len(), "file"));
    if projects.len() > 1 {
        text += &format!(", each within its project ({})", projects.len());
    }
    if differing > 0 {
        let verb = if differing == 1 { "differs" } else { "differ" };
        text += &format!("; {differing} more {verb}, which the configuration allows");
    }
    if unjudged > 0 {
        text += &format!("; {unjudged} {} not judged", if unjudged == 1 { "is" } else { "are" });
    }
    text
}

fn heading(table: &PinTable, group: &PinGroup) -> String {
    let directory = if group.directory.is_empty() {
        ".".into()
    } else {
        RepoPath::new(&*group.directory).to_string()
    };
    if group.reference.is_none() && table.groups.len() > 1 {
        return format!("{directory} (no exact version to compare with)");
    }
    directory
}

/// Finds lines and columns in the files of a table.
#[derive(Debug, Default)]
struct Places<'b>(BTreeMap<usize, LineIndex<'b>>);

impl<'b> Places<'b> {
    fn locate(&mut self, table: &'b PinTable, file: usize, at: usize) -> (usize, usize) {
        self.0
            .entry(file)
            .or_insert_with(|| LineIndex::new(&table.project.file(file).text))
            .locate(at)
    }

    /// The place of a pin, such as "package.json:4".
    fn of(&mut self, table: &'b PinTable, id: PinId) -> String {
        let (line, _) = self.locate(table, id.file, reported_span(table.pin(id)).start);
        format!("{}:{line}", table.file(id).path)
    }
}

/// The span that a report shows: of a word over several lines, the line with the version.
fn reported_span(pin: &Pin) -> &Span {
    if pin.at.start <= pin.place.start && pin.place.end <= pin.at.end {
        &pin.place
    } else {
        &pin.at
    }
}

/// The version, or a description if there is none.
fn version(pin: &Pin) -> String {
    match &pin.demand {
        Demand::Exact(version) => version.to_string(),
        Demand::Range(text) | Demand::Tag(text) => Escaped(text.as_bytes()).to_string(),
        Demand::Newest => "(newest)".to_owned(),
        Demand::Empty(variable) => format!("(newest: ${} is empty)", Escaped(variable.as_bytes())),
        Demand::Unknown => "(known only at run time)".to_owned(),
    }
}

fn line<'b>(table: &'b PinTable, row: &Row, places: &mut Places<'b>) -> [String; 4] {
    let pin = table.pin(row.id);
    let place = places.of(table, row.id);
    // The variable that contains the version: `pnpm 10.6.5 ($PNPM_VERSION, line 2)`.
    let origin = pin.used.first().map(|used| {
        let (line, _) = places.locate(table, row.id.file, used.span.start);
        format!(" (${}, line {line})", Escaped(used.name.as_bytes()))
    });
    let resolved = format!("{} {}{}", pin.manager.name(), version(pin), origin.unwrap_or_default());
    [place, pin.kind.label().to_owned(), resolved, state(row.relation, pin).to_owned()]
}

fn state(relation: Relation, pin: &Pin) -> &'static str {
    match relation {
        Relation::Reference => "pins",
        Relation::Agrees if pin.kind.role() == Role::Accepts => "accepts it",
        Relation::Agrees => "agrees",
        Relation::Differs => "differs",
        Relation::Floats => "floats",
        Relation::Unjudged(doubt) => doubt.reason(),
    }
}

/// The pins that were moved, or would be; those that were not, and why; and the findings.
pub(crate) fn moved(
    table: &PinTable,
    plan: &MovePlan,
    findings: &[Finding],
    verb: &str,
    view: View<'_>,
) -> String {
    let (mut places, mut text) = (Places::default(), String::new());
    let mut label = |id| format!("{}: {}", places.of(table, id), table.pin(id).kind.label());
    for id in &plan.moved {
        let (before, after) = (version(table.pin(*id)), version(plan.after.pin(*id)));
        let after = if before == after { format!("{after} (another hash)") } else { after };
        text += &format!("{}: {before} -> {}\n", label(*id), view.paint.good(&after));
    }
    for (id, reason) in &plan.unmoved {
        text += &format!("{} {}: {reason}\n", view.paint.doubtful("left"), label(*id));
    }
    let summary = match plan.moved.len() {
        0 => format!("nothing {verb}"),
        pins => format!("{} in {} {verb}", plural(pins, "pin"), plural(plan.files.len(), "file")),
    };
    text += &format!("{} {summary}\n", view.paint.strong("bakstop:"));
    if findings.is_empty() { text } else { text + "\n" + &human::check(findings, view) }
}

/// A diff of the changes, and the pins that would not be moved.
pub(crate) fn diff(table: &PinTable, plan: &MovePlan, view: View<'_>) -> String {
    let mut text = String::new();
    for number in &plan.files {
        let (old, new) = (table.project.file(*number), plan.after.project.file(*number));
        for line in excerpt::unified(&old.path, &old.text, &new.text, 3) {
            text += &format!("{}\n", view.paint.diff(&line));
        }
    }
    let left = MovePlan { unmoved: plan.unmoved.clone(), ..MovePlan::default() };
    match (left.unmoved.is_empty(), text.is_empty()) {
        (true, false) => text,
        (_, true) => moved(table, &left, &[], "to move", view),
        (false, false) => text + &moved(table, &left, &[], "else can be moved", view),
    }
}

/// The document `bakstop.pins/1`.
pub(crate) fn json(table: &PinTable, findings: &[Finding], view: View<'_>) -> String {
    let (rules, judged) = (&rules::in_group(RuleGroup::Pins), table.project.files().len());
    let report = Report { findings, rules, scope: "worktree", judged, deny_warnings: false, view };
    let mut places = Places::default();
    json::document(&json!({
        "schema": "bakstop.pins/1",
        "pins": table.rows.iter().map(|row| pin(table, row, &mut places)).collect::<Vec<_>>(),
        "findings": json::findings(&report),
        "summary": json::summary(&report),
    }))
}

fn pin<'b>(table: &'b PinTable, row: &Row, places: &mut Places<'b>) -> Value {
    let pin = table.pin(row.id);
    let path = &table.file(row.id).path;
    let (line, column) = places.locate(table, row.id.file, reported_span(pin).start);
    let (kind, version) = match &pin.demand {
        Demand::Exact(version) => ("exact", Some(version.to_string())),
        Demand::Range(text) => ("range", Some(text.clone())),
        Demand::Tag(text) => ("tag", Some(text.clone())),
        Demand::Newest => ("newest", None),
        Demand::Empty(_) => ("empty", None),
        Demand::Unknown => ("unknown", None),
    };
    let (relation, reason) = match row.relation {
        Relation::Reference => ("reference", None),
        Relation::Agrees => ("agrees", None),
        Relation::Differs => ("differs", None),
        Relation::Floats => ("floats", None),
        Relation::Unjudged(doubt) => ("unjudged", Some(doubt.reason())),
    };
    let variables = pin.used.iter().map(|used| {
        let (line, column) = places.locate(table, row.id.file, used.span.start);
        json!({ "name": used.name, "line": line, "column": column })
    });
    json!({
        "path": json::path(path),
        "path_hex": json::path_hex(path),
        "line": line,
        "column": column,
        "how": pin.kind.label(),
        "manager": pin.manager.name(),
        "demand": kind,
        "version": version,
        "variables": variables.collect::<Vec<_>>(),
        "project": json::path(&RepoPath::new(&*table.groups[row.group].directory)),
        "relation": relation,
        "reason": reason,
    })
}
