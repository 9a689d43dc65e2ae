//! Targets: the places that pin a package manager, and moving them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::File;
use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::fuzz::asserts::{json, safe, split_input, within};
use crate::pins::pin::{FilePins, exact};
use crate::pins::{self, Demand, MovePlan, NewVersion, Pin, PinId, PinTable};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::report::View;
use crate::report::paint::Paint;
use crate::report::pins as report;

/// One path of each kind. A file of another kind gets one of these.
const PATHS: &[&str] = &[
    "package.json",
    "Dockerfile",
    ".github/workflows/ci.yml",
    "docker-compose.yml",
    ".gitlab-ci.yml",
    ".devcontainer/devcontainer.json",
    "web/package.json",
    "web/Dockerfile",
    "action.yml",
    "pnpm-workspace.yaml",
    "pnpm-lock.yaml",
    ".tool-versions",
    "mise.toml",
    ".prototools",
    ".yarnrc.yml",
    ".yarnrc",
];

/// The path of a file that may pin.
fn path(named: &[u8]) -> RepoPath {
    let path = RepoPath::new(named);
    if FileKind::of(&path, FileKind::may_pin).is_some() {
        path
    } else {
        PATHS[named.iter().map(|byte| usize::from(*byte)).sum::<usize>() % PATHS.len()].into()
    }
}

/// The files of an input, separated by NUL. The first line of each is its path.
fn files(data: &[u8]) -> Vec<File> {
    let mut files = BTreeMap::new();
    for part in data.split(|&byte| byte == 0).take(8) {
        let (name, text) = split_input(part);
        let path = path(name);
        files
            .insert(path.clone(), File { path, text: text.to_vec(), fresh: true, replaces: false });
    }
    files.into_values().collect()
}

/// A single file.
pub(super) fn read(data: &[u8]) {
    let (name, text) = split_input(data);
    let file = File { path: path(name), text: text.to_vec(), fresh: true, replaces: false };
    let found = pins::pins_of_file(&SourceFile::new(file.clone()));
    check_spans(&found, &file.text);
    assert!(pins::is_same(&SourceFile::new(file.clone()), &SourceFile::new(file)));
}

/// Every span of a reading is in the file.
fn check_spans(found: &FilePins, text: &[u8]) {
    for pin in &found.pins {
        let spans: Vec<&Span> = [&pin.at, &pin.place].into_iter().chain(&pin.version).collect();
        spans
            .into_iter()
            .chain(pin.used.iter().map(|used| &used.span))
            .for_each(|span| within(span, text.len()));
        if let (Demand::Exact(version), Some(span)) =
            (&pin.demand, pin.version.clone().filter(|span| !span.is_empty()))
        {
            let written = std::str::from_utf8(&text[span]).expect("a version is ASCII");
            assert!(
                exact(written.trim()).is_some_and(|read| read == *version),
                "{written}: {version}"
            );
        }
    }
    let faults = found.faults.iter().chain(&found.blank);
    faults.for_each(|(span, _)| within(span, text.len()));
    let arguments = found.calls.iter().flat_map(|call| &call.arguments);
    for variable in arguments.filter_map(|(_, variable)| variable.as_ref()) {
        within(&variable.span, text.len());
    }
}

const VIEW: View<'_> =
    View { paint: Paint::PLAIN, below_top: false, advice: None, can_explain: false };

/// A tree whose pins are moved to one version, and to those of its manifests.
pub(super) fn edit(data: &[u8]) {
    let table = PinTable::new(files(data).into_iter().collect());
    safe(&report::human(&table, &[], VIEW));
    let value = json(&report::json(&table, &[], VIEW));
    assert_eq!(value["pins"].as_array().map(Vec::len), Some(table.rows.len()));
    for target in [
        "pnpm@10.8.0",
        "yarn@1.22.22+sha1.ac34549e6aa8e7ead463a7407e1c7390f61a6610",
        "npm@11.0.0-rc.1",
    ] {
        let target = NewVersion::parse(target).expect("a version");
        let plan = pins::plan(&table, |_| Some(target.clone()), |_| false);
        check(&table, &plan, &|_| Some(target.clone()));
    }
    let declared = |group: usize| NewVersion::from_pin(table.pin(table.groups[group].reference?));
    check(&table, &pins::plan(&table, declared, |_| false), &declared);
}

/// A plan changes versions, and nothing else.
fn check(table: &PinTable, plan: &MovePlan, target: &dyn Fn(usize) -> Option<NewVersion>) {
    let targets: BTreeMap<PinId, NewVersion> =
        table.rows.iter().filter_map(|row| Some((row.id, target(row.group)?))).collect();
    let all_moved: BTreeSet<PinId> = plan.moved.iter().copied().collect();
    assert!(plan.unmoved.iter().all(|(id, _)| !all_moved.contains(id)), "moved, and left");
    for (number, known) in table.project.files().iter().enumerate() {
        let file = &known.file;
        let after = plan.after.project.file(number);
        let moved: Vec<PinId> = plan.moved.iter().copied().filter(|id| id.file == number).collect();
        if !plan.files.contains(&number) {
            assert!(moved.is_empty() && after.text == file.text, "{}", file.path);
            continue;
        }
        assert!(!moved.is_empty(), "{}", file.path);
        let mut texts: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for id in &moved {
            let (pin, target) = (table.pin(*id), &targets[id]);
            let span = pin.version.clone().expect("a pin without a place cannot be moved");
            texts.entry((span.start, span.end)).or_default().extend(spellings(pin, target));
            let after = plan.after.pin(*id);
            assert!(after.manager == pin.manager && after.kind == pin.kind);
            if let Demand::Exact(version) = &after.demand {
                assert_eq!(*version, target.version, "{}", file.path);
            }
        }
        let edits: Vec<_> = texts.into_iter().collect();
        assert!(
            is_edited(&file.text, &after.text, 0, &edits),
            "{} changes more than versions",
            file.path
        );
    }
    for (number, found) in plan.after.file_pins.iter().enumerate() {
        check_spans(found, &plan.after.project.file(number).text);
    }
    // A second plan moves nothing.
    let targets: BTreeMap<usize, &NewVersion> = {
        let moved = plan.after.rows.iter().filter(|row| all_moved.contains(&row.id));
        moved.map(|row| (row.group, &targets[&row.id])).collect()
    };
    let again = pins::plan(&plan.after, |group| targets.get(&group).copied().cloned(), |_| false);
    assert!(again.moved.iter().all(|id| !all_moved.contains(id)), "what was moved is moved again");
    safe(&report::moved(table, plan, &[], "moved", VIEW));
    safe(&report::diff(table, plan, VIEW).replace('\t', " "));
}

/// The texts that may replace a version: the version after its prefix, with or without its hash; or
/// the first numbers of a range.
fn spellings(pin: &Pin, NewVersion { version, hash, .. }: &NewVersion) -> Vec<String> {
    let mut all = vec![format!("{}{version}", pin.insert_prefix)];
    if !hash.is_empty() {
        all.push(format!("{}{version}+{hash}", pin.insert_prefix));
    }
    if let Demand::Range(range) = &pin.demand {
        let operator = range.trim_end_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
        all.extend([
            format!("{operator}{}", version.major),
            format!("{operator}{}.{}", version.major, version.minor),
            format!("{operator}{version}"),
        ]);
    }
    all
}

/// Whether `new` is `old` with each edit replaced by one of its spellings.
fn is_edited(old: &[u8], new: &[u8], at: usize, edits: &[((usize, usize), Vec<String>)]) -> bool {
    let Some((((start, end), spellings), rest)) = edits.split_first() else {
        return old[at..] == *new;
    };
    let Some(new) = new.strip_prefix(&old[at..*start]) else { return false };
    let takes = |spelling: &String| {
        new.strip_prefix(spelling.as_bytes()).is_some_and(|new| is_edited(old, new, *end, rest))
    };
    spellings.iter().any(takes)
}
