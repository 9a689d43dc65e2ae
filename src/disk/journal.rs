//! The journal of edits that are taken back: what files held before, so that a run that was killed
//! can be undone.
//!
//! It is written and synced before the first file changes, and removed when the last one is as it
//! was. Touched files are edited in place: a container or an editor may have them open.
//!
//! A line with the name of the format and a digest, then for each file a line of numbers, its path,
//! its old and its new content.

use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::base::edit::Replacement;
use crate::base::escape::to_hex;
use crate::base::path::RepoPath;
use crate::disk::atomic::{self, Bits, Old, WriteError, mode};
use crate::disk::read::{self, FinalLink, ReadError};

/// The format of a journal.
const MARKER: &str = "bakstop.journal/2";
/// The temporary file that becomes a journal: one run writes it at a time.
const TEMPORARY_JOURNAL: &str = ".bakstop-journal";
/// The maximum size in bytes of an edited file, and of a journal.
pub(crate) const LIMIT: u64 = 16 * 1024 * 1024;
const ALL: u64 = 256 * 1024 * 1024;

/// An edit of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournaledEdit {
    /// From the top of the work tree.
    pub path: RepoPath,
    /// The permission bits.
    pub mode: u32,
    pub accessed: Moment,
    pub modified: Moment,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

impl JournaledEdit {
    /// A replacement by another file, of which only the content is put back.
    pub(crate) fn of(file: &Replacement) -> Self {
        let Replacement { path, old, new } = file.clone();
        Self { path, mode: 0, accessed: (0, 0), modified: (0, 0), old, new }
    }
}

/// Seconds and nanoseconds since the epoch.
pub(crate) type Moment = (i64, u32);

/// What became of an edited file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutBack {
    /// It was as before the edit.
    AsBefore,
    /// It is again as before the edit.
    Restored,
    /// The edit is taken out, and what was changed later is kept.
    LaterKept,
    /// The edit is not in it any more, or not as it was; or the file is gone. It is left as it is.
    Foreign,
}

/// Why edits are not known, or a file could not be put back.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// It is no journal of this version, or damaged.
    Unreadable,
    Io(io::Error),
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable => out.write_str("it is damaged, or of another version of bakstop"),
            Self::Io(error) => error.fmt(out),
        }
    }
}

/// Writes a journal, durably. One that exists is an error.
pub(crate) fn write(journal: &Path, edits: &[JournaledEdit]) -> Result<(), WriteError> {
    let how = (Bits::New(0o600), Old::Absent);
    atomic::write_by(TEMPORARY_JOURNAL, journal, &encode(edits), how)
}

/// The edits of a journal; `None` if it does not exist.
pub(crate) fn read(journal: &Path) -> Result<Option<Vec<JournaledEdit>>, JournalError> {
    match read::file_if_exists(journal, FinalLink::Refuse, ALL) {
        Ok(Some(text)) => decode(&text).map(Some).ok_or(JournalError::Unreadable),
        Ok(None) => Ok(None),
        Err(ReadError::Io(error)) => Err(JournalError::Io(error)),
        Err(_) => Err(JournalError::Unreadable),
    }
}

/// Removes a journal.
pub(crate) fn remove(journal: &Path) -> Result<(), WriteError> {
    atomic::remove(journal)
}

/// Makes a journal the one of the last edits, which are taken back; an older one is replaced.
pub(crate) fn retire(journal: &Path, last: &Path) -> Result<(), WriteError> {
    atomic::rename(journal, last)
}

/// Removes what a killed run left next to a journal.
pub(crate) fn tidy(directory: &Path) -> Result<(), WriteError> {
    atomic::remove_temporary(TEMPORARY_JOURNAL, directory)
}

fn encode(edits: &[JournaledEdit]) -> Vec<u8> {
    let mut body = Vec::new();
    for JournaledEdit { path, mode, accessed, modified, old, new } in edits {
        let path = path.as_bytes();
        let numbers = format!(
            "{} {} {} {mode} {} {} {} {}\n",
            path.len(),
            old.len(),
            new.len(),
            accessed.0,
            accessed.1,
            modified.0,
            modified.1
        );
        for part in [numbers.as_bytes(), path, old, new] {
            body.extend_from_slice(part);
        }
    }
    let head = format!("{MARKER} {}\n", digest(&body));
    [head.as_bytes(), &body].concat()
}

fn digest(body: &[u8]) -> String {
    to_hex(&Sha256::digest(body))
}

/// Whether a path stays in the work tree, and out of every git directory.
fn is_inner(path: &RepoPath) -> bool {
    path.components()
        .all(|part| !matches!(part, b"" | b"." | b"..") && !part.eq_ignore_ascii_case(b".git"))
}

fn decode(text: &[u8]) -> Option<Vec<JournaledEdit>> {
    let (head, mut body) = line(text)?;
    if head.strip_prefix(MARKER)?.strip_prefix(' ')? != digest(body) {
        return None;
    }
    let mut edits = Vec::new();
    while !body.is_empty() {
        let (numbers, mut rest) = line(body)?;
        let numbers: Vec<i64> =
            numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [path, old, new, mode, accessed, accessed_part, modified, modified_part] = numbers[..]
        else {
            return None;
        };
        let mut part = |length: i64| {
            let (part, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some(part)
        };
        let path = Some(RepoPath::new(part(path)?)).filter(is_inner)?;
        let (old, new) = (part(old)?.to_vec(), part(new)?.to_vec());
        edits.push(JournaledEdit {
            path,
            mode: u32::try_from(mode).ok()?,
            accessed: (accessed, nanoseconds(accessed_part)?),
            modified: (modified, nanoseconds(modified_part)?),
            old,
            new,
        });
        body = rest;
    }
    Some(edits)
}

/// The first line, without its line feed, and the rest.
fn line(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    Some((std::str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

fn nanoseconds(number: i64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number < 1_000_000_000)
}

/// A file that is open to be edited in place.
#[derive(Debug)]
pub(crate) struct Editable {
    file: File,
    about: Metadata,
    text: Vec<u8>,
}

impl Editable {
    /// Opens a regular file, no link, that this user may write to and whose times it may set.
    pub(crate) fn open(place: &Path) -> Result<Self, ReadError> {
        // Opening a FIFO or a device to write can change it.
        read::must_be_regular(fs::symlink_metadata(place)?)?;
        let flags = read::flags(FinalLink::Refuse);
        let file = File::options().read(true).write(true).custom_flags(flags).open(place)?;
        let about = read::must_be_regular(file.metadata()?)?;
        let text = read::content(&file, &about, LIMIT)?;
        let editable = Self { file, about, text };
        editable.set_times(moment(&editable.about, Which::Accessed), editable.modified())?;
        Ok(editable)
    }

    /// Its content.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    fn modified(&self) -> Moment {
        moment(&self.about, Which::Modified)
    }

    /// What the journal holds about replacing the content.
    pub(crate) fn edit(&self, path: RepoPath, new: Vec<u8>) -> JournaledEdit {
        JournaledEdit {
            path,
            mode: mode(&self.about),
            accessed: moment(&self.about, Which::Accessed),
            modified: self.modified(),
            old: self.text.clone(),
            new,
        }
    }

    /// Writes a new content over the old one. The equal beginning is not written.
    pub(crate) fn write(&mut self, new: &[u8]) -> io::Result<()> {
        let same = common(&self.text, new);
        if new.len() > same {
            self.file.write_all_at(&new[same..], same as u64)?;
        }
        if self.text.len() > new.len() {
            self.file.set_len(new.len() as u64)?;
        }
        self.text = new.to_vec();
        self.file.sync_all()
    }

    fn set_times(&self, accessed: Moment, modified: Moment) -> io::Result<()> {
        let times = FileTimes::new().set_accessed(time(accessed)?).set_modified(time(modified)?);
        self.file.set_times(times)
    }
}

/// Takes an edit back: content, permission bits and times as before. If the file was changed since,
/// only the edit is taken out, provided that it is still there exactly.
pub(crate) fn put_back(place: &Path, edit: &JournaledEdit) -> io::Result<PutBack> {
    let mut file = match Editable::open(place) {
        Ok(file) => file,
        Err(ReadError::NotRegular(_) | ReadError::TooLarge { .. }) => return Ok(PutBack::Foreign),
        Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            return Ok(PutBack::Foreign);
        }
        Err(ReadError::Io(error)) => return Err(error),
    };
    let JournaledEdit { old, new, .. } = edit;
    let is_as_before = file.text == *old;
    if is_as_before || file.text == *new || is_between(&file.text, old, new) {
        file.write(old)?;
        if mode(&file.about) != edit.mode {
            file.file.set_permissions(Permissions::from_mode(edit.mode))?;
        }
        file.set_times(edit.accessed, edit.modified)?;
        return Ok(if is_as_before { PutBack::AsBefore } else { PutBack::Restored });
    }
    let Some(kept) = without_edit(&file.text, edit) else { return Ok(PutBack::Foreign) };
    match atomic::write(place, &kept, Bits::Kept, Old::Text(&file.text)) {
        Ok(()) => Ok(PutBack::LaterKept),
        Err(WriteError::Changed) => Err(io::Error::other(WriteError::Changed.to_string())),
        Err(WriteError::Io(error)) => Err(error),
    }
}

/// The length of the equal beginning of two texts.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Whether a text is what a killed run left while it wrote `new` over `old`, or back.
fn is_between(text: &[u8], old: &[u8], new: &[u8]) -> bool {
    let is_part = |from: &[u8], to: &[u8]| {
        let written = common(text, to);
        text[written..] == *from.get(written..).unwrap_or_default()
    };
    is_part(old, new) || is_part(new, old)
}

/// A text without the lines that an edit added at the end; `None` if they are not in it exactly
/// once.
fn without_edit(text: &[u8], edit: &JournaledEdit) -> Option<Vec<u8>> {
    let added = edit.new.strip_prefix(&edit.old[..]).filter(|added| !added.is_empty())?;
    let once = |wanted: &[u8]| {
        let mut found = memmem::find_iter(text, wanted);
        found.next().filter(|_| found.next().is_none())
    };
    if let Some(start) = text.strip_suffix(added).filter(|_| once(added).is_some()) {
        return Some(start.to_vec());
    }
    // What follows it needs the line feed before it.
    let line = added.strip_prefix(b"\n").unwrap_or(added);
    let start = once(line).filter(|&at| at == 0 || text[at - 1] == b'\n')?;
    Some([&text[..start], &text[start + line.len()..]].concat())
}

/// The times of a file.
#[derive(Debug, Clone, Copy)]
enum Which {
    Accessed,
    Modified,
}

fn moment(about: &Metadata, which: Which) -> Moment {
    let (seconds, part) = match which {
        Which::Accessed => (about.atime(), about.atime_nsec()),
        Which::Modified => (about.mtime(), about.mtime_nsec()),
    };
    (seconds, nanoseconds(part).unwrap_or_default())
}

fn time((seconds, part): Moment) -> io::Result<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = SystemTime::UNIX_EPOCH;
    let second = if seconds < 0 { start.checked_sub(whole) } else { start.checked_add(whole) };
    second
        .and_then(|second| second.checked_add(Duration::from_nanos(part.into())))
        .ok_or_else(|| io::Error::other("its time is out of range"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(old: &str, new: &str) -> JournaledEdit {
        JournaledEdit {
            path: RepoPath::new(b"a/\xff b.ts".to_vec()),
            mode: 0o640,
            accessed: (1_700_000_000, 5),
            modified: (-1, 999_999_999),
            old: old.into(),
            new: new.into(),
        }
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        assert!(read(&path).unwrap().is_none());
        let edits = [edit("a\n", "a\n// x\n"), edit("", "\n")];
        write(&path, &edits).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), edits);
        assert!(matches!(write(&path, &edits), Err(WriteError::Changed)), "one at a time");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(read(&path), Err(JournalError::Unreadable)), "{length}");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            fs::write(&path, &other).unwrap();
            assert!(matches!(read(&path), Err(JournalError::Unreadable)), "{at}");
        }
        remove(&path).unwrap();
        assert!(read(&path).unwrap().is_none());
    }

    #[test]
    fn a_journal_of_other_files_is_not_obeyed() {
        let with_path = |path: &str| {
            let edit = JournaledEdit { path: path.into(), ..edit("a", "b") };
            decode(&encode(&[edit])).is_some()
        };
        assert!(with_path("a/package.json") && with_path("..a/.gitignore"));
        for path in ["", "/etc/x", "../x", "a/../../x", "a//x", "./a", ".git/config", "a/.GIT/x"] {
            assert!(!with_path(path), "{path}");
        }
        let text = String::from_utf8_lossy(&encode(&[])).replace("journal/2", "journal/3");
        assert_eq!(decode(text.as_bytes()), None);
    }

    #[test]
    fn no_text_is_too_strange() {
        proptest!(|(body in any::<Vec<u8>>(), numbers in "[0-9 -]{0,40}")| {
            let body = [numbers.as_bytes(), b"\n", &body].concat();
            let head = format!("{MARKER} {}\n", digest(&body));
            let _ = decode(&[head.as_bytes(), &body].concat());
            prop_assert_eq!(decode(&body), None);
        });
    }

    #[test]
    fn an_edit_is_taken_back_and_later_edits_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ts");
        let edit = edit("a\nb", "a\nb\n// x 1\n");
        for (found, expected, left) in [
            ("a\nb", PutBack::AsBefore, "a\nb"),
            ("a\nb\n// x 1\n", PutBack::Restored, "a\nb"),
            // A killed run had written a part.
            ("a\nb\n// ", PutBack::Restored, "a\nb"),
            ("a\nB\n// x 1\n", PutBack::LaterKept, "a\nB"),
            ("a\nb\n// x 1\nc\n", PutBack::LaterKept, "a\nb\nc\n"),
            ("a\nb\n    // x 1\n", PutBack::Foreign, "a\nb\n    // x 1\n"),
            ("a\nb\n// x 2\n", PutBack::Foreign, "a\nb\n// x 2\n"),
            ("\n// x 1\n\n// x 1\n", PutBack::Foreign, "\n// x 1\n\n// x 1\n"),
            ("", PutBack::Foreign, ""),
        ] {
            fs::write(&path, found).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            assert_eq!(put_back(&path, &edit).unwrap(), expected, "{found:?}");
            let about = fs::metadata(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), left, "{found:?}");
            if [PutBack::AsBefore, PutBack::Restored].contains(&expected) {
                assert_eq!(moment(&about, Which::Accessed), edit.accessed);
                assert_eq!(moment(&about, Which::Modified), edit.modified);
                assert_eq!((mode(&about), about.ino()), (0o640, before), "in place");
            }
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(put_back(&path, &edit).unwrap(), PutBack::Foreign);
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(put_back(&path, &edit).unwrap(), PutBack::Foreign);
        assert!(matches!(Editable::open(&path), Err(ReadError::NotRegular(_))));
    }
}
