//! The report of `verify` as `bakstop.verify/1`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::change::ObjectId;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::measure::builds::{CacheGate, RecordedBuild};
use crate::measure::trend::Timing;
use crate::os::child::{Ended, Ran};
use crate::report::json::{document, path, path_hex};
use crate::report::verify::{Since, Verification, names, notes, renames, rewritten_backup};
use crate::rule::Finding;
use crate::snapshot::{Difference, Head, PathStatus, Unfinished};

impl Verification<'_> {
    /// The report as one document.
    pub(crate) fn json(&self) -> String {
        let changes = self.changes;
        let (findings, renames) = (self.first_findings(), renames(changes));
        let paths = changes.paths.iter().map(|difference| {
            self.path(difference, findings.get(&difference.path).copied(), &renames)
        });
        let refs = changes.refs.iter().map(|moved| {
            let (before, after) = (id(moved.before), id(moved.after));
            json!({ "name": escaped(&moved.name), "before": before, "after": after })
        });
        let warnings = self.rewritten_backups.iter().map(|(backup, original)| {
            let message = rewritten_backup(backup, original);
            json!({ "path": path(backup), "path_hex": path_hex(backup), "message": message })
        });
        let (since, run) = match self.since {
            Since::Clean => ("clean", None),
            Since::Command(ran, timing) => ("command", Some((command(ran), time(&timing)))),
            Since::Baseline => ("baseline", None),
        };
        let (command, time) = run.unwrap_or_default();
        document(&json!({
            "schema": "bakstop.verify/1",
            "since": since,
            "paths": paths.collect::<Vec<_>>(),
            "head": changes.head.as_ref().map(|(before, after)| {
                json!({ "before": head(before), "after": head(after) })
            }),
            "refs": refs.collect::<Vec<_>>(),
            "stashes": { "added": ids(&changes.stashed), "dropped": ids(&changes.unstashed) },
            "settings": changes.settings.iter().map(|name| escaped(name)).collect::<Vec<_>>(),
            "hooks": changes.hooks.named().map(|(what, name)| {
                json!({ "name": escaped(name), "change": what })
            }).collect::<Vec<_>>(),
            "not_examined": changes.unexamined.iter().map(path).collect::<Vec<_>>(),
            "unfinished": {
                "begun": unfinished(&changes.begun),
                "ended": unfinished(&changes.ended),
            },
            "warnings": warnings.collect::<Vec<_>>(),
            "help": self.advice.map(|advice| &advice.help),
            "steps": self.advice.map_or(&[][..], |advice| &advice.commands),
            "command": command,
            "time": time,
            "cache": self.cache.map(cache),
            "summary": {
                "passed": self.passes(),
                "clean": changes.is_empty(),
                "paths": changes.paths.len(),
            },
        }))
    }

    fn path(
        &self,
        difference: &Difference,
        finding: Option<&Finding>,
        renames: &BTreeMap<&RepoPath, String>,
    ) -> Value {
        let about = &difference.path;
        let diff = self.diffs.iter().find(|(path, _)| *path == about);
        json!({
            "path": path(about),
            "path_hex": path_hex(about),
            "change": match (&difference.before, &difference.after) {
                (None, _) => "dirty",
                (Some(_), Some(_)) => "changed-again",
                (Some(_), None) => "changed-back",
            },
            "before": states(difference.before.as_ref()),
            "after": states(difference.after.as_ref()),
            "notes": notes(difference, renames),
            "rule": finding.map(|finding| finding.rule.id),
            "message": finding.map(|finding| &finding.message),
            "diff": diff.map(|(_, excerpt)| {
                json!({ "lines": excerpt.lines, "more": excerpt.more })
            }),
        })
    }
}

fn command(ran: &Ran) -> Value {
    let (exit_code, signal) = match ran.ended {
        Ended::Code(code) => (Some(code), None),
        Ended::Signal(number) => (None, Some(number)),
    };
    let left: Vec<String> = ran.left_running.iter().map(|name| escaped(name.as_bytes())).collect();
    json!({ "exit_code": exit_code, "signal": signal, "left_running": left })
}

fn time(timing: &Timing) -> Value {
    let budget = timing.over_budget().map(|_| "budget");
    let regression = timing.regression().map(|_| "regression");
    let trend = timing.trend;
    let usual = trend.and_then(|trend| trend.usual);
    json!({
        "seconds": timing.seconds,
        "budget": timing.budget,
        "median": usual.map(|usual| usual.median),
        "runs": usual.map_or(0, |usual| usual.runs),
        "spread_percent": usual.map(|usual| usual.spread * 100.0),
        "allowed_percent": trend.map(|trend| trend.limit.allowed),
        "in_a_row": trend.map(|trend| trend.limit.in_a_row),
        "slower_in_a_row": trend.map_or(0, |trend| trend.slower),
        "exceeded": budget.into_iter().chain(regression).collect::<Vec<_>>(),
    })
}

fn cache(gate: &CacheGate) -> Value {
    let build = |build: &RecordedBuild| {
        json!({
            "target": build.target,
            "run": build.run,
            "run_cached": build.run_cached,
            "reached": gate.is_reached_by(build),
        })
    };
    json!({
        "required": gate.share.to_string(),
        "builds": gate.known().iter().map(build).collect::<Vec<_>>(),
        "unknown": gate.unknown(),
    })
}

fn escaped(bytes: &[u8]) -> String {
    Escaped(bytes).to_string()
}

fn id(id: Option<ObjectId>) -> Option<String> {
    id.as_ref().map(ObjectId::to_string)
}

fn ids(ids: &[ObjectId]) -> Vec<String> {
    ids.iter().map(ObjectId::to_string).collect()
}

fn unfinished(operations: &BTreeSet<Unfinished>) -> Vec<&'static str> {
    operations.iter().map(|operation| operation.name()).collect()
}

/// The states by name; none if the path is clean.
fn states(status: Option<&PathStatus>) -> Vec<&'static str> {
    status.map(names).unwrap_or_default()
}

fn head(head: &Head) -> Value {
    json!({ "commit": id(head.commit), "branch": head.branch.as_ref().map(|name| escaped(name)) })
}
