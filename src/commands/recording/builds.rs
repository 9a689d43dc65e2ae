//! What Docker recorded of the builds of a run. buildx notes each build on disk when it starts, and
//! the daemon keeps its history: both are read after the run, so that the run is as without us.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::escape::Escaped;
use crate::commands::docker::{NO_DOCKER, docker};
use crate::disk::read::{self, FinalLink};
use crate::measure::builds::{RecordedBuild, recorded_name};
use crate::measure::progress::{BuildProgress, Listed, LocalState};
use crate::os::child::{self, AnswerLimits, NoAnswer, Printed};
use crate::os::env::Environment;

/// The time for all questions together.
const TIME: Duration = Duration::from_secs(8);
/// The maximum size in bytes of the list of the history, and of the progress of a build.
const LIST: u64 = 1 << 20;
const PROGRESS: u64 = 32 << 20;
/// The maximum size in bytes of the state of a build.
const STATE: u64 = 64 * 1024;
/// The maximum number of builds of a run, and of states that began with it.
const BUILDS: usize = 50;
const STATES: usize = 500;
/// The directory of the states of groups, next to builders.
const GROUPS: &str = "__group__";
const OLD: &str = "`docker buildx history` is missing: it needs buildx 0.20";

/// The builds that buildx knew before a run.
#[derive(Debug)]
pub(in crate::commands) struct Before {
    /// `None` if its directory is unknown.
    states: Option<PathBuf>,
    known: BTreeSet<NotedBuild>,
}

/// A build that buildx noted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NotedBuild {
    builder: String,
    node: String,
    id: String,
}

/// The builds of a run; or why they are unknown.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct Found {
    pub builds: Result<Vec<RecordedBuild>, String>,
    /// Whether two builds of one target ran at the same time.
    pub overlapping: bool,
}

impl Before {
    /// Lists the builds that buildx knows.
    pub(in crate::commands) fn look(env: &Environment) -> Self {
        let states = states_directory(env);
        let known = states.as_deref().map(list_states).unwrap_or_default();
        Self { states, known }
    }

    /// The builds since then whose context or Dockerfile is in a work tree.
    pub(in crate::commands) fn builds_since(&self, top: &Path, env: &Environment) -> Found {
        match self.ask(top, env) {
            Ok(mut found) => {
                found.sort_by(|(one, ..), (other, ..)| {
                    (&one.target, &one.dockerfile).cmp(&(&other.target, &other.dockerfile))
                });
                let overlapping = are_overlapping(&found);
                let builds = Ok(found.into_iter().map(|(build, _)| build).collect());
                Found { builds, overlapping }
            }
            Err(reason) => Found { builds: Err(recorded_name(&reason)), overlapping: false },
        }
    }

    /// The builds with their intervals, or why they are unknown.
    fn ask(&self, top: &Path, env: &Environment) -> Result<Vec<Timed>, String> {
        let docker = docker(env).ok_or(NO_DOCKER)?;
        let states = self.states.as_deref().ok_or("the directory of buildx is unknown")?;
        let new: Vec<NotedBuild> = list_states(states).difference(&self.known).cloned().collect();
        if new.len() > STATES {
            return Err(format!("more than {STATES} builds began at the same time"));
        }
        let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
        let ours: Vec<(NotedBuild, LocalState)> = new
            .into_iter()
            .filter_map(|state| {
                let local = state.read(states)?;
                is_in(&top, &local).then_some((state, local))
            })
            .collect();
        if ours.is_empty() {
            return Err("buildx noted no build of this work tree".to_owned());
        }
        if ours.len() > BUILDS {
            return Err(format!("more than {BUILDS} builds"));
        }
        Questions { docker, deadline: Instant::now() + TIME }.builds(&ours, &top)
    }
}

/// A build, and its start and end in seconds since the epoch.
type Timed = (RecordedBuild, Option<(f64, f64)>);

/// Whether two builds of one target ran at the same time: one may be of another run.
fn are_overlapping(builds: &[Timed]) -> bool {
    let overlap = |(one, interval): &Timed, (other, second): &Timed| {
        let is_same = one.target == other.target && one.dockerfile == other.dockerfile;
        let (Some((start, end)), Some((begin, finish))) = (interval, second) else {
            return is_same;
        };
        is_same && start < finish && begin < end
    };
    let mut rest = builds;
    while let Some((first, others)) = rest.split_first() {
        if others.iter().any(|other| overlap(first, other)) {
            return true;
        }
        rest = others;
    }
    false
}

/// Questions to docker.
struct Questions {
    docker: PathBuf,
    deadline: Instant,
}

impl Questions {
    fn builds(&self, ours: &[(NotedBuild, LocalState)], top: &Path) -> Result<Vec<Timed>, String> {
        let builders: BTreeSet<&str> = ours.iter().map(|(state, _)| &*state.builder).collect();
        let mut listed = Vec::new();
        for builder in builders {
            listed.extend(self.history(builder)?);
        }
        let build = |(state, local): &(NotedBuild, LocalState)| {
            let reference = format!("{}/{}/{}", state.builder, state.node, state.id);
            let about = listed.iter().find(|listed| listed.reference == reference);
            let about = about.ok_or("the history of the builder lacks a build of this run")?;
            let progress = self.progress(state)?;
            let build = progress.build(about, &local.target, &dockerfile(top, local));
            Ok((build, about.interval()))
        };
        ours.iter().map(build).collect()
    }

    /// The builds that the daemon of a builder remembers.
    fn history(&self, builder: &str) -> Result<Vec<Listed>, String> {
        let arguments = ["buildx", "--builder", builder, "history", "ls", "--format", "json"];
        let answer = self.ask(&arguments, LIST, "ls")?;
        if let Some(list) = Listed::parse(&answer.out).filter(|_| answer.succeeded) {
            return Ok(list);
        }
        // An old buildx prints its help, or an error about an option.
        let text = [&answer.out[..], &answer.errors].concat();
        let text = String::from_utf8_lossy(&text);
        if [
            "Usage:",
            "unknown flag",
            "unknown command",
            "unknown shorthand",
            "not a docker command",
        ]
        .iter()
        .any(|words| text.contains(words))
        {
            return Err(OLD.to_owned());
        }
        Err(failure("ls", &answer))
    }

    /// The progress of a build.
    fn progress(&self, state: &NotedBuild) -> Result<BuildProgress, String> {
        let NotedBuild { builder, id, .. } = state;
        let arguments =
            ["buildx", "--builder", builder, "history", "logs", "--progress", "rawjson", id];
        let answer = self.ask(&arguments, PROGRESS, "logs")?;
        if !answer.succeeded {
            return Err(failure("logs", &answer));
        }
        BuildProgress::parse(&answer.errors)
            .or_else(|| BuildProgress::parse(&answer.out))
            .ok_or_else(|| "the answer of `docker buildx history logs` cannot be read".to_owned())
    }

    fn ask(&self, arguments: &[&str], bytes: u64, name: &str) -> Result<Printed, String> {
        let time = self.deadline.saturating_duration_since(Instant::now());
        child::answer(&self.docker, arguments, AnswerLimits { time, bytes }).map_err(|why| {
            let what = match why {
                NoAnswer::NotStarted => "cannot be started",
                NoAnswer::NotInTime => "does not answer in time",
                NoAnswer::TooLong => "prints too much",
            };
            format!("`docker buildx history {name}` {what}")
        })
    }
}

/// The reason of a call that failed, or whose answer cannot be read.
fn failure(name: &str, answer: &Printed) -> String {
    let errors = String::from_utf8_lossy(&answer.errors);
    let reason = errors.lines().map(str::trim).find(|line| !line.is_empty());
    let call = format!("`docker buildx history {name}`");
    match reason {
        _ if answer.succeeded => format!("the answer of {call} cannot be read"),
        Some(reason) => format!("{call} fails: {}", Escaped(reason.as_bytes())),
        None => format!("{call} fails"),
    }
}

/// `$BUILDX_CONFIG/refs`, or that of the configuration of docker.
fn states_directory(env: &Environment) -> Option<PathBuf> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let buildx = set("BUILDX_CONFIG")
        .or_else(|| Some(set("DOCKER_CONFIG")?.join("buildx")))
        .or_else(|| Some(set("HOME")?.join(".docker/buildx")))?;
    // Docker is asked in another directory.
    buildx.is_absolute().then(|| buildx.join("refs"))
}

/// The builds in `BUILDER/NODE/ID`. What cannot be listed has none.
fn list_states(directory: &Path) -> BTreeSet<NotedBuild> {
    let names = |directory: &Path| -> Vec<String> {
        let paths = read::list(directory).unwrap_or_default();
        let name = |path: PathBuf| path.file_name()?.to_str().map(str::to_owned);
        // They are arguments of docker.
        paths.into_iter().filter_map(name).filter(|name| is_plain(name)).collect()
    };
    let mut states = BTreeSet::new();
    for builder in names(directory).into_iter().filter(|name| name != GROUPS) {
        for node in names(&directory.join(&builder)) {
            for id in names(&directory.join(&builder).join(&node)) {
                states.insert(NotedBuild { builder: builder.clone(), node: node.clone(), id });
            }
        }
    }
    states
}

/// Whether a name is one of docker's: letters, digits and some marks, and not an option.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.starts_with(['-', '.']) && name.bytes().all(plain)
}

impl NotedBuild {
    fn read(&self, directory: &Path) -> Option<LocalState> {
        let path = directory.join(&self.builder).join(&self.node).join(&self.id);
        LocalState::parse(&read::file(&path, FinalLink::Refuse, STATE).ok()?)
    }
}

/// Whether the context or the Dockerfile of a build is in a work tree. Addresses and `-` are not.
fn is_in(top: &Path, local: &LocalState) -> bool {
    let paths = [&local.local_path, &local.dockerfile_path].map(Path::new);
    paths.iter().any(|path| path.is_absolute() && below(top, path).is_some())
}

/// The path from the top of a work tree.
fn below(top: &Path, path: &Path) -> Option<PathBuf> {
    read::canonicalize_existing(path).strip_prefix(top).ok().map(Path::to_owned)
}

/// The path of the Dockerfile from the top, or its name.
fn dockerfile(top: &Path, local: &LocalState) -> String {
    // Without one, it is that of the context.
    let named = Some(&*local.dockerfile_path).filter(|path| !path.is_empty());
    let path = Path::new(named.unwrap_or("Dockerfile"));
    let path =
        if path.is_absolute() { path.to_owned() } else { Path::new(&local.local_path).join(path) };
    let shown = below(top, &path).or_else(|| path.file_name().map(PathBuf::from));
    shown.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_and_dockerfiles_in_the_work_tree_are_ours() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let top = root.join("shop");
        std::fs::create_dir_all(top.join("web")).unwrap();
        std::os::unix::fs::symlink("shop", root.join("link")).unwrap();
        let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
        for (context, dockerfile, ours, named) in [
            (at("shop"), at("shop/web/Dockerfile"), true, "web/Dockerfile"),
            (at("link"), at("link/Dockerfile"), true, "Dockerfile"),
            (at("shop/gone"), String::new(), true, "gone/Dockerfile"),
            (at("staged"), at("shop/Dockerfile"), true, "Dockerfile"),
            (at("shop"), at("other/My.Dockerfile"), true, "My.Dockerfile"),
            (at("shop2"), at("shop2/Dockerfile"), false, "Dockerfile"),
            (at("shop/../other"), String::new(), false, "Dockerfile"),
            ("https://example.org/shop.git".into(), String::new(), false, "Dockerfile"),
            ("git@example.org:a/shop".into(), "Dockerfile".into(), false, "Dockerfile"),
            ("-".into(), String::new(), false, "Dockerfile"),
        ] {
            let local = LocalState {
                target: String::new(),
                local_path: context,
                dockerfile_path: dockerfile,
            };
            assert_eq!(is_in(&top, &local), ours, "{local:?}");
            assert_eq!(super::dockerfile(&top, &local), named, "{local:?}");
        }
    }

    #[test]
    fn builds_of_one_target_must_not_overlap() {
        let build = |target: &str| crate::measure::builds::tests::build(target, &[]);
        for (one, other, expected) in [
            ((build("a"), Some((0.0, 5.0))), (build("a"), Some((4.0, 9.0))), true),
            ((build("a"), Some((0.0, 5.0))), (build("a"), Some((5.0, 9.0))), false),
            ((build("a"), Some((0.0, 5.0))), (build("b"), Some((4.0, 9.0))), false),
            ((build("a"), None), (build("a"), Some((4.0, 9.0))), true),
        ] {
            assert_eq!(are_overlapping(&[one, other]), expected);
        }
    }

    #[test]
    fn names_are_no_options() {
        for (name, plain) in [("default", true), ("a.b_c-1", true), ("-a", false), ("a b", false)] {
            assert_eq!(is_plain(name), plain, "{name}");
        }
    }
}
