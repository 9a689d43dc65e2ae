//! Walks over trees: the entries of one tree that others do not have.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::base::change::{Entry, Mode, ObjectId, Older};
use crate::base::error::Error;
use crate::base::path::{LONGEST_PATH, RepoPath};
use crate::git::objects::Objects;

const TREE: u32 = 0o040_000;

/// The bits of a mode for the kind of the entry, without permissions.
const KIND: u32 = 0o170_000;

/// The maximum number of entries of one tree that are visited. The largest public repositories have
/// a tenth of that. A few objects that refer to each other repeatedly can form a tree with any
/// number of paths.
const MAX_ENTRIES: usize = 2_000_000;

/// A walk over the trees of many commits, which reports no entry twice.
#[derive(Debug, Default)]
pub(super) struct TreeWalk {
    /// The keys of blobs that were reported, and of trees that were reported with all their
    /// entries.
    reported: HashSet<VisitKey, BuildHasherDefault<KeyHasher>>,
    hashes: [RandomState; 2],
}

/// What was read of trees, and not reported yet.
#[derive(Debug, Default)]
pub(super) struct Unreported {
    entries: Vec<Vec<(VisitKey, Entry)>>,
    /// The keys of the trees that are reported with all their entries.
    complete: Vec<VisitKey>,
}

/// Two hashes of an object, its path and its kind, by secret keys: a history has millions, and
/// nobody finds two with the same hashes. The same blob at another path is another entry: what a
/// file means depends on its place. So is a link with the content of a file.
type VisitKey = u128;

/// A key is a hash.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "half of the key is a hash as well")]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The maximum number of entries that are kept before the first of them is reported: a push may
/// bring any number.
const MAX_AHEAD: usize = 50_000;

/// One entry of a tree object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TreeItem<'a> {
    pub name: &'a [u8],
    /// Git's octal mode.
    pub mode: u32,
    /// The blob, the commit of a submodule, or the tree of a directory.
    pub id: ObjectId,
}

impl TreeItem<'_> {
    pub(super) fn is_tree(&self) -> bool {
        self.mode & KIND == TREE
    }
}

impl TreeWalk {
    /// The entries of a tree that none of the `others` has, with the same content at the same path,
    /// and that this walk has not reported before. They are in git's order of paths.
    pub(super) fn fresh(
        &mut self,
        objects: &Objects,
        tree: &ObjectId,
        others: &[ObjectId],
    ) -> Result<Vec<Entry>, Error> {
        let mut complete = Vec::new();
        let entries = vec![self.unreported(objects, tree, others, &mut complete)?];
        Ok(self.report(Unreported { entries, complete }).pop().unwrap_or_default())
    }

    /// Reads the entries for [`Self::fresh`] of several trees, each with those that it is compared
    /// with; `None` if there are too many. An entry of several of the trees is in each.
    ///
    /// They are read from the last to the first, because a pack stores older versions as deltas of
    /// newer ones.
    pub(super) fn read_ahead(
        &self,
        objects: &Objects,
        trees: impl DoubleEndedIterator<Item = (ObjectId, Vec<ObjectId>)>,
    ) -> Result<Option<Unreported>, Error> {
        let (mut ahead, mut count) = (Unreported::default(), 0);
        for (tree, others) in trees.rev() {
            let entries = self.unreported(objects, &tree, &others, &mut ahead.complete)?;
            count += entries.len();
            // Directories count as well: they need not contain a file.
            if count + ahead.complete.len() > MAX_AHEAD {
                return Ok(None);
            }
            ahead.entries.push(entries);
        }
        ahead.entries.reverse();
        Ok(Some(ahead))
    }

    /// The entries of each tree that were not reported before. From now on they are.
    pub(super) fn report(&mut self, ahead: Unreported) -> Vec<Vec<Entry>> {
        let mut of_tree = |entries: Vec<(VisitKey, Entry)>| {
            let fresh = |(key, entry)| self.reported.insert(key).then_some(entry);
            entries.into_iter().filter_map(fresh).collect()
        };
        let fresh = ahead.entries.into_iter().map(&mut of_tree).collect();
        self.reported.extend(ahead.complete);
        fresh
    }

    fn unreported(
        &self,
        objects: &Objects,
        tree: &ObjectId,
        others: &[ObjectId],
        complete: &mut Vec<VisitKey>,
    ) -> Result<Vec<(VisitKey, Entry)>, Error> {
        let mut visit =
            TreeVisit { walk: self, objects, path: Trail::default(), complete, found: Vec::new() };
        visit.directory(tree, others)?;
        Ok(visit.found)
    }

    fn key(&self, id: &ObjectId, path: &[u8], mode: u32) -> VisitKey {
        let [high, low] =
            [0, 1].map(|half| self.hashes[half].hash_one((id.as_bytes(), path, mode)));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A walk over one tree.
struct TreeVisit<'a> {
    walk: &'a TreeWalk,
    objects: &'a Objects,
    path: Trail,
    complete: &'a mut Vec<VisitKey>,
    found: Vec<(VisitKey, Entry)>,
}

impl TreeVisit<'_> {
    fn directory(&mut self, tree: &ObjectId, others: &[ObjectId]) -> Result<(), Error> {
        let key = self.walk.key(tree, self.path.bytes(), TREE);
        if others.contains(tree) || self.walk.reported.contains(&key) {
            return Ok(());
        }
        // Compared with another tree, only some of its entries are reported.
        if others.is_empty() {
            self.complete.push(key);
        }
        let raw = self.read(tree)?;
        let olds = others.iter().map(|other| self.read(other)).collect::<Result<Vec<_>, _>>()?;
        let (items, olds) = match (others, &olds[..]) {
            ([other], [old]) => {
                let (items, old) = parse_differing((tree, &raw), (other, old))?;
                (items, vec![old])
            }
            _ => {
                let olds = others.iter().zip(&olds).map(|(id, raw)| parse(id, raw));
                (parse(tree, &raw)?, olds.collect::<Result<_, _>>()?)
            }
        };
        let mut cursors: Vec<Cursor<'_>> = olds.iter().map(|items| Cursor::new(items)).collect();
        for item in items {
            let before = cursors.iter_mut().filter_map(|old| old.find(item.name, item.is_tree()));
            let before: Vec<TreeItem<'_>> = before.collect();
            if before.iter().any(|old| old.id == item.id && old.mode == item.mode) {
                continue;
            }
            let others: Vec<ObjectId> = before.iter().map(|old| old.id).collect();
            let length = self.path.enter(&item, tree)?;
            if item.is_tree() {
                self.directory(&item.id, &others)?;
            } else {
                let replaces = others.first().copied();
                let entry = entry(&item, self.path.bytes(), tree, true, replaces)?;
                let key = self.walk.key(&item.id, self.path.bytes(), entry.mode.bits());
                if !self.walk.reported.contains(&key) {
                    self.found.push((key, entry));
                }
            }
            self.path.leave(length);
        }
        Ok(())
    }

    fn read(&self, tree: &ObjectId) -> Result<Vec<u8>, Error> {
        let mut raw = Vec::new();
        self.objects.tree(tree, &mut raw).map(|()| raw)
    }
}

/// The wanted entries of a tree, not marked as fresh.
pub(super) fn entries(
    objects: &Objects,
    tree: &ObjectId,
    wanted: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    let mut scratch = RepoPath::default();
    list(objects, tree, &mut Trail::default(), &mut |path, item| {
        scratch.replace(path);
        if wanted(&scratch) {
            found.push(entry(item, path, tree, false, None)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// The wanted paths in which an older tree differs.
pub(super) fn differences(
    objects: &Objects,
    tree: &ObjectId,
    older: &ObjectId,
    wanted: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<Older>, Error> {
    let new = TreeWalk::default().fresh(objects, tree, &[*older])?;
    let old = TreeWalk::default().fresh(objects, older, &[*tree])?;
    Ok(changed(new, old).into_iter().filter(|older| wanted(&older.path)).collect())
}

/// The paths that differ between two states, from the entries that only one of them has.
pub(super) fn changed(new: Vec<Entry>, old: Vec<Entry>) -> Vec<Older> {
    let new = new.into_iter().map(|entry| (entry.path, None));
    let old = old.into_iter().map(|entry| {
        let entry = Entry { fresh: false, replaces: None, ..entry };
        (entry.path.clone(), Some(entry))
    });
    let paths: BTreeMap<RepoPath, Option<Entry>> = new.chain(old).collect();
    paths.into_iter().map(|(path, entry)| Older { path, entry }).collect()
}

/// The entry at a path of a tree.
pub(super) fn at(
    objects: &Objects,
    tree: &ObjectId,
    path: &RepoPath,
) -> Result<Option<Entry>, Error> {
    let mut tree = *tree;
    let mut raw = Vec::new();
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        objects.tree(&tree, &mut raw)?;
        let items = parse(&tree, &raw)?;
        let last = names.peek().is_none();
        let Some(item) = items.into_iter().find(|item| item.name == name && item.is_tree() != last)
        else {
            return Ok(None);
        };
        if last {
            return entry(&item, path.as_bytes(), &tree, false, None).map(Some);
        }
        tree = item.id;
    }
    Ok(None)
}

fn list(
    objects: &Objects,
    tree: &ObjectId,
    path: &mut Trail,
    visit: &mut impl FnMut(&[u8], &TreeItem<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut raw = Vec::new();
    objects.tree(tree, &mut raw)?;
    for item in parse(tree, &raw)? {
        let length = path.enter(&item, tree)?;
        if item.is_tree() {
            list(objects, &item.id, path, visit)?;
        } else {
            visit(path.bytes(), &item)?;
        }
        path.leave(length);
    }
    Ok(())
}

/// The path of the current entry, and the number of entries visited.
#[derive(Debug, Default)]
struct Trail {
    bytes: Vec<u8>,
    entries: usize,
}

impl Trail {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends an entry to the path, a directory with a slash at its end. Returns the length for
    /// [`Self::leave`].
    fn enter(&mut self, item: &TreeItem<'_>, tree: &ObjectId) -> Result<usize, Error> {
        let length = self.bytes.len();
        self.bytes.extend(item.name);
        if item.is_tree() {
            self.bytes.push(b'/');
        }
        self.entries += 1;
        let cause = if self.bytes.len() > LONGEST_PATH {
            // This limits the recursion.
            "its path is too long for any file system"
        } else if self.entries > MAX_ENTRIES {
            "its tree has too many paths"
        } else {
            return Ok(length);
        };
        Err(Error::new(format!("read the tree {tree}"), cause)
            .help("check the repository: `git fsck`"))
    }

    fn leave(&mut self, length: usize) {
        self.bytes.truncate(length);
    }
}

pub(super) fn entry(
    item: &TreeItem<'_>,
    path: &[u8],
    tree: &ObjectId,
    fresh: bool,
    replaces: Option<ObjectId>,
) -> Result<Entry, Error> {
    let mode = Mode::from_bits(item.mode).ok_or_else(|| {
        malformed(tree, &format!("{} has the unknown mode {:o}", RepoPath::new(path), item.mode))
    })?;
    Ok(Entry { path: RepoPath::new(path), mode, id: item.id, fresh, replaces })
}

fn malformed(tree: &ObjectId, cause: &str) -> Error {
    Error::new(format!("read the tree {tree}"), cause).help("check the repository: `git fsck`")
}

/// Parses a tree object: for each entry `<octal mode> SP <name> NUL <raw id>`.
pub(super) fn parse<'a>(tree: &ObjectId, raw: &'a [u8]) -> Result<Vec<TreeItem<'a>>, Error> {
    parse_until(tree, raw, 0).map(|(items, _)| items)
}

/// The entries up to one after which at most `end` bytes follow, and the number of those.
fn parse_until<'a>(
    tree: &ObjectId,
    raw: &'a [u8],
    end: usize,
) -> Result<(Vec<TreeItem<'a>>, usize), Error> {
    let length = tree.as_bytes().len();
    let mut items = Vec::new();
    let mut rest = raw;
    while rest.len() > end {
        let item = item(&mut rest, length).ok_or_else(|| malformed(tree, "it is malformed"))?;
        items.push(item);
    }
    Ok((items, rest.len()))
}

/// The entries of two trees, each with its id, without those that both have at their start and at
/// their end: most entries of a directory are unchanged.
#[allow(clippy::type_complexity, reason = "the entries of both")]
fn parse_differing<'a>(
    (tree, raw): (&ObjectId, &'a [u8]),
    (other, old): (&ObjectId, &'a [u8]),
) -> Result<(Vec<TreeItem<'a>>, Vec<TreeItem<'a>>), Error> {
    let start = common_entries(raw, old, tree.as_bytes().len());
    let (raw, old) = (&raw[start..], &old[start..]);
    let end = raw.iter().rev().zip(old.iter().rev()).take_while(|(one, other)| one == other);
    let end = end.count();
    let (items, left) = parse_until(tree, raw, end)?;
    let (olds, left_of_old) = parse_until(other, old, end)?;
    if left == left_of_old {
        return Ok((items, olds));
    }
    // Bytes of an id look like entries in one of them.
    Ok((parse(tree, raw)?, parse(other, old)?))
}

fn item<'a>(rest: &mut &'a [u8], length: usize) -> Option<TreeItem<'a>> {
    let (mode, after) = mode(rest)?;
    let end = memchr::memchr(0, after)?;
    let (name, after) = (&after[..end], &after[end + 1..]);
    let (id, after) = after.split_at_checked(length)?;
    *rest = after;
    let is_component = !name.is_empty() && memchr::memchr(b'/', name).is_none();
    is_component.then_some(TreeItem { name, mode, id: ObjectId::from_bytes(id)? })
}

/// An octal mode of up to seven digits, and what follows the space after it. All trees are read
/// for the pins, so this must be fast.
fn mode(raw: &[u8]) -> Option<(u32, &[u8])> {
    let mut mode = 0;
    for (length, &byte) in raw.iter().take(8).enumerate() {
        match byte {
            b'0'..=b'7' => mode = (mode << 3) | u32::from(byte - b'0'),
            b' ' if length > 0 => return Some((canonical(mode), &raw[length + 1..])),
            _ => return None,
        }
    }
    None
}

/// The length in bytes of the entries that two trees have in common at their start.
pub(super) fn common_entries(one: &[u8], other: &[u8], hash: usize) -> usize {
    let shorter = one.len().min(other.len());
    let pieces = one
        .chunks_exact(32)
        .zip(other.chunks_exact(32))
        .take_while(|(one, other)| one == other)
        .count()
        * 32;
    let rest = one[pieces..shorter]
        .iter()
        .zip(&other[pieces..shorter])
        .take_while(|(one, other)| one == other)
        .count();
    let differ = pieces + rest;
    // Back to the start of the entry in which they differ.
    let mut start = 0;
    while let Some(name) = memchr::memchr(0, &one[start..differ]) {
        match start + name + 1 + hash {
            end if end <= differ => start = end,
            _ => break,
        }
    }
    start
}

/// Old versions of git wrote other permissions, which git reads as 644 or 755.
fn canonical(mode: u32) -> u32 {
    match mode & KIND {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        _ => mode,
    }
}

/// Whether the entries are in git's order without duplicates. Otherwise it is not certain which
/// entry git finds.
pub(super) fn is_in_order(items: &[TreeItem<'_>]) -> bool {
    items.windows(2).all(|pair| {
        order((pair[0].name, pair[0].is_tree()), (pair[1].name, pair[1].is_tree()))
            == std::cmp::Ordering::Less
    })
}

/// Looks up the entries of a tree in git's order.
pub(super) struct Cursor<'a> {
    items: &'a [TreeItem<'a>],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(items: &'a [TreeItem<'a>]) -> Self {
        Self { items }
    }

    /// The entry of this name and kind. Calls must be in git's order.
    pub(super) fn find(&mut self, name: &[u8], is_tree: bool) -> Option<TreeItem<'a>> {
        while let Some((first, rest)) = self.items.split_first() {
            match order((first.name, first.is_tree()), (name, is_tree)) {
                std::cmp::Ordering::Less => self.items = rest,
                std::cmp::Ordering::Equal => return Some(*first),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }
}

/// Git sorts the entries of a tree as if directories ended in a slash.
pub(super) fn order(one: (&[u8], bool), other: (&[u8], bool)) -> std::cmp::Ordering {
    let tail = |is_tree| if is_tree { &b"/"[..] } else { b"" };
    one.0.iter().chain(tail(one.1)).cmp(other.0.iter().chain(tail(other.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(items: &[(&str, &str, u8)]) -> Vec<u8> {
        items
            .iter()
            .flat_map(|(mode, name, id)| {
                [format!("{mode} {name}\0").as_bytes(), &[*id; 20]].concat()
            })
            .collect()
    }

    fn tree() -> ObjectId {
        ObjectId::from_bytes(&[9; 20]).unwrap()
    }

    #[test]
    fn entries_at_both_ends_that_two_trees_share_are_left_out() {
        let names = |items: Vec<TreeItem<'_>>| -> Vec<String> {
            items.iter().map(|item| String::from_utf8_lossy(item.name).into_owned()).collect()
        };
        let all = [("100644", "a", 1), ("100644", "b", 2), ("100644", "c", 3), ("40000", "d", 4)];
        let old = raw(&all);
        for (new, expected) in [
            (raw(&all), (vec![], vec![])),
            (raw(&all[..3]), (vec![], vec!["d"])),
            (raw(&all[1..]), (vec![], vec!["a"])),
            (raw(&[all[0], ("100644", "b", 9), all[2], all[3]]), (vec!["b"], vec!["b"])),
            (raw(&[all[0], ("100755", "c", 3), all[3]]), (vec!["c"], vec!["b", "c"])),
            (raw(&[all[0], all[1], ("100644", "bc", 3), all[3]]), (vec!["bc"], vec!["c"])),
            (Vec::new(), (vec![], vec!["a", "b", "c", "d"])),
        ] {
            let (items, olds) = parse_differing((&tree(), &new), (&tree(), &old)).unwrap();
            let found = (names(items), names(olds));
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
        // The end of the name is that of another one.
        let (short, long) = (raw(&[("100644", "x", 7)]), raw(&[("100644", "100644 x", 7)]));
        let (items, olds) = parse_differing((&tree(), &short), (&tree(), &long)).unwrap();
        assert_eq!((names(items).concat(), names(olds).concat()), ("x".into(), "100644 x".into()));
    }

    #[test]
    fn trees_are_parsed_or_refused() {
        let text = raw(&[("100644", "a", 1), ("40000", "b", 2), ("160000", "c", 3)]);
        let items = parse(&tree(), &text).unwrap();
        assert_eq!(
            items.iter().map(|item| (item.name, item.is_tree())).collect::<Vec<_>>(),
            [(&b"a"[..], false), (b"b", true), (b"c", false)]
        );
        for length in 1..text.len() {
            // Only a cut between two entries leaves a tree.
            assert_eq!(
                parse(&tree(), &text[..length]).is_ok(),
                [29, 57].contains(&length),
                "{length}"
            );
        }
        for wrong in [("100644", "a/b"), ("100644", ""), ("9", "a"), ("", "a"), ("1234567890", "a")]
        {
            assert!(parse(&tree(), &raw(&[(wrong.0, wrong.1, 1)])).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn common_entries_are_whole_entries() {
        let text = raw(&[("100644", "a", 1), ("40000", "b", 2), ("160000", "c", 3)]);
        assert_eq!(common_entries(&text, &text, 20), text.len());
        assert_eq!(common_entries(&text, &text[..29], 20), 29);
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert_eq!(
                common_entries(&text, &other, 20),
                [0, 29, 57][usize::from(at >= 29) + usize::from(at >= 57)],
                "{at}"
            );
        }
        assert_eq!(common_entries(&text, b"", 20), 0);
    }

    #[test]
    fn a_tree_of_any_number_of_paths_is_an_error() {
        let text = raw(&[("40000", "a", 1)]);
        let item = parse(&tree(), &text).unwrap()[0];
        let mut path = Trail { bytes: Vec::new(), entries: MAX_ENTRIES - 1 };
        assert_eq!(path.enter(&item, &tree()), Ok(0));
        assert_eq!(path.bytes(), b"a/");
        path.leave(0);
        assert!(path.enter(&item, &tree()).is_err());
        let mut deep = Trail { bytes: vec![b'a'; LONGEST_PATH - 1], entries: 0 };
        assert!(deep.enter(&item, &tree()).is_err());
    }

    #[test]
    fn an_entry_of_an_unknown_mode_is_an_error() {
        let text = raw(&[("150000", "a", 1)]);
        let item = parse(&tree(), &text).unwrap()[0];
        assert!(entry(&item, b"a", &tree(), true, None).is_err());
    }

    #[test]
    fn a_cursor_finds_entries_in_gits_order() {
        // `a.b` is before the directory `a`, which sorts as `a/`.
        let old = raw(&[("100644", "a.b", 1), ("40000", "a", 2), ("100644", "a0", 3)]);
        let old = parse(&tree(), &old).unwrap();
        let mut cursor = Cursor::new(&old);
        let new = raw(&[
            ("100644", "a", 8),
            ("100644", "a.b", 8),
            ("40000", "a", 8),
            ("100644", "a0", 8),
            ("100644", "b", 8),
        ]);
        let found: Vec<_> = parse(&tree(), &new)
            .unwrap()
            .iter()
            .map(|item| cursor.find(item.name, item.is_tree()).map(|old| old.id))
            .collect();
        let id = |byte: u8| ObjectId::from_bytes(&[byte; 20]);
        assert_eq!(found, [None, id(1), id(2), id(3), None]);
    }
}
