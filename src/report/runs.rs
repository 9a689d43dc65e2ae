//! Recorded builds: text, tables and charts, and `bakstop.runs/1` as JSON.

mod csv;
mod human;
mod markdown;
mod prometheus;
mod svg;

use clap::ValueEnum;
use serde_json::json;

use crate::measure::runs::{Run, labels};
use crate::measure::trend::Usual;
use crate::report::json::document;
use crate::report::paint::Paint;
pub(crate) use human::human;

/// The formats of recorded builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum RunsFormat {
    // Tables and charts as text
    #[default]
    Human,
    // One JSON document, with a versioned schema
    Json,
    // A table of cold and warm builds in Markdown
    Markdown,
    // A row for each run and target
    Csv,
    // Metrics of the last runs, for Prometheus
    Prometheus,
    // A chart
    Svg,
}

/// The runs of a record in a format. `before`: an earlier record, for the table in Markdown.
/// `charts`: whether the output can show the characters of charts.
pub(crate) fn report(
    format: RunsFormat,
    runs: &[Run],
    before: Option<&[Run]>,
    paint: Paint,
    charts: bool,
) -> String {
    match format {
        RunsFormat::Human => human(runs, paint, charts),
        RunsFormat::Json => json(runs),
        RunsFormat::Markdown => markdown::table(runs, before),
        RunsFormat::Csv => csv::rows(runs),
        RunsFormat::Prometheus => prometheus::metrics(runs),
        RunsFormat::Svg => svg::chart(runs),
    }
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
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;
    use crate::report::tests::HOSTILE;

    /// Text that acts on the formats below.
    const ODD: &str = "a|b\"c\\d\n=1+1,<script>&'é\u{1b}[1m](x)`*_\u{202e}";

    fn odd_runs() -> Vec<Run> {
        let steps = [(ODD, true), (HOSTILE, false)];
        let odd = |label: &str| Run {
            machine: Some(ODD.into()),
            builds: Some(Ok(vec![build(ODD, &steps), build(HOSTILE, &steps)])),
            ..run(label, 2.5, 0)
        };
        [ODD, HOSTILE, "a cold", "a warm", &format!("{ODD} cold"), ""].map(odd).to_vec()
    }

    #[test]
    fn no_format_obeys_a_record() {
        let runs = odd_runs();
        for format in RunsFormat::value_variants() {
            let text = report(*format, &runs, Some(&runs), Paint::PLAIN, true);
            for harmful in ["\u{1b}", "\u{202e}", "\n::error", "##[add", "\n=1+1"] {
                assert!(!text.contains(harmful), "{format:?} has {harmful:?}: {text}");
            }
        }
        for format in [RunsFormat::Markdown, RunsFormat::Svg] {
            let text = report(format, &runs, None, Paint::PLAIN, true);
            assert!(!text.contains("<script"), "{format:?}: {text}");
        }
        roxmltree::Document::parse(&report(RunsFormat::Svg, &runs, None, Paint::PLAIN, true))
            .unwrap();
    }

    #[test]
    fn no_run_is_a_report_as_well() {
        for format in RunsFormat::value_variants() {
            let text = report(*format, &[], None, Paint::PLAIN, true);
            assert!(text.ends_with('\n'), "{format:?}: {text}");
        }
    }

    #[test]
    fn a_document_for_programs() {
        let value: serde_json::Value = serde_json::from_str(&json(&[run("web", 10.0, 0)])).unwrap();
        assert_eq!(value["schema"], "bakstop.runs/1");
        assert_eq!(value["runs"][0]["tree"], "unchanged");
        assert_eq!(value["labels"][0], json!({ "label": "web", "median": 10.0, "runs": 1 }));
    }
}
