//! Recorded builds as text: a table for each label.

use crate::base::escape::Escaped;
use crate::measure::runs::{Run, labels};
use crate::measure::trend::Usual;
use crate::measure::units::Seconds;
use crate::report::common::plural;
use crate::report::paint::Paint;
use crate::snapshot::Tree;

/// The maximum number of runs that are shown for a label.
const SHOWN: usize = 20;

/// The bars of a chart, from the lowest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The maximum number of bars.
const COLUMNS: usize = 24;

/// A table for each label: the median, the successful runs as a chart, if charts can be shown, and
/// the runs compared with the median.
pub(crate) fn human(runs: &[Run], paint: Paint, charts: bool) -> String {
    let tables: Vec<String> =
        labels(runs).into_iter().map(|label| table(label, runs, paint, charts)).collect();
    if tables.is_empty() { "bakstop: no run to show\n".into() } else { tables.join("\n") }
}

/// The last successful runs as bars, from 0 to the longest; `None` for fewer than two.
fn chart(own: &[&Run]) -> Option<String> {
    let times: Vec<f64> =
        own.iter().filter(|run| run.is_successful()).map(|run| run.seconds).collect();
    let times = &times[times.len().saturating_sub(COLUMNS)..];
    let longest = times.iter().copied().fold(0.0, f64::max);
    if times.len() < 2 || longest <= 0.0 {
        return None;
    }
    let bar = |seconds: &f64| {
        // A bar is at least that of its share.
        let is_enough = |at: &usize| {
            f64::from(u8::try_from(at + 1).unwrap_or(u8::MAX)) / 8.0 >= seconds / longest
        };
        BARS[(0..BARS.len()).find(is_enough).unwrap_or(BARS.len() - 1)]
    };
    let bars: String = times.iter().map(bar).collect();
    Some(format!("  {bars}  from 0 to {}\n", Seconds(longest)))
}

fn table(label: &str, runs: &[Run], paint: Paint, charts: bool) -> String {
    let own: Vec<&Run> = runs.iter().filter(|run| run.label == label).collect();
    let usual = Usual::of(own.iter().copied(), label);
    let median = usual
        .map_or("none succeeded".to_owned(), |usual| format!("median {}", Seconds(usual.median)));
    let head = paint.strong(&format!("\"{}\"", Escaped(label.as_bytes())));
    let mut text = format!("{head}: {}, {median}\n", plural(own.len(), "run"));
    text += &chart(&own).filter(|_| charts).unwrap_or_default();
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
        let steps = run.cached_steps().map(|(cached, all)| format!("  RUN {cached}/{all} cached"));
        let commit = run.commit.map_or("no commit".to_owned(), |id| id.short());
        let time = Seconds(run.seconds).to_string();
        text += &format!(
            "  {started}  {time:>12}  {:>6}  {tree}  {commit}{}{end}\n",
            excess.unwrap_or_default(),
            steps.unwrap_or_default()
        );
    }
    if own.len() > SHOWN {
        text += &paint.faint(&format!("  and {} earlier\n", plural(own.len() - SHOWN, "run")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::change::ObjectId;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests;

    fn run(label: &str, seconds: f64, exit_code: u8, tree: Tree) -> Run {
        let commit = ObjectId::from_bytes(&[0xab; 20]);
        Run { tree, commit, ..tests::run(label, seconds, exit_code) }
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
            human(&runs, Paint::PLAIN, false),
            "\"a\\u{001b}\": 1 run, none succeeded\n\
             \x20 2026-05-02 10:11        1.00 s          unknown    abababababab  exit code 1\n\
             \n\
             \"web\": 3 runs, median 11.00 s\n\
             \x20 2026-05-02 10:11       10.00 s    -9 %  unchanged  abababababab\n\
             \x20 2026-05-02 10:11       12.00 s    +9 %  changed    abababababab\n\
             \x20 2026-05-02 10:11       75.00 s          unchanged  no commit  exit code 143\n"
        );
        assert_eq!(human(&[], Paint::PLAIN, false), "bakstop: no run to show\n");
    }

    #[test]
    fn many_runs_are_counted() {
        let runs = vec![run("web", 1.0, 0, Tree::Unchanged); SHOWN + 3];
        let shown = human(&runs, Paint::PLAIN, false);
        assert_eq!(shown.lines().count(), SHOWN + 2);
        assert!(shown.ends_with("  and 3 runs earlier\n"), "{shown}");
    }

    #[test]
    fn bars_begin_at_zero() {
        let runs = [
            run("web", 10.0, 0, Tree::Unchanged),
            run("web", 99.0, 1, Tree::Unchanged),
            run("web", 20.0, 0, Tree::Unchanged),
            run("web", 0.1, 0, Tree::Unchanged),
        ];
        let shown = human(&runs, Paint::PLAIN, true);
        assert!(shown.contains("\n  ▄█▁  from 0 to 20.00 s\n"), "{shown}");
        let many = vec![run("web", 1.0, 0, Tree::Unchanged); COLUMNS + 5];
        let shown = human(&many, Paint::PLAIN, true);
        assert!(shown.contains(&format!("  {}  ", "█".repeat(COLUMNS))), "{shown}");
        assert!(!human(&runs[..1], Paint::PLAIN, true).contains('█'));
    }

    #[test]
    fn cached_steps_are_shown() {
        let web = build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", false)]);
        let runs =
            [Run { builds: Some(Ok(vec![web.clone(), web])), ..run("a", 1.0, 0, Tree::Unchanged) }];
        let shown = human(&runs, Paint::PLAIN, false);
        assert!(shown.ends_with("abababababab  RUN 2/4 cached\n"), "{shown}");
    }
}
