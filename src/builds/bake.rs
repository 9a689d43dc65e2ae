//! The builds of bake files. They are those of the commands that call bake, or of the files at the
//! top that `docker buildx bake` looks for.
//!
//! Paths are relative to the directory of the call. A value with a variable is unknown, but the
//! default of a variable counts in a path.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::described::{
    BuildOrigin, Builder, Described, Descriptions, DockerfileSource, Given, OriginName, Unreadable,
    lines,
};
use crate::formats::Syntax;
use crate::formats::document::SyntaxError;
use crate::formats::joined::Joined;
use crate::formats::shell::{Resolved, Variable};
use crate::models::Scalar;
use crate::models::bake::{Bake, BakeTarget};
use crate::models::compose::Compose;
use crate::pins::{CiCommand, UsedAction, joined};
use crate::project::Project;
use crate::project::defaults::{BAKE_DEFAULTS, ComposeRole};
use crate::project::kinds::FileKind;

/// The maximum number of targets that a target inherits from, directly or not.
const MAX_INHERITED: usize = 64;

/// A call of bake.
#[derive(Debug)]
pub(super) struct BakeCall {
    /// Where it runs; `None` if that is unknown.
    directory: Option<String>,
    /// The paths of its files; empty for those that bake looks for.
    files: Vec<String>,
    /// The targets and groups; empty for the default.
    targets: Vec<String>,
    /// Whether it may give more than the files do.
    is_open: bool,
    /// Whether it builds what it fetches from git itself.
    is_of_git: bool,
}

/// The call of a `docker/bake-action`.
pub(super) fn call_of_action(action: &UsedAction<'_>, text: &[u8]) -> BakeCall {
    let with = &action.uses.with;
    let list = |name: &str| {
        let lines = with.last(name).map(|list| lines(list, text)).unwrap_or_default();
        let parts = lines.iter().flat_map(|(line, _)| line.split(','));
        parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    };
    // From version 6 on, the source is the repository on the server; before, it was the disk.
    let source = with.text("source").unwrap_or_default();
    let inside = action.input("workdir").map(|path| if path.is_empty() { "." } else { path });
    BakeCall {
        directory: inside.and_then(|inside| action.path(inside)),
        files: list("files"),
        targets: list("targets"),
        is_open: with.last("set").is_some(),
        is_of_git: !source.starts_with('.'),
    }
}

/// The call of `docker buildx bake`; `None` for another command.
pub(super) fn call_of_command(command: &CiCommand) -> Option<BakeCall> {
    let known = |at: usize| command.words.get(at).and_then(Resolved::known);
    let rest = match (known(0)?, known(1)?, known(2)) {
        ("docker", "buildx", Some("bake")) => 3,
        ("docker" | "docker-buildx" | "buildx", "bake", _) => 2,
        _ => return None,
    };
    let mut call = BakeCall {
        directory: command.directory.clone(),
        files: Vec::new(),
        targets: Vec::new(),
        is_open: false,
        is_of_git: false,
    };
    let mut words = command.words.iter().skip(rest);
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        call.is_open |= word.is_open;
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        match name {
            "-f" | "--file" => {
                let value = match value {
                    Some(value) if !word.is_open => Some(value),
                    Some(_) => None,
                    None => words.next().and_then(Resolved::known),
                };
                match value {
                    Some(value) => call.files.push(value.to_owned()),
                    None => call.directory = None,
                }
            }
            "--set" | "--var" => {
                call.is_open = true;
                if value.is_none() {
                    words.next();
                }
            }
            "--help" | "-h" => return None,
            "--allow" | "--builder" | "--call" | "--list" | "--metadata-file" | "--progress"
            | "--provenance" | "--sbom"
                if value.is_none() =>
            {
                words.next();
            }
            _ if name.starts_with('-') || word.is_open => {}
            // A definition on a server.
            _ if text.contains("://") || text.contains('#') => call.is_of_git = true,
            _ => call.targets.push(text.to_owned()),
        }
    }
    Some(call)
}

/// Files that bake merges, and what all calls of them ask for.
#[derive(Default)]
struct Calls {
    targets: BTreeSet<String>,
    is_open: bool,
    /// Whether a call builds the files on the disk.
    is_local: bool,
}

/// Adds the builds of the calls, and those of the files that bake looks for at the top.
pub(super) fn builds(project: &Project, calls: Vec<BakeCall>, found: &mut Descriptions) {
    let mut stacks: BTreeMap<(String, Vec<String>), Calls> = BTreeMap::new();
    let top = BakeCall {
        directory: Some(String::new()),
        files: Vec::new(),
        targets: Vec::new(),
        is_open: false,
        is_of_git: false,
    };
    let is_bake = |path: &RepoPath| {
        FileKind::of(path, |kind| matches!(kind, FileKind::BakeHcl | FileKind::BakeJson)).is_some()
    };
    let files = project.files().iter().map(|source| &source.file.path);
    let all: Vec<&RepoPath> = files.filter(|path| is_bake(path)).collect();
    let mut used = BTreeSet::new();
    for call in calls.into_iter().chain([top]) {
        let Some(directory) = call.directory else { continue };
        let named = call.files.iter().filter_map(|file| joined(&directory, file));
        let defaults = BAKE_DEFAULTS.iter().filter_map(|name| joined(&directory, name));
        let defaults = defaults.filter(|path| project.number(path.as_bytes()).is_some());
        let files: Vec<String> =
            if call.files.is_empty() { defaults.collect() } else { named.collect() };
        used.extend(files.iter().cloned());
        let known = stacks.entry((directory, files)).or_default();
        known.targets.extend(call.targets);
        known.is_open |= call.is_open;
        known.is_local |= !call.is_of_git;
    }
    for ((directory, files), calls) in stacks {
        if let Some(stack) = BakeFiles::read(project, directory, &files, found) {
            stack.describe(&calls, found);
        }
    }
    for path in all.into_iter().filter(|path| !used.contains(&path.to_string())) {
        found.doubt(path, "nothing says where bake is called with it");
    }
}

/// Targets by their names, each with the number of its file.
type Targets<'s> = BTreeMap<&'s str, Vec<(usize, &'s BakeTarget)>>;

/// Bake files that are merged.
struct BakeFiles<'p> {
    project: &'p Project,
    directory: String,
    files: Vec<(usize, Rc<Bake>)>,
    variables: BTreeMap<String, String>,
    /// The services of the compose files that bake merges with these.
    services: BTreeSet<String>,
}

impl<'p> BakeFiles<'p> {
    /// Reads the files; `None` if there are no bake files among them.
    fn read(
        project: &'p Project,
        directory: String,
        paths: &[String],
        found: &mut Descriptions,
    ) -> Option<Self> {
        let (mut files, mut services) = (Vec::new(), BTreeSet::new());
        let mut variables = BTreeMap::new();
        for path in paths {
            let Some(number) = project.number(path.as_bytes()) else {
                found.named.push(path.clone());
                continue;
            };
            let source = &project.files()[number];
            let path = &source.file.path;
            let extension = path.file_name().rsplit(|byte| *byte == b'.').next();
            let syntax = match extension {
                Some(b"hcl") => Syntax::Hcl,
                Some(b"json") => Syntax::Json,
                _ => {
                    services.extend(services_of(project, number));
                    continue;
                }
            };
            match &*source.document(syntax) {
                Err(SyntaxError { span, .. }) if syntax == Syntax::Json => {
                    let (span, message) = (Some(span.clone()), "the file is not valid JSON".into());
                    found.unreadable.push(Unreadable { file: number, span, message });
                }
                Err(error) => found.doubt(path, format!("it is not read: {}", error.message)),
                Ok(_) => {}
            }
            let bake = source.model(syntax, Bake::parse);
            for (name, value) in bake.variables.iter() {
                variables.extend(value.text().map(|text| (name.to_owned(), text.to_owned())));
            }
            files.push((number, bake));
        }
        if paths.iter().all(|path| BAKE_DEFAULTS.iter().any(|name| path.ends_with(name))) {
            for number in 0..project.files().len() {
                let path = &project.file(number).path;
                let is_default = matches!(ComposeRole::of(path), ComposeRole::Default(_));
                if is_default && path.parent() == directory.as_bytes() {
                    services.extend(services_of(project, number));
                }
            }
        }
        (!files.is_empty()).then_some(Self { project, directory, files, variables, services })
    }

    /// Adds the builds of the targets that a call may build.
    fn describe(&self, calls: &Calls, found: &mut Descriptions) {
        let mut targets = Targets::new();
        for (file, target) in self.targets() {
            targets.entry(&target.name).or_default().push((file, target));
        }
        for name in self.built(calls) {
            if found.is_full() {
                return;
            }
            let (mut layers, mut room) = (Vec::new(), MAX_INHERITED);
            let is_known = add_layers(&targets, &name, &mut room, &mut layers);
            let Some(&(file, own)) = layers.last() else { continue };
            let path = &self.project.file(file).path;
            let target = Some(OriginName::Target(name.clone()));
            let origin = BuildOrigin { file, span: own.span.clone(), name: target };
            let given = Self::given(&origin, &layers, calls.is_open);
            if !is_known || self.services.contains(&name) {
                let reason = format!("another file or expression decides on target {name}");
                found.doubt(path, reason);
                found.unbuilt(origin, given);
                continue;
            }
            match self.sources(&layers) {
                Some((context, dockerfile)) => {
                    let context = calls.is_local.then_some(context);
                    let (origin, builder) = (Some(origin), Builder::Docker);
                    found.builds.push(Described { dockerfile, context, given, origin, builder });
                }
                None => {
                    let what = "the context or the Dockerfile of target";
                    found.doubt(path, format!("{what} {name} is unknown"));
                    found.unbuilt(origin, given);
                }
            }
        }
    }

    /// The names of the targets that are built: those of calls and groups, and those that no other
    /// target inherits from.
    fn built(&self, calls: &Calls) -> BTreeSet<String> {
        let targets = || self.targets().map(|(_, target)| target);
        let groups = self.files.iter().flat_map(|(_, bake)| &bake.groups);
        let named = groups.flat_map(|(_, members)| members.iter().filter_map(Scalar::text));
        let named: BTreeSet<&str> =
            named.chain(calls.targets.iter().map(String::as_str)).chain(["default"]).collect();
        let inherited: BTreeSet<&str> =
            targets().flat_map(|target| target.inherits.iter().filter_map(Scalar::text)).collect();
        let is_built = |target: &&BakeTarget| {
            named.contains(&*target.name)
                || !inherited.contains(&*target.name) && !target.name.starts_with('_')
        };
        targets().filter(is_built).map(|target| target.name.clone()).collect()
    }

    /// The targets, each with the number of its file, in the order in which they are merged.
    fn targets(&self) -> impl Iterator<Item = (usize, &BakeTarget)> {
        self.files.iter().flat_map(|(file, bake)| bake.targets.iter().map(|target| (*file, target)))
    }

    fn sources(&self, layers: &[(usize, &BakeTarget)]) -> Option<(String, DockerfileSource)> {
        let last = |field: fn(&BakeTarget) -> Option<&Scalar>| {
            layers.iter().rev().find_map(|(file, target)| Some((*file, field(target)?)))
        };
        let context = match last(|target| target.context.as_ref()) {
            Some((_, context)) => self.literal(context)?,
            None => ".".to_owned(),
        };
        let context = joined(&self.directory, &context)?;
        if let Some((file, inline)) = last(|target| target.inline.as_ref()) {
            let text = inline.text().filter(|text| !has_template(text))?;
            let raw = &self.project.file(file).text;
            let placed = Joined::verbatim(raw, text, &inline.span)
                .or_else(|| Joined::respelled(text, &inline.span))?;
            return Some((context, DockerfileSource::Inline(file, placed)));
        }
        let dockerfile = match last(|target| target.dockerfile.as_ref()) {
            Some((_, dockerfile)) => self.literal(dockerfile)?,
            None => "Dockerfile".to_owned(),
        };
        let dockerfile = joined(&context, &dockerfile)?;
        Some((context, DockerfileSource::Path(dockerfile)))
    }

    /// A path, with the defaults of its variables; `None` if one has no default.
    fn literal(&self, value: &Scalar) -> Option<String> {
        let (mut rest, mut text) = (value.text()?, String::new());
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            let default = self.variables.get(name).filter(|default| !has_template(default))?;
            text.push_str(before);
            text.push_str(default);
            rest = after;
        }
        text.push_str(rest);
        (!has_template(&text)).then_some(text)
    }

    /// What a target and those that it inherits from give together.
    fn given(origin: &BuildOrigin, layers: &[(usize, &BakeTarget)], is_open: bool) -> Given {
        let mut given = Given { is_open, ..Given::default() };
        let known =
            |value: &Scalar| value.text().filter(|text| !has_template(text)).map(str::to_owned);
        for (file, target) in layers {
            let place = |span: &Span| {
                let start = origin.span.start;
                if *file == origin.file { span.clone() } else { start..start }
            };
            let here = |value: &Scalar| place(&value.span);
            given.is_open |= target.is_open;
            for (name, value) in target.arguments.iter() {
                let value = known(value).map(|text| Variable { text, span: here(value) });
                given.arguments.retain(|(known, _)| known != name);
                given.arguments.push((name.to_owned(), value));
            }
            for secret in &target.secrets {
                match known(secret) {
                    Some(id) => given.secrets.push((id, here(secret))),
                    None => given.is_open = true,
                }
            }
            let hosts = target.hosts.iter().map(|(name, value)| (name.to_owned(), here(value)));
            given.hosts.extend(hosts);
            given.contexts.extend(target.contexts.iter().map(|(name, _)| name.to_owned()));
            for (text, span) in &target.cache_from {
                given.caches.import(text, &place(span));
            }
            if let Some(exports) = &target.cache_to {
                // They take the place of those of weaker parts.
                given.caches.exports.clear();
                for (text, span) in exports {
                    given.caches.export(text, &place(span));
                }
            }
            let tags = target.tags.iter().map(|tag| tag.text().unwrap_or("${}").to_owned());
            given.caches.images.extend(tags);
            let single =
                [(&target.network, &mut given.network), (&target.target, &mut given.target)];
            for (own, merged) in single {
                if let Some(own) = own {
                    *merged = known(own);
                    given.is_open |= merged.is_none();
                }
            }
        }
        given
    }
}

/// Adds the parts of a target, the weakest first; `false` if a part is unknown. `room` is the
/// number of targets that may still be looked up.
fn add_layers<'s>(
    targets: &Targets<'s>,
    name: &str,
    room: &mut usize,
    layers: &mut Vec<(usize, &'s BakeTarget)>,
) -> bool {
    let Some(left) = room.checked_sub(1) else { return false };
    *room = left;
    let Some(own) = targets.get(name) else { return false };
    let inherits = own.iter().rev().find(|(_, target)| !target.inherits.is_empty());
    let inherits = inherits.map(|(_, target)| &target.inherits).into_iter().flatten();
    let mut is_known = true;
    for base in inherits {
        is_known &= base.text().is_some_and(|base| add_layers(targets, base, room, layers));
    }
    layers.extend(own);
    is_known
}

/// The services of a compose file.
fn services_of(project: &Project, number: usize) -> Vec<String> {
    let compose = project.files()[number].model(Syntax::Yaml, Compose::parse);
    compose.services.iter().map(|service| service.name.clone()).collect()
}

/// Whether a string has an expression in it.
fn has_template(text: &str) -> bool {
    text.contains("${") || text.contains("%{")
}

#[cfg(test)]
mod tests {
    use crate::builds::model::tests::shown;

    const BAKE: &str = r#"// A comment.
variable "TAG" { default = "x" }
variable "DIR" { default = "web" }
variable "NONE" {}
group "default" { targets = ["web", "inline"] }
target "_base" {
  args = { A = "1", B = TAG, C = upper("x") }
  secret = ["id=s,env=S", { type = "file", id = "t" }]
  /* one
     more */
  network = "host"
}
target "web" {
  inherits = ["_base"]
  context = "${DIR}"
  args = {
    A = "2" # own
    "D" : 3
  }
  target = "last"
  extra-hosts = { h = "1.2.3.4" }
  tags = ["a:${TAG}", notequal("", TAG) ? "b" : ""]
}
target inline {
  dockerfile-inline = <<-EOT
    FROM node:22
    RUN pnpm i
  EOT
}
target "gone" { context = NONE }
target "template" { dockerfile = "${TAG}/${upper(TAG)}" }
target "git" { context = "https://example.com/x.git" }
target "lost" { inherits = ["nothing"] }
target "many" {
  name = "many-${item}"
  matrix = { item = ["a", "b"] }
  dockerfile = "web/Dockerfile"
}
target "renamed" { contexts = { "node:22" = "docker-image://x" } }
"#;
    const NODE: &str = "FROM node:22\n";

    #[test]
    fn a_bake_file_at_the_top_describes_builds() {
        let files = [("docker-bake.hcl", BAKE), ("web/Dockerfile", NODE), ("Dockerfile", NODE)];
        assert_eq!(
            shown(&files),
            [
                "inside of docker-bake.hcl in \"\" by inline",
                "web/Dockerfile in \"\" … by \"many\"",
                "web/Dockerfile in \"web\" B=? C=? A=2 `\"2\"` D=3 `3` \
                 secret s `\"id=s,env=S\"` secret t `{ type = \"file\", id = \"t\" }` \
                 host h `\"1.2.3.4\"` network host target last by \"web\"",
                "Dockerfile in \"\" … by ",
                "Dockerfile: a further context takes the place of its base node:22",
                "docker-bake.hcl: another file or expression decides on target lost",
                "docker-bake.hcl: the context or the Dockerfile of target git is unknown",
                "docker-bake.hcl: the context or the Dockerfile of target gone is unknown",
                "docker-bake.hcl: the context or the Dockerfile of target template is unknown",
            ]
        );
    }

    #[test]
    fn bake_merges_the_files_that_it_looks_for() {
        let json = r#"{"target": {"a": {"context": "web", "args": {"A": "1", "N": null}},
                                  "b": {"args": {"A": "1"}}, "c": {"inherits": ["c"]}}}"#;
        let hcl = "target \"a\" { args = { A = \"2\" } }";
        let files = [
            ("docker-bake.json", json),
            ("docker-bake.override.hcl", hcl),
            ("compose.yaml", "services: {b: {build: web}}"),
            ("x/docker-bake.hcl", hcl),
            ("web/Dockerfile", NODE),
        ];
        assert_eq!(
            shown(&files),
            [
                "web/Dockerfile in \"web\" by b",
                "web/Dockerfile in \"web\" N=? A=2 `\"2\"` by \"a\"",
                "docker-bake.json: another file or expression decides on target b",
                "x/docker-bake.hcl: nothing says where bake is called with it",
            ]
        );
        assert_eq!(shown(&[("docker-bake.json", "{")]), ["the file is not valid JSON"]);
        let broken = [("docker-bake.hcl", "target \"a\" {")];
        assert_eq!(shown(&broken), ["docker-bake.hcl: it is not read: a block that is not closed"]);
    }

    #[test]
    fn many_targets_take_linear_time() {
        let target = |number: usize| format!("target \"t{number}\" {{ inherits = [\"x\"] }}\n");
        let hcl: String = (0..20_000).map(target).collect();
        let start = std::time::Instant::now();
        let found = shown(&[("docker-bake.hcl", hcl.as_str()), ("Dockerfile", NODE)]);
        // Looking through all of them for each takes a minute here.
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
        assert_eq!(found.len(), 20_001);
    }

    #[test]
    fn a_call_names_files_targets_and_a_directory() {
        let hcl = "target \"a\" {}\ntarget \"b\" { inherits = [\"a\"] }";
        let workflow =
            |step: &str| format!("jobs: {{j: {{steps: [{{uses: actions/checkout@v4}}, {step}]}}}}");
        for (step, expected) in [
            ("run: docker buildx bake -f ci/x.hcl", vec!["Dockerfile in \"\" by \"b\""]),
            (
                "run: docker buildx bake --file=ci/x.hcl --push a",
                vec!["Dockerfile in \"\" by \"a\"", "Dockerfile in \"\" by \"b\""],
            ),
            (
                "run: cd web && docker buildx bake -f ../ci/x.hcl --set '*.args.A=1'",
                vec!["web/Dockerfile in \"web\" … by \"b\""],
            ),
            ("run: docker buildx bake --help -f ci/x.hcl", vec![]),
            ("run: docker buildx bake -f $X", vec![]),
            (
                "uses: docker/bake-action@v6, with: {files: ci/x.hcl, source: .}",
                vec!["Dockerfile in \"\" by \"b\""],
            ),
            (
                "uses: docker/bake-action@v6, with: {files: ci/x.hcl, targets: a, set: '*.x=y'}",
                vec!["Dockerfile in ? … by \"a\"", "Dockerfile in ? … by \"b\""],
            ),
        ] {
            let workflow = workflow(&format!("{{{step}}}"));
            let files = [
                (".github/workflows/a.yml", workflow.as_str()),
                ("ci/x.hcl", hcl),
                ("Dockerfile", NODE),
                ("web/Dockerfile", NODE),
            ];
            let is_called = |line: &String| line.ends_with('"');
            let found: Vec<String> = shown(&files).into_iter().filter(is_called).collect();
            assert_eq!(found, expected, "{step}");
        }
    }
}
