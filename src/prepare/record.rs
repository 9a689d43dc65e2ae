//! The record of a preparation: what it packed, from which inputs, and what it wrote.
//!
//! The record has no time: an image may copy the leftover directory, and a time would make each
//! preparation another layer. When it was written is the time of the file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::path::RepoPath;

/// The name of the record in the leftover directory.
pub(crate) const FILE: &str = ".prep.json";

/// The largest record that is read, in bytes.
pub(crate) const LIMIT: u64 = 16 * 1024 * 1024;

const SCHEMA: &str = "bakstop.prep-record/1";

/// A preparation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The version of bakstop.
    pub version: String,
    /// The sibling, as it was named.
    pub from: String,
    /// Whether the sibling was built, so that only its sources are inputs.
    pub builds: bool,
    /// In the order of their names.
    pub packages: Vec<RecordedPackage>,
    /// In the order of their paths.
    pub files: Vec<RecordedFile>,
}

/// A packed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedPackage {
    pub name: String,
    pub version: String,
    /// The key of its inputs.
    pub key: String,
    /// The name of its tarball.
    pub file: String,
}

/// A file of the preparation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedFile {
    /// In the leftover directory.
    pub path: String,
    /// Of its content, in hexadecimal.
    pub sha256: String,
}

impl Record {
    /// Parses a record; `None` if it is not one of this version.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let root: Value = serde_json::from_slice(text).ok()?;
        if root["schema"] != SCHEMA {
            return None;
        }
        let string = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let package = |value: &Value| {
            Some(RecordedPackage {
                name: string(value, "name")?,
                version: string(value, "version")?,
                key: string(value, "key")?,
                file: string(value, "file").filter(|name| is_inner(name))?,
            })
        };
        let file = |value: &Value| {
            let path = string(value, "path").filter(|path| is_inner(path))?;
            Some(RecordedFile { path, sha256: string(value, "sha256")? })
        };
        Some(Self {
            version: string(&root, "bakstop")?,
            from: string(&root, "from")?,
            builds: root["builds"].as_bool()?,
            packages: root["packages"].as_array()?.iter().map(package).collect::<Option<_>>()?,
            files: root["files"].as_array()?.iter().map(file).collect::<Option<_>>()?,
        })
    }

    pub(crate) fn text(&self) -> String {
        let packages = self.packages.iter().map(|package| {
            let RecordedPackage { name, version, key, file } = package;
            json!({ "name": name, "version": version, "key": key, "file": file })
        });
        let files = self
            .files
            .iter()
            .map(|RecordedFile { path, sha256 }| json!({ "path": path, "sha256": sha256 }));
        let root = json!({
            "schema": SCHEMA,
            "bakstop": self.version,
            "from": self.from,
            "builds": self.builds,
            "packages": packages.collect::<Vec<_>>(),
            "files": files.collect::<Vec<_>>(),
        });
        format!("{root:#}\n")
    }

    /// The packages whose inputs are not those of the record any more: `keys` has the key of each
    /// package that the sibling has now.
    pub(crate) fn outdated<'a>(&'a self, keys: &BTreeMap<String, String>) -> Vec<&'a str> {
        let is_old = |package: &&RecordedPackage| keys.get(&package.name) != Some(&package.key);
        self.packages.iter().filter(is_old).map(|package| package.name.as_str()).collect()
    }

    /// The files that are not as they were written: `digest` returns the sha256 of the file at a
    /// path in the leftover directory, if there is one.
    pub(crate) fn changed(&self, digest: impl Fn(&str) -> Option<String>) -> Vec<RepoPath> {
        let is_other = |file: &&RecordedFile| digest(&file.path).as_ref() != Some(&file.sha256);
        self.files.iter().filter(is_other).map(|file| file.path.as_str().into()).collect()
    }
}

/// Whether a path stays in the leftover directory.
fn is_inner(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let package = |name: &str, key: &str| RecordedPackage {
            name: name.into(),
            version: "1.0.0".into(),
            key: key.into(),
            file: "acme-log-1.0.0-00000000.tgz".into(),
        };
        Record {
            version: "0.1.0".into(),
            from: "../platform".into(),
            builds: true,
            packages: vec![package("@acme/http", "a"), package("@acme/log", "b")],
            files: vec![RecordedFile { path: "tree/web/x".into(), sha256: "c".into() }],
        }
    }

    #[test]
    fn a_record_is_read_back() {
        let text = record().text();
        assert_eq!(Record::parse(text.as_bytes()), Some(record()));
        for (from, to) in [
            ("prep-record/1", "prep-record/2"),
            ("tree/web/x", "tree/../../x"),
            ("tree/web/x", "/etc/x"),
            ("acme-log-1.0.0-00000000.tgz", "../x"),
            ("\"files\"", "\"file\""),
            ("true", "1"),
        ] {
            assert_eq!(Record::parse(text.replace(from, to).as_bytes()), None, "{to}");
        }
        assert_eq!(Record::parse(b"{"), None);
    }

    #[test]
    fn other_inputs_and_other_files_are_named() {
        let record = record();
        let keys = |log: &str| {
            [("@acme/http", "a"), ("@acme/log", log), ("@acme/new", "n")]
                .map(|(name, key)| (name.to_owned(), key.to_owned()))
                .into()
        };
        assert!(record.outdated(&keys("b")).is_empty());
        assert_eq!(record.outdated(&keys("z")), ["@acme/log"]);
        assert_eq!(record.outdated(&BTreeMap::new()), ["@acme/http", "@acme/log"]);
        assert!(record.changed(|_| Some("c".into())).is_empty());
        assert_eq!(record.changed(|_| Some("d".into())), ["tree/web/x".into()]);
        assert_eq!(record.changed(|_| None), ["tree/web/x".into()]);
    }
}
