//! The file of a hook, and the hook that was kept when it was installed.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::atomic;
use crate::disk::read::{self, FinalLink};
use crate::hooks::block::{self, Found};
use crate::hooks::fallback::Fallback;
use crate::hooks::shim::{self, Author};
use crate::hooks::{Hook, LIMIT, display_path, unreadable};

/// The file at the path of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookFile {
    Missing,
    Regular {
        text: Vec<u8>,
        mode: u32,
    },
    /// A symbolic link, with the content and permission bits of its target, if any.
    Link(Option<(Vec<u8>, u32)>),
    /// A directory or a special file.
    Other,
}

impl HookFile {
    /// Reads the file at a path. Only a regular file is opened.
    pub(crate) fn read(path: &Path, top: &Path) -> Result<Self, Error> {
        let failed = |error| unreadable(path, top, &error);
        let about =
            read::if_exists(path.symlink_metadata()).map_err(|error| failed(error.into()))?;
        let Some(about) = about else { return Ok(Self::Missing) };
        if !about.is_symlink() && !about.is_file() {
            return Ok(Self::Other);
        }
        let link = if about.is_symlink() { FinalLink::Follow } else { FinalLink::Refuse };
        let read = read::open(path, link)
            .and_then(|(file, about)| Ok((read::content(&file, &about, LIMIT)?, about)));
        match read {
            Ok((text, about)) if link == FinalLink::Refuse => {
                Ok(Self::Regular { text, mode: atomic::mode(&about) })
            }
            Ok((text, about)) => Ok(Self::Link(Some((text, atomic::mode(&about))))),
            // A dangling link is not a hook, but is kept like one.
            Err(error) if link == FinalLink::Follow && error.is_dead_end() => Ok(Self::Link(None)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Why git ignores it as a hook; `None` if git runs it.
    pub(crate) fn why_ignored(&self) -> Option<&'static str> {
        match self {
            Self::Regular { mode, .. } | Self::Link(Some((_, mode))) => {
                (mode & 0o111 == 0).then_some("not executable")
            }
            Self::Link(None) => Some("a link that does not point to a file"),
            Self::Missing => Some("missing"),
            Self::Other => Some("not a file"),
        }
    }
}

/// The place of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub hook: Hook,
    pub path: PathBuf,
    pub file: HookFile,
    /// The path at which the hook that was there before is kept.
    pub kept: PathBuf,
    pub kept_file: HookFile,
    /// `path` for messages.
    pub name: RepoPath,
    /// `kept` for messages.
    pub kept_name: RepoPath,
}

/// A directory of hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookDirectory {
    pub directory: PathBuf,
    pub exists: bool,
    /// Whether it contains husky's tracked files.
    pub husky: bool,
    /// The paths of all its files.
    pub names: Vec<PathBuf>,
    pub slots: Vec<Slot>,
}

impl HookDirectory {
    /// Reads a clone's directory of hook files that git runs.
    pub(crate) fn native(directory: &Path, top: &Path) -> Result<Self, Error> {
        Self::read(directory, false, top, &Hook::STRICT, Slot::native)
    }

    /// Reads the directory of husky's tracked files.
    pub(crate) fn husky(directory: &Path, top: &Path) -> Result<Self, Error> {
        Self::read(directory, true, top, &Hook::STRICT, Slot::husky)
    }

    /// Reads a server's directory of hook files that git runs.
    pub(crate) fn server(directory: &Path, top: &Path) -> Result<Self, Error> {
        Self::read(directory, false, top, &[Hook::PreReceive], Slot::native)
    }

    /// Reads a directory of programs that a server's `pre-receive` runs.
    pub(crate) fn delegated(directory: &Path, top: &Path) -> Result<Self, Error> {
        Self::read(directory, false, top, &[Hook::PreReceive], Slot::delegated)
    }

    fn read(
        directory: &Path,
        husky: bool,
        top: &Path,
        hooks: &[Hook],
        slot: impl Fn(&Path, Hook, &Path) -> Result<Slot, Error>,
    ) -> Result<Self, Error> {
        let slots: Result<Vec<Slot>, Error> =
            hooks.iter().map(|hook| slot(directory, *hook, top)).collect();
        let names = match read::list(directory) {
            Err(error) if read::is_absent(&error) => Vec::new(),
            listed => listed.map_err(|error| {
                Error::new(format!("list {}", display_path(directory, top)), error)
                    .help("make it readable by this user")
            })?,
        };
        Ok(Self {
            directory: directory.to_owned(),
            exists: directory.is_dir(),
            husky,
            names,
            slots: slots?,
        })
    }
}

/// The suffix of a hook that is kept. It stays in its directory, so that relative links and scripts
/// that look into their own directory still work.
const KEPT: &str = "before-bakstop";
/// The suffix of a hook that pre-commit and prek found and still run.
const CHAINED: &str = "legacy";
/// The name of our file among the programs that a server's hook runs.
const DELEGATED: &str = "bakstop";

impl Slot {
    /// A hook in a directory of files that git runs.
    fn native(directory: &Path, hook: Hook, top: &Path) -> Result<Self, Error> {
        let slot = Self::at(directory, directory.join(hook.name()), hook, top)?;
        // A manager that was installed later may have renamed our file, and runs it.
        let chained = directory.join(format!("{}.{CHAINED}", hook.name()));
        if slot.author() == Author::Others && chained.exists() {
            let chained = Self::at(directory, chained, hook, top)?;
            if chained.author() != Author::Others {
                return Ok(chained);
            }
        }
        Ok(slot)
    }

    /// Our file in a directory of programs. No hook is kept there: programs of other names run too.
    fn delegated(directory: &Path, hook: Hook, top: &Path) -> Result<Self, Error> {
        Self::at(directory, directory.join(DELEGATED), hook, top)
    }

    /// A hook among husky's tracked files. A link is followed: its target is edited.
    fn husky(directory: &Path, hook: Hook, top: &Path) -> Result<Self, Error> {
        let path = directory.join(hook.name());
        let real = read::canonicalize_existing(&path);
        if !real.starts_with(top) {
            return Err(Error::new(
                format!("edit {}", display_path(&path, top)),
                format!("it points to {}, outside the work tree", display_path(&real, top)),
            )
            .help("replace the link with a file"));
        }
        Self::at(directory, real, hook, top)
    }

    fn at(directory: &Path, path: PathBuf, hook: Hook, top: &Path) -> Result<Self, Error> {
        let kept = directory.join(format!("{}.{KEPT}", hook.name()));
        Ok(Self {
            hook,
            file: HookFile::read(&path, top)?,
            kept_file: HookFile::read(&kept, top)?,
            name: display_path(&path, top),
            kept_name: display_path(&kept, top),
            path,
            kept,
        })
    }

    /// The directory in which git or husky finds the hook.
    pub(crate) fn directory(&self) -> &Path {
        self.kept.parent().unwrap_or(&self.kept)
    }

    /// The content of the file, also through a link.
    pub(crate) fn text(&self) -> &[u8] {
        match &self.file {
            HookFile::Regular { text, .. } | HookFile::Link(Some((text, _))) => text,
            _ => &[],
        }
    }

    pub(crate) fn author(&self) -> Author {
        shim::author(self.text(), self.hook)
    }

    /// Whether it is a hook file that we wrote and that git runs.
    pub(crate) fn is_file_of_ours(&self) -> bool {
        matches!(self.author(), Author::Bakstop(_)) && self.is_executable()
    }

    pub(crate) fn is_ours(&self) -> bool {
        is_ours(self.text(), self.hook)
    }

    /// What our file or block does without the program; `None` if there is none.
    pub(crate) fn fallback(&self) -> Option<Fallback> {
        match (self.author(), block::look(self.text(), self.hook)) {
            (Author::Bakstop(shim), _) => Some(shim.fallback),
            (_, Found::Block(block)) => Some(block.fallback),
            _ => None,
        }
    }

    /// Whether every user can run the file: a server may run as another user.
    pub(crate) fn is_for_everyone(&self) -> bool {
        matches!(self.file, HookFile::Regular { mode, .. } if mode & 0o555 == 0o555)
    }

    /// Whether git runs the file.
    pub(crate) fn is_executable(&self) -> bool {
        self.file.why_ignored().is_none()
    }

    pub(crate) fn has_kept(&self) -> bool {
        self.kept_file != HookFile::Missing
    }

    /// Whether a server's `pre-receive` runs our file, instead of git.
    pub(crate) fn is_delegated(&self) -> bool {
        self.path.ends_with(DELEGATED)
    }

    /// Whether another manager has renamed our file and runs it.
    pub(crate) fn is_chained(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == CHAINED)
    }
}

/// Whether we wrote a hook, or a block in it.
pub(super) fn is_ours(text: &[u8], hook: Hook) -> bool {
    shim::author(text, hook) != Author::Others || block::look(text, hook) != Found::Nothing
}
