//! The state of the repository: HEAD, refs, stashes and unfinished operations.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::git::process::{Git, ids, lines, parse_path, unreadable};
use crate::git::worktree::entries::{self, GitPaths};
use crate::snapshot::{Head, Unfinished};

#[derive(Debug)]
pub(super) struct RepositoryState {
    pub head: Head,
    /// The tree of HEAD; `None` before the first commit.
    pub tree: Option<ObjectId>,
    pub refs: BTreeMap<Vec<u8>, ObjectId>,
    pub stashes: Vec<ObjectId>,
    pub unfinished: BTreeSet<Unfinished>,
}

/// Refs of other repositories.
const REMOTE_REFS: [&[u8]; 2] = [b"refs/remotes/", b"refs/prefetch/"];
const STASH: &[u8] = b"refs/stash";

/// How many times to check for a lock, which an editor may hold briefly, and the pause between
/// checks.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Reads the state.
pub(super) fn read(git: &Git, doing: &str, paths: &GitPaths) -> Result<RepositoryState, Error> {
    let all = refs(git, doing)?;
    let (head, tree) = head(git, doing, &all)?;
    let stashes = match all.get(STASH) {
        Some(&youngest) => stashes(git, doing, youngest)?,
        None => Vec::new(),
    };
    let ours =
        |name: &[u8]| name != STASH && !REMOTE_REFS.iter().any(|prefix| name.starts_with(prefix));
    let refs = all.into_iter().filter(|(name, _)| ours(name)).collect();
    let mut unfinished = operations_in(git, doing, paths)?;
    unfinished.extend(locks(paths));
    Ok(RepositoryState { head, tree, refs, stashes, unfinished })
}

/// HEAD and the id of its tree.
fn head(
    git: &Git,
    doing: &str,
    refs: &BTreeMap<Vec<u8>, ObjectId>,
) -> Result<(Head, Option<ObjectId>), Error> {
    // For a branch with a commit, one process is enough.
    let all = ["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
    let output = git.run(doing, &all)?;
    if output.status.success()
        && let [commit, tree, branch] = lines(&output.stdout).collect::<Vec<_>>()[..]
        && let (Some(commit), Some(tree)) = (ObjectId::from_hex(commit), ObjectId::from_hex(tree))
        && let Some(branch) = branch.strip_prefix(b"refs/heads/")
    {
        let branch = Some(branch.to_vec());
        return Ok((Head { commit: Some(commit), branch }, Some(tree)));
    }
    let branch = git.query(doing, &["symbolic-ref", "--quiet", "HEAD"])?;
    let branch = branch.map(|answer| parse_path(answer).into_os_string().into_vec());
    let is_unborn = branch.as_ref().is_some_and(|branch| !refs.contains_key(branch));
    let ids = if is_unborn {
        Vec::new()
    } else {
        ids(doing, &git.output(doing, &["rev-parse", "HEAD^{commit}", "HEAD^{tree}"])?)?
    };
    let short =
        |name: Vec<u8>| name.strip_prefix(b"refs/heads/").map(<[u8]>::to_vec).unwrap_or(name);
    let head = Head { commit: ids.first().copied(), branch: branch.map(short) };
    Ok((head, ids.get(1).copied()))
}

fn refs(git: &Git, doing: &str) -> Result<BTreeMap<Vec<u8>, ObjectId>, Error> {
    let listing = git.output(doing, &["for-each-ref", "--format=%(objectname) %(refname)"])?;
    let parse = |line: &[u8]| {
        let space = line.iter().position(|&byte| byte == b' ')?;
        Some((line[space + 1..].to_vec(), ObjectId::from_hex(&line[..space])?))
    };
    lines(&listing).map(|line| parse(line).ok_or_else(|| unreadable(doing, line))).collect()
}

/// The stashes are the reflog of a ref. Without a reflog, there is one.
fn stashes(git: &Git, doing: &str, youngest: ObjectId) -> Result<Vec<ObjectId>, Error> {
    let listing = git.output(doing, &["rev-list", "--walk-reflogs", "refs/stash", "--"])?;
    let ids = ids(doing, &listing)?;
    Ok(if ids.is_empty() { vec![youngest] } else { ids })
}

/// The unfinished operations of git.
pub(crate) fn operations(git: &Git, doing: &str) -> Result<BTreeSet<Unfinished>, Error> {
    let (paths, _) = entries::paths(git, doing)?;
    operations_in(git, doing, &paths)
}

fn operations_in(git: &Git, doing: &str, paths: &GitPaths) -> Result<BTreeSet<Unfinished>, Error> {
    let marks = Unfinished::MARKS.into_iter().filter(|(mark, _)| exists(&paths.git.join(mark)));
    let mut found: BTreeSet<Unfinished> = marks.map(|(_, operation)| operation).collect();
    // With reftable, these two are refs and not files.
    if exists(&paths.common.join("reftable")) {
        for (name, operation) in
            [("CHERRY_PICK_HEAD", Unfinished::CherryPick), ("REVERT_HEAD", Unfinished::Revert)]
        {
            let id = git.query(doing, &["rev-parse", "--quiet", "--verify", name])?;
            found.extend(id.map(|_| operation));
        }
    }
    // A rebase runs picks and reverts itself, and `git am` uses the directory of a rebase.
    if found.contains(&Unfinished::Mailbox) {
        found.remove(&Unfinished::Rebase);
    }
    if found.contains(&Unfinished::Rebase) {
        let of_rebase = [Unfinished::CherryPick, Unfinished::Revert, Unfinished::Sequence];
        found.retain(|operation| !of_rebase.contains(operation));
    }
    if found.contains(&Unfinished::CherryPick) || found.contains(&Unfinished::Revert) {
        found.remove(&Unfinished::Sequence);
    }
    Ok(found)
}

/// The locks that are still held after some time. An index that is itself a lock was made by git
/// for the hook that it runs.
fn locks(paths: &GitPaths) -> impl Iterator<Item = Unfinished> {
    use Unfinished::{ConfigLock, HeadLock, IndexLock, RefsLock};

    let of_git = [IndexLock, HeadLock].map(|lock| (lock, paths.git.join(lock.name())));
    let of_common = [RefsLock, ConfigLock].map(|lock| (lock, paths.common.join(lock.name())));
    let locks = of_git.into_iter().chain(of_common).filter(|(_, path)| *path != paths.index);
    let exists_after_pause = |path: &Path| {
        std::thread::sleep(PAUSE);
        exists(path)
    };
    let is_held =
        move |path: &Path| exists(path) && (0..ATTEMPTS).all(|_| exists_after_pause(path));
    locks.filter(move |(_, path)| is_held(path)).map(|(lock, _)| lock)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
