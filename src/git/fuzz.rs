//! Fuzz targets: the output of git, and its objects.

use std::io;

use crate::base::change::ObjectId;
use crate::base::escape::is_unsafe;
use crate::base::path::LONGEST_PATH;
use crate::git::direct::head::{find_packed, is_well_formed};
use crate::git::history::{Line, object};
use crate::git::index::IndexFile;
use crate::git::listing::{parse_changes, parse_staged_record, parse_tree_record};
use crate::git::objects::subject;
use crate::git::process::{self, records};
use crate::git::source::Source;
use crate::git::store::pack::{HEADER, PackIndex};
use crate::git::trees::{self, Cursor, TreeItem};
use crate::git::worktree;

/// All outputs of git that are parsed here.
pub(crate) fn answers(data: &[u8]) {
    listing(data);
    history(data);
    assert!(!subject(data).chars().any(is_unsafe));
    worktree::fuzz::status(data);
    worktree::fuzz::listing(data);
    assert!(records(data).all(|record| !record.is_empty() && !record.contains(&0)));
    process::text(data);
    let _ = process::ids("read", data);
}

fn listing(data: &[u8]) {
    for record in records(data) {
        if let Some(item) = parse_staged_record(record) {
            assert!(record.ends_with(item.path));
        }
        if let Some((_, _, path)) = parse_tree_record(record) {
            assert!(record.ends_with(path));
        }
    }
    if let Ok(changes) = parse_changes("read", data) {
        assert_eq!(changes.len() * 2, records(data).count());
        for (path, change) in changes {
            if let Some(entry) = change.entry(&path) {
                assert!(entry.path == path && entry.fresh);
            }
        }
    }
}

fn history(data: &[u8]) {
    for line in data.split(|&byte| byte == b'\n') {
        if let Some(Line { inside, id, tree, parents }) = Line::parse(line) {
            let ids: Vec<String> =
                [id, tree].iter().chain(&parents).map(ObjectId::to_string).collect();
            let again = Line::parse(
                format!("{} {}", if inside { ">" } else { "-" }, ids.join(" ")).as_bytes(),
            );
            assert!(again.is_some_and(|again| again.id == id
                && again.tree == tree
                && again.parents == parents));
        }
        if let Some((id, _)) = object(line) {
            assert!(line.len() > 2 * id.as_bytes().len());
        }
    }
}

/// Tree objects, with both hashes. The first byte is the position where the input is split into two
/// trees.
pub(crate) fn trees(data: &[u8]) {
    let Some((&cut, raw)) = data.split_first() else { return };
    for hash in [&[0; 20][..], &[0; 32]] {
        let tree = ObjectId::from_bytes(hash).expect("a hash");
        one_tree(&tree, raw);
        let (one, other) = raw.split_at(usize::from(cut) * raw.len() / 256);
        two_trees(&tree, one, other);
    }
}

fn one_tree(tree: &ObjectId, raw: &[u8]) {
    let Ok(items) = trees::parse(tree, raw) else { return };
    let mut rest = raw;
    for item in &items {
        assert!(!item.name.is_empty() && !item.name.contains(&b'/'));
        let mode = rest.iter().position(|&byte| byte == b' ').expect("a mode ends in a space");
        let written = [item.name, b"\0", item.id.as_bytes()].concat();
        rest = rest[mode + 1..].strip_prefix(&written[..]).expect("an entry is complete");
        if let Ok(entry) = trees::entry(item, item.name, tree, true, None) {
            assert_eq!(entry.path.as_bytes(), item.name);
        }
    }
    assert!(rest.is_empty());
}

fn two_trees(tree: &ObjectId, one: &[u8], other: &[u8]) {
    if let (Ok(mut wanted), Ok(mut others)) = (trees::parse(tree, one), trees::parse(tree, other)) {
        let same = trees::common_entries(one, other, tree.as_bytes().len());
        assert!(one[..same] == other[..same] && trees::parse(tree, &one[..same]).is_ok());
        let by_order = |one: &TreeItem<'_>, other: &TreeItem<'_>| {
            trees::order((one.name, one.is_tree()), (other.name, other.is_tree()))
        };
        wanted.sort_by(by_order);
        others.sort_by(by_order);
        let mut cursor = Cursor::new(&others);
        for item in &wanted {
            let found = cursor.find(item.name, item.is_tree());
            assert_eq!(found.as_ref(), others.iter().find(|other| by_order(other, item).is_eq()));
        }
    }
}

/// Packed refs, and an index as the first layer reads it: the header has the number of entries,
/// each has a path, and the root is that of the whole cache-tree.
pub(crate) fn entries(data: &[u8]) {
    packed_refs(data);
    for hash in [20, 32] {
        let Ok(index) = IndexFile::of(data, hash) else { continue };
        // `root` does not validate the names below it, so compare only where both parse.
        if let (Ok(Some(root)), Ok(whole)) = (index.root(), index.cache_tree()) {
            assert_eq!(whole.expect("it is there").id, Some(root));
        }
        let mut stream = index.entries();
        let mut count = 0;
        while let Ok(Some(item)) = stream.peek() {
            assert!(
                !item.path.is_empty() && item.path.len() <= LONGEST_PATH && !item.path.contains(&0)
            );
            count += 1;
            stream.advance();
        }
        if stream.peek().is_ok() {
            assert_eq!(count, index.count);
            let _ = stream.finish();
        }
    }
}

fn packed_refs(data: &[u8]) {
    let name = data.get(..16).unwrap_or_default();
    for hash in [20, 32] {
        let found = find_packed(data, name, hash).filter(|_| !name.contains(&b'\n'));
        // In a valid file, the ref has its own line.
        if let Some(id) = found.filter(|_| is_well_formed(data, hash)) {
            let line = [id.to_string().as_bytes(), b" ", name].concat();
            assert!(
                data.split(|&byte| byte == b'\n').any(|known| known.eq_ignore_ascii_case(&line))
            );
        }
    }
}

/// The index of a pack.
pub(crate) fn pack(data: &[u8]) {
    for hash in [20, 32] {
        let Ok(Some(index)) = PackIndex::of(data, hash) else { continue };
        let names = data.get(HEADER..).unwrap_or_default().chunks_exact(hash).take(16);
        for id in names.filter_map(ObjectId::from_bytes) {
            if let Ok(Some(offset)) = index.find(&id) {
                let short = u32::try_from(offset).ok();
                let there = short
                    .map_or(offset.to_be_bytes().to_vec(), |short| short.to_be_bytes().to_vec());
                assert!(data.windows(there.len()).any(|bytes| bytes == there), "{offset}");
            }
        }
    }
}

impl Source for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, buffer: &mut [u8], from: u64) -> io::Result<()> {
        let rest = usize::try_from(from).ok().and_then(|from| self.get(from..)).unwrap_or_default();
        let Some(piece) = rest.get(..buffer.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        buffer.copy_from_slice(piece);
        Ok(())
    }
}
