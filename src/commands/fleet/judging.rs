//! Judges the repository of the current directory, in a process of its own: what is committed, by
//! its own configuration; the work tree; the hooks.

use std::rc::Rc;

use serde_json::json;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::fleet::committed::{self, first, unknown};
use crate::commands::fleet::judged::FleetAnswer;
use crate::commands::status::ShortStatus;
use crate::commands::{Context, Outcome, preparing, prove, status};
use crate::config::{self, Config};
use crate::fleet::{Cell, CellState};
use crate::git::history::History;
use crate::git::objects::Objects;
use crate::git::process::text;
use crate::git::worktree::files::OnDisk;
use crate::git::worktree::{Detail, WorkTree};
use crate::git::{Git, versions};
use crate::report::json::document;
use crate::report::plural;

/// The answer for the process that asks, as a document.
pub(super) fn answer(prove: bool, files: &[String], context: &Context) -> Outcome {
    match judge(prove, files, context) {
        Ok(judged) => Outcome::new(Verdict::Clean, document(&judged.json())),
        Err(error) => {
            let about = json!({ "cause": error.cause(), "help": error.next_step() });
            Outcome::new(Verdict::Failed, document(&json!({ "error": about })))
        }
    }
}

fn judge(prove: bool, files: &[String], context: &Context) -> Result<FleetAnswer, Error> {
    let tree = WorkTree::open(&context.directory).map_err(|error| broken(error, context))?;
    let tree = tree.with_config_home(context.env.get("XDG_CONFIG_HOME"));
    if !tree.prefix().is_empty() {
        // Git passes over a `.git` that is no repository.
        let top = RepoPath::from(tree.top());
        return Err(Error::new("judge a repository", format!("git finds that of {top} here"))
            .help("check .git in this directory, or name that repository"));
    }
    let git = Git::new(&context.directory);
    let objects = Rc::new(Objects::open(&git, &context.env));
    let head = History::new(git.clone(), &context.env, Rc::clone(&objects)).head()?;
    let files = head.map(|_| versions::committed(&git, &objects, files)).transpose()?;
    let on_disk = OnDisk::file(&tree, config::FILE.into())?;
    let own = Config::from_change(&on_disk, || context.today());
    let tree_cell = match &own {
        Ok(config) => work_tree(&tree, config)?,
        Err(error) => unknown(error),
    };
    let prepared = own.as_ref().map_or_else(unknown, |config| prepared(&tree, config));
    let ([rules, pins, lockfile, docker], surfaces) = match head {
        Some(head) => committed::cells(&head, &objects, context)?,
        None => (std::array::from_fn(|_| Cell::open()), Vec::new()),
    };
    let branch = branch(&git, head)?;
    Ok(FleetAnswer {
        cells: vec![branch, rules, tree_cell, hook(context), pins, prepared, lockfile, docker],
        blocks: prove.then(|| blocks(context)),
        surfaces,
        files,
    })
}

/// The error about a `.git` that git does not accept, with the part that it lacks.
fn broken(error: Error, context: &Context) -> Error {
    let own = context.directory.join(".git");
    let Ok(about) = own.symlink_metadata() else { return error };
    if !error.cause().contains("not a git repository") {
        return error;
    }
    let missing = ["HEAD", "objects", "refs"].iter().find(|part| !own.join(part).exists());
    let cause = match missing {
        Some(part) if about.is_dir() => format!("not a git repository: .git has no {part}"),
        _ => error.cause().to_owned(),
    };
    Error::new(error.doing(), cause).help("repair its .git, or clone it again")
}

/// "main 1a2b3c4, behind 3", by the refs that are here.
fn branch(git: &Git, head: Option<ObjectId>) -> Result<Cell, Error> {
    let doing = "find the branch";
    let commit = head.map_or_else(
        || "no commit".to_owned(),
        |id| id.to_string().chars().take(7).collect::<String>(),
    );
    let Some(branch) = git.query(doing, &["symbolic-ref", "--quiet", "HEAD"])? else {
        return Ok(Cell::good(format!("detached {commit}")));
    };
    let branch = text(&branch);
    let name = Escaped(branch.trim_start_matches("refs/heads/").as_bytes()).to_string();
    let format = "--format=%(refname) %(upstream:track,nobracket)";
    let answer = text(&git.output(doing, &["for-each-ref", format, "--", &branch])?);
    // Git lists refs below this name as well.
    let track = answer.lines().find_map(|line| line.strip_prefix(&branch)?.strip_prefix(' '));
    match track.unwrap_or_default() {
        "" => Ok(Cell::good(format!("{name} {commit}"))),
        "gone" => Ok(Cell::good(format!("{name} {commit}, no upstream"))),
        track => {
            let is_behind = track.contains("behind");
            let state = if is_behind { CellState::Warning } else { CellState::Good };
            let cell = Cell::new(state, format!("{name} {commit}, {}", Escaped(track.as_bytes())));
            Ok(if is_behind { cell.detail("by the refs that were fetched last") } else { cell })
        }
    }
}

/// Whether the work tree is clean now.
fn work_tree(tree: &WorkTree, config: &Config) -> Result<Cell, Error> {
    let mut changes = tree.snapshot(Detail::Paths, config.debris(), false)?.changes_since_clean();
    changes.paths.retain(|difference| config.verify_allowance(&difference.path).is_none());
    let cell = if !changes.paths.is_empty() {
        let names = changes.paths.iter().map(|difference| difference.path.to_string());
        Cell::new(CellState::Bad, plural(changes.paths.len(), "path")).detail(first(names))
    } else if !changes.is_empty() {
        let names = changes.begun.iter().map(|operation| operation.name().to_owned());
        Cell::new(CellState::Bad, "unfinished").detail(first(names))
    } else if !changes.unexamined.is_empty() {
        let names = changes.unexamined.iter().map(ToString::to_string);
        Cell::new(CellState::Warning, "clean").detail(format!("not examined: {}", first(names)))
    } else {
        return Ok(Cell::good("clean"));
    };
    Ok(cell.command("verify"))
}

fn hook(context: &Context) -> Cell {
    let ShortStatus { verdict, reason, next } = match status::in_short(context) {
        Ok(found) => found,
        Err(error) => return unknown(&error).command("status"),
    };
    let (state, text) = match verdict {
        Verdict::Clean => return Cell::good("in force"),
        Verdict::Found => (CellState::Bad, "no"),
        Verdict::Failed => (CellState::Unknown, "unknown"),
    };
    Cell::new(state, text).detail(reason).command(next)
}

/// Gate C4.
fn blocks(context: &Context) -> Cell {
    match prove::obstacle(context) {
        Ok(None) => Cell::good("yes"),
        Ok(Some(reason)) => Cell::new(CellState::Bad, "no").detail(reason).command("prove"),
        Err(error) => unknown(&error).command("prove"),
    }
}

/// Whether the work tree is prepared now. Builds use the packages of a sibling as they were.
fn prepared(tree: &WorkTree, config: &Config) -> Cell {
    let Some(prepared) = preparing::state::look(tree, config) else { return Cell::open() };
    match prepared.outdated {
        Ok(names) if names.is_empty() => Cell::good("prepared"),
        Ok(names) => {
            let names = names.iter().map(|name| Escaped(name.as_bytes()).to_string());
            let detail = format!("the sibling has moved on: {}", first(names));
            Cell::new(CellState::Warning, "outdated").detail(detail).command("prep")
        }
        Err(error) => {
            let detail = format!("its sibling is not compared: {}", error.cause());
            Cell::new(CellState::Warning, "prepared").detail(detail)
        }
    }
}
