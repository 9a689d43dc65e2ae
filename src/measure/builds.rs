//! A Docker build of a run: which steps ran, which were cached, what was sent.

use serde_json::{Value, json};

use crate::base::credentials::holds_secret;
use crate::measure::units::{LONGEST, Share};

/// The maximum number of characters of a step, a target or another name in the record.
const NAME: usize = 120;
/// The maximum number of `RUN` steps that a record names.
pub(crate) const NAMED: usize = 50;
/// The maximum number of steps that are listed as the slowest.
pub(crate) const SLOWEST: usize = 3;
/// Stands for a name that may hold a secret.
const MASKED: &str = "(masked: it may hold a secret)";

/// One build, by BuildKit's record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedBuild {
    /// The service of a compose file, or the target of a bake file or of the command; `default`
    /// without one.
    pub target: String,
    /// The path of the Dockerfile from the top of the work tree; its name alone, if it is outside.
    pub dockerfile: String,
    pub status: BuildStatus,
    /// The time that the daemon took; `None` while it runs.
    pub seconds: Option<f64>,
    /// The instructions that ran or were cached, without `FROM`.
    pub steps: usize,
    /// How many of them were cached.
    pub cached: usize,
    /// The `RUN` instructions among them.
    pub run: usize,
    /// How many of those were cached.
    pub run_cached: usize,
    /// The `RUN` instructions by name, up to [`NAMED`].
    pub run_steps: Vec<RecordedStep>,
    /// The bytes of the context that the client sent.
    pub sent_bytes: u64,
    /// The time of the export; `None` if there was none.
    pub export_seconds: Option<f64>,
    /// The slowest steps that ran, the slowest first.
    pub slowest: Vec<SlowStep>,
}

/// A `RUN` instruction of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedStep {
    /// As BuildKit names it: `[deps 2/5] RUN pnpm install`.
    pub step: String,
    pub cached: bool,
}

/// A step that ran, and its time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlowStep {
    pub step: String,
    pub seconds: f64,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildStatus {
    Completed,
    Failed,
    Canceled,
    Running,
    Unknown,
}

impl BuildStatus {
    /// The name of each in reports and records, in their order.
    const NAMES: [(Self, &str); 5] = [
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Canceled, "canceled"),
        (Self::Running, "running"),
        (Self::Unknown, "unknown"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

impl RecordedBuild {
    /// The build in a line of the record.
    pub(crate) fn json(&self) -> Value {
        let run_steps = self
            .run_steps
            .iter()
            .map(|RecordedStep { step, cached }| json!({ "step": step, "cached": cached }));
        let slowest = self
            .slowest
            .iter()
            .map(|SlowStep { step, seconds }| json!({ "step": step, "seconds": seconds }));
        json!({
            "target": self.target,
            "dockerfile": self.dockerfile,
            "status": self.status.name(),
            "seconds": self.seconds,
            "steps": self.steps,
            "cached": self.cached,
            "run": self.run,
            "run_cached": self.run_cached,
            "run_steps": run_steps.collect::<Vec<_>>(),
            "sent_bytes": self.sent_bytes,
            "export_seconds": self.export_seconds,
            "slowest": slowest.collect::<Vec<_>>(),
        })
    }

    /// A build of a record; `None` if it is none. Names are cut and masked again: another program
    /// may have written the line.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let name = |value: &Value| value.as_str().map(recorded_name);
        let count = |key: &str| usize::try_from(value[key].as_u64()?).ok();
        let time = |key: &str| match &value[key] {
            Value::Null => Some(None),
            seconds => parse_seconds(seconds).map(Some),
        };
        let list = |key: &str| match &value[key] {
            Value::Null => Some(&[][..]),
            list => Some(list.as_array()?.as_slice()),
        };
        let run_step = |step: &Value| {
            Some(RecordedStep { step: name(&step["step"])?, cached: step["cached"].as_bool()? })
        };
        let slow_step = |step: &Value| {
            Some(SlowStep { step: name(&step["step"])?, seconds: parse_seconds(&step["seconds"])? })
        };
        let status = |(_, name): &(BuildStatus, &str)| value["status"] == *name;
        let build = Self {
            target: name(&value["target"])?,
            dockerfile: name(&value["dockerfile"])?,
            status: BuildStatus::NAMES
                .into_iter()
                .find(status)
                .map_or(BuildStatus::Unknown, |named| named.0),
            seconds: time("seconds")?,
            steps: count("steps")?,
            cached: count("cached")?,
            run: count("run")?,
            run_cached: count("run_cached")?,
            run_steps: list("run_steps")?
                .iter()
                .take(NAMED)
                .map(run_step)
                .collect::<Option<_>>()?,
            sent_bytes: value["sent_bytes"].as_u64()?,
            export_seconds: time("export_seconds")?,
            slowest: list("slowest")?.iter().take(SLOWEST).map(slow_step).collect::<Option<_>>()?,
        };
        (build.cached <= build.steps && build.run_cached <= build.run && build.run <= build.steps)
            .then_some(build)
    }

    /// The number of `RUN` steps that ran.
    pub(crate) fn ran(&self) -> usize {
        self.run - self.run_cached
    }
}

/// The share of `RUN` steps that must be cached in each build.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CacheGate {
    pub share: Share,
    /// Or why they are unknown.
    pub builds: Option<Result<Vec<RecordedBuild>, String>>,
}

impl CacheGate {
    /// The builds, if they are known.
    pub(crate) fn known(&self) -> &[RecordedBuild] {
        self.builds.as_ref().and_then(|builds| builds.as_deref().ok()).unwrap_or_default()
    }

    /// Whether enough steps of a build were cached.
    pub(crate) fn is_reached_by(&self, build: &RecordedBuild) -> bool {
        self.share.is_reached(build.run_cached, build.run)
    }

    /// The builds with fewer cached steps.
    pub(crate) fn below(&self) -> impl Iterator<Item = &RecordedBuild> {
        self.known().iter().filter(|build| !self.is_reached_by(build))
    }

    /// Why it cannot be judged: an unknown build, or no `RUN` step at all.
    pub(crate) fn unknown(&self) -> Option<&str> {
        match &self.builds {
            Some(Ok(builds)) if builds.iter().any(|build| build.run > 0) => None,
            Some(Ok(_)) => Some("no RUN step was built"),
            Some(Err(reason)) => Some(reason),
            None => Some("Docker was not asked"),
        }
    }

    /// Whether it is known that every build has enough cached steps.
    pub(crate) fn passes(&self) -> bool {
        self.unknown().is_none() && self.below().next().is_none()
    }
}

/// A time in a record, in seconds; `None` if it is not a plausible one.
pub(crate) fn parse_seconds(value: &Value) -> Option<f64> {
    // Not -0.
    Some(value.as_f64().filter(|seconds| (0.0..LONGEST).contains(seconds))?.abs())
}

/// A name for the record: one line, cut, or masked if it may hold a secret. A recorded name stays
/// as it is.
pub(crate) fn recorded_name(name: &str) -> String {
    let line = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = match line.char_indices().nth(NAME) {
        // One character is for the mark.
        Some(_) => line.chars().take(NAME - 1).chain(['…']).collect(),
        None => line.clone(),
    };
    if [&line, &cut].iter().any(|text| holds_secret(text.as_bytes())) {
        return match step_head(&line) {
            Some(head) => format!("{head} {MASKED}"),
            None => MASKED.to_owned(),
        };
    }
    cut
}

/// Whether a recorded name is masked: others may be masked to the same.
pub(crate) fn is_masked(name: &str) -> bool {
    name.ends_with(MASKED)
}

/// The part of the name of a step before the arguments of the instruction: `[deps 2/5] RUN`.
fn step_head(name: &str) -> Option<&str> {
    let end = name.find("] ")? + 2;
    let length = name.get(end..)?.find(' ')?;
    let head = name.get(..end + length)?;
    (name.starts_with('[') && head.len() < NAME / 2 && !holds_secret(head.as_bytes()))
        .then_some(head)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn build(target: &str, steps: &[(&str, bool)]) -> RecordedBuild {
        let run_step = |(step, cached): &(&str, bool)| RecordedStep {
            step: (*step).to_owned(),
            cached: *cached,
        };
        let cached = steps.iter().filter(|(_, cached)| *cached).count();
        RecordedBuild {
            target: target.into(),
            dockerfile: format!("{target}/Dockerfile"),
            status: BuildStatus::Completed,
            seconds: Some(6.097),
            steps: steps.len(),
            cached,
            run: steps.len(),
            run_cached: cached,
            run_steps: steps.iter().map(run_step).collect(),
            sent_bytes: 409,
            export_seconds: Some(0.443),
            slowest: vec![SlowStep {
                step: "[builder 4/4] RUN pnpm run build".into(),
                seconds: 4.7,
            }],
        }
    }

    #[test]
    fn a_build_is_read_as_it_was_written() {
        let build = build("web", &[("[deps 1/2] RUN a", true), ("[deps 2/2] RUN b", false)]);
        assert_eq!(RecordedBuild::parse(&build.json()), Some(build.clone()));
        let with = |key: &str, value: Value| {
            let mut json = build.json();
            json[key] = value;
            RecordedBuild::parse(&json)
        };
        assert!(with("more", json!(1)).is_some(), "a later version may add fields");
        assert!(with("run_steps", Value::Null).is_some_and(|build| build.run_steps.is_empty()));
        for (key, value) in [
            ("target", json!(1)),
            ("cached", json!(3)),
            ("run_cached", json!(3)),
            ("run", json!(9)),
            ("seconds", json!(-1)),
            ("sent_bytes", json!("1")),
            ("slowest", json!([{ "step": "x", "seconds": 1e300 }])),
            ("run_steps", json!([{ "step": "x" }])),
        ] {
            assert_eq!(with(key, value.clone()), None, "{key}: {value}");
        }
        assert_eq!(with("status", json!("later")).unwrap().status, BuildStatus::Unknown);
    }

    #[test]
    fn every_build_must_have_enough_cached_steps() {
        let (cached, fresh) = (("[1/2] RUN a", true), ("[2/2] RUN b", false));
        let gate = |share: &str, builds: Result<Vec<RecordedBuild>, String>| {
            let gate = CacheGate { share: share.parse().unwrap(), builds: Some(builds) };
            (gate.passes(), gate.below().count(), gate.unknown().is_some())
        };
        let (half, all) = (build("a", &[cached, fresh]), build("b", &[cached]));
        assert_eq!(gate("1/2", Ok(vec![half.clone(), all.clone()])), (true, 0, false));
        assert_eq!(gate("51%", Ok(vec![half, all])), (false, 1, false));
        assert_eq!(gate("0%", Ok(vec![build("a", &[])])), (false, 0, true));
        assert_eq!(gate("0%", Err("no docker".into())), (false, 0, true));
    }

    #[test]
    fn names_are_cut_and_secrets_masked() {
        assert_eq!(recorded_name("[a 1/2]  RUN x \\\n  y"), "[a 1/2] RUN x \\ y");
        let long = recorded_name(&"é".repeat(500));
        assert_eq!((long.chars().count(), long.ends_with('…')), (NAME, true));
        assert_eq!(
            recorded_name("[a 1/2] RUN NPM_TOKEN=tok-3f9a1c npm ci"),
            format!("[a 1/2] RUN {MASKED}")
        );
        assert_eq!(recorded_name("//h/:_authToken=s3cr3t"), MASKED);
        let mount = "[deps 5/5] RUN --mount=type=secret,id=npm_token pnpm install";
        assert_eq!(recorded_name(mount), mount);
        for name in [
            "x".repeat(130),
            format!("[a 1/2] RUN curl -u a:b {}", "x".repeat(300)),
            format!("[{} 1/2] RUN token=abcdefgh ", "x".repeat(300)),
            format!("token={}<b", "x".repeat(300)),
        ] {
            assert_eq!(recorded_name(&recorded_name(&name)), recorded_name(&name));
        }
    }
}
