//! Judges the lockfiles for images, and chooses what a change made wrong.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::change::{Change, Entry, Older};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::builds::{Builds, ConfiguredBuild};
use crate::engine::building::{self, BuildQuestion};
use crate::engine::gathering::Gathering;
use crate::engine::pinned::old_file;
use crate::locks::{ImageView, JudgedLock, judge, views};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::Findings;

/// The builds of a state, if a new file may concern a lockfile for an image.
pub(super) fn builds(
    files: &mut Gathering<'_>,
    change: &dyn Change,
    configured: &[ConfiguredBuild],
    findings: &mut Findings,
) -> Result<Option<Builds>, Error> {
    if !may_concern(change)? {
        return Ok(None);
    }
    let asked = BuildQuestion { configured, overlays: &|_| None, variables: &[], every_file: true };
    building::read(files, change, &asked, findings).map(Some)
}

/// Whether a new file may change what an image installs, and there is a lockfile for an image.
fn may_concern(change: &dyn Change) -> Result<bool, Error> {
    let concerns = |entry: &Entry| entry.is_regular() && may_lock(&entry.path);
    if !change.fresh().iter().any(concerns) {
        return Ok(false);
    }
    change.has(b"pnpm-lock.", &|path| FileKind::PnpmBranchLock.matches(path))
}

fn may_lock(path: &RepoPath) -> bool {
    FileKind::of(path, FileKind::may_lock).is_some()
}

/// The lockfiles for images of a state in which a new file takes part, with the news about
/// them: what a state before the change has as well is left out.
pub(super) fn judged(builds: &Builds, change: &dyn Change) -> Result<Vec<JudgedLock>, Error> {
    let mut found = Vec::new();
    let mut before = None;
    for view in views(builds) {
        let origin = view.origin.as_ref().map(|(file, _)| builds.file(*file));
        let has_new_origin = origin.is_some_and(|file| file.fresh);
        let mut sources = view.sources().chain(&view.workspace);
        let is_new = has_new_origin || sources.any(|source| source.file.fresh);
        drop(sources);
        if !is_new {
            continue;
        }
        let mut judged = judge(&view);
        if !judged.remarks.is_empty() {
            let states = match &before {
                Some(states) => states,
                None => before.insert(change.before(&may_lock)?),
            };
            let origin = origin.map(|file| &file.path);
            for differences in states {
                let Some(older) = older_view(&view, origin, differences, change) else { continue };
                let older = judge(&older);
                let known = older.messages();
                judged.remarks.retain(|new| !known.contains(&*new.message));
            }
        }
        found.push(JudgedLock { view, judged });
    }
    Ok(found)
}

/// The view with the files of an older state; `None` if the lockfile was absent there, or another
/// Dockerfile decided what the image sees.
fn older_view(
    view: &ImageView,
    origin: Option<&RepoPath>,
    differences: &[Older],
    change: &dyn Change,
) -> Option<ImageView> {
    let differences: BTreeMap<&[u8], Option<&Entry>> = differences
        .iter()
        .map(|older| (older.path.as_bytes(), older.entry.as_ref().filter(|it| it.is_regular())))
        .collect();
    if origin.is_some_and(|path| differences.contains_key(path.as_bytes())) {
        return None;
    }
    let older = |source: &Rc<SourceFile>| match differences.get(source.file.path.as_bytes()) {
        None => Some(Rc::clone(source)),
        Some(entry) => entry.and_then(|entry| old_file(entry, change)).map(Rc::new),
    };
    let files = view.files.iter().filter_map(|(path, source)| Some((path.clone(), older(source)?)));
    Some(ImageView {
        lock: older(&view.lock)?,
        files: files.collect(),
        workspace: view.workspace.as_ref().and_then(older),
        ..view.clone()
    })
}
