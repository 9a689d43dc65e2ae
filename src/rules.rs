//! The rule table. A rule is one file in `rules/`, one manual page in `docs/rules/`, and one line
//! here.

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

/// The rules about what a preparation leaves behind, and about secrets.
mod guard {
    pub(super) mod docker_deps_content;
    pub(super) mod registry_token;
    pub(super) mod rewritten_lockfile;
    pub(super) mod rewritten_manifest;
    pub(super) mod stray_backup;
}

/// The rules about package managers and where they are pinned.
mod pins {
    pub(super) mod bypassed_corepack;
    pub(super) mod floating_package_manager;
    pub(super) mod invalid_package_manager;
    pub(super) mod missing_corepack;
    pub(super) mod package_manager_mismatch;
}

/// The rules about the configuration of bakstop itself.
mod config {
    pub(super) mod expired_allowance;
    pub(super) mod invalid_configuration;
    pub(super) mod unused_allowance;
}

use config::{expired_allowance, invalid_configuration, unused_allowance};
use guard::{
    docker_deps_content, registry_token, rewritten_lockfile, rewritten_manifest, stray_backup,
};
use pins::{
    bypassed_corepack, floating_package_manager, invalid_package_manager, missing_corepack,
    package_manager_mismatch,
};

/// Every rule, in the order of the documentation.
pub(crate) const RULES: [&Rule; 13] = [
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

/// The rules of a group, in their order.
pub(crate) fn in_group(group: RuleGroup) -> Vec<&'static Rule> {
    RULES.into_iter().filter(|rule| rule.group == group).collect()
}

/// The kinds of new files that the rules that compare files ask for: each question once.
pub(crate) fn compared_kinds() -> Vec<fn(FileKind) -> bool> {
    let mut asked: Vec<_> = RULES.iter().filter_map(|rule| rule.check.compares()).collect();
    asked.dedup_by(|a, b| std::ptr::fn_addr_eq(*a, *b));
    asked
}

/// The first rule about a subject. Without one, a constant that is made of it does not compile.
pub(crate) const fn about(subject: Subject) -> &'static Rule {
    let mut at = 0;
    while RULES[at].subject as u8 != subject as u8 {
        at += 1;
    }
    RULES[at]
}

/// The rule of this id.
pub(crate) fn find(id: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|rule| rule.id == id)
}

/// The position of a rule in the table.
pub(crate) fn position(rule: &Rule) -> Option<usize> {
    RULES.iter().position(|known| *known == rule)
}

/// Whether a file is one that a preparation wrote, or one that cannot be judged.
pub(crate) fn is_rewritten(file: File, debris: &Debris) -> bool {
    let known = SourceFile::new(file);
    RULES.into_iter().filter(|rule| rule.subject.is_preparation()).any(|rule| {
        let mut findings = Findings::new(rule);
        if let Check::File { wants, judge } = rule.check
            && wants(&known.file.path)
        {
            judge(&known, debris, &mut findings);
        }
        !findings.into_vec().is_empty()
    })
}
