//! The state whose lockfiles are made or judged.

use crate::base::change::Change;
use crate::base::error::Error;
use crate::commands::Context;
use crate::config::Config;
use crate::engine::{Engine, Judgement};
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::report::View;
use crate::rule::{Rule, RuleGroup};

/// What an error message completes.
pub(super) const MAKING: &str = "make the lockfiles for images";

/// What is judged, and how it is shown.
pub(super) struct LockfileSetting<'a> {
    pub tree: &'a WorkTree,
    pub files: &'a OnDisk<'a>,
    pub config: &'a Config,
    pub context: &'a Context,
    pub view: View<'a>,
}

/// Judges by the rules about lockfiles.
pub(super) fn judge(config: &Config, files: &dyn Change) -> Result<Judgement, Error> {
    Engine::new(config).only(is_about_lockfiles).judge(files)
}

fn is_about_lockfiles(rule: &Rule) -> bool {
    rule.group == RuleGroup::Lockfile
}
