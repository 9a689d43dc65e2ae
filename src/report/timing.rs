//! Sentences about the time of a run, compared with earlier runs, and about its cached steps.

use std::fmt::Display;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::measure::builds::{CacheGate, RecordedBuild};
use crate::measure::trend::{LostCache, Trend, Usual};
use crate::measure::units::Seconds;
use crate::report::common::plural;

/// The time of a run that is a regression.
pub(crate) fn regression(trend: &Trend, usual: &Usual, seconds: f64) -> String {
    let excess = usual.excess(seconds);
    let row = match trend.limit.in_a_row {
        1 => String::new(),
        row => format!("; it is the {} slow run in a row", ordinal(row)),
    };
    format!(
        "the command took {}, {excess:.0} % longer than the median of {} ({}); \
         {} % is allowed{row}",
        Seconds(seconds),
        plural(usual.runs, "run"),
        Seconds(usual.median),
        trend.limit.allowed
    )
}

fn ordinal(number: usize) -> String {
    match number {
        2 => "second".into(),
        3 => "third".into(),
        _ => format!("{number}th"),
    }
}

/// A note if the time of a successful run is not judged, or not yet. `record`: the label and the
/// file of the record.
pub(crate) fn note(trend: &Trend, seconds: f64, record: impl Display) -> Option<String> {
    let Some(usual) = trend.usual else {
        return Some(format!(
            "bakstop: the time is not compared yet: {record} has {}, and a comparison needs {}",
            plural(trend.comparable, "comparable run"),
            trend.needed()
        ));
    };
    let left = trend.limit.in_a_row - trend.slower;
    if trend.slower > 0 && left > 0 {
        let next =
            if left == 1 { "the next run is".into() } else { format!("the next {left} are") };
        return Some(format!(
            "bakstop: slower than usual: {}, usually {}; it fails if {next} as well",
            Seconds(seconds),
            Seconds(usual.median)
        ));
    }
    let found = trend.noise().filter(|_| trend.slower == 0)?;
    Some(format!(
        "bakstop: these runs vary by {:.0} %: builds that are {found:.0} % slower are found in \
         8 of 10 cases, smaller regressions less often",
        usual.spread * 100.0
    ))
}

/// A step that used to be cached.
pub(crate) fn lost_cache(lost: &LostCache, in_a_row: usize) -> String {
    let LostCache { target, step, cached } = lost;
    let runs = match in_a_row {
        1 => "in this run".to_owned(),
        row => format!("in the last {row} runs"),
    };
    format!(
        "bakstop: {}: {} ran {runs}; in the {} before, it was cached",
        Escaped(target.as_bytes()),
        Escaped(step.as_bytes()),
        plural(*cached, "run")
    )
}

/// A line for each build with too few cached steps.
pub(crate) fn below(gate: &CacheGate) -> Vec<String> {
    let line = |build: &RecordedBuild| {
        let ran = build.run_steps.iter().filter(|step| !step.cached);
        let ran: Vec<String> = ran.map(|step| Escaped(step.step.as_bytes()).to_string()).collect();
        format!(
            "{}: {} of {} cached; at least {} must be; these ran: {}",
            Escaped(build.target.as_bytes()),
            build.run_cached,
            plural(build.run, "RUN step"),
            gate.share,
            ran.join(", ")
        )
    };
    gate.below().map(line).collect()
}

/// The cached steps are not known.
pub(crate) fn unknown_cache(reason: &str) -> Error {
    Error::new("judge the cached RUN steps", Escaped(reason.as_bytes())).help(
        "build with Docker and buildx 0.20 or newer, in this work tree; or leave --min-cached out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::trend::Limit;

    fn trend(usual: Option<Usual>, slower: usize) -> Trend {
        Trend { limit: Limit { allowed: 10.0, in_a_row: 3 }, comparable: 4, usual, slower }
    }

    const USUAL: Usual = Usual { runs: 20, median: 6.4, range: (5.4, 7.5), spread: 0.08 };

    #[test]
    fn what_is_not_decided_is_said() {
        let note = |usual, slower| note(&trend(usual, slower), 8.9, "\"web\" in runs");
        assert_eq!(
            note(None, 0).unwrap(),
            "bakstop: the time is not compared yet: \"web\" in runs has 4 comparable runs, and a \
             comparison needs 7"
        );
        assert_eq!(
            note(Some(USUAL), 1).unwrap(),
            "bakstop: slower than usual: 8.90 s, usually 6.40 s; it fails if the next 2 are as well"
        );
        assert!(note(Some(USUAL), 2).unwrap().ends_with("if the next run is as well"));
        assert_eq!((note(Some(USUAL), 0), note(Some(USUAL), 3)), (None, None));
        assert_eq!(
            note(Some(Usual { spread: 0.15, ..USUAL }), 0).unwrap(),
            "bakstop: these runs vary by 15 %: builds that are 37 % slower are found in 8 of 10 \
             cases, smaller regressions less often"
        );
    }

    #[test]
    fn a_regression_and_lost_caches() {
        assert_eq!(
            regression(&trend(Some(USUAL), 3), &USUAL, 8.9),
            "the command took 8.90 s, 39 % longer than the median of 20 runs (6.40 s); 10 % is \
             allowed; it is the third slow run in a row"
        );
        let lost = LostCache { target: "a\u{1b}".into(), step: "[1/2] RUN x".into(), cached: 18 };
        assert_eq!(
            lost_cache(&lost, 3),
            "bakstop: a\\u{001b}: [1/2] RUN x ran in the last 3 runs; in the 18 runs before, \
             it was cached"
        );
        let web = build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", false)]);
        let gate = CacheGate { share: "60%".parse().unwrap(), builds: Some(Ok(vec![web])) };
        assert_eq!(
            below(&gate),
            ["web: 1 of 2 RUN steps cached; at least 60 % must be; these ran: [2/2] RUN y"]
        );
    }
}
