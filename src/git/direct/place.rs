//! Which repository git would use here, where that is beyond doubt.
//!
//! A list of what is allowed, not of what is not: an unknown variable, setting, extension or owner is for another layer.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::git::native::Handover;
use crate::os::env::Environment;

/// Variables of git that say nothing about what is staged. Those that end in `_` stand for all that begin so.
const HARMLESS: [&str; 34] = [
    "GIT_ADVICE",
    "GIT_ASKPASS",
    "GIT_ATTR_NOSYSTEM",
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    // The configuration of the user and the machine does not decide where a repository is, nor what its index holds.
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CURL_VERBOSE",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_HTTP_",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_",
    "GIT_LFS_",
    "GIT_MERGE_AUTOEDIT",
    "GIT_OPTIONAL_LOCKS",
    "GIT_PAGER",
    "GIT_PREFIX",
    "GIT_PS1_",
    "GIT_PROTOCOL",
    "GIT_REFLOG_ACTION",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_",
    "GIT_SSL_",
    "GIT_TERMINAL_PROMPT",
    "GIT_TRACE",
    "GIT_TRACE_",
    "GIT_TRACE2",
    "GIT_TRACE2_",
];

/// Extensions of the repository format that change nothing about the index, HEAD or objects that are here.
const EXTENSIONS: [&str; 3] = ["worktreeconfig", "partialclone", "preciousobjects"];

/// The directories of a repository with a work tree. All absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The top of the work tree.
    pub top: PathBuf,
    /// What belongs to this work tree: HEAD and the index.
    pub git: PathBuf,
    /// What all work trees share: refs and objects.
    pub common: PathBuf,
    /// The index.
    pub index: PathBuf,
    /// Whether we were started below the top of the work tree.
    pub below_top: bool,
}

impl Place {
    /// Finds it, as git does: gitrepository-layout(5), and `setup.c` of git for who must own it.
    pub(super) fn find(directory: &Path, env: &Environment) -> Result<Self, Handover> {
        let unknown = |name: &str| {
            name.starts_with("GIT_")
                && !HARMLESS.iter().any(|known| *known == name || known.ends_with('_') && name.starts_with(known))
        };
        if let Some(name) = env.names().filter_map(OsStr::to_str).find(|name| unknown(name)) {
            return Err(format!("{name} is set"));
        }
        let (top, git, linked) = match env.get("GIT_DIR") {
            // Then the current directory is the top: nothing else was said.
            Some(git) => (directory.to_owned(), directory.join(git), false),
            None => discover(directory)?,
        };
        let common = match read_line(&git.join("commondir"))? {
            Some(common) => git.join(common),
            None => git.clone(),
        };
        looks_like_a_repository(&git, &common)?;
        let common_config = settings(&common.join("config"))?.ok_or("the repository has no configuration")?;
        if common_config.has_own {
            settings(&git.join("config.worktree"))?;
        }
        if env.get("GIT_DIR").is_none() {
            owned(&top)?;
            owned(&git)?;
            if linked {
                owned(&top.join(".git"))?;
            }
        }
        let index = env.get("GIT_INDEX_FILE").map_or_else(|| git.join("index"), |path| top.join(path));
        Ok(Self { below_top: top != directory, top, git, common, index })
    }
}

/// The top of the work tree, its repository, and whether a file led there.
fn discover(directory: &Path) -> Result<(PathBuf, PathBuf, bool), Handover> {
    let device = about(directory)?.dev();
    for top in directory.ancestors() {
        if about(top)?.dev() != device {
            return Err("the search for the repository crosses a file system".into());
        }
        let git = top.join(".git");
        match fs::symlink_metadata(&git) {
            Ok(about) if about.is_dir() => {
                return Ok((top.to_owned(), git, false));
            }
            Ok(about) if about.is_file() => {
                let line = read_line(&git)?.ok_or("the file .git went away")?;
                let path = line.as_os_str().as_bytes().strip_prefix(b"gitdir: ");
                let path = path.ok_or("the file .git names no repository")?;
                return Ok((top.to_owned(), top.join(OsStr::from_bytes(path)), true));
            }
            Ok(_) => return Err(".git is neither a directory nor a file".into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Git would take this for a bare repository.
                if top.join("HEAD").exists() || top.join("objects").exists() {
                    return Err("there may be a bare repository on the way up".into());
                }
            }
            Err(error) => return Err(format!(".git cannot be looked at ({error})")),
        }
    }
    Err("no repository was found".into())
}

/// Git goes on upwards past a directory that is none.
fn looks_like_a_repository(git: &Path, common: &Path) -> Result<(), Handover> {
    let whole = git.join("HEAD").is_file() && common.join("objects").is_dir() && common.join("refs").is_dir();
    if whole { Ok(()) } else { Err("the directory .git is no whole repository".into()) }
}

/// Git does not trust a repository of somebody else, unless it is told to.
fn owned(path: &Path) -> Result<(), Handover> {
    if about(path)?.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err("the repository belongs to somebody else".into())
    }
}

fn about(path: &Path) -> Result<Metadata, Handover> {
    fs::symlink_metadata(path).map_err(|error| format!("a directory cannot be looked at ({error})"))
}

/// The text of a file of one line, without its end; `None` if there is no such file.
pub(super) fn read_line(path: &Path) -> Result<Option<PathBuf>, Handover> {
    let mut line = match fs::read(path) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the repository cannot be read ({error})")),
    };
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(PathBuf::from(OsStr::from_bytes(&line))))
}

/// What the configuration of a repository says about the repository itself.
struct Settings {
    /// Whether each work tree has a configuration of its own as well.
    has_own: bool,
}

/// Reads it; `None` if there is no such file. Files that it includes say nothing about this (`read_repository_format` of
/// git reads this file alone).
fn settings(path: &Path) -> Result<Option<Settings>, Handover> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the configuration cannot be read ({error})")),
    };
    let about = gix::config::file::Metadata::from(gix::config::Source::Local);
    let config = gix::config::File::from_bytes_no_includes(&text, about, gix::config::file::init::Options::default())
        .map_err(|error| format!("the configuration cannot be read ({error})"))?;
    if config.string("core.repositoryformatversion").is_some_and(|version| **version != *b"0" && **version != *b"1") {
        return Err("the repository has an unknown format".into());
    }
    if config.string("core.worktree").is_some() {
        return Err("core.worktree is set".into());
    }
    if !matches!(config.boolean("core.bare"), Ok(None | Some(false))) {
        return Err("the repository is bare".into());
    }
    for section in config.sections_by_name("extensions").into_iter().flatten() {
        for name in section.value_names() {
            if !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Err(format!("the repository uses the extension {name}"));
            }
        }
    }
    let has_own = !matches!(config.boolean("extensions.worktreeconfig"), Ok(None | Some(false)));
    Ok(Some(Settings { has_own }))
}
