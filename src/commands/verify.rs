//! `bakstop verify`: prove that a build left the work tree as it was.

use std::ffi::OsString;

use crate::child::{self, Ended, NotRun, Output};
use crate::commands::{Context, Outcome, listed, mend};
use crate::config::{self, Allowance, Config};
use crate::engine::{Engine, LIMIT};
use crate::error::Error;
use crate::finding::{Finding, Verdict};
use crate::git::worktree::{Look, OnDisk, WorkTree};
use crate::paint::Paint;
use crate::path::RepoPath;
use crate::report;
use crate::report::HumanOrJson;
use crate::report::cure::{SCRIPT, restore, wants_script};
use crate::report::verify::Verification;
use crate::rules::OF_PREPARATION;
use crate::snapshot::{Changes, State};

// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: HumanOrJson,

    /// Say so when nothing changed, on standard error
    #[arg(short, long)]
    verbose: bool,

    /// The build to run: report what it changes, and end with its exit code if it fails. Without one, report everything
    /// that is not clean
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Compares the work tree with a clean one, or with what it was before the command.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let tree = WorkTree::open(&context.directory)?;
    // As it is before the build, which may change it.
    let config = Config::of(&OnDisk::one(&tree, config::FILE.into())?, || context.today())?;
    let watch = Watch { args, context, tree: &tree, config: &config };
    let see_git = |error: Error| error.or_help("see what `git status` says here");
    let Some((program, arguments)) = args.command.split_first() else {
        let changes = tree.snapshot(Look::Paths, config.debris(), context.terminal).map_err(see_git)?.changes_since_clean();
        return watch.tell(changes, None);
    };
    let before = tree.snapshot(Look::Contents, config.debris(), context.terminal).map_err(see_git)?;
    let output = match args.format {
        HumanOrJson::Human => Output::Inherited,
        HumanOrJson::Json => Output::ToStandardError,
    };
    let ended = match child::run(program, arguments, output) {
        Ok(ended) => ended,
        Err(NotRun { code, error }) => {
            let notes = report::error(&error, Paint::PLAIN);
            return Ok(Outcome { code, out: String::new(), file: None, notes });
        }
    };
    let after = tree
        .snapshot(Look::Contents, config.debris(), context.terminal)
        .map_err(|error| error.or_help(format!("the command {}; see what `git status` says now", ended.told())))?;
    watch.tell(after.changes_since(before), Some(ended))
}

/// A work tree that is watched.
struct Watch<'a> {
    args: &'a Args,
    context: &'a Context,
    tree: &'a WorkTree,
    config: &'a Config,
}

impl Watch<'_> {
    fn tell(&self, mut changes: Changes, ended: Option<Ended>) -> Result<Outcome, Error> {
        let notes = self.allow(&mut changes);
        let mut findings = self.still_rewritten(&changes)?;
        let (tree, debris) = (self.tree, self.config.debris());
        mend(&mut findings, debris, &|path| tree.text(path, LIMIT), &|path| tree.committed(path));
        let removable = self.removable(&changes);
        let script = if wants_script(&findings) { tree.find_tracked(SCRIPT)? } else { None };
        let restore = restore(script.as_ref());
        let below_top = !tree.prefix().is_empty();
        let (changes, removable) = (&changes, &removable[..]);
        let verification =
            Verification { changes, findings: &findings, ended, below_top, removable, restore: &restore };
        let out = match self.args.format {
            HumanOrJson::Human => verification.human(self.context.paint),
            HumanOrJson::Json => verification.json(),
        };
        let verdict = if changes.is_empty() { Verdict::Clean } else { Verdict::Found };
        let mut outcome = notes.iter().fold(Outcome::new(verdict, out), Outcome::note);
        if let Some(ended) = ended.filter(|ended| ended.code() != 0) {
            outcome.code = ended.code();
            if changes.is_empty() {
                outcome = outcome.note(format!("bakstop: the command {}; the work tree is as it was", ended.told()));
            }
        } else if self.args.verbose && changes.is_empty() {
            let state = if ended.is_some() { "as it was" } else { "clean" };
            outcome = outcome.note(format!("bakstop: the work tree is {state}"));
        }
        Ok(outcome)
    }

    /// Takes out what the configuration allows, and gives the lines that tell of it.
    fn allow(&self, changes: &mut Changes) -> Vec<String> {
        let ended = self.config.ended_verify_allowances();
        let mut notes: Vec<String> =
            ended.map(|allowance| format!("bakstop: {}: this allowance has ended", allowance.origin)).collect();
        let mut hidden = Vec::new();
        changes.paths.retain(|difference| {
            let allowance = self.config.verify_allowance(&difference.path);
            hidden.extend(allowance.map(|allowance| (allowance, difference.path.clone())));
            allowance.is_none()
        });
        if self.args.verbose {
            let line = |(allowance, path): &(&Allowance, RepoPath)| {
                format!("bakstop: hidden by {}: {path}: {}", allowance.origin, allowance.reason)
            };
            notes.extend(listed(&hidden, line));
        }
        notes
    }

    /// The leftovers that nothing is lost with: packed packages, and backups that say what their original says.
    fn removable(&self, changes: &Changes) -> Vec<RepoPath> {
        let leftovers = changes
            .paths
            .iter()
            .filter(|difference| difference.after.as_ref().is_some_and(|dirt| dirt.states.contains(&State::Leftover)));
        let paths = leftovers.map(|difference| &difference.path);
        let tree = self.tree;
        let lost_nothing = |path: &&RepoPath| match self.config.debris().backed_up(path) {
            Some(original) => tree.text(&original, LIMIT).is_some_and(|text| tree.text(path, LIMIT) == Some(text)),
            // A backup of nobody knows what may be the only copy; a repository inside `.docker-deps` is nothing to remove on
            // someone's word.
            None => !self.config.debris().is_backup(path) && !path.as_bytes().ends_with(b"/"),
        };
        paths.filter(lost_nothing).cloned().collect()
    }

    /// What the rules say of the files in the work tree that are not clean, so that the report can tell a forgotten
    /// restore from an edit.
    fn still_rewritten(&self, changes: &Changes) -> Result<Vec<Finding>, Error> {
        let present = [State::Conflicted, State::Staged, State::Modified, State::Untracked];
        let paths = changes.paths.iter().filter(|difference| {
            difference.after.as_ref().is_some_and(|dirt| dirt.states.iter().any(|state| present.contains(state)))
        });
        let files = OnDisk::of(self.tree, paths.map(|difference| (difference.path.clone(), difference.is_new())));
        Ok(Engine::new(self.config).only(&OF_PREPARATION).judge(&files)?.findings)
    }
}
