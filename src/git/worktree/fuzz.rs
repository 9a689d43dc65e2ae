//! Targets: the index, and the state of the work tree as git tells it.

use crate::git::process::records;
use crate::git::worktree::entries;
use crate::git::worktree::status::{Status, parse_record};

/// An index file, of both hashes.
pub(crate) fn index(data: &[u8]) {
    entries::fuzz(data);
}

/// A listing of the index.
pub(crate) fn listing(data: &[u8]) {
    entries::fuzz_listing(data);
}

/// What `git status` answers.
pub(crate) fn status(data: &[u8]) {
    match Status::parse(data) {
        Ok(status) => {
            for (path, record) in &status.records {
                assert!(!path.as_bytes().is_empty() && !record.states.is_empty());
            }
        }
        Err(part) => assert!(part.len() <= data.len().max(18)),
    }
    for record in records(data) {
        if let Some((path, _)) = parse_record(record) {
            assert!(record.ends_with(path.as_bytes()));
        }
    }
}
