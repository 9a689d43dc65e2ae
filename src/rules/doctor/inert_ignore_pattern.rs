#![doc = include_str!("../../../docs/rules/inert-ignore-pattern.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span, line_around};
use crate::builds::Builds;
use crate::edit::fix::Safety;
use crate::formats::dockerignore::{IgnoreFile, IgnorePattern};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "inert-ignore-pattern",
    summary: "a line of a .dockerignore that means something else to Docker",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/inert-ignore-pattern.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    let contexts = builds.list.iter().filter_map(|build| build.context.as_ref());
    for ignore in contexts.filter_map(|context| context.ignore.as_ref()) {
        if seen.insert(ignore.file) {
            judge_file(builds.file(ignore.file), &ignore.patterns, findings);
        }
    }
}

/// The maximum cost of comparing all exceptions of a file with all of its patterns.
const MAX_COMPARING: usize = 100_000_000;

fn judge_file(file: &File, ignore: &IgnoreFile, findings: &mut Findings) {
    let exceptions = ignore.patterns.iter().filter(|pattern| pattern.is_exception).count();
    let is_short = exceptions.saturating_mul(ignore.cost()) <= MAX_COMPARING;
    for (at, pattern) in ignore.patterns.iter().enumerate() {
        let written = file.text.get(pattern.span.clone()).unwrap_or_default();
        let Ok(written) = std::str::from_utf8(written) else { continue };
        let later = || if is_short { undone(ignore, at) } else { None };
        if let Some(fault) = fault(written) {
            let Misreading { message, help, edit } = fault;
            let draft = findings.place(file, &pattern.span, message).help(help, &[]);
            let span = pattern.span.start + edit.span.start..pattern.span.start + edit.span.end;
            let edit = Edit { path: file.path.clone(), span, text: edit.text };
            draft.fix(Safety::Shown, vec![edit], &[file]);
        } else if let Some(message) = nowhere(pattern, written) {
            let help = "write a path from the top of the context, or delete the line";
            findings.place(file, &pattern.span, message).help(help, &[]);
        } else if let Some(later) = later() {
            report_order(file, pattern, later, findings);
        }
    }
}

/// The fault of a line, and the edit that makes it say what its author means.
struct Misreading {
    message: String,
    help: &'static str,
    edit: LineEdit,
}

/// A part of a line and its replacement.
struct LineEdit {
    span: Span,
    text: String,
}

/// Syntax of git or of a shell that Docker reads as a part of a name.
fn fault(written: &str) -> Option<Misreading> {
    if let Some((at, comment)) = comment(written) {
        let pattern = written.get(..at)?.trim_end();
        return Some(Misreading {
            message: "a comment after a pattern is a part of it, so it matches nothing".to_owned(),
            help: "write the comment in a line of its own",
            edit: LineEdit { span: 0..written.len(), text: format!("{comment}\n{pattern}") },
        });
    }
    if let Some(at) = negation(written) {
        return Some(Misreading {
            message: "`[!` does not negate here: it matches a `!` too".to_owned(),
            help: "write `[^`",
            edit: LineEdit { span: at + 1..at + 2, text: "^".to_owned() },
        });
    }
    let (before, inside, after) = braces(written)?;
    let lines: Vec<String> =
        inside.split(',').map(|choice| format!("{before}{choice}{after}")).collect();
    Some(Misreading {
        message: "braces are no choice here: they are a part of the name".to_owned(),
        help: "write a line for each choice",
        edit: LineEdit { span: 0..written.len(), text: lines.join("\n") },
    })
}

/// The place of `[!`, unless a backslash makes it a part of a name.
fn negation(written: &str) -> Option<usize> {
    let is_escaped = |at: usize| {
        let before = written.get(..at).unwrap_or_default();
        (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
    };
    written.match_indices("[!").map(|(at, _)| at).find(|at| !is_escaped(*at))
}

/// The place of a comment after a pattern, and the comment.
fn comment(written: &str) -> Option<(usize, &str)> {
    let mut found = written.match_indices('#').map(|(at, _)| at);
    let at = found.find(|at| {
        written.get(..*at).is_some_and(|before| {
            before.ends_with([' ', '\t']) && !before.trim_start_matches('!').trim().is_empty()
        })
    })?;
    Some((at, written.get(at..)?))
}

/// The parts of a pattern around and in its only braces with a comma.
fn braces(written: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = written.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    let is_plain = inside.contains(',') && !inside.contains(['{', '\\']) && !after.contains('{');
    (is_plain && !before.ends_with('\\')).then_some((before, inside, after))
}

/// Why a pattern cannot match anything.
fn nowhere(pattern: &IgnorePattern, written: &str) -> Option<String> {
    let path = pattern.path()?;
    let is_above = path == ".." || path.starts_with("../");
    let is_top = path == "." || path == "/";
    (is_above || is_top).then(|| {
        let written = Escaped(written.as_bytes());
        let place = if is_above { "outside of the context" } else { "the context itself" };
        format!("`{written}` is {place}, so it matches nothing")
    })
}

/// The later pattern that excludes the path of an exception again.
fn undone(ignore: &IgnoreFile, at: usize) -> Option<&IgnorePattern> {
    let exception = ignore.patterns.get(at).filter(|pattern| pattern.is_exception)?;
    let path = exception.path()?;
    let decisive = ignore.decisive(&path)?;
    let is_later = decisive.span.start > exception.span.start;
    (is_later && !decisive.is_exception).then_some(decisive)
}

fn report_order(
    file: &File,
    exception: &IgnorePattern,
    later: &IgnorePattern,
    findings: &mut Findings,
) {
    let message = "a later line excludes this again: the last one that matches decides";
    let (own, next) = (whole_line(file, &exception.span), whole_line(file, &later.span));
    let moved = file.text.get(exception.span.clone()).unwrap_or_default();
    let moved = String::from_utf8_lossy(moved);
    let edit = |span: Span, text: String| Edit { path: file.path.clone(), span, text };
    let is_cut = file.text.get(next.end.wrapping_sub(1)) != Some(&b'\n');
    let lead = if is_cut { "\n" } else { "" };
    let edits =
        vec![edit(own, String::new()), edit(next.end..next.end, format!("{lead}{moved}\n"))];
    findings
        .place(file, &exception.span, message)
        .label(file, &later.span, "by this line")
        .help("move it below that line", &[])
        .fix(Safety::Shown, edits, &[file]);
}

/// The line of a place, with its end.
fn whole_line(file: &File, place: &Span) -> Span {
    let line = line_around(&file.text, place.start);
    line.start..file.text.len().min(line.end + 1)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(ignore: &str) -> Fake {
        Fake::default().file("Dockerfile", "FROM node:22\nCOPY . .").file(".dockerignore", ignore)
    }

    #[test]
    fn a_line_that_means_something_else() {
        for (ignore, message, fixed) in [
            ("a\n*.log # logs\nb", "a comment after a pattern", "a\n# logs\n*.log\nb"),
            ("!a\t#b", "a comment after a pattern", "#b\n!a"),
            ("x[!a]", "`[!` does not negate", "x[^a]"),
            ("*.{js,ts}\nb", "braces are no choice", "*.js\n*.ts\nb"),
            ("!keep.log\n*.log\nb", "a later line excludes", "*.log\n!keep.log\nb"),
            ("!src/a\nsrc", "a later line excludes", "src\n!src/a\n"),
        ] {
            let found = judged_by(&RULE, &change(ignore));
            let [finding] = found.as_slice() else { panic!("{ignore}: {found:?}") };
            assert!(finding.message.starts_with(message), "{finding:?}");
            let edits = &finding.fix.as_ref().unwrap().edits;
            let mut text = ignore.to_owned();
            for (edit, _) in edits.iter().rev() {
                text.replace_range(edit.span.clone(), &edit.text);
            }
            assert_eq!(text, fixed);
            assert_eq!(transcript(&RULE, &change(&text)), [""; 0]);
        }
        for (ignore, message) in [
            ("../secret", "`../secret` is outside of the context, so it matches nothing"),
            ("a/../..", "`a/../..` is outside of the context, so it matches nothing"),
            (".", "`.` is the context itself, so it matches nothing"),
            ("a\n/", "`/` is the context itself, so it matches nothing"),
        ] {
            let found = judged_by(&RULE, &change(ignore));
            assert_eq!((found.len(), &*found[0].message), (1, message));
            assert!(found[0].fix.is_none());
        }
    }

    #[test]
    fn the_order_of_many_lines_is_not_judged() {
        let exceptions: String = (0..60_000).map(|number| format!("!a{number}\n")).collect();
        let start = std::time::Instant::now();
        assert_eq!(transcript(&RULE, &change(&exceptions)), [""; 0]);
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }

    #[test]
    fn a_line_that_means_what_it_says() {
        for ignore in [
            "# c\n  # indented\nnode_modules/\n",
            "a#b\n#c",
            "C# code\n",
            "x[^a]\ny[a!]",
            "x\\[!a",
            "a{b}\n\\{a,b}\n${x}",
            "*\n!src\n!src/**",
            // The directory stays, without these files.
            "!src\nsrc/gen\n**/node_modules",
            "!*.md\n*",
            "./a\n/b/\na/../b",
            "*.env\n!.env.example",
        ] {
            let found = transcript(&RULE, &change(ignore));
            assert_eq!(found, [""; 0], "{ignore}");
        }
        let unread =
            Fake::default().file("a/Dockerfile", "FROM node").file("a/.dockerignore", "../x");
        assert_eq!(transcript(&RULE, &unread), [""; 0]);
    }
}
