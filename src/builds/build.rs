//! One build: its stages and steps, and what they take from its context.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::build_files::BuildFiles;
use crate::builds::context::{self, BuildContext, RepoTree};
use crate::builds::described::{BuildOrigin, Given};
use crate::builds::installs::{self, Install};
use crate::builds::steps::{Action, BuildStage, BuildStep, CopyStep};
use crate::formats::joined::Joined;
use crate::models::dockerfile::Base;
use crate::pins::FilePins;
use crate::project::workspaces::Workspaces;

/// A build of an image.
#[derive(Debug)]
pub(crate) struct Build {
    /// The number of its Dockerfile in the project, or of the file that has it inside.
    pub dockerfile: usize,
    /// Its Dockerfile, if another file has it inside.
    pub inline: Option<Inline>,
    /// `None` if it is unknown: then only the Dockerfile itself is judged.
    pub context: Option<BuildContext>,
    pub stages: Vec<BuildStage>,
    pub given: Given,
    /// What says that there is this build; `None` if the Dockerfile alone does.
    pub origin: Option<BuildOrigin>,
    pub(super) files: BuildFiles,
}

/// A Dockerfile inside of another file, such as a compose file.
#[derive(Debug)]
pub(crate) struct Inline {
    pub text: Joined,
    pub pins: FilePins,
}

impl Inline {
    /// Its place in the file.
    pub(crate) fn span(&self) -> Span {
        self.text.span(&(0..self.text.bytes.len()))
    }
}

/// A source in the context of a build.
#[derive(Debug)]
pub(crate) struct ContextSource<'b> {
    /// As it is written; `None` if it is unknown, or a URL.
    pub path: Option<&'b str>,
    pub span: &'b Span,
    /// What takes it, before its name: "COPY", "ADD", "the mount of".
    pub how: &'static str,
    /// `None` for a mount.
    pub copy: Option<&'b CopyStep>,
    /// The number of the stage.
    pub stage: usize,
}

/// The source that a file comes from.
#[derive(Debug)]
pub(crate) struct CopiedFrom {
    pub span: Span,
    /// The number of the stage.
    pub stage: usize,
}

impl Build {
    /// What identifies its Dockerfile: the number of the file, and where it starts inside of
    /// another file.
    pub(crate) fn dockerfile_id(&self) -> (usize, Option<usize>) {
        (self.dockerfile, self.inline.as_ref().map(|inline| inline.span().start))
    }

    /// A stage and those that it builds on, the stage first, each with its number.
    pub(crate) fn lineage(&self, stage: usize) -> impl Iterator<Item = (usize, &BuildStage)> {
        let below = |&number: &usize| match self.stages.get(number)?.base {
            Base::Stage(below) => Some(below),
            Base::Image => None,
        };
        std::iter::successors(Some(stage), below)
            .filter_map(|number| Some((number, self.stages.get(number)?)))
    }

    /// The number of the stage that becomes the image; `None` if it is unknown.
    pub(crate) fn last_stage(&self) -> Option<usize> {
        let Some(target) = &self.given.target else { return self.stages.len().checked_sub(1) };
        let target = target.to_lowercase();
        let by_number = || target.parse().ok().filter(|number| *number < self.stages.len());
        self.stages
            .iter()
            .rposition(|stage| stage.name.as_ref() == Some(&target))
            .or_else(by_number)
    }

    /// The steps of all stages, each with the number of its stage.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (usize, &BuildStep)> {
        let stages = self.stages.iter().enumerate();
        stages.flat_map(|(number, stage)| stage.steps.iter().map(move |step| (number, step)))
    }

    /// What the steps take from the context: the sources of copies, and of bind mounts.
    pub(crate) fn sources(&self) -> Vec<ContextSource<'_>> {
        let mut found = Vec::new();
        for (stage, step) in self.steps() {
            match &step.action {
                Action::Copy(copy) if copy.from.is_none() => {
                    let (how, copy_step) = (if copy.is_add { "ADD" } else { "COPY" }, Some(copy));
                    found.extend(copy.sources.iter().map(|source| ContextSource {
                        path: source.known().filter(|path| !path.contains("://")),
                        span: &source.span,
                        how,
                        copy: copy_step,
                        stage,
                    }));
                }
                Action::Run(run) => {
                    let binds = run.mounts.iter().filter(|mount| mount.binds_context());
                    found.extend(binds.map(|mount| ContextSource {
                        path: mount.source(),
                        span: &mount.span,
                        how: "the mount of",
                        copy: None,
                        stage,
                    }));
                }
                _ => {}
            }
        }
        found
    }

    /// The directories whose `package.json` is copied, from the top of the repository, each with
    /// its source: those that a source names or has directly in it, and members of their
    /// workspaces.
    pub(crate) fn copied_manifests(
        &self,
        manifests: &RepoTree,
        workspaces: &Workspaces<'_>,
    ) -> BTreeMap<String, CopiedFrom> {
        let Some(context) = &self.context else { return BTreeMap::new() };
        let (mut direct, mut deeper) = (BTreeMap::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for source in self.sources() {
            let Some(path) = source.path.map(context::cleaned) else { continue };
            if !seen.insert((path.clone(), source.stage)) {
                continue;
            }
            for below in context.named(manifests, &path) {
                if context.excluding(below).is_some() {
                    continue;
                }
                let manifest = RepoPath::from(&*context.path(below));
                let directory = String::from_utf8_lossy(manifest.parent()).into_owned();
                let from = CopiedFrom { span: source.span.clone(), stage: source.stage };
                let rest = below.strip_prefix(&*path).unwrap_or(below).trim_start_matches('/');
                if context::is_pattern(&path) || !rest.contains('/') {
                    direct.entry(directory).or_insert(from);
                } else {
                    deeper.push((directory, from));
                }
            }
        }
        let is_member = |(directory, _): &(String, CopiedFrom)| {
            let root = workspaces.root_of(directory.as_bytes());
            root.and_then(|root| std::str::from_utf8(root).ok())
                .is_some_and(|root| direct.contains_key(root))
        };
        deeper.retain(is_member);
        for (directory, from) in deeper {
            direct.entry(directory).or_insert(from);
        }
        direct
    }

    /// A stage, and those that it builds on.
    pub(crate) fn chain(&self, stage: usize) -> Vec<usize> {
        let below = |&stage: &usize| match self.stages.get(stage)?.base {
            Base::Stage(base) if base < stage => Some(base),
            _ => None,
        };
        std::iter::successors(Some(stage), below).collect()
    }

    /// The installs of all stages, each with the number of its stage.
    pub(crate) fn installs(&self) -> impl Iterator<Item = (usize, Install<'_>)> {
        let stages = self.stages.iter().enumerate();
        stages.flat_map(|(at, stage)| installs::installs(stage).map(move |install| (at, install)))
    }

    /// The stages that this build runs, with their numbers: those that its target needs, or all if
    /// the target is unknown.
    pub(crate) fn needed(&self) -> impl Iterator<Item = (usize, &BuildStage)> {
        let needed = self.needed_numbers();
        let is_needed =
            move |number: &usize| needed.as_ref().is_none_or(|needed| needed.contains(number));
        self.stages.iter().enumerate().filter(move |(number, _)| is_needed(number))
    }

    fn needed_numbers(&self) -> Option<BTreeSet<usize>> {
        if self.given.is_open {
            return None;
        }
        let last = self.stages.len().checked_sub(1)?;
        let target = self.given.target.as_deref();
        let first = target.map_or(Some(last), |name| self.stage_number(name, self.stages.len()))?;
        let (mut open, mut needed) = (vec![first], BTreeSet::new());
        while let Some(number) = open.pop() {
            let Some(stage) = self.stages.get(number).filter(|_| needed.insert(number)) else {
                continue;
            };
            if let Base::Stage(base) = stage.base {
                open.push(base);
            }
            for name in stage.steps.iter().flat_map(BuildStep::sources) {
                if name.contains('$') {
                    return None;
                }
                open.extend(self.stage_number(name, number));
            }
        }
        Some(needed)
    }

    /// The number of a stage before another one, by its name or number.
    pub(crate) fn stage_number(&self, name: &str, before: usize) -> Option<usize> {
        let stages = self.stages.get(..before)?;
        let name = name.to_lowercase();
        let is_named = |stage: &BuildStage| stage.name.as_ref() == Some(&name);
        let by_number = || name.parse().ok().filter(|number| *number < stages.len());
        stages.iter().rposition(is_named).or_else(by_number)
    }

    /// Whether its commands use the network of the host; `None` if it is unknown.
    pub(crate) fn has_host_network(&self) -> Option<bool> {
        match self.given.network.as_deref() {
            Some(network) => (!network.contains('$')).then_some(network == "host"),
            None => (!self.given.is_open).then_some(false),
        }
    }

    /// The copies from the context, each with its step.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (&BuildStep, &CopyStep)> {
        self.steps().filter_map(|(_, step)| match &step.action {
            Action::Copy(copy) if copy.from.is_none() => Some((step, copy)),
            _ => None,
        })
    }
}
