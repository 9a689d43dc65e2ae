//! The manifests that attempts stage, and the finding that must name each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::{fs, iter};

use memchr::memmem;

use crate::base::change::Entry;
use crate::base::debris::DOCKER_DEPS;
use crate::base::error::Error;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::config::Config;
use crate::engine::LIMIT;
use crate::formats::package;
use crate::hooks::Hook;
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::Rehearsal;
use crate::rule::{Rule, Subject};
use crate::rules;

/// The hook that is run.
pub(super) const HOOK: Hook = Hook::PreCommit;
/// The rule that must block.
pub(super) const RULE: &Rule = rules::for_subject(Subject::Manifest);
/// The name of the file that an attempt changes.
pub(super) const MANIFEST: &str = "package.json";

/// The manifests that are tried, each in a commit of its own.
pub(super) struct Probes {
    /// The topmost one, or a new one; then nested ones, because a hook may run the guard for some
    /// files only.
    pub tried: Vec<Probe>,
    /// How many more could be tried.
    pub left: usize,
    /// How many are not in the work tree: hook managers remove such files from their lists.
    pub absent: usize,
}

impl Probes {
    /// Chooses the topmost manifest and the deepest one, or all. Nested manifests that the
    /// configuration exempts are not among them.
    pub(super) fn find(
        rehearsal: &Rehearsal,
        layout: &Layout,
        config: Option<&Config>,
        all: bool,
    ) -> Result<Self, Error> {
        let mut nested = rehearsal.files_named(MANIFEST)?;
        nested.sort_by_key(|entry| entry.path.components().count());
        let topmost = if nested.is_empty() { None } else { Some(nested.remove(0)) };
        nested.retain(|entry| {
            config.is_none_or(|config| config.exempts(RULE, &entry.path).is_none())
        });
        let known = nested.len();
        nested.retain(|entry| {
            let file = layout.top.join(OsStr::from_bytes(entry.path.as_bytes()));
            fs::symlink_metadata(file).is_ok()
        });
        let absent = known - nested.len();
        let left = if all { 0 } else { nested.len().saturating_sub(1) };
        let nested = nested.split_off(left).into_iter().map(Some);
        let nonce = rehearsal.nonce();
        let tried = iter::once(topmost).chain(nested).enumerate();
        let tried = tried.map(|(number, entry)| Probe::new(entry, number, &nonce)).collect();
        Ok(Self { tried, left, absent })
    }
}

/// A manifest that an attempt changes.
pub(super) struct Probe {
    pub manifest: RepoPath,
    /// `None` for a new file.
    entry: Option<Entry>,
    /// The name of its new dependency. It is unique, so only the finding shows it.
    dependency: String,
}

impl Probe {
    fn new(entry: Option<Entry>, number: usize, nonce: &str) -> Self {
        let manifest = entry.as_ref().map_or(RepoPath::from(MANIFEST), |entry| entry.path.clone());
        Self { manifest, entry, dependency: format!("proof-{number}-{nonce}") }
    }

    /// Stages nothing but the manifest, with the kind of dependency that a preparation writes.
    pub(super) fn stage_rewritten(&self, rehearsal: &Rehearsal) -> Result<(), Error> {
        let up = "../".repeat(self.manifest.components().count() - 1);
        let spec = format!("file:{up}{DOCKER_DEPS}/bakstop-{}-1.0.0.tgz", self.dependency);
        rehearsal.reset()?;
        self.stage(rehearsal, &spec)
    }

    /// Stages the manifest with a dependency that has no finding.
    pub(super) fn stage_harmless(&self, rehearsal: &Rehearsal) -> Result<(), Error> {
        self.stage(rehearsal, "1.0.0")
    }

    fn stage(&self, rehearsal: &Rehearsal, spec: &str) -> Result<(), Error> {
        let text = self.entry.as_ref().and_then(|entry| rehearsal.read(entry, LIMIT));
        let name = format!("@bakstop/{}", self.dependency);
        let text = package::with_dependency(&text.unwrap_or_default(), &name, spec);
        rehearsal.stage(&self.manifest, text.as_bytes())
    }

    pub(super) fn matcher(&self) -> Matcher<'_> {
        Matcher { dependency: &self.dependency, inside: false, matched: false }
    }
}

/// Matches an error of [`RULE`] that shows the dependency of this run. Both must be in one finding:
/// another file may be an error, and the rewritten manifest a warning.
pub(super) struct Matcher<'a> {
    dependency: &'a str,
    /// Whether the current line belongs to an error of the rule.
    inside: bool,
    pub matched: bool,
}

impl Matcher<'_> {
    pub(super) fn read(&mut self, line: &[u8]) {
        let starts = unpainted(line);
        if starts.is_empty()
            || [Severity::Error, Severity::Warning]
                .iter()
                .any(|one| starts.starts_with(&label(*one, "")))
        {
            // A finding ends with an empty line, or where the next one starts.
            self.inside = starts.starts_with(&label(Severity::Error, &format!("{}]", RULE.id)));
        }
        self.matched |= self.inside && memmem::find(line, self.dependency.as_bytes()).is_some();
    }
}

/// The start of the first line of a finding.
fn label(severity: Severity, rule: &str) -> Vec<u8> {
    format!("{}[{rule}", severity.name()).into_bytes()
}

/// A line without leading space and colour.
fn unpainted(mut line: &[u8]) -> &[u8] {
    loop {
        line = line.trim_ascii_start();
        let Some(colour) = line.strip_prefix(b"\x1b[") else { return line };
        let end =
            colour.iter().position(u8::is_ascii_alphabetic).map_or(colour.len(), |end| end + 1);
        line = &colour[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(output: &str) -> bool {
        let mut matcher = Matcher { dependency: "proof-n0nce", inside: false, matched: false };
        output.split('\n').for_each(|line| matcher.read(line.as_bytes()));
        matcher.matched
    }

    #[test]
    fn an_error_of_the_rule_shows_the_dependency() {
        const RULE: &str = super::RULE.id;
        let shown = "  --> package.json:1:1\n   |\n \
                     1 | \"x\": \"file:x/bakstop-proof-n0nce-1.0.0.tgz\"\n   |  ^^\n";
        for (output, expected) in [
            (format!("error[{RULE}]: x\n{shown}"), true),
            (format!("tests pass\n  \x1b[31m\x1b[1merror[{RULE}]\x1b[0m\x1b[0m: x\n{shown}"), true),
            (format!("error[stray-backup]: x\n\nerror[{RULE}]: x\n{shown}"), true),
            (format!("warning[{RULE}]: x\n{shown}"), false),
            (format!("error[{RULE}s]: x\n{shown}"), false),
            (
                format!("error[{RULE}]: x\n  --> web/package.json\n\nwarning[{RULE}]: x\n{shown}"),
                false,
            ),
            (
                format!("error[{RULE}]: x\n  --> web/package.json\nwarning[{RULE}]: x\n{shown}"),
                false,
            ),
            (
                format!(
                    "error[{RULE}]: x\n  --> web/package.json\n\
                     \x1b[33mwarning[{RULE}]\x1b[0m: x\n{shown}"
                ),
                false,
            ),
            (format!("error[{RULE}]: x\n  --> web/package.json\n\x1b[0m\n{shown}"), false),
            (format!("error[{RULE}]: x\n  --> web/package.json\nerror[other]: x\n{shown}"), false),
            (format!("warning[{RULE}]: x\n  --> error[{RULE}]/package.json\n{shown}"), false),
            (format!("{shown}error[{RULE}]: x\n"), false),
            (format!("error[{RULE}]: x\n{}", shown.replace("n0nce", "another")), false),
            ("\x1b[".to_owned(), false),
        ] {
            assert_eq!(matches(&output), expected, "{output}");
        }
    }
}
