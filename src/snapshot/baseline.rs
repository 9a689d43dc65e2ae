//! A snapshot as a file, so that a pipeline can compare two of its steps.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::base::change::ObjectId;
use crate::base::escape::{from_hex, to_hex};
use crate::base::path::RepoPath;
use crate::snapshot::{Fingerprint, Hashes, Head, PathStatus, Snapshot, State, Unfinished};

/// The version of the file. It changes with the computation of fingerprints.
const SCHEMA: &str = "bakstop.baseline/1";

/// A snapshot, and the configuration at that time: a build must not change the configuration that
/// it is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// Without the texts of files: the baseline may be a public artifact.
    pub snapshot: Snapshot,
    /// The text of the configuration; empty without one.
    pub configuration: Vec<u8>,
}

impl Baseline {
    pub(crate) fn write(&self) -> String {
        let Self { snapshot, configuration } = self;
        let paths = snapshot.paths.iter().map(|(path, status)| {
            json!({
                "path": bytes(path.as_bytes()),
                "states": status.states.iter().map(|state| state.name()).collect::<Vec<_>>(),
                "fingerprint": status.fingerprint.map(|Fingerprint(hash)| to_hex(&hash)),
            })
        });
        let hooks = snapshot.hooks.as_ref().map(hashes);
        let nested = snapshot.nested.iter().map(|path| bytes(path.as_bytes()));
        let refs = snapshot
            .refs
            .iter()
            .map(|(name, id)| json!({ "name": bytes(name), "id": id.to_string() }));
        let value = json!({
            "schema": SCHEMA,
            "head": {
                "commit": snapshot.head.commit.map(|id| id.to_string()),
                "branch": snapshot.head.branch.as_deref().map(bytes),
            },
            "refs": refs.collect::<Vec<_>>(),
            "stashes": snapshot.stashes.iter().map(ObjectId::to_string).collect::<Vec<_>>(),
            "unfinished": snapshot.unfinished.iter().map(|what| what.name()).collect::<Vec<_>>(),
            "settings": hashes(&snapshot.settings),
            "hooks": hooks,
            "nested": nested.collect::<Vec<_>>(),
            "paths": paths.collect::<Vec<_>>(),
            "configuration": bytes(configuration),
        });
        format!("{value:#}\n")
    }

    /// Parses the file; the error is the reason.
    pub(crate) fn read(text: &[u8]) -> Result<Self, &'static str> {
        let value: Value =
            serde_json::from_slice(text).map_err(|_| "it is not valid JSON, or was cut off")?;
        let value = value.as_object().ok_or("it is not a JSON object")?;
        if value.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
            return Err(
                "it was not written by `bakstop verify --save-baseline`, or by another version",
            );
        }
        Self::parse(value).ok_or("it has been changed since it was written")
    }

    fn parse(value: &Map<String, Value>) -> Option<Self> {
        let list = |name: &str| value.get(name)?.as_array();
        let mut snapshot = Snapshot::default();
        let head = value.get("head").filter(|head| head.is_object())?;
        snapshot.head = Head {
            commit: optional(&head["commit"], id)?,
            branch: optional(&head["branch"], raw)?,
        };
        for named in list("refs")? {
            snapshot.refs.insert(raw(&named["name"])?, id(&named["id"])?);
        }
        snapshot.stashes = list("stashes")?.iter().map(id).collect::<Option<_>>()?;
        let unfinished = |name: &Value| named(&Unfinished::NAMES, name);
        snapshot.unfinished = list("unfinished")?.iter().map(unfinished).collect::<Option<_>>()?;
        snapshot.settings = fingerprints(value.get("settings")?)?;
        // Older versions have neither.
        if let Some(hooks) = value.get("hooks").filter(|hooks| !hooks.is_null()) {
            snapshot.hooks = Some(fingerprints(hooks)?);
        }
        if value.contains_key("nested") {
            let paths = list("nested")?.iter().map(|path| Some(RepoPath::new(raw(path)?)));
            snapshot.nested = paths.collect::<Option<_>>()?;
        }
        snapshot.paths = list("paths")?.iter().map(path).collect::<Option<BTreeMap<_, _>>>()?;
        Some(Self { snapshot, configuration: raw(value.get("configuration")?)? })
    }
}

/// Names with their hashes.
fn hashes(named: &Hashes) -> Value {
    let entry = |(name, Fingerprint(hash)): (&Vec<u8>, &Fingerprint)| {
        let hash = to_hex(hash);
        json!({ "name": bytes(name), "hash": hash })
    };
    named.iter().map(entry).collect()
}

fn fingerprints(list: &Value) -> Option<Hashes> {
    let entry = |named: &Value| Some((raw(&named["name"])?, fingerprint(&named["hash"])?));
    list.as_array()?.iter().map(entry).collect()
}

fn path(value: &Value) -> Option<(RepoPath, PathStatus)> {
    let state = |name: &Value| named(&State::NAMES, name);
    let states = value["states"].as_array()?.iter().map(state).collect::<Option<_>>()?;
    let fingerprint = optional(&value["fingerprint"], fingerprint)?;
    Some((
        RepoPath::new(raw(&value["path"])?),
        PathStatus { states, fingerprint, ..PathStatus::default() },
    ))
}

/// The value of a table that has this name.
fn named<T: Copy>(table: &[(T, &str)], name: &Value) -> Option<T> {
    table.iter().find(|(_, known)| name.as_str() == Some(*known)).map(|(value, _)| *value)
}

fn fingerprint(value: &Value) -> Option<Fingerprint> {
    Some(Fingerprint(from_hex(value.as_str()?.as_bytes())?.try_into().ok()?))
}

/// Bytes as text where they are UTF-8, else as `{"hex": "…"}`.
fn bytes(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| json!({ "hex": to_hex(bytes) }), Value::from)
}

fn raw(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => from_hex(other["hex"].as_str()?.as_bytes()),
    }
}

fn id(value: &Value) -> Option<ObjectId> {
    ObjectId::from_hex(value.as_str()?.as_bytes())
}

/// `null` is `Some(None)`; a value that `read` refuses is `None`.
#[allow(clippy::option_option, reason = "`null` and an error differ")]
fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { read(value).map(Some) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn baseline() -> Baseline {
        let id = |digit| ObjectId::from_bytes(&[digit; 20]).unwrap();
        let status = PathStatus {
            states: [State::Staged, State::Modified].into(),
            fingerprint: Some(Fingerprint([0xa5; 32])),
            ..PathStatus::default()
        };
        let hidden = PathStatus { states: [State::Hidden].into(), ..PathStatus::default() };
        let snapshot = Snapshot {
            head: Head { commit: Some(id(1)), branch: Some(b"b\xff".to_vec()) },
            refs: [(b"refs/heads/main".to_vec(), id(1)), (b"refs/tags/\xff".to_vec(), id(2))]
                .into(),
            stashes: vec![id(3), id(3)],
            unfinished: [Unfinished::Merge, Unfinished::IndexLock].into(),
            settings: [(b"core.worktree".to_vec(), Fingerprint([0x5a; 32]))].into(),
            hooks: Some([(b".git/hooks/\xff".to_vec(), Fingerprint([0x3c; 32]))].into()),
            nested: [RepoPath::from("lib")].into(),
            unexamined: BTreeSet::new(),
            paths: [(RepoPath::from("a\n\u{1b}b"), status), (RepoPath::new(*b"\xff\x00"), hidden)]
                .into(),
        };
        Baseline { snapshot, configuration: b"{\"verify\": {}}\n".to_vec() }
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        assert_eq!(Baseline::read(baseline().write().as_bytes()).unwrap(), baseline());
        let empty = Baseline { snapshot: Snapshot::default(), configuration: Vec::new() };
        assert_eq!(Baseline::read(empty.write().as_bytes()).unwrap(), empty);
    }

    #[test]
    fn other_files_are_refused() {
        let text = baseline().write();
        for end in 0..text.trim_end().len() {
            assert!(Baseline::read(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for (old, new) in [
            ("baseline/1", "baseline/2"),
            ("\"staged\"", "\"elsewhere\""),
            ("a5a5", "a5"),
            ("a5a5", "xxxx"),
            ("3c3c", "xxxx"),
            ("\"lib\"", "7"),
            ("\"merge\"", "\"party\""),
            ("0101", "01"),
            ("\"refs\"", "\"rafs\""),
            ("\"stashes\": [", "\"stashes\": [7,"),
        ] {
            let changed = text.replacen(old, new, 1);
            assert_ne!(changed, text);
            assert!(Baseline::read(changed.as_bytes()).is_err(), "{old}");
        }
    }
}
