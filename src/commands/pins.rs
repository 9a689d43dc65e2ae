//! `bakstop pins`: lists and compares the places that pin a package manager, and moves them.

use std::path::PathBuf;

use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::commands::judge::{Options, configuration};
use crate::commands::replacing::replace_all;
use crate::commands::{Context, Outcome};
use crate::config::Config;
use crate::engine::Engine;
use crate::git::worktree::WorkTree;
use crate::git::worktree::files::OnDisk;
use crate::pins::{MovePlan, NewVersion, PinId, PinTable, Role, Row, plan};
use crate::report::View;
use crate::report::{HumanOrJson, pins as report};
use crate::rule::{Finding, Rule, RuleGroup};
use crate::rules;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the pins agree; 1 they do not, or --check found something to move; 2 could not \
judge or move them.\n\n\
Example: bakstop pins --set pnpm@10.8.0 --dry-run")]
pub(crate) struct Args {
    /// Move every pin to this version; without one, to the version that each project declares
    #[arg(long, value_name = "NAME@VERSION", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "absent, without a version, with a version")]
    set: Option<Option<String>>,

    /// With --set: print the changes as a diff, and change nothing
    #[arg(short = 'n', long, requires = "set")]
    pub(crate) dry_run: bool,

    /// With --set: exit with 1 if there is something to move, and change nothing
    #[arg(long, requires = "set", conflicts_with = "dry_run")]
    check: bool,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, conflicts_with = "set")]
    format: HumanOrJson,
}

impl Args {
    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        self.set.is_some() && !self.dry_run && !self.check
    }
}

/// Reports every pin of the work tree and the findings of the rules about pins, or moves the pins.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let options = Options { config: args.config.as_deref(), ..Options::default() };
    let config = configuration(&files, &options, context)?;
    let mut engine = Engine::new(&config).only(is_about_pins);
    let table = engine.all_pins(&files)?;
    let findings = engine.finish().findings;
    let (paint, below_top) = (context.paint, !tree.prefix().is_empty());
    let view = View { paint, below_top, advice: None, can_explain: true };
    if let Some(spec) = &args.set {
        let plan = plan_moves(&table, spec.as_deref(), &config)?;
        return set(args, &tree, &table, &plan, &judged(&plan.after, &files, &config), view);
    }
    let out = match args.format {
        HumanOrJson::Human => report::human(&table, &findings, view),
        HumanOrJson::Json => report::json(&table, &findings, view),
    };
    Ok(Outcome::new(Verdict::of(&findings, false), out))
}

fn is_about_pins(rule: &Rule) -> bool {
    rule.group == RuleGroup::Pins
}

/// The findings of the rules about pins in a planned state.
fn judged(table: &PinTable, files: &OnDisk<'_>, config: &Config) -> Vec<Finding> {
    let mut engine = Engine::new(config).only(is_about_pins);
    engine.judge_pins(table, files);
    engine.finish().findings
}

/// Plans to move the pins to one version, or those of each project to its declared version.
fn plan_moves(table: &PinTable, spec: Option<&str>, config: &Config) -> Result<MovePlan, Error> {
    let (doing, of_pins) = ("move the pins", rules::in_group(RuleGroup::Pins));
    let is_allowed =
        |row: &Row| of_pins.iter().any(|rule| config.hides(rule, &table.file(row.id).path));
    let Some(spec) = spec else {
        let declared = |id: &PinId| table.pin(*id).kind.role() == Role::Declares;
        let of_group = |group: usize| {
            NewVersion::from_pin(table.pin(table.groups[group].reference.filter(declared)?))
        };
        return Ok(plan(table, of_group, is_allowed));
    };
    let target = NewVersion::parse(spec).map_err(|reason| {
        let example = example(table, spec);
        Error::new(doing, format!("invalid version {}: {reason}", Escaped(spec.as_bytes())))
            .help(format!("for example: bakstop pins --set {example}"))
    })?;
    let name = target.manager.name();
    if !table.rows.iter().any(|row| table.pin(row.id).manager == target.manager) {
        return Err(Error::new(doing, format!("nothing here pins {name}")).help(
            "`bakstop pins` lists the pins; --set does not replace one package manager with \
             another",
        ));
    }
    Ok(plan(table, |_| Some(target.clone()), is_allowed))
}

/// A version for `--set` that this repository can move to: `spec` with the package manager that is
/// missing there, or the version that is pinned now.
fn example(table: &PinTable, spec: &str) -> String {
    let references = table.groups.iter().filter_map(|group| group.reference);
    let pinned = references.map(|id| table.pin(id)).find_map(NewVersion::from_pin);
    let Some(NewVersion { manager, version, .. }) = pinned else {
        return "pnpm@10.8.0".to_owned();
    };
    let written = format!("{}@{spec}", manager.name());
    match NewVersion::parse(&written) {
        Ok(_) => written,
        Err(_) => format!("{}@{version}", manager.name()),
    }
}

/// Carries out a plan, or reports it.
fn set(
    args: &Args,
    tree: &WorkTree,
    table: &PinTable,
    plan: &MovePlan,
    findings: &[Finding],
    view: View<'_>,
) -> Result<Outcome, Error> {
    let verdict = Verdict::of(findings, false);
    if args.dry_run {
        return Ok(Outcome::new(Verdict::Clean, report::diff(table, plan, view)));
    }
    if args.check {
        let verdict = if plan.files.is_empty() { verdict } else { Verdict::Found };
        return Ok(Outcome::new(verdict, report::moved(table, plan, findings, "to move", view)));
    }
    let replacement = |number: &usize| {
        let (old, new) = (table.project.file(*number), plan.after.project.file(*number));
        Replacement { path: old.path.clone(), old: old.text.clone(), new: new.text.clone() }
    };
    replace_all(tree, &plan.files.iter().map(replacement).collect::<Vec<_>>())?;
    Ok(Outcome::new(verdict, report::moved(table, plan, findings, "moved", view)))
}
