//! Recorded builds as metrics in the text format of Prometheus 0.0.4, without time stamps, as the
//! textfile collector wants it: the last run of each label.

use std::collections::BTreeMap;

use crate::base::escape::Escaped;
use crate::measure::builds::RecordedBuild;
use crate::measure::runs::Run;

/// The metrics of the last run of each label.
pub(super) fn metrics(runs: &[Run]) -> String {
    // A later run replaces an earlier one.
    let last: BTreeMap<&str, &Run> = runs.iter().map(|run| (run.label.as_str(), run)).collect();
    let of_run = |name: &str, help: &str, value: fn(&Run) -> f64| {
        let samples = last
            .iter()
            .map(|(label, run)| format!("{name}{{label=\"{}\"}} {}\n", escaped(label), value(run)));
        head(name, help) + &samples.collect::<String>()
    };
    let started = |run: &Run| run.started.as_duration().as_secs_f64();
    [
        of_run("bakstop_build_seconds", "Time of the last run.", |run| run.seconds),
        of_run("bakstop_build_exit_code", "Exit code of the last run.", |run| {
            f64::from(run.exit_code)
        }),
        of_run("bakstop_build_started_timestamp_seconds", "Start of the last run.", started),
        steps(&last),
        sent(&last),
    ]
    .concat()
}

fn head(name: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n")
}

/// The builds of the last runs: label, target and build; the last one, if a target was built twice.
fn builds<'a>(
    last: &BTreeMap<&'a str, &'a Run>,
) -> BTreeMap<(&'a str, &'a str), &'a RecordedBuild> {
    let builds = last.iter().flat_map(|(label, run)| {
        let known = run.known_builds().unwrap_or_default();
        known.iter().map(move |build| ((*label, build.target.as_str()), build))
    });
    builds.collect()
}

/// The `RUN` steps, cached or not.
fn steps(last: &BTreeMap<&str, &Run>) -> String {
    let name = "bakstop_build_run_steps";
    let samples = builds(last).into_iter().map(|((label, target), build)| {
        let sample = |cached: bool, steps: usize| {
            let (label, target) = (escaped(label), escaped(target));
            format!("{name}{{label=\"{label}\",target=\"{target}\",cached=\"{cached}\"}} {steps}\n")
        };
        sample(true, build.run_cached) + &sample(false, build.ran())
    });
    head(name, "RUN steps of the last run.") + &samples.collect::<String>()
}

/// The bytes of the context.
fn sent(last: &BTreeMap<&str, &Run>) -> String {
    let name = "bakstop_build_sent_bytes";
    let samples = builds(last).into_iter().map(|((label, target), build)| {
        let (label, target) = (escaped(label), escaped(target));
        format!("{name}{{label=\"{label}\",target=\"{target}\"}} {}\n", build.sent_bytes)
    });
    head(name, "Bytes of the context that were sent in the last run.")
        + &samples.collect::<String>()
}

/// The value of a label. The format knows three escapes.
fn escaped(text: &str) -> String {
    Escaped(text.as_bytes()).to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;

    #[test]
    fn the_last_run_of_each_label() {
        let builds = vec![build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", false)])];
        let runs = [
            run("a", 1.0, 0),
            Run { builds: Some(Ok(builds)), ..run("a", 7.5, 3) },
            run("b\"\\\n", 2.0, 0),
        ];
        let text = metrics(&runs);
        for line in [
            "# TYPE bakstop_build_seconds gauge",
            "bakstop_build_seconds{label=\"a\"} 7.5",
            "bakstop_build_seconds{label=\"b\\\"\\\\\\\\n\"} 2",
            "bakstop_build_exit_code{label=\"a\"} 3",
            "bakstop_build_started_timestamp_seconds{label=\"a\"} 1777716672",
            "bakstop_build_run_steps{label=\"a\",target=\"web\",cached=\"true\"} 1",
            "bakstop_build_run_steps{label=\"a\",target=\"web\",cached=\"false\"} 1",
            "bakstop_build_sent_bytes{label=\"a\",target=\"web\"} 409",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(!text.contains("label=\"a\"} 1\n"), "{text}");
    }
}
