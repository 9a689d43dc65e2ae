//! The content of a packed package, as `npm` unpacks it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::Archive;

/// The maximum size of the unpacked files, in bytes: a packed file may have any size.
const UNPACKED: u64 = 2 * 1024 * 1024 * 1024;
/// The maximum size of a manifest, in bytes.
const MANIFEST: u64 = 16 * 1024 * 1024;

/// The files of a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PackageFiles {
    /// The paths of the files, without the directory that contains all of them. Names that are not
    /// UTF-8 are left out: no manifest could name them.
    pub files: BTreeSet<String>,
    /// The file `wanted`.
    pub manifest: Option<Vec<u8>>,
}

/// Reads a tarball up to its end, or, if `all` is not set, to the file `wanted`.
pub(crate) fn read(bytes: &[u8], wanted: &str, all: bool) -> io::Result<PackageFiles> {
    let mut archive = Archive::new(MultiGzDecoder::new(bytes).take(UNPACKED));
    let mut found = PackageFiles::default();
    for entry in archive.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let path = entry.path_bytes();
        let inner = path.iter().position(|&byte| byte == b'/').and_then(|at| path.get(at + 1..));
        let Some(Ok(inner)) = inner.map(|inner| str::from_utf8(inner).map(str::to_owned)) else {
            continue;
        };
        drop(path);
        if kind.is_dir() {
            continue;
        }
        if inner == wanted {
            let mut text = Vec::new();
            if entry.take(MANIFEST).read_to_end(&mut text)? as u64 == MANIFEST {
                return Err(io::Error::other("its manifest is too large"));
            }
            found.manifest = Some(text);
            if !all {
                break;
            }
        }
        found.files.insert(inner);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_and_the_manifest_are_found() {
        let long = format!("package/{}/x.js", "deep/".repeat(60));
        let bytes = packed(&[
            ("package/dist/x.js", "1"),
            (&long, "2"),
            ("package/package.json", "{}"),
            ("package/y", ""),
        ]);
        let found = read(&bytes, "package.json", true).unwrap();
        assert_eq!(found.manifest.as_deref(), Some(&b"{}"[..]));
        assert!(found.files.contains("dist/x.js") && found.files.contains("package.json"));
        assert_eq!(found.files.len(), 4, "{:?}", found.files);
        assert_eq!(read(&bytes, "package.json", false).unwrap().files.len(), 2);
        assert_eq!(read(&bytes, "other.json", true).unwrap().manifest, None);
    }

    #[test]
    fn what_is_no_tarball_is_an_error() {
        let bytes = packed(&[("package/package.json", "{}"), ("package/x", &"x".repeat(5000))]);
        assert!(read(b"", "package.json", true).is_err());
        assert!(read(b"plain text", "package.json", true).is_err());
        assert!(read(&bytes[..bytes.len() / 2], "package.json", true).is_err());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[b'x'; 2000]).unwrap();
        assert!(read(&encoder.finish().unwrap(), "package.json", true).is_err());
    }
}
