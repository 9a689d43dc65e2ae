//! Hook files: find, plan, edit, remove.
