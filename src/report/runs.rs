//! Recorded builds: tables as text, and `bakstop.runs/1` as JSON.

use std::collections::BTreeSet;

use serde_json::json;

use crate::base::escape::Escaped;
use crate::measure::runs::{Run, Seconds, Usual};
use crate::report::common::plural;
use crate::report::json::document;
use crate::report::paint::Paint;
use crate::snapshot::Tree;

/// The maximum number of runs that are shown for a label.
const SHOWN: usize = 20;

/// A table for each label: the median, and the runs compared with it.
pub(crate) fn human(runs: &[Run], paint: Paint) -> String {
    let tables: Vec<String> =
        labels(runs).into_iter().map(|label| table(label, runs, paint)).collect();
    if tables.is_empty() { "bakstop: no run is recorded\n".into() } else { tables.join("\n") }
}

fn labels(runs: &[Run]) -> BTreeSet<&str> {
    runs.iter().map(|run| run.label.as_str()).collect()
}

fn table(label: &str, runs: &[Run], paint: Paint) -> String {
    let own: Vec<&Run> = runs.iter().filter(|run| run.label == label).collect();
    let usual = Usual::of(own.iter().copied(), label);
    let median = usual
        .map_or("none succeeded".to_owned(), |usual| format!("median {}", Seconds(usual.median)));
    let head = paint.strong(&format!("\"{}\"", Escaped(label.as_bytes())));
    let mut text = format!("{head}: {}, {median}\n", plural(own.len(), "run"));
    for run in &own[own.len().saturating_sub(SHOWN)..] {
        let started = run.started.strftime("%Y-%m-%d %H:%M");
        let excess = usual
            .filter(|_| run.is_successful())
            .map(|usual| format!("{:+.0} %", usual.excess(run.seconds)));
        let tree = match run.tree {
            Tree::Unchanged => format!("{:<9}", run.tree.name()),
            _ => paint.bad(&format!("{:<9}", run.tree.name())),
        };
        let end = if run.exit_code == 0 {
            String::new()
        } else {
            format!("  exit code {}", run.exit_code)
        };
        let commit = run.commit.map_or("no commit".to_owned(), |id| id.short());
        let time = Seconds(run.seconds).to_string();
        text += &format!(
            "  {started}  {time:>12}  {:>6}  {tree}  {commit}{end}\n",
            excess.unwrap_or_default()
        );
    }
    if own.len() > SHOWN {
        text += &paint.faint(&format!("  and {} earlier\n", plural(own.len() - SHOWN, "run")));
    }
    text
}

/// Every run, and the median of each label.
pub(crate) fn json(runs: &[Run]) -> String {
    let label = |label: &str| {
        let usual = Usual::of(runs.iter(), label);
        json!({
            "label": label,
            "median": usual.map(|usual| usual.median),
            "runs": usual.map_or(0, |usual| usual.runs),
        })
    };
    document(&json!({
        "schema": "bakstop.runs/1",
        "runs": runs.iter().map(Run::json).collect::<Vec<_>>(),
        "labels": labels(runs).into_iter().map(label).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::ObjectId;

    fn run(label: &str, seconds: f64, exit_code: u8, tree: Tree) -> Run {
        let started = "2026-05-02T10:11:12Z".parse().unwrap();
        Run {
            label: label.into(),
            started,
            seconds,
            exit_code,
            tree,
            commit: ObjectId::from_bytes(&[0xab; 20]),
        }
    }

    #[test]
    fn a_table_for_each_label() {
        let runs = [
            run("web", 10.0, 0, Tree::Unchanged),
            run("a\u{1b}", 1.0, 1, Tree::Unknown),
            run("web", 12.0, 0, Tree::Changed),
            Run { commit: None, ..run("web", 75.0, 143, Tree::Unchanged) },
        ];
        assert_eq!(
            human(&runs, Paint::PLAIN),
            "\"a\\u{001b}\": 1 run, none succeeded\n\
             \x20 2026-05-02 10:11        1.00 s          unknown    abababababab  exit code 1\n\
             \n\
             \"web\": 3 runs, median 11.00 s\n\
             \x20 2026-05-02 10:11       10.00 s    -9 %  unchanged  abababababab\n\
             \x20 2026-05-02 10:11       12.00 s    +9 %  changed    abababababab\n\
             \x20 2026-05-02 10:11       75.00 s          unchanged  no commit  exit code 143\n"
        );
        assert_eq!(human(&[], Paint::PLAIN), "bakstop: no run is recorded\n");
    }

    #[test]
    fn many_runs_are_counted() {
        let runs = vec![run("web", 1.0, 0, Tree::Unchanged); SHOWN + 3];
        let shown = human(&runs, Paint::PLAIN);
        assert_eq!(shown.lines().count(), SHOWN + 2);
        assert!(shown.ends_with("  and 3 runs earlier\n"), "{shown}");
    }

    #[test]
    fn a_document_for_programs() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&[run("web", 10.0, 0, Tree::Changed)])).unwrap();
        assert_eq!(value["schema"], "bakstop.runs/1");
        assert_eq!(value["runs"][0]["tree"], "changed");
        assert_eq!(value["labels"][0], json!({ "label": "web", "median": 10.0, "runs": 1 }));
    }
}
