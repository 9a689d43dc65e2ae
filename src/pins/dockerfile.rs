//! Pins of Dockerfiles: base images and `RUN` commands; and corepack in images that do not have it.

use std::collections::BTreeSet;

use crate::formats::dockerfile::Instruction;
use crate::formats::shell::Variable;
use crate::models::dockerfile::{Base, Stages};
use crate::pins::commands;
use crate::pins::images::{self, Container};
use crate::pins::pin::{self, Channel, FilePins, PinKind};
use crate::pins::scripts::joined;

/// The known facts about a stage.
#[derive(Debug)]
struct StageFacts {
    base: Option<usize>,
    container: Container,
    /// The paths in the build context that it copies.
    copied: BTreeSet<Vec<u8>>,
    /// The number of the pins up to its end.
    end: usize,
}

pub(crate) fn dockerfile_pins(
    instructions: &[Instruction],
    text: &[u8],
    arguments: Vec<(String, Variable)>,
) -> FilePins {
    let mut stages =
        Stages::with_arguments(arguments.into_iter().map(|(name, value)| (name, Some(value))));
    let mut found = FilePins::default();
    let mut facts: Vec<StageFacts> = Vec::new();
    for instruction in instructions {
        stages.apply(instruction);
        let (Some((_, stage)), name) = (stages.current(), instruction.name.as_str()) else {
            found.add(run(instruction, &stages, &mut Container::default(), text));
            continue;
        };
        if name == "FROM" {
            let image = stage.image.as_ref();
            let (base, container) = match stage.base {
                Base::Stage(number) => (Some(number), facts[number].container.clone()),
                Base::Image => (None, Container::new(image)),
            };
            if base.is_none() {
                found.pins.extend(image.and_then(|image| images::reference_pin(image, text)));
            }
            facts.push(StageFacts { base, container, copied: BTreeSet::new(), end: 0 });
        }
        let Some(known) = facts.last_mut() else { continue };
        match name {
            "COPY" | "ADD" => {
                if may_copy_corepack(instruction) {
                    known.container.corepack = None;
                }
                known.copied.extend(copied(instruction));
            }
            "RUN" if stage.has_posix_shell => {
                found.add(run(instruction, &stages, &mut known.container, text));
            }
            _ => {}
        }
        known.end = found.pins.len();
    }
    mark_used(&mut found, &facts);
    found
}

/// Marks the pins of each stage with the paths that are copied into it, into the stages that it
/// builds on, and into those that build on it.
fn mark_used(found: &mut FilePins, facts: &[StageFacts]) {
    // Most files copy nothing by name, or pin nothing.
    if found.pins.is_empty() || facts.len() > MAX_STAGES {
        return;
    }
    let bases = |number: usize| {
        std::iter::successors(Some(number), |number| facts.get(*number).and_then(|s| s.base))
    };
    let mut start = 0;
    for (number, stage) in facts.iter().enumerate() {
        if start < stage.end {
            let above: BTreeSet<usize> = bases(number).collect();
            let below =
                (number + 1..facts.len()).filter(|other| bases(*other).any(|base| base == number));
            let family = above.iter().copied().chain(below);
            let used = family.flat_map(|number| &facts[number].copied).cloned().collect();
            pin::mark_used(&mut found.pins[start..stage.end], used);
        }
        start = start.max(stage.end);
    }
}

/// The maximum number of stages of a file whose copies are compared with each other.
const MAX_STAGES: usize = 100;

/// The paths that a `COPY` or `ADD` copies from the build context, up to a pattern.
fn copied(instruction: &Instruction) -> Vec<Vec<u8>> {
    if instruction.flag("from").is_some() {
        return Vec::new();
    }
    let words = instruction.exec_words().unwrap_or_else(|| {
        let words = instruction.arguments();
        words.map(|word| String::from_utf8_lossy(word).replace(['"', '\''], "")).collect()
    });
    let Some((_, sources)) = words.split_last() else { return Vec::new() };
    let literal = |source: &String| {
        let pattern = source.find(['*', '?', '[']).unwrap_or(source.len());
        let (literal, rest) = source.split_at(pattern);
        let end = if rest.is_empty() { literal.len() } else { literal.rfind('/').unwrap_or(0) };
        let path = joined("", literal.get(..end)?.trim_start_matches('/'))?;
        (!source.starts_with("<<")).then(|| path.into_bytes())
    };
    sources.iter().filter_map(literal).collect()
}

/// Whether a `COPY` or `ADD` may bring corepack: from another image, any system directory; from the
/// build context, a copy over a system directory, or a path that contains its name.
fn may_copy_corepack(instruction: &Instruction) -> bool {
    let holds = |word: &[u8], part: &str| memchr::memmem::find(word, part.as_bytes()).is_some();
    let is_root =
        |word: &[u8]| matches!(word, b"/" | b"/usr" | b"/usr/" | b"/usr/local" | b"/usr/local/");
    let is_system = |word: &[u8]| {
        is_root(word)
            || word.starts_with(b"/opt")
            || ["/usr/local", "/usr/lib", "/usr/bin"].iter().any(|part| holds(word, part))
    };
    let words: Vec<&[u8]> = instruction.arguments().collect();
    words.iter().any(|word| holds(word, "corepack"))
        || words.last().is_some_and(|target| is_root(target))
        || instruction.flag("from").is_some() && words.iter().any(|word| is_system(word))
}

/// The pins of a `RUN`; `container` is that of its stage, before and after it.
fn run(
    instruction: &Instruction,
    stages: &Stages,
    container: &mut Container,
    text: &[u8],
) -> FilePins {
    let mut found = FilePins::default();
    let script = instruction.script();
    let variables = &|name: &str| stages.lookup(name);
    for (at, done) in commands::effects(&script, variables, text).into_iter().enumerate() {
        found.uses_corepack |= done.runs_corepack;
        found.faults.extend(container.run(&script, at, &done, variables));
        found.pins.extend(done.pins.into_iter().map(|mut pin| {
            pin.bypasses_corepack = container.corepack == Some(true)
                && matches!(pin.kind, PinKind::Command(Channel::Npm, _));
            pin
        }));
    }
    found
}
