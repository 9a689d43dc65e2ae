//! Next steps about findings in commits: which must be rewritten, and by which commands.

use std::collections::{BTreeSet, HashSet};

use crate::base::change::{Commit, ObjectId};
use crate::base::error::Error;
use crate::base::finding::{Severity, Step};
use crate::base::path::{RepoPath, shell_quote};
use crate::git::history::{CommitNode, Commits};
use crate::hooks::SWITCH;
use crate::rule::{Finding, Subject};

/// Which commits must be rewritten to remove findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// None: a tree is judged, and a new commit changes it.
    Nothing,
    /// The new commits, which their author can rewrite.
    Commits,
    /// Published history.
    History,
}

/// The commits that must be rewritten.
#[derive(Debug, Default)]
pub(crate) struct Affected {
    commits: HashSet<ObjectId>,
    /// The paths of the findings; one that is found in several commits, several times.
    paths: Vec<RepoPath>,
    /// Whether a finding needs more than that its file leaves the commit.
    needs_edit: bool,
    /// Whether `bakstop restore` repairs a file.
    has_traces: bool,
}

/// Adapts the help of findings in trees and commits; returns the commits that must be rewritten.
/// Their steps are removed: those are for the index and the work tree, which may differ.
pub(crate) fn in_commits(findings: &mut [Finding], rewrite: Rewrite) -> Affected {
    let mut affected = Affected::default();
    for finding in findings {
        let needs_edit = !finding.steps.iter().eq(&[Step::Unstage]);
        let has_trace = finding.rule.subject == Subject::Manifest;
        finding.steps = (&[]).into();
        // A published secret must be revoked. A mismatch of files is resolved at the tip of the
        // range.
        let is_secret = finding.rule.subject == Subject::Secret;
        let is_about_one_file = !is_secret && finding.rule.check.compares().is_none();
        // A warning is not worth rewriting history.
        let blocks = finding.commit.is_some() && finding.severity == Severity::Error;
        if is_about_one_file {
            finding.help = match rewrite {
                Rewrite::Nothing => "fix it in a new commit",
                _ if !blocks => "fix it in a new commit, if it is still there",
                Rewrite::Commits => "fix the commit itself: a later one leaves it in history",
                Rewrite::History => "it stays in history until that is rewritten",
            }
            .into();
        }
        if (is_secret || is_about_one_file) && (rewrite == Rewrite::Nothing || blocks) {
            affected.commits.extend(finding.commit.as_ref().map(|commit| commit.id));
            affected.paths.push(finding.path.clone());
            affected.needs_edit |= needs_edit;
            affected.has_traces |= has_trace;
        }
    }
    affected
}

/// The place of a commit, and what rewriting it meets.
#[derive(Debug)]
pub(crate) struct Situation {
    pub relation: HeadRelation,
    /// Whether a hook may judge what a rebase picks, and stop at the very commit to be rewritten.
    pub picks_are_judged: bool,
}

/// The relation of a commit to HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadRelation {
    Same,
    Ancestor,
    /// Neither; the command that checks out its branch, if that is known.
    Other(Option<String>),
}

/// How to rewrite the affected commits. `situation` is called for the first of them.
pub(crate) fn rewriting(
    commits: &Commits,
    affected: &Affected,
    rewrite: Rewrite,
    situation: impl FnOnce(&ObjectId) -> Result<Situation, Error>,
) -> Result<Option<String>, Error> {
    let is_affected = |node: &&CommitNode| affected.commits.contains(&node.id);
    let nodes: Vec<&CommitNode> = commits.nodes.iter().filter(is_affected).collect();
    let Some(first) = nodes.first() else { return Ok(None) };
    if rewrite == Rewrite::History {
        let filter = "to remove it from history, use git-filter-repo, which is not a part of git; \
                      every clone keeps its own copy";
        return Ok(Some(filter.to_owned()));
    }
    let Situation { relation, picks_are_judged } = situation(&first.id)?;
    let unjudged = if picks_are_judged { format!("{SWITCH}=0 ") } else { String::new() };
    let removal = affected.removal();
    if nodes.len() == 1 && relation == HeadRelation::Same {
        return Ok(Some(match removal {
            Some(remove) => format!("remove it from the commit; the file stays:\n    {remove}"),
            None => format!("{}\n    git commit --amend", affected.by_hand()),
        }));
    }
    let base = match &first.parents[..] {
        [] => "--root".to_owned(),
        _ => format!("{}~1", first.id.short()),
    };
    let merges = commits.nodes.iter().any(|node| node.parents.len() > 1);
    let keep = if merges { " --rebase-merges" } else { "" };
    let rebase = Rebase { keep, base, relation, unjudged };
    Ok(Some(match removal {
        Some(remove) => rebase.that_removes(&remove),
        None => rebase.that_stops(&nodes, affected.by_hand()),
    }))
}

/// How to rebase.
struct Rebase {
    /// The option for merges, after a blank.
    keep: &'static str,
    base: String,
    relation: HeadRelation,
    /// The variable that lets picks pass, with a blank.
    unjudged: String,
}

impl Rebase {
    /// The words before, and the line that checks the branch out.
    fn start(&self) -> (&'static str, String) {
        match &self.relation {
            HeadRelation::Other(None) => ("with its branch checked out, ", String::new()),
            HeadRelation::Other(Some(command)) => ("", format!("    {command}\n")),
            HeadRelation::Same | HeadRelation::Ancestor => ("", String::new()),
        }
    }

    /// Runs a command after each commit.
    fn that_removes(&self, remove: &str) -> String {
        let Self { keep, base, unjudged, .. } = self;
        let (place, checkout) = self.start();
        let remove = shell_quote(remove.as_bytes());
        format!(
            "{place}remove it from every commit; the files stay:\n{checkout}    \
             {unjudged}git rebase --autostash{keep} --exec {remove} {base}"
        )
    }

    /// Stops at these commits.
    fn that_stops(&self, nodes: &[&CommitNode], by_hand: &str) -> String {
        let Self { keep, base, unjudged, .. } = self;
        let (place, checkout) = self.start();
        let editor = editor(nodes);
        let editor = shell_quote(editor.as_bytes());
        format!(
            "{place}rewrite the commits named above; git stops at each of them:\n{checkout}    \
             GIT_SEQUENCE_EDITOR={editor} {unjudged}git -c core.abbrev=12 rebase -i \
             --autostash{keep} {base}\n  \
             where it stops, {by_hand}\n    \
             git commit --amend && {unjudged}git rebase --continue\n  \
             (git rebase --skip, if nothing is left of a commit)"
        )
    }
}

/// The command that lets a rebase stop at these commits. A merge has no `edit`.
fn editor(nodes: &[&CommitNode]) -> String {
    let mut command = "sed -i.old".to_owned();
    for node in nodes {
        let id = node.id.short();
        command += &if node.parents.len() > 1 {
            format!(r#" -e "/^m[erge]* -C {id}/a\\" -e break"#)
        } else {
            format!(r#" -e "s/^p[ick]* {id}/edit {id}/""#)
        };
    }
    command
}

/// The maximum number of files in one command.
const NAMED: usize = 20;

impl Affected {
    /// What a person does with the files of the commit of HEAD.
    fn by_hand(&self) -> &'static str {
        if self.has_traces {
            "fix the files (`bakstop restore` takes a preparation out) and `git add` them, then:"
        } else {
            "fix the files and `git add` them, then:"
        }
    }

    /// The command that removes the files from the commit of HEAD, if that resolves all findings.
    fn removal(&self) -> Option<String> {
        let once: BTreeSet<&RepoPath> = self.paths.iter().collect();
        // A later commit that changes a removed file would be a conflict.
        if self.needs_edit || once.len() != self.paths.len() || once.len() > NAMED {
            return None;
        }
        let files: Vec<String> = once.iter().map(|path| path.as_pathspec(true)).collect();
        let files = files.join(" ");
        // Not every shell that git starts can read `$'…'`.
        (!files.contains("$'")).then(|| {
            format!(
                "git rm -q --cached -f --ignore-unmatch {files} && \
                 git commit -q --amend --no-edit --allow-empty"
            )
        })
    }
}

/// Adapts findings in the index during a merge: a repaired merge leaves what a branch brings in the
/// history of that branch. `bringing` finds the unpublished commit that brings the file of a path
/// as it is, and the end of its branch.
pub(crate) fn in_merge(
    findings: &mut [Finding],
    bringing: impl Fn(&RepoPath) -> Option<(Commit, ObjectId)>,
) {
    for finding in findings {
        if finding.severity != Severity::Error || finding.rule.check.compares().is_some() {
            continue;
        }
        if let Some((Commit { id, subject }, end)) = bringing(&finding.path) {
            finding.help = format!(
                "commit {} ({subject}) brings it, and would stay in history: abort the merge, fix \
                 that branch (`bakstop check --range HEAD..{}` shows how), and merge again",
                id.short(),
                end.short()
            )
            .into();
            finding.steps = (&[Step::AbortMerge]).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RuleGroup;
    use crate::rules;

    fn about(subject: Subject, severity: Severity) -> Finding {
        let commit = ObjectId::from_bytes(&[1; 20]).map(|id| Commit { id, subject: String::new() });
        let steps = (&[Step::Stage]).into();
        let finding =
            Finding::new(rules::for_subject(subject), "a/package.json".into(), None, "m".into());
        Finding { severity, commit, steps, help: "as the rule says".into(), ..finding }
    }

    #[test]
    fn the_help_about_commits_depends_on_the_rule() {
        use Severity::{Error, Warning};
        for (subject, severity, rewrite, help, is_affected) in [
            (Subject::Manifest, Error, Rewrite::Commits, "fix the commit itself", true),
            (Subject::Manifest, Error, Rewrite::History, "it stays in history", true),
            (Subject::Manifest, Warning, Rewrite::Commits, "fix it in a new commit, if", false),
            (Subject::Manifest, Warning, Rewrite::History, "fix it in a new commit, if", false),
            (Subject::Manifest, Warning, Rewrite::Nothing, "fix it in a new commit", true),
            (Subject::Secret, Error, Rewrite::Commits, "as the rule says", true),
        ] {
            let mut findings = [about(subject, severity)];
            let affected = in_commits(&mut findings, rewrite);
            assert!(
                findings[0].help.starts_with(help) && findings[0].steps.is_empty(),
                "{findings:?}"
            );
            assert_eq!(
                !affected.commits.is_empty(),
                is_affected,
                "{subject:?} {severity:?} {rewrite:?}"
            );
        }
        let of_pins = rules::in_group(RuleGroup::Pins)[0];
        let mut findings = [Finding { rule: of_pins, ..about(Subject::Manifest, Error) }];
        assert!(
            in_commits(&mut findings, Rewrite::Commits).commits.is_empty(),
            "it is compared where a range ends"
        );
        assert_eq!(findings[0].help, "as the rule says");
    }
}
