//! The files of a repository: small ones are read whole, others in pieces at any offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::read::{self, FinalLink, ReadError};

/// The largest file that is read whole, in bytes. The packed refs of a million branches are
/// smaller.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The content of a file; `None` if it is missing.
pub(super) fn read_whole(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    match read::open_at_once(path, FinalLink::Follow) {
        Ok((file, about)) => read::content(&file, &about, LARGEST).map(Some),
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file, or in tests the bytes of one.
pub(super) trait Source {
    /// The length in bytes.
    fn length(&self) -> u64;

    /// Fills the buffer with the bytes at this offset; fails if the file is too short.
    fn read(&self, buffer: &mut [u8], from: u64) -> io::Result<()>;

    /// `length` bytes at this offset. The length may come from a file: it is compared with the
    /// file's own before memory is allocated.
    fn piece(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        if from.checked_add(length as u64).is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut piece = vec![0; length];
        self.read(&mut piece, from)?;
        Ok(piece)
    }
}

/// An open file. Its content does not change: git replaces these files, and never writes into them.
#[derive(Debug)]
pub(super) struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// Opens a regular file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, about) = read::open_at_once(path, FinalLink::Follow)?;
        Ok(Self { file, length: about.len() })
    }
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, buffer: &mut [u8], from: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, from)
    }
}
