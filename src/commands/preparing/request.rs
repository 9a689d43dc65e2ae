//! The packages to prepare, from the arguments and the configuration.

use std::path::{Path, PathBuf};

use crate::base::debris::{DOCKER_DEPS, Debris, Directory};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::config::{self, Config};
use crate::prepare::record::Record;
use crate::prepare::settings::{PrepSettings, SiblingBuild};

/// Completes "could not …".
pub(in crate::commands) const DOING: &str = "prepare a build";

/// A request for a preparation.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Request {
    /// The root of the sibling.
    pub from: PathBuf,
    /// As it was named, safe to print.
    pub shown_from: String,
    /// Its path from the top of the repository, for the record.
    pub recorded_from: String,
    /// The leftover directory to write to.
    pub into: Directory,
    pub settings: PrepSettings,
}

impl Request {
    /// The request of a repository with this configuration. `from` overrules the sibling, and is
    /// relative to `here`; `no_build` overrules the build.
    pub(in crate::commands) fn new(
        config: &Config,
        top: &Path,
        (from, here): (Option<&Path>, &Path),
        no_build: bool,
    ) -> Result<Self, Error> {
        let mut settings = config.prep().clone();
        if no_build {
            settings.build = SiblingBuild::None;
        }
        let configured = settings.from.as_deref().map(Path::new);
        let (base, named) = match (from, configured) {
            (Some(from), _) => (here, from),
            (None, Some(from)) => (top, from),
            (None, None) => return Err(unnamed()),
        };
        let shown_from = RepoPath::from(named).to_string();
        let from = base.join(named);
        let from = from.canonicalize().ok().filter(|from| from.is_dir()).ok_or_else(|| {
            Error::new(format!("find the sibling {shown_from}"), "it is not a directory")
                .help("clone it there, or name it: bakstop prep --from DIR")
        })?;
        let recorded_from = relative(top, &from);
        let into = directory(&settings, config.debris())?;
        Ok(Self { from, shown_from, recorded_from, into, settings })
    }

    /// The request of a preparation that was made.
    pub(in crate::commands) fn again(
        config: &Config,
        top: &Path,
        record: &Record,
    ) -> Result<Self, Error> {
        Self::new(config, top, (Some(Path::new(&record.from)), top), !record.builds)
    }
}

/// The path to an absolute directory from another one: no path of this machine is recorded, and an
/// image may copy the record.
fn relative(top: &Path, directory: &Path) -> String {
    let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    let (mut up, mut base) = (PathBuf::new(), top.as_path());
    let inner = loop {
        match (directory.strip_prefix(base), base.parent()) {
            (Ok(inner), _) => break inner,
            (Err(_), Some(above)) => {
                up.push("..");
                base = above;
            }
            (Err(_), None) => break directory,
        }
    };
    up.join(inner).to_string_lossy().into_owned()
}

fn unnamed() -> Error {
    let example = "{\"prep\": {\"from\": \"../platform\"}}";
    Error::new("find the sibling", "nothing names it")
        .help(format!("name it in {}: {example}; or: bakstop prep --from DIR", config::FILE))
}

/// The leftover directory to write to.
pub(in crate::commands) fn directory(
    settings: &PrepSettings,
    debris: &Debris,
) -> Result<Directory, Error> {
    let name = settings.into.as_deref().unwrap_or(DOCKER_DEPS);
    let known = debris.directories().iter().find(|directory| directory.name == name);
    known.cloned().ok_or_else(|| {
        Error::new(DOING, format!("{name} is not a leftover directory of {}", config::FILE))
            .help("add it to `debris`, or name another one as `into` of `prep`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_recorded_from_the_top() {
        for (top, directory, path) in [
            ("/a/product", "/a/plat", "../plat"),
            ("/a/product", "/plat/x", "../../plat/x"),
            ("/a/product", "/a/product/plat", "plat"),
            ("/a/product", "/a/product", ""),
        ] {
            assert_eq!(relative(Path::new(top), Path::new(directory)), path);
        }
    }
}
