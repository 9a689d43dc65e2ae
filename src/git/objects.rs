//! Objects by their ids, from the cheapest layer that has them.

use std::path::PathBuf;

use once_cell::unsync::OnceCell;

use crate::base::change::{Content, Entry, ObjectId};
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::git::layer::{Handover, ObjectKind};
use crate::git::odb::{Odb, is_empty_tree};
use crate::git::process::{CatFile, Git};
use crate::git::store::Store;
use crate::os::env::Environment;

/// The largest tree or commit that is read, in bytes. A directory of a million files stays below
/// it.
const LIMIT: u64 = 256 * 1024 * 1024;

/// The most bytes of a commit's subject that are kept: it goes into every finding about the commit.
const SUBJECT: usize = 200;

/// An object store.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The files of the store, where it is known which ones they are.
    store: Option<Store>,
    /// Opened when the store above lacks an object.
    odb: OnceCell<Option<Odb>>,
    git: Git,
    /// Started when neither of them has an object.
    cat_file: OnceCell<CatFile>,
    /// Why gix did not open the store, where that was tried first.
    handover: Option<Handover>,
}

impl Objects {
    /// The store of the repository that this git would use in this environment.
    pub(crate) fn open(git: &Git, env: &Environment) -> Self {
        let (store, odb, handover) = match Odb::follows(env).and_then(|()| Odb::open(git)) {
            Ok(odb) => (Some(Store::of_many(odb.directory().to_owned())), Some(odb), None),
            Err(reason) => (Store::of_environment(git.directory(), env), None, Some(reason)),
        };
        let odb = OnceCell::with_value(odb);
        Self { store, odb, git: git.clone(), cat_file: OnceCell::new(), handover }
    }

    /// The store of a repository that is not opened before an object is missing in `store`.
    pub(super) fn unopened(store: Option<Store>, git: Git, env: &Environment) -> Self {
        let odb = match Odb::follows(env) {
            Ok(()) => OnceCell::new(),
            Err(_) => OnceCell::with_value(None),
        };
        Self { store, odb, git, cat_file: OnceCell::new(), handover: None }
    }

    /// Which layer answers, for `--verbose`: the end of a sentence.
    pub(crate) fn layer(&self) -> String {
        match (&self.store, &self.handover) {
            (None, Some(reason)) => format!("read by git, because {reason}"),
            _ => "read directly".into(),
        }
    }

    /// The content of an entry, at most `limit` bytes of it.
    pub(crate) fn blob(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        let store = self.store.as_ref().and_then(|store| store.blob(&entry.id, limit));
        match store.or_else(|| self.odb().and_then(|odb| odb.blob(&entry.id, limit))) {
            Some(content) => Ok(content),
            None => self.cat_file()?.read(entry, limit),
        }
    }

    /// The raw content of a tree, into a buffer.
    pub(super) fn tree(&self, id: &ObjectId, buffer: &mut Vec<u8>) -> Result<(), Error> {
        self.raw(id, ObjectKind::Tree, buffer)
    }

    /// The first line of a commit's message, safe to print; empty where it cannot be had.
    pub(crate) fn subject(&self, commit: &ObjectId) -> String {
        let mut buffer = Vec::new();
        match self.raw(commit, ObjectKind::Commit, &mut buffer) {
            Ok(()) => subject(&buffer),
            Err(_) => String::new(),
        }
    }

    /// The tree of a commit, if it is here and no process has to be asked.
    pub(super) fn tree_of(&self, commit: &ObjectId) -> Option<ObjectId> {
        let mut raw = Vec::new();
        self.read_here(commit, ObjectKind::Commit, &mut raw).then(|| tree_line(&raw)).flatten()
    }

    /// The raw content of an object of this kind, into a buffer.
    pub(super) fn raw(
        &self,
        id: &ObjectId,
        kind: ObjectKind,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // Git knows the empty tree without having it.
        if kind == ObjectKind::Tree && is_empty_tree(id) {
            buffer.clear();
            return Ok(());
        }
        if self.read_here(id, kind, buffer) {
            return Ok(());
        }
        let doing = || format!("read the {} {id}", kind.name());
        match self.cat_file()?.object(id, kind, LIMIT, doing)? {
            Content::Bytes(raw) => {
                *buffer = raw;
                Ok(())
            }
            Content::TooLarge(size) => {
                Err(Error::new(doing(), format!("it is too large ({size} bytes)")))
            }
        }
    }

    /// Where the list of a shallow clone's last commits would be, if gix has the repository open.
    pub(super) fn shallow_file(&self) -> Option<PathBuf> {
        self.odb.get()?.as_ref().and_then(Odb::shallow_file)
    }

    fn read_here(&self, id: &ObjectId, kind: ObjectKind, buffer: &mut Vec<u8>) -> bool {
        self.store.as_ref().is_some_and(|store| store.raw(id, kind, buffer))
            || self.odb().is_some_and(|odb| odb.raw(id, kind, buffer))
    }

    fn odb(&self) -> Option<&Odb> {
        self.odb.get_or_init(|| Odb::open(&self.git).ok()).as_ref()
    }

    fn cat_file(&self) -> Result<&CatFile, Error> {
        self.cat_file.get_or_try_init(|| self.git.cat_file())
    }
}

/// The tree that the first line of a raw commit names.
pub(super) fn tree_line(commit: &[u8]) -> Option<ObjectId> {
    let line = commit.strip_prefix(b"tree ")?.split(|&byte| byte == b'\n').next()?;
    ObjectId::from_hex(line)
}

/// The first line behind the headers of a raw commit.
pub(super) fn subject(commit: &[u8]) -> String {
    let body = commit
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map_or(&[][..], |end| &commit[end + 2..]);
    let line = body
        .trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let end = line.len().min(SUBJECT);
    let dots = if end < line.len() { "…" } else { "" };
    format!("{}{dots}", Escaped(&line[..end]))
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn the_subject_is_the_first_line_made_safe() {
        assert_eq!(
            subject(b"tree x\nauthor a\n\n\nShip \x1b[2J it\n\nmore\n"),
            "Ship \\u{001b}[2J it"
        );
        assert_eq!(subject(b"tree x\nauthor a\n\n"), "");
        assert_eq!(subject(b"tree x"), "");
        assert_eq!(
            subject(&[b"tree x\n\n", &b"a".repeat(5000)[..]].concat()),
            "a".repeat(200) + "…"
        );
    }
}
