//! Judges the index and the work tree.

use crate::base::change::Change;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::commands::judge::judged::{Judged, Options, configuration, engine};
use crate::commands::judge::paths::Paths;
use crate::cure::commits::in_merge;
use crate::cure::{self, Facts};
use crate::engine::{Judgement, LIMIT};
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::git::{Git, Staged, merge};
use crate::report::plural;
use crate::rule::Finding;

/// Judges the index against HEAD.
pub(super) fn staged(
    options: &Options<'_>,
    paths: &Paths,
    context: &Context,
) -> Result<Judged, Error> {
    let staged = Staged::read(&context.directory, &context.env)?;
    if !staged.has_work_tree() {
        return Err(Error::new(
            "judge the staged files",
            "this is a bare repository or a .git directory, which has no work tree",
        )
        .help("name a scope (see `bakstop check --help`), or run this in a work tree"));
    }
    let (on_disk, committed) =
        (|path: &_| staged.on_disk(path, LIMIT), |path: &_| staged.committed(path, LIMIT));
    let change = paths.narrow(&staged);
    paths.must_exist_in(&staged)?;
    let mut judgement = in_files(&change, false, on_disk, committed, options, context)?;
    if !judgement.findings.is_empty() {
        about_merge(&mut judgement.findings, &staged, context);
    }
    let entries = change.fresh().len();
    let details =
        vec![format!("the index was {}; {} judged", staged.layer(), plural(entries, "new path"))];
    let judged = Judged::new(judgement, entries, details, "nothing new is staged");
    Ok(Judged { below_top: staged.is_below_top(), ..judged })
}

/// Adapts the steps for files that a merge brings.
fn about_merge(findings: &mut [Finding], staged: &Staged, context: &Context) {
    let git = Git::new(&context.directory);
    let Some(end) = merge::merged(&git, &context.env) else { return };
    in_merge(findings, |path| {
        let entry = staged.fresh().iter().find(|entry| entry.path == *path)?;
        Some((merge::bringing(&git, &end, entry)?, end))
    });
}

/// Judges the files of the work tree.
pub(super) fn work_tree(
    options: &Options<'_>,
    paths: &Paths,
    context: &Context,
) -> Result<Judged, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let (on_disk, committed) =
        (|path: &_| tree.text(path, LIMIT), |path: &_| tree.committed("HEAD", path));
    let change = paths.narrow(&files);
    paths.must_exist_in(&files)?;
    let whole = paths.is_empty();
    let judgement = in_files(&change, whole, on_disk, committed, options, context)?;
    let entries = change.fresh().len();
    let details = vec![format!("{} of the work tree judged", plural(entries, "file"))];
    let judged = Judged::new(judgement, entries, details, "the work tree has no files");
    Ok(Judged { below_top: !tree.prefix().is_empty(), ..judged })
}

/// Judges files of a work tree, and adapts the steps to the state of the files on disk and in HEAD.
fn in_files(
    change: &dyn Change,
    whole: bool,
    on_disk: impl Fn(&RepoPath) -> Option<Vec<u8>>,
    committed: impl Fn(&RepoPath) -> Option<Vec<u8>>,
    options: &Options<'_>,
    context: &Context,
) -> Result<Judgement, Error> {
    let config = configuration(change, options, context)?;
    let mut judgement = engine(&config, options).whole_tree(whole).judge(change)?;
    let facts = Facts {
        debris: config.debris(),
        on_disk: &on_disk,
        committed: &committed,
        script: &|| cure::script_in(change),
    };
    cure::in_files(&mut judgement.findings, &facts)?;
    Ok(judgement)
}
