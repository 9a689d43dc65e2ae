//! The text report: message, place, marked source line, and next steps.

use std::collections::{BTreeSet, HashMap};
use std::iter;

use unicode_width::UnicodeWidthStr;

use crate::base::change::Commit;
use crate::base::finding::{Label, Place, Severity, Step};
use crate::base::path::{RepoPath, TO_TOP};
use crate::cure::{commands, works_anywhere};
use crate::edit::fix::Fix;
use crate::report::common::{View, count, fix_lines, in_commit, note, plural, position, read_more};
use crate::report::paint::Paint;
use crate::rule::Finding;
use crate::rules;

/// The maximum number of places of one file that are shown for one rule.
const PLACES: usize = 5;
/// The maximum number of files that are shown for one rule, and how many of them with source lines.
const FILES: usize = 10;
const EXCERPTS: usize = 3;
/// The maximum number of marks in one file, including labels, and of notes and fixes of a group.
const MARKS: usize = 2 * PLACES;
const NOTES: usize = 5;
const FIXES: usize = 3;

/// The findings, group by group, and one line that counts them; nothing if there are none.
pub(crate) fn check(findings: &[Finding], view: View<'_>) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for group in groups(findings) {
        text += &group.lines(view).join("\n");
        text += "\n\n";
    }
    if let Some(advice) = view.advice {
        text += &format!("{} {advice}\n", view.paint.strong("help:"));
    }
    if view.can_explain {
        text += &read_more(findings, view.paint);
    }
    text += &format!("{} {}\n", view.paint.strong("bakstop:"), summary(findings));
    text
}

/// "2 errors and 1 warning in 3 files".
fn summary(findings: &[Finding]) -> String {
    let parts: Vec<String> = [Severity::Error, Severity::Warning]
        .into_iter()
        .map(|severity| (count(findings, severity), severity.name()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| plural(number, word))
        .collect();
    let files: BTreeSet<_> = findings.iter().map(|finding| &finding.path).collect();
    format!("{} in {}", parts.join(" and "), plural(files.len(), "file"))
}

/// Findings with the same message and steps. They are printed once, with all places.
struct Group<'a> {
    first: &'a Finding,
    files: Vec<Spot<'a>>,
}

/// The findings in one file of one commit.
struct Spot<'a> {
    path: &'a RepoPath,
    commit: Option<&'a Commit>,
    findings: Vec<&'a Finding>,
}

impl<'a> Spot<'a> {
    fn places(&self) -> impl Iterator<Item = &'a Place> {
        self.findings.iter().filter_map(|finding| finding.place.as_ref())
    }

    /// The marks in the source lines, in their order, and the labels that are not among them.
    fn marks(&self, shows_lines: bool) -> (Vec<Mark<'a>>, Vec<&'a Label>) {
        let labels = self.findings.iter().flat_map(|finding| &finding.labels);
        if !shows_lines {
            return (Vec::new(), labels.collect());
        }
        let mut marks: Vec<Mark<'a>> =
            self.places().take(PLACES).map(|place| Mark { place, text: None }).collect();
        let mut others = Vec::new();
        for label in labels {
            let place = label
                .place
                .as_ref()
                .filter(|place| label.path == *self.path && !place.excerpt.is_empty());
            match place.map(|place| Mark { place, text: Some(&label.text) }) {
                Some(mark) if marks.contains(&mark) => {}
                Some(mark) if marks.len() < MARKS => marks.push(mark),
                _ => others.push(label),
            }
        }
        marks.sort_by_key(|mark| (mark.place.line, mark.text.is_some()));
        if marks.iter().all(|mark| mark.place.excerpt.is_empty()) {
            marks.clear();
        }
        (marks, others)
    }
}

/// A mark under a source line.
#[derive(PartialEq)]
struct Mark<'a> {
    place: &'a Place,
    /// The text of a label.
    text: Option<&'a str>,
}

/// Equal for findings of one group.
fn group_key(finding: &Finding) -> (&str, Severity, &str, &str, &[Step]) {
    (finding.rule.id, finding.severity, &finding.message, &finding.help, &finding.steps)
}

/// The groups, in the order of the rule table.
fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    // A history may have many findings, so the groups are found by hash.
    let (mut known, mut spots) = (HashMap::new(), HashMap::new());
    for finding in findings {
        let at = *known.entry(group_key(finding)).or_insert_with(|| {
            groups.push(Group { first: finding, files: Vec::new() });
            groups.len() - 1
        });
        let files = &mut groups[at].files;
        let (path, commit) = (&finding.path, finding.commit.as_ref());
        let spot = *spots.entry((at, path, commit)).or_insert_with(|| {
            files.push(Spot { path, commit, findings: Vec::new() });
            files.len() - 1
        });
        files[spot].findings.push(finding);
    }
    // The rule table is in the order in which the steps must run: an install repairs a lockfile
    // only after the manifests are restored.
    groups.sort_by_key(|group| rules::position(group.first.rule));
    groups
}

impl Group<'_> {
    /// The message, the places, the notes, the help and the fixes.
    fn lines(&self, view: View<'_>) -> Vec<String> {
        let Self { first, files } = self;
        let paint = view.paint;
        let shown = &files[..files.len().min(FILES)];
        let marks = shown.iter().enumerate().map(|(at, spot)| spot.marks(at < EXCERPTS));
        let (marks, labels): (Vec<Vec<Mark<'_>>>, Vec<Vec<&Label>>) = marks.unzip();
        let places = shown.iter().take(EXCERPTS).flat_map(|spot| spot.places().take(PLACES));
        let places = places.chain(marks.iter().flatten().map(|mark| mark.place));
        let gutter = places.map(|place| place.line).max().map_or(1, |line| line.to_string().len());

        let rule = format!("{}[{}]", first.severity.name(), first.rule.id);
        let rule = by_severity(first.severity, paint, &rule);
        let mut lines = vec![format!("{rule}: {}", paint.strong(&first.message))];
        for (spot, marks) in shown.iter().zip(&marks) {
            let arrow = format!("{}{}", " ".repeat(gutter), paint.faint("-->"));
            let place = position(spot.places().next());
            lines.push(format!("{arrow} {}{place}{}", spot.path, in_commit(spot.commit)));
            if !marks.is_empty() {
                lines.extend(source_lines(marks, first.severity, gutter, paint));
                let more = spot.places().skip(PLACES).count();
                lines.extend((more > 0).then(|| and_more(&plural(more, "more place"), paint)));
            }
        }
        if files.len() > FILES {
            // The same file may be listed once for each commit that touches it.
            let word = if first.commit.is_some() { "more place" } else { "more file" };
            let more = plural(files.len() - FILES, word);
            lines.push(and_more(&format!("{more} (--format json lists them)"), paint));
        }
        let margin = format!("{}{}", " ".repeat(gutter + 2), paint.faint("="));
        lines.extend(note_lines(labels.into_iter().flatten(), paint, &margin));
        lines.extend(self.help_lines(view, &margin, gutter));
        lines.extend(self.proposed_fixes(view, &margin, gutter));
        lines
    }

    /// The help, then one command a line.
    fn help_lines(&self, view: View<'_>, margin: &str, gutter: usize) -> Vec<String> {
        let Finding { help, steps, .. } = self.first;
        if help.is_empty() {
            return Vec::new();
        }
        let mut paths: Vec<&RepoPath> = self.files.iter().map(|spot| spot.path).collect();
        paths.dedup();
        let from_top = view.below_top && !steps.iter().all(works_anywhere);
        let commands =
            steps.iter().flat_map(|step| commands(step, &paths, view.below_top && !from_top));
        let commands = from_top.then(|| TO_TOP.to_owned()).into_iter().chain(commands);
        let indent = " ".repeat(gutter + 6);
        iter::once(format!("{margin} {}: {help}", view.paint.strong("help")))
            .chain(commands.map(|command| format!("{indent}{}", view.paint.good(&command))))
            .collect()
    }

    /// The fixes, each once. The lines of a diff are not indented, so that it can be pasted after
    /// `git apply`, which takes the paths from the current directory.
    fn proposed_fixes(&self, view: View<'_>, margin: &str, gutter: usize) -> Vec<String> {
        let paint = view.paint;
        let findings = self.files.iter().flat_map(|spot| &spot.findings);
        let mut fixes: Vec<&Fix> = Vec::new();
        for fix in findings.filter_map(|finding| finding.fix.as_ref()) {
            if fixes.len() <= FIXES && !fixes.contains(&fix) {
                fixes.push(fix);
            }
        }
        let mut lines = Vec::new();
        for fix in fixes.iter().take(FIXES) {
            let mut of_fix = fix_lines(fix).into_iter();
            lines.extend(of_fix.next().map(|line| format!("{margin} {}", paint.strong(&line))));
            let to_top = (view.below_top && fix.can_paste).then(|| paint.good(TO_TOP));
            lines.extend(to_top.map(|command| format!("{}{command}", " ".repeat(gutter + 6))));
            lines.extend(of_fix.map(|line| paint.diff(&line)));
        }
        let more = fixes.len() > FIXES;
        lines.extend(more.then(|| and_more("more fixes (--format json lists them)", paint)));
        lines
    }
}

fn and_more(rest: &str, paint: Paint) -> String {
    paint.faint(&format!("... and {rest}"))
}

/// The labels that no source line shows, each once: many findings may point at one place.
fn note_lines<'a>(
    labels: impl Iterator<Item = &'a Label>,
    paint: Paint,
    margin: &str,
) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in labels.map(note) {
        let line = format!("{margin} {}: {note}", paint.strong("note"));
        if notes.len() <= NOTES && !notes.contains(&line) {
            notes.push(line);
        }
    }
    if notes.len() > NOTES {
        notes[NOTES] = and_more("more notes (--format json lists them)", paint);
    }
    notes
}

fn by_severity(severity: Severity, paint: Paint, word: &str) -> String {
    match severity {
        Severity::Error => paint.bad(word),
        Severity::Warning => paint.doubtful(word),
    }
}

/// The source lines of one file with their marks. Marks on the same line share it.
fn source_lines(
    marks: &[Mark<'_>],
    severity: Severity,
    gutter: usize,
    paint: Paint,
) -> Vec<String> {
    let bar = format!("{} {}", " ".repeat(gutter), paint.faint(" |"));
    let mut lines = vec![bar.clone()];
    let mut previous: Option<&Place> = None;
    for Mark { place, text: words } in marks {
        if previous.is_some_and(|previous| previous.line + 1 < place.line) {
            lines.push(paint.faint("..."));
        }
        let is_same =
            |previous: &Place| previous.line == place.line && previous.excerpt == place.excerpt;
        if words.is_none() || !previous.is_some_and(is_same) {
            let number = paint.faint(&format!("{:>gutter$} |", place.line));
            lines.push(format!(" {number} {}", place.excerpt.trim_end()));
        }
        previous = Some(place);
        let width = |text: Option<&str>| text.unwrap_or_default().width();
        let before = " ".repeat(width(place.excerpt.get(..place.marked.start)));
        let length = width(place.excerpt.get(place.marked.clone())).max(1);
        let mark = match words {
            None => by_severity(severity, paint, &"^".repeat(length)),
            Some(words) => paint.strong(&format!("{} {words}", "-".repeat(length))),
        };
        lines.push(format!("{bar} {before}{mark}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::ObjectId;
    use crate::edit::fix::Safety;
    use crate::report::tests::{fix, label, place as at};

    const VIEW: View<'_> =
        View { paint: Paint::PLAIN, below_top: false, advice: None, can_explain: false };

    fn finding(path: &str, place: Option<(&str, &str)>) -> Finding {
        let rule = rules::find("rewritten-manifest").unwrap();
        let place = place.map(|(text, marked)| at(text, marked));
        Finding {
            help: "put it back".into(),
            steps: vec![Step::Restore { staged: false }, Step::Stage].into(),
            ..Finding::new(rule, path.into(), place, "this points astray".into())
        }
    }

    #[test]
    fn clean_is_quiet() {
        assert_eq!(check(&[], View { can_explain: true, ..VIEW }), "");
    }

    #[test]
    fn each_rule_is_named_once_before_the_summary() {
        let other = rules::find("stray-backup").unwrap();
        let findings = [
            Finding { rule: other, ..finding("a.bak", None) },
            finding("a", None),
            finding("b", None),
        ];
        let shown = check(&findings, View { can_explain: true, ..VIEW });
        let end = "\n\nmore: bakstop explain rewritten-manifest stray-backup\n\
                   bakstop: 3 errors in 3 files\n";
        assert!(shown.ends_with(end), "{shown}");
    }

    #[test]
    fn a_mark_is_aligned_in_any_script() {
        let shown = check(&[finding("a.json", Some(("\n{\"日本\": \"x\"}", "\"x\"")))], VIEW);
        assert_eq!(
            shown,
            "error[rewritten-manifest]: this points astray\n\
             \x20--> a.json:2:8\n\
             \x20  |\n\
             \x202 | {\"日本\": \"x\"}\n\
             \x20  |          ^^^\n\
             \x20  = help: put it back\n\
             \x20      bakstop restore\n\
             \x20      git add a.json\n\
             \n\
             bakstop: 1 error in 1 file\n"
        );
    }

    #[test]
    fn places_with_the_same_message_share_an_explanation() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let findings: Vec<Finding> = ["1", "2", "4", "5", "6", "8", "9"]
            .map(|digit| finding("a", Some((text, digit))))
            .into();
        let shown = check(&findings, VIEW);
        assert_eq!(shown.matches("error[").count(), 1);
        assert!(shown.contains("\n...\n 4 | 4\n"), "{shown}");
        assert!(shown.contains("\n... and 2 more places\n"), "{shown}");
        assert!(shown.ends_with("bakstop: 7 errors in 1 file\n"), "{shown}");
    }

    #[test]
    fn files_with_the_same_step_share_a_command() {
        let findings: Vec<Finding> =
            (10..30).map(|number| finding(&format!("{number}.bak"), None)).collect();
        let shown = check(&findings, VIEW);
        assert_eq!(shown.matches("-->").count(), FILES);
        assert!(shown.contains("\n... and 10 more files (--format json lists them)\n"), "{shown}");
        assert!(shown.contains("    git add 26.bak 27.bak 28.bak 29.bak\n"), "{shown}");
        assert!(shown.ends_with("bakstop: 20 errors in 20 files\n"), "{shown}");
    }

    #[test]
    fn findings_of_two_commits_are_separate() {
        let by = |byte: u8, subject: &str| {
            Some(Commit { id: ObjectId::from_bytes(&[byte; 20]).unwrap(), subject: subject.into() })
        };
        let place = |marked| finding("a.json", Some(("1\n2\n3\n", marked)));
        // Sorted by path and place, so that commits alternate.
        let findings = [
            Finding { commit: by(0x1a, "Ship it"), ..place("1") },
            Finding { commit: by(0x2b, ""), ..place("2") },
            Finding { commit: by(0x1a, "Ship it"), ..place("3") },
            Finding { commit: by(0x2b, ""), ..finding("b.json", None) },
        ];
        let shown = check(&findings, VIEW);
        let lines: Vec<&str> =
            shown.lines().filter(|line| line.contains("-->") || line.contains("add")).collect();
        assert_eq!(
            lines,
            [
                " --> a.json:1:1 in 1a1a1a1a1a1a (Ship it)",
                " --> a.json:2:1 in 2b2b2b2b2b2b",
                " --> b.json in 2b2b2b2b2b2b",
                "       git add a.json b.json"
            ]
        );
        assert!(shown.contains(" 1 | 1\n   | ^\n...\n 3 | 3\n"), "{shown}");
        assert_eq!(shown.matches("error[").count(), 1, "{shown}");
    }

    #[test]
    fn a_subject_is_short_and_escaped() {
        let commit = |subject: &str| Commit {
            id: ObjectId::from_bytes(&[0; 32]).unwrap(),
            subject: subject.into(),
        };
        assert_eq!(in_commit(Some(&commit("a\u{1b}[2J\n"))), " in 000000000000 (a\\u{001b}[2J\\n)");
        assert_eq!(
            in_commit(Some(&commit(&"ä".repeat(60)))),
            format!(" in 000000000000 ({})", "ä".repeat(60))
        );
        assert_eq!(
            in_commit(Some(&commit(&"ä".repeat(61)))),
            format!(" in 000000000000 ({}…)", "ä".repeat(60))
        );
    }

    #[test]
    fn commands_work_below_the_top() {
        let below = View { below_top: true, ..VIEW };
        let shown = check(&[finding("web/a.bak", None)], below);
        assert!(shown.contains(" --> web/a.bak\n   = help"), "{shown}");
        assert!(shown.contains("      bakstop restore\n       git add :/web/a.bak\n"), "{shown}");
        let steps = (&[Step::Remove, Step::Stage]).into();
        let at_top = Finding { steps, ..finding("web/a.bak", None) };
        let shown = check(&[at_top], below);
        assert!(
            shown.contains(
                "    cd \"$(git rev-parse --show-toplevel)\"\n       \
                 rm web/a.bak\n       git add web/a.bak\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn labels_of_the_file_are_marks_and_others_are_notes() {
        let text = "{\n  \"a\": \"x\",\n  \"b\": 1,\n\n\n  \"c\": 2\n}";
        let about = Finding {
            labels: vec![
                label("a.json", text, "\"a\"", "this name"),
                label("a.json", text, "2", "and this"),
                label("web/b.json", "\n  5", "5", "pinned here"),
                Label { path: "c".into(), place: None, text: "no such file".into() },
            ],
            ..finding("a.json", Some((text, "\"x\"")))
        };
        // Many findings may point at the same places.
        let again = Finding { place: Some(at(text, "1")), ..about.clone() };
        assert_eq!(
            check(&[about, again], VIEW),
            "error[rewritten-manifest]: this points astray\n\
             \x20--> a.json:2:8\n\
             \x20  |\n\
             \x202 |   \"a\": \"x\",\n\
             \x20  |        ^^^\n\
             \x20  |   --- this name\n\
             \x203 |   \"b\": 1,\n\
             \x20  |        ^\n\
             ...\n\
             \x206 |   \"c\": 2\n\
             \x20  |        - and this\n\
             \x20  = note: web/b.json:2:3: pinned here\n\
             \x20  = note: c: no such file\n\
             \x20  = help: put it back\n\
             \x20      bakstop restore\n\
             \x20      git add a.json\n\
             \n\
             bakstop: 2 errors in 1 file\n"
        );
    }

    #[test]
    fn no_label_is_lost_where_no_line_is_shown() {
        let text = "1\n2\n";
        let findings: Vec<Finding> = (1..=9)
            .map(|number| Finding {
                labels: vec![
                    label(format!("{number}"), text, "2", "there"),
                    label("z", text, "1", "first"),
                ],
                ..finding(&format!("{number}"), None)
            })
            .collect();
        let shown = check(&findings, VIEW);
        // The lines of the first files are shown, and of the others the notes; one is shared.
        assert_eq!(shown.matches("- there").count(), EXCERPTS, "{shown}");
        for note in ["z:1:1: first", "4:2:1: there", "7:2:1: there"] {
            assert_eq!(shown.matches(&format!("= note: {note}\n")).count(), 1, "{shown}");
        }
        assert!(shown.contains("\n... and more notes (--format json lists them)\n"), "{shown}");
    }

    /// What `git apply` makes of a file, where the difference of a report is pasted.
    fn applied(shown: &str, name: &str, text: &str) -> String {
        let (_, difference) = shown.split_once("= fix (safe):\n").unwrap();
        let (difference, _) = difference.split_once("\n\n").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (file, patch) = (directory.path().join(name), directory.path().join("patch"));
        std::fs::write(&file, text).unwrap();
        std::fs::write(&patch, format!("{difference}\n")).unwrap();
        let mut git = std::process::Command::new("git");
        let done = git
            .args(["apply", "patch"])
            .env_remove("GIT_DIR")
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}: {difference}");
        std::fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn a_fix_is_a_difference_to_paste() {
        let text = "one\ntwo\n";
        let of = |safety, new: &str| Some(fix(safety, "a.json", text, "two", new));
        let about = |fix| Finding { fix, ..finding("a.json", Some((text, "two"))) };
        let shown = check(&[about(of(Safety::Safe, "2")), about(of(Safety::Safe, "2"))], VIEW);
        let difference = "--- a/a.json\n+++ b/a.json\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
        assert!(
            shown.contains(&format!(
                "       git add a.json\n   = fix (safe):\n{difference}\nbakstop: "
            )),
            "{shown}"
        );
        assert_eq!(shown.matches("= fix").count(), 1, "one that is the same is shown once");
        assert_eq!(applied(&shown, "a.json", text), "one\n2\n");
        let many: Vec<Finding> =
            (0..5).map(|number| about(of(Safety::Shown, &number.to_string()))).collect();
        let shown = check(&many, VIEW);
        assert_eq!(shown.matches("= fix (shown):\n--- a/a.json\n").count(), FIXES);
        assert!(shown.contains("\n... and more fixes (--format json lists them)\n"), "{shown}");
        let long = "new\n".repeat(300);
        let shown = check(&[about(of(Safety::Shown, &long))], VIEW);
        assert!(shown.contains("\n… 106 more lines of a.json\n"), "{shown}");
    }

    #[test]
    fn words_have_their_plurals() {
        for (word, many) in
            [("file", "files"), ("path", "paths"), ("stash", "stashes"), ("process", "processes")]
        {
            assert_eq!(
                (plural(1, word), plural(2, word)),
                (format!("1 {word}"), format!("2 {many}"))
            );
        }
    }
}
