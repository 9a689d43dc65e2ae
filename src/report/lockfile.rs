//! The lockfiles for images: a table as text, and `bakstop.lockfile/1` as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::escape::Escaped;
use crate::base::path::{RepoPath, shell_quote};
use crate::engine::Judgement;
use crate::locks::{JudgedLock, MovedPackage, Unlinked, Weight};
use crate::project::kinds::FileKind;
use crate::report::common::{Report, View, plural, rows};
use crate::report::{human, json};

/// What is reported beside the judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct More<'a> {
    /// What became of lockfiles that were made; `None` if they were judged only.
    pub making: Option<&'a Making>,
    /// What pnpm would make today; `None` if it was not asked.
    pub fresh: Option<&'a [FreshLock]>,
}

/// What pnpm would make today of a lockfile.
#[derive(Debug)]
pub(crate) struct FreshLock {
    pub path: RepoPath,
    /// Of what is locked.
    pub again: Today,
    /// If the packages that the workspace links are resolved again; `None` if there is none, or
    /// pnpm could not be asked.
    pub update: Option<Today>,
    /// The code of the repository that pnpm ran.
    pub code: Option<RepoPath>,
}

/// A lockfile that pnpm made today, compared with the one that is there.
#[derive(Debug)]
pub(crate) enum Today {
    Same,
    /// Other bytes, with these packages; with none, only the rest differs.
    Differs(Vec<MovedPackage>),
    /// None was made, for this reason, and what to do. Both are safe to print.
    Unknown {
        reason: String,
        help: String,
    },
}

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
/// first if lockfiles were made, or if there is none.
pub(crate) fn human(
    judged: &Judgement,
    unlinked: &[Unlinked],
    more: &More<'_>,
    view: View<'_>,
) -> String {
    let has_none = more.making.is_none_or(|making| making.wants.is_empty());
    if judged.locks.is_empty() && judged.findings.is_empty() && has_none && !unlinked.is_empty() {
        return unlinked.iter().map(|known| not_needed(known, view)).collect();
    }
    let hints = unlinked.iter().filter(|known| known.member.is_some());
    let cheaper: Vec<String> = hints.map(|known| cheaper(known, view)).collect();
    match more.making {
        Some(making) => {
            let start = cheaper.iter().map(|hint| format!("{hint}\n")).collect::<String>();
            start + &table(judged, Some(making), view) + &made(judged, making, view)
        }
        None => {
            let end = cheaper.iter().map(|hint| format!("\n{hint}")).collect::<String>();
            let fresh = more.fresh.unwrap_or_default();
            let today: String = fresh.iter().map(|lock| today(lock, view)).collect();
            table(judged, None, view) + &today + &end
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
        text += &format!(
            "{start} there is no lockfile for an image: no {} next to a manifest, and no \
             Dockerfile that copies a pnpm-lock.NAME.yaml to {}\n",
            FileKind::NEW_DOCKER_LOCKFILE,
            FileKind::LOCKFILE_OF_PNPM,
        );
        if making.is_none() {
            text += &format!(
                "{} a workspace that links packages of another repository needs one: bakstop \
                 lockfile DIR makes one for the member in DIR\n",
                view.paint.strong("help:"),
            );
        }
    } else if making.is_none() && !locks.iter().any(|lock| lock.judged.is_unjudged) {
        let fit = if locks.len() == 1 { "fits" } else { "fit" };
        text += &format!("{start} {} for images {fit}\n", plural(locks.len(), "lockfile"));
    }
    text
}

/// The most packages that a line names.
const NAMED: usize = 10;

/// What pnpm would make of a lockfile today.
fn today(lock: &FreshLock, view: View<'_>) -> String {
    let path = &lock.path;
    let mut text = ran(lock.code.as_ref(), view);
    let mut line = |words: &str| text += &format!("fresh: {path}: {words}\n");
    match &lock.again {
        Today::Same => line("made again today, it has the same bytes"),
        Today::Differs(moved) if moved.is_empty() => {
            line("made again today, it has the same packages, but other bytes");
        }
        Today::Differs(moved) => line(&format!("made again today, it differs: {}", named(moved))),
        Today::Unknown { reason, help } => line(&not_made("pnpm made none today", reason, help)),
    }
    match &lock.update {
        None => {}
        Some(Today::Same) => line("`--update` changes nothing today"),
        Some(Today::Differs(moved)) if moved.is_empty() => line("`--update` moves no package"),
        Some(Today::Differs(moved)) => line(&format!("`--update` moves {}", named(moved))),
        Some(Today::Unknown { reason, help }) => {
            line(&not_made("what `--update` moves is unknown", reason, help));
        }
    }
    text
}

fn not_made(what: &str, reason: &str, help: &str) -> String {
    let lines = reason.lines().chain([help]).filter(|line| !line.is_empty());
    what.to_owned() + ":" + &lines.map(|line| format!("\n  {line}")).collect::<String>()
}

/// Names packages with their versions.
fn named(moved: &[MovedPackage]) -> String {
    let shown = |versions: &[String]| Escaped(versions.join(" and ").as_bytes()).to_string();
    let one = |package: &MovedPackage| {
        let name = Escaped(package.name.as_bytes());
        match (&*package.from, &*package.to) {
            ([], to) => format!("{name} {} added", shown(to)),
            (from, []) => format!("{name} {} removed", shown(from)),
            (from, to) => format!("{name} {} to {}", shown(from), shown(to)),
        }
    };
    let mut words: Vec<String> = moved.iter().take(NAMED).map(one).collect();
    if let Some(more) = moved.len().checked_sub(NAMED).filter(|more| *more > 0) {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

fn ran(code: Option<&RepoPath>, view: View<'_>) -> String {
    let note = view.paint.strong("note:");
    code.map(|path| format!("{note} pnpm ran {path}, as it does in the image\n"))
        .unwrap_or_default()
}

/// What became of lockfiles that were made, and what to do next.
fn made(judged: &Judgement, making: &Making, view: View<'_>) -> String {
    let (start, help) = (view.paint.strong("bakstop:"), view.paint.strong("help:"));
    let mut text: String = making.code.iter().map(|path| ran(Some(path), view)).collect();
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

/// Who needs no lockfile for an image, and who may.
fn not_needed(known: &Unlinked, view: View<'_>) -> String {
    let help = view.paint.strong("help:");
    let mut text = format!(
        "{} no lockfile for an image is needed: {} links nothing outside of the repository\n\
         {help} an image with the same directories can install with it{}",
        view.paint.strong("bakstop:"),
        known.path,
        lines(known),
    );
    if known.has_members {
        text += &format!(
            "{help} only an image with the manifest of a member at its top needs another: bakstop \
             lockfile DIR makes one for the member in DIR\n"
        );
    }
    text
}

/// What an image may install with instead of a lockfile of its own.
fn cheaper(known: &Unlinked, view: View<'_>) -> String {
    format!(
        "{} {} links nothing outside of the repository: an image with the same directories can \
         install with it, and needs no other lockfile{}",
        view.paint.strong("help:"),
        known.path,
        lines(known),
    )
}

/// The lines of a Dockerfile that installs with the lockfile of the workspace, if a member needs
/// no other, after a colon.
fn lines(known: &Unlinked) -> String {
    let Some(member) = &known.member else { return "\n".to_owned() };
    let home = known.path.parent();
    let home = if home.is_empty() { String::new() } else { format!("{}/", Escaped(home)) };
    let (lock, workspace) = (FileKind::LOCKFILE_OF_PNPM, FileKind::WORKSPACE_OF_PNPM);
    let manifest = FileKind::MANIFEST;
    let member = shell_quote(member.as_bytes());
    let member = Escaped(member.as_bytes());
    format!(
        ":\n  COPY {home}{lock} {home}{workspace} {home}{manifest} ./\n  \
         COPY {home}{member}/{manifest} {member}/\n  \
         RUN pnpm install --frozen-lockfile --filter ./{member}\n"
    )
}

/// The document `bakstop.lockfile/1`.
pub(crate) fn json(
    judged: &Judgement,
    unlinked: &[Unlinked],
    more: &More<'_>,
    view: View<'_>,
) -> String {
    let making = more.making;
    let Judgement { findings, rules, locks, .. } = judged;
    let count = locks.len();
    let report =
        Report { findings, rules, scope: "worktree", judged: count, deny_warnings: false, view };
    json::document(&json!({
        "schema": "bakstop.lockfile/1",
        "lockfiles": locks.iter().map(|lock| lockfile(lock, making)).collect::<Vec<_>>(),
        "wants": making.map(|making| making.wants.iter().map(wanted).collect::<Vec<_>>()),
        "fresh": more.fresh.map(|fresh| fresh.iter().map(fresh_lock).collect::<Vec<_>>()),
        "unlinked": unlinked.iter().map(|known| json::path(&known.path)).collect::<Vec<_>>(),
        "findings": json::findings(&report),
        "summary": json::summary(&report),
    }))
}

fn wanted((path, files): &(RepoPath, Vec<String>)) -> Value {
    json!({ "path": json::path(path), "path_hex": json::path_hex(path), "files": files })
}

fn fresh_lock(lock: &FreshLock) -> Value {
    let path = &lock.path;
    json!({
        "path": json::path(path),
        "path_hex": json::path_hex(path),
        "again": json_today(&lock.again),
        "update": lock.update.as_ref().map(json_today),
    })
}

fn json_today(today: &Today) -> Value {
    let (state, moved, reason) = match today {
        Today::Same => ("same", &[][..], None),
        Today::Differs(moved) => ("differs", &**moved, None),
        Today::Unknown { reason, .. } => ("unknown", &[][..], Some(reason)),
    };
    let package =
        |moved: &MovedPackage| json!({ "name": moved.name, "from": moved.from, "to": moved.to });
    json!({
        "state": state,
        "packages": moved.iter().map(package).collect::<Vec<_>>(),
        "reason": reason,
    })
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
