//! Recorded runs of a build, one JSON line each, and the comparison of a run with earlier ones.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::base::change::ObjectId;
use crate::snapshot::Tree;

/// The maximum time of a run in seconds: thirty years.
const LONGEST: f64 = 1e9;

/// One run, as `verify --record` writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// The user's name for the build: times are compared within a label.
    pub label: String,
    pub started: Timestamp,
    pub seconds: f64,
    /// 128 + n if signal n killed it.
    pub exit_code: u8,
    pub tree: Tree,
    /// The commit of HEAD at the start.
    pub commit: Option<ObjectId>,
}

impl Run {
    /// A line of the record, with its line feed.
    pub(crate) fn line(&self) -> String {
        format!("{}\n", self.json())
    }

    /// The run as JSON, for reports and records.
    pub(crate) fn json(&self) -> Value {
        json!({
            "label": self.label,
            "started": self.started.to_string(),
            "seconds": self.seconds,
            "exit_code": self.exit_code,
            "tree": self.tree.name(),
            "commit": self.commit.as_ref().map(ObjectId::to_string),
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let commit = match &value["commit"] {
            Value::Null => None,
            id => Some(ObjectId::from_hex(id.as_str()?.as_bytes())?),
        };
        Some(Self {
            label: value["label"].as_str()?.to_owned(),
            started: value["started"].as_str()?.parse().ok()?,
            seconds: value["seconds"]
                .as_f64()
                .filter(|seconds| (0.0..LONGEST).contains(seconds))?
                .abs(),
            exit_code: value["exit_code"].as_u64()?.try_into().ok()?,
            tree: Tree::NAMES.into_iter().find(|(_, name)| value["tree"] == *name)?.0,
            commit,
        })
    }

    /// Whether a line is the start of a run, from a process that was killed while writing.
    fn is_incomplete(line: &str) -> bool {
        let cut_off = |error: serde_json::Error| error.is_eof();
        BEGIN.starts_with(line)
            || line.starts_with(BEGIN) && serde_json::from_str::<Value>(line).is_err_and(cut_off)
    }

    pub(crate) fn is_successful(&self) -> bool {
        self.exit_code == 0
    }
}

/// The start of each line.
const BEGIN: &str = r#"{"label":"#;

/// The length of a record in bytes, without a last line that is the start of a run.
pub(crate) fn complete_length(text: &[u8]) -> usize {
    let start = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let last = String::from_utf8_lossy(&text[start..]);
    if !last.is_empty() && Run::is_incomplete(&last) { start } else { text.len() }
}

/// The runs of a record; the error is the number of the first invalid line, from 1.
pub(crate) fn parse(text: &str) -> Result<Vec<Run>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| Run::parse(line).ok_or(at + 1)).collect()
}

/// The median time of the successful runs of a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usual {
    /// The number of runs; never 0.
    pub runs: usize,
    /// In seconds.
    pub median: f64,
}

impl Usual {
    /// The median of a label; `None` without successful runs.
    pub(crate) fn of<'a>(runs: impl Iterator<Item = &'a Run>, label: &str) -> Option<Self> {
        let mut times: Vec<f64> = runs
            .filter(|run| run.is_successful() && run.label == label && run.seconds > 0.0)
            .map(|run| run.seconds)
            .collect();
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        let median = match times.len() {
            0 => return None,
            even if even % 2 == 0 => f64::midpoint(times[middle - 1], times[middle]),
            _ => times[middle],
        };
        Some(Self { runs: times.len(), median })
    }

    /// The difference between a time and the median, in percent.
    pub(crate) fn excess(&self, seconds: f64) -> f64 {
        (seconds / self.median - 1.0) * 100.0
    }
}

/// The time of a build and its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// In seconds.
    pub seconds: f64,
    /// The time limit in seconds.
    pub budget: Option<f64>,
    /// `None` if there are no runs to compare with.
    pub usual: Option<Usual>,
    /// How much longer than usual it may take, in percent.
    pub allowed: Option<f64>,
}

impl Timing {
    /// The budget, if it is exceeded.
    pub(crate) fn over_budget(&self) -> Option<f64> {
        self.budget.filter(|budget| self.seconds > *budget)
    }

    /// The usual time, and the excess in percent if it is more than allowed.
    pub(crate) fn regression(&self) -> Option<(Usual, f64)> {
        let (usual, allowed) = (self.usual?, self.allowed?);
        let excess = usual.excess(self.seconds);
        (excess > allowed).then_some((usual, excess))
    }

    /// Whether neither limit is exceeded.
    pub(crate) fn passes(&self) -> bool {
        self.over_budget().is_none() && self.regression().is_none()
    }
}

/// The time limit of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(pub Duration);

impl FromStr for Budget {
    type Err = String;

    /// `30s`, `1m30s`, `1.5 hours`: the friendly format of jiff. The unit is required.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a time such as 30s, 1m30s or 500ms";
        let parsed: SignedDuration = text.parse().map_err(|_| EXPECTED.to_owned())?;
        let time = Duration::try_from(parsed).map_err(|_| EXPECTED.to_owned())?;
        if time.is_zero() {
            Err("the budget must be more than zero".into())
        } else {
            Ok(Self(time))
        }
    }
}

/// How much longer than usual a build may take, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        let valid = |number: &f64| number.is_finite() && *number >= 0.0;
        number
            .parse()
            .ok()
            .filter(valid)
            .map(Self)
            .ok_or_else(|| "expected a percentage such as 20%".into())
    }
}

/// Displays seconds, with more digits for short times, and minutes for long ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seconds(pub f64);

impl Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        match seconds {
            ..0.9995 => write!(out, "{seconds:.3} s"),
            ..99.995 => write!(out, "{seconds:.2} s"),
            _ => write!(
                out,
                "{} min {:04.1} s",
                (tenths(seconds) / 600.0).floor(),
                tenths(seconds) % 600.0 / 10.0
            ),
        }
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(label: &str, seconds: f64, exit_code: u8) -> Run {
        let started = "2026-05-02T10:11:12Z".parse().unwrap();
        let commit = ObjectId::from_bytes(&[7; 20]);
        Run { label: label.into(), started, seconds, exit_code, tree: Tree::Unchanged, commit }
    }

    #[test]
    fn a_partial_line_does_not_count() {
        let line = run("build", 1.0, 0).line();
        for (last, counts) in [
            ("", true),
            ("{", false),
            ("{\"label\":", false),
            (line.get(..line.len() / 2).unwrap(), false),
            (line.strip_suffix("}\n").unwrap(), false),
            (line.trim_end(), true),
            ("{}", true),
            ("{\"name\": \"shop\"", true),
            ("{\"label\":\"x\"}", true),
        ] {
            let text = format!("{line}{last}");
            assert_eq!(
                complete_length(text.as_bytes()),
                if counts { text.len() } else { line.len() },
                "{last}"
            );
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let runs = [
            run("a \"b\"\n", 1.25, 3),
            Run { commit: None, tree: Tree::Unknown, ..run("b", 0.0, 0) },
        ];
        let text: String = runs.iter().map(Run::line).collect();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(parse(&text).unwrap(), runs);
        assert_eq!(parse(&format!("\n{text}\n")).unwrap(), runs);
    }

    #[test]
    fn an_invalid_line_is_reported_by_number() {
        let good = run("a", 1.0, 0).line();
        let field = |name: &str, value: &str| {
            let mut value: Value = serde_json::from_str(value).unwrap();
            let mut run: Value = serde_json::from_str(&good).unwrap();
            run[name] = value.take();
            run.to_string()
        };
        for bad in [
            "x".to_owned(),
            "{}".into(),
            "[1]".into(),
            field("seconds", "-1"),
            field("seconds", "1e300"),
            field("seconds", "\"1\""),
            field("exit_code", "256"),
            field("tree", "\"green\""),
            field("commit", "\"abc\""),
            field("started", "\"today\""),
        ] {
            assert_eq!(parse(&format!("{good}{bad}\n")), Err(2), "{bad}");
        }
        assert!(parse(&field("more", "[1]")).is_ok(), "a later version may add fields");
    }

    #[test]
    fn the_median_is_of_the_successful_runs_of_one_label() {
        let runs = [
            run("a", 3.0, 0),
            run("a", 100.0, 1),
            run("b", 50.0, 0),
            run("a", 1.0, 0),
            run("a", 2.0, 0),
        ];
        assert_eq!(Usual::of(runs.iter(), "a"), Some(Usual { runs: 3, median: 2.0 }));
        assert_eq!(Usual::of(runs[..4].iter(), "a"), Some(Usual { runs: 2, median: 2.0 }));
        assert_eq!(Usual::of(runs.iter(), "c"), None);
        let usual = Usual { runs: 1, median: 2.0 };
        assert_eq!((usual.excess(3.0), usual.excess(1.0)), (50.0, -50.0));
    }

    #[test]
    fn times_and_percentages_as_people_write_them() {
        for (text, seconds) in
            [("30s", 30.0), ("1m30s", 90.0), ("1m 30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0)]
        {
            assert_eq!(text.parse(), Ok(Budget(Duration::from_secs_f64(seconds))), "{text}");
        }
        for text in ["", "30", "0s", "-1s", "soon", "1y"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
        for (text, percent) in [("20%", 20.0), ("20", 20.0), ("0%", 0.0), ("12.5 %", 12.5)] {
            assert_eq!(text.parse(), Ok(Percent(percent)), "{text}");
        }
        for text in ["", "%", "-1%", "inf", "NaN", "a lot"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_with_the_digits_that_matter() {
        for (seconds, shown) in [
            (0.1234, "0.123 s"),
            (9.996, "10.00 s"),
            (31.25, "31.25 s"),
            (99.999, "1 min 40.0 s"),
            (3599.96, "60 min 00.0 s"),
        ] {
            assert_eq!(Seconds(seconds).to_string(), shown);
        }
    }
}
