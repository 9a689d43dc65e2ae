//! The builds of compose files, with the files that they extend, include and override.
//!
//! A file that no name makes the default one is judged by itself, as `docker compose -f FILE` would
//! do. It may also be merged with the default one: then this may give more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::base::finding::Span;
use crate::builds::described::{
    BuildOrigin, Builder, Described, Descriptions, DockerfileSource, Given, OriginName, Unreadable,
};
use crate::formats::Syntax;
use crate::formats::document::SyntaxError;
use crate::formats::joined::Joined;
use crate::formats::shell::{Lookup, Variable, expand};
use crate::models::Scalar;
use crate::models::compose::{Compose, Service, ServiceBuild};
use crate::pins::joined;
use crate::project::Project;
use crate::project::defaults::ComposeRole;
use crate::project::kinds::FileKind;

/// The maximum number of services that extend each other in a row.
const LONGEST_CHAIN: usize = 32;

/// Adds the builds of all compose files of a project.
pub(super) fn builds(project: &Project, found: &mut Descriptions) {
    let files = ComposeFiles::read(project, found);
    for stack in files.stacks(found) {
        files.builds(&stack, found);
    }
}

/// The compose files of a project, and those that they name.
struct ComposeFiles<'p> {
    project: &'p Project,
    known: BTreeMap<usize, ComposeFile>,
}

struct ComposeFile {
    compose: Rc<Compose>,
    /// The number of each service; the last of duplicates.
    names: HashMap<String, usize>,
    /// Whether it replaces or removes values of other files with `!reset` or `!override`.
    removes: bool,
    /// Whether another file only extends it.
    is_part: bool,
}

/// Files that are merged, the first one first.
struct Stack {
    files: Vec<usize>,
    /// The default file of the same directory, which a command may name before this one.
    below: Option<usize>,
}

/// A service of one file.
#[derive(Clone, Copy)]
struct Layer<'c> {
    file: usize,
    service: &'c Service,
}

impl ComposeFile {
    fn service(&self, name: &str) -> Option<&Service> {
        self.compose.services.get(*self.names.get(name)?)
    }
}

impl<'p> ComposeFiles<'p> {
    fn read(project: &'p Project, found: &mut Descriptions) -> Self {
        let mut files = Self { project, known: BTreeMap::new() };
        let numbers = 0..project.files().len();
        let is_compose = |number: &usize| FileKind::Compose.matches(&project.file(*number).path);
        let mut waiting: Vec<(usize, bool)> =
            numbers.filter(is_compose).map(|number| (number, false)).collect();
        while let Some((number, is_part)) = waiting.pop() {
            if let Some(known) = files.known.get_mut(&number) {
                known.is_part &= is_part;
                continue;
            }
            let named = files.read_one(number, is_part, found);
            for (path, is_part) in named {
                match project.number(path.as_bytes()) {
                    Some(number) => waiting.push((number, is_part)),
                    None => found.named.push(path),
                }
            }
        }
        files
    }

    /// Reads a file; returns the paths of the files that it names, and whether it only extends
    /// them.
    fn read_one(
        &mut self,
        number: usize,
        is_part: bool,
        found: &mut Descriptions,
    ) -> Vec<(String, bool)> {
        let source = &self.project.files()[number];
        if let Err(SyntaxError { span, .. }) = &*source.document(Syntax::Yaml) {
            let message = "the file is not valid YAML".to_owned();
            found.unreadable.push(Unreadable { file: number, span: Some(span.clone()), message });
        }
        let compose = source.model(Syntax::Yaml, Compose::parse);
        let (path, directory) = (&source.file.path, source.file.directory());
        let mut named = Vec::new();
        for include in &compose.includes {
            match literal(&include.path).and_then(|path| joined(&directory, &path)) {
                Some(included) if include.is_plain => named.push((included, false)),
                _ => found.doubt(path, "what it includes is unknown"),
            }
        }
        let extended = compose.services.iter().filter_map(|service| service.extends.as_ref());
        let extended = extended.filter_map(|extends| literal(extends.file.as_ref()?));
        named.extend(extended.filter_map(|file| Some((joined(&directory, &file)?, true))));
        let text = &source.file.text;
        let has = |tag: &str| memchr::memmem::find(text, tag.as_bytes()).is_some();
        let removes = has("!reset") || has("!override");
        let numbers = compose.services.iter().enumerate();
        let by_name = numbers.map(|(number, service)| (service.name.clone(), number)).collect();
        self.known.insert(number, ComposeFile { compose, names: by_name, removes, is_part });
        named
    }

    /// The files that are merged, by the names that Docker Compose looks for.
    fn stacks(&self, found: &mut Descriptions) -> Vec<Stack> {
        let mut directories: BTreeMap<&[u8], Vec<(ComposeRole, usize)>> = BTreeMap::new();
        for (&number, _) in self.known.iter().filter(|(_, known)| !known.is_part) {
            let path = &self.project.file(number).path;
            directories.entry(path.parent()).or_default().push((ComposeRole::of(path), number));
        }
        let mut stacks = Vec::new();
        for mut files in directories.into_values() {
            files.sort_unstable();
            let (mut default, mut overriding) = (None, None);
            for (role, number) in files {
                let path = &self.project.file(number).path;
                match (role, default, overriding) {
                    (ComposeRole::Default(_), None, _) => {
                        default = Some(number);
                        stacks.push(Stack { files: vec![number], below: None });
                    }
                    (ComposeRole::Override(_), Some(_), None) => {
                        overriding = Some(number);
                        stacks.last_mut().into_iter().for_each(|stack| stack.files.push(number));
                    }
                    (ComposeRole::Default(_), Some(other), _)
                    | (ComposeRole::Override(_), _, Some(other)) => {
                        let used = &self.project.file(other).path;
                        found.doubt(path, format!("{used} is used instead"));
                    }
                    (ComposeRole::Override(_), None, _) | (ComposeRole::Other, ..) => {
                        stacks.push(Stack { files: vec![number], below: default });
                    }
                }
            }
        }
        stacks
    }

    fn builds(&self, stack: &Stack, found: &mut Descriptions) {
        let mut done = BTreeSet::new();
        let removes = stack.files.iter().any(|file| self.known[file].removes);
        for &file in &stack.files {
            for service in &self.known[&file].compose.services {
                if found.is_full() {
                    return;
                }
                if !done.insert(service.name.as_str()) {
                    continue;
                }
                let mut is_open = removes;
                let mut layers = Vec::new();
                for &file in stack.below.iter().chain(&stack.files) {
                    if let Some(service) = self.known[&file].service(&service.name) {
                        is_open |= stack.below == Some(file);
                        self.chain(file, service, &mut layers, &mut is_open);
                    }
                }
                // What a lower file builds is judged there.
                let builds = layers
                    .iter()
                    .any(|layer| Some(layer.file) != stack.below && layer.service.build.is_some());
                if builds {
                    self.described(Layer { file, service }, &layers, is_open, found);
                }
            }
        }
    }

    /// Adds a service, after those that it extends.
    fn chain<'c>(
        &'c self,
        file: usize,
        service: &'c Service,
        layers: &mut Vec<Layer<'c>>,
        is_open: &mut bool,
    ) {
        let mut chain = vec![Layer { file, service }];
        let mut last = Layer { file, service };
        while last.service.extends.is_some() {
            match self.extended(last).filter(|_| chain.len() < LONGEST_CHAIN) {
                Some(next) => {
                    chain.push(next);
                    last = next;
                }
                None => {
                    *is_open = true;
                    break;
                }
            }
        }
        layers.extend(chain.into_iter().rev());
    }

    /// The service that another one extends; `None` if it is unknown.
    fn extended<'c>(&'c self, layer: Layer<'c>) -> Option<Layer<'c>> {
        let extends = layer.service.extends.as_ref()?;
        let file = match &extends.file {
            None => layer.file,
            Some(path) => {
                let path = joined(&self.project.file(layer.file).directory(), &literal(path)?)?;
                self.project.number(path.as_bytes())?
            }
        };
        let name = extends.service.text()?;
        let service = self.known.get(&file)?.service(name)?;
        Some(Layer { file, service })
    }

    /// Adds the build of a service, if its Dockerfile is known.
    fn described(
        &self,
        top: Layer<'_>,
        layers: &[Layer<'_>],
        is_open: bool,
        found: &mut Descriptions,
    ) {
        let path = &self.project.file(top.file).path;
        let name = &top.service.name;
        let image = layers.iter().rev().find_map(|layer| layer.service.image.as_ref()?.text());
        let layers: Vec<(usize, &ServiceBuild)> = layers
            .iter()
            .filter_map(|layer| Some((layer.file, layer.service.build.as_ref()?)))
            .collect();
        let origin = BuildOrigin {
            file: top.file,
            span: top.service.span.clone(),
            name: Some(OriginName::Service(name.clone())),
        };
        let mut given = self.given(&origin, &layers, is_open);
        given.caches.images.extend(image.map(str::to_owned));
        match self.sources(top, &layers) {
            Ok((context, dockerfile)) => {
                let (context, origin) = (Some(context), Some(origin));
                let builder = Builder::Docker;
                found.builds.push(Described { dockerfile, context, given, origin, builder });
            }
            Err(unknown) => {
                let (what, why) = unknown;
                found.doubt(path, format!("{what} of service {name} {why}"));
                found.unbuilt(origin, given);
            }
        }
    }

    /// The context and the Dockerfile of a service, or which of them is unknown, and why.
    fn sources(
        &self,
        top: Layer<'_>,
        layers: &[(usize, &ServiceBuild)],
    ) -> Result<(String, DockerfileSource), (&'static str, &'static str)> {
        const BOTH: &str = "the context or the Dockerfile";
        let last = |field: fn(&ServiceBuild) -> Option<&Scalar>| {
            layers.iter().rev().find_map(|(file, build)| Some((*file, field(build)?)))
        };
        let (inline, dockerfile) =
            (last(|build| build.inline.as_ref()), last(|build| build.dockerfile.as_ref()));
        let context = match last(|build| build.context.as_ref()) {
            None => (top.file, ".".to_owned()),
            Some((file, context)) => (file, literal(context).ok_or((BOTH, "is unknown"))?),
        };
        let context = joined(&self.project.file(context.0).directory(), &context.1)
            .ok_or(("the context", "is not in the repository"))?;
        match (inline, dockerfile) {
            (Some(_), Some(_)) => Err((BOTH, "is unknown: Docker Compose refuses two of them")),
            (Some((file, inline)), None) => {
                let text = inline.text().unwrap_or_default();
                let raw = &self.project.file(file).text;
                let placed = Joined::verbatim(raw, text, &inline.span)
                    .or_else(|| Joined::respelled(text, &inline.span));
                let placed = placed.ok_or(("the Dockerfile", "is too long for its spelling"))?;
                let text = interpolated(&placed);
                let text = text.ok_or(("the Dockerfile", "has a variable of the environment"))?;
                Ok((context, DockerfileSource::Inline(file, text)))
            }
            (None, dockerfile) => {
                let path = dockerfile.map_or_else(
                    || Some("Dockerfile".to_owned()),
                    |(_, dockerfile)| literal(dockerfile),
                );
                let path = path.ok_or((BOTH, "is unknown"))?;
                let path = joined(&context, &path)
                    .ok_or(("the Dockerfile", "is not in the repository"))?;
                Ok((context, DockerfileSource::Path(path)))
            }
        }
    }

    /// What the builds of a service and of those below it give together.
    fn given(
        &self,
        origin: &BuildOrigin,
        layers: &[(usize, &ServiceBuild)],
        is_open: bool,
    ) -> Given {
        let mut given = Given { is_open, ..Given::default() };
        let mut arguments: BTreeMap<&str, Option<Variable>> = BTreeMap::new();
        for (file, build) in layers {
            let here = |span: &Span| {
                if *file == origin.file {
                    span.clone()
                } else {
                    origin.span.start..origin.span.start
                }
            };
            let text = &self.project.file(*file).text;
            for (name, own) in build.arguments.iter() {
                let value = value(own, text)
                    .map(|value| Variable { text: value.to_owned(), span: here(&own.span) });
                arguments.insert(name, value);
            }
            let secrets = build.secrets.iter().map(|used| (used.id.clone(), here(&used.span)));
            given.secrets.extend(secrets);
            let hosts = build.hosts.iter().map(|host| (host.name.clone(), here(&host.span)));
            given.hosts.extend(hosts);
            given.contexts.extend_from_slice(&build.contexts);
            let text = |cache: &Scalar| cache.text().unwrap_or_default().to_owned();
            given.caches.images.extend(build.tags.iter().map(text));
            for cache in &build.cache_from {
                given.caches.import(&text(cache), &here(&cache.span));
            }
            for cache in &build.cache_to {
                given.caches.export(&text(cache), &here(&cache.span));
            }
            for (own, merged) in
                [(&build.network, &mut given.network), (&build.target, &mut given.target)]
            {
                if let Some(own) = own {
                    *merged = own.text().filter(|text| !text.contains('$')).map(str::to_owned);
                    given.is_open |= merged.is_none();
                }
            }
        }
        given.arguments =
            arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for named in [&mut given.secrets, &mut given.hosts] {
            let all = named.len();
            named.retain(|(name, _)| !name.contains('$'));
            given.is_open |= named.len() < all;
        }
        given
    }
}

/// A path, with the defaults of its variables; `None` if one has no default.
fn literal(value: &Scalar) -> Option<String> {
    let text = value.text()?;
    let expanded = expand(text.as_bytes(), b'\\', 0..0, &|_| Lookup::Offered);
    expanded.known().map(str::to_owned)
}

/// A text in which `$$` is a dollar sign, and variables have their defaults; `None` if one has no
/// default.
fn interpolated(text: &Joined) -> Option<Joined> {
    let (bytes, mut found, mut at) = (text.bytes.as_slice(), Joined::default(), 0);
    while let Some(dollar) = memchr::memchr(b'$', &bytes[at..]).map(|offset| at + offset) {
        found.push_part(text, at..dollar);
        if bytes.get(dollar + 1) == Some(&b'$') {
            found.push_part(text, dollar..dollar + 1);
            at = dollar + 2;
            continue;
        }
        let end = dollar + memchr::memchr(b'}', &bytes[dollar..])?;
        let inside = std::str::from_utf8(bytes.get(dollar + 2..end)?).ok()?;
        let (before, default) = inside.split_once('-').filter(|_| bytes[dollar + 1] == b'{')?;
        let name = before.strip_suffix(':').unwrap_or(before);
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || default.contains('$') {
            return None;
        }
        found.push_part(text, end - default.len()..end);
        at = end + 1;
    }
    found.push_part(text, at..bytes.len());
    Some(found)
}

/// The value of a build argument; `None` if the environment or a variable decides on it.
fn value<'v>(value: &'v Scalar, file: &[u8]) -> Option<&'v str> {
    let text = value.text().filter(|text| !text.contains('$'))?;
    let written = file.get(value.span.clone()).unwrap_or_default();
    let is_quoted = matches!(written.first(), Some(b'\'' | b'"'));
    let is_null = !is_quoted && matches!(text, "" | "~" | "null");
    // An item `NAME=` of a list is an empty value.
    (!is_null || written.ends_with(b"=")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::Span;
    use crate::builds::model::tests::{builds, shown};

    #[test]
    fn a_dockerfile_inside_of_a_compose_file_has_its_places() {
        let compose = "services:\n  a:\n    build:\n      context: web\n      \
                       dockerfile_inline: |\n        FROM node:22 AS base\n\n        \
                       RUN echo $$HOME \\\n          && pnpm i ${FLAG:-x}\n        \
                       COPY <<A b /c/\n        text\n        A\n  b: {}\n";
        let builds = builds(&[("compose.yaml", compose), ("web/.dockerignore", "b")]);
        let build = &builds.list[0];
        let text = |span: &Span| compose.get(span.clone()).unwrap();
        let steps = build.steps().map(|(_, step)| text(&step.span));
        assert_eq!(
            steps.collect::<Vec<_>>(),
            [
                "RUN echo $$HOME \\\n          && pnpm i ${FLAG:-x",
                "COPY <<A b /c/\n        text\n        A\n",
            ]
        );
        let sources = build.sources();
        assert_eq!(text(sources[0].span), "b");
        let (_, install) = build.installs().next().unwrap();
        let words = install.command.words.iter().map(|word| word.text.as_str());
        assert_eq!(words.collect::<Vec<_>>(), ["pnpm", "i", "x"]);
        assert_eq!(text(&install.command.span()), "pnpm i ${FLAG:-x");
        let ignore = build.context.as_ref().unwrap().ignore.as_ref().unwrap();
        assert_eq!(builds.file(ignore.file).path, "web/.dockerignore".into());
        assert!(builds.is_inline(&"compose.yaml".into(), &build.stages[0].span));
        assert!(!builds.is_inline(&"compose.yaml".into(), &(0..3)));
    }

    #[test]
    fn a_dockerfile_inside_of_a_compose_file_may_be_unknown() {
        let shown = |build: &str| {
            let compose = format!("services: {{a: {{build: {{{build}}}}}}}");
            shown(&[("compose.yaml", &compose), ("Dockerfile.dockerignore", "[")])
        };
        assert_eq!(
            shown("dockerfile_inline: \"FROM x\\n\""),
            ["inside of compose.yaml in \"\" by a"]
        );
        for (inline, reason) in [
            ("'FROM $X'", "the Dockerfile of service a has a variable of the environment"),
            ("'FROM ${X}'", "the Dockerfile of service a has a variable of the environment"),
            ("'FROM ${X:-$Y}'", "the Dockerfile of service a has a variable of the environment"),
            ("'FROM ${X:+a-b}'", "the Dockerfile of service a has a variable of the environment"),
            ("'FROM $'", "the Dockerfile of service a has a variable of the environment"),
            (
                "FROM x, dockerfile: d",
                "the context or the Dockerfile of service a is unknown: Docker Compose refuses \
                 two of them",
            ),
            (
                "FROM x, additional_contexts: {x: ./y}",
                "a further context takes the place of its base x",
            ),
        ] {
            let expected = [format!("compose.yaml: {reason}")];
            assert_eq!(shown(&format!("dockerfile_inline: {inline}")), expected, "{inline}");
        }
    }
}
