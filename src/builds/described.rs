//! What files say about builds, before a Dockerfile is read.

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::caches::BuildCaches;
use crate::formats::joined::Joined;
use crate::formats::shell::Variable;
use crate::models::Scalar;

/// The maximum number of builds that are judged. A hostile file could describe any number.
pub(super) const MAX_BUILDS: usize = 1000;

/// What a caller gives to a build. Every place is in the file of the [`BuildOrigin`]; it is empty
/// if another file gives the value.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The build arguments by name; an unknown value is `None`.
    pub arguments: Vec<(String, Option<Variable>)>,
    /// The ids of the secrets.
    pub secrets: Vec<(String, Span)>,
    /// The names of extra hosts.
    pub hosts: Vec<(String, Span)>,
    pub network: Option<String>,
    pub target: Option<String>,
    /// The names of further contexts. They take the place of stages and images of these names.
    pub contexts: Vec<String>,
    pub caches: BuildCaches,
    /// Whether something that cannot be read may give more: an expression, a variable.
    pub is_open: bool,
}

/// Where a build is described.
#[derive(Debug, Clone)]
pub(crate) struct BuildOrigin {
    /// The number of the file in the project.
    pub file: usize,
    pub span: Span,
    /// The service of a compose file, or the target of a bake file.
    pub name: Option<OriginName>,
}

impl BuildOrigin {
    /// The name of the service of a compose file.
    pub(crate) fn service(&self) -> Option<&str> {
        match &self.name {
            Some(OriginName::Service(name)) => Some(name),
            _ => None,
        }
    }
}

/// What a file calls one of its builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OriginName {
    /// A service of a compose file.
    Service(String),
    /// A target of a bake file.
    Target(String),
}

/// A Dockerfile of a build.
#[derive(Debug)]
pub(super) enum DockerfileSource {
    /// The path from the top of the repository.
    Path(String),
    /// A part of another file, by the number of that file.
    Inline(usize, Joined),
}

/// The program that builds. It decides which ignore files count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    /// BuildKit, by any of its callers.
    Docker,
    /// Podman and Buildah.
    Podman,
}

/// A file of a build that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub file: usize,
    /// `None` for the whole file.
    pub span: Option<Span>,
    /// A short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
}

/// Something that was not judged.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unjudged {
    pub path: RepoPath,
    /// A short sentence without an initial capital or a full stop. Not escaped.
    pub reason: String,
}

impl Unjudged {
    pub(super) fn new(path: RepoPath, reason: &str) -> Self {
        Self { path, reason: reason.to_owned() }
    }
}

/// A build as a file describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub dockerfile: DockerfileSource,
    /// The directory of the context; `None` if it is unknown, or is not in the repository.
    pub context: Option<String>,
    pub given: Given,
    pub origin: Option<BuildOrigin>,
    pub builder: Builder,
}

impl Described {
    /// A build of a Dockerfile that no caller describes; it may give anything.
    pub(super) fn alone(dockerfile: &str, context: Option<String>, builder: Builder) -> Self {
        let given = Given { is_open: true, ..Given::default() };
        let dockerfile = DockerfileSource::Path(dockerfile.to_owned());
        Self { dockerfile, context, given, origin: None, builder }
    }
}

impl Given {
    /// The arguments without their places, which are in another file than the Dockerfile.
    pub(super) fn known_arguments(&self) -> Vec<(String, Option<Variable>)> {
        let known = |value: &Variable| Variable { text: value.text.clone(), span: 0..0 };
        let arguments = self.arguments.iter();
        arguments.map(|(name, value)| (name.clone(), value.as_ref().map(known))).collect()
    }
}

/// A build whose Dockerfile is unknown or cannot be read.
#[derive(Debug)]
pub(crate) struct Unbuilt {
    pub origin: BuildOrigin,
    pub given: Given,
}

/// What the files of a project say.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    pub builds: Vec<Described>,
    pub unbuilt: Vec<Unbuilt>,
    /// Whether a workflow calls one of another repository, which may build with any cache.
    pub has_remote_steps: bool,
    pub unreadable: Vec<Unreadable>,
    pub doubts: Vec<Unjudged>,
    /// Further files that describe builds.
    pub named: Vec<String>,
}

impl Descriptions {
    /// Whether there are more builds than are judged.
    pub(super) fn is_full(&self) -> bool {
        self.builds.len() > MAX_BUILDS
    }

    /// Adds a build whose Dockerfile is unknown.
    pub(super) fn unbuilt(&mut self, origin: BuildOrigin, given: Given) {
        if self.unbuilt.len() < MAX_BUILDS {
            self.unbuilt.push(Unbuilt { origin, given });
        }
    }

    pub(super) fn doubt(&mut self, path: &RepoPath, reason: impl Into<String>) {
        self.doubts.push(Unjudged { path: path.clone(), reason: reason.into() });
    }
}

/// The lines of an input that is a list, without blanks and quotes.
pub(super) fn lines(list: &Scalar, file: &[u8]) -> Vec<(String, Span)> {
    let Some(text) = list.text() else { return Vec::new() };
    let placed = Joined::verbatim(file, text, &list.span);
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let lead = line.len() - line.trim_start().len();
        let range = at + lead..at + lead + trimmed.len();
        let span = placed.as_ref().map_or_else(|| list.span.clone(), |text| text.span(&range));
        found.push((trimmed.trim_matches('"').to_owned(), span));
    }
    found
}
