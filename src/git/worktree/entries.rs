//! Reads the index entries that the walk over the work tree needs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use gix::bstr::ByteSlice;
use gix::index::entry::{Flags, Stage};

use crate::base::change::{Mode, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::listing::parse_staged_record;
use crate::git::process::{Git, parse_path, records, unreadable};
use crate::snapshot::Hiding;

/// The index of a work tree.
pub(super) struct WorkTreeIndex {
    pub source: IndexContent,
    pub paths: GitPaths,
}

/// Paths of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GitPaths {
    /// The index.
    pub index: PathBuf,
    /// The git directory of this work tree: HEAD and the state of operations.
    pub git: PathBuf,
    /// The git directory that all work trees share: refs and the configuration.
    pub common: PathBuf,
}

pub(super) enum IndexContent {
    /// Read here, with the metadata of each file.
    Native(Box<gix::index::File>),
    /// `git ls-files --stage -v -z`, for an index that gix does not read, such as a sparse one.
    Listing(Vec<u8>),
}

/// An index entry. A path in conflict has one for each of its stages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracked<'a> {
    /// From the top of the work tree.
    pub path: &'a [u8],
    pub mode: Mode,
    pub executable: bool,
    pub hiding: Option<Hiding>,
    /// The metadata of the file when it had this content; `None` if they are unknown, and for a
    /// conflict or an entry of `git add -N`. Meaningless for a submodule.
    pub stat: Option<Stat>,
}

/// Metadata of a file, truncated to 32 bits as in the index (gitformat-index(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Seconds and nanoseconds.
    pub mtime: (u32, u32),
    /// Seconds and nanoseconds.
    pub ctime: (u32, u32),
    pub ino: u32,
    /// The user and the group.
    pub owner: (u32, u32),
    /// In bytes.
    pub size: u32,
}

impl Tracked<'_> {
    /// Whether comparing content is not enough: a submodule, or no known metadata.
    pub(super) fn needs_git(&self) -> bool {
        self.stat.is_none() || self.mode == Mode::Submodule
    }
}

impl WorkTreeIndex {
    /// Reads the index that git would use.
    pub(super) fn read(git: &Git, doing: &str) -> Result<Self, Error> {
        let (paths, hash) = paths(git, doing)?;
        let file = &paths.index;
        // A split index without checksums (index.skipHash): git itself loses the shared entries.
        let lost = |hash: &gix::hash::Kind| {
            file.with_file_name(format!("sharedindex.{}", hash.null())).exists()
        };
        let native = hash.filter(|hash| !lost(hash)).and_then(|hash| {
            let options = gix::index::decode::Options::default();
            // Like git, skip the checksum: the parser fails for a damaged index anyway.
            gix::index::File::at(file, hash, true, options).ok().filter(|index| !index.is_sparse())
        });
        let source = match native {
            Some(index) => IndexContent::Native(Box::new(index)),
            // The index is missing, or gix refuses it: git reports the reason.
            None => {
                let arguments = ["ls-files", "--stage", "-v", "-z", "--full-name", "--", ":/"];
                IndexContent::Listing(git.output(doing, &arguments)?)
            }
        };
        Ok(Self { source, paths })
    }

    /// Whether the entries have the metadata of their files.
    pub(super) fn has_metadata(&self) -> bool {
        matches!(self.source, IndexContent::Native(_))
    }

    pub(super) fn len(&self) -> usize {
        match &self.source {
            IndexContent::Native(index) => index.entries().len(),
            IndexContent::Listing(listing) => records(listing).count(),
        }
    }

    /// The tree that the index would write, if its cache-tree has the id.
    pub(super) fn tree(&self) -> Option<ObjectId> {
        let IndexContent::Native(index) = &self.source else { return None };
        let root = index.tree()?;
        let is_complete = root.num_entries? as usize == index.entries().len();
        ObjectId::from_bytes(root.id.as_bytes()).filter(|_| is_complete)
    }

    /// When it was written, in seconds and nanoseconds: the metadata do not show whether a file
    /// changed after that.
    pub(super) fn written(&self) -> (i64, u32) {
        match &self.source {
            IndexContent::Native(index) => {
                (index.timestamp().unix_seconds(), index.timestamp().nanoseconds())
            }
            IndexContent::Listing(_) => self.paths.index.metadata().map_or((0, 0), |about| {
                (about.mtime(), u32::try_from(about.mtime_nsec()).unwrap_or(0))
            }),
        }
    }

    /// An index of these entries alone, without marks that hide them; `None` if an entry is
    /// missing.
    pub(super) fn subset<'a>(&self, paths: impl Iterator<Item = &'a RepoPath>) -> Option<Vec<u8>> {
        let IndexContent::Native(index) = &self.source else { return None };
        let mut some = gix::index::State::new(index.object_hash());
        for path in paths {
            let path = path.as_bytes().as_bstr();
            let entry = index.entry_by_path_and_stage(path, Stage::Unconflicted)?;
            let flags = entry
                .flags
                .difference(Flags::SKIP_WORKTREE | Flags::ASSUME_VALID | Flags::FSMONITOR_VALID);
            some.dangerously_push_entry(entry.stat, entry.id, flags, entry.mode, path);
        }
        some.sort_entries();
        let mut text = Vec::new();
        let options = gix::index::write::Options {
            extensions: gix::index::write::Extensions::None,
            skip_hash: false,
        };
        // `State` would be written without the checksum at the end.
        gix::index::File::from_state(some, &*self.paths.index).write_to(&mut text, options).ok()?;
        Some(text)
    }

    /// The entries, sorted by path.
    pub(super) fn entries(&self, doing: &str) -> Result<Vec<Tracked<'_>>, Error> {
        match &self.source {
            IndexContent::Native(index) => index
                .entries()
                .iter()
                .map(|entry| native(index, entry).ok_or_else(|| unknown_mode(doing, entry)))
                .collect(),
            IndexContent::Listing(listing) => records(listing)
                .map(|record| listed(record).ok_or_else(|| unreadable(doing, record)))
                .collect(),
        }
    }
}

/// The marks that git obeys. In a sparse checkout, git 2.37 and later ignores skip-worktree for
/// paths that exist.
pub(super) fn obeyed(git: &Git, doing: &str) -> Result<BTreeMap<RepoPath, Hiding>, Error> {
    let listing = git.output(doing, &["ls-files", "-v", "-z", "--full-name", "--", ":/"])?;
    let marked = records(&listing).filter_map(|record| match record {
        [tag, b' ', path @ ..] => Some((RepoPath::new(path), hiding(*tag)?)),
        _ => None,
    });
    Ok(marked.collect())
}

/// The tag of git-ls-files(1): `S` is skip-worktree, lower case is assume-unchanged.
fn hiding(tag: u8) -> Option<Hiding> {
    match tag {
        b'S' | b's' => Some(Hiding::SkipWorktree),
        tag => tag.is_ascii_lowercase().then_some(Hiding::AssumeUnchanged),
    }
}

/// The paths of the repository, and its hash if it is known here.
pub(super) fn paths(git: &Git, doing: &str) -> Result<(GitPaths, Option<gix::hash::Kind>), Error> {
    const ALL: [&str; 7] = [
        "rev-parse",
        "--show-object-format",
        "--path-format=absolute",
        "--absolute-git-dir",
        "--git-common-dir",
        "--git-path",
        "index",
    ];
    let answer = git.run(doing, &ALL)?;
    let lines: Vec<&[u8]> = answer.stdout.split(|&byte| byte == b'\n').collect();
    // A path with a line feed makes more lines; git before 2.31 prints options it does not know.
    if answer.status.success()
        && let [format, git_dir, common, index, b""] = lines[..]
        && [git_dir, common, index].iter().all(|path| path.starts_with(b"/"))
    {
        let hash = match format {
            b"sha1" => Some(gix::hash::Kind::Sha1),
            b"sha256" => Some(gix::hash::Kind::Sha256),
            _ => None,
        };
        let [git, common, index] = [git_dir, common, index].map(|path| parse_path(path.to_vec()));
        return Ok((GitPaths { index, git, common }, hash));
    }
    let git_dir = git.path(doing, &["rev-parse", "--absolute-git-dir"])?;
    let common = git.path(doing, &["rev-parse", "--git-common-dir"])?;
    let index = git.path(doing, &["rev-parse", "--git-path", "index"])?;
    Ok((GitPaths { index, git: git_dir, common }, None))
}

fn unknown_mode(doing: &str, entry: &gix::index::Entry) -> Error {
    Error::new(doing, format!("the index has an entry of mode {:o}", entry.mode.bits()))
        .help("run `git fsck`")
}

fn native<'a>(index: &'a gix::index::File, entry: &'a gix::index::Entry) -> Option<Tracked<'a>> {
    let about = &entry.stat;
    let stat = Stat {
        mtime: (about.mtime.secs, about.mtime.nsecs),
        ctime: (about.ctime.secs, about.ctime.nsecs),
        ino: about.ino,
        owner: (about.uid, about.gid),
        size: about.size,
    };
    // Git writes size 0 for a file that changed when the index was written, to compare it again.
    let is_racy = about.size == 0 && !entry.id.is_empty_blob() && !entry.mode.is_submodule();
    let known = entry.stage() == Stage::Unconflicted
        && !entry.flags.contains(Flags::INTENT_TO_ADD)
        && !is_racy;
    let hiding = if entry.flags.contains(Flags::SKIP_WORKTREE) {
        Some(Hiding::SkipWorktree)
    } else {
        entry.flags.contains(Flags::ASSUME_VALID).then_some(Hiding::AssumeUnchanged)
    };
    let bits = entry.mode.bits();
    Some(Tracked {
        path: entry.path(index),
        mode: Mode::from_bits(bits)?,
        executable: bits & 0o100 != 0,
        hiding,
        stat: known.then_some(stat),
    })
}

/// Parses `<tag> <mode> <id> <stage>\t<path>`.
fn listed(record: &[u8]) -> Option<Tracked<'_>> {
    let (tag, staged) = record.split_first()?;
    let item = parse_staged_record(staged.strip_prefix(b" ")?)?;
    let (mode, executable) = (Mode::from_bits(item.mode)?, item.mode & 0o100 != 0);
    Some(Tracked { path: item.path, mode, executable, hiding: hiding(*tag), stat: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::worktree::fuzz::of_bytes;

    #[test]
    fn records_of_a_listing_are_parsed() {
        let line = |tag: &str, mode: &str| format!("{tag} {mode} {} 0\ta b\tc", "a".repeat(40));
        let read = |record: &str| {
            listed(record.as_bytes())
                .map(|entry| (entry.path.to_vec(), entry.mode, entry.executable, entry.hiding))
        };
        let path = b"a b\tc".to_vec();
        for (record, expected) in [
            (line("H", "100644"), Some((path.clone(), Mode::File, false, None))),
            (line("M", "100755"), Some((path.clone(), Mode::File, true, None))),
            (
                line("h", "120000"),
                Some((path.clone(), Mode::Symlink, false, Some(Hiding::AssumeUnchanged))),
            ),
            (
                line("S", "160000"),
                Some((path.clone(), Mode::Submodule, false, Some(Hiding::SkipWorktree))),
            ),
            (
                line("s", "100644"),
                Some((path.clone(), Mode::File, false, Some(Hiding::SkipWorktree))),
            ),
            (line("H", "040000"), None),
            ("H 100644".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(read(&record), expected, "{record}");
        }
    }

    #[test]
    fn a_subset_is_a_complete_index() {
        let hash = gix::hash::Kind::Sha1;
        let mut all = gix::index::State::new(hash);
        for path in ["a", "b"] {
            let (stat, id) = (gix::index::entry::Stat::default(), hash.empty_blob());
            let mode = gix::index::entry::Mode::FILE;
            all.dangerously_push_entry(
                stat,
                id,
                Flags::SKIP_WORKTREE,
                mode,
                path.as_bytes().as_bstr(),
            );
        }
        let file = gix::index::File::from_state(all, "index");
        let index = WorkTreeIndex {
            source: IndexContent::Native(Box::new(file)),
            paths: GitPaths::default(),
        };
        assert!(index.subset([RepoPath::from("c")].iter()).is_none());
        let written = index.subset([RepoPath::from("b")].iter()).unwrap();
        // It ends in a checksum.
        assert!(of_bytes(&written[..written.len() - 20], hash).is_none());
        let some = of_bytes(&written, hash).unwrap();
        let entries = some.entries("read").unwrap();
        assert_eq!((entries.len(), entries[0].path, entries[0].hiding), (1, &b"b"[..], None));
    }
}
