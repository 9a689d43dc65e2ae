//! The repository that git would use, if that is certain.
//!
//! This module uses allowlists: an unknown variable, setting, extension or owner is handed over.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gix::config::File;
use gix::config::file::{Metadata, init::Options};

use crate::git::layer::Handover;
use crate::git::source;
use crate::os::env::Environment;

/// Variables of git that change neither the location of the repository nor the staged content. A
/// name that ends in `_` is a prefix.
const HARMLESS: [&str; 34] = [
    "GIT_ADVICE",
    "GIT_ASKPASS",
    "GIT_ATTR_NOSYSTEM",
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    // The configuration of the user and the machine changes neither.
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

/// Extensions of the repository format that do not change how the index, HEAD and objects are read.
const EXTENSIONS: [&str; 3] = ["worktreeconfig", "partialclone", "preciousobjects"];

/// The extension that names the hash of all ids; only in format 1.
const OBJECT_FORMAT: &str = "objectformat";

/// The directories of a repository with a work tree. All absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// The top of the work tree.
    pub top: PathBuf,
    /// The directory of this work tree: HEAD and the index.
    pub git: PathBuf,
    /// The directory that all work trees share: refs and objects.
    pub common: PathBuf,
    pub index: PathBuf,
    /// The length of an object's id, in bytes.
    pub hash: usize,
    /// Whether the program was started below the top of the work tree.
    pub below_top: bool,
}

impl Repository {
    /// Finds it as git does: gitrepository-layout(5), and `setup.c` of git for the owner.
    pub(super) fn find(directory: &Path, env: &Environment) -> Result<Self, Handover> {
        check_variables(env)?;
        let (top, git, linked) = match env.get("GIT_DIR") {
            // Without `GIT_WORK_TREE`, the current directory is the top.
            Some(git) => (directory.to_owned(), directory.join(git), false),
            None => discover(directory)?,
        };
        let common = match read_line(&git.join("commondir"))? {
            Some(common) => git.join(OsStr::from_bytes(&common)),
            None => git.clone(),
        };
        looks_like_a_repository(&git, &common)?;
        let format = RepositoryFormat::read(&common.join("config"))?
            .ok_or("the repository has no configuration")?;
        if format.has_own_settings {
            RepositoryFormat::read(&git.join("config.worktree"))?;
        }
        if env.get("GIT_DIR").is_none() {
            owned(&top)?;
            owned(&git)?;
            if linked {
                owned(&top.join(".git"))?;
            }
        }
        let index =
            env.get("GIT_INDEX_FILE").map_or_else(|| git.join("index"), |path| top.join(path));
        Ok(Self { below_top: top != directory, top, git, common, index, hash: format.hash })
    }

    /// The directory of the object store.
    pub(super) fn objects(&self) -> PathBuf {
        self.common.join("objects")
    }

    /// Where a shallow clone lists the commits whose parents it lacks.
    pub(super) fn shallow(&self) -> PathBuf {
        self.common.join("shallow")
    }
}

/// Hands over if a variable may change the location of the repository or the staged content.
fn check_variables(env: &Environment) -> Result<(), Handover> {
    let is_harmless = |name: &str| {
        let is = |known: &&str| known == &name || known.ends_with('_') && name.starts_with(*known);
        HARMLESS.iter().any(is)
    };
    let mut names = env.names().filter_map(OsStr::to_str).filter(|name| name.starts_with("GIT_"));
    // To git, an empty variable is set.
    let blank = || ["GIT_DIR", "GIT_INDEX_FILE"].into_iter().find(|name| env.is_set_empty(name));
    match names.find(|name| !is_harmless(name)).or_else(blank) {
        Some(name) => Err(Handover::variable(name)),
        None => Ok(()),
    }
}

/// The top of the work tree, its repository, and whether `.git` is a file.
fn discover(directory: &Path) -> Result<(PathBuf, PathBuf, bool), Handover> {
    let device = metadata(directory)?.dev();
    for top in directory.ancestors() {
        if metadata(top)?.dev() != device {
            return Err("the search for the repository crosses a file system".into());
        }
        let git = top.join(".git");
        match fs::symlink_metadata(&git) {
            Ok(about) if about.is_dir() => {
                return Ok((top.to_owned(), git, false));
            }
            Ok(about) if about.is_file() => {
                let line = read_line(&git)?.ok_or("the file .git was removed")?;
                let path = line.strip_prefix(b"gitdir: ").ok_or("the file .git is malformed")?;
                return Ok((top.to_owned(), top.join(OsStr::from_bytes(path)), true));
            }
            Ok(_) => return Err(".git is neither a directory nor a file".into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Git would use it as a bare repository.
                if top.join("HEAD").exists() || top.join("objects").exists() {
                    return Err("a directory above may be a bare repository".into());
                }
            }
            Err(error) => return Err(Handover::failed(".git cannot be examined", error)),
        }
    }
    Err("no repository was found".into())
}

/// Git ignores a `.git` that is not a repository, and searches further up.
fn looks_like_a_repository(git: &Path, common: &Path) -> Result<(), Handover> {
    let whole = git.join("HEAD").is_file()
        && common.join("objects").is_dir()
        && common.join("refs").is_dir();
    if whole { Ok(()) } else { Err("the repository is incomplete".into()) }
}

/// Git refuses a repository of another user, unless `safe.directory` allows it.
fn owned(path: &Path) -> Result<(), Handover> {
    if metadata(path)?.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err("the repository belongs to another user".into())
    }
}

fn metadata(path: &Path) -> Result<fs::Metadata, Handover> {
    fs::symlink_metadata(path)
        .map_err(|error| Handover::failed("a directory cannot be examined", error))
}

/// The content of a file of one line, without the line end; `None` if the file is missing.
pub(super) fn read_line(path: &Path) -> Result<Option<Vec<u8>>, Handover> {
    let mut line = source::read_whole(path)
        .map_err(|error| Handover::failed("the repository cannot be read", error))?;
    if let Some(line) = &mut line {
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
    }
    Ok(line)
}

/// The settings that describe the repository itself.
struct RepositoryFormat {
    /// Whether each work tree has its own configuration as well.
    has_own_settings: bool,
    /// The length of an object's id, in bytes.
    hash: usize,
}

impl RepositoryFormat {
    /// Reads a configuration file; `None` if it is missing. Included files do not count:
    /// `read_repository_format` of git reads this file alone.
    fn read(path: &Path) -> Result<Option<Self>, Handover> {
        let unreadable = "the configuration cannot be read";
        let text = source::read_whole(path).map_err(|error| Handover::failed(unreadable, error))?;
        let Some(text) = text else { return Ok(None) };
        let about = Metadata::from(gix::config::Source::Local);
        let config = File::from_bytes_no_includes(&text, about, Options::default())
            .map_err(|error| Handover::failed(unreadable, error))?;
        let version = config.string("core.repositoryformatversion");
        let version = version.as_ref().map_or(&b"0"[..], |version| version);
        if !matches!(version, b"0" | b"1") {
            return Err("the repository has an unknown format".into());
        }
        if config.string("core.worktree").is_some() {
            return Err("core.worktree is set".into());
        }
        if !matches!(config.boolean("core.bare"), Ok(None | Some(false))) {
            return Err("the repository is bare".into());
        }
        let mut formats = 0;
        for section in config.sections_by_name("extensions").into_iter().flatten() {
            for name in section.value_names() {
                if name.eq_ignore_ascii_case(OBJECT_FORMAT) && version == b"1" {
                    formats += 1;
                } else if !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                    return Err(Handover::repository_extension(&name));
                }
            }
        }
        let hash = hash(&config, formats)?;
        let has_own_settings =
            !matches!(config.boolean("extensions.worktreeconfig"), Ok(None | Some(false)));
        Ok(Some(Self { has_own_settings, hash }))
    }
}

/// The length of an id in the object format, which may be named at most once.
fn hash(config: &File, formats: usize) -> Result<usize, Handover> {
    let name = if formats == 1 { config.string("extensions.objectformat") } else { None };
    match (formats, name.as_ref().map(|name| &name[..])) {
        (0, _) | (1, Some(b"sha1")) => Ok(20),
        (1, Some(b"sha256")) => Ok(32),
        _ => Err(Handover::repository_extension(OBJECT_FORMAT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of an id in a repository with this configuration.
    fn hash_of(config: &str) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), config).unwrap();
        let format = RepositoryFormat::read(file.path()).map_err(|reason| reason.to_string())?;
        Ok(format.unwrap().hash)
    }

    #[test]
    fn the_hash_is_known_if_format_1_names_it_once() {
        let one = "[core]\nrepositoryFormatVersion = 1\n";
        let named = |name: &str| format!("{one}[extensions]\nobjectFormat = {name}\n");
        assert_eq!(hash_of("[core]\n"), Ok(20));
        assert_eq!(hash_of(one), Ok(20));
        assert_eq!(hash_of(&named("sha1")), Ok(20));
        assert_eq!(hash_of(&named("sha256")), Ok(32));
        for wrong in [
            named("SHA256"),
            named("sha512"),
            named("sha256\nobjectformat = sha256"),
            format!("{one}[extensions]\nobjectFormat\n"),
            format!("{one}[extensions \"x\"]\nobjectFormat = sha256\n"),
            "[extensions]\nobjectFormat = sha256\n".to_owned(),
            "[core]\nrepositoryFormatVersion = 0\n[extensions]\nobjectFormat = sha256\n".to_owned(),
        ] {
            let reason = hash_of(&wrong).unwrap_err();
            assert!(reason.starts_with("the repository uses the extension "), "{wrong}: {reason}");
        }
    }
}
