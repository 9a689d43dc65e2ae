//! Judging for `check`, `doctor` and `hook`: reads what a scope covers, judges it, and chooses the
//! next steps.

mod judged;
mod reported;
mod origins;
mod narrowed;
mod past;
mod present;

use std::io::{IsTerminal, Read};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::refs::{self, RefUpdate};
use crate::commands::Context;
use crate::commands::paths::Paths;
pub(super) use judged::{Judged, Options, Scope, configuration, engine};
use past::Past;
use present::{staged, work_tree};
pub(super) use reported::{ANOTHER_CONFIG, ReportArgs};

pub(super) fn judge(
    scope: &Scope,
    options: &Options<'_>,
    context: &Context,
) -> Result<Judged, Error> {
    let paths = Paths::of(options.paths, narrowed::DOING, context)?;
    let past = || Past::open(options, &paths, context);
    match scope {
        Scope::Staged => staged(options, &paths, context),
        Scope::WorkTree => work_tree(options, &paths, context),
        Scope::Tree(name) => past().tree(name),
        Scope::Head => past().head(),
        Scope::Range { spec, tip: true } => past().tip(spec),
        Scope::Range { spec, tip: false } => past().range(spec),
        Scope::Push(remote) => past().push(&updates(refs::parse_pre_push)?, remote.as_deref()),
        Scope::PushOf { remote, tip } => past().push_of(tip, remote),
        Scope::Receive => past().receive(&updates(refs::parse_pre_receive)?),
        Scope::History => past().history(),
    }
}

/// The maximum size in bytes of the input of a hook: more than a million lines.
const LINES: u64 = 256 * 1024 * 1024;

/// Reads the ref updates that git passes to a hook on standard input.
fn updates(parse: fn(&[u8]) -> Option<RefUpdate>) -> Result<Vec<RefUpdate>, Error> {
    let doing = "read the pushed refs from standard input";
    let input = std::io::stdin().lock();
    if input.is_terminal() {
        return Err(Error::new(doing, "it is a terminal").help(
            "git passes a line for each ref there; to check commits: bakstop check --range REV",
        ));
    }
    let mut text = Vec::new();
    let read =
        input.take(LINES).read_to_end(&mut text).map_err(|error| Error::new(doing, error))?;
    if read as u64 == LINES {
        return Err(Error::new(doing, "the input is too long")
            .help("see githooks(5) for the input of a hook"));
    }
    refs::lines(&text, parse).map_err(|line| {
        Error::new(doing, format!("unexpected line: {}", Escaped(line)))
            .help("see githooks(5) for the input of a hook")
    })
}
