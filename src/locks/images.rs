//! The lockfiles for images in a repository, and what their images see.
//!
//! A Dockerfile that copies a lockfile to `pnpm-lock.yaml` before it installs says exactly what the
//! install sees. Otherwise the place of the file says it: `a/pnpm-lock.docker.yaml` with the only
//! importer `.` is for the manifest in `a`, and one with other importers for the workspace at `a`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use semver::Version;

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::context::{cleaned, is_pattern};
use crate::builds::installs::{Install, Installer};
use crate::builds::steps::{BuildStep, CopyStep, absolute};
use crate::builds::{Action, Build, Builds};
use crate::formats::Syntax;
use crate::formats::lockfile::{Importer, Lockfile};
use crate::formats::npmrc::{SettingsDialect, settings};
use crate::locks::graph::host;
use crate::locks::view::ImageView;
use crate::models::Scalar;
use crate::models::manifest::PackageJson;
use crate::pins::pin::exact;
use crate::pins::{Demand, Manager, Pin};
use crate::project::SourceFile;
use crate::project::directories::{ancestors, relative_to, resolved};
use crate::project::kinds::FileKind;

/// An install of pnpm in an image, and the files of the repository that it finds.
pub(crate) struct ImageInstall<'b> {
    pub build: &'b Build,
    pub install: Install<'b>,
    /// The directory of the install, without a leading slash.
    pub directory: String,
    /// The number of each file in the project, with the place of its copy, by absolute path.
    pub files: BTreeMap<String, (usize, Span)>,
    pub doubts: BTreeSet<String>,
}

/// The name of a copied file at its destination.
#[derive(Debug, Clone, Copy)]
enum Naming {
    /// The destination itself.
    Destination,
    /// Its own name.
    Name,
    /// Its path in the context.
    Path,
}

impl ImageInstall<'_> {
    /// The files of a kind at the directory of the install.
    pub(crate) fn at_root(&self, kind: FileKind) -> Option<&(usize, Span)> {
        let is_it = |path: &&String| {
            let path = RepoPath::from(path.as_str());
            path.parent() == self.directory.as_bytes() && kind.matches(&path)
        };
        self.files.iter().find(|(path, _)| is_it(path)).map(|(_, copied)| copied)
    }
}

/// The installs of pnpm in the builds of a project.
pub(crate) fn image_installs(builds: &Builds) -> Vec<ImageInstall<'_>> {
    let mut found = Vec::new();
    for build in builds.list.iter().filter(|build| build.context.is_some()) {
        for (stage, install) in build.installs() {
            let is_elsewhere = ["-C", "--dir", "--prefix"];
            let moves = |flag: &str| is_elsewhere.contains(&flag.split('=').next().unwrap_or(flag));
            if install.installer != Installer::Pnpm || install.command.arguments().any(moves) {
                continue;
            }
            let Some(directory) = install.step.directory.as_deref() else { continue };
            let directory = directory.trim_matches('/').to_owned();
            let mut image = ImageInstall {
                build,
                directory,
                files: BTreeMap::new(),
                doubts: BTreeSet::new(),
                install,
            };
            let lineage: Vec<_> = build.lineage(stage).collect();
            for (number, below) in lineage.into_iter().rev() {
                let end = if number == stage { image.install.position + 1 } else { usize::MAX };
                for step in below.steps.iter().take(end) {
                    image.take(builds, step);
                }
            }
            found.push(image);
        }
    }
    found
}

impl ImageInstall<'_> {
    fn take(&mut self, builds: &Builds, step: &BuildStep) {
        match &step.action {
            Action::Copy(copy) if copy.from.is_none() => self.copy(builds, step, copy),
            Action::Copy(copy) => {
                let to = copy.destination.known();
                let to = to.and_then(|to| absolute(step.directory.as_deref(), to));
                if to.is_none_or(|to| to.trim_matches('/') == self.directory) {
                    self.doubts.insert("files that are copied from another stage".to_owned());
                }
            }
            Action::Run(run) => {
                for mount in run.mounts.iter().filter(|mount| mount.binds_context()) {
                    let target = mount.target();
                    let target = target.and_then(|to| absolute(step.directory.as_deref(), to));
                    if let (Some(source), Some(target)) = (mount.source(), target) {
                        let target = target.trim_matches('/');
                        self.place(builds, source, target, Naming::Destination, &mount.span);
                    }
                }
            }
            _ => {}
        }
    }

    fn copy(&mut self, builds: &Builds, step: &BuildStep, copy: &CopyStep) {
        let here = step.directory.as_deref();
        let to = copy.destination.known().and_then(|to| Some((to, absolute(here, to)?)));
        let Some((written, to)) = to else {
            self.doubts.insert("a copy to a place that is unknown".to_owned());
            return;
        };
        let to = to.trim_matches('/');
        // A directory that is known to be there, or that is written as one.
        let is_there = here.is_some_and(|here| {
            let here = here.trim_matches('/');
            relative_to(to.as_bytes(), here.as_bytes()).is_some()
        });
        let is_directory =
            written.ends_with('/') || is_there || copy.sources.len() > 1 || copy.keeps_parents;
        for source in &copy.sources {
            let Some(path) = source.known() else {
                self.doubts.insert("a source of COPY whose value is unknown".to_owned());
                continue;
            };
            if !path.contains("://") {
                if copy.keeps_parents && path.contains("/./") {
                    self.doubts.insert("a COPY --parents with a mark".to_owned());
                }
                let naming = match (copy.keeps_parents, is_directory) {
                    (true, _) => Naming::Path,
                    (false, true) => Naming::Name,
                    (false, false) => Naming::Destination,
                };
                self.place(builds, path, to, naming, &source.span);
            }
        }
    }

    /// Places the files that a source names.
    fn place(&mut self, builds: &Builds, source: &str, to: &str, naming: Naming, span: &Span) {
        let Some(context) = &self.build.context else { return };
        let source = cleaned(source);
        let depth = source.split('/').count();
        for below in context.named(&builds.tree, &source) {
            let Some(number) = builds.project.number(context.path(below).as_bytes()) else {
                continue;
            };
            if context.excluding(below).is_some() {
                continue;
            }
            let is_glob = is_pattern(&source);
            let is_file = if is_glob { below.split('/').count() == depth } else { below == source };
            let inner = match naming {
                Naming::Path => below.to_owned(),
                Naming::Destination if is_file && !is_glob => String::new(),
                _ if is_file => below.rsplit('/').next().unwrap_or(below).to_owned(),
                _ if is_glob => below.split('/').skip(depth).collect::<Vec<_>>().join("/"),
                _ => below.strip_prefix(&*source).unwrap_or(below).trim_matches('/').to_owned(),
            };
            if let Some(path) = resolved(to, &inner) {
                self.files.insert(path, (number, span.clone()));
            }
        }
    }
}

/// The images with a lockfile of their own.
pub(crate) fn views(builds: &Builds) -> Vec<ImageView> {
    let mut found: Vec<ImageView> = Vec::new();
    for image in image_installs(builds) {
        let Some(view) = view_of(builds, &image) else { continue };
        let is_known = |known: &ImageView| {
            known.lock.file.path == view.lock.file.path
                && known.files.len() == view.files.len()
                && known
                    .files
                    .iter()
                    .zip(&view.files)
                    .all(|(a, b)| a.0 == b.0 && a.1.file.path == b.1.file.path)
        };
        if !found.iter().any(is_known) {
            found.push(view);
        }
    }
    for source in builds.project.files() {
        let is_viewed = found.iter().any(|view| view.lock.file.path == source.file.path);
        if FileKind::is_docker_lockfile(&source.file.path) && !is_viewed {
            found.push(view_by_place(builds, source));
        }
    }
    found
}

/// What an install sees, if it has a lockfile for images.
fn view_of(builds: &Builds, image: &ImageInstall<'_>) -> Option<ImageView> {
    let (number, span) = image.at_root(FileKind::PnpmLock)?;
    let files = builds.project.files();
    let lock = files.get(*number)?;
    if !FileKind::PnpmBranchLock.matches(&lock.file.path) {
        return None;
    }
    let below = |path: &str| {
        let below = relative_to(image.directory.as_bytes(), path.as_bytes())?;
        String::from_utf8(below.to_vec()).ok()
    };
    let placed = image
        .files
        .iter()
        .filter_map(|(path, (number, _))| Some((below(path)?, Rc::clone(files.get(*number)?))));
    let placed: BTreeMap<String, Rc<SourceFile>> = placed.collect();
    let root = image.at_root(FileKind::Manifest).and_then(|(number, _)| files.get(*number));
    let home = root.map(|root| root.file.path.parent());
    let mut pins = builds.pins_of(image.build).pins.iter();
    let mut view = ImageView {
        lock: Rc::clone(lock),
        files: placed,
        members: home.map(|home| members(builds, home)),
        has_settings: image.doubts.is_empty(),
        registries: registries(builds, image),
        version: root
            .and_then(declared)
            .or_else(|| pins.find_map(exact_pnpm))
            .or_else(|| pinned_for(builds, lock.file.path.parent())),
        workspace: workspace_lockfile(builds, lock),
        user_npmrc: npmrc_of_user(builds, image),
        ignores_pin: ignores_pin(&builds.file(image.build.dockerfile).text),
        doubts: image.doubts.clone(),
        origin: Some((image.build.dockerfile, span.clone())),
    };
    if view.manifest_directories().is_empty() {
        view.doubts.insert("the manifests, which the Dockerfile is not seen to copy".to_owned());
    }
    Some(view)
}

/// What the image of a lockfile sees by the place of the lockfile.
fn view_by_place(builds: &Builds, lock: &Rc<SourceFile>) -> ImageView {
    let home = lock.file.path.parent();
    let parsed = lock.view(|file| Lockfile::parse(&file.text));
    let is_alone =
        parsed.as_ref().as_ref().is_ok_and(|lock| lock.importers.keys().all(|name| name == "."));
    let mut files = BTreeMap::new();
    for source in builds.project.files() {
        let path = &source.file.path;
        let Some(below) = relative_to(home, path.as_bytes()).filter(|below| !below.is_empty())
        else {
            continue;
        };
        let is_other_manifest =
            is_alone && below.contains(&b'/') && FileKind::Manifest.matches(path);
        if !is_other_manifest && FileKind::of(path, FileKind::is_lockfile).is_none() {
            let below = String::from_utf8_lossy(below).into_owned();
            files.insert(below, Rc::clone(source));
        }
    }
    let has_workspace = |directory: &[u8]| {
        let mut files = builds.project.files().iter().map(|source| &source.file.path);
        files.any(|path| path.parent() == directory && FileKind::PnpmWorkspace.matches(path))
    };
    let mut view = ImageView {
        lock: Rc::clone(lock),
        members: Some(members(builds, home)),
        has_settings: has_workspace(home) || !ancestors(home).any(has_workspace),
        registries: None,
        version: None,
        workspace: workspace_lockfile(builds, lock),
        user_npmrc: None,
        ignores_pin: false,
        doubts: BTreeSet::new(),
        origin: None,
        files,
    };
    let root = view.manifest("").map(|manifest| manifest.source);
    view.version = root.as_ref().and_then(declared).or_else(|| pinned_for(builds, home));
    view
}

/// The directories with a manifest below a directory of the repository, relative to it.
fn members(builds: &Builds, home: &[u8]) -> BTreeSet<String> {
    let directories = builds.project.manifest_directories();
    let below = directories.iter().filter_map(|directory| relative_to(home, directory));
    below.map(|below| String::from_utf8_lossy(below).into_owned()).collect()
}

/// The lockfile of the workspace that another lockfile belongs to.
fn workspace_lockfile(builds: &Builds, lock: &Rc<SourceFile>) -> Option<Rc<SourceFile>> {
    ancestors(lock.file.path.parent()).find_map(|directory| {
        let mut files = builds.project.files().iter();
        let is_it =
            |path: &RepoPath| path.parent() == directory && FileKind::PnpmLock.matches(path);
        files.find(|source| is_it(&source.file.path)).cloned()
    })
}

/// The version of pnpm that a manifest declares.
fn declared(manifest: &Rc<SourceFile>) -> Option<Version> {
    let manifest = manifest.model(Syntax::Json, PackageJson::parse);
    let text = manifest.package_manager.as_ref().and_then(Scalar::text)?;
    exact(text.strip_prefix("pnpm@")?)
}

/// The exact version of a pin of pnpm.
fn exact_pnpm(pin: &Pin) -> Option<Version> {
    match &pin.demand {
        Demand::Exact(version) if pin.manager == Manager::Pnpm => Some(version.clone()),
        _ => None,
    }
}

/// The version that is pinned for a directory.
fn pinned_for(builds: &Builds, directory: &[u8]) -> Option<Version> {
    let pins = builds.pin_table();
    ancestors(directory).find_map(|directory| {
        let group = pins.groups.iter().find(|group| *group.directory == *directory)?;
        exact_pnpm(pins.pin(group.reference?))
    })
}

/// The home directories of users in images.
const HOMES: [&str; 2] = ["root", "home/node"];

/// The `.npmrc` in the home directory of a user.
fn npmrc_of_user(builds: &Builds, image: &ImageInstall<'_>) -> Option<Rc<SourceFile>> {
    let is_it = |path: &RepoPath| {
        FileKind::Npmrc.matches(path) && HOMES.iter().any(|home| path.parent() == home.as_bytes())
    };
    let mut files = image.files.iter();
    let (_, (number, _)) = files.find(|(path, _)| is_it(&RepoPath::from(path.as_str())))?;
    builds.project.files().get(*number).cloned()
}

/// Whether a Dockerfile mentions the setting by which pnpm ignores the version that is pinned.
fn ignores_pin(dockerfile: &[u8]) -> bool {
    let text = dockerfile.to_ascii_lowercase();
    ["pm_on_fail", "pm-on-fail"]
        .iter()
        .any(|name| memchr::memmem::find(&text, name.as_bytes()).is_some())
}

/// The hosts of the registries that an install uses, by scope; `None` if they are unknown.
fn registries(builds: &Builds, image: &ImageInstall<'_>) -> Option<BTreeMap<String, String>> {
    let is_read = |path: &str| {
        let path = RepoPath::from(path);
        let directory = String::from_utf8_lossy(path.parent()).into_owned();
        FileKind::Npmrc.matches(&path)
            && (directory == image.directory || HOMES.contains(&&*directory))
    };
    let mut found = BTreeMap::new();
    for (_, (number, _)) in image.files.iter().filter(|(path, _)| is_read(path)) {
        let text = &builds.file(*number).text;
        for setting in settings(SettingsDialect::Npmrc, text) {
            let key = text.get(setting.key.clone()).map(String::from_utf8_lossy)?;
            let scope = match setting.name.as_str() {
                "registry" => key.strip_suffix(":registry").unwrap_or_default().to_owned(),
                _ => continue,
            };
            if key.starts_with("//") {
                continue;
            }
            if setting.text.contains('$') {
                return None;
            }
            found.insert(scope, host(setting.text.trim())?);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The lockfile of a workspace that links no package outside of the repository: it works in an
/// image as it is.
#[derive(Debug)]
pub(crate) struct Unlinked {
    pub path: RepoPath,
    pub has_members: bool,
    /// The directory, relative to the workspace, of a member that needs no other file of the
    /// repository for its install: no other member, and no patch.
    pub member: Option<String>,
}

/// Whether the lockfile of a workspace is one; `None` if it links packages outside.
pub(crate) fn unlinked(path: &RepoPath, lock: &Lockfile) -> Option<Unlinked> {
    let home = String::from_utf8_lossy(path.parent()).into_owned();
    for (name, importer) in &lock.importers {
        let Some(directory) = resolved(&home, name) else { continue };
        for locked in &importer.dependencies {
            if let Some(target) = locked.version.text.strip_prefix("link:") {
                resolved(&directory, target)?;
            }
        }
    }
    let is_member = |name: &str| name != "." && !name.starts_with("..");
    let mut members = lock.importers.iter().filter(|(name, _)| is_member(name)).peekable();
    let has_members = members.peek().is_some();
    let is_alone = |importer: &Importer| {
        let mut locked = importer.dependencies.iter().map(|locked| &locked.version.text);
        lock.patches.is_empty() && !locked.any(|version| version.starts_with("link:"))
    };
    let member = members.find(|(_, importer)| is_alone(importer)).map(|(name, _)| name.clone());
    Some(Unlinked { path: path.clone(), has_members, member })
}
