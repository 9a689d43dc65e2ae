//! `bakstop lockfile`: makes the lockfiles for images with the pinned pnpm, or judges them without
//! a network.

mod making;
mod setting;
mod targets;
mod freshness;

use std::path::PathBuf;

use crate::base::change::{Change, Content};
use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::judge::{Options, configuration};
use crate::commands::lockfile::freshness::fresh;
use crate::commands::lockfile::making::{Made, Order, RegistryKnowledge};
use crate::commands::lockfile::setting::{LockfileSetting, MAKING, judge};
use crate::commands::lockfile::targets::{ImageLayout, LockfileTarget, targets};
use crate::commands::paths::Paths;
use crate::commands::planned::{Planned, Texts};
use crate::commands::{Context, Outcome};
use crate::engine::{Judgement, LIMIT};
use crate::formats::lockfile::Lockfile;
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::locks::{InHouse, Unlinked, unlinked};
use crate::project::kinds::FileKind;
use crate::report::lockfile::{MadeLock, Making, More};
use crate::report::{HumanOrJson, View, fixes, lockfile as report};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only a workspace that links packages of another repository needs one: in any other, an image \
installs with the pnpm-lock.yaml that is there. `bakstop lockfile --check` prints which it is.\n\n\
Exit codes: 0 every lockfile fits, and is written or has these bytes already; 1 one does not fit, \
or pnpm wants a setting in the image; 2 could not judge or make one.\n\n\
Example: bakstop lockfile backend && git add backend/pnpm-lock.docker.yaml")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Args {
    /// Make only the lockfiles of these members (their directories), and new ones where they lack
    /// one
    #[arg(value_name = "MEMBER")]
    members: Vec<PathBuf>,

    /// Judge the lockfiles without pnpm or a network, and change nothing
    #[arg(long)]
    check: bool,

    /// Also ask the registry, by the pinned pnpm, what a lockfile made today would have
    #[arg(long, requires = "check")]
    fresh: bool,

    /// Print the changes as a diff, and change nothing
    #[arg(short = 'n', long, conflicts_with_all = ["check", "format"])]
    pub(crate) dry_run: bool,

    /// Move the packages that the workspace links to the newest versions in their ranges
    #[arg(long, conflicts_with = "check")]
    update: bool,

    /// The layout of the image, for a new lockfile: alone (one member, its manifest at the top) or
    /// flat (the members as in the repository)
    #[arg(long, value_enum, value_name = "LAYOUT", default_value_t, conflicts_with = "check")]
    layout: ImageLayout,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

impl Args {
    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        !self.check && !self.dry_run
    }
}

/// What an error message of `--check` completes.
const JUDGING: &str = "judge the lockfiles for images";

/// Makes the lockfiles: exit code 1 if one would not fit, and then nothing is written. With
/// `--check`, judges those that are there: 1 if one does not fit, 2 if nothing of one could be
/// judged.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let options = Options { config: args.config.as_deref(), ..Options::default() };
    let config = configuration(&files, &options, context)?;
    let doing = if args.check { JUDGING } else { MAKING };
    let members = Paths::of(&args.members, doing, context)?;
    let mut judged = judge(&config, &files)?;
    judged.locks.retain(|lock| members.cover(&lock.view.lock.file.path));
    let paint = context.paint;
    let below_top = !tree.prefix().is_empty();
    let view = View { paint, below_top, advice: None, can_explain: true };
    let setting = LockfileSetting { tree: &tree, files: &files, config: &config, context, view };
    if !args.check {
        return make(args, &judged, &members, &setting);
    }
    judged.findings.retain(|finding| members.cover(&finding.path));
    let is_there =
        |named: &RepoPath| files.fresh().iter().any(|entry| entry.path.is_in(named.as_bytes()));
    if let Some(missing) = members.missing(is_there) {
        return Err(Error::new(doing, format!("there is no {missing}"))
            .help("name directories of this repository"));
    }
    let fresh = args.fresh.then(|| fresh(&judged, context));
    let more = More { making: None, fresh: fresh.as_deref() };
    outcome(args, &judged, &workspace_lockfiles(&files, &judged)?, &more, view)
}

/// The report, with the exit code of what was judged.
fn outcome(
    args: &Args,
    judged: &Judgement,
    unlinked: &[Unlinked],
    more: &More<'_>,
    view: View<'_>,
) -> Result<Outcome, Error> {
    let out = match args.format {
        HumanOrJson::Human => report::human(judged, unlinked, more, view),
        HumanOrJson::Json => report::json(judged, unlinked, more, view),
    };
    let mut outcome = Outcome::new(Verdict::of(&judged.findings, false), out);
    if more.making.is_some_and(|making| !making.wants.is_empty()) {
        outcome.code = Verdict::Found.code();
    }
    if outcome.code == Verdict::Clean.code()
        && judged.locks.iter().any(|lock| lock.judged.is_unjudged)
    {
        outcome.code = Verdict::Failed.code();
    }
    Ok(outcome)
}

/// Makes the lockfiles, judges them, and writes all if all fit.
fn make(
    args: &Args,
    judged: &Judgement,
    members: &Paths,
    setting: &LockfileSetting<'_>,
) -> Result<Outcome, Error> {
    let LockfileSetting { tree, files, config, context, view } = *setting;
    let targets = targets(judged, members, args.layout, setting)?;
    let in_house = if args.update { InHouse::Moved } else { InHouse::Kept };
    let mut orders = Vec::new();
    for target in &targets {
        orders.push((target, Order::of(&target.view, in_house, &target.doing())?));
    }
    let (mut texts, mut making) = (Texts::new(), Making::default());
    for (target, order) in &orders {
        making.code.extend(order.code().cloned());
        match order.made(&target.view, RegistryKnowledge::Kept, &target.doing(), context)? {
            Made::Lockfile(text) => _ = texts.insert(target.path.clone(), text),
            Made::Wants(files) => making.wants.push((target.path.clone(), files)),
        }
    }
    let planned = Planned::new(files, &texts);
    let mut after = judge(config, &planned)?;
    let is_target = |path: &RepoPath| targets.iter().any(|target| target.path == *path);
    after.locks.retain(|lock| is_target(&lock.view.lock.file.path));
    after.findings.retain(|finding| is_target(&finding.path));
    let unlinked = workspace_lockfiles(files, judged)?;
    let fits = Verdict::of(&after.findings, false) == Verdict::Clean
        && making.wants.is_empty()
        && !after.locks.iter().any(|lock| lock.judged.is_unjudged);
    let replacements = texts.into_iter().filter_map(|(path, new)| {
        let target = targets.iter().find(|target| target.path == path)?;
        Some((target, Replacement { path, old: target.old.clone().unwrap_or_default(), new }))
    });
    let replacements: Vec<(&LockfileTarget, Replacement)> = replacements.collect();
    if fits && args.dry_run {
        let changes: Vec<Replacement> = replacements.into_iter().map(|(_, file)| file).collect();
        let mut outcome = Outcome::new(Verdict::Clean, fixes::diffs(&changes, context.paint));
        if changes.iter().all(|file| file.old == file.new) {
            outcome = outcome.note("bakstop: nothing to change");
        }
        return Ok(outcome);
    }
    for (target, file) in replacements {
        let is_changed = target.old.as_ref() != Some(&file.new);
        let state = match (fits, is_changed) {
            (false, _) => MadeLock::Refused,
            (true, true) => MadeLock::Written,
            (true, false) => MadeLock::Unchanged,
        };
        if state == MadeLock::Written {
            target.write(tree, &file)?;
        }
        making.states.insert(file.path, state);
    }
    outcome(args, &after, &unlinked, &More { making: Some(&making), fresh: None }, view)
}

/// The lockfiles of workspaces that work in an image as they are. Those that were judged with are
/// parsed already.
fn workspace_lockfiles(files: &OnDisk<'_>, judged: &Judgement) -> Result<Vec<Unlinked>, Error> {
    let mut found = Vec::new();
    for entry in files.fresh() {
        if !entry.is_regular() || !FileKind::PnpmLock.matches(&entry.path) {
            continue;
        }
        let mut sources = judged.locks.iter().filter_map(|lock| lock.view.workspace.as_ref());
        if let Some(source) = sources.find(|source| source.file.path == entry.path) {
            let lock = source.view(|file| Lockfile::parse(&file.text));
            found.extend(lock.as_ref().as_ref().ok().and_then(|lock| unlinked(&entry.path, lock)));
        } else if let Content::Bytes(text) = files.read(entry, LIMIT)? {
            found.extend(Lockfile::parse(&text).ok().and_then(|lock| unlinked(&entry.path, &lock)));
        }
    }
    Ok(found)
}
