//! The operation that git is in the middle of: one that makes commits, and stops if a hook does.

use crate::base::error::Error;
use crate::git::process::{Git, one_line};

/// Its name, the command that continues it, and the command that aborts it.
pub(crate) type Operation = [&'static str; 3];

/// The files that mark an operation while `prepare-commit-msg` runs (seen with git 2.47). A rebase
/// comes first: it also picks and reverts.
const OPERATIONS: [(&str, Operation); 7] = [
    ("rebase-merge", REBASE),
    ("rebase-apply", REBASE),
    ("CHERRY_PICK_HEAD", ["cherry-pick", "git cherry-pick --continue", "git cherry-pick --abort"]),
    // After a conflict.
    ("REVERT_HEAD", ["revert", "git revert --continue", "git revert --abort"]),
    // A revert of several commits, without a conflict.
    ("sequencer", ["revert", "git commit, then git revert --continue", "git revert --abort"]),
    ("MERGE_HEAD", ["merge", "git merge --continue", "git merge --abort"]),
    // `git revert` of one commit, `git cherry-pick --no-commit`.
    ("MERGE_MSG", ["commit", "git commit", "git reset --merge"]),
];

// git puts a pick that this hook stopped back into the todo list.
const REBASE: Operation = [
    "rebase",
    "git commit, drop the pick by git rebase --edit-todo, then git rebase --continue",
    "git rebase --abort",
];

/// The operation in the work tree of `git`; `None` for a plain commit.
pub(crate) fn in_progress(git: &Git) -> Result<Option<Operation>, Error> {
    let mut arguments = vec!["rev-parse"];
    arguments.extend(OPERATIONS.iter().flat_map(|(mark, _)| ["--git-path", mark]));
    let answer = git.output("see what git is doing", &arguments)?;
    let paths = answer.split(|&byte| byte == b'\n').map(|path| one_line(path.to_vec()));
    let found = paths.zip(OPERATIONS).find(|(path, _)| git.directory().join(path).exists());
    Ok(found.map(|(_, (_, operation))| operation))
}
