//! The files of a repository: small ones that are read whole, and others piece by piece, at any
//! place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::read::{self, FinalLink, ReadError};

/// The largest file that is read whole, in bytes: the packed refs of a million branches are
/// smaller.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The content of a file; `None` if there is none.
pub(super) fn whole(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    match read::open_at_once(path, FinalLink::Follow) {
        Ok((file, about)) => read::content(&file, &about, LARGEST).map(Some),
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file, or in tests the bytes of one.
pub(super) trait Source {
    /// How long it is, in bytes.
    fn length(&self) -> u64;

    /// Fills the buffer with what stands from this place on. It is an error if there is less.
    fn read(&self, buffer: &mut [u8], from: u64) -> io::Result<()>;

    /// What stands from this place on, as many bytes as are wanted. A length that a file claims is
    /// not believed before it was held against the file's own.
    fn piece(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        if from.checked_add(length as u64).is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut piece = vec![0; length];
        self.read(&mut piece, from)?;
        Ok(piece)
    }
}

/// An open file. What takes its place on disk meanwhile does not change it, and git never writes
/// into one that is in use.
#[derive(Debug)]
pub(super) struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// Opens it.
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
