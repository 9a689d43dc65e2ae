//! Chooses the next steps, and renders them as commands. A rule has steps that resolve its findings
//! in general; this module adapts them to the state of the repository.

use std::collections::{BTreeSet, HashSet};

use crate::base::change::{Change, File, ObjectId};
use crate::base::debris::{Debris, backup_of};
use crate::base::error::Error;
use crate::base::finding::{Severity, Step};
use crate::base::path::{RepoPath, shell_quote};
use crate::config::Config;
use crate::git::history::{CommitNode, Commits};
use crate::project::kinds::FileKind;
use crate::rule::{Finding, Subject};
use crate::rules::{self, is_rewritten};
use crate::snapshot::{Changes, State, Unfinished};

pub(crate) mod setup;

/// The name of the preparation script.
const SCRIPT: &str = "docker-prep.sh";

/// Facts about the repository, looked up only if a finding depends on them.
pub(crate) struct Facts<'a> {
    pub debris: &'a Debris,
    /// Reads a file of the work tree; `None` if it cannot be read.
    pub on_disk: &'a dyn Fn(&RepoPath) -> Option<Vec<u8>>,
    /// Reads a file of HEAD.
    pub committed: &'a dyn Fn(&RepoPath) -> Option<Vec<u8>>,
    /// Finds the preparation script, if it is in this repository.
    pub script: &'a dyn Fn() -> Result<Option<RepoPath>, Error>,
}

impl Facts<'_> {
    /// Whether the text exists and is not rewritten.
    fn is_clean(&self, path: &RepoPath, text: Option<Vec<u8>>) -> bool {
        let file = |text| File { path: path.clone(), text, fresh: false, replaces: true };
        text.is_some_and(|text| !is_rewritten(file(text), self.debris))
    }
}

/// The preparation script among the files of a change, new or not.
pub(crate) fn script_in(change: &dyn Change) -> Result<Option<RepoPath>, Error> {
    let scripts = change.entries(&|path| FileKind::PrepScript.matches(path))?;
    Ok(scripts.into_iter().next().map(|entry| entry.path))
}

/// The help of a finding, and its steps.
type Repair = (&'static str, &'static [Step]);

/// Adapts the steps of findings in the index or the work tree.
pub(crate) fn in_files(findings: &mut [Finding], facts: &Facts<'_>) -> Result<(), Error> {
    // Facts about a file are looked up once for all of its findings: they judge it again.
    let mut last: Option<(Finding, Option<Repair>)> = None;
    for finding in findings.iter_mut().filter(|finding| wants_script(finding)) {
        let same = |known: &Finding| {
            known.path == finding.path && known.help == finding.help && known.steps == finding.steps
        };
        if !last.as_ref().is_some_and(|(known, _)| same(known)) {
            last = Some((finding.clone(), instead_of_script(finding, facts)));
        }
        if let Some((_, Some((help, steps)))) = last {
            (finding.help, finding.steps) = (help.into(), steps.into());
        }
    }
    if !findings.iter().any(wants_script) {
        return Ok(());
    }
    let script = (facts.script)()?;
    let findings = findings.iter_mut().filter(|finding| wants_script(finding));
    for step in findings.flat_map(|finding| finding.steps.to_mut()) {
        if let Step::Restore(known) = step {
            known.clone_from(&script);
        }
    }
    Ok(())
}

fn wants_script(finding: &Finding) -> bool {
    finding.steps.iter().any(|step| matches!(step, Step::Restore(_)))
}

/// The repair if `docker-prep.sh --restore` does not help: it needs a clean backup. The committed
/// file helps only if it is clean; a file that is clean on disk only has to be staged.
fn instead_of_script(finding: &Finding, facts: &Facts<'_>) -> Option<Repair> {
    const STAGE: &[Step] = &[Step::Stage];
    let path = &finding.path;
    let is_committed_clean = || facts.is_clean(path, (facts.committed)(path));
    let is_manifest = !finding.steps.iter().any(|step| matches!(step, Step::Install(_)));
    let is_backup_clean = || {
        let backup = backup_of(path);
        facts.is_clean(path, (facts.on_disk)(&backup))
    };
    if facts.is_clean(path, (facts.on_disk)(path)) {
        return Some(("the file in the work tree is clean: stage it", STAGE));
    }
    if is_manifest && !is_backup_clean() {
        let restore = "there is no clean backup; restore the committed file (later edits are lost)";
        let edit =
            "there is no clean backup or committed file: fix the spec by hand, then stage it";
        let by_git = is_committed_clean();
        return Some(if by_git { (restore, &[Step::TakeBack]) } else { (edit, STAGE) });
    }
    let delete = "the committed lockfile is rewritten too: delete it, install with the originals, \
                  then stage it";
    let by_git = finding.steps.contains(&Step::TakeBack);
    (by_git && !is_committed_clean()).then_some((delete, STAGE))
}

/// Adapts the steps of findings in files that a build changed. A committed lockfile is restored, a
/// new one is removed: another install would need the packed packages.
pub(crate) fn after_build(
    findings: &mut [Finding],
    changes: &Changes,
    facts: &Facts<'_>,
) -> Result<(), Error> {
    for finding in findings.iter_mut().filter(|finding| finding.rule.subject == Subject::Lockfile) {
        let difference = changes.paths.iter().find(|difference| difference.path == finding.path);
        let Some(difference) = difference.filter(|difference| difference.before.is_none()) else {
            continue;
        };
        if difference.is(State::Untracked) && !difference.is(State::Staged) {
            finding.steps = (&[Step::Remove]).into();
        } else if facts.is_clean(&finding.path, (facts.committed)(&finding.path)) {
            finding.steps = (&[Step::TakeBack]).into();
        }
    }
    in_files(findings, facts)
}

/// The next steps for several findings or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// A sentence without an initial capital or a full stop.
    pub help: &'static str,
    /// Commands for a shell at the top of the work tree.
    pub commands: Vec<String>,
}

/// The next steps after a build. While a manifest is rewritten, its backup restores it, so it is
/// not removed.
pub(crate) fn of_changes(
    changes: &Changes,
    findings: &[Finding],
    facts: &Facts<'_>,
) -> Option<Advice> {
    undo(changes, findings).or_else(|| remove_leftovers(changes, facts))
}

/// How to undo a preparation that the findings show.
fn undo(changes: &Changes, findings: &[Finding]) -> Option<Advice> {
    let is_staged = |path: &RepoPath| {
        changes
            .paths
            .iter()
            .any(|difference| &difference.path == path && difference.is(State::Staged))
    };
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| rules::position(finding.rule));
    let mut lines: Vec<String> = Vec::new();
    for finding in sorted {
        // Staging is a step of a commit, not of a build, unless the file is already staged.
        let staged = is_staged(&finding.path);
        let due = |step: &&Step| !matches!(step, Step::Stage | Step::Unstage) || staged;
        for line in finding
            .steps
            .iter()
            .filter(due)
            .flat_map(|step| commands(step, &[&finding.path], false))
        {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let is_lockfile = |finding: &Finding| finding.rule.subject == Subject::Lockfile;
    let help = match (findings.iter().all(is_lockfile), findings.iter().any(is_lockfile)) {
        (true, _) => "the lockfile kept a trace of the preparation, which --restore does not undo",
        (_, true) => {
            "the preparation has not been undone; \
             the lockfile kept a trace that --restore does not undo"
        }
        _ => "the preparation has not been undone; restore the originals",
    };
    (!lines.is_empty()).then_some(Advice { help, commands: lines })
}

/// How to remove the leftovers of a preparation.
fn remove_leftovers(changes: &Changes, facts: &Facts<'_>) -> Option<Advice> {
    let leftovers = changes.paths.iter().filter(|difference| difference.is(State::Leftover));
    let leftovers: Vec<&RepoPath> = leftovers.map(|difference| &difference.path).collect();
    let (debris, on_disk) = (facts.debris, facts.on_disk);
    // A packed package can be removed, and a backup that equals its original.
    let lost_nothing = |path: &RepoPath| match debris.backed_up(path) {
        Some(original) => on_disk(&original).is_some_and(|text| on_disk(path) == Some(text)),
        // A backup without an original may be the only copy. A repository in `.docker-deps` may
        // contain work.
        None => !debris.is_backup(path) && !path.as_bytes().ends_with(b"/"),
    };
    let removable: Vec<&RepoPath> =
        leftovers.iter().copied().filter(|path| lost_nothing(path)).collect();
    let help = match (removable.len(), leftovers.len()) {
        (_, 0) => return None,
        (0, _) => {
            "a backup may hold the only copy of an edit: \
             compare it with its original, then remove it"
        }
        (some, all) if some == all => "the preparation left this behind; remove it",
        _ => {
            "the preparation left this behind; remove it, \
             and compare the other backups with their originals first"
        }
    };
    Some(Advice { help, commands: commands(&Step::Remove, &removable, false) })
}

/// How to end an unfinished operation of git.
pub(crate) fn unfinished(operation: Unfinished) -> String {
    operation.commands().map_or_else(
        || "if no git process is running here, remove it".to_owned(),
        |[_, abort]| format!("finish it, or run `{abort}`"),
    )
}

/// The work that a crash interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crashed {
    Judgement,
    /// A build, and the comparison of its changes.
    Build,
    Proof,
    /// Moving pins, or restoring files.
    Files,
    /// Installing or removing hooks.
    Hooks,
    Nothing,
}

/// How to proceed after a crash.
pub(crate) fn after_crash(crashed: Crashed) -> &'static str {
    match crashed {
        Crashed::Judgement => {
            "nothing was judged, so this is not a pass; another version of bakstop may work"
        }
        Crashed::Build => {
            "the work tree was not judged, and a build that was started may still run; \
             `git status` lists what differs"
        }
        Crashed::Proof => "nothing was proven; `bakstop status` shows which hooks are in force",
        Crashed::Files => {
            "each file is either unchanged or complete (see `git diff`); run the command again, \
             or edit the rest by hand"
        }
        Crashed::Hooks => {
            "each hook is either unchanged or complete (see `bakstop status`); run the command \
             again to finish"
        }
        Crashed::Nothing => "nothing was changed; another version of bakstop may work",
    }
}

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

/// Adapts the help of findings in trees and commits; returns the commits that must be rewritten.
/// Their steps are removed: those are for the index and the work tree, which may differ.
pub(crate) fn in_commits(findings: &mut [Finding], rewrite: Rewrite) -> HashSet<ObjectId> {
    let mut affected = HashSet::new();
    for finding in findings {
        finding.steps = (&[]).into();
        // A warning is not worth rewriting history.
        let blocks = finding.commit.is_some() && finding.severity == Severity::Error;
        if rewrite != Rewrite::Nothing && !blocks {
            continue;
        }
        // A published secret must be revoked. A mismatch of files is resolved at the tip of the
        // range.
        let is_secret = finding.rule.subject == Subject::Secret;
        let is_about_one_file = !is_secret && finding.rule.check.compares().is_none();
        if is_secret || is_about_one_file {
            affected.extend(finding.commit.as_ref().map(|commit| commit.id));
        }
        if is_about_one_file {
            finding.help = match rewrite {
                Rewrite::Nothing => "fix it in a new commit",
                Rewrite::Commits => "fix the commit itself: a later one leaves it in history",
                Rewrite::History => "it stays in history until that is rewritten",
            }
            .into();
        }
    }
    affected
}

/// The relation of a commit to HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadRelation {
    Same,
    Ancestor,
    Other,
}

/// How to rewrite the commits of `affected`. `relation` is called for the first of them.
pub(crate) fn rewriting(
    commits: &Commits,
    affected: &HashSet<ObjectId>,
    rewrite: Rewrite,
    relation: impl FnOnce(&ObjectId) -> Result<HeadRelation, Error>,
) -> Result<Option<String>, Error> {
    let nodes: Vec<&CommitNode> =
        commits.nodes.iter().filter(|node| affected.contains(&node.id)).collect();
    let Some(first) = nodes.first() else { return Ok(None) };
    if rewrite == Rewrite::History {
        let filter =
            "to remove it from history, see `git filter-repo`; every clone keeps its own copy";
        return Ok(Some(filter.to_owned()));
    }
    let relation = relation(&first.id)?;
    if nodes.len() == 1 && relation == HeadRelation::Same {
        return Ok(Some(
            "fix the files and `git add` them, then:\n    git commit --amend".to_owned(),
        ));
    }
    let place = if relation == HeadRelation::Other { "with its branch checked out, " } else { "" };
    let merges = commits.nodes.iter().any(|node| node.parents.len() > 1);
    let keep = if merges { " --rebase-merges" } else { "" };
    let from = if first.parents.is_empty() {
        "--root".to_owned()
    } else {
        format!("{:.12}~1", first.id.to_string())
    };
    let mut advice = format!(
        "{place}mark the commits named above with \"edit\" in:\n    git rebase -i{keep} {from}\n  \
         and where it stops, fix the files and `git add` them, then:\n    \
         git commit --amend && git rebase --continue\n  \
         (git rebase --skip, if nothing is left of a commit)"
    );
    if nodes.iter().any(|node| node.parents.len() > 1) {
        advice += "\n  one of them is a merge: put a line \"break\" after its line instead, \
                   and fix it there";
    }
    Ok(Some(advice))
}

/// The maximum number of findings and of allowances that are searched for a hint.
const MAX_SEARCHED: usize = 50;

/// A hint about an allowance that does not apply yet: it is in `config`, which is pushed together
/// with the finding, and not in the configuration of `base`.
pub(crate) fn allowance_hint(findings: &[Finding], config: &Config, base: &str) -> Option<String> {
    // The input may be hostile, and a hint is not worth much time.
    let few = config.allowances().len() <= MAX_SEARCHED;
    let mut findings = findings.iter().take(MAX_SEARCHED).filter(|_| few);
    let (origin, how) = findings.find_map(|finding| config.exempts(finding.rule, &finding.path))?;
    let base = if base.is_empty() { "the base" } else { base };
    Some(format!("{origin} {how}, but applies only once it is in {base}: push that file first"))
}

/// The maximum number of files in one command, and of commands for one step.
const NAMED: usize = 8;
const COMMANDS: usize = 10;

/// Whether the commands of a step work in any directory of the work tree.
pub(crate) fn works_anywhere(step: &Step) -> bool {
    matches!(step, Step::TakeBack | Step::Stage | Step::Unstage)
}

/// The commands of a step, for the top of the work tree or for any directory in it.
pub(crate) fn commands(step: &Step, paths: &[&RepoPath], from_anywhere: bool) -> Vec<String> {
    match step {
        Step::Restore(script) => vec![restore(script.as_ref())],
        Step::Install(command) => {
            let directories: BTreeSet<&[u8]> = paths.iter().map(|path| path.parent()).collect();
            directories.into_iter().map(|directory| run_in(directory, command)).collect()
        }
        Step::TakeBack => on_paths("git checkout HEAD --", paths, from_anywhere),
        Step::Stage => on_paths("git add", paths, from_anywhere),
        Step::Unstage => on_paths("git rm --cached -f", paths, from_anywhere),
        Step::Remove => paths.chunks(NAMED).map(removal).collect(),
    }
}

/// The command that undoes a preparation. A script that is not tracked is only named.
fn restore(script: Option<&RepoPath>) -> String {
    match script {
        None => format!("{SCRIPT} --restore  # wherever it is kept"),
        // Without a slash, a shell would search PATH.
        Some(path) if path.parent().is_empty() => {
            format!("{} --restore", shell_quote(&[b"./", path.as_bytes()].concat()))
        }
        Some(path) => format!("{} --restore", shell_quote(path.as_bytes())),
    }
}

fn removal(paths: &[&RepoPath]) -> String {
    let word = |path: &&RepoPath| match path.as_bytes() {
        option @ [b'-', ..] => format!(" {}", shell_quote(&[b"./", option].concat())),
        path => format!(" {}", shell_quote(path)),
    };
    format!("rm{}", paths.iter().map(word).collect::<String>())
}

fn run_in(directory: &[u8], command: &str) -> String {
    if directory.is_empty() {
        command.to_owned()
    } else {
        format!("(cd {} && {command})", shell_quote(directory))
    }
}

fn on_paths(command: &str, paths: &[&RepoPath], from_anywhere: bool) -> Vec<String> {
    let one = |some: &[&RepoPath]| {
        let words = some.iter().map(|path| path.as_pathspec(from_anywhere));
        std::iter::once(command.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    };
    let mut commands: Vec<String> = paths.chunks(NAMED).take(COMMANDS).map(one).collect();
    let left = paths.len().saturating_sub(NAMED * COMMANDS);
    if left > 0 {
        commands.push(format!("# {left} more: the next run names them"));
    }
    commands
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::base::change::Commit;
    use crate::engine::tests::{Fake, judged_with};
    use crate::project::kinds::FileKind;
    use crate::rule::RuleGroup;

    #[test]
    fn the_script_is_named_as_a_shell_finds_it() {
        for (script, shown) in [
            (None, "docker-prep.sh --restore  # wherever it is kept"),
            (Some("scripts/docker-prep.sh"), "scripts/docker-prep.sh --restore"),
            (Some("docker-prep.sh"), "./docker-prep.sh --restore"),
            (Some("a b/docker-prep.sh"), "'a b/docker-prep.sh' --restore"),
        ] {
            assert_eq!(restore(script.map(RepoPath::from).as_ref()), shown);
        }
    }

    #[test]
    fn an_install_runs_in_the_directory_of_the_lockfile() {
        let paths = ["pnpm-lock.yaml", "a b/pnpm-lock.yaml", "a b/yarn.lock"].map(RepoPath::from);
        let paths: Vec<&RepoPath> = paths.iter().collect();
        assert_eq!(
            commands(&Step::Install("install"), &paths, false),
            ["install", "(cd 'a b' && install)"]
        );
    }

    #[test]
    fn every_file_is_named_or_counted() {
        let paths: Vec<RepoPath> =
            (100..200).map(|number| RepoPath::from(&*format!("{number}.bak"))).collect();
        let commands = commands(&Step::Unstage, &paths.iter().collect::<Vec<_>>(), false);
        assert_eq!(commands.len(), 11);
        assert_eq!(commands[10], "# 20 more: the next run names them");
        assert!(commands[9].ends_with(" 179.bak"), "{}", commands[9]);
    }

    #[test]
    fn facts_are_looked_up_once_for_a_file() {
        let spec = format!("file:../{}/x.tgz", ".docker-deps");
        let field = format!("\"x\": \"{spec}\", ").repeat(200);
        let manifest = format!("{{\"dependencies\": {{{field}\"y\": \"1\"}}}}");
        let change =
            Fake::default().file("a/package.json", &manifest).file("b/package.json", &manifest);
        let mut findings = judged_with(&Config::default(), &change).findings;
        let looks = Cell::new(0);
        let look = |_: &RepoPath| {
            looks.set(looks.get() + 1);
            Some(manifest.clone().into_bytes())
        };
        let unasked = || panic!("no script is needed");
        let facts = Facts {
            debris: &Debris::default(),
            on_disk: &look,
            committed: &look,
            script: &unasked,
        };
        in_files(&mut findings, &facts).unwrap();
        // On disk, in the backup, in HEAD.
        assert_eq!((looks.get(), findings.len()), (6, 202));
        let cured =
            findings.iter().filter(|finding| finding.help.contains("fix the spec by hand")).count();
        assert_eq!(cured, 200);
    }

    fn about(subject: Subject, severity: Severity) -> Finding {
        let commit = ObjectId::from_bytes(&[1; 20]).map(|id| Commit { id, subject: String::new() });
        let steps = (&[Step::Stage]).into();
        let finding =
            Finding::new(rules::for_subject(subject), "a/package.json".into(), None, "m".into());
        Finding { severity, commit, steps, help: "as the rule says".into(), ..finding }
    }

    #[test]
    fn the_steps_depend_on_backup_and_commit() {
        let rewritten =
            format!("{{\"dependencies\": {{\"x\": \"file:../{}/x.tgz\"}}}}", ".docker-deps");
        let (rewritten, clean) = (Some(rewritten.into_bytes()), Some(b"{}".to_vec()));
        for (on_disk, backup, committed, help, commands_shown) in [
            (
                &rewritten,
                &clean,
                &None,
                "as the rule says",
                "s/docker-prep.sh --restore; git add a/package.json",
            ),
            (&clean, &None, &None, "the file in the work tree is clean", "git add a/package.json"),
            (
                &rewritten,
                &None,
                &clean,
                "restore the committed file",
                "git checkout HEAD -- a/package.json",
            ),
            (&rewritten, &rewritten, &rewritten, "fix the spec by hand", "git add a/package.json"),
        ] {
            let text = |path: &RepoPath| {
                if FileKind::Manifest.matches(path) { on_disk.clone() } else { backup.clone() }
            };
            let script = || Ok(Some("s/docker-prep.sh".into()));
            let debris = Debris::default();
            let facts = Facts {
                debris: &debris,
                on_disk: &text,
                committed: &|_| committed.clone(),
                script: &script,
            };
            let steps = (&[Step::Restore(None), Step::Stage]).into();
            let mut findings = [Finding { steps, ..about(Subject::Manifest, Severity::Error) }];
            in_files(&mut findings, &facts).unwrap();
            let [Finding { help: chosen, steps, path, .. }] = &findings;
            assert!(chosen.contains(help), "{chosen}");
            let lines: Vec<String> =
                steps.iter().flat_map(|step| commands(step, &[path], false)).collect();
            assert_eq!(lines.join("; "), commands_shown);
        }
    }

    #[test]
    fn the_help_about_commits_depends_on_the_rule() {
        use Severity::{Error, Warning};
        for (subject, severity, rewrite, help, is_affected) in [
            (Subject::Manifest, Error, Rewrite::Commits, "fix the commit itself", true),
            (Subject::Manifest, Error, Rewrite::History, "it stays in history", true),
            (Subject::Manifest, Warning, Rewrite::Commits, "as the rule says", false),
            (Subject::Manifest, Warning, Rewrite::Nothing, "fix it in a new commit", true),
            (Subject::Secret, Error, Rewrite::Commits, "as the rule says", true),
        ] {
            let mut findings = [about(subject, severity)];
            let affected = in_commits(&mut findings, rewrite);
            assert!(
                findings[0].help.starts_with(help) && findings[0].steps.is_empty(),
                "{findings:?}"
            );
            assert_eq!(!affected.is_empty(), is_affected, "{subject:?} {severity:?} {rewrite:?}");
        }
        let of_pins = rules::in_group(RuleGroup::Pins)[0];
        let mut findings = [Finding { rule: of_pins, ..about(Subject::Manifest, Error) }];
        assert!(
            in_commits(&mut findings, Rewrite::Commits).is_empty(),
            "it is compared where a range ends"
        );
        assert_eq!(findings[0].help, "as the rule says");
    }
}
