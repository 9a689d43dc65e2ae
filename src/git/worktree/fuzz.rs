//! Fuzz targets: the index, and the output of `git status`.

use crate::base::path::RepoPath;
use crate::git::process::records;
use crate::git::worktree::entries::{GitPaths, IndexContent, Tracked, WorkTreeIndex};
use crate::git::worktree::status::{self, parse_record};

/// An index file, with both hashes.
pub(crate) fn index(data: &[u8]) {
    for hash in [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256] {
        let Some(index) = of_bytes(data, hash) else { continue };
        index.tree();
        let Ok(entries) = index.entries("read") else { continue };
        assert_eq!(entries.len(), index.len());
        let paths: Vec<RepoPath> = entries
            .iter()
            .filter(|entry| !entry.needs_git())
            .map(|entry| RepoPath::new(entry.path))
            .collect();
        if let Some(written) = index.subset(paths.iter()) {
            let again = of_bytes(&written, hash).expect("a written index is read");
            let entries = again.entries("read").expect("a written index has known modes");
            assert!(
                entries.len() == paths.len() && entries.iter().all(|entry| entry.hiding.is_none())
            );
        }
    }
}

pub(super) fn of_bytes(data: &[u8], hash: gix::hash::Kind) -> Option<WorkTreeIndex> {
    let now = gix::index::State::new(hash).timestamp();
    let (state, _) =
        gix::index::State::from_bytes(data, now, hash, gix::index::decode::Options::default())
            .ok()?;
    let native = Box::new(gix::index::File::from_state(state, "index"));
    (!native.is_sparse())
        .then(|| WorkTreeIndex { source: IndexContent::Native(native), paths: GitPaths::default() })
}

/// A listing of the index.
pub(crate) fn listing(data: &[u8]) {
    let index =
        WorkTreeIndex { source: IndexContent::Listing(data.to_vec()), paths: GitPaths::default() };
    if let Ok(entries) = index.entries("read") {
        assert!(entries.len() == index.len() && entries.iter().all(Tracked::needs_git));
    }
}

/// The output of `git status`.
pub(crate) fn status(data: &[u8]) {
    match status::parse(data) {
        Ok(records) => {
            for (path, record) in &records {
                assert!(!path.as_bytes().is_empty() && !record.states.is_empty());
            }
        }
        Err(part) => assert!(part.len() <= data.len()),
    }
    for record in records(data) {
        if let Some((path, _)) = parse_record(record) {
            assert!(record.ends_with(path.as_bytes()));
        }
    }
}
