//! The packages in which two lockfiles differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::credentials::holds_secret;
use crate::formats::lockfile::Lockfile;

/// A package whose versions differ between two lockfiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedPackage {
    pub name: String,
    /// The versions that only the first lockfile has, in order of their text; empty for a package
    /// that is new.
    pub from: Vec<String>,
    /// The versions that only the second lockfile has.
    pub to: Vec<String>,
}

/// Compares the packages of two lockfiles, by name.
pub(crate) fn moved_packages(old: &Lockfile, new: &Lockfile) -> Vec<MovedPackage> {
    let mut moved: BTreeMap<&str, MovedPackage> = BTreeMap::new();
    for (lock, other, is_new) in [(old, new, false), (new, old, true)] {
        for (name, version) in versions(lock).difference(&versions(other)) {
            let package = moved.entry(name).or_insert_with(|| MovedPackage {
                name: (*name).to_owned(),
                from: Vec::new(),
                to: Vec::new(),
            });
            let list = if is_new { &mut package.to } else { &mut package.from };
            // The address of a tarball may have a password.
            let is_secret = holds_secret(version.as_bytes());
            list.push(if is_secret { "********" } else { version }.to_owned());
        }
    }
    moved.into_values().collect()
}

/// The names and versions of packages: the first character may be the `@` of a scope.
fn versions(lock: &Lockfile) -> BTreeSet<(&str, &str)> {
    let split = |id: &'_ String| -> Option<usize> { Some(id.get(1..)?.find('@')? + 1) };
    let package = |id| match split(id) {
        Some(at) => (id.get(..at).unwrap_or_default(), id.get(at + 1..).unwrap_or_default()),
        None => (id.as_str(), ""),
    };
    lock.packages.keys().map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[&str]) -> Lockfile {
        let lines: String = packages.iter().map(|id| format!("  '{id}': {{}}\n")).collect();
        Lockfile::parse(format!("lockfileVersion: '9.0'\npackages:\n{lines}").as_bytes()).unwrap()
    }

    #[test]
    fn packages_are_compared_by_name() {
        let old = lock(&["@a/b@1.0.0", "c@1.0.0", "c@2.0.0", "d@1.0.0", "é"]);
        let new = lock(&["@a/b@1.1.0", "c@2.0.0", "c@3.0.0", "e@https://h/@x/1.tgz", "é"]);
        let shown: Vec<String> = moved_packages(&old, &new)
            .iter()
            .map(|moved| {
                format!("{} {} > {}", moved.name, moved.from.join(","), moved.to.join(","))
            })
            .collect();
        let expected =
            ["@a/b 1.0.0 > 1.1.0", "c 1.0.0 > 3.0.0", "d 1.0.0 > ", "e  > https://h/@x/1.tgz"];
        assert_eq!(shown, expected);
        assert_eq!(moved_packages(&old, &old), []);
        let secret = lock(&[
            "c@https://u:hunter2@h/c.tgz",
            "c@1.0.0",
            "c@2.0.0",
            "@a/b@1.0.0",
            "d@1.0.0",
            "é",
        ]);
        assert_eq!(moved_packages(&old, &secret)[0].to, ["********"]);
    }
}
