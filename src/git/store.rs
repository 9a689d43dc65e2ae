//! An object store, read from its files: loose objects, packs and alternates
//! (gitrepository-layout(5)).
//!
//! gix inflates the objects and applies the deltas. An object that is not found here, or cannot be
//! read, is left to the next layer. An id names one content, so it does not matter which of several
//! stores has the object.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::objs::Kind as GixKind;
use gix::odb::loose;
use gix::odb::pack::cache::{DecodeEntry, Never};
use gix::odb::pack::data::decode::{entry, header};
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::data::{Entry, File};
use gix::odb::pack::index;
use gix::zlib::Inflate;
use once_cell::sync::OnceCell;

use crate::base::change::{Content, ObjectId};
use crate::disk::read;
use crate::git::layer::ObjectKind;
use crate::git::process::lines;
use crate::git::source::{self, FileSource};

mod cache;
pub(super) mod pack;

use cache::Cache;
use pack::PackIndex;

/// The maximum number of pack indexes that are kept open: on macOS, a process may have 256 open
/// files.
const MAX_OPEN_INDEXES: usize = 150;

/// The maximum number of stores that are searched: the first one and its alternates.
const MAX_STORES: usize = 10;

/// The longest chain of deltas that is followed. The longest that git writes has 4,095.
const MAX_CHAIN: usize = 4096;

pub(super) struct Store {
    files: Arc<StoreFiles>,
    /// The pack of the last object: mostly the next one is in the same.
    last: Cell<usize>,
    /// Objects read recently; only where many are read.
    cache: Option<RefCell<Cache>>,
    inflate: RefCell<Inflate>,
}

/// The files of a store. Several threads may read them.
struct StoreFiles {
    directories: Vec<PathBuf>,
    /// Whether many objects will be read.
    many: bool,
    /// Opened for the first object, whose id shows which hash the store uses.
    opened: OnceCell<Opened>,
}

struct Opened {
    hash: gix::hash::Kind,
    loose: Vec<loose::Store>,
    many: bool,
    /// Opened for the first object that is not loose.
    packs: OnceCell<Vec<Pack>>,
}

/// A pack. Its data is opened for the first object that is in it.
struct Pack {
    number: usize,
    index: Index,
    path: PathBuf,
    data: OnceCell<Option<File>>,
}

enum Index {
    /// Fast to open, for a few objects.
    OnDisk(PackIndex<FileSource>),
    /// Fast to search, for many objects.
    Mapped(Box<index::File>),
}

impl Store {
    /// The store in these directories, for the few objects that staged changes need.
    pub(super) fn for_staged(directories: Vec<PathBuf>) -> Self {
        Self::of(StoreFiles { directories, many: false, opened: OnceCell::new() }, 1)
    }

    /// The store in these directories, for a walk over history.
    pub(super) fn for_history(directories: Vec<PathBuf>) -> Self {
        Self::of(StoreFiles { directories, many: true, opened: OnceCell::new() }, 1)
    }

    /// The same store, opened again for this number of threads.
    pub(super) fn reopened(&self, threads: usize) -> Vec<Self> {
        let StoreFiles { directories, many, .. } = &*self.files;
        let (directories, opened) = (directories.clone(), OnceCell::new());
        let files = Arc::new(StoreFiles { directories, many: *many, opened });
        (0..threads).map(|_| Self::of(Arc::clone(&files), threads)).collect()
    }

    /// A store that shares the limit of its cache with others.
    fn of(files: impl Into<Arc<StoreFiles>>, shares: usize) -> Self {
        let files = files.into();
        let cache = files.many.then(|| RefCell::new(Cache::with_share(shares)));
        Self { files, last: Cell::new(0), cache, inflate: RefCell::default() }
    }

    /// The content of a blob; `None` if the next layer has to read it.
    pub(super) fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
        let id = gix::ObjectId::try_from(id.as_bytes()).ok()?;
        let files = self.opened(&id)?;
        let mut bytes = Vec::new();
        // Most of history is packed; the objects of a new commit are loose.
        let packed = if files.many { self.find(files, &id) } else { None };
        for loose in files.loose.iter().filter(|_| packed.is_none()) {
            let Ok(Some((size, kind))) = loose.try_header(&id) else { continue };
            if kind != GixKind::Blob {
                return None;
            }
            if size > limit {
                return Some(Content::TooLarge(size));
            }
            loose.try_find(&id, &mut bytes).ok()??;
            return Some(Content::Bytes(bytes));
        }
        let (pack, entry) = match packed {
            Some(found) => found,
            None => self.find(files, &id)?,
        };
        let about = files.header(pack, &entry, &mut self.inflate.borrow_mut())?;
        if about.kind == GixKind::Blob && about.object_size > limit {
            return Some(Content::TooLarge(about.object_size));
        }
        let kind = self.unpack(files, pack, entry, &mut bytes)?;
        (kind == GixKind::Blob).then_some(Content::Bytes(bytes))
    }

    /// Reads the raw content of an object of this kind into a buffer; whether it was found.
    pub(super) fn raw(&self, id: &ObjectId, kind: ObjectKind, buffer: &mut Vec<u8>) -> bool {
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        let Some(files) = self.opened(&id) else { return false };
        if files.many && self.unpacked(files, &id, kind, buffer) {
            return true;
        }
        for loose in &files.loose {
            if let Ok(Some(object)) = loose.try_find(&id, buffer) {
                return object.kind == gix_kind(kind);
            }
        }
        !files.many && self.unpacked(files, &id, kind, buffer)
    }

    fn opened(&self, id: &gix::hash::oid) -> Option<&Opened> {
        let StoreFiles { directories, many, opened } = &*self.files;
        let opened = opened.get_or_init(|| Opened::new(directories, *many, id.kind()));
        (opened.hash == id.kind()).then_some(opened)
    }

    fn unpacked(
        &self,
        files: &Opened,
        id: &gix::hash::oid,
        kind: ObjectKind,
        buffer: &mut Vec<u8>,
    ) -> bool {
        self.find(files, id).and_then(|(pack, entry)| self.unpack(files, pack, entry, buffer))
            == Some(gix_kind(kind))
    }

    fn find<'a>(&self, files: &'a Opened, id: &gix::hash::oid) -> Option<(&'a Pack, Entry)> {
        let (before, after) = files.packs().split_at(self.last.get());
        let mut packs = after.iter().chain(before);
        let found = packs.find_map(|pack| files.entry(pack, id).map(|entry| (pack, entry)))?;
        self.last.set(found.0.number);
        Some(found)
    }

    /// Inflates an object and applies its deltas; returns its kind.
    fn unpack(
        &self,
        files: &Opened,
        pack: &Pack,
        entry: Entry,
        buffer: &mut Vec<u8>,
    ) -> Option<GixKind> {
        let inflate = &mut self.inflate.borrow_mut();
        match &self.cache {
            None => files.decode(pack, entry, buffer, inflate, &mut Never),
            Some(cache) => {
                files.unpack_and_keep(pack, entry, buffer, inflate, &mut cache.borrow_mut())
            }
        }
    }
}

impl Opened {
    fn new(directories: &[PathBuf], many: bool, hash: gix::hash::Kind) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        let mut rest: Vec<PathBuf> = directories.iter().rev().cloned().collect();
        while let Some(directory) = rest.pop().filter(|_| all.len() < MAX_STORES) {
            if !all.contains(&directory) {
                rest.extend(alternates(&directory));
                all.push(directory);
            }
        }
        let loose = all.iter().map(|directory| loose::Store::at(directory, hash)).collect();
        Self { hash, loose, many, packs: OnceCell::new() }
    }

    /// The kind of a packed object, and its size.
    fn header(&self, pack: &Pack, entry: &Entry, inflate: &mut Inflate) -> Option<header::Outcome> {
        let resolve =
            |base: &gix::hash::oid| Ok(self.entry(pack, base).map(header::ResolvedBase::InPack));
        pack.data(self.hash)?.decode_header(entry.clone(), inflate, &resolve).ok()
    }

    /// Where in a pack an object is, if it is there.
    fn entry(&self, pack: &Pack, id: &gix::hash::oid) -> Option<Entry> {
        let offset = match &pack.index {
            Index::OnDisk(index) => index.find(&ObjectId::from_bytes(id.as_bytes())?).ok()??,
            Index::Mapped(index) => index.pack_offset_at_index(index.lookup(id)?),
        };
        pack.data(self.hash)?.entry(offset).ok()
    }

    /// Unpacks the chain of an object from its base upwards and caches each step: neighbouring
    /// versions share the chain.
    fn unpack_and_keep(
        &self,
        pack: &Pack,
        entry: Entry,
        buffer: &mut Vec<u8>,
        inflate: &mut Inflate,
        cache: &mut Cache,
    ) -> Option<GixKind> {
        cache.pack(pack.number);
        if let Some((kind, _)) = cache.get(0, entry.data_offset, buffer) {
            return Some(kind);
        }
        let mut chain = vec![entry];
        while let Some(last) = chain.last().filter(|last| last.header.is_delta()) {
            let base = self.base(pack, last)?;
            if cache.has(base.data_offset) {
                break;
            }
            chain.push(base);
            if chain.len() > MAX_CHAIN {
                return None;
            }
        }
        let mut kind = None;
        while let Some(entry) = chain.pop() {
            let (offset, whole) = (entry.data_offset, !entry.header.is_delta());
            let read = self.decode(pack, entry, buffer, inflate, cache)?;
            // gix caches only objects that it builds from deltas.
            if whole {
                cache.put(0, offset, buffer, read, 0);
            }
            kind = Some(read);
        }
        kind
    }

    fn base(&self, pack: &Pack, entry: &Entry) -> Option<Entry> {
        match &entry.header {
            Header::OfsDelta { base_distance } => {
                pack.data(self.hash)?.entry(entry.checked_base_pack_offset(*base_distance)?).ok()
            }
            Header::RefDelta { base_id } => self.entry(pack, base_id),
            _ => None,
        }
    }

    fn decode(
        &self,
        pack: &Pack,
        at: Entry,
        buffer: &mut Vec<u8>,
        inflate: &mut Inflate,
        cache: &mut dyn DecodeEntry,
    ) -> Option<GixKind> {
        let resolve = |base: &gix::hash::oid, _: &mut Vec<u8>| {
            Ok(self.entry(pack, base).map(entry::ResolvedBase::InPack))
        };
        let data = pack.data(self.hash)?;
        data.decode_entry(at, buffer, inflate, &resolve, cache).ok().map(|about| about.kind)
    }

    fn packs(&self) -> &[Pack] {
        self.packs.get_or_init(|| self.open_packs().unwrap_or_default())
    }

    fn open_packs(&self) -> std::io::Result<Vec<Pack>> {
        let mut packs = Vec::new();
        for directory in self.loose.iter().map(|loose| loose.path().join("pack")) {
            let files = match read::list(&directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                files => files?,
            };
            let is_index = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
            for path in files.into_iter().filter(is_index) {
                let number = packs.len();
                // This fails for a FIFO, on which gix would block.
                let file = FileSource::open(&path)?;
                let index = if self.many {
                    index::File::at(&path, self.hash).ok().map(Box::new).map(Index::Mapped)
                } else if number < MAX_OPEN_INDEXES {
                    PackIndex::of(file, self.hash.len_in_bytes())?.map(Index::OnDisk)
                } else {
                    return Ok(Vec::new());
                };
                let (path, data) = (path.with_extension("pack"), OnceCell::new());
                packs.extend(index.map(|index| Pack { number, index, path, data }));
            }
        }
        Ok(packs)
    }
}

impl Pack {
    fn data(&self, hash: gix::hash::Kind) -> Option<&File> {
        self.data.get_or_init(|| File::at(&self.path, hash).ok()).as_ref()
    }
}

/// The stores that a store borrows from: one path a line, relative to the store. Comments and
/// quoted paths, which only git reads, are skipped.
fn alternates(directory: &Path) -> Vec<PathBuf> {
    let list =
        source::read_whole(&directory.join("info/alternates")).ok().flatten().unwrap_or_default();
    let paths = lines(&list).filter(|line| !matches!(line[0], b'#' | b'"'));
    paths.map(|path| directory.join(OsStr::from_bytes(path))).collect()
}

fn gix_kind(kind: ObjectKind) -> GixKind {
    match kind {
        ObjectKind::Commit => GixKind::Commit,
        ObjectKind::Tree => GixKind::Tree,
        ObjectKind::Blob => GixKind::Blob,
    }
}

/// Whether this is the tree without entries.
pub(super) fn is_empty_tree(id: &ObjectId) -> bool {
    [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256]
        .into_iter()
        .any(|hash| hash.empty_tree().as_bytes() == id.as_bytes())
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store")
            .field("directories", &self.files.directories)
            .finish_non_exhaustive()
    }
}
