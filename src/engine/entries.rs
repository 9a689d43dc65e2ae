//! Judges entries one by one: what the rules about one entry, one file or a configuration find.

use crate::base::change::{Change, Entry};
use crate::base::debris::Debris;
use crate::base::error::Error;
use crate::config::{self, Config};
use crate::engine::found::with_commit;
use crate::engine::gathering::Gathering;
use crate::rule::{Check, ConfigReading, Finding, Findings, Rule};

/// Judges the new entries of changes, on any thread.
#[derive(Debug, Clone)]
pub(crate) struct EntryJudge<'a> {
    pub(super) config: &'a Config,
    pub(super) rules: Vec<&'static Rule>,
    /// Whether to look for what the configuration hides.
    pub(super) explain: bool,
    /// Whether the new entries are only listed.
    pub(super) only_list: bool,
}

/// What was found in the new entries of a change.
#[derive(Debug, Default)]
pub(crate) struct FoundInEntries {
    pub(super) found: Vec<Finding>,
    /// Findings if the configuration had not removed a built-in leftover directory.
    pub(super) with_built_in: Vec<Finding>,
    /// Whether the configuration in force is among the entries.
    pub(super) judges_itself: bool,
    /// The entries, if they are only listed.
    pub(super) listed: Vec<Entry>,
    /// The number of entries.
    pub entries: usize,
}

impl EntryJudge<'_> {
    /// Judges each new entry.
    pub(crate) fn judge(&self, change: &dyn Change) -> Result<FoundInEntries, Error> {
        self.judge_with(&mut Gathering::of(change), change)
    }

    /// [`Self::judge`], with the files of the change that are read already.
    pub(super) fn judge_with(
        &self,
        files: &mut Gathering<'_>,
        change: &dyn Change,
    ) -> Result<FoundInEntries, Error> {
        let mut all = FoundInEntries { entries: change.fresh().len(), ..FoundInEntries::default() };
        if self.only_list {
            all.listed = change.fresh().to_vec();
            return Ok(all);
        }
        let mut found = self.each_entry(change, self.config.debris(), files)?;
        let mut configurations =
            change.fresh().iter().filter(|entry| entry.path.as_bytes() == config::FILE.as_bytes());
        if let Some(entry) = configurations.next() {
            let reading = config::source::examine(change, entry)?;
            all.judges_itself = self.config.is(&reading.file.text);
            found.append(&mut about_configuration(&self.rules, &reading));
        }
        all.found = with_commit(found, || change.commit());
        if let Some((debris, _)) = self.config.with_built_in().filter(|_| self.explain) {
            let found = self.each_entry(change, debris, files)?;
            all.with_built_in = with_commit(found, || change.commit());
        }
        Ok(all)
    }

    /// Judges each new entry by the rules about entries and single files.
    fn each_entry(
        &self,
        change: &dyn Change,
        debris: &Debris,
        files: &mut Gathering<'_>,
    ) -> Result<Vec<Finding>, Error> {
        let mut found = Vec::new();
        if !self.rules.iter().any(|rule| rule.check.is_about_one_entry()) {
            return Ok(found);
        }
        for entry in change.fresh() {
            found.append(&mut self.entry(entry, debris, files)?);
        }
        Ok(found)
    }

    /// Judges one new entry. Its file is read at most once.
    fn entry(
        &self,
        entry: &Entry,
        debris: &Debris,
        files: &mut Gathering<'_>,
    ) -> Result<Vec<Finding>, Error> {
        let mut found = Vec::new();
        let mut known = None;
        for rule in &self.rules {
            let mut findings = Findings::new(rule);
            match rule.check {
                Check::Entry(judge) => judge(entry, debris, &mut findings),
                Check::File { wants, judge } if entry.is_regular() && wants(&entry.path) => {
                    if known.is_none() {
                        known = files.read_once(entry, &mut findings)?;
                    }
                    if let Some(known) = &known {
                        judge(known, debris, &mut findings);
                    }
                }
                Check::File { .. }
                | Check::Pins(_)
                | Check::Project { .. }
                | Check::Locks(_)
                | Check::Builds(_)
                | Check::Configuration(_) => continue,
            }
            found.append(&mut findings.into_vec());
        }
        Ok(found)
    }
}

/// Judges by the rules about configurations.
pub(super) fn about_configuration(
    rules: &[&'static Rule],
    reading: &ConfigReading,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in rules {
        if let Check::Configuration(judge) = rule.check {
            let mut findings = Findings::new(rule);
            judge(reading, &mut findings);
            found.append(&mut findings.into_vec());
        }
    }
    found
}
