//! Objects by id, from the cheapest layer that has them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use once_cell::unsync::OnceCell;

use crate::base::change::{Content, Entry, ObjectId};
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::git::layer::ObjectKind;
use crate::git::process::{CatFile, Git, lines};
use crate::git::repository::Repository;
use crate::git::store::{Store, is_empty_tree};
use crate::os::env::Environment;

/// The largest tree or commit that is read, in bytes. A directory of a million files is smaller.
const LIMIT: u64 = 256 * 1024 * 1024;

/// The maximum size in bytes of a commit's subject: every finding about the commit has a copy.
const SUBJECT: usize = 200;

/// The objects of a repository: from the files of its store, or else from `git cat-file`.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Store,
    git: Git,
    /// Started for the first object that is not found in the store.
    cat_file: OnceCell<CatFile>,
    /// The first tree that was read: the top of a state, in which files are looked up later.
    top: OnceCell<(ObjectId, Vec<u8>)>,
}

impl Objects {
    /// The objects of the repository that this git would use, for a walk over history.
    pub(crate) fn open(git: &Git, env: &Environment) -> Self {
        let directories = match Repository::find(git.directory(), env) {
            Ok(repository) => vec![repository.objects()],
            Err(_) => directories(git, env),
        };
        Self::new(Store::for_history(directories), git.clone())
    }

    /// The objects of this store, and all others that git finds.
    pub(super) fn new(store: Store, git: Git) -> Self {
        Self { store, git, cat_file: OnceCell::new(), top: OnceCell::new() }
    }

    /// The same objects, for this number of threads.
    pub(super) fn reopened(&self, threads: usize) -> Vec<Self> {
        let stores = self.store.reopened(threads).into_iter();
        stores.map(|store| Self::new(store, self.git.clone())).collect()
    }

    /// The content of an entry, at most `limit` bytes of it.
    pub(crate) fn blob(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        match self.store.blob(&entry.id, limit) {
            Some(content) => Ok(content),
            None => self.cat_file()?.read(entry, limit),
        }
    }

    /// Reads the raw content of a tree into a buffer.
    pub(super) fn tree(&self, id: &ObjectId, buffer: &mut Vec<u8>) -> Result<(), Error> {
        if let Some((_, raw)) = self.top.get().filter(|(known, _)| known == id) {
            buffer.clear();
            buffer.extend_from_slice(raw);
            return Ok(());
        }
        self.raw(id, ObjectKind::Tree, buffer)?;
        self.top.get_or_init(|| (*id, buffer.clone()));
        Ok(())
    }

    /// The first line of a commit's message, safe to print; empty if it cannot be read.
    pub(crate) fn subject(&self, commit: &ObjectId) -> String {
        let mut buffer = Vec::new();
        match self.raw(commit, ObjectKind::Commit, &mut buffer) {
            Ok(()) => subject(&buffer),
            Err(_) => String::new(),
        }
    }

    /// The tree of a commit, if the store has it. Starts no process.
    pub(super) fn tree_of(&self, commit: &ObjectId) -> Option<ObjectId> {
        let mut raw = Vec::new();
        self.store.raw(commit, ObjectKind::Commit, &mut raw).then(|| tree_line(&raw)).flatten()
    }

    /// Reads the raw content of an object of this kind into a buffer.
    pub(super) fn raw(
        &self,
        id: &ObjectId,
        kind: ObjectKind,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // Git knows the empty tree even if no store has it.
        if kind == ObjectKind::Tree && is_empty_tree(id) {
            buffer.clear();
            return Ok(());
        }
        if self.store.raw(id, kind, buffer) {
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

    fn cat_file(&self) -> Result<&CatFile, Error> {
        self.cat_file.get_or_try_init(|| self.git.cat_file())
    }
}

/// The directories that git reads objects from, except alternates listed in files. While a server
/// runs the hooks of a push, the environment names them: the pushed objects are in quarantine
/// (git(1)).
fn directories(git: &Git, env: &Environment) -> Vec<PathBuf> {
    let own = env
        .get("GIT_OBJECT_DIRECTORY")
        .map(PathBuf::from)
        .or_else(|| git.path("find the objects", &["rev-parse", "--git-path", "objects"]).ok());
    let alternates = env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
    let alternates = alternates.as_bytes().split(|&byte| byte == b':').map(OsStr::from_bytes);
    let alternates = alternates.filter(|path| !path.is_empty()).map(PathBuf::from);
    own.into_iter().chain(alternates).map(|path| git.directory().join(path)).collect()
}

/// The tree of a raw commit: its first line names it.
pub(super) fn tree_line(commit: &[u8]) -> Option<ObjectId> {
    let line = commit.strip_prefix(b"tree ")?.split(|&byte| byte == b'\n').next()?;
    ObjectId::from_hex(line)
}

/// The first line of the message of a raw commit, which follows the headers.
pub(super) fn subject(commit: &[u8]) -> String {
    let message = memchr::memmem::find(commit, b"\n\n").map_or(&[][..], |end| &commit[end..]);
    let line = lines(message.trim_ascii_start()).next().unwrap_or_default().trim_ascii_end();
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
