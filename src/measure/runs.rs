//! Recorded runs of a build, one JSON line each, and the comparison of a run with earlier ones.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::change::ObjectId;
use crate::measure::builds::{RecordedBuild, parse_seconds, recorded_name};
use crate::measure::protocol::Protocol;
use crate::snapshot::Tree;

/// One run, as `verify --record` and `measure --record` write it.
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
    /// What `measure` did; `None` for a build as it is.
    pub protocol: Option<Protocol>,
    /// The host and its number of processors; `None` in the lines of older versions.
    pub machine: Option<String>,
    /// The Docker builds, or why they are unknown; `None` in the lines of older versions.
    pub builds: Option<Result<Vec<RecordedBuild>, String>>,
    /// Whether two builds of one target ran at the same time: one may be of another run.
    pub overlapping: bool,
}

impl Run {
    /// A line of the record, with its line feed.
    pub(crate) fn line(&self) -> String {
        format!("{}\n", self.json())
    }

    /// The run as JSON, for reports and records.
    pub(crate) fn json(&self) -> Value {
        let (builds, no_builds) = match &self.builds {
            None => (None, None),
            Some(Ok(builds)) => {
                (Some(builds.iter().map(RecordedBuild::json).collect::<Vec<_>>()), None)
            }
            Some(Err(reason)) => (None, Some(reason)),
        };
        json!({
            "label": self.label,
            "started": self.started.to_string(),
            "seconds": self.seconds,
            "exit_code": self.exit_code,
            "tree": self.tree.name(),
            "commit": self.commit.as_ref().map(ObjectId::to_string),
            "protocol": self.protocol.as_ref().map(Protocol::json),
            "machine": self.machine,
            "builds": builds,
            "no_builds": no_builds,
            "overlapping": self.overlapping,
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let commit = match &value["commit"] {
            Value::Null => None,
            id => Some(ObjectId::from_hex(id.as_str()?.as_bytes())?),
        };
        let protocol = match &value["protocol"] {
            Value::Null => None,
            protocol => Some(Protocol::parse(protocol)?),
        };
        let text = |key: &str| match &value[key] {
            Value::Null => Some(None),
            text => text.as_str().map(recorded_name).map(Some),
        };
        let builds = match (&value["builds"], text("no_builds")?) {
            (Value::Null, None) => None,
            (Value::Null, Some(reason)) => Some(Err(reason)),
            (builds, _) => Some(Ok(builds
                .as_array()?
                .iter()
                .map(RecordedBuild::parse)
                .collect::<Option<_>>()?)),
        };
        Some(Self {
            label: value["label"].as_str()?.to_owned(),
            started: value["started"].as_str()?.parse().ok()?,
            seconds: parse_seconds(&value["seconds"])?,
            exit_code: value["exit_code"].as_u64()?.try_into().ok()?,
            tree: Tree::NAMES.into_iter().find(|(_, name)| value["tree"] == *name)?.0,
            commit,
            protocol,
            machine: text("machine")?,
            builds,
            overlapping: value["overlapping"].as_bool().unwrap_or(false),
        })
    }

    /// The builds, if they are known.
    pub(crate) fn known_builds(&self) -> Option<&[RecordedBuild]> {
        self.builds.as_ref()?.as_deref().ok()
    }

    /// The cached and all `RUN` steps of the builds, if they are known.
    pub(crate) fn cached_steps(&self) -> Option<(usize, usize)> {
        let builds = self.known_builds()?.iter();
        let sum = |(cached, all): (usize, usize), build: &RecordedBuild| {
            (cached.saturating_add(build.run_cached), all.saturating_add(build.run))
        };
        Some(builds.fold((0, 0), sum))
    }

    /// Whether a line is the start of a run, from a process that was killed while writing.
    fn is_incomplete(line: &str) -> bool {
        let cut_off = |error: serde_json::Error| error.is_eof();
        BEGIN.starts_with(line)
            || line.starts_with(BEGIN) && serde_json::from_str::<Value>(line).is_err_and(cut_off)
    }

    /// Whether the builds are known, and none of them had anything to do: no `RUN` step ran; or no
    /// step at all, if there are none.
    pub(crate) fn built_nothing(&self) -> bool {
        let is_idle = |build: &RecordedBuild| match build.run {
            0 => build.cached == build.steps,
            _ => build.ran() == 0,
        };
        self.known_builds().is_some_and(|builds| builds.iter().all(is_idle))
    }

    pub(crate) fn is_successful(&self) -> bool {
        self.exit_code == 0
    }
}

/// The labels of runs, sorted.
pub(crate) fn labels(runs: &[Run]) -> BTreeSet<&str> {
    runs.iter().map(|run| run.label.as_str()).collect()
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::builds::tests::build;

    /// A run as an older version recorded it.
    pub(crate) fn run(label: &str, seconds: f64, exit_code: u8) -> Run {
        Run {
            label: label.into(),
            started: "2026-05-02T10:11:12Z".parse().unwrap(),
            seconds,
            exit_code,
            tree: Tree::Unchanged,
            commit: ObjectId::from_bytes(&[7; 20]),
            protocol: None,
            machine: None,
            builds: None,
            overlapping: false,
        }
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
        let web = build("web", &[("[deps 1/2] RUN a", true), ("[deps 2/2] RUN b", false)]);
        let machine = Some("ci-3 2cpu".to_owned());
        let runs = [
            run("a \"b\"\n", 1.25, 3),
            Run { commit: None, tree: Tree::Unknown, ..run("b", 0.0, 0) },
            Run { builds: Some(Ok(vec![web])), machine, ..run("c", 1.0, 0) },
            Run { builds: Some(Err("no docker".into())), overlapping: true, ..run("c", 1.0, 0) },
            Run { protocol: Some(Protocol::new(["a.ts".into()], false)), ..run("c", 1.0, 0) },
        ];
        let text: String = runs.iter().map(Run::line).collect();
        assert_eq!(text.lines().count(), 5);
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
            field("builds", "{}"),
            field("builds", "[1]"),
            field("machine", "1"),
            field("protocol", "{}"),
        ] {
            assert_eq!(parse(&format!("{good}{bad}\n")), Err(2), "{bad}");
        }
        assert!(parse(&field("more", "[1]")).is_ok(), "a later version may add fields");
    }
}
