//! The committed versions of a manifest, which may have its originals.

use memchr::memmem::find;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::path::RepoPath;
use crate::commands::restoring::lockfile::is_manifest;
use crate::formats;
use crate::git::Git;
use crate::git::staging::{self, blob, since_head};
use crate::project::kinds::FileKind;
use crate::restore::plan::Side;
use crate::restore::{Origin, Restored, Version, manifest};
use crate::rules::is_rewritten;

/// The path at which HEAD has a manifest that was renamed since; `None` if it is not certain.
///
/// It is certain if one manifest of HEAD is missing here that has the same package name, or, where
/// neither has a name, differs in nothing but the traces. A path that leads out of its directory
/// leads elsewhere from another one, unless both directories are in the same one.
pub(super) fn renamed_from(
    file: &File,
    git: &Git,
    side: Side,
    debris: &Debris,
) -> Option<RepoPath> {
    let is_like = |path: &RepoPath| is_manifest(path) && path.file_name() == file.path.file_name();
    let changes = since_head(git, side == Side::Index, is_like).ok()?;
    let missing = changes.into_iter().filter(|(_, is_missing)| *is_missing);
    let mut alike = missing.map(|(path, _)| path).filter(|path| {
        let text = blob(git, "HEAD", path);
        text.is_some_and(|text| {
            (is_sibling(path, &file.path) || find(&text, b"../").is_none())
                && is_same(file, text, debris)
        })
    });
    alike.next().filter(|_| alike.next().is_none())
}

/// Whether the directories of two files are in the same directory.
fn is_sibling(one: &RepoPath, other: &RepoPath) -> bool {
    let [one, other] = [one, other].map(|path| RepoPath::new(path.parent()));
    !one.as_bytes().is_empty() && !other.as_bytes().is_empty() && one.parent() == other.parent()
}

/// Whether a committed manifest is the same as `file`, which has traces.
fn is_same(file: &File, committed: Vec<u8>, debris: &Debris) -> bool {
    let name = |text: &[u8]| {
        let syntax = FileKind::of(&file.path, |kind| kind.dependencies().is_some())?;
        let root = formats::parse(syntax.dependencies()?, text).ok()?;
        root.last("name")?.text().map(str::to_owned)
    };
    match (name(&file.text), name(&committed)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let versions = [Version { origin: Origin::Head, text: committed, verbatim: true }];
            let restored = manifest(file, &versions, debris);
            restored
                .is_some_and(|Restored { text, left }| left.is_empty() && text == versions[0].text)
        }
        _ => false,
    }
}

/// The versions in HEAD and on the other sides of a merge. If the preparation was committed, HEAD
/// has no original, but the commit before it may have one. `read` returns the text in a commit.
pub(super) fn committed(
    path: &RepoPath,
    sides: &[String],
    debris: &Debris,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Vec<Version> {
    let is_clean = |text: &Vec<u8>| {
        let file = File { path: path.clone(), text: text.clone(), fresh: true, replaces: true };
        !is_rewritten(file, debris)
    };
    let head = read("HEAD");
    let before = match &head {
        Some(text) if !is_clean(text) => read("HEAD^").filter(is_clean),
        _ => None,
    };
    let others = sides.iter().filter_map(|name| Some((Origin::OtherSide, read(name)?)));
    let all = [(Origin::Head, head), (Origin::BeforeHead, before)].into_iter();
    let all = all.filter_map(|(origin, text)| Some((origin, text?)));
    all.chain(others).map(|(origin, text)| Version { origin, text, verbatim: true }).collect()
}

/// Marks the backups that are older than what git has: a preparation may keep those of an earlier
/// one.
pub(super) fn mark_older_backups(versions: &mut [Version], git: &Git, path: &RepoPath) {
    let known = |text: &[u8], versions: &[Version]| {
        versions.iter().any(|one| !one.origin.is_copy() && one.text == text)
    };
    for at in 0..versions.len() {
        let Version { origin, text, .. } = &versions[at];
        if *origin == Origin::Backup
            && !known(text, versions)
            && staging::is_committed(git, text, path)
        {
            versions[at].origin = Origin::OlderBackup;
        }
    }
}
