//! The staged content, whichever layer found it.

use once_cell::unsync::OnceCell;

use crate::change::{Change, Content, Entry};
use crate::error::Error;
use crate::git::command::{CatFile, Git};
use crate::git::native;
use crate::path::RepoPath;

/// What is about to be committed.
#[derive(Debug)]
pub struct Staged {
    pub(super) fresh: Vec<Entry>,
    /// Paths with unresolved conflicts: they have no one content that could be judged.
    pub(super) unmerged: Vec<RepoPath>,
    pub(super) native: Option<native::Index>,
    pub(super) git: Git,
    /// Started when a blob is asked for that gix cannot give.
    pub(super) cat_file: OnceCell<CatFile>,
    /// Why the git program was asked instead of gix, if it was.
    pub(super) handover: Option<String>,
    pub(super) below_top: bool,
}

impl Staged {
    /// Whether the user stands below the top of the work tree. Git runs hooks at the top and says in `GIT_PREFIX` where
    /// the user was.
    pub fn is_below_top(&self) -> bool {
        self.below_top
    }

    /// Which layer answered, for `--verbose`.
    pub fn layer(&self) -> String {
        match &self.handover {
            None => "the index was read by gix".into(),
            Some(reason) => format!("the index was read by git, because {reason}"),
        }
    }

    /// Unmerged paths cannot be committed, and cannot be judged either.
    pub(super) fn require_merged(self) -> Result<Self, Error> {
        let Some(first) = self.unmerged.first() else { return Ok(self) };
        let others = match self.unmerged.len() - 1 {
            0 => String::new(),
            1 => " and 1 other path".into(),
            more => format!(" and {more} other paths"),
        };
        Err(Error::new(
            "judge the staged content",
            format!("{first}{others} are unmerged").replace(&format!("{first} are"), &format!("{first} is")),
        )
        .help("resolve the conflicts and `git add` the result"))
    }
}

impl Change for Staged {
    fn fresh(&self) -> &[Entry] {
        &self.fresh
    }

    fn whole(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        let mut whole = match &self.native {
            Some(index) => index.entries(wanted),
            None => self.git.index_entries(wanted)?,
        };
        let fresh: std::collections::HashSet<&RepoPath> = self.fresh.iter().map(|entry| &entry.path).collect();
        for entry in &mut whole {
            entry.fresh = fresh.contains(&entry.path);
        }
        Ok(whole)
    }

    fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        if let Some(content) = self.native.as_ref().and_then(|index| index.read(&entry.id, limit)) {
            return Ok(content);
        }
        self.cat_file.get_or_try_init(|| self.git.cat_file())?.read(entry, limit)
    }
}
