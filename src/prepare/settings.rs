//! The key `prep` of `bakstop.json`.

use crate::pins::Manager;

/// How a build is prepared. Every part has a default but the sibling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PrepSettings {
    /// The directory of the sibling, relative to the top of the repository or absolute.
    pub from: Option<String>,
    /// Patterns of directories in the sibling; by default those of its `pnpm-workspace.yaml`.
    pub packages: Option<Vec<String>>,
    /// The scopes of its packages, such as `@acme`; by default those of the packages there.
    pub scope: Option<Vec<String>>,
    /// The leftover directory to write to; `.docker-deps` by default.
    pub into: Option<String>,
    /// The directories of the manifests; by default every one whose manifest names a scope.
    pub manifests: Option<Vec<String>>,
    pub build: SiblingBuild,
    /// Whether manifests are rewritten, instead of overlays written.
    pub in_place: bool,
}

/// What builds the packages of the sibling before they are packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum SiblingBuild {
    /// The script `build` of the packages to pack, and of those that they need.
    #[default]
    Scripts,
    /// This program with its arguments, in the root of the sibling.
    Command(Vec<String>),
    /// Nothing: what lies there is packed.
    None,
}

impl SiblingBuild {
    /// The words of the command. The scripts of `packages` are run with `...`, which adds what a
    /// package needs: a build against an older state of that would not be the one of its inputs.
    pub(crate) fn words<'a>(&self, packages: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
        match self {
            Self::None => None,
            Self::Command(words) => Some(words.clone()),
            Self::Scripts => {
                let mut words = vec![Manager::Pnpm.name().to_owned(), "--recursive".to_owned()];
                words.extend(packages.map(|name| format!("--filter={name}...")));
                words.extend(["--if-present", "run", "build"].map(str::to_owned));
                Some(words)
            }
        }
    }

    /// Text that is equal for equal commands, whatever is packed.
    pub(crate) fn identity(&self) -> String {
        self.words(std::iter::empty()).unwrap_or_default().join("\0")
    }
}
