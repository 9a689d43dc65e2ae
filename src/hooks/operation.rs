//! What git is in the middle of: an operation that makes commits, and stops where one cannot be
//! made.

use crate::base::error::Error;
use crate::git::process::{Git, parse_path};

/// What stops, the command that goes on with it, and the one that gives it up.
pub(crate) type Operation = [&'static str; 3];

/// The files by which an operation is known when git asks for a commit's message (seen with git
/// 2.47). A rebase comes first, for it picks and reverts on its way.
const OPERATIONS: [(&str, Operation); 7] = [
    ("rebase-merge", REBASE),
    ("rebase-apply", REBASE),
    ("CHERRY_PICK_HEAD", ["cherry-pick", "git cherry-pick --continue", "git cherry-pick --abort"]),
    // After a conflict.
    ("REVERT_HEAD", ["revert", "git revert --continue", "git revert --abort"]),
    // Of several commits, one of them without a conflict.
    ("sequencer", ["revert", "git commit, then git revert --continue", "git revert --abort"]),
    ("MERGE_HEAD", ["merge", "git merge --continue", "git merge --abort"]),
    // Git has prepared the message: `git revert` of one commit, `git cherry-pick --no-commit`.
    ("MERGE_MSG", ["commit", "git commit", "git reset --merge"]),
];

// Git puts a pick that this hook stopped back into its list.
const REBASE: Operation = [
    "rebase",
    "git commit, drop the pick by git rebase --edit-todo, then git rebase --continue",
    "git rebase --abort",
];

/// The operation in the work tree that git would use; `None` for a plain commit.
pub(crate) fn in_progress(git: &Git) -> Result<Option<Operation>, Error> {
    let mut arguments = vec!["rev-parse"];
    arguments.extend(OPERATIONS.iter().flat_map(|(mark, _)| ["--git-path", mark]));
    let answer = git.output("see what git is doing", &arguments)?;
    let paths = answer.split(|&byte| byte == b'\n').map(|path| parse_path(path.to_vec()));
    let found = paths.zip(OPERATIONS).find(|(path, _)| git.directory().join(path).exists());
    Ok(found.map(|(_, (_, operation))| operation))
}
