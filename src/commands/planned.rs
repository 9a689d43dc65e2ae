//! The work tree as it is planned to be: with other texts of some files, and with new files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::base::change::{Change, Content, Entry, Mode, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;

/// Texts of files that differ from those on disk.
pub(super) type Texts = BTreeMap<RepoPath, Vec<u8>>;

/// A state with other texts of some files.
pub(super) struct Planned<'a> {
    files: &'a dyn Change,
    texts: &'a Texts,
    /// All entries, if there are new ones.
    fresh: Cow<'a, [Entry]>,
}

impl<'a> Planned<'a> {
    pub(super) fn new(files: &'a dyn Change, texts: &'a Texts) -> Self {
        let known = files.fresh();
        let is_new = |path: &&RepoPath| !known.iter().any(|entry| entry.path == **path);
        // Content is read by path; the id is not used.
        let entry = |path: &RepoPath| {
            let (path, id) = (path.clone(), ObjectId::from_bytes(&[0; 20])?);
            Some(Entry { path, mode: Mode::File, id, fresh: true, replaces: None })
        };
        let added: Vec<Entry> = texts.keys().filter(is_new).filter_map(entry).collect();
        let fresh = if added.is_empty() {
            Cow::Borrowed(known)
        } else {
            Cow::Owned([known, &added].concat())
        };
        Self { files, texts, fresh }
    }
}

impl Change for Planned<'_> {
    fn fresh(&self) -> &[Entry] {
        &self.fresh
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let mut found = self.files.entries(wanted)?;
        let added = self.fresh.get(self.files.fresh().len()..).unwrap_or_default();
        found.extend(added.iter().filter(|entry| wanted(&entry.path)).cloned());
        Ok(found)
    }

    fn before(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        self.files.before(wanted)
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        match self.texts.get(&entry.path) {
            Some(text) if text.len() as u64 <= limit => Ok(Content::Bytes(text.clone())),
            Some(text) => Ok(Content::TooLarge(text.len() as u64)),
            None => self.files.read(entry, limit),
        }
    }
}
