//! The files of a change: each is read and parsed at most once.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::change::{Change, Content, Entry, File};
use crate::base::error::Error;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};
use crate::rule::Findings;

/// The largest file that is judged, in bytes. The lockfiles of the largest public workspaces are
/// smaller than a quarter of it.
pub(crate) const LIMIT: u64 = 32 * 1024 * 1024;

/// The files of a change that were read.
pub(super) struct Gathering<'c> {
    change: &'c dyn Change,
    known: BTreeMap<RepoPath, Rc<SourceFile>>,
}

impl<'c> Gathering<'c> {
    pub(super) fn of(change: &'c dyn Change) -> Self {
        Self { change, known: BTreeMap::new() }
    }

    /// The new files of some kinds, with their entries.
    pub(super) fn fresh(
        &mut self,
        is_asked: impl Fn(FileKind) -> bool,
        findings: &mut Findings,
    ) -> Result<Vec<(&'c Entry, Rc<SourceFile>)>, Error> {
        let mut found = Vec::new();
        for entry in self.change.fresh().iter().filter(|entry| entry.is_regular()) {
            if FileKind::of(&entry.path, &is_asked).is_some() {
                found.extend(self.read(entry, findings)?.map(|known| (entry, known)));
            }
        }
        Ok(found)
    }

    /// The files of some kinds, new or not, as a project; `select` removes entries before they are
    /// read.
    pub(super) fn project(
        &mut self,
        is_asked: impl Fn(FileKind) -> bool,
        select: impl FnOnce(&mut Vec<Entry>),
        findings: &mut Findings,
    ) -> Result<Project, Error> {
        let mut entries = self.change.entries(&|path| FileKind::of(path, &is_asked).is_some())?;
        select(&mut entries);
        self.of_entries(entries.iter(), findings).map(Project::from_iter)
    }

    /// The files of these entries.
    pub(super) fn of_entries<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e Entry>,
        findings: &mut Findings,
    ) -> Result<Vec<Rc<SourceFile>>, Error> {
        let regular = entries.filter(|entry| entry.is_regular());
        regular.filter_map(|entry| self.read(entry, findings).transpose()).collect()
    }

    /// A new file. It is kept only if rules that compare files may need it: lockfiles are large.
    pub(super) fn read_once(
        &mut self,
        entry: &Entry,
        findings: &mut Findings,
    ) -> Result<Option<Rc<SourceFile>>, Error> {
        match FileKind::of(&entry.path, FileKind::may_move_a_pin) {
            Some(_) => self.read(entry, findings),
            None => self.source_file(entry, findings),
        }
    }

    fn read(
        &mut self,
        entry: &Entry,
        findings: &mut Findings,
    ) -> Result<Option<Rc<SourceFile>>, Error> {
        if let Some(known) = self.known.get(&entry.path) {
            return Ok(Some(Rc::clone(known)));
        }
        let file = self.source_file(entry, findings)?;
        self.known.extend(file.iter().map(|file| (entry.path.clone(), Rc::clone(file))));
        Ok(file)
    }

    fn source_file(
        &self,
        entry: &Entry,
        findings: &mut Findings,
    ) -> Result<Option<Rc<SourceFile>>, Error> {
        Ok(read(entry, self.change, findings)?.map(|file| Rc::new(SourceFile::new(file))))
    }
}

/// Reads a file, or reports that it is too large: an error if the file is new.
fn read(
    entry: &Entry,
    change: &dyn Change,
    findings: &mut Findings,
) -> Result<Option<File>, Error> {
    match change.read(entry, LIMIT)? {
        Content::Bytes(text) => Ok(Some(File {
            path: entry.path.clone(),
            text,
            fresh: entry.fresh,
            replaces: entry.replaces.is_some(),
        })),
        Content::TooLarge(size) => {
            let message = format!(
                "{} is larger than this rule can judge ({} MiB, the limit is {} MiB)",
                entry.path,
                size.div_ceil(1024 * 1024),
                LIMIT / (1024 * 1024)
            );
            let draft = findings
                .path(&entry.path, message)
                .help("make the file smaller, or keep it out of git", &[]);
            if !entry.fresh {
                draft.severity(Severity::Warning);
            }
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::{Content, Mode};
    use crate::config::Config;
    use crate::engine::tests::Fake;
    use crate::engine::{Engine, Judgement, LIMIT};
    use crate::rule::tests::probe;
    use crate::rule::{Check, Rule, RuleGroup};
    use crate::rules;

    #[test]
    fn a_file_is_read_once_and_only_if_a_question_is_about_it() {
        let change = Fake::default()
            .file("package.json", "{}")
            .file("README.md", "")
            .old("a/package.json", "{}")
            .old("a/Dockerfile", "")
            .old("pnpm-lock.yaml", "");
        let mut findings = Findings::new(rules::in_group(RuleGroup::Pins)[0]);
        let mut files = Gathering::of(&change);
        let new = files.fresh(|kind| kind == FileKind::Dockerfile, &mut findings).unwrap();
        assert!(new.is_empty() && change.read.borrow().is_empty());
        let new = files.fresh(FileKind::may_move_a_pin, &mut findings).unwrap();
        assert_eq!(*change.read.borrow(), ["package.json"]);
        let no_lockfile = |entries: &mut Vec<Entry>| {
            entries.retain(|entry| !FileKind::PnpmLock.matches(&entry.path));
        };
        let project = files.project(FileKind::may_pin, no_lockfile, &mut findings).unwrap();
        let paths: Vec<String> =
            project.files().iter().map(|known| known.file.path.to_string()).collect();
        assert_eq!(paths, ["a/Dockerfile", "a/package.json", "package.json"]);
        assert!(Rc::ptr_eq(&new[0].1, &project.files()[2]));
        let manifests =
            files.project(|kind| kind == FileKind::Manifest, |_| {}, &mut findings).unwrap();
        assert!(Rc::ptr_eq(&project.files()[1], &manifests.files()[0]));
        assert_eq!(*change.read.borrow(), ["package.json", "a/package.json", "a/Dockerfile"]);
    }

    #[test]
    fn a_file_that_is_too_large_is_reported_under_a_rule_that_is_not_off() {
        const FIRST: Rule = Rule {
            check: Check::Project { wants: |kind| kind == FileKind::Dockerfile, judge: |_, _| () },
            ..probe("first")
        };
        const SECOND: Rule = Rule { id: "second", ..FIRST };
        const FIRST_OF_PINS: Rule = Rule { check: Check::Pins(|_, _| ()), ..FIRST };
        const SECOND_OF_PINS: Rule = Rule { id: "second", ..FIRST_OF_PINS };
        let change =
            Fake::default().with("Dockerfile", Mode::File, Content::TooLarge(LIMIT + 1), true);
        let off = Config::with_severity(&FIRST, None);
        for rules in [[&FIRST, &SECOND], [&FIRST_OF_PINS, &SECOND_OF_PINS]] {
            for (config, expected) in [(&Config::default(), "first"), (&off, "second")] {
                let Judgement { findings, hidden, .. } =
                    Engine::of(&rules, config).judge(&change).unwrap();
                let ids: Vec<_> = findings.iter().map(|finding| finding.rule.id).collect();
                assert_eq!((ids, hidden.len()), (vec![expected], 0));
            }
        }
        let judgement = Engine::of(&[&FIRST], &off).judge(&change).unwrap();
        assert_eq!((judgement.findings.len(), judgement.hidden.len()), (0, 1));
    }
}
