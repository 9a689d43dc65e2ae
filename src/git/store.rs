//! An object store, read from its files: loose objects and packs, with its alternates.
//! gitrepository-layout(5).
//!
//! gix inflates the objects and applies the deltas. What is not found here, or is in any way odd,
//! is for the next layer. An object is what its name says wherever it is found, so it does not
//! matter which of several stores gives it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix::objs::Kind as GixKind;
use gix::odb::loose;
use gix::odb::pack::cache::{DecodeEntry, Never};
use gix::odb::pack::data::decode::{entry, header};
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::data::{Entry, File};
use gix::odb::pack::index;
use gix::zlib::Inflate;
use once_cell::unsync::OnceCell;

use crate::base::change::{Content, ObjectId};
use crate::disk::read;
use crate::git::layer::ObjectKind;
use crate::git::odb::gix_kind;
use crate::git::source::{self, FileSource};
use crate::os::env::Environment;

mod cache;
pub(super) mod pack;

use cache::Cache;
use pack::PackIndex;

/// The most packs that are looked through one by one. Among more, one index of all packs is faster,
/// which gix has.
const MOST_PACKS: usize = 50;

/// The most stores that are looked through.
const MOST_ALTERNATES: usize = 10;

/// The longest chain of deltas that is followed. Git makes none that is longer than 4,095.
const LONGEST_CHAIN: usize = 4096;

/// An object store.
pub(super) struct Store {
    directories: Vec<PathBuf>,
    /// Whether many objects are going to be read.
    many: bool,
    /// Opened when the first object is asked for: its name tells which hash it is.
    opened: OnceCell<Opened>,
}

struct Opened {
    hash: gix::hash::Kind,
    loose: Vec<loose::Store>,
    /// Opened when an object is not loose.
    packs: OnceCell<Vec<Pack>>,
    /// What was read lately, where many objects are read.
    cache: Option<RefCell<Cache>>,
    inflate: RefCell<Inflate>,
}

/// A pack, of which nothing is opened before it is needed.
struct Pack {
    number: usize,
    index: PackIndex<FileSource>,
    path: PathBuf,
    /// The same index as gix reads it: slower to open, and faster to ask.
    mapped: OnceCell<Option<index::File>>,
    data: OnceCell<Option<File>>,
}

impl Store {
    /// The store in a directory, `objects` of a repository, of which a few objects are read.
    pub(super) fn of_few(directory: PathBuf) -> Self {
        Self { directories: vec![directory], many: false, opened: OnceCell::new() }
    }

    /// The same, for a walk over history.
    pub(super) fn of_many(directory: PathBuf) -> Self {
        Self { directories: vec![directory], many: true, opened: OnceCell::new() }
    }

    /// The store that the environment names, as git does it for the hooks of a server while what is
    /// pushed is in quarantine: git(1). Paths count from where we were started.
    pub(super) fn of_environment(directory: &Path, env: &Environment) -> Option<Self> {
        let own = env.get("GIT_OBJECT_DIRECTORY")?;
        let alternates =
            env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(OsStr::as_bytes).unwrap_or_default();
        let alternates = alternates
            .split(|&byte| byte == b':')
            .filter(|path| !path.is_empty())
            .map(OsStr::from_bytes);
        let directories =
            std::iter::once(own).chain(alternates).map(|path| directory.join(path)).collect();
        Some(Self { directories, many: true, opened: OnceCell::new() })
    }

    /// The content of a blob, or `None` if it is for another layer.
    pub(super) fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
        let id = gix::ObjectId::try_from(id.as_bytes()).ok()?;
        let store = self.opened(&id)?;
        let mut bytes = Vec::new();
        for loose in &store.loose {
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
        let (pack, entry) = store.find(&id)?;
        let about = store.header(pack, &entry)?;
        if about.kind == GixKind::Blob && about.object_size > limit {
            return Some(Content::TooLarge(about.object_size));
        }
        (store.unpack(pack, entry, &mut bytes)? == GixKind::Blob).then_some(Content::Bytes(bytes))
    }

    /// The raw content of a tree or a commit, into a buffer that is used again and again; whether
    /// it is here.
    pub(super) fn raw(&self, id: &ObjectId, kind: ObjectKind, buffer: &mut Vec<u8>) -> bool {
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        let Some(store) = self.opened(&id) else { return false };
        // In history most is packed; what a commit is about to add is loose.
        if store.cache.is_some() && store.unpacked(&id, kind, buffer) {
            return true;
        }
        for loose in &store.loose {
            if let Ok(Some(object)) = loose.try_find(&id, buffer) {
                return object.kind == gix_kind(kind);
            }
        }
        store.cache.is_none() && store.unpacked(&id, kind, buffer)
    }

    fn opened(&self, id: &gix::hash::oid) -> Option<&Opened> {
        let opened =
            self.opened.get_or_init(|| Opened::new(&self.directories, self.many, id.kind()));
        (opened.hash == id.kind()).then_some(opened)
    }
}

impl Opened {
    fn new(directories: &[PathBuf], many: bool, hash: gix::hash::Kind) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        let mut rest: Vec<PathBuf> = directories.iter().rev().cloned().collect();
        while let Some(directory) = rest.pop().filter(|_| all.len() < MOST_ALTERNATES) {
            if !all.contains(&directory) {
                rest.extend(alternates(&directory));
                all.push(directory);
            }
        }
        let loose = all.iter().map(|directory| loose::Store::at(directory, hash)).collect();
        let packs = OnceCell::new();
        Self { hash, loose, packs, cache: many.then(RefCell::default), inflate: RefCell::default() }
    }

    fn unpacked(&self, id: &gix::hash::oid, kind: ObjectKind, buffer: &mut Vec<u8>) -> bool {
        self.find(id).and_then(|(pack, entry)| self.unpack(pack, entry, buffer))
            == Some(gix_kind(kind))
    }

    /// Where a packed object is.
    fn find(&self, id: &gix::hash::oid) -> Option<(&Pack, Entry)> {
        self.packs().iter().find_map(|pack| self.entry(pack, id).map(|entry| (pack, entry)))
    }

    /// What a packed object is, and how large.
    fn header(&self, pack: &Pack, entry: &Entry) -> Option<header::Outcome> {
        let resolve =
            |base: &gix::hash::oid| Ok(self.entry(pack, base).map(header::ResolvedBase::InPack));
        pack.data(self.hash)?
            .decode_header(entry.clone(), &mut self.inflate.borrow_mut(), &resolve)
            .ok()
    }

    /// Where a pack has an object, if it has it.
    fn entry(&self, pack: &Pack, id: &gix::hash::oid) -> Option<Entry> {
        let offset = if self.cache.is_some() {
            let index = pack
                .mapped
                .get_or_init(|| index::File::at(pack.path.with_extension("idx"), self.hash).ok());
            let index = index.as_ref()?;
            index.pack_offset_at_index(index.lookup(id)?)
        } else {
            pack.index.find(&ObjectId::from_bytes(id.as_bytes())?).ok()??
        };
        pack.data(self.hash)?.entry(offset).ok()
    }

    /// Inflates an object, and applies deltas to what it is based on.
    fn unpack(&self, pack: &Pack, entry: Entry, buffer: &mut Vec<u8>) -> Option<GixKind> {
        match &self.cache {
            None => self.decode(pack, entry, buffer, &mut Never),
            Some(cache) => self.unpack_and_keep(pack, entry, buffer, &mut cache.borrow_mut()),
        }
    }

    /// Unpacks from the ground up whatever an object is based on, and keeps each of it: its
    /// neighbours in history are based on the same.
    fn unpack_and_keep(
        &self,
        pack: &Pack,
        entry: Entry,
        buffer: &mut Vec<u8>,
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
            if chain.len() > LONGEST_CHAIN {
                return None;
            }
        }
        let mut kind = None;
        while let Some(entry) = chain.pop() {
            let (offset, whole) = (entry.data_offset, !entry.header.is_delta());
            let read = self.decode(pack, entry, buffer, cache)?;
            // gix keeps what it makes of deltas, and not what is whole.
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
        cache: &mut dyn DecodeEntry,
    ) -> Option<GixKind> {
        let resolve = |base: &gix::hash::oid, _: &mut Vec<u8>| {
            Ok(self.entry(pack, base).map(entry::ResolvedBase::InPack))
        };
        let data = pack.data(self.hash)?;
        data.decode_entry(at, buffer, &mut self.inflate.borrow_mut(), &resolve, cache)
            .ok()
            .map(|about| about.kind)
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
            for path in files {
                if path.extension().is_none_or(|extension| extension != "idx") {
                    continue;
                }
                if packs.len() == MOST_PACKS {
                    return Ok(Vec::new());
                }
                if let Some(index) =
                    PackIndex::of(FileSource::open(&path)?, self.hash.len_in_bytes())?
                {
                    let (number, path) = (packs.len(), path.with_extension("pack"));
                    packs.push(Pack {
                        number,
                        index,
                        path,
                        mapped: OnceCell::new(),
                        data: OnceCell::new(),
                    });
                }
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

/// The stores that a store borrows from: a path a line, counted from the store itself. Paths in
/// quotes are for git.
fn alternates(directory: &Path) -> Vec<PathBuf> {
    let list = source::whole(&directory.join("info/alternates")).ok().flatten().unwrap_or_default();
    let lines = list
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    lines
        .filter(|line| !line.starts_with(b"\""))
        .map(|line| directory.join(OsStr::from_bytes(line)))
        .collect()
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("directories", &self.directories).finish_non_exhaustive()
    }
}
