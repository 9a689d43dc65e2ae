//! Whether a preparation is up to date, for other verbs than `prep`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::preparing::directory::LeftoverDirectory;
use crate::commands::preparing::request::{self, Request};
use crate::commands::preparing::sibling::Sibling;
use crate::config::{self, Config};
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::prepare::record::Record;

/// The maximum number of packages that are named.
const SHOWN: usize = 3;

/// A prepared work tree.
pub(in crate::commands) struct PreparedTree {
    /// The leftover directory, safe to print.
    directory: String,
    written: Option<Timestamp>,
    /// The packages whose sources are others now, or why they are not compared.
    pub outdated: Result<Vec<String>, Error>,
}

/// The preparation of a work tree, and whether the sibling has moved on; `None` if it is not
/// prepared. Nothing else is read then.
pub(in crate::commands) fn look(tree: &WorkTree, config: &Config) -> Option<PreparedTree> {
    let about = request::directory(config.prep(), config.debris()).ok()?;
    let directory = LeftoverDirectory::new(tree.top(), &about);
    let record = directory.record()?;
    let written = directory.written().and_then(|time| Timestamp::try_from(time).ok());
    Some(PreparedTree { directory: about.name, written, outdated: outdated(tree, config, &record) })
}

/// A line about [`look`].
pub(in crate::commands) fn note(tree: &WorkTree, config: &Config) -> Option<String> {
    let PreparedTree { directory, written, outdated } = look(tree, config)?;
    let since = written.map(|time| {
        let time = time.to_zoned(TimeZone::UTC).datetime();
        let (hour, minute) = (time.hour(), time.minute());
        format!(" since {} {hour:02}:{minute:02} UTC", time.date())
    });
    let state = match outdated {
        Ok(names) if names.is_empty() => "its sibling is as it was".to_owned(),
        Ok(names) => {
            let mut shown: Vec<String> =
                names.iter().take(SHOWN).map(|name| Escaped(name.as_bytes()).to_string()).collect();
            if names.len() > SHOWN {
                shown.push("…".to_owned());
            }
            format!("its sibling has moved on: {}", shown.join(", "))
        }
        Err(error) => format!("its sibling is not compared: {}", error.cause()),
    };
    Some(format!("bakstop: {directory} is prepared{}; {state}", since.unwrap_or_default()))
}

/// [`note`] by the configuration of the work tree; `None` as well if that cannot be read.
pub(in crate::commands) fn note_by_own(tree: &WorkTree, now: Timestamp) -> Option<String> {
    let files = OnDisk::file(tree, config::FILE.into()).ok()?;
    let today = || now.to_zoned(TimeZone::UTC).date();
    note(tree, &Config::from_change(&files, today).ok()?)
}

/// The packages whose inputs in the sibling are others now. Starts git alone, and reads all files
/// of the sibling's packages.
fn outdated(tree: &WorkTree, config: &Config, record: &Record) -> Result<Vec<String>, Error> {
    let keys = Sibling::read(&Request::again(config, tree.top(), record)?)?.keys()?;
    Ok(record.outdated(&keys).into_iter().map(str::to_owned).collect())
}
