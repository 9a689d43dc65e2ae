//! Which repositories are asked, and about what: from the command line, or from a list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::{RepoPath, shell_argument};
use crate::commands::Context;
use crate::commands::recording::record;
use crate::disk::read::{self, FinalLink, ReadError};
use crate::fleet::drift::Canonical;
use crate::fleet::list::{FleetList, LIMIT, LinePattern};
use crate::git::versions::versions;
use crate::measure::runs::Run;

/// A repository to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FleetClone {
    /// As it was named, relative to the current directory.
    pub path: PathBuf,
    /// The name of its directory.
    pub name: String,
    /// Surfaces without builds.
    pub without: BTreeSet<String>,
    /// Templates that it does not have.
    pub without_templates: BTreeSet<String>,
    /// Why it is none.
    pub problem: Option<String>,
}

/// A file that each repository has a copy of.
#[derive(Debug)]
pub(super) struct KnownTemplate {
    /// As it was named, relative to the current directory.
    pub canonical: PathBuf,
    pub path: String,
    pub may_differ: Vec<LinePattern>,
    pub history: Canonical,
}

/// All that is asked.
#[derive(Debug, Default)]
pub(super) struct FleetQuestion {
    pub places: Vec<FleetClone>,
    pub templates: Vec<KnownTemplate>,
    /// The recorded builds; `None` without a record.
    pub runs: Option<Vec<Run>>,
    /// The record and the document of the decision, which no report may replace.
    pub inputs: Vec<Option<PathBuf>>,
    /// Whether the document of the decision exists (gate C7); `None` if the list names none.
    pub is_decided: Option<bool>,
}

impl FleetQuestion {
    /// The clones at or directly in these directories.
    pub(super) fn of_directories(directories: &[PathBuf]) -> Self {
        let here = [PathBuf::from(".")];
        let directories = if directories.is_empty() { &here[..] } else { directories };
        let mut places: Vec<FleetClone> = Vec::new();
        for place in directories.iter().flat_map(|directory| clones(directory)) {
            if places.iter().all(|known| known.path != place.path) {
                places.push(place);
            }
        }
        Self { places, ..Self::default() }
    }

    /// What a list names. Reads the history of each canonical file, and the record.
    pub(super) fn of_list(file: &Path, context: &Context) -> Result<Self, Error> {
        let shown = RepoPath::from(file).to_string();
        let text = read::file(file, FinalLink::Follow, LIMIT).map_err(|error| {
            let help = match error {
                ReadError::TooLarge { .. } => "make it smaller",
                _ => "name a list that exists and is readable",
            };
            Error::new(format!("read the list {shown}"), error).help(help)
        })?;
        let list = FleetList::parse(&shown, &text)?;
        let base = file.parent().unwrap_or(Path::new(""));
        let mut templates = Vec::new();
        for template in list.templates {
            let canonical = base.join(&template.canonical);
            let history = versions(&canonical, &context.env)?;
            let (path, may_differ) = (template.path, template.may_differ);
            templates.push(KnownTemplate { canonical, path, may_differ, history });
        }
        let places = list.repositories.into_iter().map(|listed| FleetClone {
            without: listed.surfaces.into_keys().collect(),
            without_templates: listed.templates.into_keys().collect(),
            ..FleetClone::at(base.join(listed.path))
        });
        let named = |path: &str| (!path.is_empty()).then(|| base.join(path));
        let inputs = vec![named(&list.record), named(&list.decision)];
        let runs = match &inputs[0] {
            Some(file) => record::read(file)?,
            None => None,
        };
        let is_decided = inputs[1].as_ref().map(|file| file.is_file());
        Ok(Self { places: places.collect(), templates, runs, inputs, is_decided })
    }
}

/// A clone; or else every clone directly in a directory, sorted by name.
fn clones(directory: &Path) -> Vec<FleetClone> {
    let is_clone = |directory: &Path| directory.join(".git").symlink_metadata().is_ok();
    if is_clone(directory) {
        return vec![FleetClone::at(directory.to_owned())];
    }
    let problem = |problem: String| {
        vec![FleetClone { problem: Some(problem), ..FleetClone::at(directory.to_owned()) }]
    };
    match read::list(directory) {
        Err(error) => problem(error.to_string()),
        Ok(mut inner) => {
            inner.retain(|path| is_clone(path));
            inner.sort_unstable();
            if inner.is_empty() {
                return problem("it is no clone, and there is none directly in it".into());
            }
            let below = |path: PathBuf| match path.strip_prefix(".") {
                Ok(inner) => inner.to_owned(),
                Err(_) => path,
            };
            inner.into_iter().map(below).map(FleetClone::at).collect()
        }
    }
}

impl FleetClone {
    /// The path as an argument of `-C` in a shell: no option.
    pub(super) fn argument(&self) -> String {
        shell_argument(self.path.as_os_str().as_encoded_bytes())
    }

    fn at(path: PathBuf) -> Self {
        let known = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = known.file_name().or(path.file_name()).unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let (without, without_templates) = (BTreeSet::new(), BTreeSet::new());
        Self { path, name, without, without_templates, problem: None }
    }
}
