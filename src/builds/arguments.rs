//! The arguments that a Dockerfile declares and does not use.

use std::collections::BTreeSet;

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
    /// The place of the instruction, if it declares nothing else.
    pub alone: Option<Span>,
    /// Whether a `RUN` follows, which has it as an environment variable.
    pub may_be_read: bool,
    /// Whether it has a value without a caller: its own default, or that of an `ARG` before the
    /// first `FROM`.
    pub has_default: bool,
}

/// The unused arguments of the Dockerfile of a build. A name is reported once for each stage.
pub(crate) fn unused_arguments(builds: &Builds, build: &Build) -> Vec<UnusedArgument> {
    let instructions = builds.instructions(build);
    let of_stage = stage_numbers(&instructions);
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, instruction) in instructions.iter().enumerate() {
        if instruction.name != "ARG" {
            continue;
        }
        let stage = of_stage[at];
        let assignments = instruction.assignments();
        let is_single = assignments.len() == 1;
        for (word, (name, _)) in instruction.words().zip(assignments) {
            if is_predefined(&name) || !is_name(&name) || !seen.insert((stage, name.clone())) {
                continue;
            }
            let readers: Vec<&Instruction> = match stage {
                None => {
                    instructions.iter().filter(|other| other.span != instruction.span).collect()
                }
                Some(stage) => readers(build, &instructions, &of_stage, at, stage),
            };
            if readers.iter().any(|other| uses(other, &name, stage.is_none())) {
                continue;
            }
            // A script from elsewhere may read any variable.
            if stage.is_some() && readers.iter().any(|other| fetches(other)) {
                continue;
            }
            let runs = |other: &&Instruction| matches!(&*other.name, "RUN" | "ONBUILD");
            let has_default = instructions.iter().zip(&of_stage).any(|(other, own)| {
                let is_seen = other.name == "ARG" && (own.is_none() || *own == stage);
                is_seen && gives_default(other, &name)
            });
            found.push(UnusedArgument {
                has_default,
                span: instruction.text.span(&word),
                alone: is_single.then(|| instruction.span.clone()),
                may_be_read: stage.is_some() && readers.iter().any(runs),
                name,
            });
        }
    }
    found
}

/// The variables that a step may read from its environment, although no instruction names them,
/// and the arguments of callers that the Dockerfile may lack: the files of the repository decide
/// whether something reads them.
pub(crate) fn open_variables(builds: &Builds) -> BTreeSet<String> {
    let unused = builds.of_each_dockerfile().flat_map(|build| unused_arguments(builds, build));
    let open = unused.filter(|argument| argument.may_be_read).map(|argument| argument.name);
    let given = builds.list.iter().flat_map(|build| undeclared(builds, build));
    open.chain(given).filter(|name| !is_for_tools(name)).collect()
}

/// The arguments that the caller of a build gives, and no `ARG` of its Dockerfile declares.
fn undeclared(builds: &Builds, build: &Build) -> Vec<String> {
    let instructions = builds.instructions(build);
    let arguments = instructions.iter().filter(|instruction| instruction.name == "ARG");
    let declared = arguments.flat_map(Instruction::assignments);
    let declared: BTreeSet<String> = declared.map(|(name, _)| name).collect();
    let given = build.given.arguments.iter().map(|(name, _)| name);
    let lacks = |name: &&String| is_name(name) && !is_predefined(name) && !declared.contains(*name);
    given.filter(lacks).cloned().collect()
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

/// The instructions that see a variable of a stage: those after it, and those of the stages that
/// build on it.
fn readers<'i>(
    build: &Build,
    instructions: &'i [Instruction],
    of_stage: &[Option<usize>],
    at: usize,
    stage: usize,
) -> Vec<&'i Instruction> {
    let mut heirs = BTreeSet::from([stage]);
    for (number, later) in build.stages.iter().enumerate().skip(stage + 1) {
        if matches!(later.base, Base::Stage(base) if heirs.contains(&base)) {
            heirs.insert(number);
        }
    }
    let is_heir = |number: usize| of_stage[number].is_some_and(|stage| heirs.contains(&stage));
    let later = instructions.iter().enumerate().skip(at + 1);
    later.filter(|(number, _)| is_heir(*number)).map(|(_, instruction)| instruction).collect()
}

/// Whether an instruction names a variable. An `ARG` of the same name in another stage does only
/// for an argument from before the first `FROM`.
fn uses(instruction: &Instruction, name: &str, counts_declarations: bool) -> bool {
    if instruction.name != "ARG" {
        // A here-document is not in the text of the instruction.
        return instruction.texts().any(|text| names(text, name));
    }
    instruction.assignments().into_iter().any(|(own, value)| {
        let value = value.map(|value| instruction.bytes(&value));
        counts_declarations && own == name || value.is_some_and(|value| names(value, name))
    })
}

/// Whether an `ARG` gives an argument of this name a default.
fn gives_default(instruction: &Instruction, name: &str) -> bool {
    let mut assignments = instruction.assignments().into_iter();
    assignments.any(|(own, value)| own == name && value.is_some())
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
    let is_inside =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
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
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
