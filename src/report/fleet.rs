//! The table of `bakstop fleet`: text, Markdown, and `bakstop.fleet/1` as JSON.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::escape::no_command;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::fleet::{Cell, CellState};
use crate::report::common::markdown_cell;
use crate::report::json::{document, path, path_hex};
use crate::report::paint::Paint;

/// The formats of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum FleetFormat {
    // Text
    #[default]
    Human,
    // A table in Markdown
    Markdown,
    // One JSON document, with a versioned schema
    Json,
}

/// What a column is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnGroup {
    /// The repository as it is.
    State,
    /// A copy of a canonical file.
    Template,
    /// Recorded builds.
    Time,
    /// A gate, C1 to C7.
    Gate,
}

/// The gates: the titles of their columns, and what each asks.
pub(crate) const GATES: [(&str, &str); 7] = [
    ("C1", "a cold build by the registry alone"),
    ("C2", "a warm build under 30 s"),
    ("C3", "a build leaves the work tree clean"),
    ("C4", "the hook blocks"),
    ("C5", "CI is green"),
    ("C6", "the times are there"),
    ("C7", "the lockfiles are decided on"),
];

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The name in JSON.
    pub id: String,
    /// Safe to print.
    pub title: String,
    pub group: ColumnGroup,
}

/// Why a repository could not be judged, and what to do; safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowFailure {
    pub cause: String,
    pub help: Option<String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FleetRow {
    pub name: RepoPath,
    pub path: RepoPath,
    /// A cell for each column.
    pub cells: Result<Vec<Cell>, RowFailure>,
}

/// All repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FleetTable {
    pub columns: Vec<Column>,
    pub rows: Vec<FleetRow>,
    /// Whether warnings are bad as well.
    pub deny_warnings: bool,
}

/// What a row comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    Bad,
    Unjudged,
}

impl FleetTable {
    /// Failed if anything of a repository could not be judged.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.count(Standing::Unjudged), self.count(Standing::Bad)) {
            (0, 0) => Verdict::Clean,
            (0, _) => Verdict::Found,
            _ => Verdict::Failed,
        }
    }

    fn standing(&self, row: &FleetRow) -> Standing {
        let Ok(cells) = &row.cells else { return Standing::Unjudged };
        match cells.iter().map(|cell| cell.state).max() {
            Some(CellState::Unknown) => Standing::Unjudged,
            Some(worst) if worst >= self.least() => Standing::Bad,
            _ => Standing::Good,
        }
    }

    /// The state from which on a cell counts.
    fn least(&self) -> CellState {
        if self.deny_warnings { CellState::Warning } else { CellState::Bad }
    }

    fn count(&self, standing: Standing) -> usize {
        self.rows.iter().filter(|row| self.standing(row) == standing).count()
    }

    /// "13 repositories: 9 good, 3 bad, 1 not judged"
    fn summary(&self) -> String {
        let parts = [
            (self.count(Standing::Good), "good"),
            (self.count(Standing::Bad), "bad"),
            (self.count(Standing::Unjudged), "not fully judged"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        let many = match self.rows.len() {
            1 => "1 repository".to_owned(),
            many => format!("{many} repositories"),
        };
        format!("{many}: {}", parts.join(", "))
    }

    /// The columns of the text: those that say something about a repository.
    fn shown(&self) -> Vec<usize> {
        let says = |number: &usize| {
            let mut cells =
                self.rows.iter().filter_map(|row| row.cells.as_ref().ok()?.get(*number));
            cells.any(|cell| cell.state != CellState::Open)
        };
        (0..self.columns.len()).filter(says).collect()
    }

    /// The cells of a repository that count, and have more to say than the table.
    fn noted<'t>(&'t self, row: &'t FleetRow) -> impl Iterator<Item = (&'t Column, &'t Cell)> {
        let cells = row.cells.as_deref().unwrap_or_default();
        self.columns.iter().zip(cells).filter(|(_, cell)| {
            cell.state >= self.least() && (cell.detail.is_some() || cell.command.is_some())
        })
    }

    /// The names of the repositories with the same reason, if they are several.
    fn same(&self, column: &Column, cell: &Cell) -> Option<Vec<&FleetRow>> {
        let is_same = |row: &&FleetRow| {
            let mut noted = self.noted(row);
            noted.any(|(one, other)| {
                one == column && (&other.text, &other.detail) == (&cell.text, &cell.detail)
            })
        };
        let rows: Vec<&FleetRow> = self.rows.iter().filter(is_same).collect();
        (rows.len() >= SEVERAL).then_some(rows)
    }
}

/// The table in a format.
pub(crate) fn report(format: FleetFormat, table: &FleetTable, paint: Paint) -> String {
    match format {
        FleetFormat::Human => human(table, paint),
        FleetFormat::Markdown => markdown(table),
        FleetFormat::Json => json(table),
    }
}

/// The maximum width of a cell as text, in columns of a terminal.
const WIDEST: usize = 28;
/// How many repositories have the same reason for it to be given once.
const SEVERAL: usize = 3;
/// The heading of the first column.
const NAME: &str = "repository";

fn human(table: &FleetTable, paint: Paint) -> String {
    let shown = table.shown();
    let names: Vec<String> = table.rows.iter().map(|row| cut(&name(row))).collect();
    let longest = names.iter().map(|name| name.width()).max().unwrap_or_default();
    let mut widths = vec![longest.max(NAME.len())];
    widths.extend(shown.iter().map(|number| {
        let cells = table.rows.iter().filter_map(|row| row.cells.as_ref().ok()?.get(*number));
        let width = cells.map(|cell| cut(&cell.text).width()).max().unwrap_or_default();
        width.max(table.columns[*number].title.width())
    }));
    let titles = shown.iter().map(|number| &*table.columns[*number].title);
    let titles = [NAME].into_iter().chain(titles).map(|title| (title.to_owned(), None));
    let mut text = line(titles, &widths, paint);
    for (row, name) in table.rows.iter().zip(&names) {
        let name = (name.clone(), None);
        text += &match &row.cells {
            Ok(cells) => {
                let cells = shown.iter().filter_map(|number| cells.get(*number));
                let cells = cells.map(|cell| (cut(&cell.text), Some(cell.state)));
                line([name].into_iter().chain(cells), &widths, paint)
            }
            Err(failure) => {
                let cause = failure.cause.lines().next().unwrap_or_default();
                let cause = (format!("could not judge: {cause}"), Some(CellState::Unknown));
                line([name, cause], &widths[..1], paint)
            }
        };
    }
    let is_shown = |gate: &str| {
        let mut columns = shown.iter().map(|number| &table.columns[*number]);
        columns.any(|column| column.group == ColumnGroup::Gate && column.id == gate)
    };
    let gates = GATES.iter().filter(|(gate, _)| is_shown(gate));
    let gates: Vec<String> = gates.map(|(gate, asks)| format!("{gate}: {asks}")).collect();
    if !gates.is_empty() {
        text += &format!("{}\n", paint.faint(&gates.join("; ")));
    }
    for row in &table.rows {
        text += &reasons(table, row, paint);
    }
    let failed: String = table.rows.iter().map(|row| failure(row, paint)).collect();
    text + &failed + &format!("\n{} {}\n", paint.strong("bakstop:"), table.summary())
}

/// The name of a repository, at the start of a line.
fn name(row: &FleetRow) -> String {
    no_command(row.name.to_string())
}

/// A line of the table; without widths, the rest is as wide as it is.
fn line(
    cells: impl IntoIterator<Item = (String, Option<CellState>)>,
    widths: &[usize],
    paint: Paint,
) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (number, (text, state)) in cells.into_iter().enumerate() {
        line += &" ".repeat(gap);
        gap = widths.get(number).map_or(0, |width| width.saturating_sub(text.width())) + 2;
        line += &match state {
            None => paint.strong(&text),
            Some(CellState::Good) => paint.good(&text),
            Some(CellState::Bad) => paint.bad(&text),
            Some(CellState::Warning | CellState::Unknown) => paint.doubtful(&text),
            Some(CellState::Open) => paint.faint(&text),
        };
    }
    line + "\n"
}

/// A text of at most [`WIDEST`] columns.
fn cut(text: &str) -> String {
    if text.width() <= WIDEST {
        return text.to_owned();
    }
    let mut width = 0;
    let start = text.chars().take_while(|character| {
        width += character.width().unwrap_or_default();
        width < WIDEST
    });
    start.chain(['…']).collect()
}

/// The reasons for what is not good in a repository, and the commands that show more. A reason that
/// several repositories have is given once, with the first of them.
fn reasons(table: &FleetTable, row: &FleetRow, paint: Paint) -> String {
    let (mut own, mut shared) = (String::new(), String::new());
    for (column, cell) in table.noted(row) {
        let command = cell.command.as_ref();
        let command = command.map(|command| format!("      {}\n", paint.good(command)));
        let command = command.unwrap_or_default();
        let reason = reason(column, cell).join(": ");
        let Some(rows) = table.same(column, cell) else {
            own += &format!("  {reason}\n{command}");
            continue;
        };
        // A repository may be listed twice.
        if rows.first().is_some_and(|first| std::ptr::eq(*first, row)) {
            let names: Vec<String> = rows.iter().map(|row| name(row)).collect();
            let is_all = rows.len() == table.rows.len();
            let names =
                if is_all { String::new() } else { format!("      {}\n", names.join(", ")) };
            let all = if is_all { "all " } else { "" };
            let heading = format!("{all}{} repositories", rows.len());
            shared += &format!("\n{}\n  {reason}\n{names}{command}", paint.strong(&heading));
        }
    }
    if !own.is_empty() {
        own = format!("\n{}\n{own}", paint.strong(&name(row)));
    }
    shared + &own
}

/// "2 errors", "registry-token, stray-backup"; without the text if that is only "no".
fn reason<'c>(column: &'c Column, cell: &'c Cell) -> Vec<&'c str> {
    let text =
        Some(&*cell.text).filter(|text| cell.detail.is_none() || !["no", "unknown"].contains(text));
    [Some(&*column.title), text, cell.detail.as_deref()].into_iter().flatten().collect()
}

/// Why a repository could not be judged.
fn failure(row: &FleetRow, paint: Paint) -> String {
    let Err(RowFailure { cause, help }) = &row.cells else { return String::new() };
    let mut lines = cause.lines();
    let mut text = format!(
        "\n{} {}: {}\n",
        paint.bad("could not judge"),
        row.path,
        lines.next().unwrap_or_default()
    );
    text += &lines.map(|line| format!("  {line}\n")).collect::<String>();
    text +=
        &help.iter().map(|help| format!("{} {help}\n", paint.strong("help:"))).collect::<String>();
    text
}

fn markdown(table: &FleetTable) -> String {
    let joined = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let titles = table.columns.iter().map(|column| markdown_cell(&column.title));
    let mut text = joined([NAME.to_owned()].into_iter().chain(titles).collect());
    text += &format!("|{}\n", "---|".repeat(table.columns.len() + 1));
    for row in &table.rows {
        let name = markdown_cell(&row.name.to_string());
        let cells: Vec<String> = match &row.cells {
            Ok(cells) => cells.iter().map(|cell| markdown_cell(&cell.text)).collect(),
            Err(_) => {
                let rest = (1..table.columns.len()).map(|_| "?".to_owned());
                ["could not judge".to_owned()].into_iter().chain(rest).collect()
            }
        };
        text += &joined([name].into_iter().chain(cells).collect());
    }
    let mut notes = String::new();
    for row in &table.rows {
        let name = markdown_cell(&row.name.to_string());
        for (column, cell) in table.noted(row) {
            let reason: Vec<String> = reason(column, cell).into_iter().map(markdown_cell).collect();
            notes += &format!("- {name}: {}\n", reason.join(": "));
        }
        if let Err(failure) = &row.cells {
            let cause = failure.cause.lines().map(markdown_cell).collect::<Vec<_>>().join(" ");
            notes += &format!("- {name}: could not judge: {cause}\n");
        }
    }
    let gap = if notes.is_empty() { "" } else { "\n" };
    format!("{text}{gap}{notes}\n{}\n", table.summary())
}

/// `bakstop.fleet/1`: a field may be added within a version; none is renamed, removed or given
/// another meaning.
fn json(table: &FleetTable) -> String {
    let row = |row: &FleetRow| {
        let cells = |group: ColumnGroup| {
            let cells = row.cells.as_deref().unwrap_or_default();
            let cells = table.columns.iter().zip(cells).filter(|(column, _)| column.group == group);
            cells.map(|(column, cell)| (column.id.clone(), cell.json())).collect::<Map<_, _>>()
        };
        let error = row.cells.as_ref().err();
        json!({
            "name": path(&row.name),
            "path": path(&row.path),
            "path_hex": path_hex(&row.path),
            "error": error.map(|error| json!({ "cause": error.cause, "help": error.help })),
            "state": cells(ColumnGroup::State),
            "templates": cells(ColumnGroup::Template),
            "times": cells(ColumnGroup::Time),
            "gates": cells(ColumnGroup::Gate),
        })
    };
    document(&json!({
        "schema": "bakstop.fleet/1",
        "repositories": table.rows.iter().map(row).collect::<Vec<Value>>(),
        "summary": {
            "good": table.count(Standing::Good),
            "bad": table.count(Standing::Bad),
            "not_judged": table.count(Standing::Unjudged),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::HOSTILE;

    fn column(id: &str, group: ColumnGroup) -> Column {
        Column { id: id.into(), title: id.into(), group }
    }

    fn bad(text: &str) -> Cell {
        Cell::new(CellState::Bad, text)
    }

    fn row(name: &str, cells: &[Cell]) -> FleetRow {
        FleetRow { name: name.into(), path: name.into(), cells: Ok(cells.to_vec()) }
    }

    fn table(rows: Vec<FleetRow>) -> FleetTable {
        let columns = vec![
            column("rules", ColumnGroup::State),
            column("prep.sh", ColumnGroup::Template),
            column("cold", ColumnGroup::Time),
            column("C3", ColumnGroup::Gate),
        ];
        FleetTable { columns, rows, deny_warnings: false }
    }

    fn failed(name: &str) -> FleetRow {
        let failure =
            RowFailure { cause: "it hangs\nsince noon".into(), help: Some("look".into()) };
        FleetRow { cells: Err(failure), ..row(name, &[]) }
    }

    #[test]
    fn the_text_has_the_columns_that_say_something_and_the_reasons() {
        let rules = bad("2 errors").detail("a, b").command("bakstop -C x check");
        let yes = Cell::good("yes");
        let warning = Cell::new(CellState::Warning, "1 warning").detail("c");
        let table = table(vec![
            row("shop", &[Cell::good("ok"), bad("missing"), Cell::open(), yes.clone()]),
            row("日本", &[rules, Cell::open(), Cell::open(), yes.clone()]),
            failed("hung"),
            row("tool", &[warning, Cell::good("as the template"), Cell::open(), yes]),
        ]);
        assert_eq!(table.verdict(), Verdict::Failed);
        assert_eq!(
            human(&table, Paint::PLAIN),
            "repository  rules      prep.sh          C3\n\
             shop        ok         missing          yes\n\
             日本        2 errors   —                yes\n\
             hung        could not judge: it hangs\n\
             tool        1 warning  as the template  yes\n\
             C3: a build leaves the work tree clean\n\
             \n\
             日本\n\
             \x20 rules: 2 errors: a, b\n\
             \x20     bakstop -C x check\n\
             \n\
             could not judge hung: it hangs\n\
             \x20 since noon\n\
             help: look\n\
             \n\
             bakstop: 4 repositories: 1 good, 2 bad, 1 not fully judged\n"
        );
        assert_eq!(
            markdown(&table),
            "| repository | rules | prep.sh | cold | C3 |\n\
             |---|---|---|---|---|\n\
             | shop | ok | missing | — | yes |\n\
             | 日本 | 2 errors | — | — | yes |\n\
             | hung | could not judge | ? | ? | ? |\n\
             | tool | 1 warning | as the template | — | yes |\n\
             \n\
             - 日本: rules: 2 errors: a, b\n\
             - hung: could not judge: it hangs since noon\n\
             \n\
             4 repositories: 1 good, 2 bad, 1 not fully judged\n"
        );
    }

    #[test]
    fn a_reason_of_one_that_is_listed_several_times_is_given_once() {
        let rules = bad("2 errors").detail("a");
        let cells = [rules, Cell::open(), Cell::open(), Cell::open()];
        let rows = vec![row("x", &cells), row("x", &cells), row("x", &cells)];
        let text = human(&table(rows), Paint::PLAIN);
        assert_eq!(text.matches("all 3 repositories").count(), 1, "{text}");
    }

    #[test]
    fn a_reason_of_several_is_given_once() {
        let hook = || bad("no").detail("not installed").command("bakstop status");
        let all = ["a", "b", "c"].map(|name| row(name, &[hook()]));
        let shown = |rows: &[FleetRow]| human(&table(rows.to_vec()), Paint::PLAIN);
        let text = shown(&all);
        let reason = "  rules: not installed\n      bakstop status\n";
        assert!(text.contains(&format!("\nall 3 repositories\n{reason}\n")), "{text}");
        let text = shown(&[&all[..], &[row("d", &[Cell::good("ok")])]].concat());
        let reason = "  rules: not installed\n      a, b, c\n      bakstop status\n";
        assert!(text.contains(&format!("\n3 repositories\n{reason}\n")), "{text}");
        let text = shown(&all[..2]);
        assert_eq!(text.matches("  rules: not installed\n").count(), 2, "{text}");
    }

    #[test]
    fn the_verdict_counts_warnings_if_asked() {
        let with = |state| row("a", &[Cell::good("ok"), Cell::new(state, "x")]);
        for (state, verdicts) in [
            (CellState::Open, [Verdict::Clean, Verdict::Clean]),
            (CellState::Good, [Verdict::Clean, Verdict::Clean]),
            (CellState::Warning, [Verdict::Clean, Verdict::Found]),
            (CellState::Bad, [Verdict::Found, Verdict::Found]),
            (CellState::Unknown, [Verdict::Failed, Verdict::Failed]),
        ] {
            let one = table(vec![with(state)]);
            let strict = FleetTable { deny_warnings: true, ..one.clone() };
            assert_eq!([one.verdict(), strict.verdict()], verdicts, "{state:?}");
        }
        let both = table(vec![with(CellState::Bad), failed("hung")]);
        assert_eq!(both.verdict(), Verdict::Failed, "a failure is not hidden by what is bad");
    }

    #[test]
    fn no_format_obeys_a_name() {
        let cells = [bad("1 error"), bad("missing").detail("x")];
        let failed = FleetRow { path: HOSTILE.into(), ..failed("::error::forged") };
        let table = table(vec![row(HOSTILE, &cells), failed]);
        for format in FleetFormat::value_variants() {
            let text = report(*format, &table, Paint::PLAIN);
            for harmful in ["\u{1b}", "\u{202e}", "\n::error", "##[add"] {
                assert!(!text.contains(harmful), "{format:?} has {harmful:?}: {text}");
            }
        }
        assert!(!markdown(&table).contains("<&"), "{}", markdown(&table));
    }
}
