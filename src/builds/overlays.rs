//! Whether the installs of a build get what a preparation lays over their manifests.

use crate::base::finding::Span;
use crate::builds::build::Build;
use crate::builds::build_files::ImageFile;
use crate::builds::context::{BuildContext, cleaned};
use crate::builds::described::{Builder, Described};
use crate::builds::model::Builds;
use crate::builds::prepared::{Overlays, PreparedBuilds, TARBALL};
use crate::builds::steps::{Action, BuildStep, CopyStep, absolute};
use crate::builds::visits::{Landing, Visit, mounted, visits};
use crate::formats::dockerignore::IgnorePattern;
use crate::project::kinds::FileKind;

const MANIFEST: &str = FileKind::MANIFEST;

/// A prepared manifest that an install of a build uses as it is.
#[derive(Debug)]
pub(crate) struct Unreached<'b> {
    pub build: &'b Build,
    /// The directory of the manifest; empty for the top.
    pub directory: &'b str,
    /// The directory of the image, absolute.
    pub place: String,
    /// What brings the manifest.
    pub span: Span,
    /// The copy that brings it; `None` for a mount.
    pub step: Option<&'b BuildStep>,
    pub obstacle: OverlayObstacle<'b>,
}

/// Why an install does not get the prepared packages.
#[derive(Debug)]
pub(crate) enum OverlayObstacle<'b> {
    /// The context is another directory than the top, where the leftover directory is.
    OutOfContext,
    /// The ignore file excludes it.
    Ignored { file: usize, pattern: &'b IgnorePattern },
    /// Nothing brings it.
    Missing {
        /// The manifest is brought after the overlay, or without it.
        lacks_overlay: bool,
        /// The directory of the image where the tarballs are expected, if they are not there.
        packages: Option<String>,
    },
}

/// A part of a Dockerfile that may need an overlay, and cannot be decided.
#[derive(Debug)]
pub(crate) struct Undecided<'b> {
    pub build: &'b Build,
    pub span: Span,
    pub reason: &'static str,
}

impl Builds {
    /// Adds what a preparation writes.
    pub(crate) fn prepare(&mut self, overlays: Overlays) {
        let is_alone = |build: &&Build| {
            build.context.is_none() && build.origin.is_none() && build.inline.is_none()
        };
        let alone = self.list.iter().filter(is_alone).map(|build| build.dockerfile);
        let mut implied = Vec::new();
        for file in alone.collect::<Vec<usize>>() {
            let (path, known) = (self.file(file).path.to_string(), self.list.len());
            self.add(Described::alone(&path, Some(String::new()), Builder::Docker));
            implied.extend(self.list.drain(known..));
        }
        self.prepared = Some(PreparedBuilds { overlays, implied });
    }
}

/// The manifests that are used without their overlay, each once for each Dockerfile.
pub(crate) fn unreached<'b>(builds: &'b Builds, overlays: &'b Overlays) -> Vec<Unreached<'b>> {
    let mut found: Vec<Unreached<'b>> = Vec::new();
    let implied = builds.prepared.iter().flat_map(|prepared| &prepared.implied);
    let implied = implied.filter(|build| implies_top(build, overlays));
    for build in builds.list.iter().chain(implied) {
        for visit in visits(builds, build) {
            for (path, file) in visit.image.files() {
                let Some(one) = judge(builds, build, overlays, (&visit, path, file)) else {
                    continue;
                };
                let id = |one: &Unreached<'_>| {
                    (one.build.dockerfile_id(), one.span.clone(), one.place.clone())
                };
                if !found.iter().any(|known| id(known) == id(&one)) {
                    found.push(one);
                }
            }
        }
    }
    found
}

/// Whether a Dockerfile that nothing names must be built with the top as its context: a source
/// names a prepared manifest from there.
fn implies_top(build: &Build, overlays: &Overlays) -> bool {
    let names = |source: &str, directory: &String| {
        let source = cleaned(source);
        let below = source.strip_prefix(&**directory);
        !directory.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    build.sources().iter().filter_map(|source| source.path).any(|source| {
        overlays.directories.iter().any(|directory| names(source, directory))
            || overlays.directories.contains("") && cleaned(source) == MANIFEST
    })
}

fn judge<'b>(
    builds: &'b Builds,
    build: &'b Build,
    overlays: &'b Overlays,
    (visit, path, file): (&Visit<'b>, &str, &ImageFile),
) -> Option<Unreached<'b>> {
    let own = builds.file(file.file);
    if !FileKind::Manifest.matches(&own.path) {
        return None;
    }
    let directory = std::str::from_utf8(own.path.parent()).ok()?;
    let directory = overlays.directories.get(directory)?;
    let place =
        path.rsplit_once('/').map(|(place, _)| if place.is_empty() { "/" } else { place })?;
    if visit.directory.as_ref().is_some_and(|installed| !are_related(installed, place)) {
        return None;
    }
    let context = build.context.as_ref()?;
    let steps = steps_before(build, visit)?;
    let at = steps.iter().rposition(|step| step.span == file.span);
    let step = at.and_then(|at| steps.get(at).copied());
    let obstacle = obstacle(context, overlays, directory, place, (visit, &steps, at))?;
    let (place, span) = (place.to_owned(), file.span.clone());
    Some(Unreached { build, directory, place, span, step, obstacle })
}

fn obstacle<'b>(
    context: &'b BuildContext,
    overlays: &Overlays,
    directory: &str,
    place: &str,
    (visit, steps, at): (&Visit<'b>, &[&'b BuildStep], Option<usize>),
) -> Option<OverlayObstacle<'b>> {
    if !context.directory.is_empty() {
        return Some(OverlayObstacle::OutOfContext);
    }
    let (overlaid, tarball) = (overlays.overlaid(directory), overlays.tarball());
    let beside = !overlays.in_place;
    let excluding = context.excluding(&overlaid).filter(|_| beside);
    let excluding = excluding.or_else(|| context.excluding(&tarball));
    if let Some((pattern, ignore)) = excluding.zip(context.ignore.as_ref()) {
        return Some(OverlayObstacle::Ignored { file: ignore.file, pattern });
    }
    let manifest = format!("{}/{MANIFEST}", place.trim_end_matches('/'));
    let named =
        if directory.is_empty() { MANIFEST.to_owned() } else { format!("{directory}/{MANIFEST}") };
    let mounts = |inside: &str, to: &str| {
        let directory = visit.install.step.directory.as_deref();
        let mounts = visit.install.run.mounts.iter().filter(|mount| mount.binds_context());
        mounts.into_iter().any(|mount| mounted(mount, directory, inside).as_deref() == Some(to))
    };
    let covers = |(number, step): (usize, &&BuildStep)| {
        let after = if at == Some(number) { last_source(step, &named, &manifest) } else { None };
        last_source(step, &overlaid, &manifest) > after
    };
    let from = at.unwrap_or_default();
    let lacks_overlay =
        beside && !steps.iter().enumerate().skip(from).any(covers) && !mounts(&overlaid, &manifest);
    let depth = directory.split('/').filter(|part| !part.is_empty()).count();
    let expected = absolute(Some(place), &format!("{}{}", "../".repeat(depth), overlays.into))?;
    let to = format!("{expected}/{TARBALL}");
    let has_packages = steps.iter().any(|step| {
        last_source(step, &tarball, &to).is_some() || copies_from_elsewhere(step, &expected)
    });
    let packages = (!has_packages && !mounts(&tarball, &to)).then_some(expected);
    (lacks_overlay || packages.is_some())
        .then_some(OverlayObstacle::Missing { lacks_overlay, packages })
}

/// The number of the last source of a copy that puts a file of the context at a place of the image.
fn last_source(step: &BuildStep, inside: &str, place: &str) -> Option<usize> {
    let copy = context_copy(step)?;
    copy.sources.iter().rposition(|source| {
        let landing =
            source.known().and_then(|known| Landing::of(known, copy, step.directory.as_deref()));
        landing.and_then(|landing| landing.path(inside)).as_deref() == Some(place)
    })
}

fn context_copy(step: &BuildStep) -> Option<&CopyStep> {
    match &step.action {
        Action::Copy(copy) if copy.from.is_none() => Some(copy),
        _ => None,
    }
}

/// Whether a copy from a stage or an image may bring a directory.
fn copies_from_elsewhere(step: &BuildStep, directory: &str) -> bool {
    let Action::Copy(copy) = &step.action else { return false };
    let to = copy.destination.known().and_then(|to| absolute(step.directory.as_deref(), to));
    copy.from.is_some() && to.is_some_and(|to| are_related(&to, directory))
}

/// Whether one of two absolute directories is the other, or is in it.
fn are_related(one: &str, other: &str) -> bool {
    let is_in = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || outer == "/")
    };
    is_in(one, other) || is_in(other, one)
}

/// The steps before an install, of its stage and of those that this one builds on.
fn steps_before<'b>(build: &'b Build, visit: &Visit<'b>) -> Option<Vec<&'b BuildStep>> {
    let install = &visit.install;
    let is_own = |step: &BuildStep| std::ptr::eq(step, install.step);
    let own = build.stages.iter().position(|stage| stage.steps.iter().any(is_own))?;
    let mut steps = Vec::new();
    for number in build.chain(own).into_iter().rev() {
        let all = &build.stages.get(number)?.steps;
        steps.extend(all.iter().take(if number == own { install.position } else { all.len() }));
    }
    Some(steps)
}

/// What may need an overlay, and cannot be decided, in each Dockerfile.
pub(crate) fn undecided<'b>(builds: &'b Builds, overlays: &Overlays) -> Vec<Undecided<'b>> {
    let mut found = Vec::new();
    if overlays.in_place {
        return found;
    }
    for build in builds.of_each_dockerfile() {
        let installs = build.installs().next().is_some();
        let mut doubt = |span: &Span, reason| {
            found.push(Undecided { build, span: span.clone(), reason });
        };
        for (_, copy) in build.copies().filter(|_| installs) {
            let text = |source: &crate::formats::shell::Resolved| {
                let text = &builds.file(build.dockerfile).text;
                String::from_utf8_lossy(text.get(source.span.clone()).unwrap_or_default())
                    .into_owned()
            };
            let has_overlay = copy.sources.iter().any(|source| text(source).contains("/tree/"));
            let open = copy.sources.iter().find(|source| source.is_open);
            if let Some(open) = open.filter(|open| !has_overlay && may_name_manifest(&text(open))) {
                doubt(&open.span, "the value of this source is unknown");
            }
        }
        for trigger in builds.instructions(build).iter().filter(|one| one.name == "ONBUILD") {
            let copies = trigger.words().next().is_some_and(|word| {
                let word = trigger.bytes(&word);
                word.eq_ignore_ascii_case(b"COPY") || word.eq_ignore_ascii_case(b"ADD")
            });
            if copies {
                doubt(&trigger.span, "another Dockerfile runs this");
            }
        }
        if let Some(manifest) = manifest_source(build, overlays).filter(|_| !installs) {
            let runs = build.steps().any(|(_, step)| matches!(step.action, Action::Run(_)));
            if runs {
                doubt(&manifest, "no install is recognized in this Dockerfile");
            }
        }
        let is_unknown = build.context.is_none() && !implies_top(build, overlays);
        if let Some(source) = whole_source(build).filter(|_| is_unknown && installs) {
            doubt(&source, "nothing says which directory is its context");
        }
    }
    found
}

/// Whether an open source may name a manifest: it ends in a variable, or names one.
fn may_name_manifest(text: &str) -> bool {
    text.contains(MANIFEST) || text.trim_end_matches(['/', '"']).ends_with('}')
}

/// The first source that names a prepared manifest.
fn manifest_source(build: &Build, overlays: &Overlays) -> Option<Span> {
    let is_named = |source: &str| {
        let source = cleaned(source);
        let directory = source.strip_suffix(MANIFEST);
        directory
            .is_some_and(|directory| overlays.directories.contains(directory.trim_end_matches('/')))
    };
    let sources = build.sources();
    sources.iter().find(|one| one.path.is_some_and(is_named)).map(|one| one.span.clone())
}

/// The first source that is, or has directly in it, the manifest of the context.
fn whole_source(build: &Build) -> Option<Span> {
    let is_whole = |source: &str| matches!(&*cleaned(source), "" | MANIFEST);
    let sources = build.sources();
    sources.iter().find(|one| one.path.is_some_and(is_whole)).map(|one| one.span.clone())
}
