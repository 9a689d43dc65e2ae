//! The index file (gitformat-index(5)), read in pieces.
//!
//! The hook needs few entries of a large index. It reads the extension `TREE` first, which is near
//! the end of the file. If entries are needed, they pass through a small buffer.

use once_cell::unsync::OnceCell;

use crate::base::change::{Entry, ObjectId};
use crate::base::path::{LONGEST_PATH, RepoPath};
use crate::git::cache_tree::{self, CacheTree};
use crate::git::layer::{Handover, IndexItem};
use crate::git::source::Source;

mod search;

/// The number of bytes that are read at a time.
const PIECE: usize = 128 * 1024;

/// The number of bytes that are read first, from the end: all extensions of a small repository.
const FIRST_PIECE: usize = 8 * 1024;

/// The maximum size in bytes of an entry: its fixed part, the longest path and the padding.
const MAX_ENTRY: usize = LONGEST_PATH + 256;

/// The maximum size in bytes of the searched extensions. A million files need a twentieth of that.
const MAX_EXTENSIONS: u64 = 64 * 1024 * 1024;

const TREE: &[u8; 4] = b"TREE";

/// The extensions that do not change the entries: the cache-tree, resolved conflicts, the untracked
/// cache, the file system monitor, the offsets of entries, and the mark of a sparse index, whose
/// directories have a mode that shows it.
const HARMLESS: [&[u8; 4]; 7] = [TREE, b"REUC", b"UNTR", b"FSMN", b"EOIE", b"IEOT", b"sdir"];

/// The length of `DIRC`, the version and the number of entries.
const HEADER: usize = 12;

#[derive(Debug)]
pub(super) struct IndexFile<S> {
    source: S,
    version: u32,
    /// The number of entries.
    pub count: u32,
    /// The length of an object's id, in bytes.
    hash: usize,
    /// The extension `TREE`, read once.
    cache_tree: OnceCell<Option<(Extension, Vec<u8>)>>,
}

/// Where the content of an extension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extension {
    from: u64,
    length: u32,
}

impl<S: Source> IndexFile<S> {
    pub(super) fn of(source: S, hash: usize) -> Result<Self, Handover> {
        let header = source.piece(0, HEADER).map_err(|error| unreadable(&error))?;
        let (version, count) = (number(&header[4..8]), number(&header[8..]));
        if &header[..4] != b"DIRC" || !(2..=4).contains(&version) {
            return Err("the index has an unknown format".into());
        }
        Ok(Self { source, version, count, hash, cache_tree: OnceCell::new() })
    }

    /// The tree of all entries, if the cache-tree has it: `git commit` writes it before it runs the
    /// hook.
    ///
    /// It counts only if the extension is in a chain of extensions that ends exactly at the
    /// checksum, if it parses to its last byte, and if it has the number of entries of the index,
    /// which a split index does not.
    pub(super) fn root(&self) -> Result<Option<ObjectId>, Handover> {
        let Some((_, raw)) = self.raw_cache_tree()? else { return Ok(None) };
        let root = cache_tree::root(raw, self.hash).ok_or("the cache-tree is malformed")?;
        Ok(ObjectId::from_bytes(root.id).filter(|_| root.count == Some(self.count)))
    }

    /// The whole cache-tree, if there is one.
    pub(super) fn cache_tree(&self) -> Result<Option<CacheTree>, Handover> {
        let Some((_, raw)) = self.raw_cache_tree()? else { return Ok(None) };
        CacheTree::parse(raw, self.hash)
            .map(Some)
            .ok_or_else(|| "the cache-tree is malformed".into())
    }

    fn raw_cache_tree(&self) -> Result<Option<&(Extension, Vec<u8>)>, Handover> {
        let read = || {
            let Some(place) = self.find_cache_tree()? else { return Ok(None) };
            let raw = self
                .source
                .piece(place.from, place.length as usize)
                .map_err(|error| unreadable(&error))?;
            Ok(Some((place, raw)))
        };
        self.cache_tree.get_or_try_init(read).map(Option::as_ref)
    }

    /// The entries, in git's order.
    pub(super) fn entries(&self) -> IndexStream<'_, S> {
        IndexStream {
            index: self,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            next: HEADER as u64,
            left: self.count,
            current: false,
            path: Vec::new(),
            mode: 0,
            flags: (0, 0),
            id: [0; 32],
        }
    }

    /// The wanted entries that would be committed, not marked as fresh. A sparse index is handed
    /// over: its entries for directories hide paths.
    pub(super) fn wanted(
        &self,
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Entry>, Handover> {
        let mut entries = self.entries();
        let (mut found, mut path) = (Vec::new(), RepoPath::default());
        while let Some(item) = entries.peek()? {
            item.must_not_be_tree()?;
            path.replace(item.path);
            if item.is_committed() && wanted(&path) {
                found.push(item.entry(false, None)?);
            }
            entries.advance();
        }
        Ok(found)
    }

    /// The entry at a path, if it would be committed.
    pub(super) fn at(&self, path: &RepoPath) -> Result<Option<Entry>, Handover> {
        let mut entries = self.entries();
        while let Some(item) = entries.peek()? {
            item.must_not_be_tree()?;
            // Entries are sorted by path.
            match item.path.cmp(path.as_bytes()) {
                std::cmp::Ordering::Less => entries.advance(),
                std::cmp::Ordering::Equal if item.is_committed() => {
                    return item.entry(false, None).map(Some);
                }
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The offset of the checksum.
    fn end(&self) -> u64 {
        self.source.length().saturating_sub(self.hash as u64)
    }

    /// Searches for the cache-tree from the end of the file: only the entries show where the
    /// extensions begin.
    fn find_cache_tree(&self) -> Result<Option<Extension>, Handover> {
        let end = self.end();
        let first = end.saturating_sub(MAX_EXTENSIONS).max(HEADER as u64);
        let (mut upper, mut size) = (end, FIRST_PIECE);
        while upper > first {
            // Pieces overlap: the signature may cross a border.
            let lower = upper.saturating_sub(size as u64).max(first);
            size = PIECE;
            let length = usize::try_from(upper - lower).map_err(|_| "the index is too large")?;
            let piece = self.source.piece(lower, length).map_err(|error| unreadable(&error))?;
            // The first match is the outermost: the content of an extension may look like another
            // extension.
            for at in memchr::memmem::find_iter(&piece, TREE) {
                if let Some(place) = self.chained(lower + at as u64)? {
                    return Ok(Some(place));
                }
            }
            upper = if lower == first { first } else { lower + TREE.len() as u64 - 1 };
        }
        Ok(None)
    }

    /// The extension at this offset, if complete extensions follow it up to the checksum. If one of
    /// them is unknown, the index is handed over.
    fn chained(&self, from: u64) -> Result<Option<Extension>, Handover> {
        let (mut at, mut place, mut unknown) = (from, None, None);
        while at < self.end() {
            let Some((signature, length)) = self.extension(at)? else { return Ok(None) };
            // No extension of git has other bytes in its signature.
            if !signature.iter().all(u8::is_ascii_alphanumeric) {
                return Ok(None);
            }
            if !HARMLESS.contains(&&signature) {
                unknown.get_or_insert(signature);
            }
            at += 8;
            place.get_or_insert(Extension { from: at, length });
            at += u64::from(length);
        }
        match unknown {
            Some(signature) => Err(Handover::index_extension(signature)),
            None => Ok(place),
        }
    }

    /// The signature and the length of the extension at this offset, if it ends before the
    /// checksum.
    fn extension(&self, at: u64) -> Result<Option<([u8; 4], u32)>, Handover> {
        if self.end().saturating_sub(at) < 8 {
            return Ok(None);
        }
        let mut header = [0; 8];
        self.source.read(&mut header, at).map_err(|error| unreadable(&error))?;
        let (signature, length) =
            ([header[0], header[1], header[2], header[3]], number(&header[4..]));
        Ok((at + 8 + u64::from(length) <= self.end()).then_some((signature, length)))
    }

    /// Checks the extensions after the entries: each must be known, and the cache-tree must be the
    /// one that was found from the end of the file.
    fn check_extensions(&self, entries_end: u64) -> Result<(), Handover> {
        let mut at = entries_end;
        let mut found = None;
        while at < self.end() {
            let (signature, length) =
                self.extension(at)?.ok_or("the index ends within an extension")?;
            if !HARMLESS.contains(&&signature) {
                return Err(Handover::index_extension(signature));
            }
            at += 8;
            if &signature == TREE && found.replace(Extension { from: at, length }).is_some() {
                return Err("the index has two cache-trees".into());
            }
            at += u64::from(length);
        }
        if at != self.end() || found != self.raw_cache_tree()?.map(|(place, _)| *place) {
            return Err("the extensions of the index are not certain".into());
        }
        Ok(())
    }
}

/// The entries of an index, read through a buffer.
#[derive(Debug)]
pub(super) struct IndexStream<'a, S> {
    index: &'a IndexFile<S>,
    buffer: Vec<u8>,
    /// The offset of the next entry in the buffer.
    start: usize,
    /// The end of what was read, in the buffer.
    filled: usize,
    /// The end of what was read, in the file.
    next: u64,
    /// The number of entries that are still to be parsed.
    left: u32,
    /// Whether an entry was parsed, into the fields below, and not consumed.
    current: bool,
    path: Vec<u8>,
    mode: u32,
    /// The flags, and the extended flags of version 3.
    flags: (u16, u16),
    id: [u8; 32],
}

/// The extended flag of a path that `git add -N` announced.
const INTENT_TO_ADD: u16 = 0x2000;

impl<S: Source> IndexStream<'_, S> {
    /// The next entry; the same one until [`Self::advance`].
    pub(super) fn peek(&mut self) -> Result<Option<IndexItem<'_>>, Handover> {
        if !self.current && !self.read()? {
            return Ok(None);
        }
        let id = ObjectId::from_bytes(&self.id[..self.index.hash])
            .ok_or("an object id has an unknown length")?;
        Ok(Some(IndexItem {
            path: &self.path,
            mode: self.mode,
            id,
            unmerged: self.flags.0 & 0x3000 != 0,
            intent_to_add: self.flags.1 & INTENT_TO_ADD != 0,
        }))
    }

    /// Consumes the peeked entry.
    pub(super) fn advance(&mut self) {
        self.current = false;
    }

    /// Consumes this many entries; fails if there are fewer.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Handover> {
        for _ in 0..count {
            if !self.current && !self.read()? {
                return Err("the cache-tree and the index differ in their counts".into());
            }
            self.current = false;
        }
        Ok(())
    }

    /// Checks the rest of the file after all entries.
    pub(super) fn finish(&mut self) -> Result<(), Handover> {
        let unread = (self.filled - self.start) as u64;
        self.index.check_extensions(self.next - unread)
    }

    /// Reads the next entry; `false` after the last one.
    fn read(&mut self) -> Result<bool, Handover> {
        if self.left == 0 {
            return Ok(false);
        }
        self.fill()?;
        let length = self.parse().ok_or("an entry of the index is malformed")?;
        self.start += length;
        self.left -= 1;
        self.current = true;
        Ok(true)
    }

    /// Reads on until the buffer contains a whole entry, or the rest of the file.
    fn fill(&mut self) -> Result<(), Handover> {
        let unread = self.filled - self.start;
        let more = self.index.end().saturating_sub(self.next);
        if unread >= MAX_ENTRY || more == 0 {
            return Ok(());
        }
        let more = usize::try_from(more).unwrap_or(usize::MAX).min(PIECE);
        let end = unread + more;
        if self.buffer.len() < end {
            // Allocated as zeros; `resize` would write each byte.
            let mut larger = vec![0; end];
            larger[..unread].copy_from_slice(&self.buffer[self.start..self.filled]);
            self.buffer = larger;
        } else {
            self.buffer.copy_within(self.start..self.filled, 0);
        }
        self.index
            .source
            .read(&mut self.buffer[unread..end], self.next)
            .map_err(|error| unreadable(&error))?;
        self.filled = end;
        self.start = 0;
        self.next += more as u64;
        Ok(())
    }

    /// Parses the entry at the start of the buffer. Returns its length; `None` if it is malformed.
    fn parse(&mut self) -> Option<usize> {
        let entry = &self.buffer[self.start..self.filled];
        // Times, device, inode: 24 bytes. The mode. User, group, size: 12 bytes. The id. The flags.
        self.mode = number(entry.get(24..28)?);
        let hash = self.index.hash;
        self.id[..hash].copy_from_slice(entry.get(40..40 + hash)?);
        let mut at = 40 + hash;
        let short = |at: usize| Some(u16::from_be_bytes(entry.get(at..at + 2)?.try_into().ok()?));
        let flags = short(at)?;
        at += 2;
        let extended = flags & 0x4000 != 0;
        // Version 2 has no extended flags.
        if extended && self.index.version < 3 {
            return None;
        }
        let further = if extended { short(at)? } else { 0 };
        at += if extended { 2 } else { 0 };
        self.flags = (flags, further);
        if self.index.version == 4 {
            let (strip, used) = variable_number(entry.get(at..)?)?;
            at += used;
            let kept = self.path.len().checked_sub(strip)?;
            self.path.truncate(kept);
        } else {
            self.path.clear();
        }
        let rest = entry.get(at..)?;
        // A zero ends the path. The flags have its length too, if it fits; in versions 2 and 3, git
        // uses that one.
        let length = memchr::memchr(0, rest)?;
        let claimed = usize::from(flags & 0xfff);
        if self.index.version < 4 && claimed < 0xfff && claimed != length {
            return None;
        }
        self.path.extend_from_slice(&rest[..length]);
        at += length;
        let whole = !self.path.is_empty() && self.path.len() <= LONGEST_PATH;
        let end = if self.index.version == 4 { at + 1 } else { (at + 8) / 8 * 8 };
        (whole && end <= entry.len()).then_some(end)
    }
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The number that version 4 writes before a path, and its length in bytes. It is encoded like the
/// offsets of deltas in packs (gitformat-pack(5)): big-endian groups of seven bits; the top bit of
/// a byte says that another one follows, which adds one.
pub(super) fn variable_number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        value = value.checked_shl(7)? | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
        value = value.checked_add(1)?;
    }
    None
}

fn unreadable(error: &std::io::Error) -> Handover {
    Handover::failed("the index cannot be read", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry to write: its path, and its extended flags.
    pub(super) type EntryDraft = (&'static str, u16);

    const ID: [u8; 20] = [7; 20];

    /// The header and the entries of an index, as git writes them.
    pub(super) fn entries(version: u32, drafts: &[EntryDraft]) -> Vec<u8> {
        let mut text = b"DIRC".to_vec();
        text.extend(version.to_be_bytes());
        text.extend(u32::try_from(drafts.len()).unwrap().to_be_bytes());
        let mut before = "";
        for (path, further) in drafts {
            let start = text.len();
            text.extend([0; 24]);
            text.extend(0o100_644_u32.to_be_bytes());
            text.extend([0; 12]);
            text.extend(ID);
            let length = u16::try_from(path.len().min(0xfff)).unwrap();
            text.extend((length | if *further == 0 { 0 } else { 0x4000 }).to_be_bytes());
            if *further != 0 {
                text.extend(further.to_be_bytes());
            }
            if version == 4 {
                let common = before
                    .bytes()
                    .zip(path.bytes())
                    .take_while(|(one, other)| one == other)
                    .count();
                let strip = before.len() - common;
                assert!(strip < 0x80);
                text.push(u8::try_from(strip).unwrap());
                text.extend(&path.as_bytes()[common..]);
                text.push(0);
            } else {
                text.extend(path.bytes());
                let length = text.len() - start;
                text.extend(vec![0; 8 - length % 8]);
            }
            before = path;
        }
        text
    }

    pub(super) fn extension(signature: &str, content: &[u8]) -> Vec<u8> {
        [signature.as_bytes(), &u32::try_from(content.len()).unwrap().to_be_bytes(), content]
            .concat()
    }

    /// A node of the cache-tree: name, number of entries (-1 for unknown), number of
    /// subdirectories.
    pub(super) fn tree(name: &str, count: i32, children: u32) -> Vec<u8> {
        let id: &[u8] = if count < 0 { &[] } else { &ID };
        [format!("{name}\0{count} {children}\n").as_bytes(), id].concat()
    }

    pub(super) fn index(parts: &[&[u8]]) -> Vec<u8> {
        [&parts.concat()[..], &[0; 20]].concat()
    }

    pub(super) fn read(text: &[u8]) -> IndexFile<&[u8]> {
        IndexFile::of(text, 20).unwrap()
    }

    fn paths(text: &[u8]) -> Result<Vec<String>, Handover> {
        let index = read(text);
        let mut stream = index.entries();
        let mut paths = Vec::new();
        while let Some(item) = stream.peek()? {
            let mark = if item.intent_to_add { "+" } else { "" };
            paths.push(format!("{mark}{}", String::from_utf8_lossy(item.path)));
            stream.advance();
        }
        stream.finish().map(|()| paths)
    }

    const DRAFTS: [EntryDraft; 4] = [("a", 0), ("b/c", 0), ("b/cd/long name", 0), ("e", 0)];

    #[test]
    fn entries_of_every_version_are_read() {
        for version in 2..=4 {
            let text = index(&[&entries(version, &DRAFTS)]);
            assert_eq!(paths(&text).unwrap(), ["a", "b/c", "b/cd/long name", "e"], "{version}");
            assert_eq!(read(&text).at(&RepoPath::from("b/c")).unwrap().unwrap().id.as_bytes(), ID);
            assert_eq!(read(&text).at(&RepoPath::from("b/d")), Ok(None));
            assert_eq!(read(&text).wanted(&|path| path.file_name() == b"c").unwrap().len(), 1);
        }
        let announced = [("a", INTENT_TO_ADD), ("b", 0)];
        for version in 3..=4 {
            let text = index(&[&entries(version, &announced)]);
            assert_eq!(paths(&text).unwrap(), ["+a", "b"]);
            assert_eq!(read(&text).at(&RepoPath::from("a")), Ok(None));
        }
        assert!(paths(&index(&[&entries(2, &announced)])).is_err());
        assert!(IndexFile::of(&index(&[&entries(5, &[])])[..], 20).is_err());
    }

    #[test]
    fn entries_pass_through_a_small_buffer() {
        let long: &'static str = "x/".repeat(2000).leak();
        let drafts: Vec<EntryDraft> =
            (0..3000).map(|number| (format!("{long}{number:04}").leak() as &str, 0)).collect();
        for version in [2, 4] {
            let text = index(&[&entries(version, &drafts)]);
            assert_eq!(paths(&text).unwrap().len(), 3000);
        }
        let too_long: &'static str = "x".repeat(LONGEST_PATH + 1).leak();
        assert!(paths(&index(&[&entries(2, &[(too_long, 0)])])).is_err());
    }

    #[test]
    fn a_directory_of_a_sparse_index_hides_what_is_in_it() {
        let mut text = index(&[&entries(2, &[("b/", 0), ("c", 0)])]);
        text[HEADER + 24..HEADER + 28].copy_from_slice(&0o040_000_u32.to_be_bytes());
        let index = read(&text);
        assert_eq!(index.wanted(&|_| false), Err(Handover::entry_mode(0o040_000)));
        assert_eq!(index.at(&RepoPath::from("b/c")), Err(Handover::entry_mode(0o040_000)));
    }

    #[test]
    fn a_truncated_index_is_malformed() {
        for version in 2..=4 {
            let text = index(&[&entries(version, &DRAFTS)]);
            for length in HEADER..text.len() - 20 {
                let cut = index(&[&text[..length]]);
                assert!(paths(&cut).is_err(), "version {version}, {length} bytes");
            }
        }
    }

    #[test]
    fn a_path_of_another_length_than_its_flags_say_is_malformed() {
        for (version, refused) in [(2, true), (3, true), (4, false)] {
            let mut text = index(&[&entries(version, &DRAFTS)]);
            assert!(paths(&text).is_ok());
            // The low byte of the flags of the first entry.
            text[HEADER + 61] += 1;
            assert_eq!(paths(&text).is_err(), refused, "{version}");
        }
    }

    #[test]
    fn the_root_counts_if_the_chain_is_exact_and_the_count_right() {
        let root = extension("TREE", &[tree("", 4, 1), tree("b", 2, 1), tree("cd", 1, 0)].concat());
        let other = extension("REUC", b"TREE\0\0\0\x04 no tree at all");
        let entries = entries(2, &DRAFTS);
        for extensions in
            [vec![&root[..]], vec![&root, &other], vec![&other, &root], vec![&root, &other, &other]]
        {
            let text = index(&[&entries, &extensions.concat()]);
            assert_eq!(read(&text).root().unwrap().unwrap().as_bytes(), ID);
            assert_eq!(paths(&text).unwrap().len(), 4);
        }
        let unknown = |text: Vec<u8>| assert_eq!(read(&text).root(), Ok(None), "{text:?}");
        unknown(index(&[&entries]));
        unknown(index(&[&entries, &root, b"x"]));
        for other in [extension("link", &[0; 20]), extension("ABCD", b""), extension("ABCD", &root)]
        {
            assert!(read(&index(&[&entries, &root, &other])).root().is_err(), "{other:?}");
        }
        unknown(index(&[&entries, &extension("TREE", &tree("", -1, 0))]));
        unknown(index(&[&entries, &extension("TREE", &tree("", 3, 0))]));
        // Inside another extension, everything but its end may look valid.
        let names =
            [&[1][..], &extension("TREE", &[&tree("", 4, 0)[..], b"names\0"].concat())].concat();
        let known = extension("TREE", &tree("", -1, 0));
        unknown(index(&[&entries, &known, &extension("UNTR", &names)]));
        assert!(read(&index(&[&entries, &extension("UNTR", &names)])).root().is_err());
        for wrong in ["b\x004 0\n", "\x00x 0\n", "\x004 0", "\x004\n"] {
            let text = index(&[&entries, &extension("TREE", wrong.as_bytes())]);
            assert!(read(&text).root().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn unknown_extensions_are_handed_over() {
        let entries = entries(2, &DRAFTS);
        let root = extension("TREE", &tree("", -1, 0));
        assert!(paths(&index(&[&entries, &root])).is_ok());
        for other in
            [extension("link", &[0; 20]), extension("ABCD", b""), b"TREE".to_vec(), root.clone()]
        {
            assert!(paths(&index(&[&entries, &other, &root])).is_err(), "{other:?}");
            assert!(paths(&index(&[&entries, &root, &other])).is_err(), "{other:?}");
        }
    }

    #[test]
    fn numbers_before_paths_are_encoded_as_in_packs() {
        for (bytes, value) in [
            (&[0][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0], 128),
            (&[0x80, 0x7f], 255),
            (&[0x81, 0], 256),
        ] {
            assert_eq!(variable_number(bytes), Some((value, bytes.len())), "{bytes:?}");
        }
        assert_eq!(variable_number(&[0x80]), None);
        assert_eq!(variable_number(&[0xff; 20]), None);
    }
}
