//! Replaces entries of the index, and compares the index or the work tree with HEAD.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::base::change::{Entry, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::listing::{self, RawChange, head_and_top};
use crate::git::process::{Git, literal, text, unreadable};

const DOING: &str = "change the index";

/// What an entry of the index becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StagedContent {
    /// This content, in a file of the same mode.
    Text(Vec<u8>),
    /// What HEAD has; no entry if it has none.
    Committed,
}

/// Replaces staged entries, all of them at once. Fails if one is not the same any more.
pub(crate) fn replace(git: &Git, changes: &[(Entry, StagedContent)]) -> Result<(), Error> {
    let (head, _) = head_and_top(git)?;
    let known: HashMap<RepoPath, RawChange> =
        listing::staged_changes(git, DOING, &head)?.into_iter().collect();
    let mut lines = Vec::new();
    for (entry, replacement) in changes {
        let path = &entry.path;
        let change = known.get(path).filter(|change| change.new == entry.id).ok_or_else(|| {
            Error::new(DOING, format!("{path} was staged again in the meantime"))
                .help("run this again")
        })?;
        let (mode, id) = match replacement {
            StagedContent::Text(text) => (change.new_mode, write_blob(git, text)?),
            StagedContent::Committed => (change.old_mode, change.old),
        };
        // Mode 0 removes the entry.
        lines.extend_from_slice(format!("{mode:o} {id}\t").as_bytes());
        lines.extend_from_slice(path.as_bytes());
        lines.push(0);
    }
    let command = ["update-index", "-z", "--index-info"];
    git.output_with_input(DOING, &command, &lines)
        .map(drop)
        .map_err(|error| error.or_help("if no other git process is running here, remove its lock"))
}

/// Writes a blob as it is: no filter applies.
fn write_blob(git: &Git, content: &[u8]) -> Result<ObjectId, Error> {
    let written = git.output_with_input(DOING, &["hash-object", "-w", "--stdin"], content)?;
    let id = text(&written.stdout);
    ObjectId::from_hex(id.as_bytes()).ok_or_else(|| unreadable(DOING, &written.stdout))
}

/// The content of a path in a commit, or in the index as `:0`; `None` if it does not exist or
/// cannot be read.
pub(crate) fn blob(git: &Git, commit: &str, path: &RepoPath) -> Option<Vec<u8>> {
    let object = [commit.as_bytes(), b":", path.as_bytes()].concat();
    let command = [OsStr::new("cat-file"), OsStr::new("blob"), OsStr::from_bytes(&object)];
    git.output("read the committed file", &command).ok()
}

/// Whether a commit has this content at a path. What cannot be read counts as absent.
pub(crate) fn is_committed(git: &Git, content: &[u8], path: &RepoPath) -> bool {
    const DOING: &str = "find a commit with this content";
    let search = || {
        let id = git.output_with_input(DOING, &["hash-object", "--stdin"], content).ok()?;
        let find = format!("--find-object={}", text(&id.stdout));
        let refs = ["--branches", "--remotes", "--tags", "HEAD", "--"];
        let command = [&["log", "-1", "--format=%H", &find][..], &refs].concat();
        let mut command: Vec<OsString> = command.into_iter().map(OsString::from).collect();
        command.push(literal(path));
        git.output(DOING, &command).ok()
    };
    search().is_some_and(|found| !found.is_empty())
}

/// The wanted paths that may differ from HEAD, each with whether it is missing: in the index, or in
/// the work tree. Untracked files are not among them.
pub(crate) fn since_head(
    git: &Git,
    staged: bool,
    wanted: impl Fn(&RepoPath) -> bool,
) -> Result<Vec<(RepoPath, bool)>, Error> {
    const DOING: &str = "compare the files with HEAD";
    let changes = if staged {
        listing::staged_changes(git, DOING, "HEAD")?
    } else {
        let command = [&["diff-index"], &listing::RAW[..], &["HEAD", "--"]].concat();
        listing::parse_changes(DOING, &git.output(DOING, &command)?)?
    };
    let changes = changes.into_iter().filter(|(path, _)| wanted(path));
    Ok(changes.map(|(path, change)| (path, change.new_mode == 0)).collect())
}
