//! What files say about builds, before a Dockerfile is read.

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::formats::shell::Variable;

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
    /// Whether something that cannot be read may give more: an expression, a variable.
    pub is_open: bool,
}

/// Where a build is described.
#[derive(Debug, Clone)]
pub(crate) struct BuildOrigin {
    /// The number of the file in the project.
    pub file: usize,
    pub span: Span,
    /// The service of a compose file.
    pub service: Option<String>,
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

/// A build as a file describes it.
#[derive(Debug)]
pub(super) struct Described {
    /// The path of the Dockerfile from the top of the repository.
    pub dockerfile: String,
    /// The directory of the context; `None` if it is unknown, or is not in the repository.
    pub context: Option<String>,
    pub given: Given,
    pub origin: Option<BuildOrigin>,
}

/// What the files of a project say.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    pub builds: Vec<Described>,
    pub unreadable: Vec<Unreadable>,
    pub doubts: Vec<Unjudged>,
    /// Further files that describe builds.
    pub named: Vec<String>,
}

impl Descriptions {
    pub(super) fn doubt(&mut self, path: &RepoPath, reason: impl Into<String>) {
        self.doubts.push(Unjudged { path: path.clone(), reason: reason.into() });
    }
}
