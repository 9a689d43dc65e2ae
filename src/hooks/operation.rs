//! What git is in the middle of.

use crate::base::error::Error;
use crate::git::process::{Git, one_line};

/// An operation that makes commits, and stops where one cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A plain commit.
    Commit,
    /// `git cherry-pick`.
    CherryPick,
    /// `git revert`, after a conflict.
    Revert,
    /// `git revert` of several commits, one of them without a conflict.
    Reverts,
    /// A commit whose message git has prepared: `git revert` of one commit, `git cherry-pick --no-commit`.
    Prepared,
    /// `git rebase`.
    Rebase,
    /// `git merge`.
    Merge,
}

/// What tells that an operation is going on, when git asks for a commit's message (seen with git 2.47). A rebase is told
/// first, for it picks and reverts on its way.
const MARKS: [(&str, Operation); 7] = [
    ("rebase-merge", Operation::Rebase),
    ("rebase-apply", Operation::Rebase),
    ("CHERRY_PICK_HEAD", Operation::CherryPick),
    ("REVERT_HEAD", Operation::Revert),
    ("sequencer", Operation::Reverts),
    ("MERGE_HEAD", Operation::Merge),
    ("MERGE_MSG", Operation::Prepared),
];

impl Operation {
    /// What is going on in the work tree that git would use.
    pub(crate) fn in_progress(git: &Git) -> Result<Self, Error> {
        let mut arguments = vec!["rev-parse"];
        arguments.extend(MARKS.iter().flat_map(|(mark, _)| ["--git-path", mark]));
        let answer = git.output("see what git is doing", &arguments)?;
        let paths = answer.split(|&byte| byte == b'\n').map(|path| one_line(path.to_vec()));
        let found = paths.zip(MARKS).find(|(path, _)| git.directory().join(path).exists());
        Ok(found.map_or(Self::Commit, |(_, (_, operation))| operation))
    }
}
