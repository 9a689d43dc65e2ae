//! The lockfiles for images: a table as text, and `bakstop.lockfile/1` as JSON.

use serde_json::{Value, json};

use crate::base::escape::Escaped;
use crate::base::path::shell_quote;
use crate::engine::Judgement;
use crate::locks::{JudgedLock, Unlinked, Weight};
use crate::project::kinds::FileKind;
use crate::report::common::{Report, View, plural, rows};
use crate::report::{human, json};

/// A line for each lockfile, the findings, what was not judged, and cheaper ways.
pub(crate) fn human(judged: &Judgement, unlinked: &[Unlinked], view: View<'_>) -> String {
    let locks = &judged.locks;
    let lines: Vec<(String, String)> = locks
        .iter()
        .map(|lock| {
            let path = lock.view.lock.file.path.to_string();
            (path, format!("{}: {}", lock.view.manager(), state(lock)))
        })
        .collect();
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
    if !judged.findings.is_empty() {
        text += &format!("\n{}", human::check(&judged.findings, view));
    } else if locks.is_empty() {
        text += &format!("{} there is no lockfile for an image\n", view.paint.strong("bakstop:"));
    } else if !locks.iter().any(|lock| lock.judged.is_unjudged) {
        let fit = if locks.len() == 1 { "fits" } else { "fit" };
        let count = plural(locks.len(), "lockfile");
        text += &format!("{} {count} for images {fit}\n", view.paint.strong("bakstop:"));
    }
    for known in unlinked.iter().filter(|known| known.member.is_some()) {
        text += &cheaper(known, view);
    }
    text
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
        "\n{} {} links nothing outside of the repository: an image can install with it, and needs \
         no other lockfile:\n  COPY {home}{lock} {home}{workspace} {home}{manifest} ./\n  \
         COPY {home}{member}/{manifest} {member}/\n  \
         RUN pnpm install --frozen-lockfile --filter ./{member}\n",
        view.paint.strong("help:"),
        known.path,
    )
}

/// The document `bakstop.lockfile/1`.
pub(crate) fn json(judged: &Judgement, unlinked: &[Unlinked], view: View<'_>) -> String {
    let Judgement { findings, rules, locks, .. } = judged;
    let count = locks.len();
    let report =
        Report { findings, rules, scope: "worktree", judged: count, deny_warnings: false, view };
    json::document(&json!({
        "schema": "bakstop.lockfile/1",
        "lockfiles": locks.iter().map(lockfile).collect::<Vec<_>>(),
        "unlinked": unlinked.iter().map(|known| json::path(&known.path)).collect::<Vec<_>>(),
        "findings": json::findings(&report),
        "summary": json::summary(&report),
    }))
}

fn lockfile(lock: &JudgedLock) -> Value {
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
        "by_dockerfile": lock.view.origin.is_some(),
        "files": files.collect::<Vec<_>>(),
        "not_judged": lock.judged.doubts,
        "notes": lock.judged.hints,
    })
}
