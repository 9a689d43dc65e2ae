//! The report of `verify` for a program.

use serde_json::{Value, json};

use crate::base::change::ObjectId;
use crate::base::escape::Escaped;
use crate::measure::runs::Timing;
use crate::os::child::Ended;
use crate::report::json::{document, path};
use crate::report::verify::{Since, Verification, names, notes, renames, rewritten_backup};
use crate::snapshot::{Difference, Head, PathStatus, Unfinished};

impl Verification<'_> {
    pub(crate) fn json(&self) -> String {
        let changes = self.changes;
        let (said, renames) = (self.first_findings(), renames(changes));
        let paths = changes.paths.iter().map(|difference| {
            let (path, path_hex) = path(&difference.path);
            let diff = self.diffs.iter().find(|(path, _)| *path == &difference.path);
            json!({
                "path": path,
                "path_hex": path_hex,
                "change": change(difference),
                "before": states(difference.before.as_ref()),
                "after": states(difference.after.as_ref()),
                "notes": notes(difference, &renames),
                "rule": said.get(&difference.path).map(|finding| finding.rule.id),
                "message": said.get(&difference.path).map(|finding| &finding.message),
                "diff": diff.map(|(_, excerpt)| json!({ "lines": excerpt.lines, "more": excerpt.more })),
            })
        });
        let refs = changes.refs.iter().map(|moved| {
            json!({ "name": Escaped(&moved.name).to_string(), "before": id(moved.before), "after": id(moved.after) })
        });
        let warnings = self.rewritten_backups.iter().map(|(backup, original)| {
            let (path, path_hex) = path(backup);
            json!({ "path": path, "path_hex": path_hex, "message": rewritten_backup(backup, original) })
        });
        let (command, time) = match self.since {
            Since::Command(ran, timing) => {
                let (exit_code, signal) = match ran.ended {
                    Ended::Code(code) => (Some(code), None),
                    Ended::Signal(number) => (None, Some(number)),
                };
                let left: Vec<String> =
                    ran.left.iter().map(|name| Escaped(name.as_bytes()).to_string()).collect();
                (
                    json!({ "exit_code": exit_code, "signal": signal, "left_running": left }),
                    time(&timing),
                )
            }
            _ => (Value::Null, Value::Null),
        };
        let names = |unfinished: &std::collections::BTreeSet<Unfinished>| -> Vec<&str> {
            unfinished.iter().map(|what| what.name()).collect()
        };
        document(&json!({
            "schema": "bakstop.verify/1",
            "since": match self.since {
                Since::Clean => "clean",
                Since::Command(..) => "command",
                Since::Baseline => "baseline",
            },
            "paths": paths.collect::<Vec<_>>(),
            "head": changes.head.as_ref().map(|(before, after)| json!({ "before": head(before), "after": head(after) })),
            "refs": refs.collect::<Vec<_>>(),
            "stashes": {
                "added": changes.stashed.iter().map(ObjectId::to_string).collect::<Vec<_>>(),
                "dropped": changes.unstashed.iter().map(ObjectId::to_string).collect::<Vec<_>>(),
            },
            "settings": changes.settings.iter().map(|name| Escaped(name).to_string()).collect::<Vec<_>>(),
            "unfinished": { "begun": names(&changes.begun), "ended": names(&changes.ended) },
            "warnings": warnings.collect::<Vec<_>>(),
            "help": self.advice.map(|advice| advice.help),
            "steps": self.advice.map_or(&[][..], |advice| &advice.commands),
            "command": command,
            "time": time,
            "summary": { "passed": self.passes(), "clean": changes.is_empty(), "paths": changes.paths.len() },
        }))
    }
}

fn time(timing: &Timing) -> Value {
    let budget = timing.over_budget().map(|_| "budget");
    let regression = timing.regression().map(|_| "regression");
    json!({
        "seconds": timing.seconds,
        "budget": timing.budget,
        "median": timing.usual.map(|usual| usual.median),
        "runs": timing.usual.map_or(0, |usual| usual.runs),
        "allowed_percent": timing.allowed,
        "exceeded": budget.into_iter().chain(regression).collect::<Vec<_>>(),
    })
}

fn id(id: Option<ObjectId>) -> Option<String> {
    id.as_ref().map(ObjectId::to_string)
}

fn change(difference: &Difference) -> &'static str {
    match (&difference.before, &difference.after) {
        (None, _) => "dirty",
        (Some(_), Some(_)) => "changed-again",
        (Some(_), None) => "changed-back",
    }
}

/// The states by name; none at all means clean.
fn states(dirt: Option<&PathStatus>) -> Value {
    dirt.map(names).unwrap_or_default().into()
}

fn head(head: &Head) -> Value {
    json!({
        "commit": head.commit.as_ref().map(ObjectId::to_string),
        "branch": head.branch.as_ref().map(|branch| Escaped(branch).to_string()),
    })
}
