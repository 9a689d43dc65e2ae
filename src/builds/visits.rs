//! The installs of a build, each with the files of the context that the image has then: settings,
//! manifests and lockfiles.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::base::finding::Span;
use crate::builds::build::Build;
use crate::builds::build_files::{BuildFiles, ImageFile};
use crate::builds::context::{cleaned, is_pattern};
use crate::builds::installs::{Install, Installer, installs};
use crate::builds::model::Builds;
use crate::builds::steps::{
    Action, BuildStage, BuildStep, CopyStep, Mount, RunCommand, RunStep, absolute,
};
use crate::formats::dockerignore::{IgnoreFile, IgnorePattern};
use crate::formats::shell::{Lookup, Resolved};
use crate::models::dockerfile::Base;
use crate::project::kinds::FileKind;

/// An install, and the state of the image before it.
#[derive(Debug)]
pub(crate) struct Visit<'b> {
    pub install: Install<'b>,
    /// The directory that it installs, absolute; `None` if it is unknown.
    pub directory: Option<String>,
    pub image: Image<'b>,
}

/// The known state of an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image<'b> {
    /// The files of the context, by their absolute paths.
    files: Rc<BTreeMap<Rc<str>, ImageFile>>,
    /// What `npm config set` and similar commands set, in order.
    pub configured: Rc<Vec<Configured<'b>>>,
    /// Whether something else writes settings: then nothing is known of them.
    pub has_other_settings: bool,
}

/// A setting that a command sets.
#[derive(Debug, Clone)]
pub(crate) struct Configured<'b> {
    pub key: String,
    /// The word with the value; the whole of `key=value`.
    pub value: &'b Resolved,
}

/// The maximum number of files that are kept for all images of a build together. Beyond that,
/// nothing is known of settings: a hostile file could have any number.
const MAX_FILES: usize = 500_000;

/// The maximum number of installs of a build that are judged.
const MAX_INSTALLS: usize = 100;

/// The installs of the stages that a build needs.
pub(crate) fn visits<'b>(builds: &'b Builds, build: &'b Build) -> Vec<Visit<'b>> {
    let mut walk = ImageWalk::new(builds, build);
    if build.context.is_none() {
        return Vec::new();
    }
    let needed: Vec<usize> = build.needed().map(|(number, _)| number).collect();
    let mut ends: Vec<Image<'b>> = Vec::new();
    let mut found = Vec::new();
    for (number, stage) in build.stages.iter().enumerate() {
        let mut image = match stage.base {
            Base::Stage(base) => ends.get(base).cloned().unwrap_or_default(),
            Base::Image => Image::default(),
        };
        image.has_other_settings |= !walk.take(image.files.len());
        let mut seen = walk.stage(stage, &mut image);
        if needed.binary_search(&number).is_ok() {
            found.append(&mut seen);
        }
        ends.push(image);
        if found.len() >= MAX_INSTALLS || walk.room == 0 {
            break;
        }
    }
    found
}

struct ImageWalk<'b> {
    /// The text of the Dockerfile.
    text: &'b [u8],
    /// The files of the context that may be brought, each with its path in the context.
    files: &'b [(String, usize)],
    copied: &'b BuildFiles,
    room: usize,
}

impl<'b> ImageWalk<'b> {
    fn new(builds: &'b Builds, build: &'b Build) -> Self {
        let files = build.files.of_context.get_or_init(|| files_of_context(builds, build));
        let text = &builds.file(build.dockerfile).text;
        Self { text, files, copied: &build.files, room: MAX_FILES }
    }

    /// Takes room for files that are kept once more; `false` if there is none left.
    fn take(&mut self, count: usize) -> bool {
        let left = self.room.checked_sub(count);
        self.room = left.unwrap_or(0);
        left.is_some()
    }

    fn stage(&mut self, stage: &'b BuildStage, image: &mut Image<'b>) -> Vec<Visit<'b>> {
        let mut installs = installs(stage).peekable();
        let mut found = Vec::new();
        for step in &stage.steps {
            if found.len() >= MAX_INSTALLS || self.room == 0 {
                break;
            }
            match &step.action {
                Action::Copy(copy) => self.copy(step, copy, image),
                Action::Run(run) => {
                    let own = |install: &Install<'_>| std::ptr::eq(install.run, run);
                    let own = std::iter::from_fn(|| installs.next_if(own)).collect();
                    found.append(&mut self.run(step, run, own, image));
                }
                _ => {}
            }
        }
        found
    }

    fn copy(&mut self, step: &BuildStep, copy: &CopyStep, image: &mut Image<'b>) {
        let brought = self.copied.of_or(step, || self.brought(step, copy));
        let names_settings = self.count(&step.span) > 0;
        image.has_other_settings |= names_settings && brought.is_empty();
        self.insert(image, &brought);
    }

    /// The files that a `COPY` brings, by their paths in the image.
    fn brought(&self, step: &BuildStep, copy: &CopyStep) -> Vec<(Rc<str>, ImageFile)> {
        if copy.from.is_some() {
            return Vec::new();
        }
        let of_source = |source: &str| {
            let landing = Landing::of(source, copy, step.directory.as_deref())?;
            let place = move |(inside, file): &(String, usize)| {
                let file = ImageFile { file: *file, span: step.span.clone() };
                Some((landing.path(inside)?.into(), file))
            };
            Some(self.files.iter().filter_map(place))
        };
        let known = copy.sources.iter().filter_map(Resolved::known);
        known.filter_map(of_source).flatten().collect()
    }

    fn insert(&mut self, image: &mut Image<'b>, brought: &[(Rc<str>, ImageFile)]) {
        if !self.take(brought.len()) {
            image.has_other_settings = true;
        } else if !brought.is_empty() {
            Rc::make_mut(&mut image.files).extend(brought.iter().cloned());
        }
    }

    fn run(
        &mut self,
        step: &'b BuildStep,
        run: &'b RunStep,
        installs: Vec<Install<'b>>,
        image: &mut Image<'b>,
    ) -> Vec<Visit<'b>> {
        let had_other_settings = image.has_other_settings;
        let mut known = 0;
        let replaced = self.mounts(step, run, image, &mut known);
        let mut shell = Shell::new(step.directory.as_deref());
        let mut installs = installs.into_iter().peekable();
        let mut found = Vec::new();
        for command in &run.commands {
            if found.len() >= MAX_INSTALLS {
                break;
            }
            let directory = shell.enter(command).map(str::to_owned);
            known += image.run(command, directory.as_deref());
            let kept = image.files.len() + image.configured.len() + 1;
            if let Some(install) = installs.next_if(|own| std::ptr::eq(own.command, command))
                && self.take(kept)
            {
                let directory = installed_directory(&install, directory.as_deref());
                found.push(Visit { install, directory, image: image.clone() });
            }
            shell.leave(command);
        }
        // A redirection, `sed -i`, `--userconfig` …
        let has_more = self.count(&step.span) > known;
        for visit in &mut found {
            visit.image.has_other_settings |= has_more;
        }
        image.has_other_settings = had_other_settings || has_more;
        for (path, before) in replaced {
            let files = Rc::make_mut(&mut image.files);
            files.remove(&path);
            files.extend(before.map(|file| (path, file)));
        }
        found
    }

    /// Applies the mounts of a `RUN`, and counts how often they name settings. Returns the files
    /// that were at the places of theirs.
    fn mounts(
        &mut self,
        step: &BuildStep,
        run: &RunStep,
        image: &mut Image<'b>,
        known: &mut usize,
    ) -> Vec<(Rc<str>, Option<ImageFile>)> {
        let brings = |mount: &Mount| mount.kind == "bind" && !mount.has(&["from"]);
        let before = run.mounts.iter().any(brings).then(|| Rc::clone(&image.files));
        if before.is_some() && !self.take(image.files.len()) {
            image.has_other_settings = true;
            return Vec::new();
        }
        for mount in &run.mounts {
            *known += self.count(&mount.span);
            self.mount(step, mount, image);
        }
        let Some(before) = before else { return Vec::new() };
        let place = |path: &Rc<str>| before.get(path).map(|file| &file.span);
        let is_new = |(path, file): &(&Rc<str>, &ImageFile)| place(path) != Some(&file.span);
        let new = image.files.iter().filter(is_new);
        new.map(|(path, _)| (Rc::clone(path), before.get(path).cloned())).collect()
    }

    /// Adds the files that a mount of a `RUN` brings.
    fn mount(&mut self, step: &BuildStep, mount: &Mount, image: &mut Image<'b>) {
        let from_context = mount.kind == "bind" && !mount.has(&["from"]);
        let target = mount.target().and_then(|to| absolute(step.directory.as_deref(), to));
        let (Some(target), true) = (target, from_context) else {
            image.has_other_settings |= self.count(&mount.span) > 0;
            return;
        };
        let brought = self.copied.of_or(mount, || {
            let source = mount.option(&["source", "src"]).unwrap_or_default();
            let matcher = FileMatcher::new(source);
            let place = |(inside, file): &(String, usize)| {
                let path = absolute(Some(&target), matcher.rest(inside)?)?;
                Some((path.into(), ImageFile { file: *file, span: mount.span.clone() }))
            };
            self.files.iter().filter_map(place).collect()
        });
        self.insert(image, &brought);
    }

    /// How often a part of the Dockerfile names settings.
    fn count(&self, span: &Span) -> usize {
        let text = self.text.get(span.clone()).unwrap_or_default();
        memchr::memmem::find_iter(text, FileKind::NPM_SETTINGS).count()
    }
}

/// The files of the context that an install may read, each with its path in the context.
fn files_of_context(builds: &Builds, build: &Build) -> Vec<(String, usize)> {
    let mut files = Vec::new();
    let has_install = build.stages.iter().any(|stage| installs(stage).next().is_some());
    let Some(context) = build.context.as_ref().filter(|_| has_install) else { return files };
    for (number, source) in builds.project.files().iter().enumerate() {
        let Ok(path) = std::str::from_utf8(source.file.path.as_bytes()) else { continue };
        let Some(inside) = context.inside(path) else { continue };
        let is_asked = FileKind::of(&source.file.path, is_installed_from).is_some();
        if is_asked && context.excluding(&inside).is_none() {
            files.push((inside, number));
        }
    }
    files
}

/// Whether an install may read a file of this kind.
fn is_installed_from(kind: FileKind) -> bool {
    matches!(
        kind,
        FileKind::Npmrc | FileKind::NpmrcCopy | FileKind::Manifest | FileKind::PnpmWorkspace
    ) || kind.is_lockfile()
}

/// Where a source of a `COPY` puts files of the context.
pub(super) struct Landing {
    matcher: FileMatcher,
    to: String,
    is_directory: bool,
    keeps_parents: bool,
}

impl Landing {
    /// `None` if the destination is unknown. `directory` is the working directory.
    pub(super) fn of(source: &str, copy: &CopyStep, directory: Option<&str>) -> Option<Self> {
        let destination = copy.destination.known()?;
        let to = absolute(directory, destination)?;
        let is_directory = copy.sources.len() > 1
            || is_pattern(source)
            || names_directory(destination, &to, directory);
        let matcher = FileMatcher::new(source);
        Some(Self { matcher, to, is_directory, keeps_parents: copy.keeps_parents })
    }

    /// The absolute path of a file of the context in the image; `None` if it is not brought.
    pub(super) fn path(&self, inside: &str) -> Option<String> {
        let rest = self.matcher.rest(inside)?;
        let name = if self.keeps_parents {
            inside
        } else if rest.is_empty() && self.is_directory {
            inside.rsplit('/').next().unwrap_or(inside)
        } else {
            rest
        };
        absolute(Some(&self.to), name)
    }
}

/// Where a bind mount of the context puts a file of it: its absolute path in the image.
pub(super) fn mounted(mount: &Mount, directory: Option<&str>, inside: &str) -> Option<String> {
    let target = absolute(directory, mount.target()?)?;
    let source = mount.option(&["source", "src"]).unwrap_or_default();
    absolute(Some(&target), FileMatcher::new(source).rest(inside)?)
}

/// Matches the paths of the context with a source of a `COPY`.
struct FileMatcher {
    source: String,
    /// The pattern, and the number of names in it.
    glob: Option<(Option<IgnorePattern>, usize)>,
}

impl FileMatcher {
    fn new(source: &str) -> Self {
        let source = cleaned(source);
        let names = source.split('/').count();
        let glob = is_pattern(&source).then(|| (IgnoreFile::glob(&source), names));
        Self { source, glob }
    }

    /// The path below the directory that a source names; empty if it names the file itself.
    fn rest<'p>(&self, inside: &'p str) -> Option<&'p str> {
        match &self.glob {
            Some((glob, names)) => {
                let end = inside.match_indices('/').nth(names - 1).map(|(at, _)| at);
                let (own, rest) = inside.split_at(end.unwrap_or(inside.len()));
                let is_match = glob.as_ref().is_some_and(|glob| glob.matches(own));
                is_match.then(|| rest.trim_start_matches('/'))
            }
            None if self.source.is_empty() => Some(inside),
            None => {
                let rest = inside.strip_prefix(&*self.source)?;
                if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
            }
        }
    }
}

/// Whether a destination is a directory: by its spelling, or because it is the working directory
/// or one above.
fn names_directory(destination: &str, absolute: &str, directory: Option<&str>) -> bool {
    let is_above = |directory: &str| {
        directory
            .strip_prefix(absolute)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || absolute.ends_with('/'))
    };
    destination.ends_with(['/', '.']) || directory.is_some_and(is_above)
}

/// The working directory of a shell, with that of each subshell.
struct Shell {
    /// Each with its depth.
    directories: Vec<(usize, Option<String>)>,
}

impl Shell {
    fn new(directory: Option<&str>) -> Self {
        Self { directories: vec![(0, directory.map(str::to_owned))] }
    }

    /// The directory in which a command runs.
    fn enter(&mut self, command: &RunCommand) -> Option<&str> {
        while self.directories.len() > 1
            && self.directories.last().is_some_and(|(depth, _)| *depth > command.depth)
        {
            self.directories.pop();
        }
        self.directories.last()?.1.as_deref()
    }

    /// Applies `cd`.
    fn leave(&mut self, command: &RunCommand) {
        if !matches!(command.program(), Some("cd" | "pushd" | "popd")) {
            return;
        }
        let to = command.words.get(1).and_then(Resolved::known).filter(|to| *to != "-");
        let here = self.directories.last().and_then(|(_, directory)| directory.clone());
        let moved = to.and_then(|to| absolute(here.as_deref(), to));
        self.directories.push((command.depth, moved));
    }
}

impl<'b> Image<'b> {
    /// The number of a file at an absolute path.
    pub(crate) fn file(&self, path: &str) -> Option<&ImageFile> {
        self.files.get(path)
    }

    /// The files of the context, each with its absolute path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &ImageFile)> {
        self.files.iter().map(|(path, file)| (&**path, file))
    }

    /// Applies a command. Returns how often its words name settings, if its effect is known.
    fn run(&mut self, command: &'b RunCommand, directory: Option<&str>) -> usize {
        let options = |word: &&str| !word.starts_with('-');
        let words: Vec<&str> = command.arguments().filter(options).collect();
        let count =
            || command.arguments().map(|word| word.matches(FileKind::NPM_SETTINGS).count()).sum();
        match (command.program(), words.as_slice()) {
            (Some("rm"), paths) => {
                for path in paths.iter().filter_map(|path| absolute(directory, path)) {
                    self.remove(&path);
                }
                count()
            }
            (Some(program @ ("cp" | "mv")), [from, to]) => {
                let paths = absolute(directory, from).zip(absolute(directory, to));
                let Some((source, target)) = paths else { return 0 };
                let Some(file) = self.files.get(&*source).cloned() else { return 0 };
                let target = if names_directory(to, &target, directory) {
                    let name = source.rsplit('/').next().unwrap_or_default();
                    format!("{}/{name}", target.trim_end_matches('/'))
                } else {
                    target
                };
                let files = Rc::make_mut(&mut self.files);
                if program == "mv" {
                    files.remove(&*source);
                }
                files.insert(target.into(), file);
                count()
            }
            (Some("npm" | "pnpm" | "yarn"), ["config" | "c", "set", ..] | ["set", ..]) => {
                self.configure(command);
                0
            }
            _ => 0,
        }
    }

    /// Removes a file, or those below a directory.
    fn remove(&mut self, path: &str) {
        let below = format!("{}/", path.trim_end_matches('/'));
        let from = (Bound::Included(below.as_str()), Bound::Unbounded);
        let first = self.files.range::<str, _>(from).next();
        if self.files.contains_key(path)
            || first.is_some_and(|(first, _)| first.starts_with(&below))
        {
            Rc::make_mut(&mut self.files)
                .retain(|known, _| **known != *path && !known.starts_with(&below));
        }
    }

    /// Applies `npm config set key value` and `npm config set key=value`.
    fn configure(&mut self, command: &'b RunCommand) {
        let mut words = command.words.iter().skip_while(|word| word.text != "set").skip(1);
        while let Some(word) = words.next() {
            if word.text.starts_with('-') {
                continue;
            }
            let (key, value) = match word.text.split_once('=') {
                Some((key, _)) => (key, Some(word)),
                None => (word.text.as_str(), words.find(|word| !word.text.starts_with('-'))),
            };
            if let Some(value) = value {
                let set = Configured { key: key.to_owned(), value };
                Rc::make_mut(&mut self.configured).push(set);
            }
        }
    }
}

impl Configured<'_> {
    /// The value, as far as it is known.
    pub(crate) fn text(&self) -> &str {
        let text = self.value.text.as_str();
        text.strip_prefix(&*self.key).and_then(|rest| rest.strip_prefix('=')).unwrap_or(text)
    }
}

/// The directory that an install is for.
fn installed_directory(install: &Install<'_>, directory: Option<&str>) -> Option<String> {
    const OPTIONS: [&str; 4] = ["--prefix", "--dir", "-C", "--cwd"];
    let mut words = install.command.words.iter().skip(1);
    while let Some(word) = words.next() {
        let value = match word.text.split_once('=') {
            Some((name, value)) if OPTIONS.contains(&name) => Some(value).filter(|_| !word.is_open),
            _ if OPTIONS.contains(&&*word.text) => words.next().and_then(Resolved::known),
            _ => continue,
        };
        return absolute(directory, value?);
    }
    directory.map(str::to_owned)
}

/// A file of settings that an install reads.
#[derive(Debug, Clone)]
pub(crate) struct InEffect<'v> {
    pub image: &'v ImageFile,
    /// Whether it is that of the project, not that of the user.
    pub is_project: bool,
}

/// The variables that name another file of settings for the user.
const USER_SETTINGS: [&str; 4] = [
    "NPM_CONFIG_USERCONFIG",
    "npm_config_userconfig",
    "PNPM_CONFIG_NPMRC_AUTH_FILE",
    "pnpm_config_npmrc_auth_file",
];

impl Visit<'_> {
    /// The files of settings that it reads; none if something else may write settings.
    pub(crate) fn settings(&self) -> Vec<InEffect<'_>> {
        if self.image.has_other_settings || self.install.installer == Installer::Bun {
            return Vec::new();
        }
        let roots = self.directory.iter().flat_map(|directory| {
            let above = std::iter::successors(Some(directory.as_str()), |directory| {
                directory.rsplit_once('/').map(|(above, _)| above)
            });
            let is_root = |above: &&str| {
                *above == directory.as_str()
                    || self.image.file(&format!("{above}/pnpm-workspace.yaml")).is_some()
            };
            above.filter(is_root).map(|root| format!("{}/.npmrc", root.trim_end_matches('/')))
        });
        let home = self.home().filter(|_| self.has_default_user_settings());
        let of_user = home.map(|home| format!("{home}/.npmrc"));
        let found = |(path, is_project): (String, bool)| {
            Some(InEffect { image: self.image.file(&path)?, is_project })
        };
        let paths = roots.map(|path| (path, true)).chain(of_user.map(|path| (path, false)));
        paths.filter_map(found).collect()
    }

    /// Whether no variable names another file of settings for the user.
    pub(crate) fn has_default_user_settings(&self) -> bool {
        let run = self.install.run;
        USER_SETTINGS.iter().all(|name| {
            self.install.step.stage.lookup(name) == Lookup::Unset && !run.assigned.contains(*name)
        })
    }

    /// The home directory of the user; `None` if it is unknown.
    pub(crate) fn home(&self) -> Option<&str> {
        let step = self.install.step;
        if let Lookup::Set(home) = step.stage.lookup("HOME") {
            return Some(&home.text);
        }
        let image = step.stage.image.as_ref().filter(|image| image.is_official())?;
        let user = step.user.as_ref().map(|user| user.known());
        match user.map(|user| user.map(|user| user.split(':').next().unwrap_or(user))) {
            None | Some(Some("root" | "0")) => Some("/root"),
            Some(Some("node")) if image.repository == "node" => Some("/home/node"),
            Some(_) => None,
        }
    }

    /// Whether a variable has a value at the install; `None` if that is unknown.
    pub(crate) fn has_variable(&self, name: &str) -> Option<bool> {
        let run = self.install.run;
        let by_mount = run.mounts.iter().any(|mount| {
            mount.kind == "secret"
                && mount.has(&["env"])
                && mount.option(&["env"]).is_none_or(|env| env.is_empty() || env == name)
        });
        if by_mount || run.assigned.contains(name) {
            return Some(true);
        }
        if run.commands.iter().any(may_set_any) {
            return None;
        }
        match self.install.step.stage.lookup(name) {
            Lookup::Unset => Some(false),
            Lookup::Set(_) | Lookup::Offered => Some(true),
            Lookup::Unknown => None,
        }
    }

    /// The manifest of the directory or the nearest one above that the image has.
    pub(crate) fn manifest(&self) -> Option<&ImageFile> {
        let directory = self.directory.as_deref()?;
        let mut above = std::iter::successors(Some(directory), |directory| {
            directory.rsplit_once('/').map(|(above, _)| above)
        });
        above.find_map(|directory| {
            self.image.file(&format!("{}/package.json", directory.trim_end_matches('/')))
        })
    }
}

/// Whether a command may set any variable: it runs a script that is not known, or reads variables
/// from a file.
fn may_set_any(command: &RunCommand) -> bool {
    matches!(command.program(), None | Some("." | "source" | "eval" | "env" | "xargs"))
        || command.program() == Some("export")
            && command.words.iter().any(|word| word.is_open && !word.text.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builds::model::tests::builds;

    /// The paths of the files in the image at each install of a Dockerfile at the top.
    fn seen(lines: &str) -> Vec<String> {
        let dockerfile = format!("FROM node:22\nWORKDIR /app/web\n{lines}");
        let files = [
            ("Dockerfile", dockerfile.as_str()),
            (".dockerignore", "x"),
            ("package.json", "{}"),
            ("web/package.json", "{}"),
            ("web/.npmrc", ""),
            ("web/a/package.json", "{}"),
            ("x/package.json", "{}"),
        ];
        let builds = builds(&files);
        let found = visits(&builds, &builds.list[0]);
        let shown = |visit: &Visit<'_>| {
            let directory = visit.directory.as_deref().unwrap_or("?");
            let files = visit.image.files().map(|(path, _)| format!(" {path}"));
            let other = if visit.image.has_other_settings { " …" } else { "" };
            format!("{directory}:{}{other}", files.collect::<String>())
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn a_copy_brings_its_files_to_their_places() {
        let inside = "/app/web: /app/web";
        for (lines, expected) in [
            ("COPY web/package.json .", format!("{inside}/package.json")),
            ("COPY web/package.json /app/web", format!("{inside}/package.json")),
            ("COPY web/package.json b.json", format!("{inside}/b.json")),
            ("COPY package.json web/.npmrc ./", format!("{inside}/.npmrc /app/web/package.json")),
            ("COPY web /x", "/app/web: /x/.npmrc /x/a/package.json /x/package.json".to_owned()),
            ("COPY w*b/.npm* /x/", "/app/web: /x/.npmrc".to_owned()),
            ("COPY web/* /x/", "/app/web: /x/.npmrc /x/package.json".to_owned()),
            ("COPY --parents web/a /x/", "/app/web: /x/web/a/package.json".to_owned()),
            ("COPY x /x", "/app/web:".to_owned()),
            ("ADD [\"web/.npmrc\", \"../\"]", "/app/web: /app/.npmrc".to_owned()),
            ("COPY --from=a web /x", "/app/web:".to_owned()),
            ("COPY web/.npmrc .\nRUN rm -rf /app", "/app/web:".to_owned()),
            ("COPY web/.npmrc .\nRUN mv .npmrc /root/", "/app/web: /root/.npmrc".to_owned()),
            ("COPY web/.npmrc .\nRUN cat .npmrc", format!("{inside}/.npmrc …")),
            ("COPY <<E .npmrc\nE", "/app/web: …".to_owned()),
        ] {
            assert_eq!(seen(&format!("{lines}\nRUN npm ci")), [expected], "{lines}");
        }
        let mounted =
            "COPY web/.npmrc .\nRUN --mount=type=bind,source=web,target=. npm ci\nRUN npm ci";
        let brought = ["/.npmrc", "/a/package.json", "/package.json"];
        assert_eq!(
            seen(mounted),
            [
                format!("/app/web: {}", brought.map(|name| format!("/app/web{name}")).join(" ")),
                "/app/web: /app/web/.npmrc".to_owned()
            ]
        );
        let directories =
            "RUN npm ci --prefix a; cd .. && npm ci; (cd a; npm ci); npm ci; cd $X; npm ci";
        assert_eq!(
            seen(&format!("ARG X\n{directories}")),
            ["/app/web/a:", "/app:", "/app/a:", "/app:", "?:"]
        );
    }

    #[test]
    fn a_hostile_file_is_bounded() {
        let many = "COPY web/.npmrc .\nRUN npm ci\nFROM 0\n".repeat(300);
        assert_eq!(seen(&many).len(), MAX_INSTALLS);
        let commands = "npm ci; npm set a b; mv .npmrc a; mv a .npmrc; ".repeat(1200);
        let found = seen(&format!("COPY web/.npmrc .\nRUN {commands}"));
        assert_eq!(found.len(), MAX_INSTALLS);
    }
}
