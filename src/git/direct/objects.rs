//! The objects of one store: loose ones and packs, without alternates.
//!
//! gix inflates them and applies the deltas. What is not found here, or is in any way odd, is for the next layer.

use std::path::{Path, PathBuf};

use gix::odb::loose;
use gix::odb::pack::cache;
use gix::odb::pack::data::decode::{entry, header};
use gix::odb::pack::data::{Entry, File};
use gix::zlib::Inflate;
use once_cell::unsync::OnceCell;

use crate::change::{Content, ObjectId};
use crate::git::direct::pack::PackIndex;
use crate::git::direct::source::OnDisk;
use crate::git::native::Kind;

/// The most packs that are looked through one by one.
const MOST_PACKS: usize = 50;

/// An object store.
pub struct Store {
    directory: PathBuf,
    hash: gix::hash::Kind,
    loose: loose::Store,
    /// Opened when an object is not loose.
    packs: OnceCell<Vec<Pack>>,
}

/// A pack, whose objects are asked for only where its index says that it has them.
struct Pack {
    index: PackIndex<OnDisk>,
    path: PathBuf,
    data: OnceCell<Option<File>>,
}

/// Where an object was found, and what it is.
enum Found<'a> {
    Loose(gix::objs::Kind, u64),
    Packed(&'a Pack, Entry, header::Outcome),
}

impl Found<'_> {
    fn kind(&self) -> gix::objs::Kind {
        match self {
            Self::Loose(kind, _) => *kind,
            Self::Packed(_, _, about) => about.kind,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Loose(_, size) => *size,
            Self::Packed(_, _, about) => about.object_size,
        }
    }
}

impl Store {
    /// The store in a directory, `objects` of a repository.
    pub fn at(directory: PathBuf, hash: gix::hash::Kind) -> Self {
        let loose = loose::Store::at(&directory, hash);
        Self { directory, hash, loose, packs: OnceCell::new() }
    }

    /// The content of a blob, or `None` if it is for another layer.
    pub fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
        let id = gix::ObjectId::try_from(id.as_bytes()).ok()?;
        let found = self.find(&id).filter(|found| found.kind() == gix::objs::Kind::Blob)?;
        if found.size() > limit {
            return Some(Content::TooLarge(found.size()));
        }
        let mut bytes = Vec::new();
        self.read(&id, found, &mut bytes).then_some(Content::Bytes(bytes))
    }

    /// The raw content of a tree or a commit, into a buffer that is used again and again; whether it is here.
    pub fn raw(&self, id: &ObjectId, kind: Kind, buffer: &mut Vec<u8>) -> bool {
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        // What was written lately is loose.
        if let Ok(Some(object)) = self.loose.try_find(&id, buffer) {
            return object.kind == kind.of_gix();
        }
        self.find_packed(&id).is_some_and(|found| found.kind() == kind.of_gix() && self.read(&id, found, buffer))
    }

    fn find(&self, id: &gix::ObjectId) -> Option<Found<'_>> {
        match self.loose.try_header(id) {
            Ok(Some((size, kind))) => Some(Found::Loose(kind, size)),
            _ => self.find_packed(id),
        }
    }

    fn find_packed(&self, id: &gix::ObjectId) -> Option<Found<'_>> {
        self.packs().iter().find_map(|pack| {
            let entry = pack.entry(id, self.hash)?;
            let resolve = |base: &gix::hash::oid| Ok(pack.entry(base, self.hash).map(header::ResolvedBase::InPack));
            let about = pack.data(self.hash)?.decode_header(entry.clone(), &mut Inflate::default(), &resolve).ok()?;
            Some(Found::Packed(pack, entry, about))
        })
    }

    fn read(&self, id: &gix::ObjectId, found: Found<'_>, buffer: &mut Vec<u8>) -> bool {
        let (kind, size) = (found.kind(), found.size());
        let read = match found {
            Found::Loose(..) => {
                self.loose.try_find(id, buffer).ok().flatten().map(|object| (object.kind, object.data.len() as u64))
            }
            Found::Packed(pack, at, _) => pack.data(self.hash).and_then(|data| {
                let resolve = |base: &gix::hash::oid, _: &mut Vec<u8>| {
                    Ok(pack.entry(base, self.hash).map(entry::ResolvedBase::InPack))
                };
                let about = data.decode_entry(at, buffer, &mut Inflate::default(), &resolve, &mut cache::Never).ok()?;
                Some((about.kind, buffer.len() as u64))
            }),
        };
        read == Some((kind, size))
    }

    fn packs(&self) -> &[Pack] {
        self.packs.get_or_init(|| self.open_packs().unwrap_or_default())
    }

    fn open_packs(&self) -> std::io::Result<Vec<Pack>> {
        let mut packs = Vec::new();
        for file in std::fs::read_dir(self.directory.join("pack"))? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "idx") {
                continue;
            }
            if packs.len() == MOST_PACKS {
                // Here a lookup by one index of all packs is faster: gix has it.
                return Ok(Vec::new());
            }
            if let Some(index) = PackIndex::of(OnDisk::open(&path)?, self.hash.len_in_bytes())? {
                packs.push(Pack { index, path: path.with_extension("pack"), data: OnceCell::new() });
            }
        }
        Ok(packs)
    }
}

impl Pack {
    fn entry(&self, id: &gix::hash::oid, hash: gix::hash::Kind) -> Option<Entry> {
        let offset = self.index.find(&ObjectId::from_bytes(id.as_bytes())?).ok()??;
        self.data(hash)?.entry(offset).ok()
    }

    fn data(&self, hash: gix::hash::Kind) -> Option<&File> {
        self.data.get_or_init(|| File::at(Path::new(&self.path), hash).ok()).as_ref()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}
