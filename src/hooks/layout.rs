//! Where git takes its hooks from, and why from there.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::canonicalize_existing;
use crate::git::process::{Git, parse_path, records};

/// The places of a repository. All paths are absolute and free of symbolic links, as far as they
/// exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The top of the work tree; of a bare repository, the repository itself.
    pub top: PathBuf,
    /// Whether the repository is bare: then nothing is committed here, but it may be pushed to.
    pub bare: bool,
    /// What the worktrees of the repository share: mostly `.git` of the main one.
    pub common: PathBuf,
    /// Where git looks for hooks now (`git rev-parse --git-path hooks`).
    pub hooks: PathBuf,
    /// What `core.hooksPath` says, if it is set.
    pub hooks_path: Option<HooksPath>,
    /// Whether the program was started below the top of the work tree.
    pub below_top: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HooksPath {
    /// The value, as written.
    pub value: RepoPath,
    /// Which configuration sets it.
    pub scope: SettingScope,
    /// Where it is set, as git names it: `file:.git/config`.
    pub origin: RepoPath,
}

/// How far a setting reaches (git-config(1), `--show-scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingScope {
    /// This repository, or this worktree of it.
    Repository,
    /// Every repository of this user.
    User,
    /// Every repository of this machine.
    Machine,
    /// This run only: `git -c`, or an environment variable.
    Run,
}

impl Layout {
    /// Asks git. Fails inside the `.git` directory of a work tree.
    pub(crate) fn of(git: &Git) -> Result<Self, Error> {
        let doing = "find the hooks of this repository";
        let kind =
            git.output(doing, &["rev-parse", "--is-bare-repository", "--is-inside-work-tree"])?;
        let (bare, top) = match kind.as_slice() {
            b"false\ntrue\n" => (false, "--show-toplevel"),
            b"true\nfalse\n" => (true, "--absolute-git-dir"),
            _ => {
                return Err(Error::new(doing, "this is not inside a work tree")
                    .help("change to the work tree"));
            }
        };
        let path = |git: &Git, arguments: &[&str]| {
            git.output(doing, arguments)
                .map(|answer| canonicalize_existing(&git.directory().join(parse_path(answer))))
        };
        let top = path(git, &["rev-parse", top])?;
        // Hooks of a bare repository run there, and a relative `core.hooksPath` is meant from
        // there.
        let git = if bare { &Git::new(&top) } else { git };
        Ok(Self {
            bare,
            common: path(git, &["rev-parse", "--git-common-dir"])?,
            hooks: path(git, &["rev-parse", "--git-path", "hooks"])?,
            hooks_path: hooks_path(git)?,
            below_top: !bare && !git.prefix(doing)?.is_empty(),
            top,
        })
    }

    /// Where hooks lie if nothing is configured.
    pub(crate) fn default_hooks(&self) -> PathBuf {
        canonicalize_existing(&self.common.join("hooks"))
    }
}

/// The directories named `.husky` that hold tracked files, relative to the top of the work tree.
pub(crate) fn tracked_husky_directories(git: &Git) -> Result<Vec<RepoPath>, Error> {
    let listing = git.output(
        "look for .husky",
        &["ls-files", "-z", "--full-name", "--", ":(top,glob)**/.husky/*"],
    )?;
    let mut directories: Vec<RepoPath> =
        records(&listing).map(|path| RepoPath::new(RepoPath::new(path).parent())).collect();
    directories.dedup();
    Ok(directories)
}

/// Whether git ignores what is written into a directory of the work tree.
pub(crate) fn is_ignored(directory: &Path) -> Result<bool, Error> {
    let mut standing = directory;
    let mut below = String::from("pre-commit");
    // git runs in the nearest directory that exists, and is asked about the rest.
    while !standing.is_dir() {
        let (Some(parent), Some(name)) =
            (standing.parent(), standing.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        below = format!("{name}/{below}");
        standing = parent;
    }
    let doing = "ask git whether the hooks are ignored";
    Git::new(standing)
        .query(doing, &["check-ignore", "--quiet", "--", &below])
        .map(|answer| answer.is_some())
}

fn hooks_path(git: &Git) -> Result<Option<HooksPath>, Error> {
    let doing = "read core.hooksPath";
    let arguments =
        ["config", "--null", "--show-scope", "--show-origin", "--get", "core.hooksPath"];
    let Some(answer) = git.query(doing, &arguments)? else { return Ok(None) };
    parse_hooks_path(&answer).map(Some).ok_or_else(|| {
        Error::new(doing, "git's answer is not understood").help("git 2.26 or newer is needed")
    })
}

/// Parses `scope NUL origin NUL value NUL`.
pub(super) fn parse_hooks_path(answer: &[u8]) -> Option<HooksPath> {
    let mut fields = answer.split(|&byte| byte == 0);
    let (scope, origin, value) = (fields.next()?, fields.next()?, fields.next()?);
    let scope = match scope {
        b"local" | b"worktree" => SettingScope::Repository,
        b"global" => SettingScope::User,
        b"system" => SettingScope::Machine,
        b"command" => SettingScope::Run,
        _ => return None,
    };
    Some(HooksPath { value: RepoPath::new(value), scope, origin: RepoPath::new(origin) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_parsed_or_refused() {
        let found = parse_hooks_path(b"local\0file:.git/config\0.husky/_\0").unwrap();
        assert_eq!(
            (found.value.as_bytes(), found.scope, found.origin.as_bytes()),
            (&b".husky/_"[..], SettingScope::Repository, &b"file:.git/config"[..])
        );
        assert_eq!(parse_hooks_path(b"global\0file:x\0\0").unwrap().value.as_bytes(), b"");
        for wrong in [&b""[..], b"local", b"galactic\0file:x\0y\0"] {
            assert_eq!(parse_hooks_path(wrong), None);
        }
    }
}
