//! Pins of Dockerfiles: base images and `RUN` commands; and corepack in images that do not have it.

use crate::formats::dockerfile::Instruction;
use crate::formats::shell::{Link, Variable};
use crate::models::dockerfile::{Base, Stages};
use crate::pins::commands::{self, Effects};
use crate::pins::images;
use crate::pins::pin::{Channel, Fault, FilePins, PinKind};

pub(super) fn dockerfile_pins(
    instructions: &[Instruction],
    text: &[u8],
    arguments: Vec<(String, Variable)>,
) -> FilePins {
    let mut stages = Stages::with_arguments(arguments);
    let mut found = FilePins::default();
    // Whether each stage has corepack; `None` where that is not known.
    let mut corepack: Vec<Option<bool>> = Vec::new();
    for instruction in instructions {
        stages.apply(instruction);
        let Some((_, stage)) = stages.current() else {
            found.add(run(instruction, &stages, &mut None, text));
            continue;
        };
        match instruction.name.as_str() {
            "FROM" => {
                let image = stage.image.as_ref();
                if let Base::Stage(number) = stage.base {
                    corepack.push(corepack[number]);
                } else {
                    corepack.push(image.and_then(images::has_corepack));
                    found.pins.extend(image.and_then(|image| images::reference_pin(image, text)));
                }
            }
            "COPY" | "ADD" if may_copy_corepack(instruction) => {
                corepack.last_mut().into_iter().for_each(|state| *state = None);
            }
            "COPY" | "ADD" => {}
            _ => {
                if let Some(state) = corepack.last_mut().filter(|_| stage.has_posix_shell) {
                    found.add(run(instruction, &stages, state, text));
                }
            }
        }
    }
    found
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
        || instruction.has_flag("--from") && words.iter().any(|word| is_system(word))
}

/// The pins of a `RUN`; `corepack` is whether the stage has corepack, before and after it.
fn run(
    instruction: &Instruction,
    stages: &Stages,
    corepack: &mut Option<bool>,
    text: &[u8],
) -> FilePins {
    let mut found = FilePins::default();
    let script = instruction.script();
    let done = commands::effects(&script, &|name| stages.lookup(name), text);
    for (at, Effects { mut pins, runs_corepack, brings_corepack }) in done.into_iter().enumerate() {
        let command = &script.commands[at];
        if brings_corepack {
            *corepack = None;
        }
        if runs_corepack {
            found.uses_corepack = true;
            // `corepack enable || npm install -g corepack` handles a missing corepack.
            let is_prepared = command.is_tested
                || script.commands.get(at + 1).is_some_and(|next| next.link == Link::Or);
            let image = stages.current().and_then(|(_, stage)| stage.image.as_ref());
            if let (Some(false), false, Some(word)) =
                (*corepack, is_prepared, command.words().next())
            {
                let name = image.map(|image| format!("{}:{}", image.repository, image.tag()));
                let name = name.unwrap_or_default();
                let span = script.resolve(&word, &|name| stages.lookup(name)).span;
                found.faults.push((span, Fault::NoCorepack(name)));
                // Report it once for a stage: the first command fails.
                *corepack = None;
            }
        }
        for pin in &mut pins {
            pin.bypasses_corepack =
                *corepack == Some(true) && matches!(pin.kind, PinKind::Command(Channel::Npm, _));
        }
        found.pins.append(&mut pins);
    }
    found
}
