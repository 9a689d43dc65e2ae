//! The unfinished operation of git that a failing hook stops.

use crate::base::error::Error;
use crate::git::process::Git;
use crate::git::worktree::operations;
use crate::snapshot::Unfinished;

/// Its name, the command that continues it, and the one that aborts it.
pub(crate) type Operation = [&'static str; 3];

const DOING: &str = "find the unfinished operation of git";

/// The operation in the work tree of `git`; `None` for a plain commit.
pub(crate) fn in_progress(git: &Git) -> Result<Option<Operation>, Error> {
    use Unfinished::{CherryPick, Mailbox, Merge, Rebase, Revert, Sequence};

    let found = operations(git, DOING)?;
    // A rebase may be in the middle of a merge.
    let order = [Rebase, Mailbox, CherryPick, Revert, Sequence, Merge];
    if let Some(operation) = order.into_iter().find(|operation| found.contains(operation))
        && let Some([continuation, abort]) = operation.commands()
    {
        // Git marks each pick of a sequence, but no revert without a conflict.
        let name = if operation == Sequence { Revert } else { operation }.name();
        return Ok(Some([name, continuation, abort]));
    }
    // Git has prepared the message: `git revert` of one commit, `git cherry-pick --no-commit`.
    let message = git.path(DOING, &["rev-parse", "--git-path", "MERGE_MSG"])?;
    Ok(message.exists().then_some(["commit", "git commit", "git reset --merge"]))
}
