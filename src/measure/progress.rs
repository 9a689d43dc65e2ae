//! The answers about builds: `docker buildx history ls --format json`, `docker buildx history logs
//! --progress rawjson`, and the state that buildx keeps on disk. Every field is optional: none of
//! these formats is promised. (buildx 0.20 to 0.29.)

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::measure::builds::{
    BuildStatus, NAMED, RecordedBuild, RecordedStep, SLOWEST, SlowStep, recorded_name,
};

/// The maximum number of steps, and of transfers, of one build.
const MAX_ITEMS: usize = 100_000;
/// A step that takes less time, in seconds, is not slow.
const SLOW: f64 = 0.1;

/// A build in the list of the history.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listed {
    /// `builder/node/id`.
    #[serde(rename = "ref")]
    pub reference: String,
    status: Option<String>,
    created_at: Option<String>,
    completed_at: Option<String>,
}

impl Listed {
    /// The lines of the answer; `None` if no line is one. An empty history has no lines.
    pub(crate) fn parse(answer: &[u8]) -> Option<Vec<Self>> {
        let lines =
            answer.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// The start and the end of the build, in seconds since the epoch.
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        Some((moment(self.created_at.as_ref())?, moment(self.completed_at.as_ref())?))
    }

    fn status(&self) -> BuildStatus {
        match self.status.as_deref() {
            Some("Completed") => BuildStatus::Completed,
            Some("Error") => BuildStatus::Failed,
            Some("Canceled") => BuildStatus::Canceled,
            Some("Running") => BuildStatus::Running,
            _ => BuildStatus::Unknown,
        }
    }
}

/// The state of a build in `$BUILDX_CONFIG/refs/BUILDER/NODE/ID`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct LocalState {
    pub target: String,
    /// The context: an absolute path, an address, or `-`.
    pub local_path: String,
    pub dockerfile_path: String,
}

impl LocalState {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

/// An update of the progress. Logs of steps are skipped.
#[derive(Debug, Deserialize)]
struct Update {
    vertexes: Option<Bounded<Vertex>>,
    statuses: Option<Bounded<Transfer>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Vertex {
    digest: String,
    name: String,
    started: Option<String>,
    completed: Option<String>,
    cached: bool,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transfer {
    id: String,
    vertex: String,
    current: i64,
}

/// A list of at most [`MAX_ITEMS`].
#[derive(Debug)]
struct Bounded<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData)).map(Self)
    }
}

struct BoundedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {MAX_ITEMS} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MAX_ITEMS {
                return Err(A::Error::invalid_length(list.len() + 1, &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}

/// The steps and transfers of a build.
#[derive(Debug, Default)]
pub(crate) struct BuildProgress {
    /// In the order of their first mention.
    vertexes: Vec<Vertex>,
    /// The bytes of each transfer, by its vertex and id.
    transfers: HashMap<(String, String), u64>,
}

impl BuildProgress {
    /// Parses a stream of updates, one a line. Other lines are messages of docker. `None` if an
    /// update cannot be read, if there are too many steps, or no step at all.
    pub(crate) fn parse(stream: &[u8]) -> Option<Self> {
        let mut progress = Self::default();
        let mut known = HashMap::new();
        for line in stream.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
            let update: Update = serde_json::from_slice(line).ok()?;
            for vertex in update.vertexes.into_iter().flat_map(|list| list.0) {
                match known.get(&vertex.digest) {
                    Some(&at) => progress.vertexes[at] = vertex,
                    None => {
                        known.insert(vertex.digest.clone(), progress.vertexes.len());
                        progress.vertexes.push(vertex);
                    }
                }
            }
            for Transfer { id, vertex, current } in
                update.statuses.into_iter().flat_map(|list| list.0)
            {
                if id.starts_with("transferring ") && !id.starts_with("transferring dockerfile") {
                    let bytes = u64::try_from(current).unwrap_or_default();
                    progress.transfers.insert((vertex, id), bytes);
                }
            }
            if progress.vertexes.len().max(progress.transfers.len()) > MAX_ITEMS {
                return None;
            }
        }
        (!progress.vertexes.is_empty()).then_some(progress)
    }

    /// The build with this progress.
    pub(crate) fn build(&self, listed: &Listed, target: &str, dockerfile: &str) -> RecordedBuild {
        // A step that the build did not reach has no start.
        let reached = self.vertexes.iter().filter(|vertex| vertex.started.is_some());
        let steps: Vec<(&Vertex, &str)> = reached
            .filter_map(|vertex| Some((vertex, instruction(&vertex.name)?)))
            .filter(|(_, instruction)| !instruction.eq_ignore_ascii_case("FROM"))
            .collect();
        let run: Vec<&Vertex> = steps
            .iter()
            .filter(|(_, instruction)| instruction.eq_ignore_ascii_case("RUN"))
            .map(|(vertex, _)| *vertex)
            .collect();
        let is_cached = |vertex: &&&Vertex| vertex.cached;
        let run_step = |vertex: &&Vertex| RecordedStep {
            step: recorded_name(&vertex.name),
            cached: vertex.cached,
        };
        let exports =
            self.vertexes.iter().filter(|vertex| vertex.name.starts_with("exporting to "));
        let sent = self.transfers.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        RecordedBuild {
            target: recorded_name(if target.is_empty() { "default" } else { target }),
            dockerfile: recorded_name(dockerfile),
            status: self.status(listed),
            seconds: listed.interval().and_then(|(start, end)| rounded(end - start)),
            steps: steps.len(),
            cached: steps.iter().filter(|(vertex, _)| vertex.cached).count(),
            run: run.len(),
            run_cached: run.iter().filter(is_cached).count(),
            run_steps: run.iter().take(NAMED).map(run_step).collect(),
            sent_bytes: sent,
            export_seconds: exports.filter_map(Vertex::seconds).reduce(|sum, time| sum + time),
            slowest: slowest(steps.iter().map(|(vertex, _)| *vertex)),
        }
    }

    /// The list of the history calls a canceled build an error.
    fn status(&self, listed: &Listed) -> BuildStatus {
        let errors = self.vertexes.iter().filter_map(|vertex| vertex.error.as_deref());
        let is_canceled = |error: &str| error.contains("context canceled");
        let mut real = errors.clone().filter(|error| !is_canceled(error));
        match listed.status() {
            BuildStatus::Failed if errors.clone().any(is_canceled) && real.next().is_none() => {
                BuildStatus::Canceled
            }
            status => status,
        }
    }
}

impl Vertex {
    fn seconds(&self) -> Option<f64> {
        rounded(moment(self.completed.as_ref())? - moment(self.started.as_ref())?)
    }
}

/// The slowest of the steps that ran.
fn slowest<'a>(steps: impl Iterator<Item = &'a Vertex>) -> Vec<SlowStep> {
    let slow = steps.filter(|vertex| !vertex.cached).filter_map(|vertex| {
        let seconds = vertex.seconds().filter(|seconds| *seconds >= SLOW)?;
        Some((vertex, seconds))
    });
    let mut slow: Vec<(&Vertex, f64)> = slow.collect();
    slow.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    slow.truncate(SLOWEST);
    slow.into_iter()
        .map(|(vertex, seconds)| SlowStep { step: recorded_name(&vertex.name), seconds })
        .collect()
}

/// The instruction of a step such as `[linux/amd64 deps 2/5] RUN pnpm install`; `None` for the
/// work of BuildKit itself.
fn instruction(name: &str) -> Option<&str> {
    let (place, rest) = name.strip_prefix('[')?.split_once("] ")?;
    let (number, count) = place.rsplit(' ').next()?.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(number) && is_number(count)).then(|| rest.split_whitespace().next())?
}

/// A time stamp in seconds since the epoch.
fn moment(text: Option<&String>) -> Option<f64> {
    let time: Timestamp = text?.parse().ok()?;
    Some(time.as_duration().as_secs_f64())
}

/// A time in milliseconds, which is as exact as it can be; `None` for an impossible one.
fn rounded(seconds: f64) -> Option<f64> {
    (0.0..1e9).contains(&seconds).then(|| (seconds * 1000.0).round().abs() / 1000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Real answers, shortened: of buildx 0.29.1 with dockerd 28.5.2 and 26.1.5.
    fn facts() -> Vec<Value> {
        let facts: Value =
            serde_json::from_str(include_str!("../../tests/facts/builds.json")).unwrap();
        facts["builds"].as_array().unwrap().clone()
    }

    fn build(stream: &str, listed: &Value) -> Option<RecordedBuild> {
        let listed = Listed::parse(listed.to_string().as_bytes()).unwrap().pop().unwrap();
        Some(BuildProgress::parse(stream.as_bytes())?.build(&listed, "web", "web/Dockerfile"))
    }

    #[test]
    fn real_builds_are_read() {
        let mut seen = 0;
        for fact in facts() {
            let build = build(&fact["progress"].to_string(), &fact["listed"]).unwrap();
            let json = build.json();
            for (key, expected) in fact["expected"].as_object().unwrap() {
                assert_eq!(json[key], *expected, "{}: {key}", fact["case"]);
            }
            assert_eq!(RecordedBuild::parse(&json), Some(build));
            seen += 1;
        }
        assert!(seen >= 7, "{seen}");
    }

    fn vertex(digest: &str, name: &str, cached: bool) -> Value {
        json!({
            "digest": digest,
            "name": name,
            "started": "2026-05-02T10:00:00Z",
            "completed": "2026-05-02T10:00:02.5Z",
            "cached": cached,
        })
    }

    #[test]
    fn only_instructions_are_steps() {
        for (name, expected) in [
            ("[1/2] RUN x", Some("RUN")),
            ("[linux/arm64 deps 2/5] copy a b", Some("copy")),
            ("[stage-4 7/7] WORKDIR /app", Some("WORKDIR")),
            ("[internal] load .dockerignore", None),
            ("[context base] load metadata", None),
            ("[auth] library/node:pull token", None),
            ("[a /2] RUN x", None),
            ("[a 1/2] ", None),
            ("[a 1/2]", None),
            ("exporting to image", None),
            ("", None),
        ] {
            assert_eq!(instruction(name), expected, "{name}");
        }
    }

    #[test]
    fn later_updates_replace_earlier_ones() {
        let waiting = json!({ "digest": "a", "name": "[1/2] RUN x" });
        let transfer = |current: i64| -> Value {
            json!({ "id": "transferring context:", "vertex": "c", "current": current })
        };
        let stream = [
            json!({ "vertexes": [waiting], "statuses": [transfer(1)] }),
            json!({ "logs": [{ "data": "e" }] }),
            json!({ "vertexes": [vertex("a", "[1/2] RUN x", false)], "statuses": [transfer(70)] }),
            json!({ "vertexes": [vertex("b", "[2/2] RUN y", true)], "statuses": null }),
        ];
        let stream: String = stream.iter().map(|update| format!("{update}\n")).collect();
        let build = build(&format!("WARNING: old\n{stream}"), &json!({})).unwrap();
        assert_eq!((build.run, build.run_cached, build.sent_bytes), (2, 1, 70));
        assert_eq!(build.slowest, [SlowStep { step: "[1/2] RUN x".into(), seconds: 2.5 }]);
        assert_eq!((build.status, build.seconds), (BuildStatus::Unknown, None));
    }

    #[test]
    fn garbled_answers_are_refused() {
        for stream in
            ["", "WARNING\n", "{}", "{\"vertexes\":[]}", "{", "{\"vertexes\":[{\"name\":1}]}", "{]"]
        {
            assert!(BuildProgress::parse(stream.as_bytes()).is_none(), "{stream}");
        }
        let many = vec!["{\"digest\":\"a\"}"; MAX_ITEMS + 1].join(",");
        assert!(BuildProgress::parse(format!("{{\"vertexes\":[{many}]}}").as_bytes()).is_none());
        assert!(Listed::parse(b"Usage:  docker buildx").is_none());
        assert!(Listed::parse(b"\n").unwrap().is_empty());
        assert!(LocalState::parse(b"{\"LocalPath\":\"/shop\"}").unwrap().target.is_empty());
        assert!(LocalState::parse(b"[").is_none());
    }

    #[test]
    fn a_canceled_build_is_no_failure_of_a_step() {
        let with = |error: &str| {
            let mut step = vertex("a", "[1/2] RUN x", false);
            step["error"] = error.into();
            let listed = json!({ "status": "Error" });
            build(&json!({ "vertexes": [step] }).to_string(), &listed).unwrap().status
        };
        assert_eq!(with("context canceled: context canceled"), BuildStatus::Canceled);
        assert_eq!(with("exit code: 3"), BuildStatus::Failed);
    }
}
