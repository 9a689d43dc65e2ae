//! The cache-tree of an index (gitformat-index(5)): the trees that git has written for its
//! directories.

use crate::base::change::ObjectId;
use crate::base::path::LONGEST_PATH;

/// A directory of the index, with its tree and its subdirectories.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CacheTree {
    /// The name; empty for the root.
    pub name: Vec<u8>,
    /// The number of entries below it, if the tree is known.
    pub count: Option<u32>,
    /// The tree, if it is known.
    pub id: Option<ObjectId>,
    /// The subdirectories, sorted by name.
    pub children: Vec<CacheTree>,
}

impl CacheTree {
    /// Parses the content of the extension; `None` if it is malformed, is not consumed to its end,
    /// or names a directory twice.
    pub(super) fn parse(raw: &[u8], hash: usize) -> Option<Self> {
        let mut rest = raw;
        // The incomplete directories from the root down, each with the number of subdirectories
        // that are still to come.
        let mut open: Vec<(Self, u32)> = Vec::new();
        let mut prefix = 0;
        loop {
            let RawNode { name, count, children, id } = node(&mut rest, hash)?;
            prefix += name.len() + 1;
            if prefix > LONGEST_PATH || name.is_empty() != open.is_empty() || name.contains(&b'/') {
                return None;
            }
            let (name, id) = (name.to_vec(), ObjectId::from_bytes(id));
            open.push((Self { name, count, id, children: Vec::new() }, children));
            while let Some((mut tree, _)) = open.pop_if(|(_, lacking)| *lacking == 0) {
                prefix -= tree.name.len() + 1;
                tree.children.sort_unstable_by(|one, other| one.name.cmp(&other.name));
                if tree.children.windows(2).any(|pair| pair[0].name == pair[1].name) {
                    return None;
                }
                let Some((above, lacking)) = open.last_mut() else {
                    return rest.is_empty().then_some(tree);
                };
                above.children.push(tree);
                *lacking -= 1;
            }
        }
    }

    /// The subdirectory of this name.
    pub(super) fn child(&self, name: &[u8]) -> Option<&Self> {
        let at = self.children.binary_search_by(|child| child.name[..].cmp(name)).ok()?;
        Some(&self.children[at])
    }
}

/// A directory, without its subdirectories.
pub(super) struct RawNode<'a> {
    /// Empty for the root.
    pub name: &'a [u8],
    /// See [`CacheTree::count`].
    pub count: Option<u32>,
    /// The number of subdirectories, which follow.
    children: u32,
    /// See [`CacheTree::id`]; empty if the tree is not known.
    pub id: &'a [u8],
}

/// The root of a cache-tree that parses to its end. Its beginning alone proves nothing: the index
/// also holds names that anyone can choose, such as those of untracked files.
pub(super) fn root(raw: &[u8], hash: usize) -> Option<RawNode<'_>> {
    let mut rest = raw;
    let root = node(&mut rest, hash).filter(|root| root.name.is_empty())?;
    let mut lacking = u64::from(root.children);
    while lacking > 0 {
        let below = node(&mut rest, hash).filter(|below| !below.name.is_empty())?;
        lacking += u64::from(below.children);
        lacking -= 1;
    }
    rest.is_empty().then_some(root)
}

/// Parses `<name> NUL <entries> SP <subtrees> LF [<id>]`. If the tree is not known, the number of
/// entries is negative and the id is absent.
///
/// A million files have about ten thousand nodes of a few bytes each, so a loop over bytes is fast
/// enough.
pub(super) fn node<'a>(rest: &mut &'a [u8], hash: usize) -> Option<RawNode<'a>> {
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (name, mut after) = (&rest[..end], &rest[end + 1..]);
    let known = after.first() != Some(&b'-');
    if !known {
        after = &after[1..];
    }
    let count = number(&mut after, b' ')?;
    let children = number(&mut after, b'\n')?;
    let id;
    (id, *rest) = after.split_at_checked(if known { hash } else { 0 })?;
    Some(RawNode { name, count: known.then_some(count), children, id })
}

/// Parses a decimal number, and the byte that ends it.
fn number(rest: &mut &[u8], end: u8) -> Option<u32> {
    let mut value: Option<u32> = None;
    for (at, &byte) in rest.iter().enumerate() {
        if byte == end {
            *rest = &rest[at + 1..];
            return value;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(digit))?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 20] = [7; 20];

    /// A node: name, number of entries (-1 for unknown), number of subdirectories.
    fn tree(name: &str, count: i32, children: u32) -> Vec<u8> {
        let id: &[u8] = if count < 0 { &[] } else { &ID };
        [format!("{name}\0{count} {children}\n").as_bytes(), id].concat()
    }

    #[test]
    fn a_cache_tree_parses_to_its_end_or_is_refused() {
        let raw = [tree("", -1, 2), tree("bb", 2, 0), tree("a", 1, 1), tree("c", 1, 0)].concat();
        let parsed = CacheTree::parse(&raw, 20).unwrap();
        assert_eq!((parsed.count, parsed.id), (None, None));
        assert_eq!(parsed.child(b"bb").unwrap().count, Some(2));
        assert_eq!(parsed.child(b"a").unwrap().child(b"c").unwrap().count, Some(1));
        assert!(parsed.child(b"c").is_none());
        for length in 0..raw.len() {
            assert!(CacheTree::parse(&raw[..length], 20).is_none(), "{length}");
            assert!(root(&raw[..length], 20).is_none(), "{length}");
        }
        assert_eq!(
            root(&[tree("", 4, 1), tree("a", 1, 1), tree("b", 1, 0)].concat(), 20).unwrap().count,
            Some(4)
        );
        for more in [&b"x"[..], b"\0"] {
            assert!(root(&[&raw, more].concat(), 20).is_none());
        }
        assert!(root(&tree("x", 1, 0), 20).is_none());
        let refused = |parts: &[Vec<u8>]| {
            assert!(CacheTree::parse(&parts.concat(), 20).is_none(), "{parts:?}");
        };
        refused(&[raw.clone(), b"x".to_vec()]);
        refused(&[tree("x", 1, 0)]);
        refused(&[tree("", 2, 2), tree("a", 1, 0), tree("a", 1, 0)]);
        refused(&[tree("", 1, 1), tree("a/b", 1, 0)]);
        let deep = |depth: usize| {
            [vec![tree("", 1, 1)], vec![tree("d", 1, 1); depth], vec![tree("e", 1, 0)]].concat()
        };
        assert!(CacheTree::parse(&deep(2000).concat(), 20).is_some());
        refused(&deep(3000));
    }
}
