//! The files that decide what an image installs.

use fast_glob::glob_match;

use crate::base::path::RepoPath;
use crate::project::kinds::FileKind;

use FileKind::{
    Dockerfile, Dockerignore, InstallCode, Manifest, ManifestJson5, ManifestYaml, Npmrc, Patch,
    PnpmBranchLock, PnpmLock, PnpmWorkspace,
};

impl FileKind {
    /// Whether a lockfile for an image may depend on such a file.
    pub(crate) fn may_lock(self) -> bool {
        matches!(
            self,
            Manifest
                | ManifestJson5
                | ManifestYaml
                | PnpmWorkspace
                | PnpmLock
                | PnpmBranchLock
                | Npmrc
                | InstallCode
                | Patch
                | Dockerfile
                | Dockerignore
        )
    }

    /// Whether a lockfile is for an image by its name, and not for a branch.
    pub(crate) fn is_docker_lockfile(path: &RepoPath) -> bool {
        glob_match(Self::DOCKER_LOCKFILES, path.file_name())
    }

    /// The name of a new lockfile for an image.
    pub(crate) const NEW_DOCKER_LOCKFILE: &str = "pnpm-lock.docker.yaml";
    /// The name under which pnpm reads its lockfile.
    pub(crate) const LOCKFILE_OF_PNPM: &str = "pnpm-lock.yaml";

    /// The file of the members and settings of a workspace of pnpm.
    pub(crate) const WORKSPACE_OF_PNPM: &str = "pnpm-workspace.yaml";
    /// The file of the dependencies of a package.
    pub(crate) const MANIFEST: &str = "package.json";

    /// The names of lockfiles for images.
    const DOCKER_LOCKFILES: &str = "pnpm-lock.docker{,[-_.]*}.yaml";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockfile_for_an_image_is_named_after_docker() {
        for (path, expected) in [
            ("a/pnpm-lock.docker.yaml", true),
            ("pnpm-lock.docker-api.yaml", true),
            ("pnpm-lock.docker.api.yaml", true),
            ("pnpm-lock.dockerize.yaml", false),
            ("pnpm-lock.feature!docker.yaml", false),
            ("pnpm-lock.yaml", false),
        ] {
            assert_eq!(FileKind::is_docker_lockfile(&path.into()), expected, "{path}");
        }
    }
}
