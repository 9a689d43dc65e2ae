//! The destination of a report or record, as the user named it: a file, or a stream such as a pipe
//! or `/dev/stdout`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::disk::atomic::{self, Bits, Old, WriteError};
use crate::disk::read::{self, FinalLink, canonicalize_existing};

/// How long to wait for a reader of a FIFO: attempts, and the pause between two.
const RETRIES: (u32, Duration) = (50, Duration::from_millis(100));

/// The maximum number of links that are followed (`path_resolution(7)`).
const LINKS: usize = 40;

/// Where a report or record is written. Created before the work begins, so that errors come early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// As the user wrote it.
    name: PathBuf,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// An open file of this process, such as `/dev/stdout`.
    Opened,
    /// An existing file that is not regular. It is written to.
    Stream(PathBuf),
    /// A regular or new file, with the links of the name resolved. It is replaced.
    File(PathBuf),
}

impl Destination {
    /// Resolves the links of a path.
    pub(crate) fn new(name: &Path) -> Self {
        Self { name: name.to_owned(), target: Target::of(name) }
    }

    /// As the user wrote it.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The path to write to, with its links resolved; `None` for an open file of this process.
    pub(crate) fn target_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Opened => None,
            Target::Stream(path) | Target::File(path) => Some(path),
        }
    }

    /// The regular or new file to write, if the destination is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        if let Target::File(path) = &self.target { Some(path) } else { None }
    }

    /// Writes the text: to a file atomically, with the permission bits of the old one.
    pub(crate) fn write(&self, text: &[u8]) -> Result<(), WriteError> {
        match self.unchanged()? {
            Target::Opened => Ok(open(&self.name, true)?.write_all(text)?),
            Target::Stream(path) => Ok(open(path, false)?.write_all(text)?),
            Target::File(path) => atomic::write(path, text, Bits::Kept, Old::Any),
        }
    }

    /// Appends a line to a regular file; see [`atomic::append`].
    pub(crate) fn append(
        &self,
        line: &str,
        limit: u64,
        complete: fn(&[u8]) -> usize,
    ) -> Result<(), WriteError> {
        match self.unchanged()? {
            Target::Opened => atomic::append(&self.name, FinalLink::Follow, line, limit, complete),
            Target::Stream(path) | Target::File(path) => {
                atomic::append(path, FinalLink::Refuse, line, limit, complete)
            }
        }
    }

    /// The target, unless a link changed meanwhile: the new target was not checked.
    fn unchanged(&self) -> Result<&Target, WriteError> {
        if Target::of(&self.name) == self.target {
            Ok(&self.target)
        } else {
            Err(WriteError::Changed)
        }
    }
}

impl Target {
    fn of(name: &Path) -> Self {
        if is_opened(name) {
            return Self::Opened;
        }
        // Absolute, so that the result is the same if a build creates the directory.
        let mut target =
            canonicalize_existing(&std::path::absolute(name).unwrap_or_else(|_| name.to_owned()));
        // Follow a dangling link. One that points to itself is replaced.
        for _ in 0..LINKS {
            let next = fs::read_link(&target);
            let (Ok(next), Err(_)) = (next, fs::metadata(&target)) else { break };
            target = canonicalize_existing(&target.parent().unwrap_or(Path::new("/")).join(next));
        }
        if fs::metadata(&target).is_ok_and(|about| !about.is_file()) {
            Self::Stream(target)
        } else {
            Self::File(target)
        }
    }
}

/// Whether a path names an open file of this process: `/dev/stdout`, `/dev/fd/3`,
/// `/proc/self/fd/3`.
fn is_opened(path: &Path) -> bool {
    let is = |name: &&str| path == Path::new(name);
    let is_in = |directory: &&str| path.parent() == Some(Path::new(directory));
    ["/dev/stdin", "/dev/stdout", "/dev/stderr"].iter().any(is)
        || ["/dev/fd", "/proc/self/fd"].iter().any(is_in)
}

/// Opens a stream. Waits some time for a reader of a FIFO.
fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = File::options();
    // An open file of this process may be regular: it must not be overwritten from its start.
    let options = if append { options.append(true) } else { options.write(true) };
    options.custom_flags(read::flags(FinalLink::Follow));
    let mut attempts = 0;
    let file = loop {
        match options.open(path) {
            Err(error) if lacks_reader(&error, path) && attempts < RETRIES.0 => {
                std::thread::sleep(RETRIES.1);
                attempts += 1;
            }
            Err(error) if lacks_reader(&error, path) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "no process reads from this FIFO"));
            }
            file => break file?,
        }
    };
    // Wait for a slow reader.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Whether opening failed because no process reads from the FIFO (fifo(7)).
fn lacks_reader(error: &io::Error, path: &Path) -> bool {
    Errno::from_io_error(error) == Some(Errno::NXIO)
        && fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo())
}

/// Whether an absolute path, with its links resolved, is in a git directory: `.git`, or a bare or
/// separate one.
pub(crate) fn is_in_git_directory(path: &Path) -> bool {
    let is_named =
        |path: &Path| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(".git"));
    // A work tree in a git directory is not part of it.
    let is_top = |directory: &&Path| directory.join(".git").symlink_metadata().is_ok();
    let mut above = path.ancestors().skip(1).take_while(|directory| !is_top(directory));
    is_named(path) || above.any(|directory| is_named(directory) || is_git_directory(directory))
}

/// Whether a directory has the layout of a git directory (gitrepository-layout(5)).
fn is_git_directory(directory: &Path) -> bool {
    let is_shared = || directory.join("objects").is_dir() && directory.join("refs").is_dir();
    directory.join("HEAD").symlink_metadata().is_ok()
        && (is_shared() || directory.join("commondir").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_known_by_path() {
        for (path, opened) in [
            ("/dev/stdout", true),
            ("/dev/fd/3", true),
            ("/proc/self/fd/1", true),
            ("/dev/null", false),
            ("/dev/../etc/passwd", false),
            ("/proc/self/cwd/.git/config", false),
            ("stdout", false),
        ] {
            assert_eq!(is_opened(Path::new(path)), opened, "{path}");
        }
    }

    #[test]
    fn git_directories_are_known_by_name_and_layout() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for path in [
            "shop.git/objects",
            "shop.git/refs",
            "shop.git/tree",
            "linked/x",
            "plain/objects",
            "a/.git/tree",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        for path in [
            "shop.git/HEAD",
            "shop.git/tree/.git",
            "a/.git/tree/.git",
            "linked/HEAD",
            "linked/commondir",
            "plain/HEAD",
        ] {
            fs::write(root.join(path), "").unwrap();
        }
        for (path, inside) in [
            ("a/.git/config", true),
            ("a/.GIT/x/y", true),
            ("a/.git/tree/report", false),
            ("a/.git", true),
            ("shop.git/config", true),
            ("shop.git/hooks/x", true),
            ("linked/x/y", true),
            ("shop.git/tree/report", false),
            ("shop.git", false),
            ("plain/report", false),
            ("a/.github/x", false),
        ] {
            assert_eq!(is_in_git_directory(&root.join(path)), inside, "{path}");
        }
    }

    #[test]
    fn a_link_that_changed_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a"), "a").unwrap();
        fs::write(at("b"), "b").unwrap();
        let below = Destination::new(&at("new/file"));
        fs::create_dir(at("new")).unwrap();
        below.write(b"below").unwrap();
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        let destination = Destination::new(&at("link"));
        destination.write(b"new").unwrap();
        assert_eq!(fs::read(at("a")).unwrap(), b"new");
        fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("b", at("link")).unwrap();
        assert!(matches!(destination.write(b"newer"), Err(WriteError::Changed)));
        assert_eq!(
            (fs::read(at("a")).unwrap(), fs::read(at("b")).unwrap()),
            (b"new".to_vec(), b"b".to_vec())
        );
    }
}
