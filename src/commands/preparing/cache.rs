//! The cache of packed packages: `bakstop/pack` in the user's cache directory, a file for each key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::atomic::{self, Bits, Old, WriteError};
use crate::disk::read::{self, FinalLink};
use crate::os::env::Environment;
use crate::prepare::key::sha256;

/// The largest tarball, in bytes.
pub(in crate::commands) const LIMIT: u64 = 1024 * 1024 * 1024;

/// The age at which a cached file is removed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The cache; without a home directory, nothing is cached.
#[derive(Debug)]
pub(in crate::commands) struct Cache(Option<PathBuf>);

impl Cache {
    pub(in crate::commands) fn new(env: &Environment) -> Self {
        let home = || env.get("HOME").map(|home| Path::new(home).join(".cache"));
        let caches = env.get("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        // A relative path is invalid (XDG Base Directory Specification).
        let caches = caches.filter(|caches| caches.is_absolute());
        Self(caches.map(|caches| caches.join("bakstop/pack")))
    }

    /// The tarball of a key. One that is damaged counts as absent.
    pub(in crate::commands) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let file = |ending: &str, limit| {
            let path = self.0.as_ref()?.join(format!("{key}.{ending}"));
            read::file(&path, FinalLink::Refuse, limit).ok()
        };
        let expected = file("sha256", 100)?;
        let bytes = file("tgz", LIMIT)?;
        (sha256(&bytes).as_bytes() == expected.trim_ascii()).then_some(bytes)
    }

    /// Keeps a tarball.
    pub(in crate::commands) fn put(&self, key: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let Some(directory) = &self.0 else { return Ok(()) };
        if !directory.is_dir() {
            atomic::make_directory(directory, Bits::New(0o700))?;
        }
        let write = |ending: &str, bytes: &[u8]| {
            let path = directory.join(format!("{key}.{ending}"));
            atomic::write(&path, bytes, Bits::New(0o600), Old::Any)
        };
        write("tgz", bytes)?;
        write("sha256", sha256(bytes).as_bytes())
    }

    /// Removes files that were written long ago. Errors are ignored: the next run tries again.
    pub(in crate::commands) fn prune(&self) {
        let Some(directory) = &self.0 else { return };
        for path in read::list(directory).unwrap_or_default() {
            let age = path.symlink_metadata().and_then(|about| about.modified()).ok();
            let age = age.and_then(|written| written.elapsed().ok());
            if age.is_some_and(|age| age > KEPT) {
                let _ = atomic::remove(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_damaged_tarball_counts_as_absent() {
        let home = tempfile::tempdir().unwrap();
        let env = [("XDG_CACHE_HOME", home.path())].into_iter().collect();
        let cache = Cache::new(&env);
        assert_eq!(cache.get("key"), None);
        cache.put("key", b"bytes").unwrap();
        assert_eq!(cache.get("key").as_deref(), Some(&b"bytes"[..]));
        let file = home.path().join("bakstop/pack/key.tgz");
        fs::write(&file, "byteS").unwrap();
        assert_eq!(cache.get("key"), None);
        cache.put("key", b"bytes").unwrap();
        let old = std::time::SystemTime::now() - 2 * KEPT;
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        cache.prune();
        assert!(!file.exists() && file.with_extension("sha256").exists());
    }

    #[test]
    fn without_a_home_nothing_is_cached() {
        for env in [vec![], vec![("XDG_CACHE_HOME", "relative")]] {
            let cache = Cache::new(&env.into_iter().collect());
            cache.put("key", b"bytes").unwrap();
            assert_eq!(cache.get("key"), None);
            cache.prune();
        }
    }
}
