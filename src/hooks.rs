//! The hooks of a repository: how it runs them, how they are installed, and whether they run the
//! guard. Only `apply` changes anything.
//!
//! `setup` detects how the repository runs its hooks, and `server` how a bare one does; `slot`
//! reads the files; `plan` computes edits, and `apply` makes them; `health` reports a `state` for
//! each hook. `shim` and `block` are the two texts that are installed. `manager` lists the hook
//! managers whose configuration the user edits, and `by_hand` renders what to add to it. `lookup`
//! finds the program that a hook runs, and `binary` is about one; `fallback` is what a hook does
//! without it. `configured` is about hooks that git's configuration names. `rehearsal` runs a hook
//! without a commit. `occasion` is what a hook is run for.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem::find;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::{self, FinalLink, ReadError};
use crate::hooks::fallback::Fallback;
use crate::os::env::Environment;
use crate::rule::Rule;
use crate::rules;

pub(crate) mod binary;
pub(crate) mod lookup;
pub(crate) mod fallback;
mod block;
pub(crate) mod by_hand;
pub(crate) mod layout;
mod manager;
pub(crate) mod occasion;
pub(crate) mod operation;
pub(crate) mod rehearsal;
mod shim;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod server;
pub(crate) mod setup;
pub(crate) mod prepare;
pub(crate) mod plan;
pub(crate) mod configured;
pub(crate) mod apply;
pub(crate) mod health;

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;

/// The hooks that are installed: those that can stop a commit or a push, and see its content
/// (githooks(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Hook {
    // Before a commit
    PreCommit,
    // Before the commit of a merge
    PreMergeCommit,
    // Before a push
    PrePush,
    // Before the message of a commit, a cherry-pick, a revert or a rebase
    PrepareCommitMsg,
    // On a server, before a push is accepted
    PreReceive,
}

/// Set to 0 in the environment, it switches the hooks off.
pub(crate) const SWITCH: &str = "BAKSTOP";
/// Names the rules that the hooks skip, separated by commas.
pub(crate) const SKIP: &str = "BAKSTOP_SKIP";

/// The rules that [`SKIP`] names, without duplicates. The error is the first unknown name.
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
    /// These, and the hook that `--strict` adds.
    pub(crate) const STRICT: [Self; 4] =
        [Self::PreCommit, Self::PreMergeCommit, Self::PrePush, Self::PrepareCommitMsg];

    /// The name of its file, and the argument of `bakstop hook`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::PrePush => "pre-push",
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::PreReceive => "pre-receive",
        }
    }

    /// The action that the hook can stop.
    pub(crate) fn action(self) -> &'static str {
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

    /// Whether git writes a line for each ref to its standard input.
    pub(crate) fn reads_lines(self) -> bool {
        matches!(self, Self::PrePush | Self::PreReceive)
    }

    /// The command that installs it.
    pub(crate) fn install(self) -> &'static str {
        if self == Self::PreReceive { "bakstop install --server" } else { "bakstop install" }
    }

    /// The command by which a script calls the guard with its own arguments.
    pub(crate) fn call(self) -> String {
        let arguments =
            if matches!(self, Self::PreCommit | Self::PreMergeCommit) { "" } else { " \"$@\"" };
        format!("bakstop hook {}{arguments}", self.name())
    }

    /// Fills in a template of a hook file, except for its words of any bytes. The template is for a
    /// hook that reads lines; for the others, the pipes are removed and the guard is started by
    /// `exec`.
    fn fill_template(self, template: &str, fallback: &Fallback) -> String {
        let done = if self.action() == "push" { "pushed" } else { "committed" };
        let text = fallback
            .fill(&with_parts(template))
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

/// The parts of the templates that are the same in hook files and in husky's.
const PARTS: [(&str, &str); 2] = [
    ("@FIND@", include_str!("../hooks/find.sh")),
    ("@MISSING@", include_str!("../hooks/missing.sh")),
];

/// A template with its parts, which take the indentation of their place.
fn with_parts(template: &str) -> String {
    let mut text = String::new();
    for line in template.split_inclusive('\n') {
        let Some((_, part)) = PARTS.iter().find(|(name, _)| line.trim() == *name) else {
            text += line;
            continue;
        };
        let indent = line.strip_suffix(line.trim_start()).unwrap_or_default();
        // The directive for a checker of scripts belongs to the part as a file.
        let lines = part.split_inclusive('\n').skip(1);
        text.extend(lines.map(|line| format!("{indent}{line}")));
    }
    text
}

/// How a hook file passes its input on.
const FEED: &str = "printf %s \"$lines\" 2>/dev/null | ";

/// A path for messages: relative to the top of the work tree if it lies below.
pub(crate) fn display_path(path: &Path, top: &Path) -> RepoPath {
    RepoPath::new(path.strip_prefix(top).unwrap_or(path).as_os_str().as_bytes())
}

/// The maximum size in bytes of a hook or a configuration of hooks. A hook may be a compiled
/// program.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The bytes of a file; `None` if it is missing. A file that cannot be read is an error.
fn read_if_exists(path: &Path, top: &Path) -> Result<Option<Vec<u8>>, Error> {
    // A directory is not a hook.
    let text =
        if path.is_dir() { Ok(None) } else { read::file_if_exists(path, FinalLink::Follow, LIMIT) };
    text.map_err(|error| unreadable(path, top, &error))
}

fn unreadable(path: &Path, top: &Path, error: &ReadError) -> Error {
    Error::new(format!("read {}", display_path(path, top)), error).help(error.next_step())
}

/// A short digest of a text (FNV-1a). It detects edits of our text; it is not cryptographic.
fn digest(parts: &[&[u8]]) -> String {
    let hash = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// The placeholder of the digest.
const DIGEST: &str = "@DIGEST@";

/// Replaces the placeholder by the digest of the rest.
fn seal(text: &[u8]) -> Vec<u8> {
    let Some(at) = find(text, DIGEST.as_bytes()) else { return text.to_owned() };
    let (before, after) = (&text[..at], &text[at + DIGEST.len()..]);
    [before, digest(&[before, after]).as_bytes(), after].concat()
}

/// Whether a text is unchanged since it was sealed; its digest follows `mark`.
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
