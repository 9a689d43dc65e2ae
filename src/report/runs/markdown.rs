//! Recorded builds as a table in Markdown: cold and warm builds of each surface of each repository,
//! by labels such as `shop/backend cold` and `shop/backend warm`.

use std::collections::BTreeSet;

use crate::measure::builds::SlowStep;
use crate::measure::runs::{Run, labels};
use crate::measure::trend::Usual;
use crate::measure::units::Seconds;
use crate::report::common::{markdown_cell as cell, plural};

/// The ends of labels, and their columns.
const COLD: &str = " cold";
const WARM: &str = " warm";
/// An unknown value.
const NONE: &str = "—";
/// The maximum number of characters of a step.
const STEP: usize = 60;

/// The table; with an earlier record, with the times before and after. A label that says neither
/// cold nor warm has a line of its own below.
pub(super) fn table(runs: &[Run], before: Option<&[Run]>) -> String {
    let surfaces: BTreeSet<&str> = [runs, before.unwrap_or_default()]
        .iter()
        .flat_map(|runs| labels(runs))
        .filter_map(|label| label.strip_suffix(COLD).or_else(|| label.strip_suffix(WARM)))
        .collect();
    let head = match before {
        None => {
            "| Repo | Surface | Cold | Warm | Warm RUN cached | Slowest step |\n\
                 |---|---|---|---|---|---|\n"
        }
        Some(_) => {
            "| Repo | Surface | Cold before | Cold after | Warm before | Warm after | \
                    Warm RUN cached |\n|---|---|---|---|---|---|---|\n"
        }
    };
    let rows = surfaces.iter().map(|surface| row(surface, runs, before));
    let table = if surfaces.is_empty() {
        String::new()
    } else {
        head.to_owned() + &rows.collect::<String>()
    };
    let is_other = |label: &&str| !label.ends_with(COLD) && !label.ends_with(WARM);
    let others = labels(runs).into_iter().filter(is_other).map(|label| {
        format!("- {}: {}{}\n", cell(label), time(runs, label), earlier(before, label))
    });
    let others: String = others.collect();
    match (table.is_empty(), others.is_empty()) {
        (true, true) => "No run is recorded.\n".into(),
        (false, false) => format!("{table}\n{others}"),
        _ => table + &others,
    }
}

fn row(surface: &str, runs: &[Run], before: Option<&[Run]>) -> String {
    let (repo, name) = surface.split_once('/').unwrap_or((surface, NONE));
    let (cold, warm) = (format!("{surface}{COLD}"), format!("{surface}{WARM}"));
    let mut cells = vec![cell(repo), cell(name)];
    for label in [&cold, &warm] {
        cells.extend(before.map(|before| time(before, label)));
        cells.push(time(runs, label));
    }
    cells.push(shares(runs, &warm));
    if before.is_none() {
        cells.push(slowest(runs, [&warm, &cold]));
    }
    format!("| {} |\n", cells.join(" | "))
}

/// The time before, in parentheses.
fn earlier(before: Option<&[Run]>, label: &str) -> String {
    before.map_or(String::new(), |before| format!("; before: {}", time(before, label)))
}

/// The median and the range of a label.
fn time(runs: &[Run], label: &str) -> String {
    Usual::of(runs.iter(), label).map_or(NONE.into(), |Usual { runs, median, range, .. }| {
        let (median, low, high) = (Seconds(median), Seconds(range.0), Seconds(range.1));
        match runs {
            1 => format!("{median} (1 run)"),
            _ => format!("{median} ({low} to {high}, {})", plural(runs, "run")),
        }
    })
}

/// The cached `RUN` steps of the last successful run of a label.
fn shares(runs: &[Run], label: &str) -> String {
    last(runs, label)
        .and_then(Run::cached_steps)
        .map_or(NONE.into(), |(cached, all)| format!("{cached}/{all}"))
}

/// The slowest step of the last successful run of the first label that has one.
fn slowest(runs: &[Run], labels: [&str; 2]) -> String {
    let of_label = |label: &str| {
        let builds = last(runs, label)?.known_builds()?.iter();
        let steps = builds.flat_map(|build| &build.slowest);
        steps.max_by(|one, other| one.seconds.total_cmp(&other.seconds))
    };
    let found = labels.into_iter().find_map(of_label);
    found.map_or(NONE.into(), |SlowStep { step, seconds }| {
        let shown: String = step.chars().take(STEP).collect();
        let mark = if shown.len() < step.len() { "…" } else { "" };
        format!("{}{mark} {}", cell(&shown), Seconds(*seconds))
    })
}

fn last<'a>(runs: &'a [Run], label: &str) -> Option<&'a Run> {
    runs.iter().rev().find(|run| run.label == label && run.is_successful())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;

    fn runs() -> Vec<Run> {
        let web = build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", false)]);
        vec![
            run("shop/web cold", 18.0, 0),
            run("shop/web cold", 20.0, 0),
            run("shop/web cold", 99.0, 1),
            Run { builds: Some(Ok(vec![web])), ..run("shop/web warm", 6.0, 0) },
            run("tool warm", 1.0, 0),
        ]
    }

    #[test]
    fn cold_and_warm_are_columns() {
        assert_eq!(
            table(&runs(), None),
            "| Repo | Surface | Cold | Warm | Warm RUN cached | Slowest step |\n\
             |---|---|---|---|---|---|\n\
             | shop | web | 19.00 s (18.00 s to 20.00 s, 2 runs) | 6.00 s (1 run) | 1/2 | \
             \\[builder 4/4\\] RUN pnpm run build 4.70 s |\n\
             | tool | — | — | 1.00 s (1 run) | — | — |\n"
        );
    }

    #[test]
    fn an_earlier_record_has_its_columns() {
        let before = [run("shop/web cold", 40.0, 0), run("old|x warm", 3.0, 0)];
        let mut runs = runs();
        runs.push(run("nightly", 5.0, 0));
        assert_eq!(
            table(&runs, Some(&before)),
            "| Repo | Surface | Cold before | Cold after | Warm before | Warm after | \
             Warm RUN cached |\n\
             |---|---|---|---|---|---|---|\n\
             | old\\|x | — | — | — | 3.00 s (1 run) | — | — |\n\
             | shop | web | 40.00 s (1 run) | 19.00 s (18.00 s to 20.00 s, 2 runs) | — | \
             6.00 s (1 run) | 1/2 |\n\
             | tool | — | — | — | — | 1.00 s (1 run) | — |\n\
             \n\
             - nightly: 5.00 s (1 run); before: —\n"
        );
        assert_eq!(table(&[], None), "No run is recorded.\n");
    }
}
