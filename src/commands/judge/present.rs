//! Judges the index and the work tree.

use crate::base::change::Change;
use crate::base::error::Error;
use crate::commands::Context;
use crate::commands::judge::judged::{Judged, Options, configuration, engine};
use crate::commands::judge::narrowed::{must_exist_in, narrow};
use crate::commands::paths::Paths;
use crate::commands::restoring::index;
use crate::commands::restoring::work_tree::plan;
use crate::config::Config;
use crate::cure::commits::in_merge;
use crate::cure::{self, Facts};
use crate::engine::{Judgement, LIMIT};
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
    let config = configuration(&staged, options, context)?;
    let facts = Facts {
        debris: config.debris(),
        on_disk: &|path| staged.on_disk(path, LIMIT),
        is_tracked: &|_| true,
        plan: &|| index::plan(&staged, config.debris(), &Paths::default()).ok(),
        staged: true,
    };
    let change = narrow(paths, &staged);
    must_exist_in(paths, &staged)?;
    let mut judgement = in_files(&change, false, &config, &facts, options)?;
    if !judgement.findings.is_empty() && staged.may_be_merge() {
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
    let tree = options.tree(context)?;
    let files = OnDisk::all(&tree)?;
    let config = configuration(&files, options, context)?;
    let (debris, all, terminal) = (config.debris(), Paths::default(), context.terminal);
    let facts = Facts {
        debris,
        on_disk: &|path| tree.text(path, LIMIT),
        is_tracked: &|path| tree.committed(":0", path).is_some(),
        plan: &|| plan(&files, debris, &all, terminal).ok(),
        staged: false,
    };
    let change = narrow(paths, &files);
    must_exist_in(paths, &files)?;
    let judgement = in_files(&change, paths.is_empty(), &config, &facts, options)?;
    let entries = change.fresh().len();
    let details = vec![format!("{} of the work tree judged", plural(entries, "file"))];
    let judged = Judged::new(judgement, entries, details, "the work tree has no files");
    Ok(Judged { below_top: !tree.prefix().is_empty(), ..judged })
}

/// Judges files, and adapts the steps to the state of the repository.
fn in_files(
    change: &dyn Change,
    whole: bool,
    config: &Config,
    facts: &Facts<'_>,
    options: &Options<'_>,
) -> Result<Judgement, Error> {
    let mut judgement = engine(config, options).whole_tree(whole).judge(change)?;
    cure::in_files(&mut judgement.findings, facts);
    Ok(judgement)
}
