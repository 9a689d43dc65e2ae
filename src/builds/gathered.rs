//! What the files of a project say about builds, before Dockerfiles are read.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::builds::described::{Descriptions, DockerfileSource};
use crate::builds::{bake, ci, compose};
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};

/// A project, and what its files say about builds.
#[derive(Debug)]
pub(crate) struct DescribedBuilds {
    pub(super) project: Project,
    pub(super) found: Descriptions,
}

impl DescribedBuilds {
    pub(crate) fn new(project: Project) -> Self {
        let mut found = Descriptions::default();
        compose::builds(&project, &mut found);
        let calls = ci::builds(&project, &mut found);
        bake::builds(&project, calls, &mut found);
        Self { project, found }
    }

    /// Whether there may be a build: then the files that it takes are needed.
    pub(crate) fn has_builds(&self, configured: &[ConfiguredBuild]) -> bool {
        let mut paths = self.project.files().iter().map(|source| &source.file.path);
        !self.found.builds.is_empty()
            || !configured.is_empty()
            || paths.any(|path| FileKind::Dockerfile.matches(path))
    }

    /// Gives a file of the project its text. It must not describe builds.
    pub(crate) fn fill(&mut self, source: Rc<SourceFile>) {
        self.project.fill(source);
    }

    /// The paths that the files of the project name, and that it does not have, or not read.
    pub(crate) fn missing(&self, configured: &[ConfiguredBuild]) -> BTreeSet<String> {
        let described = self.found.builds.iter().filter_map(|build| match &build.dockerfile {
            DockerfileSource::Path(path) => Some(path),
            DockerfileSource::Inline(..) => None,
        });
        let configured = configured.iter().map(|build| &build.dockerfile);
        let named = self.found.named.iter().chain(described).chain(configured);
        let is_missing = |path: &&String| !self.project.has_read(path.as_bytes());
        named.filter(is_missing).cloned().collect()
    }
}

/// A build that the configuration describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfiguredBuild {
    /// The path of the Dockerfile from the top of the repository.
    pub dockerfile: String,
    /// The directory of the context; empty for the top.
    pub context: String,
}
