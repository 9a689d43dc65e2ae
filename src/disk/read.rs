//! Bounded reads. Only regular files are read, never more bytes than a limit, and no open or read
//! waits.

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
    /// It may lead to a regular file.
    Follow,
    /// It is not a regular file.
    Refuse,
}

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is a directory, a FIFO, a socket, a device or a link; the noun.
    NotRegular(&'static str),
    /// It has more bytes than the limit.
    TooLarge {
        /// Its size in bytes, as far as it is known.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The system refused.
    Io(io::Error),
}

impl ReadError {
    /// Whether no file has this path.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
    }

    /// Whether a link leads to no file: it dangles, it loops, or its target is not a regular file.
    pub(crate) fn is_dead_end(&self) -> bool {
        let loops = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::LOOP);
        matches!(self, Self::NotRegular(_))
            || self.is_absent()
            || matches!(self, Self::Io(error) if loops(error))
    }

    /// The next step for a file that somebody put there.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::NotRegular(_) => "put a regular file in its place, or remove it",
            Self::TooLarge { .. } => "make it smaller, or remove it",
            Self::Io(_) => "make it readable for this user",
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

/// The same; `None` if no file has this path.
pub(crate) fn file_if_there(
    path: &Path,
    link: FinalLink,
    limit: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    match file(path, link, limit) {
        Err(error) if error.is_absent() => Ok(None),
        content => content.map(Some),
    }
}

/// `None` if what was asked for a path failed because no file has it.
pub(crate) fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// Opens a regular file.
pub(crate) fn open(path: &Path, link: FinalLink) -> Result<(File, Metadata), ReadError> {
    let follows = link == FinalLink::Follow;
    // Before it is opened: that alone can change a device.
    must_be_regular(if follows { fs::metadata(path)? } else { fs::symlink_metadata(path)? })?;
    open_at_once(path, link)
}

/// Opens a regular file without a look at it first, which saves a system call: for the files of git
/// itself, where a device is not expected.
pub(crate) fn open_at_once(path: &Path, link: FinalLink) -> Result<(File, Metadata), ReadError> {
    // A FIFO would be waited for.
    let file = File::options().read(true).custom_flags(flags(link)).open(path)?;
    let about = must_be_regular(file.metadata()?)?;
    Ok((file, about))
}

/// The flags with which no open waits (open(2)).
pub(crate) fn flags(link: FinalLink) -> i32 {
    let follow = if link == FinalLink::Follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    (OFlags::NONBLOCK | OFlags::NOCTTY | follow).bits().cast_signed()
}

/// The content of an open file from its position on, at most `limit` bytes of it.
pub(crate) fn content(file: &File, about: &Metadata, limit: u64) -> Result<Vec<u8>, ReadError> {
    if about.len() > limit {
        return Err(ReadError::TooLarge { size: about.len(), limit });
    }
    let mut content =
        Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default().saturating_add(1));
    // It may grow meanwhile, and files of /proc have no size.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut content)? as u64;
    if read > limit { Err(ReadError::TooLarge { size: read, limit }) } else { Ok(content) }
}

/// Follows the symbolic links of the part of a path that exists, and keeps the rest as it is.
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

/// The noun for what a path leads to, if reading it could wait or never end: a FIFO, a socket or a
/// device.
pub(crate) fn endless(path: &Path) -> Option<&'static str> {
    let kind = fs::metadata(path).ok()?.file_type();
    (!kind.is_file() && !kind.is_dir()).then(|| noun(kind))
}

/// The first file below a directory, at any depth, that [`endless`] has a noun for. Only
/// directories that are entered and files that are read count, by their names. What cannot be
/// listed is left out.
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
                // Most entries are files, and of these there may be thousands.
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

/// Gives the metadata back if they are those of a regular file.
pub(crate) fn must_be_regular(about: Metadata) -> Result<Metadata, ReadError> {
    if about.is_file() { Ok(about) } else { Err(ReadError::NotRegular(noun(about.file_type()))) }
}

/// What to call a file that is not regular.
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
        let said = |name: &str, link| match file(&at(name), link, 100) {
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
            assert_eq!(said(name, FinalLink::Follow), followed, "{name}");
            assert_eq!(said(name, FinalLink::Refuse), refused, "{name}");
        }
        for name in ["to-zero", "to-fifo", "dangling", "loop"] {
            assert!(file(&at(name), FinalLink::Follow, 100).unwrap_err().is_dead_end(), "{name}");
        }
        assert_eq!((endless(&at("to-zero")), endless(&at("file"))), (Some("a device"), None));
        assert_eq!((endless(&at("directory")), endless(&at("dangling"))), (None, None));
    }

    #[test]
    fn what_does_not_exist_yet_is_settled_below_what_does() {
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
        // It grew after it was looked at.
        let (open, about) = open(&path, FinalLink::Refuse).unwrap();
        fs::write(&path, "1234567890").unwrap();
        assert!(matches!(content(&open, &about, 5), Err(ReadError::TooLarge { .. })));
        // No size is known of it.
        let status = Path::new("/proc/self/status");
        if status.exists() {
            assert!(!file(status, FinalLink::Refuse, MIB).unwrap().is_empty());
            assert!(matches!(file(status, FinalLink::Refuse, 4), Err(ReadError::TooLarge { .. })));
        }
    }
}
