//! Chooses the next steps, and renders them as commands. A rule has steps that resolve its findings
//! in general; this module adapts them to the state of the repository: here to files, in `commits`
//! to history, and in `setup` to hooks. It does no I/O.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::base::change::Mode;
use crate::base::debris::Debris;
use crate::base::finding::Step;
use crate::base::path::{RepoPath, shell_argument, shell_quote};
use crate::config::Config;
use crate::project::kinds::FileKind;
use crate::restore::plan::{Plan, Remaining};
use crate::rule::{Finding, Subject};
use crate::rules;
use crate::snapshot::{Changes, State, Unfinished};

pub(crate) mod commits;
pub(crate) mod setup;

/// Facts about the repository, looked up only if a finding depends on them.
pub(crate) struct Facts<'a> {
    pub debris: &'a Debris,
    /// Reads a file of the work tree; `None` if it cannot be read.
    pub on_disk: &'a dyn Fn(&RepoPath) -> Option<Vec<u8>>,
    /// Whether git tracks a path.
    pub is_tracked: &'a dyn Fn(&RepoPath) -> bool,
    /// What `bakstop restore` would do; `None` if that is not known.
    pub plan: &'a dyn Fn() -> Option<Plan>,
    /// Whether the index is restored as well.
    pub staged: bool,
}

/// The steps of what `bakstop restore` restores, with a help.
const LEFT_BEHIND: &str = "a preparation left it behind";

/// Adapts the steps of findings in the index or the work tree: what `bakstop restore` can repair
/// has one step.
pub(crate) fn in_files(findings: &mut [Finding], facts: &Facts<'_>) {
    let is_asked =
        |finding: &Finding| wants_restore(finding) || !facts.staged && wants_unstage(finding);
    if !findings.iter().any(is_asked) {
        return;
    }
    let Some(plan) = (facts.plan)() else { return };
    let restores =
        findings.iter().any(|finding| wants_restore(finding) && plan.changes(&finding.path));
    for finding in findings.iter_mut() {
        let path = finding.path.clone();
        let left = plan.left.iter().find(|left| left.path == path);
        let (to_restore, to_unstage) = (wants_restore(finding), wants_unstage(finding));
        let by_restore = vec![Step::Restore { staged: facts.staged }].into();
        let is_overlay = facts.debris.content_of(&path, Mode::File).is_some();
        if to_restore && is_overlay && (facts.is_tracked)(&path) {
            // It was written like that: nothing of it is to be restored.
            finding.help = "unstage it; the file itself stays".into();
            finding.steps = (&[Step::Unstage]).into();
        } else if let Some(left) = left.filter(|_| to_restore || to_unstage) {
            left_over(finding, left, facts.staged);
        } else if to_restore {
            finding.steps = by_restore;
        } else if to_unstage && plan.changes(&path) && (restores || !facts.staged) {
            (finding.help, finding.steps) = (LEFT_BEHIND.into(), by_restore);
        } else if to_unstage && !(facts.is_tracked)(&path) {
            finding.help = "compare it with its original, then remove it".into();
            finding.steps = (&[]).into();
        }
    }
}

/// The reason why a trace stays, and what to do instead.
fn left_over(finding: &mut Finding, left: &Remaining, staged: bool) {
    finding.help = left.reason.clone().into();
    // An install reads the restored manifests.
    let first = left.steps.iter().any(|step| matches!(step, Step::Install(_)));
    let first = first.then_some(Step::Restore { staged });
    finding.steps = first.into_iter().chain(left.steps.iter().cloned()).collect();
}

fn wants_restore(finding: &Finding) -> bool {
    finding.steps.iter().any(|step| matches!(step, Step::Restore { .. }))
}

fn wants_unstage(finding: &Finding) -> bool {
    finding.steps.contains(&Step::Unstage)
}

/// The next steps for several findings or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// A sentence without an initial capital or a full stop.
    pub help: Cow<'static, str>,
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
    undo(changes, findings)
        .or_else(|| remove_leftovers(changes, facts))
        .or_else(|| examine_hooks(changes))
}

/// How to find out what other hooks mean for the guard.
fn examine_hooks(changes: &Changes) -> Option<Advice> {
    let is_moved = changes.settings.iter().any(|name| name.ends_with(b"core.hookspath"));
    (is_moved || changes.hooks.named().next().is_some()).then(|| Advice {
        help: "git runs other hooks than before; the guard may be gone".into(),
        commands: vec!["bakstop status".to_owned()],
    })
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
    let help = if findings.iter().all(is_lockfile) {
        "the lockfile kept a trace of the preparation"
    } else {
        "the preparation has not been undone; restore the originals"
    };
    let loses_edits = findings.iter().any(|finding| finding.steps.contains(&Step::TakeBack));
    let help = if loses_edits {
        format!("{help} (`git checkout` loses later edits)").into()
    } else {
        help.into()
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
    if leftovers.is_empty() {
        return None;
    }
    let plan = (facts.plan)().unwrap_or_default();
    let (restored, others): (Vec<&RepoPath>, _) =
        leftovers.iter().copied().partition(|path| plan.changes(path));
    let removable: Vec<&RepoPath> = others.into_iter().filter(|path| lost_nothing(path)).collect();
    let help = match (restored.len() + removable.len(), leftovers.len()) {
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
    let restore = (!restored.is_empty()).then_some(Step::Restore { staged: false });
    let steps = restore.iter().chain(std::iter::once(&Step::Remove));
    let commands = steps.flat_map(|step| commands(step, &removable, false)).collect();
    Some(Advice { help: help.into(), commands })
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
    /// Builds, with edited files between them.
    Measurement,
    Proof,
    /// Moving pins, or restoring files.
    Files,
    /// Writing the leftover directory, and rewriting manifests if that is asked for.
    Preparation,
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
        Crashed::Measurement => {
            "a build that was started may still run; `bakstop restore` takes the comment out of a \
             touched file"
        }
        Crashed::Proof => "nothing was proven; `bakstop status` shows which hooks are in force",
        Crashed::Files => {
            "each file is either unchanged or complete (see `git diff`); run the command again, \
             or edit the rest by hand"
        }
        Crashed::Preparation => {
            "a build that was started may still run; `bakstop restore` takes out what is prepared, \
             or run `bakstop prep` again"
        }
        Crashed::Hooks => {
            "each hook is either unchanged or complete (see `bakstop status`); run the command \
             again to finish"
        }
        Crashed::Nothing => "nothing was changed; another version of bakstop may work",
    }
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
    matches!(
        step,
        Step::Restore { .. }
            | Step::TakeBack
            | Step::Stage
            | Step::Unstage
            | Step::AbortMerge
            | Step::MovePins
    )
}

/// The commands of a step, for the top of the work tree or for any directory in it.
pub(crate) fn commands(step: &Step, paths: &[&RepoPath], from_anywhere: bool) -> Vec<String> {
    match step {
        Step::Restore { staged: false } => vec!["bakstop restore".to_owned()],
        Step::Restore { staged: true } => vec!["bakstop restore --staged --worktree".to_owned()],
        Step::Install(command) => {
            let directories: BTreeSet<&[u8]> = paths.iter().map(|path| path.parent()).collect();
            directories.into_iter().map(|directory| run_in(directory, command)).collect()
        }
        Step::TakeBack => on_paths("git checkout HEAD --", paths, from_anywhere),
        Step::Stage => on_paths("git add", paths, from_anywhere),
        Step::Unstage => on_paths("git rm --cached -f", paths, from_anywhere),
        Step::Remove => paths.chunks(NAMED).map(removal).collect(),
        Step::AbortMerge => vec!["git merge --abort".to_owned()],
        Step::MovePins => vec!["bakstop pins --set".to_owned()],
        Step::MakeLockfile => paths.iter().map(|path| making(path)).collect(),
    }
}

/// The command that makes a lockfile for an image, named by its member if there is one.
fn making(path: &RepoPath) -> String {
    let is_of_member = FileKind::is_docker_lockfile(path) && !path.parent().is_empty();
    let named = if is_of_member { path.parent() } else { path.as_bytes() };
    format!("bakstop lockfile {}", shell_argument(named))
}

fn removal(paths: &[&RepoPath]) -> String {
    let word = |path: &&RepoPath| format!(" {}", shell_argument(path.as_bytes()));
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
    use super::*;
    use crate::restore::plan::{Restoration, Side};

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

    fn with_steps(path: &str, steps: &[Step]) -> Finding {
        let rule = rules::for_subject(Subject::Manifest);
        let (steps, help) = (steps.to_vec().into(), "as the rule says".into());
        Finding { help, steps, ..Finding::new(rule, path.into(), None, "m".into()) }
    }

    fn left(path: &str, steps: &[Step]) -> Remaining {
        let (side, path, steps) = (Side::WorkTree, path.into(), steps.to_vec());
        Remaining { side, path, line: None, reason: "why it stays".into(), steps }
    }

    #[test]
    fn the_steps_are_those_that_restoring_does_not_make() {
        const RESTORE: &[Step] = &[Step::Restore { staged: true }];
        const UNSTAGE: &[Step] = &[Step::Unstage];
        let changes = ["a/package.json", "a/package.json.bak"];
        let changes = changes.map(|path| (Side::Index, path.into(), Restoration::Unstaged));
        let install = [Step::Install("install"), Step::Stage];
        let left = vec![
            left("b/package.json", &[]),
            left("b/lock", &install),
            left("c/lock", &[Step::Remove]),
        ];
        let plan = Plan { changes: changes.to_vec(), left, kept: Vec::new() };
        let by_restore = (LEFT_BEHIND, "bakstop restore");
        for (path, steps, staged, (help, shown)) in [
            (
                "a/package.json",
                RESTORE,
                true,
                ("as the rule", "bakstop restore --staged --worktree"),
            ),
            ("a/package.json", RESTORE, false, ("as the rule", "bakstop restore")),
            ("a/package.json.bak", UNSTAGE, false, by_restore),
            ("b/package.json", RESTORE, true, ("why it stays", "")),
            (
                "b/lock",
                RESTORE,
                true,
                (
                    "why it stays",
                    "bakstop restore --staged --worktree; (cd b && install); git add b/lock",
                ),
            ),
            ("c/lock", RESTORE, false, ("why it stays", "rm c/lock")),
            ("d.bak", UNSTAGE, false, ("compare it", "")),
            ("tracked.bak", UNSTAGE, false, ("as the rule", "git rm --cached -f tracked.bak")),
            // Alone in the index, it is only unstaged.
            ("a/package.json.bak", UNSTAGE, true, ("as the rule", "git rm --cached -f")),
        ] {
            let facts = Facts {
                debris: &Debris::default(),
                on_disk: &|_| None,
                is_tracked: &|path| path.as_bytes().starts_with(b"tracked"),
                plan: &|| Some(plan.clone()),
                staged,
            };
            let mut findings = [with_steps(path, steps)];
            in_files(&mut findings, &facts);
            let [Finding { help: chosen, steps, path, .. }] = &findings;
            let lines: Vec<String> =
                steps.iter().flat_map(|step| commands(step, &[path], false)).collect();
            assert!(chosen.starts_with(help), "{path}: {chosen}");
            assert!(lines.join("; ").starts_with(shown), "{path}: {lines:?}");
            assert_eq!(lines.is_empty(), shown.is_empty(), "{path}: {lines:?}");
        }
        // With a manifest, the same command resolves both.
        let mut findings =
            [with_steps("a/package.json", RESTORE), with_steps("a/package.json.bak", UNSTAGE)];
        let facts = Facts {
            debris: &Debris::default(),
            on_disk: &|_| None,
            is_tracked: &|_| true,
            plan: &|| Some(plan.clone()),
            staged: true,
        };
        in_files(&mut findings, &facts);
        assert_eq!(findings[0].steps, findings[1].steps);
    }
}
