//! The leftover directory that a preparation writes to, and nothing outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::base::change::Mode;
use crate::base::debris::{Debris, Directory};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::preparing::cache;
use crate::commands::preparing::request::DOING;
use crate::disk::atomic::{self, Bits, Old, WriteError};
use crate::disk::read::{self, FinalLink};
use crate::git::private::is_beside;
use crate::git::worktree::WorkTree;
use crate::prepare::key::sha256;
use crate::prepare::plan::FileChange;
use crate::prepare::record::{self, Record, RecordedFile};
use crate::project::directories::ancestors;

/// The leftover directory at the top of a work tree.
#[derive(Debug)]
pub(in crate::commands) struct LeftoverDirectory {
    place: PathBuf,
    path: RepoPath,
    keep: Vec<String>,
}

impl LeftoverDirectory {
    pub(in crate::commands) fn new(top: &Path, about: &Directory) -> Self {
        let path = RepoPath::from(about.name.as_str());
        Self { place: top.join(&about.name), path, keep: about.keep.clone() }
    }

    /// The record of the last preparation, if there is one that this version can read.
    pub(in crate::commands) fn record(&self) -> Option<Record> {
        let place = self.place.join(record::FILE);
        Record::parse(&read::file(&place, FinalLink::Refuse, record::LIMIT).ok()?)
    }

    /// When the record was written.
    pub(in crate::commands) fn written(&self) -> Option<SystemTime> {
        self.place.join(record::FILE).symlink_metadata().ok()?.modified().ok()
    }

    /// The path of the record, from the top of the work tree.
    pub(in crate::commands) fn record_path(&self) -> RepoPath {
        self.path_of(&record::FILE.into())
    }

    /// The path of a file of the preparation, from the top of the work tree.
    pub(in crate::commands) fn path_of(&self, inner: &RepoPath) -> RepoPath {
        self.path.join(inner)
    }

    /// Removes every file of it but those that are kept, the record first: what is left by a run
    /// that is killed here is no preparation. A directory that is empty then goes as well, so that
    /// the tree is as in a fresh clone.
    pub(in crate::commands) fn empty(&self) -> Result<(), Error> {
        let files = self.files()?;
        let record = self.record_path();
        for path in files.iter().filter(|path| **path == record) {
            self.remove(path)?;
        }
        for path in files.iter().filter(|path| **path != record) {
            self.remove(path)?;
        }
        match atomic::remove(&self.place) {
            Ok(()) => Ok(()),
            Err(WriteError::Io(error))
                if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed("remove", &self.path, error)),
        }
    }

    /// A file of the preparation.
    pub(in crate::commands) fn read(&self, path: &str) -> Option<Vec<u8>> {
        read::file(&self.place.join(path), FinalLink::Refuse, cache::LIMIT).ok()
    }

    /// Fails unless git ignores what is written, and tracks nothing there but the files that are
    /// kept. Without git, there is nothing to fail.
    pub(in crate::commands) fn must_be_ignored(&self, tree: &WorkTree) -> Result<(), Error> {
        if !tree.has_git() {
            return Ok(());
        }
        let path = &self.path;
        let samples = [record::FILE, "x.tgz", "tree/x"].map(|name| path.join(&name.into()));
        if !tree.ignores(&samples)? {
            return Err(Error::new(DOING, format!("git does not ignore {path}"))
                .help(format!("add this line to the .gitignore at the top: {path}/*")));
        }
        let tracked = tree.tracked_in(path)?;
        if let Some(file) = tracked.iter().find(|file| !self.is_kept(file)) {
            return Err(Error::new(DOING, format!("{file} is tracked"))
                .help(format!("git rm -r --cached {}", file.as_pathspec(true))));
        }
        Ok(())
    }

    /// Whether a path from the top of the work tree is one of the files that are kept.
    fn is_kept(&self, path: &RepoPath) -> bool {
        let mut debris = Debris::default();
        let name = String::from_utf8_lossy(self.path.as_bytes()).into_owned();
        debris.add(Directory { name, keep: self.keep.clone() });
        path.is_in(self.path.as_bytes()) && debris.content_of(path, Mode::File).is_none()
    }

    /// The files in it, without those that are kept. A link, a device or a repository there is an
    /// error: what it leads to is not to be changed.
    pub(in crate::commands) fn files(&self) -> Result<BTreeSet<RepoPath>, Error> {
        let mut found = BTreeSet::new();
        let about = read::if_exists(self.place.symlink_metadata());
        match about.map_err(|error| self.failed("examine", &self.path, error))? {
            None => {}
            Some(about) if about.is_dir() => self.list(&self.path, &mut found)?,
            Some(about) if about.is_file() => return Err(irregular(&self.path, "a file")),
            Some(about) => return Err(irregular(&self.path, read::noun(about.file_type()))),
        }
        found.retain(|path| !self.is_kept(path) && !is_beside(path));
        Ok(found)
    }

    fn list(&self, directory: &RepoPath, found: &mut BTreeSet<RepoPath>) -> Result<(), Error> {
        let place = self.at(directory);
        let list = read::list(&place).map_err(|error| self.failed("list", directory, error))?;
        for place in list {
            let name = RepoPath::new(place.file_name().unwrap_or_default().as_bytes());
            let path = directory.join(&name);
            let about =
                place.symlink_metadata().map_err(|error| self.failed("examine", &path, error))?;
            match about.file_type() {
                _ if name.as_bytes() == b".git" => return Err(irregular(&path, "a repository")),
                kind if kind.is_dir() => self.list(&path, found)?,
                kind if kind.is_file() => _ = found.insert(path),
                kind => return Err(irregular(&path, read::noun(kind))),
            }
        }
        Ok(())
    }

    /// The top of the work tree.
    pub(in crate::commands) fn top(&self) -> &Path {
        self.place.parent().unwrap_or(&self.place)
    }

    /// The place of a path from the top of the work tree.
    fn at(&self, path: &RepoPath) -> PathBuf {
        self.top().join(OsStr::from_bytes(path.as_bytes()))
    }

    fn failed(&self, verb: &str, path: &RepoPath, error: impl std::fmt::Display) -> Error {
        let path = if path.as_bytes().is_empty() { &self.path } else { path };
        Error::new(format!("{verb} {path}"), error)
            .help("make the leftover directory one of this user")
    }

    /// What writing would change: for the new content of each path in it.
    pub(in crate::commands) fn changes(
        &self,
        wanted: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<(RepoPath, FileChange)>, Error> {
        let existing = self.files()?;
        let wanted: Vec<(RepoPath, &Vec<u8>)> = wanted
            .iter()
            .map(|(path, bytes)| (self.path.join(&path.as_str().into()), bytes))
            .collect();
        let state = |(path, bytes): &(RepoPath, &Vec<u8>)| {
            let limit = bytes.len() as u64;
            let now = existing
                .contains(path)
                .then(|| read::file(&self.at(path), FinalLink::Refuse, limit));
            let is_same = now.and_then(Result::ok).as_ref() == Some(*bytes);
            (path.clone(), if is_same { FileChange::Unchanged } else { FileChange::Written })
        };
        let mut changes: Vec<_> = wanted.par_iter().map(state).collect();
        let names: BTreeSet<&RepoPath> = wanted.iter().map(|(path, _)| path).collect();
        let gone = existing.iter().filter(|path| !names.contains(path));
        changes.extend(gone.map(|path| (path.clone(), FileChange::Removed)));
        changes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(changes)
    }

    /// Makes the directory equal to this preparation: first the tarballs, then what refers to them,
    /// then the removals, at last the record. Killed in between, each file is whole, and every
    /// tarball that a file refers to is there. No time is ever set: `BuildKit` takes a file of the
    /// same size and time for the old one. If a file cannot be written, the directory is emptied.
    pub(in crate::commands) fn write(
        &self,
        wanted: &BTreeMap<String, Vec<u8>>,
        record: Record,
    ) -> Result<Vec<(RepoPath, FileChange)>, Error> {
        let mut all = wanted.clone();
        let files = wanted
            .iter()
            .map(|(path, bytes)| RecordedFile { path: path.clone(), sha256: sha256(bytes) });
        let record = Record { files: files.collect(), ..record };
        all.insert(record::FILE.to_owned(), record.text().into_bytes());
        let changes = self.changes(&all)?;
        if let Err(error) = self.carry_out(&changes, &all) {
            // Some images would take it, and others not. If this fails too, the first error is why.
            let _ = self.empty();
            return Err(error);
        }
        Ok(changes)
    }

    fn carry_out(
        &self,
        changes: &[(RepoPath, FileChange)],
        all: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Error> {
        let of = |wanted| changes.iter().filter(move |(_, change)| *change == wanted);
        let written: BTreeSet<&RepoPath> = of(FileChange::Written).map(|(path, _)| path).collect();
        let above: BTreeSet<&[u8]> =
            written.iter().flat_map(|path| ancestors(path.parent())).collect();
        let is_in_the_way = |path: &RepoPath| {
            let mut around = ancestors(path.parent());
            above.contains(path.as_bytes()) || around.any(|it| written.contains(&RepoPath::new(it)))
        };
        let (first, last): (Vec<&RepoPath>, Vec<&RepoPath>) =
            of(FileChange::Removed).map(|(path, _)| path).partition(|path| is_in_the_way(path));
        for path in first {
            self.remove(path)?;
        }
        let is_written = |inner: &str| written.contains(&self.path.join(&inner.into()));
        let files = all.iter().filter(|(inner, _)| *inner != record::FILE && is_written(inner));
        let (overlay, tarballs): (Vec<_>, Vec<_>) =
            files.partition(|(inner, _)| inner.contains('/'));
        for (inner, bytes) in tarballs.into_iter().chain(overlay) {
            self.put(inner, bytes)?;
        }
        for path in last {
            self.remove(path)?;
        }
        if is_written(record::FILE) { self.put(record::FILE, &all[record::FILE]) } else { Ok(()) }
    }

    fn put(&self, inner: &str, bytes: &[u8]) -> Result<(), Error> {
        let place = self.place.join(inner);
        let parent = place.parent().unwrap_or(&self.place);
        let make = || {
            if parent.is_dir() { Ok(()) } else { atomic::make_directory(parent, Bits::New(0o777)) }
        };
        make().and_then(|()| atomic::write(&place, bytes, Bits::Kept, Old::Any)).map_err(|error| {
            let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
            let is_full = matches!(&error, WriteError::Io(error) if full.contains(&error.kind()));
            let failed = self.failed("write", &self.path.join(&inner.into()), error);
            if is_full { failed.help("free some space there, and run this again") } else { failed }
        })
    }

    /// Removes a file, and the directories in the leftover directory that are empty then.
    fn remove(&self, path: &RepoPath) -> Result<(), Error> {
        let remove = |path: &RepoPath| atomic::remove(&self.at(path));
        remove(path).map_err(|error| self.failed("remove", path, error))?;
        let mut above = RepoPath::new(path.parent());
        while above.as_bytes().len() > self.path.as_bytes().len() {
            match remove(&above) {
                Err(WriteError::Io(error))
                    if error.kind() == std::io::ErrorKind::DirectoryNotEmpty =>
                {
                    break;
                }
                done => done.map_err(|error| self.failed("remove", &above, error))?,
            }
            above = RepoPath::new(above.parent());
        }
        Ok(())
    }
}

fn irregular(path: &RepoPath, noun: &str) -> Error {
    Error::new(DOING, format!("{path} is {noun}"))
        .help("remove it: a preparation writes only regular files there")
}
