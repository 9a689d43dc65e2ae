//! The file of recorded builds.

use std::fmt::{self, Display};
use std::path::Path;

use rustix::fs::{Access, access};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::commands::destination::must_be_untracked;
use crate::disk::destination::Destination;
use crate::disk::read::{self, FinalLink};
use crate::measure::runs::{self, Run};
use crate::os::child::Ended;

/// A record, and the label of the run to add.
pub(in crate::commands) struct Record {
    file: Destination,
    label: String,
    runs: Vec<Run>,
}

/// The maximum size in bytes of a record: some hundred thousand runs.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The runs in a file; `None` if it does not exist.
pub(in crate::commands) fn read(file: &Path) -> Result<Option<Vec<Run>>, Error> {
    let doing = format!("read the record {}", RepoPath::from(file));
    let Some(text) = read::file_if_exists(file, FinalLink::Follow, LIMIT).map_err(|error| {
        Error::new(&*doing, error).help("name a regular file that this user can read")
    })?
    else {
        return Ok(None);
    };
    let (whole, _) = text.split_at_checked(runs::complete_length(&text)).unwrap_or((&text, &[]));
    let parsed = runs::parse(&String::from_utf8_lossy(whole));
    parsed.map(Some).map_err(|line| {
        Error::new(doing, format!("line {line} is not a recorded run"))
            .help("remove the line, or name another file")
    })
}

impl Record {
    /// Reads the record. A missing file is created with the first run.
    pub(in crate::commands) fn open(
        destination: Destination,
        label: String,
    ) -> Result<Self, Error> {
        let file = destination.name();
        let runs = read(file)?;
        let directory =
            file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = if runs.is_none() { directory } else { file };
        access(place, Access::WRITE_OK).map_err(|error| {
            Error::new(format!("write the record {}", RepoPath::from(file)), error)
                .help("name a file in a directory that exists and can be written to")
        })?;
        Ok(Self { runs: runs.unwrap_or_default(), file: destination, label })
    }

    /// The recorded runs, the oldest first.
    pub(in crate::commands) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Appends a run. Other processes may append theirs at the same time.
    pub(in crate::commands) fn append(
        &mut self,
        context: &Context,
        run: &Run,
        ended: Ended,
    ) -> Result<(), Error> {
        must_be_untracked(&self.file, context)?;
        self.file.append(&run.line(), LIMIT, runs::complete_length).map_err(|error| {
            Error::new(format!("write the record {}", RepoPath::from(self.file.name())), error)
                .help(format!("make it writable by this user; the command {}", ended.describe()))
        })?;
        self.runs.push(run.clone());
        Ok(())
    }
}

impl Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "\"{}\" in {}",
            Escaped(self.label.as_bytes()),
            RepoPath::from(self.file.name())
        )
    }
}
