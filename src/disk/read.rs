//! Bounded reads: of regular files only, up to a limit, without blocking.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

const MIB: u64 = 1024 * 1024;

/// Whether a symbolic link as the last component of a path is followed. Earlier components always
/// are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinalLink {
    Follow,
    /// A link counts as not regular.
    Refuse,
}

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is a directory, a FIFO, a socket, a device or a link, as the noun says.
    NotRegular(&'static str),
    /// It is larger than the limit.
    TooLarge {
        /// In bytes, as far as it is known.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    Io(io::Error),
}

impl ReadError {
    /// Whether the path does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if is_absent(error))
    }

    /// Whether a link is dangling or a loop, or its target is not a regular file.
    pub(crate) fn is_dead_end(&self) -> bool {
        let loops = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::LOOP);
        matches!(self, Self::NotRegular(_))
            || self.is_absent()
            || matches!(self, Self::Io(error) if loops(error))
    }

    /// The next step for a user's file.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::NotRegular(_) => "replace it with a regular file, or remove it",
            Self::TooLarge { .. } => "make it smaller, or remove it",
            Self::Io(_) => "make it readable by this user",
        }
    }
}

impl Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular(noun) => write!(out, "it is {noun}, not a regular file"),
            Self::TooLarge { limit, .. } if *limit >= MIB => {
                write!(out, "it is larger than {} MiB", limit / MIB)
            }
            Self::TooLarge { limit, .. } => write!(out, "it is larger than {limit} bytes"),
            Self::Io(error) => error.fmt(out),
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The content of a regular file of at most `limit` bytes.
pub(crate) fn file(path: &Path, link: FinalLink, limit: u64) -> Result<Vec<u8>, ReadError> {
    let (file, about) = open(path, link)?;
    content(&file, &about, limit)
}

/// [`file()`], or `None` if the path does not exist.
pub(crate) fn file_if_exists(
    path: &Path,
    link: FinalLink,
    limit: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    match file(path, link, limit) {
        Err(error) if error.is_absent() => Ok(None),
        content => content.map(Some),
    }
}

/// `None` for an operation that failed because its path does not exist.
pub(crate) fn if_exists<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether an operation failed because its path does not exist.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path, link: FinalLink) -> Result<(File, Metadata), ReadError> {
    let follows = link == FinalLink::Follow;
    // Checked before, because opening a device can change it.
    must_be_regular(if follows { fs::metadata(path)? } else { fs::symlink_metadata(path)? })?;
    open_at_once(path, link)
}

/// [`open`] without the check before, which saves a system call: for the files of git itself, which
/// are not devices.
pub(crate) fn open_at_once(path: &Path, link: FinalLink) -> Result<(File, Metadata), ReadError> {
    let file = File::options().read(true).custom_flags(flags(link)).open(path)?;
    let about = must_be_regular(file.metadata()?)?;
    Ok((file, about))
}

/// The flags with which opening does not block (open(2)).
pub(crate) fn flags(link: FinalLink) -> i32 {
    let follow = if link == FinalLink::Follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    (OFlags::NONBLOCK | OFlags::NOCTTY | follow).bits().cast_signed()
}

/// The rest of an open file, if it has at most `limit` bytes.
pub(crate) fn content(file: &File, about: &Metadata, limit: u64) -> Result<Vec<u8>, ReadError> {
    if about.len() > limit {
        return Err(ReadError::TooLarge { size: about.len(), limit });
    }
    let mut content =
        Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default().saturating_add(1));
    // The file may grow meanwhile, and files in /proc have no size.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut content)? as u64;
    if read > limit { Err(ReadError::TooLarge { size: read, limit }) } else { Ok(content) }
}

/// Resolves the links of the part of a path that exists, and appends the rest.
pub(crate) fn canonicalize_existing(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonicalize_existing(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The paths of everything in a directory, unsorted.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

/// The noun for a FIFO, socket or device, which could block or never end.
pub(crate) fn endless(path: &Path) -> Option<&'static str> {
    let kind = fs::metadata(path).ok()?.file_type();
    (!kind.is_file() && !kind.is_dir()).then(|| noun(kind))
}

/// The first FIFO, socket or device below a directory, with its noun. `is_entered` and `is_read`
/// select directories and files by name. Directories that cannot be listed are skipped.
pub(crate) fn find_endless(
    directory: &Path,
    is_entered: fn(&OsStr) -> bool,
    is_read: fn(&OsStr) -> bool,
) -> Option<(PathBuf, &'static str)> {
    let mut rest = vec![directory.to_owned()];
    while let Some(directory) = rest.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = || entry.file_name();
            match entry.file_type() {
                // Most entries are files, and there may be thousands.
                Ok(kind) if kind.is_file() => {}
                Ok(kind) if kind.is_dir() => rest.extend(is_entered(&name()).then(|| entry.path())),
                Ok(_) if !is_read(&name()) => {}
                _ => {
                    if let Some(noun) = endless(&entry.path()) {
                        return Some((entry.path(), noun));
                    }
                }
            }
        }
    }
    None
}

/// Returns the metadata if they are those of a regular file.
pub(crate) fn must_be_regular(about: Metadata) -> Result<Metadata, ReadError> {
    if about.is_file() { Ok(about) } else { Err(ReadError::NotRegular(noun(about.file_type()))) }
}

/// The noun for a file that is not regular.
pub(crate) fn noun(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("directory")).unwrap();
        mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        for (target, name) in [
            ("file", "to-file"),
            ("/dev/zero", "to-zero"),
            ("fifo", "to-fifo"),
            ("nothing", "dangling"),
            ("loop", "loop"),
        ] {
            symlink(target, at(name)).unwrap();
        }
        let content_of = |name: &str, link| match file(&at(name), link, 100) {
            Ok(text) => String::from_utf8(text).unwrap(),
            Err(error) if error.is_absent() => "absent".to_owned(),
            Err(error) => error.to_string(),
        };
        for (name, followed, refused) in [
            ("file", "text", "text"),
            ("to-file", "text", "it is a symbolic link, not a regular file"),
            (
                "directory",
                "it is a directory, not a regular file",
                "it is a directory, not a regular file",
            ),
            ("fifo", "it is a FIFO, not a regular file", "it is a FIFO, not a regular file"),
            (
                "to-fifo",
                "it is a FIFO, not a regular file",
                "it is a symbolic link, not a regular file",
            ),
            ("socket", "it is a socket, not a regular file", "it is a socket, not a regular file"),
            (
                "to-zero",
                "it is a device, not a regular file",
                "it is a symbolic link, not a regular file",
            ),
            ("dangling", "absent", "it is a symbolic link, not a regular file"),
            ("nothing", "absent", "absent"),
            ("file/below", "absent", "absent"),
        ] {
            assert_eq!(content_of(name, FinalLink::Follow), followed, "{name}");
            assert_eq!(content_of(name, FinalLink::Refuse), refused, "{name}");
        }
        for name in ["to-zero", "to-fifo", "dangling", "loop"] {
            assert!(file(&at(name), FinalLink::Follow, 100).unwrap_err().is_dead_end(), "{name}");
        }
        assert_eq!((endless(&at("to-zero")), endless(&at("file"))), (Some("a device"), None));
        assert_eq!((endless(&at("directory")), endless(&at("dangling"))), (None, None));
    }

    #[test]
    fn a_missing_path_is_resolved_below_an_existing_one() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        fs::create_dir(real.join("real")).unwrap();
        symlink("real", real.join("link")).unwrap();
        assert_eq!(canonicalize_existing(&real.join("link/a/b")), real.join("real/a/b"));
    }

    #[test]
    fn a_read_ends_at_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(file(&path, FinalLink::Refuse, 5).unwrap(), b"12345");
        let error = file(&path, FinalLink::Refuse, 4).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { size: 5, limit: 4 }), "{error}");
        assert_eq!(
            ReadError::TooLarge { size: 0, limit: 3 * MIB }.to_string(),
            "it is larger than 3 MiB"
        );
        // The file grew after its metadata was read.
        let (open, about) = open(&path, FinalLink::Refuse).unwrap();
        fs::write(&path, "1234567890").unwrap();
        assert!(matches!(content(&open, &about, 5), Err(ReadError::TooLarge { .. })));
        // Its size is unknown.
        let status = Path::new("/proc/self/status");
        if status.exists() {
            assert!(!file(status, FinalLink::Refuse, MIB).unwrap().is_empty());
            assert!(matches!(file(status, FinalLink::Refuse, 4), Err(ReadError::TooLarge { .. })));
        }
    }
}
