//! Why an attempt is not a proof, from the state of the hooks.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::commands::Context;
use crate::commands::prove::probe::{HOOK, RULE};
use crate::config::Config;
use crate::cure::setup as cure;
use crate::git::history::History;
use crate::git::objects::Objects;
use crate::git::{Git, TreeChanges};
use crate::hooks::health::{self, Health, Interference, Off};
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::HookRun;
use crate::hooks::setup::{Choice, Foreign, Setup};
use crate::hooks::state::{Defect, HookState};
use crate::hooks::{binary, display_path};

/// Why an attempt is not a proof.
pub(super) struct Obstacle {
    pub reason: String,
    pub help: Option<String>,
}

impl Obstacle {
    fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: Some(help.into()) }
    }
}

/// The state of the hooks.
struct HookFacts {
    setup: Setup,
    health: Health,
    interference: Vec<Interference>,
}

impl HookFacts {
    /// A hook that does not run the guard.
    fn not_in_force(&self, layout: &Layout) -> Option<Obstacle> {
        let HookState::NotInForce(defect) = &self.health.state else { return None };
        let reason = match &self.setup {
            Setup::Foreign(foreign) if foreign.is_off() => foreign.cause.clone(),
            Setup::Foreign(foreign) => format!("{}, and {defect}", foreign.cause),
            _ => defect.to_string(),
        };
        Some(Obstacle::new(reason, cure::hook_help(&self.setup, &self.health, layout)))
    }

    /// An environment that disables the guard or its rule.
    fn off(&self) -> Option<Obstacle> {
        self.interference.iter().rev().find_map(|one| {
            let reason = match one {
                Interference::Blocks(_) => return None,
                Interference::Weakens(rules) if !rules.contains(&RULE) => return None,
                Interference::Weakens(_) | Interference::Disarms(Off::EveryRule) => {
                    format!("not checked: {one}")
                }
                Interference::Disarms(_) => one.to_string(),
            };
            Some(Obstacle::new(reason, cure::interference_help(one)))
        })
    }
}

/// An attempt that may not be a proof.
pub(super) struct Attempt<'a> {
    pub context: &'a Context,
    pub git: &'a Git,
    pub layout: &'a Layout,
    /// See [`configuration`].
    pub config: &'a Result<Option<Config>, Error>,
    /// The manifest that it rewrites.
    pub manifest: &'a RepoPath,
    /// A manifest that was blocked before.
    pub blocked: Option<&'a RepoPath>,
    pub hook_run: &'a HookRun,
    /// Whether the guard reported the rewritten manifest as an error.
    pub reported: bool,
}

impl Attempt<'_> {
    /// Why it is not a proof. An error of a query is itself the obstacle.
    pub(super) fn obstacle(&self) -> Obstacle {
        let found = match self.hook_run.code {
            None => Ok(Obstacle::new(
                "git was ended by a signal while it ran pre-commit",
                cure::SHOW_OUTPUT,
            )),
            Some(0) => self.passed(),
            Some(code) => self.failed(code),
        };
        found.unwrap_or_else(|error| Obstacle {
            reason: format!("could not {}: {}", error.doing(), error.cause().replace('\n', "; ")),
            help: error.next_step().map(str::to_owned),
        })
    }

    /// Whether a hook that reported the guard's error also fails because of it: it is run again
    /// with a harmless manifest.
    pub(super) fn counterproof(
        &self,
        again: impl FnOnce() -> Result<HookRun, Error>,
    ) -> Result<Option<Obstacle>, Error> {
        if again()?.code == Some(0) {
            return Ok(None);
        }
        let reason = format!(
            "pre-commit reports the rewritten {0}, but also fails on a harmless {0}: it is \
             unknown whether the guard blocks it",
            self.manifest
        );
        Ok(Some(Obstacle::new(reason, cure::FIX_THE_HOOK)))
    }

    /// Whether the hook is one that bakstop installed, and in force: it runs the guard for every
    /// file.
    pub(super) fn is_ours(&self) -> Result<bool, Error> {
        Ok(self.hook_facts()?.health.state == HookState::InForce)
    }

    fn hook_facts(&self) -> Result<HookFacts, Error> {
        let setup = Setup::find(self.layout, self.git, Choice::Detect, &[HOOK])?;
        let health = health::in_clone(&setup, self.layout, self.git, &self.context.env)?;
        let health = health
            .into_iter()
            .rfind(|health| health.hook == HOOK)
            .ok_or_else(|| Error::new("inspect the hooks", "the state of pre-commit is unknown"))?;
        let one = std::slice::from_ref(&health);
        let interference = health::interference(&setup, one, &self.context.env)?;
        Ok(HookFacts { setup, health, interference })
    }

    /// The commit would have passed.
    fn passed(&self) -> Result<Obstacle, Error> {
        let manifest = self.manifest;
        if let Some(obstacle) = self.allowed()? {
            return Ok(obstacle);
        }
        if self.reported {
            let reason =
                format!("the guard reports the rewritten {manifest}, but pre-commit succeeds");
            return Ok(Obstacle::new(reason, cure::LET_IT_FAIL));
        }
        if let Some(blocked) = self.blocked {
            let reason = format!(
                "pre-commit blocks a rewritten {blocked}, but lets a rewritten {manifest} through"
            );
            return Ok(Obstacle::new(reason, cure::GUARD_EVERY_FILE));
        }
        let known = self.hook_facts()?;
        if let Some(obstacle) = known.not_in_force(self.layout).or_else(|| known.off()) {
            return Ok(obstacle);
        }
        if let Setup::Foreign(foreign) = &known.setup {
            return Ok(self.named(foreign, "let it through"));
        }
        Ok(match (&known.health.state, &known.health.lookup.program) {
            (HookState::Doubtful(reason), _) => Obstacle::new(
                format!("{reason}, and it let a rewritten {manifest} through"),
                cure::ASK_INSTALL,
            ),
            (_, Some(program)) if !self.is_this(program) => {
                let program = describe(program, self.layout);
                Obstacle::new(
                    format!("pre-commit runs {program}, which let a rewritten {manifest} through"),
                    self.reinstall_help(&known),
                )
            }
            _ => Obstacle::new(
                format!("pre-commit let a rewritten {manifest} through"),
                cure::SHOW_OUTPUT,
            ),
        })
    }

    /// The line of the committed configuration that lets a rewritten manifest pass, if one does.
    fn allowed(&self) -> Result<Option<Obstacle>, Error> {
        let Some(config) = self.config.as_ref().map_err(Error::clone)? else { return Ok(None) };
        let allowed = config.exempts(RULE, self.manifest);
        Ok(allowed
            .map(|(origin, how)| Obstacle::new(format!("{origin} {how}"), cure::allowance_help())))
    }

    /// The commit would have been blocked, but not by this rule.
    fn failed(&self, code: i32) -> Result<Obstacle, Error> {
        let known = self.hook_facts()?;
        let blocks = |one: &&Interference| matches!(one, Interference::Blocks(_));
        if let Some(why) = known.interference.iter().find(blocks) {
            let reason = format!("every commit is blocked: {why}");
            return Ok(Obstacle::new(reason, cure::interference_help(why)));
        }
        let allowed = self.allowed()?;
        if allowed.is_none()
            && matches!(known.health.state, HookState::NotInForce(Defect::NoProgram(_)))
        {
            let reason = "the hook cannot find bakstop, so it blocks every commit";
            return Ok(Obstacle::new(reason, self.reinstall_help(&known)));
        }
        // Why the commit would have passed if nothing else had failed.
        let passable = allowed.map(Ok).or_else(|| match known.not_in_force(self.layout) {
            Some(obstacle) if matches!(known.setup, Setup::Foreign(_)) => Some(Err(obstacle)),
            obstacle => obstacle.or_else(|| known.off()).map(Ok),
        });
        Ok(match passable {
            Some(Ok(mut obstacle)) => {
                obstacle.reason +=
                    &format!("; pre-commit failed with exit code {code} for another reason");
                obstacle
            }
            Some(Err(obstacle)) => obstacle,
            None => self.failed_otherwise(&known, &format!("failed with exit code {code}")),
        })
    }

    /// A hook that should run the guard failed without the expected report.
    fn failed_otherwise(&self, known: &HookFacts, failed: &str) -> Obstacle {
        if let Setup::Foreign(foreign) = &known.setup {
            return self.named(foreign, failed);
        }
        if let Some(program) = &known.health.lookup.program
            && !self.is_this(program)
            && binary::version(program).as_deref() != Some(env!("CARGO_PKG_VERSION"))
        {
            let program = describe(program, self.layout);
            let reason =
                format!("pre-commit runs {program}; it {failed}, but not because of {}", RULE.id);
            return Obstacle::new(reason, self.reinstall_help(known));
        }
        let output = String::from_utf8_lossy(&self.hook_run.output);
        if let Some((_, error)) = output.rsplit_once("error: could not ") {
            let mut lines = error.lines();
            let cause = Escaped(lines.next().unwrap_or_default().as_bytes()).to_string();
            let help = lines.find_map(|line| line.strip_prefix("help: "));
            let help =
                help.map_or(cure::SHOW_OUTPUT.into(), |help| Escaped(help.as_bytes()).to_string());
            return Obstacle::new(format!("the guard itself failed: could not {cause}"), help);
        }
        Obstacle::new(
            format!("pre-commit {failed}, but not because of the rewritten {}", self.manifest),
            cure::FIX_THE_HOOK,
        )
    }

    /// A foreign hook or manager names bakstop.
    fn named(&self, foreign: &Foreign, ended: &str) -> Obstacle {
        let (cause, manifest) = (&foreign.cause, self.manifest);
        let reason = format!(
            "{cause}; bakstop is configured there, but the hook did not block a rewritten \
             {manifest} (it {ended})"
        );
        let output = String::from_utf8_lossy(&self.hook_run.output);
        let is_unfound = ["bakstop: not found", "bakstop: command not found"]
            .iter()
            .any(|message| output.contains(message));
        let help =
            if is_unfound { cure::unfound_help(self.layout) } else { cure::named_help(foreign) };
        Obstacle::new(reason, help)
    }

    /// Whether a program is the one that runs now.
    fn is_this(&self, program: &Path) -> bool {
        self.this().is_some_and(|this| binary::is_same_file(program, &this))
    }

    fn this(&self) -> Option<PathBuf> {
        binary::this(&self.context.directory, &self.context.env)
    }

    fn reinstall_help(&self, known: &HookFacts) -> String {
        cure::reinstall_help(&known.setup, &known.health, self.this().as_deref())
    }
}

/// The committed configuration; `None` without a commit.
pub(super) fn configuration(context: &Context, git: &Git) -> Result<Option<Config>, Error> {
    let objects = Rc::new(Objects::open(git, &context.env));
    let history = History::new(git.clone(), &context.env, Rc::clone(&objects));
    let Some(head) = history.head()? else { return Ok(None) };
    let tree = TreeChanges::new(&objects).unchanged(history.tree_of(&head)?);
    Config::from_change(&tree, || context.today()).map(Some)
}

/// A program, and its version.
fn describe(program: &Path, layout: &Layout) -> String {
    let version = binary::version(program)
        .map_or("no version of bakstop".to_owned(), |version| format!("version {version}"));
    format!("{} ({version})", display_path(program, &layout.top))
}
