//! The rule table. A rule is one file in `rules/`, one manual page in `docs/rules/`, and one line here.

use crate::change::File;
use crate::debris::Debris;
use crate::rule::{Check, Findings, Rule};

mod bypassed_corepack;
mod docker_deps_content;
mod expired_allowance;
mod floating_package_manager;
mod invalid_configuration;
mod invalid_package_manager;
mod missing_corepack;
mod package_manager_mismatch;
mod registry_token;
mod rewritten_lockfile;
mod rewritten_manifest;
mod stray_backup;
mod unused_allowance;

/// Every rule, in the order of the documentation.
pub const RULES: [&Rule; 13] = [
    &rewritten_manifest::RULE,
    &rewritten_lockfile::RULE,
    &stray_backup::RULE,
    &docker_deps_content::RULE,
    &package_manager_mismatch::RULE,
    &invalid_package_manager::RULE,
    &floating_package_manager::RULE,
    &missing_corepack::RULE,
    &bypassed_corepack::RULE,
    &registry_token::RULE,
    &invalid_configuration::RULE,
    &expired_allowance::RULE,
    &unused_allowance::RULE,
];

/// The rules about package managers and where they are pinned.
pub const OF_PINS: [&Rule; 5] = [
    &package_manager_mismatch::RULE,
    &invalid_package_manager::RULE,
    &floating_package_manager::RULE,
    &missing_corepack::RULE,
    &bypassed_corepack::RULE,
];

/// The rules that know the marks of a preparation which was not undone.
pub const OF_PREPARATION: [&Rule; 2] = [&rewritten_manifest::RULE, &rewritten_lockfile::RULE];

/// Whether a file is one that a preparation wrote, or that cannot be told.
pub fn is_rewritten(file: &File, debris: &Debris) -> bool {
    OF_PREPARATION.into_iter().any(|rule| {
        let mut findings = Findings::of(rule);
        if let Check::File { wants, judge } = rule.check
            && wants(&file.path)
        {
            judge(file, debris, &mut findings);
        }
        !findings.into_vec().is_empty()
    })
}

/// The rule of this id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|rule| rule.id == id)
}
