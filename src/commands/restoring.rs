//! What restoring would change in the work tree and in the index.

mod lockfile;
pub(super) mod work_tree;
pub(super) mod index;
