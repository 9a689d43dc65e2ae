//! Parses `git status --porcelain=v2 -z` (git-status(1)). An unknown record is an error.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::ObjectId;
use crate::base::path::RepoPath;
use crate::snapshot::{DELETED_IN_INDEX, NEW_FILE, StagedBlobs, State};

/// `git status`, with overrides of all settings that make it show less.
pub(super) const ARGUMENTS: [&str; 7] = [
    "status",
    "--porcelain=v2",
    "-z",
    "--branch",
    "--no-ahead-behind",
    "--untracked-files=all",
    "--no-renames",
];

/// The status of a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StatusRecord {
    pub states: BTreeSet<State>,
    /// Details, such as "new file".
    pub notes: BTreeSet<&'static str>,
    /// Git's record without the path: states, modes and ids.
    pub words: Vec<u8>,
    /// The blobs in HEAD and in the index, if they differ.
    pub staged: Option<StagedBlobs>,
}

/// The records of an output, by path.
pub(super) type Records = BTreeMap<RepoPath, StatusRecord>;

/// Parses an output; the error is the part that cannot be parsed.
pub(super) fn parse(answer: &[u8]) -> Result<Records, &[u8]> {
    let Some(answer) = answer.strip_suffix(b"\0") else { return Err(answer) };
    // The header proves that git answered, even if nothing follows.
    if !answer.starts_with(b"# branch.oid ") {
        return Err(answer);
    }
    let mut records = Records::new();
    let mut fields = answer.split(|&byte| byte == 0);
    while let Some(field) = fields.next() {
        if field.starts_with(b"# ") {
            continue;
        }
        let (path, record) = parse_record(field).ok_or(field)?;
        merge(&mut records, path, record);
        if field.starts_with(b"2 ") {
            let origin = RepoPath::new(fields.next().ok_or(field)?);
            merge(&mut records, origin, StatusRecord::of(State::Staged, Some("renamed")));
        }
    }
    Ok(records)
}

/// Adds a record. A path can have two: staged as deleted, and untracked because it still exists.
pub(super) fn merge(records: &mut Records, path: RepoPath, mut record: StatusRecord) {
    if record.states.is_empty() {
        return;
    }
    let known = records.entry(path).or_default();
    known.states.append(&mut record.states);
    known.notes.append(&mut record.notes);
    known.words.append(&mut record.words);
    known.staged = known.staged.or(record.staged);
}

impl StatusRecord {
    /// A record of one state, without git's words.
    pub(super) fn of(state: State, note: Option<&'static str>) -> Self {
        let notes = note.into_iter().collect();
        Self { states: [state].into(), notes, ..Self::default() }
    }
}

/// Parses a record.
pub(super) fn parse_record(field: &[u8]) -> Option<(RepoPath, StatusRecord)> {
    match field {
        [b'?', b' ', path @ ..] => Some((path_of(path)?, StatusRecord::of(State::Untracked, None))),
        // Ignored paths are not asked for, but may be reported.
        [b'!', b' ', path @ ..] => Some((path_of(path)?, StatusRecord::default())),
        [b'1', b' ', ..] => tracked(field, 8),
        [b'2', b' ', ..] => tracked(field, 9),
        [b'u', b' ', ..] => unmerged(field),
        _ => None,
    }
}

/// Splits a record after this many words; the rest is the path, which may contain spaces.
fn split(field: &[u8], words: usize) -> Option<(Vec<&[u8]>, RepoPath)> {
    let mut parts: Vec<&[u8]> = field.splitn(words + 1, |&byte| byte == b' ').collect();
    let path = parts.pop()?;
    (parts.len() == words).then_some((parts, path_of(path)?))
}

fn path_of(path: &[u8]) -> Option<RepoPath> {
    (!path.is_empty()).then(|| RepoPath::new(path))
}

/// `1 <XY> <sub> <mH> <mI> <mW> <hH> <hI> <path>`; a record `2` has a score before the path.
fn tracked(field: &[u8], words: usize) -> Option<(RepoPath, StatusRecord)> {
    let (parts, path) = split(field, words)?;
    let &[_, &[index, tree], submodule, head_mode, index_mode, tree_mode, head_id, index_id, ..] =
        &parts[..]
    else {
        return None;
    };
    let mut record = StatusRecord { words: parts.join(&b' '), ..StatusRecord::default() };
    let (states, notes) = (&mut record.states, &mut record.notes);
    match index {
        b'.' => {}
        b'M' | b'A' | b'D' | b'T' | b'R' | b'C' => _ = states.insert(State::Staged),
        _ => return None,
    }
    match tree {
        b'.' => {}
        b'D' => _ = states.insert(State::Deleted),
        b'M' | b'A' | b'T' | b'R' | b'C' => _ = states.insert(State::Modified),
        _ => return None,
    }
    if states.is_empty() {
        return None;
    }
    notes.extend([index, tree].into_iter().filter_map(|letter| match letter {
        b'A' => Some(NEW_FILE),
        b'T' => Some("type changed"),
        b'R' => Some("renamed"),
        b'C' => Some("copied"),
        _ => None,
    }));
    if index == b'D' {
        notes.insert(DELETED_IN_INDEX);
    }
    if index != b'.' {
        let id = |hex: &[u8]| ObjectId::from_hex(hex).map(|id| (!id.is_null()).then_some(id));
        record.staged = Some(StagedBlobs { old: id(head_id)?, new: id(index_id)? });
    }
    let flipped = |old: &[u8], new: &[u8]| {
        matches!((old, new), (b"100644", b"100755") | (b"100755", b"100644"))
    };
    if (flipped(head_mode, index_mode) && head_id == index_id) || flipped(index_mode, tree_mode) {
        notes.insert("mode changed");
    }
    notes.extend(submodule_notes(submodule)?);
    Some((path, record))
}

/// `N...`, or `S` and three flags of a submodule.
fn submodule_notes(field: &[u8]) -> Option<impl Iterator<Item = &'static str>> {
    const KNOWN: [(u8, &str); 3] =
        [(b'C', "new commits"), (b'M', "modified content"), (b'U', "untracked content")];
    let flags = match field {
        b"N..." => b"...",
        [b'S', flags @ ..] => <&[u8; 3]>::try_from(flags).ok()?,
        _ => return None,
    };
    let understood =
        flags.iter().zip(KNOWN).all(|(flag, (letter, _))| [b'.', letter].contains(flag));
    understood.then(|| {
        flags.iter().zip(KNOWN).filter(|(flag, _)| **flag != b'.').map(|(_, (_, note))| note)
    })
}

/// `u <XY> <sub> <m1> <m2> <m3> <mW> <h1> <h2> <h3> <path>`.
fn unmerged(field: &[u8]) -> Option<(RepoPath, StatusRecord)> {
    let (parts, path) = split(field, 10)?;
    let note = match parts[1] {
        b"DD" => "both deleted",
        b"AU" => "added by us",
        b"UD" => "deleted by them",
        b"UA" => "added by them",
        b"DU" => "deleted by us",
        b"AA" => "both added",
        b"UU" => "both modified",
        _ => return None,
    };
    Some((
        path,
        StatusRecord {
            words: parts.join(&b' '),
            ..StatusRecord::of(State::Conflicted, Some(note))
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# branch.oid (initial)\0# branch.head main\0";

    fn parsed(record: &str) -> Option<String> {
        let answer = format!("{HEAD}{record}\0");
        let records = parse(answer.as_bytes()).ok()?;
        let lines = records.iter().map(|(path, record)| {
            let states: Vec<_> = record.states.iter().map(|state| state.name()).collect();
            let notes: Vec<_> = record.notes.iter().copied().collect();
            format!("{path}: {} ({})", states.join(", "), notes.join(", "))
        });
        Some(lines.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn each_kind_of_record() {
        let a = "a".repeat(40);
        let b = "b".repeat(40);
        for (record, expected) in [
            (format!("1 .M N... 100644 100644 100644 {a} {a} a b"), "a b: modified ()"),
            (format!("1 MM N... 100644 100644 100644 {a} {b} a"), "a: staged, modified ()"),
            (format!("1 A. N... 000000 100644 100644 {a} {b} a"), "a: staged (new file)"),
            (format!("1 .A N... 000000 000000 100644 {a} {a} a"), "a: modified (new file)"),
            (
                format!("1 D. N... 100644 000000 000000 {a} {b} a"),
                "a: staged (deleted in the index)",
            ),
            (format!("1 .D N... 100644 100644 000000 {a} {a} a"), "a: deleted ()"),
            (format!("1 .T N... 100644 100644 120000 {a} {a} a"), "a: modified (type changed)"),
            (format!("1 .M N... 100644 100644 100755 {a} {a} a"), "a: modified (mode changed)"),
            (format!("1 M. N... 100644 100755 100755 {a} {a} a"), "a: staged (mode changed)"),
            (
                format!("1 .M SC.U 160000 160000 160000 {a} {a} s"),
                "s: modified (new commits, untracked content)",
            ),
            (
                format!("1 D. N... 100644 000000 000000 {a} {b} a\0? a"),
                "a: staged, untracked (deleted in the index)",
            ),
            (
                format!("2 R. N... 100644 100644 100644 {a} {a} R100 n\0o"),
                "n: staged (renamed); o: staged (renamed)",
            ),
            (
                format!("u UD N... 100644 100644 000000 100644 {a} {b} {a} a"),
                "a: conflicted (deleted by them)",
            ),
            ("? a\nb".into(), "a\\nb: untracked ()"),
            ("! a".into(), ""),
            ("# stash 1".into(), ""),
        ] {
            assert_eq!(parsed(&record).as_deref(), Some(expected), "{record:?}");
        }
    }

    #[test]
    fn unknown_records_are_refused() {
        let a = "a".repeat(40);
        for record in [
            String::new(),
            "x a".into(),
            "? ".into(),
            "1 .M".into(),
            format!("1 .. N... 100644 100644 100644 {a} {a} a"),
            format!("1 .X N... 100644 100644 100644 {a} {a} a"),
            format!("1 .M X... 100644 100644 100644 {a} {a} a"),
            format!("1 .M SX.. 100644 100644 100644 {a} {a} a"),
            format!("2 R. N... 100644 100644 100644 {a} {a} R100 n"),
            format!("u XX N... 100644 100644 000000 100644 {a} {a} {a} a"),
        ] {
            assert_eq!(parsed(&record), None, "{record:?}");
        }
        for answer in ["", "\0", "? a\0"] {
            assert!(parse(answer.as_bytes()).is_err(), "{answer:?}");
        }
        let cut = format!("{HEAD}? a");
        assert!(parse(cut.as_bytes()).is_err(), "a truncated answer");
    }
}
