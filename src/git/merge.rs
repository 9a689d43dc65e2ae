//! The merge or pick that is being made: what the other side brings.

use crate::base::change::{Commit, Entry, ObjectId};
use crate::git::listing::merge_heads;
use crate::git::objects::subject;
use crate::git::process::Git;
use crate::os::env::Environment;

const DOING: &str = "find the commit that a merge brings";

/// The end of the branch that is merged; `None` without a merge, and during a rebase, which merges
/// on its own. What cannot be read counts as none: this is for advice only.
pub(crate) fn merged(git: &Git, env: &Environment) -> Option<ObjectId> {
    let rebase = git.path(DOING, &["rev-parse", "--git-path", "rebase-merge"]).ok()?;
    if rebase.exists() {
        return None;
    }
    if let Some(id) = git.query(DOING, &["rev-parse", "-q", "--verify", "MERGE_HEAD"]).ok()? {
        return ObjectId::from_hex(id.trim_ascii_end());
    }
    // Git writes MERGE_HEAD after the pre-merge-commit hook, and names the branch to it.
    let heads = env.names().filter_map(|name| name.to_str()?.strip_prefix("GITHEAD_"));
    let mut heads = heads.filter_map(|id| ObjectId::from_hex(id.as_bytes()));
    heads.next().filter(|_| heads.next().is_none())
}

/// The names of the commits that are merged, picked or reverted now.
pub(crate) fn other_sides(git: &Git) -> Vec<String> {
    let is_there = |name: &&str| {
        let command = ["rev-parse", "--quiet", "--verify", name];
        git.query(DOING, &command).is_ok_and(|id| id.is_some())
    };
    let merged = merge_heads(git).into_iter().map(|id| id.to_string());
    let picked = ["CHERRY_PICK_HEAD", "REVERT_HEAD"].into_iter().filter(is_there);
    merged.chain(picked.map(str::to_owned)).collect()
}

/// The commit of the branch that ends in `end` which brings an entry as it is; `None` if the entry
/// is another one there, and if the commit is in HEAD or in a branch of a remote, where it cannot
/// be rewritten.
pub(crate) fn bringing(git: &Git, end: &ObjectId, entry: &Entry) -> Option<Commit> {
    let path = std::str::from_utf8(entry.path.as_bytes()).ok()?;
    let there = format!("{end}:{path}");
    let blob = git.query(DOING, &["rev-parse", "-q", "--verify", &there]).ok()??;
    if ObjectId::from_hex(blob.trim_ascii_end()) != Some(entry.id) {
        return None;
    }
    let (end, path) = (end.to_string(), format!(":(top,literal){path}"));
    let which = ["rev-list", "-1", &end, "--not", "HEAD", "--remotes", "--", &path];
    let id = ObjectId::from_hex(git.output(DOING, &which).ok()?.trim_ascii_end())?;
    let commit = git.output(DOING, &["cat-file", "commit", &id.to_string()]).ok()?;
    Some(Commit { id, subject: subject(&commit) })
}
