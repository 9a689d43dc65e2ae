//! What is staged, as the `git` program lists it: the layer that knows everything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::change::{Entry, Mode, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::layer::Compared;
use crate::git::process::{Git, failed, literal, records, text, unreadable};

const DOING: &str = "read the staged content";

/// What is staged, and where git was started.
#[derive(Debug)]
pub(super) struct Listed {
    /// What is new, and what is in conflict.
    pub compared: Compared,
    /// The top of the work tree, if there is one.
    pub top: Option<PathBuf>,
    /// Whether git was started below it.
    pub below_top: bool,
}

/// Asks git what is staged: two processes, mostly.
pub(super) fn staged(git: &Git) -> Result<Listed, Error> {
    let (head, top) = head_and_top(git)?;
    let compared = compare(git, &head)?;
    let below_top = match &top {
        Some(top) => !git.prefix_below(top, "find the top of the work tree")?.is_empty(),
        None => false,
    };
    Ok(Listed { compared, top, below_top })
}

/// The tree-ish that the index is compared with, and the top of the work tree, if there is one.
fn head_and_top(git: &Git) -> Result<(String, Option<PathBuf>), Error> {
    const HEAD: [&str; 2] = ["--verify", "HEAD^{commit}"];
    let ask = |what: &[&str]| git.run(DOING, &[&["rev-parse", "--quiet"], what, &HEAD].concat());
    let mut answer = ask(&["--show-toplevel"])?;
    let top = match answer.code {
        // The id of the commit comes last.
        Some(0) => answer.stdout.trim_ascii_end().rsplitn(2, |&byte| byte == b'\n').nth(1),
        Some(1) => answer.stdout.strip_suffix(b"\n"),
        // There is no work tree, or HEAD cannot be read.
        _ => None,
    };
    let top = top.map(|top| PathBuf::from(OsStr::from_bytes(top)));
    if top.is_none() {
        answer = ask(&[])?;
    }
    let head = match answer.code {
        Some(0) => "HEAD".to_owned(),
        // Unborn: everything is new, compared with the empty tree. A HEAD that cannot be read ends
        // here as well, and then more is judged, never less.
        Some(1) => text(&git.output(DOING, &["hash-object", "-t", "tree", "/dev/null"])?),
        _ => return Err(failed(DOING, &answer)),
    };
    Ok((head, top))
}

/// What the index has that the tree-ish has not.
fn compare(git: &Git, head: &str) -> Result<Compared, Error> {
    let raw = git.output(
        DOING,
        &[
            "diff-index",
            "--cached",
            "--raw",
            "-z",
            "--no-renames",
            "--no-abbrev",
            "--no-relative",
            "--ignore-submodules=none",
            "--ita-invisible-in-index",
            head,
            "--",
        ],
    )?;
    let mut fresh = Vec::new();
    let mut unmerged = Vec::new();
    let mut fields = records(&raw);
    while let Some(change) = fields.next() {
        let path = fields.next().ok_or_else(|| unreadable(DOING, change))?;
        match parse_change(change, path).ok_or_else(|| unreadable(DOING, change))? {
            Parsed::Fresh(entry) => fresh.push(entry),
            Parsed::Unmerged => unmerged.push(RepoPath::new(path)),
            Parsed::Deleted => {}
        }
    }
    // Git lists an unmerged path twice: as unmerged, and as a change of its stages.
    unmerged.dedup();
    Ok(Compared { fresh, unmerged })
}

/// The wanted entries of the index, stage 0.
pub(super) fn index_entries(git: &Git, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
    // `:/` is the whole tree, wherever git was started.
    entries_at(git, "list the index", OsStr::new(":/"), wanted)
}

/// The entry of the index at one path, stage 0.
pub(super) fn index_entry(git: &Git, path: &RepoPath) -> Result<Option<Entry>, Error> {
    // To git, entries below a directory of this name match as well.
    let found = entries_at(git, "look into the index", &literal(path), &|known| known == path)?;
    Ok(found.into_iter().next())
}

fn entries_at(
    git: &Git,
    doing: &str,
    pathspec: &OsStr,
    wanted: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<Entry>, Error> {
    let arguments = ["ls-files", "--stage", "-z", "--full-name", "--"].map(OsStr::new);
    let listing = git.output(doing, &[&arguments[..], &[pathspec]].concat())?;
    let mut entries = Vec::new();
    for record in records(&listing) {
        let entry = parse_staged_record(record).ok_or_else(|| unreadable(doing, record))?;
        entries.extend(entry.filter(|entry| wanted(&entry.path)));
    }
    Ok(entries)
}

/// A change in the raw format of git.
enum Parsed {
    Fresh(Entry),
    Unmerged,
    Deleted,
}

/// Parses `:100644 100644 <old> <new> M`, the raw format of git-diff-index(1).
fn parse_change(change: &[u8], path: &[u8]) -> Option<Parsed> {
    let mut fields = change.strip_prefix(b":")?.split(|&byte| byte == b' ');
    let (_old_mode, new_mode, old, new, status) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(match status.first()? {
        b'D' => Parsed::Deleted,
        b'U' => Parsed::Unmerged,
        b'A' | b'M' | b'T' => {
            let mode = Mode::from_bits(octal(new_mode)?)?;
            Parsed::Fresh(Entry {
                path: RepoPath::new(path),
                mode,
                id: ObjectId::from_hex(new)?,
                fresh: true,
                replaces: if status.starts_with(b"A") { None } else { Some(ObjectId::from_hex(old)?) },
            })
        }
        _ => return None,
    })
}

/// Parses `100644 <id> <stage>\t<path>`, the format of `git ls-files --stage`; other stages than 0
/// are no entry.
#[allow(clippy::option_option, reason = "not understood, and not an entry, are different answers")]
pub(crate) fn parse_staged_record(record: &[u8]) -> Option<Option<Entry>> {
    let tab = record.iter().position(|&byte| byte == b'\t')?;
    let (about, path) = (&record[..tab], &record[tab + 1..]);
    let mut fields = about.split(|&byte| byte == b' ');
    let (mode, id, stage) = (fields.next()?, fields.next()?, fields.next()?);
    let mode = Mode::from_bits(octal(mode)?)?;
    let entry = Entry { path: RepoPath::new(path), mode, id: ObjectId::from_hex(id)?, fresh: false, replaces: None };
    Some((stage == b"0").then_some(entry))
}

fn octal(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Feeds the parsers of listings and changes.
#[cfg(any(fuzzing, test))]
pub(super) fn fuzz(data: &[u8]) {
    let mut fields = records(data);
    while let Some(change) = fields.next() {
        if let Some(Some(entry)) = parse_staged_record(change) {
            assert!(change.ends_with(entry.path.as_bytes()) && !entry.fresh);
        }
        let path = fields.next().unwrap_or_default();
        if let Some(Parsed::Fresh(entry)) = parse_change(change, path) {
            assert!(entry.path.as_bytes() == path && entry.fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_changes_are_parsed_or_refused() {
        let id = "ab".repeat(20);
        let line = |status: &str| format!(":100644 100755 {id} {id} {status}");
        assert!(matches!(parse_change(line("M").as_bytes(), b"a"), Some(Parsed::Fresh(_))));
        assert!(matches!(parse_change(line("D").as_bytes(), b"a"), Some(Parsed::Deleted)));
        assert!(matches!(parse_change(line("U").as_bytes(), b"a"), Some(Parsed::Unmerged)));
        for wrong in ["", ":", "100644", &line("X"), &line(""), ":1 9 a b A"] {
            assert!(parse_change(wrong.as_bytes(), b"a").is_none(), "{wrong}");
        }
    }
}
