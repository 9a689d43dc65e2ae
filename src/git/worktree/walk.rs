//! Walks over the work tree: compares each tracked file with its index entry by metadata, and
//! collects untracked paths and ignored leftovers.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::Scope;
use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType, OFlags, openat, statat};
use rustix::io::Errno;

use crate::base::change::Mode;
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read;
use crate::git::endless::{IN_EACH_DIRECTORY, refused};
use crate::git::worktree::entries::{Stat, Tracked};
use crate::git::worktree::nested::{is_repository, unreadable};
use crate::os::progress::Progress;
use crate::snapshot::Hiding;

/// The result of a walk. Untracked directories end in a slash.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Tracked paths that may differ from the index.
    pub doubtful: Vec<RepoPath>,
    /// Submodules, conflicts and entries of `git add -N` that may differ.
    pub special: Vec<RepoPath>,
    /// Tracked paths that differ from the index in the executable bit only.
    pub flipped: Vec<RepoPath>,
    /// Tracked paths that are hidden from git by a mark.
    pub hidden: Vec<Marked>,
    /// Submodules that are checked out.
    pub submodules: Vec<RepoPath>,
    /// Non-empty directories without a repository at the path of a submodule.
    pub stuffed: Vec<RepoPath>,
    /// Untracked files, links and directories, ignored or not; no paths inside of such directories.
    pub untracked: Vec<RepoPath>,
    /// The untracked directories that are repositories.
    pub nested: BTreeSet<RepoPath>,
    /// Untracked leftovers, ignored or not.
    pub debris: Vec<RepoPath>,
    /// Whether an executable file was seen, and whether another file was.
    pub executable: (bool, bool),
    /// Whether a file differs from the index in its executable bit.
    pub modes_differ: bool,
    /// Whether a file has the place of a link.
    pub links_differ: bool,
    /// Untracked FIFOs, sockets and devices, ignored or not.
    pub irregular: Vec<(RepoPath, &'static str)>,
    /// Untracked files of ignore rules and attributes that git may read, ignored or not.
    pub rules: Vec<RepoPath>,
}

/// A tracked path that is hidden from git by a mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Marked {
    pub path: RepoPath,
    pub hiding: Hiding,
    /// Whether the path exists.
    pub exists: bool,
    /// Whether it may differ from the index. A missing path that a sparse checkout skips does not.
    pub changed: bool,
    /// Whether it is a submodule, a conflict or an entry of `git add -N`.
    pub special: bool,
}

impl Marked {
    fn of(entry: &Tracked<'_>, hiding: Hiding, exists: bool, changed: bool) -> Self {
        Self {
            path: RepoPath::new(entry.path),
            hiding,
            exists,
            changed,
            special: entry.needs_git(),
        }
    }
}

/// How a path on disk compares with its index entry, by metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    /// The content is the same, and the executable bit differs.
    Flipped,
    /// The content may differ, or the type does.
    Differs,
}

/// The maximum number of threads; more would wait for the file system.
const THREADS: usize = 8;
const ENTRIES_PER_THREAD: usize = 2000;

/// Walks over all directories below `top`.
///
/// Does not follow symbolic links or enter `.git` and nested repositories; in `node_modules`, looks
/// at tracked paths only. Fails for a directory that cannot be read: its content is unknown.
///
/// `written` is the time of the index: a file that is not older may have changed without a trace in
/// its metadata (git's technical/racy-git). `sparse`: whether the checkout is sparse.
pub(super) fn walk(
    top: &Path,
    (entries, written): (&[Tracked<'_>], (i64, u32)),
    sparse: bool,
    debris: &Debris,
    progress: Progress,
) -> Result<Seen, Error> {
    let walk = Walk {
        top,
        entries,
        written,
        sparse,
        debris,
        seen: Mutex::default(),
        failed: OnceLock::new(),
        progress: Mutex::new(progress),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (entries.len() / ENTRIES_PER_THREAD).clamp(1, processors.min(THREADS));
    let all = PendingDirectory {
        path: Vec::new(),
        entries: 0..entries.len(),
        reported: false,
        foreign: false,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::new("start threads", error))?;
    pool.in_place_scope(|scope| walk.enter(scope, &all));
    if let Some(error) = walk.failed.into_inner() {
        return Err(error);
    }
    let mut seen = walk.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    for list in [
        &mut seen.doubtful,
        &mut seen.special,
        &mut seen.flipped,
        &mut seen.untracked,
        &mut seen.debris,
        &mut seen.rules,
    ] {
        list.sort_unstable();
        // An unmerged path has an entry for each of its stages.
        list.dedup();
    }
    seen.hidden.sort_unstable();
    seen.irregular.sort_unstable();
    Ok(seen)
}

struct Walk<'a> {
    top: &'a Path,
    entries: &'a [Tracked<'a>],
    written: (i64, u32),
    sparse: bool,
    debris: &'a Debris,
    seen: Mutex<Seen>,
    failed: OnceLock<Error>,
    progress: Mutex<Progress>,
}

/// A directory to visit.
struct PendingDirectory {
    /// With a trailing slash; empty for the top.
    path: Vec<u8>,
    /// The index entries in it, at any depth.
    entries: Range<usize>,
    /// Whether it is in an untracked directory, which is reported as a whole.
    reported: bool,
    /// Whether it is in `node_modules`, where leftovers belong to packages.
    foreign: bool,
}

/// An entry of a directory.
struct DiskEntry {
    entry: DirEntry,
    kind: FileType,
    tracked: bool,
}

impl DiskEntry {
    fn name(&self) -> &CStr {
        self.entry.file_name()
    }
}

impl<'a> Walk<'a> {
    fn enter<'s>(&'s self, scope: &Scope<'s>, directory: &PendingDirectory)
    where
        'a: 's,
    {
        if self.failed.get().is_some() {
            return;
        }
        let count = directory.entries.len();
        match self.look(directory) {
            Ok((found, inner)) => {
                let deeper: usize = inner.iter().map(|directory| directory.entries.len()).sum();
                found.merge_into(&self.seen);
                self.progress
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .advance(count - deeper);
                for directory in inner {
                    scope.spawn(move |scope| self.enter(scope, &directory));
                }
            }
            // Only one of several errors is reported.
            Err(error) => _ = self.failed.set(error),
        }
    }

    /// Compares the entries of a directory; returns the result, and the directories to visit next.
    fn look(&self, directory: &PendingDirectory) -> Result<(Seen, Vec<PendingDirectory>), Error> {
        let (mut seen, mut inner) = (Seen::default(), Vec::new());
        let place = self.place(&directory.path);
        let Some((dir, mut names)) = list(&place, &directory.path)? else {
            // It was removed meanwhile.
            self.missing(directory.entries.clone(), &mut seen);
            return Ok((seen, inner));
        };
        self.check_read_by_git(&directory.path, &names)?;
        let (mut at, mut next) = (directory.entries.start, 0);
        while at < directory.entries.end {
            let entry = &self.entries[at];
            let name = &entry.path[directory.path.len()..];
            let Some(slash) = name.iter().position(|&byte| byte == b'/') else {
                match find(&mut names, &mut next, name) {
                    Some(found) => self.tracked(entry, &dir, found, &mut seen)?,
                    None => self.missing(at..at + 1, &mut seen),
                }
                at += 1;
                continue;
            };
            let path = entry.path[..=directory.path.len() + slash].to_vec();
            let rest = &self.entries[at..directory.entries.end];
            let below = at..at + rest.partition_point(|entry| entry.path.starts_with(&path));
            at = below.end;
            match find(&mut names, &mut next, &name[..slash]) {
                Some(found) if found.kind == FileType::Directory => {
                    found.tracked = true;
                    let foreign = directory.foreign || &name[..slash] == b"node_modules";
                    inner.push(PendingDirectory { path, entries: below, reported: false, foreign });
                }
                _ => self.missing(below, &mut seen),
            }
        }
        for name in names.into_iter().filter(|name| !name.tracked) {
            self.untracked(directory, &place, &name, &mut seen, &mut inner)?;
        }
        Ok((seen, inner))
    }

    /// Fails if a file that git reads in each directory would block it.
    fn check_read_by_git(&self, directory: &[u8], names: &[DiskEntry]) -> Result<(), Error> {
        let is_special =
            |name: &&DiskEntry| !matches!(name.kind, FileType::RegularFile | FileType::Directory);
        for name in names.iter().filter(is_special).map(|name| name.name().to_bytes()) {
            let is_read = IN_EACH_DIRECTORY.iter().any(|read| name == read.as_bytes());
            let path = [directory, name].concat();
            if let Some(noun) = is_read.then(|| read::endless(&self.place(&path))).flatten() {
                return Err(refused(Path::new(OsStr::from_bytes(&path)), noun));
            }
        }
        Ok(())
    }

    /// Index entries that are not on disk.
    fn missing(&self, entries: Range<usize>, seen: &mut Seen) {
        for entry in &self.entries[entries] {
            match entry.hiding {
                None => seen.doubt(entry),
                Some(hiding) => {
                    let changed = hiding == Hiding::AssumeUnchanged || !self.sparse;
                    seen.hidden.push(Marked::of(entry, hiding, false, changed));
                }
            }
        }
    }

    /// Compares an index entry with the path on disk.
    fn tracked(
        &self,
        entry: &Tracked<'_>,
        dir: &Dir,
        found: &mut DiskEntry,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let likeness = if found.kind == FileType::Directory {
            found.tracked = self.submodule(entry, seen)?;
            Likeness::Differs
        } else {
            found.tracked = true;
            match dir.fd().and_then(|fd| statat(fd, found.name(), AtFlags::SYMLINK_NOFOLLOW)) {
                Ok(about) => self.compare(entry, &about, seen),
                Err(Errno::NOENT) => {
                    // It was removed meanwhile.
                    seen.doubt(entry);
                    return Ok(());
                }
                Err(error) => return Err(unreadable(entry.path, &error.into())),
            }
        };
        seen.classify(entry, likeness);
        Ok(())
    }

    /// Looks at a directory at the path of an index entry; whether it is a submodule. Any other is
    /// visited like an untracked one.
    fn submodule(&self, entry: &Tracked<'_>, seen: &mut Seen) -> Result<bool, Error> {
        if entry.mode != Mode::Submodule {
            return Ok(false);
        }
        let place = self.place(entry.path);
        let is_checked_out = is_repository(&place);
        if is_checked_out {
            seen.submodules.push(RepoPath::new(entry.path));
        } else if list(&place, entry.path)?.is_some_and(|(_, names)| !names.is_empty()) {
            seen.stuffed.push(RepoPath::new(entry.path));
        }
        Ok(is_checked_out)
    }

    /// Compares a file or a link with its index entry.
    fn compare(&self, entry: &Tracked<'_>, about: &rustix::fs::Stat, seen: &mut Seen) -> Likeness {
        let mut flipped = false;
        match (entry.mode, FileType::from_raw_mode(about.st_mode)) {
            (Mode::File, FileType::RegularFile) => {
                let executable = about.st_mode & 0o100 != 0;
                flipped = executable != entry.executable;
                seen.modes_differ |= flipped;
                if executable { seen.executable.0 = true } else { seen.executable.1 = true }
            }
            (Mode::Symlink, FileType::Symlink) => {}
            (Mode::Symlink, FileType::RegularFile) => {
                seen.links_differ = true;
                return Likeness::Differs;
            }
            _ => return Likeness::Differs,
        }
        if !entry.stat.is_some_and(|known| self.proves_unchanged(known, stat_of(about))) {
            Likeness::Differs
        } else if flipped {
            Likeness::Flipped
        } else {
            Likeness::Same
        }
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Whether the metadata prove that the content equals that of the index.
    fn proves_unchanged(&self, known: Stat, now: Stat) -> bool {
        let (seconds, nanoseconds) = known.mtime;
        let (seconds, written) = (i64::from(seconds), self.written);
        // Without nanoseconds, the file may have changed at any time of that second.
        let older = seconds < written.0
            || (seconds == written.0 && nanoseconds > 0 && nanoseconds < written.1);
        older && known == now
    }

    fn untracked(
        &self,
        directory: &PendingDirectory,
        place: &Path,
        name: &DiskEntry,
        seen: &mut Seen,
        inner: &mut Vec<PendingDirectory>,
    ) -> Result<(), Error> {
        let bytes = name.name().to_bytes();
        if bytes == b".git" && (name.kind != FileType::Directory || is_repository(place)) {
            return Ok(());
        }
        let mut path = [&directory.path, bytes].concat();
        if name.kind != FileType::Directory {
            self.untracked_file(directory, RepoPath::new(path), name, seen);
            return Ok(());
        }
        path.push(b'/');
        // Git never reports `.git`.
        if !directory.reported && bytes != b".git" {
            seen.untracked.push(RepoPath::new(&*path));
        }
        let file = place.join(OsStr::from_bytes(bytes));
        if is_repository(&file) {
            self.nested(directory, RepoPath::new(path), seen);
        } else if directory.foreign || bytes == b"node_modules" {
            // Not searched, but git must be able to read it.
            let listed = list(&file, &path)?;
            let rules = IN_EACH_DIRECTORY[0].as_bytes();
            if listed
                .is_some_and(|(_, names)| names.iter().any(|name| name.name().to_bytes() == rules))
            {
                seen.rules.push(RepoPath::new([&path, rules].concat()));
            }
        } else {
            let foreign = directory.foreign;
            inner.push(PendingDirectory { path, entries: 0..0, reported: true, foreign });
        }
        Ok(())
    }

    /// Adds a repository inside this one to the lists that it belongs to.
    fn nested(&self, directory: &PendingDirectory, path: RepoPath, seen: &mut Seen) {
        if !directory.reported {
            seen.nested.insert(path.clone());
        }
        if !directory.foreign && self.debris.content_of(&path, Mode::Submodule).is_some() {
            seen.debris.push(path);
        }
    }

    /// Adds an untracked file that is not a directory to the lists that it belongs to.
    fn untracked_file(
        &self,
        directory: &PendingDirectory,
        path: RepoPath,
        name: &DiskEntry,
        seen: &mut Seen,
    ) {
        // Like a link, a pipe or a socket cannot be the file that keeps a directory.
        let mode = if name.kind == FileType::RegularFile { Mode::File } else { Mode::Symlink };
        if !directory.foreign
            && (self.debris.is_backup(&path) || self.debris.content_of(&path, mode).is_some())
        {
            seen.debris.push(path.clone());
        }
        match name.kind {
            FileType::RegularFile | FileType::Symlink => {
                // Attributes matter for tracked files only.
                let rules =
                    if directory.reported { &IN_EACH_DIRECTORY[..1] } else { &IN_EACH_DIRECTORY };
                if rules.iter().any(|rules| name.name().to_bytes() == rules.as_bytes()) {
                    seen.rules.push(path.clone());
                }
                if !directory.reported {
                    seen.untracked.push(path);
                }
            }
            _ if !directory.foreign => {
                let noun = read::endless(&self.place(path.as_bytes()));
                seen.irregular.extend(noun.map(|noun| (path, noun)));
            }
            _ => {}
        }
    }
}

impl Seen {
    /// Adds an entry whose path exists to the list that it belongs to.
    fn classify(&mut self, entry: &Tracked<'_>, likeness: Likeness) {
        match (entry.hiding, likeness) {
            (Some(hiding), _) => {
                let changed = likeness != Likeness::Same;
                self.hidden.push(Marked::of(entry, hiding, true, changed));
            }
            (None, Likeness::Differs) => self.doubt(entry),
            (None, Likeness::Flipped) => self.flipped.push(RepoPath::new(entry.path)),
            (None, Likeness::Same) => {}
        }
    }

    fn doubt(&mut self, entry: &Tracked<'_>) {
        if entry.needs_git() { &mut self.special } else { &mut self.doubtful }
            .push(RepoPath::new(entry.path));
    }

    /// Removes the marks that git ignores: it compares those paths itself.
    pub(super) fn unmark(&mut self, obeyed: &BTreeMap<RepoPath, Hiding>) {
        for marked in std::mem::take(&mut self.hidden) {
            if !marked.exists || marked.hiding != Hiding::SkipWorktree {
                self.hidden.push(marked);
            } else if let Some(&hiding) = obeyed.get(&marked.path) {
                self.hidden.push(Marked { hiding, ..marked });
            } else if marked.changed {
                if marked.special { &mut self.special } else { &mut self.doubtful }
                    .push(marked.path);
            }
        }
    }

    /// Marks paths as changed that are missing although a sparse checkout includes them.
    pub(super) fn miss(&mut self, included: &BTreeSet<RepoPath>) {
        for marked in &mut self.hidden {
            marked.changed |= !marked.exists && included.contains(&marked.path);
        }
    }

    fn merge_into(self, all: &Mutex<Self>) {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.doubtful.extend(self.doubtful);
        all.special.extend(self.special);
        all.nested.extend(self.nested);
        all.flipped.extend(self.flipped);
        all.hidden.extend(self.hidden);
        all.untracked.extend(self.untracked);
        all.submodules.extend(self.submodules);
        all.stuffed.extend(self.stuffed);
        all.debris.extend(self.debris);
        all.irregular.extend(self.irregular);
        all.rules.extend(self.rules);
        all.modes_differ |= self.modes_differ;
        all.links_differ |= self.links_differ;
        all.executable.0 |= self.executable.0;
        all.executable.1 |= self.executable.1;
    }
}

/// The entries of a directory, sorted by name; `None` if the directory does not exist.
fn list(place: &Path, path: &[u8]) -> Result<Option<(Dir, Vec<DiskEntry>)>, Error> {
    let failed = |error: Errno| unreadable(path, &error.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let open = if path.is_empty() { flags - OFlags::NOFOLLOW } else { flags };
    let mut dir = match openat(CWD, place, open, rustix::fs::Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        opened => Dir::new(opened.map_err(failed)?).map_err(failed)?,
    };
    let mut names = Vec::new();
    while let Some(entry) = dir.read() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system returns the type here.
            FileType::Unknown => match kind_of(&dir, name) {
                Err(Errno::NOENT) => continue,
                kind => kind.map_err(failed)?,
            },
            kind => kind,
        };
        names.push(DiskEntry { entry, kind, tracked: false });
    }
    names.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    Ok(Some((dir, names)))
}

fn kind_of(dir: &Dir, name: &CStr) -> Result<FileType, Errno> {
    let about = statat(dir.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(about.st_mode))
}

/// The entry of a name; `next` becomes the position after it. Usually this is the entry at `next`:
/// the index is sorted as well, except that its directories sort as if they ended in a slash.
fn find<'n>(
    names: &'n mut [DiskEntry],
    next: &mut usize,
    name: &[u8],
) -> Option<&'n mut DiskEntry> {
    let mut at = *next;
    if names.get(at).is_none_or(|known| known.name().to_bytes() != name) {
        at = names.binary_search_by(|known| known.name().to_bytes().cmp(name)).ok()?;
    }
    *next = at + 1;
    names.get_mut(at)
}

/// The metadata that the index keeps, truncated as git does it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "the index keeps 32 bits of each, and systems differ in their types"
)]
fn stat_of(about: &rustix::fs::Stat) -> Stat {
    Stat {
        mtime: (about.st_mtime as u32, about.st_mtime_nsec as u32),
        ctime: (about.st_ctime as u32, about.st_ctime_nsec as u32),
        ino: about.st_ino as u32,
        owner: (about.st_uid as u32, about.st_gid as u32),
        size: about.st_size as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_classified_by_mark_and_likeness() {
        let stat = Stat { mtime: (1, 1), ctime: (1, 1), ino: 1, owner: (0, 0), size: 1 };
        let entry = |hiding, stat| Tracked {
            path: b"a",
            mode: Mode::File,
            executable: false,
            hiding,
            stat,
        };
        let lists = |entry: &Tracked<'_>, likeness| {
            let mut seen = Seen::default();
            seen.classify(entry, likeness);
            let hidden: Vec<bool> = seen.hidden.iter().map(|marked| marked.changed).collect();
            (seen.doubtful.len(), seen.special.len(), seen.flipped.len(), hidden)
        };
        let (plain, special) = (entry(None, Some(stat)), entry(None, None));
        assert_eq!(lists(&plain, Likeness::Same), (0, 0, 0, vec![]));
        assert_eq!(lists(&plain, Likeness::Flipped), (0, 0, 1, vec![]));
        assert_eq!(lists(&plain, Likeness::Differs), (1, 0, 0, vec![]));
        assert_eq!(lists(&special, Likeness::Differs), (0, 1, 0, vec![]));
        let hidden = entry(Some(Hiding::SkipWorktree), Some(stat));
        for (likeness, changed) in
            [(Likeness::Same, false), (Likeness::Flipped, true), (Likeness::Differs, true)]
        {
            assert_eq!(lists(&hidden, likeness), (0, 0, 0, vec![changed]), "{likeness:?}");
        }
    }

    #[test]
    fn names_are_found_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let (_, mut names) = list(directory.path(), b"").unwrap().unwrap();
        let mut next = 0;
        for (name, exists) in [
            ("a", true),
            ("b", true),
            ("b", true),
            ("bb", false),
            ("a", true),
            ("c", true),
            ("d", false),
        ] {
            let found = find(&mut names, &mut next, name.as_bytes())
                .map(|found| found.name().to_bytes().to_vec());
            assert_eq!(found, exists.then(|| name.into()), "{name}");
        }
    }
}
