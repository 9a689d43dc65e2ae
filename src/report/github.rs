//! Annotations of GitHub Actions: workflow commands, then the text report.
//!
//! The runner obeys `::command` at the start of a line and `##[command]` anywhere in one. So text
//! from a repository is escaped inside a command, and the text after the commands is enclosed in
//! `::stop-commands::`.

use std::cmp::Reverse;

use crate::base::escape::is_unsafe;
use crate::base::path::RepoPath;
use crate::report::common::{Report, full_description};
use crate::report::fingerprint::hash;
use crate::report::human;
use crate::rule::Finding;

/// A command for each finding, then the text; empty without findings. Errors come first: GitHub
/// shows ten annotations of each severity for a step.
pub(crate) fn check(report: &Report<'_>) -> String {
    if report.findings.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    sorted.sort_by_key(|finding| Reverse(finding.severity));
    let commands: String = sorted.into_iter().map(command).collect();
    commands + &fenced(&human::check(report.findings, report.view))
}

fn command(finding: &Finding) -> String {
    let mut properties = vec![("file", path(&finding.path))];
    if let Some(place) = &finding.place {
        properties.push(("line", place.line.to_string()));
        properties.push(("col", place.column.to_string()));
        // A masked place has no length.
        if place.end_column > place.column {
            properties.push(("endColumn", place.end_column.to_string()));
        }
    }
    properties.push(("title", finding.rule.id.to_owned()));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", property(&value)))
        .collect();
    format!(
        "::{} {}::{}\n",
        finding.severity.name(),
        properties.join(","),
        data(&full_description(finding))
    )
}

/// The path without escapes, so that GitHub finds the file, unless it contains unsafe characters.
/// Line breaks are escaped by the command.
fn path(path: &RepoPath) -> String {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) if !text.chars().any(|c| is_unsafe(c) && !matches!(c, '\n' | '\r')) => {
            text.to_owned()
        }
        _ => path.to_string(),
    }
}

/// The message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Encloses a text, so that the runner does not obey commands in it.
fn fenced(text: &str) -> String {
    let token = token(text);
    format!("::stop-commands::{token}\n{text}::{token}::\n")
}

/// A token that is not in the text: a hash of it, salted until it is absent. The runner compares
/// tokens without regard to case.
fn token(text: &str) -> String {
    let folded = text.to_lowercase();
    let mut salt = 0_u64;
    loop {
        let word = format!("{:016x}", hash(&[text.as_bytes(), &salt.to_le_bytes()]));
        if !folded.contains(&word) {
            return format!("bakstop-{word}");
        }
        salt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::finding::Severity;
    use crate::edit::fix::Safety;
    use crate::report::tests::{HOSTILE, every_kind, finding, fix, label, placed, report};

    /// The commands that the runner would obey, as its source reads lines (ActionCommand.cs).
    fn obeyed(text: &str) -> Vec<String> {
        let mut commands = Vec::new();
        let mut stopped: Option<String> = None;
        for line in text.split(['\n', '\r']) {
            let word =
                match line.trim_start().strip_prefix("::").and_then(|rest| rest.split_once("::")) {
                    Some((info, _)) => info.split(' ').next().map(str::to_owned),
                    None => line
                        .split_once("##[")
                        .and_then(|(_, rest)| Some(rest.split_once(']')?.0.to_owned())),
                };
            match (&stopped, word) {
                (Some(token), Some(word)) if word.eq_ignore_ascii_case(token) => stopped = None,
                (None, Some(word)) if word == "stop-commands" => {
                    stopped = line.rsplit("::").next().map(str::to_owned);
                }
                (None, Some(_)) => commands.push(line.to_owned()),
                _ => {}
            }
        }
        assert_eq!(stopped, None, "commands work again: {text}");
        commands
    }

    #[test]
    fn no_finding_prints_nothing() {
        assert_eq!(check(&report(&[])), "");
    }

    #[test]
    fn a_finding_is_an_annotation_and_then_text() {
        let findings = [
            Finding { severity: Severity::Warning, ..finding("a,b:c%.bak") },
            placed("web/package.json", "\n{\"a\": \"x\"}", "\"x\""),
        ];
        let text = check(&report(&findings));
        assert!(
            text.starts_with(
                "::error file=web/package.json,line=2,col=7,endColumn=10,title=rewritten-manifest::\
                 this points astray%0Ahelp: unstage it%0A    git rm --cached -f web/package.json\n\
                 ::warning file=a%2Cb%3Ac%25.bak,title=stray-backup::a backup file is staged%0A"
            ),
            "{text}"
        );
        assert!(text.contains("\nbakstop: 1 error and 1 warning in 2 files\n::bakstop-"), "{text}");
    }

    #[test]
    fn a_repository_cannot_issue_commands() {
        let findings = every_kind();
        let text = check(&report(&findings));
        let commands = obeyed(&text);
        assert_eq!(commands.len(), findings.len(), "{text}");
        assert!(
            commands.iter().all(
                |line| line.starts_with("::error file=") || line.starts_with("::warning file=")
            )
        );
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        assert!(!text.contains("s3cr3t"));
        // Nor without the fence, as in the text report.
        assert_eq!(obeyed(&human::check(&findings, report(&[]).view)), [""; 0]);
    }

    #[test]
    fn a_safe_path_is_not_escaped() {
        assert_eq!(property(&path(&"ä b\n::x".into())), "ä b%0A%3A%3Ax");
        assert_eq!(path(&RepoPath::new(*b"a\xff\n")), "a\\xff\\n");
        assert!(path(&HOSTILE.into()).contains("\\u{001b}[2J"));
    }

    #[test]
    fn the_fence_is_not_in_the_text() {
        let mut text = "x\n".to_owned();
        for _ in 0..20 {
            let word = token(&text);
            assert!(!text.contains(&word));
            text += &format!("::{}::\n", word.to_uppercase());
            assert!(!text.to_lowercase().contains(&token(&text)));
        }
    }

    #[test]
    fn labels_and_the_fix_are_in_the_text() {
        let about = Finding {
            labels: vec![label("b.json", "1\n2", "2", "pinned here")],
            fix: Some(fix(Safety::Safe, "a.json", "1\n2\n", "2", "3")),
            ..placed("a.json", "1\n2\n", "2")
        };
        let text = check(&report(&[about]));
        assert!(
            text.contains(
                "%0Anote: b.json:2:1: pinned here%0Afix (safe):%0A\
                 --- a/a.json%0A+++ b/a.json%0A@@ -1,2 +1,2 @@%0A 1%0A-2%0A+3\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n   = note: b.json:2:1: pinned here\n"), "{text}");
    }
}
