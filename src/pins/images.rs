//! Derives the presence of corepack and pnpm from the name of an image.

use crate::models::Scalar;
use crate::models::image::ImageReference;
use crate::pins::pin::{Manager, Pin, PinKind};
use crate::pins::scope::VariableScope;

/// The code names of Node.js releases, from its release schedule.
const CODE_NAMES: [(&str, u64); 6] = [
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
];

/// The first major version of Node.js whose images do not contain corepack.
const WITHOUT_COREPACK: u64 = 25;

/// Whether an image contains corepack; `None` if its name does not decide that. The official images
/// of Node.js do from 16 to 24. A tag without a version is the newest release, which does not.
pub(super) fn has_corepack(image: &ImageReference) -> Option<bool> {
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

/// First words of tags that are the newest release. Other tags without a version name a
/// distribution, for which images are not built forever, or `lts`, which may be older.
const NEWEST: [&str; 4] = ["latest", "current", "slim", "alpine"];

/// The pin of the image of a job or service.
pub(super) fn image_pin(
    image: Option<&Scalar>,
    scope: &VariableScope<'_>,
    file: &[u8],
) -> Option<Pin> {
    reference_pin(&ImageReference::parse(scope.resolve(image?)?)?, file)
}

/// The pin of an image of pnpm, whose tags are the version of pnpm and then the distribution. Other
/// images that contain pnpm have no common rule.
pub(super) fn reference_pin(image: &ImageReference, file: &[u8]) -> Option<Pin> {
    let is_pnpm = image.repository == "pnpm/pnpm" || image.repository.ends_with("/pnpm/pnpm");
    let version = image.tag().split('-').next().filter(|_| is_pnpm)?;
    let pin = Pin::from_word(PinKind::Image, Manager::Pnpm, version, &image.word, file);
    // A digest overrides the tag.
    let version = pin.version.filter(|_| image.digest.is_none() && image.tag.is_some());
    Some(Pin { version, ..pin })
}
