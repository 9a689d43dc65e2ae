//! The state of the work tree: unclean paths, ignored leftovers, and the repository around it.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::change::{Content, Mode, ObjectId};
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::atomic::{self, Bits, Old, WriteError};
use crate::disk::destination::is_in_git_directory;
use crate::disk::read::{self, FinalLink, ReadError};
use crate::git::endless;
use crate::git::private;
use crate::git::process::{Git, lines, literal, records, without_slash};
use crate::git::staging::blob;
use crate::os::progress::Progress;
use crate::snapshot::{Fingerprint, Hiding, PathStatus, Snapshot, State};

mod entries;
mod state;
mod fingerprint;
mod nested;
pub(crate) mod plain;
mod settings;
mod status;
mod walk;
mod suspects;
pub(crate) mod files;

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;

use entries::WorkTreeIndex;
use fingerprint::Hasher;
use state::RepositoryState;
pub(crate) use state::operations;
use status::{Records, StatusRecord, merge};
use suspects::{DOING, Settings, Suspects};
use walk::{Marked, Seen};

/// A work tree.
#[derive(Debug)]
pub(crate) struct WorkTree {
    git: Git,
    top: PathBuf,
    prefix: String,
    /// The user's configuration directory, `~/.config` by default: ignore rules and attributes.
    config_home: Option<PathBuf>,
    /// Without it, this is a directory of sources, and git answers nothing.
    has_git: bool,
}

/// How much of a snapshot is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The unclean paths.
    Paths,
    /// Fingerprints, settings and hooks as well, so that two snapshots can be compared.
    Contents,
    /// The same without what baselines of older versions do not have: hooks, some settings, rules
    /// that git ignores, FIFOs and sockets.
    Older,
}

/// Files at the top of the work tree that git reads for most commands.
const READ_BY_GIT: [&str; 3] = [".gitignore", ".gitattributes", ".gitmodules"];

impl WorkTree {
    /// The work tree that git would use in this directory.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let git = Git::new(directory);
        let top = git
            .path(DOING, &["rev-parse", "--show-toplevel"])
            .map_err(|error| error.or_help("run this in the work tree of a git repository"))?;
        // Git would block on a FIFO.
        for name in READ_BY_GIT {
            if let Some(noun) = read::endless(&top.join(name)) {
                return Err(endless::refused(Path::new(name), noun));
            }
        }
        let prefix = git.prefix_below(&top, DOING)?;
        // A build may change core.worktree meanwhile.
        let git = git.with(&[("GIT_WORK_TREE".to_owned(), top.clone().into_os_string())]);
        Ok(Self { git, top, prefix, config_home: None, has_git: true })
    }

    /// The sources below `top`, which are in no repository; `directory` is in them.
    pub(crate) fn without_git(top: PathBuf, directory: &Path) -> Self {
        let below = directory.strip_prefix(&top).unwrap_or(Path::new("")).to_string_lossy();
        let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
        Self { git: Git::new(directory), top, prefix, config_home: None, has_git: false }
    }

    /// Whether a repository has these files: an index, commits, and rules of what to ignore.
    pub(crate) fn has_git(&self) -> bool {
        self.has_git
    }

    /// Sets the value of `XDG_CONFIG_HOME`.
    #[must_use]
    pub(crate) fn with_config_home(self, config_home: Option<&OsStr>) -> Self {
        Self { config_home: config_home.filter(|home| !home.is_empty()).map(PathBuf::from), ..self }
    }

    /// The top directory.
    pub(crate) fn top(&self) -> &Path {
        &self.top
    }

    /// The path of the working directory from the top: empty, or with a trailing slash.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether git ignores all of these files, which need not exist.
    pub(crate) fn ignores(&self, paths: &[RepoPath]) -> Result<bool, Error> {
        let places = paths.iter().map(|path| self.place(path).into_os_string());
        let start = ["check-ignore", "--no-index", "--"].map(OsString::from);
        let arguments: Vec<OsString> = start.into_iter().chain(places).collect();
        let ignored = self.git.query("ask git which files it ignores", &arguments)?;
        Ok(ignored.is_some_and(|listed| lines(&listed).count() == paths.len()))
    }

    /// The tracked files in a directory.
    pub(crate) fn tracked_in(&self, directory: &RepoPath) -> Result<Vec<RepoPath>, Error> {
        let start = ["ls-files", "-z", "--full-name", "--"].map(OsString::from);
        let arguments = [&start[..], &[literal(directory)]].concat();
        let listing = self.git.output("list the files of the work tree", &arguments)?;
        Ok(records(&listing).map(RepoPath::new).collect())
    }

    /// The first of these files whose change git would not show, or that it is merging: with the
    /// cause, and what to do.
    pub(crate) fn obstacle_to_change(
        &self,
        paths: &[RepoPath],
    ) -> Result<Option<(RepoPath, &'static str, String)>, Error> {
        if !self.has_git {
            return Ok(None);
        }
        let start = ["ls-files", "-v", "-z", "--full-name", "--"].map(OsString::from);
        let arguments: Vec<OsString> = start.into_iter().chain(paths.iter().map(literal)).collect();
        let listing = self.git.output("list the files of the work tree", &arguments)?;
        for record in records(&listing) {
            let (Some(tag), Some(path)) = (record.first(), record.get(2..)) else { continue };
            let path = RepoPath::new(path);
            let (cause, option) = match tag {
                b'M' => {
                    let help = "end the merge first; `git status` shows how".to_owned();
                    return Ok(Some((path, "it has conflicts", help)));
                }
                b'S' | b's' => ("a mark hides its changes (skip-worktree)", "skip-worktree"),
                tag if tag.is_ascii_lowercase() => {
                    ("a mark hides its changes (assume-unchanged)", "assume-unchanged")
                }
                _ => continue,
            };
            let help = format!("git update-index --no-{option} {}", path.as_pathspec(false));
            return Ok(Some((path, cause, help)));
        }
        Ok(None)
    }

    /// The state of the whole tree, also from a subdirectory. `terminal`: whether to show progress.
    pub(crate) fn snapshot(
        &self,
        detail: Detail,
        debris: &Debris,
        terminal: bool,
    ) -> Result<Snapshot, Error> {
        let index = WorkTreeIndex::read(&self.git, DOING)?;
        let mut settings = Settings::read(&self.git)?;
        let state = state::read(&self.git, DOING, &index.paths)?;
        let seen = self.walk(&index, settings.sparse, debris, terminal)?;
        settings.correct(&self.top, &index, &seen);
        let mut snapshot = self.around(detail, &index.paths.common)?;
        let mut records = self.submodules(&seen, detail, &mut snapshot)?;
        let (git, top) = (&self.git.with_settings(&settings.overrides()), &*self.top);
        let enters_submodules = snapshot.unexamined.is_empty();
        let suspects = Suspects {
            git,
            top,
            index: &index,
            state: &state,
            seen: &seen,
            settings: &settings,
            enters_submodules,
        };
        for (path, record) in suspects.records()? {
            merge(&mut records, path, record);
        }
        if detail != Detail::Older {
            suspects.add_irregular(&mut records)?;
        }
        if detail == Detail::Contents {
            suspects.add_rules(&mut records)?;
        }
        add_unlisted(seen, detail, &mut records);
        self.add(records, detail, &mut snapshot)?;
        let RepositoryState { head, refs, stashes, unfinished, tree: _ } = state;
        Ok(Snapshot { head, refs, stashes, unfinished, ..snapshot })
    }

    /// Adds paths to a snapshot.
    fn add(&self, records: Records, detail: Detail, to: &mut Snapshot) -> Result<(), Error> {
        for (path, record) in records {
            let fingerprint = match detail {
                Detail::Paths => None,
                _ => Some(self.fingerprint(&path, &record, detail, to)?),
            };
            let StatusRecord { states, notes, staged, .. } = record;
            to.paths.insert(path, PathStatus { states, notes, staged, fingerprint, text: None });
        }
        Ok(())
    }

    /// A snapshot of the settings and hooks alone.
    fn around(&self, detail: Detail, common: &Path) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::default();
        if detail != Detail::Paths {
            let (home, older) = (self.config_home.as_deref(), detail == Detail::Older);
            snapshot.settings = settings::fingerprints(&self.git, DOING, home, older)?;
        }
        if detail == Detail::Contents {
            snapshot.hooks = Some(settings::hooks(&self.git, DOING, (&self.top, common))?);
        }
        Ok(snapshot)
    }

    /// Walks over the work tree, and removes the marks that git does not obey.
    fn walk(
        &self,
        index: &WorkTreeIndex,
        sparse: bool,
        debris: &Debris,
        terminal: bool,
    ) -> Result<Seen, Error> {
        let entries = index.entries(DOING)?;
        let progress = Progress::new("files examined:", entries.len(), terminal);
        let mut seen =
            walk::walk(&self.top, (&entries, index.written()), sparse, debris, progress)?;
        let is_skipped = |marked: &Marked| marked.exists && marked.hiding == Hiding::SkipWorktree;
        if index.has_metadata() && seen.hidden.iter().any(is_skipped) {
            seen.unmark(&entries::obeyed(&self.git, DOING)?);
        }
        if sparse {
            let rules = index.paths.git.join("info/sparse-checkout");
            seen.miss(&suspects::included(&self.git, &rules, &seen.hidden));
        }
        Ok(seen)
    }

    /// The state of submodules: git misses paths that are hidden in them, and submodules without
    /// `.git`.
    fn submodules(
        &self,
        seen: &Seen,
        detail: Detail,
        snapshot: &mut Snapshot,
    ) -> Result<Records, Error> {
        let mut records = Records::new();
        let dirty = |note| StatusRecord::of(State::Modified, Some(note));
        for path in &seen.submodules {
            let inside = self.inside(path, detail, snapshot)?.unwrap_or_default();
            for (below, status) in inside.paths {
                if detail == Detail::Contents && status.is_only(State::Hidden) {
                    merge(&mut records, path.join(&below), hidden_inside(status));
                    continue;
                }
                for state in status.states {
                    let note = match state {
                        // Not reported for a submodule.
                        State::Leftover | State::Hidden => continue,
                        State::Untracked => "untracked content",
                        _ => "modified content",
                    };
                    merge(&mut records, path.clone(), dirty(note));
                }
            }
        }
        for path in &seen.stuffed {
            merge(&mut records, path.clone(), dirty("no repository, and not empty"));
        }
        Ok(records)
    }

    /// The state of a submodule, or of a repository inside this one, with its settings and hooks
    /// added to `outer`; `None` if git refuses it. `GIT_DIR` is set, so that git fails instead of
    /// using the outer repository if this is not one.
    fn inside(
        &self,
        path: &RepoPath,
        detail: Detail,
        outer: &mut Snapshot,
    ) -> Result<Option<Snapshot>, Error> {
        let top = self.place(path);
        let path = RepoPath::new(without_slash(path.as_bytes()));
        if nested::is_refused(&top, DOING)? {
            outer.unexamined.insert(path);
            return Ok(None);
        }
        let variables = [("GIT_DIR", top.join(".git")), ("GIT_WORK_TREE", top.clone())];
        let git = Git::nested(&*top)
            .with(&variables.map(|(name, path)| (name.to_owned(), path.into_os_string())));
        let config_home = self.config_home.clone();
        let tree = Self { git, top, prefix: String::new(), config_home, has_git: true };
        let inside = tree.snapshot(detail, &Debris::default(), false)?;
        outer.absorb(&path, &inside);
        Ok(Some(inside))
    }

    fn place(&self, path: &RepoPath) -> PathBuf {
        self.top.join(OsStr::from_bytes(path.as_bytes()))
    }

    /// The content of a regular file; `None` if there is none. Beyond `limit` bytes it is not read.
    pub(crate) fn read(&self, path: &RepoPath, limit: u64) -> Result<Option<Content>, Error> {
        match read::file(&self.place(path), FinalLink::Refuse, limit) {
            Ok(content) => Ok(Some(Content::Bytes(content))),
            Err(ReadError::TooLarge { size, .. }) => Ok(Some(Content::TooLarge(size))),
            Err(ReadError::NotRegular(_)) => Ok(None),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(Error::new(format!("read {path}"), &error).help(error.next_step())),
        }
    }

    /// The content of a readable regular file of at most `limit` bytes.
    pub(crate) fn text(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        match self.read(path, limit) {
            Ok(Some(Content::Bytes(text))) => Some(text),
            _ => None,
        }
    }

    /// Replaces a regular file atomically, if its content is still `old`.
    pub(crate) fn replace(&self, path: &RepoPath, old: &[u8], new: &[u8]) -> Result<(), Error> {
        atomic::write(&self.place_to_change(path)?, new, Bits::Kept, Old::Text(old)).map_err(
            |error| {
                let help = match error {
                    WriteError::Changed => "run this again",
                    WriteError::Io(_) => "make its directory writable by this user",
                };
                Error::new(format!("change {path}"), error).help(help)
            },
        )
    }

    /// Writes a file that must not exist atomically.
    pub(crate) fn create(&self, path: &RepoPath, text: &[u8]) -> Result<(), Error> {
        let written = atomic::write(&self.place_to_change(path)?, text, Bits::Kept, Old::Absent);
        written.map_err(|error| {
            let help = match error {
                WriteError::Changed => "run this again",
                WriteError::Io(_) => "make its directory writable by this user",
            };
            Error::new(format!("write {path}"), error).help(help)
        })
    }

    /// The path of a file to change, with the links of its directory resolved: they must not lead
    /// out of the work tree or into a git directory.
    pub(crate) fn place_to_change(&self, path: &RepoPath) -> Result<PathBuf, Error> {
        let doing = format!("change {path}");
        let place = self.place(path);
        let (directory, name) =
            (place.parent().unwrap_or(&self.top), place.file_name().unwrap_or_default());
        let real = |path: &Path| path.canonicalize().map_err(|error| Error::new(&*doing, error));
        let (directory, top) = (real(directory)?, real(&self.top)?);
        let outside = if !directory.starts_with(&top) {
            "outside the work tree"
        } else if is_in_git_directory(&directory.join(name)) {
            "a git directory"
        } else {
            return Ok(directory.join(name));
        };
        let shown = RepoPath::new(directory.as_os_str().as_bytes());
        Err(Error::new(doing, format!("its directory is a link to {shown}, {outside}"))
            .help("change the file there, or make the directory one of this repository"))
    }

    /// The mode of a path; `None` if it does not exist, or is a directory without a repository.
    fn mode(&self, path: &RepoPath) -> Result<Option<Mode>, Error> {
        let file = self.place(path);
        let about = read::if_exists(file.symlink_metadata()).map_err(|error| {
            Error::new(format!("examine {path}"), error)
                .help("make its directory readable by this user")
        })?;
        let Some(about) = about else { return Ok(None) };
        let kind = about.file_type();
        Ok(if kind.is_file() {
            Some(Mode::File)
        } else if kind.is_symlink() {
            Some(Mode::Symlink)
        } else if kind.is_dir() {
            nested::is_repository(&file).then_some(Mode::Submodule)
        } else {
            let error = ReadError::NotRegular(read::noun(kind));
            return Err(Error::new(format!("read {path}"), &error).help(error.next_step()));
        })
    }

    /// A hash over the state of a path in HEAD, the index and the work tree.
    fn fingerprint(
        &self,
        path: &RepoPath,
        record: &StatusRecord,
        detail: Detail,
        snapshot: &mut Snapshot,
    ) -> Result<Fingerprint, Error> {
        let failed = |error: std::io::Error| {
            Error::new(format!("read {path}"), error)
                .help("make it readable by this user, or run as its owner")
        };
        let mut hasher = Hasher::new();
        hasher.part(b'w', &record.words);
        for state in &record.states {
            hasher.part(b'=', state.name().as_bytes());
        }
        let place = self.place(path);
        let is_only_hidden = record.states.iter().eq([&State::Hidden]);
        let mut above = place.ancestors().skip(1).take_while(|above| *above != self.top);
        if is_only_hidden {
            // The path has no other change.
        } else if above.any(Path::is_symlink) {
            // A path below a link does not exist for git.
            hasher.absent();
        } else if hasher.path(&place).map_err(failed)?
            && nested::is_repository(&place)
            && let Some(inside) = self.inside(path, detail, snapshot)?
        {
            add_nested(inside, &mut hasher);
        }
        hasher.finish().map_err(failed)
    }

    /// The content of a path in a commit, or in the index as `:0`; `None` if it does not exist or
    /// cannot be read.
    pub(crate) fn committed(&self, commit: &str, path: &RepoPath) -> Option<Vec<u8>> {
        if self.has_git { blob(&self.git, commit, path) } else { None }
    }

    /// Git in the directory of the user.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// The untracked leftovers of a preparation, ignored or not. A nested repository ends in a
    /// slash.
    pub(crate) fn leftovers(
        &self,
        debris: &Debris,
        terminal: bool,
    ) -> Result<Vec<RepoPath>, Error> {
        if !self.has_git {
            let mut found = plain::files(&self.top, private::is_beside)?;
            found.retain(|path| {
                debris.is_backup(path) || debris.content_of(path, Mode::File).is_some()
            });
            return Ok(found);
        }
        let index = WorkTreeIndex::read(&self.git, DOING)?;
        let settings = Settings::read(&self.git)?;
        Ok(self.walk(&index, settings.sparse, debris, terminal)?.debris)
    }

    /// The content of the regular file that a link leads to; `None` if it cannot be read, or is
    /// also a path of this work tree.
    pub(crate) fn behind_link(&self, path: &RepoPath, limit: u64) -> Option<Vec<u8>> {
        let target = self.place(path).canonicalize().ok()?;
        let is_inside = target.starts_with(self.top.canonicalize().ok()?);
        if is_inside { None } else { read::file(&target, FinalLink::Refuse, limit).ok() }
    }

    /// Whether a file or a directory exists at a path.
    pub(crate) fn exists(&self, path: &RepoPath) -> bool {
        self.place(path).symlink_metadata().is_ok()
    }

    /// Removes a file, and the directories below `directory` that are empty then.
    pub(crate) fn remove(&self, path: &RepoPath, directory: &[u8]) -> Result<(), Error> {
        let failed = |error: WriteError| {
            Error::new(format!("remove {path}"), error)
                .help("make its directory writable by this user")
        };
        atomic::remove(&self.place_to_change(path)?).map_err(failed)?;
        let mut above = RepoPath::new(path.parent());
        while above.as_bytes().len() > directory.len() && above.as_bytes().starts_with(directory) {
            match atomic::remove(&self.place(&above)) {
                Err(WriteError::Io(error)) if error.kind() == ErrorKind::DirectoryNotEmpty => break,
                done => done.map_err(failed)?,
            }
            above = RepoPath::new(above.parent());
        }
        Ok(())
    }

    /// The path from the top of the work tree; `None` for a file outside.
    pub(crate) fn path_of(&self, file: &Path) -> Option<RepoPath> {
        let directory =
            file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = directory.canonicalize().ok()?.join(file.file_name()?);
        let path = place.strip_prefix(self.top.canonicalize().ok()?).ok()?.to_owned();
        Some(RepoPath::new(path.into_os_string().into_encoded_bytes()))
    }
}

/// The record of a path that is hidden in a submodule.
fn hidden_inside(status: PathStatus) -> StatusRecord {
    let words = status.fingerprint.map_or(Vec::new(), |Fingerprint(hash)| hash.to_vec());
    let PathStatus { states, notes, .. } = status;
    StatusRecord { states, notes, words, staged: None }
}

/// Adds the paths that git does not list: hidden ones and ignored leftovers.
fn add_unlisted(seen: Seen, detail: Detail, records: &mut Records) {
    for marked in seen.hidden {
        // A path that a sparse checkout leaves out only matters when two moments are compared.
        if detail != Detail::Paths || marked.exists || records.contains_key(&marked.path) {
            let record = records.entry(marked.path).or_default();
            record.states.insert(State::Hidden);
            record.notes.insert(marked.hiding.name());
            record.words.extend(marked.hiding.name().bytes());
            record.words.push(if marked.exists { b'+' } else { b'-' });
        }
    }
    for path in seen.debris {
        records.entry(path).or_insert_with(|| StatusRecord::of(State::Leftover, None));
    }
}

/// Adds a submodule or nested repository, which git reports as one path: HEAD, and unclean paths.
fn add_nested(inside: Snapshot, hasher: &mut Hasher) {
    hasher.part(b'c', inside.head.commit.as_ref().map_or(&[], ObjectId::as_bytes));
    hasher.part(b'b', inside.head.branch.as_deref().unwrap_or_default());
    for (path, status) in inside.paths {
        if !status.states.contains(&State::Leftover) {
            hasher.part(b'p', path.as_bytes());
            hasher.part(b'i', &status.fingerprint.map_or([0; 32], |Fingerprint(hash)| hash));
        }
    }
}
