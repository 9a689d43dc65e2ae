//! Hashes of paths, to detect changes.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk::read::{self, FinalLink};
use crate::snapshot::Fingerprint;

/// Computes a hash over parts. Each part is preceded by its kind and length, so that different
/// sequences of parts never have the same bytes.
pub(super) struct Hasher(gix::hash::Hasher);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(gix::hash::hasher(gix::hash::Kind::Sha256))
    }

    pub(super) fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.start(kind, bytes.len() as u64);
        self.0.update(bytes);
    }

    /// Adds that a path does not exist.
    pub(super) fn absent(&mut self) {
        self.part(b'0', b"");
    }

    /// Adds the content of a file, or the target of a link. Returns whether the path is a
    /// directory, whose content is not added.
    pub(super) fn path(&mut self, path: &Path) -> io::Result<bool> {
        let Some(about) = read::if_exists(fs::symlink_metadata(path))? else {
            self.absent();
            return Ok(false);
        };
        if about.is_dir() {
            self.part(b'd', b"");
            return Ok(true);
        }
        if about.is_symlink() {
            self.part(b'l', fs::read_link(path)?.as_os_str().as_bytes());
        } else if about.is_file() {
            self.file(path, &about)?;
        } else {
            // A pipe or a device: opening it could block.
            self.part(b's', b"");
        }
        Ok(false)
    }

    pub(super) fn finish(self) -> io::Result<Fingerprint> {
        let id = self.0.try_finalize().map_err(|error| io::Error::other(error.to_string()))?;
        <[u8; 32]>::try_from(id.as_bytes()).map(Fingerprint).map_err(io::Error::other)
    }

    fn file(&mut self, path: &Path, about: &fs::Metadata) -> io::Result<()> {
        // Git tracks only the owner's executable bit.
        let kind = if about.permissions().mode() & 0o100 == 0 { b'f' } else { b'x' };
        let (mut file, _) = read::open(path, FinalLink::Refuse).map_err(io::Error::from)?;
        self.start(kind, about.len());
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.0.update(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn start(&mut self, kind: u8, length: u64) {
        self.0.update(&[kind]);
        self.0.update(&length.to_le_bytes());
    }
}
