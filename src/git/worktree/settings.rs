//! The settings and files outside of the tree that change what git reports: a build that changes
//! them changes the result of the comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::disk::read::{self, FinalLink};
use crate::git::process::{Git, parse_path, records};
use crate::git::worktree::fingerprint::Hasher;
use crate::snapshot::Fingerprint;

/// Single settings, in lower case as git lists them. Those that `verify` overrides are left out,
/// and `core.hooksPath`, which husky sets during an install.
const SETTINGS: [&str; 12] = [
    "core.worktree",
    "core.bare",
    "core.excludesfile",
    "core.attributesfile",
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.symlinks",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
];
/// The largest file, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;
/// Sections of which all settings count.
const SECTIONS: [&[u8]; 2] = [b"filter.", b"extensions."];
/// Files in the git directory.
const FILES: [&str; 3] = ["info/exclude", "info/attributes", "info/sparse-checkout"];
/// Settings that name a file, and its default below the configuration directory of the user
/// (gitignore(5), gitattributes(5)).
const NAMED: [(&str, &str); 2] =
    [("core.excludesFile", "git/ignore"), ("core.attributesFile", "git/attributes")];

/// The hash of each setting and file, by name. `config_home` is the configuration directory of the
/// user, `~/.config` by default.
pub(super) fn fingerprints(
    git: &Git,
    doing: &str,
    config_home: Option<&Path>,
) -> Result<BTreeMap<Vec<u8>, Fingerprint>, Error> {
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for entry in records(&git.output(doing, &["config", "--list", "-z"])?) {
        let name = entry.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let counts = SETTINGS.iter().any(|setting| setting.as_bytes() == name)
            || SECTIONS.iter().any(|section| name.starts_with(section));
        if counts {
            // A setting may have several values.
            found.entry(name.to_vec()).or_default().extend([entry, b"\0"].concat());
        }
    }
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for name in FILES {
        let path = git.path(doing, &["rev-parse", "--git-path", name])?;
        files.push((format!(".git/{name}"), path));
    }
    for (name, default) in NAMED {
        let home = config_home.map_or("~/.config".into(), Path::to_string_lossy);
        let default = format!("{home}/{default}");
        let arguments = ["config", "--type=path", "--default", &default, "--get", name];
        // Git fails for `~` if HOME is not set.
        let output = git.run(doing, &arguments)?;
        if output.status.success() {
            let path = git.directory().join(parse_path(output.stdout));
            files.push((format!("the file of {name}"), path));
        }
    }
    for (name, path) in files {
        let text = read::file_if_exists(&path, FinalLink::Follow, LIMIT).map_err(|error| {
            Error::new(doing, format!("{}: {error}", path.display())).help(error.next_step())
        })?;
        found.extend(text.map(|text| (name.into_bytes(), text)));
    }
    let hash = |text: &[u8]| {
        let mut hasher = Hasher::new();
        hasher.part(b's', text);
        hasher.finish().map_err(|error| Error::new(doing, error))
    };
    found.into_iter().map(|(name, text)| Ok((name, hash(&text)?))).collect()
}
