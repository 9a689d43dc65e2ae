//! The rules of `bakstop doctor` on the cases of `tests/facts/doctor.json`, which were built broken
//! and repaired. `cargo test --locked -- --ignored real_doctor` builds them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::doctor::pilots::{findings, place, repository};
use crate::support::{Sandbox, finish};

fn cases() -> Vec<Value> {
    let facts: Value = serde_json::from_str(include_str!("../../facts/doctor.json")).unwrap();
    facts["cases"].as_array().unwrap().clone()
}

/// The files of a case, with those of its repair.
fn files(case: &Value, repaired: bool) -> BTreeMap<String, String> {
    let parts = [Some("files"), repaired.then_some("repair")];
    let files = parts.into_iter().flatten().flat_map(|part| case[part].as_object().unwrap());
    files.map(|(path, text)| (path.clone(), text.as_str().unwrap().to_owned())).collect()
}

#[test]
fn doctor_finds_what_breaks_a_build_and_nothing_else() {
    for case in cases() {
        let broken = findings(&repository(&files(&case, false)));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let found: Vec<_> = broken
            .iter()
            .map(|finding| [text(finding, "rule"), text(finding, "severity"), place(finding)])
            .collect();
        let expected = ["rule", "severity", "place"].map(|key| text(&case, key));
        assert_eq!(found, [expected], "{case}");
        let repaired = findings(&repository(&files(&case, true)));
        assert!(repaired.is_empty(), "{case}: {repaired:?}");
    }
}

#[test]
fn every_rule_about_an_error_has_a_real_build() {
    let ran = Sandbox::empty().bakstop(&["rules", "--format", "json"]);
    let table: Value = serde_json::from_str(&ran.out).unwrap();
    let rules = table["rules"].as_array().unwrap().iter();
    let errors: BTreeSet<_> = rules
        .filter(|rule| rule["group"] == "doctor" && rule["severity"] == "error")
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    let built: BTreeSet<_> =
        cases().iter().map(|case| case["rule"].as_str().unwrap().to_owned()).collect();
    let missing: Vec<_> = errors.difference(&built).collect();
    assert!(errors.len() > 10 && missing.is_empty(), "{missing:?}");
}

#[test]
#[ignore = "needs a running Docker on Linux, and fetches npm, pnpm and packages"]
fn real_doctor_builds() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/build/doctor.py");
    let ran = finish(Command::new("python3").arg(script));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    println!("{}", ran.out);
}
