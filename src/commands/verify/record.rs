//! The file that keeps what builds took.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{Access, FlockOperation, access, flock};

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::verify::shown;
use crate::measure::runs::{self, Run, Usual};
use crate::os::child::Ran;
use crate::snapshot::Tree;

/// A record, and what the run is called that is to be added to it.
pub(super) struct Record<'a> {
    file: &'a Path,
    label: String,
    runs: Vec<Run>,
}

/// The runs in a file; `None` if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<Vec<Run>>, Error> {
    let doing = format!("read the record {}", shown(file));
    let about = fs::metadata(file);
    // What is a pipe or a device has no end, or no beginning.
    if about.as_ref().is_ok_and(|about| !about.is_file()) {
        return Err(Error::new(doing, "it is not a regular file").help("name another"));
    }
    let text = match about.and_then(|_| fs::read(file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| Error::new(&*doing, error).help("make it a file that this user can read"))?,
    };
    let parsed = runs::parse(&String::from_utf8_lossy(&text[..runs::whole(&text)]));
    parsed.map(Some).map_err(|line| {
        Error::new(doing, format!("line {line} is not a recorded run")).help("take the line out, or name another file")
    })
}

impl<'a> Record<'a> {
    /// Reads what is there. A file that is not there yet is made when the first run is added.
    pub(super) fn open(file: &'a Path, label: String) -> Result<Self, Error> {
        let runs = read(file)?;
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = if runs.is_none() { directory } else { file };
        access(place, Access::WRITE_OK).map_err(|error| {
            Error::new(format!("write the record {}", shown(file)), error)
                .help("give a file in a directory that exists and can be written to")
        })?;
        Ok(Self { file, label, runs: runs.unwrap_or_default() })
    }

    /// What a run of this label usually takes.
    pub(super) fn usual(&self) -> Option<Usual> {
        Usual::of(self.runs.iter(), &self.label)
    }

    /// Adds a run. Others may add theirs at the same time.
    pub(super) fn append(
        &self,
        started: Timestamp,
        ran: &Ran,
        tree: Tree,
        commit: Option<ObjectId>,
    ) -> Result<(), Error> {
        let seconds = ran.took.as_secs_f64();
        let run = Run { label: self.label.clone(), started, seconds, exit_code: ran.ended.code(), tree, commit };
        write(self.file, &run.line()).map_err(|error| {
            Error::new(format!("write the record {}", shown(self.file)), error)
                .help(format!("make it writable for this user; the command {}", ran.ended.told()))
        })
    }
}

fn write(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    // Gone with the file.
    flock(&file, FlockOperation::LockExclusive)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = runs::whole(&text);
    if whole < text.len() {
        file.set_len(whole as u64)?;
    }
    // Somebody's editor left the last line open.
    let start = if text[..whole].last().is_none_or(|&byte| byte == b'\n') { "" } else { "\n" };
    let written = file.write_all(format!("{start}{line}").as_bytes());
    if written.is_err() {
        // Half a line would be in the way of every later run.
        let _ = file.set_len(whole as u64);
    }
    written
}

impl Display for Record<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\" in {}", Escaped(self.label.as_bytes()), shown(self.file))
    }
}
