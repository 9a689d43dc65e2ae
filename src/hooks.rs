//! The hooks in a repository: how it runs them, what is to be changed, and whether they are in
//! force.
//!
//! `setup` finds out how the repository runs its hooks; `slot` reads what stands where a hook
//! belongs; `plan` turns that into edits, without touching anything; `apply` makes them; `health`
//! judges what is there, in the words of `state`. `shim` and `block` know the two texts that are
//! installed, `manager` the programs that we do not edit for and `by_hand` what a person adds
//! there, `binary` where the guard itself lies, `server` how a bare repository runs its hooks.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem::find;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink, ReadError};
use crate::os::env::Environment;
use crate::rule::Rule;
use crate::rules;

pub(crate) mod binary;
mod block;
pub(crate) mod by_hand;
pub(crate) mod layout;
mod manager;
pub(crate) mod operation;
pub(crate) mod rehearsal;
mod shim;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod server;
pub(crate) mod setup;
pub(crate) mod plan;
pub(crate) mod apply;
pub(crate) mod health;

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;

/// The hooks that are installed: those that can stop a commit or a push, and see its content
/// (githooks(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Hook {
    /// Before a commit
    PreCommit,
    /// Before the commit of a merge
    PreMergeCommit,
    /// Before a push
    PrePush,
    /// Before the message of a commit, also of a cherry-pick, a revert or a rebase
    PrepareCommitMsg,
    /// On a server, before a push is accepted
    PreReceive,
}

/// Set to 0 in the environment, it switches the hooks off.
pub(crate) const SWITCH: &str = "BAKSTOP";
/// Rules that the hooks pass over, separated by commas.
pub(crate) const SKIP: &str = "BAKSTOP_SKIP";

/// The rules that [`SKIP`] names, each once; or the first name that is no rule's.
pub(crate) fn skipped(env: &Environment) -> Result<Vec<&'static Rule>, String> {
    let named = env.text(SKIP).unwrap_or_default();
    let mut skipped: Vec<&'static Rule> = Vec::new();
    for id in named.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        let rule = rules::find(id).ok_or(id)?;
        if !skipped.contains(&rule) {
            skipped.push(rule);
        }
    }
    Ok(skipped)
}

impl Hook {
    /// The hooks that a clone gets.
    pub(crate) const USUAL: [Self; 3] = [Self::PreCommit, Self::PreMergeCommit, Self::PrePush];
    /// Those that it gets on demand as well.
    pub(crate) const STRICT: [Self; 4] =
        [Self::PreCommit, Self::PreMergeCommit, Self::PrePush, Self::PrepareCommitMsg];

    /// The name that git gives it: its file, and the argument of `bakstop hook`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::PrePush => "pre-push",
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::PreReceive => "pre-receive",
        }
    }

    /// What the hook can stop.
    pub(crate) fn act(self) -> &'static str {
        match self {
            Self::PreCommit | Self::PrepareCommitMsg => "commit",
            Self::PreMergeCommit => "merge",
            Self::PrePush | Self::PreReceive => "push",
        }
    }

    /// The git command to repeat after the hook has stopped it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::PreCommit | Self::PrepareCommitMsg => "git commit",
            Self::PreMergeCommit => "git merge --continue",
            Self::PrePush | Self::PreReceive => "git push",
        }
    }

    /// Whether git tells on standard input what is going to happen: a line for each ref.
    pub(crate) fn reads_lines(self) -> bool {
        matches!(self, Self::PrePush | Self::PreReceive)
    }

    /// The command that installs it.
    pub(crate) fn install(self) -> &'static str {
        if self == Self::PreReceive { "bakstop install --server" } else { "bakstop install" }
    }

    /// What a script runs to call the guard, with the arguments that it was given.
    pub(crate) fn call(self) -> String {
        let arguments =
            if matches!(self, Self::PreCommit | Self::PreMergeCommit) { "" } else { " \"$@\"" };
        format!("bakstop hook {}{arguments}", self.name())
    }

    /// A template of a hook file, fitted to this hook. It is written for a hook that reads lines:
    /// the others neither keep them nor pass them on, and hand over to the guard for good.
    fn fit(self, template: &str) -> String {
        let done = if self.act() == "push" { "pushed" } else { "committed" };
        let text = template
            .replace("@HOOK@", self.name())
            .replace("@COMMAND@", self.command())
            .replace("@DONE@", done);
        if self.reads_lines() {
            return text;
        }
        let (kept, rest) = (format!("{FEED}\"$kept\""), format!("{FEED}sh -e"));
        let lines = text.split_inclusive('\n').filter(|line| !line.contains("lines=$("));
        let text: String = lines.collect();
        let text = text.replace(&kept, "\"$kept\"").replace(&rest, "sh -e");
        text.replace(FEED, "exec ").replace("\"$@\"; exit; fi", "\"$@\"; fi")
    }
}

/// How a hook file passes on what it read.
const FEED: &str = "printf %s \"$lines\" 2>/dev/null | ";

/// A path as it is shown to a person who knows the top of the work tree: relative to it where it
/// lies below.
pub(crate) fn shown(path: &Path, top: &Path) -> RepoPath {
    RepoPath::new(path.strip_prefix(top).unwrap_or(path).as_os_str().as_bytes())
}

/// The most bytes of a hook, or of a file that configures hooks: a hook may be a compiled program.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The bytes of a file; `None` if it is missing. What cannot be read is doubt, not absence.
fn read_if_there(path: &Path, top: &Path) -> Result<Option<Vec<u8>>, Error> {
    // A directory is not a hook.
    let text =
        if path.is_dir() { Ok(None) } else { read::file_if_there(path, FinalLink::Follow, LIMIT) };
    text.map_err(|error| unreadable(path, top, &error))
}

fn unreadable(path: &Path, top: &Path, error: &ReadError) -> Error {
    Error::new(format!("read {}", shown(path, top)), error).help(error.next_step())
}

/// A short digest of a text (FNV-1a). It tells our own text from one that somebody edited; it keeps
/// nobody out.
fn digest(parts: &[&[u8]]) -> String {
    let hash = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// The place of a digest in a text that is not yet sealed.
const DIGEST: &str = "@DIGEST@";

/// Puts the digest of a text into its place.
fn seal(text: &[u8]) -> Vec<u8> {
    let Some(at) = find(text, DIGEST.as_bytes()) else { return text.to_owned() };
    let (before, after) = (&text[..at], &text[at + DIGEST.len()..]);
    [before, digest(&[before, after]).as_bytes(), after].concat()
}

/// Whether a text that carries its digest after `mark` is as it was when it was sealed.
fn is_sealed(text: &[u8], mark: &[u8]) -> bool {
    let Some(at) = find(text, mark).map(|at| at + mark.len()) else { return false };
    let (before, rest) = text.split_at(at);
    rest.split_at_checked(8)
        .is_some_and(|(seal, after)| seal == digest(&[before, after]).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_breaks_when_a_byte_changes() {
        let sealed = seal(b"#!/bin/sh\n# mark @DIGEST@, text\nexit 2\n");
        assert!(is_sealed(&sealed, b"# mark "));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(!is_sealed(&changed, b"# mark "), "{at}");
        }
        assert!(!is_sealed(b"# mark ", b"# mark "));
    }
}
