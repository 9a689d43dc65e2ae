//! Runs the `git` program, with the environment variables that it needs, and reads its output.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem;

use crate::base::change::{Content, Entry, ObjectId};
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::{RepoPath, shell_quote};
use crate::git::endless;
use crate::git::layer::ObjectKind;

/// Runs git in a directory. It never fetches, takes an optional lock or prompts, and starts no file
/// system monitor, which is a program that the repository names.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    directory: PathBuf,
    /// Whether the variables of another repository are removed from the environment.
    clear_local_env: bool,
    /// Variables set in addition.
    variables: Vec<(String, OsString)>,
    /// Settings, as after `git -c`, that overrule those of the repository.
    settings: Vec<&'static str>,
    /// Whether git opens no FIFO or device here: checked before the first command.
    is_safe_to_start: Arc<AtomicBool>,
}

/// The variables that belong to one repository (`git rev-parse --local-env-vars`). Git sets some of
/// them for its hooks.
const LOCAL_VARIABLES: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
];

/// Variables that name another repository, or parts of one, than that of the directory.
pub(crate) const PLACE_VARIABLES: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
];

/// Variables that change the meaning of our pathspecs.
const PATHSPEC_VARIABLES: [&str; 4] =
    ["GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"];

impl Git {
    /// Git in `directory`.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            clear_local_env: false,
            variables: Vec::new(),
            settings: Vec::new(),
            is_safe_to_start: Arc::default(),
        }
    }

    /// Git for a nested repository or a submodule: clears `GIT_DIR` and the other variables of the
    /// outer repository.
    pub(crate) fn nested(directory: impl Into<PathBuf>) -> Self {
        Self { clear_local_env: true, ..Self::new(directory) }
    }

    /// A copy with these variables set as well.
    pub(crate) fn with(&self, variables: &[(String, OsString)]) -> Self {
        let variables = [&self.variables[..], variables].concat();
        let is_elsewhere = variables.iter().any(|(name, _)| name == "GIT_DIR");
        let known = if is_elsewhere { Arc::default() } else { Arc::clone(&self.is_safe_to_start) };
        Self { variables, is_safe_to_start: known, ..self.clone() }
    }

    /// A copy that overrules settings as well, each `name=value`.
    pub(crate) fn with_settings(&self, settings: &[&'static str]) -> Self {
        Self { settings: [&self.settings[..], settings].concat(), ..self.clone() }
    }

    /// The directory that git runs in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command; any exit code is accepted. `doing` completes "could not …".
    pub(crate) fn run(
        &self,
        doing: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Output, Error> {
        self.check_safe_to_start()?;
        self.command(arguments).stdin(Stdio::null()).output().map_err(|error| {
            if self.directory.is_dir() {
                not_started(doing, &error)
            } else {
                Error::new(doing, "the working directory no longer exists")
                    .help("change to a directory that exists")
            }
        })
    }

    /// The standard output of a command that must succeed.
    pub(crate) fn output(
        &self,
        doing: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Vec<u8>, Error> {
        let output = self.run(doing, arguments)?;
        if output.status.success() { Ok(output.stdout) } else { Err(failed(doing, &output)) }
    }

    /// The path that a command prints, relative to the working directory or absolute.
    pub(crate) fn path(&self, doing: &str, arguments: &[&str]) -> Result<PathBuf, Error> {
        Ok(self.directory.join(parse_path(self.output(doing, arguments)?)))
    }

    /// A command of git as the user would run it: with `variables`, but not with our defaults.
    pub(crate) fn user_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.directory).envs(self.variables.iter().cloned());
        command
    }

    /// The standard output of a query; `None` for exit code 1, which says that nothing was found,
    /// as in `git config --get`. Git fails with 128 or 129.
    pub(crate) fn query(
        &self,
        doing: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Option<Vec<u8>>, Error> {
        let output = self.run(doing, arguments)?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(failed(doing, &output)),
        }
    }

    /// The output of a command that must succeed and read all of `input`.
    pub(crate) fn output_with_input(
        &self,
        doing: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Output, Error> {
        let output = self.run_with_input(doing, arguments, input)?;
        if output.status.success() { Ok(output) } else { Err(failed(doing, &output)) }
    }

    /// Runs a command that must read all of `input`; any exit code is accepted.
    pub(crate) fn run_with_input(
        &self,
        doing: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Output, Error> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(doing, &mut command)?;
        let pipe = child.stdin.take();
        // In another thread: git may write before it has read everything.
        let (written, output) = std::thread::scope(|scope| {
            let writer = scope.spawn(move || pipe.map_or(Ok(()), |mut pipe| pipe.write_all(input)));
            let output = child.wait_with_output();
            (writer.join(), output)
        });
        let output = output.map_err(|error| Error::new(doing, error))?;
        // If git exits before it has read everything, its message has the reason.
        if matches!(written, Ok(Ok(()))) { Ok(output) } else { Err(failed(doing, &output)) }
    }

    /// The path of this directory from the top of the work tree: empty, or with a trailing slash.
    pub(crate) fn prefix(&self, doing: &str) -> Result<String, Error> {
        self.output(doing, &["rev-parse", "--show-prefix"]).map(|answer| text(&answer))
    }

    /// [`Self::prefix`] for a known top. Runs git only if the directory is not lexically below it.
    pub(crate) fn prefix_below(&self, top: &Path, doing: &str) -> Result<String, Error> {
        let below = || {
            let (top, directory) = (top.canonicalize().ok()?, self.directory.canonicalize().ok()?);
            let prefix = directory.strip_prefix(top).ok()?.to_str()?;
            Some(if prefix.is_empty() { String::new() } else { format!("{prefix}/") })
        };
        below().map_or_else(|| self.prefix(doing), Ok)
    }

    /// Starts a `git cat-file --batch`.
    pub(crate) fn cat_file(&self) -> Result<CatFile, Error> {
        let mut command = self.command(&["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.start("read a blob", &mut command)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => {
                let pipes = RefCell::new((Some(input), BufReader::new(output)));
                Ok(CatFile { git: self.clone(), child, pipes })
            }
            _ => Err(Error::new("read a blob", "git was started without pipes")),
        }
    }

    /// Starts a command.
    pub(crate) fn start(&self, doing: &str, command: &mut Command) -> Result<Child, Error> {
        self.check_safe_to_start()?;
        command.spawn().map_err(|error| not_started(doing, &error))
    }

    /// Fails if git could block on a FIFO or device in its repository.
    fn check_safe_to_start(&self) -> Result<(), Error> {
        if !self.is_safe_to_start.load(Ordering::Relaxed) {
            let named = self.variables.iter().find(|(name, _)| name == "GIT_DIR");
            endless::refuse_in_repository(&self.directory, named.map(|(_, git)| &**git))?;
            self.is_safe_to_start.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new("git");
        let settings = std::iter::once(&"core.fsmonitor=").chain(&self.settings);
        command.args(settings.flat_map(|setting| ["-c", setting]));
        command.args(arguments).current_dir(&self.directory);
        for name in PATHSPEC_VARIABLES {
            command.env_remove(name);
        }
        if self.clear_local_env {
            for name in LOCAL_VARIABLES {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            // Judge the objects that a commit names, not their local replacements.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .envs(self.variables.iter().cloned());
        command
    }
}

fn not_started(doing: &str, error: &std::io::Error) -> Error {
    Error::new(doing, format!("git could not be started: {error}"))
        .help("install git, or add it to PATH")
}

/// Whether git refused a repository because it belongs to another user (`safe.directory`).
pub(super) fn is_refused(output: &Output) -> bool {
    let says = |words: &str| memmem::find(&output.stderr, words.as_bytes()).is_some();
    // The second one is that of git 2.35.
    !output.status.success() && (says("dubious ownership") || says("is owned by someone else"))
}

/// The error of a command that failed, with git's message.
pub(crate) fn failed(doing: &str, output: &Output) -> Error {
    let message = String::from_utf8_lossy(&output.stderr);
    let cause = match (message.trim(), output.status.code()) {
        ("", Some(code)) => format!("git ended with exit code {code}"),
        ("", None) => "git was ended by a signal".into(),
        (message, _) => message.to_owned(),
    };
    let error = Error::new(doing, &cause);
    if is_refused(output) {
        error.help("if you trust this directory, run the `git config` command above")
    } else if cause.contains("not a git repository") {
        error.help("run this inside a git repository")
    } else {
        error
    }
}

/// The error of a command with output that cannot be parsed.
pub(crate) fn unreadable(doing: &str, record: &[u8]) -> Error {
    Error::new(doing, format!("unexpected output of git: {}", Escaped(record)))
        .help("please report this, with the version of git")
}

/// The ids in an output, one a line.
pub(super) fn ids(doing: &str, answer: &[u8]) -> Result<Vec<ObjectId>, Error> {
    let id = |line| ObjectId::from_hex(line).ok_or_else(|| unreadable(doing, answer));
    lines(answer).map(id).collect()
}

/// The lines of an output that are not empty.
pub(super) fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// The records of a `-z` listing.
pub(crate) fn records(listing: &[u8]) -> impl Iterator<Item = &[u8]> {
    listing.split(|&byte| byte == 0).filter(|record| !record.is_empty())
}

/// A line of output as text, without its line end.
pub(crate) fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).trim_end_matches(['\n', '\r']).to_owned()
}

/// A path printed on a line. Only the last line feed is removed: a path may end in one, and need
/// not be UTF-8.
pub(crate) fn parse_path(mut answer: Vec<u8>) -> PathBuf {
    if answer.last() == Some(&b'\n') {
        answer.pop();
    }
    OsString::from_vec(answer).into()
}

/// A path without the slash that marks a directory: with it, git would also match the paths below.
pub(super) fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// A pathspec that matches exactly this path from the top of the work tree.
pub(super) fn literal(path: &RepoPath) -> OsString {
    OsString::from_vec([b":(top,literal)", without_slash(path.as_bytes())].concat())
}

/// A running `git cat-file --batch`.
#[derive(Debug)]
pub(crate) struct CatFile {
    git: Git,
    child: Child,
    /// On drop, the input is closed first: then git exits.
    pipes: RefCell<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

impl CatFile {
    /// The content of an entry, at most `limit` bytes of it.
    pub(crate) fn read(&self, entry: &Entry, limit: u64) -> Result<Content, Error> {
        self.object(&entry.id, ObjectKind::Blob, limit, || format!("read {}", entry.path))
    }

    /// The raw content of an object of this kind, at most `limit` bytes of it. `doing` completes
    /// "could not …".
    pub(super) fn object(
        &self,
        id: &ObjectId,
        kind: ObjectKind,
        limit: u64,
        doing: impl Fn() -> String,
    ) -> Result<Content, Error> {
        let io = |error: std::io::Error| Error::new(doing(), format!("git cat-file: {error}"));
        let kind = kind.name();
        let mut pipes = self.pipes.borrow_mut();
        let (input, output) = &mut *pipes;
        if let Some(input) = input {
            writeln!(input, "{id}").and_then(|()| input.flush()).map_err(io)?;
        }
        // `<id> blob <size>\n<content>\n`, or `<id> missing\n`.
        let mut header = Vec::new();
        output.read_until(b'\n', &mut header).map_err(io)?;
        if header.is_empty() {
            // In a partial clone, git exits at an object that it would have to fetch.
            return Err(Error::new(doing(), "its content is missing, or git cat-file failed")
                .help(self.missing_help(&format!("run `git cat-file {kind} {id}`"))));
        }
        let header = text(&header);
        let found = header.strip_prefix(&format!("{id} ")).and_then(|found| found.split_once(' '));
        let found = found.and_then(|(kind, size)| Some((kind, size.parse::<u64>().ok()?)));
        let (found, size) = found.ok_or_else(|| {
            Error::new(doing(), format!("it is not in the object store ({header})")).help(
                self.missing_help(
                    "fetch the missing objects with `git fetch --refetch`, or run `git fsck`",
                ),
            )
        })?;
        // Read to the end of the object: the next one follows.
        let mut content = Vec::new();
        output.by_ref().take(size.min(limit)).read_to_end(&mut content).map_err(io)?;
        std::io::copy(
            &mut output.by_ref().take(size.saturating_sub(limit) + 1),
            &mut std::io::sink(),
        )
        .map_err(io)?;
        if content.len() as u64 != size.min(limit) {
            return Err(Error::new(doing(), "git cat-file ended early"));
        }
        if found != kind {
            return Err(Error::new(doing(), format!("it is a {found}, not a {kind}"))
                .help("check the repository: `git fsck`"));
        }
        Ok(if size > limit { Content::TooLarge(size) } else { Content::Bytes(content) })
    }

    /// What to do about a missing object: `otherwise`, or in a partial clone, to fetch all objects.
    /// A fetch without `--no-filter` would leave out the same ones again.
    fn missing_help(&self, otherwise: &str) -> String {
        let arguments = ["config", "--get-regexp", r"^remote\..*\.(promisor|partialclonefilter)$"];
        let settings = self.git.query("find the promisor remote", &arguments);
        let settings = settings.ok().flatten().map(|settings| text(&settings)).unwrap_or_default();
        let remote = settings.lines().find_map(|line| {
            let (name, _) = line.split(' ').next()?.strip_prefix("remote.")?.rsplit_once('.')?;
            (!name.starts_with('-')).then_some(name)
        });
        match remote {
            None => otherwise.to_owned(),
            Some(remote) => format!(
                "this clone is partial; to fetch everything: `git fetch --refetch --no-filter {}`",
                shell_quote(Escaped(remote.as_bytes()).to_string().as_bytes())
            ),
        }
    }
}

impl Drop for CatFile {
    fn drop(&mut self) {
        self.pipes.borrow_mut().0 = None;
        // Leaves no zombie.
        let _ = self.child.wait();
    }
}
