//! The arguments that a Dockerfile declares and does not use.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::base::finding::Span;
use crate::builds::build::Build;
use crate::builds::model::Builds;
use crate::formats::dockerfile::Instruction;
use crate::models::dockerfile::Base;

/// The arguments that every build knows, in capitals.
const PREDEFINED: [&str; 15] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SOURCE_DATE_EPOCH",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// Whether BuildKit itself knows an argument of this name.
pub(crate) fn is_predefined(name: &str) -> bool {
    PREDEFINED.contains(&&*name.to_ascii_uppercase()) || name.starts_with("BUILDKIT_")
}

/// An `ARG` that no instruction after it names.
#[derive(Debug)]
pub(crate) struct UnusedArgument {
    pub name: String,
    /// The place of its name and its default.
    pub span: Span,
    /// The places of the instruction, and of those that repeat it in the same stage; `None` if one
    /// of them declares something else as well.
    pub lines: Option<Vec<Span>>,
    /// Whether a `RUN` follows, which has it as an environment variable.
    pub may_be_read: bool,
    /// Whether it has a value without a caller: its own default, or that of an `ARG` before the
    /// first `FROM`.
    pub has_default: bool,
}

/// The unused arguments of the Dockerfile of a build. A name is reported once for each stage.
pub(crate) fn unused_arguments(builds: &Builds, build: &Build) -> Vec<UnusedArgument> {
    let instructions = builds.instructions(build);
    let uses = ReadNames::new(&instructions);
    let mut found: Vec<UnusedArgument> = Vec::new();
    // For each name of a stage, its place among the found ones, if it is unused.
    let mut seen: BTreeMap<(Option<usize>, String), Option<usize>> = BTreeMap::new();
    for (at, instruction) in instructions.iter().enumerate() {
        if instruction.name != "ARG" {
            continue;
        }
        let stage = uses.of_stage[at];
        let heirs = stage.map(|stage| heirs(build, stage));
        let is_in = |places: &[usize]| uses.is_after(at, places, heirs.as_ref());
        // A script from elsewhere may read any variable.
        let is_fetched = stage.is_some() && is_in(&uses.fetching);
        let is_run = stage.is_some() && is_in(&uses.running);
        let assignments = instruction.assignments();
        let is_single = assignments.len() == 1;
        for (word, (name, _)) in instruction.words().zip(assignments) {
            if is_predefined(&name) || !is_name(&name) {
                continue;
            }
            let line = is_single.then(|| instruction.span.clone());
            let first = match seen.entry((stage, name.clone())) {
                Entry::Occupied(first) => {
                    // What follows it follows the first one as well.
                    if let Some(first) = first.get().and_then(|first| found.get_mut(first)) {
                        let lines = first.lines.take().zip(line);
                        first.lines = lines.map(|(mut lines, line)| {
                            lines.push(line);
                            lines
                        });
                    }
                    continue;
                }
                Entry::Vacant(first) => first.insert(None),
            };
            let is_used = uses.naming.get(name.as_bytes()).is_some_and(|places| is_in(places));
            // An argument from before the first `FROM` is for the stages that declare it.
            let is_declared =
                stage.is_none() && uses.declaring.get(&name).is_some_and(|all| is_in(all));
            if is_used || is_declared || is_fetched {
                continue;
            }
            let defaults = uses.defaults.get(&name).into_iter().flatten();
            let mut stages = defaults.map(|place| uses.of_stage[*place]);
            let has_default = stages.any(|own| own.is_none() || own == stage);
            *first = Some(found.len());
            found.push(UnusedArgument {
                has_default,
                span: instruction.text.span(&word),
                lines: line.map(|line| vec![line]),
                may_be_read: is_run,
                name,
            });
        }
    }
    found
}

/// The variables that a step may read from its environment, although no instruction names them: the
/// files of the repository decide whether something reads them.
pub(crate) fn open_variables(builds: &Builds) -> BTreeSet<String> {
    let unused = builds.of_each_dockerfile().flat_map(|build| unused_arguments(builds, build));
    let open = unused.filter(|argument| argument.may_be_read).map(|argument| argument.name);
    open.filter(|name| !is_for_tools(name)).collect()
}

/// For each instruction, the number of its stage; `None` before the first one.
pub(crate) fn stage_numbers(instructions: &[Instruction]) -> Vec<Option<usize>> {
    let mut stage: Option<usize> = None;
    let number = |instruction: &Instruction| {
        if instruction.name == "FROM" {
            stage = Some(stage.map_or(0, |stage| stage + 1));
        }
        stage
    };
    instructions.iter().map(number).collect()
}

/// The stages that have the variables of a stage: itself, and those that build on it.
fn heirs(build: &Build, stage: usize) -> BTreeSet<usize> {
    let mut heirs = BTreeSet::from([stage]);
    for (number, later) in build.stages.iter().enumerate().skip(stage + 1) {
        if matches!(later.base, Base::Stage(base) if heirs.contains(&base)) {
            heirs.insert(number);
        }
    }
    heirs
}

/// The instructions that may use an argument, by their numbers, in ascending order.
struct ReadNames<'i> {
    of_stage: Vec<Option<usize>>,
    /// For each word of letters, digits and underscores, the instructions that contain it.
    naming: HashMap<&'i [u8], Vec<usize>>,
    /// For each name, the `ARG` instructions that declare it.
    declaring: HashMap<String, Vec<usize>>,
    /// Those of them with a default.
    defaults: HashMap<String, Vec<usize>>,
    fetching: Vec<usize>,
    /// Those that run something.
    running: Vec<usize>,
}

impl<'i> ReadNames<'i> {
    fn new(instructions: &'i [Instruction]) -> Self {
        let mut uses = Self {
            of_stage: stage_numbers(instructions),
            naming: HashMap::new(),
            declaring: HashMap::new(),
            defaults: HashMap::new(),
            fetching: Vec::new(),
            running: Vec::new(),
        };
        for (at, instruction) in instructions.iter().enumerate() {
            if fetches(instruction) {
                uses.fetching.push(at);
            }
            if matches!(&*instruction.name, "RUN" | "ONBUILD") {
                uses.running.push(at);
            }
            if instruction.name != "ARG" {
                // A here-document is not in the text of the instruction.
                instruction.texts().for_each(|text| uses.add_words(text, at));
                continue;
            }
            for (name, value) in instruction.assignments() {
                if let Some(value) = value {
                    uses.add_words(instruction.bytes(&value), at);
                    uses.defaults.entry(name.clone()).or_default().push(at);
                }
                uses.declaring.entry(name).or_default().push(at);
            }
        }
        uses
    }

    fn add_words(&mut self, text: &'i [u8], at: usize) {
        for word in text.split(|byte| !is_of_name(*byte)).filter(|word| !word.is_empty()) {
            let places = self.naming.entry(word).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }

    /// Whether one of these instructions comes after another one in its stage or one of its heirs;
    /// without heirs, whether it is another one.
    fn is_after(&self, at: usize, places: &[usize], heirs: Option<&BTreeSet<usize>>) -> bool {
        let Some(heirs) = heirs else { return places.iter().any(|place| *place != at) };
        let later = places.partition_point(|place| *place <= at);
        let mut stages = places[later..].iter().filter_map(|place| self.of_stage[*place]);
        stages.any(|stage| heirs.contains(&stage))
    }
}

/// Whether a `RUN` downloads something, which it may run.
fn fetches(instruction: &Instruction) -> bool {
    let has_url = |text: &[u8]| memchr::memmem::find(text, b"://").is_some();
    let is_fetch =
        |text: &[u8]| has_url(text) && ["curl", "wget"].iter().any(|own| names(text, own));
    instruction.name == "RUN" && instruction.texts().any(is_fetch)
}

/// Whether a text has a name as a word of its own.
pub(crate) fn names(text: &[u8], name: &str) -> bool {
    let is_inside = |byte: Option<&u8>| byte.is_some_and(|byte| is_of_name(*byte));
    memchr::memmem::find_iter(text, name.as_bytes()).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        !is_inside(before) && !is_inside(text.get(at + name.len()))
    })
}

/// The beginnings of names that tools read from the environment, or that a framework reads all
/// of. Nothing in a repository needs to name them.
const OF_TOOLS: [&str; 52] = [
    "APT_",
    "AWS_",
    "BUN_",
    "BUNDLE_",
    "CARGO_",
    "CGO_",
    "COREPACK_",
    "CURL_",
    "CYPRESS_",
    "DEBCONF_",
    "DEBIAN_",
    "DOCKER_",
    "DOTNET_",
    "ELECTRON_",
    "EXPO_",
    "GEM_",
    "GITHUB_",
    "GITLAB_",
    "GIT_",
    "GOARCH",
    "GOFLAGS",
    "GOOS",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GRADLE_",
    "JAVA_",
    "LC_",
    "MAVEN_",
    "NEXT_",
    "NODE_",
    "NPM_",
    "NUGET_",
    "NUXT_",
    "NX_",
    "PIP_",
    "PLAYWRIGHT_",
    "PNPM_",
    "POETRY_",
    "PRISMA_",
    "PUBLIC_",
    "PUPPETEER_",
    "PYTHON",
    "RAILS_",
    "REACT_APP_",
    "RUST",
    "SENTRY_",
    "SSL_",
    "TURBO_",
    "UV_",
    "VERCEL",
    "VITE_",
];

/// Other names that tools read.
const ALSO_OF_TOOLS: [&str; 17] = [
    "CC",
    "CFLAGS",
    "CI",
    "CXX",
    "CXXFLAGS",
    "DATABASE_URL",
    "DEBUG",
    "EDITOR",
    "FORCE_COLOR",
    "HOST",
    "LANG",
    "LANGUAGE",
    "LDFLAGS",
    "MAKEFLAGS",
    "NO_COLOR",
    "PORT",
    "TZ",
];

/// The parts of names whose value is there to run a step again.
const FOR_THE_CACHE: [&str; 5] = ["CACHE", "BUST", "REBUILD", "DATE", "TIME"];

/// Whether a step may depend on a variable that no file names.
pub(crate) fn is_for_tools(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    OF_TOOLS.iter().any(|start| name.starts_with(start))
        || ALSO_OF_TOOLS.contains(&&*name)
        || FOR_THE_CACHE.iter().any(|part| name.contains(part))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_of_name)
}

/// Whether a byte may be part of the name of a variable.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
