//! Shared by the formats: the report, and the text of its parts.

use crate::base::change::Commit;
use crate::base::escape::Escaped;
use crate::base::finding::{Label, Place, Severity};
use crate::base::path::RepoPath;
use crate::cure;
use crate::edit::excerpt::Excerpt;
use crate::edit::fix::Fix;
use crate::report::paint::Paint;
use crate::rule::{Finding, Rule};
use crate::rules;

/// How the text report is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub paint: Paint,
    /// Whether the reader is below the top of the work tree, where most commands would fail.
    pub below_top: bool,
    /// The advice about all findings, printed last.
    pub advice: Option<&'a str>,
    /// Whether the reader can run bakstop: the report ends with how to read more.
    pub can_explain: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    /// The findings, sorted by path, place and rule.
    pub findings: &'a [Finding],
    /// The rules that judged.
    pub rules: &'a [&'static Rule],
    /// The scope as one word: `staged`, `range`.
    pub scope: &'a str,
    /// How many new entries were judged.
    pub judged: usize,
    /// Whether warnings block as well.
    pub deny_warnings: bool,
    pub view: View<'a>,
}

impl Report<'_> {
    /// Whether a finding blocks.
    pub(super) fn blocks(&self, finding: &Finding) -> bool {
        self.deny_warnings || finding.severity == Severity::Error
    }
}

/// The command that prints the manual pages of the rules of findings; nothing without findings.
pub(super) fn read_more(findings: &[Finding], paint: Paint) -> String {
    let mut rules: Vec<&Rule> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_by_key(|rule| rules::position(rule));
    rules.dedup_by_key(|rule| rule.id);
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
    if ids.is_empty() {
        return String::new();
    }
    format!("{} bakstop explain {}\n", paint.strong("more:"), ids.join(" "))
}

/// How many findings have this severity.
pub(super) fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
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

/// The content of a cell in Markdown: escaped, and without a character that Markdown or HTML obeys.
pub(super) fn markdown_cell(text: &str) -> String {
    let mut cell = String::new();
    for character in Escaped(text.as_bytes()).to_string().chars() {
        match character {
            '&' => cell += "&amp;",
            '<' => cell += "&lt;",
            '>' => cell += "&gt;",
            // Forges make links of names and addresses.
            '@' => cell += "&#64;",
            ':' => cell += "&#58;",
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' | '$' => {
                cell.extend(['\\', character]);
            }
            _ => cell.push(character),
        }
    }
    cell
}

/// Rows of a label and a text, with the texts aligned. `paint` colours a label.
pub(crate) fn rows(rows: &[(impl AsRef<str>, String)], paint: impl Fn(&str) -> String) -> String {
    let width = rows.iter().map(|(label, _)| label.as_ref().len()).max().unwrap_or_default();
    let gap = |label: &str| " ".repeat(width - label.len());
    rows.iter()
        .map(|(label, text)| format!("{}{}  {text}\n", paint(label.as_ref()), gap(label.as_ref())))
        .collect()
}

/// The maximum number of characters of a commit's subject that are shown.
const SUBJECT: usize = 60;

/// " in 1a2b3c4d5e6f (Ship it)", or nothing if no commit is judged.
pub(super) fn in_commit(commit: Option<&Commit>) -> String {
    let Some(commit) = commit else { return String::new() };
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

/// ":3:21", to follow a path; nothing for a file as such.
pub(super) fn position(place: Option<&Place>) -> String {
    place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default()
}

/// "package.json:3:21: pinned here".
pub(super) fn note(label: &Label) -> String {
    format!("{}{}: {}", label.path, position(label.place.as_ref()), label.text)
}

/// The commands that resolve a finding, for a shell at the top of the work tree.
pub(super) fn steps(finding: &Finding) -> Vec<String> {
    finding.steps.iter().flat_map(|step| cure::commands(step, &[&finding.path], false)).collect()
}

/// "fix (safe):", and the difference of each file.
pub(super) fn fix_lines(fix: &Fix) -> Vec<String> {
    let limit = if fix.can_paste { "" } else { ", with escaped or masked lines" };
    let heading = format!("fix ({}{limit}):", fix.safety.name());
    let diffs = fix.diffs.iter().flat_map(|(path, excerpt)| excerpt_lines(path, excerpt));
    std::iter::once(heading).chain(diffs).collect()
}

/// The lines of a difference, then how many more there are.
pub(super) fn excerpt_lines(path: &RepoPath, excerpt: &Excerpt) -> Vec<String> {
    let Excerpt { lines, more } = excerpt;
    let rest = match (lines.len(), *more) {
        (0, 0) => Some(format!("… the lines of {path} are not shown")),
        (_, 0) => None,
        (0, more) => Some(format!("… {} of {path}", plural(more, "line"))),
        (_, more) => Some(format!("… {} of {path}", plural(more, "more line"))),
    };
    lines.iter().cloned().chain(rest).collect()
}

/// A finding as plain text: the message with its commit, the help, the commands.
pub(super) fn description(finding: &Finding) -> String {
    let mut text = format!("{}{}", finding.message, in_commit(finding.commit.as_ref()));
    if !finding.help.is_empty() {
        text += &format!("\nhelp: {}", finding.help);
    }
    for command in steps(finding) {
        text += &format!("\n    {command}");
    }
    text
}

/// [`description`] with labels and fix, for a format that has no field for them.
pub(super) fn full_description(finding: &Finding) -> String {
    let notes = finding.labels.iter().map(|label| format!("note: {}", note(label)));
    let fix = finding.fix.iter().flat_map(fix_lines);
    notes.chain(fix).fold(description(finding), |text, line| text + "\n" + &line)
}
