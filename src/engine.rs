//! Rules × files: decides what is read and who judges it, so that no rule has to ask.

use crate::change::{Change, Content, Entry};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::rule::{Check, File, Findings, Rule};

/// The largest file that is judged, in bytes. Lockfiles of the largest public workspaces stay below a quarter of it.
pub const LIMIT: u64 = 32 * 1024 * 1024;

/// Judges a change by these rules. Findings come sorted by path, place and rule.
pub fn judge(rules: &[&Rule], change: &dyn Change) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    for entry in change.fresh() {
        found.append(&mut judge_entry(rules, entry, change)?);
    }
    if !found.is_empty() {
        let commit = change.commit();
        for finding in &mut found {
            finding.commit.clone_from(&commit);
        }
    }
    for rule in rules {
        if let Check::Files { wants, select, judge } = rule.check {
            if !change.fresh().iter().any(|entry| entry.is_regular() && wants(&entry.path)) {
                continue;
            }
            let mut whole = change.whole(&wants)?;
            whole.retain(Entry::is_regular);
            select(&mut whole);
            let mut findings = Findings::of(rule);
            let mut files = Vec::new();
            for entry in &whole {
                files.extend(read(entry, change, &mut findings)?);
            }
            judge(&files, &mut findings);
            found.append(&mut findings.into_vec());
        }
    }
    found.sort_by(|a, b| {
        let place = |finding: &Finding| finding.place.as_ref().map(|place| (place.line, place.column));
        (&a.path, place(a), a.rule, &a.message).cmp(&(&b.path, place(b), b.rule, &b.message))
    });
    Ok(found)
}

/// Temporary.
pub struct Engine {
    found: Vec<Finding>,
    rules: Vec<&'static Rule>,
}

impl Engine {
    pub fn without(rules: &[&'static Rule]) -> Self {
        let rules =
            crate::rules::RULES.into_iter().filter(|rule| !rules.iter().any(|other| other.id == rule.id)).collect();
        Self { found: Vec::new(), rules }
    }
    pub fn entries(&mut self, change: &dyn Change) -> Result<(), Error> {
        let mut found = Vec::new();
        for entry in change.fresh() {
            found.append(&mut judge_entry(&self.rules, entry, change)?);
        }
        if !found.is_empty() {
            let commit = change.commit();
            for finding in &mut found {
                finding.commit.clone_from(&commit);
            }
        }
        self.found.extend(found);
        Ok(())
    }
    pub fn together(&mut self, change: &dyn Change) -> Result<(), Error> {
        let mut found = judge(
            &self.rules.iter().copied().filter(|rule| matches!(rule.check, Check::Files { .. })).collect::<Vec<_>>(),
            change,
        )?;
        if !found.is_empty() {
            let commit = change.commit();
            for finding in &mut found {
                finding.commit.clone_from(&commit);
            }
        }
        self.found.extend(found);
        Ok(())
    }
    pub fn finish(mut self) -> Vec<Finding> {
        self.found.sort_by(|a, b| a.path.cmp(&b.path));
        self.found
    }
}

/// Judges one new entry by the rules that look at entries and single files. The file is read once, if at all.
fn judge_entry(rules: &[&Rule], entry: &Entry, change: &dyn Change) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    let mut file = None;
    for rule in rules {
        let mut findings = Findings::of(rule);
        match rule.check {
            Check::Entry(judge) => judge(entry, &mut findings),
            Check::File { wants, judge } if entry.is_regular() && wants(&entry.path) => {
                if file.is_none() {
                    file = read(entry, change, &mut findings)?;
                }
                if let Some(file) = &file {
                    judge(file, &mut findings);
                }
            }
            Check::File { .. } | Check::Files { .. } => {}
        }
        found.append(&mut findings.into_vec());
    }
    Ok(found)
}

/// Reads a file, or reports that it is too large: a limit is said aloud, and blocks where the file is new.
fn read(entry: &Entry, change: &dyn Change, findings: &mut Findings) -> Result<Option<File>, Error> {
    match change.read(entry, LIMIT)? {
        Content::Bytes(text) => {
            Ok(Some(File { path: entry.path.clone(), text, fresh: entry.fresh, replaces: entry.replaces.is_some() }))
        }
        Content::TooLarge(size) => {
            let message = format!(
                "{} is larger than this rule can judge ({} MiB, the limit is {} MiB)",
                entry.path,
                size.div_ceil(1024 * 1024),
                LIMIT / (1024 * 1024)
            );
            let draft = findings.path(&entry.path, message).cure("make the file smaller, or keep it out of git", &[]);
            if !entry.fresh {
                draft.weigh(Severity::Warning);
            }
            Ok(None)
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::change::{Mode, ObjectId};
    use crate::path::RepoPath;

    /// A change held in memory, for the tests of the engine and of the rules.
    #[derive(Default)]
    pub struct Fake {
        whole: Vec<Entry>,
        fresh: Vec<Entry>,
        contents: Vec<Content>,
        /// The paths that were read, in order.
        pub read: RefCell<Vec<String>>,
    }

    impl Fake {
        pub fn with(mut self, path: &str, mode: Mode, content: Content, fresh: bool) -> Self {
            let mut id = [0; 20];
            id[0] = u8::try_from(self.contents.len()).unwrap();
            let entry = Entry {
                path: RepoPath::from(path),
                mode,
                id: ObjectId::from_bytes(&id).unwrap(),
                fresh,
                replaces: None,
            };
            if fresh {
                self.fresh.push(entry.clone());
            }
            self.whole.push(entry);
            self.contents.push(content);
            self
        }

        /// A new regular file.
        pub fn file(self, path: &str, text: &str) -> Self {
            self.with(path, Mode::File, Content::Bytes(text.into()), true)
        }

        /// A regular file that was there before.
        pub fn old(self, path: &str, text: &str) -> Self {
            self.with(path, Mode::File, Content::Bytes(text.into()), false)
        }
    }

    impl Change for Fake {
        fn fresh(&self) -> &[Entry] {
            &self.fresh
        }
        fn whole(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
            Ok(self.whole.iter().filter(|entry| wanted(&entry.path)).cloned().collect())
        }
        fn read(&self, entry: &Entry, _limit: u64) -> Result<Content, Error> {
            self.read.borrow_mut().push(entry.path.to_string());
            Ok(self.contents[usize::from(entry.id.as_bytes()[0])].clone())
        }
    }

    /// What a rule says about a change: `path:line:column: message` a line, or `path: message`.
    pub fn transcript(rule: &Rule, change: &Fake) -> Vec<String> {
        judge(&[rule], change)
            .unwrap()
            .into_iter()
            .map(|finding| {
                let place = finding.place.map(|place| format!(":{}:{}", place.line, place.column));
                format!("{}{}: {}", finding.path, place.unwrap_or_default(), finding.message)
            })
            .collect()
    }

    const PROBE: Rule = Rule {
        id: "probe",
        summary: "",
        severity: Severity::Error,
        manual: "",
        check: Check::File {
            wants: |path| path.is_named("a"),
            judge: |file, findings| {
                findings.place(file, &(0..1), "seen");
            },
        },
    };

    #[test]
    fn only_wanted_regular_files_are_read_and_each_once() {
        let change = Fake::default().file("a", "x").file("b", "x").old("x/a", "x").with(
            "y/a",
            Mode::Symlink,
            Content::Bytes(b"x".to_vec()),
            true,
        );
        assert_eq!(judge(&[&PROBE, &PROBE], &change).unwrap().len(), 2);
        assert_eq!(*change.read.borrow(), ["a"]);
    }

    #[test]
    fn findings_are_sorted_by_path() {
        let change = Fake::default().file("z/a", "x").file("b/a", "x");
        assert_eq!(transcript(&PROBE, &change), ["b/a:1:1: seen", "z/a:1:1: seen"]);
    }

    #[test]
    fn a_file_full_of_findings_is_counted_not_listed() {
        const EVERY_LINE: Rule = Rule {
            check: Check::File {
                wants: |_| true,
                judge: |file, findings| {
                    for at in 0..file.text.len() {
                        findings.place(file, &(at..at), "seen");
                    }
                },
            },
            ..PROBE
        };
        let told = transcript(&EVERY_LINE, &Fake::default().file("a", &"\n".repeat(1000)).file("b", "\n"));
        assert_eq!(told.len(), 102);
        assert!(told.contains(&"a: 900 more places in this file say the same".to_owned()), "{told:?}");
    }

    #[test]
    fn a_file_over_the_limit_is_a_finding() {
        let change = Fake::default().with("a", Mode::File, Content::TooLarge(LIMIT + 1), true);
        assert_eq!(
            transcript(&PROBE, &change),
            ["a: a is larger than this rule can judge (33 MiB, the limit is 32 MiB)"]
        );
    }
}
