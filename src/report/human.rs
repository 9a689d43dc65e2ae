//! The report for a person: what is wrong, where, the line with the place marked, and what to type.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use crate::finding::{Finding, Place, Severity, Step};
use crate::paint::Paint;

/// How a reader sees the report.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Colour.
    pub paint: Paint,
    /// Whether the reader stands below the top of the work tree, so that commands must name paths from there.
    pub below_top: bool,
}

/// The most places of one file that are shown for one rule: enough to see what happened.
const SHOWN: usize = 5;

/// The findings, and one line that counts them; nothing at all if there are none.
pub fn check(findings: &[Finding], view: View) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for block in blocks(findings) {
        write_block(&block, view, &mut text);
        text.push('\n');
    }
    text += &format!("{} {}\n", view.paint.strong("bakstop:"), summary(findings));
    text
}

/// "2 errors and 1 warning in 3 files".
pub fn summary(findings: &[Finding]) -> String {
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
pub fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// Puts findings that say the same of the same file together, in the order of the first of each.
fn blocks(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut blocks: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let alike = |block: &&mut Vec<&Finding>| {
            let first = block[0];
            (first.rule, &first.path, &first.message, first.severity)
                == (finding.rule, &finding.path, &finding.message, finding.severity)
        };
        // Findings are sorted by path: only the blocks of this path, the last ones, can take it.
        let same_path = blocks.iter_mut().rev().take_while(|block| block[0].path == finding.path);
        match same_path.into_iter().find(alike) {
            Some(block) => block.push(finding),
            None => blocks.push(vec![finding]),
        }
    }
    blocks
}

fn write_block(block: &[&Finding], view: View, text: &mut String) {
    let Some(first) = block.first() else { return };
    let paint = view.paint;
    let severity = |word: &str| match first.severity {
        Severity::Error => paint.bad(word),
        Severity::Warning => paint.doubtful(word),
    };
    *text += &format!(
        "{}: {}\n",
        severity(&format!("{}[{}]", first.severity.name(), first.rule)),
        paint.strong(&first.message)
    );
    let places: Vec<&Place> = block.iter().filter_map(|finding| finding.place.as_ref()).collect();
    let gutter = places.iter().take(SHOWN).map(|place| place.line.to_string().len()).max().unwrap_or(1);
    let location = places.first().map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    *text += &format!("{}{} {}{location}\n", " ".repeat(gutter), paint.faint("-->"), first.path);

    let bar = format!("{} {}", " ".repeat(gutter), paint.faint(" |"));
    if !places.is_empty() {
        *text += &format!("{bar}\n");
    }
    let mut previous = None;
    for place in places.iter().take(SHOWN) {
        if previous.is_some_and(|line| line + 1 < place.line) {
            *text += &format!("{}\n", paint.faint("..."));
        }
        previous = Some(place.line);
        let before = place.excerpt[..place.marked.start].width();
        let marks = "^".repeat(place.excerpt[place.marked.clone()].width().max(1));
        *text += &format!(" {} {}\n", paint.faint(&format!("{:>gutter$} |", place.line)), place.excerpt_line());
        *text += &format!("{bar} {}{}\n", " ".repeat(before), severity(&marks));
    }
    if places.len() > SHOWN {
        *text += &format!("{}\n", paint.faint(&format!("... and {} more like this", places.len() - SHOWN)));
    }
    write_cure(first, view, gutter, text);
}

/// The help sentence, then one command a line.
fn write_cure(finding: &Finding, view: View, gutter: usize, text: &mut String) {
    if finding.help.is_empty() {
        return;
    }
    let margin = " ".repeat(gutter + 2);
    *text += &format!("{margin}{} {}: {}\n", view.paint.faint("="), view.paint.strong("help"), finding.help);
    for step in finding.steps {
        let command = match step {
            Step::Run(command) => (*command).to_owned(),
            Step::Git(command) => format!("{command} {}", finding.path.as_pathspec(view.below_top)),
        };
        *text += &format!("{margin}    {}\n", view.paint.good(&command));
    }
}

impl Place {
    /// The excerpt without trailing blanks.
    fn excerpt_line(&self) -> &str {
        self.excerpt.trim_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RepoPath;

    const VIEW: View = View { paint: Paint::PLAIN, below_top: false };

    fn finding(path: &str, place: Option<(&str, &str)>) -> Finding {
        Finding {
            rule: "rewritten-manifest",
            severity: Severity::Error,
            path: RepoPath::from(path),
            place: place.map(|(text, marked)| {
                let start = text.find(marked).unwrap();
                Place::locate(text.as_bytes(), &(start..start + marked.len()))
            }),
            message: "this points astray".into(),
            help: "put it back",
            steps: &[Step::Run("restore"), Step::Git("git add")],
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
    fn places_that_say_the_same_share_a_block() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let findings: Vec<Finding> =
            ["1", "2", "4", "5", "6", "8", "9"].map(|digit| finding("a", Some((text, digit)))).into();
        let shown = check(&findings, VIEW);
        assert_eq!(shown.matches("error[").count(), 1);
        assert!(shown.contains("\n...\n 4 | 4\n"), "{shown}");
        assert!(shown.contains("\n... and 2 more like this\n"), "{shown}");
        assert!(shown.ends_with("bakstop: 7 errors in 1 file\n"), "{shown}");
    }

    #[test]
    fn from_below_the_top_commands_name_paths_from_the_top() {
        let shown = check(&[finding("web/a.bak", None)], View { below_top: true, ..VIEW });
        assert!(shown.contains(" --> web/a.bak\n   = help"), "{shown}");
        assert!(shown.contains("git add :/web/a.bak\n"), "{shown}");
    }
}
