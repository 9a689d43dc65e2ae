//! Files whose content changes for the time of a build.

use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::commands::journaling::{EditRoom, FOREIGN, TakenBack};
use crate::disk::journal::{Editable, JournaledEdit, PutBack};
use crate::git::worktree::WorkTree;
use crate::measure::comment::{comment, commented};
use crate::snapshot::{Snapshot, Unfinished};

/// The files of `--touch`.
#[derive(Debug)]
pub(super) struct TouchedFiles<'a> {
    tree: &'a WorkTree,
    room: EditRoom,
    /// Each once.
    paths: Vec<RepoPath>,
}

impl<'a> TouchedFiles<'a> {
    /// Resolves the paths that a user named, each a file with comments.
    pub(super) fn new(
        named: &[PathBuf],
        tree: &'a WorkTree,
        room: EditRoom,
        context: &Context,
    ) -> Result<Self, Error> {
        let mut paths = Vec::new();
        for file in named {
            let doing = doing(&RepoPath::from(file.as_path()));
            let path = tree.path_of(&context.directory.join(file)).ok_or_else(|| {
                Error::new(&*doing, "it is outside of the work tree")
                    .help("name a file of this repository")
            })?;
            if comment(&path, "").is_none() {
                return Err(Error::new(doing, "files of this kind have no known comment")
                    .help("name a source file that is copied into the image, such as src/a.ts"));
            }
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Ok(Self { tree, room, paths })
    }

    /// The paths from the top of the work tree.
    pub(super) fn paths(&self) -> &[RepoPath] {
        &self.paths
    }

    /// Refuses files that git could not give back.
    pub(super) fn check(&self, now: &Snapshot) -> Result<(), Error> {
        for path in &self.paths {
            let refused =
                |cause: &str, help: &str| Err(Error::new(doing(path), cause).help(help.to_owned()));
            if now.paths.contains_key(path) {
                return refused("it is not as it is committed", "commit or stash it first");
            }
            if self.tree.committed(":0", path).is_none() {
                return refused("git does not track it", "name a file that is committed");
            }
            let unfinished = now.unfinished.iter().find(|what| **what != Unfinished::Bisect);
            if let Some(what) = unfinished {
                let cause = format!("a git command has not ended: {}", what.name());
                return refused(&cause, "end it first; `git status` shows how");
            }
        }
        Ok(())
    }

    /// Appends a comment to each file, with a word that no run had before.
    pub(super) fn touch(&self, word: &str) -> Result<(), Error> {
        let mut opened = Vec::new();
        let mut edits = Vec::new();
        for path in &self.paths {
            let place = self.tree.place_to_change(path)?;
            let file = Editable::open(&place).map_err(|error| {
                Error::new(doing(path), error)
                    .help("name a regular file that this user owns and can write to")
            })?;
            let Some(comment) = comment(path, word) else { continue };
            edits.push(file.edit(path.clone(), commented(file.text(), &comment)));
            opened.push(file);
        }
        self.room.note(&edits)?;
        for (file, JournaledEdit { path, new, .. }) in opened.iter_mut().zip(&edits) {
            if let Err(error) = file.write(new) {
                // Nothing else holds up the first error.
                let _ = self.room.take_back(self.tree);
                return Err(Error::new(doing(path), error)
                    .help("make room, then look at it with `git diff`"));
            }
        }
        Ok(())
    }

    /// Takes the comments out; returns a line for each file that was changed meanwhile.
    pub(super) fn put_back(&self) -> Result<Vec<String>, Error> {
        Ok(lines(&self.room.take_back(self.tree)?))
    }
}

/// The files that are not as they were before they were touched.
pub(super) fn lines(taken: &TakenBack) -> Vec<String> {
    let line = |(edit, put_back): &(JournaledEdit, PutBack)| {
        let path = &edit.path;
        (*put_back == PutBack::Foreign).then(|| format!("{path}: {FOREIGN}"))
    };
    taken.iter().filter_map(line).collect()
}

fn doing(path: &RepoPath) -> String {
    format!("touch {path}")
}
