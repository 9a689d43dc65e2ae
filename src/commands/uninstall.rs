//! `bakstop uninstall`: remove the hooks, and restore every byte that was there before.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome, configuring};
use crate::cure::setup as cure;
use crate::git::Git;
use crate::git::process::records;
use crate::hooks::configured::{self, Reach, Sections};
use crate::hooks::layout::Layout;
use crate::hooks::plan::HookEdit;
use crate::hooks::{apply, display_path, plan, setup};

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 removed, or nothing to remove; 2 could not remove.")]
pub(crate) struct Args {
    /// Print what would change, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Remove the hooks that git's configuration of this user names, and none of this clone
    #[arg(long)]
    global: bool,
}

/// The files of which git tracks another content now, as arguments of git.
fn shared(edits: &[HookEdit], layout: &Layout, git: &Git) -> Result<Vec<String>, Error> {
    let in_tree = |edit: &&HookEdit| {
        edit.path().starts_with(&layout.top) && !edit.path().starts_with(&layout.common)
    };
    let path = |edit: &HookEdit| display_path(edit.path(), &layout.top);
    let changed: Vec<RepoPath> = edits.iter().filter(in_tree).map(path).collect();
    if layout.bare || changed.is_empty() {
        return Ok(Vec::new());
    }
    let options = ["diff", "--no-ext-diff", "--no-textconv", "-z", "--name-only", "--no-renames"];
    let specs = changed.iter().map(|path| [b":(top,literal)", path.as_bytes()].concat());
    let specs = specs.map(OsString::from_vec);
    let arguments: Vec<OsString> =
        options.into_iter().chain(["--"]).map(OsString::from).chain(specs).collect();
    let differing = git.output("find the shared hooks", &arguments)?;
    let differs = |path: &&RepoPath| records(&differing).any(|name| name == path.as_bytes());
    Ok(changed.iter().filter(differs).map(|path| path.as_pathspec(layout.below_top)).collect())
}

/// Plans and makes the edits.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    if args.global {
        return configuring::uninstall_global(args.dry_run, context);
    }
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    let _lock = if args.dry_run { None } else { Some(apply::lock(&layout.common)?) };
    let places = setup::installed_directories(&layout, &git)?;
    let mut edits = Vec::new();
    for place in &places {
        edits.extend(plan::uninstall(place)?);
    }
    let named = configured::uninstall(Reach::Clone, &Sections::read(&git, Reach::Clone)?)?;
    let is_global = configured::is_global(&git)?;
    let mut text = plan::describe(&edits, &layout.top, !args.dry_run);
    text += &configured::describe(&named, !args.dry_run);
    let nothing = edits.is_empty() && named.is_empty();
    if !args.dry_run {
        apply::apply(&edits, &places, &layout.top)?;
        apply::configure(&git, &named)?;
    }
    if is_global {
        text += &format!("{}\n", cure::GLOBAL_STAYS);
    }
    if let Some(line) = cure::after_uninstall(&shared(&edits, &layout, &git)?) {
        text += &format!("{line}\n");
    }
    Ok(configuring::uninstalled(text, nothing, args.dry_run, context))
}
