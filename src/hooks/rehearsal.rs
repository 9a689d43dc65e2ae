//! The rehearsal of a commit: a temporary index and object store, and a hook that runs on them as
//! `git commit` would run it. The repository itself is only read, unless another hook writes a ref:
//! then the objects of that ref are copied into it.

use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::base::change::{Content, Entry};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::atomic::{self, Bits, WriteError};
use crate::disk::read::{self, canonicalize_existing};
use crate::disk::scratch::{Interrupted, Scratch};
use crate::git::listing::entries_at;
use crate::git::process::{Git, text};
use crate::os::child;
use crate::os::env::Environment;

/// A commit that is never created.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    /// Git, with the index and the object store of the rehearsal.
    git: Git,
    /// Holds both; removed on drop.
    scratch: Scratch,
    /// The repository's own object store.
    real_store: PathBuf,
    /// Every ref of the repository at the start.
    refs: Vec<u8>,
    /// The argument of `git read-tree` that makes the index of HEAD.
    start: &'static str,
}

/// The result of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookRun {
    /// Its exit code; `None` if a signal killed git.
    pub code: Option<i32>,
    /// The last output on standard output and standard error, interleaved.
    pub output: Vec<u8>,
}

/// How much output is kept, in bytes.
const KEPT: usize = 64 * 1024;
/// The longest line that is parsed, in bytes.
const LINE: usize = 64 * 1024;
/// How many pieces of output are buffered before the hook blocks.
const PIECES: usize = 8;
/// How often to check whether the hook has exited or was interrupted.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Settings that would make git write next to the index, or start a monitor of the work tree. They
/// are off for git and for the hook.
const SETTINGS: [&str; 4] =
    ["core.splitIndex", "core.fsmonitor", "core.untrackedCache", "index.sparse"];
/// The first version that has `git hook run`.
const RUNS_HOOKS: (u32, u32) = (2, 36);

const DOING: &str = "rehearse a commit";

impl Rehearsal {
    /// Reads the tree of HEAD into the index. Staged and unstaged changes do not matter.
    pub(crate) fn prepare(git: &Git, env: &Environment) -> Result<Self, Error> {
        let scratch = Scratch::new().map_err(|error| {
            Error::new("create a temporary directory", error)
                .help("free space in it, or set TMPDIR to another directory")
        })?;
        let objects =
            scratch.make_directory("objects").map_err(|error| Error::new(DOING, error))?;
        let real = git.path(DOING, &["rev-parse", "--git-path", "objects"])?;
        let real = canonicalize_existing(&real);
        let refs = list_refs(git)?;
        let mut alternates = quote(real.as_os_str());
        if let Some(inherited) = env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES") {
            alternates.push(":");
            alternates.push(inherited);
        }
        let mut variables = settings_off(env);
        variables.extend([
            ("GIT_INDEX_FILE".to_owned(), scratch.path().join("index").into()),
            ("GIT_OBJECT_DIRECTORY".to_owned(), objects.into()),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES".to_owned(), alternates),
        ]);
        variables.extend(path_of_git(env));
        let git = git.with(&variables);
        let start = if has_head_commit(&git)? { "HEAD" } else { "--empty" };
        let rehearsal = Self { git, scratch, real_store: real, refs, start };
        rehearsal.reset()?;
        Ok(rehearsal)
    }

    /// Makes the index that of HEAD.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        self.git.output(DOING, &["read-tree", self.start]).map(drop).map_err(|error| {
            error.or_help("run `git fsck`; in a partial clone, check out HEAD first")
        })
    }

    /// A unique word.
    pub(crate) fn nonce(&self) -> String {
        self.scratch.nonce()
    }

    /// The regular files of this name in any directory.
    pub(crate) fn files_named(&self, name: &str) -> Result<Vec<Entry>, Error> {
        let anywhere = format!(":(top,glob)**/{name}");
        let mut entries = entries_at(&self.git, DOING, anywhere.as_ref(), &|_| true)?;
        entries.retain(Entry::is_regular);
        Ok(entries)
    }

    /// The content of a file; `None` if it is larger than `limit`, or not in this clone.
    pub(crate) fn read(&self, entry: &Entry, limit: u64) -> Option<Vec<u8>> {
        match self.git.cat_file().and_then(|blobs| blobs.read(entry, limit)) {
            Ok(Content::Bytes(text)) => Some(text),
            _ => None,
        }
    }

    /// Stages a regular file.
    pub(crate) fn stage(&self, path: &RepoPath, content: &[u8]) -> Result<(), Error> {
        let how = ["hash-object", "-w", "--stdin"];
        let id = text(&self.git.output_with_input(DOING, &how, content)?.stdout);
        let record = [format!("100644 {id}\t").as_bytes(), path.as_bytes(), b"\0"].concat();
        self.git
            .output_with_input(DOING, &["update-index", "-z", "--index-info"], &record)
            .map(drop)
    }

    /// Runs a hook in the environment of `git commit`, with `variable` added. `file` is the path of
    /// the hook. `listen` is called with each line of its output.
    pub(crate) fn run_hook(
        &self,
        hook: &str,
        file: &Path,
        variable: (&'static str, &str),
        listen: impl FnMut(&[u8]),
    ) -> Result<HookRun, Error> {
        let doing = format!("run the {hook} hook");
        let mut command = if self.runs_hooks()? {
            self.git.user_command(&["hook", "run", "--ignore-missing", hook])
        } else if is_run(file) {
            // git starts an alias like a hook: at the top of the work tree, with its variables.
            let mut command = self.git.user_command(&[
                "-c",
                "alias.bakstop-rehearsal=!f() { exec \"$1\"; }; f",
                "bakstop-rehearsal",
            ]);
            command.arg(file);
            command
        } else {
            return Ok(HookRun { code: Some(0), output: Vec::new() });
        };
        let failed = |error| Error::new(&*doing, error);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        command
            .env("GIT_EDITOR", ":")
            .env(variable.0, variable.1)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer);
        let done = self.scratch.defer_signals(|stop| {
            let child = self.git.start(&doing, &mut command)?;
            // Closes our write ends of the pipe, so that it ends when the hook closes its own.
            drop(command);
            let done = watch(child, reader, stop, listen);
            self.keep_what_refs_need()?;
            done.map_err(failed)
        });
        done.unwrap_or_else(|Interrupted| Err(Error::new(&*doing, "it was interrupted")))
    }

    /// A hook may write a ref, as `git stash` does. Its objects are in the temporary store, and are
    /// copied into the repository's own.
    fn keep_what_refs_need(&self) -> Result<(), Error> {
        if list_refs(&self.git)? == self.refs {
            return Ok(());
        }
        self.keep_objects().map_err(|error| {
            Error::new("keep the objects of a ref that a hook has written", error)
                .help("run `git fsck`")
        })
    }

    fn keep_objects(&self) -> Result<(), WriteError> {
        for directory in read::list(&self.scratch.path().join("objects"))? {
            let real = self.real_store.join(directory.file_name().unwrap_or_default());
            for object in indexes_last(read::list(&directory)?) {
                let place = real.join(object.file_name().unwrap_or_default());
                if place.exists() {
                    continue;
                }
                if !real.is_dir() {
                    atomic::make_directory(&real, Bits::New(0o777))?;
                }
                match atomic::copy(&object, &place) {
                    // Another process wrote the same object: the name is its hash.
                    Err(WriteError::Changed) => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// Whether this git has `git hook run`.
    fn runs_hooks(&self) -> Result<bool, Error> {
        let answer = text(&self.git.output("find the version of git", &["version"])?);
        Ok(version(&answer).is_none_or(|version| version >= RUNS_HOOKS))
    }
}

/// Sorts files of an object store for copying: the index of a pack must come after the pack.
fn indexes_last(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort_by_key(|file| file.extension().is_some_and(|extension| extension == "idx"));
    files
}

fn list_refs(git: &Git) -> Result<Vec<u8>, Error> {
    git.output("list the refs", &["for-each-ref", "--format=%(refname) %(objectname)"])
}

/// Variables that switch [`SETTINGS`] off, numbered after those of `env` (git-config(1),
/// `GIT_CONFIG_COUNT`).
fn settings_off(env: &Environment) -> Vec<(String, OsString)> {
    let before: usize =
        env.text("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut variables =
        vec![("GIT_CONFIG_COUNT".to_owned(), (before + SETTINGS.len()).to_string().into())];
    for (number, setting) in (before..).zip(SETTINGS) {
        variables.push((format!("GIT_CONFIG_KEY_{number}"), setting.into()));
        variables.push((format!("GIT_CONFIG_VALUE_{number}"), "false".into()));
    }
    variables
}

/// `PATH` without what a package manager put before it to run this program: `git commit` is run
/// without it, so a hook that needs it would fail there.
fn path_of_git(env: &Environment) -> Option<(String, OsString)> {
    // npm, pnpm, Yarn and Bun set it for what they run.
    env.get("npm_config_user_agent")?;
    let path = env.get("PATH")?.as_bytes().split(|byte| *byte == b':');
    let of_yarn = env.get("BERRY_BIN_FOLDER");
    let is_added = |entry: &OsStr| Path::new(entry).ends_with(BINARIES) || of_yarn == Some(entry);
    let kept: Vec<&[u8]> = path.filter(|entry| !is_added(OsStr::from_bytes(entry))).collect();
    Some(("PATH".to_owned(), OsString::from_vec(kept.join(&b':'))))
}

/// The directory of the programs of packages.
const BINARIES: &str = "node_modules/.bin";

/// Whether HEAD has a commit.
fn has_head_commit(git: &Git) -> Result<bool, Error> {
    let doing = "read HEAD";
    if git.query(doing, &["rev-parse", "--quiet", "--verify", "HEAD"])?.is_some() {
        return Ok(true);
    }
    // A HEAD without a commit is valid if it names a branch.
    git.output(doing, &["symbolic-ref", "HEAD"])
        .map(|_| false)
        .map_err(|error| error.or_help("run `git fsck`"))
}

/// Whether git would run this file as a hook.
fn is_run(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Quotes a path for `GIT_ALTERNATE_OBJECT_DIRECTORIES` if needed (git(1)).
fn quote(path: &OsStr) -> OsString {
    let bytes = path.as_bytes();
    if !bytes.contains(&b':') && !bytes.starts_with(b"\"") {
        return path.to_owned();
    }
    let mut quoted = vec![b'"'];
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    OsStr::from_bytes(&quoted).to_owned()
}

/// The major and minor version in `git version 2.39.5 (…)`.
pub(super) fn version(answer: &str) -> Option<(u32, u32)> {
    let mut numbers = answer.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Reads the output of a hook until the hook exits. A process that it leaves running may keep the
/// pipe open; this does not wait for it.
fn watch(
    mut child: Child,
    reader: PipeReader,
    stop: &AtomicBool,
    listen: impl FnMut(&[u8]),
) -> std::io::Result<HookRun> {
    let (mut output, mut lines) = (Vec::new(), Lines::new(listen));
    let pieces = pieces(reader);
    let (mut ended, mut next_check) = (None, Instant::now() + POLL_INTERVAL);
    loop {
        match pieces.recv_timeout(next_check.saturating_duration_since(Instant::now())) {
            Ok(piece) => {
                lines.take(&piece);
                output.extend_from_slice(&piece);
                if output.len() > 2 * KEPT {
                    output.drain(..output.len() - KEPT);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                ended = child.try_wait()?;
                if ended.is_some() {
                    break;
                }
                // The hook closed its output, but still runs.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // By time, because the output may never pause.
        if Instant::now() >= next_check {
            if ended.is_some() {
                break; // What it wrote before its end had one interval to arrive.
            }
            ended = child.try_wait()?;
            next_check = Instant::now() + POLL_INTERVAL;
        }
        if stop.load(Ordering::Relaxed) && ended.is_none() {
            ended = Some(child::end(&mut child)?);
            break;
        }
    }
    let ended = ended.map_or_else(|| child.wait(), Ok)?;
    lines.finish();
    output.drain(..output.len().saturating_sub(KEPT));
    Ok(HookRun { code: ended.code(), output })
}

/// Reads a pipe in a thread.
fn pieces(mut reader: PipeReader) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(PIECES);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Joins pieces of output into lines.
pub(super) struct Lines<Listen> {
    listen: Listen,
    /// The start of the current line.
    line: Vec<u8>,
}

impl<Listen: FnMut(&[u8])> Lines<Listen> {
    pub(super) fn new(listen: Listen) -> Self {
        Self { listen, line: Vec::new() }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            let room = (LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end();
            }
        }
    }

    /// Passes on the last line.
    pub(super) fn finish(mut self) {
        if !self.line.is_empty() {
            self.end();
        }
    }

    /// Passes the current line on, unless it is too long.
    fn end(&mut self) {
        if self.line.len() <= LINE {
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            (self.listen)(line.strip_suffix(b"\r").unwrap_or(line));
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_compared_by_number() {
        for (answer, expected) in [
            ("git version 2.34.1", Some((2, 34))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("git version 2.100.0.rc1", Some((2, 100))),
            ("git version 3.0-rc1", Some((3, 0))),
            ("hub version 2", None),
        ] {
            assert_eq!(version(answer), expected, "{answer}");
        }
        assert!((2, 100) >= RUNS_HOOKS && (2, 34) < RUNS_HOOKS);
    }

    #[test]
    fn a_pack_is_copied_before_its_index() {
        let files = ["a.idx", "a.pack", "b.idx", "b.rev", "b.pack"].map(PathBuf::from);
        let order = ["a.pack", "b.rev", "b.pack", "a.idx", "b.idx"].map(PathBuf::from);
        assert_eq!(indexes_last(files.into()), order);
    }

    #[test]
    fn paths_that_git_would_split_are_quoted() {
        for (path, quoted) in
            [("/a b/c", "/a b/c"), ("/a:b", r#""/a:b""#), (r#"/a:"\"#, r#""/a:\"\\""#)]
        {
            assert_eq!(quote(OsStr::new(path)), OsStr::new(quoted));
        }
    }

    #[test]
    fn settings_are_added_to_existing_ones() {
        let env: Environment = [("GIT_CONFIG_COUNT", "3")].into_iter().collect();
        let variables = settings_off(&env);
        assert_eq!(variables[0], ("GIT_CONFIG_COUNT".into(), "7".into()));
        assert_eq!(variables[1], ("GIT_CONFIG_KEY_3".into(), "core.splitIndex".into()));
        assert_eq!(variables[8], ("GIT_CONFIG_VALUE_6".into(), "false".into()));
    }

    /// Runs a script in a shell and watches it.
    fn watched(script: &str, listen: impl FnMut(&[u8])) -> HookRun {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = std::process::Command::new("sh");
        let child = command.args(["-c", script]).stdout(writer).spawn().unwrap();
        drop(command);
        watch(child, reader, &AtomicBool::new(false), listen).unwrap()
    }

    #[test]
    fn every_line_is_parsed_and_the_last_ones_are_kept() {
        let mut heard = Vec::new();
        let many = "echo early; yes middle | head -n 50000; sleep 0.3; echo late";
        let done = watched(many, |line| heard.push(line.to_vec()));
        assert_eq!((done.code, done.output.len(), heard.len()), (Some(0), KEPT, 50_002));
        assert_eq!(
            (&*heard[0], &*heard[1], &*heard[50_001]),
            (&b"early"[..], &b"middle"[..], &b"late"[..])
        );
        assert!(done.output.ends_with(b"middle\nlate\n"));
    }

    #[test]
    fn lines_are_joined_and_endless_ones_skipped() {
        let mut heard = Vec::new();
        let mut lines = Lines::new(|line: &[u8]| heard.push(line.to_vec()));
        let long = [&vec![b'x'; LINE], &b"error"[..]].concat();
        for piece in [&b"a"[..], b"b\r\n\nc\nd", b"\n", &long, &long, b"error", b"\n", b"e"] {
            lines.take(piece);
            assert!(lines.line.len() <= LINE + 1);
        }
        lines.finish();
        assert_eq!(heard, [&b"ab"[..], b"", b"c", b"d", b"e"]);
    }

    #[test]
    fn a_process_that_a_hook_leaves_is_not_waited_for() {
        for left in ["sleep 60", "yes", "while echo x; do sleep 0.02; done", "cat /dev/zero"] {
            let mut heard = false;
            let start = Instant::now();
            let done =
                watched(&format!("echo first; timeout 60 sh -c '{left}' & exit 3"), |line| {
                    heard |= line == b"first";
                });
            assert!(done.code == Some(3) && heard && done.output.len() <= KEPT, "{left}");
            assert!(start.elapsed() < Duration::from_secs(30), "{left}: {:?}", start.elapsed());
        }
    }
}
