//! The lockfiles for images: a table as text, and `bakstop.lockfile/1` as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::escape::Escaped;
use crate::base::path::{RepoPath, shell_quote};
use crate::engine::Judgement;
use crate::locks::{JudgedLock, Unlinked, Weight};
use crate::project::kinds::FileKind;
use crate::report::common::{Report, View, plural, rows};
use crate::report::{human, json};

/// What became of lockfiles that were made.
#[derive(Debug, Default)]
pub(crate) struct Making {
    pub states: BTreeMap<RepoPath, MadeLock>,
    /// The lockfiles for which pnpm wrote other files, with their paths.
    pub wants: Vec<(RepoPath, Vec<String>)>,
    /// The code of the repository that pnpm ran.
    pub code: BTreeSet<RepoPath>,
}

/// What became of a lockfile that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeLock {
    Written,
    /// It has these bytes already.
    Unchanged,
    /// One that was made with it does not fit, so nothing was written.
    Refused,
}

impl MadeLock {
    fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Refused => "not written",
        }
    }
}

/// A line for each lockfile, the findings, what was not judged, and cheaper ways: these come
/// first if lockfiles were made.
pub(crate) fn human(
    judged: &Judgement,
    unlinked: &[Unlinked],
    making: Option<&Making>,
    view: View<'_>,
) -> String {
    let hints = unlinked.iter().filter(|known| known.member.is_some());
    let cheaper: Vec<String> = hints.map(|known| cheaper(known, view)).collect();
    match making {
        Some(making) => {
            let start = cheaper.iter().map(|hint| format!("{hint}\n")).collect::<String>();
            start + &table(judged, Some(making), view) + &made(judged, making, view)
        }
        None => {
            let end = cheaper.iter().map(|hint| format!("\n{hint}")).collect::<String>();
            table(judged, None, view) + &end
        }
    }
}

fn table(judged: &Judgement, making: Option<&Making>, view: View<'_>) -> String {
    let locks = &judged.locks;
    let line = |lock: &JudgedLock| {
        let path = &lock.view.lock.file.path;
        let made = making.and_then(|making| making.states.get(path));
        let made = made.map(|made| format!(", {}", made.name())).unwrap_or_default();
        (path.to_string(), format!("{}: {}{made}", lock.view.manager(), state(lock)))
    };
    let lines: Vec<(String, String)> = locks.iter().map(line).collect();
    let mut text = rows(&lines, |label| view.paint.strong(label));
    for lock in locks {
        let path = &lock.view.lock.file.path;
        for doubt in &lock.judged.doubts {
            text += &format!("not judged: {path}: {}\n", Escaped(doubt.as_bytes()));
        }
        for hint in &lock.judged.hints {
            text += &format!("{} {path}: {hint}\n", view.paint.strong("note:"));
        }
    }
    let start = view.paint.strong("bakstop:");
    if !judged.findings.is_empty() {
        text += &format!("\n{}", human::check(&judged.findings, view));
    } else if locks.is_empty() && making.is_none_or(|making| making.wants.is_empty()) {
        text += &format!("{start} there is no lockfile for an image\n");
    } else if making.is_none() && !locks.iter().any(|lock| lock.judged.is_unjudged) {
        let fit = if locks.len() == 1 { "fits" } else { "fit" };
        text += &format!("{start} {} for images {fit}\n", plural(locks.len(), "lockfile"));
    }
    text
}

/// What became of lockfiles that were made, and what to do next.
fn made(judged: &Judgement, making: &Making, view: View<'_>) -> String {
    let (start, help) = (view.paint.strong("bakstop:"), view.paint.strong("help:"));
    let mut text = String::new();
    for path in &making.code {
        text +=
            &format!("{} pnpm ran {path}, as it does in the image\n", view.paint.strong("note:"));
    }
    for (path, files) in &making.wants {
        text += &format!(
            "{start} for {path}, pnpm also wrote {}: it wants this setting in the image\n",
            files.join(", "),
        );
    }
    let written: Vec<&RepoPath> = making
        .states
        .iter()
        .filter(|(_, state)| **state == MadeLock::Written)
        .map(|(path, _)| path)
        .collect();
    let is_refused = making.states.values().any(|state| *state == MadeLock::Refused);
    if is_refused || !making.wants.is_empty() {
        return text + &format!("{start} nothing was written\n");
    }
    if judged.locks.is_empty() {
        return text
            + &format!("{help} name a member to make one, such as: bakstop lockfile DIR\n");
    }
    if written.is_empty() {
        return text + &format!("{start} nothing to change\n");
    }
    text += &format!("{start} {} written\n", plural(written.len(), "lockfile"));
    for lock in &judged.locks {
        let path = &lock.view.lock.file.path;
        if lock.view.origin.is_none() && written.contains(&path) {
            text += &dockerfile(lock, view);
        }
    }
    let words: Vec<String> = written.iter().map(|path| path.as_pathspec(view.below_top)).collect();
    text + &format!("{help} git add {}\n", words.join(" "))
}

/// The lines of a Dockerfile that installs with a lockfile of its place.
fn dockerfile(lock: &JudgedLock, view: View<'_>) -> String {
    let path = &lock.view.lock.file.path;
    let words = lock.view.files.values().map(|source| &source.file.path).chain([path]);
    if words.into_iter().any(|path| shell_quote(path.as_bytes()) != path.to_string()) {
        return String::new();
    }
    let mut text = format!(
        "{} no Dockerfile is seen to copy {path}; the lines for it:\n",
        view.paint.strong("help:"),
    );
    let manifests = lock.view.files.iter().filter(|(_, source)| {
        let kinds =
            |kind| matches!(kind, FileKind::Manifest | FileKind::PnpmWorkspace | FileKind::Npmrc);
        FileKind::of(&source.file.path, kinds).is_some()
    });
    for (image, source) in manifests {
        let (from, to) = (source.file.path.to_string(), Escaped(image.as_bytes()));
        text += &format!("  COPY {from} ./{to}\n");
    }
    text + &format!(
        "  COPY {path} ./{}\n  RUN pnpm install --frozen-lockfile\n",
        FileKind::LOCKFILE_OF_PNPM
    )
}

fn state(lock: &JudgedLock) -> &'static str {
    match lock.judged.remarks.iter().map(|remark| remark.weight).max() {
        _ if lock.judged.is_unjudged => "not judged",
        Some(Weight::Refused) => "refused",
        Some(Weight::Wrong) => "wrong",
        Some(Weight::Note) | None => "fits",
    }
}

/// The lines of a Dockerfile that installs with the lockfile of the workspace.
fn cheaper(known: &Unlinked, view: View<'_>) -> String {
    let Some(member) = &known.member else { return String::new() };
    let home = known.path.parent();
    let home = if home.is_empty() { String::new() } else { format!("{}/", Escaped(home)) };
    let (lock, workspace) = (FileKind::LOCKFILE_OF_PNPM, FileKind::WORKSPACE_OF_PNPM);
    let manifest = FileKind::MANIFEST;
    let member = shell_quote(member.as_bytes());
    let member = Escaped(member.as_bytes());
    format!(
        "{} {} links nothing outside of the repository: an image can install with it, and needs \
         no other lockfile:\n  COPY {home}{lock} {home}{workspace} {home}{manifest} ./\n  \
         COPY {home}{member}/{manifest} {member}/\n  \
         RUN pnpm install --frozen-lockfile --filter ./{member}\n",
        view.paint.strong("help:"),
        known.path,
    )
}

/// The document `bakstop.lockfile/1`.
pub(crate) fn json(
    judged: &Judgement,
    unlinked: &[Unlinked],
    making: Option<&Making>,
    view: View<'_>,
) -> String {
    let Judgement { findings, rules, locks, .. } = judged;
    let count = locks.len();
    let report =
        Report { findings, rules, scope: "worktree", judged: count, deny_warnings: false, view };
    json::document(&json!({
        "schema": "bakstop.lockfile/1",
        "lockfiles": locks.iter().map(|lock| lockfile(lock, making)).collect::<Vec<_>>(),
        "wants": making.map(|making| making.wants.iter().map(wanted).collect::<Vec<_>>()),
        "unlinked": unlinked.iter().map(|known| json::path(&known.path)).collect::<Vec<_>>(),
        "findings": json::findings(&report),
        "summary": json::summary(&report),
    }))
}

fn wanted((path, files): &(RepoPath, Vec<String>)) -> Value {
    json!({ "path": json::path(path), "path_hex": json::path_hex(path), "files": files })
}

fn lockfile(lock: &JudgedLock, making: Option<&Making>) -> Value {
    let path = &lock.view.lock.file.path;
    let files =
        lock.view.files.iter().map(
            |(image, source)| json!({ "image": image, "path": json::path(&source.file.path) }),
        );
    json!({
        "path": json::path(path),
        "path_hex": json::path_hex(path),
        "pnpm": lock.view.version.as_ref().map(ToString::to_string),
        "state": state(lock),
        "made": making.and_then(|making| making.states.get(path)).map(|made| made.name()),
        "by_dockerfile": lock.view.origin.is_some(),
        "files": files.collect::<Vec<_>>(),
        "not_judged": lock.judged.doubts,
        "notes": lock.judged.hints,
    })
}
