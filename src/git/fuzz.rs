//! Targets: what git answers, and its objects.

use crate::base::change::ObjectId;
use crate::git::process::{self, records};
use crate::git::{direct, history, listing, objects, store, trees, worktree};

/// Every answer of git that is parsed here.
pub(crate) fn answers(data: &[u8]) {
    listing::fuzz(data);
    history::fuzz(data);
    objects::fuzz(data);
    worktree::fuzz::status(data);
    worktree::fuzz::listing(data);
    assert!(records(data).all(|record| !record.is_empty() && !record.contains(&0)));
    process::text(data);
}

/// Tree objects, of both hashes. The first byte says where the input is cut into two trees.
pub(crate) fn trees(data: &[u8]) {
    let Some((&cut, raw)) = data.split_first() else { return };
    for hash in [&[0; 20][..], &[0; 32]] {
        let tree = ObjectId::from_bytes(hash).expect("a hash");
        trees::fuzz(&tree, raw, usize::from(cut) * raw.len() / 256);
    }
}

/// An index as the first layer reads it, and packed refs.
pub(crate) fn entries(data: &[u8]) {
    direct::fuzz(data);
}

/// The index of a pack.
pub(crate) fn pack(data: &[u8]) {
    store::pack::fuzz(data);
}
