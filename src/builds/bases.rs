//! The base images of the Dockerfiles.

use std::collections::BTreeSet;

use crate::base::finding::Span;
use crate::builds::model::Builds;
use crate::formats::shell::Resolved;
use crate::models::dockerfile::Base;
use crate::models::image::ImageReference;

/// A `FROM` of an image. Stages and `scratch` are no images.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BaseUse {
    /// The name with the host of its registry, without a tag.
    pub image: String,
    /// `None` if a variable without a known value decides on it.
    pub version: Option<BaseVersion>,
    /// The number of the file in the project.
    pub file: usize,
    /// Where the instruction starts.
    pub start: usize,
    /// The names of the variables with known values that it uses.
    pub variables: Vec<String>,
}

/// What a `FROM` says after the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BaseVersion {
    /// The tag, by default `latest`.
    pub tag: String,
    pub digest: Option<String>,
}

/// The base images of a project.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    /// Sorted, without duplicates.
    pub uses: Vec<BaseUse>,
    /// The instructions whose image is unknown: the number of the file, the start, and the word.
    pub unknown: BTreeSet<(usize, usize, String)>,
}

impl Bases {
    pub(crate) fn new(builds: &Builds) -> Self {
        let (mut uses, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for build in &builds.list {
            let instructions = builds.instructions(build);
            let from = instructions.iter().filter(|instruction| instruction.name == "FROM");
            for (from, stage) in from.zip(&build.stages) {
                let Some(word) = from.words().next().filter(|_| stage.base == Base::Image) else {
                    continue;
                };
                let (file, start) = (build.dockerfile, from.span.start);
                let written = String::from_utf8_lossy(from.bytes(&word)).into_owned();
                let known = stage.last.image.clone().or_else(|| parsed(&written));
                match known {
                    Some(known) => _ = uses.insert(BaseUse::new(&known, file, start)),
                    None if written == "scratch" => {}
                    None => match unversioned(&written) {
                        Some(image) => {
                            let (version, variables) = (None, Vec::new());
                            uses.insert(BaseUse { image, version, file, start, variables });
                        }
                        None => _ = unknown.insert((file, start, written)),
                    },
                }
            }
        }
        Self { uses: uses.into_iter().collect(), unknown }
    }

    /// The uses of an image, by its name as in a `FROM` without a tag; `None` for another text.
    pub(crate) fn of(&self, name: &str) -> Option<Vec<&BaseUse>> {
        let known = parsed(name).filter(|image| image.tag.is_none() && image.digest.is_none())?;
        let name = name_of(&known);
        Some(self.uses.iter().filter(|known| known.image == name).collect())
    }
}

impl BaseUse {
    fn new(image: &ImageReference, file: usize, start: usize) -> Self {
        let tag = image.tag().to_owned();
        let used = image.word.used.iter().map(|used| used.name.clone());
        let variables: BTreeSet<String> = used.collect();
        Self {
            image: name_of(image),
            version: Some(BaseVersion { tag, digest: image.digest.clone() }),
            file,
            start,
            variables: variables.into_iter().collect(),
        }
    }
}

/// The name with its host, in the form in which Docker compares names.
fn name_of(image: &ImageReference) -> String {
    match &image.host {
        Some(host) => format!("{host}/{}", image.repository),
        None => image.repository.clone(),
    }
}

/// A reference without variables.
fn parsed(text: &str) -> Option<ImageReference> {
    let is_open = text.contains('$');
    let (text, span): (String, Span) = (text.to_owned(), 0..0);
    ImageReference::parse(Resolved { text, is_open, span, used: Vec::new(), unset: Vec::new() })
}

/// The name of a reference whose tag or digest alone has a variable.
fn unversioned(written: &str) -> Option<String> {
    let variable = written.find('$')?;
    let before = written.get(..variable)?;
    let start = before.rfind('/').map_or(0, |slash| slash + 1);
    let end = start + before.get(start..)?.find([':', '@'])?;
    parsed(written.get(..end)?).map(|image| name_of(&image))
}
