//! Runs the rules on a change: reads the files that they need, and applies the configuration to
//! their findings. It does not know the id of a rule.

use std::collections::HashSet;

use crate::base::change::{Change, Commit, Entry};
use crate::base::error::Error;
use crate::base::finding::Severity;
use crate::builds::{Builds, Overlays};
use crate::config::{Config, ConfigPlace, Treatment};
use crate::locks::JudgedLock;
use crate::pins::PinTable;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Finding, Findings, Rule};
use crate::rules::{self, RULES};

#[cfg(test)]
mod fake;
mod found;
mod gathering;
mod entries;
mod searching;
mod building;
mod pinned;
mod locking;

use building::BuildQuestion;
use entries::about_configuration;
pub(crate) use entries::{EntryJudge, FoundInEntries};
use found::{key, sorted, with_commit};
use gathering::Gathering;
pub(crate) use gathering::LIMIT;
use pinned::{all_pins, compares_pins, pin_table, retain_new};
pub(crate) use pinned::{may_pin, older_files};

/// The result of judging.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Sorted by path, place and rule.
    pub findings: Vec<Finding>,
    pub hidden: Vec<Hidden>,
    /// The new entries, if they were only listed.
    pub listed: Vec<Entry>,
    /// The rules that judged.
    pub rules: Vec<&'static Rule>,
    /// The judged builds, if a rule asked for them.
    pub builds: Option<Builds>,
    /// The lockfiles for images, if a rule asked for them.
    pub locks: Vec<JudgedLock>,
}

/// A finding that the configuration hides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub finding: Finding,
    /// The line of the configuration.
    pub by: ConfigPlace,
    /// The reason, from the configuration if it has one. Not escaped.
    pub reason: String,
}

/// Splits the new pins of a change by the commits that made them so; the default is one part.
pub(crate) type Parts<'p> = dyn Fn(PinTable) -> Result<Vec<(PinTable, Commit)>, Error> + 'p;

/// Judges changes, and collects the findings until [`Engine::finish`].
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Engine<'a> {
    config: &'a Config,
    rules: Vec<&'static Rule>,
    whole_tree: bool,
    explain: bool,
    /// The new entries, if they are only listed.
    listed: Option<Vec<Entry>>,
    found: Vec<Finding>,
    /// Findings if the configuration had not removed a built-in leftover directory.
    with_built_in: Vec<Finding>,
    /// Whether the configuration in force is among the judged files.
    judges_itself: bool,
    /// The judged builds, if a rule asked for them.
    builds: Option<Builds>,
    /// The lockfiles for images, if a rule asked for them.
    locks: Vec<JudgedLock>,
    /// Whether only errors of builds in which a new file takes part are reported.
    only_new_in_builds: bool,
    /// What a preparation writes; by default what the configuration says.
    overlays: Option<Overlays>,
}

impl<'a> Engine<'a> {
    /// An engine with every rule that is on by default or configured.
    pub(crate) fn new(config: &'a Config) -> Self {
        Self::of(&RULES, config)
    }

    /// An engine with those of `rules` that are on.
    pub(crate) fn of(rules: &[&'static Rule], config: &'a Config) -> Self {
        let rules = rules.iter().copied().filter(|rule| config.turns_on(rule)).collect();
        Self {
            config,
            rules,
            whole_tree: false,
            explain: false,
            listed: None,
            found: Vec::new(),
            with_built_in: Vec::new(),
            judges_itself: false,
            builds: None,
            locks: Vec::new(),
            only_new_in_builds: false,
            overlays: None,
        }
    }

    /// Whether only errors of builds in which a new file takes part are reported, and builds are
    /// read only if a new file is of a kind that one may depend on.
    #[must_use]
    pub(crate) fn only_new_in_builds(mut self, only: bool) -> Self {
        self.only_new_in_builds = only;
        self
    }

    /// What a preparation writes, instead of what the configuration says.
    #[must_use]
    pub(crate) fn preparing(mut self, overlays: Option<Overlays>) -> Self {
        self.overlays = overlays;
        self
    }

    /// Which kinds of new files the comparing rules ask for, without duplicates.
    pub(crate) fn compared_kinds(&self) -> Vec<fn(FileKind) -> bool> {
        let mut asked: Vec<_> =
            self.rules.iter().filter_map(|rule| rule.check.compares()).collect();
        asked.dedup_by(|a, b| std::ptr::fn_addr_eq(*a, *b));
        asked
    }

    /// Keeps only some rules.
    #[must_use]
    pub(crate) fn only(mut self, wanted: impl Fn(&Rule) -> bool) -> Self {
        self.rules.retain(|rule| wanted(rule));
        self
    }

    /// Removes rules.
    #[must_use]
    pub(crate) fn without(mut self, rules: &[&'static Rule]) -> Self {
        self.rules.retain(|rule| !rules.contains(rule));
        self
    }

    /// Whether a whole tree is judged: then an unused allowance is a finding.
    #[must_use]
    pub(crate) fn whole_tree(mut self, whole: bool) -> Self {
        self.whole_tree = whole;
        self
    }

    /// Whether to look for everything that the configuration hides, at twice the cost.
    #[must_use]
    pub(crate) fn explain_hidden(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Whether to list the new entries and read nothing.
    #[must_use]
    pub(crate) fn only_list(mut self, list: bool) -> Self {
        self.listed = list.then(Vec::new);
        self
    }

    /// Judges each new entry by the rules about one entry or one file.
    pub(crate) fn entries(&mut self, change: &dyn Change) -> Result<(), Error> {
        self.judge_entries(&mut Gathering::of(change), change)
    }

    fn judge_entries(
        &mut self,
        files: &mut Gathering<'_>,
        change: &dyn Change,
    ) -> Result<(), Error> {
        let found = self.entry_judge().judge_with(files, change)?;
        self.add(found);
        Ok(())
    }

    /// What judges the entries of changes on other threads. [`Self::add`] takes what it found.
    pub(crate) fn entry_judge(&self) -> EntryJudge<'a> {
        EntryJudge {
            config: self.config,
            rules: self.rules.clone(),
            explain: self.explain,
            only_list: self.listed.is_some(),
        }
    }

    /// Adds what was found in the entries of a change. The order of changes is kept.
    pub(crate) fn add(&mut self, found: FoundInEntries) {
        self.found.extend(found.found);
        self.with_built_in.extend(found.with_built_in);
        self.judges_itself |= found.judges_itself;
        self.listed.iter_mut().for_each(|listed| listed.extend_from_slice(&found.listed));
    }

    /// Judges by the rules that compare files, if a new file concerns them.
    pub(crate) fn comparisons(
        &mut self,
        change: &dyn Change,
        parts: Option<&Parts<'_>>,
    ) -> Result<(), Error> {
        self.judge_comparisons(&mut Gathering::of(change), change, parts)
    }

    fn judge_comparisons(
        &mut self,
        files: &mut Gathering<'_>,
        change: &dyn Change,
        parts: Option<&Parts<'_>>,
    ) -> Result<(), Error> {
        if self.listed.is_some() {
            return Ok(());
        }
        self.new_pins(files, change, parts)?;
        self.projects(files, change)?;
        self.locks(files, change)?;
        self.builds(files, change)
    }

    /// Judges new statements about pins.
    fn new_pins(
        &mut self,
        files: &mut Gathering<'_>,
        change: &dyn Change,
        parts: Option<&Parts<'_>>,
    ) -> Result<(), Error> {
        let Some(first) = self.reporter(compares_pins) else { return Ok(()) };
        let table = self.collect(first, change, |findings| pin_table(files, change, findings))?;
        let Some((mut table, is_whole)) = table else { return Ok(()) };
        let found = self.about_pins(&table);
        if found.is_empty() {
            return Ok(());
        }
        if !is_whole {
            table = self.collect(first, change, |findings| all_pins(files, true, findings))?;
        }
        let known = table.new.len();
        retain_new(&mut table, change)?;
        match parts.filter(|_| !table.new.is_empty()) {
            // Everything is new.
            None if is_whole && table.new.len() == known => {
                self.found.extend(with_commit(found, || change.commit()));
            }
            None => self.judge_pins(&table, change),
            Some(parts) => {
                for (table, commit) in parts(table)? {
                    let found = self.about_pins(&table);
                    self.found.extend(with_commit(found, || Some(commit)));
                }
            }
        }
        Ok(())
    }

    /// Judges all builds of a state, if a rule asks for them.
    fn builds(&mut self, files: &mut Gathering<'_>, change: &dyn Change) -> Result<(), Error> {
        let asks = |rule: &Rule| matches!(rule.check, Check::Builds(_));
        let Some(first) = self.reporter(asks) else { return Ok(()) };
        if self.only_new_in_builds && !building::may_concern(change) {
            return Ok(());
        }
        let before = self.found.len();
        let configured = self.config.builds();
        // Nothing that depends on the variables of files is an error.
        let is_wanted =
            |rule: &&&Rule| !self.only_new_in_builds && (self.explain || !self.config.is_off(rule));
        let asking = self.rules.iter().filter(is_wanted);
        let variables: Vec<_> = asking.filter_map(|rule| rule.asks_for_variables).collect();
        let (given, config) = (self.overlays.clone(), self.config);
        let overlays = |builds: &Builds| {
            let configured =
                || building::configured_overlays(config.prep(), config.debris(), builds);
            given.clone().or_else(configured)
        };
        let (overlays, variables) = (&overlays, &*variables);
        let asked = BuildQuestion { configured, overlays, variables, every_file: false };
        let mut builds = self
            .collect(first, change, |findings| building::read(files, change, &asked, findings))?;
        if let Some(path) = rules::unjudged_imports(&builds) {
            builds
                .leave_out(path, "it imports too many caches to compare them with what is written");
        }
        for rule in self.rules.clone() {
            if let Check::Builds(judge) = rule.check {
                let debris = self.config.debris();
                self.collect(rule, change, |findings| judge(&builds, debris, findings));
            }
        }
        let of_builds = self.found.split_off(before);
        let only_new = self.only_new_in_builds.then_some(change);
        self.found.extend(building::reported(of_builds, &builds, only_new));
        self.builds = Some(builds);
        Ok(())
    }

    /// Judges the lockfiles for images, if a new file may concern one.
    fn locks(&mut self, files: &mut Gathering<'_>, change: &dyn Change) -> Result<(), Error> {
        let asks = |rule: &Rule| matches!(rule.check, Check::Locks(_));
        let Some(first) = self.reporter(asks) else { return Ok(()) };
        let named = self.config.builds();
        let read = |findings: &mut _| locking::builds(files, change, named, findings);
        let Some(builds) = self.collect(first, change, read)? else { return Ok(()) };
        let locks = locking::judged(&builds, change)?;
        for rule in self.rules.clone() {
            if let Check::Locks(judge) = rule.check {
                self.collect(rule, change, |findings| judge(&locks, &builds, findings));
            }
        }
        self.locks.extend(locks);
        Ok(())
    }

    /// Judges by the rules about the whole project, each only if a new file is of a kind that it
    /// wants.
    fn projects(&mut self, files: &mut Gathering<'_>, change: &dyn Change) -> Result<(), Error> {
        let is_new = |wants: fn(FileKind) -> bool| {
            change
                .fresh()
                .iter()
                .any(|entry| entry.is_regular() && FileKind::of(&entry.path, wants).is_some())
        };
        let asked: Vec<_> = self
            .rules
            .iter()
            .filter_map(|&rule| match rule.check {
                Check::Project { wants, judge } if is_new(wants) => Some((rule, wants, judge)),
                _ => None,
            })
            .collect();
        let is_among = |rule: &Rule| asked.iter().any(|(known, ..)| *known == rule);
        let Some(first) = self.reporter(is_among) else { return Ok(()) };
        let is_asked = |kind| asked.iter().any(|(_, wants, _)| wants(kind));
        let project =
            self.collect(first, change, |findings| files.project(is_asked, |_| {}, findings))?;
        for (rule, _, judge) in asked {
            self.collect(rule, change, |findings| judge(&project, findings));
        }
        Ok(())
    }

    /// The rule that reports a file that is too large, if several rules read it: the first that is
    /// not off.
    fn reporter(&self, is_asked: impl Fn(&Rule) -> bool) -> Option<&'static Rule> {
        let asked = self.rules.iter().copied().filter(|rule| is_asked(rule));
        asked.min_by_key(|rule| self.config.is_off(rule))
    }

    /// Collects what `judge` reports under a rule.
    fn collect<T>(
        &mut self,
        rule: &'static Rule,
        change: &dyn Change,
        judge: impl FnOnce(&mut Findings) -> T,
    ) -> T {
        let mut findings = Findings::new(rule);
        let result = judge(&mut findings);
        self.found.extend(with_commit(findings.into_vec(), || change.commit()));
        result
    }

    /// Judges all pins of a change, new or not, and returns them.
    pub(crate) fn all_pins(&mut self, change: &dyn Change) -> Result<PinTable, Error> {
        let Some(first) = self.reporter(compares_pins) else { return Ok(PinTable::default()) };
        let table = self.collect(first, change, |findings| {
            all_pins(&mut Gathering::of(change), true, findings)
        })?;
        self.judge_pins(&table, change);
        Ok(table)
    }

    /// Judges by the rules that compare pins.
    pub(crate) fn judge_pins(&mut self, table: &PinTable, change: &dyn Change) {
        let found = self.about_pins(table);
        self.found.extend(with_commit(found, || change.commit()));
    }

    /// The findings of the rules that compare pins.
    fn about_pins(&self, table: &PinTable) -> Vec<Finding> {
        let mut found = Vec::new();
        for rule in &self.rules {
            if let Check::Pins(judge) = rule.check {
                let mut findings = Findings::new(rule);
                judge(table, &mut findings);
                found.append(&mut findings.into_vec());
            }
        }
        found
    }

    /// Judges one change by all rules.
    pub(crate) fn judge(mut self, change: &dyn Change) -> Result<Judgement, Error> {
        let mut files = Gathering::of(change);
        self.judge_entries(&mut files, change)?;
        self.judge_comparisons(&mut files, change, None)?;
        Ok(self.finish())
    }

    /// Sorts the findings, removes duplicates, and applies the configuration.
    pub(crate) fn finish(mut self) -> Judgement {
        if let Some(listed) = self.listed {
            return Judgement { listed, ..Judgement::default() };
        }
        let found = sorted(std::mem::take(&mut self.found));
        let mut not_leftovers = sorted(std::mem::take(&mut self.with_built_in));
        not_leftovers
            .retain(|one| found.binary_search_by(|known| key(known).cmp(&key(one))).is_err());
        let mut judgement = Judgement::default();
        let mut used = HashSet::new();
        for finding in found {
            self.apply_config(finding, &mut judgement, &mut used);
        }
        if let Some((_, origin)) = self.config.with_built_in() {
            judgement.hidden.extend(not_leftovers.into_iter().map(|finding| {
                let reason = "the configuration does not count it as a leftover".to_owned();
                Hidden { finding, by: origin.clone(), reason }
            }));
        }
        let asked = |rule: &Rule| self.rules.contains(&rule) && !self.config.is_off(rule);
        let unused = |number: usize, rule: Option<&Rule>| {
            self.whole_tree && !used.contains(&number) && rule.is_some_and(asked)
        };
        let reading = self
            .config
            .reading(self.judges_itself, |number, allowance| unused(number, allowance.rule));
        for mut finding in about_configuration(&self.rules, &reading) {
            if self.config.is_outside() {
                // The commands are for files of the repository.
                finding.steps = (&[]).into();
            }
            self.apply_config(finding, &mut judgement, &mut HashSet::new());
        }
        judgement.findings = sorted(judgement.findings);
        judgement.rules = self.rules;
        judgement.builds = self.builds;
        judgement.locks = self.locks;
        judgement
    }

    /// Reports or hides a finding, as the configuration says.
    fn apply_config(
        &self,
        mut finding: Finding,
        judgement: &mut Judgement,
        used: &mut HashSet<usize>,
    ) {
        finding.severity = match self.config.treat(&finding) {
            Treatment::Reported(severity) => severity,
            Treatment::Off(origin) => {
                let (by, reason) = (origin.clone(), "the rule is off".to_owned());
                judgement.hidden.push(Hidden { finding, by, reason });
                return;
            }
        };
        match self.config.allowance(finding.rule, &finding.path) {
            None if self.only_new_in_builds
                && finding.severity < Severity::Error
                && matches!(finding.rule.check, Check::Builds(_)) => {}
            None => judgement.findings.push(finding),
            Some(number) => {
                used.insert(number);
                let allowance = &self.config.allowances()[number];
                let (by, reason) = (allowance.origin.clone(), allowance.reason.clone());
                judgement.hidden.push(Hidden { finding, by, reason });
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::change::{Content, Mode};
    pub(crate) use crate::engine::fake::Fake;
    use crate::rule::RuleGroup;
    use crate::rule::tests::probe;

    /// The findings of a rule: `path:line:column: message`, or `path: message`.
    pub(crate) fn transcript(rule: &'static Rule, change: &Fake) -> Vec<String> {
        messages(&judged_by(rule, change))
    }

    /// The findings of a rule, with a configuration only to turn it on.
    pub(crate) fn judged_by(rule: &'static Rule, change: &Fake) -> Vec<Finding> {
        let on = (!rule.on_by_default).then(|| Config::with_severity(rule, Some(rule.severity)));
        Engine::of(&[rule], &on.unwrap_or_default()).judge(change).unwrap().findings
    }

    /// The findings of every rule of a check, with a configuration.
    pub(crate) fn judged_with(config: &Config, change: &Fake) -> Judgement {
        let is_of_check = |rule: &Rule| rule.group != RuleGroup::Doctor;
        Engine::new(config).only(is_of_check).judge(change).unwrap()
    }

    /// A configuration on 2 May 2026.
    pub(crate) fn configured(text: &str) -> Config {
        Config::parse(crate::config::FILE, text.as_bytes(), jiff::civil::date(2026, 5, 2)).unwrap()
    }

    pub(crate) fn messages(findings: &[Finding]) -> Vec<String> {
        let line = |finding: &Finding| {
            let place =
                finding.place.as_ref().map(|place| format!(":{}:{}", place.line, place.column));
            format!("{}{}: {}", finding.path, place.unwrap_or_default(), finding.message)
        };
        findings.iter().map(line).collect()
    }

    const TWIN: Rule = Rule { id: "twin", ..PROBE };

    const PROBE: Rule = Rule {
        check: Check::File {
            wants: |path| path.file_name() == b"a",
            judge: |known, _, findings| {
                let file = &known.file;
                findings.place(file, &(0..1), "seen");
            },
        },
        ..probe("probe")
    };

    #[test]
    fn only_wanted_regular_files_are_read_once() {
        let change = Fake::default().file("a", "x").file("b", "x").old("x/a", "x").with(
            "y/a",
            Mode::Symlink,
            Content::Bytes(b"x".to_vec()),
            true,
        );
        assert_eq!(
            Engine::of(&[&PROBE, &TWIN], &Config::default()).judge(&change).unwrap().findings.len(),
            2
        );
        assert_eq!(*change.read.borrow(), ["a"]);
    }

    #[test]
    fn a_file_for_rules_of_both_kinds_is_read_once() {
        let change = Fake::default()
            .file("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#)
            .file("b/.npmrc", "");
        judged_with(&Config::default(), &change);
        assert_eq!(*change.read.borrow(), ["package.json", "b/.npmrc"]);
    }

    #[test]
    fn a_project_is_read_once_and_only_for_a_new_file_of_a_kind_that_a_rule_names() {
        const ABOUT_IMAGES: Rule = Rule {
            check: Check::Project {
                wants: |kind| matches!(kind, FileKind::Dockerfile | FileKind::Compose),
                judge: |project, findings| {
                    for known in project.files() {
                        findings
                            .path(&known.file.path, format!("one of {}", project.files().len()));
                    }
                },
            },
            ..PROBE
        };
        const SECOND: Rule = Rule { id: "second", ..ABOUT_IMAGES };
        let old = || {
            Fake::default()
                .old("a/Dockerfile", "")
                .old("compose.yaml", "")
                .old("package.json", "{}")
        };
        let change = old().file("b", "").file("package.json", "{}");
        assert_eq!(transcript(&ABOUT_IMAGES, &change), Vec::<String>::new());
        assert!(change.read.borrow().is_empty());
        let change = old().file("b/Dockerfile", "");
        let config = Config::default();
        let mut engine = Engine::new(&config);
        engine.rules = vec![&ABOUT_IMAGES, &SECOND];
        assert_eq!(engine.judge(&change).unwrap().findings.len(), 6);
        assert_eq!(*change.read.borrow(), ["a/Dockerfile", "compose.yaml", "b/Dockerfile"]);
    }

    #[test]
    fn findings_are_sorted_by_path() {
        let change = Fake::default().file("z/a", "x").file("b/a", "x");
        assert_eq!(transcript(&PROBE, &change), ["b/a:1:1: seen", "z/a:1:1: seen"]);
    }

    #[test]
    fn a_file_over_the_limit_is_a_finding() {
        let change = Fake::default().with("a", Mode::File, Content::TooLarge(LIMIT + 1), true);
        assert_eq!(
            transcript(&PROBE, &change),
            ["a: a is larger than this rule can judge (33 MiB, the limit is 32 MiB)"]
        );
    }

    #[test]
    fn hidden_findings_have_the_line_of_the_configuration() {
        let text = r#"{"rules": {"docker-deps-content": "off"},
 "debris": {".docker-deps": {"keep": ["x"]}},
 "allow": [{"rule": "stray-backup", "path": "a/**", "reason": "a fixture"}]}"#;
        let config = configured(text);
        let change =
            Fake::default().file("a/b.bak", "").file("b.bak", "").file("c/.docker-deps/x", "");
        let mut engine = Engine::new(&config).explain_hidden(true);
        engine.entries(&change).unwrap();
        let Judgement { findings, hidden, .. } = engine.finish();
        assert_eq!(messages(&findings), ["b.bak: a backup file"]);
        let lines: Vec<String> = hidden
            .iter()
            .map(|hidden| format!("{} {} {}", hidden.by, hidden.finding.path, hidden.reason))
            .collect();
        assert_eq!(
            lines,
            [
                "bakstop.json:3:12 a/b.bak a fixture",
                "bakstop.json:2:13 c/.docker-deps/x \
                 the configuration does not count it as a leftover"
            ]
        );
    }

    #[test]
    fn duplicates_are_reported_once() {
        let config = Config::default();
        let mut engine = Engine::new(&config);
        for _ in 0..2 {
            engine.entries(&Fake::default().file("b.bak", "").file("a.bak", "")).unwrap();
        }
        assert_eq!(
            messages(&engine.finish().findings),
            ["a.bak: a backup file", "b.bak: a backup file"]
        );
    }
}
