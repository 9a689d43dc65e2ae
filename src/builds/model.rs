//! All builds of a project: those that its files describe, and those of Dockerfiles that nothing
//! names.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::change::File;
use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::build::{Build, Inline};
use crate::builds::build_files::BuildFiles;
use crate::builds::context::{BuildContext, Governing, MAX_WORK, RepoTree};
use crate::builds::described::{
    BuildOrigin, Builder, Described, DockerfileSource, Given, MAX_BUILDS, Unbuilt, Unjudged,
    Unreadable,
};
use crate::builds::gathered::{ConfiguredBuild, DescribedBuilds};
use crate::builds::lists::FileLists;
use crate::builds::prepared::PreparedBuilds;
use crate::builds::steps::{self, BuildStage};
use crate::formats::dockerfile::{self, Instruction};
use crate::formats::dockerignore::{IgnoreFile, InvalidPattern};
use crate::formats::joined::Joined;
use crate::models::dockerfile::Base;
use crate::pins::{FilePins, PinTable, dockerfile_pins, pins_of_file};
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};

/// The maximum size in bytes of a Dockerfile. Words take much more memory than their text.
const MAX_DOCKERFILE: usize = 1024 * 1024;

/// The maximum size in bytes of all Dockerfiles together, each counted for each build.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// The builds of a project, and the files that they depend on.
#[derive(Debug)]
pub(crate) struct Builds {
    pub project: Project,
    pub tree: RepoTree,
    /// Those paths of the tree that are manifests.
    pub manifests: RepoTree,
    pub list: Vec<Build>,
    pub prepared: Option<PreparedBuilds>,
    /// The pins of each file, once they are asked for.
    pins: Vec<OnceCell<Rc<FilePins>>>,
    /// The pins of all files, compared, once they are asked for.
    table: OnceCell<PinTable>,
    /// The patterns of the workspace members that each file declares, once they are asked for.
    pub(super) members: OnceCell<Vec<Option<Vec<String>>>>,
    lists: FileLists,
    /// The builds whose Dockerfile is unknown or cannot be read.
    pub unbuilt: Vec<Unbuilt>,
    /// Whether another repository has steps of the workflows.
    pub has_remote_steps: bool,
    /// The files of builds that cannot be read as such.
    pub unreadable: Vec<Unreadable>,
    /// What was not judged.
    pub doubts: Vec<Unjudged>,
    /// Of the variables that no instruction names, and that a step may read from its environment,
    /// those that a file of the repository names; `None` if that is unknown.
    pub named_variables: Option<BTreeSet<String>>,
    /// The size of the Dockerfiles so far.
    text: usize,
}

/// A Dockerfile that can be judged; its text only if it is inside of another file.
struct ReadDockerfile {
    file: usize,
    text: Option<Joined>,
    instructions: Rc<Vec<Instruction>>,
    stages: Vec<BuildStage>,
}

impl Builds {
    /// The builds of a project. `tree` has the paths of the whole state.
    pub(crate) fn new(
        described: DescribedBuilds,
        tree: RepoTree,
        configured: &[ConfiguredBuild],
    ) -> Self {
        let DescribedBuilds { project, found } = described;
        let pins = vec![OnceCell::new(); project.files().len()];
        let paths = project.files().iter().map(|source| &source.file.path);
        let manifests = paths.filter(|path| FileKind::Manifest.matches(path)).collect();
        let mut builds = Self {
            project,
            tree,
            manifests,
            list: Vec::new(),
            prepared: None,
            pins,
            table: OnceCell::new(),
            members: OnceCell::new(),
            lists: FileLists::default(),
            unbuilt: found.unbuilt,
            has_remote_steps: found.has_remote_steps,
            unreadable: found.unreadable,
            doubts: found.doubts,
            named_variables: None,
            text: 0,
        };
        for described in found.builds {
            builds.add(described);
        }
        for ConfiguredBuild { dockerfile, context } in configured {
            builds.add(Described::alone(dockerfile, Some(context.clone()), Builder::Docker));
        }
        builds.add_unnamed();
        builds.doubt_values();
        builds.doubts.sort_unstable();
        builds.doubts.dedup();
        builds
    }

    /// The file of this number.
    pub(crate) fn file(&self, number: usize) -> &File {
        self.project.file(number)
    }

    /// The numbers of the lockfiles.
    pub(crate) fn locks(&self) -> &[usize] {
        self.lists.locks(&self.project)
    }

    /// The numbers of the files that may set where a package manager keeps its packages.
    pub(crate) fn settings_files(&self) -> &[usize] {
        self.lists.settings(&self.project)
    }

    /// The numbers of the files that may declare the version of a package manager.
    pub(crate) fn declaring_files(&self) -> &[usize] {
        self.lists.declaring(&self.project)
    }

    /// One build of each Dockerfile.
    pub(crate) fn of_each_dockerfile(&self) -> impl Iterator<Item = &Build> {
        let mut seen = BTreeSet::new();
        self.list.iter().filter(move |build| seen.insert(build.dockerfile_id()))
    }

    /// The instructions of the Dockerfile of a build.
    pub(crate) fn instructions(&self, build: &Build) -> Rc<Vec<Instruction>> {
        match &build.inline {
            Some(inline) => Rc::new(dockerfile::parse_joined(&inline.text)),
            None => self.instructions_of(build.dockerfile),
        }
    }

    fn instructions_of(&self, file: usize) -> Rc<Vec<Instruction>> {
        self.project.files()[file].view(|file| dockerfile::parse(&file.text))
    }

    /// Whether a place starts in a Dockerfile inside of another file.
    pub(crate) fn is_inline(&self, path: &RepoPath, span: &Span) -> bool {
        self.list.iter().filter(|build| build.inline.is_some()).any(|build| {
            let whole = build.inline.as_ref().map(Inline::span).unwrap_or_default();
            self.file(build.dockerfile).path == *path
                && whole.start <= span.start
                && span.start <= whole.end
        })
    }

    /// The pins of the Dockerfile of a build.
    pub(crate) fn pins_of<'b>(&'b self, build: &'b Build) -> &'b FilePins {
        match &build.inline {
            Some(inline) => &inline.pins,
            None => self.pins_of_file(build.dockerfile),
        }
    }

    /// The pins of the file of this number, without those that its callers decide.
    pub(crate) fn pins_of_file(&self, file: usize) -> &FilePins {
        self.pins[file].get_or_init(|| pins_of_file(&self.project.files()[file]))
    }

    /// The pins of all files, compared.
    pub(crate) fn pin_table(&self) -> &PinTable {
        self.table.get_or_init(|| PinTable::new(self.project.clone()))
    }

    /// Names something that was not judged.
    pub(crate) fn leave_out(&mut self, path: RepoPath, reason: &str) {
        self.doubts.push(Unjudged::new(path, reason));
        self.doubts.sort_unstable();
    }

    /// Gives a file of the project its text.
    pub(crate) fn fill(&mut self, source: Rc<SourceFile>) {
        if let Some(number) = self.project.fill(source) {
            self.pins[number] = OnceCell::new();
            self.lists = FileLists::default();
        }
    }

    /// Names what the rules leave out because a value is unknown.
    fn doubt_values(&mut self) {
        let mut found = Vec::new();
        for build in &self.list {
            let path = &self.file(build.dockerfile).path;
            let mut doubt = |reason: &str| found.push(Unjudged::new(path.clone(), reason));
            if build.copies().any(|(_, copy)| copy.sources.iter().any(|source| source.is_open)) {
                doubt("a source of COPY or ADD whose value is unknown");
            }
            let is_unknown =
                |stage: &BuildStage| stage.base == Base::Image && stage.last.image.is_none();
            if build.stages.iter().any(is_unknown) {
                doubt("what depends on the base image of a stage, which is unknown");
            }
        }
        self.doubts.append(&mut found);
    }

    pub(super) fn add(&mut self, described: Described) {
        let Described { dockerfile, context, given, origin, builder } = described;
        let Some(read) = self.read(dockerfile, &given, origin.as_ref()) else {
            self.unbuilt.extend(origin.map(|origin| Unbuilt { origin, given }));
            return;
        };
        let ReadDockerfile { file, text, instructions, stages } = read;
        let own = text.is_none().then(|| self.file(file).path.to_string());
        let context = context.and_then(|directory| {
            let ignore = self.governing(own.as_deref(), &directory, builder)?;
            Some(BuildContext { directory, ignore })
        });
        let inline = text.map(|text| {
            let pins = dockerfile_pins(&instructions, &self.file(file).text, Vec::new());
            Inline { text, pins }
        });
        let files = BuildFiles::default();
        self.list.push(Build { dockerfile: file, inline, context, stages, given, origin, files });
    }

    /// Reads a Dockerfile. If it cannot be judged, the reason is noted.
    fn read(
        &mut self,
        dockerfile: DockerfileSource,
        given: &Given,
        origin: Option<&BuildOrigin>,
    ) -> Option<ReadDockerfile> {
        let (file, text) = match dockerfile {
            DockerfileSource::Inline(file, text) => (file, Some(text)),
            DockerfileSource::Path(path) => match self.project.number(path.as_bytes()) {
                Some(file) => (file, None),
                None => {
                    self.doubt_missing(&path, origin);
                    return None;
                }
            },
        };
        let unreadable = |file, message| Unreadable { file, span: None, message };
        let size = text.as_ref().map_or(self.file(file).text.len(), |text| text.bytes.len());
        if size > MAX_DOCKERFILE {
            let message = format!("it is larger than {} KiB", MAX_DOCKERFILE / 1024);
            self.unreadable(unreadable(file, message));
            return None;
        }
        self.text += size;
        if self.list.len() >= MAX_BUILDS || self.text > MAX_TEXT {
            let (file, message) = match origin {
                Some(origin) => (origin.file, "it describes more builds than can be judged"),
                None => (file, "there are more builds than can be judged"),
            };
            self.unreadable(unreadable(file, message.to_owned()));
            return None;
        }
        let instructions = match &text {
            Some(text) => Rc::new(dockerfile::parse_joined(text)),
            None => self.instructions_of(file),
        };
        if let Some(name) = steps::replaced_base(&instructions, &given.contexts) {
            let path = self.file(file).path.clone();
            let reason = format!("a further context takes the place of its base {name}");
            self.doubts.push(Unjudged { path, reason });
            return None;
        }
        let stages = steps::stages(&instructions, given.known_arguments());
        if stages.is_none() {
            let limit = steps::MAX_INSTRUCTIONS;
            let message = format!("it has more than {limit} instructions or commands");
            self.unreadable(unreadable(file, message));
        }
        Some(ReadDockerfile { file, text, instructions, stages: stages? })
    }

    fn doubt_missing(&mut self, dockerfile: &str, origin: Option<&BuildOrigin>) {
        let path = origin.map_or_else(
            || RepoPath::from(dockerfile),
            |origin| self.file(origin.file).path.clone(),
        );
        let reason = if self.is_link(dockerfile) {
            format!("{dockerfile} is a link, which is not read")
        } else {
            format!("there is no Dockerfile at {dockerfile}")
        };
        self.doubts.push(Unjudged { path, reason });
    }

    /// Whether a path is in the repository, but not read: only regular files are.
    pub(super) fn is_link(&self, path: &str) -> bool {
        self.tree.has_file(path) && self.project.number(path.as_bytes()).is_none()
    }

    /// Adds a file that cannot be read, once.
    fn unreadable(&mut self, found: Unreadable) {
        if !self.unreadable.iter().any(|known| known.file == found.file) {
            self.unreadable.push(found);
        }
    }

    /// The ignore file in force: that of the Dockerfile, even if it is empty, or that of the
    /// context. `None` if it cannot be read: then the files of the context are unknown.
    /// `dockerfile` is its path; a Dockerfile in another file has none.
    #[allow(clippy::option_option, reason = "unknown and absent differ")]
    fn governing(
        &mut self,
        dockerfile: Option<&str>,
        context: &str,
        builder: Builder,
    ) -> Option<Option<Governing>> {
        let names: &[&str] = match builder {
            Builder::Docker => &[".dockerignore"],
            // Buildah prefers the first next to the Dockerfile, and the second in the context.
            Builder::Podman => &[".dockerignore", ".containerignore"],
        };
        let own = names.iter().filter_map(|name| Some(format!("{}{name}", dockerfile?)));
        let of_context = names.iter().rev().map(|name| match context {
            "" => (*name).to_owned(),
            context => format!("{context}/{name}"),
        });
        let number = |path: &String| self.project.number(path.as_bytes());
        let mut paths = own.chain(of_context);
        let found = paths.find(|path| number(path).is_some() || self.is_link(path));
        let Some(path) = found else { return Some(None) };
        let Some(file) = number(&path) else {
            // Docker follows it.
            let reason = "it is a link, which is not read".to_owned();
            self.doubts.push(Unjudged { path: RepoPath::from(&*path), reason });
            return None;
        };
        let contexts = self.list.iter().filter_map(|build| build.context.as_ref());
        let mut same = contexts.filter(|known| known.directory == context);
        let is_known = |known: &&Governing| known.file == file;
        if let Some(known) = same.find_map(|known| known.ignore.as_ref().filter(is_known)) {
            return Some(Some(known.clone()));
        }
        let (span, message) = match IgnoreFile::parse(&self.file(file).text) {
            Ok(patterns) if patterns.cost().saturating_mul(self.tree.count(context)) > MAX_WORK => {
                (None, "it has too many patterns for the files of its context".to_owned())
            }
            Ok(patterns) => return Some(Some(Governing { file, patterns: Rc::new(patterns) })),
            Err(InvalidPattern { span, message }) => {
                (Some(span), format!("the pattern is invalid: {message}"))
            }
        };
        self.unreadable(Unreadable { file, span, message });
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The builds of a project with these files.
    pub(crate) fn builds(files: &[(&str, &str)]) -> Builds {
        let file = |(path, text): &(&str, &str)| File {
            path: RepoPath::from(*path),
            text: text.as_bytes().to_vec(),
            fresh: true,
            replaces: false,
        };
        let tree = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
        let described = DescribedBuilds::new(files.iter().map(file).collect());
        Builds::new(described, tree, &[])
    }

    /// The builds, what they are given, and the doubts.
    pub(crate) fn shown(files: &[(&str, &str)]) -> Vec<String> {
        let builds = builds(files);
        let line = |build: &Build| {
            let given = &build.given;
            let origin = build.origin.as_ref();
            let text = |span: &crate::base::finding::Span| {
                let file = &builds.file(origin.unwrap().file).text;
                String::from_utf8_lossy(&file[span.clone()]).into_owned()
            };
            let mut line = match &build.context {
                Some(context) => format!("{:?}", context.directory),
                None => "?".to_owned(),
            };
            let inline = if build.inline.is_some() { "inside of " } else { "" };
            line = format!("{inline}{} in {line}", builds.file(build.dockerfile).path);
            for (name, value) in &given.arguments {
                let value = value.as_ref();
                let value = value.map(|value| format!("{} `{}`", value.text, text(&value.span)));
                line += &format!(" {name}={}", value.unwrap_or("?".to_owned()));
            }
            for (kind, named) in [("secret", &given.secrets), ("host", &given.hosts)] {
                for (name, span) in named {
                    line += &format!(" {kind} {name} `{}`", text(span));
                }
            }
            for (kind, value) in [("network", &given.network), ("target", &given.target)] {
                line += &value.as_ref().map(|value| format!(" {kind} {value}")).unwrap_or_default();
            }
            let origin = origin.map(|origin| text(&origin.span)).unwrap_or_default();
            format!("{line}{} by {origin}", if given.is_open { " …" } else { "" })
        };
        let doubts = builds.doubts.iter().map(|doubt| format!("{}: {}", doubt.path, doubt.reason));
        let mut lines: Vec<String> = builds.list.iter().map(line).chain(doubts).collect();
        lines.extend(builds.unreadable.iter().map(|file| file.message.clone()));
        lines
    }

    const NODE: &str = "FROM node:22\n";

    #[test]
    fn a_compose_file_describes_builds() {
        let compose = "x-a: &a {args: {A: 1}}\nservices:\n  a: {build: web, profiles: [x]}\n  \
                       b:\n    build:\n      <<: *a\n      context: ${CTX:-.}\n      \
                       dockerfile: web/Dockerfile\n      network: host\n      target: $T\n      \
                       extra_hosts: [\"h:1.2.3.4\"]\n      secrets: [s, {source: t, target: u}]\n  \
                       c: {build: {context: web, args: [A=1, B, C=$C, D=]}}\n  \
                       d: {build: $X}\n  e: {build: ../x}\n  f: {build: none}\n  \
                       g: {build: {dockerfile_inline: \"FROM x\"}}\n  h: {image: x}\n  \
                       i: {build: {context: web, args: {A: , B: '', C: \"${C:-1}\"}}}\n";
        assert_eq!(
            shown(&[("compose.yaml", compose), ("web/Dockerfile", NODE)]),
            [
                "web/Dockerfile in \"web\" by a",
                "web/Dockerfile in \"\" A=1 `1` secret s `s` secret u `{source: t, target: u}` \
                 host h `\"h:1.2.3.4\"` network host … by b",
                "web/Dockerfile in \"web\" A=1 `A=1` B=? C=? D= `D=` by c",
                "inside of compose.yaml in \"\" by g",
                "web/Dockerfile in \"web\" A=? B= `''` C=? by i",
                "compose.yaml: the context of service e is not in the repository",
                "compose.yaml: the context or the Dockerfile of service d is unknown",
                "compose.yaml: there is no Dockerfile at none/Dockerfile",
            ]
        );
    }

    #[test]
    fn a_service_extends_another_one() {
        let common = "services:\n  base:\n    build:\n      context: .\n      args: {A: 1, B: 1}\n\
                      \u{20}     secrets: [s]\n";
        let own = "services:\n  own:\n    extends: {file: ../x/common.yaml, service: base}\n    \
                   build: {args: {B: 2}}\n  same: {extends: own}\n  \
                   loop: {extends: loop, build: .}\n  gone: {extends: {service: a, file: b}, \
                   build: .}\n";
        let files = [
            ("x/common.yaml", common),
            ("y/compose.yaml", own),
            ("x/Dockerfile", NODE),
            ("y/Dockerfile", NODE),
        ];
        assert_eq!(
            shown(&files),
            [
                "x/Dockerfile in \"x\" A=1 `` B=2 `2` secret s `` by own",
                "x/Dockerfile in \"x\" A=1 `` B=2 `2` secret s `` by same",
                "y/Dockerfile in \"y\" … by loop",
                "y/Dockerfile in \"y\" … by gone",
            ]
        );
    }

    #[test]
    fn default_files_are_merged_and_others_may_be() {
        let service = |build: &str| format!("services: {{a: {{build: {build}}}}}");
        let (first, second) = (service("{context: web, args: [A=1, B=1]}"), service("old"));
        let (over, over2) = (service("{args: [B=2]}"), service("{args: [B=3]}"));
        let other = service("{args: [B=4]}");
        let reset = service("{args: !reset [], context: web}");
        let web = ("web/Dockerfile", NODE);
        assert_eq!(
            shown(&[
                ("docker-compose.yml", &second),
                ("compose.yaml", &first),
                ("docker-compose.override.yml", &over2),
                ("compose.override.yaml", &over),
                ("compose.prod.yaml", &other),
                ("x/compose.override.yaml", &over),
                web,
            ]),
            [
                "web/Dockerfile in \"web\" A=1 `A=1` B=2 `` by a",
                "web/Dockerfile in \"web\" A=1 `` B=4 `B=4` … by a",
                "docker-compose.override.yml: compose.override.yaml is used instead",
                "docker-compose.yml: compose.yaml is used instead",
                "x/compose.override.yaml: there is no Dockerfile at x/Dockerfile",
            ]
        );
        assert_eq!(
            shown(&[("compose.yaml", &first), ("compose.override.yaml", &reset), web]),
            ["web/Dockerfile in \"web\" A=1 `A=1` B=1 `B=1` … by a"]
        );
    }

    #[test]
    fn a_compose_file_includes_others() {
        let top = "include: [infra/stack.yaml, {path: [a.yaml, b.yaml]}, $X]\nservices: {}";
        let stack = "services: {a: {build: .}}";
        let files =
            [("compose.yaml", top), ("infra/stack.yaml", stack), ("infra/Dockerfile", NODE)];
        assert_eq!(
            shown(&files),
            ["infra/Dockerfile in \"infra\" by a", "compose.yaml: what it includes is unknown"]
        );
        let project: Project = builds(&[("compose.yaml", top)]).project;
        assert!(DescribedBuilds::new(project).missing(&[]).contains("infra/stack.yaml"));
    }

    #[test]
    fn a_workflow_builds_with_an_action() {
        let step = |with: &str| {
            format!(
                "jobs: {{j: {{steps: [{{uses: actions/checkout@v4}}]}}, k: {{env: {{D: web}}, \
                 steps: [{{uses: actions/checkout@v4}}, \
                 {{uses: docker/build-push-action@v6, with: {with}}}]}}}}"
            )
        };
        let by = " by docker/build-push-action@v6";
        for (with, expected) in [
            ("{context: web}", "web/Dockerfile in \"web\""),
            ("{context: ., file: web/Dockerfile, target: a}", "web/Dockerfile in \"\" target a"),
            ("{context: '${{ env.D }}'}", "web/Dockerfile in \"web\""),
            ("{context: '${{ github.workspace }}/web'}", "web/Dockerfile in \"web\""),
            ("{file: web/Dockerfile}", "web/Dockerfile in ?"),
            ("{context: '{{defaultContext}}:web'}", "web/Dockerfile in ?"),
            (
                "{context: web, build-args: \"A=1\", add-hosts: 'h:1,i:2', network: host}",
                "web/Dockerfile in \"web\" A=1 `A=1` host h `h:1,i:2` host i `h:1,i:2` \
                 network host",
            ),
            (
                "{context: web, secrets: 'a=${{ secrets.A }}', secret-envs: 'b=B', \
                 secret-files: 'c=./c'}",
                "web/Dockerfile in \"web\" secret a `a=${{ secrets.A }}` secret c `c=./c` \
                 secret b `b=B`",
            ),
            ("{context: web, build-args: 'A=${{ x }}'}", "web/Dockerfile in \"web\" A=?"),
            ("{context: web, build-args: '${{ x }}'}", "web/Dockerfile in \"web\" …"),
            ("{context: web, target: '${{ x }}'}", "web/Dockerfile in \"web\" …"),
        ] {
            for path in [".github/workflows/a.yml", ".gitea/workflows/a.yaml"] {
                let found = shown(&[(path, &step(with)), ("web/Dockerfile", NODE)]);
                assert_eq!(found, [format!("{expected}{by}")], "{with}");
            }
        }
        let unknown = shown(&[
            (".github/workflows/a.yml", &step("{context: '${{ matrix.d }}'}")),
            ("web/Dockerfile", NODE),
        ]);
        assert_eq!(
            unknown,
            [
                "web/Dockerfile in ? … by ",
                ".github/workflows/a.yml: the Dockerfile of a build in it is unknown",
                "web/Dockerfile: what needs its context, since nothing says how it is built",
            ]
        );
    }

    #[test]
    fn a_list_of_an_action_has_a_place_for_each_line() {
        let workflow = "jobs:\n  k:\n    steps:\n      - uses: actions/checkout@v4\n      \
                        - uses: docker/build-push-action@v6\n        with:\n          \
                        context: web\n          build-args: |\n            A=1\n\n            \
                        B=${{ x }}\n          secrets: |\n            \"s=a b\"\n";
        assert_eq!(
            shown(&[(".forgejo/workflows/a.yml", workflow), ("web/Dockerfile", NODE)]),
            ["web/Dockerfile in \"web\" A=1 `A=1` B=? secret s `\"s=a b\"` \
              by docker/build-push-action@v6"]
        );
    }

    #[test]
    fn a_command_builds_an_image() {
        for (run, expected) in [
            ("docker build web", "web/Dockerfile in \"web\" by docker build web"),
            (
                "cd web && docker build -t a:b .",
                "web/Dockerfile in \"web\" by docker build -t a:b .",
            ),
            (
                "docker buildx build --push --platform linux/arm64 -f web/Dockerfile .",
                "web/Dockerfile in \"\" by",
            ),
            ("docker image build --file=web/Dockerfile .", "web/Dockerfile in \"\" by"),
            ("podman build -f web/Dockerfile -t \"$IMAGE\" .", "web/Dockerfile in \"\" by"),
            ("buildah bud web", "web/Dockerfile in \"web\" by"),
            (
                "docker build --build-arg A=1 --build-arg B=$B --build-arg C --secret id=s,env=S \
              --add-host h:1 --network=host --target t web",
                "web/Dockerfile in \"web\" A=1 `A=1` B=? C=? secret s `id=s,env=S` host h `h:1` \
              network host target t by",
            ),
            (
                "docker build --secret \"id=s,src=$F\" --build-arg \"$X\" web",
                "web/Dockerfile in \"web\" secret s `\"id=s,src=$F\"` … by",
            ),
        ] {
            let script = format!(
                "jobs:\n  j:\n    steps:\n      - uses: actions/checkout@v4\n      \
                 - run: |\n          {run}\n"
            );
            let pipeline = format!("j:\n  script:\n    - |\n      {run}\n");
            for (path, text) in [(".github/workflows/a.yml", script), (".gitlab-ci.yml", pipeline)]
            {
                let found = shown(&[(path, &text), ("web/Dockerfile", NODE)]);
                assert!(found.len() == 1 && found[0].starts_with(expected), "{run}: {found:?}");
            }
        }
        for run in [
            "docker build $FLAGS .",
            "docker build -f $F .",
            "docker build -",
            "docker build --file - web",
            "docker build https://example.org/x.git",
            "cd $D && docker build .",
        ] {
            let text = format!("j: {{script: ['{run}']}}");
            let found = shown(&[(".gitlab-ci.yml", &text), ("web/Dockerfile", NODE)]);
            assert!(found[1].ends_with("a build in it is unknown"), "{run}: {found:?}");
        }
        for run in ["docker build --help", "docker push x", "echo docker build web", "docker"] {
            let text = format!("j: {{script: ['{run}']}}");
            let found = shown(&[(".gitlab-ci.yml", &text), ("Dockerfile", NODE)]);
            assert_eq!(found, ["Dockerfile in \"\" … by "], "{run}");
        }
    }

    #[test]
    fn a_build_of_another_repository_is_unknown() {
        let steps = "[{uses: actions/checkout@v4, with: {repository: o/n}}, {run: docker build .}]";
        let text = format!("jobs: {{j: {{steps: {steps}}}}}");
        let found = shown(&[(".github/workflows/a.yml", &text), ("x/Dockerfile", NODE)]);
        assert!(found[1].ends_with("a build in it is unknown"), "{found:?}");
    }

    #[test]
    fn the_number_of_builds_is_bounded() {
        let services: String =
            (0..2000).map(|number| format!("  s{number}: {{build: .}}\n")).collect();
        let compose = format!("services:\n{services}");
        let found = builds(&[("compose.yaml", &compose), ("Dockerfile", NODE)]);
        assert_eq!((found.list.len(), found.unreadable.len()), (MAX_BUILDS, 1));
        let long = format!("{NODE}# {}\n", "x".repeat(MAX_TEXT / 5));
        let found = builds(&[("compose.yaml", &compose), ("Dockerfile", &long)]);
        assert_eq!((found.list.len(), found.unreadable.len()), (4, 1));
        let larger = format!("{NODE}# {}\n", "x".repeat(MAX_DOCKERFILE));
        assert_eq!(shown(&[("Dockerfile", &larger)]), ["it is larger than 1024 KiB"]);
    }
}
