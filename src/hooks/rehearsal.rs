//! The rehearsal of a commit: an index and an object store that are thrown away, and a hook that is
//! run over them as `git commit` runs it. The repository itself is only read, unless a hook of
//! others writes a ref: then it keeps what that ref needs.

use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
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
use crate::git::process::{Git, parse_path, text};
use crate::os::child;
use crate::os::env::Environment;

/// A commit that never happens.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    /// Git, with the index and the object store of the rehearsal.
    git: Git,
    /// Holds both, and goes away with this.
    scratch: Scratch,
    /// The repository's own object store.
    real: PathBuf,
    /// Every ref of the repository, as it was.
    refs: Vec<u8>,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Performance {
    /// Its exit code; `None` if git itself was ended by a signal.
    pub code: Option<i32>,
    /// The last of what it wrote to standard output and standard error, in the order in which it
    /// came.
    pub said: Vec<u8>,
}

/// How much of what a hook says is kept, in bytes.
const KEPT: usize = 64 * 1024;
/// How long a line may be, in bytes, to be listened to: what says nothing in so many is no report.
const LINE: usize = 64 * 1024;
/// How many pieces of what a hook says may wait; then the hook does.
const PIECES: usize = 8;
/// How often to look whether the hook has ended or the person wants to stop.
const BEAT: Duration = Duration::from_millis(50);
/// Settings that would make git write beside the index, or start something that watches the work
/// tree; they are off for everything that takes part.
const SETTINGS: [&str; 4] =
    ["core.splitIndex", "core.fsmonitor", "core.untrackedCache", "index.sparse"];
/// The first version that has `git hook run`.
const RUNS_HOOKS: (u32, u32) = (2, 36);

const DOING: &str = "rehearse a commit";

impl Rehearsal {
    /// Makes ready what HEAD holds. What is staged, conflicted or changed here does not matter.
    pub(crate) fn prepare(git: &Git, env: &Environment) -> Result<Self, Error> {
        let scratch = Scratch::new().map_err(|error| {
            Error::new("make a temporary directory", error)
                .help("make room in it, or set TMPDIR to one that works")
        })?;
        let objects =
            scratch.make_directory("objects").map_err(|error| Error::new(DOING, error))?;
        let real = git
            .directory()
            .join(parse_path(git.output(DOING, &["rev-parse", "--git-path", "objects"])?));
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
        let git = git.with(&variables);
        let start = if is_born(&git)? { "HEAD" } else { "--empty" };
        git.output(DOING, &["read-tree", start]).map_err(|error| {
            error.or_help("see what `git fsck` says; in a partial clone, check HEAD out first")
        })?;
        Ok(Self { git, scratch, real, refs })
    }

    /// A word that no other rehearsal has.
    pub(crate) fn nonce(&self) -> String {
        self.scratch.nonce()
    }

    /// The regular files of this name, at any depth.
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

    /// Stages a regular file, new or in the place of what was there.
    pub(crate) fn stage(&self, path: &RepoPath, content: &[u8]) -> Result<(), Error> {
        let how = ["hash-object", "-w", "--stdin"];
        let id = text(&self.git.output_with_input(DOING, &how, content)?.stdout);
        let record = [format!("100644 {id}\t").as_bytes(), path.as_bytes(), b"\0"].concat();
        self.git
            .output_with_input(DOING, &["update-index", "-z", "--index-info"], &record)
            .map(drop)
    }

    /// Runs a hook, in the environment that it has under `git commit`, and with `variable` besides.
    /// `file` is where its file would be. `listen` gets every line that the hook writes, early or
    /// late, as it comes.
    pub(crate) fn perform(
        &self,
        hook: &str,
        file: &Path,
        variable: (&'static str, &str),
        listen: impl FnMut(&[u8]),
    ) -> Result<Performance, Error> {
        let doing = format!("run the {hook} hook");
        let mut command = if self.runs_hooks()? {
            self.git.user_command(&["hook", "run", "--ignore-missing", hook])
        } else if is_run(file) {
            // An alias is started as a hook is: at the top of the work tree, with the same
            // variables.
            let mut command = self.git.user_command(&[
                "-c",
                "alias.bakstop-rehearsal=!f() { exec \"$1\"; }; f",
                "bakstop-rehearsal",
            ]);
            command.arg(file);
            command
        } else {
            return Ok(Performance { code: Some(0), said: Vec::new() });
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
            // Our ends of the pipe: while they are open, nobody else's end of it is the last.
            drop(command);
            let done = watch(child, reader, stop, listen);
            self.keep_what_refs_need()?;
            done.map_err(failed)
        });
        done.unwrap_or_else(|Interrupted| Err(Error::new(&*doing, "it was interrupted")))
    }

    /// A hook may put changes aside in a ref, as `git stash` does. What that ref needs was written
    /// into the store that is thrown away: it goes into the repository's own, where the commit
    /// would have put it.
    fn keep_what_refs_need(&self) -> Result<(), Error> {
        if list_refs(&self.git)? == self.refs {
            return Ok(());
        }
        self.keep_objects().map_err(|error| {
            Error::new("keep what a hook has put aside", error).help("see `git fsck`")
        })
    }

    fn keep_objects(&self) -> Result<(), WriteError> {
        for directory in read::list(&self.scratch.path().join("objects"))? {
            let real = self.real.join(directory.file_name().unwrap_or_default());
            for object in indexes_last(read::list(&directory)?) {
                let place = real.join(object.file_name().unwrap_or_default());
                if place.exists() {
                    continue;
                }
                if !real.is_dir() {
                    atomic::make_directory(&real, Bits::New(0o777))?;
                }
                match atomic::copy(&object, &place) {
                    // An object of this name has this content, whoever wrote it.
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

/// Files of an object store in an order to copy them in. The index of a pack makes its objects
/// known: the pack must be there by then.
fn indexes_last(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort_by_key(|file| file.extension().is_some_and(|extension| extension == "idx"));
    files
}

fn list_refs(git: &Git) -> Result<Vec<u8>, Error> {
    git.output("list the refs", &["for-each-ref", "--format=%(refname) %(objectname)"])
}

/// The variables that switch [`SETTINGS`] off, after those that are there (git-config(1),
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

/// Whether there is a commit. A HEAD that cannot be read is an error.
fn is_born(git: &Git) -> Result<bool, Error> {
    let doing = "read HEAD";
    if git.query(doing, &["rev-parse", "--quiet", "--verify", "HEAD"])?.is_some() {
        return Ok(true);
    }
    // A branch without a commit has a name; a broken one is an error here.
    git.output(doing, &["symbolic-ref", "HEAD"])
        .map(|_| false)
        .map_err(|error| error.or_help("see `git fsck`"))
}

/// Whether git would run this file as a hook.
fn is_run(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A path of `GIT_ALTERNATE_OBJECT_DIRECTORIES`, quoted as git quotes it where it must be (git(1)).
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

/// Waits for the end of a hook, and takes in what it says. Something that it leaves running may
/// hold the pipe open, and may go on talking; that is not waited for.
fn watch(
    mut child: Child,
    reader: PipeReader,
    stop: &AtomicBool,
    listen: impl FnMut(&[u8]),
) -> std::io::Result<Performance> {
    let (mut said, mut lines) = (Vec::new(), Lines::new(listen));
    let pieces = pieces(reader);
    let (mut ended, mut beat) = (None, Instant::now() + BEAT);
    loop {
        match pieces.recv_timeout(beat.saturating_duration_since(Instant::now())) {
            Ok(piece) => {
                lines.take(&piece);
                said.extend_from_slice(&piece);
                if said.len() > 2 * KEPT {
                    said.drain(..said.len() - KEPT);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                ended = child.try_wait()?;
                if ended.is_some() {
                    break;
                }
                // It closed its output, and runs on or is just ending.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // By the clock, and not when nothing comes: there may be no such time.
        if Instant::now() >= beat {
            if ended.is_some() {
                break; // What it wrote before its end had a beat to arrive.
            }
            ended = child.try_wait()?;
            beat = Instant::now() + BEAT;
        }
        if stop.load(Ordering::Relaxed) && ended.is_none() {
            ended = Some(child::end(&mut child)?);
            break;
        }
    }
    let ended = ended.map_or_else(|| child.wait(), Ok)?;
    lines.finish();
    said.drain(..said.len().saturating_sub(KEPT));
    Ok(Performance { code: ended.code(), said })
}

/// What comes out of a pipe, as it comes.
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

/// Puts pieces together to lines.
pub(super) struct Lines<Listen> {
    listen: Listen,
    /// The line that has not ended yet, or the start of it.
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

    /// Nothing more comes.
    pub(super) fn finish(mut self) {
        if !self.line.is_empty() {
            self.end();
        }
    }

    /// The line has ended. One that is too long is passed over.
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
    fn settings_are_added_to_those_that_are_there() {
        let env: Environment = [("GIT_CONFIG_COUNT", "3")].into_iter().collect();
        let variables = settings_off(&env);
        assert_eq!(variables[0], ("GIT_CONFIG_COUNT".into(), "7".into()));
        assert_eq!(variables[1], ("GIT_CONFIG_KEY_3".into(), "core.splitIndex".into()));
        assert_eq!(variables[8], ("GIT_CONFIG_VALUE_6".into(), "false".into()));
    }

    /// A shell that runs `script` and writes into a pipe, which is read.
    fn watched(script: &str, listen: impl FnMut(&[u8])) -> Performance {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = std::process::Command::new("sh");
        let child = command.args(["-c", script]).stdout(writer).spawn().unwrap();
        drop(command);
        watch(child, reader, &AtomicBool::new(false), listen).unwrap()
    }

    #[test]
    fn every_line_is_heard_and_the_last_of_them_are_kept() {
        let mut heard = Vec::new();
        let many = "echo early; yes middle | head -n 50000; sleep 0.3; echo late";
        let done = watched(many, |line| heard.push(line.to_vec()));
        assert_eq!((done.code, done.said.len(), heard.len()), (Some(0), KEPT, 50_002));
        assert_eq!(
            (&*heard[0], &*heard[1], &*heard[50_001]),
            (&b"early"[..], &b"middle"[..], &b"late"[..])
        );
        assert!(done.said.ends_with(b"middle\nlate\n"));
    }

    #[test]
    fn lines_are_put_together_and_endless_ones_passed_over() {
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
    fn what_a_hook_leaves_running_is_not_waited_for() {
        for left in ["sleep 60", "yes", "while echo x; do sleep 0.02; done", "cat /dev/zero"] {
            let mut heard = false;
            let start = Instant::now();
            let done =
                watched(&format!("echo first; timeout 60 sh -c '{left}' & exit 3"), |line| {
                    heard |= line == b"first";
                });
            assert!(done.code == Some(3) && heard && done.said.len() <= KEPT, "{left}");
            assert!(start.elapsed() < Duration::from_secs(30), "{left}: {:?}", start.elapsed());
        }
    }
}
