//! `bakstop doctor --bases`: the base images of a repository, and whether all uses of one are the
//! same.

use std::collections::BTreeSet;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::builds::{BaseUse, Bases, Builds};
use crate::commands::Outcome;
use crate::report::{Format, bases as report};

// The arguments.
#[derive(Debug, clap::Args)]
pub(super) struct BasesArgs {
    /// List the base images instead of judging: image, tag, digest, place
    #[arg(long, conflicts_with_all = ["output", "deny_warnings", "verbose"])]
    bases: bool,

    /// List the uses of an image, and exit with 1 if their tags or digests differ
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["output", "deny_warnings", "verbose"])]
    same: Option<String>,
}

impl BasesArgs {
    pub(super) fn is_asked(&self) -> bool {
        self.bases || self.same.is_some()
    }

    /// The answer in a format; `builds` are those of the state that is judged.
    pub(super) fn outcome(
        &self,
        builds: Option<&Builds>,
        format: Format,
    ) -> Result<Outcome, Error> {
        let bases = builds.map(Bases::new).unwrap_or_default();
        let uses = match &self.same {
            Some(name) => uses_of(&bases, name)?,
            None => bases.uses.iter().collect(),
        };
        let out = match format {
            Format::Human => builds.map(|builds| report::human(builds, &uses)).unwrap_or_default(),
            Format::Json => report::json(builds, &bases, &uses),
            _ => {
                let cause = "the formats of this list are human and json";
                return Err(Error::new("list the base images", cause));
            }
        };
        let count = uses.iter().map(|base| &base.version).collect::<BTreeSet<_>>().len();
        let differs = self.same.is_some() && count > 1;
        let verdict = if differs { Verdict::Found } else { Verdict::Clean };
        let unknown = builds.map(|builds| report::unknown(builds, &bases)).unwrap_or_default();
        let mut outcome = unknown.iter().fold(Outcome::new(verdict, out), Outcome::note);
        if bases.uses.is_empty() && bases.unknown.is_empty() {
            outcome = outcome.note("bakstop: no Dockerfile here has a base image");
        }
        if let Some(name) = self.same.as_ref().filter(|_| differs) {
            let name = Escaped(name.as_bytes());
            outcome = outcome.note(format!("bakstop: {count} different versions of {name}"));
        }
        Ok(outcome)
    }
}

/// The uses of an image. One that nothing uses, or a tag that is unknown, is doubt.
fn uses_of<'b>(bases: &'b Bases, name: &str) -> Result<Vec<&'b BaseUse>, Error> {
    let doing = "compare the base images";
    let shown = Escaped(name.as_bytes());
    let Some(uses) = bases.of(name) else {
        let cause = format!("{shown} is not the name of an image without a tag");
        return Err(Error::new(doing, cause).help("for example: bakstop doctor --same node"));
    };
    if uses.is_empty() {
        let cause = format!("no Dockerfile here is based on {shown}");
        return Err(Error::new(doing, cause).help("to list all: bakstop doctor --bases"));
    }
    let known: BTreeSet<_> = uses.iter().filter_map(|base| base.version.as_ref()).collect();
    if known.len() < 2 && uses.iter().any(|base| base.version.is_none()) {
        let cause = format!("a variable without a default decides on the tag of {shown}");
        return Err(Error::new(doing, cause)
            .help("to list all: bakstop doctor --bases; give the ARG a default"));
    }
    Ok(uses)
}
