//! What is known of images by their names.

use crate::formats::dockerfile::Image;
use crate::formats::shell::Resolved;
use crate::pins::{How, Manager, Pin};

/// The major versions of Node.js that code names stand for; from its release schedule.
const CODE_NAMES: [(&str, u64); 6] =
    [("fermium", 14), ("gallium", 16), ("hydrogen", 18), ("iron", 20), ("jod", 22), ("krypton", 24)];

/// The first major version of Node.js whose images carry no corepack.
const WITHOUT_COREPACK: u64 = 25;

/// Whether an image carries corepack; `None` where its name does not tell. The official images of Node.js do from 16 to
/// 24. Tags that name no version stand for the newest release, which is past that.
pub(super) fn carries_corepack(image: &Image) -> Option<bool> {
    if image.repository != "node" || image.has_digest && image.tag == "latest" {
        return None;
    }
    let first = image.tag.split('-').next().unwrap_or_default();
    let major = first.split('.').next().and_then(|major| major.parse().ok());
    let major = major.or_else(|| CODE_NAMES.iter().find(|(name, _)| *name == first).map(|(_, major)| *major));
    match major {
        Some(major) if major >= WITHOUT_COREPACK => Some(false),
        Some(16..WITHOUT_COREPACK) => Some(true),
        Some(_) => None,
        None => NEWEST.contains(&first).then_some(false),
    }
}

/// First words of tags that name no version, and so stand for the newest: the others name a distribution that one day is
/// not built for any more, or `lts`, which moves.
const NEWEST: [&str; 4] = ["latest", "current", "slim", "alpine"];

/// The image of pnpm itself: its tags begin with the version of pnpm. Other images that carry pnpm have no common rule.
pub(super) fn manager(repository: &str, tag: &str) -> Option<(Manager, String)> {
    let is_pnpm = repository == "pnpm/pnpm" || repository.ends_with("/pnpm/pnpm");
    // Behind the version stands which distribution it is built on.
    is_pnpm.then(|| (Manager::Pnpm, tag.split('-').next().unwrap_or_default().to_owned()))
}

/// What an image that is named by these words pins; `fixed` if a digest decides.
pub(super) fn pin(word: &Resolved, file: &[u8]) -> Option<Pin> {
    let image = Image::of(word.clone())?;
    let (manager, version) = manager(&image.repository, &image.tag)?;
    let pin = Pin::resolved(How::Image, manager, &version, word, file);
    let version = pin.version.filter(|_| !image.has_digest && image.is_tagged);
    Some(Pin { version, ..pin })
}
