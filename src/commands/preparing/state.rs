//! Whether a preparation is up to date, for other verbs than `prep`.

use crate::base::error::Error;
use crate::commands::preparing::directory::LeftoverDirectory;
use crate::commands::preparing::request::{self, Request};
use crate::commands::preparing::sibling::Sibling;
use crate::config::Config;
use crate::git::worktree::WorkTree;
use crate::prepare::record::Record;

/// The record of the last preparation of a work tree; `None` if it is not prepared.
pub(in crate::commands) fn record(
    tree: &WorkTree,
    config: &Config,
) -> Result<Option<Record>, Error> {
    let about = request::directory(config.prep(), config.debris())?;
    Ok(LeftoverDirectory::new(tree.top(), &about).record())
}

/// The packages whose inputs in the sibling are others now. Starts git alone, and reads all files
/// of the sibling's packages.
pub(in crate::commands) fn outdated(
    tree: &WorkTree,
    config: &Config,
    record: &Record,
) -> Result<Vec<String>, Error> {
    let keys = Sibling::read(&Request::again(config, tree.top(), record)?)?.keys()?;
    Ok(record.outdated(&keys).into_iter().map(str::to_owned).collect())
}
