//! Something that is read piece by piece, at any place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

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
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
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
