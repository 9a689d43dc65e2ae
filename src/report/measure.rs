//! The report of `measure`: the runs, as text and as `bakstop.measure/1`.

use serde_json::json;

use crate::base::escape::Escaped;
use crate::measure::protocol::Protocol;
use crate::measure::runs::Run;
use crate::measure::trend::Usual;
use crate::measure::units::Seconds;
use crate::report::common::plural;
use crate::report::json::document;
use crate::report::paint::Paint;

/// The result of `measure`.
#[derive(Debug)]
pub(crate) struct Measurement<'a> {
    pub label: &'a str,
    pub protocol: Option<&'a Protocol>,
    /// Those that were made: after one that failed, there are no more.
    pub runs: &'a [Run],
    pub failures: &'a [MeasureFailure],
}

/// Why a measurement does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeasureFailure {
    /// Its name in JSON.
    pub kind: &'static str,
    pub message: String,
}

impl Measurement<'_> {
    /// The times of the successful runs; `None` without one.
    fn usual(&self) -> Option<Usual> {
        Usual::of(self.runs.iter(), self.label)
    }

    /// A line for each run, the median, and a line for each failure.
    pub(crate) fn human(&self, paint: Paint) -> String {
        let how = match self.protocol {
            Some(Protocol { cold: true, .. }) => ", cold".to_owned(),
            Some(Protocol { touched, .. }) if !touched.is_empty() => {
                let files: Vec<String> =
                    touched.iter().map(|file| Escaped(file.as_bytes()).to_string()).collect();
                format!(", touched {}", files.join(", "))
            }
            _ => String::new(),
        };
        let label = paint.strong(&format!("\"{}\"", Escaped(self.label.as_bytes())));
        let mut text = format!("{label}{how}\n");
        for (at, run) in self.runs.iter().enumerate() {
            let steps =
                run.cached_steps().map(|(cached, all)| format!("  RUN {cached}/{all} cached"));
            let end = match run.exit_code {
                0 => String::new(),
                code => paint.bad(&format!("  exit code {code}")),
            };
            let time = Seconds(run.seconds).to_string();
            text += &format!("  run {:<3} {time:>12}{}{end}\n", at + 1, steps.unwrap_or_default());
        }
        let name = paint.strong("bakstop:");
        if let Some(Usual { runs, median, range: (low, high), .. }) = self.usual() {
            let (median, low, high) = (Seconds(median), Seconds(low), Seconds(high));
            text += &match runs {
                1 => format!("{name} {median} (1 run)\n"),
                _ => format!("{name} median {median} ({low} to {high}, {})\n", plural(runs, "run")),
            };
        }
        for MeasureFailure { message, .. } in self.failures {
            text += &format!("{name} {message}\n");
        }
        text
    }

    /// One JSON document.
    pub(crate) fn json(&self) -> String {
        let failures = self
            .failures
            .iter()
            .map(|MeasureFailure { kind, message }| json!({ "kind": kind, "message": message }));
        document(&json!({
            "schema": "bakstop.measure/1",
            "label": self.label,
            "protocol": self.protocol.map(Protocol::json),
            "runs": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
            "median": self.usual().map(|usual| usual.median),
            "failures": failures.collect::<Vec<_>>(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;

    #[test]
    fn runs_and_failures_are_listed() {
        let web = build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", false)]);
        let runs = [
            Run { builds: Some(Ok(vec![web])), ..run("a\u{1b}", 7.53, 0) },
            run("a\u{1b}", 6.11, 0),
            run("a\u{1b}", 0.5, 3),
        ];
        let touched = Protocol::new(["src/\u{1b}.ts".into()], false);
        let failures = [MeasureFailure { kind: "command", message: "it failed".into() }];
        let all = Measurement {
            label: "a\u{1b}",
            protocol: Some(&touched),
            runs: &runs,
            failures: &failures,
        };
        assert_eq!(
            all.human(Paint::PLAIN),
            "\"a\\u{001b}\", touched src/\\u{001b}.ts\n\
             \x20 run 1         7.53 s  RUN 1/2 cached\n\
             \x20 run 2         6.11 s\n\
             \x20 run 3        0.500 s  exit code 3\n\
             bakstop: median 6.82 s (6.11 s to 7.53 s, 2 runs)\n\
             bakstop: it failed\n"
        );
        let cold = Protocol::new([], true);
        let one = Measurement { protocol: Some(&cold), runs: &runs[..1], failures: &[], ..all };
        assert_eq!(
            one.human(Paint::PLAIN),
            "\"a\\u{001b}\", cold\n  run 1         7.53 s  RUN 1/2 cached\n\
             bakstop: 7.53 s (1 run)\n"
        );
    }
}
