//! What git says of everything that may be not clean. Where that is certain to give the same
//! answer, git is asked about the suspects alone, else about the whole tree.
//!
//! The pieces: the index against HEAD is one tree against another; the files against the index is
//! asked over an index that holds the suspects alone, and hides nothing; what is not tracked is
//! told as it was seen, less what git ignores. Whatever is neither a file nor a link is asked about
//! by name.

use std::collections::BTreeMap;
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
use crate::git::worktree::entries::Index;
use crate::git::worktree::state::RepositoryState;
use crate::git::worktree::status::{self, DOUBT, Records, StatusRecord, merge, parse_record};
use crate::git::worktree::walk::{Marked, Seen};
use crate::snapshot::State;

/// What is done here; completes "could not …".
pub(super) const DOING: &str = "read the state of the work tree";

/// The most paths that git is asked about by name: it holds each of them against every entry of the
/// index (measured: a millisecond for each in 100,000).
const NAMED: usize = 16;

/// Where one file in so many has to be looked at again, git looks at all of them in less time
/// (measured with 100,000).
const MOST: usize = 4;

/// Everything that decides what may be unclean.
pub(super) struct Suspects<'a> {
    pub git: &'a Git,
    pub top: &'a Path,
    pub index: &'a Index,
    pub state: &'a RepositoryState,
    pub seen: &'a Seen,
    pub settings: &'a Settings,
}

/// The settings that decide how git compares names and modes.
pub(super) struct Settings {
    file_mode: bool,
    /// Whether names that differ in their bytes may mean one file.
    folds_names: bool,
    /// Whether the checkout is sparse.
    pub sparse: bool,
}

impl Settings {
    /// Reads them.
    pub(super) fn read(git: &Git) -> Result<Self, Error> {
        let wanted = r"^core\.(filemode|ignorecase|precomposeunicode|sparsecheckout)$";
        let answer = git
            .query(DOING, &["config", "--type=bool", "--get-regexp", wanted])?
            .unwrap_or_default();
        let mut settings = Self { file_mode: true, folds_names: false, sparse: false };
        let mut folding = [false; 2];
        for line in text(&answer).lines() {
            match line.split_once(' ') {
                // The last one counts.
                Some(("core.filemode", value)) => settings.file_mode = value == "true",
                Some(("core.ignorecase", value)) => folding[0] = value == "true",
                Some(("core.precomposeunicode", value)) => folding[1] = value == "true",
                Some(("core.sparsecheckout", value)) => settings.sparse = value == "true",
                _ => return Err(unreadable(DOING, line.as_bytes())),
            }
        }
        settings.folds_names = folding.contains(&true);
        Ok(settings)
    }
}

impl<'a> Suspects<'a> {
    /// What is not clean, in git's words.
    pub(super) fn judge(&self) -> Result<Records, Error> {
        let settings = self.settings;
        // A file system that keeps no executable bits gives all files alike; there, and only there,
        // git is right not to look.
        let believed = settings.file_mode
            || self.seen.executable == (true, true)
            || (self.seen.modes_differ && self.index.file().parent().is_some_and(keeps_modes));
        if self.index.remembers() && !settings.folds_names {
            if let Some(records) = self.pieces(believed)? {
                return Ok(records);
            }
        } else if self.is_clean() {
            return Ok(Records::new());
        }
        let changed = self.changed_in_hiding();
        let shown = match &changed[..] {
            [] => None,
            paths => Some(Unhidden::make(self.git, self.top, self.index, paths)?),
        };
        let settings = if shown.is_some() { &ALONE[..] } else { &[] };
        status_of(shown.as_ref().map_or(self.git, |shown| &shown.git), settings, believed, &[])
    }

    /// Whether nothing was seen that git might call unclean.
    fn is_clean(&self) -> bool {
        let Seen { doubtful, odd, flipped, untracked, .. } = self.seen;
        let same_tree = self.state.tree.is_some() && self.index.tree() == self.state.tree;
        let clean = [doubtful, odd, flipped, untracked].iter().all(|list| list.is_empty());
        same_tree && clean && self.changed_in_hiding().is_empty()
    }

    fn changed_in_hiding(&self) -> Vec<&'a RepoPath> {
        self.seen.hidden.iter().filter(|marked| marked.changed).map(|marked| &marked.path).collect()
    }

    /// The same, piece by piece; nothing where there is something that must be asked about as a
    /// whole.
    fn pieces(&self, believed: bool) -> Result<Option<Records>, Error> {
        // Of a file that is skipped git takes the ignore rules from the index, and `git
        // check-ignore` does not.
        let skips_rules =
            |marked: &Marked| !marked.there && marked.path.file_name() == b".gitignore";
        if self
            .seen
            .hidden
            .iter()
            .any(|marked| skips_rules(marked) || (marked.changed && marked.odd))
        {
            return Ok(None);
        }
        let hidden = self.changed_in_hiding();
        let mut files: Vec<&RepoPath> = self.seen.doubtful.iter().chain(hidden).collect();
        if believed {
            files.extend(&self.seen.flipped);
        }
        if files.len() * MOST > self.index.len().max(NAMED) {
            return Ok(None);
        }
        let mut odd: Vec<&RepoPath> = self.seen.odd.iter().collect();
        let staged = self.staged()?;
        odd.extend(staged.iter().filter(|(_, change)| needs_git(change)).map(|(path, _)| path));
        if odd.len() > NAMED || odd.iter().any(|path| files.contains(path)) {
            return Ok(None);
        }
        let Some(unstaged) = self.unstaged(&files, believed)? else { return Ok(None) };
        let mut records =
            if odd.is_empty() { Records::new() } else { status_of(self.git, &[], believed, &odd)? };
        let paths = staged.keys().chain(unstaged.keys().filter(|path| !staged.contains_key(path)));
        for path in paths.filter(|path| !odd.contains(path)) {
            let line = in_one_line(path, staged.get(path), unstaged.get(path));
            let (path, record) = parse_record(&line).ok_or_else(|| unreadable(DOING, &line))?;
            merge(&mut records, path, record);
        }
        for path in self.not_tracked()? {
            merge(&mut records, path, StatusRecord::of(State::Untracked, None));
        }
        Ok(Some(records))
    }

    /// The index against HEAD. Where the index knows the tree that it would write, nothing else has
    /// to be read.
    fn staged(&self) -> Result<BTreeMap<RepoPath, RawChange>, Error> {
        if self.state.tree.is_some() && self.index.tree() == self.state.tree {
            return Ok(BTreeMap::new());
        }
        // Before the first commit, everything in the index is staged.
        let tree = match &self.state.tree {
            Some(tree) => tree.clone(),
            None => empty_tree(self.git, DOING)?,
        };
        Ok(by_path(staged_changes(self.git, DOING, &tree)?))
    }

    /// These files against the index; nothing where the index cannot be cut down to them.
    fn unstaged(
        &self,
        files: &[&RepoPath],
        believed: bool,
    ) -> Result<Option<BTreeMap<RepoPath, RawChange>>, Error> {
        if files.is_empty() {
            return Ok(Some(BTreeMap::new()));
        }
        let Some(index) = self.index.of(files.iter().copied()) else { return Ok(None) };
        let (scratch, git) = temporary_index(self.git, BEFORE_ALL_FILES, &mut |file| {
            std::io::Write::write_all(file, &index)
        })?;
        let mode = if believed { "core.fileMode=true" } else { "core.fileMode=false" };
        let settings = [&ALONE[..], &DOUBT, &["-c", mode]].concat();
        // It ends with 1 where something is to be told, which the next command does.
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

    /// What is neither tracked nor ignored, file by file.
    fn not_tracked(&self) -> Result<Vec<RepoPath>, Error> {
        let rest = not_ignored(self.git, self.top, &self.seen.untracked)?;
        let is_directory =
            |path: &RepoPath| path.as_bytes().ends_with(b"/") && !self.seen.nested.contains(path);
        let (directories, mut files): (Vec<RepoPath>, Vec<RepoPath>) =
            rest.into_iter().partition(is_directory);
        if !directories.is_empty() {
            let listing = ["ls-files", "--others", "--exclude-standard", "-z", "--full-name", "--"];
            let mut arguments: Vec<OsString> =
                DOUBT.iter().chain(&listing).map(OsString::from).collect();
            if directories.len() > NAMED {
                arguments.push(":/".into());
            } else {
                arguments.extend(directories.iter().map(literal));
            }
            let listing = self.git.output(DOING, &arguments)?;
            // None of them lies in another, and they are sorted: the last one before a path is the
            // only one it can lie in.
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
    believed: bool,
    paths: &[&RepoPath],
) -> Result<Records, Error> {
    let mode = believed.then_some(["-c", "core.fileMode=true"]);
    let mut arguments: Vec<OsString> =
        settings.iter().chain(mode.iter().flatten()).chain(&DOUBT).map(OsString::from).collect();
    arguments.extend(status::ARGUMENTS.map(OsString::from));
    arguments.push("--".into());
    arguments.extend(paths.iter().map(|path| literal(path)));
    let answer = git.output(DOING, &arguments)?;
    status::parse(&answer).map_err(|part| unreadable(DOING, part))
}

/// Settings under which git would write beside an index, overruled.
const ALONE: [&str; 4] = ["-c", "core.splitIndex=false", "-c", "index.sparse=false"];
/// The changes by path. Git lists an unmerged path twice: first that it is.
fn by_path(changes: Vec<(RepoPath, RawChange)>) -> BTreeMap<RepoPath, RawChange> {
    let mut by_path = BTreeMap::new();
    for (path, change) in changes {
        by_path.entry(path).or_insert(change);
    }
    by_path
}

/// Whether git has more to say of a change than that the content differs.
fn needs_git(change: &RawChange) -> bool {
    change.letter == b'U' || [change.old_mode, change.new_mode].contains(&0o160_000)
}

/// Both changes of a path as a record of `git status`, in its porcelain format 2.
fn in_one_line(
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

/// Those of these untracked paths that git does not ignore as a whole.
fn not_ignored(git: &Git, top: &Path, untracked: &[RepoPath]) -> Result<Vec<RepoPath>, Error> {
    if untracked.is_empty() {
        return Ok(Vec::new());
    }
    // The index is not asked: it has none of these.
    let arguments = ["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"];
    let output = git.run_with_input(DOING, &arguments, &absolute(top, untracked.iter()))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(failed(DOING, &output));
    }
    // The file, the line and the pattern that decided, and the path.
    let mut fields = output.stdout.split(|&byte| byte == 0);
    let mut rest = Vec::new();
    for path in untracked {
        let (Some(_), Some(_), Some(pattern), Some(answered)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(unreadable(DOING, b"a path without an answer"));
        };
        if !answered.ends_with(without_slash(path.as_bytes())) {
            return Err(unreadable(DOING, answered));
        }
        // A pattern with `!` takes a path back in.
        if pattern.is_empty() || pattern.starts_with(b"!") {
            rest.push(path.clone());
        }
    }
    Ok(rest)
}

/// The same paths for git's standard input, which counts from where git was started.
fn absolute<'a>(top: &Path, paths: impl Iterator<Item = &'a RepoPath>) -> Vec<u8> {
    let place = |path: &RepoPath| {
        top.join(OsStr::from_bytes(without_slash(path.as_bytes()))).into_os_string().into_vec()
    };
    paths.flat_map(|path| [place(path), vec![0]].concat()).collect()
}

/// When an index is written before all files, each of them may have changed unseen, and git reads
/// it: the suspects are few, and what raised the suspicion may be finer than what git compares.
const BEFORE_ALL_FILES: (i64, u32) = (1, 0);

/// Another index, in a directory that goes away, and git as it takes that for its own.
fn temporary_index(
    git: &Git,
    (seconds, nanoseconds): (i64, u32),
    write: &mut dyn FnMut(&mut File) -> std::io::Result<()>,
) -> Result<(Scratch, Git), Error> {
    let help = "make room in it, or set TMPDIR to one that works";
    let failed =
        |error: std::io::Error| Error::new("write into the temporary directory", error).help(help);
    let scratch = Scratch::new()
        .map_err(|error| Error::new("make a temporary directory", error).help(help))?;
    let (place, mut file) = scratch.make_file("index").map_err(failed)?;
    write(&mut file).map_err(failed)?;
    // By this git tells which files may have changed unseen.
    let written = u64::try_from(seconds).unwrap_or_default();
    let written = SystemTime::UNIX_EPOCH + Duration::new(written, nanoseconds);
    file.set_times(FileTimes::new().set_modified(written)).map_err(failed)?;
    let git = git.with(&[("GIT_INDEX_FILE".to_owned(), place.into())]);
    Ok((scratch, git))
}

/// A copy of the index in which nothing is hidden from git, so that git itself tells what it would
/// have told.
struct Unhidden {
    git: Git,
    _scratch: Scratch,
}

impl Unhidden {
    fn make(git: &Git, top: &Path, index: &Index, hidden: &[&RepoPath]) -> Result<Self, Error> {
        let doing = "look at what git was told not to look at";
        let (scratch, git) = temporary_index(git, index.written(), &mut |copy| {
            std::io::copy(&mut read::open(index.file(), FinalLink::Follow)?.0, copy)?;
            Ok(())
        })?;
        let paths = absolute(top, hidden.iter().copied());
        // One run takes one of the two off.
        for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
            git.output_with_input(
                doing,
                &[&ALONE[..], &DOUBT, &["update-index", flag, "-z", "--stdin"]].concat(),
                &paths,
            )?;
        }
        Ok(Self { git, _scratch: scratch })
    }
}
