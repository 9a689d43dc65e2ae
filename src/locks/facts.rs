//! Holds the gate against the verdicts of real pnpm: tests/facts/lockfile.json.
//!
//! Each state was given to `pnpm install --frozen-lockfile --lockfile-only` of four versions, and
//! to the install itself where that says more.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use semver::Version;
use serde_json::Value;

use crate::base::change::File;
use crate::formats::lockfile::is_read_by_lines;
use crate::locks::gate::LockJudgement;
use crate::locks::generation::Generation;
use crate::locks::remark::Weight;
use crate::locks::verdict::judge_as;
use crate::locks::view::ImageView;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;

/// What was asked.
const STATES: &str = include_str!("../../tests/facts/lockfile.json");
/// What was asked after the gate was written.
const FURTHER: &str = include_str!("../../tests/facts/lockfile_further.json");

/// States in which the gate finds an image wrong that pnpm installs, or refuses at another moment.
const WRONG_ON_PURPOSE: [(&str, &str); 20] = [
    ("alone-conflict-same", "pnpm merges both sides, and rewrites the file"),
    ("alone-importer-outside", "an importer of no member"),
    ("alone-integrity-garbage", "an install fails"),
    ("alone-link-version", "a link to nothing"),
    ("alone-lock-truncated", "an install fails"),
    ("alone-opt-added", "the image lacks an optional dependency"),
    ("alone-package-missing", "an install fails"),
    ("alone-resolution-removed", "an install fails"),
    ("alone-snapshot-missing", "an install fails"),
    ("alone-snapshot-missing-direct", "an install fails"),
    ("alone-tarball-host", "pnpm 10 downloads from another host"),
    ("alone-transitive-edited", "an install fails"),
    ("flat-link-elsewhere", "pnpm 10 links another package"),
    ("flat-link-to-registry", "an install fails"),
    ("flat-member-dir-gone-linked", "a link to nothing"),
    ("flat-peer-suffix", "an install fails"),
    ("flat-peer-suffix-one", "an install fails"),
    ("flat-workspace-lockfile", "links to nothing"),
    ("flat-workspace-lockfile-link", "links to nothing"),
    ("flat-ws-sibling-importers", "links to nothing"),
];

/// States that pnpm refuses and the gate does not.
const NOT_SEEN: [(&str, &str); 1] =
    [("alone-integrity-changed", "the hash of another package, which `agreement` finds")];

/// States that the gate does not judge.
const UNDECIDED: [(&str, &str); 1] = [("alone-ws-lockfile", "`lockfile: false`")];

struct RecordedState {
    id: String,
    files: BTreeMap<String, String>,
    /// By version: whether pnpm refused it, without and with an install.
    refused: BTreeMap<String, Vec<bool>>,
}

fn states(text: &str) -> Vec<RecordedState> {
    let all: Value = serde_json::from_str(text).unwrap();
    let texts = all["texts"].as_array().unwrap();
    let text = |number: &Value| -> String {
        let at = |number: &Value| &texts[usize::try_from(number.as_u64().unwrap()).unwrap()];
        match at(number) {
            Value::String(text) => text.clone(),
            // Another text with its middle replaced: the lengths of what is kept, and the middle.
            other => {
                let base = at(&other[0]).as_str().unwrap();
                let kept = |part: usize| usize::try_from(other[part].as_u64().unwrap()).unwrap();
                let (start, end) = (kept(1), base.len() - kept(2));
                let middle = other[3].as_str().unwrap();
                let parts = (base.get(..start).unwrap(), base.get(end..).unwrap());
                format!("{}{middle}{}", parts.0, parts.1)
            }
        }
    };
    let state = |state: &Value| RecordedState {
        id: state["id"].as_str().unwrap().to_owned(),
        files: state["files"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, number)| (path.clone(), text(number)))
            .collect(),
        refused: serde_json::from_value(state["refused"].clone()).unwrap(),
    };
    all["states"].as_array().unwrap().iter().map(state).collect()
}

/// What the image of a state sees; `None` without a lockfile. The registry of the user is known.
fn view(state: &RecordedState, version: &Version) -> Option<ImageView> {
    let source = |(path, text): (&String, &String)| {
        let (path, text) = (path.as_str().into(), text.as_bytes().to_vec());
        Rc::new(SourceFile::new(File { path, text, fresh: true, replaces: false }))
    };
    let lock = state.files.get_key_value(FileKind::LOCKFILE_OF_PNPM).map(source)?;
    // Panics if the two readers differ.
    is_read_by_lines(&lock.file.text);
    let files = state.files.iter().filter(|(path, _)| *path != FileKind::LOCKFILE_OF_PNPM);
    Some(ImageView {
        lock,
        files: files.map(|entry| (entry.0.clone(), source(entry))).collect(),
        members: None,
        has_settings: true,
        registries: Some([(String::new(), "127.0.0.1:4977".to_owned())].into()),
        version: Some(version.clone()),
        workspace: None,
        user_npmrc: None,
        // As in the environment in which pnpm was asked.
        ignores_pin: true,
        doubts: BTreeSet::new(),
        origin: None,
    })
}

/// How a verdict of the gate and that of pnpm relate.
fn relation(judged: &LockJudgement, refused: &[bool]) -> &'static str {
    let heaviest = judged.remarks.iter().map(|remark| remark.weight).max();
    let (checked, installed) = (refused[0], refused.last().copied().unwrap());
    match heaviest {
        Some(Weight::Refused) if checked => "equal",
        Some(Weight::Refused) => "refused by the gate alone",
        Some(Weight::Wrong) if installed => "equal",
        Some(Weight::Wrong) => "wrong on purpose",
        _ if !judged.doubts.is_empty() => "undecided",
        _ if installed => "not seen",
        _ => "equal",
    }
}

/// The states in each relation but equality, and the number of verdicts.
fn compared(text: &str) -> (BTreeMap<&'static str, BTreeSet<String>>, usize, usize) {
    let (mut found, mut all, mut equal) = (BTreeMap::new(), 0, 0);
    for state in states(text) {
        for (version, refused) in &state.refused {
            let version = Version::parse(version).unwrap();
            let Some(view) = view(&state, &version) else { continue };
            let [generation] = Generation::candidates(Some(&version)) else { panic!() };
            let judged = judge_as(&view, *generation);
            all += 1;
            match relation(&judged, refused) {
                "equal" => equal += 1,
                other => {
                    let states: &mut BTreeSet<String> = found.entry(other).or_default();
                    states.insert(state.id.clone());
                }
            }
        }
    }
    (found, all, equal)
}

fn listed(table: &[(&str, &str)]) -> BTreeSet<String> {
    table.iter().map(|(id, _)| (*id).to_owned()).collect()
}

#[test]
fn the_gate_agrees_with_pnpm() {
    let (mut found, all, equal) = compared(STATES);
    assert_eq!(found.remove("refused by the gate alone"), None);
    assert_eq!(found.remove("not seen").unwrap_or_default(), listed(&NOT_SEEN));
    assert_eq!(found.remove("wrong on purpose").unwrap_or_default(), listed(&WRONG_ON_PURPOSE));
    assert_eq!(found.remove("undecided").unwrap_or_default(), listed(&UNDECIDED));
    assert_eq!(found, BTreeMap::new());
    assert_eq!((equal, all), (662, 720));
}

#[test]
fn the_gate_agrees_with_pnpm_in_further_states() {
    let (mut found, all, equal) = compared(FURTHER);
    assert_eq!(found.remove("refused by the gate alone"), None);
    // Versions that do not exist.
    let not_seen = ["a-alias-target-outside", "a-version-build"].map(str::to_owned);
    assert_eq!(found.remove("not seen"), Some(not_seen.into()));
    let wrong = [
        "a-integrity-missing",
        "a-lock-no-packages",
        "a-opt-added",
        "a-or-range-outside",
        "w-link-outside",
        "w-link-wrong",
        "w-util-renamed",
    ];
    assert_eq!(found.remove("wrong on purpose"), Some(wrong.map(str::to_owned).into()));
    let undecided = found.remove("undecided").unwrap();
    let is_known =
        |id: &String| id.starts_with("w-") || id == "a-ext-list" || id == "a-lock-bool-yes";
    assert!(undecided.iter().all(is_known), "{undecided:?}");
    assert_eq!(found, BTreeMap::new());
    assert_eq!((equal, all), (296, 320));
}
