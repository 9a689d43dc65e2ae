//! The report for a person: what is wrong, where, the line with the place marked, and what to type.

use std::collections::{BTreeSet, HashMap};

use unicode_width::UnicodeWidthStr;

use crate::base::change::Commit;
use crate::base::escape::Escaped;
use crate::base::finding::{Label, Place, Severity, Step};
use crate::base::path::RepoPath;
use crate::cure::{commands, works_anywhere};
use crate::edit::fix::Fix;
use crate::report::paint::Paint;
use crate::report::{fix_lines, note};
use crate::rule::Finding;
use crate::rules;

/// How a reader sees the report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub paint: Paint,
    /// Whether the reader stands below the top of the work tree, where most commands would not do
    /// what they say.
    pub below_top: bool,
    /// What to do about all of it, at the end.
    pub advice: Option<&'a str>,
}

/// The most places of one file that are shown for one rule: enough to see what happened.
const PLACES: usize = 5;
/// The most files that are shown for one rule, and the most of these whose lines are.
const FILES: usize = 10;
const EXCERPTS: usize = 3;
/// The most places of one file that are marked, labels among them; and the most notes and fixes of
/// one group.
const MARKS: usize = 2 * PLACES;
const NOTES: usize = 5;
const FIXES: usize = 3;

/// The findings, and one line that counts them; nothing at all if there are none.
pub(crate) fn check(findings: &[Finding], view: View<'_>) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for group in groups(findings) {
        write_group(&group, view, &mut text);
        text.push('\n');
    }
    if let Some(advice) = view.advice {
        text += &format!("{} {advice}\n", view.paint.strong("help:"));
    }
    text += &format!("{} {}\n", view.paint.strong("bakstop:"), summary(findings));
    text
}

/// "2 errors and 1 warning in 3 files".
pub(crate) fn summary(findings: &[Finding]) -> String {
    let count =
        |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let parts: Vec<String> =
        [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| plural(number, word))
            .collect();
    let files: BTreeSet<_> = findings.iter().map(|finding| &finding.path).collect();
    format!("{} in {}", parts.join(" and "), plural(files.len(), "file"))
}

/// "1 file", "2 files", "2 processes".
pub(crate) fn plural(number: usize, word: &str) -> String {
    let ending = match word {
        _ if number == 1 => "",
        word if word.ends_with("ss") || word.ends_with("sh") => "es",
        _ => "s",
    };
    format!("{number} {word}{ending}")
}

/// Rows of a label and a text, the texts one under the other. `paint` colours a label.
pub(crate) fn rows(rows: &[(impl AsRef<str>, String)], paint: impl Fn(&str) -> String) -> String {
    let width = rows.iter().map(|(label, _)| label.as_ref().len()).max().unwrap_or_default();
    let gap = |label: &str| " ".repeat(width - label.len());
    rows.iter()
        .map(|(label, text)| format!("{}{}  {text}\n", paint(label.as_ref()), gap(label.as_ref())))
        .collect()
}

/// The most characters of a commit's subject that are shown.
const SUBJECT: usize = 60;

/// " in 1a2b3c4d5e6f (Ship it)": the commit that brings a finding, after its place.
pub(crate) fn in_commit(commit: &Commit) -> String {
    let id = commit.id.short();
    let escaped = Escaped(commit.subject.as_bytes()).to_string();
    let mut rest = escaped.chars();
    let subject: String = rest.by_ref().take(SUBJECT).collect();
    match rest.next() {
        _ if subject.is_empty() => format!(" in {id}"),
        Some(_) => format!(" in {id} ({subject}…)"),
        None => format!(" in {id} ({subject})"),
    }
}

/// From below the top of the work tree to the top, where the commands of a cure are at home.
pub(crate) const TO_TOP: &str = "cd \"$(git rev-parse --show-toplevel)\"";

/// Findings that say the same and are resolved by the same commands, file by file: they share one
/// explanation.
struct Group<'a> {
    first: &'a Finding,
    files: Vec<Spot<'a>>,
}

/// The findings in one file that one commit brings.
struct Spot<'a> {
    path: &'a RepoPath,
    commit: Option<&'a Commit>,
    findings: Vec<&'a Finding>,
}

impl<'a> Spot<'a> {
    fn places(&self) -> impl Iterator<Item = &'a Place> {
        self.findings.iter().filter_map(|finding| finding.place.as_ref())
    }

    /// What is marked in the lines of the file, line by line, and the labels that are not; if no
    /// line is shown, all of them.
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

/// A place that is marked in its line.
#[derive(PartialEq)]
struct Mark<'a> {
    place: &'a Place,
    /// Of a label, its words.
    text: Option<&'a str>,
}

/// What makes two findings alike to a reader.
fn says(finding: &Finding) -> (&str, Severity, &str, &str, &[Step]) {
    (finding.rule.id, finding.severity, &finding.message, &finding.help, &finding.steps)
}

/// The groups, in the order of their rules, and then of the first finding of each.
fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    // A whole history may hold any number of findings.
    let (mut known, mut spots) = (HashMap::new(), HashMap::new());
    for finding in findings {
        let at = *known.entry(says(finding)).or_insert_with(|| {
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
    // A lockfile is healed by an install over manifests that are whole again: the rules stand in
    // the order in which their cures work.
    groups.sort_by_key(|group| rules::position(group.first.rule));
    groups
}

fn write_group(group: &Group<'_>, view: View<'_>, text: &mut String) {
    let Group { first, files } = group;
    let label = painted(
        first.severity,
        view.paint,
        &format!("{}[{}]", first.severity.name(), first.rule.id),
    );
    *text += &format!("{label}: {}\n", view.paint.strong(&first.message));
    let shown = &files[..files.len().min(FILES)];
    let marks = shown.iter().enumerate().map(|(at, spot)| spot.marks(at < EXCERPTS));
    let (marks, labels): (Vec<Vec<Mark<'_>>>, Vec<Vec<&Label>>) = marks.unzip();
    let places = shown.iter().take(EXCERPTS).flat_map(|spot| spot.places().take(PLACES));
    let lines = places.chain(marks.iter().flatten().map(|mark| mark.place)).map(|place| place.line);
    let gutter = lines.max().map_or(1, |line| line.to_string().len());
    for (spot, marks) in shown.iter().zip(&marks) {
        let location = spot
            .places()
            .next()
            .map(|place| format!(":{}:{}", place.line, place.column))
            .unwrap_or_default();
        let commit = spot.commit.map(in_commit).unwrap_or_default();
        *text += &format!(
            "{}{} {}{location}{commit}\n",
            " ".repeat(gutter),
            view.paint.faint("-->"),
            spot.path
        );
        if !marks.is_empty() {
            write_lines(marks, first.severity, gutter, view.paint, text);
            let more = spot.places().skip(PLACES).count();
            if more > 0 {
                *text += &format!(
                    "{}\n",
                    view.paint.faint(&format!("... and {}", plural(more, "more place")))
                );
            }
        }
    }
    if files.len() > FILES {
        // A file that several commits touch stands here several times.
        let word = if first.commit.is_some() { "more place" } else { "more file" };
        let more =
            format!("... and {} (--format json lists them)", plural(files.len() - FILES, word));
        *text += &format!("{}\n", view.paint.faint(&more));
    }
    let margin = format!("{}{}", " ".repeat(gutter + 2), view.paint.faint("="));
    write_notes(labels.into_iter().flatten(), view.paint, &margin, text);
    write_cure(group, view, gutter, text);
    write_fixes(files, view.paint, &margin, text);
}

/// The labels that are marked in no line: each once, for many findings may point at one place.
fn write_notes<'a>(
    labels: impl Iterator<Item = &'a Label>,
    paint: Paint,
    margin: &str,
    text: &mut String,
) {
    let mut notes: Vec<String> = Vec::new();
    for note in labels.map(note) {
        if notes.len() <= NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }
    let more = notes.split_off(notes.len().min(NOTES));
    for note in notes {
        *text += &format!("{margin} {}: {note}\n", paint.strong("note"));
    }
    if !more.is_empty() {
        *text += &format!("{}\n", paint.faint("... and more notes (--format json lists them)"));
    }
}

/// The fixes, each once. A difference begins at the left, so that it can be pasted as it is.
fn write_fixes(files: &[Spot<'_>], paint: Paint, margin: &str, text: &mut String) {
    let mut proposed: Vec<&Fix> = Vec::new();
    for fix in
        files.iter().flat_map(|spot| &spot.findings).filter_map(|finding| finding.fix.as_ref())
    {
        if proposed.len() <= FIXES && !proposed.contains(&fix) {
            proposed.push(fix);
        }
    }
    for fix in proposed.iter().take(FIXES) {
        let mut lines = fix_lines(fix).into_iter();
        *text += &format!("{margin} {}\n", paint.strong(&lines.next().unwrap_or_default()));
        for line in lines {
            *text += &format!("{}\n", paint.diff(&line));
        }
    }
    if proposed.len() > FIXES {
        *text += &format!("{}\n", paint.faint("... and more fixes (--format json lists them)"));
    }
}

fn painted(severity: Severity, paint: Paint, word: &str) -> String {
    match severity {
        Severity::Error => paint.bad(word),
        Severity::Warning => paint.doubtful(word),
    }
}

/// The lines of one file, each with its place marked. A label is under the line of its finding
/// where that is the same.
fn write_lines(
    marks: &[Mark<'_>],
    severity: Severity,
    gutter: usize,
    paint: Paint,
    text: &mut String,
) {
    let bar = format!("{} {}", " ".repeat(gutter), paint.faint(" |"));
    *text += &format!("{bar}\n");
    let mut previous: Option<&Place> = None;
    for Mark { place, text: words } in marks {
        if previous.is_some_and(|previous| previous.line + 1 < place.line) {
            *text += &format!("{}\n", paint.faint("..."));
        }
        let is_same =
            |previous: &Place| previous.line == place.line && previous.excerpt == place.excerpt;
        if words.is_none() || !previous.is_some_and(is_same) {
            *text += &format!(
                " {} {}\n",
                paint.faint(&format!("{:>gutter$} |", place.line)),
                place.excerpt.trim_end()
            );
        }
        previous = Some(place);
        let width = |text: Option<&str>| text.unwrap_or_default().width();
        let before = " ".repeat(width(place.excerpt.get(..place.marked.start)));
        let length = width(place.excerpt.get(place.marked.clone())).max(1);
        let mark = match words {
            None => painted(severity, paint, &"^".repeat(length)),
            Some(words) => paint.strong(&format!("{} {words}", "-".repeat(length))),
        };
        *text += &format!("{bar} {before}{mark}\n");
    }
}

/// The help sentence, then one command a line; a command on paths names every file.
fn write_cure(group: &Group<'_>, view: View<'_>, gutter: usize, text: &mut String) {
    if group.first.help.is_empty() {
        return;
    }
    let margin = " ".repeat(gutter + 2);
    *text += &format!(
        "{margin}{} {}: {}\n",
        view.paint.faint("="),
        view.paint.strong("help"),
        group.first.help
    );
    let mut paths: Vec<&RepoPath> = group.files.iter().map(|spot| spot.path).collect();
    paths.dedup();
    let steps = &group.first.steps;
    let elsewhere = view.below_top && !steps.iter().all(works_anywhere);
    let go = elsewhere.then(|| TO_TOP.to_owned());
    let cure = steps.iter().flat_map(|step| commands(step, &paths, view.below_top && !elsewhere));
    for command in go.into_iter().chain(cure) {
        *text += &format!("{margin}    {}\n", view.paint.good(&command));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::ObjectId;
    use crate::edit::fix::Safety;
    use crate::report::tests::{fix, label, place as at};

    const VIEW: View<'_> = View { paint: Paint::PLAIN, below_top: false, advice: None };

    fn finding(path: &str, place: Option<(&str, &str)>) -> Finding {
        let rule = rules::find("rewritten-manifest").unwrap();
        let place = place.map(|(text, marked)| at(text, marked));
        Finding {
            help: "put it back".into(),
            steps: vec![Step::Restore(Some("s/restore".into())), Step::Stage].into(),
            ..Finding::new(rule, path.into(), place, "this points astray".into())
        }
    }

    #[test]
    fn clean_is_quiet() {
        assert_eq!(check(&[], VIEW), "");
    }

    #[test]
    fn the_mark_stands_under_its_place_in_any_script() {
        let shown = check(&[finding("a.json", Some(("\n{\"日本\": \"x\"}", "\"x\"")))], VIEW);
        assert_eq!(
            shown,
            "error[rewritten-manifest]: this points astray\n\
             \x20--> a.json:2:8\n\
             \x20  |\n\
             \x202 | {\"日本\": \"x\"}\n\
             \x20  |          ^^^\n\
             \x20  = help: put it back\n\
             \x20      s/restore --restore\n\
             \x20      git add a.json\n\
             \n\
             bakstop: 1 error in 1 file\n"
        );
    }

    #[test]
    fn places_that_say_the_same_share_an_explanation() {
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
    fn files_that_say_the_same_share_a_command() {
        let findings: Vec<Finding> =
            (10..30).map(|number| finding(&format!("{number}.bak"), None)).collect();
        let shown = check(&findings, VIEW);
        assert_eq!(shown.matches("-->").count(), FILES);
        assert!(shown.contains("\n... and 10 more files (--format json lists them)\n"), "{shown}");
        assert!(shown.contains("    git add 26.bak 27.bak 28.bak 29.bak\n"), "{shown}");
        assert!(shown.ends_with("bakstop: 20 errors in 20 files\n"), "{shown}");
    }

    #[test]
    fn what_commits_bring_is_told_apart() {
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
    fn a_subject_is_short_and_does_not_act() {
        let commit = |subject: &str| Commit {
            id: ObjectId::from_bytes(&[0; 32]).unwrap(),
            subject: subject.into(),
        };
        assert_eq!(in_commit(&commit("a\u{1b}[2J\n")), " in 000000000000 (a\\u{001b}[2J\\n)");
        assert_eq!(
            in_commit(&commit(&"ä".repeat(60))),
            format!(" in 000000000000 ({})", "ä".repeat(60))
        );
        assert_eq!(
            in_commit(&commit(&"ä".repeat(61))),
            format!(" in 000000000000 ({}…)", "ä".repeat(60))
        );
    }

    #[test]
    fn from_below_the_top_commands_still_do_what_they_say() {
        let below = View { below_top: true, ..VIEW };
        let shown = check(&[finding("web/a.bak", None)], below);
        assert!(shown.contains(" --> web/a.bak\n   = help"), "{shown}");
        assert!(
            shown.contains(
                "    cd \"$(git rev-parse --show-toplevel)\"\n       s/restore --restore\n       git add web/a.bak\n"
            ),
            "{shown}"
        );
        let only_git = Finding { steps: (&[Step::Stage]).into(), ..finding("web/a.bak", None) };
        assert!(check(&[only_git], below).contains("    git add :/web/a.bak\n"));
    }

    #[test]
    fn labels_of_the_file_stand_in_its_lines_and_others_are_notes() {
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
             \x20      s/restore --restore\n\
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
