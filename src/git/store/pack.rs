//! The index of a pack, version 2 (gitformat-pack(5)): where in the pack an object is.
//!
//! Its tables are searched on disk. gix reads a whole table when it opens an index, which takes
//! longer than the rest of the hook in a repository of a million objects.

use std::io;

use crate::base::change::ObjectId;
use crate::git::source::Source;

/// The length of the signature, the version and the fan-out table of 256 numbers.
pub(crate) const HEADER: usize = 8 + 256 * 4;

/// The maximum number of ids that are read at once; a longer range is bisected first.
const MAX_READ: u64 = 64;

#[derive(Debug)]
pub(crate) struct PackIndex<S> {
    source: S,
    /// How many ids begin with this byte or a lower one.
    fan: Vec<u32>,
    /// The length of an id, in bytes.
    hash: usize,
}

impl<S: Source> PackIndex<S> {
    /// Reads the header; `None` if the version is not 2, or the file is too short for its tables.
    pub(crate) fn of(source: S, hash: usize) -> io::Result<Option<Self>> {
        let header = source.piece(0, HEADER)?;
        let fan: Vec<u32> =
            header[8..].as_chunks().0.iter().map(|number| u32::from_be_bytes(*number)).collect();
        let known = header.starts_with(b"\xfftOc\0\0\0\x02") && fan.is_sorted();
        let index = Self { source, fan, hash };
        // The three tables may be followed by one of large offsets; then come two checksums.
        let least = index.offsets() + index.count() * 4 + 2 * hash as u64;
        Ok((known && least <= index.source.length()).then_some(index))
    }

    /// The offset of an object in the pack, if it is there.
    pub(crate) fn find(&self, id: &ObjectId) -> io::Result<Option<u64>> {
        let id = id.as_bytes();
        if id.len() != self.hash {
            return Ok(None);
        }
        let first = usize::from(id[0]);
        let mut low = if first == 0 { 0 } else { u64::from(self.fan[first - 1]) };
        let mut high = u64::from(self.fan[first]);
        while high - low > MAX_READ {
            let middle = low + (high - low) / 2;
            if &self.ids(middle, middle + 1)?[..] <= id {
                low = middle;
            } else {
                high = middle;
            }
        }
        let names = self.ids(low, high)?;
        match names.chunks_exact(self.hash).zip(low..).find(|(name, _)| *name == id) {
            Some((_, number)) => self.offset(number).map(Some),
            None => Ok(None),
        }
    }

    fn count(&self) -> u64 {
        self.fan.last().copied().map_or(0, u64::from)
    }

    /// Where the table of offsets begins: after the ids and the checksums of the objects.
    fn offsets(&self) -> u64 {
        HEADER as u64 + self.count() * (self.hash as u64 + 4)
    }

    fn ids(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from((to - from) * self.hash as u64).map_err(io::Error::other)?;
        self.source.piece(HEADER as u64 + from * self.hash as u64, length)
    }

    fn offset(&self, number: u64) -> io::Result<u64> {
        let mut short = [0; 4];
        self.source.read(&mut short, self.offsets() + number * 4)?;
        let short = u32::from_be_bytes(short);
        if short & 0x8000_0000 == 0 {
            return Ok(u64::from(short));
        }
        // An offset of two gibibytes or more is in the table of large offsets.
        let mut long = [0; 8];
        self.source.read(
            &mut long,
            self.offsets() + self.count() * 4 + u64::from(short & 0x7fff_ffff) * 8,
        )?;
        Ok(u64::from_be_bytes(long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of these objects. An id is one byte, repeated.
    fn index(objects: &[(u8, u64)]) -> Vec<u8> {
        let mut text = b"\xfftOc\0\0\0\x02".to_vec();
        for first in 0..=255 {
            let count = objects.iter().filter(|(name, _)| *name <= first).count();
            text.extend(u32::try_from(count).unwrap().to_be_bytes());
        }
        text.extend(objects.iter().flat_map(|(name, _)| [*name; 20]));
        text.extend(objects.iter().flat_map(|_| [0; 4]));
        let mut large = Vec::new();
        for (_, offset) in objects {
            let short = u32::try_from(*offset).ok().filter(|short| short & 0x8000_0000 == 0);
            text.extend(
                short.unwrap_or(0x8000_0000 | u32::try_from(large.len()).unwrap()).to_be_bytes(),
            );
            large.extend(short.is_none().then_some(*offset));
        }
        text.extend(large.iter().flat_map(|offset| offset.to_be_bytes()));
        text.extend([0; 40]);
        text
    }

    fn id(byte: u8) -> ObjectId {
        ObjectId::from_bytes(&[byte; 20]).unwrap()
    }

    #[test]
    fn offsets_of_every_size_are_found() {
        let objects = [(0, 12), (7, 1 << 40), (8, 0x7fff_ffff), (9, 0x8000_0000), (255, 99)];
        let text = index(&objects);
        let index = PackIndex::of(&text[..], 20).unwrap().unwrap();
        for (name, offset) in objects {
            assert_eq!(index.find(&id(name)).unwrap(), Some(offset), "{name}");
        }
        for other in [1, 6, 10, 254] {
            assert_eq!(index.find(&id(other)).unwrap(), None);
        }
        assert_eq!(index.find(&ObjectId::from_bytes(&[7; 32]).unwrap()).unwrap(), None);
    }

    #[test]
    fn a_long_range_of_ids_is_bisected() {
        // All in one bucket: the ids differ in their last bytes.
        let names: Vec<[u8; 20]> = (0..1000_u16)
            .map(|number| {
                let mut name = [5; 20];
                name[18..].copy_from_slice(&(number * 2).to_be_bytes());
                name
            })
            .collect();
        let mut text = b"\xfftOc\0\0\0\x02".to_vec();
        text.extend((0..256).flat_map(|first| if first < 5 { 0_u32 } else { 1000 }.to_be_bytes()));
        text.extend(names.iter().flatten());
        text.extend([0; 4000]);
        text.extend((0..1000_u32).flat_map(u32::to_be_bytes));
        text.extend([0; 40]);
        let index = PackIndex::of(&text[..], 20).unwrap().unwrap();
        for (number, mut name) in (0..).zip(names) {
            assert_eq!(index.find(&ObjectId::from_bytes(&name).unwrap()).unwrap(), Some(number));
            name[19] += 1;
            assert_eq!(index.find(&ObjectId::from_bytes(&name).unwrap()).unwrap(), None);
        }
    }

    #[test]
    fn other_files_are_not_read() {
        let text = index(&[(1, 12), (2, 34)]);
        assert!(PackIndex::of(&text[..HEADER - 1], 20).is_err());
        for length in HEADER..text.len() {
            assert!(PackIndex::of(&text[..length], 20).unwrap().is_none(), "{length}");
        }
        for at in [0, 7] {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(PackIndex::of(&other[..], 20).unwrap().is_none());
        }
        let mut falling = text.clone();
        falling[8] = 1;
        assert!(PackIndex::of(&falling[..], 20).unwrap().is_none());
        // An offset beyond the table of large offsets.
        let mut astray = text;
        astray[HEADER + 48] = 0x80;
        let index = PackIndex::of(&astray[..], 20).unwrap().unwrap();
        assert!(index.find(&id(1)).is_err());
    }
}
