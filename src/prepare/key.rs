//! The keys of packages: a digest of everything that decides about the bytes of a tarball.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::base::escape::to_hex;

/// The version of what a key is made of; other keys than those of an older version are other.
const VERSION: &[u8] = b"bakstop pack 1";

/// The sha256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// A digest of parts, each with its length, so that no two lists of parts have the same bytes.
#[derive(Debug, Default)]
pub(crate) struct DigestParts(Sha256);

impl DigestParts {
    #[must_use]
    pub(crate) fn with(mut self, part: &[u8]) -> Self {
        self.add(part);
        self
    }

    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> String {
        to_hex(&self.0.finalize())
    }
}

/// What decides about a package itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// The digest of its files: paths, modes and contents.
    pub files: String,
    /// The packages of the sibling that its manifest names, in any field.
    pub needs: BTreeSet<String>,
}

/// The key of each package. `common` is what decides about all: files in the root of the sibling,
/// the package manager, the build.
///
/// A key has the files of every package that is needed, also through others: a workspace may have
/// circles, so that keys made of keys would never end.
pub(crate) fn keys(packages: &BTreeMap<String, Inputs>, common: &str) -> BTreeMap<String, String> {
    let key = |name: &String| {
        let mut parts = DigestParts::default().with(VERSION).with(common.as_bytes());
        parts.add(name.as_bytes());
        for needed in reached(packages, name) {
            parts.add(needed.as_bytes());
            parts.add(packages[needed].files.as_bytes());
        }
        (name.clone(), parts.finish())
    };
    packages.keys().map(key).collect()
}

/// A package and those that it needs, also through others.
fn reached<'a>(packages: &'a BTreeMap<String, Inputs>, from: &'a String) -> BTreeSet<&'a String> {
    let (mut found, mut rest) = (BTreeSet::new(), vec![from]);
    while let Some(name) = rest.pop() {
        if let Some(inputs) = packages.get(name).filter(|_| found.insert(name)) {
            rest.extend(inputs.needs.iter().filter(|name| packages.contains_key(*name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(changed: &str) -> BTreeMap<String, Inputs> {
        // `c` and `d` need each other.
        [("a", "b c"), ("b", "x"), ("c", "d"), ("d", "c")]
            .map(|(name, needs)| {
                let files = if name == changed { "new" } else { "old" };
                let needs = needs.split(' ').map(str::to_owned).collect();
                (name.to_owned(), Inputs { files: files.into(), needs })
            })
            .into()
    }

    #[test]
    fn a_change_gives_a_package_and_its_dependents_other_keys() {
        let before = keys(&workspace(""), "common");
        for (changed, others) in [("a", "a"), ("b", "ab"), ("c", "acd"), ("d", "acd"), ("", "")] {
            let now = keys(&workspace(changed), "common");
            let differ: String =
                before.keys().filter(|name| before[*name] != now[*name]).cloned().collect();
            assert_eq!(differ, others, "{changed}");
        }
        let now = keys(&workspace(""), "another tool");
        assert!(before.keys().all(|name| before[name] != now[name]));
    }

    #[test]
    fn parts_do_not_run_together() {
        let of = |parts: &[&str]| {
            parts
                .iter()
                .fold(DigestParts::default(), |all, part| all.with(part.as_bytes()))
                .finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert!(sha256(b"").starts_with("e3b0c442"));
    }
}
