//! The rule table. A rule is one file in `rules/`, one manual page in `docs/rules/`, and one line here.

use crate::rule::Rule;

mod docker_deps_content;
mod package_manager_mismatch;
mod registry_token;
mod rewritten_lockfile;
mod rewritten_manifest;
mod stray_backup;

/// Every rule, in the order of the documentation.
pub const RULES: [&Rule; 6] = [
    &rewritten_manifest::RULE,
    &rewritten_lockfile::RULE,
    &stray_backup::RULE,
    &docker_deps_content::RULE,
    &package_manager_mismatch::RULE,
    &registry_token::RULE,
];

/// The rules that know the marks of a preparation which was not undone.
pub const OF_PREPARATION: [&Rule; 2] = [&rewritten_manifest::RULE, &rewritten_lockfile::RULE];

/// The rule of this id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|rule| rule.id == id)
}
