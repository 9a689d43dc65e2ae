//! What one file gives to another: the arguments of a Dockerfile, the inputs of an action or a workflow. Where these decide a
//! version, it is pinned where it is given.

use crate::change::File;
use crate::finding::Span;
use crate::formats::shell::{Use, Variable};
use crate::pins::{Demand, How, Pin, Reading, files};

/// A use of another file, with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where the other file may be, from the top of the work tree; the first one that is there counts.
    pub paths: Vec<Vec<u8>>,
    /// What is given, by the names of variables there, and where.
    pub arguments: Vec<(String, Variable)>,
}

/// How many bytes of other files are read once more for one file: each call may give other arguments to a large one.
const MOST_REREAD: usize = 32 * 1024 * 1024;

/// No place in a file. Where such a value is used, nothing of it is found.
const ELSEWHERE: Span = usize::MAX..usize::MAX;

/// Adds what calls pin to the files that make them; what hides behind inputs that are always given is for no build.
pub fn add(files: &[File], readings: &mut [Reading]) {
    let position = |path: &Vec<u8>| files.binary_search_by(|file| file.path.as_bytes().cmp(path)).ok();
    for caller in 0..files.len() {
        let mut budget = MOST_REREAD;
        for call in std::mem::take(&mut readings[caller].calls) {
            let Some(called) = call.paths.iter().find_map(position) else { continue };
            for pin in &mut readings[called].pins {
                // A default that a caller replaces is one variant of several.
                let is_input = |used: &Use| used.name.starts_with("inputs.") && names(&call, &used.name);
                pin.is_elsewhere |= pin.used.iter().any(is_input);
            }
            let size = files[called].text.len();
            if size > budget {
                continue;
            }
            budget -= size;
            let mut pins = given(&files[called], &call.arguments, &files[caller].text);
            pins.retain(|pin| !readings[caller].pins.contains(pin));
            // Two stages that install the same are given it once.
            pins.dedup();
            readings[caller].pins.append(&mut pins);
        }
    }
}

fn names(call: &Call, name: &str) -> bool {
    call.arguments.iter().any(|(given, _)| given == name)
}

/// The pins of a file that arguments decide, each where its argument is given; `source` is the text of the file that gives them.
fn given(target: &File, arguments: &[(String, Variable)], source: &[u8]) -> Vec<Pin> {
    let elsewhere =
        |(name, variable): &(String, Variable)| (name.clone(), Variable { span: ELSEWHERE, ..variable.clone() });
    let reading = files::read_given(&target.path, &target.text, arguments.iter().map(elsewhere).collect());
    let in_place = |pin: Pin| {
        let (name, variable) = arguments.iter().find(|(name, variable)| {
            let is_used = pin.used.iter().any(|used| used.name == *name && used.span == ELSEWHERE);
            is_used && Demand::of(&variable.text) == pin.demand
        })?;
        let place = variable.span.clone();
        let version = version(source, &place, &variable.text);
        let used = vec![Use { name: name.clone(), span: place.clone() }];
        let how =
            if name.starts_with("inputs.") { How::Command("action input") } else { How::Command("build argument") };
        Some(Pin { used, version, at: place.clone(), place, how, ..pin })
    };
    reading.pins.into_iter().filter_map(in_place).collect()
}

/// Where a value stands as it is, behind its name where that stands there too.
fn version(text: &[u8], place: &Span, value: &str) -> Option<Span> {
    let at = memchr::memmem::rfind(text.get(place.clone())?, value.as_bytes()).filter(|_| !value.is_empty())?;
    Some(place.start + at..place.start + at + value.len())
}
