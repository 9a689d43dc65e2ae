//! The files that `prep` and `restore` work on: a work tree of git; or, where there is no git, the
//! sources of an unpacked archive or in a stage of an image.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::commands::Context;
use crate::config;
use crate::disk::read::{self, FinalLink};
use crate::formats::{self, Syntax};
use crate::git::private::{self, Journal};
use crate::git::worktree::WorkTree;
use crate::git::worktree::plain::{has_no_repository, must_be_own};
use crate::project::kinds::FileKind;

/// What is not judged without git.
pub(super) const NOTE: &str = "bakstop: there is no git repository here: what .gitignore names is \
                               read as well, node_modules is not";

/// The work tree of the current directory, or the sources around it.
pub(super) fn open(context: &Context) -> Result<WorkTree, Error> {
    match top(context)? {
        Some(top) => Ok(WorkTree::without_git(top, &context.directory)),
        None => WorkTree::open(&context.directory).map_err(|error| {
            if !is_without_git(context) {
                return error;
            }
            error.help(
                "run this inside a git repository, or where a bakstop.json or a package.json is",
            )
        }),
    }
}

/// Whether git would find no repository.
fn is_without_git(context: &Context) -> bool {
    let named = context.env.get("GIT_DIR").is_some() || context.env.is_set_empty("GIT_DIR");
    !named && has_no_repository(&context.directory)
}

/// The top of the sources around the current directory; `None` if git is asked, and where nothing
/// marks them: another directory may be the whole disk.
///
/// It is the nearest directory upward with a configuration, or with a preparation in place; else
/// the nearest one with a workspace; else the current one, if it has a manifest.
pub(super) fn top(context: &Context) -> Result<Option<PathBuf>, Error> {
    let here = &context.directory;
    if !is_without_git(context) {
        return Ok(None);
    }
    let nearest = |marks: &dyn Fn(&Path) -> Option<PathBuf>| {
        here.ancestors().find_map(|top| marks(top).map(|mark| (top.to_owned(), mark)))
    };
    let existing = |path: PathBuf| path.symlink_metadata().is_ok().then_some(path);
    let is_ours = |top: &Path| {
        let journal = private::beside(top, Journal::Prepared);
        existing(top.join(config::FILE)).or_else(|| existing(journal))
    };
    let found = nearest(&is_ours).or_else(|| nearest(&workspace)).or_else(|| {
        let manifest = existing(here.join(FileKind::MANIFEST))?;
        Some((here.clone(), manifest))
    });
    let Some((top, mark)) = found else { return Ok(None) };
    must_be_own(&top)?;
    must_be_own(&mark)?;
    Ok(Some(top))
}

/// The file that makes a directory the root of a workspace.
fn workspace(top: &Path) -> Option<PathBuf> {
    let of_pnpm = top.join(FileKind::WORKSPACE_OF_PNPM);
    if of_pnpm.symlink_metadata().is_ok() {
        return Some(of_pnpm);
    }
    let manifest = top.join(FileKind::MANIFEST);
    let text = read::file(&manifest, FinalLink::Refuse, config::LIMIT).ok()?;
    let root = formats::parse(Syntax::Json, &text).ok()?;
    root.last("workspaces").map(|_| manifest)
}
