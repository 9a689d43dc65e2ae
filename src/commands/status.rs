//! `bakstop status`: report which hooks are in force, what they run, and what switches them off.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::{Context, Outcome, preparing};
use crate::cure::setup as cure;
use crate::git::Git;
use crate::git::worktree::WorkTree;
use crate::hooks::health::{self, Health, Interference};
use crate::hooks::layout::Layout;
use crate::hooks::lookup::ProgramSource;
use crate::hooks::setup::{Choice, Setup};
use crate::hooks::state::HookState;
use crate::hooks::{Hook, binary, display_path};
use crate::report;
use crate::report::HumanOrJson;
use crate::report::json::{document, path, path_hex};
use crate::report::paint::Paint;

// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 in force; 1 not in force; 2 unknown.")]
pub(crate) struct Args {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,
}

/// Reports the state of the hooks.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    let setup = Setup::find(&layout, &git, Choice::Detect, &Hook::USUAL)?;
    let health = health::in_clone(&setup, &layout, &git, &context.env)?;
    let mut interference = health::interference(&setup, &health, &context.env)?;
    if health.iter().all(|health| matches!(health.state, HookState::NotInForce(_))) {
        // A guard that does not run blocks no commits.
        interference.retain(|one| !matches!(one, Interference::Blocks(_)));
    }
    let programs = programs(&health);
    let others = others(&health, &programs);
    let all_versions_known = programs.iter().all(|program| program.version.is_some());
    let (verdict, summary) = verdict(&health, interference.first(), all_versions_known);
    let status = Status {
        setup: &setup,
        layout: &layout,
        health: &health,
        programs: &programs,
        others: &others,
        interference: &interference,
        help: cure::hooks_help(&setup, &health, &layout)
            .or_else(|| interference.first().map(cure::interference_help)),
        summary,
    };
    let text = match args.format {
        HumanOrJson::Human => status.human(context.paint),
        HumanOrJson::Json => status.json(),
    };
    let outcome = Outcome::new(verdict, text);
    let note = WorkTree::open(&context.directory)
        .ok()
        .and_then(|tree| preparing::state::note_by_own(&tree, context.now));
    Ok(note.iter().fold(outcome, Outcome::note))
}

/// The hooks in a few words.
pub(super) struct ShortStatus {
    pub verdict: Verdict,
    /// The first reason if they are not in force, or else a summary.
    pub reason: String,
    /// The verb, with options, that is the next step.
    pub next: String,
}

/// The state of the hooks, in short.
pub(super) fn in_short(context: &Context) -> Result<ShortStatus, Error> {
    let outcome = run(&Args { format: HumanOrJson::Json }, context)?;
    let about: Value = serde_json::from_str(&outcome.out).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut hooks = about["hooks"].as_array().into_iter().flatten();
    let interference = text(&about["interference"][0]["message"]);
    let reason = hooks.find_map(|hook| text(&hook["reason"])).or(interference);
    let verdict = match outcome.code {
        0 => Verdict::Clean,
        1 => Verdict::Found,
        _ => Verdict::Failed,
    };
    let reason = reason.or_else(|| text(&about["summary"])).unwrap_or_default();
    let help = about["help"].as_str().unwrap_or_default();
    let next = help.strip_prefix("bakstop ").filter(|verb| verb.starts_with("install"));
    Ok(ShortStatus { verdict, reason, next: next.unwrap_or("status").to_owned() })
}

/// A program that hooks find.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    path: PathBuf,
    source: ProgramSource,
    /// `None` if it is unknown.
    version: Option<String>,
}

impl Program {
    fn new(path: &Path, source: ProgramSource) -> Self {
        Self { path: path.to_owned(), source, version: binary::version(path) }
    }

    fn describe(&self, top: &Path) -> String {
        let version = self.version.as_deref().unwrap_or("unknown");
        let path = display_path(&self.path, top);
        format!("{path}, version {version}, {}", self.source.describe())
    }

    fn json(&self, top: &Path) -> Value {
        let shown = display_path(&self.path, top);
        json!({
            "path": path(&shown),
            "path_hex": path_hex(&shown),
            "version": self.version,
            "source": self.source.label(),
        })
    }
}

/// What the reports contain.
struct Status<'a> {
    setup: &'a Setup,
    layout: &'a Layout,
    health: &'a [Health],
    programs: &'a [Program],
    /// Those that the hooks would run without the first.
    others: &'a [Program],
    interference: &'a [Interference],
    help: Option<String>,
    summary: &'static str,
}

impl Status<'_> {
    fn human(&self, paint: Paint) -> String {
        let Self { setup, layout, help, summary, .. } = self;
        let mut rows = hooks(self.health, self.layout.below_top, paint);
        let programs = self.programs.iter();
        rows.extend(programs.map(|program| ("program", program.describe(&layout.top))));
        let runs = |other: &Program| self.programs.iter().any(|one| one.version == other.version);
        let differing = self.others.iter().filter(|other| !runs(other));
        rows.extend(differing.map(|other| ("not run", other.describe(&layout.top))));
        rows.extend(self.interference.iter().map(|one| ("", describe(one, paint))));
        let rows = report::rows(&rows, str::to_owned);
        let mut text = format!("{}\n\n{rows}", describe_setup(setup, layout));
        if let Some(help) = help {
            text += &format!("\n{} {help}\n", paint.strong("help:"));
        }
        text + &format!("\n{} {summary}\n", paint.strong("bakstop:"))
    }

    /// `bakstop.status/1`: a field may be added within a version; none is renamed, removed or given
    /// another meaning.
    fn json(&self) -> String {
        let shown = |program: &Path| display_path(program, &self.layout.top);
        let hooks = self.health.iter().map(|health| {
            let program = health.lookup.program.as_deref().map(shown);
            hook_json(health, self.layout.below_top, program.as_ref())
        });
        let list = |programs: &[Program]| -> Vec<Value> {
            programs.iter().map(|program| program.json(&self.layout.top)).collect()
        };
        let kind = |one: &Interference| match one {
            Interference::Weakens(_) => "weakens",
            Interference::Blocks(_) => "blocks",
            Interference::Disarms(_) => "disarms",
        };
        let interference = self.interference.iter();
        let interference =
            interference.map(|one| json!({ "kind": kind(one), "message": one.to_string() }));
        document(&json!({
            "schema": "bakstop.status/1",
            "setup": match self.setup {
                Setup::Native { .. } => "native",
                Setup::Husky(_) => "husky",
                Setup::Server(_) => "server",
                Setup::Foreign(_) => "foreign",
            },
            "message": describe_setup(self.setup, self.layout),
            "hooks": hooks.collect::<Vec<_>>(),
            "programs": list(self.programs),
            "other_programs": list(self.others),
            "interference": interference.collect::<Vec<_>>(),
            "help": self.help,
            "summary": self.summary,
        }))
    }
}

fn hook_json(health: &Health, below_top: bool, program: Option<&RepoPath>) -> Value {
    let (state, _) = name(&health.state);
    let notes = health.notes.iter().map(|note| cure::note(health.hook, note));
    json!({
        "hook": health.hook.name(),
        "state": state.replace(' ', "-"),
        "reason": cure::explain(&health.state, below_top),
        "notes": notes.collect::<Vec<_>>(),
        "program": program.map(path),
        "program_hex": program.map(path_hex),
    })
}

/// The name of a state, and how it is painted.
fn name(state: &HookState) -> (&'static str, fn(Paint, &str) -> String) {
    match state {
        HookState::InForce => ("in force", |paint, word| paint.good(word)),
        HookState::Doubtful(_) => ("unknown", |paint, word| paint.doubtful(word)),
        HookState::NotInForce(_) => ("not in force", |paint, word| paint.bad(word)),
    }
}

fn verdict(
    health: &[Health],
    interference: Option<&Interference>,
    all_versions_known: bool,
) -> (Verdict, &'static str) {
    match (health.iter().map(|health| &health.state).max(), interference) {
        (Some(HookState::NotInForce(_)), _) => (Verdict::Found, "not in force"),
        (Some(HookState::InForce), interference) if all_versions_known => match interference {
            None => (Verdict::Clean, "in force"),
            Some(Interference::Weakens(_)) => {
                (Verdict::Found, "in force, but rules are skipped in this environment")
            }
            Some(Interference::Blocks(_)) => {
                (Verdict::Found, "in force, but it cannot work in this environment")
            }
            Some(Interference::Disarms(_)) => (Verdict::Found, "disabled in this environment"),
        },
        _ => (Verdict::Failed, "it is unknown whether the guard is in force"),
    }
}

fn describe(interference: &Interference, paint: Paint) -> String {
    let label = match interference {
        Interference::Weakens(_) => paint.doubtful("not checked:"),
        Interference::Blocks(_) => paint.bad("every commit is blocked:"),
        Interference::Disarms(_) => paint.bad("disabled:"),
    };
    format!("{label} {interference}")
}

/// Who runs the hooks.
fn describe_setup(setup: &Setup, layout: &Layout) -> String {
    match setup {
        Setup::Native { directory, tracked: false } => {
            format!("git runs the hooks in {}", display_path(directory, &layout.top))
        }
        Setup::Native { directory, tracked: true } => {
            format!(
                "git runs the hooks in {}, which are shared",
                display_path(directory, &layout.top)
            )
        }
        Setup::Husky(husky) => {
            format!("husky runs the hooks in {}", display_path(&husky.directory, &layout.top))
        }
        Setup::Server(server) => {
            let file = display_path(&server.hooks.join(Hook::PreReceive.name()), &layout.top);
            let then =
                if server.delegates { ", and that runs the programs in a directory" } else { "" };
            format!("git runs {file} for each push{then}")
        }
        Setup::Foreign(foreign) => foreign.cause.clone(),
    }
}

/// A row for each hook. A reason or note that all of them share is in one row at the end.
fn hooks(health: &[Health], below_top: bool, paint: Paint) -> Vec<(&'static str, String)> {
    let shared = |what: &dyn Fn(&Health) -> bool| health.len() > 1 && health.iter().all(what);
    let (mut rows, mut common) = (Vec::new(), Vec::new());
    for one in health {
        let (state, painted) = name(&one.state);
        let state = painted(paint, state);
        let reason = cure::explain(&one.state, below_top);
        let is_shared =
            !cure::install_helps(&one.state) && shared(&|other| other.state == one.state);
        let own = reason
            .as_ref()
            .filter(|_| !is_shared)
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        rows.push((one.hook.name(), state + &own));
        common.extend(reason.filter(|_| is_shared));
        for note in &one.notes {
            let text = cure::note(one.hook, note);
            if shared(&|other| other.notes.contains(note)) {
                common.push(text);
            } else {
                rows.push(("", text));
            }
        }
    }
    let once = common.iter().enumerate().filter(|(at, line)| !common[..*at].contains(line));
    let all = if health.len() == 2 { "both" } else { "all" };
    rows.extend(once.map(|(at, line)| (if at == 0 { all } else { "" }, line.clone())));
    rows
}

/// The programs that the hooks run, without duplicates.
fn programs(health: &[Health]) -> Vec<Program> {
    let mut found: Vec<(&Path, ProgramSource)> = health
        .iter()
        .filter_map(|one| one.lookup.program.as_deref().zip(one.lookup.source))
        .collect();
    found.dedup();
    found.into_iter().map(|(path, source)| Program::new(path, source)).collect()
}

/// The programs that they would run without these, without duplicates.
fn others(health: &[Health], programs: &[Program]) -> Vec<Program> {
    let mut others: Vec<Program> = Vec::new();
    for (path, source) in health.iter().flat_map(|health| &health.lookup.others) {
        let is_known =
            programs.iter().chain(&others).any(|one| binary::is_same_file(&one.path, path));
        if !is_known {
            others.push(Program::new(path, *source));
        }
    }
    others
}
