//! Where package managers read overrides, and which of them are of packed packages.

use semver::Version;

use crate::base::escape::Escaped;
use crate::formats::document::{Node, Value};
use crate::pins::pin::Manager;
use crate::prepare::Packed;
use crate::prepare::manifest::Keys;

/// Where a package manager reads overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// In `pnpm-workspace.yaml`: pnpm since 10.5. Dependencies need no new specs.
    Workspace,
    /// In an object of the manifest, with these keys.
    Manifest(Keys),
    /// Nowhere: each packed package has the paths of those that it needs as specs. pnpm reads them
    /// from the project that is installed.
    Packages,
}

pub(super) const PNPM: Keys = &["pnpm", "overrides"];
pub(super) const NPM: Keys = &["overrides"];
const YARN: Keys = &["resolutions"];

impl Means {
    /// `only_manifest`: whether the image has no other file that could be changed.
    pub(super) fn of(manager: Manager, version: &Version, only_manifest: bool) -> Self {
        match manager {
            Manager::Pnpm if (version.major, version.minor) >= (10, 5) && !only_manifest => {
                Self::Workspace
            }
            // pnpm 11 reads no overrides in a manifest.
            Manager::Pnpm if version.major > 10 => Self::Packages,
            Manager::Pnpm => Self::Manifest(PNPM),
            Manager::Npm => Self::Manifest(NPM),
            Manager::Yarn => Self::Manifest(YARN),
        }
    }

    /// The objects of a manifest, by their keys, in which this version reads overrides.
    pub(super) fn in_manifest(self, version: &Version) -> &'static [Keys] {
        match self {
            Self::Manifest(NPM) => &[NPM],
            Self::Manifest(YARN) => &[YARN],
            // pnpm 11 reads neither.
            _ if version.major > 10 => &[],
            _ => &[PNPM, YARN],
        }
    }
}

/// The value at a path of keys.
pub(super) fn at<'n>(root: &'n Node, keys: &[&'n str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| node.last(key))
}

/// Sentences about the overrides of a part of an installation that are of a packed package: they
/// stay.
pub(super) fn narrower(overrides: &Node, packed: &[Packed]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, node) in overrides.entries() {
        let is_packed = |name: &str| packed.iter().any(|one| one.name == name);
        let shown = Escaped(key.text.as_bytes());
        if is_packed(&key.text) {
            if matches!(node.value, Value::Map(_)) {
                warnings.push(format!(
                    "the override {shown} has overrides for its dependencies, which the \
                     packed package does not get"
                ));
            }
            continue;
        }
        let inner = node.entries().any(|(key, _)| is_packed(overridden(&key.text)));
        if inner || is_packed(overridden(&key.text)) {
            warnings.push(format!(
                "the override {shown} stays: where it applies, the image does not get the \
                 packed package"
            ));
        }
    }
    warnings
}

/// The first packed package of which a `pnpm-workspace.yaml` has an override, safe to print.
pub(super) fn overriding(root: &Node, packed: &[Packed]) -> Option<String> {
    let mut keys = root.last("overrides")?.entries().map(|(key, _)| overridden(&key.text));
    let name = keys.find(|key| packed.iter().any(|one| one.name == *key))?;
    Some(Escaped(name.as_bytes()).to_string())
}

/// The package that an override is of: `b` in `a>b@1`, in `a/b`, and in `**/b`.
fn overridden(key: &str) -> &str {
    let last = key.rsplit('>').next().unwrap_or(key).trim();
    let slashes: Vec<usize> = last.match_indices('/').map(|(at, _)| at).collect();
    let name = match slashes.as_slice() {
        [.., before, at] if last.get(before + 1..*at).is_some_and(|part| part.starts_with('@')) => {
            last.get(before + 1..)
        }
        [.., at] if !last.starts_with('@') || slashes.len() > 1 => last.get(at + 1..),
        _ => Some(last),
    };
    let name = name.unwrap_or(last);
    let version = name.get(1..).and_then(|rest| rest.find('@'));
    version.and_then(|at| name.get(..=at)).unwrap_or(name)
}
