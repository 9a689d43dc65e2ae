//! Reads a configuration, from a text or from a change.

use jiff::civil::Date;

use crate::base::change::{Change, Content, Entry, File};
use crate::base::error::Error;
use crate::base::finding::Place;
use crate::config::{Config, FILE, LIMIT, reader};
use crate::rule::{ConfigReading, Problem};

/// The maximum number of problems that an error lists.
const LISTED: usize = 20;

impl Config {
    /// Parses a configuration. `name` is printed; `today` decides which allowances have expired.
    /// The error lists one problem a line.
    pub(crate) fn parse(name: &str, text: &[u8], today: Date) -> Result<Self, Error> {
        match reader::parse(name, text) {
            (config, problems) if problems.is_empty() => Ok(Self { today, ..config }),
            (_, problems) => Err(unreadable(name, text, problems)),
        }
    }

    /// The configuration in a change, or the default.
    pub(crate) fn from_change(
        change: &dyn Change,
        today: impl FnOnce() -> Date,
    ) -> Result<Self, Error> {
        let Some(entry) = change.at(&FILE.into())? else { return Ok(Self::default()) };
        match text(change, &entry)? {
            Ok(text) => Self::parse(FILE, &text, today()),
            Err(problem) => Err(unreadable(FILE, &[], vec![problem])),
        }
    }
}

/// The problems of a configuration among the judged files.
pub(crate) fn examine(change: &dyn Change, entry: &Entry) -> Result<ConfigReading, Error> {
    let (text, problems) = match text(change, entry)? {
        Ok(text) => {
            let problems = reader::parse(FILE, &text).1;
            (text, problems)
        }
        Err(problem) => (Vec::new(), vec![problem]),
    };
    let file = File {
        path: entry.path.clone(),
        text,
        fresh: entry.fresh,
        replaces: entry.replaces.is_some(),
    };
    Ok(ConfigReading { file, problems, expired: Vec::new(), unused: Vec::new() })
}

/// The text of a configuration, or why it cannot be one.
fn text(change: &dyn Change, entry: &Entry) -> Result<Result<Vec<u8>, Problem>, Error> {
    let problem = |message: &str| Ok(Err(Problem { span: None, message: message.into() }));
    if !entry.is_regular() {
        return problem("it must be a regular file, and is a symbolic link or a submodule");
    }
    match change.read(entry, LIMIT)? {
        Content::Bytes(text) => Ok(Ok(text)),
        Content::TooLarge(_) => problem("it is larger than 1 MiB"),
    }
}

/// The error that lists the problems of a configuration.
fn unreadable(name: &str, text: &[u8], problems: Vec<Problem>) -> Error {
    let beyond = problems.len().saturating_sub(LISTED);
    let line = |problem: Problem| match problem.span {
        Some(span) => {
            let Place { line, column, .. } = Place::position(text, &span);
            format!("{name}:{line}:{column}: {}", problem.message)
        }
        None => format!("{name}: {}", problem.message),
    };
    let mut lines: Vec<String> = problems.into_iter().take(LISTED).map(line).collect();
    if beyond > 0 {
        lines.push(format!("and {beyond} more problems"));
    }
    Error::new("read the configuration", lines.join("\n"))
}
