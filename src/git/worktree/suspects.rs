//! What git says of everything that may be not clean: asked about that alone where that is certain to give the same
//! answer, else about the whole tree.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use tempfile::TempDir;

use crate::error::Error;
use crate::git::command::{Git, failed, records, text, unreadable};
use crate::git::worktree::DOING;
use crate::git::worktree::around::Around;
use crate::git::worktree::entries::Index;
use crate::git::worktree::status::{self, Record, Status};
use crate::git::worktree::walk::Seen;
use crate::path::RepoPath;

/// The most paths, and the most bytes of them, that git is asked about by name: it holds each of them against every entry of
/// the index, and a command line has an end.
const NAMED: usize = 256;
const NAMED_BYTES: usize = 64 * 1024;

/// What is not clean, in git's words.
pub fn judge(
    git: &Git,
    top: &Path,
    index: &Index,
    around: &Around,
    seen: &Seen,
) -> Result<BTreeMap<RepoPath, Record>, Error> {
    let settings = Settings::read(git)?;
    // A file system that keeps no executable bits gives all files alike; there, and only there, git is right not to look.
    let believed = settings.file_mode || seen.executable == (true, true);
    let mut arguments: Vec<OsString> = Vec::new();
    if believed {
        arguments.extend(["-c", "core.fileMode=true"].map(OsString::from));
    }
    arguments.extend(status::ARGUMENTS.map(OsString::from));
    let changed = seen.hidden.iter().filter(|(_, _, changed)| *changed).map(|(path, ..)| path);
    let hidden: Vec<&RepoPath> = changed.collect();
    if let Some(suspects) = suspects(git, top, index, around, seen, (&settings, believed, &hidden))? {
        if suspects.is_empty() {
            return Ok(BTreeMap::new());
        }
        arguments.push("--".into());
        arguments.extend(suspects.iter().map(|path| {
            let path = path.as_bytes().strip_suffix(b"/").unwrap_or(path.as_bytes());
            OsString::from_vec([b":(top,literal)", path].concat())
        }));
    }
    let shown = if hidden.is_empty() { None } else { Some(Unhidden::make(git, top, index, &hidden)?) };
    let answer = shown.as_ref().map_or(git, |shown| &shown.git).output(DOING, &arguments)?;
    Ok(Status::parse(&answer).map_err(|part| unreadable(DOING, part))?.records)
}

/// The settings that decide how git compares names and modes.
struct Settings {
    file_mode: bool,
    /// Whether names that differ in their bytes may mean one file.
    folds_names: bool,
}

impl Settings {
    fn read(git: &Git) -> Result<Self, Error> {
        let wanted = r"^core\.(filemode|ignorecase|precomposeunicode)$";
        let answer = git.query(DOING, &["config", "--type=bool", "--get-regexp", wanted])?.unwrap_or_default();
        let mut settings = Self { file_mode: true, folds_names: false };
        let mut folding = [false; 2];
        for line in text(&answer).lines() {
            match line.split_once(' ') {
                // The last one counts.
                Some(("core.filemode", value)) => settings.file_mode = value == "true",
                Some(("core.ignorecase", value)) => folding[0] = value == "true",
                Some(("core.precomposeunicode", value)) => folding[1] = value == "true",
                _ => return Err(unreadable(DOING, line.as_bytes())),
            }
        }
        settings.folds_names = folding.contains(&true);
        Ok(settings)
    }
}

/// The paths that are to be asked about; `None` for all of them.
fn suspects<'a>(
    git: &Git,
    top: &Path,
    index: &Index,
    around: &Around,
    seen: &'a Seen,
    (settings, believed, hidden): (&Settings, bool, &[&'a RepoPath]),
) -> Result<Option<Vec<RepoPath>>, Error> {
    if !index.remembers() {
        return Ok(None);
    }
    let mut suspects: Vec<RepoPath> = seen.doubtful.iter().chain(hidden.iter().copied()).cloned().collect();
    if believed {
        suspects.extend(seen.flipped.iter().cloned());
    }
    suspects.extend(not_ignored(git, top, &seen.untracked)?);
    match &around.tree {
        Some(tree) if index.tree().as_ref() == Some(tree) => {}
        Some(tree) => {
            let arguments = ["diff-index", "--cached", "--name-only", "-z", "--no-renames", "--no-relative"];
            let arguments = [&arguments[..], &["--ignore-submodules=none", tree, "--"]].concat();
            suspects.extend(records(&git.output(DOING, &arguments)?).map(RepoPath::new));
        }
        // Before the first commit everything in the index is staged.
        None if index.entries(DOING)?.is_empty() => {}
        None => return Ok(None),
    }
    let bytes: usize = suspects.iter().map(|path| path.as_bytes().len()).sum();
    let few = suspects.len() <= NAMED && bytes <= NAMED_BYTES;
    Ok((suspects.is_empty() || (few && !settings.folds_names)).then_some(suspects))
}

/// Those of these untracked paths that git does not ignore as a whole.
fn not_ignored(git: &Git, top: &Path, untracked: &[RepoPath]) -> Result<Vec<RepoPath>, Error> {
    if untracked.is_empty() {
        return Ok(Vec::new());
    }
    // The index is not asked: it has none of these.
    let arguments = ["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"];
    let (output, whole) = git.feed(DOING, &arguments, &absolute(top, untracked.iter()))?;
    if !whole || !matches!(output.code, Some(0 | 1)) {
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
        if !answered.ends_with(path.as_bytes()) {
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
    let place = |path: &RepoPath| top.join(OsStr::from_bytes(path.as_bytes())).into_os_string().into_vec();
    paths.flat_map(|path| [place(path), vec![0]].concat()).collect()
}

/// A copy of the index in which nothing is hidden from git, so that git itself tells what it would have told.
struct Unhidden {
    git: Git,
    _directory: TempDir,
}

impl Unhidden {
    fn make(git: &Git, top: &Path, index: &Index, hidden: &[&RepoPath]) -> Result<Self, Error> {
        let doing = "look at what git was told not to look at";
        let failed = |error: std::io::Error| Error::new(doing, error);
        let directory = tempfile::Builder::new().prefix("bakstop-").tempdir().map_err(|error| {
            Error::new("make a temporary directory", error).help("make room in it, or set TMPDIR to one that works")
        })?;
        let copy = directory.path().join("index");
        fs::copy(index.file(), &copy).map_err(failed)?;
        // By this time git tells which files may have changed unseen.
        let written = fs::metadata(index.file()).and_then(|about| about.modified()).map_err(failed)?;
        let file = File::options().write(true).open(&copy).map_err(failed)?;
        file.set_times(FileTimes::new().set_modified(written)).map_err(failed)?;
        let git = git.with(&[("GIT_INDEX_FILE".to_owned(), copy.into())]);
        let paths = absolute(top, hidden.iter().copied());
        // One run takes one of the two off.
        for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
            let settings = ["-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", "core.fsmonitor="];
            let arguments =
                [&settings[..], &["-c", "core.untrackedCache=false", "update-index", flag, "-z", "--stdin"]];
            git.fed(doing, &arguments.concat(), &paths)?;
        }
        Ok(Self { git, _directory: directory })
    }
}
