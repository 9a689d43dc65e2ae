//! What the index tracks, as far as the walk over the work tree needs it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::index::entry::{Flags, Stage};

use crate::base::change::Mode;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::git::listing::parse_staged_record;
use crate::git::process::{Git, one_line, records, unreadable};
use crate::snapshot::Hiding;

/// The index of a work tree, read by the cheapest way that is certain.
pub(super) struct Index {
    pub source: IndexContent,
    pub place: GitPaths,
}

/// Where a work tree has what is its own, and what it shares with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GitPaths {
    /// The index.
    pub index: PathBuf,
    /// The directory of this work tree: HEAD, and what is in progress.
    pub own: PathBuf,
    /// The directory that all work trees share: refs and the configuration.
    pub shared: PathBuf,
}

pub(super) enum IndexContent {
    /// Read here, with what the index remembers of each file on disk.
    Native(Box<gix::index::File>),
    /// `git ls-files --stage -v -z`: for what gix does not read, such as a sparse index.
    Listing(Vec<u8>),
}

/// One path of the index. A path in conflict is there once for each of its stages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracked<'a> {
    /// From the top of the work tree.
    pub path: &'a [u8],
    /// What is to stand there.
    pub mode: Mode,
    /// Whether it is to be executable.
    pub executable: bool,
    /// What git was told in order that it does not look.
    pub hiding: Option<Hiding>,
    /// What the file on disk looked like when it was known to have this content; `None` if that is
    /// not known, or if the entry is in conflict or only announced. (Of a submodule it says
    /// nothing.)
    pub stat: Option<Stat>,
}

/// What a file system says of a file, cut to the 32 bits that the index keeps of each number
/// (gitformat-index(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Seconds and nanoseconds of the last change of its content.
    pub mtime: (u32, u32),
    /// Seconds and nanoseconds of the last change of anything about it.
    pub ctime: (u32, u32),
    /// The number of its inode.
    pub ino: u32,
    /// Its owner and group.
    pub owner: (u32, u32),
    /// Its size in bytes.
    pub size: u32,
}

impl Tracked<'_> {
    /// Whether git has more to say of it than whether its content differs.
    pub(super) fn is_odd(&self) -> bool {
        self.stat.is_none() || self.mode == Mode::Submodule
    }
}

impl Index {
    /// Reads the index that git would use.
    pub(super) fn read(git: &Git, doing: &str) -> Result<Self, Error> {
        let (place, hash) = place(git, doing)?;
        let file = &place.index;
        // Without checksums, a git of today loses what an index in two files has in the other one.
        let lost = |hash: &gix::hash::Kind| {
            file.with_file_name(format!("sharedindex.{}", hash.null())).exists()
        };
        let native = hash.filter(|hash| !lost(hash)).and_then(|hash| {
            let options = gix::index::decode::Options::default();
            // Like git, do not spend the time to verify the checksum: a parse that is not exact
            // fails anyway.
            gix::index::File::at(file, hash, true, options).ok().filter(|index| !index.is_sparse())
        });
        let source = match native {
            Some(index) => IndexContent::Native(Box::new(index)),
            // No index, or one that gix refuses: git says which.
            None => {
                let arguments = ["ls-files", "--stage", "-v", "-z", "--full-name", "--", ":/"];
                IndexContent::Listing(git.output(doing, &arguments)?)
            }
        };
        Ok(Self { source, place })
    }

    /// Whether the entries tell what the files on disk looked like.
    pub(super) fn remembers(&self) -> bool {
        matches!(self.source, IndexContent::Native(_))
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        match &self.source {
            IndexContent::Native(index) => index.entries().len(),
            IndexContent::Listing(listing) => records(listing).count(),
        }
    }

    /// The index as a file.
    pub(super) fn file(&self) -> &Path {
        &self.place.index
    }

    /// Where it is, with what belongs to it.
    pub(super) fn place(&self) -> &GitPaths {
        &self.place
    }

    /// The id of the tree that the index would write, in hexadecimal, where it knows that without
    /// looking.
    pub(super) fn tree(&self) -> Option<String> {
        let IndexContent::Native(index) = &self.source else { return None };
        let root = index.tree()?;
        (root.num_entries? as usize == index.entries().len()).then(|| root.id.to_string())
    }

    /// When it was written, in seconds and nanoseconds: what changed since may look as it looked
    /// before.
    pub(super) fn written(&self) -> (i64, u32) {
        match &self.source {
            IndexContent::Native(index) => {
                (index.timestamp().unix_seconds(), index.timestamp().nanoseconds())
            }
            IndexContent::Listing(_) => self.place.index.metadata().map_or((0, 0), |about| {
                (about.mtime(), u32::try_from(about.mtime_nsec()).unwrap_or(0))
            }),
        }
    }

    /// An index of these entries alone, in which nothing is hidden from git; `None` where one of
    /// them is not known here.
    pub(super) fn of<'a>(&self, paths: impl Iterator<Item = &'a RepoPath>) -> Option<Vec<u8>> {
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
        // The state alone would be written without the checksum that ends an index.
        gix::index::File::from_state(some, self.file()).write_to(&mut text, options).ok()?;
        Some(text)
    }

    /// Its entries, in the order of their paths.
    pub(super) fn entries(&self, doing: &str) -> Result<Vec<Tracked<'_>>, Error> {
        match &self.source {
            IndexContent::Native(index) => index
                .entries()
                .iter()
                .map(|entry| native(index, entry).ok_or_else(|| strange(doing, entry)))
                .collect(),
            IndexContent::Listing(listing) => records(listing)
                .map(|record| listed(record).ok_or_else(|| unreadable(doing, record)))
                .collect(),
        }
    }
}

/// The marks that git obeys: where a checkout is sparse, git 2.37 and later does not skip what is
/// there all the same.
pub(super) fn obeyed(git: &Git, doing: &str) -> Result<BTreeMap<RepoPath, Hiding>, Error> {
    let listing = git.output(doing, &["ls-files", "-v", "-z", "--full-name", "--", ":/"])?;
    let marked = records(&listing).filter_map(|record| match record {
        [tag, b' ', path @ ..] => Some((RepoPath::new(path), hiding(*tag)?)),
        _ => None,
    });
    Ok(marked.collect())
}

/// The letter of git-ls-files(1): `S` for skip-worktree, a small one for assume-unchanged.
fn hiding(tag: u8) -> Option<Hiding> {
    match tag {
        b'S' | b's' => Some(Hiding::SkipWorktree),
        tag => tag.is_ascii_lowercase().then_some(Hiding::AssumeUnchanged),
    }
}

/// Where the index is, and the hash of its entries, if that is one that is known here.
fn place(git: &Git, doing: &str) -> Result<(GitPaths, Option<gix::hash::Kind>), Error> {
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
    // Paths with a line feed make more lines; an older git repeats what it does not know.
    if answer.code == Some(0)
        && let [format, own, shared, index, b""] = lines[..]
        && [own, shared, index].iter().all(|path| path.starts_with(b"/"))
    {
        let hash = match format {
            b"sha1" => Some(gix::hash::Kind::Sha1),
            b"sha256" => Some(gix::hash::Kind::Sha256),
            _ => None,
        };
        let [own, shared, index] = [own, shared, index].map(|path| one_line(path.to_vec()));
        return Ok((GitPaths { index, own, shared }, hash));
    }
    let ask = |arguments: &[&str]| -> Result<PathBuf, Error> {
        Ok(git
            .directory()
            .join(one_line(git.output(doing, &[&["rev-parse"], arguments].concat())?)))
    };
    let (own, shared) = (ask(&["--absolute-git-dir"])?, ask(&["--git-common-dir"])?);
    Ok((GitPaths { index: ask(&["--git-path", "index"])?, own, shared }, None))
}

fn strange(doing: &str, entry: &gix::index::Entry) -> Error {
    Error::new(doing, format!("the index has an entry of mode {:o}", entry.mode.bits()))
        .help("see what `git fsck` says here")
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
    // An entry that was written within the tick of its file's clock has no size, so that git looks
    // again.
    let smudged = about.size == 0 && !entry.id.is_empty_blob() && !entry.mode.is_submodule();
    let known = entry.stage() == Stage::Unconflicted
        && !entry.flags.contains(Flags::INTENT_TO_ADD)
        && !smudged;
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

/// `H 100644 <id> <stage>\t<path>`: the letter is `S` for skip-worktree, and small for
/// assume-unchanged (git-ls-files(1)).
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
    fn a_listing_is_read_to_the_byte() {
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
    fn an_index_of_some_entries_is_whole() {
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
        let index =
            Index { source: IndexContent::Native(Box::new(file)), place: GitPaths::default() };
        assert!(index.of([RepoPath::from("c")].iter()).is_none());
        let written = index.of([RepoPath::from("b")].iter()).unwrap();
        // Without its checksum, it is none.
        assert!(of_bytes(&written[..written.len() - 20], hash).is_none());
        let some = of_bytes(&written, hash).unwrap();
        let entries = some.entries("read").unwrap();
        assert_eq!((entries.len(), entries[0].path, entries[0].hiding), (1, &b"b"[..], None));
    }
}
