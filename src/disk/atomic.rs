//! Atomic, durable writes: to a temporary file in the same directory, which is synced and renamed;
//! then the directory is synced. A crash leaves the old file or the new one.

use std::fmt::{self, Display};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fsync, openat};
use rustix::io::Errno;

use crate::disk::lock;
use crate::disk::read::{self, FinalLink, ReadError};

/// The start of the names of temporary files. A killed run may leave one.
pub(crate) const TEMPORARY: &str = ".bakstop-";

/// The permission bits of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bits {
    /// These without the umask.
    New(u32),
    /// Exactly these.
    Exact(u32),
    /// Those of the replaced file; for a new one, read and write without the umask.
    Kept,
}

/// The state of a path that a write requires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Old<'a> {
    /// No file.
    Absent,
    /// Any file, or none.
    Any,
    /// A regular file with this text.
    Text(&'a [u8]),
}

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The path is not in the required state.
    Changed,
    Io(io::Error),
}

impl Display for WriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => out.write_str("another process changed it in the meantime"),
            Self::Io(error) => error.fmt(out),
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        Self::Io(error.into())
    }
}

/// Writes a file, and replaces even a link. Keeps the owner of the old file, if this user may.
pub(crate) fn write(path: &Path, text: &[u8], bits: Bits, old: Old<'_>) -> Result<(), WriteError> {
    put(path, None, bits, old, |file| file.write_all(text))
}

/// [`write()`] under a lock, by a temporary file whose name is known: the next run replaces or
/// removes one that a killed run left. `name` starts with [`TEMPORARY`].
pub(crate) fn write_by(
    name: &str,
    path: &Path,
    text: &[u8],
    (bits, old): (Bits, Old<'_>),
) -> Result<(), WriteError> {
    remove_temporary(name, parent(path))?;
    put(path, Some(name), bits, old, |file| file.write_all(text))
}

/// Removes the temporary file with this name from a directory, if a killed run left one.
pub(crate) fn remove_temporary(name: &str, directory: &Path) -> Result<(), WriteError> {
    match remove(&directory.join(name)) {
        Err(WriteError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Copies a regular file with its permission bits to a path that does not exist.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), WriteError> {
    let (mut source, about) = read::open(from, FinalLink::Refuse)?;
    let bits = Bits::Exact(mode(&about));
    put(to, None, bits, Old::Absent, |file| io::copy(&mut source, file).map(drop))
}

fn put(
    path: &Path,
    temporary: Option<&str>,
    bits: Bits,
    old: Old<'_>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), WriteError> {
    let directory = parent(path);
    let replaced = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    let (first, last) = match (bits, &replaced) {
        (Bits::New(bits), _) => (bits, None),
        (Bits::Exact(bits), _) => (bits, Some(bits)),
        (Bits::Kept, Some(replaced)) => (0o600, Some(mode(replaced))),
        (Bits::Kept, None) => (0o666, None),
    };
    let permissions = Permissions::from_mode(first);
    let mut builder = tempfile::Builder::new();
    builder.prefix(temporary.unwrap_or(TEMPORARY)).permissions(permissions);
    if temporary.is_some() {
        builder.rand_bytes(0);
    }
    let mut file = builder.tempfile_in(directory)?;
    write(file.as_file_mut())?;
    let keeps_owner = replaced.is_none_or(|replaced| keep_owner(file.as_file(), &replaced));
    // After the owner: chown clears some bits.
    if let Some(bits) = last {
        // Another group gets the bits of all others.
        let bits = if keeps_owner { bits } else { bits & (0o707 | (bits & 0o7) << 3) };
        file.as_file().set_permissions(Permissions::from_mode(bits))?;
    }
    sync_file(file.as_file())?;
    if let Old::Text(text) = old {
        must_be_text(path, text)?;
    }
    let persisted = match old {
        Old::Absent => file.persist_noclobber(path),
        Old::Any | Old::Text(_) => file.persist(path),
    };
    persisted.map_err(|error| match error.error {
        error if error.kind() == ErrorKind::AlreadyExists => WriteError::Changed,
        error => WriteError::Io(error),
    })?;
    Ok(sync(directory)?)
}

/// Keeps the owner and group of a replaced file; returns whether that succeeded.
fn keep_owner(file: &File, replaced: &Metadata) -> bool {
    let (user, group) = (replaced.uid(), replaced.gid());
    file.metadata().is_ok_and(|about| (about.uid(), about.gid()) == (user, group))
        || fchown(file, Some(user), Some(group)).is_ok()
}

fn must_be_text(path: &Path, text: &[u8]) -> Result<(), WriteError> {
    match read::file(path, FinalLink::Refuse, text.len() as u64) {
        Ok(now) if now == text => Ok(()),
        Err(ReadError::Io(error)) if !matches!(error.kind(), ErrorKind::NotFound) => {
            Err(WriteError::Io(error))
        }
        _ => Err(WriteError::Changed),
    }
}

/// Appends a line to a regular file, or creates it, under a lock.
///
/// `complete` returns the length of the complete lines of a text: the rest, from a run that was
/// killed while writing, is truncated.
pub(crate) fn append(
    path: &Path,
    final_link: FinalLink,
    line: &str,
    limit: u64,
    complete: fn(&[u8]) -> usize,
) -> Result<(), WriteError> {
    // Checked before, because opening a device can change it.
    let follows = final_link == FinalLink::Follow;
    if let Ok(about) = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) } {
        read::must_be_regular(about)?;
    }
    let flags = read::flags(final_link);
    let mut file =
        File::options().read(true).append(true).create(true).custom_flags(flags).open(path)?;
    lock::wait(&file).map_err(|lock::Busy| io::Error::other("another process has locked it"))?;
    let about = read::must_be_regular(file.metadata()?)?;
    let text = read::content(&file, &about, limit)?;
    let (counted, cut_off) = text.split_at_checked(complete(&text)).unwrap_or((&text, &[]));
    if !cut_off.is_empty() {
        file.set_len(counted.len() as u64)?;
    }
    // An editor may have left out the last line feed.
    let start = if counted.last().is_none_or(|&byte| byte == b'\n') { "" } else { "\n" };
    let written =
        file.write_all(format!("{start}{line}").as_bytes()).and_then(|()| sync_file(&file));
    if written.is_err() {
        // Later runs could not parse half a line.
        let _ = file.set_len(counted.len() as u64);
    } else if text.is_empty() {
        sync(parent(path))?;
    }
    Ok(written?)
}

/// Renames a file within its directory.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), WriteError> {
    fs::rename(from, to)?;
    Ok(sync(parent(to))?)
}

/// Makes a hard link to a file, or a copy if the file system has no hard links.
pub(crate) fn link(file: &Path, second: &Path) -> Result<(), WriteError> {
    match fs::hard_link(file, second) {
        // An existing file is not replaced.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => match fs::read_link(file) {
            Ok(target) => symlink(target, second)?,
            Err(_) => return copy(file, second),
        },
        done => done?,
    }
    Ok(sync(parent(second))?)
}

/// Removes a file or an empty directory.
pub(crate) fn remove(path: &Path) -> Result<(), WriteError> {
    let is_directory = path.symlink_metadata()?.is_dir();
    (if is_directory { fs::remove_dir(path) } else { fs::remove_file(path) })?;
    Ok(sync(parent(path))?)
}

/// Creates a directory and its parents. Exact bits are set before it gets its name: after a kill,
/// the next run does not check them again.
pub(crate) fn make_directory(path: &Path, bits: Bits) -> Result<(), WriteError> {
    let above = parent(path);
    if !above.is_dir() {
        // This syncs each parent.
        make_directory(above, Bits::New(0o777))?;
    }
    if let Bits::Exact(bits) = bits {
        let directory = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(above)?;
        fs::set_permissions(directory.path(), Permissions::from_mode(bits))?;
        fs::rename(directory.path(), path)?;
        // It is not temporary any more.
        let _ = directory.keep();
    } else if let Err(error) = fs::create_dir(path)
        && !path.is_dir()
    {
        return Err(error.into());
    }
    Ok(sync(above)?)
}

/// Syncs the names in a directory.
fn sync(directory: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // A writable directory may be unreadable.
    let Ok(directory) = openat(CWD, directory, flags, Mode::empty()) else { return Ok(()) };
    let synced = sync_file(&File::from(directory));
    match synced.as_ref().map_err(Errno::from_io_error) {
        // Not every file system supports it (fsync(2)).
        Err(Some(Errno::INVAL | Errno::ROFS | Errno::NOTSUP)) => Ok(()),
        _ => synced,
    }
}

/// Syncs an open file or directory. On macOS, `sync_all` makes the disk write its own cache too,
/// which not every file system there supports (SMB does not): the disk may then keep it.
fn sync_file(file: &File) -> io::Result<()> {
    or_if_unsupported(file.sync_all(), || Ok(fsync(file)?))
}

/// The second way, if the first one is not supported (fcntl(2) of macOS, `F_FULLFSYNC`).
fn or_if_unsupported(
    first: io::Result<()>,
    second: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    match first.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::NOTSUP | Errno::INVAL | Errno::NOTTY)) => second(),
        _ => first,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The permission bits of a file.
pub(crate) fn mode(about: &Metadata) -> u32 {
    about.permissions().mode() & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let name =
            |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = read::list(directory).unwrap().into_iter().map(name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_write_requires_the_old_state() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"one", Bits::New(0o600), Old::Absent).unwrap();
        assert!(matches!(write(&path, b"two", Bits::Kept, Old::Absent), Err(WriteError::Changed)));
        for planned in ["on", "onee", "two"] {
            let done = write(&path, b"two", Bits::Kept, Old::Text(planned.as_bytes()));
            assert!(matches!(done, Err(WriteError::Changed)), "{planned}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, Permissions::from_mode(0o606)).unwrap();
        write(&path, b"two", Bits::Kept, Old::Text(b"one")).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path.metadata().unwrap())),
            (b"two".to_vec(), 0o606)
        );
        write(&path, b"three", Bits::Exact(0o777), Old::Any).unwrap();
        assert_eq!(mode(&path.metadata().unwrap()), 0o777);
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            write(&path, b"x", Bits::Kept, Old::Text(b"three")),
            Err(WriteError::Changed)
        ));
        symlink("/dev/zero", &path).unwrap();
        assert!(matches!(
            write(&path, b"x", Bits::Kept, Old::Text(b"three")),
            Err(WriteError::Changed)
        ));
        assert_eq!(names(directory.path()), ["file"], "nothing is left");
    }

    #[test]
    fn only_an_unsupported_sync_is_tried_in_another_way() {
        let failed = |number: Errno| Err(io::Error::from(number));
        let busy = || failed(Errno::BUSY);
        for (first, result) in [
            (Ok(()), None),
            (failed(Errno::NOTSUP), Some(Errno::BUSY)),
            (failed(Errno::NOTTY), Some(Errno::BUSY)),
            (failed(Errno::IO), Some(Errno::IO)),
            (failed(Errno::NOSPC), Some(Errno::NOSPC)),
        ] {
            let found = or_if_unsupported(first, busy).err();
            assert_eq!(found.and_then(|error| Errno::from_io_error(&error)), result);
        }
        assert!(or_if_unsupported(failed(Errno::NOTSUP), || Ok(())).is_ok());
    }

    #[test]
    fn links_and_copies_keep_bits_and_replace_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write(&at("a"), b"a", Bits::Exact(0o751), Old::Absent).unwrap();
        link(&at("a"), &at("b")).unwrap();
        assert_eq!(at("a").metadata().unwrap().ino(), at("b").metadata().unwrap().ino());
        assert!(link(&at("a"), &at("b")).is_err() && copy(&at("a"), &at("b")).is_err());
        copy(&at("a"), &at("c")).unwrap();
        assert_eq!(mode(&at("c").metadata().unwrap()), 0o751);
        rename(&at("c"), &at("b")).unwrap();
        make_directory(&at("d"), Bits::Exact(0o700)).unwrap();
        remove(&at("d")).unwrap();
        remove(&at("a")).unwrap();
        assert_eq!(names(directory.path()), ["b"]);
    }

    #[test]
    fn a_partial_line_is_truncated_before_appending() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let whole = |text: &[u8]| text.strip_suffix(b"half").map_or(text.len(), <[u8]>::len);
        for (before, after) in
            [("", "line\n"), ("a\n", "a\nline\n"), ("a", "a\nline\n"), ("a\nhalf", "a\nline\n")]
        {
            fs::write(&path, before).unwrap();
            append(&path, FinalLink::Refuse, "line\n", 100, whole).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "{before:?}");
        }
        assert!(append(&path, FinalLink::Refuse, "line\n", 2, whole).is_err(), "beyond the limit");
        fs::remove_file(&path).unwrap();
        // Opening it would fail in another way.
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(
            append(&path, FinalLink::Refuse, "", 1, whole)
                .unwrap_err()
                .to_string()
                .contains("it is a socket")
        );
        drop(socket);
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        assert!(
            append(&path, FinalLink::Refuse, "line\n", 100, whole)
                .unwrap_err()
                .to_string()
                .contains("it is a FIFO")
        );
    }
}
