//! A table of many repositories: its cells, the list of the repositories, how a file differs from
//! its canonical one, and what builds took. It does no I/O.

use serde_json::{Value, json};

pub(crate) mod list;
pub(crate) mod drift;
pub(crate) mod times;

/// The text of a cell about something that was not looked at, or is not there.
pub(crate) const NOTHING: &str = "—";

/// What a cell says about its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CellState {
    /// It was not looked at, does not apply, or is not there yet.
    Open,
    Good,
    Warning,
    Bad,
    /// It could not be judged.
    Unknown,
}

impl CellState {
    /// The names in reports.
    pub(crate) const NAMES: [(Self, &str); 5] = [
        (Self::Open, "open"),
        (Self::Good, "ok"),
        (Self::Warning, "warning"),
        (Self::Bad, "bad"),
        (Self::Unknown, "unknown"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A cell of the table. All texts are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub state: CellState,
    /// A word or two.
    pub text: String,
    /// The reason, if there is more to say.
    pub detail: Option<String>,
    /// The command that shows more; from the repository itself, only the arguments of bakstop.
    pub command: Option<String>,
}

impl Cell {
    pub(crate) fn new(state: CellState, text: impl Into<String>) -> Self {
        Self { state, text: text.into(), detail: None, command: None }
    }

    /// A cell about something that was not looked at, or is not there.
    pub(crate) fn open() -> Self {
        Self::new(CellState::Open, NOTHING)
    }

    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self::new(CellState::Good, text)
    }

    #[must_use]
    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    #[must_use]
    pub(crate) fn command(self, arguments: impl Into<String>) -> Self {
        Self { command: Some(arguments.into()), ..self }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "state": self.state.name(),
            "text": self.text,
            "detail": self.detail,
            "command": self.command,
        })
    }

    /// A cell that [`Self::json`] wrote; `None` for anything else.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let text = |key: &str| match &value[key] {
            Value::Null => Some(None),
            text => text.as_str().map(|text| Some(text.to_owned())),
        };
        Some(Self {
            state: CellState::NAMES.into_iter().find(|(_, name)| value["state"] == *name)?.0,
            text: text("text")??,
            detail: text("detail")?,
            command: text("command")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_was_written() {
        for (state, name) in CellState::NAMES {
            assert_eq!(state.name(), name);
            let cell = Cell::new(state, "2 errors").detail("a, b").command("check");
            assert_eq!(Cell::parse(&cell.json()), Some(cell));
        }
        assert_eq!(Cell::parse(&Cell::open().json()), Some(Cell::open()));
        for other in [json!(1), json!({}), json!({ "state": "good", "text": "" })] {
            assert_eq!(Cell::parse(&other), None, "{other}");
        }
    }
}
