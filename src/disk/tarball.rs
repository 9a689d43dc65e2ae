//! The content of a packed package, as `npm` unpacks it, and packages with another manifest.

use std::collections::BTreeSet;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry};

/// The maximum size of the unpacked files, in bytes: a packed file may have any size.
const UNPACKED: u64 = 2 * 1024 * 1024 * 1024;
/// The maximum size of a manifest, in bytes.
const MANIFEST: u64 = 16 * 1024 * 1024;
/// The size of a header, and of what content is padded to, in bytes.
const BLOCK: u64 = 512;

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
        let Some(inner) = inner(&entry) else { continue };
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

/// The path of a file, without the directory that contains all of them.
fn inner(entry: &Entry<'_, impl Read>) -> Option<String> {
    let path = entry.path_bytes();
    let at = path.iter().position(|&byte| byte == b'/')?;
    let inner = str::from_utf8(path.get(at + 1..)?).ok()?.to_owned();
    (!entry.header().entry_type().is_dir()).then_some(inner)
}

/// A tarball with another text of the file `wanted`, which it has once: the same bytes for the same
/// tarball. It is not compressed: the code for that is large, and it is copied on one machine.
pub(crate) fn with_file(bytes: &[u8], wanted: &str, text: &[u8]) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    MultiGzDecoder::new(bytes).take(UNPACKED).read_to_end(&mut all)?;
    let mut places = Vec::new();
    for entry in Archive::new(&*all).entries()? {
        let entry = entry?;
        if inner(&entry).as_deref() == Some(wanted) {
            let content = entry.raw_file_position();
            let end = content + entry.size().next_multiple_of(BLOCK);
            places.push((entry.header().clone(), entry.raw_header_position(), end));
        }
    }
    let (Some((mut header, start, end)), true) = (places.pop(), places.is_empty()) else {
        return Err(io::Error::other(format!("it does not have one {wanted}")));
    };
    header.set_size(text.len() as u64);
    header.set_cksum();
    let part = |from: u64, to: u64| {
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        all.get(from..to)
    };
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut new = part(0, start).ok_or_else(cut)?.to_vec();
    new.extend_from_slice(header.as_bytes());
    new.extend_from_slice(text);
    new.resize(new.len().next_multiple_of(header.as_bytes().len()), 0);
    new.extend_from_slice(part(end, all.len() as u64).ok_or_else(cut)?);
    let new = stored(&new);
    let (old, read) = (self::read(bytes, wanted, true)?, self::read(&new, wanted, true)?);
    if old.files == read.files && read.manifest.as_deref() == Some(text) {
        Ok(new)
    } else {
        Err(io::Error::other("more than one file would change"))
    }
}

/// A gzip file (RFC 1952) of stored blocks (RFC 1951), without a time.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = bytes.chunks(usize::from(u16::MAX));
    let last = blocks.len().saturating_sub(1);
    for (number, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap_or_default();
        file.push(u8::from(number == last));
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    file.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    // Modulo 2^32, as the format has it.
    file.extend_from_slice(&(bytes.len() as u64).to_le_bytes()[..4]);
    file
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
    fn one_file_gets_another_text() {
        let long = format!("package/{}/x.js", "deep/".repeat(60));
        let large = "x".repeat(200_000);
        let files = [(&*long, "1"), ("package/package.json", "{}"), ("package/y", &*large)];
        let bytes = packed(&files);
        for text in ["", "{\"name\": \"x\"}", &"y".repeat(513), &"y".repeat(1024)] {
            let new = with_file(&bytes, "package.json", text.as_bytes()).unwrap();
            assert_eq!(new, with_file(&bytes, "package.json", text.as_bytes()).unwrap());
            let mut archive = Archive::new(MultiGzDecoder::new(&*new));
            let mut found = Vec::new();
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                assert_eq!(entry.header().mode().unwrap(), 0o644);
                let mut content = String::new();
                let path = entry.path().unwrap().to_str().unwrap().to_owned();
                entry.read_to_string(&mut content).unwrap();
                found.push((path, content));
            }
            let expected = [(&*long, "1"), ("package/package.json", text), ("package/y", &*large)];
            let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
            assert!(found == expected, "{} bytes", text.len());
        }
        assert!(with_file(&bytes, "other.json", b"").is_err());
        let twice = packed(&[("a/package.json", "1"), ("b/package.json", "2")]);
        assert!(with_file(&twice, "package.json", b"").is_err());
        assert!(with_file(&bytes[..bytes.len() / 2], "package.json", b"").is_err());
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
