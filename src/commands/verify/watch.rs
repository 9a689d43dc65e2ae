//! Snapshots of a work tree, and the report on its changes.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::base::change::File;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::paths::Paths;
use crate::commands::restoring::work_tree::plan;
use crate::commands::verify::args::Args;
use crate::commands::{Context, Outcome, listed};
use crate::config::{Allowance, Config};
use crate::cure::{self, Facts};
use crate::disk::destination::Destination;
use crate::edit::excerpt::{self, Excerpt};
use crate::engine::{Engine, LIMIT};
use crate::git::worktree::files::OnDisk;
use crate::git::worktree::{Detail, WorkTree};
use crate::measure::builds::CacheGate;
use crate::measure::units::Seconds;
use crate::report::verify::{Since, Verification};
use crate::report::{HumanOrJson, plural};
use crate::rule::Finding;
use crate::rules::is_rewritten;
use crate::snapshot::{Changes, Difference, Snapshot, State};

/// A work tree, and how its changes are reported.
pub(super) struct Watch<'a> {
    pub args: &'a Args,
    pub context: &'a Context,
    /// The file for the report.
    pub output: Option<Destination>,
    pub tree: &'a WorkTree,
    pub config: &'a Config,
}

/// The maximum size in bytes of a text whose difference is shown.
const SHOWN: u64 = 1024 * 1024;
/// The maximum size in bytes of a file, and of all files, that are kept before a build.
const KEPT: u64 = 256 * 1024;
const ALL_KEPT: usize = 16 * 1024 * 1024;
/// The maximum number of files whose difference is shown.
const FILES: usize = 20;
/// The maximum number of processes that are named.
const PROCESSES: usize = 3;

impl Watch<'_> {
    pub(super) fn look(&self, detail: Detail) -> Result<Snapshot, Error> {
        let snapshot = self.tree.snapshot(detail, self.config.debris(), self.context.terminal);
        snapshot.map_err(|error| error.or_help("see the output of `git status`"))
    }

    /// Keeps the texts of files that are not clean: git does not have them.
    pub(super) fn keep_texts(&self, before: &mut Snapshot) {
        if self.args.no_diff {
            return;
        }
        let mut kept = 0;
        let has_text = [State::Untracked, State::Modified, State::Staged];
        for (path, status) in &mut before.paths {
            if kept < ALL_KEPT && status.states.iter().any(|state| has_text.contains(state)) {
                status.text = self.tree.text(path, KEPT);
                kept += status.text.as_ref().map_or(0, Vec::len);
            }
        }
    }

    /// Removes the changes that the configuration allows; returns notes about them.
    pub(super) fn allow(&self, mut changes: Changes) -> (Changes, Vec<String>) {
        let ended = self.config.expired_verify_allowances();
        let mut notes: Vec<String> = ended
            .map(|allowance| format!("bakstop: {}: this allowance has expired", allowance.origin))
            .collect();
        let mut hidden = Vec::new();
        changes.paths.retain(|difference| {
            let allowance = self.config.verify_allowance(&difference.path);
            hidden.extend(allowance.map(|allowance| (allowance, difference.path.clone())));
            allowance.is_none()
        });
        if self.args.verbose {
            let line = |(allowance, path): &(&Allowance, RepoPath)| {
                format!("bakstop: hidden by {}: {path}: {}", allowance.origin, allowance.reason)
            };
            notes.extend(listed(&hidden, line));
        }
        (changes, notes)
    }

    /// Reports the changes.
    pub(super) fn report(
        &self,
        changes: &Changes,
        since: Since<'_>,
        cache: Option<&CacheGate>,
        notes: &[String],
    ) -> Result<Outcome, Error> {
        let mut findings = self.find_rewritten(changes)?;
        let tree = self.tree;
        let is_staged = |path: &RepoPath| {
            changes.paths.iter().any(|one| one.path == *path && one.is(State::Staged))
        };
        let (debris, terminal) = (self.config.debris(), self.context.terminal);
        let plan = || plan(&OnDisk::all(tree).ok()?, debris, &Paths::default(), terminal).ok();
        let facts = Facts {
            debris,
            on_disk: &|path| tree.text(path, LIMIT),
            is_tracked: &|path| tree.committed(":0", path).is_some(),
            plan: &plan,
            staged: findings.iter().any(|finding| is_staged(&finding.path)),
        };
        cure::in_files(&mut findings, &facts);
        let (advice, rewritten_backups) =
            (cure::of_changes(changes, &findings, &facts), self.rewritten_backups(changes));
        let verification = Verification {
            changes,
            since,
            findings: &findings,
            diffs: &if self.args.no_diff { Vec::new() } else { self.diffs(changes) },
            rewritten_backups: &rewritten_backups,
            below_top: !tree.prefix().is_empty(),
            advice: advice.as_ref(),
            cache,
        };
        let verdict = if verification.passes() { Verdict::Clean } else { Verdict::Found };
        let (args, paint) = (self.args, self.context.paint);
        let outcome = Outcome::in_format(
            verdict,
            args.format,
            self.output.clone(),
            paint,
            |format, paint| match format {
                HumanOrJson::Human => verification.human(paint),
                HumanOrJson::Json => verification.json(),
            },
        );
        let notes = notes.iter().cloned().chain(not_examined(&changes.unexamined));
        let outcome = notes.fold(outcome, Outcome::note);
        Ok(self.with_exit_code(outcome, changes.is_empty(), since))
    }

    /// Sets the exit code of a command that failed, and adds notes.
    fn with_exit_code(
        &self,
        mut outcome: Outcome,
        is_unchanged: bool,
        since: Since<'_>,
    ) -> Outcome {
        let verbose = self.args.verbose;
        let mut notes = Vec::new();
        match since {
            Since::Clean | Since::Baseline if !is_unchanged || !verbose => {}
            Since::Clean => notes.push("bakstop: the work tree is clean".to_owned()),
            Since::Baseline => notes.push("bakstop: the work tree is as it was".to_owned()),
            Since::Command(ran, timing) => {
                notes.extend(
                    (!ran.left_running.is_empty()).then(|| left_running(&ran.left_running)),
                );
                let (code, ended, took) = (ran.ended.code(), ran.ended.describe(), timing.seconds);
                if code != 0 {
                    outcome.code = code;
                }
                if code != 0 && is_unchanged {
                    notes.push(format!("bakstop: the command {ended}; the work tree is as it was"));
                } else if is_unchanged && verbose {
                    let took = Seconds(took);
                    notes.push(format!(
                        "bakstop: the work tree is as it was; the command took {took}"
                    ));
                }
            }
        }
        notes.iter().fold(outcome, Outcome::note)
    }

    /// The differences in changed files, if both texts are known.
    fn diffs<'c>(&self, changes: &'c Changes) -> Vec<(&'c RepoPath, Excerpt)> {
        let commit = match &changes.head {
            Some((before, _)) => before.commit.map(|id| id.to_string()),
            None => Some("HEAD".to_owned()),
        };
        let texts = |difference: &'c Difference| {
            let path = &difference.path;
            difference
                .after
                .as_ref()
                .filter(|_| !difference.is(State::Deleted) && !difference.is(State::Leftover))?;
            let old = match &difference.before {
                Some(status) => status.text.clone()?,
                // The text of a new file is not shown: it may be a secret.
                None if difference.is_new() => return None,
                None => self.tree.committed(commit.as_deref()?, path)?,
            };
            Some((path, old, self.tree.text(path, SHOWN)?))
        };
        excerpt::excerpts(changes.paths.iter().filter_map(texts).take(FILES))
    }

    /// The backups that are rewritten themselves, with their originals: restoring them loses data.
    fn rewritten_backups(&self, changes: &Changes) -> Vec<(RepoPath, RepoPath)> {
        let debris = self.config.debris();
        let present = changes.paths.iter().filter(|difference| difference.after.is_some());
        let backups = present
            .filter_map(|difference| Some((&difference.path, debris.backed_up(&difference.path)?)));
        let rewritten = |(backup, original): (&RepoPath, RepoPath)| {
            let text = self.tree.text(backup, LIMIT)?;
            // Only a file that mentions a leftover directory can be rewritten.
            let points = debris
                .directories()
                .iter()
                .any(|packed| memmem::find(&text, packed.name.as_bytes()).is_some());
            let file = File { path: original.clone(), text, fresh: false, replaces: true };
            (points && is_rewritten(file, debris)).then(|| (backup.clone(), original))
        };
        backups.filter_map(rewritten).collect()
    }

    /// Findings in files that are not clean: they distinguish a forgotten restore from an edit.
    fn find_rewritten(&self, changes: &Changes) -> Result<Vec<Finding>, Error> {
        let present = [State::Conflicted, State::Staged, State::Modified, State::Untracked];
        let paths = changes
            .paths
            .iter()
            .filter(|difference| present.iter().any(|&state| difference.is(state)));
        let files = OnDisk::of(
            self.tree,
            paths.map(|difference| (difference.path.clone(), difference.is_new())),
        );
        Ok(Engine::new(self.config)
            .only(|rule| rule.subject.shows_preparation())
            .judge(&files)?
            .findings)
    }
}

/// The notes on repositories that git refuses.
pub(super) fn not_examined(paths: &BTreeSet<RepoPath>) -> impl Iterator<Item = String> {
    paths
        .iter()
        .map(|path| format!("bakstop: {path}: not examined, since it belongs to another user"))
}

/// A process that is left running may still change the tree.
fn left_running(names: &[String]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(PROCESSES).map(|name| Escaped(name.as_bytes()).to_string()).collect();
    if names.len() > PROCESSES {
        shown.push("…".into());
    }
    let many = plural(names.len(), "process");
    format!(
        "bakstop: the command left {many} running ({}): later changes by them are not reported",
        shown.join(", ")
    )
}
