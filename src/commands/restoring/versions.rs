//! The committed versions of a manifest, which may have its originals.

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::path::RepoPath;
use crate::git::{Git, staging};
use crate::restore::{Origin, Version};
use crate::rules::is_rewritten;

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
