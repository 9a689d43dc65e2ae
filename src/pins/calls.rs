//! Values that one file passes to another: build arguments of a Dockerfile, inputs of an action or
//! a workflow. If such a value decides a version, the pin is in the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::finding::Span;
use crate::formats::shell::{Use, Variable};
use crate::pins::files;
use crate::pins::pin::Channel;
use crate::pins::pin::{Demand, FilePins, Pin, PinKind, last_occurrence};
use crate::project::{Project, SourceFile};

/// The maximum size in bytes of called files that are read again, once for the arguments of each
/// call.
const MAX_REREAD: usize = 8 * 1024 * 1024;

/// The place of a value that is not in the file that uses it.
const ELSEWHERE: Span = usize::MAX..usize::MAX;

/// Adds the pins that calls decide to the callers. A default that every caller replaces is not used
/// by any build, so its pins are exempt.
pub(super) fn add(project: &Project, file_pins: &mut [Rc<FilePins>]) {
    let mut replaced: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut budget = MAX_REREAD;
    let callers: Vec<Rc<FilePins>> = file_pins.to_vec();
    for (caller, found) in callers.iter().enumerate() {
        let mut pins = Vec::new();
        for call in &found.calls {
            let target = call.paths.iter().find_map(|path| project.number(path));
            let Some(target) = target else { continue };
            let names = call.arguments.iter().map(|(name, _)| name.as_str());
            let inputs: BTreeSet<&str> = names.filter(|name| is_input(name)).collect();
            replaced
                .entry(target)
                .and_modify(|all| all.retain(|name| inputs.contains(name)))
                .or_insert(inputs);
            let known: Vec<(&str, &Variable)> = call
                .arguments
                .iter()
                .filter_map(|(name, variable)| Some((&**name, variable.as_ref()?)))
                .collect();
            let size = project.file(target).text.len();
            if size <= budget && !known.is_empty() {
                budget -= size;
                let (target, text) = (&project.files()[target], &project.file(caller).text);
                pins.extend(argument_pins(target, &known, text));
            }
        }
        if !pins.is_empty() {
            let found = Rc::make_mut(&mut file_pins[caller]);
            found.pins.append(&mut pins);
            found.sort();
        }
    }
    for (target, names) in replaced {
        let is_replaced =
            |pin: &Pin| pin.used.iter().any(|used| names.contains(used.name.as_str()));
        if file_pins[target].pins.iter().any(is_replaced) {
            for pin in &mut Rc::make_mut(&mut file_pins[target]).pins {
                pin.is_exempt |= is_replaced(pin);
            }
        }
    }
}

/// Whether a variable is an input of an action or workflow, and not a build argument.
fn is_input(name: &str) -> bool {
    name.starts_with("inputs.")
}

/// The pins of a file that arguments decide, with their places in `text`, that of the caller.
fn argument_pins(target: &SourceFile, arguments: &[(&str, &Variable)], text: &[u8]) -> Vec<Pin> {
    let elsewhere = |(name, variable): &(&str, &Variable)| {
        let variable = Variable { text: variable.text.clone(), span: ELSEWHERE };
        ((*name).to_owned(), variable)
    };
    let found = files::pins_with(target, arguments.iter().map(elsewhere).collect());
    let in_place = |pin: Pin| {
        let (name, variable) = arguments.iter().find(|(name, variable)| {
            let is_used = pin.used.iter().any(|used| used.name == *name && used.span == ELSEWHERE);
            is_used && Demand::parse(&variable.text) == pin.demand
        })?;
        let place = variable.span.clone();
        // The span of an argument may include its name.
        let version = last_occurrence(text, &place, &variable.text).filter(|span| !span.is_empty());
        let used = vec![Use { name: (*name).to_owned(), span: place.clone() }];
        let label = if is_input(name) { "action input" } else { "build argument" };
        let kind = PinKind::Command(Channel::Other, label);
        Some(Pin { used, version, at: place.clone(), place, kind, ..pin })
    };
    found.pins.into_iter().filter_map(in_place).collect()
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, mismatches};

    #[test]
    fn an_input_that_decides_a_version_is_a_pin_of_the_caller() {
        let action = "inputs: {v: {default: 9.14.0}}\nruns: {steps: [{uses: pnpm/action-setup@v2, \
                      with: {version: '${{ inputs.v }}'}}]}";
        let action = (".github/actions/setup/action.yml", action);
        let workflow = |with: &str| {
            format!(
                "jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{uses: \
                 ./.github/actions/setup{with}}}]}}}}"
            )
        };
        for (with, place) in [
            ("", ".github/actions/setup/action.yml:1:23"),
            (", with: {v: 9.15.0}", ".github/workflows/a.yml:1:91"),
            (", with: {v: 10.6.5}", ""),
            (", with: {v: '${{ matrix.v }}'}", ""),
            (
                ", with: {v: 10.6.5}}, {uses: ./.github/actions/setup",
                ".github/actions/setup/action.yml:1:23",
            ),
        ] {
            let text = workflow(with);
            let found = mismatches(&[
                ("package.json", MANIFEST),
                action,
                (".github/workflows/a.yml", &text),
            ]);
            let places: Vec<_> =
                found.iter().map(|line| line.split(": ").next().unwrap()).collect();
            assert_eq!(places, if place.is_empty() { vec![] } else { vec![place] }, "{with}");
        }
    }

    #[test]
    fn a_build_argument_that_decides_a_version_is_a_pin_of_the_caller() {
        let dockerfile = ("api/Dockerfile", "ARG V=10.6.5\nFROM node\nARG V\nRUN npm i -g pnpm@$V");
        for (args, place) in [
            ("{V: 9.15.0}", "1:48"),
            ("['V=9.15.0', W]", "1:45"),
            ("{V: 10.6.5}", ""),
            ("{V: $V}", ""),
        ] {
            let compose = format!("services: {{a: {{build: {{context: api, args: {args}}}}}}}");
            let found =
                mismatches(&[("package.json", MANIFEST), dockerfile, ("compose.yaml", &compose)]);
            let expected = format!(
                "compose.yaml:{place}: pnpm 9.15.0 is installed here, but package.json pins pnpm \
                 10.6.5"
            );
            assert_eq!(found, if place.is_empty() { vec![] } else { vec![expected] }, "{args}");
        }
    }
}
