//! What decides what git tells of, and is no part of the tree: a build that changes it changes the
//! judge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::disk::read::{self, FinalLink};
use crate::git::process::{Git, parse_path, records};
use crate::git::worktree::fingerprint::Hasher;
use crate::snapshot::Fingerprint;

/// The settings, in lower case as git lists them. Those that `verify` overrules are none, and
/// neither is what says how a repository is worked in: `husky` sets `core.hooksPath` in the middle
/// of an install.
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
/// The most bytes of a file that counts.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Whole sections.
const SECTIONS: [&[u8]; 2] = [b"filter.", b"extensions."];
/// Files in the directory of the repository.
const FILES: [&str; 3] = ["info/exclude", "info/attributes", "info/sparse-checkout"];
/// Settings that name a file which counts as well, and what it is called where nothing is set
/// (gitignore(5), gitattributes(5)).
const NAMED: [(&str, &str); 2] =
    [("core.excludesFile", "git/ignore"), ("core.attributesFile", "git/attributes")];

/// A hash over each of them that is there, by its name. `config_home` is where the user's files
/// are, if not in `~/.config`.
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
            // Of several values, one may count, or all.
            found.entry(name.to_vec()).or_default().extend([entry, b"\0"].concat());
        }
    }
    let mut files: Vec<(Vec<u8>, PathBuf)> = Vec::new();
    for name in FILES {
        let path = git
            .directory()
            .join(parse_path(git.output(doing, &["rev-parse", "--git-path", name])?));
        files.push((format!(".git/{name}").into_bytes(), path));
    }
    for (name, usual) in NAMED {
        let usual = config_home.map_or(format!("~/.config/{usual}"), |home| {
            home.join(usual).to_string_lossy().into_owned()
        });
        // Without a home, there is none.
        let answer =
            git.run(doing, &["config", "--type=path", "--default", &usual, "--get", name])?;
        if answer.status.success() {
            files.push((
                format!("the file of {name}").into_bytes(),
                git.directory().join(parse_path(answer.stdout)),
            ));
        }
    }
    for (name, path) in files {
        let text = read::file_if_there(&path, FinalLink::Follow, LONGEST).map_err(|error| {
            Error::new(doing, format!("{}: {error}", path.display())).help(error.next_step())
        })?;
        found.extend(text.map(|text| (name, text)));
    }
    let hash = |text: &[u8]| {
        let mut hasher = Hasher::new();
        hasher.part(b's', text);
        hasher.finish().map_err(|error| Error::new(doing, error))
    };
    found.into_iter().map(|(name, text)| Ok((name, hash(&text)?))).collect()
}
