//! A change held in memory, for the tests of the engine and of the rules.

use std::cell::RefCell;

use crate::base::change::{Change, Content, Entry, Mode, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;

/// A change held in memory, for the tests of the engine and of the rules.
#[derive(Default)]
pub(crate) struct Fake {
    whole: Vec<Entry>,
    fresh: Vec<Entry>,
    contents: Vec<Content>,
    /// The paths that were read, in order.
    pub read: RefCell<Vec<String>>,
}

impl Fake {
    pub(crate) fn with(mut self, path: &str, mode: Mode, content: Content, fresh: bool) -> Self {
        let entry =
            Entry { path: RepoPath::from(path), mode, id: self.next_id(), fresh, replaces: None };
        if fresh {
            self.fresh.push(entry.clone());
        }
        self.whole.push(entry);
        self.contents.push(content);
        self
    }

    /// A new regular file.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.with(path, Mode::File, Content::Bytes(text.into()), true)
    }

    /// A regular file with another content than before.
    pub(crate) fn edited(mut self, path: &str, old: &str, new: &str) -> Self {
        let before = self.next_id();
        self.contents.push(Content::Bytes(old.into()));
        self = self.file(path, new);
        self.fresh.last_mut().unwrap().replaces = Some(before);
        self
    }

    /// The id of the next content: its number, and zeros.
    fn next_id(&self) -> ObjectId {
        let mut id = [0; 20];
        id[0] = u8::try_from(self.contents.len()).unwrap();
        ObjectId::from_bytes(&id).unwrap()
    }

    /// A regular file that was there before.
    pub(crate) fn old(self, path: &str, text: &str) -> Self {
        self.with(path, Mode::File, Content::Bytes(text.into()), false)
    }
}

impl Change for Fake {
    fn fresh(&self) -> &[Entry] {
        &self.fresh
    }
    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        Ok(self.whole.iter().filter(|entry| wanted(&entry.path)).cloned().collect())
    }
    fn before(&self, _: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        let older = |entry: &Entry| {
            let before = |id| Entry { id, fresh: false, replaces: None, ..entry.clone() };
            Older { path: entry.path.clone(), entry: entry.replaces.map(before) }
        };
        let is_edited = self.fresh.iter().any(|entry| entry.replaces.is_some());
        Ok(is_edited.then(|| self.fresh.iter().map(older).collect()).into_iter().collect())
    }
    fn read(&self, entry: &Entry, _limit: u64) -> Result<Content, Error> {
        self.read.borrow_mut().push(entry.path.to_string());
        Ok(self.contents[usize::from(entry.id.as_bytes()[0])].clone())
    }
}
