//! `bakstop prove`: prove that a commit of a rewritten manifest is blocked here, by this guard.
//!
//! The proof is an attempt: the hook is run as `git commit` runs it, over an index of its own in
//! which a manifest is rewritten. It counts only if the hook ends with a failure and one finding in
//! its output is an error of the rule that shows that manifest's dependency; a hook that fails for
//! another reason proves nothing. If it is no proof, what is known of the hooks says why.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

use crate::base::debris::DOCKER_DEPS;
use crate::base::error::Error;
use crate::base::escape::{Escaped, no_command};
use crate::base::finding::{Severity, Verdict};
use crate::base::path::{RepoPath, shell_quote};
use crate::commands::{Context, Outcome, listed};
use crate::config::{self, Config};
use crate::engine::LIMIT;
use crate::formats::package;
use crate::git::history::History;
use crate::git::objects::Objects;
use crate::git::{Git, TreeChanges};
use crate::hooks::health::{self, Health, HookState, Interference, Off};
use crate::hooks::layout::Layout;
use crate::hooks::rehearsal::{Performance, Rehearsal};
use crate::hooks::setup::{self, Choice, Foreign, Setup};
use crate::hooks::{Hook, SKIP, binary, shown};
use crate::report::HumanOrJson;
use crate::report::json::{document, path, path_hex};
use crate::rule::{Rule, Subject};
use crate::rules;

// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Show what the hook said, on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// The hook that is tried.
const HOOK: Hook = Hook::PreCommit;
/// The rule that must block.
const RULE: &Rule = rules::about(Subject::Manifest);
/// Set for the hook, to a word that no other attempt has.
const PROVE: &str = "BAKSTOP_PROVE";
/// How many lines of what the hook said are shown.
const LINES: usize = 12;

/// Tries, and explains.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let start = Instant::now();
    let git = Git::new(&context.directory);
    let layout = Layout::of(&git)?;
    if layout.bare {
        return Err(Error::new(
            "prove that a commit is blocked",
            "this repository is bare: nothing is committed here",
        )
        .help("run this in a clone that has a work tree"));
    }
    setup::refuse_endless(&layout)?;
    let rehearsal = Rehearsal::prepare(&git, &context.env)?;
    let nonce = rehearsal.nonce();
    let probe = Probe::find(&rehearsal)?;
    probe.stage_rewritten(&rehearsal, &nonce)?;
    let manifest = probe.manifest.clone();
    let mut listener = Listener::new(&nonce);
    let file = layout.hooks.join(HOOK.name());
    let done =
        rehearsal.perform(HOOK.name(), &file, (PROVE, &nonce), |line| listener.hear(line))?;

    let heard = listener.heard;
    // How a hook would have ended that nobody saw the end of is not known.
    let proven = heard && done.code.is_some_and(|code| code != 0);
    let attempt =
        Attempt { context, git: &git, layout: &layout, manifest: &manifest, done: &done, heard };
    let obstacle = if proven {
        attempt.counterproof(|| {
            // As a person could, for good reason.
            probe.stage(&rehearsal, &nonce, "1.0.0")?;
            rehearsal.perform(HOOK.name(), &file, (PROVE, &nonce), |_| ())
        })?
    } else {
        Some(attempt.obstacle())
    };
    let seconds = start.elapsed().as_secs_f64();

    let verdict = if obstacle.is_none() { Verdict::Clean } else { Verdict::Found };
    let out = match args.format {
        HumanOrJson::Human => human(obstacle.as_ref(), &done, &manifest, seconds, context),
        HumanOrJson::Json => machine(obstacle.as_ref(), &done, &manifest, seconds),
    };
    let mut outcome = Outcome::new(verdict, out);
    if obstacle.is_none() {
        // The proof is for one manifest; what holds for others is in the configuration.
        for line in attempt.spared_elsewhere(&rehearsal)? {
            outcome = outcome.note(line);
        }
    }
    Ok(if args.verbose { lines(&done).fold(outcome, Outcome::note) } else { outcome })
}

const MANIFEST: &str = "package.json";

/// The manifest that the attempt changes: the topmost, or a new one where there is none.
struct Probe {
    manifest: RepoPath,
    text: Vec<u8>,
}

impl Probe {
    fn find(rehearsal: &Rehearsal) -> Result<Self, Error> {
        let manifests = rehearsal.files_named(MANIFEST)?;
        let topmost = manifests.into_iter().min_by_key(|entry| entry.path.components().count());
        let manifest =
            topmost.as_ref().map_or(RepoPath::from(MANIFEST), |entry| entry.path.clone());
        let text = topmost.and_then(|entry| rehearsal.read(&entry, LIMIT)).unwrap_or_default();
        Ok(Self { manifest, text })
    }

    /// As the preparation does it.
    fn stage_rewritten(&self, rehearsal: &Rehearsal, nonce: &str) -> Result<(), Error> {
        let up = "../".repeat(self.manifest.components().count() - 1);
        self.stage(
            rehearsal,
            nonce,
            &format!("file:{up}{DOCKER_DEPS}/bakstop-{}-1.0.0.tgz", dependency(nonce)),
        )
    }

    fn stage(&self, rehearsal: &Rehearsal, nonce: &str, spec: &str) -> Result<(), Error> {
        let text =
            package::with_dependency(&self.text, &format!("@bakstop/{}", dependency(nonce)), spec);
        rehearsal.stage(&self.manifest, text.as_bytes())
    }
}

/// What the finding names, and nothing else in this run does.
fn dependency(nonce: &str) -> String {
    format!("proof-{nonce}")
}

/// Listens for an error of [`RULE`] that shows the dependency of this run. Both must stand in one
/// finding: another file may be an error beside a rewritten manifest that is but a warning.
struct Listener {
    dependency: Vec<u8>,
    /// Whether the lines are those of an error of the rule.
    inside: bool,
    heard: bool,
}

impl Listener {
    fn new(nonce: &str) -> Self {
        Self { dependency: dependency(nonce).into_bytes(), inside: false, heard: false }
    }

    fn hear(&mut self, line: &[u8]) {
        let starts = unpainted(line);
        if starts.is_empty()
            || [Severity::Error, Severity::Warning]
                .iter()
                .any(|one| starts.starts_with(&label(*one, "")))
        {
            // A finding ends with an empty line, or where the next one starts.
            self.inside = starts.starts_with(&label(Severity::Error, &format!("{}]", RULE.id)));
        }
        self.heard |= self.inside
            && line.windows(self.dependency.len()).any(|window| window == self.dependency);
    }
}

/// How the first line of a finding starts.
fn label(severity: Severity, rule: &str) -> Vec<u8> {
    format!("{}[{rule}", severity.name()).into_bytes()
}

/// A line from its first letter on, without the space and the colour before it.
fn unpainted(mut line: &[u8]) -> &[u8] {
    loop {
        line = line.trim_ascii_start();
        let Some(colour) = line.strip_prefix(b"\x1b[") else { return line };
        let end =
            colour.iter().position(u8::is_ascii_alphabetic).map_or(colour.len(), |end| end + 1);
        line = &colour[end..];
    }
}

/// Why it is no proof.
struct Obstacle {
    reason: String,
    help: Option<String>,
}

impl Obstacle {
    fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: Some(help.into()) }
    }
}

/// An attempt that proves nothing.
struct Attempt<'a> {
    context: &'a Context,
    git: &'a Git,
    layout: &'a Layout,
    manifest: &'a RepoPath,
    done: &'a Performance,
    /// Whether the guard reported the rewritten manifest as an error.
    heard: bool,
}

impl Attempt<'_> {
    fn obstacle(&self) -> Obstacle {
        let found = if self.done.code == Some(0) { self.passed() } else { self.failed() };
        // What cannot be looked at is what stands in the way.
        found.unwrap_or_else(|error| Obstacle {
            reason: format!("could not {}: {}", error.doing(), error.cause().replace('\n', "; ")),
            help: error.next_step().map(str::to_owned),
        })
    }

    /// Whether a hook that reported the guard's error also fails because of it. Of the hooks that
    /// bakstop installed that is known; of others it is tried, with a manifest that nobody could
    /// object to.
    fn counterproof(
        &self,
        again: impl FnOnce() -> Result<Performance, Error>,
    ) -> Result<Option<Obstacle>, Error> {
        let (_, health, _) = self.look()?;
        if health.state == HookState::InForce || again()?.code == Some(0) {
            return Ok(None);
        }
        let reason = format!(
            "pre-commit reports the rewritten {0}, but fails on a harmless {0} as well: whether the guard is heeded cannot be told",
            self.manifest
        );
        Ok(Some(Obstacle::new(
            reason,
            "mend what makes it fail; `bakstop prove -v` shows all that it said",
        )))
    }

    /// The lines of the committed configuration that let other manifests pass.
    fn spared_elsewhere(&self, rehearsal: &Rehearsal) -> Result<Vec<String>, Error> {
        let Some(config) = self.configuration()? else { return Ok(Vec::new()) };
        let manifests = rehearsal.files_named(MANIFEST)?;
        let spared: Vec<_> =
            manifests.iter().filter_map(|entry| config.spares(RULE, &entry.path)).collect();
        Ok(listed(&spared, |(origin, how)| {
            format!("bakstop: not proven elsewhere: {origin} {how}")
        }))
    }

    fn look(&self) -> Result<(Setup, Health, Vec<Interference>), Error> {
        let setup = Setup::find(self.layout, self.git, Choice::Detect, &[HOOK])?;
        let mut health = health::of(&setup, self.layout, &self.context.env)?;
        health.retain(|health| health.hook == HOOK);
        let health = health
            .pop()
            .ok_or_else(|| Error::new("look at the hooks", "nothing is known of pre-commit"))?;
        let interference = health::interference(&setup, &self.context.env)?;
        Ok((setup, health, interference))
    }

    /// The commit would have gone through.
    fn passed(&self) -> Result<Obstacle, Error> {
        if let Some(obstacle) = self.spared()? {
            return Ok(obstacle);
        }
        if self.heard {
            return Ok(Obstacle::new(
                format!(
                    "the guard reports the rewritten {}, and pre-commit passes all the same",
                    self.manifest
                ),
                "let the hook fail where the guard fails: `bakstop hook pre-commit || exit`",
            ));
        }
        let (setup, health, interference) = self.look()?;
        if let Some(obstacle) = not_in_force(&setup, &health).or_else(|| off(&interference)) {
            return Ok(obstacle);
        }
        if let Setup::Foreign(foreign) = &setup {
            return Ok(self.named(foreign, "let it through"));
        }
        let manifest = self.manifest;
        Ok(match (&health.state, &health.binary) {
            (HookState::Doubtful(reason), _) => Obstacle::new(
                format!("{reason}, and it let a rewritten {manifest} through"),
                "see what `bakstop install` says of it",
            ),
            (_, Some(program)) if !self.is_this(program) => {
                let program = told(program, self.layout);
                Obstacle::new(
                    format!("pre-commit runs {program}, which let a rewritten {manifest} through"),
                    self.renew(&setup, &health),
                )
            }
            _ => Obstacle::new(format!("pre-commit let a rewritten {manifest} through"), SEE),
        })
    }

    /// The line of the committed configuration that lets a rewritten manifest pass, if one does,
    /// and how.
    fn spared(&self) -> Result<Option<Obstacle>, Error> {
        let Some(config) = self.configuration()? else { return Ok(None) };
        let spared = config.spares(RULE, self.manifest);
        let help = format!("take that out of {}, and commit it", config::FILE);
        Ok(spared.map(|(origin, how)| Obstacle::new(format!("{origin} {how}"), help)))
    }

    fn configuration(&self) -> Result<Option<Config>, Error> {
        let objects = Rc::new(Objects::open(self.git, &self.context.env));
        let history = History::new(self.git.clone(), &self.context.env, Rc::clone(&objects));
        let Some(head) = history.head()? else { return Ok(None) };
        let tree = TreeChanges::new(&objects).unchanged(history.tree_of(&head)?);
        Config::from_change(&tree, || self.context.today()).map(Some)
    }

    /// The commit would have been blocked, but not by this rule.
    fn failed(&self) -> Result<Obstacle, Error> {
        let Some(code) = self.done.code else {
            return Ok(Obstacle::new("git was ended by a signal while it ran pre-commit", SEE));
        };
        let (setup, health, interference) = self.look()?;
        let manifest = self.manifest;
        let failed = format!("failed with exit code {code}");
        // What would have let it pass, had nothing else failed.
        let besides = |mut obstacle: Obstacle| {
            obstacle.reason += &format!("; pre-commit {failed} for another reason");
            obstacle
        };
        if let Some(why) = interference.iter().find(|one| matches!(one, Interference::Blocks(_))) {
            return Ok(Obstacle::new(
                format!("every commit is blocked: {why}"),
                format!("unset {SKIP}"),
            ));
        }
        if let Some(obstacle) = self.spared()? {
            return Ok(besides(obstacle));
        }
        if health.lacks_program {
            let help = self.renew(&setup, &health);
            return Ok(Obstacle::new("the guard finds no bakstop, and blocks everything", help));
        }
        if let Some(obstacle) = not_in_force(&setup, &health) {
            return Ok(if matches!(setup, Setup::Foreign(_)) {
                obstacle
            } else {
                besides(obstacle)
            });
        }
        if let Some(obstacle) = off(&interference) {
            return Ok(besides(obstacle));
        }
        if let Setup::Foreign(foreign) = &setup {
            return Ok(self.named(foreign, &failed));
        }
        let said = String::from_utf8_lossy(&self.done.said);
        if let Some(program) = &health.binary
            && !self.is_this(program)
            && binary::version(program).as_deref() != Some(env!("CARGO_PKG_VERSION"))
        {
            return Ok(Obstacle::new(
                format!(
                    "pre-commit runs {}; it {failed}, but not for {}",
                    told(program, self.layout),
                    RULE.id
                ),
                self.renew(&setup, &health),
            ));
        }
        if let Some((_, error)) = said.rsplit_once("error: could not ") {
            let mut lines = error.lines();
            let cause = Escaped(lines.next().unwrap_or_default().as_bytes()).to_string();
            let help = lines.find_map(|line| line.strip_prefix("help: "));
            let help = help.map_or(SEE.to_owned(), |help| Escaped(help.as_bytes()).to_string());
            return Ok(Obstacle::new(format!("the guard itself failed: could not {cause}"), help));
        }
        Ok(Obstacle::new(
            format!("pre-commit {failed}, but not because of the rewritten {manifest}"),
            "mend what makes it fail; `bakstop prove -v` shows all that it said",
        ))
    }

    /// Others run the hooks, and name bakstop.
    fn named(&self, foreign: &Foreign, ended: &str) -> Obstacle {
        let (cause, manifest) = (&foreign.cause, self.manifest);
        let reason = format!(
            "{cause}; bakstop is named there, but the hook did not block a rewritten {manifest}"
        );
        // The lines are there; what may be missing is the last step.
        Obstacle::new(format!("{reason} (it {ended})"), foreign.then.unwrap_or(SEE))
    }

    fn is_this(&self, program: &Path) -> bool {
        self.this().is_some_and(|this| binary::is_same_file(program, Path::new(&this)))
    }

    fn this(&self) -> Option<std::path::PathBuf> {
        binary::this(&self.context.directory, &self.context.env)
    }

    /// The command after which the hooks run this program.
    fn renew(&self, setup: &Setup, health: &Health) -> String {
        if matches!(setup, Setup::Native { tracked: false, .. }) {
            return INSTALL.to_owned();
        }
        let Some(this) = self.this() else {
            return "put this version into ~/.local/bin".to_owned();
        };
        let this = shell_quote(this.as_os_str().as_encoded_bytes()).into_owned();
        match &health.binary {
            Some(program) => {
                format!("install {this} {}", shell_quote(program.as_os_str().as_encoded_bytes()))
            }
            None => format!("mkdir -p ~/.local/bin && install {this} ~/.local/bin/bakstop"),
        }
    }
}

const INSTALL: &str = "bakstop install";
const SEE: &str = "`bakstop prove -v` shows what it said";

/// A hook that does not run the guard.
fn not_in_force(setup: &Setup, health: &Health) -> Option<Obstacle> {
    let HookState::NotInForce { reason, cure } = &health.state else { return None };
    Some(match (setup, cure) {
        (Setup::Foreign(foreign), _) if foreign.is_off() => {
            Obstacle::new(&foreign.cause, &foreign.by_hand)
        }
        (Setup::Foreign(foreign), _) => {
            Obstacle::new(format!("{}, and {reason}", foreign.cause), &foreign.by_hand)
        }
        _ if health.install_helps => Obstacle::new(reason, INSTALL),
        (_, Some(cure)) => Obstacle::new(reason, &cure.text),
        (_, None) => Obstacle::new(reason, SEE),
    })
}

/// What switches the guard off, or its rule.
fn off(interference: &[Interference]) -> Option<Obstacle> {
    interference.iter().rev().find_map(|one| {
        let (reason, help) = match one {
            Interference::Weakens(rules) if !rules.contains(&RULE.id) => return None,
            Interference::Blocks(_) => return None,
            Interference::Weakens(_) | Interference::Disarms(Off::EveryRule) => {
                (format!("not checked: {one}"), format!("unset {SKIP}"))
            }
            Interference::Disarms(Off::Variable(name)) => {
                (one.to_string(), format!("unset {name}"))
            }
            Interference::Disarms(Off::StartFile(_)) => {
                (one.to_string(), "take that line out of the file".to_owned())
            }
        };
        Some(Obstacle::new(reason, help))
    })
}

/// A program, and its version.
fn told(program: &Path, layout: &Layout) -> String {
    let version = binary::version(program)
        .map_or("no version of bakstop".to_owned(), |version| format!("version {version}"));
    format!("{} ({version})", shown(program, &layout.top))
}

/// The lines that are left of what the hook said, safe to print.
fn lines(done: &Performance) -> impl Iterator<Item = String> {
    let said = done.said.strip_suffix(b"\n").unwrap_or(&done.said);
    let lines =
        said.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|_| !said.is_empty()).map(|line| no_command(Escaped(line).to_string()))
}

fn human(
    obstacle: Option<&Obstacle>,
    done: &Performance,
    manifest: &RepoPath,
    seconds: f64,
    context: &Context,
) -> String {
    let (paint, hook) = (context.paint, HOOK.name());
    let Some(Obstacle { reason, help }) = obstacle else {
        let proven = paint.good("proven:");
        return format!(
            "{} {proven} {hook} blocked a rewritten {manifest} ({seconds:.2} s)\n",
            paint.strong("bakstop:")
        );
    };
    let mut text = format!("{} {} {reason}\n", paint.strong("bakstop:"), paint.bad("not proven:"));
    if let Some(help) = help {
        text += &format!("{} {help}\n", paint.strong("help:"));
    }
    let said: Vec<String> = lines(done).collect();
    if !said.is_empty() {
        text += &format!("\n{hook} said:\n");
        text += &said[said.len().saturating_sub(LINES)..]
            .iter()
            .map(|line| format!("  | {line}\n"))
            .collect::<String>();
    }
    text
}

/// `bakstop.prove/1`: a field may be added within a version; none is renamed, removed or given
/// another meaning.
fn machine(
    obstacle: Option<&Obstacle>,
    done: &Performance,
    manifest: &RepoPath,
    seconds: f64,
) -> String {
    document(&json!({
        "schema": "bakstop.prove/1",
        "proven": obstacle.is_none(),
        "hook": HOOK.name(),
        "manifest": path(manifest),
        "manifest_hex": path_hex(manifest),
        "reason": obstacle.map(|obstacle| &obstacle.reason),
        "help": obstacle.and_then(|obstacle| obstacle.help.as_ref()),
        "output": lines(done).collect::<Vec<_>>(),
        "seconds": (seconds * 1000.0).round() / 1000.0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &str) -> bool {
        let mut listener = Listener::new("n0nce");
        said.split('\n').for_each(|line| listener.hear(line.as_bytes()));
        listener.heard
    }

    #[test]
    fn an_error_of_the_rule_shows_the_dependency() {
        const RULE: &str = super::RULE.id;
        let shown = "  --> package.json:1:1\n   |\n 1 | \"x\": \"file:x/bakstop-proof-n0nce-1.0.0.tgz\"\n   |  ^^\n";
        for (said, expected) in [
            (format!("error[{RULE}]: x\n{shown}"), true),
            (format!("tests pass\n  \x1b[31m\x1b[1merror[{RULE}]\x1b[0m\x1b[0m: x\n{shown}"), true),
            (format!("error[stray-backup]: x\n\nerror[{RULE}]: x\n{shown}"), true),
            (format!("warning[{RULE}]: x\n{shown}"), false),
            (format!("error[{RULE}s]: x\n{shown}"), false),
            (
                format!("error[{RULE}]: x\n  --> web/package.json\n\nwarning[{RULE}]: x\n{shown}"),
                false,
            ),
            (
                format!("error[{RULE}]: x\n  --> web/package.json\nwarning[{RULE}]: x\n{shown}"),
                false,
            ),
            (
                format!(
                    "error[{RULE}]: x\n  --> web/package.json\n\x1b[33mwarning[{RULE}]\x1b[0m: x\n{shown}"
                ),
                false,
            ),
            (format!("error[{RULE}]: x\n  --> web/package.json\n\x1b[0m\n{shown}"), false),
            (format!("error[{RULE}]: x\n  --> web/package.json\nerror[other]: x\n{shown}"), false),
            (format!("warning[{RULE}]: x\n  --> error[{RULE}]/package.json\n{shown}"), false),
            (format!("{shown}error[{RULE}]: x\n"), false),
            (format!("error[{RULE}]: x\n{}", shown.replace("n0nce", "another")), false),
            ("\x1b[".to_owned(), false),
        ] {
            assert_eq!(heard(&said), expected, "{said}");
        }
    }
}
