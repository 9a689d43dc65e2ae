//! What restoring changes in the work tree and in the index. `index` and `work_tree` plan it, find
//! the other versions of each manifest, and write; `lockfile` decides about lockfiles for both.
//! `check` and `verify` ask for the plan only, to say what `bakstop restore` would do.

mod lockfile;
mod versions;
pub(super) mod work_tree;
pub(super) mod index;
