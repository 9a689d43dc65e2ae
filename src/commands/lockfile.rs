//! `bakstop lockfile`: judges the lockfiles for images in the work tree, without a network.

use std::path::PathBuf;

use crate::base::change::{Change, Content};
use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::judge::{Options, configuration};
use crate::commands::paths::Paths;
use crate::commands::{Context, Outcome};
use crate::engine::{Engine, LIMIT};
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::locks::{Unlinked, unlinked};
use crate::project::kinds::FileKind;
use crate::report::{HumanOrJson, View, lockfile as report};
use crate::rule::{Rule, RuleGroup};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Judge only the lockfiles of these members, by their directories
    #[arg(value_name = "MEMBER")]
    members: Vec<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What the error messages complete.
const DOING: &str = "judge the lockfiles for images";

/// Judges every lockfile for an image: exit code 1 if one does not fit, 2 if nothing of one could
/// be judged.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let options = Options { config: args.config.as_deref(), ..Options::default() };
    let config = configuration(&files, &options, context)?;
    let members = Paths::of(&args.members, DOING, context)?;
    let mut judged = Engine::new(&config).only(is_about_lockfiles).judge(&files)?;
    judged.findings.retain(|finding| members.cover(&finding.path));
    judged.locks.retain(|lock| members.cover(&lock.view.lock.file.path));
    let is_there =
        |named: &RepoPath| files.fresh().iter().any(|entry| entry.path.is_in(named.as_bytes()));
    if let Some(missing) = members.missing(is_there) {
        return Err(Error::new(DOING, format!("there is no {missing}"))
            .help("name directories of this repository"));
    }
    let unlinked = workspace_lockfiles(&files)?;
    let view = View { paint: context.paint, below_top: false, advice: None, can_explain: true };
    let out = match args.format {
        HumanOrJson::Human => report::human(&judged, &unlinked, view),
        HumanOrJson::Json => report::json(&judged, &unlinked, view),
    };
    let mut outcome = Outcome::new(Verdict::of(&judged.findings, false), out);
    if outcome.code == Verdict::Clean.code()
        && judged.locks.iter().any(|lock| lock.judged.is_unjudged)
    {
        outcome.code = Verdict::Failed.code();
    }
    Ok(outcome)
}

fn is_about_lockfiles(rule: &Rule) -> bool {
    rule.group == RuleGroup::Lockfile
}

/// The lockfiles of workspaces that work in an image as they are.
fn workspace_lockfiles(files: &OnDisk<'_>) -> Result<Vec<Unlinked>, Error> {
    let mut found = Vec::new();
    for entry in files.fresh() {
        if !entry.is_regular() || !FileKind::PnpmLock.matches(&entry.path) {
            continue;
        }
        if let Content::Bytes(text) = files.read(entry, LIMIT)? {
            found.extend(unlinked(&entry.path, &text));
        }
    }
    Ok(found)
}
