//! `install --local`, `install --global` and the way back: hooks in the configuration of git.

use std::path::Path;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome};
use crate::cure::setup as cure;
use crate::disk::lock::DirectoryLock;
use crate::git::Git;
use crate::hooks::configured::{self, Reach, Sections};
use crate::hooks::layout::Layout;
use crate::hooks::{apply, binary, setup};

/// Names the hooks in a configuration of git.
pub(super) fn install(
    reach: Reach,
    strict: bool,
    dry_run: bool,
    context: &Context,
) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    configured::check(&git, reach, &context.env)?;
    let program = configured::own_program(binary::this(&context.directory, &context.env))?;
    let layout = if reach == Reach::Clone { Some(clone_with_work_tree(&git)?) } else { None };
    let _lock = if dry_run { None } else { lock(layout.as_ref(), context)? };
    if let Some(layout) = &layout {
        refuse_second(layout, &git)?;
    }
    let edits = configured::install(reach, &Sections::read(&git, reach)?, &program, strict)?;
    let mut text = configured::describe(&edits, !dry_run);
    let last = |text: &str, summary: &str| {
        format!("{text}{} {summary}\n", context.paint.strong("bakstop:"))
    };
    if dry_run {
        let text = if edits.is_empty() { last(&text, "already installed") } else { text };
        return Ok(Outcome::new(Verdict::Clean, text));
    }
    apply::configure(&git, &edits)?;
    if !edits.is_empty() {
        let of_commits = Sections::read(&git, reach)?.of_commits();
        let program = RepoPath::from(&*program);
        text += &format!("{}\n", cure::after_configuring(reach, &program, &of_commits));
    }
    let found = configured::effective(&git)?;
    let off: Vec<_> = found.iter().filter_map(|one| one.off.as_ref()).collect();
    for one in &off {
        text += &format!("not in force in this directory: {}; `{}`\n", one.reason, one.help);
    }
    if !off.is_empty() {
        return Ok(Outcome::new(Verdict::Found, last(&text, "installed, but not in force here")));
    }
    let summary = if edits.is_empty() {
        "already installed".to_owned()
    } else {
        format!("installed; `{}` undoes it", reach.uninstall())
    };
    Ok(Outcome::new(Verdict::Clean, last(&text, &summary)))
}

fn clone_with_work_tree(git: &Git) -> Result<Layout, Error> {
    let layout = Layout::of(git)?;
    if layout.bare {
        let cause = "this repository is bare: nothing is committed here";
        return Err(Error::new("install the hooks", cause).help(
            "run this in a work tree of it; to guard pushes to it: bakstop install --server",
        ));
    }
    Ok(layout)
}

/// Locks the hooks of a clone, or the home directory. Git locks its files, but an
/// installation changes several keys.
fn lock(layout: Option<&Layout>, context: &Context) -> Result<Option<DirectoryLock>, Error> {
    let home = context.env.get("HOME").map(Path::new);
    layout.map(|layout| &*layout.common).or(home).map(apply::lock).transpose()
}

/// Fails if hook files of this clone run the guard already: each finding would be printed twice.
fn refuse_second(layout: &Layout, git: &Git) -> Result<(), Error> {
    let places = setup::installed_directories(layout, git)?;
    let Some(slot) = places.iter().flat_map(|place| &place.slots).find(|slot| slot.is_ours())
    else {
        return Ok(());
    };
    let cause = format!("{} runs the guard already, and git would run both", slot.name);
    Err(Error::new("install the hooks", cause)
        .help("keep that, or run `bakstop uninstall`, then `bakstop install --local`"))
}

/// Fails if git's configuration of this clone names the hooks already.
pub(super) fn refuse_beside(git: &Git) -> Result<(), Error> {
    if !Sections::read(git, Reach::Clone)?.is_installed() {
        return Ok(());
    }
    let cause = "git's configuration of this clone runs the guard already, and git would run both";
    Err(Error::new("install the hooks", cause)
        .help("keep that, or run `bakstop uninstall`, then `bakstop install`"))
}

/// Removes the hooks from the configuration of this user.
pub(super) fn uninstall_global(dry_run: bool, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let reach = Reach::User;
    let _lock = if dry_run { None } else { lock(None, context)? };
    let edits = configured::uninstall(reach, &Sections::read(&git, reach)?)?;
    if !edits.is_empty() {
        configured::check_file("uninstall the hooks", reach, &context.env)?;
    }
    let text = configured::describe(&edits, !dry_run);
    if !dry_run {
        apply::configure(&git, &edits)?;
    }
    Ok(uninstalled(text, edits.is_empty(), dry_run, context))
}

/// The report of `uninstall`: the lines about edits and a summary.
pub(super) fn uninstalled(
    text: String,
    nothing: bool,
    dry_run: bool,
    context: &Context,
) -> Outcome {
    let summary = match (nothing, dry_run) {
        (true, _) => "not installed",
        (false, true) => return Outcome::new(Verdict::Clean, text),
        (false, false) => "uninstalled",
    };
    let strong = context.paint.strong("bakstop:");
    Outcome::new(Verdict::Clean, format!("{text}{strong} {summary}\n"))
}
