//! The report for a person: what is wrong, where, the line with the place marked, and what to type.

use std::collections::{BTreeSet, HashMap};

use unicode_width::UnicodeWidthStr;

use crate::base::change::Commit;
use crate::base::escape::Escaped;
use crate::base::finding::{Finding, Place, Severity, Step};
use crate::base::path::RepoPath;
use crate::report::cure::{commands, works_anywhere};
use crate::report::paint::Paint;
use crate::rules::RULES;

/// How a reader sees the report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// Colour.
    pub paint: Paint,
    /// Whether the reader stands below the top of the work tree, where most commands would not do what they say.
    pub below_top: bool,
    /// The command that undoes a preparation.
    pub restore: &'a str,
    /// What to do about all of it, at the end.
    pub advice: Option<&'a str>,
}

/// The most places of one file that are shown for one rule: enough to see what happened.
const PLACES: usize = 5;
/// The most files that are shown for one rule, and the most of these whose lines are.
const FILES: usize = 10;
const EXCERPTS: usize = 3;

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
    let count = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let parts: Vec<String> = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| plural(number, word))
        .collect();
    let files: BTreeSet<_> = findings.iter().map(|finding| &finding.path).collect();
    format!("{} in {}", parts.join(" and "), plural(files.len(), "file"))
}

/// "1 file", "2 files".
pub(crate) fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
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

/// Findings that say the same and are mended by the same commands, file by file: they share one explanation.
struct Group<'a> {
    first: &'a Finding,
    files: Vec<Spot<'a>>,
}

/// The places in one file that one commit brings.
struct Spot<'a> {
    path: &'a RepoPath,
    commit: Option<&'a Commit>,
    places: Vec<&'a Place>,
}

/// What makes two findings alike to a reader.
fn says(finding: &Finding) -> (&str, Severity, &str, &str, &[Step]) {
    (finding.rule, finding.severity, &finding.message, finding.help, finding.steps)
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
            files.push(Spot { path, commit, places: Vec::new() });
            files.len() - 1
        });
        files[spot].places.extend(&finding.place);
    }
    // A lockfile is healed by an install over manifests that are whole again: the rules stand in the order in which their
    // cures work.
    groups.sort_by_key(|group| order(group.first.rule));
    groups
}

/// The place of a rule in the table.
pub(crate) fn order(rule: &str) -> Option<usize> {
    RULES.iter().position(|known| known.id == rule)
}

fn write_group(group: &Group<'_>, view: View<'_>, text: &mut String) {
    let Group { first, files } = group;
    let label = painted(first.severity, view.paint, &format!("{}[{}]", first.severity.name(), first.rule));
    *text += &format!("{label}: {}\n", view.paint.strong(&first.message));
    let shown = &files[..files.len().min(FILES)];
    let lines = shown.iter().take(EXCERPTS).flat_map(|spot| spot.places.iter().take(PLACES)).map(|place| place.line);
    let gutter = lines.max().map_or(1, |line| line.to_string().len());
    for (at, Spot { path, commit, places }) in shown.iter().enumerate() {
        let location = places.first().map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        let commit = commit.map(in_commit).unwrap_or_default();
        *text += &format!("{}{} {path}{location}{commit}\n", " ".repeat(gutter), view.paint.faint("-->"));
        if at < EXCERPTS && places.iter().any(|place| !place.excerpt.is_empty()) {
            write_lines(places, first.severity, gutter, view.paint, text);
        }
    }
    if files.len() > FILES {
        // A file that several commits touch stands here several times.
        let word = if first.commit.is_some() { "more place" } else { "more file" };
        let more = format!("... and {} (--format json lists them)", plural(files.len() - FILES, word));
        *text += &format!("{}\n", view.paint.faint(&more));
    }
    write_cure(group, view, gutter, text);
}

fn painted(severity: Severity, paint: Paint, word: &str) -> String {
    match severity {
        Severity::Error => paint.bad(word),
        Severity::Warning => paint.doubtful(word),
    }
}

/// The lines of one file, each with its place marked.
fn write_lines(places: &[&Place], severity: Severity, gutter: usize, paint: Paint, text: &mut String) {
    let bar = format!("{} {}", " ".repeat(gutter), paint.faint(" |"));
    *text += &format!("{bar}\n");
    let mut previous = None;
    for place in places.iter().take(PLACES) {
        if previous.is_some_and(|line| line + 1 < place.line) {
            *text += &format!("{}\n", paint.faint("..."));
        }
        previous = Some(place.line);
        let width = |range| place.excerpt.get(range).map_or(0, UnicodeWidthStr::width);
        let before = width(0..place.marked.start);
        let marks = "^".repeat(width(place.marked.clone()).max(1));
        *text += &format!(" {} {}\n", paint.faint(&format!("{:>gutter$} |", place.line)), place.excerpt.trim_end());
        *text += &format!("{bar} {}{}\n", " ".repeat(before), painted(severity, paint, &marks));
    }
    if places.len() > PLACES {
        *text += &format!("{}\n", paint.faint(&format!("... and {}", plural(places.len() - PLACES, "more place"))));
    }
}

/// The help sentence, then one command a line; a command on paths names every file.
fn write_cure(group: &Group<'_>, view: View<'_>, gutter: usize, text: &mut String) {
    if group.first.help.is_empty() {
        return;
    }
    let margin = " ".repeat(gutter + 2);
    *text += &format!("{margin}{} {}: {}\n", view.paint.faint("="), view.paint.strong("help"), group.first.help);
    let mut paths: Vec<&RepoPath> = group.files.iter().map(|spot| spot.path).collect();
    paths.dedup();
    let steps = group.first.steps;
    let elsewhere = view.below_top && !steps.iter().all(|&step| works_anywhere(step));
    let go = elsewhere.then(|| TO_TOP.to_owned());
    let cure = steps.iter().flat_map(|&step| commands(step, view.restore, &paths, view.below_top && !elsewhere));
    for command in go.into_iter().chain(cure) {
        *text += &format!("{margin}    {}\n", view.paint.good(&command));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::ObjectId;

    const VIEW: View<'_> = View { paint: Paint::PLAIN, below_top: false, restore: "restore", advice: None };

    fn finding(path: &str, place: Option<(&str, &str)>) -> Finding {
        Finding {
            rule: "rewritten-manifest",
            severity: Severity::Error,
            commit: None,
            path: RepoPath::from(path),
            place: place.map(|(text, marked)| {
                let start = text.find(marked).unwrap();
                Place::locate(text.as_bytes(), &(start..start + marked.len()))
            }),
            message: "this points astray".into(),
            help: "put it back",
            steps: &[Step::Restore, Step::Stage],
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
             \x20      restore\n\
             \x20      git add a.json\n\
             \n\
             bakstop: 1 error in 1 file\n"
        );
    }

    #[test]
    fn places_that_say_the_same_share_an_explanation() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let findings: Vec<Finding> =
            ["1", "2", "4", "5", "6", "8", "9"].map(|digit| finding("a", Some((text, digit)))).into();
        let shown = check(&findings, VIEW);
        assert_eq!(shown.matches("error[").count(), 1);
        assert!(shown.contains("\n...\n 4 | 4\n"), "{shown}");
        assert!(shown.contains("\n... and 2 more places\n"), "{shown}");
        assert!(shown.ends_with("bakstop: 7 errors in 1 file\n"), "{shown}");
    }

    #[test]
    fn files_that_say_the_same_share_a_command() {
        let findings: Vec<Finding> = (10..30).map(|number| finding(&format!("{number}.bak"), None)).collect();
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
        let lines: Vec<&str> = shown.lines().filter(|line| line.contains("-->") || line.contains("add")).collect();
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
        let commit = |subject: &str| Commit { id: ObjectId::from_bytes(&[0; 32]).unwrap(), subject: subject.into() };
        assert_eq!(in_commit(&commit("a\u{1b}[2J\n")), " in 000000000000 (a\\u{001b}[2J\\n)");
        assert_eq!(in_commit(&commit(&"ä".repeat(60))), format!(" in 000000000000 ({})", "ä".repeat(60)));
        assert_eq!(in_commit(&commit(&"ä".repeat(61))), format!(" in 000000000000 ({}…)", "ä".repeat(60)));
    }

    #[test]
    fn from_below_the_top_commands_still_do_what_they_say() {
        let below = View { below_top: true, ..VIEW };
        let shown = check(&[finding("web/a.bak", None)], below);
        assert!(shown.contains(" --> web/a.bak\n   = help"), "{shown}");
        assert!(
            shown.contains("    cd \"$(git rev-parse --show-toplevel)\"\n       restore\n       git add web/a.bak\n"),
            "{shown}"
        );
        let only_git = Finding { steps: &[Step::Stage], ..finding("web/a.bak", None) };
        assert!(check(&[only_git], below).contains("    git add :/web/a.bak\n"));
    }
}
