//! The directory of the hooks, and the setting that decides it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read::canonicalize_existing;
use crate::git::process::{Git, parse_path, records};

/// The directories of a repository. All paths are absolute; symbolic links are resolved as far as
/// the path exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The top of the work tree, or a bare repository itself.
    pub top: PathBuf,
    pub bare: bool,
    /// The directory that all worktrees share: mostly `.git` of the main one.
    pub common: PathBuf,
    /// Where git looks for hooks now (`git rev-parse --git-path hooks`).
    pub hooks: PathBuf,
    /// `core.hooksPath`, if it is set.
    pub hooks_path: Option<HooksPath>,
    /// Whether the program was started below the top of the work tree.
    pub below_top: bool,
}

/// The setting `core.hooksPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HooksPath {
    /// The value, as written.
    pub value: RepoPath,
    pub scope: SettingScope,
    /// Where it is set, as git names it: `file:.git/config`.
    pub origin: RepoPath,
}

/// The scope of a setting (git-config(1), `--show-scope`).
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
        // The hooks of a bare repository run there: a relative `core.hooksPath` starts there.
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

    /// Where git looks if `core.hooksPath` is not set.
    pub(crate) fn default_hooks(&self) -> PathBuf {
        canonicalize_existing(&self.common.join("hooks"))
    }

    /// The relative `core.hooksPath` of all work trees, each of which resolves it on its own, and
    /// the absolute path to set instead; `None` if the default is the same.
    pub(crate) fn relative_hooks(&self) -> Option<(RepoPath, Option<RepoPath>)> {
        let HooksPath { value, origin, scope } = self.hooks_path.as_ref()?;
        let is_relative = !value.as_bytes().starts_with(b"/")
            && !value.as_bytes().starts_with(b"~")
            && !value.as_bytes().starts_with(b"%(prefix)");
        let file = RepoPath::new(origin.as_bytes().strip_prefix(b"file:")?);
        // A setting of one work tree does not apply to the others.
        let is_for_all =
            *scope == SettingScope::Repository && file.file_name() != b"config.worktree";
        if !is_relative || !is_for_all {
            return None;
        }
        let is_default = file.file_name() == b"config" && self.hooks == self.default_hooks();
        let absolute = (!is_default).then(|| RepoPath::from(self.hooks.as_path()));
        Some((value.clone(), absolute))
    }

    /// The directories named `.husky` that contain tracked files.
    pub(crate) fn tracked_husky(&self, git: &Git) -> Result<Vec<PathBuf>, Error> {
        let listing = git.output(
            "find .husky",
            &["ls-files", "-z", "--full-name", "--", ":(top,glob)**/.husky/*"],
        )?;
        let directory = |path| self.top.join(OsStr::from_bytes(RepoPath::new(path).parent()));
        let mut directories: Vec<PathBuf> = records(&listing).map(directory).collect();
        directories.dedup();
        Ok(directories)
    }
}

/// Whether git ignores new files in a directory of the work tree.
pub(crate) fn is_ignored(directory: &Path) -> Result<bool, Error> {
    let mut existing = directory;
    let mut below = String::from("pre-commit");
    // git is started in the nearest directory that exists, and asked about the rest of the path.
    while !existing.is_dir() {
        let (Some(parent), Some(name)) =
            (existing.parent(), existing.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        below = format!("{name}/{below}");
        existing = parent;
    }
    let doing = "check whether the hooks are ignored";
    Git::new(existing)
        .query(doing, &["check-ignore", "--quiet", "--", &below])
        .map(|answer| answer.is_some())
}

fn hooks_path(git: &Git) -> Result<Option<HooksPath>, Error> {
    let doing = "read core.hooksPath";
    let arguments =
        ["config", "--null", "--show-scope", "--show-origin", "--get", "core.hooksPath"];
    let Some(answer) = git.query(doing, &arguments)? else { return Ok(None) };
    parse_hooks_path(&answer).map(Some).ok_or_else(|| {
        Error::new(doing, "the output of git is not valid").help("use git 2.26 or newer")
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
