//! The builds of CI: `docker/build-push-action`, `docker build` in scripts, and calls of bake.

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::bake::{self, BakeCall};
use crate::builds::caches::BuildCaches;
use crate::builds::described::{
    BuildOrigin, Builder, Described, Descriptions, DockerfileSource, Given, lines,
};
use crate::formats::Syntax;
use crate::formats::shell::{Resolved, Variable};
use crate::models::StringMap;
use crate::models::gitlab::Pipeline;
use crate::models::workflow::{Callee, Workflow};
use crate::pins::{CiCommand, UsedAction, WorkflowSteps, joined, pipeline_commands};
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};

/// Adds the builds of all workflows and pipelines of a project; returns their calls of bake.
pub(super) fn builds(project: &Project, found: &mut Descriptions) -> Vec<BakeCall> {
    let mut calls = Vec::new();
    let has = |path: &str| project.number(path.as_bytes()).is_some();
    for (number, source) in project.files().iter().enumerate() {
        let is_asked = |kind| matches!(kind, FileKind::Workflow | FileKind::GitlabPipeline);
        let (path, text) = (&source.file.path, source.file.text.as_slice());
        found.has_remote_steps |= calls_remote_workflow(text);
        match FileKind::of(path, is_asked).filter(|_| may_build(text)) {
            Some(FileKind::Workflow) => {
                let workflow = source.model(Syntax::Yaml, |root| Workflow::parse(root, text));
                let steps = WorkflowSteps::new(&workflow, text, may_build);
                for action in &steps.actions {
                    let Callee::Remote { name, .. } = &action.uses.callee else { continue };
                    // There are forks with the same inputs.
                    if name.ends_with("/build-push-action") {
                        of_action(number, action, text, path, found);
                    } else if name.ends_with("/bake-action") {
                        calls.push(bake::call_of_action(action, text));
                        let set = action.uses.with.last("set");
                        let set = set.map(|list| lines(list, text)).unwrap_or_default();
                        of_settings(number, &action.uses.span, set, found);
                    } else if action.uses.with.last("cache-to").is_some() {
                        let given = of_inputs(&action.uses.with, text);
                        found.unbuilt(origin(number, &action.uses.span), given);
                    }
                }
                of_commands(number, &steps.commands, source, &has, found);
                calls.extend(steps.commands.iter().filter_map(bake::call_of_command));
            }
            Some(_) => {
                let pipeline = source.model(Syntax::Yaml, Pipeline::parse);
                let commands = pipeline_commands(&pipeline, text);
                of_commands(number, &commands, source, &has, found);
                calls.extend(commands.iter().filter_map(bake::call_of_command));
            }
            None => {}
        }
    }
    calls
}

/// The parts of the names of all programs that build an image, or the beginning of a variable.
const BUILDERS: [&str; 6] = ["docker", "buildx", "podman", "buildah", "nerdctl", "$"];

/// What follows in a command that builds an image.
const SUBCOMMANDS: [&str; 3] = ["build", "bake", "bud"];

/// The names of actions that build an image, and an input that others have.
const ACTIONS: [&str; 3] = ["build-push-action", "bake-action", "cache-to"];

/// Whether a text may have a command or an action that builds an image. Most scripts have none, and
/// take long to read.
fn may_build(text: &[u8]) -> bool {
    let find = |text: &[u8], part: &str| memchr::memmem::find(text, part.as_bytes());
    let has = |text: &[u8], part: &str| find(text, part).is_some();
    let is_command = |line: &[u8]| {
        let builder = BUILDERS.iter().filter_map(|name| find(line, name)).min();
        builder.is_some_and(|at| SUBCOMMANDS.iter().any(|name| has(&line[at..], name)))
    };
    // A string that begins with `>` is one line; a backslash continues a line.
    let is_folded = has(text, ": >");
    let is_end = |at: &usize| !is_folded && !text[..*at].ends_with(b"\\");
    let ends = memchr::memchr_iter(b'\n', text).filter(is_end).chain([text.len()]);
    let mut begin = 0;
    let mut lines = ends.map(|end| &text[std::mem::replace(&mut begin, end)..end]);
    ACTIONS.iter().any(|name| has(text, name))
        || SUBCOMMANDS.iter().any(|name| has(text, name)) && lines.any(is_command)
}

/// Whether a job is a workflow of another repository: `uses: owner/name/.github/workflows/a.yml`.
fn calls_remote_workflow(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, "/workflows/").any(|at| {
        let line = text.get(..at).unwrap_or_default();
        let line = line.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.trim_ascii_start();
        line.strip_prefix(b"uses:").is_some_and(|path| memchr::memmem::find(path, b"./").is_none())
    })
}

fn origin(file: usize, span: &Span) -> BuildOrigin {
    BuildOrigin { file, span: span.clone(), name: None }
}

/// Adds the caches that a call of bake gives to targets: `TARGET.cache-to=…`.
fn of_settings(file: usize, place: &Span, set: Vec<(String, Span)>, found: &mut Descriptions) {
    let mut given = Given { is_open: true, ..Given::default() };
    for (setting, span) in set {
        let Some((name, value)) = setting.split_once('=') else { continue };
        match name.trim_end_matches('+').rsplit('.').next() {
            Some("cache-from") => given.caches.import(value, &span),
            Some("cache-to") => given.caches.export(value, &span),
            _ => {}
        }
    }
    if !given.caches.imports.is_empty() || !given.caches.exports.is_empty() {
        found.unbuilt(origin(file, place), given);
    }
}

/// Adds the build of an action. Without a context it builds what it fetches from git itself, which
/// has no ignored files; then only the Dockerfile is judged.
fn of_action(
    file: usize,
    action: &UsedAction<'_>,
    text: &[u8],
    path: &RepoPath,
    found: &mut Descriptions,
) {
    const GIT: &str = "{{defaultContext}}";
    let with = &action.uses.with;
    let context = action.input("context");
    let of_git = context.map_or(with.text("context").unwrap_or_default(), |context| context);
    let of_git = match of_git.strip_prefix(GIT) {
        Some(inside) => joined("", inside.trim_start_matches(':')),
        None => of_git.is_empty().then(String::new),
    };
    let own = action.input("file");
    let (context, dockerfile) = match of_git {
        Some(inside) => {
            let name = own.map(|own| if own.is_empty() { "Dockerfile" } else { own });
            (None, name.and_then(|name| joined(&inside, name)))
        }
        None => {
            let context = context.and_then(|context| action.path(context));
            let dockerfile = match own {
                Some("") => context.as_deref().and_then(|context| joined(context, "Dockerfile")),
                own => own.and_then(|file| action.path(file)),
            };
            (context, dockerfile)
        }
    };
    let (origin, mut given) = (origin(file, &action.uses.span), of_inputs(with, text));
    let inputs = ["file", "context", "platforms"];
    given.caches.varies = inputs.into_iter().find(|name| action.varies(name));
    let Some(dockerfile) = dockerfile else {
        found.doubt(path, "the Dockerfile of a build in it is unknown");
        return found.unbuilt(origin, given);
    };
    let origin = Some(origin);
    let (dockerfile, builder) = (DockerfileSource::Path(dockerfile), Builder::Docker);
    found.builds.push(Described { dockerfile, context, given, origin, builder });
}

/// What the inputs of an action give.
fn of_inputs(with: &StringMap, text: &[u8]) -> Given {
    let mut given = Given::default();
    let lines = |name: &str| with.last(name).map(|list| lines(list, text)).unwrap_or_default();
    for (line, span) in lines("build-args") {
        given.argument(&line, &span);
    }
    for (line, _) in lines("build-contexts") {
        given.contexts.extend(line.split_once('=').map(|(name, _)| name.to_owned()));
    }
    for name in ["secrets", "secret-files"] {
        for (line, span) in lines(name) {
            given.secret(line.split('=').next().unwrap_or_default(), span);
        }
    }
    let several = |name| {
        lines(name).into_iter().flat_map(|(line, span)| {
            let parts: Vec<_> = line.split(',').map(|part| part.trim().to_owned()).collect();
            parts.into_iter().map(move |part| (part, span.clone()))
        })
    };
    for (part, span) in several("secret-envs") {
        given.secret(part.split('=').next().unwrap_or_default(), span);
    }
    for (part, span) in several("add-hosts") {
        given.host(&part, span);
    }
    let entries = |name| lines(name).into_iter().filter(|(line, _)| !line.starts_with('#'));
    for (line, span) in entries("cache-from") {
        given.caches.import(&line, &span);
    }
    for (line, span) in entries("cache-to") {
        given.caches.export(&line, &span);
    }
    given.caches.images.extend(several("tags").map(|(tag, _)| tag));
    let is_known = |text: &&str| !text.contains('$') && !text.is_empty();
    let mut single = |name: &str| {
        let value = with.last(name)?.text().filter(is_known).map(str::to_owned);
        given.is_open |= value.is_none();
        value
    };
    let (network, target) = (single("network"), single("target"));
    Given { network, target, ..given }
}

impl Given {
    /// Adds `NAME=value`, or a name whose value is that of the environment.
    fn argument(&mut self, argument: &str, span: &Span) {
        let (name, value) =
            argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains('$') {
            self.is_open = true;
            return;
        }
        let value = value.filter(|value| !value.contains('$'));
        let value = value.map(|value| Variable { text: value.to_owned(), span: span.clone() });
        self.arguments.retain(|(known, _)| known != name);
        self.arguments.push((name.to_owned(), value));
    }

    fn secret(&mut self, id: &str, span: Span) {
        if id.is_empty() || id.contains('$') {
            self.is_open = true;
        } else {
            self.secrets.push((id.to_owned(), span));
        }
    }

    /// Adds the host of `name:address` or `name=address`.
    fn host(&mut self, entry: &str, span: Span) {
        let name = entry.split([':', '=']).next().unwrap_or_default();
        if name.is_empty() || name.contains('$') {
            self.is_open = true;
        } else {
            self.hosts.push((name.to_owned(), span));
        }
    }
}

/// Adds the builds of the commands of a file.
fn of_commands(
    file: usize,
    commands: &[CiCommand],
    source: &SourceFile,
    has: &dyn Fn(&str) -> bool,
    found: &mut Descriptions,
) {
    let (path, text) = (&source.file.path, source.file.text.as_slice());
    for command in commands {
        let ends = command.words.first().zip(command.words.last());
        let span =
            ends.map_or(0..0, |(first, last)| first.span.start..last.span.end.max(first.span.end));
        let Some((builder, options)) = options_of_build(&command.words) else {
            if bake::call_of_command(command).is_some() {
                let words = command.words.iter();
                let set = words.map(|word| (written(word, text), word.span.clone()));
                of_settings(file, &span, set.collect(), found);
            }
            continue;
        };
        let mut build = BuildCommand { builder, ..BuildCommand::parse(options, text) };
        let mut given = std::mem::take(&mut build.given);
        if builder == Builder::Podman {
            given.caches = BuildCaches::default();
        }
        // `docker buildx` does not ask for it.
        let asks = builder == Builder::Docker && command.words.iter().all(|it| it.text != "buildx");
        given.caches.without_buildkit = command.without_buildkit.clone().filter(|_| asks);
        let origin = origin(file, &span);
        match build.described(command.directory.as_deref(), has) {
            Some((dockerfile, context)) => {
                let (origin, dockerfile) = (Some(origin), DockerfileSource::Path(dockerfile));
                found.builds.push(Described { dockerfile, context, given, origin, builder });
            }
            None => {
                found.doubt(path, "the Dockerfile of a build in it is unknown");
                found.unbuilt(origin, given);
            }
        }
    }
}

/// A word as it is written, without quotes.
fn written(word: &Resolved, file: &[u8]) -> String {
    let text = word.known().map(str::as_bytes);
    let text = text.or_else(|| file.get(word.span.clone())).unwrap_or_default();
    String::from_utf8_lossy(text).replace(['"', '\''], "")
}

/// The builder of a command that builds an image, and the words after its verb; `None` for another
/// command.
fn options_of_build(words: &[Resolved]) -> Option<(Builder, &[Resolved])> {
    let mut known = words.iter().map_while(Resolved::known);
    let program = known.next()?.rsplit('/').next()?;
    let verbs = [known.next()?, known.next().unwrap_or_default()];
    let length = match (program, verbs) {
        ("docker" | "podman" | "nerdctl", ["build", _])
        | ("buildah", ["build" | "bud" | "build-using-dockerfile", _]) => 2,
        ("docker" | "podman" | "nerdctl", ["buildx" | "image" | "builder", "build" | "b"]) => 3,
        _ => return None,
    };
    let rest = words.get(length..)?;
    let is_help = |word: &Resolved| matches!(word.known(), Some("--help" | "-h"));
    let builder =
        if matches!(program, "podman" | "buildah") { Builder::Podman } else { Builder::Docker };
    (!rest.iter().any(is_help)).then_some((builder, rest))
}

/// The options of `docker build` and its like that have no value, but for those of one letter.
const FLAGS: [&str; 24] = [
    "all-platforms",
    "check",
    "compress",
    "debug",
    "disable-compression",
    "disable-content-trust",
    "force-rm",
    "help",
    "layers",
    "load",
    "no-cache",
    "no-hostname",
    "no-hosts",
    "omit-history",
    "pull",
    "pull-always",
    "pull-never",
    "push",
    "quiet",
    "rm",
    "squash",
    "squash-all",
    "stdin",
    "tls-verify",
];

/// What the words of a build command say.
#[derive(Debug)]
struct BuildCommand<'w> {
    builder: Builder,
    /// The value of `--file`.
    file: Option<&'w str>,
    context: Option<&'w Resolved>,
    given: Given,
    /// Whether words are unknown, so that any option may be among them.
    is_unknown: bool,
    /// Whether another ignore file is named.
    has_ignore_file: bool,
}

impl<'w> BuildCommand<'w> {
    fn parse(words: &'w [Resolved], text: &[u8]) -> Self {
        let mut build = Self {
            builder: Builder::Docker,
            file: None,
            context: None,
            given: Given::default(),
            is_unknown: false,
            has_ignore_file: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let option = word.text.as_str();
            if option.is_empty() && word.is_open {
                // `$FLAGS`: no option, or several.
                build.is_unknown = true;
            } else if let Some(option) = option.strip_prefix("--") {
                match option.split_once('=') {
                    Some((name, value)) => {
                        let whole = written(word, text);
                        let (_, whole) = whole.split_once('=').unwrap_or_default();
                        build.cache(name, whole, word);
                        build.option(name, value, word);
                    }
                    None if FLAGS.contains(&option) => {}
                    None => {
                        let Some(value) = words.next() else { break };
                        build.cache(option, &written(value, text), value);
                        build.option(option, &value.text, value);
                    }
                }
            } else if let Some(letters) = option.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                match letters {
                    "q" | "D" => {}
                    "f" | "t" | "o" | "c" | "m" | "v" => {
                        let Some(value) = words.next() else { break };
                        if letters == "t" {
                            build.given.caches.images.push(written(value, text));
                        } else if letters == "f" {
                            build.file = value.known();
                            build.is_unknown |= value.is_open;
                        }
                    }
                    // A value without a blank: `-tname`.
                    _ => build.is_unknown |= !letters.starts_with('t'),
                }
            } else {
                build.context = Some(word);
            }
        }
        build.given.is_open |= build.is_unknown;
        build
    }

    /// Reads a long option about caches.
    fn cache(&mut self, name: &str, value: &str, word: &Resolved) {
        let caches = &mut self.given.caches;
        match name {
            "cache-from" => caches.import(value, &word.span),
            "cache-to" => caches.export(value, &word.span),
            "tag" => caches.images.push(value.to_owned()),
            _ => {}
        }
    }

    /// Reads a long option; `word` is that of its value.
    fn option(&mut self, name: &str, value: &'w str, word: &Resolved) {
        let (given, is_open) = (&mut self.given, word.is_open);
        let single = (!is_open).then(|| value.to_owned());
        match name {
            "file" => {
                self.file = Some(value);
                self.is_unknown |= is_open;
            }
            "build-arg" => {
                let end = if is_open { "$" } else { "" };
                given.argument(&format!("{value}{end}"), &word.span);
            }
            "secret" => {
                let mut parts = value.split(',');
                match parts.find_map(|part| part.trim().strip_prefix("id=")) {
                    Some(id) if !is_open || value.contains(&format!("id={id},")) => {
                        given.secret(id, word.span.clone());
                    }
                    _ => given.is_open = true,
                }
            }
            "build-context" => {
                given.contexts.extend(value.split_once('=').map(|(name, _)| name.to_owned()));
            }
            "ignorefile" => self.has_ignore_file = true,
            "add-host" => given.host(value, word.span.clone()),
            "network" => {
                given.is_open |= is_open;
                given.network = single;
            }
            "target" => {
                given.is_open |= is_open;
                given.target = single;
            }
            _ => {}
        }
    }

    /// The paths of the Dockerfile and of the context; `None` if the Dockerfile is unknown.
    /// `has` decides whether the repository has a file.
    fn described(
        self,
        directory: Option<&str>,
        has: &dyn Fn(&str) -> bool,
    ) -> Option<(String, Option<String>)> {
        if self.is_unknown {
            return None;
        }
        // `-` is a context, or a Dockerfile, on standard input.
        let path = |path: &str| joined(directory?, path).filter(|_| path != "-");
        let context = self.context?.known().and_then(path);
        let dockerfile = match self.file {
            Some(file) => path(file),
            None => {
                let named = |name: &str| joined(context.as_deref()?, name);
                let of_podman = || named("Containerfile").filter(|path| has(path));
                let is_podman = self.builder == Builder::Podman;
                is_podman.then(of_podman).flatten().or_else(|| named("Dockerfile"))
            }
        };
        // What another ignore file leaves of the context is unknown.
        let context = context.filter(|_| !self.has_ignore_file);
        Some((dockerfile?, context))
    }
}

#[cfg(test)]
mod tests {
    use super::may_build;
    use crate::builds::model::tests::{builds, shown};

    /// The Dockerfile, the context and the ignore file of a command.
    fn built(command: &str, more: &[&str]) -> String {
        let workflow = format!(
            "jobs: {{j: {{steps: [{{uses: actions/checkout@v4}}, {{run: '{command}'}}]}}}}"
        );
        let mut files = vec![
            (".github/workflows/a.yml", workflow.as_str()),
            ("web/Containerfile", "FROM x"),
            ("web/Dockerfile", "FROM x"),
            ("web/.dockerignore", ""),
            ("web/.containerignore", ""),
        ];
        files.extend(more.iter().map(|path| (*path, "")));
        let builds = builds(&files);
        let build = builds.list.iter().find(|build| build.origin.is_some()).unwrap();
        let ignore = build.context.as_ref().and_then(|context| context.ignore.as_ref());
        let ignore = ignore.map(|ignore| builds.file(ignore.file).path.to_string());
        let dockerfile = &builds.file(build.dockerfile).path;
        format!("{dockerfile} {}", ignore.unwrap_or("-".to_owned()))
    }

    #[test]
    fn texts_that_may_build() {
        for (text, expected) in [
            ("docker login\npnpm build", false),
            ("- run: docker login\n- run: pnpm build", false),
            ("docker run x\ntail", false),
            ("a; docker --debug \\\n  --tls \\\n  build .", true),
            ("docker compose up --build", true),
            ("buildah bud .", true),
            ("$DOCKER build .", true),
            ("run: >\n  docker\n  build .", true),
            ("uses: acme/build-push-action@v1", true),
            ("uses: docker/bake-action@v1", true),
            ("uses: acme/x\nwith:\n  cache-to: y", true),
        ] {
            assert_eq!(may_build(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn podman_and_buildah_prefer_other_names() {
        let own = "web/Containerfile.containerignore";
        for (command, more, expected) in [
            ("docker build web", vec![], "web/Dockerfile web/.dockerignore"),
            ("nerdctl build web", vec![], "web/Dockerfile web/.dockerignore"),
            ("podman build web", vec![], "web/Containerfile web/.containerignore"),
            ("buildah bud web", vec![], "web/Containerfile web/.containerignore"),
            ("podman build web", vec![own], "web/Containerfile web/Containerfile.containerignore"),
            (
                "podman build web",
                vec![own, "web/Containerfile.dockerignore"],
                "web/Containerfile web/Containerfile.dockerignore",
            ),
            (
                "docker build -f web/Containerfile web",
                vec![own],
                "web/Containerfile web/.dockerignore",
            ),
            ("podman build -f web/Dockerfile web", vec![], "web/Dockerfile web/.containerignore"),
            ("podman build --ignorefile x web", vec![], "web/Containerfile -"),
        ] {
            assert_eq!(built(command, &more), expected, "{command} {more:?}");
        }
    }

    #[test]
    fn a_containerfile_at_the_top_is_built_by_podman() {
        let files = [("Containerfile", "FROM x"), (".containerignore", "["), (".dockerignore", "")];
        assert_eq!(
            shown(&files),
            ["Containerfile in ? … by ", "the pattern is invalid: `[` has no valid end",]
        );
    }

    #[test]
    fn a_further_context_takes_the_place_of_a_base() {
        for (context, is_judged) in [("node=docker-image://x", false), ("src=.", true)] {
            let workflow = format!(
                "jobs: {{j: {{steps: [{{uses: actions/checkout@v4}}, \
                 {{run: 'docker build --build-context {context} .'}}]}}}}"
            );
            let files =
                [(".github/workflows/a.yml", workflow.as_str()), ("Dockerfile", "FROM node")];
            let described =
                builds(&files).list.iter().filter(|build| build.origin.is_some()).count();
            assert_eq!(described == 1, is_judged, "{context}");
        }
    }
}
