//! Judges what is committed: the files of HEAD, by the configuration among them.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::change::{Change, ObjectId};
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Verdict};
use crate::builds::Builds;
use crate::commands::Context;
use crate::commands::judge::{Options, configuration, engine};
use crate::engine::{Engine, Judgement};
use crate::fleet::{Cell, CellState};
use crate::git::history::History;
use crate::git::objects::Objects;
use crate::git::{Git, TreeChanges};
use crate::locks::{JudgedLock, Weight};
use crate::pins::{Demand, PinTable, Relation};
use crate::project::kinds::FileKind;
use crate::report::plural;
use crate::rule::{Finding, Rule, RuleGroup};

/// How many names a reason lists.
const LISTED: usize = 4;

/// The cell about something that could not be judged.
pub(super) fn unknown(error: &Error) -> Cell {
    let cause = error.cause().lines().next().unwrap_or_default();
    let detail = format!("could not {}: {cause}", error.doing());
    Cell::new(CellState::Unknown, "unknown").detail(detail)
}

/// Names, at most [`LISTED`] of them.
pub(super) fn first(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED);
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// The cells about rules, pins, lockfiles and builds; and the directories of Dockerfiles.
pub(super) fn cells(
    head: &ObjectId,
    objects: &Rc<Objects>,
    context: &Context,
) -> Result<([Cell; 4], Vec<String>), Error> {
    let history = History::new(Git::new(&context.directory), &context.env, Rc::clone(objects));
    let change = TreeChanges::new(objects).whole(history.tree_of(head)?)?;
    Ok(match HeadJudgement::of(&change, context) {
        Ok(judged) => judged.cells(),
        // The configuration is invalid, or an object is missing.
        Err(error) => (std::array::from_fn(|_| unknown(&error)), Vec::new()),
    })
}

/// The judgement on the files of HEAD.
struct HeadJudgement {
    guard: Judgement,
    doctor: Judgement,
    pins: (PinTable, Vec<Finding>),
    /// The package managers that wrote a lockfile.
    lockfiles: BTreeSet<&'static str>,
}

impl HeadJudgement {
    fn of(change: &dyn Change, context: &Context) -> Result<Self, Error> {
        let config = configuration(change, &Options::default(), context)?;
        let judge = |doctor: bool| {
            let options = Options { doctor, ..Options::default() };
            engine(&config, &options).whole_tree(true).judge(change)
        };
        let mut about_pins = Engine::new(&config).only(|rule: &Rule| rule.group == RuleGroup::Pins);
        let pins = about_pins.all_pins(change)?;
        let lockfiles = change.fresh().iter().filter_map(|entry| {
            let kind = FileKind::of(&entry.path, FileKind::is_lockfile)?;
            kind.install_command()?.split(' ').next()
        });
        Ok(Self {
            guard: judge(false)?,
            doctor: judge(true)?,
            pins: (pins, about_pins.finish().findings),
            lockfiles: lockfiles.collect(),
        })
    }

    fn cells(&self) -> ([Cell; 4], Vec<String>) {
        let guard = of_findings(&self.guard.findings, "check --tree HEAD");
        let surfaces = self.doctor.builds.as_ref().map_or_else(BTreeSet::new, surfaces);
        let names = surfaces.iter().map(|name| Escaped(name.as_bytes()).to_string());
        let docker = of_findings(&self.doctor.findings, "doctor --tree HEAD");
        let docker = docker.unwrap_or_else(|| match surfaces.len() {
            0 => Cell::open(),
            _ => Cell::good("ok").detail(first(names)),
        });
        let guard = guard.unwrap_or_else(|| Cell::good("ok"));
        let cells = [guard, self.pins_cell(), self.lockfile_cell(), docker];
        (cells, surfaces.into_iter().collect())
    }

    fn pins_cell(&self) -> Cell {
        let (table, findings) = &self.pins;
        let command = "pins";
        let count =
            |wanted: Relation| table.rows.iter().filter(|row| row.relation == wanted).count();
        let (differ, float) = (count(Relation::Differs), count(Relation::Floats));
        if Verdict::of(findings, false) == Verdict::Found {
            let text = match (differ, float) {
                (0, 0) => plural(findings.len(), "error"),
                (0, 1) => "1 floats".to_owned(),
                (0, float) => format!("{float} float"),
                (1, _) => "1 differs".to_owned(),
                (differ, _) => format!("{differ} differ"),
            };
            return Cell::new(CellState::Bad, text).detail(rules(findings)).command(command);
        }
        let declared = table.groups.iter().filter_map(|group| {
            let pin = table.pin(group.reference?);
            match &pin.demand {
                Demand::Exact(version) => Some(format!("{} {version}", pin.manager.name())),
                _ => None,
            }
        });
        let versions: BTreeSet<String> = declared.collect();
        match (table.rows.is_empty(), versions.len(), versions.first()) {
            (true, ..) => Cell::open(),
            (_, 1, Some(version)) => Cell::good(version),
            (_, 0, _) => Cell::new(CellState::Warning, "no version")
                .detail("no exact version is declared")
                .command(command),
            (_, many, _) => {
                Cell::good(format!("{many} versions")).detail(first(versions.into_iter()))
            }
        }
    }

    fn lockfile_cell(&self) -> Cell {
        let managers = self.lockfiles.iter().copied().collect::<Vec<_>>().join(", ");
        let locks = &self.guard.locks;
        let command = "lockfile --check";
        if locks.is_empty() {
            return if managers.is_empty() { Cell::open() } else { Cell::good(managers) };
        }
        let is_wrong = |weight: Option<Weight>| weight.is_some_and(|it| it > Weight::Note);
        let unjudged = locks.iter().filter(|lock| lock.judged.is_unjudged);
        let wrong = locks
            .iter()
            .filter(|lock| is_wrong(lock.judged.remarks.iter().map(|remark| remark.weight).max()));
        let names = |locks: Vec<_>| {
            let path = |lock: &&JudgedLock| lock.view.lock.file.path.to_string();
            (locks.len(), first(locks.iter().map(path)))
        };
        let ((wrong, wrong_paths), (unjudged, paths)) =
            (names(wrong.collect()), names(unjudged.collect()));
        if wrong > 0 {
            let text = format!("{wrong} stale for images");
            Cell::new(CellState::Bad, text).detail(wrong_paths).command(command)
        } else if unjudged > 0 {
            let text = format!("{unjudged} not judged");
            Cell::new(CellState::Unknown, text).detail(paths).command(command)
        } else {
            Cell::good(format!("{managers}, {} for images", locks.len()))
        }
    }
}

/// The directories of the Dockerfiles, `.` for the top.
fn surfaces(builds: &Builds) -> BTreeSet<String> {
    let directory = |file: usize| match builds.file(file).path.parent() {
        [] => ".".to_owned(),
        directory => String::from_utf8_lossy(directory).into_owned(),
    };
    builds.list.iter().map(|build| directory(build.dockerfile)).collect()
}

/// The cell about findings; `None` without one.
fn of_findings(findings: &[Finding], command: &str) -> Option<Cell> {
    let count = |severity| findings.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let cell = match (errors, warnings) {
        (0, 0) => return None,
        (0, warnings) => Cell::new(CellState::Warning, plural(warnings, "warning")),
        (errors, _) => Cell::new(CellState::Bad, plural(errors, "error")),
    };
    Some(cell.detail(rules(findings)).command(command))
}

/// The rules of the most severe findings.
fn rules(findings: &[Finding]) -> String {
    let worst = findings.iter().map(|one| one.severity).max();
    let worst = findings.iter().filter(|one| Some(one.severity) == worst);
    let mut ids: Vec<&str> = worst.map(|one| one.rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    first(ids.into_iter().map(str::to_owned))
}
