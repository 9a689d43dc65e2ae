//! Whether a lockfile has every package that it names, and where the packages come from.

use std::collections::{HashSet, VecDeque};

use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::formats::lockfile::{LockScalar, LockedPackage, Lockfile};
use crate::locks::gate::Gate;
use crate::locks::generation::Generation;
use crate::locks::projects::bare;
use crate::locks::remark::Weight;

impl Gate<'_> {
    pub(super) fn graph(&mut self, lock: &Lockfile) {
        let mut reached: HashSet<&str> = HashSet::new();
        let mut open = VecDeque::new();
        for importer in lock.importers.values() {
            for locked in &importer.dependencies {
                open.extend(self.snapshot(lock, &locked.name, &locked.version));
            }
        }
        while let Some(id) = open.pop_front() {
            let Some(snapshot) = lock.snapshots.get(id).filter(|_| reached.insert(id)) else {
                continue;
            };
            for (name, version) in &snapshot.dependencies {
                open.extend(self.snapshot(lock, name, version));
            }
            if !lock.packages.contains_key(bare(id)) {
                let shown = Escaped(bare(id).as_bytes());
                let message = format!("`packages` has no {shown}, which is needed");
                self.add_lock(Weight::Wrong, &snapshot.span, message);
            }
        }
        let needed: HashSet<&str> = reached.into_iter().map(bare).collect();
        let mut orphans = lock.packages.iter().filter(|(id, _)| !needed.contains(id.as_str()));
        if let Some((id, package)) = orphans.next() {
            let (shown, more) = (Escaped(id.as_bytes()), orphans.count());
            let more = if more > 0 { format!(", nor {more} more") } else { String::new() };
            let message = format!("nothing needs {shown}{more}");
            self.add_lock(Weight::Note, &package.span, message);
        }
        for (id, package) in &lock.packages {
            self.source(id, package);
        }
    }

    /// The snapshot of a dependency; reports it if it is missing.
    fn snapshot<'l>(
        &mut self,
        lock: &'l Lockfile,
        name: &str,
        version: &LockScalar,
    ) -> Option<&'l str> {
        let id = package_id(name, &version.text)?;
        if let Some((known, _)) = lock.snapshots.get_key_value(&id) {
            return Some(known);
        }
        let weight = match self.generation {
            Generation::Twelve => Weight::Refused,
            _ => Weight::Wrong,
        };
        let message = format!("`snapshots` has no {}", Escaped(id.as_bytes()));
        self.add_lock(weight, &version.span, message);
        None
    }

    /// Judges where a package comes from.
    fn source(&mut self, id: &str, package: &LockedPackage) {
        let shown = Escaped(id.as_bytes());
        let Some(resolution) = &package.resolution else {
            let weight = self.refused_by_12();
            let message = format!("{shown} has no resolution, so it cannot be installed");
            return self.add_lock(weight, &package.span, message);
        };
        // `name@https://…` or `name@file:…` is no package of a registry.
        let is_of_registry = !id.contains(':') && !resolution.is_other;
        if !is_of_registry {
            return;
        }
        match &resolution.integrity {
            None => {
                let weight = if self.generation >= Generation::Eleven {
                    Weight::Refused
                } else {
                    Weight::Wrong
                };
                let message = format!("{shown} has no integrity: what is installed is not checked");
                self.add_lock(weight, &resolution.span, message);
            }
            Some(integrity) if !is_hash(&integrity.text) => {
                let message =
                    format!("the integrity of {shown} is no hash, so it cannot be installed");
                self.add_lock(Weight::Wrong, &integrity.span, message);
            }
            Some(_) => {}
        }
        if let Some(tarball) = &resolution.tarball {
            self.tarball(id, &tarball.text, &tarball.span);
        }
    }

    fn refused_by_12(&self) -> Weight {
        if self.generation == Generation::Twelve { Weight::Refused } else { Weight::Wrong }
    }

    /// Judges the host of a tarball.
    fn tarball(&mut self, id: &str, url: &str, span: &Span) {
        let Some(host) = host(url) else { return };
        let scope = id.strip_prefix('@').and_then(|rest| rest.split('/').next());
        let scope = scope.map(|scope| format!("@{scope}")).unwrap_or_default();
        let of_image = self.view.registries.as_ref();
        let registry = of_image.and_then(|hosts| hosts.get(&scope).or_else(|| hosts.get("")));
        let (shown, shown_host) = (Escaped(id.as_bytes()), Escaped(host.as_bytes()));
        match registry {
            Some(registry) if *registry == host => {}
            Some(registry) => {
                let registry = Escaped(registry.as_bytes());
                let message = format!(
                    "the tarball of {shown} is on {shown_host}, but the registry of the image is \
                     {registry}"
                );
                let weight = if self.generation >= Generation::Eleven {
                    Weight::Refused
                } else {
                    Weight::Wrong
                };
                self.add_lock(weight, span, message);
            }
            None if is_loopback(&host) => {
                let message = format!(
                    "the tarball of {shown} is on {shown_host}, which is the image itself there"
                );
                self.add_lock(Weight::Wrong, span, message);
            }
            None => self.doubt(format!(
                "whether the registry of the image is {shown_host}, where tarballs are"
            )),
        }
    }
}

/// The key of a package in `snapshots`, from its name and version; `None` for a link.
pub(super) fn package_id(name: &str, version: &str) -> Option<String> {
    if version.starts_with("link:") {
        return None;
    }
    // `other@1.0.0` is the package behind an alias; `1.0.0(peer@2.0.0)` and `file:a@b` are not.
    let first = version.bytes().find(|byte| matches!(byte, b'@' | b'(' | b':'));
    let is_id = first == Some(b'@');
    Some(if is_id { version.to_owned() } else { [name, "@", version].concat() })
}

/// Whether a text is a hash as npm writes it.
fn is_hash(text: &str) -> bool {
    let is_one = |hash: &str| {
        let (hash, length) = match hash.split_once('-') {
            Some(("sha512", hash)) => (hash, 88),
            Some(("sha384", hash)) => (hash, 64),
            Some(("sha256", hash)) => (hash, 44),
            Some(("sha1", hash)) => (hash, 28),
            _ => return false,
        };
        hash.split('?').next().is_some_and(|hash| hash.len() == length)
    };
    // Most are one, and to split at the white space of Unicode takes longer than all else.
    is_one(text) || text.split_whitespace().any(is_one)
}

/// The host of a URL, with its port.
pub(super) fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit('@').next().unwrap_or(authority).to_ascii_lowercase())
}

/// Whether a host is the machine that asks.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    matches!(name, "localhost" | "::1") || name.starts_with("127.") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_as_pnpm_does() {
        for (name, version, expected) in [
            ("a", "1.0.0", Some("a@1.0.0")),
            ("a", "1.0.0(@s/b@2.0.0)", Some("a@1.0.0(@s/b@2.0.0)")),
            ("a", "other@1.0.0", Some("other@1.0.0")),
            ("a", "@s/other@1.0.0(b@1.0.0)", Some("@s/other@1.0.0(b@1.0.0)")),
            ("a", "file:x@y.tgz", Some("a@file:x@y.tgz")),
            ("a", "https://h/x@1", Some("a@https://h/x@1")),
            ("a", "link:../x", None),
        ] {
            assert_eq!(package_id(name, version).as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn hosts_and_hashes() {
        assert_eq!(host("https://u:p@Example.org:81/a@b").as_deref(), Some("example.org:81"));
        assert_eq!(host("x"), None);
        for (host, expected) in
            [("localhost:3000", true), ("127.0.0.1", true), ("[::1]:80", true), ("local", false)]
        {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
        assert!(is_hash(&format!("sha512-{}", "a".repeat(88))));
        assert!(!is_hash("sha512-abc"));
    }
}
