//! Target: the lockfiles for images.

use crate::base::change::File;
use crate::base::path::RepoPath;
use crate::builds::{Builds, DescribedBuilds};
use crate::formats::lockfile::is_read_by_lines;
use crate::fuzz::asserts::{safe, within};
use crate::locks::{JudgedLock, judge, views};

/// The paths of the files, in their order.
const PATHS: [&str; 6] = [
    "pnpm-lock.docker.yaml",
    "pnpm-lock.yaml",
    "package.json",
    "pnpm-workspace.yaml",
    "Dockerfile",
    ".npmrc",
];

/// A project: the texts of its files, with a record separator between them. Both readers of
/// lockfiles read a text alike, and a judgement is safe to print and stays the same.
pub(super) fn locks(data: &[u8]) {
    let texts: Vec<&[u8]> = data.split(|&byte| byte == 0x1e).collect();
    for text in texts.iter().take(2) {
        is_read_by_lines(text);
    }
    let found = judged(&texts);
    for lock in &found {
        let remarks = &lock.judged.remarks;
        for message in remarks.iter().map(|remark| &remark.message).chain(&lock.judged.doubts) {
            safe(message);
        }
        let text = &lock.view.lock.file.text;
        for place in remarks.iter().filter_map(|remark| remark.place.as_ref()) {
            within(place, text.len());
        }
        for (source, span, _) in remarks.iter().filter_map(|remark| remark.label.as_ref()) {
            within(span, source.file.text.len());
        }
    }
    let judgements = |found: &[JudgedLock]| -> String {
        found.iter().map(|lock| format!("{:?}", lock.judged)).collect()
    };
    assert_eq!(judgements(&found), judgements(&judged(&texts)));
}

fn judged(texts: &[&[u8]]) -> Vec<JudgedLock> {
    let file = |(path, text): (&&str, &&[u8])| File {
        path: RepoPath::from(*path),
        text: text.to_vec(),
        fresh: true,
        replaces: false,
    };
    let files = PATHS.iter().zip(texts).map(file);
    let tree = PATHS.iter().map(|path| RepoPath::from(*path)).collect();
    let builds = Builds::new(DescribedBuilds::new(files.collect()), tree, &[]);
    views(&builds).into_iter().map(|view| JudgedLock { judged: judge(&view), view }).collect()
}
