//! Asks git for the status of every path that may be unclean: of these suspects alone if that
//! certainly gives the same result, else of the whole tree.
//!
//! The suspects alone take less than half the time where few files of many changed. They are asked
//! about in parts: staged changes with `diff-index`; changes on disk with `diff-files` over a
//! temporary index that contains only the suspects, unmarked; untracked paths from the walk, less
//! those that `check-ignore` names; submodules and conflicts by name, with `git status`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink};
use crate::disk::scratch::{Scratch, keeps_modes};
use crate::git::listing::{RAW, RawChange, empty_tree, parse_changes, staged_changes};
use crate::git::process::{Git, failed, literal, records, text, unreadable, without_slash};
use crate::git::worktree::entries::WorkTreeIndex;
use crate::git::worktree::state::RepositoryState;
use crate::git::worktree::status::{self, OVERRIDES, Records, StatusRecord, merge, parse_record};
use crate::git::worktree::walk::{Marked, Seen};
use crate::snapshot::State;

/// Completes "could not …".
pub(super) const DOING: &str = "read the state of the work tree";

/// The maximum number of paths that git is given as pathspecs: it compares each with every entry of
/// the index (measured: a millisecond for each with 100,000 entries).
const MAX_PATHSPECS: usize = 16;

/// If one file in so many is a suspect, `git status` of the whole tree takes less time (measured
/// with 100,000).
const SHARE: usize = 4;

/// The state of a work tree before git is asked.
pub(super) struct Suspects<'a> {
    pub git: &'a Git,
    pub top: &'a Path,
    pub index: &'a WorkTreeIndex,
    pub state: &'a RepositoryState,
    pub seen: &'a Seen,
    pub settings: &'a Settings,
}

/// The settings that decide how git compares names and modes.
pub(super) struct Settings {
    file_mode: bool,
    /// Whether names that differ in their bytes may name the same file.
    folds_names: bool,
    /// Whether the checkout is sparse.
    pub sparse: bool,
}

impl Settings {
    /// Asks git; the last value of each setting counts.
    pub(super) fn read(git: &Git) -> Result<Self, Error> {
        let wanted = r"^core\.(filemode|ignorecase|precomposeunicode|sparsecheckout)$";
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
            folds_names: is("core.ignorecase", false) || is("core.precomposeunicode", false),
            sparse: is("core.sparsecheckout", false),
        })
    }
}

impl<'a> Suspects<'a> {
    /// The records of all unclean paths.
    pub(super) fn records(&self) -> Result<Records, Error> {
        let settings = self.settings;
        // `core.fileMode=false` is right only for a file system that keeps no executable bits: all
        // files have the same ones there.
        let file_mode = settings.file_mode
            || self.seen.executable == (true, true)
            || (self.seen.modes_differ && self.index.paths.index.parent().is_some_and(keeps_modes));
        if self.index.has_metadata() && !settings.folds_names {
            if let Some(records) = self.suspects_alone(file_mode)? {
                return Ok(records);
            }
        } else if self.is_clean() {
            return Ok(Records::new());
        }
        let hidden = self.changed_hidden();
        if hidden.is_empty() {
            return status_of(self.git, &[], file_mode, &[]);
        }
        let (_scratch, git) = self.unmarked(&hidden)?;
        status_of(&git, &ONE_FILE, file_mode, &[])
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
    fn suspects_alone(&self, file_mode: bool) -> Result<Option<Records>, Error> {
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
        if file_mode {
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
        let Some(unstaged) = self.unstaged(&files, file_mode)? else { return Ok(None) };
        let mut records = match &special[..] {
            [] => Records::new(),
            paths => status_of(self.git, &[], file_mode, paths)?,
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
            git.output_with_input(DOING, &[&ONE_FILE[..], &OVERRIDES, &command].concat(), &paths)?;
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
        file_mode: bool,
    ) -> Result<Option<BTreeMap<RepoPath, RawChange>>, Error> {
        if files.is_empty() {
            return Ok(Some(BTreeMap::new()));
        }
        let Some(index) = self.index.subset(files.iter().copied()) else { return Ok(None) };
        let (scratch, git) =
            temporary_index(self.git, EPOCH, &mut |file| std::io::Write::write_all(file, &index))?;
        let mode = if file_mode { "core.fileMode=true" } else { "core.fileMode=false" };
        let settings = [&ONE_FILE[..], &OVERRIDES, &["-c", mode]].concat();
        // Exit code 1 means that a file differs, which the next command reports.
        let refreshed =
            git.run(DOING, &[&settings[..], &["update-index", "-q", "--refresh"]].concat())?;
        if !matches!(refreshed.status.code(), Some(0 | 1)) {
            return Err(failed(DOING, &refreshed));
        }
        let answer =
            git.output(DOING, &[&settings[..], &["diff-files"], &RAW, &["--"]].concat())?;
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
            let mut arguments: Vec<OsString> =
                OVERRIDES.iter().chain(&listing).map(OsString::from).collect();
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
}

/// `git status` of these paths, or of everything.
fn status_of(
    git: &Git,
    settings: &[&str],
    file_mode: bool,
    paths: &[&RepoPath],
) -> Result<Records, Error> {
    let mode = file_mode.then_some(["-c", "core.fileMode=true"]);
    let mut arguments: Vec<OsString> = settings
        .iter()
        .chain(mode.iter().flatten())
        .chain(&OVERRIDES)
        .map(OsString::from)
        .collect();
    arguments.extend(status::ARGUMENTS.map(OsString::from));
    arguments.push("--".into());
    arguments.extend(paths.iter().map(|path| literal(path)));
    let answer = git.output(DOING, &arguments)?;
    status::parse(&answer).map_err(|part| unreadable(DOING, part))
}

/// Settings for a temporary index: git must neither split it nor make it sparse.
const ONE_FILE: [&str; 4] = ["-c", "core.splitIndex=false", "-c", "index.sparse=false"];

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
fn not_ignored(git: &Git, top: &Path, untracked: &[RepoPath]) -> Result<Vec<RepoPath>, Error> {
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
    let git = git.with(&[("GIT_INDEX_FILE".to_owned(), place.into())]);
    Ok((scratch, git))
}
