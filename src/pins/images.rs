//! Derives the presence of corepack and pnpm from the name of an image.

use crate::base::finding::Span;
use crate::formats::shell::{Link, Script};
use crate::models::Scalar;
use crate::models::image::ImageReference;
use crate::pins::commands::{Effects, Variables};
use crate::pins::pin::{Fault, Manager, Pin, PinKind};
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
fn has_corepack(image: &ImageReference) -> Option<bool> {
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
        // A digest may be of any time.
        None => (image.digest.is_none() && is_newest(first)).then_some(false),
    }
}

/// First words of tags that are the newest release. Those of a distribution are the newest release
/// that has images of it: these have images of Node.js 25 and later. The tag of an older one stays
/// at the last release that had one, and `lts` may be older.
const NEWEST: [&str; 7] = ["latest", "current", "slim", "alpine", "bullseye", "bookworm", "trixie"];

/// The minor version of the first Alpine 3 that has images of Node.js 25, by `versions.json` of
/// docker-node.
const NEWEST_ALPINE: u64 = 21;

fn is_newest(first: &str) -> bool {
    let alpine = first.strip_prefix("alpine3.").and_then(|minor| minor.parse::<u64>().ok());
    NEWEST.contains(&first) || alpine.is_some_and(|minor| minor >= NEWEST_ALPINE)
}

/// A container, before and after a command. By default, nothing is known of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    /// Whether it has corepack; `None` if unknown.
    pub corepack: Option<bool>,
    /// The repository and tag of its image.
    image: String,
}

impl Container {
    /// A new container of an image.
    pub(super) fn new(image: Option<&ImageReference>) -> Self {
        let known = |image| Self {
            corepack: has_corepack(image),
            image: format!("{}:{}", image.repository, image.tag()),
        };
        image.map(known).unwrap_or_default()
    }

    /// Runs a command of a script, which has these effects. Returns the fault of a container
    /// without corepack, which is reported once: the first command fails.
    pub(super) fn run(
        &mut self,
        script: &Script<'_>,
        at: usize,
        done: &Effects,
        variables: Variables<'_, '_>,
    ) -> Option<(Span, Fault)> {
        let command = &script.commands[at];
        if done.brings_corepack {
            self.corepack = None;
        }
        // `corepack enable || npm install -g corepack` handles a missing corepack.
        let is_prepared = command.is_tested
            || script.commands.get(at + 1).is_some_and(|next| next.link == Link::Or);
        if self.corepack != Some(false) || !done.runs_corepack || is_prepared {
            return None;
        }
        self.corepack = None;
        let span = script.resolve(&command.words().next()?, variables).span;
        Some((span, Fault::NoCorepack(self.image.clone())))
    }
}

/// The image of a job or service.
pub(super) fn image_of(
    image: Option<&Scalar>,
    scope: &VariableScope<'_>,
) -> Option<ImageReference> {
    ImageReference::parse(scope.resolve(image?)?)
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
