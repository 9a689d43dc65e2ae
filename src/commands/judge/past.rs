//! Judges commits and trees.

use std::collections::HashSet;
use std::rc::Rc;

use crate::base::change::{Change, Entry, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::base::refs::RefUpdate;
use crate::commands::Context;
use crate::commands::judge::judged::{Judged, Options, config_file, engine};
use crate::commands::judge::narrowed::{must_exist_in, narrow};
use crate::commands::judge::origins;
use crate::commands::paths::Paths;
use crate::config::Config;
use crate::cure;
use crate::cure::commits::{HeadRelation, Rewrite, Situation, in_commits, rewriting};
use crate::engine::{Engine, Judgement};
use crate::git::history::{Commits, History, Tip};
use crate::git::objects::Objects;
use crate::git::{Git, TreeChanges};
use crate::hooks::Hook;
use crate::os::progress::Progress;
use crate::project::kinds::FileKind;
use crate::report::plural;
use crate::rule::Finding;
use crate::rules::RULES;

/// The history of a repository, to be judged.
pub(super) struct Past<'a> {
    context: &'a Context,
    options: &'a Options<'a>,
    paths: &'a Paths,
    objects: Rc<Objects>,
    history: History<'a>,
}

/// A configuration, and the name of its source.
struct ConfigSource {
    config: Config,
    origin: String,
}

impl ConfigSource {
    /// The lines of `--verbose`: what was judged, and by which configuration.
    fn verbose_lines(&self, judged: &str) -> Vec<String> {
        let relation = match (self.config.is_present(), &*self.origin) {
            (_, "") => return vec![format!("{judged} judged")],
            (true, _) => "the configuration is from",
            (false, _) => "no configuration in",
        };
        vec![format!("{judged} judged"), format!("{relation} {}", self.origin)]
    }
}

impl<'a> Past<'a> {
    pub(super) fn open(options: &'a Options<'a>, paths: &'a Paths, context: &'a Context) -> Self {
        let git = Git::new(&context.directory);
        let objects = Rc::new(Objects::open(&git, &context.env));
        let history = History::new(git, &context.env, Rc::clone(&objects));
        Self { context, options, paths, objects, history }
    }

    /// Every commit of a range.
    pub(super) fn range(&self, spec: &str) -> Result<Judged, Error> {
        let range = self.history.range(spec)?;
        let commits = self.history.range_commits(&range)?;
        let source = self.configuration(Some((range.base, &range.base_name)))?;
        self.commits(
            &commits,
            &source,
            format!("there is no commit in {}", range.name),
            Rewrite::Commits,
        )
    }

    /// The tip of a range, compared with its base.
    pub(super) fn tip(&self, spec: &str) -> Result<Judged, Error> {
        let range = self.history.range(spec)?;
        let source = self.configuration(Some((range.base, &range.base_name)))?;
        let Tip { tree, bases, .. } = self.history.range_tip(&range)?;
        self.judge_tree(
            tree,
            &bases,
            &source,
            format!("nothing is new at the end of {}", range.name),
        )
    }

    /// Every file of a tree.
    pub(super) fn tree(&self, name: &str) -> Result<Judged, Error> {
        let tree = self.history.tree(name)?;
        let source = self.configuration_in(Some((tree, name)))?;
        self.judge_tree(tree, &[], &source, "the tree is empty".to_owned())
    }

    /// Every file of HEAD.
    pub(super) fn head(&self) -> Result<Judged, Error> {
        match self.history.head()? {
            Some(_) => self.tree("HEAD"),
            None => Ok(without_commits("there is no commit".to_owned())),
        }
    }

    /// The commits of a push that the remote does not have.
    pub(super) fn push(
        &self,
        updates: &[RefUpdate],
        remote: Option<&str>,
    ) -> Result<Judged, Error> {
        let nothing = "nothing that is pushed is new to the remote".to_owned();
        let commits = self.history.push_commits(updates, remote)?;
        if commits.is_empty() {
            return Ok(without_commits(nothing));
        }
        let base = self.history.base_of_push(updates, remote)?;
        let source = self.configuration(base.as_ref().map(|(id, name)| (*id, &**name)))?;
        self.commits(&commits, &source, nothing, Rewrite::Commits)
    }

    /// The commits of this revision that the remote does not have.
    pub(super) fn push_of(&self, tip: &str, remote: &str) -> Result<Judged, Error> {
        let new = Some(self.history.commit(tip)?);
        self.push(&[RefUpdate { old: None, new, name: RepoPath::from(tip) }], Some(remote))
    }

    /// The commits of a push that no ref reaches yet. Their configuration is not used.
    pub(super) fn receive(&self, updates: &[RefUpdate]) -> Result<Judged, Error> {
        let nothing = "nothing that is pushed is new here".to_owned();
        let commits = self.history.received_commits(updates)?;
        if commits.is_empty() {
            return Ok(without_commits(nothing));
        }
        let source = match self.history.server_file(crate::config::FILE)? {
            Some(path) => {
                let origin = RepoPath::from(path.as_path()).to_string();
                ConfigSource { config: config_file(&path, self.context)?, origin }
            }
            None => {
                self.configuration(self.history.head()?.map(|id| (id, "the default branch")))?
            }
        };
        self.commits(&commits, &source, nothing, Rewrite::Commits)
    }

    /// Every commit that a ref reaches.
    pub(super) fn history(&self) -> Result<Judged, Error> {
        let commits = self.history.all_commits()?;
        let source = self.configuration(self.history.head()?.map(|id| (id, "HEAD")))?;
        self.commits(&commits, &source, "there is no commit".to_owned(), Rewrite::History)
    }

    /// The configuration of a commit, or of `--config`.
    fn configuration(&self, commit: Option<(ObjectId, &str)>) -> Result<ConfigSource, Error> {
        let tree = commit.map(|(commit, name)| Ok((self.history.tree_of(&commit)?, name)));
        self.configuration_in(tree.transpose()?)
    }

    fn configuration_in(&self, tree: Option<(ObjectId, &str)>) -> Result<ConfigSource, Error> {
        let (config, origin) = match (self.options.config, tree) {
            (Some(path), _) => (config_file(path, self.context)?, "--config"),
            (None, None) => (Config::default(), ""),
            (None, Some((tree, origin))) => {
                let hint = || format!("it is from {origin}; {}", self.options.recovery_hint);
                (self.config_of(tree).map_err(|error| error.or_help(hint()))?, origin)
            }
        };
        Ok(ConfigSource { config, origin: origin.to_owned() })
    }

    fn config_of(&self, tree: ObjectId) -> Result<Config, Error> {
        let change = TreeChanges::new(&self.objects).unchanged(tree);
        Config::from_change(&change, || self.context.today())
    }

    /// The entries of a tree that are in none of `others`.
    fn judge_tree(
        &self,
        tree: ObjectId,
        others: &[ObjectId],
        source: &ConfigSource,
        nothing: String,
    ) -> Result<Judged, Error> {
        let mut changes = TreeChanges::new(&self.objects);
        let whole =
            if others.is_empty() { changes.whole(tree)? } else { changes.tree(tree, others)? };
        let change = narrow(self.paths, &whole);
        must_exist_in(self.paths, &whole)?;
        let is_whole = others.is_empty() && self.paths.is_empty();
        let engine = engine(&source.config, self.options).whole_tree(is_whole);
        let judgement = engine.judge(&change)?;
        let entries = change.fresh().len();
        let what = if others.is_empty() { "path" } else { "new path" };
        let details = source.verbose_lines(&plural(entries, what));
        let mut judged = Judged::new(judgement, entries, details, nothing);
        in_commits(&mut judged.judgement.findings, Rewrite::Nothing);
        Ok(judged)
    }

    fn commits(
        &self,
        commits: &Commits,
        source: &ConfigSource,
        nothing: String,
        rewrite: Rewrite,
    ) -> Result<Judged, Error> {
        let is_whole = rewrite == Rewrite::History && self.paths.is_empty();
        let mut engine = engine(&source.config, self.options).whole_tree(is_whole);
        let entries = self.walk(commits, &mut engine)?;
        let what =
            format!("{} in {}", plural(entries, "new path"), plural(commits.nodes.len(), "commit"));
        let mut judged =
            Judged::new(engine.finish(), entries, source.verbose_lines(&what), nothing);
        if !commits.nodes.is_empty() || !judged.judgement.findings.is_empty() {
            judged.skip_reason = None;
        }
        let affected = in_commits(&mut judged.judgement.findings, rewrite);
        let end = commits.tips.first().map(|tip| &tip.commit);
        let advice = rewriting(commits, &affected, rewrite, |commit| self.situation(commit, end))?;
        judged.advice = advice.map(|advice| {
            self.allowance_hint(&judged.judgement.findings, commits, source).unwrap_or(advice)
        });
        Ok(judged)
    }

    /// Judges every commit, then the tip of each ref; returns the number of new entries.
    fn walk(&self, commits: &Commits, engine: &mut Engine<'_>) -> Result<usize, Error> {
        let mut changes = TreeChanges::new(&self.objects);
        let mut entries = 0;
        let mut progress =
            Progress::new("commits judged:", commits.nodes.len(), self.context.terminal);
        let judge = engine.entry_judge();
        for nodes in commits.nodes.chunks(BATCH) {
            let found =
                changes.each_commit(nodes, |change| judge.judge(&narrow(self.paths, change)))?;
            for found in found {
                let found = found?;
                entries += found.entries;
                engine.add(found);
                progress.step();
            }
        }
        for tree in &commits.bare_trees {
            let change = changes.tree(*tree, &[])?;
            let change = narrow(self.paths, &change);
            engine.entries(&change)?;
            engine.comparisons(&change, None)?;
            entries += change.fresh().len();
        }
        // Rules that compare files judge only the tip of a ref.
        let mut ends = HashSet::new();
        for tip in commits.tips.iter().filter(|tip| ends.insert((tip.tree, &tip.bases))) {
            self.judge_tip(tip, commits, engine)?;
        }
        let ends = commits.tips.iter().map(|tip| tip.tree);
        let mut ends = ends.chain(commits.nodes.iter().rev().map(|node| node.tree));
        if let Some(tree) = ends.next() {
            must_exist_in(self.paths, &changes.unchanged(tree))?;
        }
        Ok(entries)
    }

    /// Judges the tip of a ref by the rules that compare files, unless those files are unchanged.
    fn judge_tip(
        &self,
        tip: &Tip,
        commits: &Commits,
        engine: &mut Engine<'_>,
    ) -> Result<(), Error> {
        let compared = engine.compared_kinds();
        let new_since = |bases: &[ObjectId]| -> Result<Vec<Entry>, Error> {
            let mut fresh = TreeChanges::new(&self.objects).tree(tip.tree, bases)?.into_fresh();
            fresh.retain(|entry| {
                self.paths.cover(&entry.path)
                    && compared.iter().any(|wants| FileKind::of(&entry.path, wants).is_some())
            });
            Ok(fresh)
        };
        let mut fresh = if tip.bases.is_empty() { new_since(&[])? } else { Vec::new() };
        for base in &tip.bases {
            let new = new_since(&[*base])?;
            if new.is_empty() {
                return Ok(());
            }
            fresh.extend(new);
        }
        let change = TreeChanges::new(&self.objects).at_tip(tip, fresh);
        let parts = |table| origins::of_new_pins(table, tip, commits, &self.objects);
        engine.comparisons(&change, Some(&parts))
    }

    /// The place of a commit in the history of `end`.
    fn situation(&self, commit: &ObjectId, end: Option<&ObjectId>) -> Result<Situation, Error> {
        let relation = match self.history.head()? {
            Some(head) if head == *commit => HeadRelation::Same,
            Some(head) if self.history.is_ancestor(commit, &head)? => HeadRelation::Ancestor,
            _ => HeadRelation::Other(
                end.and_then(|end| self.history.branch_at(end)).map(|branch| branch.checkout()),
            ),
        };
        Ok(Situation {
            relation,
            picks_are_judged: self.history.has_hook(Hook::PrepareCommitMsg.name()),
        })
    }

    /// A hint about an allowance that is part of the same range and does not apply yet.
    fn allowance_hint(
        &self,
        findings: &[Finding],
        commits: &Commits,
        source: &ConfigSource,
    ) -> Option<String> {
        let config = self.config_of(commits.tips.first()?.tree).ok()?;
        cure::allowance_hint(findings, &config, &source.origin)
    }
}

/// The result of a push without new commits. No configuration is read: a deletion must be possible.
fn without_commits(why: String) -> Judged {
    let rules = RULES.into_iter().filter(|rule| rule.on_by_default).collect();
    Judged::new(Judgement { rules, ..Judgement::default() }, 0, Vec::new(), why)
}

/// The number of commits after which the findings are collected, and progress is shown.
const BATCH: usize = 512;
