//! The report of `verify`: changes of a work tree, as text and as `bakstop.verify/1`.

use std::collections::BTreeMap;

use crate::base::escape::Escaped;
use crate::base::path::{RepoPath, TO_TOP};
use crate::cure::{self, Advice};
use crate::edit::excerpt::Excerpt;
use crate::measure::builds::CacheGate;
use crate::measure::trend::Timing;
use crate::measure::units::Seconds;
use crate::os::child::{Ended, Ran};
use crate::report::common::{excerpt_lines, plural, read_more, rows};
use crate::report::paint::Paint;
use crate::report::timing as times;
use crate::rule::Finding;
use crate::snapshot::{
    Changes, DELETED_IN_INDEX, Difference, Head, MovedRef, NEW_FILE, PathStatus, State,
};

mod json;

/// The result of `verify`.
#[derive(Debug)]
pub(crate) struct Verification<'a> {
    /// Paths that changed or are not clean, and other changes.
    pub changes: &'a Changes,
    pub since: Since<'a>,
    /// Findings in these paths.
    pub findings: &'a [Finding],
    /// Differences of these paths, if they are shown.
    pub diffs: &'a [(&'a RepoPath, Excerpt)],
    /// Backups that are rewritten themselves, with their originals.
    pub rewritten_backups: &'a [(RepoPath, RepoPath)],
    /// Whether the reader is below the top of the work tree.
    pub below_top: bool,
    pub advice: Option<&'a Advice>,
    /// The share of cached steps, if one is required.
    pub cache: Option<&'a CacheGate>,
}

/// The state that the work tree is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since<'a> {
    Clean,
    /// The state before a command; its run and its time.
    Command(&'a Ran, Timing),
    /// A saved baseline.
    Baseline,
}

impl Verification<'_> {
    /// As text: a line for each path, the differences, the next steps, and a summary. Nothing if
    /// nothing changed in time.
    pub(crate) fn human(&self, paint: Paint) -> String {
        let summary: String = self
            .summary()
            .iter()
            .map(|line| format!("{} {line}\n", paint.strong("bakstop:")))
            .collect();
        if self.changes.is_empty() {
            return summary;
        }
        let list = rows(&self.rows(paint), |label| paint.bad(label));
        let warnings = self.rewritten_backups.iter().map(|(backup, original)| {
            format!("\n{} {}\n", paint.doubtful("warning:"), rewritten_backup(backup, original))
        });
        let warnings: String = warnings.collect();
        let cure = self.advice.map_or(String::new(), |Advice { help, commands }| {
            let go = (self.below_top && !commands.is_empty()).then(|| TO_TOP.to_owned());
            let commands =
                go.iter().chain(commands).map(|command| format!("    {}\n", paint.good(command)));
            format!("\n{} {help}\n{}", paint.strong("help:"), commands.collect::<String>())
        });
        let more = read_more(self.findings, paint);
        format!("{list}{}{warnings}{cure}\n{more}{summary}", self.differences(paint))
    }

    /// Whether nothing changed, and the command succeeded in time.
    pub(crate) fn passes(&self) -> bool {
        let command = match self.since {
            Since::Command(ran, timing) => ran.ended.code() == 0 && timing.passes(),
            Since::Clean | Since::Baseline => true,
        };
        command && self.changes.is_empty() && self.cache.is_none_or(CacheGate::passes)
    }

    /// The rows of the list: other changes, then paths by state.
    fn rows(&self, paint: Paint) -> Vec<(String, String)> {
        let (findings, renames) = (self.first_findings(), renames(self.changes));
        let mut sorted: Vec<&Difference> = self.changes.paths.iter().collect();
        sorted.sort_by_key(|difference| {
            let status = difference.after.as_ref().or(difference.before.as_ref());
            (difference.after.is_none(), status.map(|status| &status.states))
        });
        let paths = sorted.into_iter().map(|difference| {
            let notes = match notes(difference, &renames) {
                notes if notes.is_empty() => String::new(),
                notes => paint.faint(&format!(" ({})", notes.join(", "))),
            };
            let finding = findings.get(&difference.path);
            let message = finding.map_or(String::new(), |finding| {
                format!(": {} [{}]", paint.strong(&finding.message), finding.rule.id)
            });
            (label(difference), format!("{}{notes}{message}", difference.path))
        });
        self.other_changes().into_iter().chain(paths).collect()
    }

    /// Changes other than those of paths.
    fn other_changes(&self) -> Vec<(String, String)> {
        let Changes { head, refs, stashed, unstashed, settings, .. } = self.changes;
        let Changes { hooks, refused, begun, ended, .. } = self.changes;
        let mut rows = Vec::new();
        let mut row = |label: &str, text: String| rows.push((label.to_owned(), text));
        if let Some((before, after)) = head {
            row("HEAD moved", format!("{} -> {}", describe_head(before), describe_head(after)));
        }
        for MovedRef { name, before, after } in refs {
            let label = match (before, after) {
                (None, _) => "ref added",
                (_, None) => "ref deleted",
                _ => "ref moved",
            };
            row(label, Escaped(name).to_string());
        }
        for (label, ids) in [("stash added", stashed), ("stash dropped", unstashed)] {
            for id in ids {
                row(label, id.short());
            }
        }
        for name in settings {
            row("setting changed", Escaped(name).to_string());
        }
        for (what, name) in hooks.named() {
            row(&format!("hook {what}"), Escaped(name).to_string());
        }
        for path in refused {
            row("not examined", format!("{path}: it belongs to another user now"));
        }
        for operation in begun {
            row("unfinished", format!("{}: {}", operation.name(), cure::unfinished(*operation)));
        }
        for operation in ended {
            row("ended", operation.name().to_owned());
        }
        rows
    }

    fn differences(&self, paint: Paint) -> String {
        let lines = self.diffs.iter().flat_map(|(path, excerpt)| excerpt_lines(path, excerpt));
        let text: String = lines.map(|line| format!("{}\n", paint.diff(&line))).collect();
        if text.is_empty() { text } else { format!("\n{text}") }
    }

    /// A line for the changes, and one for each time limit that was exceeded.
    fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.changes.is_empty() {
            lines.push(self.changes_summary());
        }
        if let Since::Command(_, timing) = self.since {
            let took = Seconds(timing.seconds);
            if let Some(budget) = timing.over_budget() {
                lines.push(format!("the command took {took}; the budget is {}", Seconds(budget)));
            }
            let regression = timing.regression();
            lines.extend(
                regression.map(|(trend, usual)| times::regression(&trend, &usual, timing.seconds)),
            );
        }
        lines.extend(self.cache.map(times::below).into_iter().flatten());
        lines
    }

    fn changes_summary(&self) -> String {
        let count = self.changes.paths.len();
        let (prefix, end) = match self.since {
            Since::Clean => {
                let verb = if count == 1 { "is" } else { "are" };
                let paths =
                    (count > 0).then(|| format!("{} {verb} not clean", plural(count, "path")));
                let begun =
                    self.changes.begun.iter().map(|what| format!("{} is unfinished", what.name()));
                return paths.into_iter().chain(begun).collect::<Vec<_>>().join("; ");
            }
            Since::Command(Ran { ended: Ended::Code(0), .. }, _) => ("the command ", String::new()),
            Since::Command(ran, _) => ("the command ", format!("; it {}", ran.ended.describe())),
            Since::Baseline => ("since the baseline: ", String::new()),
        };
        let Changes { head, refs, stashed, unstashed, settings, .. } = self.changes;
        let Changes { hooks, refused, begun, ended, .. } = self.changes;
        let some = |number: usize, verb: &str, word: &str| {
            (number > 0).then(|| format!("{verb} {}", plural(number, word)))
        };
        let parts = [
            some(count, "changed", "path"),
            head.as_ref().map(|_| "moved HEAD".to_owned()),
            some(refs.len(), "changed", "ref"),
            some(stashed.len(), "added", "stash"),
            some(unstashed.len(), "dropped", "stash"),
            some(settings.len(), "changed", "setting"),
            some(hooks.named().count(), "changed", "hook"),
            some(refused.len(), "closed", "repository"),
            some(begun.len(), "left", "unfinished operation"),
            some(ended.len(), "ended", "operation"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let (last, others) =
            parts.split_last().map_or(("", &[][..]), |(last, others)| (last, others));
        let others =
            if others.is_empty() { String::new() } else { format!("{} and ", others.join(", ")) };
        format!("{prefix}{others}{last}{end}")
    }

    /// The first finding of each path.
    fn first_findings(&self) -> BTreeMap<&RepoPath, &Finding> {
        self.findings.iter().rev().map(|finding| (&finding.path, finding)).collect()
    }
}

fn rewritten_backup(backup: &RepoPath, original: &RepoPath) -> String {
    format!(
        "{backup} is rewritten as well: restoring it overwrites {original} with a rewritten \
         file"
    )
}

/// The label of a path.
fn label(difference: &Difference) -> String {
    match (&difference.before, &difference.after) {
        (_, Some(status)) => names(status).join(", "),
        (Some(status), None) if status.states.contains(&State::Untracked) => {
            "no longer untracked".into()
        }
        (Some(status), None) if status.states.contains(&State::Leftover) => "leftover gone".into(),
        (Some(status), None) if status.is_only(State::Hidden) => "no longer hidden".into(),
        _ => "changed back".into(),
    }
}

/// A note for each staged path that was only renamed (an exact rename, as in git).
fn renames(changes: &Changes) -> BTreeMap<&RepoPath, String> {
    let staged = |difference: &Difference| {
        let staged = difference.after.as_ref()?.staged?;
        Some((staged.old, staged.new))
    };
    let mut deleted: BTreeMap<_, Vec<&RepoPath>> = BTreeMap::new();
    for difference in &changes.paths {
        if let Some((Some(old), None)) = staged(difference) {
            deleted.entry(old).or_default().push(&difference.path);
        }
    }
    let mut renames = BTreeMap::new();
    for difference in &changes.paths {
        if let Some((None, Some(new))) = staged(difference)
            && let Some(old) = deleted.get_mut(&new).and_then(Vec::pop)
        {
            renames.insert(old, format!("renamed to {}", difference.path));
            renames.insert(&difference.path, format!("renamed from {old}"));
        }
    }
    renames
}

fn notes(difference: &Difference, renames: &BTreeMap<&RepoPath, String>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if let Some(after) = &difference.after {
        let new_name = renames.get(&difference.path);
        // A rename implies both.
        let other =
            |note: &&&str| new_name.is_none() || ![NEW_FILE, DELETED_IN_INDEX].contains(note);
        notes.extend(
            after.notes.iter().filter(other).map(|&note| note.to_owned()).chain(new_name.cloned()),
        );
    }
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) if before.states == after.states => {
            notes.push("changed again".into());
        }
        // The label has it already.
        (Some(before), None)
            if [State::Untracked, State::Leftover, State::Hidden]
                .iter()
                .any(|&state| before.is_only(state)) => {}
        (Some(before), _) => notes.push(format!("was {}", names(before).join(", "))),
        (None, _) => {}
    }
    notes
}

fn names(status: &PathStatus) -> Vec<&'static str> {
    status.states.iter().map(|state| state.name()).collect()
}

fn describe_head(head: &Head) -> String {
    let commit = head.commit.map_or("no commit".to_owned(), |id| id.short());
    let branch =
        head.branch.as_ref().map_or("detached".to_owned(), |branch| Escaped(branch).to_string());
    format!("{commit} ({branch})")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::change::ObjectId;
    use crate::base::debris::Debris;
    use crate::base::finding::Step;
    use crate::cure::{self, Facts};
    use crate::measure::trend::{Limit, Trend, Usual};
    use crate::rule::Subject;
    use crate::rules;
    use crate::snapshot::{MovedRef, StagedBlobs, Unfinished};

    fn status(states: &[State]) -> PathStatus {
        PathStatus { states: states.iter().copied().collect(), ..PathStatus::default() }
    }

    fn changes(paths: &[(&[u8], Option<PathStatus>, Option<PathStatus>)]) -> Changes {
        let difference =
            |(path, before, after): &(&[u8], Option<PathStatus>, Option<PathStatus>)| Difference {
                path: RepoPath::new(*path),
                before: before.clone(),
                after: after.clone(),
            };
        Changes { paths: paths.iter().map(difference).collect(), ..Changes::default() }
    }

    const QUICK: Timing = Timing { seconds: 1.0, budget: None, trend: None };

    fn ran(ended: Ended) -> Ran {
        Ran { ended, took: std::time::Duration::from_secs(1), left_running: Vec::new() }
    }

    fn verification<'a>(changes: &'a Changes, since: Since<'a>) -> Verification<'a> {
        Verification {
            changes,
            since,
            findings: &[],
            diffs: &[],
            rewritten_backups: &[],
            below_top: false,
            advice: None,
            cache: None,
        }
    }

    /// The report with advice. The backups of `removable` equal their originals.
    fn human(
        changes: &Changes,
        findings: &[Finding],
        ended: Option<Ended>,
        removable: &[RepoPath],
    ) -> String {
        let ran = ended.map(ran);
        let since = ran.as_ref().map_or(Since::Clean, |ran| Since::Command(ran, QUICK));
        let debris = Debris::default();
        let original = |path: &RepoPath| {
            removable.iter().any(|backup| debris.backed_up(backup).as_ref() == Some(path))
        };
        let on_disk = |path: &RepoPath| (removable.contains(path) || original(path)).then(Vec::new);
        let facts = Facts {
            debris: &debris,
            on_disk: &on_disk,
            is_tracked: &|_| true,
            plan: &|| None,
            staged: false,
        };
        let advice = cure::of_changes(changes, findings, &facts);
        Verification { findings, advice: advice.as_ref(), ..verification(changes, since) }
            .human(Paint::PLAIN)
    }

    fn rewritten() -> Finding {
        Finding {
            steps: vec![Step::Restore { staged: false }].into(),
            ..Finding::new(
                rules::for_subject(Subject::Manifest),
                "package.json".into(),
                None,
                "this points astray".into(),
            )
        }
    }

    #[test]
    fn no_change_prints_nothing() {
        assert_eq!(human(&Changes::default(), &[], Some(Ended::Code(0)), &[]), "");
    }

    #[test]
    fn lines_are_grouped_and_aligned_and_leftovers_can_be_removed() {
        let changes = changes(&[
            (b"a\x1b b.bak", None, Some(status(&[State::Leftover]))),
            (b"b", None, Some(status(&[State::Untracked]))),
            (b"c", None, Some(status(&[State::Staged, State::Modified]))),
            (b"-x.bak", None, Some(status(&[State::Leftover]))),
        ]);
        let removable = ["a\u{1b} b.bak", "-x.bak"].map(RepoPath::from);
        assert_eq!(
            human(&changes, &[], None, &removable),
            "staged, modified  c\n\
             untracked         b\n\
             ignored leftover  a\\u{001b} b.bak\n\
             ignored leftover  -x.bak\n\
             \n\
             help: the preparation left this behind; remove it\n\
             \x20   rm $'a\\033 b.bak' ./-x.bak\n\
             \n\
             bakstop: 4 paths are not clean\n"
        );
    }

    #[test]
    fn while_a_manifest_is_rewritten_its_backup_is_not_to_be_removed() {
        let finding = rewritten();
        let changes = changes(&[
            (b"package.json", None, Some(status(&[State::Modified]))),
            (b"package.json.bak", None, Some(status(&[State::Leftover]))),
        ]);
        assert_eq!(
            human(&changes, &[finding.clone(), finding], Some(Ended::Code(3)), &[]),
            "modified          package.json: this points astray [rewritten-manifest]\n\
             ignored leftover  package.json.bak\n\
             \n\
             help: the preparation has not been undone; restore the originals\n\
             \x20   bakstop restore\n\
             \n\
             more: bakstop explain rewritten-manifest\n\
             bakstop: the command changed 2 paths; it ended with exit code 3\n"
        );
    }

    #[test]
    fn a_staged_file_is_staged_again() {
        let steps = vec![Step::TakeBack, Step::Stage].into();
        let finding = Finding { steps, ..rewritten() };
        let staged = |state| {
            let changes = changes(&[(b"package.json", None, Some(status(&[state])))]);
            let shown = human(&changes, std::slice::from_ref(&finding), None, &[]);
            shown.contains("\n    git add package.json\n")
        };
        assert!(staged(State::Staged) && !staged(State::Modified));
    }

    #[test]
    fn a_backup_that_may_be_the_only_copy_is_not_to_be_removed() {
        let changes = changes(&[
            (b"a.bak", None, Some(status(&[State::Leftover]))),
            (b"b.bak", None, Some(status(&[State::Leftover]))),
        ]);
        let shown = human(&changes, &[], None, &[RepoPath::from("a.bak")]);
        assert!(
            shown
                .contains("compare the other backups with their originals first\n    rm a.bak\n\n"),
            "{shown}"
        );
        let shown = human(&changes, &[], None, &[]);
        assert!(
            shown.contains("compare it with its original, then remove it\n\n")
                && !shown.contains("rm "),
            "{shown}"
        );
    }

    #[test]
    fn a_path_that_was_dirty_before_has_a_note() {
        let mut changes = changes(&[
            (b"again", Some(status(&[State::Modified])), Some(status(&[State::Modified]))),
            (b"back", Some(status(&[State::Modified])), None),
            (b"gone", Some(status(&[State::Untracked])), None),
            (b"left", Some(status(&[State::Leftover])), None),
            (b"staged", Some(status(&[State::Untracked])), Some(status(&[State::Staged]))),
        ]);
        let id = |digit: &str| ObjectId::from_hex(digit.repeat(40).as_bytes());
        let before = Head { commit: None, branch: Some(b"main".to_vec()) };
        changes.head = Some((before, Head { commit: id("a"), branch: None }));
        assert_eq!(
            human(&changes, &[], Some(Ended::Code(0)), &[]),
            "HEAD moved           no commit (main) -> aaaaaaaaaaaa (detached)\n\
             staged               staged (was untracked)\n\
             modified             again (changed again)\n\
             changed back         back (was modified)\n\
             no longer untracked  gone\n\
             leftover gone        left\n\
             \n\
             bakstop: the command changed 5 paths and moved HEAD\n"
        );
    }

    #[test]
    fn the_document_has_the_same_changes() {
        let changes = changes(&[(b"a\xff", Some(status(&[State::Modified])), None)]);
        let ran = ran(Ended::Signal(15));
        let text = verification(&changes, Since::Command(&ran, QUICK)).json();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], "bakstop.verify/1");
        assert_eq!(value["paths"][0]["path_hex"], "61ff");
        assert_eq!(value["paths"][0]["change"], "changed-back");
        assert_eq!(value["paths"][0]["before"], json!(["modified"]));
        assert_eq!(value["paths"][0]["after"], json!([]));
        assert_eq!(value["command"]["signal"], 15);
        assert_eq!(value["summary"], json!({ "passed": false, "clean": false, "paths": 1 }));
    }

    #[test]
    fn other_changes_precede_the_paths() {
        let id = ObjectId::from_bytes(&[0xab; 20]).unwrap();
        let moved = |name: &str, before, after| MovedRef { name: name.into(), before, after };
        let changes = Changes {
            refs: vec![
                moved("refs/heads/side", Some(id), None),
                moved("refs/tags/v1\u{1b}", None, Some(id)),
                moved("refs/tags/v2", Some(id), Some(id)),
            ],
            stashed: vec![id],
            unstashed: vec![id, id],
            begun: [Unfinished::Merge, Unfinished::IndexLock].into(),
            ended: [Unfinished::Bisect].into(),
            ..changes(&[(b"a", None, Some(status(&[State::Modified])))])
        };
        assert_eq!(
            human(&changes, &[], Some(Ended::Code(0)), &[]),
            "ref deleted    refs/heads/side\n\
             ref added      refs/tags/v1\\u{001b}\n\
             ref moved      refs/tags/v2\n\
             stash added    abababababab\n\
             stash dropped  abababababab\n\
             stash dropped  abababababab\n\
             unfinished     merge: finish it, or run `git merge --abort`\n\
             unfinished     index.lock: if no git process is running here, remove it\n\
             ended          bisect\n\
             modified       a\n\
             \n\
             bakstop: the command changed 1 path, changed 3 refs, added 1 stash, dropped \
             2 stashes, left 2 \
             unfinished operations and ended 1 operation\n"
        );
        let begun = Changes { begun: [Unfinished::Rebase].into(), ..Changes::default() };
        let shown = human(&begun, &[], None, &[]);
        assert!(shown.ends_with("\n\nbakstop: rebase is unfinished\n"), "{shown}");
    }

    #[test]
    fn a_slow_command_is_reported_without_changes() {
        let ran = ran(Ended::Code(0));
        let usual = Some(Usual { runs: 7, median: 20.0, range: (19.0, 21.0), spread: 0.01 });
        let limit = Limit { allowed: 20.0, in_a_row: 3 };
        let trend = Some(Trend { limit, comparable: 9, usual, slower: 3 });
        let timing = Timing { seconds: 30.5, budget: Some(30.0), trend };
        assert_eq!(
            verification(&Changes::default(), Since::Command(&ran, timing)).human(Paint::PLAIN),
            "bakstop: the command took 30.50 s; the budget is 30.00 s\n\
             bakstop: the command took 30.50 s, 52 % longer than the median of 7 runs (20.00 s); \
             20 % is allowed; it is the third slow run in a row\n"
        );
        let trend = trend.map(|trend| Trend { slower: 2, ..trend });
        let timing = Timing { seconds: 24.0, trend, ..timing };
        assert_eq!(
            verification(&Changes::default(), Since::Command(&ran, timing)).human(Paint::PLAIN),
            ""
        );
    }

    #[test]
    fn a_renamed_path_has_a_note() {
        let id = |digit| ObjectId::from_bytes(&[digit; 20]);
        let staged = |old, new| {
            Some(PathStatus { staged: Some(StagedBlobs { old, new }), ..status(&[State::Staged]) })
        };
        let changes = changes(&[
            (b"new", None, staged(None, id(1))),
            (b"old", None, staged(id(1), None)),
            (b"other", None, staged(None, id(2))),
        ]);
        let shown = human(&changes, &[], None, &[]);
        assert!(
            shown.contains(
                "staged  new (renamed from old)\nstaged  old (renamed to new)\nstaged  other\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn differences_and_warnings_follow_the_list() {
        let changes = changes(&[
            (b"a", None, Some(status(&[State::Modified]))),
            (b"a.bak", None, Some(status(&[State::Leftover]))),
        ]);
        let (a, b) = (RepoPath::from("a"), RepoPath::from("b"));
        let excerpt = |lines: &[&str], more| Excerpt {
            lines: lines.iter().map(|&line| line.into()).collect(),
            more,
        };
        let diffs = [(&a, excerpt(&["-1", "+2"], 4)), (&b, excerpt(&[], 7))];
        let rewritten_backups = [(RepoPath::from("a.bak"), a.clone())];
        let facts = Facts {
            debris: &Debris::default(),
            on_disk: &|_| None,
            is_tracked: &|_| true,
            plan: &|| None,
            staged: false,
        };
        let advice = cure::of_changes(&changes, &[], &facts).unwrap();
        let verification = Verification {
            diffs: &diffs,
            rewritten_backups: &rewritten_backups,
            advice: Some(&advice),
            ..verification(&changes, Since::Baseline)
        };
        assert_eq!(
            verification.human(Paint::PLAIN),
            "modified          a\n\
             ignored leftover  a.bak\n\
             \n\
             -1\n+2\n… 4 more lines of a\n… 7 lines of b\n\
             \n\
             warning: a.bak is rewritten as well: restoring it overwrites a with a rewritten file\n\
             \n\
             help: a backup may hold the only copy of an edit: compare it with its original, \
             then remove it\n\
             \n\
             bakstop: since the baseline: changed 2 paths\n"
        );
    }
}
