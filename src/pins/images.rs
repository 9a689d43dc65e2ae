//! What is known of images by their names.

use crate::models::Scalar;
use crate::models::image::ImageReference;
use crate::pins::scope::VariableScope;
use crate::pins::{Manager, Pin, PinKind};

/// The major versions of Node.js that code names stand for; from its release schedule.
const CODE_NAMES: [(&str, u64); 6] = [
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
];

/// The first major version of Node.js whose images carry no corepack.
const WITHOUT_COREPACK: u64 = 25;

/// Whether an image carries corepack; `None` where its name does not tell. The official images of
/// Node.js do from 16 to
/// 24. Tags that name no version stand for the newest release, which is past that.
pub(super) fn carries_corepack(image: &ImageReference) -> Option<bool> {
    let is_node = image.is_official() && image.repository == "node";
    if !is_node || image.digest.is_some() && image.tag() == "latest" {
        return None;
    }
    let first = image.tag().split('-').next().unwrap_or_default();
    let major = first.split('.').next().and_then(|major| major.parse().ok());
    let major = major
        .or_else(|| CODE_NAMES.iter().find(|(name, _)| *name == first).map(|(_, major)| *major));
    match major {
        Some(major) if major >= WITHOUT_COREPACK => Some(false),
        Some(16..WITHOUT_COREPACK) => Some(true),
        Some(_) => None,
        None => NEWEST.contains(&first).then_some(false),
    }
}

/// First words of tags that name no version, and so stand for the newest: the others name a
/// distribution that one day is not built for any more, or `lts`, which moves.
const NEWEST: [&str; 4] = ["latest", "current", "slim", "alpine"];

/// The pin of the image that a job or service runs in.
pub(super) fn image_pin(
    image: Option<&Scalar>,
    scope: &VariableScope<'_>,
    file: &[u8],
) -> Option<Pin> {
    reference_pin(&ImageReference::parse(scope.resolve(image?)?)?, file)
}

/// The pin that the image of pnpm itself is: its tags begin with the version of pnpm, which the
/// distribution follows. Other images that carry pnpm have no common rule.
pub(super) fn reference_pin(image: &ImageReference, file: &[u8]) -> Option<Pin> {
    let is_pnpm = image.repository == "pnpm/pnpm" || image.repository.ends_with("/pnpm/pnpm");
    let version = image.tag().split('-').next().filter(|_| is_pnpm)?;
    let pin = Pin::from_word(PinKind::Image, Manager::Pnpm, version, &image.word, file);
    // Where a digest decides, there is no version to change.
    let version = pin.version.filter(|_| image.digest.is_none() && image.tag.is_some());
    Some(Pin { version, ..pin })
}
