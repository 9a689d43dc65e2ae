//! The staged content, as the `git` program lists it: the layer that never hands over.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::change::{Entry, Mode, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::git::layer::{Compared, IndexItem, LayerAnswer};
use crate::git::process::{Git, failed, lines, literal, records, text, unreadable};

const DOING: &str = "read the staged files";

/// Asks git for the staged changes: two processes, mostly.
pub(super) fn staged(git: &Git) -> Result<LayerAnswer, Error> {
    let (head, top) = head_and_top(git)?;
    let compared = compare(git, &head)?;
    let below_top = match &top {
        Some(top) => !git.prefix_below(top, "find the top of the work tree")?.is_empty(),
        None => false,
    };
    Ok(LayerAnswer { compared, top, below_top })
}

/// The tree-ish to compare the index with, and the top of the work tree, if any.
pub(super) fn head_and_top(git: &Git) -> Result<(String, Option<PathBuf>), Error> {
    const HEAD: [&str; 2] = ["--verify", "HEAD^{commit}"];
    let ask = |what: &[&str]| git.run(DOING, &[&["rev-parse", "--quiet"], what, &HEAD].concat());
    let mut answer = ask(&["--show-toplevel"])?;
    let top = match answer.status.code() {
        // The id of the commit comes last.
        Some(0) => answer.stdout.trim_ascii_end().rsplitn(2, |&byte| byte == b'\n').nth(1),
        Some(1) => answer.stdout.strip_suffix(b"\n"),
        // The work tree is missing, or HEAD cannot be read.
        _ => None,
    };
    let top = top.map(|top| PathBuf::from(OsStr::from_bytes(top)));
    if top.is_none() {
        answer = ask(&[])?;
    }
    let head = match answer.status.code() {
        Some(0) => "HEAD".to_owned(),
        // Unborn: compared with the empty tree, everything is new. The same for a HEAD that cannot
        // be read: then more is judged, never less.
        Some(1) => empty_tree(git, DOING)?,
        _ => return Err(failed(DOING, &answer)),
    };
    Ok((head, top))
}

/// The entries of the index that the tree-ish does not have.
fn compare(git: &Git, head: &str) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    for (path, change) in staged_changes(git, DOING, head)? {
        match change.letter {
            b'D' => {}
            b'U' => compared.unmerged.push(path),
            _ => {
                let entry = change.entry(&path).ok_or_else(|| {
                    Error::new(DOING, format!("{path} has the unknown mode {:o}", change.new_mode))
                        .help("check the repository: `git fsck`")
                })?;
                compared.fresh.push(entry);
            }
        }
    }
    // Git lists an unmerged path again for its stages.
    compared.unmerged.dedup();
    Ok(compared)
}

/// The changes from a tree to the index.
pub(super) fn staged_changes(
    git: &Git,
    doing: &str,
    tree: &str,
) -> Result<Vec<(RepoPath, RawChange)>, Error> {
    let how = ["diff-index", "--cached", "--ita-invisible-in-index"];
    parse_changes(doing, &git.output(doing, &[&how, &RAW[..], &[tree, "--"]].concat())?)
}

/// The id of the empty tree, in hexadecimal.
pub(super) fn empty_tree(git: &Git, doing: &str) -> Result<String, Error> {
    git.output(doing, &["hash-object", "-t", "tree", "/dev/null"]).map(|answer| text(&answer))
}

/// The commits that are merged now: several in an octopus merge. What cannot be read counts as
/// none.
pub(crate) fn merge_heads(git: &Git) -> Vec<ObjectId> {
    const LIMIT: u64 = 64 * 1024;
    let file = git.path("find the merged commits", &["rev-parse", "--git-path", "MERGE_HEAD"]);
    let text = |file: PathBuf| read::file(&file, FinalLink::Refuse, LIMIT).ok();
    let listed = file.ok().and_then(text).unwrap_or_default();
    lines(&listed).filter_map(ObjectId::from_hex).collect()
}

/// The wanted entries of the index, stage 0.
pub(super) fn index_entries(
    git: &Git,
    wanted: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<Entry>, Error> {
    // `:/` matches the whole tree, in any directory.
    entries_at(git, "read the index", OsStr::new(":/"), wanted)
}

/// The entry of the index at a path, stage 0.
pub(super) fn index_entry(git: &Git, path: &RepoPath) -> Result<Option<Entry>, Error> {
    // If the path is a directory, git lists the entries in it.
    let found = entries_at(git, "read the index", &literal(path), &|known| known == path)?;
    Ok(found.into_iter().next())
}

/// The entries of the index that match a pathspec, stage 0.
pub(crate) fn entries_at(
    git: &Git,
    doing: &str,
    pathspec: &OsStr,
    wanted: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<Entry>, Error> {
    let arguments = ["ls-files", "--stage", "-z", "--full-name", "--"].map(OsStr::new);
    let listing = git.output(doing, &[&arguments[..], &[pathspec]].concat())?;
    let mut entries = Vec::new();
    for record in records(&listing) {
        let item = parse_staged_record(record).ok_or_else(|| unreadable(doing, record))?;
        if item.is_committed() {
            let entry = item.entry(false, None).map_err(|_| unreadable(doing, record))?;
            entries.extend(Some(entry).filter(|entry| wanted(&entry.path)));
        }
    }
    Ok(entries)
}

/// The options for changes in the raw format; they override all settings.
pub(super) const RAW: [&str; 6] =
    ["--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules=none"];

/// A change in the raw format of git-diff-index(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawChange {
    /// Git's mode before the change; 0 for a new path.
    pub old_mode: u32,
    /// The mode after the change; 0 for a deleted path.
    pub new_mode: u32,
    /// The blob before the change; zeros for a new path.
    pub old: ObjectId,
    /// The blob after the change; zeros if git has not computed its id.
    pub new: ObjectId,
    /// `A`, `D`, `M`, `T`, or `U` for an unmerged path.
    pub letter: u8,
}

impl RawChange {
    /// Parses `:100644 100644 <old> <new> M`.
    fn parse(field: &[u8]) -> Option<Self> {
        let mut words = field.strip_prefix(b":")?.split(|&byte| byte == b' ');
        let (old_mode, new_mode) = (octal(words.next()?)?, octal(words.next()?)?);
        let (old, new) = (ObjectId::from_hex(words.next()?)?, ObjectId::from_hex(words.next()?)?);
        let letter = match words.next()? {
            [letter @ (b'A' | b'D' | b'M' | b'T' | b'U')] => *letter,
            _ => return None,
        };
        words.next().is_none().then_some(Self { old_mode, new_mode, old, new, letter })
    }

    /// The new entry; `None` if git does not commit its mode.
    pub(super) fn entry(&self, path: &RepoPath) -> Option<Entry> {
        let mode = Mode::from_bits(self.new_mode)?;
        let replaces = (self.letter != b'A').then_some(self.old);
        Some(Entry { path: path.clone(), mode, id: self.new, fresh: true, replaces })
    }
}

/// Parses a `-z` listing of changes, each followed by its path.
pub(super) fn parse_changes(doing: &str, raw: &[u8]) -> Result<Vec<(RepoPath, RawChange)>, Error> {
    let mut changes = Vec::new();
    let mut fields = records(raw);
    while let Some(field) = fields.next() {
        let change = RawChange::parse(field).zip(fields.next());
        let (change, path) = change.ok_or_else(|| unreadable(doing, field))?;
        changes.push((RepoPath::new(path), change));
    }
    Ok(changes)
}

/// Parses `100644 <id> <stage>\t<path>`, the format of `git ls-files --stage`. It does not mark
/// paths of `git add -N`.
pub(super) fn parse_staged_record(record: &[u8]) -> Option<IndexItem<'_>> {
    let tab = memchr::memchr(b'\t', record)?;
    let mut fields = record[..tab].split(|&byte| byte == b' ');
    let (mode, id) = (octal(fields.next()?)?, ObjectId::from_hex(fields.next()?)?);
    let unmerged = fields.next()? != b"0";
    Some(IndexItem { path: &record[tab + 1..], mode, id, unmerged, intent_to_add: false })
}

/// Parses `100644 blob <id>\t<path>`, the format of `git ls-tree`.
pub(super) fn parse_tree_record(record: &[u8]) -> Option<(u32, ObjectId, &[u8])> {
    let tab = memchr::memchr(b'\t', record)?;
    let mut fields = record[..tab].split(|&byte| byte == b' ');
    let (mode, _kind, id) = (octal(fields.next()?)?, fields.next()?, fields.next()?);
    Some((mode, ObjectId::from_hex(id)?, &record[tab + 1..]))
}

fn octal(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_changes_are_parsed_or_refused() {
        let id = "ab".repeat(20);
        let line = |status: &str| format!(":100644 100755 {id} {id} {status}");
        for letter in ["A", "D", "M", "T", "U"] {
            let change = RawChange::parse(line(letter).as_bytes()).unwrap();
            assert_eq!((change.old_mode, change.new_mode), (0o100_644, 0o100_755));
            assert_eq!([change.letter], letter.as_bytes());
            assert_eq!(change.entry(&"a".into()).unwrap().replaces.is_none(), letter == "A");
        }
        for wrong in ["", ":", "100644", &line("X"), &line(""), &line("M x"), ":1 9 a b A"] {
            assert!(RawChange::parse(wrong.as_bytes()).is_none(), "{wrong}");
            assert!(
                parse_changes("read", format!("{wrong}\0a\0").as_bytes()).is_err()
                    || wrong.is_empty()
            );
        }
        assert!(parse_changes("read", line("M").as_bytes()).is_err());
        let strange = format!(":000000 000000 {id} {id} A");
        assert_eq!(RawChange::parse(strange.as_bytes()).unwrap().entry(&"a".into()), None);
    }
}
