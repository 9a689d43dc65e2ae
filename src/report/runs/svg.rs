//! Recorded builds as a chart: for each label a row with its last runs as points, and their median.
//! No script, and the colours of both schemes, so that forges show it from a repository.

use crate::base::escape::Escaped;
use crate::measure::runs::{Run, labels};
use crate::measure::trend::Usual;
use crate::measure::units::Seconds;
use crate::report::common::plural;

/// The sizes in pixels: of the chart, of a row, of the plot in it.
const WIDTH: u32 = 720;
const ROW: u32 = 96;
const LEFT: f64 = 16.0;
const RIGHT: f64 = 704.0;
const TOP: f64 = 34.0;
const HEIGHT: f64 = 48.0;
/// The maximum number of runs and of labels.
const RUNS: usize = 60;
const LABELS: usize = 50;
/// The maximum number of characters of a label.
const LABEL: usize = 60;
/// The margin above the longest run.
const HEADROOM: f64 = 1.1;

const STYLE: &str = "\
    text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px;fill:#59636e}\
    .axis{stroke:#d1d9e0}.median{stroke:#59636e;stroke-dasharray:4 3}\
    .ok{fill:#0969da}.bad{fill:#d1242f}.back{fill:#ffffff}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}\
    .axis{stroke:#3d444d}.median{stroke:#9198a1}.ok{fill:#4493f8}.bad{fill:#f85149}\
    .back{fill:#0d1117}}";

/// The chart.
pub(super) fn chart(runs: &[Run]) -> String {
    let labels: Vec<&str> = labels(runs).into_iter().take(LABELS).collect();
    let height = ROW * u32::try_from(labels.len().max(1)).unwrap_or(1);
    let rows = labels.iter().zip(0_u32..).map(|(label, at)| {
        format!("<g transform=\"translate(0 {})\">{}</g>\n", at * ROW, row(label, runs))
    });
    let rows: String = rows.collect();
    let rows = if labels.is_empty() {
        "<text x=\"16\" y=\"24\">No run is recorded.</text>\n".into()
    } else {
        rows
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"Build times\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n{rows}</svg>\n"
    )
}

/// The title of a label, its points and the median.
fn row(label: &str, runs: &[Run]) -> String {
    let own: Vec<&Run> = runs.iter().filter(|run| run.label == label).collect();
    let own = &own[own.len().saturating_sub(RUNS)..];
    let usual = Usual::of(own.iter().copied(), label);
    let longest = own.iter().map(|run| run.seconds).fold(0.0, f64::max).max(0.001) * HEADROOM;
    let y = |seconds: f64| TOP + HEIGHT - HEIGHT * seconds / longest;
    let step = (RIGHT - LEFT) / f64::from(u32::try_from(own.len().max(2) - 1).unwrap_or(1));
    let summary = usual.map_or("none succeeded".into(), |usual| {
        format!("median {} of {}", Seconds(usual.median), plural(usual.runs, "run"))
    });
    let shown: String = label.chars().take(LABEL).collect();
    let mut text = format!(
        "<text x=\"16\" y=\"20\">{}</text>\
         <text class=\"small\" x=\"704\" y=\"20\" text-anchor=\"end\">{summary}</text>\
         <path class=\"axis\" d=\"M16 {:.1}H704\"/>",
        xml(&shown),
        TOP + HEIGHT,
    );
    if let Some(usual) = usual {
        text += &format!("<path class=\"median\" d=\"M16 {:.1}H704\"/>", y(usual.median));
    }
    for (run, at) in own.iter().zip(0_u32..) {
        let class = if run.is_successful() { "ok" } else { "bad" };
        text += &format!(
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\">\
             <title>{}</title></circle>",
            LEFT + step * f64::from(at),
            y(run.seconds),
            about(run)
        );
    }
    text
}

/// The title of a point.
fn about(run: &Run) -> String {
    let started = run.started.strftime("%Y-%m-%d %H:%M");
    let end = match run.exit_code {
        0 => String::new(),
        code => format!(", exit code {code}"),
    };
    format!("{started}: {}{end}", Seconds(run.seconds))
}

/// Text without characters that XML obeys, or lacks.
fn xml(text: &str) -> String {
    Escaped(text.as_bytes())
        .to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(['\u{fffe}', '\u{ffff}'], "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::runs::tests::run;

    #[test]
    fn a_row_for_each_label_and_a_point_for_each_run() {
        let runs = [run("web <a>", 5.0, 0), run("web <a>", 10.0, 1), run("b", 1.0, 0)];
        let text = chart(&runs);
        let svg = roxmltree::Document::parse(&text).unwrap();
        let named = |name: &str, class: Option<&str>| {
            let nodes = svg.descendants().filter(|node| node.has_tag_name(name));
            nodes.filter(|node| class.is_none() || node.attribute("class") == class).count()
        };
        assert_eq!((named("g", None), named("circle", None)), (2, 3));
        assert_eq!((named("circle", Some("bad")), named("path", Some("median"))), (1, 2));
        assert!(text.contains("web &lt;a&gt;") && text.contains("prefers-color-scheme:dark"));
        assert!(text.contains(">2026-05-02 10:11: 10.00 s, exit code 1</title>"), "{text}");
        assert!(named("script", None) == 0 && text.len() < 4096, "{} bytes", text.len());
        // Points are inside of the chart.
        for circle in svg.descendants().filter(|node| node.has_tag_name("circle")) {
            let y: f64 = circle.attribute("cy").unwrap().parse().unwrap();
            assert!((TOP..TOP + HEIGHT).contains(&y), "{y}");
        }
    }
}
