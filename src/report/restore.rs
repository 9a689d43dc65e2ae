//! The changes of a restore, and the traces that stay: as text, and `bakstop.restore/1` as JSON.

use serde_json::{Value, json};

use crate::base::path::{RepoPath, TO_TOP};
use crate::cure;
use crate::edit::excerpt;
use crate::report::common::{View, plural};
use crate::report::json;
use crate::restore::plan::{Plan, Remaining, Restoration, Side};

/// A line for each file, then a summary. With `dry_run`, the differences instead.
pub(crate) fn human(plan: &Plan, dry_run: bool, view: View<'_>) -> String {
    let paint = view.paint;
    let mut text = String::new();
    for (side, path, change) in &plan.changes {
        match change {
            Restoration::Restored { old, new } if dry_run => {
                for line in excerpt::unified(path, old, new, 3) {
                    text += &format!("{}\n", paint.diff(&line));
                }
            }
            _ => {
                let verb = if dry_run { would(change) } else { change.name() };
                text += &format!("{} {path}{}\n", paint.good(verb), in_index(*side, change));
            }
        }
    }
    for (path, reason) in &plan.kept {
        text += &format!("kept {path}: {reason}\n");
    }
    for left in &plan.left {
        let Remaining { side, path, line, reason, .. } = left;
        let commands = commands(left);
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let side = if *side == Side::Index { " in the index" } else { "" };
        text += &format!("{} {path}{line}{side}: {reason}\n", paint.doubtful("left"));
        let to_top = view.below_top && !commands.is_empty();
        for command in to_top.then(|| TO_TOP.to_owned()).into_iter().chain(commands) {
            text += &format!("    {}\n", paint.good(&command));
        }
    }
    text + &format!("{} {}\n", paint.strong("bakstop:"), summary(plan, dry_run))
}

/// The next steps, for a shell at the top of the work tree.
fn commands(left: &Remaining) -> Vec<String> {
    left.steps.iter().flat_map(|step| cure::commands(step, &[&left.path], false)).collect()
}

fn would(change: &Restoration) -> &'static str {
    match change {
        Restoration::Restored { .. } => "would restore",
        Restoration::Removed => "would remove",
        Restoration::Unstaged => "would unstage",
    }
}

fn in_index(side: Side, change: &Restoration) -> &'static str {
    let is_clear = matches!(change, Restoration::Unstaged);
    if side == Side::Index && !is_clear { " in the index" } else { "" }
}

/// "2 files restored, 1 removed; 1 trace left".
fn summary(plan: &Plan, dry_run: bool) -> String {
    let count =
        |name: &str| plan.changes.iter().filter(|(_, _, change)| change.name() == name).count();
    let names = [("restored", "to restore"), ("removed", "to remove"), ("unstaged", "to unstage")];
    let parts: Vec<String> = names
        .into_iter()
        .map(|(name, to_do)| (count(name), if dry_run { to_do } else { name }))
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{} {name}", plural(number, "file")))
        .collect();
    let done = match (parts.is_empty(), plan.left.is_empty()) {
        (true, true) => "nothing to restore".to_owned(),
        (true, false) => "nothing restored".to_owned(),
        (false, _) => parts.join(", "),
    };
    match plan.left.len() {
        0 => done,
        left => format!("{done}; {left} left"),
    }
}

/// The document `bakstop.restore/1`.
pub(crate) fn json(plan: &Plan, dry_run: bool) -> String {
    let changes = plan.changes.iter().map(|(side, path, change)| {
        with_path(path, json!({ "in": side.name(), "change": change.name() }))
    });
    let left = plan.left.iter().map(|left| {
        let Remaining { side, path, line, reason, .. } = left;
        let value = json!({
            "in": side.name(), "line": line, "reason": reason, "commands": commands(left),
        });
        with_path(path, value)
    });
    let kept = plan.kept.iter().map(|(path, reason)| with_path(path, json!({ "reason": reason })));
    json::document(&json!({
        "schema": "bakstop.restore/1",
        "dry_run": dry_run,
        "changes": changes.collect::<Vec<_>>(),
        "left": left.collect::<Vec<_>>(),
        "kept": kept.collect::<Vec<_>>(),
    }))
}

fn with_path(path: &RepoPath, mut value: Value) -> Value {
    value["path"] = json::path(path).into();
    value["path_hex"] = json::path_hex(path).into();
    value
}
