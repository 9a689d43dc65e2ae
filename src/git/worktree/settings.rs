//! The settings and files outside of the tree that change what git reports: a build that changes
//! them changes the result of the comparison.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::disk::read::{self, FinalLink};
use crate::git::endless::IN_EACH_DIRECTORY;
use crate::git::process::{Git, parse_path, records};
use crate::git::worktree::fingerprint::Hasher;
use crate::git::worktree::nested;
use crate::snapshot::{Fingerprint, Hashes};

/// Single settings, in lower case as git lists them. Those that `verify` overrides are left out.
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
/// Settings that baselines of older versions do not have.
const ADDED: [&str; 2] = ["attr.tree", "core.hookspath"];
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
/// user, `~/.config` by default. `older`: only what older versions know.
pub(super) fn fingerprints(
    git: &Git,
    doing: &str,
    config_home: Option<&Path>,
    older: bool,
) -> Result<Hashes, Error> {
    let mut found = values(git, doing, older)?;
    for (name, path) in files(git, doing, config_home)? {
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

/// The settings that count, by name, each with all of its values.
fn values(git: &Git, doing: &str, older: bool) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for entry in records(&git.output(doing, &["config", "--list", "-z"])?) {
        let name = entry.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let added = if older { &[][..] } else { &ADDED };
        let counts = SETTINGS.iter().chain(added).any(|setting| setting.as_bytes() == name)
            || SECTIONS.iter().any(|section| name.starts_with(section));
        if counts {
            found.entry(name.to_vec()).or_default().extend([entry, b"\0"].concat());
        }
    }
    Ok(found)
}

/// The files that count, by the name to print.
fn files(
    git: &Git,
    doing: &str,
    config_home: Option<&Path>,
) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut files = Vec::new();
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
    Ok(files)
}

/// The hash of each file in the directory that git runs hooks from, by its path in the repository
/// (`.git/hooks/pre-commit`) or the work tree, or else its whole path.
pub(super) fn hooks(
    git: &Git,
    doing: &str,
    (top, common): (&Path, &Path),
) -> Result<Hashes, Error> {
    let real = read::canonicalize_existing;
    let directory = real(&git.path(doing, &["rev-parse", "--git-path", "hooks"])?);
    let (top, common) = (real(top), real(common));
    let mut found = BTreeMap::new();
    // Without a directory, git runs no hook.
    let mut open = if directory.is_dir() { listed(&directory)? } else { Vec::new() };
    while let Some(file) = open.pop() {
        // A hook may run each file of `pre-commit.d`.
        if file.extension().is_some_and(|end| end == "d") && file.is_dir() && !file.is_symlink() {
            open.extend(listed(&file)?);
        }
        let shown = match (file.strip_prefix(&common), file.strip_prefix(&top)) {
            (Ok(path), _) => Path::new(".git").join(path),
            (_, Ok(path)) => path.to_owned(),
            _ => file.clone(),
        };
        let name = shown.into_os_string().into_vec();
        // Git runs neither examples nor its own files. Any other may be a part of a hook.
        let is_of_git = |file: &Path| IN_EACH_DIRECTORY.iter().any(|name| file.ends_with(name));
        if !name.ends_with(b".sample") && !is_of_git(&file) {
            let hash = hash_hook(&file).map_err(|error| nested::unreadable(&name, &error))?;
            found.insert(name, hash);
        }
    }
    Ok(found)
}

/// A hash over a file, and over what it links to.
fn hash_hook(file: &Path) -> io::Result<Fingerprint> {
    let mut hasher = Hasher::new();
    hasher.path(file)?;
    if file.is_symlink() {
        hasher.path(&read::canonicalize_existing(file))?;
    }
    hasher.finish()
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    read::list(directory)
        .map_err(|error| nested::unreadable(directory.as_os_str().as_bytes(), &error))
}
