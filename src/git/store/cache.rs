//! Objects unpacked recently, for the deltas that are based on them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use gix::objs::Kind;
use gix::odb::pack::cache::DecodeEntry;

/// The maximum size in bytes: some versions of the largest lockfiles, and the trees around them.
const LIMIT: usize = 18 * 1024 * 1024;

/// The number of a pack, and the offset of an object in it.
type PackOffset = (usize, u64);

/// Mixes the two numbers of a [`PackOffset`]: every object of a walk is looked up several times. A
/// pack has no room for many offsets that collide, each of them with an object.
#[derive(Debug, Default)]
struct OffsetHasher(u64);

impl Hasher for OffsetHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // An odd factor with bits in all places: the golden ratio.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the lowest bits, which multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

/// Objects by their places.
type KeptObjects = HashMap<PackOffset, Kept, BuildHasherDefault<OffsetHasher>>;

/// The kind and the content of an object.
type Kept = (Kind, Vec<u8>);

/// A cache of two generations: when the young objects reach half of the limit, the old ones are
/// dropped and the young ones become old. An old one that is used becomes young again.
#[derive(Debug)]
pub(super) struct Cache {
    young: KeptObjects,
    old: KeptObjects,
    /// The size of the young objects, in bytes.
    size: usize,
    /// The maximum size in bytes.
    limit: usize,
    pack: usize,
}

impl Cache {
    /// One of several caches that share the limit.
    pub(super) fn with_share(shares: usize) -> Self {
        let limit = LIMIT / shares.max(1);
        Self { young: KeptObjects::default(), old: KeptObjects::default(), size: 0, limit, pack: 0 }
    }

    /// Selects the pack that the offsets belong to. The pack ids of gix are checksums of paths,
    /// which may collide.
    pub(super) fn pack(&mut self, number: usize) {
        self.pack = number;
    }

    /// Whether the object at this offset is cached.
    pub(super) fn has(&self, offset: u64) -> bool {
        let place = (self.pack, offset);
        self.young.contains_key(&place) || self.old.contains_key(&place)
    }

    fn keep(&mut self, place: PackOffset, object: Kept) {
        self.size += object.1.len();
        self.young.insert(place, object);
        if self.size > self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
    }
}

impl DecodeEntry for Cache {
    fn put(&mut self, _: u32, offset: u64, data: &[u8], kind: Kind, _: usize) {
        if data.len() <= self.limit / 3 {
            self.keep((self.pack, offset), (kind, data.to_vec()));
        }
    }

    fn get(&mut self, _: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        let place = (self.pack, offset);
        if let Some(object) = self.old.remove(&place) {
            self.keep(place, object);
        }
        let (kind, data) = self.young.get(&place).or_else(|| self.old.get(&place))?;
        out.clear();
        out.extend_from_slice(data);
        // The second field is the size in the pack, which gix uses for statistics only.
        Some((*kind, 0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbouring_offsets_have_different_places() {
        let place = |offset: u64| {
            let mut hasher = OffsetHasher::default();
            hasher.write_usize(3);
            hasher.write_u64(offset);
            // As in a table of 65,536 places.
            hasher.finish() & 0xffff
        };
        for step in [1, 12, 256, 4096, 1 << 20] {
            let places: HashSet<u64> = (0..16_384).map(|number| place(number * step)).collect();
            assert!(places.len() > 12_000, "{step}: {}", places.len());
        }
    }

    #[test]
    fn used_objects_stay_and_others_are_dropped() {
        let mut cache = Cache::with_share(1);
        let object = vec![7; LIMIT / 8];
        let mut out = Vec::new();
        for offset in 0..100 {
            cache.put(0, offset, &object, Kind::Blob, 0);
            assert_eq!(cache.get(0, 0, &mut out), Some((Kind::Blob, 0)), "{offset}");
            assert_eq!(out, object);
            let kept: usize =
                cache.young.values().chain(cache.old.values()).map(|(_, data)| data.len()).sum();
            assert!(kept <= LIMIT + LIMIT / 4, "{kept}");
        }
        assert!(cache.has(99) && !cache.has(50));
        cache.pack(1);
        assert!(!cache.has(99) && cache.get(0, 99, &mut out).is_none());
        cache.put(0, 7, &vec![0; LIMIT / 3 + 1], Kind::Blob, 0);
        assert!(!cache.has(7));
    }
}
