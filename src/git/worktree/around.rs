//! What stands around the files: HEAD, the refs, the stashes, and what git is in the middle of.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::git::process::{Git, parse_path, text, unreadable};
use crate::git::worktree::entries::GitPaths;
use crate::snapshot::{Head, Unfinished};

/// What was found.
#[derive(Debug)]
pub(super) struct Around {
    pub head: Head,
    /// The id of HEAD's tree, in hexadecimal; `None` before the first commit.
    pub tree: Option<String>,
    pub refs: BTreeMap<Vec<u8>, ObjectId>,
    pub stashes: Vec<ObjectId>,
    pub unfinished: BTreeSet<Unfinished>,
}

/// Refs that stand for what others had when they were last asked.
const OF_OTHERS: [&[u8]; 2] = [b"refs/remotes/", b"refs/prefetch/"];
const STASH: &[u8] = b"refs/stash";

/// What tells that an operation is not finished, as wt-status.c of git has it (2.47); in the
/// directory of the work tree.
const MARKS: [(&str, Unfinished); 8] = [
    ("MERGE_HEAD", Unfinished::Merge),
    ("rebase-merge", Unfinished::Rebase),
    ("rebase-apply", Unfinished::Rebase),
    ("rebase-apply/applying", Unfinished::Mailbox),
    ("CHERRY_PICK_HEAD", Unfinished::CherryPick),
    ("REVERT_HEAD", Unfinished::Revert),
    ("sequencer", Unfinished::Sequence),
    ("BISECT_LOG", Unfinished::Bisect),
];
/// The locks in the same directory, and those in the one that all work trees share.
const LOCKS: [Unfinished; 2] = [Unfinished::IndexLock, Unfinished::HeadLock];
const SHARED_LOCKS: [Unfinished; 2] = [Unfinished::RefsLock, Unfinished::ConfigLock];

/// How long a lock may be somebody's who works here, such as an editor, and how often to look.
const PATIENCE: u32 = 40;
const BEAT: Duration = Duration::from_millis(50);

/// Looks around, where the index that is read is. Where that is itself a lock, git has made it for
/// whom it runs.
pub(super) fn look(git: &Git, doing: &str, place: &GitPaths) -> Result<Around, Error> {
    let all = refs(git, doing)?;
    let (commit, tree, branch) = head(git, doing, &all)?;
    let short =
        |name: Vec<u8>| name.strip_prefix(b"refs/heads/").map(<[u8]>::to_vec).unwrap_or(name);
    let head = Head { commit, branch: branch.map(short) };
    let stashes = match all.get(STASH) {
        Some(&youngest) => stashes(git, doing, youngest)?,
        None => Vec::new(),
    };
    let ours =
        |name: &[u8]| name != STASH && !OF_OTHERS.iter().any(|others| name.starts_with(others));
    let refs = all.into_iter().filter(|(name, _)| ours(name)).collect();
    Ok(Around { head, tree, refs, stashes, unfinished: unfinished(git, doing, place)? })
}

/// The commit and the tree of HEAD, and the full name of its branch, where there are such.
type Position = (Option<ObjectId>, Option<String>, Option<Vec<u8>>);

fn head(git: &Git, doing: &str, refs: &BTreeMap<Vec<u8>, ObjectId>) -> Result<Position, Error> {
    // A HEAD that is at a commit of a branch is told by one process.
    let whole = git.run(
        doing,
        &["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"],
    )?;
    let lines: Vec<&[u8]> = whole.stdout.split(|&byte| byte == b'\n').collect();
    if whole.code == Some(0)
        && let [commit, tree, branch, b""] = lines[..]
        && let Some(commit) = ObjectId::from_hex(commit)
        && branch.starts_with(b"refs/heads/")
    {
        return Ok((Some(commit), Some(text(tree)), Some(branch.to_vec())));
    }
    let branch = git.query(doing, &["symbolic-ref", "--quiet", "HEAD"])?;
    let branch = branch.map(|answer| parse_path(answer).into_os_string().into_vec());
    if branch.as_ref().is_some_and(|branch| !refs.contains_key(branch)) {
        return Ok((None, None, branch));
    }
    let answer = git.output(doing, &["rev-parse", "HEAD^{commit}", "HEAD^{tree}"])?;
    let lines = text(&answer);
    let (id, tree) = lines.split_once('\n').ok_or_else(|| unreadable(doing, &answer))?;
    let commit = ObjectId::from_hex(id.as_bytes()).ok_or_else(|| unreadable(doing, &answer))?;
    Ok((Some(commit), Some(tree.to_owned()), branch))
}

fn refs(git: &Git, doing: &str) -> Result<BTreeMap<Vec<u8>, ObjectId>, Error> {
    let listing = git.output(doing, &["for-each-ref", "--format=%(objectname) %(refname)"])?;
    let lines = listing.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let parse = |line: &[u8]| {
        let space = line.iter().position(|&byte| byte == b' ')?;
        Some((line[space + 1..].to_vec(), ObjectId::from_hex(&line[..space])?))
    };
    lines.map(|line| parse(line).ok_or_else(|| unreadable(doing, line))).collect()
}

/// The stashes are the reflog of one ref. Without a reflog there is but one.
fn stashes(git: &Git, doing: &str, youngest: ObjectId) -> Result<Vec<ObjectId>, Error> {
    let listing = text(&git.output(doing, &["rev-list", "--walk-reflogs", "refs/stash", "--"])?);
    let ids = listing.lines().map(|id| ObjectId::from_hex(id.as_bytes()));
    let ids: Option<Vec<_>> = ids.collect();
    let ids = ids.ok_or_else(|| unreadable(doing, listing.as_bytes()))?;
    Ok(if ids.is_empty() { vec![youngest] } else { ids })
}

fn unfinished(git: &Git, doing: &str, place: &GitPaths) -> Result<BTreeSet<Unfinished>, Error> {
    let GitPaths { index, own, shared } = place;
    let there = |path: PathBuf| path.symlink_metadata().is_ok();
    let mut found: BTreeSet<Unfinished> =
        MARKS.into_iter().filter(|(mark, _)| there(own.join(mark))).map(|(_, what)| what).collect();
    // There, what would be a file is a ref.
    if there(shared.join("reftable")) {
        for (name, what) in
            [("CHERRY_PICK_HEAD", Unfinished::CherryPick), ("REVERT_HEAD", Unfinished::Revert)]
        {
            found.extend(
                git.query(doing, &["rev-parse", "--quiet", "--verify", name])?.map(|_| what),
            );
        }
    }
    // A rebase picks and reverts on its way, and a mailbox is applied as a rebase is.
    if found.contains(&Unfinished::Mailbox) {
        found.remove(&Unfinished::Rebase);
    }
    if found.contains(&Unfinished::Rebase) {
        let of_rebase = [Unfinished::CherryPick, Unfinished::Revert, Unfinished::Sequence];
        found.retain(|what| !of_rebase.contains(what));
    }
    if found.contains(&Unfinished::CherryPick) || found.contains(&Unfinished::Revert) {
        found.remove(&Unfinished::Sequence);
    }
    let locks = LOCKS.map(|lock| (lock, own.join(lock.name())));
    let shared_locks = SHARED_LOCKS.map(|lock| (lock, shared.join(lock.name())));
    for (lock, path) in locks.into_iter().chain(shared_locks) {
        let ours = *index == path;
        let mut beats = 0;
        while !ours && there(path.clone()) {
            if beats == PATIENCE {
                found.insert(lock);
                break;
            }
            beats += 1;
            std::thread::sleep(BEAT);
        }
    }
    Ok(found)
}
