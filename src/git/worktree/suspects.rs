//! Asks git for the status of every path that may be unclean: of these suspects alone if that
//! certainly gives the same result, else of the whole tree.
//!
//! The suspects alone take less than half the time where few files of many changed. They are asked
//! about in parts: staged changes with `diff-index`; changes on disk with `diff-files` over a
//! temporary index that contains only the suspects, unmarked; untracked paths from the walk, less
//! those that `check-ignore` names; submodules and conflicts by name, with `git status`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::disk::scratch::{Scratch, keeps_links, keeps_modes};
use crate::git::listing::{RAW, RawChange, empty_tree, parse_changes, staged_changes};
use crate::git::process::{Git, failed, literal, records, text, unreadable, without_slash};
use crate::git::worktree::entries::WorkTreeIndex;
use crate::git::worktree::fingerprint::Hasher;
use crate::git::worktree::nested;
use crate::git::worktree::state::RepositoryState;
use crate::git::worktree::status::{self, Records, StatusRecord, merge, parse_record};
use crate::git::worktree::walk::{Marked, Seen};
use crate::snapshot::{Fingerprint, Hiding, State};

/// Completes "could not …".
pub(super) const DOING: &str = "read the state of the work tree";

/// Notes of files that decide what git lists, and that it does not list themselves.
const IGNORED_RULES: &str = "ignore rules that are ignored themselves";
const IGNORED_ATTRIBUTES: &str = "attributes that are ignored themselves";

/// The maximum number of paths that git is given as pathspecs: it compares each with every entry of
/// the index (measured: a millisecond for each with 100,000 entries).
const MAX_PATHSPECS: usize = 16;

/// If one file in so many is a suspect, `git status` of the whole tree takes less time (measured
/// with 100,000).
const SHARE: usize = 4;

/// Overrides of settings that make git read less of the file system, or list less: the cache of
/// untracked files, a comparison without ctime, which misses a file that was changed and given its
/// old size and time, and, in submodules, hidden untracked files.
const OVERRIDES: [&str; 4] = [
    "core.untrackedCache=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "status.showUntrackedFiles=all",
];

/// The state of a work tree before git is asked.
pub(super) struct Suspects<'a> {
    /// With [`Settings::overrides`].
    pub git: &'a Git,
    pub top: &'a Path,
    pub index: &'a WorkTreeIndex,
    pub state: &'a RepositoryState,
    pub seen: &'a Seen,
    pub settings: &'a Settings,
    /// Whether git may look into submodules.
    pub enters_submodules: bool,
}

/// The settings that decide how git compares names and types.
#[allow(clippy::struct_excessive_bools, reason = "each is a setting")]
pub(super) struct Settings {
    file_mode: bool,
    symlinks: bool,
    ignore_case: bool,
    precompose_unicode: bool,
    /// Whether the checkout is sparse.
    pub sparse: bool,
}

impl Settings {
    /// Asks git; the last value of each setting counts.
    pub(super) fn read(git: &Git) -> Result<Self, Error> {
        let wanted = r"^core\.(filemode|symlinks|ignorecase|precomposeunicode|sparsecheckout)$";
        let answer = git
            .query(DOING, &["config", "--type=bool", "--get-regexp", wanted])?
            .unwrap_or_default();
        let answer = text(&answer);
        let mut values = HashMap::new();
        for line in answer.lines() {
            let setting = line.split_once(' ');
            let (name, value) = setting.ok_or_else(|| unreadable(DOING, line.as_bytes()))?;
            values.insert(name, value == "true");
        }
        let is = |name: &str, default: bool| values.get(name).copied().unwrap_or(default);
        Ok(Self {
            file_mode: is("core.filemode", true),
            symlinks: is("core.symlinks", true),
            ignore_case: is("core.ignorecase", false),
            precompose_unicode: is("core.precomposeunicode", false),
            sparse: is("core.sparsecheckout", false),
        })
    }

    /// Corrects wrong settings: `core.fileMode=false` is right only if this file system keeps no
    /// executable bits (all files have the same ones there), `core.symlinks=false` if it keeps
    /// no links, `core.ignoreCase=true` if names that differ in case name the same file.
    pub(super) fn correct(&mut self, top: &Path, index: &WorkTreeIndex, seen: &Seen) {
        let directory = index.paths.index.parent();
        self.file_mode = self.file_mode
            || seen.executable == (true, true)
            || (seen.modes_differ && directory.is_some_and(keeps_modes));
        self.symlinks = self.symlinks || (seen.links_differ && directory.is_some_and(keeps_links));
        self.ignore_case = self.ignore_case && folds_case(top, &index.paths.git);
    }

    /// The settings to overrule.
    pub(super) fn overrides(&self) -> Vec<&'static str> {
        let corrected = [
            self.file_mode.then_some("core.fileMode=true"),
            self.symlinks.then_some("core.symlinks=true"),
            (!self.ignore_case).then_some("core.ignoreCase=false"),
        ];
        OVERRIDES.into_iter().chain(corrected.into_iter().flatten()).collect()
    }
}

/// Whether the file system finds a file by a name in another case. Such a name that is listed is
/// another file.
fn folds_case(top: &Path, git: &Path) -> bool {
    let (directory, name) = if top.join(".git").exists() { (top, ".gIT") } else { (git, "hEAD") };
    let other = directory.join(name);
    other.symlink_metadata().is_ok()
        && read::list(directory).is_ok_and(|listed| !listed.contains(&other))
}

impl<'a> Suspects<'a> {
    /// The records of all unclean paths.
    pub(super) fn records(&self) -> Result<Records, Error> {
        let settings = self.settings;
        let folds_names = settings.ignore_case || settings.precompose_unicode;
        if self.index.has_metadata() && !folds_names {
            if let Some(records) = self.suspects_alone()? {
                return Ok(records);
            }
        } else if self.is_clean() {
            return Ok(Records::new());
        }
        let hidden = self.changed_hidden();
        if hidden.is_empty() {
            return self.status_of(self.git, &[]);
        }
        let (_scratch, git) = self.unmarked(&hidden)?;
        self.status_of(&git, &[])
    }

    /// Whether the walk saw no path that git might call unclean.
    fn is_clean(&self) -> bool {
        let Seen { doubtful, special, flipped, untracked, .. } = self.seen;
        let clean = [doubtful, special, flipped, untracked].iter().all(|list| list.is_empty());
        clean && self.is_index_committed() && self.changed_hidden().is_empty()
    }

    /// Whether the cache-tree of the index proves that it equals HEAD.
    fn is_index_committed(&self) -> bool {
        self.state.tree.is_some() && self.index.tree() == self.state.tree
    }

    /// The hidden paths that may differ from the index.
    fn changed_hidden(&self) -> Vec<&'a RepoPath> {
        self.seen.hidden.iter().filter(|marked| marked.changed).map(|marked| &marked.path).collect()
    }

    /// The records of the suspects alone; `None` if git must compare the whole tree.
    fn suspects_alone(&self) -> Result<Option<Records>, Error> {
        // `git status` reads a skipped .gitignore from the index, `git check-ignore` does not.
        let needs_all = |marked: &Marked| {
            let is_skipped_rules = !marked.exists && marked.path.file_name() == b".gitignore";
            is_skipped_rules || (marked.changed && marked.special)
        };
        if self.seen.hidden.iter().any(needs_all) {
            return Ok(None);
        }
        let hidden = self.changed_hidden();
        let mut files: Vec<&RepoPath> = self.seen.doubtful.iter().chain(hidden).collect();
        if self.settings.file_mode {
            files.extend(&self.seen.flipped);
        }
        if files.len() * SHARE > self.index.len().max(MAX_PATHSPECS) {
            return Ok(None);
        }
        let mut special: Vec<&RepoPath> = self.seen.special.iter().collect();
        let staged = self.staged()?;
        special
            .extend(staged.iter().filter(|(_, change)| is_special(change)).map(|(path, _)| path));
        if special.len() > MAX_PATHSPECS || special.iter().any(|path| files.contains(path)) {
            return Ok(None);
        }
        let Some(unstaged) = self.unstaged(&files)? else { return Ok(None) };
        let mut records = match &special[..] {
            [] => Records::new(),
            paths => self.status_of(self.git, paths)?,
        };
        let paths = staged.keys().chain(unstaged.keys().filter(|path| !staged.contains_key(path)));
        for path in paths.filter(|path| !special.contains(path)) {
            let record = status_record(path, staged.get(path), unstaged.get(path));
            let (path, record) = parse_record(&record).ok_or_else(|| unreadable(DOING, &record))?;
            merge(&mut records, path, record);
        }
        for path in self.untracked()? {
            merge(&mut records, path, StatusRecord::of(State::Untracked, None));
        }
        Ok(Some(records))
    }

    /// A git with a copy of the index in which these paths are not hidden.
    fn unmarked(&self, hidden: &[&RepoPath]) -> Result<(Scratch, Git), Error> {
        let (scratch, git) = temporary_index(self.git, self.index.written(), &mut |copy| {
            let (mut index, _) = read::open(&self.index.paths.index, FinalLink::Follow)?;
            std::io::copy(&mut index, copy).map(drop)
        })?;
        let paths = path_lines(self.top, hidden.iter().copied());
        // One run removes only one of the two marks.
        for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
            let command = ["update-index", flag, "-z", "--stdin"];
            git.output_with_input(DOING, &command, &paths)?;
        }
        Ok((scratch, git))
    }

    /// The changes between HEAD and the index.
    fn staged(&self) -> Result<BTreeMap<RepoPath, RawChange>, Error> {
        if self.is_index_committed() {
            return Ok(BTreeMap::new());
        }
        // Before the first commit, everything in the index is staged.
        let tree = match &self.state.tree {
            Some(tree) => tree.to_string(),
            None => empty_tree(self.git, DOING)?,
        };
        Ok(by_path(staged_changes(self.git, DOING, &tree)?))
    }

    /// The changes between the index and these files; `None` if the index cannot be cut down to
    /// them.
    fn unstaged(
        &self,
        files: &[&RepoPath],
    ) -> Result<Option<BTreeMap<RepoPath, RawChange>>, Error> {
        if files.is_empty() {
            return Ok(Some(BTreeMap::new()));
        }
        let Some(index) = self.index.subset(files.iter().copied()) else { return Ok(None) };
        let (scratch, git) =
            temporary_index(self.git, EPOCH, &mut |file| std::io::Write::write_all(file, &index))?;
        // Exit code 1 means that a file differs, which the next command reports.
        let refreshed = git.run(DOING, &["update-index", "-q", "--refresh"])?;
        if !matches!(refreshed.status.code(), Some(0 | 1)) {
            return Err(failed(DOING, &refreshed));
        }
        let answer = git.output(DOING, &[&["diff-files"], &RAW[..], &["--"]].concat())?;
        drop(scratch);
        Ok(Some(by_path(parse_changes(DOING, &answer)?)))
    }

    /// The files that are neither tracked nor ignored.
    fn untracked(&self) -> Result<Vec<RepoPath>, Error> {
        let rest = not_ignored(self.git, self.top, &self.seen.untracked)?;
        let is_directory =
            |path: &RepoPath| path.as_bytes().ends_with(b"/") && !self.seen.nested.contains(path);
        let (directories, mut files): (Vec<RepoPath>, Vec<RepoPath>) =
            rest.into_iter().partition(is_directory);
        if !directories.is_empty() {
            let listing = ["ls-files", "--others", "--exclude-standard", "-z", "--full-name", "--"];
            let mut arguments: Vec<OsString> = listing.map(OsString::from).into();
            if directories.len() > MAX_PATHSPECS {
                arguments.push(":/".into());
            } else {
                arguments.extend(directories.iter().map(literal));
            }
            let listing = self.git.output(DOING, &arguments)?;
            // They are sorted, and none is inside another: only the last one before a path can
            // contain it.
            let below = |path: &RepoPath| {
                let before = directories.partition_point(|directory| directory <= path);
                before > 0 && path.as_bytes().starts_with(directories[before - 1].as_bytes())
            };
            files.extend(records(&listing).map(RepoPath::new).filter(below));
        }
        Ok(files)
    }

    /// Adds FIFOs, sockets and devices that are not ignored. Git never lists them.
    pub(super) fn add_irregular(&self, records: &mut Records) -> Result<(), Error> {
        let paths: Vec<RepoPath> =
            self.seen.irregular.iter().map(|(path, _)| path.clone()).collect();
        let shown = not_ignored(self.git, self.top, &paths)?;
        for (path, noun) in &self.seen.irregular {
            if shown.binary_search(path).is_ok() {
                let words = noun.as_bytes().to_vec();
                let record =
                    StatusRecord { words, ..StatusRecord::of(State::Untracked, Some(noun)) };
                merge(records, path.clone(), record);
            }
        }
        Ok(())
    }

    /// Adds files of ignore rules and attributes that git reads, but does not list since it ignores
    /// them, as with a rule `*`. Rules in a directory that is ignored as a whole are not read.
    pub(super) fn add_rules(&self, records: &mut Records) -> Result<(), Error> {
        let listed = not_ignored(self.git, self.top, &self.seen.rules)?;
        let is_ignore_file = |path: &RepoPath| path.file_name() == b".gitignore";
        let mut hidden = self.seen.rules.clone();
        hidden.retain(|path| listed.binary_search(path).is_err());
        let directories: Vec<RepoPath> = hidden
            .iter()
            .filter(|path| is_ignore_file(path) && !path.parent().is_empty())
            .map(|path| RepoPath::new(path.parent()))
            .collect();
        let read = not_ignored(self.git, self.top, &directories)?;
        hidden.retain(|path| {
            let directory = RepoPath::new(path.parent());
            !directories.contains(&directory) || read.contains(&directory) || !is_ignore_file(path)
        });
        for path in hidden {
            let mut hasher = Hasher::new();
            let place = self.top.join(OsStr::from_bytes(path.as_bytes()));
            let hash = hasher.path(&place).and_then(|_| hasher.finish());
            let Fingerprint(hash) =
                hash.map_err(|error| nested::unreadable(path.as_bytes(), &error))?;
            let note = if is_ignore_file(&path) { IGNORED_RULES } else { IGNORED_ATTRIBUTES };
            let record = StatusRecord::of(State::Hidden, Some(note));
            merge(records, path, StatusRecord { words: hash.to_vec(), ..record });
        }
        Ok(())
    }

    /// `git status` of these paths, or of everything.
    fn status_of(&self, git: &Git, paths: &[&RepoPath]) -> Result<Records, Error> {
        let mut arguments: Vec<OsString> = status::ARGUMENTS.map(OsString::from).into();
        let ignored = if self.enters_submodules { "none" } else { "dirty" };
        arguments.extend([format!("--ignore-submodules={ignored}").into(), "--".into()]);
        arguments.extend(paths.iter().map(|path| literal(path)));
        let answer = git.output(DOING, &arguments)?;
        status::parse(&answer).map_err(|part| unreadable(DOING, part))
    }
}

/// The missing paths that a sparse checkout includes; none with git before 2.41, which does not
/// say. `rules` is the file of its rules.
pub(super) fn included(git: &Git, rules: &Path, hidden: &[Marked]) -> BTreeSet<RepoPath> {
    let missing = |marked: &&Marked| !marked.exists && marked.hiding == Hiding::SkipWorktree;
    let missing: BTreeSet<RepoPath> =
        hidden.iter().filter(missing).map(|marked| marked.path.clone()).collect();
    if missing.is_empty() || !rules.exists() {
        return missing;
    }
    let paths: Vec<u8> =
        missing.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
    let command = ["sparse-checkout", "check-rules", "-z"];
    match git.run_with_input(DOING, &command, &paths) {
        Ok(output) if output.status.success() => {
            records(&output.stdout).map(RepoPath::new).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Settings for a temporary index: git must neither split it nor make it sparse, nor run the hook
/// for a changed index.
const ONE_FILE: [&str; 3] =
    ["core.splitIndex=false", "index.sparse=false", "core.hooksPath=/dev/null"];

/// The changes by path. Git lists an unmerged path twice; the first says that it is unmerged.
fn by_path(changes: Vec<(RepoPath, RawChange)>) -> BTreeMap<RepoPath, RawChange> {
    let mut by_path = BTreeMap::new();
    for (path, change) in changes {
        by_path.entry(path).or_insert(change);
    }
    by_path
}

/// Whether a change is one of a submodule or a conflict.
fn is_special(change: &RawChange) -> bool {
    change.letter == b'U' || [change.old_mode, change.new_mode].contains(&0o160_000)
}

/// Both changes of a path as `git status --porcelain=v2` prints them: a fingerprint must not depend
/// on the command that git was asked with.
fn status_record(
    path: &RepoPath,
    staged: Option<&RawChange>,
    unstaged: Option<&RawChange>,
) -> Vec<u8> {
    let letter =
        |change: Option<&RawChange>| change.map_or('.', |change| char::from(change.letter));
    let (head, index) = match (staged, unstaged) {
        (Some(change), _) => ((change.old_mode, change.old), (change.new_mode, change.new)),
        (None, Some(change)) => ((change.old_mode, change.old), (change.old_mode, change.old)),
        (None, None) => return Vec::new(),
    };
    let tree_mode = unstaged.map_or(index.0, |change| change.new_mode);
    let (x, y) = (letter(staged), letter(unstaged));
    let modes = format!("{:06o} {:06o} {tree_mode:06o}", head.0, index.0);
    let words = format!("1 {x}{y} N... {modes} {} {} ", head.1, index.1);
    [words.as_bytes(), path.as_bytes()].concat()
}

/// Those of the untracked paths that git does not ignore as a whole.
pub(super) fn not_ignored(
    git: &Git,
    top: &Path,
    untracked: &[RepoPath],
) -> Result<Vec<RepoPath>, Error> {
    if untracked.is_empty() {
        return Ok(Vec::new());
    }
    // The index has none of these.
    let arguments = ["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"];
    let output = git.run_with_input(DOING, &arguments, &path_lines(top, untracked.iter()))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(failed(DOING, &output));
    }
    // The file, the line and the pattern that decided, then the path.
    let mut fields = output.stdout.split(|&byte| byte == 0);
    let mut rest = Vec::new();
    for path in untracked {
        let (Some(_), Some(_), Some(pattern), Some(answered)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(unreadable(DOING, b"a path is missing"));
        };
        if !answered.ends_with(without_slash(path.as_bytes())) {
            return Err(unreadable(DOING, answered));
        }
        // A pattern with `!` includes a path again.
        if pattern.is_empty() || pattern.starts_with(b"!") {
            rest.push(path.clone());
        }
    }
    Ok(rest)
}

/// Paths for git's standard input, where relative ones start at the working directory.
fn path_lines<'a>(top: &Path, paths: impl Iterator<Item = &'a RepoPath>) -> Vec<u8> {
    let place = |path: &RepoPath| {
        top.join(OsStr::from_bytes(without_slash(path.as_bytes()))).into_os_string().into_vec()
    };
    paths.flat_map(|path| [place(path), vec![0]].concat()).collect()
}

/// The time of an index that is older than all its files: git then reads each of them. They are
/// few, and the walk may have compared more of their metadata than git does.
const EPOCH: (i64, u32) = (1, 0);

/// A git that uses another index, in a temporary directory.
fn temporary_index(
    git: &Git,
    (seconds, nanoseconds): (i64, u32),
    write: &mut dyn FnMut(&mut File) -> std::io::Result<()>,
) -> Result<(Scratch, Git), Error> {
    let failed = |error: std::io::Error| {
        Error::new("write into the temporary directory", error)
            .help("free space in it, or set TMPDIR to another directory")
    };
    let scratch = Scratch::new().map_err(failed)?;
    let (place, mut file) = scratch.make_file("index").map_err(failed)?;
    write(&mut file).map_err(failed)?;
    // Git reads files that are not older than the index.
    let written = u64::try_from(seconds).unwrap_or_default();
    let written = SystemTime::UNIX_EPOCH + Duration::new(written, nanoseconds);
    file.set_times(FileTimes::new().set_modified(written)).map_err(failed)?;
    let git = git.with(&[("GIT_INDEX_FILE".to_owned(), place.into())]).with_settings(&ONE_FILE);
    Ok((scratch, git))
}
