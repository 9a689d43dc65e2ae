//! The rule table. A rule is a file in `rules/`, a manual page in `docs/rules/`, and two lines
//! here: its module and its place in the table. A rule does no I/O, and cannot fail.

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::project::SourceFile;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

/// Leftovers of a preparation, and secrets.
mod guard {
    pub(super) mod docker_deps_content;
    pub(super) mod docker_deps_in_code;
    pub(super) mod registry_token;
    pub(super) mod rewritten_lockfile;
    pub(super) mod rewritten_manifest;
    pub(super) mod stray_backup;
}

/// Package managers and where they are pinned.
mod pins {
    pub(super) mod bypassed_corepack;
    pub(super) mod floating_package_manager;
    pub(super) mod invalid_package_manager;
    pub(super) mod missing_corepack;
    pub(super) mod package_manager_mismatch;
}

/// Lockfiles for images.
mod lockfile {
    pub(super) mod stale_docker_lockfile;
}

/// Docker builds.
mod doctor {
    pub(super) mod ignored_lockfile;
    pub(super) mod copied_git_directory;
    pub(super) mod copied_env_file;
    pub(super) mod copied_node_modules;
    pub(super) mod disabled_tls;
    pub(super) mod excluded_copy_source;
    pub(super) mod unconditional_debris_copy;
    pub(super) mod missing_overlay;
    pub(super) mod escaping_workspace;
    pub(super) mod escaping_dependency;
    pub(super) mod uncopied_build_config;
    pub(super) mod inert_ignore_pattern;
    pub(super) mod unignored_debris;
    pub(super) mod loopback_registry;
    pub(super) mod missing_scope_registry;
    pub(super) mod undeclared_build_arg;
    pub(super) mod unexpanded_npmrc_variable;
    pub(super) mod unmapped_build_host;
    pub(super) mod unmounted_secret;
    pub(super) mod unprovided_secret;
    pub(super) mod unused_build_arg;
    pub(super) mod ineffective_cache_mount;
    pub(super) mod install_after_source;
    pub(super) mod localhost_healthcheck;
    pub(super) mod lost_build_arg;
    pub(super) mod missing_cache_mount;
    pub(super) mod root_owned_mount;
    pub(super) mod unlocked_docker_install;
    pub(super) mod unlocked_install;
    pub(super) mod unreadable_build;
    pub(super) mod unread_dockerignore;
    pub(super) mod unsupplied_npmrc_variable;
    pub(super) mod token_in_layer;
    pub(super) mod cache_never_written;
    pub(super) mod cache_overwritten;
    pub(super) mod unknown_cache_option;
    pub(super) mod cache_of_last_stage_only;
    pub(super) mod cache_per_commit;
    pub(super) mod builder_ignored;
}

/// The configuration of bakstop itself.
mod config {
    pub(super) mod expired_allowance;
    pub(super) mod invalid_configuration;
    pub(super) mod unused_allowance;
}

/// What `prep` judges by before it writes.
pub(crate) const MISSING_OVERLAY: &Rule = &doctor::missing_overlay::RULE;

pub(crate) use doctor::cache_never_written::unjudged as unjudged_imports;
pub(crate) use guard::rewritten_lockfile::install;
pub(crate) use guard::rewritten_manifest::{Trace, traces};

/// Every rule, in the order of the documentation.
pub(crate) const RULES: [&Rule; 54] = [
    &guard::rewritten_manifest::RULE,
    &guard::rewritten_lockfile::RULE,
    &guard::stray_backup::RULE,
    &guard::docker_deps_content::RULE,
    &guard::docker_deps_in_code::RULE,
    &pins::package_manager_mismatch::RULE,
    &pins::invalid_package_manager::RULE,
    &pins::floating_package_manager::RULE,
    &pins::missing_corepack::RULE,
    &pins::bypassed_corepack::RULE,
    &guard::registry_token::RULE,
    &lockfile::stale_docker_lockfile::RULE,
    &doctor::unreadable_build::RULE,
    &doctor::excluded_copy_source::RULE,
    &doctor::ignored_lockfile::RULE,
    &doctor::unconditional_debris_copy::RULE,
    &doctor::missing_overlay::RULE,
    &doctor::escaping_workspace::RULE,
    &doctor::escaping_dependency::RULE,
    &doctor::uncopied_build_config::RULE,
    &doctor::unignored_debris::RULE,
    &doctor::loopback_registry::RULE,
    &doctor::missing_scope_registry::RULE,
    &doctor::unsupplied_npmrc_variable::RULE,
    &doctor::unexpanded_npmrc_variable::RULE,
    &doctor::unmapped_build_host::RULE,
    &doctor::undeclared_build_arg::RULE,
    &doctor::unprovided_secret::RULE,
    &doctor::unmounted_secret::RULE,
    &doctor::root_owned_mount::RULE,
    &doctor::localhost_healthcheck::RULE,
    &doctor::missing_cache_mount::RULE,
    &doctor::ineffective_cache_mount::RULE,
    &doctor::unknown_cache_option::RULE,
    &doctor::cache_overwritten::RULE,
    &doctor::cache_never_written::RULE,
    &doctor::cache_of_last_stage_only::RULE,
    &doctor::cache_per_commit::RULE,
    &doctor::builder_ignored::RULE,
    &doctor::install_after_source::RULE,
    &doctor::unlocked_install::RULE,
    &doctor::unlocked_docker_install::RULE,
    &doctor::lost_build_arg::RULE,
    &doctor::copied_node_modules::RULE,
    &doctor::copied_git_directory::RULE,
    &doctor::copied_env_file::RULE,
    &doctor::unread_dockerignore::RULE,
    &doctor::inert_ignore_pattern::RULE,
    &doctor::token_in_layer::RULE,
    &doctor::disabled_tls::RULE,
    &doctor::unused_build_arg::RULE,
    &config::invalid_configuration::RULE,
    &config::expired_allowance::RULE,
    &config::unused_allowance::RULE,
];

/// The rules of a group, in the order of the table.
pub(crate) fn in_group(group: RuleGroup) -> Vec<&'static Rule> {
    RULES.into_iter().filter(|rule| rule.group == group).collect()
}

/// The first rule about a subject. A constant made of a subject without a rule does not compile.
pub(crate) const fn for_subject(subject: Subject) -> &'static Rule {
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

/// The position of a rule in the table; `None` for a rule of a test.
pub(crate) fn position(rule: &Rule) -> Option<usize> {
    RULES.iter().position(|known| *known == rule)
}

/// Whether a preparation rewrote this file, or the file cannot be judged.
pub(crate) fn is_rewritten(file: File, debris: &Debris) -> bool {
    let known = SourceFile::new(file);
    RULES.into_iter().filter(|rule| rule.subject.shows_preparation()).any(|rule| {
        let Check::File { wants, judge } = rule.check else { return false };
        let mut findings = Findings::new(rule);
        if wants(&known.file.path) {
            judge(&known, debris, &mut findings);
        }
        !findings.into_vec().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::os::env::Environment;

    /// Fails unless a file of the repository has this text. `TRYCMD=overwrite` writes it instead.
    fn check_or_write(path: &str, expected: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let found = fs::read_to_string(&file).unwrap();
        if Environment::current().get("TRYCMD").is_some_and(|mode| mode == "overwrite") {
            return fs::write(file, expected).unwrap();
        }
        let missing = expected.lines().find(|line| !found.lines().any(|known| known == *line));
        let problem = missing.unwrap_or("(none, but the order differs)");
        assert!(found == expected, "{path} lacks {problem}\nTRYCMD=overwrite writes it");
    }

    fn text(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    /// Replaces the part of a text between two marks.
    fn replaced(text: &str, start: &str, end: &str, by: &str) -> String {
        let (before, rest) = text.split_once(start).expect(start);
        let (_, after) = rest.split_once(end).expect(end);
        [before, start, by, end, after].concat()
    }

    #[test]
    fn readme_lists_every_rule() {
        let readme = text("README.md");
        let row = |rule: &Rule| {
            let weight = if rule.on_by_default { rule.severity.name() } else { "off" };
            format!("| [{0}](docs/rules/{0}.md) | {weight} | {1} |", rule.id, rule.summary)
        };
        let rows = RULES.map(row).join("\n");
        let start = "| rule | default | what it catches |\n|---|---|---|\n";
        check_or_write("README.md", &replaced(&readme, start, "\n\n", &rows));
    }

    #[test]
    fn the_book_lists_every_rule() {
        let summary = text("docs/SUMMARY.md");
        let (before, _) = summary.split_once("# Rules\n\n").expect("# Rules");
        let rows = RULES.map(|rule| format!("- [{0}](rules/{0}.md)\n", rule.id)).concat();
        check_or_write("docs/SUMMARY.md", &format!("{before}# Rules\n\n{rows}"));
    }

    #[test]
    fn the_table_of_fixes_has_every_rule_with_one() {
        let page = text("docs/doctor.md");
        let row = |start: &str| -> Vec<&str> {
            let row = page.lines().find(|line| line.starts_with(start)).unwrap();
            row.split([' ', ',']).filter(|word| word.contains('-')).collect()
        };
        let (safe, shown) = (row("| safe |"), row("| shown |"));
        for rule in RULES.iter().filter(|rule| rule.group == RuleGroup::Doctor) {
            let code = text(&format!("src/rules/doctor/{}.rs", rule.id.replace('-', "_")));
            let code = code.split("mod tests {").next().unwrap();
            let is_safe = code.contains("Safety::Safe");
            assert_eq!(safe.contains(&rule.id), is_safe, "{}", rule.id);
            let is_only_shown = code.contains("Safety::Shown") && !is_safe;
            assert_eq!(shown.contains(&rule.id), is_only_shown, "{}", rule.id);
        }
    }

    #[test]
    fn schema_lists_every_rule() {
        let quoted = |rules: &[&Rule], separator: &str| {
            rules.iter().map(|rule| format!("\"{}\"", rule.id)).collect::<Vec<_>>().join(separator)
        };
        let schema = text("docs/schema/bakstop.json");
        let all = quoted(&RULES, ",\n        ");
        let start = "`bakstop rules` lists them.\",\n      \"enum\": [\n        ";
        let schema = replaced(&schema, start, "\n      ]", &all);
        let config = quoted(&in_group(RuleGroup::Config), ", ");
        let schema = replaced(&schema, "\"not\": { \"enum\": [", "]", &config);
        check_or_write("docs/schema/bakstop.json", &schema);
    }
}
